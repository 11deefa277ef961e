/* Text. Expected normal forms and repairs were written down from Python 3.11 (unicodedata, str.casefold,
 * bytes.decode("utf-8", "replace")), never from slick's own output. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"

#define N_OF(array) (sizeof(array) / sizeof(array)[0])

/* --- UTF-8 ------------------------------------------------------------------------------------------------------- */

static void test_every_character_encodes_and_decodes(void **state)
{
    (void)state;
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        if (code >= 0xD800 && code < 0xE000) continue;
        char bytes[4];
        uint32_t back = ~0u;
        int n = slk_utf8_encode(bytes, code);
        assert_int_equal(n, code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4);
        assert_int_equal(slk_utf8_decode(&back, bytes, (size_t)n), n);
        assert_int_equal(back, code);
        assert_int_equal(slk_utf8_valid(bytes, (size_t)n), n);
        /* Every cut of it is an open tail, the whole is none. */
        for (int cut = 1; cut < n; cut++) {
            assert_int_equal(slk_utf8_decode(&back, bytes, (size_t)cut), 0);
            assert_int_equal(slk_utf8_open_tail(bytes, (size_t)cut), cut);
        }
        assert_int_equal(slk_utf8_open_tail(bytes, (size_t)n), 0);
    }
}

/* All sequences of two bytes, and all of three and four over the bytes where something changes, against the definition:
 * valid iff decoding the bits by hand gives a scalar value whose shortest form they are. */
static bool valid_by_definition(const uint8_t *s, int n)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    static const uint8_t lead[5] = {0, 0x00, 0xC0, 0xE0, 0xF0}, mask[5] = {0, 0x80, 0xE0, 0xF0, 0xF8};
    if ((s[0] & mask[n]) != lead[n]) return false;
    uint32_t code = s[0] & (uint8_t)~mask[n];
    for (int i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80) return false;
        code = code << 6 | (s[i] & 0x3F);
    }
    return code >= least[n] && code <= 0x10FFFF && !(code >= 0xD800 && code < 0xE000);
}

static void test_decode_agrees_with_definition(void **state)
{
    (void)state;
    static const uint8_t edge[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF,
                                   0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF8, 0xFF};
    size_t n_valid = 0;
    for (int a = 0; a < 256; a++) {
        for (size_t b = 0; b < N_OF(edge); b++) {
            for (size_t c = 0; c < N_OF(edge); c++) {
                for (size_t d = 0; d < N_OF(edge); d++) {
                    uint8_t s[4] = {(uint8_t)a, edge[b], edge[c], edge[d]};
                    int expected = 0;
                    for (int n = 1; n <= 4; n++) {
                        if (valid_by_definition(s, n)) expected = n;
                    }
                    uint32_t code;
                    assert_int_equal(slk_utf8_decode(&code, (const char *)s, 4), expected);
                    n_valid += expected == 4;
                }
            }
        }
    }
    assert_true(n_valid > 100);
}

static void test_encode_no_scalar_value(void **state)
{
    (void)state;
    char out[4];
    static const uint32_t codes[] = {0xD800, 0xDFFF, 0x110000, 0xFFFFFFFF};
    for (size_t i = 0; i < N_OF(codes); i++) {
        assert_int_equal(slk_utf8_encode(out, codes[i]), 3);
        assert_memory_equal(out, "\xEF\xBF\xBD", 3);
    }
}

static void test_valid_prefix(void **state)
{
    (void)state;
    assert_int_equal(slk_utf8_valid("", 0), 0);
    assert_int_equal(slk_utf8_valid("ab\0c", 4), 4);
    assert_int_equal(slk_utf8_valid("caf\xC3\xA9", 5), 5);
    assert_int_equal(slk_utf8_valid("caf\xC3", 4), 3);
    assert_int_equal(slk_utf8_valid("a\xC0\xAF", 3), 1);     /* overlong '/' */
    assert_int_equal(slk_utf8_valid("a\xED\xA0\x80", 4), 1); /* a surrogate */
    assert_int_equal(slk_utf8_valid("a\xF4\x90\x80\x80", 5), 1);
}

