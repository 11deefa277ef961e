/* Examples: facts with categories, lines and duplicates, from every format, and each error with its place. */
#include "data_test.h"

#include "data/examples.h"

static void read_as(slk_examples *out, slk_data_format format, const char *text)
{
    slk_read_options options;
    slk_read_options_init(&options);
    options.format = format;
    assert_ok(slk_examples_read_text(out, text, strlen(text), "d", &options, err));
}

static void assert_refused(slk_data_format format, const char *text, const char *message)
{
    slk_read_options options;
    slk_read_options_init(&options);
    options.format = format;
    slk_examples ex;
    assert_fails(slk_examples_read_text(&ex, text, strlen(text), "d", &options, err), SLK_E_FORMAT, message);
    assert_null(ex.facts.items);
    assert_null(ex.name);
}

static void test_formats(void **state)
{
    (void)state;
    static const char jsonl[] =
        "{\"question\":\"a?\",\"answer\":\"A\",\"category\":\"MaybeKnown\",\"relation\":\"R\"}\n"
        "\n"
        "{\"question\":\"b?\",\"answers\":[\"B\",\"C\"],\"aliases\":[\"bb\"],\"other\":1}\n"
        "{\"question\":\"c?\",\"answer\":\"C\",\"category\":null,\"split\":\"test\"}\n"
        "{\"question\":\"d?\",\"answer\":\"D\",\"category\":\" Unknown \"}\n";
    static const char json[] = "[{\"question\":\"a?\",\"answer\":\"A\",\"category\":\"MaybeKnown\",\"relation\":\"R\"},"
                               "\n\n{\"question\":\"b?\",\"answers\":[\"B\",\"C\"],\"aliases\":[\"bb\"]},"
                               "\n{\"question\":\"c?\",\"answer\":\"C\",\"split\":\"test\"},"
                               "\n{\"question\":\"d?\",\"answer\":\"D\",\"category\":\"Unknown\"}]";
    static const char csv[] = "question,answers,category,relation,aliases,split\n"
                              "a?,A,MaybeKnown,R,,\n\n"
                              "b?,B|C,,,bb,\n"
                              "c?,C,,,,test\n"
                              "d?,D,Unknown,,,\n";
    const slk_data_format formats[] = {SLK_DATA_JSONL, SLK_DATA_JSON, SLK_DATA_CSV};
    const char *const texts[] = {jsonl, json, csv};
    for (int f = 0; f < 3; f++) {
        slk_examples ex;
        read_as(&ex, formats[f], texts[f]);
        assert_string_equal(ex.name, "d");
        assert_int_equal(ex.n, 4);
        assert_int_equal(ex.facts.n, 4);
        assert_int_equal(ex.n_duplicates, 0);
        assert_int_equal(ex.n_several, 1);
        assert_int_equal(ex.n_uncategorised, 2);
        assert_int_equal(ex.n_in_category[SLK_MAYBE_KNOWN], 1);
        assert_int_equal(ex.n_in_category[SLK_UNKNOWN], 1);
        assert_int_equal(ex.n_in_category[SLK_HIGHLY_KNOWN] + ex.n_in_category[SLK_WEAKLY_KNOWN], 0);
        const int8_t categories[] = {SLK_MAYBE_KNOWN, -1, -1, SLK_UNKNOWN};
        assert_memory_equal(ex.categories, categories, 4);
        for (int i = 0; i < 4; i++) {
            long first = formats[f] == SLK_DATA_CSV ? 2 : 1, line = i == 0 ? first : first + i + 1;
            assert_int_equal(ex.lines[i], line);
            assert_ptr_equal(ex.items[i], &ex.facts.items[i]);
        }
        assert_string_equal(ex.items[0]->relation, "R");
        assert_string_equal(ex.items[1]->aliases[0], "bb");
        assert_int_equal(ex.items[1]->n_answers, 2);
        assert_int_equal(ex.items[2]->split, SLK_SPLIT_TEST);
        slk_examples_release(&ex);
    }
    slk_examples_release(NULL);
}

static void test_duplicates(void **state)
{
    (void)state;
    slk_examples ex;
    /* three times one fact: the first stays, and gets the category that it lacked; other answers are other facts */
    read_as(&ex, SLK_DATA_JSONL,
            "{\"question\":\"z?\",\"answer\":\"Z\"}\n"
            "{\"question\":\"a?\",\"answer\":\"A\",\"aliases\":[\"first\"]}\n"
            "{\"question\":\"a?\",\"answer\":\"B\",\"category\":\"Unknown\"}\n"
            "{\"question\":\"a?\",\"answer\":\"A\",\"category\":\"HighlyKnown\"}\n"
            "{\"question\":\"a?\",\"answer\":\"A\",\"relation\":\"R\",\"category\":\"WeaklyKnown\"}\n"
            "{\"question\":\" a? \",\"answer\":\"A\",\"category\":\"HighlyKnown\"}\n");
    assert_int_equal(ex.n, 4);
    assert_int_equal(ex.n_duplicates, 2);
    const long lines[] = {1, 2, 3, 5};
    const int8_t categories[] = {-1, SLK_HIGHLY_KNOWN, SLK_UNKNOWN, SLK_WEAKLY_KNOWN};
    assert_memory_equal(ex.lines, lines, sizeof lines);
    assert_memory_equal(ex.categories, categories, sizeof categories);
    assert_string_equal(ex.items[1]->aliases[0], "first");
    slk_examples_release(&ex);

    assert_refused(SLK_DATA_JSONL,
                   "{\"question\":\"a?\",\"answer\":\"A\",\"category\":\"HighlyKnown\"}\n"
                   "{\"question\":\"a?\",\"answer\":\"A\"}\n"
                   "{\"question\":\"a?\",\"answer\":\"A\",\"category\":\"Unknown\"}\n",
                   "d:3: category is 'Unknown', expected HighlyKnown as line 1 says of the same fact");
}

