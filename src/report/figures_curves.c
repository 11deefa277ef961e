/* Figures with lines: 1, 3a, 3b, 5, 6, 7. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/figure.h"
#include "report/say.h"

enum { LEFT = 40, TOP = 34, BOTTOM = 46 };

/* Room at the right for labels. */
static double right_of(double width)
{
    return slk_is_narrow(width) ? 98 : 132;
}

static slk_plot plot_in(slk_svg *svg, slk_box box, double right)
{
    slk_plot p = {.svg = svg};
    p.box = (slk_box){box.x + LEFT, box.y + TOP, box.width - LEFT - right, box.height - TOP - BOTTOM};
    return p;
}

/* --- ranges ----------------------------------------------------------------------------------------------------------
 */

typedef struct range {
    double low, high;
} range;

static void include(range *r, double value)
{
    if (isnan(value)) return;
    if (!(r->low <= value)) r->low = value;
    if (!(r->high >= value)) r->high = value;
}

/* Room for intervals, but only as far as they do not dwarf the values (two seeds give intervals of any width). */
static void include_intervals(range *r, const slk_estimate *e, size_t n)
{
    range inner = *r;
    double most = fmax(6, 0.6 * (inner.high - inner.low));
    for (size_t i = 0; i < n; i++) {
        if (!e[i].n || isnan(e[i].low)) continue;
        include(r, fmax(e[i].low, inner.low - most));
        include(r, fmin(e[i].high, inner.high + most));
    }
}

static void set_y(slk_plot *p, range r, size_t n)
{
    if (isnan(r.low)) r = (range){0, 100};
    double low = fmax(r.low, 0), high = fmin(r.high, 100);
    slk_round_range(&low, &high, n);
    p->y0 = low;
    p->y1 = high;
}

/* --- Figures 3a and 7
 * ------------------------------------------------------------------------------------------------- */

#define MAX_POINTS 64

static size_t curve_points(const slk_curve *c, double *x, slk_estimate *e, bool *hollow)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n && n < MAX_POINTS; i++) {
        const slk_curve_point *p = &c->points[i];
        bool counts = slk_is_measured(&p->at);
        if (!counts && !slk_is_measured(&p->as_is)) continue;
        x[n] = p->unknown;
        e[n] = counts ? p->at : p->as_is;
        if (!counts) e[n].low = e[n].high = NAN;
        hollow[n++] = !counts;
    }
    return n;
}

static void duration_class(char *out, size_t n, const slk_analysis *a, size_t d)
{
    if (d == 0 || d + 1 == a->n_durations)
        snprintf(out, n, "c-%s", d == 0 ? "early" : "late");
    else
        snprintf(out, n, "c-mid");
}

static void duration_note(char *out, size_t n, const slk_analysis *a, const slk_duration *d)
{
    *out = 0;
    if (d->when == SLK_AT_EPOCH) return;
    if (d->when == SLK_AT_CONVERGENCE)
        snprintf(out, n, "epoch %d", (int)a->last_epoch);
    else if (a->early_low == a->early_high)
        snprintf(out, n, "epoch %s", slk_say(a->early_low, 0).text);
    else
        snprintf(out, n, "epochs %s\xE2\x80\x93%s", slk_say(a->early_low, 0).text, slk_say(a->early_high, 0).text);
}

/* The paper's largest drop, from where this run's last line begins. */
static void draw_paper_drop(const slk_plot *p, slk_labels *labels, double from, double drop)
{
    if (isnan(from) || from + drop < p->y0) return;
    slk_xy line[2] = {{slk_plot_x(p, 0), slk_plot_y(p, from)}, {slk_plot_x(p, 100), slk_plot_y(p, from + drop)}};
    slk_svg_path(p->svg, line, 2, false, "paper-line");
    char more[64];
    snprintf(more, sizeof more, "%s points", slk_say_signed(drop, 0).text);
    slk_labels_add(labels, line[1].y, "c-paper", "PaLM 2-M", more);
}

