/* The safetensors reader on models, on files split over parts, and on broken ones; and what the writer makes. */
#include "scratch.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "format/gguf.h"
#include "format/safetensors.h"

#define TINY SLICK_TEST_DATA "/reference/tiny/"

static const char *const models[] = {TINY "llama-gqa", TINY "llama-linear-rope", TINY "mistral-window"};
static const slk_dtype model_types[] = {SLK_DTYPE_F32, SLK_DTYPE_F16, SLK_DTYPE_BF16};
enum { N_MODELS = 3 };

static slk_safetensors *open_ok(const char *path)
{
    slk_safetensors *file = NULL;
    slk_err err = {0};
    if (slk_safetensors_open(&file, path, &err)) fail_msg("%s", err.msg);
    return file;
}

static const char *model_path(int m, const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", models[m], name);
    return path;
}

static uint64_t touch_all(const slk_safetensors *file)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < slk_safetensors_n_tensors(file); i++) {
        const slk_safetensor *t = slk_safetensors_tensor_at(file, i);
        assert_ptr_equal(slk_safetensors_find_tensor(file, t->name), t);
        for (size_t j = 0; j < t->n_bytes; j++) sum += t->data[j];
    }
    return sum;
}

/* --- models ----------------------------------------------------------------------------------------------------- */

/* The embedding is the same in the GGUF file of the same model, which another reader opens. */
static void test_models(void **state)
{
    (void)state;
    for (int m = 0; m < N_MODELS; m++) {
        slk_safetensors *file = open_ok(model_path(m, "model.safetensors"));
        slk_gguf *gguf = NULL;
        assert_int_equal(slk_gguf_open(&gguf, model_path(m, "model.gguf"), NULL), SLK_OK);
        const slk_safetensor *t = slk_safetensors_find_tensor(file, "model.embed_tokens.weight");
        const slk_gguf_tensor *g = slk_gguf_find_tensor(gguf, "token_embd.weight");
        assert_non_null(t);
        assert_true(t->is_float);
        assert_int_equal(t->dtype, model_types[m]);
        assert_int_equal(t->n_dims, 2);
        assert_true(t->shape[0] == 320 && t->shape[1] == g->ne[0] && t->shape[2] == 1);
        assert_int_equal(t->n_bytes, g->n_bytes);
        assert_memory_equal(t->data, g->data, g->n_bytes);
        assert_true(touch_all(file) > 0);
        assert_null(slk_safetensors_find_tensor(file, "model.embed_tokens"));
        assert_null(slk_safetensors_tensor_at(file, slk_safetensors_n_tensors(file)));
        assert_string_equal(slk_safetensors_metadata(file, "format"), "pt");
        assert_null(slk_safetensors_metadata(file, "absent"));
        slk_gguf_close(gguf);
        slk_safetensors_close(file);
    }
    slk_safetensors_close(NULL);
}

static void test_hash_and_forget(void **state)
{
    (void)state;
    char *bytes = NULL;
    size_t n_bytes = 0;
    const char *path = model_path(0, "model.safetensors");
    assert_int_equal(slk_file_read(&bytes, &n_bytes, path, NULL), SLK_OK);
    slk_safetensors *file = open_ok(path);
    assert_string_equal(slk_safetensors_path(file), path);
    uint64_t sum = touch_all(file);
    for (size_t i = 0; i < slk_safetensors_n_tensors(file); i++)
        slk_safetensors_forget(file, slk_safetensors_tensor_at(file, i));
    assert_true(touch_all(file) == sum);
    assert_true(slk_safetensors_hash(file) == slk_hash_bytes(bytes, n_bytes));
    assert_true(slk_safetensors_hash(file) == slk_hash_bytes(bytes, n_bytes));
    slk_safetensors_close(file);
    free(bytes);
}

