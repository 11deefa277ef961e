/* LoRA adapters: the two file forms, the checks, and the matrices made of them. */
#include "model/adapter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/folder.h"
#include "base/hash.h"
#include "base/mem.h"
#include "format/gguf.h"
#include "format/quant.h"
#include "format/safetensors.h"
#include "model/adapter_config.h"

/* Ranks are filled up with zeros to a multiple of this: odd sizes would lead the library to kernels that are slower and
 * less regular, and a whole model has to follow where one shape needs tiles (slk_compute_self_test). */
#define RANK_STEP 16
#define MAX_RANK  65536

typedef struct target {
    const char *gguf; /* as in the table of names */
    slk_adapted matrix;
} target;

static const target targets[] = {
    {"blk.#.attn_qkv", SLK_ADAPTED_QKV},         {"blk.#.attn_q", SLK_ADAPTED_QKV},
    {"blk.#.attn_k", SLK_ADAPTED_QKV},           {"blk.#.attn_v", SLK_ADAPTED_QKV},
    {"blk.#.attn_output", SLK_ADAPTED_ATTN_OUT}, {"blk.#.ffn_gate", SLK_ADAPTED_GATE_UP},
    {"blk.#.ffn_up", SLK_ADAPTED_GATE_UP},       {"blk.#.ffn_down", SLK_ADAPTED_DOWN},
};
#define N_TARGETS (sizeof targets / sizeof targets[0])
enum { TARGET_QKV, TARGET_Q, TARGET_K, TARGET_V, TARGET_ATTN_OUT, TARGET_GATE, TARGET_UP, TARGET_DOWN };

/* A tensor of either file. */
typedef struct matrix {
    const char *name; /* NULL: not there */
    slk_dtype dtype;
    int64_t n_rows, n_cols;
    const uint8_t *data;
} matrix;

/* The adapter of one tensor of the model. */
typedef struct pair {
    matrix a, b; /* [rank, n_in], [n_out, rank] */
    double scale;
    bool by_halves; /* B's rows are in the order of safetensors, where GGUF's rotary pairs are neighbours */
} pair;

typedef struct layer {
    pair pairs[N_TARGETS];
    slk_low_rank low[SLK_N_ADAPTED];
} layer;

struct slk_adapter {
    char *path;        /* of the file with tensors */
    slk_config config; /* of the model */
    slk_gguf *gguf;
    slk_safetensors *weights;
    slk_adapter_config peft; /* of a PEFT directory */
    double alpha;            /* of a GGUF file; 0: scale 1 */
    uint64_t hash;
    layer *layers; /* [config.n_layers] */
    void **owned;  /* matrices that the library has no layout of its own for */
    size_t n_owned, cap_owned;
    slk_packed **packed;
    size_t n_packed, cap_packed;
    size_t n_bytes;
};

/* --- where a tensor belongs ----------------------------------------------------------------------------------------
 */

/* The rows [*row, *row + *n_out) of a matrix with *n_in columns. */
static void target_place(const slk_config *c, size_t i, int64_t *row, int64_t *n_out, int64_t *n_in)
{
    int64_t d_q = (int64_t)c->n_heads * c->head_dim, d_kv = (int64_t)c->n_kv_heads * c->head_dim;
    *row = i == TARGET_K ? d_q : i == TARGET_V ? d_q + d_kv : i == TARGET_UP && c->gated ? c->d_ff : 0;
    *n_in = i == TARGET_ATTN_OUT ? d_q : i == TARGET_DOWN ? c->d_ff : c->d_model;
    switch (i) {
    case TARGET_QKV:
        *n_out = d_q + 2 * d_kv;
        break;
    case TARGET_Q:
        *n_out = d_q;
        break;
    case TARGET_K:
    case TARGET_V:
        *n_out = d_kv;
        break;
    case TARGET_GATE:
    case TARGET_UP:
        *n_out = c->d_ff;
        break;
    default:
        *n_out = c->d_model;
        break;
    }
}

static int64_t matrix_rows(const slk_config *c, slk_adapted m)
{
    int64_t d_q = (int64_t)c->n_heads * c->head_dim, d_kv = (int64_t)c->n_kv_heads * c->head_dim;
    if (m == SLK_ADAPTED_QKV) return d_q + 2 * d_kv;
    if (m == SLK_ADAPTED_GATE_UP) return (c->gated ? 2 : 1) * (int64_t)c->d_ff;
    return c->d_model;
}

