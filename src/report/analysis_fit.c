/* How training examples are fitted over epochs (Figures 1, 4, 6), and when half of them are. */
#include <math.h>
#include <stdlib.h>

#include "report/analysis.h"

static slk_status no_memory(slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "report: out of memory");
}

static int compare_epochs(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Every epoch that some run of the variant evaluated, ascending; *n of them, into the arena. */
static int32_t *collect_epochs(slk_analysis *a, const slk_variant *v, size_t *n)
{
    size_t n_all = 0;
    for (size_t i = 0; i < v->n_runs; i++) n_all += v->runs[i]->n_epochs;
    int32_t *epochs = slk_arena_alloc(&a->arena, n_all, sizeof *epochs);
    *n = 0;
    if (!epochs) return NULL;
    n_all = 0;
    for (size_t i = 0; i < v->n_runs; i++) {
        for (size_t e = 0; e < v->runs[i]->n_epochs; e++) epochs[n_all++] = v->runs[i]->epochs[e].epoch;
    }
    qsort(epochs, n_all, sizeof *epochs, compare_epochs);
    for (size_t i = 0; i < n_all; i++) {
        if (*n == 0 || epochs[*n - 1] != epochs[i]) epochs[(*n)++] = epochs[i];
    }
    return epochs;
}

static slk_estimate *over_epochs(slk_analysis *a, const slk_fit_curve *fit, const slk_variant *v, slk_metric metric)
{
    slk_estimate *e = slk_arena_alloc(&a->arena, fit->n, sizeof *e);
    for (size_t i = 0; e && i < fit->n; i++)
        e[i] = slk_estimate_metric(a->ds, v, (slk_duration){.when = SLK_AT_EPOCH, .epoch = fit->epochs[i]}, metric);
    return e;
}

static void measure_early(const slk_analysis *a, slk_fit_curve *fit, const slk_variant *v)
{
    const slk_duration early = {.when = SLK_AT_EARLY};
    const slk_metric known = {SLK_FITTED_KNOWN, SLK_SET_TRAIN, -1}, unknown = {SLK_FITTED_UNKNOWN, SLK_SET_TRAIN, -1};
    slk_by_seed x, y;
    slk_measure_seeds(&x, a->ds, v, early, known);
    slk_measure_seeds(&y, a->ds, v, early, unknown);
    fit->early_known = slk_estimate_mean(&x);
    fit->early_unknown = slk_estimate_mean(&y);
    slk_by_seed_subtract(&x, &x, &y);
    fit->early_gap = slk_estimate_mean(&x);
    double n_known = 0, n_all = 0;
    for (size_t i = 0; i < v->n_runs; i++) {
        const slk_report_run *run = v->runs[i];
        int32_t epoch = run->info->early_epoch;
        fit->early += epoch / (double)v->n_runs;
        if (i == 0 || epoch < fit->early_low) fit->early_low = epoch;
        if (i == 0 || epoch > fit->early_high) fit->early_high = epoch;
        n_all += (double)run->train.n;
        for (int g = 0; g < SLK_UNKNOWN; g++) n_known += run->train.n_in[g];
    }
    fit->share_known = n_all > 0 ? 100 * n_known / n_all : NAN;
}

static slk_status make_fit(slk_analysis *a, slk_fit_curve *fit, double unknown, slk_err *err)
{
    const slk_variant *v = slk_analysis_unknown(a, unknown);
    *fit = (slk_fit_curve){.unknown = unknown};
    fit->epochs = collect_epochs(a, v, &fit->n);
    if (!fit->epochs) return no_memory(err);
    fit->known = over_epochs(a, fit, v, (slk_metric){SLK_FITTED_KNOWN, SLK_SET_TRAIN, -1});
    fit->unknown_fitted = over_epochs(a, fit, v, (slk_metric){SLK_FITTED_UNKNOWN, SLK_SET_TRAIN, -1});
    fit->dev = over_epochs(a, fit, v, (slk_metric){SLK_ACCURACY, SLK_SET_DEV, -1});
    fit->test = over_epochs(a, fit, v, (slk_metric){SLK_ACCURACY, SLK_SET_TEST, -1});
    if (!fit->known || !fit->unknown_fitted || !fit->dev || !fit->test) return no_memory(err);
    measure_early(a, fit, v);
    return SLK_OK;
}

/* --- half of them ----------------------------------------------------------------------------------------------------
 */

/* The epoch at which half of the Known or Unknown examples are fitted, between evaluated epochs by a straight line.
 * NAN: there are no such examples; *never: the last epoch was reached before. */
static double half_fitted(const slk_report_run *run, bool known, bool *never)
{
    double before_epoch = NAN, before = NAN;
    *never = false;
    for (size_t i = 0; i < run->n_epochs; i++) {
        double share = slk_report_fitted(run, &run->epochs[i], known), epoch = run->epochs[i].epoch;
        if (isnan(share)) continue;
        if (share >= 50) {
            if (isnan(before)) return epoch;
            return before_epoch + (50 - before) / (share - before) * (epoch - before_epoch);
        }
        before = share;
        before_epoch = epoch;
    }
    *never = true;
    return before_epoch;
}

/* Epochs from half of Known to half of Unknown: for each seed the mean over its mixed variants. Where half of Unknown
 * is never fitted, the last epoch stands for it, which makes the gap too small and so keeps the claim safe; where half
 * of Known is not either, nothing can be said. */
static void measure_half_fitted(slk_analysis *a)
{
    slk_seed_means means = {0};
    for (size_t i = 0; i < a->n_fits; i++) {
        const slk_variant *v = slk_analysis_unknown(a, a->fits[i].unknown);
        slk_by_seed gaps = {.n = 0};
        for (size_t r = 0; r < v->n_runs; r++) {
            bool known_never, unknown_never;
            double known = half_fitted(v->runs[r], true, &known_never);
            double unknown = half_fitted(v->runs[r], false, &unknown_never);
            if (isnan(known) || isnan(unknown) || known_never) continue;
            a->half_fitted_at_least |= unknown_never;
            gaps.seed[gaps.n] = v->runs[r]->info->seed;
            gaps.value[gaps.n++] = unknown - known;
        }
        slk_seed_means_add(&means, &gaps);
    }
    a->half_fitted_gap = slk_seed_means_finish(&means);
}

slk_status slk_analyse_fits(slk_analysis *a, slk_err *err)
{
    double *shares;
    size_t n;
    slk_status s = slk_analysis_shares(a, &shares, &n, err);
    if (s == SLK_OK) a->fits = slk_arena_alloc(&a->arena, n, sizeof *a->fits);
    if (s == SLK_OK && !a->fits) s = no_memory(err);
    for (size_t i = 0; i < n && s == SLK_OK; i++) {
        s = make_fit(a, &a->fits[i], shares[i], err);
        a->n_fits += s == SLK_OK;
    }
    free(shares);
    if (s != SLK_OK) return s;
    for (size_t i = 0; i < a->n_fits; i++) {
        const slk_fit_curve *fit = &a->fits[i];
        bool mixed = slk_is_measured(&fit->early_known) && slk_is_measured(&fit->early_unknown);
        if (mixed && (!a->half || fabs(fit->unknown - 50) < fabs(a->half->unknown - 50))) a->half = fit;
    }
    measure_half_fitted(a);
    return SLK_OK;
}
