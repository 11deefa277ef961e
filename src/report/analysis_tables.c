/* Tables 2 and 7 (single categories, with the paper's paired t-test) and Table 8 ("I don't know"). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/analysis.h"
#include "stats/parts.h"

static slk_status no_memory(slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "report: out of memory");
}

static const slk_duration DURATIONS[2] = {{.when = SLK_AT_EARLY}, {.when = SLK_AT_CONVERGENCE}};

/* --- Tables 2 and 7 --------------------------------------------------------------------------------------------------
 */

static const slk_variant *row_variant(const slk_analysis *a, int row)
{
    if (row == SLK_N_CATEGORIES) return slk_variant_find(a->variants, a->n_variants, "natural", -1, "");
    return slk_variant_find(a->variants, a->n_variants, "only", -1, slk_category_name((slk_category)row));
}

/* The test facts of one column, cut into parts. */
typedef struct column_parts {
    uint32_t *place; /* [n] in the test set */
    uint32_t *part;  /* [n] */
    uint64_t *ids;   /* [n] */
    uint8_t *right;  /* [n] scratch */
    size_t n, n_parts;
} column_parts;

static void release_parts(column_parts *c)
{
    free(c->place);
    free(c->part);
    free(c->ids);
    free(c->right);
}

static slk_status cut_column(column_parts *c, const slk_dataset *ds, int group, slk_err *err)
{
    const slk_report_set *test = &ds->sets[SLK_SET_TEST];
    *c = (column_parts){0};
    c->place = slk_alloc(test->n, sizeof *c->place);
    c->part = slk_alloc(test->n, sizeof *c->part);
    c->ids = slk_alloc(test->n, sizeof *c->ids);
    c->right = slk_alloc(test->n, 1);
    if (!c->place || !c->part || !c->ids || !c->right) return no_memory(err);
    for (size_t i = 0; i < test->n; i++) {
        if (group >= 0 && slk_report_group(test->category[i]) != group) continue;
        c->place[c->n] = (uint32_t)i;
        c->ids[c->n++] = ds->facts[test->fact[i]].id;
    }
    return slk_stats_cut_parts(c->part, &c->n_parts, c->ids, c->n, 0, err);
}

/* Accuracy on each part at a duration, mean over the runs that have it (and, where `also` is given, that one, too).
 * Returns how many runs. */
static size_t part_means(double *mean, const column_parts *c, const slk_variant *v, slk_duration duration,
                         const slk_duration *also)
{
    size_t n = 0;
    memset(mean, 0, SLK_TEST_PARTS * sizeof *mean);
    for (size_t r = 0; v && r < v->n_runs; r++) {
        const slk_report_epoch *e = slk_measure_epoch(v->runs[r], duration);
        const slk_report_epoch *other = also ? slk_measure_epoch(v->runs[r], *also) : e;
        double one[SLK_TEST_PARTS];
        if (!e || !e->has[SLK_SET_TEST] || !other || !other->has[SLK_SET_TEST]) continue;
        n++;
        for (size_t i = 0; i < c->n; i++) c->right[i] = slk_report_bit(e->right[SLK_SET_TEST], c->place[i]);
        slk_stats_part_means(one, c->right, c->part, c->n, c->n_parts);
        for (size_t p = 0; p < c->n_parts; p++) mean[p] += one[p];
    }
    for (size_t p = 0; n && p < c->n_parts; p++) mean[p] /= (double)n;
    return n;
}

static void mark_best(slk_analysis *a, int late, int column, double means[SLK_TABLE2_ROWS][SLK_TEST_PARTS],
                      const size_t *n_runs, const column_parts *c)
{
    int best = -1;
    for (int row = 0; row < SLK_TABLE2_ROWS; row++) {
        const slk_estimate *e = &a->table2[row].cells[late][column].at;
        if (slk_is_measured(e) && (best < 0 || e->value > a->table2[best].cells[late][column].at.value)) best = row;
    }
    for (int row = 0; row < SLK_TABLE2_ROWS; row++) {
        slk_cell *cell = &a->table2[row].cells[late][column];
        cell->is_best = row == best;
        if (row == best || best < 0 || !n_runs[row] || !n_runs[best] || !c->n_parts) continue;
        cell->p_best = slk_stats_paired(means[row], means[best], c->n_parts, SLK_REPORT_CONFIDENCE).p;
    }
}

