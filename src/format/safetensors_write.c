/* Writing a safetensors file: the header is built when everything is known, then the data streams out front to back. */
#include "format/safetensors.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#define METADATA "__metadata__"

typedef struct planned_tensor {
    char *name;
    uint64_t name_hash;
    slk_dtype dtype;
    uint32_t value_bytes, n_dims;
    uint64_t shape[SLK_SAFETENSORS_MAX_DIMS];
    size_t n_bytes;
    const void *data; /* NULL: produced */
} planned_tensor;

struct slk_safetensors_writer {
    json_t *metadata; /* object */
    planned_tensor *tensors;
    size_t n_tensors, cap_tensors;
};

slk_status slk_safetensors_writer_create(slk_safetensors_writer **out, slk_err *err)
{
    *out = slk_alloc_zero(1, sizeof **out);
    if (*out) (*out)->metadata = json_object();
    if (*out && (*out)->metadata) return SLK_OK;
    slk_safetensors_writer_free(*out);
    *out = NULL;
    return slk_fail(err, SLK_E_MEMORY, "out of memory for a safetensors writer");
}

void slk_safetensors_writer_free(slk_safetensors_writer *w)
{
    if (!w) return;
    for (size_t i = 0; i < w->n_tensors; i++) free(w->tensors[i].name);
    json_decref(w->metadata);
    free(w->tensors);
    free(w);
}

static bool is_text(const char *s)
{
    size_t len = strlen(s);
    return slk_utf8_valid(s, len) == len;
}

slk_status slk_safetensors_put_metadata(slk_safetensors_writer *w, const char *key, const char *value, slk_err *err)
{
    if (!is_text(key) || !is_text(value)) return slk_fail(err, SLK_E_ARG, "metadata key %s: not valid UTF-8", key);
    if (json_object_get(w->metadata, key)) return slk_fail(err, SLK_E_ARG, "metadata key %s is already there", key);
    if (json_object_set_new(w->metadata, key, json_string(value)))
        return slk_fail(err, SLK_E_MEMORY, "out of memory for metadata key %s", key);
    return SLK_OK;
}

static slk_status check_name(const slk_safetensors_writer *w, const char *name, uint64_t hash, slk_err *err)
{
    if (name[0] == 0 || strcmp(name, METADATA) == 0 || !is_text(name))
        return slk_fail(err, SLK_E_ARG, "'%s' is no possible tensor name", name);
    for (size_t i = 0; i < w->n_tensors; i++)
        if (w->tensors[i].name_hash == hash && strcmp(w->tensors[i].name, name) == 0)
            return slk_fail(err, SLK_E_ARG, "tensor %s is already there", name);
    return SLK_OK;
}

static slk_status plan_shape(planned_tensor *t, const char *name, uint32_t n_dims, const uint64_t *shape, slk_err *err)
{
    if (n_dims > SLK_SAFETENSORS_MAX_DIMS)
        return slk_fail(err, SLK_E_SHAPE, "tensor %s: %" PRIu32 " dimensions, expected at most %d", name, n_dims,
                        SLK_SAFETENSORS_MAX_DIMS);
    uint64_t n_bytes = t->value_bytes;
    for (uint32_t d = 0; d < n_dims; d++) {
        if (shape[d] == 0 || shape[d] > (uint64_t)INT64_MAX / n_bytes)
            return slk_fail(err, SLK_E_SHAPE, "tensor %s: dimension %" PRIu32 " of %" PRIu64, name, d, shape[d]);
        n_bytes *= shape[d];
        t->shape[d] = shape[d];
    }
    t->n_dims = n_dims;
    t->n_bytes = (size_t)n_bytes;
    return SLK_OK;
}

slk_status slk_safetensors_put_tensor(slk_safetensors_writer *w, const char *name, slk_dtype dtype, uint32_t n_dims,
                                      const uint64_t *shape, const void *data, slk_err *err)
{
    planned_tensor t = {.dtype = dtype, .data = data, .name_hash = slk_hash_bytes(name, strlen(name))};
    slk_status status = check_name(w, name, t.name_hash, err);
    if (status) return status;
    if (dtype != SLK_DTYPE_F32 && dtype != SLK_DTYPE_F16 && dtype != SLK_DTYPE_BF16)
        return slk_fail(err, SLK_E_UNSUPPORTED, "tensor %s: safetensors files hold F32, F16 and BF16, not type %d",
                        name, (int)dtype);
    t.value_bytes = dtype == SLK_DTYPE_F32 ? 4 : 2;
    status = plan_shape(&t, name, n_dims, shape, err);
    if (status) return status;
    t.name = slk_strdup(name);
    if (!t.name || !slk_grow(&w->tensors, &w->cap_tensors, w->n_tensors + 1, sizeof *w->tensors)) {
        free(t.name);
        return slk_fail(err, SLK_E_MEMORY, "out of memory for tensor %s", name);
    }
    w->tensors[w->n_tensors++] = t;
    return SLK_OK;
}

/* --- header ----------------------------------------------------------------------------------------------------- */

