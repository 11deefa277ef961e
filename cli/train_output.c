/* The folder that `slick train` writes. */
#include "train.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>
#include "base/file.h"
#include "base/folder.h"
#include "base/mem.h"
#include "store_common.h"
#include "terminal.h"
#include "train/log.h"
#include "train/save.h"
#include "train/state.h"

static slk_status fail_io(const char *path, const char *what, slk_err *err)
{
    return slk_fail(err, SLK_E_IO, "%s: %s: %s", path, what, strerror(errno));
}

/* --- opening --------------------------------------------------------------------------------------------------------
 */

/* A model's folder: the files in it, and itself. */
static slk_status remove_model(const char *path, slk_err *err)
{
    if (!slk_dir_exists(path)) return SLK_OK;
    DIR *dir = opendir(path);
    if (!dir) return fail_io(path, "cannot be removed", err);
    slk_status s = SLK_OK;
    for (struct dirent *entry; s == SLK_OK && (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char *file = slk_path_join(path, entry->d_name);
        s = file ? slk_file_remove(file, err) : slk_fail(err, SLK_E_MEMORY, "out of memory");
        free(file);
    }
    closedir(dir);
    if (s == SLK_OK && rmdir(path) != 0) s = fail_io(path, "cannot be removed", err);
    return s;
}

/* A folder that something else filled is not written into. */
static slk_status check_content(const slk_train_dir *d, const slk_cli *cli, slk_err *err)
{
    if (cli->force || slk_file_exists(d->config) || slk_file_exists(d->state)) return SLK_OK;
    DIR *dir = opendir(d->path);
    if (!dir) return fail_io(d->path, "cannot read the folder", err);
    char other[256] = "";
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && !strstr(entry->d_name, ".tmp."))
            snprintf(other, sizeof other, "%s", entry->d_name);
    closedir(dir);
    if (!other[0]) return SLK_OK;
    return slk_fail(err, SLK_E_STATE,
                    "%s: has files of something else (%s), expected a new folder or a run of slick "
                    "train (--force writes into it)",
                    d->path, other);
}

static slk_status lock(slk_train_dir *d, slk_err *err)
{
    d->lock = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->lock < 0) return fail_io(d->path, "cannot open the folder", err);
    for (int attempt = 0; attempt < 40; attempt++) { /* a killed process may still be on its way out */
        if (flock(d->lock, LOCK_EX | LOCK_NB) == 0) return SLK_OK;
        if (errno != EWOULDBLOCK) return SLK_OK; /* some file systems have no locks */
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    return slk_fail(err, SLK_E_STATE, "%s: another slick train is at work in this folder", d->path);
}

/* Is it a temporary name of one of a run's own outputs (base/file.h, base/folder.h)? */
static bool is_leftover(const char *name)
{
    static const char *const OWN[] = {"state.safetensors", "config.json", "examples.jsonl", "best", "last",
                                      "best.gguf",         "last.gguf"};
    for (size_t i = 0; i < sizeof OWN / sizeof *OWN; i++) {
        size_t n = strlen(OWN[i]);
        if (strncmp(name, OWN[i], n) == 0 && strncmp(name + n, ".tmp.", 5) == 0) return true;
    }
    return false;
}

/* What a killed process left half-written. The folder is locked: nobody writes it now. */
static slk_status sweep(const slk_train_dir *d, slk_err *err)
{
    DIR *dir = opendir(d->path);
    slk_status s = dir ? SLK_OK : fail_io(d->path, "cannot read the folder", err);
    for (struct dirent *entry; s == SLK_OK && (entry = readdir(dir)) != NULL;) {
        if (!is_leftover(entry->d_name)) continue;
        char *path = slk_path_join(d->path, entry->d_name);
        s = !path                  ? slk_fail(err, SLK_E_MEMORY, "out of memory")
            : slk_dir_exists(path) ? remove_model(path, err)
                                   : slk_file_remove(path, err);
        free(path);
    }
    if (dir) closedir(dir);
    return s;
}

