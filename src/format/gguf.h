/* GGUF files, versions 2 and 3 (little-endian).
 *
 *   magic "GGUF" u32 | version u32 | n_tensors u64 | n_kv u64
 *   n_kv    x  key string | value type u32 | value            (string = u64 length + bytes; array = type u32, n u64,
 * items) n_tensors x  name string | n_dims u32 | ne[n_dims] u64 | type u32 | offset u64 (from the data section) padding
 * to general.alignment (32) | data section
 *
 * ne[0] is the fastest dimension: a weight matrix [n_out, n_in] row-major has ne = {n_in, n_out}.
 * The file is mapped; every count, length, offset and size is checked against it before use, so a descriptor that was
 * handed out can be read in full. Bytes in, descriptors out: nothing here knows what a tensor means. */
#ifndef SLK_FORMAT_GGUF_H
#define SLK_FORMAT_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/dtype.h"
#include "base/error.h"

typedef enum slk_gguf_type {
    SLK_GGUF_U8 = 0,
    SLK_GGUF_I8,
    SLK_GGUF_U16,
    SLK_GGUF_I16,
    SLK_GGUF_U32,
    SLK_GGUF_I32,
    SLK_GGUF_F32,
    SLK_GGUF_BOOL,
    SLK_GGUF_STRING,
    SLK_GGUF_ARRAY,
    SLK_GGUF_U64,
    SLK_GGUF_I64,
    SLK_GGUF_F64,
} slk_gguf_type;

/* Borrowed from the file until it is closed; not NUL-terminated. */
typedef struct slk_gguf_str {
    const char *data;
    size_t len;
} slk_gguf_str;

typedef struct slk_gguf_tensor {
    const char *name; /* NUL-terminated, borrowed until close */
    uint32_t n_dims;  /* 1..4 */
    uint64_t ne[4];   /* unused dimensions are 1 */
    slk_dtype dtype;
    const uint8_t *data; /* n_bytes readable bytes in the map */
    size_t n_bytes;
} slk_gguf_tensor;

typedef struct slk_gguf slk_gguf;

/* path: of a file, or SLK_BUILTIN (base/builtin.h). Errors: SLK_E_IO; SLK_E_NOT_FOUND (nothing is built in);
 * SLK_E_FORMAT (truncated, absurd counts, duplicate keys or tensors, misaligned or overlapping
 * ranges); SLK_E_UNSUPPORTED (version, tensor type; the message names the tensor). */
slk_status slk_gguf_open(slk_gguf **out, const char *path, slk_err *err);
/* The same over bytes that the caller keeps (fuzzing, embedded models); `name` is for messages. */
slk_status slk_gguf_open_memory(slk_gguf **out, const void *data, size_t n_bytes, const char *name, slk_err *err);
void slk_gguf_close(slk_gguf *file);

/* As given to open(); borrowed until close. */
const char *slk_gguf_path(const slk_gguf *file);
/* XXH3 of the whole file, computed on the first call (SLK_E_MEMORY never; reads every byte once). */
uint64_t slk_gguf_hash(const slk_gguf *file);

/* Descriptors in file order (i < n_tensors) and by name; borrowed until close. */
size_t slk_gguf_n_tensors(const slk_gguf *file);
const slk_gguf_tensor *slk_gguf_tensor_at(const slk_gguf *file, size_t i);
const slk_gguf_tensor *slk_gguf_find_tensor(const slk_gguf *file, const char *name); /* NULL: none */
/* Tell the kernel this tensor's bytes are no longer needed (they stay readable, from disk). */
void slk_gguf_forget(const slk_gguf *file, const slk_gguf_tensor *tensor);

/* Typed look-ups. Return true and set *out when the key exists with a convertible type: integers widen when the value
 * fits, floats accept f32/f64/integers. false when absent or of another kind. */
bool slk_gguf_get_u64(const slk_gguf *file, const char *key, uint64_t *out);
bool slk_gguf_get_i64(const slk_gguf *file, const char *key, int64_t *out);
bool slk_gguf_get_f64(const slk_gguf *file, const char *key, double *out);
bool slk_gguf_get_bool(const slk_gguf *file, const char *key, bool *out);
bool slk_gguf_get_str(const slk_gguf *file, const char *key, slk_gguf_str *out);
/* Arrays: *n_items, *item type; then items by index (index < n, type as stated, else false). Strings are O(1): the
 * reader keeps an index. Whole numeric arrays are copied out with the convenience below. */
bool slk_gguf_get_array(const slk_gguf *file, const char *key, slk_gguf_type *item_type, size_t *n_items);
bool slk_gguf_array_str(const slk_gguf *file, const char *key, size_t index, slk_gguf_str *out);
bool slk_gguf_array_f64(const slk_gguf *file, const char *key, size_t index, double *out);
bool slk_gguf_array_i64(const slk_gguf *file, const char *key, size_t index, int64_t *out);
/* Keys in file order, for `slick inspect`: key, type, and a printable one-line value (arrays: type and count) into
 * text. */
size_t slk_gguf_n_keys(const slk_gguf *file);
const char *slk_gguf_key_at(const slk_gguf *file, size_t i, slk_gguf_type *type, char *text, size_t text_bytes);

/* --- writing ---------------------------------------------------------------------------------------------------------
 * Collect keys and tensor descriptors, then write once. Tensor data is borrowed until write() returns, or produced by a
 * callback so that a converted tensor need not be in memory beside the others. */
typedef struct slk_gguf_writer slk_gguf_writer;
typedef slk_status slk_gguf_produce(void *user, size_t tensor_index, void *bytes, size_t n_bytes, slk_err *err);

/* Values are copied. A key that is put again is an error (SLK_E_ARG). Errors: SLK_E_MEMORY. */
slk_status slk_gguf_writer_create(slk_gguf_writer **out, slk_err *err);
void slk_gguf_writer_free(slk_gguf_writer *writer);
slk_status slk_gguf_put_u32(slk_gguf_writer *w, const char *key, uint32_t value, slk_err *err);
slk_status slk_gguf_put_f32(slk_gguf_writer *w, const char *key, float value, slk_err *err);
slk_status slk_gguf_put_bool(slk_gguf_writer *w, const char *key, bool value, slk_err *err);
slk_status slk_gguf_put_str(slk_gguf_writer *w, const char *key, const char *value, slk_err *err);
slk_status slk_gguf_put_strs(slk_gguf_writer *w, const char *key, const slk_gguf_str *values, size_t n, slk_err *err);
slk_status slk_gguf_put_f32s(slk_gguf_writer *w, const char *key, const float *values, size_t n, slk_err *err);
slk_status slk_gguf_put_i32s(slk_gguf_writer *w, const char *key, const int32_t *values, size_t n, slk_err *err);
/* Copy every key of `file` (same types, bit for bit) that is not yet in the writer. */
slk_status slk_gguf_put_all(slk_gguf_writer *w, const slk_gguf *file, slk_err *err);
/* data NULL: `produce` of write() supplies the bytes. */
slk_status slk_gguf_put_tensor(slk_gguf_writer *w, const char *name, slk_dtype dtype, uint32_t n_dims,
                               const uint64_t *ne, const void *data, slk_err *err);
/* Write to path (temporary name, fsync, rename). Errors: SLK_E_IO, SLK_E_STATE (exists and !overwrite). */
slk_status slk_gguf_write(slk_gguf_writer *w, const char *path, bool overwrite, slk_gguf_produce *produce, void *user,
                          slk_err *err);

#endif
