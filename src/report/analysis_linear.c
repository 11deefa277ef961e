/* The linear model of Table 1: test accuracy from how many Known and Unknown examples are fitted. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/analysis.h"
#include "stats/bootstrap.h"
#include "stats/ols.h"

/* One row an evaluated epoch of a finished run of kind "unknown". The paper's model counts every epoch once; where not
 * every epoch was evaluated, a row counts as often as there are epochs that it is the nearest to. */
typedef struct model_rows {
    double *y, *x, *weight; /* [n], [n, 2], [n] */
    uint32_t *run;          /* [n] number of the run */
    uint64_t *seed;         /* [n] */
    size_t n, n_runs;
    double *scratch_y, *scratch_x, *scratch_weight; /* [n * most_copies], for samples */
    size_t cap;
} model_rows;

static void release_rows(model_rows *rows)
{
    free(rows->y);
    free(rows->x);
    free(rows->weight);
    free(rows->run);
    free(rows->seed);
    free(rows->scratch_y);
    free(rows->scratch_x);
    free(rows->scratch_weight);
}

static bool is_row(const slk_report_epoch *e, slk_study_set set)
{
    return e->epoch > 0 && e->has[SLK_SET_TRAIN] && e->has[set];
}

/* Runs whose rows count, by variant; unknown-100 may be there as only-Unknown. */
static const slk_variant *variant_at(const slk_analysis *a, size_t i)
{
    return slk_analysis_unknown(a, a->fits[i].unknown);
}

/* How many epochs epoch k of a run, which is a row, stands for: each from 1 to the last row belongs to the nearest row,
 * one in the middle between two half to each. */
static double n_nearest(const slk_report_run *run, size_t k, slk_study_set set)
{
    size_t before = k, after = k + 1;
    while (before > 0 && !is_row(&run->epochs[before - 1], set)) before--;
    while (after < run->n_epochs && !is_row(&run->epochs[after], set)) after++;
    double epoch = run->epochs[k].epoch;
    double from = before > 0 ? (run->epochs[before - 1].epoch + epoch) / 2 : 0.5;
    double to = after < run->n_epochs ? (epoch + run->epochs[after].epoch) / 2 : epoch + 0.5;
    return to - from;
}

static bool collect_rows(model_rows *rows, const slk_analysis *a, slk_study_set set)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n_fits; i++) {
        const slk_variant *v = variant_at(a, i);
        for (size_t r = 0; r < v->n_runs; r++) n += v->runs[r]->n_epochs;
    }
    rows->y = slk_alloc(n, sizeof *rows->y);
    rows->x = slk_alloc(2 * n, sizeof *rows->x);
    rows->weight = slk_alloc(n, sizeof *rows->weight);
    rows->run = slk_alloc(n, sizeof *rows->run);
    rows->seed = slk_alloc(n, sizeof *rows->seed);
    if (!rows->y || !rows->x || !rows->weight || !rows->run || !rows->seed) return false;
    for (size_t i = 0; i < a->n_fits; i++) {
        const slk_variant *v = variant_at(a, i);
        for (size_t r = 0; r < v->n_runs; r++) {
            const slk_report_run *run = v->runs[r];
            size_t before = rows->n;
            for (size_t k = 0; k < run->n_epochs; k++) {
                const slk_report_epoch *e = &run->epochs[k];
                if (!is_row(e, set) || !run->train.n || !a->ds->sets[set].n) continue;
                double size = (double)run->train.n;
                rows->weight[rows->n] = n_nearest(run, k, set);
                rows->y[rows->n] = slk_report_accuracy(a->ds, run, e, set, -1);
                rows->x[2 * rows->n] = slk_report_n_fitted(e, true) / size;
                rows->x[2 * rows->n + 1] = slk_report_n_fitted(e, false) / size;
                rows->run[rows->n] = (uint32_t)rows->n_runs;
                rows->seed[rows->n++] = run->info->seed;
            }
            rows->n_runs += rows->n > before;
        }
    }
    return true;
}

/* --- over runs -------------------------------------------------------------------------------------------------------
 */

static slk_status coefficients(void *user, const slk_resample *sample, double *out, slk_err *err)
{
    model_rows *rows = user;
    size_t n = 0;
    for (size_t i = 0; i < rows->n; i++) n += sample->clusters ? sample->clusters[rows->run[i]] : 1;
    if (n > rows->cap) {
        free(rows->scratch_y);
        free(rows->scratch_x);
        free(rows->scratch_weight);
        rows->scratch_y = slk_alloc(n, sizeof *rows->scratch_y);
        rows->scratch_x = slk_alloc(2 * n, sizeof *rows->scratch_x);
        rows->scratch_weight = slk_alloc(n, sizeof *rows->scratch_weight);
        rows->cap = rows->scratch_y && rows->scratch_x && rows->scratch_weight ? n : 0;
        if (!rows->cap) return slk_fail(err, SLK_E_MEMORY, "report: out of memory");
    }
    size_t k = 0;
    for (size_t i = 0; i < rows->n; i++) {
        uint32_t copies = sample->clusters ? sample->clusters[rows->run[i]] : 1;
        for (uint32_t c = 0; c < copies; c++, k++) {
            rows->scratch_y[k] = rows->y[i];
            rows->scratch_weight[k] = rows->weight[i];
            memcpy(&rows->scratch_x[2 * k], &rows->x[2 * i], 2 * sizeof *rows->x);
        }
    }
    slk_ols fit;
    bool ok =
        slk_ols_fit_weighted(&fit, rows->scratch_y, rows->scratch_x, rows->scratch_weight, n, 2, true, NULL) == SLK_OK;
    for (int b = 0; b < SLK_N_B; b++) out[b] = ok ? fit.b[b] : NAN;
    return SLK_OK;
}

