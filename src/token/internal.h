/* What the files of src/token/ share: the tokenizer's tables, and the merging that both kinds of vocabulary do.
 *
 * Tables are flat arrays indexed by token id, made once by slk_tokenizer_create() (build.c) and never changed:
 *   raw, raw_at      the tokens as the vocabulary spells them, end to end; token i is raw[raw_at[i] .. raw_at[i + 1])
 *   piece, piece_at  the bytes they stand for, the same way
 *   flags            SLK_TOKEN_F_*
 *   slots            hash table from spelling to id (open addressing, linear probing, -1 = free)
 * Encoding: special.c cuts out the tokens that are matched verbatim; what is left goes to bpe.c or spm.c, which make a
 * list of symbols and let merge.c join neighbours. */
#ifndef SLK_TOKEN_INTERNAL_H
#define SLK_TOKEN_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/mem.h"
#include "token/pretok.h"
#include "token/tokenizer.h"

enum {
    SLK_TOKEN_F_TEXT = 1,    /* merging may make it: it stands for exactly its piece */
    SLK_TOKEN_F_SILENT = 2,  /* adds no text: control, unknown or unused */
    SLK_TOKEN_F_END = 4,     /* ends generation */
    SLK_TOKEN_F_USER = 8,    /* matched verbatim in every text */
    SLK_TOKEN_F_SPECIAL = 16 /* matched verbatim with SLK_ENCODE_SPECIAL: control or unknown */
};

/* Tokens that are matched verbatim, as a filter: `pairs` has a bit for every two bytes that one of them begins with
 * (any second byte where it has one byte only); `lengths` their lengths in bytes, longest first, each once. */
typedef struct slk_special_set {
    uint8_t *pairs; /* [8192] */
    uint32_t *lengths;
    size_t n_lengths;
} slk_special_set;

/* BPE merges in rank order, and a hash table from (left, right) to rank. */
typedef struct slk_merge_table {
    int32_t *left, *right, *result; /* [n] token ids */
    size_t n;
    int32_t *slots;
    size_t mask;
} slk_merge_table;

/* Added tokens by Hugging Face's rules. texts are what is looked for: spellings, or normalised spellings. */
typedef struct slk_added_token {
    size_t at, n_bytes; /* in texts */
    int32_t id;
    uint8_t flags; /* SLK_ADDED* */
} slk_added_token;

typedef struct slk_added_set {
    slk_special_set filter;
    slk_buf texts;
    slk_added_token *tokens;
    size_t n_tokens, cap;
    int32_t *slots; /* from text to index in tokens */
    size_t slot_mask;
} slk_added_set;

/* slk_text_rules, owned by the tokenizer. */
typedef struct slk_rules {
    slk_normal_op *ops;
    size_t n_ops;
    slk_prefix prefix;
    bool mark_spaces, split_words;
    slk_added_set added[2]; /* looked for in [0]: the text as it is, [1]: the normalised text */
    slk_arena strings;
} slk_rules;

struct slk_tokenizer {
    slk_vocab_kind kind;
    char *name;
    size_t n_tokens;
    char *raw, *piece;
    uint32_t *raw_at, *piece_at; /* [n_tokens + 1] */
    uint8_t *flags;              /* [n_tokens] */
    int32_t *slots;
    size_t slot_mask;
    int32_t byte_ids[256];       /* token of a single byte, -1: none */
    slk_special_set specials[2]; /* [0]: SLK_TOKEN_F_USER, [1]: also SLK_TOKEN_F_SPECIAL */
    int32_t bos, eos;
    bool add_bos, add_eos, add_space_prefix;
    slk_pretok *pretok;     /* BPE */
    bool whole_words;       /* BPE */
    slk_merge_table merges; /* BPE; SPM where the file has ranks instead of scores */
    bool by_rank;           /* merging goes by `merges` */
    uint32_t *order;        /* SPM [n_tokens]: lower merges sooner (descending score) */
    size_t max_text_bytes;  /* SPM: longest token with SLK_TOKEN_F_TEXT */
    slk_rules *rules;       /* NULL: llama.cpp's */
};

/* The spelling of token id (in range); borrowed from the tokenizer. */
static inline slk_bytes slk_token_raw(const slk_tokenizer *tok, int32_t id)
{
    return (slk_bytes){tok->raw + tok->raw_at[id], tok->raw_at[id + 1] - tok->raw_at[id]};
}

/* --- build.c --- */
/* Id of the token that is spelled so and has one of `flags` (0: any); -1: none. O(1). */
int32_t slk_token_find(const slk_tokenizer *tok, const char *text, size_t n_bytes, unsigned flags);
/* A power of two of slots for n entries, at most half full; all -1. NULL: out of memory. */
int32_t *slk_token_make_slots(size_t n, size_t *mask);

/* --- merge.c --- */
/* A run of text in a doubly linked list. id = -1: no token spells it (it never merges as BPE; may as SPM). n_bytes = 0:
 * it was joined to its left neighbour. */
typedef struct slk_symbol {
    uint32_t at, n_bytes;
    int32_t prev, next; /* indices, -1: none */
    int32_t id;
} slk_symbol;

