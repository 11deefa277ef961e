/* Element and block types of tensors. The values are GGML's, so that a GGUF type is a cast once
 * slk_dtype_find() knows it. */
#ifndef SLK_BASE_DTYPE_H
#define SLK_BASE_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef enum slk_dtype {
    SLK_DTYPE_F32 = 0,
    SLK_DTYPE_F16 = 1,
    SLK_DTYPE_Q4_0 = 2,
    SLK_DTYPE_Q4_1 = 3,
    SLK_DTYPE_Q5_0 = 6,
    SLK_DTYPE_Q5_1 = 7,
    SLK_DTYPE_Q8_0 = 8,
    SLK_DTYPE_Q2_K = 10,
    SLK_DTYPE_Q3_K = 11,
    SLK_DTYPE_Q4_K = 12,
    SLK_DTYPE_Q5_K = 13,
    SLK_DTYPE_Q6_K = 14,
    SLK_DTYPE_BF16 = 30,
} slk_dtype;

/* Values per block (1 for plain types) and bytes per block. */
typedef struct slk_dtype_info {
    const char *name; /* "Q4_K" */
    uint32_t n_block, block_bytes;
} slk_dtype_info;

/* NULL when slick does not know the type. */
const slk_dtype_info *slk_dtype_find(uint32_t type);

/* Exact: bf16 is the upper half of an f32. */
static inline float slk_bf16_to_f32(uint16_t v)
{
    uint32_t bits = (uint32_t)v << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Round to nearest even; NaN stays NaN. */
static inline uint16_t slk_f32_to_bf16(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return (uint16_t)((bits >> 16) | 0x40u);
    return (uint16_t)((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

#endif
