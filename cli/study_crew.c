/* Worker processes: one for each run that is worked on, `slick study work` of this very program. The parent only looks
 * into the store, starts workers where there are runs to be had, and tells what comes of them; the workers claim their
 * runs, and keep the claims while they live. So several parents share a store, and nothing is lost with any of them. */
#include "study.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include "base/mem.h"
#include "progress.h"
#include "study/claim.h"
#include "terminal.h"
#include "train/memory.h"
#include "worker.h"

enum { LOOK_MS = 500, MAX_DEATHS = 3 };

typedef struct worker {
    pid_t pid; /* 0: no process */
    size_t run;
} worker;

/* What the parent knows of a run beside the store. */
typedef struct run_state {
    int64_t id;
    slk_run_state state;
    bool is_stale;    /* claimed, and the claim is too old */
    bool was_done;    /* before this command */
    bool is_told;     /* its end was */
    bool gave_up;     /* it failed here, and not because of itself */
    int n_deaths;     /* of workers, by signals */
    int32_t n_epochs; /* that are in the store */
    double early, last;
    bool fitted;
} run_state;

typedef struct crew {
    slk_study_session *s;
    run_state *runs;     /* [n] the wanted ones */
    slk_crew_run *shown; /* [n] for a view */
    size_t n;
    worker *workers;       /* [n_jobs] */
    int n_jobs, n_threads; /* threads of a worker */
    size_t memory;         /* bytes of a worker; 0: not known */
    bool stopping;
    size_t n_errors;
    double looked_ms;
} crew;

static const slk_study_run *plan_run(const crew *c, size_t i)
{
    return &c->s->plan.runs[c->s->wanted[i]];
}

static const char *name_of(char out[SLK_RUN_NAME_BYTES], const crew *c, size_t i)
{
    return slk_run_name(out, plan_run(c, i));
}

/* --- looking ------------------------------------------------------------------------------------------------------ */

static slk_status count_epochs(const crew *c, run_state *run, slk_err *err)
{
    slk_run_epoch *epochs;
    size_t n;
    slk_status status = slk_store_load_epochs(c->s->store, run->id, false, &epochs, &n, err);
    run->n_epochs = (int32_t)n;
    free(epochs);
    return status;
}

static double percent(const slk_run_epoch *e, slk_study_set set)
{
    return e->n[set] ? 100.0 * (double)e->n_right[set] / (double)e->n[set] : 0;
}

/* "done: 50 epochs in 12 min; ..." */
static slk_status tell_end(const crew *c, size_t i, const slk_study_run *row, slk_err *err)
{
    char name[SLK_RUN_NAME_BYTES];
    run_state *run = &c->runs[i];
    name_of(name, c, i);
    if (row->state == SLK_RUN_FAILED) {
        if (!c->s->view) slk_cli_warn(c->s->cli, "%s: failed: %s", name, row->error ? row->error : "?");
        return SLK_OK;
    }
    slk_run_epoch *epochs;
    size_t n;
    slk_status status = slk_store_load_epochs(c->s->store, row->id, false, &epochs, &n, err);
    const slk_run_epoch *early = NULL, *last = n ? &epochs[n - 1] : NULL;
    for (size_t k = 0; k < n; k++) {
        if (epochs[k].epoch == row->early_epoch) early = &epochs[k];
    }
    if (status == SLK_OK && early && last) {
        run->early = percent(early, SLK_SET_TEST);
        run->last = percent(last, SLK_SET_TEST);
        run->fitted = row->fitted;
    }
    if (status == SLK_OK && early && last && !c->s->view && !run->was_done)
        slk_cli_note(c->s->cli,
                     "%s: done, %d epochs in %s; test %.1f%% at epoch %d (best dev, %.1f%%), %.1f%% at the end%s", name,
                     row->last_epoch, slk_show_time(row->wall_s).text, run->early, row->early_epoch,
                     percent(early, SLK_SET_DEV), run->last, row->fitted ? "" : " (D is not fitted)");
    free(epochs);
    return status;
}

/* To somebody who wants to draw it. */
static void show(const crew *c)
{
    const slk_crew_view *view = c->s->view;
    if (!view) return;
    for (size_t i = 0; i < c->n; i++) {
        const run_state *r = &c->runs[i];
        bool ended = r->state == SLK_RUN_DONE && r->is_told;
        c->shown[i] = (slk_crew_run){
            plan_run(c, i), r->state, r->n_epochs, ended ? r->early : (double)NAN, ended ? r->last : (double)NAN,
            r->fitted};
    }
    view->show(view->user, c->shown, c->n);
}

