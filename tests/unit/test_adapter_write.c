/* Writing LoRA adapters, and merging them: what is written is read back bit for bit, is what other programs wrote for
 * the same matrices, and computes the same merged as beside the model; for every family, in both forms. */
#include "tiny.h"

#include <sys/stat.h>

#include "format/safetensors.h"
#include "model/adapter.h"
#include "model/adapter_write.h"
#include "model/merge.h"
#include "model/source.h"
#include "scratch.h"

#define LORA SLICK_TEST_DATA "/reference/train/lora/"

enum { RANK = 3, A_STRIDE_MORE = 2, B_STRIDE = 7, N_MOST = 64 };

/* Random matrices for all tensors of a model that can have them, with gaps between their rows. */
typedef struct adapter {
    slk_config config;
    slk_adapter_matrix matrices[N_MOST];
    float *a[N_MOST], *b[N_MOST];
    size_t n;
} adapter;

static void read_config(slk_config *config, const char *model)
{
    slk_err err;
    slk_source *source;
    if (slk_source_open(&source, model, &err) != SLK_OK) fail_msg("%s", err.msg);
    *config = *slk_source_config(source);
    slk_source_close(source);
}

static float *random_values(size_t n, uint32_t key)
{
    float *x = slk_alloc(n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(slk_rng_uniform(7, SLK_PURPOSE_INIT, key, 0, 0, (uint32_t)i) - 0.5) * 0.6f;
    return x;
}

static void make(adapter *r, const char *model)
{
    slk_err err;
    slk_source *source;
    *r = (adapter){.n = 0};
    if (slk_source_open(&source, model, &err) != SLK_OK) fail_msg("%s", err.msg);
    r->config = *slk_source_config(source);
    for (const slk_name *e = r->config.family->names; e->gguf; e++) {
        char name[SLK_NAME_BYTES];
        slk_tensor t;
        slk_family_gguf_name(name, e, 0, "weight");
        if (!slk_family_is_layered(e) || slk_source_find(source, name, &t, &err) != SLK_OK || t.is_vector) continue;
        for (int l = 0; l < r->config.n_layers; l++) {
            assert_true(r->n < N_MOST);
            int64_t a_stride = t.n_cols + A_STRIDE_MORE;
            r->a[r->n] = random_values((size_t)(RANK * a_stride), (uint32_t)r->n);
            r->b[r->n] = random_values((size_t)(t.n_rows * B_STRIDE), (uint32_t)r->n + 1000);
            r->matrices[r->n] = (slk_adapter_matrix){.layer = l,
                                                     .tensor = e->gguf,
                                                     .rank = RANK,
                                                     .n_in = t.n_cols,
                                                     .n_out = t.n_rows,
                                                     .a = r->a[r->n],
                                                     .b = r->b[r->n],
                                                     .a_stride = a_stride,
                                                     .b_stride = B_STRIDE};
            r->n++;
        }
    }
    slk_source_close(source);
}

static void release(adapter *r)
{
    for (size_t i = 0; i < r->n; i++) free(r->a[i]), free(r->b[i]);
}

static void write_adapter(const adapter *r, const char *path, double alpha)
{
    slk_err err;
    slk_adapter_write_options options = {.alpha = alpha, .dropout = 0.05, .base_name = "tiny", .overwrite = true};
    if (slk_adapter_write(path, &r->config, r->matrices, r->n, &options, &err) != SLK_OK) fail_msg("%s", err.msg);
}

static void remove_path(const char *path)
{
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) {
        char inner[512];
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.') assert_int_equal(remove(inner), 0);
    }
    if (dir) closedir(dir);
    assert_int_equal(remove(path), 0);
}

static slk_model *open_ref(const char *path, const char *adapter_path)
{
    slk_err err;
    slk_model *model;
    slk_model_options options = {.compute = {.backend = SLK_BACKEND_REF, .dtype = SLK_DTYPE_F32, .n_threads = 1},
                                 .adapter = adapter_path};
    if (slk_model_open(&model, path, &options, &err) != SLK_OK) fail_msg("%s", err.msg);
    return model;
}

/* --- there and back --------------------------------------------------------------------------------------------------
 */

