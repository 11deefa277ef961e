/* Tokenizers of GGUF files: ids and pieces equal llama.cpp's for nine model families, any text comes back as it was,
 * and broken metadata is an error that names the key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/text.h"
#include "model/vocab.h"

static const char *const MODELS[] = {
    "llama-gqa", "llama-tied-rope3", "llama-linear-rope", "mistral-window", "qwen2", "qwen3", "gemma2", "gemma3",
    "gpt2"};
#define N_MODELS (sizeof MODELS / sizeof *MODELS)

static slk_tokenizer *load(const char *model)
{
    char path[1024];
    slk_err err = {0};
    slk_gguf *file;
    slk_tokenizer *tok;
    snprintf(path, sizeof path, "%s/reference/tiny/%s/model.gguf", SLICK_TEST_DATA, model);
    if (slk_gguf_open(&file, path, &err) != SLK_OK) fail_msg("%s", err.msg);
    if (slk_model_load_tokenizer(&tok, file, &err) != SLK_OK) fail_msg("%s", err.msg);
    slk_gguf_close(file); /* the tokenizer is a copy */
    return tok;
}

static json_t *load_reference(const char *model)
{
    char path[1024];
    slk_err err = {0};
    json_t *reference;
    snprintf(path, sizeof path, "%s/reference/tiny/%s/reference.json", SLICK_TEST_DATA, model);
    if (slk_json_read(&reference, path, &err) != SLK_OK) fail_msg("%s", err.msg);
    return reference;
}

/* --- against llama.cpp --- */

static void check_case(const slk_tokenizer *tok, const char *model, const json_t *c)
{
    const json_t *text = json_object_get(c, "text"), *expected = json_object_get(c, "ids");
    unsigned flags = (json_is_true(json_object_get(c, "add_special")) ? SLK_ENCODE_BOS | SLK_ENCODE_EOS : 0u) |
                     (json_is_true(json_object_get(c, "parse_special")) ? SLK_ENCODE_SPECIAL : 0u);
    slk_ids ids = {0};
    assert_true(json_is_string(text) && json_is_array(expected));
    assert_int_equal(slk_tokenizer_encode(tok, json_string_value(text), json_string_length(text), flags, &ids, NULL),
                     SLK_OK);
    bool equal = ids.n == json_array_size(expected);
    for (size_t i = 0; i < ids.n && equal; i++) equal = ids.ids[i] == json_integer_value(json_array_get(expected, i));
    if (!equal) fail_msg("%s: '%s' (flags %u): other ids", model, json_string_value(text), flags);
    free(ids.ids);
}

static void test_ids_equal_llama_cpp(void **state)
{
    (void)state;
    size_t n_cases = 0;
    for (size_t m = 0; m < N_MODELS; m++) {
        slk_tokenizer *tok = load(MODELS[m]);
        json_t *reference = load_reference(MODELS[m]);
        size_t i;
        json_t *c;
        json_array_foreach(json_object_get(reference, "tokenize"), i, c)
        {
            check_case(tok, MODELS[m], c);
            n_cases++;
        }
        json_decref(reference);
        slk_tokenizer_free(tok);
    }
    assert_int_equal(n_cases, 9 * 33);
}

