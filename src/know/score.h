/* What a model makes of given prompt and answer pairs: would greedy decoding write the answer, and how likely is it?
 * The answer follows the prompt after one space and ends with a line break, as in probing. */
#ifndef SLK_KNOW_SCORE_H
#define SLK_KNOW_SCORE_H

#include "base/error.h"
#include "base/progress.h"
#include "infer/verify.h"
#include "know/match.h"

struct slk_model;

typedef struct slk_pair {
    const char *prompt, *answer; /* valid UTF-8; answer not empty */
} slk_pair;

typedef struct slk_score {
    bool greedy_match;
    const char *greedy_answer; /* trimmed; borrowed for the call */
    double logprob;            /* natural log of P(answer + line break | prompt), T = 1, whole vocabulary */
    double p_sample;           /* the same path's probability at the options' temperature and top k */
    int n_tokens;              /* of answer + line break */
} slk_score;

typedef struct slk_score_options {
    double temperature;
    int top_k, n_max_tokens;
    slk_match_rule match;
    int32_t n_batch_rows; /* 0: 512 */
} slk_score_options;

/* Score pairs [n]; on_score is called in their order. An answer of more than n_max_tokens tokens has p_sample 0.
 * Errors: SLK_E_ARG (a pair longer than the context: names its number, from 1), SLK_E_FORMAT, what on_score returns,
 * slk_forward_run's. */
slk_status slk_score_run(const struct slk_model *model, const slk_pair *pairs, size_t n,
                         const slk_score_options *options,
                         slk_status (*on_score)(void *user, size_t index, const slk_score *score, slk_err *err),
                         void *user, const slk_progress *progress, slk_err *err);

#endif
