/* The products of the forward pass: row-invariant. Two ways to run a primitive:
 *   whole   one call for all rows, the library spreads it over threads; used where the self-test found a row's bits
 *           independent of the number of rows (all AVX-512 kernels so far);
 *   tiles   rows in tiles of a fixed height, one thread a call and the threads over the tiles (the AVX2 kernels); the
 *           last one padded with zero rows in scratch memory, and lower where the self-test found tiles of less height
 *           with the same bits: of 5 rows that are asked alone, 16 are computed and not 96.
 * Rows with gaps between them would get another kernel, whose bits depend on the number of rows even with AVX-512; so
 * the library only ever sees contiguous rows, and others are copied.
 */
#include "compute/dnnl/primitive.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

static size_t dtype_bytes(slk_dtype t)
{
    return t == SLK_DTYPE_BF16 ? 2 : 4;
}

static slk_dnnl_key make_key(slk_dtype y_dtype, const slk_weight *w, int64_t n_rows, bool accumulate, int n_threads)
{
    slk_dnnl_key k;
    memset(&k, 0, sizeof k);
    k.n_rows = n_rows;
    k.n_out = w->n_out;
    k.n_in = w->n_in;
    k.y_dtype = (int32_t)y_dtype;
    k.accumulate = accumulate;
    k.bias = w->bias != NULL;
    k.packed = w->packed != NULL;
    k.n_threads = n_threads;
    return k;
}

/* --- products
 * --------------------------------------------------------------------------------------------------------- */

static slk_status fail_matmul(const slk_weight *w, int64_t n_rows, slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "oneDNN: the product of %lld rows with [%lld, %lld] failed", (long long)n_rows,
                    (long long)w->n_out, (long long)w->n_in);
}

/* y [n_rows, n_out], x [n_rows, n_in] contiguous. */
static slk_status matmul_whole(slk_dnnl *d, void *y, slk_dtype y_dtype, const void *x, const slk_weight *w,
                               int64_t n_rows, bool accumulate, int n_threads, slk_err *err)
{
    slk_dnnl_key k = make_key(y_dtype, w, n_rows, accumulate, n_threads);
    slk_dnnl_primitive *p = slk_dnnl_find(d, &k, w->packed);
    void *scratch = p ? slk_scratch_get(&d->scratch, p->scratch_bytes + 1) : NULL;
    omp_set_num_threads(n_threads);
    if (!scratch || !slk_dnnl_run(d, p, y, x, w, scratch)) return fail_matmul(w, n_rows, err);
    return SLK_OK;
}

typedef struct tiling {
    int64_t height;
    size_t x_row, y_row;     /* bytes */
    size_t x_at, y_at, step; /* a thread's scratch: the library's, the tile of x, the tile of y */
} tiling;

/* The height of a tile for the n rows that are left. */
static int64_t tail_height(const slk_dnnl *d, int64_t n)
{
    int64_t height = d->tile;
    for (int i = 0; i < d->n_tails && d->tails[i] >= n; i++) height = d->tails[i];
    return height;
}

/* The last tile: rows copied into scratch, zero rows below them. */
static bool run_padded(slk_dnnl *d, const slk_dnnl_primitive *p, const tiling *t, char *y, const char *x,
                       const slk_weight *w, int64_t n_rows, char *scratch)
{
    char *x_tile = scratch + t->x_at, *y_tile = scratch + t->y_at;
    size_t height = (size_t)p->key.n_rows, n = (size_t)n_rows;
    memcpy(x_tile, x, n * t->x_row);
    memset(x_tile + n * t->x_row, 0, (height - n) * t->x_row);
    memset(y_tile, 0, height * t->y_row);
    if (p->key.accumulate) memcpy(y_tile, y, n * t->y_row);
    if (!slk_dnnl_run(d, p, y_tile, x_tile, w, scratch)) return false;
    memcpy(y, y_tile, n * t->y_row);
    return true;
}

static size_t round_up_64(size_t n)
{
    return (n + 63) / 64 * 64;
}

