/* The store: opening what is and what is no store, fact sets, transactions, a killed writer, a full disk. */
#include "store_test.h"
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) fail_msg("%s: %s", sql, message);
    sqlite3_close(db);
}

static void test_open(void **state)
{
    (void)state;
    slk_store *store;
    const char *path = temp_path("open 100%?#.db");
    assert_fails(slk_store_open(&store, path, SLK_STORE_READ, err), SLK_E_NOT_FOUND, "no store here");
    assert_fails(slk_store_open(&store, path, SLK_STORE_WRITE, err), SLK_E_NOT_FOUND, "no store here");
    assert_null(store);
    assert_int_not_equal(access(path, F_OK), 0);
    store = open_store(path);
    assert_string_equal(slk_store_path(store), path);
    slk_store_close(store);
    assert_int_equal(access(path, F_OK), 0); /* under exactly this name */
    store = open_store(path);
    slk_store_close(store);
    assert_ok(slk_store_open(&store, path, SLK_STORE_READ, err));
    slk_facts facts;
    make_facts(&facts, 2, "a");
    assert_fails(slk_store_put_facts(store, NULL, "set", &facts, NULL, false, err), SLK_E_IO, "readonly");
    slk_facts_release(&facts);
    slk_store_close(store);
    slk_store_close(NULL);
}

static void test_wrong_files(void **state)
{
    (void)state;
    slk_store *store;
    const char *path = temp_path("wrong.db");
    assert_fails(slk_store_open(&store, "/", SLK_STORE_CREATE, err), SLK_E_IO, "/: is a folder");
    assert_fails(slk_store_open(&store, "/nowhere/x.db", SLK_STORE_CREATE, err), SLK_E_IO, "/nowhere/x.db");
    char text[4096];
    memset(text, 'x', sizeof text);
    write_file(path, text, sizeof text);
    assert_fails(slk_store_open(&store, path, SLK_STORE_CREATE, err), SLK_E_FORMAT, "no store: found something else");
    write_file(path, text, 3);
    assert_fails(slk_store_open(&store, path, SLK_STORE_CREATE, err), SLK_E_FORMAT, "no store");
    write_file(path, text, 0);
    assert_fails(slk_store_open(&store, path, SLK_STORE_WRITE, err), SLK_E_FORMAT, "an empty file");
    memcpy(text, "SQLite format 3", 16);
    write_file(path, text, sizeof text); /* the magic and garbage */
    assert_fails(slk_store_open(&store, path, SLK_STORE_CREATE, err), SLK_E_FORMAT, "wrong.db");
    unlink(path);
    run_sql(path, "CREATE TABLE t (x)");
    assert_fails(slk_store_open(&store, path, SLK_STORE_CREATE, err), SLK_E_FORMAT,
                 "another program (application_id 0)");
    unlink(path);
    run_sql(path, "PRAGMA application_id = 7; CREATE TABLE t (x)");
    assert_fails(slk_store_open(&store, path, SLK_STORE_CREATE, err), SLK_E_FORMAT, "application_id 7");
    unlink(path);
    slk_store_close(open_store(path));
    run_sql(path, "PRAGMA user_version = 99");
    assert_fails(slk_store_open(&store, path, SLK_STORE_CREATE, err), SLK_E_STATE, "schema version 99, this slick");
    run_sql(path, "PRAGMA user_version = 2; DROP VIEW labels_view; DROP VIEW answers_view; DROP TABLE fact");
    assert_ok(slk_store_open(&store, path, SLK_STORE_WRITE, err)); /* damaged by hand: the first use says so */
    slk_facts facts;
    make_facts(&facts, 2, "a");
    assert_fails(slk_store_put_facts(store, NULL, "set", &facts, NULL, false, err), SLK_E_FORMAT, "no such table");
    slk_facts_release(&facts);
    slk_store_close(store);
    unlink(path);
}

/* Every truncation either opens (and then answers or refuses) or is refused; nothing crashes. */
static void test_truncated(void **state)
{
    (void)state;
    static char bytes[1 << 20];
    const char *path = temp_path("full.db"), *cut_path = temp_path("cut.db");
    slk_store *store = open_store(path);
    slk_facts facts;
    make_facts(&facts, 40, "a");
    assert_ok(slk_store_put_facts(store, NULL, "set", &facts, NULL, false, err));
    slk_facts_release(&facts);
    slk_store_close(store);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    int n_read = 0;
    for (size_t cut = 0; cut < 64; cut++) {
        slk_err err = {0};
        write_file(cut_path, bytes, n * cut / 64);
        slk_status status = slk_store_open(&store, cut_path, SLK_STORE_WRITE, &err);
        if (status == SLK_OK) status = slk_store_load_facts(store, &facts, "set", -1, NULL, 0, &err);
        if (status == SLK_OK) { /* only where what was cut off is no part of the facts */
            assert_int_equal(facts.n, 40);
            for (size_t i = 0; i < 40; i++) assert_int_equal(facts.items[i].id, slk_fact_identity(&facts.items[i]));
            slk_facts_release(&facts);
            n_read++;
        } else {
            assert_non_null(strstr(err.msg, "cut.db"));
        }
        slk_store_close(store);
        unlink(cut_path);
    }
    assert_true(n_read < 3); /* a cut through the last page at most */
}

