/* The few-shot prompts behind a label set, kept so that every label can be traced to the text that was asked. */
#ifndef SLK_STORE_PROMPTS_H
#define SLK_STORE_PROMPTS_H

#include <stddef.h>
#include <stdint.h>
#include "store/store.h"

/* What stood before the question. fact_id 0: the relation's own prompt; else that of the one asked fact for which an
 * exemplar had to be replaced (it was the fact itself, or about its subject). */
typedef struct slk_stored_prompt {
    char *relation;
    uint64_t fact_id;
    unsigned prompt;     /* 0 .. n_ex - 1 */
    uint64_t *exemplars; /* [n_exemplars] fact ids, in the order of the text */
    size_t n_exemplars;
    char *text;
} slk_stored_prompt;

typedef struct slk_stored_prompts {
    slk_stored_prompt *items; /* [n] ordered by relation, fact_id, prompt */
    size_t n, cap;
} slk_stored_prompts;

/* Write prompts [n] in one transaction. Those that are there already must be equal.
 * Errors: SLK_E_STATE (one differs; the message names relation and prompt), SLK_E_NOT_FOUND (no such label set). */
slk_status slk_store_put_prompts(slk_store *store, int64_t label_set, const slk_stored_prompt *prompts, size_t n,
                                 slk_err *err);

/* Prompts of a label set, of one relation or of all (NULL). Release the list. */
slk_status slk_store_load_prompts(slk_store *store, slk_stored_prompts *out, int64_t label_set, const char *relation,
                                  slk_err *err);
void slk_stored_prompts_release(slk_stored_prompts *prompts);

#endif
