#include "study/run.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/folder.h"
#include "base/mem.h"
#include "study/claim.h"
#include "study/run_impl.h"

static slk_status no_memory(slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "out of memory");
}

/* --- folders ------------------------------------------------------------------------------------------------------ */

char *slk_study_folder(const char *store_path, int64_t run_id)
{
    slk_buf path = {0};
    slk_buf_addf(&path, run_id ? "%s.runs/%lld" : "%s.runs", store_path, (long long)run_id);
    return slk_buf_take(&path);
}

static slk_status fail_io(const char *path, const char *what, slk_err *err)
{
    return slk_fail(err, SLK_E_IO, "%s: %s: %s", path, what, strerror(errno));
}

/* A file, or a folder with all that is in it (at most `depth` levels). What is not there is removed. */
static slk_status remove_all(const char *path, int depth, slk_err *err)
{
    struct stat st;
    if (lstat(path, &st) != 0) return errno == ENOENT ? SLK_OK : fail_io(path, "cannot be removed", err);
    if (!S_ISDIR(st.st_mode))
        return unlink(path) == 0 || errno == ENOENT ? SLK_OK : fail_io(path, "cannot be removed", err);
    DIR *dir = depth > 0 ? opendir(path) : NULL;
    if (!dir) return fail_io(path, "cannot be removed", err);
    slk_status s = SLK_OK;
    for (struct dirent *entry; s == SLK_OK && (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char *inner = slk_path_join(path, entry->d_name);
        s = inner ? remove_all(inner, depth - 1, err) : no_memory(err);
        free(inner);
    }
    closedir(dir);
    if (s == SLK_OK && rmdir(path) != 0 && errno != ENOENT) s = fail_io(path, "cannot be removed", err);
    return s;
}

slk_status slk_study_clear_folder(const char *store_path, int64_t run_id, bool keep_best, slk_err *err)
{
    char *folder = slk_study_folder(store_path, run_id), *parent = slk_study_folder(store_path, 0);
    slk_status s = folder && parent ? SLK_OK : no_memory(err);
    DIR *dir = s == SLK_OK ? opendir(folder) : NULL;
    for (struct dirent *entry; dir && s == SLK_OK && (entry = readdir(dir)) != NULL;) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || (keep_best && strcmp(name, "best") == 0)) continue;
        char *inner = slk_path_join(folder, name);
        s = inner ? remove_all(inner, 3, err) : no_memory(err);
        free(inner);
    }
    if (dir) closedir(dir);
    if (s == SLK_OK && rmdir(folder) == 0) rmdir(parent); /* neither, while something is in it */
    free(folder);
    free(parent);
    return s;
}

static slk_status make_folder(const char *path, slk_err *err)
{
    return mkdir(path, 0777) == 0 || errno == EEXIST ? SLK_OK : fail_io(path, "cannot make the folder", err);
}

/* Make the run's folder, and name what lies in it. */
static slk_status set_paths(slk_running *r, slk_err *err)
{
    const char *store = slk_store_path(r->job->store);
    char *parent = slk_study_folder(store, 0), *folder = slk_study_folder(store, r->job->run->id);
    slk_status s = parent && folder ? make_folder(parent, err) : no_memory(err);
    if (s == SLK_OK) s = make_folder(folder, err);
    if (s == SLK_OK) {
        r->state_path = slk_path_join(folder, "state.safetensors");
        r->best_path = slk_path_join(folder, "best");
        if (!r->state_path || !r->best_path) s = no_memory(err);
    }
    free(parent);
    free(folder);
    return s;
}

/* --- options ------------------------------------------------------------------------------------------------------ */

static unsigned bits_of(const slk_study_words *words, const char *const *names, size_t n)
{
    unsigned bits = 0;
    for (size_t i = 0; i < words->n; i++) {
        for (size_t k = 0; k < n; k++) bits |= (unsigned)(strcmp(words->items[i], names[k]) == 0) << k;
    }
    return bits;
}

