/* Tensors of GGUF files and Hugging Face directories. */
#include "model/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/folder.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "format/quant.h"

struct slk_source {
    char *path;
    slk_config config;
    slk_gguf *gguf; /* or: */
    slk_safetensors *weights;
    json_t *hf_config;
    char *chat_template;
    float *rope_divisors; /* [head_dim / 2] of config.rope3; in GGUF a tensor */
};

/* --- opening -------------------------------------------------------------------------------------------------------
 */

/* *out = NULL where there is no such file. */
static slk_status read_optional(char **out, size_t *n_bytes, const char *folder, const char *name, slk_err *err)
{
    *out = NULL;
    *n_bytes = 0;
    char *path = slk_path_join(folder, name);
    if (!path) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", folder);
    slk_status s = slk_file_exists(path) ? slk_file_read(out, n_bytes, path, err) : SLK_OK;
    free(path);
    return s;
}

/* tokenizer_config.json has the template as a string, or as a list of {"name", "template"} of which "default" counts.
 */
static slk_status template_of_config(char **out, const char *text, size_t n_bytes, const char *path, slk_err *err)
{
    json_t *json;
    size_t i;
    json_t *item;
    slk_status s = slk_json_parse(&json, text, n_bytes, path, 1, err);
    if (s != SLK_OK) return s;
    const json_t *value = json_object_get(json, "chat_template");
    json_array_foreach(value, i, item)
    {
        const char *name = json_string_value(json_object_get(item, "name"));
        if (name && !strcmp(name, "default")) value = json_object_get(item, "template");
    }
    if (json_is_string(value) && !(*out = slk_strdup(json_string_value(value))))
        s = slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
    json_decref(json);
    return s;
}

static slk_status read_template(slk_source *source, slk_err *err)
{
    size_t n;
    char *text;
    slk_status s = read_optional(&source->chat_template, &n, source->path, "chat_template.jinja", err);
    if (s != SLK_OK || source->chat_template) return s;
    s = read_optional(&text, &n, source->path, "tokenizer_config.json", err);
    if (s != SLK_OK || !text) return s;
    char *path = slk_path_join(source->path, "tokenizer_config.json");
    s = path ? template_of_config(&source->chat_template, text, n, path, err)
             : slk_fail(err, SLK_E_MEMORY, "%s: out of memory", source->path);
    free(path);
    free(text);
    return s;
}

static slk_status open_weights(slk_source *source, slk_err *err)
{
    char *one = slk_path_join(source->path, "model.safetensors"),
         *index = slk_path_join(source->path, "model.safetensors.index.json");
    slk_status s = SLK_OK;
    if (!one || !index)
        s = slk_fail(err, SLK_E_MEMORY, "%s: out of memory", source->path);
    else if (slk_file_exists(one))
        s = slk_safetensors_open(&source->weights, one, err);
    else if (slk_file_exists(index))
        s = slk_safetensors_open(&source->weights, index, err);
    else
        s = slk_fail(err, SLK_E_NOT_FOUND, "%s: neither model.safetensors nor model.safetensors.index.json is there",
                     source->path);
    free(one);
    free(index);
    return s;
}

static slk_status open_directory(slk_source *source, slk_err *err)
{
    char *path = slk_path_join(source->path, "config.json");
    if (!path) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", source->path);
    slk_status s = SLK_OK;
    if (!slk_file_exists(path)) {
        s = slk_fail(err, SLK_E_NOT_FOUND,
                     "%s: found a folder without config.json, expected a .gguf file or a Hugging Face directory",
                     source->path);
    }
    if (s == SLK_OK) s = slk_json_read(&source->hf_config, path, err);
    if (s == SLK_OK) s = slk_config_read_hf(&source->config, source->hf_config, path, err);
    if (s == SLK_OK) s = open_weights(source, err);
    if (s == SLK_OK) s = read_template(source, err);
    free(path);
    const slk_config *c = &source->config;
    if (s != SLK_OK || c->rope3.factor <= 0) return s;
    source->rope_divisors = slk_alloc((size_t)c->head_dim / 2, sizeof *source->rope_divisors);
    if (!source->rope_divisors) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", source->path);
    slk_rope3_divisors(source->rope_divisors, c->head_dim / 2, &c->rope3, c->rope_base);
    return SLK_OK;
}

