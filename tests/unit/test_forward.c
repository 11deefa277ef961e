/* The decoder against values that other implementations computed (tests/data/reference/tiny, DESIGN in docs/models.md),
 * and the segment tree against separate sequences, bit for bit. */
#include "tiny.h"
#include "tiny_tree.h"

static void test_reference_f32(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FAMILIES; i++) {
        check_family(families[i], "/model.gguf", SLK_BACKEND_REF, SLK_DTYPE_F32);
        check_family(families[i], "/model.gguf", SLK_BACKEND_DNNL, SLK_DTYPE_F32);
    }
}

static void test_reference_bf16(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FAMILIES; i++) {
        check_family(families[i], "/model.gguf", SLK_BACKEND_REF, SLK_DTYPE_BF16);
        check_family(families[i], "/model.gguf", SLK_BACKEND_DNNL, SLK_DTYPE_BF16);
    }
}

/* llama.cpp ignores llama.attention.sliding_window; without it the same file must give those values. */
static void test_without_window(void **state)
{
    (void)state;
    slk_model *m = open_model("mistral-window", SLK_BACKEND_DNNL, SLK_DTYPE_F32, 1);
    m->config.window = 0;
    json_t *reference = open_reference("mistral-window"), *c;
    size_t i, k;
    json_array_foreach(json_object_get(reference, "cases_without_window"), i, c)
    {
        json_t *ids = json_object_get(c, "tokens"), *positions = json_object_get(c, "positions"), *at;
        int32_t n = (int32_t)json_array_size(ids), tokens[64];
        for (int32_t j = 0; j < n; j++) tokens[j] = (int32_t)json_integer_value(json_array_get(ids, (size_t)j));
        size_t width = (size_t)m->config.n_vocab;
        float *logits = slk_alloc((size_t)n * width, sizeof *logits),
              *picked = slk_alloc((size_t)n * width, sizeof *picked);
        run_sequence(m, tokens, n, logits, NULL);
        json_array_foreach(positions, k, at)
            memcpy(picked + k * width, logits + (size_t)json_integer_value(at) * width, width * sizeof *picked);
        difference d = compare_logits(picked, json_object_get(c, "logits"));
        assert_true(d.max <= 1e-5 * d.range);
        free(logits);
        free(picked);
    }
    json_decref(reference);
    slk_model_close(m);
}

/* --- the tree ------------------------------------------------------------------------------------------------------
 */

static void test_tree_is_separate_sequences(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FAMILIES; i++) {
        check_tree(families[i], NULL, SLK_BACKEND_DNNL, SLK_DTYPE_F32);
        check_tree(families[i], NULL, SLK_BACKEND_DNNL, SLK_DTYPE_BF16);
    }
    check_tree("llama-gqa", NULL, SLK_BACKEND_REF, SLK_DTYPE_F32);
}

/* Rows that nobody asks do not go through the last layer: any choice of asked rows, of two segments in one batch, gives
 * the logits that all of them give. */
