/* Least squares: NIST's certified values (StRD, https://www.itl.nist.gov/div898/strd/), statsmodels (reference.json),
 * and what must hold for any data. */
#include "stats_reference.h"

#include "base/rng.h"
#include "stats/ols.h"

/* NIST StRD, linear regression, lower difficulty: Norris. y, x. */
static const double norris[36][2] = {
    {0.1, 0.2},     {338.8, 337.4}, {118.1, 118.2}, {888.0, 884.6}, {9.2, 10.1},    {228.1, 226.5},
    {668.5, 666.3}, {998.5, 996.3}, {449.1, 448.6}, {778.9, 777.0}, {559.2, 558.2}, {0.3, 0.4},
    {0.1, 0.6},     {778.1, 775.5}, {668.8, 666.9}, {339.3, 338.0}, {448.9, 447.5}, {10.8, 11.6},
    {557.7, 556.0}, {228.3, 228.1}, {998.0, 995.8}, {888.8, 887.6}, {119.6, 120.2}, {0.3, 0.3},
    {0.6, 0.3},     {557.6, 556.8}, {339.3, 339.1}, {888.0, 887.2}, {998.5, 999.0}, {778.9, 779.0},
    {10.2, 11.1},   {117.6, 118.3}, {228.9, 229.2}, {668.4, 669.1}, {449.2, 448.9}, {0.2, 0.5}};

static void test_norris(void **state)
{
    (void)state;
    double y[36], x[36];
    for (int i = 0; i < 36; i++) y[i] = norris[i][0], x[i] = norris[i][1];
    slk_ols fit;
    slk_err err;
    assert_int_equal(slk_ols_fit(&fit, y, x, 36, 1, true, &err), SLK_OK);
    assert_close("b0", fit.b[0], -0.262323073774029, 2e-12, 0);
    assert_close("b1", fit.b[1], 1.00211681802045, 1e-14, 0);
    assert_close("se0", fit.se[0], 0.232818234301152, 1e-13, 0);
    assert_close("se1", fit.se[1], 0.429796848199937E-03, 1e-13, 0);
    assert_close("residual sd", sqrt(fit.residual_variance), 0.884796396144373, 1e-13, 0);
    assert_close("R2", fit.r2, 0.999993745883712, 1e-14, 0);
    assert_close("rss", fit.rss, 26.6173985294224, 1e-12, 0);
    assert_close("regression ss", fit.tss - fit.rss, 4255954.13232369, 1e-14, 0);
    assert_true(fit.df == 34 && fit.n_rows == 36 && fit.n_terms == 2);
}

/* NIST StRD, higher difficulty: Longley 1967. y, then six columns that are nearly combinations of each other. */
static const double longley[16][7] = {
    {60323, 83.0, 234289, 2356, 1590, 107608, 1947},  {61122, 88.5, 259426, 2325, 1456, 108632, 1948},
    {60171, 88.2, 258054, 3682, 1616, 109773, 1949},  {61187, 89.5, 284599, 3351, 1650, 110929, 1950},
    {63221, 96.2, 328975, 2099, 3099, 112075, 1951},  {63639, 98.1, 346999, 1932, 3594, 113270, 1952},
    {64989, 99.0, 365385, 1870, 3547, 115094, 1953},  {63761, 100.0, 363112, 3578, 3350, 116219, 1954},
    {66019, 101.2, 397469, 2904, 3048, 117388, 1955}, {67857, 104.6, 419180, 2822, 2857, 118734, 1956},
    {68169, 108.4, 442769, 2936, 2798, 120445, 1957}, {66513, 110.8, 444546, 4681, 2637, 121950, 1958},
    {68655, 112.6, 482704, 3813, 2552, 123366, 1959}, {69564, 114.2, 502601, 3931, 2514, 125368, 1960},
    {69331, 115.7, 518173, 4806, 2572, 127852, 1961}, {70551, 116.9, 554894, 4007, 2827, 130081, 1962}};

