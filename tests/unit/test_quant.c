/* Dequantisation against blocks and values that gguf.quants and ggml made (tests/data/reference/quants), bit for bit.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "format/quant.h"

#define FOLDER SLICK_TEST_DATA "/reference/quants/"

static char *read_all(const char *name, size_t *n_bytes)
{
    char path[512], *bytes = NULL;
    slk_err err = {0};
    snprintf(path, sizeof path, FOLDER "%s", name);
    if (slk_file_read(&bytes, n_bytes, path, &err)) fail_msg("%s", err.msg);
    return bytes;
}

/* One entry of index.json with its two files. */
typedef struct reference {
    const char *name;
    slk_dtype dtype;
    char *raw;
    size_t raw_bytes, n_values;
    float *values;
} reference;

static reference open_reference(json_t *entry)
{
    reference r = {.name = json_string_value(json_object_get(entry, "name"))};
    size_t value_bytes = 0;
    r.dtype = (slk_dtype)json_integer_value(json_object_get(entry, "ggml_type"));
    r.raw = read_all(json_string_value(json_object_get(entry, "raw")), &r.raw_bytes);
    r.values = (float *)read_all(json_string_value(json_object_get(entry, "values")), &value_bytes);
    r.n_values = value_bytes / sizeof(float);
    assert_int_equal(r.n_values, 4 * 512);
    return r;
}

static void close_reference(reference *r)
{
    free(r->raw);
    free(r->values);
}

static void for_each_type(void (*check)(const reference *))
{
    json_t *index = NULL;
    slk_err err = {0};
    if (slk_json_read(&index, FOLDER "index.json", &err)) fail_msg("%s", err.msg);
    json_t *types = json_object_get(index, "types");
    assert_int_equal(json_array_size(types), 12);
    for (size_t i = 0; i < json_array_size(types); i++) {
        reference r = open_reference(json_array_get(types, i));
        check(&r);
        close_reference(&r);
    }
    json_decref(index);
}

static void check_block_sizes(const reference *r)
{
    const slk_dtype_info *info = slk_dtype_find((uint32_t)r->dtype);
    assert_non_null(info);
    assert_string_equal(info->name, r->name);
    assert_int_equal(r->n_values / info->n_block * info->block_bytes, r->raw_bytes);
}

static void check_values(const reference *r)
{
    float *out = slk_alloc(r->n_values, sizeof *out);
    assert_int_equal(slk_dequantize(r->dtype, r->raw, r->n_values, out, NULL), SLK_OK);
    for (size_t i = 0; i < r->n_values; i++)
        if (memcmp(&out[i], &r->values[i], sizeof *out) != 0)
            fail_msg("%s value %zu: %.9g, expected %.9g", r->name, i, (double)out[i], (double)r->values[i]);
    free(out);
}

/* Sources may stand at any address: blocks have odd sizes, and files odd places. */
static void check_misaligned(const reference *r)
{
    float *out = slk_alloc(r->n_values, sizeof *out);
    char *moved = slk_alloc(r->raw_bytes + 1, 1);
    memcpy(moved + 1, r->raw, r->raw_bytes);
    assert_int_equal(slk_dequantize(r->dtype, moved + 1, r->n_values, out, NULL), SLK_OK);
    assert_memory_equal(out, r->values, r->n_values * sizeof *out);
    free(moved);
    free(out);
}

static void check_bf16(const reference *r)
{
    uint16_t *out = slk_alloc(r->n_values, sizeof *out);
    assert_int_equal(slk_dequantize_bf16(r->dtype, r->raw, r->n_values, out, NULL), SLK_OK);
    for (size_t i = 0; i < r->n_values; i++) {
        uint16_t expected = slk_f32_to_bf16(r->values[i]);
        if (out[i] != expected) fail_msg("%s value %zu: %04x, expected %04x", r->name, i, out[i], expected);
    }
    free(out);
}

