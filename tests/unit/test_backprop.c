/* Losses, gradients and AdamW trajectories of whole models and of a LoRA adapter against float64 values of PyTorch
 * (tests/data/reference/train; the tolerances are those of its README). */
#include "tiny.h"

#include "compute/backward.h"
#include "format/safetensors.h"
#include "model/backprop.h"

#define TRAIN SLICK_TEST_DATA "/reference/train/"

/* --- the batch: each sequence by itself ----------------------------------------------------------------------------
 */

typedef struct batch {
    slk_train_rows rows;
    int32_t tokens[128], pos[128], end[128];
    uint64_t hash[128];
    slk_path paths[8];
    slk_run runs[8];
    slk_target targets[32];
} batch;

static void read_batch(batch *b)
{
    slk_err err;
    json_t *json, *sequence, *value;
    size_t i, k;
    if (slk_json_read(&json, TRAIN "batch.json", &err) != SLK_OK) fail_msg("%s", err.msg);
    slk_train_rows r = {0};
    json_array_foreach(json_object_get(json, "sequences"), i, sequence)
    {
        json_t *tokens = json_object_get(sequence, "tokens"), *mask = json_object_get(sequence, "mask");
        int32_t n = (int32_t)json_array_size(tokens), row0 = r.n_rows;
        b->runs[i] = (slk_run){row0, n};
        b->paths[i] = (slk_path){.row0 = row0, .n_rows = n, .runs = &b->runs[i], .n_runs = 1};
        json_array_foreach(tokens, k, value)
        {
            b->tokens[r.n_rows] = (int32_t)json_integer_value(value);
            b->pos[r.n_rows] = (int32_t)k;
            b->end[r.n_rows] = row0 + n;
            b->hash[r.n_rows] = i * 1000 + k;
            if (json_integer_value(json_array_get(mask, k)))
                b->targets[r.n_targets++] =
                    (slk_target){.row = r.n_rows - 1, .token = b->tokens[r.n_rows], .example = (int32_t)i};
            r.n_rows++;
        }
    }
    r.n_paths = (int32_t)i;
    r.tokens = b->tokens, r.pos = b->pos, r.end = b->end, r.hash = b->hash;
    r.paths = b->paths, r.targets = b->targets;
    b->rows = r;
    assert_int_equal(r.n_targets, 24);
    json_decref(json);
}

/* --- parameters by their names in the reference ---------------------------------------------------------------------
 */

static slk_model *open_for_training(const char *name, const char *file, slk_backend backend, int dtype)
{
    char path[512];
    slk_err err;
    slk_model *model;
    slk_model_options options = {.compute = {.backend = backend, .dtype = dtype}, .trainable = true};
    snprintf(path, sizeof path, TINY "%s%s", name, file);
    if (slk_model_open(&model, path, &options, &err) != SLK_OK) fail_msg("%s", err.msg);
    return model;
}

/* What the reference calls this part, and how its values are ordered there. */
typedef struct view {
    char name[256];
    slk_change change;
    bool is_b, is_a;
} view;

static view view_part(const slk_config *c, const slk_param_part *part)
{
    view v = {0};
    char gguf[96], hf[SLK_NAME_BYTES];
    int layer;
    const char *suffix;
    snprintf(gguf, sizeof gguf, "%s", part->name);
    char *lora = strstr(gguf, ".lora_");
    v.is_a = lora && lora[6] == 'a', v.is_b = lora && lora[6] == 'b';
    if (lora) *lora = 0;
    const slk_name *entry = slk_family_parse_gguf(c->family, gguf, &layer, &suffix);
    assert_non_null(entry);
    slk_family_hf_name(hf, entry, layer, suffix);
    v.change = slk_family_change(c->family, entry, suffix);
    if (lora) {
        hf[strlen(hf) - strlen(".weight")] = 0;
        snprintf(v.name, sizeof v.name, "base_model.model.%s.lora_%c.weight", hf, v.is_a ? 'A' : 'B');
        if (v.is_a) v.change = SLK_CHANGE_NONE; /* rows of A are ranks */
    } else {
        snprintf(v.name, sizeof v.name, "%s", hf);
    }
    return v;
}

