/* What a run leaves: trained models and adapters that compute, opened again, what was computed in memory; logs; and the
 * plan of its memory. */
#include "scratch.h"
#include "tiny.h"

#include "base/file.h"
#include "base/folder.h"
#include "train/log.h"
#include "train/memory.h"
#include "train/save.h"
#include "train/trainer.h"

enum { N_EXAMPLES = 12, N_TOKENS = 10, N_ASKED = 8 };

typedef struct examples {
    int32_t tokens[N_EXAMPLES][N_TOKENS];
    slk_sequence items[N_EXAMPLES];
} examples;

static void make_examples(examples *e)
{
    for (int i = 0; i < N_EXAMPLES; i++) {
        for (int k = 0; k < N_TOKENS; k++) e->tokens[i][k] = k < 4 ? 5 + k : (i * 37 + k * 11) % 250;
        e->items[i] =
            (slk_sequence){.key = (uint64_t)i, .tokens = e->tokens[i], .n_tokens = N_TOKENS, .n_prompt = 6 + i % 3};
    }
}

static void remove_output(const char *path)
{
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char *file = slk_path_join(path, entry->d_name);
        unlink(file);
        free(file);
    }
    if (dir) closedir(dir);
    if (rmdir(path) != 0) unlink(path);
}

/* --- saving --------------------------------------------------------------------------------------------------------
 */

static slk_model *open_any(const char *path, const char *adapter, int dtype, bool trainable)
{
    slk_err err;
    slk_model *model;
    slk_model_options options = {.compute = {.backend = SLK_BACKEND_DNNL, .dtype = dtype, .n_threads = 1},
                                 .adapter = adapter,
                                 .trainable = trainable};
    slk_status s = slk_model_open(&model, path, &options, &err);
    options.compute.backend = SLK_BACKEND_REF; /* bf16 where the processor has none */
    if (s == SLK_E_UNSUPPORTED) s = slk_model_open(&model, path, &options, &err);
    if (s != SLK_OK) fail_msg("%s: %s", path, err.msg);
    return model;
}

/* A few steps, so that every value is a new one. */
static slk_params *train_some(const char *name, int dtype, const slk_lora *lora, unsigned frozen)
{
    static examples e;
    char path[512];
    slk_err err;
    slk_params *params;
    slk_trainer *trainer;
    slk_trainer_options options;
    snprintf(path, sizeof path, TINY "%s", name);
    slk_model *model = open_any(path, NULL, dtype, true);
    make_examples(&e);
    if (slk_params_create(&params, model, frozen, lora, &err) != SLK_OK) fail_msg("%s", err.msg);
    slk_trainer_options_init(&options, lora != NULL);
    options.n_epochs = 2;
    options.batch = 4;
    options.lr = 1e-3;
    if (slk_trainer_create(&trainer, params, e.items, N_EXAMPLES, &options, &err) != SLK_OK) fail_msg("%s", err.msg);
    if (slk_trainer_run(trainer, &(slk_trainer_hooks){0}, &err) != SLK_OK) fail_msg("%s", err.msg);
    slk_trainer_free(trainer);
    return params;
}

static float *logits_of(slk_model *m)
{
    static const int32_t tokens[N_ASKED] = {5, 6, 7, 8, 44, 90, 11, 201};
    float *logits = slk_alloc((size_t)N_ASKED * (size_t)m->config.n_vocab, sizeof *logits);
    assert_non_null(logits);
    run_sequence(m, tokens, N_ASKED, logits, NULL);
    return logits;
}

/* Largest difference, as a share of the largest logit. */
static double gap(const float *a, const float *b, size_t n)
{
    double most = 0, largest = 0;
    for (size_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs((double)a[i]));
        if (!(fabs((double)a[i] - (double)b[i]) <= most)) most = fabs((double)a[i] - (double)b[i]);
    }
    return most / largest;
}

static void check_saved(slk_params *params, const slk_lora *lora, const char *name, int dtype, double bound)
{
    static const char *const outputs[] = {"out", "out.gguf"};
    char base[512];
    slk_err err;
    slk_model *model = params->model;
    size_t n = (size_t)N_ASKED * (size_t)model->config.n_vocab;
    float *trained = logits_of(model);
    snprintf(base, sizeof base, TINY "%s", name);
    slk_model *before = open_any(base, NULL, dtype, false);
    float *untrained = logits_of(before);
    assert_true(gap(trained, untrained, n) > 0.01);
    for (int i = 0; i < 2; i++) {
        for (int again = 0; again < 2; again++) { /* also over an older one */
            slk_status s = lora ? slk_save_adapter(params, lora, scratch(outputs[i]), &err)
                                : slk_save_model(params, scratch(outputs[i]), &err);
            if (s != SLK_OK) fail_msg("%s", err.msg);
        }
        slk_model *saved = lora ? open_any(base, scratch(outputs[i]), dtype, false)
                                : open_any(scratch(outputs[i]), NULL, dtype, false);
        float *logits = logits_of(saved);
        double most = gap(trained, logits, n);
        printf("%s %s%s, %s: within %.1e\n", name, dtype == SLK_DTYPE_F32 ? "f32" : "bf16", lora ? " lora" : "",
               outputs[i], most);
        assert_true(most <= bound);
        free(logits);
        slk_model_close(saved);
        remove_output(scratch(outputs[i]));
    }
    free(trained);
    free(untrained);
    slk_model_close(before);
}

