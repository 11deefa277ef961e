/* The page: head, sections, the table of facts, how it was made. */
#include "report/html.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "report/assets.h"
#include "report/escape.h"
#include "report/say.h"

#define MAX_FACTS 50000 /* in the page's table; the rest is in tables/facts.csv */

/* --- figures and what they say
 * --------------------------------------------------------------------------------------------- */

static void add_sentences(slk_buf *b, const slk_analysis *a, const char *const *ids)
{
    if (!*ids) return;
    slk_buf_add_str(b, "<ul class=\"says\">\n");
    for (; *ids; ids++) {
        const slk_finding *f = slk_analysis_finding(a, *ids);
        if (!f) continue;
        slk_buf_addf(b, "<li class=\"is-%s\"><span class=\"badge %s\">%s</span>", slk_verdict_class(f->verdict),
                     slk_verdict_class(f->verdict), slk_verdict_words(f));
        slk_escape_xml(b, f->sentence);
        slk_buf_add_str(b, "</li>\n");
    }
    slk_buf_add_str(b, "</ul>\n");
}

static void suffix_of(char *out, size_t n, const slk_report *report, const slk_analysis *a)
{
    *out = 0;
    if (a != report->by_lr) snprintf(out, n, "-lr-%s", slk_say_lr(a->lr).text);
}

static void add_figure(slk_buf *b, const slk_report *report, const slk_analysis *a, slk_figure figure)
{
    char suffix[64];
    suffix_of(suffix, sizeof suffix, report, a);
    slk_buf_addf(b, "<figure data-figure=\"%s%s\">\n<h3>%s</h3>\n", slk_figure_name(figure), suffix,
                 slk_figure_title(figure));
    for (int narrow = 0; narrow < 2; narrow++) {
        slk_svg svg;
        if (slk_figure_draw(&svg, a, figure, narrow ? SLK_FIGURE_NARROW : SLK_FIGURE_WIDE, false, NULL) != SLK_OK)
            b->failed = true;
        slk_buf_addf(b, "<div class=\"%s\">", narrow ? "narrow" : "wide");
        if (svg.b.data) slk_buf_add(b, svg.b.data, svg.b.len);
        slk_buf_add_str(b, "</div>\n");
        slk_svg_release(&svg);
    }
    slk_buf_addf(b,
                 "<figcaption>%s <span class=\"files\">%s%s<a href=\"figures/%s%s.svg\">SVG</a>, "
                 "<a href=\"figures/%s%s.png\">PNG</a></span></figcaption>\n</figure>\n",
                 slk_figure_note(a, figure), slk_figure_paper_name(figure),
                 *slk_figure_paper_name(figure) ? " in the paper. " : "", slk_figure_name(figure), suffix,
                 slk_figure_name(figure), suffix);
}

static void add_table(slk_buf *b, const slk_report *report, const slk_analysis *a, slk_report_table table, bool is_open)
{
    char suffix[64];
    slk_grid g;
    suffix_of(suffix, sizeof suffix, report, a);
    if (slk_table_make(&g, a, table, NULL) != SLK_OK) b->failed = true;
    if (g.n_rows) {
        slk_buf_addf(b, "<details%s><summary>%s</summary>\n", is_open ? " open" : "", g.title);
        slk_grid_html(b, &g);
        slk_buf_addf(b,
                     "<p class=\"legend\">%s <a href=\"tables/%s%s.csv\">CSV</a>, <a "
                     "href=\"tables/%s%s.md\">Markdown</a></p></details>\n",
                     g.note, g.name, suffix, g.name, suffix);
    }
    slk_grid_release(&g);
}

