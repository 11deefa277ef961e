/* Text to token ids and back. Two kinds of vocabulary:
 *   byte-level BPE (GGUF model "gpt2"): text is cut by a pre-tokeniser pattern, bytes become printable stand-ins,
 *     merges are applied by rank;
 *   SentencePiece-style (GGUF model "llama"): spaces become U+2581, pieces are merged by score, what is left falls
 *     back to byte tokens <0xXX>.
 * The description is neutral (slk_vocab), so that GGUF metadata and tokenizer.json lead to the same tokenizer. */
#ifndef SLK_TOKEN_TOKENIZER_H
#define SLK_TOKEN_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

typedef enum slk_vocab_kind { SLK_VOCAB_BPE, SLK_VOCAB_SPM } slk_vocab_kind;

/* GGML's token types. */
typedef enum slk_token_type {
    SLK_TOKEN_NORMAL = 1,
    SLK_TOKEN_UNKNOWN = 2,
    SLK_TOKEN_CONTROL = 3,
    SLK_TOKEN_USER = 4,
    SLK_TOKEN_UNUSED = 5,
    SLK_TOKEN_BYTE = 6,
} slk_token_type;

typedef struct slk_bytes {
    const char *data;
    size_t len;
} slk_bytes;

/* How a token is matched verbatim by Hugging Face's rules. */
enum {
    SLK_ADDED = 1,            /* one of "added_tokens": cut out of texts before anything else */
    SLK_ADDED_LSTRIP = 2,     /* swallows the white space before it */
    SLK_ADDED_RSTRIP = 4,     /* and behind it */
    SLK_ADDED_NORMALIZED = 8, /* looked for in the normalised text */
    SLK_ADDED_ONLY = 16,      /* no token of the model itself: merging never makes it */
};

typedef enum slk_normal_kind { SLK_NORMAL_NFC, SLK_NORMAL_PREPEND, SLK_NORMAL_REPLACE } slk_normal_kind;

/* One step of normalising. PREPEND: `to` before every text that is not empty; REPLACE: every `from` by `to`. */
typedef struct slk_normal_op {
    slk_normal_kind kind;
    slk_bytes from, to;
} slk_normal_op;

typedef enum slk_prefix { SLK_PREFIX_NONE, SLK_PREFIX_FIRST, SLK_PREFIX_ALWAYS } slk_prefix;

#define SLK_RULES_MAX_PATTERNS 4

/* What Hugging Face's tokenizers does otherwise than llama.cpp, or llama.cpp knows by a name alone. The leftmost
 * longest added token is cut out first, then texts are normalised (after which added tokens that ask for it are cut
 * out), get a space before them and are cut into words. */
typedef struct slk_text_rules {
    const uint8_t *added; /* [n_tokens] SLK_ADDED*; control and unknown ones are matched on request, others always */
    const slk_normal_op *ops;
    size_t n_ops;
    slk_prefix prefix; /* a space (SPM: U+2581) before a text that does not begin with one: the text at the very
                          beginning, or each one between added tokens */
    bool mark_spaces;  /* SPM: U+2581 for spaces after normalising */
    bool split_words;  /* SPM: merging does not cross the beginning of a word (U+2581) */
    const char *patterns[SLK_RULES_MAX_PATTERNS]; /* BPE: PCRE2, as slk_pretok_info has them */
    bool whole_words;                             /* BPE: a word that is a token is not merged */
} slk_text_rules;

typedef struct slk_merge_pair {
    int32_t left, right; /* token ids */
} slk_merge_pair;

