/* Where a model's tensors come from: a GGUF file, or a Hugging Face directory (config.json, model.safetensors, in parts
 * with an index). Both are asked by GGUF's names and answer with GGUF's layout, so whatever loads or converts a model
 * knows one convention; the differences are family.h's and are undone while values are read:
 *
 *   slk_source_find(s, "blk.0.attn_q.weight", &t)      t: a view into the mapped file
 *   slk_source_read(s, &t, row, n, SLK_DTYPE_BF16, w)  rows [row, row + n), permuted, transposed or 1 added as it must
 * be
 *
 * A GGUF model and a directory with the same weights therefore compute the same bits. */
#ifndef SLK_MODEL_SOURCE_H
#define SLK_MODEL_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "format/gguf.h"
#include "format/safetensors.h"
#include "model/config.h"

typedef struct slk_tensor {
    const char *name;       /* as the file calls it; borrowed */
    slk_dtype dtype;        /* in the file */
    bool is_vector;         /* one dimension: n_rows is 1 */
    int64_t n_rows, n_cols; /* [n_out, n_in], after the change */
    slk_change change;
    int head_dim; /* of SLK_CHANGE_PAIRS */
    const uint8_t *data;
    size_t n_bytes;
    const void *entry; /* the file's descriptor */
} slk_tensor;

typedef struct slk_source slk_source;

/* Open MODEL and read its description, with n_vocab and tied. Errors: SLK_E_IO; SLK_E_FORMAT, SLK_E_UNSUPPORTED (the
 * messages name file and key or tensor); SLK_E_SHAPE; SLK_E_NOT_FOUND (no config.json, weights, or embedding);
 * SLK_E_MEMORY. */
slk_status slk_source_open(slk_source **out, const char *path, slk_err *err);
void slk_source_close(slk_source *source); /* NULL is fine */

const char *slk_source_path(const slk_source *source); /* as given to open; borrowed until close, as all below */
const slk_config *slk_source_config(const slk_source *source);
const slk_gguf *slk_source_gguf(const slk_source *source);               /* NULL: a directory */
const slk_safetensors *slk_source_safetensors(const slk_source *source); /* NULL: a GGUF file */
const json_t *slk_source_hf_config(const slk_source *source);            /* config.json; NULL: a GGUF file */
/* XXH3 of all bytes that decide results: the GGUF file, or weights, config.json and tokenizer.json. */
slk_status slk_source_hash(const slk_source *source, uint64_t *hash, slk_err *err);
/* The chat template, of tokenizer.chat_template, chat_template.jinja or tokenizer_config.json. false: none. */
bool slk_source_chat_template(const slk_source *source, slk_gguf_str *out);

/* Errors: SLK_E_NOT_FOUND, SLK_E_SHAPE (more than two dimensions), SLK_E_UNSUPPORTED (a type of which slick has no
 * values). */
slk_status slk_source_find(const slk_source *source, const char *gguf_name, slk_tensor *out, slk_err *err);
/* Rows [row, row + n) as F32 or BF16 into dst [n, n_cols], on n_threads threads. A vector is one row; SLK_CHANGE_GAIN
 * happens to vectors as F32. Errors: SLK_E_FORMAT (names the tensor), SLK_E_MEMORY. */
slk_status slk_source_read(const slk_source *source, const slk_tensor *tensor, int64_t row, int64_t n, slk_dtype dtype,
                           void *dst, int n_threads, slk_err *err);
/* Tell the kernel that this tensor was read for the last time. */
void slk_source_forget(const slk_source *source, const slk_tensor *tensor);

#endif
