/* The kernels of one instruction set: a file kernels_<set>.c defines KERNELS (the table), KERNELS_NAME and BF16 (1:
 * keys, values and queries are bf16), includes a vec_*.h, then this. One text for all sets, so that they cannot drift
 * apart. */
#include <math.h>
#include <string.h>

#include "compute/internal.h"
/* The parts use one another's static functions, in this order. */
#include "compute/dnnl/math.inc.h"
#include "compute/dnnl/rows.inc.h"
#include "compute/dnnl/attend.inc.h"

const slk_kernels KERNELS = {
    .name = KERNELS_NAME,
    .n_lanes = LANES,
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .add = add,
    .gate = gate,
    .split_qkv = split_qkv,
    .attend_bytes = attend_bytes,
    .attend = attend,
    .top = top_row,
};
