/* Small helpers around SQLite's C interface. */
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "store/internal.h"

static slk_status status_of(int code)
{
    switch (code & 0xFF) {
    case SQLITE_NOMEM:
        return SLK_E_MEMORY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR: /* a table or column that the version says is there */
    case SQLITE_MISMATCH:
        return SLK_E_FORMAT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CONSTRAINT:
        return SLK_E_STATE;
    case SQLITE_INTERRUPT:
        return SLK_E_INTERRUPTED;
    default: /* FULL, IOERR, READONLY, CANTOPEN, PERM, AUTH, ... */
        return SLK_E_IO;
    }
}

slk_status slk_store_fail(slk_store *store, int code, const char *what, slk_err *err)
{
    slk_status status = status_of(code);
    if ((code & 0xFF) == SQLITE_BUSY)
        return slk_fail(err, status, "%s: %s: another process keeps the store locked (waited %d s)", store->path, what,
                        SLK_STORE_BUSY_MS / 1000);
    const char *message =
        store->db && sqlite3_errcode(store->db) == code ? sqlite3_errmsg(store->db) : sqlite3_errstr(code);
    return slk_fail(err, status, "%s: %s: %s", store->path, what, message);
}

slk_status slk_store_exec(slk_store *store, const char *sql, const char *what, slk_err *err)
{
    int code = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? SLK_OK : slk_store_fail(store, code, what, err);
}

slk_status slk_store_prepare(sqlite3_stmt **out, slk_store *store, const char *sql, const char *what, slk_err *err)
{
    *out = NULL;
    int code = sqlite3_prepare_v2(store->db, sql, -1, out, NULL);
    return code == SQLITE_OK ? SLK_OK : slk_store_fail(store, code, what, err);
}

static int bind_list(sqlite3_stmt *stmt, const char *fmt, va_list args)
{
    int code = SQLITE_OK;
    for (int i = 1; *fmt && code == SQLITE_OK; fmt++, i++) {
        switch (*fmt) {
        case 'i':
            code = sqlite3_bind_int64(stmt, i, va_arg(args, int64_t));
            break;
        case 'u': {
            uint64_t bits = va_arg(args, uint64_t);
            int64_t value;
            memcpy(&value, &bits, sizeof value);
            code = sqlite3_bind_int64(stmt, i, value);
            break;
        }
        case 'd':
            code = sqlite3_bind_double(stmt, i, va_arg(args, double));
            break;
        case 't':
            code = sqlite3_bind_text(stmt, i, va_arg(args, const char *), -1, SQLITE_STATIC);
            break;
        case 'b': {
            const void *data = va_arg(args, const void *);
            size_t n = va_arg(args, size_t);
            code = n ? sqlite3_bind_blob64(stmt, i, data, n, SQLITE_STATIC) : sqlite3_bind_zeroblob(stmt, i, 0);
            break;
        }
        default:
            code = SQLITE_MISUSE;
        }
    }
    return code;
}

int slk_store_bind(sqlite3_stmt *stmt, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int code = bind_list(stmt, fmt, args);
    va_end(args);
    return code;
}

slk_status slk_store_run(slk_store *store, sqlite3_stmt *stmt, const char *what, slk_err *err)
{
    int code = sqlite3_step(stmt);
    slk_status status = code == SQLITE_DONE ? SLK_OK : slk_store_fail(store, code, what, err);
    sqlite3_reset(stmt);
    return status;
}

slk_status slk_store_step(slk_store *store, sqlite3_stmt *stmt, bool *row, const char *what, slk_err *err)
{
    int code = sqlite3_step(stmt);
    *row = code == SQLITE_ROW;
    return code == SQLITE_ROW || code == SQLITE_DONE ? SLK_OK : slk_store_fail(store, code, what, err);
}

slk_status slk_store_query_int(slk_store *store, int64_t *out, bool *found, slk_err *err, const char *sql,
                               const char *fmt, ...)
{
    sqlite3_stmt *stmt;
    bool row = false;
    *out = 0;
    slk_status status = slk_store_prepare(&stmt, store, sql, "query", err);
    if (status != SLK_OK) return status;
    va_list args;
    va_start(args, fmt);
    int code = bind_list(stmt, fmt, args);
    va_end(args);
    status =
        code == SQLITE_OK ? slk_store_step(store, stmt, &row, "query", err) : slk_store_fail(store, code, "query", err);
    if (row) *out = sqlite3_column_int64(stmt, 0);
    if (found) *found = row;
    sqlite3_finalize(stmt);
    return status;
}

slk_status slk_store_no_memory(const slk_store *store, slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", store->path);
}

slk_status slk_store_run_bound(slk_store *store, sqlite3_stmt *stmt, int code, const char *what, slk_err *err)
{
    return code == SQLITE_OK ? slk_store_run(store, stmt, what, err) : slk_store_fail(store, code, what, err);
}

slk_status slk_store_change(slk_store *store, size_t *n_changed, const char *what, slk_err *err, const char *sql,
                            const char *fmt, ...)
{
    sqlite3_stmt *stmt;
    if (n_changed) *n_changed = 0;
    slk_status status = slk_store_prepare(&stmt, store, sql, what, err);
    if (status != SLK_OK) return status;
    va_list args;
    va_start(args, fmt);
    int code = bind_list(stmt, fmt, args);
    va_end(args);
    status = slk_store_run_bound(store, stmt, code, what, err);
    if (status == SLK_OK && n_changed) *n_changed = (size_t)sqlite3_changes(store->db);
    sqlite3_finalize(stmt);
    return status;
}

void slk_store_copy_column(char *out, size_t n, sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    snprintf(out, n, "%s", text ? text : "");
}

bool slk_store_column_text(char **out, sqlite3_stmt *stmt, int column)
{
    *out = NULL;
    if (sqlite3_column_type(stmt, column) == SQLITE_NULL) return true;
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    *out = text ? slk_strdup(text) : NULL;
    return *out != NULL;
}

char *slk_store_pack_texts(char *const *items, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < n; i++) {
        if (json_array_append_new(list, json_string(items[i])) == 0) continue;
        json_decref(list);
        list = NULL;
    }
    char *text = list ? json_dumps(list, JSON_COMPACT) : NULL;
    json_decref(list);
    return text;
}

bool slk_store_unpack_texts(char ***items, size_t *n, const char *json)
{
    json_error_t error;
    json_t *list = json ? json_loads(json, 0, &error) : NULL;
    size_t n_items = json_array_size(list);
    char **texts = json_is_array(list) ? slk_alloc_zero(n_items, sizeof *texts) : NULL;
    bool ok = texts != NULL;
    for (size_t i = 0; ok && i < n_items; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        texts[i] = text ? slk_strdup(text) : NULL;
        ok = texts[i] != NULL;
    }
    json_decref(list);
    *items = ok ? texts : NULL;
    *n = ok ? n_items : 0;
    for (size_t i = 0; !ok && texts && i < n_items; i++) free(texts[i]);
    if (!ok) free(texts);
    return ok;
}
