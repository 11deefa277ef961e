/* Every operation of src/compute/, from one table of cases:
 *   agreement    the vector kernels against the oracle ref/;
 *   invariance   the bits of a row, alone and among others, cut anywhere, on 1, 2 and 8 threads.
 * ctest runs this program a second time with ONEDNN_MAX_CPU_ISA=AVX2, where other kernels and tiled products are at
 * work. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "compute/bench.h"
#include "compute/compute.h"
#include "compute_inputs.h"

#define N_ROWS    150
#define WIDTH_MAX 1200 /* of an output row */

typedef struct op_case op_case;
struct op_case {
    const char *name;
    /* Compute rows row0 .. row0 + n_rows of the case's N_ROWS rows; out [n_rows, width] as f32. */
    void (*run)(slk_compute *c, const op_case *t, int row0, int n_rows, float *out);
    int width;                           /* of an output row */
    float tolerance_f32, tolerance_bf16; /* of |difference| / (|expected| + root mean square of the row) */
    /* What the operation needs. */
    int d; /* matmul: n_in */
    bool accumulate, bias, packed,
        bf16; /* matmul, gate: bf16 = type of y (matmul) or gu (gate) where the compute type is bf16 */
    slk_activation act;
    bool gated;
    slk_attention a;
    float softcap; /* top */
};

/* --- how each operation is run
 * ---------------------------------------------------------------------------------------- */

static void run_matmul(slk_compute *c, const op_case *t, int row0, int n_rows, float *out)
{
    slk_err err;
    slk_dtype type = slk_compute_dtype(c), y_type = t->bf16 ? type : SLK_DTYPE_F32;
    size_t n_in = (size_t)t->d, n_out = (size_t)t->width, ldx = n_in + 8, ldy = n_out + 16;
    void *w = make(type, 1, 0, n_out * n_in, 1 / sqrtf((float)n_in));
    void *x = make(type, 2, (uint64_t)row0 * ldx, (size_t)n_rows * ldx, 1);
    void *y = make(y_type, 3, (uint64_t)row0 * ldy, (size_t)n_rows * ldy, 1);
    float *before = malloc((size_t)n_rows * ldy * sizeof *before),
          *after = malloc((size_t)n_rows * ldy * sizeof *after);
    float *bias = make(SLK_DTYPE_F32, 4, 0, n_out, 1);
    assert_true(before && after);
    slk_weight weight = {.data = w, .n_out = t->width, .n_in = t->d, .bias = t->bias ? bias : NULL};
    slk_packed *packed = NULL;
    if (t->packed) assert_int_equal(slk_compute_pack(c, &packed, &weight, &err), 0);
    weight.packed = packed;
    to_f32(before, y, y_type, (size_t)n_rows * ldy);
    assert_int_equal(
        slk_compute_matmul(c, y, y_type, (int64_t)ldy, x, (int64_t)ldx, &weight, n_rows, t->accumulate, &err), 0);
    to_f32(after, y, y_type, (size_t)n_rows * ldy);
    for (size_t r = 0; r < (size_t)n_rows; r++) {
        memcpy(out + r * n_out, after + r * ldy, n_out * sizeof *out);
        /* Nothing beside the output may be written. */
        assert_memory_equal(before + r * ldy + n_out, after + r * ldy + n_out, (ldy - n_out) * sizeof *after);
    }
    slk_packed_free(packed);
    free(w);
    free(x);
    free(y);
    free(before);
    free(after);
    free(bias);
}