/* Read the states, give back the claims of workers that are gone, tell what ended. */
static slk_status look(crew *c, bool first, slk_err *err)
{
    slk_study_run *rows;
    size_t n_rows;
    c->looked_ms = slk_clock_ms();
    slk_status status = slk_claims_sweep(c->s->store, c->s->study, NULL, err);
    if (status == SLK_OK) status = slk_store_load_runs(c->s->store, c->s->study, &rows, &n_rows, err);
    if (status != SLK_OK) return status;
    double now = slk_clock_unix();
    for (size_t i = 0; i < c->n && status == SLK_OK; i++) {
        run_state *run = &c->runs[i];
        const slk_study_run *row = slk_study_find_run(rows, n_rows, plan_run(c, i));
        if (!row) continue; /* cannot be: it was put there */
        run->id = row->id;
        run->state = row->state;
        run->is_stale = row->state == SLK_RUN_CLAIMED && row->claimed_s < now - SLK_CLAIM_STALE_S;
        bool ended = row->state == SLK_RUN_DONE || row->state == SLK_RUN_FAILED;
        if (first) run->was_done = row->state == SLK_RUN_DONE;
        if (first && !c->s->view) run->is_told = run->was_done;
        bool is_counted = run->was_done || (ended && run->is_told);
        if (!is_counted && row->state != SLK_RUN_WAITING) status = count_epochs(c, run, err);
        if (status == SLK_OK && ended && !run->is_told) {
            run->is_told = true;
            status = tell_end(c, i, row, err);
        }
    }
    slk_store_free_runs(rows, n_rows);
    if (status == SLK_OK) show(c);
    return status;
}

/* Over the runs that were not done when the command began; ended ones count whole. */
static bool report(const crew *c)
{
    if (c->s->view) return !slk_progress_was_interrupted();
    uint64_t n_done = 0, n_total = 0, each = (uint64_t)c->s->config.epochs + 1;
    for (size_t i = 0; i < c->n; i++) {
        const run_state *run = &c->runs[i];
        if (run->was_done) continue;
        bool ended = run->state == SLK_RUN_DONE || run->state == SLK_RUN_FAILED;
        n_total += each;
        n_done += ended ? each : (uint64_t)run->n_epochs;
    }
    return slk_progress_report(slk_cli_progress(c->s->cli), "runs", "epochs", n_done, n_total);
}

/* --- workers ------------------------------------------------------------------------------------------------------ */

static slk_status start_worker(crew *c, worker *w, size_t run, slk_err *err)
{
    slk_cli *cli = c->s->cli;
    char study[24], id[24], memory[24], threads[16], minutes[40];
    snprintf(study, sizeof study, "%" PRId64, c->s->study);
    snprintf(id, sizeof id, "%" PRId64, c->runs[run].id);
    snprintf(memory, sizeof memory, "%zu", c->memory);
    snprintf(threads, sizeof threads, "%d", c->n_threads);
    snprintf(minutes, sizeof minutes, "%.17g", slk_study_options.save_every);
    const char *argv[] = {"slick",    "study",     "work",  c->s->config.path, study,   id,        memory, "--store",
                          cli->store, "--threads", threads, "--save-every",    minutes, "--quiet", NULL};
    pid_t pid;
    slk_status status = slk_worker_start(&pid, argv, err);
    if (status == SLK_OK) *w = (worker){pid, run};
    return status;
}

static bool is_worked_on(const crew *c, size_t run)
{
    for (int k = 0; k < c->n_jobs; k++) {
        if (c->workers[k].pid && c->workers[k].run == run) return true;
    }
    return false;
}

/* Of a whole D. */
static double share_of_d(const slk_study_run *run)
{
    return strcmp(run->kind, "known") == 0 ? 1 - run->unknown : 1;
}

/* A run that a worker could have: one that is begun, else the first of those with the largest D, so that nobody waits
 * long for the last. */
static bool find_run(const crew *c, size_t *run)
{
    bool found = false;
    *run = 0;
    for (size_t i = 0; i < c->n; i++) {
        const run_state *r = &c->runs[i];
        bool free_ = r->state == SLK_RUN_WAITING || r->is_stale, begun = r->n_epochs > 0;
        if (!free_ || r->gave_up || is_worked_on(c, i)) continue;
        if (found && !begun && share_of_d(plan_run(c, i)) <= share_of_d(plan_run(c, *run))) continue;
        *run = i;
        found = true;
        if (begun) break;
    }
    return found;
}

static slk_status fill(crew *c, slk_err *err)
{
    slk_status status = SLK_OK;
    for (int k = 0; k < c->n_jobs && status == SLK_OK && !c->stopping; k++) {
        size_t run;
        if (c->workers[k].pid) continue;
        if (!find_run(c, &run)) break;
        status = start_worker(c, &c->workers[k], run, err);
    }
    return status;
}

