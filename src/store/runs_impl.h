/* What the files behind runs.h share. Not for other modules. */
#ifndef SLK_STORE_RUNS_IMPL_H
#define SLK_STORE_RUNS_IMPL_H

#include "store/internal.h"
#include "store/runs.h"

/* Does the file have the tables? Not one of version 1 that is open for reading. */
static inline bool slk_store_has_studies(const slk_store *store)
{
    return store->version >= 2;
}

/* Run `id` (release with free(run->error)). Errors: SLK_E_NOT_FOUND. */
slk_status slk_store_load_run(slk_store *store, int64_t id, slk_study_run *run, slk_err *err);

/* NaN-safe: the same 64 bits. */
bool slk_same_double(double a, double b);

#endif
