#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/mem.h"
#include "store/internal.h"
#include "store/uri.h"

/* --- opening ------------------------------------------------------------------------------------------------------ */

/* What lies at path: SQLite would open a folder's or a text file's name happily and complain late and vaguely.
 * *exists false for a missing or empty file, which CREATE turns into a store. */
static slk_status look_at_file(const char *path, slk_store_mode mode, bool *exists, slk_err *err)
{
    struct stat st;
    *exists = false;
    if (stat(path, &st) != 0) {
        if (errno == ENOENT && mode == SLK_STORE_CREATE) return SLK_OK;
        if (errno == ENOENT) return slk_fail(err, SLK_E_NOT_FOUND, "%s: no store here (import makes one)", path);
        return slk_fail(err, SLK_E_IO, "%s: %s", path, strerror(errno));
    }
    if (S_ISDIR(st.st_mode)) return slk_fail(err, SLK_E_IO, "%s: is a folder, expected a store file", path);
    if (st.st_size == 0 && mode == SLK_STORE_CREATE) return SLK_OK;
    char magic[16] = {0};
    FILE *file = fopen(path, "rb");
    if (!file) return slk_fail(err, SLK_E_IO, "%s: %s", path, strerror(errno));
    size_t n = fread(magic, 1, sizeof magic, file);
    fclose(file);
    if (n != sizeof magic || memcmp(magic, "SQLite format 3", sizeof magic) != 0)
        return slk_fail(err, SLK_E_FORMAT, "%s: no store: %s, expected an SQLite file that slick made", path,
                        st.st_size == 0 ? "an empty file" : "found something else");
    *exists = true;
    return SLK_OK;
}

/* Is the opened file a store of a known version? store->version 0: it has no tables at all. */
static slk_status check_version(slk_store *store, slk_err *err)
{
    int64_t application = 0, version = 0, n_tables = 0;
    slk_status status = slk_store_query_int(store, &application, NULL, err, "PRAGMA application_id", "");
    if (status == SLK_OK) status = slk_store_query_int(store, &version, NULL, err, "PRAGMA user_version", "");
    if (status == SLK_OK)
        status = slk_store_query_int(store, &n_tables, NULL, err, "SELECT count(*) FROM sqlite_master", "");
    if (status != SLK_OK) return status;
    store->version = 0;
    if (application == 0 && version == 0 && n_tables == 0) return SLK_OK;
    if (application != SLK_STORE_APPLICATION_ID)
        return slk_fail(err, SLK_E_FORMAT, "%s: no store: an SQLite file of another program (application_id %lld)",
                        store->path, (long long)application);
    if (version < 1 || version > SLK_STORE_VERSION)
        return slk_fail(err, SLK_E_STATE, "%s: a store of schema version %lld, this slick (%s) knows version %d",
                        store->path, (long long)version, SLICK_VERSION, SLK_STORE_VERSION);
    store->version = (int)version;
    return SLK_OK;
}

/* Make an empty file a store, or an older store one of this version. */
static slk_status upgrade(slk_store *store, slk_err *err)
{
    slk_status status = slk_store_begin(store, err);
    if (status != SLK_OK) return status;
    status = check_version(store, err); /* two processes may be at it: the second finds what the first made */
    int from = store->version;
    const char *what = from == 0 ? "create tables" : "bring to this version";
    for (int v = from; v < SLK_STORE_VERSION && status == SLK_OK; v++)
        status = slk_store_exec(store, slk_store_schema[v], what, err);
    if (status == SLK_OK && from < SLK_STORE_VERSION) {
        char pragmas[96];
        snprintf(pragmas, sizeof pragmas, "PRAGMA application_id = %d; PRAGMA user_version = %d",
                 SLK_STORE_APPLICATION_ID, SLK_STORE_VERSION);
        status = slk_store_exec(store, pragmas, what, err);
    }
    status = slk_store_end(store, status, err);
    if (status == SLK_OK) store->version = SLK_STORE_VERSION;
    return status;
}

/* WAL: readers do not wait for the writer, and a commit is one append.
 * synchronous=NORMAL: a commit is then in the operating system's hands, but not yet forced to the disk. So a killed
 * process loses nothing that it had committed; a power cut may undo the last transactions, whole ones, and the file
 * stays sound. What is lost then is work that the same command does again with the same result, so forcing every batch
 * of labels to the disk would buy nothing. */