static void test_models_truncated(void **state)
{
    (void)state;
    for (int m = 0; m < N_MODELS; m++) {
        char *bytes = NULL;
        size_t n_bytes = 0;
        assert_int_equal(slk_file_read(&bytes, &n_bytes, model_path(m, "model.safetensors"), NULL), SLK_OK);
        for (size_t k = 0; k < 64; k++) {
            slk_safetensors *file = NULL;
            slk_err err = {0};
            size_t n = n_bytes * k / 64;
            char *copy = malloc(n ? n : 1);
            memcpy(copy, bytes, n);
            assert_int_equal(slk_safetensors_open_memory(&file, copy, n, "cut.safetensors", &err), SLK_E_FORMAT);
            assert_null(file);
            if (strncmp(err.msg, "cut.safetensors: ", 17) != 0 || !strstr(err.msg, "truncated?"))
                fail_msg("%zu/64: %s", k, err.msg);
            free(copy);
        }
        free(bytes);
    }
}

static void test_missing_file(void **state)
{
    (void)state;
    slk_safetensors *file = NULL;
    slk_err err = {0};
    assert_int_equal(slk_safetensors_open(&file, scratch("nothing.safetensors"), &err), SLK_E_IO);
    assert_non_null(strstr(err.msg, "nothing.safetensors"));
    assert_int_equal(slk_safetensors_open(&file, scratch("nothing.json"), &err), SLK_E_IO);
    assert_null(file);
}

/* --- broken files ----------------------------------------------------------------------------------------------- */

static char *build(const char *header, size_t n_data, size_t *n_bytes)
{
    size_t n_header = strlen(header);
    *n_bytes = 8 + n_header + n_data;
    char *bytes = malloc(*n_bytes);
    assert_non_null(bytes);
    for (int i = 0; i < 8; i++) bytes[i] = (char)(n_header >> 8 * i & 255);
    memcpy(bytes + 8, header, n_header);
    for (size_t i = 0; i < n_data; i++) bytes[8 + n_header + i] = (char)i;
    return bytes;
}

static void refuse_at(int line, const char *header, size_t n_data, slk_status status, const char *what)
{
    slk_safetensors *file = NULL;
    slk_err err = {0};
    size_t n_bytes = 0;
    char *bytes = build(header, n_data, &n_bytes);
    slk_status got = slk_safetensors_open_memory(&file, bytes, n_bytes, "broken.st", &err);
    if (got != status || file) fail_msg("line %d: status %d, expected %d: %s", line, got, status, err.msg);
    if (strncmp(err.msg, "broken.st:", 10) != 0 || !strstr(err.msg, what))
        fail_msg("line %d: no '%s' in: %s", line, what, err.msg);
    free(bytes);
}
#define refuse(header, n_data, what) refuse_at(__LINE__, header, n_data, SLK_E_FORMAT, what)

static slk_safetensors *accept(const char *header, size_t n_data, char **bytes)
{
    slk_safetensors *file = NULL;
    slk_err err = {0};
    size_t n_bytes = 0;
    *bytes = build(header, n_data, &n_bytes);
    if (slk_safetensors_open_memory(&file, *bytes, n_bytes, "good.st", &err)) fail_msg("%s: %s", header, err.msg);
    return file;
}

#define T(name, dtype, shape, begin, end)                                                                              \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

static void test_broken_headers(void **state)
{
    (void)state;
    refuse("", 0, "header length 0");
    refuse("{", 8, "header length 1");
    refuse("[]", 0, "begins with byte 5b");
    refuse(" {}", 0, "begins with byte 20");
    refuse("{]", 0, "broken.st:1: ");
    refuse("{}x", 0, "broken.st:1: ");
    refuse("{\"a\xff\":1}", 0, "broken.st:1: ");
    refuse("{} ", 1, "1 bytes at the end belong to no tensor");
    refuse("{\"__metadata__\":3}", 0, "__metadata__ is no object");
    refuse("{\"__metadata__\":{\"k\":3}}", 0, "__metadata__ key k is no string");
    refuse("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "broken.st:1: ");
    refuse("{" T("a", "F32", "[1]", "0", "4") "," T("a", "F32", "[1]", "0", "4") "}", 4, "broken.st:1: ");
}

static void test_absurd_header_lengths(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {UINT64_MAX, UINT64_MAX - 7, UINT64_C(1) << 63, 100000001, 100000000, 25, 0};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        slk_safetensors *file = NULL;
        slk_err err = {0};
        size_t n_bytes = 0;
        char *bytes = build("{\"__metadata__\":{}}     ", 0, &n_bytes);
        for (int b = 0; b < 8; b++) bytes[b] = (char)(lengths[i] >> 8 * b & 255);
        assert_int_equal(slk_safetensors_open_memory(&file, bytes, n_bytes, "broken.st", &err), SLK_E_FORMAT);
        assert_non_null(strstr(err.msg, "header"));
        assert_null(file);
        free(bytes);
    }
}

