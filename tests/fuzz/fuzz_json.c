/* Parses any bytes as JSON. What parses can be printed on one line, and that line reads back as the same value. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

/* An error is one line of text that begins with the place. */
static void check_error(const slk_err *err, slk_status status)
{
    size_t n = strlen(err->msg);
    if (status != SLK_E_FORMAT || err->code != status) abort();
    if (strncmp(err->msg, "fuzz.jsonl:", 11) != 0 || atol(err->msg + 11) < 7) abort();
    if (slk_utf8_valid(err->msg, n) != n || strchr(err->msg, '\n')) abort();
}

static void check_round_trip(const json_t *value)
{
    char *text = NULL;
    size_t n = 0;
    FILE *stream = open_memstream(&text, &n);
    if (!stream || slk_json_print(stream, value, NULL) || fclose(stream)) abort();
    if (n < 2 || memchr(text, '\n', n) != text + n - 1) abort();
    json_t *back;
    if (slk_json_parse(&back, text, n, "printed", 1, NULL) || !json_equal(value, back)) abort();
    json_decref(back);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    json_t *value;
    slk_err err = {0};
    slk_status status = slk_json_parse(&value, (const char *)data, n_bytes, "fuzz.jsonl", 7, &err);
    if (status) {
        if (value) abort();
        check_error(&err, status);
        return 0;
    }
    check_round_trip(value);
    json_decref(value);
    return 0;
}
