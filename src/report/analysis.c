#include "report/analysis.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- counting runs ---------------------------------------------------------------------------------------------------
 */

static void count_runs(slk_analysis *a)
{
    uint64_t seeds[SLK_REPORT_MAX_SEEDS] = {0};
    a->early_low = a->early_high = NAN;
    for (size_t i = 0; i < a->ds->n_runs; i++) {
        const slk_study_run *run = a->ds->runs[i].info;
        if (run->lr != a->lr) continue;
        a->n_runs++;
        a->n_failed += run->state == SLK_RUN_FAILED;
        if (run->state != SLK_RUN_DONE) continue;
        a->n_done++;
        a->n_short += !run->fitted;
        if (run->last_epoch > a->last_epoch) a->last_epoch = run->last_epoch;
        if (!(a->early_low <= run->early_epoch)) a->early_low = run->early_epoch;
        if (!(a->early_high >= run->early_epoch)) a->early_high = run->early_epoch;
        size_t k = 0;
        while (k < a->n_seeds && seeds[k] != run->seed) k++;
        if (k == a->n_seeds && k < SLK_REPORT_MAX_SEEDS) seeds[a->n_seeds++] = run->seed;
    }
}

/* --- durations -------------------------------------------------------------------------------------------------------
 */

/* Was the test set asked at this epoch in every finished run that got so far? */
static bool is_common(const slk_analysis *a, int32_t epoch)
{
    bool any = false;
    for (size_t i = 0; i < a->ds->n_runs; i++) {
        const slk_report_run *run = &a->ds->runs[i];
        if (run->info->lr != a->lr || run->info->state != SLK_RUN_DONE || run->info->last_epoch < epoch) continue;
        const slk_report_epoch *e = slk_report_find_epoch(run, epoch);
        if (!e || !e->has[SLK_SET_TEST]) return false;
        any = true;
    }
    return any;
}

static void add_duration(slk_analysis *a, slk_when when, int32_t epoch)
{
    slk_duration *d = &a->durations[a->n_durations++];
    *d = (slk_duration){.when = when, .epoch = epoch};
    if (when == SLK_AT_EPOCH)
        snprintf(d->name, sizeof d->name, "epoch %d", (int)epoch);
    else
        snprintf(d->name, sizeof d->name, "%s", when == SLK_AT_EARLY ? "early stop" : "convergence");
}

/* The study's own fixed epochs, where it names some ("durations": [10, 20]); else the evaluated epochs nearest to 20,
 * 40 and 60% of the last one. */
static void choose_fixed(slk_analysis *a)
{
    json_t *shown = NULL;
    const char *text = a->ds->study.shown ? a->ds->study.shown : "{}";
    if (slk_json_parse(&shown, text, strlen(text), "study", 1, NULL) != SLK_OK) shown = NULL;
    const json_t *list = json_object_get(shown, "durations");
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n && a->n_durations < SLK_REPORT_MAX_DURATIONS - 1; i++) {
        const json_t *item = json_array_get(list, i);
        int32_t epoch = (int32_t)json_integer_value(item);
        if (epoch > 0 && epoch < a->last_epoch && is_common(a, epoch)) add_duration(a, SLK_AT_EPOCH, epoch);
    }
    json_decref(shown);
    if (n) return;
    for (int part = 1; part <= 3; part++) {
        int32_t wanted = (int32_t)lround(a->last_epoch * part / 5.0), best = 0;
        for (int32_t e = 1; e < a->last_epoch; e++) {
            if (is_common(a, e) && (!best || abs(e - wanted) < abs(best - wanted))) best = e;
        }
        const slk_duration *before = &a->durations[a->n_durations - 1];
        if (best && !(before->when == SLK_AT_EPOCH && before->epoch >= best)) add_duration(a, SLK_AT_EPOCH, best);
    }
}

/* --- shares ----------------------------------------------------------------------------------------------------------
 */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

slk_status slk_analysis_shares(const slk_analysis *a, double **shares, size_t *n, slk_err *err)
{
    *n = 0;
    *shares = slk_alloc(a->n_variants + 1, sizeof **shares);
    if (!*shares) return slk_fail(err, SLK_E_MEMORY, "report: out of memory");
    for (size_t i = 0; i < a->n_variants; i++) {
        const slk_variant *v = &a->variants[i];
        if (!strcmp(v->kind, "unknown") && v->n_runs) (*shares)[(*n)++] = round(1e8 * v->unknown) / 1e6;
    }
    /* D_Unknown is the variant of 100%, by whichever name it was run. */
    bool has_all = false;
    for (size_t i = 0; i < *n; i++) has_all |= (*shares)[i] == 100;
    if (*n && !has_all && slk_analysis_unknown(a, 100)) (*shares)[(*n)++] = 100;
    qsort(*shares, *n, sizeof **shares, compare_doubles);
    return SLK_OK;
}

const slk_variant *slk_analysis_unknown(const slk_analysis *a, double percent)
{
    return slk_variant_find(a->variants, a->n_variants, "unknown", percent / 100, "");
}

/* --- all of it -------------------------------------------------------------------------------------------------------
 */

slk_status slk_analysis_make(slk_analysis *out, const slk_dataset *ds, double lr, slk_err *err)
{
    *out = (slk_analysis){.ds = ds, .lr = lr, .half_fitted_gap = slk_estimate_none()};
    slk_status s = slk_variants_collect(&out->variants, &out->n_variants, ds, lr, err);
    if (s != SLK_OK) return s;
    count_runs(out);
    add_duration(out, SLK_AT_EARLY, 0);
    choose_fixed(out);
    add_duration(out, SLK_AT_CONVERGENCE, 0);
    static slk_status (*const parts[])(slk_analysis *, slk_err *) = {
        slk_analyse_accuracy,  slk_analyse_fits,   slk_analyse_linear, slk_analyse_table2,   slk_analyse_idk,
        slk_analyse_threshold, slk_analyse_counts, slk_analyse_truth,  slk_analyse_findings,
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts && s == SLK_OK; i++) s = parts[i](out, err);
    return s;
}

void slk_analysis_release(slk_analysis *a)
{
    free(a->variants);
    slk_arena_release(&a->arena);
    *a = (slk_analysis){0};
}
