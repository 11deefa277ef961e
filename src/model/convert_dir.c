/* Writing a Hugging Face directory: everything into a folder beside it, which then takes its name. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/convert_impl.h"
#include "model/vocab.h"
#include "token/tokenizer_json.h"

/* --- files -----------------------------------------------------------------------------------------------------------
 */

static slk_status write_bytes(const char *folder, const char *name, const char *bytes, size_t n, slk_err *err)
{
    slk_out *out;
    char *path = slk_convert_join(folder, name);
    if (!path) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", folder);
    slk_status s = slk_out_open(&out, path, true, err);
    if (s == SLK_OK) {
        fwrite(bytes, 1, n, slk_out_stream(out)); /* a failure shows in commit */
        s = slk_out_commit(out, err);
        slk_out_close(out);
    }
    free(path);
    return s;
}

/* config.json, with numbers of n_digits digits: 9 say all of a float32, 17 of a number that is copied. */
static slk_status write_config(const char *folder, const json_t *json, size_t n_digits, slk_err *err)
{
    slk_buf b = {0};
    char *text = json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(n_digits));
    if (text) slk_buf_addf(&b, "%s\n", text);
    slk_status s = text && !b.failed ? write_bytes(folder, "config.json", b.data, b.len, err)
                                     : slk_fail(err, SLK_E_MEMORY, "%s: out of memory for config.json", folder);
    free(text);
    slk_buf_release(&b);
    return s;
}

/* Files of one folder that another is to have, too; those that are not there are left out. */
static slk_status copy_files(const char *from, const char *to, const char *const *names, slk_err *err)
{
    slk_status s = SLK_OK;
    for (; *names && s == SLK_OK; names++) {
        char *path = slk_convert_join(from, *names), *text = NULL;
        size_t n;
        if (!path) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", from);
        if (slk_file_exists(path)) {
            s = slk_file_read(&text, &n, path, err);
            if (s == SLK_OK) s = write_bytes(to, *names, text, n, err);
            free(text);
        }
        free(path);
    }
    return s;
}

/* Take away a folder that this file made, with whatever is in it. */
static void remove_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) {
        char *path = slk_convert_join(folder, entry->d_name);
        if (path && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) unlink(path);
        free(path);
    }
    if (dir) closedir(dir);
    rmdir(folder);
}

static slk_status move_file(const char *from, const char *to, const char *name, slk_err *err)
{
    char *source = slk_convert_join(from, name), *target = slk_convert_join(to, name);
    slk_status s = SLK_OK;
    if (!source || !target)
        s = slk_fail(err, SLK_E_MEMORY, "%s: out of memory", to);
    else if (rename(source, target) != 0)
        s = slk_fail(err, SLK_E_IO, "%s: cannot be written: %s", target, strerror(errno));
    free(source);
    free(target);
    return s;
}

/* Does this file belong to the model that an existing folder held? What else lies there stays. */
static bool is_stale(const char *name)
{
    size_t n = strlen(name);
    bool weights = n > 12 && !strcmp(name + n - 12, ".safetensors");
    return (weights && !strncmp(name, "model", 5)) || !strcmp(name, "model.safetensors.index.json") ||
           !strcmp(name, "tokenizer.json") || !strcmp(name, "tokenizer_config.json") ||
           !strcmp(name, "special_tokens_map.json") || !strcmp(name, "added_tokens.json") ||
           !strcmp(name, "chat_template.jinja") || !strcmp(name, "generation_config.json");
}

/* Put the finished folder in the place of the old one: without config.json there is no model until all is there. */
static slk_status replace_folder(const char *fresh, const char *path, slk_err *err)
{
    char *config = slk_convert_join(path, "config.json");
    if (!config) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
    slk_status s = unlink(config) == 0 || errno == ENOENT
                       ? SLK_OK
                       : slk_fail(err, SLK_E_IO, "%s: cannot be replaced: %s", config, strerror(errno));
    free(config);
    DIR *dir = s == SLK_OK ? opendir(path) : NULL;
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) {
        char *old = is_stale(entry->d_name) ? slk_convert_join(path, entry->d_name) : NULL;
        if (old) unlink(old);
        free(old);
    }
    if (dir) closedir(dir);
    dir = s == SLK_OK ? opendir(fresh) : NULL;
    for (struct dirent *entry; dir && s == SLK_OK && (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, "config.json") != 0)
            s = move_file(fresh, path, entry->d_name, err);
    }
    if (dir) closedir(dir);
    return s == SLK_OK ? move_file(fresh, path, "config.json", err) : s;
}

