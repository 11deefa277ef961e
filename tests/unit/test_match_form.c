/* What the matcher's cut between stable and open text rests on: for every composition and every character of Unicode.
 */
#include "match_support.h"

#include "base/text.h"
#include "know/match_form.h"

static void fold_into(slk_buf *out, const char *text, size_t n)
{
    slk_form_str x;
    assert_true(slk_form_fold(&x, text, n));
    slk_buf_add(out, x.data, x.len);
    slk_form_str_release(&x);
}

/* normal(stable) normal(open u) = normal(t u), and the decomposed form of "open u" begins with the lead. */
static void check_cut(const char *text, size_t n, const char *more, size_t n_more)
{
    slk_form_cut cut;
    slk_buf whole, parts, rest;
    assert_true(slk_form_cut_find(&cut, text, n));
    slk_buf_init(&rest);
    slk_buf_init(&whole);
    slk_buf_init(&parts);
    slk_buf_add(&rest, text, n);
    slk_buf_add(&rest, more, n_more);
    fold_into(&whole, rest.data, rest.len);
    fold_into(&parts, text, cut.n_stable);
    size_t at = parts.len;
    fold_into(&parts, rest.data + cut.n_stable, rest.len - cut.n_stable);
    if (whole.len != parts.len || (whole.len > 0 && memcmp(whole.data, parts.data, whole.len)))
        fail_on("cut in a wrong place", "", rest.data, rest.len);

    slk_form form, decomposed;
    assert_true(slk_form_words(&form, parts.data + at, parts.len - at, false));
    assert_true(slk_form_decompose(&decomposed, &form));
    if (decomposed.str.len < cut.n_lead || memcmp(decomposed.str.data, cut.lead, cut.n_lead))
        fail_on("another lead", "", rest.data, rest.len);
    slk_form_str_release(&form.str);
    slk_form_str_release(&decomposed.str);
    slk_buf_release(&rest);
    slk_buf_release(&whole);
    slk_buf_release(&parts);
}

static size_t encode(char *out, uint32_t a, uint32_t b)
{
    size_t n = (size_t)slk_utf8_encode(out, a);
    return n + (b ? (size_t)slk_utf8_encode(out + n, b) : 0);
}

/* The last character of the canonical decomposition of each character is what it composes from: these join. */
static void test_cut_every_composition(void **state)
{
    (void)state;
    size_t n_pairs = 0;
    for (uint32_t code = 0x80; code < 0x110000; code++) {
        uint32_t d[4];
        int n_parts = code >= 0xD800 && code < 0xE000 ? 1 : slk_char_decompose(d, code);
        if (n_parts < 2) continue;
        char text[16], more[16], composed[8];
        size_t n = 0, n_composed = encode(composed, code, 0);
        for (int i = 0; i < n_parts - 1; i++) n += (size_t)slk_utf8_encode(text + n, d[i]);
        size_t n_more = encode(more, d[n_parts - 1], 0);
        check_cut(text, n, more, n_more);
        check_cut(composed, n_composed, more, n_more);
        check_cut(composed, n_composed, "\xCC\x81", 2);
        check_cut(composed, n_composed, "\xCC\xA3\xCD\x85", 4);
        n_pairs++;
    }
    assert_true(n_pairs > 12000); /* 11,172 Hangul syllables, some 1,000 others */
}

/* Every character behind letters that something could join, and before marks that reorder, compose, or fold to a
 * letter. */
static void test_cut_every_character(void **state)
{
    (void)state;
    static const char *const before[] = {"", "e", "\xE1\x84\x80", "\xEA\xB0\x80", "\xE3\x81\x8B"}; /* jamo L, LV, ka */
    static const char *const marks[] = {"\xCC\x81",     "\xCC\xA3",     "\xCD\x85\xCC\x93",
                                        "\xE1\x86\xA8", "\xE3\x82\x99", "x"};
    uint32_t n_done = 0;
    for (uint32_t code = 1; code < 0xE0200; code++) {
        if (code == 0xD800) code = 0xE000;
        if (code == 0xE100) code = 0xF900; /* private use */
        if (code == 0x3500 || code == 0x5000 || code == 0x20100) code += code == 0x3500 ? 0x1800 : 0x4D00; /* Han */
        if (code == 0x31400) code = 0xE0000; /* nothing there */
        for (size_t k = 0; k < sizeof before / sizeof *before; k++) {
            char text[16];
            size_t n = strlen(before[k]);
            memcpy(text, before[k], n);
            n += encode(text + n, code, 0);
            const char *more = marks[(code + k) % 6];
            check_cut(text, n, more, strlen(more));
            n_done++;
        }
    }
    assert_true(n_done > 500000);
}

/* Every ASCII character before every mark; and the ASCII tables against the functions for all characters. */
static void test_ascii_paths_agree(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 128; c++) {
        char text[3] = {(char)c, 'x', 0};
        slk_form form;
        for (int deleting = 0; deleting < 2; deleting++) {
            assert_true(slk_form_words(&form, text, 2, deleting));
            bool gone = slk_char_is_space(c) || (deleting && slk_char_is_punctuation(c));
            assert_int_equal(form.str.len, gone ? 1 : 2);
            slk_form_str_release(&form.str);
            assert_true(slk_form_words(&form, (char[]){'x', (char)c, 'x'}, 3, deleting));
            assert_int_equal(form.closed_len, slk_char_is_space(c) ? 1 : 0);
            slk_form_str_release(&form.str);
        }
        for (uint32_t mark = 0x300; mark < 0x1E950; mark++) {
            if (!slk_char_is_mark(mark)) continue;
            char more[4];
            check_cut(text, 1, more, encode(more, mark, 0));
        }
    }
    /* The short way to fold ASCII and the general one. */
    dice d = {6, 0};
    for (int round = 0; round < 3000; round++) {
        char text[40], *general = NULL;
        size_t n = roll(&d, sizeof text);
        for (size_t i = 0; i < n; i++) text[i] = (char)(1 + roll(&d, 127));
        slk_form_str x;
        assert_true(slk_form_fold(&x, text, n));
        /* A final mark forces the long way. */
        slk_buf b;
        slk_buf_init(&b);
        slk_buf_add(&b, text, n);
        slk_buf_add(&b, " \xC3\xA9", 3);
        assert_int_equal(slk_text_normalize(&general, SLK_NFKC_CASEFOLD, b.data, b.len, NULL), SLK_OK);
        assert_int_equal(strlen(general), n + 3);
        assert_int_equal(x.len, n);
        if (n > 0) assert_memory_equal(x.data, general, n);
        free(general);
        slk_buf_release(&b);
        slk_form_str_release(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_every_composition),
        cmocka_unit_test(test_cut_every_character),
        cmocka_unit_test(test_ascii_paths_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
