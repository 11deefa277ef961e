/* LoRA adapters beside the model: against values of the merged model that another implementation computed, against
 * models that are merged here (every family, every matrix, both forms), in the tree, and broken ones. */
#include "tiny.h"
#include "tiny_tree.h"

#include <sys/stat.h>

#include "format/quant.h"
#include "scratch.h"

#define LORA SLICK_TEST_DATA "/reference/train/lora/"

/* --- the reference -------------------------------------------------------------------------------------------------
 */

static void check_merged(const char *file, const char *adapter, slk_backend backend, int dtype)
{
    slk_model *m = open_adapted("llama-gqa", file, adapter, backend, dtype, 0);
    if (!m) return;
    slk_err err;
    json_t *reference;
    assert_int_equal(slk_json_read(&reference, LORA "merged.json", &err), SLK_OK);
    json_t *ids = json_object_get(reference, "tokens");
    int32_t n = (int32_t)json_array_size(ids), tokens[16];
    assert_int_equal(n, 7);
    for (int32_t i = 0; i < n; i++) tokens[i] = (int32_t)json_integer_value(json_array_get(ids, (size_t)i));
    float *logits = slk_alloc((size_t)n * (size_t)m->config.n_vocab, sizeof *logits);
    run_sequence(m, tokens, n, logits, NULL);
    difference d = compare_logits(logits, json_object_get(reference, "logits"));
    printf("%-12s %-24s max %.1e of the range, mean %.1e\n", strrchr(adapter, '/') + 1,
           slk_compute_kernel_set(m->compute), d.max / d.range, d.mean / d.range);
    if (dtype == SLK_DTYPE_F32)
        assert_true(d.max <= 1e-5 * d.range);
    else
        assert_true(d.max <= 0.05 * d.range && d.mean <= 0.005 * d.range);
    assert_int_equal(d.n_wrong_argmax, 0);
    free(logits);
    json_decref(reference);
    slk_model_close(m);
}

static void test_merged(void **state)
{
    (void)state;
    static const char *const adapters[] = {LORA "adapter", LORA "adapter.gguf"};
    for (size_t i = 0; i < 4; i++) {
        const char *file = i / 2 ? "" : "/model.gguf", *adapter = adapters[i % 2];
        check_merged(file, adapter, SLK_BACKEND_REF, SLK_DTYPE_F32);
        check_merged(file, adapter, SLK_BACKEND_DNNL, SLK_DTYPE_F32);
        check_merged(file, adapter, SLK_BACKEND_DNNL, SLK_DTYPE_BF16);
    }
}

static void test_tree(void **state)
{
    (void)state;
    check_tree("llama-gqa", LORA "adapter", SLK_BACKEND_DNNL, SLK_DTYPE_F32);
    check_tree("llama-gqa", LORA "adapter", SLK_BACKEND_DNNL, SLK_DTYPE_BF16);
    check_tree("llama-gqa", LORA "adapter.gguf", SLK_BACKEND_REF, SLK_DTYPE_F32);
}

/* --- every family --------------------------------------------------------------------------------------------------
 */

#define RANK  3
#define ALPHA 1.5

/* One set of random A and B for all matrices of a GGUF model, written as GGUF adapter, as PEFT directory, and into the
 * model. */
typedef struct forms {
    slk_gguf *base;
    const slk_family *family;
    int head_dim;
    slk_gguf_writer *merged, *adapter;
    slk_safetensors_writer *peft;
    float *kept[512]; /* data that the writers borrow */
    size_t n_kept, n_pairs;
} forms;

static float *keep(forms *f, size_t n)
{
    assert_true(f->n_kept < sizeof f->kept / sizeof f->kept[0]);
    float *x = slk_alloc(n, sizeof *x);
    assert_non_null(x);
    return f->kept[f->n_kept++] = x;
}

static float *random_values(forms *f, size_t n)
{
    float *x = keep(f, n);
    for (size_t i = 0; i < n; i++) x[i] = ((float)draw(2001) - 1000) * 3e-4f;
    return x;
}