static void draw_curves(slk_svg *svg, const slk_analysis *a, slk_box box, const slk_curve *curves, double paper_drop)
{
    slk_plot p = plot_in(svg, box, right_of(box.width));
    range r = {NAN, NAN};
    double x[MAX_POINTS], from = NAN;
    slk_estimate e[MAX_POINTS];
    bool hollow[MAX_POINTS];
    for (size_t d = 0; d < a->n_durations; d++) {
        size_t n = curve_points(&curves[d], x, e, hollow);
        for (size_t i = 0; i < n; i++) include(&r, e[i].value);
        if (n && x[0] == 0 && d + 1 == a->n_durations) from = e[0].value;
    }
    for (size_t d = 0; d < a->n_durations; d++) include_intervals(&r, e, curve_points(&curves[d], x, e, hollow));
    if (from + paper_drop >= 0) include(&r, from + paper_drop);
    set_y(&p, r, 5);
    p.x0 = -3;
    p.x1 = 103;
    slk_plot_y_axis(&p, 7, "%");
    slk_plot_y_title(&p, paper_drop < -10 ? "Test questions answered rightly"
                                          : "Out-of-distribution questions answered rightly");
    double ticks[MAX_POINTS];
    size_t n_ticks = 0;
    for (size_t i = 0; i < curves[0].n && i < MAX_POINTS; i++) {
        /* leave out what would touch its neighbour */
        double share = curves[0].points[i].unknown;
        if (!n_ticks || slk_plot_x(&p, share) - slk_plot_x(&p, ticks[n_ticks - 1]) > 30) ticks[n_ticks++] = share;
    }
    slk_plot_x_axis(&p, ticks, n_ticks, "%", "Unknown facts in the training set");
    slk_labels labels = {.n = 0};
    draw_paper_drop(&p, &labels, from, paper_drop);
    for (size_t d = 0; d < a->n_durations; d++) {
        char class[24], note[128];
        bool outer = d == 0 || d + 1 == a->n_durations;
        size_t n = curve_points(&curves[d], x, e, hollow);
        duration_class(class, sizeof class, a, d);
        slk_plot_series(&p, &(slk_series){.x = x,
                                          .at = e,
                                          .n = n,
                                          .class = class,
                                          .what = a->durations[d].name,
                                          .unit_x = "% Unknown",
                                          .band = outer ? SLK_BAND_AREA : SLK_BAND_NONE,
                                          .dot = outer ? 4 : 3,
                                          .hollow = hollow});
        duration_note(note, sizeof note, a, &a->durations[d]);
        if (n) slk_labels_add(&labels, slk_plot_y(&p, e[n - 1].value), class, a->durations[d].name, note);
    }
    slk_labels_draw(&labels, svg, p.box.x + p.box.width + 10, p.box.y - 10, p.box.y + p.box.height + 14);
}

static double curves_height(const slk_analysis *a, double width)
{
    (void)a;
    return slk_is_narrow(width) ? 330 : 390;
}

static void draw_figure3a(slk_svg *svg, const slk_analysis *a, slk_box box)
{
    draw_curves(svg, a, box, a->test, -14);
}

static void draw_figure7(slk_svg *svg, const slk_analysis *a, slk_box box)
{
    draw_curves(svg, a, box, a->ood, -6);
}

const slk_drawing slk_draw_figure3a = {curves_height, draw_figure3a};
const slk_drawing slk_draw_figure7 = {curves_height, draw_figure7};

/* --- Figure 3b
 * -------------------------------------------------------------------------------------------------------- */