/* The logits have as many columns as the embedding has rows. */
static slk_status check_embedding(slk_source *source, slk_err *err)
{
    slk_tensor t;
    slk_config *c = &source->config;
    slk_status s = slk_source_find(source, "token_embd.weight", &t, err);
    if (s != SLK_OK) return s;
    if (source->weights && t.n_rows != c->n_vocab) {
        return slk_fail(err, SLK_E_SHAPE, "%s: tensor %s has %lld rows, and vocab_size in config.json is %d",
                        source->path, t.name, (long long)t.n_rows, c->n_vocab);
    }
    if (t.n_rows < 1 || t.n_rows > 1 << 30) {
        return slk_fail(err, SLK_E_SHAPE, "%s: tensor %s has %lld rows", source->path, t.name, (long long)t.n_rows);
    }
    c->n_vocab = (int)t.n_rows;
    if (source->gguf) c->tied = slk_gguf_find_tensor(source->gguf, "output.weight") == NULL;
    return SLK_OK;
}

slk_status slk_source_open(slk_source **out, const char *path, slk_err *err)
{
    *out = NULL;
    slk_source *source = slk_alloc_zero(1, sizeof *source);
    if (source) source->path = slk_strdup(path);
    slk_status s = source && source->path ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
    if (s == SLK_OK && slk_dir_exists(path)) {
        s = open_directory(source, err);
    } else if (s == SLK_OK) {
        s = slk_gguf_open(&source->gguf, path, err);
        if (s == SLK_OK) s = slk_config_read_gguf(&source->config, source->gguf, err);
    }
    if (s == SLK_OK) s = check_embedding(source, err);
    if (s != SLK_OK) {
        slk_source_close(source);
        return s;
    }
    *out = source;
    return SLK_OK;
}

void slk_source_close(slk_source *source)
{
    if (!source) return;
    slk_gguf_close(source->gguf);
    slk_safetensors_close(source->weights);
    json_decref(source->hf_config);
    free(source->chat_template);
    free(source->rope_divisors);
    free(source->path);
    free(source);
}

/* --- what it is ----------------------------------------------------------------------------------------------------
 */

const char *slk_source_path(const slk_source *source)
{
    return source->path;
}

const slk_config *slk_source_config(const slk_source *source)
{
    return &source->config;
}

const slk_gguf *slk_source_gguf(const slk_source *source)
{
    return source->gguf;
}

const slk_safetensors *slk_source_safetensors(const slk_source *source)
{
    return source->weights;
}

const json_t *slk_source_hf_config(const slk_source *source)
{
    return source->hf_config;
}

slk_status slk_source_hash(const slk_source *source, uint64_t *hash, slk_err *err)
{
    if (source->gguf) {
        *hash = slk_gguf_hash(source->gguf);
        return SLK_OK;
    }
    static const char *const others[] = {"config.json", "tokenizer.json"};
    *hash = slk_safetensors_hash(source->weights);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        char *text;
        size_t n;
        slk_status s = read_optional(&text, &n, source->path, others[i], err);
        if (s != SLK_OK) return s;
        *hash = slk_hash_more(*hash, text ? text : "", n);
        free(text);
    }
    return SLK_OK;
}

bool slk_source_chat_template(const slk_source *source, slk_gguf_str *out)
{
    if (source->gguf) return slk_gguf_get_str(source->gguf, "tokenizer.chat_template", out) && out->len > 0;
    if (!source->chat_template) return false;
    *out = (slk_gguf_str){source->chat_template, strlen(source->chat_template)};
    return out->len > 0;
}

/* --- tensors -------------------------------------------------------------------------------------------------------
 */

static slk_status find_gguf(const slk_source *source, const char *name, slk_tensor *out, slk_err *err)
{
    const slk_gguf_tensor *t = slk_gguf_find_tensor(source->gguf, name);
    if (!t) return slk_fail(err, SLK_E_NOT_FOUND, "%s: tensor %s is missing", source->path, name);
    if (t->ne[2] != 1 || t->ne[3] != 1 || t->ne[0] > INT64_MAX / 2 || t->ne[1] > INT64_MAX / 2) {
        return slk_fail(err, SLK_E_SHAPE, "%s: tensor %s has more than two dimensions", source->path, name);
    }
    *out = (slk_tensor){.name = t->name,
                        .dtype = t->dtype,
                        .is_vector = t->ne[1] == 1,
                        .n_rows = (int64_t)t->ne[1],
                        .n_cols = (int64_t)t->ne[0],
                        .data = t->data,
                        .n_bytes = t->n_bytes,
                        .entry = t};
    return SLK_OK;
}

