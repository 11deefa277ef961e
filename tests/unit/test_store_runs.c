/* Studies and runs in the store: claims between processes, epochs and their bits, killed writers. */
#include "store_runs_test.h"
#include <signal.h>
#include <sys/wait.h>

/* --- tests -------------------------------------------------------------------------------------------------------- */

static void test_study(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, "study.db", 0);
    int64_t id, other;
    assert_ok(slk_store_begin_study(f.store, &id, "another name", DESCRIPTION, f.label_set, err));
    assert_int_equal(id, f.study);
    assert_ok(slk_store_begin_study(f.store, &other, "b", "{}", f.label_set, err));
    assert_int_not_equal(other, f.study);
    assert_fails(slk_store_begin_study(f.store, &id, "c", "{}", 99, err), SLK_E_NOT_FOUND, "no label set 99");
    slk_study_info info, *list;
    size_t n;
    assert_ok(slk_store_find_study(f.store, &info, 0, err));
    assert_int_equal(info.id, other);
    slk_study_info_release(&info);
    assert_ok(slk_store_find_study(f.store, &info, f.study, err));
    assert_string_equal(info.description, DESCRIPTION);
    assert_string_equal(info.name, "a study");
    assert_string_equal(info.shown, "{}");
    assert_int_equal(info.label_set_id, f.label_set);
    assert_int_equal(strlen(info.created), 20);
    slk_study_info_release(&info);
    assert_ok(slk_store_show_study(f.store, f.study, "b", "{\"durations\":[5]}", err)); /* it stays the same study */
    assert_ok(slk_store_begin_study(f.store, &id, "a study", DESCRIPTION, f.label_set, err));
    assert_int_equal(id, f.study);
    assert_ok(slk_store_find_study(f.store, &info, f.study, err));
    assert_string_equal(info.name, "b");
    assert_string_equal(info.shown, "{\"durations\":[5]}");
    slk_study_info_release(&info);
    assert_fails(slk_store_show_study(f.store, 99, "b", "{}", err), SLK_E_NOT_FOUND, "no study 99");
    assert_fails(slk_store_find_study(f.store, &info, 99, err), SLK_E_NOT_FOUND, "no study 99");
    assert_ok(slk_store_list_studies(f.store, &list, &n, err));
    assert_int_equal(n, 2);
    assert_int_equal(list[0].id, other);
    for (size_t i = 0; i < n; i++) slk_study_info_release(&list[i]);
    free(list);

    slk_set_fact set[N_FACTS], *back;
    make_set(set, &f.facts, N_FACTS);
    assert_ok(slk_store_load_study_facts(f.store, f.study, SLK_SET_TEST, &back, &n, err));
    assert_int_equal(n, 0);
    for (int i = 0; i < N_FACTS; i++) set[i].idk = false; /* of D alone */
    assert_ok(slk_store_put_study_facts(f.store, f.study, SLK_SET_TEST, set, N_FACTS, err));
    assert_ok(slk_store_put_study_facts(f.store, f.study, SLK_SET_TEST, set, N_FACTS, err));
    assert_ok(slk_store_put_study_facts(f.store, f.study, SLK_SET_DEV, set, 3, err));
    assert_ok(slk_store_load_study_facts(f.store, f.study, SLK_SET_TEST, &back, &n, err));
    assert_int_equal(n, N_FACTS);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(back[i].fact_id, set[i].fact_id);
        assert_int_equal(back[i].category, set[i].category);
        assert_false(back[i].idk);
    }
    free(back);
    set[3].category = 2 - set[3].category;
    assert_fails(slk_store_put_study_facts(f.store, f.study, SLK_SET_TEST, set, N_FACTS, err), SLK_E_STATE,
                 "its test facts are other ones");
    assert_fails(slk_store_put_study_facts(f.store, f.study, SLK_SET_DEV, set, 2, err), SLK_E_STATE, "dev facts");
    assert_fails(slk_store_put_study_facts(f.store, f.study, SLK_SET_TRAIN, set, 2, err), SLK_E_ARG, "dev, test");
    assert_fails(slk_store_put_study_facts(f.store, 99, SLK_SET_OOD, set, 2, err), SLK_E_NOT_FOUND, "no study 99");
    set[1].category = 4;
    assert_fails(slk_store_put_study_facts(f.store, f.study, SLK_SET_OOD, set, 2, err), SLK_E_ARG, "category 4");
    close_fixture(&f);
}

