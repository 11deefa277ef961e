/* How many facts of each group (relation, split) are in each category, as a table with intervals, CSV or JSON. */
#ifndef SLK_CLI_LABEL_SUMMARY_H
#define SLK_CLI_LABEL_SUMMARY_H

#include <stddef.h>
#include <stdio.h>
#include "base/error.h"
#include "base/json.h"
#include "base/label.h"

typedef struct slk_summary_row {
    char *name;
    size_t n[SLK_N_CATEGORIES + 1]; /* by slk_category, SLK_UNLABELABLE last */
} slk_summary_row;

/* Rows in the order in which groups were first seen, and their sum. Zero-initialise but for `by`. */
typedef struct slk_summary {
    const char *by; /* "relation" or "split": what a row is */
    slk_summary_row *rows;
    size_t n_rows, cap_rows;
    slk_summary_row all;
} slk_summary;

void slk_summary_release(slk_summary *summary);
/* Count one fact. false: out of memory. */
bool slk_summary_add(slk_summary *summary, const char *group, slk_category category);

/* What Wikidata calls a relation of EntityQuestions, shortened to n_bytes; "" for others. */
void slk_describe_relation(char *out, size_t n_bytes, const char *relation);

/* Shares are of the facts that have a category: unlabelable ones are counted apart. */
slk_status slk_summary_print(const slk_summary *summary, FILE *stream, slk_err *err);
void slk_summary_print_csv(const slk_summary *summary, FILE *stream);
/* Into object: "by", "groups": [{<by>: name, "n", "unlabelable", "categories": {name: {"n","share","low","high"}}}],
 * "all": {...}. */
void slk_summary_json(json_t *object, const slk_summary *summary);

#endif
