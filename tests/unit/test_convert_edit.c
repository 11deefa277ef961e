/* Converting with other values than the source's: what a hook leaves alone is written as without it, and what it puts
 * in place can be read back in both formats. */
#include "tiny.h"

#include "base/file.h"
#include "base/hash.h"
#include "format/quant.h"
#include "model/convert.h"
#include "model/source.h"
#include "scratch.h"

/* What the hook was asked. */
typedef struct asked {
    size_t n;
    slk_gguf *shapes; /* the reference's, to hold shapes against */
    const char *only; /* tensors whose names contain it; NULL: all */
} asked;

static bool is_asked(void *user, const char *name)
{
    const asked *a = user;
    return !a->only || strstr(name, a->only) != NULL;
}

static void check_shape(asked *a, const char *name, int64_t n_rows, int64_t n_cols)
{
    const slk_gguf_tensor *t = slk_gguf_find_tensor(a->shapes, name);
    if (!t || (int64_t)t->ne[0] != n_cols || (int64_t)t->ne[1] != n_rows)
        fail_msg("the hook was asked for %s [%lld, %lld]", name, (long long)n_rows, (long long)n_cols);
    a->n++;
}

static slk_status leave(void *user, const char *name, float *values, int64_t n_rows, int64_t n_cols, slk_err *err)
{
    (void)values, (void)err;
    check_shape(user, name, n_rows, n_cols);
    return SLK_OK;
}

/* Values in [0.5, 1.5): less 1 and 1 added, float32 keeps all their bits. */
static float other_value(const char *name, size_t i)
{
    uint64_t h = slk_hash_bytes(name, strlen(name)) + i;
    return 0.5f + (float)(slk_hash_bytes(&h, sizeof h) >> 41) * 0x1p-23f;
}

static slk_status replace(void *user, const char *name, float *values, int64_t n_rows, int64_t n_cols, slk_err *err)
{
    (void)err;
    check_shape(user, name, n_rows, n_cols);
    for (size_t i = 0; i < (size_t)(n_rows * n_cols); i++) values[i] = other_value(name, i);
    return SLK_OK;
}

static void remove_dir(const char *path)
{
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char inner[512];
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.') assert_int_equal(remove(inner), 0);
    }
    closedir(dir);
    assert_int_equal(rmdir(path), 0);
}

static void remove_model(const char *path)
{
    if (strstr(path, ".gguf"))
        assert_int_equal(remove(path), 0);
    else
        remove_dir(path);
}

/* Convert with `edit`, which must be asked for each tensor of the model. */
static void convert(const char *model, const char *out, int dtype, slk_convert_edit *edit, asked *a)
{
    slk_err err;
    slk_convert_report report;
    slk_convert_options options = {
        .dtype = dtype, .n_threads = 2, .edit = edit, .edits = a && a->only ? is_asked : NULL, .edit_user = a};
    if (a) a->n = 0;
    if (slk_convert(&report, model, out, &options, &err) != SLK_OK) fail_msg("%s -> %s: %s", model, out, err.msg);
    if (!a || a->only) return;
    size_t n_tensors = slk_gguf_n_tensors(a->shapes);
    assert_int_equal(a->n, n_tensors - (slk_gguf_find_tensor(a->shapes, "rope_freqs.weight") != NULL));
}

static void check_same_file(const char *a, const char *b)
{
    slk_err err;
    slk_map x, y;
    if (slk_map_open(&x, a, &err) != SLK_OK || slk_map_open(&y, b, &err) != SLK_OK) fail_msg("%s", err.msg);
    if (x.n_bytes != y.n_bytes || memcmp(x.data, y.data, x.n_bytes) != 0) fail_msg("%s and %s differ", a, b);
    slk_map_close(&x);
    slk_map_close(&y);
}

static void check_same_model(const char *a, const char *b)
{
    static const char *const files[] = {"model.safetensors", "config.json", "tokenizer.json"};
    if (strstr(a, ".gguf")) {
        check_same_file(a, b);
        return;
    }
    for (size_t i = 0; i < 3; i++) {
        char x[512], y[512];
        snprintf(x, sizeof x, "%s/%s", a, files[i]), snprintf(y, sizeof y, "%s/%s", b, files[i]);
        check_same_file(x, y);
    }
}

/* The four ways from one format to another. */
typedef struct way {
    char model[512], plain[128], edited[128];
    bool from_gguf, to_gguf;
    slk_gguf *reference;
} way;

