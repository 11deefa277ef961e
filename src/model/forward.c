/* One batch through all layers. Reading order: scratch, the two blocks of a layer, logits, run. */
#include "model/forward.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "base/progress.h"
#include "model/asked.h"
#include "model/model.h"
#include "model/rotary.h"

/* Rows that go through norm, product and activation together: their intermediates (24 kB a row for SmolLM2) stay in the
 * last-level cache, and matrix products are at their peak from about 100 rows up. */
#define TILE_ROWS 512

struct slk_forward {
    const slk_model *model;
    slk_forward_stats stats;
    size_t cap_rows;              /* rows that x, q and y hold */
    float *x;                     /* [cap_rows, d_model] residual stream */
    char *q, *y;                  /* [cap_rows, n_heads * head_dim] compute type */
    char *normed;                 /* [TILE_ROWS, d_model] compute type */
    float *wide;                  /* [TILE_ROWS, max(qkv width, gate_up width, SLK_LOGITS_CHUNK)] */
    char *hidden;                 /* [TILE_ROWS, d_ff] compute type */
    char *low;                    /* [TILE_ROWS, largest rank] compute type: A x of an adapter */
    float *block;                 /* [TILE_ROWS, d_model] output of a block that is normed before it is added */
    int32_t spare_ids[TILE_ROWS]; /* for asks that want whole rows of logits and no top */
    float spare_logits[TILE_ROWS];
    slk_rotary rotary;
    slk_asked asked; /* the rows that go through the last layer */
};

static size_t element_bytes(const slk_forward *f)
{
    return slk_compute_dtype(f->model->compute) == SLK_DTYPE_BF16 ? 2 : 4;
}

/* Of a row's queries. */
static size_t query_bytes(const slk_forward *f)
{
    return (size_t)f->model->config.n_heads * (size_t)f->model->config.head_dim * element_bytes(f);
}

/* --- cache ---------------------------------------------------------------------------------------------------------
 */

