/* The figures: the paper's 1, 3a, 3b, 4, 5, 6, 7, and what its Tables 1, 2, 3 to 5 and 8 look like. One drawing serves
 * the page (by width: a wide one and one for narrow screens) and the files (with title, sentence and source). */
#ifndef SLK_REPORT_FIGURE_H
#define SLK_REPORT_FIGURE_H

#include "report/analysis.h"
#include "report/plot.h"

typedef enum slk_figure {
    SLK_FIGURE_1,           /* Known and Unknown fitted, and dev accuracy, over epochs */
    SLK_FIGURE_3A,          /* test accuracy against % Unknown, a line a duration */
    SLK_FIGURE_3B,          /* D against D_Known */
    SLK_FIGURE_4,           /* what of D is fitted at the early stop */
    SLK_FIGURE_5,           /* SliCK against P(True) */
    SLK_FIGURE_6,           /* as Figure 1, for every share of Unknown */
    SLK_FIGURE_7,           /* as Figure 3a, out of distribution */
    SLK_FIGURE_T1,          /* coefficients of the linear model */
    SLK_FIGURE_T2,          /* single categories */
    SLK_FIGURE_T3,          /* categories by relation (Tables 3 to 5) */
    SLK_FIGURE_T8,          /* "I don't know" */
    SLK_FIGURE_TRUTH,       /* categories by what the model was exposed to; not in the paper, as the next one */
    SLK_FIGURE_TRUTH_STEPS, /* mistakes of labels from fewer prompts and samples */
    SLK_N_FIGURES
} slk_figure;

/* "figure-3a": of the files. */
const char *slk_figure_name(slk_figure figure);
/* "Figure 3a", "Table 1": in the paper; "": not there. */
const char *slk_figure_paper_name(slk_figure figure);
/* One line: what is to be seen. */
const char *slk_figure_title(slk_figure figure);
/* Is there anything to draw? */
bool slk_figure_is_there(const slk_analysis *a, slk_figure figure);
/* How to read it: axes, intervals, marks. */
const char *slk_figure_note(const slk_analysis *a, slk_figure figure);
/* Ids of the findings that it shows; NULL-terminated. */
const char *const *slk_figure_findings(slk_figure figure);

/* Draw at a width in px (SLK_FIGURE_WIDE, SLK_FIGURE_NARROW); release *out. Errors: SLK_E_MEMORY. */
#define SLK_FIGURE_WIDE   720
#define SLK_FIGURE_NARROW 360
slk_status slk_figure_draw(slk_svg *out, const slk_analysis *a, slk_figure figure, double width, bool is_file,
                           slk_err *err);

/* The finding of this id (of this analysis' learning rate). NULL: none. */
const slk_finding *slk_analysis_finding(const slk_analysis *a, const char *id);

/* --- for the files that draw: each has the height it needs for a width, and the drawing into a box of it -------------
 */

typedef struct slk_drawing {
    double (*height)(const slk_analysis *a, double width);
    void (*draw)(slk_svg *svg, const slk_analysis *a, slk_box box);
} slk_drawing;
extern const slk_drawing slk_draw_figure1, slk_draw_figure3a, slk_draw_figure3b, slk_draw_figure4, slk_draw_figure5,
    slk_draw_figure6, slk_draw_figure7, slk_draw_table1, slk_draw_table2, slk_draw_table3, slk_draw_table8,
    slk_draw_truth, slk_draw_truth_steps;
/* A bar of the four categories, share [SLK_N_CATEGORIES] in %. is_total: with % signs. */
void slk_draw_share_bar(slk_svg *svg, slk_box bar, const double *share, bool is_total);

/* Is a drawing of this width for a narrow screen? */
static inline bool slk_is_narrow(double width)
{
    return width < 500;
}

#endif
