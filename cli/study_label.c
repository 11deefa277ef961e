/* Labels by worker processes, as many at a time as runs are. Each takes a part of the facts, all of them write into the
 * one store. With a small model two processes of one thread each are more than half as fast again as two threads of one
 * process, which wait for each other after every product. */
#include "study.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include "base/mem.h"
#include "progress.h"
#include "store/labels.h"
#include "study/labels.h"
#include "train/memory.h"
#include "worker.h"

enum {
    PARTS_PER_JOB = 4, /* facts differ in what they take: nobody waits long for the last part */
    MIN_FACTS = 150,   /* of a part: a worker needs half a second to begin */
    LOOK_MS = 500
};
/* Of a worker beside the weights: keys and values, answers, the program. */
#define WORKER_BYTES ((size_t)512 << 20)

typedef struct part_worker {
    pid_t pid; /* 0: no process */
    int part;
} part_worker;

typedef struct label_crew {
    slk_study_session *s;
    part_worker *workers; /* [n_jobs] */
    int n_jobs, n_parts, n_begun;
    size_t n_before, n_open; /* labels that the set had, and that it lacked */
    double looked_ms;
    bool stopping;
} label_crew;

static slk_status start(label_crew *c, part_worker *w, slk_err *err)
{
    const slk_cli *cli = c->s->cli;
    char shard[48], threads[16];
    snprintf(shard, sizeof shard, "%d/%d", c->n_begun, c->n_parts);
    snprintf(threads, sizeof threads, "%d", c->s->n_threads / c->n_jobs > 1 ? c->s->n_threads / c->n_jobs : 1);
    const char *argv[] = {"slick",     "study", "label",   c->s->config.path,
                          "--shard",   shard,   "--store", cli->store,
                          "--threads", threads, "--quiet", cli->dtype ? "--dtype" : NULL,
                          cli->dtype,  NULL};
    slk_status status = slk_worker_start(&w->pid, argv, err);
    w->part = c->n_begun;
    c->n_begun += status == SLK_OK;
    return status;
}

/* A worker that failed has said why. */
static slk_status judge_end(const label_crew *c, const part_worker *w, int code, slk_err *err)
{
    if (c->stopping || (WIFEXITED(code) && WEXITSTATUS(code) == 0)) return SLK_OK;
    if (WIFSIGNALED(code))
        return slk_fail(err, SLK_E_STATE,
                        "part %d of %d of the labels: its worker was killed by signal %d (out of memory? fewer --jobs "
                        "may help); the same command goes on",
                        w->part + 1, c->n_parts, WTERMSIG(code));
    return slk_fail(err, SLK_E_STATE, "part %d of %d of the labels failed, as told above", w->part + 1, c->n_parts);
}

static void stop(label_crew *c)
{
    c->stopping = true;
    for (int k = 0; k < c->n_jobs; k++) {
        if (c->workers[k].pid) kill(c->workers[k].pid, SIGTERM);
    }
}

/* See who has ended, and give those who are free something to do. *any: somebody works. */
static slk_status tend(label_crew *c, bool *any, slk_err *err)
{
    slk_status status = SLK_OK;
    *any = false;
    for (int k = 0; k < c->n_jobs; k++) {
        part_worker *w = &c->workers[k];
        int code;
        if (w->pid && slk_worker_has_ended(w->pid, &code)) {
            w->pid = 0;
            if (status == SLK_OK) status = judge_end(c, w, code, err);
        }
        if (!w->pid && !c->stopping && status == SLK_OK && c->n_begun < c->n_parts) status = start(c, w, err);
        *any |= w->pid != 0;
    }
    return status;
}

/* Labels are counted where they arrive. false: somebody wants an end. */
static bool report(label_crew *c)
{
    slk_label_set_info info;
    if (slk_progress_was_interrupted()) return false;
    if (slk_clock_ms() - c->looked_ms < LOOK_MS) return true;
    c->looked_ms = slk_clock_ms();
    if (slk_store_find_label_set(c->s->store, &info, c->s->label_set, NULL) != SLK_OK) return true;
    size_t n = info.n_labels > c->n_before ? info.n_labels - c->n_before : 0;
    return slk_progress_report(slk_cli_progress(c->s->cli), "probe", "facts", n < c->n_open ? n : c->n_open, c->n_open);
}

static slk_status loop(label_crew *c, slk_err *err)
{
    slk_status status = SLK_OK;
    for (bool any = true; any;) {
        slk_status now = tend(c, &any, status == SLK_OK ? err : NULL);
        if (status == SLK_OK) status = now;
        if (!c->stopping && (status != SLK_OK || !report(c))) stop(c);
        if (any) slk_worker_wait();
    }
    return status == SLK_OK && c->stopping ? slk_fail(err, SLK_E_INTERRUPTED, "stopped") : status;
}

int slk_study_label_jobs(const slk_study_session *s, size_t n_open)
{
    int64_t n_jobs = slk_study_options.jobs ? slk_study_options.jobs : s->config.jobs;
    if (n_jobs > s->n_threads) n_jobs = s->n_threads;
    size_t available = slk_memory_available(), each = s->model->weights_bytes + WORKER_BYTES;
    if (available != SIZE_MAX) available += s->model->weights_bytes; /* closed before the first worker starts */
    while (n_jobs > 1 && ((size_t)n_jobs > available / each || (size_t)n_jobs * MIN_FACTS > n_open)) n_jobs--;
    return (int)n_jobs;
}

slk_status slk_study_label_parts(slk_study_session *s, size_t n_open, int n_jobs, slk_err *err)
{
    label_crew c = {.s = s, .n_jobs = n_jobs, .n_open = n_open};
    slk_label_set_info info;
    slk_status status = slk_study_begin_labels(&s->label_set, s->store, &s->config, &s->material, s->model, err);
    if (status == SLK_OK) status = slk_store_find_label_set(s->store, &info, s->label_set, err);
    if (status != SLK_OK) return status;
    c.n_before = info.n_labels;
    c.n_parts = n_jobs * PARTS_PER_JOB;
    while (c.n_parts > n_jobs && n_open / (size_t)c.n_parts < MIN_FACTS) c.n_parts -= n_jobs;
    c.workers = slk_alloc_zero((size_t)n_jobs, sizeof *c.workers);
    if (!c.workers) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    slk_study_session_close_model(s);
    status = loop(&c, err);
    free(c.workers);
    if (status == SLK_OK) status = slk_store_find_label_set(s->store, &info, s->label_set, err);
    if (status == SLK_OK && info.n_labels < c.n_before + n_open) /* somebody stopped a worker, and not this process */
        status = slk_fail(err, SLK_E_STATE, "%zu facts are still without a label; the same command goes on",
                          c.n_before + n_open - info.n_labels);
    return status;
}
