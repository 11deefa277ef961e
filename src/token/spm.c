/* SentencePiece-style BPE: spaces become U+2581, characters are joined while the join is a token, best score first;
 * characters that are in no token fall back to byte tokens <0xXX>. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "token/internal.h"

#define SPACE       "\xE2\x96\x81" /* U+2581 */
#define SPACE_BYTES 3

static bool is_space_mark(const char *text, size_t n_bytes)
{
    return n_bytes >= SPACE_BYTES && memcmp(text, SPACE, SPACE_BYTES) == 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

/* The byte that "<0xXX>" spells; -1: it spells none. */
static int parse_byte(slk_bytes raw)
{
    if (raw.len != 6 || memcmp(raw.data, "<0x", 3) != 0 || raw.data[5] != '>') return -1;
    int high = hex_digit(raw.data[3]), low = hex_digit(raw.data[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

size_t slk_spm_decode_raw(char *out, slk_bytes raw, bool is_byte)
{
    if (is_byte) {
        out[0] = (char)parse_byte(raw);
        return 1;
    }
    size_t n = 0;
    for (size_t at = 0; at < raw.len;) {
        bool space = is_space_mark(raw.data + at, raw.len - at);
        out[n++] = space ? ' ' : raw.data[at];
        at += space ? SPACE_BYTES : 1;
    }
    return n;
}

/* Smaller for larger scores, equal for equal ones (-0 and 0 included): the IEEE bits made monotonic, then turned round.
 */
static uint32_t score_order(float score)
{
    score += 0.0f;
    uint32_t bits;
    memcpy(&bits, &score, sizeof bits);
    return ~(bits & 0x80000000u ? ~bits : bits | 0x80000000u);
}

static slk_status build_bytes(slk_tokenizer *tok, const slk_vocab *vocab, slk_err *err)
{
    for (int byte = 0; byte < 256; byte++) {
        char name[8], plain = (char)byte;
        snprintf(name, sizeof name, "<0x%02X>", (unsigned)byte);
        int32_t id = slk_token_find(tok, name, 6, 0);
        /* A vocabulary without byte tokens can still have the ASCII character itself. */
        if (id < 0 || (tok->flags[id] & SLK_TOKEN_F_SILENT) != 0) id = slk_token_find(tok, &plain, 1, SLK_TOKEN_F_TEXT);
        tok->byte_ids[byte] = id;
    }
    for (size_t i = 0; vocab->types != NULL && i < tok->n_tokens; i++) {
        slk_bytes raw = slk_token_raw(tok, (int32_t)i);
        if (vocab->types[i] != SLK_TOKEN_BYTE || parse_byte(raw) >= 0) continue;
        return slk_fail(err, SLK_E_FORMAT,
                        "%s: token %zu '%.*s' has the type of a byte, expected a spelling like <0x0A>", tok->name, i,
                        raw.len < 60 ? (int)raw.len : 60, raw.data);
    }
    return SLK_OK;
}

slk_status slk_spm_build(slk_tokenizer *tok, const slk_vocab *vocab, slk_err *err)
{
    tok->order = slk_alloc(tok->n_tokens, sizeof *tok->order);
    if (tok->order == NULL) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory for the scores", tok->name);
    for (size_t i = 0; i < tok->n_tokens; i++) {
        float score = vocab->scores != NULL ? vocab->scores[i] : 0.0f;
        if (isnan(score))
            return slk_fail(err, SLK_E_FORMAT, "%s: the score of token %zu is not a number", tok->name, i);
        tok->order[i] = score_order(score);
        size_t len = slk_token_raw(tok, (int32_t)i).len;
        if ((tok->flags[i] & SLK_TOKEN_F_TEXT) != 0 && len > tok->max_text_bytes) tok->max_text_bytes = len;
    }
    slk_status status = build_bytes(tok, vocab, err);
    return status == SLK_OK && vocab->pairs != NULL ? slk_merges_build(tok, vocab, err) : status;
}

bool slk_spm_find_merge(const slk_tokenizer *tok, const char *text, size_t n_bytes, uint32_t *order, int32_t *result)
{
    if (n_bytes > tok->max_text_bytes) return false;
    *result = slk_token_find(tok, text, n_bytes, SLK_TOKEN_F_TEXT);
    if (*result < 0) return false;
    *order = tok->order[*result];
    return true;
}

/* The text with its spaces replaced, into m->spaced. */
static bool mark_spaces(slk_merging *m, const char *text, size_t n_bytes, bool space_before, size_t *n_spaced)
{
    size_t n = space_before ? SPACE_BYTES : 0;
    for (size_t i = 0; i < n_bytes; i++) n += text[i] == ' ' ? SPACE_BYTES : 1;
    if (n > m->spaced_cap && !slk_grow(&m->spaced, &m->spaced_cap, n, 1)) return false;
    char *out = m->spaced;
    if (space_before) {
        memcpy(out, SPACE, SPACE_BYTES);
        out += SPACE_BYTES;
    }
    for (size_t i = 0; i < n_bytes; i++) {
        if (text[i] == ' ') {
            memcpy(out, SPACE, SPACE_BYTES);
            out += SPACE_BYTES;
        } else {
            *out++ = text[i];
        }
    }
    *n_spaced = n;
    return true;
}

/* A symbol's ids: its token, or the tokens of its bytes. */
static slk_status push_symbol(slk_merging *m, const slk_symbol *symbol, slk_err *err)
{
    const slk_tokenizer *tok = m->tok;
    bool pushed = true;
    if (symbol->id >= 0) pushed = slk_ids_push(m->out, symbol->id);
    for (uint32_t i = 0; i < symbol->n_bytes && symbol->id < 0 && pushed; i++) {
        unsigned byte = (unsigned char)m->text[symbol->at + i];
        if (tok->byte_ids[byte] < 0) {
            return slk_fail(err, SLK_E_FORMAT, "%s: the vocabulary has no token for '%.*s' and no byte token <0x%02X>",
                            tok->name, (int)symbol->n_bytes, m->text + symbol->at, byte);
        }
        pushed = slk_ids_push(m->out, tok->byte_ids[byte]);
    }
    return pushed ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "%s: out of memory for token ids", tok->name);
}

slk_status slk_spm_encode(slk_merging *m, const char *text, size_t n_bytes, bool space_before, slk_err *err)
{
    size_t n;
    if (!mark_spaces(m, text, n_bytes, space_before, &n)) {
        return slk_fail(err, SLK_E_MEMORY, "%s: out of memory for a text of %zu bytes", m->tok->name, n_bytes);
    }
    return slk_spm_encode_marked(m, m->spaced, n, err);
}

slk_status slk_spm_encode_marked(slk_merging *m, const char *text, size_t n_bytes, slk_err *err)
{
    m->n_symbols = 0;
    m->text = text;
    bool fits = true;
    for (size_t at = 0; at < n_bytes && fits;) {
        uint32_t code;
        int used = slk_utf8_decode(&code, m->text + at, n_bytes - at);
        size_t len = used > 0 ? (size_t)used : 1;
        fits = slk_merging_add(m, at, len, slk_token_find(m->tok, m->text + at, len, SLK_TOKEN_F_TEXT));
        at += len;
    }
    if (!fits || !slk_merging_run(m)) {
        return slk_fail(err, SLK_E_MEMORY, "%s: out of memory for a text of %zu bytes", m->tok->name, n_bytes);
    }
    slk_status status = SLK_OK;
    for (int32_t i = m->n_symbols > 0 ? 0 : -1; i >= 0 && status == SLK_OK; i = m->symbols[i].next) {
        status = push_symbol(m, &m->symbols[i], err);
    }
    return status;
}
