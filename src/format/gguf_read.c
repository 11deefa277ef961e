/* Opening a GGUF file: one pass over the header, in which nothing is believed. A count is compared with the bytes that
 * so many items need at least before anything is allocated for them, so memory stays within a small multiple of the
 * file. */
#include "format/gguf_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include "base/builtin.h"
#include "base/hash.h"

enum {
    MIN_KV_BYTES = 8 + 1 + 4 + 1,             /* key of one byte, type, value of one byte */
    MIN_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8, /* name of one byte, n_dims, one dimension, type, offset */
    MAX_KEY_BYTES = 65535,                    /* the format's own limit */
    MAX_ARRAY_DEPTH = 8,
};

typedef struct cursor {
    const uint8_t *data;
    size_t n_bytes, pos; /* pos <= n_bytes */
} cursor;

static size_t n_left(const cursor *c)
{
    return c->n_bytes - c->pos;
}

/* --- primitives ------------------------------------------------------------------------------------------------- */

size_t slk_gguf_type_bytes(uint32_t type)
{
    switch (type) {
    case SLK_GGUF_U8:
    case SLK_GGUF_I8:
    case SLK_GGUF_BOOL:
        return 1;
    case SLK_GGUF_U16:
    case SLK_GGUF_I16:
        return 2;
    case SLK_GGUF_U32:
    case SLK_GGUF_I32:
    case SLK_GGUF_F32:
        return 4;
    case SLK_GGUF_U64:
    case SLK_GGUF_I64:
    case SLK_GGUF_F64:
        return 8;
    default:
        return 0;
    }
}

static slk_status take(cursor *c, uint64_t n, const char *what, const uint8_t **bytes, slk_err *err)
{
    if (n > n_left(c))
        return slk_fail(err, SLK_E_FORMAT,
                        "byte %zu: %s takes %" PRIu64 " bytes, but the file ends at byte %zu (truncated?)", c->pos,
                        what, n, c->n_bytes);
    *bytes = c->data + c->pos;
    c->pos += (size_t)n;
    return SLK_OK;
}

static slk_status take_u32(cursor *c, const char *what, uint32_t *value, slk_err *err)
{
    const uint8_t *p = NULL;
    slk_status status = take(c, 4, what, &p, err);
    if (!status) *value = slk_gguf_load_u32(p);
    return status;
}

static slk_status take_u64(cursor *c, const char *what, uint64_t *value, slk_err *err)
{
    const uint8_t *p = NULL;
    slk_status status = take(c, 8, what, &p, err);
    if (!status) *value = slk_gguf_load_u64(p);
    return status;
}

static slk_status take_string(cursor *c, const char *what, slk_gguf_str *s, slk_err *err)
{
    uint64_t len = 0;
    const uint8_t *p = NULL;
    slk_status status = take_u64(c, what, &len, err);
    if (!status) status = take(c, len, what, &p, err);
    if (!status) *s = (slk_gguf_str){(const char *)p, (size_t)len};
    return status;
}

/* A key or tensor name, copied with a NUL behind it. */
static slk_status take_name(slk_gguf *file, cursor *c, const char *what, const char **name, slk_err *err)
{
    size_t at = c->pos;
    slk_gguf_str s = {0};
    slk_status status = take_string(c, what, &s, err);
    if (status) return status;
    if (s.len == 0 || s.len > MAX_KEY_BYTES)
        return slk_fail(err, SLK_E_FORMAT, "byte %zu: %s of %zu bytes, expected 1 to %d", at, what, s.len,
                        MAX_KEY_BYTES);
    if (memchr(s.data, 0, s.len)) return slk_fail(err, SLK_E_FORMAT, "byte %zu: %s contains a zero byte", at, what);
    *name = slk_arena_strndup(&file->arena, s.data, s.len);
    return *name ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory for a name");
}

