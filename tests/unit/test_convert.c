/* Converting between GGUF and Hugging Face directories: against the reference files, which other programs wrote in both
 * formats from the same weights, and there and back. */
#include "tiny.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "format/quant.h"
#include "model/convert.h"

static char folder[256];

static void in_folder(char path[512], const char *name)
{
    snprintf(path, 512, "%s/%s", folder, name);
}

static void remove_all(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir) {
        unlink(path);
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char inner[1024];
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) remove_all(inner);
    }
    closedir(dir);
    rmdir(path);
}

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/slick_test_convert_XXXXXX");
    return mkdtemp(folder) ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    remove_all(folder);
    return 0;
}

static size_t n_entries(const char *path)
{
    size_t n = 0;
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

static slk_convert_report convert(const char *model, const char *out, int dtype)
{
    slk_err err;
    slk_convert_report report;
    slk_convert_options options = {.dtype = dtype, .n_threads = 2};
    if (slk_convert(&report, model, out, &options, &err) != SLK_OK) fail_msg("%s -> %s: %s", model, out, err.msg);
    return report;
}

/* Two GGUF files have the same tensors, types and bytes. */
static void check_same_gguf(const char *path_a, const char *path_b)
{
    slk_err err;
    slk_gguf *a, *b;
    if (slk_gguf_open(&a, path_a, &err) != SLK_OK || slk_gguf_open(&b, path_b, &err) != SLK_OK) fail_msg("%s", err.msg);
    assert_int_equal(slk_gguf_n_tensors(a), slk_gguf_n_tensors(b));
    for (size_t i = 0; i < slk_gguf_n_tensors(a); i++) {
        const slk_gguf_tensor *x = slk_gguf_tensor_at(a, i), *y = slk_gguf_find_tensor(b, x->name);
        if (!y || x->dtype != y->dtype || x->n_dims != y->n_dims || memcmp(x->ne, y->ne, sizeof x->ne) != 0 ||
            x->n_bytes != y->n_bytes || memcmp(x->data, y->data, x->n_bytes) != 0) {
            fail_msg("%s and %s differ in tensor %s", path_a, path_b, x->name);
        }
    }
    slk_gguf_close(a);
    slk_gguf_close(b);
}

/* The largest difference of two tensors of the same type and shape. */
static double largest_difference(const slk_safetensor *a, const slk_safetensor *b)
{
    size_t n = a->n_bytes / slk_dtype_find(a->dtype)->block_bytes;
    float *x = slk_alloc(n, sizeof *x), *y = slk_alloc(n, sizeof *y);
    double largest = 0;
    assert_int_equal(slk_dequantize(a->dtype, a->data, n, x, NULL), SLK_OK);
    assert_int_equal(slk_dequantize(b->dtype, b->data, n, y, NULL), SLK_OK);
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)x[i] - (double)y[i]));
    free(x);
    free(y);
    return largest;
}

/* Two directories have the same tensors. A Gemma gain that went through GGUF lost what float32 cannot keep beside
 * the 1. */
static void check_same_weights(const char *model, const char *directory_a, const char *directory_b)
{
    slk_err err;
    slk_safetensors *a, *b;
    char path[512];
    snprintf(path, sizeof path, "%s/model.safetensors", directory_a);
    if (slk_safetensors_open(&a, path, &err) != SLK_OK) fail_msg("%s", err.msg);
    snprintf(path, sizeof path, "%s/model.safetensors", directory_b);
    if (slk_safetensors_open(&b, path, &err) != SLK_OK) fail_msg("%s", err.msg);
    assert_int_equal(slk_safetensors_n_tensors(a), slk_safetensors_n_tensors(b));
    bool gemma = !strncmp(model, "gemma", 5);
    for (size_t i = 0; i < slk_safetensors_n_tensors(a); i++) {
        const slk_safetensor *x = slk_safetensors_tensor_at(a, i), *y = slk_safetensors_find_tensor(b, x->name);
        if (!y || x->dtype != y->dtype || x->n_dims != y->n_dims || memcmp(x->shape, y->shape, sizeof x->shape) != 0) {
            fail_msg("%s: tensor %s has another type or shape", model, x->name);
        }
        if (!memcmp(x->data, y->data, x->n_bytes)) continue;
        /* query_pre_attn_scalar went into the queries */
        if (!strcmp(model, "gemma2") && strstr(x->name, "q_proj")) continue;
        if (!gemma || !strstr(x->name, "norm.weight") || largest_difference(x, y) > 0x1p-23)
            fail_msg("%s: tensor %s differs", model, x->name);
    }
    slk_safetensors_close(a);
    slk_safetensors_close(b);
}

