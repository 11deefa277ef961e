/* Studies and runs in the store: merging, and stores of the version before. */
#include "store_runs_test.h"
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "base/file.h"

/* --- merging ------------------------------------------------------------------------------------------------------ */

static void test_merge(void **state)
{
    (void)state;
    fixture a, b;
    open_fixture(&a, "merge-a.db", 0);
    open_fixture(&b, "merge-b.db", 0);
    slk_set_fact set[3];
    make_set(set, &a.facts, 3);
    for (int i = 0; i < 3; i++) set[i].idk = false;
    assert_ok(slk_store_put_study_facts(a.store, a.study, SLK_SET_DEV, set, 3, err));
    assert_ok(slk_store_put_study_facts(b.store, b.study, SLK_SET_DEV, set, 3, err));
    assert_ok(slk_store_put_study_facts(b.store, b.study, SLK_SET_TEST, set, 2, err));
    /* 0 done in both; 1 done in b, claimed in a; 2 done in b, waiting in a; 3 done in b, failed in a; 4 done in a; 5
     * claimed in b, unknown in a. */
    slk_study_run runs[6];
    for (int i = 0; i < 6; i++) runs[i] = make_run("unknown-50", (uint64_t)i, 1e-5);
    assert_ok(slk_store_put_runs(a.store, a.study, runs, 5, err));
    for (int i = 5; i >= 0; i--) assert_ok(slk_store_put_runs(b.store, b.study, &runs[i], 1, err)); /* other ids */
    int64_t ids_a[6], ids_b[6], id;
    slk_study_run *list;
    size_t n;
    assert_ok(slk_store_load_runs(a.store, a.study, &list, &n, err));
    for (size_t i = 0; i < n; i++) ids_a[list[i].seed] = list[i].id;
    slk_store_free_runs(list, n);
    assert_ok(slk_store_load_runs(b.store, b.study, &list, &n, err));
    for (size_t i = 0; i < n; i++) ids_b[list[i].seed] = list[i].id;
    slk_store_free_runs(list, n);
    assert_ok(slk_store_claim_run(a.store, a.study, ids_a[0], "w", 0, 1, &id, err));
    do_run(&a, ids_a[0], "w", 0, 3);
    assert_ok(slk_store_claim_run(a.store, a.study, ids_a[1], "w", 0, 1, &id, err));
    put_epoch(a.store, id, 0, 77); /* begun, and not as b did it */
    slk_set_fact other[2];
    make_set(other, &a.facts, 2);
    assert_ok(slk_store_put_run_facts(a.store, id, other, 2, err));
    assert_ok(slk_store_claim_run(a.store, a.study, ids_a[3], "w", 0, 1, &id, err));
    assert_ok(slk_store_fail_run(a.store, id, "w", "broken", err));
    assert_ok(slk_store_claim_run(a.store, a.study, ids_a[4], "w", 0, 1, &id, err));
    do_run(&a, ids_a[4], "w", 4, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_ok(slk_store_claim_run(b.store, b.study, ids_b[i], "v", 0, 1, &id, err));
        do_run(&b, id, "v", i, 3);
    }
    assert_ok(slk_store_claim_run(b.store, b.study, ids_b[5], "v", 0, 1, &id, err));
    slk_p_true p[] = {{5, 0.5}, {6, 0.25}};
    assert_ok(slk_store_put_p_true(a.store, a.label_set, p, 1, err));
    assert_ok(slk_store_put_p_true(b.store, b.label_set, p, 2, err));
    slk_store_close(b.store);

    slk_merge_report report;
    assert_ok(slk_store_merge(a.store, &report, b.path, err));
    assert_int_equal(report.n_studies_added, 0);
    assert_int_equal(report.n_runs_added, 3);
    assert_int_equal(report.n_runs_equal, 1);
    assert_int_equal(report.n_p_true_added, 1);
    assert_ok(slk_store_load_runs(a.store, a.study, &list, &n, err));
    assert_int_equal(n, 6);
    for (size_t i = 0; i < n; i++) {
        unsigned seed = (unsigned)list[i].seed;
        assert_int_equal(list[i].state, seed == 5 ? SLK_RUN_WAITING : SLK_RUN_DONE);
        if (seed == 5) continue;
        assert_epochs(a.store, list[i].id, seed == 4 ? 4 : 3, seed);
        assert_string_equal(list[i].kernels, "avx512 bf16");
        assert_int_equal(list[i].n_train, 8);
        slk_set_fact *facts;
        size_t n_facts;
        assert_ok(slk_store_load_run_facts(a.store, list[i].id, &facts, &n_facts, err));
        assert_int_equal(n_facts, 8);
        free(facts);
    }
    slk_store_free_runs(list, n);
    assert_fails(slk_store_renew_claim(a.store, ids_a[1], "w", 1, err), SLK_E_STATE, "is done");
    slk_set_fact *facts;
    assert_ok(slk_store_load_study_facts(a.store, a.study, SLK_SET_TEST, &facts, &n, err));
    assert_int_equal(n, 2);
    free(facts);
    assert_ok(slk_store_merge(a.store, &report, b.path, err)); /* once more: nothing new */
    assert_int_equal(report.n_runs_added + report.n_p_true_added, 0);
    assert_int_equal(report.n_runs_equal, 4);
    slk_store *fresh = open_store(temp_path("merge-fresh.db")); /* into an empty store */
    slk_store_close(a.store);
    assert_ok(slk_store_merge(fresh, &report, a.path, err));
    assert_int_equal(report.n_studies_added, 1);
    assert_int_equal(report.n_runs_added, 5);
    slk_store_close(fresh);
    slk_facts_release(&a.facts);
    slk_facts_release(&b.facts);
}

