/* Blocks of quantised values and the float32 values they stand for. Layouts are GGML's; each function's comment in
 * quant.c draws the block. Bit-exact with gguf.quants / ggml (two separate roundings, never a fused multiply-add). */
#ifndef SLK_FORMAT_QUANT_H
#define SLK_FORMAT_QUANT_H

#include <stddef.h>
#include <stdint.h>
#include "base/dtype.h"
#include "base/error.h"

/* IEEE half precision, subnormals included. Exact. */
float slk_f16_to_f32(uint16_t v);
uint16_t slk_f32_to_f16(float v); /* nearest even */

/* src: n_values / n_block blocks; n_values a multiple of the type's block size. dst [n_values] f32.
 * Errors: SLK_E_SHAPE, SLK_E_UNSUPPORTED. Thread-safe. */
slk_status slk_dequantize(slk_dtype dtype, const void *src, size_t n_values, float *dst, slk_err *err);
/* The same rounded to bf16 (nearest even). Needs no scratch beyond one block. */
slk_status slk_dequantize_bf16(slk_dtype dtype, const void *src, size_t n_values, uint16_t *dst, slk_err *err);
/* F32, F16, BF16, Q8_0 only (what slick writes). */
slk_status slk_quantize(slk_dtype dtype, const float *src, size_t n_values, void *dst, slk_err *err);

#endif
