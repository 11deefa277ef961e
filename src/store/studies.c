/* Studies, and the facts that studies ask and runs train on. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "store/internal.h"
#include "store/runs.h"
#include "store/runs_impl.h"

/* --- studies ------------------------------------------------------------------------------------------------------ */

void slk_study_info_release(slk_study_info *info)
{
    if (!info) return;
    free(info->description);
    free(info->shown);
    info->description = info->shown = NULL;
}

static slk_status find_or_insert(slk_store *store, int64_t *id, const char *name, const char *description,
                                 int64_t label_set_id, slk_err *err)
{
    bool found;
    int64_t one;
    slk_status status =
        slk_store_query_int(store, &one, &found, err, "SELECT 1 FROM label_set WHERE id = ?", "i", label_set_id);
    if (status == SLK_OK && !found)
        return slk_fail(err, SLK_E_NOT_FOUND, "%s: no label set %lld", store->path, (long long)label_set_id);
    if (status == SLK_OK)
        status = slk_store_query_int(store, id, &found, err,
                                     "SELECT id FROM study WHERE label_set_id = ? AND description = ?", "it",
                                     label_set_id, description);
    if (status != SLK_OK || found) return status;
    status =
        slk_store_change(store, NULL, "write study", err,
                         "INSERT INTO study VALUES (NULL, ?, '{}', ?, ?, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), ?)",
                         "ttit", name, description, label_set_id, SLICK_VERSION);
    *id = sqlite3_last_insert_rowid(store->db);
    return status;
}

slk_status slk_store_begin_study(slk_store *store, int64_t *id, const char *name, const char *description,
                                 int64_t label_set_id, slk_err *err)
{
    *id = 0;
    slk_status status = slk_store_begin(store, err);
    if (status != SLK_OK) return status;
    return slk_store_end(store, find_or_insert(store, id, name, description, label_set_id, err), err);
}

slk_status slk_store_show_study(slk_store *store, int64_t id, const char *name, const char *shown, slk_err *err)
{
    size_t n;
    slk_status status = slk_store_change(store, &n, "write study", err,
                                         "UPDATE study SET name = ?, shown = ? WHERE id = ?", "tti", name, shown, id);
    if (status != SLK_OK || n > 0) return status;
    return slk_fail(err, SLK_E_NOT_FOUND, "%s: no study %lld", store->path, (long long)id);
}

#define STUDY_COLUMNS "SELECT id, name, description, label_set_id, created, version, shown FROM study "

static bool read_study(slk_study_info *out, sqlite3_stmt *stmt)
{
    memset(out, 0, sizeof *out);
    out->id = sqlite3_column_int64(stmt, 0);
    slk_store_copy_column(out->name, sizeof out->name, stmt, 1);
    out->label_set_id = sqlite3_column_int64(stmt, 3);
    slk_store_copy_column(out->created, sizeof out->created, stmt, 4);
    slk_store_copy_column(out->version, sizeof out->version, stmt, 5);
    return slk_store_column_text(&out->description, stmt, 2) && slk_store_column_text(&out->shown, stmt, 6);
}

slk_status slk_store_find_study(slk_store *store, slk_study_info *out, int64_t id, slk_err *err)
{
    sqlite3_stmt *stmt;
    bool row = false;
    memset(out, 0, sizeof *out);
    if (slk_store_has_studies(store)) {
        slk_status status = slk_store_prepare(
            &stmt, store, STUDY_COLUMNS "WHERE ?1 IN (0, id) ORDER BY id DESC LIMIT 1", "find study", err);
        if (status != SLK_OK) return status;
        slk_store_bind(stmt, "i", id);
        status = slk_store_step(store, stmt, &row, "find study", err);
        if (row && !read_study(out, stmt)) {
            slk_study_info_release(out);
            status = slk_store_no_memory(store, err);
        }
        sqlite3_finalize(stmt);
        if (status != SLK_OK || row) return status;
    }
    if (id == 0) return slk_fail(err, SLK_E_NOT_FOUND, "%s: no study yet (study run makes one)", store->path);
    return slk_fail(err, SLK_E_NOT_FOUND, "%s: no study %lld", store->path, (long long)id);
}

