/* slick train: fine-tune a model, and watch what that does to what it knows. See train.h. */
#include "train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "engine.h"
#include "example_input.h"
#include "progress.h"
#include "store_common.h"
#include "terminal.h"
#include "train/log.h"

slk_train_cli slk_train_opt;
#define opt slk_train_opt

static const slk_option OPTIONS[] = {
    {"output", 'o', SLK_OPTION_STR, {.str = &opt.output}, "DIR", NULL, 0, 0, "folder for all that comes out"},
    SLK_OPT_INT("epochs", &opt.epochs, "N", "50", 1, 1000000, "at most so many"),
    SLK_OPT_REAL("lr", &opt.lr, "X", NULL, 0, 1e30, "learning rate (default: 1e-5, with --lora-rank 2e-4)"),
    SLK_OPT_INT("batch", &opt.batch, "N", "128", 1, 1 << 24, "examples of an optimiser step"),
    SLK_OPT_REAL("dropout", &opt.dropout, "P", "0.05", 0, 0.99, "of each block's output"),
    SLK_OPT_CHOICE("schedule", &opt.schedule, "constant|linear|cosine", "constant", "of the rate after the warm-up"),
    SLK_OPT_INT("warmup", &opt.warmup, "N", "0", 0, 1000000000, "steps in which the rate rises"),
    SLK_OPT_REAL("weight-decay", &opt.weight_decay, "X", "0", 0, 1e6, "of every trained tensor, decoupled"),
    SLK_OPT_REAL("clip", &opt.clip, "X", "1", 0, 1e9, "longest gradient; 0: any"),
    SLK_OPT_STR("betas", &opt.betas, "B1,B2", "0.9,0.999", "of AdamW's moments"),
    SLK_OPT_REAL("eps", &opt.eps, "X", "1e-8", 0, 1, "of AdamW"),
    SLK_OPT_STR("dev", &opt.dev, "FILE", NULL, "facts whose accuracy chooses best/ (default: the store's dev split)"),
    SLK_OPT_STR("test", &opt.test, "FILE", NULL, "facts to watch (default: the store's test split)"),
    SLK_OPT_STR("ood", &opt.ood, "FILE", NULL, "facts of other relations to watch (default: the store's)"),
    SLK_OPT_STR("set", &opt.set, "SET", NULL, "fact set of the store (default: the label set's, else the newest)"),
    SLK_OPT_INT("labels", &opt.labels, "ID", NULL, 1, 1000000000,
                "label set that says what was known (default: the newest by this model)"),
    SLK_OPT_INT("eval-limit", &opt.eval_limit, "N", "1000", 0, 1000000000,
                "most facts of each of the store's splits; 0: all"),
    SLK_OPT_FLAG("no-store", &opt.no_store, "ask nothing of the store"),
    SLK_OPT_INT("lora-rank", &opt.lora_rank, "R", NULL, 1, 4096, "train a LoRA adapter of this rank instead"),
    SLK_OPT_REAL("lora-alpha", &opt.lora_alpha, "X", NULL, 1e-6, 1e6, "scale times the rank (default: twice the rank)"),
    SLK_OPT_REAL("lora-dropout", &opt.lora_dropout, "P", "0", 0, 0.99, "of the adapter's input"),
    SLK_OPT_LIST("lora-targets", &opt.lora_targets, "q,k,v,o,gate,up,down", "matrices with an adapter (default: all)"),
    SLK_OPT_LIST("freeze", &opt.freeze, "attention,ffn,embeddings", "do not train these"),
    SLK_OPT_CHOICE("stop", &opt.stop, "early|epochs", NULL,
                   "when dev has not got better for --patience epochs, or after --epochs (default: early with dev "
                   "facts)"),
    SLK_OPT_INT("patience", &opt.patience, "N", "5", 1, 1000000, "epochs without a better dev accuracy"),
    SLK_OPT_CHOICE(
        "save-as", &opt.save_as, "hf|gguf", "hf",
        "best/ and last/ as Hugging Face directories (with LoRA PEFT ones, and GGUF beside them), or as GGUF"),
    SLK_OPT_REAL("save-every", &opt.save_every, "MIN", "10", 0, 100000,
                 "minutes between checkpoints inside an epoch; 0: none"),
    SLK_OPT_INT("batch-tokens", &opt.batch_tokens, "N", "4096", 1, 1 << 24,
                "most rows at a time; gradients of more are added up"),
    SLK_OPT_CHOICE("recompute", &opt.recompute, "auto|yes|no", "auto",
                   "compute activations twice instead of keeping them; auto: where memory is short"),
    SLK_OPT_FLAG("no-share", &opt.no_share, "every example by itself: slow, the same up to rounding"),
    SLK_OPT_STR("match", &opt.match, "em|strict|contains|f1:X", "em", "when an answer is right"),
    SLK_CLI_OPT_INSTRUCTION(&opt.template_path),
    SLK_CLI_OPT_MAP(&opt.map),
    SLK_CLI_OPT_FORMAT(&opt.format),
    SLK_OPT_END};