/* As matmul_whole. */
static slk_status matmul_tiles(slk_dnnl *d, void *y, slk_dtype y_dtype, const void *x, const slk_weight *w,
                               int64_t n_rows, bool accumulate, slk_err *err)
{
    int64_t height = d->tile, n_tiles = (n_rows + height - 1) / height, n_left = n_rows % height;
    slk_dnnl_key k = make_key(y_dtype, w, height, accumulate, 1);
    slk_dnnl_key k_last = make_key(y_dtype, w, n_left ? tail_height(d, n_left) : height, accumulate, 1);
    slk_dnnl_primitive *p = slk_dnnl_find(d, &k, w->packed), *last = slk_dnnl_find(d, &k_last, w->packed);
    if (!p || !last) return fail_matmul(w, n_rows, err);
    tiling t = {.height = height,
                .x_row = (size_t)w->n_in * dtype_bytes(d->dtype),
                .y_row = (size_t)w->n_out * dtype_bytes(y_dtype)};
    t.x_at = round_up_64(p->scratch_bytes > last->scratch_bytes ? p->scratch_bytes : last->scratch_bytes);
    t.y_at = t.x_at + round_up_64((size_t)height * t.x_row);
    t.step = t.y_at + round_up_64((size_t)height * t.y_row);
    int n_threads = n_tiles > 1 ? d->n_threads : 1;
    char *scratch = slk_scratch_get(&d->scratch, t.step * (size_t)n_threads);
    if (!scratch) return fail_matmul(w, n_rows, err);
    omp_set_num_threads(1); /* the library's own team, should the region below have one thread only */
    bool failed = false;
#pragma omp parallel for schedule(static) num_threads(n_threads) reduction(|| : failed)
    for (int64_t i = 0; i < n_tiles; i++) {
        char *own = scratch + t.step * (size_t)omp_get_thread_num();
        char *y_at = (char *)y + (size_t)(i * height) * t.y_row;
        const char *x_at = (const char *)x + (size_t)(i * height) * t.x_row;
        int64_t n = n_rows - i * height;
        bool ok = n >= height             ? slk_dnnl_run(d, p, y_at, x_at, w, own)
                  : n == last->key.n_rows ? slk_dnnl_run(d, last, y_at, x_at, w, own)
                                          : run_padded(d, last, &t, y_at, x_at, w, n, own);
        failed = failed || !ok;
    }
    return failed ? fail_matmul(w, n_rows, err) : SLK_OK;
}

static void copy_rows(const slk_dnnl *d, char *to, size_t to_step, const char *from, size_t from_step, int64_t n_rows,
                      size_t row_bytes)
{
#pragma omp parallel for schedule(static) num_threads(d->n_threads) if (n_rows > 16)
    for (int64_t r = 0; r < n_rows; r++) memcpy(to + (size_t)r * to_step, from + (size_t)r * from_step, row_bytes);
}

slk_status slk_dnnl_matmul(slk_dnnl *d, void *y, slk_dtype y_dtype, int64_t ldy, const void *x, int64_t ldx,
                           const slk_weight *w, int64_t n_rows, bool accumulate, slk_err *err)
{
    size_t x_row = (size_t)w->n_in * dtype_bytes(d->dtype), y_row = (size_t)w->n_out * dtype_bytes(y_dtype);
    size_t x_step = (size_t)ldx * dtype_bytes(d->dtype), y_step = (size_t)ldy * dtype_bytes(y_dtype);
    bool copy_x = n_rows > 1 && x_step != x_row, copy_y = n_rows > 1 && y_step != y_row;
    size_t x_bytes = copy_x ? round_up_64((size_t)n_rows * x_row) : 0, y_bytes = copy_y ? (size_t)n_rows * y_row : 0;
    char *rows = copy_x || copy_y ? slk_scratch_get(&d->rows, x_bytes + y_bytes) : NULL;
    if ((copy_x || copy_y) && !rows) return fail_matmul(w, n_rows, err);
    void *y_to = copy_y ? rows + x_bytes : y;
    if (copy_x) copy_rows(d, rows, x_row, x, x_step, n_rows, x_row);
    if (copy_y && accumulate) copy_rows(d, y_to, y_row, y, y_step, n_rows, y_row);
    if (copy_x) x = rows;
    slk_status status = d->tile ? matmul_tiles(d, y_to, y_dtype, x, w, n_rows, accumulate, err)
                                : matmul_whole(d, y_to, y_dtype, x, w, n_rows, accumulate, d->n_threads, err);
    if (copy_y && !status) copy_rows(d, y, y_step, y_to, y_row, n_rows, y_row);
    return status;
}

/* --- packed weights
 * --------------------------------------------------------------------------------------------------- */

/* The layout is the one that the library prefers for this many rows; it takes it for any other number, too. */
#define PACK_ROWS 1024