/* What the model multiplies with are the matrices that were written, B times scale. */
static void check_read(const adapter *r, const char *model, const char *path, float scale)
{
    slk_model *m = open_ref(model, path);
    assert_int_equal(slk_adapter_n_tensors(m->adapter), r->n);
    for (size_t i = 0; i < r->n; i++) {
        const slk_adapter_matrix *x = &r->matrices[i];
        slk_adapter_place at = slk_adapter_find_place(m->adapter, x->tensor);
        const slk_low_rank *low = slk_adapter_get(m->adapter, x->layer, at.matrix);
        assert_non_null(low);
        assert_int_equal(at.rank, RANK);
        const float *a = low->a.data, *b = low->b.data;
        for (int64_t k = 0; k < RANK; k++)
            assert_memory_equal(a + (at.rank0 + k) * x->n_in, x->a + k * x->a_stride, (size_t)x->n_in * sizeof *a);
        for (int64_t row = 0; row < x->n_out; row++) {
            for (int64_t k = 0; k < RANK; k++) {
                float want = scale * x->b[row * x->b_stride + k], got = b[(at.row + row) * low->b.n_in + at.rank0 + k];
                if (memcmp(&want, &got, sizeof got) != 0)
                    fail_msg("%s: B of %s, layer %d: %.9g, expected %.9g", path, x->tensor, x->layer, (double)got,
                             (double)want);
            }
        }
    }
    slk_model_close(m);
}

static void test_round_trip(void **state)
{
    (void)state;
    char gguf[128], peft[128];
    strcpy(gguf, scratch("adapter.gguf")), strcpy(peft, scratch("adapter"));
    for (size_t i = 0; i < 2 * N_FAMILIES; i++) {
        adapter r;
        char model[512];
        snprintf(model, sizeof model, TINY "%s%s", families[i / 2], i % 2 ? "/model.gguf" : "");
        make(&r, model);
        assert_true(r.n >= 8);
        write_adapter(&r, gguf, RANK);
        write_adapter(&r, peft, RANK);
        check_read(&r, model, gguf, 1);
        check_read(&r, model, peft, 1);
        write_adapter(&r, gguf, 4 * RANK);
        write_adapter(&r, peft, 4 * RANK);
        check_read(&r, model, gguf, 4);
        check_read(&r, model, peft, 4);
        assert_int_equal(n_files_in(folder), 2);
        release(&r);
        remove_path(gguf), remove_path(peft);
    }
}

/* --- against another program's files ---------------------------------------------------------------------------------
 */

/* The reference's A and B out of its GGUF file, in the order of the family's table. */
static void take_reference(adapter *r, const slk_gguf *file)
{
    *r = (adapter){.n = 0};
    read_config(&r->config, TINY "llama-gqa/model.gguf");
    for (const slk_name *e = r->config.family->names; e->gguf; e++) {
        for (int l = 0; l < r->config.n_layers; l++) {
            char name[SLK_NAME_BYTES + 8], weight[SLK_NAME_BYTES];
            slk_family_gguf_name(weight, e, l, "weight");
            snprintf(name, sizeof name, "%s.lora_a", weight);
            const slk_gguf_tensor *a = slk_gguf_find_tensor(file, name);
            snprintf(name, sizeof name, "%s.lora_b", weight);
            const slk_gguf_tensor *b = slk_gguf_find_tensor(file, name);
            if (!a) continue;
            assert_non_null(b);
            assert_int_equal(a->dtype, SLK_DTYPE_F32);
            assert_int_equal((uintptr_t)a->data % 4 + (uintptr_t)b->data % 4, 0);
            r->matrices[r->n++] = (slk_adapter_matrix){.layer = l,
                                                       .tensor = e->gguf,
                                                       .rank = (int64_t)a->ne[1],
                                                       .n_in = (int64_t)a->ne[0],
                                                       .n_out = (int64_t)b->ne[1],
                                                       .a = (const void *)a->data,
                                                       .b = (const void *)b->data};
        }
    }
    assert_int_equal(r->n, 14);
}

static void check_tensors(const char *path_a, const char *path_b)
{
    slk_err err;
    slk_safetensors *a, *b;
    if (slk_safetensors_open(&a, path_a, &err) != SLK_OK) fail_msg("%s", err.msg);
    if (slk_safetensors_open(&b, path_b, &err) != SLK_OK) fail_msg("%s", err.msg);
    assert_int_equal(slk_safetensors_n_tensors(a), slk_safetensors_n_tensors(b));
    for (size_t i = 0; i < slk_safetensors_n_tensors(a); i++) {
        const slk_safetensor *x = slk_safetensors_tensor_at(a, i), *y = slk_safetensors_find_tensor(b, x->name);
        if (!y || x->n_dims != y->n_dims || memcmp(x->shape, y->shape, sizeof x->shape) != 0 ||
            x->n_bytes != y->n_bytes || memcmp(x->data, y->data, x->n_bytes) != 0)
            fail_msg("%s: tensor %s differs", path_b, x->name);
    }
    slk_safetensors_close(a);
    slk_safetensors_close(b);
}

