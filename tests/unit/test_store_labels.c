/* Label sets, labels with their texts, prompts: round trips, going on, and what is refused. */
#include "store_test.h"
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define N_FACTS 12

/* A store with set "set" and its label set. */
static slk_store *make_store(const char *path, slk_facts *facts, int64_t *id)
{
    slk_store *store = open_store(path);
    slk_label_settings settings = make_settings();
    make_facts(facts, N_FACTS, "a");
    assert_ok(slk_store_put_facts(store, NULL, "set", facts, NULL, false, err));
    assert_ok(slk_store_begin_label_set(store, id, NULL, &settings, err));
    return store;
}

static void free_labels(slk_label *labels, size_t n)
{
    for (size_t i = 0; i < n; i++) slk_label_release(&labels[i]);
    free(labels);
}

static void test_label_sets(void **state)
{
    (void)state;
    slk_facts facts;
    int64_t id, again, other;
    size_t n;
    slk_store *store = make_store(temp_path("sets.db"), &facts, &id);
    slk_label_settings s = make_settings();
    put_label(store, id, facts.items[0].id, 1);
    assert_ok(slk_store_begin_label_set(store, &again, &n, &s, err));
    assert_int_equal(again, id);
    assert_int_equal(n, 1);
    s.temperature = 0.3; /* one bit from 0.1 + 0.2 */
    assert_ok(slk_store_begin_label_set(store, &other, &n, &s, err));
    assert_int_not_equal(other, id);
    assert_int_equal(n, 0);
    s = make_settings();
    s.seed--;
    assert_ok(slk_store_begin_label_set(store, &again, NULL, &s, err));
    assert_true(again != id && again != other);
    slk_label_set_info info, *list;
    assert_ok(slk_store_find_label_set(store, &info, 0, err)); /* the newest */
    assert_int_equal(info.id, again);
    assert_int_equal(info.settings.seed, 0xFFFFFFFFFFFFFFFEu);
    assert_ok(slk_store_find_label_set(store, &info, id, err));
    s = make_settings();
    assert_int_equal(info.n_labels, 1);
    assert_string_equal(info.settings.model_name, s.model_name);
    assert_int_equal(info.settings.model_hash, s.model_hash);
    assert_memory_equal(&info.settings.temperature, &s.temperature, sizeof s.temperature);
    assert_string_equal(info.settings.set_name, "set");
    assert_string_equal(info.settings.decoded, "all");
    assert_int_equal(info.settings.n_samples, 5);
    assert_int_equal(info.settings.template_hash, 5);
    assert_string_equal(info.version, SLICK_VERSION);
    assert_ok(slk_store_begin_label_set(store, &again, NULL, &info.settings, err)); /* what was read is the same key */
    assert_int_equal(again, id);
    assert_ok(slk_store_list_label_sets(store, &list, &n, err));
    assert_int_equal(n, 3);
    assert_true(list[0].id > list[1].id && list[2].id == id);
    free(list);
    assert_fails(slk_store_find_label_set(store, &info, 77, err), SLK_E_NOT_FOUND, "no label set 77");
    strcpy(s.set_name, "none");
    assert_fails(slk_store_begin_label_set(store, &id, NULL, &s, err), SLK_E_NOT_FOUND, "no set 'none'");
    slk_facts_release(&facts);
    slk_store_close(store);
    store = open_store(temp_path("none.db"));
    assert_fails(slk_store_find_label_set(store, &info, 0, err), SLK_E_NOT_FOUND, "no labels yet");
    slk_store_close(store);
}

