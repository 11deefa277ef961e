#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- numbers ---------------------------------------------------------------------------------------------------- */

/* strtoll and strtod skip white space, strtod takes hexadecimal, "inf", "nan": name the characters that may occur. */
static bool has_only(const char *text, const char *allowed)
{
    return *text && text[strspn(text, allowed)] == '\0';
}

bool slk_parse_i64(const char *text, int64_t *out)
{
    if (!has_only(text + (*text == '-'), "0123456789")) return false;
    errno = 0;
    *out = strtoll(text, NULL, 10);
    return errno == 0;
}

bool slk_parse_u64(const char *text, uint64_t *out)
{
    if (!has_only(text, "0123456789")) return false;
    errno = 0;
    *out = strtoull(text, NULL, 10);
    return errno == 0;
}

bool slk_parse_real(const char *text, double *out)
{
    if (!has_only(text, "0123456789+-.eE")) return false;
    char *end;
    *out = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*out);
}

/* --- tables ----------------------------------------------------------------------------------------------------- */

const slk_option *slk_options_find(const slk_option *const *tables, const char *name)
{
    for (; *tables; tables++) {
        for (const slk_option *o = *tables; o->type != SLK_OPTION_END; o++) {
            if (strcmp(o->name, name) == 0) return o;
        }
    }
    return NULL;
}

static const slk_option *find_letter(const slk_option *const *tables, char letter)
{
    for (; *tables; tables++) {
        for (const slk_option *o = *tables; o->type != SLK_OPTION_END; o++) {
            if (o->letter == letter) return o;
        }
    }
    return NULL;
}

static const char *guess_option(const slk_option *const *tables, const char *name)
{
    const char *guess = NULL;
    unsigned best = 99;
    for (; *tables; tables++) {
        for (const slk_option *o = *tables; o->type != SLK_OPTION_END; o++) {
            if (slk_is_near(name, o->name, &best)) guess = o->name;
        }
    }
    return guess;
}

static bool is_choice(const char *choices, const char *text)
{
    size_t n = strlen(text);
    for (const char *p = choices;; p++) {
        size_t len = strcspn(p, "|");
        if (len == n && memcmp(p, text, n) == 0) return true;
        p += len;
        if (!*p) return false;
    }
}

static slk_status add_words(slk_list *list, const char *name, const char *text, slk_err *err)
{
    for (const char *p = text;; p++) {
        size_t len = strcspn(p, ",");
        if (len == 0) return slk_fail(err, SLK_E_ARG, "--%s '%s': a word of the list is empty", name, text);
        if (!slk_grow(&list->items, &list->cap, list->n + 1, sizeof *list->items))
            return slk_fail(err, SLK_E_MEMORY, "out of memory");
        if (!(list->items[list->n] = slk_strndup(p, len))) return slk_fail(err, SLK_E_MEMORY, "out of memory");
        list->n++;
        p += len;
        if (!*p) return SLK_OK;
    }
}

static slk_status set_int(const slk_option *o, const char *text, slk_err *err)
{
    int64_t v;
    if (!slk_parse_i64(text, &v) || (double)v < o->min || (double)v > o->max)
        return slk_fail(err, SLK_E_ARG, "--%s '%s': expected a whole number from %.0f to %.0f", o->name, text, o->min,
                        o->max);
    *o->into.integer = v;
    return SLK_OK;
}

static slk_status set_real(const slk_option *o, const char *text, slk_err *err)
{
    double v;
    if (!slk_parse_real(text, &v) || v < o->min || v > o->max)
        return slk_fail(err, SLK_E_ARG, "--%s '%s': expected a number from %g to %g", o->name, text, o->min, o->max);
    *o->into.real = v;
    return SLK_OK;
}

