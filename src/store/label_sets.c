/* Label sets: settings to rows and back. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "store/internal.h"
#include "store/labels.h"

/* The settings as one text, the key of the set. Numbers with all their bits; a new setting is added at the end and so
 * makes new keys. */
static char *settings_key(const slk_label_settings *s)
{
    char numbers[3][24], temperature[32];
    const uint64_t hashes[3] = {s->model_hash, s->adapter_hash, s->template_hash};
    for (int i = 0; i < 3; i++) snprintf(numbers[i], sizeof numbers[i], "%016llx", (unsigned long long)hashes[i]);
    snprintf(temperature, sizeof temperature, "%.17g", s->temperature);
    char seed[24];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)s->seed);
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:s}", "model_name",
                  s->model_name, "model_hash", numbers[0], "adapter_hash", numbers[1], "dtype", s->dtype, "kernels",
                  s->kernels, "seed", seed, "n_ex", (json_int_t)s->n_ex, "n_shots", (json_int_t)s->n_shots, "n_samples",
                  (json_int_t)s->n_samples, "top_k", (json_int_t)s->top_k, "temperature", temperature, "match",
                  s->match, "decoded", s->decoded, "set", s->set_name, "pool", s->pool, "template_hash", numbers[2]);
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    return text;
}

static slk_status insert_label_set(slk_store *store, int64_t *id, const char *key, int64_t set_id,
                                   const slk_label_settings *s, slk_err *err)
{
    sqlite3_stmt *stmt;
    slk_status status =
        slk_store_prepare(&stmt, store,
                          "INSERT INTO label_set VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                          "strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), ?)",
                          "write label set", err);
    if (status != SLK_OK) return status;
    int code = slk_store_bind(stmt, "tituuttuiiiidtttut", key, set_id, s->model_name, s->model_hash, s->adapter_hash,
                              s->dtype, s->kernels, s->seed, (int64_t)s->n_ex, (int64_t)s->n_shots,
                              (int64_t)s->n_samples, (int64_t)s->top_k, s->temperature, s->match, s->decoded, s->pool,
                              s->template_hash, SLICK_VERSION);
    status = code == SQLITE_OK ? slk_store_run(store, stmt, "write label set", err)
                               : slk_store_fail(store, code, "write label set", err);
    *id = sqlite3_last_insert_rowid(store->db);
    sqlite3_finalize(stmt);
    return status;
}

static slk_status find_or_insert(slk_store *store, int64_t *id, const char *key, const slk_label_settings *settings,
                                 slk_err *err)
{
    bool found;
    int64_t set_id;
    slk_status status =
        slk_store_query_int(store, id, &found, err, "SELECT id FROM label_set WHERE settings = ?", "t", key);
    if (status != SLK_OK || found) return status;
    status = slk_store_query_int(store, &set_id, &found, err, "SELECT id FROM fact_set WHERE name = ?", "t",
                                 settings->set_name);
    if (status != SLK_OK) return status;
    if (!found) return slk_fail(err, SLK_E_NOT_FOUND, "%s: no set '%s'", store->path, settings->set_name);
    return insert_label_set(store, id, key, set_id, settings, err);
}

slk_status slk_store_begin_label_set(slk_store *store, int64_t *id, size_t *n_labels,
                                     const slk_label_settings *settings, slk_err *err)
{
    *id = 0;
    if (n_labels) *n_labels = 0;
    if (!isfinite(settings->temperature)) return slk_fail(err, SLK_E_ARG, "%s: temperature is not finite", store->path);
    char *key = settings_key(settings);
    if (!key) return slk_fail(err, SLK_E_MEMORY, "%s: label set: out of memory, or a setting is no UTF-8", store->path);
    slk_status status = slk_store_begin(store, err);
    if (status == SLK_OK) status = slk_store_end(store, find_or_insert(store, id, key, settings, err), err);
    free(key);
    if (status != SLK_OK || !n_labels) return status;
    int64_t n;
    status = slk_store_query_int(store, &n, NULL, err, "SELECT count(*) FROM label WHERE label_set_id = ?", "i", *id);
    *n_labels = (size_t)n;
    return status;
}

