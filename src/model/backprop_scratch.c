/* Where everything of a batch lies in memory, and how a batch is filled up to whole steps of rows. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/backprop_impl.h"

/* Most memory for logits: rows with targets go through in tiles. */
#define LOGITS_BYTES ((int64_t)64 << 20)

typedef struct cursor {
    char *base;
    size_t at;
} cursor;

static void *take(cursor *c, int64_t n, size_t size)
{
    void *p = c->base ? c->base + c->at : NULL;
    c->at += ((size_t)n * size + 63) / 64 * 64;
    return p;
}

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void lay_out_layer(slk_layer_acts *a, const slk_scratch_plan *p, cursor *at)
{
    const slk_config *c = p->config;
    int64_t n = p->n_rows, d_q = (int64_t)c->n_heads * c->head_dim, d_kv = (int64_t)c->n_kv_heads * c->head_dim;
    int64_t mask_bytes = (c->d_model + 7) / 8, n_in[SLK_N_ADAPTED] = {c->d_model, d_q, c->d_model, c->d_ff};
    a->mid = take(at, n * c->d_model, sizeof(float));
    a->qkv = c->qk_norm ? take(at, n * (d_q + 2 * d_kv), p->value_bytes) : NULL;
    a->q = take(at, n * d_q, p->value_bytes);
    a->k = take(at, n * d_kv, p->value_bytes);
    a->v = take(at, n * d_kv, p->value_bytes);
    a->y = take(at, n * d_q, p->value_bytes);
    a->gu = take(at, n * (c->gated ? 2 : 1) * c->d_ff, p->value_bytes);
    a->attn_raw = c->post_norms ? take(at, n * c->d_model, sizeof(float)) : NULL;
    a->ffn_raw = c->post_norms ? take(at, n * c->d_model, sizeof(float)) : NULL;
    a->attn_mask = p->options.dropout > 0 ? take(at, n * mask_bytes, 1) : NULL;
    a->ffn_mask = p->options.dropout > 0 ? take(at, n * mask_bytes, 1) : NULL;
    for (int m = 0; m < SLK_N_ADAPTED; m++) {
        a->low[m] = p->rank[m] ? take(at, n * p->rank[m], p->value_bytes) : NULL;
        a->low_mask[m] = p->rank[m] && p->options.lora_dropout > 0 ? take(at, n * ((n_in[m] + 7) / 8), 1) : NULL;
    }
}