static void test_claims(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, "claims.db", 2);
    slk_study_run again[] = {make_run("unknown-50", 1, 1e-5), make_run("unknown-50", 1, 1e-4),
                             make_run("natural", 1, 1e-5)};
    assert_ok(slk_store_put_runs(f.store, f.study, again, 3, err)); /* the first is there */
    slk_study_run *runs;
    size_t n;
    assert_ok(slk_store_load_runs(f.store, f.study, &runs, &n, err));
    assert_int_equal(n, 4);
    assert_int_equal(runs[0].state, SLK_RUN_WAITING);
    assert_int_equal(runs[0].last_epoch, -1);
    assert_true(runs[2].lr == 1e-4 && runs[1].seed == 1);
    char name[SLK_RUN_NAME_BYTES];
    assert_string_equal(slk_run_name(name, &runs[1]), "unknown-50/seed-1/lr-1e-05");
    assert_string_equal(slk_run_name(name, &runs[2]), "unknown-50/seed-1/lr-0.0001");
    runs[2].lr = 0.1 + 0.2;
    assert_string_equal(slk_run_name(name, &runs[2]), "unknown-50/seed-1/lr-0.30000000000000004");
    int64_t ids[4], id;
    for (int i = 0; i < 4; i++) ids[i] = runs[i].id;
    slk_store_free_runs(runs, n);

    assert_ok(slk_store_claim_run(f.store, f.study, ids[2], "c", 1000, 60, &id, err)); /* this one only */
    assert_int_equal(id, ids[2]);
    assert_ok(slk_store_claim_run(f.store, f.study, ids[2], "d", 1000, 60, &id, err));
    assert_int_equal(id, 0);
    assert_int_equal(claim(&f, "a", 1000), ids[0]);
    assert_int_equal(claim(&f, "b", 1001), ids[1]);
    slk_study_run run = get_run(f.store, f.study, ids[0]);
    assert_int_equal(run.state, SLK_RUN_CLAIMED);
    assert_string_equal(run.worker, "a");
    assert_true(run.claimed_s == 1000);

    assert_ok(slk_store_renew_claim(f.store, ids[0], "a", 1030, err));
    assert_int_equal(claim(&f, "e", 1061.5), ids[1]); /* b's is stale, a's is not; begun ones come first */
    assert_int_equal(claim(&f, "f", 1061.5), ids[2]); /* c's, too */
    assert_fails(slk_store_renew_claim(f.store, ids[1], "b", 1062, err), SLK_E_STATE,
                 "run unknown-50/seed-1/lr-1e-05 was taken over by e");
    put_epoch(f.store, ids[1], 0, 1);
    run = (slk_study_run){.id = ids[1]};
    assert_fails(slk_store_finish_run(f.store, &run, "b", err), SLK_E_STATE, "taken over by e");
    assert_fails(slk_store_fail_run(f.store, ids[1], "b", "x", err), SLK_E_STATE, "taken over by e");
    assert_fails(slk_store_release_claim(f.store, ids[1], "b", err), SLK_E_STATE, "taken over by e");
    assert_fails(slk_store_resume_run(f.store, ids[1], "b", 0, "", err), SLK_E_STATE, "taken over by e");
    assert_fails(slk_store_renew_claim(f.store, 99, "b", 1062, err), SLK_E_NOT_FOUND, "no run 99");
    assert_epochs(f.store, ids[1], 1, 1); /* and b's attempts dropped nothing */

    assert_ok(slk_store_release_claim(f.store, ids[1], "e", err));
    assert_int_equal(get_run(f.store, f.study, ids[1]).state, SLK_RUN_WAITING);
    assert_int_equal(claim(&f, "g", 1062), ids[1]);
    assert_ok(slk_store_fail_run(f.store, ids[1], "g", "the disk burns", err));
    assert_int_equal(claim(&f, "h", 1062), ids[3]); /* a failed one is left alone, */
    assert_int_equal(claim(&f, "i", 9999), ids[0]);
    assert_int_equal(claim(&f, "i", 9999), ids[2]);
    assert_int_equal(claim(&f, "i", 9999), ids[3]);
    assert_int_equal(claim(&f, "i", 9999), 0);
    assert_ok(slk_store_load_runs(f.store, f.study, &runs, &n, err));
    assert_string_equal(runs[1].error, "the disk burns");
    assert_int_equal(runs[1].state, SLK_RUN_FAILED);
    slk_store_free_runs(runs, n);
    assert_ok(slk_store_retry_runs(f.store, f.study, &n, err)); /* until it is asked for */
    assert_int_equal(n, 1);
    assert_int_equal(claim(&f, "j", 9999), ids[1]);
    char long_name[200];
    memset(long_name, 'x', sizeof long_name);
    long_name[199] = 0;
    assert_fails(slk_store_claim_run(f.store, f.study, 0, long_name, 0, 0, &id, err), SLK_E_ARG, "too long");
    run = make_run("", 0, 1);
    assert_fails(slk_store_put_runs(f.store, f.study, &run, 1, err), SLK_E_ARG, "no variant");
    run = make_run("v", 0, INFINITY);
    assert_fails(slk_store_put_runs(f.store, f.study, &run, 1, err), SLK_E_ARG, "not finite");
    run = make_run("v", 0, 1);
    assert_fails(slk_store_put_runs(f.store, 77, &run, 1, err), SLK_E_NOT_FOUND, "no study 77");
    close_fixture(&f);
}

