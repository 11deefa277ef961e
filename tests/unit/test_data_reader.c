/* Readers: what every format gives, and the place that every error names. */
#include "data_test.h"
#include "data/reader.h"

static slk_status read_text(slk_facts *facts, slk_data_format format, const char *map_text, const char *text,
                            slk_err *e)
{
    slk_read_options options;
    slk_field_map map;
    slk_read_options_init(&options);
    options.format = format;
    assert_ok(slk_field_map_init(&map, map_text, err));
    options.map = &map;
    slk_status status = slk_data_read_text(facts, text, strlen(text), "f", &options, e);
    slk_field_map_release(&map);
    return status;
}

static void refuses(slk_data_format format, const char *text, const char *message)
{
    slk_facts facts = {0};
    assert_fails(read_text(&facts, format, NULL, text, err), SLK_E_FORMAT, message);
    assert_int_equal(facts.n, 0);
    slk_facts_release(&facts);
}

static void assert_fact(const slk_fact *fact, const char *question, const char *answer, const char *relation)
{
    assert_string_equal(fact->question, question);
    assert_string_equal(fact->answers[0], answer);
    assert_string_equal(fact->relation, relation);
    assert_int_equal(fact->id, slk_fact_identity(fact));
}

static void test_jsonl(void **state)
{
    (void)state;
    slk_facts facts = {0};
    assert_ok(read_text(
        &facts, SLK_DATA_JSONL, NULL,
        "\xEF\xBB\xBF{\"question\": \" Who? \", \"answer\": \"Me\", \"extra\": [1]}\r\n\n"
        "{\"question\":\"Where?\",\"answers\":[\"Here\",\"There\",\"HERE\",\"Here\"],\"aliases\":[\"hier\",\"hier\"],"
        "\"relation\":\"R\",\"subject\":\"S\",\"split\":\"validation\",\"ood\":false}\n"
        "{\"question\":\"U\\u0308?\",\"answer\":\"e\\u0301\",\"ood\":true,\"subject\":null}",
        err));
    assert_int_equal(facts.n, 3);
    assert_fact(&facts.items[0], "Who?", "Me", "");
    assert_int_equal(facts.items[0].split, SLK_SPLIT_TRAIN);
    assert_null(facts.items[0].subject);
    const slk_fact *second = &facts.items[1];
    assert_fact(second, "Where?", "Here", "R");
    assert_int_equal(second->n_answers, 2); /* HERE is another spelling of Here */
    assert_string_equal(second->answers[1], "There");
    assert_int_equal(second->n_aliases, 2);
    assert_string_equal(second->aliases[0], "HERE");
    assert_string_equal(second->aliases[1], "hier");
    assert_string_equal(second->subject, "S");
    assert_int_equal(second->split, SLK_SPLIT_DEV);
    assert_fact(&facts.items[2], "\xC3\x9C?", "\xC3\xA9", ""); /* NFC */
    assert_true(facts.items[2].ood);
    assert_int_equal(facts.items[2].split, SLK_SPLIT_TEST); /* no split given: what is ood is only tested */
    slk_facts_release(&facts);
}

static void test_json(void **state)
{
    (void)state;
    slk_facts facts = {0};
    assert_ok(read_text(
        &facts, SLK_DATA_JSON, NULL,
        " [ {\"question\":\"a ] , } \\\" ?\",\"answer\":\"x\"} ,\n\n{\"question\":\"b\",\n\"answer\":\"y\"}\n]\n",
        err));
    assert_int_equal(facts.n, 2);
    assert_fact(&facts.items[0], "a ] , } \" ?", "x", "");
    assert_fact(&facts.items[1], "b", "y", "");
    slk_facts_release(&facts);
    refuses(SLK_DATA_JSON, "", "f:1: found the end of the file, expected '['");
    refuses(SLK_DATA_JSON, "{\"question\":\"a\"}", "f:1: found '{', expected '['");
    refuses(SLK_DATA_JSON, "[]", "f:1: no facts at all");
    refuses(SLK_DATA_JSON, "[{\"question\":\"a\",\"answer\":\"x\"},\n]",
            "f:2: found ']', expected an object behind ','");
    refuses(SLK_DATA_JSON, "[{\"question\":\"a\",\"answer\":\"x\"}\n", "f:1: the file ends inside this record");
    refuses(SLK_DATA_JSON, "[{\"question\":\"a\",\"answer\":\"x\"}}\n", "found '}', expected ',' or ']'");
    refuses(SLK_DATA_JSON, "[{\"question\":\"a\",\"answer\":\"x\"}]\nx",
            "f:2: found 'x', expected the end of the file");
    refuses(SLK_DATA_JSON, "[\n1]", "f:2: found a number, expected an object");
    refuses(SLK_DATA_JSON, "[\n\"a", "f:2: the file ends inside this record");
    refuses(SLK_DATA_JSON, "[,]", "found ',', expected an object");
    refuses(SLK_DATA_JSON, "[{\"question\":\"a\",\"answer\":\"x\"} {}]", "f:1: ");
}