typedef struct training {
    slk_cli *cli;
    slk_train_dir dir;
    slk_train_data data;
    slk_model *model;
    slk_params *params;
    slk_trainer *trainer;
    slk_trainer_options options;
    slk_lora lora; /* rank 0: full fine-tuning */
    unsigned frozen;
    bool early;
    slk_train_memory memory;
    slk_checkpoint *checkpoint; /* that the run goes on from; NULL: it is new */
    json_t *settings;
    slk_watch_result watched; /* of the last evaluation */
    slk_train_view view;
} training;

/* --- options --------------------------------------------------------------------------------------------------------
 */

/* Bits of a list of names; "q_proj" is "q". */
static bool read_bits(unsigned *bits, const slk_list *list, const char *const *names, size_t n, const char **wrong)
{
    for (size_t i = 0; i < list->n; i++) {
        size_t len = strcspn(list->items[i], "_"), k = 0;
        bool is_plain = !list->items[i][len] || strcmp(list->items[i] + len, "_proj") == 0;
        while (k < n && !(is_plain && strlen(names[k]) == len && strncmp(names[k], list->items[i], len) == 0)) k++;
        *wrong = list->items[i];
        if (k == n) return false;
        *bits |= 1U << k;
    }
    return true;
}

static slk_status read_lora(training *t, slk_err *err)
{
    static const char *const TARGETS[] = {"q", "k", "v", "o", "gate", "up", "down"};
    static const char *const GROUPS[] = {"attention", "ffn", "embeddings"};
    const char *wrong = NULL;
    bool any = slk_cli_given(&opt.lora_alpha) || slk_cli_given(&opt.lora_dropout) || opt.lora_targets.n > 0;
    if (any && !opt.lora_rank) return slk_cli_usage(t->cli, err, "--lora-rank is missing: an adapter of which rank");
    if (opt.lora_rank && opt.freeze.n)
        return slk_cli_usage(t->cli, err, "--freeze and --lora-rank exclude each other; --lora-targets chooses");
    if (!read_bits(&t->frozen, &opt.freeze, GROUPS, 3, &wrong))
        return slk_cli_usage(t->cli, err, "--freeze %s: expected attention, ffn or embeddings", wrong);
    unsigned targets = 0;
    if (!read_bits(&targets, &opt.lora_targets, TARGETS, 7, &wrong))
        return slk_cli_usage(t->cli, err, "--lora-targets %s: expected q, k, v, o, gate, up or down", wrong);
    t->lora = (slk_lora){.rank = (int)opt.lora_rank,
                         .alpha = opt.lora_alpha > 0 ? opt.lora_alpha : 2.0 * (double)opt.lora_rank,
                         .targets = targets ? targets : (1U << 7) - 1,
                         .dropout = opt.lora_dropout,
                         .seed = t->cli->seed};
    return SLK_OK;
}

