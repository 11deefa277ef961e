/* What src/compute/ shares among its own files; nobody else includes this.
 *
 * A backend is a table of single-threaded kernels (slk_kernels), each of which treats one row, one run of attention
 * lanes or one row of logits. compute.c and attend.c cut the work of a call into such pieces and spread them over
 * threads: a piece's result depends on its own inputs only, so the schedule never shows in the bits. Matrix products
 * are the exception: ref has a row kernel for them, dnnl goes to the library (dnnl/matmul.c).
 *
 * A slk_compute serves one caller at a time (it owns scratch memory). */
#ifndef SLK_COMPUTE_INTERNAL_H
#define SLK_COMPUTE_INTERNAL_H

#include "compute/backward.h"
#include "compute/compute.h"

/* The widest vector of any kernel set, in floats. */
#define SLK_LANES_MAX 16
/* Largest head_dim that the attention tiles hold. */
#define SLK_HEAD_DIM_MAX 256

/* Up to n_lanes query vectors of one key/value head, computed side by side. Lane i of a path is its row i / n_rep,
 * query head kv_head * n_rep + i % n_rep. The lanes are consecutive: they begin at lane lane0 of path `path` and go on,
 * where that one ends, at lane 0 of the paths after it. */
typedef struct slk_lanes {
    int32_t path, lane0, n_lanes;
} slk_lanes;

/* One work item of attention: n lane groups of one key/value head, whose paths are siblings. */
typedef struct slk_attend {
    const slk_attention *a;
    const void *q; /* [n_rows, n_heads * head_dim] compute type */
    void *y;       /* the same */
    slk_kv kv;
    slk_dtype dtype;
    const slk_path *paths;
    const slk_lanes *lanes;
    int n; /* <= SLK_ATTEND_GROUP */
    int kv_head;
} slk_attend;
#define SLK_ATTEND_GROUP 4

/* Rows whose share of a sum over rows (the gradient of a gain, of a bias) is added up first, in order; the shares of
 * these blocks are added next, in order. */
#define SLK_ROW_BLOCK 32

/* Rows of one path that one call of attend_queries() or attend_keys() treats. */
#define SLK_ATTEND_ROWS 32

/* Attention's gradient, the part of one key/value head. Between its two passes stand the probabilities p and the
 * gradients of the scores ds (the factor `scale` included): those of query head kv_head * n_rep + i at row r and the
 * position first(r) + j are p[i * n_pairs + at[r] + j], where first(r) is the first position that r sees. */
typedef struct slk_attend_grad {
    const slk_attention *a;
    const void *dy, *q; /* [n_rows, n_heads * head_dim] compute type */
    slk_kv kv;
    slk_dtype dtype;
    float *dq, *dk, *dv;
    const int32_t *pos, *end; /* [n_rows] */
    const int64_t *at;        /* [n_rows] */
    int64_t n_pairs;
    float *p, *ds; /* [n_rep, n_pairs], and readable for SLK_LANES_MAX more */
    int kv_head;
} slk_attend_grad;

/* The first position that a row at position pos sees. */
static inline int32_t slk_attend_first(const slk_attention *a, int32_t pos)
{
    return a->window > 0 && pos >= a->window ? pos - a->window + 1 : 0;
}

/* The kernels of backward.h. */
typedef struct slk_backward_kernels {
    /* Blocks of rows, n_rows <= SLK_ROW_BLOCK. The gradients of gains and biases are the block's own: set, not added
     * to; or NULL. */
    void (*rms_norm_backward)(float *dx, float *dgain, const float *dy, const float *x, const float *gain, float eps,
                              int64_t n_rows, int64_t d);
    void (*layer_norm_backward)(float *dx, float *dgain, float *dbias, const float *dy, const float *x,
                                const float *gain, float eps, int64_t n_rows, int64_t d);
    void (*split_qkv_backward)(void *dqkv, slk_dtype dtype, float *dq_gain, float *dk_gain, const float *dq,
                               const float *dk, const float *dv, const void *qkv, const int32_t *pos,
                               const slk_attention *a, int64_t n_rows);
    /* n columns of x, whose rows are ld apart; out adds to. */
    void (*add_columns)(float *out, const void *x, slk_dtype dtype, int64_t n_rows, int64_t ld, int64_t n);
    /* One row. */
    void (*gate_backward)(void *dgu, void *h_out, slk_dtype dtype, const void *dh, const void *gu, slk_activation act,
                          bool gated, int64_t d_ff);
    void (*cross_entropy)(void *dlogits, slk_dtype dtype, double *losses, const float *logits, float softcap,
                          const int32_t *targets, int32_t n_targets, float weight, int64_t n);
    /* threshold: that of backward.h, 0 .. 65536 */
    void (*dropout_mask)(uint8_t *mask, uint64_t hash, uint32_t site, const uint32_t key[2], uint32_t threshold,
                         int64_t d);
    void (*add_masked)(float *out, const float *x, const float *y, const uint8_t *mask, float scale, int64_t d);
    void (*mask)(void *y, slk_dtype y_dtype, const float *x, const uint8_t *mask, float scale, int64_t d);
    /* Runs of values. */
    double (*sum_squares)(const float *x, int64_t n);
    void (*adamw)(const slk_adamw *step, float *w, uint16_t *rounded, float *m, float *v, const float *g, int64_t n);
    /* Pass one: dq, p and ds of the rows [row0, row0 + n_rows) of a path; n_rows <= SLK_ATTEND_ROWS. */
    size_t (*attend_queries_bytes)(int head_dim, int32_t n_positions); /* scratch, for so many visible positions */
    void (*attend_queries)(const slk_attend_grad *job, const slk_path *path, int32_t row0, int32_t n_rows,
                           void *scratch);
    /* Pass two: dk and dv of the rows [row0, row0 + n_rows), which follow one another on a path. */
    void (*attend_keys)(const slk_attend_grad *job, int32_t row0, int32_t n_rows);
    /* Row `row` of y; NULL: the library multiplies. */
    void (*multiply)(void *y, slk_dtype y_dtype, const void *a, const void *b, slk_dtype dtype, const slk_product *p,
                     int64_t row);
} slk_backward_kernels;

