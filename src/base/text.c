#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/mem.h"

/* What stands at the beginning of some bytes: a whole character; one that the end cuts off; or bytes that begin none.
 * n_bytes is the character's length, or that of the longest piece that could have begun one (at least 1): the Unicode
 * standard's "maximal subpart" (table 3-7 and section 3.9), which is what decoders replace by one U+FFFD. */
typedef enum utf8_kind { UTF8_WHOLE, UTF8_CUT, UTF8_BROKEN } utf8_kind;

typedef struct utf8_piece {
    utf8_kind kind;
    int n_bytes;
    uint32_t code; /* of a whole one */
} utf8_piece;

/* Length that a first byte announces (0: it cannot be first), and the range of the second byte, which is where
 * overlong forms, surrogates and what lies above U+10FFFF are recognised. */
static int utf8_lead(uint8_t lead, uint8_t *low, uint8_t *high)
{
    *low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    *high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (lead < 0x80) return 1;
    if (lead < 0xC2) return 0;
    if (lead < 0xE0) return 2;
    if (lead < 0xF0) return 3;
    return lead < 0xF5 ? 4 : 0;
}

/* n_bytes >= 1. */
static utf8_piece utf8_scan(const uint8_t *s, size_t n_bytes)
{
    static const uint8_t lead_bits[5] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint8_t low, high;
    int n = utf8_lead(s[0], &low, &high);
    if (n == 0) return (utf8_piece){UTF8_BROKEN, 1, 0};
    uint32_t code = s[0] & lead_bits[n];
    for (int i = 1; i < n; i++) {
        if ((size_t)i == n_bytes) return (utf8_piece){UTF8_CUT, i, 0};
        if (s[i] < low || s[i] > high) return (utf8_piece){UTF8_BROKEN, i, 0};
        code = code << 6 | (s[i] & 0x3F);
        low = 0x80;
        high = 0xBF;
    }
    return (utf8_piece){UTF8_WHOLE, n, code};
}

size_t slk_utf8_valid(const char *text, size_t n_bytes)
{
    const uint8_t *s = (const uint8_t *)text;
    size_t at = 0;
    while (at < n_bytes) {
        utf8_piece piece = utf8_scan(s + at, n_bytes - at);
        if (piece.kind != UTF8_WHOLE) break;
        at += (size_t)piece.n_bytes;
    }
    return at;
}

int slk_utf8_decode(uint32_t *code, const char *text, size_t n_bytes)
{
    *code = 0;
    if (n_bytes == 0) return 0;
    utf8_piece piece = utf8_scan((const uint8_t *)text, n_bytes);
    if (piece.kind != UTF8_WHOLE) return 0;
    *code = piece.code;
    return piece.n_bytes;
}

int slk_utf8_encode(char out[4], uint32_t code)
{
    uint8_t *o = (uint8_t *)out;
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) code = 0xFFFD;
    if (code < 0x80) {
        o[0] = (uint8_t)code;
        return 1;
    }
    int n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (int i = n - 1; i > 0; i--, code >>= 6) o[i] = (uint8_t)(0x80 | (code & 0x3F));
    o[0] = (uint8_t)(0xF00 >> n | code);
    return n;
}

size_t slk_utf8_open_tail(const char *text, size_t n_bytes)
{
    const uint8_t *s = (const uint8_t *)text;
    for (size_t n = 1; n <= 3 && n <= n_bytes; n++) {
        if ((s[n_bytes - n] & 0xC0) == 0x80) continue; /* a later byte of a character: its first one stands before */
        return utf8_scan(s + n_bytes - n, n).kind == UTF8_CUT ? n : 0;
    }
    return 0;
}

char *slk_utf8_repair(const char *text, size_t n_bytes, size_t *n_out)
{
    const uint8_t *s = (const uint8_t *)text;
    slk_buf out;
    slk_buf_init(&out);
    for (size_t at = 0; at < n_bytes;) {
        size_t n_valid = slk_utf8_valid(text + at, n_bytes - at);
        slk_buf_add(&out, text + at, n_valid);
        at += n_valid;
        if (at == n_bytes) break;
        slk_buf_add(&out, "\xEF\xBF\xBD", 3);
        at += (size_t)utf8_scan(s + at, n_bytes - at).n_bytes;
    }
    if (n_out) *n_out = out.failed ? 0 : out.len;
    return slk_buf_take(&out);
}

/* --- normal forms ------------------------------------------------------------------------------------------------ */

/* A copy with U+FFFD for every U+0000: a C string cannot hold that, and ending the text there would make different
 * texts equal. NULL: out of memory. */
static char *replace_nul(const char *text, size_t n_bytes, size_t *n_out)
{
    slk_buf out;
    slk_buf_init(&out);
    for (size_t at = 0; at < n_bytes;) {
        const char *nul = memchr(text + at, 0, n_bytes - at);
        size_t n = nul ? (size_t)(nul - text) - at : n_bytes - at;
        slk_buf_add(&out, text + at, n);
        if (nul) slk_buf_add(&out, "\xEF\xBF\xBD", 3);
        at += n + (nul ? 1 : 0);
    }
    *n_out = out.len;
    return slk_buf_take(&out);
}

static bool is_plain_ascii(const char *text, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++) {
        if ((uint8_t)text[i] - 1u >= 0x7F) return false; /* NUL or not ASCII */
    }
    return true;
}

