/* One layer, there and back. Reading order: products with their adapters, the two blocks forward, the two backward.
 *
 * Of the last layer's output only the rows with a target matter, and so its feed-forward block, two thirds of a layer,
 * is for these alone where they are few: gathered before it, spread again behind its way back. */
#include <string.h>

#include "base/progress.h"
#include "model/backprop_impl.h"

double slk_backprop_lap(double *since)
{
    double now = slk_clock_ms(), ms = now - *since;
    *since = now;
    return ms;
}

static slk_compute *compute_of(const slk_backprop *b)
{
    return b->model->compute;
}

static slk_dtype type_of(const slk_backprop *b)
{
    return slk_compute_dtype(b->model->compute);
}

/* --- rows ----------------------------------------------------------------------------------------------------------
 */

static void take_all_rows(slk_backprop *b)
{
    b->now = (slk_rows_now){b->rows.n_rows, b->rows.hash, b->map.dx};
}

static void take_target_rows(slk_backprop *b)
{
    b->now = (slk_rows_now){b->rows.n_target_rows, b->rows.target_hash, b->map.dgathered};
}

static bool is_narrow(const slk_backprop *b, int i)
{
    return b->narrow && i == b->model->config.n_layers - 1;
}

/* --- products ------------------------------------------------------------------------------------------------------
 */

static const slk_weight *matrix_of(const slk_layer *layer, slk_adapted m)
{
    const slk_weight *all[SLK_N_ADAPTED] = {[SLK_ADAPTED_QKV] = &layer->qkv,
                                            [SLK_ADAPTED_ATTN_OUT] = &layer->attn_out,
                                            [SLK_ADAPTED_GATE_UP] = &layer->gate_up,
                                            [SLK_ADAPTED_DOWN] = &layer->down};
    return all[m];
}

/* y = x W^T + bias, or += */
static slk_status times_transposed(slk_backprop *b, void *y, slk_dtype y_dtype, const void *x, const slk_weight *w,
                                   bool accumulate, slk_err *err)
{
    slk_product p = {.n_rows = b->now.n,
                     .n_cols = w->n_out,
                     .n_inner = w->n_in,
                     .b_transposed = true,
                     .accumulate = accumulate,
                     .bias = w->bias};
    return slk_compute_multiply(compute_of(b), y, y_dtype, x, w->data, &p, err);
}

/* dx = dy W, or += */
static slk_status times(slk_backprop *b, void *dx, slk_dtype dx_dtype, const void *dy, const slk_weight *w,
                        bool accumulate, slk_err *err)
{
    slk_product p = {.n_rows = b->now.n, .n_cols = w->n_in, .n_inner = w->n_out, .accumulate = accumulate};
    return slk_compute_multiply(compute_of(b), dx, dx_dtype, dy, w->data, &p, err);
}

/* dW += dy^T x */
static slk_status add_outer(slk_backprop *b, float *dw, const void *dy, const void *x, const slk_weight *w,
                            slk_err *err)
{
    slk_product p = {
        .n_rows = w->n_out, .n_cols = w->n_in, .n_inner = b->now.n, .a_transposed = true, .accumulate = true};
    return slk_compute_multiply(compute_of(b), dw, SLK_DTYPE_F32, dy, x, &p, err);
}

/* Rows of the compute type, channels that the mask drops set to zero and the others scaled. In place is fine. */
static void drop(const slk_backprop *b, void *y, const void *x, const uint8_t *mask, float scale, int64_t d)
{
    bool bf16 = type_of(b) == SLK_DTYPE_BF16;
#pragma omp parallel for num_threads(slk_compute_n_threads(b->model->compute))
    for (int64_t r = 0; r < b->now.n; r++) {
        const uint8_t *bits = mask + r * ((d + 7) / 8);
        for (int64_t i = 0; i < d; i++) {
            bool stays = bits[i / 8] >> (i % 8) & 1;
            if (bf16) {
                float v = stays ? scale * slk_bf16_to_f32(((const uint16_t *)x)[r * d + i]) : 0;
                ((uint16_t *)y)[r * d + i] = slk_f32_to_bf16(v);
            } else {
                ((float *)y)[r * d + i] = stays ? scale * ((const float *)x)[r * d + i] : 0;
            }
        }
    }
}

static uint32_t site_of(int layer, int kind)
{
    return (uint32_t)layer * 8 + (uint32_t)kind;
}
enum { SITE_ATTENTION, SITE_FFN, SITE_LORA }; /* SITE_LORA + slk_adapted */