/* Any whole number of blocks gives the beginning of the same values; nothing is written behind them. */
static void check_lengths(const reference *r)
{
    const slk_dtype_info *info = slk_dtype_find((uint32_t)r->dtype);
    float *out = slk_alloc(r->n_values, sizeof *out);
    uint16_t *half = slk_alloc(r->n_values, sizeof *half);
    for (size_t n = 0; n<r->n_values; n += info->n_block> 1 ? info->n_block : 97) {
        for (size_t i = 0; i < r->n_values; i++) out[i] = 12345.0f, half[i] = 54321;
        assert_int_equal(slk_dequantize(r->dtype, r->raw, n, out, NULL), SLK_OK);
        assert_int_equal(slk_dequantize_bf16(r->dtype, r->raw, n, half, NULL), SLK_OK);
        assert_memory_equal(out, r->values, n * sizeof *out);
        assert_true(out[n] == 12345.0f && half[n] == 54321);
        assert_true(n == 0 || half[n - 1] == slk_f32_to_bf16(r->values[n - 1]));
    }
    free(half);
    free(out);
}

static void check_unwhole_rows(const reference *r)
{
    const slk_dtype_info *info = slk_dtype_find((uint32_t)r->dtype);
    float out[512];
    uint16_t half[512];
    slk_err err = {0};
    if (info->n_block == 1) return;
    assert_int_equal(slk_dequantize(r->dtype, r->raw, info->n_block + 1, out, &err), SLK_E_SHAPE);
    assert_non_null(strstr(err.msg, info->name));
    assert_int_equal(slk_dequantize_bf16(r->dtype, r->raw, info->n_block / 2, half, NULL), SLK_E_SHAPE);
}

/* Rows 0 to 2 of the plain types and Q8_0 were quantised from source.f32. */
static void check_quantise(const reference *r)
{
    size_t source_bytes = 0;
    float *source = (float *)read_all("source.f32", &source_bytes);
    size_t n_values = source_bytes / sizeof *source;
    uint8_t *out = slk_alloc(r->raw_bytes, 1);
    slk_err err = {0};
    slk_status status = slk_quantize(r->dtype, source, n_values, out, &err);
    if (r->dtype == SLK_DTYPE_F16 || r->dtype == SLK_DTYPE_BF16 || r->dtype == SLK_DTYPE_Q8_0) {
        assert_int_equal(status, SLK_OK);
        assert_memory_equal(out, r->raw, r->raw_bytes / 4 * 3);
    } else {
        assert_int_equal(status, SLK_E_UNSUPPORTED);
        assert_non_null(strstr(err.msg, r->name));
    }
    free(out);
    free(source);
}

static void test_block_sizes(void **state)
{
    (void)state;
    for_each_type(check_block_sizes);
}

static void test_values(void **state)
{
    (void)state;
    for_each_type(check_values);
    for_each_type(check_misaligned);
    for_each_type(check_bf16);
    for_each_type(check_lengths);
    for_each_type(check_unwhole_rows);
}

static void test_quantise(void **state)
{
    (void)state;
    for_each_type(check_quantise);
}

static void test_f32_is_copied(void **state)
{
    (void)state;
    const float in[3] = {1.5f, -0.0f, 3e38f};
    float out[3], again[3];
    uint16_t half[3];
    assert_int_equal(slk_dequantize(SLK_DTYPE_F32, in, 3, out, NULL), SLK_OK);
    assert_memory_equal(in, out, sizeof in);
    assert_int_equal(slk_quantize(SLK_DTYPE_F32, in, 3, again, NULL), SLK_OK);
    assert_memory_equal(in, again, sizeof in);
    assert_int_equal(slk_dequantize_bf16(SLK_DTYPE_F32, in, 3, half, NULL), SLK_OK);
    assert_int_equal(half[0], 0x3FC0);
    assert_int_equal(half[1], 0x8000);
}

/* What a half stands for, from its definition. */
static double half_value(uint16_t v)
{
    int exponent = v >> 10 & 31, mantissa = v & 1023;
    double magnitude = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    return v & 0x8000 ? -magnitude : magnitude;
}

