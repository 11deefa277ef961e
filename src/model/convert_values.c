/* What a conversion writes: the values of each tensor, in the output's layout and type. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "format/quant.h"
#include "model/convert_impl.h"

/* Small tensors are one thread's: reading and writing files is what takes the time, and on a busy machine a team waits
 * for its slowest member after each of several hundred tensors. */
static int n_threads_for(const slk_plan *plan, const slk_item *item)
{
    return item->n_rows * item->n_cols < (int64_t)1 << 22 ? 1 : plan->options->n_threads;
}

/* --- all values at once ----------------------------------------------------------------------------------------------
 */

/* Gains less 1 again. From one directory to another, a gain that the hook left alone is the source's own: adding 1 to
 * it has rounded it. `before`: what the hook was given; NULL: no hook. */
static slk_status undo_gain(const slk_plan *plan, const slk_item *item, float *x, const float *before, slk_err *err)
{
    size_t n = (size_t)item->tensor.n_cols;
    bool keep = before && item->tensor.change == SLK_CHANGE_GAIN;
    float *plain = keep ? slk_alloc(n, sizeof *plain) : NULL;
    if (keep && !plain) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", slk_source_path(plan->source));
    slk_tensor stored = item->tensor;
    stored.change = SLK_CHANGE_NONE;
    slk_status s = keep ? slk_source_read(plan->source, &stored, 0, 1, SLK_DTYPE_F32, plain, 1, err) : SLK_OK;
    for (size_t i = 0; s == SLK_OK && i < n; i++)
        x[i] = keep && memcmp(&x[i], &before[i], sizeof *x) == 0 ? plain[i] : x[i] - 1;
    free(plain);
    return s;
}

slk_status slk_plan_read(const slk_plan *plan, const slk_item *item, float **out, slk_err *err)
{
    const slk_tensor *t = &item->tensor;
    const slk_convert_options *o = plan->options;
    size_t n = (size_t)(t->n_rows * t->n_cols);
    bool is_gain = item->undo == SLK_CHANGE_GAIN;
    float *x = slk_alloc(n, sizeof *x), *before = is_gain && item->edited ? slk_alloc(n, sizeof *before) : NULL;
    slk_status s =
        x && (before || !is_gain || !item->edited)
            ? SLK_OK
            : slk_fail(err, SLK_E_MEMORY, "%s: out of memory for tensor %s", slk_source_path(plan->source), t->name);
    if (s == SLK_OK)
        s = slk_source_read(plan->source, t, 0, t->n_rows, SLK_DTYPE_F32, x, n_threads_for(plan, item), err);
    if (s == SLK_OK && before) memcpy(before, x, n * sizeof *x);
    if (s == SLK_OK && item->edited) s = o->edit(o->edit_user, item->gguf_name, x, t->n_rows, t->n_cols, err);
    if (s == SLK_OK && is_gain) s = undo_gain(plan, item, x, before, err);
    free(before);
    *out = s == SLK_OK ? x : NULL;
    if (s != SLK_OK) free(x);
    return s;
}

/* Row r of the output, of slk_plan_read's values. */
static void place_row(const slk_item *item, const float *x, int64_t r, float *row)
{
    const slk_tensor *t = &item->tensor;
    bool pairs = item->undo == SLK_CHANGE_PAIRS;
    if (pairs && !t->is_vector) r = slk_pairs_gguf_row(r, t->head_dim);
    for (int64_t i = 0; i < item->n_cols; i++) {
        float v = item->undo == SLK_CHANGE_TRANSPOSE ? x[i * t->n_cols + r]
                  : pairs && t->is_vector            ? x[slk_pairs_gguf_row(i, t->head_dim)]
                                                     : x[r * t->n_cols + i];
        row[i] = item->factor != 1 ? v * item->factor : v;
    }
}