/* The input of A: x, or x with dropout. */
static const void *adapter_input(slk_backprop *b, const slk_layer_acts *a, slk_adapted m, const void *x, int64_t n_in)
{
    if (!b->training || !a->low_mask[m]) return x;
    drop(b, b->map.dropped, x, a->low_mask[m], (float)(1 / (1 - b->options.lora_dropout)), n_in);
    return b->map.dropped;
}

/* y f32 = x W^T + bias + B (A x) where the matrix has an adapter: its low-rank product is kept for the way back. */
static slk_status project(slk_backprop *b, float *y, const void *x, int layer, slk_adapted m, slk_err *err)
{
    const slk_weight *w = matrix_of(&b->model->layers[layer], m);
    const slk_low_rank *low = b->grads[layer].matrix[m].low;
    slk_layer_acts *a = &b->map.acts[layer];
    slk_status s = times_transposed(b, y, SLK_DTYPE_F32, x, w, false, err);
    if (s != SLK_OK || !low) return s;
    if (b->training && a->low_mask[m]) {
        slk_compute_dropout_mask(compute_of(b), a->low_mask[m], b->now.hash, site_of(layer, SITE_LORA + (int)m), b->key,
                                 b->options.lora_dropout, b->now.n, w->n_in);
    }
    s = times_transposed(b, a->low[m], type_of(b), adapter_input(b, a, m, x, w->n_in), &low->a, false, err);
    return s == SLK_OK ? times_transposed(b, y, SLK_DTYPE_F32, a->low[m], &low->b, true, err) : s;
}

/* dx f32 += A^T (B^T dy), through A's dropout; B^T dy stays in dlow. */
static slk_status adapter_input_back(slk_backprop *b, float *dx, const void *dy, int layer, slk_adapted m, slk_err *err)
{
    const slk_low_rank *low = b->grads[layer].matrix[m].low;
    const uint8_t *mask = b->training ? b->map.acts[layer].low_mask[m] : NULL;
    slk_status s = times(b, b->map.dlow, type_of(b), dy, &low->b, false, err);
    if (s != SLK_OK) return s;
    if (!mask) return times(b, dx, SLK_DTYPE_F32, b->map.dlow, &low->a, true, err);
    bool bf16 = type_of(b) == SLK_DTYPE_BF16;
    int64_t n = b->now.n * low->a.n_in;
    s = times(b, b->map.dropped, type_of(b), b->map.dlow, &low->a, false, err);
    if (s != SLK_OK) return s;
    drop(b, b->map.dropped, b->map.dropped, mask, (float)(1 / (1 - b->options.lora_dropout)), low->a.n_in);
#pragma omp parallel for schedule(static) num_threads(slk_compute_n_threads(b->model->compute))
    for (int64_t i = 0; i < n; i++)
        dx[i] += bf16 ? slk_bf16_to_f32(((uint16_t *)b->map.dropped)[i]) : ((float *)b->map.dropped)[i];
    return SLK_OK;
}

/* The way back through y = x W^T + bias, first half: dx, of type dx_dtype, from dy. */
static slk_status input_back(slk_backprop *b, void *dx, slk_dtype dx_dtype, const void *dy, int layer, slk_adapted m,
                             slk_err *err)
{
    const slk_weight *w = matrix_of(&b->model->layers[layer], m);
    if (!b->grads[layer].matrix[m].low) return times(b, dx, dx_dtype, dy, w, false, err);
    float *sum = dx_dtype == SLK_DTYPE_F32 ? dx : b->map.wide;
    slk_status s = times(b, sum, SLK_DTYPE_F32, dy, w, false, err);
    if (s == SLK_OK) s = adapter_input_back(b, sum, dy, layer, m, err);
    if (s == SLK_OK && sum != dx) slk_compute_round(b->model->compute, dx, sum, b->now.n, w->n_in);
    return s;
}

/* Second half, right after the first: gradients of W, its bias, and the adapter. */
static slk_status weights_back(slk_backprop *b, const void *dy, const void *x, int layer, slk_adapted m, slk_err *err)
{
    const slk_weight *w = matrix_of(&b->model->layers[layer], m);
    const slk_matrix_grads *g = &b->grads[layer].matrix[m];
    const slk_layer_acts *a = &b->map.acts[layer];
    slk_status s = SLK_OK;
    if (g->w) s = add_outer(b, g->w, dy, x, w, err);
    if (g->bias) slk_compute_add_columns(b->model->compute, g->bias, dy, b->now.n, w->n_out);
    if (s == SLK_OK && g->b) s = add_outer(b, g->b, dy, a->low[m], &g->low->b, err);
    if (s == SLK_OK && g->a) s = add_outer(b, g->a, b->map.dlow, adapter_input(b, a, m, x, w->n_in), &g->low->a, err);
    return s;
}

