#include "know/match_form.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"

enum { PUNCTUATION = 1, SPACE = 2, OPEN = 4 };

/* What the general functions say about ASCII: category P, white space, and whether something can join from the right
 * (letters, and < = > with U+0338). test_match_form.c holds the table against them. */
static const uint8_t ascii_class[128] = {
    ['\t'] = SPACE,      ['\n'] = SPACE,       ['\v'] = SPACE,      ['\f'] = SPACE,      ['\r'] = SPACE,
    [' '] = SPACE,       ['!'] = PUNCTUATION,  ['"'] = PUNCTUATION, ['#'] = PUNCTUATION, ['%'] = PUNCTUATION,
    ['&'] = PUNCTUATION, ['\''] = PUNCTUATION, ['('] = PUNCTUATION, [')'] = PUNCTUATION, ['*'] = PUNCTUATION,
    [','] = PUNCTUATION, ['-'] = PUNCTUATION,  ['.'] = PUNCTUATION, ['/'] = PUNCTUATION, [':'] = PUNCTUATION,
    [';'] = PUNCTUATION, ['?'] = PUNCTUATION,  ['@'] = PUNCTUATION, ['['] = PUNCTUATION, ['\\'] = PUNCTUATION,
    [']'] = PUNCTUATION, ['_'] = PUNCTUATION,  ['{'] = PUNCTUATION, ['}'] = PUNCTUATION, ['<'] = OPEN,
    ['='] = OPEN,        ['>'] = OPEN,         ['A'] = OPEN,        ['B'] = OPEN,        ['C'] = OPEN,
    ['D'] = OPEN,        ['E'] = OPEN,         ['F'] = OPEN,        ['G'] = OPEN,        ['H'] = OPEN,
    ['I'] = OPEN,        ['J'] = OPEN,         ['K'] = OPEN,        ['L'] = OPEN,        ['M'] = OPEN,
    ['N'] = OPEN,        ['O'] = OPEN,         ['P'] = OPEN,        ['Q'] = OPEN,        ['R'] = OPEN,
    ['S'] = OPEN,        ['T'] = OPEN,         ['U'] = OPEN,        ['V'] = OPEN,        ['W'] = OPEN,
    ['X'] = OPEN,        ['Y'] = OPEN,         ['Z'] = OPEN,        ['a'] = OPEN,        ['b'] = OPEN,
    ['c'] = OPEN,        ['d'] = OPEN,         ['e'] = OPEN,        ['f'] = OPEN,        ['g'] = OPEN,
    ['h'] = OPEN,        ['i'] = OPEN,         ['j'] = OPEN,        ['k'] = OPEN,        ['l'] = OPEN,
    ['m'] = OPEN,        ['n'] = OPEN,         ['o'] = OPEN,        ['p'] = OPEN,        ['q'] = OPEN,
    ['r'] = OPEN,        ['s'] = OPEN,         ['t'] = OPEN,        ['u'] = OPEN,        ['v'] = OPEN,
    ['w'] = OPEN,        ['x'] = OPEN,         ['y'] = OPEN,        ['z'] = OPEN,
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool str_reserve(slk_form_str *s, size_t cap)
{
    s->len = 0;
    s->data = cap <= sizeof s->local ? s->local : slk_alloc(cap, 1);
    return s->data != NULL;
}

void slk_form_str_release(slk_form_str *s)
{
    if (s->data != s->local) free(s->data);
    s->data = NULL;
}

/* --- steps 1 and 2 ------------------------------------------------------------------------------------------------ */

/* slk_text_normalize() gives a C string, and a model can write NUL. NUL joins nothing, so the text between is
 * normalised piece by piece. */
static bool fold_general(slk_form_str *out, const char *valid, size_t n_bytes)
{
    slk_buf b;
    slk_buf_init(&b);
    for (size_t at = 0;;) {
        const char *nul = memchr(valid + at, 0, n_bytes - at);
        size_t end = nul ? (size_t)(nul - valid) : n_bytes;
        char *piece = NULL;
        if (slk_text_normalize(&piece, SLK_NFKC_CASEFOLD, valid + at, end - at, NULL) != SLK_OK) {
            slk_buf_release(&b);
            return false;
        }
        slk_buf_add_str(&b, piece);
        free(piece);
        if (!nul) break;
        slk_buf_add(&b, "", 1);
        at = end + 1;
    }
    if (b.failed) {
        slk_buf_release(&b);
        return false;
    }
    out->len = b.len;
    out->data = slk_buf_take(&b);
    return out->data != NULL;
}

bool slk_form_fold(slk_form_str *out, const char *text, size_t n_bytes)
{
    if (!str_reserve(out, n_bytes)) return false;
    unsigned char high = 0;
    for (size_t i = 0; i < n_bytes; i++) {
        out->data[i] = lower(text[i]);
        high |= (unsigned char)text[i];
    }
    out->len = n_bytes;
    if (high < 0x80) return true;

    slk_form_str_release(out);
    if (slk_utf8_valid(text, n_bytes) == n_bytes) return fold_general(out, text, n_bytes);
    size_t n_valid;
    char *valid = slk_utf8_repair(text, n_bytes, &n_valid);
    if (!valid) return false;
    bool ok = fold_general(out, valid, n_valid);
    free(valid);
    return ok;
}

/* --- steps 3 to 5 ------------------------------------------------------------------------------------------------- */

static bool is_article(const char *word, size_t n)
{
    if (word[0] == 'a') return n == 1 || (n == 2 && word[1] == 'n');
    return n == 3 && !memcmp(word, "the", 3);
}

void slk_form_finish(slk_form *form, bool deleting)
{
    size_t n_word = form->str.len - form->open_at;
    if (n_word == 0) return;
    if (deleting && is_article(form->str.data + form->open_at, n_word))
        form->str.len = form->closed_len;
    else
        form->closed_len = form->str.len;
    form->open_at = form->str.len;
}

static void form_add(slk_form *form, const char *bytes, size_t n)
{
    if (form->open_at == form->str.len && form->closed_len > 0) {
        form->str.data[form->str.len++] = ' ';
        form->open_at++;
    }
    if (n == 1)
        form->str.data[form->str.len] = *bytes;
    else
        memcpy(form->str.data + form->str.len, bytes, n);
    form->str.len += n;
}

bool slk_form_words(slk_form *out, const char *x, size_t n_bytes, bool deleting)
{
    out->closed_len = out->open_at = 0;
    /* A space is added only where white space was dropped, so the form is never longer than the text (and a lead). */
    if (!str_reserve(&out->str, n_bytes + 1 + SLK_FORM_LEAD)) return false;
    for (size_t i = 0; i < n_bytes;) {
        unsigned char c = (unsigned char)x[i];
        size_t n = 1;
        bool space, punctuation;
        if (c < 0x80) {
            space = ascii_class[c] & SPACE;
            punctuation = ascii_class[c] & PUNCTUATION;
        } else {
            uint32_t code = 0;
            int used = slk_utf8_decode(&code, x + i, n_bytes - i);
            n = used > 0 ? (size_t)used : 1;
            space = slk_char_is_space(code);
            punctuation = slk_char_is_punctuation(code);
        }
        if (space)
            slk_form_finish(out, deleting);
        else if (!(deleting && punctuation))
            form_add(out, x + i, n);
        i += n;
    }
    return true;
}

bool slk_form_is_ascii(const slk_form *form)
{
    unsigned char high = 0;
    for (size_t i = 0; i < form->str.len; i++) high |= (unsigned char)form->str.data[i];
    return high < 0x80;
}

static void decompose_add(slk_form_str *out, const char *s, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes;) {
        uint32_t code = 0, parts[4];
        int used = slk_utf8_decode(&code, s + i, n_bytes - i);
        int n_parts = code < 0x80 ? 0 : slk_char_decompose(parts, code);
        if (code < 0x80) out->data[out->len++] = s[i];
        for (int k = 0; k < n_parts; k++) out->len += (size_t)slk_utf8_encode(out->data + out->len, parts[k]);
        i += used > 0 ? (size_t)used : 1;
    }
}

