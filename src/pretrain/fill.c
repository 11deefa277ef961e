#include "pretrain/fill.h"

#include <string.h>

enum { N_NAMES = 3, ANSWER = 2 };
static const char *const NAMES[N_NAMES] = {"{subject}", "{question}", "{answer}"};

/* Which name begins at text; -1: none. */
static int find_name(const char *text)
{
    for (int i = 0; i < N_NAMES; i++)
        if (strncmp(text, NAMES[i], strlen(NAMES[i])) == 0) return i;
    return -1;
}

static bool is_brace_pair(const char *text)
{
    return (text[0] == '{' || text[0] == '}') && text[1] == text[0];
}

const char *slk_fill_check(const char *text)
{
    bool has_answer = false;
    if (strpbrk(text, "\n\r")) return "a statement of one line";
    for (const char *at = text; *at;) {
        int name = find_name(at);
        if (name >= 0) {
            has_answer |= name == ANSWER;
            at += strlen(NAMES[name]);
        } else if (is_brace_pair(at)) {
            at += 2;
        } else if (*at == '{' || *at == '}') {
            return "no braces but {subject}, {question}, {answer}, {{ and }}";
        } else {
            at++;
        }
    }
    return has_answer ? NULL : "a statement with {answer} in it";
}

void slk_fill_add(slk_buf *out, const char *text, const char *subject, const char *question, const char *answer)
{
    const char *const values[N_NAMES] = {subject, question, answer};
    for (const char *at = text; *at;) {
        int name = find_name(at);
        if (name >= 0) {
            slk_buf_add_str(out, values[name]);
            at += strlen(NAMES[name]);
        } else {
            slk_buf_add(out, at, 1);
            at += is_brace_pair(at) ? 2 : 1;
        }
    }
}
