/* Writing LoRA adapters, in the two forms that adapter.h reads:
 *
 *   X.gguf      as llama.cpp loads it: general.type "adapter", adapter.lora.alpha, blk.0.attn_q.weight.lora_a and _b
 *   directory   as PEFT loads it: adapter_config.json, and adapter_model.safetensors with
 *               base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight, ...
 *
 * A and B are given in GGUF's layout; B's rows are put back in order for PEFT where GGUF has rotary pairs as neighbours
 * (A's columns are the same in both), and have the query factor of a GGUF model (slk_config_query_factor) in a GGUF
 * file. Values are float32 and written as they are: what slk_adapter_open reads is bit for bit what was given. */
#ifndef SLK_MODEL_ADAPTER_WRITE_H
#define SLK_MODEL_ADAPTER_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "model/config.h"

/* The adapter of one tensor. */
typedef struct slk_adapter_matrix {
    int layer;
    const char *tensor;         /* as in the table of names: "blk.#.attn_q" */
    int64_t rank, n_in, n_out;  /* rank: the same of all */
    const float *a, *b;         /* [rank, n_in], [n_out, rank]; borrowed */
    int64_t a_stride, b_stride; /* values from one row to the next; 0: n_in and rank */
} slk_adapter_matrix;

typedef struct slk_adapter_write_options {
    double alpha;          /* the product counts alpha / rank times */
    double dropout;        /* that it was trained with, for adapter_config.json */
    const char *base_name; /* of the model that it is for; NULL: not said */
    bool overwrite;
} slk_adapter_write_options;

/* Write the adapter of `n` matrices for models of this description to `path`: GGUF if it ends in ".gguf", else a PEFT
 * directory. It appears when it is complete and on the disk (base/folder.h; adapter_config.json is the mark). Errors:
 * SLK_E_ARG (none; two of one tensor; ranks that differ; alpha is 0 or no number), SLK_E_SHAPE (a tensor, layer or size
 * that the model does not have), SLK_E_STATE (exists and !overwrite), SLK_E_IO, SLK_E_MEMORY. */
slk_status slk_adapter_write(const char *path, const slk_config *config, const slk_adapter_matrix *matrices, size_t n,
                             const slk_adapter_write_options *options, slk_err *err);

#endif
