/* SliCK: asks a model every fact with several few-shot prompts, greedily and by sampling, and says how often it was
 * right (STUDY.md section 2; base/label.h has the result). Many facts are in flight at once, so that batches stay full;
 * a label never depends on which. */
#ifndef SLK_KNOW_PROBE_H
#define SLK_KNOW_PROBE_H

#include "base/fact.h"
#include "base/label.h"
#include "base/progress.h"
#include "infer/verify.h"
#include "know/exemplars.h"
#include "know/match.h"
#include "know/prompt.h"

struct slk_model;

typedef struct slk_probe_options {
    unsigned n_ex, n_shots; /* prompts a fact, exemplars a prompt: those of the slk_exemplars */
    slk_draws draws;        /* seed, samples, temperature, top k, token limit, which wrong answers are decoded */
    slk_match_rule match;
    const slk_template *template; /* prompt format */
    int32_t n_batch_rows;         /* rows of a batch; 0: 512 */
    bool naive;                   /* token by token, one answer at a time (infer/naive.h) */
} slk_probe_options;

typedef struct slk_probe_stats {
    uint64_t n_facts, n_rows, n_logit_rows, n_batches;
    double wall_ms, flop; /* flop: 2 x body parameters x rows + 2 x d_model x n_vocab x logit rows */
    double matmul_ms, attention_ms, rowwise_ms, logits_ms, top_ms;
} slk_probe_stats;

/* Label facts [n_facts], each under the n_ex prompts of its exemplars. on_label is called once a fact, in the order in
 * which they are finished, from the calling thread; the label is the probe's, but may be taken over by zeroing it.
 * Progress counts facts; when it asks for a stop the probe returns SLK_E_INTERRUPTED. Errors: SLK_E_ARG (a prompt
 * longer than the model's context: names the fact), what on_label returns, slk_forward_run's. */
slk_status slk_probe_run(const struct slk_model *model, const slk_fact *const *facts, size_t n_facts,
                         const slk_exemplars *exemplars, const slk_probe_options *options,
                         slk_status (*on_label)(void *user, slk_label *label, slk_err *err), void *user,
                         const slk_progress *progress, slk_probe_stats *stats, slk_err *err);

/* slk_golds_match and slk_golds_alive for the verifier. */
extern const slk_judge slk_golds_judge;

/* Tokens of `text` as they follow the prompt: what the tokenisation of prompt + text has behind the prompt's tokens,
 * or, where that does not begin with them, the text's own. Appended to out. Errors: SLK_E_FORMAT, SLK_E_MEMORY. */
slk_status slk_following_tokens(slk_ids *out, const slk_tokenizer *tokenizer, const char *prompt, size_t prompt_bytes,
                                const slk_ids *prompt_ids, const char *text, slk_err *err);
/* Those of " answer\n". */
slk_status slk_gold_tokens(slk_ids *out, const slk_tokenizer *tokenizer, const char *prompt, size_t prompt_bytes,
                           const slk_ids *prompt_ids, const char *answer, slk_err *err);

#endif