static void test_epochs(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, "epochs.db", 1);
    int64_t id = claim(&f, "a", 0);
    slk_set_fact set[8], *back;
    size_t n;
    make_set(set, &f.facts, 8);
    assert_ok(slk_store_put_run_facts(f.store, id, set, 8, err));
    assert_ok(slk_store_put_run_facts(f.store, id, set, 8, err));
    assert_ok(slk_store_load_run_facts(f.store, id, &back, &n, err));
    assert_int_equal(n, 8);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(back[i].fact_id, set[i].fact_id);
        assert_int_equal(back[i].category, set[i].category);
        assert_int_equal(back[i].idk, set[i].idk);
    }
    free(back);
    set[0].idk = !set[0].idk;
    assert_fails(slk_store_put_run_facts(f.store, id, set, 8, err), SLK_E_STATE, "its train facts are other ones");
    assert_fails(slk_store_put_run_facts(f.store, 99, set, 8, err), SLK_E_NOT_FOUND, "no run 99");

    slk_run_epoch epoch = make_epoch(2, 3), *epochs;
    epoch.has[SLK_SET_OOD] = epoch.has[SLK_SET_TEST] = false;
    assert_ok(slk_store_put_epoch(f.store, id, &epoch, err));
    for (int32_t e = 0; e < 5; e++) put_epoch(f.store, id, e, 3); /* epoch 2 with the sets that it lacks */
    put_epoch(f.store, id, 2, 3);                                 /* again */
    epoch.tokens_per_s = 1;
    epoch.wall_s = 1;
    assert_ok(slk_store_put_epoch(f.store, id, &epoch, err));
    epoch.loss = nextafter(epoch.loss, 1);
    assert_fails(slk_store_put_epoch(f.store, id, &epoch, err), SLK_E_STATE, "epoch 2 is stored with another loss");
    slk_run_epoch_release(&epoch);
    epoch = make_epoch(2, 3);
    epoch.right[SLK_SET_TEST][1] ^= 16;
    assert_fails(slk_store_put_epoch(f.store, id, &epoch, err), SLK_E_STATE, "another test");
    epoch.right[SLK_SET_TEST][1] ^= 16;
    epoch.refused[SLK_SET_DEV][0] ^= 1;
    assert_fails(slk_store_put_epoch(f.store, id, &epoch, err), SLK_E_STATE, "another dev");
    epoch.refused[SLK_SET_DEV][0] ^= 1;
    epoch.has[SLK_SET_OOD] = false; /* brings less: that is no difference */
    assert_ok(slk_store_put_epoch(f.store, id, &epoch, err));
    epoch.has[SLK_SET_OOD] = true;
    epoch.right[SLK_SET_OOD][1] |= 1 << 5; /* a bit of no fact */
    assert_fails(slk_store_put_epoch(f.store, id, &epoch, err), SLK_E_ARG, "too many");
    epoch.right[SLK_SET_OOD][1] &= (uint8_t) ~(1 << 5);
    assert_ok(slk_store_put_epoch(f.store, id, &epoch, err));
    epoch.loss = INFINITY;
    assert_fails(slk_store_put_epoch(f.store, id, &epoch, err), SLK_E_ARG, "not finite");
    epoch.loss = 1;
    epoch.epoch = 9;
    assert_fails(slk_store_put_epoch(f.store, 99, &epoch, err), SLK_E_NOT_FOUND, "no run 99");
    slk_run_epoch_release(&epoch);
    assert_epochs(f.store, id, 5, 3);
    assert_ok(slk_store_load_epochs(f.store, id, false, &epochs, &n, err));
    assert_int_equal(n, 5);
    assert_true(epochs[2].has[SLK_SET_OOD] && !epochs[3].has[SLK_SET_OOD]);
    assert_int_equal(epochs[2].n[SLK_SET_TEST], 13);
    epoch = make_epoch(2, 3);
    size_t n_right = 0, n_refused = 0;
    for (size_t i = 0; i < 13; i++) n_right += epoch.right[SLK_SET_TEST][i / 8] >> (i % 8) & 1;
    for (size_t i = 0; i < 13; i++) n_refused += epoch.refused[SLK_SET_TEST][i / 8] >> (i % 8) & 1;
    assert_int_equal(epochs[2].n_right[SLK_SET_TEST], n_right);
    assert_int_equal(epochs[2].n_refused[SLK_SET_TEST], n_refused);
    slk_run_epoch_release(&epoch);
    assert_null(epochs[2].right[SLK_SET_TEST]);
    free(epochs);

    assert_ok(slk_store_resume_run(f.store, id, "a", 3, "avx2 f32", err)); /* goes on behind epoch 2 */
    assert_epochs(f.store, id, 3, 3);
    assert_string_equal(get_run(f.store, f.study, id).kernels, "avx2 f32");
    for (int32_t e = 3; e < 5; e++) put_epoch(f.store, id, e, 3);
    slk_study_run run = {.id = id, .n_train = 8, .early_epoch = 2, .last_epoch = 4, .fitted = true, .wall_s = 12.5};
    assert_ok(slk_store_finish_run(f.store, &run, "a", err));
    run = get_run(f.store, f.study, id);
    assert_int_equal(run.state, SLK_RUN_DONE);
    assert_true(run.n_train == 8 && run.early_epoch == 2 && run.last_epoch == 4 && run.fitted && run.wall_s == 12.5);
    /* A finished run is never written again. */
    epoch = make_epoch(9, 3);
    assert_fails(slk_store_put_epoch(f.store, id, &epoch, err), SLK_E_STATE, "is finished, epoch 9 cannot be added");
    slk_run_epoch_release(&epoch);
    epoch = make_epoch(2, 3);
    epoch.epoch = 3; /* as it is stored, and with a set more */
    assert_ok(slk_store_load_epochs(f.store, id, true, &epochs, &n, err));
    for (int s = 0; s < SLK_N_STUDY_SETS; s++) epochs[3].has[s] = false;
    epochs[3].has[SLK_SET_OOD] = true;
    epochs[3].n[SLK_SET_OOD] = epoch.n[SLK_SET_OOD];
    free(epochs[3].right[SLK_SET_OOD]), free(epochs[3].refused[SLK_SET_OOD]);
    epochs[3].right[SLK_SET_OOD] = epoch.right[SLK_SET_OOD],
    epochs[3].refused[SLK_SET_OOD] = epoch.refused[SLK_SET_OOD];
    assert_fails(slk_store_put_epoch(f.store, id, &epochs[3], err), SLK_E_STATE,
                 "is finished, outcomes of epoch 3 cannot be added");
    epochs[3].right[SLK_SET_OOD] = epochs[3].refused[SLK_SET_OOD] = NULL;
    for (size_t i = 0; i < n; i++) slk_run_epoch_release(&epochs[i]);
    free(epochs);
    slk_run_epoch_release(&epoch);
    assert_fails(slk_store_renew_claim(f.store, id, "a", 1, err), SLK_E_STATE, "is done, expected it to be claimed");
    assert_fails(slk_store_finish_run(f.store, &run, "a", err), SLK_E_STATE, "is done");
    assert_fails(slk_store_resume_run(f.store, id, "a", 0, "", err), SLK_E_STATE, "is done");
    put_epoch(f.store, id, 2, 3); /* the same is no writing */
    assert_int_equal(claim(&f, "b", 1e9), 0);
    assert_epochs(f.store, id, 5, 3);
    close_fixture(&f);
}