/* Exit codes are those of slk_study_work(): 0 the run is done, was another's, or was given back; 1 it failed for a
 * reason that was told on stderr; 3 it failed for good, as the store says. */
static void judge_end(crew *c, size_t run, int code)
{
    char name[SLK_RUN_NAME_BYTES];
    run_state *r = &c->runs[run];
    name_of(name, c, run);
    if (WIFSIGNALED(code) && !c->stopping) {
        r->n_deaths++;
        r->gave_up = r->n_deaths >= MAX_DEATHS;
        slk_cli_warn(c->s->cli, "%s: its worker was killed by signal %d; %s", name, WTERMSIG(code),
                     r->gave_up ? "it is left alone (out of memory? fewer --jobs may help)"
                                : "it goes on from its checkpoint");
    } else if (WIFEXITED(code) && WEXITSTATUS(code) != 0 && WEXITSTATUS(code) != 3) {
        r->gave_up = true;
    }
    c->n_errors += r->gave_up;
}

static bool reap(crew *c)
{
    bool any = false;
    for (int k = 0; k < c->n_jobs; k++) {
        int code;
        if (!c->workers[k].pid || !slk_worker_has_ended(c->workers[k].pid, &code)) continue;
        c->workers[k].pid = 0;
        judge_end(c, c->workers[k].run, code);
        any = true;
    }
    return any;
}

static void signal_workers(const crew *c, int number)
{
    for (int k = 0; k < c->n_jobs; k++) {
        if (c->workers[k].pid) kill(c->workers[k].pid, number);
    }
}

static bool has_workers(const crew *c)
{
    for (int k = 0; k < c->n_jobs; k++) {
        if (c->workers[k].pid) return true;
    }
    return false;
}

/* Is there anything left to wait for: a run that another parent's worker has counts, since it may yet be ours. */
static bool has_work(const crew *c)
{
    for (size_t i = 0; i < c->n; i++) {
        const run_state *r = &c->runs[i];
        if ((r->state == SLK_RUN_WAITING || r->state == SLK_RUN_CLAIMED) && !r->gave_up) return true;
    }
    return false;
}

static slk_status loop(crew *c, slk_err *err)
{
    slk_status status = SLK_OK;
    while (status == SLK_OK && (has_workers(c) || (!c->stopping && has_work(c)))) {
        bool ended = reap(c);
        if (ended || slk_clock_ms() - c->looked_ms >= LOOK_MS) status = look(c, false, err);
        if (status == SLK_OK) status = fill(c, err);
        if (!report(c) && !c->stopping) {
            c->stopping = true;
            signal_workers(c, SIGTERM);
        }
        slk_worker_wait();
    }
    /* The store failed: workers that go on without anybody looking would be no help. */
    if (status != SLK_OK) signal_workers(c, SIGTERM);
    while (has_workers(c)) {
        reap(c);
        slk_worker_wait();
    }
    return status == SLK_OK && c->stopping ? slk_fail(err, SLK_E_INTERRUPTED, "stopped") : status;
}

/* --- before anything starts --------------------------------------------------------------------------------------- */

static size_t count_open(const crew *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) n += c->runs[i].state != SLK_RUN_DONE;
    return n;
}

/* Disk for the checkpoints of n_jobs workers, and for what stays; memory for n_jobs workers. */
static slk_status check_room(crew *c, size_t n_open, slk_err *err)
{
    static const double GIB = 1073741824.0;
    slk_study_session *s = c->s;
    slk_study_needs needs;
    size_t available = slk_memory_available();
    if (available != SIZE_MAX) {
        available += s->model->weights_bytes; /* closed before the first worker starts */
        c->memory = available / 20 * 19 / (size_t)c->n_jobs;
    }
    slk_status status = slk_study_estimate(&needs, s->model, &s->plan, &s->plan.runs[s->wanted[0]], c->memory, err);
    if (status == SLK_E_MEMORY && c->n_jobs > 1)
        return slk_fail(err, status, "%s (each of %d jobs may take %.2f GiB; fewer --jobs may help)", err->msg,
                        c->n_jobs, (double)c->memory / GIB);
    if (status != SLK_OK) return status;
    const char *store = slk_store_path(s->store), *slash = strrchr(store, '/');
    char *folder = slash ? slk_strndup(store, (size_t)(slash - store) + 1) : slk_strdup(".");
    uint64_t need = (uint64_t)c->n_jobs * needs.disk + n_open * needs.kept;
    struct statvfs fs;
    bool known = folder && statvfs(folder, &fs) == 0;
    uint64_t have = known ? (uint64_t)fs.f_bavail * fs.f_frsize : UINT64_MAX;
    if (need > have)
        status = slk_fail(err, SLK_E_IO, "%s: %s are free, %s are needed: %s for each of %d jobs%s%s", folder,
                          slk_show_bytes(have).text, slk_show_bytes(need).text, slk_show_bytes(needs.disk).text,
                          c->n_jobs, needs.kept ? ", and what stays of each run, " : " while it works",
                          needs.kept ? slk_show_bytes(needs.kept).text : "");
    free(folder);
    if (status == SLK_OK && !s->view)
        slk_cli_note(s->cli, "a worker takes about %.2f GiB of memory%s and %s on disk while it works",
                     (double)needs.memory.total / GIB, needs.memory.recompute ? " (activations are recomputed)" : "",
                     slk_show_bytes(needs.disk).text);
    return status;
}

