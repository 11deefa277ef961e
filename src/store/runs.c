/* Runs: adding them, claiming them, finishing them. */
#include "store/runs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "store/internal.h"
#include "store/runs_impl.h"

static const char *const STATES[] = {"waiting", "claimed", "done", "failed"};
enum { N_STATES = sizeof STATES / sizeof *STATES };

const char *slk_run_state_name(slk_run_state state)
{
    return (int)state < N_STATES ? STATES[state] : "?";
}

const char *slk_run_name(char *out, const slk_study_run *run)
{
    char lr[32];
    for (int digits = 15; digits <= 17; digits++) { /* as it was written, or all that it takes */
        snprintf(lr, sizeof lr, "%.*g", digits, run->lr);
        if (strtod(lr, NULL) == run->lr) break;
    }
    snprintf(out, SLK_RUN_NAME_BYTES, "%s/seed-%llu/lr-%s", run->variant, (unsigned long long)run->seed, lr);
    return out;
}

bool slk_same_double(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

/* --- adding and listing ------------------------------------------------------------------------------------------- */

static slk_status insert_runs(slk_store *store, int64_t study_id, const slk_study_run *runs, size_t n, slk_err *err)
{
    bool found;
    int64_t one;
    sqlite3_stmt *stmt;
    slk_status status =
        slk_store_query_int(store, &one, &found, err, "SELECT 1 FROM study WHERE id = ?", "i", study_id);
    if (status == SLK_OK && !found)
        return slk_fail(err, SLK_E_NOT_FOUND, "%s: no study %lld", store->path, (long long)study_id);
    if (status == SLK_OK)
        status = slk_store_prepare(&stmt, store,
                                   "INSERT INTO run (study_id, variant, kind, unknown, category, seed, lr, state, "
                                   "worker, claimed_s, kernels, n_train, early_epoch, last_epoch, fitted, wall_s) "
                                   "VALUES (?, ?, ?, ?, ?, ?, ?, 'waiting', '', 0, '', 0, -1, -1, 0, 0) "
                                   "ON CONFLICT DO NOTHING",
                                   "write runs", err);
    if (status != SLK_OK) return status;
    for (size_t i = 0; i < n && status == SLK_OK; i++) {
        const slk_study_run *r = &runs[i];
        int code =
            slk_store_bind(stmt, "ittdtud", study_id, r->variant, r->kind, r->unknown, r->category, r->seed, r->lr);
        status = slk_store_run_bound(store, stmt, code, "write runs", err);
    }
    sqlite3_finalize(stmt);
    return status;
}

slk_status slk_store_put_runs(slk_store *store, int64_t study_id, const slk_study_run *runs, size_t n, slk_err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!runs[i].variant[0] || !isfinite(runs[i].lr) || !isfinite(runs[i].unknown))
            return slk_fail(err, SLK_E_ARG, "%s: run %zu has no variant, or a number that is not finite", store->path,
                            i);
    }
    slk_status status = slk_store_begin(store, err);
    return status == SLK_OK ? slk_store_end(store, insert_runs(store, study_id, runs, n, err), err) : status;
}

#define RUN_COLUMNS                                                                                                    \
    "SELECT id, variant, kind, unknown, category, seed, lr, state, error, worker, claimed_s, kernels, n_train, "       \
    "early_epoch, last_epoch, fitted, wall_s FROM run "

/* false: out of memory. */
static bool read_run(slk_study_run *out, sqlite3_stmt *stmt)
{
    char state[16];
    memset(out, 0, sizeof *out);
    out->id = sqlite3_column_int64(stmt, 0);
    slk_store_copy_column(out->variant, sizeof out->variant, stmt, 1);
    slk_store_copy_column(out->kind, sizeof out->kind, stmt, 2);
    out->unknown = sqlite3_column_double(stmt, 3);
    slk_store_copy_column(out->category, sizeof out->category, stmt, 4);
    out->seed = (uint64_t)sqlite3_column_int64(stmt, 5);
    out->lr = sqlite3_column_double(stmt, 6);
    slk_store_copy_column(state, sizeof state, stmt, 7);
    for (int s = 0; s < N_STATES; s++) { /* the table allows no other */
        if (strcmp(state, STATES[s]) == 0) out->state = (slk_run_state)s;
    }
    slk_store_copy_column(out->worker, sizeof out->worker, stmt, 9);
    out->claimed_s = sqlite3_column_double(stmt, 10);
    slk_store_copy_column(out->kernels, sizeof out->kernels, stmt, 11);
    out->n_train = sqlite3_column_int(stmt, 12);
    out->early_epoch = sqlite3_column_int(stmt, 13);
    out->last_epoch = sqlite3_column_int(stmt, 14);
    out->fitted = sqlite3_column_int(stmt, 15) != 0;
    out->wall_s = sqlite3_column_double(stmt, 16);
    return slk_store_column_text(&out->error, stmt, 8);
}