static void draw_pair_panel(slk_svg *svg, const slk_analysis *a, slk_box box, int late, range r, bool with_labels)
{
    slk_plot p = plot_in(svg, box, with_labels ? 84 : 18);
    double x[MAX_POINTS];
    slk_estimate with[MAX_POINTS], without[MAX_POINTS];
    size_t n = a->n_pairs < MAX_POINTS ? a->n_pairs : MAX_POINTS;
    for (size_t i = 0; i < n; i++) {
        x[i] = a->pairs[i].unknown;
        with[i] = a->pairs[i].with[late];
        without[i] = a->pairs[i].without[late];
    }
    set_y(&p, r, 5);
    if (n == 0) return;
    double margin = n > 1 ? 0.12 * (x[n - 1] - x[0]) : 10;
    p.x0 = x[0] - margin;
    p.x1 = x[n - 1] + margin;
    slk_svg_text(svg, box.x + LEFT - 30, box.y + 14, SLK_ANCHOR_START, "panel",
                 late ? "At convergence" : "At the early stop");
    slk_plot_y_axis(&p, 7, "%");
    slk_plot_x_axis(&p, x, n, "%", "Unknown facts in D");
    slk_plot_series(&p, &(slk_series){.x = x,
                                      .at = without,
                                      .n = n,
                                      .class = "c-known",
                                      .what = "D_Known",
                                      .unit_x = "%",
                                      .band = SLK_BAND_AREA,
                                      .dot = 4});
    slk_plot_series(&p, &(slk_series){.x = x,
                                      .at = with,
                                      .n = n,
                                      .class = "c-unknown",
                                      .what = "D",
                                      .unit_x = "%",
                                      .band = SLK_BAND_AREA,
                                      .dot = 4});
    if (!with_labels) return;
    slk_labels labels = {.n = 0};
    slk_labels_add(&labels, slk_plot_y(&p, without[n - 1].value), "c-known", "D_Known", "without them");
    slk_labels_add(&labels, slk_plot_y(&p, with[n - 1].value), "c-unknown", "D", "with Unknown");
    slk_labels_draw(&labels, svg, p.box.x + p.box.width + 8, p.box.y - 10, p.box.y + p.box.height + 14);
}

static void draw_figure3b(slk_svg *svg, const slk_analysis *a, slk_box box)
{
    range r = {NAN, NAN};
    for (size_t i = 0; i < a->n_pairs; i++) {
        for (int late = 0; late < 2; late++) {
            include(&r, a->pairs[i].with[late].value);
            include(&r, a->pairs[i].without[late].value);
        }
    }
    for (size_t i = 0; i < a->n_pairs; i++) {
        include_intervals(&r, a->pairs[i].with, 2);
        include_intervals(&r, a->pairs[i].without, 2);
    }
    bool narrow = slk_is_narrow(box.width);
    double height = narrow ? (box.height - 12) / 2 : box.height;
    double width = narrow ? box.width : (box.width - 66) / 2;
    slk_box early = {box.x, box.y, narrow ? box.width : width, height};
    slk_box late = narrow ? (slk_box){box.x, box.y + height + 12, box.width, height}
                          : (slk_box){box.x + width, box.y, width + 66, height};
    draw_pair_panel(svg, a, early, 0, r, narrow);
    draw_pair_panel(svg, a, late, 1, r, true);
}

static double height3b(const slk_analysis *a, double width)
{
    (void)a;
    return slk_is_narrow(width) ? 560 : 340;
}

const slk_drawing slk_draw_figure3b = {height3b, draw_figure3b};

/* --- Figures 1 and 6
 * --------------------------------------------------------------------------------------------------- */

static void draw_early_rule(const slk_plot *p, const slk_fit_curve *fit, bool with_text)
{
    if (fit->early_low != fit->early_high) {
        double x = slk_plot_x(p, fit->early_low);
        slk_svg_rect(p->svg, x, p->box.y, slk_plot_x(p, fit->early_high) - x, p->box.height, "span");
    }
    double x = slk_plot_x(p, fit->early);
    slk_svg_line(p->svg, x, p->box.y - 4, x, p->box.y + p->box.height, "rule");
    if (!with_text) return;
    if (fit->early_low == fit->early_high)
        slk_svg_textf(p->svg, x + 5, p->box.y - 6, SLK_ANCHOR_START, "note", "early stop: epoch %d",
                      (int)fit->early_low);
    else
        slk_svg_textf(p->svg, x + 5, p->box.y - 6, SLK_ANCHOR_START, "note", "early stop: epochs %d\xE2\x80\x93%d",
                      (int)fit->early_low, (int)fit->early_high);
}

