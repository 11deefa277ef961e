/* The top of the page: headline, tally, all findings, advice. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/escape.h"
#include "report/html.h"
#include "report/say.h"

const slk_section slk_sections[SLK_N_SECTIONS] = {
    {1,
     "hurts",
     "Unknown facts in training",
     "unknown-hurts",
     "The more Unknown facts in training, the less the model knows",
     "Unknown facts in training did not make the model worse",
     "Whether Unknown facts make the model worse is still open",
     "Unknown facts in training: not measured yet",
     "Training sets of one size, from no Unknown facts to nothing else; the same relations in each.",
     {SLK_FIGURE_3A, SLK_FIGURE_7, SLK_N_FIGURES},
     {SLK_TABLE_FIGURE_3A, SLK_N_TABLES}},
    {2,
     "cost",
     "The cost of the Unknown facts themselves",
     "unknown-harmful-late",
     "Trained to the end, the Unknown facts themselves do the harm",
     "Removing the Unknown facts does not help",
     "What the Unknown facts themselves cost is still open",
     "With and without the Unknown facts: not measured yet",
     "A training set with more Unknown facts also has fewer Known ones. So each set is compared with itself, its "
     "Unknown "
     "facts taken out.",
     {SLK_FIGURE_3B, SLK_N_FIGURES},
     {SLK_TABLE_FIGURE_3B, SLK_N_TABLES}},
    {3,
     "fitting",
     "When facts are learned",
     "unknown-fitted-slowly",
     "When the model is at its best, it has hardly begun on the Unknown facts",
     "Unknown facts are learned no later than Known ones",
     "When Unknown facts are learned is still open",
     "When facts are learned: not measured yet",
     "After every epoch the model is asked its training questions. Those it answers rightly are fitted.",
     {SLK_FIGURE_1, SLK_FIGURE_4, SLK_FIGURE_6},
     {SLK_TABLE_FIGURE_4, SLK_TABLE_FIGURE_6, SLK_N_TABLES}},
    {4,
     "linear",
     "The linear model",
     "b-unknown-negative",
     "Each Unknown fact that is fitted costs accuracy",
     "Fitted Unknown facts cost no accuracy",
     "What a fitted Unknown fact costs is still open",
     "The linear model: not measured yet",
     "Accuracy explained by two numbers, over all epochs of all training sets: the share of D that is Known and "
     "fitted, and "
     "the share that is Unknown and fitted.",
     {SLK_FIGURE_T1, SLK_N_FIGURES},
     {SLK_TABLE_1, SLK_N_TABLES}},
    {5,
     "single",
     "One kind of fact at a time",
     "maybe-known-best",
     "Facts the model half knows teach it most",
     "Facts the model half knows are not the best to train on",
     "Which kind of fact teaches most is still open",
     "One kind of fact at a time: not measured yet",
     "Training sets of one category each, and one with the natural shares of all four.",
     {SLK_FIGURE_T2, SLK_N_FIGURES},
     {SLK_TABLE_2, SLK_N_TABLES}},
    {6,
     "idk",
     "\xE2\x80\x9CI don\xE2\x80\x99t know\xE2\x80\x9D",
     "idk-better-answers-late",
     "Teaching it to say \xE2\x80\x9CI don\xE2\x80\x99t know\xE2\x80\x9D makes its answers better",
     "Teaching it to say \xE2\x80\x9CI don\xE2\x80\x99t know\xE2\x80\x9D does not make its answers better",
     "Whether \xE2\x80\x9CI don\xE2\x80\x99t know\xE2\x80\x9D makes its answers better is still open",
     "\xE2\x80\x9CI don\xE2\x80\x99t know\xE2\x80\x9D: not measured yet",
     "The answer of every Unknown training fact is replaced by \xE2\x80\x9CI don\xE2\x80\x99t know\xE2\x80\x9D. What "
     "counts is how many of the questions that it still answers it answers rightly.",
     {SLK_FIGURE_T8, SLK_N_FIGURES},
     {SLK_TABLE_8, SLK_N_TABLES}},
    {7,
     "slick",
     "Finding the unknown",
     "slick-below-p-true",
     "Asking ten times finds the unknown better than asking for a probability",
     "P(True) finds the unknown better than SliCK does",
     "SliCK or P(True): no clear winner",
     "SliCK against P(True): not measured yet",
     "P(True) is the model\xE2\x80\x99s own probability that an answer is true. Calling everything below a threshold "
     "Unknown gives a line, over all thresholds; SliCK gives a point, for each number of prompts.",
     {SLK_FIGURE_5, SLK_N_FIGURES},
     {SLK_TABLE_FIGURE_5, SLK_N_TABLES}},
};

const char *slk_verdict_class(slk_verdict verdict)
{
    return verdict == SLK_REPRODUCED ? "yes" : verdict == SLK_NOT_REPRODUCED ? "no" : "open";
}

const char *slk_verdict_words(const slk_finding *f)
{
    if (f->at.n == 0) return "Not measured";
    return f->verdict == SLK_REPRODUCED       ? "Reproduced"
           : f->verdict == SLK_NOT_REPRODUCED ? "Not reproduced"
                                              : "Undecided";
}

const char *slk_section_headline(const slk_analysis *a, const slk_section *section)
{
    const slk_finding *f = slk_analysis_finding(a, section->main);
    if (!f || f->at.n == 0) return section->missing;
    return f->verdict == SLK_REPRODUCED ? section->yes : f->verdict == SLK_NOT_REPRODUCED ? section->no : section->open;
}

/* --- headline --------------------------------------------------------------------------------------------------------
 */

