/* Facts of a store as examples, with the categories that a label set gives them: what is trained on or asked where the
 * command line names no file. */
#ifndef SLK_KNOW_FROM_STORE_H
#define SLK_KNOW_FROM_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "data/examples.h"
#include "store/labels.h"
#include "store/store.h"

#define SLK_LABELS_NEWEST 0    /* the newest that fits; without any, facts have no category */
#define SLK_LABELS_NONE   (-1) /* categories are not wanted */

typedef enum slk_pick_ood { SLK_PICK_IN, SLK_PICK_OUT, SLK_PICK_BOTH } slk_pick_ood;

/* Which facts, and whose categories. Zero: training facts in distribution of the newest label set's fact set. */
typedef struct slk_pick {
    const char *set;              /* fact set; NULL: the label set's, and without one the newest */
    int split;                    /* slk_split, or -1: all */
    slk_pick_ood ood;             /* relations in distribution, out of it, or both */
    int64_t labels;               /* id of a label set, or SLK_LABELS_* */
    uint64_t model_hash;          /* NEWEST: made with this model (without an adapter); 0: with any */
    bool labelled_only;           /* leave out facts without a category */
    const char *const *relations; /* [n_relations]; 0: all */
    size_t n_relations;
    size_t limit; /* facts in all, spread over the relations as `probe --limit` does; 0: all */
    uint64_t seed;
} slk_pick;

/* The picked facts in the order of their set. None is no error: out->n is 0 then. A fact that cannot be labelled (its
 * answer has a line break or too many tokens) counts as one without a category. info (may be NULL): the label set that
 * was taken, id 0 when none was. *out is released by the caller, and empty after a failure. Errors: SLK_E_NOT_FOUND (no
 * such fact set, label set or relation; a store without facts), SLK_E_ARG (the label set is one of another fact set),
 * the store's. */
slk_status slk_examples_from_store(slk_examples *out, slk_label_set_info *info, slk_store *store, const slk_pick *pick,
                                   slk_err *err);

#endif