static slk_status fill_column(slk_analysis *a, int column, slk_err *err)
{
    column_parts c;
    slk_status s = cut_column(&c, a->ds, column - 1, err);
    for (int late = 0; late < 2 && s == SLK_OK; late++) {
        double means[SLK_TABLE2_ROWS][SLK_TEST_PARTS];
        size_t n_runs[SLK_TABLE2_ROWS];
        for (int row = 0; row < SLK_TABLE2_ROWS; row++) {
            const slk_variant *v = row_variant(a, row);
            slk_cell *cell = &a->table2[row].cells[late][column];
            cell->at =
                slk_estimate_metric(a->ds, v, DURATIONS[late], (slk_metric){SLK_ACCURACY, SLK_SET_TEST, column - 1});
            cell->p_best = cell->p_early = NAN;
            n_runs[row] = part_means(means[row], &c, v, DURATIONS[late], NULL);
            double before[SLK_TEST_PARTS], after[SLK_TEST_PARTS];
            if (!late || !c.n_parts || !part_means(before, &c, v, DURATIONS[0], &DURATIONS[1])) continue;
            part_means(after, &c, v, DURATIONS[1], &DURATIONS[0]);
            cell->p_early = slk_stats_paired(after, before, c.n_parts, SLK_REPORT_CONFIDENCE).p;
        }
        mark_best(a, late, column, means, n_runs, &c);
    }
    release_parts(&c);
    return s;
}

slk_status slk_analyse_table2(slk_analysis *a, slk_err *err)
{
    static const char *const names[SLK_TABLE2_ROWS] = {"D_HighlyKnown", "D_MaybeKnown", "D_WeaklyKnown", "D_Unknown",
                                                       "D_Natural"};
    for (int row = 0; row < SLK_TABLE2_ROWS; row++) {
        const slk_variant *v = row_variant(a, row);
        a->table2[row] = (slk_table2_row){.name = names[row], .is_there = v != NULL};
        for (size_t r = 0; v && r < v->n_runs; r++) a->table2[row].n_short += !v->runs[r]->info->fitted;
    }
    slk_status s = SLK_OK;
    for (int column = 0; column < SLK_TABLE2_COLUMNS && s == SLK_OK; column++) s = fill_column(a, column, err);
    return s;
}

/* --- Table 8 ---------------------------------------------------------------------------------------------------------
 */

/* The D_IDK whose plain D was run, too; else any. */
static const slk_variant *choose_idk(const slk_analysis *a, const slk_variant **plain)
{
    const slk_variant *any = NULL;
    *plain = NULL;
    for (size_t i = 0; i < a->n_variants; i++) {
        const slk_variant *v = &a->variants[i];
        if (strcmp(v->kind, "idk") != 0 || !v->n_runs) continue;
        const slk_variant *d = slk_variant_find(a->variants, a->n_variants, "unknown", v->unknown, "");
        if (any && (*plain || !d)) continue;
        any = v;
        *plain = d;
    }
    return any;
}

slk_status slk_analyse_idk(slk_analysis *a, slk_err *err)
{
    (void)err;
    const slk_variant *of[2];
    const slk_metric accuracy = {SLK_ANSWERED_ACCURACY, SLK_SET_TEST, -1};
    of[1] = choose_idk(a, &of[0]);
    slk_idk *t = &a->idk;
    t->is_there = of[1] != NULL;
    t->unknown = of[1] ? 100 * of[1]->unknown : NAN;
    for (size_t r = 0; of[1] && r < of[1]->n_runs; r++) t->n_short += !of[1]->runs[r]->info->fitted;
    slk_by_seed values[2][2];
    for (int idk = 0; idk < 2; idk++) {
        for (int late = 0; late < 2; late++) {
            slk_measure_seeds(&values[idk][late], a->ds, of[idk], DURATIONS[late], accuracy);
            t->accuracy[idk][late] = slk_estimate_metric(a->ds, of[idk], DURATIONS[late], accuracy);
            t->answered[idk][late] = slk_estimate_metric(a->ds, of[idk], DURATIONS[late],
                                                         (slk_metric){SLK_ANSWERED_SHARE, SLK_SET_TEST, -1});
            t->right[idk][late] =
                slk_estimate_metric(a->ds, of[idk], DURATIONS[late], (slk_metric){SLK_ACCURACY, SLK_SET_TEST, -1});
        }
    }
    for (int k = 0; k < 2; k++) {
        slk_by_seed difference;
        slk_by_seed_subtract(&difference, &values[1][k], &values[0][k]);
        t->gain[k] = slk_estimate_mean(&difference);
        slk_by_seed_subtract(&difference, &values[k][1], &values[k][0]);
        t->late[k] = slk_estimate_mean(&difference);
    }
    return SLK_OK;
}
