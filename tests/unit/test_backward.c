/* Every operation of compute/backward.h, from one table of cases:
 *   agreement     the vector kernels against the oracle ref/; ref in bf16 against ref in f32;
 *   threads       the same bits on 1, 2 and 8 threads.
 * That ref's gradients are the derivatives of ref's operations is test_gradient.c's business.
 * ctest runs this program a second time with DNNL_MAX_CPU_ISA=AVX2. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "backward_tree.h"
#include "base/rng.h"
#include "compute/backward.h"
#include "compute_inputs.h"

#define N_OUTPUTS 8

/* What a case computed: several arrays, in order. */
typedef struct outputs {
    float *x[N_OUTPUTS];
    size_t n[N_OUTPUTS];
    int n_arrays;
} outputs;

typedef struct op_case op_case;
struct op_case {
    const char *name;
    void (*run)(slk_compute *c, const op_case *t, outputs *o);
    float tolerance; /* f32: of |difference| / (|expected| + root mean square of the array) */
    int64_t n_rows, d;
    slk_product p;                               /* multiply */
    bool bias, norms, in_place, gated, any_bits; /* any_bits: not the same for every number of threads */
    slk_activation act;
    slk_attention a;
    const tree_segment *tree;
    float softcap;
    double dropout;
};

/* --- inputs and outputs
 * ----------------------------------------------------------------------------------------------- */

/* While set, values that stand for inputs of type f32 are rounded to bf16, too, so that both compute types start from
 * the same. */
static bool coarse;

static void *input(slk_dtype t, uint32_t stream, size_t n, float scale)
{
    void *x = make(t, stream, 0, n, scale);
    for (size_t i = 0; coarse && t == SLK_DTYPE_F32 && i < n; i++)
        ((float *)x)[i] = slk_bf16_to_f32(slk_f32_to_bf16(((float *)x)[i]));
    return x;
}

static float *input_f32(uint32_t stream, size_t n, float scale)
{
    return input(SLK_DTYPE_F32, stream, n, scale);
}

static void emit(outputs *o, const void *x, slk_dtype t, size_t n)
{
    assert_true(o->n_arrays < N_OUTPUTS);
    float *to = malloc(n * sizeof *to);
    assert_non_null(to);
    to_f32(to, x, t, n);
    o->x[o->n_arrays] = to;
    o->n[o->n_arrays++] = n;
}

static void outputs_release(outputs *o)
{
    for (int i = 0; i < o->n_arrays; i++) free(o->x[i]);
}

/* --- how each operation is run
 * ---------------------------------------------------------------------------------------- */

static void run_multiply(slk_compute *c, const op_case *t, outputs *o)
{
    slk_err err;
    slk_dtype type = slk_compute_dtype(c), y_type = t->in_place ? type : SLK_DTYPE_F32;
    slk_product p = t->p;
    size_t n = (size_t)(p.n_rows * p.n_cols);
    void *a = input(type, 1, (size_t)(p.n_rows * p.n_inner), 1 / sqrtf((float)p.n_inner));
    void *b = input(type, 2, (size_t)(p.n_inner * p.n_cols), 1), *y = input(y_type, 3, n, 1);
    float *bias = input_f32(4, (size_t)p.n_cols, 1);
    if (t->bias) p.bias = bias;
    assert_int_equal(slk_compute_multiply(c, y, y_type, a, b, &p, &err), 0);
    emit(o, y, y_type, n);
    free(a);
    free(b);
    free(y);
    free(bias);
}

static void run_add_columns(slk_compute *c, const op_case *t, outputs *o)
{
    void *x = input(slk_compute_dtype(c), 1, (size_t)(t->n_rows * t->d), 1);
    float *out = input_f32(2, (size_t)t->d, 1);
    slk_compute_add_columns(c, out, x, t->n_rows, t->d);
    emit(o, out, SLK_DTYPE_F32, (size_t)t->d);
    free(x);
    free(out);
}

static void run_round(slk_compute *c, const op_case *t, outputs *o)
{
    slk_dtype type = slk_compute_dtype(c);
    size_t n = (size_t)(t->n_rows * t->d);
    float *x = input_f32(1, n, 1);
    void *y = input(SLK_DTYPE_F32, 2, n, 1);
    slk_compute_round(c, t->in_place && type == SLK_DTYPE_F32 ? x : y, x, t->n_rows, t->d);
    emit(o, t->in_place && type == SLK_DTYPE_F32 ? x : y, type, n);
    free(x);
    free(y);
}

