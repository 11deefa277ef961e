#include "report/tables.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "report/paper.h"
#include "report/say.h"

#define N_OF(array) (sizeof(array) / sizeof(array)[0])

static const char *const when_names[2] = {"early stop", "convergence"};

/* --- findings
 * ------------------------------------------------------------------------------------------------------------ */

static void fill_findings(slk_grid *g, const slk_analysis *a)
{
    static const slk_column columns[] = {
        {"finding", "id", SLK_COLUMN_TEXT, 0},        {"claim", "title", SLK_COLUMN_TEXT, 0},
        {"item", "item", SLK_COLUMN_NUMBER, 0},       {"measured", "value", SLK_COLUMN_ESTIMATE, 1},
        {"the paper", "paper", SLK_COLUMN_NUMBER, 1}, {"unit", "unit", SLK_COLUMN_TEXT, 0},
        {"verdict", "verdict", SLK_COLUMN_TEXT, 0},   {"what this run shows", "sentence", SLK_COLUMN_TEXT, 0},
    };
    slk_grid_init(g, "findings", "Findings",
                  "Item: of the paper's claims, docs/study.md section 4. In parentheses: 95% intervals.", columns,
                  N_OF(columns));
    for (size_t i = 0; i < a->n_findings; i++) {
        const slk_finding *f = &a->findings[i];
        slk_grid_row(g, false);
        slk_grid_text(g, f->id);
        slk_grid_text(g, f->title);
        slk_grid_number(g, f->item);
        slk_grid_estimate(g, f->at);
        slk_grid_number(g, f->paper);
        slk_grid_text(g, f->unit);
        slk_grid_text(g, slk_verdict_name(f->verdict));
        slk_grid_text(g, f->sentence);
    }
}

/* --- Table 1
 * ------------------------------------------------------------------------------------------------------------- */

static void fill_table1(slk_grid *g, const slk_analysis *a)
{
    static const slk_column columns[] = {
        {"test set", "set", SLK_COLUMN_TEXT, 0},
        {"", "term", SLK_COLUMN_TEXT, 0},
        {"one fit; interval too narrow", "ols", SLK_COLUMN_ESTIMATE, 2},
        {"bootstrap of runs", "runs", SLK_COLUMN_ESTIMATE, 2},
        {"by seed", "seeds", SLK_COLUMN_ESTIMATE, 2},
        {"the paper", "paper", SLK_COLUMN_NUMBER, 2},
    };
    static const char *const terms[] = {"b0", "b_kn (Known fitted)", "b_unk (Unknown fitted)", "R2"};
    slk_grid_init(
        g, "table-1", "Table 1: the linear model",
        "accuracy = b0 + b_kn N_kn/|D| + b_unk N_unk/|D| over all epochs of the variants with X% Unknown; N: "
        "fitted examples. The textbook's interval of the one fit takes the epochs of a run for independent and is too "
        "narrow. Verdicts use the bootstrap that draws whole runs, or, from three seeds on, the t interval over fits "
        "of "
        "single seeds.",
        columns, N_OF(columns));
    for (int set = 0; set < 2; set++) {
        const slk_linear *m = &a->linear[set];
        for (int b = 0; b <= SLK_N_B; b++) {
            slk_grid_row(g, false);
            slk_grid_text(g, set ? "out of distribution" : "in distribution");
            slk_grid_text(g, terms[b]);
            if (b == SLK_N_B) {
                slk_grid_number(g, m->is_fitted ? m->r2 : NAN);
                slk_grid_estimate(g, slk_estimate_none());
                slk_grid_estimate(g, slk_estimate_none());
            } else if (!m->is_fitted) {
                for (int k = 0; k < 3; k++) slk_grid_estimate(g, slk_estimate_none());
            } else {
                slk_grid_estimate(g, (slk_estimate){1, m->b[b], m->ols_low[b], m->ols_high[b], false});
                bool boot = !isnan(m->boot_low[b]);
                slk_grid_estimate(g, boot ? (slk_estimate){1, m->b[b], m->boot_low[b], m->boot_high[b], false}
                                          : slk_estimate_none());
                slk_grid_estimate(g, m->by_seed[b]);
            }
            slk_grid_number(g, slk_paper_table1[set][b]);
        }
    }
}

