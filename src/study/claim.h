/* Workers: what they are called, whether they live, and how they keep their claim while they compute.
 *
 * A worker's name says where it runs: HOST/BOOT/NAMESPACE/PID/START. Who finds the claim of a worker of its own machine
 * (the same boot and process namespace) can tell at once whether that process is still there, also when another one has
 * its number now; of workers elsewhere only the age of the claim tells. */
#ifndef SLK_STUDY_CLAIM_H
#define SLK_STUDY_CLAIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "store/runs.h"

#define SLK_CLAIM_RENEW_S     10  /* a claim is renewed so often */
#define SLK_CLAIM_STALE_S     180 /* and may be taken over at this age: a renewal may wait for the store for a minute */
#define SLK_WORKER_NAME_BYTES 96

/* Of this process, or of its child `pid` (which has the same machine and namespace). Returns out. */
const char *slk_worker_name(char out[SLK_WORKER_NAME_BYTES], int64_t pid);
/* Is it certain that the process behind a name is gone? false: it lives, or nothing is known. */
bool slk_worker_is_gone(const char *name);

/* Give back the claims of workers that are gone; *n (may be NULL) of them. */
slk_status slk_claims_sweep(slk_store *store, int64_t study_id, size_t *n, slk_err *err);

/* A thread that renews a claim every `every_s` seconds, with a handle of its own. */
typedef struct slk_heartbeat slk_heartbeat;
/* path: of the store; worker is copied. Errors: SLK_E_MEMORY, the store's. */
slk_status slk_heartbeat_start(slk_heartbeat **out, const char *path, int64_t run_id, const char *worker,
                               double every_s, slk_err *err);
/* Was the claim taken over? From then on it is not renewed. */
bool slk_heartbeat_is_lost(slk_heartbeat *heartbeat);
void slk_heartbeat_free(slk_heartbeat *heartbeat); /* ends the thread; NULL is fine */

/* Unix time in seconds. */
double slk_clock_unix(void);

#endif
