/* Facts, their identity and copies; labels and the categories made of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fact.h"
#include "base/label.h"
#include "base/mem.h"

#define N_OF(array) (sizeof(array) / sizeof(array)[0])

/* --- facts and labels -------------------------------------------------------------------------------------------- */

static slk_fact example_fact(void)
{
    static char relation[] = "P36", question[] = "What is the capital of France?", subject[] = "France";
    static char paris[] = "Paris", lutetia[] = "Lutetia", alias[] = "City of Paris";
    static char *answers[] = {paris, lutetia}, *aliases[] = {alias};
    return (slk_fact){.relation = relation,
                      .question = question,
                      .subject = subject,
                      .answers = answers,
                      .n_answers = 2,
                      .aliases = aliases,
                      .n_aliases = 1,
                      .split = SLK_SPLIT_DEV,
                      .ood = true};
}

static void test_fact_identity(void **state)
{
    (void)state;
    slk_fact fact = example_fact(), other = fact;
    /* Pinned: stores and recorded random draws are keyed by it. */
    assert_true(slk_fact_identity(&fact) == 0x2B4214A367D3DBD1ull);
    other.split = SLK_SPLIT_TRAIN;
    other.subject = NULL;
    other.n_aliases = 0;
    other.ood = false;
    other.id = 99;
    assert_true(slk_fact_identity(&other) == slk_fact_identity(&fact));
    char *swapped[] = {fact.answers[1], fact.answers[0]};
    other.answers = swapped;
    assert_true(slk_fact_identity(&other) != slk_fact_identity(&fact));
    other.answers = fact.answers;
    other.n_answers = 1;
    assert_true(slk_fact_identity(&other) != slk_fact_identity(&fact));
    char none[] = "";
    other = fact;
    other.relation = none;
    assert_true(slk_fact_identity(&other) != slk_fact_identity(&fact));
    uint64_t without = slk_fact_identity(&other);
    other.relation = NULL;
    assert_true(slk_fact_identity(&other) == without);
}

static void test_facts_copy_and_push(void **state)
{
    (void)state;
    slk_fact fact = example_fact();
    fact.id = slk_fact_identity(&fact);
    slk_facts facts = {0};
    for (int i = 0; i < 20; i++) {
        slk_fact copy;
        assert_true(slk_fact_copy(&copy, &fact));
        assert_ptr_not_equal(copy.question, fact.question);
        assert_ptr_not_equal(copy.answers, fact.answers);
        assert_true(slk_facts_push(&facts, &copy));
        assert_null(copy.question);
        assert_int_equal(copy.n_answers, 0);
    }
    assert_int_equal(facts.n, 20);
    for (size_t i = 0; i < facts.n; i++) {
        const slk_fact *f = &facts.items[i];
        assert_true(f->id == fact.id && slk_fact_identity(f) == fact.id);
        assert_string_equal(f->subject, "France");
        assert_int_equal(f->n_answers, 2);
        assert_string_equal(f->answers[1], "Lutetia");
        assert_int_equal(f->n_aliases, 1);
        assert_string_equal(f->aliases[0], "City of Paris");
        assert_int_equal(f->split, SLK_SPLIT_DEV);
        assert_true(f->ood);
    }
    slk_facts_release(&facts);
    assert_null(facts.items);
    assert_int_equal(facts.n, 0);
    slk_fact bare = {.question = fact.question, .answers = fact.answers, .n_answers = 1}, copy;
    assert_true(slk_fact_copy(&copy, &bare));
    assert_null(copy.subject);
    assert_int_equal(copy.n_aliases, 0);
    slk_fact_release(&copy);
    slk_fact_release(&copy);
}

static void test_split_names(void **state)
{
    (void)state;
    for (int s = 0; s < SLK_N_SPLITS; s++) assert_int_equal(slk_split_parse(slk_split_name((slk_split)s)), s);
    assert_int_equal(slk_split_parse("validation"), SLK_SPLIT_DEV);
    assert_int_equal(slk_split_parse("valid"), SLK_SPLIT_DEV);
    assert_int_equal(slk_split_parse("Train"), -1);
    assert_int_equal(slk_split_parse(""), -1);
}