static void run_norm(slk_compute *c, const op_case *t, outputs *o)
{
    slk_err err;
    size_t d = (size_t)t->d, n = (size_t)t->n_rows * d;
    float *dx = input_f32(1, n, 1), *dy = input_f32(2, n, 1), *x = input_f32(3, n, 3), *gain = input_f32(4, d, 1);
    float *dgain = input_f32(5, d, 1), *dbias = input_f32(6, d, 1);
    for (size_t i = 0; i < n; i++) x[i] += (float)(i / d % 3) - 1; /* means other than zero */
    if (t->bias)
        assert_int_equal(
            slk_compute_layer_norm_backward(c, dx, dgain, dbias, dy, x, gain, 1e-5f, t->n_rows, t->d, &err), 0);
    else
        assert_int_equal(slk_compute_rms_norm_backward(c, dx, dgain, dy, x, gain, 1e-5f, t->n_rows, t->d, &err), 0);
    emit(o, dx, SLK_DTYPE_F32, n);
    emit(o, dgain, SLK_DTYPE_F32, d);
    emit(o, dbias, SLK_DTYPE_F32, d);
    /* The same dx without the gradient of the gain. */
    float *again = input_f32(1, n, 1);
    if (t->bias)
        assert_int_equal(
            slk_compute_layer_norm_backward(c, again, NULL, NULL, dy, x, gain, 1e-5f, t->n_rows, t->d, &err), 0);
    else
        assert_int_equal(slk_compute_rms_norm_backward(c, again, NULL, dy, x, gain, 1e-5f, t->n_rows, t->d, &err), 0);
    assert_memory_equal(again, dx, n * sizeof *dx);
    free(again);
    free(dx);
    free(dy);
    free(x);
    free(gain);
    free(dgain);
    free(dbias);
}

static void run_gate(slk_compute *c, const op_case *t, outputs *o)
{
    slk_dtype type = slk_compute_dtype(c);
    size_t n = (size_t)(t->n_rows * t->d), n_gu = t->gated ? 2 * n : n;
    void *gu = input(type, 1, n_gu, 3), *dh = input(type, 2, n, 1), *dgu = input(type, 3, n_gu, 1),
         *h = input(type, 4, n, 1), *h_expected = input(type, 5, n, 1);
    slk_compute_gate(c, h_expected, gu, type, t->act, t->gated, t->n_rows, t->d);
    slk_compute_gate_backward(c, t->in_place ? gu : dgu, t->in_place ? NULL : h, dh, gu, t->act, t->gated, t->n_rows,
                              t->d);
    emit(o, t->in_place ? gu : dgu, type, n_gu);
    if (!t->in_place) {
        emit(o, h, type, n);
        assert_memory_equal(h, h_expected, n * bytes_of(type)); /* "the operation's own output" */
    }
    free(gu);
    free(dh);
    free(dgu);
    free(h);
    free(h_expected);
}

static void run_split(slk_compute *c, const op_case *t, outputs *o)
{
    slk_err err;
    slk_dtype type = slk_compute_dtype(c);
    slk_attention a = t->a;
    size_t rows = (size_t)t->n_rows, hd = (size_t)a.head_dim, d_q = (size_t)a.n_heads * hd,
           d_kv = (size_t)a.n_kv_heads * hd, n = rows * (d_q + 2 * d_kv);
    float *dq = input_f32(1, rows * d_q, 1), *dk = input_f32(2, rows * d_kv, 1), *dv = input_f32(3, rows * d_kv, 1);
    float *cos = make_rope(50, a.head_dim / 2, false), *sin = make_rope(50, a.head_dim / 2, true);
    float *q_gain = input_f32(4, hd, 1.2f), *k_gain = input_f32(5, hd, 1.2f);
    float *dq_gain = input_f32(6, hd, 1), *dk_gain = input_f32(7, hd, 1);
    void *qkv = input(type, 8, n, 1.5f), *dqkv = input(type, 9, n, 1);
    int32_t *pos = malloc(rows * sizeof *pos);
    assert_non_null(pos);
    for (size_t r = 0; r < rows; r++) pos[r] = (int32_t)(r * 7 % 50);
    if (t->softcap >= 0) { /* below 0: no rotation */
        a.rope_cos = cos;
        a.rope_sin = sin;
    }
    if (t->norms) {
        a.q_gain = q_gain;
        a.k_gain = k_gain;
        a.qk_eps = 1e-5f;
    }
    assert_int_equal(slk_compute_split_qkv_backward(c, dqkv, t->norms ? dq_gain : NULL, t->norms ? dk_gain : NULL, dq,
                                                    dk, dv, t->norms ? qkv : NULL, pos, &a, t->n_rows, &err),
                     0);
    emit(o, dqkv, type, n);
    emit(o, dq_gain, SLK_DTYPE_F32, hd);
    emit(o, dk_gain, SLK_DTYPE_F32, hd);
    free(dq);
    free(dk);
    free(dv);
    free(cos);
    free(sin);
    free(q_gain);
    free(k_gain);
    free(dq_gain);
    free(dk_gain);
    free(qkv);
    free(dqkv);
    free(pos);
}

