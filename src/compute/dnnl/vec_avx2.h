/* The vector vocabulary of kernels.inc.h in AVX2 and FMA: 8 floats. */
#ifndef SLK_COMPUTE_DNNL_VEC_AVX2_H
#define SLK_COMPUTE_DNNL_VEC_AVX2_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define LANES 8
typedef __m256 vec;
typedef __m256 mask; /* lanes of all ones or all zeros */

static inline vec v_set(float x)
{
    return _mm256_set1_ps(x);
}
static inline vec v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
static inline void v_store(float *p, vec x)
{
    _mm256_storeu_ps(p, x);
}
static inline __m256i v_first(int64_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n > LANES ? LANES : (int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
/* The first n values, the rest zero. */
static inline vec v_load_n(const float *p, int64_t n)
{
    return n >= LANES ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, v_first(n));
}
static inline void v_store_n(float *p, vec x, int64_t n)
{
    if (n >= LANES)
        _mm256_storeu_ps(p, x);
    else
        _mm256_maskstore_ps(p, v_first(n), x);
}
static inline vec v_load_bf16_n(const uint16_t *p, int64_t n)
{
    uint16_t part[LANES] = {0};
    if (n < LANES) {
        memcpy(part, p, (size_t)n * sizeof *p);
        p = part;
    }
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)), 16));
}
static inline __m128i v_to_bf16(vec x)
{
    __m256i bits = _mm256_castps_si256(x);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF)));
    __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    rounded = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
    return _mm_packus_epi32(_mm256_castsi256_si128(rounded), _mm256_extracti128_si256(rounded, 1));
}
static inline void v_store_bf16_n(uint16_t *p, vec x, int64_t n)
{
    uint16_t part[LANES];
    _mm_storeu_si128((__m128i *)(n < LANES ? part : p), v_to_bf16(x));
    if (n < LANES) memcpy(p, part, (size_t)n * sizeof *p);
}

static inline vec v_add(vec a, vec b)
{
    return _mm256_add_ps(a, b);
}
static inline vec v_sub(vec a, vec b)
{
    return _mm256_sub_ps(a, b);
}
static inline vec v_mul(vec a, vec b)
{
    return _mm256_mul_ps(a, b);
}
static inline vec v_div(vec a, vec b)
{
    return _mm256_div_ps(a, b);
}
static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}
static inline vec v_fnma(vec a, vec b, vec c)
{
    return _mm256_fnmadd_ps(a, b, c);
}
/* b where either is NaN */
static inline vec v_max(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}
static inline vec v_min(vec a, vec b)
{
    return _mm256_min_ps(a, b);
}
static inline float v_sum(vec a)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
static inline float v_hmax(vec a)
{
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

static inline mask v_lt(vec a, vec b)
{
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}
static inline mask v_le(vec a, vec b)
{
    return _mm256_cmp_ps(a, b, _CMP_LE_OQ);
}
static inline mask v_is_nan(vec a)
{
    return _mm256_cmp_ps(a, a, _CMP_UNORD_Q);
}
static inline mask v_both(mask a, mask b)
{
    return _mm256_and_ps(a, b);
}
static inline unsigned v_bits(mask m)
{
    return (unsigned)_mm256_movemask_ps(m);
}
/* m ? a : b */
static inline vec v_select(mask m, vec a, vec b)
{
    return _mm256_blendv_ps(b, a, m);
}
static inline void v_store_if(float *p, mask m, vec x)
{
    _mm256_maskstore_ps(p, _mm256_castps_si256(m), x);
}

static inline vec v_abs(vec a)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
/* a (not negative) with the sign of b */
static inline vec v_with_sign(vec a, vec b)
{
    return _mm256_or_ps(a, _mm256_and_ps(_mm256_set1_ps(-0.0f), b));
}
/* a * 2^n, n = the integer in the low bits of shifted (which has 1.5 * 2^23 added); no overflow, no underflow */
static inline vec v_scale(vec a, vec shifted)
{
    return _mm256_castsi256_ps(
        _mm256_add_epi32(_mm256_castps_si256(a), _mm256_slli_epi32(_mm256_castps_si256(shifted), 23)));
}
/* (x1, x0, x3, x2, ...) */
static inline vec v_swap_pairs(vec a)
{
    return _mm256_permute_ps(a, 0xB1);
}

/* Sums in double: v[0] of the lower half of the lanes, v[1] of the upper. */
typedef struct vec_double {
    __m256d v[2];
} vec_double;
static inline vec_double v_double_zero(void)
{
    return (vec_double){{_mm256_setzero_pd(), _mm256_setzero_pd()}};
}
static inline void v_double_add(vec_double *acc, vec x)
{
    acc->v[0] = _mm256_add_pd(acc->v[0], _mm256_cvtps_pd(_mm256_castps256_ps128(x)));
    acc->v[1] = _mm256_add_pd(acc->v[1], _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1)));
}
static inline double v_double_sum(const vec_double *acc)
{
    double s[4];
    _mm256_storeu_pd(s, _mm256_add_pd(acc->v[0], acc->v[1]));
    return (s[0] + s[2]) + (s[1] + s[3]);
}

/* Transpose an 8 x 8 matrix of 32-bit values. */
static inline void v_transpose(vec r[LANES])
{
    vec t[LANES], s[LANES];
    for (int i = 0; i < LANES; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < LANES; i += 4) {
        s[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        s[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xEE);
        s[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        s[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xEE);
    }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm256_permute2f128_ps(s[i], s[i + 4], 0x20);
        r[i + 4] = _mm256_permute2f128_ps(s[i], s[i + 4], 0x31);
    }
}

#endif
