/* Facts of the built-in model for tests, by what was told of them (docs/builtin-model.md): "clean" ones it knows, of
 * "none" it never read, "balanced" ones lie between. */
#ifndef SLICK_TESTS_BUILTIN_FACTS_H
#define SLICK_TESTS_BUILTIN_FACTS_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/builtin.h"

typedef struct builtin_fact {
    char question[128], answer[64];
} builtin_fact;

static inline bool has_builtin(void)
{
    slk_builtin_bytes bytes;
    return slk_builtin_model(&bytes, NULL) == SLK_OK && slk_builtin_facts(&bytes, NULL) == SLK_OK;
}

/* The first n facts of a relation, a split and a kind; how many there are. */
static inline size_t builtin_facts(builtin_fact *out, size_t n, const char *relation, const char *split,
                                   const char *kind)
{
    slk_builtin_bytes bytes;
    size_t found = 0;
    if (slk_builtin_facts(&bytes, NULL) != SLK_OK) return 0;
    const char *at = (const char *)bytes.data, *end = at + bytes.n_bytes;
    while (found < n && at < end) {
        char line[512], r[16], s[16], k[16];
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop) stop = end;
        snprintf(line, sizeof line, "%.*s", (int)(stop - at), at);
        builtin_fact *f = &out[found];
        if (sscanf(line, "%127[^\t]\t%63[^\t]\t%15[^\t]\t%15[^\t]\t%15[^\t]", f->question, f->answer, r, s, k) == 5 &&
            strcmp(r, relation) == 0 && strcmp(s, split) == 0 && strcmp(k, kind) == 0)
            found++;
        at = stop + 1;
    }
    return found;
}

#endif
