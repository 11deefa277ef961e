/* slick study: the whole experiment, from one file. */
#include "study.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "data/select.h"
#include "store_common.h"
#include "study/claim.h"

#define opt slk_study_options

static const slk_option OPTIONS[] = {
    SLK_OPT_INT("jobs", &opt.jobs, "N", NULL, 1, 1024, "run, probe: so many processes (default: FILE's, or 1)"),
    SLK_OPT_LIST("only", &opt.only, "RUN,...", "run, plan: these runs, as status names them"),
    SLK_OPT_STR("from", &opt.from, "STORE", NULL, "run, probe: bring what this store has first"),
    SLK_OPT_STR("shard", &opt.shard, "I/N", NULL, "probe: the I-th of N parts, 0 <= I < N"),
    SLK_OPT_INT("shards", &opt.shards, "N", "8", 1, 100000, "plan: parts that probing is cut into"),
    SLK_OPT_STR("parts", &opt.parts, "DIR", NULL, "plan: folder of the stores that its commands write"),
    SLK_OPT_REAL("save-every", &opt.save_every, "MIN", "5", 0, 100000, "run: minutes between checkpoints"),
    SLK_OPT_INT("study", &opt.study, "ID", NULL, 1, 1e15, "status: which study (default: the newest)"),
    SLK_OPT_FLAG("table", &opt.table, "new: the keys as a table in Markdown"),
    SLK_OPT_END};

/* --- a worker ----------------------------------------------------------------------------------------------------- */

typedef struct work {
    slk_cli *cli;
    slk_heartbeat *heartbeat;
} work;

/* Nothing is shown: the parent tells what it sees in the store. */
static bool on_progress(void *user, const slk_progress_event *event)
{
    work *w = user;
    const slk_progress *display = slk_cli_progress(w->cli); /* Ctrl-C, SIGTERM */
    return display->report(display->user, event) && !slk_heartbeat_is_lost(w->heartbeat);
}

/* The run's end, whichever it is. What a person has to know of a failure that is not the run's own comes out as the
 * command's error; a run that fails for good says so in the store. */
static slk_status end_run(work *w, slk_store *store, const slk_study_run *run, const char *worker, slk_status status,
                          bool is_final, slk_err *err)
{
    char name[SLK_RUN_NAME_BYTES];
    if (status == SLK_OK) return SLK_OK;
    bool is_lost = slk_heartbeat_is_lost(w->heartbeat) ||
                   slk_store_renew_claim(store, run->id, worker, slk_clock_unix(), NULL) == SLK_E_STATE;
    if (is_lost) return SLK_OK; /* another worker has it, and will bring it to its end */
    if (is_final) {
        w->cli->verdict = true;
        return slk_store_fail_run(store, run->id, worker, err->msg, err);
    }
    slk_store_release_claim(store, run->id, worker, NULL);
    if (status == SLK_E_INTERRUPTED) return SLK_OK;
    return slk_fail_in(err, status, "%s", slk_run_name(name, run));
}

static slk_status work_on(work *w, slk_study_session *s, const slk_study_run *run, int64_t memory, slk_err *err)
{
    char worker[SLK_WORKER_NAME_BYTES];
    int64_t claimed;
    bool is_final = false;
    slk_worker_name(worker, getpid());
    slk_status status =
        slk_store_claim_run(s->store, s->study, run->id, worker, slk_clock_unix(), SLK_CLAIM_STALE_S, &claimed, err);
    if (status != SLK_OK || claimed == 0) return status; /* another worker was quicker */
    status = slk_heartbeat_start(&w->heartbeat, slk_store_path(s->store), run->id, worker, SLK_CLAIM_RENEW_S, err);
    if (status != SLK_OK) {
        slk_store_release_claim(s->store, run->id, worker, NULL);
        return status;
    }
    const slk_progress progress = {on_progress, w};
    const slk_study_job job = {.store = s->store,
                               .study = s->study,
                               .plan = &s->plan,
                               .run = run,
                               .worker = worker,
                               .n_threads = (int)w->cli->threads,
                               .save_every_s = 60 * opt.save_every,
                               .memory = (size_t)memory,
                               .progress = &progress};
    status = slk_study_execute(&job, &is_final, err);
    status = end_run(w, s->store, run, worker, status, is_final, err);
    slk_heartbeat_free(w->heartbeat);
    return status;
}

slk_status slk_study_work(slk_cli *cli, const char *path, int64_t study, int64_t run_id, int64_t memory, slk_err *err)
{
    slk_study_session s;
    slk_study_info info = {0};
    slk_study_run *rows = NULL;
    const slk_study_run *row = NULL;
    size_t n_rows = 0;
    work w = {.cli = cli};
    slk_cli_progress(cli); /* from here on signals are heard */
    slk_status status = slk_study_session_open(&s, cli, path, SLK_STORE_WRITE, err);
    if (status == SLK_OK) status = slk_store_set_durable(s.store, err);
    if (status == SLK_OK) status = slk_store_find_study(s.store, &info, study, err);
    s.study = study;
    s.label_set = info.label_set_id;
    if (status == SLK_OK) status = slk_study_session_plan(&s, err);
    if (status == SLK_OK && strcmp(s.plan.description, info.description) != 0)
        status = slk_fail(err, SLK_E_STATE, "%s: was changed since study %lld was begun", path, (long long)study);
    if (status == SLK_OK) status = slk_store_load_runs(s.store, study, &rows, &n_rows, err);
    for (size_t i = 0; i < n_rows; i++) {
        if (rows[i].id == run_id) row = &rows[i];
    }
    if (status == SLK_OK && !row)
        status = slk_fail(err, SLK_E_NOT_FOUND, "%s: study %lld has no run %lld", cli->store, (long long)study,
                          (long long)run_id);
    if (status == SLK_OK) status = work_on(&w, &s, row, memory, err);
    slk_store_free_runs(rows, n_rows);
    slk_study_info_release(&info);
    slk_study_session_release(&s);
    return status;
}