static void run_attention(slk_compute *c, const op_case *t, outputs *o)
{
    slk_err err;
    slk_dtype type = slk_compute_dtype(c);
    tree_rows *tree = tree_make(t->tree);
    size_t rows = (size_t)tree->n_rows, n_q = rows * (size_t)(t->a.n_heads * t->a.head_dim),
           n_kv = rows * (size_t)(t->a.n_kv_heads * t->a.head_dim);
    void *q = input(type, 1, n_q, 1.5f), *dy = input(type, 2, n_q, 1);
    slk_kv kv = {input(type, 3, n_kv, 1.5f), input(type, 4, n_kv, 1)};
    float *dq = input_f32(5, n_q, 1), *dk = input_f32(6, n_kv, 1), *dv = input_f32(7, n_kv, 1);
    assert_int_equal(slk_compute_attention_backward(c, dq, dk, dv, dy, q, &kv, &t->a, tree->paths, tree->n_paths,
                                                    tree->pos, tree->end, tree->n_rows, &err),
                     0);
    emit(o, dq, SLK_DTYPE_F32, n_q);
    emit(o, dk, SLK_DTYPE_F32, n_kv);
    emit(o, dv, SLK_DTYPE_F32, n_kv);
    free(q);
    free(dy);
    free(kv.k);
    free(kv.v);
    free(dq);
    free(dk);
    free(dv);
    free(tree);
}

/* Rows with one target, several, the same twice, none. */
static void run_loss(slk_compute *c, const op_case *t, outputs *o)
{
    slk_dtype type = slk_compute_dtype(c);
    size_t n = (size_t)(t->n_rows * t->d);
    float *logits = input_f32(1, n, 4);
    void *dlogits = input(SLK_DTYPE_F32, 2, n, 1);
    int32_t first[64] = {0}, targets[256];
    assert_true(t->n_rows < 64);
    for (int64_t r = 0; r < t->n_rows; r++) {
        first[r + 1] = first[r];
        for (int64_t i = 0; i < (r + 1) % 4; i++)
            targets[first[r + 1]++] = (int32_t)(i == 2 ? targets[first[r]] : (r * 31 + i * 57 + t->d - 1) % t->d);
    }
    size_t n_losses = (size_t)first[t->n_rows];
    double losses[256], alone[256];
    float as_float[256];
    slk_compute_cross_entropy(c, NULL, alone, logits, t->softcap, first, targets, 0.25f, t->n_rows, t->d);
    void *to = t->in_place && type == SLK_DTYPE_F32 ? logits : dlogits;
    slk_compute_cross_entropy(c, to, losses, logits, t->softcap, first, targets, 0.25f, t->n_rows, t->d);
    assert_memory_equal(losses, alone, n_losses * sizeof *losses);
    for (size_t i = 0; i < n_losses; i++) as_float[i] = (float)losses[i];
    emit(o, as_float, SLK_DTYPE_F32, n_losses);
    emit(o, to, type, n);
    free(logits);
    free(dlogits);
}

static void run_dropout(slk_compute *c, const op_case *t, outputs *o)
{
    static const uint32_t key[2] = {0x9ABCDEF0u, 17};
    slk_dtype type = slk_compute_dtype(c);
    size_t n = (size_t)(t->n_rows * t->d), step = (size_t)(t->d + 7) / 8, n_mask = (size_t)t->n_rows * step;
    uint64_t *hash = malloc((size_t)t->n_rows * sizeof *hash);
    uint8_t *mask = malloc(n_mask);
    float *bytes = malloc(n_mask * sizeof *bytes);
    float *x = input_f32(1, n, 1), *y = input_f32(2, n, 1), *out = input_f32(3, n, 1);
    void *rounded = input(SLK_DTYPE_F32, 4, n, 1);
    assert_true(hash && mask && bytes);
    for (int64_t r = 0; r < t->n_rows; r++) hash[r] = (uint64_t)r * 0x123456789ABCDEFu;
    slk_compute_dropout_mask(c, mask, hash, 0xFFFFFFF0u, key, t->dropout, t->n_rows, t->d);
    for (size_t i = 0; i < n_mask; i++) bytes[i] = mask[i];
    emit(o, bytes, SLK_DTYPE_F32, n_mask);
    slk_compute_add_masked(c, out, x, y, mask, 1.25f, t->n_rows, t->d);
    emit(o, out, SLK_DTYPE_F32, n);
    slk_compute_add_masked(c, out, NULL, y, mask, 1.25f, t->n_rows, t->d);
    emit(o, out, SLK_DTYPE_F32, n);
    slk_compute_mask(c, rounded, x, mask, 1.25f, t->n_rows, t->d);
    emit(o, rounded, type, n);
    slk_compute_mask(c, rounded, x, NULL, 1.25f, t->n_rows, t->d);
    emit(o, rounded, type, n);
    slk_compute_add_masked(c, y, y, y, mask, 0.5f, t->n_rows, t->d);
    emit(o, y, SLK_DTYPE_F32, n);
    slk_compute_add_masked(c, x, x, y, NULL, 0.5f, t->n_rows, t->d);
    emit(o, x, SLK_DTYPE_F32, n);
    free(hash);
    free(mask);
    free(bytes);
    free(x);
    free(y);
    free(out);
    free(rounded);
}