static void each_way(const char *family, void check(const way *))
{
    slk_err err;
    way w = {0};
    char reference[512];
    snprintf(reference, sizeof reference, TINY "%s/model.gguf", family);
    if (slk_gguf_open(&w.reference, reference, &err) != SLK_OK) fail_msg("%s", err.msg);
    for (int i = 0; i < 4; i++) {
        w.from_gguf = i % 2, w.to_gguf = i / 2;
        snprintf(w.model, sizeof w.model, TINY "%s%s", family, w.from_gguf ? "/model.gguf" : "");
        strcpy(w.plain, scratch(w.to_gguf ? "plain.gguf" : "plain"));
        strcpy(w.edited, scratch(w.to_gguf ? "edited.gguf" : "edited"));
        check(&w);
    }
    slk_gguf_close(w.reference);
}

static void check_left(const way *w)
{
    asked a = {.shapes = w->reference};
    convert(w->model, w->plain, -1, NULL, NULL);
    convert(w->model, w->edited, -1, leave, &a);
    check_same_model(w->plain, w->edited);
    remove_model(w->plain), remove_model(w->edited);
}

static void test_left_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FAMILIES; i++) each_way(families[i], check_left);
}

/* GGUF cannot say Gemma 2's query scalar: what computes the same is in the query matrices. */
static float factor_of(const way *w, const slk_source *out, const char *name)
{
    bool is_scaled = !w->from_gguf && w->to_gguf && !strcmp(slk_source_config(out)->arch, "gemma2");
    return is_scaled && strstr(name, "attn_q.weight") ? 0.5f : 1;
}

static void check_replaced(const way *w)
{
    slk_err err;
    slk_source *out;
    asked a = {.shapes = w->reference};
    convert(w->model, w->edited, SLK_DTYPE_F32, replace, &a);
    if (slk_source_open(&out, w->edited, &err) != SLK_OK) fail_msg("%s", err.msg);
    for (size_t k = 0; k < slk_gguf_n_tensors(w->reference); k++) {
        const char *name = slk_gguf_tensor_at(w->reference, k)->name;
        slk_tensor t;
        if (!strcmp(name, "rope_freqs.weight")) continue;
        if (slk_source_find(out, name, &t, &err) != SLK_OK) fail_msg("%s", err.msg);
        size_t n = (size_t)(t.n_rows * t.n_cols);
        float *x = slk_alloc(n, sizeof *x);
        assert_int_equal(slk_source_read(out, &t, 0, t.n_rows, SLK_DTYPE_F32, x, 1, &err), SLK_OK);
        for (size_t i = 0; i < n; i++) {
            float want = other_value(name, i) * factor_of(w, out, name);
            if (memcmp(&x[i], &want, sizeof want) != 0)
                fail_msg("%s: %s, value %zu is %.9g, expected %.9g", w->model, name, i, (double)x[i], (double)want);
        }
        free(x);
    }
    slk_source_close(out);
    remove_model(w->edited);
}

static void test_replaced(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FAMILIES; i++) each_way(families[i], check_replaced);
}

/* --- types -----------------------------------------------------------------------------------------------------------
 */

static slk_dtype dtype_of(const char *model, const char *name)
{
    slk_err err;
    slk_source *source;
    slk_tensor t;
    if (slk_source_open(&source, model, &err) != SLK_OK || slk_source_find(source, name, &t, &err) != SLK_OK)
        fail_msg("%s", err.msg);
    slk_dtype dtype = t.dtype;
    slk_source_close(source);
    return dtype;
}

static slk_status fill(void *user, const char *name, float *values, int64_t n_rows, int64_t n_cols, slk_err *err)
{
    (void)name, (void)err;
    for (size_t i = 0; i < (size_t)(n_rows * n_cols); i++) values[i] = *(const float *)user;
    return SLK_OK;
}

static bool is_first_norm(void *user, const char *name)
{
    (void)user;
    return !strcmp(name, "blk.0.attn_norm.weight");
}