static void draw_fit(const slk_plot *p, const slk_fit_curve *fit, bool with_dev, slk_labels *labels)
{
    double x[1024];
    size_t n = fit->n < 1024 ? fit->n : 1024;
    for (size_t i = 0; i < n; i++) x[i] = fit->epochs[i];
    const struct {
        const slk_estimate *at;
        const char *class, *name, *more;
    } lines[3] = {{fit->dev, "c-dev", "Dev accuracy", "held-out facts"},
                  {fit->known, "c-known", "Known", "fitted"},
                  {fit->unknown_fitted, "c-unknown", "Unknown", "fitted"}};
    for (int k = with_dev ? 0 : 1; k < 3; k++) {
        slk_plot_series(p, &(slk_series){.x = x,
                                         .at = lines[k].at,
                                         .n = n,
                                         .class = lines[k].class,
                                         .what = lines[k].name,
                                         .unit_x = "epochs",
                                         .band = SLK_BAND_AREA,
                                         .dot = 0,
                                         .dashed = k == 0});
        size_t last = n;
        while (last > 0 && !lines[k].at[last - 1].n) last--;
        if (labels && last)
            slk_labels_add(labels, slk_plot_y(p, lines[k].at[last - 1].value), lines[k].class, lines[k].name,
                           lines[k].more);
    }
}

static void epoch_axis(const slk_plot *p, const slk_fit_curve *fit, size_t max_n, const char *title)
{
    double ticks[12];
    (void)fit;
    size_t n = slk_ticks(ticks, p->x0, p->x1, max_n);
    slk_plot_x_axis(p, ticks, n, "", title);
}

static void set_epochs(slk_plot *p, const slk_fit_curve *fit)
{
    p->x0 = 0;
    p->x1 = fit->n && fit->epochs[fit->n - 1] > 0 ? fit->epochs[fit->n - 1] : 1;
    p->y0 = 0;
    p->y1 = 100;
}

static void draw_figure1(slk_svg *svg, const slk_analysis *a, slk_box box)
{
    slk_plot p = plot_in(svg, box, right_of(box.width));
    slk_labels labels = {.n = 0};
    set_epochs(&p, a->half);
    slk_plot_y_axis(&p, 5, "%");
    slk_plot_y_title(&p, "");
    epoch_axis(&p, a->half, slk_is_narrow(box.width) ? 5 : 11, "Epochs of training");
    draw_early_rule(&p, a->half, true);
    draw_fit(&p, a->half, true, &labels);
    slk_labels_draw(&labels, svg, p.box.x + p.box.width + 10, p.box.y - 10, p.box.y + p.box.height + 14);
}

static double height1(const slk_analysis *a, double width)
{
    (void)a;
    return slk_is_narrow(width) ? 310 : 370;
}

const slk_drawing slk_draw_figure1 = {height1, draw_figure1};

static size_t columns6(double width)
{
    return slk_is_narrow(width) ? 2 : 3;
}

enum { PANEL6 = 196 };

static void draw_figure6(slk_svg *svg, const slk_analysis *a, slk_box box)
{
    size_t columns = columns6(box.width);
    double width = box.width / (double)columns;
    for (size_t i = 0; i < a->n_fits; i++) {
        const slk_fit_curve *fit = &a->fits[i];
        size_t row = i / columns, column = i % columns;
        slk_box cell = {box.x + (double)column * width, box.y + (double)row * PANEL6, width, PANEL6};
        slk_plot p = {.svg = svg};
        p.box = (slk_box){cell.x + 40, cell.y + 30, cell.width - 40 - 12, PANEL6 - 30 - 40};
        set_epochs(&p, fit);
        slk_svg_textf(svg, cell.x + 2, cell.y + 14, SLK_ANCHOR_START, "panel", "%s%% Unknown",
                      slk_say(fit->unknown, 0).text);
        slk_plot_y_axis(&p, 3, "%");
        epoch_axis(&p, fit, 5, i + columns >= a->n_fits ? "epochs" : NULL);
        draw_early_rule(&p, fit, false);
        draw_fit(&p, fit, false, NULL);
        if (i == 0)
            slk_svg_text(svg, slk_plot_x(&p, fit->early) + 4, p.box.y + p.box.height - 8, SLK_ANCHOR_START, "note",
                         "early stop");
        if (fit != a->half) continue; /* lines are named once */
        slk_svg_text(svg, slk_plot_x(&p, 0.3 * p.x1), slk_plot_y(&p, 100) + 15, SLK_ANCHOR_START, "name c-known",
                     "Known");
        slk_svg_text(svg, slk_plot_x(&p, 0.62 * p.x1), slk_plot_y(&p, 30), SLK_ANCHOR_START, "name c-unknown",
                     "Unknown");
    }
}

static double height6(const slk_analysis *a, double width)
{
    size_t columns = columns6(width);
    size_t n_rows = (a->n_fits + columns - 1) / columns;
    return (double)n_rows * PANEL6 + 6;
}

