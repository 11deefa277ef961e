/* Descriptions out of config.json. Two generations are out there:
 *
 *   Transformers 4   "rope_theta": 500.0, "rope_scaling": null or {"rope_type" (once "type"): "linear", "factor": 2.5},
 *                    Gemma 3: "rope_local_base_freq", "sliding_window_pattern"
 *   Transformers 5   "rope_parameters": {"rope_theta": 500.0, "rope_type": "default", ...}, "layer_types": [...],
 *                    Gemma 3: rope_parameters has one such object for each of full_attention and sliding_attention
 *
 * A key that is absent means what Transformers takes it to be. Whatever would change the numbers and is not known here
 * is an error. */
#include "model/config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A reader that remembers its first failure, so that the list of keys below reads as a list. */
typedef struct reader {
    const char *path;
    const json_t *json;
    slk_status status;
    slk_err *err;
} reader;

/* The value of a key that is there and not null, else NULL. */
static const json_t *get(const reader *r, const char *key)
{
    const json_t *value = json_object_get(r->json, key);
    return json_is_null(value) ? NULL : value;
}

static void expect(reader *r, const char *key, const json_t *found, const char *expected)
{
    if (r->status != SLK_OK) return;
    char *text = found ? json_dumps(found, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    if (found)
        r->status = slk_fail(r->err, SLK_E_FORMAT, "%s: key %s is %.80s, expected %s", r->path, key, text ? text : "?",
                             expected);
    else
        r->status = slk_fail(r->err, SLK_E_FORMAT, "%s: key %s is missing, expected %s", r->path, key, expected);
    free(text);
}

static void refuse(reader *r, const char *key, const json_t *found, const char *expected)
{
    if (r->status != SLK_OK) return;
    char *text = json_dumps(found, JSON_ENCODE_ANY | JSON_COMPACT);
    r->status = slk_fail(r->err, SLK_E_UNSUPPORTED, "%s: key %s is %.160s, which slick does not know; expected %s",
                         r->path, key, text ? text : "?", expected);
    free(text);
}

/* An integer in [1, max]; fallback < 0: required. */
static int read_int(reader *r, const char *key, int fallback, int max)
{
    const json_t *value = get(r, key);
    if (!value && fallback >= 0) return fallback;
    json_int_t n = json_integer_value(value);
    if (json_is_integer(value) && n >= 1 && n <= max) return (int)n;
    char expected[64];
    snprintf(expected, sizeof expected, "a whole number from 1 to %d", max);
    expect(r, key, value, expected);
    return 1;
}

static double read_real_of(reader *r, const json_t *object, const char *key, double fallback)
{
    const json_t *value = json_object_get(object, key);
    if (!value || json_is_null(value)) {
        if (fallback < 0) expect(r, key, NULL, "a positive number");
        return fallback;
    }
    double x = json_number_value(value);
    if (!json_is_number(value) || !isfinite(x) || x <= 0) expect(r, key, value, "a positive number");
    return x;
}

/* A finite number > 0; fallback < 0: required. */
static double read_real(reader *r, const char *key, double fallback)
{
    return read_real_of(r, r->json, key, fallback);
}

static bool read_bool(reader *r, const char *key, bool fallback)
{
    const json_t *value = get(r, key);
    if (value && !json_is_boolean(value)) expect(r, key, value, "true or false");
    return value ? json_is_true(value) : fallback;
}

/* Settings of these keys change the numbers in ways that slick does not compute. */
static void check_unknown(reader *r)
{
    static const struct {
        const char *key;
        bool expected;
    } flags[] = {{"use_bidirectional_attention", false},
                 {"add_cross_attention", false},
                 {"scale_attn_weights", true},
                 {"scale_attn_by_inverse_layer_idx", false},
                 {"is_encoder_decoder", false}};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        const json_t *value = get(r, flags[i].key);
        if (value && json_is_true(value) != flags[i].expected)
            refuse(r, flags[i].key, value, flags[i].expected ? "true" : "false");
    }
    const json_t *value = get(r, "quantization_config");
    if (value) refuse(r, "quantization_config", value, "plain F32, F16 or BF16 tensors");
    value = get(r, "partial_rotary_factor");
    if (value && json_number_value(value) != 1) refuse(r, "partial_rotary_factor", value, "1");
}

static void read_activation(reader *r, slk_config *c)
{
    const char *key = c->norm == SLK_NORM_LAYER ? "activation_function"
                      : c->post_norms           ? "hidden_activation"
                                                : "hidden_act";
    static const char *const silu[] = {"silu", "swish", NULL};
    static const char *const gelu[] = {"gelu_pytorch_tanh", "gelu_new", "gelu_fast", NULL};
    const json_t *value = get(r, key);
    if (!value) return;
    const char *const *names = c->activation == SLK_ACT_SILU ? silu : gelu, *found = json_string_value(value);
    for (int i = 0; found && names[i]; i++) {
        if (!strcmp(found, names[i])) return;
    }
    refuse(r, key, value, names[0]);
}

