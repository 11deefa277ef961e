/* What an open GGUF file is made of; for gguf_read.c, gguf_get.c and gguf_write.c only. All pointers into the file were
 * checked when it was opened. */
#ifndef SLK_FORMAT_GGUF_IMPL_H
#define SLK_FORMAT_GGUF_IMPL_H

#include <stdatomic.h>
#include "base/file.h"
#include "base/mem.h"
#include "format/gguf.h"

#define SLK_GGUF_MAGIC             "GGUF"
#define SLK_GGUF_DEFAULT_ALIGNMENT 32
#define SLK_GGUF_KEY_ALIGNMENT     "general.alignment"

typedef struct slk_gguf_kv {
    const char *key; /* NUL-terminated, in the arena */
    slk_gguf_type type;
    const uint8_t *value; /* [value_bytes] as in the file, behind the type field */
    size_t value_bytes;
    /* arrays only */
    slk_gguf_type item_type;
    size_t n_items;
    const uint8_t *items;
    const uint64_t *string_at; /* [n_items] where each string's length field stands in the file; strings only */
} slk_gguf_kv;

struct slk_gguf {
    char *path;
    slk_map map; /* empty when the bytes are the caller's */
    bool is_mapped;
    const uint8_t *data;
    size_t n_bytes;
    slk_arena arena; /* names, kvs, tensors, indexes */
    uint64_t alignment;
    slk_gguf_kv *kvs; /* [n_kvs] in file order */
    size_t n_kvs;
    const slk_gguf_kv **kvs_by_key; /* [n_kvs] sorted */
    slk_gguf_tensor *tensors;       /* [n_tensors] in file order */
    size_t n_tensors;
    const slk_gguf_tensor **tensors_by_name; /* [n_tensors] sorted */
    _Atomic uint64_t hash;                   /* valid once hash_is_known */
    _Atomic bool hash_is_known;
};

/* Bytes of one value of a fixed-size type; 0 for strings, arrays and unknown types. */
size_t slk_gguf_type_bytes(uint32_t type);
/* NULL: none. */
const slk_gguf_kv *slk_gguf_find_kv(const slk_gguf *file, const char *key);

/* Little-endian numbers at any address: 4 bytes. */
static inline uint32_t slk_gguf_load_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* 8 bytes. */
static inline uint64_t slk_gguf_load_u64(const uint8_t *p)
{
    return (uint64_t)slk_gguf_load_u32(p) | (uint64_t)slk_gguf_load_u32(p + 4) << 32;
}

#endif
