#include "study/claim.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/progress.h"

double slk_clock_unix(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* --- names -------------------------------------------------------------------------------------------------------- */

/* The first line of a small file of /proc; "" when it is not there. */
static void read_line(char *out, size_t n, const char *path)
{
    FILE *file = fopen(path, "re");
    out[0] = 0;
    if (!file) return;
    if (!fgets(out, (int)n, file)) out[0] = 0;
    fclose(file);
    out[strcspn(out, "\n")] = 0;
}

/* When a process began, in clock ticks since the boot; 0: there is none (or nobody can tell). A process that is over
 * and was not waited for counts as gone. */
static unsigned long long start_of(int64_t pid)
{
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    read_line(line, sizeof line, path);
    char *at = strrchr(line, ')'); /* the name before it may hold anything */
    if (!at || at[1] != ' ' || at[2] == 'Z' || at[2] == 'X') return 0;
    for (int field = 2; at && field < 22; field++) at = strchr(at + 1, ' ');
    return at ? strtoull(at + 1, NULL, 10) : 0;
}

/* Everything of a name before the process: "HOST/BOOT/NAMESPACE". */
static void place_of_this(char *out, size_t n)
{
    char host[40] = "host", boot[64], space[64] = "";
    if (gethostname(host, sizeof host) != 0) snprintf(host, sizeof host, "host");
    host[sizeof host - 1] = 0;
    for (char *c = host; *c; c++) *c = isalnum((unsigned char)*c) || strchr(".-_", *c) ? *c : '_';
    read_line(boot, sizeof boot, "/proc/sys/kernel/random/boot_id");
    ssize_t len = readlink("/proc/self/ns/pid", space, sizeof space - 1);
    space[len > 0 ? len : 0] = 0;
    const char *digits = space + strcspn(space, "0123456789");
    snprintf(out, n, "%s/%.8s/%.*s", host, boot, (int)strspn(digits, "0123456789"), digits);
}

const char *slk_worker_name(char out[SLK_WORKER_NAME_BYTES], int64_t pid)
{
    char place[80];
    place_of_this(place, sizeof place);
    snprintf(out, SLK_WORKER_NAME_BYTES, "%.64s/%lld/%llu", place, (long long)pid, start_of(pid));
    return out;
}

bool slk_worker_is_gone(const char *name)
{
    char place[80];
    long long pid;
    unsigned long long start;
    place_of_this(place, sizeof place);
    place[64] = 0;
    size_t n = strlen(place);
    if (strncmp(name, place, n) != 0 || sscanf(name + n, "/%lld/%llu", &pid, &start) != 2 || pid <= 0) return false;
    unsigned long long now = start_of(pid);
    if (now == 0) return start_of(getpid()) != 0; /* /proc can be read: so it is gone */
    return start != 0 && now != start;
}

slk_status slk_claims_sweep(slk_store *store, int64_t study_id, size_t *n, slk_err *err)
{
    slk_study_run *runs;
    size_t n_runs;
    if (n) *n = 0;
    slk_status s = slk_store_load_runs(store, study_id, &runs, &n_runs, err);
    for (size_t i = 0; i < n_runs && s == SLK_OK; i++) {
        if (runs[i].state != SLK_RUN_CLAIMED || !slk_worker_is_gone(runs[i].worker)) continue;
        s = slk_store_release_claim(store, runs[i].id, runs[i].worker, err);
        if (s == SLK_E_STATE) s = SLK_OK; /* another one was quicker */
        if (n) ++*n;
    }
    slk_store_free_runs(runs, n_runs);
    return s;
}

/* --- heartbeat ---------------------------------------------------------------------------------------------------- */

struct slk_heartbeat {
    slk_store *store; /* used by the thread alone */
    int64_t run_id;
    double every_s;
    char worker[SLK_WORKER_NAME_BYTES];
    pthread_t thread;
    bool is_running;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool stop; /* under mutex */
    atomic_bool lost;
};

static void *beat(void *user)
{
    slk_heartbeat *h = user;
    bool stop = false;
    while (!stop) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += (time_t)h->every_s;
        until.tv_nsec += (long)((h->every_s - floor(h->every_s)) * 1e9);
        if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
        pthread_mutex_lock(&h->mutex);
        int code = 0;
        while (!h->stop && code != ETIMEDOUT) code = pthread_cond_timedwait(&h->wake, &h->mutex, &until);
        stop = h->stop;
        pthread_mutex_unlock(&h->mutex);
        if (stop) break;
        slk_err err = {0};
        /* A full disk or a busy store is no loss: the next renewal may succeed, and every epoch is checked. */
        if (slk_store_renew_claim(h->store, h->run_id, h->worker, slk_clock_unix(), &err) == SLK_E_STATE &&
            !strstr(err.msg, "locked")) {
            atomic_store(&h->lost, true);
            stop = true;
        }
    }
    return NULL;
}

slk_status slk_heartbeat_start(slk_heartbeat **out, const char *path, int64_t run_id, const char *worker,
                               double every_s, slk_err *err)
{
    pthread_condattr_t attributes;
    *out = NULL;
    slk_heartbeat *h = slk_alloc_zero(1, sizeof *h);
    if (!h) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    h->run_id = run_id;
    h->every_s = every_s;
    snprintf(h->worker, sizeof h->worker, "%s", worker);
    pthread_mutex_init(&h->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&h->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    slk_status s = slk_store_open(&h->store, path, SLK_STORE_WRITE, err);
    if (s == SLK_OK) {
        sigset_t all, before; /* signals go to the thread that knows what to do */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        h->is_running = pthread_create(&h->thread, NULL, beat, h) == 0;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (!h->is_running) s = slk_fail(err, SLK_E_MEMORY, "cannot start a thread");
    }
    if (s == SLK_OK)
        *out = h;
    else
        slk_heartbeat_free(h);
    return s;
}

bool slk_heartbeat_is_lost(slk_heartbeat *h)
{
    return atomic_load(&h->lost);
}

void slk_heartbeat_free(slk_heartbeat *h)
{
    if (!h) return;
    if (h->is_running) {
        pthread_mutex_lock(&h->mutex);
        h->stop = true;
        pthread_cond_signal(&h->wake);
        pthread_mutex_unlock(&h->mutex);
        pthread_join(h->thread, NULL);
    }
    pthread_cond_destroy(&h->wake);
    pthread_mutex_destroy(&h->mutex);
    slk_store_close(h->store);
    free(h);
}