static void set_options(slk_running *r, const slk_study_config *c, const slk_study_run *run)
{
    static const char *const groups[] = {"attention", "ffn", "embeddings"}; /* bits of slk_param_group */
    static const char *const targets[] = {"q", "k", "v", "o", "gate", "up", "down"};
    slk_trainer_options *o = &r->options;
    slk_trainer_options_init(o, c->training.lora_rank > 0);
    o->n_epochs = (int32_t)c->epochs;
    o->batch = c->training.batch;
    o->decay = (slk_decay)slk_decay_parse(c->training.schedule);
    o->lr = run->lr;
    o->n_warmup = c->training.warmup;
    o->optimizer = (slk_optimizer_options){.beta1 = c->training.beta1,
                                           .beta2 = c->training.beta2,
                                           .eps = c->training.eps,
                                           .decay = c->training.weight_decay,
                                           .clip = c->training.clip};
    o->dropout = c->training.dropout;
    o->lora_dropout = c->training.lora_dropout;
    o->seed = run->seed;
    o->patience = (int32_t)c->patience;
    o->keep_best = c->evaluate.n > 0; /* else all sets are asked in every epoch */
    r->frozen = bits_of(&c->training.freeze, groups, 3);
    if (c->training.lora_rank == 0) return;
    r->lora = (slk_lora){
        .rank = (int)c->training.lora_rank,
        .alpha = c->training.lora_alpha > 0 ? c->training.lora_alpha : 2.0 * (double)c->training.lora_rank,
        .targets = c->training.lora_targets.n ? bits_of(&c->training.lora_targets, targets, 7) : (1u << 7) - 1,
        .dropout = c->training.lora_dropout,
        .seed = run->seed};
}

static slk_status encode(slk_running *r, const slk_model *model, slk_err *err)
{
    const slk_study_plan *plan = r->job->plan;
    slk_ids prompt = {0}, answer = {0};
    size_t n = 0, cap = 0, at = 0;
    r->sequences = slk_alloc_zero(r->examples.n, sizeof *r->sequences);
    slk_status s = r->sequences ? SLK_OK : no_memory(err);
    for (size_t i = 0; i < r->examples.n && s == SLK_OK; i++) {
        const slk_fact *f = r->examples.items[i];
        s = slk_instruction_encode(plan->instruction, model->tokenizer, model->config.n_context, &prompt, &answer,
                                   f->question, f->answers[0], err);
        if (s == SLK_E_FORMAT || s == SLK_E_ARG) slk_fail_in(err, s, "fact %016llx", (unsigned long long)f->id);
        if (s == SLK_OK && !slk_grow(&r->tokens, &cap, n + prompt.n + answer.n, sizeof *r->tokens)) s = no_memory(err);
        if (s != SLK_OK) break;
        memcpy(r->tokens + n, prompt.ids, prompt.n * sizeof *r->tokens);
        memcpy(r->tokens + n + prompt.n, answer.ids, answer.n * sizeof *r->tokens);
        n += prompt.n + answer.n;
        r->sequences[i] =
            (slk_sequence){.key = f->id, .n_tokens = (int32_t)(prompt.n + answer.n), .n_prompt = (int32_t)prompt.n};
    }
    for (size_t i = 0; i < r->examples.n && s == SLK_OK; i++) { /* the tokens do not move any more */
        r->sequences[i].tokens = r->tokens + at;
        at += (size_t)r->sequences[i].n_tokens;
    }
    free(prompt.ids);
    free(answer.ids);
    return s;
}

/* --- checkpoints -------------------------------------------------------------------------------------------------- */

/* What decides the run's bits. micro_rows, which memory may lower, follows. */
static json_t *make_settings(const slk_running *r)
{
    const slk_study_run *run = r->job->run;
    char hash[24], seed[24];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)r->model->hash);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)run->seed);
    return json_pack("{s:s, s:s, s:s, s:f, s:s, s:s, s:s, s:i, s:b}", "study", r->job->plan->description, "variant",
                     run->variant, "seed", seed, "lr", run->lr, "model", hash, "dtype",
                     slk_compute_dtype(r->model->compute) == SLK_DTYPE_BF16 ? "bf16" : "f32", "kernels",
                     slk_compute_kernel_set(r->model->compute), "threads", slk_compute_n_threads(r->model->compute),
                     "keep_best", r->options.keep_best);
}