static slk_status check_count(const cursor *c, uint64_t n, size_t min_bytes, const char *what, slk_err *err)
{
    if (n <= n_left(c) / min_bytes) return SLK_OK;
    return slk_fail(err, SLK_E_FORMAT, "byte %zu: %" PRIu64 " %s cannot stand in the %zu bytes left (truncated?)",
                    c->pos, n, what, n_left(c));
}

static slk_status check_bools(const uint8_t *values, uint64_t n, slk_err *err)
{
    for (uint64_t i = 0; i < n; i++)
        if (values[i] > 1) return slk_fail(err, SLK_E_FORMAT, "boolean of value %u, expected 0 or 1", values[i]);
    return SLK_OK;
}

/* --- values ----------------------------------------------------------------------------------------------------- */

/* An array's header and items. kv != NULL: remember them there (the outermost array). */
static slk_status take_array(slk_gguf *file, cursor *c, int depth, slk_gguf_kv *kv, slk_err *err);

static slk_status take_string_items(slk_gguf *file, cursor *c, uint64_t n, slk_gguf_kv *kv, slk_err *err)
{
    slk_status status = check_count(c, n, 8, "strings of an array", err);
    if (status) return status;
    uint64_t *string_at = NULL;
    if (kv && n > 0) {
        string_at = slk_arena_alloc(&file->arena, (size_t)n, sizeof *string_at);
        if (!string_at) return slk_fail(err, SLK_E_MEMORY, "out of memory for an index of %" PRIu64 " strings", n);
        kv->string_at = string_at;
    }
    for (uint64_t i = 0; i < n; i++) {
        slk_gguf_str s = {0};
        if (string_at) string_at[i] = c->pos;
        status = take_string(c, "string", &s, err);
        if (status) return slk_fail_in(err, status, "item %" PRIu64, i);
    }
    return SLK_OK;
}

static slk_status take_array_items(slk_gguf *file, cursor *c, int depth, uint64_t n, slk_err *err)
{
    slk_status status = check_count(c, n, 12, "arrays of an array", err);
    for (uint64_t i = 0; !status && i < n; i++) {
        status = take_array(file, c, depth + 1, NULL, err);
        if (status) slk_fail_in(err, status, "item %" PRIu64, i);
    }
    return status;
}

static slk_status take_array(slk_gguf *file, cursor *c, int depth, slk_gguf_kv *kv, slk_err *err)
{
    if (depth > MAX_ARRAY_DEPTH)
        return slk_fail(err, SLK_E_FORMAT, "byte %zu: arrays nested more than %d deep", c->pos, MAX_ARRAY_DEPTH);
    uint32_t type = 0;
    uint64_t n = 0;
    slk_status status = take_u32(c, "an array's type", &type, err);
    if (!status) status = take_u64(c, "an array's length", &n, err);
    if (status) return status;
    if (kv) {
        kv->item_type = (slk_gguf_type)type;
        kv->items = c->data + c->pos;
    }
    if (type == SLK_GGUF_STRING) {
        status = take_string_items(file, c, n, kv, err);
    } else if (type == SLK_GGUF_ARRAY) {
        status = take_array_items(file, c, depth, n, err);
    } else {
        size_t item_bytes = slk_gguf_type_bytes(type);
        const uint8_t *items = NULL;
        if (item_bytes == 0)
            return slk_fail(err, SLK_E_FORMAT, "byte %zu: unknown array type %" PRIu32, c->pos - 12, type);
        status = check_count(c, n, item_bytes, "items of an array", err);
        if (!status) status = take(c, n * item_bytes, "an array", &items, err);
        if (!status && type == SLK_GGUF_BOOL) status = check_bools(items, n, err);
    }
    if (!status && kv) kv->n_items = (size_t)n;
    return status;
}

