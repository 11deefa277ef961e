#include "stats/stats.h"

#include <math.h>

#define SQRT_HALF    0.70710678118654752440 /* 1 / sqrt(2) */
#define INV_SQRT_2PI 0.39894228040143267794 /* 1 / sqrt(2 pi) */

/* P(X <= FARTHEST) is about the smallest double there is: farther left nothing can be told apart. */
#define FARTHEST (-38.4)

/* The quantile of p in (0, 0.5], as the root of g(x) = log P(X <= x) - log p. g rises and is concave, so Newton's steps
 * from any point left of the root climb to it without overshooting; and P(X <= x) <= exp(-x^2 / 2) / 2 for x <= 0, so
 * the start below is left of it. */
static double lower_quantile(double p)
{
    double x = fmax(FARTHEST, -sqrt(fmax(0.0, -2.0 * (log(p) + log(2.0)))));
    for (int i = 0; i < 100; i++) {
        double below = 0.5 * erfc(-x * SQRT_HALF);
        if (below == 0.0) break;
        /* log(below / p), not a difference of logarithms: close to the root only the quotient keeps its digits. */
        double step = log(below / p) * below / (INV_SQRT_2PI * exp(-0.5 * x * x));
        x -= step;
        if (fabs(step) <= 1e-15 * fabs(x)) break;
    }
    return x;
}

double slk_stats_normal_quantile(double p)
{
    if (!(p >= 0.0 && p <= 1.0)) return NAN;
    if (p == 0.0) return -INFINITY;
    if (p == 1.0) return INFINITY;
    if (p == 0.5) return 0.0;
    return p < 0.5 ? lower_quantile(p) : -lower_quantile(1.0 - p); /* 1 - p is exact there */
}

slk_interval slk_stats_wilson(uint64_t successes, uint64_t n, double confidence)
{
    if (successes > n || !(confidence > 0.0 && confidence < 1.0)) return (slk_interval){NAN, NAN};
    if (n == 0) return (slk_interval){0.0, 1.0};
    double trials = (double)n, share = (double)successes / trials;
    double z = -slk_stats_normal_quantile(0.5 * (1.0 - confidence)), z2 = z * z;
    double centre = share + z2 / (2.0 * trials);
    double half = z * sqrt(share * (1.0 - share) / trials + z2 / (4.0 * trials * trials));
    double scale = 1.0 / (1.0 + z2 / trials);
    /* At the ends the bounds are 0 and 1 exactly; rounding must not say otherwise. */
    double low = successes == 0 ? 0.0 : fmax(0.0, scale * (centre - half));
    double high = successes == n ? 1.0 : fmin(1.0, scale * (centre + half));
    return (slk_interval){low, high};
}
