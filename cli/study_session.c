/* A study that is open: its file, the store, the labels, the plan. */
#include "study.h"

#include <stdlib.h>
#include <string.h>
#include "base/guess.h"
#include "base/mem.h"
#include "data/select.h"
#include "engine.h"
#include "know/ptrue.h"
#include "store/labels.h"
#include "store/merge.h"
#include "store_common.h"
#include "study/labels.h"
#include "terminal.h"

slk_study_opt slk_study_options;

/* Facts, labels and runs that lie elsewhere. The same again changes nothing. */
static slk_status bring(slk_study_session *s, slk_err *err)
{
    slk_merge_report report;
    return slk_store_merge(s->store, &report, slk_study_options.from, err);
}

static slk_status note_material(const slk_study_session *s)
{
    const slk_study_facts *sets = s->material.sets;
    slk_cli_note(s->cli, "set '%s': %s train facts to draw from; %s dev, %s test, %s out-of-distribution facts to ask",
                 s->material.set, slk_show_count(sets[SLK_SET_TRAIN].n).text, slk_show_count(sets[SLK_SET_DEV].n).text,
                 slk_show_count(sets[SLK_SET_TEST].n).text, slk_show_count(sets[SLK_SET_OOD].n).text);
    return SLK_OK;
}

slk_status slk_study_session_open(slk_study_session *s, slk_cli *cli, const char *path, slk_store_mode mode,
                                  slk_err *err)
{
    const char *from = slk_study_options.from;
    *s = (slk_study_session){.cli = cli};
    slk_status status = slk_study_config_read(&s->config, path, err);
    if (status == SLK_OK) status = slk_cli_open_store(&s->store, cli, from ? SLK_STORE_CREATE : mode, err);
    if (status == SLK_OK && from) status = bring(s, err);
    return status == SLK_OK ? slk_study_material_load(&s->material, s->store, &s->config, err) : status;
}

void slk_study_session_release(slk_study_session *s)
{
    slk_study_plan_release(&s->plan);
    slk_study_material_release(&s->material);
    slk_model_close(s->model);
    slk_store_close(s->store);
    slk_study_config_release(&s->config);
    free(s->wanted);
}

slk_status slk_study_session_model(slk_study_session *s, slk_err *err)
{
    if (s->model) return SLK_OK;
    slk_status status = slk_cli_load_model(&s->model, s->cli, s->config.model, NULL, err);
    if (status != SLK_OK) return slk_study_config_fail_in(&s->config, "model", status, err);
    s->n_threads = slk_compute_n_threads(s->model->compute);
    return SLK_OK;
}

void slk_study_session_close_model(slk_study_session *s)
{
    slk_model_close(s->model);
    s->model = NULL;
}

/* --- labels ------------------------------------------------------------------------------------------------------- */

slk_status slk_study_session_find_labels(slk_study_session *s, size_t *n_open, size_t *n_p_true, slk_err *err)
{
    *n_p_true = 0;
    slk_status status = slk_study_session_model(s, err); /* whose labels they are */
    if (status == SLK_OK)
        status = slk_study_find_labels(&s->label_set, n_open, s->store, &s->config, &s->material, s->model,
                                       s->cli->dtype, err);
    if (status != SLK_OK || !s->config.labels.p_true) return status;
    if (s->label_set) return slk_study_count_p_true(n_p_true, s->store, s->label_set, &s->material, err);
    *n_p_true = s->material.sets[SLK_SET_TEST].n;
    return SLK_OK;
}

/* P(True) beside labels that are complete. Those of another machine's kernels cannot be added to here. */
static slk_status complete_p_true(slk_study_session *s, slk_err *err)
{
    bool skipped;
    slk_status status = slk_study_measure_p_true(s->store, s->label_set, &s->material, s->model,
                                                 slk_cli_progress(s->cli), &skipped, err);
    if (status == SLK_OK && skipped)
        slk_cli_warn(s->cli,
                     "P(True) is missing, and label set %lld was made with other kernels: figure 5 is left out "
                     "(slick probe and slick ptrue there add it)",
                     (long long)s->label_set);
    return status;
}

slk_status slk_study_session_label(slk_study_session *s, slk_err *err)
{
    size_t n_open, n_p_true, shard = 0, n_shards = 1;
    if (slk_study_options.shard && slk_shard_parse(&shard, &n_shards, slk_study_options.shard, err) != SLK_OK)
        return slk_cli_usage(s->cli, err, "--shard: %s", err->msg);
    note_material(s);
    slk_status status = slk_study_session_find_labels(s, &n_open, &n_p_true, err);
    if (status != SLK_OK) return status;
    if (n_open == 0 && n_p_true == 0) {
        slk_cli_note(s->cli, "label set %lld has all labels", (long long)s->label_set);
        return SLK_OK;
    }
    if (n_open == 0 && n_shards == 1) return complete_p_true(s, err);
    int n_jobs = slk_study_options.shard ? 1 : slk_study_label_jobs(s, n_open);
    char processes[32] = "";
    if (n_jobs > 1) snprintf(processes, sizeof processes, ", %d processes", n_jobs);
    slk_cli_note(s->cli, "%s facts have no label yet: probing with %s (%s%s)", slk_show_count(n_open).text,
                 s->model->config.name, slk_compute_kernel_set(s->model->compute), processes);
    if (n_jobs > 1) return slk_study_label_parts(s, n_open, n_jobs, err);
    return slk_study_probe(&s->label_set, s->store, &s->config, &s->material, s->model, shard, n_shards,
                           slk_cli_progress(s->cli), err);
}

