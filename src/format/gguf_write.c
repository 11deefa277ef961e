/* Writing a GGUF file, version 3. Keys are encoded as they are put, tensors only described; write() streams everything
 * out once, front to back, so that it works on pipes and needs memory for one produced tensor at most. */
#include "format/gguf_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include "base/hash.h"

typedef struct planned_tensor {
    char *name;
    uint64_t name_hash;
    slk_dtype dtype;
    uint32_t n_dims;
    uint64_t ne[4];
    uint64_t offset; /* from the data section; set by write() */
    size_t n_bytes;
    const void *data; /* NULL: produced */
} planned_tensor;

struct slk_gguf_writer {
    slk_buf kvs;          /* encoded */
    uint64_t *key_hashes; /* [n_kvs] */
    char **keys;          /* [n_kvs] */
    size_t n_kvs, cap_keys, cap_hashes;
    planned_tensor *tensors;
    size_t n_tensors, cap_tensors;
    uint64_t alignment;
};

slk_status slk_gguf_writer_create(slk_gguf_writer **out, slk_err *err)
{
    *out = slk_alloc_zero(1, sizeof **out);
    if (!*out) return slk_fail(err, SLK_E_MEMORY, "out of memory for a GGUF writer");
    slk_buf_init(&(*out)->kvs);
    (*out)->alignment = SLK_GGUF_DEFAULT_ALIGNMENT;
    return SLK_OK;
}

void slk_gguf_writer_free(slk_gguf_writer *w)
{
    if (!w) return;
    for (size_t i = 0; i < w->n_kvs; i++) free(w->keys[i]);
    for (size_t i = 0; i < w->n_tensors; i++) free(w->tensors[i].name);
    slk_buf_release(&w->kvs);
    free(w->keys);
    free(w->key_hashes);
    free(w->tensors);
    free(w);
}

/* --- encoding --------------------------------------------------------------------------------------------------- */

