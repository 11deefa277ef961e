#include "model/adapter_write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/folder.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/adapter_impl.h"

typedef struct writing {
    const char *path;
    const slk_config *config;
    const slk_adapter_matrix *matrices;
    size_t n;
    const slk_adapter_write_options *options;
    const char *base_name; /* NULL where it is no text */
    bool to_gguf;
} writing;

/* --- checks ----------------------------------------------------------------------------------------------------------
 */

/* The entry of a matrix in the family's table, which has none for q, k and v where these are one tensor. */
static const slk_name *find_entry(const slk_config *c, const char *tensor)
{
    for (const slk_name *e = c->family->names; e->gguf; e++) {
        if (!strcmp(e->gguf, tensor)) return e;
    }
    return NULL;
}

static slk_status check(const writing *w, const slk_adapter_matrix *m, slk_err *err)
{
    int64_t row, n_out = 0, n_in = 0;
    size_t target = slk_adapter_find_target(m->tensor);
    if (target == N_TARGETS || !find_entry(w->config, m->tensor) || m->layer < 0 || m->layer >= w->config->n_layers) {
        return slk_fail(err, SLK_E_SHAPE, "%s: adapter of %s in layer %d: a %s model of %d layers has no such matrix",
                        w->path, m->tensor, m->layer, w->config->arch, w->config->n_layers);
    }
    slk_adapter_target_place(w->config, target, &row, &n_out, &n_in);
    if (m->n_out != n_out || m->n_in != n_in) {
        return slk_fail(err, SLK_E_SHAPE, "%s: adapter of %s in layer %d is for [%lld, %lld], expected [%lld, %lld]",
                        w->path, m->tensor, m->layer, (long long)m->n_out, (long long)m->n_in, (long long)n_out,
                        (long long)n_in);
    }
    if (m->rank != w->matrices[0].rank || m->rank < 1 || m->rank > MAX_RANK) {
        return slk_fail(err, SLK_E_ARG, "%s: adapter of %s in layer %d has rank %lld, expected one of 1 to %d for all",
                        w->path, m->tensor, m->layer, (long long)m->rank, MAX_RANK);
    }
    for (const slk_adapter_matrix *other = w->matrices; other < m; other++) {
        if (other->layer == m->layer && !strcmp(other->tensor, m->tensor))
            return slk_fail(err, SLK_E_ARG, "%s: two adapters of %s in layer %d", w->path, m->tensor, m->layer);
    }
    return SLK_OK;
}

static slk_status check_all(const writing *w, slk_err *err)
{
    double alpha = w->options->alpha;
    if (w->n == 0) return slk_fail(err, SLK_E_ARG, "%s: an adapter of no matrix", w->path);
    /* llama.cpp takes 0 for "no scale" */
    if (!isfinite(alpha) || alpha == 0 || !isfinite((float)alpha))
        return slk_fail(err, SLK_E_ARG, "%s: alpha is %g, expected a number that is not 0", w->path, alpha);
    slk_status s = SLK_OK;
    for (size_t i = 0; i < w->n && s == SLK_OK; i++) s = check(w, &w->matrices[i], err);
    return s;
}

/* --- values ----------------------------------------------------------------------------------------------------------
 */

/* Tensor 2i is A of matrix i, 2i + 1 its B; the signature of both writers' callbacks. */
static slk_status produce(void *user, size_t i, void *bytes, size_t n_bytes, slk_err *err)
{
    const writing *w = user;
    const slk_adapter_matrix *m = &w->matrices[i / 2];
    const slk_name *entry = find_entry(w->config, m->tensor);
    bool is_b = i % 2, is_query = !strcmp(m->tensor, "blk.#.attn_q");
    bool by_halves = is_b && !w->to_gguf && slk_family_change(w->config->family, entry, "weight") == SLK_CHANGE_PAIRS;
    float factor = is_b && is_query && w->to_gguf ? (float)slk_config_query_factor(w->config) : 1;
    int64_t n_rows = is_b ? m->n_out : m->rank, n_cols = is_b ? m->rank : m->n_in;
    int64_t stride = is_b ? m->b_stride : m->a_stride;
    const float *from = is_b ? m->b : m->a;
    float *to = bytes;
    (void)err;
    if (stride == 0) stride = n_cols;
    for (int64_t r = 0; r < n_rows && (size_t)((r + 1) * n_cols) * sizeof *to <= n_bytes; r++) {
        const float *row = from + (by_halves ? slk_pairs_gguf_row(r, w->config->head_dim) : r) * stride;
        for (int64_t k = 0; k < n_cols; k++) to[r * n_cols + k] = factor != 1 ? factor * row[k] : row[k];
    }
    return SLK_OK;
}

