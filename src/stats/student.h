/* Student's t: its distribution, and what is said with it about the mean of a few numbers (runs of several seeds) and
 * about the mean difference of pairs. */
#ifndef SLK_STATS_STUDENT_H
#define SLK_STATS_STUDENT_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "stats/stats.h"

/* P(T <= t) for Student's t with df > 0 degrees of freedom (need not be whole; INFINITY: the normal distribution). The
 * smaller tail keeps its relative accuracy (1e-12): at t = -40 it is that tail, not 0. NAN where t or df is no number
 * or df <= 0.
 * Source: 1 - I_x(df/2, 1/2) / 2 with x = df / (df + t^2) for t > 0, the incomplete beta function by its continued
 * fraction (Abramowitz & Stegun 1964, 26.7.1 and 26.5.8). */
double slk_stats_student_cdf(double t, double df);

/* t with P(T <= t) = p; relative error below 1e-11 for p >= 1e-290. -INFINITY at p = 0, INFINITY at p = 1, NAN outside
 * [0, 1] and where df <= 0. */
double slk_stats_student_quantile(double p, double df);

/* P(|T| >= |t|): the two-sided p of a t statistic. */
double slk_stats_student_p(double t, double df);

/* The mean of n numbers, how sure it is, and whether it may be 0. */
typedef struct slk_mean {
    size_t n;
    double mean;
    double sd;             /* of one number: sqrt(sum of squares / (n - 1)); NAN for n < 2 */
    double se;             /* of the mean: sd / sqrt(n) */
    slk_interval interval; /* mean -+ t se; everything (-INFINITY, INFINITY) for n < 2: nothing is known */
    double t, p;           /* of "the mean is 0", two-sided, n - 1 degrees of freedom. Where all numbers are equal:
                              t 0 and p 1 if they are 0, else t infinite and p 0. n < 2: t NAN, p 1 */
} slk_mean;

/* Of x [n], independent and roughly normal (means over many facts are). confidence in (0, 1). n = 0: mean NAN. A number
 * that is not finite, or another confidence: everything NAN (p too).
 * Source: Student 1908, "The probable error of a mean", Biometrika 6, 1-25. */
slk_mean slk_stats_mean(const double *x, size_t n, double confidence);

/* Of the differences a[i] - b[i]: the paired t-test. What a pair has in common (a seed, the facts of a part) cancels.
 */
slk_mean slk_stats_paired(const double *a, const double *b, size_t n, double confidence);

/* The same for runs of two variants [n_a], [n_b] in any order, paired by seed: differences of those seeds that both
 * have, out->n of them. Errors: SLK_E_ARG (a seed twice in one variant), SLK_E_MEMORY. */
slk_status slk_stats_paired_by_seed(slk_mean *out, const uint64_t *seeds_a, const double *a, size_t n_a,
                                    const uint64_t *seeds_b, const double *b, size_t n_b, double confidence,
                                    slk_err *err);

#endif
