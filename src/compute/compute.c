/* Creation, and the spreading of rows over threads. Attention's cutting is in attend.c. */
#include "compute/internal.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"

/* Rows from which a parallel region saves more than it costs, for operations of a few hundred values a row. */
#define ROWS_FOR_THREADS 8

void *slk_scratch_get(slk_scratch *s, size_t n_bytes)
{
    if (n_bytes <= s->n_bytes && s->data) return s->data;
    void *data = slk_alloc_aligned(n_bytes, 1);
    if (!data) return NULL;
    free(s->data);
    s->data = data;
    s->n_bytes = n_bytes;
    return data;
}

static void name_kernel_set(slk_compute *c)
{
    if (!c->dnnl) {
        snprintf(c->kernel_set, sizeof c->kernel_set, "ref");
        return;
    }
    static const char *const names[] = {"sse41", "avx2", "avx512", "avx512bf16", "amx"};
    int major, minor, patch;
    slk_dnnl_version(&major, &minor, &patch);
    slk_isa isa = slk_dnnl_isa();
    if (c->dtype == SLK_DTYPE_F32 && isa > SLK_ISA_AVX512) isa = SLK_ISA_AVX512;
    int n = snprintf(c->kernel_set, sizeof c->kernel_set, "dnnl%d.%d.%d-%s", major, minor, patch, names[isa]);
    int tile = slk_dnnl_tile(c->dnnl);
    if (tile) snprintf(c->kernel_set + n, sizeof c->kernel_set - (size_t)n, "-tile%d", tile);
}

/* Processors that are the first hardware thread of their core, as the kernel tells; 0: it does not. */
static int count_cores(void)
{
    int n = 0;
    for (long i = 0; i < sysconf(_SC_NPROCESSORS_CONF); i++) {
        char path[96];
        long first;
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%ld/topology/thread_siblings_list", i);
        FILE *f = fopen(path, "r");
        if (!f) continue;
        if (fscanf(f, "%ld", &first) == 1 && first == i) n++;
        fclose(f);
    }
    return n;
}

/* Physical cores among the processors this process may use: a core's second hardware thread does not help products. */
static int default_threads(void)
{
    int n = omp_get_num_procs(), n_cores = count_cores();
    if (n_cores > 0 && n_cores < n) n = n_cores;
    return n < 1 ? 1 : n;
}

slk_status slk_compute_create(slk_compute **out, const slk_compute_options *options, slk_err *err)
{
    *out = NULL;
    slk_isa isa = options->backend == SLK_BACKEND_DNNL ? slk_dnnl_isa() : SLK_ISA_NONE;
    int dtype = options->dtype;
    if (dtype == -1) dtype = isa >= SLK_ISA_AVX512BF16 ? SLK_DTYPE_BF16 : SLK_DTYPE_F32;
    if (dtype != SLK_DTYPE_F32 && dtype != SLK_DTYPE_BF16)
        return slk_fail(err, SLK_E_ARG, "compute type %d: expected f32 or bf16", dtype);
    if (options->backend == SLK_BACKEND_DNNL && dtype == SLK_DTYPE_BF16 && isa < SLK_ISA_AVX512BF16)
        return slk_fail(err, SLK_E_UNSUPPORTED, "bf16: this processor does not multiply it (AVX512-BF16), use f32");
    slk_compute *c = slk_alloc_zero(1, sizeof *c);
    if (!c) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    c->dtype = (slk_dtype)dtype;
    c->n_threads = options->n_threads > 0 ? options->n_threads : default_threads();
    c->kernels = &slk_kernels_ref;
    if (options->backend == SLK_BACKEND_DNNL) {
        if (dtype == SLK_DTYPE_BF16)
            c->kernels = &slk_kernels_avx512bf16;
        else if (isa >= SLK_ISA_AVX512)
            c->kernels = &slk_kernels_avx512;
        else if (isa == SLK_ISA_AVX2)
            c->kernels = &slk_kernels_avx2;
        slk_status status = slk_dnnl_create(&c->dnnl, c->dtype, c->n_threads, err);
        if (status) {
            slk_compute_free(c);
            return status;
        }
    }
    name_kernel_set(c);
    *out = c;
    return SLK_OK;
}

void slk_compute_free(slk_compute *c)
{
    if (!c) return;
    slk_dnnl_free(c->dnnl);
    free(c->attend.data);
    free(c->lanes.data);
    free(c->groups.data);
    free(c->sums.data);
    free(c->pairs.data);
    free(c->pairs_at.data);
    free(c->row_blocks.data);
    free(c);
}

slk_dtype slk_compute_dtype(const slk_compute *c)
{
    return c->dtype;
}

int slk_compute_n_threads(const slk_compute *c)
{
    return c->n_threads;
}

const char *slk_compute_kernel_set(const slk_compute *c)
{
    return c->kernel_set;
}

static size_t dtype_bytes(slk_dtype t)
{
    return t == SLK_DTYPE_BF16 ? 2 : 4;
}

/* All threads or one: a team of changing size makes the OpenMP runtime end threads and start new ones. */
static int threads_for(const slk_compute *c, int64_t n_rows)
{
    return n_rows < ROWS_FOR_THREADS ? 1 : c->n_threads;
}

