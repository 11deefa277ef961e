#include "model/vocab.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "token/pretok.h"

#define KEY(name) "tokenizer.ggml." name

/* A description under construction; the arrays belong to it, the strings to the file. */
typedef struct slk_model_vocab {
    const slk_gguf *file;
    const char *path;
    slk_vocab vocab;
    slk_bytes *tokens, *merges;
    float *scores;
    int32_t *types;
    char pre[64];
    slk_err *err;
} loading;

static bool has_key(const loading *l, const char *key)
{
    char text[8];
    for (size_t i = 0; i < slk_gguf_n_keys(l->file); i++) {
        slk_gguf_type type;
        if (strcmp(slk_gguf_key_at(l->file, i, &type, text, sizeof text), key) == 0) return true;
    }
    return false;
}

/* For a getter that said no. */
static slk_status fail_key(const loading *l, const char *key, const char *expected)
{
    if (!has_key(l, key)) {
        return slk_fail(l->err, SLK_E_NOT_FOUND, "%s: key %s is missing, expected %s", l->path, key, expected);
    }
    return slk_fail(l->err, SLK_E_FORMAT, "%s: key %s has another type, expected %s", l->path, key, expected);
}

static slk_status fail_memory(const loading *l, const char *key)
{
    return slk_fail(l->err, SLK_E_MEMORY, "%s: out of memory for %s", l->path, key);
}

static slk_status load_strings(const loading *l, const char *key, slk_bytes **out, size_t *n)
{
    slk_gguf_type type;
    if (!slk_gguf_get_array(l->file, key, &type, n) || type != SLK_GGUF_STRING)
        return fail_key(l, key, "an array of strings");
    *out = slk_alloc(*n, sizeof **out);
    if (*out == NULL) return fail_memory(l, key);
    for (size_t i = 0; i < *n; i++) {
        slk_gguf_str str;
        if (!slk_gguf_array_str(l->file, key, i, &str)) {
            return slk_fail(l->err, SLK_E_FORMAT, "%s: key %s: item %zu cannot be read", l->path, key, i);
        }
        (*out)[i] = (slk_bytes){str.data, str.len};
    }
    return SLK_OK;
}

/* The length of a per-token array; 0 when the key is not there. */
static slk_status check_numbers(const loading *l, const char *key, size_t *n)
{
    slk_gguf_type type;
    *n = 0;
    if (!has_key(l, key)) return SLK_OK;
    if (!slk_gguf_get_array(l->file, key, &type, n) || type == SLK_GGUF_STRING || type == SLK_GGUF_ARRAY) {
        return fail_key(l, key, "an array of numbers");
    }
    if (*n == l->vocab.n_tokens) return SLK_OK;
    return slk_fail(l->err, SLK_E_FORMAT, "%s: key %s has %zu items, expected %zu as tokenizer.ggml.tokens has",
                    l->path, key, *n, l->vocab.n_tokens);
}

static slk_status load_scores(loading *l)
{
    const char *key = KEY("scores");
    size_t n;
    slk_status status = check_numbers(l, key, &n);
    if (status != SLK_OK || n == 0) return status;
    l->vocab.scores = l->scores = slk_alloc(n, sizeof *l->scores);
    if (l->scores == NULL) return fail_memory(l, key);
    for (size_t i = 0; i < n; i++) {
        double value;
        if (!slk_gguf_array_f64(l->file, key, i, &value)) return fail_key(l, key, "an array of numbers");
        l->scores[i] = (float)value;
    }
    return SLK_OK;
}

static slk_status load_types(loading *l)
{
    const char *key = KEY("token_type");
    size_t n;
    slk_status status = check_numbers(l, key, &n);
    if (status != SLK_OK || n == 0) return status;
    l->vocab.types = l->types = slk_alloc(n, sizeof *l->types);
    if (l->types == NULL) return fail_memory(l, key);
    for (size_t i = 0; i < n; i++) {
        int64_t value;
        if (!slk_gguf_array_i64(l->file, key, i, &value)) return fail_key(l, key, "an array of integers");
        l->types[i] = value >= 0 && value <= INT32_MAX ? (int32_t)value : -1;
    }
    return SLK_OK;
}

/* A token id that may be missing: *id keeps its default. */
static slk_status load_id(const loading *l, const char *key, int32_t *id)
{
    int64_t value;
    if (!slk_gguf_get_i64(l->file, key, &value)) return has_key(l, key) ? fail_key(l, key, "a token id") : SLK_OK;
    if (value < 0 || (uint64_t)value >= l->vocab.n_tokens) {
        return slk_fail(l->err, SLK_E_FORMAT, "%s: key %s is %lld, outside the vocabulary of %zu tokens", l->path, key,
                        (long long)value, l->vocab.n_tokens);
    }
    *id = (int32_t)value;
    return SLK_OK;
}

static slk_status load_bool(const loading *l, const char *key, bool *value)
{
    if (slk_gguf_get_bool(l->file, key, value) || !has_key(l, key)) return SLK_OK;
    return fail_key(l, key, "a boolean");
}

