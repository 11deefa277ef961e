#include "train/optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "compute/backward.h"
#include "model/model.h"

/* What PyTorch's clip_grad_norm_ adds to the norm, so that trajectories can be compared. */
#define CLIP_EPS 1e-6

static size_t count_values(const slk_param *p)
{
    return (size_t)(p->n_rows * p->n_cols);
}

/* Zeros of the shape of each trained parameter; whatever comes of it, free_values releases it. */
static bool make_values(float ***out, const slk_params *params)
{
    float **values = *out = slk_alloc_zero(params->n, sizeof *values);
    for (size_t i = 0; values && i < params->n; i++) {
        if (!params->items[i].grad) continue;
        size_t n = count_values(&params->items[i]);
        values[i] = slk_alloc_aligned(n, sizeof *values[i]);
        if (!values[i]) return false;
        memset(values[i], 0, n * sizeof *values[i]);
    }
    return values != NULL;
}

static void free_values(float **values, const slk_params *params)
{
    for (size_t i = 0; values && i < params->n; i++) free(values[i]);
    free(values);
}

static slk_status fail_memory(const slk_params *params, bool keeps, slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "out of memory for the optimiser's values (%.1f GiB)",
                    (double)slk_optimizer_bytes(slk_params_n_trained(params), keeps) / 1073741824.0);
}

slk_status slk_optimizer_create(slk_optimizer **out, slk_params *params, const slk_optimizer_options *options,
                                slk_err *err)
{
    *out = NULL;
    slk_optimizer *o = slk_alloc_zero(1, sizeof *o);
    if (!o) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    o->params = params;
    o->options = *options;
    if (make_values(&o->m, params) && make_values(&o->v, params)) {
        *out = o;
        return SLK_OK;
    }
    slk_optimizer_free(o);
    return fail_memory(params, false, err);
}

void slk_optimizer_free(slk_optimizer *o)
{
    if (!o) return;
    free_values(o->m, o->params);
    free_values(o->v, o->params);
    free_values(o->kept, o->params);
    free(o);
}

slk_status slk_optimizer_make_room(slk_optimizer *o, slk_err *err)
{
    return make_values(&o->kept, o->params) ? SLK_OK : fail_memory(o->params, true, err);
}

void slk_optimizer_keep(slk_optimizer *o)
{
    for (size_t i = 0; i < o->params->n; i++) {
        const slk_param *p = &o->params->items[i];
        if (p->grad) memcpy(o->kept[i], p->master, count_values(p) * sizeof *p->master);
    }
}

void slk_optimizer_exchange(slk_optimizer *o)
{
    for (size_t i = 0; i < o->params->n; i++) {
        const slk_param *p = &o->params->items[i];
        for (size_t k = 0; p->grad && k < count_values(p); k++) {
            float x = p->master[k];
            p->master[k] = o->kept[i][k];
            o->kept[i][k] = x;
        }
    }
    slk_params_publish(o->params, -1);
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

size_t slk_optimizer_bytes(int64_t n_trained, bool keeps)
{
    return (keeps ? 3 : 2) * sizeof(float) * (size_t)n_trained;
}