static void add_section(slk_buf *b, const slk_report *report, const slk_analysis *a, const slk_section *s)
{
    slk_buf_addf(b, "<section id=\"%s\"><p class=\"kicker plain\">%s</p>\n<h2>%s</h2>\n<p>%s</p>\n", s->anchor,
                 s->kicker, slk_section_headline(a, s), s->text);
    for (size_t i = 0; i < 3 && s->figures[i] != SLK_N_FIGURES; i++) {
        slk_figure figure = s->figures[i];
        if (slk_figure_is_there(a, figure))
            add_figure(b, report, a, figure);
        else
            slk_buf_addf(b, "<p class=\"missing\">%s: this study has no finished runs for it.</p>\n",
                         slk_figure_paper_name(figure));
        add_sentences(b, a, slk_figure_findings(figure));
    }
    if (s->item == 4) {
        const slk_linear *m = &a->linear[0];
        if (m->is_fitted)
            slk_buf_addf(
                b,
                "<p>The model explains %s%% of the variance in distribution (R\xC2\xB2; the paper: 86%%). "
                "Verdicts here use %s%s.</p>\n",
                slk_say(100 * m->r2, 0).text,
                !strcmp(m->claim_by, "seeds")  ? "the fits of single seeds"
                : !strcmp(m->claim_by, "runs") ? "a bootstrap that draws whole runs"
                                               : "no interval: there are too few runs",
                m->weighted ? "; not every epoch was evaluated, and one that was counts for those nearest to it" : "");
    }
    for (size_t i = 0; i < 3 && s->tables[i] != SLK_N_TABLES; i++)
        add_table(b, report, a, s->tables[i], s->item >= 4 && s->item <= 6);
    slk_buf_add_str(b, "</section>\n");
}

/* --- what the model knew; other learning rates
 * --------------------------------------------------------------------------- */

static void add_knowledge(slk_buf *b, const slk_report *report, const slk_analysis *a)
{
    const uint32_t *n = a->counts[SLK_COUNTS_TEST].all;
    double all = (double)n[0] + n[1] + n[2] + n[3];
    slk_buf_add_str(b, "<section id=\"knowledge\"><p class=\"kicker plain\">Before training</p>\n<h2>");
    if (all > 0)
        slk_buf_addf(b, "Of its test questions, the model did not know %s%%",
                     slk_say(100 * n[SLK_UNKNOWN] / all, 0).text);
    else
        slk_buf_add_str(b, "What the model knew");
    const slk_label_settings *s = &a->ds->labels.settings;
    slk_buf_addf(
        b,
        "</h2>\n<p>Each question was asked with %u few-shot prompts, once greedily and %u times by sampling with "
        "each. HighlyKnown: always right when greedy. MaybeKnown: sometimes. WeaklyKnown: only when "
        "sampled. Unknown: never.</p>\n",
        s->n_ex, s->n_samples);
    if (slk_figure_is_there(a, SLK_FIGURE_T3)) add_figure(b, report, a, SLK_FIGURE_T3);
    for (int t = SLK_TABLE_3; t <= SLK_TABLE_5; t++) add_table(b, report, a, (slk_report_table)t, false);
    slk_buf_add_str(b, "</section>\n");
}

/* Ground truth, where it is known. */
static void add_truth(slk_buf *b, const slk_report *report, const slk_analysis *a)
{
    const slk_truth *t = &a->truth;
    if (!t->is_there) return;
    slk_buf_add_str(b,
                    "<section id=\"truth\"><p class=\"kicker plain\">Ground truth</p>\n<h2>What the labels know of the "
                    "truth</h2>\n<p>What this model was pre-trained on is known, fact by fact: how often the right "
                    "answer was written, and how often a wrong one. So the categories can be held against it. ");
    slk_escape_xml(b, t->sentence);
    slk_buf_add_str(b, "</p>\n");
    add_figure(b, report, a, SLK_FIGURE_TRUTH);
    add_figure(b, report, a, SLK_FIGURE_TRUTH_STEPS);
    for (int table = SLK_TABLE_TRUTH; table <= SLK_TABLE_TRUTH_STEPS; table++)
        add_table(b, report, a, (slk_report_table)table, table == SLK_TABLE_TRUTH_RELATIONS);
    slk_buf_add_str(b, "</section>\n");
}