static void run_norm(slk_compute *c, const op_case *t, int row0, int n_rows, float *out)
{
    size_t d = (size_t)t->width, n = (size_t)n_rows * d;
    float *x = make(SLK_DTYPE_F32, 1, (uint64_t)row0 * d, n, 3);
    float *gain = make(SLK_DTYPE_F32, 2, 0, d, 1), *bias = make(SLK_DTYPE_F32, 3, 0, d, 1);
    void *y = make(SLK_DTYPE_F32, 9, 0, n, 1);
    if (t->bias) {
        slk_compute_layer_norm(c, y, x, gain, bias, 1e-5f, n_rows, t->width);
        to_f32(out, y, slk_compute_dtype(c), n);
    } else if (t->bf16) {
        slk_compute_rms_norm(c, y, x, gain, 1e-5f, n_rows, t->width);
        to_f32(out, y, slk_compute_dtype(c), n);
    } else {
        slk_compute_rms_norm_f32(c, x, x, gain, 1e-5f, n_rows, t->width);
        memcpy(out, x, n * sizeof *out);
    }
    free(x);
    free(y);
    free(gain);
    free(bias);
}

static void run_add(slk_compute *c, const op_case *t, int row0, int n_rows, float *out)
{
    size_t d = (size_t)t->width, n = (size_t)n_rows * d;
    float *x = make(SLK_DTYPE_F32, 1, (uint64_t)row0 * d, n, 1), *y = make(SLK_DTYPE_F32, 2, (uint64_t)row0 * d, n, 1);
    slk_compute_add(c, x, y, n_rows, t->width);
    memcpy(out, x, n * sizeof *out);
    free(x);
    free(y);
}

static void run_gate(slk_compute *c, const op_case *t, int row0, int n_rows, float *out)
{
    slk_dtype type = t->bf16 ? slk_compute_dtype(c) : SLK_DTYPE_F32;
    size_t d = (size_t)t->width, in = d * (t->gated ? 2 : 1), n = (size_t)n_rows * d;
    void *gu = make(type, 1, (uint64_t)row0 * in, (size_t)n_rows * in, 4);
    void *y = make(SLK_DTYPE_F32, 9, 0, n, 1);
    slk_compute_gate(c, y, gu, type, t->act, t->gated, n_rows, t->width);
    to_f32(out, y, slk_compute_dtype(c), n);
    free(gu);
    free(y);
}

/* A case's attention with its tables, and the queries, keys and values of positions row0 .. row0 + n_rows, the position
 * p in slot[p]. */
typedef struct fixture {
    slk_attention a;
    void *q; /* [n_rows, n_heads * head_dim] */
    slk_kv kv;
    float *cos, *sin, *gain;
    size_t d_q, d_kv;
} fixture;

static void split(slk_compute *c, fixture *f, const int32_t *slot, int pos0, int n)
{
    size_t width = f->d_q + 2 * f->d_kv;
    float *qkv = make(SLK_DTYPE_F32, 1, (uint64_t)pos0 * width, (size_t)n * width, 1.5f);
    int32_t pos[N_ROWS];
    for (int i = 0; i < n; i++) pos[i] = pos0 + i;
    slk_compute_split_qkv(c, f->q, &f->kv, qkv, pos, slot, &f->a, n);
    free(qkv);
}

static void fixture_init(fixture *f, const op_case *t, int n_slots)
{
    f->a = t->a;
    f->cos = make_rope(N_ROWS, t->a.head_dim / 2, false);
    f->sin = make_rope(N_ROWS, t->a.head_dim / 2, true);
    f->gain = make(SLK_DTYPE_F32, 7, 0, (size_t)t->a.head_dim, 1.2f);
    f->a.rope_cos = t->softcap < 0 ? NULL : f->cos;
    f->a.rope_sin = f->a.rope_cos ? f->sin : NULL;
    if (t->a.qk_eps > 0) f->a.q_gain = f->a.k_gain = f->gain;
    f->d_q = (size_t)(t->a.n_heads * t->a.head_dim);
    f->d_kv = (size_t)(t->a.n_kv_heads * t->a.head_dim);
    f->q = slk_alloc_zero(N_ROWS * f->d_q, sizeof(float));
    f->kv.k = slk_alloc_zero((size_t)n_slots * f->d_kv, sizeof(float));
    f->kv.v = slk_alloc_zero((size_t)n_slots * f->d_kv, sizeof(float));
    assert_true(f->q && f->kv.k && f->kv.v);
}

