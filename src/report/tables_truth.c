/* Tables of labels against what the model was exposed to. */
#include <math.h>
#include <stdio.h>

#include "report/tables.h"
#include "stats/stats.h"

#define N_OF(array) (sizeof(array) / sizeof(array)[0])

static slk_estimate share(uint32_t k, uint32_t n)
{
    if (n == 0) return slk_estimate_none();
    slk_interval w = slk_stats_wilson(k, n, SLK_REPORT_CONFIDENCE);
    return (slk_estimate){1, 100.0 * k / n, 100 * w.low, 100 * w.high, true};
}

static void add_rows(slk_grid *g, const char *by, const slk_truth_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t all = 0;
        for (int c = 0; c < SLK_N_CATEGORIES; c++) all += rows[i].n[c];
        slk_grid_row(g, false);
        slk_grid_text(g, by);
        slk_grid_text(g, rows[i].name);
        slk_grid_number(g, all);
        for (int c = 0; c < SLK_N_CATEGORIES; c++) slk_grid_estimate(g, share(rows[i].n[c], all));
    }
}

static void fill_shares(slk_grid *g, const slk_analysis *a)
{
    static const slk_column columns[] = {
        {"by", "by", SLK_COLUMN_TEXT, 0},
        {"", "group", SLK_COLUMN_TEXT, 0},
        {"facts", "n", SLK_COLUMN_NUMBER, 0},
        {"HighlyKnown %", "highly", SLK_COLUMN_ESTIMATE, 1},
        {"MaybeKnown %", "maybe", SLK_COLUMN_ESTIMATE, 1},
        {"WeaklyKnown %", "weakly", SLK_COLUMN_ESTIMATE, 1},
        {"Unknown %", "unknown", SLK_COLUMN_ESTIMATE, 1},
    };
    slk_grid_init(
        g, "truth", "Categories by what the model was exposed to",
        "All labelled facts whose exposure is known. Mentions: of the right answer, in one pass over the corpus "
        "that the model was pre-trained on. In parentheses: 95% Wilson intervals over facts.",
        columns, N_OF(columns));
    add_rows(g, "kind", a->truth.kinds, a->truth.n_kinds);
    add_rows(g, "mentions", a->truth.seen, a->truth.n_seen);
}

static void fill_relations(slk_grid *g, const slk_analysis *a)
{
    static const slk_column columns[] = {
        {"relation", "relation", SLK_COLUMN_TEXT, 0},
        {"most frequent answer", "frequent", SLK_COLUMN_TEXT, 0},
        {"of the dev facts %", "dev_share", SLK_COLUMN_ESTIMATE, 1},
        {"never exposed", "n", SLK_COLUMN_NUMBER, 0},
        {"right by always guessing it %", "guess", SLK_COLUMN_ESTIMATE, 1},
        {"greedy answers right %", "greedy", SLK_COLUMN_NUMBER, 1},
        {"called Known %", "known", SLK_COLUMN_ESTIMATE, 1},
    };
    slk_grid_init(
        g, "truth-relations", "What guessing is worth in each relation",
        "The most frequent answer is that of the dev facts, from which exemplars are drawn. The last four columns "
        "are about facts that the model was never exposed to: all it can do is guess.",
        columns, N_OF(columns));
    for (size_t i = 0; i < a->truth.n_relations; i++) {
        const slk_truth_relation *r = &a->truth.relations[i];
        slk_grid_row(g, false);
        slk_grid_text(g, *r->relation ? r->relation : "(none)");
        slk_grid_text(g, r->frequent);
        slk_grid_estimate(g, share(r->n_dev_frequent, r->n_dev));
        slk_grid_number(g, r->n_never);
        slk_grid_estimate(g, share(r->n_never_frequent, r->n_never));
        slk_grid_number(g, r->never_greedy);
        slk_grid_estimate(g, share(r->n_never_known, r->n_never));
    }
}

static void add_steps(slk_grid *g, const char *of, const slk_truth_step *steps, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        slk_grid_row(g, false);
        slk_grid_text(g, of);
        slk_grid_number(g, steps[i].n);
        slk_grid_estimate(g, steps[i].never_known);
        slk_grid_estimate(g, steps[i].seen_unknown);
    }
}

static void fill_steps(slk_grid *g, const slk_analysis *a)
{
    static const slk_column columns[] = {
        {"fewer", "of", SLK_COLUMN_TEXT, 0},
        {"how many", "n", SLK_COLUMN_NUMBER, 0},
        {"never exposed, called Known %", "never_known", SLK_COLUMN_ESTIMATE, 1},
        {"exposed, called Unknown %", "seen_unknown", SLK_COLUMN_ESTIMATE, 1},
    };
    slk_grid_init(
        g, "truth-prompts", "How often labels from fewer prompts or samples are wrong",
        "Prompts: the first so many, with all their samples. Samples: the first so many of every prompt; 0: greedy "
        "answers alone.",
        columns, N_OF(columns));
    add_steps(g, "prompts", a->truth.by_prompts, a->truth.n_by_prompts);
    add_steps(g, "samples", a->truth.by_samples, a->truth.n_by_samples);
}

void slk_table_fill_truth(slk_grid *g, const slk_analysis *a, slk_report_table table)
{
    if (table == SLK_TABLE_TRUTH)
        fill_shares(g, a);
    else if (table == SLK_TABLE_TRUTH_RELATIONS)
        fill_relations(g, a);
    else
        fill_steps(g, a);
}