static void test_facts(void **state)
{
    (void)state;
    slk_store *store = open_store(temp_path("facts.db"));
    slk_facts facts, back;
    slk_put_result result;
    make_facts(&facts, 9, "a");
    assert_ok(slk_store_put_facts(store, &result, "set", &facts, "{\"read\":9}", false, err));
    assert_int_equal(result, SLK_PUT_CREATED);
    assert_ok(slk_store_load_facts(store, &back, "set", -1, NULL, 0, err));
    assert_int_equal(back.n, 9);
    for (size_t i = 0; i < 9; i++) {
        const slk_fact *a = &facts.items[i], *b = &back.items[i];
        assert_int_equal(a->id, b->id);
        assert_int_equal(b->id, slk_fact_identity(b));
        assert_string_equal(a->relation, b->relation);
        assert_string_equal(a->question, b->question);
        if (a->subject)
            assert_string_equal(a->subject, b->subject);
        else
            assert_null(b->subject);
        assert_int_equal(a->n_answers, b->n_answers);
        for (size_t j = 0; j < a->n_answers; j++) assert_string_equal(a->answers[j], b->answers[j]);
        assert_int_equal(a->n_aliases, b->n_aliases);
        for (size_t j = 0; j < a->n_aliases; j++) assert_string_equal(a->aliases[j], b->aliases[j]);
        assert_int_equal(a->split, b->split);
        assert_int_equal(a->ood, b->ood);
    }
    slk_facts_release(&back);
    const char *const relations[] = {"R1"}, *const wrong[] = {"R9"};
    assert_ok(slk_store_load_facts(store, &back, "set", SLK_SPLIT_TEST, relations, 1, err));
    assert_int_equal(back.n, 4);
    slk_facts_release(&back);
    assert_fails(slk_store_load_facts(store, &back, "set", -1, wrong, 1, err), SLK_E_NOT_FOUND,
                 "no relation 'R9', it has: R0 R1");
    assert_fails(slk_store_load_facts(store, &back, "sets", -1, NULL, 0, err), SLK_E_NOT_FOUND,
                 "no set 'sets', there are: set");
    slk_relation_counts counts;
    assert_ok(slk_store_count_facts(store, &counts, "set", err));
    assert_int_equal(counts.n, 2);
    assert_string_equal(counts.items[0].relation, "R0");
    assert_int_equal(counts.items[0].n[SLK_SPLIT_TEST], 4);
    assert_int_equal(counts.items[0].n[SLK_SPLIT_DEV], 1);
    assert_true(counts.items[1].ood);
    slk_relation_counts_release(&counts);
    slk_set_list sets;
    assert_ok(slk_store_list_sets(store, &sets, err));
    assert_int_equal(sets.n, 1);
    assert_string_equal(sets.items[0].report, "{\"read\":9}");
    assert_string_equal(sets.items[0].version, SLICK_VERSION);
    assert_int_equal(strlen(sets.items[0].created), 20);
    slk_set_list_release(&sets);
    slk_facts_release(&facts);
    slk_store_close(store);
}