static void fixture_release(fixture *f)
{
    free(f->q);
    free(f->kv.k);
    free(f->kv.v);
    free(f->cos);
    free(f->sin);
    free(f->gain);
}

/* out: q, then k, then v of each row. */
static void run_split(slk_compute *c, const op_case *t, int row0, int n_rows, float *out)
{
    fixture f;
    slk_dtype type = slk_compute_dtype(c);
    int32_t slot[N_ROWS];
    for (int r = 0; r < n_rows; r++) slot[r] = n_rows - 1 - r;
    fixture_init(&f, t, n_rows);
    split(c, &f, slot, row0, n_rows);
    for (int r = 0; r < n_rows; r++) {
        size_t kv_at = (size_t)slot[r] * f.d_kv * bytes_of(type);
        float *to = out + (size_t)r * (size_t)t->width;
        to_f32(to, (char *)f.q + (size_t)r * f.d_q * bytes_of(type), type, f.d_q);
        to_f32(to + f.d_q, (char *)f.kv.k + kv_at, type, f.d_kv);
        to_f32(to + f.d_q + f.d_kv, (char *)f.kv.v + kv_at, type, f.d_kv);
    }
    fixture_release(&f);
}

/* One path of row0 + n_rows positions, of which the last n_rows are asked: as a cut leaves it, with the rest in two
 * runs whose slots lie in another order. */
static void run_attention(slk_compute *c, const op_case *t, int row0, int n_rows, float *out)
{
    fixture f;
    slk_err err;
    int32_t slot[N_ROWS];
    int n = row0 + n_rows, third = row0 / 3;
    slk_run runs[3] = {{n - third, third}, {n_rows, row0 - third}, {0, n_rows}};
    for (int p = 0; p < n; p++) slot[p] = p < third ? runs[0].slot + p : p < row0 ? runs[1].slot + p - third : p - row0;
    fixture_init(&f, t, n);
    split(c, &f, slot, 0, row0);
    split(c, &f, slot + row0, row0, n_rows);
    slk_path path = {.n_rows = n_rows, .pos0 = row0, .runs = runs, .n_runs = 3};
    void *y = slk_alloc_zero((size_t)n_rows * f.d_q, sizeof(float));
    assert_non_null(y);
    assert_int_equal(slk_compute_attention(c, y, f.q, &f.kv, &f.a, &path, 1, &err), 0);
    to_f32(out, y, slk_compute_dtype(c), (size_t)n_rows * f.d_q);
    free(y);
    fixture_release(&f);
}

#define TOP_K       40
#define TOP_COLUMNS 5000
#define TOP_CHUNK   2048
/* out: ids, logits, log-sum-exp, the target's logit. */
static void run_top(slk_compute *c, const op_case *t, int row0, int n_rows, float *out)
{
    static int32_t ids[N_ROWS][TOP_K];
    static float logits[N_ROWS][TOP_K];
    slk_top tops[N_ROWS];
    size_t ld = TOP_CHUNK + 5;
    for (int r = 0; r < n_rows; r++)
        tops[r] = (slk_top){
            .k = (row0 + r) % 2 ? TOP_K : 13, .ids = ids[r], .logits = logits[r], .want_lse = true, .target = 4321};
    for (int column = 0; column < TOP_COLUMNS; column += TOP_CHUNK) {
        int n = TOP_COLUMNS - column < TOP_CHUNK ? TOP_COLUMNS - column : TOP_CHUNK;
        float *x = malloc((size_t)n_rows * ld * sizeof *x);
        assert_non_null(x);
        for (int r = 0; r < n_rows; r++)
            for (int i = 0; i < n; i++) {
                uint64_t at = (uint64_t)(row0 + r) * TOP_COLUMNS + (uint64_t)(column + i);
                /* Coarse values make ties; the row grows and shrinks so that the maximum moves between the chunks. */
                x[(size_t)r * ld + (size_t)i] =
                    roundf(value(1, at) * 8) * (row0 + r) / 40.0f + (float)((row0 + r) % 3 - 1) * (float)column / 999;
                if ((row0 + r) % 5 == 0 && (column + i) % 7 == 3) x[(size_t)r * ld + (size_t)i] = NAN;
                if ((row0 + r) % 5 == 1 && (column + i) % 7 == 3) x[(size_t)r * ld + (size_t)i] = -INFINITY;
            }
        slk_compute_top(c, tops, x, (int64_t)ld, n_rows, column, n, t->softcap);
        free(x);
    }
    for (int r = 0; r < n_rows; r++, out += t->width) {
        assert_int_equal(tops[r].n, tops[r].k);
        memset(out, 0, 2 * TOP_K * sizeof *out);
        for (int i = 0; i < tops[r].k; i++) out[i] = (float)ids[r][i];
        memcpy(out + TOP_K, logits[r], (size_t)tops[r].k * sizeof *out);
        out[2 * TOP_K] = (float)(tops[r].max + log(tops[r].sum));
        out[2 * TOP_K + 1] = tops[r].target_logit;
    }
}

