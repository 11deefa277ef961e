/* The GGUF reader on models, on broken files, and what the writer makes of them. Broken files are built in memory in
 * blocks of exactly their size, so that the address sanitizer sees every byte read too many. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <dirent.h>
#include <unistd.h>
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "format/gguf.h"

#define TINY SLICK_TEST_DATA "/reference/tiny/"

static const char *const models[] = {TINY "llama-gqa/model.gguf", TINY "llama-tied-rope3/model.gguf",
                                     TINY "llama-linear-rope/model.gguf"};
enum { N_MODELS = 3 };

static char folder[64]; /* of this run, for files that tests write */

static const char *scratch(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* --- building files -------------------------------------------------------------------------------------------------
 */

static void u8(slk_buf *b, unsigned v)
{
    const uint8_t byte = (uint8_t)v;
    slk_buf_add(b, &byte, 1);
}

static void u32(slk_buf *b, uint32_t v)
{
    for (int i = 0; i < 4; i++) u8(b, v >> 8 * i & 255);
}

static void u64(slk_buf *b, uint64_t v)
{
    u32(b, (uint32_t)v);
    u32(b, (uint32_t)(v >> 32));
}

static void str(slk_buf *b, const char *s)
{
    u64(b, strlen(s));
    slk_buf_add(b, s, strlen(s));
}

static void header(slk_buf *b, uint64_t n_tensors, uint64_t n_kv)
{
    slk_buf_init(b);
    slk_buf_add_str(b, "GGUF");
    u32(b, 3);
    u64(b, n_tensors);
    u64(b, n_kv);
}

static void key(slk_buf *b, const char *name, uint32_t type)
{
    str(b, name);
    u32(b, type);
}

static void array(slk_buf *b, uint32_t type, uint64_t n)
{
    u32(b, type);
    u64(b, n);
}

static void tensor(slk_buf *b, const char *name, uint32_t n_dims, uint64_t ne0, uint64_t ne1, uint32_t type,
                   uint64_t offset)
{
    str(b, name);
    u32(b, n_dims);
    if (n_dims > 0) u64(b, ne0);
    for (uint32_t d = 1; d < n_dims; d++) u64(b, ne1);
    u32(b, type);
    u64(b, offset);
}

static void pad(slk_buf *b, size_t alignment)
{
    while (b->len % alignment) u8(b, 0);
}

static void zeros(slk_buf *b, size_t n)
{
    for (size_t i = 0; i < n; i++) u8(b, 0);
}

/* Open a copy of exactly n bytes; *copy must outlive the file. */
static slk_status open_copy(slk_gguf **file, char **copy, const void *bytes, size_t n, slk_err *err)
{
    *copy = malloc(n ? n : 1);
    assert_non_null(*copy);
    if (n) memcpy(*copy, bytes, n);
    return slk_gguf_open_memory(file, *copy, n, "broken.gguf", err);
}

/* The file in b must be refused with this status and a message that has the file's name and `what`. */
static void refuse_at(int line, slk_buf *b, slk_status status, const char *what)
{
    slk_gguf *file = NULL;
    char *copy;
    slk_err err = {0};
    slk_status got = open_copy(&file, &copy, b->data, b->len, &err);
    if (got != status || file) fail_msg("line %d: status %d, expected %d (%s): %s", line, got, status, what, err.msg);
    if (strncmp(err.msg, "broken.gguf: ", 13) != 0) fail_msg("line %d: no file name in: %s", line, err.msg);
    if (!strstr(err.msg, what)) fail_msg("line %d: no '%s' in: %s", line, what, err.msg);
    free(copy);
    slk_buf_release(b);
}
#define refuse(b, status, what) refuse_at(__LINE__, b, status, what)

static slk_gguf *accept_at(int line, slk_buf *b, char **copy)
{
    slk_gguf *file = NULL;
    slk_err err = {0};
    if (open_copy(&file, copy, b->data, b->len, &err)) fail_msg("line %d: refused: %s", line, err.msg);
    slk_buf_release(b);
    return file;
}
#define accept(b, copy) accept_at(__LINE__, b, copy)

static uint64_t touch(const void *bytes, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += ((const uint8_t *)bytes)[i];
    return sum;
}

/* Read every byte that the file hands out. */
static uint64_t touch_all(const slk_gguf *file)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < slk_gguf_n_keys(file); i++) {
        char text[40];
        slk_gguf_type type;
        slk_gguf_str s = {0};
        size_t n = 0;
        const char *name = slk_gguf_key_at(file, i, NULL, text, sizeof text);
        assert_true(strlen(text) < sizeof text);
        if (slk_gguf_get_str(file, name, &s)) sum += touch(s.data, s.len);
        if (!slk_gguf_get_array(file, name, &type, &n)) continue;
        for (size_t j = 0; j < n; j++) {
            double f = 0;
            if (slk_gguf_array_str(file, name, j, &s)) sum += touch(s.data, s.len);
            if (slk_gguf_array_f64(file, name, j, &f)) sum += touch(&f, sizeof f);
        }
    }
    for (size_t i = 0; i < slk_gguf_n_tensors(file); i++) {
        const slk_gguf_tensor *t = slk_gguf_tensor_at(file, i);
        sum += touch(t->data, t->n_bytes);
    }
    return sum;
}

