#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/mem.h"

/* Smallest and largest second byte that a leading byte allows; everything else is 80..BF (Unicode, table 3-7). Returns the character's length, 0: no
 * leading byte. */
static int lead(unsigned char c, unsigned char *low, unsigned char *high)
{
    *low = 0x80;
    *high = 0xBF;
    if (c < 0x80) return 1;
    if (c < 0xC2 || c > 0xF4) return 0;
    if (c == 0xE0) *low = 0xA0;
    if (c == 0xED) *high = 0x9F;
    if (c == 0xF0) *low = 0x90;
    if (c == 0xF4) *high = 0x8F;
    return c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

/* How many bytes at text begin (or are) one character: *n_expected its full length; 0 when none begins here. */
static size_t well_formed(const char *text, size_t n_bytes, int *n_expected)
{
    unsigned char low, high;
    *n_expected = 0;
    if (n_bytes == 0) return 0;
    *n_expected = lead((unsigned char)text[0], &low, &high);
    size_t n = 1;
    if (*n_expected == 0) return 0;
    for (; n < (size_t)*n_expected && n < n_bytes; n++, low = 0x80, high = 0xBF) {
        unsigned char c = (unsigned char)text[n];
        if (c < low || c > high) break;
    }
    return n;
}

int slk_utf8_decode(uint32_t *code, const char *text, size_t n_bytes)
{
    static const unsigned char mask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    int n;
    size_t found = well_formed(text, n_bytes, &n);
    if (n == 0 || found < (size_t)n) return 0;
    *code = (unsigned char)text[0] & mask[n];
    for (int i = 1; i < n; i++) *code = *code << 6 | ((unsigned char)text[i] & 0x3F);
    return n;
}

size_t slk_utf8_valid(const char *text, size_t n_bytes)
{
    size_t i = 0;
    uint32_t code;
    while (i < n_bytes) {
        int n = (unsigned char)text[i] < 0x80 ? 1 : slk_utf8_decode(&code, text + i, n_bytes - i);
        if (n == 0) break;
        i += (size_t)n;
    }
    return i;
}

int slk_utf8_encode(char out[4], uint32_t code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    int n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (int i = n - 1; i > 0; i--, code >>= 6) out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)((n == 2 ? 0xC0 : n == 3 ? 0xE0 : 0xF0) | code);
    return n;
}

size_t slk_utf8_open_tail(const char *text, size_t n_bytes)
{
    for (size_t back = 1; back <= 3 && back <= n_bytes; back++) {
        int n;
        size_t found = well_formed(text + n_bytes - back, back, &n);
        if (n > 0 && found == back && (size_t)n > back) return back;
    }
    return 0;
}

char *slk_utf8_repair(const char *text, size_t n_bytes, size_t *n_out)
{
    slk_buf b;
    slk_buf_init(&b);
    slk_buf_add(&b, "", 0);
    for (size_t i = 0; i < n_bytes;) {
        size_t valid = slk_utf8_valid(text + i, n_bytes - i);
        slk_buf_add(&b, text + i, valid);
        i += valid;
        if (i == n_bytes) break;
        int n;
        size_t broken = well_formed(text + i, n_bytes - i, &n);
        slk_buf_add(&b, "\xEF\xBF\xBD", 3);
        i += broken ? broken : 1;
    }
    if (n_out) *n_out = b.len;
    return slk_buf_take(&b);
}

static bool is_ascii(const char *text, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++) {
        if ((unsigned char)text[i] >= 0x80) return false;
    }
    return true;
}

static slk_status map_text(char **out, utf8proc_option_t options, const char *text, size_t n_bytes, slk_err *err)
{
    utf8proc_uint8_t *mapped = NULL;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)n_bytes, &mapped, options);
    if (n < 0) return slk_fail(err, n == UTF8PROC_ERROR_NOMEM ? SLK_E_MEMORY : SLK_E_FORMAT, "text: %s", utf8proc_errmsg(n));
    *out = (char *)mapped;
    return SLK_OK;
}

slk_status slk_text_normalize(char **out, slk_normal_form form, const char *text, size_t n_bytes, slk_err *err)
{
    *out = NULL;
    size_t valid = slk_utf8_valid(text, n_bytes);
    if (valid < n_bytes) return slk_fail(err, SLK_E_FORMAT, "byte %zu is not UTF-8", valid);
    if (is_ascii(text, n_bytes)) { /* every form leaves ASCII alone, but for case */
        *out = slk_strndup(text, n_bytes);
        if (!*out) return slk_fail(err, SLK_E_MEMORY, "out of memory");
        for (size_t i = 0; form == SLK_NFKC_CASEFOLD && i < n_bytes; i++) {
            if ((*out)[i] >= 'A' && (*out)[i] <= 'Z') (*out)[i] = (char)((*out)[i] + 32);
        }
        return SLK_OK;
    }
    utf8proc_option_t nfc = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    if (form == SLK_NFC) return map_text(out, nfc, text, n_bytes, err);
    utf8proc_option_t nfkc = nfc | UTF8PROC_COMPAT;
    if (form == SLK_NFKC) return map_text(out, nfkc, text, n_bytes, err);
    /* NFKC, case folding, NFKC: folding a composed text may need composing again */
    char *step1 = NULL, *step2 = NULL;
    slk_status s = map_text(&step1, nfkc, text, n_bytes, err);
    if (s == SLK_OK) s = map_text(&step2, UTF8PROC_STABLE | UTF8PROC_CASEFOLD, step1, strlen(step1), err);
    if (s == SLK_OK) s = map_text(out, nfkc, step2, strlen(step2), err);
    free(step1);
    free(step2);
    return s;
}

bool slk_char_is_punctuation(uint32_t code)
{
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)code);
    return c >= UTF8PROC_CATEGORY_PC && c <= UTF8PROC_CATEGORY_PO;
}

bool slk_char_is_space(uint32_t code)
{
    if (code < 0x80) return (code >= 9 && code <= 13) || code == 32;
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)code);
    return code == 0x85 || (c >= UTF8PROC_CATEGORY_ZS && c <= UTF8PROC_CATEGORY_ZP);
}

bool slk_char_is_mark(uint32_t code)
{
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)code);
    return c >= UTF8PROC_CATEGORY_MN && c <= UTF8PROC_CATEGORY_ME;
}

int slk_char_decompose(uint32_t out[4], uint32_t code)
{
    utf8proc_int32_t parts[16];
    int last = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)code, parts, 16, UTF8PROC_DECOMPOSE | UTF8PROC_STABLE, &last);
    if (n < 1 || n > 4) {
        out[0] = code;
        return 1;
    }
    for (int i = 0; i < n; i++) out[i] = (uint32_t)parts[i];
    return (int)n;
}

void slk_text_trim(const char *text, size_t n_bytes, size_t *begin, size_t *end)
{
    uint32_t code;
    *begin = 0;
    *end = n_bytes;
    while (*begin < *end) {
        int n = slk_utf8_decode(&code, text + *begin, *end - *begin);
        if (n == 0 || !slk_char_is_space(code)) break;
        *begin += (size_t)n;
    }
    while (*end > *begin) {
        size_t at = *end - 1;
        while (at > *begin && ((unsigned char)text[at] & 0xC0) == 0x80) at--;
        int n = slk_utf8_decode(&code, text + at, *end - at);
        if (n == 0 || at + (size_t)n != *end || !slk_char_is_space(code)) break;
        *end = at;
    }
}
