/* A batch through the whole model: embedding, layers, logits, loss, and back. */
#include "model/backprop.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/progress.h"
#include "base/rng.h"
#include "model/backprop_impl.h"

/* Columns of the embedding's gradient that one thread adds to. */
#define COLUMN_BLOCK 64

/* --- creation ------------------------------------------------------------------------------------------------------
 */

/* Gradient of the parameter that the passes read at `weights`; NULL: not trained. */
static float *find_grad(const slk_params *params, const void *weights, const slk_param **param)
{
    for (size_t i = 0; weights && i < params->n; i++) {
        if (params->items[i].weights != weights) continue;
        if (param) *param = &params->items[i];
        return params->items[i].grad;
    }
    return NULL;
}

static void find_layer_grads(slk_backprop *b, int i)
{
    const slk_layer *y = &b->model->layers[i];
    const slk_params *p = b->params;
    slk_layer_grads *g = &b->grads[i];
    const slk_weight *matrices[SLK_N_ADAPTED] = {&y->qkv, &y->attn_out, &y->gate_up, &y->down};
    g->attn_gain = find_grad(p, y->attn_gain, NULL);
    g->attn_bias = find_grad(p, y->attn_bias, NULL);
    g->q_gain = find_grad(p, y->q_gain, NULL);
    g->k_gain = find_grad(p, y->k_gain, NULL);
    g->post_attn_gain = find_grad(p, y->post_attn_gain, NULL);
    g->ffn_gain = find_grad(p, y->ffn_gain, NULL);
    g->ffn_bias = find_grad(p, y->ffn_bias, NULL);
    g->post_ffn_gain = find_grad(p, y->post_ffn_gain, NULL);
    for (int m = 0; m < SLK_N_ADAPTED; m++) {
        slk_matrix_grads *w = &g->matrix[m];
        w->w = find_grad(p, matrices[m]->data, NULL);
        w->bias = find_grad(p, matrices[m]->bias, NULL);
        w->low = b->model->adapter ? slk_adapter_get(b->model->adapter, i, (slk_adapted)m) : NULL;
        if (!w->low) continue;
        w->a = find_grad(p, w->low->a.data, NULL);
        w->b = find_grad(p, w->low->b.data, &w->param_b);
    }
}

/* FLOP of one row, there and back: 2 a weight forward, 2 for the gradient of the input, 2 for that of the weight. */
static void count_flop(slk_backprop *b)
{
    double attention = 0;
    for (int i = 0; i < b->model->config.n_layers; i++) {
        const slk_layer *y = &b->model->layers[i];
        const slk_weight *matrices[SLK_N_ADAPTED] = {&y->qkv, &y->attn_out, &y->gate_up, &y->down};
        for (int m = 0; m < SLK_N_ADAPTED; m++) {
            const slk_matrix_grads *g = &b->grads[i].matrix[m];
            double n = (double)matrices[m]->n_out * (double)matrices[m]->n_in;
            b->flop_row += n * (g->w ? 6 : 4);
            if (g->low) b->flop_row += 6.0 * (double)g->low->a.n_out * (double)(g->low->a.n_in + g->low->b.n_out);
            if (m == SLK_ADAPTED_ATTN_OUT) attention = b->flop_row;
        }
        b->flop_ffn = b->flop_row - attention; /* of the last layer at last */
    }
    b->flop_logit_row = (b->d_output ? 6.0 : 4.0) * b->model->config.d_model * b->model->config.n_vocab;
}

slk_status slk_backprop_create(slk_backprop **out, slk_model *model, slk_params *params,
                               const slk_backprop_options *options, slk_err *err)
{
    *out = NULL;
    slk_backprop *b = slk_alloc_zero(1, sizeof *b);
    if (!b) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    size_t n_layers = (size_t)model->config.n_layers;
    b->model = model;
    b->params = params;
    b->options = *options;
    b->grads = slk_alloc_zero(n_layers, sizeof *b->grads);
    b->map.x = slk_alloc_zero(n_layers + 1, sizeof *b->map.x);
    b->map.acts = slk_alloc_zero(n_layers, sizeof *b->map.acts);
    if (!b->grads || !b->map.x || !b->map.acts) {
        slk_backprop_free(b);
        return slk_fail(err, SLK_E_MEMORY, "out of memory");
    }
    for (int i = 0; i < model->config.n_layers; i++) find_layer_grads(b, i);
    b->d_embedding = find_grad(params, model->embedding_rows, NULL);
    b->d_positions = find_grad(params, model->positions_rows, NULL);
    b->d_output = find_grad(params, model->output_rows, NULL);
    b->d_out_gain = find_grad(params, model->out_gain, NULL);
    b->d_out_bias = find_grad(params, model->out_bias, NULL);
    count_flop(b);
    *out = b;
    return SLK_OK;
}

