/* What is drawn for a base model: the `prompt` field of the random number's key (base/rng.h, SLK_PURPOSE_PRETRAIN), so
 * that no two draws share a number. Append, never renumber. Not for other modules. */
#ifndef SLK_PRETRAIN_DRAW_H
#define SLK_PRETRAIN_DRAW_H

#include <stdint.h>
#include "base/rng.h"

typedef enum slk_draw {
    SLK_DRAW_FACT = 1,     /* order in which facts are taken */
    SLK_DRAW_KIND = 2,     /* order in which they get their kinds */
    SLK_DRAW_WRONG = 3,    /* the wrong alternative */
    SLK_DRAW_COUNT = 4,    /* number and places of mentions */
    SLK_DRAW_ORDER = 5,    /* order of mentions in rows */
    SLK_DRAW_TEMPLATE = 6, /* which statement */
    SLK_DRAW_FORMAT = 7,   /* which statements are in the format of fine-tuning */
    SLK_DRAW_OFFSET = 8,   /* where a relation's kinds begin */
    SLK_DRAW_PACKING = 9,  /* order of mentions in rows of a packing that is not the first */
} slk_draw;

/* 64 random bits of a fact, the i-th for that purpose. */
static inline uint64_t slk_draw_u64(int64_t seed, slk_draw what, uint64_t fact, uint32_t i)
{
    return slk_rng_u64((uint64_t)seed, SLK_PURPOSE_PRETRAIN, fact, (uint32_t)what, i, 0);
}

/* In [0, n). */
static inline uint64_t slk_draw_below(int64_t seed, slk_draw what, uint64_t fact, uint32_t i, uint64_t n)
{
    return (slk_draw_u64(seed, what, fact, i) >> 32) * n >> 32;
}

#endif
