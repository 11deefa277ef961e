#include "train/order.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"

/* Examples that looking for the largest batch may take out and put in order: about a second. */
#define MAX_LOOKED_AT 2000000

static slk_status out_of_memory(size_t n, slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "out of memory for %zu examples", n);
}

slk_status slk_batches_init(slk_batches *b, const slk_sequence *sequences, size_t n, uint64_t seed, int64_t batch,
                            int64_t max_rows, bool share, slk_err *err)
{
    *b = (slk_batches){.sequences = sequences,
                       .n = n,
                       .seed = seed,
                       .batch = batch < (int64_t)n ? batch : (int64_t)n,
                       .max_rows = max_rows,
                       .share = share,
                       .epoch = -1};
    if (n < 1 || batch < 1 || max_rows < 1)
        return slk_fail(err, SLK_E_ARG, "%zu examples in batches of %lld of %lld rows: nothing to train on", n,
                        (long long)batch, (long long)max_rows);
    b->n_steps = (n + (size_t)b->batch - 1) / (size_t)b->batch;
    b->picks = slk_alloc((size_t)b->batch, sizeof *b->picks);
    b->first = slk_alloc((size_t)b->batch + 1, sizeof *b->first);
    b->order = slk_alloc(n, sizeof *b->order);
    b->rank = slk_alloc(n, sizeof *b->rank);
    b->by_rank = slk_alloc(n, sizeof *b->by_rank);
    if (!b->picks || !b->first || !b->order || !b->rank || !b->by_rank) return out_of_memory(n, err);
    slk_status s = slk_sequences_rank(b->rank, sequences, n, err);
    for (size_t i = 0; i < n && s == SLK_OK; i++) b->by_rank[b->rank[i]] = (uint32_t)i;
    return s;
}

void slk_batches_release(slk_batches *b)
{
    if (!b) return;
    free(b->picks), free(b->first), free(b->order), free(b->rank), free(b->by_rank);
    *b = (slk_batches){0};
}

typedef struct keyed {
    uint64_t random, key;
    uint32_t number;
} keyed;

static int compare_keyed(const void *left, const void *right)
{
    const keyed *x = left, *y = right;
    if (x->random != y->random) return x->random < y->random ? -1 : 1;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static slk_status set_epoch(slk_batches *b, int32_t epoch, slk_err *err)
{
    keyed *items = slk_alloc(b->n, sizeof *items);
    if (!items) return out_of_memory(b->n, err);
    for (size_t i = 0; i < b->n; i++) {
        uint64_t key = b->sequences[i].key;
        items[i] = (keyed){slk_rng_u64(b->seed, SLK_PURPOSE_SHUFFLE, key, 0, 0, (uint32_t)epoch), key, (uint32_t)i};
    }
    qsort(items, b->n, sizeof *items, compare_keyed);
    for (size_t i = 0; i < b->n; i++) b->order[i] = items[i].number;
    free(items);
    b->epoch = epoch;
    return SLK_OK;
}

static int compare_numbers(const void *left, const void *right)
{
    uint32_t x = *(const uint32_t *)left, y = *(const uint32_t *)right;
    return (x > y) - (x < y);
}

slk_status slk_batches_set(slk_batches *b, int32_t epoch, size_t step, slk_err *err)
{
    slk_status s = b->epoch == epoch ? SLK_OK : set_epoch(b, epoch, err);
    if (s != SLK_OK) return s;
    size_t begin = step * (size_t)b->batch;
    b->n_picks = b->n - begin < (size_t)b->batch ? b->n - begin : (size_t)b->batch;
    for (size_t i = 0; i < b->n_picks; i++) b->picks[i] = b->rank[b->order[begin + i]];
    qsort(b->picks, b->n_picks, sizeof *b->picks, compare_numbers);
    b->n_targets = b->n_tokens = 0;
    for (size_t i = 0; i < b->n_picks; i++) {
        const slk_sequence *x = &b->sequences[b->picks[i] = b->by_rank[b->picks[i]]];
        b->n_targets += x->n_tokens - x->n_prompt;
        b->n_tokens += x->n_tokens;
    }
    b->n_micro = slk_batch_cut(b->first, &b->n_rows, b->sequences, b->picks, b->n_picks, b->max_rows, b->share);
    return SLK_OK;
}

slk_status slk_batches_find_largest(slk_batches *b, int32_t n_epochs, int64_t *n_rows, int64_t *n_targets, slk_err *err)
{
    slk_status s = SLK_OK;
    int64_t n_left = MAX_LOOKED_AT;
    *n_rows = *n_targets = 0;
    for (int32_t epoch = 1; epoch <= n_epochs && s == SLK_OK && (n_left > 0 || epoch == 1); epoch++) {
        for (size_t step = 0; step < b->n_steps && s == SLK_OK; step++) {
            s = slk_batches_set(b, epoch, step, err);
            if (s == SLK_OK && b->n_rows > *n_rows) *n_rows = b->n_rows;
            if (s == SLK_OK && b->n_targets > *n_targets) *n_targets = b->n_targets;
        }
        n_left -= (int64_t)b->n;
    }
    b->epoch = -1;
    return s;
}
