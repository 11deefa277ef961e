/* Facts of a store as examples: which are picked, and whose categories they get. */
#include "store_test.h"

#include "know/from_store.h"

#define N_FACTS 12

/* A store with the facts of make_facts() as set "set" (R0 in distribution, R1 out of it; the last in dev). */
static slk_store *make_store(const char *path, slk_facts *facts)
{
    slk_store *store = open_store(path);
    make_facts(facts, N_FACTS, "a");
    assert_ok(slk_store_put_facts(store, NULL, "set", facts, NULL, false, err));
    return store;
}

/* A label of the given category. */
static void put_category(slk_store *store, int64_t set, uint64_t fact_id, slk_category category)
{
    slk_label label = make_label(fact_id, 0);
    for (size_t i = 0; i < label.n_answers; i++) free(label.answers[i].text);
    label.n_answers = 0;
    memset(label.greedy, category == SLK_HIGHLY_KNOWN, 3);
    label.greedy[1] = category <= SLK_MAYBE_KNOWN;
    memset(label.sampled, category <= SLK_WEAKLY_KNOWN, 15);
    label.unlabelable = category == SLK_UNLABELABLE;
    assert_ok(slk_store_put_labels(store, set, &label, 1, err));
    slk_label_release(&label);
}

static void test_without_labels(void **state)
{
    (void)state;
    slk_facts facts;
    slk_examples ex;
    slk_label_set_info info;
    slk_store *store = make_store(temp_path("bare.db"), &facts);
    slk_pick pick = {.split = SLK_SPLIT_TEST, .ood = SLK_PICK_IN};
    assert_ok(slk_examples_from_store(&ex, &info, store, &pick, err));
    assert_int_equal(info.id, 0);
    assert_int_equal(ex.n, N_FACTS / 2);
    assert_int_equal(ex.n_uncategorised, ex.n);
    for (size_t i = 0; i < ex.n; i++) {
        assert_int_equal(ex.items[i]->id, facts.items[2 * i].id);
        assert_int_equal(ex.categories[i], -1);
        assert_int_equal(ex.lines[i], 0);
    }
    assert_string_equal(ex.name, slk_store_path(store));
    slk_examples_release(&ex);

    pick.ood = SLK_PICK_OUT;
    assert_ok(slk_examples_from_store(&ex, NULL, store, &pick, err));
    assert_int_equal(ex.n, N_FACTS / 2 - 1);
    assert_int_equal(ex.n_several, ex.n);
    slk_examples_release(&ex);
    pick = (slk_pick){.split = -1, .ood = SLK_PICK_BOTH, .limit = 5};
    assert_ok(slk_examples_from_store(&ex, NULL, store, &pick, err));
    assert_int_equal(ex.n, 5);
    slk_examples_release(&ex);
    pick = (slk_pick){.split = SLK_SPLIT_TRAIN, .limit = 5};
    assert_ok(slk_examples_from_store(&ex, NULL, store, &pick, err));
    assert_int_equal(ex.n, 0);
    slk_examples_release(&ex);
    pick = (slk_pick){.split = SLK_SPLIT_TEST, .labelled_only = true};
    assert_ok(slk_examples_from_store(&ex, NULL, store, &pick, err));
    assert_int_equal(ex.n, 0);
    slk_examples_release(&ex);

    const char *relations[] = {"R7"};
    pick = (slk_pick){.split = -1, .relations = relations, .n_relations = 1};
    assert_fails(slk_examples_from_store(&ex, NULL, store, &pick, err), SLK_E_NOT_FOUND, "R7");
    pick = (slk_pick){.set = "other"};
    assert_fails(slk_examples_from_store(&ex, NULL, store, &pick, err), SLK_E_NOT_FOUND, "other");
    pick = (slk_pick){.labels = 3};
    assert_fails(slk_examples_from_store(&ex, NULL, store, &pick, err), SLK_E_NOT_FOUND, "3");
    assert_null(ex.items);
    slk_store_close(store);
    slk_facts_release(&facts);
    store = open_store(temp_path("empty.db"));
    pick = (slk_pick){0};
    assert_fails(slk_examples_from_store(&ex, NULL, store, &pick, err), SLK_E_NOT_FOUND, "no facts in the store");
    slk_store_close(store);
}

static void test_categories(void **state)
{
    (void)state;
    slk_facts facts, more;
    slk_examples ex;
    slk_label_set_info info;
    int64_t first, second;
    slk_store *store = make_store(temp_path("labels.db"), &facts);
    make_facts(&more, 4, "b");
    assert_ok(slk_store_put_facts(store, NULL, "newer", &more, NULL, false, err));
    slk_label_settings s = make_settings();
    assert_ok(slk_store_begin_label_set(store, &first, NULL, &s, err));
    s.model_hash = 7;
    assert_ok(slk_store_begin_label_set(store, &second, NULL, &s, err));
    for (int c = 0; c <= SLK_UNLABELABLE; c++)
        put_category(store, first, facts.items[2 * c].id, (slk_category)(SLK_UNLABELABLE - c));
    put_category(store, second, facts.items[4].id, SLK_UNKNOWN);

    /* the newest label set decides about the fact set, too */
    slk_pick pick = {.split = SLK_SPLIT_TEST};
    assert_ok(slk_examples_from_store(&ex, &info, store, &pick, err));
    assert_int_equal(info.id, second);
    assert_int_equal(ex.n, N_FACTS / 2);
    assert_int_equal(ex.categories[2], SLK_UNKNOWN);
    assert_int_equal(ex.n_uncategorised, ex.n - 1);
    slk_examples_release(&ex);
    pick.labels = first;
    assert_ok(slk_examples_from_store(&ex, &info, store, &pick, err));
    assert_int_equal(info.id, first);
    const int8_t categories[] = {-1, SLK_UNKNOWN, SLK_WEAKLY_KNOWN, SLK_MAYBE_KNOWN, SLK_HIGHLY_KNOWN, -1};
    assert_memory_equal(ex.categories, categories, sizeof categories);
    slk_examples_release(&ex);
    pick.labels = SLK_LABELS_NEWEST;
    pick.model_hash = make_settings().model_hash;
    pick.labelled_only = true;
    assert_ok(slk_examples_from_store(&ex, &info, store, &pick, err));
    assert_int_equal(info.id, first);
    assert_int_equal(ex.n, 4);
    assert_memory_equal(ex.categories, categories + 1, 4);
    slk_examples_release(&ex);
    pick.model_hash = 99;
    assert_ok(slk_examples_from_store(&ex, &info, store, &pick, err));
    assert_int_equal(info.id, 0);
    assert_int_equal(ex.n, 0);
    slk_examples_release(&ex);
    pick = (slk_pick){.split = -1, .ood = SLK_PICK_BOTH, .labels = SLK_LABELS_NONE};
    assert_ok(slk_examples_from_store(&ex, &info, store, &pick, err));
    assert_int_equal(ex.n, 4); /* of the newest fact set */
    assert_int_equal(ex.n_uncategorised, 4);
    slk_examples_release(&ex);
    pick = (slk_pick){.set = "newer", .split = -1, .ood = SLK_PICK_BOTH};
    assert_ok(slk_examples_from_store(&ex, &info, store, &pick, err));
    assert_int_equal(info.id, 0); /* none is one of that set */
    slk_examples_release(&ex);
    pick.labels = first;
    assert_fails(slk_examples_from_store(&ex, NULL, store, &pick, err), SLK_E_ARG, "expected one of 'newer'");
    slk_store_close(store);
    slk_facts_release(&facts);
    slk_facts_release(&more);
    remove_temp();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_labels),
        cmocka_unit_test(test_categories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