static bool lists(const json_t *list, const char *name)
{
    size_t i;
    const json_t *x;
    json_array_foreach(list, i, x) if (!strcmp(json_string_value(x), name)) return true;
    return false;
}

static json_t *read_config_json(const char *peft)
{
    slk_err err;
    json_t *json;
    char path[256];
    snprintf(path, sizeof path, "%s/adapter_config.json", peft);
    if (slk_json_read(&json, path, &err) != SLK_OK) fail_msg("%s", err.msg);
    return json;
}

/* The reference's GGUF adapter written as PEFT directory is the reference's directory, and what stands in its
 * configuration PEFT wrote, too. */
static void test_reference(void **state)
{
    (void)state;
    slk_err err;
    slk_gguf *file, *again;
    adapter r;
    char peft[128], gguf[128], weights[256];
    strcpy(peft, scratch("peft")), strcpy(gguf, scratch("again.gguf"));
    assert_int_equal(slk_gguf_open(&file, LORA "adapter.gguf", &err), SLK_OK);
    take_reference(&r, file);
    write_adapter(&r, peft, 8);
    snprintf(weights, sizeof weights, "%s/adapter_model.safetensors", peft);
    check_tensors(LORA "adapter/adapter_model.safetensors", weights);
    json_t *own = read_config_json(peft), *theirs = read_config_json(LORA "adapter"), *value;
    const char *key;
    json_object_foreach(own, key, value)
    {
        const json_t *other = json_object_get(theirs, key);
        if (!strcmp(key, "target_modules")) {
            assert_int_equal(json_array_size(value), json_array_size(other));
            for (size_t i = 0; i < json_array_size(other); i++)
                assert_true(lists(value, json_string_value(json_array_get(other, i))));
        } else if (strcmp(key, "base_model_name_or_path") != 0 && strcmp(key, "lora_dropout") != 0) {
            if (!other || !json_equal(value, other)) fail_msg("adapter_config.json: key %s differs", key);
        }
    }
    json_decref(own), json_decref(theirs);
    /* and as GGUF the same keys and tensors */
    write_adapter(&r, gguf, 8);
    if (slk_gguf_open(&again, gguf, &err) != SLK_OK) fail_msg("%s", err.msg);
    static const char *const keys[] = {"general.architecture", "general.type", "adapter.type"};
    for (size_t i = 0; i < 3; i++) {
        slk_gguf_str x, y;
        assert_true(slk_gguf_get_str(file, keys[i], &x) && slk_gguf_get_str(again, keys[i], &y));
        assert_true(x.len == y.len && !memcmp(x.data, y.data, x.len));
    }
    double alpha;
    assert_true(slk_gguf_get_f64(again, "adapter.lora.alpha", &alpha) && alpha == 8);
    for (size_t i = 0; i < slk_gguf_n_tensors(file); i++) {
        const slk_gguf_tensor *x = slk_gguf_tensor_at(file, i), *y = slk_gguf_find_tensor(again, x->name);
        assert_non_null(y);
        assert_memory_equal(x->ne, y->ne, sizeof x->ne);
        assert_memory_equal(x->data, y->data, x->n_bytes);
    }
    slk_gguf_close(again);
    slk_gguf_close(file);
    remove_path(peft), remove_path(gguf);
}

/* GPT-2's two c_proj are told apart; modules of single layers are named in full. */
static void test_target_modules(void **state)
{
    (void)state;
    adapter r;
    char peft[128];
    strcpy(peft, scratch("peft"));
    make(&r, TINY "gpt2");
    write_adapter(&r, peft, 6);
    json_t *json = read_config_json(peft), *list = json_object_get(json, "target_modules");
    static const char *const all[] = {"c_attn", "attn.c_proj", "c_fc", "mlp.c_proj"};
    assert_int_equal(json_array_size(list), 4);
    for (size_t i = 0; i < 4; i++) assert_true(lists(list, all[i]));
    assert_true(json_is_true(json_object_get(json, "fan_in_fan_out")));
    json_decref(json);
    slk_adapter_matrix *last = &r.matrices[r.n - 1];
    assert_string_equal(last->tensor, "blk.#.ffn_down");
    r.n--; /* layer 1 has none now */
    write_adapter(&r, peft, 6);
    json = read_config_json(peft), list = json_object_get(json, "target_modules");
    assert_int_equal(json_array_size(list), 4);
    assert_true(lists(list, "transformer.h.0.mlp.c_proj"));
    assert_false(lists(list, "mlp.c_proj"));
    json_decref(json);
    check_read(&r, TINY "gpt2", peft, 2);
    r.n++;
    release(&r);
    remove_path(peft);
}

