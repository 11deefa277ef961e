/* tokenizer.json written from the vocabulary of a GGUF file: what is read back gives Hugging Face's ids of the model's
 * own tokenizer.json, in nine families. (That Hugging Face reads it the same was checked with its tokenizers package.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/text.h"
#include "model/vocab.h"
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

static void remove_written(void)
{
    unlink(scratch("tokenizer.json"));
    unlink(scratch("tokenizer_config.json"));
}

/* The model's GGUF vocabulary, written into the scratch folder and read back. */
static slk_tokenizer *convert(const char *model)
{
    char path[1024];
    slk_err err = {0};
    slk_gguf *file;
    slk_model_vocab *vocab;
    slk_tokenizer *tok;
    model_path(path, model, "/model.gguf");
    if (slk_gguf_open(&file, path, &err) != SLK_OK) fail_msg("%s", err.msg);
    if (slk_model_vocab_open(&vocab, file, &err) != SLK_OK) fail_msg("%s", err.msg);
    if (slk_vocab_write_json(folder, slk_model_vocab_get(vocab), path, true, &err) != SLK_OK) fail_msg("%s", err.msg);
    slk_model_vocab_close(vocab);
    slk_gguf_close(file);
    if (slk_tokenizer_open_json(&tok, folder, 0, &err) != SLK_OK) fail_msg("%s", err.msg);
    return tok;
}

static slk_tokenizer *load_own(const char *model)
{
    char path[1024];
    slk_err err = {0};
    slk_tokenizer *tok;
    model_path(path, model, "");
    if (slk_tokenizer_open_json(&tok, path, 0, &err) != SLK_OK) fail_msg("%s", err.msg);
    return tok;
}

static void test_reference_ids(void **state)
{
    (void)state;
    size_t n_cases = 0, i;
    for (size_t m = 0; m < N_MODELS; m++) {
        char path[1024];
        json_t *reference, *c;
        slk_tokenizer *tok = convert(MODELS[m]);
        model_path(path, MODELS[m], "/reference.json");
        assert_int_equal(slk_json_read(&reference, path, NULL), SLK_OK);
        json_array_foreach(json_object_get(reference, "tokenize"), i, c)
        {
            const json_t *text = json_object_get(c, "text");
            bool other = json_is_false(json_object_get(c, "same_in_hf"));
            const json_t *expected = json_object_get(c, other ? "hf_ids" : "ids");
            unsigned flags = (json_is_true(json_object_get(c, "add_special")) ? SLK_ENCODE_BOS | SLK_ENCODE_EOS : 0u) |
                             (json_is_true(json_object_get(c, "parse_special")) ? SLK_ENCODE_SPECIAL : 0u);
            slk_ids ids = {0};
            assert_int_equal(
                slk_tokenizer_encode(tok, json_string_value(text), json_string_length(text), flags, &ids, NULL),
                SLK_OK);
            bool equal = ids.n == json_array_size(expected);
            for (size_t k = 0; k < ids.n && equal; k++)
                equal = ids.ids[k] == json_integer_value(json_array_get(expected, k));
            if (!equal) fail_msg("%s: '%s' (flags %u): other ids", MODELS[m], json_string_value(text), flags);
            free(ids.ids);
            n_cases++;
        }
        json_decref(reference);
        slk_tokenizer_free(tok);
    }
    remove_written();
    assert_int_equal(n_cases, 9 * 33);
}

static uint32_t random_code(uint64_t r)
{
    static const uint32_t ranges[][2] = {{0x20, 0x7E},     {0x61, 0x7A},       {0x20, 0x20},     {0x0A, 0x0D},
                                         {0xC0, 0x17F},    {0x300, 0x36F},     {0x1100, 0x11FF}, {0x2581, 0x2581},
                                         {0x4E00, 0x9FFF}, {0x1F600, 0x1F64F}, {0x30, 0x39}};
    const uint32_t *range = ranges[r % (sizeof ranges / sizeof *ranges)];
    return range[0] + (uint32_t)((r >> 8) % (range[1] - range[0] + 1));
}