size_t slk_scratch_lay_out(slk_scratch_map *m, const slk_scratch_plan *p, char *base)
{
    const slk_config *c = p->config;
    cursor at = {base, 0};
    int64_t n = p->n_rows, d = c->d_model, d_q = (int64_t)c->n_heads * c->head_dim;
    int64_t d_kv = (int64_t)c->n_kv_heads * c->head_dim, d_gu = (c->gated ? 2 : 1) * (int64_t)c->d_ff;
    int64_t d_inner = max64(c->d_ff, d_q), d_wide = max64(d_gu, d_q + 2 * d_kv), rank = 0;
    for (int i = 0; i < SLK_N_ADAPTED; i++) rank = max64(rank, p->rank[i]);
    for (int i = 0; i <= c->n_layers; i++) m->x[i] = take(&at, n * d, sizeof(float));
    for (int i = 0; i < c->n_layers; i++) {
        if (i > 0 && p->options.recompute)
            m->acts[i] = m->acts[0];
        else
            lay_out_layer(&m->acts[i], p, &at);
    }
    m->normed = take(&at, n * d, p->value_bytes);
    m->h = take(&at, n * d_inner, p->value_bytes);
    m->dh = take(&at, n * d_inner, p->value_bytes);
    m->dwide = take(&at, n * d_wide, p->value_bytes);
    m->wide = take(&at, n * (rank ? d_wide : d_q + 2 * d_kv), sizeof(float));
    m->block = take(&at, n * d, sizeof(float));
    m->draw = c->post_norms ? take(&at, n * d, sizeof(float)) : NULL;
    m->dblock = take(&at, n * d, p->value_bytes);
    m->dx = take(&at, n * d, sizeof(float));
    m->dq = take(&at, n * d_q, sizeof(float));
    m->dk = take(&at, n * d_kv, sizeof(float));
    m->dv = take(&at, n * d_kv, sizeof(float));
    m->dropped = rank && p->options.lora_dropout > 0 ? take(&at, n * max64(d, d_inner), p->value_bytes) : NULL;
    m->dlow = rank ? take(&at, n * rank, p->value_bytes) : NULL;
    int64_t tile = LOGITS_BYTES / ((int64_t)sizeof(float) * c->n_vocab) / SLK_TARGET_STEP * SLK_TARGET_STEP;
    m->logits_tile = tile < SLK_TARGET_STEP ? SLK_TARGET_STEP : tile;
    if (m->logits_tile > p->n_target_rows) m->logits_tile = p->n_target_rows;
    m->gathered = take(&at, p->n_target_rows * d, sizeof(float));
    m->dgathered = take(&at, p->n_target_rows * d, sizeof(float));
    m->mid = take(&at, p->n_target_rows * d, sizeof(float));
    m->out_normed = take(&at, p->n_target_rows * d, p->value_bytes);
    m->logits = take(&at, m->logits_tile * c->n_vocab, sizeof(float));
    m->dlogits = p->value_bytes == sizeof(float) ? m->logits : take(&at, m->logits_tile * c->n_vocab, p->value_bytes);
    return at.at;
}

static int64_t round_up(int64_t n, int64_t step)
{
    return (n + step - 1) / step * step;
}

/* The number of rows that n are filled up to. */
static int64_t fill_up(int64_t n, int64_t step)
{
    int64_t least = step / 4;
    while (step > least && step > n / 8) step /= 2;
    return round_up(n, step);
}

size_t slk_backprop_bytes(const slk_config *config, slk_dtype dtype, const slk_backprop_options *options, int lora_rank,
                          int64_t n_rows, int64_t n_target_rows)
{
    slk_scratch_plan plan = {.config = config,
                             .value_bytes = dtype == SLK_DTYPE_BF16 ? 2 : 4,
                             .options = *options,
                             .n_rows = fill_up(n_rows, SLK_ROW_STEP),
                             .n_target_rows = fill_up(n_target_rows, SLK_TARGET_STEP)};
    /* all matrices adapted: three tensors share a pair, then one, two, one */
    for (int i = 0; i < SLK_N_ADAPTED; i++) plan.rank[i] = round_up((int64_t[]){3, 1, 2, 1}[i] * lora_rank, 16);
    slk_scratch_map map = {.x = slk_alloc((size_t)config->n_layers + 1, sizeof *map.x),
                           .acts = slk_alloc((size_t)config->n_layers, sizeof *map.acts)};
    size_t n = map.x && map.acts ? slk_scratch_lay_out(&map, &plan, NULL) : SIZE_MAX;
    free(map.x);
    free(map.acts);
    return n;
}

/* --- filling up ----------------------------------------------------------------------------------------------------
 */

static bool reserve(slk_padded_rows *p, size_t n_rows, size_t n_paths, size_t n_target_rows, size_t n_targets)
{
    return slk_grow(&p->tokens, &p->cap[0], n_rows, sizeof *p->tokens) &&
           slk_grow(&p->pos, &p->cap[1], n_rows, sizeof *p->pos) &&
           slk_grow(&p->slot, &p->cap[2], n_rows, sizeof *p->slot) &&
           slk_grow(&p->end, &p->cap[3], n_rows, sizeof *p->end) &&
           slk_grow(&p->hash, &p->cap[4], n_rows, sizeof *p->hash) &&
           slk_grow(&p->paths, &p->cap[5], n_paths, sizeof *p->paths) &&
           slk_grow(&p->runs, &p->cap[6], SLK_ROW_STEP, sizeof *p->runs) &&
           slk_grow(&p->target_rows, &p->cap[7], n_target_rows, sizeof *p->target_rows) &&
           slk_grow(&p->target_hash, &p->cap[8], n_target_rows, sizeof *p->target_hash) &&
           slk_grow(&p->first, &p->cap[9], n_target_rows + 1, sizeof *p->first) &&
           slk_grow(&p->targets, &p->cap[10], n_targets + 1, sizeof *p->targets);
}

