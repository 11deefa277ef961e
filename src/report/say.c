#include "report/say.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MINUS "\xE2\x88\x92"

/* |value| rounded, and whether what is left of it is negative. */
static bool is_negative(double value, int digits)
{
    return value < 0 && round(-value * pow(10, digits)) > 0;
}

static slk_said say(double value, int digits, const char *plus)
{
    slk_said s;
    if (!isfinite(value)) {
        snprintf(s.text, sizeof s.text, "%s",
                 isnan(value) ? "\xE2\x80\x93"
                 : value < 0  ? MINUS "\xE2\x88\x9E"
                              : "\xE2\x88\x9E");
        return s;
    }
    bool negative = is_negative(value, digits);
    bool zero = !negative && round(value * pow(10, digits)) <= 0;
    snprintf(s.text, sizeof s.text, "%s%.*f", negative ? MINUS : zero ? "" : plus, digits, zero ? 0.0 : fabs(value));
    return s;
}

slk_said slk_say(double value, int digits)
{
    return say(value, digits, "");
}

slk_said slk_say_signed(double value, int digits)
{
    return say(value, digits, "+");
}

slk_said slk_say_interval(double low, double high, int digits, bool with_sign)
{
    slk_said s = {""};
    if (isnan(low) || isnan(high)) return s;
    snprintf(s.text, sizeof s.text, "%.20s to %.20s", say(low, digits, with_sign ? "+" : "").text,
             say(high, digits, with_sign ? "+" : "").text);
    return s;
}

slk_said slk_say_count(uint64_t n)
{
    slk_said s;
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, n), k = 0;
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0) s.text[k++] = ',';
        s.text[k++] = digits[i];
    }
    s.text[k] = 0;
    return s;
}

slk_said slk_say_lr(double lr)
{
    slk_said s;
    snprintf(s.text, sizeof s.text, "%g", lr);
    return s;
}

const char *slk_say_mark(double p)
{
    return p < 0.01 ? "**" : p < 0.05 ? "*" : "";
}
