/* Loading: tensors are found by name, checked for shape, converted, and fused. */
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "model/forward.h"
#include "model/vocab.h"
#include "token/tokenizer_json.h"

typedef struct loader {
    slk_model *m;
    slk_dtype dtype; /* compute type */
    bool trainable;
    slk_err *err;
    slk_status status; /* first failure; later steps do nothing */
} loader;

static void *own(loader *l, size_t n, size_t size)
{
    slk_model *m = l->m;
    void *p = NULL;
    if (l->status != SLK_OK) return NULL;
    if (slk_grow(&m->owned, &m->cap_owned, m->n_owned + 1, sizeof *m->owned)) p = slk_alloc_aligned(n, size);
    if (!p) {
        l->status = slk_fail(l->err, SLK_E_MEMORY, "%s: out of memory for %zu values of %zu bytes",
                             slk_source_path(m->source), n, size);
        return NULL;
    }
    m->owned[m->n_owned++] = p;
    m->weights_bytes += n * size;
    return p;
}

/* false: not there, or an error that l->status has. Vectors are [n_in] with n_out = 1. */
static bool find(loader *l, slk_tensor *t, const char *name, int64_t n_out, int64_t n_in, bool required)
{
    if (l->status != SLK_OK) return false;
    slk_status s = slk_source_find(l->m->source, name, t, l->err);
    if (s == SLK_E_NOT_FOUND && !required) return false;
    l->status = s;
    if (s != SLK_OK) return false;
    if (t->n_rows == n_out && t->n_cols == n_in && (t->is_vector || n_out > 1)) return true;
    l->status = slk_fail(l->err, SLK_E_SHAPE, "%s: tensor %s is [%lld, %lld], expected [%lld, %lld] (rows, columns)",
                         slk_source_path(l->m->source), t->name, (long long)t->n_rows, (long long)t->n_cols,
                         (long long)n_out, (long long)n_in);
    return false;
}

static float *load_vector(loader *l, const char *name, int64_t n, bool required)
{
    slk_tensor t;
    float *x = find(l, &t, name, 1, n, required) ? own(l, (size_t)n, sizeof *x) : NULL;
    if (x) l->status = slk_source_read(l->m->source, &t, 0, 1, SLK_DTYPE_F32, x, 1, l->err);
    return x;
}

static size_t element_bytes(const loader *l)
{
    return l->dtype == SLK_DTYPE_BF16 ? 2 : 4;
}

/* Rows [row0, row0 + n) of tensor t, converted into dst (compute type). */
static void convert_rows(loader *l, void *dst, const slk_tensor *t, int64_t row0, int64_t n)
{
    l->status = slk_source_read(l->m->source, t, row0, n, l->dtype, dst, slk_compute_n_threads(l->m->compute), l->err);
}

/* Convert tensor `name` [n_out, n_in] into dst, and let go of its pages. */
static void load_rows(loader *l, void *dst, const char *name, int64_t n_out, int64_t n_in)
{
    slk_tensor t;
    if (!find(l, &t, name, n_out, n_in, true)) return;
    convert_rows(l, dst, &t, 0, n_out);
    slk_source_forget(l->m->source, &t);
}

typedef struct part {
    const char *name; /* of the tensor without ".weight" */
    int64_t n_out;
} part;

/* Bring a matrix into the library's layout, or keep it as it is; `data` (of slk_alloc_aligned) passes over. */
static void adopt_matrix(loader *l, slk_weight *w, void *data)
{
    slk_model *m = l->m;
    slk_packed *packed = NULL;
    w->data = data;
    if (l->status == SLK_OK && !l->trainable) l->status = slk_compute_pack(m->compute, &packed, w, l->err);
    bool plain = l->status == SLK_OK && !packed;
    bool fits = plain ? slk_grow(&m->owned, &m->cap_owned, m->n_owned + 1, sizeof *m->owned)
                      : slk_grow(&m->packed, &m->cap_packed, m->n_packed + 1, sizeof *m->packed);
    if (l->status == SLK_OK && !fits) l->status = slk_fail(l->err, SLK_E_MEMORY, "out of memory");
    if (l->status != SLK_OK) {
        slk_packed_free(packed);
        free(data);
        w->data = NULL;
        return;
    }
    if (plain) {
        m->owned[m->n_owned++] = data;
        m->weights_bytes += (size_t)(w->n_out * w->n_in) * element_bytes(l);
        return;
    }
    m->packed[m->n_packed++] = packed;
    m->weights_bytes += slk_packed_bytes(packed);
    w->packed = packed;
    w->data = NULL;
    free(data);
}

