/* The operations that training adds: products in any orientation, the gradient of every operation of compute.h, the
 * loss, dropout, and the optimiser's pass over the weights.
 *
 * Bits. Everything here gives the same bits for the same input, whatever the number of threads, but for
 * slk_compute_multiply: the library may cut its sums by threads and by shape, so its bits hold for one number of
 * threads. Nothing here is promised to be row-invariant. Sums over rows (gradients of gains and biases) go over blocks
 * of a fixed number of rows, in order.
 *
 * Types. Gradients of the residual stream, of weights and of vectors are f32; gradients that a product multiplies next
 * have the compute type. A gradient named `d...` is of the loss with respect to what follows the d. "adds to" means +=.
 */
#ifndef SLK_COMPUTE_BACKWARD_H
#define SLK_COMPUTE_BACKWARD_H

#include "compute/compute.h"

/* --- products ------------------------------------------------------------------------------------------------------
 */

/* y [n_rows, n_cols] = op(a) op(b) (+ bias [n_cols]) (+ y). a is [n_rows, n_inner], or [n_inner, n_rows] when
 * a_transposed; b is [n_inner, n_cols], or [n_cols, n_inner] when b_transposed; both compute type, rows contiguous.
 *
 *   forward               y = x W^T    a = x [rows, in]             b = W [out, in], b_transposed
 *   gradient of x        dx = dy W     a = dy [rows, out]           b = W [out, in]
 *   gradient of W        dW = dy^T x   a = dy [rows, out], a_transposed, b = x [rows, in], accumulate */
typedef struct slk_product {
    int64_t n_rows, n_cols, n_inner; /* each >= 1 */
    bool a_transposed, b_transposed;
    bool accumulate;   /* y_dtype f32 only */
    const float *bias; /* [n_cols] or NULL */
} slk_product;
/* y_dtype: f32, or the compute type. Errors: SLK_E_SHAPE, SLK_E_MEMORY. */
slk_status slk_compute_multiply(slk_compute *c, void *y, slk_dtype y_dtype, const void *a, const void *b,
                                const slk_product *p, slk_err *err);

/* out [d] f32 adds to: the sum over rows of x [n_rows, d] (compute type): the gradient of a bias. */
void slk_compute_add_columns(slk_compute *c, float *out, const void *x, int64_t n_rows, int64_t d);

/* --- rows ------------------------------------------------------------------------------------------------------------
 */

/* y [n_rows, d] (compute type) = x [n_rows, d] f32, rounded. y may be x where the compute type is f32. */
void slk_compute_round(slk_compute *c, void *y, const float *x, int64_t n_rows, int64_t d);

/* Gradient of slk_compute_rms_norm at x: dx [n_rows, d] adds to (may not alias dy); dgain [d] adds to, or NULL.
 * dy, x [n_rows, d] f32. Errors: SLK_E_MEMORY. */
slk_status slk_compute_rms_norm_backward(slk_compute *c, float *dx, float *dgain, const float *dy, const float *x,
                                         const float *gain, float eps, int64_t n_rows, int64_t d, slk_err *err);
/* Gradient of slk_compute_layer_norm; dgain and dbias [d] add to, both or neither NULL. */
slk_status slk_compute_layer_norm_backward(slk_compute *c, float *dx, float *dgain, float *dbias, const float *dy,
                                           const float *x, const float *gain, float eps, int64_t n_rows, int64_t d,
                                           slk_err *err);

/* Gradient of slk_compute_gate: dgu [n_rows, 2 d_ff or d_ff], h_out [n_rows, d_ff] or NULL: the operation's own output,
 * computed again; dh [n_rows, d_ff]; gu as in the operation. All compute type. dgu may be gu. */
void slk_compute_gate_backward(slk_compute *c, void *dgu, void *h_out, const void *dh, const void *gu,
                               slk_activation act, bool gated, int64_t n_rows, int64_t d_ff);

/* Gradient of slk_compute_split_qkv: dqkv (compute type) [n_rows, (n_heads + 2 n_kv_heads) * head_dim] of
 * dq [n_rows, n_heads * head_dim], dk, dv [n_rows, n_kv_heads * head_dim] f32 (row r's own slot is r). With head norms
 * (a->q_gain), qkv is the operation's input (compute type: its rounded copy), and dq_gain, dk_gain [head_dim] add to
 * where they are not NULL; otherwise qkv is NULL. Errors: SLK_E_MEMORY. */