/* Rows that have a target, each once, with their tokens; then rows of none. */
static void set_targets(slk_padded_rows *p, const slk_train_rows *rows)
{
    int64_t n = 0;
    for (int32_t i = 0; i < rows->n_targets; i++) {
        if (n == 0 || p->target_rows[n - 1] != rows->targets[i].row) {
            p->first[n] = i;
            p->target_hash[n] = rows->hash[rows->targets[i].row];
            p->target_rows[n++] = rows->targets[i].row;
        }
        p->targets[i] = rows->targets[i].token;
    }
    p->n_own_target_rows = n;
    for (; n < p->n_target_rows; n++) {
        p->first[n] = rows->n_targets;
        p->target_rows[n] = -1;
        p->target_hash[n] = 0;
    }
    p->first[n] = p->n_targets = rows->n_targets;
}

static int64_t count_target_rows(const slk_train_rows *rows)
{
    int64_t n = 0;
    for (int32_t i = 0; i < rows->n_targets; i++) n += i == 0 || rows->targets[i].row != rows->targets[i - 1].row;
    return n;
}

slk_status slk_padded_rows_set(slk_padded_rows *p, const slk_train_rows *rows, slk_err *err)
{
    int64_t n = rows->n_rows, n_all = fill_up(n, SLK_ROW_STEP), n_fill = n_all - n;
    int64_t n_target_rows = fill_up(count_target_rows(rows), SLK_TARGET_STEP);
    if (!reserve(p, (size_t)n_all, (size_t)(rows->n_paths + n_fill), (size_t)n_target_rows, (size_t)rows->n_targets))
        return slk_fail(err, SLK_E_MEMORY, "out of memory for a batch of %lld rows", (long long)n);
    p->n_rows = n_all;
    p->n_own_rows = n;
    p->n_target_rows = n_target_rows;
    p->n_paths = rows->n_paths + n_fill;
    memcpy(p->tokens, rows->tokens, (size_t)n * sizeof *p->tokens);
    memcpy(p->pos, rows->pos, (size_t)n * sizeof *p->pos);
    memcpy(p->end, rows->end, (size_t)n * sizeof *p->end);
    memcpy(p->hash, rows->hash, (size_t)n * sizeof *p->hash);
    memcpy(p->paths, rows->paths, (size_t)rows->n_paths * sizeof *p->paths);
    for (int64_t r = 0; r < n_all; r++) p->slot[r] = (int32_t)r;
    for (int64_t i = 0; i < n_fill; i++) { /* each a sequence of one token, whose gradient is zero */
        int64_t r = n + i;
        p->tokens[r] = p->pos[r] = 0;
        p->end[r] = (int32_t)r + 1;
        p->hash[r] = 0;
        p->runs[i] = (slk_run){.slot = (int32_t)r, .n = 1};
        p->paths[rows->n_paths + i] =
            (slk_path){.row0 = (int32_t)r, .n_rows = 1, .pos0 = 0, .runs = &p->runs[i], .n_runs = 1};
    }
    set_targets(p, rows);
    return SLK_OK;
}

void slk_padded_rows_release(slk_padded_rows *p)
{
    free(p->tokens), free(p->pos), free(p->slot), free(p->end), free(p->hash);
    free(p->paths), free(p->runs), free(p->target_rows), free(p->target_hash), free(p->first), free(p->targets);
    *p = (slk_padded_rows){0};
}
