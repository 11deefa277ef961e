#include "base/builtin.h"

#include <string.h>

/* cmake/builtin.S.in. A file that was not there when slick was built is empty. */
extern const uint8_t slk_builtin_model_begin[], slk_builtin_model_end[];
extern const uint8_t slk_builtin_facts_begin[], slk_builtin_facts_end[];

bool slk_builtin_is(const char *path)
{
    return path && strcmp(path, SLK_BUILTIN) == 0;
}

/* As numbers: the compiler may take two arrays for different ones, and then their distance for nonsense. */
static slk_status take(slk_builtin_bytes *out, const uint8_t *begin, const uint8_t *end, const char *file, slk_err *err)
{
    size_t n = (size_t)((uintptr_t)end - (uintptr_t)begin);
    *out = (slk_builtin_bytes){begin, n};
    if (n > 0) return SLK_OK;
    return slk_fail(err, SLK_E_NOT_FOUND, SLK_BUILTIN " this slick was built without data/builtin/%s", file);
}

slk_status slk_builtin_model(slk_builtin_bytes *out, slk_err *err)
{
    return take(out, slk_builtin_model_begin, slk_builtin_model_end, "builtin.gguf", err);
}

slk_status slk_builtin_facts(slk_builtin_bytes *out, slk_err *err)
{
    return take(out, slk_builtin_facts_begin, slk_builtin_facts_end, "facts.tsv", err);
}
