/* The bootstrap: how much would a statistic differ if other runs had been made, or other facts been asked?
 *
 * What is drawn again, with replacement, is what is independent:
 *
 *     clusters   runs. Whatever belongs to a run (its epochs, its facts' answers) comes with it as a whole, because the
 *                epochs of one run are not independent
 *     facts      test questions. All runs answer the same ones, so a replicate has the same facts for every run
 *     both       runs and facts, each by itself (a two-way layout; Owen 2007, "The pigeonhole bootstrap")
 *
 * The caller's statistic is a function of counts: how often each run, and each fact, is in the replicate.
 *
 * Percentile intervals of few clusters are too narrow (of 3 seeds there are 10 different samples); for means of runs
 * take slk_stats_mean() there. Random numbers are keyed by (seed, SLK_PURPOSE_BOOTSTRAP, replicate, which, place): the
 * same call gives the same interval, and 1,000 replicates are the first 1,000 of 2,000. */
#ifndef SLK_STATS_BOOTSTRAP_H
#define SLK_STATS_BOOTSTRAP_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "stats/stats.h"

#define SLK_BOOTSTRAP_REPLICATES 2000 /* when n_replicates is 0 */

typedef struct slk_bootstrap {
    size_t n_clusters;      /* 0: runs are not drawn again */
    const uint32_t *strata; /* [n_clusters] number of each run's stratum (variant), or NULL: one. Runs are drawn within
                               their stratum, so that each replicate has as many of every variant as there were */
    size_t n_facts;         /* 0: facts are not drawn again */
    size_t n_replicates;    /* 0: SLK_BOOTSTRAP_REPLICATES */
    double confidence;      /* in (0, 1) */
    uint64_t seed;
} slk_bootstrap;

/* One sample: how often each is in it. Valid during the call. NULL: every one once, since it is not drawn again. */
typedef struct slk_resample {
    const uint32_t *clusters; /* [n_clusters] */
    const uint32_t *facts;    /* [n_facts] */
} slk_resample;

/* The statistics of a sample, into out [n_stats]. NAN: not defined for it (a fit that is not determined). A status
 * other than SLK_OK ends the bootstrap. */
typedef slk_status slk_statistic(void *user, const slk_resample *sample, double *out, slk_err *err);

typedef struct slk_bootstrapped {
    double estimate;       /* of the data as they are */
    slk_interval interval; /* percentiles (1 -+ confidence) / 2 of the replicates, linear between neighbours (type 7 of
                              Hyndman & Fan 1996, the default of R and NumPy) */
    double se;             /* standard deviation of the replicates */
    size_t n_undefined;    /* replicates that were NAN and do not count; more than one in 20 of them: interval and se
                              NAN, because what is left is a selection */
} slk_bootstrapped;

/* results [n_stats >= 1] of the caller. statistic is called once for the data as they are (all counts 1) and once a
 * replicate. Errors: SLK_E_ARG (nothing to draw, a confidence outside (0, 1), fewer than 2 replicates, 2^32 or more of
 * anything), SLK_E_MEMORY, and what statistic returns.
 * Source: Efron & Tibshirani 1993, "An introduction to the bootstrap", chapters 8 and 13. */
slk_status slk_stats_bootstrap(slk_bootstrapped *results, size_t n_stats, const slk_bootstrap *what,
                               slk_statistic *statistic, void *user, slk_err *err);

/* Quantile p in [0, 1] of sorted x [n], linear between neighbours as above. n = 0: NAN. */
double slk_stats_quantile_sorted(const double *x, size_t n, double p);

#endif
