/* Escaping, numbers as text, tables in three forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "report/escape.h"
#include "report/grid.h"
#include "report/plot.h"
#include "report/say.h"

static void assert_escaped(void escape(slk_buf *, const char *), const char *text, const char *expected)
{
    slk_buf b = {0};
    escape(&b, text);
    if (strcmp(b.data ? b.data : "", expected) != 0)
        fail_msg("'%s' became '%s', expected '%s'", text, b.data, expected);
    slk_buf_release(&b);
}

static void test_xml(void **state)
{
    (void)state;
    assert_escaped(slk_escape_xml, "<script>alert('x' & \"y\")</script>",
                   "&lt;script&gt;alert(&#39;x&#39; &amp; &quot;y&quot;)&lt;/script&gt;");
    assert_escaped(slk_escape_xml, "a\nb\tc \xE2\x82\xAC", "a\nb\tc \xE2\x82\xAC");
    /* What XML cannot hold: control characters, broken UTF-8, surrogates, non-characters. */
    assert_escaped(slk_escape_xml, "\x01\x1b\x7f\xC2\x85", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    assert_escaped(slk_escape_xml, "\xC3", "\xEF\xBF\xBD");
    assert_escaped(slk_escape_xml, "\xEF\xBF\xBF", "\xEF\xBF\xBD");
    assert_escaped(slk_escape_xml, "\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

static void test_csv(void **state)
{
    (void)state;
    assert_escaped(slk_escape_csv, "plain", "\"plain\"");
    assert_escaped(slk_escape_csv, "say \"hi\", you", "\"say \"\"hi\"\", you\"");
    assert_escaped(slk_escape_csv, "two\nlines\r", "\"two lines\xEF\xBF\xBD\"");
    static const char *const formulas[] = {"=1+1",
                                           "+1",
                                           "-1",
                                           "@SUM(A1)",
                                           " =1",
                                           "\t=1",
                                           "\r=1",
                                           "\xEF\xBC\x9D"
                                           "1"};
    for (size_t i = 0; i < sizeof formulas / sizeof *formulas; i++) {
        slk_buf b = {0};
        slk_escape_csv(&b, formulas[i]);
        if (strncmp(b.data, "\"'", 2) != 0) fail_msg("'%s' became %s", formulas[i], b.data);
        slk_buf_release(&b);
    }
    assert_escaped(slk_escape_csv, "a=1", "\"a=1\"");
}

static void test_markdown(void **state)
{
    (void)state;
    assert_escaped(slk_escape_markdown, "a | b\n<i>*x*</i> & `c` [d](e) \\",
                   "a \\| b &lt;i&gt;\\*x\\*&lt;/i&gt; &amp; \\`c\\` \\[d\\]\\(e\\) \\\\");
}

/* Whatever the text, JSON gives it back, and nothing in it can end the script that it stands in. */
static void test_json(void **state)
{
    (void)state;
    static const char *const texts[] = {"</script><script>alert(1)</script>",
                                        "a\"b\\c",
                                        "<!-- x -->",
                                        "&amp;",
                                        "line\nand\ttab",
                                        "\xE2\x80\xA8 and \xE2\x80\xA9",
                                        "\xF0\x9F\x98\x80",
                                        ""};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        slk_buf b = {0};
        json_t *json;
        slk_escape_json(&b, texts[i]);
        assert_null(strpbrk(b.data, "<>&\n"));
        assert_null(strstr(b.data, "\xE2\x80\xA8"));
        json = json_loads(b.data, JSON_DECODE_ANY, NULL);
        assert_non_null(json);
        assert_string_equal(json_string_value(json), texts[i]);
        json_decref(json);
        slk_buf_release(&b);
    }
}

static void test_numbers(void **state)
{
    (void)state;
    assert_string_equal(slk_say(12.34, 1).text, "12.3");
    assert_string_equal(slk_say(-12.36, 1).text, "\xE2\x88\x92"
                                                 "12.4");
    assert_string_equal(slk_say(-0.04, 1).text, "0.0");
    assert_string_equal(slk_say(-0.06, 1).text, "\xE2\x88\x92"
                                                "0.1");
    assert_string_equal(slk_say_signed(3, 1).text, "+3.0");
    assert_string_equal(slk_say_signed(0.01, 1).text, "0.0");
    assert_string_equal(slk_say(NAN, 1).text, "\xE2\x80\x93");
    assert_string_equal(slk_say_interval(-1, 2.5, 1, true).text, "\xE2\x88\x92"
                                                                 "1.0 to +2.5");
    assert_string_equal(slk_say_interval(NAN, NAN, 1, true).text, "");
    assert_string_equal(slk_say_count(0).text, "0");
    assert_string_equal(slk_say_count(999).text, "999");
    assert_string_equal(slk_say_count(1234567).text, "1,234,567");
    assert_string_equal(slk_say_lr(1e-5).text, "1e-05");
    assert_string_equal(slk_say_mark(0.001), "**");
    assert_string_equal(slk_say_mark(0.03), "*");
    assert_string_equal(slk_say_mark(NAN), "");
}

static void test_grid(void **state)
{
    (void)state;
    static const slk_column columns[] = {{"name", "name", SLK_COLUMN_TEXT, 0},
                                         {"n", "n", SLK_COLUMN_NUMBER, 0},
                                         {"share", "share", SLK_COLUMN_ESTIMATE, 1},
                                         {"tested", "tested", SLK_COLUMN_TESTED, 1}};
    slk_grid g;
    slk_buf b = {0};
    slk_grid_init(&g, "t", "T", "Note.", columns, 4);
    slk_grid_row(&g, false);
    slk_grid_text(&g, "=<b>|");
    slk_grid_number(&g, 7);
    slk_grid_estimate(&g, (slk_estimate){3, 0.1 + 0.2, 0.25, 50, false});
    slk_grid_tested(&g, (slk_estimate){3, 9, NAN, NAN, false}, 0.004, false);
    slk_grid_row(&g, true);
    slk_grid_text(&g, "the paper");
    assert_false(g.failed);
    slk_grid_csv(&b, &g);
    assert_string_equal(b.data, "name,n,share,share_low,share_high,tested,tested_low,tested_high,tested_p\n"
                                "\"'=<b>|\",7,0.30000000000000004,0.25,50,9,,,0.004\n"
                                "\"the paper\",,,,,,,,\n");
    slk_buf_clear(&b);
    slk_grid_markdown(&b, &g);
    assert_string_equal(b.data, "# T\n\nNote.\n\n| name | n | share | tested |\n|---|--:|--:|--:|\n"
                                "| =&lt;b&gt;\\| | 7 | 0.3 (0.2 to 50.0) | 9.0\\*\\* |\n| the paper |  |  |  |\n");
    slk_buf_clear(&b);
    slk_grid_html(&b, &g);
    assert_null(strstr(b.data, "<b>"));
    assert_non_null(strstr(b.data, "=&lt;b&gt;|"));
    assert_non_null(strstr(b.data, "class=\"text paper\""));
    slk_buf_release(&b);
    slk_grid_release(&g);
}

static void test_ticks(void **state)
{
    (void)state;
    double t[12];
    assert_int_equal(slk_ticks(t, 0, 100, 6), 6);
    assert_true(t[0] == 0 && t[1] == 20 && t[5] == 100);
    size_t n = slk_ticks(t, 21.3, 38.9, 6);
    assert_true(n >= 3 && t[0] >= 21.3 && t[n - 1] <= 38.9);
    assert_int_equal(slk_ticks(t, 5, 5, 6), 0);
    double low = 21.3, high = 38.9;
    slk_round_range(&low, &high, 5);
    assert_true(low == 20 && high == 40);
}

/* Labels that would overlap stand apart, in the order of what they name, inside the box. */
static void test_labels(void **state)
{
    (void)state;
    slk_labels l = {.n = 0};
    slk_svg svg;
    slk_svg_begin(&svg, 100, 100, false, "x");
    for (int i = 0; i < 5; i++) slk_labels_add(&l, 50 + 0.1 * i, "c-known", "label", i == 2 ? "more" : "");
    slk_labels_add(&l, NAN, "c-known", "nowhere", "");
    assert_int_equal(l.n, 5);
    slk_labels_draw(&l, &svg, 0, 0, 120);
    for (size_t i = 0; i + 1 < l.n; i++) assert_true(l.items[i + 1].y - l.items[i].y > (i == 2 ? 31.5 : 15.5));
    assert_true(l.items[0].y >= 0 && l.items[4].y <= 120 - 16);
    slk_svg_release(&svg);
}

static void test_wrap(void **state)
{
    (void)state;
    assert_true(slk_svg_text_width("iii", 10, false) < slk_svg_text_width("WWW", 10, false));
    assert_int_equal(slk_plot_n_lines("", 100, 12, false), 0);
    assert_int_equal(slk_plot_n_lines("word", 1, 12, false), 1);
    assert_int_equal(slk_plot_n_lines("two words", 1, 12, false), 2);
    assert_int_equal(slk_plot_n_lines("two words", 200, 12, false), 1);
    /* A figure's text is escaped. */
    slk_svg svg;
    slk_svg_begin(&svg, 100, 100, true, "<label>");
    slk_svg_text(&svg, 0, 0, SLK_ANCHOR_START, "note", "<script>");
    slk_svg_dot(&svg, 0, 0, 1, "dot", "</title>");
    slk_svg_end(&svg);
    assert_null(strstr(svg.b.data, "<script>"));
    assert_null(strstr(svg.b.data, "<label>"));
    assert_non_null(strstr(svg.b.data, "&lt;/title&gt;"));
    assert_null(strstr(svg.b.data, "var(")); /* fixed colours in a file */
    slk_svg_release(&svg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xml),   cmocka_unit_test(test_csv),     cmocka_unit_test(test_markdown),
        cmocka_unit_test(test_json),  cmocka_unit_test(test_numbers), cmocka_unit_test(test_grid),
        cmocka_unit_test(test_ticks), cmocka_unit_test(test_labels),  cmocka_unit_test(test_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