/* A file with a value of every type, nested arrays and three tensors. */
static void build_rich(slk_buf *b)
{
    header(b, 3, 19);
    key(b, "a.u8", 0), u8(b, 200);
    key(b, "a.i8", 1), u8(b, 0xFE);
    key(b, "a.u16", 2), u8(b, 0x34), u8(b, 0xF2);
    key(b, "a.i16", 3), u8(b, 0xFF), u8(b, 0xFF);
    key(b, "a.u32", 4), u32(b, 4000000000u);
    key(b, "a.i32", 5), u32(b, 0xFFFFFFFDu);
    key(b, "a.f32", 6), u32(b, 0x3DCCCCCDu); /* 0.1f */
    key(b, "a.bool", 7), u8(b, 1);
    key(b, "a.str", 8), str(b, "two\nlines \xC3\xA9\xFF\t\x01 end");
    key(b, "a.u64", 10), u64(b, UINT64_MAX);
    key(b, "a.i64", 11), u64(b, (uint64_t)INT64_MIN);
    key(b, "a.f64", 12), u64(b, 0x3FE0000000000000u); /* 0.5 */
    key(b, "b.strs", 9), array(b, 8, 3), str(b, "x"), str(b, ""), str(b, "zzz");
    key(b, "b.i16s", 9), array(b, 3, 3), u8(b, 1), u8(b, 0), u8(b, 0xFF), u8(b, 0xFF), u8(b, 2), u8(b, 0);
    key(b, "b.f32s", 9), array(b, 6, 2), u32(b, 0x3F800000u), u32(b, 0xBF800000u);
    key(b, "b.bools", 9), array(b, 7, 2), u8(b, 0), u8(b, 1);
    key(b, "b.empty", 9), array(b, 8, 0);
    key(b, "b.nested", 9), array(b, 9, 2), array(b, 8, 1), str(b, "in"), array(b, 0, 2), u8(b, 7), u8(b, 8);
    key(b, "general.alignment", 4), u32(b, 64);
    tensor(b, "t.f32", 2, 3, 2, 0, 128);
    tensor(b, "t.q4_0", 1, 64, 1, 2, 0);
    tensor(b, "t.bf16", 4, 1, 2, 30, 64);
    pad(b, 64);
    for (int i = 0; i < 152; i++) u8(b, (unsigned)i);
}

/* --- models ---------------------------------------------------------------------------------------------------------
 */

static void test_models_open(void **state)
{
    (void)state;
    for (int m = 0; m < N_MODELS; m++) {
        slk_gguf *file = NULL;
        slk_err err = {0};
        if (slk_gguf_open(&file, models[m], &err)) fail_msg("%s", err.msg);
        assert_string_equal(slk_gguf_path(file), models[m]);
        slk_gguf_str s = {0};
        assert_true(slk_gguf_get_str(file, "general.architecture", &s));
        assert_true(s.len == 5 && memcmp(s.data, "llama", 5) == 0);
        uint64_t n = 0;
        assert_true(slk_gguf_get_u64(file, "llama.block_count", &n));
        assert_int_equal(n, 2);
        slk_gguf_type type;
        size_t n_tokens = 0;
        assert_true(slk_gguf_get_array(file, "tokenizer.ggml.tokens", &type, &n_tokens));
        assert_true(type == SLK_GGUF_STRING && n_tokens == 320);
        const slk_gguf_tensor *t = slk_gguf_find_tensor(file, "token_embd.weight");
        assert_non_null(t);
        assert_int_equal(t->n_dims, 2);
        assert_int_equal(t->ne[1], 320);
        assert_true(t->ne[2] == 1 && t->ne[3] == 1);
        assert_int_equal(t->n_bytes, t->ne[0] * 320 * (t->dtype == SLK_DTYPE_F32 ? 4 : 2));
        assert_true(touch_all(file) > 0);
        slk_gguf_close(file);
    }
}

/* Values that README of the reference states: float16 in the third, rotary factors in the second. */
static void test_model_details(void **state)
{
    (void)state;
    slk_gguf *file = NULL;
    assert_int_equal(slk_gguf_open(&file, models[2], NULL), SLK_OK);
    assert_int_equal(slk_gguf_find_tensor(file, "blk.0.attn_q.weight")->dtype, SLK_DTYPE_F16);
    double f = 0;
    assert_true(slk_gguf_get_f64(file, "llama.rope.scaling.factor", &f));
    assert_true(f == 2.5);
    int64_t token_type = 0;
    assert_true(slk_gguf_array_f64(file, "tokenizer.ggml.scores", 319, &f));
    assert_true(slk_gguf_array_i64(file, "tokenizer.ggml.token_type", 0, &token_type));
    slk_gguf_close(file);
    assert_int_equal(slk_gguf_open(&file, models[1], NULL), SLK_OK);
    const slk_gguf_tensor *t = slk_gguf_find_tensor(file, "rope_freqs.weight");
    assert_non_null(t);
    assert_int_equal(t->ne[0], 10);
    assert_null(slk_gguf_find_tensor(file, "output.weight"));
    slk_gguf_close(file);
}

static void test_hash_and_forget(void **state)
{
    (void)state;
    char *bytes = NULL;
    size_t n_bytes = 0;
    slk_gguf *file = NULL;
    assert_int_equal(slk_file_read(&bytes, &n_bytes, models[0], NULL), SLK_OK);
    assert_int_equal(slk_gguf_open(&file, models[0], NULL), SLK_OK);
    assert_true(slk_gguf_hash(file) == slk_hash_bytes(bytes, n_bytes));
    assert_true(slk_gguf_hash(file) == slk_hash_bytes(bytes, n_bytes));
    const slk_gguf_tensor *t = slk_gguf_find_tensor(file, "token_embd.weight");
    uint64_t sum = touch(t->data, t->n_bytes);
    slk_gguf_forget(file, t);
    assert_true(touch(t->data, t->n_bytes) == sum); /* still readable, from disk */
    slk_gguf_close(file);
    free(bytes);
}

static void test_models_truncated(void **state)
{
    (void)state;
    for (int m = 0; m < N_MODELS; m++) {
        char *bytes = NULL;
        size_t n_bytes = 0;
        assert_int_equal(slk_file_read(&bytes, &n_bytes, models[m], NULL), SLK_OK);
        for (size_t k = 0; k < 64; k++) {
            const char *path = scratch("cut.gguf");
            slk_gguf *file = NULL;
            slk_err err = {0};
            FILE *stream = fopen(path, "wb");
            assert_non_null(stream);
            assert_int_equal(fwrite(bytes, 1, n_bytes * k / 64, stream), n_bytes * k / 64);
            fclose(stream);
            assert_int_equal(slk_gguf_open(&file, path, &err), SLK_E_FORMAT);
            assert_null(file);
            assert_true(strncmp(err.msg, path, strlen(path)) == 0);
            if (!strstr(err.msg, "truncated?") || (!strstr(err.msg, "byte") && !strstr(err.msg, "tensor ")))
                fail_msg("%zu/64: no place in: %s", k, err.msg);
        }
        free(bytes);
    }
    unlink(scratch("cut.gguf"));
}

