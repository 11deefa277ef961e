/* Where the time of a layer goes: the operations of SmolLM2-135M's layers (and the choice of logits) on one batch as
 * slick's probe makes them, each timed by itself inside the sequence.
 *
 * usage: bench_layer [threads [questions [rows of a question [prefix [f32|bf16 [plain]]]]]]
 * Defaults: 2 100 10 90 bf16: 10 prompts of 90 tokens, 100 questions of 10 rows under them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/mem.h"
#include "compute/bench.h"
#include "compute/compute.h"

enum { D = 576, HEADS = 9, KV_HEADS = 3, HEAD_DIM = 64, D_FF = 1536, D_QKV = (HEADS + 2 * KV_HEADS) * HEAD_DIM };
enum { N_LAYERS = 30, VOCAB = 49152, CHUNK = 4096, N_PROMPTS = 10, TOP_K = 40 };
enum { NORM, QKV, SPLIT, ATTEND, OUT, GATE_UP, GATE, DOWN, LOGITS, TOP, N_PHASES };
static const char *const phase_names[] = {
    "norms",           "qkv product", "split qkv",    "attention",      "out product",
    "gate-up product", "gate",        "down product", "logits product", "top"};

typedef struct layer {
    slk_weight qkv, out, gate_up, down;
} layer;

typedef struct bench {
    slk_compute *c;
    slk_attention a;
    layer layers[N_LAYERS];
    slk_weight chunks[VOCAB / CHUNK];
    int n_rows, n_slots, n_paths, n_logit_rows;
    slk_path *paths;
    slk_run *runs;
    int32_t *pos, *slot;
    slk_kv kv;
    float *x, *qkv, *gain, *logits;
    void *normed, *q, *attended, *gu, *gated;
    slk_top *tops;
    double seconds[N_PHASES];
} bench;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "bench_layer: %s\n", what);
    exit(1);
}

static void *make(slk_dtype dtype, size_t n, float scale)
{
    void *x = slk_alloc_aligned(n, dtype == SLK_DTYPE_BF16 ? 2 : 4);
    if (!x) die("out of memory");
    for (size_t i = 0; i < n; i++) {
        float v = ((float)((uint32_t)(i * 2654435761u) >> 8) * 0x1p-24f - 0.5f) * scale;
        if (dtype == SLK_DTYPE_BF16)
            ((uint16_t *)x)[i] = slk_f32_to_bf16(v);
        else
            ((float *)x)[i] = v;
    }
    return x;
}

static slk_weight make_weight(bench *b, int64_t n_out, int64_t n_in, bool pack)
{
    slk_err err;
    slk_packed *packed = NULL;
    slk_weight w = {.n_out = n_out, .n_in = n_in};
    w.data = make(slk_compute_dtype(b->c), (size_t)(n_out * n_in), 0.05f);
    if (pack && slk_compute_pack(b->c, &packed, &w, &err)) die(err.msg);
    w.packed = packed;
    return w;
}

/* Prompts lie in the slots from 0 on, each question's rows behind them. */
static void make_paths(bench *b, int n_questions, int n_own, int prefix)
{
    b->n_paths = n_questions;
    b->n_rows = n_questions * n_own;
    b->n_slots = N_PROMPTS * prefix + b->n_rows;
    b->paths = slk_alloc_zero((size_t)n_questions, sizeof *b->paths);
    b->runs = slk_alloc_zero((size_t)n_questions * 2, sizeof *b->runs);
    b->pos = slk_alloc_zero((size_t)b->n_rows, sizeof *b->pos);
    b->slot = slk_alloc_zero((size_t)b->n_rows, sizeof *b->slot);
    if (!b->paths || !b->runs || !b->pos || !b->slot) die("out of memory");
    for (int i = 0; i < n_questions; i++) {
        int prompt = (int)((long long)i * N_PROMPTS / n_questions);
        bool first = i == 0 || prompt != (int)((long long)(i - 1) * N_PROMPTS / n_questions);
        slk_run *runs = b->runs + 2 * i;
        runs[0] = (slk_run){prompt * prefix, prefix};
        runs[1] = (slk_run){N_PROMPTS * prefix + i * n_own, n_own};
        b->paths[i] = (slk_path){i * n_own, n_own, prefix, runs, 2, first ? 0 : prefix};
        for (int r = 0; r < n_own; r++) {
            b->pos[i * n_own + r] = prefix + r;
            b->slot[i * n_own + r] = runs[1].slot + r;
        }
    }
}

