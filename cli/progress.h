/* The progress display: one for the process, since there is one stderr and one Ctrl-C.
 *
 *   terminal       probe  [########--------]  512 of 1,200 facts  42%  9.8 facts/s  1 min 10 s left     (redrawn in
 * place) anything else  slick: probe: 512 of 1,200 facts (42%), 9.8 facts/s, 1 min 10 s left                 (every 10
 * s)
 *   --quiet        nothing
 *
 * The rate is that of this process: work that an earlier one left finished does not count. */
#ifndef SLK_CLI_PROGRESS_H
#define SLK_CLI_PROGRESS_H

#include <stdbool.h>
#include "base/progress.h"

/* Start listening, once; later calls return the same. Installs the handlers of SIGINT and SIGTERM: the first signal
 * makes report() return false, the second kills. */
const slk_progress *slk_progress_display(bool quiet);
/* Wipe the bar off the terminal (before other text is written, and at the end). */
void slk_progress_clear(void);
bool slk_progress_was_interrupted(void);

#endif