static slk_status read_options(training *t, slk_err *err)
{
    slk_trainer_options *o = &t->options;
    if (!opt.output) return slk_cli_usage(t->cli, err, "--output (-o) is missing: the folder for what comes out");
    if (slk_cli_given(&opt.patience) && opt.stop && strcmp(opt.stop, "epochs") == 0)
        return slk_cli_usage(t->cli, err, "--patience and --stop epochs exclude each other");
    slk_status s = read_lora(t, err);
    if (s != SLK_OK) return s;
    slk_trainer_options_init(o, opt.lora_rank > 0);
    char first[32];
    const char *comma = strchr(opt.betas, ',');
    snprintf(first, sizeof first, "%.*s", comma ? (int)(comma - opt.betas) : 0, opt.betas);
    if (!comma || !slk_parse_real(first, &o->optimizer.beta1) || !slk_parse_real(comma + 1, &o->optimizer.beta2) ||
        o->optimizer.beta1 < 0 || o->optimizer.beta1 >= 1 || o->optimizer.beta2 < 0 || o->optimizer.beta2 >= 1)
        return slk_cli_usage(t->cli, err, "--betas %s: expected two numbers from 0 to below 1, as 0.9,0.999",
                             opt.betas);
    if (slk_cli_given(&opt.lr)) o->lr = opt.lr;
    o->n_epochs = (int32_t)opt.epochs;
    o->batch = opt.batch;
    o->decay = (slk_decay)slk_decay_parse(opt.schedule);
    o->n_warmup = opt.warmup;
    o->optimizer.eps = opt.eps;
    o->optimizer.decay = opt.weight_decay;
    o->optimizer.clip = opt.clip;
    o->dropout = opt.dropout;
    o->lora_dropout = opt.lora_dropout;
    o->seed = t->cli->seed;
    o->max_rows = opt.batch_tokens;
    o->share = !opt.no_share;
    o->save_every_s = 60.0 * opt.save_every;
    return SLK_OK;
}

/* When to stop is known when the dev facts are. */
static slk_status choose_stop(training *t, slk_err *err)
{
    bool has_dev = t->data.examples[SLK_WATCH_DEV].n > 0, asked = opt.stop && strcmp(opt.stop, "early") == 0;
    if (!has_dev && (asked || slk_cli_given(&opt.patience)))
        return slk_cli_usage(t->cli, err, "--stop early needs dev facts: --dev FILE, or a store that has some");
    t->early = has_dev && (!opt.stop || asked);
    t->options.patience = t->early ? (int32_t)opt.patience : 0;
    if (!has_dev)
        slk_cli_note(t->cli, "no dev facts: trains for %d epoch%s, and there is no best/", t->options.n_epochs,
                     t->options.n_epochs == 1 ? "" : "s");
    return SLK_OK;
}

/* --- settings -------------------------------------------------------------------------------------------------------
 */

static json_t *names_json(const slk_list *list)
{
    json_t *out = json_array();
    for (size_t i = 0; i < list->n; i++) json_array_append_new(out, json_string(list->items[i]));
    return out;
}

static json_t *lora_json(const slk_lora *l)
{
    if (!l->rank) return json_null();
    return json_pack("{s:i, s:f, s:f, s:i}", "rank", l->rank, "alpha", l->alpha, "dropout", l->dropout, "targets",
                     (int)l->targets);
}

/* All that decides the result. `micro_rows`, the limit of rows that memory allowed, follows when it is known. */
static json_t *make_settings(const training *t)
{
    const slk_trainer_options *o = &t->options;
    const slk_model *m = t->model;
    json_t *model = json_pack("{s:s, s:o, s:s}", "name", m->config.name, "hash", slk_cli_hash_json(m->hash), "dtype",
                              slk_compute_dtype(m->compute) == SLK_DTYPE_BF16 ? "bf16" : "f32");
    json_t *s = json_pack(
        "{s:o, s:o, s:o, s:s, s:i, s:f, s:I, s:f, s:s, s:I, s:f, s:f, s:f, s:f, s:f}", "model", model, "data",
        slk_train_data_json(&t->data), "template", slk_cli_hash_json(slk_instruction_hash(t->data.instruction)),
        "match", opt.match, "epochs", (int)o->n_epochs, "lr", o->lr, "batch", (json_int_t)o->batch, "dropout",
        o->dropout, "schedule", opt.schedule, "warmup", (json_int_t)o->n_warmup, "weight_decay", o->optimizer.decay,
        "clip", o->optimizer.clip, "beta1", o->optimizer.beta1, "beta2", o->optimizer.beta2, "eps", o->optimizer.eps);
    if (!s) return NULL;
    json_object_set_new(s, "stop", json_string(t->early ? "early" : "epochs"));
    json_object_set_new(s, "patience", json_integer(o->patience));
    json_object_set_new(s, "freeze", names_json(&opt.freeze));
    json_object_set_new(s, "lora", lora_json(&t->lora));
    json_object_set_new(s, "share", json_boolean(o->share));
    json_object_set_new(s, "batch_tokens", json_integer(opt.batch_tokens));
    json_object_set_new(s, "save_as", json_string(opt.save_as));
    char seed[24];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)o->seed); /* JSON's integers are signed */
    json_object_set_new(s, "seed", json_string(seed));
    json_object_set_new(s, "threads", json_integer(slk_compute_n_threads(m->compute)));
    json_object_set_new(s, "kernels", json_string(slk_compute_kernel_set(m->compute)));
    return s;
}

