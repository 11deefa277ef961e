/* Checkpoints of a run: there and back bit for bit; full disks, cut and altered files; settings that differ. */
#include "scratch.h"

#include "base/file.h"
#include "base/mem.h"
#include "format/safetensors.h"
#include "train/state.h"

/* --- parameters without a model: three, the second of which is not trained -----------------------------------------
 */

enum { N_PARAMS = 3, N_VALUES = 24 };

typedef struct fake {
    slk_param items[N_PARAMS];
    slk_params params;
    slk_optimizer optimizer;
    float master[N_PARAMS][N_VALUES], grad[N_VALUES], m[N_PARAMS][N_VALUES], v[N_PARAMS][N_VALUES];
    float *m_rows[N_PARAMS], *v_rows[N_PARAMS];
} fake;

static void fill(fake *f, float seed)
{
    *f = (fake){.params = {.items = f->items, .n = N_PARAMS}};
    f->optimizer = (slk_optimizer){.params = &f->params, .m = f->m_rows, .v = f->v_rows};
    for (int i = 0; i < N_PARAMS; i++) {
        slk_param *p = &f->items[i];
        *p = (slk_param){.n_rows = 4, .n_cols = 6, .n_parts = i == 0 ? 3 : 1, .weight_scale = 1};
        for (int k = 0; k < p->n_parts; k++)
            snprintf(p->parts[k].name, sizeof p->parts[k].name, "blk.%d.tensor_%d.weight", i, k);
        p->master = f->master[i], p->weights = f->master[i];
        p->grad = i == 1 ? NULL : f->grad;
        f->m_rows[i] = f->m[i], f->v_rows[i] = f->v[i];
        for (int k = 0; k < N_VALUES; k++) {
            f->master[i][k] = seed / (float)(3 + i + k);
            f->m[i][k] = -seed / (float)(7 + k);
            f->v[i][k] = seed * (float)k;
        }
    }
    f->master[0][1] = -0.0f;
}

static bool same_values(const fake *a, const fake *b)
{
    for (int i = 0; i < N_PARAMS; i += 2) {
        if (memcmp(a->master[i], b->master[i], sizeof a->master[i]) || memcmp(a->m[i], b->m[i], sizeof a->m[i]) ||
            memcmp(a->v[i], b->v[i], sizeof a->v[i]))
            return false;
    }
    return true;
}

static slk_train_state make_state(void)
{
    slk_train_state s = {.epoch = 3,
                         .step = 47,
                         .best_epoch = 2,
                         .best_score = 1.0 / 3,
                         .n_no_better = 1,
                         .n_tokens = 123456,
                         .ms = 10.25};
    for (int i = 0; i < 5; i++) {
        slk_step_record r = {1.0 / (i + 3), 1e-9 * i, 1e-5};
        assert_int_equal(slk_train_state_add_step(&s, &r, NULL), SLK_OK);
    }
    return s;
}

static json_t *make_settings(void)
{
    return json_pack("{s:f, s:i, s:s, s:{s:{s:i, s:s}}}", "lr", 1e-5, "batch", 128, "schedule", "constant", "data",
                     "train", "n", 1000, "hash", "0123456789abcdef");
}

/* Both must outlive nothing: a checkpoint of `f` at path. */
static slk_status write_state(const char *path, const fake *f, slk_err *err)
{
    slk_train_state state = make_state();
    json_t *settings = make_settings();
    slk_status s = slk_train_state_write(path, &state, settings, f ? &f->optimizer : NULL, err);
    json_decref(settings);
    slk_train_state_release(&state);
    return s;
}

/* Open and load; SLK_OK only when all of it went well. */
static slk_status load(const char *path, fake *into, slk_err *err)
{
    slk_checkpoint *c;
    *err = (slk_err){0};
    slk_status s = slk_checkpoint_open(&c, path, err);
    if (s == SLK_OK) s = slk_checkpoint_load(c, &into->optimizer, err);
    slk_checkpoint_close(c);
    if (s != SLK_OK && (err->code != s || !strstr(err->msg, path))) fail_msg("the message is '%s'", err->msg);
    return s;
}

