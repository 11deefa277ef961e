/* tokenizer.json: ids and pieces equal Hugging Face's for nine model families, as GGUF descriptions they equal
 * llama.cpp's, and broken or unknown files are errors of one line that name file and key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/text.h"
#include "scratch.h"
#include "token/tokenizer_json.h"

static const char *const MODELS[] = {
    "llama-gqa", "llama-tied-rope3", "llama-linear-rope", "mistral-window", "qwen2", "qwen3", "gemma2", "gemma3",
    "gpt2"};
#define N_MODELS (sizeof MODELS / sizeof *MODELS)

static void model_path(char path[1024], const char *model, const char *file)
{
    snprintf(path, 1024, "%s/reference/tiny/%s%s", SLICK_TEST_DATA, model, file);
}

static slk_tokenizer *load(const char *model, slk_vocab_form form)
{
    char path[1024];
    slk_err err = {0};
    slk_json_vocab *vocab;
    slk_tokenizer *tok;
    model_path(path, model, "");
    size_t n_rows = strcmp(model, "qwen3") == 0 ? 324 : 320;
    if (slk_json_vocab_open(&vocab, path, n_rows, form, &err) != SLK_OK) fail_msg("%s", err.msg);
    if (slk_tokenizer_create(&tok, slk_json_vocab_get(vocab), path, &err) != SLK_OK) fail_msg("%s", err.msg);
    slk_json_vocab_close(vocab); /* the tokenizer is a copy */
    return tok;
}

static json_t *load_reference(const char *model)
{
    char path[1024];
    slk_err err = {0};
    json_t *reference;
    model_path(path, model, "/reference.json");
    if (slk_json_read(&reference, path, &err) != SLK_OK) fail_msg("%s", err.msg);
    return reference;
}

/* --- against the reference --- */

static void expect_ids(const slk_tokenizer *tok, const char *model, const json_t *c, const json_t *expected)
{
    const json_t *text = json_object_get(c, "text");
    unsigned flags = (json_is_true(json_object_get(c, "add_special")) ? SLK_ENCODE_BOS : 0u) |
                     (json_is_true(json_object_get(c, "parse_special")) ? SLK_ENCODE_SPECIAL : 0u);
    slk_ids ids = {0};
    slk_err err = {0};
    assert_true(json_is_string(text) && json_is_array(expected));
    if (slk_tokenizer_encode(tok, json_string_value(text), json_string_length(text), flags, &ids, &err) != SLK_OK)
        fail_msg("%s", err.msg);
    bool equal = ids.n == json_array_size(expected);
    for (size_t i = 0; i < ids.n && equal; i++) equal = ids.ids[i] == json_integer_value(json_array_get(expected, i));
    if (!equal) fail_msg("%s: '%s' (flags %u): other ids", model, json_string_value(text), flags);
    free(ids.ids);
}

static void expect_reference(slk_vocab_form form, size_t *n_cases, size_t *n_other)
{
    for (size_t m = 0; m < N_MODELS; m++) {
        slk_tokenizer *tok = load(MODELS[m], form);
        json_t *reference = load_reference(MODELS[m]), *c;
        size_t i;
        json_array_foreach(json_object_get(reference, "tokenize"), i, c)
        {
            bool other = form == SLK_VOCAB_AS_HF && json_is_false(json_object_get(c, "same_in_hf"));
            expect_ids(tok, MODELS[m], c, json_object_get(c, other ? "hf_ids" : "ids"));
            *n_cases += 1;
            *n_other += other;
        }
        json_decref(reference);
        slk_tokenizer_free(tok);
    }
}

static void test_ids_equal_hugging_face(void **state)
{
    (void)state;
    size_t n_cases = 0, n_other = 0;
    expect_reference(SLK_VOCAB_AS_HF, &n_cases, &n_other);
    assert_int_equal(n_cases, 9 * 33);
    assert_int_equal(n_other, 4); /* two Qwens, two Gemmas */
}

static void test_as_gguf_ids_equal_llama_cpp(void **state)
{
    (void)state;
    size_t n_cases = 0, n_other = 0;
    expect_reference(SLK_VOCAB_AS_GGUF, &n_cases, &n_other);
    assert_int_equal(n_cases, 9 * 33);
}

static void test_pieces(void **state)
{
    (void)state;
    size_t n_pieces = 0;
    for (size_t m = 0; m < N_MODELS; m++) {
        slk_tokenizer *tok = load(MODELS[m], SLK_VOCAB_AS_HF);
        json_t *reference = load_reference(MODELS[m]), *pieces = json_object_get(reference, "pieces");
        for (size_t i = 0; i < json_array_size(json_object_get(pieces, "ids")); i++, n_pieces++) {
            int32_t id = (int32_t)json_integer_value(json_array_get(json_object_get(pieces, "ids"), i));
            slk_buf bytes = {0}, hex = {0};
            slk_tokenizer_decode(tok, &id, 1, true, false, &bytes);
            for (size_t k = 0; k < bytes.len; k++) slk_buf_addf(&hex, "%02x", (unsigned char)bytes.data[k]);
            assert_string_equal(hex.data != NULL ? hex.data : "",
                                json_string_value(json_array_get(json_object_get(pieces, "hex"), i)));
            slk_bytes piece = slk_tokenizer_piece(tok, id);
            if (slk_tokenizer_is_control(tok, id)) {
                assert_int_equal(piece.len, 0);
            } else {
                assert_int_equal(piece.len, bytes.len);
                assert_memory_equal(piece.data, bytes.data, piece.len);
            }
            slk_buf_release(&bytes);
            slk_buf_release(&hex);
        }
        json_decref(reference);
        slk_tokenizer_free(tok);
    }
    assert_int_equal(n_pieces, 9 * 40);
}

static void test_ends_and_bos(void **state)
{
    (void)state;
    slk_tokenizer *llama = load("llama-gqa", SLK_VOCAB_AS_HF), *gemma = load("gemma3", SLK_VOCAB_AS_HF),
                  *qwen = load("qwen3", SLK_VOCAB_AS_HF);
    assert_true(slk_tokenizer_is_end(llama, 318)); /* <|end_of_text|> */
    assert_true(slk_tokenizer_is_end(llama, 319)); /* <|im_end|> */
    assert_false(slk_tokenizer_is_end(llama, 317));
    assert_int_equal(slk_tokenizer_bos(llama), 317);
    assert_int_equal(slk_tokenizer_eos(llama), 318);
    assert_true(slk_tokenizer_adds_bos(llama));
    assert_int_equal(slk_tokenizer_bos(gemma), 2);
    assert_true(slk_tokenizer_is_end(gemma, 1));
    assert_int_equal(slk_tokenizer_kind(gemma), SLK_VOCAB_SPM);
    assert_int_equal(slk_tokenizer_kind(qwen), SLK_VOCAB_BPE);
    assert_int_equal(slk_tokenizer_eos(qwen), 319);
    assert_false(slk_tokenizer_adds_bos(qwen));
    assert_true(slk_tokenizer_is_control(qwen, 320)); /* a row without token */
    assert_int_equal(slk_tokenizer_n_tokens(qwen), 324);
    slk_tokenizer_free(llama);
    slk_tokenizer_free(gemma);
    slk_tokenizer_free(qwen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_equal_hugging_face), cmocka_unit_test(test_as_gguf_ids_equal_llama_cpp),
        cmocka_unit_test(test_pieces),                 cmocka_unit_test(test_ends_and_bos),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