static int64_t setting_of(const slk_checkpoint *checkpoint, const char *key)
{
    return json_integer_value(json_object_get(slk_checkpoint_settings(checkpoint), key));
}

/* Does the store have all epochs that the checkpoint builds on? */
static slk_status has_epochs(bool *out, const slk_running *r, int32_t last, slk_err *err)
{
    slk_run_epoch *epochs;
    size_t n;
    slk_status s = slk_store_load_epochs(r->job->store, r->job->run->id, false, &epochs, &n, err);
    *out = s == SLK_OK && (int64_t)n >= (int64_t)last + 1 &&
           (last < 0 || epochs[last].epoch == last); /* ascending and different: then none is missing */
    free(epochs);
    return s;
}

/* Is the checkpoint of this run, on these kernels, with its epochs in the store? Else the run begins anew. */
static slk_status check_checkpoint(slk_running *r, slk_err *err)
{
    if (!r->checkpoint) return SLK_OK;
    int64_t rows = setting_of(r->checkpoint, "micro_rows");
    bool usable = rows >= 1;
    json_object_set_new(r->settings, "micro_rows", json_integer(rows));
    if (usable) usable = slk_settings_compare(slk_checkpoint_settings(r->checkpoint), r->settings, "", NULL) == SLK_OK;
    slk_status s = SLK_OK;
    if (usable) s = has_epochs(&usable, r, slk_checkpoint_state(r->checkpoint)->epoch, err);
    if (s == SLK_OK && usable) {
        r->options.max_rows = rows;
        return SLK_OK;
    }
    slk_checkpoint_close(r->checkpoint);
    r->checkpoint = NULL;
    return s;
}

static slk_status plan_memory(slk_running *r, const slk_model *model, size_t memory, slk_err *err)
{
    if (memory == 0) {
        memory = slk_memory_available();
        if (memory != SIZE_MAX) memory = memory / 20 * 19;
    }
    return slk_train_plan_memory(&r->memory, model, r->frozen, r->lora.rank ? &r->lora : NULL, r->sequences,
                                 r->examples.n, &r->options, SLK_RECOMPUTE_AUTO, r->checkpoint != NULL, memory, err);
}

/* --- the run ------------------------------------------------------------------------------------------------------ */

static slk_status open_model(slk_running *r, slk_err *err)
{
    const slk_study_plan *plan = r->job->plan;
    const slk_label_settings *labels = &plan->material->labels.settings;
    slk_model_options options = {
        .compute = {.backend = SLK_BACKEND_DNNL,
                    .dtype = strcmp(labels->dtype, "bf16") == 0 ? SLK_DTYPE_BF16 : SLK_DTYPE_F32,
                    .n_threads = r->job->n_threads},
        .trainable = true};
    if (r->checkpoint) {
        int64_t threads = setting_of(r->checkpoint, "threads");
        if (threads >= 1 && threads <= 1024) options.compute.n_threads = (int)threads;
    }
    slk_status s = slk_model_open(&r->model, plan->config->model, &options, err);
    if (s != SLK_OK || r->model->hash == labels->model_hash) return s;
    slk_fail(err, SLK_E_STATE, "%s is not the model of label set %lld ('%s')", plan->config->model,
             (long long)plan->material->labels.id, labels->model_name);
    return slk_study_config_fail_in(plan->config, "model", SLK_E_STATE, err);
}

