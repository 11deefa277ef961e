/* A model ready to compute: description, weights in the compute type, tokenizer.
 *
 * Weights are dequantised (or copied) once at load into what the forward pass multiplies with: one fused matrix for q,
 * k, v and one for gate and up, so that a layer is four products, each in the library's own layout where it has one.
 * The file stays mapped: embedding rows are read from it when a token is looked up, and its other pages are given back
 * to the system as they are converted. */
#ifndef SLK_MODEL_MODEL_H
#define SLK_MODEL_MODEL_H

#include "base/error.h"
#include "compute/compute.h"
#include "model/adapter.h"
#include "model/config.h"
#include "model/source.h"
#include "token/tokenizer.h"

typedef struct slk_layer {
    float *attn_gain, *attn_bias; /* [d_model]; bias: layer norm only */
    slk_weight qkv;               /* [(n_heads + 2 n_kv_heads) * head_dim, d_model] */
    float *q_gain, *k_gain;       /* [head_dim] or NULL */
    slk_weight attn_out;          /* [d_model, n_heads * head_dim] */
    float *post_attn_gain;        /* [d_model] or NULL */
    float *ffn_gain, *ffn_bias;   /* [d_model] */
    slk_weight gate_up;           /* [2 * d_ff (gated) or d_ff, d_model] */
    slk_weight down;              /* [d_model, d_ff] */
    float *post_ffn_gain;         /* [d_model] or NULL */
} slk_layer;

typedef struct slk_model {
    slk_config config;
    slk_compute *compute;
    slk_source *source;
    slk_tokenizer *tokenizer;
    slk_layer *layers;          /* [n_layers] */
    float *out_gain, *out_bias; /* [d_model] */
    slk_weight
        *output; /* [n_chunks] SLK_LOGITS_CHUNK rows each of the matrix [n_vocab, d_model], the last maybe fewer */
    int n_chunks;
    slk_tensor embedding; /* rows are dequantised as they are looked up */
    slk_tensor positions; /* learned positions; data NULL: none */
    /* Of a model opened for training, else NULL: matrices in memory, which the optimiser changes in place. All matrices
     * are plain then, and output's chunks are views into one of these. */
    void *embedding_rows;  /* [n_vocab, d_model] compute type */
    void *output_rows;     /* [n_vocab, d_model] compute type; tied: embedding_rows */
    float *positions_rows; /* [n_context, d_model], or NULL */
    float *rope_divisors;  /* [head_dim / 2] of rope_freqs.weight, or NULL */
    uint64_t hash;         /* slk_source_hash */
    slk_adapter *adapter;  /* or NULL; the matrices above do not contain it */
    void **owned;          /* everything to free */
    size_t n_owned, cap_owned;
    slk_packed **packed; /* matrices in the library's own layout */
    size_t n_packed, cap_packed;
    size_t weights_bytes; /* resident weights */
} slk_model;

typedef struct slk_model_options {
    slk_compute_options compute;
    const char *adapter; /* a LoRA adapter (model/adapter.h) to put on it; NULL: none */
    bool trainable;      /* keep weights where training can change them (params.h) */
} slk_model_options;

/* Open MODEL (a .gguf file or a Hugging Face directory). Checks every tensor's presence and shape, that the model fits
 * into memory, and that the kernels keep rows independent (slk_compute_self_test). Errors: SLK_E_IO, SLK_E_FORMAT,
 * SLK_E_SHAPE, SLK_E_UNSUPPORTED, SLK_E_NOT_FOUND (a tensor), SLK_E_MEMORY, and those of slk_adapter_open. Close with
 * slk_model_close. */
slk_status slk_model_open(slk_model **out, const char *path, const slk_model_options *options, slk_err *err);
void slk_model_close(slk_model *model);

/* Vector of token id, [d_model] f32, scaled and with its position added where the family does so. */
slk_status slk_model_embed(const slk_model *model, int32_t token, int32_t position, float *x, slk_err *err);

/* Bytes of the weights in `dtype`, and of keys and values of one token (for estimates; nothing is loaded). */
size_t slk_config_weights_bytes(const slk_config *c, slk_dtype dtype);
size_t slk_config_kv_bytes(const slk_config *c, slk_dtype dtype);

#endif
