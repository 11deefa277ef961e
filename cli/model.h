/* What commands that take a MODEL share. */
#ifndef SLK_CLI_MODEL_H
#define SLK_CLI_MODEL_H

#include "base/error.h"
#include "base/mem.h"
#include "token/tokenizer.h"

/* The tokenizer of the MODEL of the command line: a GGUF file (one that holds nothing but a vocabulary will do) or a
 * Hugging Face directory. Free it with slk_tokenizer_free. */
slk_status slk_cli_open_tokenizer(slk_tokenizer **out, const char *path, slk_err *err);

/* The text of an argument: itself, or for "-" all of standard input. free() it; *n_bytes without the NUL. */
slk_status slk_cli_read_text(char **out, size_t *n_bytes, const char *argument, slk_err *err);

/* What one token stands for, as valid UTF-8 without loss: the text it adds; bytes that are no characters of their own
 * as <0xE2>; control tokens as the vocabulary spells them. Appended to out. */
void slk_cli_add_piece(slk_buf *out, const slk_tokenizer *tok, int32_t id);

/* Text in quotes with C escapes for quotes, backslashes and control characters: on one line whatever it holds. */
void slk_cli_add_quoted(slk_buf *out, const char *text, size_t n_bytes);

#endif