bool slk_form_decompose(slk_form *out, const slk_form *form)
{
    /* A character of two bytes or more becomes at most four of at most four bytes each. */
    size_t n_bytes = form->str.len;
    out->closed_len = out->open_at = 0;
    if (n_bytes > SIZE_MAX / 16) {
        out->str.data = NULL;
        return false;
    }
    if (!str_reserve(&out->str, n_bytes * 8 + 1 + SLK_FORM_LEAD)) return false;
    decompose_add(&out->str, form->str.data, form->closed_len);
    out->closed_len = out->str.len;
    size_t open_at = form->open_at > form->closed_len ? form->closed_len + 1 : form->closed_len; /* behind the space */
    if (open_at > form->closed_len) out->str.data[out->str.len++] = ' ';
    out->open_at = out->str.len;
    decompose_add(&out->str, form->str.data + open_at, form->str.len - open_at);
    return true;
}

/* --- what can no longer change ------------------------------------------------------------------------------------ */

/* Could this character join what stands left of it? A superset of "reorders, or is second in a composition, itself or
 * the first of its compatibility decomposition": marks, conjoining Hangul vowels and finals, and the blocks of
 * compatibility and halfwidth Hangul and halfwidth Katakana sound marks, which decompose to those. */
static bool joins_left(uint32_t code)
{
    return slk_char_is_mark(code) || (code >= 0x1160 && code <= 0x11FF) || (code >= 0x3130 && code <= 0x318F) ||
           (code >= 0xD7B0 && code <= 0xD7FF) || (code >= 0xFF9E && code <= 0xFFDC);
}

