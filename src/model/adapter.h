/* LoRA adapters, applied beside the model's matrices and never merged into them:
 *
 *   y = W x + B (A x)          A [rank, n_in], B [n_out, rank], with the adapter's scale inside B
 *
 * Two forms are read: a PEFT directory (adapter_config.json, adapter_model.safetensors) and a GGUF adapter of
 * llama.cpp. Both become what the forward pass multiplies with: one pair for each matrix of a layer (model.h). The
 * adapters of q, k and v, or of gate and up, make one pair: their A are stacked by rows, and each B has its rows and
 * its columns of the common B, which is zero elsewhere.
 *
 * A GGUF adapter is for the GGUF model. Where that has its query matrices multiplied by a factor
 * (slk_config_query_factor), its B of attn_q has it, too, and a directory is given B without it.
 *
 * The scale is multiplied in float32 and rounded once, with B; A x is rounded to the compute type.
 * Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021, section 4.1. */
#ifndef SLK_MODEL_ADAPTER_H
#define SLK_MODEL_ADAPTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "compute/compute.h"
#include "model/config.h"

/* The matrices of a layer. */
typedef enum slk_adapted {
    SLK_ADAPTED_QKV,
    SLK_ADAPTED_ATTN_OUT,
    SLK_ADAPTED_GATE_UP,
    SLK_ADAPTED_DOWN,
    SLK_N_ADAPTED
} slk_adapted;

typedef struct slk_low_rank {
    slk_weight a; /* [rank, n_in], compute type; n_out 0: this matrix has no adapter */
    slk_weight b; /* [n_out, rank] */
} slk_low_rank;

typedef struct slk_adapter slk_adapter;

/* Open a GGUF file or a PEFT directory for a model of this description, and check every tensor's name, partner and
 * shape. Errors: SLK_E_IO; SLK_E_NOT_FOUND (a file of the directory, or one of A and B); SLK_E_FORMAT; SLK_E_SHAPE (of
 * another model); SLK_E_UNSUPPORTED (a kind of adapter, or a setting: the message names the key or tensor). */
slk_status slk_adapter_open(slk_adapter **out, const char *path, const slk_config *config, slk_err *err);
/* Before the compute that it was loaded for is freed. NULL is fine. */
void slk_adapter_free(slk_adapter *adapter);

/* XXH3 of all bytes that decide results; never 0. */
uint64_t slk_adapter_hash(const slk_adapter *adapter);
int64_t slk_adapter_max_rank(const slk_adapter *adapter); /* of all slk_low_rank.a.n_out */
size_t slk_adapter_bytes(const slk_adapter *adapter);     /* in memory, after load */

/* Append the shapes of its products, each once, to the slk_alloc'd (*shapes)[*n], for slk_compute_self_test. Errors:
 * SLK_E_MEMORY. */
slk_status slk_adapter_add_shapes(const slk_adapter *adapter, slk_shape **shapes, size_t *n, size_t *cap, slk_err *err);
/* Convert to the compute type and the library's layout; then the files are closed. Once. Errors: SLK_E_MEMORY,
 * SLK_E_FORMAT. */
slk_status slk_adapter_load(slk_adapter *adapter, slk_compute *compute, slk_err *err);

/* Merging, before load (SLK_E_STATE after it: the files are closed). Tensors go by their GGUF names
 * ("blk.0.attn_q.weight"). */
bool slk_adapter_has(const slk_adapter *adapter, const char *gguf_name);
size_t slk_adapter_n_tensors(const slk_adapter *adapter); /* that have one */
/* values [n_rows, n_cols] += scale * B A, the delta of a matrix in GGUF's layout; nothing for a tensor without adapter.
 * Summed in double and rounded once. Errors: SLK_E_SHAPE, SLK_E_FORMAT, SLK_E_MEMORY. */
slk_status slk_adapter_add(const slk_adapter *adapter, const char *gguf_name, float *values, int64_t n_rows,
                           int64_t n_cols, int n_threads, slk_err *err);

/* A new adapter of all layers, all zero, to be trained (params.h): of the tensors named in `tensors` [n] (as in the
 * table of names: "blk.#.attn_q"), each of this rank. The matrices are plain, and their data may be written to. Errors:
 * SLK_E_ARG (a name that the model does not have, or twice), SLK_E_MEMORY. */
slk_status slk_adapter_create(slk_adapter **out, const slk_config *config, slk_dtype dtype, const char *const *tensors,
                              size_t n, int64_t rank, slk_err *err);
/* Where the adapter of a tensor stands in its matrix's pair: A's rows [rank0, rank0 + rank), B's rows [row, row +
 * n_out) and columns [rank0, rank0 + rank). The same in all layers of a created adapter. */
typedef struct slk_adapter_place {
    slk_adapted matrix;
    int64_t row, n_out, n_in, rank0, rank;
} slk_adapter_place;
slk_adapter_place slk_adapter_find_place(const slk_adapter *adapter, const char *tensor);

/* Of layer [0, n_layers). NULL: the matrix has no adapter. Borrowed. */
const slk_low_rank *slk_adapter_get(const slk_adapter *adapter, int layer, slk_adapted matrix);

#endif