/* --- GGUF ------------------------------------------------------------------------------------------------------------
 */

static slk_status put_keys(slk_gguf_writer *g, const writing *w, slk_err *err)
{
    /* as slk_config_put_gguf calls the model */
    const char *arch = strcmp(w->config->arch, "mistral") ? w->config->arch : "llama", *base = w->base_name;
    slk_status s = slk_gguf_put_str(g, "general.architecture", arch, err);
    if (s == SLK_OK) s = slk_gguf_put_str(g, "general.type", "adapter", err);
    if (s == SLK_OK) s = slk_gguf_put_str(g, "adapter.type", "lora", err);
    if (s == SLK_OK && base) s = slk_gguf_put_u32(g, "general.base_model.count", 1, err);
    if (s == SLK_OK && base) s = slk_gguf_put_str(g, "general.base_model.0.name", base, err);
    if (s == SLK_OK) s = slk_gguf_put_f32(g, "adapter.lora.alpha", (float)w->options->alpha, err);
    if (s == SLK_OK) s = slk_gguf_put_u32(g, "general.file_type", 0, err);
    return s == SLK_OK ? slk_gguf_put_u32(g, "general.quantization_version", 2, err) : s;
}

static slk_status write_gguf(writing *w, slk_err *err)
{
    slk_gguf_writer *g;
    slk_status s = slk_gguf_writer_create(&g, err);
    if (s != SLK_OK) return s;
    s = put_keys(g, w, err);
    for (size_t i = 0; i < 2 * w->n && s == SLK_OK; i++) {
        const slk_adapter_matrix *m = &w->matrices[i / 2];
        char weight[SLK_NAME_BYTES], name[SLK_NAME_BYTES + 8];
        uint64_t ne[2] = {(uint64_t)(i % 2 ? m->rank : m->n_in), (uint64_t)(i % 2 ? m->n_out : m->rank)};
        slk_family_gguf_name(weight, find_entry(w->config, m->tensor), m->layer, "weight");
        snprintf(name, sizeof name, "%s.lora_%c", weight, i % 2 ? 'b' : 'a');
        s = slk_gguf_put_tensor(g, name, SLK_DTYPE_F32, 2, ne, NULL, err);
    }
    if (s == SLK_OK) s = slk_gguf_write(g, w->path, w->options->overwrite, produce, w, err);
    slk_gguf_writer_free(g);
    return s;
}

/* --- PEFT ------------------------------------------------------------------------------------------------------------
 */

/* "model.layers.0.self_attn.q_proj" */
static void module_name(char out[SLK_NAME_BYTES], const writing *w, const slk_adapter_matrix *m)
{
    slk_family_hf_name(out, find_entry(w->config, m->tensor), m->layer, "weight");
    out[strlen(out) - strlen(".weight")] = 0;
}

/* What target_modules calls an entry: modules are found by the ends of their names, so "q_proj" will do, and GPT-2's
 * two c_proj need a word more. */
static const char *short_name(const slk_config *c, const slk_name *entry)
{
    const char *last = strrchr(entry->hf, '.') + 1;
    for (const slk_name *e = c->family->names; e->gguf; e++) {
        if (e != entry && slk_family_is_layered(e) && !strcmp(strrchr(e->hf, '.') + 1, last))
            return strchr(entry->hf, '#') + 2;
    }
    return last;
}

/* Entries that have an adapter in every layer by their short names, the others module by module. NULL: out of memory.
 */
static json_t *target_modules(const writing *w)
{
    json_t *list = json_array();
    bool ok = list != NULL;
    for (const slk_name *e = w->config->family->names; ok && e->gguf; e++) {
        int n_layers = 0;
        for (size_t i = 0; i < w->n; i++) n_layers += !strcmp(w->matrices[i].tensor, e->gguf);
        if (n_layers == w->config->n_layers) {
            ok = json_array_append_new(list, json_string(short_name(w->config, e))) == 0;
            continue;
        }
        for (size_t i = 0; ok && i < w->n; i++) {
            char name[SLK_NAME_BYTES];
            if (strcmp(w->matrices[i].tensor, e->gguf) != 0) continue;
            module_name(name, w, &w->matrices[i]);
            ok = json_array_append_new(list, json_string(name)) == 0;
        }
    }
    if (ok) return list;
    json_decref(list);
    return NULL;
}