static void run_squares(slk_compute *c, const op_case *t, outputs *o)
{
    float *x = input_f32(1, (size_t)t->d, 1);
    float sum = (float)slk_compute_sum_squares(c, x, t->d);
    emit(o, &sum, SLK_DTYPE_F32, 1);
    free(x);
}

static void run_adamw(slk_compute *c, const op_case *t, outputs *o)
{
    size_t n = (size_t)t->d;
    float *w = input_f32(1, n, 1), *m = input_f32(2, n, 0.01f), *v = input_f32(3, n, 0.01f), *g = input_f32(4, n, 1);
    uint16_t *rounded = input(SLK_DTYPE_BF16, 5, n, 1);
    slk_adamw step = {.lr = 0.01, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .decay = 0.1, .center = 1, .clip = 0.7};
    for (size_t i = 0; i < n; i++) v[i] *= v[i];
    for (step.t = 1; step.t <= 3; step.t++) {
        for (size_t i = 0; i < n; i += 97) g[i] = step.t == 2 ? 0 : g[i];
        slk_compute_adamw(c, &step, w, step.t == 3 ? rounded : NULL, m, v, g, t->d);
    }
    for (size_t i = 0; i < n; i++) assert_int_equal(rounded[i], slk_f32_to_bf16(w[i]));
    emit(o, w, SLK_DTYPE_F32, n);
    emit(o, m, SLK_DTYPE_F32, n);
    emit(o, v, SLK_DTYPE_F32, n);
    free(w);
    free(m);
    free(v);
    free(g);
    free(rounded);
}

/* --- the table
 * -------------------------------------------------------------------------------------------------------- */

/* A trie as sequences with a common beginning make it; one path longer than a block of queries; single rows. */
static const tree_segment bushy[] = {{-1, 5, 0}, {0, 3, 0},  {1, 2, 0},  {1, 1, 0},   {0, 4, 0},
                                     {4, 1, 0},  {4, 40, 0}, {6, 2, 0},  {6, 70, 0},  {-1, 1, 0},
                                     {-1, 9, 0}, {10, 1, 0}, {10, 1, 0}, {10, 11, 0}, {0, 0, 0}};
/* The same with first children on the paths of their parents: not all rows of a path are seen by the same. */
static const tree_segment joined[] = {{-1, 5, 0}, {0, 3, 1},  {1, 2, 1},  {1, 1, 0},   {0, 4, 0},
                                      {4, 1, 1},  {4, 40, 0}, {6, 2, 1},  {6, 70, 0},  {-1, 1, 0},
                                      {-1, 9, 0}, {10, 1, 1}, {10, 1, 0}, {10, 11, 0}, {0, 0, 0}};
static const tree_segment stick[] = {{-1, 77, 0}, {0, 0, 0}};
/* p and ds of two key/value heads together exceed what attention keeps at once. */
static const tree_segment tall[] = {{-1, 1500, 0}, {0, 0, 0}};

/* clang-format off */
#define ATTENTION(heads, kv_heads, dim) .n_heads = heads, .n_kv_heads = kv_heads, .head_dim = dim, .scale = 0.3f
#define MULTIPLY(name_, rows, cols, inner, ...) {.name = "multiply " name_, .run = run_multiply, .tolerance = 2e-5f, \
                                                .any_bits = true, .p = {rows, cols, inner, __VA_ARGS__}}