/* Where value (r, c) of the part stands in the reference's tensor. */
static int64_t place(const slk_config *c, const view *v, const slk_param_part *part, bool vector, int64_t r, int64_t k)
{
    if (v->change == SLK_CHANGE_TRANSPOSE && !vector) return k * part->n_rows + r;
    if (v->change == SLK_CHANGE_PAIRS && vector) return slk_pairs_hf_row(k, c->head_dim);
    if (v->change == SLK_CHANGE_PAIRS) r = slk_pairs_hf_row(r, c->head_dim);
    return r * part->n_cols + k;
}

/* --- comparisons ---------------------------------------------------------------------------------------------------
 */

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    assert_non_null(value);
    return json_number_value(value);
}

static void check_gradients(const slk_params *params, const char *path, double bound)
{
    slk_err err;
    slk_safetensors *file;
    const slk_config *c = &params->model->config;
    size_t n_seen = 0;
    double worst = 0;
    if (slk_safetensors_open(&file, path, &err) != SLK_OK) fail_msg("%s", err.msg);
    for (size_t i = 0; i < params->n; i++) {
        const slk_param *p = &params->items[i];
        for (int q = 0; q < p->n_parts; q++) {
            const slk_param_part *part = &p->parts[q];
            view v = view_part(c, part);
            const slk_safetensor *t = slk_safetensors_find_tensor(file, v.name);
            if (!t) fail_msg("no gradient of %s", v.name);
            assert_int_equal(t->n_bytes, (size_t)(part->n_rows * part->n_cols) * sizeof(float));
            float *expected = slk_alloc(t->n_bytes, 1);
            memcpy(expected, t->data, t->n_bytes);
            double largest = 0, gap = 0;
            for (int64_t r = 0; r < part->n_rows; r++) {
                for (int64_t k = 0; k < part->n_cols; k++) {
                    double own = p->weight_scale * p->grad[(part->row + r) * p->n_cols + part->col + k];
                    double x = expected[place(c, &v, part, p->is_vector, r, k)];
                    largest = fmax(largest, fabs(x));
                    if (!(fabs(own - x) <= gap)) gap = fabs(own - x);
                }
            }
            if (largest > 1e-12 && !(gap <= bound * largest))
                fail_msg("%s: gradient of %s is off by %g of %g", path, v.name, gap, largest);
            if (largest > 1e-12) worst = fmax(worst, gap / largest);
            free(expected);
            n_seen++;
        }
    }
    printf("%s: %zu gradients, worst %.1e of the largest of its tensor\n", path + strlen(TRAIN), n_seen, worst);
    assert_int_equal(n_seen, slk_safetensors_n_tensors(file));
    slk_safetensors_close(file);
}

static void check_final(const slk_params *params, const json_t *final)
{
    const slk_config *c = &params->model->config;
    for (size_t i = 0; i < params->n; i++) {
        const slk_param *p = &params->items[i];
        for (int q = 0; q < p->n_parts; q++) {
            const slk_param_part *part = &p->parts[q];
            view v = view_part(c, part);
            const json_t *expected = json_object_get(final, v.name);
            int64_t n_cols = part->n_cols, col = part->col;
            if (strstr(v.name, "c_attn.bias")) { /* the middle third has no gradient but rounding: see the README */
                expected = json_object_get(expected, "v");
                n_cols /= 3, col += 2 * n_cols;
            }
            assert_non_null(expected);
            double sum = 0, squares = 0;
            for (int64_t r = 0; r < part->n_rows; r++) {
                for (int64_t k = 0; k < n_cols; k++) {
                    double x = (double)p->master[(part->row + r) * p->n_cols + col + k] - p->center;
                    sum += x, squares += x * x;
                }
            }
            if (!(fabs(sqrt(squares) / number(expected, "l2") - 1) <= 1e-5) ||
                !(fabs(sum - number(expected, "sum")) <= 1e-3))
                fail_msg("%s: sum %.9g and norm %.9g, expected %.9g and %.9g", v.name, sum, sqrt(squares),
                         number(expected, "sum"), number(expected, "l2"));
        }
    }
}

/* --- training ------------------------------------------------------------------------------------------------------
 */