static void add_second_rate(slk_buf *b, const slk_report *report, const slk_analysis *a)
{
    slk_buf_addf(
        b,
        "<section id=\"lr-%s\"><p class=\"kicker plain\">Learning rate %s</p>\n<h2>The same at a learning rate of "
        "%s</h2>\n<p>Everything above is at a learning rate of %s.</p>\n",
        slk_say_lr(a->lr).text, slk_say_lr(a->lr).text, slk_say_lr(a->lr).text, slk_say_lr(report->by_lr[0].lr).text);
    slk_html_tally(b, a);
    slk_html_findings(b, a);
    static const slk_figure figures[] = {SLK_FIGURE_3A, SLK_FIGURE_3B, SLK_FIGURE_1};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        if (slk_figure_is_there(a, figures[i])) add_figure(b, report, a, figures[i]);
        add_sentences(b, a, slk_figure_findings(figures[i]));
    }
    add_table(b, report, a, SLK_TABLE_1, false);
    add_table(b, report, a, SLK_TABLE_2, false);
    slk_buf_add_str(b, "</section>\n");
}

/* --- the facts
 * --------------------------------------------------------------------------------------------------------------- */

static void add_head_button(slk_buf *b, const char *column, const char *text, bool is_number, const char *class)
{
    slk_buf_addf(
        b,
        "<button type=\"button\" role=\"columnheader\" class=\"%s %s\" data-sort=\"%s\" data-first=\"%s\">%s</button>",
        is_number ? "n" : "", class, column, is_number ? "down" : "up", text);
}

static void add_facts(slk_buf *b, const slk_analysis *a)
{
    size_t n, n_all = 0;
    slk_buf json = {0};
    slk_facts_json(&json, a, MAX_FACTS, &n);
    for (size_t i = 0; i < a->ds->n_facts; i++) n_all += a->ds->facts[i].in_study;
    slk_buf_add_str(
        b, "<section id=\"facts\"><p class=\"kicker plain\">Every fact</p>\n<h2>Look them up</h2>\n"
           "<p>All facts of the study: what the model knew before, what it answered, and in how many runs it was "
           "right afterwards. Choose a row for its answers.");
    if (n < n_all)
        slk_buf_addf(b, " The first %s of %s are here; all are in <a href=\"tables/facts.csv\">tables/facts.csv</a>.",
                     slk_say_count(n).text, slk_say_count(n_all).text);
    slk_buf_add_str(
        b, "</p>\n<div class=\"facts\">\n<p class=\"on-paper\">The table needs a screen; its content is in "
           "tables/facts.csv.</p>\n<noscript><p>The table needs JavaScript; its content is in "
           "<a href=\"tables/facts.csv\">tables/facts.csv</a>.</p></noscript>\n"
           "<div class=\"tools\"><input type=\"search\" id=\"facts-search\" placeholder=\"Search questions and "
           "answers\" aria-label=\"Search questions and answers\">"
           "<select id=\"facts-relation\" aria-label=\"Relation\"></select>"
           "<select id=\"facts-split\" aria-label=\"Part of the data\"></select></div>\n<div class=\"tools\">");
    for (int c = 0; c < SLK_N_CATEGORIES; c++)
        slk_buf_addf(b,
                     "<button type=\"button\" class=\"chip k%d\" data-kind=\"%d\" aria-pressed=\"false\">%s</button>\n",
                     c, c, slk_category_name((slk_category)c));
    slk_buf_add_str(b, "</div>\n<p class=\"count\" id=\"facts-count\" aria-live=\"polite\"></p>\n<div role=\"table\" "
                       "aria-label=\"Facts\"><div class=\"grid-head\" role=\"row\">");
    add_head_button(b, "category", "Category", false, "");
    add_head_button(b, "relation", "Relation", false, "wide");
    add_head_button(b, "question", "Question", false, "");
    add_head_button(b, "answer", "True answer", false, "");
    add_head_button(b, "greedy", "Greedy", true, "");
    add_head_button(b, "sampled", "Sampled", true, "wide");
    add_head_button(b, "early", "Early", true, "wide");
    add_head_button(b, "late", "End", true, "wide");
    slk_buf_add_str(
        b, "</div>\n<div class=\"grid-body\" id=\"facts-body\" tabindex=\"0\"><div id=\"facts-inner\" "
           "role=\"rowgroup\"></div></div></div>\n<p class=\"legend\">Greedy, Sampled: share of right answers before "
           "fine-tuning. Early, End: share of finished runs that answer it rightly at the early stop and "
           "after the last epoch (not for training facts).</p>\n<div class=\"card\" id=\"facts-card\" "
           "aria-live=\"polite\"></div>\n</div></section>\n");
    slk_buf_add_str(b, "<script type=\"application/json\" id=\"facts-data\">");
    if (json.data) slk_buf_add(b, json.data, json.len);
    slk_buf_add_str(b, "</script>\n");
    b->failed |= json.failed;
    slk_buf_release(&json);
}

