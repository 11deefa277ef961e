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
    slk_merge_table merges; /* BPE */
    uint32_t *order;        /* SPM [n_tokens]: lower merges sooner (descending score) */
    size_t max_text_bytes;  /* SPM: longest token with SLK_TOKEN_F_TEXT */
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

#endif
