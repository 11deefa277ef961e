/* Fine-tuning (STUDY.md section 3): epochs over examples, whose order, batches and dropout are keyed by counters, so
 * that a run is its options, its data and its seed.
 *
 *   epoch 0: evaluate -> record -> checkpoint                                     before the first update
 *   epoch e: steps -> evaluate -> save best (if it is) -> save last -> record -> checkpoint
 *   step:    micro-batches -> gradient of the mean loss of all targets -> clip -> AdamW
 *
 * What an epoch leaves is on the disk before the checkpoint that knows of it, so that a run that was killed at any
 * moment does at most some work once more, with the same result. The trainer calls back for everything that it does not
 * know: how good the model is, where it is kept, what is written down. */
#ifndef SLK_TRAIN_TRAINER_H
#define SLK_TRAIN_TRAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/json.h"
#include "base/progress.h"
#include "model/backprop.h"
#include "model/params.h"
#include "train/batch.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/state.h"

typedef struct slk_trainer_options {
    int32_t n_epochs; /* at most; >= 1 */
    int64_t batch;    /* examples of an optimiser step; >= 1 */
    slk_decay decay;  /* of the rate */
    double lr;
    int64_t n_warmup; /* steps */
    slk_optimizer_options optimizer;
    double dropout, lora_dropout;
    uint64_t seed;
    int64_t max_rows; /* of a micro-batch; >= 1 */
    bool share;       /* false: every example by itself, the referee */
    bool recompute;
    int32_t patience;       /* stop after so many epochs without a better score; 0: never */
    bool keep_best;         /* the masters of the best epoch stay in memory and in checkpoints, for the hook revisit */
    double save_every_s;    /* a checkpoint within an epoch after so many seconds; 0: none */
    double save_epoch_s;    /* after an epoch only when the last one is so old; 0: after each. A checkpoint of a large
                               model takes longer than a short epoch, and a caller that can take back several epochs
                               need not have one of each. A finished run always has one */
    const char *state;      /* path of the checkpoint; NULL: none is written. Borrowed */
    const json_t *settings; /* what the checkpoint says of itself (state.h). Borrowed */
} slk_trainer_options;

/* The paper's run (STUDY.md section 3); with `lora` the usual rate for adapters. */
void slk_trainer_options_init(slk_trainer_options *options, bool lora);

/* An epoch that is over. */
typedef struct slk_epoch_report {
    int32_t epoch;                /* 0: before the first update */
    int64_t step;                 /* optimiser steps so far */
    double loss;                  /* mean over its steps; NAN in epoch 0 */
    const slk_step_record *steps; /* [n_steps] of this epoch */
    size_t n_steps;
    double tokens_per_s; /* of the examples themselves, unpadded and unshared; NAN in epoch 0 */
    double score;        /* evaluate's; NAN before it, and where it gave none */
    bool is_best;        /* the best so far. Epoch 0 never is: a checkpoint is of a trained model */
    bool is_last;        /* the run ends with it */
} slk_epoch_report;

/* Each returns SLK_OK, or a failure that ends the run. */
typedef struct slk_trainer_hooks {
    void *user;
    /* How good is the model as it is? *score is NAN, and stays so where nothing can be said; more is better. NULL:
     * nothing is asked. SLK_E_INTERRUPTED: asked again when the run goes on. */
    slk_status (*evaluate)(void *user, const slk_epoch_report *report, double *score, slk_err *err);
    /* Keep the model as it is, as `best` or as `last`; on the disk before it returns. Not called in epoch 0. NULL: not
     * kept. */
    slk_status (*save)(void *user, const slk_epoch_report *report, bool best, slk_err *err);
    /* Write the epoch down; on the disk before it returns. After a kill an epoch may come again: the caller first takes
     * back what its checkpoint does not know. NULL: not written down. */
    slk_status (*record)(void *user, const slk_epoch_report *report, slk_err *err);
    /* With keep_best, behind the last epoch, unless that is the best: the model is as it was after the best one, for as
     * long as this takes. Comes again if it was interrupted, or killed before the run was finished. NULL: not wanted.
     */
    slk_status (*revisit)(void *user, int32_t best_epoch, slk_err *err);
    const slk_progress *progress; /* "epoch 3 of 50", in tokens; false stops the run after the step */
} slk_trainer_hooks;

typedef struct slk_trainer slk_trainer;

/* sequences [n >= 1] and params are borrowed and outlive it. Memory: the optimiser's moments, and what the batches
 * take. Errors: SLK_E_ARG (no examples; an option out of range), SLK_E_MEMORY. */
slk_status slk_trainer_create(slk_trainer **out, slk_params *params, const slk_sequence *sequences, size_t n,
                              const slk_trainer_options *options, slk_err *err);
void slk_trainer_free(slk_trainer *trainer);
/* Go on from a checkpoint; the caller has compared its settings. Errors: slk_checkpoint_load's; SLK_E_STATE (it has
 * more steps than an epoch, so it is of other data). */
slk_status slk_trainer_resume(slk_trainer *trainer, const slk_checkpoint *checkpoint, slk_err *err);
/* Train to the end. Errors: the hooks'; SLK_E_INTERRUPTED (after a checkpoint); SLK_E_FORMAT (a loss or gradient that
 * is not finite: names epoch and step, and slk_trainer_bad_example says which example; the last checkpoint stays);
 * SLK_E_IO; SLK_E_MEMORY. */
slk_status slk_trainer_run(slk_trainer *trainer, const slk_trainer_hooks *hooks, slk_err *err);
/* Where it stands. Borrowed. */
const slk_train_state *slk_trainer_get_state(const slk_trainer *trainer);
/* After a loss that is not finite: the number of the example with the worst loss of the step; else -1. */
int64_t slk_trainer_bad_example(const slk_trainer *trainer);
/* For the work done by this process: slk_backprop_get_stats, slk_backprop_flop. Borrowed. */
const slk_backprop *slk_trainer_backprop(const slk_trainer *trainer);

#endif
