/* What the forward and the backward half of backprop.h share: the memory of a batch. For backprop*.c only. */
#ifndef SLK_MODEL_BACKPROP_IMPL_H
#define SLK_MODEL_BACKPROP_IMPL_H

#include "compute/backward.h"
#include "model/backprop.h"
#include "model/model.h"
#include "model/rotary.h"

/* Rows are filled up to a multiple of these with rows that nothing depends on, so that the products of different
 * batches have few shapes: the library needs 0.4 ms for each new one. Of a small batch a smaller step, half or a
 * quarter, which is no more than an eighth of it: its filling would take longer than that. */
#define SLK_ROW_STEP    64
#define SLK_TARGET_STEP 32

/* What the way back needs of one layer. All [n_rows, ...], compute type where not said otherwise. */
typedef struct slk_layer_acts {
    float *mid;         /* [d_model] f32 residual between the blocks */
    void *qkv;          /* projections before the head norms, rounded; NULL: no head norms */
    void *q, *k, *v;    /* rotated */
    void *y;            /* [d_q] attention's output */
    void *gu;           /* [2 d_ff or d_ff] */
    float *attn_raw;    /* [d_model] f32 block outputs before their norms; NULL: no such norms */
    float *ffn_raw;     /* [d_model] f32 */
    uint8_t *attn_mask; /* [(d_model + 7) / 8] dropout; NULL: none */
    uint8_t *ffn_mask;
    void *low[SLK_N_ADAPTED];         /* [rank] A x of the adapter; NULL: none */
    uint8_t *low_mask[SLK_N_ADAPTED]; /* [(n_in + 7) / 8] dropout of A's input; NULL: none */
} slk_layer_acts;

/* Sizes that decide the memory of a batch. */
typedef struct slk_scratch_plan {
    const slk_config *config;
    size_t value_bytes; /* of the compute type */
    slk_backprop_options options;
    int64_t rank[SLK_N_ADAPTED]; /* of the adapter's pairs; 0: none */
    int64_t n_rows;              /* filled up */
    int64_t n_target_rows;       /* filled up */
} slk_scratch_plan;

typedef struct slk_scratch_map {
    float **x;            /* [n_layers + 1] -> [n_rows, d_model] residual entering each layer, and leaving the last */
    slk_layer_acts *acts; /* [n_layers], all the same with recompute */
    /* scratch of one operation after the other */
    void *normed;         /* [n_rows, d_model] */
    void *h, *dh;         /* [n_rows, max(d_ff, d_q)] */
    void *dwide;          /* [n_rows, max(2 d_ff or d_ff, qkv)] */
    float *wide;          /* the same, f32: projections; with an adapter also gate and up, and gradients of inputs */
    float *block;         /* [n_rows, d_model] f32 */
    float *draw;          /* the same; NULL: no norms behind blocks */
    void *dblock;         /* [n_rows, d_model] */
    float *dx;            /* [n_rows, d_model] f32 gradient of the residual */
    float *dq, *dk, *dv;  /* f32 */
    void *dropped, *dlow; /* adapter: [n_rows, max n_in], [n_rows, max rank] */
    /* of the rows with targets */
    float *gathered, *dgathered; /* [n_target_rows, d_model] */
    float *mid;                  /* the same: the last layer's residual between its blocks, where that is narrow */
    void *out_normed;            /* [n_target_rows, d_model] */
    float *logits;               /* [logits_tile, n_vocab] */
    void *dlogits;               /* the same; f32: logits itself */
    int64_t logits_tile;         /* rows at a time */
} slk_scratch_map;

/* Lay the arrays out one after the other from base on; returns how many bytes they take. base NULL: only that; x and
 * acts [n_layers] of the map are the caller's. */
size_t slk_scratch_lay_out(slk_scratch_map *map, const slk_scratch_plan *plan, char *base);

