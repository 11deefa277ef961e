/* The model that slick carries in itself, and the table of its facts: data/builtin/ of the source, put into the library
 * by the assembler (cmake/builtin.S.in). MODEL `builtin:` is that model wherever a model's path is asked for, and no
 * file needs to be there. A slick that was built without data/builtin/ works, and says what it lacks. */
#ifndef SLK_BASE_BUILTIN_H
#define SLK_BASE_BUILTIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

#define SLK_BUILTIN "builtin:"

/* Part of the program: never freed, aligned to 64 bytes. */
typedef struct slk_builtin_bytes {
    const uint8_t *data;
    size_t n_bytes;
} slk_builtin_bytes;

/* Is this what a person types for the built-in model? path may be NULL. */
bool slk_builtin_is(const char *path);
/* The model's GGUF file. Errors: SLK_E_NOT_FOUND (not built in). */
slk_status slk_builtin_model(slk_builtin_bytes *out, slk_err *err);
/* The table of its facts: UTF-8, tab-separated, with a header line (docs/builtin-model.md). Errors: SLK_E_NOT_FOUND. */
slk_status slk_builtin_facts(slk_builtin_bytes *out, slk_err *err);

#endif