/* --- Tables 2 and 7
 * ------------------------------------------------------------------------------------------------------ */

static void fill_table2(slk_grid *g, const slk_analysis *a)
{
    static const slk_column columns[] = {
        {"trained on", "train", SLK_COLUMN_TEXT, 0},  {"at", "at", SLK_COLUMN_TEXT, 0},
        {"all", "all", SLK_COLUMN_TESTED, 1},         {"Highly", "highly", SLK_COLUMN_TESTED, 1},
        {"Maybe", "maybe", SLK_COLUMN_TESTED, 1},     {"Weakly", "weakly", SLK_COLUMN_TESTED, 1},
        {"Unknown", "unknown", SLK_COLUMN_TESTED, 1}, {"p, late against early", "p_early", SLK_COLUMN_NUMBER, 3},
    };
    slk_grid_init(
        g, "table-2", "Tables 2 and 7: single categories, test accuracy in %",
        "Columns: all test facts, and those of one category. In bold the best of a column at that time; others that "
        "differ from it by the paper's paired t-test over parts of the test facts: * p < 0.05, ** p < 0.01. Last "
        "column: the same test of convergence against the early stop, on all test facts. The test knows of facts "
        "only, not of seeds; the intervals are over seeds.",
        columns, N_OF(columns));
    for (int row = 0; row < SLK_TABLE2_ROWS; row++) {
        for (int late = 0; late < 2; late++) {
            const slk_table2_row *r = &a->table2[row];
            slk_grid_row(g, false);
            slk_grid_text(g, r->name);
            slk_grid_text(g, when_names[late]);
            for (int c = 0; c < SLK_TABLE2_COLUMNS; c++)
                slk_grid_tested(g, r->cells[late][c].at, r->cells[late][c].p_best, r->cells[late][c].is_best);
            slk_grid_number(g, r->cells[late][0].p_early);
            slk_grid_row(g, true);
            slk_grid_text(g, "\xE2\x80\x83the paper");
            slk_grid_text(g, when_names[late]);
            for (int c = 0; c < SLK_TABLE2_COLUMNS; c++) slk_grid_number(g, slk_paper_table2[row][late][c]);
            slk_grid_number(g, NAN);
        }
    }
}

/* --- Tables 3 to 5
 * ------------------------------------------------------------------------------------------------------- */

static void fill_counts(slk_grid *g, const slk_analysis *a, int which)
{
    static const slk_column columns[] = {
        {"relation", "relation", SLK_COLUMN_TEXT, 0},    {"facts", "n", SLK_COLUMN_NUMBER, 0},
        {"HighlyKnown", "highly", SLK_COLUMN_NUMBER, 0}, {"MaybeKnown", "maybe", SLK_COLUMN_NUMBER, 0},
        {"WeaklyKnown", "weakly", SLK_COLUMN_NUMBER, 0}, {"Unknown", "unknown", SLK_COLUMN_NUMBER, 0},
        {"no label", "none", SLK_COLUMN_NUMBER, 0},
    };
    static const char *const names[] = {"table-3", "table-4", "table-5"};
    static const char *const titles[] = {"Table 3: training facts by category", "Table 4: test facts by category",
                                         "Table 5: out-of-distribution test facts by category"};
    slk_grid_init(g, names[which], titles[which], "Counts of labelled facts, before fine-tuning.", columns,
                  N_OF(columns));
    const slk_counts *counts = &a->counts[which];
    for (size_t i = 0; i <= counts->n; i++) {
        const uint32_t *n = i < counts->n ? counts->rows[i].n : counts->all;
        uint32_t all = 0;
        for (int c = 0; c < SLK_REPORT_N_GROUPS; c++) all += n[c];
        if (!all) continue;
        slk_grid_row(g, false);
        slk_grid_text(g, i == counts->n ? "all" : *counts->rows[i].relation ? counts->rows[i].relation : "(none)");
        slk_grid_number(g, all);
        for (int c = 0; c < SLK_REPORT_N_GROUPS; c++) slk_grid_number(g, n[c]);
    }
}

/* --- Table 8
 * ------------------------------------------------------------------------------------------------------------- */

