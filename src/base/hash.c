#include "base/hash.h"

#include <string.h>
#include <xxhash.h>

uint64_t slk_hash_bytes(const void *data, size_t n_bytes)
{
    return XXH3_64bits(data, n_bytes);
}

uint64_t slk_hash_more(uint64_t previous, const void *data, size_t n_bytes)
{
    uint64_t parts[3] = {previous, (uint64_t)n_bytes, XXH3_64bits(data, n_bytes)};
    return XXH3_64bits(parts, sizeof parts);
}

uint64_t slk_hash_str(uint64_t previous, const char *s)
{
    return slk_hash_more(previous, s, strlen(s));
}
