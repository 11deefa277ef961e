/* The list of parameters: of a whole model, or of an adapter. */
#include "model/params.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "compute/backward.h"
#include "model/model.h"

typedef struct builder {
    slk_params *list;
    size_t cap;
    unsigned frozen;
    slk_err *err;
    slk_status status; /* first failure; later steps do nothing */
} builder;

static void *own(builder *b, size_t n, size_t size)
{
    slk_params *list = b->list;
    void *p = NULL;
    if (b->status != SLK_OK) return NULL;
    if (slk_grow(&list->owned, &list->cap_owned, list->n_owned + 1, sizeof *list->owned))
        p = slk_alloc_aligned(n, size);
    if (!p) {
        b->status = slk_fail(b->err, SLK_E_MEMORY, "out of memory for %zu values of %zu bytes", n, size);
        return NULL;
    }
    memset(p, 0, n * size);
    list->n_bytes += n * size;
    list->owned[list->n_owned++] = p;
    return p;
}

/* Append a parameter that the model multiplies with at `weights`; its parts follow. NULL: failed. */
static slk_param *push(builder *b, slk_param_group group, const void *weights, bool bf16, int64_t n_rows,
                       int64_t n_cols)
{
    if (b->status != SLK_OK) return NULL;
    if (!slk_grow(&b->list->items, &b->cap, b->list->n + 1, sizeof *b->list->items)) {
        b->status = slk_fail(b->err, SLK_E_MEMORY, "out of memory");
        return NULL;
    }
    slk_param *p = &b->list->items[b->list->n++];
    *p = (slk_param){.group = group,
                     .n_rows = n_rows,
                     .n_cols = n_cols,
                     .weights = (void *)(uintptr_t)weights, /* the model was opened to be changed */
                     .weights_bf16 = bf16,
                     .weight_scale = 1};
    if (!(b->frozen & (unsigned)group)) p->grad = own(b, (size_t)(n_rows * n_cols), sizeof *p->grad);
    return p;
}

/* --- a whole model -------------------------------------------------------------------------------------------------
 */

/* What the file keeps less 1 is pulled towards 1. */
static float center_of(const slk_config *c, const char *name)
{
    int layer;
    const char *suffix;
    const slk_name *entry = slk_family_parse_gguf(c->family, name, &layer, &suffix);
    return entry && slk_family_change(c->family, entry, suffix) == SLK_CHANGE_GAIN ? 1.0f : 0.0f;
}

/* The master of a bf16 matrix has the file's values, not their rounded copies. */
static void read_master(builder *b, slk_param *p)
{
    slk_model *m = b->list->model;
    if (!p || !p->grad || b->status != SLK_OK) return;
    if (!p->weights_bf16) {
        p->master = p->weights;
        return;
    }
    p->master = own(b, (size_t)(p->n_rows * p->n_cols), sizeof *p->master);
    for (int i = 0; i < p->n_parts && b->status == SLK_OK; i++) {
        slk_tensor t;
        b->status = slk_source_find(m->source, p->parts[i].name, &t, b->err);
        if (b->status == SLK_OK)
            b->status =
                slk_source_read(m->source, &t, 0, t.n_rows, SLK_DTYPE_F32, p->master + p->parts[i].row * p->n_cols,
                                slk_compute_n_threads(m->compute), b->err);
        slk_source_forget(m->source, &t);
    }
}

static void set_name(slk_param_part *part, int layer, const char *name, const char *suffix)
{
    if (layer < 0)
        snprintf(part->name, sizeof part->name, "%s.%s", name, suffix);
    else
        snprintf(part->name, sizeof part->name, "blk.%d.%s.%s", layer, name, suffix);
}

static void add_vector(builder *b, slk_param_group group, const float *data, int64_t n, int layer, const char *name,
                       const char *suffix)
{
    if (!data) return;
    slk_param *p = push(b, group, data, false, 1, n);
    if (!p) return;
    p->is_vector = true;
    p->n_parts = 1;
    p->parts[0] = (slk_param_part){.n_rows = 1, .n_cols = n};
    set_name(&p->parts[0], layer, name, suffix);
    p->center = center_of(&b->list->model->config, p->parts[0].name);
    p->master = p->weights;
}

