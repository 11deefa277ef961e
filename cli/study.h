/* What the files of `slick study` share: cmd_study.c (options, verbs), study_session.c (file, store, labels, plan),
 * study_label.c (labels by worker processes), study_crew.c (runs by worker processes), study_show.c (status, plan). */
#ifndef SLK_CLI_STUDY_H
#define SLK_CLI_STUDY_H

#include "command.h"
#include "model/model.h"
#include "store/runs.h"
#include "study/config.h"
#include "study/material.h"
#include "study/plan.h"
#include "study/run.h"

typedef struct slk_study_opt {
    const char *from, *shard, *parts;
    slk_list only;
    int64_t jobs, shards, study;
    double save_every; /* minutes */
    bool table;
} slk_study_opt;
extern slk_study_opt slk_study_options;

/* --- a display of one's own -----------------------------------------------------------------------------------------
 */

/* What the parent of the workers sees of a run. */
typedef struct slk_crew_run {
    const slk_study_run *run; /* of the plan: variant, seed, learning rate */
    slk_run_state state;
    int32_t n_epochs;   /* that are in the store, epoch 0 too; not counted for runs that were done before */
    double early, last; /* finished: test accuracy at EARLY_STOP and after the last epoch in %; else NAN */
    bool fitted;        /* finished: D is fitted */
} slk_crew_run;

/* Instead of notes and a bar. */
typedef struct slk_crew_view {
    void (*show)(void *user, const slk_crew_run *runs, size_t n); /* after each look into the store; main thread */
    void *user;
} slk_crew_view;

/* --- a study that is open ------------------------------------------------------------------------------------------
 */

typedef struct slk_study_session {
    slk_cli *cli;
    slk_study_config config;
    slk_store *store;
    slk_study_material material;
    slk_study_plan plan;
    slk_model *model; /* for inference; NULL: not open */
    int n_threads;    /* of this machine, or --threads; once the model was open */
    int64_t label_set, study;
    /* the runs that this command is about */
    size_t *wanted; /* [n_wanted] numbers in plan.runs */
    size_t n_wanted;
    const slk_crew_view *view; /* NULL: notes and a bar. Borrowed */
} slk_study_session;

/* Read the file and the store (for `mode`), with what --from brings, and choose the facts. Release in any case. */
slk_status slk_study_session_open(slk_study_session *s, slk_cli *cli, const char *path, slk_store_mode mode,
                                  slk_err *err);
void slk_study_session_release(slk_study_session *s);
/* Open the model for inference, once. */
slk_status slk_study_session_model(slk_study_session *s, slk_err *err);
void slk_study_session_close_model(slk_study_session *s);
/* Find the label set; *n_open: facts that lack a label there, *n_p_true: test facts that lack P(True) (0 where the file
 * does not want it). Opens the model where the store alone cannot tell. */
slk_status slk_study_session_find_labels(slk_study_session *s, size_t *n_open, size_t *n_p_true, slk_err *err);
/* Probe what is missing (part I/N with --shard), with --jobs processes where that pays. */
slk_status slk_study_session_label(slk_study_session *s, slk_err *err);
/* How many processes n_open labels are for: fewer than --jobs where memory is short or there is little to do. The model
 * is open. */
int slk_study_label_jobs(const slk_study_session *s, size_t n_open);
/* Probe the n_open facts without a label, with n_jobs processes; closes the model. Errors: SLK_E_STATE (a worker failed
 * and said why), SLK_E_INTERRUPTED, SLK_E_IO. */
slk_status slk_study_label_parts(slk_study_session *s, size_t n_open, int n_jobs, slk_err *err);
/* Read the categories, and make the plan. Errors: SLK_E_STATE (facts without a label). */
slk_status slk_study_session_plan(slk_study_session *s, slk_err *err);
/* Put study, facts and runs into the store. */
slk_status slk_study_session_register(slk_study_session *s, slk_err *err);
/* The row of plan.runs[i] among those of the store; NULL: it is not there. */
const slk_study_run *slk_study_find_run(const slk_study_run *rows, size_t n, const slk_study_run *run);

/* --- verbs --------------------------------------------------------------------------------------------------------
 */

/* Run the wanted runs with worker processes until none is left. */
slk_status slk_study_crew_run(slk_study_session *s, slk_err *err);
/* In a worker: run `run_id` of study `study` if nobody else has it. memory: bytes that it may take. */
slk_status slk_study_work(slk_cli *cli, const char *path, int64_t study, int64_t run_id, int64_t memory, slk_err *err);
/* What is done, running, missing. */
slk_status slk_study_show_status(slk_cli *cli, slk_err *err);
/* What is missing, as commands. */
slk_status slk_study_show_plan(slk_cli *cli, const char *path, slk_err *err);

#endif
