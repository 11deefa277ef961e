/* A small language model made of seeded numbers, for tests that need one that answers.
 *
 * It has two layers, 64 channels and about 600 tokens, and says words: every token belongs to a concept, and a
 * concept's tokens (" Lak", " lak", " LAK", "lak") have similar logits, so that its samples often differ in nothing but
 * case, articles or punctuation. Attention looks at the last few tokens most and at the rest of the prompt a little, so
 * greedy answers change with the question and sometimes with the exemplars; channel 0 is constant and carries each
 * token's frequency, by which answers end after a few words. The vocabulary has what is hard for a matcher: combining
 * accents, ligatures, cut UTF-8 characters, articles and their beginnings, line breaks and zero bytes inside tokens,
 * white space of several kinds, control tokens.
 *
 * All numbers come from integers of Philox by one multiplication each: the file is the same on every machine. */
#ifndef SLK_TEST_TINY_MODEL_H
#define SLK_TEST_TINY_MODEL_H

#include <stdint.h>
#include "base/error.h"

typedef enum tiny_kind {
    TINY_SPM, /* SentencePiece-style: byte fallback, BOS, a space before the text */
    TINY_BPE, /* byte-level BPE, no BOS, and the embedding has more rows than the vocabulary */
} tiny_kind;

/* The words it knows, "lak" ...: questions made of them are short in tokens. */
#define TINY_N_WORDS 16
extern const char *const tiny_words[TINY_N_WORDS];

/* Seeds that give varied answers of a few words. */
#define TINY_SPM_SEED 15
#define TINY_BPE_SEED 2

/* What may be wrong with a model. */
typedef enum tiny_flaw {
    TINY_SOUND,
    TINY_NO_TENSOR,    /* blk.1.ffn_down.weight is missing */
    TINY_WRONG_SHAPE,  /* output_norm.weight has 63 values */
    TINY_WRONG_MATRIX, /* blk.0.attn_v.weight has as many rows as attn_q */
    TINY_UNKNOWN_ARCHITECTURE,
    TINY_NO_LAYER_COUNT, /* llama.block_count is missing */
    TINY_UNKNOWN_TYPE,   /* output_norm.weight is of a type that there is not */
    TINY_N_FLAWS,
    TINY_ABSTAINING =
        100, /* no flaw: a word that it often says is spelt "idk", which is an abstention (know/abstain.h) */
} tiny_flaw;

/* Write the model to path (a file that is there is replaced). Errors: slk_gguf_write's. */
slk_status tiny_write_model(const char *path, tiny_kind kind, tiny_flaw flaw, slk_err *err);

#endif