/* --- merging ---------------------------------------------------------------------------------------------------------
 */

/* Logits of a text; free() them. */
static float *logits_of(const char *path, const char *adapter_path, size_t *n)
{
    slk_err err;
    slk_model *m;
    slk_model_options options = {.compute = {.backend = SLK_BACKEND_DNNL, .dtype = SLK_DTYPE_F32, .n_threads = 1},
                                 .adapter = adapter_path};
    if (slk_model_open(&m, path, &options, &err) != SLK_OK) fail_msg("%s", err.msg);
    int32_t tokens[20];
    for (int32_t i = 0; i < 20; i++) tokens[i] = 3 + i * 7 % (m->config.n_vocab - 3);
    *n = 20 * (size_t)m->config.n_vocab;
    float *logits = slk_alloc(*n, sizeof *logits);
    run_sequence(m, tokens, 20, logits, NULL);
    slk_model_close(m);
    return logits;
}

static double largest_gap(const float *x, const float *y, size_t n)
{
    double worst = 0, low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        double gap = fabs((double)x[i] - (double)y[i]);
        if (!(gap <= worst)) worst = gap;
        low = fmin(low, (double)y[i]), high = fmax(high, (double)y[i]);
    }
    return worst / (high - low);
}

static void merge(const char *model, const char *path, const char *out, size_t n_tensors)
{
    slk_err err;
    slk_convert_report report;
    slk_convert_options options = {.dtype = SLK_DTYPE_F32, .n_threads = 2};
    if (slk_merge(&report, model, path, out, &options, &err) != SLK_OK) fail_msg("%s", err.msg);
    assert_int_equal(report.n_edited, n_tensors);
}

/* Written for a model of this form, merged into it, in both formats. */
static void check_merged(const char *family, bool from_gguf, const char *form)
{
    adapter r;
    size_t n;
    char model[512], path[128], out[128];
    snprintf(model, sizeof model, TINY "%s%s", family, from_gguf ? "/model.gguf" : "");
    strcpy(path, scratch(form));
    make(&r, model);
    write_adapter(&r, path, 2.5);
    float *want = logits_of(model, path, &n), *plain = logits_of(model, NULL, &n);
    for (int to_gguf = 0; to_gguf < 2; to_gguf++) {
        strcpy(out, scratch(to_gguf ? "out.gguf" : "out"));
        merge(model, path, out, r.n);
        float *got = logits_of(out, NULL, &n);
        double gap = largest_gap(got, want, n);
        if (!(gap <= 1e-5)) fail_msg("%s with %s -> %s: %g of the range", model, form, out, gap);
        free(got);
        remove_path(out);
    }
    assert_true(largest_gap(plain, want, n) > 1e-2);
    free(want), free(plain);
    release(&r);
    remove_path(path);
}

static void test_merged_families(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4 * N_FAMILIES; i++)
        check_merged(families[i / 4], i / 2 % 2, i % 2 ? "adapter.gguf" : "adapter");
}

/* A GGUF adapter is for the GGUF model, also beside a directory of which that has other query matrices. */
static void test_query_factor(void **state)
{
    (void)state;
    adapter r;
    size_t n;
    char path[128];
    strcpy(path, scratch("adapter.gguf"));
    make(&r, TINY "gemma2");
    assert_true(slk_config_query_factor(&r.config) == 0.5);
    write_adapter(&r, path, 2.5);
    float *directory = logits_of(TINY "gemma2", path, &n), *file = logits_of(TINY "gemma2/model.gguf", path, &n);
    assert_true(largest_gap(directory, file, n) <= 1e-5);
    free(directory), free(file);
    release(&r);
    remove_path(path);
}

/* The reference: logits of the merged model that another implementation computed. */
static void test_merged_reference(void **state)
{
    (void)state;
    slk_err err;
    char out[128];
    json_t *reference;
    assert_int_equal(slk_json_read(&reference, LORA "merged.json", &err), SLK_OK);
    json_t *ids = json_object_get(reference, "tokens");
    int32_t n = (int32_t)json_array_size(ids), tokens[16];
    assert_int_equal(n, 7);
    for (int32_t i = 0; i < n; i++) tokens[i] = (int32_t)json_integer_value(json_array_get(ids, (size_t)i));
    for (int i = 0; i < 8; i++) {
        const char *model = i & 1 ? TINY "llama-gqa/model.gguf" : TINY "llama-gqa";
        strcpy(out, scratch(i & 4 ? "out.gguf" : "out"));
        merge(model, i & 2 ? LORA "adapter.gguf" : LORA "adapter", out, 14);
        slk_model *m = open_ref(out, NULL);
        float *logits = slk_alloc((size_t)n * (size_t)m->config.n_vocab, sizeof *logits);
        run_sequence(m, tokens, n, logits, NULL);
        difference d = compare_logits(logits, json_object_get(reference, "logits"));
        if (!(d.max <= 1e-5 * d.range)) fail_msg("%s -> %s: %g of the range", model, out, d.max / d.range);
        free(logits);
        slk_model_close(m);
        remove_path(out);
    }
    json_decref(reference);
}

