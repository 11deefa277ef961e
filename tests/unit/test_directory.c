/* Hugging Face directories as models: reference values, both generations of config.json, and the same bits as the GGUF
 * file. */
#include "tiny.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "format/quant.h"

static void test_reference(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FAMILIES; i++) {
        check_family(families[i], "", SLK_BACKEND_DNNL, SLK_DTYPE_F32);
        check_family(families[i], "", SLK_BACKEND_DNNL, SLK_DTYPE_BF16);
    }
}

/* --- folders made for a test -----------------------------------------------------------------------------------------
 */

static char folder[256];

static void make_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/slick_test_directory_XXXXXX");
    assert_non_null(mkdtemp(folder));
}

static void path_in(char path[512], const char *name)
{
    snprintf(path, 512, "%s/%s", folder, name);
}

static void remove_folder(void)
{
    static const char *const names[] = {"config.json",           "model.safetensors",  "model.safetensors.index.json",
                                        "a.safetensors",         "b.safetensors",      "tokenizer.json",
                                        "tokenizer_config.json", "chat_template.jinja"};
    char path[512];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        path_in(path, names[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
}

static void write_file(const char *name, const char *text, size_t n)
{
    char path[512];
    path_in(path, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void copy_file(const char *model, const char *from, const char *to)
{
    char path[512], *text;
    size_t n;
    slk_err err;
    snprintf(path, sizeof path, TINY "%s/%s", model, from);
    if (slk_file_read(&text, &n, path, &err) != SLK_OK) fail_msg("%s", err.msg);
    write_file(to, text, n);
    free(text);
}

/* A folder with the model's files, its config.json from the file `config`. */
static void copy_model(const char *model, const char *config)
{
    make_folder();
    copy_file(model, config, "config.json");
    copy_file(model, "model.safetensors", "model.safetensors");
    copy_file(model, "tokenizer.json", "tokenizer.json");
    copy_file(model, "tokenizer_config.json", "tokenizer_config.json");
}

/* Change one key of the folder's config.json; value NULL removes it. */
static void set_config(const char *key, const char *value)
{
    char path[512];
    slk_err err;
    json_t *json, *item = NULL;
    path_in(path, "config.json");
    if (slk_json_read(&json, path, &err) != SLK_OK) fail_msg("%s", err.msg);
    if (value && slk_json_parse(&item, value, strlen(value), "value", 1, &err) != SLK_OK) fail_msg("%s", err.msg);
    if (item)
        json_object_set_new(json, key, item);
    else
        json_object_del(json, key);
    char *text = json_dumps(json, 0);
    write_file("config.json", text, strlen(text));
    free(text);
    json_decref(json);
}

static const slk_model_options f32 = {.compute = {.backend = SLK_BACKEND_DNNL, .dtype = SLK_DTYPE_F32, .n_threads = 1}};

/* Logits of 40 tokens, [40][n_vocab]; free() them. */
static float *logits_of(const char *path, size_t *n_values)
{
    slk_err err;
    slk_model *m;
    int32_t tokens[40];
    for (int32_t i = 0; i < 40; i++) tokens[i] = (i * 37 + 11) % 316;
    if (slk_model_open(&m, path, &f32, &err) != SLK_OK) fail_msg("%s", err.msg);
    *n_values = 40 * (size_t)m->config.n_vocab;
    float *logits = slk_alloc_zero(*n_values, sizeof *logits);
    run_sequence(m, tokens, 40, logits, NULL);
    slk_model_close(m);
    return logits;
}

static void check_same_logits(const char *what, const char *path_a, const char *path_b)
{
    size_t n_a, n_b;
    float *a = logits_of(path_a, &n_a), *b = logits_of(path_b, &n_b);
    assert_int_equal(n_a, n_b);
    if (memcmp(a, b, n_a * sizeof *a) != 0) fail_msg("%s: logits differ", what);
    free(a);
    free(b);
}

static void test_same_bits_as_gguf(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FAMILIES; i++) {
        char directory[512], file[512];
        snprintf(directory, sizeof directory, TINY "%s/", families[i]);
        snprintf(file, sizeof file, TINY "%s/model.gguf", families[i]);
        check_same_logits(families[i], directory, file);
    }
}

static void test_legacy_config(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FAMILIES; i++) {
        char directory[512];
        if (!strcmp(families[i], "gpt2")) continue; /* has always been the same */
        snprintf(directory, sizeof directory, TINY "%s", families[i]);
        copy_model(families[i], "config_legacy.json");
        check_same_logits(families[i], directory, folder);
        remove_folder();
    }
}

/* Tensors [from, to) of the folder's model.safetensors as a file of their own, listed in `map`. */
static void write_part(const slk_safetensors *whole, const char *name, size_t from, size_t to, json_t *map)
{
    slk_err err;
    char path[512];
    slk_safetensors_writer *w;
    path_in(path, name);
    assert_int_equal(slk_safetensors_writer_create(&w, &err), SLK_OK);
    for (size_t i = from; i < to; i++) {
        const slk_safetensor *t = slk_safetensors_tensor_at(whole, i);
        assert_int_equal(slk_safetensors_put_tensor(w, t->name, t->dtype, t->n_dims, t->shape, t->data, &err), SLK_OK);
        json_object_set_new(map, t->name, json_string(name));
    }
    if (slk_safetensors_write(w, path, true, NULL, NULL, &err) != SLK_OK) fail_msg("%s", err.msg);
    slk_safetensors_writer_free(w);
}

static void test_sharded(void **state)
{
    (void)state;
    slk_err err;
    char path[512];
    slk_safetensors *whole;
    copy_model("qwen2", "config.json");
    path_in(path, "model.safetensors");
    assert_int_equal(slk_safetensors_open(&whole, path, &err), SLK_OK);
    json_t *map = json_object();
    size_t n = slk_safetensors_n_tensors(whole);
    write_part(whole, "a.safetensors", 0, n / 2, map);
    write_part(whole, "b.safetensors", n / 2, n, map);
    slk_safetensors_close(whole);
    unlink(path);
    json_t *index = json_pack("{s:{}, s:o}", "metadata", "weight_map", map);
    char *text = json_dumps(index, 0);
    write_file("model.safetensors.index.json", text, strlen(text));
    check_same_logits("in two parts", TINY "qwen2", folder);
    free(text);
    json_decref(index);
    remove_folder();
}

/* The published GPT-2 has its tensors without the leading "transformer.". */
static void test_bare_names(void **state)
{
    (void)state;
    slk_err err;
    char path[512];
    slk_safetensors *whole;
    slk_safetensors_writer *w;
    copy_model("gpt2", "config.json");
    path_in(path, "model.safetensors");
    assert_int_equal(slk_safetensors_open(&whole, TINY "gpt2/model.safetensors", &err), SLK_OK);
    assert_int_equal(slk_safetensors_writer_create(&w, &err), SLK_OK);
    for (size_t i = 0; i < slk_safetensors_n_tensors(whole); i++) {
        const slk_safetensor *t = slk_safetensors_tensor_at(whole, i);
        assert_int_equal(
            slk_safetensors_put_tensor(w, strchr(t->name, '.') + 1, t->dtype, t->n_dims, t->shape, t->data, &err),
            SLK_OK);
    }
    if (slk_safetensors_write(w, path, true, NULL, NULL, &err) != SLK_OK) fail_msg("%s", err.msg);
    slk_safetensors_writer_free(w);
    slk_safetensors_close(whole);
    check_same_logits("bare names", TINY "gpt2", folder);
    remove_folder();
}

/* --- windows -------------------------------------------------------------------------------------------------------
 */

static slk_config config_of(const char *path)
{
    slk_err err;
    slk_source *source;
    if (slk_source_open(&source, path, &err) != SLK_OK) fail_msg("%s", err.msg);
    slk_config c = *slk_source_config(source);
    slk_source_close(source);
    return c;
}

static int n_windowed(const slk_config *c)
{
    int n = 0;
    for (int i = 0; i < c->n_layers; i++) n += slk_config_is_windowed(c, i);
    return n;
}

static void test_windows(void **state)
{
    (void)state;
    slk_config c = config_of(TINY "mistral-window");
    assert_int_equal(c.window, 8);
    assert_int_equal(n_windowed(&c), 3);
    c = config_of(TINY "mistral-window/model.gguf"); /* llama.attention.sliding_window */
    assert_string_equal(c.arch, "llama");
    assert_int_equal(c.window, 8);
    assert_int_equal(n_windowed(&c), 3);
    c = config_of(TINY "gemma2");
    assert_true(slk_config_is_windowed(&c, 0) && !slk_config_is_windowed(&c, 1) && slk_config_is_windowed(&c, 2));
    c = config_of(TINY "gemma3");
    assert_int_equal(n_windowed(&c), 3);
    assert_false(slk_config_is_windowed(&c, 2));
    /* Mistral: null is none, absence is Transformers' 4096. */
    copy_model("mistral-window", "config.json");
    set_config("sliding_window", "null");
    c = config_of(folder);
    assert_int_equal(c.window, 0);
    set_config("sliding_window", NULL);
    c = config_of(folder);
    assert_int_equal(c.window, 4096);
    remove_folder();
    /* Qwen: only when it is switched on, then by max_window_layers or layer_types. */
    copy_model("qwen2", "config_legacy.json");
    set_config("sliding_window", "16");
    c = config_of(folder);
    assert_int_equal(c.window, 0);
    set_config("use_sliding_window", "true");
    c = config_of(folder); /* max_window_layers 28 of 2 */
    assert_int_equal(c.window, 0);
    set_config("max_window_layers", "0");
    c = config_of(folder);
    assert_int_equal(n_windowed(&c), 2);
    set_config("layer_types", "[\"sliding_attention\", \"full_attention\"]");
    c = config_of(folder);
    assert_int_equal(n_windowed(&c), 1);
    assert_true(slk_config_is_windowed(&c, 0));
    remove_folder();
}

/* --- Llama 3's scaling ---------------------------------------------------------------------------------------------
 */

/* The divisors of the reference file, made of config.json; and config.json's numbers, made of the divisors. */
static void test_rope3(void **state)
{
    (void)state;
    slk_err err;
    slk_source *directory, *file;
    slk_tensor a, b;
    slk_rope3 guess;
    float x[10], y[10];
    assert_int_equal(slk_source_open(&directory, TINY "llama-tied-rope3", &err), SLK_OK);
    assert_int_equal(slk_source_open(&file, TINY "llama-tied-rope3/model.gguf", &err), SLK_OK);
    assert_int_equal(slk_source_find(directory, "rope_freqs.weight", &a, &err), SLK_OK);
    assert_int_equal(slk_source_find(file, "rope_freqs.weight", &b, &err), SLK_OK);
    assert_int_equal(a.n_cols, 10);
    assert_int_equal(b.n_cols, 10);
    assert_int_equal(slk_source_read(directory, &a, 0, 1, SLK_DTYPE_F32, x, 1, &err), SLK_OK);
    assert_int_equal(slk_source_read(file, &b, 0, 1, SLK_DTYPE_F32, y, 1, &err), SLK_OK);
    assert_memory_equal(x, y, sizeof x);
    assert_true(slk_rope3_guess(&guess, x, 10, 500));
    assert_true(guess.factor == 8 && guess.low == 1 && guess.high == 4 && guess.n_original == 32);
    x[4] *= 1.01f;
    assert_false(slk_rope3_guess(&guess, x, 10, 500));
    slk_source_close(directory);
    slk_source_close(file);
}

/* --- errors --------------------------------------------------------------------------------------------------------
 */

typedef struct broken {
    const char *model, *key, *value;
    slk_status status;
    const char *says; /* beside file and key */
} broken;

static void test_broken_config(void **state)
{
    (void)state;
    static const broken cases[] = {
        {"llama-gqa", "model_type", "\"mamba\"", SLK_E_UNSUPPORTED, "mamba"},
        {"llama-gqa", "model_type", NULL, SLK_E_FORMAT, "missing"},
        {"llama-gqa", "hidden_act", "\"relu\"", SLK_E_UNSUPPORTED, "silu"},
        {"gemma3", "hidden_activation", "\"gelu\"", SLK_E_UNSUPPORTED, "gelu_pytorch_tanh"},
        {"gpt2", "activation_function", "\"gelu\"", SLK_E_UNSUPPORTED, "gelu_pytorch_tanh"},
        {"gpt2", "scale_attn_by_inverse_layer_idx", "true", SLK_E_UNSUPPORTED, "false"},
        {"llama-gqa", "rope_parameters", "{\"rope_type\": \"yarn\", \"factor\": 4.0}", SLK_E_UNSUPPORTED, "yarn"},
        {"llama-gqa", "rope_parameters", "{\"rope_type\": \"linear\"}", SLK_E_FORMAT, "factor"},
        {"llama-gqa", "rope_parameters", "3", SLK_E_FORMAT, "object"},
        {"llama-gqa", "num_hidden_layers", "0", SLK_E_FORMAT, "from 1"},
        {"llama-gqa", "num_hidden_layers", "\"two\"", SLK_E_FORMAT, "two"},
        {"llama-gqa", "hidden_size", NULL, SLK_E_FORMAT, "missing"},
        {"llama-gqa", "rms_norm_eps", "-1", SLK_E_FORMAT, "positive"},
        {"llama-gqa", "quantization_config", "{\"bits\": 4}", SLK_E_UNSUPPORTED, "bits"},
        {"llama-gqa", "vocab_size", "321", SLK_E_SHAPE, "model.embed_tokens.weight"},
        {"llama-gqa", "tie_word_embeddings", "\"yes\"", SLK_E_FORMAT, "true or false"},
        {"gemma3", "use_bidirectional_attention", "true", SLK_E_UNSUPPORTED, "false"},
        {"gemma3", "layer_types", "[\"full_attention\"]", SLK_E_FORMAT, "each layer"},
        {"gemma2", "layer_types", "[\"full_attention\", \"sliding_attention\", \"sliding_attention\"]",
         SLK_E_UNSUPPORTED, "every n-th"},
        {"gemma2", "layer_types", "[\"full_attention\", \"chunked_attention\", \"full_attention\"]", SLK_E_UNSUPPORTED,
         "chunked"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const broken *b = &cases[i];
        slk_err err;
        slk_source *source;
        copy_model(b->model, "config.json");
        set_config(b->key, b->value);
        slk_status s = slk_source_open(&source, folder, &err);
        if (s != b->status || !strstr(err.msg, "config.json") || !strstr(err.msg, b->says) ||
            (!strstr(err.msg, b->key) && strcmp(b->says, "factor") != 0)) {
            fail_msg("%s with %s = %s: status %d: %s", b->model, b->key, b->value ? b->value : "(removed)", (int)s,
                     s ? err.msg : "opened");
        }
        assert_null(source);
        remove_folder();
    }
    copy_model("qwen2", "config_legacy.json"); /* a window in some layers only */
    set_config("sliding_window", "16");
    set_config("use_sliding_window", "true");
    set_config("max_window_layers", "1");
    slk_err err;
    slk_source *source;
    assert_int_equal(slk_source_open(&source, folder, &err), SLK_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "max_window_layers"));
    remove_folder();
}

static void test_broken_weights(void **state)
{
    (void)state;
    slk_err err;
    slk_source *source;
    slk_model *model;
    char path[512];
    copy_model("llama-gqa", "config.json");
    set_config("num_hidden_layers", "3"); /* one more than there are */
    assert_int_equal(slk_model_open(&model, folder, &f32, &err), SLK_E_NOT_FOUND);
    assert_non_null(strstr(err.msg, "model.layers.2."));
    set_config("num_hidden_layers", "2");
    set_config("intermediate_size", "41");
    assert_int_equal(slk_model_open(&model, folder, &f32, &err), SLK_E_SHAPE);
    assert_non_null(strstr(err.msg, "model.layers.0.mlp."));
    set_config("intermediate_size", "40");
    set_config("num_key_value_heads", "1");
    set_config("head_dim", "14"); /* no whole number of heads */
    assert_int_equal(slk_model_open(&model, folder, &f32, &err), SLK_E_SHAPE);
    path_in(path, "model.safetensors");
    unlink(path);
    assert_int_equal(slk_source_open(&source, folder, &err), SLK_E_NOT_FOUND);
    assert_non_null(strstr(err.msg, "model.safetensors.index.json"));
    path_in(path, "config.json");
    unlink(path);
    assert_int_equal(slk_source_open(&source, folder, &err), SLK_E_NOT_FOUND);
    assert_non_null(strstr(err.msg, "config.json"));
    remove_folder();
}

static void test_chat_template(void **state)
{
    (void)state;
    slk_err err;
    slk_source *source;
    slk_gguf_str text;
    copy_model("llama-gqa", "config.json");
    assert_int_equal(slk_source_open(&source, folder, &err), SLK_OK);
    assert_false(slk_source_chat_template(source, &text));
    slk_source_close(source);
    static const char config[] = "{\"chat_template\": [{\"name\": \"tool\", \"template\": \"t\"}, {\"name\": "
                                 "\"default\", \"template\": \"abc\"}]}";
    write_file("tokenizer_config.json", config, strlen(config));
    assert_int_equal(slk_source_open(&source, folder, &err), SLK_OK);
    assert_true(slk_source_chat_template(source, &text));
    assert_int_equal(text.len, 3);
    assert_memory_equal(text.data, "abc", 3);
    slk_source_close(source);
    write_file("chat_template.jinja", "jinja", 5);
    assert_int_equal(slk_source_open(&source, folder, &err), SLK_OK);
    assert_true(slk_source_chat_template(source, &text));
    assert_memory_equal(text.data, "jinja", 5);
    slk_source_close(source);
    remove_folder();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),      cmocka_unit_test(test_same_bits_as_gguf),
        cmocka_unit_test(test_legacy_config),  cmocka_unit_test(test_sharded),
        cmocka_unit_test(test_bare_names),     cmocka_unit_test(test_windows),
        cmocka_unit_test(test_rope3),          cmocka_unit_test(test_broken_config),
        cmocka_unit_test(test_broken_weights), cmocka_unit_test(test_chat_template),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
