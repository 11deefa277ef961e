/* What training changes: the weights of a model, or of a LoRA adapter on it, as one list.
 *
 * A model opened for training (slk_model_options.trainable) keeps its matrices plain, so that they can be changed in
 * place. Each parameter is one array that the passes read (fused matrices are one parameter of several tensors):
 *
 *   master    f32, what the optimiser changes; in f32 models the very array that is multiplied
 *   weights   what the passes read: bf16 matrices are rounded copies of their master (slk_params_publish)
 *   grad      f32, the same shape; NULL when frozen
 *
 * All arrays have GGUF's layout (family.h). */
#ifndef SLK_MODEL_PARAMS_H
#define SLK_MODEL_PARAMS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "model/family.h"

struct slk_model;

typedef enum slk_param_group {
    SLK_PARAM_ATTENTION = 1,  /* projections, their biases, and the norms of the attention block */
    SLK_PARAM_FFN = 2,        /* the same of the feed-forward block */
    SLK_PARAM_EMBEDDINGS = 4, /* token embedding, output matrix, learned positions */
    SLK_PARAM_OTHER = 8,      /* the final norm */
} slk_param_group;

/* A tensor of the file inside a parameter: rows [row, row + n_rows), columns [col, col + n_cols). */
typedef struct slk_param_part {
    char name[96]; /* GGUF: "blk.0.attn_q.weight", of adapters "blk.0.attn_q.weight.lora_a" */
    int64_t row, n_rows, col, n_cols;
} slk_param_part;

typedef struct slk_param {
    slk_param_group group;
    bool is_vector;         /* n_rows is 1 */
    int64_t n_rows, n_cols; /* values: n_rows * n_cols, row by row */
    slk_param_part parts[3];
    int n_parts; /* outside the parts (of an adapter's B) values are zero and stay so */
    float *master;
    void *weights;      /* what the passes read */
    bool weights_bf16;  /* else f32 */
    float weight_scale; /* weights = weight_scale * master (an adapter's B has its scale inside) */
    float *grad;        /* with respect to weights; with respect to master it is weight_scale times as much */
    float center;       /* weight decay pulls towards it: 1 for gains that the file keeps less 1 (Gemma), else 0 */
} slk_param;

/* A LoRA adapter to be trained. */
typedef struct slk_lora {
    int rank;
    double alpha; /* the scale is alpha / rank */
    unsigned
        targets;    /* bit SLK_LORA_Q ...; GPT-2's one matrix for q, k and v is trained when any of their bits is set */
    double dropout; /* of the input of A */
    uint64_t seed;  /* of A's initial values (uniform in +-1/sqrt(n_in), as PEFT has it); B begins at zero */
} slk_lora;
enum {
    SLK_LORA_Q = 1,
    SLK_LORA_K = 2,
    SLK_LORA_V = 4,
    SLK_LORA_O = 8,
    SLK_LORA_GATE = 16,
    SLK_LORA_UP = 32,
    SLK_LORA_DOWN = 64
};

typedef struct slk_params {
    slk_param *items; /* [n], in the order of the file: embedding, layers, final norm, output */
    size_t n;
    struct slk_model *model;
    void **owned;
    size_t n_owned, cap_owned;
    size_t n_bytes; /* of masters (where they are not the model's own) and gradients */
} slk_params;

/* The parameters of model (opened trainable, without an adapter); frozen: groups of slk_param_group whose grad is NULL.
 * lora not NULL: the list is that of a new adapter, which is put on the model. Gradients are zero. Errors: SLK_E_ARG
 * (nothing is left to train), SLK_E_MEMORY. Free before the model. */
slk_status slk_params_create(slk_params **out, struct slk_model *model, unsigned frozen, const slk_lora *lora,
                             slk_err *err);
void slk_params_free(slk_params *params);

int64_t slk_params_n_trained(const slk_params *params); /* values with a gradient */
/* weights := round(weight_scale * master), for parameter i or (i < 0) all. */
void slk_params_publish(slk_params *params, int64_t i);
void slk_params_zero_grad(slk_params *params);
/* Euclidean norm of all gradients with respect to the masters. */
double slk_params_grad_norm(slk_params *params);

#endif