slk_status slk_store_list_studies(slk_store *store, slk_study_info **items, size_t *n, slk_err *err)
{
    size_t cap = 0;
    sqlite3_stmt *stmt;
    bool row = false;
    *items = NULL;
    *n = 0;
    if (!slk_store_has_studies(store)) return SLK_OK;
    slk_status status = slk_store_prepare(&stmt, store, STUDY_COLUMNS "ORDER BY id DESC", "list studies", err);
    while (status == SLK_OK && (status = slk_store_step(store, stmt, &row, "list studies", err)) == SLK_OK && row) {
        if (!slk_grow(items, &cap, *n + 1, sizeof **items) || !read_study(&(*items)[(*n)++], stmt))
            status = slk_store_no_memory(store, err);
    }
    sqlite3_finalize(stmt);
    if (status == SLK_OK) return SLK_OK;
    for (size_t i = 0; i < *n; i++) slk_study_info_release(&(*items)[i]);
    free(*items);
    *items = NULL;
    *n = 0;
    return status;
}

/* --- facts of a study or a run ------------------------------------------------------------------------------------ */

const char *slk_study_set_name(slk_study_set set)
{
    static const char *const names[SLK_N_STUDY_SETS] = {"train", "dev", "test", "ood"};
    return set < SLK_N_STUDY_SETS ? names[set] : "?";
}

/* A list of facts: that of a run (run_id), or a set of a study. */
typedef struct fact_list {
    slk_store *store;
    int64_t study_id, run_id; /* one of them is 0 */
    const char *asked;
} fact_list;

static slk_status load_list(const fact_list *list, slk_set_fact **facts, size_t *n, slk_err *err)
{
    slk_store *store = list->store;
    sqlite3_stmt *stmt = NULL;
    size_t cap = 0;
    bool row = false;
    *facts = NULL;
    *n = 0;
    if (!slk_store_has_studies(store)) return SLK_OK;
    const char *of_run = "SELECT position, fact_id, category, idk FROM run_fact WHERE run_id = ? ORDER BY position";
    const char *of_study = "SELECT position, fact_id, category, 0 FROM study_fact WHERE study_id = ? AND asked = ? "
                           "ORDER BY position";
    slk_status status = slk_store_prepare(&stmt, store, list->run_id ? of_run : of_study, "load facts", err);
    if (status == SLK_OK && list->run_id) slk_store_bind(stmt, "i", list->run_id);
    if (status == SLK_OK && !list->run_id) slk_store_bind(stmt, "it", list->study_id, list->asked);
    while (status == SLK_OK && (status = slk_store_step(store, stmt, &row, "load facts", err)) == SLK_OK && row) {
        const char *category = (const char *)sqlite3_column_text(stmt, 2);
        int number = category ? slk_category_parse(category) : -1;
        if ((category && number < 0) || sqlite3_column_int64(stmt, 0) != (int64_t)*n) {
            status =
                slk_fail(err, SLK_E_FORMAT, "%s: facts of %s %lld: damaged row %zu", store->path,
                         list->run_id ? "run" : "study", (long long)(list->run_id ? list->run_id : list->study_id), *n);
        } else if (!slk_grow(facts, &cap, *n + 1, sizeof **facts)) {
            status = slk_store_no_memory(store, err);
        } else {
            (*facts)[(*n)++] = (slk_set_fact){.fact_id = (uint64_t)sqlite3_column_int64(stmt, 1),
                                              .category = (int8_t)number,
                                              .idk = sqlite3_column_int(stmt, 3) != 0};
        }
    }
    sqlite3_finalize(stmt);
    if (status == SLK_OK) return SLK_OK;
    free(*facts);
    *facts = NULL;
    *n = 0;
    return status;
}

static bool same_list(const slk_set_fact *a, size_t n_a, const slk_set_fact *b, size_t n_b)
{
    bool same = n_a == n_b;
    for (size_t i = 0; same && i < n_a; i++)
        same = a[i].fact_id == b[i].fact_id && a[i].category == b[i].category && a[i].idk == b[i].idk;
    return same;
}

