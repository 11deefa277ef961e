/* Descriptions out of GGUF metadata. */
#include "model/config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A reader that remembers its first failure, so that the list of keys below reads as a list. */
typedef struct reader {
    const slk_gguf *file;
    const slk_config *c;
    slk_status status;
    slk_err *err;
} reader;

static void key_name(char out[96], const reader *r, const char *key)
{
    snprintf(out, 96, "%s.%s", r->c->arch, key);
}

/* An integer in [1, max]; fallback < 0: the key is required. */
static int read_int(reader *r, const char *key, int64_t fallback, int64_t max)
{
    char name[96];
    key_name(name, r, key);
    slk_gguf_type type;
    size_t n;
    uint64_t value = 0;
    if (r->status != SLK_OK) return 1;
    if (!slk_gguf_get_u64(r->file, name, &value)) {
        if (slk_gguf_get_array(r->file, name, &type, &n)) {
            r->status = slk_fail(r->err, SLK_E_UNSUPPORTED, "%s: %s differs by layer, expected one number",
                                 slk_gguf_path(r->file), name);
            return 1;
        }
        if (fallback >= 0) return (int)fallback;
        r->status = slk_fail(r->err, SLK_E_FORMAT, "%s: key %s is missing or no integer", slk_gguf_path(r->file), name);
        return 1;
    }
    if (value < 1 || value > (uint64_t)max) {
        r->status = slk_fail(r->err, SLK_E_FORMAT, "%s: %s is %llu, expected 1 to %lld", slk_gguf_path(r->file), name,
                             (unsigned long long)value, (long long)max);
        return 1;
    }
    return (int)value;
}

/* A finite number > 0; fallback <= 0: required unless the key may be absent (fallback 0 gives 0). */
static double read_real(reader *r, const char *key, double fallback, bool required)
{
    char name[96];
    key_name(name, r, key);
    double value = fallback;
    if (r->status != SLK_OK) return fallback;
    if (!slk_gguf_get_f64(r->file, name, &value)) {
        if (required) {
            r->status =
                slk_fail(r->err, SLK_E_FORMAT, "%s: key %s is missing or no number", slk_gguf_path(r->file), name);
        }
        return fallback;
    }
    if (!isfinite(value) || value < 0) {
        r->status = slk_fail(r->err, SLK_E_FORMAT, "%s: %s is %g, expected a positive number", slk_gguf_path(r->file),
                             name, value);
    }
    return value;
}

static void read_rope(reader *r, slk_config *c, const slk_family *family)
{
    c->rope = family->rope;
    c->rope_pairs = family->rope_pairs;
    c->rope_scale = 1;
    if (!c->rope) return;
    c->rope_base = read_real(r, "rope.freq_base", 10000, false);
    c->rope_base_local =
        read_real(r, "rope.freq_base_swa", family->rope_base_local > 0 ? family->rope_base_local : c->rope_base, false);
    c->rope_local = family->rope_base_local > 0;
    int n_rotated = read_int(r, "rope.dimension_count", c->head_dim, 1 << 16);
    if (r->status == SLK_OK && n_rotated != c->head_dim) {
        r->status = slk_fail(r->err, SLK_E_UNSUPPORTED,
                             "%s: %s.rope.dimension_count is %d and heads have %d, expected all of a head to rotate",
                             slk_gguf_path(r->file), c->arch, n_rotated, c->head_dim);
        return;
    }
    char name[96];
    slk_gguf_str type;
    key_name(name, r, "rope.scaling.type");
    bool linear = false;
    if (slk_gguf_get_str(r->file, name, &type)) {
        linear = type.len == 6 && !memcmp(type.data, "linear", 6);
        bool none = type.len == 4 && !memcmp(type.data, "none", 4);
        if (!linear && !none) {
            r->status = slk_fail(
                r->err, SLK_E_UNSUPPORTED,
                "%s: %s is '%.*s', expected none or linear (Llama 3 scaling comes as the tensor rope_freqs.weight)",
                slk_gguf_path(r->file), name, (int)(type.len < 64 ? type.len : 64), type.data);
            return;
        }
    }
    if (linear)
        c->rope_scale = read_real(r, "rope.scaling.factor", 1, false);
    else
        c->rope_scale = read_real(r, "rope.scale_linear", 1, false); /* the name that old files have */
    if (c->rope_scale <= 0) c->rope_scale = 1;
}