/* One matrix of n_parts tensors, stacked by rows, with their biases where the file has them. */
static slk_weight load_matrix(loader *l, int layer, const part *parts, int n_parts, int64_t n_in)
{
    slk_weight w = {.n_in = n_in};
    for (int i = 0; i < n_parts; i++) w.n_out += parts[i].n_out;
    char *data = l->status == SLK_OK ? slk_alloc_aligned((size_t)(w.n_out * n_in), element_bytes(l)) : NULL;
    if (!data) {
        if (l->status == SLK_OK)
            l->status = slk_fail(l->err, SLK_E_MEMORY, "%s: out of memory", slk_source_path(l->m->source));
        return w;
    }
    float *bias = NULL;
    int64_t row = 0;
    for (int i = 0; i < n_parts && l->status == SLK_OK; row += parts[i].n_out, i++) {
        char name[128];
        snprintf(name, sizeof name, "blk.%d.%s.weight", layer, parts[i].name);
        load_rows(l, data + (size_t)(row * n_in) * element_bytes(l), name, parts[i].n_out, n_in);
        snprintf(name, sizeof name, "blk.%d.%s.bias", layer, parts[i].name);
        slk_tensor t;
        if (!find(l, &t, name, 1, parts[i].n_out, false)) continue;
        if (!bias) {
            bias = own(l, (size_t)w.n_out, sizeof *bias);
            if (!bias) break;
            memset(bias, 0, (size_t)w.n_out * sizeof *bias);
        }
        l->status = slk_source_read(l->m->source, &t, 0, 1, SLK_DTYPE_F32, bias + row, 1, l->err);
    }
    w.bias = bias;
    adopt_matrix(l, &w, data);
    return w;
}

/* A matrix in one piece, in the compute type. */
static void *load_plain(loader *l, const slk_tensor *t)
{
    char *data = own(l, (size_t)(t->n_rows * t->n_cols), element_bytes(l));
    if (data) convert_rows(l, data, t, 0, t->n_rows);
    slk_source_forget(l->m->source, t);
    return data;
}

/* The chunk [row, row + n) of the output matrix. */
static void load_chunk(loader *l, slk_weight *w, const slk_tensor *t, int64_t row)
{
    const slk_model *m = l->m;
    if (m->output_rows) {
        w->data = (const char *)m->output_rows + (size_t)(row * w->n_in) * element_bytes(l);
        return;
    }
    void *data = slk_alloc_aligned((size_t)(w->n_out * w->n_in), element_bytes(l));
    if (!data) {
        l->status = slk_fail(l->err, SLK_E_MEMORY, "%s: out of memory", slk_source_path(m->source));
        return;
    }
    convert_rows(l, data, t, row, w->n_out);
    adopt_matrix(l, w, data);
}

