/* How a question is put to the model. A template has two parts, for a solved example and for the question:
 *
 *     # lines before the first section that begin with # are comments
 *     [exemplar]
 *     Q: {question}
 *     A: {answer}
 *     [question]
 *     Q: {question}
 *     A:
 *
 * That is the built-in one. A section is what stands between the section lines, byte for byte: [exemplar] with its last
 * line break, so that exemplars follow each other and the answer ends at a line break (where slick ends the model's
 * answer, too); [question] without its last line break. An empty line inside a section is part of it. {question} and
 * {answer} are filled in, {{ and }} are braces, any other brace is an error. A line break of Windows (CR LF) counts as
 * LF.
 *
 * The prompt must not end in white space: the answer follows after one space, so " Paris\n" is what is scored. */
#ifndef SLK_KNOW_PROMPT_H
#define SLK_KNOW_PROMPT_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/fact.h"
#include "base/mem.h"

typedef struct slk_template slk_template;

/* The built-in template. Errors: SLK_E_MEMORY. */
slk_status slk_template_create(slk_template **out, slk_err *err);
/* A template file. Errors: SLK_E_IO, SLK_E_FORMAT ("FILE:LINE: ..."), SLK_E_MEMORY. */
slk_status slk_template_open(slk_template **out, const char *path, slk_err *err);
/* The same from memory; name stands for the file in messages. */
slk_status slk_template_parse(slk_template **out, const char *text, size_t n_bytes, const char *name, slk_err *err);
void slk_template_free(slk_template *t);

/* Hash of both sections' bytes: the same for two files that give the same prompts (comments do not count), and for the
 * built-in template and a file of it. */
uint64_t slk_template_hash(const slk_template *t);

/* Append one exemplar / the question to buf (check buf->failed at the end). */
void slk_template_add_exemplar(const slk_template *t, slk_buf *buf, const char *question, const char *answer);
void slk_template_add_question(const slk_template *t, slk_buf *buf, const char *question);

/* A whole prompt: the n_shots exemplars with their canonical answers, then the question. */
void slk_prompt_render(const slk_template *t, slk_buf *buf, const slk_fact *const *exemplars, size_t n_shots,
                       const char *question);

#endif
