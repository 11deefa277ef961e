#include "base/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

slk_status slk_json_parse(json_t **out, const char *text, size_t n_bytes, const char *name, long first_line, slk_err *err)
{
    json_error_t e;
    *out = json_loadb(text, n_bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    if (*out) return SLK_OK;
    bool memory = json_error_code(&e) == json_error_out_of_memory;
    return slk_fail(err, memory ? SLK_E_MEMORY : SLK_E_FORMAT, "%s:%ld: %s", name, first_line + (e.line > 0 ? e.line - 1 : 0), e.text);
}

slk_status slk_json_read(json_t **out, const char *path, slk_err *err)
{
    char *text;
    size_t n;
    *out = NULL;
    slk_status s = slk_file_read(&text, &n, path, err);
    if (s != SLK_OK) return s;
    s = slk_json_parse(out, text, n, path, 1, err);
    free(text);
    return s;
}

slk_status slk_json_print(FILE *stream, const json_t *value, slk_err *err)
{
    errno = 0;
    if (json_dumpf(value, stream, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17)) != 0 || fputc('\n', stream) == EOF) {
        return slk_fail(err, SLK_E_IO, "output: %s", strerror(errno ? errno : EIO));
    }
    return SLK_OK;
}
