/* Where the time of a training step goes: the products of one layer in their three orientations, and everything else
 * that a layer, the loss and the optimiser take, on one batch as the trainer makes them: 1,400 rows in 128 sequences of
 * about 22 tokens, half of which are shared.
 *
 * usage: bench_backward [threads [f32|bf16]]    default: 2 threads, the fastest type.
 * Of one thread the processor time is taken. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/mem.h"
#include "compute/backward.h"

typedef struct model {
    const char *name;
    int d, heads, kv_heads, head_dim, d_ff, vocab, target_rows;
} model;

static const model models[] = {
    {"SmolLM2-135M", 576, 9, 3, 64, 1536, 49152, 300},
    {"tiny", 128, 4, 4, 32, 384, 4096, 300},
};

enum { ROOT = 6, N_STEMS = 16, STEM = 5, N_LEAVES = 8, LEAF = 10, N_PATHS = 1 + N_STEMS * (1 + N_LEAVES) };
enum { ROWS_MAX = 2000, REPEATS = 5 };
#define MIN_SECONDS 0.3

typedef struct bench {
    slk_compute *c;
    slk_dtype type;
    model m;
    slk_attention a;
    int n_rows;
    slk_path paths[N_PATHS];
    slk_run runs[N_PATHS][3];
    int32_t pos[ROWS_MAX], end[ROWS_MAX], slot[ROWS_MAX];
    double total; /* of what was timed last, per layer, ms */
} bench;

/* One thread's processor time says more than the clock on the wall where others use the machine, too. */
static clockid_t clock_id = CLOCK_MONOTONIC;

static double now(void)
{
    struct timespec t;
    clock_gettime(clock_id, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "bench_backward: %s\n", what);
    exit(1);
}

static void check(slk_status status, const slk_err *err)
{
    if (status) die(err->msg);
}

static void *make(slk_dtype dtype, int64_t n, float scale)
{
    void *x = slk_alloc_aligned((size_t)n, dtype == SLK_DTYPE_BF16 ? 2 : 4);
    if (!x) die("out of memory");
    for (int64_t i = 0; i < n; i++) {
        float v = ((float)((uint32_t)((uint64_t)i * 2654435761u) >> 8) * 0x1p-24f - 0.5f) * scale;
        if (dtype == SLK_DTYPE_BF16)
            ((uint16_t *)x)[i] = slk_f32_to_bf16(v);
        else
            ((float *)x)[i] = v;
    }
    return x;
}

static float *make_f32(int64_t n, float scale)
{
    return make(SLK_DTYPE_F32, n, scale);
}

/* Best of several, in ms: others may use the machine. */
#define TIME(ms, call)                                                                                                 \
    do {                                                                                                               \
        double begin_ = now();                                                                                         \
        (ms) = 1e9;                                                                                                    \
        for (int repeat_ = 0; repeat_ < REPEATS || now() - begin_ < MIN_SECONDS; repeat_++) {                          \
            double start_ = now();                                                                                     \
            call;                                                                                                      \
            double took_ = (now() - start_) * 1e3;                                                                     \
            if (took_ < (ms)) (ms) = took_;                                                                            \
        }                                                                                                              \
    } while (0)

/* Time something that a layer does n times. */
#define MEASURE(b, n, name, call)                                                                                      \
    do {                                                                                                               \
        double ms_;                                                                                                    \
        TIME(ms_, call);                                                                                               \
        printf("  %-28s %8.3f ms  x %d\n", name, ms_, n);                                                              \
        (b)->total += ms_ * (n);                                                                                       \
    } while (0)

/* --- the batch
 * -------------------------------------------------------------------------------------------------------- */

static int add_path(bench *b, int n, int parent, int n_rows)
{
    slk_path *p = &b->paths[n];
    *p = (slk_path){.row0 = b->n_rows, .n_rows = n_rows, .runs = b->runs[n]};
    if (parent >= 0) {
        const slk_path *up = &b->paths[parent];
        p->pos0 = up->pos0 + up->n_rows;
        p->n_runs = up->n_runs;
        p->n_shared = p->pos0;
        memcpy(b->runs[n], b->runs[parent], sizeof b->runs[n]);
    }
    b->runs[n][p->n_runs++] = (slk_run){p->row0, n_rows};
    for (int i = 0; i < n_rows; i++, b->n_rows++) {
        b->pos[b->n_rows] = p->pos0 + i;
        b->slot[b->n_rows] = b->n_rows;
    }
    return n + 1;
}