/* Each kind of contradiction in a run that is finished in both. */
static void test_merge_conflicts(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "UPDATE outcome SET refused = x'0000' WHERE epoch = 2 AND asked = 'test'",
        "UPDATE epoch SET loss = 0.5 WHERE epoch = 1",
        "DELETE FROM outcome WHERE epoch = 2 AND asked = 'ood'",
        "UPDATE run_fact SET idk = 1 WHERE position = 1",
        "UPDATE run SET early_epoch = 0",
        "UPDATE study_fact SET category = NULL WHERE position = 2",
        "UPDATE p_true SET p = 0.75",
        "UPDATE run SET kernels = 'others'", /* not one of them: bits of other kernels differ */
        "UPDATE epoch SET tokens_per_s = 1, wall_s = 1; UPDATE run SET wall_s = 1, worker = '', claimed_s = 0",
    };
    static const char *const messages[] = {"'unknown-50/seed-0' (epoch 2)",
                                           "(epoch 1)",
                                           "(epoch 2)",
                                           "(D)",
                                           "(epochs)",
                                           "the study 'a study' (dev facts)",
                                           "P(True) of fact '0000000000000005'"};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        fixture f[2];
        for (int k = 0; k < 2; k++) {
            slk_set_fact set[3];
            slk_p_true p = {5, 0.5};
            open_fixture(&f[k], k ? "conflict-b.db" : "conflict-a.db", 1);
            make_set(set, &f[k].facts, 3);
            for (int j = 0; j < 3; j++) set[j].idk = false;
            assert_ok(slk_store_put_study_facts(f[k].store, f[k].study, SLK_SET_DEV, set, 3, err));
            assert_ok(slk_store_put_p_true(f[k].store, f[k].label_set, &p, 1, err));
            do_run(&f[k], claim(&f[k], "w", 0), "w", 1, 3);
        }
        slk_store_close(f[1].store);
        sqlite3 *db;
        assert_int_equal(sqlite3_open(f[1].path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, changes[i], NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        slk_merge_report report;
        if (i < 7) {
            assert_fails(slk_store_merge(f[0].store, &report, f[1].path, err), SLK_E_STATE, messages[i]);
        } else {
            assert_ok(slk_store_merge(f[0].store, &report, f[1].path, err));
            assert_int_equal(report.n_runs_skipped, i == 7);
            assert_int_equal(report.n_runs_equal, i != 7);
        }
        assert_epochs(f[0].store, 1, 3, 1);
        slk_store_close(f[0].store);
        slk_facts_release(&f[0].facts);
        slk_facts_release(&f[1].facts);
    }
}

/* --- stores of version 1 ------------------------------------------------------------------------------------------ */

