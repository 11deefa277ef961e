/* The handle behind include/slick.h, and the checks that its parts share. */
#ifndef SLK_API_INTERNAL_H
#define SLK_API_INTERNAL_H

#include "know/match.h"
#include "model/model.h"
#include "slick.h"

struct slk_lm {
    slk_model *model;
    slk_lm_info info; /* strings are the model's */
};

/* Options that several calls have; `call` names the call in messages. match NULL: not looked at.
 * Errors: SLK_E_ARG. */
slk_status slk_api_check_draws(const char *call, double temperature, int top_k, int max_tokens, slk_err *err);
slk_status slk_api_check_match(slk_match_rule *rule, const char *call, const char *match, slk_err *err);

#endif
