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
    unsigned flags = (json_is_true(json_object_get(c, "add_special")) ? SLK_ENCODE_BOS | SLK_ENCODE_EOS : 0u) |
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

/* --- any text --- */

static void expect_round_trip(const slk_tokenizer *tok, const char *text, size_t n_bytes)
{
    slk_ids ids = {0};
    slk_buf back = {0};
    assert_int_equal(slk_tokenizer_encode(tok, text, n_bytes, 0, &ids, NULL), SLK_OK);
    slk_tokenizer_decode(tok, ids.ids, ids.n, false, true, &back);
    assert_int_equal(back.len, n_bytes);
    if (n_bytes > 0) assert_memory_equal(back.data, text, n_bytes);
    for (size_t i = 0; i < ids.n; i++) assert_false(slk_tokenizer_is_control(tok, ids.ids[i]));
    slk_buf_release(&back);
    free(ids.ids);
}

/* Any bytes: what is no UTF-8 is encoded byte by byte. Only ASCII and single bytes, which NFC leaves alone. */
static void test_bytes_round_trip(void **state)
{
    (void)state;
    for (size_t m = 0; m < N_MODELS; m++) {
        slk_tokenizer *tok = load(MODELS[m], SLK_VOCAB_AS_HF);
        for (uint32_t round = 0; round < 200; round++) {
            slk_buf text = {0};
            for (uint32_t i = 0; i < round % 61; i++) {
                uint64_t r = slk_rng_u64(7, SLK_PURPOSE_SHUFFLE, round, 0, 0, i);
                char byte = (char)(r % 4 == 0 ? r >> 8 : r % 4 == 1 ? ' ' : 'a' + (r >> 8) % 26);
                slk_buf_add(&text, &byte, 1);
                /* Two bytes of one character would be normalised as one. */
                if ((unsigned char)byte >= 0x80) slk_buf_add(&text, "\n", 1);
            }
            expect_round_trip(tok, text.data != NULL ? text.data : "", text.len);
            slk_buf_release(&text);
        }
        slk_tokenizer_free(tok);
    }
}

static void expect_decodes_to(const slk_tokenizer *tok, const char *text, size_t n, const char *expected,
                              size_t n_expected)
{
    slk_ids ids = {0};
    slk_buf back = {0};
    assert_int_equal(slk_tokenizer_encode(tok, text, n, 0, &ids, NULL), SLK_OK);
    slk_tokenizer_decode(tok, ids.ids, ids.n, false, true, &back);
    assert_int_equal(back.len, n_expected);
    assert_memory_equal(back.data, expected, n_expected);
    slk_buf_release(&back);
    free(ids.ids);
}

static void test_nfc_keeps_what_it_must(void **state)
{
    (void)state;
    slk_tokenizer *tok = load("qwen2", SLK_VOCAB_AS_HF);
    expect_decodes_to(tok, "u\xCC\x88", 3, "\xC3\xBC", 2);
    expect_decodes_to(tok, "a\0u\xCC\x88\0", 6, "a\0\xC3\xBC\0", 5);
    expect_decodes_to(tok, "u\xFF\xCC\x88u\xCC\x88", 7, "u\xFF\xCC\x88\xC3\xBC", 6);
    expect_decodes_to(tok, "\xE1\x84\x80\xE1\x85\xA1", 6, "\xEA\xB0\x80", 3);
    /* U+11A7 is no final consonant: it stays a character of its own. */
    expect_decodes_to(tok, "\xEA\xB0\x80\xE1\x86\xA7u\xCC\x88", 9, "\xEA\xB0\x80\xE1\x86\xA7\xC3\xBC", 8);
    expect_decodes_to(tok, "\xE1\x86\xA7", 3, "\xE1\x86\xA7", 3);
    slk_tokenizer_free(tok);
}

/* --- small files --- */