/* --- norms ---------------------------------------------------------------------------------------------------------
 */

void slk_backprop_norm(const slk_backprop *b, void *y, const float *x, const float *gain, const float *bias,
                       int64_t n_rows)
{
    const slk_config *c = &b->model->config;
    if (c->norm == SLK_NORM_RMS)
        slk_compute_rms_norm(compute_of(b), y, x, gain, c->norm_eps, n_rows, c->d_model);
    else
        slk_compute_layer_norm(compute_of(b), y, x, gain, bias, c->norm_eps, n_rows, c->d_model);
}

slk_status slk_backprop_norm_backward(const slk_backprop *b, float *dx, float *dgain, float *dbias, const float *dy,
                                      const float *x, const float *gain, int64_t n_rows, slk_err *err)
{
    const slk_config *c = &b->model->config;
    if (c->norm == SLK_NORM_RMS)
        return slk_compute_rms_norm_backward(compute_of(b), dx, dgain, dy, x, gain, c->norm_eps, n_rows, c->d_model,
                                             err);
    return slk_compute_layer_norm_backward(compute_of(b), dx, dgain, dbias, dy, x, gain, c->norm_eps, n_rows,
                                           c->d_model, err);
}

/* --- forward -------------------------------------------------------------------------------------------------------
 */

static void make_mask(const slk_backprop *b, uint8_t *mask, uint32_t site)
{
    if (b->training && mask)
        slk_compute_dropout_mask(b->model->compute, mask, b->now.hash, site, b->key, b->options.dropout, b->now.n,
                                 b->model->config.d_model);
}

/* out = x + dropout(norm?(block)): how both blocks end. */
static void add_block(const slk_backprop *b, float *out, const float *x, float *raw, const uint8_t *mask,
                      const float *post_gain)
{
    const slk_config *c = &b->model->config;
    slk_compute *compute = compute_of(b);
    int64_t n = b->now.n, d = c->d_model;
    float scale = 1;
    if (post_gain) {
        memcpy(raw, b->map.block, (size_t)(n * d) * sizeof *raw);
        slk_compute_rms_norm_f32(compute, b->map.block, raw, post_gain, c->norm_eps, n, d);
    }
    if (b->training && mask)
        scale = (float)(1 / (1 - b->options.dropout));
    else
        mask = NULL;
    slk_compute_add_masked(compute, out, x, b->map.block, mask, scale, n, d);
}

static slk_status attention_forward(slk_backprop *b, int i, slk_err *err)
{
    const slk_layer *layer = &b->model->layers[i];
    slk_compute *compute = compute_of(b);
    slk_layer_acts *a = &b->map.acts[i];
    int64_t n = b->now.n;
    slk_attention shape = slk_layer_attention(b->model, &b->rotary, i);
    slk_kv kv = {a->k, a->v};
    double clock = slk_clock_ms();
    slk_backprop_norm(b, b->map.normed, b->map.x[i], layer->attn_gain, layer->attn_bias, n);
    b->stats.rowwise_ms += slk_backprop_lap(&clock);
    slk_status s = project(b, b->map.wide, b->map.normed, i, SLK_ADAPTED_QKV, err);
    if (s != SLK_OK) return s;
    b->stats.matmul_ms += slk_backprop_lap(&clock);
    if (a->qkv) slk_compute_round(compute, a->qkv, b->map.wide, n, layer->qkv.n_out);
    slk_compute_split_qkv(compute, a->q, &kv, b->map.wide, b->rows.pos, b->rows.slot, &shape, n);
    b->stats.rowwise_ms += slk_backprop_lap(&clock);
    s = slk_compute_attention(compute, a->y, a->q, &kv, &shape, b->rows.paths, b->rows.n_paths, err);
    if (s != SLK_OK) return s;
    b->stats.attention_ms += slk_backprop_lap(&clock);
    s = project(b, b->map.block, a->y, i, SLK_ADAPTED_ATTN_OUT, err);
    if (s != SLK_OK) return s;
    b->stats.matmul_ms += slk_backprop_lap(&clock);
    make_mask(b, a->attn_mask, site_of(i, SITE_ATTENTION));
    add_block(b, a->mid, b->map.x[i], a->attn_raw, a->attn_mask, layer->post_attn_gain);
    b->stats.rowwise_ms += slk_backprop_lap(&clock);
    return SLK_OK;
}

