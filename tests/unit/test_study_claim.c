/* Workers' names, whether they live, sweeping their claims, and the thread that keeps a claim. */
#include "store_runs_test.h"
#include <signal.h>
#include <sys/wait.h>
#include "study/claim.h"

static pid_t start_child(void)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        pause();
        _exit(0);
    }
    return child;
}

static void test_names(void **state)
{
    (void)state;
    char own[SLK_WORKER_NAME_BYTES], name[SLK_WORKER_NAME_BYTES], other[SLK_WORKER_NAME_BYTES];
    long long pid;
    slk_worker_name(own, getpid());
    assert_string_equal(own, slk_worker_name(name, getpid()));
    assert_in_range(strlen(own), 10, 95);
    const char *at = strrchr(own, '/');
    while (at > own && at[-1] != '/') at--;
    assert_int_equal(sscanf(at, "%lld/", &pid), 1); /* HOST/BOOT/NAMESPACE/PID/START */
    assert_int_equal(pid, getpid());
    assert_false(slk_worker_is_gone(own));

    pid_t child = start_child();
    slk_worker_name(name, child);
    assert_false(slk_worker_is_gone(name));
    kill(child, SIGKILL);
    for (int i = 0; i < 1000 && !slk_worker_is_gone(name); i++) usleep(5000);
    assert_true(slk_worker_is_gone(name)); /* a zombie is gone */
    waitpid(child, NULL, 0);
    assert_true(slk_worker_is_gone(name));

    /* The same number, begun at another time: another process. */
    snprintf(other, sizeof other, "%.*s1", (int)(strrchr(own, '/') + 1 - own), own);
    assert_true(slk_worker_is_gone(other));
    /* Nothing is known of another machine, another boot, another namespace, or of what is no name. */
    snprintf(other, sizeof other, "x%.90s", name);
    assert_false(slk_worker_is_gone(other));
    memcpy(other, name, sizeof other);
    char *boot = strchr(other, '/') + 1;
    *boot = *boot == '0' ? '1' : '0';
    assert_false(slk_worker_is_gone(other));
    assert_false(slk_worker_is_gone(""));
    assert_false(slk_worker_is_gone("worker 7"));
    snprintf(other, sizeof other, "%.*sx/y", (int)(strrchr(own, '/') - own), own);
    assert_false(slk_worker_is_gone(other));
}

static void test_sweep(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, "sweep.db", 4);
    char own[SLK_WORKER_NAME_BYTES], dead[SLK_WORKER_NAME_BYTES];
    pid_t child = start_child();
    slk_worker_name(own, getpid());
    slk_worker_name(dead, child);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    int64_t first = claim(&f, dead, 1000), second = claim(&f, own, 1000), third = claim(&f, "far/away/1/2/3", 1000);
    put_epoch(f.store, first, 0, 1);
    size_t n;
    assert_ok(slk_claims_sweep(f.store, f.study, &n, err));
    assert_int_equal(n, 1);
    assert_int_equal(get_run(f.store, f.study, first).state, SLK_RUN_WAITING);
    assert_int_equal(get_run(f.store, f.study, second).state, SLK_RUN_CLAIMED);
    assert_int_equal(get_run(f.store, f.study, third).state, SLK_RUN_CLAIMED);
    assert_epochs(f.store, first, 1, 1); /* its epochs stay */
    assert_ok(slk_claims_sweep(f.store, f.study, &n, err));
    assert_int_equal(n, 0);
    close_fixture(&f);
}

static void test_heartbeat(void **state)
{
    (void)state;
    fixture f;
    slk_heartbeat *h;
    open_fixture(&f, "heart.db", 1);
    int64_t id = claim(&f, "a", 1000), other;
    double before = slk_clock_unix();
    assert_ok(slk_heartbeat_start(&h, f.path, id, "a", 0.02, err));
    for (int i = 0; i < 500 && get_run(f.store, f.study, id).claimed_s < before; i++) usleep(10000);
    assert_true(get_run(f.store, f.study, id).claimed_s >= before); /* renewed */
    assert_false(slk_heartbeat_is_lost(h));
    assert_ok(slk_store_claim_run(f.store, f.study, 0, "b", slk_clock_unix() + 1e6, 60, &other, err));
    assert_int_equal(other, id);
    for (int i = 0; i < 500 && !slk_heartbeat_is_lost(h); i++) usleep(10000);
    assert_true(slk_heartbeat_is_lost(h));
    slk_heartbeat_free(h);
    assert_string_equal(get_run(f.store, f.study, id).worker, "b");
    assert_fails(slk_heartbeat_start(&h, "/nowhere/x.db", id, "a", 1, err), SLK_E_NOT_FOUND, "/nowhere/x.db");
    assert_null(h);
    assert_ok(slk_heartbeat_start(&h, f.path, id, "b", 3600, err)); /* ends at once when it is told to */
    slk_heartbeat_free(h);
    slk_heartbeat_free(NULL);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_sweep),
                                       cmocka_unit_test(test_heartbeat)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_temp();
    return failed;
}
