/* Blocks and the values they stand for. Every loop is plain C over at least 16 values with no branch inside, so that
 * the compiler turns it into vector code on any x86-64; the file is built with -ffp-contract=off, because `d * q + m`
 * has to be rounded twice to give the reference's bits.
 *
 * A "block" below is drawn as its bytes in file order; d, m, dmin are f16. Source: ggml's block layouts. */
#include "format/quant.h"

#include <math.h>

/* --- half precision --------------------------------------------------------------------------------------------- */

static inline float float_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint32_t bits_of(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static inline uint16_t load_u16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Integer arithmetic alone for normal numbers; a subnormal is its mantissa put under the exponent of 2^-14, minus
 * 2^-14, which is exact and needs no subnormal float32 (slow, and lost where a thread flushes them to zero). */
static inline float half_to_float(uint16_t v)
{
    const uint32_t rebias = (127u - 15u) << 23;
    uint32_t magnitude = (uint32_t)(v & 0x7FFFu) << 13;
    uint32_t normal = magnitude + rebias + (magnitude >= 0x0F800000u ? rebias : 0u); /* infinity and NaN go up twice */
    uint32_t small = bits_of(float_of(magnitude + rebias + (1u << 23)) - 0x1p-14f);
    uint32_t bits = magnitude < 0x00800000u ? small : normal;
    return float_of(bits | (uint32_t)(v & 0x8000u) << 16);
}

static inline uint16_t float_to_half(float v)
{
    uint32_t bits = bits_of(v);
    uint32_t sign = bits >> 16 & 0x8000u;
    uint32_t magnitude = bits & 0x7FFFFFFFu;
    uint32_t rebiased = magnitude - ((127u - 15u) << 23);
    uint32_t half = (rebiased + 0xFFFu + (rebiased >> 13 & 1u)) >> 13;
    /* Below 2^-14 the unit is 2^-24, which is the last bit of a float in [0.5, 1): the addition does the rounding. */
    if (magnitude < 0x38800000u) half = bits_of(float_of(magnitude) + 0.5f) - 0x3F000000u;
    if (magnitude >= 0x477FF000u) half = 0x7C00u; /* 65520 and more round to infinity */
    if (magnitude > 0x7F800000u) half = 0x7E00u;
    return (uint16_t)(sign | half);
}

float slk_f16_to_f32(uint16_t v)
{
    return half_to_float(v);
}

uint16_t slk_f32_to_f16(float v)
{
    return float_to_half(v);
}

static inline float load_half(const uint8_t *p)
{
    return half_to_float(load_u16(p));
}

/* --- blocks of 32 ----------------------------------------------------------------------------------------------- */

/* d | 16 bytes: low nibbles are values 0..15, high nibbles 16..31.   value = (q - 8) * d */
static void rows_q4_0(const uint8_t *src, size_t n_blocks, float *dst)
{
    for (size_t b = 0; b < n_blocks; b++, src += 18, dst += 32) {
        const float d = load_half(src);
        const uint8_t *q = src + 2;
        for (int i = 0; i < 16; i++) dst[i] = (float)((q[i] & 15) - 8) * d;
        for (int i = 0; i < 16; i++) dst[i + 16] = (float)((q[i] >> 4) - 8) * d;
    }
}

/* d | m | 16 bytes as in Q4_0.   value = q * d + m */
static void rows_q4_1(const uint8_t *src, size_t n_blocks, float *dst)
{
    for (size_t b = 0; b < n_blocks; b++, src += 20, dst += 32) {
        const float d = load_half(src), m = load_half(src + 2);
        const uint8_t *q = src + 4;
        for (int i = 0; i < 16; i++) dst[i] = (float)(q[i] & 15) * d + m;
        for (int i = 0; i < 16; i++) dst[i + 16] = (float)(q[i] >> 4) * d + m;
    }
}

/* Bit 4 of each of the 32 codes, from the 32-bit word of high bits, spread to bytes of 0 or 16 so that the value loops
 * need no variable shift (SSE2 has none). */
static inline void spread_high_bits(const uint8_t *word, uint8_t high[32])
{
    for (int byte = 0; byte < 4; byte++) {
        /* Eight copies of the byte, one bit kept in each: 0x80 where it is set after the addition carries it up. */
        uint64_t bits = word[byte] * UINT64_C(0x0101010101010101) & UINT64_C(0x8040201008040201);
        bits = (bits + UINT64_C(0x00406070787C7E7F)) & UINT64_C(0x8080808080808080);
        bits >>= 3;
        memcpy(high + 8 * byte, &bits, 8);
    }
}

/* d | 4 bytes: bit 4 of values 0..31 | 16 bytes as in Q4_0.   value = (q - 16) * d */
static void rows_q5_0(const uint8_t *src, size_t n_blocks, float *dst)
{
    for (size_t b = 0; b < n_blocks; b++, src += 22, dst += 32) {
        const float d = load_half(src);
        const uint8_t *q = src + 6;
        uint8_t high[32];
        spread_high_bits(src + 2, high);
        for (int i = 0; i < 16; i++) dst[i] = (float)(((q[i] & 15) | high[i]) - 16) * d;
        for (int i = 0; i < 16; i++) dst[i + 16] = (float)(((q[i] >> 4) | high[i + 16]) - 16) * d;
    }
}

/* d | m | 4 bytes of high bits | 16 bytes.   value = q * d + m */
static void rows_q5_1(const uint8_t *src, size_t n_blocks, float *dst)
{
    for (size_t b = 0; b < n_blocks; b++, src += 24, dst += 32) {
        const float d = load_half(src), m = load_half(src + 2);
        const uint8_t *q = src + 8;
        uint8_t high[32];
        spread_high_bits(src + 4, high);
        for (int i = 0; i < 16; i++) dst[i] = (float)((q[i] & 15) | high[i]) * d + m;
        for (int i = 0; i < 16; i++) dst[i + 16] = (float)((q[i] >> 4) | high[i + 16]) * d + m;
    }
}

/* d | 32 signed bytes.   value = q * d */
static void rows_q8_0(const uint8_t *src, size_t n_blocks, float *dst)
{
    for (size_t b = 0; b < n_blocks; b++, src += 34, dst += 32) {
        const float d = load_half(src);
        const int8_t *q = (const int8_t *)src + 2;
        for (int i = 0; i < 32; i++) dst[i] = (float)q[i] * d;
    }
}

/* --- blocks of 256 ---------------------------------------------------------------------------------------------- */

/* 16 bytes: scale (low nibble) and minimum (high) of 16 values each | 64 bytes of 2-bit codes | d | dmin
 * Within each half of 128 values, 32 bytes hold four runs of 32 values, in bits 0-1, 2-3, 4-5, 6-7.
 * value = (d * scale) * q - dmin * minimum */
static void rows_q2_k(const uint8_t *src, size_t n_blocks, float *dst)
{
    for (size_t b = 0; b < n_blocks; b++, src += 84) {
        const float d = load_half(src + 80), dmin = load_half(src + 82);
        for (int run = 0; run < 16; run++, dst += 16) {
            const uint8_t *q = src + 16 + run / 8 * 32 + run % 2 * 16;
            const int shift = run % 8 / 2 * 2;
            const float scale = d * (float)(src[run] & 15), minimum = dmin * (float)(src[run] >> 4);
            for (int i = 0; i < 16; i++) dst[i] = scale * (float)(q[i] >> shift & 3) - minimum;
        }
    }
}

/* 32 bytes: bit `run of 32` of byte i is the high bit of value i of that run, inverted (clear = minus 4)
 * | 64 bytes of 2-bit codes as in Q2_K | 12 bytes: 16 scales of 6 bits | d.   value = d * (scale - 32) * (q - 4 or q)
 * Scale i: low four bits are nibble (i / 8) of byte i % 8, high two are bits 2 (i / 4) of byte 8 + i % 4. */
static void rows_q3_k(const uint8_t *src, size_t n_blocks, float *dst)
{
    for (size_t b = 0; b < n_blocks; b++, src += 110) {
        const uint8_t *high = src, *packed = src + 96;
        const float d = load_half(src + 108);
        for (int run = 0; run < 16; run++, dst += 16) {
            const uint8_t *q = src + 32 + run / 8 * 32 + run % 2 * 16, *h = high + run % 2 * 16;
            const int shift = run % 8 / 2 * 2, bit = run / 2;
            const int low4 = packed[run % 8] >> (run / 8 * 4) & 15, high2 = packed[8 + run % 4] >> (run / 4 * 2) & 3;
            const float scale = d * (float)((low4 | high2 << 4) - 32);
            for (int i = 0; i < 16; i++) dst[i] = scale * (float)((q[i] >> shift & 3) + 4 * (h[i] >> bit & 1) - 4);
        }
    }
}

/* Scale and minimum of run j (of 32 values), 6 bits each, out of the 12 bytes that Q4_K and Q5_K share: runs 0..3 in
 * the low six bits of bytes j and j + 4; runs 4..7 with four bits in byte j + 4 and two in the top of bytes j - 4 and
 * j. */
static inline void unpack_scale(const uint8_t *p, int j, int *scale, int *minimum)
{
    if (j < 4) {
        *scale = p[j] & 63;
        *minimum = p[j + 4] & 63;
    } else {
        *scale = (p[j + 4] & 15) | p[j - 4] >> 6 << 4;
        *minimum = p[j + 4] >> 4 | p[j] >> 6 << 4;
    }
}

/* d | dmin | 12 bytes of scales | 128 bytes: each 32 hold one run in the low nibbles and the next in the high ones.
 * value = (d * scale) * q - dmin * minimum */
static void rows_q4_k(const uint8_t *src, size_t n_blocks, float *dst)
{
    for (size_t b = 0; b < n_blocks; b++, src += 144) {
        const float d = load_half(src), dmin = load_half(src + 2);
        for (int run = 0; run < 8; run++, dst += 32) {
            const uint8_t *q = src + 16 + run / 2 * 32;
            const int shift = run % 2 * 4;
            int sc, mn;
            unpack_scale(src + 4, run, &sc, &mn);
            const float scale = d * (float)sc, minimum = dmin * (float)mn;
            for (int i = 0; i < 32; i++) dst[i] = scale * (float)(q[i] >> shift & 15) - minimum;
        }
    }
}

/* d | dmin | 12 bytes of scales | 32 bytes: bit `run` of byte i is bit 4 of value i of that run | 128 bytes as in Q4_K.
 */
static void rows_q5_k(const uint8_t *src, size_t n_blocks, float *dst)
{
    for (size_t b = 0; b < n_blocks; b++, src += 176) {
        const float d = load_half(src), dmin = load_half(src + 2);
        const uint8_t *high = src + 16;
        for (int run = 0; run < 8; run++, dst += 32) {
            const uint8_t *q = src + 48 + run / 2 * 32;
            const int shift = run % 2 * 4;
            int sc, mn;
            unpack_scale(src + 4, run, &sc, &mn);
            const float scale = d * (float)sc, minimum = dmin * (float)mn;
            for (int i = 0; i < 32; i++)
                dst[i] = scale * (float)((q[i] >> shift & 15) + 16 * (high[i] >> run & 1)) - minimum;
        }
    }
}

/* 128 bytes of low nibbles | 64 bytes of high two bits | 16 signed scales, of 16 values each | d
 * In each half of 128 values: runs 0 and 1 of 32 values in the low nibbles of 32 bytes each, runs 2 and 3 in the high
 * ones; their top bits in bits 0-1, 2-3, 4-5, 6-7 of 32 bytes.   value = (d * scale) * (q - 32) */
static void rows_q6_k(const uint8_t *src, size_t n_blocks, float *dst)
{
    for (size_t b = 0; b < n_blocks; b++, src += 210) {
        const int8_t *scales = (const int8_t *)src + 192;
        const float d = load_half(src + 208);
        for (int run = 0; run < 16; run++, dst += 16) {
            const int half = run / 8, quarter = run % 8 / 2, offset = run % 2 * 16;
            const uint8_t *low = src + half * 64 + quarter % 2 * 32 + offset;
            const uint8_t *high = src + 128 + half * 32 + offset;
            const int low_shift = quarter / 2 * 4, high_shift = quarter * 2;
            const float scale = d * (float)scales[run];
            for (int i = 0; i < 16; i++)
                dst[i] = scale * (float)((low[i] >> low_shift & 15) + 16 * (high[i] >> high_shift & 3) - 32);
        }
    }
}

/* --- plain types ------------------------------------------------------------------------------------------------ */

static void rows_f32(const uint8_t *src, size_t n_values, float *dst)
{
    memcpy(dst, src, n_values * sizeof *dst);
}

static void rows_f16(const uint8_t *src, size_t n_values, float *dst)
{
    for (size_t i = 0; i < n_values; i++) dst[i] = half_to_float(load_u16(src + 2 * i));
}

static void rows_bf16(const uint8_t *src, size_t n_values, float *dst)
{
    for (size_t i = 0; i < n_values; i++) dst[i] = slk_bf16_to_f32(load_u16(src + 2 * i));
}

/* --- entry points ----------------------------------------------------------------------------------------------- */

typedef void rows_fn(const uint8_t *src, size_t n_blocks, float *dst);

static rows_fn *rows_of(slk_dtype dtype)
{
    switch (dtype) {
    case SLK_DTYPE_F32:
        return rows_f32;
    case SLK_DTYPE_F16:
        return rows_f16;
    case SLK_DTYPE_BF16:
        return rows_bf16;
    case SLK_DTYPE_Q4_0:
        return rows_q4_0;
    case SLK_DTYPE_Q4_1:
        return rows_q4_1;
    case SLK_DTYPE_Q5_0:
        return rows_q5_0;
    case SLK_DTYPE_Q5_1:
        return rows_q5_1;
    case SLK_DTYPE_Q8_0:
        return rows_q8_0;
    case SLK_DTYPE_Q2_K:
        return rows_q2_k;
    case SLK_DTYPE_Q3_K:
        return rows_q3_k;
    case SLK_DTYPE_Q4_K:
        return rows_q4_k;
    case SLK_DTYPE_Q5_K:
        return rows_q5_k;
    case SLK_DTYPE_Q6_K:
        return rows_q6_k;
    }
    return NULL;
}

static slk_status check_type(slk_dtype dtype, size_t n_values, const slk_dtype_info **info, slk_err *err)
{
    *info = slk_dtype_find((uint32_t)dtype);
    if (!*info) return slk_fail(err, SLK_E_UNSUPPORTED, "tensor type %u is none that slick knows", (unsigned)dtype);
    if (n_values % (*info)->n_block != 0)
        return slk_fail(err, SLK_E_SHAPE, "%zu values are no whole number of %s blocks of %u", n_values, (*info)->name,
                        (*info)->n_block);
    return SLK_OK;
}

slk_status slk_dequantize(slk_dtype dtype, const void *src, size_t n_values, float *dst, slk_err *err)
{
    const slk_dtype_info *info;
    slk_status status = check_type(dtype, n_values, &info, err);
    if (status) return status;
    rows_of(dtype)(src, n_values / info->n_block, dst);
    return SLK_OK;
}

slk_status slk_dequantize_bf16(slk_dtype dtype, const void *src, size_t n_values, uint16_t *dst, slk_err *err)
{
    enum { N_CHUNK = 256 }; /* a multiple of every block size; 1 KiB stays in the first-level cache */
    const slk_dtype_info *info;
    slk_status status = check_type(dtype, n_values, &info, err);
    if (status) return status;
    if (dtype == SLK_DTYPE_BF16) {
        memcpy(dst, src, n_values * sizeof *dst);
        return SLK_OK;
    }
    rows_fn *rows = rows_of(dtype);
    const uint8_t *p = src;
    float chunk[N_CHUNK];
    for (size_t begin = 0; begin < n_values; begin += N_CHUNK) {
        size_t n = n_values - begin < N_CHUNK ? n_values - begin : N_CHUNK;
        rows(p, n / info->n_block, chunk);
        p += n / info->n_block * info->block_bytes;
        /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): rows() has filled n values */
        for (size_t i = 0; i < n; i++) dst[begin + i] = slk_f32_to_bf16(chunk[i]);
    }
    return SLK_OK;
}

