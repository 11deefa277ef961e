/* The bootstrap: the same samples as an independent program draws (reference.json), every outcome of a small case,
 * scipy's interval, and what must hold. */
#include "stats_reference.h"

#include "base/rng.h"
#include "stats/bootstrap.h"
#include "stats/ols.h"
#include "stats/student.h"

typedef struct answers {
    size_t n_runs, n_facts;
    const double *right; /* [n_runs][n_facts] */
    const double *strata;
} answers;

/* Mean accuracy, and accuracy of stratum 0 less that of stratum 1. */
static slk_status accuracies(void *user, const slk_resample *sample, double *out, slk_err *err)
{
    (void)err;
    const answers *a = user;
    double weight[2] = {0}, hits[2] = {0};
    for (size_t r = 0; r < a->n_runs; r++) {
        for (size_t f = 0; f < a->n_facts; f++) {
            double w = (sample->clusters ? sample->clusters[r] : 1) * (sample->facts ? sample->facts[f] : 1);
            weight[(int)a->strata[r]] += w;
            hits[(int)a->strata[r]] += w * a->right[r * a->n_facts + f];
        }
    }
    out[0] = (hits[0] + hits[1]) / (weight[0] + weight[1]);
    out[1] = hits[0] / weight[0] - hits[1] / weight[1];
    return SLK_OK;
}

static void test_same_samples(void **state)
{
    (void)state;
    json_t *reference = open_reference("bootstrap"), *c;
    answers a = {0};
    size_t i, n_cells;
    double *strata = numbers(reference, "strata", &a.n_runs), *right = numbers(reference, "right", &n_cells);
    uint32_t own[16];
    for (size_t r = 0; r < a.n_runs; r++) own[r] = (uint32_t)strata[r];
    a.right = right, a.strata = strata, a.n_facts = n_cells / a.n_runs;
    json_array_foreach(json_object_get(reference, "cases"), i, c)
    {
        slk_bootstrap what = {.confidence = 0.9,
                              .seed = (uint64_t)number(reference, "seed"),
                              .n_replicates = (size_t)number(reference, "n_replicates")};
        if (json_is_true(json_object_get(c, "clusters"))) what.n_clusters = a.n_runs, what.strata = own;
        if (json_is_true(json_object_get(c, "facts"))) what.n_facts = a.n_facts;
        slk_bootstrapped result[2];
        slk_err err;
        assert_int_equal(slk_stats_bootstrap(result, 2, &what, accuracies, &a, &err), SLK_OK);
        double *low = numbers(c, "low90", NULL), *high = numbers(c, "high90", NULL), *se = numbers(c, "se", NULL);
        for (int s = 0; s < 2; s++) {
            assert_close("low", result[s].interval.low, low[s], 1e-12, 1e-14);
            assert_close("high", result[s].interval.high, high[s], 1e-12, 1e-14);
            assert_close("se", result[s].se, se[s], 1e-11, 0);
            assert_int_equal(result[s].n_undefined, 0);
        }
        slk_resample all = {0};
        double whole[2];
        accuracies(&a, &all, whole, NULL);
        assert_true(result[0].estimate == whole[0] && result[1].estimate == whole[1]);
        free(low), free(high), free(se);
    }
    assert_int_equal(i, 3);
    free(strata), free(right);
    json_decref(reference);
}

static slk_status weighted_mean(void *user, const slk_resample *sample, double *out, slk_err *err)
{
    (void)err;
    const double *x = user;
    double sum = 0, n = 0;
    for (size_t i = 0; x[i] >= 0; i++) sum += x[i] * sample->facts[i], n += sample->facts[i];
    *out = sum / n;
    return SLK_OK;
}

