#include "know/prompt.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "know/pattern.h"

typedef struct section {
    slk_pattern pattern; /* its source: the section's bytes as written (CR LF made LF), which are hashed */
    long first_line;     /* of the source in the file; 0: the file has no such section */
} section;

struct slk_template {
    section exemplar, question;
};

static const char builtin[] = "[exemplar]\nQ: {question}\nA: {answer}\n[question]\nQ: {question}\nA:\n";

/* --- parsing a file ----------------------------------------------------------------------------------------------- */

static bool line_is(const char *line, size_t n, const char *text)
{
    return n == strlen(text) && !memcmp(line, text, n);
}

static section *section_of_line(slk_template *t, const char *line, size_t n)
{
    if (line_is(line, n, "[exemplar]")) return &t->exemplar;
    if (line_is(line, n, "[question]")) return &t->question;
    return NULL;
}

/* Share the lines out to the sections. */
static slk_status split_sections(slk_template *t, slk_buf sources[2], const char *text, size_t n_bytes,
                                 const char *name, slk_err *err)
{
    section *current = NULL;
    long number = 0;
    for (size_t at = 0; at < n_bytes;) {
        const char *line = text + at, *stop = memchr(line, '\n', n_bytes - at);
        size_t n = stop ? (size_t)(stop - line) : n_bytes - at;
        at += n + 1;
        number++;
        if (n > 0 && line[n - 1] == '\r') n--;
        section *s = section_of_line(t, line, n);
        if (s) {
            if (s->first_line)
                return slk_fail(err, SLK_E_FORMAT, "%s:%ld: a second %.*s section, expected one", name, number, (int)n,
                                line);
            s->first_line = number + 1;
            current = s;
        } else if (current) {
            slk_buf *source = &sources[current == &t->question];
            slk_buf_add(source, line, n);
            slk_buf_add(source, "\n", 1);
        } else if (n > 0 && line[0] != '#') {
            return slk_fail(err, SLK_E_FORMAT,
                            "%s:%ld: text before the first section, expected [exemplar] or [question]", name, number);
        }
    }
    return SLK_OK;
}

/* A section's source becomes its own; drop: line breaks at its end that are no part of it. */
static slk_status take_section(section *s, slk_buf *source, size_t drop, const char *title, const char *name,
                               slk_err *err)
{
    if (!s->first_line)
        return slk_fail(err, SLK_E_FORMAT, "%s: no line %s, expected the sections [exemplar] and [question]", name,
                        title);
    if (source->failed) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", name);
    if (source->len <= drop) return slk_fail(err, SLK_E_FORMAT, "%s:%ld: %s is empty", name, s->first_line - 1, title);
    s->pattern.n_source = source->len - drop;
    s->pattern.source = slk_buf_take(source);
    if (!s->pattern.source) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", name);
    return slk_pattern_parse(&s->pattern, true, name, s->first_line, err);
}

static slk_status check_sections(const slk_template *t, const char *name, slk_err *err)
{
    const section *x = &t->exemplar, *q = &t->question;
    if (slk_pattern_count(&x->pattern, SLK_HOLE_QUESTION) == 0 || slk_pattern_count(&x->pattern, SLK_HOLE_ANSWER) == 0)
        return slk_fail(err, SLK_E_FORMAT, "%s:%ld: [exemplar] needs both {question} and {answer}", name,
                        x->first_line - 1);
    if (slk_pattern_count(&q->pattern, SLK_HOLE_QUESTION) == 0)
        return slk_fail(err, SLK_E_FORMAT, "%s:%ld: [question] needs {question}", name, q->first_line - 1);
    if (slk_pattern_count(&q->pattern, SLK_HOLE_ANSWER) > 0)
        return slk_fail(err, SLK_E_FORMAT, "%s:%ld: {answer} in [question], expected it in [exemplar] only", name,
                        q->first_line - 1);
    size_t begin, end;
    slk_text_trim(q->pattern.source, q->pattern.n_source, &begin, &end);
    if (end < q->pattern.n_source)
        return slk_fail(err, SLK_E_FORMAT, "%s:%ld: [question] ends in white space; the answer follows after one space",
                        name, q->first_line - 1);
    return SLK_OK;
}

static slk_status template_fill(slk_template *t, const char *text, size_t n_bytes, const char *name, slk_err *err)
{
    slk_status status = slk_pattern_check_text(text, n_bytes, name, err);
    if (status != SLK_OK) return status;
    slk_buf sources[2];
    slk_buf_init(&sources[0]);
    slk_buf_init(&sources[1]);
    status = split_sections(t, sources, text, n_bytes, name, err);
    if (status == SLK_OK) status = take_section(&t->exemplar, &sources[0], 0, "[exemplar]", name, err);
    if (status == SLK_OK) status = take_section(&t->question, &sources[1], 1, "[question]", name, err);
    if (status == SLK_OK) status = check_sections(t, name, err);
    slk_buf_release(&sources[0]);
    slk_buf_release(&sources[1]);
    return status;
}

slk_status slk_template_parse(slk_template **out, const char *text, size_t n_bytes, const char *name, slk_err *err)
{
    *out = NULL;
    slk_template *t = slk_alloc_zero(1, sizeof *t);
    if (!t) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", name);
    slk_status status = template_fill(t, text, n_bytes, name, err);
    if (status != SLK_OK) {
        slk_template_free(t);
        return status;
    }
    *out = t;
    return SLK_OK;
}

slk_status slk_template_create(slk_template **out, slk_err *err)
{
    return slk_template_parse(out, builtin, sizeof builtin - 1, "built-in template", err);
}

slk_status slk_template_open(slk_template **out, const char *path, slk_err *err)
{
    char *text;
    size_t n_bytes;
    *out = NULL;
    slk_status status = slk_file_read(&text, &n_bytes, path, err);
    if (status != SLK_OK) return status;
    status = slk_template_parse(out, text, n_bytes, path, err);
    free(text);
    return status;
}

void slk_template_free(slk_template *t)
{
    if (!t) return;
    slk_pattern_release(&t->exemplar.pattern);
    slk_pattern_release(&t->question.pattern);
    free(t);
}

uint64_t slk_template_hash(const slk_template *t)
{
    uint64_t h = slk_hash_more(0, t->exemplar.pattern.source, t->exemplar.pattern.n_source);
    return slk_hash_more(h, t->question.pattern.source, t->question.pattern.n_source);
}

/* --- rendering ---------------------------------------------------------------------------------------------------- */

void slk_template_add_exemplar(const slk_template *t, slk_buf *buf, const char *question, const char *answer)
{
    slk_pattern_render(&t->exemplar.pattern, buf, question, answer);
}

void slk_template_add_question(const slk_template *t, slk_buf *buf, const char *question)
{
    slk_pattern_render(&t->question.pattern, buf, question, "");
}

void slk_prompt_render(const slk_template *t, slk_buf *buf, const slk_fact *const *exemplars, size_t n_shots,
                       const char *question)
{
    for (size_t i = 0; i < n_shots; i++)
        slk_template_add_exemplar(t, buf, exemplars[i]->question, exemplars[i]->answers[0]);
    slk_template_add_question(t, buf, question);
}