static void make_model(bench *b, int max_pos, bool pack)
{
    static const slk_shape shapes[] = {{D_QKV, D}, {D, D}, {2 * D_FF, D}, {D, D_FF}, {CHUNK, D}};
    slk_err err;
    double start = now();
    if (slk_compute_self_test(b->c, shapes, sizeof shapes / sizeof *shapes, &err)) die(err.msg);
    printf("self-test: %.2f s, kernels %s\n", now() - start, slk_compute_kernel_set(b->c));
    for (int i = 0; i < N_LAYERS; i++)
        b->layers[i] = (layer){make_weight(b, D_QKV, D, pack), make_weight(b, D, D, pack),
                               make_weight(b, 2 * D_FF, D, pack), make_weight(b, D, D_FF, pack)};
    for (int i = 0; i < VOCAB / CHUNK; i++) b->chunks[i] = make_weight(b, CHUNK, D, pack);
    float *cos = make(SLK_DTYPE_F32, (size_t)max_pos * HEAD_DIM / 2, 1),
          *sin = make(SLK_DTYPE_F32, (size_t)max_pos * HEAD_DIM / 2, 1);
    b->a = (slk_attention){.n_heads = HEADS,
                           .n_kv_heads = KV_HEADS,
                           .head_dim = HEAD_DIM,
                           .scale = 0.125f,
                           .rope_pairs = true,
                           .rope_cos = cos,
                           .rope_sin = sin};
}

static void make_rows(bench *b)
{
    slk_dtype t = slk_compute_dtype(b->c);
    size_t n = (size_t)b->n_rows;
    b->n_logit_rows = b->n_rows / 5;
    b->x = make(SLK_DTYPE_F32, n * D, 2);
    b->qkv = make(SLK_DTYPE_F32, n * D_QKV, 2);
    b->gain = make(SLK_DTYPE_F32, D, 2);
    b->logits = make(SLK_DTYPE_F32, (size_t)b->n_logit_rows * CHUNK + 1, 2);
    b->normed = make(t, n * D, 2);
    b->q = make(t, n * D, 2);
    b->attended = make(t, n * D, 2);
    b->gu = make(t, n * 2 * D_FF, 2);
    b->gated = make(t, n * D_FF, 2);
    b->kv.k = make(t, (size_t)b->n_slots * KV_HEADS * HEAD_DIM, 2);
    b->kv.v = make(t, (size_t)b->n_slots * KV_HEADS * HEAD_DIM, 2);
    b->tops = slk_alloc_zero((size_t)b->n_logit_rows + 1, sizeof *b->tops);
    if (!b->tops) die("out of memory");
    for (int r = 0; r < b->n_logit_rows; r++)
        b->tops[r] = (slk_top){
            .k = TOP_K, .ids = make(SLK_DTYPE_F32, TOP_K, 0), .logits = make(SLK_DTYPE_F32, TOP_K, 0), .target = -1};
}

static void multiply(bench *b, int phase, void *y, slk_dtype y_dtype, const void *x, const slk_weight *w, int n_rows,
                     bool accumulate)
{
    slk_err err;
    double start = now();
    if (slk_compute_matmul(b->c, y, y_dtype, w->n_out, x, w->n_in, w, n_rows, accumulate, &err)) die(err.msg);
    b->seconds[phase] += now() - start;
}

static void run_layer(bench *b, const layer *l)
{
    slk_err err;
    slk_dtype t = slk_compute_dtype(b->c);
    double start = now();
    slk_compute_rms_norm(b->c, b->normed, b->x, b->gain, 1e-5f, b->n_rows, D);
    b->seconds[NORM] += now() - start;
    multiply(b, QKV, b->qkv, SLK_DTYPE_F32, b->normed, &l->qkv, b->n_rows, false);
    start = now();
    slk_compute_split_qkv(b->c, b->q, &b->kv, b->qkv, b->pos, b->slot, &b->a, b->n_rows);
    b->seconds[SPLIT] += now() - start;
    start = now();
    if (slk_compute_attention(b->c, b->attended, b->q, &b->kv, &b->a, b->paths, b->n_paths, &err)) die(err.msg);
    b->seconds[ATTEND] += now() - start;
    multiply(b, OUT, b->x, SLK_DTYPE_F32, b->attended, &l->out, b->n_rows, true);
    start = now();
    slk_compute_rms_norm(b->c, b->normed, b->x, b->gain, 1e-5f, b->n_rows, D);
    b->seconds[NORM] += now() - start;
    multiply(b, GATE_UP, b->gu, t, b->normed, &l->gate_up, b->n_rows, false);
    start = now();
    slk_compute_gate(b->c, b->gated, b->gu, t, SLK_ACT_SILU, true, b->n_rows, D_FF);
    b->seconds[GATE] += now() - start;
    multiply(b, DOWN, b->x, SLK_DTYPE_F32, b->gated, &l->down, b->n_rows, true);
}

