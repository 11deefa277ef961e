/* Tokenizers over hand-made vocabularies: what each rule does, broken descriptions, and texts that are long. The
 * comparison with llama.cpp's ids is test_vocab.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/mem.h"
#include "base/text.h"
#include "token/tokenizer.h"

#define N_MAX 400

/* A description that tests fill and break. */
typedef struct sketch {
    slk_vocab vocab;
    slk_bytes tokens[N_MAX], merges[16];
    float scores[N_MAX];
    int32_t types[N_MAX];
    char spelled[256][8];
} sketch;

static int32_t add(sketch *s, const char *text, int32_t type, float score)
{
    int32_t id = (int32_t)s->vocab.n_tokens++;
    s->tokens[id] = (slk_bytes){text, strlen(text)};
    s->types[id] = type;
    s->scores[id] = score;
    return id;
}

static void add_merge(sketch *s, const char *text)
{
    s->merges[s->vocab.n_merges++] = (slk_bytes){text, strlen(text)};
}

static sketch *sketch_new(slk_vocab_kind kind)
{
    sketch *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->vocab =
        (slk_vocab){.kind = kind, .tokens = s->tokens, .types = s->types, .bos = -1, .eos = -1, .unk = -1, .eot = -1};
    return s;
}

/* Ids 0-255 are the bytes in order. */
static sketch *sketch_bpe(void)
{
    sketch *s = sketch_new(SLK_VOCAB_BPE);
    s->vocab.pre = "gpt-2";
    s->vocab.merges = s->merges;
    uint32_t next = 256;
    for (uint32_t byte = 0; byte < 256; byte++) {
        bool visible = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
        int n = slk_utf8_encode(s->spelled[byte], visible ? byte : next++);
        s->spelled[byte][n] = '\0';
        add(s, s->spelled[byte], SLK_TOKEN_NORMAL, 0);
    }
    return s;
}

enum { SPM_UNK, SPM_BOS, SPM_EOS, SPM_BYTES };

/* 0-2: unk, bos, eos; then 256 bytes, U+2581 and the lower-case letters. */
static sketch *sketch_spm(void)
{
    static char letters[26][2];
    sketch *s = sketch_new(SLK_VOCAB_SPM);
    s->vocab.scores = s->scores;
    add(s, "<unk>", SLK_TOKEN_UNKNOWN, 0);
    s->vocab.bos = add(s, "<s>", SLK_TOKEN_CONTROL, 0);
    s->vocab.eos = add(s, "</s>", SLK_TOKEN_CONTROL, 0);
    s->vocab.unk = SPM_UNK;
    for (unsigned byte = 0; byte < 256; byte++) {
        snprintf(s->spelled[byte], sizeof s->spelled[byte], "<0x%02X>", byte);
        add(s, s->spelled[byte], SLK_TOKEN_BYTE, 0);
    }
    add(s, "\xE2\x96\x81", SLK_TOKEN_NORMAL, -50);
    for (int i = 0; i < 26; i++) {
        letters[i][0] = (char)('a' + i);
        add(s, letters[i], SLK_TOKEN_NORMAL, -50);
    }
    return s;
}

static int32_t spm_byte(unsigned byte)
{
    return SPM_BYTES + (int32_t)byte;
}

static int32_t spm_letter(char c)
{
    return SPM_BYTES + 257 + (c - 'a');
}

#define SPM_SPACE (SPM_BYTES + 256)

static slk_tokenizer *make(sketch *s)
{
    slk_tokenizer *tok;
    slk_err err = {0};
    if (slk_tokenizer_create(&tok, &s->vocab, "test", &err) != SLK_OK) fail_msg("%s", err.msg);
    free(s); /* everything was copied */
    return tok;
}

static void expect_ids(const slk_tokenizer *tok, const char *text, unsigned flags, const int32_t *expected, size_t n)
{
    slk_ids ids = {0};
    assert_int_equal(slk_tokenizer_encode(tok, text, strlen(text), flags, &ids, NULL), SLK_OK);
    for (size_t i = 0; i < n && i < ids.n; i++) {
        if (ids.ids[i] != expected[i]) fail_msg("'%s': id %zu is %d, expected %d", text, i, ids.ids[i], expected[i]);
    }
    assert_int_equal(ids.n, n);
    free(ids.ids);
}

