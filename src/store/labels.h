/* Label sets in the store: what probing a model found out, per fact, with the settings and prompts that decide it.
 *
 * A label set is a slk_label_settings (base/label.h). Equal settings are the same set, so the same command finds what
 * it did before and goes on. A label is written once; writing it again is fine when it is the same, bit for bit, and an
 * error otherwise: then something that should not matter did, and no number could be trusted. */
#ifndef SLK_STORE_LABELS_H
#define SLK_STORE_LABELS_H

#include <stddef.h>
#include <stdint.h>
#include "base/label.h"
#include "store/store.h"

/* The label set with these settings, made when there is none. *id is what --labels takes; *n_labels (may be NULL) how
 * many labels it has already. Errors: SLK_E_NOT_FOUND (no fact set settings->set_name). */
slk_status slk_store_begin_label_set(slk_store *store, int64_t *id, size_t *n_labels,
                                     const slk_label_settings *settings, slk_err *err);

typedef struct slk_label_set_info {
    int64_t id;
    slk_label_settings settings;
    size_t n_labels;
    char created[24]; /* UTC, "2026-01-31T12:00:00Z" */
    char version[24]; /* of slick */
} slk_label_set_info;

/* All label sets, newest first; free(*items). */
slk_status slk_store_list_label_sets(slk_store *store, slk_label_set_info **items, size_t *n, slk_err *err);
/* One; id 0: the newest. Errors: SLK_E_NOT_FOUND. */
slk_status slk_store_find_label_set(slk_store *store, slk_label_set_info *out, int64_t id, slk_err *err);

/* Write labels [n] of facts of the set's fact set, all in one transaction. Arrays of an unlabelable label may be NULL.
 * Errors: SLK_E_ARG (n_ex or n_samples differ from the set's, answers out of order or range), SLK_E_NOT_FOUND (no such
 * label set, or a fact that its fact set does not have), SLK_E_STATE (a fact has another label there). */
slk_status slk_store_put_labels(slk_store *store, int64_t id, const slk_label *labels, size_t n, slk_err *err);

/* Identities of the facts that have a label, ascending; free(*fact_ids). */
slk_status slk_store_load_label_ids(slk_store *store, int64_t id, uint64_t **fact_ids, size_t *n, slk_err *err);

/* The labels of a set one by one, in the order of the facts; so that 22,000 facts with 170 texts each need not be in
 * memory at once. The store must outlive the cursor. */
typedef struct slk_label_cursor slk_label_cursor;
/* with_answers false: answers stay NULL. Errors: SLK_E_NOT_FOUND. */
slk_status slk_store_open_labels(slk_label_cursor **out, slk_store *store, int64_t id, bool with_answers, slk_err *err);
/* *more false at the end, and then *label is zeroed; else release the label. */
slk_status slk_label_cursor_next(slk_label_cursor *cursor, slk_label *label, bool *more, slk_err *err);
void slk_label_cursor_close(slk_label_cursor *cursor); /* NULL is fine */

/* All of them; slk_label_release() each, then free(*labels). */
slk_status slk_store_load_labels(slk_store *store, int64_t id, bool with_answers, slk_label **labels, size_t *n,
                                 slk_err *err);

#endif
