/* YAML as a tree with line numbers, from libyaml's events. What a file of settings needs: scalars, lists, mappings, one
 * document. Anchors, aliases, tags, and mappings with the same key twice are errors. Scalars stay text: who reads the
 * tree decides what `3x` or `yess` is. */
#ifndef SLK_CONFIG_YAML_H
#define SLK_CONFIG_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"
#include "base/mem.h"

typedef enum slk_yaml_kind { SLK_YAML_SCALAR, SLK_YAML_LIST, SLK_YAML_MAP } slk_yaml_kind;

typedef struct slk_yaml slk_yaml;
struct slk_yaml {
    slk_yaml_kind kind;
    long line;        /* from 1 */
    const char *text; /* of a scalar */
    bool quoted;      /* "5" rather than 5 */
    const char *key;  /* of a value in a mapping */
    long key_line;
    slk_yaml *first, *next; /* members of a list or mapping; the sibling behind this one */
    size_t n;               /* members */
};

/* Parse text. Nodes live in `arena`. *out NULL: the document is empty. name is for messages. Errors: SLK_E_FORMAT
 * ("NAME:LINE: ..."; also more than 10,000 values, or 16 levels), SLK_E_MEMORY. */
slk_status slk_yaml_parse(slk_yaml **out, slk_arena *arena, const char *text, size_t n_bytes, const char *name,
                          slk_err *err);

/* The value of a key, or NULL. map may be NULL. */
const slk_yaml *slk_yaml_get(const slk_yaml *map, const char *key);

/* What stands there, for messages: "a list", "'3x'", "nothing"; static or in out [n]. */
const char *slk_yaml_show(char *out, size_t n, const slk_yaml *node);

#endif
