/* Selection: split, relations, an even and nested limit, shards that are a partition. */
#include "data_test.h"
#include "data/select.h"

/* n facts of each of three relations (R2 has only 3), all in test but every fifth, which is in dev. */
static void make_facts(slk_facts *facts, int n)
{
    static const char *const relations[] = {"R0", "R1", "R2"};
    memset(facts, 0, sizeof *facts);
    for (int r = 0; r < 3; r++) {
        for (int i = 0; i < (r == 2 ? 3 : n); i++) {
            char text[32];
            snprintf(text, sizeof text, "%s question %d", relations[r], i);
            slk_fact fact = {.relation = strdup(relations[r]),
                             .question = strdup(text),
                             .split = i % 5 == 4 ? SLK_SPLIT_DEV : SLK_SPLIT_TEST};
            fact.answers = calloc(1, sizeof(char *));
            fact.answers[0] = strdup("a");
            fact.n_answers = 1;
            fact.id = slk_fact_identity(&fact);
            assert_true(slk_facts_push(facts, &fact));
        }
    }
}

static void select_facts(slk_facts *facts, slk_selection selection)
{
    make_facts(facts, 50);
    assert_ok(slk_facts_select(facts, &selection, err));
}

static size_t count(const slk_facts *facts, const char *relation)
{
    size_t n = 0;
    for (size_t i = 0; i < facts->n; i++) n += strcmp(facts->items[i].relation, relation) == 0;
    return n;
}

static bool has(const slk_facts *facts, uint64_t id)
{
    for (size_t i = 0; i < facts->n; i++) {
        if (facts->items[i].id == id) return true;
    }
    return false;
}

static void test_split_and_relations(void **state)
{
    (void)state;
    slk_facts facts;
    slk_selection s;
    slk_selection_init(&s);
    select_facts(&facts, s);
    assert_int_equal(facts.n, 103);
    slk_facts_release(&facts);
    const char *const relations[] = {"R2", "R0"};
    s.split = SLK_SPLIT_TEST;
    s.relations = relations;
    s.n_relations = 2;
    select_facts(&facts, s);
    assert_int_equal(facts.n, 43);
    assert_string_equal(facts.items[0].question, "R0 question 0"); /* order kept */
    slk_facts_release(&facts);
    s.split = SLK_SPLIT_DEV; /* R2 has none in dev */
    make_facts(&facts, 50);
    assert_fails(slk_facts_select(&facts, &s, err), SLK_E_NOT_FOUND, "relation 'R2': no facts of it in dev");
    slk_facts_release(&facts);
    slk_selection_init(&s);
    s.split = SLK_SPLIT_TRAIN;
    make_facts(&facts, 50);
    assert_fails(slk_facts_select(&facts, &s, err), SLK_E_NOT_FOUND, "no facts in train");
    slk_facts_release(&facts);
}

static void test_limit(void **state)
{
    (void)state;
    slk_facts small, large, other;
    slk_selection s;
    slk_selection_init(&s);
    s.limit = 20;
    select_facts(&small, s);
    assert_int_equal(small.n, 20);
    assert_int_equal(count(&small, "R2"), 3); /* all it has; the others share the rest */
    size_t n0 = count(&small, "R0"), n1 = count(&small, "R1");
    assert_true(n0 + n1 == 17 && (n0 == 8 || n1 == 8));
    s.limit = 33;
    select_facts(&large, s);
    for (size_t i = 0; i < small.n; i++) assert_true(has(&large, small.items[i].id)); /* nested */
    s.limit = 20;
    s.seed = 1;
    select_facts(&other, s);
    size_t n_same = 0;
    for (size_t i = 0; i < small.n; i++) n_same += has(&other, small.items[i].id);
    assert_true(n_same < small.n);
    slk_facts_release(&small);
    slk_facts_release(&large);
    slk_facts_release(&other);
}

/* The choice does not depend on the order in which the facts come. */
static void test_limit_is_keyed(void **state)
{
    (void)state;
    slk_facts a, b;
    slk_selection s;
    slk_selection_init(&s);
    s.limit = 11;
    s.seed = 7;
    select_facts(&a, s);
    make_facts(&b, 50);
    for (size_t i = 0; i < b.n / 2; i++) {
        slk_fact swap = b.items[i];
        b.items[i] = b.items[b.n - 1 - i];
        b.items[b.n - 1 - i] = swap;
    }
    assert_ok(slk_facts_select(&b, &s, err));
    assert_int_equal(b.n, a.n);
    for (size_t i = 0; i < a.n; i++) assert_true(has(&b, a.items[i].id));
    slk_facts_release(&a);
    slk_facts_release(&b);
}

static void test_shards(void **state)
{
    (void)state;
    slk_facts all, part;
    slk_selection s;
    slk_selection_init(&s);
    s.limit = 25;
    select_facts(&all, s);
    for (size_t n = 1; n <= 40; n++) {
        size_t at = 0;
        s.n_shards = n;
        for (s.shard = 0; s.shard < n; s.shard++) {
            select_facts(&part, s);
            assert_true(part.n >= 25 / n && part.n <= 25 / n + 1);
            for (size_t i = 0; i < part.n; i++) assert_int_equal(part.items[i].id, all.items[at++].id);
            slk_facts_release(&part);
        }
        assert_int_equal(at, 25);
    }
    make_facts(&part, 5);
    assert_fails(slk_facts_select(&part, &s, err), SLK_E_ARG, "shard 40/40");
    slk_facts_release(&part);
    slk_facts_release(&all);
    size_t shard, n_shards;
    assert_ok(slk_shard_parse(&shard, &n_shards, "2/8", err));
    assert_true(shard == 2 && n_shards == 8);
    const char *const wrong[] = {"", "1", "8/8", "-1/2", "1/2x", "a/b", "1/0", "1/", "99999999999999999999/2"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_fails(slk_shard_parse(&shard, &n_shards, wrong[i], err), SLK_E_ARG, "expected i/n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_and_relations),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_limit_is_keyed),
        cmocka_unit_test(test_shards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
