/* Byte-level BPE: bytes are spelled with printable stand-in characters, so that a vocabulary is text. Merging works on
 * token ids: every merge of a vocabulary joins two tokens into a third. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "token/internal.h"

/* Bytes that are visible characters in Latin-1 stand for themselves; the others, in order, are U+0100, U+0101, ...
 * Source: the encoder of GPT-2. */
static bool byte_is_visible(unsigned byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
}

static uint32_t byte_to_stand_in(unsigned byte)
{
    if (byte_is_visible(byte)) return byte;
    if (byte <= 0x20) return 256 + byte;
    return byte == 0xAD ? 256 + 33 + 34 : 256 + 33 + byte - 0x7F; /* 0x7F..0xA0 */
}

/* -1: stands for no byte. */
static int stand_in_to_byte(uint32_t code)
{
    if (code < 256) return byte_is_visible(code) ? (int)code : -1;
    if (code < 256 + 33) return (int)code - 256;             /* 0x00..0x20 */
    if (code < 256 + 33 + 34) return (int)code - 289 + 0x7F; /* 0x7F..0xA0 */
    return code == 256 + 33 + 34 ? 0xAD : -1;
}

size_t slk_bpe_decode_raw(char *out, slk_bytes raw)
{
    size_t n = 0;
    for (size_t at = 0; at < raw.len;) {
        uint32_t code;
        int used = slk_utf8_decode(&code, raw.data + at, raw.len - at);
        int byte = used > 0 ? stand_in_to_byte(code) : -1;
        if (byte >= 0) {
            out[n++] = (char)byte;
        } else {
            /* Not a stand-in (a token added by hand): what it shows is what it means. */
            if (used == 0) used = 1;
            memcpy(out + n, raw.data + at, (size_t)used);
            n += (size_t)used;
        }
        at += used > 0 ? (size_t)used : 1;
    }
    return n;
}

/* --- merges --- */

static size_t pair_slot(int32_t left, int32_t right, size_t mask)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;
    return (size_t)(h ^ h >> 29) & mask;
}

bool slk_bpe_find_merge(const slk_tokenizer *tok, int32_t left, int32_t right, uint32_t *order, int32_t *result)
{
    const slk_merge_table *t = &tok->merges;
    for (size_t slot = pair_slot(left, right, t->mask); t->slots[slot] >= 0; slot = (slot + 1) & t->mask) {
        int32_t rank = t->slots[slot];
        if (t->left[rank] != left || t->right[rank] != right) continue;
        *order = (uint32_t)rank;
        *result = t->result[rank];
        return true;
    }
    return false;
}

static slk_status fail_merge(const slk_tokenizer *tok, size_t rank, slk_bytes merge, const char *part, size_t n_part,
                             slk_err *err)
{
    int shown = merge.len < 60 ? (int)merge.len : 60;
    if (part == NULL) {
        return slk_fail(err, SLK_E_FORMAT, "%s: merge %zu '%.*s': expected two pieces with a space between them",
                        tok->name, rank, shown, merge.data);
    }
    return slk_fail(err, SLK_E_FORMAT, "%s: merge %zu '%.*s': '%.*s' is not a token of the vocabulary", tok->name, rank,
                    shown, merge.data, n_part < 60 ? (int)n_part : 60, part);
}

/* The two pieces of a merge. */
static slk_status split_merge(const slk_tokenizer *tok, const slk_vocab *vocab, size_t rank, slk_bytes *parts,
                              slk_err *err)
{
    if (vocab->pairs != NULL) {
        slk_merge_pair pair = vocab->pairs[rank];
        for (int i = 0; i < 2; i++) {
            int32_t id = i == 0 ? pair.left : pair.right;
            if (id < 0 || (size_t)id >= tok->n_tokens) {
                return slk_fail(err, SLK_E_FORMAT, "%s: merge %zu: token id %d is outside the vocabulary of %zu tokens",
                                tok->name, rank, (int)id, tok->n_tokens);
            }
            parts[i] = slk_token_raw(tok, id);
        }
        return SLK_OK;
    }
    slk_bytes merge = vocab->merges[rank];
    /* A piece is never empty, so the space is looked for from the second byte on. */
    const char *space = merge.len > 2 ? memchr(merge.data + 1, ' ', merge.len - 2) : NULL;
    if (space == NULL) return fail_merge(tok, rank, merge, NULL, 0, err);
    parts[0] = (slk_bytes){merge.data, (size_t)(space - merge.data)};
    parts[1] = (slk_bytes){space + 1, merge.len - parts[0].len - 1};
    return SLK_OK;
}

/* One merge into the table. One that involves a token that text never gives (a control token) is left out. */
static slk_status add_merge(slk_tokenizer *tok, const slk_vocab *vocab, size_t rank, slk_buf *joined, slk_err *err)
{
    slk_bytes parts[3] = {{0}};
    slk_status status = split_merge(tok, vocab, rank, parts, err);
    if (status != SLK_OK) return status;
    slk_bytes merge = vocab->pairs != NULL ? (slk_bytes){"of ids", 6} : vocab->merges[rank];
    slk_buf_clear(joined);
    slk_buf_add(joined, parts[0].data, parts[0].len);
    slk_buf_add(joined, parts[1].data, parts[1].len);
    if (joined->failed) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory for the merges", tok->name);
    parts[2] = (slk_bytes){joined->data, joined->len};
    int32_t ids[3];
    bool usable = true;
    for (int i = 0; i < 3; i++) {
        ids[i] = slk_token_find(tok, parts[i].data, parts[i].len, 0);
        if (ids[i] < 0) return fail_merge(tok, rank, merge, parts[i].data, parts[i].len, err);
        usable = usable && (tok->flags[ids[i]] & SLK_TOKEN_F_TEXT) != 0;
    }
    uint32_t order;
    int32_t result;
    slk_merge_table *t = &tok->merges;
    t->left[rank] = ids[0];
    t->right[rank] = ids[1];
    t->result[rank] = ids[2];
    if (!usable || slk_bpe_find_merge(tok, ids[0], ids[1], &order, &result)) return SLK_OK;
    size_t slot = pair_slot(ids[0], ids[1], t->mask);
    while (t->slots[slot] >= 0) slot = (slot + 1) & t->mask;
    t->slots[slot] = (int32_t)rank;
    return SLK_OK;
}

