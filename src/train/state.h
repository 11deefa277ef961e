/* The checkpoint of a run: one safetensors file that is complete under its name or not there (temporary name, fsync,
 * rename), from which the run goes on bit for bit as if it had never stopped.
 *
 *   master:NAME  m:NAME  v:NAME   F32 [n_rows, n_cols], of every trained parameter; NAME: its tensors' GGUF names,
 *                                 joined by "+" where matrices are fused
 *   best:NAME                     the same, where the masters of the best epoch are kept (zeros before there is one)
 *   __metadata__ "slick.train":   JSON {"format", "settings", "epoch", "step", ..., "hash"}
 *
 * settings: whatever decides the result (options, and hashes of model and data, with values for people beside them);
 * what follows from them (order of the data, dropout masks) is keyed by counters and needs no room. hash: of all
 * tensors' bytes, so that a file that rotted is an error. A finished run's file has no tensors. */
#ifndef SLK_TRAIN_STATE_H
#define SLK_TRAIN_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/json.h"
#include "model/params.h"
#include "train/optimizer.h"

/* One optimiser step; loss: mean over the batch's targets, before the update. */
typedef struct slk_step_record {
    double loss, grad_norm, lr;
} slk_step_record;

/* Where a run stands. */
typedef struct slk_train_state {
    int32_t epoch; /* epochs that are done, evaluated and written down; -1: not even epoch 0, before the first step */
    int64_t step;  /* optimiser steps done in all */
    int32_t best_epoch;  /* the first with the best score; -1: none yet */
    double best_score;   /* 0 when there is none */
    int32_t n_no_better; /* epochs since then */
    bool finished;
    /* of the running epoch, epoch + 1 */
    slk_step_record *steps; /* [n_steps] done */
    size_t n_steps, cap_steps;
    int64_t n_tokens; /* of their examples */
    double ms;        /* that they took */
} slk_train_state;

/* Errors: SLK_E_MEMORY. */
slk_status slk_train_state_add_step(slk_train_state *state, const slk_step_record *step, slk_err *err);
void slk_train_state_release(slk_train_state *state);

/* Write a checkpoint; an older one stays until the new one is on the disk. settings: an object. optimizer NULL: no
 * tensors. Errors: SLK_E_IO (names the file; a full disk), SLK_E_MEMORY. */
slk_status slk_train_state_write(const char *path, const slk_train_state *state, const json_t *settings,
                                 const slk_optimizer *optimizer, slk_err *err);

/* A checkpoint that is read. */
typedef struct slk_checkpoint slk_checkpoint;
/* Open and check all but the tensors. Errors: SLK_E_IO, SLK_E_FORMAT, SLK_E_UNSUPPORTED (of another version). */
slk_status slk_checkpoint_open(slk_checkpoint **out, const char *path, slk_err *err);
void slk_checkpoint_close(slk_checkpoint *checkpoint);
/* What it was written with. Borrowed until close. */
const json_t *slk_checkpoint_settings(const slk_checkpoint *checkpoint);
const slk_train_state *slk_checkpoint_state(const slk_checkpoint *checkpoint);
/* A copy of the state; release it. Errors: SLK_E_MEMORY. */
slk_status slk_checkpoint_copy_state(slk_train_state *out, const slk_checkpoint *checkpoint, slk_err *err);
/* Masters and moments from the tensors, and what the optimiser keeps; the weights that the passes read follow. Errors:
 * SLK_E_NOT_FOUND, SLK_E_SHAPE (of another model), SLK_E_FORMAT (the hash differs): then parameters are in no useful
 * state. */
slk_status slk_checkpoint_load(const slk_checkpoint *checkpoint, slk_optimizer *optimizer, slk_err *err);

/* Settings that differ: "lr was 1e-05, is 0.0001; data.train.n ..." in SLK_E_STATE, after "NAME: ". SLK_OK: none do. */
slk_status slk_settings_compare(const json_t *then, const json_t *now, const char *name, slk_err *err);

/* Bytes of a checkpoint of so many trained values; keeps: with those of the best epoch. */
size_t slk_train_state_bytes(int64_t n_trained, bool keeps);

#endif
