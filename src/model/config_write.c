/* Descriptions as config.json and as GGUF keys. */
#include "model/config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- config.json ---------------------------------------------------------------------------------------------------
 */

/* A float32 as the shortest decimal that means it: 0.001, not 0.0010000000474974513. */
static json_t *real(double x)
{
    char text[40];
    for (int n = 6; n <= 9; n++) {
        snprintf(text, sizeof text, "%.*g", n, x);
        if ((float)strtod(text, NULL) == (float)x) break;
    }
    return json_real(strtod(text, NULL));
}

static json_t *whole_or_real(double x)
{
    return x == floor(x) ? json_integer((json_int_t)x) : real(x);
}

static json_t *token(int32_t id)
{
    return id >= 0 ? json_integer(id) : json_null();
}

static const char *dtype_name(slk_dtype dtype)
{
    return dtype == SLK_DTYPE_F32 ? "float32" : dtype == SLK_DTYPE_F16 ? "float16" : "bfloat16";
}

/* json_object_set_new fails when either is out of memory; what was given is dropped then, and the count falls short. */
typedef struct object {
    json_t *json;
    bool failed;
} object;

static void set(object *o, const char *key, json_t *value)
{
    if (json_object_set_new(o->json, key, value) != 0) o->failed = true;
}

static json_t *layer_types(const slk_config *c)
{
    json_t *list = json_array();
    for (int i = 0; i < c->n_layers; i++) {
        json_array_append_new(list, json_string(slk_config_is_windowed(c, i) ? "sliding_attention" : "full_attention"));
    }
    return list;
}

static json_t *rope_scaling(const slk_config *c)
{
    if (c->rope3.factor > 0) {
        return json_pack("{s:s, s:o, s:o, s:o, s:i}", "rope_type", "llama3", "factor", real(c->rope3.factor),
                         "low_freq_factor", real(c->rope3.low), "high_freq_factor", real(c->rope3.high),
                         "original_max_position_embeddings", c->rope3.n_original);
    }
    if (c->rope_scale != 1)
        return json_pack("{s:s, s:s, s:o}", "rope_type", "linear", "type", "linear", "factor", real(c->rope_scale));
    return json_null();
}

static void set_gpt2(object *o, const slk_config *c)
{
    set(o, "n_embd", json_integer(c->d_model));
    set(o, "n_layer", json_integer(c->n_layers));
    set(o, "n_head", json_integer(c->n_heads));
    set(o, "n_positions", json_integer(c->n_context));
    set(o, "n_ctx", json_integer(c->n_context));
    set(o, "n_inner", c->d_ff == 4 * c->d_model ? json_null() : json_integer(c->d_ff));
    set(o, "activation_function", json_string("gelu_new"));
    set(o, "layer_norm_epsilon", real((double)c->norm_eps));
}

static void set_window(object *o, const slk_config *c, bool by_switch)
{
    set(o, "sliding_window", c->window > 0 ? json_integer(c->window) : json_null());
    if (by_switch) {
        set(o, "use_sliding_window", json_boolean(c->window > 0));
        set(o, "max_window_layers", json_integer(c->window > 0 && c->window_pattern == 0 ? 0 : c->n_layers));
    }
    if (c->rope_local) set(o, "sliding_window_pattern", json_integer(c->window_pattern));
    if (c->family->window_pattern > 0 || (by_switch && c->window > 0)) set(o, "layer_types", layer_types(c));
}

static void set_decoder(object *o, const slk_config *c, const slk_config_extra *extra, bool has_window)
{
    bool gemma = c->family->scaled_embedding;
    const char *act = c->activation == SLK_ACT_SILU ? "silu" : "gelu_pytorch_tanh";
    set(o, "hidden_size", json_integer(c->d_model));
    set(o, "intermediate_size", json_integer(c->d_ff));
    set(o, "num_hidden_layers", json_integer(c->n_layers));
    set(o, "num_attention_heads", json_integer(c->n_heads));
    set(o, "num_key_value_heads", json_integer(c->n_kv_heads));
    set(o, "head_dim", json_integer(c->head_dim));
    set(o, "max_position_embeddings", json_integer(c->n_context));
    set(o, "hidden_act", json_string(act));
    if (gemma) set(o, "hidden_activation", json_string(act));
    set(o, "rms_norm_eps", real((double)c->norm_eps));
    set(o, "attention_bias", json_boolean(extra->attention_bias));
    set(o, "mlp_bias", json_boolean(extra->mlp_bias));
    set(o, "rope_theta", real(c->rope_base));
    set(o, "rope_scaling", rope_scaling(c));
    if (c->rope_local) set(o, "rope_local_base_freq", real(c->rope_base_local));
    if (has_window) set_window(o, c, !strncmp(c->family->arch, "qwen", 4));
    if (!gemma) return;
    set(o, "query_pre_attn_scalar", whole_or_real(c->query_scalar));
    set(o, "attn_logit_softcapping", c->attention_softcap > 0 ? real((double)c->attention_softcap) : json_null());
    set(o, "final_logit_softcapping", c->logit_softcap > 0 ? real((double)c->logit_softcap) : json_null());
}

