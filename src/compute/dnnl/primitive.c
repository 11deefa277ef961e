#include "compute/dnnl/primitive.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

/* --- the library's state
 * ---------------------------------------------------------------------------------------------- */

slk_isa slk_dnnl_isa(void)
{
    unsigned isa = (unsigned)dnnl_get_effective_cpu_isa();
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return SLK_ISA_NONE;
    if ((isa & dnnl_cpu_isa_avx2) != dnnl_cpu_isa_avx2) return SLK_ISA_NONE;
    if ((isa & dnnl_cpu_isa_avx512_core) != dnnl_cpu_isa_avx512_core) return SLK_ISA_AVX2;
    if ((isa & dnnl_cpu_isa_avx512_core_bf16) != dnnl_cpu_isa_avx512_core_bf16) return SLK_ISA_AVX512;
    if ((isa & dnnl_cpu_isa_avx512_core_amx) != dnnl_cpu_isa_avx512_core_amx) return SLK_ISA_AVX512BF16;
    return SLK_ISA_AMX;
}

void slk_dnnl_version(int *major, int *minor, int *patch)
{
    const dnnl_version_t *v = dnnl_version();
    *major = v->major;
    *minor = v->minor;
    *patch = v->patch;
}

slk_status slk_dnnl_create(slk_dnnl **out, slk_dtype dtype, int n_threads, slk_err *err)
{
    *out = NULL;
    slk_dnnl *d = slk_alloc_zero(1, sizeof *d);
    if (!d) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    d->dtype = dtype;
    d->n_threads = n_threads;
    /* the products are kept here, by shape; the library's own cache would keep those of the self-test, too (25 MB) */
    dnnl_set_primitive_cache_capacity(0);
    if (dnnl_engine_create(&d->engine, dnnl_cpu, 0) != dnnl_success ||
        dnnl_stream_create(&d->stream, d->engine, dnnl_stream_default_flags) != dnnl_success) {
        slk_dnnl_free(d);
        return slk_fail(err, SLK_E_MEMORY, "oneDNN: could not create its engine");
    }
    *out = d;
    return SLK_OK;
}

void slk_dnnl_free(slk_dnnl *d)
{
    if (!d) return;
    for (int i = 0; i < SLK_DNNL_CACHE; i++)
        if (d->cache[i].handle) dnnl_primitive_destroy(d->cache[i].handle);
    if (d->stream) dnnl_stream_destroy(d->stream);
    if (d->engine) dnnl_engine_destroy(d->engine);
    free(d->scratch.data);
    free(d->rows.data);
    free(d);
}

int slk_dnnl_tile(const slk_dnnl *d)
{
    return d->tile;
}

/* --- primitives
 * ------------------------------------------------------------------------------------------------------- */

static dnnl_data_type_t dnnl_type(slk_dtype t)
{
    return t == SLK_DTYPE_BF16 ? dnnl_bf16 : dnnl_f32;
}

bool slk_dnnl_describe(dnnl_memory_desc_t *md, int64_t n0, int64_t n1, slk_dtype type, dnnl_format_tag_t tag)
{
    dnnl_dims_t dims = {n0, n1};
    return dnnl_memory_desc_init_by_tag(md, 2, dims, dnnl_type(type), tag) == dnnl_success;
}

static bool create_attr(dnnl_primitive_attr_t *attr, bool accumulate)
{
    dnnl_post_ops_t ops = NULL;
    *attr = NULL;
    bool ok = dnnl_primitive_attr_create(attr) == dnnl_success &&
              dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user) == dnnl_success;
    if (ok && accumulate)
        ok = dnnl_post_ops_create(&ops) == dnnl_success && dnnl_post_ops_append_sum(ops, 1.0f) == dnnl_success &&
             dnnl_primitive_attr_set_post_ops(*attr, ops) == dnnl_success;
    if (ops) dnnl_post_ops_destroy(ops);
    return ok;
}