/* --- the table
 * -------------------------------------------------------------------------------------------------------- */

/* clang-format off */
#define CLOSE(f32, bf16) .tolerance_f32 = f32, .tolerance_bf16 = bf16
#define MATMUL(name_, in, out, ...) {.name = "matmul " name_, .run = run_matmul, .d = in, .width = out, \
                                         CLOSE(2e-5f, 8e-3f), __VA_ARGS__}
#define ATTENTION(heads, kv_heads, dim) .n_heads = heads, .n_kv_heads = kv_heads, .head_dim = dim, .scale = 0.3f

static const op_case cases[] = {
    MATMUL("576", 576, 576, .bf16 = true),
    MATMUL("narrow", 64, 24),
    MATMUL("odd", 75, 1003, .bf16 = true),
    MATMUL("add", 640, 192, .accumulate = true),
    MATMUL("bias", 96, 200, .bias = true, .bf16 = true),
    MATMUL("packed", 576, 320, .packed = true),
    MATMUL("packed odd", 75, 1003, .packed = true, .bf16 = true),
    MATMUL("packed add", 640, 192, .accumulate = true, .packed = true),
    MATMUL("packed bias", 96, 200, .bias = true, .bf16 = true, .packed = true),
    MATMUL("bias add", 96, 200, .bias = true, .accumulate = true),
    {.name = "rms norm", .run = run_norm, .width = 576, .bf16 = true, CLOSE(2e-6f, 8e-3f)},
    {.name = "rms norm odd", .run = run_norm, .width = 77, .bf16 = true, CLOSE(2e-6f, 8e-3f)},
    {.name = "rms norm f32", .run = run_norm, .width = 40, CLOSE(2e-6f, 2e-6f)},
    {.name = "layer norm", .run = run_norm, .width = 93, .bias = true, CLOSE(4e-6f, 8e-3f)},
    {.name = "add", .run = run_add, .width = 77},
    {.name = "gate silu", .run = run_gate, .width = 1100, .gated = true, .bf16 = true, CLOSE(2e-6f, 8e-3f)},
    {.name = "gate gelu", .run = run_gate, .width = 83, .gated = true, .act = SLK_ACT_GELU_TANH, CLOSE(4e-6f, 8e-3f)},
    {.name = "gelu", .run = run_gate, .width = 64, .act = SLK_ACT_GELU_TANH, .bf16 = true, CLOSE(4e-6f, 8e-3f)},
    {.name = "split halves", .run = run_split, .width = 960, .a = {ATTENTION(9, 3, 64)}, CLOSE(2e-6f, 8e-3f)},
    {.name = "split pairs norm", .run = run_split, .width = 80, .a = {ATTENTION(4, 2, 10), .rope_pairs = true, .qk_eps = 1e-6f},
     CLOSE(2e-6f, 8e-3f)},
    {.name = "split norm", .run = run_split, .width = 120, .a = {ATTENTION(2, 2, 20), .qk_eps = 1e-6f},
     CLOSE(2e-6f, 8e-3f)},
    {.name = "split unrotated", .run = run_split, .width = 64, .a = {ATTENTION(6, 1, 8)}, .softcap = -1,
     CLOSE(2e-6f, 8e-3f)},
    {.name = "attention 9/3 x 64", .run = run_attention, .width = 576, .a = {ATTENTION(9, 3, 64), .rope_pairs = true},
     CLOSE(4e-5f, 2e-2f)},
    {.name = "attention 4/2 x 10", .run = run_attention, .width = 40, .a = {ATTENTION(4, 2, 10)}, CLOSE(4e-5f, 2e-2f)},
    {.name = "attention window", .run = run_attention, .width = 48, .a = {ATTENTION(2, 1, 24), .window = 45},
     CLOSE(4e-5f, 2e-2f)},
    {.name = "attention window 1", .run = run_attention, .width = 20, .a = {ATTENTION(1, 1, 20), .window = 1},
     CLOSE(4e-5f, 2e-2f)},
    {.name = "attention softcap", .run = run_attention, .width = 40, .a = {ATTENTION(5, 1, 8), .softcap = 2.5f, .qk_eps = 1e-6f},
     CLOSE(4e-5f, 2e-2f)},
    {.name = "attention 4/1 x 256", .run = run_attention, .width = 1024, .a = {ATTENTION(4, 1, 256), .window = 64, .qk_eps = 1e-6f},
     CLOSE(4e-5f, 2e-2f)},
    {.name = "attention 40/1 x 6", .run = run_attention, .width = 240, .a = {ATTENTION(40, 1, 6)}, .softcap = -1,
     CLOSE(4e-5f, 2e-2f)},
    {.name = "top", .run = run_top, .width = 2 * TOP_K + 2, CLOSE(1e-6f, 1e-6f)},
    {.name = "top softcap", .run = run_top, .width = 2 * TOP_K + 2, .softcap = 30, CLOSE(2e-6f, 2e-6f)},
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
    slk_shape shapes[N_CASES];
    size_t n = 0;
    for (size_t i = 0; i < N_CASES; i++)
        if (cases[i].run == run_matmul) shapes[n++] = (slk_shape){cases[i].width, cases[i].d};
    assert_int_equal(slk_compute_self_test(c, shapes, n, &err), 0);
    return c;
}

