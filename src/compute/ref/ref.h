/* What the oracle's two files share: values of either type, and the slots of a path. */
#ifndef SLK_COMPUTE_REF_REF_H
#define SLK_COMPUTE_REF_REF_H

#include "compute/internal.h"

static inline float get(const void *x, slk_dtype dtype, int64_t i)
{
    return dtype == SLK_DTYPE_BF16 ? slk_bf16_to_f32(((const uint16_t *)x)[i]) : ((const float *)x)[i];
}

static inline void put(void *y, slk_dtype dtype, int64_t i, double v)
{
    if (dtype == SLK_DTYPE_BF16)
        ((uint16_t *)y)[i] = slk_f32_to_bf16((float)v);
    else
        ((float *)y)[i] = (float)v;
}

/* The slot of a position of a path. */
static inline int64_t find_slot(const slk_path *path, int32_t pos)
{
    const slk_run *run = path->runs;
    while (pos >= run->n) pos -= run++->n;
    return run->slot + pos;
}

#endif