static void test_longley(void **state)
{
    (void)state;
    static const double b[] = {-3482258.63459582, 15.0618722713733,       -0.358191792925910E-01, -2.02022980381683,
                               -1.03322686717359, -0.511041056535807E-01, 1829.15146461355};
    static const double se[] = {890420.383607373,  84.9149257747669,  0.334910077722432E-01, 0.488399681651699,
                                0.214274163161675, 0.226073200069370, 455.478499142212};
    double y[16], x[16 * 6];
    for (int i = 0; i < 16; i++) {
        y[i] = longley[i][0];
        memcpy(x + (size_t)i * 6, longley[i] + 1, 6 * sizeof *x);
    }
    slk_ols fit;
    slk_err err;
    assert_int_equal(slk_ols_fit(&fit, y, x, 16, 6, true, &err), SLK_OK);
    for (int k = 0; k < 7; k++) {
        assert_close("b", fit.b[k], b[k], 1e-11, 0);
        assert_close("se", fit.se[k], se[k], 1e-11, 0);
    }
    assert_close("residual sd", sqrt(fit.residual_variance), 304.854073561965, 1e-12, 0);
    assert_close("R2", fit.r2, 0.995479004577296, 1e-14, 0);
    assert_close("rss", fit.rss, 836424.055505915, 1e-12, 0);
    assert_close("regression ss", fit.tss - fit.rss, 184172401.944494, 1e-13, 0);
    /* R: summary(lm(...)): t -3.911 p 0.003560 of the intercept, t 0.177 p 0.863141 of the deflator */
    assert_close("t0", fit.t[0], -3.911, 0, 0.0005);
    assert_close("p0", fit.p[0], 0.003560, 0, 5e-7);
    assert_close("p1", fit.p[1], 0.863141, 0, 5e-7);
    /* R: confint(): -5496529.48 -1467987.79 */
    slk_interval i = slk_ols_interval(&fit, 0, 0.95);
    assert_close("low", i.low, -5496529.4822, 1e-9, 0);
    assert_close("high", i.high, -1467987.787, 1e-9, 0);
}

/* NIST StRD, higher difficulty: Wampler4, a polynomial of degree 5 over 0 .. 20. */
static void test_wampler4(void **state)
{
    (void)state;
    static const double y[21] = {75901,   -204794, 204863,  -204436, 253665,  -200894, 214131,
                                 -185192, 221249,  -138370, 315911,  -27644,  455253,  197434,
                                 783995,  608816,  1370781, 1303798, 2205519, 2408860, 3444321};
    static const double se[] = {215232.624678170, 236355.173469681, 77934.3524331583,
                                10147.5507550350, 564.566512170752, 11.2324854679312};
    double x[21 * 5];
    for (int i = 0; i < 21; i++) {
        for (int k = 0; k < 5; k++) x[i * 5 + k] = pow(i, k + 1);
    }
    slk_ols fit;
    slk_err err;
    assert_int_equal(slk_ols_fit(&fit, y, x, 21, 5, true, &err), SLK_OK);
    for (int k = 0; k < 6; k++) {
        assert_close("b", fit.b[k], 1, 1e-7, 0);
        assert_close("se", fit.se[k], se[k], 1e-11, 0);
    }
    assert_close("residual sd", sqrt(fit.residual_variance), 236014.502379268, 1e-13, 0);
    assert_close("R2", fit.r2, 0.957478440825662, 1e-13, 0);
    assert_close("rss", fit.rss, 835542680000.0, 1e-13, 0);
}

static void test_statsmodels(void **state)
{
    (void)state;
    json_t *cases = open_reference("ols"), *c;
    size_t i, n_rows, n_terms, n_new;
    json_array_foreach(cases, i, c)
    {
        double *x = numbers(c, "x", NULL), *y = numbers(c, "y", &n_rows), *b = numbers(c, "b", &n_terms);
        double *se = numbers(c, "se", NULL), *t = numbers(c, "t", NULL), *p = numbers(c, "p", NULL);
        double *low = numbers(c, "low95", NULL), *high = numbers(c, "high95", NULL), *cov = numbers(c, "cov", NULL);
        double *new_x = numbers(c, "new_x", NULL), *new_y = numbers(c, "new_y", &n_new);
        bool intercept = json_is_true(json_object_get(c, "intercept"));
        size_t n_columns = n_terms - intercept;
        slk_ols fit;
        slk_err err;
        assert_int_equal(slk_ols_fit(&fit, y, x, n_rows, n_columns, intercept, &err), SLK_OK);
        assert_int_equal(fit.n_terms, n_terms);
        for (size_t k = 0; k < n_terms; k++) {
            slk_interval ci = slk_ols_interval(&fit, k, 0.95);
            assert_close("b", fit.b[k], b[k], 1e-10, 0);
            assert_close("se", fit.se[k], se[k], 1e-10, 0);
            assert_close("t", fit.t[k], t[k], 1e-10, 0);
            assert_close("p", fit.p[k], p[k], 1e-8, 0);
            assert_close("low", ci.low, low[k], 1e-9, 0);
            assert_close("high", ci.high, high[k], 1e-9, 0);
            for (size_t j = 0; j < n_terms; j++)
                assert_close("covariance", fit.covariance[k][j], cov[k * n_terms + j], 1e-9, 1e-12);
        }
        assert_close("rss", fit.rss, number(c, "rss"), 1e-11, 0);
        assert_close("residual variance", fit.residual_variance, number(c, "residual_variance"), 1e-11, 0);
        assert_close("R2", fit.r2, number(c, "r2"), 1e-11, 1e-12);
        assert_close("R2 elsewhere", slk_ols_r2(&fit, new_y, new_x, n_new), number(c, "new_r2"), 1e-10, 0);
        if (intercept) assert_close("R2 here", slk_ols_r2(&fit, y, x, n_rows), fit.r2, 1e-10, 1e-12);
        free(x), free(y), free(b), free(se), free(t), free(p), free(low), free(high), free(cov), free(new_x),
            free(new_y);
    }
    assert_int_equal(i, 5);
    json_decref(cases);
}

