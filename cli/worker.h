/* Worker processes: this very program again, with other arguments, ended with its parent. */
#ifndef SLK_CLI_WORKER_H
#define SLK_CLI_WORKER_H

#include <sys/types.h>
#include "base/error.h"

/* How often a parent looks after its workers. */
#define SLK_WORKER_POLL_MS 20

/* Start a worker; argv [..., NULL] without a path: "slick", command, arguments. A parent that dies ends it with
 * SIGTERM. Safe in a program with threads. Errors: SLK_E_IO. */
slk_status slk_worker_start(pid_t *pid, const char *const *argv, slk_err *err);
/* Has it ended? *code: as waitpid gives it. */
bool slk_worker_has_ended(pid_t pid, int *code);
/* Until the next look. */
void slk_worker_wait(void);

#endif