/* --- verbs -------------------------------------------------------------------------------------------------------- */

static slk_status print_new(slk_err *err)
{
    slk_buf text = {0};
    if (opt.table)
        slk_study_config_add_table(&text);
    else
        slk_study_config_add_template(&text);
    slk_status status = text.failed ? slk_fail(err, SLK_E_MEMORY, "out of memory") : SLK_OK;
    if (status == SLK_OK) fputs(text.data, stdout);
    slk_buf_release(&text);
    return status;
}

/* Labels, and then (runs) all that is missing of the runs. */
static slk_status run_study(slk_cli *cli, const char *path, bool runs, slk_err *err)
{
    slk_study_session s;
    slk_status status = slk_study_session_open(&s, cli, path, SLK_STORE_WRITE, err);
    if (status == SLK_OK) status = slk_study_session_label(&s, err);
    if (status == SLK_OK && runs) status = slk_study_session_plan(&s, err);
    if (status == SLK_OK && runs) status = slk_study_session_register(&s, err);
    if (status == SLK_OK && runs) status = slk_study_crew_run(&s, err);
    slk_study_session_release(&s);
    return status;
}

/* A worker of labels. What it has when it is stopped is in the store, and its parent knows. */
static slk_status label_part(slk_cli *cli, const char *path, slk_err *err)
{
    slk_status status = run_study(cli, path, false, err);
    return status == SLK_E_INTERRUPTED ? SLK_OK : status;
}

static slk_status work_by_arguments(slk_cli *cli, slk_err *err)
{
    int64_t numbers[3];
    for (int i = 0; i < 3; i++) {
        if (cli->n_args != 5 || !slk_parse_i64(cli->args[2 + i], &numbers[i]))
            return slk_cli_usage(cli, err, "work: is for the workers that study run starts");
    }
    return slk_study_work(cli, cli->args[1], numbers[0], numbers[1], numbers[2], err);
}

static slk_status run(slk_cli *cli, slk_err *err)
{
    static const struct {
        const char *verb;
        int n_args;
    } verbs[] = {{"new", 1}, {"run", 2}, {"probe", 2}, {"status", 1}, {"plan", 2}, {"label", 2}, {"work", 5}};
    const char *verb = cli->args[0];
    size_t i = 0;
    while (i < sizeof verbs / sizeof *verbs && strcmp(verb, verbs[i].verb) != 0) i++;
    if (i == sizeof verbs / sizeof *verbs)
        return slk_cli_usage(cli, err, "'%s': expected new, run, probe, status or plan", verb);
    if (cli->n_args != verbs[i].n_args)
        return slk_cli_usage(cli, err,
                             verbs[i].n_args == 1 ? "%s: takes no FILE"
                                                  : "%s: FILE is missing, or one "
                                                    "argument too many",
                             verb);
    if (opt.shard && strcmp(verb, "probe") != 0 && strcmp(verb, "label") != 0)
        return slk_cli_usage(cli, err, "--shard is for study probe");
    if (opt.only.n && strcmp(verb, "run") != 0 && strcmp(verb, "plan") != 0)
        return slk_cli_usage(cli, err, "--only is for study run and study plan");
    if (strcmp(verb, "new") == 0) return print_new(err);
    if (strcmp(verb, "run") == 0) return run_study(cli, cli->args[1], true, err);
    if (strcmp(verb, "probe") == 0) return run_study(cli, cli->args[1], false, err);
    if (strcmp(verb, "status") == 0) return slk_study_show_status(cli, err);
    if (strcmp(verb, "plan") == 0) return slk_study_show_plan(cli, cli->args[1], err);
    if (strcmp(verb, "label") == 0) return label_part(cli, cli->args[1], err);
    return work_by_arguments(cli, err);
}

const slk_command slk_cmd_study = {
    .name = "study",
    .group = SLK_GROUP_KNOW,
    .summary = "run the whole experiment from one file: labels, fine-tuning sets, runs",
    .synopsis = "new\nrun FILE\nstatus\nplan FILE\nprobe FILE",
    .about =
        "new: prints a commented study file with every key (docs/study-file.md).\n\n"
        "run: labels what has no label yet, draws the fine-tuning sets, and fine-tunes on each of them with each seed "
        "and learning rate, both with --jobs processes. Stopped or killed at any moment, the same "
        "command does what is missing, and runs go on from their checkpoints; several at once share the work.\n\n"
        "status: what is done, running and missing, also while a study runs.\n\n"
        "plan: the missing work as commands, one a line, each with a store of its own, for Slurm arrays, GNU parallel "
        "or make (docs/cluster.md); slick merge puts their stores together. probe: the labels alone.\n\n"
        "status --json: {\"study\", \"epochs\", \"done\", ..., \"runs\": [...]}; plan --json: [command, ...]",
    .examples = {"slick study new > study.yaml", "slick study run study.yaml --jobs 2", "slick study status",
                 "slick study plan study.yaml | parallel -j 4"},
    .n_args_min = 1,
    .n_args_max = 5,
    .options = OPTIONS,
    .run = run,
};
