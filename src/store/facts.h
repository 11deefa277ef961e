/* Fact sets in the store. A set has a name and is written once; label sets refer to it by that name, so that its facts
 * cannot change below their labels. */
#ifndef SLK_STORE_FACTS_H
#define SLK_STORE_FACTS_H

#include <stddef.h>
#include <stdint.h>
#include "base/fact.h"
#include "store/store.h"

typedef enum slk_put_result {
    SLK_PUT_CREATED,
    SLK_PUT_UNCHANGED, /* the set had exactly this content: nothing was written */
    SLK_PUT_REPLACED,
} slk_put_result;

/* Write facts as set `name`; their order is kept. report: JSON text about the import, or NULL ("{}").
 * A set of this name with other content is replaced when `replace`; never when label sets refer to it.
 * Errors: SLK_E_STATE (the name has other content and !replace, or has labels), SLK_E_ARG (empty name, no facts, the
 * same identity twice). *result may be NULL. */
slk_status slk_store_put_facts(slk_store *store, slk_put_result *result, const char *name, const slk_facts *facts,
                               const char *report, bool replace, slk_err *err);

typedef struct slk_set_info {
    char *name;
    uint64_t content_hash;
    size_t n_facts;
    size_t n_label_sets; /* that refer to it */
    char *report;        /* JSON text as given to slk_store_put_facts() */
    char *created;       /* UTC, "2026-01-31T12:00:00Z" */
    char *version;       /* of slick */
} slk_set_info;

typedef struct slk_set_list {
    slk_set_info *items; /* [n], newest first */
    size_t n, cap;
} slk_set_list;

/* All sets. Release the list (also empty). */
slk_status slk_store_list_sets(slk_store *store, slk_set_list *out, slk_err *err);
void slk_set_list_release(slk_set_list *list);

/* Facts of one relation of a set, per split. */
typedef struct slk_relation_count {
    char *relation;
    bool ood;
    size_t n[SLK_N_SPLITS];
} slk_relation_count;

typedef struct slk_relation_counts {
    slk_relation_count *items; /* [n] in the order of the set */
    size_t n, cap;
} slk_relation_counts;

/* Errors: SLK_E_NOT_FOUND (no such set). */
slk_status slk_store_count_facts(slk_store *store, slk_relation_counts *out, const char *set, slk_err *err);
void slk_relation_counts_release(slk_relation_counts *counts);

/* Facts of a set in its order: those of `split` (-1: all) and of the relations [n_relations] (0: all).
 * Errors: SLK_E_NOT_FOUND (no such set, or a relation that the set does not have; the message lists what there is). */
slk_status slk_store_load_facts(slk_store *store, slk_facts *out, const char *set, int split,
                                const char *const *relations, size_t n_relations, slk_err *err);

#endif
