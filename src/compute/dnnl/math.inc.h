/* Exponential and hyperbolic tangent of a vector, the same bits in every lane. Included by kernels.inc.h after a
 * vec_*.h. */
#ifndef SLK_COMPUTE_DNNL_MATH_INC_H
#define SLK_COMPUTE_DNNL_MATH_INC_H

#include <math.h>

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

/* exp(x) to 2 units in the last place; 0 below -87.3, exp(88) above 88; exactly 1 at 0.
 * x = n ln 2 + r, |r| <= ln(2)/2; exp(r) by a minimax polynomial of degree 6 (relative error 3e-9). */
static inline vec v_exp(vec x)
{
    const vec magic = v_set(0x1.8p23f); /* adding it leaves the rounded integer in the low bits */
    vec clamped = v_min(v_set(88.0f), x);
    vec shifted = v_fma(clamped, v_set(1.44269504f), magic);
    vec n = v_sub(shifted, magic);
    vec r = v_fnma(n, v_set(-2.12194440e-4f), v_fnma(n, v_set(0.693359375f), clamped));
    vec p = v_fma(v_set(0.0013814539f), r, v_set(0.0083687454f));
    p = v_fma(p, r, v_set(0.041668389f));
    p = v_fma(p, r, v_set(0.16666521f));
    p = v_fma(p, r, v_set(0.49999994f));
    p = v_add(v_fma(v_mul(r, r), p, r), v_set(1.0f));
    return v_select(v_lt(x, v_set(-87.3f)), v_set(0.0f), v_scale(p, shifted));
}

/* tanh(x): an odd polynomial below 0.625, where the formula with the exponential would lose digits. */
static inline vec v_tanh(vec x)
{
    vec a = v_abs(x), z = v_mul(a, a);
    vec p = v_fma(v_set(-0.005704986f), z, v_set(0.020639086f));
    p = v_fma(p, z, v_set(-0.053739715f));
    p = v_fma(p, z, v_set(0.13331442f));
    p = v_fma(p, z, v_set(-0.33333281f));
    vec small = v_fma(v_mul(z, a), p, a);
    vec e = v_exp(v_add(a, a));
    vec big = v_sub(v_set(1.0f), v_div(v_set(2.0f), v_add(e, v_set(1.0f))));
    return v_with_sign(v_select(v_lt(a, v_set(0.625f)), small, big), x);
}

#endif
