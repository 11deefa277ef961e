#define _XOPEN_SOURCE 700 /* nftw */
#include "unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/file.h"
#include "base/mem.h"

extern char **environ;

slk_status slk_cli_find_data(char **out, const char *name, slk_err *err)
{
    static const char *const FOLDERS[] = {SLICK_DATA_DIR, SLICK_SOURCE_DIR "/data"};
    *out = NULL;
    for (size_t i = 0; i < sizeof FOLDERS / sizeof *FOLDERS; i++) {
        slk_buf path;
        slk_buf_init(&path);
        slk_buf_addf(&path, "%s/%s", FOLDERS[i], name);
        if (path.failed) {
            slk_buf_release(&path);
            return slk_fail(err, SLK_E_MEMORY, "out of memory");
        }
        if (slk_file_exists(path.data)) {
            *out = slk_buf_take(&path);
            return SLK_OK;
        }
        slk_buf_release(&path);
    }
    return slk_fail(err, SLK_E_NOT_FOUND, "%s: not found in %s, nor in %s", name, FOLDERS[0], FOLDERS[1]);
}

/* Run tar quietly. Its exit code, 127 when it is not there, -1 when it could not be started. */
static int run_tar(const char *archive, const char *dir)
{
    char program[] = "tar", options[] = "-xJf", into[] = "-C";
    /* posix_spawn writes to none of them */
    char *argv[] = {program, options, (char *)(uintptr_t)archive, into, (char *)(uintptr_t)dir, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t restored;
    pid_t pid;
    if (posix_spawn_file_actions_init(&files)) return -1;
    if (posix_spawnattr_init(&attributes)) {
        posix_spawn_file_actions_destroy(&files);
        return -1;
    }
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    sigemptyset(&restored);
    sigaddset(&restored, SIGPIPE); /* main() ignores it, and tar must not inherit that */
    posix_spawnattr_setsigdefault(&attributes, &restored);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    int problem = posix_spawnp(&pid, "tar", &files, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    if (problem) return problem == ENOENT ? 127 : -1;
    int state;
    while (waitpid(pid, &state, 0) < 0) {
        if (errno != EINTR) return -1;
    }
    return WIFEXITED(state) ? WEXITSTATUS(state) : -1;
}

slk_status slk_cli_unpack(char **dir, const char *archive, slk_err *err)
{
    *dir = NULL;
    const char *tmp = getenv("TMPDIR");
    slk_buf path;
    slk_buf_init(&path);
    slk_buf_addf(&path, "%s/slick-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    char *made = slk_buf_take(&path);
    if (!made) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    if (!mkdtemp(made)) {
        slk_status status = slk_fail(err, SLK_E_IO, "%s: cannot make a folder: %s", made, strerror(errno));
        free(made);
        return status;
    }
    int code = run_tar(archive, made);
    if (code == 0) {
        *dir = made;
        return SLK_OK;
    }
    slk_cli_remove_unpacked(made);
    if (code == 127) return slk_fail(err, SLK_E_IO, "%s: the program tar, which unpacks it, is not installed", archive);
    return slk_fail(err, SLK_E_IO, "%s: tar could not unpack it (is the program xz installed: apt-get install xz-utils? is the disk full?)",
                    archive);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info, (void)kind, (void)where;
    return remove(path) != 0;
}

void slk_cli_remove_unpacked(char *dir)
{
    if (!dir) return;
    nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(dir);
}