static slk_status take_tensor(slk_adapter *a, const slk_name *entry, int number, bool is_b, const matrix *m, pair **out,
                              slk_err *err)
{
    size_t i = 0;
    while (entry && i < N_TARGETS && strcmp(targets[i].gguf, entry->gguf) != 0) i++;
    if (!entry || i == N_TARGETS) {
        return slk_fail(err, SLK_E_UNSUPPORTED,
                        "%s: tensor %s: expected A and B of the attention and feed-forward matrices of a %s model, and "
                        "nothing else",
                        a->path, m->name, a->config.arch);
    }
    if (number >= a->config.n_layers) {
        return slk_fail(err, SLK_E_SHAPE,
                        "%s: tensor %s, but the model has %d layers; is this an adapter of another model?", a->path,
                        m->name, a->config.n_layers);
    }
    pair *p = &a->layers[number].pairs[i];
    matrix *place = is_b ? &p->b : &p->a;
    if (place->name)
        return slk_fail(err, SLK_E_FORMAT, "%s: tensors %s and %s are for the same place", a->path, place->name,
                        m->name);
    *place = *m;
    p->by_halves = !a->gguf && slk_family_change(a->config.family, entry, "weight") == SLK_CHANGE_PAIRS;
    *out = p;
    return SLK_OK;
}

static bool ends_with(const char *text, const char *end, size_t *n_before)
{
    size_t n = strlen(text), n_end = strlen(end);
    if (n < n_end || strcmp(text + n - n_end, end) != 0) return false;
    *n_before = n - n_end;
    return true;
}

/* --- PEFT ----------------------------------------------------------------------------------------------------------
 */

static slk_status take_safetensor(slk_adapter *a, const slk_safetensor *t, slk_err *err)
{
    static const char prefix[] = "base_model.model.";
    const size_t n_prefix = sizeof prefix - 1;
    size_t n = 0;
    int number = 0;
    char name[SLK_NAME_BYTES];
    const char *suffix;
    const slk_name *entry = NULL;
    bool is_b = ends_with(t->name, ".lora_B.weight", &n), is_ours = is_b || ends_with(t->name, ".lora_A.weight", &n);
    is_ours = is_ours && n > n_prefix && n - n_prefix + sizeof ".weight" <= sizeof name &&
              !strncmp(t->name, prefix, n_prefix);
    if (is_ours) {
        snprintf(name, sizeof name, "%.*s.weight", (int)(n - n_prefix), t->name + n_prefix);
        entry = slk_family_parse_hf(a->config.family, name, &number, &suffix);
    }
    if (entry && (!t->is_float || t->n_dims != 2 || t->shape[0] > INT64_MAX / 2 || t->shape[1] > INT64_MAX / 2)) {
        return slk_fail(err, SLK_E_UNSUPPORTED,
                        "%s: tensor %s has type %s and %u dimensions, expected F32, F16 or BF16 and 2", a->path,
                        t->name, t->type_name, t->n_dims);
    }
    matrix m = {.name = t->name,
                .dtype = t->dtype,
                .n_rows = (int64_t)t->shape[0],
                .n_cols = (int64_t)t->shape[1],
                .data = t->data};
    pair *p;
    slk_status s = take_tensor(a, entry, number, is_b, &m, &p, err);
    if (s != SLK_OK || is_b) return s;
    if (!a->peft.has_ranks && m.n_rows != a->peft.rank) {
        return slk_fail(err, SLK_E_SHAPE, "%s: tensor %s has %lld rows, and r in adapter_config.json is %lld", a->path,
                        t->name, (long long)m.n_rows, (long long)a->peft.rank);
    }
    name[n - n_prefix] = 0; /* the module */
    double alpha = slk_adapter_config_alpha(&a->peft, name), rank = m.n_rows > 0 ? (double)m.n_rows : 1;
    p->scale = alpha / (a->peft.by_root ? sqrt(rank) : rank);
    return SLK_OK;
}