typedef struct trainer {
    slk_model *model;
    slk_params *params;
    slk_backprop *backprop;
    float **m, **v;
} trainer;

static void open_trainer(trainer *t, slk_model *model, const slk_lora *lora, bool recompute)
{
    slk_err err;
    slk_backprop_options options = {.recompute = recompute};
    t->model = model;
    if (slk_params_create(&t->params, model, 0, lora, &err) != SLK_OK) fail_msg("%s", err.msg);
    if (slk_backprop_create(&t->backprop, model, t->params, &options, &err) != SLK_OK) fail_msg("%s", err.msg);
    t->m = slk_alloc(t->params->n, sizeof *t->m);
    t->v = slk_alloc(t->params->n, sizeof *t->v);
    for (size_t i = 0; i < t->params->n; i++) {
        size_t n = (size_t)(t->params->items[i].n_rows * t->params->items[i].n_cols);
        t->m[i] = slk_alloc_zero(n, sizeof(float));
        t->v[i] = slk_alloc_zero(n, sizeof(float));
    }
}

static void close_trainer(trainer *t)
{
    for (size_t i = 0; i < t->params->n; i++) free(t->m[i]), free(t->v[i]);
    free(t->m), free(t->v);
    slk_backprop_free(t->backprop);
    slk_params_free(t->params);
    slk_model_close(t->model);
}

/* Loss of the batch, with the gradients of its mean. */
static double run(const trainer *t, const batch *b, uint64_t step, bool backward)
{
    slk_err err;
    double losses[32], sum = 0;
    slk_params_zero_grad(t->params);
    slk_status s = slk_backprop_run(t->backprop, &b->rows, step, backward ? 1.0 / b->rows.n_targets : 0, losses, &err);
    if (s != SLK_OK) fail_msg("%s", err.msg);
    for (int32_t i = 0; i < b->rows.n_targets; i++) sum += losses[i];
    return sum / b->rows.n_targets;
}

/* The step of the reference: clipping at 1, lr 1e-3, decay 0.01 on everything. */
static void optimise(const trainer *t, int64_t step, double norm)
{
    for (size_t i = 0; i < t->params->n; i++) {
        const slk_param *p = &t->params->items[i];
        slk_adamw a = {.lr = 1e-3,
                       .beta1 = 0.9,
                       .beta2 = 0.999,
                       .eps = 1e-8,
                       .decay = 0.01,
                       .center = p->center,
                       .clip = p->weight_scale * fmin(1, 1 / (norm + 1e-6)),
                       .t = step};
        slk_compute_adamw(t->model->compute, &a, p->master, NULL, t->m[i], t->v[i], p->grad, p->n_rows * p->n_cols);
    }
    slk_params_publish(t->params, -1);
}

static void check_trajectory(trainer *t, const char *name, bool follow)
{
    char path[512];
    slk_err err;
    json_t *json, *step;
    batch b;
    size_t i;
    read_batch(&b);
    snprintf(path, sizeof path, TRAIN "%s/trajectory.json", name);
    if (slk_json_read(&json, path, &err) != SLK_OK) fail_msg("%s", err.msg);
    snprintf(path, sizeof path, TRAIN "%s/gradients.safetensors", name);
    double worst_loss = 0, worst_norm = 0;
    json_array_foreach(json_object_get(json, "steps"), i, step)
    {
        double loss = run(t, &b, i, true), norm = slk_params_grad_norm(t->params);
        if (i == 0) check_gradients(t->params, path, 1e-4);
        worst_loss = fmax(worst_loss, fabs(loss - number(step, "loss")));
        double gap = fabs(norm / number(step, "grad_norm") - 1);
        worst_norm = fmax(worst_norm, gap);
        assert_true(fabs(loss - number(step, "loss")) <= 1e-4);
        assert_true(gap <= (i == 0 ? 1e-5 : 1e-3));
        if (!follow) break;
        optimise(t, (int64_t)i + 1, norm);
    }
    printf("%s: loss within %.1e, gradient norm within %.1e\n", name, worst_loss, worst_norm);
    if (follow) {
        assert_true(fabs(run(t, &b, 0, false) - number(json, "loss_after")) <= 1e-4);
        check_final(t->params, json_object_get(json, "final"));
    }
    json_decref(json);
}