static void put_hf(forms *f, const slk_name *entry, int layer, char which, const float *values, size_t n_rows,
                   size_t n_cols)
{
    char name[SLK_NAME_BYTES], full[SLK_NAME_BYTES + 64];
    slk_err err;
    slk_family_hf_name(name, entry, layer, "weight");
    name[strlen(name) - strlen(".weight")] = 0;
    snprintf(full, sizeof full, "base_model.model.%s.lora_%c.weight", name, which);
    assert_int_equal(
        slk_safetensors_put_tensor(f->peft, full, SLK_DTYPE_F32, 2, (uint64_t[]){n_rows, n_cols}, values, &err),
        SLK_OK);
}

static void add_matrix(forms *f, const slk_gguf_tensor *t, const slk_name *entry, int layer)
{
    slk_err err;
    char name[SLK_NAME_BYTES + 16];
    size_t n_in = t->ne[0], n_out = t->ne[1];
    float *a = random_values(f, RANK * n_in), *b = random_values(f, n_out * RANK), *w = keep(f, n_in * n_out),
          *hf_b = keep(f, n_out * RANK);
    assert_int_equal(slk_dequantize(t->dtype, t->data, n_in * n_out, w, &err), SLK_OK);
    for (size_t r = 0; r < n_out; r++) {
        for (size_t c = 0; c < n_in; c++) {
            double delta = 0;
            for (size_t k = 0; k < RANK; k++) delta += (double)b[r * RANK + k] * (double)a[k * n_in + c];
            w[r * n_in + c] = (float)((double)w[r * n_in + c] + ALPHA / RANK * delta);
        }
        bool pairs = slk_family_change(f->family, entry, "weight") == SLK_CHANGE_PAIRS;
        size_t to = pairs ? (size_t)slk_pairs_hf_row((int64_t)r, f->head_dim) : r;
        memcpy(hf_b + to * RANK, b + r * RANK, RANK * sizeof *b);
    }
    assert_int_equal(slk_gguf_put_tensor(f->merged, t->name, SLK_DTYPE_F32, 2, t->ne, w, &err), SLK_OK);
    snprintf(name, sizeof name, "%s.lora_a", t->name);
    assert_int_equal(slk_gguf_put_tensor(f->adapter, name, SLK_DTYPE_F32, 2, (uint64_t[]){n_in, RANK}, a, &err),
                     SLK_OK);
    snprintf(name, sizeof name, "%s.lora_b", t->name);
    assert_int_equal(slk_gguf_put_tensor(f->adapter, name, SLK_DTYPE_F32, 2, (uint64_t[]){RANK, n_out}, b, &err),
                     SLK_OK);
    put_hf(f, entry, layer, 'A', a, RANK, n_in);
    put_hf(f, entry, layer, 'B', hf_b, n_out, RANK);
    f->n_pairs++;
}

