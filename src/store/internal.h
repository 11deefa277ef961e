/* What the files of store/ share. Not for other modules. */
#ifndef SLK_STORE_INTERNAL_H
#define SLK_STORE_INTERNAL_H

#include <sqlite3.h>
#include <stdint.h>
#include "base/fact.h"
#include "store/store.h"

struct slk_store {
    sqlite3 *db;
    char *path;
    int depth;   /* of open transactions */
    int version; /* of the file's schema: less than SLK_STORE_VERSION only where it was opened for reading */
};

#define SLK_STORE_APPLICATION_ID 0x736C636B /* "slck" */

/* schema.c: script i makes version i + 1 of version i; 0 is an empty file. */
extern const char *const slk_store_schema[SLK_STORE_VERSION];
extern const char slk_store_schema_2[]; /* schema_study.c */

/* Turn SQLite's last error into err, with the path: "slick.db: what: database or disk is full". code: the result that
 * failed. */
slk_status slk_store_fail(slk_store *store, int code, const char *what, slk_err *err);

/* Run a script without results. */
slk_status slk_store_exec(slk_store *store, const char *sql, const char *what, slk_err *err);

/* Prepare one statement; *out NULL on failure. sqlite3_finalize() it. */
slk_status slk_store_prepare(sqlite3_stmt **out, slk_store *store, const char *sql, const char *what, slk_err *err);

/* Bind the arguments in order, as fmt says: i = int64_t, u = uint64_t (stored as the same 64 bits), d = double, t =
 * const char * (NULL: SQL NULL; must outlive the next step), b = const void *, size_t. Returns SQLite's code. */
int slk_store_bind(sqlite3_stmt *stmt, const char *fmt, ...);

/* Step a statement that gives no rows and reset it. */
slk_status slk_store_run(slk_store *store, sqlite3_stmt *stmt, const char *what, slk_err *err);

/* Step a query: *row says whether there is one. */
slk_status slk_store_step(slk_store *store, sqlite3_stmt *stmt, bool *row, const char *what, slk_err *err);

/* One query with at most one row and one integer; *found may be NULL. fmt and arguments as slk_store_bind(). */
slk_status slk_store_query_int(slk_store *store, int64_t *out, bool *found, slk_err *err, const char *sql,
                               const char *fmt, ...);

/* Commit when status is SLK_OK, else roll back; the end of a function that began a transaction. */
slk_status slk_store_end(slk_store *store, slk_status status, slk_err *err);

/* "slick.db: out of memory". */
slk_status slk_store_no_memory(const slk_store *store, slk_err *err);

/* Step a statement that gives no rows, with what slk_store_bind() returned. */
slk_status slk_store_run_bound(slk_store *store, sqlite3_stmt *stmt, int code, const char *what, slk_err *err);

/* One statement without rows, from its text; arguments as slk_store_bind(). *n_changed (may be NULL): rows. */
slk_status slk_store_change(slk_store *store, size_t *n_changed, const char *what, slk_err *err, const char *sql,
                            const char *fmt, ...);

/* Copy of a text column, cut to n bytes with its end; "" for SQL NULL. */
void slk_store_copy_column(char *out, size_t n, sqlite3_stmt *stmt, int column);

/* Copy of a text column (NULL for SQL NULL; false: out of memory). */
bool slk_store_column_text(char **out, sqlite3_stmt *stmt, int column);

/* JSON array of strings, to text (free() it; NULL: out of memory) and back (false: no such array or out of memory). */
char *slk_store_pack_texts(char *const *items, size_t n);
bool slk_store_unpack_texts(char ***items, size_t *n, const char *json);

#endif