#define EXPECT(tok, text, flags, ...)                                                                                  \
    expect_ids(tok, text, flags, (const int32_t[]){__VA_ARGS__},                                                       \
               sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t))

static void expect_text(const slk_tokenizer *tok, const int32_t *ids, size_t n, bool special, bool at_start,
                        const char *expected)
{
    slk_buf text;
    slk_buf_init(&text);
    slk_tokenizer_decode(tok, ids, n, special, at_start, &text);
    assert_string_equal(text.data != NULL ? text.data : "", expected);
    slk_buf_release(&text);
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
    slk_buf_release(&back);
    free(ids.ids);
}

/* --- byte-level BPE --- */

static void test_bpe_merges_by_rank_then_leftmost(void **state)
{
    (void)state;
    sketch *s = sketch_bpe();
    int32_t bc = add(s, "bc", SLK_TOKEN_NORMAL, 0), ab = add(s, "ab", SLK_TOKEN_NORMAL, 0);
    int32_t aa = add(s, "aa", SLK_TOKEN_NORMAL, 0), abc = add(s, "abc", SLK_TOKEN_NORMAL, 0);
    add_merge(s, "b c");
    add_merge(s, "a b");
    add_merge(s, "a a");
    add_merge(s, "a b"); /* a second time: the first rank holds */
    add_merge(s, "ab c");
    slk_tokenizer *tok = make(s);
    EXPECT(tok, "abc", 0, 'a', bc); /* b c comes first; a bc is no merge */
    EXPECT(tok, "abd", 0, ab, 'd');
    EXPECT(tok, "aaa", 0, aa, 'a');
    EXPECT(tok, "aaaa", 0, aa, aa);
    assert_true(abc > 0);
    slk_tokenizer_free(tok);
}

static void test_bpe_whole_words(void **state)
{
    (void)state;
    sketch *s = sketch_bpe();
    int32_t bc = add(s, "bc", SLK_TOKEN_NORMAL, 0), word = add(s, "\304\240abc", SLK_TOKEN_NORMAL, 0);
    add_merge(s, "b c");
    s->vocab.pre = "llama-bpe";
    slk_tokenizer *tok = make(s);
    EXPECT(tok, " abc", 0, word);
    EXPECT(tok, "abc", 0, 'a', bc);
    slk_bytes piece = slk_tokenizer_piece(tok, word), raw = slk_tokenizer_raw(tok, word);
    assert_int_equal(piece.len, 4);
    assert_memory_equal(piece.data, " abc", 4);
    assert_int_equal(raw.len, 5);
    slk_tokenizer_free(tok);
}

static void test_bpe_verbatim_tokens(void **state)
{
    (void)state;
    sketch *s = sketch_bpe();
    int32_t end = add(s, "<|x|>", SLK_TOKEN_CONTROL, 0), two = add(s, "  ", SLK_TOKEN_USER, 0);
    int32_t three = add(s, "   ", SLK_TOKEN_USER, 0), xy = add(s, "xy", SLK_TOKEN_USER, 0),
            yzz = add(s, "yzz", SLK_TOKEN_USER, 0);
    int32_t unknown = add(s, "<unk>", SLK_TOKEN_UNKNOWN, 0);
    slk_tokenizer *tok = make(s);
    EXPECT(tok, "a<|x|>", 0, 'a', '<', '|', 'x', '|', '>');
    EXPECT(tok, "a<|x|>b", SLK_ENCODE_SPECIAL, 'a', end, 'b');
    EXPECT(tok, "<unk>", SLK_ENCODE_SPECIAL, unknown);
    EXPECT(tok, "     ", 0, three, two);
    EXPECT(tok, "xyzz", 0, 'x', yzz); /* longer ones first, wherever they stand */
    EXPECT(tok, "xyz", 0, xy, 'z');
    expect_text(tok, (const int32_t[]){'a', end, two}, 3, false, true, "a  ");
    expect_text(tok, (const int32_t[]){'a', end, two, 100000, -1}, 5, true, true, "a<|x|>  ");
    assert_true(slk_tokenizer_is_control(tok, end));
    assert_true(slk_tokenizer_is_control(tok, unknown));
    assert_true(slk_tokenizer_is_control(tok, -1));
    assert_true(slk_tokenizer_is_control(tok, (int32_t)slk_tokenizer_n_tokens(tok)));
    assert_false(slk_tokenizer_is_control(tok, two));
    assert_false(slk_tokenizer_is_end(tok, end));
    assert_int_equal(slk_tokenizer_piece(tok, end).len, 0);
    slk_tokenizer_free(tok);
}