static slk_status set_up(slk_store *store, slk_store_mode mode, slk_err *err)
{
    sqlite3_busy_timeout(store->db, SLK_STORE_BUSY_MS);
    sqlite3_extended_result_codes(store->db, 1);
    /* in one transaction, or another process that creates the store might commit between the questions */
    slk_status status = slk_store_exec(store, "BEGIN", "open", err);
    if (status == SLK_OK) status = check_version(store, err);
    slk_status ended = slk_store_exec(store, "ROLLBACK", "open", status == SLK_OK ? err : NULL);
    if (status == SLK_OK) status = ended;
    if (status != SLK_OK) return status;
    if (store->version == 0 && mode != SLK_STORE_CREATE)
        return slk_fail(err, SLK_E_FORMAT, "%s: no store: an SQLite file without tables", store->path);
    if (mode != SLK_STORE_READ) status = slk_store_exec(store, "PRAGMA journal_mode = WAL", "open", err);
    if (status == SLK_OK)
        status = slk_store_exec(
            store, "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -65536", "open", err);
    if (status != SLK_OK || mode == SLK_STORE_READ || store->version == SLK_STORE_VERSION) return status;
    return upgrade(store, err);
}

/* A missing file that could not be made into a store leaves nothing behind. */
static void remove_empty(const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0) unlink(path);
}

slk_status slk_store_open(slk_store **out, const char *path, slk_store_mode mode, slk_err *err)
{
    *out = NULL;
    bool exists;
    slk_status status = look_at_file(path, mode, &exists, err);
    if (status != SLK_OK) return status;
    slk_store *store = slk_alloc_zero(1, sizeof *store);
    char *uri = slk_store_uri(path, mode == SLK_STORE_READ);
    if (store) store->path = slk_strdup(path);
    if (!store || !store->path || !uri) {
        status = slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
    } else {
        int flags = SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX |
                    (mode == SLK_STORE_READ    ? SQLITE_OPEN_READONLY
                     : mode == SLK_STORE_WRITE ? SQLITE_OPEN_READWRITE
                                               : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
        int code = sqlite3_open_v2(uri, &store->db, flags, NULL);
        status = code == SQLITE_OK ? set_up(store, mode, err) : slk_store_fail(store, code, "open", err);
        /* two processes that create a store at the same time: SQLite does not wait for the other's change to WAL */
        for (int i = 0; status == SLK_E_STATE && code == SQLITE_OK && mode == SLK_STORE_CREATE && i < 50; i++) {
            nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
            status = set_up(store, mode, err);
        }
    }
    free(uri);
    if (status == SLK_OK) {
        *out = store;
        return SLK_OK;
    }
    slk_store_close(store);
    if (!exists && status == SLK_E_IO) remove_empty(path);
    return status;
}

void slk_store_close(slk_store *store)
{
    if (!store) return;
    sqlite3_close(store->db); /* rolls back */
    free(store->path);
    free(store);
}

const char *slk_store_path(const slk_store *store)
{
    return store->path;
}

slk_status slk_store_set_durable(slk_store *store, slk_err *err)
{
    return slk_store_exec(store, "PRAGMA synchronous = FULL", "open", err);
}

/* --- transactions ------------------------------------------------------------------------------------------------- */

/* IMMEDIATE: the write lock is taken at the beginning, where waiting for it is still possible; a reader that becomes a
 * writer in the middle may only fail. */
slk_status slk_store_begin(slk_store *store, slk_err *err)
{
    char sql[40] = "BEGIN IMMEDIATE";
    if (store->depth > 0) snprintf(sql, sizeof sql, "SAVEPOINT level%d", store->depth);
    slk_status status = slk_store_exec(store, sql, "begin", err);
    if (status == SLK_OK) store->depth++;
    return status;
}

slk_status slk_store_commit(slk_store *store, slk_err *err)
{
    if (store->depth == 0) return slk_fail(err, SLK_E_ARG, "%s: commit without begin", store->path);
    char sql[40] = "COMMIT";
    if (store->depth > 1) snprintf(sql, sizeof sql, "RELEASE level%d", store->depth - 1);
    slk_status status = slk_store_exec(store, sql, "commit", err);
    if (status != SLK_OK) {
        slk_store_rollback(store);
        return status;
    }
    store->depth--;
    return SLK_OK;
}

void slk_store_rollback(slk_store *store)
{
    if (store->depth == 0) return;
    store->depth--;
    if (sqlite3_get_autocommit(store->db)) return; /* a full disk rolls everything back by itself */
    char sql[64] = "ROLLBACK";
    if (store->depth > 0) snprintf(sql, sizeof sql, "ROLLBACK TO level%d; RELEASE level%d", store->depth, store->depth);
    sqlite3_exec(store->db, sql, NULL, NULL, NULL);
}

slk_status slk_store_end(slk_store *store, slk_status status, slk_err *err)
{
    if (status == SLK_OK) return slk_store_commit(store, err);
    slk_store_rollback(store);
    return status;
}