static void fill_table8(slk_grid *g, const slk_analysis *a)
{
    static const slk_column columns[] = {
        {"trained on", "train", SLK_COLUMN_TEXT, 0},
        {"at", "at", SLK_COLUMN_TEXT, 0},
        {"right, of those answered", "accuracy", SLK_COLUMN_ESTIMATE, 1},
        {"answered", "answered", SLK_COLUMN_ESTIMATE, 1},
        {"right, of all", "right", SLK_COLUMN_ESTIMATE, 1},
        {"the paper: right, of those answered", "paper_accuracy", SLK_COLUMN_NUMBER, 1},
        {"the paper: answered", "paper_answered", SLK_COLUMN_NUMBER, 1},
    };
    slk_grid_init(g, "table-8", "Table 8: \xE2\x80\x9CI don\xE2\x80\x99t know\xE2\x80\x9D for Unknown examples",
                  "In % of test questions. D_IDK: D with the answers of its Unknown examples replaced.", columns,
                  N_OF(columns));
    for (int idk = 0; idk < 2; idk++) {
        for (int late = 0; late < 2; late++) {
            slk_grid_row(g, false);
            slk_grid_text(g, idk ? "D_IDK" : "D");
            slk_grid_text(g, when_names[late]);
            slk_grid_estimate(g, a->idk.accuracy[idk][late]);
            slk_grid_estimate(g, a->idk.answered[idk][late]);
            slk_grid_estimate(g, a->idk.right[idk][late]);
            slk_grid_number(g, slk_paper_table8[idk][late]);
            slk_grid_number(g, slk_paper_table8_answered[idk][late]);
        }
    }
}

/* --- numbers behind figures
 * ----------------------------------------------------------------------------------------------- */

static void fill_curves(slk_grid *g, const slk_analysis *a)
{
    static const slk_column columns[] = {
        {"test set", "set", SLK_COLUMN_TEXT, 0},
        {"at", "at", SLK_COLUMN_TEXT, 0},
        {"% Unknown in D", "unknown", SLK_COLUMN_NUMBER, 0},
        {"accuracy", "accuracy", SLK_COLUMN_ESTIMATE, 1},
        {"seeds", "seeds", SLK_COLUMN_NUMBER, 0},
        {"runs short of 95% fitted", "short", SLK_COLUMN_NUMBER, 0},
        {"all runs at their last epoch", "as_is", SLK_COLUMN_NUMBER, 1},
    };
    slk_grid_init(g, "figure-3a-7", "Figures 3a and 7: accuracy by share of Unknown and duration",
                  "In %. At convergence only runs count that fitted 95% of D.", columns, N_OF(columns));
    for (int set = 0; set < 2; set++) {
        for (size_t d = 0; d < a->n_durations; d++) {
            const slk_curve *curve = set ? &a->ood[d] : &a->test[d];
            for (size_t i = 0; i < curve->n; i++) {
                const slk_curve_point *p = &curve->points[i];
                slk_grid_row(g, false);
                slk_grid_text(g, set ? "out of distribution" : "in distribution");
                slk_grid_text(g, curve->duration.name);
                slk_grid_number(g, p->unknown);
                slk_grid_estimate(g, p->at);
                slk_grid_number(g, (double)p->at.n);
                slk_grid_number(g, (double)p->n_short);
                slk_grid_number(g, p->as_is.value);
            }
        }
    }
}

static void fill_pairs(slk_grid *g, const slk_analysis *a)
{
    static const slk_column columns[] = {
        {"at", "at", SLK_COLUMN_TEXT, 0},
        {"% Unknown in D", "unknown", SLK_COLUMN_NUMBER, 0},
        {"D", "d", SLK_COLUMN_ESTIMATE, 1},
        {"D_Known", "d_known", SLK_COLUMN_ESTIMATE, 1},
        {"D \xE2\x88\x92 D_Known", "difference", SLK_COLUMN_ESTIMATE, 1},
    };
    slk_grid_init(g, "figure-3b", "Figure 3b: D against D_Known, test accuracy",
                  "In %; the difference, in points, is taken within each seed.", columns, N_OF(columns));
    for (int late = 0; late < 2; late++) {
        for (size_t i = 0; i < a->n_pairs; i++) {
            slk_grid_row(g, false);
            slk_grid_text(g, when_names[late]);
            slk_grid_number(g, a->pairs[i].unknown);
            slk_grid_estimate(g, a->pairs[i].with[late]);
            slk_grid_estimate(g, a->pairs[i].without[late]);
            slk_grid_estimate(g, a->pairs[i].difference[late]);
        }
    }
}

