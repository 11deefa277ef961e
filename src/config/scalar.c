#include "config/scalar.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* strtod alone takes hexadecimal, "inf", "nan" and white space. */
static bool parse_number(double *out, const char *text)
{
    char *end;
    if (!*text || text[strspn(text, "0123456789+-.eE")]) return false;
    *out = strtod(text, &end);
    return *end == 0 && isfinite(*out);
}

static bool parse_whole(int64_t *out, const char *text)
{
    if (!*text || text[strspn(text, "0123456789")]) return false;
    errno = 0;
    *out = strtoll(text, NULL, 10);
    return errno == 0;
}

bool slk_scalar_int(int64_t *out, const slk_yaml *node, double min, double max)
{
    return node->kind == SLK_YAML_SCALAR && !node->quoted && parse_whole(out, node->text) && (double)*out >= min &&
           (double)*out <= max;
}

bool slk_scalar_real(double *out, const slk_yaml *node, double min, double max)
{
    return node->kind == SLK_YAML_SCALAR && !node->quoted && parse_number(out, node->text) && *out >= min &&
           *out <= max;
}

bool slk_scalar_is_choice(const char *choices, const char *text)
{
    size_t n = strlen(text);
    for (const char *at = choices; n && at && !strchr(text, '|'); at = strchr(at, '|')) {
        if (*at == '|') at++;
        if (strncmp(at, text, n) == 0 && (at[n] == '|' || at[n] == 0)) return true;
    }
    return false;
}