void slk_backprop_free(slk_backprop *b)
{
    if (!b) return;
    slk_padded_rows_release(&b->rows);
    slk_rotary_release(&b->rotary);
    free(b->memory);
    free(b->map.x);
    free(b->map.acts);
    free(b->grads);
    free(b);
}

const slk_backprop_stats *slk_backprop_get_stats(const slk_backprop *b)
{
    return &b->stats;
}

double slk_backprop_flop(const slk_backprop *b)
{
    return b->flop_row * (double)b->stats.n_rows - b->flop_ffn * (double)b->n_spared +
           b->flop_logit_row * (double)b->stats.n_logit_rows;
}

/* Memory for the batch in b->rows. */
static slk_status reserve(slk_backprop *b, slk_err *err)
{
    slk_scratch_plan plan = {.config = &b->model->config,
                             .value_bytes = slk_compute_dtype(b->model->compute) == SLK_DTYPE_BF16 ? 2 : 4,
                             .options = b->options,
                             .n_rows = b->rows.n_rows,
                             .n_target_rows = b->rows.n_target_rows};
    for (int m = 0; m < SLK_N_ADAPTED; m++) {
        const slk_low_rank *low = b->grads[0].matrix[m].low;
        plan.rank[m] = low ? low->a.n_out : 0;
    }
    size_t n = slk_scratch_lay_out(&b->map, &plan, NULL);
    if (n > b->memory_bytes) {
        free(b->memory);
        b->memory_bytes = 0;
        b->memory = slk_alloc_aligned(n, 1);
        if (!b->memory)
            return slk_fail(err, SLK_E_MEMORY,
                            "out of memory: %lld rows of a batch need %.1f GiB; take smaller batches",
                            (long long)b->rows.n_rows, (double)n / 1073741824.0);
        b->memory_bytes = n;
    }
    slk_scratch_lay_out(&b->map, &plan, b->memory);
    return SLK_OK;
}

/* --- ends ----------------------------------------------------------------------------------------------------------
 */

static slk_status embed(slk_backprop *b, slk_err *err)
{
    slk_status s = SLK_OK;
    size_t d = (size_t)b->model->config.d_model;
    for (int64_t r = 0; r < b->rows.n_rows && s == SLK_OK; r++)
        s = slk_model_embed(b->model, b->rows.tokens[r], b->rows.pos[r], b->map.x[0] + (size_t)r * d, err);
    return s;
}

/* Rows in order for each block of columns: the same sums for any number of threads. */
static void embed_backward(slk_backprop *b)
{
    const slk_config *c = &b->model->config;
    int64_t d = c->d_model, n_blocks = (d + COLUMN_BLOCK - 1) / COLUMN_BLOCK;
    float scale = c->embed_scale;
    if (!b->d_embedding && !b->d_positions) return;
#pragma omp parallel for num_threads(slk_compute_n_threads(b->model->compute))
    for (int64_t block = 0; block < n_blocks; block++) {
        int64_t begin = block * COLUMN_BLOCK, end = begin + COLUMN_BLOCK < d ? begin + COLUMN_BLOCK : d;
        for (int64_t r = 0; r < b->rows.n_own_rows; r++) {
            const float *dx = b->map.dx + r * d;
            float *e = b->d_embedding ? b->d_embedding + b->rows.tokens[r] * d : NULL;
            float *p = b->d_positions ? b->d_positions + b->rows.pos[r] * d : NULL;
            for (int64_t i = begin; e && i < end; i++) e[i] += scale * dx[i];
            for (int64_t i = begin; p && i < end; i++) p[i] += dx[i];
        }
    }
}