/* Every form leaves ASCII alone but for case. It is most of the text there is, so it goes by a short way. */
static slk_status normalize_ascii(char **out, slk_normal_form form, const char *text, size_t n_bytes, slk_err *err)
{
    char *copy = slk_strndup(text, n_bytes);
    if (!copy) return slk_fail(err, SLK_E_MEMORY, "out of memory for a text of %zu bytes", n_bytes);
    for (size_t i = 0; form == SLK_NFKC_CASEFOLD && i < n_bytes; i++) {
        if (copy[i] >= 'A' && copy[i] <= 'Z') copy[i] = (char)(copy[i] + ('a' - 'A'));
    }
    *out = copy;
    return SLK_OK;
}

static slk_status map_text(char **out, size_t *n_out, const char *text, size_t n_bytes, int options, slk_err *err)
{
    utf8proc_uint8_t *mapped;
    utf8proc_ssize_t n =
        utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)n_bytes, &mapped, (utf8proc_option_t)options);
    *out = n < 0 ? NULL : (char *)mapped;
    *n_out = n < 0 ? 0 : (size_t)n;
    if (n >= 0) return SLK_OK;
    slk_status code = n == UTF8PROC_ERROR_NOMEM || n == UTF8PROC_ERROR_OVERFLOW ? SLK_E_MEMORY : SLK_E_FORMAT;
    return slk_fail(err, code, "text of %zu bytes cannot be normalised: %s", n_bytes, utf8proc_errmsg(n));
}

/* text without U+0000. */
static slk_status normalize_unicode(char **out, slk_normal_form form, const char *text, size_t n_bytes, slk_err *err)
{
    const int nfc = UTF8PROC_STABLE | UTF8PROC_COMPOSE, nfkc = nfc | UTF8PROC_COMPAT;
    size_t n_mapped, n_folded;
    slk_status status = map_text(out, &n_mapped, text, n_bytes, form == SLK_NFC ? nfc : nfkc, err);
    if (status || form != SLK_NFKC_CASEFOLD) return status;
    char *mapped = *out, *folded;
    *out = NULL;
    status = map_text(&folded, &n_folded, mapped, n_mapped, UTF8PROC_STABLE | UTF8PROC_CASEFOLD, err);
    if (status == SLK_OK) status = map_text(out, &n_mapped, folded, n_folded, nfkc, err);
    free(mapped);
    free(folded);
    return status;
}

slk_status slk_text_normalize(char **out, slk_normal_form form, const char *text, size_t n_bytes, slk_err *err)
{
    *out = NULL;
    if (is_plain_ascii(text, n_bytes)) return normalize_ascii(out, form, text, n_bytes, err);
    size_t n_valid = slk_utf8_valid(text, n_bytes);
    if (n_valid < n_bytes)
        return slk_fail(err, SLK_E_FORMAT, "invalid UTF-8 at byte %zu (0x%02X)", n_valid, (uint8_t)text[n_valid]);
    if (!memchr(text, 0, n_bytes)) return normalize_unicode(out, form, text, n_bytes, err);
    size_t n_clean;
    char *clean = replace_nul(text, n_bytes, &n_clean);
    if (!clean) return slk_fail(err, SLK_E_MEMORY, "out of memory for a text of %zu bytes", n_bytes);
    slk_status status = normalize_unicode(out, form, clean, n_clean, err);
    free(clean);
    return status;
}

/* --- characters -------------------------------------------------------------------------------------------------- */

bool slk_char_is_punctuation(uint32_t code)
{
    if (code > 0x10FFFF) return false;
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)code);
    return c >= UTF8PROC_CATEGORY_PC && c <= UTF8PROC_CATEGORY_PO;
}

bool slk_char_is_space(uint32_t code)
{
    if (code < 0x80) return code == ' ' || (code >= 9 && code <= 13);
    if (code == 0x85) return true;
    if (code > 0x10FFFF) return false;
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)code);
    return c >= UTF8PROC_CATEGORY_ZS && c <= UTF8PROC_CATEGORY_ZP;
}

bool slk_char_is_mark(uint32_t code)
{
    if (code > 0x10FFFF) return false;
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)code);
    return c >= UTF8PROC_CATEGORY_MN && c <= UTF8PROC_CATEGORY_ME;
}

int slk_char_decompose(uint32_t out[4], uint32_t code)
{
    /* Canonical decompositions have four characters at most (Unicode stability policy), but the library is asked with
     * room to spare, so that an answer it could not finish is seen. */
    utf8proc_int32_t parts[16];
    int last_class = 0;
    utf8proc_ssize_t n = 0;
    if (code <= 0x10FFFF)
        n = utf8proc_decompose_char((utf8proc_int32_t)code, parts, 16, UTF8PROC_DECOMPOSE | UTF8PROC_STABLE,
                                    &last_class);
    if (n < 1 || n > 4) {
        out[0] = code;
        return 1;
    }
    for (utf8proc_ssize_t i = 0; i < n; i++) out[i] = (uint32_t)parts[i];
    return (int)n;
}

/* Where the character that ends at `end` begins (a broken byte counts as one). */
static size_t char_before(const char *text, size_t end)
{
    size_t at = end - 1;
    while (at > 0 && end - at < 4 && ((uint8_t)text[at] & 0xC0) == 0x80) at--;
    uint32_t code;
    return slk_utf8_decode(&code, text + at, end - at) == (int)(end - at) ? at : end - 1;
}

void slk_text_trim(const char *text, size_t n_bytes, size_t *begin, size_t *end)
{
    size_t first = 0, last = n_bytes;
    uint32_t code;
    while (first < last) {
        int used = slk_utf8_decode(&code, text + first, last - first);
        if (used == 0 || !slk_char_is_space(code)) break;
        first += (size_t)used;
    }
    while (last > first) {
        size_t at = char_before(text, last);
        if (slk_utf8_decode(&code, text + at, last - at) == 0 || !slk_char_is_space(code)) break;
        last = at;
    }
    *begin = first;
    *end = last;
}