static void test_missing_file(void **state)
{
    (void)state;
    slk_gguf *file = NULL;
    slk_err err = {0};
    assert_int_equal(slk_gguf_open(&file, scratch("nothing.gguf"), &err), SLK_E_IO);
    assert_non_null(strstr(err.msg, "nothing.gguf"));
    assert_int_equal(slk_gguf_open(&file, folder, &err), SLK_E_IO);
    assert_null(file);
}

/* --- typed look-ups -------------------------------------------------------------------------------------------------
 */

static void test_numbers(void **state)
{
    (void)state;
    slk_buf b;
    char *copy;
    build_rich(&b);
    slk_gguf *f = accept(&b, &copy);
    uint64_t u = 0;
    int64_t i = 0;
    double d = 0;
    bool is = false;
    assert_true(slk_gguf_get_u64(f, "a.u8", &u) && u == 200);
    assert_true(slk_gguf_get_i64(f, "a.i8", &i) && i == -2);
    assert_false(slk_gguf_get_u64(f, "a.i8", &u));
    assert_true(slk_gguf_get_u64(f, "a.u16", &u) && u == 0xF234);
    assert_true(slk_gguf_get_i64(f, "a.i16", &i) && i == -1);
    assert_true(slk_gguf_get_i64(f, "a.u32", &i) && i == 4000000000);
    assert_true(slk_gguf_get_i64(f, "a.i32", &i) && i == -3);
    assert_true(slk_gguf_get_f64(f, "a.i32", &d) && d == -3.0);
    assert_true(slk_gguf_get_f64(f, "a.f32", &d) && d == (double)0.1f);
    assert_true(slk_gguf_get_f64(f, "a.f64", &d) && d == 0.5);
    assert_false(slk_gguf_get_u64(f, "a.f64", &u));
    assert_true(slk_gguf_get_u64(f, "a.u64", &u) && u == UINT64_MAX);
    assert_false(slk_gguf_get_i64(f, "a.u64", &i));
    assert_true(slk_gguf_get_i64(f, "a.i64", &i) && i == INT64_MIN);
    assert_true(slk_gguf_get_bool(f, "a.bool", &is) && is);
    assert_false(slk_gguf_get_bool(f, "a.u8", &is));
    assert_false(slk_gguf_get_u64(f, "a.bool", &u));
    assert_false(slk_gguf_get_u64(f, "a.str", &u));
    assert_false(slk_gguf_get_f64(f, "b.f32s", &d));
    assert_false(slk_gguf_get_u64(f, "absent", &u));
    assert_false(slk_gguf_get_u64(f, "", &u));
    slk_gguf_close(f);
    free(copy);
}

static void test_arrays(void **state)
{
    (void)state;
    slk_buf b;
    char *copy;
    build_rich(&b);
    slk_gguf *f = accept(&b, &copy);
    slk_gguf_type type;
    slk_gguf_str s = {0};
    size_t n = 0;
    int64_t i = 0;
    double d = 0;
    assert_true(slk_gguf_get_array(f, "b.strs", &type, &n) && type == SLK_GGUF_STRING && n == 3);
    assert_true(slk_gguf_array_str(f, "b.strs", 2, &s) && s.len == 3 && memcmp(s.data, "zzz", 3) == 0);
    assert_true(slk_gguf_array_str(f, "b.strs", 1, &s) && s.len == 0);
    assert_false(slk_gguf_array_str(f, "b.strs", 3, &s));
    assert_false(slk_gguf_array_str(f, "b.i16s", 0, &s));
    assert_false(slk_gguf_array_str(f, "b.empty", 0, &s));
    assert_true(slk_gguf_array_i64(f, "b.i16s", 1, &i) && i == -1);
    assert_true(slk_gguf_array_f64(f, "b.i16s", 2, &d) && d == 2.0);
    assert_false(slk_gguf_array_i64(f, "b.i16s", 3, &i));
    assert_true(slk_gguf_array_f64(f, "b.f32s", 1, &d) && d == -1.0);
    assert_false(slk_gguf_array_i64(f, "b.f32s", 1, &i));
    assert_false(slk_gguf_array_i64(f, "b.bools", 0, &i));
    assert_true(slk_gguf_get_array(f, "b.nested", &type, &n) && type == SLK_GGUF_ARRAY && n == 2);
    assert_false(slk_gguf_array_str(f, "b.nested", 0, &s));
    assert_false(slk_gguf_array_i64(f, "b.nested", 1, &i));
    assert_false(slk_gguf_get_array(f, "a.u8", &type, &n));
    assert_true(slk_gguf_get_str(f, "a.str", &s) && s.len == 19);
    slk_gguf_close(f);
    free(copy);
}

static void expect_text(const slk_gguf *f, size_t i, size_t text_bytes, const char *name, const char *expected)
{
    char text[64] = "unset";
    slk_gguf_type type;
    assert_string_equal(slk_gguf_key_at(f, i, &type, text, text_bytes), name);
    assert_string_equal(text, expected);
}

static void test_printed_values(void **state)
{
    (void)state;
    slk_buf b;
    char *copy;
    build_rich(&b);
    slk_gguf *f = accept(&b, &copy);
    assert_int_equal(slk_gguf_n_keys(f), 19);
    expect_text(f, 0, 64, "a.u8", "200");
    expect_text(f, 1, 64, "a.i8", "-2");
    expect_text(f, 6, 64, "a.f32", "0.100000001");
    expect_text(f, 7, 64, "a.bool", "true");
    expect_text(f, 8, 64, "a.str", "two\\nlines \xC3\xA9?\\t? end");
    expect_text(f, 8, 9, "a.str", "two\\n...");
    expect_text(f, 8, 17, "a.str", "two\\nlines \xC3\xA9...");
    expect_text(f, 8, 16, "a.str", "two\\nlines ...");
    expect_text(f, 8, 3, "a.str", "tw");
    expect_text(f, 8, 1, "a.str", "");
    expect_text(f, 9, 64, "a.u64", "18446744073709551615");
    expect_text(f, 12, 64, "b.strs", "string[3]");
    expect_text(f, 17, 64, "b.nested", "array[2]");
    assert_null(slk_gguf_key_at(f, 19, NULL, NULL, 0));
    assert_null(slk_gguf_tensor_at(f, 3));
    slk_gguf_close(f);
    free(copy);
}