static void test_open_tail(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t tail;
    } cases[] = {
        {"", 0},
        {"abc", 0},
        {"abc\xE2", 1},
        {"abc\xE2\x82", 2},
        {"abc\xE2\x82\xAC", 0},
        {"\xF0\x9F\x98", 3},
        {"\x80\x80\x80", 0},
        {"\xC3\xA9\xA9", 0}, /* nothing completes a stray byte */
        {"\xE0\x80", 0},     /* overlong: no further byte makes it a character */
        {"\xED\xA0", 0},     /* a surrogate */
        {"\xF4\x90\x80", 0}, /* above U+10FFFF */
        {"\xC1", 0},
        {"\xF5", 0},
        {"\xFF", 0},
        {"\xF0\x9F\xE2\x82", 2}, /* only the last one is open */
    };
    for (size_t i = 0; i < N_OF(cases); i++)
        assert_int_equal(slk_utf8_open_tail(cases[i].text, strlen(cases[i].text)), cases[i].tail);
}

/* U+FFFD */
#define R "\xEF\xBF\xBD"

static void test_repair_as_python_does(void **state)
{
    (void)state;
    static const struct {
        const char *broken, *repaired;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"caf\xC3\xA9", "caf\xC3\xA9"},
        {"\xFF", R},
        {"a\x80z", "a" R "z"},
        {"\xC0\xAF", R R},
        {"\xE0\x80\xAF", R R R},
        {"\xE2\x82", R},
        {"\xE2\x82z", R "z"},
        {"\xED\xA0\x80", R R R},
        {"\xF0\x90\x80", R},
        {"\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80"},
        {"\xF0\x80\x80\x80", R R R R},
        {"\xF4\x90\x80\x80", R R R R},
        {"\xF4\x8F\xBF\xBF", "\xF4\x8F\xBF\xBF"},
        {"\xF5\x80", R R},
        {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", R R R R "A"}, /* Unicode 15, table 3-11 */
        {"\xC3\xC3\xA9", R "\xC3\xA9"},
        {"x\xF0\x9F\x98", "x" R},
        {"\xED\x9F\xBF\xEE\x80\x80", "\xED\x9F\xBF\xEE\x80\x80"},
        {"\xEF\xBF", R},
    };
    for (size_t i = 0; i < N_OF(cases); i++) {
        size_t n = 77;
        char *repaired = slk_utf8_repair(cases[i].broken, strlen(cases[i].broken), &n);
        assert_non_null(repaired);
        assert_string_equal(repaired, cases[i].repaired);
        assert_int_equal(n, strlen(cases[i].repaired));
        free(repaired);
    }
    size_t n;
    char *with_nul = slk_utf8_repair("a\0\xFF", 3, &n);
    assert_int_equal(n, 5);
    assert_memory_equal(with_nul, "a\0" R, 6);
    free(with_nul);
}

/* --- normal forms ------------------------------------------------------------------------------------------------ */

typedef struct form_case {
    const char *text, *form[3]; /* NFC, NFKC, NFKC_CASEFOLD */
} form_case;

