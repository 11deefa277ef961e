/* From runs to numbers with intervals: which runs are of one variant, which epoch stands for a duration, and what a
 * metric comes to there over seeds.
 *
 *     variant     the finished runs of one D (kind, share of Unknown, category) at one learning rate, one a seed
 *     duration    EARLY_STOP (each run's best dev epoch), a fixed epoch, CONVERGENCE (the last epoch, of runs that
 *                 fitted 95% of D; the others do not count there)
 *     metric      a share in %, of one epoch of one run
 *     estimate    its mean over seeds, with the 95% t interval; of one seed Wilson's interval over facts, marked as
 * such, because it says nothing about what another training would give
 *
 * Differences are taken within a seed and then averaged, so that what two runs of a seed have in common cancels. */
#ifndef SLK_REPORT_MEASURE_H
#define SLK_REPORT_MEASURE_H

#include "report/dataset.h"

#define SLK_REPORT_CONFIDENCE 0.95
#define SLK_REPORT_MAX_SEEDS  256

typedef struct slk_estimate {
    size_t n;                /* seeds; 0: not measured, everything NAN */
    double value, low, high; /* low, high NAN: no interval (a difference of one seed) */
    bool facts_only;         /* one seed: the interval is about the choice of test facts alone */
} slk_estimate;

typedef enum slk_when { SLK_AT_EARLY, SLK_AT_EPOCH, SLK_AT_CONVERGENCE } slk_when;

typedef struct slk_duration {
    slk_when when;
    int32_t epoch; /* SLK_AT_EPOCH */
    char name[24]; /* "early stop", "epoch 10", "convergence" */
} slk_duration;

typedef struct slk_variant {
    const char *name, *kind, *category;
    double unknown; /* share that it asks for; -1: none */
    const slk_report_run *runs[SLK_REPORT_MAX_SEEDS];
    size_t n_runs; /* finished ones */
    size_t n_left; /* waiting, running or failed */
} slk_variant;

typedef enum slk_quantity {
    SLK_ACCURACY,          /* right, of the facts of the set (and group) */
    SLK_ANSWERED_ACCURACY, /* right, of those that were not refused */
    SLK_ANSWERED_SHARE,    /* not refused, of all */
    SLK_FITTED_KNOWN,      /* fitted, of the Known facts of D; set and group do not count */
    SLK_FITTED_UNKNOWN,
} slk_quantity;

typedef struct slk_metric {
    slk_quantity quantity;
    slk_study_set set;
    int group; /* -1: all */
} slk_metric;

/* The finished runs at `lr`, by variant, in the order of the runs; unknown-100 and only-Unknown are one D: where only
 * one of them was run, it stands for the other, too (slk_variant_find). free(*variants). Errors: SLK_E_MEMORY. */
slk_status slk_variants_collect(slk_variant **variants, size_t *n, const slk_dataset *ds, double lr, slk_err *err);
/* The variant of this kind and share (kinds unknown, known, idk) or category (only); else unknown -1, category "".
 * NULL: there is none, or none of its runs is finished. */
const slk_variant *slk_variant_find(const slk_variant *variants, size_t n, const char *kind, double unknown,
                                    const char *category);

/* Of one epoch, in %. NAN: not evaluated, or there are no such facts. epoch NULL: NAN. */
double slk_measure(const slk_dataset *ds, const slk_report_run *run, const slk_report_epoch *epoch, slk_metric metric);
/* The epoch of a run that stands for a duration; NULL: it has none. */
const slk_report_epoch *slk_measure_epoch(const slk_report_run *run, slk_duration duration);

/* The metric for each seed that has it; [SLK_REPORT_MAX_SEEDS]. */
typedef struct slk_by_seed {
    uint64_t seed[SLK_REPORT_MAX_SEEDS];
    double value[SLK_REPORT_MAX_SEEDS];
    size_t n;
} slk_by_seed;
/* variant NULL: empty. */
void slk_measure_seeds(slk_by_seed *out, const slk_dataset *ds, const slk_variant *variant, slk_duration duration,
                       slk_metric metric);

/* Mean over seeds with its t interval; of one seed without. */
slk_estimate slk_estimate_mean(const slk_by_seed *values);
/* The same of a variant's metric; one seed gets Wilson's interval where the quantity is a share of facts. */
slk_estimate slk_estimate_metric(const slk_dataset *ds, const slk_variant *variant, slk_duration duration,
                                 slk_metric metric);
/* Mean over several such lists (variants) for each seed: zero-initialise, add lists, finish. */
typedef struct slk_seed_means {
    slk_by_seed sum;
    size_t n_of[SLK_REPORT_MAX_SEEDS];
} slk_seed_means;
void slk_seed_means_add(slk_seed_means *m, const slk_by_seed *values);
slk_estimate slk_seed_means_finish(slk_seed_means *m); /* the mean of the seeds' means */

/* a - b for each seed that both have; out may be a. */
void slk_by_seed_subtract(slk_by_seed *out, const slk_by_seed *a, const slk_by_seed *b);
slk_estimate slk_estimate_none(void);
static inline bool slk_is_measured(const slk_estimate *e)
{
    return e->n > 0;
}

#endif