static void fill_early(slk_grid *g, const slk_analysis *a)
{
    static const slk_column columns[] = {
        {"% Unknown in D", "unknown", SLK_COLUMN_NUMBER, 0},
        {"early stop, mean epoch", "epoch", SLK_COLUMN_NUMBER, 1},
        {"Known fitted", "known", SLK_COLUMN_ESTIMATE, 1},
        {"Unknown fitted", "unknown_fitted", SLK_COLUMN_ESTIMATE, 1},
        {"difference", "difference", SLK_COLUMN_ESTIMATE, 1},
    };
    slk_grid_init(g, "figure-4", "Figure 4: what of D is fitted at the early stop", "In %.", columns, N_OF(columns));
    for (size_t i = 0; i < a->n_fits; i++) {
        const slk_fit_curve *fit = &a->fits[i];
        slk_grid_row(g, false);
        slk_grid_number(g, fit->unknown);
        slk_grid_number(g, fit->early);
        slk_grid_estimate(g, fit->early_known);
        slk_grid_estimate(g, fit->early_unknown);
        slk_grid_estimate(g, fit->early_gap);
    }
}

static void fill_threshold(slk_grid *g, const slk_analysis *a)
{
    static const slk_column columns[] = {
        {"method", "method", SLK_COLUMN_TEXT, 0},
        {"prompts", "n_ex", SLK_COLUMN_NUMBER, 0},
        {"called Unknown", "share", SLK_COLUMN_NUMBER, 1},
        {"of those, answered rightly", "accuracy", SLK_COLUMN_ESTIMATE, 1},
    };
    slk_grid_init(g, "figure-5", "Figure 5: SliCK against a threshold on P(True)",
                  "In % of test questions, after fine-tuning on D_Natural, at the early stop.", columns, N_OF(columns));
    for (size_t i = 0; i < a->threshold.n_slick; i++) {
        slk_grid_row(g, false);
        slk_grid_text(g, "SliCK");
        slk_grid_number(g, (double)i + 1);
        slk_grid_number(g, a->threshold.slick[i].share);
        slk_grid_estimate(g, a->threshold.slick_at[i]);
    }
    for (size_t i = 0; i < a->threshold.n_line; i++) {
        slk_grid_row(g, false);
        slk_grid_text(g, "P(True)");
        slk_grid_number(g, NAN);
        slk_grid_number(g, a->threshold.line[i].share);
        slk_grid_number(g, a->threshold.line[i].accuracy);
    }
}

static void fill_epochs(slk_grid *g, const slk_analysis *a)
{
    static const slk_column columns[] = {
        {"% Unknown in D", "unknown", SLK_COLUMN_NUMBER, 0},
        {"epoch", "epoch", SLK_COLUMN_NUMBER, 0},
        {"Known fitted", "known", SLK_COLUMN_ESTIMATE, 1},
        {"Unknown fitted", "unknown_fitted", SLK_COLUMN_ESTIMATE, 1},
        {"dev accuracy", "dev", SLK_COLUMN_ESTIMATE, 1},
        {"test accuracy", "test", SLK_COLUMN_ESTIMATE, 1},
    };
    slk_grid_init(g, "figure-1-6", "Figures 1 and 6: fitted facts and accuracy by epoch", "In %.", columns,
                  N_OF(columns));
    for (size_t i = 0; i < a->n_fits; i++) {
        const slk_fit_curve *fit = &a->fits[i];
        for (size_t e = 0; e < fit->n; e++) {
            slk_grid_row(g, false);
            slk_grid_number(g, fit->unknown);
            slk_grid_number(g, fit->epochs[e]);
            slk_grid_estimate(g, fit->known[e]);
            slk_grid_estimate(g, fit->unknown_fitted[e]);
            slk_grid_estimate(g, fit->dev[e]);
            slk_grid_estimate(g, fit->test[e]);
        }
    }
}

