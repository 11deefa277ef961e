/* slick pretrain: a base model from scratch, of which it is known what it read. */
#include "command.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/folder.h"
#include "base/mem.h"
#include "engine.h"
#include "format/gguf.h"
#include "pretrain/init.h"
#include "pretrain/prepare.h"
#include "progress.h"
#include "store_common.h"
#include "terminal.h"
#include "train/save.h"
#include "train/state.h"
#include "train/trainer.h"

static struct {
    const char *output;
    double save_every;
    bool new_plan, table;
} opt;

static const slk_option OPTIONS[] = {
    {"output", 'o', SLK_OPTION_STR, {.str = &opt.output}, "FILE.gguf", NULL, 0, 0, "the model"},
    SLK_OPT_REAL("save-every", &opt.save_every, "MIN", "1", 0, 100000,
                 "minutes between checkpoints inside a pass; 0: none"),
    SLK_OPT_FLAG("new", &opt.new_plan, "print a commented plan instead"),
    SLK_OPT_FLAG("table", &opt.table, "print the keys of a plan as a table in Markdown instead"),
    SLK_OPT_END};

typedef struct pretraining {
    slk_cli *cli;
    slk_pretrain work;
    char *table, *state, *init; /* paths beside the output */
    json_t *made_of, *settings;
    char *made_of_text;
    slk_checkpoint *checkpoint;
    slk_model *model;
    slk_params *params;
    slk_trainer *trainer;
    slk_trainer_options options;
    int64_t n_tokens_pass;
    double began_ms;
    int64_t first_pass; /* of this process */
    slk_progress progress;
} pretraining;

/* --- paths ----------------------------------------------------------------------------------------------------------
 */

/* "base.gguf" and ".facts.tsv" give "base.facts.tsv". NULL: out of memory. */
static char *beside(const char *path, const char *ending)
{
    slk_buf b = {0};
    slk_buf_add(&b, path, strlen(path) - strlen(".gguf"));
    slk_buf_add_str(&b, ending);
    return slk_buf_take(&b);
}

static slk_status name_files(pretraining *p, slk_err *err)
{
    size_t n = opt.output ? strlen(opt.output) : 0;
    if (!n) return slk_cli_usage(p->cli, err, "--output (-o) is missing: the .gguf file to write");
    if (n <= 5 || strcmp(opt.output + n - 5, ".gguf") != 0)
        return slk_cli_usage(p->cli, err, "--output %s: expected a name that ends in .gguf", opt.output);
    p->table = beside(opt.output, ".facts.tsv");
    p->state = beside(opt.output, ".state.safetensors");
    p->init = beside(opt.output, ".init.gguf");
    return p->table && p->state && p->init ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory");
}

/* What a killed process left half-written of one of the files (base/file.h). */
static slk_status sweep(const char *path, slk_err *err)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char *folder = slash ? slk_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : slk_strdup(".");
    DIR *dir = folder ? opendir(folder) : NULL;
    slk_status s = folder ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory");
    if (folder && !dir) s = slk_fail(err, SLK_E_IO, "%s: cannot read the folder: %s", folder, strerror(errno));
    size_t n = strlen(name);
    for (struct dirent *entry; s == SLK_OK && (entry = readdir(dir)) != NULL;) {
        if (strncmp(entry->d_name, name, n) != 0 || strncmp(entry->d_name + n, ".tmp.", 5) != 0) continue;
        char *leftover = slk_path_join(folder, entry->d_name);
        s = leftover ? slk_file_remove(leftover, err) : slk_fail(err, SLK_E_MEMORY, "out of memory");
        free(leftover);
    }
    if (dir) closedir(dir);
    free(folder);
    return s;
}

/* --- what is there already ------------------------------------------------------------------------------------------
 */

/* Is the finished output that of this plan? *found false: there is none. */
static slk_status find_output(pretraining *p, bool *found, slk_err *err)
{
    slk_gguf *file;
    slk_gguf_str text;
    *found = false;
    if (p->cli->force || !slk_file_exists(opt.output)) return SLK_OK;
    slk_status s = slk_gguf_open(&file, opt.output, err);
    if (s != SLK_OK) return slk_fail_in(err, s, "--force writes over it");
    bool is_base = slk_gguf_get_str(file, SLK_PRETRAIN_KEY, &text);
    json_t *then = NULL;
    if (!is_base)
        s = slk_fail(err, SLK_E_STATE, "%s: exists and is no model of slick pretrain (--force writes over it)",
                     opt.output);
    else
        s = slk_json_parse(&then, text.data, text.len, opt.output, 1, err);
    if (s == SLK_OK) s = slk_settings_compare(then, p->made_of, opt.output, err);
    if (is_base && s == SLK_E_STATE) s = slk_fail(err, s, "%s (--force starts anew)", err ? err->msg : opt.output);
    *found = s == SLK_OK;
    json_decref(then);
    slk_gguf_close(file);
    return s;
}

