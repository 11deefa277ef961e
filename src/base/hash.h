/* 64-bit hashes (XXH3) of strings, structures of strings, and model files. */
#ifndef SLK_BASE_HASH_H
#define SLK_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* XXH3 of n_bytes bytes. */
uint64_t slk_hash_bytes(const void *data, size_t n_bytes);
/* Chain: hash of (previous, length, bytes). Length is mixed in, so ("ab","c") and ("a","bc") differ. */
uint64_t slk_hash_more(uint64_t previous, const void *data, size_t n_bytes);
uint64_t slk_hash_str(uint64_t previous, const char *s);

#endif
