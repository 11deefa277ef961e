/* The slow obvious way, kept as the referee of the fast one: every answer is generated token by token, one sequence at
 * a time, from an empty linear cache; nothing is shared, nothing is verified, texts are matched when they are finished.
 * It has the forward operations, the sampling step and the end-of-answer rule in common with infer/verify.h, and
 * nothing else. */
#ifndef SLK_INFER_NAIVE_H
#define SLK_INFER_NAIVE_H

#include "infer/verify.h"

typedef struct slk_naive slk_naive;

/* Errors: SLK_E_MEMORY. Borrows model and forward. */
slk_status slk_naive_create(slk_naive **out, const struct slk_model *model, slk_forward *forward,
                            const slk_draws *draws, slk_err *err);
void slk_naive_free(slk_naive *naive);

/* Generate one answer after prompt [n_prompt]: draw -1 greedy, else the sample's index. The untrimmed bytes of the
 * answer are put into text. Errors: slk_forward_run's. */
slk_status slk_naive_answer(slk_naive *naive, slk_buf *text, uint64_t fact_id, uint16_t prompt_index, int draw,
                            const int32_t *prompt, int32_t n_prompt, slk_err *err);
/* Probability that a sampled answer takes the path gold [n_gold] after the prompt, one token at a time: 0 where the
 * answer would be over before the path's last token (a line break or control token inside, too long). Errors:
 * slk_forward_run's. */
slk_status slk_naive_path_probability(slk_naive *naive, double *p, const int32_t *prompt, int32_t n_prompt,
                                      const int32_t *gold, int n_gold, slk_err *err);

#endif
