/* Student's t, means, paired tests and the paper's test on parts: against scipy and mpmath (reference.json), NIST's
 * certified values, and printed tables. */
#include "stats_reference.h"

#include "stats/parts.h"
#include "stats/student.h"

static void test_distribution(void **state)
{
    (void)state;
    json_t *reference = open_reference("student"), *row;
    size_t i;
    json_array_foreach(json_object_get(reference, "cdf"), i, row)
    {
        double t = json_number_value(json_array_get(row, 0)), df = json_number_value(json_array_get(row, 1));
        double expected = json_number_value(json_array_get(row, 2));
        char what[80];
        snprintf(what, sizeof what, "P(T <= %g), df %g", t, df);
        assert_close(what, slk_stats_student_cdf(t, df), expected, 1e-12, 0);
        if (t <= 0) assert_close(what, slk_stats_student_p(t, df), 2 * expected, 1e-12, 0);
        if (t <= 0) assert_close(what, slk_stats_student_p(-t, df), 2 * expected, 1e-12, 0);
    }
    assert_true(i > 150);
    json_array_foreach(json_object_get(reference, "quantile"), i, row)
    {
        double p = json_number_value(json_array_get(row, 0)), df = json_number_value(json_array_get(row, 1));
        char what[80];
        snprintf(what, sizeof what, "quantile of %g, df %g", p, df);
        assert_close(what, slk_stats_student_quantile(p, df), json_number_value(json_array_get(row, 2)), 1e-11, 0);
    }
    assert_true(i > 120);
    json_decref(reference);
}

/* Two-sided 95% and 99% points as any table prints them (Fisher & Yates; NIST/SEMATECH e-Handbook 1.3.6.7.2). */
static void test_table(void **state)
{
    (void)state;
    static const struct {
        double df, t95, t99;
    } table[] = {{1, 12.706, 63.657}, {2, 4.303, 9.925},  {4, 2.776, 4.604},
                 {9, 2.262, 3.250},   {99, 1.984, 2.626}, {INFINITY, 1.960, 2.576}};
    for (size_t i = 0; i < N_OF(table); i++) {
        assert_close("t 95%", slk_stats_student_quantile(0.975, table[i].df), table[i].t95, 0, 0.0005);
        assert_close("t 99%", slk_stats_student_quantile(0.995, table[i].df), table[i].t99, 0, 0.0005);
    }
}

/* df 1 (Cauchy) and 2 have closed forms; quantile and distribution invert each other; many degrees are a normal. */
static void test_properties(void **state)
{
    (void)state;
    for (double t = -50; t <= 50; t += 0.37) {
        assert_close("df 1", slk_stats_student_cdf(t, 1), t < 0 ? atan(-1 / t) / M_PI : 1 - atan(1 / t) / M_PI, 1e-13,
                     0);
        assert_close("df 2", slk_stats_student_cdf(t, 2),
                     t < 0 ? 1 / (sqrt(2 + t * t) * (sqrt(2 + t * t) - t)) : 0.5 + t / (2 * sqrt(2 + t * t)), 1e-13, 0);
    }
    static const double dfs[] = {0.3, 1, 2, 2.5, 17, 400, 54321, 1e7, 1e12, INFINITY};
    for (size_t i = 0; i < N_OF(dfs); i++) {
        double before = -INFINITY;
        for (double p = 0.001; p < 1; p += 0.0037) {
            double t = slk_stats_student_quantile(p, dfs[i]);
            assert_true(t > before);
            before = t;
            assert_close("inverse", slk_stats_student_cdf(t, dfs[i]), p, 1e-11, 0);
            assert_close("symmetry", slk_stats_student_quantile(1 - p, dfs[i]), -t, 1e-11, 1e-12);
        }
    }
    assert_close("normal", slk_stats_student_quantile(0.025, 1e15), slk_stats_normal_quantile(0.025), 1e-14, 0);
}

