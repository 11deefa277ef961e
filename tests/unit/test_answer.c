/* Where an answer ends, and what of it is recorded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "infer/verify.h"

static slk_tokenizer *tokenizer;

enum { CONTROL, WORD, BREAK, BREAK_INSIDE, ZERO, HALF, N_TOKENS };

static int set_up(void **state)
{
    (void)state;
    /* U+010A stands for the line break, U+0100 for the zero byte, U+00C3 for byte C3 */
    static const char *const TEXTS[N_TOKENS] = {"<|endoftext|>", "lak", "\xC4\x8A", "s\xC4\x8AQ", "\xC4\x80", "\xC3\x83"};
    slk_bytes tokens[N_TOKENS];
    int32_t types[N_TOKENS] = {SLK_TOKEN_CONTROL, 1, 1, 1, 1, 1};
    for (int i = 0; i < N_TOKENS; i++) tokens[i] = (slk_bytes){TEXTS[i], strlen(TEXTS[i])};
    const slk_vocab vocab = {.kind = SLK_VOCAB_BPE, .pre = "gpt-2", .n_tokens = N_TOKENS, .tokens = tokens, .types = types, .bos = -1, .eos = CONTROL, .unk = -1, .eot = -1};
    return slk_tokenizer_create(&tokenizer, &vocab, NULL, NULL) == SLK_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    slk_tokenizer_free(tokenizer);
    return 0;
}

/* Tokens [n] until the answer is over; returns how many it took, n + 1: it is not over. */
static int answer(slk_buf *text, const int32_t *tokens, int n, int n_max_tokens)
{
    slk_buf_clear(text);
    for (int i = 0; i < n; i++) {
        if (slk_answer_add_token(text, tokenizer, tokens[i], i + 1, n_max_tokens)) return i + 1;
    }
    return n + 1;
}

static void an_answer_ends_where_it_should(void **state)
{
    (void)state;
    slk_buf text = {0};
    assert_int_equal(answer(&text, (int32_t[]){WORD, BREAK, WORD}, 3, 32), 2);
    assert_string_equal(text.data, "lak");
    assert_int_equal(answer(&text, (int32_t[]){WORD, BREAK_INSIDE}, 2, 32), 2);
    assert_string_equal(text.data, "laks");
    assert_int_equal(answer(&text, (int32_t[]){WORD, CONTROL, WORD}, 3, 32), 2);
    assert_string_equal(text.data, "lak");
    assert_int_equal(answer(&text, (int32_t[]){WORD, N_TOKENS + 3}, 2, 32), 2); /* rows of a padded matrix stand for nothing */
    assert_string_equal(text.data, "lak");
    assert_int_equal(answer(&text, (int32_t[]){WORD, WORD, WORD}, 3, 2), 2);
    assert_string_equal(text.data, "laklak");
    assert_int_equal(answer(&text, (int32_t[]){WORD, WORD}, 2, 3), 3);
    assert_int_equal(answer(&text, (int32_t[]){BREAK}, 1, 32), 1);
    assert_int_equal(text.len, 0);
    slk_buf_release(&text);
}

static void expect_text(const char *bytes, size_t n, const char *recorded)
{
    char *text = slk_answer_text(bytes, n);
    assert_non_null(text);
    assert_string_equal(text, recorded);
    free(text);
}

static void answers_are_recorded_as_they_are_matched(void **state)
{
    (void)state;
    expect_text("", 0, "");
    expect_text(" \t", 2, "");
    expect_text(" lak mir\xC2\xA0", 10, "lak mir");
    expect_text("lak \xC3", 5, "lak \xEF\xBF\xBD");
    /* not cut at a zero byte: what comes behind it was matched, too */
    expect_text("lak\0mir", 7, "lak\xEF\xBF\xBDmir");
    expect_text("\0", 1, "\xEF\xBF\xBD");
    expect_text("lak\0\0 ", 6, "lak\xEF\xBF\xBD\xEF\xBF\xBD");
    slk_buf text = {0};
    assert_int_equal(answer(&text, (int32_t[]){WORD, ZERO, HALF, BREAK}, 4, 32), 4);
    assert_int_equal(text.len, 5);
    expect_text(text.data, text.len, "lak\xEF\xBF\xBD\xEF\xBF\xBD");
    slk_buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_ends_where_it_should),
        cmocka_unit_test(answers_are_recorded_as_they_are_matched),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
