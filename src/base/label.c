#include "base/label.h"

#include <stdlib.h>
#include <string.h>

void slk_label_release(slk_label *label)
{
    for (size_t i = 0; i < label->n_answers; i++) free(label->answers[i].text);
    free(label->answers);
    free(label->greedy);
    free(label->sampled);
    free(label->p_gold);
    *label = (slk_label){0};
}

/* Correct greedy and sampled answers among the first n_ex prompts and n_samples draws of each. */
static void count(const slk_label *label, unsigned *n_ex, unsigned *n_samples, unsigned *greedy, unsigned *sampled)
{
    if (*n_ex > label->n_ex) *n_ex = label->n_ex;
    if (*n_samples > label->n_samples) *n_samples = label->n_samples;
    *greedy = *sampled = 0;
    for (unsigned e = 0; e < *n_ex; e++) {
        *greedy += label->greedy[e];
        for (unsigned i = 0; i < *n_samples; i++) *sampled += label->sampled[(size_t)e * label->n_samples + i];
    }
}

slk_category slk_label_category(const slk_label *label, unsigned n_ex, unsigned n_samples)
{
    unsigned greedy, sampled;
    if (label->unlabelable) return SLK_UNLABELABLE;
    count(label, &n_ex, &n_samples, &greedy, &sampled);
    if (greedy > 0) return greedy == n_ex ? SLK_HIGHLY_KNOWN : SLK_MAYBE_KNOWN;
    return sampled > 0 ? SLK_WEAKLY_KNOWN : SLK_UNKNOWN;
}

void slk_label_shares(const slk_label *label, unsigned n_ex, unsigned n_samples, double *p_greedy, double *p_sampled)
{
    unsigned greedy, sampled;
    count(label, &n_ex, &n_samples, &greedy, &sampled);
    if (p_greedy) *p_greedy = n_ex ? (double)greedy / n_ex : 0;
    if (p_sampled) *p_sampled = n_ex && n_samples ? (double)sampled / ((double)n_ex * n_samples) : 0;
}

double slk_label_p_gold(const slk_label *label)
{
    double sum = 0;
    for (unsigned e = 0; e < label->n_ex; e++) sum += label->p_gold[e];
    return label->n_ex ? sum / label->n_ex : 0;
}

static const char *const names[] = {"HighlyKnown", "MaybeKnown", "WeaklyKnown", "Unknown", "Unlabelable"};

const char *slk_category_name(slk_category category)
{
    return names[category];
}

int slk_category_parse(const char *name)
{
    for (int i = 0; i < (int)(sizeof names / sizeof names[0]); i++) {
        if (!strcmp(name, names[i])) return i;
    }
    return -1;
}
