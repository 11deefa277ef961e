/* Merging: shards become the whole, and what contradicts changes nothing. */
#include "store_test.h"

#define N_FACTS 10

static slk_store *make_store(const char *path, slk_facts *facts, int64_t *id)
{
    slk_store *store = open_store(path);
    slk_label_settings settings = make_settings();
    make_facts(facts, N_FACTS, "a");
    assert_ok(slk_store_put_facts(store, NULL, "set", facts, NULL, false, err));
    assert_ok(slk_store_begin_label_set(store, id, NULL, &settings, err));
    return store;
}

static void put_prompt(slk_store *store, int64_t id, char *relation, char *text)
{
    slk_stored_prompt prompt = {.relation = relation, .text = text};
    assert_ok(slk_store_put_prompts(store, id, &prompt, 1, err));
}

static void assert_labels(slk_store *store, int64_t id, const slk_facts *facts, size_t n_expected)
{
    slk_label *labels;
    size_t n;
    assert_ok(slk_store_load_labels(store, id, true, &labels, &n, err));
    assert_int_equal(n, n_expected);
    for (size_t i = 0; i < n; i++) {
        slk_label label = make_label(facts->items[i].id, (unsigned)i);
        assert_same_label(&label, &labels[i]);
        slk_label_release(&label);
        slk_label_release(&labels[i]);
    }
    free(labels);
}

static void test_shards(void **state)
{
    (void)state;
    slk_facts facts, again;
    int64_t id, id_b, id_c;
    char r0[] = "R0", r1[] = "R1", text[] = "t";
    const char *b_path = temp_path("shard-b.db"), *a_path = temp_path("shard-a.db");
    slk_store *a = make_store(a_path, &facts, &id);
    slk_store *b = make_store(b_path, &again, &id_b);
    slk_facts_release(&again);
    slk_label_settings other = make_settings(); /* a second label set in b, before which nothing must be mixed up */
    strcpy(other.dtype, "f32");
    assert_ok(slk_store_begin_label_set(b, &id_c, NULL, &other, err));
    put_label(b, id_c, facts.items[0].id, 7);
    for (unsigned i = 0; i < 6; i++) put_label(a, id, facts.items[i].id, i);
    for (unsigned i = 4; i < N_FACTS; i++) put_label(b, id_b, facts.items[i].id, i);
    put_prompt(a, id, r0, text);
    put_prompt(b, id_b, r0, text);
    put_prompt(b, id_b, r1, text);
    assert_ok(slk_store_put_facts(b, NULL, "extra", &facts, NULL, false, err));
    slk_store_close(b);
    slk_merge_report report;
    assert_ok(slk_store_merge(a, &report, b_path, err));
    assert_int_equal(report.n_sets_added, 1);
    assert_int_equal(report.n_label_sets_added, 1);
    assert_int_equal(report.n_label_sets_joined, 1);
    assert_int_equal(report.n_labels_added, 5);
    assert_int_equal(report.n_labels_equal, 2);
    assert_int_equal(report.n_prompts_added, 1);
    assert_labels(a, id, &facts, N_FACTS);
    slk_label_set_info *list;
    size_t n;
    assert_ok(slk_store_list_label_sets(a, &list, &n, err));
    assert_int_equal(n, 2);
    assert_int_equal(list[0].n_labels, 1);
    assert_string_equal(list[0].settings.dtype, "f32");
    free(list);
    assert_ok(slk_store_load_facts(a, &again, "extra", -1, NULL, 0, err));
    assert_int_equal(again.n, N_FACTS);
    slk_facts_release(&again);
    assert_ok(slk_store_merge(a, &report, b_path, err)); /* once more: nothing new */
    assert_int_equal(report.n_labels_added + report.n_sets_added + report.n_label_sets_added + report.n_prompts_added,
                     0);
    assert_int_equal(report.n_labels_equal, 7);
    slk_store_close(a);
    a = open_store(temp_path("fresh.db")); /* into an empty store */
    assert_ok(slk_store_merge(a, &report, a_path, err));
    assert_int_equal(report.n_labels_added, 11);
    assert_ok(slk_store_find_label_set(a, &(slk_label_set_info){0}, 1, err));
    assert_labels(a, 1, &facts, N_FACTS);
    slk_store_close(a);
    slk_facts_release(&facts);
}