/* --- there and back ------------------------------------------------------------------------------------------------
 */

static void test_there_and_back(void **state)
{
    (void)state;
    fake f, g;
    slk_err err;
    const char *path = scratch("state.safetensors");
    fill(&f, 1.7f);
    fill(&g, 0);
    for (int again = 0; again < 2; again++) { /* also over an older one */
        if (write_state(path, &f, &err) != SLK_OK) fail_msg("%s", err.msg);
    }
    slk_checkpoint *c;
    if (slk_checkpoint_open(&c, path, &err) != SLK_OK) fail_msg("%s", err.msg);
    if (slk_checkpoint_load(c, &g.optimizer, &err) != SLK_OK) fail_msg("%s", err.msg);
    assert_true(same_values(&f, &g));
    assert_true(g.master[1][0] == 0); /* not trained: left alone */
    slk_train_state expected = make_state(), found;
    assert_int_equal(slk_checkpoint_copy_state(&found, c, &err), SLK_OK);
    assert_int_equal(found.n_steps, expected.n_steps);
    assert_memory_equal(found.steps, expected.steps, expected.n_steps * sizeof *expected.steps);
    assert_true(found.epoch == 3 && found.step == 47 && found.best_epoch == 2 && found.best_score == 1.0 / 3 &&
                found.n_no_better == 1 && found.n_tokens == 123456 && found.ms == 10.25 && !found.finished);
    json_t *settings = make_settings();
    assert_true(json_equal(settings, slk_checkpoint_settings(c)));
    json_decref(settings);
    slk_train_state_release(&found);
    slk_train_state_release(&expected);
    slk_checkpoint_close(c);

    /* a finished run keeps no tensors, and cannot be gone on with */
    if (write_state(path, NULL, &err) != SLK_OK) fail_msg("%s", err.msg);
    assert_int_equal(load(path, &g, &err), SLK_E_SHAPE);
    unlink(path);
    assert_int_equal(load(path, &g, &err), SLK_E_IO);
}

static void test_other_models(void **state)
{
    (void)state;
    fake f, g;
    slk_err err;
    const char *path = scratch("state.safetensors");
    fill(&f, 1);
    if (write_state(path, &f, &err) != SLK_OK) fail_msg("%s", err.msg);
    fill(&g, 0);
    g.items[0].n_cols = 3;
    assert_int_equal(load(path, &g, &err), SLK_E_SHAPE);
    assert_non_null(strstr(err.msg, "master:blk.0.tensor_0.weight+blk.0.tensor_1.weight+blk.0.tensor_2.weight"));
    assert_non_null(strstr(err.msg, "4 by 6, expected F32, 4 by 3"));
    fill(&g, 0);
    strcpy(g.items[2].parts[0].name, "other");
    assert_int_equal(load(path, &g, &err), SLK_E_NOT_FOUND);
    assert_non_null(strstr(err.msg, "master:other is missing"));
    fill(&g, 0);
    g.items[1].grad = g.grad;
    assert_int_equal(load(path, &g, &err), SLK_E_SHAPE);
    assert_non_null(strstr(err.msg, "6 tensors, expected 9"));
    unlink(path);
}

/* --- broken files --------------------------------------------------------------------------------------------------
 */

