/* What a run writes down, a JSON line an epoch, and takes back when it goes on from an older checkpoint. */
#ifndef SLK_TRAIN_LOG_H
#define SLK_TRAIN_LOG_H

#include <stdint.h>
#include "base/error.h"
#include "base/json.h"

/* Append a line; it is on the disk when this returns. Errors: SLK_E_IO (then a part of it may stand there: rewind cuts
 * it off), SLK_E_MEMORY. */
slk_status slk_log_append(const char *path, const json_t *line, slk_err *err);

/* Keep the lines of the epochs 0 to `epoch` (-1: none), which must be the first ones, each with its "epoch"; cut off
 * what follows. A file that is not there has no lines. Errors: SLK_E_STATE (lines are missing), SLK_E_IO,
 * SLK_E_MEMORY. */
slk_status slk_log_rewind(const char *path, int32_t epoch, slk_err *err);

#endif
