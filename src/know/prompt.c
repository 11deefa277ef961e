#include "know/prompt.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"

/* A section as a list of literal pieces and placeholders. */
typedef enum part_kind { LITERAL, QUESTION, ANSWER } part_kind;

typedef struct part {
    part_kind kind;
    size_t at, len; /* LITERAL: within the section's literal bytes */
} part;

typedef struct section {
    char *source; /* the section's bytes as written (CR LF made LF): what is hashed */
    size_t n_source;
    long first_line; /* of source in the file; 0: the file has no such section */
    slk_buf literals;
    part *parts;
    size_t n_parts, parts_cap;
} section;

struct slk_template {
    section exemplar, question;
};

static const char builtin[] = "[exemplar]\nQ: {question}\nA: {answer}\n[question]\nQ: {question}\nA:\n";

/* --- parsing one section ------------------------------------------------------------------------------------------ */

static bool section_add(section *s, part_kind kind, const char *bytes, size_t n)
{
    part *last = s->n_parts > 0 ? &s->parts[s->n_parts - 1] : NULL;
    if (kind == LITERAL && last && last->kind == LITERAL) {
        last->len += n;
    } else {
        if (!slk_grow(&s->parts, &s->parts_cap, s->n_parts + 1, sizeof *s->parts)) return false;
        s->parts[s->n_parts++] = (part){kind, s->literals.len, n};
    }
    slk_buf_add(&s->literals, bytes, n);
    return !s->literals.failed;
}

/* What stands at p: a placeholder, an escaped brace, or one byte. Returns its length; 0: a stray brace. */
static size_t next_piece(const char *p, size_t n, part_kind *kind, const char **bytes)
{
    static const char question[] = "{question}", answer[] = "{answer}";
    *kind = LITERAL;
    *bytes = p;
    if (*p != '{' && *p != '}') return 1;
    if (n >= 2 && p[1] == *p) return 2;
    if (n >= sizeof question - 1 && !memcmp(p, question, sizeof question - 1)) {
        *kind = QUESTION;
        return sizeof question - 1;
    }
    if (n >= sizeof answer - 1 && !memcmp(p, answer, sizeof answer - 1)) {
        *kind = ANSWER;
        return sizeof answer - 1;
    }
    return 0;
}

static slk_status section_parse(section *s, const char *name, slk_err *err)
{
    long line = s->first_line;
    for (size_t i = 0; i < s->n_source;) {
        part_kind kind;
        const char *bytes;
        size_t n = next_piece(s->source + i, s->n_source - i, &kind, &bytes);
        if (n == 0)
            return slk_fail(err, SLK_E_FORMAT, "%s:%ld: stray '%c', expected {question}, {answer}, {{ or }}", name,
                            line, s->source[i]);
        if (s->source[i] == '\n') line++;
        if (!section_add(s, kind, bytes, kind == LITERAL ? 1 : 0))
            return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", name);
        i += n;
    }
    return SLK_OK;
}

static size_t section_count(const section *s, part_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_parts; i++) n += s->parts[i].kind == kind;
    return n;
}

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
    s->n_source = source->len - drop;
    s->source = slk_buf_take(source);
    if (!s->source) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", name);
    return section_parse(s, name, err);
}

static slk_status check_sections(const slk_template *t, const char *name, slk_err *err)
{
    const section *x = &t->exemplar, *q = &t->question;
    if (section_count(x, QUESTION) == 0 || section_count(x, ANSWER) == 0)
        return slk_fail(err, SLK_E_FORMAT, "%s:%ld: [exemplar] needs both {question} and {answer}", name,
                        x->first_line - 1);
    if (section_count(q, QUESTION) == 0)
        return slk_fail(err, SLK_E_FORMAT, "%s:%ld: [question] needs {question}", name, q->first_line - 1);
    if (section_count(q, ANSWER) > 0)
        return slk_fail(err, SLK_E_FORMAT, "%s:%ld: {answer} in [question], expected it in [exemplar] only", name,
                        q->first_line - 1);
    size_t begin, end;
    slk_text_trim(q->source, q->n_source, &begin, &end);
    if (end < q->n_source)
        return slk_fail(err, SLK_E_FORMAT, "%s:%ld: [question] ends in white space; the answer follows after one space",
                        name, q->first_line - 1);
    return SLK_OK;
}

static long line_of(const char *text, size_t offset)
{
    long line = 1;
    for (size_t i = 0; i < offset; i++) line += text[i] == '\n';
    return line;
}

static slk_status template_fill(slk_template *t, const char *text, size_t n_bytes, const char *name, slk_err *err)
{
    size_t n_valid = slk_utf8_valid(text, n_bytes);
    if (n_valid < n_bytes)
        return slk_fail(err, SLK_E_FORMAT, "%s:%ld: byte 0x%02X is no UTF-8", name, line_of(text, n_valid),
                        (unsigned char)text[n_valid]);
    const char *nul = memchr(text, 0, n_bytes);
    if (nul)
        return slk_fail(err, SLK_E_FORMAT, "%s:%ld: a NUL byte, expected text", name,
                        line_of(text, (size_t)(nul - text)));

    slk_buf sources[2];
    slk_buf_init(&sources[0]);
    slk_buf_init(&sources[1]);
    slk_status status = split_sections(t, sources, text, n_bytes, name, err);
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
    slk_buf_init(&t->exemplar.literals);
    slk_buf_init(&t->question.literals);
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

static void section_release(section *s)
{
    free(s->source);
    free(s->parts);
    slk_buf_release(&s->literals);
}

void slk_template_free(slk_template *t)
{
    if (!t) return;
    section_release(&t->exemplar);
    section_release(&t->question);
    free(t);
}

uint64_t slk_template_hash(const slk_template *t)
{
    uint64_t h = slk_hash_more(0, t->exemplar.source, t->exemplar.n_source);
    return slk_hash_more(h, t->question.source, t->question.n_source);
}

/* --- rendering ---------------------------------------------------------------------------------------------------- */

static void section_render(const section *s, slk_buf *buf, const char *question, const char *answer)
{
    for (size_t i = 0; i < s->n_parts; i++) {
        const part *p = &s->parts[i];
        if (p->kind == LITERAL)
            slk_buf_add(buf, s->literals.data + p->at, p->len);
        else
            slk_buf_add_str(buf, p->kind == QUESTION ? question : answer);
    }
}

void slk_template_add_exemplar(const slk_template *t, slk_buf *buf, const char *question, const char *answer)
{
    section_render(&t->exemplar, buf, question, answer);
}

void slk_template_add_question(const slk_template *t, slk_buf *buf, const char *question)
{
    section_render(&t->question, buf, question, "");
}

void slk_prompt_render(const slk_template *t, slk_buf *buf, const slk_fact *const *exemplars, size_t n_shots,
                       const char *question)
{
    for (size_t i = 0; i < n_shots; i++)
        slk_template_add_exemplar(t, buf, exemplars[i]->question, exemplars[i]->answers[0]);
    slk_template_add_question(t, buf, question);
}
