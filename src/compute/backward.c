/* The operations of backward.h spread over threads. A piece of work is a row, a block of rows or of values of fixed
 * size, or a range of columns, and what pieces add to one another is added in their order: the schedule never shows in
 * the bits. */
#include "compute/internal.h"

#include <math.h>
#include <omp.h>
#include <string.h>

/* Rows from which a parallel region saves more than it costs. */
#define ROWS_FOR_THREADS 8
/* Columns that one piece of a sum over rows takes. */
#define COLUMN_BLOCK 64
/* Values of one piece of a pass over weights, and pieces whose sums are kept side by side. */
#define VALUE_BLOCK 16384
#define N_SUMS      256
/* What attention keeps between its passes, if one key/value head needs no more. */
#define PAIRS_BYTES ((size_t)64 << 20)

static size_t dtype_bytes(slk_dtype t)
{
    return t == SLK_DTYPE_BF16 ? 2 : 4;
}

static int threads_for(const slk_compute *c, int64_t n_rows)
{
    return n_rows < ROWS_FOR_THREADS ? 1 : c->n_threads;
}

static const char *at(const void *x, size_t bytes)
{
    return (const char *)x + bytes;
}

static char *at_mutable(void *x, size_t bytes)
{
    return x ? (char *)x + bytes : NULL;
}

/* --- products
 * --------------------------------------------------------------------------------------------------------- */

slk_status slk_compute_multiply(slk_compute *c, void *y, slk_dtype y_dtype, const void *a, const void *b,
                                const slk_product *p, slk_err *err)
{
    if (p->n_rows < 1 || p->n_cols < 1 || p->n_inner < 1)
        return slk_fail(err, SLK_E_SHAPE, "multiply: [%lld, %lld] with %lld inner values, expected 1 or more of each",
                        (long long)p->n_rows, (long long)p->n_cols, (long long)p->n_inner);
    if ((y_dtype != SLK_DTYPE_F32 && y_dtype != c->dtype) || (p->accumulate && y_dtype != SLK_DTYPE_F32))
        return slk_fail(err, SLK_E_SHAPE, "multiply: output must be f32, or bf16 in bf16 without accumulation");
    if (c->dnnl) return slk_dnnl_multiply(c->dnnl, y, y_dtype, a, b, p, err);
#pragma omp parallel for schedule(static) num_threads(c->n_threads) if (p->n_rows > 1)
    for (int64_t r = 0; r < p->n_rows; r++) c->kernels->backward->multiply(y, y_dtype, a, b, c->dtype, p, r);
    return SLK_OK;
}

void slk_compute_add_columns(slk_compute *c, float *out, const void *x, int64_t n_rows, int64_t d)
{
#pragma omp parallel for schedule(static) num_threads(threads_for(c, n_rows))
    for (int64_t i = 0; i < d; i += COLUMN_BLOCK)
        c->kernels->backward->add_columns(out + i, at(x, (size_t)i * dtype_bytes(c->dtype)), c->dtype, n_rows, d,
                                          d - i < COLUMN_BLOCK ? d - i : COLUMN_BLOCK);
}

/* --- rows
 * ------------------------------------------------------------------------------------------------------------- */

void slk_compute_round(slk_compute *c, void *y, const float *x, int64_t n_rows, int64_t d)
{
    if (y == x && c->dtype == SLK_DTYPE_F32) return;
    slk_compute_mask(c, y, x, NULL, 1, n_rows, d);
}

static int64_t count_blocks(int64_t n, int64_t size)
{
    return (n + size - 1) / size;
}

static int64_t rows_of_block(int64_t block, int64_t n_rows)
{
    int64_t rest = n_rows - block * SLK_ROW_BLOCK;
    return rest < SLK_ROW_BLOCK ? rest : SLK_ROW_BLOCK;
}

/* out [d] += the sum of the blocks' sums [n_blocks, step], in order. */
static void add_blocks(float *out, const float *sums, int64_t n_blocks, int64_t step, int64_t d)
{
    if (!out) return;
    for (int64_t i = 0; i < d; i++) {
        double sum = out[i];
        for (int64_t b = 0; b < n_blocks; b++) sum += sums[b * step + i];
        out[i] = (float)sum;
    }
}

