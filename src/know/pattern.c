#include "know/pattern.h"

#include <stdlib.h>
#include <string.h>
#include "base/text.h"

static bool add_part(slk_pattern *p, slk_hole hole, const char *bytes, size_t n)
{
    slk_pattern_part *last = p->n_parts > 0 ? &p->parts[p->n_parts - 1] : NULL;
    if (hole == SLK_HOLE_NONE && last && last->hole == SLK_HOLE_NONE) {
        last->len += n;
    } else {
        if (!slk_grow(&p->parts, &p->parts_cap, p->n_parts + 1, sizeof *p->parts)) return false;
        p->parts[p->n_parts++] = (slk_pattern_part){hole, p->literals.len, n};
    }
    slk_buf_add(&p->literals, bytes, n);
    return !p->literals.failed;
}

/* What stands at p: a hole, an escaped brace, or one byte. Returns its length; 0: a stray brace. */
static size_t next_piece(const char *p, size_t n, slk_hole *hole)
{
    static const char question[] = "{question}", answer[] = "{answer}";
    *hole = SLK_HOLE_NONE;
    if (*p != '{' && *p != '}') return 1;
    if (n >= 2 && p[1] == *p) return 2;
    if (n >= sizeof question - 1 && !memcmp(p, question, sizeof question - 1)) {
        *hole = SLK_HOLE_QUESTION;
        return sizeof question - 1;
    }
    if (n >= sizeof answer - 1 && !memcmp(p, answer, sizeof answer - 1)) {
        *hole = SLK_HOLE_ANSWER;
        return sizeof answer - 1;
    }
    return 0;
}

slk_status slk_pattern_parse(slk_pattern *p, bool answers, const char *name, long first_line, slk_err *err)
{
    long line = first_line;
    for (size_t i = 0; i < p->n_source;) {
        slk_hole hole;
        size_t n = next_piece(p->source + i, p->n_source - i, &hole);
        if (n == 0)
            return slk_fail(err, SLK_E_FORMAT, "%s:%ld: stray '%c', expected {question}, %s{{ or }}", name, line,
                            p->source[i], answers ? "{answer}, " : "");
        if (hole == SLK_HOLE_ANSWER && !answers)
            return slk_fail(err, SLK_E_FORMAT,
                            "%s:%ld: {answer} in the prompt, expected {question} only: the answer "
                            "follows the prompt",
                            name, line);
        if (p->source[i] == '\n') line++;
        if (!add_part(p, hole, p->source + i, hole == SLK_HOLE_NONE ? 1 : 0))
            return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", name);
        i += n;
    }
    return SLK_OK;
}

void slk_pattern_release(slk_pattern *p)
{
    free(p->source);
    free(p->parts);
    slk_buf_release(&p->literals);
    *p = (slk_pattern){0};
}

size_t slk_pattern_count(const slk_pattern *p, slk_hole hole)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_parts; i++) n += p->parts[i].hole == hole;
    return n;
}

void slk_pattern_render(const slk_pattern *p, slk_buf *buf, const char *question, const char *answer)
{
    for (size_t i = 0; i < p->n_parts; i++) {
        const slk_pattern_part *part = &p->parts[i];
        if (part->hole == SLK_HOLE_NONE)
            slk_buf_add(buf, p->literals.data + part->at, part->len);
        else
            slk_buf_add_str(buf, part->hole == SLK_HOLE_QUESTION ? question : answer);
    }
}

static long line_of(const char *text, size_t offset)
{
    long line = 1;
    for (size_t i = 0; i < offset; i++) line += text[i] == '\n';
    return line;
}

slk_status slk_pattern_check_text(const char *text, size_t n_bytes, const char *name, slk_err *err)
{
    size_t n_valid = slk_utf8_valid(text, n_bytes);
    if (n_valid < n_bytes)
        return slk_fail(err, SLK_E_FORMAT, "%s:%ld: byte 0x%02X is no UTF-8", name, line_of(text, n_valid),
                        (unsigned char)text[n_valid]);
    const char *nul = memchr(text, 0, n_bytes);
    if (nul)
        return slk_fail(err, SLK_E_FORMAT, "%s:%ld: a NUL byte, expected text", name,
                        line_of(text, (size_t)(nul - text)));
    return SLK_OK;
}