static const slk_model_options f32 = {.compute = {.backend = SLK_BACKEND_DNNL, .dtype = SLK_DTYPE_F32, .n_threads = 1}};

static slk_model *open_at(const char *path)
{
    slk_err err;
    slk_model *m;
    if (slk_model_open(&m, path, &f32, &err) != SLK_OK) fail_msg("%s", err.msg);
    return m;
}

static void check_same_logits(const char *path_a, const char *path_b)
{
    enum { N = 40 };
    int32_t tokens[N];
    for (int32_t i = 0; i < N; i++) tokens[i] = (i * 29 + 5) % 316;
    slk_model *a = open_at(path_a), *b = open_at(path_b);
    assert_int_equal(a->config.n_vocab, b->config.n_vocab);
    size_t n = N * (size_t)a->config.n_vocab;
    float *x = slk_alloc_zero(n, sizeof *x), *y = slk_alloc_zero(n, sizeof *y);
    run_sequence(a, tokens, N, x, NULL);
    run_sequence(b, tokens, N, y, NULL);
    if (memcmp(x, y, n * sizeof *x) != 0) fail_msg("%s and %s: logits differ", path_a, path_b);
    free(x), free(y);
    slk_model_close(a);
    slk_model_close(b);
}

/* The strings of reference.json: GGUF as llama.cpp, directory as Hugging Face. */
static void check_tokens(const char *model, const char *path, bool as_hf)
{
    slk_model *m = open_at(path);
    json_t *reference = open_reference(model), *c;
    size_t i;
    int n_checked = 0;
    json_array_foreach(json_object_get(reference, "tokenize"), i, c)
    {
        slk_err err;
        slk_ids ids = {0};
        const json_t *text = json_object_get(c, "text"), *hf = json_object_get(c, "hf_ids"),
                     *wanted = as_hf && hf ? hf : json_object_get(c, "ids");
        unsigned flags = (json_is_true(json_object_get(c, "add_special")) ? SLK_ENCODE_BOS | SLK_ENCODE_EOS : 0u) |
                         (json_is_true(json_object_get(c, "parse_special")) ? SLK_ENCODE_SPECIAL : 0u);
        if (slk_tokenizer_encode(m->tokenizer, json_string_value(text), json_string_length(text), flags, &ids, &err) !=
            SLK_OK)
            fail_msg("%s", err.msg);
        bool same = ids.n == json_array_size(wanted);
        for (size_t k = 0; same && k < ids.n; k++) same = ids.ids[k] == json_integer_value(json_array_get(wanted, k));
        if (!same) fail_msg("%s: '%s' has other tokens", path, json_string_value(text));
        free(ids.ids);
        n_checked++;
    }
    assert_true(n_checked > 10);
    json_decref(reference);
    slk_model_close(m);
}

/* Directory -> GGUF: the reference's GGUF, bit for bit; and back. */
static void test_to_gguf_and_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FAMILIES; i++) {
        char directory[512], reference[512], out[512], back[512];
        snprintf(directory, sizeof directory, TINY "%s", families[i]);
        snprintf(reference, sizeof reference, TINY "%s/model.gguf", families[i]);
        in_folder(out, "out.gguf");
        in_folder(back, "back");
        slk_convert_report r = convert(directory, out, -1);
        assert_int_equal(r.n_unplaced + r.n_dequantised, 0);
        assert_true(r.query_factor == (strcmp(families[i], "gemma2") ? 1 : 0.5));
        check_same_gguf(reference, out);
        check_same_logits(directory, out);
        check_tokens(families[i], out, false);
        convert(out, back, -1);
        check_same_weights(families[i], directory, back);
        assert_int_equal(n_entries(folder), 2); /* nothing temporary is left */
        remove_all(out);
        remove_all(back);
    }
}