/* One set of rotary parameters; `scaling` NULL or without a type: none. key: for messages. */
static void read_scaling(reader *r, slk_config *c, const char *key, const json_t *scaling)
{
    if (!scaling || json_is_null(scaling)) return;
    if (!json_is_object(scaling)) {
        expect(r, key, scaling, "an object");
        return;
    }
    const json_t *type = json_object_get(scaling, "rope_type");
    if (!type) type = json_object_get(scaling, "type");
    const char *name = type ? json_string_value(type) : "default";
    if (name && !strcmp(name, "default")) return;
    if (name && !strcmp(name, "linear")) {
        c->rope_scale = read_real_of(r, scaling, "factor", -1);
        return;
    }
    if (!name || strcmp(name, "llama3") != 0) {
        refuse(r, key, scaling, "rope_type default, linear or llama3");
        return;
    }
    double original = read_real_of(r, scaling, "original_max_position_embeddings", -1);
    c->rope3 = (slk_rope3){.factor = read_real_of(r, scaling, "factor", -1),
                           .low = read_real_of(r, scaling, "low_freq_factor", -1),
                           .high = read_real_of(r, scaling, "high_freq_factor", -1)};
    if (r->status != SLK_OK) return;
    if (original > 1 << 24 || c->rope3.high <= c->rope3.low)
        expect(r, key, scaling, "low_freq_factor < high_freq_factor");
    else
        c->rope3.n_original = (int)original;
}

static void read_rope(reader *r, slk_config *c)
{
    const slk_family *family = c->family;
    c->rope = family->rope;
    c->rope_pairs = family->rope_pairs;
    c->rope_local = family->rope_base_local > 0;
    c->rope_scale = 1;
    if (!c->rope) return;
    const json_t *rope = get(r, "rope_parameters"), *full = rope, *local = NULL;
    if (rope && !json_is_object(rope)) expect(r, "rope_parameters", rope, "an object");
    const json_t *nested = json_object_get(rope, "full_attention");
    if (nested || json_object_get(rope, "sliding_attention")) {
        full = nested;
        local = json_object_get(rope, "sliding_attention");
        if (!c->rope_local && !json_equal(full, local)) refuse(r, "rope_parameters", rope, "one set for all layers");
    }
    c->rope_base = read_real_of(r, full, "rope_theta", read_real(r, "rope_theta", family->hf_rope_base));
    read_scaling(r, c, full ? "rope_parameters" : "rope_scaling", full ? full : get(r, "rope_scaling"));
    c->rope_base_local = c->rope_base;
    if (!c->rope_local) return;
    c->rope_base_local =
        read_real_of(r, local, "rope_theta", read_real(r, "rope_local_base_freq", family->rope_base_local));
    const json_t *type = json_object_get(local, "rope_type");
    if (type && (!json_is_string(type) || strcmp(json_string_value(type), "default") != 0)) {
        refuse(r, "rope_parameters", rope, "rope_type default for sliding_attention");
    }
}

/* The pattern that a list of layer types follows. */
static void read_layer_types(reader *r, slk_config *c, const json_t *types)
{
    size_t n = json_array_size(types);
    if (!json_is_array(types) || n != (size_t)c->n_layers) {
        expect(r, "layer_types", types, "one type for each layer");
        return;
    }
    int first_full = -1;
    bool any_windowed = false;
    for (size_t i = 0; i < n; i++) {
        const char *type = json_string_value(json_array_get(types, i));
        bool full = type && !strcmp(type, "full_attention");
        if (!full && (!type || strcmp(type, "sliding_attention") != 0)) {
            refuse(r, "layer_types", json_array_get(types, i), "full_attention or sliding_attention");
            return;
        }
        if (full && first_full < 0) first_full = (int)i;
        any_windowed |= !full;
    }
    if (!any_windowed) c->window = 0;
    c->window_pattern = first_full < 0 ? 0 : first_full + 1;
    for (size_t i = 0; i < n && c->window > 0; i++) {
        bool full = !strcmp(json_string_value(json_array_get(types, i)), "full_attention");
        if (full != !slk_config_is_windowed(c, (int)i)) {
            refuse(r, "layer_types", types, "every n-th layer full_attention, all others sliding_attention");
            return;
        }
    }
}

static void read_window(reader *r, slk_config *c)
{
    const slk_family *family = c->family;
    bool has_key = json_object_get(r->json, "sliding_window") != NULL; /* null says: none */
    c->window = read_int(r, "sliding_window", has_key ? 0 : family->hf_window, 1 << 24);
    bool by_switch = !strncmp(family->arch, "qwen", 4); /* Qwen states a window and then does not use it */
    if (by_switch && !read_bool(r, "use_sliding_window", false)) c->window = 0;
    if (c->window == 0 || r->status != SLK_OK) return;
    const json_t *types = get(r, "layer_types");
    if (types) {
        read_layer_types(r, c, types);
        return;
    }
    if (by_switch) {
        const json_t *n = get(r, "max_window_layers");
        json_int_t first = n ? json_integer_value(n) : 28;
        if (first >= c->n_layers)
            c->window = 0;
        else if (first != 0)
            refuse(r, "max_window_layers", n, "0 or at least the number of layers (a window in some of them)");
        return;
    }
    if (family->window_pattern == 0) return;
    const char *key = get(r, "sliding_window_pattern") ? "sliding_window_pattern" : "_sliding_window_pattern";
    c->window_pattern = read_int(r, key, family->window_pattern, 1024);
}

