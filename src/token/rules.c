/* From text to words by Hugging Face's rules: added tokens, normalising, the space before, words. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "token/internal.h"

#define SPACE_MARK       "\xE2\x96\x81" /* U+2581 */
#define SPACE_MARK_BYTES 3

slk_status slk_rules_create(slk_rules **out, const slk_vocab *vocab, const char *name, slk_err *err)
{
    const slk_text_rules *from = vocab->rules;
    *out = NULL;
    slk_rules *rules = slk_alloc_zero(1, sizeof *rules);
    bool fits = rules != NULL;
    if (fits) {
        rules->prefix = from->prefix;
        rules->mark_spaces = from->mark_spaces;
        rules->split_words = from->split_words;
        rules->n_ops = from->n_ops;
        rules->ops = slk_arena_alloc(&rules->strings, from->n_ops + 1, sizeof *rules->ops);
        fits = rules->ops != NULL;
    }
    for (size_t i = 0; i < from->n_ops && fits; i++) {
        slk_normal_op op = from->ops[i];
        if (op.from.len > 0) op.from.data = slk_arena_strndup(&rules->strings, op.from.data, op.from.len);
        if (op.to.len > 0) op.to.data = slk_arena_strndup(&rules->strings, op.to.data, op.to.len);
        fits = (op.from.len == 0 || op.from.data != NULL) && (op.to.len == 0 || op.to.data != NULL);
        rules->ops[i] = op;
    }
    if (!fits) {
        slk_rules_free(rules);
        return slk_fail(err, SLK_E_MEMORY, "%s: out of memory for the normaliser", name);
    }
    *out = rules;
    return SLK_OK;
}

void slk_rules_free(slk_rules *rules)
{
    if (rules == NULL) return;
    for (int set = 0; set < 2; set++) slk_added_release(&rules->added[set]);
    slk_arena_release(&rules->strings);
    free(rules);
}

/* --- normalising --- */

static size_t find_bytes(const char *text, size_t n_bytes, size_t at, slk_bytes what)
{
    for (; at + what.len <= n_bytes; at++) {
        const char *first = memchr(text + at, what.data[0], n_bytes - what.len + 1 - at);
        if (first == NULL) break;
        at = (size_t)(first - text);
        if (memcmp(first, what.data, what.len) == 0) return at;
    }
    return n_bytes;
}

static void replace(slk_buf *out, const char *text, size_t n_bytes, const slk_normal_op *op)
{
    for (size_t at = 0; at < n_bytes;) {
        size_t hit = op->from.len > 0 ? find_bytes(text, n_bytes, at, op->from) : n_bytes;
        slk_buf_add(out, text + at, hit - at);
        if (hit < n_bytes) slk_buf_add(out, op->to.data, op->to.len);
        at = hit < n_bytes ? hit + op->from.len : n_bytes;
    }
}

/* NFC of whatever is valid UTF-8; other bytes stay and separate what is left and right of them. So do U+0000, which
 * slk_text_normalize() replaces, and U+11A7, which utf8proc drops after a Hangul syllable; neither composes. */
static void compose(slk_buf *out, const char *text, size_t n_bytes)
{
    const slk_bytes jamo = {"\xE1\x86\xA7", 3};
    size_t next_jamo = find_bytes(text, n_bytes, 0, jamo);
    for (size_t at = 0; at < n_bytes && !out->failed;) {
        if (at > next_jamo) next_jamo = find_bytes(text, n_bytes, at, jamo);
        const char *nul = memchr(text + at, 0, next_jamo - at);
        size_t n_part = nul != NULL ? (size_t)(nul - text) - at : next_jamo - at;
        size_t n_valid = slk_utf8_valid(text + at, n_part);
        char *composed;
        if (at == next_jamo) {
            slk_buf_add(out, jamo.data, jamo.len);
            at += jamo.len;
        } else if (n_valid == 0) {
            slk_buf_add(out, text + at++, 1);
        } else if (slk_text_normalize(&composed, SLK_NFC, text + at, n_valid, NULL) != SLK_OK) {
            out->failed = true;
        } else {
            slk_buf_add_str(out, composed);
            free(composed);
            at += n_valid;
        }
    }
}

bool slk_rules_normalize(const slk_rules *rules, const char *text, size_t n_bytes, slk_buf *out)
{
    slk_buf from = {0};
    slk_buf_clear(out);
    slk_buf_add(out, text, n_bytes);
    for (size_t i = 0; i < rules->n_ops && !out->failed; i++) {
        const slk_normal_op *op = &rules->ops[i];
        slk_buf spare = from;
        from = *out;
        *out = spare;
        slk_buf_clear(out);
        if (op->kind == SLK_NORMAL_PREPEND && from.len > 0) slk_buf_add(out, op->to.data, op->to.len);
        if (op->kind == SLK_NORMAL_PREPEND) slk_buf_add(out, from.data, from.len);
        if (op->kind == SLK_NORMAL_REPLACE) replace(out, from.data, from.len, op);
        if (op->kind == SLK_NORMAL_NFC) compose(out, from.data, from.len);
    }
    slk_buf_release(&from);
    return !out->failed;
}