void slk_html_headline(slk_buf *b, const slk_analysis *a)
{
    const slk_finding *f = slk_analysis_finding(a, "unknown-hurts");
    slk_buf name = {0};
    slk_escape_xml(&name, a->ds->labels.settings.model_name);
    const char *model = name.data ? name.data : "the model";
    if (!f || f->at.n == 0)
        slk_buf_addf(b, "What fine-tuning does to %s: not enough runs yet", model);
    else if (f->verdict == SLK_REPRODUCED)
        slk_buf_addf(b, "Unknown facts cost %s %s points of what it knew", model, slk_say(fabs(f->at.value), 1).text);
    else if (f->verdict == SLK_NOT_REPRODUCED)
        slk_buf_addf(b, "Unknown facts did not hurt %s", model);
    else
        slk_buf_addf(b, "Whether Unknown facts hurt %s is still open", model);
    b->failed |= name.failed;
    slk_buf_release(&name);
}

typedef struct tally {
    size_t yes, no, open, missing;
} tally;

static tally count(const slk_analysis *a)
{
    tally t = {0};
    for (size_t i = 0; i < a->n_findings; i++) {
        const slk_finding *f = &a->findings[i];
        if (f->at.n == 0)
            t.missing++;
        else if (f->verdict == SLK_REPRODUCED)
            t.yes++;
        else if (f->verdict == SLK_NOT_REPRODUCED)
            t.no++;
        else
            t.open++;
    }
    return t;
}

void slk_html_deck(slk_buf *b, const slk_analysis *a)
{
    const slk_dataset *ds = a->ds;
    const slk_finding *f = slk_analysis_finding(a, "unknown-hurts");
    if (f && f->at.n) {
        slk_escape_xml(b, f->sentence);
        slk_buf_add_str(b, " ");
    }
    slk_buf_addf(b,
                 "This report holds %zu finished fine-tuning run%s, of %zu seed%s, against the claims of "
                 "<a href=\"https://arxiv.org/abs/2405.05904\">Gekhman et al. (2024)</a>: does fine-tuning on new "
                 "knowledge make a language model hallucinate? Accuracy is exact match, greedy, on %s test questions "
                 "that no training set has.",
                 a->n_done, a->n_done == 1 ? "" : "s", a->n_seeds, a->n_seeds == 1 ? "" : "s",
                 slk_say_count(ds->sets[SLK_SET_TEST].n).text);
}

void slk_html_tally(slk_buf *b, const slk_analysis *a)
{
    tally t = count(a);
    slk_buf_addf(
        b,
        "<ul class=\"tally\"><li class=\"yes\"><b>%zu</b> claims reproduced</li><li class=\"no\"><b>%zu</b> not "
        "reproduced</li><li class=\"open\"><b>%zu</b> undecided</li></ul>\n",
        t.yes, t.no, t.open + t.missing);
    if (t.missing)
        slk_buf_addf(b, "<p class=\"legend\">Of the undecided, %zu %s not measured.</p>\n", t.missing,
                     t.missing == 1 ? "was" : "were");
}

/* --- all findings
 * ------------------------------------------------------------------------------------------------------ */

/* Place on the strip in %, 0 in the middle. */
static double strip_x(double value, double scale)
{
    double share = value / scale;
    share = share < -1 ? -1 : share > 1 ? 1 : share;
    return 50 + 48 * share;
}

static double reach(const slk_finding *f)
{
    double most = fabs(f->at.value);
    if (!isnan(f->paper)) most = fmax(most, fabs(f->paper));
    return most;
}

/* Accuracy in points; shares of fitted facts are of another size. */
static bool on_common_scale(const slk_finding *f)
{
    return f->at.n && !strcmp(f->unit, "points") && f->item != 3;
}

