/* Errors. Every function that can fail returns an slk_status and, where the caller passed an slk_err, one line that
 * names the file, the line or tensor, what was expected and what was found. The result comes first among the
 * arguments, the error last:
 *
 *     slk_status slk_x_open(slk_x **out, const char *path, slk_err *err);
 *
 * On failure *out is NULL and nothing is left behind. `err` may always be NULL. */
#ifndef SLK_BASE_ERROR_H
#define SLK_BASE_ERROR_H

#include <stdarg.h>
#include "slick.h" /* slk_status, slk_err, slk_status_name: part of the public API, and defined only there */

/* Write `code` and the formatted message into err (when not NULL) and return code, so that a failure is one statement:
 * `return slk_fail(err, SLK_E_FORMAT, "%s: tensor %s: ...", path, name);`. Control characters in the message become
 * '?', so that hostile names cannot split the line. Too long a message is cut. */
slk_status slk_fail(slk_err *err, slk_status code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Show the static analyser, which reads one file at a time, that a failure is never SLK_OK: without it every output of
 * a function that failed counts as possibly used. error.c, which defines the function, opts out. */
#if defined(__clang_analyzer__) && !defined(SLK_ERROR_IMPLEMENTATION)
#define slk_fail(err, code, ...) (slk_fail(err, code, __VA_ARGS__), (code))
#endif

/* Put "<prefix>: " before the message that err holds; returns err's code (code when err is NULL). */
slk_status slk_fail_in(slk_err *err, slk_status code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