/* Byte fallback is left to the two bytes that the texts need. */
static const char SPM_FILE[] =
    "{\"added_tokens\": [{\"id\": 0, \"content\": \"<unk>\", \"special\": true},"
    " {\"id\": 1, \"content\": \"<s>\", \"special\": true, \"normalized\": false},"
    " {\"id\": 10, \"content\": \"ab\", \"special\": false, \"normalized\": false},"
    " {\"id\": 11, \"content\": \"abc\", \"special\": false, \"normalized\": false, \"lstrip\": true}],\n"
    "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Prepend\", \"prepend\": \"\xE2\x96\x81\"},"
    " {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"\xE2\x96\x81\"}]},\n"
    "\"pre_tokenizer\": null,\n"
    "\"post_processor\": {\"type\": \"TemplateProcessing\","
    " \"single\": [{\"SpecialToken\": {\"id\": \"<s>\"}}, {\"Sequence\": {\"id\": \"A\"}}],"
    " \"special_tokens\": {\"<s>\": {\"id\": \"<s>\", \"ids\": [1]}}},\n"
    "\"model\": {\"type\": \"BPE\", \"unk_token\": \"<unk>\", \"byte_fallback\": true, \"vocab\": {\"<unk>\": 0, "
    "\"<s>\": 1,"
    " \"<0x0A>\": 2, \"\xE2\x96\x81\": 3, \"a\": 4, \"b\": 5, \"c\": 6, \"bc\": 7, \"\xE2\x96\x81\x61\": 8, \"cb\": "
    "9},\n"
    " \"merges\": [\"c b\", [\"b\", \"c\"], \"\xE2\x96\x81 a\"]}}";

static const char BPE_FILE[] = "{\"added_tokens\": [{\"id\": 5, \"content\": \"<|end|>\", \"special\": true}],\n"
                               "\"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Digits\", "
                               "\"individual_digits\": true},"
                               " {\"type\": \"ByteLevel\", \"add_prefix_space\": false}]},\n"
                               "\"post_processor\": {\"type\": \"ByteLevel\"},\n"
                               "\"model\": {\"dropout\": null, \"unk_token\": \"\", \"vocab\": {\"a\": 0, \"b\": 1, "
                               "\"ab\": 2, \"\xC4\xA0\": 3, \"1\": 4},"
                               " \"merges\": [\"a b\"]}}";

static void write_text(const char *path, const char *text, size_t n_bytes)
{
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(text, 1, n_bytes, stream), n_bytes);
    assert_int_equal(fclose(stream), 0);
}

/* The file with the first `from` replaced by `to`, opened. */
static slk_status open_changed(slk_tokenizer **tok, const char *file, const char *from, const char *to, size_t n_rows,
                               slk_err *err)
{
    slk_buf text = {0};
    const char *at = strstr(file, from);
    assert_non_null(at);
    slk_buf_add(&text, file, (size_t)(at - file));
    slk_buf_add_str(&text, to);
    slk_buf_add_str(&text, at + strlen(from));
    write_text(scratch("tokenizer.json"), text.data, text.len);
    slk_buf_release(&text);
    slk_status status = slk_tokenizer_open_json(tok, folder, n_rows, err);
    unlink(scratch("tokenizer.json"));
    return status;
}

static void expect_text_ids(const slk_tokenizer *tok, const char *text, unsigned flags, const int32_t *expected,
                            size_t n)
{
    slk_ids ids = {0};
    slk_err err = {0};
    if (slk_tokenizer_encode(tok, text, strlen(text), flags, &ids, &err) != SLK_OK) fail_msg("%s", err.msg);
    assert_int_equal(ids.n, n);
    for (size_t i = 0; i < n; i++) assert_int_equal(ids.ids[i], expected[i]);
    free(ids.ids);
}

#define EXPECT_IDS(tok, text, flags, ...)                                                                              \
    expect_text_ids(tok, text, flags, (const int32_t[]){__VA_ARGS__},                                                  \
                    sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t))