/* Settings that differ are an error, but for kernels: those are the machine's. */
static slk_status compare_settings(training *t, const json_t *then, const char *name, slk_err *err)
{
    json_t *now = json_deep_copy(t->settings);
    if (!now) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    const json_t *kernels = json_object_get(then, "kernels"), *rows = json_object_get(then, "micro_rows");
    if (kernels && !json_equal(kernels, json_object_get(now, "kernels"))) {
        slk_cli_warn(t->cli, "%s: was begun with other kernels (%s, here %s): the last bits will differ", name,
                     json_string_value(kernels), json_string_value(json_object_get(now, "kernels")));
        json_object_set_new(now, "kernels", json_deep_copy(kernels));
    }
    if (rows) json_object_set_new(now, "micro_rows", json_deep_copy(rows));
    slk_status s = slk_settings_compare(then, now, name, err);
    json_decref(now);
    if (s != SLK_E_STATE) return s;
    return slk_fail(err, s, "%s (--force starts anew)", err ? err->msg : name);
}

static json_t *make_config(const training *t)
{
    const slk_cli *cli = t->cli;
    json_t *paths = json_pack("{s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:s?}", "model", cli->args[0], "train", cli->args[1],
                              "dev", opt.dev, "test", opt.test, "ood", opt.ood, "template", opt.template_path, "store",
                              opt.no_store ? NULL : cli->store);
    return json_pack("{s:s, s:o, s:O, s:I, s:b, s:I, s:f}", "slick", SLICK_VERSION, "paths", paths, "settings",
                     t->settings, "labels", (json_int_t)t->data.labels.id, "recompute", t->memory.recompute,
                     "eval_limit", (json_int_t)opt.eval_limit, "save_every", opt.save_every);
}

/* --- going on -------------------------------------------------------------------------------------------------------
 */

/* What was begun in DIR, if anything; a run goes on with as many threads as it had. */
static slk_status find_checkpoint(training *t, slk_err *err)
{
    if (t->cli->force || !slk_file_exists(t->dir.state)) return SLK_OK;
    slk_status s = slk_checkpoint_open(&t->checkpoint, t->dir.state, err);
    if (s != SLK_OK) return slk_fail(err, s, "%s (--force starts anew)", err ? err->msg : t->dir.state);
    const json_t *threads = json_object_get(slk_checkpoint_settings(t->checkpoint), "threads");
    json_int_t n = json_integer_value(threads);
    if (!slk_cli_given(&t->cli->threads) && n >= 1 && n <= 1024) t->cli->threads = n;
    return SLK_OK;
}

static slk_status compare_begun(training *t, slk_err *err)
{
    if (t->checkpoint) return compare_settings(t, slk_checkpoint_settings(t->checkpoint), t->dir.path, err);
    if (t->cli->force || !slk_file_exists(t->dir.config)) return SLK_OK;
    json_t *config;
    slk_status s = slk_json_read(&config, t->dir.config, err); /* killed before its first checkpoint */
    if (s == SLK_OK) s = compare_settings(t, json_object_get(config, "settings"), t->dir.path, err);
    json_decref(config);
    return s;
}

static slk_status show_finished(training *t, slk_err *err)
{
    const slk_train_state *state = slk_checkpoint_state(t->checkpoint);
    slk_train_view_head(&t->view);
    slk_status s = slk_train_view_replay(&t->view, t->dir.log, err);
    if (state->best_epoch >= 0)
        slk_cli_note(t->cli, "%s: finished after epoch %d; the best was epoch %d (dev %.1f%%)", t->dir.path,
                     state->epoch, state->best_epoch, 100 * state->best_score);
    else
        slk_cli_note(t->cli, "%s: finished after epoch %d", t->dir.path, state->epoch);
    return s;
}

