/* How much memory a run will take, and what to do where there is less. */
#ifndef SLK_TRAIN_MEMORY_H
#define SLK_TRAIN_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "model/params.h"
#include "train/trainer.h"

struct slk_model;

typedef enum slk_recompute { SLK_RECOMPUTE_AUTO, SLK_RECOMPUTE_YES, SLK_RECOMPUTE_NO } slk_recompute;

/* Bytes at the peak, by what takes them. */
typedef struct slk_train_memory {
    size_t weights; /* the model's, in memory already */
    size_t masters; /* float32 copies of what is multiplied in bf16 */
    size_t gradients;
    size_t moments;    /* of the optimiser */
    size_t batch;      /* activations and scratch of the largest micro-batch */
    size_t evaluation; /* keys, values and scratch of asking questions, or what saving takes, whichever is more */
    size_t total;      /* with the rest of the process */
    int64_t n_trained; /* values */
    /* what was decided */
    bool recompute;
    int64_t max_rows;          /* of a micro-batch */
    int64_t n_rows, n_targets; /* of the largest */
} slk_train_memory;

/* Plan for a model that is open, whose parameters are not made yet: options->max_rows and no recomputation where that
 * fits into `available` bytes, else recomputation (which changes no bit), else with it smaller micro-batches (which
 * round otherwise). fixed_rows: max_rows is not to be changed, since a run goes on with it. Errors: SLK_E_MEMORY
 * (nothing fits: says how much is needed), those of slk_batches_init. */
slk_status slk_train_plan_memory(slk_train_memory *out, const struct slk_model *model, unsigned frozen,
                                 const slk_lora *lora, const slk_sequence *sequences, size_t n,
                                 const slk_trainer_options *options, slk_recompute choice, bool fixed_rows,
                                 size_t available, slk_err *err);

/* Bytes that this process may still take: what the kernel says is available, within the limits of its control groups.
 * SIZE_MAX: not known. */
size_t slk_memory_available(void);

#endif