/* GGUF -> directory -> GGUF: the same bits, all of them. */
static void test_to_directory_and_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FAMILIES; i++) {
        char directory[512], reference[512], out[512], back[512];
        snprintf(directory, sizeof directory, TINY "%s", families[i]);
        snprintf(reference, sizeof reference, TINY "%s/model.gguf", families[i]);
        in_folder(out, "out");
        in_folder(back, "back.gguf");
        convert(reference, out, -1);
        check_same_weights(families[i], directory, out);
        check_same_logits(reference, out);
        check_tokens(families[i], out, true);
        convert(out, back, -1);
        check_same_gguf(reference, back);
        remove_all(out);
        remove_all(back);
    }
}

static slk_dtype gguf_dtype(const char *path, const char *tensor)
{
    slk_err err;
    slk_gguf *file;
    if (slk_gguf_open(&file, path, &err) != SLK_OK) fail_msg("%s", err.msg);
    const slk_gguf_tensor *t = slk_gguf_find_tensor(file, tensor);
    assert_non_null(t);
    slk_dtype dtype = t->dtype;
    slk_gguf_close(file);
    return dtype;
}

static void test_types(void **state)
{
    (void)state;
    char q8[512], bf16[512], copy[512], wide[512];
    in_folder(q8, "q8.gguf");
    in_folder(bf16, "bf16");
    in_folder(copy, "copy");
    in_folder(wide, "wide.gguf");
    slk_convert_report r = convert(TINY "llama-gqa", q8, SLK_DTYPE_Q8_0);
    assert_int_equal(gguf_dtype(q8, "blk.0.attn_q.weight"), SLK_DTYPE_Q8_0);
    assert_int_equal(gguf_dtype(q8, "blk.0.ffn_down.weight"), SLK_DTYPE_F16); /* rows of 40 */
    assert_int_equal(gguf_dtype(q8, "blk.0.attn_norm.weight"), SLK_DTYPE_F32);
    assert_int_equal(r.n_not_q8, 2);
    r = convert(q8, bf16, SLK_DTYPE_BF16);
    assert_true(r.n_dequantised > 10 && r.n_dequantised < r.n_tensors);
    r = convert(bf16, wide, SLK_DTYPE_F32);
    assert_int_equal(gguf_dtype(wide, "output.weight"), SLK_DTYPE_F32);
    check_same_logits(bf16, wide); /* bf16 in f32 is the same number */
    r = convert(bf16, copy, -1);   /* directory to directory: Gemma's gains and all else as they are */
    check_same_weights("llama-gqa", bf16, copy);
    remove_all(copy);
    convert(TINY "gpt2", copy, SLK_DTYPE_F32);
    check_same_weights("gpt2", TINY "gpt2", copy);
    remove_all(copy);
    convert(TINY "gemma3", copy, -1);
    slk_err err;
    slk_safetensors *a, *b;
    in_folder(copy, "copy/model.safetensors");
    assert_int_equal(slk_safetensors_open(&a, TINY "gemma3/model.safetensors", &err), SLK_OK);
    assert_int_equal(slk_safetensors_open(&b, copy, &err), SLK_OK);
    for (size_t i = 0; i < slk_safetensors_n_tensors(a); i++) {
        const slk_safetensor *x = slk_safetensors_tensor_at(a, i), *y = slk_safetensors_find_tensor(b, x->name);
        assert_non_null(y);
        assert_memory_equal(x->data, y->data, x->n_bytes);
    }
    slk_safetensors_close(a);
    slk_safetensors_close(b);
    remove_all(q8), remove_all(bf16), remove_all(wide);
    in_folder(copy, "copy");
    remove_all(copy);
}

