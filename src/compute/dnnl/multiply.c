/* The products of training, in any orientation; not row-invariant.
 *
 * Below AVX-512 a primitive of f32 comes down to the library's sgemm (measured: the same speed in every orientation,
 * 80-90% of a Zen 3 core's peak), so that is called itself: the number of rows is another one in each step of training,
 * and making its primitives would take longer than the products of a small model. */
#include "compute/dnnl/primitive.h"

#include <omp.h>
#include <string.h>

static slk_dnnl_key make_key(const slk_dnnl *d, slk_dtype y_dtype, const slk_product *p)
{
    slk_dnnl_key k;
    memset(&k, 0, sizeof k);
    k.n_rows = p->n_rows;
    k.n_out = p->n_cols;
    k.n_in = p->n_inner;
    k.y_dtype = (int32_t)y_dtype;
    k.accumulate = p->accumulate;
    k.bias = p->bias != NULL;
    k.n_threads = d->n_threads;
    k.x_columns = p->a_transposed;
    k.w_rows = !p->b_transposed;
    return k;
}

/* Does sgemm do it? It knows no bias. */
static bool is_sgemm(const slk_dnnl *d, const slk_product *p)
{
    return d->dtype == SLK_DTYPE_F32 && !p->bias && slk_dnnl_isa() < SLK_ISA_AVX512;
}

static bool run_sgemm(float *y, const float *a, const float *b, const slk_product *p)
{
    return dnnl_sgemm(p->a_transposed ? 'T' : 'N', p->b_transposed ? 'T' : 'N', p->n_rows, p->n_cols, p->n_inner, 1, a,
                      p->a_transposed ? p->n_rows : p->n_inner, b, p->b_transposed ? p->n_inner : p->n_cols,
                      p->accumulate ? 1 : 0, y, p->n_cols) == dnnl_success;
}

static bool run_matmul(slk_dnnl *d, void *y, slk_dtype y_dtype, const void *a, const void *b, const slk_product *p)
{
    slk_weight w = {.data = b, .n_out = p->n_cols, .n_in = p->n_inner, .bias = p->bias};
    slk_dnnl_key k = make_key(d, y_dtype, p);
    slk_dnnl_primitive *primitive = slk_dnnl_find(d, &k, NULL);
    void *scratch = primitive ? slk_scratch_get(&d->scratch, primitive->scratch_bytes + 1) : NULL;
    return scratch && slk_dnnl_run(d, primitive, y, a, &w, scratch);
}

slk_status slk_dnnl_multiply(slk_dnnl *d, void *y, slk_dtype y_dtype, const void *a, const void *b,
                             const slk_product *p, slk_err *err)
{
    omp_set_num_threads(d->n_threads);
    if (!(is_sgemm(d, p) ? run_sgemm(y, a, b, p) : run_matmul(d, y, y_dtype, a, b, p)))
        return slk_fail(err, SLK_E_MEMORY, "oneDNN: the product [%lld, %lld] with %lld inner values failed",
                        (long long)p->n_rows, (long long)p->n_cols, (long long)p->n_inner);
    return SLK_OK;
}