/* scipy.stats.bootstrap, method percentile, 200,000 replicates of the mean of 30 numbers. */
static void test_scipy_interval(void **state)
{
    (void)state;
    json_t *reference = open_reference("bootstrap");
    size_t n;
    double *x = numbers(reference, "sample", &n);
    double se = number(reference, "sample_se");
    x[n] = -1; /* numbers() has room for one more */
    slk_bootstrap what = {.n_facts = n, .n_replicates = 200000, .confidence = 0.95, .seed = 1};
    slk_bootstrapped result;
    slk_err err;
    assert_int_equal(slk_stats_bootstrap(&result, 1, &what, weighted_mean, x, &err), SLK_OK);
    /* A 2.5% point of 200,000 draws is known to about se * sqrt(.025 * .975 / 200000) / phi(1.96) = 0.006 se. */
    assert_close("low", result.interval.low, number(reference, "sample_low95"), 0, 0.03 * se);
    assert_close("high", result.interval.high, number(reference, "sample_high95"), 0, 0.03 * se);
    assert_close("se", result.se, se, 0.01, 0);
    free(x);
    json_decref(reference);
}

static slk_status code_of_sample(void *user, const slk_resample *sample, double *out, slk_err *err)
{
    (void)err;
    (void)user;
    *out = sample->clusters[0] + 10 * sample->clusters[1] + 100 * sample->clusters[2];
    return SLK_OK;
}

static slk_status count_codes(void *user, const slk_resample *sample, double *out, slk_err *err)
{
    int *counts = user;
    slk_status status = code_of_sample(NULL, sample, out, err);
    counts[(int)*out]++;
    return status;
}

/* Three clusters have 27 samples: (1,1,1) is 6 of them, each (2,1,0) 3, each (3,0,0) 1. Counts of 27,000 against their
 * expectation: chi squared with 9 degrees of freedom stays below its 99.9% point (27.9). */
static void test_all_samples(void **state)
{
    (void)state;
    int counts[400] = {0};
    slk_bootstrap what = {.n_clusters = 3, .n_replicates = 27000, .confidence = 0.95, .seed = 9};
    slk_bootstrapped result;
    slk_err err;
    assert_int_equal(slk_stats_bootstrap(&result, 1, &what, count_codes, counts, &err), SLK_OK);
    counts[111]--; /* the data as they are */
    static const struct {
        int code, of27;
    } expected[] = {{111, 6}, {3, 1}, {30, 1}, {300, 1}, {12, 3}, {21, 3}, {102, 3}, {201, 3}, {120, 3}, {210, 3}};
    double chi2 = 0;
    int n = 0;
    for (size_t i = 0; i < N_OF(expected); i++) {
        double want = 1000.0 * expected[i].of27, gap = counts[expected[i].code] - want;
        chi2 += gap * gap / want;
        n += counts[expected[i].code];
    }
    assert_int_equal(n, 27000);
    assert_true(chi2 < 27.9);
}

typedef struct recorder {
    uint32_t counts[500][8];
    size_t n;
    const uint32_t *strata;
} recorder;

static slk_status record(void *user, const slk_resample *sample, double *out, slk_err *err)
{
    (void)err;
    recorder *r = user;
    unsigned per_stratum[3] = {0};
    memcpy(r->counts[r->n++], sample->clusters, 8 * sizeof(uint32_t));
    for (int i = 0; i < 8; i++) per_stratum[r->strata[i] / 100] += sample->clusters[i];
    assert_true(per_stratum[0] == 3 && per_stratum[1] == 1 && per_stratum[2] == 4);
    *out = sample->clusters[0];
    return SLK_OK;
}

/* Every stratum keeps its size (one of a single run always has that run once); fewer replicates are the first of more;
 * another seed draws otherwise. */
static void test_strata_and_seeds(void **state)
{
    (void)state;
    static const uint32_t strata[8] = {200, 0, 200, 100, 0, 200, 200, 0};
    static recorder few, many, other;
    slk_bootstrap what = {.n_clusters = 8, .strata = strata, .n_replicates = 100, .confidence = 0.5, .seed = 3};
    slk_bootstrapped result;
    slk_err err;
    few.strata = many.strata = other.strata = strata;
    assert_int_equal(slk_stats_bootstrap(&result, 1, &what, record, &few, &err), SLK_OK);
    what.n_replicates = 400;
    assert_int_equal(slk_stats_bootstrap(&result, 1, &what, record, &many, &err), SLK_OK);
    what.seed = 4;
    assert_int_equal(slk_stats_bootstrap(&result, 1, &what, record, &other, &err), SLK_OK);
    assert_true(few.n == 101 && many.n == 401);
    assert_memory_equal(few.counts, many.counts, 101 * sizeof few.counts[0]);
    assert_memory_not_equal(other.counts, many.counts, sizeof many.counts);
    for (int i = 0; i < 8; i++) assert_int_equal(many.counts[0][i], 1);
    for (int i = 0; i < 401; i++) assert_int_equal(many.counts[i][3], 1);
}