static void test_labels(void **state)
{
    (void)state;
    slk_facts facts;
    int64_t id;
    size_t n;
    slk_label labels[N_FACTS], *back;
    slk_store *store = make_store(temp_path("labels.db"), &facts, &id);
    for (int i = 0; i < N_FACTS; i++) labels[i] = make_label(facts.items[N_FACTS - 1 - i].id, (unsigned)i);
    labels[3].p_gold[1] = -0.0;
    labels[4].p_gold[1] = 4.9e-324;
    labels[5].unlabelable = true;
    assert_ok(slk_store_put_labels(store, id, labels, N_FACTS, err));
    assert_ok(slk_store_put_labels(store, id, labels, N_FACTS, err)); /* the same again */
    assert_ok(slk_store_load_labels(store, id, true, &back, &n, err));
    assert_int_equal(n, N_FACTS);
    for (int i = 0; i < N_FACTS; i++) assert_same_label(&labels[N_FACTS - 1 - i], &back[i]); /* order of the facts */
    free_labels(back, n);
    assert_ok(slk_store_load_labels(store, id, false, &back, &n, err));
    assert_int_equal(back[0].n_answers, 0);
    assert_memory_equal(back[0].sampled, labels[N_FACTS - 1].sampled, 15);
    free_labels(back, n);
    uint64_t *ids;
    assert_ok(slk_store_load_label_ids(store, id, &ids, &n, err));
    assert_int_equal(n, N_FACTS);
    bool high = false;
    for (size_t i = 0; i < n; i++) high |= ids[i] >> 63; /* so that the order of signed numbers would show */
    assert_true(high);
    for (size_t i = 1; i < n; i++) assert_true(ids[i - 1] < ids[i]);
    free(ids);
    for (int i = 0; i < N_FACTS; i++) slk_label_release(&labels[i]);
    slk_facts_release(&facts);
    slk_store_close(store);
}

static void test_refused_labels(void **state)
{
    (void)state;
    slk_facts facts;
    int64_t id;
    size_t n;
    uint64_t *ids;
    slk_store *store = make_store(temp_path("refused.db"), &facts, &id);
    put_label(store, id, facts.items[0].id, 1);
    for (int what = 0; what < 8; what++) {
        slk_label pair[2] = {make_label(facts.items[1].id, 2), make_label(facts.items[0].id, 1)};
        slk_label *label = &pair[1];
        slk_status expected = SLK_E_STATE;
        const char *text = "has another label already";
        if (what == 0) label->sampled[7] ^= 1;
        if (what == 1) label->p_gold[2] += 1e-16;
        if (what == 2) label->answers[4].text[0] = 'T';
        if (what == 3) free(label->answers[--label->n_answers].text);
        if (what == 4) expected = SLK_E_NOT_FOUND, text = "is not in the fact set", label->fact_id++;
        if (what == 5) expected = SLK_E_ARG, text = "2 prompts with 5 samples", label->n_ex = 2;
        if (what == 6) expected = SLK_E_ARG, text = "not in the order", label->answers[4].draw = -1;
        if (what == 7) expected = SLK_E_ARG, text = "out of range", label->answers[14].draw = 5;
        assert_fails(slk_store_put_labels(store, id, pair, 2, err), expected, text);
        slk_label_release(&pair[0]);
        slk_label_release(&pair[1]);
        assert_ok(slk_store_load_label_ids(store, id, &ids, &n, err));
        assert_int_equal(n, 1); /* the batch's good label is not there either */
        free(ids);
    }
    slk_label label = make_label(facts.items[0].id, 1);
    assert_fails(slk_store_put_labels(store, 99, &label, 1, err), SLK_E_NOT_FOUND, "no label set 99");
    slk_label_release(&label);
    slk_facts_release(&facts);
    slk_store_close(store);
}

static void test_unlabelable(void **state)
{
    (void)state;
    slk_facts facts;
    int64_t id;
    size_t n;
    slk_store *store = make_store(temp_path("unlabelable.db"), &facts, &id);
    slk_label label = {.fact_id = facts.items[0].id, .n_ex = 3, .n_samples = 5, .unlabelable = true}, *back;
    assert_ok(slk_store_put_labels(store, id, &label, 1, err));
    assert_ok(slk_store_put_labels(store, id, &label, 1, err));
    assert_ok(slk_store_load_labels(store, id, true, &back, &n, err));
    assert_int_equal(slk_label_category(&back[0], 3, 5), SLK_UNLABELABLE);
    assert_int_equal(back[0].sampled[14], 0);
    free_labels(back, n);
    slk_facts_release(&facts);
    slk_store_close(store);
}