static void test_tensor_places(void **state)
{
    (void)state;
    slk_buf b;
    char *copy;
    build_rich(&b);
    slk_gguf *f = accept(&b, &copy);
    const slk_gguf_tensor *t = slk_gguf_find_tensor(f, "t.f32");
    assert_int_equal(t->data[0], 128);
    assert_int_equal(t->n_bytes, 24);
    t = slk_gguf_find_tensor(f, "t.q4_0");
    assert_int_equal(t->data[0], 0);
    assert_int_equal(t->n_bytes, 36);
    t = slk_gguf_find_tensor(f, "t.bf16");
    assert_int_equal(t->data[0], 64);
    assert_int_equal(t->n_bytes, 16);
    assert_int_equal(t->ne[3], 2);
    assert_null(slk_gguf_find_tensor(f, "t.f3"));
    slk_gguf_close(f);
    free(copy);
}

/* --- broken files ---------------------------------------------------------------------------------------------------
 */

static void test_broken_head(void **state)
{
    (void)state;
    slk_buf b;
    header(&b, 0, 0), b.data[0] = 'g', refuse(&b, SLK_E_FORMAT, "not a GGUF file");
    header(&b, 0, 0), b.data[4] = 1, refuse(&b, SLK_E_UNSUPPORTED, "version 1");
    header(&b, 0, 0), b.data[4] = 4, refuse(&b, SLK_E_UNSUPPORTED, "version 4");
    header(&b, 0, 0), b.data[4] = 0, b.data[7] = 3, refuse(&b, SLK_E_UNSUPPORTED, "big-endian");
    header(&b, 0, UINT64_MAX), refuse(&b, SLK_E_FORMAT, "18446744073709551615 keys");
    header(&b, 0, 1), refuse(&b, SLK_E_FORMAT, "1 keys");
    header(&b, UINT64_MAX, 0), refuse(&b, SLK_E_FORMAT, "18446744073709551615 tensors");
    header(&b, 1, 0), refuse(&b, SLK_E_FORMAT, "1 tensors");
    header(&b, UINT64_C(1) << 60, UINT64_C(1) << 60), zeros(&b, 4000), refuse(&b, SLK_E_FORMAT, "keys");
    header(&b, 100, 0), zeros(&b, 3000), refuse(&b, SLK_E_FORMAT, "100 tensors");
}

static void test_broken_keys(void **state)
{
    (void)state;
    slk_buf b;
    header(&b, 0, 1), u64(&b, UINT64_MAX), zeros(&b, 40), refuse(&b, SLK_E_FORMAT, "key 1 of 1: byte 32");
    header(&b, 0, 1), str(&b, ""), zeros(&b, 40), refuse(&b, SLK_E_FORMAT, "0 bytes");
    header(&b, 0, 1), u64(&b, 70000), zeros(&b, 80000), refuse(&b, SLK_E_FORMAT, "70000 bytes");
    header(&b, 0, 1), u64(&b, 3), slk_buf_add(&b, "a\0b", 3), zeros(&b, 40), refuse(&b, SLK_E_FORMAT, "zero byte");
    header(&b, 0, 1), key(&b, "k", 13), zeros(&b, 40),
        refuse(&b, SLK_E_FORMAT, "key 1 of 1, k: byte 33: unknown value type 13");
    header(&b, 0, 1), key(&b, "k", 0xFFFFFFFFu), zeros(&b, 40), refuse(&b, SLK_E_FORMAT, "unknown value type");
    header(&b, 0, 1), key(&b, "k", 7), u8(&b, 2), refuse(&b, SLK_E_FORMAT, "boolean");
    header(&b, 0, 1), key(&b, "k", 10), u32(&b, 2), refuse(&b, SLK_E_FORMAT, "k: byte 37");
    header(&b, 0, 1), key(&b, "k", 8), u64(&b, UINT64_MAX - 7), refuse(&b, SLK_E_FORMAT, "a string");
    header(&b, 0, 2), key(&b, "k", 0), u8(&b, 2), key(&b, "k", 7), u8(&b, 1),
        refuse(&b, SLK_E_FORMAT, "key k occurs twice");
    header(&b, 0, 1), key(&b, "e\x1B[31m", 13), zeros(&b, 9), refuse(&b, SLK_E_FORMAT, "e?[31m");
}

static void test_broken_arrays(void **state)
{
    (void)state;
    slk_buf b;
    header(&b, 0, 1), key(&b, "k", 9), array(&b, 0, UINT64_MAX), zeros(&b, 9),
        refuse(&b, SLK_E_FORMAT, "items of an array");
    header(&b, 0, 1), key(&b, "k", 9), array(&b, 12, UINT64_C(1) << 61), zeros(&b, 99),
        refuse(&b, SLK_E_FORMAT, "items");
    header(&b, 0, 1), key(&b, "k", 9), array(&b, 4, 3), zeros(&b, 11), refuse(&b, SLK_E_FORMAT, "3 items");
    header(&b, 0, 1), key(&b, "k", 9), array(&b, 8, UINT64_C(1) << 60), zeros(&b, 99),
        refuse(&b, SLK_E_FORMAT, "strings");
    header(&b, 0, 1), key(&b, "k", 9), array(&b, 8, 2), str(&b, "a"), u64(&b, 90), zeros(&b, 9);
    refuse(&b, SLK_E_FORMAT, "k: item 1: byte 66");
    header(&b, 0, 1), key(&b, "k", 9), array(&b, 13, 1), zeros(&b, 99),
        refuse(&b, SLK_E_FORMAT, "unknown array type 13");
    header(&b, 0, 1), key(&b, "k", 9), array(&b, 7, 2), u8(&b, 1), u8(&b, 255), refuse(&b, SLK_E_FORMAT, "boolean");
    header(&b, 0, 1), key(&b, "k", 9), array(&b, 9, 1000), zeros(&b, 99),
        refuse(&b, SLK_E_FORMAT, "arrays of an array");
    header(&b, 0, 1), key(&b, "k", 9), array(&b, 9, 2), array(&b, 0, 1), u8(&b, 0), array(&b, 4, 9), zeros(&b, 9);
    refuse(&b, SLK_E_FORMAT, "item 1: ");
}