/* GGUF to GGUF keeps every key. */
static void test_keys_stay(void **state)
{
    (void)state;
    slk_err err;
    slk_gguf *a, *b;
    char out[512], x[256], y[256];
    in_folder(out, "out.gguf");
    convert(TINY "gemma3/model.gguf", out, -1);
    assert_int_equal(slk_gguf_open(&a, TINY "gemma3/model.gguf", &err), SLK_OK);
    assert_int_equal(slk_gguf_open(&b, out, &err), SLK_OK);
    assert_int_equal(slk_gguf_n_keys(a), slk_gguf_n_keys(b));
    for (size_t i = 0; i < slk_gguf_n_keys(a); i++) {
        slk_gguf_type type_x, type_y;
        assert_string_equal(slk_gguf_key_at(a, i, &type_x, x, sizeof x), slk_gguf_key_at(b, i, &type_y, y, sizeof y));
        assert_int_equal(type_x, type_y);
        assert_string_equal(x, y);
    }
    slk_gguf_close(a);
    slk_gguf_close(b);
    check_same_gguf(TINY "gemma3/model.gguf", out);
    remove_all(out);
}

/* What the reference's GGUF says, the converted one says, too: every key of the architecture. */
static void test_keys_of_reference(void **state)
{
    (void)state;
    static const char *const expected[] = {"context_length",
                                           "embedding_length",
                                           "block_count",
                                           "feed_forward_length",
                                           "attention.head_count",
                                           "attention.head_count_kv",
                                           "attention.layer_norm_rms_epsilon",
                                           "attention.layer_norm_epsilon",
                                           "rope.freq_base",
                                           "rope.freq_base_swa",
                                           "attention.key_length",
                                           "attention.value_length",
                                           "rope.scaling.factor",
                                           "attention.sliding_window",
                                           "attention.sliding_window_pattern",
                                           "attn_logit_softcapping",
                                           "final_logit_softcapping",
                                           "vocab_size",
                                           "rope.dimension_count"};
    for (size_t i = 0; i < N_FAMILIES; i++) {
        slk_err err;
        slk_gguf *a, *b;
        slk_gguf_str arch_a, arch_b;
        char directory[512], reference[512], out[512];
        snprintf(directory, sizeof directory, TINY "%s", families[i]);
        snprintf(reference, sizeof reference, TINY "%s/model.gguf", families[i]);
        in_folder(out, "out.gguf");
        convert(directory, out, -1);
        assert_int_equal(slk_gguf_open(&a, reference, &err), SLK_OK);
        assert_int_equal(slk_gguf_open(&b, out, &err), SLK_OK);
        assert_true(slk_gguf_get_str(a, "general.architecture", &arch_a) &&
                    slk_gguf_get_str(b, "general.architecture", &arch_b));
        assert_true(arch_a.len == arch_b.len && !memcmp(arch_a.data, arch_b.data, arch_a.len));
        for (size_t k = 0; k < sizeof expected / sizeof expected[0]; k++) {
            char key[128];
            double x, y;
            snprintf(key, sizeof key, "%.*s.%s", (int)arch_a.len, arch_a.data, expected[k]);
            if (!slk_gguf_get_f64(a, key, &x)) continue;
            if (!slk_gguf_get_f64(b, key, &y) || x != y)
                fail_msg("%s: key %s is missing or not %g", families[i], key, x);
        }
        slk_gguf_close(a);
        slk_gguf_close(b);
        remove_all(out);
    }
}

static slk_status try_convert(const char *model, const char *out, int dtype, bool overwrite, slk_err *err)
{
    slk_convert_report report;
    slk_convert_options options = {.dtype = dtype, .n_threads = 1, .overwrite = overwrite};
    return slk_convert(&report, model, out, &options, err);
}

