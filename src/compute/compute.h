/* The operations a decoder is made of, behind one table: ref/ (the plainest C, the oracle) and dnnl/ (oneDNN for the
 * matrix products, our own vector kernels for the rest, chosen at run time by instruction set).
 *
 * Rows and bits. A batch is packed rows [n_rows, width]; the bits of a row never depend on the other rows, on how many
 * there are, or on the number of threads. Everything else in slick relies on it (DESIGN.md, Numerics;
 * tests/unit/test_compute.c).
 *
 * Types. "compute type" = bf16 or f32, fixed at create(). Weights and the left operands of matrix products have it (f32
 * accumulation, one rounding at the end); keys and values are stored in it; the residual stream, norms, softmax and
 * logits are f32. */
#ifndef SLK_COMPUTE_COMPUTE_H
#define SLK_COMPUTE_COMPUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/dtype.h"
#include "base/error.h"

typedef enum slk_backend { SLK_BACKEND_REF, SLK_BACKEND_DNNL } slk_backend;

typedef struct slk_compute_options {
    slk_backend backend;
    int dtype;     /* SLK_DTYPE_F32, SLK_DTYPE_BF16, or -1: bf16 where the processor multiplies it, else f32 */
    int n_threads; /* 0: physical cores */
} slk_compute_options;

typedef struct slk_compute slk_compute;

/* Errors: SLK_E_UNSUPPORTED (bf16 asked of the dnnl backend on a processor without it), SLK_E_MEMORY. */
slk_status slk_compute_create(slk_compute **out, const slk_compute_options *options, slk_err *err);
void slk_compute_free(slk_compute *c);
slk_dtype slk_compute_dtype(const slk_compute *c);
int slk_compute_n_threads(const slk_compute *c);
/* Name of everything that can change bits: "ref", "dnnl2.6.3-avx512bf16", "dnnl2.6.3-avx2-tile48" ... Equal names =
 * equal bits. Call after slk_compute_self_test. Borrowed until free. */
const char *slk_compute_kernel_set(const slk_compute *c);

/* --- matrix products -----------------------------------------------------------------------------------------------
 */

/* A weight matrix W [n_out, n_in] for y = x W^T (+ bias). */
typedef struct slk_packed slk_packed;
typedef struct slk_weight {
    const void *data; /* row-major [n_out, n_in], compute type; borrowed */
    int64_t n_out, n_in;
    const float *bias;        /* [n_out] or NULL */
    const slk_packed *packed; /* the same matrix in the library's own layout, or NULL; borrowed */
} slk_weight;

/* A copy of w->data [n_out, n_in] in the layout that the library multiplies fastest: n_out * n_in values and a little
 * padding. The products' bits are the same. On Zen 4 it is worth 5-8% from 500 rows up, a factor of 2 at 16 rows and 5
 * at one; with it w->data is no longer read. Every view of rows of a larger matrix is packed by itself. *out = NULL
 * with SLK_OK: this backend or instruction set has no other layout. Free with slk_packed_free (NULL is fine), before c.
 * Call after slk_compute_self_test. Errors: SLK_E_MEMORY. */
slk_status slk_compute_pack(slk_compute *c, slk_packed **out, const slk_weight *w, slk_err *err);
void slk_packed_free(slk_packed *p);
size_t slk_packed_bytes(const slk_packed *p);

/* y (f32 or bf16 [n_rows, ldy >= n_out], type y_dtype) = x [n_rows, ldx >= n_in] (compute type) W^T + bias, or, with
 * accumulate (y_dtype f32 only), y += that. n_rows >= 1. Row-invariant: a row's bits are those it has alone (self_test
 * decides how that is reached). Errors: SLK_E_MEMORY, SLK_E_SHAPE. Source: DESIGN.md, Numerics. */
slk_status slk_compute_matmul(slk_compute *c, void *y, slk_dtype y_dtype, int64_t ldy, const void *x, int64_t ldx,
                              const slk_weight *w, int64_t n_rows, bool accumulate, slk_err *err);

/* Find out, for each of the shapes (n_out, n_in) that will be used, whether the library's kernel gives a row the same
 * bits whatever the number of rows; where it does not, products of that backend go in zero-padded tiles of a height
 * that holds. Deterministic for one processor and library. Errors: SLK_E_UNSUPPORTED (no height holds), SLK_E_MEMORY.
 */
typedef struct slk_shape {
    int64_t n_out, n_in;
} slk_shape;
slk_status slk_compute_self_test(slk_compute *c, const slk_shape *shapes, size_t n_shapes, slk_err *err);

/* --- rows ------------------------------------------------------------------------------------------------------------
 */

/* y [n_rows, d] (compute type) = x [n_rows, d] f32 * rsqrt(mean(x^2) + eps) * gain [d]. */
void slk_compute_rms_norm(slk_compute *c, void *y, const float *x, const float *gain, float eps, int64_t n_rows,
                          int64_t d);
