/* Figures of labels against what the model was exposed to: categories by kind of fact and by number of mentions, and
 * how often fewer prompts or samples go wrong. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/figure.h"
#include "report/say.h"

enum { ROW = 24, HEAD = 26, GROUP = 34 };

static uint32_t shares_of(double *share, const uint32_t *n)
{
    uint32_t all = 0;
    for (int c = 0; c < SLK_N_CATEGORIES; c++) all += n[c];
    for (int c = 0; c < SLK_N_CATEGORIES; c++) share[c] = all ? 100.0 * n[c] / all : 0;
    return all;
}

static void draw_rows(slk_svg *svg, slk_box *bar, double left, const char *title, const slk_truth_row *rows, size_t n)
{
    slk_svg_text(svg, left, bar->y + 14, SLK_ANCHOR_START, "panel", title);
    bar->y += HEAD;
    for (size_t i = 0; i < n; i++) {
        double share[SLK_N_CATEGORIES];
        uint32_t all = shares_of(share, rows[i].n);
        slk_svg_text(svg, left + 12, bar->y + 14, SLK_ANCHOR_START, "row-light", rows[i].name);
        slk_draw_share_bar(svg, *bar, share, false);
        if (!slk_is_narrow(bar->width + bar->x))
            slk_svg_text(svg, bar->x + bar->width + 62, bar->y + 14, SLK_ANCHOR_END, "tick", slk_say_count(all).text);
        bar->y += ROW;
    }
    bar->y += GROUP - ROW;
}

static void draw_truth(slk_svg *svg, const slk_analysis *a, slk_box box)
{
    static const char *const classes[] = {"name c-highly", "name c-maybe-text", "name c-weakly-text", "name c-unknown"};
    static const char *const brief[] = {"Highly", "Maybe", "Weakly", "Unknown"};
    bool narrow = slk_is_narrow(box.width);
    double left = narrow ? 84 : 150, right = narrow ? 0 : 62;
    slk_box bar = {box.x + left, box.y, box.width - left - right, ROW - 6};
    for (int c = 0; c < SLK_N_CATEGORIES; c++) {
        const char *name = narrow ? brief[c] : slk_category_name((slk_category)c);
        slk_svg_text(svg, bar.x + bar.width * c / SLK_N_CATEGORIES, box.y + 14, SLK_ANCHOR_START, classes[c], name);
    }
    bar.y += HEAD;
    draw_rows(svg, &bar, box.x, "By what was written of a fact", a->truth.kinds, a->truth.n_kinds);
    draw_rows(svg, &bar, box.x, "By how often its right answer was there", a->truth.seen, a->truth.n_seen);
}

static double height_truth(const slk_analysis *a, double width)
{
    (void)width;
    return 3 * HEAD + (double)(a->truth.n_kinds + a->truth.n_seen) * ROW + GROUP - ROW + 4;
}

const slk_drawing slk_draw_truth = {height_truth, draw_truth};

/* --- fewer prompts, fewer samples -----------------------------------------------------------------------------------
 */

enum { LEFT = 40, TOP = 44, BOTTOM = 46, PANEL = 300 };

/* Steps stand side by side at equal distances, whatever their numbers. */
static void draw_panel(slk_svg *svg, slk_box box, const slk_truth_step *steps, size_t n, const char *title,
                       const char *axis, bool with_labels)
{
    double x[SLK_TRUTH_MAX_STEPS], top = 10;
    slk_estimate never[SLK_TRUTH_MAX_STEPS], seen[SLK_TRUTH_MAX_STEPS];
    for (size_t i = 0; i < n; i++) {
        x[i] = (double)i;
        never[i] = steps[i].never_known;
        seen[i] = steps[i].seen_unknown;
        if (slk_is_measured(&never[i])) top = fmax(top, never[i].high);
        if (slk_is_measured(&seen[i])) top = fmax(top, seen[i].high);
    }
    double low = 0;
    slk_round_range(&low, &top, 5);
    slk_plot p = {.svg = svg, .x0 = -0.4, .x1 = (double)n - 0.6, .y0 = 0, .y1 = fmin(top, 100)};
    p.box =
        (slk_box){box.x + LEFT, box.y + TOP, box.width - LEFT - (with_labels ? 118 : 16), box.height - TOP - BOTTOM};
    slk_svg_text(svg, box.x + 2, box.y + 14, SLK_ANCHOR_START, "panel", title);
    slk_plot_y_axis(&p, 6, "%");
    for (size_t i = 0; i < n; i++)
        slk_svg_textf(svg, slk_plot_x(&p, x[i]), p.box.y + p.box.height + 16, SLK_ANCHOR_MIDDLE, "tick", "%u",
                      steps[i].n);
    slk_svg_text(svg, p.box.x + p.box.width / 2, p.box.y + p.box.height + 34, SLK_ANCHOR_MIDDLE, "axis", axis);
    slk_plot_series(&p, &(slk_series){.x = x,
                                      .at = seen,
                                      .n = n,
                                      .class = "c-unknown",
                                      .what = "Seen, called Unknown",
                                      .unit_x = "",
                                      .band = SLK_BAND_AREA,
                                      .dot = 4});
    slk_plot_series(&p, &(slk_series){.x = x,
                                      .at = never,
                                      .n = n,
                                      .class = "c-known",
                                      .what = "Never seen, called Known",
                                      .unit_x = "",
                                      .band = SLK_BAND_AREA,
                                      .dot = 4});
    if (!with_labels || n == 0) return;
    slk_labels labels = {.n = 0};
    if (slk_is_measured(&seen[n - 1]))
        slk_labels_add(&labels, slk_plot_y(&p, seen[n - 1].value), "c-unknown", "Seen", "called Unknown");
    if (slk_is_measured(&never[n - 1]))
        slk_labels_add(&labels, slk_plot_y(&p, never[n - 1].value), "c-known", "Never seen", "called Known");
    slk_labels_draw(&labels, svg, p.box.x + p.box.width + 8, p.box.y - 10, p.box.y + p.box.height + 14);
}

static void draw_truth_steps(slk_svg *svg, const slk_analysis *a, slk_box box)
{
    const slk_truth *t = &a->truth;
    bool narrow = slk_is_narrow(box.width);
    double width = narrow ? box.width : (box.width - 102) / 2;
    slk_box first = {box.x, box.y, width, PANEL};
    slk_box second =
        narrow ? (slk_box){box.x, box.y + PANEL, width, PANEL} : (slk_box){box.x + width, box.y, width + 102, PANEL};
    draw_panel(svg, first, t->by_prompts, t->n_by_prompts, "Prompts", "few-shot prompts a fact", narrow);
    draw_panel(svg, second, t->by_samples, t->n_by_samples, "Samples", "samples a prompt, all prompts", true);
}

static double height_truth_steps(const slk_analysis *a, double width)
{
    (void)a;
    return slk_is_narrow(width) ? 2 * PANEL : PANEL;
}

const slk_drawing slk_draw_truth_steps = {height_truth_steps, draw_truth_steps};
