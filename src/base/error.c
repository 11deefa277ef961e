#include "base/error.h"

#include <stdio.h>
#include <string.h>

/* One line whatever the names in it: control characters become '?'. */
static void clean(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 32 || *text == 127) *text = '?';
    }
}

slk_status slk_fail(slk_err *err, slk_status code, const char *fmt, ...)
{
    if (!err) return code;
    va_list args;
    char msg[sizeof err->msg]; /* not in place: an argument may be err->msg itself */
    va_start(args, fmt);
    vsnprintf(msg, sizeof msg, fmt, args);
    va_end(args);
    clean(msg);
    memcpy(err->msg, msg, sizeof msg);
    err->code = code;
    return code;
}

slk_status slk_fail_in(slk_err *err, slk_status code, const char *fmt, ...)
{
    if (!err) return code;
    va_list args;
    char prefix[sizeof err->msg], msg[2 * sizeof err->msg + 2];
    va_start(args, fmt);
    vsnprintf(prefix, sizeof prefix, fmt, args);
    va_end(args);
    snprintf(msg, sizeof msg, "%s: %s", prefix, err->msg);
    clean(msg);
    msg[sizeof err->msg - 1] = '\0';
    memcpy(err->msg, msg, sizeof err->msg);
    return err->code;
}

const char *slk_status_name(slk_status status)
{
    static const char *const names[] = {"ok",  "io",          "format",    "shape", "memory",
                                        "arg", "unsupported", "not-found", "state", "interrupted"};
    return (size_t)status < sizeof names / sizeof names[0] ? names[status] : "unknown";
}
