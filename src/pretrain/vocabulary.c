#include "pretrain/vocabulary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/text.h"
#include "pretrain/counts.h"

#define SPACE "\xE2\x96\x81" /* U+2581 */

/* A distinct word: its symbols are trainer.symbols[at, at + n), fewer with every merge. */
typedef struct word {
    size_t at, n;
    int64_t count;
} word;

typedef struct trainer {
    slk_vocabulary *out;
    size_t n_tokens, cap_tokens, cap_scores, cap_types;
    slk_counts words;  /* hash of a word -> its number + 1 */
    slk_counts pieces; /* hash of a piece -> its number + 1 */
    slk_counts pairs;  /* left << 32 | right -> how often */
    word *list;
    size_t n_words, cap_words;
    slk_bytes *texts; /* [n_words] of the words, in `buf`'s memory or the arena */
    size_t cap_texts;
    int32_t *symbols;
    size_t n_symbols, cap_symbols;
    slk_arena arena;
    slk_err *err;
} trainer;

static slk_status no_memory(const trainer *t)
{
    return slk_fail(t->err, SLK_E_MEMORY, "out of memory for a vocabulary");
}

/* --- words -------------------------------------------------------------------------------------------------------- */

static bool is_letter(unsigned char c)
{
    return c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static uint64_t key_of(const char *text, size_t n)
{
    return slk_hash_bytes(text, n) | 1; /* 0 is a free slot */
}

static bool count_word(trainer *t, const char *text, size_t n)
{
    int64_t *number = slk_counts_at(&t->words, key_of(text, n));
    if (!number) return false;
    if (*number) {
        t->list[*number - 1].count++;
        return true;
    }
    char *copy = slk_arena_strndup(&t->arena, text, n);
    if (!copy || !slk_grow(&t->list, &t->cap_words, t->n_words + 1, sizeof *t->list) ||
        !slk_grow(&t->texts, &t->cap_texts, t->n_words + 1, sizeof *t->texts))
        return false;
    t->list[t->n_words] = (word){.count = 1};
    t->texts[t->n_words++] = (slk_bytes){copy, n};
    *number = (int64_t)t->n_words;
    return true;
}

/* The words of a line, which has a space before it. */
static bool count_line(trainer *t, slk_buf *marked, const char *line, size_t n)
{
    slk_buf_clear(marked);
    slk_buf_add_str(marked, SPACE);
    for (size_t i = 0; i < n; i++) {
        if (line[i] == ' ')
            slk_buf_add_str(marked, SPACE);
        else
            slk_buf_add(marked, line + i, 1);
    }
    if (marked->failed) return false;
    const size_t n_space = strlen(SPACE);
    for (size_t i = 0; i < marked->len;) {
        const char *at = marked->data + i;
        size_t len = strncmp(at, SPACE, n_space) == 0 ? n_space : 0, begin = len;
        while (i + len < marked->len && is_letter((unsigned char)at[len]) && strncmp(at + len, SPACE, n_space) != 0)
            len++;
        if (len == begin && begin == 0) len = 1; /* punctuation */
        if (!count_word(t, at, len)) return false;
        i += len;
    }
    return true;
}

static slk_status count_words(trainer *t, const char *text, size_t n_bytes)
{
    slk_buf marked = {0};
    bool ok = true;
    for (size_t at = 0; at < n_bytes && ok;) {
        const char *end = memchr(text + at, '\n', n_bytes - at);
        size_t n = end ? (size_t)(end - (text + at)) : n_bytes - at;
        if (n > 0) ok = count_line(t, &marked, text + at, n);
        at += n + 1;
    }
    slk_buf_release(&marked);
    return ok ? SLK_OK : no_memory(t);
}

/* --- tokens ------------------------------------------------------------------------------------------------------- */

static slk_status add_token(trainer *t, const char *text, size_t n, slk_token_type type, float score)
{
    slk_vocabulary *v = t->out;
    char *copy = slk_arena_strndup(&v->strings, text, n);
    if (!copy || !slk_grow(&v->tokens, &t->cap_tokens, v->n + 1, sizeof *v->tokens) ||
        !slk_grow(&v->scores, &t->cap_scores, v->n + 1, sizeof *v->scores) ||
        !slk_grow(&v->types, &t->cap_types, v->n + 1, sizeof *v->types))
        return no_memory(t);
    if (type == SLK_TOKEN_NORMAL) {
        int64_t *number = slk_counts_at(&t->pieces, key_of(text, n));
        if (!number) return no_memory(t);
        *number = (int64_t)v->n + 1;
    }
    v->tokens[v->n] = (slk_bytes){copy, n};
    v->scores[v->n] = score;
    v->types[v->n++] = (int32_t)type;
    return SLK_OK;
}

static slk_status add_fixed(trainer *t)
{
    slk_status s = add_token(t, "<unk>", 5, SLK_TOKEN_UNKNOWN, 0);
    if (s == SLK_OK) s = add_token(t, "<s>", 3, SLK_TOKEN_CONTROL, 0);
    if (s == SLK_OK) s = add_token(t, "</s>", 4, SLK_TOKEN_CONTROL, 0);
    for (unsigned b = 0; b < 256 && s == SLK_OK; b++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", b);
        s = add_token(t, name, 6, SLK_TOKEN_BYTE, 0);
    }
    return s;
}

typedef struct character {
    uint32_t code;
    int64_t count;
} character;

static int compare_characters(const void *a, const void *b)
{
    const character *x = a, *y = b;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    return (x->code > y->code) - (x->code < y->code);
}

/* The most frequent characters are pieces; others stay bytes. */
static slk_status add_characters(trainer *t)
{
    slk_counts counts = {0};
    bool ok = true;
    for (size_t w = 0; w < t->n_words && ok; w++) {
        for (size_t i = 0; i < t->texts[w].len && ok;) {
            uint32_t code;
            i += (size_t)slk_utf8_decode(&code, t->texts[w].data + i, t->texts[w].len - i);
            int64_t *count = slk_counts_at(&counts, (uint64_t)code + 1);
            ok = count != NULL;
            if (ok) *count += t->list[w].count;
        }
    }
    character *list = ok ? slk_alloc(counts.n_used + 1, sizeof *list) : NULL;
    slk_status s = list ? SLK_OK : no_memory(t);
    size_t n = 0, room = (t->n_tokens - SLK_VOCABULARY_FIRST + 1) / 2;
    for (size_t i = 0; list && i < counts.n_slots; i++)
        if (counts.slots[i].key) list[n++] = (character){(uint32_t)(counts.slots[i].key - 1), counts.slots[i].value};
    if (list) qsort(list, n, sizeof *list, compare_characters);
    for (size_t i = 0; i < n && i < room && s == SLK_OK; i++) {
        char text[4];
        s = add_token(t, text, (size_t)slk_utf8_encode(text, list[i].code), SLK_TOKEN_NORMAL, 0);
        if (s == SLK_OK) t->out->n_characters++;
    }
    free(list);
    slk_counts_release(&counts);
    return s;
}

/* The piece of that text; -1: none is. */
static int32_t find_piece(trainer *t, const char *text, size_t n)
{
    return (int32_t)slk_counts_get(&t->pieces, key_of(text, n)) - 1;
}

/* --- merges ------------------------------------------------------------------------------------------------------- */

/* A pair of neighbours; 0 where one of them is no piece (nothing is merged with bytes). */
static uint64_t pair_of(int32_t left, int32_t right)
{
    return left < 0 || right < 0 ? 0 : (uint64_t)left << 32 | (uint64_t)right;
}

static bool count_pairs(trainer *t, const word *w, int64_t sign)
{
    for (size_t i = 0; i + 1 < w->n; i++) {
        uint64_t pair = pair_of(t->symbols[w->at + i], t->symbols[w->at + i + 1]);
        if (!pair) continue;
        int64_t *count = slk_counts_at(&t->pairs, pair);
        if (!count) return false;
        *count += sign * w->count;
    }
    return true;
}

static slk_status split_words(trainer *t)
{
    for (size_t w = 0; w < t->n_words; w++) {
        const slk_bytes text = t->texts[w];
        t->list[w].at = t->n_symbols;
        for (size_t i = 0; i < text.len;) {
            uint32_t code;
            size_t n = (size_t)slk_utf8_decode(&code, text.data + i, text.len - i);
            if (!slk_grow(&t->symbols, &t->cap_symbols, t->n_symbols + 1, sizeof *t->symbols)) return no_memory(t);
            t->symbols[t->n_symbols++] = find_piece(t, text.data + i, n);
            t->list[w].n++;
            i += n;
        }
        if (!count_pairs(t, &t->list[w], 1)) return no_memory(t);
    }
    return SLK_OK;
}

/* The most frequent pair, of equal ones that of the lowest numbers. 0: none occurs twice. */
static uint64_t find_best(const trainer *t)
{
    uint64_t best = 0;
    int64_t most = 1;
    for (size_t i = 0; i < t->pairs.n_slots; i++) {
        const slk_count *s = &t->pairs.slots[i];
        if (s->key && (s->value > most || (s->value == most && best && s->key < best))) {
            best = s->key;
            most = s->value;
        }
    }
    return best;
}

static bool has_pair(const trainer *t, const word *w, int32_t left, int32_t right)
{
    const int32_t *symbols = t->symbols + w->at;
    for (size_t i = 0; i + 1 < w->n; i++)
        if (symbols[i] == left && symbols[i + 1] == right) return true;
    return false;
}

static slk_status merge_pair(trainer *t, int32_t left, int32_t right, int32_t merged)
{
    for (size_t k = 0; k < t->n_words; k++) {
        word *w = &t->list[k];
        if (!has_pair(t, w, left, right)) continue;
        if (!count_pairs(t, w, -1)) return no_memory(t);
        int32_t *symbols = t->symbols + w->at;
        size_t n = 0;
        for (size_t i = 0; i < w->n; n++) {
            bool joins = i + 1 < w->n && symbols[i] == left && symbols[i + 1] == right;
            symbols[n] = joins ? merged : symbols[i];
            i += joins ? 2 : 1;
        }
        w->n = n;
        if (!count_pairs(t, w, 1)) return no_memory(t);
    }
    return SLK_OK;
}

static slk_status merge_all(trainer *t)
{
    slk_buf joined = {0};
    slk_status s = SLK_OK;
    float score = 0;
    for (uint64_t pair; s == SLK_OK && t->out->n < t->n_tokens && (pair = find_best(t)) != 0;) {
        int32_t left = (int32_t)(pair >> 32), right = (int32_t)(pair & 0xFFFFFFFF);
        slk_buf_clear(&joined);
        slk_buf_add(&joined, t->out->tokens[left].data, t->out->tokens[left].len);
        slk_buf_add(&joined, t->out->tokens[right].data, t->out->tokens[right].len);
        if (joined.failed) s = no_memory(t);
        /* two ways to one piece: the second only joins */
        int32_t merged = s == SLK_OK ? find_piece(t, joined.data, joined.len) : -1;
        if (s == SLK_OK && merged < 0) {
            merged = (int32_t)t->out->n;
            s = add_token(t, joined.data, joined.len, SLK_TOKEN_NORMAL, score -= 1);
        }
        if (s == SLK_OK) s = merge_pair(t, left, right, merged);
    }
    slk_buf_release(&joined);
    return s;
}

slk_status slk_vocabulary_train(slk_vocabulary *out, const char *text, size_t n_bytes, size_t n_tokens, slk_err *err)
{
    trainer t = {.out = out, .n_tokens = n_tokens, .err = err};
    memset(out, 0, sizeof *out);
    if (n_tokens <= SLK_VOCABULARY_FIRST)
        return slk_fail(err, SLK_E_ARG, "a vocabulary of %zu tokens, expected at least %d", n_tokens,
                        SLK_VOCABULARY_FIRST + 1);
    size_t n_valid = slk_utf8_valid(text, n_bytes);
    if (n_valid < n_bytes) return slk_fail(err, SLK_E_FORMAT, "byte %zu of the text is no UTF-8", n_valid);
    slk_status s = count_words(&t, text, n_bytes);
    if (s == SLK_OK) s = add_fixed(&t);
    if (s == SLK_OK) s = add_characters(&t);
    if (s == SLK_OK) s = split_words(&t);
    if (s == SLK_OK) s = merge_all(&t);
    slk_counts_release(&t.words);
    slk_counts_release(&t.pieces);
    slk_counts_release(&t.pairs);
    free(t.list);
    free(t.texts);
    free(t.symbols);
    slk_arena_release(&t.arena);
    return s;
}

void slk_vocabulary_release(slk_vocabulary *v)
{
    if (!v) return;
    free(v->tokens);
    free(v->scores);
    free(v->types);
    slk_arena_release(&v->strings);
    *v = (slk_vocabulary){0};
}

slk_vocab slk_vocabulary_describe(const slk_vocabulary *v)
{
    return (slk_vocab){.kind = SLK_VOCAB_SPM,
                       .n_tokens = v->n,
                       .tokens = v->tokens,
                       .scores = v->scores,
                       .types = v->types,
                       .bos = SLK_VOCABULARY_BOS,
                       .eos = SLK_VOCABULARY_EOS,
                       .unk = SLK_VOCABULARY_UNK,
                       .eot = -1,
                       .add_bos = true,
                       .add_space_prefix = true};
}