/* Any text has the ids, and any id the bytes, that the model's own tokenizer.json gives. */
static void test_same_as_own_file(void **state)
{
    (void)state;
    for (size_t m = 0; m < N_MODELS; m++) {
        slk_tokenizer *own = load_own(MODELS[m]), *written = convert(MODELS[m]);
        for (uint32_t round = 0; round < 400; round++) {
            slk_buf text = {0};
            slk_ids a = {0}, b = {0};
            for (uint32_t i = 0; i < round % 37 + 1; i++) {
                char bytes[4];
                uint64_t r = slk_rng_u64(11, SLK_PURPOSE_SHUFFLE, round, (uint32_t)m, 0, i);
                if (r % 23 == 0) slk_buf_add_str(&text, r % 2 == 0 ? "<s>" : "<|im_end|>");
                slk_buf_add(&text, bytes, (size_t)slk_utf8_encode(bytes, random_code(r)));
            }
            assert_int_equal(slk_tokenizer_encode(own, text.data, text.len, round % 4, &a, NULL), SLK_OK);
            assert_int_equal(slk_tokenizer_encode(written, text.data, text.len, round % 4, &b, NULL), SLK_OK);
            assert_int_equal(a.n, b.n);
            assert_memory_equal(a.ids, b.ids, a.n * sizeof *a.ids);
            slk_buf_release(&text);
            free(a.ids);
            free(b.ids);
        }
        assert_int_equal(slk_tokenizer_n_tokens(written), 320);
        for (int32_t id = 0; id < 320; id++) {
            slk_bytes a = slk_tokenizer_piece(own, id), b = slk_tokenizer_piece(written, id);
            assert_int_equal(a.len, b.len);
            assert_memory_equal(a.data, b.data, a.len);
            assert_int_equal(slk_tokenizer_is_control(own, id), slk_tokenizer_is_control(written, id));
            assert_int_equal(slk_tokenizer_is_end(own, id), slk_tokenizer_is_end(written, id));
        }
        assert_int_equal(slk_tokenizer_eos(own), slk_tokenizer_eos(written));
        assert_int_equal(slk_tokenizer_adds_bos(own), slk_tokenizer_adds_bos(written));
        slk_tokenizer_free(own);
        slk_tokenizer_free(written);
    }
    remove_written();
}

/* Said in GGUF's terms, a directory's vocabulary is that of the model's GGUF file, but for the scores: those are ranks.
 */
static void test_same_description_as_gguf(void **state)
{
    (void)state;
    for (size_t m = 0; m < N_MODELS; m++) {
        char path[1024];
        slk_gguf *file;
        slk_model_vocab *from_gguf;
        slk_json_vocab *from_json;
        model_path(path, MODELS[m], "/model.gguf");
        assert_int_equal(slk_gguf_open(&file, path, NULL), SLK_OK);
        assert_int_equal(slk_model_vocab_open(&from_gguf, file, NULL), SLK_OK);
        const slk_vocab *a = slk_model_vocab_get(from_gguf);
        model_path(path, MODELS[m], "");
        assert_int_equal(slk_json_vocab_open(&from_json, path, a->n_tokens, SLK_VOCAB_AS_GGUF, NULL), SLK_OK);
        const slk_vocab *b = slk_json_vocab_get(from_json);
        assert_int_equal(a->kind, b->kind);
        assert_int_equal(a->n_tokens, b->n_tokens);
        for (size_t i = 0; i < a->n_tokens; i++) {
            assert_int_equal(a->tokens[i].len, b->tokens[i].len);
            assert_memory_equal(a->tokens[i].data, b->tokens[i].data, a->tokens[i].len);
            assert_int_equal(a->types[i], b->types[i]);
        }
        assert_int_equal(a->n_merges, b->n_merges);
        for (size_t i = 0; i < a->n_merges; i++) {
            assert_int_equal(a->merges[i].len, b->merges[i].len);
            assert_memory_equal(a->merges[i].data, b->merges[i].data, a->merges[i].len);
        }
        if (a->kind == SLK_VOCAB_BPE) assert_string_equal(a->pre, b->pre);
        assert_int_equal(a->scores != NULL && a->kind == SLK_VOCAB_SPM, b->scores != NULL);
        assert_int_equal(a->bos, b->bos);
        assert_int_equal(a->eos, b->eos);
        assert_int_equal(a->unk, b->unk);
        assert_int_equal(a->add_bos, b->add_bos);
        assert_int_equal(a->add_eos, b->add_eos);
        assert_int_equal(a->add_space_prefix, b->add_space_prefix);
        assert_null(b->rules);
        slk_json_vocab_close(from_json);
        slk_model_vocab_close(from_gguf);
        slk_gguf_close(file);
    }
}

/* --- what cannot be written --- */

