/* Treats any bytes as text: decoding, repair, trimming and normal forms hold their promises for all of them. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* Characters and valid prefix agree, and an encoded character gives its own bytes back. */
static void check_decode(const char *text, size_t n_bytes)
{
    size_t at = 0;
    uint32_t code;
    char bytes[4];
    for (int used; (used = slk_utf8_decode(&code, text + at, n_bytes - at)) > 0; at += (size_t)used) {
        if (slk_utf8_encode(bytes, code) != used || memcmp(bytes, text + at, (size_t)used) != 0) abort();
        if (slk_char_is_space(code) + slk_char_is_mark(code) + slk_char_is_punctuation(code) > 1) abort();
    }
    if (at != slk_utf8_valid(text, n_bytes)) abort();
    size_t open = slk_utf8_open_tail(text, n_bytes);
    if (open > 3 || open > n_bytes) abort();
    if (open && at == n_bytes) abort();
}

static void check_trim(const char *text, size_t n_bytes)
{
    size_t begin, end, again_begin, again_end;
    slk_text_trim(text, n_bytes, &begin, &end);
    if (begin > end || end > n_bytes) abort();
    slk_text_trim(text + begin, end - begin, &again_begin, &again_end);
    if (again_begin != 0 || again_end != end - begin) abort();
}

/* Invalid text is refused; what comes out for valid text is valid and stays as it is when normalised again. */
static void check_forms(const char *text, size_t n_bytes, int valid)
{
    for (int form = SLK_NFC; form <= SLK_NFKC_CASEFOLD; form++) {
        char *once = NULL, *twice = NULL;
        slk_err err = {0};
        slk_status status = slk_text_normalize(&once, (slk_normal_form)form, text, n_bytes, &err);
        if (!valid) {
            if (status != SLK_E_FORMAT || once || err.code != status) abort();
            continue;
        }
        if (status || slk_utf8_valid(once, strlen(once)) != strlen(once)) abort();
        if (slk_text_normalize(&twice, (slk_normal_form)form, once, strlen(once), NULL)) abort();
        if (strcmp(once, twice) != 0) abort();
        free(once);
        free(twice);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    const char *text = (const char *)data;
    int valid = slk_utf8_valid(text, n_bytes) == n_bytes;
    check_decode(text, n_bytes);
    check_trim(text, n_bytes);
    check_forms(text, n_bytes, valid);
    size_t n;
    char *repaired = slk_utf8_repair(text, n_bytes, &n);
    if (!repaired || slk_utf8_valid(repaired, n) != n) abort();
    if (valid && (n != n_bytes || memcmp(repaired, text, n) != 0)) abort();
    check_decode(repaired, n);
    check_forms(repaired, n, 1);
    free(repaired);
    return 0;
}