/* The output matrix, cut into the chunks that logits are computed in. */
static void load_output(loader *l)
{
    slk_model *m = l->m;
    const slk_config *c = &m->config;
    const char *name = c->tied ? "token_embd.weight" : "output.weight";
    slk_tensor t;
    bool found = find(l, &t, name, c->n_vocab, c->d_model, true);
    if (found && l->trainable) m->output_rows = c->tied ? m->embedding_rows : load_plain(l, &t);
    m->n_chunks = (c->n_vocab + SLK_LOGITS_CHUNK - 1) / SLK_LOGITS_CHUNK;
    m->output = own(l, (size_t)m->n_chunks, sizeof *m->output);
    for (int i = 0; found && m->output && i < m->n_chunks && l->status == SLK_OK; i++) {
        int64_t row = (int64_t)i * SLK_LOGITS_CHUNK,
                n = c->n_vocab - row < SLK_LOGITS_CHUNK ? c->n_vocab - row : SLK_LOGITS_CHUNK;
        m->output[i] = (slk_weight){.n_out = n, .n_in = c->d_model};
        load_chunk(l, &m->output[i], &t, row);
    }
    if (found) slk_source_forget(m->source, &t);
}

static void load_layer(loader *l, int i)
{
    slk_model *m = l->m;
    const slk_config *c = &m->config;
    slk_layer *y = &m->layers[i];
    int64_t d_q = (int64_t)c->n_heads * c->head_dim, d_kv = (int64_t)c->n_kv_heads * c->head_dim;
    char name[96];
#define VECTOR(field, tensor, n, required)                                                                             \
    do {                                                                                                               \
        snprintf(name, sizeof name, "blk.%d." tensor, i);                                                              \
        y->field = load_vector(l, name, n, required);                                                                  \
    } while (0)
    bool layer_norm = c->norm == SLK_NORM_LAYER;
    VECTOR(attn_gain, "attn_norm.weight", c->d_model, true);
    if (layer_norm) VECTOR(attn_bias, "attn_norm.bias", c->d_model, true);
    if (c->fused_qkv) {
        y->qkv = load_matrix(l, i, (part[]){{"attn_qkv", d_q + 2 * d_kv}}, 1, c->d_model);
    } else {
        y->qkv = load_matrix(l, i, (part[]){{"attn_q", d_q}, {"attn_k", d_kv}, {"attn_v", d_kv}}, 3, c->d_model);
    }
    if (c->qk_norm) {
        VECTOR(q_gain, "attn_q_norm.weight", c->head_dim, true);
        VECTOR(k_gain, "attn_k_norm.weight", c->head_dim, true);
    }
    y->attn_out = load_matrix(l, i, (part[]){{"attn_output", c->d_model}}, 1, d_q);
    if (c->post_norms) VECTOR(post_attn_gain, "post_attention_norm.weight", c->d_model, true);
    VECTOR(ffn_gain, "ffn_norm.weight", c->d_model, true);
    if (layer_norm) VECTOR(ffn_bias, "ffn_norm.bias", c->d_model, true);
    part gate_up[] = {{"ffn_gate", c->d_ff}, {"ffn_up", c->d_ff}};
    y->gate_up = load_matrix(l, i, c->gated ? gate_up : gate_up + 1, c->gated ? 2 : 1, c->d_model);
    y->down = load_matrix(l, i, (part[]){{"ffn_down", c->d_model}}, 1, c->d_ff);
    if (c->post_norms) VECTOR(post_ffn_gain, "post_ffw_norm.weight", c->d_model, true);
#undef VECTOR
}

/* Embedding, output matrix, final norm, learned positions, rotary divisors. */
static void load_ends(loader *l)
{
    slk_model *m = l->m;
    const slk_config *c = &m->config;
    bool found = find(l, &m->embedding, "token_embd.weight", c->n_vocab, c->d_model, true);
    if (found && l->trainable) m->embedding_rows = load_plain(l, &m->embedding);
    load_output(l);
    m->out_gain = load_vector(l, "output_norm.weight", c->d_model, true);
    if (c->norm == SLK_NORM_LAYER) m->out_bias = load_vector(l, "output_norm.bias", c->d_model, true);
    if (c->learned_positions) found = find(l, &m->positions, "position_embd.weight", c->n_context, c->d_model, true);
    if (c->learned_positions && found && l->trainable) {
        m->positions_rows = own(l, (size_t)c->n_context * (size_t)c->d_model, sizeof *m->positions_rows);
        if (m->positions_rows)
            l->status = slk_source_read(m->source, &m->positions, 0, c->n_context, SLK_DTYPE_F32, m->positions_rows,
                                        slk_compute_n_threads(m->compute), l->err);
    }
    if (c->rope) m->rope_divisors = load_vector(l, "rope_freqs.weight", c->head_dim / 2, false);
}