/* U+0345 (iota below) is a mark that reorders, and folds to a letter. What contains it is Greek. */
static bool is_greek(uint32_t code)
{
    return (code >= 0x370 && code <= 0x3FF) || (code >= 0x1F00 && code <= 0x1FFF);
}

/* What the form of code, with any marks behind it, begins with; or "closed": nothing can join code from the right. */
static bool find_lead(slk_form_cut *out, bool *closed, const char *bytes, size_t n_bytes, uint32_t code)
{
    slk_form_str x;
    *closed = false;
    bool ok = slk_form_fold(&x, bytes, n_bytes);
    for (size_t i = 0; ok && i < x.len;) {
        uint32_t c = 0, parts[4];
        int used = slk_utf8_decode(&c, x.data + i, x.len - i);
        if (used <= 0) break;
        bool ends_word = slk_char_is_space(c) || slk_char_is_punctuation(c);
        if (i == 0 && (size_t)used == x.len && ends_word) *closed = true;
        if (ends_word) break;
        int n_parts = slk_char_decompose(parts, c), k = 0;
        for (; k < n_parts && !slk_char_is_mark(parts[k]) && out->n_lead + 4 <= SLK_FORM_LEAD; k++) {
            out->n_lead += (size_t)slk_utf8_encode(out->lead + out->n_lead, parts[k]);
            if (is_greek(code)) break;
        }
        if (k < n_parts) break;
        i += (size_t)used;
    }
    slk_form_str_release(&x);
    return ok;
}

bool slk_form_cut_find(slk_form_cut *out, const char *text, size_t n_bytes)
{
    out->n_lead = 0;
    out->n_stable = n_bytes;
    while (out->n_stable > 0) {
        size_t end = out->n_stable, begin = end - 1;
        unsigned char last = (unsigned char)text[begin];
        if (last < 0x80) {
            if (!(ascii_class[last] & OPEN)) return true;
            out->lead[0] = lower((char)last);
            out->n_lead = 1;
            out->n_stable = begin;
            return true;
        }
        while (begin > 0 && ((unsigned char)text[begin] & 0xC0) == 0x80) begin--;
        uint32_t code = 0;
        slk_utf8_decode(&code, text + begin, end - begin);
        if (!joins_left(code)) {
            bool closed, ok = find_lead(out, &closed, text + begin, end - begin, code);
            out->n_stable = closed ? end : begin;
            return ok;
        }
        out->n_stable = begin;
    }
    return true;
}

void slk_form_add_lead(slk_form *form, const slk_form_cut *cut)
{
    if (cut->n_lead > 0) form_add(form, cut->lead, cut->n_lead);
}