static slk_status open_peft(slk_adapter *a, const char *folder, slk_err *err)
{
    char *config = slk_path_join(folder, "adapter_config.json");
    a->path = slk_path_join(folder, "adapter_model.safetensors");
    slk_status s = config && a->path ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "%s: out of memory", folder);
    if (s == SLK_OK && (!slk_file_exists(config) || !slk_file_exists(a->path))) {
        s = slk_fail(err, SLK_E_NOT_FOUND, "%s: %s is missing, expected a PEFT directory or a GGUF file", folder,
                     slk_file_exists(config) ? "adapter_model.safetensors" : "adapter_config.json");
    }
    if (s == SLK_OK) s = slk_adapter_config_read(&a->peft, config, a->config.family, err);
    if (s == SLK_OK) s = slk_safetensors_open(&a->weights, a->path, err);
    free(config);
    if (s == SLK_OK) a->hash = slk_hash_more(slk_safetensors_hash(a->weights), &a->peft.hash, sizeof a->peft.hash);
    for (size_t i = 0; s == SLK_OK && i < slk_safetensors_n_tensors(a->weights); i++) {
        s = take_safetensor(a, slk_safetensors_tensor_at(a->weights, i), err);
    }
    return s;
}

/* --- GGUF ----------------------------------------------------------------------------------------------------------
 */

static slk_status expect_str(const slk_adapter *a, const char *key, const char *value, slk_err *err)
{
    slk_gguf_str text;
    if (!slk_gguf_get_str(a->gguf, key, &text))
        return slk_fail(err, SLK_E_FORMAT, "%s: key %s is missing, expected \"%s\"", a->path, key, value);
    if (text.len == strlen(value) && !memcmp(text.data, value, text.len)) return SLK_OK;
    return slk_fail(err, SLK_E_UNSUPPORTED, "%s: key %s is \"%.*s\", expected \"%s\"", a->path, key,
                    (int)(text.len < 64 ? text.len : 64), text.data, value);
}

/* llama.cpp calls a Mistral model llama, too. */
static slk_status check_arch(const slk_adapter *a, slk_err *err)
{
    slk_gguf_str text;
    const char *arch = a->config.arch;
    if (!slk_gguf_get_str(a->gguf, "general.architecture", &text))
        return expect_str(a, "general.architecture", arch, err);
    const slk_family *own = a->config.family, *other = slk_family_find(text.data, text.len);
    if (other && (other == own || (other->names == own->names && other->rope_pairs && own->rope_pairs))) return SLK_OK;
    return slk_fail(err, SLK_E_SHAPE, "%s: an adapter for %.*s models, and this is a %s model", a->path,
                    (int)(text.len < 64 ? text.len : 64), text.data, arch);
}

static slk_status check_keys(slk_adapter *a, slk_err *err)
{
    char text[64];
    slk_gguf_type type;
    slk_status s = expect_str(a, "general.type", "adapter", err);
    if (s == SLK_OK) s = expect_str(a, "adapter.type", "lora", err);
    if (s == SLK_OK) s = check_arch(a, err);
    if (s == SLK_OK && (!slk_gguf_get_f64(a->gguf, "adapter.lora.alpha", &a->alpha) || !isfinite(a->alpha))) {
        s = slk_fail(err, SLK_E_FORMAT, "%s: key adapter.lora.alpha is missing or no number", a->path);
    }
    for (size_t i = 0; s == SLK_OK && i < slk_gguf_n_keys(a->gguf); i++) {
        const char *key = slk_gguf_key_at(a->gguf, i, &type, text, sizeof text);
        bool is_known =
            strncmp(key, "adapter.", 8) != 0 || !strcmp(key, "adapter.type") || !strncmp(key, "adapter.lora.", 13);
        if (!is_known) s = slk_fail(err, SLK_E_UNSUPPORTED, "%s: key %s is nothing that slick applies", a->path, key);
    }
    return s;
}

