#include "pretrain/init.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "format/gguf.h"
#include "model/config.h"

#define TAU 6.283185307179586

typedef struct tensor {
    char name[64];
    int64_t n_rows, n_cols; /* n_rows 1: a gain */
    double deviation;
} tensor;

typedef struct drawing {
    tensor *tensors;
    size_t n;
    uint64_t seed;
} drawing;

/* Box and Muller's normal numbers. */
static slk_status produce(void *user, size_t number, void *bytes, size_t n_bytes, slk_err *err)
{
    const drawing *d = user;
    const tensor *t = &d->tensors[number];
    float *values = bytes;
    (void)err;
    for (size_t i = 0; i < n_bytes / sizeof *values; i++) {
        if (t->n_rows == 1) {
            values[i] = 1;
            continue;
        }
        double u = slk_rng_uniform(d->seed, SLK_PURPOSE_INIT, i, (uint32_t)number, 0, 0);
        double v = slk_rng_uniform(d->seed, SLK_PURPOSE_INIT, i, (uint32_t)number, 1, 0);
        values[i] = (float)(t->deviation * sqrt(-2 * log(1 - u)) * cos(TAU * v));
    }
    return SLK_OK;
}

static void add(drawing *d, const char *name, int layer, int64_t n_rows, int64_t n_cols, double factor)
{
    tensor *t = &d->tensors[d->n++];
    if (layer < 0)
        snprintf(t->name, sizeof t->name, "%s.weight", name);
    else
        snprintf(t->name, sizeof t->name, "blk.%d.%s.weight", layer, name);
    t->n_rows = n_rows;
    t->n_cols = n_cols;
    t->deviation = factor / sqrt((double)n_cols);
}

static bool list_tensors(drawing *d, const slk_pretrain_plan *plan, int64_t n_vocab)
{
    int64_t width = plan->model.d_model, ffn = plan->model.ffn;
    d->tensors = slk_alloc_zero((size_t)(2 + 9 * plan->model.layers), sizeof *d->tensors);
    if (!d->tensors) return false;
    add(d, "token_embd", -1, n_vocab, width, 0.02 * sqrt((double)width));
    for (int i = 0; i < (int)plan->model.layers; i++) {
        add(d, "attn_norm", i, 1, width, 1);
        add(d, "attn_q", i, width, width, 1);
        add(d, "attn_k", i, width, width, 1);
        add(d, "attn_v", i, width, width, 1);
        add(d, "attn_output", i, width, width, 0.5);
        add(d, "ffn_norm", i, 1, width, 1);
        add(d, "ffn_gate", i, ffn, width, 1);
        add(d, "ffn_up", i, ffn, width, 1);
        add(d, "ffn_down", i, width, ffn, 0.5);
    }
    add(d, "output_norm", -1, 1, width, 1);
    return true;
}

static slk_status put_vocabulary(slk_gguf_writer *w, const slk_vocabulary *v, slk_err *err)
{
    slk_gguf_str *tokens = slk_alloc(v->n, sizeof *tokens);
    if (!tokens) return slk_fail(err, SLK_E_MEMORY, "out of memory for a vocabulary");
    for (size_t i = 0; i < v->n; i++) tokens[i] = (slk_gguf_str){v->tokens[i].data, v->tokens[i].len};
    slk_status s = slk_gguf_put_str(w, "tokenizer.ggml.model", "llama", err);
    if (s == SLK_OK) s = slk_gguf_put_str(w, "tokenizer.ggml.pre", "default", err);
    if (s == SLK_OK) s = slk_gguf_put_strs(w, "tokenizer.ggml.tokens", tokens, v->n, err);
    if (s == SLK_OK) s = slk_gguf_put_f32s(w, "tokenizer.ggml.scores", v->scores, v->n, err);
    if (s == SLK_OK) s = slk_gguf_put_i32s(w, "tokenizer.ggml.token_type", v->types, v->n, err);
    if (s == SLK_OK) s = slk_gguf_put_u32(w, "tokenizer.ggml.bos_token_id", SLK_VOCABULARY_BOS, err);
    if (s == SLK_OK) s = slk_gguf_put_u32(w, "tokenizer.ggml.eos_token_id", SLK_VOCABULARY_EOS, err);
    if (s == SLK_OK) s = slk_gguf_put_u32(w, "tokenizer.ggml.unknown_token_id", SLK_VOCABULARY_UNK, err);
    if (s == SLK_OK) s = slk_gguf_put_bool(w, "tokenizer.ggml.add_bos_token", true, err);
    if (s == SLK_OK) s = slk_gguf_put_bool(w, "tokenizer.ggml.add_eos_token", false, err);
    if (s == SLK_OK) s = slk_gguf_put_bool(w, "tokenizer.ggml.add_space_prefix", true, err);
    free(tokens);
    return s;
}

static slk_status put_description(slk_gguf_writer *w, const slk_pretrain_plan *plan, int n_vocab, const char *made_of,
                                  slk_err *err)
{
    int heads = (int)plan->model.heads, head_dim = (int)plan->model.d_model / heads;
    const slk_config config = {.arch = "llama",
                               .n_context = (int)plan->model.context,
                               .d_model = (int)plan->model.d_model,
                               .n_layers = (int)plan->model.layers,
                               .d_ff = (int)plan->model.ffn,
                               .n_heads = heads,
                               .n_kv_heads = heads,
                               .head_dim = head_dim,
                               .n_vocab = n_vocab,
                               .norm = SLK_NORM_RMS,
                               .norm_eps = (float)plan->model.norm_eps,
                               .rope = true,
                               .rope_base = plan->model.rope_base,
                               .rope_scale = 1,
                               .tied = true};
    slk_status s = slk_gguf_put_str(w, "general.type", "model", err);
    if (s == SLK_OK) s = slk_gguf_put_str(w, "general.name", plan->name, err);
    if (s == SLK_OK) s = slk_gguf_put_u32(w, "general.quantization_version", 2, err);
    if (s == SLK_OK) s = slk_gguf_put_str(w, SLK_PRETRAIN_KEY, made_of, err);
    return s == SLK_OK ? slk_config_put_gguf(w, &config, err) : s;
}

slk_status slk_pretrain_write_init(const char *path, const slk_pretrain_plan *plan, const slk_vocabulary *vocabulary,
                                   const char *made_of, slk_err *err)
{
    drawing d = {.seed = (uint64_t)plan->seed};
    slk_gguf_writer *w;
    slk_status s = slk_gguf_writer_create(&w, err);
    if (s == SLK_OK) s = put_description(w, plan, (int)vocabulary->n, made_of, err);
    if (s == SLK_OK) s = put_vocabulary(w, vocabulary, err);
    if (s == SLK_OK && !list_tensors(&d, plan, (int64_t)vocabulary->n))
        s = slk_fail(err, SLK_E_MEMORY, "out of memory for a model");
    for (size_t i = 0; i < d.n && s == SLK_OK; i++) {
        const tensor *t = &d.tensors[i];
        uint64_t ne[2] = {(uint64_t)t->n_cols, (uint64_t)t->n_rows};
        s = slk_gguf_put_tensor(w, t->name, SLK_DTYPE_F32, t->n_rows == 1 ? 1 : 2, ne, NULL, err);
    }
    if (s == SLK_OK) s = slk_gguf_write(w, path, true, produce, &d, err);
    slk_gguf_writer_free(w);
    free(d.tensors);
    return s;
}