static void test_bpe_missing_bytes(void **state)
{
    (void)state;
    sketch *s = sketch_new(SLK_VOCAB_BPE);
    add(s, "a", SLK_TOKEN_NORMAL, 0);
    slk_tokenizer *tok = make(s);
    slk_ids ids = {0};
    slk_err err;
    assert_int_equal(slk_tokenizer_encode(tok, "aa", 2, 0, &ids, &err), SLK_OK);
    assert_int_equal(slk_tokenizer_encode(tok, "aab", 3, 0, &ids, &err), SLK_E_FORMAT);
    assert_string_equal(err.msg, "test: the vocabulary has no token for byte 0x62");
    assert_int_equal(ids.n, 2); /* nothing half-written */
    free(ids.ids);
    slk_tokenizer_free(tok);
}

static void test_ends(void **state)
{
    (void)state;
    sketch *s = sketch_bpe();
    s->vocab.eos = add(s, "<fin>", SLK_TOKEN_CONTROL, 0);
    s->vocab.bos = add(s, "<begin>", SLK_TOKEN_CONTROL, 0);
    s->vocab.eot = add(s, "<stop>", SLK_TOKEN_CONTROL, 0);
    int32_t eos = s->vocab.eos, bos = s->vocab.bos, eot = s->vocab.eot;
    int32_t im_end = add(s, "<|im_end|>", SLK_TOKEN_NORMAL, 0); /* mistyped in the file, well known */
    int32_t im_start = add(s, "<|im_start|>", SLK_TOKEN_CONTROL, 0), plain = add(s, "</s>", SLK_TOKEN_NORMAL, 0);
    s->vocab.add_bos = s->vocab.add_eos = true;
    slk_tokenizer *tok = make(s);
    assert_true(slk_tokenizer_is_end(tok, eos));
    assert_true(slk_tokenizer_is_end(tok, eot));
    assert_true(slk_tokenizer_is_end(tok, im_end));
    assert_true(slk_tokenizer_is_control(tok, im_end));
    assert_false(slk_tokenizer_is_end(tok, bos));
    assert_false(slk_tokenizer_is_end(tok, im_start));
    assert_false(slk_tokenizer_is_end(tok, plain));
    assert_false(slk_tokenizer_is_end(tok, -1));
    assert_int_equal(slk_tokenizer_bos(tok), bos);
    assert_int_equal(slk_tokenizer_eos(tok), eos);
    assert_true(slk_tokenizer_adds_bos(tok));
    EXPECT(tok, "a", SLK_ENCODE_BOS, bos, 'a');
    EXPECT(tok, "a", SLK_ENCODE_BOS | SLK_ENCODE_EOS, bos, 'a', eos);
    EXPECT(tok, "a", 0, 'a');
    EXPECT(tok, "", SLK_ENCODE_BOS | SLK_ENCODE_EOS, bos, eos);
    slk_tokenizer_free(tok);
}

/* --- SentencePiece --- */

static void test_spm_merges_by_score_then_leftmost(void **state)
{
    (void)state;
    sketch *s = sketch_spm();
    int32_t bc = add(s, "bc", SLK_TOKEN_NORMAL, -1), ab = add(s, "ab", SLK_TOKEN_NORMAL, -2),
            aa = add(s, "aa", SLK_TOKEN_NORMAL, 0);
    int32_t abc = add(s, "abc", SLK_TOKEN_NORMAL, -9), cd = add(s, "cd", SLK_TOKEN_NORMAL, -1);
    slk_tokenizer *tok = make(s);
    EXPECT(tok, "abc", 0, abc); /* b c first, then a bc: any two that spell a token join */
    EXPECT(tok, "bcd", 0, bc, spm_letter('d'));
    EXPECT(tok, "aaa", 0, aa, spm_letter('a'));
    EXPECT(tok, "abd", 0, ab, spm_letter('d'));
    EXPECT(tok, "acd", 0, spm_letter('a'), cd);
    slk_tokenizer_free(tok);
}