slk_status slk_compute_matmul(slk_compute *c, void *y, slk_dtype y_dtype, int64_t ldy, const void *x, int64_t ldx,
                              const slk_weight *w, int64_t n_rows, bool accumulate, slk_err *err)
{
    if (n_rows < 1 || w->n_out < 1 || w->n_in < 1 || ldy < w->n_out || ldx < w->n_in)
        return slk_fail(err, SLK_E_SHAPE, "matmul: %lld rows, weight [%lld, %lld], strides %lld and %lld",
                        (long long)n_rows, (long long)w->n_out, (long long)w->n_in, (long long)ldy, (long long)ldx);
    if ((y_dtype != SLK_DTYPE_F32 && y_dtype != c->dtype) || (accumulate && y_dtype != SLK_DTYPE_F32))
        return slk_fail(err, SLK_E_SHAPE, "matmul: output must be f32, or bf16 in bf16 without accumulation");
    if (c->dnnl) return slk_dnnl_matmul(c->dnnl, y, y_dtype, ldy, x, ldx, w, n_rows, accumulate, err);
    size_t y_step = (size_t)ldy * dtype_bytes(y_dtype), x_step = (size_t)ldx * dtype_bytes(c->dtype);
#pragma omp parallel for schedule(static) num_threads(c->n_threads) if (n_rows > 1)
    for (int64_t r = 0; r < n_rows; r++)
        c->kernels->matmul((char *)y + (size_t)r * y_step, y_dtype, (const char *)x + (size_t)r * x_step, c->dtype, w,
                           accumulate);
    return SLK_OK;
}

slk_status slk_compute_pack(slk_compute *c, slk_packed **out, const slk_weight *w, slk_err *err)
{
    *out = NULL;
    return c->dnnl ? slk_dnnl_pack(c->dnnl, out, w, err) : SLK_OK;
}

slk_status slk_compute_self_test(slk_compute *c, const slk_shape *shapes, size_t n_shapes, slk_err *err)
{
    if (!c->dnnl) return SLK_OK;
    slk_status status = slk_dnnl_self_test(c->dnnl, shapes, n_shapes, err);
    name_kernel_set(c);
    return status;
}

void slk_compute_rms_norm(slk_compute *c, void *y, const float *x, const float *gain, float eps, int64_t n_rows,
                          int64_t d)
{
    size_t step = (size_t)d * dtype_bytes(c->dtype);
#pragma omp parallel for schedule(static) num_threads(threads_for(c, n_rows))
    for (int64_t r = 0; r < n_rows; r++)
        c->kernels->rms_norm((char *)y + (size_t)r * step, c->dtype, x + r * d, gain, eps, d);
}

void slk_compute_rms_norm_f32(slk_compute *c, float *y, const float *x, const float *gain, float eps, int64_t n_rows,
                              int64_t d)
{
#pragma omp parallel for schedule(static) num_threads(threads_for(c, n_rows))
    for (int64_t r = 0; r < n_rows; r++) c->kernels->rms_norm(y + r * d, SLK_DTYPE_F32, x + r * d, gain, eps, d);
}

void slk_compute_layer_norm(slk_compute *c, void *y, const float *x, const float *gain, const float *bias, float eps,
                            int64_t n_rows, int64_t d)
{
    size_t step = (size_t)d * dtype_bytes(c->dtype);
#pragma omp parallel for schedule(static) num_threads(threads_for(c, n_rows))
    for (int64_t r = 0; r < n_rows; r++)
        c->kernels->layer_norm((char *)y + (size_t)r * step, c->dtype, x + r * d, gain, bias, eps, d);
}

void slk_compute_add(slk_compute *c, float *x, const float *y, int64_t n_rows, int64_t d)
{
#pragma omp parallel for schedule(static) num_threads(threads_for(c, n_rows))
    for (int64_t r = 0; r < n_rows; r++) c->kernels->add(x + r * d, y + r * d, d);
}

void slk_compute_gate(slk_compute *c, void *y, const void *gu, slk_dtype gu_dtype, slk_activation act, bool gated,
                      int64_t n_rows, int64_t d_ff)
{
    size_t y_step = (size_t)d_ff * dtype_bytes(c->dtype);
    size_t gu_step = (size_t)d_ff * dtype_bytes(gu_dtype) * (gated ? 2 : 1);
#pragma omp parallel for schedule(static) num_threads(threads_for(c, n_rows))
    for (int64_t r = 0; r < n_rows; r++)
        c->kernels->gate((char *)y + (size_t)r * y_step, c->dtype, (const char *)gu + (size_t)r * gu_step, gu_dtype,
                         act, gated, d_ff);
}

void slk_compute_split_qkv(slk_compute *c, void *q, const slk_kv *kv, const float *qkv, const int32_t *pos,
                           const int32_t *slot, const slk_attention *a, int64_t n_rows)
{
    int64_t d_q = (int64_t)a->n_heads * a->head_dim, d_kv = (int64_t)a->n_kv_heads * a->head_dim;
    size_t q_step = (size_t)d_q * dtype_bytes(c->dtype), kv_step = (size_t)d_kv * dtype_bytes(c->dtype);
#pragma omp parallel for schedule(static) num_threads(threads_for(c, n_rows))
    for (int64_t r = 0; r < n_rows; r++)
        c->kernels->split_qkv((char *)q + (size_t)r * q_step, (char *)kv->k + (size_t)slot[r] * kv_step,
                              (char *)kv->v + (size_t)slot[r] * kv_step, c->dtype, qkv + r * (d_q + 2 * d_kv), pos[r],
                              a);
}

void slk_compute_top(slk_compute *c, slk_top *tops, const float *logits, int64_t ld, int64_t n_rows, int32_t column0,
                     int32_t n_columns, float softcap)
{
#pragma omp parallel for schedule(static) num_threads(c->n_threads) if (n_rows > 1)
    for (int64_t r = 0; r < n_rows; r++) c->kernels->top(&tops[r], logits + r * ld, column0, n_columns, softcap);
}
