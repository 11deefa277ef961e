#include "base/progress.h"

#include <stddef.h>
#include <time.h>

bool slk_progress_report(const slk_progress *progress, const char *phase, const char *unit, uint64_t n_done,
                         uint64_t n_total)
{
    if (!progress || !progress->report) return true;
    slk_progress_event event = {.phase = phase, .unit = unit, .n_done = n_done, .n_total = n_total};
    return progress->report(progress->user, &event);
}

double slk_clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}