typedef struct part {
    const char *name; /* of the tensor without ".weight" */
    int64_t n_out;
} part;

/* A matrix and its bias. */
static void add_matrix(builder *b, slk_param_group group, const slk_weight *w, int layer, const part *parts,
                       int n_parts)
{
    bool bf16 = slk_compute_dtype(b->list->model->compute) == SLK_DTYPE_BF16;
    for (int bias = 0; bias < (w->bias ? 2 : 1); bias++) {
        slk_param *p =
            bias ? push(b, group, w->bias, false, 1, w->n_out) : push(b, group, w->data, bf16, w->n_out, w->n_in);
        if (!p) return;
        p->is_vector = bias;
        p->n_parts = n_parts;
        int64_t at = 0;
        for (int i = 0; i < n_parts; at += parts[i].n_out, i++) {
            slk_param_part *q = &p->parts[i];
            *q = bias ? (slk_param_part){.n_rows = 1, .col = at, .n_cols = parts[i].n_out}
                      : (slk_param_part){.row = at, .n_rows = parts[i].n_out, .n_cols = w->n_in};
            set_name(q, layer, parts[i].name, bias ? "bias" : "weight");
        }
        read_master(b, p);
    }
}

static void add_layer(builder *b, int i)
{
    const slk_model *m = b->list->model;
    const slk_config *c = &m->config;
    const slk_layer *y = &m->layers[i];
    int64_t d = c->d_model, d_q = (int64_t)c->n_heads * c->head_dim, d_kv = (int64_t)c->n_kv_heads * c->head_dim;
    add_vector(b, SLK_PARAM_ATTENTION, y->attn_gain, d, i, "attn_norm", "weight");
    add_vector(b, SLK_PARAM_ATTENTION, y->attn_bias, d, i, "attn_norm", "bias");
    if (c->fused_qkv)
        add_matrix(b, SLK_PARAM_ATTENTION, &y->qkv, i, (part[]){{"attn_qkv", d_q + 2 * d_kv}}, 1);
    else
        add_matrix(b, SLK_PARAM_ATTENTION, &y->qkv, i, (part[]){{"attn_q", d_q}, {"attn_k", d_kv}, {"attn_v", d_kv}},
                   3);
    add_vector(b, SLK_PARAM_ATTENTION, y->q_gain, c->head_dim, i, "attn_q_norm", "weight");
    add_vector(b, SLK_PARAM_ATTENTION, y->k_gain, c->head_dim, i, "attn_k_norm", "weight");
    add_matrix(b, SLK_PARAM_ATTENTION, &y->attn_out, i, (part[]){{"attn_output", d}}, 1);
    add_vector(b, SLK_PARAM_ATTENTION, y->post_attn_gain, d, i, "post_attention_norm", "weight");
    add_vector(b, SLK_PARAM_FFN, y->ffn_gain, d, i, "ffn_norm", "weight");
    add_vector(b, SLK_PARAM_FFN, y->ffn_bias, d, i, "ffn_norm", "bias");
    part gate_up[] = {{"ffn_gate", c->d_ff}, {"ffn_up", c->d_ff}};
    add_matrix(b, SLK_PARAM_FFN, &y->gate_up, i, c->gated ? gate_up : gate_up + 1, c->gated ? 2 : 1);
    add_matrix(b, SLK_PARAM_FFN, &y->down, i, (part[]){{"ffn_down", d}}, 1);
    add_vector(b, SLK_PARAM_FFN, y->post_ffn_gain, d, i, "post_ffw_norm", "weight");
}

static void add_model(builder *b)
{
    const slk_model *m = b->list->model;
    const slk_config *c = &m->config;
    slk_weight embedding = {.data = m->embedding_rows, .n_out = c->n_vocab, .n_in = c->d_model};
    slk_weight output = {.data = m->output_rows, .n_out = c->n_vocab, .n_in = c->d_model};
    add_matrix(b, SLK_PARAM_EMBEDDINGS, &embedding, -1, (part[]){{"token_embd", c->n_vocab}}, 1);
    if (m->positions_rows) {
        slk_param *p = push(b, SLK_PARAM_EMBEDDINGS, m->positions_rows, false, c->n_context, c->d_model);
        if (!p) return;
        p->n_parts = 1;
        p->parts[0] = (slk_param_part){.name = "position_embd.weight", .n_rows = c->n_context, .n_cols = c->d_model};
        p->master = p->weights;
    }
    for (int i = 0; i < c->n_layers; i++) add_layer(b, i);
    add_vector(b, SLK_PARAM_OTHER, m->out_gain, c->d_model, -1, "output_norm", "weight");
    add_vector(b, SLK_PARAM_OTHER, m->out_bias, c->d_model, -1, "output_norm", "bias");
    if (!c->tied) add_matrix(b, SLK_PARAM_EMBEDDINGS, &output, -1, (part[]){{"output", c->n_vocab}}, 1);
}