slk_status slk_config_to_hf(json_t **out, const slk_config *c, const slk_config_extra *extra, const char *path,
                            slk_err *err)
{
    *out = NULL;
    const slk_family *family = c->family;
    /* GGUF has Mistral as llama; Transformers' Llama knows no window. */
    if (c->window > 0 && family->hf_window == 0) family = slk_family_find("mistral", 7);
    if (family != c->family && (extra->attention_bias || extra->mlp_bias || c->window_pattern != 0)) {
        return slk_fail(
            err, SLK_E_UNSUPPORTED,
            "%s: a llama with a sliding window and biases or full layers, which no class of Transformers computes",
            path);
    }
    if (c->rope_local && c->rope3.factor > 0) {
        return slk_fail(
            err, SLK_E_UNSUPPORTED,
            "%s: rope_freqs.weight in a model with local rotary bases, which no class of Transformers computes", path);
    }
    object o = {.json = json_object()};
    set(&o, "architectures", json_pack("[s]", family->hf_class));
    set(&o, "model_type", json_string(family->hf_type));
    set(&o, "torch_dtype", json_string(dtype_name(extra->dtype)));
    set(&o, "vocab_size", json_integer(c->n_vocab));
    if (c->norm == SLK_NORM_LAYER)
        set_gpt2(&o, c);
    else
        set_decoder(&o, c, extra, family->hf_window > 0);
    set(&o, "tie_word_embeddings", json_boolean(c->tied));
    set(&o, "bos_token_id", token(extra->bos));
    set(&o, "eos_token_id", token(extra->eos));
    set(&o, "use_cache", json_true());
    if (o.failed) {
        json_decref(o.json);
        return slk_fail(err, SLK_E_MEMORY, "%s: out of memory for config.json", path);
    }
    *out = o.json;
    return SLK_OK;
}

/* --- GGUF ----------------------------------------------------------------------------------------------------------
 */

typedef struct keys {
    slk_gguf_writer *w;
    const char *arch;
    slk_status status;
    slk_err *err;
} keys;

static void put_int(keys *k, const char *key, int value)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", k->arch, key);
    if (k->status == SLK_OK) k->status = slk_gguf_put_u32(k->w, name, (uint32_t)value, k->err);
}

static void put_real(keys *k, const char *key, double value)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", k->arch, key);
    if (k->status == SLK_OK) k->status = slk_gguf_put_f32(k->w, name, (float)value, k->err);
}

slk_status slk_config_put_gguf(slk_gguf_writer *w, const slk_config *c, slk_err *err)
{
    keys k = {.w = w, .arch = strcmp(c->arch, "mistral") ? c->arch : "llama", .err = err};
    k.status = slk_gguf_put_str(w, "general.architecture", k.arch, err);
    put_int(&k, "context_length", c->n_context);
    put_int(&k, "embedding_length", c->d_model);
    put_int(&k, "block_count", c->n_layers);
    put_int(&k, "feed_forward_length", c->d_ff);
    put_int(&k, "attention.head_count", c->n_heads);
    put_real(&k, c->norm == SLK_NORM_RMS ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon",
             (double)c->norm_eps);
    put_int(&k, "vocab_size", c->n_vocab);
    if (!c->rope) return k.status;
    put_int(&k, "attention.head_count_kv", c->n_kv_heads);
    put_int(&k, "attention.key_length", c->head_dim);
    put_int(&k, "attention.value_length", c->head_dim);
    put_int(&k, "rope.dimension_count", c->head_dim);
    put_real(&k, "rope.freq_base", c->rope_base);
    if (c->rope_local) put_real(&k, "rope.freq_base_swa", c->rope_base_local);
    if (c->rope_scale != 1) {
        char name[96];
        snprintf(name, sizeof name, "%s.rope.scaling.type", k.arch);
        if (k.status == SLK_OK) k.status = slk_gguf_put_str(w, name, "linear", err);
        put_real(&k, "rope.scaling.factor", c->rope_scale);
    }
    if (c->window > 0) put_int(&k, "attention.sliding_window", c->window);
    if (c->window > 0 && c->window_pattern > 0) put_int(&k, "attention.sliding_window_pattern", c->window_pattern);
    if (c->attention_softcap > 0) put_real(&k, "attn_logit_softcapping", (double)c->attention_softcap);
    if (c->logit_softcap > 0) put_real(&k, "final_logit_softcapping", (double)c->logit_softcap);
    return k.status;
}
