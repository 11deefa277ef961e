/* Statistics of measurements: how sure a share of n facts can be. Plain functions of numbers; nothing here knows where
 * they came from. */
#ifndef SLK_STATS_STATS_H
#define SLK_STATS_STATS_H

#include <stdint.h>

/* Two-sided: the unknown value lies in [low, high] with the confidence asked for. */
typedef struct slk_interval {
    double low, high;
} slk_interval;

/* x with P(X <= x) = p for a standard normal X; error below 1e-14 * max(1, |x|) for p >= 1e-290.
 * -INFINITY at p = 0, INFINITY at p = 1, NAN outside [0, 1]. */
double slk_stats_normal_quantile(double p);

/* Wilson's score interval of a share: successes of n trials, confidence in (0, 1), e.g. 0.95. Within [0, 1]; keeps its
 * coverage for small n and for shares near 0 and 1, where p +- 1.96 standard errors fails.
 * n = 0: [0, 1], nothing is known. successes > n or another confidence: both ends NAN.
 * Source: E. B. Wilson 1927, J. Am. Stat. Assoc. 22, 209-212. */
slk_interval slk_stats_wilson(uint64_t successes, uint64_t n, double confidence);

#endif
