/* Drawing SVG into a string. Elements carry classes and no colours: inside the report the page's style sheet colours
 * them (light, dark, print), in a file of its own a style sheet with fixed colours comes along (slk_svg_begin). Text is
 * escaped here; classes are ours. Coordinates are in CSS pixels, written with one decimal. */
#ifndef SLK_REPORT_SVG_H
#define SLK_REPORT_SVG_H

#include "base/mem.h"

typedef enum slk_anchor { SLK_ANCHOR_START, SLK_ANCHOR_MIDDLE, SLK_ANCHOR_END } slk_anchor;

typedef struct slk_svg {
    slk_buf b;
    double width, height;
    bool is_file;
} slk_svg;

typedef struct slk_xy {
    double x, y;
} slk_xy;

/* label: what a screen reader says, escaped. is_file: a document of its own, with fixed colours and a background. */
void slk_svg_begin(slk_svg *svg, double width, double height, bool is_file, const char *label);
void slk_svg_end(slk_svg *svg);
void slk_svg_release(slk_svg *svg);

/* The elements; class: of the style sheet, several with spaces between them. */
void slk_svg_line(slk_svg *svg, double x0, double y0, double x1, double y1, const char *class);
void slk_svg_rect(slk_svg *svg, double x, double y, double width, double height, const char *class);
/* A line through points [n]; closed: an area. */
void slk_svg_path(slk_svg *svg, const slk_xy *points, size_t n, bool closed, const char *class);
/* tooltip NULL: none. */
void slk_svg_dot(slk_svg *svg, double x, double y, double r, const char *class, const char *tooltip);
void slk_svg_diamond(slk_svg *svg, double x, double y, double r, const char *class, const char *tooltip);
void slk_svg_text(slk_svg *svg, double x, double y, slk_anchor anchor, const char *class, const char *text);
void slk_svg_textf(slk_svg *svg, double x, double y, slk_anchor anchor, const char *class, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));
void slk_svg_open(slk_svg *svg, const char *class); /* a group */
void slk_svg_close(slk_svg *svg);

/* Width of text in Helvetica or a face like it, in px. Faces differ, so leave a tenth. */
double slk_svg_text_width(const char *text, double size, bool bold);

/* The style sheet of figures with this theme's colours in place of its variables. */
void slk_svg_style(slk_buf *b);

#endif
