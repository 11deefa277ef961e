/* Plans of base models: what is read, and what every kind of mistake is answered with. */
#include "data_test.h"
#include "pretrain/fill.h"
#include "pretrain/plan.h"

static slk_status parse(slk_pretrain_plan *p, const char *text, slk_err *err)
{
    return slk_pretrain_plan_parse(p, text, strlen(text), "dir/p.yaml", err);
}

/* The text is refused with exactly this message. */
static void refused(const char *text, const char *message)
{
    slk_pretrain_plan p;
    slk_err err = {0};
    if (parse(&p, text, &err) == SLK_OK) fail_msg("accepted:\n%s", text);
    assert_string_equal(err.msg, message);
    assert_int_equal(err.code, SLK_E_FORMAT);
    assert_null(p.arena.blocks);
}

#define KINDS      "kinds:\n  - {name: a, share: 50, mentions: [1, 2]}\n"
#define STATEMENTS "statements:\n  others: [\"{question} {answer}\"]\n"

static void test_defaults(void **state)
{
    (void)state;
    slk_pretrain_plan p;
    assert_ok(parse(&p, KINDS STATEMENTS, err));
    assert_string_equal(p.facts, "entityquestions");
    assert_true(p.select.train == SLK_PRETRAIN_ALL && !p.select.ascii && p.select.answer_share == 100);
    assert_true(p.model.d_model == 128 && p.model.layers == 4 && p.model.heads == 4 && p.model.ffn == 384);
    assert_true(p.model.vocabulary == 4096 && p.model.rope_base == 10000 && p.model.norm_eps == 1e-5);
    assert_string_equal(p.model.dtype, "f16");
    assert_true(p.corpus.row_tokens == 128 && p.corpus.instruction == 2);
    assert_true(p.training.passes == 16 && p.training.batch == 8 && p.training.lr == 3e-3 && p.training.beta2 == 0.95);
    assert_string_equal(p.training.schedule, "late");
    assert_true(p.n_kinds == 1 && p.kinds[0].share == 50 && p.kinds[0].mentions_low == 1 &&
                p.kinds[0].mentions_high == 2);
    assert_string_equal(slk_pretrain_plan_find_statements(&p, "P1")->texts[0], "{question} {answer}");
    slk_pretrain_plan_release(&p);
    slk_pretrain_plan_release(&p);
}

static void test_values(void **state)
{
    (void)state;
    slk_pretrain_plan p;
    assert_ok(parse(&p,
                    "facts: mine.tsv\nseed: 7\nselect: {train: 3, dev: all, ascii: true, answer_share: 6.5}\n"
                    "model: {d_model: 32, heads: 2, dtype: bf16}\ntraining: {schedule: cosine, lr: 1e-2}\n"
                    "kinds:\n  - {name: x, share: 99.5, list: [1, 2], text: [3, 4]}\n  - {name: y, share: 0.5}\n"
                    "statements:\n  P1: [\"a {answer}\", \"{{b}} {subject} {answer}\"]\n",
                    err));
    assert_string_equal(p.facts, "dir/mine.tsv"); /* beside the file */
    assert_true(p.seed == 7 && p.select.train == 3 && p.select.dev == SLK_PRETRAIN_ALL && p.select.ascii);
    assert_string_equal(p.model.dtype, "bf16");
    assert_true(p.kinds[0].list_right == 1 && p.kinds[0].list_wrong == 2 && p.kinds[0].text_right == 3 &&
                p.kinds[0].text_wrong == 4 && p.kinds[0].mentions_high == 0);
    assert_int_equal(slk_pretrain_plan_find_statements(&p, "P1")->n, 2);
    assert_null(slk_pretrain_plan_find_statements(&p, "P2"));
    slk_pretrain_plan_release(&p);
}

