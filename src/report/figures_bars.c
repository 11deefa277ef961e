/* Figures with bars and rows: 4, and what Tables 1, 2, 3 to 5 and 8 look like. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/figure.h"
#include "report/paper.h"
#include "report/say.h"

/* --- Figure 4
 * ---------------------------------------------------------------------------------------------------------- */

enum { ROW4 = 34, HEAD4 = 44 };

/* A share in % in the filled part of a bar, or behind it where that is too short. */
static void bar_text(slk_svg *svg, double x, double filled, double width, double y, double share)
{
    char text[56];
    snprintf(text, sizeof text, "%s%%", slk_say(share, 0).text);
    double room = slk_svg_text_width(text, 12, true) + 10;
    if (room <= filled)
        slk_svg_text(svg, x + 6, y, SLK_ANCHOR_START, "on-fill", text);
    else if (filled + room <= width)
        slk_svg_text(svg, x + filled + 6, y, SLK_ANCHOR_START, "on-pale", text);
}

static void draw_figure4(slk_svg *svg, const slk_analysis *a, slk_box box)
{
    const double left = box.x + 92, width = box.width - 92 - 6;
    slk_svg_text(svg, box.x, box.y + 14, SLK_ANCHOR_START, "axis", "Unknown");
    slk_svg_text(svg, box.x, box.y + 29, SLK_ANCHOR_START, "axis", "facts in D");
    slk_svg_text(svg, left, box.y + 14, SLK_ANCHOR_START, "name c-known", "Known facts");
    slk_svg_text(svg, left, box.y + 29, SLK_ANCHOR_START, "note", "dark: fitted");
    slk_svg_text(svg, left + width, box.y + 14, SLK_ANCHOR_END, "name c-unknown", "Unknown facts");
    slk_svg_text(svg, left + width, box.y + 29, SLK_ANCHOR_END, "note", "dark: fitted");
    for (size_t i = 0; i < a->n_fits; i++) {
        const slk_fit_curve *fit = &a->fits[i];
        double y = box.y + HEAD4 + (double)i * ROW4, known = fit->share_known / 100 * width, h = ROW4 - 10;
        double known_fitted = slk_is_measured(&fit->early_known) ? known * fit->early_known.value / 100 : 0;
        double unknown_fitted =
            slk_is_measured(&fit->early_unknown) ? (width - known) * fit->early_unknown.value / 100 : 0;
        slk_svg_textf(svg, left - 12, y + h / 2 + 5, SLK_ANCHOR_END, "row", "%s%%", slk_say(fit->unknown, 0).text);
        slk_svg_rect(svg, left, y, known, h, "pale c-known");
        slk_svg_rect(svg, left, y, known_fitted, h, "fill c-known");
        slk_svg_rect(svg, left + known, y, width - known, h, "pale c-unknown");
        slk_svg_rect(svg, left + known, y, unknown_fitted, h, "fill c-unknown");
        if (known > 0 && known < width) slk_svg_rect(svg, left + known - 1, y, 2, h, "gap");
        if (known > 0) bar_text(svg, left, known_fitted, known, y + h / 2 + 4, fit->early_known.value);
        if (known >= width) continue;
        bar_text(svg, left + known + 1, unknown_fitted, width - known, y + h / 2 + 4, fit->early_unknown.value);
    }
}

static double height4(const slk_analysis *a, double width)
{
    (void)width;
    return HEAD4 + (double)a->n_fits * ROW4 + 4;
}

const slk_drawing slk_draw_figure4 = {height4, draw_figure4};

/* --- rows of intervals
 * ------------------------------------------------------------------------------------------------- */

/* A horizontal scale for rows: axis at the bottom with light lines up. */
static void row_axis(const slk_plot *p, size_t max_n, const char *unit, const char *title)
{
    double ticks[12];
    size_t n = slk_ticks(ticks, p->x0, p->x1, max_n);
    for (size_t i = 0; i < n; i++) {
        double x = slk_plot_x(p, ticks[i]);
        slk_svg_line(p->svg, x, p->box.y, x, p->box.y + p->box.height, ticks[i] == 0 ? "base" : "grid");
    }
    double y = p->box.y + p->box.height;
    for (size_t i = 0; i < n; i++)
        slk_svg_textf(p->svg, slk_plot_x(p, ticks[i]), y + 16, SLK_ANCHOR_MIDDLE, "tick", "%s%s",
                      slk_say(ticks[i], 0).text, unit);
    slk_svg_text(p->svg, p->box.x + p->box.width / 2, y + 34, SLK_ANCHOR_MIDDLE, "axis", title);
}

