/* Progress of long work. The library reports events through a callback; only cli/ prints them. */
#ifndef SLK_BASE_PROGRESS_H
#define SLK_BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct slk_progress_event {
    const char *phase; /* "probe", "import", ...: borrowed for the call */
    const char *unit;  /* "facts" */
    uint64_t n_done, n_total;
} slk_progress_event;

/* Called from one thread at a time. Return false to ask for a stop at the next safe point (SLK_E_INTERRUPTED). */
typedef struct slk_progress {
    bool (*report)(void *user, const slk_progress_event *event); /* NULL: nobody listens */
    void *user;
} slk_progress;

/* true = go on. A NULL progress or NULL report goes on. */
bool slk_progress_report(const slk_progress *progress, const char *phase, const char *unit, uint64_t n_done,
                         uint64_t n_total);

/* Monotonic clock in milliseconds. */
double slk_clock_ms(void);

#endif
