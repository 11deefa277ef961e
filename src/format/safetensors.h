/* safetensors files, as Hugging Face directories hold them.
 *
 *   n u64 (little-endian) | header: n bytes of JSON, may end in spaces | data, to the end of the file
 *   header: {"__metadata__": {"key": "value", ...},                                        (may be absent)
 *            "name": {"dtype": "BF16", "shape": [n_out, n_in], "data_offsets": [begin, end]}, ...}
 *
 * Offsets count from the first byte behind the header. The tensors cover the data exactly, without gaps or overlaps.
 * Shapes are as in the file, slowest dimension first (GGUF's ne is the other way round).
 *
 * A model may be split over several files; then model.safetensors.index.json says which tensor is where:
 *   {"metadata": {...}, "weight_map": {"name": "model-00001-of-00002.safetensors", ...}}
 * Opened through the index, the parts look like one file.
 *
 * Files are mapped, and everything in the header is checked against them before use, so a descriptor that was handed
 * out can be read in full. The header may have any length, so data is not aligned to anything: copy, or check before a
 * cast. */
#ifndef SLK_FORMAT_SAFETENSORS_H
#define SLK_FORMAT_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/dtype.h"
#include "base/error.h"

#define SLK_SAFETENSORS_MAX_DIMS 8

typedef struct slk_safetensor {
    const char *name;                         /* NUL-terminated UTF-8, borrowed until close */
    uint32_t n_dims;                          /* 0..8; 0 is a single value */
    uint64_t shape[SLK_SAFETENSORS_MAX_DIMS]; /* [n_dims], then 1 */
    const char *type_name;                    /* "BF16", "I64", ... */
    bool is_float; /* F32, F16 or BF16: dtype says which. Else a buffer that slick can only copy */
    slk_dtype dtype;
    const uint8_t *data; /* n_bytes readable bytes in the map, at any alignment */
    size_t n_bytes;      /* 0 when a dimension is 0 */
} slk_safetensor;

typedef struct slk_safetensors slk_safetensors;

/* Open one .safetensors file, or all that an index names (path ends in ".json"; parts lie beside it).
 * Errors: SLK_E_IO; SLK_E_FORMAT (truncated, header no such JSON, duplicate names, ranges that do not match the shape,
 * leave the file, overlap or leave gaps; index and parts disagree); SLK_E_UNSUPPORTED (a type of unknown size; the
 * message names the tensor). */
slk_status slk_safetensors_open(slk_safetensors **out, const char *path, slk_err *err);
/* One file over bytes that the caller keeps; `name` is for messages. */
slk_status slk_safetensors_open_memory(slk_safetensors **out, const void *data, size_t n_bytes, const char *name,
                                       slk_err *err);
void slk_safetensors_close(slk_safetensors *file); /* NULL is fine */

/* As it was given to open. Borrowed until close. */
const char *slk_safetensors_path(const slk_safetensors *file);
/* XXH3 of the file, or of its parts in the index's order, computed on the first call. */
uint64_t slk_safetensors_hash(const slk_safetensors *file);

/* Of all parts. */
size_t slk_safetensors_n_tensors(const slk_safetensors *file);
/* In the order of the header(s); NULL from n_tensors on. */
const slk_safetensor *slk_safetensors_tensor_at(const slk_safetensors *file, size_t i);
const slk_safetensor *slk_safetensors_find_tensor(const slk_safetensors *file, const char *name); /* NULL: none */
/* Value of a key of __metadata__ (of the first part), e.g. "format"; NULL: none. Borrowed until close. */
const char *slk_safetensors_metadata(const slk_safetensors *file, const char *key);
/* Tell the kernel this tensor's bytes are no longer needed (they stay readable, from disk). */
void slk_safetensors_forget(const slk_safetensors *file, const slk_safetensor *tensor);

/* --- writing ---------------------------------------------------------------------------------------------------------
 * As slk_gguf_writer: collect, then write once. In the file the 4-byte types come first, so that with the header padded
 * to 8 bytes every tensor is aligned; otherwise tensors keep the order in which they were put. */
typedef struct slk_safetensors_writer slk_safetensors_writer;
/* Fill bytes [n_bytes] with the tensor that was put as number tensor_index (called in file order). */
typedef slk_status slk_safetensors_produce(void *user, size_t tensor_index, void *bytes, size_t n_bytes, slk_err *err);

/* An empty writer; free() it with slk_safetensors_writer_free(). Errors: SLK_E_MEMORY. */
slk_status slk_safetensors_writer_create(slk_safetensors_writer **out, slk_err *err);
void slk_safetensors_writer_free(slk_safetensors_writer *w); /* NULL is fine */
/* An entry of __metadata__ (Transformers wants "format" = "pt"). Errors: SLK_E_ARG (not UTF-8, already there),
 * SLK_E_MEMORY. */
slk_status slk_safetensors_put_metadata(slk_safetensors_writer *w, const char *key, const char *value, slk_err *err);
/* dtype F32, F16 or BF16; shape [n_dims], slowest first. data is borrowed until write() returned; NULL: `produce`
 * supplies it. Errors: SLK_E_ARG (name empty, not UTF-8 or already there), SLK_E_UNSUPPORTED, SLK_E_SHAPE,
 * SLK_E_MEMORY. */
slk_status slk_safetensors_put_tensor(slk_safetensors_writer *w, const char *name, slk_dtype dtype, uint32_t n_dims,
                                      const uint64_t *shape, const void *data, slk_err *err);
/* Write to path (temporary name, fsync, rename). Errors: SLK_E_IO, SLK_E_STATE (exists and !overwrite), produce's own.
 */
slk_status slk_safetensors_write(slk_safetensors_writer *w, const char *path, bool overwrite,
                                 slk_safetensors_produce *produce, void *user, slk_err *err);

#endif