/* Checkpoints of the bare decoder (the published GPT-2) leave out the first word of the names. */
static const slk_safetensor *find_safetensor(const slk_source *source, const char *name)
{
    const slk_safetensor *t = slk_safetensors_find_tensor(source->weights, name);
    const char *dot = strchr(name, '.');
    return t || !strncmp(name, "lm_head", 7) ? t : slk_safetensors_find_tensor(source->weights, dot + 1);
}

static slk_status find_hf(const slk_source *source, const char *gguf_name, slk_tensor *out, slk_err *err)
{
    char name[SLK_NAME_BYTES];
    const char *suffix = "weight";
    int layer;
    const slk_config *c = &source->config;
    if (source->rope_divisors && !strcmp(gguf_name, "rope_freqs.weight")) {
        *out = (slk_tensor){.name = "rope_freqs.weight",
                            .dtype = SLK_DTYPE_F32,
                            .is_vector = true,
                            .n_rows = 1,
                            .n_cols = c->head_dim / 2,
                            .data = (const uint8_t *)source->rope_divisors,
                            .n_bytes = (size_t)c->head_dim / 2 * sizeof(float)};
        return SLK_OK;
    }
    const slk_name *entry = slk_family_parse_gguf(c->family, gguf_name, &layer, &suffix);
    if (entry)
        slk_family_hf_name(name, entry, layer, suffix);
    else
        snprintf(name, sizeof name, "%.100s", gguf_name);
    /* A tied model may carry a copy, which Transformers does not look at. */
    bool is_unused = c->tied && !strcmp(gguf_name, "output.weight");
    const slk_safetensor *t = entry && !is_unused ? find_safetensor(source, name) : NULL;
    if (!t)
        return slk_fail(err, SLK_E_NOT_FOUND, "%s: tensor %s is missing", slk_safetensors_path(source->weights), name);
    if (!t->is_float) {
        return slk_fail(err, SLK_E_UNSUPPORTED, "%s: tensor %s is of type %s, expected F32, F16 or BF16",
                        slk_safetensors_path(source->weights), name, t->type_name);
    }
    if (t->n_dims < 1 || t->n_dims > 2 || t->shape[0] > INT64_MAX / 2 || t->shape[1] > INT64_MAX / 2) {
        return slk_fail(err, SLK_E_SHAPE, "%s: tensor %s has %u dimensions, expected 1 or 2",
                        slk_safetensors_path(source->weights), name, t->n_dims);
    }
    *out = (slk_tensor){.name = t->name,
                        .dtype = t->dtype,
                        .is_vector = t->n_dims == 1,
                        .head_dim = c->head_dim,
                        .data = t->data,
                        .n_bytes = t->n_bytes,
                        .entry = t,
                        .change = slk_family_change(c->family, entry, suffix)};
    bool turned = out->change == SLK_CHANGE_TRANSPOSE && t->n_dims == 2;
    out->n_rows = t->n_dims == 1 ? 1 : (int64_t)t->shape[turned ? 1 : 0];
    out->n_cols = (int64_t)t->shape[t->n_dims == 1 || turned ? 0 : 1];
    bool fits = true;
    if (out->change == SLK_CHANGE_TRANSPOSE) fits = !out->is_vector;
    if (out->change == SLK_CHANGE_GAIN) fits = out->is_vector;
    if (out->change == SLK_CHANGE_PAIRS) fits = (out->is_vector ? out->n_cols : out->n_rows) % c->head_dim == 0;
    if (fits) return SLK_OK;
    return slk_fail(err, SLK_E_SHAPE,
                    "%s: tensor %s has %u dimensions and %lld rows, which does not fit its place in a %s model",
                    slk_safetensors_path(source->weights), name, t->n_dims, (long long)out->n_rows, c->arch);
}

slk_status slk_source_find(const slk_source *source, const char *gguf_name, slk_tensor *out, slk_err *err)
{
    *out = (slk_tensor){0};
    return source->gguf ? find_gguf(source, gguf_name, out, err) : find_hf(source, gguf_name, out, err);
}

static slk_status convert(slk_dtype to, slk_dtype from, const void *src, size_t n, void *dst)
{
    return to == SLK_DTYPE_BF16 ? slk_dequantize_bf16(from, src, n, dst, NULL)
                                : slk_dequantize(from, src, n, dst, NULL);
}