static void test_models(void **state)
{
    (void)state;
    /* gpt2's matrices are transposed in a directory, llama's queries permuted; Gemma's gains are kept less 1, which
     * rounds them */
    static const struct {
        const char *name;
        int dtype;
        double bound;
    } kinds[] = {{"llama-gqa", SLK_DTYPE_F32, 0}, {"llama-tied-rope3", SLK_DTYPE_F32, 0},
                 {"qwen2", SLK_DTYPE_F32, 0},     {"gemma3", SLK_DTYPE_F32, 1e-6},
                 {"gpt2", SLK_DTYPE_F32, 0},      {"llama-gqa", SLK_DTYPE_BF16, 0},
                 {"qwen3", SLK_DTYPE_BF16, 0}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        slk_params *params = train_some(kinds[i].name, kinds[i].dtype, NULL, 0);
        check_saved(params, NULL, kinds[i].name, kinds[i].dtype, kinds[i].bound);
        slk_model *model = params->model;
        slk_params_free(params);
        slk_model_close(model);
    }
    slk_params *params = train_some("llama-gqa", SLK_DTYPE_F32, NULL, SLK_PARAM_ATTENTION | SLK_PARAM_EMBEDDINGS);
    check_saved(params, NULL, "llama-gqa", SLK_DTYPE_F32, 0);
    slk_model *model = params->model;
    slk_params_free(params);
    slk_model_close(model);
}

static void test_adapters(void **state)
{
    (void)state;
    static const slk_lora some = {
        .rank = 4, .alpha = 12, .targets = SLK_LORA_Q | SLK_LORA_V | SLK_LORA_UP | SLK_LORA_DOWN, .dropout = 0.1};
    static const slk_lora all = {.rank = 3, .alpha = 3, .targets = 127};
    static const struct {
        const char *name;
        int dtype;
        const slk_lora *lora;
    } kinds[] = {{"llama-gqa", SLK_DTYPE_F32, &some},
                 {"llama-gqa", SLK_DTYPE_F32, &all},
                 {"gemma3", SLK_DTYPE_F32, &all},
                 {"gpt2", SLK_DTYPE_F32, &all},
                 {"llama-gqa", SLK_DTYPE_BF16, &some}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        slk_params *params = train_some(kinds[i].name, kinds[i].dtype, kinds[i].lora, 0);
        /* in bf16 a model opened for training has its embedding rounded, this one has float32 */
        check_saved(params, kinds[i].lora, kinds[i].name, kinds[i].dtype,
                    kinds[i].dtype == SLK_DTYPE_F32 ? 1e-6 : 2e-2);
        slk_model *model = params->model;
        slk_params_free(params);
        slk_model_close(model);
    }
}

/* --- logs ----------------------------------------------------------------------------------------------------------
 */

static void append(const char *path, int epoch)
{
    slk_err err;
    json_t *line = json_pack("{s:i, s:f}", "epoch", epoch, "loss", 0.5);
    if (slk_log_append(path, line, &err) != SLK_OK) fail_msg("%s", err.msg);
    json_decref(line);
}

static void expect_log(const char *path, const char *expected)
{
    char *text;
    size_t n;
    assert_int_equal(slk_file_read(&text, &n, path, NULL), SLK_OK);
    assert_string_equal(text, expected);
    free(text);
}

static void test_logs(void **state)
{
    (void)state;
    char path[128];
    slk_err err;
    strcpy(path, scratch("log.jsonl"));
    assert_int_equal(slk_log_rewind(path, -1, &err), SLK_OK); /* not there yet */
    assert_int_equal(slk_log_rewind(path, 0, &err), SLK_E_STATE);
    for (int i = 0; i < 3; i++) append(path, i);
    assert_int_equal(slk_log_rewind(path, 2, &err), SLK_OK);
    expect_log(path, "{\"epoch\":0,\"loss\":0.5}\n{\"epoch\":1,\"loss\":0.5}\n{\"epoch\":2,\"loss\":0.5}\n");
    FILE *f = fopen(path, "a"); /* a line that was not finished */
    fputs("{\"epoch\":3,\"lo", f);
    fclose(f);
    assert_int_equal(slk_log_rewind(path, 3, &err), SLK_E_STATE);
    assert_non_null(strstr(err.msg, "the line of epoch 3 is missing"));
    assert_int_equal(slk_log_rewind(path, 1, &err), SLK_OK);
    expect_log(path, "{\"epoch\":0,\"loss\":0.5}\n{\"epoch\":1,\"loss\":0.5}\n");
    append(path, 7); /* of no run */
    assert_int_equal(slk_log_rewind(path, 2, &err), SLK_E_STATE);
    assert_int_equal(slk_log_rewind(path, -1, &err), SLK_OK);
    expect_log(path, "");
    unlink(path);
    json_t *line = json_pack("{s:i}", "epoch", 0);
    assert_int_equal(slk_log_append(scratch("no/such"), line, &err), SLK_E_IO);
    if (access("/dev/full", W_OK) == 0) {
        assert_int_equal(slk_log_append("/dev/full", line, &err), SLK_E_IO);
        assert_non_null(strstr(err.msg, "/dev/full: cannot write: No space left"));
    }
    json_decref(line);
}