/* Description of a vocabulary; everything is copied by create(). */
typedef struct slk_vocab {
    slk_vocab_kind kind;
    const char *pre; /* BPE pre-tokeniser: "smollm" "gpt-2" "llama-bpe" "qwen2" "default"; others: SLK_E_UNSUPPORTED */
    size_t n_tokens;
    const slk_bytes *tokens;     /* [n_tokens] as in the file (byte stand-ins, U+2581) */
    const float *scores;         /* [n_tokens] or NULL (BPE) */
    const int32_t *types;        /* [n_tokens] slk_token_type, or NULL: all normal */
    const slk_bytes *merges;     /* [n_merges] "left right", in rank order (BPE) */
    const slk_merge_pair *pairs; /* [n_merges] the same as ids, instead of `merges`; SPM: merging goes by them, not by
                                    the scores */
    size_t n_merges;
    int32_t bos, eos, unk, eot;  /* -1: none */
    bool add_bos, add_eos;       /* honoured by encode with SLK_ENCODE_BOS, SLK_ENCODE_EOS */
    bool add_space_prefix;       /* SPM */
    const slk_text_rules *rules; /* NULL: as llama.cpp; else Hugging Face's; then `pre` does not count, and
                                    add_space_prefix for decoding only */
} slk_vocab;

typedef struct slk_tokenizer slk_tokenizer;

/* Errors: SLK_E_FORMAT (broken vocabulary: the message names the token or merge), SLK_E_UNSUPPORTED, SLK_E_MEMORY.
 * `name` is the file's, for messages. */
slk_status slk_tokenizer_create(slk_tokenizer **out, const slk_vocab *vocab, const char *name, slk_err *err);
void slk_tokenizer_free(slk_tokenizer *tok);

enum {
    SLK_ENCODE_SPECIAL = 1, /* text that spells a control token is that token; never for text from data */
    SLK_ENCODE_BOS = 2,     /* begin with BOS where the vocabulary's add_bos says so */
    SLK_ENCODE_EOS = 4,     /* end with EOS where its add_eos says so: of a whole text, never of a prompt */
};

/* A growable list of ids; zero-initialise, release with free(ids). */
typedef struct slk_ids {
    int32_t *ids;
    size_t n, cap;
} slk_ids;

/* Append the ids of text (any bytes: invalid UTF-8 is encoded byte by byte) to out; on failure out is as it was.
 * The ids are llama.cpp's, but: a byte that no token stands for is an error here (llama.cpp drops it; SmolLM2 has no
 * token for U+0013 and 20 other bytes), merging never makes control or byte tokens out of text, and "</s>" is a control
 * token only where the file says so. O(n log n). Thread-safe.
 * Errors: SLK_E_FORMAT (names the byte), SLK_E_ARG (over 512 MiB), SLK_E_MEMORY. */
slk_status slk_tokenizer_encode(const slk_tokenizer *tok, const char *text, size_t n_bytes, unsigned flags,
                                slk_ids *out, slk_err *err);
/* Append the bytes of ids to `out` (slk_buf of base/mem.h): control tokens add nothing unless `special`; SPM: the first
 * space that add_space_prefix put there is removed when ids begin the text (`at_start`). */
struct slk_buf;
void slk_tokenizer_decode(const slk_tokenizer *tok, const int32_t *ids, size_t n, bool special, bool at_start,
                          struct slk_buf *out);
/* The bytes one token adds in the middle of a text (control tokens: none). Borrowed until free; O(1). */
slk_bytes slk_tokenizer_piece(const slk_tokenizer *tok, int32_t id);
/* The token as the vocabulary spells it. Borrowed until free. */
slk_bytes slk_tokenizer_raw(const slk_tokenizer *tok, int32_t id);
/* Adds no text: control, unknown, unused, or out of range. */
bool slk_tokenizer_is_control(const slk_tokenizer *tok, int32_t id);
bool slk_tokenizer_is_end(const slk_tokenizer *tok, int32_t id); /* ends generation (eos, eot, <|im_end|> ...) */
size_t slk_tokenizer_n_tokens(const slk_tokenizer *tok);
int32_t slk_tokenizer_bos(const slk_tokenizer *tok); /* -1: none */
int32_t slk_tokenizer_eos(const slk_tokenizer *tok);
bool slk_tokenizer_adds_bos(const slk_tokenizer *tok);
slk_vocab_kind slk_tokenizer_kind(const slk_tokenizer *tok);

#endif