/* A file of nothing but array headers must not exhaust the stack. */
static void test_deep_arrays(void **state)
{
    (void)state;
    slk_buf b;
    header(&b, 0, 1), key(&b, "k", 9);
    for (int i = 0; i < 100000; i++) array(&b, 9, 1);
    array(&b, 0, 0);
    refuse(&b, SLK_E_FORMAT, "nested more than 8 deep");
    header(&b, 0, 1), key(&b, "k", 9);
    for (int i = 0; i < 7; i++) array(&b, 9, 1);
    array(&b, 0, 0);
    char *copy;
    slk_gguf_close(accept(&b, &copy));
    free(copy);
}

static void test_broken_alignment(void **state)
{
    (void)state;
    static const uint32_t bad[] = {0, 1, 2, 4, 24, 33, 0x80000001u, 0xFFFFFFFFu};
    slk_buf b;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        header(&b, 0, 1), key(&b, "general.alignment", 4), u32(&b, bad[i]);
        refuse(&b, SLK_E_FORMAT, "general.alignment is");
    }
    header(&b, 0, 1), key(&b, "general.alignment", 10), u64(&b, 32),
        refuse(&b, SLK_E_FORMAT, "general.alignment has type");
    header(&b, 1, 1), key(&b, "general.alignment", 4), u32(&b, 0x80000000u), tensor(&b, "t", 1, 1, 0, 0, 0),
        zeros(&b, 99);
    refuse(&b, SLK_E_FORMAT, "before its data section");
}

/* One tensor description with 4,096 bytes of data behind it. */
static void one(slk_buf *b, uint32_t n_dims, uint64_t ne0, uint64_t ne1, uint32_t type, uint64_t offset)
{
    header(b, 1, 0);
    tensor(b, "w.x", n_dims, ne0, ne1, type, offset);
    pad(b, 32);
    zeros(b, 4096);
}

static void test_broken_tensors(void **state)
{
    (void)state;
    slk_buf b;
    one(&b, 0, 1, 1, 0, 0), refuse(&b, SLK_E_FORMAT, "w.x: byte 35: 0 dimensions");
    one(&b, 5, 1, 1, 0, 0), refuse(&b, SLK_E_FORMAT, "5 dimensions");
    one(&b, 0xFFFFFF, 1, 1, 0, 0), refuse(&b, SLK_E_FORMAT, "dimensions");
    one(&b, 2, 4, 0, 0, 0), refuse(&b, SLK_E_FORMAT, "tensor 1 of 1, w.x: dimension 1 is 0");
    one(&b, 2, UINT64_C(1) << 32, UINT64_C(1) << 32, 0, 0), refuse(&b, SLK_E_FORMAT, "more than 2^63 values");
    one(&b, 4, UINT64_C(1) << 16, UINT64_C(1) << 16, 0, 0), refuse(&b, SLK_E_FORMAT, "more than 2^63 values");
    one(&b, 1, UINT64_C(1) << 62, 1, 0, 0), refuse(&b, SLK_E_FORMAT, "more than 2^64 bytes");
    one(&b, 1, UINT64_MAX, 1, 1, 0), refuse(&b, SLK_E_FORMAT, "more than 2^63 values");
    one(&b, 1, 48, 1, 2, 0), refuse(&b, SLK_E_FORMAT, "no whole number of Q4_0 blocks of 32");
    one(&b, 2, 128, 2, 12, 0), refuse(&b, SLK_E_FORMAT, "no whole number of Q4_K blocks of 256");
    one(&b, 1, 32, 1, 20, 0), refuse(&b, SLK_E_UNSUPPORTED, "tensor 1 of 1, w.x: tensor type 20");
    one(&b, 1, 32, 1, 0xFFFFFFFFu, 0), refuse(&b, SLK_E_UNSUPPORTED, "tensor type");
    one(&b, 1, 8, 1, 0, 16), refuse(&b, SLK_E_FORMAT, "offset 16 is no multiple of the alignment 32");
    one(&b, 1, 1025, 1, 0, 0), refuse(&b, SLK_E_FORMAT, "tensor w.x: 4100 bytes at offset 0");
    one(&b, 1, 1, 1, 0, 4096), refuse(&b, SLK_E_FORMAT, "offset 4096");
    one(&b, 1, 1, 1, 0, UINT64_MAX - 31), refuse(&b, SLK_E_FORMAT, "offset 18446744073709551584");
    one(&b, 1, 1024, 1, 0, 0);
    char *copy;
    slk_gguf *file = accept(&b, &copy);
    assert_int_equal(touch(slk_gguf_tensor_at(file, 0)->data, 4096), 0);
    slk_gguf_close(file);
    free(copy);
}

static void two(slk_buf *b, const char *first, uint64_t first_at, const char *second, uint64_t second_at)
{
    header(b, 2, 0);
    tensor(b, first, 1, 16, 1, 0, first_at);
    tensor(b, second, 1, 16, 1, 0, second_at);
    pad(b, 32);
    zeros(b, 256);
}

static void test_tensors_in_conflict(void **state)
{
    (void)state;
    slk_buf b;
    two(&b, "a", 0, "a", 64), refuse(&b, SLK_E_FORMAT, "tensor a occurs twice");
    two(&b, "a", 0, "b", 0), refuse(&b, SLK_E_FORMAT, "overlap");
    two(&b, "a", 32, "b", 0), refuse(&b, SLK_E_FORMAT, "tensors b and a overlap");
    two(&b, "a", 192, "b", 64); /* any order, gaps allowed */
    char *copy;
    slk_gguf_close(accept(&b, &copy));
    free(copy);
}

