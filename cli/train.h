/* What the files of `slick train` share: cmd_train.c (options, the run), train_data.c (examples and what is watched),
 * train_output.c (the folder DIR), train_view.c (the table).
 *
 *     DIR/config.json       all options, paths, the model: what the run is
 *         state.safetensors the checkpoint (train/state.h); of a finished run without its tensors
 *         log.jsonl         a line an epoch
 *         examples.jsonl    the training examples in order, and
 *         fitted.jsonl      a line an epoch: which of them are fitted, one character each
 *         best/ last/       the model: Hugging Face directories, or with --lora-rank PEFT ones, and their GGUF adapters
 *                           best.gguf, last.gguf beside them; with --save-as gguf these alone */
#ifndef SLK_CLI_TRAIN_H
#define SLK_CLI_TRAIN_H

#include "command.h"
#include "data/examples.h"
#include "know/instruction.h"
#include "know/match.h"
#include "know/watch.h"
#include "model/model.h"
#include "model/params.h"
#include "store/labels.h"
#include "train/memory.h"
#include "train/trainer.h"

/* The options that are typed; numbers that other structures hold already are not repeated here. */
typedef struct slk_train_cli {
    const char *output, *dev, *test, *ood, *set, *template_path, *match, *format, *schedule, *betas, *stop, *recompute,
        *save_as;
    slk_list map, freeze, lora_targets;
    int64_t epochs, batch, warmup, patience, labels, eval_limit, lora_rank, batch_tokens;
    double lr, dropout, weight_decay, clip, eps, lora_alpha, lora_dropout, save_every;
    bool no_share, no_store;
} slk_train_cli;
extern slk_train_cli slk_train_opt;

/* --- data ----------------------------------------------------------------------------------------------------------
 */

/* What is trained on and asked. */
typedef struct slk_train_data {
    slk_examples examples[SLK_N_WATCHED]; /* by slk_watch_kind; may be empty but for train */
    slk_watch_set sets[SLK_N_WATCHED];    /* the same, for slk_watch_run */
    slk_label_set_info labels;            /* whose categories the store's facts have; id 0: none */
    slk_sequence *sequences;              /* [n of train] */
    int32_t *tokens;                      /* of all of them */
    slk_instruction *instruction;
    slk_match_rule match;
} slk_train_data;

/* Read DATA and the files of --dev, --test and --ood. Release *out also after a failure. */
slk_status slk_train_data_read(slk_train_data *out, slk_cli *cli, slk_err *err);
/* With the model: the store's splits where no file was named, tokens, checks and warnings. */
slk_status slk_train_data_prepare(slk_train_data *data, slk_cli *cli, const slk_model *model, slk_err *err);
void slk_train_data_release(slk_train_data *data);
/* {"train": {"n", "hash"}, "dev", ...}: equal for equal data, wherever it lies. NULL: out of memory. */
json_t *slk_train_data_json(const slk_train_data *data);

/* --- the folder ----------------------------------------------------------------------------------------------------
 */

typedef struct slk_train_dir {
    const char *path; /* as typed; borrowed */
    char *state, *config, *log, *examples, *fitted;
    char *best, *last, *best_gguf, *last_gguf;
    int lock;     /* descriptor of the locked folder; -1: none */
    bool is_made; /* by this process */
} slk_train_dir;

/* The paths; where DIR is there, other processes are kept out and what a killed one left half-written is removed.
 * Errors: SLK_E_STATE (something else lies there, or a run works in it), SLK_E_IO, SLK_E_MEMORY. Release *out also
 * after a failure. */
slk_status slk_train_dir_open(slk_train_dir *out, const slk_cli *cli, const char *path, slk_err *err);
/* Make DIR where it is not there. */
slk_status slk_train_dir_make(slk_train_dir *dir, slk_err *err);
/* A folder that was made and stayed empty is removed. */
void slk_train_dir_release(slk_train_dir *dir);
/* Remove what a run wrote: --force. */
slk_status slk_train_dir_clear(const slk_train_dir *dir, slk_err *err);
/* Enough room for checkpoint and models? Errors: SLK_E_IO (says how much is needed). */
slk_status slk_train_dir_check_space(const slk_train_dir *dir, const slk_model *model, int64_t n_trained, bool lora,
                                     slk_err *err);
/* config.json and examples.jsonl of a new run. */
slk_status slk_train_dir_describe(const slk_train_dir *dir, json_t *config, const slk_train_data *data, slk_err *err);
/* Write best or last. */
slk_status slk_train_dir_save(const slk_train_dir *dir, const slk_params *params, const slk_lora *lora, bool best,
                              slk_err *err);
/* The line of fitted.jsonl. */
slk_status slk_train_dir_put_fitted(const slk_train_dir *dir, int32_t epoch, const slk_watch_result *result,
                                    slk_err *err);

/* --- the table -----------------------------------------------------------------------------------------------------
 */

typedef struct slk_train_view {
    const slk_cli *cli;
    bool has_categories, has_set[SLK_N_WATCHED], has_test_categories;
    double best_dev;      /* of the rows so far, but epoch 0; -1: none */
    double began_ms;      /* when this process began to train */
    int32_t n_shown_here; /* epochs since then */
    int32_t n_epochs;
} slk_train_view;

/* The columns that the data deserves. */
void slk_train_view_init(slk_train_view *view, const slk_cli *cli, const slk_train_data *data, int32_t n_epochs);
void slk_train_view_head(const slk_train_view *view);
/* A row of the table, or with --json the line itself. old: of an earlier process, so it says nothing about time left.
 * Errors: SLK_E_IO. */
slk_status slk_train_view_line(slk_train_view *view, const json_t *line, bool old, slk_err *err);
/* All lines of a log up to an epoch. */
slk_status slk_train_view_replay(slk_train_view *view, const char *log, slk_err *err);

#endif