/* Two processes claim 300 runs, renew and finish some, and are told of no run twice. */
static void test_two_claimers(void **state)
{
    (void)state;
    enum { N = 300 };
    fixture f;
    open_fixture(&f, "two.db", 0);
    slk_study_run *many = calloc(N, sizeof *many);
    for (int i = 0; i < N; i++) many[i] = make_run("v", (uint64_t)i, 1);
    assert_ok(slk_store_put_runs(f.store, f.study, many, N, err));
    free(many);
    slk_store_close(f.store); /* a handle does not go through fork() */
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    for (int w = 0; w < 2; w++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child > 0) continue;
        slk_store *store;
        if (slk_store_open(&store, f.path, SLK_STORE_WRITE, NULL) != SLK_OK) _exit(1);
        for (;;) {
            int64_t id = 0;
            const char *worker = w ? "one" : "two";
            if (slk_store_claim_run(store, f.study, 0, worker, 1000, 60, &id, NULL) != SLK_OK) _exit(2);
            if (id == 0) break;
            if (slk_store_renew_claim(store, id, worker, 1001, NULL) != SLK_OK) _exit(3);
            slk_study_run run = {.id = id};
            if (id % 3 == 0 && slk_store_finish_run(store, &run, worker, NULL) != SLK_OK) _exit(4);
            if (write(pipes[1], &id, sizeof id) != sizeof id) _exit(5);
        }
        slk_store_close(store);
        _exit(0);
    }
    close(pipes[1]);
    int times[N + 1] = {0}, n = 0;
    int64_t id;
    while (read(pipes[0], &id, sizeof id) == sizeof id) {
        assert_in_range(id, 1, N);
        times[id]++;
        n++;
    }
    close(pipes[0]);
    for (int w = 0; w < 2; w++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    assert_int_equal(n, N);
    for (int i = 1; i <= N; i++) assert_int_equal(times[i], 1);
    slk_facts_release(&f.facts);
}