static json_t *describe(const planned_tensor *t, uint64_t offset)
{
    json_t *shape = json_array();
    for (uint32_t d = 0; d < t->n_dims; d++) json_array_append_new(shape, json_integer((json_int_t)t->shape[d]));
    if (json_array_size(shape) != t->n_dims) {
        json_decref(shape);
        return NULL;
    }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", slk_dtype_find((uint32_t)t->dtype)->name, "shape", shape,
                     "data_offsets", (json_int_t)offset, (json_int_t)(offset + t->n_bytes));
}

/* The header's object, entries in file order; NULL: out of memory. */
static json_t *describe_all(const slk_safetensors_writer *w, const size_t *order)
{
    json_t *root = json_object();
    bool ok = root != NULL;
    if (ok && json_object_size(w->metadata) > 0) ok = json_object_set(root, METADATA, w->metadata) == 0;
    uint64_t offset = 0;
    for (size_t i = 0; ok && i < w->n_tensors; i++) {
        const planned_tensor *t = &w->tensors[order[i]];
        ok = json_object_set_new(root, t->name, describe(t, offset)) == 0;
        offset += t->n_bytes;
    }
    if (ok) return root;
    json_decref(root);
    return NULL;
}

/* Length and text, padded with spaces so that the data section begins at a multiple of 8. */
static slk_status encode_header(const slk_safetensors_writer *w, const size_t *order, slk_buf *b, slk_err *err)
{
    json_t *root = describe_all(w, order);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (!text) return slk_fail(err, SLK_E_MEMORY, "out of memory for a safetensors header");
    uint64_t n_bytes = (strlen(text) + 7) / 8 * 8;
    uint8_t length[8];
    for (int i = 0; i < 8; i++) length[i] = (uint8_t)(n_bytes >> 8 * i);
    slk_buf_add(b, length, sizeof length);
    slk_buf_add_str(b, text);
    while (!b->failed && b->len < 8 + n_bytes) slk_buf_add(b, " ", 1);
    free(text);
    return b->failed ? slk_fail(err, SLK_E_MEMORY, "out of memory for a safetensors header") : SLK_OK;
}

/* --- writing ---------------------------------------------------------------------------------------------------- */

typedef struct sink {
    FILE *stream;
    const char *path;
    slk_safetensors_produce *produce;
    void *user;
    void *scratch; /* as large as the largest produced tensor */
} sink;

static slk_status write_bytes(const sink *s, const void *bytes, size_t n, slk_err *err)
{
    errno = 0;
    if (n == 0 || fwrite(bytes, 1, n, s->stream) == n) return SLK_OK;
    return slk_fail(err, SLK_E_IO, "%s: cannot write: %s", s->path, errno ? strerror(errno) : "short write");
}

static slk_status write_ordered(const slk_safetensors_writer *w, const sink *s, const size_t *order, slk_err *err)
{
    slk_buf header;
    slk_buf_init(&header);
    slk_status status = encode_header(w, order, &header, err);
    if (!status) status = write_bytes(s, header.data, header.len, err);
    slk_buf_release(&header);
    for (size_t i = 0; !status && i < w->n_tensors; i++) {
        const planned_tensor *t = &w->tensors[order[i]];
        if (!t->data) status = s->produce(s->user, order[i], s->scratch, t->n_bytes, err);
        if (!status) status = write_bytes(s, t->data ? t->data : s->scratch, t->n_bytes, err);
    }
    return status;
}

/* 4-byte types first, each group in the order of the puts. NULL: out of memory. */
static size_t *file_order(const slk_safetensors_writer *w)
{
    size_t n = 0, *order = slk_alloc(w->n_tensors, sizeof *order);
    for (uint32_t value_bytes = 4; order && value_bytes >= 2; value_bytes -= 2)
        for (size_t i = 0; i < w->n_tensors; i++)
            if (w->tensors[i].value_bytes == value_bytes) order[n++] = i;
    return order;
}

static slk_status write_all(const slk_safetensors_writer *w, sink *s, slk_err *err)
{
    size_t scratch_bytes = 0;
    for (size_t i = 0; i < w->n_tensors; i++) {
        const planned_tensor *t = &w->tensors[i];
        if (t->data) continue;
        if (!s->produce)
            return slk_fail(err, SLK_E_ARG, "%s: tensor %s has neither data nor a producer", s->path, t->name);
        if (t->n_bytes > scratch_bytes) scratch_bytes = t->n_bytes;
    }
    size_t *order = file_order(w);
    s->scratch = slk_alloc_aligned(scratch_bytes, 1);
    slk_status status = order && s->scratch ? write_ordered(w, s, order, err)
                                            : slk_fail(err, SLK_E_MEMORY, "%s: out of memory for a tensor of %zu bytes",
                                                       s->path, scratch_bytes);
    free(order);
    free(s->scratch);
    return status;
}

slk_status slk_safetensors_write(slk_safetensors_writer *w, const char *path, bool overwrite,
                                 slk_safetensors_produce *produce, void *user, slk_err *err)
{
    slk_out *out;
    slk_status status = slk_out_open(&out, path, overwrite, err);
    if (status) return status;
    sink s = {.stream = slk_out_stream(out), .path = path, .produce = produce, .user = user};
    status = write_all(w, &s, err);
    if (!status) status = slk_out_commit(out, err);
    slk_out_close(out);
    return status;
}
