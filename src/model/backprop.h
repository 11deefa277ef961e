/* Forward and backward pass over a tree of training examples (DESIGN.md, idea 4).
 *
 * Rows are the tokens of a trie, depth first: what examples share is one row, whose keys and values collect the
 * gradients of all its descendants. Logits are computed for rows that have a target only. The pass keeps what it needs
 * of every layer, or, with recompute, only each layer's input, and computes the rest again on the way back. Gradients
 * are added to those of the parameters. */
#ifndef SLK_MODEL_BACKPROP_H
#define SLK_MODEL_BACKPROP_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "compute/compute.h"
#include "model/config.h"
#include "model/params.h"

struct slk_model;

/* A token that a row's logits are held against. A row has several where examples part, or are the same. */
typedef struct slk_target {
    int32_t row, token;
    int32_t example; /* of the caller: for messages and losses by example */
} slk_target;

/* A trie of examples (train/batch.h makes it). */
typedef struct slk_train_rows {
    int32_t n_rows;
    const int32_t *tokens, *pos; /* [n_rows] */
    const int32_t *end;          /* [n_rows] row r is seen by rows [r, end[r]) and no others */
    const uint64_t *hash;        /* [n_rows] of the tokens from the root to the row: keys its dropout */
    const slk_path *paths;       /* [n_paths] slot = row; n_shared set */
    int32_t n_paths;
    const slk_target *targets; /* [n_targets] by ascending row */
    int32_t n_targets;
} slk_train_rows;

typedef struct slk_backprop_options {
    double dropout;      /* of each block's output, 0 <= p < 1 */
    double lora_dropout; /* of the input of an adapter's A */
    uint64_t seed;       /* of the masks */
    bool recompute;
} slk_backprop_options;

/* Work done, for rates. */
typedef struct slk_backprop_stats {
    uint64_t n_rows, n_logit_rows, n_runs;
    double matmul_ms, attention_ms, rowwise_ms, logits_ms; /* of both directions */
} slk_backprop_stats;

typedef struct slk_backprop slk_backprop;

/* Scratch grows with the largest batch that was run. Errors: SLK_E_MEMORY. Borrows model and params. */
slk_status slk_backprop_create(slk_backprop **out, struct slk_model *model, slk_params *params,
                               const slk_backprop_options *options, slk_err *err);
void slk_backprop_free(slk_backprop *backprop);
const slk_backprop_stats *slk_backprop_get_stats(const slk_backprop *backprop);
/* Useful FLOP of the work counted in stats: forward 2 x parameters x rows, backward twice that for trained matrices and
 * once for others; padding and recomputation are not counted. */
double slk_backprop_flop(const slk_backprop *backprop);

/* losses [n_targets] in nats of rows' targets; adds weight * the gradient of their sum to the parameters' gradients
 * (weight 0: forward only, without dropout). step keys the dropout masks. Errors: SLK_E_ARG (token or position out of
 * range), SLK_E_MEMORY. A loss that is not finite is no error here: look at losses. */
slk_status slk_backprop_run(slk_backprop *backprop, const slk_train_rows *rows, uint64_t step, double weight,
                            double *losses, slk_err *err);

/* Bytes of scratch that a batch of n_rows rows takes, n_target_rows of which have a target. lora_rank 0: no adapter,
 * else as if it had all matrices. */
size_t slk_backprop_bytes(const slk_config *config, slk_dtype dtype, const slk_backprop_options *options, int lora_rank,
                          int64_t n_rows, int64_t n_target_rows);

#endif
