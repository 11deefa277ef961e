#include "report/measure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "stats/student.h"

/* --- variants -------------------------------------------------------------------------------------------------------
 */

static slk_variant *variant_of(slk_variant *variants, size_t *n, const slk_study_run *run)
{
    for (size_t i = 0; i < *n; i++) {
        if (!strcmp(variants[i].name, run->variant)) return &variants[i];
    }
    variants[*n] =
        (slk_variant){.name = run->variant, .kind = run->kind, .category = run->category, .unknown = run->unknown};
    return &variants[(*n)++];
}

slk_status slk_variants_collect(slk_variant **variants, size_t *n, const slk_dataset *ds, double lr, slk_err *err)
{
    *n = 0;
    size_t n_names = 0;
    for (size_t i = 0; i < ds->n_runs; i++) {
        bool is_new = ds->infos[i].lr == lr;
        for (size_t k = 0; k < i && is_new; k++)
            is_new = ds->infos[k].lr != lr || strcmp(ds->infos[k].variant, ds->infos[i].variant) != 0;
        n_names += is_new;
    }
    *variants = slk_alloc_zero(n_names, sizeof **variants);
    if (!*variants) return slk_fail(err, SLK_E_MEMORY, "report: out of memory");
    for (size_t i = 0; i < ds->n_runs; i++) {
        const slk_report_run *run = &ds->runs[i];
        if (run->info->lr != lr) continue;
        slk_variant *v = variant_of(*variants, n, run->info);
        if (run->info->state != SLK_RUN_DONE)
            v->n_left++;
        else if (v->n_runs < SLK_REPORT_MAX_SEEDS)
            v->runs[v->n_runs++] = run;
    }
    return SLK_OK;
}

static const slk_variant *find(const slk_variant *variants, size_t n, const char *kind, double unknown,
                               const char *category)
{
    for (size_t i = 0; i < n; i++) {
        const slk_variant *v = &variants[i];
        if (v->n_runs && !strcmp(v->kind, kind) && fabs(v->unknown - unknown) < 1e-9 && !strcmp(v->category, category))
            return v;
    }
    return NULL;
}

const slk_variant *slk_variant_find(const slk_variant *variants, size_t n, const char *kind, double unknown,
                                    const char *category)
{
    const slk_variant *v = find(variants, n, kind, unknown, category);
    if (v) return v;
    if (!strcmp(kind, "unknown") && unknown == 1) return find(variants, n, "only", -1, "Unknown");
    if (!strcmp(kind, "only") && !strcmp(category, "Unknown")) return find(variants, n, "unknown", 1, "");
    return NULL;
}

/* --- one epoch -------------------------------------------------------------------------------------------------------
 */

static uint32_t sum(const uint32_t *groups)
{
    uint32_t n = 0;
    for (int g = 0; g < SLK_REPORT_N_GROUPS; g++) n += groups[g];
    return n;
}

double slk_measure(const slk_dataset *ds, const slk_report_run *run, const slk_report_epoch *epoch, slk_metric metric)
{
    if (metric.quantity == SLK_FITTED_KNOWN || metric.quantity == SLK_FITTED_UNKNOWN)
        return slk_report_fitted(run, epoch, metric.quantity == SLK_FITTED_KNOWN);
    if (metric.quantity == SLK_ACCURACY) return slk_report_accuracy(ds, run, epoch, metric.set, metric.group);
    if (!epoch || !epoch->has[metric.set]) return NAN;
    double n = (double)slk_report_set_of(ds, run, metric.set)->n, refused = sum(epoch->n_refused[metric.set]);
    if (n == 0) return NAN;
    if (metric.quantity == SLK_ANSWERED_SHARE) return 100 * (n - refused) / n;
    return n > refused ? 100 * epoch->n_answered_right[metric.set] / (n - refused) : NAN;
}

const slk_report_epoch *slk_measure_epoch(const slk_report_run *run, slk_duration duration)
{
    if (duration.when == SLK_AT_EPOCH) return slk_report_find_epoch(run, duration.epoch);
    if (duration.when == SLK_AT_EARLY) return slk_report_find_epoch(run, run->info->early_epoch);
    return run->info->fitted ? slk_report_find_epoch(run, run->info->last_epoch) : NULL;
}

