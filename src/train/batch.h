/* Training examples as token sequences, and a batch of them as the rows of a trie (DESIGN.md, idea 4).
 *
 *   prompt | answer, end          loss on the answer's tokens and the end
 *
 *   A B C | x e                   rows, depth first:  A B C x  y  D z      (the end is predicted, never read)
 *   A B C | y e                   pos                 0 1 2 3  3  2 3
 *   A B D | z e                   end                 7 7 5 4  5  7 7
 *
 * A row is a distinct prefix of one of the sequences; row r is seen by the rows [r, end[r]). What examples share is one
 * row, with as many targets as examples go on from it. Unshared, every example has rows of its own with the same
 * positions and hashes: the same dropout, and the same gradients up to rounding.
 *
 * An optimiser's batch may be cut into micro-batches, whose gradients add up. Examples stand in the order of their
 * tokens, so that neighbours share; an example is never cut. */
#ifndef SLK_TRAIN_BATCH_H
#define SLK_TRAIN_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "model/backprop.h"

/* One example; tokens are borrowed. */
typedef struct slk_sequence {
    uint64_t key;          /* identity of the fact: orders epochs */
    const int32_t *tokens; /* [n_tokens] prompt, answer, end; each >= 0 */
    int32_t n_tokens;
    int32_t n_prompt; /* 1 <= n_prompt < n_tokens */
} slk_sequence;

/* rank [n]: the place of each sequence in the order of tokens (a prefix before what goes on; equal tokens by n_prompt,
 * key and number). Picks of a batch are given by ascending rank. Errors: SLK_E_MEMORY. */
slk_status slk_sequences_rank(uint32_t *rank, const slk_sequence *sequences, size_t n, slk_err *err);

/* Rows of all the sequences that picks [n] number, packed together. */
int64_t slk_batch_count_rows(const slk_sequence *sequences, const uint32_t *picks, size_t n, bool share);

/* Cut picks [n] into as few micro-batches of at most max_rows rows as the order allows, and those as even as that many
 * can be; an example with more rows stands alone. Micro-batch i is picks [first[i], first[i + 1]); first [n + 1], room
 * for the worst. Returns how many. *n_most (may be NULL): rows of the largest. Errors: none; n 0 gives 0. */
size_t slk_batch_cut(size_t *first, int64_t *n_most, const slk_sequence *sequences, const uint32_t *picks, size_t n,
                     int64_t max_rows, bool share);

/* A micro-batch, packed. Zero-initialise; memory is kept from one to the next. */
typedef struct slk_packed_rows {
    slk_train_rows rows; /* targets' example: the number in `sequences` */
    int64_t n_tokens;    /* of the examples themselves, unshared, with their ends */
    int32_t *tokens, *pos, *end, *stack;
    uint64_t *hash;
    slk_path *paths;
    slk_run *runs;
    size_t *path_runs; /* [n_paths] first of its runs, while they grow */
    slk_target *targets, *unsorted;
    size_t cap[10], cap_runs;
} slk_packed_rows;

/* Pack the sequences numbered by picks [n]. Errors: SLK_E_ARG (n_prompt out of range, more than 2^31 rows),
 * SLK_E_MEMORY. */
slk_status slk_packed_rows_set(slk_packed_rows *packed, const slk_sequence *sequences, const uint32_t *picks, size_t n,
                               bool share, slk_err *err);
void slk_packed_rows_release(slk_packed_rows *packed);

#endif