/* --- coverage: epochs of one run are not independent
 * ------------------------------------------------------------------- */

enum { N_RUNS = 12, N_EPOCHS = 10 };

static double normal(uint64_t seed, uint32_t i)
{
    return slk_stats_normal_quantile(fmax(1e-12, slk_rng_uniform(seed, SLK_PURPOSE_INIT, 0, 0, 0, i)));
}

static slk_status mean_of_runs(void *user, const slk_resample *sample, double *out, slk_err *err)
{
    (void)err;
    const double *x = user;
    double sum = 0, n = 0;
    for (size_t r = 0; r < N_RUNS; r++) {
        for (size_t e = 0; e < N_EPOCHS; e++)
            sum += sample->clusters[r] * x[r * N_EPOCHS + e], n += sample->clusters[r];
    }
    *out = sum / n;
    return SLK_OK;
}

static slk_status mean_of_rows(void *user, const slk_resample *sample, double *out, slk_err *err)
{
    (void)err;
    const double *x = user;
    double sum = 0, n = 0;
    for (size_t i = 0; i < N_RUNS * N_EPOCHS; i++) sum += sample->facts[i] * x[i], n += sample->facts[i];
    *out = sum / n;
    return SLK_OK;
}

/* Runs that differ more than their epochs do: over 300 data sets the clustered 90% interval has the truth about as
 * often as it says (percentile intervals of 12 runs a little less), one over rows far too seldom. */
static void test_coverage(void **state)
{
    (void)state;
    int n_by_run = 0, n_by_row = 0;
    for (uint64_t set = 0; set < 300; set++) {
        double x[N_RUNS * N_EPOCHS];
        for (uint32_t r = 0; r < N_RUNS; r++) {
            for (uint32_t e = 0; e < N_EPOCHS; e++)
                x[r * N_EPOCHS + e] = normal(set, r) + 0.5 * normal(set + 1000, r * 100 + e);
        }
        slk_bootstrapped result;
        slk_err err;
        slk_bootstrap what = {.n_clusters = N_RUNS, .n_replicates = 400, .confidence = 0.9, .seed = set};
        assert_int_equal(slk_stats_bootstrap(&result, 1, &what, mean_of_runs, x, &err), SLK_OK);
        n_by_run += result.interval.low <= 0 && result.interval.high >= 0;
        what = (slk_bootstrap){.n_facts = N_RUNS * N_EPOCHS, .n_replicates = 400, .confidence = 0.9, .seed = set};
        assert_int_equal(slk_stats_bootstrap(&result, 1, &what, mean_of_rows, x, &err), SLK_OK);
        n_by_row += result.interval.low <= 0 && result.interval.high >= 0;
    }
    assert_in_range(n_by_run, 300 * 0.82, 300 * 0.94);
    assert_in_range(n_by_row, 0, 300 * 0.55);
}

/* A regression's coefficients as statistics, drawn by run: what the study does. */
typedef struct regression {
    size_t n_runs, n_epochs;
    double x[64], y[64], rows_x[64], rows_y[64];
} regression;

static slk_status slope(void *user, const slk_resample *sample, double *out, slk_err *err)
{
    regression *g = user;
    size_t n = 0;
    for (size_t r = 0; r < g->n_runs; r++) {
        for (uint32_t k = 0; k < sample->clusters[r]; k++) {
            for (size_t e = 0; e < g->n_epochs; e++, n++)
                g->rows_x[n] = g->x[r * g->n_epochs + e], g->rows_y[n] = g->y[r * g->n_epochs + e];
        }
    }
    slk_ols fit;
    slk_status status = slk_ols_fit(&fit, g->rows_y, g->rows_x, n, 1, true, err);
    out[0] = status == SLK_OK ? fit.b[1] : NAN; /* a sample of one run only may not determine it */
    return SLK_OK;
}