static void write_text(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static void write_forms(forms *f, const char *family, const char *merged, const char *adapter, const char *peft)
{
    slk_err err;
    char path[512];
    slk_config config;
    snprintf(path, sizeof path, TINY "%s/model.gguf", family);
    assert_int_equal(slk_gguf_open(&f->base, path, &err), SLK_OK);
    assert_int_equal(slk_config_read_gguf(&config, f->base, &err), SLK_OK);
    f->family = config.family;
    f->head_dim = config.head_dim;
    assert_int_equal(slk_gguf_writer_create(&f->merged, &err), SLK_OK);
    assert_int_equal(slk_gguf_writer_create(&f->adapter, &err), SLK_OK);
    assert_int_equal(slk_safetensors_writer_create(&f->peft, &err), SLK_OK);
    assert_int_equal(slk_gguf_put_all(f->merged, f->base, &err), SLK_OK);
    assert_int_equal(slk_gguf_put_str(f->adapter, "general.architecture", config.arch, &err), SLK_OK);
    assert_int_equal(slk_gguf_put_str(f->adapter, "general.type", "adapter", &err), SLK_OK);
    assert_int_equal(slk_gguf_put_str(f->adapter, "adapter.type", "lora", &err), SLK_OK);
    assert_int_equal(slk_gguf_put_f32(f->adapter, "adapter.lora.alpha", (float)ALPHA, &err), SLK_OK);
    for (size_t i = 0; i < slk_gguf_n_tensors(f->base); i++) {
        const slk_gguf_tensor *t = slk_gguf_tensor_at(f->base, i);
        const char *suffix;
        int layer;
        const slk_name *entry = slk_family_parse_gguf(f->family, t->name, &layer, &suffix);
        if (entry && slk_family_is_layered(entry) && t->ne[1] > 1)
            add_matrix(f, t, entry, layer);
        else
            assert_int_equal(slk_gguf_put_tensor(f->merged, t->name, t->dtype, t->n_dims, t->ne, t->data, &err),
                             SLK_OK);
    }
    assert_int_equal(slk_gguf_write(f->merged, merged, true, NULL, NULL, &err), SLK_OK);
    assert_int_equal(slk_gguf_write(f->adapter, adapter, true, NULL, NULL, &err), SLK_OK);
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", peft);
    assert_int_equal(slk_safetensors_write(f->peft, path, true, NULL, NULL, &err), SLK_OK);
    snprintf(path, sizeof path, "%s/adapter_config.json", peft);
    write_text(path, config.fused_qkv
                         ? "{\"peft_type\": \"LORA\", \"r\": 3, \"lora_alpha\": 1.5, \"fan_in_fan_out\": true}"
                         : "{\"peft_type\": \"LORA\", \"r\": 3, \"lora_alpha\": 1.5}");
}

static void release_forms(forms *f)
{
    slk_gguf_close(f->base);
    slk_gguf_writer_free(f->merged);
    slk_gguf_writer_free(f->adapter);
    slk_safetensors_writer_free(f->peft);
    for (size_t i = 0; i < f->n_kept; i++) free(f->kept[i]);
}

static slk_model *open_f32(const char *path, const char *adapter)
{
    slk_err err;
    slk_model *model;
    slk_model_options options = {.compute = {.backend = SLK_BACKEND_DNNL, .dtype = SLK_DTYPE_F32, .n_threads = 1},
                                 .adapter = adapter};
    if (slk_model_open(&model, path, &options, &err) != SLK_OK) fail_msg("%s", err.msg);
    return model;
}

/* Logits of a text of 20 tokens; free() them. */
static float *logits_of(const char *path, const char *adapter, size_t *n)
{
    slk_model *m = open_f32(path, adapter);
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
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        double gap = fabs((double)x[i] - (double)y[i]);
        if (!(gap <= worst)) worst = gap;
    }
    return worst;
}

static void check_family_merged(const char *family)
{
    forms f = {0};
    size_t n;
    char base[512], base_dir[512], merged[128], adapter[128], peft[128], path[256];
    snprintf(base, sizeof base, TINY "%s/model.gguf", family);
    snprintf(base_dir, sizeof base_dir, TINY "%s", family);
    strcpy(merged, scratch("merged.gguf")), strcpy(adapter, scratch("adapter.gguf")), strcpy(peft, scratch("peft"));
    assert_int_equal(mkdir(peft, 0700), 0);
    write_forms(&f, family, merged, adapter, peft);
    float *plain = logits_of(base, NULL, &n), *want = logits_of(merged, NULL, &n);
    float *gguf = logits_of(base, adapter, &n), *dir = logits_of(base, peft, &n),
          *dir_gguf = logits_of(base_dir, adapter, &n), *dir_dir = logits_of(base_dir, peft, &n);
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < n; i++) low = fmin(low, (double)want[i]), high = fmax(high, (double)want[i]);
    double gap = largest_gap(gguf, want, n) / (high - low), effect = largest_gap(plain, want, n) / (high - low);
    printf("%-18s %2zu pairs: max %.1e of the range from the merged model, %.1e without the adapter\n", family,
           f.n_pairs, gap, effect);
    assert_true(gap <= 1e-5 && effect > 1e-2);
    assert_memory_equal(gguf, dir, n * sizeof *gguf);
    /* The GGUF adapter is for the GGUF model, whose query matrices Gemma 2's directory has without their factor. */
    assert_true(largest_gap(dir_gguf, want, n) / (high - low) <= 1e-5);
    if (strcmp(family, "gemma2") != 0) assert_memory_equal(dir_gguf, dir_dir, n * sizeof *gguf);
    if (f.family->post_norms || f.family->fused_qkv) check_tree(family, adapter, SLK_BACKEND_DNNL, SLK_DTYPE_F32);
    free(plain), free(want), free(gguf), free(dir), free(dir_gguf), free(dir_dir);
    release_forms(&f);
    snprintf(path, sizeof path, "%s/adapter_config.json", peft), remove(path);
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", peft), remove(path);
    remove(merged), remove(adapter), remove(peft);
}