static slk_status bootstrap_runs(slk_linear *m, model_rows *rows, slk_err *err)
{
    slk_bootstrapped results[SLK_N_B];
    const slk_bootstrap what = {.n_clusters = rows->n_runs, .confidence = SLK_REPORT_CONFIDENCE};
    slk_status s = slk_stats_bootstrap(results, SLK_N_B, &what, coefficients, rows, err);
    for (int b = 0; b < SLK_N_B && s == SLK_OK; b++) {
        m->boot_low[b] = results[b].interval.low;
        m->boot_high[b] = results[b].interval.high;
    }
    return s;
}

/* --- over seeds ------------------------------------------------------------------------------------------------------
 */

/* Fit the rows of one seed. false: not determined. */
static bool fit_seed(slk_ols *fit, const model_rows *rows, uint64_t seed, double *y, double *x, double *weight)
{
    size_t n = 0;
    for (size_t i = 0; i < rows->n; i++) {
        if (rows->seed[i] != seed) continue;
        y[n] = rows->y[i];
        weight[n] = rows->weight[i];
        memcpy(&x[2 * n++], &rows->x[2 * i], 2 * sizeof *x);
    }
    return slk_ols_fit_weighted(fit, y, x, weight, n, 2, true, NULL) == SLK_OK;
}

static slk_status fit_seeds(slk_linear *m, const model_rows *rows, slk_err *err)
{
    double *y = slk_alloc(rows->n, sizeof *y), *x = slk_alloc(2 * rows->n, sizeof *x);
    double *weight = slk_alloc(rows->n, sizeof *weight);
    slk_by_seed b[SLK_N_B] = {{.n = 0}};
    bool ok = y && x && weight;
    for (size_t i = 0; ok && i < rows->n; i++) {
        bool seen = false;
        for (size_t k = 0; k < i && !seen; k++) seen = rows->seed[k] == rows->seed[i];
        slk_ols fit;
        if (seen || b[0].n == SLK_REPORT_MAX_SEEDS || !fit_seed(&fit, rows, rows->seed[i], y, x, weight)) continue;
        for (int t = 0; t < SLK_N_B; t++) {
            b[t].seed[b[t].n] = rows->seed[i];
            b[t].value[b[t].n++] = fit.b[t];
        }
    }
    m->n_seeds = b[0].n;
    for (int t = 0; t < SLK_N_B; t++) m->by_seed[t] = slk_estimate_mean(&b[t]);
    free(y);
    free(x);
    free(weight);
    return ok ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "report: out of memory");
}

/* --- the model -------------------------------------------------------------------------------------------------------
 */

static void choose_claims(slk_linear *m)
{
    m->claim_by = m->n_seeds >= SLK_REPORT_MIN_SEEDS ? "seeds" : m->n_runs >= SLK_REPORT_MIN_CLUSTERS ? "runs" : "";
    for (int b = 0; b < SLK_N_B; b++) {
        if (!strcmp(m->claim_by, "seeds")) {
            m->claim[b] = m->by_seed[b];
            continue;
        }
        m->claim[b] = (slk_estimate){m->n_seeds ? m->n_seeds : 1, m->b[b], NAN, NAN, false};
        if (*m->claim_by) {
            m->claim[b].low = m->boot_low[b];
            m->claim[b].high = m->boot_high[b];
        }
    }
}

static slk_status make_model(slk_analysis *a, slk_linear *m, slk_study_set set, slk_err *err)
{
    model_rows rows = {0};
    slk_ols fit;
    slk_err why = {0};
    *m = (slk_linear){.claim_by = ""};
    for (int b = 0; b < SLK_N_B; b++) {
        m->boot_low[b] = m->boot_high[b] = NAN;
        m->by_seed[b] = m->claim[b] = slk_estimate_none();
    }
    if (!collect_rows(&rows, a, set)) {
        release_rows(&rows);
        return slk_fail(err, SLK_E_MEMORY, "report: out of memory");
    }
    m->n_rows = rows.n;
    m->n_runs = rows.n_runs;
    for (size_t i = 0; i < rows.n; i++) m->weighted |= rows.weight[i] != 1;
    slk_status s = SLK_OK;
    if (rows.n == 0) {
        snprintf(m->why, sizeof m->why, "no finished run was evaluated on these facts");
    } else if (slk_ols_fit_weighted(&fit, rows.y, rows.x, rows.weight, rows.n, 2, true, &why) != SLK_OK) {
        snprintf(m->why, sizeof m->why, "%.150s", why.msg);
    } else {
        m->is_fitted = true;
        m->r2 = fit.r2;
        for (int b = 0; b < SLK_N_B; b++) {
            slk_interval i = slk_ols_interval(&fit, (size_t)b, SLK_REPORT_CONFIDENCE);
            m->b[b] = fit.b[b];
            m->ols_se[b] = fit.se[b];
            m->ols_low[b] = i.low;
            m->ols_high[b] = i.high;
        }
        if (rows.n_runs >= SLK_REPORT_MIN_CLUSTERS) s = bootstrap_runs(m, &rows, err);
        if (s == SLK_OK) s = fit_seeds(m, &rows, err);
        if (s == SLK_OK) choose_claims(m);
    }
    release_rows(&rows);
    return s;
}

slk_status slk_analyse_linear(slk_analysis *a, slk_err *err)
{
    slk_status s = make_model(a, &a->linear[0], SLK_SET_TEST, err);
    return s == SLK_OK ? make_model(a, &a->linear[1], SLK_SET_OOD, err) : s;
}
