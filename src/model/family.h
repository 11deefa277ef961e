/* Families of decoders: what an architecture fixes, and how its tensors are called and laid out in the two formats.
 *
 *   GGUF (llama.cpp)               safetensors (Transformers)                     change
 *   blk.3.attn_q.weight            model.layers.3.self_attn.q_proj.weight         rows of each head in another order
 *
 * slick computes with tensors as GGUF has them, so a change says how the GGUF tensor is made of the safetensors one.
 * This table and family.c are the only places that know; reading (source.c) and writing (convert) both go through them.
 * To add a family, add an entry to the table in family.c. */
#ifndef SLK_MODEL_FAMILY_H
#define SLK_MODEL_FAMILY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "compute/compute.h"

#define SLK_NAME_BYTES 192 /* enough for any tensor name that the table makes */

typedef enum slk_norm { SLK_NORM_RMS, SLK_NORM_LAYER } slk_norm;

typedef enum slk_change {
    SLK_CHANGE_NONE,
    SLK_CHANGE_PAIRS,     /* row (half h, i) of each head goes to row 2i + h: rotary pairs become neighbours */
    SLK_CHANGE_GAIN,      /* 1 is added: Gemma multiplies by 1 + gain */
    SLK_CHANGE_TRANSPOSE, /* Conv1D keeps [n_in, n_out] */
} slk_change;

typedef struct slk_name {
    const char *gguf, *hf; /* without ".weight" or ".bias"; # is the layer */
    slk_change change;     /* PAIRS: only in families with rope_pairs */
} slk_name;

typedef struct slk_family {
    const char *arch;      /* general.architecture */
    const char *hf_type;   /* model_type */
    const char *hf_class;  /* architectures[0] */
    const slk_name *names; /* ends with gguf = NULL */
    slk_norm norm;
    bool rope, rope_pairs, qk_norm, post_norms, fused_qkv, gated, learned_positions, scaled_embedding;
    slk_activation activation;
    /* What a file that is silent means. */
    int window_pattern;
    double rope_base_local; /* 0: windowed layers rotate as the others do; else they have a base of their own, and no
                               scaling */
    float attention_softcap, logit_softcap;
    int n_layers_scaled_by_width; /* the one size that scales scores by 1/sqrt(d_model / n_heads) in llama.cpp; 0: none
                                   */
    bool hf_tied;                 /* the Transformers defaults, in config.json */
    int hf_head_dim;              /* 0: hidden_size / heads */
    int hf_window;                /* 0: none */
    double hf_rope_base;
} slk_family;

/* NULL: none. arch has n_bytes bytes. */
const slk_family *slk_family_find(const char *arch, size_t n_bytes);
const slk_family *slk_family_find_hf(const char *model_type);
/* "llama mistral ..." for messages. */
const char *slk_family_list(void);
const char *slk_family_list_hf(void);

/* Names of the i-th entry's tensor; `suffix` is "weight" or "bias". */
void slk_family_gguf_name(char out[SLK_NAME_BYTES], const slk_name *name, int layer, const char *suffix);
void slk_family_hf_name(char out[SLK_NAME_BYTES], const slk_name *name, int layer, const char *suffix);
/* The entry, layer (0 for tensors outside layers) and suffix of a GGUF tensor name. NULL: no tensor of this family. */
const slk_name *slk_family_parse_gguf(const slk_family *family, const char *tensor, int *layer, const char **suffix);
/* The same for a safetensors name, with or without the first word ("model."), which checkpoints of the bare decoder
 * leave out. */
const slk_name *slk_family_parse_hf(const slk_family *family, const char *tensor, int *layer, const char **suffix);
/* Is the entry a tensor of every layer? */
bool slk_family_is_layered(const slk_name *name);

/* What happens to this tensor. Biases are permuted with their rows, and nothing else happens to them. */
slk_change slk_family_change(const slk_family *family, const slk_name *name, const char *suffix);

/* SLK_CHANGE_PAIRS for heads of head_dim rows: which safetensors row is GGUF's row r, and which GGUF row is
 * safetensors' row r. */
int64_t slk_pairs_hf_row(int64_t r, int head_dim);
int64_t slk_pairs_gguf_row(int64_t r, int head_dim);

/* What Llama 3's scaling divides the n_rotary frequencies of rotary base `base` by (rope_freqs.weight in GGUF). */
typedef struct slk_rope3 {
    double factor, low, high; /* factor 0: no such scaling */
    int n_original;           /* the context that the model was first trained with */
} slk_rope3;
void slk_rope3_divisors(float *divisors, int n_rotary, const slk_rope3 *scaling, double base);
/* The scaling that makes these divisors: low = 1, high = 4 and an original context that is a power of two, as every
 * published model has. false: none does. */
bool slk_rope3_guess(slk_rope3 *scaling, const float *divisors, int n_rotary, double base);

#endif