static void test_broken_entries(void **state)
{
    (void)state;
    refuse("{\"\":{}}", 0, "a tensor without a name");
    refuse("{\"a\":1}", 0, "tensor a: expected an object");
    refuse("{\"a\":{}}", 0, "tensor a: expected an object");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"more\":1}}", 4, "expected an object");
    refuse("{\"a\":{\"dtype\":4,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype is no string");
    refuse_at(__LINE__, "{" T("a", "F4", "[1]", "0", "4") "}", 4, SLK_E_UNSUPPORTED, "tensor a: dtype F4");
    refuse("{" T("a", "F32", "4", "0", "4") "}", 4, "shape is no list");
    refuse("{" T("a", "F32", "{}", "0", "4") "}", 4, "shape is no list");
    refuse("{" T("a", "F32", "[1,1,1,1,1,1,1,1,1]", "0", "4") "}", 4, "at most 8 dimensions");
    refuse("{" T("a", "F32", "[1.0]", "0", "4") "}", 4, "dimension 0 is no whole number");
    refuse("{" T("a", "F32", "[1,-1]", "0", "4") "}", 4, "dimension 1 is no whole number");
    refuse("{" T("a", "F32", "[99999999999999999999]", "0", "4") "}", 4, "dimension 0 is no whole number");
    refuse("{" T("a", "F32", "[4294967296,4294967296]", "0", "4") "}", 4, "more than 2^63 values");
    refuse("{" T("a", "F32", "[0,4294967296,4294967296]", "0", "0") "}", 0, "more than 2^63 values");
    refuse("{" T("a", "F32", "[4611686018427387905]", "0", "4") "}", 4, "4 bytes of data for 4611686018427387905");
    refuse("{" T("a", "F32", "[1]", "0", "5") "}", 5, "5 bytes of data for 1 values of type F32");
    refuse("{" T("a", "F32", "[2]", "0", "4") "}", 4, "4 bytes of data for 2");
    refuse("{" T("a", "F32", "[1]", "4", "0") "}", 4, "bytes 4 to 0");
    refuse("{" T("a", "F32", "[1]", "0", "4") "}", 3, "bytes 0 to 4 of a data section of 3");
    refuse("{" T("a", "F32", "[1]", "-4", "0") "}", 4, "no pair of whole numbers");
    refuse("{" T("a", "F32", "[1]", "0", "4,4") "}", 4, "no pair of whole numbers");
    refuse("{" T("a", "F32", "[1]", "9223372036854775804", "9223372036854775807") "}", 4, "bytes 9223372036854775804");
}

static void test_tensors_in_conflict(void **state)
{
    (void)state;
    refuse("{" T("a", "F32", "[2]", "0", "8") "," T("b", "F32", "[1]", "4", "8") "}", 8, "tensors a and b overlap");
    refuse("{" T("a", "F32", "[1]", "0", "4") "," T("b", "F32", "[1]", "0", "4") "}", 4, "overlap");
    refuse("{" T("a", "F32", "[1]", "4", "8") "}", 8, "tensor a: 4 bytes before it belong to no tensor");
    refuse("{" T("b", "F32", "[1]", "8", "12") "," T("a", "F32", "[1]", "0", "4") "}", 12,
           "tensor b: 4 bytes before it");
    refuse("{" T("a", "F32", "[1]", "0", "4") "}", 6, "2 bytes at the end belong to no tensor");
}