static slk_status take_value(slk_gguf *file, cursor *c, slk_gguf_kv *kv, slk_err *err)
{
    uint32_t type = 0;
    slk_status status = take_u32(c, "a value's type", &type, err);
    if (status) return status;
    size_t begin = c->pos;
    const uint8_t *bytes = c->data + begin;
    if (type == SLK_GGUF_STRING) {
        slk_gguf_str s = {0};
        status = take_string(c, "a string", &s, err);
    } else if (type == SLK_GGUF_ARRAY) {
        status = take_array(file, c, 1, kv, err);
    } else if (slk_gguf_type_bytes(type) > 0) {
        status = take(c, slk_gguf_type_bytes(type), "a value", &bytes, err);
        if (!status && type == SLK_GGUF_BOOL) status = check_bools(bytes, 1, err);
    } else {
        status = slk_fail(err, SLK_E_FORMAT, "byte %zu: unknown value type %" PRIu32, begin - 4, type);
    }
    kv->type = (slk_gguf_type)type;
    kv->value = bytes;
    kv->value_bytes = c->pos - begin;
    return status;
}

static int compare_kvs(const void *a, const void *b)
{
    return strcmp((*(const slk_gguf_kv *const *)a)->key, (*(const slk_gguf_kv *const *)b)->key);
}

static slk_status index_kvs(slk_gguf *file, slk_err *err)
{
    file->kvs_by_key = slk_arena_alloc(&file->arena, file->n_kvs, sizeof *file->kvs_by_key);
    if (!file->kvs_by_key) return slk_fail(err, SLK_E_MEMORY, "out of memory for %zu keys", file->n_kvs);
    for (size_t i = 0; i < file->n_kvs; i++) file->kvs_by_key[i] = &file->kvs[i];
    qsort(file->kvs_by_key, file->n_kvs, sizeof *file->kvs_by_key, compare_kvs);
    for (size_t i = 1; i < file->n_kvs; i++)
        if (strcmp(file->kvs_by_key[i - 1]->key, file->kvs_by_key[i]->key) == 0)
            return slk_fail(err, SLK_E_FORMAT, "key %s occurs twice", file->kvs_by_key[i]->key);
    return SLK_OK;
}

static slk_status read_kvs(slk_gguf *file, cursor *c, uint64_t n_kvs, slk_err *err)
{
    slk_status status = check_count(c, n_kvs, MIN_KV_BYTES, "keys", err);
    if (status) return status;
    file->kvs = slk_arena_alloc(&file->arena, (size_t)n_kvs, sizeof *file->kvs);
    if (!file->kvs) return slk_fail(err, SLK_E_MEMORY, "out of memory for %" PRIu64 " keys", n_kvs);
    for (uint64_t i = 0; i < n_kvs; i++) {
        slk_gguf_kv *kv = &file->kvs[i];
        *kv = (slk_gguf_kv){0};
        status = take_name(file, c, "a key", &kv->key, err);
        if (!status) status = take_value(file, c, kv, err);
        if (status)
            return slk_fail_in(err, status, "key %" PRIu64 " of %" PRIu64 "%s%.200s", i + 1, n_kvs, kv->key ? ", " : "",
                               kv->key ? kv->key : "");
    }
    file->n_kvs = (size_t)n_kvs;
    return index_kvs(file, err);
}

static slk_status read_alignment(slk_gguf *file, slk_err *err)
{
    const slk_gguf_kv *kv = slk_gguf_find_kv(file, SLK_GGUF_KEY_ALIGNMENT);
    file->alignment = SLK_GGUF_DEFAULT_ALIGNMENT;
    if (!kv) return SLK_OK;
    if (kv->type != SLK_GGUF_U32)
        return slk_fail(err, SLK_E_FORMAT, "key " SLK_GGUF_KEY_ALIGNMENT " has type %d, expected u32 (4)",
                        (int)kv->type);
    uint32_t alignment = slk_gguf_load_u32(kv->value);
    /* The format demands a multiple of 8; every use of float data through the map relies on at least 4. */
    if (alignment < 8 || (alignment & (alignment - 1)) != 0)
        return slk_fail(err, SLK_E_FORMAT,
                        "key " SLK_GGUF_KEY_ALIGNMENT " is %" PRIu32 ", expected a power of two from 8", alignment);
    file->alignment = alignment;
    return SLK_OK;
}