static slk_status ffn_forward(slk_backprop *b, int i, bool with_output, slk_err *err)
{
    const slk_config *c = &b->model->config;
    const slk_layer *layer = &b->model->layers[i];
    slk_compute *compute = compute_of(b);
    slk_layer_acts *a = &b->map.acts[i];
    slk_status s;
    double clock = slk_clock_ms();
    /* computed again, the output goes nowhere: x[i + 1] has been used, and gets the same values */
    const float *mid = a->mid;
    float *out = b->map.x[i + 1];
    if (is_narrow(b, i)) {
        take_target_rows(b);
        slk_backprop_gather(b, b->map.mid, mid);
        mid = b->map.mid;
        out = b->map.gathered;
    }
    int64_t n = b->now.n;
    slk_backprop_norm(b, b->map.normed, mid, layer->ffn_gain, layer->ffn_bias, n);
    b->stats.rowwise_ms += slk_backprop_lap(&clock);
    if (b->grads[i].matrix[SLK_ADAPTED_GATE_UP].low) {
        s = project(b, b->map.wide, b->map.normed, i, SLK_ADAPTED_GATE_UP, err);
        if (s == SLK_OK) slk_compute_round(compute, a->gu, b->map.wide, n, layer->gate_up.n_out);
    } else {
        s = times_transposed(b, a->gu, type_of(b), b->map.normed, &layer->gate_up, false, err);
    }
    if (s != SLK_OK) return s;
    b->stats.matmul_ms += slk_backprop_lap(&clock);
    make_mask(b, a->ffn_mask, site_of(i, SITE_FFN));
    bool low_down = b->grads[i].matrix[SLK_ADAPTED_DOWN].low != NULL; /* keeps A h */
    if (!with_output && !low_down && !a->ffn_raw) return SLK_OK;
    slk_compute_gate(compute, b->map.h, a->gu, type_of(b), c->activation, c->gated, n, c->d_ff);
    b->stats.rowwise_ms += slk_backprop_lap(&clock);
    s = project(b, b->map.block, b->map.h, i, SLK_ADAPTED_DOWN, err);
    if (s != SLK_OK) return s;
    b->stats.matmul_ms += slk_backprop_lap(&clock);
    add_block(b, out, mid, a->ffn_raw, a->ffn_mask, layer->post_ffn_gain);
    b->stats.rowwise_ms += slk_backprop_lap(&clock);
    return SLK_OK;
}

slk_status slk_layer_forward(slk_backprop *b, int i, bool with_output, slk_err *err)
{
    take_all_rows(b);
    slk_status s = attention_forward(b, i, err);
    return s == SLK_OK ? ffn_forward(b, i, with_output, err) : s;
}

/* --- backward ------------------------------------------------------------------------------------------------------
 */

/* From the gradient of the residual to that of a block's product, in dblock. */
static slk_status block_back(slk_backprop *b, const float *raw, const uint8_t *mask, const float *post_gain,
                             float *dpost_gain, slk_err *err)
{
    const slk_config *c = &b->model->config;
    slk_compute *compute = compute_of(b);
    int64_t n = b->now.n, d = c->d_model;
    bool dropped = b->training && mask;
    float scale = dropped ? (float)(1 / (1 - b->options.dropout)) : 1;
    if (!dropped) mask = NULL;
    if (!post_gain) {
        slk_compute_mask(compute, b->map.dblock, b->now.dx, mask, scale, n, d);
        return SLK_OK;
    }
    float *masked = b->map.block, *dblock = b->map.draw;
    slk_compute_add_masked(compute, masked, NULL, b->now.dx, mask, scale, n, d);
    memset(dblock, 0, (size_t)(n * d) * sizeof *dblock);
    slk_status s =
        slk_compute_rms_norm_backward(compute, dblock, dpost_gain, masked, raw, post_gain, c->norm_eps, n, d, err);
    if (s == SLK_OK) slk_compute_round(compute, b->map.dblock, dblock, n, d);
    return s;
}

