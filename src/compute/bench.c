#include "compute/bench.h"

#include <stdlib.h>
#include <time.h>
#include "base/mem.h"

/* Weights of one measurement, together larger than a second-level cache, as the layers of a model are. */
#define SET_BYTES (8u << 20)
#define SET_MAX   32

typedef struct operands {
    char *weights; /* n_weights matrices */
    slk_packed *packed[SET_MAX];
    size_t n_weights, weight_bytes;
    void *x;
    float *y;
} operands;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Values around 1/64 of either sign: sums stay far from overflow and from denormal numbers, which are slow. */
static void fill(void *x, slk_dtype dtype, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float v = (float)((int)(i * 2654435761u >> 24 & 63) - 31) * 0x1p-10f;
        if (dtype == SLK_DTYPE_BF16)
            ((uint16_t *)x)[i] = slk_f32_to_bf16(v);
        else
            ((float *)x)[i] = v;
    }
}

static slk_weight weight_at(const operands *o, const slk_bench_gemm *b, size_t i)
{
    i %= o->n_weights;
    return (slk_weight){
        .data = o->weights + i * o->weight_bytes, .n_out = b->n_out, .n_in = b->n_in, .packed = o->packed[i]};
}

static void operands_release(operands *o)
{
    for (size_t i = 0; i < o->n_weights; i++) slk_packed_free(o->packed[i]);
    free(o->weights);
    free(o->x);
    free(o->y);
}

static slk_status operands_init(operands *o, slk_compute *c, const slk_bench_gemm *b, slk_err *err)
{
    slk_dtype dtype = slk_compute_dtype(c);
    size_t bytes = dtype == SLK_DTYPE_BF16 ? 2 : 4, n = (size_t)(b->n_out * b->n_in);
    o->weight_bytes = n * bytes;
    o->n_weights = SET_BYTES / o->weight_bytes + 1;
    if (o->n_weights > SET_MAX) o->n_weights = SET_MAX;
    o->weights = slk_alloc_aligned(o->n_weights, o->weight_bytes);
    o->x = slk_alloc_aligned((size_t)(b->n_rows * b->n_in), bytes);
    o->y = slk_alloc_aligned((size_t)(b->n_rows * b->n_out), sizeof *o->y);
    if (!o->weights || !o->x || !o->y) return slk_fail(err, SLK_E_MEMORY, "bench: out of memory");
    fill(o->weights, dtype, o->n_weights * n);
    fill(o->x, dtype, (size_t)(b->n_rows * b->n_in));
    for (size_t i = 0; b->packed && i < o->n_weights; i++) {
        slk_weight w = weight_at(o, b, i);
        slk_status status = slk_compute_pack(c, &o->packed[i], &w, err);
        if (status) return status;
    }
    return SLK_OK;
}

/* Seconds of n products. */
static slk_status measure(slk_compute *c, const operands *o, const slk_bench_gemm *b, size_t n, double *seconds,
                          slk_err *err)
{
    double start = now();
    for (size_t i = 0; i < n; i++) {
        slk_weight w = weight_at(o, b, i);
        slk_status status =
            slk_compute_matmul(c, o->y, SLK_DTYPE_F32, b->n_out, o->x, b->n_in, &w, b->n_rows, false, err);
        if (status) return status;
    }
    *seconds = now() - start;
    return SLK_OK;
}

slk_status slk_compute_bench_shape(slk_compute *c, slk_bench_gemm *b, double min_seconds, slk_err *err)
{
    b->gflops = 0;
    if (b->n_rows < 1 || b->n_out < 1 || b->n_in < 1)
        return slk_fail(err, SLK_E_SHAPE, "bench: %lld rows, weight [%lld, %lld]", (long long)b->n_rows,
                        (long long)b->n_out, (long long)b->n_in);
    operands o = {0};
    double work = 2.0 * (double)b->n_rows * (double)b->n_out * (double)b->n_in, seconds, start = now();
    size_t n = 1 + (size_t)(1e9 / work);
    slk_status status = operands_init(&o, c, b, err);
    if (!status) status = measure(c, &o, b, 2, &seconds, err); /* makes the primitive */
    for (int i = 0; !status && (i < 5 || now() - start < min_seconds); i++) {
        status = measure(c, &o, b, n, &seconds, err);
        double gflops = status ? 0 : work * (double)n / seconds * 1e-9;
        if (gflops > b->gflops) b->gflops = gflops;
    }
    operands_release(&o);
    return status;
}

slk_status slk_compute_bench_gemm(slk_compute *c, double *gflops, slk_err *err)
{
    static const int64_t shapes[][3] = {{1024, 512, 512}, {1024, 2048, 512}, {1024, 1024, 1024}, {2048, 4096, 1024}};
    *gflops = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        slk_bench_gemm b = {.n_rows = shapes[i][0], .n_out = shapes[i][1], .n_in = shapes[i][2], .packed = true};
        slk_status status = slk_compute_bench_shape(c, &b, 0.5, err);
        if (status) return status;
        if (b.gflops > *gflops) *gflops = b.gflops;
    }
    return SLK_OK;
}