/* A vector of a directory is as wide as its new values need. */
static void test_vectors(void **state)
{
    (void)state;
    slk_err err;
    slk_convert_report report;
    char out[128];
    strcpy(out, scratch("out"));
    static const struct {
        const char *model;
        float value;
        int dtype;
        slk_dtype first, second; /* of blk.0.attn_norm, whose value is put in place, and blk.1.attn_norm */
    } cases[] = {
        {TINY "mistral-window", 0.75f, -1, SLK_DTYPE_BF16, SLK_DTYPE_BF16},
        {TINY "mistral-window", 0.7f, -1, SLK_DTYPE_F32, SLK_DTYPE_BF16},
        {TINY "llama-gqa/model.gguf", 0.75f, SLK_DTYPE_BF16, SLK_DTYPE_BF16, SLK_DTYPE_F32},
        {TINY "gemma3/model.gguf", 1.00390625f, SLK_DTYPE_BF16, SLK_DTYPE_BF16, SLK_DTYPE_F32}, /* 2^-8 as gain */
        {TINY "gemma3", 1.00390625f, SLK_DTYPE_BF16, SLK_DTYPE_BF16, SLK_DTYPE_F32},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        float value = cases[i].value;
        slk_convert_options options = {
            .dtype = cases[i].dtype, .n_threads = 1, .edit = fill, .edits = is_first_norm, .edit_user = &value};
        if (slk_convert(&report, cases[i].model, out, &options, &err) != SLK_OK) fail_msg("%s", err.msg);
        assert_int_equal(dtype_of(out, "blk.0.attn_norm.weight"), cases[i].first);
        assert_int_equal(dtype_of(out, "blk.1.attn_norm.weight"), cases[i].second);
        remove_dir(out);
    }
}

/* New values of a quantised matrix are BF16; the others keep their blocks, but in a directory, which has none. */
static void test_quantised(void **state)
{
    (void)state;
    slk_err err;
    asked a = {.only = "attn_q"};
    char q8[128], out[128], dir[128];
    strcpy(q8, scratch("q8.gguf")), strcpy(out, scratch("out.gguf")), strcpy(dir, scratch("out"));
    if (slk_gguf_open(&a.shapes, TINY "llama-gqa/model.gguf", &err) != SLK_OK) fail_msg("%s", err.msg);
    convert(TINY "llama-gqa", q8, SLK_DTYPE_Q8_0, NULL, NULL);
    convert(q8, out, -1, replace, &a);
    assert_int_equal(a.n, 2);
    assert_int_equal(dtype_of(out, "blk.0.attn_q.weight"), SLK_DTYPE_BF16);
    assert_int_equal(dtype_of(out, "blk.0.attn_k.weight"), SLK_DTYPE_Q8_0);
    convert(q8, dir, -1, replace, &a);
    assert_int_equal(dtype_of(dir, "blk.0.attn_q.weight"), SLK_DTYPE_BF16);
    assert_int_equal(dtype_of(dir, "blk.0.attn_k.weight"), SLK_DTYPE_BF16);
    remove_model(out);
    a.only = NULL;
    convert(q8, out, -1, replace, &a);
    assert_int_equal(dtype_of(out, "blk.0.attn_k.weight"), SLK_DTYPE_BF16);
    slk_gguf *file;
    uint64_t file_type;
    assert_int_equal(slk_gguf_open(&file, out, &err), SLK_OK);
    assert_true(slk_gguf_get_u64(file, "general.file_type", &file_type));
    assert_int_equal(file_type, 32);
    slk_gguf_close(file);
    slk_gguf_close(a.shapes);
    remove_model(q8), remove_model(out), remove_model(dir);
}

/* --- failing
 * -----------------------------------------------------------------------------------------------------------
 */

static slk_status refuse(void *user, const char *name, float *values, int64_t n_rows, int64_t n_cols, slk_err *err)
{
    (void)values, (void)n_rows, (void)n_cols;
    return strstr(name, user) ? slk_fail(err, SLK_E_SHAPE, "%s: not this one", name) : SLK_OK;
}

static void test_failing(void **state)
{
    (void)state;
    static char names[][32] = {"blk.1.ffn_down.weight", "blk.1.ffn_norm.weight"}; /* the norm while planning */
    for (size_t i = 0; i < 4; i++) {
        slk_err err;
        slk_convert_report report;
        slk_convert_options options = {.dtype = -1, .n_threads = 1, .edit = refuse, .edit_user = names[i % 2]};
        const char *out = scratch(i / 2 ? "out.gguf" : "out");
        assert_int_equal(slk_convert(&report, TINY "llama-gqa", out, &options, &err), SLK_E_SHAPE);
        assert_non_null(strstr(err.msg, "not this one"));
        assert_int_equal(n_files_in(folder), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_left_alone), cmocka_unit_test(test_replaced), cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_quantised),  cmocka_unit_test(test_failing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