/* The blocks' sums, width floats each; *sums = NULL without gains. */
static slk_status get_sums(slk_compute *c, float **sums, bool wanted, int64_t n_blocks, int64_t width, slk_err *err)
{
    *sums = wanted ? slk_scratch_get(&c->sums, (size_t)(n_blocks * width + 1) * sizeof **sums) : NULL;
    return wanted && !*sums ? slk_fail(err, SLK_E_MEMORY, "out of memory for sums over rows") : SLK_OK;
}

slk_status slk_compute_rms_norm_backward(slk_compute *c, float *dx, float *dgain, const float *dy, const float *x,
                                         const float *gain, float eps, int64_t n_rows, int64_t d, slk_err *err)
{
    int64_t n_blocks = count_blocks(n_rows, SLK_ROW_BLOCK);
    float *sums;
    slk_status status = get_sums(c, &sums, dgain, n_blocks, d, err);
    if (status) return status;
#pragma omp parallel for schedule(static) num_threads(threads_for(c, n_rows))
    for (int64_t b = 0; b < n_blocks; b++) {
        int64_t first = b * SLK_ROW_BLOCK * d;
        c->kernels->backward->rms_norm_backward(dx + first, sums ? sums + b * d : NULL, dy + first, x + first, gain,
                                                eps, rows_of_block(b, n_rows), d);
    }
    add_blocks(dgain, sums, n_blocks, d, d);
    return SLK_OK;
}

slk_status slk_compute_layer_norm_backward(slk_compute *c, float *dx, float *dgain, float *dbias, const float *dy,
                                           const float *x, const float *gain, float eps, int64_t n_rows, int64_t d,
                                           slk_err *err)
{
    int64_t n_blocks = count_blocks(n_rows, SLK_ROW_BLOCK);
    float *sums;
    slk_status status = get_sums(c, &sums, dgain, n_blocks, 2 * d, err);
    if (status) return status;
#pragma omp parallel for schedule(static) num_threads(threads_for(c, n_rows))
    for (int64_t b = 0; b < n_blocks; b++) {
        int64_t first = b * SLK_ROW_BLOCK * d;
        c->kernels->backward->layer_norm_backward(dx + first, sums ? sums + 2 * b * d : NULL,
                                                  sums ? sums + (2 * b + 1) * d : NULL, dy + first, x + first, gain,
                                                  eps, rows_of_block(b, n_rows), d);
    }
    add_blocks(dgain, sums, n_blocks, 2 * d, d);
    add_blocks(dbias, sums + d, n_blocks, 2 * d, d);
    return SLK_OK;
}

void slk_compute_gate_backward(slk_compute *c, void *dgu, void *h_out, const void *dh, const void *gu,
                               slk_activation act, bool gated, int64_t n_rows, int64_t d_ff)
{
    size_t h_step = (size_t)d_ff * dtype_bytes(c->dtype), gu_step = gated ? 2 * h_step : h_step;
#pragma omp parallel for schedule(static) num_threads(threads_for(c, n_rows))
    for (int64_t r = 0; r < n_rows; r++)
        c->kernels->backward->gate_backward(at_mutable(dgu, (size_t)r * gu_step), at_mutable(h_out, (size_t)r * h_step),
                                            c->dtype, at(dh, (size_t)r * h_step), at(gu, (size_t)r * gu_step), act,
                                            gated, d_ff);
}