static slk_status set_value(const slk_option *o, const char *text, slk_err *err)
{
    if (!*text) return slk_fail(err, SLK_E_ARG, "--%s: the value is empty, expected %s", o->name, o->value);
    switch (o->type) {
    case SLK_OPTION_INT:
        return set_int(o, text, err);
    case SLK_OPTION_REAL:
        return set_real(o, text, err);
    case SLK_OPTION_U64:
        if (!slk_parse_u64(text, o->into.u64))
            return slk_fail(err, SLK_E_ARG, "--%s '%s': expected a whole number from 0 to 2^64 - 1", o->name, text);
        return SLK_OK;
    case SLK_OPTION_CHOICE:
        if (!is_choice(o->value, text))
            return slk_fail(err, SLK_E_ARG, "--%s '%s': expected %s", o->name, text, o->value);
        *o->into.str = text;
        return SLK_OK;
    case SLK_OPTION_STR:
        *o->into.str = text;
        return SLK_OK;
    case SLK_OPTION_LIST:
        return add_words(o->into.list, o->name, text, err);
    case SLK_OPTION_FLAG:
    case SLK_OPTION_END:
        break;
    }
    return slk_fail(err, SLK_E_ARG, "--%s takes no value", o->name);
}

slk_status slk_options_init(const slk_option *table, slk_err *err)
{
    for (const slk_option *o = table; o->type != SLK_OPTION_END; o++) {
        if (o->type == SLK_OPTION_FLAG) *o->into.flag = false;
        if (!o->init) continue;
        slk_status status = set_value(o, o->init, err);
        if (status) return status;
    }
    return SLK_OK;
}

static slk_status unknown_option(const slk_option *const *tables, const char *typed, const char *name, slk_err *err)
{
    const char *guess = guess_option(tables, name);
    if (guess) return slk_fail(err, SLK_E_ARG, "unknown option %s (did you mean --%s?)", typed, guess);
    return slk_fail(err, SLK_E_ARG, "unknown option %s", typed);
}

/* Which option argv[i] names; *value is what stands behind '=', or NULL. */
static slk_status find_typed(const slk_option *const *tables, const char *typed, const slk_option **out,
                             const char **value, slk_err *err)
{
    *value = NULL;
    if (typed[1] != '-') { /* -x: one letter, nothing joined to it */
        if (typed[2] == '\0' && (*out = find_letter(tables, typed[1]))) return SLK_OK;
        return unknown_option(tables, typed, typed + 1, err);
    }
    char name[64] = "";
    size_t len = strcspn(typed + 2, "=");
    if (len < sizeof name) memcpy(name, typed + 2, len), name[len] = '\0';
    if (typed[2 + len] == '=') *value = typed + 2 + len + 1;
    if (len < sizeof name && (*out = slk_options_find(tables, name))) return SLK_OK;
    char shown[64];
    size_t n_shown = len + 2 < sizeof shown ? len + 2 : sizeof shown - 1;
    memcpy(shown, typed, n_shown);
    shown[n_shown] = '\0';
    return unknown_option(tables, shown, name, err);
}

slk_status slk_options_parse(const slk_option *const *tables, int argc, char **argv, int *i, const slk_option **used,
                             slk_err *err)
{
    const slk_option *o = NULL;
    const char *value;
    slk_status status = find_typed(tables, argv[*i], &o, &value, err);
    if (status) return status;
    *used = o;
    ++*i;
    if (o->type == SLK_OPTION_FLAG) {
        if (value) return slk_fail(err, SLK_E_ARG, "--%s takes no value", o->name);
        *o->into.flag = true;
        return SLK_OK;
    }
    if (!value) {
        if (*i >= argc) return slk_fail(err, SLK_E_ARG, "--%s needs a value: %s", o->name, o->value);
        value = argv[(*i)++];
        if (strncmp(value, "--", 2) == 0 && value[2])
            return slk_fail(err, SLK_E_ARG, "--%s needs a value: %s, found %s (a value like that is written --%s=%s)",
                            o->name, o->value, value, o->name, value);
    }
    return set_value(o, value, err);
}