static void test_spm_space_prefix(void **state)
{
    (void)state;
    sketch *s = sketch_spm();
    int32_t space_a = add(s, "\342\226\201a", SLK_TOKEN_NORMAL, -1), user = add(s, "<user>", SLK_TOKEN_USER, 0);
    s->vocab.add_space_prefix = true;
    slk_tokenizer *tok = make(s);
    EXPECT(tok, "a", 0, space_a);
    EXPECT(tok, " a", 0, SPM_SPACE, space_a);
    EXPECT(tok, "a</s>a", SLK_ENCODE_SPECIAL, space_a, SPM_EOS, space_a);
    EXPECT(tok, "a<user>a", 0, space_a, user, space_a);
    expect_text(tok, (const int32_t[]){space_a, space_a}, 2, false, true, "a a");
    expect_text(tok, (const int32_t[]){space_a, space_a}, 2, false, false, " a a");
    expect_text(tok, (const int32_t[]){SPM_BOS, space_a}, 2, false, true, "a");
    expect_text(tok, (const int32_t[]){SPM_BOS, space_a, SPM_EOS}, 3, true, true, "<s>a</s>");
    expect_text(tok, (const int32_t[]){user, space_a}, 2, false, true, "<user> a");
    slk_ids ids = {0};
    assert_int_equal(slk_tokenizer_encode(tok, "", 0, 0, &ids, NULL), SLK_OK);
    assert_int_equal(ids.n, 0);
    free(ids.ids);
    slk_tokenizer_free(tok);
}

static void test_spm_byte_fallback(void **state)
{
    (void)state;
    slk_tokenizer *tok = make(sketch_spm());
    EXPECT(tok, "a\xC3\xA9!", 0, spm_letter('a'), spm_byte(0xC3), spm_byte(0xA9), spm_byte('!'));
    EXPECT(tok, "\xFF", 0, spm_byte(0xFF));
    /* The spelling of a byte or control token in the text is just text. */
    EXPECT(tok, "<s>", 0, spm_byte('<'), spm_letter('s'), spm_byte('>'));
    expect_text(tok, (const int32_t[]){spm_byte(0xC3), spm_byte(0xA9)}, 2, false, true, "\xC3\xA9");
    slk_tokenizer_free(tok);
}

static void test_spm_control_tokens_are_never_merged(void **state)
{
    (void)state;
    sketch *s = sketch_spm();
    int32_t open = add(s, "<0", SLK_TOKEN_NORMAL, 0), x = add(s, "x4", SLK_TOKEN_NORMAL, 0);
    int32_t one = add(s, "1>", SLK_TOKEN_NORMAL, 0), more = add(s, "<0x4", SLK_TOKEN_NORMAL, 0);
    add(s, "<", SLK_TOKEN_NORMAL, 0);
    add(s, ">", SLK_TOKEN_NORMAL, 0);
    add(s, "0", SLK_TOKEN_NORMAL, 0);
    add(s, "1", SLK_TOKEN_NORMAL, 0);
    add(s, "4", SLK_TOKEN_NORMAL, 0);
    slk_tokenizer *tok = make(s);
    EXPECT(tok, "<0x41>", 0, more, one); /* joining both would spell the byte token of 'A' */
    assert_true(open > 0 && x > 0);
    slk_tokenizer_free(tok);
}

static void test_spm_without_bytes(void **state)
{
    (void)state;
    sketch *s = sketch_new(SLK_VOCAB_SPM);
    add(s, "a", SLK_TOKEN_NORMAL, 0);
    slk_tokenizer *tok = make(s);
    slk_ids ids = {0};
    slk_err err;
    assert_int_equal(slk_tokenizer_encode(tok, "ab", 2, 0, &ids, &err), SLK_E_FORMAT);
    assert_string_equal(err.msg, "test: the vocabulary has no token for 'b' and no byte token <0x62>");
    assert_int_equal(ids.n, 0);
    free(ids.ids);
    slk_tokenizer_free(tok);
}

/* --- broken descriptions --- */

