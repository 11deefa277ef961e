/* The tiny models of tests/data/reference/tiny and the values that other implementations computed for them: shared by
 * the tests of the decoder (test_forward.c) and of Hugging Face directories (test_directory.c). */
#ifndef SLICK_TESTS_TINY_H
#define SLICK_TESTS_TINY_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/model.h"
#include "model/tree.h"

#define TINY SLICK_TEST_DATA "/reference/tiny/"

static const char *const families[] = {
    "llama-gqa", "llama-tied-rope3", "llama-linear-rope", "mistral-window", "qwen2", "qwen3", "gemma2", "gemma3",
    "gpt2"};
#define N_FAMILIES (sizeof families / sizeof families[0])

/* file: "/model.gguf", or "" for the directory that it lies in. adapter: NULL or a path. */
static inline slk_model *open_adapted(const char *name, const char *file, const char *adapter, slk_backend backend,
                                      int dtype, int n_threads)
{
    char path[512];
    slk_err err;
    slk_model *model;
    slk_model_options options = {.compute = {.backend = backend, .dtype = dtype, .n_threads = n_threads},
                                 .adapter = adapter};
    snprintf(path, sizeof path, TINY "%s%s", name, file);
    slk_status s = slk_model_open(&model, path, &options, &err);
    if (s != SLK_OK && !(s == SLK_E_UNSUPPORTED && dtype == SLK_DTYPE_BF16)) fail_msg("%s", err.msg);
    return s == SLK_OK ? model : NULL; /* NULL: this processor does not multiply bf16 */
}

static inline slk_model *open_form(const char *name, const char *file, slk_backend backend, int dtype, int n_threads)
{
    return open_adapted(name, file, NULL, backend, dtype, n_threads);
}

static inline slk_model *open_model(const char *name, slk_backend backend, int dtype, int n_threads)
{
    return open_form(name, "/model.gguf", backend, dtype, n_threads);
}

static inline json_t *open_reference(const char *name)
{
    char path[512];
    slk_err err;
    json_t *json;
    snprintf(path, sizeof path, TINY "%s/reference.json", name);
    if (slk_json_read(&json, path, &err) != SLK_OK) fail_msg("%s", err.msg);
    return json;
}

/* --- reference values ----------------------------------------------------------------------------------------------
 */

/* Logits [n][n_vocab] (and hidden states) of one sequence from the root. */
static inline void run_sequence(slk_model *m, const int32_t *tokens, int32_t n, float *logits, float *hidden)
{
    slk_err err;
    slk_forward *forward;
    slk_tree *tree;
    slk_seg seg;
    assert_int_equal(slk_forward_create(&forward, m, &err), SLK_OK);
    assert_int_equal(slk_tree_create(&tree, m, forward, 64, &err), SLK_OK);
    assert_int_equal(slk_tree_insert(tree, SLK_SEG_NONE, tokens, n, &seg, &err), SLK_OK);
    slk_ask *asks = slk_alloc_zero((size_t)n, sizeof *asks);
    for (int32_t i = 0; i < n; i++)
        asks[i] = (slk_ask){.row = i, .logits = logits + (size_t)i * (size_t)m->config.n_vocab};
    slk_span span = {.seg = seg, .n = n, .asks = asks, .n_asks = n};
    if (slk_tree_forward(tree, &span, 1, hidden, &err) != SLK_OK) fail_msg("%s", err.msg);
    slk_tree_release(tree, seg);
    assert_int_equal(slk_tree_n_free(tree), 64);
    free(asks);
    slk_tree_free(tree);
    slk_forward_free(forward);
}

typedef struct difference {
    double max, mean, range; /* absolute; range of the reference */
    int n_wrong_argmax;      /* where the reference's best two are further apart than twice 5% of the range */
} difference;

static inline difference compare_logits(const float *logits, const json_t *rows)
{
    difference d = {0};
    double low = INFINITY, high = -INFINITY;
    size_t r, i, n = 0;
    json_t *row, *value;
    json_array_foreach(rows, r, row)
    {
        json_array_foreach(row, i, value)
        {
            double x = json_number_value(value), gap = fabs(x - (double)logits[n++]);
            if (!(gap <= d.max)) d.max = gap; /* NaN counts */
            d.mean += gap;
            low = fmin(low, x), high = fmax(high, x);
        }
    }
    d.mean /= (double)n;
    d.range = high - low;
    n = 0;
    json_array_foreach(rows, r, row)
    {
        double best = -INFINITY, second = -INFINITY;
        size_t best_at = 0, own_at = 0, width = json_array_size(row);
        json_array_foreach(row, i, value)
        {
            double x = json_number_value(value);
            if (x > best)
                second = best, best = x, best_at = i;
            else if (x > second)
                second = x;
            if (logits[n + i] > logits[n + own_at]) own_at = i;
        }
        if (own_at != best_at && best - second > 2 * 0.05 * d.range) d.n_wrong_argmax++;
        n += width;
    }
    return d;
}

/* Hidden states have six digits; a float32 engine is held to 1e-4 of the layer's largest value. */
static inline void check_hidden(const char *name, const float *hidden, const json_t *layers)
{
    size_t l, r, i, n = 0;
    json_t *rows, *row, *value;
    json_array_foreach(layers, l, rows)
    {
        double largest = 0, worst = 0;
        json_array_foreach(rows, r, row) json_array_foreach(row, i, value)
        {
            double x = json_number_value(value), gap = fabs(x - (double)hidden[n++]);
            largest = fmax(largest, fabs(x));
            if (!(gap <= worst)) worst = gap;
        }
        if (!(worst <= 1e-4 * largest)) fail_msg("%s: hidden state %zu is off by %g of %g", name, l, worst, largest);
    }
}

static inline void check_family(const char *name, const char *file, slk_backend backend, int dtype)
{
    slk_model *m = open_form(name, file, backend, dtype, 0);
    if (!m) return;
    json_t *reference = open_reference(name), *c;
    size_t i;
    json_array_foreach(json_object_get(reference, "cases"), i, c)
    {
        json_t *ids = json_object_get(c, "tokens"), *layers = json_object_get(c, "hidden");
        int32_t n = (int32_t)json_array_size(ids), tokens[64];
        assert_in_range(n, 1, 64);
        for (int32_t j = 0; j < n; j++) tokens[j] = (int32_t)json_integer_value(json_array_get(ids, (size_t)j));
        float *logits = slk_alloc((size_t)n * (size_t)m->config.n_vocab, sizeof *logits);
        float *hidden =
            slk_alloc((size_t)(m->config.n_layers + 1) * (size_t)n * (size_t)m->config.d_model, sizeof *hidden);
        run_sequence(m, tokens, n, logits, hidden);
        difference d = compare_logits(logits, json_object_get(c, "logits"));
        printf("%-18s %-4s %-4s %-24s %2d tokens: max %.1e of the range, mean %.1e\n", name, *file ? "gguf" : "dir",
               dtype == SLK_DTYPE_F32 ? "f32" : "bf16", slk_compute_kernel_set(m->compute), n, d.max / d.range,
               d.mean / d.range);
        if (dtype == SLK_DTYPE_F32) {
            if (layers) check_hidden(name, hidden, layers);
            assert_true(d.max <= 1e-5 * d.range);
        } else {
            assert_true(d.max <= 0.05 * d.range && d.mean <= 0.005 * d.range);
            assert_int_equal(d.n_wrong_argmax, 0);
        }
        free(logits);
        free(hidden);
    }
    json_decref(reference);
    slk_model_close(m);
}

#endif