/* --- tensors ---------------------------------------------------------------------------------------------------- */

/* Dimensions and type -> n_bytes, without overflow. */
static slk_status size_tensor(slk_gguf_tensor *t, uint32_t type, slk_err *err)
{
    const slk_dtype_info *info = slk_dtype_find(type);
    if (!info) return slk_fail(err, SLK_E_UNSUPPORTED, "tensor type %" PRIu32 " is none that slick knows", type);
    uint64_t n_values = 1;
    for (uint32_t d = 0; d < t->n_dims; d++) {
        if (t->ne[d] == 0) return slk_fail(err, SLK_E_FORMAT, "dimension %" PRIu32 " is 0", d);
        if (t->ne[d] > (uint64_t)INT64_MAX / n_values)
            return slk_fail(err, SLK_E_FORMAT, "dimension %" PRIu32 " of %" PRIu64 ": more than 2^63 values", d,
                            t->ne[d]);
        n_values *= t->ne[d];
    }
    if (t->ne[0] % info->n_block != 0)
        return slk_fail(err, SLK_E_FORMAT, "rows of %" PRIu64 " values are no whole number of %s blocks of %" PRIu32,
                        t->ne[0], info->name, info->n_block);
    uint64_t n_blocks = n_values / info->n_block;
    if (n_blocks > SIZE_MAX / info->block_bytes)
        return slk_fail(err, SLK_E_FORMAT, "%" PRIu64 " values take more than 2^64 bytes", n_values);
    t->dtype = (slk_dtype)type;
    t->n_bytes = (size_t)(n_blocks * info->block_bytes);
    return SLK_OK;
}

static slk_status read_tensor(slk_gguf *file, cursor *c, slk_gguf_tensor *t, uint64_t *offset, slk_err *err)
{
    uint32_t type = 0;
    slk_status status = take_name(file, c, "a tensor's name", &t->name, err);
    if (!status) status = take_u32(c, "n_dims", &t->n_dims, err);
    if (status) return status;
    if (t->n_dims < 1 || t->n_dims > 4)
        return slk_fail(err, SLK_E_FORMAT, "byte %zu: %" PRIu32 " dimensions, expected 1 to 4", c->pos - 4, t->n_dims);
    for (uint32_t d = 0; d < 4; d++) t->ne[d] = 1;
    for (uint32_t d = 0; !status && d < t->n_dims; d++) status = take_u64(c, "a dimension", &t->ne[d], err);
    if (!status) status = take_u32(c, "a tensor's type", &type, err);
    if (!status) status = take_u64(c, "a tensor's offset", offset, err);
    if (!status) status = size_tensor(t, type, err);
    if (!status && *offset % file->alignment != 0)
        status = slk_fail(err, SLK_E_FORMAT, "offset %" PRIu64 " is no multiple of the alignment %" PRIu64, *offset,
                          file->alignment);
    return status;
}

static slk_status read_tensors(slk_gguf *file, cursor *c, uint64_t n_tensors, uint64_t **offsets, slk_err *err)
{
    slk_status status = check_count(c, n_tensors, MIN_TENSOR_BYTES, "tensors", err);
    if (status) return status;
    file->tensors = slk_arena_alloc(&file->arena, (size_t)n_tensors, sizeof *file->tensors);
    *offsets = slk_arena_alloc(&file->arena, (size_t)n_tensors, sizeof **offsets);
    if (!file->tensors || !*offsets)
        return slk_fail(err, SLK_E_MEMORY, "out of memory for %" PRIu64 " tensors", n_tensors);
    for (uint64_t i = 0; i < n_tensors; i++) {
        slk_gguf_tensor *t = &file->tensors[i];
        *t = (slk_gguf_tensor){0};
        status = read_tensor(file, c, t, &(*offsets)[i], err);
        if (status)
            return slk_fail_in(err, status, "tensor %" PRIu64 " of %" PRIu64 "%s%.200s", i + 1, n_tensors,
                               t->name ? ", " : "", t->name ? t->name : "");
    }
    file->n_tensors = (size_t)n_tensors;
    return SLK_OK;
}