static slk_status prepare(slk_running *r, slk_err *err)
{
    const slk_study_job *job = r->job;
    slk_status s = slk_match_parse(&r->match, job->plan->material->labels.settings.match, err);
    set_options(r, job->plan->config, job->run);
    r->options.save_every_s = job->save_every_s > 0 ? job->save_every_s : 1e-9;
    r->options.save_epoch_s = job->save_every_s;
    if (s == SLK_OK) s = set_paths(r, err);
    /* One that cannot be read is as good as none. */
    if (s == SLK_OK && slk_file_exists(r->state_path)) slk_checkpoint_open(&r->checkpoint, r->state_path, NULL);
    if (s == SLK_OK) s = open_model(r, err);
    if (s == SLK_OK) s = slk_study_draw(&r->examples, job->plan, job->run, err);
    if (s == SLK_OK) s = encode(r, r->model, err);
    if (s == SLK_OK) s = slk_running_init_sets(r, err);
    if (s != SLK_OK) return s;
    r->settings = make_settings(r);
    if (!r->settings) return no_memory(err);
    s = check_checkpoint(r, err);
    if (s == SLK_OK) s = plan_memory(r, r->model, job->memory, err);
    if (s != SLK_OK) return s;
    r->options.max_rows = r->memory.max_rows;
    r->options.recompute = r->memory.recompute;
    r->options.state = r->state_path;
    r->options.settings = r->settings;
    json_object_set_new(r->settings, "micro_rows", json_integer(r->memory.max_rows));
    return SLK_OK;
}

static slk_status start(slk_running *r, slk_err *err)
{
    const slk_study_job *job = r->job;
    slk_status s = slk_params_create(&r->params, r->model, r->frozen, r->lora.rank ? &r->lora : NULL, err);
    if (s == SLK_OK) s = slk_trainer_create(&r->trainer, r->params, r->sequences, r->examples.n, &r->options, err);
    if (s == SLK_OK && r->checkpoint) {
        /* Tensors that rotted leave the parameters in no useful state; the next attempt begins anew. */
        s = slk_trainer_resume(r->trainer, r->checkpoint, err);
        if (s != SLK_OK && s != SLK_E_MEMORY) unlink(r->state_path);
    }
    if (s != SLK_OK) return s;
    slk_checkpoint_close(r->checkpoint);
    r->checkpoint = NULL;
    snprintf(r->kernels, sizeof r->kernels, "%.40s %s %dt %lldr", slk_compute_kernel_set(r->model->compute),
             slk_compute_dtype(r->model->compute) == SLK_DTYPE_BF16 ? "bf16" : "f32",
             slk_compute_n_threads(r->model->compute), (long long)r->memory.max_rows);
    s = slk_store_resume_run(job->store, job->run->id, job->worker, slk_trainer_get_state(r->trainer)->epoch + 1,
                             r->kernels, err);
    return s == SLK_OK ? slk_store_put_run_facts(job->store, job->run->id, r->examples.set, r->examples.n, err) : s;
}

static slk_status train(slk_running *r, slk_err *err)
{
    const slk_trainer_hooks hooks = {.user = r,
                                     .evaluate = slk_running_evaluate,
                                     .save = slk_running_save,
                                     .record = slk_running_record,
                                     .revisit = slk_running_revisit,
                                     .progress = r->job->progress};
    r->mark_ms = slk_clock_ms() - slk_trainer_get_state(r->trainer)->ms;
    slk_status s = slk_trainer_run(r->trainer, &hooks, err);
    int64_t bad = slk_trainer_bad_example(r->trainer);
    if (s != SLK_OK && bad >= 0 && (size_t)bad < r->examples.n) {
        const slk_fact *f = r->examples.items[bad];
        slk_fail_in(err, s, "fact %016llx (%.80s)", (unsigned long long)f->id, f->question);
    }
    return s;
}