static void test_families(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FAMILIES; i++) check_family_merged(families[i]);
}

/* --- settings and broken adapters ----------------------------------------------------------------------------------
 */

/* A PEFT directory "peft" in the scratch folder: the reference's with the keys of `patch` (JSON) put over its config.
 */
static void write_peft(const char *patch)
{
    slk_err err;
    json_t *config, *more;
    char path[256];
    assert_int_equal(slk_json_read(&config, LORA "adapter/adapter_config.json", &err), SLK_OK);
    assert_int_equal(slk_json_parse(&more, patch, strlen(patch), "patch", 1, &err), SLK_OK);
    assert_int_equal(json_object_update(config, more), 0);
    char *text = json_dumps(config, 0);
    snprintf(path, sizeof path, "%s/adapter_config.json", scratch("peft"));
    write_text(path, text);
    free(text);
    json_decref(config);
    json_decref(more);
}

static void test_settings(void **state)
{
    (void)state;
    size_t n;
    char peft[128], link_path[256], config[256];
    strcpy(peft, scratch("peft"));
    assert_int_equal(mkdir(peft, 0700), 0);
    snprintf(link_path, sizeof link_path, "%s/adapter_model.safetensors", peft);
    snprintf(config, sizeof config, "%s/adapter_config.json", peft);
    assert_int_equal(symlink(LORA "adapter/adapter_model.safetensors", link_path), 0);
    const char *base = TINY "llama-gqa/model.gguf";
    float *want = logits_of(base, LORA "adapter", &n);
    /* r 4: 8 / 4 = 4 / sqrt(4) */
    static const char *const same[] = {
        "{\"use_rslora\": true, \"lora_alpha\": 4}",
        "{\"lora_alpha\": 99, \"alpha_pattern\": {\"self_attn.q_proj\": 8, \"k_proj\": 8, \"v_proj\": 8, \"o_proj\": "
        "8, \"mlp.gate_proj\": 8, "
        "\"model.layers.0.mlp.up_proj\": 8, \"model.layers.1.mlp.up_proj\": 8, \"down_proj\": 8, \"proj\": 5}}",
        "{\"r\": 9, \"rank_pattern\": {\"proj\": 4}}",
        "{\"init_lora_weights\": \"gaussian\", \"lora_dropout\": 0.1, \"some_new_key\": []}",
    };
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        write_peft(same[i]);
        float *got = logits_of(base, peft, &n);
        if (memcmp(got, want, n * sizeof *got) != 0) fail_msg("%s: other logits", same[i]);
        free(got);
    }
    write_peft("{\"lora_alpha\": 9}");
    float *other = logits_of(base, peft, &n);
    assert_true(largest_gap(other, want, n) > 1e-3);
    free(other);
    free(want);
    remove(link_path), remove(config), remove(peft);
}

static uint64_t hash_of(const char *adapter)
{
    slk_model *m = open_f32(TINY "llama-gqa/model.gguf", adapter);
    uint64_t hash = slk_adapter_hash(m->adapter);
    slk_model_close(m);
    return hash;
}

static void expect_refusal(const char *family, const char *adapter, slk_status status, const char *part)
{
    slk_err err;
    slk_model *model;
    char path[512];
    slk_model_options options = {.compute = {.backend = SLK_BACKEND_DNNL, .dtype = SLK_DTYPE_F32, .n_threads = 1},
                                 .adapter = adapter};
    snprintf(path, sizeof path, TINY "%s/model.gguf", family);
    slk_status s = slk_model_open(&model, path, &options, &err);
    if (s != status || !strstr(err.msg, part))
        fail_msg("expected %d with '%s', got %d: %s", status, part, s, s == SLK_OK ? "" : err.msg);
    assert_null(model);
    assert_null(strchr(err.msg, '\n'));
}

