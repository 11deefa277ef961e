/* Merging stores: shards of one probe, work of other machines. */
#ifndef SLK_STORE_MERGE_H
#define SLK_STORE_MERGE_H

#include <stddef.h>
#include "store/store.h"

typedef struct slk_merge_report {
    size_t n_sets_added; /* fact sets that were not there */
    size_t n_label_sets_added;
    size_t n_label_sets_joined; /* with equal settings in both */
    size_t n_labels_added;
    size_t n_labels_equal; /* in both, bit for bit the same */
    size_t n_prompts_added;
    size_t n_studies_added;
    size_t n_runs_added;   /* finished runs that were not there, or not finished */
    size_t n_runs_equal;   /* finished in both, bit for bit the same */
    size_t n_runs_skipped; /* finished in both, with other kernels there: those here stay */
    size_t n_p_true_added;
} slk_merge_report;

/* Bring fact sets, label sets, prompts, labels, P(True), studies and runs of the store at other_path into `store`, in
 * one transaction: all or nothing. The other file is only read. Label sets with equal settings become one, others stay
 * apart; so do studies of equal descriptions on them. A run that is finished there takes the place of one that is
 * waiting, claimed or failed here (whoever works on that one is told at its next renewal); a run that is finished
 * nowhere stays as it is here, and is waiting where it was not. Errors:
 * SLK_E_STATE (a fact set of one name with different facts; a fact with two different labels in equal label sets: the
 * message names the first in the order of the set; a prompt, a P(True), the facts of a study or a finished run that
 * differs), SLK_E_ARG (the same file; called inside a
 * transaction), and those of slk_store_open(). */
slk_status slk_store_merge(slk_store *store, slk_merge_report *report, const char *other_path, slk_err *err);

#endif