/* A worker writes epochs until it is killed, at a random moment, again and again; what is there is whole, each
 * next one goes on behind it, and in the end it is as if nobody had been killed. */
static void test_killed_workers(void **state)
{
    (void)state;
    enum { N_EPOCHS = 200 };
    fixture f;
    open_fixture(&f, "killed.db", 1);
    int64_t id = claim(&f, "first", 0);
    slk_store_close(f.store);
    size_t n = 0;
    int n_killed = 0;
    for (int round = 0; n < N_EPOCHS; round++) {
        assert_true(round < 10000);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            slk_store *store;
            int64_t mine = 0;
            char worker[32];
            snprintf(worker, sizeof worker, "worker %d", round);
            if (slk_store_open(&store, f.path, SLK_STORE_WRITE, NULL) != SLK_OK) _exit(1);
            if (slk_store_claim_run(store, f.study, 0, worker, 100.0 * (round + 1), 60, &mine, NULL) != SLK_OK)
                _exit(2);
            if (mine != id) _exit(3);
            if (slk_store_resume_run(store, id, worker, (int32_t)n, "k", NULL) != SLK_OK) _exit(4);
            for (int32_t e = (int32_t)n; e < N_EPOCHS; e++) {
                slk_run_epoch epoch = make_epoch(e, 3);
                if (slk_store_begin(store, NULL) ||
                    slk_store_renew_claim(store, id, worker, 100.0 * (round + 1), NULL) ||
                    slk_store_put_epoch(store, id, &epoch, NULL) || slk_store_commit(store, NULL))
                    _exit(5);
                slk_run_epoch_release(&epoch);
            }
            slk_store_close(store);
            _exit(0);
        }
        usleep(3000 + (useconds_t)(rand() % 9000) * (useconds_t)(1 + round / 50));
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        n_killed += WIFSIGNALED(status);
        if (WIFEXITED(status)) assert_int_equal(WEXITSTATUS(status), 0);
        assert_ok(slk_store_open(&f.store, f.path, SLK_STORE_WRITE, err));
        slk_run_epoch *epochs;
        assert_ok(slk_store_load_epochs(f.store, id, false, &epochs, &n, err));
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(epochs[i].epoch, i);
            assert_true(epochs[i].has[SLK_SET_TRAIN] && epochs[i].has[SLK_SET_DEV] && epochs[i].has[SLK_SET_TEST]);
        }
        free(epochs);
        slk_store_close(f.store);
    }
    assert_true(n_killed > 0);
    f.store = open_store(f.path);
    assert_epochs(f.store, id, N_EPOCHS, 3);
    close_fixture(&f);
}