static const char *const trained[] = {"llama-gqa", "qwen3", "gemma3", "gpt2"};
#define N_TRAINED (sizeof trained / sizeof trained[0])

static void test_models(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_TRAINED; i++) {
        for (int k = 0; k < 3; k++) {
            trainer t;
            slk_backend backend = k == 1 ? SLK_BACKEND_REF : SLK_BACKEND_DNNL;
            slk_model *m = open_for_training(trained[i], k == 2 ? "" : "/model.gguf", backend, SLK_DTYPE_F32);
            open_trainer(&t, m, NULL, k == 2);
            check_trajectory(&t, trained[i], k != 1);
            close_trainer(&t);
        }
    }
}

/* A and B of the reference's adapter become the masters. */
static void take_adapter(const slk_params *params)
{
    slk_err err;
    slk_safetensors *file;
    const slk_config *c = &params->model->config;
    if (slk_safetensors_open(&file, TRAIN "lora/adapter/adapter_model.safetensors", &err) != SLK_OK)
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < params->n; i++) {
        const slk_param *p = &params->items[i];
        for (int q = 0; q < p->n_parts; q++) {
            const slk_param_part *part = &p->parts[q];
            view v = view_part(c, part);
            const slk_safetensor *t = slk_safetensors_find_tensor(file, v.name);
            assert_non_null(t);
            float *values = slk_alloc(t->n_bytes, 1);
            memcpy(values, t->data, t->n_bytes);
            for (int64_t r = 0; r < part->n_rows; r++) {
                for (int64_t k = 0; k < part->n_cols; k++)
                    p->master[(part->row + r) * p->n_cols + part->col + k] =
                        values[place(c, &v, part, p->is_vector, r, k)];
            }
            free(values);
        }
    }
    slk_safetensors_close(file);
}

static void test_lora(void **state)
{
    (void)state;
    for (int k = 0; k < 3; k++) {
        trainer t;
        slk_lora lora = {.rank = 4, .alpha = 8, .targets = 127};
        slk_backend backend = k == 1 ? SLK_BACKEND_REF : SLK_BACKEND_DNNL;
        slk_model *m = open_for_training("llama-gqa", k == 0 ? "/model.gguf" : "", backend, SLK_DTYPE_F32);
        open_trainer(&t, m, &lora, k == 2);
        take_adapter(t.params);
        slk_params_publish(t.params, -1);
        check_trajectory(&t, "lora", k != 1);
        close_trainer(&t);
    }
}

/* bf16 products with f32 masters: no reference has these, so the loss is held loosely, and must fall as in f32. */
static void test_bf16(void **state)
{
    (void)state;
    batch b;
    read_batch(&b);
    for (size_t i = 0; i < N_TRAINED; i++) {
        trainer t;
        char path[512];
        slk_err err;
        json_t *json;
        snprintf(path, sizeof path, TRAIN "%s/trajectory.json", trained[i]);
        if (slk_json_read(&json, path, &err) != SLK_OK) fail_msg("%s", err.msg);
        open_trainer(&t, open_for_training(trained[i], "/model.gguf", SLK_BACKEND_REF, SLK_DTYPE_BF16), NULL, false);
        double first = run(&t, &b, 0, true);
        for (int64_t step = 1; step <= 20; step++) {
            run(&t, &b, (uint64_t)step, true);
            optimise(&t, step, slk_params_grad_norm(t.params));
        }
        double after = run(&t, &b, 0, false), expected = number(json, "loss_after");
        printf("%s bf16: %.4f -> %.4f, in float64 %.4f -> %.4f\n", trained[i], first, after, number(json, "loss"),
               expected);
        assert_true(fabs(first / number(json, "loss") - 1) <= 0.02);
        assert_true(fabs(after - expected) <= 0.1 * number(json, "loss"));
        json_decref(json);
        close_trainer(&t);
    }
}

/* Families without a reference: along its own gradient, each parameter must change the loss by the gradient's length.
 * The central difference of a float32 loss is good to about a part in a thousand here. */
