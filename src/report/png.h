/* PNG files from SVG by rsvg-convert (Debian: librsvg2-bin), a process of its own. */
#ifndef SLK_REPORT_PNG_H
#define SLK_REPORT_PNG_H

#include <stdbool.h>
#include "base/error.h"

/* Draw the SVG file at `svg` as `png`, twice its size. *found false (and SLK_OK): rsvg-convert is not there.
 * environment: of the process; NULL: an empty one. Errors: SLK_E_IO (it failed). */
slk_status slk_png_from_svg(const char *svg, const char *png, char *const *environment, bool *found, slk_err *err);

#endif