static void test_odd_but_good(void **state)
{
    (void)state;
    char *bytes;
    slk_safetensors *file = accept("{}", 0, &bytes);
    assert_int_equal(slk_safetensors_n_tensors(file), 0);
    assert_null(slk_safetensors_find_tensor(file, "a"));
    slk_safetensors_close(file);
    free(bytes);
    /* Any order, a single value, empty tensors, integer buffers, an odd header length, spaces behind it. */
    file = accept(
        "{" T("b", "BF16", "[1,2]", "13", "17") "," T("s", "F32", "[]", "1", "5") "," T(
            "e", "F32", "[0,3]", "5", "5") "," T("i", "I64", "[1]", "5", "13") "," T("x", "U8", "[1]", "0", "1") "}   ",
        17, &bytes);
    const slk_safetensor *t = slk_safetensors_find_tensor(file, "b");
    assert_true(t->is_float && t->dtype == SLK_DTYPE_BF16 && t->data[0] == 13 && t->n_bytes == 4);
    t = slk_safetensors_find_tensor(file, "s");
    assert_true(t->n_dims == 0 && t->shape[0] == 1 && t->data[0] == 1 && t->n_bytes == 4);
    t = slk_safetensors_find_tensor(file, "e");
    assert_true(t->n_bytes == 0 && t->shape[0] == 0 && t->shape[1] == 3);
    t = slk_safetensors_find_tensor(file, "i");
    assert_true(!t->is_float && t->n_bytes == 8);
    assert_string_equal(t->type_name, "I64");
    assert_string_equal(slk_safetensors_tensor_at(file, 4)->name, "x");
    slk_safetensors_close(file);
    free(bytes);
}

/* Every truncation is refused; every changed byte gives an error or a file that can be read in full. */
static void test_every_byte(void **state)
{
    (void)state;
    size_t n_bytes = 0, n_opened = 0, n_refused = 0;
    char *bytes = build("{\"__metadata__\":{\"format\":\"pt\"}," T("w", "F32", "[2,2]", "0",
                                                                   "16") "," T("v", "BF16", "[3]", "16", "22") "}",
                        22, &n_bytes);
    for (size_t n = 0; n < n_bytes; n++) {
        slk_safetensors *file = NULL;
        char *copy = malloc(n ? n : 1);
        memcpy(copy, bytes, n);
        assert_int_equal(slk_safetensors_open_memory(&file, copy, n, "cut", NULL), SLK_E_FORMAT);
        free(copy);
    }
    for (size_t at = 0; at < n_bytes; at++) {
        for (unsigned change = 1; change < 256; change++) {
            slk_safetensors *file = NULL;
            char *copy = malloc(n_bytes);
            memcpy(copy, bytes, n_bytes);
            copy[at] = (char)(copy[at] ^ (char)change);
            if (slk_safetensors_open_memory(&file, copy, n_bytes, "changed", NULL) == SLK_OK)
                touch_all(file), n_opened++;
            else
                assert_null(file), n_refused++;
            slk_safetensors_close(file);
            free(copy);
        }
    }
    assert_true(n_opened > 1000 && n_refused > 10000);
    free(bytes);
}

/* --- writing ---------------------------------------------------------------------------------------------------- */

static slk_safetensors_writer *new_writer(void)
{
    slk_safetensors_writer *w = NULL;
    assert_int_equal(slk_safetensors_writer_create(&w, NULL), SLK_OK);
    return w;
}

static void put_copy(slk_safetensors_writer *w, const slk_safetensor *t)
{
    slk_err err = {0};
    if (slk_safetensors_put_tensor(w, t->name, t->dtype, t->n_dims, t->shape, t->data, &err)) fail_msg("%s", err.msg);
}

static void write_ok(slk_safetensors_writer *w, const char *path, slk_safetensors_produce *produce, void *user)
{
    slk_err err = {0};
    if (slk_safetensors_write(w, path, true, produce, user, &err)) fail_msg("%s", err.msg);
}

