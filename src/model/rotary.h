/* Rotary tables, and a layer's attention as the operations want it described. */
#ifndef SLK_MODEL_ROTARY_H
#define SLK_MODEL_ROTARY_H

#include <stdint.h>
#include "base/error.h"
#include "compute/compute.h"

struct slk_model;

typedef struct slk_rotary {
    int32_t n_positions;
    float *tables[2][2]; /* full layers, windowed layers: cos, sin [n_positions, head_dim / 2] */
} slk_rotary;

/* Have at least n_positions. Zero-initialise `rotary` first. Errors: SLK_E_MEMORY. */
slk_status slk_rotary_reserve(slk_rotary *rotary, const struct slk_model *model, int32_t n_positions, slk_err *err);
void slk_rotary_release(slk_rotary *rotary);
/* Layer i; borrows the tables until the next reserve. */
slk_attention slk_layer_attention(const struct slk_model *model, const slk_rotary *rotary, int i);

#endif
