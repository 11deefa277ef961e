/* What the labels know of the truth: categories against what the model was exposed to. Facts of all splits count that
 * have a category and an exposure. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/analysis.h"
#include "report/exposure.h"
#include "report/say.h"
#include "stats/stats.h"

static slk_status no_memory(slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "report: out of memory");
}

static bool counts(const slk_report_fact *fact)
{
    return fact->exposure && fact->category_by_n && fact->category >= 0;
}

static bool is_exposed(const slk_report_fact *fact)
{
    return fact->exposure->right > 0;
}

/* k of n in %. */
static slk_estimate share(uint32_t k, uint32_t n)
{
    if (n == 0) return slk_estimate_none();
    slk_interval w = slk_stats_wilson(k, n, SLK_REPORT_CONFIDENCE);
    return (slk_estimate){1, 100.0 * k / n, 100 * w.low, 100 * w.high, true};
}

/* --- by kind, by number of mentions ---------------------------------------------------------------------------------
 */

static slk_truth_row *row_of(slk_truth_row *rows, size_t *n, size_t max, const char *name)
{
    for (size_t i = 0; i < *n; i++) {
        if (strncmp(rows[i].name, name, sizeof rows[i].name - 1) == 0) return &rows[i];
    }
    bool is_full = *n + 1 >= max; /* the last row takes all others */
    if (is_full && *n == max) return &rows[max - 1];
    slk_truth_row *row = &rows[(*n)++];
    snprintf(row->name, sizeof row->name, "%s", is_full ? "others" : name);
    return row;
}

static uint32_t row_total(const slk_truth_row *row)
{
    uint32_t all = 0;
    for (int c = 0; c < SLK_N_CATEGORIES; c++) all += row->n[c];
    return all;
}

static int by_unknown(const void *a, const void *b)
{
    const slk_truth_row *x = a, *y = b;
    double p = (double)x->n[SLK_UNKNOWN] / row_total(x), q = (double)y->n[SLK_UNKNOWN] / row_total(y);
    return (p > q) - (p < q);
}

static void count_rows(slk_truth *t, const slk_dataset *ds)
{
    slk_truth_row by_seen[SLK_TRUTH_MAX_SEEN] = {0};
    for (size_t i = 0; i < SLK_TRUTH_MAX_SEEN; i++)
        snprintf(by_seen[i].name, sizeof by_seen[i].name,
                 i == 0                       ? "never"
                 : i + 1 < SLK_TRUTH_MAX_SEEN ? "%zu"
                                              : "%zu or more",
                 i);
    for (size_t i = 0; i < ds->n_facts; i++) {
        const slk_report_fact *fact = &ds->facts[i];
        if (!counts(fact)) continue;
        uint32_t seen = fact->exposure->right;
        row_of(t->kinds, &t->n_kinds, SLK_TRUTH_MAX_KINDS, fact->exposure->kind)->n[fact->category]++;
        by_seen[seen < SLK_TRUTH_MAX_SEEN ? seen : SLK_TRUTH_MAX_SEEN - 1].n[fact->category]++;
    }
    qsort(t->kinds, t->n_kinds, sizeof *t->kinds, by_unknown);
    for (size_t i = 0; i < SLK_TRUTH_MAX_SEEN; i++) {
        if (row_total(&by_seen[i])) t->seen[t->n_seen++] = by_seen[i];
    }
}

/* --- mistakes
 * --------------------------------------------------------------------------------------------------------- */

typedef struct mistakes {
    uint32_t n_never, n_never_known, n_seen, n_seen_unknown;
    uint32_t n_undisputed, n_undisputed_unknown;
} mistakes;

static void add_mistake(mistakes *m, const slk_report_fact *fact, int8_t category)
{
    bool unknown = category == SLK_UNKNOWN, undisputed = fact->exposure->wrong == 0;
    if (!is_exposed(fact)) {
        m->n_never++;
        m->n_never_known += !unknown;
        return;
    }
    m->n_seen++;
    m->n_seen_unknown += unknown;
    m->n_undisputed += undisputed;
    m->n_undisputed_unknown += undisputed && unknown;
}