/* labels_view agrees with slk_label_category(), answers_view counts draws. */
static void test_views(void **state)
{
    (void)state;
    slk_facts facts;
    int64_t id;
    const char *path = temp_path("views.db");
    slk_store *store = make_store(path, &facts, &id);
    for (unsigned i = 0; i < N_FACTS; i++) put_label(store, id, facts.items[i].id, i);
    slk_label none = make_label(facts.items[0].id, 0);
    slk_store_close(store);
    sqlite3 *db;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(
            db, "SELECT category, p_greedy, p_sampled, p_gold, answer, split FROM labels_view ORDER BY position", -1,
            &stmt, NULL),
        SQLITE_OK);
    size_t n_seen[SLK_N_CATEGORIES] = {0};
    for (unsigned i = 0; i < N_FACTS; i++) {
        assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
        slk_label label = make_label(facts.items[i].id, i);
        double p_greedy, p_sampled;
        slk_category category = slk_label_category(&label, 3, 5);
        slk_label_shares(&label, 3, 5, &p_greedy, &p_sampled);
        n_seen[category]++;
        assert_string_equal((const char *)sqlite3_column_text(stmt, 0), slk_category_name(category));
        assert_true(sqlite3_column_double(stmt, 1) == p_greedy && sqlite3_column_double(stmt, 2) == p_sampled);
        assert_true(sqlite3_column_double(stmt, 3) == slk_label_p_gold(&label));
        assert_string_equal((const char *)sqlite3_column_text(stmt, 4), "an \\ \"answer\"");
        slk_label_release(&label);
    }
    assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
    assert_true(n_seen[SLK_HIGHLY_KNOWN] > 0 && n_seen[SLK_MAYBE_KNOWN] > 0 && n_seen[SLK_WEAKLY_KNOWN] > 0);
    sqlite3_finalize(stmt);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT sum(n_greedy), sum(n_sampled) FROM answers_view", -1, &stmt, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(stmt, 0) + sqlite3_column_int(stmt, 1), N_FACTS * none.n_answers);
    assert_int_equal(sqlite3_column_int(stmt, 0), N_FACTS * 3);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    slk_label_release(&none);
    slk_facts_release(&facts);
}

/* Rows changed by hand are found out, not trusted. */
static void test_damaged_labels(void **state)
{
    (void)state;
    static const char *const damages[] = {
        "UPDATE label SET greedy = x''",
        "UPDATE label SET sampled = x'00'",
        "UPDATE label SET p_gold_each = x'0011'",
        "UPDATE label SET n_ex = 1000000000",
        "UPDATE label SET n_ex = -1",
        "UPDATE label SET n_samples = 30000, n_ex = 60000",
        "UPDATE answer SET draws = x'80'",
        "UPDATE answer SET draws = x'FFFFFFFFFFFF01'",
        "UPDATE answer SET draws = x'7F'",
        "UPDATE answer SET draws = x'0000'",
        "UPDATE answer SET draws = x'01'",
    };
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        slk_facts facts;
        int64_t id;
        size_t n;
        slk_label *back;
        const char *path = temp_path("damaged.db");
        slk_store *store = make_store(path, &facts, &id);
        put_label(store, id, facts.items[0].id, 1);
        slk_store_close(store);
        sqlite3 *db;
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, damages[i], NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        store = open_store(path);
        assert_fails(slk_store_load_labels(store, id, true, &back, &n, err), SLK_E_FORMAT, "damaged row");
        assert_null(back);
        slk_store_close(store);
        slk_facts_release(&facts);
        unlink(path);
    }
}

static void test_prompts(void **state)
{
    (void)state;
    slk_facts facts;
    int64_t id;
    slk_store *store = make_store(temp_path("prompts.db"), &facts, &id);
    uint64_t exemplars[4] = {facts.items[3].id, 0xFFFFFFFFFFFFFFFFu, 0, facts.items[1].id};
    char text[] = "Q: x\nA: y\n", relation[] = "R0", none[] = "";
    slk_stored_prompt prompts[3] = {
        {.relation = relation, .prompt = 1, .exemplars = exemplars, .n_exemplars = 4, .text = text},
        {.relation = relation, .prompt = 0, .exemplars = exemplars, .n_exemplars = 3, .text = text},
        {.relation = none, .prompt = 1, .fact_id = 0x8000000000000001u, .text = text},
    };
    slk_stored_prompts back;
    assert_ok(slk_store_put_prompts(store, id, prompts, 3, err));
    assert_ok(slk_store_put_prompts(store, id, prompts, 3, err));
    assert_ok(slk_store_load_prompts(store, &back, id, "R0", err));
    assert_int_equal(back.n, 2);
    assert_int_equal(back.items[1].prompt, 1);
    assert_int_equal(back.items[1].n_exemplars, 4);
    assert_memory_equal(back.items[1].exemplars, exemplars, sizeof exemplars);
    assert_string_equal(back.items[1].text, text);
    slk_stored_prompts_release(&back);
    assert_ok(slk_store_load_prompts(store, &back, id, NULL, err));
    assert_int_equal(back.n, 3);
    assert_true(back.items[0].fact_id == 0x8000000000000001u && back.items[0].n_exemplars == 0);
    slk_stored_prompts_release(&back);
    exemplars[0]++;
    assert_fails(slk_store_put_prompts(store, id, prompts, 1, err), SLK_E_STATE,
                 "prompt 1 of relation 'R0' is another one");
    assert_fails(slk_store_put_prompts(store, 99, prompts, 1, err), SLK_E_NOT_FOUND, "no label set 99");
    slk_facts_release(&facts);
    slk_store_close(store);
}