/* --- memory ---------------------------------------------------------------------------------------------------------
 */

static slk_status plan_memory(training *t, slk_err *err)
{
    slk_recompute choice = strcmp(opt.recompute, "yes") == 0  ? SLK_RECOMPUTE_YES
                           : strcmp(opt.recompute, "no") == 0 ? SLK_RECOMPUTE_NO
                                                              : SLK_RECOMPUTE_AUTO;
    bool goes_on = false;
    if (t->checkpoint) { /* rounds as it did */
        json_int_t rows = json_integer_value(json_object_get(slk_checkpoint_settings(t->checkpoint), "micro_rows"));
        goes_on = rows >= 1;
        if (goes_on) t->options.max_rows = rows;
    }
    slk_train_memory *m = &t->memory;
    size_t available = slk_memory_available();
    slk_status s = slk_train_plan_memory(m, t->model, t->frozen, t->lora.rank ? &t->lora : NULL, t->data.sequences,
                                         t->data.examples[SLK_WATCH_TRAIN].n, &t->options, choice, goes_on,
                                         available == SIZE_MAX ? available : available / 20 * 19, err);
    if (s != SLK_OK) return s;
    t->options.max_rows = m->max_rows;
    t->options.recompute = m->recompute;
    json_object_set_new(t->settings, "micro_rows", json_integer(m->max_rows));
    slk_cli_note(
        t->cli, "memory: %s (weights %s, masters %s, gradients %s, moments %s, a batch of %s rows %s, evaluation %s)%s",
        slk_show_bytes(m->total).text, slk_show_bytes(m->weights).text, slk_show_bytes(m->masters).text,
        slk_show_bytes(m->gradients).text, slk_show_bytes(m->moments).text, slk_show_count((uint64_t)m->n_rows).text,
        slk_show_bytes(m->batch).text, slk_show_bytes(m->evaluation).text,
        m->recompute ? ", activations are recomputed" : "");
    if (m->max_rows < opt.batch_tokens && !goes_on)
        slk_cli_note(t->cli, "memory is short: at most %s rows at a time", slk_show_count((uint64_t)m->max_rows).text);
    return SLK_OK;
}

/* --- what the trainer calls -----------------------------------------------------------------------------------------
 */

static slk_status evaluate(void *user, const slk_epoch_report *report, double *score, slk_err *err)
{
    training *t = user;
    const slk_evaluate_options options = {.instruction = t->data.instruction, .match = t->data.match};
    (void)report;
    slk_watch_result_release(&t->watched);
    slk_status s = slk_watch_run(&t->watched, t->model, t->data.sets, 0, &options, slk_cli_progress(t->cli), err);
    if (s == SLK_OK) *score = slk_tally_accuracy(&t->watched.all[SLK_WATCH_DEV]);
    return s;
}

static slk_status save(void *user, const slk_epoch_report *report, bool best, slk_err *err)
{
    training *t = user;
    (void)report;
    return slk_train_dir_save(&t->dir, t->params, t->lora.rank ? &t->lora : NULL, best, err);
}

static json_t *number_json(double x)
{
    return isnan(x) ? json_null() : json_real(x);
}

/* The line of log.jsonl. NULL: out of memory. */
static json_t *make_line(const training *t, const slk_epoch_report *r)
{
    json_t *steps = json_array();
    for (size_t i = 0; i < r->n_steps; i++)
        json_array_append_new(steps, json_pack("{s:f, s:f, s:f}", "loss", r->steps[i].loss, "grad_norm",
                                               r->steps[i].grad_norm, "lr", r->steps[i].lr));
    json_t *line = json_pack("{s:i, s:I, s:o, s:o}", "epoch", (int)r->epoch, "step", (json_int_t)r->step, "loss",
                             number_json(r->loss), "steps", steps);
    bool ok = line && slk_watch_json(line, &t->watched) &&
              json_object_set_new(line, "tokens_per_s", number_json(r->tokens_per_s)) == 0;
    if (ok) return line;
    json_decref(line);
    return NULL;
}

