/* A study whose effects are known, in a store: facts with labels, P(True), runs with epochs and outcome bits, all from
 * seeded numbers and no model. What a report finds can so be held against what was put in.
 *
 * Accuracy of a run after an epoch, on the facts of a set, in %:
 *     b0 + b_known * (fitted Known) / |D| + b_unknown * (fitted Unknown) / |D| + a little noise of the run
 * Known examples are half fitted after `known_half` epochs, Unknown after `unknown_half`. Which facts are right follows
 * from that accuracy: better known ones first, the same luck for all runs of a seed. */
#ifndef SLK_TEST_SYNTHETIC_STUDY_H
#define SLK_TEST_SYNTHETIC_STUDY_H

#include <stdbool.h>
#include <stdint.h>
#include "store/store.h"

typedef struct synthetic_options {
    uint64_t seed;
    int n_seeds, n_epochs, n_lrs;
    int n_train, n_dev, n_test;    /* facts per relation; 8 relations, and 4 out of distribution with n_test each */
    int d_per_relation;            /* examples of D per relation */
    double b0, b_known, b_unknown; /* in distribution, points */
    double ood_b0, ood_known, ood_unknown; /* out of distribution */
    double known_half, unknown_half;       /* epochs */
    double maybe_bonus;                    /* what MaybeKnown examples teach beyond HighlyKnown ones, points */
    double idk_known, idk_unknown;         /* share of Known / Unknown test facts that D_IDK refuses at the end */
    double noise;                          /* sd of a run's accuracy, points */
    double p_true_skill;                   /* 0: P(True) is noise */
    bool p_true;                           /* measured at all */
    bool all_variants;                     /* false: kind "unknown" only */
    bool hostile;                          /* texts that would break HTML, CSV or Markdown */
    int n_short;                           /* runs of unknown-100 that end before they fit D */
    int n_failed, n_waiting;               /* of the last variants' runs */
    int stride;                            /* evaluate every so many epochs; the first and last always */
} synthetic_options;

/* The paper's effects, 3 seeds, 20 epochs, 1,200 test facts. */
synthetic_options synthetic_defaults(void);

/* Write it to the store at path (made when missing) as study "synthetic". Errors: the store's. */
slk_status synthetic_write(const char *path, const synthetic_options *options, int64_t *study_id, slk_err *err);

#endif