static slk_status load_ids(loading *l)
{
    slk_vocab *v = &l->vocab;
    const struct {
        const char *key;
        int32_t *id;
    } ids[] = {{KEY("bos_token_id"), &v->bos},
               {KEY("eos_token_id"), &v->eos},
               {KEY("unknown_token_id"), &v->unk},
               {KEY("eot_token_id"), &v->eot}};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        slk_status status = load_id(l, ids[i].key, ids[i].id);
        if (status != SLK_OK) return status;
    }
    return SLK_OK;
}

static slk_status load_bpe(loading *l)
{
    slk_vocab *v = &l->vocab;
    slk_gguf_str pre = {"default", 7};
    v->kind = SLK_VOCAB_BPE;
    v->bos = v->eos = v->unk = v->eot = -1;
    if (!slk_gguf_get_str(l->file, KEY("pre"), &pre) && has_key(l, KEY("pre")))
        return fail_key(l, KEY("pre"), "a string");
    const slk_pretok_info *info = slk_pretok_find(pre.data, pre.len);
    if (info == NULL) {
        return slk_fail(
            l->err, SLK_E_UNSUPPORTED,
            "%s: key %s: pre-tokeniser '%.*s' is not one that slick knows (smollm, gpt-2, llama-bpe, qwen2, default)",
            l->path, KEY("pre"), pre.len < 60 ? (int)pre.len : 60, pre.data);
    }
    memcpy(l->pre, pre.data, pre.len); /* a known name is short */
    l->pre[pre.len] = '\0';
    v->pre = l->pre;
    slk_status status = load_strings(l, KEY("merges"), &l->merges, &v->n_merges);
    v->merges = l->merges;
    if (status == SLK_OK) status = load_ids(l);
    v->add_bos = info->add_bos && v->bos >= 0;
    return status;
}

static int32_t id_if_there(const slk_vocab *v, int32_t id)
{
    return (size_t)id < v->n_tokens ? id : -1;
}

static slk_status load_spm(loading *l)
{
    slk_vocab *v = &l->vocab;
    v->kind = SLK_VOCAB_SPM;
    v->bos = id_if_there(v, 1);
    v->eos = id_if_there(v, 2);
    v->unk = id_if_there(v, 0);
    v->eot = -1;
    v->add_bos = true;
    v->add_space_prefix = true;
    /* Without them nothing would say which pieces to join and which are control tokens. */
    if (v->scores == NULL) return fail_key(l, KEY("scores"), "an array of numbers");
    if (v->types == NULL) return fail_key(l, KEY("token_type"), "an array of integers");
    return load_ids(l);
}

static slk_status load_all(loading *l)
{
    slk_gguf_str model;
    if (!slk_gguf_get_str(l->file, KEY("model"), &model)) return fail_key(l, KEY("model"), "a string");
    bool bpe = model.len == 4 && memcmp(model.data, "gpt2", 4) == 0;
    bool spm = model.len == 5 && memcmp(model.data, "llama", 5) == 0;
    if (!bpe && !spm) {
        return slk_fail(l->err, SLK_E_UNSUPPORTED,
                        "%s: key %s: vocabulary '%.*s' is not one that slick knows (gpt2, llama)", l->path,
                        KEY("model"), model.len < 60 ? (int)model.len : 60, model.data);
    }
    slk_status status = load_strings(l, KEY("tokens"), &l->tokens, &l->vocab.n_tokens);
    l->vocab.tokens = l->tokens;
    if (status == SLK_OK && l->vocab.n_tokens == 0) {
        return slk_fail(l->err, SLK_E_FORMAT, "%s: key %s is an empty array", l->path, KEY("tokens"));
    }
    if (status == SLK_OK) status = load_scores(l);
    if (status == SLK_OK) status = load_types(l);
    if (status == SLK_OK) status = bpe ? load_bpe(l) : load_spm(l);
    if (status == SLK_OK) status = load_bool(l, KEY("add_bos_token"), &l->vocab.add_bos);
    if (status == SLK_OK) status = load_bool(l, KEY("add_eos_token"), &l->vocab.add_eos);
    if (status == SLK_OK && spm) status = load_bool(l, KEY("add_space_prefix"), &l->vocab.add_space_prefix);
    return status;
}

slk_status slk_model_vocab_open(slk_model_vocab **out, const slk_gguf *file, slk_err *err)
{
    *out = NULL;
    loading *l = slk_alloc_zero(1, sizeof *l);
    if (l == NULL) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory for the vocabulary", slk_gguf_path(file));
    l->file = file;
    l->path = slk_gguf_path(file);
    l->err = err;
    slk_status status = load_all(l);
    if (status != SLK_OK) {
        slk_model_vocab_close(l);
        return status;
    }
    *out = l;
    return SLK_OK;
}

void slk_model_vocab_close(slk_model_vocab *vocab)
{
    if (vocab == NULL) return;
    free(vocab->tokens);
    free(vocab->merges);
    free(vocab->scores);
    free(vocab->types);
    free(vocab);
}

const slk_vocab *slk_model_vocab_get(const slk_model_vocab *vocab)
{
    return &vocab->vocab;
}

slk_status slk_model_load_tokenizer(slk_tokenizer **out, const slk_gguf *file, slk_err *err)
{
    slk_model_vocab *vocab;
    *out = NULL;
    slk_status status = slk_model_vocab_open(&vocab, file, err);
    if (status != SLK_OK) return status;
    status = slk_tokenizer_create(out, &vocab->vocab, vocab->path, err);
    slk_model_vocab_close(vocab);
    return status;
}