/* --- how it was made
 * ----------------------------------------------------------------------------------------------------------- */

static void add_gaps(slk_buf *b, const slk_analysis *a)
{
    size_t n_left = a->n_runs - a->n_done - a->n_failed;
    if (a->n_failed || n_left)
        slk_buf_addf(b,
                     "<p><b>Of %zu runs %zu are finished</b>, %zu failed and %zu are still to be done. Everything on "
                     "this page is about "
                     "the finished ones.</p>\n",
                     a->n_runs, a->n_done, a->n_failed, n_left);
    if (a->n_short)
        slk_buf_addf(b,
                     "<p><b>%zu finished run%s fitted less than 95%% of D</b> and do%s not count at convergence; "
                     "points that rest on such runs alone are hollow.</p>\n",
                     a->n_short, a->n_short == 1 ? "" : "s", a->n_short == 1 ? "es" : "");
    if (a->n_seeds < SLK_REPORT_MIN_SEEDS && a->n_done)
        slk_buf_addf(b, "<p><b>%s</b> %s</p>\n", a->n_seeds == 1 ? "One seed." : "Two seeds.",
                     a->n_seeds == 1
                         ? "Intervals in the figures are about the choice of test questions only; how much another "
                           "training would differ is not known, so claims about differences have no verdict."
                         : "Intervals over two numbers are very wide; three seeds or more say much more.");
}

static void add_description(slk_buf *b, const slk_dataset *ds)
{
    json_t *json = NULL;
    char *text = NULL;
    if (slk_json_parse(&json, ds->study.description, strlen(ds->study.description), "study", 1, NULL) == SLK_OK)
        text = json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    slk_buf_add_str(b, "<details><summary>Description of the study</summary><pre>");
    slk_escape_xml(b, text ? text : ds->study.description);
    slk_buf_add_str(b, "</pre></details>\n");
    free(text);
    json_decref(json);
}

