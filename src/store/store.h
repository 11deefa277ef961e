/* The store: one SQLite file that holds everything measured, with what made it.
 *
 *     fact sets ----< facts                       store/facts.h    what `slick import` read
 *         |
 *     label sets ---< prompts, labels, answers    store/labels.h   what `slick probe` found
 *         |
 *     studies ------< runs ---< epochs, outcomes  store/runs.h     what `slick study` trained
 *
 * Tables and columns are described in schema.c, which users may query. Handles are for one thread each; several
 * processes may have the same file open: readers never wait, writers wait for each other up to SLK_STORE_BUSY_MS.
 *
 * Every function that changes something does it in one transaction: all of it is in the file, or nothing. Calls may be
 * put together between slk_store_begin() and slk_store_commit(); then they are one transaction. A process that is
 * killed loses what it had not committed and leaves a store that opens.
 *
 * Statuses of all functions here and in the other headers: SLK_E_IO (read-only file or folder, full disk), SLK_E_STATE
 * (another process kept the file locked; another schema version), SLK_E_FORMAT (damaged, or no store), SLK_E_MEMORY.
 * Messages begin with the path. */
#ifndef SLK_STORE_STORE_H
#define SLK_STORE_STORE_H

#include <stdbool.h>
#include "base/error.h"

#define SLK_STORE_VERSION 2     /* of the schema: user_version of the file */
#define SLK_STORE_BUSY_MS 60000 /* longer than any transaction of slick takes */

typedef struct slk_store slk_store;

typedef enum slk_store_mode {
    SLK_STORE_READ,   /* must exist; may lie on a read-only file system */
    SLK_STORE_WRITE,  /* must exist */
    SLK_STORE_CREATE, /* made when missing or empty */
} slk_store_mode;

/* Open the store at path. Also SLK_E_NOT_FOUND (missing, and mode is not CREATE). A file of something else is never
 * changed. A store of an older version is brought to this one in one transaction when it is opened for writing (older
 * programs then refuse it), and read as it is otherwise. */
slk_status slk_store_open(slk_store **out, const char *path, slk_store_mode mode, slk_err *err);
void slk_store_close(slk_store *store); /* NULL is fine; rolls back what is not committed */
const char *slk_store_path(const slk_store *store);
/* From now on a commit of this handle returns when it is on the disk, so that a power cut undoes nothing that files
 * beside the store (a checkpoint) build on. */
slk_status slk_store_set_durable(slk_store *store, slk_err *err);

/* A transaction around several calls. They nest: only the outermost commit writes, and a rollback undoes what came
 * since its begin. After a failed call inside, roll back. */
slk_status slk_store_begin(slk_store *store, slk_err *err);
slk_status slk_store_commit(slk_store *store, slk_err *err);
void slk_store_rollback(slk_store *store);

#endif