slk_status slk_compute_split_qkv_backward(slk_compute *c, void *dqkv, float *dq_gain, float *dk_gain, const float *dq,
                                          const float *dk, const float *dv, const void *qkv, const int32_t *pos,
                                          const slk_attention *a, int64_t n_rows, slk_err *err)
{
    int64_t n_blocks = count_blocks(n_rows, SLK_ROW_BLOCK), hd = a->head_dim;
    int64_t d_q = a->n_heads * hd, d_kv = a->n_kv_heads * hd;
    size_t step = (size_t)(d_q + 2 * d_kv) * dtype_bytes(c->dtype);
    float *sums;
    slk_status status = get_sums(c, &sums, dq_gain || dk_gain, n_blocks, 2 * hd, err);
    if (status) return status;
#pragma omp parallel for schedule(static) num_threads(threads_for(c, n_rows))
    for (int64_t b = 0; b < n_blocks; b++) {
        int64_t r = b * SLK_ROW_BLOCK;
        c->kernels->backward->split_qkv_backward(
            at_mutable(dqkv, (size_t)r * step), c->dtype, sums ? sums + 2 * b * hd : NULL,
            sums ? sums + (2 * b + 1) * hd : NULL, dq + r * d_q, dk + r * d_kv, dv + r * d_kv,
            qkv ? at(qkv, (size_t)r * step) : NULL, pos + r, a, rows_of_block(b, n_rows));
    }
    if (a->q_gain) add_blocks(dq_gain, sums, n_blocks, 2 * hd, hd);
    if (a->k_gain) add_blocks(dk_gain, sums + hd, n_blocks, 2 * hd, hd);
    return SLK_OK;
}

/* --- attention
 * -------------------------------------------------------------------------------------------------------- */

/* Rows of one path: a piece of either pass. */
typedef struct row_block {
    int32_t path, row0, n_rows; /* row0: within the path */
} row_block;

/* Do the paths list the rows in order, at their positions, in slots that exist; and is each row seen by exactly its
 * descendants, which in depth-first order are the rows up to the next that stands no deeper? */
static bool is_tree(const slk_path *paths, int64_t n_paths, const int32_t *pos, const int32_t *end, int64_t n_rows)
{
    int64_t row = 0;
    for (int64_t p = 0; p < n_paths; p++) {
        int64_t n = 0, n_positions = (int64_t)paths[p].pos0 + paths[p].n_rows;
        if (paths[p].row0 != row || paths[p].pos0 < 0 || paths[p].n_rows < 0 || paths[p].n_rows > n_rows - row)
            return false;
        for (int32_t i = 0; i < paths[p].n_rows; i++)
            if (pos[row++] != paths[p].pos0 + i) return false;
        for (int32_t i = 0; i < paths[p].n_runs; i++) {
            const slk_run *run = &paths[p].runs[i];
            if (run->slot < 0 || run->n < 0 || run->slot + (int64_t)run->n > n_rows) return false;
            n += run->n;
        }
        if (n != n_positions) return false;
    }
    if (row != n_rows) return false;
    for (int64_t r = n_rows - 1; r >= 0; r--) {
        int64_t next = r + 1;
        while (next < n_rows && pos[next] > pos[r]) next = end[next]; /* checked before: it is further to the right */
        if (end[r] != next) return false;
    }
    return true;
}

/* Cut the paths into pieces; *n_positions: the most positions that the rows of one piece see. */
static row_block *make_row_blocks(slk_compute *c, const slk_attention *a, const slk_path *paths, int64_t n_paths,
                                  int64_t *n_blocks, int32_t *n_positions)
{
    *n_blocks = *n_positions = 0;
    for (int64_t p = 0; p < n_paths; p++) *n_blocks += count_blocks(paths[p].n_rows, SLK_ATTEND_ROWS);
    row_block *blocks = slk_scratch_get(&c->row_blocks, (size_t)(*n_blocks + 1) * sizeof *blocks);
    if (!blocks) return NULL;
    int64_t n = 0;
    for (int64_t p = 0; p < n_paths; p++)
        for (int32_t row = 0; row < paths[p].n_rows; row += SLK_ATTEND_ROWS) {
            int32_t rest = paths[p].n_rows - row, pos = paths[p].pos0 + row;
            int32_t n_rows = rest < SLK_ATTEND_ROWS ? rest : SLK_ATTEND_ROWS;
            int32_t visible = pos + n_rows - slk_attend_first(a, pos);
            blocks[n++] = (row_block){(int32_t)p, row, n_rows};
            if (visible > *n_positions) *n_positions = visible;
        }
    return blocks;
}

/* at [n_rows]: where each row's pairs begin; returns how many there are. */
static int64_t place_pairs(int64_t *pairs_at, const slk_attention *a, const int32_t *pos, int64_t n_rows)
{
    int64_t n = 0;
    for (int64_t r = 0; r < n_rows; r++) {
        pairs_at[r] = n;
        n += pos[r] + 1 - slk_attend_first(a, pos[r]);
    }
    return n;
}