slk_status slk_train_dir_open(slk_train_dir *d, const slk_cli *cli, const char *path, slk_err *err)
{
    *d = (slk_train_dir){.path = path, .lock = -1};
    const struct {
        char **out;
        const char *name;
    } files[] = {{&d->state, "state.safetensors"},
                 {&d->config, "config.json"},
                 {&d->log, "log.jsonl"},
                 {&d->examples, "examples.jsonl"},
                 {&d->fitted, "fitted.jsonl"},
                 {&d->best, "best"},
                 {&d->last, "last"},
                 {&d->best_gguf, "best.gguf"},
                 {&d->last_gguf, "last.gguf"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        *files[i].out = slk_path_join(path, files[i].name);
        if (!*files[i].out) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    }
    if (slk_file_exists(path)) return slk_fail(err, SLK_E_STATE, "%s: is a file, expected the name of a folder", path);
    if (!slk_dir_exists(path)) return SLK_OK;
    slk_status s = check_content(d, cli, err);
    if (s == SLK_OK) s = lock(d, err);
    return s == SLK_OK ? sweep(d, err) : s;
}

slk_status slk_train_dir_make(slk_train_dir *d, slk_err *err)
{
    if (d->lock >= 0) return SLK_OK;
    if (mkdir(d->path, 0777) == 0)
        d->is_made = true;
    else if (errno != EEXIST)
        return fail_io(d->path, "cannot make the folder", err);
    return lock(d, err);
}

void slk_train_dir_release(slk_train_dir *d)
{
    if (d->lock >= 0) close(d->lock);
    if (d->is_made) rmdir(d->path); /* does nothing to a folder with content */
    free(d->state), free(d->config), free(d->log), free(d->examples), free(d->fitted);
    free(d->best), free(d->last), free(d->best_gguf), free(d->last_gguf);
    *d = (slk_train_dir){.lock = -1};
}

slk_status slk_train_dir_clear(const slk_train_dir *d, slk_err *err)
{
    /* the checkpoint first: without it the rest is no run */
    const char *const files[] = {d->state, d->config, d->log, d->fitted, d->examples, d->best_gguf, d->last_gguf};
    slk_status s = SLK_OK;
    for (size_t i = 0; i < sizeof files / sizeof *files && s == SLK_OK; i++) s = slk_file_remove(files[i], err);
    if (s == SLK_OK) s = remove_model(d->best, err);
    return s == SLK_OK ? remove_model(d->last, err) : s;
}

/* --- room -----------------------------------------------------------------------------------------------------------
 */

slk_status slk_train_dir_check_space(const slk_train_dir *d, const slk_model *model, int64_t n_trained, bool lora,
                                     slk_err *err)
{
    struct statvfs fs;
    if (statvfs(d->path, &fs) != 0) return SLK_OK; /* then writing will tell */
    uint64_t have = (uint64_t)fs.f_bavail * fs.f_frsize, state = slk_train_state_bytes(n_trained, false);
    uint64_t vocabulary = 48 * (uint64_t)model->config.n_vocab;
    uint64_t one = lora ? 2 * sizeof(float) * (uint64_t)n_trained + (1 << 16) : model->weights_bytes + vocabulary;
    /* an older one stays until the new one is complete */
    bool has_state = slk_file_exists(d->state);
    uint64_t need = state * (has_state ? 1 : 2) + one;
    if (!slk_dir_exists(d->best) && !slk_file_exists(d->best_gguf)) need += one;
    if (!slk_dir_exists(d->last) && !slk_file_exists(d->last_gguf)) need += one;
    if (need <= have) return SLK_OK;
    return slk_fail(err, SLK_E_IO,
                    "%s: %s are free, %s are needed: the checkpoint (%s) and best and last (%s each), and "
                    "one of them twice while it is replaced",
                    d->path, slk_show_bytes(have).text, slk_show_bytes(need).text, slk_show_bytes(state).text,
                    slk_show_bytes(one).text);
}

/* --- descriptions ---------------------------------------------------------------------------------------------------
 */

static slk_status print_example(FILE *stream, const slk_examples *e, size_t i, slk_err *err)
{
    const slk_fact *f = e->items[i];
    json_t *line = json_pack("{s:o, s:s, s:s, s:s}", "id", slk_cli_hash_json(f->id), "relation", f->relation,
                             "question", f->question, "answer", f->answers[0]);
    if (line && e->categories[i] >= 0)
        json_object_set_new(line, "category", json_string(slk_category_name((slk_category)e->categories[i])));
    slk_status s = line ? slk_json_print(stream, line, err) : slk_fail(err, SLK_E_MEMORY, "out of memory");
    json_decref(line);
    return s;
}

static slk_status write_examples(const char *path, const slk_examples *e, slk_err *err)
{
    slk_out *out;
    slk_status s = slk_out_open(&out, path, true, err);
    for (size_t i = 0; i < e->n && s == SLK_OK; i++) {
        s = print_example(slk_out_stream(out), e, i, err);
        if (s == SLK_E_IO) slk_fail_in(err, s, "%s", path);
    }
    if (s == SLK_OK) s = slk_out_commit(out, err);
    slk_out_close(out);
    return s;
}

static slk_status write_config(const char *path, const json_t *config, slk_err *err)
{
    slk_out *out;
    slk_status s = slk_out_open(&out, path, true, err);
    if (s == SLK_OK) {
        s = slk_json_print(slk_out_stream(out), config, err);
        if (s == SLK_E_IO) slk_fail_in(err, s, "%s", path);
    }
    if (s == SLK_OK) s = slk_out_commit(out, err);
    slk_out_close(out);
    return s;
}

slk_status slk_train_dir_describe(const slk_train_dir *d, json_t *config, const slk_train_data *data, slk_err *err)
{
    slk_status s = write_config(d->config, config, err);
    return s == SLK_OK ? write_examples(d->examples, &data->examples[SLK_WATCH_TRAIN], err) : s;
}

/* --- epochs ---------------------------------------------------------------------------------------------------------
 */

slk_status slk_train_dir_save(const slk_train_dir *d, const slk_params *params, const slk_lora *lora, bool best,
                              slk_err *err)
{
    const char *folder = best ? d->best : d->last, *gguf = best ? d->best_gguf : d->last_gguf;
    bool only_gguf = strcmp(slk_train_opt.save_as, "gguf") == 0;
    if (!lora) return slk_save_model(params, only_gguf ? gguf : folder, err);
    slk_status s = only_gguf ? SLK_OK : slk_save_adapter(params, lora, folder, err);
    return s == SLK_OK ? slk_save_adapter(params, lora, gguf, err) : s;
}

slk_status slk_train_dir_put_fitted(const slk_train_dir *d, int32_t epoch, const slk_watch_result *result, slk_err *err)
{
    char *bits = slk_alloc(result->n_fitted + 1, 1);
    if (!bits) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    size_t n = 0;
    for (size_t i = 0; i < result->n_fitted; i++) {
        bits[i] = result->fitted[i] ? '1' : '0';
        n += result->fitted[i];
    }
    bits[result->n_fitted] = 0;
    json_t *line = json_pack("{s:i, s:I, s:s}", "epoch", (int)epoch, "n_fitted", (json_int_t)n, "fitted", bits);
    slk_status s = line ? slk_log_append(d->fitted, line, err) : slk_fail(err, SLK_E_MEMORY, "out of memory");
    json_decref(line);
    free(bits);
    return s;
}