size_t slk_config_weights_bytes(const slk_config *c, slk_dtype dtype)
{
    return (size_t)(slk_config_n_body_params(c) + (int64_t)c->n_vocab * c->d_model) * (dtype == SLK_DTYPE_BF16 ? 2 : 4);
}

size_t slk_config_kv_bytes(const slk_config *c, slk_dtype dtype)
{
    return (size_t)c->n_layers * 2 * (size_t)c->n_kv_heads * (size_t)c->head_dim * (dtype == SLK_DTYPE_BF16 ? 2 : 4);
}

static slk_status load_tokenizer(slk_model *m, slk_err *err)
{
    const slk_gguf *file = slk_source_gguf(m->source);
    if (!file)
        return slk_tokenizer_open_json(&m->tokenizer, slk_source_path(m->source), (size_t)m->config.n_vocab, err);
    slk_status s = slk_model_load_tokenizer(&m->tokenizer, file, err);
    if (s != SLK_OK) return s;
    size_t n_tokens = slk_tokenizer_n_tokens(m->tokenizer);
    if ((size_t)m->config.n_vocab >= n_tokens) return SLK_OK;
    return slk_fail(err, SLK_E_SHAPE, "%s: tensor token_embd.weight has %d rows for a vocabulary of %zu",
                    slk_source_path(m->source), m->config.n_vocab, n_tokens);
}

/* A model that does not fit would be killed by the system in the middle of work: refuse it at once. */
static slk_status check_memory(const slk_model *m, slk_dtype dtype, slk_err *err)
{
    double need = (double)slk_config_weights_bytes(&m->config, dtype);
    double have = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    if (need < have * 0.95) return SLK_OK;
    return slk_fail(
        err, SLK_E_MEMORY,
        "%s: the weights need %.1f GiB in %s and this machine has %.1f GiB; take a smaller model or --dtype bf16",
        slk_source_path(m->source), need / 1073741824.0, slk_dtype_find(dtype)->name, have / 1073741824.0);
}

/* Every shape that will be multiplied, before anything is packed for it. */
static slk_status self_test(slk_model *m, slk_err *err)
{
    const slk_config *c = &m->config;
    int64_t d_q = (int64_t)c->n_heads * c->head_dim, d_kv = (int64_t)c->n_kv_heads * c->head_dim;
    const slk_shape own[] = {{d_q + 2 * d_kv, c->d_model},
                             {c->d_model, d_q},
                             {(c->gated ? 2 : 1) * (int64_t)c->d_ff, c->d_model},
                             {c->d_model, c->d_ff}};
    size_t n = 4, cap = 0;
    int64_t rest = c->n_vocab % SLK_LOGITS_CHUNK;
    slk_shape *shapes = NULL;
    if (!slk_grow(&shapes, &cap, n + 2, sizeof *shapes)) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    memcpy(shapes, own, sizeof own);
    if (c->n_vocab >= SLK_LOGITS_CHUNK) shapes[n++] = (slk_shape){SLK_LOGITS_CHUNK, c->d_model};
    if (rest) shapes[n++] = (slk_shape){rest, c->d_model};
    slk_status s = m->adapter ? slk_adapter_add_shapes(m->adapter, &shapes, &n, &cap, err) : SLK_OK;
    if (s == SLK_OK) s = slk_compute_self_test(m->compute, shapes, n, err);
    free(shapes);
    return s;
}

