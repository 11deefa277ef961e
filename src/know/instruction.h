/* The fine-tuning prompt: how a question is put to a model that is trained on it, and asked again after each epoch.
 *
 *     Answer the following question.
 *     {question}
 *
 * is the built-in one (STUDY.md section 3), with the line break at its end. A template file is the whole prompt, byte
 * for byte with its last line break (a byte order mark is skipped, CR LF counts as LF): {question} is filled in, {{ and
 * }} are braces, any other brace is an error.
 *
 * Prompt and answer are tokenised apart and nothing is put between them:
 *
 *     [BOS, where the model's add_bos says so] prompt tokens | answer tokens, end
 *
 * The end is the model's end-of-text token. A model without one, or whose one would add text (it is then no control
 * token, and no answer would end there), ends answers with a line break, which is tokenised with the answer. Text from
 * data is never parsed for control tokens. */
#ifndef SLK_KNOW_INSTRUCTION_H
#define SLK_KNOW_INSTRUCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/fact.h"
#include "base/mem.h"
#include "token/tokenizer.h"

/* An answer that is evaluated has at most so many tokens, the ending one counted (DESIGN.md, Definitions). */
#define SLK_ANSWER_MAX_TOKENS 32

typedef struct slk_instruction slk_instruction;

/* The built-in prompt. Errors: SLK_E_MEMORY. */
slk_status slk_instruction_create(slk_instruction **out, slk_err *err);
/* A template file. Errors: SLK_E_IO, SLK_E_FORMAT ("FILE:LINE: ..."), SLK_E_MEMORY. */
slk_status slk_instruction_open(slk_instruction **out, const char *path, slk_err *err);
/* The same from memory; name stands for the file in messages. */
slk_status slk_instruction_parse(slk_instruction **out, const char *text, size_t n_bytes, const char *name,
                                 slk_err *err);
void slk_instruction_free(slk_instruction *instruction);

/* The template as written, {question} and all (CR LF made LF). Borrowed; UTF-8. */
const char *slk_instruction_text(const slk_instruction *instruction);
/* Hash of that text: the same for templates that give the same prompts. */
uint64_t slk_instruction_hash(const slk_instruction *instruction);

/* Append the prompt of a question (check buf->failed at the end). */
void slk_instruction_render(const slk_instruction *instruction, slk_buf *buf, const char *question);

/* Token ids of the prompt, BOS first where the model has it; never an end-of-text token, whatever add_eos says. *ids is
 * replaced. Errors: SLK_E_FORMAT (slk_tokenizer_encode), SLK_E_MEMORY. */
slk_status slk_instruction_encode_prompt(const slk_instruction *instruction, const slk_tokenizer *tokenizer,
                                         slk_ids *ids, const char *question, slk_err *err);

/* A training example: token ids of the prompt, and of the answer and its end. Both lists are replaced; release them
 * with free(ids). n_context: the model's. An answer with a line break or of more than SLK_ANSWER_MAX_TOKENS tokens can
 * be trained on, but a model that learnt it is never found right: slk_instruction_can_match() tells.
 * Errors, without file and line (put them before with slk_fail_in): SLK_E_FORMAT (empty question or answer, a byte that
 * no token stands for), SLK_E_ARG (prompt and answer are longer than the context), SLK_E_MEMORY. */
slk_status slk_instruction_encode(const slk_instruction *instruction, const slk_tokenizer *tokenizer, int32_t n_context,
                                  slk_ids *prompt, slk_ids *answer, const char *question, const char *answer_text,
                                  slk_err *err);

/* Can an evaluated answer ever match this fact? Not where each of its answers and aliases has a line break or, with the
 * end, more than SLK_ANSWER_MAX_TOKENS tokens. Errors: SLK_E_FORMAT, SLK_E_MEMORY. */
slk_status slk_instruction_can_match(bool *out, const slk_tokenizer *tokenizer, const slk_fact *fact, slk_err *err);

#endif
