/* Writing a Hugging Face directory: everything into a folder beside it, which then takes its name. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/folder.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/convert_impl.h"
#include "model/vocab.h"
#include "token/tokenizer_json.h"

/* What lies beside config.json and the weights. */
static const char *const copied[] = {"tokenizer.json",
                                     "tokenizer_config.json",
                                     "special_tokens_map.json",
                                     "added_tokens.json",
                                     "chat_template.jinja",
                                     "generation_config.json",
                                     "tokenizer.model",
                                     "vocab.json",
                                     "merges.txt",
                                     NULL};

/* --- files -----------------------------------------------------------------------------------------------------------
 */

/* config.json, with numbers of n_digits digits: 9 say all of a float32, 17 of a number that is copied. */
static slk_status write_config(const slk_out_dir *dir, const json_t *json, size_t n_digits, slk_err *err)
{
    slk_buf b = {0};
    char *text = json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(n_digits));
    if (text) slk_buf_addf(&b, "%s\n", text);
    slk_status s = text && !b.failed
                       ? slk_out_dir_write(dir, "config.json", b.data, b.len, err)
                       : slk_fail(err, SLK_E_MEMORY, "%s: out of memory for config.json", slk_out_dir_path(dir));
    free(text);
    slk_buf_release(&b);
    return s;
}

/* Files of one folder that another is to have, too; those that are not there are left out. */
static slk_status copy_files(const char *from, const slk_out_dir *to, const char *const *names, slk_err *err)
{
    slk_status s = SLK_OK;
    for (; *names && s == SLK_OK; names++) {
        char *path = slk_path_join(from, *names), *text = NULL;
        size_t n;
        if (!path) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", from);
        if (slk_file_exists(path)) {
            s = slk_file_read(&text, &n, path, err);
            if (s == SLK_OK) s = slk_out_dir_write(to, *names, text, n, err);
            free(text);
        }
        free(path);
    }
    return s;
}

/* What else belonged to the model that an existing folder held, whoever wrote it. */
static bool is_stale(const char *name)
{
    size_t n = strlen(name);
    bool weights = n > 12 && !strcmp(name + n - 12, ".safetensors");
    if (weights && !strncmp(name, "model", 5)) return true;
    for (const char *const *file = copied; *file; file++) {
        if (!strcmp(name, *file)) return true;
    }
    return !strcmp(name, "model.safetensors.index.json");
}

/* --- content ---------------------------------------------------------------------------------------------------------
 */

static slk_status write_weights(slk_plan *plan, const char *folder, slk_err *err)
{
    slk_safetensors_writer *w;
    char *path = slk_path_join(folder, "model.safetensors");
    if (!path) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", folder);
    slk_status s = slk_safetensors_writer_create(&w, err);
    if (s == SLK_OK) s = slk_safetensors_put_metadata(w, "format", "pt", err);
    for (size_t i = 0; i < plan->n_items && s == SLK_OK; i++) {
        const slk_item *item = &plan->items[i];
        bool vector = item->tensor.is_vector;
        uint64_t shape[2] = {(uint64_t)(vector ? item->n_cols : item->n_rows), (uint64_t)item->n_cols};
        s = slk_safetensors_put_tensor(w, item->name, item->dtype, vector ? 1 : 2, shape, NULL, err);
    }
    if (s == SLK_OK) s = slk_safetensors_write(w, path, true, slk_plan_produce, plan, err);
    slk_safetensors_writer_free(w);
    free(path);
    return s;
}

static bool has_tensor(const slk_source *source, const char *name)
{
    slk_tensor t;
    return slk_source_find(source, name, &t, NULL) == SLK_OK;
}

/* config.json, tokenizer files and chat template of a model that comes from a GGUF file. */
static slk_status write_described(slk_plan *plan, const slk_out_dir *dir, slk_err *err)
{
    const char *folder = slk_out_dir_path(dir);
    const slk_source *source = plan->source;
    slk_model_vocab *vocab = NULL;
    json_t *json = NULL;
    slk_gguf_str text;
    slk_config c = *slk_source_config(source);
    c.rope3 = plan->rope3;
    slk_status s = slk_model_vocab_open(&vocab, slk_source_gguf(source), err);
    if (s == SLK_OK) s = slk_vocab_write_json(folder, slk_model_vocab_get(vocab), slk_source_path(source), true, err);
    if (s == SLK_OK) {
        const slk_vocab *v = slk_model_vocab_get(vocab);
        slk_config_extra extra = {.dtype = plan->dtype,
                                  .bos = v->bos,
                                  .eos = v->eos,
                                  .attention_bias = has_tensor(source, "blk.0.attn_q.bias"),
                                  .mlp_bias = has_tensor(source, "blk.0.ffn_up.bias")};
        s = slk_config_to_hf(&json, &c, &extra, slk_source_path(source), err);
    }
    if (s == SLK_OK) s = write_config(dir, json, 9, err);
    if (s == SLK_OK && slk_source_chat_template(source, &text))
        s = slk_out_dir_write(dir, "chat_template.jinja", text.data, text.len, err);
    json_decref(json);
    slk_model_vocab_close(vocab);
    return s;
}

/* The same of a model that comes from another directory: copies, but for the type. */
static slk_status write_copies(slk_plan *plan, const slk_out_dir *dir, slk_err *err)
{
    json_t *json = json_deep_copy(slk_source_hf_config(plan->source));
    const char *name = plan->dtype == SLK_DTYPE_F32 ? "float32" : plan->dtype == SLK_DTYPE_F16 ? "float16" : "bfloat16";
    const char *key = json_object_get(json, "torch_dtype") ? "torch_dtype" : "dtype";
    slk_status s = SLK_OK;
    if (!json || json_object_set_new(json, key, json_string(name)) != 0)
        s = slk_fail(err, SLK_E_MEMORY, "%s: out of memory", slk_out_dir_path(dir));
    if (s == SLK_OK) s = write_config(dir, json, 17, err);
    if (s == SLK_OK) s = copy_files(slk_source_path(plan->source), dir, copied, err);
    json_decref(json);
    return s;
}

slk_status slk_convert_to_directory(slk_plan *plan, const char *path, slk_err *err)
{
    if (slk_file_exists(path))
        return slk_fail(err, SLK_E_STATE,
                        "%s: is a file, expected the name of a directory to be made (or one ending in .gguf)", path);
    slk_out_dir *dir;
    slk_status s = slk_out_dir_open(&dir, path, plan->options->overwrite, err);
    if (s != SLK_OK) return s;
    s = slk_source_gguf(plan->source) ? write_described(plan, dir, err) : write_copies(plan, dir, err);
    if (s == SLK_OK) s = write_weights(plan, slk_out_dir_path(dir), err);
    if (s == SLK_OK) s = slk_out_dir_commit(dir, "config.json", is_stale, err);
    slk_out_dir_close(dir);
    return s;
}
