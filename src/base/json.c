#include "base/json.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

/* A copy in which integers of 19 digits and more, which may not fit 64 bits, are written as real numbers (1..9e0), and
 * everything else, lines included, stays. NULL: out of memory. */
static char *widen_integers(const char *text, size_t n_bytes, size_t *n_out)
{
    slk_buf out;
    slk_buf_init(&out);
    bool in_string = false;
    for (size_t i = 0; i < n_bytes;) {
        size_t begin = i;
        bool number = !in_string && ((text[i] >= '0' && text[i] <= '9') || text[i] == '-');
        if (number) {
            while (i < n_bytes && strchr("+-.0123456789eE", text[i]) && text[i]) i++;
        } else {
            if (text[i] == '"') in_string = !in_string;
            i += in_string && text[i] == '\\' && i + 1 < n_bytes ? 2 : 1;
        }
        slk_buf_add(&out, text + begin, i - begin);
        size_t k = begin + (text[begin] == '-');
        bool is_long = number && i - k >= 19;
        while (is_long && k < i && text[k] >= '0' && text[k] <= '9') k++;
        if (is_long && k == i) slk_buf_add_str(&out, "e0");
    }
    *n_out = out.len;
    return slk_buf_take(&out);
}

static json_t *load(const char *text, size_t n_bytes, json_error_t *e)
{
    return json_loadb(n_bytes ? text : "", n_bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, e);
}

slk_status slk_json_parse(json_t **out, const char *text, size_t n_bytes, const char *name, long first_line,
                          slk_err *err)
{
    *out = NULL;
    /* Files saved on Windows may open with a byte order mark, which is no part of the value. */
    if (first_line <= 1 && n_bytes >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        n_bytes -= 3;
    }
    json_error_t e;
    *out = load(text, n_bytes, &e);
    if (!*out && json_error_code(&e) == json_error_numeric_overflow) {
        /* Transformers writes "model_max_length": 1000000000000000019884624838656 */
        size_t n_wide;
        char *wide = widen_integers(text, n_bytes, &n_wide);
        if (!wide) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", name);
        *out = load(wide, n_wide, &e);
        free(wide);
    }
    if (*out) return SLK_OK;
    slk_status code = json_error_code(&e) == json_error_out_of_memory ? SLK_E_MEMORY : SLK_E_FORMAT;
    long line = first_line + (e.line > 0 ? e.line - 1 : 0);
    return slk_fail(err, code, "%s:%ld: not valid JSON: %s", name, line, e.text);
}

slk_status slk_json_read(json_t **out, const char *path, slk_err *err)
{
    *out = NULL;
    char *text;
    size_t n_bytes;
    slk_status status = slk_file_read(&text, &n_bytes, path, err);
    if (status) return status;
    status = slk_json_parse(out, text, n_bytes, path, 1, err);
    free(text);
    return status;
}

/* The shortest digits that read back as the same number: 0.3 rather than 0.29999999999999999. */
static bool print_real(FILE *stream, double value)
{
    char text[32];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    if (!strpbrk(text, ".e")) strcat(text, ".0"); /* stays a real number for readers that tell it from an integer */
    return fputs(text, stream) >= 0;
}

static bool print_value(FILE *stream, const json_t *value);

static bool print_array(FILE *stream, const json_t *array)
{
    bool ok = putc('[', stream) != EOF;
    for (size_t i = 0; i < json_array_size(array) && ok; i++) {
        if (i > 0) ok = putc(',', stream) != EOF;
        ok = ok && print_value(stream, json_array_get(array, i));
    }
    return ok && putc(']', stream) != EOF;
}

static bool print_object(FILE *stream, const json_t *object)
{
    json_t *o = (json_t *)(uintptr_t)object; /* iterators want it writable and leave it alone */
    bool ok = putc('{', stream) != EOF, is_first = true;
    for (void *i = json_object_iter(o); i && ok; i = json_object_iter_next(o, i)) {
        json_t *key = json_string(json_object_iter_key(i));
        ok = key && (is_first || putc(',', stream) != EOF) && print_value(stream, key) && putc(':', stream) != EOF;
        json_decref(key);
        ok = ok && print_value(stream, json_object_iter_value(i));
        is_first = false;
    }
    return ok && putc('}', stream) != EOF;
}

static bool print_value(FILE *stream, const json_t *value)
{
    if (json_is_array(value)) return print_array(stream, value);
    if (json_is_object(value)) return print_object(stream, value);
    if (json_is_real(value)) return print_real(stream, json_real_value(value));
    return json_dumpf(value, stream, JSON_COMPACT | JSON_ENCODE_ANY) == 0;
}

slk_status slk_json_print(FILE *stream, const json_t *value, slk_err *err)
{
    errno = 0;
    if (print_value(stream, value) && putc('\n', stream) != EOF) return SLK_OK;
    if (!ferror(stream)) return slk_fail(err, SLK_E_ARG, "a value that JSON cannot express");
    return slk_fail(err, SLK_E_IO, "cannot write JSON: %s", strerror(errno));
}
