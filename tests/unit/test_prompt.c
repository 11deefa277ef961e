/* Prompt templates: the built-in one, files, and each error with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "know/prompt.h"

static slk_template *parse(const char *text)
{
    slk_template *t;
    slk_err err = {0};
    if (slk_template_parse(&t, text, strlen(text), "t.txt", &err) != SLK_OK) fail_msg("%s", err.msg);
    return t;
}

static void assert_renders(const slk_template *t, const char *exemplar, const char *question)
{
    slk_buf buf;
    slk_buf_init(&buf);
    slk_template_add_exemplar(t, &buf, "Who? {answer}", "Me {{");
    assert_string_equal(buf.data, exemplar);
    slk_buf_clear(&buf);
    slk_template_add_question(t, &buf, "What?");
    assert_string_equal(buf.data, question);
    slk_buf_release(&buf);
}

static void test_builtin(void **state)
{
    (void)state;
    slk_template *t, *file;
    assert_int_equal(slk_template_create(&t, NULL), SLK_OK);
    assert_renders(t, "Q: Who? {answer}\nA: Me {{\n", "Q: What?\nA:");
    /* A file of it, with comments, Windows line breaks and no last one, is the same template. */
    file = parse("# my prompt\r\n\r\n[exemplar]\r\nQ: {question}\r\nA: {answer}\r\n[question]\r\nQ: {question}\r\nA:");
    assert_renders(file, "Q: Who? {answer}\nA: Me {{\n", "Q: What?\nA:");
    assert_true(slk_template_hash(t) == slk_template_hash(file));
    slk_template_free(file);
    file = parse("[question]\nQ: {question}\nA:\n[exemplar]\nQ: {question}\nA:  {answer}\n");
    assert_true(slk_template_hash(t) != slk_template_hash(file));
    slk_template_free(file);
    slk_template_free(t);
    slk_template_free(NULL);
}

static void test_sections(void **state)
{
    (void)state;
    slk_template *t = parse(
        "[exemplar]\n\n<{{{question}}}> [exemplar] {answer}{answer}\n#kept\n\n[question]\n{question}\n\n{question}=");
    assert_renders(t, "\n<{Who? {answer}}> [exemplar] Me {{Me {{\n#kept\n\n", "What?\n\nWhat?=");
    slk_template_free(t);

    char *answers[] = {(char *)"Paris", (char *)"Lutetia"};
    slk_fact fact = {.question = (char *)"Where?", .answers = answers, .n_answers = 2};
    const slk_fact *exemplars[] = {&fact, &fact};
    slk_buf buf;
    slk_buf_init(&buf);
    assert_int_equal(slk_template_create(&t, NULL), SLK_OK);
    slk_prompt_render(t, &buf, exemplars, 2, "Here?");
    assert_string_equal(buf.data, "Q: Where?\nA: Paris\nQ: Where?\nA: Paris\nQ: Here?\nA:");
    slk_buf_clear(&buf);
    slk_prompt_render(t, &buf, NULL, 0, "Here?");
    assert_string_equal(buf.data, "Q: Here?\nA:");
    slk_buf_release(&buf);
    slk_template_free(t);
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "t.txt: no line [exemplar], expected the sections [exemplar] and [question]"},
        {"Q: {question}\nA:\n", "t.txt:1: text before the first section, expected [exemplar] or [question]"},
        {"#\n\n [exemplar]\n", "t.txt:3: text before the first section, expected [exemplar] or [question]"},
        {"[exemplar]\n{question}{answer}\n",
         "t.txt: no line [question], expected the sections [exemplar] and [question]"},
        {"[exemplar]\n[question]\n{question}\n", "t.txt:1: [exemplar] is empty"},
        {"[exemplar]\n{question}{answer}\n[question]\n", "t.txt:3: [question] is empty"},
        {"[exemplar]\n{question}{answer}\n[question]\n\n", "t.txt:3: [question] is empty"},
        {"[exemplar]\n{question}{answer}\n[exemplar]\n", "t.txt:3: a second [exemplar] section, expected one"},
        {"[exemplar]\n{question}\n[question]\n{question}\n", "t.txt:1: [exemplar] needs both {question} and {answer}"},
        {"[exemplar]\n{question}{answer}\n[question]\nA:\n", "t.txt:3: [question] needs {question}"},
        {"[exemplar]\n{question}{answer}\n[question]\n{question}{answer}",
         "t.txt:3: {answer} in [question], expected it in [exemplar] only"},
        {"[exemplar]\n{question}{answer}\n[question]\n{question} \n",
         "t.txt:3: [question] ends in white space; the answer follows after one space"},
        {"[exemplar]\n{question}{answer}\n[question]\n{question}\n\n",
         "t.txt:3: [question] ends in white space; the answer follows after one space"},
        {"[exemplar]\n{question}\n{Answer}\n[question]\n{question}\n",
         "t.txt:3: stray '{', expected {question}, {answer}, {{ or }}"},
        {"[exemplar]\n{question}{answer}\n[question]\n\n{question} }\n",
         "t.txt:5: stray '}', expected {question}, {answer}, {{ or }}"},
        {"[exemplar]\n{question}{answer}\n[question]\n{question} {",
         "t.txt:4: stray '{', expected {question}, {answer}, {{ or }}"},
        {"[exemplar]\n{question}\xFF{answer}\n", "t.txt:2: byte 0xFF is no UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        slk_template *t = (slk_template *)cases;
        slk_err err = {0};
        assert_int_equal(slk_template_parse(&t, cases[i].text, strlen(cases[i].text), "t.txt", &err), SLK_E_FORMAT);
        assert_null(t);
        assert_string_equal(err.msg, cases[i].message);
    }
    slk_template *t;
    slk_err err;
    assert_int_equal(slk_template_parse(&t, "[exemplar]\n\0", 12, "t.txt", &err), SLK_E_FORMAT);
    assert_string_equal(err.msg, "t.txt:2: a NUL byte, expected text");
}

static void test_files(void **state)
{
    (void)state;
    char path[] = "/tmp/slick-template-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    static const char text[] = "[exemplar]\n{question} -> {answer}\n[question]\n{question} ->\n";
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    slk_template *t;
    slk_err err;
    assert_int_equal(slk_template_open(&t, path, &err), SLK_OK);
    assert_renders(t, "Who? {answer} -> Me {{\n", "What? ->");
    slk_template_free(t);
    unlink(path);
    assert_int_equal(slk_template_open(&t, path, &err), SLK_E_IO);
    assert_null(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_builtin),
        cmocka_unit_test(test_sections),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