const slk_drawing slk_draw_figure6 = {height6, draw_figure6};

/* --- Figure 5
 * ----------------------------------------------------------------------------------------------------------- */

static void draw_slick(const slk_plot *p, const slk_threshold *t, bool narrow)
{
    slk_xy points[MAX_POINTS];
    size_t n = t->n_slick < MAX_POINTS ? t->n_slick : MAX_POINTS;
    for (size_t i = 0; i < n; i++)
        points[i] = (slk_xy){slk_plot_x(p, t->slick[i].share), slk_plot_y(p, t->slick[i].accuracy)};
    slk_svg_path(p->svg, points, n, false, "line c-unknown");
    for (size_t i = 0; i < n; i++) {
        char tooltip[320];
        const slk_estimate *e = &t->slick_at[i];
        snprintf(tooltip, sizeof tooltip, "%zu prompt%s: %s%% called Unknown, %s%% of them answered (95%% interval %s)",
                 i + 1, i ? "s" : "", slk_say(t->slick[i].share, 1).text, slk_say(t->slick[i].accuracy, 1).text,
                 slk_say_interval(e->low, e->high, 1, false).text);
        if (!isnan(e->low)) slk_plot_whisker(p, points[i].x, e->low, e->high, "whisker c-unknown");
        slk_svg_dot(p->svg, points[i].x, points[i].y, 4, "dot c-unknown", tooltip);
    }
    if (n == 0) return;
    char name[48];
    snprintf(name, sizeof name, narrow ? "SliCK" : "SliCK, %zu prompt%s", n, n == 1 ? "" : "s");
    slk_svg_text(p->svg, points[n - 1].x - 10, points[n - 1].y + 4, SLK_ANCHOR_END, "name c-unknown", name);
    if (n > 1) slk_svg_text(p->svg, points[0].x + 10, points[0].y + 4, SLK_ANCHOR_START, "note", "1 prompt");
}

static void draw_figure5(slk_svg *svg, const slk_analysis *a, slk_box box)
{
    const slk_threshold *t = &a->threshold;
    slk_plot p = plot_in(svg, box, slk_is_narrow(box.width) ? 22 : 30);
    range r = {0, 5};
    for (size_t i = t->n_line / 20; i < t->n_line; i++) include(&r, t->line[i].accuracy);
    for (size_t i = 0; i < t->n_slick; i++) include(&r, t->slick[i].accuracy);
    set_y(&p, r, 5);
    p.x0 = 0;
    p.x1 = 100;
    double ticks[12];
    slk_plot_y_axis(&p, 7, "%");
    slk_plot_y_title(&p, "Of those, answered rightly after fine-tuning");
    slk_plot_x_axis(&p, ticks, slk_ticks(ticks, 0, 100, 6), "%", "Test questions called Unknown");
    slk_svg_line(svg, p.box.x, slk_plot_y(&p, 3.2), p.box.x + p.box.width, slk_plot_y(&p, 3.2), "paper-line");
    slk_svg_text(svg, p.box.x + p.box.width, slk_plot_y(&p, 3.2) - 5, SLK_ANCHOR_END, "note",
                 slk_is_narrow(box.width) ? "PaLM 2-M: 3.2%" : "PaLM 2-M, SliCK\xE2\x80\x99s Unknown: at most 3.2%");
    slk_xy line[256];
    size_t n = 0;
    for (size_t i = 0; i < t->n_line && n < 256; i++) {
        if (t->line[i].share < 2) continue; /* a few facts: noise */
        line[n++] = (slk_xy){slk_plot_x(&p, t->line[i].share), slk_plot_y(&p, t->line[i].accuracy)};
    }
    slk_svg_path(svg, line, n, false, "line c-known");
    if (n) {
        const slk_xy *at = &line[n * 3 / 4];
        slk_svg_text(svg, at->x - 8, at->y - 10, SLK_ANCHOR_END, "name c-known", "P(True) below a threshold");
    }
    draw_slick(&p, t, slk_is_narrow(box.width));
}

static double height5(const slk_analysis *a, double width)
{
    (void)a;
    return slk_is_narrow(width) ? 320 : 380;
}

const slk_drawing slk_draw_figure5 = {height5, draw_figure5};