static void test_errors(void **state)
{
    (void)state;
    assert_refused(SLK_DATA_JSONL, "", "d:1: no facts at all");
    assert_refused(SLK_DATA_JSON, "[]", "d:1: no facts at all");
    assert_refused(SLK_DATA_CSV, "question,answer\n", "d:1: no facts at all");
    assert_refused(SLK_DATA_JSONL, "{\"question\":\"a?\",\"answer\":\"A\"}\n{\"question\":\"b?\"}\n",
                   "d:2: no answer, expected text");
    assert_refused(SLK_DATA_JSONL, "{\"question\":\"a?\",\"answer\":\" \"}\n", "d:1: empty answer, expected text");
    assert_refused(SLK_DATA_JSONL, "{\"answer\":\"A\"}\n", "d:1: no question, expected text");
    assert_refused(SLK_DATA_JSONL, "\n{\"question\":\"a?\",\"answer\":\"A\",\"category\":\"Known\"}\n",
                   "d:2: category is 'Known', expected HighlyKnown, MaybeKnown, WeaklyKnown or Unknown");
    assert_refused(SLK_DATA_CSV, "question,answer,category\na?,A,highlyknown\n",
                   "d:2: category is 'highlyknown', expected HighlyKnown, MaybeKnown, WeaklyKnown or Unknown");
    assert_refused(SLK_DATA_JSONL, "{\"question\":\"a?\",\"answer\":\"A\",\"category\":\"Unlabelable\"}\n",
                   "no answer can match this fact: leave it out");
    assert_refused(SLK_DATA_JSONL, "{\"question\":\"a?\",\"answer\":\"A\",\"category\":3}\n",
                   "d:1: 'category' is a number, expected a string");
}

static void test_files(void **state)
{
    (void)state;
    slk_examples ex;
    const char *path = temp_path("examples.tsv");
    static const char text[] = "prompt\tcompletion\tlabel\na?\tA\tUnknown\n";
    write_file(path, text, sizeof text - 1);
    slk_read_options options;
    slk_read_options_init(&options);
    slk_field_map map;
    assert_ok(slk_field_map_init(&map, "question=prompt,answer=completion,category=label", err));
    options.map = &map;
    assert_ok(slk_examples_read_file(&ex, path, &options, err));
    assert_int_equal(ex.n_in_category[SLK_UNKNOWN], 1);
    slk_err problem = {0};
    slk_fail(&problem, SLK_E_ARG, "too long");
    assert_int_equal(slk_examples_fail_in(&ex, 0, SLK_E_ARG, &problem), SLK_E_ARG);
    char message[256];
    snprintf(message, sizeof message, "%s:2: too long", path);
    assert_string_equal(problem.msg, message);
    slk_examples_release(&ex);
    slk_field_map_release(&map);
    assert_fails(slk_examples_read_file(&ex, path, NULL, err), SLK_E_NOT_FOUND, "no column 'question'");
    assert_fails(slk_examples_read_file(&ex, temp_path("none.jsonl"), NULL, err), SLK_E_IO, "none.jsonl");
    remove_temp();
}

/* An import does not look at categories: what `slick labels --jsonl` wrote can be imported, whatever they are. */
static void test_imports_take_any(void **state)
{
    (void)state;
    slk_facts facts = {0};
    slk_read_options options;
    slk_read_options_init(&options);
    options.format = SLK_DATA_JSONL;
    static const char text[] = "{\"question\":\"a?\",\"answer\":\"A\",\"category\":7}\n";
    assert_ok(slk_data_read_text(&facts, text, sizeof text - 1, "d", &options, err));
    options.format = SLK_DATA_CSV;
    static const char csv[] = "question,answer,category\na?,A,Unlabelable\n";
    assert_ok(slk_data_read_text(&facts, csv, sizeof csv - 1, "d", &options, err));
    assert_int_equal(facts.n, 2);
    slk_facts_release(&facts);
}

/* Facts that come from elsewhere. */
static void test_adding(void **state)
{
    (void)state;
    slk_examples ex, source;
    read_as(&source, SLK_DATA_JSONL,
            "{\"question\":\"a?\",\"answer\":\"A\"}\n{\"question\":\"b?\",\"answer\":\"B\"}\n");
    assert_ok(slk_examples_begin(&ex, "slick.db", err));
    for (int i = 0; i < 3; i++) {
        slk_fact fact;
        assert_true(slk_fact_copy(&fact, source.items[i % 2]));
        assert_ok(slk_examples_add(&ex, &fact, i == 1 ? -1 : SLK_WEAKLY_KNOWN, 0, err));
        assert_null(fact.question);
    }
    assert_ok(slk_examples_finish(&ex, err));
    assert_int_equal(ex.n, 2);
    assert_int_equal(ex.n_duplicates, 1);
    assert_int_equal(ex.n_uncategorised, 1);
    slk_err problem = {0};
    slk_fail(&problem, SLK_E_ARG, "too long");
    slk_examples_fail_in(&ex, 1, SLK_E_ARG, &problem);
    assert_string_equal(problem.msg, "slick.db: 'b?': too long");
    slk_examples_release(&ex);
    slk_examples_release(&source);
    /* none at all */
    assert_ok(slk_examples_begin(&ex, "slick.db", err));
    assert_ok(slk_examples_finish(&ex, err));
    assert_int_equal(ex.n, 0);
    slk_examples_release(&ex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats), cmocka_unit_test(test_duplicates),       cmocka_unit_test(test_errors),
        cmocka_unit_test(test_files),   cmocka_unit_test(test_imports_take_any), cmocka_unit_test(test_adding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
