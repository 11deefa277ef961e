/* The last layer for some rows only. Every row's keys and values of the last layer are needed by what follows it, but
 * its output only where logits are asked: queries, attention and the feed-forward block of the other rows would be
 * computed for nothing. In a decoder of 4 layers that is a sixth of the work of asking questions, of 30 a fortieth. */
#ifndef SLK_MODEL_ASKED_H
#define SLK_MODEL_ASKED_H

#include "base/error.h"
#include "model/forward.h"

/* The asked rows of a batch, packed densely. Zero-initialise; memory is kept from one batch to the next. */
typedef struct slk_asked {
    int32_t *rows;   /* [n] of the batch, ascending, each once */
    int32_t *places; /* [n_asks] of each ask in rows */
    slk_path *paths; /* [n_paths] cover 0 .. n - 1 in order, as in slk_batch */
    slk_run *runs;
    int32_t n, n_paths;
    size_t cap_rows, cap_places, cap_paths, cap_runs;
} slk_asked;

/* Is it worth while? Not when whole layers are tapped, nor when most rows are asked. */
bool slk_asked_pays(const slk_batch *batch);
/* Errors: SLK_E_MEMORY. */
slk_status slk_asked_set(slk_asked *asked, const slk_batch *batch, slk_err *err);
void slk_asked_release(slk_asked *asked);

#endif