/* A batch filled up to whole steps. */
typedef struct slk_padded_rows {
    int64_t n_rows, n_targets, n_target_rows; /* with filling */
    int64_t n_own_rows, n_own_target_rows;
    int32_t *tokens, *pos, *slot, *end; /* [n_rows] */
    uint64_t *hash;
    slk_path *paths;
    slk_run *runs; /* of the filling rows */
    int64_t n_paths;
    int32_t *target_rows;  /* [n_target_rows] which row; -1: filling */
    uint64_t *target_hash; /* [n_target_rows] of that row */
    int32_t *first;        /* [n_target_rows + 1] into targets */
    int32_t *targets;      /* [n_targets] tokens */
    size_t cap[11];        /* of the arrays, in the order above */
} slk_padded_rows;

/* Gradients of the parameters of one matrix: NULL where it is not trained. */
typedef struct slk_matrix_grads {
    float *w, *bias;
    const slk_low_rank *low; /* its adapter, or NULL */
    float *a, *b;
    const slk_param *param_b; /* for its parts */
} slk_matrix_grads;

typedef struct slk_layer_grads {
    float *attn_gain, *attn_bias, *q_gain, *k_gain, *post_attn_gain, *ffn_gain, *ffn_bias, *post_ffn_gain;
    slk_matrix_grads matrix[SLK_N_ADAPTED];
} slk_layer_grads;

/* The rows that an operation is about. */
typedef struct slk_rows_now {
    int64_t n;
    const uint64_t *hash; /* [n] */
    float *dx;            /* [n, d_model] gradient of their residual */
} slk_rows_now;

struct slk_backprop {
    slk_model *model;
    slk_params *params;
    slk_backprop_options options;
    slk_backprop_stats stats;
    double flop_row, flop_logit_row; /* of one row through the layers, of one row of logits */
    double flop_ffn;                 /* of one row through a feed-forward block */
    uint64_t n_spared;               /* rows that did not go through the last one */
    slk_rotary rotary;
    slk_scratch_map map;
    char *memory;
    size_t memory_bytes;
    slk_padded_rows rows;
    bool narrow; /* only rows with a target go through the last feed-forward block */
    slk_rows_now now;
    bool training;          /* dropout is on */
    uint32_t key[2];        /* of this step's masks */
    slk_layer_grads *grads; /* [n_layers] */
    float *d_embedding, *d_positions, *d_output, *d_out_gain, *d_out_bias;
};

/* Fill up a batch. Errors: SLK_E_MEMORY. */
slk_status slk_padded_rows_set(slk_padded_rows *p, const slk_train_rows *rows, slk_err *err);
void slk_padded_rows_release(slk_padded_rows *p);

/* The rows with targets of x [n_rows, d_model], zeros for filling: y [n_target_rows, d_model]. */
void slk_backprop_gather(const slk_backprop *b, float *y, const float *x);
/* dx: dgathered's rows in their places, zero in all others. */
void slk_backprop_spread(slk_backprop *b);
/* One layer over all rows: map.x[layer] -> map.acts[layer] and, with_output, map.x[layer + 1]; of the last one, where
 * it is narrow, map.gathered. */
slk_status slk_layer_forward(slk_backprop *b, int layer, bool with_output, slk_err *err);
/* map.dx (of the last layer, where it is narrow, map.dgathered): the gradient of the layer's output; map.dx becomes
 * that of its input. Adds to the gradients of its parameters. */
slk_status slk_layer_backward(slk_backprop *b, int layer, slk_err *err);
/* The family's norm of n_rows rows, in the compute type; and its gradient: dx, dgain, dbias add to. */
void slk_backprop_norm(const slk_backprop *b, void *y, const float *x, const float *gain, const float *bias,
                       int64_t n_rows);
slk_status slk_backprop_norm_backward(const slk_backprop *b, float *dx, float *dgain, float *dbias, const float *dy,
                                      const float *x, const float *gain, int64_t n_rows, slk_err *err);
/* Milliseconds since *since, which moves to now. */
double slk_backprop_lap(double *since);

#endif
