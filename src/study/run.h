/* One run: D is drawn, the model is fine-tuned on it, and what it knows after each epoch goes into the store.
 *
 *     <store>.runs/<id>/state.safetensors    the checkpoint (train/state.h), written every few minutes
 *                       best/                with keep: best, the model of the best dev accuracy
 *
 * A run that is taken up again goes on from its checkpoint, with as many threads and rows as it had, and ends with the
 * same bits as if it had never stopped. A checkpoint of other settings or kernels, or of epochs that the store does not
 * have, is of no use: the run begins anew. When the run is finished its folder goes, but for best/. */
#ifndef SLK_STUDY_RUN_H
#define SLK_STUDY_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/progress.h"
#include "store/runs.h"
#include "study/plan.h"
#include "train/memory.h"

struct slk_model;

typedef struct slk_study_job {
    slk_store *store;           /* slk_store_set_durable() was called */
    int64_t study;              /* that the run is of */
    const slk_study_plan *plan; /* its material has the label set of the study */
    const slk_study_run *run;   /* as the store has it; claimed by `worker` */
    const char *worker;
    int n_threads;                /* of a run that is new; 0: physical cores */
    double save_every_s;          /* seconds between checkpoints; 0: after every step */
    size_t memory;                /* bytes that it may take; 0: what is available */
    const slk_progress *progress; /* "epoch 3 of 50", and evaluations; false stops the run after a checkpoint */
} slk_study_job;

/* Run it to its end, and finish it in the store. *is_final: after a failure, would it fail again in the same way (a
 * loss that is not finite, an example that cannot be trained on)? Errors: SLK_E_INTERRUPTED; SLK_E_STATE (the claim was
 * taken over); those of slk_trainer_run, slk_model_open, slk_train_plan_memory, and the store's. */
slk_status slk_study_execute(const slk_study_job *job, bool *is_final, slk_err *err);

/* What a worker takes: memory with all its parts, and bytes on disk while it works (kept: what stays of a run). model:
 * open, for training or not; run: any of the plan; memory: as in slk_study_job. Errors: SLK_E_MEMORY (it does not fit),
 * those of slk_study_draw. */
typedef struct slk_study_needs {
    slk_train_memory memory;
    uint64_t disk, kept;
} slk_study_needs;
slk_status slk_study_estimate(slk_study_needs *out, const struct slk_model *model, const slk_study_plan *plan,
                              const slk_study_run *run, size_t memory, slk_err *err);

/* "<store>.runs/<id>"; free() it. NULL: out of memory. id 0: "<store>.runs". */
char *slk_study_folder(const char *store_path, int64_t run_id);
/* Remove what a run left there; best too, unless keep_best. The folder goes when it is empty, and so does that of all
 * runs. Errors: SLK_E_IO, SLK_E_MEMORY. */
slk_status slk_study_clear_folder(const char *store_path, int64_t run_id, bool keep_best, slk_err *err);

#endif
