/* The library's primitives, kept by shape: what matmul.c and multiply.c share. Nobody outside this folder includes it.
 *
 * A primitive is made for one shape, which takes about 0.4 ms; the ones made last are kept. Several threads may run one
 * at once, each with scratch of its own. */
#ifndef SLK_COMPUTE_DNNL_PRIMITIVE_H
#define SLK_COMPUTE_DNNL_PRIMITIVE_H

#include "compute/internal.h"

#include <oneapi/dnnl/dnnl.h>

#define SLK_DNNL_CACHE 256

/* What a primitive is made for: y [n_rows, n_out] = x [n_rows, n_in] w [n_in, n_out]. Zero all bytes before filling it
 * in: keys are compared as bytes. */
typedef struct slk_dnnl_key {
    int64_t n_rows, n_out, n_in;
    int32_t y_dtype, accumulate, bias, n_threads;
    int32_t x_columns; /* x lies in memory as [n_in, n_rows] */
    int32_t w_rows;    /* w lies in memory as [n_in, n_out]; else as [n_out, n_in] */
    int32_t packed;    /* w lies in the layout that was given */
    int32_t unused;
} slk_dnnl_key;

typedef struct slk_dnnl_primitive {
    slk_dnnl_key key;
    dnnl_primitive_t handle;
    dnnl_memory_desc_t x, w, bias, y;
    size_t scratch_bytes;
    uint64_t used; /* clock of the last use; 0: empty */
} slk_dnnl_primitive;

struct slk_dnnl {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    slk_dtype dtype;
    int n_threads;
    int tile;     /* rows; 0: whole calls */
    int tails[2]; /* [n_tails] smaller tiles that give the same bits, for what is left over; descending */
    int n_tails;
    bool plain_only; /* packed weights would change bits */
    slk_dnnl_primitive cache[SLK_DNNL_CACHE];
    uint64_t clock;
    slk_scratch scratch; /* n_threads x (library scratch + tile of x + tile of y) */
    slk_scratch rows;    /* contiguous copies of x and y */
};

/* A weight matrix in the layout of md. */
struct slk_packed {
    dnnl_memory_desc_t md;
    void *data;
    size_t n_bytes;
};

/* A two-dimensional layout; false: the library refused. */
bool slk_dnnl_describe(dnnl_memory_desc_t *md, int64_t n0, int64_t n1, slk_dtype type, dnnl_format_tag_t tag);
/* The memory layouts and the plan of p (its key and p->w are set); destroy it. NULL: the library refused. */
dnnl_primitive_desc_t slk_dnnl_plan(slk_dnnl *d, slk_dnnl_primitive *p);
/* The primitive for a key, made if need be in place of the one used longest ago; packed: where the key says so. NULL:
 * refused. Borrowed until the next call. */
slk_dnnl_primitive *slk_dnnl_find(slk_dnnl *d, const slk_dnnl_key *k, const slk_packed *packed);
/* Memory of the caller's; NULL: refused. Destroy it. */
dnnl_memory_t slk_dnnl_wrap(slk_dnnl *d, const dnnl_memory_desc_t *md, const void *data);
/* Of w, data or packed, and bias are read; scratch: p->scratch_bytes. */
bool slk_dnnl_run(slk_dnnl *d, const slk_dnnl_primitive *p, void *y, const void *x, const slk_weight *w, void *scratch);

#endif
