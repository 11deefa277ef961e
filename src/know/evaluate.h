/* Evaluation: a model is asked each fact once, greedily, with the prompt that it is fine-tuned with (instruction.h, no
 * exemplars). Is the answer right, or does the model say that it does not know?
 *
 * An answer ends as everywhere in slick: at a control token (the end-of-text token is one), at the first line break
 * wherever it stands inside a token, or with SLK_ANSWER_MAX_TOKENS tokens. It is found by verification (DESIGN.md, idea
 * 2): an answer whose beginning can become neither a match nor an abstention is dropped as wrong. Prompts go through in
 * the order of their tokens, so that what they share (the instruction, the stem of the question) is computed once, and
 * new ones are begun whenever a batch has room. Outcomes never depend on the batch size, on the threads, or on which
 * facts are asked together. */
#ifndef SLK_KNOW_EVALUATE_H
#define SLK_KNOW_EVALUATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/fact.h"
#include "base/progress.h"
#include "know/instruction.h"
#include "know/match.h"

struct slk_model;

/* Prompts as tokens, and the order in which they share most: for facts that are asked more than once. */
typedef struct slk_evaluate_prompts slk_evaluate_prompts;

typedef struct slk_evaluate_options {
    const slk_instruction *instruction;
    const slk_evaluate_prompts *prompts; /* of these facts, for this model's vocabulary; NULL: made for this call */
    slk_match_rule match;                /* {0}: em */
    bool texts;                          /* decode wrong answers to their end, too, and keep every answer's text */
    int32_t n_batch_rows;                /* rows of a batch; 0: 512. Never changes an outcome */
} slk_evaluate_options;

/* What came out for one fact. */
typedef struct slk_outcome {
    uint8_t matched;   /* right: it matches an answer or alias; or it is an abstention (abstain.h) where the fact's own
                          first answer is one, in whatever words (D_IDK) */
    uint8_t abstained; /* "I don't know" or a variant */
    char *text;        /* with options.texts: as the model wrote it, trimmed; else NULL */
} slk_outcome;

/* Work done, for rates. */
typedef struct slk_evaluate_stats {
    uint64_t n_facts, n_rows, n_logit_rows, n_batches;
    uint64_t n_prompt_tokens; /* of all prompts, as if nothing were shared */
    double wall_ms, flop;     /* flop: as slk_forward_flop */
} slk_evaluate_stats;

/* Ask facts [n_facts]; outcomes [n_facts] in the same order, all of them zeroed after a failure. The model is used as
 * its weights are now, without dropout. Progress counts facts ("eval", "facts"); when it asks for a stop the result is
 * SLK_E_INTERRUPTED. n_facts may be 0. stats may be NULL. Errors: SLK_E_ARG (a prompt that leaves no room for an answer
 * in the model's context: names the question), SLK_E_FORMAT, SLK_E_MEMORY, slk_forward_run's. */
slk_status slk_evaluate_run(const struct slk_model *model, const slk_fact *const *facts, size_t n_facts,
                            const slk_evaluate_options *options, slk_outcome *outcomes, const slk_progress *progress,
                            slk_evaluate_stats *stats, slk_err *err);
/* Free the texts of outcomes [n]; the array is the caller's. */
void slk_outcomes_release(slk_outcome *outcomes, size_t n);

/* Tokenise the prompts of facts [n_facts]. *bad (may be NULL): the fact that an error is about. Errors: those of
 * slk_evaluate_run() that are about facts. */
slk_status slk_evaluate_prompts_create(slk_evaluate_prompts **out, const struct slk_model *model,
                                       const slk_fact *const *facts, size_t n_facts, const slk_instruction *instruction,
                                       size_t *bad, slk_err *err);
void slk_evaluate_prompts_free(slk_evaluate_prompts *prompts);

/* Would slk_evaluate_run() take these facts? Tokenises every prompt, computes nothing; so that a long training does not
 * end at its first evaluation. *bad, errors: as slk_evaluate_prompts_create(). */
slk_status slk_evaluate_check(const struct slk_model *model, const slk_fact *const *facts, size_t n_facts,
                              const slk_evaluate_options *options, size_t *bad, slk_err *err);

/* Outcomes, counted. */
typedef struct slk_tally {
    size_t n, n_right;       /* facts; right answers among them */
    size_t n_answered;       /* facts without an abstention */
    size_t n_right_answered; /* right ones among those */
} slk_tally;

/* Count one outcome. */
void slk_tally_add(slk_tally *tally, const slk_outcome *outcome);
/* Sum of two. */
slk_tally slk_tally_sum(slk_tally a, slk_tally b);
/* Shares; NAN where there is nothing to take a share of: right of all, right of answered, answered of all. */
double slk_tally_accuracy(const slk_tally *tally);
double slk_tally_answered_accuracy(const slk_tally *tally);
double slk_tally_answered(const slk_tally *tally);

#endif
