/* AdamW over all parameters that are trained: two moments for each value, the step, and the copies that the passes
 * read. And the values of a better time, for who wants to come back to them. */
#ifndef SLK_TRAIN_OPTIMIZER_H
#define SLK_TRAIN_OPTIMIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "model/params.h"

typedef struct slk_optimizer_options {
    double beta1, beta2, eps;
    double decay;             /* of every trained tensor, towards its center (slk_param) */
    double clip;              /* the gradient's norm is at most this; 0: any */
    bool decay_matrices_only; /* gains and biases do not decay */
} slk_optimizer_options;

typedef struct slk_optimizer {
    slk_params *params; /* borrowed */
    slk_optimizer_options options;
    float **m, **v; /* [params->n] of each parameter's shape; NULL where it is not trained */
    float **kept;   /* the same: masters as they were once; NULL: none are kept */
} slk_optimizer;

/* Moments are zero. Errors: SLK_E_MEMORY. */
slk_status slk_optimizer_create(slk_optimizer **out, slk_params *params, const slk_optimizer_options *options,
                                slk_err *err);
void slk_optimizer_free(slk_optimizer *optimizer);
/* From here on masters can be kept; they are zero at first. Errors: SLK_E_MEMORY. */
slk_status slk_optimizer_make_room(slk_optimizer *optimizer, slk_err *err);
/* Keep the masters as they are now. */
void slk_optimizer_keep(slk_optimizer *optimizer);
/* Masters and kept ones change places, and the weights that the passes read follow. Twice: as it was. */
void slk_optimizer_exchange(slk_optimizer *optimizer);
/* One step with the parameters' gradients, whose norm is `norm`; t = 1, 2, ...: its number. The weights that the passes
 * read are up to date after it; the gradients stay as they are. */
void slk_optimizer_step(slk_optimizer *optimizer, double lr, double norm, int64_t t);
/* Bytes for n values: moments, and what is kept. */
size_t slk_optimizer_bytes(int64_t n_trained, bool keeps);

#endif
