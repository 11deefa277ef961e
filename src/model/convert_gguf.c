/* Writing a GGUF file: keys, vocabulary, tensors. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/convert_impl.h"
#include "token/tokenizer_json.h"

#define KEY(name) "tokenizer.ggml." name

/* general.file_type, as llama.cpp numbers them. */
static uint32_t file_type(slk_dtype dtype)
{
    return dtype == SLK_DTYPE_F32 ? 0 : dtype == SLK_DTYPE_F16 ? 1 : dtype == SLK_DTYPE_Q8_0 ? 7 : 32;
}

static slk_status put_strings(slk_gguf_writer *w, const char *key, const slk_bytes *strings, size_t n, slk_err *err)
{
    slk_gguf_str *list = slk_alloc(n, sizeof *list);
    if (!list) return slk_fail(err, SLK_E_MEMORY, "out of memory for %s", key);
    for (size_t i = 0; i < n; i++) list[i] = (slk_gguf_str){strings[i].data ? strings[i].data : "", strings[i].len};
    slk_status s = slk_gguf_put_strs(w, key, list, n, err);
    free(list);
    return s;
}

/* Merges that are ids, as "left right". */
static slk_status put_pairs(slk_gguf_writer *w, const slk_vocab *v, slk_err *err)
{
    slk_arena strings = {0};
    slk_bytes *list = slk_alloc(v->n_merges, sizeof *list);
    slk_status s = list ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory for merges");
    for (size_t i = 0; i < v->n_merges && s == SLK_OK; i++) {
        slk_bytes left = v->tokens[v->pairs[i].left], right = v->tokens[v->pairs[i].right];
        char *text = slk_arena_alloc(&strings, left.len + right.len + 1, 1);
        if (!text) {
            s = slk_fail(err, SLK_E_MEMORY, "out of memory for merges");
            break;
        }
        memcpy(text, left.data, left.len);
        text[left.len] = ' ';
        memcpy(text + left.len + 1, right.data, right.len);
        list[i] = (slk_bytes){text, left.len + 1 + right.len};
    }
    if (s == SLK_OK) s = put_strings(w, KEY("merges"), list, v->n_merges, err);
    free(list);
    slk_arena_release(&strings);
    return s;
}

static slk_status put_id(slk_gguf_writer *w, const char *key, int32_t id, slk_err *err)
{
    return id < 0 ? SLK_OK : slk_gguf_put_u32(w, key, (uint32_t)id, err);
}

static slk_status put_vocab(slk_gguf_writer *w, const slk_vocab *v, slk_err *err)
{
    bool bpe = v->kind == SLK_VOCAB_BPE;
    slk_status s = slk_gguf_put_str(w, KEY("model"), bpe ? "gpt2" : "llama", err);
    if (s == SLK_OK) s = slk_gguf_put_str(w, KEY("pre"), bpe && v->pre ? v->pre : "default", err);
    if (s == SLK_OK) s = put_strings(w, KEY("tokens"), v->tokens, v->n_tokens, err);
    if (s == SLK_OK && v->scores) s = slk_gguf_put_f32s(w, KEY("scores"), v->scores, v->n_tokens, err);
    if (s == SLK_OK && v->types) s = slk_gguf_put_i32s(w, KEY("token_type"), v->types, v->n_tokens, err);
    if (s == SLK_OK && bpe)
        s = v->pairs ? put_pairs(w, v, err) : put_strings(w, KEY("merges"), v->merges, v->n_merges, err);
    if (s == SLK_OK) s = put_id(w, KEY("bos_token_id"), v->bos, err);
    if (s == SLK_OK) s = put_id(w, KEY("eos_token_id"), v->eos, err);
    if (s == SLK_OK) s = put_id(w, KEY("unknown_token_id"), v->unk, err);
    if (s == SLK_OK) s = put_id(w, KEY("eot_token_id"), v->eot, err);
    if (s == SLK_OK) s = slk_gguf_put_bool(w, KEY("add_bos_token"), v->add_bos, err);
    if (s == SLK_OK) s = slk_gguf_put_bool(w, KEY("add_eos_token"), v->add_eos, err);
    if (s == SLK_OK && !bpe) s = slk_gguf_put_bool(w, KEY("add_space_prefix"), v->add_space_prefix, err);
    return s;
}

static slk_status put_template(slk_gguf_writer *w, const slk_source *source, slk_err *err)
{
    slk_gguf_str text;
    if (!slk_source_chat_template(source, &text)) return SLK_OK;
    char *copy = slk_strndup(text.data, text.len);
    slk_status s =
        copy ? slk_gguf_put_str(w, "tokenizer.chat_template", copy, err) : slk_fail(err, SLK_E_MEMORY, "out of memory");
    free(copy);
    return s;
}

/* All keys of a model that comes from a directory. */
static slk_status put_described(slk_gguf_writer *w, const slk_source *source, slk_err *err)
{
    const slk_config *c = slk_source_config(source);
    slk_json_vocab *vocab = NULL;
    slk_status s = slk_gguf_put_str(w, "general.type", "model", err);
    if (s == SLK_OK) s = slk_gguf_put_str(w, "general.name", c->name, err);
    if (s == SLK_OK) s = slk_gguf_put_u32(w, "general.quantization_version", 2, err);
    if (s == SLK_OK) s = slk_config_put_gguf(w, c, err);
    if (s == SLK_OK)
        s = slk_json_vocab_open(&vocab, slk_source_path(source), (size_t)c->n_vocab, SLK_VOCAB_AS_GGUF, err);
    if (s == SLK_OK) s = put_vocab(w, slk_json_vocab_get(vocab), err);
    if (s == SLK_OK) s = put_template(w, source, err);
    slk_json_vocab_close(vocab);
    return s;
}

slk_status slk_convert_to_gguf(slk_plan *plan, const char *path, slk_err *err)
{
    slk_gguf_writer *w;
    const slk_gguf *from = slk_source_gguf(plan->source);
    slk_status s = slk_gguf_writer_create(&w, err);
    if (s == SLK_OK && (!from || plan->options->dtype >= 0 || plan->retyped))
        s = slk_gguf_put_u32(w, "general.file_type", file_type(plan->dtype), err);
    if (s == SLK_OK) s = from ? slk_gguf_put_all(w, from, err) : put_described(w, plan->source, err);
    for (size_t i = 0; i < plan->n_items && s == SLK_OK; i++) {
        const slk_item *item = &plan->items[i];
        uint64_t ne[2] = {(uint64_t)item->n_cols, (uint64_t)item->n_rows};
        s = slk_gguf_put_tensor(w, item->name, item->dtype, item->tensor.is_vector ? 1 : 2, ne, NULL, err);
    }
    if (s == SLK_OK) s = slk_gguf_write(w, path, plan->options->overwrite, slk_plan_produce, plan, err);
    slk_gguf_writer_free(w);
    return s;
}