static float *run_case(slk_compute *c, const op_case *t, int row0, int n_rows)
{
    float *out = malloc((size_t)n_rows * (size_t)t->width * sizeof *out);
    assert_non_null(out);
    t->run(c, t, row0, n_rows, out);
    return out;
}

static void check_close(const op_case *t, const float *got, const float *expected, float tolerance)
{
    for (int r = 0; r < N_ROWS; r++, got += t->width, expected += t->width) {
        double square = 0;
        for (int i = 0; i < t->width; i++) square += isfinite(expected[i]) ? (double)expected[i] * expected[i] : 0;
        double scale = sqrt(square / t->width);
        for (int i = 0; i < t->width; i++) {
            if (got[i] == expected[i]) continue;
            double difference = fabs((double)got[i] - expected[i]) / (fabs(expected[i]) + scale);
            if (!(difference <= tolerance))
                fail_msg("%s: row %d, column %d: %.9g, expected %.9g (%g, allowed %g)", t->name, r, i, got[i],
                         expected[i], difference, tolerance);
        }
    }
}

static void check_agreement(int dtype)
{
    slk_compute *ref = make_compute(SLK_BACKEND_REF, dtype, 2), *c = make_compute(SLK_BACKEND_DNNL, dtype, 2);
    for (size_t i = 0; c && i < N_CASES; i++) {
        float *expected = run_case(ref, &cases[i], 0, N_ROWS), *got = run_case(c, &cases[i], 0, N_ROWS);
        check_close(&cases[i], got, expected,
                    dtype == SLK_DTYPE_BF16 ? cases[i].tolerance_bf16 : cases[i].tolerance_f32);
        free(expected);
        free(got);
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

static void check_same(const op_case *t, const slk_compute *c, const float *got, const float *expected, int row0,
                       int n_rows)
{
    const float *want = expected + (size_t)row0 * (size_t)t->width;
    for (size_t i = 0; i < (size_t)n_rows * (size_t)t->width; i++)
        if (memcmp(&got[i], &want[i], sizeof *got))
            fail_msg("%s (%s, %d threads): rows %d..%d: row %d, column %d is %.9g, among all rows %.9g", t->name,
                     slk_compute_kernel_set(c), slk_compute_n_threads(c), row0, row0 + n_rows, row0 + (int)i / t->width,
                     (int)i % t->width, got[i], want[i]);
}

/* All rows at once on one thread is what every other way must equal. */
static void check_invariance(slk_backend backend, int dtype)
{
    static const int cuts[][2] = {{1, 1}, {2, 5}, {31, 33}, {32, 32}, {37, 64}, {100, 50}};
    slk_compute *one = make_compute(backend, dtype, 1), *two = make_compute(backend, dtype, 2);
    slk_compute *eight = make_compute(backend, dtype, 8);
    slk_compute *all[] = {one, two, eight};
    for (size_t i = 0; one && i < N_CASES; i++) {
        const op_case *t = &cases[i];
        float *expected = run_case(one, t, 0, N_ROWS);
        for (size_t k = 0; k < 3; k++) {
            float *got = run_case(all[k], t, 0, N_ROWS);
            check_same(t, all[k], got, expected, 0, N_ROWS);
            free(got);
        }
        for (size_t k = 0; k < sizeof cuts / sizeof *cuts; k++)
            for (int row0 = 0, turn = 0; row0 < N_ROWS; turn++) {
                int n = cuts[k][turn % 2] < N_ROWS - row0 ? cuts[k][turn % 2] : N_ROWS - row0;
                slk_compute *c = all[turn % 3];
                float *got = run_case(c, t, row0, n);
                check_same(t, c, got, expected, row0, n);
                free(got);
                row0 += n;
            }
        free(expected);
    }
    slk_compute_free(one);
    slk_compute_free(two);
    slk_compute_free(eight);
}

static void test_invariance_f32(void **state)
{
    (void)state;
    check_invariance(SLK_BACKEND_DNNL, SLK_DTYPE_F32);
}

static void test_invariance_bf16(void **state)
{
    (void)state;
    check_invariance(SLK_BACKEND_DNNL, SLK_DTYPE_BF16);
}

/* A tree: a stem, children of different lengths, grandchildren. Path i has positions 0 .. stem of the stem, then its
 * own values (slots of its own); out [all rows, d_q]. hints: fill n_shared in; only: this path alone, or -1. */
#define N_PATHS 40
static int attend_tree(slk_compute *c, const op_case *t, bool hints, int only, float *out)
{
    static const int lengths[] = {1, 1, 1, 10, 7, 1, 40, 2, 3, 12};
    fixture f;
    slk_err err;
    slk_path paths[N_PATHS];
    slk_run runs[N_PATHS][2];
    int n_rows = 0, n_paths = 0, n_slots = 200;
    fixture_init(&f, t, 1200);
    for (int i = 0; i < N_PATHS; i++) {
        /* Two stems of 70 positions, each for 20 paths; some paths leave it earlier. */
        int stem = i % 20 < 10 ? 70 : 33, shared = i % 20 == 0 ? 0 : 33, length = lengths[i % 10];
        if (i % 20 > 0 && i % 20 < 10) shared = 70;
        runs[i][0] = (slk_run){i < 20 ? 100 : 0, stem};
        runs[i][1] = (slk_run){n_slots, length};
        if (only < 0 || only == i)
            paths[n_paths++] = (slk_path){.row0 = n_rows,
                                          .n_rows = length,
                                          .pos0 = stem,
                                          .runs = runs[i],
                                          .n_runs = 2,
                                          .n_shared = hints ? shared : 0};
        if (only < 0 || only == i) n_rows += length;
        n_slots += length;
    }
    assert_true(n_slots <= 1200);
    slk_dtype type = slk_compute_dtype(c);
    free(f.q);
    free(f.kv.k);
    free(f.kv.v);
    int first = only < 0 ? 0 : runs[only][1].slot - 200;
    f.q = make(type, 5, (uint64_t)first * f.d_q, (size_t)n_rows * f.d_q, 1.5f);
    f.kv.k = make(type, 6, 0, 1200 * f.d_kv, 1.5f);
    f.kv.v = make(type, 7, 0, 1200 * f.d_kv, 1.5f);
    void *y = make(SLK_DTYPE_F32, 9, 0, (size_t)n_rows * f.d_q, 1);
    assert_int_equal(slk_compute_attention(c, y, f.q, &f.kv, &f.a, paths, n_paths, &err), 0);
    to_f32(out, y, type, (size_t)n_rows * f.d_q);
    free(y);
    fixture_release(&f);
    return n_rows;
}

static void check_tree(int dtype)
{
    static float all[600 * 1024], some[600 * 1024];
    slk_compute *c = make_compute(SLK_BACKEND_DNNL, dtype, 2), *ref = make_compute(SLK_BACKEND_REF, dtype, 2);
    for (size_t i = 0; c && i < N_CASES; i++) {
        const op_case *t = &cases[i];
        if (t->run != run_attention) continue;
        size_t n = (size_t)attend_tree(c, t, true, -1, all), at = 0;
        attend_tree(ref, t, true, -1, some);
        float tolerance = dtype == SLK_DTYPE_BF16 ? t->tolerance_bf16 : t->tolerance_f32;
        check_close(t, all, some, tolerance);
        attend_tree(c, t, false, -1, some);
        check_same(t, c, some, all, 0, (int)n);
        for (int p = 0; p < N_PATHS; p++) {
            size_t rows = (size_t)attend_tree(c, t, false, p, some);
            check_same(t, c, some, all, (int)at, (int)rows);
            at += rows;
        }
        assert_int_equal(at, n);
    }
    slk_compute_free(c);
    slk_compute_free(ref);
}

static void test_tree(void **state)
{
    (void)state;
    check_tree(SLK_DTYPE_F32);
    check_tree(SLK_DTYPE_BF16);
}

static void test_errors(void **state)
{
    (void)state;
    slk_err err;
    slk_compute *c = make_compute(SLK_BACKEND_DNNL, -1, 2);
    assert_non_null(c);
    float x[16] = {0}, y[16] = {0};
    slk_weight w = {.data = x, .n_out = 4, .n_in = 4};
    assert_int_equal(slk_compute_matmul(c, y, SLK_DTYPE_F32, 3, x, 4, &w, 1, false, &err), SLK_E_SHAPE);
    assert_int_equal(slk_compute_matmul(c, y, SLK_DTYPE_F32, 4, x, 3, &w, 1, false, &err), SLK_E_SHAPE);
    assert_int_equal(slk_compute_matmul(c, y, SLK_DTYPE_F32, 4, x, 4, &w, 0, false, &err), SLK_E_SHAPE);
    assert_int_equal(slk_compute_matmul(c, y, SLK_DTYPE_F16, 4, x, 4, &w, 1, false, &err), SLK_E_SHAPE);
    slk_attention a = {.n_heads = 2, .n_kv_heads = 1, .head_dim = 7};
    assert_int_equal(slk_compute_attention(c, y, x, &(slk_kv){x, x}, &a, NULL, 0, &err), SLK_E_SHAPE);
    slk_compute_free(c);
    slk_compute_options options = {.backend = SLK_BACKEND_REF, .dtype = SLK_DTYPE_F16};
    assert_int_equal(slk_compute_create(&c, &options, &err), SLK_E_ARG);
    assert_null(c);
}

/* The two definitions that bits of labels hang on: ties go to the lower id, in every chunking; and a row without any
 * usable logit is no trap. */
static void test_top_edges(void **state)
{
    (void)state;
    static const int32_t tied[] = {3, 17, 18, 40};
    for (int backend = SLK_BACKEND_REF; backend <= SLK_BACKEND_DNNL; backend++) {
        slk_compute *c = make_compute((slk_backend)backend, SLK_DTYPE_F32, 1);
        for (int chunk = 1; chunk <= 50; chunk++) {
            float x[50] = {0}, logits[3];
            int32_t ids[3];
            slk_top top = {.k = 3, .ids = ids, .logits = logits, .want_lse = true, .target = 18};
            for (int i = 0; i < 4; i++) x[tied[i]] = 2;
            for (int i = 0; i < 50; i += chunk)
                slk_compute_top(c, &top, x + i, 50, 1, i, i + chunk < 50 ? chunk : 50 - i, 0);
            assert_int_equal(top.n, 3);
            assert_memory_equal(ids, tied, sizeof ids);
            assert_true(top.target_logit == 2);
            assert_true(fabs(top.max + log(top.sum) - log(46 + 4 * exp(2))) < 1e-6);
        }
        float broken[20], logits[30];
        int32_t ids[30];
        for (int i = 0; i < 20; i++) broken[i] = i % 2 ? NAN : -INFINITY;
        slk_top top = {.k = 30, .ids = ids, .logits = logits, .want_lse = true, .target = -1};
        slk_compute_top(c, &top, broken, 20, 1, 0, 20, 0);
        assert_int_equal(top.n, 20);
        for (int i = 0; i < 20; i++) assert_true(ids[i] == i && logits[i] == -INFINITY);
        assert_true(top.sum == 0);
        slk_compute_free(c);
    }
}

static void test_bench(void **state)
{
    (void)state;
    slk_err err;
    slk_compute *c = make_compute(SLK_BACKEND_DNNL, -1, 2);
    slk_bench_gemm b = {.n_rows = 64, .n_out = 64, .n_in = 64, .packed = true},
                   bad = {.n_rows = 0, .n_out = 1, .n_in = 1};
    assert_int_equal(slk_compute_bench_shape(c, &b, 0, &err), 0);
    assert_true(b.gflops > 0.01 && b.gflops < 1e6);
    assert_int_equal(slk_compute_bench_shape(c, &bad, 0, &err), SLK_E_SHAPE);
    slk_compute_free(c);
}

/* The name tells the instruction set, and a restriction of the library restricts the vector kernels too. */
static void test_kernel_set(void **state)
{
    (void)state;
    slk_compute *c = make_compute(SLK_BACKEND_DNNL, -1, 2), *ref = make_compute(SLK_BACKEND_REF, -1, 0);
    const char *isa = getenv("DNNL_MAX_CPU_ISA"), *name = slk_compute_kernel_set(c);
    print_message("%s\n", name);
    assert_string_equal(slk_compute_kernel_set(ref), "ref");
    assert_true(slk_compute_n_threads(ref) >= 1);
    assert_ptr_equal(strstr(name, "dnnl"), name);
    if (isa && !strcmp(isa, "AVX2")) {
        assert_non_null(strstr(name, "-avx2"));
        assert_int_equal(slk_compute_dtype(c), SLK_DTYPE_F32);
    }
    slk_compute_free(c);
    slk_compute_free(ref);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agreement), cmocka_unit_test(test_invariance_f32), cmocka_unit_test(test_invariance_bf16),
        cmocka_unit_test(test_tree),      cmocka_unit_test(test_errors),         cmocka_unit_test(test_kernel_set),
        cmocka_unit_test(test_top_edges), cmocka_unit_test(test_bench),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