static void test_pieces_equal_llama_cpp(void **state)
{
    (void)state;
    size_t n_pieces = 0;
    for (size_t m = 0; m < N_MODELS; m++) {
        slk_tokenizer *tok = load(MODELS[m]);
        json_t *reference = load_reference(MODELS[m]), *pieces = json_object_get(reference, "pieces");
        for (size_t i = 0; i < json_array_size(json_object_get(pieces, "ids")); i++, n_pieces++) {
            int32_t id = (int32_t)json_integer_value(json_array_get(json_object_get(pieces, "ids"), i));
            slk_buf bytes, hex;
            slk_buf_init(&bytes);
            slk_buf_init(&hex);
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
    slk_tokenizer *llama = load("llama-gqa"), *gemma = load("gemma3"), *qwen = load("qwen3");
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
    assert_false(slk_tokenizer_adds_bos(qwen));
    assert_true(slk_tokenizer_is_control(qwen, 320)); /* [PAD320], unused */
    assert_int_equal(slk_tokenizer_n_tokens(qwen), 324);
    slk_tokenizer_free(llama);
    slk_tokenizer_free(gemma);
    slk_tokenizer_free(qwen);
}

/* --- any text --- */

static uint32_t random_code(uint64_t r)
{
    static const uint32_t ranges[][2] = {{0x20, 0x7E},       {0x61, 0x7A},       {0x20, 0x20},        {0x00, 0x1F},
                                         {0x7F, 0x7FF},      {0x300, 0x36F},     {0x800, 0xD7FF},     {0xE000, 0xFFFF},
                                         {0x10000, 0x1FFFF}, {0x20000, 0x3FFFF}, {0x40000, 0x10FFFF}, {0x30, 0x39},
                                         {0x2000, 0x200D},   {0x0A, 0x0D}};
    const uint32_t *range = ranges[r % (sizeof ranges / sizeof *ranges)];
    uint32_t code = range[0] + (uint32_t)((r >> 8) % (range[1] - range[0] + 1));
    return code == 0x2581 ? 0x2582 : code; /* SentencePiece reads U+2581 as a space */
}

static void expect_round_trip(const slk_tokenizer *tok, const char *text, size_t n_bytes)
{
    slk_ids ids = {0};
    slk_buf back;
    slk_buf_init(&back);
    assert_int_equal(slk_tokenizer_encode(tok, text, n_bytes, 0, &ids, NULL), SLK_OK);
    slk_tokenizer_decode(tok, ids.ids, ids.n, false, true, &back);
    assert_int_equal(back.len, n_bytes);
    if (n_bytes > 0) assert_memory_equal(back.data, text, n_bytes);
    for (size_t i = 0; i < ids.n; i++) assert_false(slk_tokenizer_is_control(tok, ids.ids[i]));
    slk_buf_release(&back);
    free(ids.ids);
}

static void test_valid_text_round_trips(void **state)
{
    (void)state;
    for (size_t m = 0; m < N_MODELS; m++) {
        slk_tokenizer *tok = load(MODELS[m]);
        for (uint32_t round = 0; round < 400; round++) {
            slk_buf text;
            slk_buf_init(&text);
            for (uint32_t i = 0; i < round % 61; i++) {
                char bytes[4];
                uint32_t code = random_code(slk_rng_u64(7, SLK_PURPOSE_SHUFFLE, round, 0, 0, i));
                slk_buf_add(&text, bytes, (size_t)slk_utf8_encode(bytes, code));
            }
            expect_round_trip(tok, text.data, text.len);
            slk_buf_release(&text);
        }
        slk_tokenizer_free(tok);
    }
}

static void test_long_texts_are_fast(void **state)
{
    (void)state;
    enum { N = 100000 };
    static const char *const units[] = {"a", " ", "\n", "the ", "\xF0\x9F\x98\x80", "1", "x\n "};
    clock_t begin = clock();
    for (size_t m = 0; m < N_MODELS; m++) {
        slk_tokenizer *tok = load(MODELS[m]);
        for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
            slk_buf text;
            slk_buf_init(&text);
            while (text.len < N) slk_buf_add_str(&text, units[u]);
            expect_round_trip(tok, text.data, text.len);
            slk_buf_release(&text);
        }
        slk_tokenizer_free(tok);
    }
    double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    if (seconds > 30) fail_msg("63 texts of 100 kB took %.1f s", seconds);
}

/* --- files made by hand --- */

typedef struct draft {
    slk_buf body;
    uint64_t n_keys;
} draft;

static void put_u32(draft *d, uint32_t v)
{
    slk_buf_add(&d->body, &v, sizeof v);
}

static void put_u64(draft *d, uint64_t v)
{
    slk_buf_add(&d->body, &v, sizeof v);
}

static void put_str(draft *d, const char *s)
{
    put_u64(d, strlen(s));
    slk_buf_add(&d->body, s, strlen(s));
}

static void put_key(draft *d, const char *name, uint32_t type)
{
    char key[100];
    snprintf(key, sizeof key, "tokenizer.ggml.%s", name);
    put_str(d, key);
    put_u32(d, type);
    d->n_keys++;
}

static void key_str(draft *d, const char *name, const char *value)
{
    put_key(d, name, SLK_GGUF_STRING);
    put_str(d, value);
}

static void key_u32(draft *d, const char *name, uint32_t value)
{
    put_key(d, name, SLK_GGUF_U32);
    put_u32(d, value);
}

static void key_bool(draft *d, const char *name, bool value)
{
    put_key(d, name, SLK_GGUF_BOOL);
    slk_buf_add(&d->body, &(uint8_t){value}, 1);
}

/* Items separated by commas. */
static void key_strs(draft *d, const char *name, const char *items)
{
    uint64_t n = items[0] != '\0';
    for (const char *c = items; *c != '\0'; c++) n += *c == ',';
    put_key(d, name, SLK_GGUF_ARRAY);
    put_u32(d, SLK_GGUF_STRING);
    put_u64(d, n);
    for (uint64_t i = 0; i < n; i++) {
        size_t len = strcspn(items, ",");
        put_u64(d, len);
        slk_buf_add(&d->body, items, len);
        items += len + 1;
    }
}

static void key_numbers(draft *d, const char *name, uint32_t type, uint64_t n, uint32_t bits)
{
    put_key(d, name, SLK_GGUF_ARRAY);
    put_u32(d, type);
    put_u64(d, n);
    for (uint64_t i = 0; i < n; i++) put_u32(d, bits);
}

static slk_status finish(draft *d, slk_tokenizer **tok, slk_err *err)
{
    draft whole = {0};
    slk_buf_add(&whole.body, "GGUF", 4);
    put_u32(&whole, 3);
    put_u64(&whole, 0);
    put_u64(&whole, d->n_keys);
    if (d->body.len > 0) slk_buf_add(&whole.body, d->body.data, d->body.len);
    slk_gguf *file;
    slk_status status = slk_gguf_open_memory(&file, whole.body.data, whole.body.len, "f.gguf", err);
    if (status != SLK_OK) fail_msg("%s", err->msg);
    status = slk_model_load_tokenizer(tok, file, err);
    slk_gguf_close(file);
    slk_buf_release(&whole.body);
    slk_buf_release(&d->body);
    *d = (draft){0};
    return status;
}

static void expect_error(draft *d, slk_status status, const char *message)
{
    slk_tokenizer *tok = (slk_tokenizer *)d;
    slk_err err = {0};
    assert_int_equal(finish(d, &tok, &err), status);
    assert_null(tok);
    assert_string_equal(err.msg, message);
}

static slk_tokenizer *expect_loaded(draft *d)
{
    slk_tokenizer *tok;
    slk_err err = {0};
    if (finish(d, &tok, &err) != SLK_OK) fail_msg("%s", err.msg);
    return tok;
}

static draft bpe_draft(const char *tokens, const char *merges)
{
    draft d = {0};
    key_str(&d, "model", "gpt2");
    if (tokens != NULL) key_strs(&d, "tokens", tokens);
    if (merges != NULL) key_strs(&d, "merges", merges);
    return d;
}

static draft spm_draft(uint64_t n_scores, uint64_t n_types)
{
    draft d = {0};
    key_str(&d, "model", "llama");
    key_strs(&d, "tokens", "<unk>,<s>,</s>,a,\xE2\x96\x81");
    if (n_scores > 0) key_numbers(&d, "scores", SLK_GGUF_F32, n_scores, 0);
    if (n_types > 0) {
        put_key(&d, "token_type", SLK_GGUF_ARRAY);
        put_u32(&d, SLK_GGUF_I32);
        put_u64(&d, n_types);
        for (uint64_t i = 0; i < n_types; i++) put_u32(&d, i == 0 ? 2 : i < 3 ? 3 : 1);
    }
    return d;
}

static void test_missing_and_mistyped_keys(void **state)
{
    (void)state;
    draft d = {0};
    expect_error(&d, SLK_E_NOT_FOUND, "f.gguf: key tokenizer.ggml.model is missing, expected a string");
    key_u32(&d, "model", 1);
    expect_error(&d, SLK_E_FORMAT, "f.gguf: key tokenizer.ggml.model has another type, expected a string");
    key_str(&d, "model", "bert");
    expect_error(&d, SLK_E_UNSUPPORTED,
                 "f.gguf: key tokenizer.ggml.model: vocabulary 'bert' is not one that slick knows (gpt2, llama)");
    d = bpe_draft(NULL, "a b");
    expect_error(&d, SLK_E_NOT_FOUND, "f.gguf: key tokenizer.ggml.tokens is missing, expected an array of strings");
    d = bpe_draft(NULL, "a b");
    key_numbers(&d, "tokens", SLK_GGUF_I32, 2, 0);
    expect_error(&d, SLK_E_FORMAT, "f.gguf: key tokenizer.ggml.tokens has another type, expected an array of strings");
    d = bpe_draft("", "");
    expect_error(&d, SLK_E_FORMAT, "f.gguf: key tokenizer.ggml.tokens is an empty array");
    d = bpe_draft("a,b", NULL);
    expect_error(&d, SLK_E_NOT_FOUND, "f.gguf: key tokenizer.ggml.merges is missing, expected an array of strings");
    d = bpe_draft("a,b", "");
    key_str(&d, "add_bos_token", "yes");
    expect_error(&d, SLK_E_FORMAT, "f.gguf: key tokenizer.ggml.add_bos_token has another type, expected a boolean");
    d = bpe_draft("a,b", "");
    key_str(&d, "bos_token_id", "a");
    expect_error(&d, SLK_E_FORMAT, "f.gguf: key tokenizer.ggml.bos_token_id has another type, expected a token id");
    d = bpe_draft("a,b", "");
    key_str(&d, "pre", "tekken");
    expect_error(
        &d, SLK_E_UNSUPPORTED,
        "f.gguf: key tokenizer.ggml.pre: pre-tokeniser 'tekken' is not one that slick knows (smollm, gpt-2, llama-bpe, "
        "qwen2, default)");
    d = spm_draft(0, 5);
    expect_error(&d, SLK_E_NOT_FOUND, "f.gguf: key tokenizer.ggml.scores is missing, expected an array of numbers");
    d = spm_draft(5, 0);
    expect_error(&d, SLK_E_NOT_FOUND,
                 "f.gguf: key tokenizer.ggml.token_type is missing, expected an array of integers");
}

static void test_values_that_do_not_fit(void **state)
{
    (void)state;
    draft d = bpe_draft("a,b", "");
    key_u32(&d, "eos_token_id", 2);
    expect_error(&d, SLK_E_FORMAT, "f.gguf: key tokenizer.ggml.eos_token_id is 2, outside the vocabulary of 2 tokens");
    d = bpe_draft("a,b", "");
    key_u32(&d, "bos_token_id", UINT32_MAX);
    expect_error(&d, SLK_E_FORMAT,
                 "f.gguf: key tokenizer.ggml.bos_token_id is 4294967295, outside the vocabulary of 2 tokens");
    d = spm_draft(4, 5);
    expect_error(&d, SLK_E_FORMAT,
                 "f.gguf: key tokenizer.ggml.scores has 4 items, expected 5 as tokenizer.ggml.tokens has");
    d = spm_draft(5, 6);
    expect_error(&d, SLK_E_FORMAT,
                 "f.gguf: key tokenizer.ggml.token_type has 6 items, expected 5 as tokenizer.ggml.tokens has");
    d = bpe_draft("a,b", "a c");
    expect_error(&d, SLK_E_FORMAT, "f.gguf: merge 0 'a c': 'c' is not a token of the vocabulary");
    d = bpe_draft("a,b", "");
    key_bool(&d, "add_bos_token", true);
    expect_error(&d, SLK_E_FORMAT, "f.gguf: texts are to begin with a bos token, but there is none");
}

static void test_defaults(void **state)
{
    (void)state;
    draft d = bpe_draft("a,b,ab", "a b");
    slk_tokenizer *tok = expect_loaded(&d);
    assert_int_equal(slk_tokenizer_bos(tok), -1);
    assert_int_equal(slk_tokenizer_eos(tok), -1);
    assert_false(slk_tokenizer_adds_bos(tok));
    slk_tokenizer_free(tok);

    d = bpe_draft("a,b,ab", "a b");
    key_str(&d, "pre", "llama-bpe");
    tok = expect_loaded(&d);
    assert_false(slk_tokenizer_adds_bos(tok)); /* no bos token to add */
    slk_tokenizer_free(tok);
    d = bpe_draft("a,b,ab", "a b");
    key_str(&d, "pre", "llama-bpe");
    key_u32(&d, "bos_token_id", 1);
    tok = expect_loaded(&d);
    assert_true(slk_tokenizer_adds_bos(tok));
    slk_tokenizer_free(tok);

    d = spm_draft(5, 5);
    tok = expect_loaded(&d);
    assert_int_equal(slk_tokenizer_bos(tok), 1);
    assert_int_equal(slk_tokenizer_eos(tok), 2);
    assert_true(slk_tokenizer_adds_bos(tok));
    assert_true(slk_tokenizer_is_end(tok, 2));
    slk_ids ids = {0};
    assert_int_equal(slk_tokenizer_encode(tok, "a", 1, SLK_ENCODE_BOS, &ids, NULL), SLK_OK);
    assert_int_equal(ids.n, 3); /* bos, the space that is put before, a */
    assert_int_equal(ids.ids[1], 4);
    free(ids.ids);
    slk_tokenizer_free(tok);

    d = spm_draft(5, 5);
    key_bool(&d, "add_bos_token", false);
    key_bool(&d, "add_space_prefix", false);
    tok = expect_loaded(&d);
    ids = (slk_ids){0};
    assert_int_equal(slk_tokenizer_encode(tok, "a", 1, SLK_ENCODE_BOS, &ids, NULL), SLK_OK);
    assert_int_equal(ids.n, 1);
    free(ids.ids);
    slk_tokenizer_free(tok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_equal_llama_cpp),    cmocka_unit_test(test_pieces_equal_llama_cpp),
        cmocka_unit_test(test_ends_and_bos),           cmocka_unit_test(test_valid_text_round_trips),
        cmocka_unit_test(test_long_texts_are_fast),    cmocka_unit_test(test_missing_and_mistyped_keys),
        cmocka_unit_test(test_values_that_do_not_fit), cmocka_unit_test(test_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