static slk_status record(void *user, const slk_epoch_report *r, slk_err *err)
{
    training *t = user;
    json_t *line = make_line(t, r);
    slk_status s = line ? slk_log_append(t->dir.log, line, err) : slk_fail(err, SLK_E_MEMORY, "out of memory");
    if (s == SLK_OK) s = slk_train_dir_put_fitted(&t->dir, r->epoch, &t->watched, err);
    if (s == SLK_OK) s = slk_train_view_line(&t->view, line, false, err);
    json_decref(line);
    return s;
}

/* --- the run --------------------------------------------------------------------------------------------------------
 */

/* Training goes on from the rounded values of a quantised file. */
static void note_quantised(const training *t)
{
    const slk_gguf *file = slk_source_gguf(t->model->source);
    size_t n = 0;
    const char *name = NULL;
    for (size_t i = 0; file && i < slk_gguf_n_tensors(file); i++) {
        const slk_dtype_info *info = slk_dtype_find((uint32_t)slk_gguf_tensor_at(file, i)->dtype);
        if (!info || info->n_block == 1) continue;
        n++;
        name = info->name;
    }
    if (n == 0) return;
    slk_cli_note(t->cli, "%s is quantised (%s): training begins with its rounded values%s%s", t->cli->args[0], name,
                 t->lora.rank ? "" : ", and what is saved is ",
                 t->lora.rank                                             ? ""
                 : slk_compute_dtype(t->model->compute) == SLK_DTYPE_BF16 ? "BF16"
                                                                          : "F32");
}

/* From here on DIR is written to. */
static slk_status start(training *t, slk_err *err)
{
    slk_status s = slk_train_dir_make(&t->dir, err);
    if (s == SLK_OK && t->cli->force) s = slk_train_dir_clear(&t->dir, err);
    if (s == SLK_OK) s = slk_train_dir_check_space(&t->dir, t->model, t->memory.n_trained, t->lora.rank > 0, err);
    if (s == SLK_OK) s = slk_params_create(&t->params, t->model, t->frozen, t->lora.rank ? &t->lora : NULL, err);
    t->options.state = t->dir.state;
    t->options.settings = t->settings;
    if (s == SLK_OK)
        s = slk_trainer_create(&t->trainer, t->params, t->data.sequences, t->data.examples[SLK_WATCH_TRAIN].n,
                               &t->options, err);
    if (s == SLK_OK && t->checkpoint) s = slk_trainer_resume(t->trainer, t->checkpoint, err);
    int32_t epoch = s == SLK_OK ? slk_trainer_get_state(t->trainer)->epoch : -1;
    if (s == SLK_OK && !t->checkpoint) {
        json_t *config = make_config(t);
        s = config ? slk_train_dir_describe(&t->dir, config, &t->data, err)
                   : slk_fail(err, SLK_E_MEMORY, "out of memory");
        json_decref(config);
    }
    if (s == SLK_OK) s = slk_log_rewind(t->dir.log, epoch, err);
    if (s == SLK_OK) s = slk_log_rewind(t->dir.fitted, epoch, err);
    return s;
}

static slk_status train(training *t, slk_err *err)
{
    const slk_trainer_hooks hooks = {
        .user = t, .evaluate = evaluate, .save = save, .record = record, .progress = slk_cli_progress(t->cli)};
    const slk_train_state *state = slk_trainer_get_state(t->trainer);
    const slk_examples *examples = &t->data.examples[SLK_WATCH_TRAIN];
    size_t n_steps = (examples->n + (size_t)opt.batch - 1) / (size_t)opt.batch;
    if (t->checkpoint) {
        slk_cli_note(t->cli, "%s: goes on after step %lld, in epoch %d", t->dir.path, (long long)state->step,
                     state->epoch + 1);
        slk_checkpoint_close(t->checkpoint);
        t->checkpoint = NULL;
    } else {
        slk_cli_note(t->cli, "training %s%s on %s examples, %s values, at most %d epoch%s of %s step%s (%s)",
                     t->model->config.name, t->lora.rank ? " with an adapter" : "", slk_show_count(examples->n).text,
                     slk_show_count((uint64_t)slk_params_n_trained(t->params)).text, t->options.n_epochs,
                     t->options.n_epochs == 1 ? "" : "s", slk_show_count(n_steps).text, n_steps == 1 ? "" : "s",
                     slk_compute_kernel_set(t->model->compute));
    }
    slk_train_view_head(&t->view);
    slk_status s = slk_train_view_replay(&t->view, t->dir.log, err);
    if (s == SLK_OK) s = slk_trainer_run(t->trainer, &hooks, err);
    int64_t bad = slk_trainer_bad_example(t->trainer);
    if (s != SLK_OK && bad >= 0) return slk_examples_fail_in(examples, (size_t)bad, s, err);
    if (s != SLK_OK) return s;
    const char *last = strcmp(opt.save_as, "gguf") == 0 ? t->dir.last_gguf : t->dir.last;
    const char *best = strcmp(opt.save_as, "gguf") == 0 ? t->dir.best_gguf : t->dir.best;
    if (state->best_epoch >= 0)
        slk_cli_note(t->cli, "%s: epoch %d; %s: the best, epoch %d (dev %.1f%%)", last, state->epoch, best,
                     state->best_epoch, 100 * state->best_score);
    else
        slk_cli_note(t->cli, "%s: epoch %d", last, state->epoch);
    return SLK_OK;
}