/* --- content ---------------------------------------------------------------------------------------------------------
 */

static slk_status write_weights(slk_plan *plan, const char *folder, slk_err *err)
{
    slk_safetensors_writer *w;
    char *path = slk_convert_join(folder, "model.safetensors");
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
static slk_status write_described(slk_plan *plan, const char *folder, slk_err *err)
{
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
    if (s == SLK_OK) s = write_config(folder, json, 9, err);
    if (s == SLK_OK && slk_source_chat_template(source, &text))
        s = write_bytes(folder, "chat_template.jinja", text.data, text.len, err);
    json_decref(json);
    slk_model_vocab_close(vocab);
    return s;
}

/* The same of a model that comes from another directory: copies, but for the type. */
static slk_status write_copies(slk_plan *plan, const char *folder, slk_err *err)
{
    static const char *const names[] = {"tokenizer.json",
                                        "tokenizer_config.json",
                                        "special_tokens_map.json",
                                        "added_tokens.json",
                                        "chat_template.jinja",
                                        "generation_config.json",
                                        "tokenizer.model",
                                        "vocab.json",
                                        "merges.txt",
                                        NULL};
    json_t *json = json_deep_copy(slk_source_hf_config(plan->source));
    const char *name = plan->dtype == SLK_DTYPE_F32 ? "float32" : plan->dtype == SLK_DTYPE_F16 ? "float16" : "bfloat16";
    const char *key = json_object_get(json, "torch_dtype") ? "torch_dtype" : "dtype";
    slk_status s = SLK_OK;
    if (!json || json_object_set_new(json, key, json_string(name)) != 0)
        s = slk_fail(err, SLK_E_MEMORY, "%s: out of memory", folder);
    if (s == SLK_OK) s = write_config(folder, json, 17, err);
    if (s == SLK_OK) s = copy_files(slk_source_path(plan->source), folder, names, err);
    json_decref(json);
    return s;
}

/* "<path>.tmp.<pid>", without the slashes that path may end in. */
static char *temporary_name(const char *path)
{
    slk_buf b = {0};
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    slk_buf_addf(&b, "%.*s.tmp.%ld", (int)n, path, (long)getpid());
    return slk_buf_take(&b);
}

slk_status slk_convert_to_directory(slk_plan *plan, const char *path, slk_err *err)
{
    if (slk_file_exists(path))
        return slk_fail(err, SLK_E_STATE,
                        "%s: is a file, expected the name of a directory to be made (or one ending in .gguf)", path);
    bool exists = slk_dir_exists(path);
    if (exists && !plan->options->overwrite)
        return slk_fail(err, SLK_E_STATE, "%s: exists already (--force writes over it)", path);
    char *fresh = temporary_name(path);
    if (!fresh) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
    slk_status s = SLK_OK;
    if (mkdir(fresh, 0777) != 0) {
        s = slk_fail(err, SLK_E_IO, "%s: cannot be made: %s", fresh, strerror(errno));
        free(fresh);
        return s;
    }
    s = slk_source_gguf(plan->source) ? write_described(plan, fresh, err) : write_copies(plan, fresh, err);
    if (s == SLK_OK) s = write_weights(plan, fresh, err);
    if (s == SLK_OK && exists)
        s = replace_folder(fresh, path, err);
    else if (s == SLK_OK && rename(fresh, path) != 0)
        s = slk_fail(err, SLK_E_IO, "%s: cannot be made: %s", path, strerror(errno));
    if (s != SLK_OK || exists) remove_folder(fresh);
    free(fresh);
    return s;
}