static void assert_same(const slk_safetensors *a, const slk_safetensors *b)
{
    assert_int_equal(slk_safetensors_n_tensors(a), slk_safetensors_n_tensors(b));
    for (size_t i = 0; i < slk_safetensors_n_tensors(a); i++) {
        const slk_safetensor *x = slk_safetensors_tensor_at(a, i), *y = slk_safetensors_find_tensor(b, x->name);
        assert_non_null(y);
        assert_int_equal(x->dtype, y->dtype);
        assert_int_equal(x->n_dims, y->n_dims);
        assert_memory_equal(x->shape, y->shape, sizeof x->shape);
        assert_int_equal(x->n_bytes, y->n_bytes);
        assert_memory_equal(x->data, y->data, x->n_bytes);
    }
}

static void test_models_round_trip(void **state)
{
    (void)state;
    for (int m = 0; m < N_MODELS; m++) {
        slk_safetensors *file = open_ok(model_path(m, "model.safetensors"));
        slk_safetensors_writer *w = new_writer();
        assert_int_equal(slk_safetensors_put_metadata(w, "format", "pt", NULL), SLK_OK);
        for (size_t i = 0; i < slk_safetensors_n_tensors(file); i++) put_copy(w, slk_safetensors_tensor_at(file, i));
        write_ok(w, scratch("copy.safetensors"), NULL, NULL);
        slk_safetensors_writer_free(w);
        slk_safetensors *again = open_ok(scratch("copy.safetensors"));
        assert_same(file, again);
        assert_string_equal(slk_safetensors_metadata(again, "format"), "pt");
        slk_safetensors_close(file);
        slk_safetensors_close(again);
    }
    unlink(scratch("copy.safetensors"));
}

static slk_status count_up(void *user, size_t tensor_index, void *bytes, size_t n_bytes, slk_err *err)
{
    const size_t *fail_at = user;
    if (tensor_index == *fail_at) return slk_fail(err, SLK_E_MEMORY, "no such luck");
    memset(bytes, (int)tensor_index + 1, n_bytes);
    return SLK_OK;
}

/* 16-bit types go behind 32-bit ones, so that every tensor is aligned; names with quotes and accents survive. */
static void test_layout(void **state)
{
    (void)state;
    static const char *const names[4] = {"b", "a \"quoted\" \\ name", "caf\xC3\xA9", "z"};
    const uint64_t shapes[4][2] = {{3, 1}, {5, 2}, {1, 1}, {2, 2}};
    const slk_dtype dtypes[4] = {SLK_DTYPE_BF16, SLK_DTYPE_F32, SLK_DTYPE_F16, SLK_DTYPE_F32};
    const float fixed[4] = {1, -2, 3, -4};
    size_t fail_at = SIZE_MAX;
    slk_safetensors_writer *w = new_writer();
    for (int i = 0; i < 4; i++)
        assert_int_equal(slk_safetensors_put_tensor(w, names[i], dtypes[i], 2, shapes[i], i == 3 ? fixed : NULL, NULL),
                         SLK_OK);
    assert_int_equal(slk_safetensors_put_tensor(w, "scalar", SLK_DTYPE_F32, 0, NULL, fixed, NULL), SLK_OK);
    assert_int_equal(slk_safetensors_put_metadata(w, "note", "line\nbreak", NULL), SLK_OK);
    write_ok(w, scratch("layout.safetensors"), count_up, &fail_at);
    slk_safetensors_writer_free(w);
    slk_safetensors *file = open_ok(scratch("layout.safetensors"));
    static const int order[4] = {1, 3, 0, 2};
    for (int i = 0; i < 4; i++) {
        const slk_safetensor *t = slk_safetensors_tensor_at(file, (size_t)i + (i >= 2));
        assert_string_equal(t->name, names[order[i]]);
        assert_int_equal(t->dtype, dtypes[order[i]]);
        assert_true(t->shape[0] == shapes[order[i]][0] && t->shape[1] == shapes[order[i]][1]);
        assert_int_equal((uintptr_t)t->data % (t->dtype == SLK_DTYPE_F32 ? 4 : 2), 0); /* maps begin at a page */
        if (order[i] == 3)
            assert_memory_equal(t->data, fixed, sizeof fixed);
        else
            assert_true(t->data[0] == order[i] + 1 && t->data[t->n_bytes - 1] == order[i] + 1);
    }
    assert_memory_equal(slk_safetensors_find_tensor(file, "scalar")->data, fixed, 4);
    assert_string_equal(slk_safetensors_metadata(file, "note"), "line\nbreak");
    slk_safetensors_close(file);
    unlink(scratch("layout.safetensors"));
}