static bool reorder(slk_dnnl *d, const dnnl_memory_desc_t *from, const void *data, slk_packed *p)
{
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_t handle = NULL;
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, slk_dnnl_wrap(d, from, data)},
                              {DNNL_ARG_TO, slk_dnnl_wrap(d, &p->md, p->data)}};
    omp_set_num_threads(d->n_threads);
    bool ok = args[0].memory && args[1].memory &&
              dnnl_reorder_primitive_desc_create(&desc, from, d->engine, &p->md, d->engine, NULL) == dnnl_success &&
              dnnl_primitive_create(&handle, desc) == dnnl_success &&
              dnnl_primitive_execute(handle, d->stream, 2, args) == dnnl_success;
    for (int i = 0; i < 2; i++)
        if (args[i].memory) dnnl_memory_destroy(args[i].memory);
    if (handle) dnnl_primitive_destroy(handle);
    if (desc) dnnl_primitive_desc_destroy(desc);
    return ok;
}

/* The layout of choice for w; false: the library refused. */
static bool choose_layout(slk_dnnl *d, dnnl_memory_desc_t *md, const slk_weight *w)
{
    slk_dnnl_primitive p = {0};
    p.key = make_key(SLK_DTYPE_F32, w, PACK_ROWS, false, d->n_threads);
    if (!slk_dnnl_describe(&p.w, w->n_in, w->n_out, d->dtype, dnnl_format_tag_any)) return false;
    dnnl_primitive_desc_t desc = slk_dnnl_plan(d, &p);
    const dnnl_memory_desc_t *chosen = desc ? dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0) : NULL;
    if (chosen) *md = *chosen;
    if (desc) dnnl_primitive_desc_destroy(desc);
    return chosen;
}

slk_status slk_dnnl_pack(slk_dnnl *d, slk_packed **out, const slk_weight *w, slk_err *err)
{
    dnnl_memory_desc_t plain, chosen;
    *out = NULL;
    /* Below AVX-512 the library multiplies plain matrices only. */
    if (d->tile || d->plain_only || slk_dnnl_isa() < SLK_ISA_AVX512) return SLK_OK;
    if (!slk_dnnl_describe(&plain, w->n_in, w->n_out, d->dtype, dnnl_ba) || !choose_layout(d, &chosen, w))
        return fail_matmul(w, PACK_ROWS, err);
    if (dnnl_memory_desc_equal(&plain, &chosen)) return SLK_OK;
    slk_packed *p = slk_alloc_zero(1, sizeof *p);
    if (p) {
        p->md = chosen;
        p->n_bytes = dnnl_memory_desc_get_size(&chosen);
        p->data = slk_alloc_aligned(p->n_bytes, 1);
    }
    if (!p || !p->data || !reorder(d, &plain, w->data, p)) {
        slk_packed_free(p);
        return slk_fail(err, SLK_E_MEMORY, "out of memory for a packed matrix [%lld, %lld]", (long long)w->n_out,
                        (long long)w->n_in);
    }
    *out = p;
    return SLK_OK;
}

void slk_packed_free(slk_packed *p)
{
    if (!p) return;
    free(p->data);
    free(p);
}

size_t slk_packed_bytes(const slk_packed *p)
{
    return p ? p->n_bytes : 0;
}

/* --- self-test
 * -------------------------------------------------------------------------------------------------------- */

/* Different contents that the rows of a test repeat; no divisor of any blocking. */
#define N_CONTENTS 3
#define TEST_ROWS  300

typedef struct variant {
    slk_dtype y_dtype;
    bool accumulate, bias;
} variant;

typedef struct test {
    slk_weight w; /* plain */
    slk_packed *packed;
    void *weights, *x;  /* x [TEST_ROWS, n_in]: row r has content r % N_CONTENTS */
    float *bias;        /* [n_out] */
    char *y, *expected; /* [TEST_ROWS, n_out], [N_CONTENTS, n_out]: f32 or bf16 */
    char *initial;      /* [n_out] f32: what accumulation starts from */
} test;

/* Values in [-1, 1) that use every bit of the type's significand. */
static float test_value(uint64_t i)
{
    uint64_t h = (i + 1) * 0x9E3779B97F4A7C15u;
    h = (h ^ (h >> 31)) * 0xD6E8FEB86659FD93u;
    return (float)(int32_t)(h >> 32) * 0x1p-31f;
}

