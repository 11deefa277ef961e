/* The description of a decoder. One forward pass serves every family: what differs between Llama, Qwen, Gemma and GPT-2
 * is written here as data, made of the table of families (family.h) and of a GGUF file's metadata or a config.json.
 *
 *   x = embed(token) * embed_scale (+ position embedding)
 *   each layer:  x += post?(attention(norm(x)));  x += post?(ffn(norm(x)))
 *   logits = cap(norm(x) W_out^T) */
#ifndef SLK_MODEL_CONFIG_H
#define SLK_MODEL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "base/json.h"
#include "compute/compute.h"
#include "format/gguf.h"
#include "model/family.h"

typedef struct slk_config {
    const slk_family *family; /* static */
    char arch[32];            /* "llama", "qwen2", ... as GGUF says */
    char name[128];           /* general.name, or the file's name */
    int n_layers, d_model, n_heads, n_kv_heads, head_dim, d_ff;
    int n_vocab;   /* rows of the embedding; logits have as many columns */
    int n_context; /* longest path, in tokens */

    slk_norm norm;
    float norm_eps;
    bool post_norms; /* RMS norm of each block's output before it is added (Gemma) */
    bool qk_norm;    /* RMS norm of each query and key head before the rotation (Qwen 3, Gemma 3) */
    bool fused_qkv;  /* the file has one tensor attn_qkv (GPT-2) */
    bool gated;      /* act(gate) * up, else act(up) */
    slk_activation activation;
    bool learned_positions; /* a position embedding is added (GPT-2) */
    bool tied;              /* the output matrix is the embedding */

    bool rope;              /* rotary position embedding */
    bool rope_pairs;        /* rotates (2i, 2i+1), else (i, i + head_dim/2) */
    double rope_base;       /* of full layers */
    double rope_base_local; /* of windowed layers */
    bool rope_local;        /* windowed layers have their own base and are not scaled (Gemma 3) */
    double rope_scale;      /* positions are divided by it (linear scaling), 1: none */
    slk_rope3
        rope3; /* Llama 3's scaling as a config.json states it; a GGUF file has it as the tensor rope_freqs.weight */

    int window;          /* a token sees itself and window - 1 before it in windowed layers; 0: none are */
    int window_pattern;  /* every window_pattern-th layer is full; 0: every layer is windowed */
    double query_scalar; /* attention_scale is 1 / sqrt of it; head_dim but for some Gemmas */
    float attention_scale;
    float attention_softcap, logit_softcap; /* 0: none */
    float embed_scale;
} slk_config;

/* Read the description. Errors: SLK_E_UNSUPPORTED (architecture or rotary scaling that slick does not know: names it),
 * SLK_E_FORMAT (a key missing, of the wrong type or absurd: names file and key). */
slk_status slk_config_read_gguf(slk_config *out, const slk_gguf *file, slk_err *err);
/* The same from the parsed config.json of a Hugging Face directory, as Transformers 4 or 5 writes it. n_vocab and tied
 * are filled, too. path is the file's, for messages. Errors as above, and SLK_E_UNSUPPORTED for any setting that slick
 * would have to ignore. */
slk_status slk_config_read_hf(slk_config *out, const json_t *json, const char *path, slk_err *err);

/* The query_scalar that llama.cpp takes: GGUF has no key for another. */
double slk_config_implied_scalar(const slk_config *c);
/* What query matrices are multiplied by when they go into a GGUF file, to mean the same there; 1 for what comes from
 * one. */
double slk_config_query_factor(const slk_config *c);

/* --- writing the description (config_write.c) --- */

/* What a description does not have and config.json wants. */
typedef struct slk_config_extra {
    slk_dtype dtype;               /* of the weights: F32, F16, BF16 */
    bool attention_bias, mlp_bias; /* Llama with biases */
    int32_t bos, eos;              /* -1: none */
} slk_config_extra;

/* A config.json, in the form of Transformers 4, which 5 reads as well. *out: json_decref() it.
 * Errors: SLK_E_UNSUPPORTED (nothing in Transformers computes this), SLK_E_MEMORY. */
slk_status slk_config_to_hf(json_t **out, const slk_config *c, const slk_config_extra *extra, const char *path,
                            slk_err *err);
/* The keys <arch>.* and general.architecture, as llama.cpp names them. Errors: SLK_E_MEMORY, SLK_E_ARG (a key is there
 * already). */
slk_status slk_config_put_gguf(slk_gguf_writer *w, const slk_config *c, slk_err *err);

/* Does this layer (from 0) see only the last `window` tokens? */
static inline bool slk_config_is_windowed(const slk_config *c, int layer)
{
    return c->window > 0 && (c->window_pattern == 0 || (layer + 1) % c->window_pattern != 0);
}

/* Parameters outside embedding and output, that is what one row costs: 2 FLOP each. */
int64_t slk_config_n_body_params(const slk_config *c);

#endif