/* Target rows [t, t + n): logits, losses, and, in training, the gradients of the output matrix and of the normed rows.
 */
static slk_status logits_tile(slk_backprop *b, int64_t t, int64_t n, double weight, double *losses, slk_err *err)
{
    const slk_model *m = b->model;
    const slk_config *c = &m->config;
    slk_dtype type = slk_compute_dtype(m->compute);
    size_t value_bytes = type == SLK_DTYPE_BF16 ? 2 : 4;
    const char *normed = (const char *)b->map.out_normed + (size_t)(t * c->d_model) * value_bytes;
    slk_product forward = {.n_rows = n, .n_cols = c->n_vocab, .n_inner = c->d_model, .b_transposed = true};
    slk_status s =
        slk_compute_multiply(m->compute, b->map.logits, SLK_DTYPE_F32, normed, m->output_rows, &forward, err);
    if (s != SLK_OK) return s;
    const int32_t *first = b->rows.first + t;
    slk_compute_cross_entropy(m->compute, weight != 0 ? b->map.dlogits : NULL, losses, b->map.logits, c->logit_softcap,
                              first, b->rows.targets, (float)weight, n, c->n_vocab);
    if (weight == 0) return SLK_OK;
    slk_product outer = {
        .n_rows = c->n_vocab, .n_cols = c->d_model, .n_inner = n, .a_transposed = true, .accumulate = true};
    if (b->d_output)
        s = slk_compute_multiply(m->compute, b->d_output, SLK_DTYPE_F32, b->map.dlogits, normed, &outer, err);
    slk_product back = {.n_rows = n, .n_cols = c->d_model, .n_inner = c->n_vocab};
    /* block is free here, and holds no fewer rows: it takes the gradients of the normed rows */
    if (s == SLK_OK)
        s = slk_compute_multiply(m->compute, b->map.block + t * c->d_model, SLK_DTYPE_F32, b->map.dlogits,
                                 m->output_rows, &back, err);
    return s;
}

void slk_backprop_gather(const slk_backprop *b, float *y, const float *x)
{
    size_t d = (size_t)b->model->config.d_model;
    for (size_t i = 0; i < (size_t)b->rows.n_target_rows; i++) {
        if (b->rows.target_rows[i] >= 0)
            memcpy(y + i * d, x + (size_t)b->rows.target_rows[i] * d, d * sizeof *x);
        else
            memset(y + i * d, 0, d * sizeof *x);
    }
}

void slk_backprop_spread(slk_backprop *b)
{
    size_t d = (size_t)b->model->config.d_model;
    memset(b->map.dx, 0, (size_t)b->rows.n_rows * d * sizeof *b->map.dx);
    for (size_t i = 0; i < (size_t)b->rows.n_own_target_rows; i++)
        memcpy(b->map.dx + (size_t)b->rows.target_rows[i] * d, b->map.dgathered + i * d, d * sizeof *b->map.dx);
}

/* From the last layer's output to the losses, and back to its gradient in dx (where it is narrow: in dgathered). */
static slk_status loss_of(slk_backprop *b, double weight, double *losses, slk_err *err)
{
    const slk_model *m = b->model;
    size_t d = (size_t)m->config.d_model, n = (size_t)b->rows.n_target_rows;
    double clock = slk_clock_ms();
    if (!b->narrow) slk_backprop_gather(b, b->map.gathered, b->map.x[m->config.n_layers]);
    slk_backprop_norm(b, b->map.out_normed, b->map.gathered, m->out_gain, m->out_bias, (int64_t)n);
    b->stats.rowwise_ms += slk_backprop_lap(&clock);
    slk_status s = SLK_OK;
    for (int64_t t = 0; t < (int64_t)n && s == SLK_OK; t += b->map.logits_tile) {
        int64_t left = (int64_t)n - t;
        s = logits_tile(b, t, left < b->map.logits_tile ? left : b->map.logits_tile, weight, losses, err);
    }
    b->stats.logits_ms += slk_backprop_lap(&clock);
    if (s != SLK_OK || weight == 0) return s;
    memset(b->map.dgathered, 0, n * d * sizeof *b->map.dgathered);
    s = slk_backprop_norm_backward(b, b->map.dgathered, b->d_out_gain, b->d_out_bias, b->map.block, b->map.gathered,
                                   m->out_gain, (int64_t)n, err);
    if (!b->narrow) slk_backprop_spread(b);
    b->stats.rowwise_ms += slk_backprop_lap(&clock);
    return s;
}

