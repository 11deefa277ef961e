/* The products of training, in any orientation; not row-invariant. */
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

slk_status slk_dnnl_multiply(slk_dnnl *d, void *y, slk_dtype y_dtype, const void *a, const void *b,
                             const slk_product *p, slk_err *err)
{
    slk_weight w = {.data = b, .n_out = p->n_cols, .n_in = p->n_inner, .bias = p->bias};
    slk_dnnl_key k = make_key(d, y_dtype, p);
    slk_dnnl_primitive *primitive = slk_dnnl_find(d, &k, NULL);
    void *scratch = primitive ? slk_scratch_get(&d->scratch, primitive->scratch_bytes + 1) : NULL;
    omp_set_num_threads(d->n_threads);
    if (!scratch || !slk_dnnl_run(d, primitive, y, a, &w, scratch))
        return slk_fail(err, SLK_E_MEMORY, "oneDNN: the product [%lld, %lld] with %lld inner values failed",
                        (long long)p->n_rows, (long long)p->n_cols, (long long)p->n_inner);
    return SLK_OK;
}