dnnl_primitive_desc_t slk_dnnl_plan(slk_dnnl *d, slk_dnnl_primitive *p)
{
    const slk_dnnl_key *k = &p->key;
    dnnl_matmul_desc_t op;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t desc = NULL;
    /* The number of threads that the library plans for is OpenMP's at this moment. */
    omp_set_num_threads(k->n_threads);
    bool ok = create_attr(&attr, k->accumulate) &&
              slk_dnnl_describe(&p->x, k->n_rows, k->n_in, d->dtype, k->x_columns ? dnnl_ba : dnnl_ab) &&
              slk_dnnl_describe(&p->bias, 1, k->n_out, SLK_DTYPE_F32, dnnl_ab) &&
              slk_dnnl_describe(&p->y, k->n_rows, k->n_out, (slk_dtype)k->y_dtype, dnnl_ab) &&
              dnnl_matmul_desc_init(&op, &p->x, &p->w, k->bias ? &p->bias : NULL, &p->y) == dnnl_success;
    if (ok && dnnl_primitive_desc_create(&desc, &op, attr, d->engine, NULL) != dnnl_success) desc = NULL;
    if (attr) dnnl_primitive_attr_destroy(attr);
    return desc;
}

/* Fill p (its key is set). */
static bool create_primitive(slk_dnnl *d, slk_dnnl_primitive *p, const slk_packed *packed)
{
    if (packed)
        p->w = packed->md;
    else if (!slk_dnnl_describe(&p->w, p->key.n_in, p->key.n_out, d->dtype, p->key.w_rows ? dnnl_ab : dnnl_ba))
        return false;
    dnnl_primitive_desc_t desc = slk_dnnl_plan(d, p);
    bool ok = desc && dnnl_primitive_create(&p->handle, desc) == dnnl_success;
    if (ok) {
        const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
        p->scratch_bytes = md ? dnnl_memory_desc_get_size(md) : 0;
    }
    if (desc) dnnl_primitive_desc_destroy(desc);
    return ok;
}

slk_dnnl_primitive *slk_dnnl_find(slk_dnnl *d, const slk_dnnl_key *k, const slk_packed *packed)
{
    slk_dnnl_primitive *oldest = &d->cache[0];
    d->clock++;
    for (slk_dnnl_primitive *p = d->cache; p < d->cache + SLK_DNNL_CACHE; p++) {
        if (p->used && memcmp(&p->key, k, sizeof *k) == 0) {
            p->used = d->clock;
            return p;
        }
        if (p->used < oldest->used) oldest = p;
    }
    if (oldest->handle) dnnl_primitive_destroy(oldest->handle);
    memset(oldest, 0, sizeof *oldest);
    oldest->key = *k;
    if (!create_primitive(d, oldest, packed)) {
        memset(oldest, 0, sizeof *oldest);
        return NULL;
    }
    oldest->used = d->clock;
    return oldest;
}

dnnl_memory_t slk_dnnl_wrap(slk_dnnl *d, const dnnl_memory_desc_t *md, const void *data)
{
    dnnl_memory_t m = NULL;
    /* The library's interface has no const; sources are only read. */
    return dnnl_memory_create(&m, md, d->engine, (void *)(uintptr_t)data) == dnnl_success ? m : NULL;
}

bool slk_dnnl_run(slk_dnnl *d, const slk_dnnl_primitive *p, void *y, const void *x, const slk_weight *w, void *scratch)
{
    dnnl_memory_desc_t pad;
    dnnl_dims_t size = {(dnnl_dim_t)p->scratch_bytes};
    dnnl_exec_arg_t args[5];
    int n = 0;
    bool ok = true;
    args[n++] = (dnnl_exec_arg_t){DNNL_ARG_SRC, slk_dnnl_wrap(d, &p->x, x)};
    args[n++] = (dnnl_exec_arg_t){DNNL_ARG_WEIGHTS, slk_dnnl_wrap(d, &p->w, w->packed ? w->packed->data : w->data)};
    args[n++] = (dnnl_exec_arg_t){DNNL_ARG_DST, slk_dnnl_wrap(d, &p->y, y)};
    if (p->key.bias) args[n++] = (dnnl_exec_arg_t){DNNL_ARG_BIAS, slk_dnnl_wrap(d, &p->bias, w->bias)};
    if (p->scratch_bytes) {
        ok = dnnl_memory_desc_init_by_tag(&pad, 1, size, dnnl_u8, dnnl_a) == dnnl_success;
        args[n++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, ok ? slk_dnnl_wrap(d, &pad, scratch) : NULL};
    }
    for (int i = 0; i < n; i++) ok = ok && args[i].memory;
    ok = ok && dnnl_primitive_execute(p->handle, d->stream, n, args) == dnnl_success;
    for (int i = 0; i < n; i++)
        if (args[i].memory) dnnl_memory_destroy(args[i].memory);
    return ok;
}