/* Killed between two batches: what was committed is there, the rest is done again, and the result is that of one go. */
static void test_resume(void **state)
{
    (void)state;
    const char *path = temp_path("resume.db");
    slk_facts facts;
    int64_t id, again;
    size_t n;
    slk_label *back;
    slk_label_settings settings = make_settings();
    slk_store_close(make_store(path, &facts, &id));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        slk_store *store;
        if (slk_store_open(&store, path, SLK_STORE_WRITE, NULL) != SLK_OK) _exit(1);
        for (unsigned i = 0; i < 5; i++) {
            slk_label label = make_label(facts.items[i].id, i);
            if (slk_store_put_labels(store, id, &label, 1, NULL) != SLK_OK) _exit(2);
        }
        slk_label half = make_label(facts.items[5].id, 5);
        if (slk_store_begin(store, NULL) != SLK_OK || slk_store_put_labels(store, id, &half, 1, NULL) != SLK_OK)
            _exit(3);
        raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    slk_store *store = open_store(path);
    assert_ok(slk_store_begin_label_set(store, &again, &n, &settings, err));
    assert_int_equal(again, id);
    assert_int_equal(n, 5);
    for (unsigned i = 4; i < N_FACTS; i++) put_label(store, id, facts.items[i].id, i);
    assert_ok(slk_store_load_labels(store, id, true, &back, &n, err));
    assert_int_equal(n, N_FACTS);
    for (unsigned i = 0; i < N_FACTS; i++) {
        slk_label label = make_label(facts.items[i].id, i);
        assert_same_label(&label, &back[i]);
        slk_label_release(&label);
    }
    free_labels(back, n);
    slk_facts_release(&facts);
    slk_store_close(store);
}

/* 2,000 facts with 170 texts each: what 22,000 cost can be read off (docs/store.md). */
static void test_size(void **state)
{
    (void)state;
    const char *path = temp_path("size.db");
    slk_store *store = open_store(path);
    slk_label_settings settings = make_settings();
    slk_facts facts;
    int64_t id;
    make_facts(&facts, 2000, "a");
    settings.n_ex = 10;
    settings.n_samples = 16;
    assert_ok(slk_store_put_facts(store, NULL, "set", &facts, NULL, false, err));
    assert_ok(slk_store_begin_label_set(store, &id, NULL, &settings, err));
    assert_ok(slk_store_begin(store, err));
    for (size_t i = 0; i < facts.n; i++) {
        slk_label label = {.fact_id = facts.items[i].id, .n_ex = 10, .n_samples = 16};
        label.answers = calloc(170, sizeof *label.answers);
        for (int d = 0; d < 170; d++) {
            char text[32];
            snprintf(text, sizeof text, "some wrong answer %d", (int)((i * 31 + (size_t)(d * d)) % 53));
            label.answers[d] =
                (slk_answer){.text = strdup(text), .prompt = (uint16_t)(d / 17), .draw = (int16_t)(d % 17 - 1)};
        }
        label.n_answers = 170;
        assert_ok(slk_store_put_labels(store, id, &label, 1, err));
        slk_label_release(&label);
    }
    assert_ok(slk_store_commit(store, err));
    slk_facts_release(&facts);
    slk_store_close(store);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    printf("%.1f kB a fact with 170 texts, 27 of them distinct\n", (double)st.st_size / 2000 / 1000);
    assert_true(st.st_size / 2000 < 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_label_sets),  cmocka_unit_test(test_labels), cmocka_unit_test(test_refused_labels),
        cmocka_unit_test(test_unlabelable), cmocka_unit_test(test_views),  cmocka_unit_test(test_damaged_labels),
        cmocka_unit_test(test_prompts),     cmocka_unit_test(test_resume), cmocka_unit_test(test_size),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_temp();
    return failed;
}
