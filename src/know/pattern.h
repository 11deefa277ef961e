/* Text with holes for a question and an answer, as prompt files have it: {question} and {answer} are filled in, {{ and
 * }} are braces, any other brace is an error that names its line. What prompt.c and instruction.c share; not for other
 * modules. */
#ifndef SLK_KNOW_PATTERN_H
#define SLK_KNOW_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"
#include "base/mem.h"

typedef enum slk_hole { SLK_HOLE_NONE, SLK_HOLE_QUESTION, SLK_HOLE_ANSWER } slk_hole;

/* A run of literal bytes, or a hole. */
typedef struct slk_pattern_part {
    slk_hole hole;
    size_t at, len; /* NONE: within the pattern's literals */
} slk_pattern_part;

/* Zero-initialise; release also after a failure. */
typedef struct slk_pattern {
    char *source; /* [n_source] the bytes as written */
    size_t n_source;
    slk_buf literals;
    slk_pattern_part *parts;
    size_t n_parts, parts_cap;
} slk_pattern;

/* Parse what the caller put into pattern->source; its first line is number first_line of the file `name`. Without
 * `answers` a hole for the answer is an error. Errors: SLK_E_FORMAT ("NAME:LINE: ..."), SLK_E_MEMORY. */
slk_status slk_pattern_parse(slk_pattern *pattern, bool answers, const char *name, long first_line, slk_err *err);
void slk_pattern_release(slk_pattern *pattern);
size_t slk_pattern_count(const slk_pattern *pattern, slk_hole hole); /* parts of that kind */
/* Append the filled-in text (check buf->failed at the end). */
void slk_pattern_render(const slk_pattern *pattern, slk_buf *buf, const char *question, const char *answer);

/* Is the file's text valid UTF-8 without NUL? Errors: SLK_E_FORMAT ("NAME:LINE: ..."). */
slk_status slk_pattern_check_text(const char *text, size_t n_bytes, const char *name, slk_err *err);

#endif