static void test_replacing_facts(void **state)
{
    (void)state;
    slk_store *store = open_store(temp_path("replace.db"));
    slk_facts a, b, back;
    slk_put_result result;
    int64_t id;
    make_facts(&a, 5, "a");
    make_facts(&b, 7, "b");
    assert_ok(slk_store_put_facts(store, NULL, "set", &a, NULL, false, err));
    assert_ok(slk_store_put_facts(store, &result, "set", &a, NULL, false, err));
    assert_int_equal(result, SLK_PUT_UNCHANGED);
    assert_fails(slk_store_put_facts(store, NULL, "set", &b, NULL, false, err), SLK_E_STATE,
                 "set 'set' is there with other facts");
    assert_ok(slk_store_put_facts(store, &result, "set", &b, NULL, true, err));
    assert_int_equal(result, SLK_PUT_REPLACED);
    a.items[0].split = SLK_SPLIT_TRAIN; /* the split is content, too */
    assert_ok(slk_store_put_facts(store, NULL, "other", &a, NULL, false, err));
    a.items[0].split = SLK_SPLIT_TEST;
    assert_fails(slk_store_put_facts(store, NULL, "other", &a, NULL, false, err), SLK_E_STATE, "other facts");
    slk_label_settings settings = make_settings();
    assert_ok(slk_store_begin_label_set(store, &id, NULL, &settings, err));
    assert_fails(slk_store_put_facts(store, NULL, "set", &a, NULL, true, err), SLK_E_STATE, "1 label set made of them");
    assert_ok(slk_store_load_facts(store, &back, "set", -1, NULL, 0, err));
    assert_int_equal(back.n, 7);
    slk_facts_release(&back);
    assert_fails(slk_store_put_facts(store, NULL, "", &a, NULL, true, err), SLK_E_ARG, "needs a name");
    slk_fact twice;
    assert_true(slk_fact_copy(&twice, &a.items[0]));
    assert_true(slk_facts_push(&a, &twice));
    assert_fails(slk_store_put_facts(store, NULL, "twice", &a, NULL, false, err), SLK_E_ARG, "twice in one set");
    slk_set_list sets; /* and nothing of it is left */
    assert_ok(slk_store_list_sets(store, &sets, err));
    assert_int_equal(sets.n, 2);
    slk_set_list_release(&sets);
    slk_facts_release(&a);
    slk_facts_release(&b);
    slk_store_close(store);
}

static size_t count_sets(slk_store *store)
{
    slk_set_list sets;
    assert_ok(slk_store_list_sets(store, &sets, err));
    size_t n = sets.n;
    slk_set_list_release(&sets);
    return n;
}

static void test_transactions(void **state)
{
    (void)state;
    slk_store *store = open_store(temp_path("trans.db"));
    slk_facts facts;
    make_facts(&facts, 3, "a");
    assert_ok(slk_store_begin(store, err));
    assert_ok(slk_store_put_facts(store, NULL, "a", &facts, NULL, false, err));
    assert_ok(slk_store_begin(store, err));
    assert_ok(slk_store_put_facts(store, NULL, "b", &facts, NULL, false, err));
    slk_store_rollback(store); /* of the inner one alone */
    assert_int_equal(count_sets(store), 1);
    assert_ok(slk_store_commit(store, err));
    assert_int_equal(count_sets(store), 1);
    assert_ok(slk_store_begin(store, err));
    assert_ok(slk_store_put_facts(store, NULL, "c", &facts, NULL, false, err));
    slk_store_rollback(store);
    slk_store_rollback(store);
    assert_int_equal(count_sets(store), 1);
    assert_fails(slk_store_commit(store, err), SLK_E_ARG, "commit without begin");
    slk_facts_release(&facts);
    slk_store_close(store);
}

/* A process is killed in the middle of a transaction, and one just behind a commit. */
static void test_killed_writer(void **state)
{
    (void)state;
    const char *path = temp_path("killed.db");
    for (int committed = 0; committed < 2; committed++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            slk_store *store;
            slk_facts facts;
            make_facts(&facts, 2000, committed ? "b" : "a");
            if (slk_store_open(&store, path, SLK_STORE_CREATE, NULL) != SLK_OK) _exit(1);
            if (slk_store_begin(store, NULL) != SLK_OK) _exit(2);
            if (slk_store_put_facts(store, NULL, committed ? "b" : "a", &facts, NULL, false, NULL) != SLK_OK) _exit(3);
            if (committed && slk_store_commit(store, NULL) != SLK_OK) _exit(4);
            raise(SIGKILL);
            _exit(5);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        slk_store *store;
        slk_facts back;
        assert_ok(slk_store_open(&store, path, SLK_STORE_WRITE, err));
        assert_int_equal(count_sets(store), committed);
        if (committed) {
            assert_ok(slk_store_load_facts(store, &back, "b", -1, NULL, 0, err));
            assert_int_equal(back.n, 2000);
            slk_facts_release(&back);
        }
        slk_store_close(store);
    }
}

