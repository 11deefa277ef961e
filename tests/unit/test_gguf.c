/* The GGUF reader: models, typed look-ups, truncated files. */
#include "gguf_builder.h"
#include "scratch.h"
#include "base/file.h"
#include "base/hash.h"

#define TINY SLICK_TEST_DATA "/reference/tiny/"

static const char *const models[] = {TINY "llama-gqa/model.gguf", TINY "llama-tied-rope3/model.gguf",
                                     TINY "llama-linear-rope/model.gguf"};
enum { N_MODELS = 3 };

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models_open),     cmocka_unit_test(test_model_details),
        cmocka_unit_test(test_hash_and_forget), cmocka_unit_test(test_models_truncated),
        cmocka_unit_test(test_missing_file),    cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_arrays),          cmocka_unit_test(test_printed_values),
        cmocka_unit_test(test_tensor_places),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
