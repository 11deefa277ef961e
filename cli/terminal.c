#include "terminal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utf8proc.h>

bool slk_terminal_is(FILE *stream)
{
    const char *term = getenv("TERM");
    return isatty(fileno(stream)) && term && *term && strcmp(term, "dumb") != 0;
}

bool slk_terminal_has_colour(FILE *stream)
{
    const char *no_color = getenv("NO_COLOR");
    return slk_terminal_is(stream) && !(no_color && *no_color);
}

int slk_terminal_width(FILE *stream, int otherwise)
{
    struct winsize size;
    if (isatty(fileno(stream)) && ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return otherwise;
}

/* utf8proc's widths do not depend on the locale, as wcwidth's do. */
size_t slk_text_width(const char *text, size_t n_bytes)
{
    size_t width = 0;
    for (size_t i = 0; i < n_bytes;) {
        utf8proc_int32_t code;
        utf8proc_ssize_t len =
            utf8proc_iterate((const utf8proc_uint8_t *)text + i, (utf8proc_ssize_t)(n_bytes - i), &code);
        int columns = len > 0 ? utf8proc_charwidth(code) : 1;
        width += columns > 0 ? (size_t)columns : 0;
        i += len > 0 ? (size_t)len : 1;
    }
    return width;
}

slk_shown slk_show_count(uint64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, n);
    slk_shown s;
    char *p = s.text;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) *p++ = ',';
        *p++ = digits[i];
    }
    *p = '\0';
    return s;
}

slk_shown slk_show_bytes(uint64_t n_bytes)
{
    static const char *const UNITS[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double v = (double)n_bytes;
    size_t unit = 0;
    while (v >= 999.5 && unit + 1 < sizeof UNITS / sizeof *UNITS) v /= 1000, unit++;
    slk_shown s;
    snprintf(s.text, sizeof s.text, unit > 0 && v < 9.95 ? "%.1f %s" : "%.0f %s", v, UNITS[unit]);
    return s;
}

slk_shown slk_show_time(double seconds)
{
    slk_shown s;
    if (!(seconds < 1e9)) {
        snprintf(s.text, sizeof s.text, "years");
        return s;
    }
    long t = (long)(seconds + 0.5);
    if (t < 60)
        snprintf(s.text, sizeof s.text, "%ld s", t);
    else if (t < 3600)
        snprintf(s.text, sizeof s.text, "%ld min %02ld s", t / 60, t % 60);
    else if (t < 86400)
        snprintf(s.text, sizeof s.text, "%ld h %02ld min", t / 3600, t / 60 % 60);
    else
        snprintf(s.text, sizeof s.text, "%ld d %ld h", t / 86400, t / 3600 % 24);
    return s;
}
