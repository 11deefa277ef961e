/* Charts on an SVG canvas: a rectangle with two linear scales, axes with few lines, series with their intervals, and
 * labels that stand beside what they name instead of in a legend. */
#ifndef SLK_REPORT_PLOT_H
#define SLK_REPORT_PLOT_H

#include "report/measure.h"
#include "report/svg.h"

typedef struct slk_box {
    double x, y, width, height;
} slk_box;

typedef struct slk_plot {
    slk_svg *svg;
    slk_box box;           /* where data are drawn, px */
    double x0, x1, y0, y1; /* what its edges stand for */
} slk_plot;

/* Where a value lies, in px. */
double slk_plot_x(const slk_plot *p, double x);
double slk_plot_y(const slk_plot *p, double y); /* not beyond the box */

/* Round numbers from low to high, at most max_n (<= 12) of them, into ticks; returns how many. */
size_t slk_ticks(double *ticks, double low, double high, size_t max_n);
/* Widen [*low, *high] to round numbers, with room for n ticks. */
void slk_round_range(double *low, double *high, size_t n);

/* Lines across with their values at the left; the topmost has the unit ("%"). */
void slk_plot_y_axis(const slk_plot *p, size_t max_n, const char *unit);
/* Values below the box at ticks [n], with the unit at each; title below them (NULL: none). */
void slk_plot_x_axis(const slk_plot *p, const double *ticks, size_t n, const char *unit, const char *title);
/* What the y axis shows, above the box at the left. */
void slk_plot_y_title(const slk_plot *p, const char *title);

typedef enum slk_band { SLK_BAND_NONE, SLK_BAND_AREA, SLK_BAND_WHISKER } slk_band;

/* A line through those of at [n] that are measured, with dots and intervals. class: a colour ("c-known"). what: begins
 * each dot's tooltip; unit_x goes behind x there. */
typedef struct slk_series {
    const double *x;
    const slk_estimate *at;
    size_t n;
    const char *class, *what, *unit_x;
    slk_band band;
    double shift;       /* px to the right, so that whiskers of several series stand side by side */
    double dot;         /* radius; 0: no dots */
    const bool *hollow; /* [n] dots that do not count, or NULL */
    bool dashed;
} slk_series;
void slk_plot_series(const slk_plot *p, const slk_series *s);
/* An interval by itself, upright. */
void slk_plot_whisker(const slk_plot *p, double x_px, double low, double high, const char *class);

/* Labels in one column, each at its own height; those that would overlap are moved apart. */
#define SLK_MAX_LABELS 16
typedef struct slk_labels {
    struct slk_label_at {
        double y;
        char text[64], more[64]; /* more: a second line, quieter; "": none */
        char class[32];
    } items[SLK_MAX_LABELS];
    size_t n;
} slk_labels;
void slk_labels_add(slk_labels *l, double y, const char *class, const char *text, const char *more);
/* Draw them at x, between top and bottom. */
void slk_labels_draw(slk_labels *l, slk_svg *svg, double x, double top, double bottom);

/* Text broken into lines of at most `width`; returns the y below the last line. */
double slk_plot_wrap(slk_svg *svg, double x, double y, double width, double size, bool bold, double leading,
                     const char *class, const char *text);
/* How many lines that takes. */
size_t slk_plot_n_lines(const char *text, double width, double size, bool bold);

#endif
