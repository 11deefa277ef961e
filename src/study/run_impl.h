/* What run.c (setting up, finishing) and run_hooks.c (what the trainer calls) share. Not for other modules. */
#ifndef SLK_STUDY_RUN_IMPL_H
#define SLK_STUDY_RUN_IMPL_H

#include "know/evaluate.h"
#include "model/model.h"
#include "study/run.h"
#include "train/trainer.h"

typedef struct slk_running {
    const slk_study_job *job;
    slk_study_examples examples;
    slk_sequence *sequences; /* [n of examples] */
    int32_t *tokens;         /* of all of them */
    slk_model *model;
    slk_params *params;
    slk_trainer *trainer;
    slk_trainer_options options;
    slk_lora lora; /* rank 0: all weights */
    unsigned frozen;
    slk_match_rule match;
    slk_train_memory memory;
    slk_checkpoint *checkpoint; /* that the run goes on from; NULL: it begins */
    json_t *settings;
    char *state_path, *best_path;
    char kernels[sizeof((slk_study_run *)NULL)->kernels]; /* as the store has it */
    /* what the last evaluation came to */
    const slk_fact **asked;                                       /* of all sets, one behind the other */
    slk_outcome *outcomes;                                        /* of one evaluation */
    slk_evaluate_prompts *prompts[1 << SLK_N_STUDY_SETS];         /* of the sets whose bits are set; NULL: not yet */
    bool has[SLK_N_STUDY_SETS];                                   /* sets that were asked */
    uint8_t *right[SLK_N_STUDY_SETS], *refused[SLK_N_STUDY_SETS]; /* bits */
    double mark_ms; /* when the running epoch began, less what an earlier process spent on it */
} slk_running;

/* Room for evaluations. Errors: SLK_E_MEMORY. */
slk_status slk_running_init_sets(slk_running *r, slk_err *err);
void slk_running_release_sets(slk_running *r);
/* Facts of a set. */
const slk_fact *const *slk_running_facts(const slk_running *r, slk_study_set set, size_t *n);
/* The trainer's hooks; `user` is the slk_running. */
slk_status slk_running_evaluate(void *user, const slk_epoch_report *report, double *score, slk_err *err);
slk_status slk_running_save(void *user, const slk_epoch_report *report, bool best, slk_err *err);
slk_status slk_running_record(void *user, const slk_epoch_report *report, slk_err *err);
slk_status slk_running_revisit(void *user, int32_t best_epoch, slk_err *err);

#endif