static slk_vocab small_vocab(const slk_bytes *tokens, size_t n, const char *pre)
{
    return (slk_vocab){
        .kind = SLK_VOCAB_BPE, .pre = pre, .n_tokens = n, .tokens = tokens, .bos = -1, .eos = -1, .unk = -1, .eot = -1};
}

static void expect_failure(const slk_vocab *vocab, slk_status expected, const char *part)
{
    slk_err err = {0};
    assert_int_equal(slk_vocab_write_json(folder, vocab, "some.gguf", true, &err), expected);
    if (strstr(err.msg, part) == NULL) fail_msg("%s", err.msg);
    assert_int_equal(n_files_in(folder), 0);
}

static void test_failures_leave_nothing(void **state)
{
    (void)state;
    static const slk_bytes good[] = {{"a", 1}, {"b", 1}}, bad[] = {{"a", 1}, {"\xFF", 1}},
                           same[] = {{"a", 1}, {"a", 1}};
    slk_vocab vocab = small_vocab(good, 2, "default");
    expect_failure(&vocab, SLK_E_UNSUPPORTED, "pre-tokeniser 'default' has no counterpart");
    vocab = small_vocab(bad, 2, "gpt-2");
    expect_failure(&vocab, SLK_E_FORMAT, "token 1 is no UTF-8");
    vocab = small_vocab(same, 2, "gpt-2");
    expect_failure(&vocab, SLK_E_FORMAT, "tokens 0 and 1 are both 'a'");
    const slk_text_rules rules = {.n_ops = 0};
    vocab = small_vocab(good, 2, "gpt-2");
    vocab.rules = &rules;
    expect_failure(&vocab, SLK_E_UNSUPPORTED, "is to be copied");
    vocab.rules = NULL;
    slk_err err = {0};
    assert_int_equal(slk_vocab_write_json("/nonexistent", &vocab, "some.gguf", true, &err), SLK_E_IO);
    assert_int_equal(slk_vocab_write_json(folder, &vocab, "some.gguf", false, &err), SLK_OK);
    assert_int_equal(slk_vocab_write_json(folder, &vocab, "some.gguf", false, &err), SLK_E_STATE);
    assert_non_null(strstr(err.msg, "tokenizer.json"));
    remove_written();
}

/* Awkward spellings come back as they were. */
static void test_awkward_tokens(void **state)
{
    (void)state;
    static const slk_bytes tokens[] = {{"\"", 1},     {"\\", 1},      {"\n", 1},
                                       {"\x7F", 1},   {"<s>", 3},     {"</s>", 4},
                                       {"[PAD6]", 6}, {"[PAD6]x", 7}, {"\xF0\x9F\x98\x80", 4},
                                       {"[PAD9]", 6}};
    static const int32_t types[] = {1, 1, 4, 4, 3, 3, 1, 5, 4, 5};
    enum { N = sizeof tokens / sizeof *tokens };
    slk_vocab vocab = small_vocab(tokens, N, "smollm");
    slk_tokenizer *tok;
    slk_err err = {0};
    vocab.types = types;
    vocab.bos = 4;
    vocab.eos = 5;
    vocab.add_bos = vocab.add_eos = true;
    if (slk_vocab_write_json(folder, &vocab, "some.gguf", false, &err) != SLK_OK) fail_msg("%s", err.msg);
    if (slk_tokenizer_open_json(&tok, folder, 0, &err) != SLK_OK) fail_msg("%s", err.msg);
    assert_int_equal(slk_tokenizer_n_tokens(tok), N - 1); /* the last one is padding */
    for (int32_t id = 0; id < N - 1; id++) {
        slk_bytes raw = slk_tokenizer_raw(tok, id);
        assert_int_equal(raw.len, tokens[id].len);
        assert_memory_equal(raw.data, tokens[id].data, raw.len);
    }
    slk_ids ids = {0};
    static const int32_t expected[] = {4, 0, 2, 1, 8, 5};
    assert_int_equal(
        slk_tokenizer_encode(tok, "\"\n\\\xF0\x9F\x98\x80", 7, SLK_ENCODE_BOS | SLK_ENCODE_EOS, &ids, &err), SLK_OK);
    assert_int_equal(ids.n, 6);
    assert_memory_equal(ids.ids, expected, sizeof expected);
    free(ids.ids);
    slk_tokenizer_free(tok);
    remove_written();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_ids),
        cmocka_unit_test(test_same_as_own_file),
        cmocka_unit_test(test_same_description_as_gguf),
        cmocka_unit_test(test_failures_leave_nothing),
        cmocka_unit_test(test_awkward_tokens),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
