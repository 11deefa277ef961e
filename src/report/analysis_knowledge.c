/* SliCK's Unknown against a threshold on P(True) (Figure 5), and how many facts of each category there are (Tables 3 to
 * 5). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/analysis.h"

#define MAX_LINE 240 /* points of the P(True) line that are kept */

static slk_status no_memory(slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "report: out of memory");
}

/* --- Figure 5 --------------------------------------------------------------------------------------------------------
 */

/* A labelled test fact. */
typedef struct asked_fact {
    uint32_t place; /* in the test set */
    double p_true;
    const int8_t *category_by_n;
    double right; /* share of runs that answer it rightly */
} asked_fact;

static int compare_p_true(const void *a, const void *b)
{
    const asked_fact *x = a, *y = b;
    if (x->p_true != y->p_true) return x->p_true < y->p_true ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

/* Facts that have a label (and P(True), where any has), ascending by P(True). */
static asked_fact *collect_facts(const slk_analysis *a, size_t *n)
{
    const slk_report_set *test = &a->ds->sets[SLK_SET_TEST];
    asked_fact *facts = slk_alloc(test->n, sizeof *facts);
    *n = 0;
    for (size_t i = 0; facts && i < test->n; i++) {
        const slk_report_fact *fact = &a->ds->facts[test->fact[i]];
        if (!fact->category_by_n || fact->category < 0 || (a->ds->has_p_true && isnan(fact->p_true))) continue;
        facts[(*n)++] = (asked_fact){(uint32_t)i, fact->p_true, fact->category_by_n, 0};
    }
    if (facts && a->ds->has_p_true) qsort(facts, *n, sizeof *facts, compare_p_true);
    return facts;
}

/* right of every fact: of one epoch, or the mean of what they hold and it. */
static void ask_epoch(asked_fact *facts, size_t n, const slk_report_epoch *e, double weight)
{
    for (size_t i = 0; i < n; i++) facts[i].right += weight * slk_report_bit(e->right[SLK_SET_TEST], facts[i].place);
}

/* Accuracy in % on the k facts of lowest P(True). Among facts of equal P(True) every choice counts alike. */
static double lowest_accuracy(const asked_fact *facts, size_t n, size_t k)
{
    double sum = 0;
    size_t i = 0;
    while (i < k) {
        size_t end = i;
        double group = 0;
        while (end < n && facts[end].p_true == facts[i].p_true) group += facts[end++].right;
        double take = end < k ? 1 : (double)(k - i) / (double)(end - i);
        sum += group * take;
        i = end;
    }
    return k ? 100 * sum / (double)k : NAN;
}

/* Accuracy in % on what is Unknown by the first n_ex prompts, and how many those are. */
static double slick_accuracy(const asked_fact *facts, size_t n, unsigned n_ex, size_t *n_unknown)
{
    double sum = 0;
    *n_unknown = 0;
    for (size_t i = 0; i < n; i++) {
        if (facts[i].category_by_n[n_ex - 1] != SLK_UNKNOWN) continue;
        sum += facts[i].right;
        ++*n_unknown;
    }
    return *n_unknown ? 100 * sum / (double)*n_unknown : NAN;
}

/* Points where P(True) changes, thinned out evenly. */
static slk_status make_line(slk_analysis *a, const asked_fact *facts, size_t n, slk_err *err)
{
    slk_threshold *t = &a->threshold;
    t->line = slk_arena_alloc(&a->arena, MAX_LINE + 1, sizeof *t->line);
    if (!t->line) return no_memory(err);
    double sum = 0;
    size_t next = 1;
    for (size_t i = 0; i < n; i++) {
        sum += facts[i].right;
        size_t k = i + 1;
        if (k < n && facts[k].p_true == facts[i].p_true) continue;
        if (k * MAX_LINE < next * n && k != n) continue;
        next = k * MAX_LINE / n + 1;
        if (t->n_line <= MAX_LINE)
            t->line[t->n_line++] = (slk_share_accuracy){100 * (double)k / (double)n, 100 * sum / (double)k};
    }
    return SLK_OK;
}

/* Per run: SliCK's points, and how far the last lies below the line. */
typedef struct per_run {
    slk_by_seed *slick; /* [n_ex] */
    slk_by_seed below;
} per_run;

static void measure_run(per_run *p, const slk_analysis *a, asked_fact *facts, size_t n, const slk_report_run *run,
                        const slk_report_epoch *e)
{
    for (size_t i = 0; i < n; i++) facts[i].right = 0;
    ask_epoch(facts, n, e, 1);
    for (unsigned k = 1; k <= a->ds->n_ex; k++) {
        size_t n_unknown;
        double accuracy = slick_accuracy(facts, n, k, &n_unknown);
        if (!n_unknown) continue;
        slk_by_seed *at = &p->slick[k - 1];
        at->seed[at->n] = run->info->seed;
        at->value[at->n++] = accuracy;
        if (k < a->ds->n_ex || !a->ds->has_p_true) continue;
        p->below.seed[p->below.n] = run->info->seed;
        p->below.value[p->below.n++] = accuracy - lowest_accuracy(facts, n, n_unknown);
    }
}

static slk_status keep_slick(slk_analysis *a, const asked_fact *facts, size_t n, const per_run *p, slk_err *err)
{
    slk_threshold *t = &a->threshold;
    t->slick = slk_arena_alloc(&a->arena, a->ds->n_ex, sizeof *t->slick);
    t->slick_at = slk_arena_alloc(&a->arena, a->ds->n_ex, sizeof *t->slick_at);
    if (!t->slick || !t->slick_at) return no_memory(err);
    for (unsigned k = 1; k <= a->ds->n_ex; k++) {
        size_t n_unknown;
        double accuracy = slick_accuracy(facts, n, k, &n_unknown);
        if (!n_unknown) continue;
        t->slick[t->n_slick] = (slk_share_accuracy){100 * (double)n_unknown / (double)n, accuracy};
        t->slick_at[t->n_slick++] = slk_estimate_mean(&p->slick[k - 1]);
    }
    t->below = slk_estimate_mean(&p->below);
    return SLK_OK;
}

static slk_status compare(slk_analysis *a, const slk_variant *v, asked_fact *facts, size_t n, per_run *p, slk_err *err)
{
    slk_threshold *t = &a->threshold;
    const slk_duration early = {.when = SLK_AT_EARLY};
    const slk_report_epoch *epochs[SLK_REPORT_MAX_SEEDS];
    size_t n_runs = 0;
    for (size_t r = 0; r < v->n_runs; r++) {
        const slk_report_epoch *e = slk_measure_epoch(v->runs[r], early);
        if (!e || !e->has[SLK_SET_TEST]) continue;
        measure_run(p, a, facts, n, v->runs[r], e);
        epochs[n_runs++] = e;
    }
    if (n_runs == 0) return SLK_OK;
    for (size_t i = 0; i < n; i++) facts[i].right = 0;
    for (size_t r = 0; r < n_runs; r++) ask_epoch(facts, n, epochs[r], 1.0 / (double)n_runs);
    t->is_there = true;
    t->n_runs = n_runs;
    t->n_facts = n;
    slk_status s = a->ds->has_p_true ? make_line(a, facts, n, err) : SLK_OK;
    return s == SLK_OK ? keep_slick(a, facts, n, p, err) : s;
}

slk_status slk_analyse_threshold(slk_analysis *a, slk_err *err)
{
    const slk_variant *v = slk_variant_find(a->variants, a->n_variants, "natural", -1, "");
    a->threshold.below = slk_estimate_none();
    if (!v) return SLK_OK;
    size_t n;
    asked_fact *facts = collect_facts(a, &n);
    per_run p = {.slick = slk_alloc_zero(a->ds->n_ex, sizeof *p.slick)};
    slk_status s = facts && p.slick ? SLK_OK : no_memory(err);
    if (s == SLK_OK && n) s = compare(a, v, facts, n, &p, err);
    free(facts);
    free(p.slick);
    return s;
}

/* --- Tables 3 to 5 ---------------------------------------------------------------------------------------------------
 */

/* Facts of the pool that a table counts; -1: of none. */
static int table_of(const slk_report_fact *fact)
{
    if (!fact->category_by_n) return -1; /* never probed */
    if (fact->split == SLK_SPLIT_TEST) return fact->ood ? SLK_COUNTS_OOD : SLK_COUNTS_TEST;
    return fact->split == SLK_SPLIT_TRAIN && !fact->ood ? SLK_COUNTS_TRAIN : -1;
}

/* The row of a relation, made when there is none; `near`: where to look first. NULL: out of memory. */
static slk_relation_row *row_of(slk_relation_row **rows, size_t *n, size_t *cap, size_t *near, const char *relation)
{
    for (size_t k = 0; k < *n; k++) {
        size_t r = (*near + k) % *n; /* facts of one relation stand together */
        if (strcmp((*rows)[r].relation, relation) != 0) continue;
        *near = r;
        return &(*rows)[r];
    }
    if (!slk_grow(rows, cap, *n + 1, sizeof **rows)) return NULL;
    *near = *n;
    (*rows)[*n] = (slk_relation_row){.relation = relation};
    return &(*rows)[(*n)++];
}

static slk_status count_table(slk_analysis *a, int table, slk_err *err)
{
    slk_counts *counts = &a->counts[table];
    slk_relation_row *rows = NULL;
    size_t n = 0, cap = 0, near = 0;
    bool ok = true;
    for (size_t i = 0; i < a->ds->n_facts && ok; i++) {
        const slk_report_fact *fact = &a->ds->facts[i];
        if (table_of(fact) != table) continue;
        slk_relation_row *row = row_of(&rows, &n, &cap, &near, fact->relation);
        ok = row != NULL;
        if (!ok) break;
        row->n[slk_report_group(fact->category)]++;
        counts->all[slk_report_group(fact->category)]++;
    }
    counts->rows = ok ? slk_arena_alloc(&a->arena, n, sizeof *rows) : NULL;
    if (counts->rows && rows) memcpy(counts->rows, rows, n * sizeof *rows);
    counts->n = counts->rows ? n : 0;
    free(rows);
    return counts->rows ? SLK_OK : no_memory(err);
}

slk_status slk_analyse_counts(slk_analysis *a, slk_err *err)
{
    slk_status s = SLK_OK;
    for (int table = 0; table < SLK_N_COUNTS && s == SLK_OK; table++) s = count_table(a, table, err);
    return s;
}
