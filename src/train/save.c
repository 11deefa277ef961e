#include "train/save.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/adapter_write.h"
#include "model/convert.h"
#include "model/model.h"

/* --- a model ---------------------------------------------------------------------------------------------------------
 */

/* The trained part of that name; NULL: none. */
static const slk_param_part *find_part(const slk_params *params, const char *name, const slk_param **param)
{
    for (size_t i = 0; i < params->n; i++) {
        const slk_param *p = &params->items[i];
        for (int k = 0; p->grad && k < p->n_parts; k++) {
            if (strcmp(p->parts[k].name, name) != 0) continue;
            *param = p;
            return &p->parts[k];
        }
    }
    return NULL;
}

static bool is_trained(void *user, const char *name)
{
    const slk_param *p;
    return find_part(user, name, &p) != NULL;
}

static slk_status put_master(void *user, const char *name, float *values, int64_t n_rows, int64_t n_cols, slk_err *err)
{
    const slk_param *p;
    const slk_param_part *part = find_part(user, name, &p);
    if (!part || part->n_rows != n_rows || part->n_cols != n_cols)
        return slk_fail(err, SLK_E_SHAPE, "tensor %s is [%lld, %lld], not what was trained", name, (long long)n_rows,
                        (long long)n_cols);
    for (int64_t r = 0; r < n_rows; r++)
        memcpy(values + r * n_cols, p->master + (part->row + r) * p->n_cols + part->col,
               (size_t)n_cols * sizeof *values);
    return SLK_OK;
}

slk_status slk_save_model(const slk_params *params, const char *path, slk_err *err)
{
    return slk_save_model_as(params, path, slk_compute_dtype(params->model->compute), err);
}

slk_status slk_save_model_as(const slk_params *params, const char *path, slk_dtype dtype, slk_err *err)
{
    const slk_model *m = params->model;
    slk_convert_report report;
    const slk_convert_options options = {.dtype = (int)dtype,
                                         .overwrite = true,
                                         .n_threads = slk_compute_n_threads(m->compute),
                                         .edit = put_master,
                                         .edits = is_trained,
                                         .edit_user = (void *)(uintptr_t)params}; /* only read */
    return slk_convert(&report, slk_source_path(m->source), path, &options, err);
}

/* --- an adapter ------------------------------------------------------------------------------------------------------
 */

/* "blk.3.attn_q.weight.lora_a" is of layer 3 and the tensor "blk.#.attn_q". false: not such a name. */
static bool read_name(char tensor[96], int *layer, const char *name, char side)
{
    int n = 0;
    char stem[96];
    snprintf(stem, sizeof stem, "%s", name);
    char *end = strstr(stem, ".weight.lora_");
    if (!end || end[strlen(".weight.lora_")] != side) return false;
    *end = 0;
    if (sscanf(stem, "blk.%d.%n", layer, &n) != 1 || n == 0) return false;
    snprintf(tensor, 96, "blk.#.%.80s", stem + n);
    return true;
}

/* B of the same tensor as this part of A. */
static const slk_param_part *find_partner(const slk_params *params, const char *a_name, const slk_param **param)
{
    char name[96];
    snprintf(name, sizeof name, "%s", a_name);
    name[strlen(name) - 1] = 'b';
    return find_part(params, name, param);
}

slk_status slk_save_adapter(const slk_params *params, const slk_lora *lora, const char *path, slk_err *err)
{
    const slk_model *m = params->model;
    size_t n = 0, n_parts = 0;
    for (size_t i = 0; i < params->n; i++) n_parts += (size_t)params->items[i].n_parts;
    slk_adapter_matrix *matrices = slk_alloc(n_parts, sizeof *matrices);
    char(*tensors)[96] = slk_alloc(n_parts, sizeof *tensors);
    slk_status s = matrices && tensors ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory");
    for (size_t i = 0; s == SLK_OK && i < params->n; i++) {
        const slk_param *a = &params->items[i], *b;
        for (int k = 0; s == SLK_OK && k < a->n_parts; k++) {
            const slk_param_part *pa = &a->parts[k];
            int layer;
            if (!read_name(tensors[n], &layer, pa->name, 'a')) continue;
            const slk_param_part *pb = find_partner(params, pa->name, &b);
            if (!pb) {
                s = slk_fail(err, SLK_E_STATE, "%s: tensor %s has no partner", path, pa->name);
                break;
            }
            matrices[n] = (slk_adapter_matrix){.layer = layer,
                                               .tensor = tensors[n],
                                               .rank = pa->n_rows,
                                               .n_in = pa->n_cols,
                                               .n_out = pb->n_rows,
                                               .a = a->master + pa->row * a->n_cols,
                                               .b = b->master + pb->row * b->n_cols + pb->col,
                                               .a_stride = a->n_cols,
                                               .b_stride = b->n_cols};
            n++;
        }
    }
    const slk_adapter_write_options options = {
        .alpha = lora->alpha, .dropout = lora->dropout, .base_name = slk_source_path(m->source), .overwrite = true};
    if (s == SLK_OK) s = slk_adapter_write(path, &m->config, matrices, n, &options, err);
    free(matrices);
    free(tensors);
    return s;
}
