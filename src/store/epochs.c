/* Epochs of runs with their bits; P(True). */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "store/internal.h"
#include "store/runs.h"
#include "store/runs_impl.h"

void slk_run_epoch_release(slk_run_epoch *epoch)
{
    if (!epoch) return;
    for (int s = 0; s < SLK_N_STUDY_SETS; s++) {
        free(epoch->right[s]);
        free(epoch->refused[s]);
        epoch->right[s] = epoch->refused[s] = NULL;
    }
}

static size_t n_bytes_of(size_t n)
{
    return n / 8 + (n % 8 != 0);
}

static int64_t count_bits(const uint8_t *bits, size_t n)
{
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += bits[i / 8] >> (i % 8) & 1;
    return sum;
}

/* Bits behind the last fact would make equal epochs differ. */
static bool has_tail(const uint8_t *bits, size_t n)
{
    return n % 8 != 0 && bits[n / 8] >> (n % 8) != 0;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* One row of EPOCH_QUERY belongs to an epoch, and where it has an outcome, to one of its sets. */
#define EPOCH_QUERY                                                                                                    \
    "SELECT e.epoch, e.step, e.loss, e.tokens_per_s, e.wall_s, o.asked, o.n, o.right, o.refused, "                     \
    "o.n_right, o.n_refused "                                                                                          \
    "FROM epoch e LEFT JOIN outcome o ON o.run_id = e.run_id AND o.epoch = e.epoch "                                   \
    "WHERE e.run_id = ?1 AND (?2 < 0 OR e.epoch = ?2) ORDER BY e.epoch"

static void read_epoch(slk_run_epoch *out, sqlite3_stmt *stmt)
{
    memset(out, 0, sizeof *out);
    out->epoch = sqlite3_column_int(stmt, 0);
    out->step = sqlite3_column_int64(stmt, 1);
    out->loss = sqlite3_column_type(stmt, 2) == SQLITE_NULL ? (double)NAN : sqlite3_column_double(stmt, 2);
    out->tokens_per_s = sqlite3_column_double(stmt, 3);
    out->wall_s = sqlite3_column_double(stmt, 4);
}

static uint8_t *copy_bits(sqlite3_stmt *stmt, int column, size_t n)
{
    uint8_t *bits = slk_alloc(n, 1);
    if (bits && n) memcpy(bits, sqlite3_column_blob(stmt, column), n);
    return bits;
}

/* NULL: read; else what is wrong with the row ("" = out of memory). */
static const char *read_outcome(slk_run_epoch *out, sqlite3_stmt *stmt, bool with_bits)
{
    const char *asked = (const char *)sqlite3_column_text(stmt, 5);
    int set = 0;
    while (set < SLK_N_STUDY_SETS && (!asked || strcmp(asked, slk_study_set_name((slk_study_set)set)) != 0)) set++;
    int64_t n = sqlite3_column_int64(stmt, 6);
    if (set == SLK_N_STUDY_SETS || n < 0 || n > INT32_MAX) return "an unknown set or count";
    size_t n_bytes = n_bytes_of((size_t)n);
    if ((size_t)sqlite3_column_bytes(stmt, 7) != n_bytes || (size_t)sqlite3_column_bytes(stmt, 8) != n_bytes)
        return "bits of another length";
    out->has[set] = true;
    out->n[set] = (size_t)n;
    out->n_right[set] = (size_t)sqlite3_column_int64(stmt, 9);
    out->n_refused[set] = (size_t)sqlite3_column_int64(stmt, 10);
    if (!with_bits) return NULL;
    out->right[set] = copy_bits(stmt, 7, n_bytes);
    out->refused[set] = copy_bits(stmt, 8, n_bytes);
    return out->right[set] && out->refused[set] ? NULL : "";
}

/* Epoch `only` (-1: all). */
static slk_status load_epochs(slk_store *store, int64_t run_id, int32_t only, bool with_bits, slk_run_epoch **epochs,
                              size_t *n, slk_err *err)
{
    sqlite3_stmt *stmt;
    size_t cap = 0;
    bool row = false;
    const char *wrong = NULL;
    *epochs = NULL;
    *n = 0;
    if (!slk_store_has_studies(store)) return SLK_OK;
    slk_status status = slk_store_prepare(&stmt, store, EPOCH_QUERY, "load epochs", err);
    if (status == SLK_OK) slk_store_bind(stmt, "ii", run_id, (int64_t)only);
    while (status == SLK_OK && (status = slk_store_step(store, stmt, &row, "load epochs", err)) == SLK_OK && row) {
        if (*n == 0 || (*epochs)[*n - 1].epoch != sqlite3_column_int(stmt, 0)) {
            if (slk_grow(epochs, &cap, *n + 1, sizeof **epochs))
                read_epoch(&(*epochs)[(*n)++], stmt);
            else
                wrong = "";
        }
        if (!wrong && sqlite3_column_type(stmt, 5) != SQLITE_NULL)
            wrong = read_outcome(&(*epochs)[*n - 1], stmt, with_bits);
        if (wrong && !*wrong) status = slk_store_no_memory(store, err);
        if (wrong && *wrong)
            status = slk_fail(err, SLK_E_FORMAT, "%s: run %lld, epoch %d: damaged row: %s", store->path,
                              (long long)run_id, sqlite3_column_int(stmt, 0), wrong);
    }
    sqlite3_finalize(stmt);
    if (status == SLK_OK) return SLK_OK;
    for (size_t i = 0; i < *n; i++) slk_run_epoch_release(&(*epochs)[i]);
    free(*epochs);
    *epochs = NULL;
    *n = 0;
    return status;
}

slk_status slk_store_load_epochs(slk_store *store, int64_t run_id, bool with_bits, slk_run_epoch **epochs, size_t *n,
                                 slk_err *err)
{
    return load_epochs(store, run_id, -1, with_bits, epochs, n, err);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* What differs between two epochs, or NULL; sets that only one of them has are no difference. */
static const char *differs(const slk_run_epoch *a, const slk_run_epoch *b)
{
    if (a->step != b->step) return "step";
    if (!slk_same_double(a->loss, b->loss)) return "loss";
    for (int s = 0; s < SLK_N_STUDY_SETS; s++) {
        const char *name = slk_study_set_name((slk_study_set)s);
        if (!a->has[s] || !b->has[s]) continue;
        size_t n_bytes = n_bytes_of(a->n[s]);
        if (a->n[s] != b->n[s] || memcmp(a->right[s], b->right[s], n_bytes) != 0 ||
            memcmp(a->refused[s], b->refused[s], n_bytes) != 0)
            return name;
    }
    return NULL;
}

/* The sets that `there` (NULL: not stored yet) lacks. */
static slk_status insert_outcomes(slk_store *store, int64_t run_id, const slk_run_epoch *epoch,
                                  const slk_run_epoch *there, slk_err *err)
{
    slk_status status = SLK_OK;
    for (int s = 0; s < SLK_N_STUDY_SETS && status == SLK_OK; s++) {
        if (!epoch->has[s] || (there && there->has[s])) continue;
        size_t n = epoch->n[s], n_bytes = n_bytes_of(n);
        status =
            slk_store_change(store, NULL, "write epoch", err, "INSERT INTO outcome VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                             "iitiiibb", run_id, (int64_t)epoch->epoch, slk_study_set_name((slk_study_set)s),
                             (int64_t)n, count_bits(epoch->right[s], n), count_bits(epoch->refused[s], n),
                             (const void *)epoch->right[s], n_bytes, (const void *)epoch->refused[s], n_bytes);
    }
    return status;
}

static slk_status insert_epoch(slk_store *store, int64_t run_id, const slk_run_epoch *epoch, slk_err *err)
{
    slk_status status =
        slk_store_change(store, NULL, "write epoch", err, "INSERT INTO epoch VALUES (?, ?, ?, ?, ?, ?)", "iiiddd",
                         run_id, (int64_t)epoch->epoch, epoch->step, epoch->loss, epoch->tokens_per_s, epoch->wall_s);
    return status == SLK_OK ? insert_outcomes(store, run_id, epoch, NULL, err) : status;
}

static bool brings_more(const slk_run_epoch *epoch, const slk_run_epoch *there)
{
    bool more = false;
    for (int s = 0; s < SLK_N_STUDY_SETS; s++) more |= epoch->has[s] && !there->has[s];
    return more;
}

static slk_status put_epoch(slk_store *store, int64_t run_id, const slk_run_epoch *epoch, slk_err *err)
{
    slk_study_run run;
    slk_run_epoch *there = NULL;
    size_t n_there = 0;
    char name[SLK_RUN_NAME_BYTES];
    slk_status status = slk_store_load_run(store, run_id, &run, err);
    if (status == SLK_OK) status = load_epochs(store, run_id, epoch->epoch, true, &there, &n_there, err);
    const char *what = status == SLK_OK && n_there ? differs(epoch, &there[0]) : NULL;
    bool is_new = status == SLK_OK && (!n_there || brings_more(epoch, &there[0]));
    if (what)
        status = slk_fail(err, SLK_E_STATE, "%s: run %s: epoch %d is stored with another %s", store->path,
                          slk_run_name(name, &run), epoch->epoch, what);
    else if (is_new && run.state == SLK_RUN_DONE)
        status = slk_fail(err, SLK_E_STATE, "%s: run %s is finished, %sepoch %d cannot be added", store->path,
                          slk_run_name(name, &run), n_there ? "outcomes of " : "", epoch->epoch);
    else if (is_new)
        status =
            n_there ? insert_outcomes(store, run_id, epoch, &there[0], err) : insert_epoch(store, run_id, epoch, err);
    for (size_t i = 0; i < n_there; i++) slk_run_epoch_release(&there[i]);
    free(there);
    free(run.error);
    return status;
}

slk_status slk_store_put_epoch(slk_store *store, int64_t run_id, const slk_run_epoch *epoch, slk_err *err)
{
    bool good = epoch->epoch >= 0 && !isinf(epoch->loss) && isfinite(epoch->tokens_per_s) && isfinite(epoch->wall_s);
    for (int s = 0; s < SLK_N_STUDY_SETS && good; s++) {
        if (!epoch->has[s]) continue;
        size_t n = epoch->n[s];
        good = epoch->right[s] && epoch->refused[s] && !has_tail(epoch->right[s], n) && !has_tail(epoch->refused[s], n);
    }
    if (!good)
        return slk_fail(err, SLK_E_ARG,
                        "%s: run %lld, epoch %d: a number that is not finite, or bits that are not "
                        "there or too many",
                        store->path, (long long)run_id, epoch->epoch);
    slk_status status = slk_store_begin(store, err);
    return status == SLK_OK ? slk_store_end(store, put_epoch(store, run_id, epoch, err), err) : status;
}

/* --- P(True) ------------------------------------------------------------------------------------------------------ */

static slk_status check_same_p(slk_store *store, int64_t label_set_id, const slk_p_true *item, slk_err *err)
{
    bool same;
    int64_t one;
    slk_status status = slk_store_query_int(store, &one, &same, err,
                                            "SELECT 1 FROM p_true WHERE label_set_id = ? AND fact_id = ? AND p = ?",
                                            "iud", label_set_id, item->fact_id, item->p);
    if (status != SLK_OK || same) return status;
    return slk_fail(err, SLK_E_STATE, "%s: label set %lld: fact %016llx has another P(True) already", store->path,
                    (long long)label_set_id, (unsigned long long)item->fact_id);
}

static slk_status put_p_true(slk_store *store, int64_t label_set_id, const slk_p_true *items, size_t n, slk_err *err)
{
    bool found;
    int64_t one;
    sqlite3_stmt *stmt;
    slk_status status =
        slk_store_query_int(store, &one, &found, err, "SELECT 1 FROM label_set WHERE id = ?", "i", label_set_id);
    if (status == SLK_OK && !found)
        return slk_fail(err, SLK_E_NOT_FOUND, "%s: no label set %lld", store->path, (long long)label_set_id);
    if (status == SLK_OK)
        status = slk_store_prepare(&stmt, store, "INSERT INTO p_true VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                                   "write P(True)", err);
    if (status != SLK_OK) return status;
    for (size_t i = 0; i < n && status == SLK_OK; i++) {
        int code = slk_store_bind(stmt, "iud", label_set_id, items[i].fact_id, items[i].p);
        status = slk_store_run_bound(store, stmt, code, "write P(True)", err);
        if (status == SLK_OK && sqlite3_changes(store->db) == 0)
            status = check_same_p(store, label_set_id, &items[i], err);
    }
    sqlite3_finalize(stmt);
    return status;
}

slk_status slk_store_put_p_true(slk_store *store, int64_t label_set_id, const slk_p_true *items, size_t n, slk_err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!(items[i].p >= 0 && items[i].p <= 1))
            return slk_fail(err, SLK_E_ARG, "%s: fact %016llx: P(True) %g, expected 0 to 1", store->path,
                            (unsigned long long)items[i].fact_id, items[i].p);
    }
    slk_status status = slk_store_begin(store, err);
    return status == SLK_OK ? slk_store_end(store, put_p_true(store, label_set_id, items, n, err), err) : status;
}

static int compare_p(const void *pa, const void *pb)
{
    uint64_t a = ((const slk_p_true *)pa)->fact_id, b = ((const slk_p_true *)pb)->fact_id;
    return a < b ? -1 : a > b;
}

slk_status slk_store_load_p_true(slk_store *store, int64_t label_set_id, slk_p_true **items, size_t *n, slk_err *err)
{
    sqlite3_stmt *stmt;
    size_t cap = 0;
    bool row = false;
    *items = NULL;
    *n = 0;
    if (!slk_store_has_studies(store)) return SLK_OK;
    slk_status status =
        slk_store_prepare(&stmt, store, "SELECT fact_id, p FROM p_true WHERE label_set_id = ?", "load P(True)", err);
    if (status == SLK_OK) slk_store_bind(stmt, "i", label_set_id);
    while (status == SLK_OK && (status = slk_store_step(store, stmt, &row, "load P(True)", err)) == SLK_OK && row) {
        if (slk_grow(items, &cap, *n + 1, sizeof **items))
            (*items)[(*n)++] = (slk_p_true){(uint64_t)sqlite3_column_int64(stmt, 0), sqlite3_column_double(stmt, 1)};
        else
            status = slk_store_no_memory(store, err);
    }
    sqlite3_finalize(stmt);
    if (status == SLK_OK && *n > 1) qsort(*items, *n, sizeof **items, compare_p); /* SQLite's order is signed */
    if (status == SLK_OK) return SLK_OK;
    free(*items);
    *items = NULL;
    *n = 0;
    return status;
}