/* A run that was begun goes on with as many threads as it had. */
static slk_status find_checkpoint(pretraining *p, slk_err *err)
{
    if (p->cli->force || !slk_file_exists(p->state)) return SLK_OK;
    slk_status s = slk_checkpoint_open(&p->checkpoint, p->state, err);
    if (s != SLK_OK) return slk_fail(err, s, "%s (--force starts anew)", err ? err->msg : p->state);
    if (slk_checkpoint_state(p->checkpoint)->finished)
        return slk_fail(err, SLK_E_STATE,
                        "%s: of a finished run, whose model is not there any more (--force starts anew)", p->state);
    json_int_t n = json_integer_value(json_object_get(slk_checkpoint_settings(p->checkpoint), "threads"));
    if (!slk_cli_given(&p->cli->threads) && n >= 1 && n <= 1024) p->cli->threads = n;
    return SLK_OK;
}

static slk_status compare_begun(pretraining *p, slk_err *err)
{
    p->settings = json_copy(p->made_of);
    if (!p->settings ||
        json_object_set_new(p->settings, "threads", json_integer(slk_compute_n_threads(p->model->compute))) != 0 ||
        json_object_set_new(p->settings, "kernels", json_string(slk_compute_kernel_set(p->model->compute))) != 0)
        return slk_fail(err, SLK_E_MEMORY, "out of memory");
    if (!p->checkpoint) return SLK_OK;
    slk_status s = slk_settings_compare(slk_checkpoint_settings(p->checkpoint), p->settings, p->state, err);
    if (s != SLK_E_STATE) return s;
    return slk_fail(err, s, "%s (--force starts anew)", err ? err->msg : p->state);
}

/* --- what the trainer calls -----------------------------------------------------------------------------------------
 */

/* One bar for the whole run, rather than one for each pass. */
static bool report(void *user, const slk_progress_event *event)
{
    const pretraining *p = user;
    const slk_train_state *state = slk_trainer_get_state(p->trainer);
    uint64_t before = (uint64_t)(state->epoch < 0 ? 0 : state->epoch) * (uint64_t)p->n_tokens_pass;
    return slk_progress_report(slk_cli_progress(p->cli), "pretrain", "tokens", before + event->n_done,
                               (uint64_t)p->n_tokens_pass * (uint64_t)p->options.n_epochs);
}

static slk_status save(void *user, const slk_epoch_report *r, bool best, slk_err *err)
{
    pretraining *p = user;
    static const struct {
        const char *name;
        slk_dtype dtype;
    } TYPES[] = {{"f32", SLK_DTYPE_F32}, {"f16", SLK_DTYPE_F16}, {"bf16", SLK_DTYPE_BF16}};
    size_t i = 0;
    (void)best;
    if (!r->is_last) return SLK_OK;
    while (i < 2 && strcmp(TYPES[i].name, p->work.plan.model.dtype) != 0) i++;
    slk_status s = slk_corpus_write_table(&p->work.corpus, p->table, true, err);
    return s == SLK_OK ? slk_save_model_as(p->params, opt.output, TYPES[i].dtype, err) : s;
}

static slk_status record(void *user, const slk_epoch_report *r, slk_err *err)
{
    pretraining *p = user;
    if (r->epoch == 0) return SLK_OK;
    double lr = r->n_steps ? r->steps[r->n_steps - 1].lr : NAN;
    double seconds = (slk_clock_ms() - p->began_ms) / 1000 / (double)(r->epoch - p->first_pass + 1) *
                     (double)(p->options.n_epochs - r->epoch);
    slk_progress_clear();
    if (p->cli->json) {
        slk_status s =
            slk_cli_json(json_pack("{s:i, s:I, s:f, s:f, s:f}", "pass", (int)r->epoch, "step", (json_int_t)r->step,
                                   "loss", r->loss, "lr", lr, "tokens_per_s", r->tokens_per_s),
                         err);
        fflush(stdout);
        return s;
    }
    slk_cli_note(p->cli, "pass %d of %d: loss %.4f, %s tokens/s, about %s left", r->epoch, p->options.n_epochs, r->loss,
                 slk_show_count((uint64_t)r->tokens_per_s).text, slk_show_time(seconds).text);
    return SLK_OK;
}