static void fill(void *x, slk_dtype dtype, int64_t n, uint64_t seed)
{
    for (int64_t i = 0; i < n; i++) {
        float v = test_value(seed + (uint64_t)i);
        if (dtype == SLK_DTYPE_BF16)
            ((uint16_t *)x)[i] = slk_f32_to_bf16(v);
        else
            ((float *)x)[i] = v;
    }
}

static void test_release(test *t)
{
    slk_packed_free(t->packed);
    free(t->weights);
    free(t->x);
    free(t->bias);
    free(t->y);
    free(t->expected);
    free(t->initial);
}

static bool test_init(test *t, slk_dnnl *d, const slk_shape *shape)
{
    size_t n_in = (size_t)shape->n_in, n_out = (size_t)shape->n_out, bytes = dtype_bytes(d->dtype);
    t->weights = slk_alloc_aligned(n_out * n_in, bytes);
    t->x = slk_alloc_aligned(TEST_ROWS * n_in, bytes);
    t->bias = slk_alloc_aligned(n_out, sizeof(float));
    t->y = slk_alloc_aligned(TEST_ROWS * n_out, sizeof(float));
    t->expected = slk_alloc_aligned(N_CONTENTS * n_out, sizeof(float));
    t->initial = slk_alloc_aligned(n_out, sizeof(float));
    if (!t->weights || !t->x || !t->bias || !t->y || !t->expected || !t->initial) return false;
    fill(t->weights, d->dtype, (int64_t)(n_out * n_in), 1u << 30);
    fill(t->bias, SLK_DTYPE_F32, (int64_t)n_out, 1u << 28);
    fill(t->initial, SLK_DTYPE_F32, (int64_t)n_out, 1u << 29);
    for (size_t r = 0; r < TEST_ROWS; r++)
        fill((char *)t->x + r * n_in * bytes, d->dtype, (int64_t)n_in, (uint64_t)(r % N_CONTENTS) * n_in);
    t->w = (slk_weight){.data = t->weights, .n_out = shape->n_out, .n_in = shape->n_in};
    return !slk_dnnl_pack(d, &t->packed, &t->w, NULL);
}

/* n_rows rows of x from row0 on into y. */
static slk_status test_multiply(slk_dnnl *d, const test *t, char *y, int row0, int n_rows, const variant *v,
                                const slk_packed *packed, int n_threads, slk_err *err)
{
    size_t row_bytes = (size_t)t->w.n_out * dtype_bytes(v->y_dtype);
    const char *x = (const char *)t->x + (size_t)(row0 * t->w.n_in) * dtype_bytes(d->dtype);
    slk_weight w = t->w;
    w.bias = v->bias ? t->bias : NULL;
    w.packed = packed;
    for (int r = 0; v->accumulate && r < n_rows; r++) memcpy(y + (size_t)r * row_bytes, t->initial, row_bytes);
    return matmul_whole(d, y, v->y_dtype, x, &w, n_rows, v->accumulate, n_threads, err);
}

/* Does a row get the bits it has alone, with plain weights on one thread, among any number of rows on all threads? */
static slk_status test_whole(slk_dnnl *d, const test *t, const variant *v, const slk_packed *packed, bool *holds,
                             slk_err *err)
{
    static const int counts[] = {1, 2, 13, 48, 130, TEST_ROWS};
    size_t row_bytes = (size_t)t->w.n_out * dtype_bytes(v->y_dtype);
    slk_status status = SLK_OK;
    for (int i = 0; i < N_CONTENTS && !status; i++)
        status = test_multiply(d, t, t->expected + (size_t)i * row_bytes, i, 1, v, NULL, 1, err);
    for (size_t i = 0; i < sizeof counts / sizeof *counts && *holds && !status; i++) {
        status = test_multiply(d, t, t->y, 0, counts[i], v, packed, d->n_threads, err);
        for (int r = 0; r < counts[i] && *holds && !status; r++)
            *holds =
                !memcmp(t->y + (size_t)r * row_bytes, t->expected + (size_t)(r % N_CONTENTS) * row_bytes, row_bytes);
    }
    return status;
}

/* What a row gets in a tile of `height`: t->expected, one row of each content. */
static slk_status expect_tile(slk_dnnl *d, const test *t, const variant *v, int height, slk_err *err)
{
    size_t row_bytes = (size_t)t->w.n_out * dtype_bytes(v->y_dtype);
    slk_status status = test_multiply(d, t, t->y, 0, height, v, NULL, 1, err);
    if (!status) memcpy(t->expected, t->y, row_bytes * (size_t)(height < N_CONTENTS ? height : N_CONTENTS));
    return status;
}