static slk_status insert_list(const fact_list *list, const slk_set_fact *facts, size_t n, slk_err *err)
{
    slk_store *store = list->store;
    sqlite3_stmt *stmt;
    slk_status status = slk_store_prepare(&stmt, store,
                                          list->run_id ? "INSERT INTO run_fact VALUES (?, ?, ?, ?, ?)"
                                                       : "INSERT INTO study_fact VALUES (?, ?, ?, ?, ?)",
                                          "write facts", err);
    for (size_t i = 0; i < n && status == SLK_OK; i++) {
        const slk_set_fact *f = &facts[i];
        const char *category = f->category < 0 ? NULL : slk_category_name((slk_category)f->category);
        int code = list->run_id
                       ? slk_store_bind(stmt, "iiuti", list->run_id, (int64_t)i, f->fact_id, category, (int64_t)f->idk)
                       : slk_store_bind(stmt, "itiut", list->study_id, list->asked, (int64_t)i, f->fact_id, category);
        status = slk_store_run_bound(store, stmt, code, "write facts", err);
    }
    sqlite3_finalize(stmt);
    return status;
}

/* The owner must be there: `what` and id for the message when there is none. */
static slk_status put_list(const fact_list *list, const slk_set_fact *facts, size_t n, slk_err *err)
{
    slk_store *store = list->store;
    slk_set_fact *there = NULL;
    size_t n_there = 0;
    bool found;
    int64_t one, id = list->run_id ? list->run_id : list->study_id;
    const char *what = list->run_id ? "run" : "study";
    slk_status status = slk_store_query_int(
        store, &one, &found, err, list->run_id ? "SELECT 1 FROM run WHERE id = ?" : "SELECT 1 FROM study WHERE id = ?",
        "i", id);
    if (status == SLK_OK && !found)
        return slk_fail(err, SLK_E_NOT_FOUND, "%s: no %s %lld", store->path, what, (long long)id);
    if (status == SLK_OK) status = load_list(list, &there, &n_there, err);
    if (status != SLK_OK) return status;
    if (n_there == 0)
        status = insert_list(list, facts, n, err);
    else if (!same_list(facts, n, there, n_there))
        status = slk_fail(err, SLK_E_STATE,
                          "%s: %s %lld: its %s facts are other ones than those stored (%zu, there are %zu)",
                          store->path, what, (long long)id, list->asked, n, n_there);
    free(there);
    return status;
}

static slk_status put_in_transaction(const fact_list *list, const slk_set_fact *facts, size_t n, slk_err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (facts[i].category < -1 || facts[i].category >= SLK_N_CATEGORIES)
            return slk_fail(err, SLK_E_ARG, "%s: %s fact %zu: category %d", list->store->path, list->asked, i,
                            facts[i].category);
    }
    slk_status status = slk_store_begin(list->store, err);
    return status == SLK_OK ? slk_store_end(list->store, put_list(list, facts, n, err), err) : status;
}

slk_status slk_store_put_study_facts(slk_store *store, int64_t study_id, slk_study_set set, const slk_set_fact *facts,
                                     size_t n, slk_err *err)
{
    if (set == SLK_SET_TRAIN || set >= SLK_N_STUDY_SETS)
        return slk_fail(err, SLK_E_ARG, "%s: a study asks dev, test and ood", store->path);
    fact_list list = {.store = store, .study_id = study_id, .asked = slk_study_set_name(set)};
    return put_in_transaction(&list, facts, n, err);
}

slk_status slk_store_load_study_facts(slk_store *store, int64_t study_id, slk_study_set set, slk_set_fact **facts,
                                      size_t *n, slk_err *err)
{
    fact_list list = {.store = store, .study_id = study_id, .asked = slk_study_set_name(set)};
    return load_list(&list, facts, n, err);
}

slk_status slk_store_put_run_facts(slk_store *store, int64_t run_id, const slk_set_fact *facts, size_t n, slk_err *err)
{
    fact_list list = {.store = store, .run_id = run_id, .asked = "train"};
    return put_in_transaction(&list, facts, n, err);
}

slk_status slk_store_load_run_facts(slk_store *store, int64_t run_id, slk_set_fact **facts, size_t *n, slk_err *err)
{
    fact_list list = {.store = store, .run_id = run_id, .asked = "train"};
    return load_list(&list, facts, n, err);
}
