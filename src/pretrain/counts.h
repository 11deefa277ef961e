/* A map from 64-bit keys to numbers: open addressing over a power of two slots, at most half of them used. Not for
 * other modules. */
#ifndef SLK_PRETRAIN_COUNTS_H
#define SLK_PRETRAIN_COUNTS_H

#include <stddef.h>
#include <stdint.h>

typedef struct slk_count {
    uint64_t key; /* 0: the slot is free */
    int64_t value;
} slk_count;

/* Zero-initialise. */
typedef struct slk_counts {
    slk_count *slots; /* [n_slots] */
    size_t n_slots, n_used;
} slk_counts;

/* The number of a key, 0 where it is new; key is not 0. Borrowed until the next call. NULL: out of memory. */
int64_t *slk_counts_at(slk_counts *counts, uint64_t key);
/* The same without making the key; 0: it is not there. */
int64_t slk_counts_get(const slk_counts *counts, uint64_t key);
/* Frees the slots; counts is empty afterwards. */
void slk_counts_release(slk_counts *counts);

#endif