/* With the first n prompts, or the first n samples of each. */
static slk_truth_step make_step(const slk_dataset *ds, unsigned n, bool samples)
{
    mistakes m = {0};
    for (size_t i = 0; i < ds->n_facts; i++) {
        const slk_report_fact *fact = &ds->facts[i];
        if (counts(fact)) add_mistake(&m, fact, samples ? fact->category_by_samples[n] : fact->category_by_n[n - 1]);
    }
    return (slk_truth_step){n, share(m.n_never_known, m.n_never), share(m.n_seen_unknown, m.n_seen)};
}

static slk_status make_steps(slk_analysis *a, slk_err *err)
{
    slk_truth *t = &a->truth;
    const slk_dataset *ds = a->ds;
    t->by_prompts = slk_arena_alloc(&a->arena, SLK_TRUTH_MAX_STEPS, sizeof *t->by_prompts);
    t->by_samples = slk_arena_alloc(&a->arena, SLK_TRUTH_MAX_STEPS, sizeof *t->by_samples);
    if (!t->by_prompts || !t->by_samples) return no_memory(err);
    for (unsigned n = 1; n <= ds->n_ex; n++) {
        if (n == ds->n_ex || n < SLK_TRUTH_MAX_STEPS) t->by_prompts[t->n_by_prompts++] = make_step(ds, n, false);
    }
    for (unsigned n = 0; n < ds->n_samples; n = n ? 2 * n : 1)
        t->by_samples[t->n_by_samples++] = make_step(ds, n, true);
    t->by_samples[t->n_by_samples++] = make_step(ds, ds->n_samples, true);
    return SLK_OK;
}

/* --- guessing
 * --------------------------------------------------------------------------------------------------------- */

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The most frequent of texts [n], which are sorted here; *n_of: how often it is there. */
static const char *most_frequent(const char **texts, size_t n, uint32_t *n_of)
{
    const char *best = "";
    *n_of = 0;
    qsort(texts, n, sizeof *texts, compare_texts);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && strcmp(texts[end], texts[i]) == 0;) end++;
        if (end - i <= *n_of) continue;
        *n_of = (uint32_t)(end - i);
        best = texts[i];
    }
    return best;
}

static void measure_relation(slk_truth_relation *r, const slk_dataset *ds, const char **texts)
{
    size_t n = 0;
    double right = 0;
    for (size_t i = 0; i < ds->n_facts; i++) {
        const slk_report_fact *fact = &ds->facts[i];
        if (fact->split == SLK_SPLIT_DEV && strcmp(fact->relation, r->relation) == 0) texts[n++] = fact->answer;
    }
    r->n_dev = (uint32_t)n;
    r->frequent = most_frequent(texts, n, &r->n_dev_frequent);
    for (size_t i = 0; i < ds->n_facts; i++) {
        const slk_report_fact *fact = &ds->facts[i];
        if (!counts(fact) || is_exposed(fact) || strcmp(fact->relation, r->relation) != 0) continue;
        r->n_never++;
        r->n_never_known += fact->category != SLK_UNKNOWN;
        r->n_never_frequent += strcmp(fact->answer, r->frequent) == 0;
        right += fact->p_greedy;
    }
    r->never_greedy = r->n_never ? 100 * right / r->n_never : (double)NAN;
}