static void add_strip(slk_buf *b, const slk_finding *f, double scale)
{
    if (f->at.n == 0) return;
    slk_buf_addf(
        b, "<svg aria-hidden=\"true\" class=\"%s\"><line class=\"zero\" x1=\"50%%\" x2=\"50%%\" y1=\"0\" y2=\"18\"/>",
        slk_verdict_class(f->verdict));
    if (!isnan(f->at.low))
        slk_buf_addf(b, "<line class=\"range\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"9\" y2=\"9\"/>",
                     strip_x(f->at.low, scale), strip_x(f->at.high, scale));
    slk_buf_addf(b, "<circle cx=\"%.2f%%\" cy=\"9\" r=\"5\"/>", strip_x(f->at.value, scale));
    if (!isnan(f->paper))
        slk_buf_addf(b,
                     "<svg x=\"%.2f%%\" y=\"9\" overflow=\"visible\"><path class=\"mark\" d=\"M0-6L6 0L0 6L-6 "
                     "0Z\"/></svg>",
                     strip_x(f->paper, scale));
    slk_buf_add_str(b, "</svg>");
}

static void add_value(slk_buf *b, const slk_finding *f)
{
    if (f->at.n == 0) {
        slk_buf_add_str(b, "not measured");
        return;
    }
    bool with_sign = f->side != SLK_BELOW_BOUND;
    slk_buf_addf(b, "<b>%s</b> %s", (with_sign ? slk_say_signed(f->at.value, 1) : slk_say(f->at.value, 1)).text,
                 f->unit);
    if (!isnan(f->at.low)) slk_buf_addf(b, "<br>%s", slk_say_interval(f->at.low, f->at.high, 1, with_sign).text);
}

void slk_html_findings(slk_buf *b, const slk_analysis *a)
{
    double scale = 5;
    for (size_t i = 0; i < a->n_findings; i++) {
        const slk_finding *f = &a->findings[i];
        if (on_common_scale(f)) scale = fmax(scale, reach(f) * 1.1);
    }
    slk_buf_add_str(b, "<div class=\"findings\"><div class=\"finding head\"><span>The paper\xE2\x80\x99s claim</span>"
                       "<span></span><span class=\"right\">Measured, 95% interval</span><span></span></div>\n");
    int item = 0;
    for (size_t i = 0; i < a->n_findings; i++) {
        const slk_finding *f = &a->findings[i];
        if (f->item != item)
            slk_buf_addf(b, "<div class=\"finding item\"><a href=\"#%s\">%s</a></div>\n",
                         slk_sections[f->item - 1].anchor, slk_sections[f->item - 1].kicker);
        item = f->item;
        slk_buf_add_str(b, "<div class=\"finding\"><span>");
        slk_escape_xml(b, f->title);
        slk_buf_add_str(b, "</span><div class=\"strip\">");
        add_strip(b, f, on_common_scale(f) ? scale : fmax(reach(f) * 1.1, 1));
        slk_buf_add_str(b, "</div><div class=\"value\">");
        add_value(b, f);
        slk_buf_addf(b, "</div><span class=\"right\"><span class=\"badge %s\">%s</span></span></div>\n",
                     slk_verdict_class(f->verdict), slk_verdict_words(f));
    }
    slk_buf_addf(
        b,
        "</div>\n<p class=\"legend\">Dot and line: this run. Diamond: the paper\xE2\x80\x99s value, where it gives "
        "one. "
        "The vertical line is 0; strips of accuracy share one scale, to \xC2\xB1%s. A claim counts as reproduced when "
        "the whole interval lies on the paper\xE2\x80\x99s side of 0, or, for \xE2\x80\x9Cno "
        "difference\xE2\x80\x9D, within 2 points.</p>\n",
        slk_say(scale, 0).text);
}

/* --- advice
 * ---------------------------------------------------------------------------------------------------------------- */

static bool holds(const slk_analysis *a, const char *id)
{
    const slk_finding *f = slk_analysis_finding(a, id);
    return f && f->verdict == SLK_REPRODUCED;
}

static void add_advice(slk_buf *b, bool shown, const char *what, const char *because)
{
    slk_buf_addf(b, "<li class=\"is-%s\"><b>%s</b> %s</li>\n", shown ? "yes" : "open", what,
                 shown ? because : "This study does not show that it helps.");
}

void slk_html_advice(slk_buf *b, const slk_analysis *a)
{
    slk_buf_add_str(b, "<section id=\"advice\"><p class=\"kicker plain\">For somebody who fine-tunes this model</p>\n"
                       "<h2>What to do with it</h2>\n<ul class=\"says\">\n");
    add_advice(b,
               holds(a, "longer-hurts-more") || (holds(a, "unknown-harmful-late") && holds(a, "unknown-neutral-early")),
               "Stop early.", "The harm comes with long training, when Unknown facts are fitted.");
    add_advice(b, holds(a, "unknown-harmful-late"), "Or drop the Unknown facts.",
               "Trained to the end, the same set without them is better.");
    add_advice(b, holds(a, "idk-better-answers-late") || holds(a, "idk-better-answers"),
               "Or answer them with \xE2\x80\x9CI don\xE2\x80\x99t know\xE2\x80\x9D.",
               "What the model then answers is more often right; it answers fewer questions.");
    add_advice(b, holds(a, "maybe-known-best"), "Keep what it half knows.",
               "MaybeKnown facts teach it more than those it knows for sure.");
    slk_buf_add_str(b, "</ul></section>\n");
}