static void test_empty_file(void **state)
{
    (void)state;
    slk_safetensors_writer *w = new_writer();
    write_ok(w, scratch("empty.safetensors"), NULL, NULL);
    slk_safetensors_writer_free(w);
    slk_safetensors *file = open_ok(scratch("empty.safetensors"));
    assert_int_equal(slk_safetensors_n_tensors(file), 0);
    slk_safetensors_close(file);
    unlink(scratch("empty.safetensors"));
}

static void test_refused_puts(void **state)
{
    (void)state;
    slk_safetensors_writer *w = new_writer();
    slk_err err = {0};
    const uint64_t shape[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1}, huge[2] = {UINT64_C(1) << 40, UINT64_C(1) << 40}, none = 0;
    assert_int_equal(slk_safetensors_put_tensor(w, "t", SLK_DTYPE_F32, 8, shape, NULL, NULL), SLK_OK);
    assert_int_equal(slk_safetensors_put_tensor(w, "t", SLK_DTYPE_F32, 1, shape, NULL, &err), SLK_E_ARG);
    assert_non_null(strstr(err.msg, "tensor t is already there"));
    assert_int_equal(slk_safetensors_put_tensor(w, "", SLK_DTYPE_F32, 1, shape, NULL, NULL), SLK_E_ARG);
    assert_int_equal(slk_safetensors_put_tensor(w, "\xFF", SLK_DTYPE_F32, 1, shape, NULL, NULL), SLK_E_ARG);
    assert_int_equal(slk_safetensors_put_tensor(w, "__metadata__", SLK_DTYPE_F32, 1, shape, NULL, NULL), SLK_E_ARG);
    assert_int_equal(slk_safetensors_put_tensor(w, "u", SLK_DTYPE_Q8_0, 1, shape, NULL, NULL), SLK_E_UNSUPPORTED);
    assert_int_equal(slk_safetensors_put_tensor(w, "u", SLK_DTYPE_F32, 9, shape, NULL, NULL), SLK_E_SHAPE);
    assert_int_equal(slk_safetensors_put_tensor(w, "u", SLK_DTYPE_F32, 2, huge, NULL, NULL), SLK_E_SHAPE);
    assert_int_equal(slk_safetensors_put_tensor(w, "u", SLK_DTYPE_F32, 1, &none, NULL, NULL), SLK_E_SHAPE);
    assert_int_equal(slk_safetensors_put_metadata(w, "k", "\xFF", NULL), SLK_E_ARG);
    assert_int_equal(slk_safetensors_put_metadata(w, "k", "v", NULL), SLK_OK);
    assert_int_equal(slk_safetensors_put_metadata(w, "k", "w", NULL), SLK_E_ARG);
    assert_int_equal(slk_safetensors_write(w, scratch("refused.safetensors"), false, NULL, NULL, &err), SLK_E_ARG);
    assert_non_null(strstr(err.msg, "neither data nor a producer"));
    assert_int_equal(n_files_in(folder), 0);
    slk_safetensors_writer_free(w);
    slk_safetensors_writer_free(NULL);
}

