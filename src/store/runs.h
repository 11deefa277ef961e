/* Studies in the store: what was to be run, what was run, and what came out, epoch by epoch and fact by fact.
 *
 *     study ----< run ----< epoch           one row an evaluated epoch: losses, shares
 *       |          |  \---< outcome bits    per set and epoch: which facts were answered rightly, which refused
 *       |          \------< run facts       D: the training set, in order, with categories
 *       \---------< study facts             dev, test, ood: the same for all runs, in order, with categories
 *
 * A study is a description (JSON, canonical) on a label set: equal descriptions are the same study. A run is one
 * fine-tuning: a variant of D, a seed, a learning rate. Workers claim runs: a claim is a name and a time that the
 * worker renews; a claim older than the caller's limit may be taken over. A finished run is never written again.
 *
 * A store of schema version 1, opened for reading, has no studies and no P(True): the functions that list or load say
 * so as of an empty store.
 *
 * Messages of functions about a run name it by slk_run_name(). */
#ifndef SLK_STORE_RUNS_H
#define SLK_STORE_RUNS_H

#include <stddef.h>
#include <stdint.h>
#include "base/label.h"
#include "store/store.h"

typedef enum slk_run_state { SLK_RUN_WAITING, SLK_RUN_CLAIMED, SLK_RUN_DONE, SLK_RUN_FAILED } slk_run_state;
/* "waiting", "claimed", "done", "failed". */
const char *slk_run_state_name(slk_run_state state);

typedef struct slk_study_info {
    int64_t id;
    char name[64];
    char *description; /* JSON: everything that decides results; freed, as `shown`, by slk_study_info_release */
    char *shown;       /* JSON: how it is shown: {"durations": [10, 20]}; "{}" at first */
    int64_t label_set_id;
    char created[24], version[24];
} slk_study_info;
void slk_study_info_release(slk_study_info *info);

/* The study of this description, made when there is none; a longer name is cut. Errors: SLK_E_NOT_FOUND (label set). */
slk_status slk_store_begin_study(slk_store *store, int64_t *id, const char *name, const char *description,
                                 int64_t label_set_id, slk_err *err);
/* Change what decides no result: its name and `shown`. Errors: SLK_E_NOT_FOUND. */
slk_status slk_store_show_study(slk_store *store, int64_t id, const char *name, const char *shown, slk_err *err);
/* id 0: the newest. Errors: SLK_E_NOT_FOUND. */
slk_status slk_store_find_study(slk_store *store, slk_study_info *out, int64_t id, slk_err *err);
/* Newest first; slk_study_info_release() each, then free(*items). */
slk_status slk_store_list_studies(slk_store *store, slk_study_info **items, size_t *n, slk_err *err);

/* A fact of an evaluated or trained set. */
typedef struct slk_set_fact {
    uint64_t fact_id;
    int8_t category; /* slk_category, or -1 */
    bool idk;        /* of D: its answer was replaced by "I don't know" */
} slk_set_fact;

typedef enum slk_study_set { SLK_SET_TRAIN, SLK_SET_DEV, SLK_SET_TEST, SLK_SET_OOD, SLK_N_STUDY_SETS } slk_study_set;
/* "train", "dev", "test", "ood". */
const char *slk_study_set_name(slk_study_set set);

/* dev, test or ood of a study, in the order of its bits. Writing the same again is fine. Errors: SLK_E_STATE (differs),
 * SLK_E_NOT_FOUND. */
slk_status slk_store_put_study_facts(slk_store *store, int64_t study_id, slk_study_set set, const slk_set_fact *facts,
                                     size_t n, slk_err *err);
/* free(*facts); *n 0 for a set that was never written. */
slk_status slk_store_load_study_facts(slk_store *store, int64_t study_id, slk_study_set set, slk_set_fact **facts,
                                      size_t *n, slk_err *err);

typedef struct slk_study_run {
    int64_t id;
    char variant[48];  /* "unknown-50", "known-of-50", "only-MaybeKnown", "natural", "idk-50" */
    char kind[16];     /* "unknown" "known" "only" "natural" "idk" */
    double unknown;    /* share of Unknown that the variant asks for (kinds unknown, known, idk), else -1 */
    char category[16]; /* kind only; else "" */
    uint64_t seed;
    double lr;
    slk_run_state state;
    char *error;      /* of a failed run, or NULL */
    char worker[96];  /* who claimed it */
    double claimed_s; /* Unix time of the last renewal */
    int32_t n_train;
    int32_t early_epoch, last_epoch; /* best dev epoch; last one; -1: not finished */
    bool fitted;                     /* at the end at least 95% of D are fitted: CONVERGENCE holds */
    double wall_s;                   /* of a finished run: its epochs' wall_s together */
    char kernels[96]; /* that its bits were made with, and all else that they depend on; "": not started */
} slk_study_run;

#define SLK_RUN_NAME_BYTES 128
/* Write "unknown-50/seed-1/lr-1e-05" into out [SLK_RUN_NAME_BYTES]: what --only takes. Returns out. */
const char *slk_run_name(char *out, const slk_study_run *run);