slk_status slk_merges_build(slk_tokenizer *tok, const slk_vocab *vocab, slk_err *err)
{
    slk_merge_table *t = &tok->merges;
    tok->by_rank = true;
    if (vocab->n_merges > INT32_MAX / 4) {
        return slk_fail(err, SLK_E_FORMAT, "%s: %zu merges are too many", tok->name, vocab->n_merges);
    }
    t->n = vocab->n_merges;
    t->left = slk_alloc(t->n, sizeof *t->left);
    t->right = slk_alloc(t->n, sizeof *t->right);
    t->result = slk_alloc(t->n, sizeof *t->result);
    t->slots = slk_token_make_slots(t->n, &t->mask);
    if (t->left == NULL || t->right == NULL || t->result == NULL || t->slots == NULL) {
        return slk_fail(err, SLK_E_MEMORY, "%s: out of memory for %zu merges", tok->name, t->n);
    }
    slk_buf joined;
    slk_buf_init(&joined);
    slk_status status = SLK_OK;
    for (size_t rank = 0; rank < t->n && status == SLK_OK; rank++) {
        status = add_merge(tok, vocab, rank, &joined, err);
    }
    slk_buf_release(&joined);
    return status;
}

/* What cuts texts into words: the family that the file names, or the rules' own patterns. */
static slk_status build_pretok(slk_tokenizer *tok, const slk_vocab *vocab, slk_err *err)
{
    if (vocab->rules != NULL) {
        slk_pretok_info own = {.whole_words = vocab->rules->whole_words};
        for (int i = 0; i < SLK_PRETOK_MAX_PATTERNS; i++) own.patterns[i] = vocab->rules->patterns[i];
        tok->whole_words = own.whole_words;
        return slk_pretok_create(&tok->pretok, &own, err);
    }
    const char *pre = vocab->pre != NULL ? vocab->pre : "default";
    const slk_pretok_info *info = slk_pretok_find(pre, strlen(pre));
    if (info == NULL) {
        return slk_fail(
            err, SLK_E_UNSUPPORTED,
            "%s: pre-tokeniser '%.60s' is not one that slick knows (smollm, gpt-2, llama-bpe, qwen2, default)",
            tok->name, pre);
    }
    tok->whole_words = info->whole_words;
    return slk_pretok_create(&tok->pretok, info, err);
}

slk_status slk_bpe_build(slk_tokenizer *tok, const slk_vocab *vocab, slk_err *err)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        char spelled[4];
        size_t n = (size_t)slk_utf8_encode(spelled, byte_to_stand_in(byte));
        tok->byte_ids[byte] = slk_token_find(tok, spelled, n, SLK_TOKEN_F_TEXT);
    }
    slk_status status = build_pretok(tok, vocab, err);
    return status == SLK_OK ? slk_merges_build(tok, vocab, err) : status;
}

/* --- encoding --- */

/* Does any token stand for just these bytes? Spelled with stand-ins, then looked up. -1: none. */
static int32_t find_word(const slk_tokenizer *tok, const char *word, size_t n_bytes)
{
    char spelled[1024];
    if (n_bytes > sizeof spelled / 4) return -1; /* longer than any token of a real vocabulary: merging finds it, too */
    size_t n = 0;
    for (size_t i = 0; i < n_bytes; i++) {
        n += (size_t)slk_utf8_encode(spelled + n, byte_to_stand_in((unsigned char)word[i]));
    }
    return slk_token_find(tok, spelled, n, SLK_TOKEN_F_TEXT);
}

static slk_status encode_word(void *user, const char *word, size_t n_bytes, slk_err *err)
{
    slk_merging *m = user;
    const slk_tokenizer *tok = m->tok;
    int32_t whole = tok->whole_words ? find_word(tok, word, n_bytes) : -1;
    m->n_symbols = 0;
    if (whole >= 0 && !slk_merging_add(m, 0, n_bytes, whole)) goto no_memory;
    for (size_t i = 0; i < n_bytes && whole < 0; i++) {
        int32_t id = tok->byte_ids[(unsigned char)word[i]];
        if (id < 0) {
            return slk_fail(err, SLK_E_FORMAT, "%s: the vocabulary has no token for byte 0x%02X", tok->name,
                            (unsigned char)word[i]);
        }
        if (!slk_merging_add(m, i, 1, id)) goto no_memory;
    }
    m->text = word;
    if (!slk_merging_run(m)) goto no_memory;
    for (int32_t i = 0; i >= 0; i = m->symbols[i].next) {
        if (!slk_ids_push(m->out, m->symbols[i].id)) goto no_memory;
    }
    return SLK_OK;
no_memory:
    return slk_fail(err, SLK_E_MEMORY, "%s: out of memory for a word of %zu bytes", tok->name, n_bytes);
}

slk_status slk_bpe_encode(slk_merging *m, const char *text, size_t n_bytes, slk_err *err)
{
    return slk_pretok_split(m->tok->pretok, text, n_bytes, encode_word, m, err);
}
