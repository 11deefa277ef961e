#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* In the child: only what is safe after a fork of a program with threads. */
static void exec_worker(char *const *argv, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* a parent that is killed takes its workers along; they keep what they have */
    if (getppid() != parent) _exit(0);
    execv("/proc/self/exe", argv);
    _exit(127);
}

slk_status slk_worker_start(pid_t *pid, const char *const *argv, slk_err *err)
{
    fflush(stdout);
    fflush(stderr);
    pid_t parent = getpid(), child = fork();
    if (child == 0) exec_worker((char *const *)(uintptr_t)argv, parent);
    if (child < 0) return slk_fail(err, SLK_E_IO, "cannot start a worker: %s", strerror(errno));
    *pid = child;
    return SLK_OK;
}

bool slk_worker_has_ended(pid_t pid, int *code)
{
    return waitpid(pid, code, WNOHANG) == pid;
}

void slk_worker_wait(void)
{
    nanosleep(&(struct timespec){.tv_nsec = SLK_WORKER_POLL_MS * 1000000L}, NULL);
}
