/* Intervals, against published values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>

#include <cmocka.h>

#include "stats/stats.h"

#define N_OF(array) (sizeof(array) / sizeof(array)[0])

static void assert_near(double value, double expected, double relative)
{
    if (fabs(value - expected) > relative * fabs(expected))
        fail_msg("%.17g, expected %.17g within %g", value, expected, relative);
}

/* The first three: Wichura 1988, "Algorithm AS 241: the percentage points of the normal distribution" (its own check
 * values). The others: two-sided 90, 95, 99 and 99.9% points, as in any table, to the digits of double. */
static void test_normal_quantile(void **state)
{
    (void)state;
    static const struct {
        double p, x;
    } published[] = {
        {0.25, -0.6744897501960817},  {0.001, -3.090232306167814}, {1e-20, -9.262340089798408},
        {0.95, 1.6448536269514722},   {0.975, 1.959963984540054},  {0.995, 2.5758293035489004},
        {0.9995, 3.2905267314919255},
    };
    for (size_t i = 0; i < N_OF(published); i++)
        assert_near(slk_stats_normal_quantile(published[i].p), published[i].x, 1e-14);
    assert_true(slk_stats_normal_quantile(0.5) == 0.0);
}

/* It inverts the distribution, everywhere: into the far tail, near the middle, and symmetrically. */
static void test_normal_quantile_inverts(void **state)
{
    (void)state;
    for (double e = -290; e < -0.31; e += 0.37) {
        double p = pow(10, e), x = slk_stats_normal_quantile(p);
        /* An error dx of x shows in p as dp/p = dx * (about |x|). */
        assert_near(0.5 * erfc(-x / sqrt(2.0)), p, 1e-14 * (1 + x * x));
    }
    for (int bits = 2; bits <= 50; bits++) {
        double d = ldexp(1, -bits), x = slk_stats_normal_quantile(0.5 + d); /* 0.5 - d and 0.5 + d are exact */
        assert_true(slk_stats_normal_quantile(0.5 - d) == -x);
        /* Near the middle the quantile is sqrt(2 pi) d (1 + pi d^2 / 3 + ...). */
        if (bits >= 17) assert_true(fabs(x - 2.5066282746310005 * d) < 1e-14);
    }
    double before = -INFINITY;
    for (int i = 1; i < 1000; i++) {
        double x = slk_stats_normal_quantile(i / 1000.0);
        assert_true(x > before);
        before = x;
    }
}

static void test_normal_quantile_edges(void **state)
{
    (void)state;
    assert_true(slk_stats_normal_quantile(0) == -INFINITY);
    assert_true(slk_stats_normal_quantile(1) == INFINITY);
    assert_true(isnan(slk_stats_normal_quantile(-0.1)));
    assert_true(isnan(slk_stats_normal_quantile(1.1)));
    assert_true(isnan(slk_stats_normal_quantile(NAN)));
    assert_true(isfinite(slk_stats_normal_quantile(5e-324)));
    assert_true(slk_stats_normal_quantile(5e-324) < -38);
    assert_true(isfinite(slk_stats_normal_quantile(nextafter(1, 0))));
}

/* Newcombe 1998, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17, 857-872, table
 * I, method 3 (score, without continuity correction), 95%, to the four digits printed there. */
static void test_wilson_published(void **state)
{
    (void)state;
    static const struct {
        uint64_t successes, n;
        double low, high;
    } published[] = {
        {81, 263, 0.2553, 0.3662},
        {15, 148, 0.0624, 0.1605},
        {0, 20, 0.0000, 0.1611},
        {1, 29, 0.0061, 0.1718},
    };
    for (size_t i = 0; i < N_OF(published); i++) {
        slk_interval interval = slk_stats_wilson(published[i].successes, published[i].n, 0.95);
        assert_true(fabs(interval.low - published[i].low) <= 0.00005);
        assert_true(fabs(interval.high - published[i].high) <= 0.00005);
    }
}

/* The definition: both ends are where the share lies z standard errors (of the end's own share) away. */
static void test_wilson_definition(void **state)
{
    (void)state;
    static const double confidences[] = {0.5, 0.9, 0.95, 0.999};
    static const uint64_t ns[] = {1, 2, 7, 160, 10000, 1000000000};
    for (size_t c = 0; c < N_OF(confidences); c++) {
        double z = slk_stats_normal_quantile(0.5 + confidences[c] / 2);
        for (size_t i = 0; i < N_OF(ns); i++) {
            uint64_t n = ns[i], step = n < 10 ? 1 : n / 10;
            for (uint64_t k = 0; k <= n; k += step) {
                slk_interval w = slk_stats_wilson(k, n, confidences[c]),
                             mirror = slk_stats_wilson(n - k, n, confidences[c]);
                double share = (double)k / (double)n;
                assert_true(0 <= w.low && w.low <= share && share <= w.high && w.high <= 1 && w.low < w.high);
                assert_true(fabs(w.low + mirror.high - 1) < 1e-12 && fabs(w.high + mirror.low - 1) < 1e-12);
                if (k > 0) assert_near(share - w.low, z * sqrt(w.low * (1 - w.low) / (double)n), 1e-6);
                if (k < n) assert_near(w.high - share, z * sqrt(w.high * (1 - w.high) / (double)n), 1e-6);
            }
        }
    }
}

static void test_wilson_edges(void **state)
{
    (void)state;
    slk_interval w = slk_stats_wilson(0, 0, 0.95);
    assert_true(w.low == 0 && w.high == 1);
    w = slk_stats_wilson(0, 12345, 0.95);
    assert_true(w.low == 0 && w.high > 0 && w.high < 0.001);
    w = slk_stats_wilson(12345, 12345, 0.95);
    assert_true(w.high == 1 && w.low > 0.999);
    static const double bad[] = {0, 1, -1, 95, NAN};
    for (size_t i = 0; i < N_OF(bad); i++) assert_true(isnan(slk_stats_wilson(1, 2, bad[i]).low));
    assert_true(isnan(slk_stats_wilson(3, 2, 0.95).high));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normal_quantile),       cmocka_unit_test(test_normal_quantile_inverts),
        cmocka_unit_test(test_normal_quantile_edges), cmocka_unit_test(test_wilson_published),
        cmocka_unit_test(test_wilson_definition),     cmocka_unit_test(test_wilson_edges),
    };
    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