static json_t *whole_or_real(double x)
{
    return x == floor(x) && fabs(x) < 1e9 ? json_integer((json_int_t)x) : json_real(x);
}

/* The keys that PEFT itself writes, those of other kinds of adapters left out. */
static slk_status write_config(const writing *w, const slk_out_dir *dir, slk_err *err)
{
    const slk_config *c = w->config;
    json_t *name = w->base_name ? json_string(w->base_name) : json_null();
    json_t *json = json_pack("{s:s, s:s, s:o, s:o, s:I, s:o, s:f, s:s, s:b, s:b, s:b, s:b, s:b, s:n, s:{}, s:{}}",
                             "peft_type", "LORA", "task_type", "CAUSAL_LM", "base_model_name_or_path", name,
                             "target_modules", target_modules(w), "r", (json_int_t)w->matrices[0].rank, "lora_alpha",
                             whole_or_real(w->options->alpha), "lora_dropout", w->options->dropout, "bias", "none",
                             "fan_in_fan_out", c->family->fused_qkv && c->family->learned_positions, "inference_mode",
                             1, "init_lora_weights", 1, "use_dora", 0, "use_rslora", 0, "modules_to_save",
                             "rank_pattern", "alpha_pattern");
    char *text = json ? json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) : NULL;
    slk_status s = text ? slk_out_dir_write(dir, "adapter_config.json", text, strlen(text), err)
                        : slk_fail(err, SLK_E_MEMORY, "%s: out of memory for adapter_config.json", w->path);
    free(text);
    json_decref(json);
    return s;
}

static slk_status write_weights(writing *w, const slk_out_dir *dir, slk_err *err)
{
    slk_safetensors_writer *st;
    char *path = slk_path_join(slk_out_dir_path(dir), "adapter_model.safetensors");
    if (!path) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", w->path);
    slk_status s = slk_safetensors_writer_create(&st, err);
    if (s == SLK_OK) s = slk_safetensors_put_metadata(st, "format", "pt", err);
    for (size_t i = 0; i < 2 * w->n && s == SLK_OK; i++) {
        const slk_adapter_matrix *m = &w->matrices[i / 2];
        char module[SLK_NAME_BYTES], name[SLK_NAME_BYTES + 32];
        uint64_t shape[2] = {(uint64_t)(i % 2 ? m->n_out : m->rank), (uint64_t)(i % 2 ? m->rank : m->n_in)};
        module_name(module, w, m);
        snprintf(name, sizeof name, "base_model.model.%s.lora_%c.weight", module, i % 2 ? 'B' : 'A');
        s = slk_safetensors_put_tensor(st, name, SLK_DTYPE_F32, 2, shape, NULL, err);
    }
    if (s == SLK_OK) s = slk_safetensors_write(st, path, true, produce, w, err);
    slk_safetensors_writer_free(st);
    free(path);
    return s;
}

static bool is_stale(const char *name)
{
    return !strcmp(name, "adapter_model.safetensors") || !strcmp(name, "adapter_model.bin");
}

static slk_status write_peft(writing *w, slk_err *err)
{
    slk_out_dir *dir;
    slk_status s = slk_out_dir_open(&dir, w->path, w->options->overwrite, err);
    if (s != SLK_OK) return s;
    s = write_config(w, dir, err);
    if (s == SLK_OK) s = write_weights(w, dir, err);
    if (s == SLK_OK) s = slk_out_dir_commit(dir, "adapter_config.json", is_stale, err);
    slk_out_dir_close(dir);
    return s;
}

slk_status slk_adapter_write(const char *path, const slk_config *config, const slk_adapter_matrix *matrices, size_t n,
                             const slk_adapter_write_options *options, slk_err *err)
{
    size_t len = strlen(path);
    writing w = {.path = path,
                 .config = config,
                 .matrices = matrices,
                 .n = n,
                 .options = options,
                 .to_gguf = len > 5 && !strcmp(path + len - 5, ".gguf")};
    const char *base = options->base_name;
    if (base && slk_utf8_valid(base, strlen(base)) == strlen(base)) w.base_name = base;
    slk_status s = check_all(&w, err);
    if (s != SLK_OK) return s;
    return w.to_gguf ? write_gguf(&w, err) : write_peft(&w, err);
}
