/* tokenizer.json and tokenizer_config.json, the files of a Hugging Face directory, as a vocabulary, and back.
 *
 * A directory tokenises as Hugging Face's tokenizers does; a GGUF file as llama.cpp. The two differ in little (NFC for
 * Qwen, overlapping added tokens, literal U+2581), so a description is to be had in both ways:
 *   SLK_VOCAB_AS_HF    with slk_vocab.rules, for slk_tokenizer_create()
 *   SLK_VOCAB_AS_GGUF  as llama.cpp's converter writes it: the name of the pre-tokeniser, ranks of merges as scores,
 *                      user-defined spaces as spaces, unused rows as [PAD<id>]
 *
 * Understood: models of type BPE, byte-level or with byte fallback; normalisers NFC, Prepend, Replace (of a string);
 * pre-tokenisers ByteLevel, Digits, Metaspace, Split at a string that normalising leaves nowhere, or at one of the
 * patterns of GPT-2, Llama 3 and Qwen 2; sequences of these; TemplateProcessing with a token before or behind the text.
 * Anything else is an error that names file and key. */
#ifndef SLK_TOKEN_TOKENIZER_JSON_H
#define SLK_TOKEN_TOKENIZER_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"
#include "token/tokenizer.h"

typedef struct slk_json_vocab slk_json_vocab;
typedef enum slk_vocab_form { SLK_VOCAB_AS_HF, SLK_VOCAB_AS_GGUF } slk_vocab_form;

/* Read path, a folder or the tokenizer.json in it; of the files next to it: tokenizer_config.json (bos_token,
 * eos_token, add_bos_token, add_eos_token, added_tokens_decoder), and where that names no bos or eos,
 * special_tokens_map.json and the ids in config.json. n_rows: rows of the embedding (vocab_size of config.json); the
 * vocabulary is padded to it, and added tokens beyond it are left out (Gemma 3 has one); 0: as many tokens as the file
 * has. Errors: SLK_E_IO, SLK_E_FORMAT, SLK_E_NOT_FOUND, SLK_E_UNSUPPORTED, SLK_E_MEMORY; all name file and key. */
slk_status slk_json_vocab_open(slk_json_vocab **out, const char *path, size_t n_rows, slk_vocab_form form,
                               slk_err *err);
void slk_json_vocab_close(slk_json_vocab *vocab);
/* The description; borrowed until close. */
const slk_vocab *slk_json_vocab_get(const slk_json_vocab *vocab);

/* Both at once: open, create, close. */
slk_status slk_tokenizer_open_json(slk_tokenizer **out, const char *path, size_t n_rows, slk_err *err);

/* Write tokenizer.json and tokenizer_config.json into dir (which exists) for a description from a GGUF file: Hugging
 * Face's tokenizers then gives the ids that slick gives, where their rules allow:
 *   - merges of a SentencePiece vocabulary are every way to put a token together, larger scores and longer left parts
 *     first, as Hugging Face's own converter makes them; of equal scores that may choose otherwise;
 *   - the qwen2 family gets NFC, which its own files have and GGUF does not;
 *   - rows that hold no token ([PAD<id>]) are left out.
 * `name` is the vocabulary's file, for messages.
 * Errors: slk_tokenizer_create()'s for a broken vocabulary; SLK_E_FORMAT (a token that is no UTF-8), SLK_E_UNSUPPORTED
 * (pre-tokeniser "default", which has no counterpart; a description with rules), SLK_E_STATE (a file exists and
 * !overwrite), SLK_E_IO, SLK_E_MEMORY. Nothing is written on failure. */
slk_status slk_vocab_write_json(const char *dir, const slk_vocab *vocab, const char *name, bool overwrite,
                                slk_err *err);

#endif
