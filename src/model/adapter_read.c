/* Reading LoRA adapters: the two file forms. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/folder.h"
#include "base/hash.h"
#include "base/mem.h"
#include "model/adapter_impl.h"

/* --- where a tensor belongs ----------------------------------------------------------------------------------------
 */

static slk_status take_tensor(slk_adapter *a, const slk_name *entry, int number, bool is_b, const slk_adapter_tensor *m,
                              slk_adapter_pair **out, slk_err *err)
{
    size_t i = 0;
    while (entry && i < N_TARGETS && strcmp(slk_adapter_targets[i].gguf, entry->gguf) != 0) i++;
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
    slk_adapter_pair *p = &a->layers[number].pairs[i];
    slk_adapter_tensor *place = is_b ? &p->b : &p->a;
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
    slk_adapter_tensor m = {.name = t->name,
                            .dtype = t->dtype,
                            .n_rows = (int64_t)t->shape[0],
                            .n_cols = (int64_t)t->shape[1],
                            .data = t->data};
    slk_adapter_pair *p;
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

slk_status slk_adapter_read_peft(slk_adapter *a, const char *folder, slk_err *err)
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
    slk_adapter_tensor m = {
        .name = t->name, .dtype = t->dtype, .n_rows = (int64_t)t->ne[1], .n_cols = (int64_t)t->ne[0], .data = t->data};
    slk_adapter_pair *p;
    slk_status s = take_tensor(a, entry, number, is_b, &m, &p, err);
    /* as llama.cpp: alpha 0 means no scale */
    if (s != SLK_OK || is_b) return s;
    p->scale = a->alpha != 0 && m.n_rows > 0 ? a->alpha / (double)m.n_rows : 1;
    if (entry && !strcmp(entry->gguf, "blk.#.attn_q")) p->scale /= slk_config_query_factor(&a->config);
    return s;
}

slk_status slk_adapter_read_gguf(slk_adapter *a, const char *path, slk_err *err)
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
