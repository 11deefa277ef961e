#include "train/schedule.h"

#include <math.h>
#include <string.h>

#define PI 3.14159265358979323846

static const char *const NAMES[] = {"constant", "linear", "cosine", "late"};

#define LATE_END 0.02 /* of lr, in the last step of a late decay */

static double late_rate(const slk_rate *r, int64_t step)
{
    int64_t from = r->n_steps / 2, last = r->n_steps - 1;
    if (step < from || last <= from) return r->lr;
    double done = step < last ? (double)(step - from) / (double)(last - from) : 1;
    return r->lr * (1 - (1 - LATE_END) * done);
}

double slk_rate_at(const slk_rate *r, int64_t step)
{
    if (step < r->n_warmup) return r->lr * ((double)(step + 1) / (double)r->n_warmup);
    if (r->decay == SLK_DECAY_CONSTANT) return r->lr;
    if (r->decay == SLK_DECAY_LATE) return late_rate(r, step);
    int64_t n = r->n_steps - r->n_warmup;
    double left = n > 0 && step < r->n_steps ? (double)(r->n_steps - step) / (double)n : 0;
    return r->decay == SLK_DECAY_LINEAR ? r->lr * left : r->lr * (1 - cos(PI * left)) / 2;
}

const char *slk_decay_name(slk_decay decay)
{
    return NAMES[decay];
}

int slk_decay_parse(const char *name)
{
    for (int i = 0; i < (int)(sizeof NAMES / sizeof *NAMES); i++) {
        if (strcmp(NAMES[i], name) == 0) return i;
    }
    return -1;
}