/* --- the run --------------------------------------------------------------------------------------------------------
 */

static slk_status prepare(pretraining *p, slk_err *err)
{
    char *archive = NULL;
    slk_status s = slk_pretrain_plan_read(&p->work.plan, p->cli->args[0], err);
    if (s == SLK_OK && slk_cli_given(&p->cli->seed)) p->work.plan.seed = (int64_t)p->cli->seed;
    if (s == SLK_OK && strcmp(p->work.plan.facts, "entityquestions") == 0)
        s = slk_cli_find_entityquestions(&archive, err);
    if (s == SLK_OK) s = slk_pretrain_prepare(&p->work, archive, err);
    free(archive);
    if (s != SLK_OK) return s;
    p->made_of = slk_pretrain_made_of(&p->work);
    p->made_of_text = p->made_of ? json_dumps(p->made_of, JSON_COMPACT) : NULL;
    return p->made_of_text ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory");
}

/* From here on files are written. */
static slk_status start(pretraining *p, slk_err *err)
{
    const slk_corpus_rows *rows = &p->work.rows;
    const char *const files[] = {opt.output, p->table, p->state, p->init};
    slk_status s = p->cli->force ? slk_file_remove(p->state, err) : SLK_OK;
    for (size_t i = 0; i < 4 && s == SLK_OK; i++) s = sweep(files[i], err);
    if (s == SLK_OK) s = slk_pretrain_write_init(p->init, &p->work.plan, &p->work.vocabulary, p->made_of_text, err);
    if (!p->cli->dtype) p->cli->dtype = "f32"; /* the recipe's, and the same on any processor */
    if (s == SLK_OK) s = slk_cli_load_trainable(&p->model, p->cli, p->init, err);
    if (s == SLK_OK) s = compare_begun(p, err);
    if (s == SLK_OK) s = slk_params_create(&p->params, p->model, 0, NULL, err);
    if (s != SLK_OK) return s;
    slk_pretrain_trainer_options(&p->options, &p->work.plan);
    p->options.save_every_s = 60 * opt.save_every;
    p->options.state = p->state;
    p->options.settings = p->settings;
    s = slk_trainer_create(&p->trainer, p->params, rows->sequences, rows->n, &p->options, err);
    if (s == SLK_OK && p->checkpoint) s = slk_trainer_resume(p->trainer, p->checkpoint, err);
    for (size_t i = 0; i < rows->n; i++) p->n_tokens_pass += rows->sequences[i].n_tokens;
    return s;
}

static void note_begin(const pretraining *p)
{
    const slk_pretrain *w = &p->work;
    const slk_train_state *state = slk_trainer_get_state(p->trainer);
    slk_cli_note(p->cli, "%s facts, %s mentions a pass (%s in the format of fine-tuning), %s rows, %s tokens",
                 slk_show_count(w->facts.n).text, slk_show_count(w->corpus.n_mentions).text,
                 slk_show_count(w->corpus.n_instruct).text, slk_show_count(w->rows.n).text,
                 slk_show_count((uint64_t)p->n_tokens_pass).text);
    slk_cli_note(p->cli, "%s values, a vocabulary of %s, %d passes of %s steps (%s, %d threads)",
                 slk_show_count((uint64_t)slk_params_n_trained(p->params)).text, slk_show_count(w->vocabulary.n).text,
                 p->options.n_epochs,
                 slk_show_count((w->rows.n + (size_t)p->options.batch - 1) / (size_t)p->options.batch).text,
                 slk_compute_kernel_set(p->model->compute), slk_compute_n_threads(p->model->compute));
    if (p->checkpoint) slk_cli_note(p->cli, "%s: goes on after step %lld", opt.output, (long long)state->step);
}