/* What the store says of the run's epochs makes its last row. */
static slk_status finish(slk_running *r, slk_err *err)
{
    const slk_study_job *job = r->job;
    const slk_train_state *state = slk_trainer_get_state(r->trainer);
    slk_study_run run = *job->run;
    slk_run_epoch *epochs;
    size_t n, n_fitted = 0;
    slk_status s = slk_store_load_epochs(job->store, run.id, true, &epochs, &n, err);
    if (s != SLK_OK) return s;
    run.n_train = (int32_t)r->examples.n;
    run.early_epoch = state->best_epoch;
    run.last_epoch = state->epoch;
    run.wall_s = (slk_clock_ms() - r->mark_ms) / 1e3; /* behind the last epoch */
    for (size_t i = 0; i < n; i++) run.wall_s += epochs[i].wall_s;
    if (n == 0 || epochs[n - 1].epoch != state->epoch || !epochs[n - 1].has[SLK_SET_TRAIN])
        s = slk_fail(err, SLK_E_STATE, "%s: the run's last epoch %d is not in the store", slk_store_path(job->store),
                     state->epoch);
    for (size_t i = 0; s == SLK_OK && i < epochs[n - 1].n[SLK_SET_TRAIN]; i++)
        n_fitted += epochs[n - 1].right[SLK_SET_TRAIN][i / 8] >> (i % 8) & 1;
    run.fitted = (double)n_fitted >= 0.95 * (double)r->examples.n;
    for (size_t i = 0; i < n; i++) slk_run_epoch_release(&epochs[i]);
    free(epochs);
    return s == SLK_OK ? slk_store_finish_run(job->store, &run, job->worker, err) : s;
}

static void release(slk_running *r)
{
    slk_trainer_free(r->trainer);
    slk_params_free(r->params);
    slk_checkpoint_close(r->checkpoint);
    slk_running_release_sets(r);
    slk_study_examples_release(&r->examples);
    free(r->sequences);
    free(r->tokens);
    slk_model_close(r->model);
    json_decref(r->settings);
    free(r->state_path);
    free(r->best_path);
}

/* Would it fail again in the same way? */
static bool is_final_failure(slk_status s)
{
    return s == SLK_E_FORMAT || s == SLK_E_ARG || s == SLK_E_SHAPE || s == SLK_E_UNSUPPORTED;
}

slk_status slk_study_execute(const slk_study_job *job, bool *is_final, slk_err *err)
{
    slk_running r = {.job = job};
    *is_final = false;
    slk_status s = prepare(&r, err);
    if (s == SLK_OK) s = start(&r, err);
    if (s == SLK_OK) {
        s = train(&r, err);
        *is_final = is_final_failure(s);
    }
    if (s == SLK_OK) s = finish(&r, err);
    bool keep_best = strcmp(job->plan->config->keep, "best") == 0;
    release(&r);
    /* What would fail again from the checkpoint has no use for it. */
    if (*is_final) slk_study_clear_folder(slk_store_path(job->store), job->run->id, false, NULL);
    if (s != SLK_OK) return s;
    return slk_study_clear_folder(slk_store_path(job->store), job->run->id, keep_best, err);
}

slk_status slk_study_estimate(slk_study_needs *out, const slk_model *model, const slk_study_plan *plan,
                              const slk_study_run *run, size_t memory, slk_err *err)
{
    const slk_study_job job = {.plan = plan, .run = run};
    slk_running r = {.job = &job};
    memset(out, 0, sizeof *out);
    set_options(&r, plan->config, run);
    slk_status s = slk_study_draw(&r.examples, plan, run, err);
    if (s == SLK_OK) s = encode(&r, model, err);
    if (s == SLK_OK) s = plan_memory(&r, model, memory, err);
    if (s == SLK_OK) {
        uint64_t state = slk_train_state_bytes(r.memory.n_trained, r.options.keep_best);
        out->memory = r.memory;
        out->disk = 2 * state; /* an older one stays until the new one is complete */
        if (strcmp(plan->config->keep, "best") == 0)
            out->kept = r.lora.rank ? 4 * (uint64_t)r.memory.n_trained + (1 << 16)
                                    : model->weights_bytes + 48 * (uint64_t)model->config.n_vocab;
        out->disk += 2 * out->kept;
    }
    release(&r);
    return s;
}