slk_status slk_model_open(slk_model **out, const char *path, const slk_model_options *options, slk_err *err)
{
    *out = NULL;
    slk_model *m = slk_alloc_zero(1, sizeof *m);
    if (!m) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
    slk_status s = slk_source_open(&m->source, path, err);
    if (s == SLK_OK) m->config = *slk_source_config(m->source);
    if (s == SLK_OK) s = load_tokenizer(m, err);
    if (s == SLK_OK) s = slk_compute_create(&m->compute, &options->compute, err);
    if (s == SLK_OK) s = check_memory(m, slk_compute_dtype(m->compute), err);
    if (s == SLK_OK && options->adapter) s = slk_adapter_open(&m->adapter, options->adapter, &m->config, err);
    if (s == SLK_OK) s = self_test(m, err);
    if (s == SLK_OK) s = slk_source_hash(m->source, &m->hash, err);
    if (s == SLK_OK) {
        m->layers = slk_alloc_zero((size_t)m->config.n_layers, sizeof *m->layers);
        if (!m->layers) s = slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
    }
    if (s == SLK_OK) {
        loader l = {.m = m, .dtype = slk_compute_dtype(m->compute), .trainable = options->trainable, .err = err};
        load_ends(&l);
        for (int i = 0; i < m->config.n_layers && l.status == SLK_OK; i++) load_layer(&l, i);
        s = l.status;
    }
    if (s == SLK_OK && m->adapter) {
        s = slk_adapter_load(m->adapter, m->compute, err);
        m->weights_bytes += slk_adapter_bytes(m->adapter);
    }
    if (s != SLK_OK) {
        slk_model_close(m);
        return s;
    }
    *out = m;
    return SLK_OK;
}

void slk_model_close(slk_model *m)
{
    if (!m) return;
    for (size_t i = 0; i < m->n_owned; i++) free(m->owned[i]);
    for (size_t i = 0; i < m->n_packed; i++) slk_packed_free(m->packed[i]);
    free(m->owned);
    free(m->packed);
    free(m->layers);
    slk_adapter_free(m->adapter);
    slk_compute_free(m->compute);
    slk_tokenizer_free(m->tokenizer);
    slk_source_close(m->source);
    free(m);
}

slk_status slk_model_embed(const slk_model *m, int32_t token, int32_t position, float *x, slk_err *err)
{
    const slk_config *c = &m->config;
    if (token < 0 || token >= c->n_vocab) {
        return slk_fail(err, SLK_E_ARG, "%s: token id %d, expected 0 to %d", slk_source_path(m->source), token,
                        c->n_vocab - 1);
    }
    if (position < 0 || position >= c->n_context) {
        return slk_fail(err, SLK_E_ARG, "%s: text of more than %d tokens, the model's context",
                        slk_source_path(m->source), c->n_context);
    }
    size_t d = (size_t)c->d_model;
    slk_status s = SLK_OK;
    if (!m->embedding_rows) {
        s = slk_source_read(m->source, &m->embedding, token, 1, SLK_DTYPE_F32, x, 1, err);
    } else if (slk_compute_dtype(m->compute) == SLK_DTYPE_BF16) {
        const uint16_t *row = (const uint16_t *)m->embedding_rows + (size_t)token * d;
        for (size_t i = 0; i < d; i++) x[i] = slk_bf16_to_f32(row[i]);
    } else {
        memcpy(x, (const float *)m->embedding_rows + (size_t)token * d, d * sizeof *x);
    }
    if (s != SLK_OK) return s;
    if (c->embed_scale != 1) {
        for (size_t i = 0; i < d; i++) x[i] *= c->embed_scale;
    }
    if (m->positions_rows) {
        const float *p = m->positions_rows + (size_t)position * d;
        for (size_t i = 0; i < d; i++) x[i] += p[i];
    } else if (m->positions.data) {
        float *p = slk_alloc(d, sizeof *p);
        if (!p) return slk_fail(err, SLK_E_MEMORY, "out of memory");
        s = slk_source_read(m->source, &m->positions, position, 1, SLK_DTYPE_F32, p, 1, err);
        for (size_t i = 0; s == SLK_OK && i < d; i++) x[i] += p[i];
        free(p);
    }
    return s;
}