static double clamp_x(const slk_plot *p, double x)
{
    return slk_plot_x(p, fmin(fmax(x, p->x0), p->x1));
}

static void row_interval(const slk_plot *p, double y, const slk_estimate *e, const char *color, const char *tooltip)
{
    char class[64];
    snprintf(class, sizeof class, "whisker %s", color);
    if (!isnan(e->low)) slk_svg_line(p->svg, clamp_x(p, e->low), y, clamp_x(p, e->high), y, class);
    snprintf(class, sizeof class, "dot %s", color);
    slk_svg_dot(p->svg, clamp_x(p, e->value), y, 5, class, tooltip);
}

static void widen(double *low, double *high, const slk_estimate *e)
{
    if (!slk_is_measured(e)) return;
    double spare = 8; /* wide intervals of few seeds are cut */
    *low = fmin(*low, isnan(e->low) ? e->value : fmax(e->low, e->value - spare));
    *high = fmax(*high, isnan(e->high) ? e->value : fmin(e->high, e->value + spare));
}

/* --- Table 1
 * ------------------------------------------------------------------------------------------------------------- */

enum { ROW_T1 = 46, ROW_T1_NARROW = 68, HEAD_T1 = 8 };

static void draw_table1(slk_svg *svg, const slk_analysis *a, slk_box box)
{
    bool narrow = slk_is_narrow(box.width);
    double low = -10, high = 10;
    for (int k = 0; k < 4; k++) widen(&low, &high, &a->linear[k / 2].claim[k % 2 ? SLK_B_UNKNOWN : SLK_B_KNOWN]);
    slk_round_range(&low, &high, 5);
    slk_plot p = {.svg = svg, .x0 = low, .x1 = high, .y0 = 0, .y1 = 1};
    double left = narrow ? 0 : 190;
    p.box =
        (slk_box){box.x + left + 12, box.y + HEAD_T1, box.width - left - 24, 4.0 * (narrow ? ROW_T1_NARROW : ROW_T1)};
    row_axis(&p, narrow ? 5 : 9, "", "Points of accuracy, from none of D fitted to all of it");
    for (int k = 0; k < 4; k++) {
        const slk_linear *m = &a->linear[k / 2];
        int b = k % 2 ? SLK_B_UNKNOWN : SLK_B_KNOWN;
        const char *color = k % 2 ? "c-unknown" : "c-known";
        double step = narrow ? ROW_T1_NARROW : ROW_T1;
        double top = p.box.y + k * step, y = top + (narrow ? 50 : step / 2);
        char class[32];
        snprintf(class, sizeof class, "name %s", color);
        slk_svg_textf(svg, box.x, narrow ? top + 20 : y, SLK_ANCHOR_START, class, "%s facts fitted",
                      k % 2 ? "Unknown" : "Known");
        const char *where = k / 2 ? "out of distribution" : "in distribution";
        slk_svg_text(svg, narrow ? box.x + 150 : box.x, narrow ? top + 20 : y + 15, SLK_ANCHOR_START, "note", where);
        if (!m->is_fitted) {
            slk_svg_text(svg, slk_plot_x(&p, 0) + 8, y + 4, SLK_ANCHOR_START, "note", "not measured");
            continue;
        }
        slk_svg_diamond(svg, slk_plot_x(&p, slk_paper_table1[k / 2][b]), y, 5, "paper-mark", "PaLM 2-M");
        char tooltip[200];
        snprintf(tooltip, sizeof tooltip, "%s points (95%% interval %s); PaLM 2-M %s",
                 slk_say_signed(m->claim[b].value, 1).text,
                 slk_say_interval(m->claim[b].low, m->claim[b].high, 1, true).text,
                 slk_say_signed(slk_paper_table1[k / 2][b], 1).text);
        row_interval(&p, y, &m->claim[b], color, tooltip);
        slk_svg_line(svg, clamp_x(&p, m->ols_low[b]), y + 9, clamp_x(&p, m->ols_high[b]), y + 9, "thin");
        slk_svg_text(svg, clamp_x(&p, m->claim[b].value), y - 9, SLK_ANCHOR_MIDDLE, class,
                     slk_say_signed(m->claim[b].value, 1).text);
    }
}