/* Heads of another width than the matrices have rows for: permuting them would leave the tensor. */
static void test_broken_heads(void **state)
{
    (void)state;
    slk_err err;
    slk_gguf *from;
    slk_gguf_writer *w;
    char file[512], out[512];
    in_folder(file, "broken.gguf");
    in_folder(out, "out");
    assert_int_equal(slk_gguf_open(&from, TINY "llama-gqa/model.gguf", &err), SLK_OK);
    assert_int_equal(slk_gguf_writer_create(&w, &err), SLK_OK);
    static const char *const keys[] = {"llama.attention.key_length", "llama.attention.value_length",
                                       "llama.rope.dimension_count"};
    for (size_t i = 0; i < 3; i++) assert_int_equal(slk_gguf_put_u32(w, keys[i], 14, &err), SLK_OK);
    assert_int_equal(slk_gguf_put_all(w, from, &err), SLK_OK);
    for (size_t i = 0; i < slk_gguf_n_tensors(from); i++) {
        const slk_gguf_tensor *t = slk_gguf_tensor_at(from, i);
        assert_int_equal(slk_gguf_put_tensor(w, t->name, t->dtype, t->n_dims, t->ne, t->data, &err), SLK_OK);
    }
    if (slk_gguf_write(w, file, false, NULL, NULL, &err) != SLK_OK) fail_msg("%s", err.msg);
    slk_gguf_writer_free(w);
    slk_gguf_close(from);
    assert_int_equal(try_convert(file, out, -1, false, &err), SLK_E_SHAPE);
    assert_non_null(strstr(err.msg, "blk.0.attn_q.weight"));
    assert_int_equal(n_entries(folder), 1);
    remove_all(file);
}

static void touch(const char *path)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
}

static void test_outputs(void **state)
{
    (void)state;
    slk_err err;
    char out[512], file[512], path[512];
    in_folder(out, "out");
    in_folder(file, "out.gguf");
    assert_int_equal(try_convert(TINY "qwen2", out, SLK_DTYPE_Q8_0, false, &err), SLK_E_UNSUPPORTED);
    assert_int_equal(try_convert(TINY "no-such-model", out, -1, false, &err), SLK_E_IO);
    in_folder(path, "no/such/place");
    assert_int_equal(try_convert(TINY "qwen2", path, -1, false, &err), SLK_E_IO);
    assert_int_equal(n_entries(folder), 0);
    /* an existing file */
    convert(TINY "qwen2", file, -1);
    assert_int_equal(try_convert(TINY "qwen2", file, -1, false, &err), SLK_E_STATE);
    assert_int_equal(try_convert(TINY "qwen2", file, -1, true, &err), SLK_OK);
    check_same_gguf(TINY "qwen2/model.gguf", file);
    /* an existing directory: its model goes, other files stay */
    convert(TINY "gemma3/model.gguf", out, -1);
    in_folder(path, "out/notes.txt");
    touch(path);
    in_folder(path, "out/model.safetensors.index.json");
    touch(path);
    assert_int_equal(try_convert(TINY "qwen2/model.gguf", out, -1, false, &err), SLK_E_STATE);
    assert_non_null(strstr(err.msg, "--force"));
    assert_int_equal(try_convert(TINY "qwen2/model.gguf", out, -1, true, &err), SLK_OK);
    check_same_weights("qwen2", TINY "qwen2", out);
    check_same_logits(TINY "qwen2", out);
    assert_false(slk_file_exists(path));
    in_folder(path, "out/notes.txt");
    assert_true(slk_file_exists(path));
    assert_int_equal(n_entries(folder), 2);
    /* a file where a directory should be */
    in_folder(path, "plain");
    touch(path);
    assert_int_equal(try_convert(TINY "qwen2", path, -1, true, &err), SLK_E_STATE);
    assert_true(slk_file_exists(path));
    remove_all(path), remove_all(out), remove_all(file);
}

static bool stop_at_second(void *user, const slk_progress_event *event)
{
    (void)user;
    return event->n_done < 2;
}

static void test_interrupted(void **state)
{
    (void)state;
    slk_err err;
    char out[512];
    slk_convert_report report;
    slk_progress progress = {.report = stop_at_second};
    slk_convert_options options = {.dtype = -1, .n_threads = 1, .progress = &progress};
    in_folder(out, "out");
    assert_int_equal(slk_convert(&report, TINY "qwen2/model.gguf", out, &options, &err), SLK_E_INTERRUPTED);
    in_folder(out, "out.gguf");
    assert_int_equal(slk_convert(&report, TINY "qwen2", out, &options, &err), SLK_E_INTERRUPTED);
    assert_int_equal(n_entries(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_to_gguf_and_back),
        cmocka_unit_test(test_to_directory_and_back),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_keys_stay),
        cmocka_unit_test(test_keys_of_reference),
        cmocka_unit_test(test_outputs),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_broken_heads),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
