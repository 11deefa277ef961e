/* Abstentions: the list, what matches it, and that docs/eval.md has the same one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/file.h"
#include "know/abstain.h"

static void test_forms(void **state)
{
    (void)state;
    static const slk_match_rule em = {.kind = SLK_MATCH_EM};
    const char *const *list = slk_abstention_list();
    for (size_t i = 0; list[i]; i++) {
        char *form = slk_match_normalize(&em, list[i], strlen(list[i]));
        assert_string_equal(form, list[i]); /* in the form that is compared */
        free(form);
        for (size_t j = 0; j < i; j++) assert_string_not_equal(list[i], list[j]);
        assert_int_equal(slk_abstention_matches(list[i], strlen(list[i])), 1);
    }
}

static void test_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int match;
    } cases[] = {
        {"I don't know", 1},
        {" I DON\xE2\x80\x99T KNOW. ", 1},
        {"I don't know the answer to this question", 1},
        {"Sorry, I do not know!", 1},
        {"IDK", 1},
        {"(unknown)", 1},
        {"The answer is unknown.", 1},
        {"", 0},
        {"Paris", 0},
        {"I don't know, maybe Paris", 0},
        {"I don't", 0},
        {"Unknown Pleasures", 0},
        {"nothing", 0},
        {"None", 0},
    };
    slk_golds *golds;
    slk_err err;
    assert_int_equal(slk_abstentions_create(&golds, &err), SLK_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *text = cases[i].text;
        assert_int_equal(slk_abstention_matches(text, strlen(text)), cases[i].match);
        assert_int_equal(slk_golds_match(golds, text, strlen(text)), cases[i].match);
        /* every beginning of one is alive */
        for (size_t n = 0; cases[i].match && n <= strlen(text); n++) assert_true(slk_golds_alive(golds, text, n));
    }
    assert_false(slk_golds_alive(golds, "Paris", 5));
    assert_false(slk_golds_alive(golds, "I don't know, maybe", 19));
    slk_golds_free(golds);
}

/* The code block behind "## The list" of docs/eval.md: a line each. */
static void test_documented(void **state)
{
    (void)state;
    char *text;
    size_t n_bytes, n = 0;
    slk_err err;
    if (slk_file_read(&text, &n_bytes, SLICK_TEST_DATA "/../../docs/eval.md", &err) != SLK_OK) fail_msg("%s", err.msg);
    const char *const *list = slk_abstention_list();
    char *at = strstr(text, "## The list of abstentions");
    assert_non_null(at);
    at = strstr(at, "\n    ");
    for (; at && strncmp(at, "\n    ", 5) == 0; n++) {
        char *line = at + 5;
        at = strchr(line, '\n');
        assert_non_null(at);
        assert_non_null(list[n]);
        assert_int_equal(at - line, strlen(list[n]));
        assert_memory_equal(line, list[n], strlen(list[n]));
    }
    assert_null(list[n]);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