static double uniform(uint64_t seed, uint32_t i)
{
    return slk_rng_uniform(seed, SLK_PURPOSE_INIT, 0, 0, 0, i);
}

/* Residuals are orthogonal to every column, other units give the same fit, and the order of rows does not matter. */
static void test_properties(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        enum { MAX_ROWS = 50, MAX_COLUMNS = 6 };
        size_t n = 8 + seed % 40, k = 1 + seed % MAX_COLUMNS;
        double x[MAX_ROWS * MAX_COLUMNS], other[MAX_ROWS * MAX_COLUMNS], y[MAX_ROWS], turned[MAX_ROWS];
        for (size_t i = 0; i < n; i++) {
            y[i] = uniform(seed, (uint32_t)i) * 100;
            for (size_t j = 0; j < k; j++)
                x[i * k + j] = 1000 * (double)(j == 0) + uniform(seed + 100, (uint32_t)(i * k + j));
        }
        for (size_t i = 0; i < n; i++) { /* rows backwards; column j times 10^j */
            turned[n - 1 - i] = y[i];
            for (size_t j = 0; j < k; j++) other[(n - 1 - i) * k + j] = x[i * k + j] * pow(10, (double)j);
        }
        slk_ols fit, again;
        slk_err err;
        assert_int_equal(slk_ols_fit(&fit, y, x, n, k, true, &err), SLK_OK);
        assert_int_equal(slk_ols_fit(&again, turned, other, n, k, true, &err), SLK_OK);
        double sum = 0, rss = 0;
        for (size_t i = 0; i < n; i++) {
            double e = y[i] - slk_ols_predict(&fit, x + i * k);
            sum += e, rss += e * e;
        }
        assert_close("rss", fit.rss, rss, 1e-8, 0);
        assert_true(fabs(sum) < 1e-7);
        for (size_t j = 0; j < k; j++) {
            double along = 0;
            for (size_t i = 0; i < n; i++) along += x[i * k + j] * (y[i] - slk_ols_predict(&fit, x + i * k));
            assert_true(fabs(along) < 1e-5);
            assert_close("b in other units", again.b[j + 1] * pow(10, (double)j), fit.b[j + 1], 1e-7, 1e-9);
            assert_close("t in other units", again.t[j + 1], fit.t[j + 1], 1e-7, 1e-9);
        }
        assert_close("R2 in other units", again.r2, fit.r2, 1e-10, 0);
        assert_true(fit.r2 >= 0 && fit.r2 <= 1);
    }
}

#define assert_refused(call, text)                                                                                     \
    do {                                                                                                               \
        slk_err err;                                                                                                   \
        assert_int_equal(call, SLK_E_ARG);                                                                             \
        if (!strstr(err.msg, text)) fail_msg("'%s' has no '%s'", err.msg, text);                                       \
    } while (0)