/* --- an adapter ----------------------------------------------------------------------------------------------------
 */

/* Names of the tensors to be adapted, as the adapter wants them; returns how many. */
static size_t list_targets(const char *names[7], const slk_config *c, unsigned targets)
{
    static const struct {
        unsigned bit;
        const char *name;
    } all[] = {{SLK_LORA_Q, "blk.#.attn_q"},      {SLK_LORA_K, "blk.#.attn_k"},      {SLK_LORA_V, "blk.#.attn_v"},
               {SLK_LORA_O, "blk.#.attn_output"}, {SLK_LORA_GATE, "blk.#.ffn_gate"}, {SLK_LORA_UP, "blk.#.ffn_up"},
               {SLK_LORA_DOWN, "blk.#.ffn_down"}};
    const unsigned qkv = SLK_LORA_Q | SLK_LORA_K | SLK_LORA_V;
    size_t n = 0;
    if (c->fused_qkv && (targets & qkv)) names[n++] = "blk.#.attn_qkv";
    if (c->fused_qkv) targets &= ~qkv;
    if (!c->gated) targets &= ~(unsigned)SLK_LORA_GATE;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (targets & all[i].bit) names[n++] = all[i].name;
    }
    return n;
}

/* Uniform in +-1/sqrt(n_in), each value keyed by the tensor's name and its place in it. */
static void init_a(slk_param *p, const slk_lora *lora)
{
    double bound = 1 / sqrt((double)p->n_cols);
    for (int i = 0; i < p->n_parts; i++) {
        const slk_param_part *q = &p->parts[i];
        uint64_t key = slk_hash_str(0, q->name);
        for (int64_t k = 0; k < q->n_rows * p->n_cols; k++) {
            double u = slk_rng_uniform(lora->seed, SLK_PURPOSE_INIT, key, 0, 0, (uint32_t)k);
            p->master[q->row * p->n_cols + k] = (float)((2 * u - 1) * bound);
        }
    }
}

/* A and B of one matrix of layer i. */
static void add_pair(builder *b, const slk_lora *lora, int i, slk_adapted matrix, const char *const *names, size_t n)
{
    const slk_model *m = b->list->model;
    const slk_low_rank *low = slk_adapter_get(m->adapter, i, matrix);
    if (!low) return;
    bool bf16 = slk_compute_dtype(m->compute) == SLK_DTYPE_BF16;
    bool is_ffn = matrix == SLK_ADAPTED_GATE_UP || matrix == SLK_ADAPTED_DOWN;
    for (int side = 0; side < 2; side++) {
        const slk_weight *w = side ? &low->b : &low->a;
        slk_param *p = push(b, is_ffn ? SLK_PARAM_FFN : SLK_PARAM_ATTENTION, w->data, bf16, w->n_out, w->n_in);
        if (!p) return;
        if (side) p->weight_scale = (float)(lora->alpha / lora->rank);
        for (size_t k = 0; k < n; k++) {
            slk_adapter_place at = slk_adapter_find_place(m->adapter, names[k]);
            if (at.matrix != matrix) continue;
            slk_param_part *q = &p->parts[p->n_parts++];
            *q = side ? (slk_param_part){.row = at.row, .n_rows = at.n_out, .col = at.rank0, .n_cols = at.rank}
                      : (slk_param_part){.row = at.rank0, .n_rows = at.rank, .n_cols = at.n_in};
            snprintf(q->name, sizeof q->name, "blk.%d.%s.weight.lora_%c", i, names[k] + strlen("blk.#."),
                     side ? 'b' : 'a');
        }
        bool shared = !bf16 && p->weight_scale == 1;
        if (p->grad) p->master = shared ? p->weights : own(b, (size_t)(p->n_rows * p->n_cols), sizeof *p->master);
        if (!side && p->master) init_a(p, lora);
    }
}