static void add_making(slk_buf *b, const slk_report *report, const slk_analysis *a)
{
    const slk_label_settings *s = &a->ds->labels.settings;
    slk_buf_add_str(b, "<section id=\"making\"><p class=\"kicker plain\">How it was made</p>\n<h2>Runs, intervals, "
                       "provenance</h2>\n");
    add_gaps(b, a);
    slk_buf_add_str(
        b, "<p>Intervals are 95%. A mean over runs has the t interval over seeds; a difference is taken within each "
           "seed first. All runs answer the same test questions, so the intervals are about what another "
           "training would give, not about other questions. The early stop is each run\xE2\x80\x99s epoch of best "
           "dev accuracy; convergence is the last epoch, and only of runs that fitted at least 95% of their training "
           "set.</p>\n<p>Model <b>");
    slk_escape_xml(b, s->model_name);
    slk_buf_addf(b, "</b> (<code>%016" PRIx64 "</code>, ", s->model_hash);
    slk_escape_xml(b, s->dtype);
    slk_buf_add_str(b, "), facts of <b>");
    slk_escape_xml(b, s->set_name);
    slk_buf_addf(b, "</b>, label set %" PRId64 " (%u prompts of %u examples, %u samples, match ", a->ds->labels.id,
                 s->n_ex, s->n_shots, s->n_samples);
    slk_escape_xml(b, s->match);
    slk_buf_addf(b, ", seed %" PRIu64 "), study %" PRId64 " \xE2\x80\x9C", s->seed, a->ds->study.id);
    slk_escape_xml(b, a->ds->study.name);
    slk_buf_add_str(b, "\xE2\x80\x9D of ");
    slk_escape_xml(b, a->ds->study.created);
    slk_buf_addf(b, "; %s dev, %s test, %s out-of-distribution facts. Made by slick " SLICK_VERSION ".</p>\n",
                 slk_say_count(a->ds->sets[SLK_SET_DEV].n).text, slk_say_count(a->ds->sets[SLK_SET_TEST].n).text,
                 slk_say_count(a->ds->sets[SLK_SET_OOD].n).text);
    add_table(b, report, a, SLK_TABLE_RUNS, false);
    add_table(b, report, a, SLK_TABLE_FINDINGS, false);
    add_description(b, a->ds);
    slk_buf_add_str(b, "</section>\n");
}

/* --- the page
 * --------------------------------------------------------------------------------------------------------------------
 */

static void add_head(slk_buf *b, const slk_analysis *a)
{
    slk_buf_add_str(
        b, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
           "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
           "script-src 'unsafe-inline'; img-src data:\">\n<meta name=\"generator\" content=\"slick " SLICK_VERSION
           "\">\n<link rel=\"icon\" href=\"data:,\">\n<title>");
    slk_html_headline(b, a);
    slk_buf_add_str(b, "</title>\n<style>\n");
    slk_buf_add_str(b, slk_asset_palette);
    slk_buf_add_str(b, slk_asset_figure);
    slk_buf_add_str(b, slk_asset_page);
    slk_buf_add_str(
        b, "</style>\n</head>\n<body>\n<header>\n<p class=\"kicker\">Does fine-tuning on new facts hurt?</p>\n<h1>");
    slk_html_headline(b, a);
    slk_buf_add_str(b, "</h1>\n<p class=\"deck\">");
    slk_html_deck(b, a);
    slk_buf_add_str(b, "</p>\n");
    slk_html_tally(b, a);
    slk_buf_add_str(b, "</header>\n<main>\n");
}

void slk_report_html(slk_buf *b, const slk_report *report)
{
    const slk_analysis *a = report->by_lr;
    add_head(b, a);
    slk_html_findings(b, a);
    slk_html_advice(b, a);
    for (size_t i = 0; i < SLK_N_SECTIONS; i++) add_section(b, report, a, &slk_sections[i]);
    add_knowledge(b, report, a);
    add_truth(b, report, a);
    for (size_t i = 1; i < report->n; i++) add_second_rate(b, report, &report->by_lr[i]);
    add_facts(b, a);
    add_making(b, report, a);
    slk_buf_add_str(b,
                    "</main>\n<footer>slick " SLICK_VERSION
                    ". The claims and the paper\xE2\x80\x99s numbers are those of Gekhman, Yona, Aharoni, Eyal, Feder, "
                    "Reichart and Herzig, EMNLP 2024, for PaLM 2-M.</footer>\n<script>\n");
    slk_buf_add_str(b, slk_asset_script);
    slk_buf_add_str(b, "</script>\n</body>\n</html>\n");
}
