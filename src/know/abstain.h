/* Abstentions: is an answer "I don't know", or a way to say so? (STUDY.md section 3, D_IDK.)
 *
 * An answer is one when its form under `em` (match.h: case, punctuation, articles and white space do not count) is in
 * the list of docs/eval.md, which is that of abstain.c. Nothing else is: "I don't know, maybe Paris" is an answer. */
#ifndef SLK_KNOW_ABSTAIN_H
#define SLK_KNOW_ABSTAIN_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"
#include "know/match.h"

/* The list, ready to be compared with: slk_golds_match() says whether a finished answer is an abstention,
 * slk_golds_alive() whether a beginning can still become one. Free with slk_golds_free(). Errors: SLK_E_MEMORY. */
slk_status slk_abstentions_create(slk_golds **out, slk_err *err);

/* One text: 1 an abstention, 0 not, -1 out of memory. */
int slk_abstention_matches(const char *text, size_t n_bytes);

/* The normalised answers of the list, in the order of docs/eval.md; NULL behind the last. Static. */
const char *const *slk_abstention_list(void);

#endif