/* Do all rows of a tile of `height`, on one thread, get the bits in t->expected for the same content? Rows do not mix
 * in a product, so what stands in the other rows cannot matter. */
static slk_status test_tile(slk_dnnl *d, const test *t, const variant *v, int height, bool *holds, slk_err *err)
{
    size_t row_bytes = (size_t)t->w.n_out * dtype_bytes(v->y_dtype);
    slk_status status = SLK_OK;
    if (height < N_CONTENTS) return SLK_OK; /* too few rows for a position to matter to */
    for (int shift = 0; shift < N_CONTENTS && *holds && !status; shift++) {
        status = test_multiply(d, t, t->y, shift, height, v, NULL, 1, err);
        for (int r = 0; r < height && *holds && !status; r++)
            *holds = !memcmp(t->y + (size_t)r * row_bytes, t->expected + (size_t)((r + shift) % N_CONTENTS) * row_bytes,
                             row_bytes);
    }
    return status;
}

static const variant VARIANTS[] = {{SLK_DTYPE_F32, false, false},
                                   {SLK_DTYPE_F32, true, false},
                                   {SLK_DTYPE_F32, false, true},
                                   {SLK_DTYPE_BF16, false, false}};

static size_t count_variants(const slk_dnnl *d)
{
    return d->dtype == SLK_DTYPE_BF16 ? 4 : 3;
}

/* height 0: whole calls. */
static slk_status test_shape(slk_dnnl *d, const slk_shape *shape, int height, bool *holds, slk_err *err)
{
    test t = {0};
    slk_status status = test_init(&t, d, shape) ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "self-test: out of memory");
    for (size_t i = 0; i < count_variants(d) && *holds && !status; i++) {
        if (height) status = expect_tile(d, &t, &VARIANTS[i], height, err);
        if (!status)
            status = height ? test_tile(d, &t, &VARIANTS[i], height, holds, err)
                            : test_whole(d, &t, &VARIANTS[i], NULL, holds, err);
    }
    bool packed_holds = true;
    for (size_t i = 0; t.packed && i < count_variants(d) && *holds && packed_holds && !status; i++)
        status = test_whole(d, &t, &VARIANTS[i], t.packed, &packed_holds, err);
    if (!packed_holds) d->plain_only = true;
    test_release(&t);
    return status;
}

/* Those of d->tails that pass with this shape, too, stay. */
static slk_status test_tails(slk_dnnl *d, const slk_shape *shape, slk_err *err)
{
    test t = {0};
    slk_status status = test_init(&t, d, shape) ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "self-test: out of memory");
    for (size_t i = 0; i < count_variants(d) && !status; i++) {
        const variant *v = &VARIANTS[i];
        int n_kept = 0;
        status = expect_tile(d, &t, v, d->tile, err);
        for (int k = 0; k < d->n_tails && !status; k++) {
            bool holds = true;
            status = test_tile(d, &t, v, d->tails[k], &holds, err);
            if (holds) d->tails[n_kept++] = d->tails[k];
        }
        d->n_tails = n_kept;
    }
    test_release(&t);
    return status;
}

static slk_status find_tails(slk_dnnl *d, const slk_shape *shapes, size_t n_shapes, slk_err *err)
{
    static const int heights[] = {48, 16};
    slk_status status = SLK_OK;
    d->n_tails = 0;
    for (size_t h = 0; h < sizeof heights / sizeof *heights; h++)
        if (heights[h] < d->tile) d->tails[d->n_tails++] = heights[h];
    for (size_t i = 0; i < n_shapes && d->n_tails && !status; i++) status = test_tails(d, &shapes[i], err);
    return status;
}

slk_status slk_dnnl_self_test(slk_dnnl *d, const slk_shape *shapes, size_t n_shapes, slk_err *err)
{
    static const int heights[] = {0, 96, 48, 16, 8, 1};
    d->plain_only = false;
    for (size_t h = 0; h < sizeof heights / sizeof *heights; h++) {
        bool holds = true;
        d->tile = heights[h];
        for (size_t i = 0; i < n_shapes && holds; i++) {
            slk_status status = test_shape(d, &shapes[i], heights[h], &holds, err);
            if (status) return status;
        }
        if (holds) return find_tails(d, shapes, n_shapes, err);
    }
    return slk_fail(err, SLK_E_UNSUPPORTED,
                    "oneDNN: its products depend on the number of rows, in tiles of any height");
}
