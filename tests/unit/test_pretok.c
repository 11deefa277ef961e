/* The pre-tokeniser patterns: hand-checked cuts, words joined with '|'. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/mem.h"
#include "token/pretok.h"

static slk_status collect(void *user, const char *word, size_t n_bytes, slk_err *err)
{
    (void)err;
    slk_buf *words = user;
    if (words->len > 0) slk_buf_add(words, "|", 1);
    slk_buf_add(words, word, n_bytes);
    return SLK_OK;
}

static void check_n(const char *name, const char *text, size_t n_bytes, const char *expected)
{
    slk_pretok *pretok;
    slk_buf words;
    slk_buf_init(&words);
    const slk_pretok_info *info = slk_pretok_find(name, strlen(name));
    assert_non_null(info);
    assert_int_equal(slk_pretok_create(&pretok, info, NULL), SLK_OK);
    assert_int_equal(slk_pretok_split(pretok, text, n_bytes, collect, &words, NULL), SLK_OK);
    assert_string_equal(words.data, expected);
    slk_buf_release(&words);
    slk_pretok_free(pretok);
}

static void check(const char *name, const char *text, const char *expected)
{
    check_n(name, text, strlen(text), expected);
}

static void test_gpt2(void **state)
{
    (void)state;
    check("gpt-2", "Hello world 123's 'T!!", "Hello| world| 123|'s| '|T|!!");
    check("gpt-2", "a  b\n c \t", "a| | b|\n| c| \t");
    check("gpt-2", "we'll I'M", "we|'ll| I|'|M");
}

static void test_smollm_cuts_digits_first(void **state)
{
    (void)state;
    check("smollm", "in 1999, x2", "in| |1|9|9|9|,| x|2");
    /* The digit is no part of what look-ahead sees: all spaces before it stay together. */
    check("smollm", "a   1", "a|   |1");
    check("gpt-2", "a   1", "a|  | 1");
}

static void test_llama_bpe(void **state)
{
    (void)state;
    check("llama-bpe", "in 1234567 I'VE\n\n  x", "in| |123|456|7| I|'VE|\n\n| | x");
    check("llama-bpe", "a...\nb\r\n (c)_d", "a|...\n|b|\r\n| (|c|)_|d");
    check("llama-bpe", "  \n\n  \n x", "  \n\n  \n| x");
}

static void test_qwen2(void **state)
{
    (void)state;
    check("qwen2", "1234 don'T #tag", "1|2|3|4| don|'T| #|tag");
    check("qwen2", "x  \n", "x|  \n");
}

static void test_default(void **state)
{
    (void)state;
    check("default", "a, b+c 12345 `x", "a|,| b|+|c| |123|45| `|x");
}

static void test_white_space_is_the_unicode_property(void **state)
{
    (void)state;
    /* U+00A0 and U+3000 are white space; U+180E (PCRE2's \s has it) and U+200B are not. */
    check("gpt-2", "a\xC2\xA0\xE3\x80\x80z", "a|\xC2\xA0|\xE3\x80\x80|z");
    check("gpt-2", "a\xE1\xA0\x8E\xE1\xA0\x8Ez", "a|\xE1\xA0\x8E\xE1\xA0\x8E|z");
    check("gpt-2", "a\xE2\x80\x8B\xE2\x80\x8Bz", "a|\xE2\x80\x8B\xE2\x80\x8B|z");
}

static void test_characters_after_unicode_14(void **state)
{
    (void)state;
    /* U+31350 is a letter, U+1E4F0 a digit since Unicode 15. */
    check("gpt-2", "a\xF0\xB1\x8D\x90z-\xF0\xB1\x8D\x90", "a\xF0\xB1\x8D\x90z|-|\xF0\xB1\x8D\x90");
    check("smollm", "a\xF0\x9E\x93\xB0\xF0\x9E\x93\xB0z", "a|\xF0\x9E\x93\xB0|\xF0\x9E\x93\xB0|z");
}

static void test_invalid_bytes_are_words(void **state)
{
    (void)state;
    check("gpt-2", "ab\xFFxy\xE2\x82", "ab|\xFF|xy|\xE2|\x82");
    check("llama-bpe", "\xED\xA0\x80", "\xED|\xA0|\x80"); /* a surrogate */
}

static void test_unknown_name(void **state)
{
    (void)state;
    assert_null(slk_pretok_find("no-such", 7));
    assert_null(slk_pretok_find("gpt-2x", 6));
    assert_non_null(slk_pretok_find("gpt-2x", 5));
    assert_true(slk_pretok_find("llama-bpe", 9)->add_bos);
    assert_false(slk_pretok_find("smollm", 6)->add_bos);
}

static slk_status refuse(void *user, const char *word, size_t n_bytes, slk_err *err)
{
    (void)word;
    (void)n_bytes;
    ++*(int *)user;
    return slk_fail(err, SLK_E_FORMAT, "no");
}

static void test_error_of_emit_ends_it(void **state)
{
    (void)state;
    slk_pretok *pretok;
    slk_err err;
    int n_calls = 0;
    assert_int_equal(slk_pretok_create(&pretok, slk_pretok_find("smollm", 6), NULL), SLK_OK);
    assert_int_equal(slk_pretok_split(pretok, "a 1 b", 5, refuse, &n_calls, &err), SLK_E_FORMAT);
    assert_int_equal(n_calls, 1);
    assert_string_equal(err.msg, "no");
    slk_pretok_free(pretok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpt2),
        cmocka_unit_test(test_smollm_cuts_digits_first),
        cmocka_unit_test(test_llama_bpe),
        cmocka_unit_test(test_qwen2),
        cmocka_unit_test(test_default),
        cmocka_unit_test(test_white_space_is_the_unicode_property),
        cmocka_unit_test(test_characters_after_unicode_14),
        cmocka_unit_test(test_invalid_bytes_are_words),
        cmocka_unit_test(test_unknown_name),
        cmocka_unit_test(test_error_of_emit_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
