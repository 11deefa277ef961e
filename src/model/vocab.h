/* The tokenizer of a GGUF file: its tokenizer.ggml.* keys as a neutral vocabulary. Files that hold nothing but a
 * vocabulary work. */
#ifndef SLK_MODEL_VOCAB_H
#define SLK_MODEL_VOCAB_H

#include "base/error.h"
#include "format/gguf.h"
#include "token/tokenizer.h"

/* What a file leaves out is what llama.cpp takes it to be:
 *   pre           "default" (BPE)
 *   bos eos unk   SentencePiece: 1, 2, 0 where the vocabulary is that large; BPE: none (llama.cpp: token 11, Falcon's)
 *   eot           none: slk_tokenizer_is_end() knows the usual spellings
 *   add_bos       SentencePiece: yes; BPE: only the llama-bpe family, if the file names a bos token
 *   add_eos       no
 *   space prefix  SentencePiece: yes; BPE never has one
 *   token_type    BPE: all normal
 * An id outside the vocabulary is an error (llama.cpp warns and takes the default).
 * The tokenizer is a copy: it outlives the file.
 * Errors, with file and key in the message: SLK_E_NOT_FOUND (key missing), SLK_E_FORMAT (key of another type, arrays of
 * different lengths, broken vocabulary), SLK_E_UNSUPPORTED (another kind of vocabulary or pre-tokeniser), SLK_E_MEMORY.
 */
slk_status slk_model_load_tokenizer(slk_tokenizer **out, const slk_gguf *file, slk_err *err);

/* The description alone, for writing it elsewhere. Its strings are the file's: close it before the file. Errors: the
 * same, but for those that only slk_tokenizer_create() finds. */
typedef struct slk_model_vocab slk_model_vocab;
slk_status slk_model_vocab_open(slk_model_vocab **out, const slk_gguf *file, slk_err *err);
void slk_model_vocab_close(slk_model_vocab *vocab);
const slk_vocab *slk_model_vocab_get(const slk_model_vocab *vocab); /* borrowed until close */

#endif