static slk_status measure_relations(slk_analysis *a, slk_err *err)
{
    slk_truth *t = &a->truth;
    const slk_dataset *ds = a->ds;
    const char **texts = slk_alloc(ds->n_facts, sizeof *texts);
    slk_truth_relation *rows = NULL;
    size_t n = 0, cap = 0;
    bool ok = texts != NULL;
    for (size_t i = 0; i < ds->n_facts && ok; i++) {
        if (!counts(&ds->facts[i])) continue;
        size_t k = 0;
        while (k < n && strcmp(rows[k].relation, ds->facts[i].relation) != 0) k++;
        if (k < n) continue;
        ok = slk_grow(&rows, &cap, n + 1, sizeof *rows);
        if (ok) rows[n++] = (slk_truth_relation){.relation = ds->facts[i].relation};
    }
    double right = 0;
    for (size_t k = 0; k < n && ok; k++) {
        measure_relation(&rows[k], ds, texts);
        t->n_never_frequent += rows[k].n_never_frequent;
        if (rows[k].n_never) right += rows[k].never_greedy * rows[k].n_never;
    }
    t->never_greedy = t->n_never ? right / t->n_never : (double)NAN;
    t->relations = ok ? slk_arena_alloc(&a->arena, n, sizeof *rows) : NULL;
    if (t->relations && rows) memcpy(t->relations, rows, n * sizeof *rows);
    t->n_relations = t->relations ? n : 0;
    free(rows);
    free(texts);
    return t->relations ? SLK_OK : no_memory(err);
}

/* --- in words
 * --------------------------------------------------------------------------------------------------------- */

static void say_share(slk_buf *b, const slk_estimate *e)
{
    slk_buf_addf(b, "%s%% (%s)", slk_say(e->value, 1).text, slk_say_interval(e->low, e->high, 1, false).text);
}

static slk_status say(slk_analysis *a, slk_err *err)
{
    slk_truth *t = &a->truth;
    slk_buf b = {0};
    if (t->n_never) {
        slk_buf_addf(&b, "Of %s facts that the model never saw, ", slk_say_count(t->n_never).text);
        say_share(&b, &t->never_known);
        slk_buf_addf(
            &b,
            " are called Known: their answers can be guessed. %s%% of their greedy answers are right; answering "
            "each relation\xE2\x80\x99s most frequent answer would give %s%%. ",
            slk_say(t->never_greedy, 1).text, slk_say(100.0 * t->n_never_frequent / t->n_never, 1).text);
    }
    if (t->n_exposed) {
        slk_buf_addf(&b, "Of %s facts that it saw, ", slk_say_count(t->n_exposed).text);
        say_share(&b, &t->seen_unknown);
        slk_buf_add_str(&b, " are called Unknown");
        if (slk_is_measured(&t->undisputed_unknown)) {
            slk_buf_add_str(&b, ": ");
            say_share(&b, &t->undisputed_unknown);
            slk_buf_add_str(&b, " of those seen with their right answer alone");
        }
        if (slk_is_measured(&t->disputed_unknown)) {
            slk_buf_add_str(&b, slk_is_measured(&t->undisputed_unknown) ? ", " : ": ");
            say_share(&b, &t->disputed_unknown);
            slk_buf_add_str(&b, " of those seen with a wrong one, too");
        }
        slk_buf_add_str(&b, ".");
    }
    t->sentence = b.failed ? NULL : slk_arena_strndup(&a->arena, b.data ? b.data : "", b.len);
    slk_buf_release(&b);
    return t->sentence ? SLK_OK : no_memory(err);
}

slk_status slk_analyse_truth(slk_analysis *a, slk_err *err)
{
    slk_truth *t = &a->truth;
    mistakes m = {0};
    for (size_t i = 0; i < a->ds->n_facts; i++) {
        if (counts(&a->ds->facts[i])) add_mistake(&m, &a->ds->facts[i], a->ds->facts[i].category);
    }
    t->n_never = m.n_never;
    t->n_exposed = m.n_seen;
    t->is_there = m.n_never + m.n_seen > 0;
    if (!t->is_there) return SLK_OK;
    t->never_known = share(m.n_never_known, m.n_never);
    t->seen_unknown = share(m.n_seen_unknown, m.n_seen);
    t->undisputed_unknown = share(m.n_undisputed_unknown, m.n_undisputed);
    t->disputed_unknown = share(m.n_seen_unknown - m.n_undisputed_unknown, m.n_seen - m.n_undisputed);
    count_rows(t, a->ds);
    slk_status s = make_steps(a, err);
    if (s == SLK_OK) s = measure_relations(a, err);
    return s == SLK_OK ? say(a, err) : s;
}