/* --- memory --------------------------------------------------------------------------------------------------------
 */

static void test_memory(void **state)
{
    (void)state;
    examples e;
    slk_err err;
    slk_train_memory free_choice, m;
    slk_trainer_options options;
    make_examples(&e);
    slk_trainer_options_init(&options, false);
    slk_model *model = open_any(TINY "llama-gqa", NULL, SLK_DTYPE_F32, true);
#define PLAN(out, choice, fixed, available)                                                                            \
    slk_train_plan_memory(out, model, 0, NULL, e.items, N_EXAMPLES, &options, choice, fixed, available, &err)
    assert_int_equal(PLAN(&free_choice, SLK_RECOMPUTE_AUTO, false, SIZE_MAX), SLK_OK);
    assert_true(!free_choice.recompute && free_choice.max_rows == options.max_rows && free_choice.n_rows > 40);
    slk_params *params;
    assert_int_equal(slk_params_create(&params, model, 0, NULL, &err), SLK_OK);
    double counted = (double)slk_params_n_trained(params) / (double)free_choice.n_trained;
    assert_true(counted > 0.99 && counted < 1.01);
    size_t fixed = free_choice.total - free_choice.weights - free_choice.batch;
    assert_int_equal(PLAN(&m, SLK_RECOMPUTE_YES, false, SIZE_MAX), SLK_OK);
    assert_true(m.recompute && m.batch < free_choice.batch);
    size_t recomputed = m.batch;
    /* just too little: recomputation, unless it is forbidden */
    assert_int_equal(PLAN(&m, SLK_RECOMPUTE_AUTO, false, fixed + free_choice.batch), SLK_OK);
    assert_true(!m.recompute);
    assert_int_equal(PLAN(&m, SLK_RECOMPUTE_AUTO, false, fixed + free_choice.batch - 1), SLK_OK);
    assert_true(m.recompute && m.max_rows == options.max_rows);
    /* even less: smaller batches, unless a run goes on */
    options.max_rows = 4096;
    assert_int_equal(PLAN(&m, SLK_RECOMPUTE_AUTO, true, fixed + recomputed - 1), SLK_E_MEMORY);
    assert_non_null(strstr(err.msg, "GiB are available"));
    assert_int_equal(PLAN(&m, SLK_RECOMPUTE_AUTO, false, fixed), SLK_E_MEMORY);
    slk_params_free(params);
    slk_model_close(model);
    assert_true(slk_memory_available() > 0);
}

/* More examples than a batch of MIN_ROWS, so that it can be halved. */
static void test_smaller_batches(void **state)
{
    (void)state;
    enum { N = 200 };
    static int32_t tokens[N][N_TOKENS];
    static slk_sequence items[N];
    slk_err err;
    slk_train_memory whole, m;
    slk_trainer_options options;
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < N_TOKENS; k++) tokens[i][k] = k == 1 ? i : (k * 11) % 250;
        items[i] = (slk_sequence){.key = (uint64_t)i, .tokens = tokens[i], .n_tokens = N_TOKENS, .n_prompt = 6};
    }
    slk_trainer_options_init(&options, false);
    options.batch = N;
    slk_model *model = open_any(TINY "llama-gqa", NULL, SLK_DTYPE_F32, true);
    assert_int_equal(
        slk_train_plan_memory(&whole, model, 0, NULL, items, N, &options, SLK_RECOMPUTE_YES, false, SIZE_MAX, &err),
        SLK_OK);
    assert_int_equal(whole.n_rows, 8 * N + 1);
    size_t less = whole.total - whole.weights - whole.batch / 2;
    assert_int_equal(
        slk_train_plan_memory(&m, model, 0, NULL, items, N, &options, SLK_RECOMPUTE_AUTO, false, less, &err), SLK_OK);
    assert_true(m.recompute && m.max_rows < whole.n_rows && m.n_rows <= m.max_rows && m.total - m.weights <= less);
    assert_int_equal(
        slk_train_plan_memory(&m, model, 0, NULL, items, N, &options, SLK_RECOMPUTE_AUTO, true, less, &err),
        SLK_E_MEMORY);
    slk_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models), cmocka_unit_test(test_adapters),        cmocka_unit_test(test_logs),
        cmocka_unit_test(test_memory), cmocka_unit_test(test_smaller_batches),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