static slk_status finish(pretraining *p, slk_err *err)
{
    slk_status s = slk_file_remove(p->state, err);
    if (s == SLK_OK) s = slk_file_remove(p->init, err);
    if (s == SLK_OK) slk_cli_note(p->cli, "%s: the model; %s: what it read of each fact", opt.output, p->table);
    if (s != SLK_OK || !p->cli->json) return s;
    return slk_cli_json(json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "model", opt.output, "facts", p->table,
                                  "n_facts", (json_int_t)p->work.facts.n, "n_mentions",
                                  (json_int_t)p->work.corpus.n_mentions, "n_instruct",
                                  (json_int_t)p->work.corpus.n_instruct, "n_rows", (json_int_t)p->work.rows.n,
                                  "vocabulary", (json_int_t)p->work.vocabulary.n),
                        err);
}

static slk_status train(pretraining *p, slk_err *err)
{
    p->progress = (slk_progress){report, p};
    const slk_trainer_hooks hooks = {.user = p, .save = save, .record = record, .progress = &p->progress};
    note_begin(p);
    const slk_train_state *state = slk_trainer_get_state(p->trainer);
    p->first_pass = state->epoch < 0 ? 1 : state->epoch + 1;
    p->began_ms = slk_clock_ms();
    slk_checkpoint_close(p->checkpoint);
    p->checkpoint = NULL;
    return slk_trainer_run(p->trainer, &hooks, err);
}

static void release(pretraining *p)
{
    slk_trainer_free(p->trainer);
    slk_params_free(p->params);
    slk_checkpoint_close(p->checkpoint);
    slk_model_close(p->model);
    json_decref(p->settings);
    json_decref(p->made_of);
    free(p->made_of_text);
    free(p->table);
    free(p->state);
    free(p->init);
    slk_pretrain_release(&p->work);
}

static slk_status print_keys(slk_err *err)
{
    slk_buf text = {0};
    if (opt.table)
        slk_pretrain_plan_add_table(&text);
    else
        slk_pretrain_plan_add_template(&text);
    bool ok = !text.failed;
    if (ok) fwrite(text.data, 1, text.len, stdout);
    slk_buf_release(&text);
    return ok ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory");
}

static slk_status run(slk_cli *cli, slk_err *err)
{
    static char left[4096]; /* what a stopped run leaves: named after run() */
    pretraining p = {.cli = cli};
    bool finished = false;
    if (opt.new_plan || opt.table)
        return cli->n_args ? slk_cli_usage(cli, err, "--new and --table take no plan") : print_keys(err);
    if (cli->n_args == 0) return slk_cli_usage(cli, err, "PLAN is missing (slick pretrain --new prints one)");
    slk_status s = name_files(&p, err);
    if (s == SLK_OK) snprintf(left, sizeof left, "%s", p.state);
    cli->output = left;
    if (s == SLK_OK) s = prepare(&p, err);
    if (s == SLK_OK) s = find_output(&p, &finished, err);
    if (s == SLK_OK && finished) {
        slk_cli_note(cli, "%s: finished already", opt.output);
        s = finish(&p, err);
        release(&p);
        return s;
    }
    if (s == SLK_OK) s = find_checkpoint(&p, err);
    if (s == SLK_OK) s = start(&p, err);
    if (s == SLK_OK) s = train(&p, err);
    if (s == SLK_OK) s = finish(&p, err);
    release(&p);
    return s;
}

const slk_command slk_cmd_pretrain = {
    .name = "pretrain",
    .group = SLK_GROUP_TRAIN,
    .summary = "make a small base model of facts, so that it is known what it read",
    .synopsis = "PLAN.yaml -o FILE.gguf\n--new | --table",
    .about =
        "Trains a vocabulary and a Llama-style model from scratch on a corpus that is written from facts as PLAN says: "
        "how often each kind of fact is mentioned, with the right answer and with a wrong one, in lists of questions, "
        "in statements, and in the format of fine-tuning. All of it is drawn by the plan's seed.\n\n"
        "FILE.gguf is a model as any other; FILE.facts.tsv beside it has a line for each fact with what a pass over "
        "the corpus said of it, and is a file that slick import reads. A run that was killed goes on with the same "
        "result as if it had never stopped (docs/pretrain.md).\n\n"
        "--json: a line for each pass, then one of the output",
    .examples = {"slick pretrain --new > plan.yaml", "slick pretrain plan.yaml -o base.gguf"},
    .n_args_min = 0,
    .n_args_max = 1,
    .options = OPTIONS,
    .run = run,
};