/* B of an adapter is one matrix for several tensors, each with columns of its own: what lies outside is no parameter.
 */
static void clear_outside(slk_backprop *b)
{
    for (int i = 0; i < b->model->config.n_layers; i++) {
        for (int m = 0; m < SLK_N_ADAPTED; m++) {
            const slk_matrix_grads *g = &b->grads[i].matrix[m];
            const slk_param *p = g->param_b;
            if (!g->low || !g->b) continue;
            for (int64_t r = 0; r < p->n_rows; r++) {
                for (int64_t k = 0; k < p->n_cols; k++) {
                    bool inside = false;
                    for (int q = 0; q < p->n_parts; q++) {
                        const slk_param_part *at = &p->parts[q];
                        inside |= r >= at->row && r < at->row + at->n_rows && k >= at->col && k < at->col + at->n_cols;
                    }
                    if (!inside) g->b[r * p->n_cols + k] = 0;
                }
            }
        }
    }
}

/* --- run -----------------------------------------------------------------------------------------------------------
 */

slk_status slk_backprop_run(slk_backprop *b, const slk_train_rows *rows, uint64_t step, double weight, double *losses,
                            slk_err *err)
{
    const slk_config *c = &b->model->config;
    if (rows->n_rows < 1 || rows->n_targets < 1) return SLK_OK;
    int32_t last = 0;
    for (int32_t r = 0; r < rows->n_rows; r++) {
        if (rows->pos[r] > last) last = rows->pos[r];
    }
    for (int32_t i = 0; i < rows->n_targets; i++) {
        if (rows->targets[i].token < 0 || rows->targets[i].token >= c->n_vocab)
            return slk_fail(err, SLK_E_ARG, "target token %d, expected 0 to %d", rows->targets[i].token,
                            c->n_vocab - 1);
    }
    slk_status s = slk_padded_rows_set(&b->rows, rows, err);
    if (s == SLK_OK) s = reserve(b, err);
    if (s == SLK_OK && last < c->n_context) s = slk_rotary_reserve(&b->rotary, b->model, last + 1, err);
    if (s != SLK_OK) return s;
    uint64_t key = slk_rng_u64(b->options.seed, SLK_PURPOSE_DROPOUT, step, 0, 0, 0);
    b->key[0] = (uint32_t)key;
    b->key[1] = (uint32_t)(key >> 32);
    b->training = weight != 0;
    b->narrow = b->rows.n_target_rows <= b->rows.n_rows / 4 * 3;
    double clock = slk_clock_ms();
    s = embed(b, err);
    b->stats.rowwise_ms += slk_backprop_lap(&clock);
    for (int i = 0; i < c->n_layers && s == SLK_OK; i++) s = slk_layer_forward(b, i, true, err);
    if (s == SLK_OK) s = loss_of(b, weight, losses, err);
    if (s != SLK_OK || weight == 0) return s;
    for (int i = c->n_layers - 1; i >= 0 && s == SLK_OK; i--) {
        if (b->options.recompute && i < c->n_layers - 1) s = slk_layer_forward(b, i, false, err);
        if (s == SLK_OK) s = slk_layer_backward(b, i, err);
    }
    if (s != SLK_OK) return s;
    clock = slk_clock_ms();
    embed_backward(b);
    clear_outside(b);
    b->stats.rowwise_ms += slk_backprop_lap(&clock);
    b->stats.n_rows += (uint64_t)b->rows.n_own_rows;
    if (b->narrow) b->n_spared += (uint64_t)(b->rows.n_own_rows - b->rows.n_own_target_rows);
    b->stats.n_logit_rows += (uint64_t)b->rows.n_own_target_rows;
    b->stats.n_runs++;
    return SLK_OK;
}
