#include "base/dtype.h"

/* clang-format off */
static const slk_dtype_info infos[] = {
    [SLK_DTYPE_F32]  = {"F32",    1,   4},
    [SLK_DTYPE_F16]  = {"F16",    1,   2},
    [SLK_DTYPE_Q4_0] = {"Q4_0",  32,  18},
    [SLK_DTYPE_Q4_1] = {"Q4_1",  32,  20},
    [SLK_DTYPE_Q5_0] = {"Q5_0",  32,  22},
    [SLK_DTYPE_Q5_1] = {"Q5_1",  32,  24},
    [SLK_DTYPE_Q8_0] = {"Q8_0",  32,  34},
    [SLK_DTYPE_Q2_K] = {"Q2_K", 256,  84},
    [SLK_DTYPE_Q3_K] = {"Q3_K", 256, 110},
    [SLK_DTYPE_Q4_K] = {"Q4_K", 256, 144},
    [SLK_DTYPE_Q5_K] = {"Q5_K", 256, 176},
    [SLK_DTYPE_Q6_K] = {"Q6_K", 256, 210},
    [SLK_DTYPE_BF16] = {"BF16",   1,   2},
};
/* clang-format on */

const slk_dtype_info *slk_dtype_find(uint32_t type)
{
    /* The holes between GGML's numbers are zero: a type without a name. */
    if (type >= sizeof infos / sizeof *infos || !infos[type].name) return NULL;
    return &infos[type];
}