static void write_bytes(const char *path, const char *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

static void test_broken_files(void **state)
{
    (void)state;
    fake f, g;
    slk_err err;
    char path[128], *bytes;
    size_t n, n_harmless = 0;
    strcpy(path, scratch("state.safetensors"));
    fill(&f, 1.7f);
    if (write_state(path, &f, &err) != SLK_OK) fail_msg("%s", err.msg);
    assert_int_equal(slk_file_read(&bytes, &n, path, &err), SLK_OK);
    for (size_t len = 0; len < n; len++) {
        write_bytes(path, bytes, len);
        fill(&g, 0);
        if (load(path, &g, &err) == SLK_OK) fail_msg("a file cut to %zu of %zu bytes was read", len, n);
    }
    for (size_t i = 0; i < n; i++) {
        bytes[i] = (char)(bytes[i] ^ (1 << i % 7));
        write_bytes(path, bytes, n);
        fill(&g, 0);
        if (load(path, &g, &err) == SLK_OK) { /* a digit of a loss, the padding */
            n_harmless++;
            assert_true(same_values(&f, &g));
        }
        bytes[i] = (char)(bytes[i] ^ (1 << i % 7));
    }
    assert_true(n_harmless < n / 4);
    free(bytes);
    unlink(path);
}

/* A file of no tensors with this description. */
static slk_status open_described(const char *text, slk_err *err)
{
    const char *path = scratch("state.safetensors");
    slk_safetensors_writer *w;
    slk_checkpoint *c;
    *err = (slk_err){0};
    assert_int_equal(slk_safetensors_writer_create(&w, NULL), SLK_OK);
    assert_int_equal(slk_safetensors_put_metadata(w, text ? "slick.train" : "other", text ? text : "{}", NULL), SLK_OK);
    assert_int_equal(slk_safetensors_write(w, path, true, NULL, NULL, NULL), SLK_OK);
    slk_safetensors_writer_free(w);
    slk_status s = slk_checkpoint_open(&c, path, err);
    assert_int_equal(c == NULL, s != SLK_OK);
    slk_checkpoint_close(c);
    if (s != SLK_OK && !strstr(err->msg, path)) fail_msg("the message is '%s'", err->msg);
    unlink(path);
    return s;
}

static void test_hostile_descriptions(void **state)
{
    (void)state;
    static const char good[] =
        "{\"format\":1,\"settings\":{},\"epoch\":0,\"step\":2,\"best_epoch\":-1,\"best_score\":0,\"n_no_better\":0,"
        "\"finished\":false,\"steps\":[[1.5,2,3e-5]],\"n_tokens\":1,\"ms\":0.5,\"hash\":\"0000000000000000\"}";
    static const struct {
        const char *from, *to;
        slk_status expected;
    } changes[] = {
        {"\"format\":1", "\"format\":2", SLK_E_UNSUPPORTED},
        {"\"format\":1", "\"format\":\"1\"", SLK_E_FORMAT},
        {"\"settings\":{}", "\"settings\":[]", SLK_E_FORMAT},
        {"\"epoch\":0", "\"epoch\":-2", SLK_E_FORMAT},
        {"\"epoch\":0", "\"epoch\":4294967296", SLK_E_FORMAT},
        {"\"epoch\":0", "\"epoch\":0.5", SLK_E_FORMAT},
        {"\"epoch\":0", "\"epic\":0", SLK_E_FORMAT},
        {"\"step\":2", "\"step\":0", SLK_E_FORMAT}, /* less than the steps that it has */
        {"\"step\":2", "\"step\":-1", SLK_E_FORMAT},
        {"\"best_epoch\":-1", "\"best_epoch\":1", SLK_E_FORMAT}, /* has not been yet */
        {"\"best_score\":0", "\"best_score\":null", SLK_E_FORMAT},
        {"\"n_no_better\":0", "\"n_no_better\":-1", SLK_E_FORMAT},
        {"\"finished\":false", "\"finished\":0", SLK_E_FORMAT},
        {"[[1.5,2,3e-5]]", "[[1.5,2]]", SLK_E_FORMAT},
        {"[[1.5,2,3e-5]]", "[3]", SLK_E_FORMAT},
        {"[[1.5,2,3e-5]]", "{}", SLK_E_FORMAT},
        {"\"ms\":0.5", "\"ms\":-1", SLK_E_FORMAT},
        {"\"hash\":\"0000000000000000\"", "\"hash\":\"zz\"", SLK_E_FORMAT},
        {"\"hash\":\"0000000000000000\"", "\"hash\":7", SLK_E_FORMAT},
        {good, "", SLK_E_FORMAT},
        {good, "[]", SLK_E_FORMAT},
        {good, "null", SLK_E_FORMAT},
        {good, "{", SLK_E_FORMAT},
    };
    slk_err err;
    assert_int_equal(open_described(good, &err), SLK_OK);
    assert_int_equal(open_described(NULL, &err), SLK_E_FORMAT);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char text[512];
        const char *at = strstr(good, changes[i].from);
        assert_non_null(at);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, changes[i].to, at + strlen(changes[i].from));
        slk_status s = open_described(text, &err);
        if (s != changes[i].expected) fail_msg("%s: status %d (%s)", changes[i].to, (int)s, err.msg);
    }
}