static bool write_whole(const slk_plan *plan, const slk_item *item, const float *x, uint8_t *bytes, size_t row_bytes)
{
    int failed = 0;
#pragma omp parallel num_threads(n_threads_for(plan, item)) reduction(| : failed)
    {
        float *row = slk_alloc((size_t)item->n_cols, sizeof *row);
        failed |= row == NULL;
#pragma omp for
        for (int64_t r = 0; r < item->n_rows; r++) {
            if (failed) continue;
            place_row(item, x, r, row);
            failed |=
                slk_quantize(item->dtype, row, (size_t)item->n_cols, bytes + (size_t)r * row_bytes, NULL) != SLK_OK;
        }
        free(row);
    }
    return !failed;
}

/* --- row by row
 * --------------------------------------------------------------------------------------------------------
 */

/* Row r of the output as float32. */
static slk_status output_row(const slk_plan *plan, const slk_item *item, int64_t r, float *x)
{
    int64_t from =
        item->undo == SLK_CHANGE_PAIRS && !item->tensor.is_vector ? slk_pairs_gguf_row(r, item->tensor.head_dim) : r;
    slk_status s = slk_source_read(plan->source, &item->tensor, from, 1, SLK_DTYPE_F32, x, 1, NULL);
    for (int64_t i = 0; s == SLK_OK && i < item->n_cols; i++) {
        if (item->undo == SLK_CHANGE_GAIN) x[i] -= 1;
        if (item->factor != 1) x[i] *= item->factor;
    }
    return s;
}

static bool produce_rows(const slk_plan *plan, const slk_item *item, uint8_t *bytes, size_t row_bytes)
{
    int failed = 0;
#pragma omp parallel num_threads(n_threads_for(plan, item)) reduction(| : failed)
    {
        float *x = slk_alloc((size_t)item->n_cols, sizeof *x);
        failed |= x == NULL;
#pragma omp for
        for (int64_t r = 0; r < item->n_rows; r++) {
            if (failed) continue;
            failed |= output_row(plan, item, r, x) != SLK_OK;
            failed |= slk_quantize(item->dtype, x, (size_t)item->n_cols, bytes + (size_t)r * row_bytes, NULL) != SLK_OK;
        }
        free(x);
    }
    return !failed;
}

slk_status slk_plan_produce(void *user, size_t i, void *bytes, size_t n_bytes, slk_err *err)
{
    slk_plan *plan = user;
    slk_item *item = &plan->items[i];
    size_t row_bytes = item->n_rows ? n_bytes / (size_t)item->n_rows : 0;
    bool as_it_is = !item->edited && item->dtype == item->tensor.dtype && item->tensor.change == SLK_CHANGE_NONE &&
                    item->undo == SLK_CHANGE_NONE && item->factor == 1 && n_bytes == item->tensor.n_bytes;
    bool is_whole = item->edited || item->values || item->undo == SLK_CHANGE_TRANSPOSE ||
                    (item->undo == SLK_CHANGE_PAIRS && item->tensor.is_vector);
    bool ok = true;
    slk_status s = SLK_OK;
    if (as_it_is) {
        memcpy(bytes, item->tensor.data, n_bytes);
    } else if (is_whole) {
        if (!item->values) s = slk_plan_read(plan, item, &item->values, err);
        ok = s == SLK_OK && write_whole(plan, item, item->values, bytes, row_bytes);
    } else {
        ok = produce_rows(plan, item, bytes, row_bytes);
    }
    free(item->values);
    item->values = NULL;
    slk_source_forget(plan->source, &item->tensor);
    if (s != SLK_OK) return s;
    if (!ok)
        return slk_fail(err, SLK_E_MEMORY, "%s: tensor %s could not be converted (out of memory)",
                        slk_source_path(plan->source), item->tensor.name);
    if (slk_progress_report(plan->options->progress, "convert", "tensors", ++plan->n_produced, plan->n_items))
        return SLK_OK;
    return slk_fail(err, SLK_E_INTERRUPTED, "interrupted; nothing was written");
}