static void read_name(slk_config *c, const slk_gguf *file)
{
    slk_gguf_str name;
    const char *path = slk_gguf_path(file);
    const char *slash = strrchr(path, '/');
    snprintf(c->name, sizeof c->name, "%s", slash ? slash + 1 : path);
    if (slk_gguf_get_str(file, "general.name", &name) && name.len > 0) {
        snprintf(c->name, sizeof c->name, "%.*s", (int)(name.len < 120 ? name.len : 120), name.data);
    }
    for (char *p = c->name; *p; p++) {
        if ((unsigned char)*p < 32) *p = '?';
    }
}

slk_status slk_config_read_gguf(slk_config *c, const slk_gguf *file, slk_err *err)
{
    const char *path = slk_gguf_path(file);
    memset(c, 0, sizeof *c);
    slk_gguf_str arch;
    if (!slk_gguf_get_str(file, "general.architecture", &arch)) {
        return slk_fail(err, SLK_E_FORMAT, "%s: key general.architecture is missing or no string", path);
    }
    const slk_family *family = slk_family_find(arch.data, arch.len);
    if (!family) {
        return slk_fail(err, SLK_E_UNSUPPORTED, "%s: architecture '%.*s', expected one of %s", path,
                        (int)(arch.len < 64 ? arch.len : 64), arch.data, slk_family_list());
    }
    c->family = family;
    snprintf(c->arch, sizeof c->arch, "%s", family->arch);
    read_name(c, file);
    reader r = {.file = file, .c = c, .err = err};
    c->n_layers = read_int(&r, "block_count", -1, 1024);
    c->d_model = read_int(&r, "embedding_length", -1, 1 << 17);
    c->n_heads = read_int(&r, "attention.head_count", -1, 1 << 12);
    c->n_kv_heads = read_int(&r, "attention.head_count_kv", c->n_heads, 1 << 12);
    c->head_dim = read_int(&r, "attention.key_length", c->d_model / c->n_heads, 256);
    int value_dim = read_int(&r, "attention.value_length", c->head_dim, 256);
    c->d_ff = read_int(&r, "feed_forward_length", -1, 1 << 19);
    c->n_context = read_int(&r, "context_length", 1 << 20, 1 << 24);
    c->norm = family->norm;
    c->norm_eps = (float)read_real(
        &r, family->norm == SLK_NORM_RMS ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon", 0,
        true);
    if (r.status != SLK_OK) return r.status;
    if (c->n_heads % c->n_kv_heads != 0 || c->head_dim < 2 || c->head_dim % 2 != 0 || value_dim != c->head_dim) {
        return slk_fail(err, SLK_E_UNSUPPORTED,
                        "%s: %d heads on %d key/value heads of width %d and %d, expected a multiple and one even width",
                        path, c->n_heads, c->n_kv_heads, c->head_dim, value_dim);
    }
    c->post_norms = family->post_norms;
    c->qk_norm = family->qk_norm;
    c->fused_qkv = family->fused_qkv;
    c->gated = family->gated;
    c->activation = family->activation;
    c->learned_positions = family->learned_positions;
    c->embed_scale = family->scaled_embedding ? sqrtf((float)c->d_model) : 1;
    read_rope(&r, c, family);
    c->window = read_int(&r, "attention.sliding_window", 0, 1 << 24);
    if (c->window > 0)
        c->window_pattern = read_int(&r, "attention.sliding_window_pattern", family->window_pattern, 1024);
    c->attention_softcap = (float)read_real(&r, "attn_logit_softcapping", family->attention_softcap, false);
    c->logit_softcap = (float)read_real(&r, "final_logit_softcapping", family->logit_softcap, false);
    c->query_scalar = slk_config_implied_scalar(c);
    c->attention_scale = 1 / sqrtf((float)c->query_scalar);
    return r.status;
}

double slk_config_implied_scalar(const slk_config *c)
{
    bool by_width = c->family->n_layers_scaled_by_width && c->n_layers == c->family->n_layers_scaled_by_width;
    return by_width ? (double)c->d_model / c->n_heads : c->head_dim;
}

double slk_config_query_factor(const slk_config *c)
{
    return sqrt(slk_config_implied_scalar(c) / c->query_scalar);
}

int64_t slk_config_n_body_params(const slk_config *c)
{
    int64_t d = c->d_model, d_q = (int64_t)c->n_heads * c->head_dim, d_kv = (int64_t)c->n_kv_heads * c->head_dim;
    return c->n_layers * (d * (2 * d_q + 2 * d_kv) + d * c->d_ff * (c->gated ? 3 : 2));
}