static void make_rows(bench *b)
{
    int n = add_path(b, 0, -1, ROOT);
    for (int s = 0; s < N_STEMS; s++) {
        int stem = n;
        n = add_path(b, n, 0, STEM);
        for (int l = 0; l < N_LEAVES; l++) n = add_path(b, n, stem, LEAF + (l % 4 == 0));
    }
    for (int r = b->n_rows - 1; r >= 0; r--) {
        int next = r + 1;
        while (next < b->n_rows && b->pos[next] > b->pos[r]) next = b->end[next];
        b->end[r] = next;
    }
}

/* --- products
 * --------------------------------------------------------------------------------------------------------- */

/* y = x W^T, dx = dy W, dW += dy^T x for one weight [n_out, n_in]. */
static void run_products(bench *b, const char *name, int n_rows, int n_out, int n_in)
{
    slk_err err;
    double ms[3], work = 2e-6 * n_rows * n_out * n_in;
    void *x = make(b->type, (int64_t)n_rows * n_in, 1), *w = make(b->type, (int64_t)n_out * n_in, 1),
         *dy = make(b->type, (int64_t)n_rows * n_out, 1);
    int64_t n_y = (int64_t)n_rows * (n_out > n_in ? n_out : n_in), n_w = (int64_t)n_out * n_in;
    float *y = make_f32(n_y > n_w ? n_y : n_w, 1);
    slk_product forward = {.n_rows = n_rows, .n_cols = n_out, .n_inner = n_in, .b_transposed = true};
    slk_product back_x = {.n_rows = n_rows, .n_cols = n_in, .n_inner = n_out};
    slk_product back_w = {.n_rows = n_out, .n_cols = n_in, .n_inner = n_rows, .a_transposed = true, .accumulate = true};
    TIME(ms[0], check(slk_compute_multiply(b->c, y, SLK_DTYPE_F32, x, w, &forward, &err), &err));
    TIME(ms[1], check(slk_compute_multiply(b->c, y, SLK_DTYPE_F32, dy, w, &back_x, &err), &err));
    TIME(ms[2], check(slk_compute_multiply(b->c, y, SLK_DTYPE_F32, dy, x, &back_w, &err), &err));
    printf("  %-8s %5d x %5d x %4d: y %8.3f ms %4.0f GFLOP/s, dx %8.3f ms %4.0f, dw %8.3f ms %4.0f\n", name, n_rows,
           n_out, n_in, ms[0], work / ms[0], ms[1], work / ms[1], ms[2], work / ms[2]);
    b->total += ms[0] + ms[1] + ms[2];
    free(x);
    free(w);
    free(dy);
    free(y);
}

/* --- everything else
 * -------------------------------------------------------------------------------------------------- */