/* y f32 (may alias x) = the same; for norms whose result is added to the residual (Gemma) and for tests. */
void slk_compute_rms_norm_f32(slk_compute *c, float *y, const float *x, const float *gain, float eps, int64_t n_rows,
                              int64_t d);
/* y (compute type) = (x - mean) / sqrt(var + eps) * gain + bias. */
void slk_compute_layer_norm(slk_compute *c, void *y, const float *x, const float *gain, const float *bias, float eps,
                            int64_t n_rows, int64_t d);
/* x [n, d] f32 += y [n, d] f32. */
void slk_compute_add(slk_compute *c, float *x, const float *y, int64_t n_rows, int64_t d);

typedef enum slk_activation { SLK_ACT_SILU, SLK_ACT_GELU_TANH } slk_activation;
/* y [n_rows, d_ff] (compute type) = act(g) * u, where gu [n_rows, 2 * d_ff] (type gu_dtype) holds g then u; not gated:
 * act(gu), gu [n_rows, d_ff]. */
void slk_compute_gate(slk_compute *c, void *y, const void *gu, slk_dtype gu_dtype, slk_activation act, bool gated,
                      int64_t n_rows, int64_t d_ff);

/* --- attention -------------------------------------------------------------------------------------------------------
 */

/* Shape of one layer's attention. */
typedef struct slk_attention {
    int n_heads, n_kv_heads, head_dim; /* n_heads a multiple of n_kv_heads; head_dim even */
    float scale;                       /* of q . k */
    float softcap;                     /* scores become softcap * tanh(score / softcap); 0: none */
    int window;                        /* a token sees itself and the window - 1 before it; 0: all */
    const float *q_gain, *k_gain;      /* [head_dim] RMS norm of each head before the rotation, or NULL */
    float qk_eps;
    bool rope_pairs;                  /* true: rotates (2i, 2i+1) (GGUF llama); false: (i, i + head_dim/2) */
    const float *rope_cos, *rope_sin; /* [n_positions, head_dim/2], or NULL: no rotation */
} slk_attention;

/* Keys and values of one layer: k, v [n_slots, n_kv_heads * head_dim], compute type. A slot is one token of one
 * segment. */
typedef struct slk_kv {
    void *k, *v;
} slk_kv;

/* From the projections qkv [n_rows, (n_heads + 2 n_kv_heads) * head_dim] f32 of each row (at position pos[r], stored in
 * slot slot[r]): normalise heads, rotate; q (compute type) [n_rows, n_heads * head_dim], keys and values into kv. */
void slk_compute_split_qkv(slk_compute *c, void *q, const slk_kv *kv, const float *qkv, const int32_t *pos,
                           const int32_t *slot, const slk_attention *a, int64_t n_rows);

/* A run of consecutive slots. */
typedef struct slk_run {
    int32_t slot, n;
} slk_run;

/* One segment of the batch: rows [row0, row0 + n_rows) at positions [pos0, pos0 + n_rows). runs: the slots of the whole
 * path from position 0 to pos0 + n_rows - 1, in order (their n sums to pos0 + n_rows). n_shared: how many leading
 * positions this path has in common, slot by slot, with the previous segment in the list (a hint for reusing work; 0 is
 * always right). */
typedef struct slk_path {
    int32_t row0, n_rows, pos0;
    const slk_run *runs;
    int32_t n_runs;
    int32_t n_shared;
} slk_path;

/* y [n_rows, n_heads * head_dim] (compute type) = softmax(q k^T) v over each row's path, positions <= its own (and
 * inside the window). Sums go over blocks of 32 absolute positions (0, 32, 64, ...): the bits depend on positions
 * alone, never on where segments are cut. Errors: SLK_E_MEMORY. */
#define SLK_ATTENTION_BLOCK 32
slk_status slk_compute_attention(slk_compute *c, void *y, const void *q, const slk_kv *kv, const slk_attention *a,
                                 const slk_path *paths, int64_t n_paths, slk_err *err);

/* --- logits ----------------------------------------------------------------------------------------------------------
 */

/* What is kept of a row of logits. Filled chunk by chunk (columns in ascending order, the same chunks always); begins
 * with n = 0, sum = 0. A logit that is NaN counts as minus infinity. */
typedef struct slk_top {
    int k;           /* capacity and wish, 1 .. SLK_TOP_MAX */
    int n;           /* filled: min(k, columns seen) */
    int32_t *ids;    /* [k] by (logit descending, id ascending) */
    float *logits;   /* [k] */
    double max, sum; /* running log-sum-exp over all columns: max + log(sum); sum is 0 unless want_lse */
    bool want_lse;
    int32_t target; /* a token whose logit is wanted as well, or -1 */
    float target_logit;
} slk_top;
#define SLK_TOP_MAX 1024

/* Take in the columns [column0, column0 + n_columns) of n_rows rows of logits [n_rows, ld] f32; tops [n_rows]. Softcap
 * > 0 is applied first: softcap * tanh(x / softcap). */
void slk_compute_top(slk_compute *c, slk_top *tops, const float *logits, int64_t ld, int64_t n_rows, int32_t column0,
                     int32_t n_columns, float softcap);

#endif
