/* Which facts a plan takes: every rule, held against the facts that come out. */
#include "data_test.h"
#include "pretrain/select.h"

static void write_facts(const char *path, int n)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < n; i++) {
        static const char *const SPLITS[] = {"train", "dev", "test"};
        fprintf(file,
                "{\"question\": \"Where is s%d?\", \"subject\": \"s%d\", \"answer\": \"a%d\", \"relation\": \"%s\", "
                "\"split\": \"%s\"}\n",
                i, i % 61, i % 5 ? i % 4 : i, i % 2 ? "R" : "S", SPLITS[i / 2 % 3]);
    }
    fputs("{\"question\": \"Two?\", \"subject\": \"two\", \"answers\": [\"a\", \"b\"], \"relation\": \"R\"}\n"
          "{\"question\": \"Same?\", \"subject\": \"same\", \"answer\": \"same\", \"relation\": \"R\"}\n"
          "{\"question\": \"Long?\", \"subject\": \"long\", \"answer\": \"0123456789\", \"relation\": \"R\"}\n"
          "{\"question\": \"\xC3\x89?\", \"subject\": \"e\", \"answer\": \"e1\", \"relation\": \"R\"}\n",
          file);
    assert_int_equal(fclose(file), 0);
}

static void select_from(slk_facts *out, const char *path, int seed, const char *rules)
{
    char text[600];
    slk_pretrain_plan plan;
    snprintf(text, sizeof text,
             "facts: %s\nseed: %d\nselect: {%s}\nkinds: [{name: a, share: 1}]\nstatements: {others: [\"{answer}\"]}\n",
             path, seed, rules);
    assert_ok(slk_pretrain_plan_parse(&plan, text, strlen(text), "p.yaml", err));
    assert_ok(slk_pretrain_select(out, &plan, NULL, err));
    slk_pretrain_plan_release(&plan);
}

static size_t count(const slk_facts *facts, const char *relation, int split, const char *answer)
{
    size_t n = 0;
    for (size_t i = 0; i < facts->n; i++) {
        const slk_fact *f = &facts->items[i];
        n += strcmp(f->relation, relation) == 0 && (int)f->split == split &&
             (!answer || strcmp(f->answers[0], answer) == 0);
    }
    return n;
}

static bool has_question(const slk_facts *facts, const char *question)
{
    for (size_t i = 0; i < facts->n; i++)
        if (strcmp(facts->items[i].question, question) == 0) return true;
    return false;
}

static void test_rules(void **state)
{
    (void)state;
    const char *path = temp_path("facts.jsonl");
    slk_facts some, again, other;
    write_facts(path, 300);
    select_from(&some, path, 3, "train: 12, dev: 5, test: 15, answer_share: 20, answer_chars: 5, ascii: true");
    for (int r = 0; r < 2; r++) {
        const char *relation = r ? "R" : "S";
        assert_int_equal(count(&some, relation, SLK_SPLIT_TEST, NULL), 15);
        assert_int_equal(count(&some, relation, SLK_SPLIT_DEV, NULL), 5);
        assert_true(count(&some, relation, SLK_SPLIT_TRAIN, NULL) <= 12);
    }
    for (size_t i = 0; i < some.n; i++) {
        const slk_fact *f = &some.items[i];
        assert_true(count(&some, f->relation, (int)f->split, f->answers[0]) <= (f->split == SLK_SPLIT_TEST    ? 3
                                                                                : f->split == SLK_SPLIT_TRAIN ? 2
                                                                                                              : 1));
        for (size_t k = 0; k < i; k++) /* a subject once in its relation */
            assert_true(strcmp(some.items[k].relation, f->relation) != 0 ||
                        strcmp(some.items[k].subject, f->subject) != 0);
    }
    select_from(&again, path, 3, "train: 12, dev: 5, test: 15, answer_share: 20, answer_chars: 5, ascii: true");
    select_from(&other, path, 4, "train: 12, dev: 5, test: 15, answer_share: 20, answer_chars: 5, ascii: true");
    assert_int_equal(some.n, again.n);
    bool differs = some.n != other.n;
    for (size_t i = 0; i < some.n; i++) {
        assert_true(some.items[i].id == again.items[i].id);
        differs |= i < other.n && some.items[i].id != other.items[i].id;
    }
    assert_true(differs);
    slk_facts_release(&some);
    slk_facts_release(&again);
    slk_facts_release(&other);
}

static void test_never_taken(void **state)
{
    (void)state;
    const char *path = temp_path("facts.jsonl");
    slk_facts all, strict;
    write_facts(path, 20);
    select_from(&all, path, 0, "train: all");
    assert_false(has_question(&all, "Two?"));
    assert_false(has_question(&all, "Same?"));
    assert_true(has_question(&all, "Long?") && has_question(&all, "\xC3\x89?"));
    select_from(&strict, path, 0, "answer_chars: 9, ascii: true");
    assert_false(has_question(&strict, "Long?") || has_question(&strict, "\xC3\x89?"));
    assert_int_equal(strict.n, all.n - 2);
    slk_facts_release(&all);
    slk_facts_release(&strict);
}

static void test_refused(void **state)
{
    (void)state;
    const char *path = temp_path("facts.jsonl");
    char text[400];
    slk_pretrain_plan plan;
    slk_facts out;
    write_facts(path, 20);
    snprintf(text, sizeof text, "facts: %s\nkinds: [{name: a, share: 1}]\nstatements: {R: [\"{answer}\"]}\n", path);
    assert_ok(slk_pretrain_plan_parse(&plan, text, strlen(text), "p.yaml", err));
    assert_fails(slk_pretrain_select(&out, &plan, NULL, err), SLK_E_FORMAT,
                 "p.yaml: statements: none for relation 'S', and no others");
    slk_pretrain_plan_release(&plan);
    snprintf(text, sizeof text,
             "facts: %s\nselect: {train: 0, dev: 0, test: 0}\nkinds: [{name: a, share: 1}]\n"
             "statements: {R: [\"{answer}\"]}\n",
             path);
    assert_ok(slk_pretrain_plan_parse(&plan, text, strlen(text), "p.yaml", err));
    assert_fails(slk_pretrain_select(&out, &plan, NULL, err), SLK_E_FORMAT, "p.yaml: select: no fact of ");
    slk_pretrain_plan_release(&plan);
    remove_temp();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_never_taken),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
