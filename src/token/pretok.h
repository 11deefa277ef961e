/* The first cut of byte-level BPE: text into words, within which alone pieces are merged. Every family has its own
 * patterns; a file names them (tokenizer.ggml.pre). Patterns are applied one after the other: each cuts the parts that
 * the one before left, and what lies between two matches is a part, too. */
#ifndef SLK_TOKEN_PRETOK_H
#define SLK_TOKEN_PRETOK_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"

#define SLK_PRETOK_MAX_PATTERNS 4

/* What a family of vocabularies does before merging. Constant. */
typedef struct slk_pretok_info {
    const char *patterns[SLK_PRETOK_MAX_PATTERNS]; /* PCRE2, NULL-terminated unless all are used */
    bool whole_words;                              /* a word that is a token is taken as it is, without merging */
    bool add_bos;                                  /* default of add_bos_token where the file does not say */
} slk_pretok_info;

/* By the name that GGUF files use ("smollm", "llama-bpe", ...); NULL: not known. */
const slk_pretok_info *slk_pretok_find(const char *name, size_t n_bytes);

/* --- tokenizer.json spells its patterns out --- */
#define SLK_PRETOK_REGEX_GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
/* The pattern that cuts as Hugging Face's regular expression `regex` does, and the GGUF name of its family; NULL: not
 * known. Constant. */
const char *slk_pretok_find_regex(const char *regex, const char **family);
/* The regular expression of a family ("gpt-2", "llama-bpe", "qwen2"), or of all families that share its patterns
 * ("smollm": gpt-2's, after single digits were cut out); NULL: none. */
const char *slk_pretok_regex(const slk_pretok_info *info, bool *digits_first);
const char *slk_pretok_digit(void);  /* one digit */
const char *slk_pretok_digits(void); /* a run of digits */

/* Compiled patterns; immutable after create(), so threads may share them. */
typedef struct slk_pretok slk_pretok;
/* Errors: SLK_E_MEMORY. */
slk_status slk_pretok_create(slk_pretok **out, const slk_pretok_info *info, slk_err *err);
void slk_pretok_free(slk_pretok *pretok);

/* What split() calls for each word, from left to right; an error of it ends the splitting and is returned. */
typedef slk_status slk_pretok_emit(void *user, const char *word, size_t n_bytes, slk_err *err);

/* Cut text into words; together they are the text. Bytes that are no valid UTF-8 separate what stands left and right of
 * them, and each is a word of its own. Thread-safe. Errors: SLK_E_MEMORY, emit's. */
slk_status slk_pretok_split(const slk_pretok *pretok, const char *text, size_t n_bytes, slk_pretok_emit *emit,
                            void *user, slk_err *err);

#endif