/* --- runs --------------------------------------------------------------------------------------------------------- */

static slk_status check_labelled(const slk_study_session *s, slk_err *err)
{
    static const slk_study_set sets[] = {SLK_SET_TRAIN, SLK_SET_TEST, SLK_SET_OOD};
    size_t n_missing = 0;
    for (size_t k = 0; k < 3; k++) n_missing += s->material.sets[sets[k]].n - s->material.sets[sets[k]].n_labelled;
    if (n_missing == 0) return SLK_OK;
    return slk_fail(err, SLK_E_STATE, "%s: %zu facts of the study have no label in label set %lld",
                    slk_store_path(s->store), n_missing, (long long)s->label_set);
}

/* Names of --only to numbers of runs. */
static slk_status choose_runs(slk_study_session *s, slk_err *err)
{
    const slk_list *only = &slk_study_options.only;
    s->wanted = slk_alloc(s->plan.n_runs, sizeof *s->wanted);
    if (!s->wanted) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    for (size_t k = 0; k < only->n; k++) {
        char name[SLK_RUN_NAME_BYTES], guess[SLK_RUN_NAME_BYTES] = "";
        unsigned best = ~0u;
        bool found = false;
        for (size_t i = 0; i < s->plan.n_runs; i++) {
            found |= strcmp(slk_run_name(name, &s->plan.runs[i]), only->items[k]) == 0;
            if (slk_is_near(only->items[k], name, &best)) memcpy(guess, name, sizeof guess);
        }
        if (!found)
            return slk_cli_usage(s->cli, err, "--only %s: the study has no such run%s%s%s", only->items[k],
                                 guess[0] ? ", did you mean " : " (slick study status lists them)", guess,
                                 guess[0] ? "?" : "");
    }
    for (size_t i = 0; i < s->plan.n_runs; i++) {
        char name[SLK_RUN_NAME_BYTES];
        bool wanted = only->n == 0;
        slk_run_name(name, &s->plan.runs[i]);
        for (size_t k = 0; k < only->n; k++) wanted |= strcmp(name, only->items[k]) == 0;
        if (wanted) s->wanted[s->n_wanted++] = i;
    }
    return SLK_OK;
}

slk_status slk_study_session_plan(slk_study_session *s, slk_err *err)
{
    slk_status status = slk_study_material_label(&s->material, s->store, s->label_set, err);
    if (status == SLK_OK) status = check_labelled(s, err);
    if (status == SLK_OK) status = slk_study_plan_make(&s->plan, &s->config, &s->material, err);
    return status == SLK_OK ? choose_runs(s, err) : status;
}

static slk_status put_facts(slk_study_session *s, slk_study_set set, slk_err *err)
{
    const slk_study_facts *facts = &s->material.sets[set];
    slk_set_fact *items = slk_alloc_zero(facts->n, sizeof *items);
    if (!items) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    for (size_t i = 0; i < facts->n; i++)
        items[i] = (slk_set_fact){.fact_id = facts->items[i]->id, .category = facts->categories[i]};
    slk_status status = slk_store_put_study_facts(s->store, s->study, set, items, facts->n, err);
    free(items);
    return status;
}

static slk_status register_all(slk_study_session *s, slk_err *err)
{
    const slk_study_plan *plan = &s->plan;
    slk_status status =
        slk_store_begin_study(s->store, &s->study, s->config.name, plan->description, s->label_set, err);
    if (status == SLK_OK) status = slk_store_show_study(s->store, s->study, s->config.name, plan->shown, err);
    for (int set = SLK_SET_DEV; set < SLK_N_STUDY_SETS && status == SLK_OK; set++)
        status = put_facts(s, (slk_study_set)set, err);
    return status == SLK_OK ? slk_store_put_runs(s->store, s->study, plan->runs, plan->n_runs, err) : status;
}

slk_status slk_study_session_register(slk_study_session *s, slk_err *err)
{
    slk_status status = slk_store_begin(s->store, err);
    if (status != SLK_OK) return status;
    status = register_all(s, err);
    if (status == SLK_OK) return slk_store_commit(s->store, err);
    slk_store_rollback(s->store);
    return status;
}

const slk_study_run *slk_study_find_run(const slk_study_run *rows, size_t n, const slk_study_run *run)
{
    for (size_t i = 0; i < n; i++) {
        if (rows[i].seed == run->seed && rows[i].lr == run->lr && strcmp(rows[i].variant, run->variant) == 0)
            return &rows[i];
    }
    return NULL;
}