void slk_store_free_runs(slk_study_run *runs, size_t n)
{
    for (size_t i = 0; runs && i < n; i++) free(runs[i].error);
    free(runs);
}

slk_status slk_store_load_runs(slk_store *store, int64_t study_id, slk_study_run **runs, size_t *n, slk_err *err)
{
    size_t cap = 0;
    sqlite3_stmt *stmt;
    bool row = false;
    *runs = NULL;
    *n = 0;
    if (!slk_store_has_studies(store)) return SLK_OK;
    slk_status status = slk_store_prepare(&stmt, store, RUN_COLUMNS "WHERE study_id = ? ORDER BY id", "load runs", err);
    if (status == SLK_OK) slk_store_bind(stmt, "i", study_id);
    while (status == SLK_OK && (status = slk_store_step(store, stmt, &row, "load runs", err)) == SLK_OK && row) {
        if (!slk_grow(runs, &cap, *n + 1, sizeof **runs) || !read_run(&(*runs)[(*n)++], stmt))
            status = slk_store_no_memory(store, err);
    }
    sqlite3_finalize(stmt);
    if (status == SLK_OK) return SLK_OK;
    slk_store_free_runs(*runs, *n);
    *runs = NULL;
    *n = 0;
    return status;
}

slk_status slk_store_load_run(slk_store *store, int64_t id, slk_study_run *run, slk_err *err)
{
    sqlite3_stmt *stmt;
    bool row = false;
    memset(run, 0, sizeof *run);
    slk_status status = slk_store_prepare(&stmt, store, RUN_COLUMNS "WHERE id = ?", "load run", err);
    if (status != SLK_OK) return status;
    slk_store_bind(stmt, "i", id);
    status = slk_store_step(store, stmt, &row, "load run", err);
    if (row && !read_run(run, stmt)) status = slk_store_no_memory(store, err);
    sqlite3_finalize(stmt);
    if (status != SLK_OK || row) return status;
    return slk_fail(err, SLK_E_NOT_FOUND, "%s: no run %lld", store->path, (long long)id);
}

/* --- claims ------------------------------------------------------------------------------------------------------- */

static slk_status claim(slk_store *store, int64_t study_id, int64_t only, const char *worker, double now_s,
                        double stale_s, int64_t *run_id, slk_err *err)
{
    bool found;
    slk_status status = slk_store_query_int(store, run_id, &found, err,
                                            "SELECT id FROM run WHERE study_id = ?1 AND ?2 IN (0, id) AND (state = "
                                            "'waiting' OR (state = 'claimed' AND claimed_s < ?3)) "
                                            "ORDER BY state = 'waiting', id LIMIT 1",
                                            "iid", study_id, only, now_s - stale_s);
    if (status != SLK_OK || !found) return status;
    return slk_store_change(store, NULL, "claim", err,
                            "UPDATE run SET state = 'claimed', worker = ?, claimed_s = ?, error = NULL WHERE id = ?",
                            "tdi", worker, now_s, *run_id);
}

slk_status slk_store_claim_run(slk_store *store, int64_t study_id, int64_t only, const char *worker, double now_s,
                               double stale_s, int64_t *run_id, slk_err *err)
{
    *run_id = 0;
    if (strlen(worker) >= sizeof((slk_study_run *)0)->worker)
        return slk_fail(err, SLK_E_ARG, "%s: the worker's name is too long: %s", store->path, worker);
    slk_status status = slk_store_begin(store, err);
    if (status != SLK_OK) return status;
    status = slk_store_end(store, claim(store, study_id, only, worker, now_s, stale_s, run_id, err), err);
    if (status != SLK_OK) *run_id = 0;
    return status;
}

