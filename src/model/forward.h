/* The forward pass of any described decoder over one batch of packed rows.
 *
 * A row is one token: it has a position, a slot of the cache where its keys and values go, and a path (the slots that
 * it may attend to). Who shares what is decided by the caller (model/tree.h; infer/naive.c has a plain linear cache):
 * the pass itself only sees slots. Rows are worked off in tiles that stay in the processor's cache; a row's bits do not
 * depend on the batch. */
#ifndef SLK_MODEL_FORWARD_H
#define SLK_MODEL_FORWARD_H

#include <stdint.h>
#include "base/error.h"
#include "compute/compute.h"

/* Columns of logits that are in memory at a time; also the shape of that product, so it is part of what decides bits.
 */
#define SLK_LOGITS_CHUNK 4096

struct slk_model;

/* Keys and values of up to n_slots tokens, for every layer. Address space is reserved at once, memory is used as slots
 * are written: a generous n_slots costs nothing. */
typedef struct slk_cache {
    slk_kv *layers; /* [n_layers] */
    int32_t n_slots;
    void *memory;
    size_t memory_bytes;
} slk_cache;

/* Errors: SLK_E_MEMORY. */
slk_status slk_cache_create(slk_cache **out, const struct slk_model *model, int32_t n_slots, slk_err *err);
void slk_cache_free(slk_cache *cache);

/* A row whose logits are wanted. Either pointer may be NULL. */
typedef struct slk_ask {
    int32_t row;
    slk_top *top;  /* k, want_lse and target set by the caller, ids and logits [k] its memory; filled here */
    float *logits; /* [n_vocab] */
} slk_ask;

typedef struct slk_batch {
    int32_t n_rows;
    const int32_t *tokens, *pos, *slot; /* [n_rows] */
    const slk_path *paths;              /* [n_paths], their rows cover 0 .. n_rows - 1 in order */
    int32_t n_paths;
    const slk_ask *asks; /* [n_asks] by ascending row */
    int32_t n_asks;
    float *hidden; /* [n_layers + 1][n_rows][d_model] or NULL: what enters layer 0, then each layer's output, the last
                      after the final norm */
} slk_batch;

/* What was done, for rates: rows and logit rows so far, and milliseconds by kind of work. */
typedef struct slk_forward_stats {
    uint64_t n_rows, n_logit_rows, n_batches;
    double matmul_ms, attention_ms, rowwise_ms, logits_ms, top_ms;
} slk_forward_stats;

/* Scratch memory and rotary tables of one thread of work (itself parallel inside). */
typedef struct slk_forward slk_forward;
slk_status slk_forward_create(slk_forward **out, const struct slk_model *model, slk_err *err);
void slk_forward_free(slk_forward *forward);
const slk_forward_stats *slk_forward_get_stats(const slk_forward *forward);
/* FLOP of the work counted in stats: 2 x body parameters x rows + 2 x d_model x n_vocab x logit rows. An adapter's are
 * not counted. */
double slk_forward_flop(const slk_forward *forward);

/* Compute the batch: keys and values of all rows go into cache, logits of the asked rows to their asks.
 * Errors: SLK_E_ARG (token or position out of range), SLK_E_MEMORY. Not thread-safe on one slk_forward. */
slk_status slk_forward_run(slk_forward *forward, slk_cache *cache, const slk_batch *batch, slk_err *err);

#endif