static void test_small_files(void **state)
{
    (void)state;
    slk_tokenizer *tok;
    slk_err err = {0};
    if (open_changed(&tok, SPM_FILE, "", "", 0, &err) != SLK_OK) fail_msg("%s", err.msg);
    EXPECT_IDS(tok, "a", SLK_ENCODE_BOS, 1, 8);
    EXPECT_IDS(tok, "cbc", 0, 3, 9, 6);     /* by rank: "c b" comes before "b c" */
    EXPECT_IDS(tok, "bc\n", 0, 3, 7, 2);    /* the byte */
    EXPECT_IDS(tok, "c  abc", 0, 3, 6, 11); /* the longest added token, and the spaces before it */
    EXPECT_IDS(tok, "cab a", 0, 3, 6, 10, 3, 8);
    EXPECT_IDS(tok, "<s>a", SLK_ENCODE_SPECIAL, 1, 8);
    EXPECT_IDS(tok, "<unk>", SLK_ENCODE_SPECIAL, 0);
    slk_tokenizer_free(tok);
    if (open_changed(&tok, BPE_FILE, "", "", 8, &err) != SLK_OK) fail_msg("%s", err.msg);
    EXPECT_IDS(tok, "ab 11", 0, 2, 3, 4, 4);
    EXPECT_IDS(tok, "<|end|>", SLK_ENCODE_SPECIAL, 5);
    assert_true(slk_tokenizer_is_end(tok, 5));
    assert_false(slk_tokenizer_adds_bos(tok));
    assert_int_equal(slk_tokenizer_n_tokens(tok), 8);
    assert_true(slk_tokenizer_is_control(tok, 7));
    slk_tokenizer_free(tok);
    /* An added token beyond the rows of the model is left out. */
    if (open_changed(&tok, BPE_FILE, "", "", 5, &err) != SLK_OK) fail_msg("%s", err.msg);
    assert_int_equal(slk_tokenizer_n_tokens(tok), 5);
    slk_tokenizer_free(tok);
}

/* tokenizer_config.json has the last word on what stands around a text. */
static void test_config_decides(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        bool adds_bos;
        int32_t bos, eos;
    } cases[] = {
        {"{}", true, 1, -1},
        {"{\"bos_token\": \"<s>\", \"eos_token\": null}", true, 1, -1},
        {"{\"bos_token\": {\"content\": \"<s>\"}, \"eos_token\": \"c\", \"add_bos_token\": false}", false, 1, 6},
        {"{\"added_tokens_decoder\": {\"1\": {\"content\": \"<s>\"}, \"12\": {\"content\": \"</s>\", \"special\": "
         "true}},"
         " \"eos_token\": \"</s>\"}",
         true, 1, 12},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        slk_tokenizer *tok;
        slk_err err = {0};
        write_text(scratch("tokenizer_config.json"), cases[i].config, strlen(cases[i].config));
        if (open_changed(&tok, SPM_FILE, "", "", 0, &err) != SLK_OK) fail_msg("%s", err.msg);
        assert_int_equal(slk_tokenizer_adds_bos(tok), cases[i].adds_bos);
        assert_int_equal(slk_tokenizer_bos(tok), cases[i].bos);
        assert_int_equal(slk_tokenizer_eos(tok), cases[i].eos);
        slk_tokenizer_free(tok);
    }
    unlink(scratch("tokenizer_config.json"));
}

static void test_broken_config(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        slk_status status;
        const char *part;
    } cases[] = {
        {"[]", SLK_E_FORMAT, "expected an object"},
        {"{\"bos_token\": 17.5}", SLK_E_FORMAT, "bos_token"},
        {"{\"bos_token\": \"<nope>\"}", SLK_E_FORMAT, "bos_token '<nope>' is not in the vocabulary"},
        {"{\"bos_token\": \"a\"}", SLK_E_UNSUPPORTED, "post_processor: token 1"},
        {"{\"add_bos_token\": 1}", SLK_E_FORMAT, "add_bos_token"},
        {"{\"add_eos_token\": true}", SLK_E_FORMAT, "there is none"},
        {"{\"added_tokens_decoder\": []}", SLK_E_FORMAT, "added_tokens_decoder"},
        {"{\"added_tokens_decoder\": {\"x\": {}}}", SLK_E_FORMAT, "added_tokens_decoder.x"},
        {"{\"added_tokens_decoder\": {\"4\": {\"content\": \"z\"}}}", SLK_E_FORMAT, "'z' has id 4"},
        {"{\"added_tokens_decoder\": {\"99999999999\": {\"content\": \"z\"}}}", SLK_E_FORMAT, "added_tokens_decoder"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        slk_tokenizer *tok;
        slk_err err = {0};
        write_text(scratch("tokenizer_config.json"), cases[i].config, strlen(cases[i].config));
        slk_status status = open_changed(&tok, SPM_FILE, "", "", 0, &err);
        if (status != cases[i].status || strstr(err.msg, cases[i].part) == NULL)
            fail_msg("%s: status %d, %s", cases[i].config, (int)status, err.msg);
        assert_null(tok);
    }
    unlink(scratch("tokenizer_config.json"));
}

