#include "train/optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "compute/backward.h"
#include "model/model.h"

/* What PyTorch's clip_grad_norm_ adds to the norm, so that trajectories can be compared. */
#define CLIP_EPS 1e-6

slk_status slk_optimizer_create(slk_optimizer **out, slk_params *params, const slk_optimizer_options *options,
                                slk_err *err)
{
    *out = NULL;
    slk_optimizer *o = slk_alloc_zero(1, sizeof *o);
    if (!o) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    o->params = params;
    o->options = *options;
    o->m = slk_alloc_zero(params->n, sizeof *o->m);
    o->v = slk_alloc_zero(params->n, sizeof *o->v);
    bool ok = o->m && o->v;
    for (size_t i = 0; ok && i < params->n; i++) {
        const slk_param *p = &params->items[i];
        size_t n = (size_t)(p->n_rows * p->n_cols);
        if (!p->grad) continue;
        o->m[i] = slk_alloc_aligned(n, sizeof *o->m[i]);
        o->v[i] = slk_alloc_aligned(n, sizeof *o->v[i]);
        ok = o->m[i] && o->v[i];
        if (!ok) break;
        memset(o->m[i], 0, n * sizeof *o->m[i]);
        memset(o->v[i], 0, n * sizeof *o->v[i]);
    }
    if (ok) {
        *out = o;
        return SLK_OK;
    }
    slk_optimizer_free(o);
    return slk_fail(err, SLK_E_MEMORY, "out of memory for the optimiser's moments (%.1f GiB)",
                    (double)slk_optimizer_bytes(slk_params_n_trained(params)) / 1073741824.0);
}

void slk_optimizer_free(slk_optimizer *o)
{
    if (!o) return;
    for (size_t i = 0; o->m && o->v && i < o->params->n; i++) {
        free(o->m[i]);
        free(o->v[i]);
    }
    free(o->m);
    free(o->v);
    free(o);
}

void slk_optimizer_step(slk_optimizer *o, double lr, double norm, int64_t t)
{
    const slk_optimizer_options *options = &o->options;
    slk_compute *compute = o->params->model->compute;
    double clip = options->clip > 0 ? fmin(1, options->clip / (norm + CLIP_EPS)) : 1;
    for (size_t i = 0; i < o->params->n; i++) {
        const slk_param *p = &o->params->items[i];
        if (!p->grad) continue;
        bool rounds = p->weights_bf16 && p->weight_scale == 1; /* in the same pass over memory */
        slk_adamw step = {.lr = lr,
                          .beta1 = options->beta1,
                          .beta2 = options->beta2,
                          .eps = options->eps,
                          .decay = options->decay_matrices_only && p->is_vector ? 0 : options->decay,
                          .center = (double)p->center,
                          .clip = clip * (double)p->weight_scale,
                          .t = t};
        slk_compute_adamw(compute, &step, p->master, rounds ? p->weights : NULL, o->m[i], o->v[i], p->grad,
                          p->n_rows * p->n_cols);
        if (!rounds) slk_params_publish(o->params, (int64_t)i);
    }
}

size_t slk_optimizer_bytes(int64_t n_trained)
{
    return 2 * sizeof(float) * (size_t)n_trained;
}