static slk_status take_gguf_tensor(slk_adapter *a, const slk_gguf_tensor *t, slk_err *err)
{
    size_t n = 0;
    int number = 0;
    char name[SLK_NAME_BYTES];
    const char *suffix = "";
    const slk_name *entry = NULL;
    bool is_b = ends_with(t->name, ".lora_b", &n), is_ours = is_b || ends_with(t->name, ".lora_a", &n);
    if (is_ours && n < sizeof name) {
        snprintf(name, sizeof name, "%.*s", (int)n, t->name);
        entry = slk_family_parse_gguf(a->config.family, name, &number, &suffix);
        if (strcmp(suffix, "weight") != 0) entry = NULL;
    }
    if (entry && (t->ne[2] != 1 || t->ne[3] != 1 || t->ne[0] > INT64_MAX / 2 || t->ne[1] > INT64_MAX / 2)) {
        return slk_fail(err, SLK_E_SHAPE, "%s: tensor %s has more than two dimensions", a->path, t->name);
    }
    matrix m = {
        .name = t->name, .dtype = t->dtype, .n_rows = (int64_t)t->ne[1], .n_cols = (int64_t)t->ne[0], .data = t->data};
    pair *p;
    slk_status s = take_tensor(a, entry, number, is_b, &m, &p, err);
    /* as llama.cpp: alpha 0 means no scale */
    if (s == SLK_OK && !is_b) p->scale = a->alpha != 0 && m.n_rows > 0 ? a->alpha / (double)m.n_rows : 1;
    return s;
}

static slk_status open_gguf(slk_adapter *a, const char *path, slk_err *err)
{
    a->path = slk_strdup(path);
    if (!a->path) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
    slk_status s = slk_gguf_open(&a->gguf, path, err);
    if (s == SLK_OK) s = check_keys(a, err);
    if (s == SLK_OK) a->hash = slk_gguf_hash(a->gguf);
    for (size_t i = 0; s == SLK_OK && i < slk_gguf_n_tensors(a->gguf); i++)
        s = take_gguf_tensor(a, slk_gguf_tensor_at(a->gguf, i), err);
    return s;
}

/* --- checks --------------------------------------------------------------------------------------------------------
 */

static slk_status check_shape(const slk_adapter *a, const matrix *m, int64_t n_rows, int64_t n_cols, slk_err *err)
{
    if (m->n_rows == n_rows && m->n_cols == n_cols) return SLK_OK;
    return slk_fail(err, SLK_E_SHAPE, "%s: tensor %s is [%lld, %lld], expected [%lld, %lld] (rows, columns)", a->path,
                    m->name, (long long)m->n_rows, (long long)m->n_cols, (long long)n_rows, (long long)n_cols);
}

static slk_status check_pair(const slk_adapter *a, const pair *p, size_t i, slk_err *err)
{
    int64_t row, n_out, n_in;
    target_place(&a->config, i, &row, &n_out, &n_in);
    if (!p->a.name || !p->b.name) {
        return slk_fail(err, SLK_E_NOT_FOUND, "%s: tensor %s has no partner, expected A and B of each matrix", a->path,
                        p->a.name ? p->a.name : p->b.name);
    }
    int64_t rank = p->a.n_rows;
    if (rank < 1 || rank > MAX_RANK) {
        return slk_fail(err, SLK_E_SHAPE, "%s: tensor %s has %lld rows, expected a rank of 1 to %d", a->path, p->a.name,
                        (long long)rank, MAX_RANK);
    }
    slk_status s = check_shape(a, &p->a, rank, n_in, err);
    return s == SLK_OK ? check_shape(a, &p->b, n_out, rank, err) : s;
}

/* Check all pairs, and size the layers' matrices. */
static slk_status arrange(slk_adapter *a, slk_err *err)
{
    size_t n_pairs = 0;
    for (int l = 0; l < a->config.n_layers; l++) {
        layer *y = &a->layers[l];
        for (size_t i = 0; i < N_TARGETS; i++) {
            const pair *p = &y->pairs[i];
            if (!p->a.name && !p->b.name) continue;
            slk_status s = check_pair(a, p, i, err);
            if (s != SLK_OK) return s;
            int64_t row, n_out, n_in;
            target_place(&a->config, i, &row, &n_out, &n_in);
            slk_low_rank *low = &y->low[targets[i].matrix];
            low->a.n_in = n_in;
            low->a.n_out += p->a.n_rows;
            n_pairs++;
        }
        for (int m = 0; m < SLK_N_ADAPTED; m++) {
            slk_low_rank *low = &y->low[m];
            low->a.n_out = (low->a.n_out + RANK_STEP - 1) / RANK_STEP * RANK_STEP;
            low->b = (slk_weight){.n_in = low->a.n_out, .n_out = matrix_rows(&a->config, (slk_adapted)m)};
        }
    }
    return n_pairs ? SLK_OK
                   : slk_fail(err, SLK_E_FORMAT, "%s: found no tensors, expected an adapter's A and B", a->path);
}