static void run_rows(bench *b)
{
    slk_err err;
    int64_t n = b->n_rows, d = b->m.d, d_ff = b->m.d_ff;
    float *x = make_f32(n * d, 1), *dx = make_f32(n * d, 1), *dy = make_f32(n * d, 1), *gain = make_f32(d, 1),
          *dgain = make_f32(d, 1), *dbias = make_f32(d, 1);
    void *y = make(b->type, n * d, 1), *gu = make(b->type, n * 2 * d_ff, 4), *dgu = make(b->type, n * 2 * d_ff, 1),
         *h = make(b->type, n * d_ff, 1), *dh = make(b->type, n * d_ff, 1);
    uint8_t *mask = malloc((size_t)(n * ((d + 7) / 8)));
    uint64_t *hash = make(SLK_DTYPE_F32, 2 * n, 1);
    static const uint32_t key[2] = {1, 2};
    if (!mask) die("out of memory");
    MEASURE(b, 2, "rms norm", slk_compute_rms_norm(b->c, y, x, gain, 1e-5f, n, d));
    MEASURE(b, 2, "rms norm backward",
            check(slk_compute_rms_norm_backward(b->c, dx, dgain, dy, x, gain, 1e-5f, n, d, &err), &err));
    MEASURE(b, 1, "gate", slk_compute_gate(b->c, h, gu, b->type, SLK_ACT_SILU, true, n, d_ff));
    MEASURE(b, 1, "gate backward", slk_compute_gate_backward(b->c, dgu, h, dh, gu, SLK_ACT_SILU, true, n, d_ff));
    MEASURE(b, 2, "round", slk_compute_mask(b->c, y, x, NULL, 1, n, d));
    MEASURE(b, 2, "dropout mask", slk_compute_dropout_mask(b->c, mask, hash, 1, key, 0.1, n, d));
    MEASURE(b, 2, "add masked", slk_compute_add_masked(b->c, x, x, dy, mask, 1e-3f, n, d));
    MEASURE(b, 2, "mask", slk_compute_mask(b->c, y, x, mask, 1.1f, n, d));
    double layer = b->total;
    MEASURE(b, 1, "(layer norm backward)",
            check(slk_compute_layer_norm_backward(b->c, dx, dgain, dbias, dy, x, gain, 1e-5f, n, d, &err), &err));
    MEASURE(b, 1, "(add columns)", slk_compute_add_columns(b->c, dbias, y, n, d));
    b->total = layer;
    free(x);
    free(dx);
    free(dy);
    free(gain);
    free(dgain);
    free(dbias);
    free(y);
    free(gu);
    free(dgu);
    free(h);
    free(dh);
    free(mask);
    free(hash);
}

static void run_attention(bench *b)
{
    slk_err err;
    int64_t n = b->n_rows, d_q = (int64_t)b->a.n_heads * b->a.head_dim, d_kv = (int64_t)b->a.n_kv_heads * b->a.head_dim;
    float *qkv = make_f32(n * (d_q + 2 * d_kv), 1), *dq = make_f32(n * d_q, 1), *dk = make_f32(n * d_kv, 1),
          *dv = make_f32(n * d_kv, 1);
    void *q = make(b->type, n * d_q, 1), *y = make(b->type, n * d_q, 1), *dy = make(b->type, n * d_q, 1),
         *dqkv = make(b->type, n * (d_q + 2 * d_kv), 1);
    slk_kv kv = {make(b->type, n * d_kv, 1), make(b->type, n * d_kv, 1)};
    MEASURE(b, 1, "split qkv", slk_compute_split_qkv(b->c, q, &kv, qkv, b->pos, b->slot, &b->a, n));
    MEASURE(
        b, 1, "split qkv backward",
        check(slk_compute_split_qkv_backward(b->c, dqkv, NULL, NULL, dq, dk, dv, NULL, b->pos, &b->a, n, &err), &err));
    MEASURE(b, 1, "attention", check(slk_compute_attention(b->c, y, q, &kv, &b->a, b->paths, N_PATHS, &err), &err));
    MEASURE(b, 1, "attention backward",
            check(slk_compute_attention_backward(b->c, dq, dk, dv, dy, q, &kv, &b->a, b->paths, N_PATHS, b->pos, b->end,
                                                 n, &err),
                  &err));
    free(qkv);
    free(dq);
    free(dk);
    free(dv);
    free(q);
    free(y);
    free(dy);
    free(dqkv);
    free(kv.k);
    free(kv.v);
}