static void test_regression_and_undefined(void **state)
{
    (void)state;
    regression g = {.n_runs = 6, .n_epochs = 4};
    for (uint32_t i = 0; i < 24; i++) g.x[i] = (double)(i / 4), g.y[i] = 2 * g.x[i] + 0.1 * normal(5, i);
    slk_bootstrap what = {.n_clusters = 6, .confidence = 0.95, .seed = 1};
    slk_bootstrapped result;
    slk_err err;
    assert_int_equal(slk_stats_bootstrap(&result, 1, &what, slope, &g, &err), SLK_OK);
    assert_true(result.interval.low < 2 && result.interval.high > 2 &&
                result.interval.high - result.interval.low < 0.2);
    assert_close("slope", result.estimate, 2, 0.05, 0);
    assert_true(result.n_undefined <= 5); /* six times the same run: 6 of 6^6 */
    /* Of two runs half the samples are one run twice: too many to say anything. */
    g.n_runs = what.n_clusters = 2;
    assert_int_equal(slk_stats_bootstrap(&result, 1, &what, slope, &g, &err), SLK_OK);
    assert_in_range(result.n_undefined, 900, 1100);
    assert_true(isnan(result.interval.low) && isnan(result.interval.high) && isnan(result.se) &&
                isfinite(result.estimate));
}

static slk_status fails(void *user, const slk_resample *sample, double *out, slk_err *err)
{
    (void)sample;
    *out = 0;
    return ++*(int *)user == 3 ? slk_fail(err, SLK_E_INTERRUPTED, "stopped") : SLK_OK;
}

static void test_refused(void **state)
{
    (void)state;
    slk_bootstrapped result;
    slk_err err;
    int n = 0;
    slk_bootstrap what = {.n_facts = 5, .confidence = 0.95};
    assert_int_equal(slk_stats_bootstrap(&result, 1, &what, fails, &n, &err), SLK_E_INTERRUPTED);
    assert_int_equal(n, 3);
    what.confidence = 95;
    assert_int_equal(slk_stats_bootstrap(&result, 1, &what, fails, &n, &err), SLK_E_ARG);
    what = (slk_bootstrap){.confidence = 0.95};
    assert_int_equal(slk_stats_bootstrap(&result, 1, &what, fails, &n, &err), SLK_E_ARG);
    what = (slk_bootstrap){.n_facts = 5, .n_replicates = 1, .confidence = 0.95};
    assert_int_equal(slk_stats_bootstrap(&result, 1, &what, fails, &n, &err), SLK_E_ARG);
    assert_true(isnan(result.interval.low));
}

/* numpy.quantile([1, 2, 4, 8], q) for q = 0, .1, .25, .5, .9, 1. */
static void test_quantile(void **state)
{
    (void)state;
    static const double x[] = {1, 2, 4, 8}, at[] = {0, 0.1, 0.25, 0.5, 0.9, 1}, expected[] = {1, 1.3, 1.75, 3, 6.8, 8};
    for (size_t i = 0; i < N_OF(at); i++)
        assert_close("quantile", slk_stats_quantile_sorted(x, 4, at[i]), expected[i], 1e-15, 0);
    assert_true(slk_stats_quantile_sorted(x, 1, 0.3) == 1 && isnan(slk_stats_quantile_sorted(x, 0, 0.3)));
    assert_true(isnan(slk_stats_quantile_sorted(x, 4, 1.1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_samples), cmocka_unit_test(test_scipy_interval),
        cmocka_unit_test(test_all_samples),  cmocka_unit_test(test_strata_and_seeds),
        cmocka_unit_test(test_coverage),     cmocka_unit_test(test_regression_and_undefined),
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_quantile),
    };
    return cmocka_run_group_tests_name("stats_bootstrap", tests, NULL, NULL);
}