static void add_u32(slk_buf *b, uint32_t v)
{
    const uint8_t bytes[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    slk_buf_add(b, bytes, sizeof bytes);
}

static void add_u64(slk_buf *b, uint64_t v)
{
    add_u32(b, (uint32_t)v);
    add_u32(b, (uint32_t)(v >> 32));
}

static void add_string(slk_buf *b, const char *s, size_t len)
{
    add_u64(b, len);
    slk_buf_add(b, s, len);
}

static uint32_t bits_of_f32(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

/* --- keys ------------------------------------------------------------------------------------------------------- */

static bool has_key(const slk_gguf_writer *w, const char *key)
{
    uint64_t hash = slk_hash_bytes(key, strlen(key));
    for (size_t i = 0; i < w->n_kvs; i++)
        if (w->key_hashes[i] == hash && strcmp(w->keys[i], key) == 0) return true;
    return false;
}

/* Key and value type. The value follows; finish_kv() looks whether memory sufficed. */
static slk_status begin_kv(slk_gguf_writer *w, const char *key, slk_gguf_type type, slk_err *err)
{
    size_t len = strlen(key);
    if (len == 0 || len > 65535) return slk_fail(err, SLK_E_ARG, "GGUF key of %zu bytes, expected 1 to 65535", len);
    if (has_key(w, key)) return slk_fail(err, SLK_E_ARG, "GGUF key %s is already there", key);
    /* The alignment decides the file's layout, so it is not a value like others. */
    if (strcmp(key, SLK_GGUF_KEY_ALIGNMENT) == 0 && type != SLK_GGUF_U32)
        return slk_fail(err, SLK_E_ARG, "GGUF key %s must be a u32", key);
    char *copy = slk_strdup(key);
    if (!copy || !slk_grow(&w->keys, &w->cap_keys, w->n_kvs + 1, sizeof *w->keys) ||
        !slk_grow(&w->key_hashes, &w->cap_hashes, w->n_kvs + 1, sizeof *w->key_hashes)) {
        free(copy);
        return slk_fail(err, SLK_E_MEMORY, "out of memory for GGUF key %s", key);
    }
    w->keys[w->n_kvs] = copy;
    w->key_hashes[w->n_kvs++] = slk_hash_bytes(key, len);
    add_string(&w->kvs, key, len);
    add_u32(&w->kvs, (uint32_t)type);
    return SLK_OK;
}

static slk_status finish_kv(const slk_gguf_writer *w, const char *key, slk_err *err)
{
    return w->kvs.failed ? slk_fail(err, SLK_E_MEMORY, "out of memory for GGUF key %s", key) : SLK_OK;
}

slk_status slk_gguf_put_u32(slk_gguf_writer *w, const char *key, uint32_t value, slk_err *err)
{
    bool is_alignment = strcmp(key, SLK_GGUF_KEY_ALIGNMENT) == 0;
    if (is_alignment && (value < 8 || (value & (value - 1)) != 0))
        return slk_fail(err, SLK_E_ARG, "GGUF alignment %" PRIu32 " is no power of two from 8", value);
    slk_status status = begin_kv(w, key, SLK_GGUF_U32, err);
    if (status) return status;
    if (is_alignment) w->alignment = value;
    add_u32(&w->kvs, value);
    return finish_kv(w, key, err);
}

slk_status slk_gguf_put_f32(slk_gguf_writer *w, const char *key, float value, slk_err *err)
{
    slk_status status = begin_kv(w, key, SLK_GGUF_F32, err);
    if (status) return status;
    add_u32(&w->kvs, bits_of_f32(value));
    return finish_kv(w, key, err);
}

slk_status slk_gguf_put_bool(slk_gguf_writer *w, const char *key, bool value, slk_err *err)
{
    const uint8_t byte = value ? 1 : 0;
    slk_status status = begin_kv(w, key, SLK_GGUF_BOOL, err);
    if (status) return status;
    slk_buf_add(&w->kvs, &byte, 1);
    return finish_kv(w, key, err);
}

slk_status slk_gguf_put_str(slk_gguf_writer *w, const char *key, const char *value, slk_err *err)
{
    slk_status status = begin_kv(w, key, SLK_GGUF_STRING, err);
    if (status) return status;
    add_string(&w->kvs, value, strlen(value));
    return finish_kv(w, key, err);
}

static slk_status begin_array(slk_gguf_writer *w, const char *key, slk_gguf_type item_type, size_t n, slk_err *err)
{
    slk_status status = begin_kv(w, key, SLK_GGUF_ARRAY, err);
    if (status) return status;
    add_u32(&w->kvs, (uint32_t)item_type);
    add_u64(&w->kvs, n);
    return SLK_OK;
}

slk_status slk_gguf_put_strs(slk_gguf_writer *w, const char *key, const slk_gguf_str *values, size_t n, slk_err *err)
{
    slk_status status = begin_array(w, key, SLK_GGUF_STRING, n, err);
    if (status) return status;
    for (size_t i = 0; i < n; i++) add_string(&w->kvs, values[i].data, values[i].len);
    return finish_kv(w, key, err);
}

slk_status slk_gguf_put_f32s(slk_gguf_writer *w, const char *key, const float *values, size_t n, slk_err *err)
{
    slk_status status = begin_array(w, key, SLK_GGUF_F32, n, err);
    if (status) return status;
    for (size_t i = 0; i < n; i++) add_u32(&w->kvs, bits_of_f32(values[i]));
    return finish_kv(w, key, err);
}

slk_status slk_gguf_put_i32s(slk_gguf_writer *w, const char *key, const int32_t *values, size_t n, slk_err *err)
{
    slk_status status = begin_array(w, key, SLK_GGUF_I32, n, err);
    if (status) return status;
    for (size_t i = 0; i < n; i++) add_u32(&w->kvs, (uint32_t)values[i]);
    return finish_kv(w, key, err);
}

slk_status slk_gguf_put_all(slk_gguf_writer *w, const slk_gguf *file, slk_err *err)
{
    for (size_t i = 0; i < file->n_kvs; i++) {
        const slk_gguf_kv *kv = &file->kvs[i];
        if (has_key(w, kv->key)) continue;
        slk_status status = begin_kv(w, kv->key, kv->type, err);
        if (status) return status;
        slk_buf_add(&w->kvs, kv->value, kv->value_bytes);
        status = finish_kv(w, kv->key, err);
        if (status) return status;
        if (strcmp(kv->key, SLK_GGUF_KEY_ALIGNMENT) == 0) w->alignment = file->alignment;
    }
    return SLK_OK;
}

/* --- tensors ---------------------------------------------------------------------------------------------------- */

static slk_status check_shape(const char *name, const slk_dtype_info *info, uint32_t n_dims, const uint64_t *ne,
                              size_t *n_bytes, slk_err *err)
{
    if (n_dims < 1 || n_dims > 4)
        return slk_fail(err, SLK_E_SHAPE, "tensor %s: %" PRIu32 " dimensions, GGUF has 1 to 4", name, n_dims);
    uint64_t n_values = 1;
    for (uint32_t d = 0; d < n_dims; d++) {
        if (ne[d] == 0 || ne[d] > (uint64_t)INT64_MAX / n_values)
            return slk_fail(err, SLK_E_SHAPE, "tensor %s: dimension %" PRIu32 " of %" PRIu64, name, d, ne[d]);
        n_values *= ne[d];
    }
    if (ne[0] % info->n_block != 0)
        return slk_fail(err, SLK_E_SHAPE,
                        "tensor %s: rows of %" PRIu64 " values are no whole number of %s blocks of %" PRIu32, name,
                        ne[0], info->name, info->n_block);
    if (n_values / info->n_block > SIZE_MAX / 2 / info->block_bytes)
        return slk_fail(err, SLK_E_SHAPE, "tensor %s: %" PRIu64 " values are too many", name, n_values);
    *n_bytes = (size_t)(n_values / info->n_block * info->block_bytes);
    return SLK_OK;
}

slk_status slk_gguf_put_tensor(slk_gguf_writer *w, const char *name, slk_dtype dtype, uint32_t n_dims,
                               const uint64_t *ne, const void *data, slk_err *err)
{
    const slk_dtype_info *info = slk_dtype_find((uint32_t)dtype);
    size_t len = strlen(name);
    if (len == 0 || len > 65535) return slk_fail(err, SLK_E_ARG, "tensor name of %zu bytes, expected 1 to 65535", len);
    if (!info)
        return slk_fail(err, SLK_E_UNSUPPORTED, "tensor %s: type %u is none that slick knows", name, (unsigned)dtype);
    planned_tensor t = {.name_hash = slk_hash_bytes(name, len), .dtype = dtype, .n_dims = n_dims, .data = data};
    slk_status status = check_shape(name, info, n_dims, ne, &t.n_bytes, err);
    if (status) return status;
    for (size_t i = 0; i < w->n_tensors; i++)
        if (w->tensors[i].name_hash == t.name_hash && strcmp(w->tensors[i].name, name) == 0)
            return slk_fail(err, SLK_E_ARG, "tensor %s is already there", name);
    memcpy(t.ne, ne, n_dims * sizeof *ne);
    t.name = slk_strdup(name);
    if (!t.name || !slk_grow(&w->tensors, &w->cap_tensors, w->n_tensors + 1, sizeof *w->tensors)) {
        free(t.name);
        return slk_fail(err, SLK_E_MEMORY, "out of memory for tensor %s", name);
    }
    w->tensors[w->n_tensors++] = t;
    return SLK_OK;
}

/* --- writing ---------------------------------------------------------------------------------------------------- */

static uint64_t padding_behind(const slk_gguf_writer *w, uint64_t pos)
{
    return (w->alignment - pos % w->alignment) % w->alignment;
}

static slk_status write_bytes(FILE *stream, const char *path, const void *bytes, size_t n, slk_err *err)
{
    errno = 0;
    if (n == 0 || fwrite(bytes, 1, n, stream) == n) return SLK_OK;
    return slk_fail(err, SLK_E_IO, "%s: cannot write: %s", path, errno ? strerror(errno) : "short write");
}

static slk_status write_zeros(FILE *stream, const char *path, uint64_t n, slk_err *err)
{
    static const uint8_t zeros[256];
    slk_status status = SLK_OK;
    for (; !status && n > 0;) {
        size_t piece = n < sizeof zeros ? (size_t)n : sizeof zeros;
        status = write_bytes(stream, path, zeros, piece, err);
        n -= piece;
    }
    return status;
}

/* Everything before the data section; sets the tensors' offsets. */
static slk_status encode_header(slk_gguf_writer *w, slk_buf *header, slk_err *err)
{
    slk_buf_add(header, SLK_GGUF_MAGIC, 4);
    add_u32(header, 3);
    add_u64(header, w->n_tensors);
    add_u64(header, w->n_kvs);
    if (w->kvs.len > 0) slk_buf_add(header, w->kvs.data, w->kvs.len);
    uint64_t offset = 0;
    for (size_t i = 0; i < w->n_tensors; i++) {
        planned_tensor *t = &w->tensors[i];
        t->offset = offset;
        offset += t->n_bytes;
        offset += padding_behind(w, offset);
        add_string(header, t->name, strlen(t->name));
        add_u32(header, t->n_dims);
        for (uint32_t d = 0; d < t->n_dims; d++) add_u64(header, t->ne[d]);
        add_u32(header, (uint32_t)t->dtype);
        add_u64(header, t->offset);
    }
    return header->failed || w->kvs.failed ? slk_fail(err, SLK_E_MEMORY, "out of memory for a GGUF header") : SLK_OK;
}

static slk_status write_tensors(const slk_gguf_writer *w, FILE *stream, const char *path, slk_gguf_produce *produce,
                                void *user, void *scratch, slk_err *err)
{
    slk_status status = SLK_OK;
    for (size_t i = 0; !status && i < w->n_tensors; i++) {
        const planned_tensor *t = &w->tensors[i];
        if (!t->data) status = produce(user, i, scratch, t->n_bytes, err);
        if (!status) status = write_bytes(stream, path, t->data ? t->data : scratch, t->n_bytes, err);
        if (!status) status = write_zeros(stream, path, padding_behind(w, t->n_bytes), err);
    }
    return status;
}

static slk_status write_all(slk_gguf_writer *w, FILE *stream, const char *path, slk_gguf_produce *produce, void *user,
                            slk_err *err)
{
    size_t scratch_bytes = 0;
    for (size_t i = 0; i < w->n_tensors; i++) {
        const planned_tensor *t = &w->tensors[i];
        if (t->data) continue;
        if (!produce) return slk_fail(err, SLK_E_ARG, "%s: tensor %s has neither data nor a producer", path, t->name);
        if (t->n_bytes > scratch_bytes) scratch_bytes = t->n_bytes;
    }
    void *scratch = scratch_bytes > 0 ? slk_alloc_aligned(scratch_bytes, 1) : NULL;
    if (scratch_bytes > 0 && !scratch)
        return slk_fail(err, SLK_E_MEMORY, "%s: out of memory for a tensor of %zu bytes", path, scratch_bytes);
    slk_buf header;
    slk_buf_init(&header);
    slk_status status = encode_header(w, &header, err);
    if (!status) status = write_bytes(stream, path, header.data, header.len, err);
    if (!status) status = write_zeros(stream, path, padding_behind(w, header.len), err);
    if (!status) status = write_tensors(w, stream, path, produce, user, scratch, err);
    slk_buf_release(&header);
    free(scratch);
    return status;
}

slk_status slk_gguf_write(slk_gguf_writer *w, const char *path, bool overwrite, slk_gguf_produce *produce, void *user,
                          slk_err *err)
{
    slk_out *out;
    slk_status status = slk_out_open(&out, path, overwrite, err);
    if (status) return status;
    status = write_all(w, slk_out_stream(out), path, produce, user, err);
    if (!status) status = slk_out_commit(out, err);
    slk_out_close(out);
    return status;
}