static void run_logits(bench *b)
{
    for (int r = 0; r < b->n_logit_rows; r++) b->tops[r].n = 0;
    for (int i = 0; b->n_logit_rows && i < VOCAB / CHUNK; i++) {
        multiply(b, LOGITS, b->logits, SLK_DTYPE_F32, b->normed, &b->chunks[i], b->n_logit_rows, false);
        double start = now();
        slk_compute_top(b->c, b->tops, b->logits, CHUNK, b->n_logit_rows, i * CHUNK, CHUNK, 0);
        b->seconds[TOP] += now() - start;
    }
}

static void report(const bench *b, double peak)
{
    double layer_work = 2.0 * b->n_rows * D * (D_QKV + D + 3 * D_FF) * N_LAYERS;
    double logit_work = 2.0 * b->n_logit_rows * D * (double)VOCAB, total = 0, products = 0;
    for (int i = 0; i < N_PHASES; i++) total += b->seconds[i];
    printf("%d rows, %d rows of logits: %.1f ms, %.0f GFLOP/s, %.1f%% of the peak of %.0f\n", b->n_rows,
           b->n_logit_rows, total * 1e3, (layer_work + logit_work) / total * 1e-9,
           (layer_work + logit_work) / total * 1e-7 / peak, peak);
    for (int i = 0; i < N_PHASES; i++) {
        bool product = strstr(phase_names[i], "product");
        if (product) products += b->seconds[i];
        printf("  %-16s %8.3f ms %5.1f%%\n", phase_names[i], b->seconds[i] * 1e3, b->seconds[i] / total * 100);
    }
    printf("  products %.1f ms at %.0f GFLOP/s; all else %.1f%% of them\n", products * 1e3,
           (layer_work + logit_work) / products * 1e-9, (total / products - 1) * 100);
}

int main(int argc, char **argv)
{
    int args[] = {2, 100, 10, 90};
    for (int i = 0; i < 4 && i + 1 < argc; i++) args[i] = atoi(argv[i + 1]);
    slk_err err;
    bench b = {0};
    slk_compute_options options = {.backend = SLK_BACKEND_DNNL, .dtype = -1, .n_threads = args[0]};
    if (argc > 5) options.dtype = strcmp(argv[5], "f32") ? SLK_DTYPE_BF16 : SLK_DTYPE_F32;
    if (args[1] < 1 || args[2] < 1 || args[3] < 1) die("sizes must be positive");
    if (slk_compute_create(&b.c, &options, &err)) die(err.msg);
    make_paths(&b, args[1], args[2], args[3]);
    make_model(&b, args[2] + args[3], !(argc > 6 && !strcmp(argv[6], "plain")));
    make_rows(&b);
    double peak, best[N_PHASES];
    if (slk_compute_bench_gemm(b.c, &peak, &err)) die(err.msg);
    for (int i = 0; i < N_PHASES; i++) best[i] = 1e9;
    for (int repeat = 0; repeat < 6; repeat++) {
        memset(b.seconds, 0, sizeof b.seconds);
        for (int i = 0; i < N_LAYERS; i++) run_layer(&b, &b.layers[i]);
        run_logits(&b);
        memset(b.x, 0, (size_t)b.n_rows * D * sizeof *b.x); /* the residual stream must not grow without end */
        for (int i = 0; i < b.n_rows * D; i++) b.x[i] = (float)(i % 17 - 8);
        for (int i = 0; i < N_PHASES; i++)
            if (b.seconds[i] < best[i]) best[i] = b.seconds[i];
    }
    memcpy(b.seconds, best, sizeof best);
    report(&b, peak);
    slk_compute_free(b.c);
    return 0;
}