/* --- mistakes --------------------------------------------------------------------------------------------------------
 */

static const slk_config *full_disk_config;

static int write_on_full_disk(const char *path)
{
    static const float zeros[48 * 2048]; /* together with A more than the largest disk */
    slk_adapter_write_options options = {.alpha = 1};
    slk_adapter_matrix m = {.tensor = "blk.#.attn_q", .rank = 2048, .n_in = 32, .n_out = 48, .a = zeros, .b = zeros};
    slk_err err;
    return slk_adapter_write(path, full_disk_config, &m, 1, &options, &err) == SLK_E_IO ? 0 : 1;
}

static void test_mistakes(void **state)
{
    (void)state;
    slk_err err;
    adapter r;
    char out[128], peft[128];
    strcpy(out, scratch("x.gguf")), strcpy(peft, scratch("x"));
    make(&r, TINY "qwen3");
    slk_adapter_write_options options = {.alpha = 1};
    slk_adapter_matrix *m = &r.matrices[2], good = *m;
    static const struct {
        slk_adapter_matrix m;
        slk_status status;
        const char *part;
    } cases[] = {
        {{.tensor = "blk.#.attn_qkv", .layer = 0}, SLK_E_SHAPE, "attn_qkv in layer 0"},
        {{.tensor = "blk.#.attn_norm", .layer = 0}, SLK_E_SHAPE, "attn_norm in layer 0"},
        {{.tensor = "token_embd", .layer = 0}, SLK_E_SHAPE, "token_embd"},
        {{.layer = 2}, SLK_E_SHAPE, "layer 2: a qwen3 model of 2 layers"},
        {{.layer = -1}, SLK_E_SHAPE, "layer -1"},
        {{.n_out = 24}, SLK_E_SHAPE, "is for [24, 32], expected [48, 32]"},
        {{.rank = 2}, SLK_E_ARG, "has rank 2"},
        {{.tensor = "blk.#.attn_q", .layer = 1}, SLK_E_ARG, "two adapters of blk.#.attn_q in layer 1"},
    };
    assert_string_equal(good.tensor, "blk.#.attn_k");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const slk_adapter_matrix *c = &cases[i].m;
        *m = r.matrices[1]; /* attn_q of layer 1 */
        m->layer = 0;
        if (c->tensor) m->tensor = c->tensor;
        if (c->layer) m->layer = c->layer;
        if (c->n_out) m->n_out = c->n_out;
        if (c->rank) m->rank = c->rank;
        if (!c->tensor) r.matrices[0].layer = 1, r.matrices[1].layer = 1; /* not these first */
        slk_adapter_matrix only[2] = {r.matrices[1], *m};
        slk_status s = slk_adapter_write(out, &r.config, only, 2, &options, &err);
        if (s != cases[i].status || !strstr(err.msg, cases[i].part)) fail_msg("case %zu: %d %s", i, s, err.msg);
    }
    *m = good, r.matrices[0].layer = 0;
    assert_int_equal(slk_adapter_write(out, &r.config, r.matrices, 0, &options, &err), SLK_E_ARG);
    options.alpha = 0;
    assert_int_equal(slk_adapter_write(out, &r.config, r.matrices, r.n, &options, &err), SLK_E_ARG);
    options.alpha = 1;
    assert_int_equal(n_files_in(folder), 0);
    /* what is there stays */
    for (int i = 0; i < 2; i++) {
        const char *path = i ? peft : out;
        assert_int_equal(slk_adapter_write(path, &r.config, r.matrices, r.n, &options, &err), SLK_OK);
        assert_int_equal(slk_adapter_write(path, &r.config, r.matrices, r.n, &options, &err), SLK_E_STATE);
    }
    remove_path(out), remove_path(peft);
    full_disk_config = &r.config;
    on_full_disks(write_on_full_disk, "full");
    on_full_disks(write_on_full_disk, "full.gguf");
    release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),       cmocka_unit_test(test_reference),
        cmocka_unit_test(test_target_modules),   cmocka_unit_test(test_merged_families),
        cmocka_unit_test(test_merged_reference), cmocka_unit_test(test_query_factor),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