/* --- encoding --- */

static slk_status fail_memory(const slk_merging *m, size_t n_bytes, slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "%s: out of memory for a text of %zu bytes", m->tok->name, n_bytes);
}

static bool is_space_mark(const char *text, size_t n_bytes)
{
    return n_bytes >= SPACE_MARK_BYTES && memcmp(text, SPACE_MARK, SPACE_MARK_BYTES) == 0;
}

static slk_status encode_spm(slk_merging *m, const char *text, size_t n_bytes, bool prefix, slk_err *err)
{
    const slk_rules *rules = m->tok->rules;
    if (rules->mark_spaces || prefix) {
        static const slk_normal_op mark = {SLK_NORMAL_REPLACE, {" ", 1}, {SPACE_MARK, SPACE_MARK_BYTES}};
        slk_buf_clear(&m->marked);
        bool has_space = is_space_mark(text, n_bytes) || (rules->mark_spaces && text[0] == ' ');
        if (prefix && !has_space) slk_buf_add_str(&m->marked, SPACE_MARK);
        if (rules->mark_spaces) replace(&m->marked, text, n_bytes, &mark);
        if (!rules->mark_spaces) slk_buf_add(&m->marked, text, n_bytes);
        if (m->marked.failed) return fail_memory(m, n_bytes, err);
        text = m->marked.data;
        n_bytes = m->marked.len;
    }
    slk_status status = SLK_OK;
    for (size_t at = 0; at < n_bytes && status == SLK_OK;) {
        const slk_bytes space = {SPACE_MARK, SPACE_MARK_BYTES};
        size_t end = rules->split_words ? find_bytes(text, n_bytes, at + 1, space) : n_bytes;
        status = slk_spm_encode_marked(m, text + at, end - at, err);
        at = end;
    }
    return status;
}

static slk_status encode_bpe(slk_merging *m, const char *text, size_t n_bytes, bool prefix, slk_err *err)
{
    if (!prefix || text[0] == ' ') return slk_bpe_encode(m, text, n_bytes, err);
    slk_buf_clear(&m->marked);
    slk_buf_add(&m->marked, " ", 1);
    slk_buf_add(&m->marked, text, n_bytes);
    if (m->marked.failed) return fail_memory(m, n_bytes, err);
    return slk_bpe_encode(m, m->marked.data, m->marked.len, err);
}

/* The text between two tokens matched in the text as it is. */
static slk_status encode_part(slk_merging *m, const char *text, size_t n_bytes, bool with_special, bool is_first,
                              slk_err *err)
{
    const slk_tokenizer *tok = m->tok;
    slk_fragment *fragments;
    size_t n;
    if (tok->rules->n_ops > 0) {
        if (!slk_rules_normalize(tok->rules, text, n_bytes, &m->normal)) return fail_memory(m, n_bytes, err);
        text = m->normal.data;
        n_bytes = m->normal.len;
    }
    if (!slk_added_cut(tok, 1, text, n_bytes, with_special, &fragments, &n)) return fail_memory(m, n_bytes, err);
    slk_status status = SLK_OK;
    for (size_t i = 0; i < n && status == SLK_OK; i++) {
        const slk_fragment *f = &fragments[i];
        bool prefix = tok->rules->prefix == SLK_PREFIX_ALWAYS ||
                      (tok->rules->prefix == SLK_PREFIX_FIRST && is_first && f->at == 0);
        if (f->id >= 0) {
            if (!slk_ids_push(m->out, f->id)) status = fail_memory(m, n_bytes, err);
        } else if (tok->kind == SLK_VOCAB_SPM) {
            status = encode_spm(m, text + f->at, f->n_bytes, prefix, err);
        } else {
            status = encode_bpe(m, text + f->at, f->n_bytes, prefix, err);
        }
    }
    free(fragments);
    return status;
}

slk_status slk_rules_encode(slk_merging *m, const char *text, size_t n_bytes, bool with_special, slk_err *err)
{
    slk_fragment *fragments;
    size_t n;
    if (!slk_added_cut(m->tok, 0, text, n_bytes, with_special, &fragments, &n)) return fail_memory(m, n_bytes, err);
    slk_status status = SLK_OK;
    for (size_t i = 0; i < n && status == SLK_OK; i++) {
        const slk_fragment *f = &fragments[i];
        if (f->id < 0) {
            status = encode_part(m, text + f->at, f->n_bytes, with_special, f->at == 0, err);
        } else if (!slk_ids_push(m->out, f->id)) {
            status = fail_memory(m, n_bytes, err);
        }
    }
    free(fragments);
    return status;
}