static const op_case cases[] = {
    MULTIPLY("forward", 150, 192, 96, .b_transposed = true),
    MULTIPLY("forward add", 37, 64, 300, .b_transposed = true, .accumulate = true),
    MULTIPLY("dx", 150, 96, 192, .b_transposed = false),
    MULTIPLY("dx odd", 33, 75, 101, .accumulate = true),
    MULTIPLY("dw", 192, 96, 150, .a_transposed = true, .accumulate = true),
    MULTIPLY("dw odd", 75, 101, 33, .a_transposed = true),
    MULTIPLY("dw large", 576, 320, 700, .a_transposed = true, .accumulate = true),
    MULTIPLY("both", 48, 80, 65, .a_transposed = true, .b_transposed = true, .accumulate = true),
    MULTIPLY("one row", 1, 80, 65, .b_transposed = true),
    MULTIPLY("one inner", 40, 80, 1, .a_transposed = true, .accumulate = true),
    {.name = "multiply bias", .run = run_multiply, .tolerance = 2e-5f, .any_bits = true, .bias = true, .in_place = true,
     .p = {.n_rows = 50, .n_cols = 70, .n_inner = 40, .b_transposed = true}},
    {.name = "multiply bias add", .run = run_multiply, .tolerance = 2e-5f, .any_bits = true, .bias = true,
     .p = {.n_rows = 50, .n_cols = 70, .n_inner = 40, .accumulate = true}},
    {.name = "multiply own type", .run = run_multiply, .tolerance = 2e-5f, .any_bits = true, .in_place = true,
     .p = {.n_rows = 50, .n_cols = 70, .n_inner = 40}},
    {.name = "add columns", .run = run_add_columns, .n_rows = 150, .d = 203, .tolerance = 3e-6f},
    {.name = "add columns of few rows", .run = run_add_columns, .n_rows = 3, .d = 576, .tolerance = 2e-6f},
    {.name = "round", .run = run_round, .n_rows = 20, .d = 77},
    {.name = "round in place", .run = run_round, .n_rows = 20, .d = 77, .in_place = true},
    {.name = "rms norm", .run = run_norm, .n_rows = 150, .d = 576, .tolerance = 5e-6f},
    {.name = "rms norm odd", .run = run_norm, .n_rows = 70, .d = 77, .tolerance = 5e-6f},
    {.name = "rms norm narrow", .run = run_norm, .n_rows = 5, .d = 3, .tolerance = 5e-6f},
    {.name = "layer norm", .run = run_norm, .bias = true, .n_rows = 150, .d = 128, .tolerance = 5e-6f},
    {.name = "layer norm odd", .run = run_norm, .bias = true, .n_rows = 70, .d = 93, .tolerance = 5e-6f},
    {.name = "gate silu", .run = run_gate, .n_rows = 40, .d = 1100, .gated = true, .tolerance = 3e-6f},
    {.name = "gate silu in place", .run = run_gate, .n_rows = 40, .d = 83, .gated = true, .in_place = true, .tolerance = 3e-6f},
    {.name = "gate gelu", .run = run_gate, .n_rows = 40, .d = 83, .gated = true, .act = SLK_ACT_GELU_TANH, .tolerance = 4e-6f},
    {.name = "gelu", .run = run_gate, .n_rows = 40, .d = 64, .act = SLK_ACT_GELU_TANH, .tolerance = 4e-6f},
    {.name = "silu in place", .run = run_gate, .n_rows = 40, .d = 65, .in_place = true, .tolerance = 3e-6f},
    {.name = "split halves", .run = run_split, .n_rows = 70, .a = {ATTENTION(9, 3, 64)}, .tolerance = 2e-6f},
    {.name = "split pairs norm", .run = run_split, .n_rows = 70, .a = {ATTENTION(4, 2, 10), .rope_pairs = true}, .norms = true,
     .tolerance = 5e-6f},
    {.name = "split norm", .run = run_split, .n_rows = 70, .a = {ATTENTION(3, 1, 128)}, .norms = true, .tolerance = 5e-6f},
    {.name = "split norm odd", .run = run_split, .n_rows = 7, .a = {ATTENTION(2, 2, 20)}, .norms = true, .tolerance = 5e-6f},
    {.name = "split unrotated", .run = run_split, .n_rows = 70, .a = {ATTENTION(6, 1, 8)}, .softcap = -1, .tolerance = 2e-6f},
    {.name = "split unrotated norm", .run = run_split, .n_rows = 70, .a = {ATTENTION(6, 1, 8)}, .softcap = -1, .norms = true,
     .tolerance = 5e-6f},
    {.name = "attention 9/3 x 64", .run = run_attention, .a = {ATTENTION(9, 3, 64)}, .tree = bushy, .tolerance = 4e-5f},
    {.name = "attention 4/4 x 32", .run = run_attention, .a = {ATTENTION(4, 4, 32)}, .tree = bushy, .tolerance = 4e-5f},
    {.name = "attention 4/2 x 10", .run = run_attention, .a = {ATTENTION(4, 2, 10)}, .tree = bushy, .tolerance = 4e-5f},
    {.name = "attention window", .run = run_attention, .a = {ATTENTION(2, 1, 24), .window = 45}, .tree = bushy, .tolerance = 4e-5f},
    {.name = "attention window 1", .run = run_attention, .a = {ATTENTION(1, 1, 20), .window = 1}, .tree = bushy, .tolerance = 4e-5f},
    {.name = "attention window 5", .run = run_attention, .a = {ATTENTION(6, 2, 16), .window = 5}, .tree = bushy, .tolerance = 4e-5f},
    {.name = "attention softcap", .run = run_attention, .a = {ATTENTION(5, 1, 8), .softcap = 2.5f}, .tree = bushy, .tolerance = 4e-5f},
    {.name = "attention 4/1 x 256", .run = run_attention, .a = {ATTENTION(4, 1, 256), .window = 64}, .tree = stick, .tolerance = 4e-5f},
    {.name = "attention 40/1 x 6", .run = run_attention, .a = {ATTENTION(40, 1, 6)}, .tree = bushy, .tolerance = 4e-5f},
    {.name = "attention 70/1 x 6", .run = run_attention, .a = {ATTENTION(70, 1, 6)}, .tree = stick, .tolerance = 4e-5f},
    {.name = "attention of joined paths", .run = run_attention, .a = {ATTENTION(4, 2, 16)}, .tree = joined, .tolerance = 4e-5f},
    {.name = "attention of joined paths, window", .run = run_attention, .a = {ATTENTION(4, 2, 16), .window = 7}, .tree = joined,
     .tolerance = 4e-5f},
    {.name = "attention of one path", .run = run_attention, .a = {ATTENTION(2, 1, 34)}, .tree = stick, .tolerance = 4e-5f},
    {.name = "attention in parts", .run = run_attention, .a = {ATTENTION(8, 2, 4)}, .tree = tall, .tolerance = 4e-5f},
    {.name = "loss", .run = run_loss, .n_rows = 30, .d = 3001, .tolerance = 3e-6f},
    {.name = "loss in place", .run = run_loss, .n_rows = 30, .d = 259, .in_place = true, .tolerance = 3e-6f},
    {.name = "loss softcap", .run = run_loss, .n_rows = 30, .d = 259, .softcap = 5, .tolerance = 5e-6f},
    {.name = "loss softcap in place", .run = run_loss, .n_rows = 9, .d = 500, .softcap = 5, .in_place = true, .tolerance = 5e-6f},
    {.name = "loss tiny", .run = run_loss, .n_rows = 30, .d = 70, .tolerance = 3e-6f},
    {.name = "dropout", .run = run_dropout, .n_rows = 60, .d = 576, .dropout = 0.1, .tolerance = 2e-7f},
    {.name = "dropout odd", .run = run_dropout, .n_rows = 60, .d = 173, .dropout = 0.5, .tolerance = 2e-7f},
    {.name = "dropout narrow", .run = run_dropout, .n_rows = 3, .d = 5, .dropout = 0.5, .tolerance = 2e-7f},
    {.name = "dropout of nothing", .run = run_dropout, .n_rows = 9, .d = 40, .dropout = 0, .tolerance = 2e-7f},
    {.name = "dropout of all", .run = run_dropout, .n_rows = 9, .d = 40, .dropout = 1, .tolerance = 2e-7f},
    {.name = "sum of squares", .run = run_squares, .d = 100003, .tolerance = 1e-6f},
    {.name = "sum of few squares", .run = run_squares, .d = 3, .tolerance = 1e-6f},
    {.name = "adamw", .run = run_adamw, .d = 40003, .tolerance = 2e-6f},
};
/* clang-format on */
#define N_CASES (sizeof cases / sizeof *cases)