/* Every truncation is refused (but inside the padding behind the last tensor, of which there is none), every changed
 * byte gives an error or a file that can be read in full. */
static void test_every_byte(void **state)
{
    (void)state;
    slk_buf b;
    build_rich(&b);
    for (size_t n = 0; n < b.len; n++) {
        slk_gguf *file = NULL;
        char *copy;
        slk_err err = {0};
        assert_int_equal(open_copy(&file, &copy, b.data, n, &err), SLK_E_FORMAT);
        assert_non_null(strstr(err.msg, "broken.gguf: "));
        free(copy);
    }
    size_t n_opened = 0, n_refused = 0;
    for (size_t at = 0; at < b.len; at++) {
        static const uint8_t changes[] = {0x01, 0x80, 0xFF, 0x7F};
        for (size_t i = 0; i < sizeof changes; i++) {
            slk_gguf *file = NULL;
            char *copy;
            b.data[at] = (char)(b.data[at] ^ changes[i]);
            if (open_copy(&file, &copy, b.data, b.len, NULL) == SLK_OK) {
                touch_all(file);
                n_opened++;
            } else {
                assert_null(file);
                n_refused++;
            }
            slk_gguf_close(file);
            free(copy);
            b.data[at] = (char)(b.data[at] ^ changes[i]);
        }
    }
    assert_true(n_opened > 100 && n_refused > 1000);
    slk_buf_release(&b);
}

static void test_many_keys(void **state)
{
    (void)state;
    enum { N = 20000 };
    slk_buf b;
    char name[32], *copy;
    header(&b, 0, N);
    for (uint32_t i = 0; i < N; i++) {
        snprintf(name, sizeof name, "key.%u", (i * 7919u) % N);
        key(&b, name, 4), u32(&b, (i * 7919u) % N);
    }
    slk_gguf *file = accept(&b, &copy);
    for (uint32_t i = 0; i < N; i++) {
        uint64_t v = 0;
        snprintf(name, sizeof name, "key.%u", i);
        assert_true(slk_gguf_get_u64(file, name, &v) && v == i);
    }
    slk_gguf_close(file);
    free(copy);
}

static void test_empty_model(void **state)
{
    (void)state;
    slk_buf b;
    char *copy;
    header(&b, 0, 0);
    b.data[4] = 2; /* version 2 has the same layout */
    slk_gguf *file = accept(&b, &copy);
    uint64_t u;
    assert_int_equal(slk_gguf_n_keys(file), 0);
    assert_int_equal(slk_gguf_n_tensors(file), 0);
    assert_false(slk_gguf_get_u64(file, "x", &u));
    assert_null(slk_gguf_find_tensor(file, "x"));
    slk_gguf_close(file);
    free(copy);
    slk_gguf_close(NULL);
}

/* --- writing --------------------------------------------------------------------------------------------------------
 */

static slk_gguf_writer *new_writer(void)
{
    slk_gguf_writer *w = NULL;
    assert_int_equal(slk_gguf_writer_create(&w, NULL), SLK_OK);
    return w;
}

static void put_tensor_of(slk_gguf_writer *w, const slk_gguf_tensor *t, const void *data)
{
    slk_err err = {0};
    if (slk_gguf_put_tensor(w, t->name, t->dtype, t->n_dims, t->ne, data, &err)) fail_msg("%s", err.msg);
}

static void assert_same_tensors(const slk_gguf *a, const slk_gguf *b)
{
    assert_int_equal(slk_gguf_n_tensors(a), slk_gguf_n_tensors(b));
    for (size_t i = 0; i < slk_gguf_n_tensors(a); i++) {
        const slk_gguf_tensor *x = slk_gguf_tensor_at(a, i), *y = slk_gguf_tensor_at(b, i);
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->dtype, y->dtype);
        assert_int_equal(x->n_dims, y->n_dims);
        assert_memory_equal(x->ne, y->ne, sizeof x->ne);
        assert_int_equal(x->n_bytes, y->n_bytes);
        assert_memory_equal(x->data, y->data, x->n_bytes);
    }
}

static void write_ok(slk_gguf_writer *w, const char *path, bool overwrite, slk_gguf_produce *produce, void *user)
{
    slk_err err = {0};
    if (slk_gguf_write(w, path, overwrite, produce, user, &err)) fail_msg("%s", err.msg);
}

/* The reference files were written by gguf-py with the same layout: our copies have the same bytes. */
static void test_models_round_trip(void **state)
{
    (void)state;
    for (int m = 0; m < N_MODELS; m++) {
        slk_gguf *file = NULL, *again = NULL;
        assert_int_equal(slk_gguf_open(&file, models[m], NULL), SLK_OK);
        slk_gguf_writer *w = new_writer();
        assert_int_equal(slk_gguf_put_all(w, file, NULL), SLK_OK);
        for (size_t i = 0; i < slk_gguf_n_tensors(file); i++)
            put_tensor_of(w, slk_gguf_tensor_at(file, i), slk_gguf_tensor_at(file, i)->data);
        const char *path = scratch("copy.gguf");
        write_ok(w, path, true, NULL, NULL);
        slk_gguf_writer_free(w);
        assert_int_equal(slk_gguf_open(&again, path, NULL), SLK_OK);
        assert_int_equal(slk_gguf_n_keys(file), slk_gguf_n_keys(again));
        assert_same_tensors(file, again);
        assert_true(slk_gguf_hash(file) == slk_gguf_hash(again));
        slk_gguf_close(file);
        slk_gguf_close(again);
    }
    unlink(scratch("copy.gguf"));
}