slk_status slk_adapter_open(slk_adapter **out, const char *path, const slk_config *config, slk_err *err)
{
    *out = NULL;
    slk_adapter *a = slk_alloc_zero(1, sizeof *a);
    if (a) a->config = *config;
    if (a) a->layers = slk_alloc_zero((size_t)config->n_layers, sizeof *a->layers);
    slk_status s = a && a->layers ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
    if (s == SLK_OK) s = slk_dir_exists(path) ? open_peft(a, path, err) : open_gguf(a, path, err);
    if (s == SLK_OK) s = arrange(a, err);
    if (s != SLK_OK) {
        slk_adapter_free(a);
        return s;
    }
    if (a->hash == 0) a->hash = 1;
    *out = a;
    return SLK_OK;
}

static void close_files(slk_adapter *a)
{
    slk_gguf_close(a->gguf);
    slk_safetensors_close(a->weights);
    a->gguf = NULL;
    a->weights = NULL;
}

void slk_adapter_free(slk_adapter *a)
{
    if (!a) return;
    close_files(a);
    slk_adapter_config_release(&a->peft);
    for (size_t i = 0; i < a->n_owned; i++) free(a->owned[i]);
    for (size_t i = 0; i < a->n_packed; i++) slk_packed_free(a->packed[i]);
    free(a->owned);
    free(a->packed);
    free(a->layers);
    free(a->path);
    free(a);
}

/* --- matrices ------------------------------------------------------------------------------------------------------
 */

static slk_status read_matrix(const slk_adapter *a, const matrix *m, float **out, slk_err *err)
{
    size_t n = (size_t)m->n_rows * (size_t)m->n_cols;
    *out = slk_alloc(n, sizeof **out);
    if (!*out) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory for tensor %s", a->path, m->name);
    if (slk_dequantize(m->dtype, m->data, n, *out, NULL) == SLK_OK) return SLK_OK;
    free(*out);
    return slk_fail(err, SLK_E_FORMAT, "%s: tensor %s cannot be converted", a->path, m->name);
}

/* Pair i into A's rows from rank0 and into its rows of B, columns from rank0. */
static slk_status add_pair(const slk_adapter *a, const pair *p, size_t i, int64_t rank0, float *big_a, float *big_b,
                           int64_t n_rank, slk_err *err)
{
    int64_t row, n_out, n_in, rank = p->a.n_rows;
    float *own_a, *own_b;
    target_place(&a->config, i, &row, &n_out, &n_in);
    slk_status s = read_matrix(a, &p->a, &own_a, err);
    if (s != SLK_OK) return s;
    memcpy(big_a + rank0 * n_in, own_a, (size_t)(rank * n_in) * sizeof *own_a);
    free(own_a);
    s = read_matrix(a, &p->b, &own_b, err);
    if (s != SLK_OK) return s;
    for (int64_t r = 0; r < n_out; r++) {
        const float *from = own_b + (p->by_halves ? slk_pairs_hf_row(r, a->config.head_dim) : r) * rank;
        float *to = big_b + (row + r) * n_rank + rank0;
        for (int64_t j = 0; j < rank; j++) to[j] = (float)(p->scale * (double)from[j]);
    }
    free(own_b);
    return SLK_OK;
}

/* From f32 [n_out, n_in] into the compute type and the library's layout. */
static slk_status adopt(slk_adapter *a, slk_compute *compute, slk_weight *w, const float *values, slk_err *err)
{
    size_t n = (size_t)w->n_out * (size_t)w->n_in;
    bool bf16 = slk_compute_dtype(compute) == SLK_DTYPE_BF16;
    size_t n_bytes = n * (bf16 ? sizeof(uint16_t) : sizeof(float));
    slk_packed *packed = NULL;
    void *data = slk_alloc_aligned(n_bytes, 1);
    if (!data || !slk_grow(&a->owned, &a->cap_owned, a->n_owned + 1, sizeof *a->owned) ||
        !slk_grow(&a->packed, &a->cap_packed, a->n_packed + 1, sizeof *a->packed)) {
        free(data);
        return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", a->path);
    }
    if (!bf16) memcpy(data, values, n_bytes);
    for (size_t i = 0; bf16 && i < n; i++) ((uint16_t *)data)[i] = slk_f32_to_bf16(values[i]);
    w->data = data;
    slk_status s = slk_compute_pack(compute, &packed, w, err);
    if (s == SLK_OK && !packed) {
        a->owned[a->n_owned++] = data;
        a->n_bytes += n_bytes;
        return SLK_OK;
    }
    free(data);
    w->data = NULL;
    if (s != SLK_OK) return s;
    a->packed[a->n_packed++] = packed;
    a->n_bytes += slk_packed_bytes(packed);
    w->packed = packed;
    return SLK_OK;
}