static void test_every_half(void **state)
{
    (void)state;
    for (uint32_t v = 0; v < 65536; v++) {
        float f = slk_f16_to_f32((uint16_t)v);
        if ((v & 0x7C00) == 0x7C00) {
            assert_true((v & 1023) ? isnan(f) : isinf(f));
            assert_int_equal(signbit(f) != 0, v >> 15);
            if (!(v & 1023))
                assert_int_equal(slk_f32_to_f16(f), v);
            else
                assert_true((slk_f32_to_f16(f) & 0x7FFF) > 0x7C00);
            continue;
        }
        assert_true((double)f == half_value((uint16_t)v));
        assert_int_equal(slk_f32_to_f16(f), v);
    }
}

/* Between each two neighbours: the midpoint goes to the even one, the floats beside it to the nearer one. */
static void test_half_rounding(void **state)
{
    (void)state;
    for (uint32_t v = 0; v < 0x7BFF; v++) {
        float low = slk_f16_to_f32((uint16_t)v), high = slk_f16_to_f32((uint16_t)(v + 1));
        float middle = low + (high - low) * 0.5f; /* exact: a float has 13 bits more */
        assert_int_equal(slk_f32_to_f16(middle), v + (v & 1));
        assert_int_equal(slk_f32_to_f16(nextafterf(middle, 0.0f)), v);
        assert_int_equal(slk_f32_to_f16(nextafterf(middle, INFINITY)), v + 1);
        assert_int_equal(slk_f32_to_f16(-middle), 0x8000u + v + (v & 1));
    }
    assert_int_equal(slk_f32_to_f16(65519.996f), 0x7BFF);
    assert_int_equal(slk_f32_to_f16(65520.0f), 0x7C00);
    assert_int_equal(slk_f32_to_f16(-3e38f), 0xFC00);
    assert_int_equal(slk_f32_to_f16(1e-40f), 0);
}

/* Values at a half step go away from zero, and the rounding error stays within half a step. */
static void test_q8_0_rounding(void **state)
{
    (void)state;
    float in[32] = {127.0f, 0.5f, -0.5f, 1.5f, -1.5f, 0.49999997f, -0.49999997f, -127.0f, 126.5f, 2.5f};
    uint8_t block[34];
    assert_int_equal(slk_quantize(SLK_DTYPE_Q8_0, in, 32, block, NULL), SLK_OK);
    const int8_t expected[10] = {127, 1, -1, 2, -2, 0, 0, -127, 127, 3};
    assert_int_equal(block[0] | block[1] << 8, 0x3C00);
    assert_memory_equal(block + 2, expected, sizeof expected);
}

static void test_q8_0_extremes(void **state)
{
    (void)state;
    float in[64] = {0};
    uint8_t blocks[68];
    slk_err err = {0};
    in[40] = 1e-44f; /* 1 / (1e-44 / 127) is infinite */
    assert_int_equal(slk_quantize(SLK_DTYPE_Q8_0, in, 64, blocks, NULL), SLK_OK);
    for (int i = 0; i < 68; i++) assert_int_equal(blocks[i], 0);
    const float bad[4] = {NAN, INFINITY, -INFINITY, 1e7f};
    for (int i = 0; i < 4; i++) {
        in[40] = bad[i];
        assert_int_equal(slk_quantize(SLK_DTYPE_Q8_0, in, 64, blocks, &err), SLK_E_ARG);
        assert_non_null(strstr(err.msg, "32 to 63"));
    }
    in[40] = 8e6f;
    assert_int_equal(slk_quantize(SLK_DTYPE_Q8_0, in, 64, blocks, NULL), SLK_OK);
    assert_int_equal(slk_quantize(SLK_DTYPE_Q8_0, in, 33, blocks, NULL), SLK_E_SHAPE);
}

static void test_unknown_type(void **state)
{
    (void)state;
    float value = 0;
    slk_err err = {0};
    assert_int_equal(slk_dequantize((slk_dtype)5, &value, 1, &value, &err), SLK_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "5"));
    assert_int_equal(slk_quantize((slk_dtype)99, &value, 1, &value, NULL), SLK_E_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_block_sizes),   cmocka_unit_test(test_values),
        cmocka_unit_test(test_quantise),      cmocka_unit_test(test_f32_is_copied),
        cmocka_unit_test(test_every_half),    cmocka_unit_test(test_half_rounding),
        cmocka_unit_test(test_q8_0_rounding), cmocka_unit_test(test_q8_0_extremes),
        cmocka_unit_test(test_unknown_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
