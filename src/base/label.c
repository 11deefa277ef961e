#include "base/label.h"

#include <stdlib.h>
#include <string.h>

void slk_label_release(slk_label *label)
{
    if (!label) return;
    free(label->greedy);
    free(label->sampled);
    free(label->p_gold);
    for (size_t i = 0; i < label->n_answers; i++) free(label->answers[i].text);
    free(label->answers);
    *label = (slk_label){0};
}

/* Draws that count, and how many of them matched. */
typedef struct tally {
    unsigned n_greedy, greedy, n_sampled, sampled;
} tally;

static tally tally_of(const slk_label *label, unsigned n_ex, unsigned n_samples)
{
    if (n_ex > label->n_ex) n_ex = label->n_ex;
    if (n_samples > label->n_samples) n_samples = label->n_samples;
    tally t = {.n_greedy = n_ex, .n_sampled = n_ex * n_samples};
    for (unsigned e = 0; e < n_ex; e++) {
        t.greedy += label->greedy[e] != 0;
        const uint8_t *row = label->sampled + (size_t)e * label->n_samples;
        for (unsigned s = 0; s < n_samples; s++) t.sampled += row[s] != 0;
    }
    return t;
}

slk_category slk_label_category(const slk_label *label, unsigned n_ex, unsigned n_samples)
{
    if (label->unlabelable) return SLK_UNLABELABLE;
    tally t = tally_of(label, n_ex, n_samples);
    if (t.greedy > 0) return t.greedy == t.n_greedy ? SLK_HIGHLY_KNOWN : SLK_MAYBE_KNOWN;
    return t.sampled > 0 ? SLK_WEAKLY_KNOWN : SLK_UNKNOWN;
}

void slk_label_shares(const slk_label *label, unsigned n_ex, unsigned n_samples, double *p_greedy, double *p_sampled)
{
    tally t = label->unlabelable ? (tally){0} : tally_of(label, n_ex, n_samples);
    if (p_greedy) *p_greedy = t.n_greedy ? (double)t.greedy / t.n_greedy : 0.0;
    if (p_sampled) *p_sampled = t.n_sampled ? (double)t.sampled / t.n_sampled : 0.0;
}

double slk_label_p_gold(const slk_label *label)
{
    if (!label->p_gold || label->n_ex == 0) return 0.0;
    double sum = 0.0;
    for (unsigned e = 0; e < label->n_ex; e++) sum += label->p_gold[e];
    return sum / label->n_ex;
}

static const char *const category_names[] = {"HighlyKnown", "MaybeKnown", "WeaklyKnown", "Unknown", "Unlabelable"};
#define N_NAMES ((int)(sizeof category_names / sizeof *category_names))

const char *slk_category_name(slk_category category)
{
    return (int)category >= 0 && (int)category < N_NAMES ? category_names[category] : "?";
}

int slk_category_parse(const char *name)
{
    for (int i = 0; i < N_NAMES; i++) {
        if (strcmp(name, category_names[i]) == 0) return i;
    }
    return -1;
}
