/* Which examples a step takes, and how they are cut: a function of seed, epoch and step alone, and of the examples'
 * keys, never of their places in a file. */
#ifndef SLK_TRAIN_ORDER_H
#define SLK_TRAIN_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "train/batch.h"

typedef struct slk_batches {
    const slk_sequence *sequences; /* [n] borrowed */
    size_t n;
    uint64_t seed;
    int64_t batch;    /* examples of a step; the last one of an epoch has what is left */
    int64_t max_rows; /* of a micro-batch */
    bool share;
    size_t n_steps; /* of an epoch */
    /* the step that was set */
    uint32_t *picks; /* [n_picks] numbers of its examples, by rank */
    size_t n_picks;
    size_t *first; /* [n_micro + 1] micro-batch i has picks [first[i], first[i + 1]) */
    size_t n_micro;
    int64_t n_rows;    /* of its largest micro-batch */
    int64_t n_targets; /* of all */
    int64_t n_tokens;  /* of the examples, unshared */
    /* inside */
    uint32_t *order;          /* [n] of epoch `epoch` */
    uint32_t *rank, *by_rank; /* [n] */
    int32_t epoch;            /* -1: none yet */
} slk_batches;

/* Release *out also after a failure. Errors: SLK_E_ARG (nothing to train on), SLK_E_MEMORY. */
slk_status slk_batches_init(slk_batches *out, const slk_sequence *sequences, size_t n, uint64_t seed, int64_t batch,
                            int64_t max_rows, bool share, slk_err *err);
void slk_batches_release(slk_batches *batches);
/* Step `step` < n_steps of epoch `epoch` >= 1. The order of an epoch is that of a keyed hash of the examples' keys.
 * Errors: SLK_E_MEMORY. */
slk_status slk_batches_set(slk_batches *batches, int32_t epoch, size_t step, slk_err *err);
/* Rows and targets of the largest micro-batch that epochs 1 to n_epochs have; of a long run the first ones are looked
 * at. Errors: SLK_E_MEMORY. */
slk_status slk_batches_find_largest(slk_batches *batches, int32_t n_epochs, int64_t *n_rows, int64_t *n_targets,
                                    slk_err *err);

#endif