static void test_failed_writes(void **state)
{
    (void)state;
    const uint64_t shape = 32;
    size_t fail_at = 1;
    slk_err err = {0};
    slk_safetensors_writer *w = new_writer();
    assert_int_equal(slk_safetensors_put_tensor(w, "a", SLK_DTYPE_F32, 1, &shape, NULL, NULL), SLK_OK);
    assert_int_equal(slk_safetensors_put_tensor(w, "b", SLK_DTYPE_F32, 1, &shape, NULL, NULL), SLK_OK);
    const char *path = scratch("failed.safetensors");
    assert_int_equal(slk_safetensors_write(w, path, false, count_up, &fail_at, &err), SLK_E_MEMORY);
    assert_non_null(strstr(err.msg, "no such luck"));
    assert_int_equal(n_files_in(folder), 0);
    fail_at = SIZE_MAX;
    write_ok(w, path, count_up, &fail_at);
    assert_int_equal(slk_safetensors_write(w, path, false, count_up, &fail_at, &err), SLK_E_STATE);
    assert_int_equal(slk_safetensors_write(w, scratch("no/folder.safetensors"), false, count_up, &fail_at, NULL),
                     SLK_E_IO);
    unlink(scratch("failed.safetensors"));
    slk_safetensors_writer_free(w);
}

static int write_large(const char *path)
{
    const uint64_t shape = 100000;
    size_t fail_at = SIZE_MAX;
    slk_safetensors_writer *w = NULL;
    slk_err err = {0};
    if (slk_safetensors_writer_create(&w, NULL)) return 11;
    if (slk_safetensors_put_tensor(w, "a", SLK_DTYPE_F32, 1, &shape, NULL, NULL)) return 12;
    if (slk_safetensors_write(w, path, true, count_up, &fail_at, &err) != SLK_E_IO) return 13;
    if (!strstr(err.msg, path)) return 14;
    slk_safetensors_writer_free(w);
    return 0;
}

static void test_full_disk(void **state)
{
    (void)state;
    on_full_disks(write_large, "full.safetensors");
}

/* --- several files ---------------------------------------------------------------------------------------------- */

#define PART_1 "model-00001-of-00002.safetensors"
#define PART_2 "model-00002-of-00002.safetensors"

/* Split a model's tensors over two files, every third in the second. */
static void write_parts(const slk_safetensors *file)
{
    slk_safetensors_writer *parts[2] = {new_writer(), new_writer()};
    for (size_t i = 0; i < slk_safetensors_n_tensors(file); i++)
        put_copy(parts[i % 3 == 2], slk_safetensors_tensor_at(file, i));
    assert_int_equal(slk_safetensors_put_metadata(parts[0], "format", "pt", NULL), SLK_OK);
    write_ok(parts[0], scratch(PART_1), NULL, NULL);
    write_ok(parts[1], scratch(PART_2), NULL, NULL);
    slk_safetensors_writer_free(parts[0]);
    slk_safetensors_writer_free(parts[1]);
}

/* Entry `changed` gets `value` in place of its file name; -1: none. `more` is added to the map. */
static void write_index(const slk_safetensors *file, int changed, const char *value, const char *more)
{
    FILE *stream = fopen(scratch("model.safetensors.index.json"), "w");
    assert_non_null(stream);
    fputs("{\n \"metadata\": {\"total_size\": 1},\n \"weight_map\": {\n", stream);
    for (size_t i = 0; i < slk_safetensors_n_tensors(file); i++)
        fprintf(stream, "%s  \"%s\": %s", i ? ",\n" : "", slk_safetensors_tensor_at(file, i)->name,
                (int)i == changed ? value
                : i % 3 == 2      ? "\"" PART_2 "\""
                                  : "\"" PART_1 "\"");
    fprintf(stream, "%s\n }\n}\n", more);
    fclose(stream);
}

static void refuse_index(int line, slk_status status, const char *what)
{
    slk_safetensors *file = NULL;
    slk_err err = {0};
    slk_status got = slk_safetensors_open(&file, scratch("model.safetensors.index.json"), &err);
    if (got != status || file) fail_msg("line %d: status %d, expected %d: %s", line, got, status, err.msg);
    if (!strstr(err.msg, folder) || !strstr(err.msg, what)) fail_msg("line %d: no '%s' in: %s", line, what, err.msg);
}

