/* Batches out of a stream of requests. A request wants the logits at the end of one segment; whatever of its context is
 * not computed yet comes first. Batches take requests in the order they were added until the row budget is used up, so
 * they stay full as long as the caller keeps adding. */
#ifndef SLK_INFER_SCHEDULE_H
#define SLK_INFER_SCHEDULE_H

#include "model/tree.h"

typedef struct slk_schedule slk_schedule;

/* Called for every request whose logits came out of a batch, in the order of addition. `top` is the scheduler's and
 * valid during the call. May add requests. */
typedef slk_status slk_schedule_done(void *user, void *request, const slk_top *top, slk_err *err);

/* top_k: how many logits are kept of a row. n_batch_rows >= 1. Errors: SLK_E_MEMORY. */
slk_status slk_schedule_create(slk_schedule **out, slk_tree *tree, int top_k, int32_t n_batch_rows, slk_err *err);
void slk_schedule_free(slk_schedule *schedule);

/* Ask for the logits behind seg's last token (not computed yet). `request` comes back in done(). Errors: SLK_E_MEMORY.
 */
slk_status slk_schedule_add(slk_schedule *schedule, slk_seg seg, void *request, slk_err *err);
/* Rows that the waiting requests' own segments need (contexts that are shared and pending are not counted twice). */
int64_t slk_schedule_n_rows(const slk_schedule *schedule);
int32_t slk_schedule_batch_rows(const slk_schedule *schedule);
bool slk_schedule_is_empty(const slk_schedule *schedule);
/* Compute one batch. Errors: SLK_E_MEMORY when not even one row fits, slk_tree_forward's, and what done() returns. */
slk_status slk_schedule_run(slk_schedule *schedule, slk_schedule_done *done, void *user, slk_err *err);

#endif