/* --- tests
 * ------------------------------------------------------------------------------------------------------------ */

static slk_compute *make_compute(slk_backend backend, int dtype, int n_threads)
{
    slk_compute *c;
    slk_err err;
    slk_compute_options options = {.backend = backend, .dtype = dtype, .n_threads = n_threads};
    if (slk_compute_create(&c, &options, &err)) {
        assert_int_equal(err.code, SLK_E_UNSUPPORTED);
        assert_int_equal(dtype, SLK_DTYPE_BF16);
        return NULL;
    }
    return c;
}

static outputs run_case(slk_compute *c, const op_case *t)
{
    outputs o = {0};
    t->run(c, t, &o);
    return o;
}

static void check_close(const op_case *t, const outputs *got, const outputs *expected, float tolerance)
{
    assert_int_equal(got->n_arrays, expected->n_arrays);
    for (int k = 0; k < got->n_arrays; k++) {
        double square = 0;
        assert_int_equal(got->n[k], expected->n[k]);
        for (size_t i = 0; i < got->n[k]; i++) square += (double)expected->x[k][i] * expected->x[k][i];
        double scale = sqrt(square / (double)got->n[k]);
        for (size_t i = 0; i < got->n[k]; i++) {
            float a = got->x[k][i], b = expected->x[k][i];
            if (a == b) continue;
            double difference = fabs((double)a - b) / (fabs(b) + scale);
            if (!(difference <= tolerance))
                fail_msg("%s: output %d, value %zu: %.9g, expected %.9g (%g, allowed %g)", t->name, k, i, a, b,
                         difference, tolerance);
        }
    }
}