static void test_edges(void **state)
{
    (void)state;
    assert_true(slk_stats_student_cdf(0, 3) == 0.5);
    assert_true(slk_stats_student_cdf(-INFINITY, 3) == 0 && slk_stats_student_cdf(INFINITY, 3) == 1);
    assert_true(slk_stats_student_p(INFINITY, 3) == 0 && slk_stats_student_p(0, 3) == 1);
    assert_true(slk_stats_student_quantile(0, 3) == -INFINITY && slk_stats_student_quantile(1, 3) == INFINITY);
    assert_true(slk_stats_student_quantile(0.5, 3) == 0);
    static const double bad[] = {0, -1, NAN};
    for (size_t i = 0; i < N_OF(bad); i++) {
        assert_true(isnan(slk_stats_student_cdf(1, bad[i])) && isnan(slk_stats_student_p(1, bad[i])));
        assert_true(isnan(slk_stats_student_quantile(0.1, bad[i])));
    }
    assert_true(isnan(slk_stats_student_cdf(NAN, 3)) && isnan(slk_stats_student_p(NAN, 3)));
    assert_true(isnan(slk_stats_student_quantile(1.5, 3)) && isnan(slk_stats_student_quantile(NAN, 3)));
    /* Far tails do not turn into 0 or leave the numbers. */
    assert_true(slk_stats_student_p(1e200, 1) > 0 && slk_stats_student_p(1e200, 1) < 1e-199);
    assert_true(slk_stats_student_p(40, 1000) > 0);
    assert_true(isfinite(slk_stats_student_quantile(1e-290, 1)));
}

/* Cushny and Peebles' hours of sleep, the example of Student 1908: 10 patients, two drugs. scipy and R's
 * t.test(paired): t = -4.0621, p = 0.002833, interval -2.4598858 -0.7001142. */
static void test_student_sleep(void **state)
{
    (void)state;
    static const double a[] = {0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0};
    static const double b[] = {1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4};
    slk_mean m = slk_stats_paired(a, b, 10, 0.95);
    assert_close("t", m.t, -4.0621, 0, 0.00005);
    assert_close("p", m.p, 0.002833, 0, 0.0000005);
    assert_close("low", m.interval.low, -2.4598858, 0, 5e-8);
    assert_close("high", m.interval.high, -0.7001142, 0, 5e-8);
    assert_close("mean", m.mean, -1.58, 1e-14, 0);
    assert_int_equal(m.n, 10);
}

static void test_paired_scipy(void **state)
{
    (void)state;
    json_t *cases = open_reference("paired"), *c;
    size_t i, n;
    json_array_foreach(cases, i, c)
    {
        double *a = numbers(c, "a", &n), *b = numbers(c, "b", NULL);
        slk_mean m = slk_stats_paired(a, b, n, 0.95);
        assert_close("t", m.t, number(c, "t"), 1e-11, 0);
        assert_close("p", m.p, number(c, "p"), 1e-10, 0);
        assert_close("low", m.interval.low, number(c, "low95"), 1e-11, 0);
        assert_close("high", m.interval.high, number(c, "high95"), 1e-11, 0);
        m = slk_stats_mean(a, n, 0.9);
        assert_close("mean", m.mean, number(c, "mean_a"), 1e-14, 0);
        assert_close("sd", m.sd, number(c, "sd_a"), 1e-12, 0);
        assert_close("t", m.t, number(c, "t_a"), 1e-12, 0);
        assert_close("p", m.p, number(c, "p_a"), 1e-10, 0);
        assert_close("low", m.interval.low, number(c, "low90_a"), 1e-12, 0);
        assert_close("high", m.interval.high, number(c, "high90_a"), 1e-12, 0);
        /* In any order, paired by seed; seeds that only one of them has do not count. */
        uint64_t *seeds_a = calloc(n + 1, sizeof *seeds_a), *seeds_b = calloc(n + 1, sizeof *seeds_b);
        double *rows = calloc(n + 1, sizeof *rows), *more = calloc(n + 1, sizeof *more);
        for (size_t k = 0; k < n; k++) {
            seeds_a[k] = k * 7919 % 104729;
            seeds_b[n - 1 - k] = k * 7919 % 104729;
            rows[n - 1 - k] = b[k];
            more[k] = a[k];
        }
        seeds_a[n] = 999999, seeds_b[n] = 999998, rows[n] = 5, more[n] = 6;
        slk_err err;
        slk_mean by_seed;
        assert_int_equal(slk_stats_paired_by_seed(&by_seed, seeds_a, more, n + 1, seeds_b, rows, n + 1, 0.95, &err),
                         SLK_OK);
        assert_int_equal(by_seed.n, n);
        assert_close("t by seed", by_seed.t, number(c, "t"), 1e-11, 0);
        seeds_a[n] = seeds_a[0];
        assert_int_equal(slk_stats_paired_by_seed(&by_seed, seeds_a, more, n + 1, seeds_b, rows, n + 1, 0.95, &err),
                         SLK_E_ARG);
        assert_non_null(strstr(err.msg, "seed 0: twice"));
        free(a), free(b), free(seeds_a), free(seeds_b), free(rows), free(more);
    }
    assert_int_equal(i, 5);
    json_decref(cases);
}