static void test_jsonl_errors(void **state)
{
    (void)state;
    const char *good = "{\"question\":\"q\",\"answer\":\"a\"}\n";
    static const char *const cases[][2] = {
        {"{\"answer\":\"a\"}", "f:2: no question"},
        {"{\"question\":\" \",\"answer\":\"a\"}", "f:2: empty question"},
        {"{\"question\":\"q\"}", "f:2: no answer"},
        {"{\"question\":\"q\",\"answers\":[]}", "f:2: no answer"},
        {"{\"question\":\"q\",\"answer\":\"\"}", "f:2: empty answer"},
        {"{\"question\":\"q\",\"answers\":[\"a\",\" \"]}", "f:2: empty answer"},
        {"{\"question\":\"q\",\"answer\":\"a\",\"aliases\":[\"\"]}", "f:2: empty alias"},
        {"{\"question\":1,\"answer\":\"a\"}", "f:2: 'question' is a number, expected a string"},
        {"{\"question\":[\"q\"],\"answer\":\"a\"}", "f:2: 'question' is an array, expected a string"},
        {"{\"question\":\"q\",\"answer\":4}", "f:2: 'answer' is a number, expected a string or an array of strings"},
        {"{\"question\":\"q\",\"answers\":[\"a\",{}]}", "f:2: item 2 of 'answers' is an object, expected a string"},
        {"{\"question\":\"q\",\"answer\":\"a\",\"ood\":\"yes\"}", "f:2: 'ood' is a string, expected true or false"},
        {"{\"question\":\"q\",\"answer\":\"a\",\"split\":\"all\"}", "f:2: split is 'all', expected train, dev or test"},
        {"{\"question\":\"q\",\"question\":\"q\",\"answer\":\"a\"}", "duplicate object key"},
        {"{\"question\":\"q\",\"answer\":\"a\"} x", "f:2: "},
        {"{\"question\":\"q\",\"answer\":\"a", "f:2: "},
        {"[1]", "f:2: found an array, expected an object"},
        {"{\"question\":\"q\",\"answer\":\"\xC3(\"}", "f:2: byte 27 (0xC3) is not valid UTF-8"},
        {"{\"question\":\"q\\u0000\",\"answer\":\"a\"}", "f:2: "},
        {"{\"question\":\"\\ud800\",\"answer\":\"a\"}", "f:2: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, "%s%s\n", good, cases[i][0]);
        refuses(SLK_DATA_JSONL, text, cases[i][1]);
    }
    refuses(SLK_DATA_JSONL, " \n\n", "f:1: no facts at all");
    slk_read_options options;
    slk_facts facts = {0};
    slk_read_options_init(&options);
    options.format = SLK_DATA_JSONL;
    assert_fails(slk_data_read_text(&facts, "a\n\0b", 4, "f", &options, err), SLK_E_FORMAT,
                 "f:2: a NUL byte at byte 1");
    assert_fails(slk_data_read_text(&facts, "\xFF\xFE{", 3, "f", &options, err), SLK_E_FORMAT, "UTF-16");
}

static void test_limits(void **state)
{
    (void)state;
    size_t n = SLK_RECORD_MAX_BYTES + 100;
    char *text = malloc(n + 1);
    assert_non_null(text);
    memset(text, 'a', n);
    text[n] = 0;
    refuses(SLK_DATA_JSONL, text, "f:1: a line of more than");
    refuses(SLK_DATA_CSV, text, "f:1: a row of more than");
    text[0] = '"';
    refuses(SLK_DATA_CSV, text, "f:1: a quoted cell that does not end");
    text[0] = '[';
    refuses(SLK_DATA_JSON, text, "f:1: a record of more than");
    memset(text, '[', n); /* deep nesting */
    refuses(SLK_DATA_JSON, text, "f:1: a record of more than");
    memset(text, ',', n);
    refuses(SLK_DATA_CSV, text, "f:1: more than 1024 cells");
    memset(text, '[', 100000);
    text[100000] = 0;
    refuses(SLK_DATA_JSONL, text, "f:1: ");
    int at = snprintf(text, n, "{\"question\":\"q\",\"answers\":[");
    for (int i = 0; i < 300; i++) at += snprintf(text + at, n - (size_t)at, "%s\"%d\"", i ? "," : "", i);
    snprintf(text + at, n - (size_t)at, "]}");
    refuses(SLK_DATA_JSONL, text, "f:1: more than 256 values");
    at = snprintf(text, n, "{\"answer\":\"a\",\"question\":\"");
    memset(text + at, 'q', 70000);
    snprintf(text + at + 70000, 3, "\"}");
    refuses(SLK_DATA_JSONL, text, "f:1: question of 70000 bytes");
    free(text);
}

static void test_csv(void **state)
{
    (void)state;
    slk_facts facts = {0};
    assert_ok(read_text(&facts, SLK_DATA_CSV, NULL,
                        "question, answer ,answers,aliases,split,ood,other\r\n"
                        "\"Who, \"\"he\"\"\nor she?\",A|B,,x|y,test,,\r\n"
                        "\r\n"
                        "plain \"q\",,C|D,,,1,z\n"
                        "\"last\",E,,,,no,\"\"",
                        err));
    assert_int_equal(facts.n, 3);
    assert_fact(&facts.items[0], "Who, \"he\"\nor she?", "A|B", ""); /* answer is one text */
    assert_int_equal(facts.items[0].n_aliases, 2);
    assert_int_equal(facts.items[0].split, SLK_SPLIT_TEST);
    assert_fact(&facts.items[1], "plain \"q\"", "C", "");
    assert_int_equal(facts.items[1].n_answers, 2);
    assert_true(facts.items[1].ood);
    assert_fact(&facts.items[2], "last", "E", "");
    assert_false(facts.items[2].ood);
    slk_facts_release(&facts);
    assert_ok(read_text(&facts, SLK_DATA_TSV, "question=q,answers=a,relation=r", "r\tq\ta\nR\tx, y\t1|2\n", err));
    assert_fact(&facts.items[0], "x, y", "1", "R");
    assert_int_equal(facts.items[0].n_answers, 2);
    slk_facts_release(&facts);
}

static void test_csv_errors(void **state)
{
    (void)state;
    refuses(SLK_DATA_CSV, "question,answer,question\nq,a,b\n", "f:1: columns 1 and 3 are both named 'question'");
    refuses(SLK_DATA_CSV, "question,answer\n\"q\nr\",a\nq,a,b\n", "f:4: a row of 3 cells, expected 2");
    refuses(SLK_DATA_CSV, "question,answer\nq,\n", "f:2: empty answer");
    refuses(SLK_DATA_CSV, "question,answer\n,a\n", "f:2: empty question");
    refuses(SLK_DATA_CSV, "question,answers\nq, \n", "f:2: no answer");
    refuses(SLK_DATA_CSV, "question,answers\nq,a||b\n", "f:2: empty answer");
    refuses(SLK_DATA_CSV, "question,answer,aliases\nq,a,b|\n", "f:2: empty alias");
    refuses(SLK_DATA_CSV, "question,answer\nq,a\n\"q,a\n", "f:3: a quoted cell that does not end");
    refuses(SLK_DATA_CSV, "question,answer\nq,\"a\"b\n", "f:2: text behind a closing '\"'");
    refuses(SLK_DATA_CSV, "question,answer\nq,a\xE9\n", "f:2: byte 4 (0xE9) is not valid UTF-8");
    refuses(SLK_DATA_CSV, "question,answer,ood\nq,a,maybe\n", "f:2: ood is 'maybe', expected true or false");
    refuses(SLK_DATA_CSV, "question,answer\n", "f:1: no facts at all");
    refuses(SLK_DATA_CSV, "", "f:1: no facts at all");
    slk_facts facts = {0};
    assert_fails(read_text(&facts, SLK_DATA_CSV, NULL, "q,answer\nq,a\n", err), SLK_E_NOT_FOUND,
                 "f:1: no column 'question'");
    assert_fails(read_text(&facts, SLK_DATA_CSV, NULL, "question,a\nq,a\n", err), SLK_E_NOT_FOUND,
                 "no column 'answer'");
    assert_fails(read_text(&facts, SLK_DATA_CSV, "relation=rel", "question,answer\nq,a\n", err), SLK_E_NOT_FOUND,
                 "no column 'rel'");
    assert_fails(read_text(&facts, SLK_DATA_JSONL, "relation=rel", "{\"question\":\"q\",\"answer\":\"a\"}", err),
                 SLK_E_NOT_FOUND, "f: no record has the field 'rel'");
}

static void test_map(void **state)
{
    (void)state;
    slk_field_map map;
    assert_fails(slk_field_map_init(&map, "quest=x", err), SLK_E_ARG, "'quest' is no field");
    assert_fails(slk_field_map_init(&map, "question", err), SLK_E_ARG, "question has no name");
    assert_fails(slk_field_map_init(&map, "question=", err), SLK_E_ARG, "question has no name");
    assert_fails(slk_field_map_init(&map, "question=a,question=b", err), SLK_E_ARG, "named twice");
    assert_fails(slk_field_map_init(&map, "question=a,answer=a", err), SLK_E_ARG, "'a' is named for both");
    assert_null(map.names[0]);
    slk_facts facts = {0}; /* a taken name is no longer its field's, and answer replaces answers */
    assert_ok(read_text(&facts, SLK_DATA_JSONL, "question=subject,answer=gold",
                        "{\"question\":\"no\",\"subject\":\"q\",\"gold\":[\"a\"],\"answers\":[\"b\"]}", err));
    assert_fact(&facts.items[0], "q", "a", "");
    assert_int_equal(facts.items[0].n_answers, 1);
    assert_null(facts.items[0].subject);
    slk_facts_release(&facts);
}

static void test_files(void **state)
{
    (void)state;
    slk_facts facts = {0};
    slk_read_options options;
    slk_read_options_init(&options);
    options.defaults.split = SLK_SPLIT_TEST;
    options.defaults.relation = "rel";
    const char *const ood[] = {"rel"};
    options.defaults.ood = ood;
    options.defaults.n_ood = 1;
    const char *path = temp_path("a.csv"), *odd = temp_path("a.txt");
    write_file(path, "question,answer\nq,a\n", 20);
    assert_ok(slk_data_read_file(&facts, path, &options, err));
    assert_fact(&facts.items[0], "q", "a", "rel");
    assert_true(facts.items[0].ood);
    assert_int_equal(facts.items[0].split, SLK_SPLIT_TEST);
    write_file(odd, "x", 1);
    assert_fails(slk_data_read_file(&facts, odd, &options, err), SLK_E_UNSUPPORTED, "unknown extension");
    assert_fails(slk_data_read_file(&facts, temp_path("none.csv"), &options, err), SLK_E_IO, "none.csv");
    assert_int_equal(facts.n, 1); /* as it was */
    slk_facts_release(&facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jsonl), cmocka_unit_test(test_json),       cmocka_unit_test(test_jsonl_errors),
        cmocka_unit_test(test_csv),   cmocka_unit_test(test_csv_errors), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_map),   cmocka_unit_test(test_files),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_temp();
    return failed;
}