/* Offsets count from the first multiple of the alignment behind the header. */
static slk_status place_tensors(slk_gguf *file, size_t header_end, const uint64_t *offsets, slk_err *err)
{
    if (file->n_tensors == 0) return SLK_OK;
    uint64_t pad = (file->alignment - header_end % file->alignment) % file->alignment;
    if (pad > file->n_bytes - header_end)
        return slk_fail(err, SLK_E_FORMAT, "byte %zu: the file ends before its data section (truncated?)",
                        file->n_bytes);
    size_t data_begin = header_end + (size_t)pad, data_bytes = file->n_bytes - data_begin;
    for (size_t i = 0; i < file->n_tensors; i++) {
        slk_gguf_tensor *t = &file->tensors[i];
        if (offsets[i] > data_bytes || t->n_bytes > data_bytes - offsets[i])
            return slk_fail(err, SLK_E_FORMAT,
                            "tensor %.200s: %zu bytes at offset %" PRIu64
                            " of the data section, which has %zu (truncated?)",
                            t->name, t->n_bytes, offsets[i], data_bytes);
        t->data = file->data + data_begin + offsets[i];
    }
    return SLK_OK;
}

static int compare_tensor_names(const void *a, const void *b)
{
    return strcmp((*(const slk_gguf_tensor *const *)a)->name, (*(const slk_gguf_tensor *const *)b)->name);
}

static int compare_tensor_data(const void *a, const void *b)
{
    const uint8_t *x = (*(const slk_gguf_tensor *const *)a)->data, *y = (*(const slk_gguf_tensor *const *)b)->data;
    return x < y ? -1 : x > y;
}

/* One array serves both orders: by place to find overlaps, then by name for good. */
static slk_status index_tensors(slk_gguf *file, slk_err *err)
{
    const slk_gguf_tensor **sorted = slk_arena_alloc(&file->arena, file->n_tensors, sizeof *sorted);
    if (!sorted) return slk_fail(err, SLK_E_MEMORY, "out of memory for %zu tensors", file->n_tensors);
    for (size_t i = 0; i < file->n_tensors; i++) sorted[i] = &file->tensors[i];
    qsort(sorted, file->n_tensors, sizeof *sorted, compare_tensor_data);
    for (size_t i = 1; i < file->n_tensors; i++)
        if ((size_t)(sorted[i]->data - sorted[i - 1]->data) < sorted[i - 1]->n_bytes)
            return slk_fail(err, SLK_E_FORMAT, "tensors %.200s and %.200s overlap", sorted[i - 1]->name,
                            sorted[i]->name);
    qsort(sorted, file->n_tensors, sizeof *sorted, compare_tensor_names);
    for (size_t i = 1; i < file->n_tensors; i++)
        if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0)
            return slk_fail(err, SLK_E_FORMAT, "tensor %.200s occurs twice", sorted[i]->name);
    file->tensors_by_name = sorted;
    return SLK_OK;
}

/* --- open and close --------------------------------------------------------------------------------------------- */

static slk_status read_version(cursor *c, slk_err *err)
{
    const uint8_t *magic = NULL;
    uint32_t version = 0;
    slk_status status = take(c, 4, "the magic", &magic, err);
    if (status) return status;
    if (memcmp(magic, SLK_GGUF_MAGIC, 4) != 0)
        return slk_fail(err, SLK_E_FORMAT,
                        "not a GGUF file: it begins with bytes %02x %02x %02x %02x, expected \"GGUF\"", magic[0],
                        magic[1], magic[2], magic[3]);
    status = take_u32(c, "the version", &version, err);
    if (status || version == 2 || version == 3) return status;
    if ((version & 0xFFFFu) == 0)
        return slk_fail(err, SLK_E_UNSUPPORTED, "GGUF version %" PRIu32 ": a big-endian file, expected little-endian",
                        version);
    return slk_fail(err, SLK_E_UNSUPPORTED, "GGUF version %" PRIu32 ", expected 2 or 3", version);
}

