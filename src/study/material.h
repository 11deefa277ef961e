/* What a study works on: the facts that its file chooses, and what the label set says about them.
 *
 *     pool (SLK_SET_TRAIN)   in-distribution train facts: D is drawn from them
 *     dev                    in-distribution dev facts: asked for EARLY_STOP, not labelled
 *     test                   in-distribution test facts
 *     ood                    test facts of out-of-distribution relations
 *
 * A limit spreads over the relations and takes facts by a keyed order (data/select.h). With `labels.id` only facts that
 * have a label are looked at; else all are, and those without a label are to be probed. */
#ifndef SLK_STUDY_MATERIAL_H
#define SLK_STUDY_MATERIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/fact.h"
#include "store/labels.h"
#include "store/runs.h"
#include "study/config.h"

typedef struct slk_study_facts {
    slk_facts owned;
    const slk_fact **items; /* [n] */
    int8_t *categories;     /* [n] slk_category, or -1: none, unlabelable, or dev */
    size_t n, n_labelled, n_unlabelable;
} slk_study_facts;

typedef struct slk_study_material {
    char *set; /* name of the fact set */
    slk_study_facts sets[SLK_N_STUDY_SETS];
    slk_label_set_info labels; /* after slk_study_material_label(); id 0: not yet */
} slk_study_material;

/* Choose the facts. Release *out in any case. Errors, with the study file's line: SLK_E_NOT_FOUND (set, relation, label
 * set), SLK_E_ARG (a set without facts), the store's. */
slk_status slk_study_material_load(slk_study_material *out, slk_store *store, const slk_study_config *config,
                                   slk_err *err);
/* Read categories from a label set. Errors: SLK_E_NOT_FOUND. */
slk_status slk_study_material_label(slk_study_material *material, slk_store *store, int64_t label_set, slk_err *err);
void slk_study_material_release(slk_study_material *material);

/* The facts that need a label: pool, test and ood, one behind the other; free(*facts). */
slk_status slk_study_material_asked(const slk_study_material *material, const slk_fact ***facts, size_t *n,
                                    slk_err *err);
/* Hash of a set's identities and categories, in order. */
uint64_t slk_study_facts_hash(const slk_study_facts *facts);

#endif