static void test_parts(void **state)
{
    (void)state;
    slk_safetensors *file = open_ok(model_path(0, "model.safetensors"));
    write_parts(file);
    write_index(file, -1, "", "");
    slk_safetensors *parts = open_ok(scratch("model.safetensors.index.json"));
    assert_same(file, parts);
    assert_string_equal(slk_safetensors_metadata(parts, "format"), "pt");
    uint64_t sum = touch_all(parts);
    for (size_t i = 0; i < slk_safetensors_n_tensors(parts); i++)
        slk_safetensors_forget(parts, slk_safetensors_tensor_at(parts, i));
    uint64_t hash = slk_safetensors_hash(parts);
    assert_true(touch_all(parts) == sum);
    assert_true(hash == slk_safetensors_hash(parts) && hash != slk_safetensors_hash(file));
    slk_safetensors_close(parts);
    slk_safetensors_close(file);
}

/* Runs after test_parts, on its files. */
static void test_broken_index(void **state)
{
    (void)state;
    slk_safetensors *file = open_ok(model_path(0, "model.safetensors"));
    write_index(file, 1, "\"" PART_2 "\"", ""), refuse_index(__LINE__, SLK_E_FORMAT, "is not in " PART_2);
    write_index(file, 1, "\"model-00003.safetensors\"", ""), refuse_index(__LINE__, SLK_E_IO, "model-00003");
    write_index(file, 1, "\"../x.safetensors\"", ""), refuse_index(__LINE__, SLK_E_FORMAT, "is no file name");
    write_index(file, 1, "\"/etc/passwd\"", ""), refuse_index(__LINE__, SLK_E_FORMAT, "is no file name");
    write_index(file, 1, "\"\"", ""), refuse_index(__LINE__, SLK_E_FORMAT, "is no file name");
    write_index(file, 1, "\"..\"", ""), refuse_index(__LINE__, SLK_E_FORMAT, "is no file name");
    write_index(file, 1, "7", ""), refuse_index(__LINE__, SLK_E_FORMAT, "has no file name");
    write_index(file, -1, "", ",\"extra\": \"" PART_1 "\""),
        refuse_index(__LINE__, SLK_E_FORMAT, "tensor extra is not in");
    write_index(file, -1, "", ",\"extra\""), refuse_index(__LINE__, SLK_E_FORMAT, "index.json:");
    slk_safetensors_writer *w = new_writer();
    for (size_t i = 0; i < slk_safetensors_n_tensors(file); i++) put_copy(w, slk_safetensors_tensor_at(file, i));
    write_ok(w, scratch(PART_2), NULL, NULL); /* all of the tensors in the second part: some are in both */
    slk_safetensors_writer_free(w);
    write_index(file, -1, "", ""), refuse_index(__LINE__, SLK_E_FORMAT, "occurs in both");
    w = new_writer();
    for (size_t i = 2; i < slk_safetensors_n_tensors(file); i += 3) put_copy(w, slk_safetensors_tensor_at(file, i));
    assert_int_equal(slk_safetensors_put_tensor(w, "stray", SLK_DTYPE_F32, 0, NULL, "abcd", NULL), SLK_OK);
    write_ok(w, scratch(PART_2), NULL, NULL);
    slk_safetensors_writer_free(w);
    refuse_index(__LINE__, SLK_E_FORMAT, "tensor stray of");
    FILE *stream = fopen(scratch("model.safetensors.index.json"), "w");
    fputs("{\"weight_map\": []}", stream);
    fclose(stream);
    refuse_index(__LINE__, SLK_E_FORMAT, "weight_map of tensors");
    unlink(scratch("model.safetensors.index.json"));
    unlink(scratch(PART_1));
    unlink(scratch(PART_2));
    slk_safetensors_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_hash_and_forget),
        cmocka_unit_test(test_models_truncated),
        cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_broken_headers),
        cmocka_unit_test(test_absurd_header_lengths),
        cmocka_unit_test(test_broken_entries),
        cmocka_unit_test(test_tensors_in_conflict),
        cmocka_unit_test(test_odd_but_good),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_models_round_trip),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_empty_file),
        cmocka_unit_test(test_refused_puts),
        cmocka_unit_test(test_failed_writes),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_broken_index),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
