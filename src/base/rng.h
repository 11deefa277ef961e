/* Random numbers from a counter (Philox4x32-10): a number is a pure function of its key, so the same draw comes out
 * whatever the batch, thread, shard or order. Everything random in slick is keyed here; there is no hidden state.
 * Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3". */
#ifndef SLK_BASE_RNG_H
#define SLK_BASE_RNG_H

#include <stdint.h>

/* What a number is for; part of the key, so that purposes never share a stream. Append, never renumber. */
typedef enum slk_purpose {
    SLK_PURPOSE_EXEMPLARS = 1, /* order of the exemplar pool of a prompt */
    SLK_PURPOSE_SAMPLE = 2,    /* a sampled token */
    SLK_PURPOSE_LIMIT = 3,     /* which facts --limit keeps */
    SLK_PURPOSE_GENERATE = 4,  /* slick generate */
    SLK_PURPOSE_REVIEW = 5,    /* which answers the review sheet shows */
    SLK_PURPOSE_MIX = 6,       /* drawing a fine-tuning set */
    SLK_PURPOSE_SHUFFLE = 7,   /* order of training examples */
    SLK_PURPOSE_DROPOUT = 8,
    SLK_PURPOSE_INIT = 9, /* initial weights */
    SLK_PURPOSE_BOOTSTRAP = 10,
    SLK_PURPOSE_PRETRAIN = 11, /* facts, mentions and rows of a base model */
} slk_purpose;

/* One Philox4x32-10 block. out [4], counter [4], key [2]. Checked against the published test vectors. */
void slk_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);

/* The number of one sampled token, in [0, 1) with 53 random bits.
 * Counter = (fact low, fact high, prompt << 16 | sample, step), key = (seed low ^ purpose * 0x9E3779B9, seed high).
 * prompt, sample < 65,536; `sample` is the draw's index within its prompt. */
double slk_rng_uniform(uint64_t seed, slk_purpose purpose, uint64_t fact, uint32_t prompt, uint32_t sample,
                       uint32_t step);
/* 64 random bits with the same key layout (sorting keys, shuffles). */
uint64_t slk_rng_u64(uint64_t seed, slk_purpose purpose, uint64_t fact, uint32_t prompt, uint32_t sample,
                     uint32_t step);

#endif