static slk_status read_all(slk_gguf *file, slk_err *err)
{
    cursor c = {file->data, file->n_bytes, 0};
    uint64_t n_tensors = 0, n_kvs = 0, *offsets = NULL;
    slk_status status = read_version(&c, err);
    if (!status) status = take_u64(&c, "n_tensors", &n_tensors, err);
    if (!status) status = take_u64(&c, "n_kv", &n_kvs, err);
    if (!status) status = read_kvs(file, &c, n_kvs, err);
    if (!status) status = read_alignment(file, err);
    if (!status) status = read_tensors(file, &c, n_tensors, &offsets, err);
    if (!status) status = place_tensors(file, c.pos, offsets, err);
    if (!status) status = index_tensors(file, err);
    return status;
}

static slk_status finish_open(slk_gguf **out, slk_gguf *file, const char *name, slk_err *err)
{
    file->path = slk_strdup(name);
    slk_status status = file->path ? read_all(file, err) : slk_fail(err, SLK_E_MEMORY, "out of memory");
    if (status) {
        slk_fail_in(err, status, "%s", name);
        slk_gguf_close(file);
        return status;
    }
    *out = file;
    return SLK_OK;
}

slk_status slk_gguf_open(slk_gguf **out, const char *path, slk_err *err)
{
    *out = NULL;
    slk_map map;
    slk_builtin_bytes bytes;
    if (slk_builtin_is(path)) {
        slk_status found = slk_builtin_model(&bytes, err);
        return found == SLK_OK ? slk_gguf_open_memory(out, bytes.data, bytes.n_bytes, path, err) : found;
    }
    slk_status status = slk_map_open(&map, path, err);
    if (status) return status;
    slk_gguf *file = slk_alloc_zero(1, sizeof *file);
    if (!file) {
        slk_map_close(&map);
        return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
    }
    file->map = map;
    file->is_mapped = true;
    file->data = map.data;
    file->n_bytes = map.n_bytes;
    return finish_open(out, file, path, err);
}

slk_status slk_gguf_open_memory(slk_gguf **out, const void *data, size_t n_bytes, const char *name, slk_err *err)
{
    *out = NULL;
    slk_gguf *file = slk_alloc_zero(1, sizeof *file);
    if (!file) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", name);
    file->data = data;
    file->n_bytes = n_bytes;
    return finish_open(out, file, name, err);
}

void slk_gguf_close(slk_gguf *file)
{
    if (!file) return;
    if (file->is_mapped) slk_map_close(&file->map);
    slk_arena_release(&file->arena);
    free(file->path);
    free(file);
}

const char *slk_gguf_path(const slk_gguf *file)
{
    return file->path;
}

uint64_t slk_gguf_hash(const slk_gguf *file)
{
    slk_gguf *cache = (slk_gguf *)file; /* threads that come at once compute the same value */
    if (!atomic_load(&cache->hash_is_known)) {
        atomic_store(&cache->hash, slk_hash_bytes(file->data, file->n_bytes));
        atomic_store(&cache->hash_is_known, true);
        /* Every page was just read; do not let the whole file count as this process's memory. */
        if (file->is_mapped) slk_map_forget(&file->map, file->data, file->n_bytes);
    }
    return atomic_load(&cache->hash);
}

void slk_gguf_forget(const slk_gguf *file, const slk_gguf_tensor *tensor)
{
    if (file->is_mapped) slk_map_forget(&file->map, tensor->data, tensor->n_bytes);
}
