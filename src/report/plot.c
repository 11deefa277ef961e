#include "report/plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "report/say.h"

double slk_plot_x(const slk_plot *p, double x)
{
    return p->box.x + (x - p->x0) / (p->x1 - p->x0) * p->box.width;
}

double slk_plot_y(const slk_plot *p, double y)
{
    double share = (y - p->y0) / (p->y1 - p->y0);
    share = share < 0 ? 0 : share > 1 ? 1 : share;
    return p->box.y + (1 - share) * p->box.height;
}

/* --- axes ------------------------------------------------------------------------------------------------------------
 */

/* 1, 2 or 5 times a power of ten, such that `range` has at most n steps. */
static double nice_step(double range, size_t n)
{
    double step = pow(10, floor(log10(range / (double)n)));
    static const double factors[] = {1, 2, 5, 10};
    for (int i = 0; i < 4; i++) {
        if (range / (step * factors[i]) <= (double)n + 1e-9) return step * factors[i];
    }
    return step * 10;
}

size_t slk_ticks(double *ticks, double low, double high, size_t max_n)
{
    if (!(high > low) || max_n < 2) return 0;
    double step = nice_step(high - low, max_n - 1);
    size_t n = 0;
    for (double t = ceil(low / step - 1e-9) * step; t <= high + step * 1e-9 && n < max_n; t += step)
        ticks[n++] = fabs(t) < step * 1e-9 ? 0 : t;
    return n;
}

void slk_round_range(double *low, double *high, size_t n)
{
    if (!(*high > *low)) {
        *low -= 1;
        *high += 1;
    }
    double step = nice_step(*high - *low, n);
    *low = floor(*low / step + 1e-9) * step;
    *high = ceil(*high / step - 1e-9) * step;
}

static int digits_of(const double *ticks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (fabs(ticks[i] - round(ticks[i])) > 1e-6) return 1;
    }
    return 0;
}

void slk_plot_y_axis(const slk_plot *p, size_t max_n, const char *unit)
{
    double ticks[12];
    size_t n = slk_ticks(ticks, p->y0, p->y1, max_n);
    int digits = digits_of(ticks, n);
    for (size_t i = 0; i < n; i++) {
        double y = slk_plot_y(p, ticks[i]);
        bool is_base = ticks[i] == p->y0 || ticks[i] == 0;
        slk_svg_line(p->svg, p->box.x, y, p->box.x + p->box.width, y, is_base ? "base" : "grid");
        slk_svg_textf(p->svg, p->box.x - 8, y + 4, SLK_ANCHOR_END, "tick", "%s%s", slk_say(ticks[i], digits).text,
                      i + 1 == n ? unit : "");
    }
}

void slk_plot_x_axis(const slk_plot *p, const double *ticks, size_t n, const char *unit, const char *title)
{
    double y = p->box.y + p->box.height;
    int digits = digits_of(ticks, n);
    slk_svg_line(p->svg, p->box.x, y, p->box.x + p->box.width, y, "base");
    for (size_t i = 0; i < n; i++) {
        double x = slk_plot_x(p, ticks[i]);
        slk_svg_line(p->svg, x, y, x, y + 4, "base");
        slk_svg_textf(p->svg, x, y + 17, SLK_ANCHOR_MIDDLE, "tick", "%s%s", slk_say(ticks[i], digits).text, unit);
    }
    if (title) slk_svg_text(p->svg, p->box.x + p->box.width / 2, y + 34, SLK_ANCHOR_MIDDLE, "axis", title);
}

void slk_plot_y_title(const slk_plot *p, const char *title)
{
    slk_svg_text(p->svg, p->box.x - 40, p->box.y - 14, SLK_ANCHOR_START, "axis", title);
}

/* --- series ----------------------------------------------------------------------------------------------------------
 */

static void describe(char *out, size_t n, const slk_series *s, size_t i)
{
    const slk_estimate *e = &s->at[i];
    int used =
        snprintf(out, n, "%s, %s%s: %s%%", s->what, slk_say(s->x[i], 0).text, s->unit_x, slk_say(e->value, 1).text);
    if (used < 0 || (size_t)used >= n) return;
    if (!isnan(e->low))
        used += snprintf(out + used, n - (size_t)used, " (95%% interval %s%s)",
                         slk_say_interval(e->low, e->high, 1, false).text, e->facts_only ? ", over facts" : "");
    if (s->hollow && s->hollow[i] && (size_t)used < n)
        snprintf(out + used, n - (size_t)used, "; does not count: D is not fitted");
}

static void draw_area(const slk_plot *p, const slk_series *s, const char *class)
{
    slk_xy *points = slk_alloc(2 * s->n, sizeof *points);
    size_t n = 0;
    for (size_t i = 0; points && i < s->n; i++) {
        if (s->at[i].n && !isnan(s->at[i].low))
            points[n++] = (slk_xy){slk_plot_x(p, s->x[i]) + s->shift, slk_plot_y(p, s->at[i].high)};
    }
    for (size_t i = s->n; points && i-- > 0;) {
        if (s->at[i].n && !isnan(s->at[i].low))
            points[n++] = (slk_xy){slk_plot_x(p, s->x[i]) + s->shift, slk_plot_y(p, s->at[i].low)};
    }
    if (n > 2) slk_svg_path(p->svg, points, n, true, class);
    free(points);
}