/* The vector kernels against the oracle. */
static void check_agreement(int dtype)
{
    slk_compute *ref = make_compute(SLK_BACKEND_REF, dtype, 2), *c = make_compute(SLK_BACKEND_DNNL, dtype, 2);
    for (size_t i = 0; c && i < N_CASES; i++) {
        outputs expected = run_case(ref, &cases[i]), got = run_case(c, &cases[i]);
        check_close(&cases[i], &got, &expected, dtype == SLK_DTYPE_BF16 ? 1e-2f : cases[i].tolerance);
        outputs_release(&expected);
        outputs_release(&got);
    }
    slk_compute_free(ref);
    slk_compute_free(c);
}

static void test_agreement(void **state)
{
    (void)state;
    check_agreement(SLK_DTYPE_F32);
    check_agreement(SLK_DTYPE_BF16);
}

/* The oracle in bf16 differs from the oracle in f32 by the rounding of its outputs (2^-8 of a value). */
static void test_bf16(void **state)
{
    (void)state;
    slk_compute *bf16 = make_compute(SLK_BACKEND_REF, SLK_DTYPE_BF16, 2),
                *f32 = make_compute(SLK_BACKEND_REF, SLK_DTYPE_F32, 2);
    coarse = true;
    for (size_t i = 0; i < N_CASES; i++) {
        if (cases[i].tree == tall) continue; /* slow, and nothing new */
        outputs expected = run_case(f32, &cases[i]), got = run_case(bf16, &cases[i]);
        check_close(&cases[i], &got, &expected, 4e-3f);
        outputs_release(&expected);
        outputs_release(&got);
    }
    coarse = false;
    slk_compute_free(bf16);
    slk_compute_free(f32);
}

static void check_threads(slk_backend backend, int dtype)
{
    static const int counts[] = {2, 3, 8};
    slk_compute *one = make_compute(backend, dtype, 1);
    for (int k = 0; one && k < 3; k++) {
        slk_compute *c = make_compute(backend, dtype, counts[k]);
        for (size_t i = 0; i < N_CASES; i++) {
            if (cases[i].any_bits || (cases[i].tree == tall && backend == SLK_BACKEND_REF)) continue;
            outputs expected = run_case(one, &cases[i]), got = run_case(c, &cases[i]);
            for (int j = 0; j < got.n_arrays; j++)
                if (memcmp(got.x[j], expected.x[j], got.n[j] * sizeof(float)))
                    fail_msg("%s: output %d: other bits on %d threads", cases[i].name, j, counts[k]);
            outputs_release(&expected);
            outputs_release(&got);
        }
        slk_compute_free(c);
    }
    slk_compute_free(one);
}

static void test_threads(void **state)
{
    (void)state;
    check_threads(SLK_BACKEND_DNNL, SLK_DTYPE_F32);
    check_threads(SLK_BACKEND_DNNL, SLK_DTYPE_BF16);
    check_threads(SLK_BACKEND_REF, SLK_DTYPE_F32);
}

/* Products may depend on the number of threads, but not on anything else: training is repeatable. */
static void test_products_repeat(void **state)
{
    (void)state;
    for (int dtype = SLK_DTYPE_F32; dtype <= SLK_DTYPE_BF16; dtype += SLK_DTYPE_BF16)
        for (int n_threads = 1; n_threads <= 8; n_threads *= 2) {
            slk_compute *c = make_compute(SLK_BACKEND_DNNL, dtype, n_threads);
            for (size_t i = 0; c && i < N_CASES; i++) {
                if (cases[i].run != run_multiply) continue;
                outputs expected = run_case(c, &cases[i]), got = run_case(c, &cases[i]);
                if (memcmp(got.x[0], expected.x[0], got.n[0] * sizeof(float)))
                    fail_msg("%s: other bits the second time on %d threads", cases[i].name, n_threads);
                outputs_release(&expected);
                outputs_release(&got);
            }
            slk_compute_free(c);
        }
}

