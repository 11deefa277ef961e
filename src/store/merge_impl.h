/* What the files behind merge.h share. Not for other modules. The other store is attached as `other`. */
#ifndef SLK_STORE_MERGE_IMPL_H
#define SLK_STORE_MERGE_IMPL_H

#include "store/internal.h"
#include "store/merge.h"

/* Run one statement with up to two integers; *n_changed (may be NULL) grows by the rows. */
slk_status slk_merge_change(slk_store *store, const char *sql, size_t *n_changed, int64_t a, int64_t b, slk_err *err);

/* Run a query that looks for a contradiction: a row is one, and its first two columns go into the message. */
slk_status slk_merge_refuse(slk_store *store, const char *other_path, const char *sql, int64_t a, int64_t b,
                            const char *message, slk_err *err);

/* Studies, runs and P(True), once fact sets and label sets are merged. */
slk_status slk_merge_studies(slk_store *store, slk_merge_report *report, const char *other_path, slk_err *err);

#endif
