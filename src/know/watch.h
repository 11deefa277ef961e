/* What is watched while a model is fine-tuned (STUDY.md sections 3 and 4): before the first update and after every
 * epoch the training examples, dev, test and out-of-distribution test facts are asked (evaluate.h), all in one pass.
 *
 *     train   which examples are fitted, by category
 *     dev     the signal for early stopping
 *     test    accuracy, by category; what was known and is lost (HighlyKnown, not answered rightly), what is
 *             gained (WeaklyKnown and Unknown, answered rightly)
 *     ood     accuracy on relations that are not trained on
 *
 * Sets may be empty, and facts may be without a category. */
#ifndef SLK_KNOW_WATCH_H
#define SLK_KNOW_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/json.h"
#include "base/label.h"
#include "know/evaluate.h"

typedef enum slk_watch_kind { SLK_WATCH_TRAIN, SLK_WATCH_DEV, SLK_WATCH_TEST, SLK_WATCH_OOD } slk_watch_kind;
#define SLK_N_WATCHED 4

/* Facts to be asked; borrowed (slk_examples has both arrays). Zero: empty. */
typedef struct slk_watch_set {
    const slk_fact *const *facts; /* [n] */
    const int8_t *categories;     /* [n] slk_category or -1, or NULL: none has one */
    size_t n;
} slk_watch_set;

typedef struct slk_watch_result {
    bool asked[SLK_N_WATCHED];                           /* not left out, and not empty */
    slk_tally all[SLK_N_WATCHED];                        /* facts with and without a category */
    slk_tally category[SLK_N_WATCHED][SLK_N_CATEGORIES]; /* facts of each category */
    uint8_t *fitted;         /* [n of train] 1 = that example is fitted; NULL: train was not asked */
    size_t n_fitted;         /* n of train, or 0 */
    size_t n_lost, n_gained; /* of test; see above */
    slk_evaluate_stats stats;
} slk_watch_result;

/* Ask the sets [SLK_N_WATCHED] but those of leave_out (bits 1 << slk_watch_kind). *out: release it; empty after a
 * failure. Errors: slk_evaluate_run's. */
slk_status slk_watch_run(slk_watch_result *out, const struct slk_model *model, const slk_watch_set *sets,
                         unsigned leave_out, const slk_evaluate_options *options, const slk_progress *progress,
                         slk_err *err);
void slk_watch_result_release(slk_watch_result *result);

/* slk_evaluate_check() for all sets; *kind and *bad (may be NULL): the set and the fact in it that it is about. */
slk_status slk_watch_check(const struct slk_model *model, const slk_watch_set *sets,
                           const slk_evaluate_options *options, slk_watch_kind *kind, size_t *bad, slk_err *err);

/* HighlyKnown, MaybeKnown and WeaklyKnown of one set together. */
slk_tally slk_watch_known(const slk_watch_result *result, slk_watch_kind kind);

/* Put into `line` (a JSON object, the line of log.jsonl) what was found:
 *
 *     "fitted":   {"all", "HighlyKnown", "MaybeKnown", "WeaklyKnown", "Unknown"}   shares of the training examples
 *     "dev":      accuracy
 *     "test":     {"all", "HighlyKnown", "MaybeKnown", "WeaklyKnown", "Unknown"}
 *     "ood":      accuracy
 *     "lost":     HighlyKnown test facts not answered rightly, a count; those that the model refused (an abstention)
 *                 are among them
 *     "gained":   WeaklyKnown and Unknown test facts answered rightly, a count
 *     "refused":  HighlyKnown test facts answered by an abstention, a count
 *     "answered": {"dev", "test", "ood": {"share", "accuracy"}}      not abstained; accuracy on those
 *     "n":        {"train": {"all", ...}, "dev", "test": {"all", ...}, "ood"}    facts that were asked
 *
 * null stands wherever there is nothing to take a share of: a set that is empty or was left out, a category without
 * facts. false: out of memory. */
bool slk_watch_json(json_t *line, const slk_watch_result *result);

#endif
