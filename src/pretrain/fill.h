/* Statements: templates with {subject}, {question} and {answer}; {{ and }} are braces. Not for other modules. */
#ifndef SLK_PRETRAIN_FILL_H
#define SLK_PRETRAIN_FILL_H

#include "base/mem.h"

/* NULL: a good template. Else what was expected, as a phrase for messages; static. */
const char *slk_fill_check(const char *text);
/* Append a good template, filled in (check out->failed at the end). */
void slk_fill_add(slk_buf *out, const char *text, const char *subject, const char *question, const char *answer);

#endif