static void run_loss(bench *b)
{
    int64_t n = b->m.target_rows, vocab = b->m.vocab;
    float *logits = make_f32(n * vocab, 8);
    void *dlogits = make(b->type, n * vocab, 1);
    double *losses = slk_alloc_zero((size_t)n, sizeof *losses);
    int32_t *first = slk_alloc_zero((size_t)n + 1, sizeof *first),
            *targets = slk_alloc_zero((size_t)n, sizeof *targets);
    if (!losses || !first || !targets) die("out of memory");
    for (int64_t r = 0; r < n; r++) {
        first[r + 1] = (int32_t)r + 1;
        targets[r] = (int32_t)(r * 13 % vocab);
    }
    MEASURE(b, 1, "cross entropy",
            slk_compute_cross_entropy(b->c, dlogits, losses, logits, 0, first, targets, 1, n, vocab));
    MEASURE(b, 1, "cross entropy, soft-capped",
            slk_compute_cross_entropy(b->c, dlogits, losses, logits, 30, first, targets, 1, n, vocab));
    free(logits);
    free(dlogits);
    free(losses);
    free(first);
    free(targets);
}

static void run_optimiser(bench *b, int64_t n)
{
    float *w = make_f32(n, 1), *m = make_f32(n, 1e-3f), *v = make_f32(n, 1e-3f), *g = make_f32(n, 1);
    uint16_t *rounded = b->type == SLK_DTYPE_BF16 ? make(SLK_DTYPE_BF16, n, 1) : NULL;
    slk_adamw step = {.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .decay = 0.01, .clip = 1, .t = 10};
    double sum = 0;
    for (int64_t i = 0; i < n; i++) v[i] *= v[i];
    MEASURE(b, 1, "sum of squares", sum += slk_compute_sum_squares(b->c, g, n));
    MEASURE(b, 1, "adamw", slk_compute_adamw(b->c, &step, w, rounded, m, v, g, n));
    if (!(sum > 0)) die("no sum");
    free(w);
    free(m);
    free(v);
    free(g);
    free(rounded);
}

static void run_model(bench *b)
{
    const model *m = &b->m;
    int d_q = m->heads * m->head_dim, d_qkv = d_q + 2 * m->kv_heads * m->head_dim;
    float *cos = make_f32(64 * m->head_dim, 1), *sin = make_f32(64 * m->head_dim, 1);
    b->a = (slk_attention){.n_heads = m->heads,
                           .n_kv_heads = m->kv_heads,
                           .head_dim = m->head_dim,
                           .scale = 0.125f,
                           .rope_cos = cos,
                           .rope_sin = sin};
    printf("%s: %d rows, %d with targets\n", m->name, b->n_rows, m->target_rows);
    b->total = 0;
    run_products(b, "qkv", b->n_rows, d_qkv, m->d);
    run_products(b, "out", b->n_rows, m->d, d_q);
    run_products(b, "gate-up", b->n_rows, 2 * m->d_ff, m->d);
    run_products(b, "down", b->n_rows, m->d, m->d_ff);
    double products = b->total;
    b->total = 0;
    run_rows(b);
    run_attention(b);
    printf("  a layer: products %.2f ms, all else %.2f ms: %.1f%%\n", products, b->total, b->total / products * 100);
    b->total = 0;
    run_products(b, "logits", m->target_rows, m->vocab, m->d);
    run_loss(b);
    b->total = 0;
    int64_t n_weights = (int64_t)m->d * (d_qkv + d_q + 3 * m->d_ff);
    run_optimiser(b, n_weights);
    printf("  optimiser for a layer's %lld weights: %.2f ms: %.1f%% of its products\n", (long long)n_weights, b->total,
           b->total / products * 100);
    free(cos);
    free(sin);
}

int main(int argc, char **argv)
{
    slk_err err;
    slk_compute_options options = {.backend = SLK_BACKEND_DNNL, .dtype = -1, .n_threads = argc > 1 ? atoi(argv[1]) : 2};
    if (argc > 2) options.dtype = strcmp(argv[2], "f32") ? SLK_DTYPE_BF16 : SLK_DTYPE_F32;
    static bench b;
    if (options.n_threads == 1) clock_id = CLOCK_THREAD_CPUTIME_ID;
    check(slk_compute_create(&b.c, &options, &err), &err);
    b.type = slk_compute_dtype(b.c);
    printf("kernels %s, %d threads\n", slk_compute_kernel_set(b.c), slk_compute_n_threads(b.c));
    make_rows(&b);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        b.m = models[i];
        run_model(&b);
    }
    slk_compute_free(b.c);
    return 0;
}