/* The definition of a mask's bits, which data sets and other programs may rely on. */
static void test_mask_bits(void **state)
{
    (void)state;
    static const uint32_t key[2] = {5, 0xFFFFFFFFu};
    static const uint64_t hash[3] = {0, 0xFEDCBA9876543210u, 1};
    const int d = 1003, step = (d + 7) / 8;
    uint8_t mask[3 * 126];
    for (int backend = SLK_BACKEND_REF; backend <= SLK_BACKEND_DNNL; backend++) {
        slk_compute *c = make_compute((slk_backend)backend, SLK_DTYPE_F32, 1);
        int kept = 0;
        memset(mask, 0xFF, sizeof mask);
        slk_compute_dropout_mask(c, mask, hash, 77, key, 0.3, 3, d);
        for (int r = 0; r < 3; r++)
            for (int i = 0; i < step * 8; i++) {
                uint32_t counter[4] = {(uint32_t)hash[r], (uint32_t)(hash[r] >> 32), (uint32_t)i / 8, 77}, words[4];
                slk_philox(words, counter, key);
                uint32_t word = words[i % 8 / 2], number = i % 2 ? word >> 16 : word & 0xFFFF;
                int stays = i < d && number >= 19661; /* round(0.3 * 65536) */
                assert_int_equal(mask[r * step + i / 8] >> i % 8 & 1, stays);
                kept += stays;
            }
        assert_in_range(kept, 3 * d * 66 / 100, 3 * d * 74 / 100);
        slk_compute_free(c);
    }
}

static void test_loss_edges(void **state)
{
    (void)state;
    for (int backend = SLK_BACKEND_REF; backend <= SLK_BACKEND_DNNL; backend++)
        for (float softcap = 0; softcap <= 30; softcap += 30) {
            slk_compute *c = make_compute((slk_backend)backend, SLK_DTYPE_F32, 1);
            /* One NaN, with a payload that arithmetic on bits could lose; a target that cannot be; large values. */
            float logits[3][21] = {{0}}, dlogits[3][21];
            uint32_t nan = 0x7FC00001u;
            int32_t first[4] = {0, 1, 2, 3}, targets[3] = {3, 4, 20};
            double losses[3];
            memcpy(&logits[0][20], &nan, sizeof nan);
            logits[1][4] = -INFINITY;
            for (int i = 0; i < 21; i++) logits[2][i] = i == 20 ? 3e38f : -3e38f;
            slk_compute_cross_entropy(c, dlogits, losses, logits[0], softcap, first, targets, 1, 3, 21);
            assert_true(isnan(losses[0]));
            if (softcap > 0)
                assert_true(fabs(losses[1] - log(20 + exp(-30)) - 30) < 1e-4);
            else
                assert_true(losses[1] == INFINITY);
            assert_true(fabs(losses[2]) < 1e-6);
            for (int i = 0; i < 21; i++) {
                double expected = softcap > 0 && i == 4 ? 0 : i == 4 ? -1 : 1.0 / 20;
                assert_true(fabs(dlogits[1][i] - expected) < 1e-6);
                assert_true(fabs(dlogits[2][i]) < 1e-6);
            }
            slk_compute_free(c);
        }
}

static void test_errors(void **state)
{
    (void)state;
    slk_err err;
    float x[256] = {0}, y[256] = {0};
    for (int backend = SLK_BACKEND_REF; backend <= SLK_BACKEND_DNNL; backend++) {
        slk_compute *c = make_compute((slk_backend)backend, SLK_DTYPE_F32, 1);
        slk_product p = {.n_rows = 0, .n_cols = 1, .n_inner = 1};
        assert_int_equal(slk_compute_multiply(c, y, SLK_DTYPE_F32, x, x, &p, &err), SLK_E_SHAPE);
        p.n_rows = 1;
        assert_int_equal(slk_compute_multiply(c, y, SLK_DTYPE_BF16, x, x, &p, &err), SLK_E_SHAPE);
        assert_int_equal(slk_compute_multiply(c, y, SLK_DTYPE_F32, x, x, &p, &err), 0);
        /* Not a tree: rows that are seen by others than their descendants, a position twice, a slot too far. */
        slk_attention a = {.n_heads = 2, .n_kv_heads = 1, .head_dim = 4, .scale = 1};
        slk_run run = {0, 3};
        slk_path path = {.n_rows = 3, .runs = &run, .n_runs = 1};
        int32_t pos[3] = {0, 1, 2}, end[3] = {3, 3, 3};
        slk_kv kv = {x, x};
#define BACKWARD slk_compute_attention_backward(c, y, y, y, x, x, &kv, &a, &path, 1, pos, end, 3, &err)
        assert_int_equal(BACKWARD, 0);
        a.head_dim = 5;
        assert_int_equal(BACKWARD, SLK_E_SHAPE);
        a.head_dim = 4;
        end[0] = 2;
        assert_int_equal(BACKWARD, SLK_E_SHAPE);
        end[0] = 3;
        pos[2] = 1;
        assert_int_equal(BACKWARD, SLK_E_SHAPE);
        pos[2] = 2;
        run.slot = 1;
        assert_int_equal(BACKWARD, SLK_E_SHAPE);
        slk_compute_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agreement),       cmocka_unit_test(test_bf16),      cmocka_unit_test(test_threads),
        cmocka_unit_test(test_products_repeat), cmocka_unit_test(test_mask_bits), cmocka_unit_test(test_loss_edges),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