static void announce(const crew *c, size_t n_open)
{
    const slk_study_session *s = c->s;
    if (s->view) return;
    slk_cli_note(s->cli, "study %lld '%s' on label set %lld: %zu variants x %zu learning rates x %zu seeds, |D| = %s%s",
                 (long long)s->study, s->config.name, (long long)s->label_set, s->plan.n_variants,
                 s->config.learning_rates.n, s->config.seeds.n, slk_show_count(s->plan.size).text,
                 s->plan.size == s->plan.rule_size ? " by the paper's rule" : "");
    if (n_open < c->n) slk_cli_note(s->cli, "%zu of %zu runs are done already", c->n - n_open, c->n);
    if (n_open)
        slk_cli_note(s->cli, "%zu runs of at most %lld epochs, %d at a time with %d threads each", n_open,
                     (long long)s->config.epochs, c->n_jobs, c->n_threads);
}

/* Numbers of runs that did not come to an end, for the last line. */
static slk_status conclude(const crew *c, slk_err *err)
{
    size_t n_failed = 0, n_open = 0;
    for (size_t i = 0; i < c->n; i++) {
        n_failed += c->runs[i].state == SLK_RUN_FAILED;
        n_open += c->runs[i].state == SLK_RUN_WAITING || c->runs[i].state == SLK_RUN_CLAIMED;
    }
    if (n_failed + n_open == 0) {
        if (!c->s->view)
            slk_cli_note(c->s->cli, "all %zu runs are done; next: slick report --store %s", c->n, c->s->cli->store);
        return SLK_OK;
    }
    return slk_fail(err, SLK_E_STATE, "%zu of %zu runs failed, %zu are not done; the same command tries them again",
                    n_failed, c->n, n_open);
}

slk_status slk_study_crew_run(slk_study_session *s, slk_err *err)
{
    int64_t n_jobs = slk_study_options.jobs ? slk_study_options.jobs : s->config.jobs;
    crew c = {.s = s, .n = s->n_wanted};
    size_t n_retried;
    if (s->plan.n_left_out)
        slk_cli_warn(s->cli, "%zu relations are left out: %s", s->plan.n_left_out, s->plan.left_out);
    c.runs = slk_alloc_zero(c.n, sizeof *c.runs);
    c.shown = slk_alloc_zero(c.n, sizeof *c.shown);
    slk_status status = c.runs && c.shown ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory");
    if (status == SLK_OK) status = slk_store_retry_runs(s->store, s->study, &n_retried, err);
    if (status == SLK_OK) status = look(&c, true, err);
    size_t n_open = status == SLK_OK ? count_open(&c) : 0;
    c.n_jobs = (int)(n_jobs < (int64_t)n_open ? n_jobs : (int64_t)(n_open ? n_open : 1));
    c.n_threads = s->n_threads / c.n_jobs > 1 ? s->n_threads / c.n_jobs : 1;
    c.workers = slk_alloc_zero((size_t)c.n_jobs, sizeof *c.workers);
    if (status == SLK_OK && !c.workers) status = slk_fail(err, SLK_E_MEMORY, "out of memory");
    if (status == SLK_OK) announce(&c, n_open);
    if (status == SLK_OK && n_open) {
        status = slk_study_session_model(s, err);
        if (status == SLK_OK) status = check_room(&c, n_open, err);
        slk_study_session_close_model(s);
        if (status == SLK_OK) status = loop(&c, err);
        if (status == SLK_OK) status = look(&c, false, err);
    }
    if (status == SLK_OK) status = conclude(&c, err);
    free(c.runs);
    free(c.shown);
    free(c.workers);
    return status;
}
