/* Folders that appear whole: what is there before and after, and what a kill leaves. */
#include "scratch.h"

#include <errno.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "base/folder.h"

static const char *const files[] = {"one", "two", "mark"};

static bool is_stale(const char *name)
{
    return !strcmp(name, "one") || !strcmp(name, "two") || !strcmp(name, "older");
}

static const char *in(const char *dir, const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* Write all files with `text`; commit or not. */
static slk_status write_all(const char *path, const char *text, bool overwrite, bool commit, slk_err *err)
{
    slk_out_dir *dir;
    slk_status s = slk_out_dir_open(&dir, path, overwrite, err);
    if (s != SLK_OK) return s;
    for (size_t i = 0; i < 3 && s == SLK_OK; i++) s = slk_out_dir_write(dir, files[i], text, strlen(text), err);
    if (s == SLK_OK && commit) s = slk_out_dir_commit(dir, "mark", is_stale, err);
    slk_out_dir_close(dir);
    return s;
}

static void check_all(const char *path, const char *text)
{
    for (size_t i = 0; i < 3; i++) {
        slk_err err;
        char *found;
        size_t n;
        if (slk_file_read(&found, &n, in(path, files[i]), &err) != SLK_OK) fail_msg("%s", err.msg);
        if (strcmp(found, text) != 0) fail_msg("%s has '%s', and %s '%s'", in(path, files[i]), found, path, text);
        free(found);
    }
}

static void clear(const char *path)
{
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        char inner[512];
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (remove(inner) != 0) clear(inner);
    }
    closedir(dir);
    rmdir(path);
}

static void test_new(void **state)
{
    (void)state;
    slk_err err;
    char path[128], slashes[160];
    strcpy(path, scratch("new"));
    snprintf(slashes, sizeof slashes, "%s//", path);
    assert_int_equal(write_all(path, "a", false, false, &err), SLK_OK);
    assert_int_equal(n_files_in(folder), 0); /* not committed */
    assert_int_equal(write_all(slashes, "a", false, true, &err), SLK_OK);
    check_all(path, "a");
    assert_int_equal(n_files_in(folder), 1);
    assert_int_equal(write_all(path, "b", false, true, &err), SLK_E_STATE);
    assert_non_null(strstr(err.msg, "--force"));
    check_all(path, "a");
    assert_int_equal(write_all(scratch("no/such"), "a", false, true, &err), SLK_E_IO);
    put(scratch("plain"), "");
    assert_int_equal(write_all(scratch("plain"), "a", true, true, &err), SLK_E_STATE);
    assert_int_equal(n_files_in(folder), 2);
    remove(scratch("plain"));
    clear(path);
}

static void test_replaced(void **state)
{
    (void)state;
    slk_err err;
    struct stat st;
    char path[128], link_path[128];
    strcpy(path, scratch("old")), strcpy(link_path, scratch("link"));
    assert_int_equal(write_all(path, "a", false, true, &err), SLK_OK);
    assert_int_equal(chmod(path, 0750), 0);
    put(in(path, "older"), "");
    assert_int_equal(write_all(path, "b", true, true, &err), SLK_OK);
    check_all(path, "b");
    assert_int_equal(n_files_in(path), 3); /* "older" is gone */
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0750);
    /* files that are no output stay, folders too */
    put(in(path, "older"), ""), put(in(path, "notes"), "n");
    assert_int_equal(mkdir(in(path, "more"), 0700), 0);
    assert_int_equal(write_all(path, "c", true, true, &err), SLK_OK);
    check_all(path, "c");
    assert_int_equal(n_files_in(path), 5);
    /* through a symbolic link, which stays one */
    assert_int_equal(symlink(path, link_path), 0);
    assert_int_equal(write_all(link_path, "d", true, true, &err), SLK_OK);
    check_all(path, "d");
    assert_int_equal(lstat(link_path, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(n_files_in(folder), 2);
    remove(link_path);
    clear(path);
}

/* A name that an earlier process of the same number left behind. */
static void test_leftover(void **state)
{
    (void)state;
    slk_err err;
    char path[128], left[192];
    strcpy(path, scratch("out"));
    snprintf(left, sizeof left, "%s.tmp.%ld", path, (long)getpid());
    assert_int_equal(mkdir(left, 0700), 0);
    put(in(left, "theirs"), "t");
    assert_int_equal(write_all(path, "a", false, true, &err), SLK_OK);
    check_all(path, "a");
    assert_true(slk_file_exists(in(left, "theirs")));
    assert_int_equal(n_files_in(folder), 2);
    clear(left), clear(path);
}

static void test_appeared(void **state)
{
    (void)state;
    slk_err err;
    slk_out_dir *dir;
    char path[128];
    strcpy(path, scratch("late"));
    assert_int_equal(slk_out_dir_open(&dir, path, false, &err), SLK_OK);
    assert_int_equal(slk_out_dir_write(dir, "mark", "a", 1, &err), SLK_OK);
    assert_int_equal(write_all(path, "b", false, true, &err), SLK_OK);
    assert_int_equal(slk_out_dir_commit(dir, "mark", is_stale, &err), SLK_E_STATE);
    slk_out_dir_close(dir);
    check_all(path, "b");
    assert_int_equal(n_files_in(folder), 1);
    clear(path);
}

/* --- kills -----------------------------------------------------------------------------------------------------------
 */

/* Replace the folder again and again until killed. */
static void replace_for_ever(const char *path)
{
    for (int i = 0;; i++) {
        char text[16];
        slk_err err;
        snprintf(text, sizeof text, "%d", i);
        if (write_all(path, text, true, true, &err) != SLK_OK) _exit(1);
    }
}

/* Kill it 60 times; returns how often there was a mark. Whenever there is, all files are of one writing. */
static int kill_often(const char *path)
{
    int n_marked = 0;
    for (int i = 0; i < 60; i++) {
        pid_t child = fork();
        if (child == 0) replace_for_ever(path);
        struct timespec t = {.tv_nsec = 1000000 + i * 7919 % 60 * 311000};
        nanosleep(&t, NULL);
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status)); /* it had not failed */
        slk_err err;
        char *mark;
        size_t n;
        if (slk_file_read(&mark, &n, in(path, "mark"), &err) != SLK_OK) continue;
        n_marked++;
        check_all(path, mark);
        free(mark);
    }
    return n_marked;
}

static void test_killed(void **state)
{
    (void)state;
    slk_err err;
    char path[128];
    strcpy(path, scratch("target"));
    assert_int_equal(write_all(path, "first", false, true, &err), SLK_OK);
#ifdef __linux__
    assert_int_equal(kill_often(path), 60); /* never without a complete output */
#endif
    put(in(path, "notes"), "n");
    int n_marked = kill_often(path);
    printf("with other files beside it, %d of 60 kills left a complete output, the others none\n", n_marked);
    assert_true(n_marked > 0);
    assert_true(slk_file_exists(in(path, "notes")));
    clear(folder); /* with what the killed ones left beside it */
    assert_int_equal(mkdir(folder, 0700), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new),      cmocka_unit_test(test_replaced), cmocka_unit_test(test_leftover),
        cmocka_unit_test(test_appeared), cmocka_unit_test(test_killed),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