/* Each kind of contradiction, at fact 3 and fact 6: the message names fact 3, and the store is as it was. */
static void test_conflicts(void **state)
{
    (void)state;
    const char *a_path = temp_path("conflict-a.db"), *b_path = temp_path("conflict-b.db");
    for (int what = 0; what < 6; what++) {
        slk_facts facts, other;
        int64_t id, id_b;
        char r0[] = "R0", text[] = "t", text2[] = "u";
        slk_store *a = make_store(a_path, &facts, &id), *b = make_store(b_path, &other, &id_b);
        for (unsigned i = 0; i < N_FACTS; i++) {
            bool odd = i >= 3 && i % 3 == 0;
            slk_label here = make_label(facts.items[i].id, i), there = make_label(facts.items[i].id, i);
            slk_answer *last = &there.answers[there.n_answers - 1];
            if (what == 0 && odd) there.greedy[1] ^= 1;
            if (what == 1 && odd) there.p_gold[0] *= 1 + 1e-15;
            if (what == 2 && odd) there.answers[2].text[0] = 'X';
            if (what == 3 && odd)
                last->text[0] = here.answers[here.n_answers - 1].text[0] = 'X'; /* a text of its own, */
            if (what == 3 && odd) free(last->text), there.n_answers--;          /* only here */
            if (what == 4 && odd) last->text[0] = 'X';                          /* ... only there */
            if (what == 4 && odd) free(here.answers[--here.n_answers].text);
            if (i < 7) assert_ok(slk_store_put_labels(a, id, &here, 1, err));
            if (i >= 3) assert_ok(slk_store_put_labels(b, id_b, &there, 1, err));
            slk_label_release(&here);
            slk_label_release(&there);
        }
        put_prompt(a, id, r0, text);
        put_prompt(b, id_b, r0, what == 5 ? text2 : text);
        assert_ok(slk_store_put_facts(b, NULL, "extra", &facts, NULL, false, err));
        slk_store_close(b);
        slk_merge_report report;
        assert_fails(slk_store_merge(a, &report, b_path, err), SLK_E_STATE,
                     what == 5 ? "a prompt of relation 'R0'" : "question\" 3?");
        uint64_t *ids;
        size_t n;
        assert_ok(slk_store_load_label_ids(a, id, &ids, &n, err));
        assert_int_equal(n, 7);
        free(ids);
        slk_set_list sets;
        assert_ok(slk_store_list_sets(a, &sets, err));
        assert_int_equal(sets.n, 1);
        slk_set_list_release(&sets);
        put_label(a, id, facts.items[7].id, 7); /* and it can be written to */
        slk_store_close(a);
        slk_facts_release(&facts);
        slk_facts_release(&other);
        unlink(a_path);
        unlink(b_path);
    }
}

static void test_refused(void **state)
{
    (void)state;
    slk_facts facts, other;
    int64_t id;
    slk_merge_report report;
    const char *a_path = temp_path("refuse-a.db"), *b_path = temp_path("refuse-b.db");
    slk_store *a = make_store(a_path, &facts, &id), *b = open_store(b_path);
    make_facts(&other, N_FACTS, "b");
    assert_ok(slk_store_put_facts(b, NULL, "set", &other, NULL, false, err));
    slk_store_close(b);
    assert_fails(slk_store_merge(a, &report, b_path, err), SLK_E_STATE, "fact set 'set'");
    assert_fails(slk_store_merge(a, &report, a_path, err), SLK_E_ARG, "is the store itself");
    assert_fails(slk_store_merge(a, &report, "/nowhere.db", err), SLK_E_NOT_FOUND, "/nowhere.db");
    write_file(b_path, "text", 4);
    assert_fails(slk_store_merge(a, &report, b_path, err), SLK_E_FORMAT, "no store");
    assert_ok(slk_store_begin(a, err));
    assert_fails(slk_store_merge(a, &report, b_path, err), SLK_E_ARG, "inside a transaction");
    slk_store_rollback(a);
    slk_store_close(a);
    slk_facts_release(&facts);
    slk_facts_release(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shards),
        cmocka_unit_test(test_conflicts),
        cmocka_unit_test(test_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_temp();
    return failed;
}