static void expect_error(sketch *s, slk_status status, const char *message)
{
    slk_tokenizer *tok = (slk_tokenizer *)s;
    slk_err err = {0};
    assert_int_equal(slk_tokenizer_create(&tok, &s->vocab, "f.gguf", &err), status);
    assert_null(tok);
    assert_string_equal(err.msg, message);
    assert_int_equal(slk_tokenizer_create(&tok, &s->vocab, "f.gguf", NULL), status);
    free(s);
}

static void test_broken_vocabularies(void **state)
{
    (void)state;
    expect_error(sketch_new(SLK_VOCAB_BPE), SLK_E_FORMAT, "f.gguf: the vocabulary is empty");
    sketch *s = sketch_bpe();
    s->vocab.bos = 256;
    expect_error(s, SLK_E_FORMAT, "f.gguf: bos token id 256 is outside the vocabulary of 256 tokens");
    s = sketch_bpe();
    s->vocab.eot = -2;
    expect_error(s, SLK_E_FORMAT, "f.gguf: eot token id -2 is outside the vocabulary of 256 tokens");
    s = sketch_bpe();
    s->vocab.add_bos = true;
    expect_error(s, SLK_E_FORMAT, "f.gguf: texts are to begin with a bos token, but there is none");
    s = sketch_bpe();
    add(s, "A", SLK_TOKEN_NORMAL, 0);
    expect_error(s, SLK_E_FORMAT, "f.gguf: tokens 65 and 256 are both 'A'");
    s = sketch_bpe();
    s->types[7] = 9;
    expect_error(s, SLK_E_FORMAT, "f.gguf: token 7 '\xC4\x87' has type 9, expected 1 to 6");
    s = sketch_bpe();
    s->vocab.pre = "tekken";
    expect_error(
        s, SLK_E_UNSUPPORTED,
        "f.gguf: pre-tokeniser 'tekken' is not one that slick knows (smollm, gpt-2, llama-bpe, qwen2, default)");
    s = sketch_spm();
    s->scores[5] = NAN;
    expect_error(s, SLK_E_FORMAT, "f.gguf: the score of token 5 is not a number");
    s = sketch_spm();
    s->types[SPM_SPACE + 1] = SLK_TOKEN_BYTE;
    expect_error(s, SLK_E_FORMAT, "f.gguf: token 260 'a' has the type of a byte, expected a spelling like <0x0A>");
}

static void test_broken_merges(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "a", " ", "ab", "a ", " a"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char message[200];
        snprintf(message, sizeof message, "f.gguf: merge 0 '%s': expected two pieces with a space between them",
                 bad[i]);
        sketch *s = sketch_bpe();
        add_merge(s, bad[i]);
        expect_error(s, SLK_E_FORMAT, message);
    }
    sketch *s = sketch_bpe();
    add(s, "ab", SLK_TOKEN_NORMAL, 0);
    add_merge(s, "a b");
    add_merge(s, "ab c");
    expect_error(s, SLK_E_FORMAT, "f.gguf: merge 1 'ab c': 'abc' is not a token of the vocabulary");
    s = sketch_bpe();
    add_merge(s, "a xyz");
    expect_error(s, SLK_E_FORMAT, "f.gguf: merge 0 'a xyz': 'xyz' is not a token of the vocabulary");
}

static void test_merge_into_control_token_is_left_out(void **state)
{
    (void)state;
    sketch *s = sketch_bpe();
    int32_t ab = add(s, "ab", SLK_TOKEN_CONTROL, 0);
    add_merge(s, "a b");
    slk_tokenizer *tok = make(s);
    EXPECT(tok, "ab", 0, 'a', 'b');
    EXPECT(tok, "ab", SLK_ENCODE_SPECIAL, ab);
    slk_tokenizer_free(tok);
}

static void test_empty_spellings_are_placeholders(void **state)
{
    (void)state;
    sketch *s = sketch_bpe();
    int32_t first = add(s, "", SLK_TOKEN_USER, 0), second = add(s, "", SLK_TOKEN_CONTROL, 0);
    slk_tokenizer *tok = make(s);
    EXPECT(tok, "a", SLK_ENCODE_SPECIAL, 'a');
    assert_int_equal(slk_tokenizer_piece(tok, first).len, 0);
    assert_int_equal(slk_tokenizer_raw(tok, second).len, 0);
    slk_tokenizer_free(tok);
}

/* --- arbitrary and long texts --- */