/* The job of key/value head first.kv_head + i, the i-th that has a place in pairs. */
static slk_attend_grad job_of(const slk_attend_grad *first, float *pairs, int64_t i)
{
    slk_attend_grad job = *first;
    int64_t n = first->a->n_heads / first->a->n_kv_heads * first->n_pairs;
    job.kv_head += (int)i;
    job.p = pairs + 2 * i * n;
    job.ds = job.p + n;
    return job;
}

slk_status slk_compute_attention_backward(slk_compute *c, float *dq, float *dk, float *dv, const void *dy,
                                          const void *q, const slk_kv *kv, const slk_attention *a,
                                          const slk_path *paths, int64_t n_paths, const int32_t *pos,
                                          const int32_t *end, int64_t n_rows, slk_err *err)
{
    if (a->head_dim < 2 || a->head_dim % 2 || a->head_dim > SLK_HEAD_DIM_MAX || a->n_heads % a->n_kv_heads)
        return slk_fail(err, SLK_E_SHAPE, "attention: %d heads of %d, %d for keys", a->n_heads, a->head_dim,
                        a->n_kv_heads);
    if (!is_tree(paths, n_paths, pos, end, n_rows))
        return slk_fail(err, SLK_E_SHAPE, "attention: the %lld rows of %lld paths are no tree in depth-first order",
                        (long long)n_rows, (long long)n_paths);
    if (n_rows == 0) return SLK_OK;
    int64_t n_blocks, n_rep = a->n_heads / a->n_kv_heads;
    int32_t n_positions;
    row_block *blocks = make_row_blocks(c, a, paths, n_paths, &n_blocks, &n_positions);
    int64_t *pairs_at = slk_scratch_get(&c->pairs_at, (size_t)n_rows * sizeof *pairs_at);
    if (!blocks || !pairs_at) return slk_fail(err, SLK_E_MEMORY, "attention: out of memory");
    int64_t n_pairs = place_pairs(pairs_at, a, pos, n_rows);
    /* As many key/value heads at once as fit. */
    size_t head_bytes = 2 * (size_t)(n_rep * n_pairs) * sizeof(float);
    int64_t n_heads = 1;
    while (n_heads < a->n_kv_heads && (size_t)(n_heads + 1) * head_bytes <= PAIRS_BYTES) n_heads++;
    size_t bytes = (c->kernels->backward->attend_queries_bytes(a->head_dim, n_positions) + 63) / 64 * 64;
    float *pairs = slk_scratch_get(&c->pairs, (size_t)n_heads * head_bytes + SLK_LANES_MAX * sizeof *pairs);
    char *scratch = slk_scratch_get(&c->attend, bytes * (size_t)c->n_threads);
    if (!pairs || !scratch) return slk_fail(err, SLK_E_MEMORY, "attention: out of memory");
    for (int64_t head = 0; head < a->n_kv_heads; head += n_heads) {
        int64_t n = a->n_kv_heads - head < n_heads ? a->n_kv_heads - head : n_heads;
        slk_attend_grad all = {.a = a,
                               .dy = dy,
                               .q = q,
                               .kv = *kv,
                               .dtype = c->dtype,
                               .dq = dq,
                               .dk = dk,
                               .dv = dv,
                               .kv_head = (int)head,
                               .pos = pos,
                               .end = end,
                               .at = pairs_at,
                               .n_pairs = n_pairs};
#pragma omp parallel num_threads(threads_for(c, n_rows))
        {
            char *own = scratch + bytes * (size_t)omp_get_thread_num();
#pragma omp for schedule(dynamic, 1)
            for (int64_t i = 0; i < n_blocks * n; i++) {
                const row_block *block = &blocks[i / n];
                slk_attend_grad job = job_of(&all, pairs, i % n);
                c->kernels->backward->attend_queries(&job, &paths[block->path], block->row0, block->n_rows, own);
            }
#pragma omp for schedule(dynamic, 1)
            for (int64_t i = 0; i < n_blocks * n; i++) {
                const row_block *block = &blocks[i / n];
                slk_attend_grad job = job_of(&all, pairs, i % n);
                c->kernels->backward->attend_keys(&job, paths[block->path].row0 + block->row0, block->n_rows);
            }
        }
    }
    return SLK_OK;
}