/* Nested arrays, odd types and an alignment of 64 survive a copy; a key that is there already stays. */
static void test_put_all(void **state)
{
    (void)state;
    slk_buf b;
    char *copy;
    build_rich(&b);
    slk_gguf *file = accept(&b, &copy), *again = NULL;
    slk_gguf_writer *w = new_writer();
    assert_int_equal(slk_gguf_put_u32(w, "a.u8", 77, NULL), SLK_OK);
    assert_int_equal(slk_gguf_put_all(w, file, NULL), SLK_OK);
    for (size_t i = 0; i < 3; i++) put_tensor_of(w, slk_gguf_tensor_at(file, i), slk_gguf_tensor_at(file, i)->data);
    const char *path = scratch("rich.gguf");
    write_ok(w, path, false, NULL, NULL);
    slk_gguf_writer_free(w);
    assert_int_equal(slk_gguf_open(&again, path, NULL), SLK_OK);
    assert_same_tensors(file, again);
    uint64_t u = 0;
    assert_true(slk_gguf_get_u64(again, "a.u8", &u) && u == 77);
    assert_true(slk_gguf_get_u64(again, "general.alignment", &u) && u == 64);
    assert_int_equal(slk_gguf_n_keys(again), 19);
    for (size_t i = 1; i < 19; i++) {
        char x[64], y[64];
        slk_gguf_type tx, ty;
        assert_string_equal(slk_gguf_key_at(file, i, &tx, x, sizeof x), slk_gguf_key_at(again, i, &ty, y, sizeof y));
        assert_string_equal(x, y);
        assert_int_equal(tx, ty);
    }
    const uint8_t *first = slk_gguf_tensor_at(again, 0)->data, *second = slk_gguf_tensor_at(again, 1)->data;
    assert_int_equal(second - first, 64);
    slk_gguf_close(again);
    slk_gguf_close(file);
    free(copy);
    unlink(path);
}

static slk_status count_up(void *user, size_t tensor_index, void *bytes, size_t n_bytes, slk_err *err)
{
    size_t *fail_at = user;
    if (tensor_index == *fail_at) return slk_fail(err, SLK_E_MEMORY, "no such luck");
    memset(bytes, (int)tensor_index + 1, n_bytes);
    return SLK_OK;
}

static void test_every_put(void **state)
{
    (void)state;
    slk_gguf_writer *w = new_writer();
    const slk_gguf_str strs[3] = {{"one", 3}, {"", 0}, {"t\0o", 3}};
    const float f32s[2] = {0.1f, -0.0f};
    const int32_t i32s[3] = {-1, 0, INT32_MAX};
    const uint64_t ne[3] = {32, 3, 5};
    const float fixed[5] = {1, 2, 3, 4, 5};
    size_t fail_at = SIZE_MAX;
    assert_int_equal(slk_gguf_put_u32(w, "u", UINT32_MAX, NULL), SLK_OK);
    assert_int_equal(slk_gguf_put_f32(w, "f", 0.1f, NULL), SLK_OK);
    assert_int_equal(slk_gguf_put_bool(w, "b", true, NULL), SLK_OK);
    assert_int_equal(slk_gguf_put_str(w, "s", "caf\xC3\xA9", NULL), SLK_OK);
    assert_int_equal(slk_gguf_put_strs(w, "ss", strs, 3, NULL), SLK_OK);
    assert_int_equal(slk_gguf_put_strs(w, "none", NULL, 0, NULL), SLK_OK);
    assert_int_equal(slk_gguf_put_f32s(w, "fs", f32s, 2, NULL), SLK_OK);
    assert_int_equal(slk_gguf_put_i32s(w, "is", i32s, 3, NULL), SLK_OK);
    assert_int_equal(slk_gguf_put_tensor(w, "q", SLK_DTYPE_Q8_0, 3, ne, NULL, NULL), SLK_OK);
    assert_int_equal(slk_gguf_put_tensor(w, "v", SLK_DTYPE_F32, 1, &ne[2], fixed, NULL), SLK_OK);
    assert_int_equal(slk_gguf_put_tensor(w, "p", SLK_DTYPE_F16, 1, &ne[1], NULL, NULL), SLK_OK);
    const char *path = scratch("puts.gguf");
    slk_gguf *file = NULL;
    write_ok(w, path, false, count_up, &fail_at);
    slk_gguf_writer_free(w);
    assert_int_equal(slk_gguf_open(&file, path, NULL), SLK_OK);
    uint64_t u = 0;
    double d = 0;
    bool is = false;
    slk_gguf_str s = {0};
    int64_t i = 0;
    assert_true(slk_gguf_get_u64(file, "u", &u) && u == UINT32_MAX);
    assert_true(slk_gguf_get_f64(file, "f", &d) && d == (double)0.1f);
    assert_true(slk_gguf_get_bool(file, "b", &is) && is);
    assert_true(slk_gguf_get_str(file, "s", &s) && s.len == 5 && memcmp(s.data, "caf\xC3\xA9", 5) == 0);
    assert_true(slk_gguf_array_str(file, "ss", 2, &s) && s.len == 3 && memcmp(s.data, "t\0o", 3) == 0);
    assert_true(slk_gguf_array_f64(file, "fs", 0, &d) && d == (double)0.1f);
    assert_true(slk_gguf_array_i64(file, "is", 0, &i) && i == -1);
    const slk_gguf_tensor *q = slk_gguf_find_tensor(file, "q"), *v = slk_gguf_find_tensor(file, "v");
    const slk_gguf_tensor *p = slk_gguf_find_tensor(file, "p");
    assert_int_equal(q->n_bytes, 15 * 34);
    assert_true(q->data[0] == 1 && q->data[q->n_bytes - 1] == 1 && p->data[0] == 3 && p->data[5] == 3);
    assert_memory_equal(v->data, fixed, sizeof fixed);
    assert_int_equal((v->data - q->data) % 32, 0);
    slk_gguf_close(file);
    unlink(path);
}