static void fill_runs(slk_grid *g, const slk_analysis *a)
{
    static const slk_column columns[] = {
        {"variant", "variant", SLK_COLUMN_TEXT, 0},
        {"seed", "seed", SLK_COLUMN_TEXT, 0},
        {"state", "state", SLK_COLUMN_TEXT, 0},
        {"|D|", "n_train", SLK_COLUMN_NUMBER, 0},
        {"early stop", "early", SLK_COLUMN_NUMBER, 0},
        {"last epoch", "last", SLK_COLUMN_NUMBER, 0},
        {"fitted at the end", "fitted", SLK_COLUMN_NUMBER, 1},
        {"seconds", "seconds", SLK_COLUMN_NUMBER, 0},
        {"", "note", SLK_COLUMN_TEXT, 0},
    };
    slk_grid_init(g, "runs", "Runs", "Fitted at the end: % of D. A run below 95% does not count at convergence.",
                  columns, N_OF(columns));
    for (size_t i = 0; i < a->ds->n_runs; i++) {
        const slk_report_run *run = &a->ds->runs[i];
        const slk_study_run *info = run->info;
        if (info->lr != a->lr) continue;
        bool done = info->state == SLK_RUN_DONE;
        const slk_report_epoch *last = done ? slk_report_find_epoch(run, info->last_epoch) : NULL;
        char seed[24];
        snprintf(seed, sizeof seed, "%llu", (unsigned long long)info->seed);
        slk_grid_row(g, false);
        slk_grid_text(g, info->variant);
        slk_grid_text(g, seed);
        slk_grid_text(g, slk_run_state_name(info->state));
        slk_grid_number(g, done ? info->n_train : NAN);
        slk_grid_number(g, done ? info->early_epoch : NAN);
        slk_grid_number(g, done ? info->last_epoch : NAN);
        slk_grid_number(g, slk_report_accuracy(a->ds, run, last, SLK_SET_TRAIN, -1));
        slk_grid_number(g, done ? info->wall_s : NAN);
        slk_grid_text(g, info->error ? info->error : done && !info->fitted ? "does not count at convergence" : "");
    }
}

bool slk_table_is_there(const slk_analysis *a, slk_report_table table)
{
    bool is_truth = table == SLK_TABLE_TRUTH || table == SLK_TABLE_TRUTH_RELATIONS || table == SLK_TABLE_TRUTH_STEPS;
    return !is_truth || a->truth.is_there;
}

slk_status slk_table_make(slk_grid *g, const slk_analysis *a, slk_report_table table, slk_err *err)
{
    switch (table) {
    case SLK_TABLE_FINDINGS:
        fill_findings(g, a);
        break;
    case SLK_TABLE_1:
        fill_table1(g, a);
        break;
    case SLK_TABLE_2:
        fill_table2(g, a);
        break;
    case SLK_TABLE_3:
    case SLK_TABLE_4:
    case SLK_TABLE_5:
        fill_counts(g, a, (int)table - SLK_TABLE_3);
        break;
    case SLK_TABLE_8:
        fill_table8(g, a);
        break;
    case SLK_TABLE_FIGURE_3A:
        fill_curves(g, a);
        break;
    case SLK_TABLE_FIGURE_3B:
        fill_pairs(g, a);
        break;
    case SLK_TABLE_FIGURE_4:
        fill_early(g, a);
        break;
    case SLK_TABLE_FIGURE_5:
        fill_threshold(g, a);
        break;
    case SLK_TABLE_FIGURE_6:
        fill_epochs(g, a);
        break;
    case SLK_TABLE_TRUTH:
    case SLK_TABLE_TRUTH_RELATIONS:
    case SLK_TABLE_TRUTH_STEPS:
        slk_table_fill_truth(g, a, table);
        break;
    case SLK_TABLE_RUNS:
    case SLK_N_TABLES:
        fill_runs(g, a);
        break;
    }
    return g->failed ? slk_fail(err, SLK_E_MEMORY, "report: out of memory") : SLK_OK;
}