/* 3 prompts x 4 samples. */
static slk_label label_of(uint8_t *greedy, uint8_t *sampled, double *p_gold)
{
    return (slk_label){.n_ex = 3, .n_samples = 4, .greedy = greedy, .sampled = sampled, .p_gold = p_gold};
}

static void test_label_categories(void **state)
{
    (void)state;
    uint8_t greedy[3] = {1, 1, 1}, sampled[12] = {0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0};
    double p_gold[3] = {0.25, 0.5, 0.0}, p_greedy, p_sampled;
    slk_label label = label_of(greedy, sampled, p_gold);
    assert_int_equal(slk_label_category(&label, 3, 4), SLK_HIGHLY_KNOWN);
    greedy[1] = 0;
    assert_int_equal(slk_label_category(&label, 3, 4), SLK_MAYBE_KNOWN);
    assert_int_equal(slk_label_category(&label, 1, 4), SLK_HIGHLY_KNOWN); /* of the first prompt alone */
    slk_label_shares(&label, 3, 4, &p_greedy, &p_sampled);
    assert_true(p_greedy == 2.0 / 3 && p_sampled == 2.0 / 12);
    slk_label_shares(&label, 2, 4, &p_greedy, &p_sampled);
    assert_true(p_greedy == 0.5 && p_sampled == 1.0 / 8);
    slk_label_shares(&label, 3, 3, NULL, &p_sampled); /* the fourth draw of prompt 1 no longer counts */
    assert_true(p_sampled == 1.0 / 9);
    slk_label_shares(&label, 99, 99, &p_greedy, NULL);
    assert_true(p_greedy == 2.0 / 3);
    greedy[0] = greedy[2] = 0;
    assert_int_equal(slk_label_category(&label, 3, 4), SLK_WEAKLY_KNOWN);
    assert_int_equal(slk_label_category(&label, 1, 4), SLK_UNKNOWN);
    assert_int_equal(slk_label_category(&label, 2, 3), SLK_UNKNOWN);
    assert_int_equal(slk_label_category(&label, 99, 99), SLK_WEAKLY_KNOWN);
    sampled[7] = sampled[8] = 0;
    assert_int_equal(slk_label_category(&label, 3, 4), SLK_UNKNOWN);
    assert_true(slk_label_p_gold(&label) == 0.25);
    slk_label unlabelable = {.n_ex = 3, .n_samples = 4, .unlabelable = true};
    assert_int_equal(slk_label_category(&unlabelable, 3, 4), SLK_UNLABELABLE);
    slk_label_shares(&unlabelable, 3, 4, &p_greedy, &p_sampled);
    assert_true(p_greedy == 0 && p_sampled == 0 && slk_label_p_gold(&unlabelable) == 0);
}

static void test_category_names(void **state)
{
    (void)state;
    static const char *const names[] = {"HighlyKnown", "MaybeKnown", "WeaklyKnown", "Unknown", "Unlabelable"};
    for (int i = 0; i < (int)N_OF(names); i++) {
        assert_string_equal(slk_category_name((slk_category)i), names[i]);
        assert_int_equal(slk_category_parse(names[i]), i);
    }
    assert_int_equal(slk_category_parse("unknown"), -1);
    assert_int_equal(slk_category_parse(""), -1);
    assert_string_equal(slk_category_name((slk_category)77), "?");
}

static void test_label_release(void **state)
{
    (void)state;
    slk_label label = {.n_ex = 1, .n_samples = 1};
    label.greedy = malloc(1);
    label.sampled = malloc(1);
    label.p_gold = malloc(sizeof(double));
    label.answers = calloc(2, sizeof *label.answers);
    label.n_answers = 2;
    label.answers[0].text = slk_strdup("Paris");
    slk_label_release(&label); /* the leak checker of the asan preset sees whether all of it went */
    assert_null(label.answers);
    assert_int_equal(label.n_answers, 0);
    slk_label_release(&label);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fact_identity),  cmocka_unit_test(test_facts_copy_and_push),
        cmocka_unit_test(test_split_names),    cmocka_unit_test(test_label_categories),
        cmocka_unit_test(test_category_names), cmocka_unit_test(test_label_release),
    };
    return cmocka_run_group_tests_name("fact", tests, NULL, NULL);
}