slk_status slk_compute_split_qkv_backward(slk_compute *c, void *dqkv, float *dq_gain, float *dk_gain, const float *dq,
                                          const float *dk, const float *dv, const void *qkv, const int32_t *pos,
                                          const slk_attention *a, int64_t n_rows, slk_err *err);

/* --- attention -------------------------------------------------------------------------------------------------------
 */

/* Gradient of slk_compute_attention over a tree whose rows stand depth first, each in the slot of its own number:
 * dq [n_rows, n_heads * head_dim], dk, dv [n_rows, n_kv_heads * head_dim] f32 are set; dy, q (compute type), kv as in
 * the operation. end [n_rows]: row r is seen by the rows [r, end[r]) (as far as the window reaches) and by no others.
 * pos [n_rows]. Keys collect from all their descendants in the order of rows. Errors: SLK_E_MEMORY, SLK_E_SHAPE. */
slk_status slk_compute_attention_backward(slk_compute *c, float *dq, float *dk, float *dv, const void *dy,
                                          const void *q, const slk_kv *kv, const slk_attention *a,
                                          const slk_path *paths, int64_t n_paths, const int32_t *pos,
                                          const int32_t *end, int64_t n_rows, slk_err *err);

/* --- loss ------------------------------------------------------------------------------------------------------------
 */

/* Softmax cross-entropy and its gradient. Row r has the targets targets[first[r]] .. targets[first[r + 1]): more than
 * one where sequences that share the row go on differently, and the same token twice counts twice.
 * logits [n_rows, n_vocab] f32, before the soft cap (softcap 0: none); losses [first[n_rows]] in nats, natural log;
 * dlogits [n_rows, n_vocab] compute type, or NULL: weight * the gradient of the sum of the losses with respect to
 * logits; may be logits where the compute type is f32. Sums in double. A NaN among the logits makes the losses NaN. */
void slk_compute_cross_entropy(slk_compute *c, void *dlogits, double *losses, const float *logits, float softcap,
                               const int32_t *first, const int32_t *targets, float weight, int64_t n_rows,
                               int64_t n_vocab);

/* --- dropout ---------------------------------------------------------------------------------------------------------
 */

/* Which channels stay: bit i % 8 of mask[r][i / 8]. Channel i of a row stays when its 16-bit random number is at least
 * round(p * 65536). The numbers of channels 8 j .. 8 j + 7 are the halves (low first) of the four words of
 * slk_philox(counter = {hash low, hash high, j, site}, key), site < 2^32. mask [n_rows, (d + 7) / 8]; hash [n_rows]. */
void slk_compute_dropout_mask(slk_compute *c, uint8_t *mask, const uint64_t *hash, uint32_t site, const uint32_t key[2],
                              double p, int64_t n_rows, int64_t d);
/* out [n_rows, d] f32 = x + scale * y where mask says so (mask NULL: everywhere), else x. out may be x or y. x NULL:
 * zeros. */
void slk_compute_add_masked(slk_compute *c, float *out, const float *x, const float *y, const uint8_t *mask,
                            float scale, int64_t n_rows, int64_t d);
/* y [n_rows, d] (compute type) = scale * x where mask says so (NULL: everywhere), else 0: the gradient's way back, and
 * dropout of a product's input. x f32. */
void slk_compute_mask(slk_compute *c, void *y, const float *x, const uint8_t *mask, float scale, int64_t n_rows,
                      int64_t d);

/* --- optimiser -------------------------------------------------------------------------------------------------------
 */

/* Sum of x [n]^2, in double, over blocks of a fixed size. */
double slk_compute_sum_squares(slk_compute *c, const float *x, int64_t n);

/* One step of AdamW over n weights. t = 1, 2, ...: the step's number.
 *   g = clip * g;  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;  w -= lr * decay * (w - center)
 *   w -= lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
 * center: 0, and 1 for gains that their file keeps less 1 (Gemma).
 * Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019, algorithm 2. */
typedef struct slk_adamw {
    double lr, beta1, beta2, eps, decay, center;
    double clip;
    int64_t t;
} slk_adamw;
/* w, m, v [n] f32 are updated; rounded [n] bf16 gets the new w, or NULL; g [n] f32. */
void slk_compute_adamw(slk_compute *c, const slk_adamw *step, float *w, uint16_t *rounded, float *m, float *v,
                       const float *g, int64_t n);

#endif