typedef struct slk_kernels {
    const char *name;
    int n_lanes; /* query vectors side by side in attend */
    void (*rms_norm)(void *y, slk_dtype y_dtype, const float *x, const float *gain, float eps, int64_t d);
    void (*layer_norm)(void *y, slk_dtype y_dtype, const float *x, const float *gain, const float *bias, float eps,
                       int64_t d);
    void (*add)(float *x, const float *y, int64_t n);
    void (*gate)(void *y, slk_dtype y_dtype, const void *gu, slk_dtype gu_dtype, slk_activation act, bool gated,
                 int64_t d_ff);
    void (*split_qkv)(void *q, void *k, void *v, slk_dtype dtype, const float *qkv, int32_t pos,
                      const slk_attention *a);
    size_t (*attend_bytes)(int head_dim); /* scratch of one attend() */
    void (*attend)(const slk_attend *job, void *scratch);
    void (*top)(slk_top *top, const float *logits, int32_t column0, int32_t n_columns, float softcap);
    /* One row of y; NULL: the library multiplies. */
    void (*matmul)(void *y, slk_dtype y_dtype, const void *x, slk_dtype dtype, const slk_weight *w, bool accumulate);
    const slk_backward_kernels *backward;
} slk_kernels;

/* The tables, and the compute types that slk_compute_create pairs them with. ref: both. */
extern const slk_kernels slk_kernels_ref;
extern const slk_backward_kernels slk_backward_ref;
extern const slk_kernels slk_kernels_avx2;       /* f32 */
extern const slk_kernels slk_kernels_avx512;     /* f32 */
extern const slk_kernels slk_kernels_avx512bf16; /* bf16 */

/* Memory that grows and is kept from call to call. */
typedef struct slk_scratch {
    void *data; /* 64-byte aligned */
    size_t n_bytes;
} slk_scratch;

/* At least n_bytes, content undefined; NULL: out of memory. */
void *slk_scratch_get(slk_scratch *s, size_t n_bytes);

typedef struct slk_dnnl slk_dnnl;

struct slk_compute {
    const slk_kernels *kernels;
    slk_dnnl *dnnl; /* NULL: ref */
    slk_dtype dtype;
    int n_threads;
    char kernel_set[64];
    slk_scratch attend, lanes, groups;
    slk_scratch sums;            /* of blocks of rows */
    slk_scratch pairs, pairs_at; /* attention's gradient: p and ds; where each row's begin */
    slk_scratch row_blocks;
};

/* --- dnnl/: the only folder that knows oneDNN
 * ------------------------------------------------------------------------- */

/* Instruction sets that both the processor and the library (ONEDNN_MAX_CPU_ISA) allow. */
typedef enum slk_isa { SLK_ISA_NONE, SLK_ISA_AVX2, SLK_ISA_AVX512, SLK_ISA_AVX512BF16, SLK_ISA_AMX } slk_isa;
slk_isa slk_dnnl_isa(void);
/* "2.6.3" */
void slk_dnnl_version(int *major, int *minor, int *patch);

/* Errors: SLK_E_MEMORY. */
slk_status slk_dnnl_create(slk_dnnl **out, slk_dtype dtype, int n_threads, slk_err *err);
void slk_dnnl_free(slk_dnnl *d);
slk_status slk_dnnl_matmul(slk_dnnl *d, void *y, slk_dtype y_dtype, int64_t ldy, const void *x, int64_t ldx,
                           const slk_weight *w, int64_t n_rows, bool accumulate, slk_err *err);
/* See slk_compute_multiply. */
slk_status slk_dnnl_multiply(slk_dnnl *d, void *y, slk_dtype y_dtype, const void *a, const void *b,
                             const slk_product *p, slk_err *err);
/* See slk_compute_pack. */
slk_status slk_dnnl_pack(slk_dnnl *d, slk_packed **out, const slk_weight *w, slk_err *err);
/* See slk_compute_self_test. */
slk_status slk_dnnl_self_test(slk_dnnl *d, const slk_shape *shapes, size_t n_shapes, slk_err *err);
/* Rows of a tile; 0: the library's own blocking is row-invariant. */
int slk_dnnl_tile(const slk_dnnl *d);

#endif