static void add_adapter(builder *b, const slk_lora *lora)
{
    slk_model *m = b->list->model;
    const char *names[7];
    size_t n = list_targets(names, &m->config, lora->targets);
    if (n == 0) {
        b->status = slk_fail(b->err, SLK_E_ARG, "an adapter of no matrix: nothing is left to train");
        return;
    }
    b->status =
        slk_adapter_create(&m->adapter, &m->config, slk_compute_dtype(m->compute), names, n, lora->rank, b->err);
    for (int i = 0; i < m->config.n_layers; i++) {
        for (int k = 0; k < SLK_N_ADAPTED && b->status == SLK_OK; k++) add_pair(b, lora, i, (slk_adapted)k, names, n);
    }
}

/* --- the list ------------------------------------------------------------------------------------------------------
 */

slk_status slk_params_create(slk_params **out, slk_model *model, unsigned frozen, const slk_lora *lora, slk_err *err)
{
    *out = NULL;
    if (!model->embedding_rows || model->adapter)
        return slk_fail(err, SLK_E_STATE, "a model that is trained must be opened for it, without an adapter");
    slk_params *list = slk_alloc_zero(1, sizeof *list);
    if (!list) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    list->model = model;
    builder b = {.list = list, .frozen = frozen, .err = err};
    if (lora)
        add_adapter(&b, lora);
    else
        add_model(&b);
    if (b.status == SLK_OK && slk_params_n_trained(list) == 0)
        b.status = slk_fail(err, SLK_E_ARG, "all parameters are frozen: nothing is left to train");
    if (b.status != SLK_OK) {
        slk_params_free(list);
        return b.status;
    }
    slk_params_publish(list, -1);
    *out = list;
    return SLK_OK;
}

void slk_params_free(slk_params *list)
{
    if (!list) return;
    for (size_t i = 0; i < list->n_owned; i++) free(list->owned[i]);
    free(list->owned);
    free(list->items);
    free(list);
}

int64_t slk_params_n_trained(const slk_params *list)
{
    int64_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        const slk_param *p = &list->items[i];
        if (!p->grad) continue;
        for (int k = 0; k < p->n_parts; k++) n += p->parts[k].n_rows * p->parts[k].n_cols;
    }
    return n;
}

static void publish(slk_params *list, slk_param *p)
{
    int64_t n = p->n_rows * p->n_cols;
    if (!p->master || p->master == p->weights) return;
    if (p->weights_bf16 && p->weight_scale == 1) {
        slk_compute_round(list->model->compute, p->weights, p->master, p->n_rows, p->n_cols);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        float v = p->weight_scale * p->master[i];
        if (p->weights_bf16)
            ((uint16_t *)p->weights)[i] = slk_f32_to_bf16(v);
        else
            ((float *)p->weights)[i] = v;
    }
}

void slk_params_publish(slk_params *list, int64_t i)
{
    if (i >= 0) {
        publish(list, &list->items[i]);
        return;
    }
    for (size_t k = 0; k < list->n; k++) publish(list, &list->items[k]);
}

void slk_params_zero_grad(slk_params *list)
{
    for (size_t i = 0; i < list->n; i++) {
        const slk_param *p = &list->items[i];
        if (!p->grad) continue;
        size_t n = (size_t)(p->n_rows * p->n_cols);
#pragma omp parallel for num_threads(slk_compute_n_threads(list->model->compute)) if (n > 65536)
        for (size_t block = 0; block < (n + 65535) / 65536; block++) {
            size_t at = block * 65536, len = n - at < 65536 ? n - at : 65536;
            memset(p->grad + at, 0, len * sizeof *p->grad);
        }
    }
}

double slk_params_grad_norm(slk_params *list)
{
    double sum = 0;
    for (size_t i = 0; i < list->n; i++) {
        const slk_param *p = &list->items[i];
        if (!p->grad) continue;
        double scale = p->weight_scale;
        sum += scale * scale * slk_compute_sum_squares(list->model->compute, p->grad, p->n_rows * p->n_cols);
    }
    return sqrt(sum);
}
