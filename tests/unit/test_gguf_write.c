/* The GGUF writer: what was written reads back bit for bit, and a failed write leaves nothing behind. */
#include "gguf_builder.h"
#include "scratch.h"
#include "base/file.h"

#define TINY SLICK_TEST_DATA "/reference/tiny/"

static const char *const models[] = {TINY "llama-gqa/model.gguf", TINY "llama-tied-rope3/model.gguf",
                                     TINY "llama-linear-rope/model.gguf"};
enum { N_MODELS = 3 };

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

static int write_large(const char *path)
{
    const uint64_t ne = 100000;
    size_t fail_at = SIZE_MAX;
    slk_gguf_writer *w = NULL;
    slk_err err = {0};
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
    on_full_disks(write_large, "full.gguf");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models_round_trip), cmocka_unit_test(test_put_all),
        cmocka_unit_test(test_every_put),         cmocka_unit_test(test_refused_puts),
        cmocka_unit_test(test_failed_writes),     cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