static slk_status load_low_rank(slk_adapter *a, slk_compute *compute, layer *y, slk_adapted m, slk_err *err)
{
    slk_low_rank *low = &y->low[m];
    int64_t n_rank = low->a.n_out, rank0 = 0;
    float *big_a = slk_alloc_zero((size_t)n_rank * (size_t)low->a.n_in, sizeof *big_a);
    float *big_b = slk_alloc_zero((size_t)n_rank * (size_t)low->b.n_out, sizeof *big_b);
    slk_status s = big_a && big_b ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "%s: out of memory", a->path);
    for (size_t i = 0; s == SLK_OK && i < N_TARGETS; i++) {
        if (targets[i].matrix != m || !y->pairs[i].a.name) continue;
        s = add_pair(a, &y->pairs[i], i, rank0, big_a, big_b, n_rank, err);
        rank0 += y->pairs[i].a.n_rows;
    }
    if (s == SLK_OK) s = adopt(a, compute, &low->a, big_a, err);
    if (s == SLK_OK) s = adopt(a, compute, &low->b, big_b, err);
    free(big_a);
    free(big_b);
    return s;
}

slk_status slk_adapter_load(slk_adapter *a, slk_compute *compute, slk_err *err)
{
    slk_status s = SLK_OK;
    for (int l = 0; l < a->config.n_layers; l++) {
        for (int m = 0; m < SLK_N_ADAPTED && s == SLK_OK; m++) {
            if (a->layers[l].low[m].a.n_out > 0) s = load_low_rank(a, compute, &a->layers[l], (slk_adapted)m, err);
        }
    }
    close_files(a);
    return s;
}

/* --- a new adapter -------------------------------------------------------------------------------------------------
 */

static size_t find_target(const char *gguf)
{
    size_t i = 0;
    while (i < N_TARGETS && strcmp(targets[i].gguf, gguf) != 0) i++;
    return i;
}

/* Zeroed memory of the adapter's. */
static void *own_zeros(slk_adapter *a, size_t n_bytes)
{
    void *data =
        slk_grow(&a->owned, &a->cap_owned, a->n_owned + 1, sizeof *a->owned) ? slk_alloc_aligned(n_bytes, 1) : NULL;
    if (!data) return NULL;
    memset(data, 0, n_bytes);
    a->n_bytes += n_bytes;
    return a->owned[a->n_owned++] = data;
}

/* Ranks of the pairs stand in for their tensors; the matrices are sized and zeroed. */
static bool create_layer(slk_adapter *a, layer *y, int64_t rank, size_t value_bytes)
{
    for (size_t i = 0; i < N_TARGETS; i++) {
        if (y->pairs[i].a.n_rows == 0) continue;
        int64_t row, n_out;
        slk_low_rank *low = &y->low[targets[i].matrix];
        target_place(&a->config, i, &row, &n_out, &low->a.n_in);
        low->a.n_out += rank;
    }
    for (int m = 0; m < SLK_N_ADAPTED; m++) {
        slk_low_rank *low = &y->low[m];
        if (low->a.n_out == 0) continue;
        low->a.n_out = (low->a.n_out + RANK_STEP - 1) / RANK_STEP * RANK_STEP;
        low->b = (slk_weight){.n_in = low->a.n_out, .n_out = matrix_rows(&a->config, (slk_adapted)m)};
        low->a.data = own_zeros(a, (size_t)(low->a.n_out * low->a.n_in) * value_bytes);
        low->b.data = own_zeros(a, (size_t)(low->b.n_out * low->b.n_in) * value_bytes);
        if (!low->a.data || !low->b.data) return false;
    }
    return true;
}