static void release(training *t)
{
    slk_trainer_free(t->trainer);
    slk_params_free(t->params);
    slk_checkpoint_close(t->checkpoint);
    slk_watch_result_release(&t->watched);
    slk_train_data_release(&t->data);
    slk_train_dir_release(&t->dir);
    slk_model_close(t->model);
    json_decref(t->settings);
}

static slk_status prepare(training *t, slk_err *err)
{
    slk_status s = read_options(t, err);
    if (s == SLK_OK) s = slk_train_data_read(&t->data, t->cli, err);
    if (s == SLK_OK) s = slk_train_dir_open(&t->dir, t->cli, opt.output, err);
    if (s == SLK_OK) s = find_checkpoint(t, err);
    if (s == SLK_OK) s = slk_cli_load_trainable(&t->model, t->cli, t->cli->args[0], err);
    if (s != SLK_OK) return s;
    slk_cli_note_chat(t->cli, t->model, false);
    note_quantised(t);
    s = slk_train_data_prepare(&t->data, t->cli, t->model, err);
    if (s == SLK_OK) s = choose_stop(t, err);
    if (s != SLK_OK) return s;
    t->settings = make_settings(t);
    s = t->settings ? compare_begun(t, err) : slk_fail(err, SLK_E_MEMORY, "out of memory");
    slk_train_view_init(&t->view, t->cli, &t->data, t->options.n_epochs);
    return s;
}

static slk_status run(slk_cli *cli, slk_err *err)
{
    training t = {.cli = cli, .dir = {.lock = -1}};
    cli->output = opt.output;
    slk_status s = prepare(&t, err);
    if (s == SLK_OK && t.checkpoint && slk_checkpoint_state(t.checkpoint)->finished) {
        s = show_finished(&t, err);
        release(&t);
        return s;
    }
    if (s == SLK_OK) s = plan_memory(&t, err);
    if (s == SLK_OK) s = start(&t, err);
    if (s == SLK_OK) s = train(&t, err);
    release(&t);
    return s;
}

const slk_command slk_cmd_train = {
    .name = "train",
    .group = SLK_GROUP_TRAIN,
    .summary = "fine-tune a model and watch what that does to what it knows",
    .synopsis = "MODEL DATA|-",
    .about =
        "Trains on the questions and answers of DATA (JSON lines, JSON, CSV, TSV; category is optional, slick labels "
        "--jsonl gives it). Before the first update and after every epoch it asks all of them, and dev, test and "
        "out-of-distribution facts, and shows which Known and Unknown examples are fitted, what was known and is lost "
        "(HighlyKnown test facts answered wrongly), and what is gained.\n\n"
        "DIR: best/ (the epoch with the best dev accuracy) and last/, usable as MODEL (with --lora-rank: as "
        "--adapter); "
        "log.jsonl, a line an epoch; config.json; examples.jsonl and fitted.jsonl; state.safetensors, from which the "
        "same command goes on with the same result as if it had never stopped (docs/training.md).\n\n"
        "--json: the lines of log.jsonl",
    .examples = {"slick train base.gguf train.jsonl -o run --lr 1e-4",
                 "slick train base.gguf train.jsonl -o run --lora-rank 16 --dev dev.jsonl --test test.jsonl"},
    .n_args_min = 2,
    .n_args_max = 2,
    .options = OPTIONS,
    .run = run,
};