#define LABEL_SET_COLUMNS                                                                                              \
    "SELECT l.id, l.model_name, l.model_hash, l.adapter_hash, l.dtype, l.kernels, l.seed, l.n_ex, l.n_shots, "         \
    "l.n_samples, "                                                                                                    \
    "l.top_k, l.temperature, l.match, l.decoded, s.name, l.pool, l.template_hash, l.created, l.version, "              \
    "(SELECT count(*) FROM label WHERE label_set_id = l.id) FROM label_set l JOIN fact_set s ON s.id = l.set_id "

static void read_info(slk_label_set_info *out, sqlite3_stmt *stmt)
{
    memset(out, 0, sizeof *out);
    slk_label_settings *s = &out->settings;
    out->id = sqlite3_column_int64(stmt, 0);
    slk_store_copy_column(s->model_name, sizeof s->model_name, stmt, 1);
    s->model_hash = (uint64_t)sqlite3_column_int64(stmt, 2);
    s->adapter_hash = (uint64_t)sqlite3_column_int64(stmt, 3);
    slk_store_copy_column(s->dtype, sizeof s->dtype, stmt, 4);
    slk_store_copy_column(s->kernels, sizeof s->kernels, stmt, 5);
    s->seed = (uint64_t)sqlite3_column_int64(stmt, 6);
    s->n_ex = (unsigned)sqlite3_column_int64(stmt, 7);
    s->n_shots = (unsigned)sqlite3_column_int64(stmt, 8);
    s->n_samples = (unsigned)sqlite3_column_int64(stmt, 9);
    s->top_k = (unsigned)sqlite3_column_int64(stmt, 10);
    s->temperature = sqlite3_column_double(stmt, 11);
    slk_store_copy_column(s->match, sizeof s->match, stmt, 12);
    slk_store_copy_column(s->decoded, sizeof s->decoded, stmt, 13);
    slk_store_copy_column(s->set_name, sizeof s->set_name, stmt, 14);
    slk_store_copy_column(s->pool, sizeof s->pool, stmt, 15);
    s->template_hash = (uint64_t)sqlite3_column_int64(stmt, 16);
    slk_store_copy_column(out->created, sizeof out->created, stmt, 17);
    slk_store_copy_column(out->version, sizeof out->version, stmt, 18);
    out->n_labels = (size_t)sqlite3_column_int64(stmt, 19);
}

slk_status slk_store_list_label_sets(slk_store *store, slk_label_set_info **items, size_t *n, slk_err *err)
{
    size_t cap = 0;
    sqlite3_stmt *stmt;
    bool row = false;
    *items = NULL;
    *n = 0;
    slk_status status = slk_store_prepare(&stmt, store, LABEL_SET_COLUMNS "ORDER BY l.id DESC", "list label sets", err);
    while (status == SLK_OK && (status = slk_store_step(store, stmt, &row, "list label sets", err)) == SLK_OK && row) {
        if (slk_grow(items, &cap, *n + 1, sizeof **items))
            read_info(&(*items)[(*n)++], stmt);
        else
            status = slk_fail(err, SLK_E_MEMORY, "%s: out of memory", store->path);
    }
    sqlite3_finalize(stmt);
    if (status == SLK_OK) return SLK_OK;
    free(*items);
    *items = NULL;
    *n = 0;
    return status;
}

slk_status slk_store_find_label_set(slk_store *store, slk_label_set_info *out, int64_t id, slk_err *err)
{
    sqlite3_stmt *stmt;
    bool row = false;
    memset(out, 0, sizeof *out);
    slk_status status = slk_store_prepare(
        &stmt, store, LABEL_SET_COLUMNS "WHERE ?1 IN (0, l.id) ORDER BY l.id DESC LIMIT 1", "find label set", err);
    if (status != SLK_OK) return status;
    slk_store_bind(stmt, "i", id);
    status = slk_store_step(store, stmt, &row, "find label set", err);
    if (row) read_info(out, stmt);
    sqlite3_finalize(stmt);
    if (status != SLK_OK || row) return status;
    if (id == 0) return slk_fail(err, SLK_E_NOT_FOUND, "%s: no labels yet (probe makes them)", store->path);
    return slk_fail(err, SLK_E_NOT_FOUND, "%s: no label set %lld", store->path, (long long)id);
}