/* NIST StRD, univariate: NumAcc3 (1000000.2, then 1000000.1 and 1000000.3 by turns, 1,001 in all) and NumAcc4
 * (10000000.2 ...): certified mean and standard deviation (0.1 both), which lose every digit when squares are summed
 * naively. The numbers themselves are only stored to 1e-16 of 1e7, hence the bounds. */
static void test_nist_numacc(void **state)
{
    (void)state;
    static const struct {
        double base, mean_error, sd_error;
    } sets[] = {{1000000, 1e-16, 1e-9}, {10000000, 1e-16, 1e-7}};
    for (size_t k = 0; k < N_OF(sets); k++) {
        double x[1001];
        x[0] = sets[k].base + 0.2;
        for (int i = 1; i < 1001; i++) x[i] = sets[k].base + (i % 2 ? 0.1 : 0.3);
        slk_mean m = slk_stats_mean(x, 1001, 0.95);
        assert_close("mean", m.mean, sets[k].base + 0.2, 4e-16, 0);
        assert_close("sd", m.sd, 0.1, sets[k].sd_error, 0);
    }
}

static void test_few(void **state)
{
    (void)state;
    static const double x[] = {0.25, 0.25, 0.25, 0}, zero[4] = {0};
    slk_mean m = slk_stats_mean(x, 0, 0.95);
    assert_true(m.n == 0 && isnan(m.mean) && m.p == 1 && m.interval.low == -INFINITY && m.interval.high == INFINITY);
    m = slk_stats_mean(x, 1, 0.95);
    assert_true(m.mean == 0.25 && isnan(m.se) && m.p == 1 && m.interval.low == -INFINITY &&
                m.interval.high == INFINITY);
    m = slk_stats_mean(x, 3, 0.95);
    assert_true(m.mean == 0.25 && m.sd == 0 && isinf(m.t) && m.p == 0 && m.interval.low == 0.25 &&
                m.interval.high == 0.25);
    m = slk_stats_mean(zero, 4, 0.95);
    assert_true(m.mean == 0 && m.t == 0 && m.p == 1 && m.interval.low == 0 && m.interval.high == 0);
    m = slk_stats_paired(x, x, 4, 0.95);
    assert_true(m.mean == 0 && m.t == 0 && m.p == 1);
    static const double bad[] = {0.1, NAN, 0.3};
    assert_true(isnan(slk_stats_mean(bad, 3, 0.95).p) && isnan(slk_stats_mean(x, 3, 1).interval.low));
    /* 0.1 has no exact sum, yet three of it do not vary. */
    static const double tenth[] = {0.1, 0.1, 0.1};
    m = slk_stats_mean(tenth, 3, 0.95);
    assert_true(m.mean == 0.1 && m.sd == 0);
}

/* --- parts ----------------------------------------------------------------------------------------------------------
 */

static void test_n_parts(void **state)
{
    (void)state;
    static const size_t expected[][2] = {{0, 0},   {19, 0},   {20, 4},   {24, 4},    {25, 5},
                                         {99, 19}, {100, 20}, {499, 99}, {500, 100}, {22075, 100}};
    for (size_t i = 0; i < N_OF(expected); i++) assert_int_equal(slk_stats_n_parts(expected[i][0]), expected[i][1]);
}

