/* Going through the labels of one set together with their facts, and writing a fact and its label as a line of JSON. */
#ifndef SLK_CLI_LABEL_WALK_H
#define SLK_CLI_LABEL_WALK_H

#include "base/fact.h"
#include "base/label.h"
#include "store_common.h"

/* Which labels: those of facts of this split and these relations. */
typedef struct slk_label_filter {
    int split;                 /* slk_split, or -1: all */
    const slk_list *relations; /* n = 0: all */
} slk_label_filter;

/* Called for one label after the other, in the order of the facts. The label may be changed; it is released then. */
typedef slk_status slk_label_visit(void *user, const slk_fact *fact, slk_label *label, slk_err *err);

/* Errors: of the store; SLK_E_NOT_FOUND when no label passes the filter; what visit returns. */
slk_status slk_cli_walk_labels(slk_store *store, const slk_label_set_info *info, const slk_label_filter *filter,
                               bool with_answers, slk_label_visit *visit, void *user, slk_err *err);

/* One distinct answer text of a label. */
typedef struct slk_seen {
    const char *text; /* borrowed from the label */
    bool match;
    unsigned n_greedy, n_sampled;
} slk_seen;

/* The distinct texts among the first n_ex prompts and n_samples draws of each, in the order of first occurrence.
 * seen [label->n_answers] is the caller's. Returns how many. */
size_t slk_cli_distinct_answers(slk_seen *seen, const slk_label *label, unsigned n_ex, unsigned n_samples);

/* The fact as `labels --jsonl` writes it, with the category that the first n_ex prompts and n_samples draws give. NULL:
 * out of memory. */
json_t *slk_cli_label_line(const slk_label_set_info *info, const slk_fact *fact, const slk_label *label, unsigned n_ex,
                           unsigned n_samples);

#endif