static void test_refused_puts(void **state)
{
    (void)state;
    slk_gguf_writer *w = new_writer();
    slk_err err = {0};
    const uint64_t ne[2] = {33, 0}, huge[2] = {UINT64_C(1) << 40, UINT64_C(1) << 40}, one_dim = 32;
    assert_int_equal(slk_gguf_put_u32(w, "k", 1, NULL), SLK_OK);
    assert_int_equal(slk_gguf_put_str(w, "k", "again", &err), SLK_E_ARG);
    assert_non_null(strstr(err.msg, "k is already there"));
    assert_int_equal(slk_gguf_put_u32(w, "", 1, NULL), SLK_E_ARG);
    assert_int_equal(slk_gguf_put_u32(w, "general.alignment", 48, NULL), SLK_E_ARG);
    assert_int_equal(slk_gguf_put_f32(w, "general.alignment", 32, NULL), SLK_E_ARG);
    assert_int_equal(slk_gguf_put_tensor(w, "t", SLK_DTYPE_Q8_0, 1, ne, NULL, &err), SLK_E_SHAPE);
    assert_non_null(strstr(err.msg, "tensor t"));
    assert_int_equal(slk_gguf_put_tensor(w, "t", SLK_DTYPE_F32, 2, ne, NULL, NULL), SLK_E_SHAPE);
    assert_int_equal(slk_gguf_put_tensor(w, "t", SLK_DTYPE_F32, 2, huge, NULL, NULL), SLK_E_SHAPE);
    assert_int_equal(slk_gguf_put_tensor(w, "t", SLK_DTYPE_F32, 5, ne, NULL, NULL), SLK_E_SHAPE);
    assert_int_equal(slk_gguf_put_tensor(w, "t", (slk_dtype)4, 1, ne, NULL, NULL), SLK_E_UNSUPPORTED);
    assert_int_equal(slk_gguf_put_tensor(w, "t", SLK_DTYPE_F32, 1, &one_dim, NULL, NULL), SLK_OK);
    assert_int_equal(slk_gguf_put_tensor(w, "t", SLK_DTYPE_F32, 1, &one_dim, NULL, NULL), SLK_E_ARG);
    const char *path = scratch("refused.gguf");
    assert_int_equal(slk_gguf_write(w, path, false, NULL, NULL, &err), SLK_E_ARG);
    assert_non_null(strstr(err.msg, "neither data nor a producer"));
    assert_false(slk_file_exists(path));
    slk_gguf_writer_free(w);
    slk_gguf_writer_free(NULL);
}

static size_t n_files_in(const char *path)
{
    size_t n = 0;
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

static void test_failed_writes(void **state)
{
    (void)state;
    const uint64_t ne = 32;
    size_t fail_at = 1;
    slk_err err = {0};
    slk_gguf_writer *w = new_writer();
    size_t n_before = n_files_in(folder);
    assert_int_equal(slk_gguf_put_tensor(w, "a", SLK_DTYPE_F32, 1, &ne, NULL, NULL), SLK_OK);
    assert_int_equal(slk_gguf_put_tensor(w, "b", SLK_DTYPE_F32, 1, &ne, NULL, NULL), SLK_OK);
    const char *path = scratch("failed.gguf");
    assert_int_equal(slk_gguf_write(w, path, false, count_up, &fail_at, &err), SLK_E_MEMORY);
    assert_non_null(strstr(err.msg, "no such luck"));
    assert_int_equal(n_files_in(folder), n_before);
    fail_at = SIZE_MAX;
    write_ok(w, path, false, count_up, &fail_at);
    assert_int_equal(slk_gguf_write(w, path, false, count_up, &fail_at, &err), SLK_E_STATE);
    assert_non_null(strstr(err.msg, "failed.gguf"));
    write_ok(w, path, true, count_up, &fail_at);
    assert_int_equal(slk_gguf_write(w, scratch("no/such/folder.gguf"), false, count_up, &fail_at, &err), SLK_E_IO);
    unlink(scratch("failed.gguf"));
    assert_int_equal(n_files_in(folder), n_before);
    slk_gguf_writer_free(w);
}

/* A file size limit stands in for a full disk: the same short write, without a file system of our own. In a child,
 * because a process cannot raise the limit again. */
static int write_on_full_disk(const char *path, size_t limit)
{
    const struct rlimit small = {limit, limit};
    const uint64_t ne = 100000;
    size_t fail_at = SIZE_MAX;
    slk_gguf_writer *w = NULL;
    slk_err err = {0};
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &small)) return 10;
    if (slk_gguf_writer_create(&w, NULL)) return 11;
    if (slk_gguf_put_tensor(w, "a", SLK_DTYPE_F32, 1, &ne, NULL, NULL)) return 12;
    if (slk_gguf_write(w, path, true, count_up, &fail_at, &err) != SLK_E_IO) return 13;
    if (!strstr(err.msg, path)) return 14;
    slk_gguf_writer_free(w);
    return 0;
}

static void test_full_disk(void **state)
{
    (void)state;
    static const size_t limits[] = {0, 20, 5000, 400000};
    size_t n_before = n_files_in(folder);
    const char *path = scratch("full.gguf");
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        pid_t child = fork();
        if (child == 0) _exit(write_on_full_disk(path, limits[i]));
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        assert_int_equal(n_files_in(folder), n_before);
    }
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/slick-gguf-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models_open),     cmocka_unit_test(test_model_details),
        cmocka_unit_test(test_hash_and_forget), cmocka_unit_test(test_models_truncated),
        cmocka_unit_test(test_missing_file),    cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_arrays),          cmocka_unit_test(test_printed_values),
        cmocka_unit_test(test_tensor_places),   cmocka_unit_test(test_broken_head),
        cmocka_unit_test(test_broken_keys),     cmocka_unit_test(test_broken_arrays),
        cmocka_unit_test(test_deep_arrays),     cmocka_unit_test(test_broken_alignment),
        cmocka_unit_test(test_broken_tensors),  cmocka_unit_test(test_tensors_in_conflict),
        cmocka_unit_test(test_every_byte),      cmocka_unit_test(test_many_keys),
        cmocka_unit_test(test_empty_model),     cmocka_unit_test(test_models_round_trip),
        cmocka_unit_test(test_put_all),         cmocka_unit_test(test_every_put),
        cmocka_unit_test(test_refused_puts),    cmocka_unit_test(test_failed_writes),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