static slk_status ffn_backward(slk_backprop *b, int i, slk_err *err)
{
    const slk_config *c = &b->model->config;
    const slk_layer *layer = &b->model->layers[i];
    const slk_layer_grads *g = &b->grads[i];
    slk_compute *compute = compute_of(b);
    slk_layer_acts *a = &b->map.acts[i];
    const float *mid = is_narrow(b, i) ? b->map.mid : a->mid;
    int64_t n = b->now.n;
    double clock = slk_clock_ms();
    slk_status s = block_back(b, a->ffn_raw, a->ffn_mask, layer->post_ffn_gain, g->post_ffn_gain, err);
    if (s != SLK_OK) return s;
    b->stats.rowwise_ms += slk_backprop_lap(&clock);
    s = input_back(b, b->map.dh, type_of(b), b->map.dblock, i, SLK_ADAPTED_DOWN, err);
    if (s != SLK_OK) return s;
    b->stats.matmul_ms += slk_backprop_lap(&clock);
    slk_compute_gate_backward(compute, b->map.dwide, b->map.h, b->map.dh, a->gu, c->activation, c->gated, n, c->d_ff);
    slk_backprop_norm(b, b->map.normed, mid, layer->ffn_gain, layer->ffn_bias, n);
    b->stats.rowwise_ms += slk_backprop_lap(&clock);
    s = weights_back(b, b->map.dblock, b->map.h, i, SLK_ADAPTED_DOWN, err);
    if (s == SLK_OK) s = input_back(b, b->map.block, SLK_DTYPE_F32, b->map.dwide, i, SLK_ADAPTED_GATE_UP, err);
    if (s == SLK_OK) s = weights_back(b, b->map.dwide, b->map.normed, i, SLK_ADAPTED_GATE_UP, err);
    if (s != SLK_OK) return s;
    b->stats.matmul_ms += slk_backprop_lap(&clock);
    s = slk_backprop_norm_backward(b, b->now.dx, g->ffn_gain, g->ffn_bias, b->map.block, mid, layer->ffn_gain, n, err);
    b->stats.rowwise_ms += slk_backprop_lap(&clock);
    return s;
}

static slk_status attention_backward(slk_backprop *b, int i, slk_err *err)
{
    const slk_layer *layer = &b->model->layers[i];
    const slk_layer_grads *g = &b->grads[i];
    slk_compute *compute = compute_of(b);
    slk_layer_acts *a = &b->map.acts[i];
    int64_t n = b->now.n;
    slk_attention shape = slk_layer_attention(b->model, &b->rotary, i);
    slk_kv kv = {a->k, a->v};
    double clock = slk_clock_ms();
    slk_status s = block_back(b, a->attn_raw, a->attn_mask, layer->post_attn_gain, g->post_attn_gain, err);
    if (s != SLK_OK) return s;
    b->stats.rowwise_ms += slk_backprop_lap(&clock);
    s = input_back(b, b->map.dh, type_of(b), b->map.dblock, i, SLK_ADAPTED_ATTN_OUT, err);
    if (s == SLK_OK) s = weights_back(b, b->map.dblock, a->y, i, SLK_ADAPTED_ATTN_OUT, err);
    if (s != SLK_OK) return s;
    b->stats.matmul_ms += slk_backprop_lap(&clock);
    s = slk_compute_attention_backward(compute, b->map.dq, b->map.dk, b->map.dv, b->map.dh, a->q, &kv, &shape,
                                       b->rows.paths, b->rows.n_paths, b->rows.pos, b->rows.end, n, err);
    if (s != SLK_OK) return s;
    b->stats.attention_ms += slk_backprop_lap(&clock);
    s = slk_compute_split_qkv_backward(compute, b->map.dwide, g->q_gain, g->k_gain, b->map.dq, b->map.dk, b->map.dv,
                                       a->qkv, b->rows.pos, &shape, n, err);
    if (s != SLK_OK) return s;
    slk_backprop_norm(b, b->map.normed, b->map.x[i], layer->attn_gain, layer->attn_bias, n);
    b->stats.rowwise_ms += slk_backprop_lap(&clock);
    s = input_back(b, b->map.block, SLK_DTYPE_F32, b->map.dwide, i, SLK_ADAPTED_QKV, err);
    if (s == SLK_OK) s = weights_back(b, b->map.dwide, b->map.normed, i, SLK_ADAPTED_QKV, err);
    if (s != SLK_OK) return s;
    b->stats.matmul_ms += slk_backprop_lap(&clock);
    s = slk_backprop_norm_backward(b, b->now.dx, g->attn_gain, g->attn_bias, b->map.block, b->map.x[i],
                                   layer->attn_gain, n, err);
    b->stats.rowwise_ms += slk_backprop_lap(&clock);
    return s;
}

slk_status slk_layer_backward(slk_backprop *b, int i, slk_err *err)
{
    if (is_narrow(b, i))
        take_target_rows(b);
    else
        take_all_rows(b);
    slk_status s = ffn_backward(b, i, err);
    if (s == SLK_OK && is_narrow(b, i)) {
        slk_backprop_spread(b);
        take_all_rows(b);
    }
    return s == SLK_OK ? attention_backward(b, i, err) : s;
}
