/* P(True): does the model itself call the true answer true? The way of measuring knowledge that SliCK is compared with
 * (STUDY.md section 4, item 7; Kadavath et al. 2022, "Language models (mostly) know what they know"). The model reads,
 * without exemplars,
 *
 *     Question: <question>
 *     Proposed Answer: <answer>
 *     Is the proposed answer:
 *     (A) True
 *     (B) False
 *     The proposed answer is:
 *
 * and P(True) = p(" (A)") / (p(" (A)") + p(" (B)")), where p is the product of the probabilities of the continuation's
 * tokens, at T = 1 over the whole vocabulary. The answer is the canonical one.
 *
 * Both continuations follow one computation of the prompt, and facts with the same beginning ("Question: Where is")
 * share it. A value does not depend on the batch, the threads, or which facts are asked together. */
#ifndef SLK_KNOW_PTRUE_H
#define SLK_KNOW_PTRUE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/fact.h"
#include "base/label.h"
#include "base/mem.h"
#include "base/progress.h"
#include "store/store.h"

struct slk_model;

#define SLK_P_TRUE_A " (A)"
#define SLK_P_TRUE_B " (B)"

/* Append the text above, up to "is:" (check buf->failed at the end). */
void slk_p_true_prompt(slk_buf *buf, const char *question, const char *answer);

typedef struct slk_p_true_stats {
    uint64_t n_facts, n_rows, n_logit_rows, n_batches;
    double wall_ms, flop;
} slk_p_true_stats;

/* P(True) of facts [n]; on_value is called once a fact, in no promised order. n_batch_rows: rows of a batch, 0: 512.
 * Progress counts facts; when it asks for a stop: SLK_E_INTERRUPTED. stats may be NULL. Errors: SLK_E_ARG (a prompt
 * longer than the model's context: names the fact), SLK_E_FORMAT (the tokenizer has no token for a byte), what on_value
 * returns, slk_forward_run's. */
slk_status slk_p_true_run(const struct slk_model *model, const slk_fact *const *facts, size_t n, int32_t n_batch_rows,
                          slk_status (*on_value)(void *user, const slk_fact *fact, double p, slk_err *err), void *user,
                          const slk_progress *progress, slk_p_true_stats *stats, slk_err *err);

/* Is the label set one of this model: its hash, adapter, compute type and kernels? Then P(True) may be kept with it.
 * Errors: SLK_E_STATE (names what differs). */
slk_status slk_p_true_check(const slk_label_settings *settings, const struct slk_model *model, slk_err *err);

/* Compute P(True) of those of facts [n] that have none in the label set yet and store it there once a second and at the
 * end, also after a failure or an interruption: so the same call goes on where it was stopped. *n_new (may be NULL):
 * how many there were to compute. Errors: slk_p_true_check's, slk_p_true_run's, the store's. */
slk_status slk_p_true_fill(slk_store *store, int64_t label_set, const struct slk_model *model,
                           const slk_fact *const *facts, size_t n, int32_t n_batch_rows, size_t *n_new,
                           const slk_progress *progress, slk_p_true_stats *stats, slk_err *err);

#endif