static void test_any_bytes_round_trip(void **state)
{
    (void)state;
    sketch *s = sketch_bpe();
    add(s, "ab", SLK_TOKEN_NORMAL, 0);
    add_merge(s, "a b");
    slk_tokenizer *bpe = make(s), *spm = make(sketch_spm());
    sketch *prefixed = sketch_spm();
    prefixed->vocab.add_space_prefix = true;
    slk_tokenizer *spm_prefixed = make(prefixed);
    uint64_t x = 88172645463325252u;
    for (int round = 0; round < 300; round++) {
        char text[200];
        size_t n = (size_t)round % sizeof text;
        for (size_t i = 0; i < n; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            text[i] = (char)(x >> 20);
            if ((x >> 40 & 3) == 0) text[i] = "ab \n\xE2\xC3"[x >> 50 & 3];
        }
        expect_round_trip(bpe, text, n);
        bool has_space_mark = false;
        for (size_t i = 0; i + 2 < n; i++) has_space_mark = has_space_mark || memcmp(text + i, "\xE2\x96\x81", 3) == 0;
        if (has_space_mark) continue;
        expect_round_trip(spm, text, n);
        expect_round_trip(spm_prefixed, text, n);
    }
    slk_tokenizer_free(bpe);
    slk_tokenizer_free(spm);
    slk_tokenizer_free(spm_prefixed);
}

static void test_long_words_are_fast(void **state)
{
    (void)state;
    enum { N = 100000 };
    sketch *s = sketch_bpe();
    int32_t aa = add(s, "aa", SLK_TOKEN_NORMAL, 0), a4 = add(s, "aaaa", SLK_TOKEN_NORMAL, 0);
    add(s, "\xC4\xA0\xC4\xA0", SLK_TOKEN_NORMAL, 0);
    add_merge(s, "a a");
    add_merge(s, "aa aa");
    add_merge(s, "\xC4\xA0 \xC4\xA0");
    slk_tokenizer *bpe = make(s);
    s = sketch_spm();
    add(s, "aa", SLK_TOKEN_NORMAL, -1);
    add(s, "aaaa", SLK_TOKEN_NORMAL, -2);
    add(s, "\xE2\x96\x81\xE2\x96\x81", SLK_TOKEN_NORMAL, -3);
    add(s, "\n\n\n", SLK_TOKEN_USER, 0);
    slk_tokenizer *spm = make(s);
    char *text = malloc(N);
    assert_non_null(text);
    clock_t begin = clock();
    static const char fills[] = {'a', ' ', '\n', '1', '\xE2', '\''};
    for (size_t i = 0; i < sizeof fills; i++) {
        memset(text, fills[i], N);
        expect_round_trip(bpe, text, N);
        expect_round_trip(spm, text, N);
    }
    double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    if (seconds > 10) fail_msg("12 texts of 100 kB took %.1f s", seconds);
    memset(text, 'a', N);
    slk_ids ids = {0};
    assert_int_equal(slk_tokenizer_encode(bpe, text, N, 0, &ids, NULL), SLK_OK);
    assert_int_equal(ids.n, N / 4);
    for (size_t i = 0; i < ids.n; i++) assert_int_equal(ids.ids[i], a4);
    assert_true(aa > 0);
    free(ids.ids);
    free(text);
    slk_tokenizer_free(bpe);
    slk_tokenizer_free(spm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bpe_merges_by_rank_then_leftmost),
        cmocka_unit_test(test_bpe_whole_words),
        cmocka_unit_test(test_bpe_verbatim_tokens),
        cmocka_unit_test(test_bpe_missing_bytes),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_spm_merges_by_score_then_leftmost),
        cmocka_unit_test(test_spm_space_prefix),
        cmocka_unit_test(test_spm_byte_fallback),
        cmocka_unit_test(test_spm_control_tokens_are_never_merged),
        cmocka_unit_test(test_spm_without_bytes),
        cmocka_unit_test(test_broken_vocabularies),
        cmocka_unit_test(test_broken_merges),
        cmocka_unit_test(test_merge_into_control_token_is_left_out),
        cmocka_unit_test(test_empty_spellings_are_placeholders),
        cmocka_unit_test(test_any_bytes_round_trip),
        cmocka_unit_test(test_long_words_are_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