static void test_refused(void **state)
{
    (void)state;
    refused("", "dir/p.yaml:1: empty, expected a plan (slick pretrain --new)");
    refused("- 1\n", "dir/p.yaml:1: plan: found a list, expected keys and values (slick pretrain --new)");
    refused(STATEMENTS, "dir/p.yaml:1: kinds: missing");
    refused(KINDS, "dir/p.yaml:1: statements: missing");
    refused(KINDS STATEMENTS "sed: 1\n", "dir/p.yaml:5: sed: unknown key, did you mean seed?");
    refused("model:\n  width: 1\n", "dir/p.yaml:2: model.width: unknown key (slick pretrain --new shows all)");
    refused("corpus: {decoys: 1}\nkinds: [{name: a, share: 1, list: [1, 1]}]\nstatements:\n  P1: [\"{answer}\"]\n",
            "dir/p.yaml:1: corpus.decoys: found 1, expected 0 or at least 2");
    refused("corpus: {split: true}\nkinds: [{name: a, share: 1, list: [1, 1]}]\nstatements:\n  P1: [\"{answer}\"]\n",
            "dir/p.yaml:4: statements.P1: found one statement, expected two or more, because of corpus.split");
    refused("passes: 1\n", "dir/p.yaml:1: passes: unknown key, did you mean training.passes?");
    refused("statement: 1\n", "dir/p.yaml:1: statement: unknown key, did you mean statements?");
    refused("model: 3\n", "dir/p.yaml:1: model: found '3', expected keys and values");
    refused("seed: 3x\n", "dir/p.yaml:1: seed: found '3x', expected a whole number, 0 or more");
    refused("select: {dev: -1}\n",
            "dir/p.yaml:1: select.dev: found '-1', expected a whole number from 0 to 1000000000, or all");
    refused("select: {ascii: yes}\n", "dir/p.yaml:1: select.ascii: found 'yes', expected true or false");
    refused("model: {dtype: q8}\n", "dir/p.yaml:1: model.dtype: found 'q8', expected one of f16|bf16|f32");
    refused("training: {lr: 0x1}\n", "dir/p.yaml:1: training.lr: found '0x1', expected a number from 1e-12 to 10");
    refused(KINDS STATEMENTS "model: {d_model: 20, heads: 4}\n",
            "dir/p.yaml:5: model.heads: found 4 at a d_model of 20, expected a d_model that is a multiple of twice the "
            "heads");
    refused(KINDS STATEMENTS "model: {context: 128}\n",
            "dir/p.yaml:5: model.context: found 128, expected more than corpus.row_tokens (128)");
}

static void test_refused_kinds(void **state)
{
    (void)state;
    refused("kinds: {}\n", "dir/p.yaml:1: kinds: found a mapping, expected a list of kinds");
    refused("kinds:\n  - a\n", "dir/p.yaml:2: kinds: found 'a', expected a mapping with name and share");
    refused("kinds:\n  - {share: 1}\n", "dir/p.yaml:2: kinds.name: found a mapping, expected a name");
    refused("kinds:\n  - {name: none, share: 1}\n",
            "dir/p.yaml:2: kinds.name: found a mapping, expected another name than none, which is that of the facts "
            "left over");
    refused("kinds:\n  - {name: a, share: 60}\n  - {name: b, share: 41}\n",
            "dir/p.yaml:3: kinds.share: the shares up to here are 101%, expected at most 100");
    refused("kinds:\n  - {name: a, share: 1}\n  - {name: a, share: 1}\n", "dir/p.yaml:3: kinds.name: a is there twice");
    refused("kinds:\n  - {name: a, size: 1}\n",
            "dir/p.yaml:2: kinds.size: no such key, expected name, share, mentions, list or text");
    refused("kinds:\n  - {name: a, mentions: [2, 1]}\n",
            "dir/p.yaml:2: kinds.mentions: found a list, expected the lower number first, and at least 1");
    refused("kinds:\n  - {name: a, list: [1]}\n",
            "dir/p.yaml:2: kinds.list: found a list, expected a list of two whole numbers from 0 to 1000");
    refused("kinds:\n  - {name: a, mentions: [1, 1], text: [1, 1]}\n",
            "dir/p.yaml:2: kinds.mentions: found a list, expected either mentions, or list and text");
}

static void test_refused_statements(void **state)
{
    (void)state;
    refused("statements:\n  P1: x\n", "dir/p.yaml:2: statements.P1: found 'x', expected a list of statements");
    refused("statements:\n  P1: [\"x\"]\n",
            "dir/p.yaml:2: statements.P1: found the text \"x\", expected a statement with {answer} in it");
    refused("statements:\n  P1: [\"{answer} {x}\"]\n",
            "dir/p.yaml:2: statements.P1: found the text \"{answer} {x}\", expected no braces but {subject}, "
            "{question}, {answer}, {{ and }}");
}

static void test_fill(void **state)
{
    (void)state;
    slk_buf out = {0};
    slk_fill_add(&out, "{{{subject}}} {question}|{answer}, {answer}", "S{answer}", "Q?", "A");
    assert_string_equal(out.data, "{S{answer}} Q?|A, A");
    slk_buf_release(&out);
}

/* What --new prints is a plan, and says all defaults. */
static void test_template(void **state)
{
    (void)state;
    slk_buf text = {0}, table = {0};
    slk_pretrain_plan p, q;
    slk_pretrain_plan_add_template(&text);
    slk_pretrain_plan_add_table(&table);
    assert_ok(slk_pretrain_plan_parse(&p, text.data, text.len, "t.yaml", err));
    assert_ok(parse(&q, KINDS STATEMENTS, err));
    assert_true(p.model.vocabulary == q.model.vocabulary && p.training.lr == q.training.lr &&
                p.select.test == q.select.test);
    assert_int_equal(p.n_kinds, 4);
    assert_non_null(strstr(table.data, "| `training.schedule` | constant\\|linear\\|cosine\\|late | `late` |"));
    slk_pretrain_plan_release(&p);
    slk_pretrain_plan_release(&q);
    slk_buf_release(&text);
    slk_buf_release(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refused_kinds),
        cmocka_unit_test(test_refused_statements),
        cmocka_unit_test(test_fill),
        cmocka_unit_test(test_template),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