static void test_broken_config(void **state)
{
    (void)state;
    static const struct {
        const char *patch;
        slk_status status;
        const char *part;
    } cases[] = {
        {"{\"use_dora\": true}", SLK_E_UNSUPPORTED, "adapter_config.json: key use_dora is true"},
        {"{\"bias\": \"all\"}", SLK_E_UNSUPPORTED, "key bias is \"all\""},
        {"{\"modules_to_save\": [\"lm_head\"]}", SLK_E_UNSUPPORTED, "key modules_to_save is [\"lm_head\"]"},
        {"{\"fan_in_fan_out\": true}", SLK_E_UNSUPPORTED, "key fan_in_fan_out is true"},
        {"{\"some_new_key\": 1}", SLK_E_UNSUPPORTED, "key some_new_key is 1"},
        {"{\"init_lora_weights\": \"pissa\"}", SLK_E_UNSUPPORTED, "key init_lora_weights is \"pissa\""},
        {"{\"alpha_pattern\": {\".*proj\": 3}}", SLK_E_UNSUPPORTED, "key alpha_pattern is"},
        {"{\"peft_type\": \"LOHA\"}", SLK_E_UNSUPPORTED, "key peft_type is \"LOHA\""},
        {"{\"peft_type\": 3}", SLK_E_FORMAT, "key peft_type is missing"},
        {"{\"r\": 0}", SLK_E_FORMAT, "key r is"},
        {"{\"lora_alpha\": null}", SLK_E_FORMAT, "key lora_alpha is"},
        {"{\"r\": 5}", SLK_E_SHAPE, "has 4 rows, and r in adapter_config.json is 5"},
    };
    char peft[128], link_path[256], config[256];
    strcpy(peft, scratch("peft"));
    assert_int_equal(mkdir(peft, 0700), 0);
    expect_refusal("llama-gqa", peft, SLK_E_NOT_FOUND, "adapter_config.json is missing");
    snprintf(link_path, sizeof link_path, "%s/adapter_model.safetensors", peft);
    snprintf(config, sizeof config, "%s/adapter_config.json", peft);
    write_peft("{}");
    expect_refusal("llama-gqa", peft, SLK_E_NOT_FOUND, "adapter_model.safetensors is missing");
    assert_int_equal(symlink(LORA "adapter/adapter_model.safetensors", link_path), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_peft(cases[i].patch);
        expect_refusal("llama-gqa", peft, cases[i].status, cases[i].part);
    }
    write_text(config, "[1]");
    expect_refusal("llama-gqa", peft, SLK_E_FORMAT, "adapter_config.json: expected an object");
    /* what decides results decides the hash */
    write_peft("{\"lora_dropout\": 0.5}");
    assert_int_equal(hash_of(peft), hash_of(LORA "adapter"));
    write_peft("{\"lora_alpha\": 9}");
    assert_int_not_equal(hash_of(peft), hash_of(LORA "adapter"));
    remove(link_path), remove(config), remove(peft);
}

/* Adapter files of one tensor or two beside sound ones of blk.0.attn_q. */
typedef struct wrong {
    const char *name[2];
    uint64_t ne[2][2];
    const char *key, *type, *arch;
    slk_status status;
    const char *part;
} wrong;

static void check_wrong(const wrong *w)
{
    static const float zeros[64 * 64];
    slk_err err;
    slk_gguf_writer *out;
    char path[128];
    strcpy(path, scratch("wrong.gguf"));
    assert_int_equal(slk_gguf_writer_create(&out, &err), SLK_OK);
    slk_gguf_put_str(out, "general.architecture", w->arch ? w->arch : "llama", &err);
    slk_gguf_put_str(out, "general.type", w->type ? w->type : "adapter", &err);
    slk_gguf_put_str(out, "adapter.type", "lora", &err);
    slk_gguf_put_f32(out, w->key ? w->key : "adapter.lora.alpha", 8, &err);
    for (int i = 0; i < 2 && w->name[i]; i++) {
        assert_int_equal(slk_gguf_put_tensor(out, w->name[i], SLK_DTYPE_F32, 2, w->ne[i], zeros, &err), SLK_OK);
    }
    assert_int_equal(slk_gguf_write(out, path, true, NULL, NULL, &err), SLK_OK);
    slk_gguf_writer_free(out);
    expect_refusal("llama-gqa", path, w->status, w->part);
    remove(path);
}