static double height_t1(const slk_analysis *a, double width)
{
    (void)a;
    return HEAD_T1 + 4.0 * (slk_is_narrow(width) ? ROW_T1_NARROW : ROW_T1) + 42;
}

const slk_drawing slk_draw_table1 = {height_t1, draw_table1};

/* --- Tables 2 and 8: from early stop to convergence
 * --------------------------------------------------------------------- */

typedef struct move_row {
    const char *name, *note;
    slk_estimate at[2];
    double paper[2]; /* NAN: none */
} move_row;

enum { ROW_MOVE = 46, HEAD_MOVE = 26 };

static void move_tooltip(char *out, size_t n, const move_row *r, int late)
{
    const slk_estimate *e = &r->at[late];
    snprintf(out, n, "%s, %s: %s%% (95%% interval %s)", r->name, late ? "convergence" : "early stop",
             slk_say(e->value, 1).text, slk_say_interval(e->low, e->high, 1, false).text);
}

/* What the two dots are, above the first row: to the left and right of their middle, or each over its own. */
static void name_moves(slk_svg *svg, slk_box box, const move_row *r, double early, double late)
{
    bool has[2] = {slk_is_measured(&r->at[0]), slk_is_measured(&r->at[1])};
    const double y = box.y + 14;
    if (!has[0] || !has[1]) {
        if (has[0]) slk_svg_text(svg, early, y, SLK_ANCHOR_MIDDLE, "name c-early", "early stop");
        if (has[1]) slk_svg_text(svg, late, y, SLK_ANCHOR_MIDDLE, "name c-late", "convergence");
        return;
    }
    bool early_left = early < late;
    const char *left = early_left ? "early stop" : "convergence", *right = early_left ? "convergence" : "early stop";
    double middle = (early + late) / 2, spare = fmax(fabs(early - late) / 2 - 8, 5);
    double x = fmax(middle - spare, box.x + slk_svg_text_width(left, 14, true));
    slk_svg_text(svg, x, y, SLK_ANCHOR_END, early_left ? "name c-early" : "name c-late", left);
    double most = box.x + box.width - slk_svg_text_width(right, 14, true);
    slk_svg_text(svg, fmin(fmax(middle + spare, x + 9), most), y, SLK_ANCHOR_START,
                 early_left ? "name c-late" : "name c-early", right);
}

static void draw_moves(slk_svg *svg, slk_box box, const move_row *rows, size_t n, bool with_paper, const char *title)
{
    bool narrow = slk_is_narrow(box.width);
    double low = 100, high = 0, left = narrow ? 0 : 130, step = narrow ? ROW_MOVE + 14 : ROW_MOVE;
    for (size_t i = 0; i < n; i++) {
        for (int late = 0; late < 2; late++) {
            widen(&low, &high, &rows[i].at[late]);
            if (!with_paper || isnan(rows[i].paper[late])) continue;
            low = fmin(low, rows[i].paper[late]);
            high = fmax(high, rows[i].paper[late]);
        }
    }
    low = fmax(low, 0);
    high = fmin(high, 100);
    slk_round_range(&low, &high, 6);
    slk_plot p = {.svg = svg, .x0 = low, .x1 = high, .y0 = 0, .y1 = 1};
    p.box = (slk_box){box.x + left + 14, box.y + HEAD_MOVE, box.width - left - 32, (double)n * step};
    row_axis(&p, narrow ? 5 : 8, "%", title);
    for (size_t i = 0; i < n; i++) {
        const move_row *r = &rows[i];
        double top = p.box.y + (double)i * step, y = top + (narrow ? 40 : step / 2);
        char tooltip[200];
        slk_svg_text(svg, box.x, narrow ? top + 18 : y + (*r->note ? 0 : 5), SLK_ANCHOR_START, "row", r->name);
        if (*r->note)
            slk_svg_text(svg, narrow ? box.x + slk_svg_text_width(r->name, 13, true) + 10 : box.x,
                         narrow ? top + 18 : y + 15, SLK_ANCHOR_START, "note", r->note);
        for (int late = 0; late < 2 && with_paper; late++) {
            if (!isnan(r->paper[late]))
                slk_svg_diamond(svg, slk_plot_x(&p, r->paper[late]), y + (late ? 7 : -7), 4,
                                late ? "paper-mark late" : "paper-mark", "PaLM 2-M");
        }
        bool both = slk_is_measured(&r->at[0]) && slk_is_measured(&r->at[1]);
        if (both) slk_svg_line(svg, clamp_x(&p, r->at[0].value), y, clamp_x(&p, r->at[1].value), y, "link");
        for (int late = 0; late < 2; late++) {
            if (!slk_is_measured(&r->at[late])) continue;
            move_tooltip(tooltip, sizeof tooltip, r, late);
            /* one a little higher than the other, so that both intervals can be seen */
            row_interval(&p, y + (late ? 3 : -3), &r->at[late], late ? "c-late" : "c-early", tooltip);
        }
        if (!slk_is_measured(&r->at[0]) && !slk_is_measured(&r->at[1]))
            slk_svg_text(svg, p.box.x + 8, y + 4, SLK_ANCHOR_START, "note", "not measured");
        if (i == 0) name_moves(svg, box, r, clamp_x(&p, r->at[0].value), clamp_x(&p, r->at[1].value));
    }
}

