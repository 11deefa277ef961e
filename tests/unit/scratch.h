/* A folder of the test program's own for files that it writes, and disks that are full. */
#ifndef SLK_TEST_SCRATCH_H
#define SLK_TEST_SCRATCH_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64]; /* of this run, for files that tests write */

static inline const char *scratch(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static inline int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/slick-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static inline int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static inline size_t n_files_in(const char *path)
{
    size_t n = 0;
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

/* Run write_file(path), which returns 0 when it failed as it should, with file size limits below 400 kB in place of a
 * full disk: the same short writes, without a file system of our own. In a child, because a process cannot raise its
 * limit again. Afterwards there must be no file that was not there before. */
static inline void on_full_disks(int (*write_file)(const char *path), const char *name)
{
    static const rlim_t limits[] = {0, 20, 5000, 399999};
    size_t n_before = n_files_in(folder);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        pid_t child = fork();
        if (child == 0) {
            const struct rlimit small = {limits[i], limits[i]};
            signal(SIGXFSZ, SIG_IGN);
            _exit(setrlimit(RLIMIT_FSIZE, &small) ? 10 : write_file(scratch(name)));
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        assert_int_equal(n_files_in(folder), n_before);
    }
}

#endif
