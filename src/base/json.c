#include "base/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

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
    *out = json_loadb(n_bytes ? text : "", n_bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
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

slk_status slk_json_print(FILE *stream, const json_t *value, slk_err *err)
{
    /* Every finite double survives 17 digits. */
    size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17);
    errno = 0;
    if (json_dumpf(value, stream, flags) == 0 && putc('\n', stream) != EOF) return SLK_OK;
    if (!ferror(stream)) return slk_fail(err, SLK_E_ARG, "a value that JSON cannot express");
    return slk_fail(err, SLK_E_IO, "cannot write JSON: %s", strerror(errno));
}
