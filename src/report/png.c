#include "report/png.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

slk_status slk_png_from_svg(const char *svg, const char *png, char *const *environment, bool *found, slk_err *err)
{
    static char *const none[] = {NULL};
    const char *const args[] = {"rsvg-convert", "--zoom", "2", "--output", png, svg, NULL};
    char *copy[sizeof args / sizeof *args];
    memcpy(copy, args, sizeof args); /* posix_spawn takes them without const, and changes nothing */
    posix_spawn_file_actions_t files;
    pid_t child;
    *found = true;
    if (posix_spawn_file_actions_init(&files) != 0) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", png);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    int code = posix_spawnp(&child, args[0], &files, NULL, copy, environment ? environment : none);
    posix_spawn_file_actions_destroy(&files);
    if (code == ENOENT) {
        *found = false;
        return SLK_OK;
    }
    if (code != 0) return slk_fail(err, SLK_E_IO, "rsvg-convert: cannot be started: %s", strerror(code));
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) return slk_fail(err, SLK_E_IO, "rsvg-convert: %s", strerror(errno));
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return SLK_OK;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
        *found = false;
        return SLK_OK;
    }
    return slk_fail(err, SLK_E_IO, "%s: rsvg-convert could not draw it", png);
}