/* clang-format off */
static const form_case form_cases[] = {
    {"",                       {"", "", ""}},
    {"The Quick 42 [@`{]",     {"The Quick 42 [@`{]", "The Quick 42 [@`{]", "the quick 42 [@`{]"}},
    {"Cafe\u0301",             {"Caf\u00E9", "Caf\u00E9", "caf\u00E9"}},
    {"\u212Bngstr\u00F6m",     {"\u00C5ngstr\u00F6m", "\u00C5ngstr\u00F6m", "\u00E5ngstr\u00F6m"}},
    {"S\u0303a\u0323\u0302",   {"S\u0303\u1EAD", "S\u0303\u1EAD", "s\u0303\u1EAD"}},
    {"q\u0307\u0323",          {"q\u0323\u0307", "q\u0323\u0307", "q\u0323\u0307"}}, /* reordered by class */
    {"\u00C5\u0327",           {"\u00C5\u0327", "\u00C5\u0327", "\u00E5\u0327"}},
    {"\u0344",                 {"\u0308\u0301", "\u0308\u0301", "\u0308\u0301"}}, /* never composed */
    /* Hangul: three letters, composed, decomposed */
    {"\u1100\u1161\u11A8",     {"\uAC01", "\uAC01", "\uAC01"}},
    {"\uD55C\uAE00",           {"\uD55C\uAE00", "\uD55C\uAE00", "\uD55C\uAE00"}},
    {"\u1112\u1161\u11AB\u1100\u1173\u11AF", {"\uD55C\uAE00", "\uD55C\uAE00", "\uD55C\uAE00"}},
    /* sharp s */
    {"Stra\u00DFe",            {"Stra\u00DFe", "Stra\u00DFe", "strasse"}},
    {"STRASSE \u1E9E",         {"STRASSE \u1E9E", "STRASSE \u1E9E", "strasse ss"}},
    /* dotted I, composed and not: the dot stays behind the i */
    {"\u0130stanbul",          {"\u0130stanbul", "\u0130stanbul", "i\u0307stanbul"}},
    {"I\u0307",                {"\u0130", "\u0130", "i\u0307"}},
    /* ligatures and compatibility forms */
    {"\uFB01nd \uFB03x",       {"\uFB01nd \uFB03x", "find ffix", "find ffix"}},
    {"\uFF21\uFF22\uFF23\uFF11", {"\uFF21\uFF22\uFF23\uFF11", "ABC1", "abc1"}},
    {"x\u00B2 \u00BD",         {"x\u00B2 \u00BD", "x2 1\u20442", "x2 1\u20442"}},
    {"\u2126 \u212A",          {"\u03A9 K", "\u03A9 K", "\u03C9 k"}},
    {"\u01C4",                 {"\u01C4", "D\u017D", "d\u017E"}},
    {"\u0149",                 {"\u0149", "\u02BCn", "\u02BCn"}},
    /* final sigma, iota subscript alone and composed, letters whose folding is upper case */
    {"\u03A3\u03AF\u03C3\u03C5\u03C6\u03BF\u03C2",
     {"\u03A3\u03AF\u03C3\u03C5\u03C6\u03BF\u03C2", "\u03A3\u03AF\u03C3\u03C5\u03C6\u03BF\u03C2",
      "\u03C3\u03AF\u03C3\u03C5\u03C6\u03BF\u03C3"}},
    {"\u039F\u0394\u039F\u03A3", {"\u039F\u0394\u039F\u03A3", "\u039F\u0394\u039F\u03A3", "\u03BF\u03B4\u03BF\u03C3"}},
    {"\u0345\u0391",           {"\u0345\u0391", "\u0345\u0391", "\u03B9\u03B1"}},
    {"\u1FB3",                 {"\u1FB3", "\u1FB3", "\u03B1\u03B9"}},
    {"\u13A0\uAB70",           {"\u13A0\uAB70", "\u13A0\uAB70", "\u13A0\u13A0"}},
};
/* clang-format on */

static void test_normal_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_OF(form_cases); i++) {
        for (int form = SLK_NFC; form <= SLK_NFKC_CASEFOLD; form++) {
            slk_err err = {0};
            char *once, *twice;
            const char *text = form_cases[i].text;
            assert_int_equal(slk_text_normalize(&once, (slk_normal_form)form, text, strlen(text), &err), SLK_OK);
            assert_string_equal(once, form_cases[i].form[form]);
            assert_int_equal(slk_text_normalize(&twice, (slk_normal_form)form, once, strlen(once), NULL), SLK_OK);
            assert_string_equal(twice, once);
            free(once);
            free(twice);
        }
    }
}

static void test_normalize_invalid(void **state)
{
    (void)state;
    slk_err err = {0};
    char *out = (char *)&err;
    assert_int_equal(slk_text_normalize(&out, SLK_NFC, "abc\xC3(", 5, &err), SLK_E_FORMAT);
    assert_null(out);
    assert_int_equal(err.code, SLK_E_FORMAT);
    assert_string_equal(err.msg, "invalid UTF-8 at byte 3 (0xC3)");
    assert_int_equal(slk_text_normalize(&out, SLK_NFKC_CASEFOLD, "\xED\xA0\x80", 3, NULL), SLK_E_FORMAT);
}

static void test_normalize_keeps_what_follows_a_nul(void **state)
{
    (void)state;
    char *out;
    assert_int_equal(slk_text_normalize(&out, SLK_NFKC_CASEFOLD, "A\0B\0", 4, NULL), SLK_OK);
    assert_string_equal(out, "a" R "b" R);
    free(out);
    assert_int_equal(slk_text_normalize(&out, SLK_NFC, "e\u0301\0", 4, NULL), SLK_OK);
    assert_string_equal(out, "\u00E9" R);
    free(out);
}

/* --- characters -------------------------------------------------------------------------------------------------- */