static const char *make_version_1(const char *name)
{
    const char *path = temp_path(name);
    char *script, *message = NULL;
    sqlite3 *db;
    unlink(path);
    assert_ok(slk_file_read(&script, &(size_t){0}, SLICK_TEST_DATA "/store/version-1.sql", err));
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_exec(db, "PRAGMA synchronous = OFF", NULL, NULL, NULL); /* a busy disk takes a second for each sync */
    if (sqlite3_exec(db, script, NULL, NULL, &message) != SQLITE_OK) fail_msg("%s", message);
    if (sqlite3_exec(db, "PRAGMA journal_mode = WAL", NULL, NULL, &message) != SQLITE_OK) fail_msg("%s", message);
    sqlite3_close(db);
    free(script);
    return path;
}

static void test_version_1(void **state)
{
    (void)state;
    const char *path = make_version_1("version-1.db");
    slk_store *store;
    slk_label *labels;
    slk_study_info info, *studies;
    slk_study_run *runs;
    slk_run_epoch *epochs;
    slk_set_fact *facts;
    slk_p_true *p;
    size_t n;
    int64_t study;
    struct stat before, after;
    assert_int_equal(stat(path, &before), 0);
    for (int writing = 0; writing < 2; writing++) {
        assert_ok(slk_store_open(&store, path, writing ? SLK_STORE_WRITE : SLK_STORE_READ, err));
        assert_ok(slk_store_load_labels(store, 1, true, &labels, &n, err));
        assert_int_equal(n, 2);
        assert_int_equal(labels[1].n_answers, 16);
        for (size_t i = 0; i < n; i++) slk_label_release(&labels[i]);
        free(labels);
        assert_fails(slk_store_find_study(store, &info, 0, err), SLK_E_NOT_FOUND, "no study yet");
        assert_ok(slk_store_list_studies(store, &studies, &n, err));
        assert_int_equal(n, 0);
        assert_ok(slk_store_load_runs(store, 1, &runs, &n, err));
        assert_int_equal(n, 0);
        assert_ok(slk_store_load_epochs(store, 1, true, &epochs, &n, err));
        assert_int_equal(n, 0);
        assert_ok(slk_store_load_run_facts(store, 1, &facts, &n, err));
        assert_int_equal(n, 0);
        assert_ok(slk_store_load_p_true(store, 1, &p, &n, err));
        assert_int_equal(n, 0);
        slk_store_close(store);
        if (writing) continue;
        assert_int_equal(stat(path, &after), 0); /* reading changed nothing */
        assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof before.st_mtim);
    }
    assert_ok(slk_store_open(&store, path, SLK_STORE_READ, err)); /* it is of version 2 now, and takes studies */
    slk_store_close(store);
    store = open_store(path);
    assert_ok(slk_store_begin_study(store, &study, "s", "{}", 1, err));
    /* Merged from a store of version 1: its labels come, and there are no studies to bring. */
    slk_merge_report report;
    assert_ok(slk_store_merge(store, &report, make_version_1("version-1-b.db"), err));
    assert_int_equal(report.n_labels_equal, 2);
    slk_store_close(store);
}

/* Killed while it migrates, or two at once: the old store or the new one, and the labels in both. */
static void test_migration_killed(void **state)
{
    (void)state;
    for (int round = 0; round < 60; round++) {
        const char *path = make_version_1("migrate.db");
        pid_t children[2];
        for (int w = 0; w < 2; w++) {
            children[w] = fork();
            assert_true(children[w] >= 0);
            if (children[w] > 0) continue;
            slk_store *store;
            slk_err err = {0};
            slk_status status = slk_store_open(&store, path, SLK_STORE_WRITE, &err);
            if (status != SLK_OK) fprintf(stderr, "%s\n", err.msg);
            slk_store_close(store);
            _exit(status != SLK_OK);
        }
        if (round % 2) usleep((useconds_t)(rand() % 6000));
        if (round % 2) kill(children[0], SIGKILL);
        for (int w = 0; w < 2; w++) {
            int status;
            assert_int_equal(waitpid(children[w], &status, 0), children[w]);
            if (WIFEXITED(status)) assert_int_equal(WEXITSTATUS(status), 0);
        }
        slk_store *store = open_store(path);
        slk_label_set_info info;
        assert_ok(slk_store_find_label_set(store, &info, 1, err));
        assert_int_equal(info.n_labels, 2);
        slk_store_close(store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_merge_conflicts),
        cmocka_unit_test(test_version_1),
        cmocka_unit_test(test_migration_killed),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_temp();
    return failed;
}