static void test_refused(void **state)
{
    (void)state;
    slk_ols fit;
    double y[6] = {1, 2, 4, 3, 5, 6}, x[12];
    /* Shares that add up to one with the intercept: everything is fitted, so Known + Unknown = 1. */
    for (int i = 0; i < 6; i++) x[2 * i] = 0.1 * i, x[2 * i + 1] = 1 - 0.1 * i;
    assert_refused(slk_ols_fit(&fit, y, x, 6, 2, true, &err), "column 1 is a combination");
    for (int i = 0; i < 6; i++) x[2 * i + 1] = 0.1;
    assert_refused(slk_ols_fit(&fit, y, x, 6, 2, true, &err), "column 1 is constant");
    for (int i = 0; i < 6; i++) x[2 * i + 1] = 0;
    assert_refused(slk_ols_fit(&fit, y, x, 6, 2, false, &err), "column 1 is zero");
    for (int i = 0; i < 6; i++) x[2 * i + 1] = 3e3 + x[2 * i] / 3;
    assert_refused(slk_ols_fit(&fit, y, x, 6, 2, true, &err), "column 1 is a combination");
    assert_refused(slk_ols_fit(&fit, y, x, 3, 2, true, &err), "3 rows for 3 coefficients");
    assert_refused(slk_ols_fit(&fit, y, x, 6, 0, false, &err), "0 coefficients");
    assert_refused(slk_ols_fit(&fit, y, x, 6, SLK_OLS_MAX_TERMS, true, &err), "17 coefficients, expected 1 to 16");
    x[7] = NAN;
    assert_refused(slk_ols_fit(&fit, y, x, 6, 2, true, &err), "column 1 of row 3 is not finite");
    y[2] = INFINITY;
    assert_refused(slk_ols_fit(&fit, y, x, 6, 1, true, &err), "y of row 2 is not finite");
    assert_int_equal(slk_ols_fit(&fit, y, x, 6, 1, true, NULL), SLK_E_ARG); /* err may be NULL */
    assert_true(isnan(slk_ols_interval(&fit, 0, 1).low));
}

static void test_constant_y(void **state)
{
    (void)state;
    slk_ols fit;
    slk_err err;
    double y[6] = {0.1, 0.1, 0.1, 0.1, 0.1, 0.1}, x[6] = {1, 2, 3, 4, 5, 7};
    assert_int_equal(slk_ols_fit(&fit, y, x, 6, 1, true, &err), SLK_OK);
    assert_close("b0", fit.b[0], 0.1, 1e-15, 0);
    assert_true(fabs(fit.b[1]) < 1e-16 && isnan(fit.r2) && isnan(slk_ols_r2(&fit, y, x, 6)));
    /* An exact line: no residuals, R2 = 1. */
    for (int i = 0; i < 6; i++) y[i] = 2 + 3 * x[i];
    assert_int_equal(slk_ols_fit(&fit, y, x, 6, 1, true, &err), SLK_OK);
    assert_close("b1", fit.b[1], 3, 1e-14, 0);
    assert_true(fit.r2 > 1 - 1e-14 && fit.se[1] < 1e-13 && fit.p[1] < 1e-40);
}

/* A row of weight 3 is three rows; only ratios of weights matter; a weight must be above 0. */
static void test_weights(void **state)
{
    (void)state;
    enum { N = 9, MOST = 3 * N };
    double y[N], x[2 * N], weights[N], y_copies[MOST], x_copies[2 * MOST];
    size_t n_copies = 0;
    for (size_t i = 0; i < N; i++) {
        x[2 * i] = (double)(i * i % 7);
        x[2 * i + 1] = 1e4 + (double)(i * 5 % 4);
        y[i] = 2 + 0.5 * x[2 * i] - 3 * x[2 * i + 1] + (double)(i * 3 % 5);
        weights[i] = 0.25 * (double)(1 + i % 3);
        for (size_t c = 0; c <= i % 3; c++, n_copies++) {
            y_copies[n_copies] = y[i];
            x_copies[2 * n_copies] = x[2 * i];
            x_copies[2 * n_copies + 1] = x[2 * i + 1];
        }
    }
    slk_ols fit, copies;
    assert_int_equal(slk_ols_fit_weighted(&fit, y, x, weights, N, 2, true, NULL), SLK_OK);
    assert_int_equal(slk_ols_fit(&copies, y_copies, x_copies, n_copies, 2, true, NULL), SLK_OK);
    for (int b = 0; b < 3; b++) assert_true(fabs(fit.b[b] - copies.b[b]) < 1e-9 * (1 + fabs(copies.b[b])));
    assert_true(fabs(fit.r2 - copies.r2) < 1e-12);
    /* sums of squares are those of weights of mean 1, degrees of freedom those of 9 rows */
    double per_row = (double)N / (double)n_copies;
    assert_true(fabs(fit.rss - per_row * copies.rss) < 1e-9 * fit.rss);
    assert_true(fit.df == N - 3);
    for (int b = 0; b < 3; b++)
        assert_true(fabs(fit.se[b] - copies.se[b] * sqrt(copies.df / fit.df)) < 1e-9 * fit.se[b]);
    weights[4] = 0;
    assert_refused(slk_ols_fit_weighted(&fit, y, x, weights, N, 2, true, &err), "weight of row 4 is not above 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_norris),      cmocka_unit_test(test_longley),    cmocka_unit_test(test_wampler4),
        cmocka_unit_test(test_statsmodels), cmocka_unit_test(test_properties), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_constant_y),  cmocka_unit_test(test_weights),
    };
    return cmocka_run_group_tests_name("stats_ols", tests, NULL, NULL);
}