/* --- loss
 * ------------------------------------------------------------------------------------------------------------- */

void slk_compute_cross_entropy(slk_compute *c, void *dlogits, double *losses, const float *logits, float softcap,
                               const int32_t *first, const int32_t *targets, float weight, int64_t n_rows,
                               int64_t n_vocab)
{
    size_t step = (size_t)n_vocab * dtype_bytes(c->dtype);
#pragma omp parallel for schedule(static) num_threads(c->n_threads) if (n_rows > 1)
    for (int64_t r = 0; r < n_rows; r++)
        c->kernels->backward->cross_entropy(at_mutable(dlogits, (size_t)r * step), c->dtype, losses + first[r],
                                            logits + r * n_vocab, softcap, targets + first[r], first[r + 1] - first[r],
                                            weight, n_vocab);
}

/* --- dropout
 * ---------------------------------------------------------------------------------------------------------- */

void slk_compute_dropout_mask(slk_compute *c, uint8_t *mask, const uint64_t *hash, uint32_t site, const uint32_t key[2],
                              double p, int64_t n_rows, int64_t d)
{
    int64_t step = (d + 7) / 8;
    uint32_t threshold = (uint32_t)round(fmin(fmax(p, 0), 1) * 65536);
#pragma omp parallel for schedule(static) num_threads(threads_for(c, n_rows))
    for (int64_t r = 0; r < n_rows; r++)
        c->kernels->backward->dropout_mask(mask + r * step, hash[r], site, key, threshold, d);
}

void slk_compute_add_masked(slk_compute *c, float *out, const float *x, const float *y, const uint8_t *mask,
                            float scale, int64_t n_rows, int64_t d)
{
    int64_t step = (d + 7) / 8;
#pragma omp parallel for schedule(static) num_threads(threads_for(c, n_rows))
    for (int64_t r = 0; r < n_rows; r++)
        c->kernels->backward->add_masked(out + r * d, x ? x + r * d : NULL, y + r * d, mask ? mask + r * step : NULL,
                                         scale, d);
}

void slk_compute_mask(slk_compute *c, void *y, const float *x, const uint8_t *mask, float scale, int64_t n_rows,
                      int64_t d)
{
    size_t y_step = (size_t)d * dtype_bytes(c->dtype);
    int64_t step = (d + 7) / 8;
#pragma omp parallel for schedule(static) num_threads(threads_for(c, n_rows))
    for (int64_t r = 0; r < n_rows; r++)
        c->kernels->backward->mask(at_mutable(y, (size_t)r * y_step), c->dtype, x + r * d,
                                   mask ? mask + r * step : NULL, scale, d);
}

/* --- optimiser
 * -------------------------------------------------------------------------------------------------------- */

double slk_compute_sum_squares(slk_compute *c, const float *x, int64_t n)
{
    double sums[N_SUMS], sum = 0;
    for (int64_t first = 0; first < n; first += (int64_t)N_SUMS * VALUE_BLOCK) {
        int64_t n_blocks = count_blocks(n - first, VALUE_BLOCK);
        if (n_blocks > N_SUMS) n_blocks = N_SUMS;
#pragma omp parallel for schedule(static) num_threads(c->n_threads) if (n_blocks > 1)
        for (int64_t b = 0; b < n_blocks; b++) {
            int64_t i = first + b * VALUE_BLOCK;
            sums[b] = c->kernels->backward->sum_squares(x + i, n - i < VALUE_BLOCK ? n - i : VALUE_BLOCK);
        }
        for (int64_t b = 0; b < n_blocks; b++) sum += sums[b];
    }
    return sum;
}

void slk_compute_adamw(slk_compute *c, const slk_adamw *step, float *w, uint16_t *rounded, float *m, float *v,
                       const float *g, int64_t n)
{
#pragma omp parallel for schedule(static) num_threads(c->n_threads) if (n > VALUE_BLOCK)
    for (int64_t i = 0; i < n; i += VALUE_BLOCK)
        c->kernels->backward->adamw(step, w + i, rounded ? rounded + i : NULL, m + i, v + i, g + i,
                                    n - i < VALUE_BLOCK ? n - i : VALUE_BLOCK);
}