static void read_sizes(reader *r, slk_config *c)
{
    bool gpt2 = c->norm == SLK_NORM_LAYER;
    c->n_layers = read_int(r, gpt2 ? "n_layer" : "num_hidden_layers", -1, 1024);
    c->d_model = read_int(r, gpt2 ? "n_embd" : "hidden_size", -1, 1 << 17);
    c->n_heads = read_int(r, gpt2 ? "n_head" : "num_attention_heads", -1, 1 << 12);
    c->n_kv_heads = gpt2 ? c->n_heads : read_int(r, "num_key_value_heads", c->n_heads, 1 << 12);
    c->n_context = read_int(r, gpt2 ? "n_positions" : "max_position_embeddings", -1, 1 << 24);
    c->n_vocab = read_int(r, "vocab_size", -1, 1 << 30);
    int fallback = c->family->hf_head_dim;
    if (fallback == 0 || json_is_null(json_object_get(r->json, "head_dim"))) fallback = c->d_model / c->n_heads;
    c->head_dim = gpt2 ? c->d_model / c->n_heads : read_int(r, "head_dim", fallback, 256);
    c->d_ff = gpt2 ? read_int(r, "n_inner", 4 * c->d_model, 1 << 19) : read_int(r, "intermediate_size", -1, 1 << 19);
    c->norm_eps = (float)read_real(r, gpt2 ? "layer_norm_epsilon" : "rms_norm_eps", gpt2 ? 1e-5 : 1e-6);
    if (r->status != SLK_OK) return;
    if (c->n_heads % c->n_kv_heads == 0 && c->head_dim >= 2 && c->head_dim <= 256 && c->head_dim % 2 == 0 &&
        (!gpt2 || c->head_dim * c->n_heads == c->d_model)) {
        return;
    }
    r->status =
        slk_fail(r->err, SLK_E_UNSUPPORTED,
                 "%s: %d heads on %d key/value heads of width %d, expected a multiple and an even width up to 256",
                 r->path, c->n_heads, c->n_kv_heads, c->head_dim);
}

/* The directory's own name. */
static void read_name(slk_config *c, const char *path)
{
    const char *end = strrchr(path, '/');
    if (!end) end = path;
    const char *begin = end;
    while (begin > path && begin[-1] != '/') begin--;
    snprintf(c->name, sizeof c->name, "%.*s", (int)(end - begin < 120 ? end - begin : 120), begin);
    if (c->name[0] == '\0' || !strcmp(c->name, ".")) snprintf(c->name, sizeof c->name, "%s", c->arch);
    for (char *p = c->name; *p; p++) {
        if ((unsigned char)*p < 32) *p = '?';
    }
}

slk_status slk_config_read_hf(slk_config *c, const json_t *json, const char *path, slk_err *err)
{
    memset(c, 0, sizeof *c);
    reader r = {.path = path, .json = json, .err = err};
    const json_t *type = json_object_get(json, "model_type");
    if (!json_is_string(type)) {
        expect(&r, "model_type", type, "a string");
        return r.status;
    }
    const slk_family *family = slk_family_find_hf(json_string_value(type));
    if (!family) {
        refuse(&r, "model_type", type, slk_family_list_hf());
        return r.status;
    }
    c->family = family;
    snprintf(c->arch, sizeof c->arch, "%s", family->arch);
    read_name(c, path);
    c->norm = family->norm;
    c->post_norms = family->post_norms;
    c->qk_norm = family->qk_norm;
    c->fused_qkv = family->fused_qkv;
    c->gated = family->gated;
    c->activation = family->activation;
    c->learned_positions = family->learned_positions;
    read_sizes(&r, c);
    if (r.status != SLK_OK) return r.status;
    check_unknown(&r);
    read_activation(&r, c);
    c->embed_scale = family->scaled_embedding ? sqrtf((float)c->d_model) : 1;
    c->tied = read_bool(&r, "tie_word_embeddings", family->hf_tied);
    read_rope(&r, c);
    read_window(&r, c);
    c->query_scalar = c->head_dim;
    c->attention_scale = 1 / sqrtf((float)c->query_scalar);
    if (!family->scaled_embedding) return r.status;
    /* Gemma: null switches a soft-cap off, absence means the family's. */
    bool has_caps = json_object_get(json, "attn_logit_softcapping") != NULL,
         has_cap = json_object_get(json, "final_logit_softcapping") != NULL;
    c->attention_softcap =
        (float)read_real(&r, "attn_logit_softcapping", has_caps ? 0 : (double)family->attention_softcap);
    c->logit_softcap = (float)read_real(&r, "final_logit_softcapping", has_cap ? 0 : (double)family->logit_softcap);
    c->query_scalar = read_real(&r, "query_pre_attn_scalar", 256);
    c->attention_scale = 1 / sqrtf((float)c->query_scalar);
    return r.status;
}
