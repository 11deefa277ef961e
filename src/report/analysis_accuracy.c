/* Test accuracy against % Unknown and duration (Figures 3a, 7), and D against D_Known (Figure 3b). */
#include <math.h>
#include <stdlib.h>

#include "report/analysis.h"

static const slk_metric ON_TEST = {SLK_ACCURACY, SLK_SET_TEST, -1};

static slk_status no_memory(slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "report: out of memory");
}

static size_t n_short(const slk_variant *v)
{
    size_t n = 0;
    for (size_t i = 0; i < v->n_runs; i++) n += !v->runs[i]->info->fitted;
    return n;
}

/* At the last epoch of every run, whether it fitted D or not. */
static slk_estimate at_last(const slk_dataset *ds, const slk_variant *v, slk_metric metric)
{
    slk_by_seed values = {.n = 0};
    for (size_t i = 0; i < v->n_runs; i++) {
        const slk_report_run *run = v->runs[i];
        double value = slk_measure(ds, run, slk_report_find_epoch(run, run->info->last_epoch), metric);
        if (isnan(value)) continue;
        values.seed[values.n] = run->info->seed;
        values.value[values.n++] = value;
    }
    return slk_estimate_mean(&values);
}

static slk_status make_curve(slk_analysis *a, slk_curve *curve, slk_duration duration, const double *shares, size_t n,
                             slk_metric metric, slk_err *err)
{
    *curve = (slk_curve){.duration = duration};
    curve->points = slk_arena_alloc(&a->arena, n, sizeof *curve->points);
    if (!curve->points) return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        const slk_variant *v = slk_analysis_unknown(a, shares[i]);
        if (!v) continue;
        slk_curve_point *p = &curve->points[curve->n++];
        *p = (slk_curve_point){.unknown = shares[i], .at = slk_estimate_metric(a->ds, v, duration, metric)};
        p->as_is = p->at;
        if (duration.when != SLK_AT_CONVERGENCE) continue;
        p->n_short = n_short(v);
        if (p->n_short) p->as_is = at_last(a->ds, v, metric);
    }
    return SLK_OK;
}

static slk_status make_pairs(slk_analysis *a, const double *shares, size_t n, slk_err *err)
{
    a->pairs = slk_arena_alloc(&a->arena, n, sizeof *a->pairs);
    if (!a->pairs) return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        const slk_variant *with = slk_analysis_unknown(a, shares[i]);
        const slk_variant *without = slk_variant_find(a->variants, a->n_variants, "known", shares[i] / 100, "");
        if (!with || !without) continue;
        slk_pair *pair = &a->pairs[a->n_pairs++];
        *pair = (slk_pair){.unknown = shares[i]};
        for (int late = 0; late < 2; late++) {
            slk_duration duration = {.when = late ? SLK_AT_CONVERGENCE : SLK_AT_EARLY};
            slk_by_seed x, y;
            slk_measure_seeds(&x, a->ds, with, duration, ON_TEST);
            slk_measure_seeds(&y, a->ds, without, duration, ON_TEST);
            slk_by_seed_subtract(&x, &x, &y);
            pair->with[late] = slk_estimate_metric(a->ds, with, duration, ON_TEST);
            pair->without[late] = slk_estimate_metric(a->ds, without, duration, ON_TEST);
            pair->difference[late] = slk_estimate_mean(&x);
        }
    }
    return SLK_OK;
}

slk_status slk_analyse_accuracy(slk_analysis *a, slk_err *err)
{
    double *shares;
    size_t n;
    slk_status s = slk_analysis_shares(a, &shares, &n, err);
    for (size_t d = 0; d < a->n_durations && s == SLK_OK; d++) {
        s = make_curve(a, &a->test[d], a->durations[d], shares, n, ON_TEST, err);
        slk_metric ood = {SLK_ACCURACY, SLK_SET_OOD, -1};
        if (s == SLK_OK) s = make_curve(a, &a->ood[d], a->durations[d], shares, n, ood, err);
    }
    if (s == SLK_OK) s = make_pairs(a, shares, n, err);
    free(shares);
    return s;
}