slk_status slk_adapter_create(slk_adapter **out, const slk_config *config, slk_dtype dtype, const char *const *tensors,
                              size_t n, int64_t rank, slk_err *err)
{
    *out = NULL;
    if (rank < 1 || rank > MAX_RANK)
        return slk_fail(err, SLK_E_ARG, "an adapter of rank %lld, expected 1 to %d", (long long)rank, MAX_RANK);
    slk_adapter *a = slk_alloc_zero(1, sizeof *a);
    if (a) a->config = *config;
    if (a) a->layers = slk_alloc_zero((size_t)config->n_layers, sizeof *a->layers);
    slk_status s = a && a->layers ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory for an adapter");
    for (int l = 0; s == SLK_OK && l < config->n_layers; l++) {
        for (size_t k = 0; k < n && s == SLK_OK; k++) {
            size_t i = find_target(tensors[k]);
            bool fits = i < N_TARGETS && a->layers[l].pairs[i].a.n_rows == 0 && (i != TARGET_GATE || config->gated) &&
                        (config->fused_qkv ? i != TARGET_Q && i != TARGET_K && i != TARGET_V : i != TARGET_QKV);
            if (fits)
                a->layers[l].pairs[i].a.n_rows = rank;
            else
                s = slk_fail(err, SLK_E_ARG, "an adapter of %s: no such matrix in a %s model, or named twice",
                             tensors[k], config->arch);
        }
        size_t value_bytes = dtype == SLK_DTYPE_BF16 ? sizeof(uint16_t) : sizeof(float);
        if (s == SLK_OK && !create_layer(a, &a->layers[l], rank, value_bytes))
            s = slk_fail(err, SLK_E_MEMORY, "out of memory for an adapter of rank %lld", (long long)rank);
    }
    if (s != SLK_OK) {
        slk_adapter_free(a);
        return s;
    }
    a->hash = 1; /* changes as it is trained */
    *out = a;
    return SLK_OK;
}

slk_adapter_place slk_adapter_find_place(const slk_adapter *a, const char *tensor)
{
    size_t at = find_target(tensor);
    slk_adapter_place p = {.matrix = targets[at].matrix, .rank = a->layers[0].pairs[at].a.n_rows};
    target_place(&a->config, at, &p.row, &p.n_out, &p.n_in);
    for (size_t i = 0; i < at; i++) {
        if (targets[i].matrix == p.matrix) p.rank0 += a->layers[0].pairs[i].a.n_rows;
    }
    return p;
}

/* --- what the model asks -------------------------------------------------------------------------------------------
 */

uint64_t slk_adapter_hash(const slk_adapter *a)
{
    return a->hash;
}

size_t slk_adapter_bytes(const slk_adapter *a)
{
    return a->n_bytes;
}

int64_t slk_adapter_max_rank(const slk_adapter *a)
{
    int64_t most = 0;
    for (int l = 0; l < a->config.n_layers; l++) {
        for (int m = 0; m < SLK_N_ADAPTED; m++) {
            if (a->layers[l].low[m].a.n_out > most) most = a->layers[l].low[m].a.n_out;
        }
    }
    return most;
}

static bool add_shape(slk_shape **shapes, size_t *n, size_t *cap, const slk_weight *w)
{
    for (size_t i = 0; i < *n; i++) {
        if ((*shapes)[i].n_out == w->n_out && (*shapes)[i].n_in == w->n_in) return true;
    }
    if (!slk_grow(shapes, cap, *n + 1, sizeof **shapes)) return false;
    (*shapes)[(*n)++] = (slk_shape){w->n_out, w->n_in};
    return true;
}

slk_status slk_adapter_add_shapes(const slk_adapter *a, slk_shape **shapes, size_t *n, size_t *cap, slk_err *err)
{
    for (int l = 0; l < a->config.n_layers; l++) {
        for (int m = 0; m < SLK_N_ADAPTED; m++) {
            const slk_low_rank *low = &a->layers[l].low[m];
            if (low->a.n_out == 0) continue;
            if (!add_shape(shapes, n, cap, &low->a) || !add_shape(shapes, n, cap, &low->b))
                return slk_fail(err, SLK_E_MEMORY, "out of memory");
        }
    }
    return SLK_OK;
}

const slk_low_rank *slk_adapter_get(const slk_adapter *a, int number, slk_adapted m)
{
    const slk_low_rank *low = &a->layers[number].low[m];
    return low->a.n_out > 0 ? low : NULL;
}