/* --- over seeds ------------------------------------------------------------------------------------------------------
 */

void slk_measure_seeds(slk_by_seed *out, const slk_dataset *ds, const slk_variant *variant, slk_duration duration,
                       slk_metric metric)
{
    out->n = 0;
    for (size_t i = 0; variant && i < variant->n_runs; i++) {
        const slk_report_run *run = variant->runs[i];
        double value = slk_measure(ds, run, slk_measure_epoch(run, duration), metric);
        if (isnan(value)) continue;
        out->seed[out->n] = run->info->seed;
        out->value[out->n++] = value;
    }
}

slk_estimate slk_estimate_none(void)
{
    return (slk_estimate){0, NAN, NAN, NAN, false};
}

slk_estimate slk_estimate_mean(const slk_by_seed *values)
{
    if (values->n == 0) return slk_estimate_none();
    slk_mean m = slk_stats_mean(values->value, values->n, SLK_REPORT_CONFIDENCE);
    slk_estimate e = {values->n, m.mean, NAN, NAN, false};
    if (values->n > 1) {
        e.low = m.interval.low;
        e.high = m.interval.high;
    }
    return e;
}

/* Facts that the metric of a run is a share of. */
static uint64_t n_asked(const slk_dataset *ds, const slk_report_run *run, const slk_report_epoch *epoch,
                        slk_metric metric)
{
    const uint32_t *n = run->train.n_in;
    const slk_report_set *set = slk_report_set_of(ds, run, metric.set);
    if (metric.quantity == SLK_FITTED_UNKNOWN) return n[SLK_UNKNOWN];
    if (metric.quantity == SLK_FITTED_KNOWN)
        return (uint64_t)n[SLK_HIGHLY_KNOWN] + n[SLK_MAYBE_KNOWN] + n[SLK_WEAKLY_KNOWN];
    if (metric.quantity == SLK_ANSWERED_ACCURACY) return set->n - sum(epoch->n_refused[metric.set]);
    return metric.group >= 0 ? set->n_in[metric.group] : set->n;
}

slk_estimate slk_estimate_metric(const slk_dataset *ds, const slk_variant *variant, slk_duration duration,
                                 slk_metric metric)
{
    slk_by_seed values;
    slk_measure_seeds(&values, ds, variant, duration, metric);
    slk_estimate e = slk_estimate_mean(&values);
    if (e.low < 0) e.low = 0; /* a share: nothing lies beyond */
    if (e.high > 100) e.high = 100;
    if (values.n != 1) return e;
    for (size_t i = 0; i < variant->n_runs; i++) {
        const slk_report_run *run = variant->runs[i];
        const slk_report_epoch *epoch = slk_measure_epoch(run, duration);
        if (isnan(slk_measure(ds, run, epoch, metric))) continue;
        uint64_t n = n_asked(ds, run, epoch, metric);
        slk_interval w = slk_stats_wilson((uint64_t)llround(e.value / 100 * (double)n), n, SLK_REPORT_CONFIDENCE);
        e.low = 100 * w.low;
        e.high = 100 * w.high;
        e.facts_only = true;
    }
    return e;
}

void slk_seed_means_add(slk_seed_means *m, const slk_by_seed *values)
{
    for (size_t i = 0; i < values->n; i++) {
        size_t k = 0;
        while (k < m->sum.n && m->sum.seed[k] != values->seed[i]) k++;
        if (k == SLK_REPORT_MAX_SEEDS) return;
        if (k == m->sum.n) {
            m->sum.seed[k] = values->seed[i];
            m->sum.n++;
        }
        m->sum.value[k] += values->value[i];
        m->n_of[k]++;
    }
}

slk_estimate slk_seed_means_finish(slk_seed_means *m)
{
    for (size_t k = 0; k < m->sum.n; k++) m->sum.value[k] /= (double)m->n_of[k];
    return slk_estimate_mean(&m->sum);
}

void slk_by_seed_subtract(slk_by_seed *out, const slk_by_seed *a, const slk_by_seed *b)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n; i++) {
        for (size_t k = 0; k < b->n; k++) {
            if (a->seed[i] != b->seed[k]) continue;
            out->seed[n] = a->seed[i];
            out->value[n++] = a->value[i] - b->value[k];
            break;
        }
    }
    out->n = n;
}