slk_status slk_cache_create(slk_cache **out, const slk_model *model, int32_t n_slots, slk_err *err)
{
    *out = NULL;
    slk_cache *cache = slk_alloc_zero(1, sizeof *cache);
    if (!cache) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    const slk_config *c = &model->config;
    size_t token_bytes = slk_config_kv_bytes(c, slk_compute_dtype(model->compute));
    cache->n_slots = n_slots;
    cache->memory_bytes = token_bytes * (size_t)n_slots;
    cache->layers = slk_alloc_zero((size_t)c->n_layers, sizeof *cache->layers);
    /* Pages come into being, zeroed, when they are first written. */
    cache->memory =
        mmap(NULL, cache->memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (cache->memory == MAP_FAILED) cache->memory = NULL;
    if (!cache->layers || !cache->memory) {
        slk_cache_free(cache);
        return slk_fail(err, SLK_E_MEMORY, "out of memory for keys and values of %d tokens (%.1f GiB)", n_slots,
                        (double)token_bytes * n_slots / 1073741824.0);
    }
    size_t half = token_bytes / (size_t)c->n_layers / 2 * (size_t)n_slots;
    for (int i = 0; i < c->n_layers; i++) {
        cache->layers[i].k = (char *)cache->memory + (size_t)i * 2 * half;
        cache->layers[i].v = (char *)cache->memory + ((size_t)i * 2 + 1) * half;
    }
    *out = cache;
    return SLK_OK;
}

void slk_cache_free(slk_cache *cache)
{
    if (!cache) return;
    if (cache->memory) munmap(cache->memory, cache->memory_bytes);
    free(cache->layers);
    free(cache);
}

/* --- scratch -------------------------------------------------------------------------------------------------------
 */

slk_status slk_forward_create(slk_forward **out, const slk_model *model, slk_err *err)
{
    *out = NULL;
    slk_forward *f = slk_alloc_zero(1, sizeof *f);
    if (!f) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    f->model = model;
    const slk_config *c = &model->config;
    const slk_layer *layer = &model->layers[0];
    size_t size = element_bytes(f);
    int64_t wide = SLK_LOGITS_CHUNK;
    if (layer->qkv.n_out > wide) wide = layer->qkv.n_out;
    if (layer->gate_up.n_out > wide) wide = layer->gate_up.n_out;
    f->normed = slk_alloc_aligned((size_t)TILE_ROWS * (size_t)c->d_model, size);
    f->wide = slk_alloc_aligned((size_t)TILE_ROWS * (size_t)wide, sizeof *f->wide);
    f->hidden = slk_alloc_aligned((size_t)TILE_ROWS * (size_t)c->d_ff, size);
    f->block = slk_alloc_aligned((size_t)TILE_ROWS * (size_t)c->d_model, sizeof *f->block);
    int64_t rank = model->adapter ? slk_adapter_max_rank(model->adapter) : 0;
    f->low = slk_alloc_aligned((size_t)TILE_ROWS * (size_t)rank, size);
    if (!f->normed || !f->wide || !f->hidden || !f->block || !f->low) {
        slk_forward_free(f);
        return slk_fail(err, SLK_E_MEMORY, "out of memory");
    }
    *out = f;
    return SLK_OK;
}

void slk_forward_free(slk_forward *f)
{
    if (!f) return;
    free(f->x), free(f->q), free(f->y), free(f->normed), free(f->wide), free(f->hidden), free(f->block), free(f->low);
    slk_rotary_release(&f->rotary);
    slk_asked_release(&f->asked);
    free(f);
}

const slk_forward_stats *slk_forward_get_stats(const slk_forward *f)
{
    return &f->stats;
}

double slk_forward_flop(const slk_forward *f)
{
    const slk_config *c = &f->model->config;
    return 2.0 * (double)slk_config_n_body_params(c) * (double)f->stats.n_rows +
           2.0 * c->d_model * (double)c->n_vocab * (double)f->stats.n_logit_rows;
}

static slk_status reserve_rows(slk_forward *f, size_t n_rows, slk_err *err)
{
    if (n_rows <= f->cap_rows) return SLK_OK;
    const slk_config *c = &f->model->config;
    size_t d_q = (size_t)c->n_heads * (size_t)c->head_dim;
    free(f->x), free(f->q), free(f->y);
    f->cap_rows = 0;
    f->x = slk_alloc_aligned(n_rows * (size_t)c->d_model, sizeof *f->x);
    f->q = slk_alloc_aligned(n_rows * d_q, element_bytes(f));
    f->y = slk_alloc_aligned(n_rows * d_q, element_bytes(f));
    if (!f->x || !f->q || !f->y) return slk_fail(err, SLK_E_MEMORY, "out of memory for a batch of %zu rows", n_rows);
    f->cap_rows = n_rows;
    return SLK_OK;
}

/* --- a layer -------------------------------------------------------------------------------------------------------
 */

static void norm_rows(const slk_forward *f, void *y, const float *x, const float *gain, const float *bias, int64_t n)
{
    const slk_config *c = &f->model->config;
    if (c->norm == SLK_NORM_RMS)
        slk_compute_rms_norm(f->model->compute, y, x, gain, c->norm_eps, n, c->d_model);
    else
        slk_compute_layer_norm(f->model->compute, y, x, gain, bias, c->norm_eps, n, c->d_model);
}

static double lap(double *since)
{
    double now = slk_clock_ms(), ms = now - *since;
    *since = now;
    return ms;
}

/* y [n, w->n_out] = W in, or, with accumulate, y += W in; with an adapter B (A in) is added to either. Rows of in are
 * dense. */
static slk_status multiply(slk_forward *f, float *y, const void *in, const slk_weight *w, int i, slk_adapted matrix,
                           int64_t n, bool accumulate, slk_err *err)
{
    slk_compute *compute = f->model->compute;
    const slk_low_rank *low = f->model->adapter ? slk_adapter_get(f->model->adapter, i, matrix) : NULL;
    slk_status s = slk_compute_matmul(compute, y, SLK_DTYPE_F32, w->n_out, in, w->n_in, w, n, accumulate, err);
    if (s != SLK_OK || !low) return s;
    s = slk_compute_matmul(compute, f->low, slk_compute_dtype(compute), low->a.n_out, in, w->n_in, &low->a, n, false,
                           err);
    if (s != SLK_OK) return s;
    return slk_compute_matmul(compute, y, SLK_DTYPE_F32, w->n_out, f->low, low->b.n_in, &low->b, n, true, err);
}

/* x += W in, or x += norm(W in) where the family norms a block's output. */
static slk_status add_block(slk_forward *f, float *x, const void *in, const slk_weight *w, int i, slk_adapted matrix,
                            const float *post_gain, int64_t n, slk_err *err)
{
    const slk_config *c = &f->model->config;
    slk_compute *compute = f->model->compute;
    if (!post_gain) return multiply(f, x, in, w, i, matrix, n, true, err);
    slk_status s = multiply(f, f->block, in, w, i, matrix, n, false, err);
    if (s != SLK_OK) return s;
    slk_compute_rms_norm_f32(compute, f->block, f->block, post_gain, c->norm_eps, n, c->d_model);
    slk_compute_add(compute, x, f->block, n, c->d_model);
    return SLK_OK;
}

/* Queries of all rows; their keys and values go into the cache. */
static slk_status project_qkv(slk_forward *f, slk_cache *cache, const slk_batch *b, int i, const slk_attention *a,
                              slk_err *err)
{
    const slk_config *c = &f->model->config;
    const slk_layer *layer = &f->model->layers[i];
    size_t d_q_bytes = query_bytes(f);
    double clock = slk_clock_ms();
    for (int32_t r = 0; r < b->n_rows; r += TILE_ROWS) {
        int64_t n = b->n_rows - r < TILE_ROWS ? b->n_rows - r : TILE_ROWS;
        norm_rows(f, f->normed, f->x + (size_t)r * (size_t)c->d_model, layer->attn_gain, layer->attn_bias, n);
        f->stats.rowwise_ms += lap(&clock);
        slk_status s = multiply(f, f->wide, f->normed, &layer->qkv, i, SLK_ADAPTED_QKV, n, false, err);
        if (s != SLK_OK) return s;
        f->stats.matmul_ms += lap(&clock);
        slk_compute_split_qkv(f->model->compute, f->q + (size_t)r * d_q_bytes, &cache->layers[i], f->wide, b->pos + r,
                              b->slot + r, a, n);
        f->stats.rowwise_ms += lap(&clock);
    }
    return SLK_OK;
}

/* Only asked rows go on: they move to the front. Returns the batch that they are. */
static slk_status narrow(slk_forward *f, slk_batch *narrowed, const slk_batch *b, slk_err *err)
{
    size_t d = (size_t)f->model->config.d_model, d_q_bytes = query_bytes(f);
    slk_asked *asked = &f->asked;
    slk_status s = slk_asked_set(asked, b, err);
    if (s != SLK_OK) return s;
    for (int32_t i = 0; i < asked->n; i++) {
        size_t from = (size_t)asked->rows[i], to = (size_t)i;
        if (from == to) continue;
        memcpy(f->x + to * d, f->x + from * d, d * sizeof *f->x);
        memcpy(f->q + to * d_q_bytes, f->q + from * d_q_bytes, d_q_bytes);
    }
    *narrowed = (slk_batch){.n_rows = asked->n, .paths = asked->paths, .n_paths = asked->n_paths};
    return SLK_OK;
}

static slk_status attend(slk_forward *f, slk_cache *cache, const slk_batch *b, int i, const slk_attention *a,
                         slk_err *err)
{
    const slk_config *c = &f->model->config;
    const slk_layer *layer = &f->model->layers[i];
    size_t d_q_bytes = query_bytes(f);
    double clock = slk_clock_ms();
    slk_status s =
        slk_compute_attention(f->model->compute, f->y, f->q, &cache->layers[i], a, b->paths, b->n_paths, err);
    if (s != SLK_OK) return s;
    f->stats.attention_ms += lap(&clock);
    for (int32_t r = 0; r < b->n_rows; r += TILE_ROWS) {
        int64_t n = b->n_rows - r < TILE_ROWS ? b->n_rows - r : TILE_ROWS;
        s = add_block(f, f->x + (size_t)r * (size_t)c->d_model, f->y + (size_t)r * d_q_bytes, &layer->attn_out, i,
                      SLK_ADAPTED_ATTN_OUT, layer->post_attn_gain, n, err);
        if (s != SLK_OK) return s;
    }
    f->stats.matmul_ms += lap(&clock);
    return SLK_OK;
}

static slk_status ffn_block(slk_forward *f, const slk_batch *b, int i, slk_err *err)
{
    const slk_config *c = &f->model->config;
    const slk_layer *layer = &f->model->layers[i];
    slk_compute *compute = f->model->compute;
    double clock = slk_clock_ms();
    for (int32_t r = 0; r < b->n_rows; r += TILE_ROWS) {
        int64_t n = b->n_rows - r < TILE_ROWS ? b->n_rows - r : TILE_ROWS;
        float *x = f->x + (size_t)r * (size_t)c->d_model;
        norm_rows(f, f->normed, x, layer->ffn_gain, layer->ffn_bias, n);
        f->stats.rowwise_ms += lap(&clock);
        slk_status s = multiply(f, f->wide, f->normed, &layer->gate_up, i, SLK_ADAPTED_GATE_UP, n, false, err);
        if (s != SLK_OK) return s;
        f->stats.matmul_ms += lap(&clock);
        slk_compute_gate(compute, f->hidden, f->wide, SLK_DTYPE_F32, c->activation, c->gated, n, c->d_ff);
        f->stats.rowwise_ms += lap(&clock);
        s = add_block(f, x, f->hidden, &layer->down, i, SLK_ADAPTED_DOWN, layer->post_ffn_gain, n, err);
        if (s != SLK_OK) return s;
        f->stats.matmul_ms += lap(&clock);
    }
    return SLK_OK;
}

/* --- logits --------------------------------------------------------------------------------------------------------
 */

/* Asks [first, first + n): their rows (places: of each ask, where rows were narrowed; else NULL) are gathered, normed,
 * and multiplied with the output matrix chunk by chunk, so that the matrix is read once and no more than
 * SLK_LOGITS_CHUNK columns of logits exist at a time. */
static slk_status logits_tile(slk_forward *f, const slk_batch *b, const int32_t *places, int32_t first, int64_t n,
                              slk_top *tops, slk_err *err)
{
    const slk_model *m = f->model;
    const slk_config *c = &m->config;
    size_t d = (size_t)c->d_model;
    double clock = slk_clock_ms();
    bool any_top = false;
    for (int64_t i = 0; i < n; i++) {
        int32_t row = places ? places[first + i] : b->asks[first + i].row;
        memcpy(f->block + (size_t)i * d, f->x + (size_t)row * d, d * sizeof(float));
        any_top |= b->asks[first + i].top != NULL;
        tops[i] = b->asks[first + i].top
                      ? *b->asks[first + i].top
                      : (slk_top){.k = 1, .ids = &f->spare_ids[i], .logits = &f->spare_logits[i], .target = -1};
        tops[i].n = 0;
        tops[i].max = -INFINITY;
        tops[i].sum = 0;
    }
    norm_rows(f, f->normed, f->block, m->out_gain, m->out_bias, n);
    for (int chunk = 0; chunk < m->n_chunks; chunk++) {
        const slk_weight *w = &m->output[chunk];
        int64_t column = (int64_t)chunk * SLK_LOGITS_CHUNK;
        slk_status s = slk_compute_matmul(m->compute, f->wide, SLK_DTYPE_F32, SLK_LOGITS_CHUNK, f->normed, c->d_model,
                                          w, n, false, err);
        if (s != SLK_OK) return s;
        f->stats.logits_ms += lap(&clock);
        if (any_top)
            slk_compute_top(m->compute, tops, f->wide, SLK_LOGITS_CHUNK, n, (int32_t)column, (int32_t)w->n_out,
                            c->logit_softcap);
        for (int64_t i = 0; i < n; i++) {
            float *out = b->asks[first + i].logits;
            if (!out) continue;
            memcpy(out + column, f->wide + (size_t)i * SLK_LOGITS_CHUNK, (size_t)w->n_out * sizeof *out);
            for (int64_t j = 0; c->logit_softcap > 0 && j < w->n_out; j++) {
                out[column + j] = c->logit_softcap * tanhf(out[column + j] / c->logit_softcap);
            }
        }
        f->stats.top_ms += lap(&clock);
    }
    for (int64_t i = 0; i < n; i++) {
        if (b->asks[first + i].top) *b->asks[first + i].top = tops[i];
    }
    return SLK_OK;
}

static slk_status all_logits(slk_forward *f, const slk_batch *b, const int32_t *places, slk_err *err)
{
    slk_top *tops = slk_alloc(TILE_ROWS, sizeof *tops);
    if (!tops) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    slk_status s = SLK_OK;
    for (int32_t i = 0; i < b->n_asks && s == SLK_OK; i += TILE_ROWS) {
        s = logits_tile(f, b, places, i, b->n_asks - i < TILE_ROWS ? b->n_asks - i : TILE_ROWS, tops, err);
    }
    free(tops);
    return s;
}

/* --- run -----------------------------------------------------------------------------------------------------------
 */

static slk_status embed_rows(slk_forward *f, const slk_batch *b, slk_err *err)
{
    slk_status status = SLK_OK;
    size_t d = (size_t)f->model->config.d_model;
#pragma omp parallel for num_threads(slk_compute_n_threads(f->model->compute))
    for (int32_t r = 0; r < b->n_rows; r++) {
        slk_err own;
        slk_status s = slk_model_embed(f->model, b->tokens[r], b->pos[r], f->x + (size_t)r * d, &own);
        if (s == SLK_OK) continue;
#pragma omp critical
        {
            status = s;
            if (err) *err = own;
        }
    }
    /* the rows that were read would stay resident otherwise, and in the end the whole table */
    if (b->n_rows >= TILE_ROWS / 8) slk_source_forget(f->model->source, &f->model->embedding);
    return status;
}

static void tap(const slk_forward *f, const slk_batch *b, int i)
{
    if (!b->hidden) return;
    const slk_config *c = &f->model->config;
    size_t n = (size_t)b->n_rows * (size_t)c->d_model;
    memcpy(b->hidden + (size_t)i * n, f->x, n * sizeof(float));
}

/* The tap of the last layer is after the final norm. */
static void tap_final(const slk_forward *f, const slk_batch *b)
{
    if (!b->hidden) return;
    const slk_model *m = f->model;
    const slk_config *c = &m->config;
    size_t d = (size_t)c->d_model;
    float *out = b->hidden + (size_t)c->n_layers * (size_t)b->n_rows * d;
    for (int32_t r = 0; r < b->n_rows; r++) {
        norm_rows(f, f->normed, f->x + (size_t)r * d, m->out_gain, m->out_bias, 1);
        for (size_t i = 0; i < d; i++) {
            bool bf16 = element_bytes(f) == 2;
            out[(size_t)r * d + i] = bf16 ? slk_bf16_to_f32(((uint16_t *)f->normed)[i]) : ((float *)f->normed)[i];
        }
    }
}

/* *places: where the rows of the asks are found, if not where they were. */
static slk_status run_layers(slk_forward *f, slk_cache *cache, const slk_batch *b, const int32_t **places, slk_err *err)
{
    slk_batch narrowed;
    const slk_batch *rows = b;
    slk_status s = SLK_OK;
    for (int i = 0; i < f->model->config.n_layers && s == SLK_OK; i++) {
        slk_attention a = slk_layer_attention(f->model, &f->rotary, i);
        tap(f, b, i);
        s = project_qkv(f, cache, b, i, &a, err);
        if (s == SLK_OK && i == f->model->config.n_layers - 1 && slk_asked_pays(b)) {
            s = narrow(f, &narrowed, b, err);
            rows = &narrowed;
            *places = f->asked.places;
        }
        if (s == SLK_OK) s = attend(f, cache, rows, i, &a, err);
        if (s == SLK_OK) s = ffn_block(f, rows, i, err);
    }
    return s;
}

slk_status slk_forward_run(slk_forward *f, slk_cache *cache, const slk_batch *b, slk_err *err)
{
    if (b->n_rows < 1) return SLK_OK;
    int32_t last = 0;
    for (int32_t r = 0; r < b->n_rows; r++) {
        if (b->pos[r] > last) last = b->pos[r];
    }
    double clock = slk_clock_ms();
    slk_status s = reserve_rows(f, (size_t)b->n_rows, err);
    if (s == SLK_OK && last < f->model->config.n_context) s = slk_rotary_reserve(&f->rotary, f->model, last + 1, err);
    if (s == SLK_OK) s = embed_rows(f, b, err);
    f->stats.rowwise_ms += lap(&clock);
    const int32_t *places = NULL;
    if (s == SLK_OK) s = run_layers(f, cache, b, &places, err);
    if (s == SLK_OK) {
        tap_final(f, b);
        s = all_logits(f, b, places, err);
    }
    if (s != SLK_OK) return s;
    f->stats.n_rows += (uint64_t)b->n_rows;
    f->stats.n_logit_rows += (uint64_t)b->n_asks;
    f->stats.n_batches++;
    return SLK_OK;
}