static double moves_height(size_t n, double width)
{
    return HEAD_MOVE + (double)n * (slk_is_narrow(width) ? ROW_MOVE + 14 : ROW_MOVE) + 42;
}

static void draw_table2(slk_svg *svg, const slk_analysis *a, slk_box box)
{
    static const char *const names[SLK_TABLE2_ROWS] = {"HighlyKnown", "MaybeKnown", "WeaklyKnown", "Unknown",
                                                       "Natural mix"};
    move_row rows[SLK_TABLE2_ROWS];
    for (int i = 0; i < SLK_TABLE2_ROWS; i++) {
        rows[i] = (move_row){.name = names[i],
                             .note = i == SLK_N_CATEGORIES ? "of all four" : "alone",
                             .at = {a->table2[i].cells[0][0].at, a->table2[i].cells[1][0].at},
                             .paper = {NAN, NAN}};
    }
    draw_moves(svg, box, rows, SLK_TABLE2_ROWS, false, "Test questions answered rightly");
}

static double height_t2(const slk_analysis *a, double width)
{
    (void)a;
    return moves_height(SLK_TABLE2_ROWS, width);
}

const slk_drawing slk_draw_table2 = {height_t2, draw_table2};

static void draw_table8(slk_svg *svg, const slk_analysis *a, slk_box box)
{
    const slk_idk *t = &a->idk;
    move_row rows[2];
    char notes[2][64];
    for (int k = 0; k < 2; k++) {
        snprintf(notes[k], sizeof notes[k], "%s%% answered",
                 slk_say(t->answered[k][1].n ? t->answered[k][1].value : t->answered[k][0].value, 0).text);
        rows[k] = (move_row){.name = k ? "D_IDK" : "Plain D",
                             .note = notes[k],
                             .at = {t->accuracy[k][0], t->accuracy[k][1]},
                             .paper = {slk_paper_table8[k][0], slk_paper_table8[k][1]}};
    }
    draw_moves(svg, box, rows, 2, true, "Answered questions that are right");
}

static double height_t8(const slk_analysis *a, double width)
{
    (void)a;
    return moves_height(2, width);
}

const slk_drawing slk_draw_table8 = {height_t8, draw_table8};

/* --- Tables 3 to 5
 * ------------------------------------------------------------------------------------------------------ */

enum { ROW_T3 = 22, HEAD_T3 = 24, GROUP_T3 = 26 };

static const char *const category_class[SLK_N_CATEGORIES] = {"fill c-highly", "fill c-maybe", "fill c-weakly",
                                                             "fill c-unknown"};
static const char *const category_ink[SLK_N_CATEGORIES] = {"on-fill", "on-maybe", "on-weakly", "on-fill"};

void slk_draw_share_bar(slk_svg *svg, slk_box bar, const double *share, bool is_total)
{
    double x = bar.x;
    for (int c = 0; c < SLK_N_CATEGORIES; c++) {
        double width = bar.width * share[c] / 100;
        slk_svg_rect(svg, x, bar.y, fmax(width - 1, 0), bar.height, category_class[c]);
        char text[56];
        snprintf(text, sizeof text, is_total ? "%s%%" : "%s", slk_say(share[c], 0).text);
        if (width > slk_svg_text_width(text, 11.5, false) + 8)
            slk_svg_text(svg, x + 5, bar.y + bar.height / 2 + 4, SLK_ANCHOR_START, category_ink[c], text);
        x += width;
    }
}

static uint32_t shares_of(double *share, const uint32_t *n)
{
    uint32_t all = 0;
    for (int c = 0; c < SLK_N_CATEGORIES; c++) all += n[c];
    for (int c = 0; c < SLK_N_CATEGORIES; c++) share[c] = all ? 100.0 * n[c] / all : 0;
    return all;
}

