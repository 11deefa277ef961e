/* Inputs of the tests of compute/. Include cmocka.h and what it needs first. */
#ifndef SLK_TEST_COMPUTE_INPUTS_H
#define SLK_TEST_COMPUTE_INPUTS_H

#include <math.h>
#include "base/dtype.h"
#include "base/mem.h"

/* The i-th number of a stream, roughly normal. */
static inline float value(uint32_t stream, uint64_t i)
{
    float sum = 0;
    for (uint64_t k = 0; k < 4; k++) {
        uint64_t h = ((uint64_t)stream << 48) + i * 4 + k + 1;
        h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9u;
        h = (h ^ (h >> 27)) * 0x94D049BB133111EBu;
        sum += (float)(h >> 40) * 0x1p-24f - 0.5f;
    }
    return sum * 1.7f;
}

static inline size_t bytes_of(slk_dtype t)
{
    return t == SLK_DTYPE_BF16 ? 2 : 4;
}

/* [n] values of a stream from the first on, in the given type. */
static inline void *make(slk_dtype t, uint32_t stream, uint64_t first, size_t n, float scale)
{
    void *x = slk_alloc_aligned(n + 64, bytes_of(t));
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) {
        float v = value(stream, first + i) * scale;
        if (t == SLK_DTYPE_BF16)
            ((uint16_t *)x)[i] = slk_f32_to_bf16(v);
        else
            ((float *)x)[i] = v;
    }
    return x;
}

static inline void to_f32(float *out, const void *x, slk_dtype t, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = t == SLK_DTYPE_BF16 ? slk_bf16_to_f32(((const uint16_t *)x)[i]) : ((const float *)x)[i];
}

/* Rotation tables [n_positions, half]. */
static inline float *make_rope(int n_positions, int half, bool sine)
{
    float *x = malloc((size_t)(n_positions * half) * sizeof *x);
    assert_non_null(x);
    for (int pos = 0; pos < n_positions; pos++)
        for (int i = 0; i < half; i++) {
            double angle = pos * pow(10000, -(double)i / half);
            x[pos * half + i] = (float)(sine ? sin(angle) : cos(angle));
        }
    return x;
}

#endif