/* Two processes that write at once wait for each other. */
static void test_two_writers(void **state)
{
    (void)state;
    const char *path = temp_path("two.db");
    pid_t child = fork(); /* both create it, too */
    assert_true(child >= 0);
    slk_facts facts;
    make_facts(&facts, 50, "a");
    slk_store *store = NULL;
    slk_err err = {0};
    slk_status status = slk_store_open(&store, path, SLK_STORE_CREATE, &err);
    for (int i = 0; i < 20 && status == SLK_OK; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s %d", child ? "parent" : "child", i);
        status = slk_store_put_facts(store, NULL, name, &facts, NULL, false, &err);
    }
    slk_facts_release(&facts);
    if (child == 0) {
        if (status != SLK_OK) fprintf(stderr, "child: %s\n", err.msg);
        slk_store_close(store);
        _exit(status != SLK_OK);
    }
    int code;
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_true(WIFEXITED(code) && WEXITSTATUS(code) == 0);
    if (status != SLK_OK) fail_msg("%s", err.msg);
    assert_int_equal(count_sets(store), 40);
    slk_store_close(store);
}

/* A disk that is full (a limit on the size of files; SIGXFSZ ignored, so that write() fails as on a full disk): the
 * transaction is gone, what was there stays, and the store goes on once there is room. */
static void test_full_disk(void **state)
{
    (void)state;
    const char *path = temp_path("full-disk.db");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        slk_store *store;
        slk_facts small, large;
        slk_err err = {0};
        make_facts(&small, 5, "small");
        make_facts(&large, 20000, "large");
        signal(SIGXFSZ, SIG_IGN);
        if (slk_store_open(&store, path, SLK_STORE_CREATE, &err) != SLK_OK) _exit(1);
        if (slk_store_put_facts(store, NULL, "small", &small, NULL, false, &err) != SLK_OK) _exit(2);
        struct rlimit limit, little = {.rlim_cur = 300000, .rlim_max = RLIM_INFINITY};
        if (getrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(3);
        little.rlim_max = limit.rlim_max;
        if (setrlimit(RLIMIT_FSIZE, &little) != 0) _exit(3);
        slk_status status = slk_store_put_facts(store, NULL, "large", &large, NULL, false, &err);
        if (status != SLK_E_IO || !strstr(err.msg, "full-disk.db")) {
            fprintf(stderr, "status %d: %s\n", (int)status, err.msg);
            _exit(4);
        }
        slk_set_list sets;
        if (slk_store_list_sets(store, &sets, &err) != SLK_OK || sets.n != 1) _exit(5);
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(3);
        if (slk_store_put_facts(store, NULL, "large", &large, NULL, false, &err) != SLK_OK) _exit(6);
        slk_store_close(store);
        _exit(0);
    }
    int code;
    assert_int_equal(waitpid(child, &code, 0), child);
    if (!WIFEXITED(code) || WEXITSTATUS(code) != 0) fail_msg("child: %d", WEXITSTATUS(code));
    slk_store *store = open_store(path);
    assert_int_equal(count_sets(store), 2);
    slk_store_close(store);
}

/* A folder nobody may write to: reading works, writing says why not. */
static void test_read_only_folder(void **state)
{
    (void)state;
    char folder[160], path[200];
    snprintf(folder, sizeof folder, "%s", temp_path("read-only"));
    snprintf(path, sizeof path, "%s/x.db", folder);
    assert_int_equal(mkdir(folder, 0755), 0);
    slk_store *store = open_store(path);
    slk_facts facts;
    make_facts(&facts, 5, "a");
    assert_ok(slk_store_put_facts(store, NULL, "set", &facts, NULL, false, err));
    slk_store_close(store);
    slk_facts_release(&facts);
    assert_true(chmod(temp_path(""), 0755) == 0 && chmod(path, 0444) == 0 && chmod(folder, 0555) == 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        slk_err err = {0};
        if (geteuid() == 0 && setuid(65534) != 0) _exit(1); /* root may write anywhere */
        if (slk_store_open(&store, path, SLK_STORE_READ, &err) != SLK_OK || count_sets(store) != 1) _exit(2);
        slk_store_close(store);
        if (slk_store_open(&store, path, SLK_STORE_WRITE, &err) != SLK_E_IO || !strstr(err.msg, "x.db")) _exit(3);
        char other[200];
        snprintf(other, sizeof other, "%s/new.db", folder);
        if (slk_store_open(&store, other, SLK_STORE_CREATE, &err) != SLK_E_IO || !strstr(err.msg, "new.db")) _exit(4);
        _exit(access(other, F_OK) == 0 ? 5 : 0);
    }
    int code;
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_int_equal(chmod(folder, 0755), 0);
    if (!WIFEXITED(code) || WEXITSTATUS(code) != 0) fail_msg("child: %d", WEXITSTATUS(code));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_wrong_files),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_replacing_facts),
        cmocka_unit_test(test_transactions),
        cmocka_unit_test(test_killed_writer),
        cmocka_unit_test(test_two_writers),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_read_only_folder),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_temp();
    return failed;
}