/* --- full disks ----------------------------------------------------------------------------------------------------
 */

static int write_large(const char *path)
{
    enum { N = 200000 };
    fake f;
    slk_err err = {0};
    fill(&f, 1);
    f.items[0].n_rows = N, f.items[0].n_cols = 1;
    f.items[0].master = f.m_rows[0] = f.v_rows[0] = slk_alloc_zero(N, sizeof(float));
    slk_status s = write_state(path, &f, &err);
    free(f.items[0].master);
    return s == SLK_E_IO && strstr(err.msg, path) ? 0 : 1;
}

static void test_full_disks(void **state)
{
    (void)state;
    fake f, g;
    slk_err err;
    char path[128];
    strcpy(path, scratch("state.safetensors"));
    fill(&f, 1.7f);
    if (write_state(path, &f, &err) != SLK_OK) fail_msg("%s", err.msg);
    on_full_disks(write_large, "state.safetensors");
    fill(&g, 0);
    assert_int_equal(load(path, &g, &err), SLK_OK); /* the older one is still there */
    assert_true(same_values(&f, &g));
    unlink(path);
    assert_int_equal(write_state(scratch("no/such/state"), &f, &err), SLK_E_IO);
}

/* --- settings ------------------------------------------------------------------------------------------------------
 */

static void check_settings(const char *then_text, const char *now_text, const char *expected)
{
    slk_err err = {0};
    json_t *then = json_loads(then_text, 0, NULL), *now = json_loads(now_text, 0, NULL);
    slk_status s = slk_settings_compare(then, now, "run", &err);
    json_decref(then);
    json_decref(now);
    if (!expected && s != SLK_OK) fail_msg("%s", err.msg);
    if (!expected) return;
    assert_int_equal(s, SLK_E_STATE);
    assert_string_equal(err.msg, expected);
}

static void test_settings(void **state)
{
    (void)state;
    static const char a[] = "{\"lr\": 1e-5, \"data\": {\"n\": 10, \"name\": \"x\"}, \"decay\": 0.0}";
    check_settings(a, a, NULL);
    check_settings(a, "{\"decay\": 0.0, \"data\": {\"name\": \"x\", \"n\": 10}, \"lr\": 1e-5}", NULL);
    check_settings(a, "{\"lr\": 0.3, \"data\": {\"n\": 11, \"name\": \"x\"}, \"decay\": 0.0}",
                   "run: was begun otherwise: lr was 1e-05, is 0.3; data.n was 10, is 11");
    check_settings(a, "{\"lr\": 1e-5, \"data\": {\"n\": 10, \"more\": [1, 2]}, \"decay\": 0.0}",
                   "run: was begun otherwise: data.name was \"x\", is nothing; data.more was nothing, is [1,2]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_other_models),
        cmocka_unit_test(test_broken_files),   cmocka_unit_test(test_hostile_descriptions),
        cmocka_unit_test(test_full_disks),     cmocka_unit_test(test_settings),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
