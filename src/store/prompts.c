#include "store/prompts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "store/internal.h"

/* Identities as a JSON array of the signed numbers that the fact table has, so that json_each() joins with it. NULL:
 * out of memory. */
static char *pack_ids(const uint64_t *ids, size_t n)
{
    slk_buf out = {0};
    slk_buf_add_str(&out, "[");
    for (size_t i = 0; i < n; i++) {
        int64_t value;
        memcpy(&value, &ids[i], sizeof value);
        slk_buf_addf(&out, "%s%lld", i ? "," : "", (long long)value);
    }
    slk_buf_add_str(&out, "]");
    char *text = out.failed ? NULL : slk_buf_take(&out);
    slk_buf_release(&out);
    return text;
}

static bool unpack_ids(uint64_t **ids, size_t *n, const char *text)
{
    size_t cap = 0;
    *ids = NULL;
    *n = 0;
    if (!text || *text != '[') return false;
    for (text++; *text != ']'; text += *text == ',') {
        char *end;
        errno = 0;
        long long value = strtoll(text, &end, 10);
        if (end == text || errno || (*end != ',' && *end != ']') || !slk_grow(ids, &cap, *n + 1, sizeof **ids))
            return false;
        (*ids)[(*n)++] = (uint64_t)value;
        text = end;
    }
    return true;
}

static slk_status check_same(slk_store *store, int64_t label_set, const slk_stored_prompt *p, const char *exemplars,
                             slk_err *err)
{
    int64_t n_same;
    slk_status status =
        slk_store_query_int(store, &n_same, NULL, err,
                            "SELECT count(*) FROM prompt WHERE label_set_id = ? AND relation = ? AND fact_id = ? "
                            "AND prompt = ? AND exemplars = ? AND text = ?",
                            "ituitt", label_set, p->relation, p->fact_id, (int64_t)p->prompt, exemplars, p->text);
    if (status != SLK_OK || n_same == 1) return status;
    return slk_fail(err, SLK_E_STATE, "%s: label set %lld: prompt %u of relation '%s' is another one already",
                    store->path, (long long)label_set, p->prompt, p->relation);
}

static slk_status put_prompt(slk_store *store, sqlite3_stmt *stmt, int64_t label_set, const slk_stored_prompt *p,
                             slk_err *err)
{
    char *exemplars = pack_ids(p->exemplars, p->n_exemplars);
    if (!exemplars) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", store->path);
    int code =
        slk_store_bind(stmt, "ituitt", label_set, p->relation, p->fact_id, (int64_t)p->prompt, exemplars, p->text);
    slk_status status = code == SQLITE_OK ? slk_store_run(store, stmt, "write prompts", err)
                                          : slk_store_fail(store, code, "write prompts", err);
    if (status == SLK_OK && sqlite3_changes(store->db) == 0) status = check_same(store, label_set, p, exemplars, err);
    free(exemplars);
    return status;
}

static slk_status check_label_set(slk_store *store, int64_t id, slk_err *err)
{
    bool found;
    int64_t one;
    slk_status status = slk_store_query_int(store, &one, &found, err, "SELECT 1 FROM label_set WHERE id = ?", "i", id);
    if (status != SLK_OK || found) return status;
    return slk_fail(err, SLK_E_NOT_FOUND, "%s: no label set %lld", store->path, (long long)id);
}

slk_status slk_store_put_prompts(slk_store *store, int64_t label_set, const slk_stored_prompt *prompts, size_t n,
                                 slk_err *err)
{
    sqlite3_stmt *stmt = NULL;
    slk_status status = slk_store_begin(store, err);
    if (status != SLK_OK) return status;
    status = check_label_set(store, label_set, err);
    if (status == SLK_OK)
        status = slk_store_prepare(&stmt, store, "INSERT INTO prompt VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                                   "write prompts", err);
    for (size_t i = 0; i < n && status == SLK_OK; i++) status = put_prompt(store, stmt, label_set, &prompts[i], err);
    sqlite3_finalize(stmt);
    return slk_store_end(store, status, err);
}

void slk_stored_prompts_release(slk_stored_prompts *prompts)
{
    for (size_t i = 0; i < prompts->n; i++) {
        free(prompts->items[i].relation);
        free(prompts->items[i].exemplars);
        free(prompts->items[i].text);
    }
    free(prompts->items);
    memset(prompts, 0, sizeof *prompts);
}

slk_status slk_store_load_prompts(slk_store *store, slk_stored_prompts *out, int64_t label_set, const char *relation,
                                  slk_err *err)
{
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    memset(out, 0, sizeof *out);
    slk_status status = check_label_set(store, label_set, err);
    if (status == SLK_OK)
        status =
            slk_store_prepare(&stmt, store,
                              "SELECT relation, fact_id, prompt, exemplars, text FROM prompt WHERE label_set_id = ?1 "
                              "AND (?2 IS NULL OR relation = ?2) ORDER BY relation, fact_id, prompt",
                              "load prompts", err);
    if (status == SLK_OK) slk_store_bind(stmt, "it", label_set, relation);
    while (status == SLK_OK && (status = slk_store_step(store, stmt, &row, "load prompts", err)) == SLK_OK && row) {
        if (!slk_grow(&out->items, &out->cap, out->n + 1, sizeof *out->items)) {
            status = slk_fail(err, SLK_E_MEMORY, "%s: out of memory", store->path);
            break;
        }
        slk_stored_prompt *p = &out->items[out->n++];
        memset(p, 0, sizeof *p);
        p->fact_id = (uint64_t)sqlite3_column_int64(stmt, 1);
        p->prompt = (unsigned)sqlite3_column_int64(stmt, 2);
        if (!slk_store_column_text(&p->relation, stmt, 0) || !slk_store_column_text(&p->text, stmt, 4) ||
            !unpack_ids(&p->exemplars, &p->n_exemplars, (const char *)sqlite3_column_text(stmt, 3)))
            status = slk_fail(err, SLK_E_FORMAT, "%s: prompt %u of relation '%s': damaged row (or out of memory)",
                              store->path, p->prompt, p->relation ? p->relation : "");
    }
    sqlite3_finalize(stmt);
    if (status != SLK_OK) slk_stored_prompts_release(out);
    return status;
}