static void test_parts_scipy(void **state)
{
    (void)state;
    json_t *cases = open_reference("parts"), *c;
    size_t i, n;
    json_array_foreach(cases, i, c)
    {
        double *a = numbers(c, "a", &n), *b = numbers(c, "b", NULL), *expected = numbers(c, "part", NULL);
        uint64_t seed = (uint64_t)number(c, "seed"), *ids = calloc(n, sizeof *ids), *turned = calloc(n, sizeof *turned);
        uint8_t *right_a = calloc(n, 1), *right_b = calloc(n, 1);
        uint32_t *part = calloc(n, sizeof *part), *other = calloc(n, sizeof *other);
        for (size_t k = 0; k < n; k++) {
            ids[k] = strtoull(json_string_value(json_array_get(json_object_get(c, "ids"), k)), NULL, 16);
            turned[n - 1 - k] = ids[k];
            right_a[k] = a[k] != 0, right_b[k] = b[k] != 0;
        }
        size_t n_parts, n_other;
        slk_err err;
        assert_int_equal(slk_stats_cut_parts(part, &n_parts, ids, n, seed, &err), SLK_OK);
        assert_int_equal(slk_stats_cut_parts(other, &n_other, turned, n, seed, &err), SLK_OK);
        assert_int_equal(n_parts, (size_t)number(c, "n_parts"));
        for (size_t k = 0; k < n; k++) {
            assert_int_equal(part[k], (uint32_t)expected[k]);
            assert_int_equal(other[n - 1 - k], part[k]);
        }
        slk_mean m;
        assert_int_equal(slk_stats_compare(&m, ids, right_a, right_b, n, seed, 0.95, &err), SLK_OK);
        assert_int_equal(m.n, n_parts);
        assert_close("t", m.t, number(c, "t"), 1e-11, 0);
        assert_close("p", m.p, number(c, "p"), 1e-10, 0);
        assert_int_equal(slk_stats_compare(&m, ids, right_a, right_a, n, seed, 0.95, &err), SLK_OK);
        assert_true(m.p == 1 && m.mean == 0);
        assert_int_equal(slk_stats_compare(&m, ids, right_a, right_b, 19, seed, 0.95, &err), SLK_OK);
        assert_true(m.n == 0 && m.p == 1);
        free(a), free(b), free(expected), free(ids), free(turned), free(right_a), free(right_b), free(part),
            free(other);
    }
    assert_int_equal(i, 4);
    json_decref(cases);
}

/* Sizes differ by one at most, and another seed cuts otherwise. */
static void test_part_sizes(void **state)
{
    (void)state;
    slk_err err;
    for (size_t n = 20; n < 1200; n += 7) {
        uint64_t ids[1200];
        uint32_t part[1200], other[1200];
        size_t n_parts, sizes[SLK_TEST_PARTS] = {0}, n_same = 0;
        for (size_t i = 0; i < n; i++) ids[i] = i * 0x9E3779B97F4A7C15u;
        assert_int_equal(slk_stats_cut_parts(part, &n_parts, ids, n, 5, &err), SLK_OK);
        assert_int_equal(slk_stats_cut_parts(other, &n_parts, ids, n, 6, &err), SLK_OK);
        for (size_t i = 0; i < n; i++) sizes[part[i]]++, n_same += part[i] == other[i];
        for (size_t p = 0; p < n_parts; p++) assert_in_range(sizes[p], n / n_parts, (n + n_parts - 1) / n_parts);
        assert_true(n_same < n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distribution), cmocka_unit_test(test_table),         cmocka_unit_test(test_properties),
        cmocka_unit_test(test_edges),        cmocka_unit_test(test_student_sleep), cmocka_unit_test(test_paired_scipy),
        cmocka_unit_test(test_nist_numacc),  cmocka_unit_test(test_few),           cmocka_unit_test(test_n_parts),
        cmocka_unit_test(test_parts_scipy),  cmocka_unit_test(test_part_sizes),
    };
    return cmocka_run_group_tests_name("stats_student", tests, NULL, NULL);
}