static void check_some_asked(const char *name, int dtype)
{
    enum { N_STEM = 20, N = 40, N_OTHER = 29 };
    static const int32_t rows[] = {11, 12, 12, 19}, other_rows[] = {0, 3, 10, 11, 12, 21, 28};
    enum { N_ASKS = sizeof rows / sizeof *rows, N_OTHER_ASKS = sizeof other_rows / sizeof *other_rows };
    slk_model *m = open_model(name, SLK_BACKEND_DNNL, dtype, 1);
    if (!m) return;
    slk_err err;
    int32_t tokens[N], other[N_OTHER];
    size_t width = (size_t)m->config.n_vocab;
    for (int i = 0; i < N; i++) tokens[i] = (int32_t)draw((uint32_t)width);
    for (int i = 0; i < N_OTHER; i++) other[i] = i < N_STEM ? tokens[i] : (int32_t)draw((uint32_t)width);
    other[N_STEM] = (tokens[N_STEM] + 1) % (int32_t)width; /* here they part */
    float *all = slk_alloc(N * width, sizeof *all), *all_other = slk_alloc(N_OTHER * width, sizeof *all_other);
    float *some = slk_alloc((N_ASKS + N_OTHER_ASKS) * width, sizeof *some);
    run_sequence(m, tokens, N, all, NULL);
    run_sequence(m, other, N_OTHER, all_other, NULL);

    slk_forward *forward;
    slk_tree *tree;
    slk_seg seg, first;
    slk_ask asks[N_ASKS + N_OTHER_ASKS];
    for (int i = 0; i < N_ASKS + N_OTHER_ASKS; i++)
        asks[i] = (slk_ask){.row = i < N_ASKS ? rows[i] : other_rows[i - N_ASKS], .logits = some + (size_t)i * width};
    assert_int_equal(slk_forward_create(&forward, m, &err), SLK_OK);
    assert_int_equal(slk_tree_create(&tree, m, forward, 100, &err), SLK_OK);
    assert_int_equal(slk_tree_insert(tree, SLK_SEG_NONE, other, N_OTHER, &first, &err), SLK_OK);
    assert_int_equal(slk_tree_insert(tree, SLK_SEG_NONE, tokens, N, &seg, &err), SLK_OK);
    assert_int_equal(slk_tree_n_tokens(tree, seg), N - N_STEM);
    const slk_span spans[] = {{.seg = first, .n = N_OTHER, .asks = asks + N_ASKS, .n_asks = N_OTHER_ASKS},
                              {.seg = seg, .n = N - N_STEM, .asks = asks, .n_asks = N_ASKS}};
    if (slk_tree_forward(tree, spans, 2, NULL, &err) != SLK_OK) fail_msg("%s", err.msg);
    for (int i = 0; i < N_ASKS; i++)
        assert_memory_equal(some + (size_t)i * width, all + (size_t)(N_STEM + rows[i]) * width, width * sizeof *all);
    for (int i = 0; i < N_OTHER_ASKS; i++)
        assert_memory_equal(some + (size_t)(N_ASKS + i) * width, all_other + (size_t)other_rows[i] * width,
                            width * sizeof *all);
    slk_tree_release(tree, seg);
    slk_tree_release(tree, first);
    slk_tree_free(tree);
    slk_forward_free(forward);
    free(all), free(all_other), free(some);
    slk_model_close(m);
}

static void test_some_asked(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FAMILIES; i++) {
        check_some_asked(families[i], SLK_DTYPE_F32);
        check_some_asked(families[i], SLK_DTYPE_BF16);
    }
}

static void test_errors(void **state)
{
    (void)state;
    slk_model *m = open_model("llama-gqa", SLK_BACKEND_DNNL, SLK_DTYPE_F32, 1);
    slk_err err;
    slk_forward *forward;
    slk_tree *tree;
    slk_seg parent, child;
    int32_t tokens[] = {1, 2, 3, 999999};
    assert_int_equal(slk_forward_create(&forward, m, &err), SLK_OK);
    assert_int_equal(slk_tree_create(&tree, m, forward, 4, &err), SLK_OK);
    assert_int_equal(slk_tree_append(tree, SLK_SEG_NONE, tokens, 3, &parent, &err), SLK_OK);
    assert_int_equal(slk_tree_append(tree, parent, tokens + 3, 1, &child, &err), SLK_OK);
    slk_span orphan = {.seg = child, .n = 1}, whole = {.seg = parent, .n = 3};
    assert_int_equal(slk_tree_forward(tree, &orphan, 1, NULL, &err), SLK_E_STATE);
    assert_int_equal(slk_tree_forward(tree, &whole, 1, NULL, &err), SLK_OK);
    assert_int_equal(slk_tree_forward(tree, &orphan, 1, NULL, &err), SLK_E_ARG);
    assert_non_null(strstr(err.msg, "token id 999999"));
    slk_seg more;
    assert_int_equal(slk_tree_append(tree, parent, tokens, 3, &more, &err), SLK_OK);
    slk_span too_much = {.seg = more, .n = 3};
    assert_int_equal(slk_tree_forward(tree, &too_much, 1, NULL, &err), SLK_E_MEMORY);
    slk_tree_release(tree, more);
    slk_tree_release(tree, parent);
    slk_tree_release(tree, child);
    assert_int_equal(slk_tree_n_free(tree), 4);
    slk_tree_free(tree);
    slk_forward_free(forward);
    slk_model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_f32),  cmocka_unit_test(test_reference_bf16),
        cmocka_unit_test(test_without_window), cmocka_unit_test(test_tree_is_separate_sequences),
        cmocka_unit_test(test_some_asked),     cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