/* d = largest magnitude / 127, codes rounded half away from zero, as ggml and gguf.quants do. */
static slk_status quantize_q8_0(const float *src, size_t n_values, uint8_t *dst, slk_err *err)
{
    for (size_t begin = 0; begin < n_values; begin += 32, src += 32, dst += 34) {
        uint32_t largest_bits = 0; /* as integers magnitudes compare as the floats do, and NaN is above infinity */
        for (int i = 0; i < 32; i++) {
            uint32_t bits = bits_of(src[i]) & 0x7FFFFFFFu;
            largest_bits = bits > largest_bits ? bits : largest_bits;
        }
        const float largest = float_of(largest_bits), d = largest / 127.0f;
        const uint16_t d_half = float_to_half(d);
        if ((d_half & 0x7C00u) == 0x7C00u)
            return slk_fail(err, SLK_E_ARG, "values %zu to %zu: magnitude %g is beyond what Q8_0 can hold", begin,
                            begin + 31, (double)largest);
        float inverse = d > 0.0f ? 1.0f / d : 0.0f;
        if (isinf(inverse)) inverse = 0.0f; /* the whole block is below half precision's smallest step: zeros */
        memcpy(dst, &d_half, sizeof d_half);
        int8_t *q = (int8_t *)dst + 2;
        for (int i = 0; i < 32; i++) {
            const float scaled = src[i] * inverse;
            const int whole = (int)scaled;
            const float rest = scaled - (float)whole; /* exact */
            q[i] = (int8_t)(whole + (rest >= 0.5f) - (rest <= -0.5f));
        }
    }
    return SLK_OK;
}

slk_status slk_quantize(slk_dtype dtype, const float *src, size_t n_values, void *dst, slk_err *err)
{
    const slk_dtype_info *info;
    slk_status status = check_type(dtype, n_values, &info, err);
    if (status) return status;
    uint8_t *bytes = dst;
    switch (dtype) {
    case SLK_DTYPE_F32:
        memcpy(dst, src, n_values * sizeof *src);
        return SLK_OK;
    case SLK_DTYPE_F16:
        for (size_t i = 0; i < n_values; i++) {
            uint16_t v = float_to_half(src[i]);
            memcpy(bytes + 2 * i, &v, sizeof v);
        }
        return SLK_OK;
    case SLK_DTYPE_BF16:
        for (size_t i = 0; i < n_values; i++) {
            uint16_t v = slk_f32_to_bf16(src[i]);
            memcpy(bytes + 2 * i, &v, sizeof v);
        }
        return SLK_OK;
    case SLK_DTYPE_Q8_0:
        return quantize_q8_0(src, n_values, dst, err);
    default:
        return slk_fail(err, SLK_E_UNSUPPORTED, "slick does not write tensors of type %s", info->name);
    }
}