static void test_differences(void **state)
{
    (void)state;
    batch b;
    read_batch(&b);
    for (size_t f = 0; f < N_FAMILIES; f++) {
        trainer t;
        double worst = 0;
        open_trainer(&t, open_for_training(families[f], "/model.gguf", SLK_BACKEND_REF, SLK_DTYPE_F32), NULL, false);
        for (size_t i = 0; i < t.params->n; i++) {
            const slk_param *p = &t.params->items[i];
            size_t n = (size_t)(p->n_rows * p->n_cols);
            float *w = slk_alloc(n, sizeof *w), *g = slk_alloc(n, sizeof *g);
            double length = 0, size = 0, loss[2];
            run(&t, &b, 0, true);
            for (size_t k = 0; k < n; k++) length += (double)p->grad[k] * p->grad[k];
            length = sqrt(length);
            memcpy(w, p->master, n * sizeof *w);
            memcpy(g, p->grad, n * sizeof *g);
            for (size_t k = 0; k < n; k++) size += (double)w[k] * w[k];
            double h = fmin(0.02 * (sqrt(size) + 0.1), 5e-3 / (length + 1e-9));
            for (int side = 0; side < 2; side++) {
                for (size_t k = 0; k < n; k++) p->master[k] = (float)(w[k] + (side ? h : -h) * g[k] / (length + 1e-30));
                loss[side] = run(&t, &b, 0, false);
            }
            memcpy(p->master, w, n * sizeof *w);
            double gap = fabs((loss[1] - loss[0]) / (2 * h) - length);
            if (!(gap <= 1e-2 * length + 2e-4))
                fail_msg("%s: along the gradient of %s the loss changes by %g, expected %g", families[f],
                         p->parts[0].name, (loss[1] - loss[0]) / (2 * h), length);
            worst = fmax(worst, gap / (length + 0.02));
            free(w), free(g);
        }
        printf("%s: differences within %.1e\n", families[f], worst);
        close_trainer(&t);
    }
}

/* What is frozen has no gradient, and what is left has the same as before. */
static void test_frozen(void **state)
{
    (void)state;
    static const unsigned groups[] = {SLK_PARAM_ATTENTION, SLK_PARAM_FFN, SLK_PARAM_EMBEDDINGS};
    batch b;
    read_batch(&b);
    trainer all;
    open_trainer(&all, open_for_training("gemma3", "/model.gguf", SLK_BACKEND_DNNL, SLK_DTYPE_F32), NULL, false);
    run(&all, &b, 0, true);
    for (size_t g = 0; g < 3; g++) {
        slk_err err;
        slk_backprop_options options = {0};
        trainer t = {.model = open_for_training("gemma3", "/model.gguf", SLK_BACKEND_DNNL, SLK_DTYPE_F32)};
        assert_int_equal(slk_params_create(&t.params, t.model, groups[g], NULL, &err), SLK_OK);
        assert_int_equal(slk_backprop_create(&t.backprop, t.model, t.params, &options, &err), SLK_OK);
        run(&t, &b, 0, true);
        assert_true(slk_params_n_trained(t.params) < slk_params_n_trained(all.params));
        for (size_t i = 0; i < t.params->n; i++) {
            const slk_param *p = &t.params->items[i], *q = &all.params->items[i];
            assert_string_equal(p->parts[0].name, q->parts[0].name);
            assert_true((p->grad == NULL) == (p->group == groups[g]));
            if (p->grad) assert_memory_equal(p->grad, q->grad, (size_t)(p->n_rows * p->n_cols) * sizeof *p->grad);
        }
        slk_backprop_free(t.backprop);
        slk_params_free(t.params);
        slk_model_close(t.model);
    }
    slk_err err;
    slk_params *none;
    slk_model *m = open_for_training("gemma3", "/model.gguf", SLK_BACKEND_DNNL, SLK_DTYPE_F32);
    assert_int_equal(slk_params_create(&none, m, 15, NULL, &err), SLK_E_ARG);
    slk_model_close(m);
    close_trainer(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_models), cmocka_unit_test(test_lora),
                                       cmocka_unit_test(test_bf16), cmocka_unit_test(test_differences),
                                       cmocka_unit_test(test_frozen)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
