#include "report/svg.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/text.h"
#include "report/assets.h"
#include "report/escape.h"

static const char *const anchors[] = {"start", "middle", "end"};

/* --- style -----------------------------------------------------------------------------------------------------------
 */

/* The value of "--name" in the palette "--name: value; ..."; *n its length. */
static const char *palette_value(const char *name, size_t n_name, size_t *n)
{
    for (const char *p = slk_asset_palette; (p = strstr(p, "--")) != NULL; p += 2) {
        if (strncmp(p + 2, name, n_name) != 0 || p[2 + n_name] != ':') continue;
        const char *value = p + 3 + n_name;
        value += strspn(value, " ");
        *n = strcspn(value, ";");
        return value;
    }
    *n = 7;
    return "#000000";
}

void slk_svg_style(slk_buf *b)
{
    const char *css = slk_asset_figure;
    for (const char *at; (at = strstr(css, "var(--")) != NULL;) {
        size_t n_name = strcspn(at + 6, ")"), n_value;
        /* A figure by itself stands on white, whatever the page's ground. */
        bool ground = n_name == 4 && !strncmp(at + 6, "page", 4);
        const char *value = palette_value(ground ? "paper" : at + 6, ground ? 5 : n_name, &n_value);
        slk_buf_add(b, css, (size_t)(at - css));
        slk_buf_add(b, value, n_value);
        css = at + 6 + n_name + 1;
    }
    slk_buf_add_str(b, css);
}

/* --- elements --------------------------------------------------------------------------------------------------------
 */

void slk_svg_begin(slk_svg *svg, double width, double height, bool is_file, const char *label)
{
    *svg = (slk_svg){.width = width, .height = height, .is_file = is_file};
    if (is_file) slk_buf_add_str(&svg->b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    slk_buf_addf(&svg->b, "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"fig\" viewBox=\"0 0 %.0f %.0f\" ", width,
                 height);
    if (is_file) slk_buf_addf(&svg->b, "width=\"%.0f\" height=\"%.0f\" ", width, height);
    slk_buf_add_str(&svg->b, "role=\"img\" aria-label=\"");
    slk_escape_xml(&svg->b, label);
    slk_buf_add_str(&svg->b, "\">\n");
    if (!is_file) return;
    slk_buf_add_str(&svg->b, "<style>\n");
    slk_svg_style(&svg->b);
    slk_buf_addf(&svg->b, "</style>\n<rect class=\"ground\" width=\"%.0f\" height=\"%.0f\"/>\n", width, height);
}

void slk_svg_end(slk_svg *svg)
{
    slk_buf_add_str(&svg->b, "</svg>\n");
}

void slk_svg_release(slk_svg *svg)
{
    slk_buf_release(&svg->b);
}

void slk_svg_line(slk_svg *svg, double x0, double y0, double x1, double y1, const char *class)
{
    slk_buf_addf(&svg->b, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class, x0, y0, x1,
                 y1);
}

void slk_svg_rect(slk_svg *svg, double x, double y, double width, double height, const char *class)
{
    slk_buf_addf(&svg->b, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n", class, x, y,
                 fmax(width, 0), fmax(height, 0));
}

void slk_svg_path(slk_svg *svg, const slk_xy *points, size_t n, bool closed, const char *class)
{
    if (n == 0) return;
    slk_buf_addf(&svg->b, "<path class=\"%s\" d=\"", class);
    for (size_t i = 0; i < n; i++) slk_buf_addf(&svg->b, "%s%.1f %.1f", i ? "L" : "M", points[i].x, points[i].y);
    slk_buf_addf(&svg->b, "%s\"/>\n", closed ? "Z" : "");
}

static void end_mark(slk_svg *svg, const char *name, const char *tooltip)
{
    if (!tooltip) {
        slk_buf_add_str(&svg->b, "/>\n");
        return;
    }
    slk_buf_add_str(&svg->b, "><title>");
    slk_escape_xml(&svg->b, tooltip);
    slk_buf_addf(&svg->b, "</title></%s>\n", name);
}

void slk_svg_dot(slk_svg *svg, double x, double y, double r, const char *class, const char *tooltip)
{
    slk_buf_addf(&svg->b, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"", class, x, y, r);
    end_mark(svg, "circle", tooltip);
}

void slk_svg_diamond(slk_svg *svg, double x, double y, double r, const char *class, const char *tooltip)
{
    slk_buf_addf(&svg->b, "<path class=\"%s\" d=\"M%.1f %.1fl%.1f %.1fl%.1f %.1fl%.1f %.1fZ\"", class, x, y - r, r, r,
                 -r, r, -r, -r);
    end_mark(svg, "path", tooltip);
}

void slk_svg_text(slk_svg *svg, double x, double y, slk_anchor anchor, const char *class, const char *text)
{
    slk_buf_addf(&svg->b, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\"", class, x, y);
    if (anchor != SLK_ANCHOR_START) slk_buf_addf(&svg->b, " text-anchor=\"%s\"", anchors[anchor]);
    slk_buf_add_str(&svg->b, ">");
    slk_escape_xml(&svg->b, text);
    slk_buf_add_str(&svg->b, "</text>\n");
}

void slk_svg_textf(slk_svg *svg, double x, double y, slk_anchor anchor, const char *class, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    slk_svg_text(svg, x, y, anchor, class, text);
}

void slk_svg_open(slk_svg *svg, const char *class)
{
    slk_buf_addf(&svg->b, "<g class=\"%s\">\n", class);
}

void slk_svg_close(slk_svg *svg)
{
    slk_buf_add_str(&svg->b, "</g>\n");
}

/* --- widths ----------------------------------------------------------------------------------------------------------
 */

double slk_svg_text_width(const char *text, double size, bool bold)
{
    /* Advance widths of Helvetica's ASCII characters from the space on, in thousandths of the size. */
    static const short widths[95] = {278,  278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
                                     556,  556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
                                     1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
                                     667,  778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
                                     333,  556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
                                     556,  556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584};
    double sum = 0;
    while (*text) {
        uint32_t code;
        int used = slk_utf8_decode(&code, text, strnlen(text, 4));
        text += used > 0 ? used : 1;
        sum += used > 0 && code >= 32 && code < 127 ? widths[code - 32] : code >= 0x2E80 ? 1000 : 584;
    }
    return sum * size / 1000 * (bold ? 1.07 : 1);
}