/* What became of the claim that `worker` had. */
static slk_status lost(slk_store *store, int64_t run_id, const char *worker, slk_err *err)
{
    slk_study_run run;
    char name[SLK_RUN_NAME_BYTES];
    slk_status status = slk_store_load_run(store, run_id, &run, err);
    if (status != SLK_OK) return status;
    free(run.error);
    slk_run_name(name, &run);
    if (run.state == SLK_RUN_CLAIMED)
        return slk_fail(err, SLK_E_STATE, "%s: run %s was taken over by %s (this is %s)", store->path, name, run.worker,
                        worker);
    return slk_fail(err, SLK_E_STATE, "%s: run %s is %s, expected it to be claimed by %s", store->path, name,
                    slk_run_state_name(run.state), worker);
}

slk_status slk_store_renew_claim(slk_store *store, int64_t run_id, const char *worker, double now_s, slk_err *err)
{
    size_t n;
    slk_status status = slk_store_change(store, &n, "renew claim", err,
                                         "UPDATE run SET claimed_s = max(claimed_s, ?) "
                                         "WHERE id = ? AND state = 'claimed' AND worker = ?",
                                         "dit", now_s, run_id, worker);
    return status == SLK_OK && n == 0 ? lost(store, run_id, worker, err) : status;
}

slk_status slk_store_release_claim(slk_store *store, int64_t run_id, const char *worker, slk_err *err)
{
    size_t n;
    slk_status status = slk_store_change(
        store, &n, "release claim", err,
        "UPDATE run SET state = 'waiting' WHERE id = ? AND state = 'claimed' AND worker = ?", "it", run_id, worker);
    return status == SLK_OK && n == 0 ? lost(store, run_id, worker, err) : status;
}

slk_status slk_store_fail_run(slk_store *store, int64_t run_id, const char *worker, const char *error, slk_err *err)
{
    size_t n;
    slk_status status =
        slk_store_change(store, &n, "write run", err,
                         "UPDATE run SET state = 'failed', error = ? WHERE id = ? AND state = 'claimed' AND worker = ?",
                         "tit", error, run_id, worker);
    return status == SLK_OK && n == 0 ? lost(store, run_id, worker, err) : status;
}

static slk_status resume(slk_store *store, int64_t run_id, const char *worker, int32_t epoch, const char *kernels,
                         slk_err *err)
{
    size_t n;
    slk_status status = slk_store_change(store, &n, "write run", err,
                                         "UPDATE run SET kernels = ? WHERE id = ? AND state = 'claimed' AND worker = ?",
                                         "tit", kernels, run_id, worker);
    if (status == SLK_OK && n == 0) return lost(store, run_id, worker, err);
    if (status != SLK_OK) return status;
    return slk_store_change(store, NULL, "drop epochs", err, "DELETE FROM epoch WHERE run_id = ? AND epoch >= ?", "ii",
                            run_id, (int64_t)epoch);
}

slk_status slk_store_resume_run(slk_store *store, int64_t run_id, const char *worker, int32_t epoch,
                                const char *kernels, slk_err *err)
{
    slk_status status = slk_store_begin(store, err);
    if (status != SLK_OK) return status;
    return slk_store_end(store, resume(store, run_id, worker, epoch, kernels, err), err);
}

slk_status slk_store_retry_runs(slk_store *store, int64_t study_id, size_t *n, slk_err *err)
{
    return slk_store_change(store, n, "retry runs", err,
                            "UPDATE run SET state = 'waiting' WHERE study_id = ? AND state = 'failed'", "i", study_id);
}

slk_status slk_store_finish_run(slk_store *store, const slk_study_run *run, const char *worker, slk_err *err)
{
    size_t n;
    slk_status status = slk_store_change(store, &n, "finish run", err,
                                         "UPDATE run SET state = 'done', n_train = ?, early_epoch = ?, last_epoch = ?, "
                                         "fitted = ?, wall_s = ? WHERE id = ? AND state = 'claimed' AND worker = ?",
                                         "iiiidit", (int64_t)run->n_train, (int64_t)run->early_epoch,
                                         (int64_t)run->last_epoch, (int64_t)run->fitted, run->wall_s, run->id, worker);
    return status == SLK_OK && n == 0 ? lost(store, run->id, worker, err) : status;
}