/* Runs of a study that are not there yet are added (variant, seed, lr name them); those that are stay as they are. */
slk_status slk_store_put_runs(slk_store *store, int64_t study_id, const slk_study_run *runs, size_t n, slk_err *err);
/* In the order they were added; release with slk_store_free_runs, which frees the array, too. */
slk_status slk_store_load_runs(slk_store *store, int64_t study_id, slk_study_run **runs, size_t *n, slk_err *err);
void slk_store_free_runs(slk_study_run *runs, size_t n);

/* Take a waiting run, or a claimed one whose claim is older than stale_s seconds (those first: they are begun), in one
 * transaction. only: this run or none; 0: any of the study. *run_id 0: none. */
slk_status slk_store_claim_run(slk_store *store, int64_t study_id, int64_t only, const char *worker, double now_s,
                               double stale_s, int64_t *run_id, slk_err *err);
/* Errors of these four: SLK_E_STATE (the claim was taken over, or the run is finished: stop). */
slk_status slk_store_renew_claim(slk_store *store, int64_t run_id, const char *worker, double now_s, slk_err *err);
/* Give the run back: it is waiting again, its epochs stay. */
slk_status slk_store_release_claim(slk_store *store, int64_t run_id, const char *worker, slk_err *err);
/* The run failed and is not taken again until slk_store_retry_runs(). */
slk_status slk_store_fail_run(slk_store *store, int64_t run_id, const char *worker, const char *error, slk_err *err);
/* The run goes on at this epoch (0: from its beginning), with these kernels: what is stored of this and later epochs is
 * dropped, so that no epoch is of two computations. */
slk_status slk_store_resume_run(slk_store *store, int64_t run_id, const char *worker, int32_t epoch,
                                const char *kernels, slk_err *err);
/* Failed runs become waiting again; *n (may be NULL) of them. */
slk_status slk_store_retry_runs(slk_store *store, int64_t study_id, size_t *n, slk_err *err);

/* D of a run, in the order of its bits. Writing the same again is fine. Errors: SLK_E_STATE (differs), SLK_E_NOT_FOUND.
 */
slk_status slk_store_put_run_facts(slk_store *store, int64_t run_id, const slk_set_fact *facts, size_t n, slk_err *err);
/* free(*facts); *n 0 for a run that was never begun. */
slk_status slk_store_load_run_facts(slk_store *store, int64_t run_id, slk_set_fact **facts, size_t *n, slk_err *err);

/* What one epoch of a run came to. */
typedef struct slk_run_epoch {
    int32_t epoch; /* 0: before the first update */
    int64_t step;
    double loss; /* mean over the epoch's steps; NaN for epoch 0 */
    double tokens_per_s;
    bool has[SLK_N_STUDY_SETS]; /* which sets were evaluated */
    uint8_t
        *right[SLK_N_STUDY_SETS]; /* [(n + 7) / 8] bit i: fact i was answered rightly (train: is fitted); NULL: not */
    uint8_t *refused[SLK_N_STUDY_SETS];                            /* bit i: the answer was an abstention */
    size_t n[SLK_N_STUDY_SETS];                                    /* facts */
    size_t n_right[SLK_N_STUDY_SETS], n_refused[SLK_N_STUDY_SETS]; /* bits that are set; of a loaded epoch alone */
    double wall_s; /* since the epoch before, with its evaluation, without interruptions */
} slk_run_epoch;
void slk_run_epoch_release(slk_run_epoch *epoch);

/* An epoch may be written again; it must be the same but for tokens_per_s and wall_s, and may bring sets that were not
 * there. A set that `has` brings both arrays. Errors: SLK_E_STATE (it differs; the run is finished and has no such
 * epoch), SLK_E_ARG. */
slk_status slk_store_put_epoch(slk_store *store, int64_t run_id, const slk_run_epoch *epoch, slk_err *err);
/* All epochs of a run, ascending; slk_run_epoch_release() each, then free(*epochs). with_bits false: arrays stay NULL,
 * but `has` and the counts are set. */
slk_status slk_store_load_epochs(slk_store *store, int64_t run_id, bool with_bits, slk_run_epoch **epochs, size_t *n,
                                 slk_err *err);
/* The run is complete: early_epoch, last_epoch, fitted, n_train, wall_s of `run` are written, and the claim ends.
 * Errors: SLK_E_STATE (as slk_store_renew_claim). */
slk_status slk_store_finish_run(slk_store *store, const slk_study_run *run, const char *worker, slk_err *err);

/* P(True) of a fact under a model (STUDY.md section 4, item 7), kept with a label set. */
typedef struct slk_p_true {
    uint64_t fact_id;
    double p;
} slk_p_true;
/* Writing the same again is fine. Errors: SLK_E_STATE (differs), SLK_E_NOT_FOUND (label set), SLK_E_ARG (p outside
 * [0, 1]). */
slk_status slk_store_put_p_true(slk_store *store, int64_t label_set_id, const slk_p_true *items, size_t n,
                                slk_err *err);
/* Ascending by fact_id; free(*items). */
slk_status slk_store_load_p_true(slk_store *store, int64_t label_set_id, slk_p_true **items, size_t *n, slk_err *err);

#endif