static void test_classes(void **state)
{
    (void)state;
    static const uint32_t punctuation[] = {'!', '"', '\'', '-',  '_',    '.',    '/',    ':',    '@',
                                           '[', '}', 0xAB, 0xBF, 0x2019, 0x2014, 0x3002, 0xFF01, 0x10100};
    static const uint32_t not_punctuation[] = {'a', '0', ' ', '$',  '+',   '<',    '=',      '^',
                                               '`', '|', '~', 0xB4, 0x300, 0x20AC, 0x110000, 0xFFFFFFFF};
    static const uint32_t space[] = {9,      10,     11,     12,     13,     32,     0x85,   0xA0,
                                     0x1680, 0x2000, 0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000};
    static const uint32_t not_space[] = {0, 8, 14, 0x1C, 0x1F, 'a', 0x180E, 0x200B, 0x2060, 0xFEFF, 0x110000};
    static const uint32_t mark[] = {0x300, 0x345, 0x488, 0x903, 0x20DD, 0xFE0F, 0xE0100};
    static const uint32_t not_mark[] = {'a', '^', 0xA8, 0x2B0, 0x1161, 0x110000};
    for (size_t i = 0; i < N_OF(punctuation); i++) assert_true(slk_char_is_punctuation(punctuation[i]));
    for (size_t i = 0; i < N_OF(not_punctuation); i++) assert_false(slk_char_is_punctuation(not_punctuation[i]));
    for (size_t i = 0; i < N_OF(space); i++) assert_true(slk_char_is_space(space[i]));
    for (size_t i = 0; i < N_OF(not_space); i++) assert_false(slk_char_is_space(not_space[i]));
    for (size_t i = 0; i < N_OF(mark); i++) assert_true(slk_char_is_mark(mark[i]));
    for (size_t i = 0; i < N_OF(not_mark); i++) assert_false(slk_char_is_mark(not_mark[i]));
}

static void test_decompose(void **state)
{
    (void)state;
    uint32_t out[4];
    assert_int_equal(slk_char_decompose(out, 'a'), 1);
    assert_int_equal(out[0], 'a');
    assert_int_equal(slk_char_decompose(out, 0x1EAD), 3); /* a, dot below, circumflex: in order of class */
    assert_int_equal(out[0], 'a');
    assert_int_equal(out[1], 0x323);
    assert_int_equal(out[2], 0x302);
    assert_int_equal(slk_char_decompose(out, 0x1F82), 4); /* alpha, psili, varia, ypogegrammeni: the longest there is */
    assert_int_equal(out[0], 0x3B1);
    assert_int_equal(out[1], 0x313);
    assert_int_equal(out[2], 0x300);
    assert_int_equal(out[3], 0x345);
    assert_int_equal(slk_char_decompose(out, 0xAC01), 3);
    assert_int_equal(out[0], 0x1100);
    assert_int_equal(out[1], 0x1161);
    assert_int_equal(out[2], 0x11A8);
    assert_int_equal(slk_char_decompose(out, 0xFB01), 1); /* the fi ligature is not canonically two letters */
    assert_int_equal(out[0], 0xFB01);
    assert_int_equal(slk_char_decompose(out, 0x110000), 1);
    assert_int_equal(out[0], 0x110000);
}

static void test_trim(void **state)
{
    (void)state;
    static const struct {
        const char *text, *trimmed;
    } cases[] = {
        {"", ""},
        {"a", "a"},
        {"   ", ""},
        {" \t\n a b \r\v\f ", "a b"},
        {"\u00A0\u3000x\u2028\xC2\x85", "x"},
        {"\u3000", ""},
        {"\u200Bx\u200B", "\u200Bx\u200B"},
        {" \u00E9 ", "\u00E9"},
        {" \xFF ", "\xFF"},
        {"x\xA0", "x\xA0"}, /* a stray byte is no NO-BREAK SPACE */
        {"x\xC2\xA0\xA0", "x\xC2\xA0\xA0"},
        {"\x80\x80\x80\x80\x80 ", "\x80\x80\x80\x80\x80"},
    };
    for (size_t i = 0; i < N_OF(cases); i++) {
        size_t begin = 99, end = 99;
        slk_text_trim(cases[i].text, strlen(cases[i].text), &begin, &end);
        assert_true(begin <= end && end <= strlen(cases[i].text));
        assert_int_equal(end - begin, strlen(cases[i].trimmed));
        assert_memory_equal(cases[i].text + begin, cases[i].trimmed, end - begin);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_character_encodes_and_decodes),
        cmocka_unit_test(test_decode_agrees_with_definition),
        cmocka_unit_test(test_encode_no_scalar_value),
        cmocka_unit_test(test_valid_prefix),
        cmocka_unit_test(test_open_tail),
        cmocka_unit_test(test_repair_as_python_does),
        cmocka_unit_test(test_normal_forms),
        cmocka_unit_test(test_normalize_invalid),
        cmocka_unit_test(test_normalize_keeps_what_follows_a_nul),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_decompose),
        cmocka_unit_test(test_trim),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