static void test_p_true(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, "p_true.db", 0);
    slk_p_true items[] = {{~0ull, 0.25}, {7, 1}, {1, 0}}, *back;
    size_t n;
    assert_ok(slk_store_put_p_true(f.store, f.label_set, items, 3, err));
    assert_ok(slk_store_put_p_true(f.store, f.label_set, items, 3, err));
    assert_ok(slk_store_load_p_true(f.store, f.label_set, &back, &n, err));
    assert_int_equal(n, 3);
    assert_true(back[0].fact_id == 1 && back[1].fact_id == 7 && back[2].fact_id == ~0ull && back[2].p == 0.25);
    free(back);
    items[1].p = 0.5;
    assert_fails(slk_store_put_p_true(f.store, f.label_set, items, 3, err), SLK_E_STATE,
                 "0000000000000007 has another");
    items[1].p = NAN;
    assert_fails(slk_store_put_p_true(f.store, f.label_set, items, 3, err), SLK_E_ARG, "expected 0 to 1");
    assert_fails(slk_store_put_p_true(f.store, 99, items, 1, err), SLK_E_NOT_FOUND, "no label set 99");
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_study),        cmocka_unit_test(test_claims),         cmocka_unit_test(test_epochs),
        cmocka_unit_test(test_two_claimers), cmocka_unit_test(test_killed_workers), cmocka_unit_test(test_p_true),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_temp();
    return failed;
}
