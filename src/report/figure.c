#include "report/figure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "report/paper.h"
#include "report/say.h"

typedef struct figure_entry {
    const char *name, *paper_name, *title, *note;
    const slk_drawing *drawing;
    const char *findings[5];
} figure_entry;

static const figure_entry FIGURES[SLK_N_FIGURES] = {
    [SLK_FIGURE_1] =
        {"figure-1",
         "Figure 1",
         "How Known and Unknown facts are fitted as training goes on",
         "Share of training facts that the model answers rightly, and its accuracy on held-out facts, by epoch.",
         &slk_draw_figure1,
         {"unknown-fitted-later"}},
    [SLK_FIGURE_3A] = {"figure-3a",
                       "Figure 3a",
                       "Test accuracy by share of Unknown facts in training, and by how long it went on",
                       "Dotted: the largest drop in the paper, from where the line at convergence begins. Hollow "
                       "points: less than 95% of D is fitted; they do not count.",
                       &slk_draw_figure3a,
                       {"unknown-hurts", "longer-hurts-more"}},
    [SLK_FIGURE_3B] = {"figure-3b",
                       "Figure 3b",
                       "D against the same D without its Unknown facts",
                       "D_Known is D less its Unknown examples, so it is smaller.",
                       &slk_draw_figure3b,
                       {"unknown-neutral-early", "unknown-harmful-late", "known-barely-overfits"}},
    [SLK_FIGURE_4] =
        {"figure-4",
         "Figure 4",
         "What of D is fitted at the early stop",
         "Each bar is all of D. Numbers: share of the Known, and of the Unknown, that the model answers rightly.",
         &slk_draw_figure4,
         {"unknown-fitted-slowly"}},
    [SLK_FIGURE_5] = {"figure-5",
                      "Figure 5",
                      "Two ways to call a question Unknown",
                      "A method is better the lower its points: questions it calls Unknown should stay unanswered. "
                      "After fine-tuning on the natural mix, at the early stop.",
                      &slk_draw_figure5,
                      {"slick-below-p-true", "unknown-stays-unanswered"}},
    [SLK_FIGURE_6] = {"figure-6",
                      "Figure 6",
                      "Fitted facts by epoch, for every training set",
                      "The vertical line is the early stop.",
                      &slk_draw_figure6,
                      {NULL}},
    [SLK_FIGURE_7] = {"figure-7",
                      "Figure 7",
                      "Accuracy on relations that training never touched",
                      "Dotted: the largest drop in the paper, from where the line at convergence begins. Hollow "
                      "points: less than 95% of D is fitted; they do not count.",
                      &slk_draw_figure7,
                      {"unknown-hurts-ood"}},
    [SLK_FIGURE_T1] =
        {"table-1",
         "Table 1",
         "What a fitted fact is worth, in points of accuracy",
         "Dot and line: estimate and 95% interval. Thin grey line below: the textbook\xE2\x80\x99s interval, which is "
         "too narrow because it takes the epochs of a run for independent. Diamond: the paper.",
         &slk_draw_table1,
         {"b-known-positive", "b-unknown-negative", "b-known-positive-ood", "b-unknown-negative-ood"}},
    [SLK_FIGURE_T2] = {"table-2",
                       "Tables 2 and 7",
                       "Training on one kind of fact: from the early stop to convergence",
                       "Test accuracy after fine-tuning on facts of one category only.",
                       &slk_draw_table2,
                       {"maybe-known-best", "maybe-known-best-late", "maybe-known-helps-its-kind",
                        "unknown-only-overfits"}},
    [SLK_FIGURE_T3] = {"table-3-5",
                       "Tables 3 to 5",
                       "What the model knew before training",
                       "Share of facts in each category, in %; relations with the fewest Unknown facts first. The pale "
                       "bar is the paper\xE2\x80\x99s model.",
                       &slk_draw_table3,
                       {NULL}},
    [SLK_FIGURE_T8] = {"table-8",
                       "Table 8",
                       "\xE2\x80\x9CI don\xE2\x80\x99t know\xE2\x80\x9D in place of Unknown answers",
                       "Of the questions that the model answers at all, how many it answers rightly. Diamonds: the "
                       "paper, filled at convergence.",
                       &slk_draw_table8,
                       {"idk-better-answers", "idk-better-answers-late", "idk-no-overfitting"}},
    [SLK_FIGURE_TRUTH] =
        {"truth",
         "",
         "What was written of a fact, and what the labels make of it",
         "Share of facts in each category, in %. Right answers are counted in one pass over the corpus that "
         "the model was pre-trained on.",
         &slk_draw_truth,
         {NULL}},
    [SLK_FIGURE_TRUTH_STEPS] =
        {"truth-prompts",
         "",
         "How often the labels are wrong, by how much is asked",
         "A fact that the model never saw should be Unknown, one that it saw should not. Left: the "
         "first so many prompts. Right: the first so many samples of every prompt, 0: greedy alone. "
         "Bands: 95% intervals over facts.",
         &slk_draw_truth_steps,
         {NULL}},
};

const char *slk_figure_name(slk_figure figure)
{
    return FIGURES[figure].name;
}

const char *slk_figure_paper_name(slk_figure figure)
{
    return FIGURES[figure].paper_name;
}

const char *slk_figure_title(slk_figure figure)
{
    return FIGURES[figure].title;
}

const char *slk_figure_note(const slk_analysis *a, slk_figure figure)
{
    (void)a;
    return FIGURES[figure].note;
}

const char *const *slk_figure_findings(slk_figure figure)
{
    return FIGURES[figure].findings;
}

