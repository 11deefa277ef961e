/* Filters: from what a file says to the facts that are kept, with a count for everything that goes (STUDY.md section
 * 1).
 *
 * A fact meets the filters in this order and is counted under the first that removes it:
 *
 *     relation      it is of a relation that was not chosen (or is left out)
 *     ood_train     a training question of a relation that is out of distribution: those are only ever tested
 *     multi_answer  several answers that differ after NFKC case folding
 *     overlap       a training fact that has something in common with a test fact
 *     duplicate     equal identity (relation, question, answers): one is kept, the first of test, dev, train that has
 * it
 *
 * Each but `duplicate` is optional; duplicates cannot stay, because identity is what everything random and stored is
 * keyed by.
 *
 * Overlap is taken with every test question that was read and passes the multi_answer filter, of any relation, those
 * that are not kept included: so the facts of one relation are the same whichever others are chosen. It removes a
 * training fact subject             whose subject is the subject of such a test question subject-or-object   or one of
 * whose answers is an answer of one compared as the strings stand. Facts without a known subject (NULL) share none. */
#ifndef SLK_DATA_FILTER_H
#define SLK_DATA_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"
#include "base/fact.h"
#include "base/json.h"

typedef enum slk_filter {
    SLK_FILTER_RELATION,
    SLK_FILTER_OOD_TRAIN,
    SLK_FILTER_MULTI_ANSWER,
    SLK_FILTER_OVERLAP,
    SLK_FILTER_DUPLICATE,
} slk_filter;
#define SLK_N_FILTERS 5

typedef enum slk_overlap { SLK_OVERLAP_SUBJECT, SLK_OVERLAP_SUBJECT_OR_OBJECT, SLK_OVERLAP_NONE } slk_overlap;

const char *slk_filter_name(slk_filter filter);    /* "relation" "ood_train" "multi_answer" "overlap" "duplicate" */
const char *slk_overlap_name(slk_overlap overlap); /* "subject" "subject-or-object" "none" */
int slk_overlap_parse(const char *name);           /* -1: none of the three */

/* All zero is the study's choice. */
typedef struct slk_filter_options {
    slk_overlap overlap;
    bool keep_multi_answer;
    bool keep_ood_train;
    const char *const *relations; /* [n_relations] keep only these; n_relations 0: all but left_out */
    size_t n_relations;
    const char *const *left_out; /* [n_left_out] dropped unless `relations` names them */
    size_t n_left_out;
} slk_filter_options;

/* Facts of all or one relation, per split. n_read = n_kept + the sum of n_removed. */
typedef struct slk_import_counts {
    size_t n_read[SLK_N_SPLITS];
    size_t n_removed[SLK_N_FILTERS][SLK_N_SPLITS];
    size_t n_kept[SLK_N_SPLITS];
} slk_import_counts;

typedef struct slk_import_relation {
    char *relation;
    bool ood;
    slk_import_counts counts;
} slk_import_relation;

/* What an import read, removed and kept. */
typedef struct slk_import_report {
    slk_import_counts all;
    slk_import_relation *relations; /* [n_relations] in order of appearance, removed ones included */
    size_t n_relations;
    bool on[SLK_N_FILTERS]; /* was the filter applied */
    slk_overlap overlap;
    size_t n_with_subject;       /* kept facts whose subject is known */
    size_t n_disputed_questions; /* questions (of one relation) that are kept with different answers: separate facts */
    size_t n_disputed_facts;     /* the facts of those questions */
} slk_import_report;

void slk_import_report_release(slk_import_report *report);
/* {"read": {"train","dev","test"}, "removed": {filter: {...}} for filters that are on, "kept": {...}, "overlap",
 * "disputed_questions", "disputed_facts", "with_subject", "relations": [{"relation","ood","read","removed","kept"}]}.
 * json_decref() it. NULL: out of memory. */
json_t *slk_import_report_json(const slk_import_report *report);

/* Give every fact without a subject one: its question without its relation's template, that is without the longest
 * prefix and suffix that all questions of the relation in *facts share (cut at whole characters), trimmed. It stays
 * NULL where nothing is left. Only meaningful where each relation has one fixed template. Errors: SLK_E_MEMORY. */
slk_status slk_facts_derive_subjects(slk_facts *facts, slk_err *err);

/* Remove in place, keeping the order; *report is filled (release it; empty on failure).
 * Errors: SLK_E_NOT_FOUND (a chosen relation is in no fact), SLK_E_FORMAT (nothing is kept), SLK_E_MEMORY. */
slk_status slk_facts_filter(slk_facts *facts, slk_import_report *report, const slk_filter_options *options,
                            slk_err *err);

#endif
