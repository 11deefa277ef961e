/* The vector vocabulary of kernels.inc.h in AVX-512: 16 floats. */
#ifndef SLK_COMPUTE_DNNL_VEC_AVX512_H
#define SLK_COMPUTE_DNNL_VEC_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#define LANES 16
typedef __m512 vec;
typedef __mmask16 mask;

static inline vec v_set(float x)
{
    return _mm512_set1_ps(x);
}
static inline vec v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
static inline void v_store(float *p, vec x)
{
    _mm512_storeu_ps(p, x);
}
static inline mask v_first(int64_t n)
{
    return n >= LANES ? (mask)0xFFFF : (mask)((1u << n) - 1);
}
/* The first n values, the rest zero. */
static inline vec v_load_n(const float *p, int64_t n)
{
    return _mm512_maskz_loadu_ps(v_first(n), p);
}
static inline void v_store_n(float *p, vec x, int64_t n)
{
    _mm512_mask_storeu_ps(p, v_first(n), x);
}
static inline vec v_load_bf16_n(const uint16_t *p, int64_t n)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(v_first(n), p)), 16));
}
#ifdef __AVX512BF16__
static inline __m256i v_to_bf16(vec x)
{
    return (__m256i)_mm512_cvtneps_pbh(x);
}
#else
static inline __m256i v_to_bf16(vec x)
{
    __m512i bits = _mm512_castps_si512(x);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
    __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    rounded = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
}
#endif
static inline void v_store_bf16_n(uint16_t *p, vec x, int64_t n)
{
    _mm256_mask_storeu_epi16(p, v_first(n), v_to_bf16(x));
}

static inline vec v_add(vec a, vec b)
{
    return _mm512_add_ps(a, b);
}
static inline vec v_sub(vec a, vec b)
{
    return _mm512_sub_ps(a, b);
}
static inline vec v_mul(vec a, vec b)
{
    return _mm512_mul_ps(a, b);
}
static inline vec v_div(vec a, vec b)
{
    return _mm512_div_ps(a, b);
}
static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}
static inline vec v_fnma(vec a, vec b, vec c)
{
    return _mm512_fnmadd_ps(a, b, c);
}
/* b where either is NaN */
static inline vec v_max(vec a, vec b)
{
    return _mm512_max_ps(a, b);
}
static inline vec v_min(vec a, vec b)
{
    return _mm512_min_ps(a, b);
}
static inline float v_sum(vec a)
{
    return _mm512_reduce_add_ps(a);
}
static inline float v_hmax(vec a)
{
    return _mm512_reduce_max_ps(a);
}

static inline mask v_lt(vec a, vec b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
static inline mask v_le(vec a, vec b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ);
}
static inline mask v_is_nan(vec a)
{
    return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
}
static inline mask v_both(mask a, mask b)
{
    return (mask)(a & b);
}
static inline unsigned v_bits(mask m)
{
    return m;
}
/* m ? a : b */
static inline vec v_select(mask m, vec a, vec b)
{
    return _mm512_mask_blend_ps(m, b, a);
}
static inline void v_store_if(float *p, mask m, vec x)
{
    _mm512_mask_storeu_ps(p, m, x);
}

static inline vec v_abs(vec a)
{
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(a), _mm512_set1_epi32(0x7FFFFFFF)));
}
/* a (not negative) with the sign of b */
static inline vec v_with_sign(vec a, vec b)
{
    __m512i sign = _mm512_and_si512(_mm512_castps_si512(b), _mm512_set1_epi32((int)0x80000000u));
    return _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(a), sign));
}
/* a * 2^n, n = the integer in the low bits of shifted (which has 1.5 * 2^23 added); no overflow, no underflow */
static inline vec v_scale(vec a, vec shifted)
{
    return _mm512_castsi512_ps(
        _mm512_add_epi32(_mm512_castps_si512(a), _mm512_slli_epi32(_mm512_castps_si512(shifted), 23)));
}
/* (x1, x0, x3, x2, ...) */
static inline vec v_swap_pairs(vec a)
{
    return _mm512_permute_ps(a, 0xB1);
}

/* Sums in double: v[0] of the lower half of the lanes, v[1] of the upper. */
typedef struct vec_double {
    __m512d v[2];
} vec_double;
static inline vec_double v_double_zero(void)
{
    return (vec_double){{_mm512_setzero_pd(), _mm512_setzero_pd()}};
}
static inline void v_double_add(vec_double *acc, vec x)
{
    acc->v[0] = _mm512_add_pd(acc->v[0], _mm512_cvtps_pd(_mm512_castps512_ps256(x)));
    acc->v[1] = _mm512_add_pd(acc->v[1], _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1)));
}
static inline double v_double_sum(const vec_double *acc)
{
    return _mm512_reduce_add_pd(_mm512_add_pd(acc->v[0], acc->v[1]));
}

/* Transpose a 16 x 16 matrix of 32-bit values. */
static inline void v_transpose(vec r[LANES])
{
    __m512d t[LANES];
    for (int i = 0; i < LANES; i += 2) {
        t[i] = _mm512_castps_pd(_mm512_unpacklo_ps(r[i], r[i + 1]));
        t[i + 1] = _mm512_castps_pd(_mm512_unpackhi_ps(r[i], r[i + 1]));
    }
    for (int i = 0; i < LANES; i += 4) {
        r[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(t[i], t[i + 2]));
        r[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(t[i], t[i + 2]));
        r[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(t[i + 1], t[i + 3]));
        r[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(t[i + 1], t[i + 3]));
    }
    for (int i = 0; i < 4; i++) {
        __m512 a = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88), b = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xDD);
        __m512 c = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88), d = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xDD);
        r[i] = _mm512_shuffle_f32x4(a, c, 0x88);
        r[i + 8] = _mm512_shuffle_f32x4(a, c, 0xDD);
        r[i + 4] = _mm512_shuffle_f32x4(b, d, 0x88);
        r[i + 12] = _mm512_shuffle_f32x4(b, d, 0xDD);
    }
}

#endif
