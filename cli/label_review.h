/* The sheet for judging by hand what the matcher called wrong: the paper looked at 100 such answers and found 90 wrong,
 * 6 paraphrases, 2 coarser and 2 finer than the truth. */
#ifndef SLK_CLI_LABEL_REVIEW_H
#define SLK_CLI_LABEL_REVIEW_H

#include "label_walk.h"

/* Answers called wrong, drawn without replacement from all recorded wrong draws (so frequent ones are likelier), each
 * text of a fact once. Which ones depends on the seed, never on order or shards. */
typedef struct slk_review slk_review;

/* Errors: SLK_E_MEMORY. */
slk_status slk_review_create(slk_review **out, size_t n_wanted, uint64_t seed, slk_err *err);
void slk_review_free(slk_review *review);
/* A slk_label_visit; user: the review. */
slk_status slk_review_visit(void *review, const slk_fact *fact, slk_label *label, slk_err *err);
/* CSV: relation,question,answers,aliases,model_answer,n_greedy,n_sampled,verdict (empty: to be filled in). Returns the
 * number of rows. */
size_t slk_review_print_csv(const slk_review *review, FILE *stream);

#endif
