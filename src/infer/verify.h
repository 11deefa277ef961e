/* Verification instead of generation (DESIGN.md, idea 2). For one fact under one prompt, the greedy answer and every
 * sampled one start at the end of the prompt. At each place the row of logits says which token each draw takes: draws
 * that take the same token go on as one branch, computed once. A branch ends with its answer (line break, control
 * token, token limit), or is dropped when no continuation of its text can match; the branch of the gold path is
 * followed while a draw is on it or its probability is positive.
 *
 * The result is what drawing every answer one by one with the same random numbers gives (infer/naive.h), bit for bit.
 */
#ifndef SLK_INFER_VERIFY_H
#define SLK_INFER_VERIFY_H

#include "base/label.h"
#include "base/mem.h"
#include "infer/schedule.h"
#include "token/tokenizer.h"

/* Which wrong answers are decoded to their end, to be recorded. Never changes an outcome. */
typedef enum slk_decode { SLK_DECODE_NONE, SLK_DECODE_GREEDY, SLK_DECODE_ALL } slk_decode;

typedef struct slk_draws {
    uint64_t seed;
    int n_samples;      /* sampled answers besides the greedy one, 0 .. 65,535 */
    double temperature; /* of the samples */
    int top_k;          /* 1 .. SLK_TOP_MAX */
    int n_max_tokens;   /* an answer has at most so many tokens, the ending one counted */
    slk_decode decode;
} slk_draws;

/* Who decides about texts (know/match.h): a finished answer matches (1), does not (0), or memory is out (-1); an
 * unfinished one is alive unless it is provably dead. */
typedef struct slk_judge {
    int (*match)(const void *golds, const char *text, size_t n_bytes);
    bool (*alive)(const void *golds, const char *text, size_t n_bytes);
} slk_judge;

/* One fact under one prompt. The caller fills the first part and keeps the struct in place until `n_open` is 0. */
typedef struct slk_verification {
    uint64_t fact_id;
    uint16_t prompt;
    const void *golds;
    const int32_t *gold; /* [n_gold] tokens of the canonical answer and its line break; n_gold 0: no gold path */
    int n_gold;
    void *user;
    /* results */
    uint8_t greedy;   /* 1 = the greedy answer matched */
    uint8_t *sampled; /* [n_samples] of the caller, zeroed */
    double p_gold;    /* probability of the gold path under the sampling distribution */
    slk_answer
        *answers; /* [n_answers] texts that were decoded, in no order; the caller frees them (slk_label_release does) */
    size_t n_answers, cap_answers;
    int n_open; /* branches whose logits are still to come */
} slk_verification;

typedef struct slk_verifier slk_verifier;

/* `tokens_of` gives the tokenizer's view of a token. Borrows all arguments but draws. Errors: SLK_E_MEMORY. */
slk_status slk_verifier_create(slk_verifier **out, const struct slk_model *model, slk_tree *tree,
                               slk_schedule *schedule, const slk_judge *judge, const slk_draws *draws, slk_err *err);
void slk_verifier_free(slk_verifier *verifier);

/* Begin: `prompt` is the segment that ends with the prompt's last token; its reference passes to the verifier. Errors:
 * SLK_E_MEMORY. */
slk_status slk_verifier_start(slk_verifier *verifier, slk_verification *v, slk_seg prompt, slk_err *err);
/* Compute one batch and follow up. finished() is called for each verification that is complete. Errors: those of
 * slk_schedule_run; SLK_E_STATE when an answer called dead turned out to match (a defect of the judge). */
slk_status slk_verifier_step(slk_verifier *verifier,
                             slk_status (*finished)(void *user, slk_verification *v, slk_err *err), void *user,
                             slk_err *err);

/* The text of an answer ends here? Appends the bytes that `token` adds (up to a line break) to text, and says whether
 * the answer is over: line break, control token, or `n_tokens` (this one counted) == n_max_tokens. Shared with the
 * naive way. */
bool slk_answer_add_token(slk_buf *text, const slk_tokenizer *tokenizer, int32_t token, int n_tokens, int n_max_tokens);
/* The recorded form of an answer: repaired UTF-8, trimmed, U+0000 as U+FFFD (which is how the matcher takes it). free()
 * it; NULL: out of memory. */
char *slk_answer_text(const char *text, size_t n_bytes);

#endif
