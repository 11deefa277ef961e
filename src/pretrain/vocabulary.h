/* Training a vocabulary: byte-pair merges inside words, most frequent first, written down as a SentencePiece-style
 * vocabulary (GGUF model "llama"):
 *
 *   0 <unk>   1 <s>   2 </s>   3 .. 258: <0x00> .. <0xFF>   then pieces, a score for each: -0, -1, -2, ...
 *
 * That kind of vocabulary puts a space before a text. So an answer has the same tokens behind "A: " in a prompt and
 * where a text begins with it, in fine-tuning, whose prompt and answer are tokenised apart (know/instruction.h);
 * byte-level BPE as GGUF has it ("gpt2") has no such space. Every byte is a token, so any text has tokens and comes
 * back as it was.
 *
 * A word is a space (as U+2581) with the letters and digits behind it; any other ASCII character is a word of its own,
 * so no merge crosses from one to the other. */
#ifndef SLK_PRETRAIN_VOCABULARY_H
#define SLK_PRETRAIN_VOCABULARY_H

#include <stddef.h>
#include "base/error.h"
#include "base/mem.h"
#include "token/tokenizer.h"

enum { SLK_VOCABULARY_UNK = 0, SLK_VOCABULARY_BOS = 1, SLK_VOCABULARY_EOS = 2, SLK_VOCABULARY_FIRST = 259 };

typedef struct slk_vocabulary {
    slk_bytes *tokens; /* [n] */
    float *scores;     /* [n] */
    int32_t *types;    /* [n] slk_token_type */
    size_t n;
    size_t n_characters; /* pieces that are one character: SLK_VOCABULARY_FIRST and behind it */
    slk_arena strings;
} slk_vocabulary;

/* Train on text [n_bytes]: lines of valid UTF-8, each a text of its own. At most n_tokens tokens: the 259, the
 * characters of the text (the most frequent ones, while half of the room lasts), and merges of pairs that occur at
 * least twice. The same text gives the same vocabulary. Release *out in any case. Errors: SLK_E_FORMAT (no UTF-8),
 * SLK_E_ARG (n_tokens is less than 260), SLK_E_MEMORY. */
slk_status slk_vocabulary_train(slk_vocabulary *out, const char *text, size_t n_bytes, size_t n_tokens, slk_err *err);
void slk_vocabulary_release(slk_vocabulary *vocabulary);
/* As the tokenizer takes it, and a file describes it. Borrowed from vocabulary. */
slk_vocab slk_vocabulary_describe(const slk_vocabulary *vocabulary);

#endif