static int by_known(const void *a, const void *b)
{
    double x[SLK_N_CATEGORIES], y[SLK_N_CATEGORIES];
    shares_of(x, (*(const slk_relation_row *const *)a)->n);
    shares_of(y, (*(const slk_relation_row *const *)b)->n);
    return (x[SLK_UNKNOWN] > y[SLK_UNKNOWN]) - (x[SLK_UNKNOWN] < y[SLK_UNKNOWN]);
}

static const char *const count_names[SLK_N_COUNTS] = {"train", "test", "out of distribution"};

static void draw_table3(slk_svg *svg, const slk_analysis *a, slk_box box)
{
    bool narrow = slk_is_narrow(box.width);
    double left = narrow ? 84 : 150, right = narrow ? 0 : 62, y = box.y + HEAD_T3;
    slk_box bar = {box.x + left, y, box.width - left - right, ROW_T3 - 4};
    double x = bar.x;
    for (int c = 0; c < SLK_N_CATEGORIES; c++) {
        static const char *const name_class[] = {"name c-highly", "name c-maybe-text", "name c-weakly-text",
                                                 "name c-unknown"};
        static const char *const brief[] = {"Highly", "Maybe", "Weakly", "Unknown"};
        const char *name = slk_category_name((slk_category)c);
        double width = bar.width * slk_paper_shares[c] / 100;
        if (slk_svg_text_width(name, 14.5, true) > width) name = brief[c];
        slk_svg_text(svg, x + 1, box.y + 14, SLK_ANCHOR_START, name_class[c], name);
        x += width;
    }
    slk_svg_text(svg, box.x, bar.y + 14, SLK_ANCHOR_START, "note", narrow ? "PaLM 2-M" : "PaLM 2-M, all");
    slk_svg_open(svg, "quiet");
    slk_draw_share_bar(svg, bar, slk_paper_shares, true);
    slk_svg_close(svg);
    bar.y += ROW_T3;
    for (int t = 0; t < SLK_N_COUNTS; t++) {
        const slk_counts *counts = &a->counts[t];
        double share[SLK_N_CATEGORIES];
        uint32_t all = shares_of(share, counts->all);
        if (!all) continue;
        bar.y += GROUP_T3 - ROW_T3;
        slk_svg_textf(svg, box.x, bar.y + 14, SLK_ANCHOR_START, "row",
                      narrow && t == SLK_COUNTS_OOD ? "all o.o.d." : "all %s", count_names[t]);
        slk_draw_share_bar(svg, bar, share, true);
        if (!narrow) slk_svg_text(svg, box.x + box.width, bar.y + 14, SLK_ANCHOR_END, "tick", slk_say_count(all).text);
        bar.y += ROW_T3;
        if (t == SLK_COUNTS_TRAIN) continue; /* its relations are those of test, with like shares */
        const slk_relation_row **rows = slk_alloc(counts->n, sizeof *rows);
        for (size_t i = 0; rows && i < counts->n; i++) rows[i] = &counts->rows[i];
        if (rows) qsort(rows, counts->n, sizeof *rows, by_known);
        for (size_t i = 0; rows && i < counts->n; i++) {
            uint32_t n = shares_of(share, rows[i]->n);
            char name[80];
            snprintf(name, sizeof name, "%.*s", narrow ? 9 : 18, *rows[i]->relation ? rows[i]->relation : "(none)");
            slk_svg_text(svg, box.x + 12, bar.y + 14, SLK_ANCHOR_START, "row-light", name);
            slk_draw_share_bar(svg, bar, share, false);
            if (!narrow)
                slk_svg_text(svg, box.x + box.width, bar.y + 14, SLK_ANCHOR_END, "tick", slk_say_count(n).text);
            bar.y += ROW_T3;
        }
        free(rows);
    }
}

static double height_t3(const slk_analysis *a, double width)
{
    (void)width;
    double h = HEAD_T3 + ROW_T3;
    for (int t = 0; t < SLK_N_COUNTS; t++) {
        if (a->counts[t].n == 0) continue;
        h += GROUP_T3 + (t == SLK_COUNTS_TRAIN ? 0 : (double)a->counts[t].n * ROW_T3);
    }
    return h + 4;
}

const slk_drawing slk_draw_table3 = {height_t3, draw_table3};