static void test_broken_tensors(void **state)
{
    (void)state;
    static const char *const a = "blk.0.attn_q.weight.lora_a", *const b = "blk.0.attn_q.weight.lora_b";
    const wrong cases[] = {
        {.name = {a},
         .ne = {{32, 4}},
         .status = SLK_E_NOT_FOUND,
         .part = "tensor blk.0.attn_q.weight.lora_a has no partner"},
        {.name = {b},
         .ne = {{4, 32}},
         .status = SLK_E_NOT_FOUND,
         .part = "tensor blk.0.attn_q.weight.lora_b has no partner"},
        {.name = {a, b},
         .ne = {{31, 4}, {4, 32}},
         .status = SLK_E_SHAPE,
         .part = "lora_a is [4, 31], expected [4, 32]"},
        {.name = {a, b},
         .ne = {{32, 4}, {4, 33}},
         .status = SLK_E_SHAPE,
         .part = "lora_b is [33, 4], expected [32, 4]"},
        {.name = {a, b},
         .ne = {{32, 4}, {5, 32}},
         .status = SLK_E_SHAPE,
         .part = "lora_b is [32, 5], expected [32, 4]"},
        {.name = {"blk.2.attn_q.weight.lora_a"},
         .ne = {{32, 4}},
         .status = SLK_E_SHAPE,
         .part = "the model has 2 layers"},
        {.name = {"token_embd.weight.lora_a"},
         .ne = {{32, 4}},
         .status = SLK_E_UNSUPPORTED,
         .part = "tensor token_embd.weight.lora_a"},
        {.name = {"blk.0.attn_norm.weight"},
         .ne = {{32, 1}},
         .status = SLK_E_UNSUPPORTED,
         .part = "tensor blk.0.attn_norm.weight"},
        {.name = {"blk.0.attn_q.bias.lora_a"},
         .ne = {{32, 4}},
         .status = SLK_E_UNSUPPORTED,
         .part = "tensor blk.0.attn_q.bias.lora_a"},
        {.status = SLK_E_FORMAT, .part = "found no tensors"},
        {.key = "adapter.lora.beta", .status = SLK_E_FORMAT, .part = "key adapter.lora.alpha is missing"},
        {.type = "model", .status = SLK_E_UNSUPPORTED, .part = "key general.type is \"model\""},
        {.arch = "qwen3", .status = SLK_E_SHAPE, .part = "an adapter for qwen3 models, and this is a llama model"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) check_wrong(&cases[i]);
    expect_refusal("qwen2", LORA "adapter.gguf", SLK_E_SHAPE, "adapter.gguf: an adapter for llama models");
    expect_refusal("gpt2", LORA "adapter", SLK_E_UNSUPPORTED,
                   "base_model.model.model.layers.0.mlp.down_proj.lora_A.weight");
    expect_refusal("llama-linear-rope", LORA "adapter", SLK_E_SHAPE, "(rows, columns)");
    expect_refusal("llama-gqa", TINY "llama-gqa/model.gguf", SLK_E_UNSUPPORTED, "key general.type is \"model\"");
    expect_refusal("llama-gqa", TINY "llama-gqa", SLK_E_NOT_FOUND, "adapter_config.json is missing");
    expect_refusal("llama-gqa", LORA "nothing.gguf", SLK_E_IO, "nothing.gguf");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merged),   cmocka_unit_test(test_tree),          cmocka_unit_test(test_families),
        cmocka_unit_test(test_settings), cmocka_unit_test(test_broken_config), cmocka_unit_test(test_broken_tensors),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