static void test_broken_files(void **state)
{
    (void)state;
    static const struct {
        const char *file, *from, *to;
        slk_status status;
        const char *part;
    } cases[] = {
        {SPM_FILE, "\"model\"", "\"mode\"", SLK_E_NOT_FOUND, "model: missing"},
        {SPM_FILE, "{\"type\": \"BPE\"", "[], \"x\": {\"type\": \"BPE\"", SLK_E_FORMAT, "model: has another type"},
        {SPM_FILE, "\"BPE\"", "\"Unigram\"", SLK_E_UNSUPPORTED, "model.type: 'Unigram'"},
        {SPM_FILE, "\"BPE\"", "7", SLK_E_FORMAT, "model.type: expected a string"},
        {SPM_FILE, "\"vocab\"", "\"vocabulary\"", SLK_E_NOT_FOUND, "model.vocab: missing"},
        {SPM_FILE, "\"vocab\": {", "\"vocab\": [], \"x\": {", SLK_E_FORMAT, "model.vocab: has another type"},
        {SPM_FILE, "\"merges\"", "\"mergers\"", SLK_E_NOT_FOUND, "model.merges: missing"},
        {SPM_FILE, "\"merges\": [", "\"merges\": {}, \"x\": [", SLK_E_FORMAT, "model.merges: has another type"},
        {SPM_FILE, "\"c b\"", "\"c z\"", SLK_E_FORMAT, "model.merges[0]: 'z' is not in model.vocab"},
        {SPM_FILE, "\"c b\"", "\"c a\"", SLK_E_FORMAT, "model.merges[0]: 'ca' is not in model.vocab"},
        {SPM_FILE, "\"c b\"", "\"cb\"", SLK_E_FORMAT, "model.merges[0]: expected two pieces"},
        {SPM_FILE, "\"c b\"", "\"c b c\"", SLK_E_FORMAT, "model.merges[0]: expected two pieces"},
        {SPM_FILE, "\"c b\"", "\"c \"", SLK_E_FORMAT, "model.merges[0]: expected two pieces"},
        {SPM_FILE, "\"c b\"", "3", SLK_E_FORMAT, "model.merges[0]: expected two pieces"},
        {SPM_FILE, "[\"b\", \"c\"]", "[\"b\"]", SLK_E_FORMAT, "model.merges[1]: expected two pieces"},
        {SPM_FILE, "[\"b\", \"c\"]", "[\"b\", 1]", SLK_E_FORMAT, "model.merges[1]: expected two pieces"},
        {SPM_FILE, "\"a\": 4", "\"a\": 5", SLK_E_FORMAT, "'a' and 'b' both have id 5"},
        {SPM_FILE, "\"a\": 4", "\"a\": -4", SLK_E_FORMAT, "'a' has id -4"},
        {SPM_FILE, "\"a\": 4", "\"a\": 4000000000", SLK_E_FORMAT, "'a' has id 4000000000"},
        {SPM_FILE, "\"a\": 4", "\"a\": \"4\"", SLK_E_FORMAT, "'a': expected an integer id"},
        {SPM_FILE, "\"a\": 4", "\"a\": 4, \"a\": 12", SLK_E_FORMAT, "not valid JSON: duplicate"},
        {SPM_FILE, "\"a\": 4", "\"a\": 400", SLK_E_FORMAT, "'a' has id 400, but the model has 20"},
        {SPM_FILE, "\"id\": 10", "\"id\": 16000000", SLK_E_FORMAT, "the largest id is 16000000, of only 14 tokens"},
        {SPM_FILE, "\"a\": 4", "\"a\": 16000000", SLK_E_FORMAT, "the largest id is 16000000, of only 14 tokens"},
        {SPM_FILE, "\"\xE2\x96\x81\": 3", "\"\": 3", SLK_E_FORMAT, "'\xE2\x96\x81' is not in model.vocab"},
        {SPM_FILE, "\"id\": 10", "\"id\": 4", SLK_E_FORMAT, "added_tokens[2]: 'ab' has id 4, but so has 'a'"},
        {SPM_FILE, "\"id\": 10", "\"id\": 11", SLK_E_FORMAT, "added_tokens[3]: 'abc' has id 11, but so has 'ab'"},
        {SPM_FILE, "\"id\": 10", "\"id\": \"10\"", SLK_E_FORMAT, "added_tokens[2]: 'ab': expected an integer id"},
        {SPM_FILE, "\"id\": 10", "\"di\": 10", SLK_E_FORMAT, "added_tokens[2]: 'ab': expected an integer id"},
        {SPM_FILE, "\"content\": \"ab\"", "\"content\": \"bc\"", SLK_E_FORMAT, "model.vocab gives it another"},
        {SPM_FILE, "\"content\": \"ab\"", "\"content\": 1", SLK_E_FORMAT, "added_tokens[2].content: expected a string"},
        {SPM_FILE, "\"content\": \"ab\"", "\"conten\": 1", SLK_E_NOT_FOUND, "added_tokens[2].content is missing"},
        {SPM_FILE, "\"special\": true", "\"special\": 1", SLK_E_FORMAT, "added_tokens[0].special: expected true"},
        {SPM_FILE, "\"lstrip\": true", "\"single_word\": true", SLK_E_UNSUPPORTED, "added_tokens[3].single_word"},
        {SPM_FILE, "\"byte_fallback\": true", "\"byte_fallback\": false", SLK_E_UNSUPPORTED, "byte_fallback"},
        {SPM_FILE, "\"byte_fallback\"", "\"dropout\": 0.1, \"byte_fallback\"", SLK_E_UNSUPPORTED, "model.dropout"},
        {SPM_FILE, "\"byte_fallback\"", "\"end_of_word_suffix\": \"</w>\", \"byte_fallback\"", SLK_E_UNSUPPORTED,
         "</w>"},
        {SPM_FILE, "\"Prepend\"", "\"Lowercase\"", SLK_E_UNSUPPORTED, "normalizer.normalizers[0].type: 'Lowercase'"},
        {SPM_FILE, "\"prepend\"", "\"append\"", SLK_E_NOT_FOUND, "normalizer.normalizers[0].prepend is missing"},
        {SPM_FILE, "\"String\"", "\"Regex\"", SLK_E_UNSUPPORTED, "normalizer.normalizers[1].pattern.Regex"},
        {SPM_FILE, "\"String\"", "\"Strong\"", SLK_E_FORMAT, "normalizer.normalizers[1].pattern: expected"},
        {SPM_FILE, "\"normalizers\"", "\"normalisers\"", SLK_E_FORMAT, "normalizer.normalizers: expected an array"},
        {SPM_FILE, "\"pre_tokenizer\": null", "\"pre_tokenizer\": 1", SLK_E_FORMAT,
         "pre_tokenizer: expected an object"},
        {SPM_FILE, "\"pre_tokenizer\": null", "\"pre_tokenizer\": {\"type\": \"Whitespace\"}", SLK_E_UNSUPPORTED,
         "pre_tokenizer.type: 'Whitespace'"},
        {SPM_FILE, "\"pre_tokenizer\": null",
         "\"pre_tokenizer\": {\"type\": \"Metaspace\", \"prepend_scheme\": \"last\"}", SLK_E_UNSUPPORTED,
         "pre_tokenizer.prepend_scheme: 'last'"},
        {SPM_FILE, "\"pre_tokenizer\": null", "\"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"_\"}",
         SLK_E_UNSUPPORTED, "pre_tokenizer.replacement: '_'"},
        {SPM_FILE, "\"pre_tokenizer\": null",
         "\"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"String\": \"a\"}, \"behavior\": \"Isolated\"}",
         SLK_E_UNSUPPORTED, "pre_tokenizer.pattern.String: 'a'"},
        {SPM_FILE, "\"pre_tokenizer\": null",
         "\"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": \"a+\"}}", SLK_E_UNSUPPORTED,
         "pre_tokenizer.pattern.Regex: 'a+'"},
        {SPM_FILE, "\"TemplateProcessing\"", "\"RobertaProcessing\"", SLK_E_UNSUPPORTED, "post_processor.type"},
        {SPM_FILE, "{\"Sequence\": {\"id\": \"A\"}}", "{\"Sequence\": 1}, {\"Sequence\": 1}", SLK_E_UNSUPPORTED,
         "post_processor.single"},
        {SPM_FILE, "\"ids\": [1]", "\"ids\": [1, 1]", SLK_E_FORMAT, "post_processor.special_tokens"},
        {SPM_FILE, "\"ids\": [1]", "\"ids\": [77]", SLK_E_FORMAT, "bos token id 77"},
        {BPE_FILE, "\"Digits\"", "\"Punctuation\"", SLK_E_UNSUPPORTED, "pre_tokenizer.pretokenizers[0].type"},
        {BPE_FILE, "\"add_prefix_space\": false", "\"add_prefix_space\": true", SLK_E_UNSUPPORTED,
         "pretokenizers[1].add_prefix_space"},
        {BPE_FILE, "\"ByteLevel\"", "\"Metaspace\"", SLK_E_UNSUPPORTED, "Metaspace after another"},
        {BPE_FILE, "\"type\": \"Digits\"", "\"type\": \"ByteLevel\"", SLK_E_UNSUPPORTED, "after ByteLevel"},
        {BPE_FILE, "\"vocab\": {", "\"vocab\": {}, \"x\": {", SLK_E_FORMAT, "model.merges[0]: 'a' is not"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        slk_tokenizer *tok;
        slk_err err = {0};
        size_t n_rows = strstr(cases[i].to, "400") != NULL && strlen(cases[i].to) < 10 ? 20 : 0;
        slk_status status = open_changed(&tok, cases[i].file, cases[i].from, cases[i].to, n_rows, &err);
        if (status != cases[i].status || strstr(err.msg, cases[i].part) == NULL)
            fail_msg("%s -> %s: status %d, %s", cases[i].from, cases[i].to, (int)status, err.msg);
        assert_null(tok);
        assert_non_null(strstr(err.msg, "tokenizer.json"));
        assert_null(strchr(err.msg, '\n'));
    }
}

static void test_cut_files(void **state)
{
    (void)state;
    for (size_t n = 0; n + 1 < sizeof SPM_FILE; n += 7) {
        slk_tokenizer *tok;
        slk_err err = {0};
        write_text(scratch("tokenizer.json"), SPM_FILE, n);
        assert_int_equal(slk_tokenizer_open_json(&tok, folder, 0, &err), SLK_E_FORMAT);
        assert_null(tok);
        assert_non_null(strstr(err.msg, "not valid JSON"));
    }
    unlink(scratch("tokenizer.json"));
    slk_tokenizer *tok;
    assert_int_equal(slk_tokenizer_open_json(&tok, folder, 0, NULL), SLK_E_IO);
    assert_null(tok);
}

static void test_no_name_in_gguf(void **state)
{
    (void)state;
    slk_json_vocab *vocab;
    slk_err err = {0};
    const char *at = strstr(BPE_FILE, "\"individual_digits\": true");
    slk_buf text = {0};
    slk_buf_add(&text, BPE_FILE, (size_t)(at - BPE_FILE));
    slk_buf_add_str(&text, "\"individual_digits\": false");
    slk_buf_add_str(&text, at + strlen("\"individual_digits\": true"));
    write_text(scratch("tokenizer.json"), text.data, text.len);
    slk_buf_release(&text);
    assert_int_equal(slk_json_vocab_open(&vocab, folder, 0, SLK_VOCAB_AS_GGUF, &err), SLK_E_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "pre_tokenizer: GGUF has no name"));
    write_text(scratch("tokenizer.json"), BPE_FILE, strlen(BPE_FILE));
    assert_int_equal(slk_json_vocab_open(&vocab, folder, 8, SLK_VOCAB_AS_GGUF, &err), SLK_OK);
    const slk_vocab *d = slk_json_vocab_get(vocab);
    assert_string_equal(d->pre, "smollm");
    assert_int_equal(d->n_merges, 1);
    assert_int_equal(d->merges[0].len, 3);
    assert_memory_equal(d->merges[0].data, "a b", 3);
    assert_memory_equal(d->tokens[7].data, "[PAD7]", 6);
    assert_int_equal(d->types[7], SLK_TOKEN_UNUSED);
    assert_int_equal(d->types[5], SLK_TOKEN_CONTROL);
    slk_json_vocab_close(vocab);
    unlink(scratch("tokenizer.json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_equal_hugging_face),
        cmocka_unit_test(test_as_gguf_ids_equal_llama_cpp),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_ends_and_bos),
        cmocka_unit_test(test_bytes_round_trip),
        cmocka_unit_test(test_nfc_keeps_what_it_must),
        cmocka_unit_test(test_small_files),
        cmocka_unit_test(test_config_decides),
        cmocka_unit_test(test_broken_config),
        cmocka_unit_test(test_broken_files),
        cmocka_unit_test(test_cut_files),
        cmocka_unit_test(test_no_name_in_gguf),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