static slk_status read_vector(const slk_tensor *t, slk_dtype dtype, void *dst, const char *path, slk_err *err)
{
    size_t n = (size_t)t->n_cols;
    if (t->change == SLK_CHANGE_NONE) return convert(dtype, t->dtype, t->data, n, dst);
    if (dtype != SLK_DTYPE_F32) return slk_fail(err, SLK_E_ARG, "%s: tensor %s can only be read as F32", path, t->name);
    float *x = dst, *plain = slk_alloc(n, sizeof *plain);
    if (!plain) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
    slk_status s = convert(SLK_DTYPE_F32, t->dtype, t->data, n, plain);
    for (size_t i = 0; s == SLK_OK && i < n; i++) {
        x[i] = t->change == SLK_CHANGE_GAIN ? plain[i] + 1 : plain[slk_pairs_hf_row((int64_t)i, t->head_dim)];
    }
    free(plain);
    return s;
}

/* Rows [row, row + n) of the transpose of the stored [n_cols, n_rows]: blocks of N_BLOCK rows, so that what is read of
 * each stored row is one run and what is written stays in the cache. */
static bool read_transposed(const slk_tensor *t, int64_t row, int64_t n, slk_dtype dtype, void *dst, int n_threads)
{
    enum { N_BLOCK = 32 };
    size_t size = slk_dtype_find(t->dtype)->block_bytes, stored = (size_t)t->n_rows;
    int failed = 0;
#pragma omp parallel for num_threads(n_threads) reduction(| : failed)
    for (int64_t begin = 0; begin < n; begin += N_BLOCK) {
        size_t width = (size_t)(n - begin < N_BLOCK ? n - begin : N_BLOCK);
        for (size_t j = 0; j < (size_t)t->n_cols; j++) {
            float x[N_BLOCK];
            failed |= slk_dequantize(t->dtype, t->data + (j * stored + (size_t)(row + begin)) * size, width, x, NULL) !=
                      SLK_OK;
            for (size_t i = 0; i < width; i++) {
                size_t at = ((size_t)begin + i) * (size_t)t->n_cols + j;
                if (dtype == SLK_DTYPE_BF16)
                    ((uint16_t *)dst)[at] = slk_f32_to_bf16(x[i]);
                else
                    ((float *)dst)[at] = x[i];
            }
        }
    }
    return !failed;
}

static bool read_row(const slk_tensor *t, int64_t row, slk_dtype dtype, void *dst)
{
    size_t row_bytes = t->n_bytes / (size_t)t->n_rows;
    if (t->change == SLK_CHANGE_PAIRS) row = slk_pairs_hf_row(row, t->head_dim);
    return convert(dtype, t->dtype, t->data + (size_t)row * row_bytes, (size_t)t->n_cols, dst) == SLK_OK;
}

slk_status slk_source_read(const slk_source *source, const slk_tensor *t, int64_t row, int64_t n, slk_dtype dtype,
                           void *dst, int n_threads, slk_err *err)
{
    int failed = 0;
    if (t->is_vector) {
        slk_status s = read_vector(t, dtype, dst, source->path, err);
        if (s == SLK_E_ARG || s == SLK_E_MEMORY) return s;
        failed = s != SLK_OK;
    } else if (t->change == SLK_CHANGE_TRANSPOSE) {
        failed = !read_transposed(t, row, n, dtype, dst, n_threads);
    } else if (n == 1) { /* looking up an embedding: no team of threads */
        failed = !read_row(t, row, dtype, dst);
    } else {
        size_t out_bytes = (size_t)t->n_cols * (dtype == SLK_DTYPE_BF16 ? sizeof(uint16_t) : sizeof(float));
#pragma omp parallel for num_threads(n_threads) reduction(| : failed)
        for (int64_t i = 0; i < n; i++) failed |= !read_row(t, row + i, dtype, (uint8_t *)dst + (size_t)i * out_bytes);
    }
    return failed ? slk_fail(err, SLK_E_FORMAT, "%s: tensor %s cannot be converted", source->path, t->name) : SLK_OK;
}

void slk_source_forget(const slk_source *source, const slk_tensor *t)
{
    if (!t->entry) return;
    if (source->gguf)
        slk_gguf_forget(source->gguf, t->entry);
    else
        slk_safetensors_forget(source->weights, t->entry);
}