const slk_finding *slk_analysis_finding(const slk_analysis *a, const char *id)
{
    size_t n = strlen(id);
    for (size_t i = 0; i < a->n_findings; i++) {
        const slk_finding *f = &a->findings[i];
        if (!strncmp(f->id, id, n) && (f->id[n] == 0 || f->id[n] == '@')) return f;
    }
    return NULL;
}

static bool any_measured(const slk_curve *curves, size_t n)
{
    for (size_t d = 0; d < n; d++) {
        for (size_t i = 0; i < curves[d].n; i++) {
            if (slk_is_measured(&curves[d].points[i].as_is)) return true;
        }
    }
    return false;
}

bool slk_figure_is_there(const slk_analysis *a, slk_figure figure)
{
    bool any = false;
    switch (figure) {
    case SLK_FIGURE_1:
        return a->half != NULL;
    case SLK_FIGURE_3A:
        return any_measured(a->test, a->n_durations);
    case SLK_FIGURE_7:
        return any_measured(a->ood, a->n_durations);
    case SLK_FIGURE_3B:
        return a->n_pairs > 0;
    case SLK_FIGURE_4:
    case SLK_FIGURE_6:
        return a->n_fits > 0;
    case SLK_FIGURE_5:
        return a->threshold.is_there;
    case SLK_FIGURE_T1:
        return a->linear[0].is_fitted || a->linear[1].is_fitted;
    case SLK_FIGURE_T2:
        for (int row = 0; row < SLK_TABLE2_ROWS; row++) any |= a->table2[row].is_there;
        return any;
    case SLK_FIGURE_T3:
        for (int t = 0; t < SLK_N_COUNTS; t++) any |= a->counts[t].n > 0;
        return any;
    case SLK_FIGURE_T8:
        return a->idk.is_there;
    case SLK_FIGURE_TRUTH:
    case SLK_FIGURE_TRUTH_STEPS:
        return a->truth.is_there;
    case SLK_N_FIGURES:
        break;
    }
    return false;
}

/* --- a file's head and foot
 * -------------------------------------------------------------------------------------------- */

enum { PAD = 24 };

/* The sentences of its findings, as one paragraph; "": it shows none. free with slk_buf_release. */
static void collect_sentences(slk_buf *b, const slk_analysis *a, slk_figure figure)
{
    for (const char *const *id = FIGURES[figure].findings; *id; id++) {
        const slk_finding *f = slk_analysis_finding(a, *id);
        if (f) slk_buf_addf(b, "%s%s", b->len ? " " : "", f->sentence);
        if (b->len > 260) break; /* a caption, not an essay */
    }
    if (figure == SLK_FIGURE_TRUTH && a->truth.sentence) slk_buf_add_str(b, a->truth.sentence);
}

static double draw_head(slk_svg *svg, const slk_analysis *a, slk_figure figure, double width)
{
    slk_buf b = {0};
    double y = slk_plot_wrap(svg, PAD, PAD + 14, width - 2 * PAD, 19, true, 24, "title", FIGURES[figure].title);
    collect_sentences(&b, a, figure);
    if (b.data) y = slk_plot_wrap(svg, PAD, y + 2, width - 2 * PAD, 14, false, 19, "deck", b.data);
    slk_buf_release(&b);
    return y + 8;
}

static double head_height(const slk_analysis *a, slk_figure figure, double width)
{
    slk_svg scratch = {.width = width};
    double y = draw_head(&scratch, a, figure, width);
    slk_svg_release(&scratch);
    return y;
}

static void source_line(char *out, size_t n, const slk_analysis *a, slk_figure figure)
{
    if (!*FIGURES[figure].paper_name) {
        snprintf(out, n, "Labels of %.60s; study %.40s. slick " SLICK_VERSION, a->ds->labels.settings.model_name,
                 a->ds->study.name);
        return;
    }
    snprintf(out, n, "%s of %s on %.60s; study %.40s, %zu seed%s, learning rate %s. slick " SLICK_VERSION,
             FIGURES[figure].paper_name, SLK_PAPER_NAME, a->ds->labels.settings.model_name, a->ds->study.name,
             a->n_seeds, a->n_seeds == 1 ? "" : "s", slk_say_lr(a->lr).text);
}

slk_status slk_figure_draw(slk_svg *out, const slk_analysis *a, slk_figure figure, double width, bool is_file,
                           slk_err *err)
{
    const figure_entry *f = &FIGURES[figure];
    double inner = is_file ? width - 2 * PAD : width, height = f->drawing->height(a, inner);
    if (!is_file) {
        slk_svg_begin(out, width, height, false, f->title);
        f->drawing->draw(out, a, (slk_box){0, 0, width, height});
    } else {
        char source[320];
        double head = head_height(a, figure, width);
        size_t n_note = slk_plot_n_lines(f->note, inner, 12, false);
        source_line(source, sizeof source, a, figure);
        size_t n_source = slk_plot_n_lines(source, inner, 12, false);
        double foot = (double)(n_note + n_source) * 16 + 24;
        slk_svg_begin(out, width, head + height + foot, true, f->title);
        draw_head(out, a, figure, width);
        f->drawing->draw(out, a, (slk_box){PAD, head, inner, height});
        double y = slk_plot_wrap(out, PAD, head + height + 20, inner, 12, false, 16, "note", f->note);
        slk_plot_wrap(out, PAD, y, inner, 12, false, 16, "note", source);
    }
    slk_svg_end(out);
    return out->b.failed ? slk_fail(err, SLK_E_MEMORY, "report: out of memory") : SLK_OK;
}
