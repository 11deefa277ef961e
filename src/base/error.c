#define SLK_ERROR_IMPLEMENTATION
#include "base/error.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Is this character able to split a line, or to steer a terminal? */
static bool breaks_line(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x2028 || code == 0x2029;
}

/* Make text one printable line of valid UTF-8, in place; it never grows. */
static void clean_line(char *text)
{
    size_t n = strlen(text), from = 0, to = 0;
    /* vsnprintf may have cut the last character in two: drop the half, it is no news to anyone. */
    n -= slk_utf8_open_tail(text, n);
    while (from < n) {
        uint32_t code;
        int used = slk_utf8_decode(&code, text + from, n - from);
        if (used == 0 || breaks_line(code)) {
            text[to++] = '?';
            from += used ? (size_t)used : 1;
        } else {
            memmove(text + to, text + from, (size_t)used);
            to += (size_t)used;
            from += (size_t)used;
        }
    }
    text[to] = '\0';
}

/* The message is put together aside, because an argument may point into err->msg itself. */
static void format_line(char *out, size_t size, const char *fmt, va_list args)
{
    if (vsnprintf(out, size, fmt, args) < 0) snprintf(out, size, "(message could not be formatted)");
    clean_line(out);
}

slk_status slk_fail(slk_err *err, slk_status code, const char *fmt, ...)
{
    if (!err) return code;
    char line[sizeof err->msg];
    va_list args;
    va_start(args, fmt);
    format_line(line, sizeof line, fmt, args);
    va_end(args);
    memcpy(err->msg, line, strlen(line) + 1);
    err->code = code;
    return code;
}

slk_status slk_fail_in(slk_err *err, slk_status code, const char *fmt, ...)
{
    if (!err) return code;
    char line[sizeof err->msg];
    va_list args;
    va_start(args, fmt);
    format_line(line, sizeof line, fmt, args);
    va_end(args);
    size_t n = strlen(line);
    for (const char *s = ": "; *s && n + 1 < sizeof line; s++) line[n++] = *s;
    for (const char *s = err->msg; *s && n + 1 < sizeof line; s++) line[n++] = *s;
    line[n] = '\0';
    clean_line(line);
    memcpy(err->msg, line, strlen(line) + 1);
    if (err->code == SLK_OK) err->code = code;
    return err->code;
}

const char *slk_status_name(slk_status status)
{
    switch (status) {
    case SLK_OK:
        return "ok";
    case SLK_E_IO:
        return "io";
    case SLK_E_FORMAT:
        return "format";
    case SLK_E_SHAPE:
        return "shape";
    case SLK_E_MEMORY:
        return "memory";
    case SLK_E_ARG:
        return "arg";
    case SLK_E_UNSUPPORTED:
        return "unsupported";
    case SLK_E_NOT_FOUND:
        return "not-found";
    case SLK_E_STATE:
        return "state";
    case SLK_E_INTERRUPTED:
        return "interrupted";
    }
    return "unknown";
}