/* Two neighbours that could be joined, as they were when this was noted. */
typedef struct slk_pair {
    uint64_t key; /* order << 32 | index of the left symbol: the smallest goes first */
    uint32_t right, n_bytes;
    int32_t result;
} slk_pair;

/* Scratch memory of one encode call, reused from word to word. */
typedef struct slk_merging {
    const slk_tokenizer *tok;
    const char *text; /* what slk_symbol.at counts from */
    slk_symbol *symbols;
    size_t n_symbols, symbols_cap;
    slk_pair *heap;
    size_t n_heap, heap_cap;
    slk_ids *out;
    char *spaced; /* SPM: the text with U+2581 for spaces */
    size_t spaced_cap;
    slk_buf normal, marked; /* Hugging Face's rules: the normalised text, and the run of it that is encoded */
} slk_merging;

/* Free the buffers; the struct is the caller's. */
void slk_merging_release(slk_merging *m);
/* Append a symbol. false: out of memory. */
bool slk_merging_add(slk_merging *m, size_t at, size_t n_bytes, int32_t id);
/* Join neighbours until none can be joined: lowest order first, then leftmost. O(n log n). false: out of memory. */
bool slk_merging_run(slk_merging *m);
bool slk_ids_push(slk_ids *ids, int32_t id);

/* --- bpe.c, spm.c --- */
/* Fill the tables of the kind from the description. */
slk_status slk_bpe_build(slk_tokenizer *tok, const slk_vocab *vocab, slk_err *err);
slk_status slk_spm_build(slk_tokenizer *tok, const slk_vocab *vocab, slk_err *err);
/* The bytes that a token's spelling stands for, into out (at least as many bytes as raw has); returns how many. */
size_t slk_bpe_decode_raw(char *out, slk_bytes raw);
size_t slk_spm_decode_raw(char *out, slk_bytes raw, bool is_byte);
/* Append the ids of text to m->out. */
slk_status slk_bpe_encode(slk_merging *m, const char *text, size_t n_bytes, slk_err *err);
slk_status slk_spm_encode(slk_merging *m, const char *text, size_t n_bytes, bool space_before, slk_err *err);
/* The same for text in which U+2581 stands for spaces already. */
slk_status slk_spm_encode_marked(slk_merging *m, const char *text, size_t n_bytes, slk_err *err);
/* Fill tok->merges. */
slk_status slk_merges_build(slk_tokenizer *tok, const slk_vocab *vocab, slk_err *err);
/* Which order (lower first) and result joining has; false: they cannot be joined. */
bool slk_bpe_find_merge(const slk_tokenizer *tok, int32_t left, int32_t right, uint32_t *order, int32_t *result);
bool slk_spm_find_merge(const slk_tokenizer *tok, const char *text, size_t n_bytes, uint32_t *order, int32_t *result);

/* --- special.c --- */
/* A part of a text: a token matched verbatim, or (id = -1) text still to be encoded. */
typedef struct slk_fragment {
    size_t at, n_bytes;
    int32_t id;
} slk_fragment;

/* Collect the tokens that are matched verbatim. Errors: SLK_E_MEMORY. */
slk_status slk_special_build(slk_tokenizer *tok, slk_err *err);
/* Cut text at the tokens that are matched verbatim (with_special: control tokens, too). Longer tokens are looked for
 * first, in the whole text, each from left to right: as llama.cpp does, and not the same as the longest match at the
 * leftmost place. *fragments is [*n], free() it. Errors: SLK_E_MEMORY. */
slk_status slk_special_cut(const slk_tokenizer *tok, const char *text, size_t n_bytes, bool with_special,
                           slk_fragment **fragments, size_t *n, slk_err *err);

/* A filter over texts; no text is empty. false: out of memory. */
bool slk_special_add(slk_special_set *set, size_t *lengths_cap, const char *text, size_t n_bytes);
void slk_special_sort(slk_special_set *set);
/* Could a text of the set begin at text[at]? */
bool slk_special_may_begin(const slk_special_set *set, const char *text, size_t at, size_t end);

/* --- rules.c, added.c: Hugging Face's way --- */
slk_status slk_rules_create(slk_rules **out, const slk_vocab *vocab, const char *name, slk_err *err);
void slk_rules_free(slk_rules *rules);
/* The normalised text, in `out` (cleared first). false: out of memory. */
bool slk_rules_normalize(const slk_rules *rules, const char *text, size_t n_bytes, slk_buf *out);
slk_status slk_rules_encode(slk_merging *m, const char *text, size_t n_bytes, bool with_special, slk_err *err);
/* Collect the added tokens; tok->rules is there. */
slk_status slk_added_build(slk_tokenizer *tok, const slk_vocab *vocab, slk_err *err);
void slk_added_release(slk_added_set *set);
/* Cut text at the set's tokens: leftmost first, of those the longest; a control token without with_special stays text,
 * and nothing else is looked for inside it. *fragments is [*n], free() it. false: out of memory. */
bool slk_added_cut(const slk_tokenizer *tok, int set, const char *text, size_t n_bytes, bool with_special,
                   slk_fragment **fragments, size_t *n);

#endif