void slk_plot_whisker(const slk_plot *p, double x, double low, double high, const char *class)
{
    slk_svg_line(p->svg, x, slk_plot_y(p, low), x, slk_plot_y(p, high), class);
}

void slk_plot_series(const slk_plot *p, const slk_series *s)
{
    char class[64], tooltip[256];
    snprintf(class, sizeof class, "band %s", s->class);
    if (s->band == SLK_BAND_AREA) draw_area(p, s, class);
    slk_xy *points = slk_alloc(s->n, sizeof *points);
    size_t n = 0;
    for (size_t i = 0; points && i < s->n; i++) {
        if (s->at[i].n) points[n++] = (slk_xy){slk_plot_x(p, s->x[i]) + s->shift, slk_plot_y(p, s->at[i].value)};
    }
    snprintf(class, sizeof class, "line%s %s", s->dashed ? " dash" : "", s->class);
    if (n > 1) slk_svg_path(p->svg, points, n, false, class);
    free(points);
    for (size_t i = 0; i < s->n; i++) {
        if (!s->at[i].n) continue;
        double x = slk_plot_x(p, s->x[i]) + s->shift;
        snprintf(class, sizeof class, "whisker %s", s->class);
        if (s->band == SLK_BAND_WHISKER && !isnan(s->at[i].low))
            slk_plot_whisker(p, x, s->at[i].low, s->at[i].high, class);
        if (s->dot <= 0) continue;
        snprintf(class, sizeof class, "%s %s", s->hollow && s->hollow[i] ? "ring" : "dot", s->class);
        describe(tooltip, sizeof tooltip, s, i);
        slk_svg_dot(p->svg, x, slk_plot_y(p, s->at[i].value), s->dot, class, tooltip);
    }
}

/* --- labels ----------------------------------------------------------------------------------------------------------
 */

enum { LABEL_LINE = 15 };

void slk_labels_add(slk_labels *l, double y, const char *class, const char *text, const char *more)
{
    if (l->n == SLK_MAX_LABELS || isnan(y)) return;
    struct slk_label_at *item = &l->items[l->n++];
    item->y = y;
    snprintf(item->class, sizeof item->class, "%s", class);
    snprintf(item->text, sizeof item->text, "%s", text);
    snprintf(item->more, sizeof item->more, "%s", more);
}

static int compare_labels(const void *a, const void *b)
{
    const struct slk_label_at *x = a, *y = b;
    return (x->y > y->y) - (x->y < y->y);
}

static double height_of(const struct slk_label_at *item)
{
    return *item->more ? 2 * LABEL_LINE + 2 : LABEL_LINE + 1;
}

void slk_labels_draw(slk_labels *l, slk_svg *svg, double x, double top, double bottom)
{
    qsort(l->items, l->n, sizeof *l->items, compare_labels);
    /* y becomes the top edge of each label; then neighbours that overlap push each other away, half each. */
    for (size_t i = 0; i < l->n; i++) l->items[i].y -= LABEL_LINE / 2.0;
    for (int round = 0; round < 60; round++) {
        for (size_t i = 0; i + 1 < l->n; i++) {
            double overlap = l->items[i].y + height_of(&l->items[i]) - l->items[i + 1].y;
            if (overlap <= 0) continue;
            l->items[i].y -= overlap / 2;
            l->items[i + 1].y += overlap / 2;
        }
        for (size_t i = 0; i < l->n; i++) {
            if (l->items[i].y < top) l->items[i].y = top;
            double most = bottom - height_of(&l->items[i]);
            if (l->items[i].y > most) l->items[i].y = most;
        }
    }
    for (size_t i = 0; i < l->n; i++) {
        char class[64];
        snprintf(class, sizeof class, "name %s", l->items[i].class);
        slk_svg_text(svg, x, l->items[i].y + LABEL_LINE - 3, SLK_ANCHOR_START, class, l->items[i].text);
        if (*l->items[i].more)
            slk_svg_text(svg, x, l->items[i].y + 2 * LABEL_LINE - 3, SLK_ANCHOR_START, "note", l->items[i].more);
    }
}

/* --- running text ----------------------------------------------------------------------------------------------------
 */

/* The longest beginning of text that fits, ending before a space (or the first word, however long); *next begins the
 * rest. */
static size_t take_line(const char *text, double width, double size, bool bold, const char **next)
{
    size_t best = 0, n = 0;
    char line[512];
    for (;;) {
        size_t end = n + strcspn(text + n, " ");
        if (end >= sizeof line) break;
        memcpy(line, text, end);
        line[end] = 0;
        if (best && slk_svg_text_width(line, size, bold) > width) break;
        best = end;
        if (!text[end]) break;
        n = end + 1;
    }
    if (!best) best = strcspn(text, " ");
    *next = text + best + strspn(text + best, " ");
    return best;
}

size_t slk_plot_n_lines(const char *text, double width, double size, bool bold)
{
    size_t n = 0;
    while (*text) {
        take_line(text, width, size, bold, &text);
        n++;
    }
    return n;
}

double slk_plot_wrap(slk_svg *svg, double x, double y, double width, double size, bool bold, double leading,
                     const char *class, const char *text)
{
    while (*text) {
        const char *next;
        char line[512];
        size_t n = take_line(text, width, size, bold, &next);
        snprintf(line, sizeof line, "%.*s", (int)n, text);
        slk_svg_text(svg, x, y, SLK_ANCHOR_START, class, line);
        y += leading;
        text = next;
    }
    return y;
}
