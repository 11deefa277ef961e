/* What a conversion writes: which tensors, in which type and layout. */
#include "model/convert.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "format/quant.h"
#include "model/convert_impl.h"

char *slk_convert_join(const char *folder, const char *name)
{
    slk_buf b = {0};
    size_t n = strlen(folder);
    slk_buf_addf(&b, "%s%s%s", folder, n > 0 && folder[n - 1] == '/' ? "" : "/", name);
    return slk_buf_take(&b);
}

static bool is_plain(slk_dtype dtype)
{
    return dtype == SLK_DTYPE_F32 || dtype == SLK_DTYPE_F16 || dtype == SLK_DTYPE_BF16;
}

/* --- the plan ------------------------------------------------------------------------------------------------------
 */

/* The type that matrix t is written in. */
static slk_dtype matrix_dtype(slk_plan *plan, const slk_tensor *t, int64_t n_cols)
{
    int asked = plan->options->dtype;
    if (asked < 0)
        return is_plain(t->dtype) || (plan->to_gguf && slk_source_gguf(plan->source)) ? t->dtype : SLK_DTYPE_F16;
    if (asked == SLK_DTYPE_Q8_0 && n_cols % 32 != 0) {
        plan->report->n_not_q8++;
        return SLK_DTYPE_F16;
    }
    return (slk_dtype)asked;
}

static float narrowed(slk_dtype dtype, float x)
{
    if (dtype == SLK_DTYPE_F16) return slk_f16_to_f32(slk_f32_to_f16(x));
    return dtype == SLK_DTYPE_BF16 ? slk_bf16_to_f32(slk_f32_to_bf16(x)) : x;
}

/* Does item, in GGUF's layout and undone, fit into dtype without loss? */
static slk_status fits(bool *out, const slk_plan *plan, const slk_item *item, slk_dtype dtype, slk_err *err)
{
    size_t n = (size_t)(item->tensor.n_rows * item->tensor.n_cols);
    float *x = slk_alloc(n, sizeof *x);
    if (!x) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", slk_source_path(plan->source));
    slk_status s = slk_source_read(plan->source, &item->tensor, 0, item->tensor.n_rows, SLK_DTYPE_F32, x,
                                   plan->options->n_threads, err);
    *out = true;
    for (size_t i = 0; s == SLK_OK && i < n && *out; i++) {
        float v = item->undo == SLK_CHANGE_GAIN ? x[i] - 1 : x[i], w = narrowed(dtype, v);
        *out = memcmp(&v, &w, sizeof v) == 0 || (isnan(v) && isnan(w));
    }
    free(x);
    return s;
}

/* Add the source's tensor of this entry, if it has one. */
static slk_status add(slk_plan *plan, const slk_name *entry, int layer, const char *suffix, slk_err *err)
{
    const slk_config *c = slk_source_config(plan->source);
    bool from_gguf = slk_source_gguf(plan->source) != NULL;
    char name[SLK_NAME_BYTES];
    slk_item item = {.factor = 1};
    slk_family_gguf_name(name, entry, layer, suffix);
    slk_status s = slk_source_find(plan->source, name, &item.tensor, err);
    if (s == SLK_E_NOT_FOUND) return SLK_OK;
    if (s != SLK_OK) return s;
    if (!plan->to_gguf && from_gguf) item.undo = slk_family_change(c->family, entry, suffix);
    if (!plan->to_gguf && !from_gguf) { /* nothing changes but types: leave all layouts as they are */
        slk_tensor *t = &item.tensor;
        if (t->change == SLK_CHANGE_TRANSPOSE) {
            int64_t n_rows = t->n_rows;
            t->n_rows = t->n_cols;
            t->n_cols = n_rows;
        }
        t->change = SLK_CHANGE_NONE;
    }
    if (plan->to_gguf && !from_gguf && !strcmp(entry->gguf, "blk.#.attn_q"))
        item.factor = (float)plan->report->query_factor;
    const slk_tensor *t = &item.tensor;
    if ((item.undo == SLK_CHANGE_PAIRS && (t->is_vector ? t->n_cols : t->n_rows) % c->head_dim != 0) ||
        (item.undo == SLK_CHANGE_TRANSPOSE && t->is_vector) || (item.undo == SLK_CHANGE_GAIN && !t->is_vector)) {
        return slk_fail(err, SLK_E_SHAPE, "%s: tensor %s is [%lld, %lld], which does not fit its place in a %s model",
                        slk_source_path(plan->source), t->name, (long long)t->n_rows, (long long)t->n_cols, c->arch);
    }
    bool turned = item.undo == SLK_CHANGE_TRANSPOSE;
    if (item.undo == SLK_CHANGE_PAIRS) item.tensor.head_dim = c->head_dim;
    item.n_rows = turned ? item.tensor.n_cols : item.tensor.n_rows;
    item.n_cols = turned ? item.tensor.n_rows : item.tensor.n_cols;
    bool stays_wide = item.tensor.is_vector || !strcmp(entry->gguf, "position_embd");
    item.dtype = stays_wide ? SLK_DTYPE_F32 : matrix_dtype(plan, &item.tensor, item.n_cols);
    if (stays_wide && !plan->to_gguf) item.dtype = item.tensor.dtype; /* narrowed below */
    if (plan->to_gguf)
        snprintf(item.name, sizeof item.name, "%s", name);
    else
        slk_family_hf_name(item.name, entry, layer, suffix);
    if (!strcmp(entry->gguf, "token_embd")) plan->dtype = item.dtype;
    if (stays_wide && !plan->to_gguf) {
        bool narrow = false;
        s = fits(&narrow, plan, &item, plan->dtype, err);
        item.dtype = narrow ? plan->dtype : SLK_DTYPE_F32;
    }
    const slk_dtype_info *info = slk_dtype_find(item.tensor.dtype);
    if (info->n_block > 1 && item.dtype != item.tensor.dtype) plan->report->n_dequantised++;
    if (s == SLK_OK && !slk_grow(&plan->items, &plan->cap_items, plan->n_items + 1, sizeof *plan->items)) {
        return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", slk_source_path(plan->source));
    }
    if (s == SLK_OK) plan->items[plan->n_items++] = item;
    return s;
}

/* rope_freqs.weight is a tensor in GGUF and a few numbers in config.json. */
static slk_status plan_rope(slk_plan *plan, slk_err *err)
{
    const slk_config *c = slk_source_config(plan->source);
    slk_item item = {.factor = 1, .dtype = SLK_DTYPE_F32, .name = "rope_freqs.weight"};
    plan->rope3 = c->rope3;
    slk_status s = slk_source_find(plan->source, item.name, &item.tensor, err);
    if (s == SLK_E_NOT_FOUND || (s == SLK_OK && !plan->to_gguf && c->rope3.factor > 0)) return SLK_OK;
    if (s != SLK_OK) return s;
    item.n_rows = 1;
    item.n_cols = item.tensor.n_cols;
    if (!plan->to_gguf) {
        float divisors[256];
        if (item.n_cols != c->head_dim / 2 || item.n_cols > 256) {
            return slk_fail(err, SLK_E_SHAPE, "%s: tensor rope_freqs.weight has %lld values, expected %d",
                            slk_source_path(plan->source), (long long)item.n_cols, c->head_dim / 2);
        }
        s = slk_source_read(plan->source, &item.tensor, 0, 1, SLK_DTYPE_F32, divisors, 1, err);
        if (s == SLK_OK && !slk_rope3_guess(&plan->rope3, divisors, (int)item.n_cols, c->rope_base)) {
            s = slk_fail(
                err, SLK_E_UNSUPPORTED,
                "%s: tensor rope_freqs.weight is not Llama 3's scaling, the only one that config.json can state",
                slk_source_path(plan->source));
        }
        return s;
    }
    if (!slk_grow(&plan->items, &plan->cap_items, plan->n_items + 1, sizeof *plan->items)) {
        return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", slk_source_path(plan->source));
    }
    plan->items[plan->n_items++] = item;
    return SLK_OK;
}

static const char *source_name(const slk_source *source, size_t i)
{
    const slk_gguf *file = slk_source_gguf(source);
    if (file) return i < slk_gguf_n_tensors(file) ? slk_gguf_tensor_at(file, i)->name : NULL;
    const slk_safetensor *t = slk_safetensors_tensor_at(slk_source_safetensors(source), i);
    return t ? t->name : NULL;
}

/* Tensors that nothing asked for: the copy of a tied output, masks and frequencies that old checkpoints carry. */
static void count_unplaced(slk_plan *plan)
{
    const char *name;
    for (size_t i = 0; (name = source_name(plan->source, i)) != NULL; i++) {
        size_t k = 0;
        while (k < plan->n_items && strcmp(plan->items[k].tensor.name, name) != 0) k++;
        if (k < plan->n_items || !strcmp(name, "rope_freqs.weight")) continue;
        if (plan->report->n_unplaced++ == 0)
            snprintf(plan->report->unplaced, sizeof plan->report->unplaced, "%s", name);
    }
}

slk_status slk_plan_make(slk_plan *plan, slk_err *err)
{
    static const char *const suffixes[] = {"weight", "bias"};
    const slk_config *c = slk_source_config(plan->source);
    slk_convert_report *report = plan->report;
    report->query_factor = 1;
    if (plan->to_gguf && !slk_source_gguf(plan->source)) {
        int exponent;
        report->query_factor = sqrt(slk_config_implied_scalar(c) / c->query_scalar);
        report->query_rounded = frexp(report->query_factor, &exponent) != 0.5;
    }
    slk_status s = SLK_OK;
    for (const slk_name *n = c->family->names; n->gguf; n++) {
        int n_layers = slk_family_is_layered(n) ? c->n_layers : 1;
        for (int i = 0; i < n_layers; i++) {
            for (size_t k = 0; k < 2 && s == SLK_OK; k++) s = add(plan, n, i, suffixes[k], err);
        }
    }
    if (s == SLK_OK) s = plan_rope(plan, err);
    if (s != SLK_OK) return s;
    count_unplaced(plan);
    report->n_tensors = plan->n_items;
    bool has_window = !strncmp(c->arch, "gemma", 5);
    report->window_ignored = plan->to_gguf && c->window > 0 && !has_window;
    report->window_assumed = !plan->to_gguf && c->window > 0 && !strcmp(c->arch, "llama");
    return SLK_OK;
}

/* --- values --------------------------------------------------------------------------------------------------------
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
#pragma omp parallel num_threads(plan->options->n_threads) reduction(| : failed)
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

/* Where rows are not rows: a transposed matrix, a permuted vector. */
static bool produce_whole(const slk_plan *plan, const slk_item *item, uint8_t *bytes, size_t row_bytes)
{
    const slk_tensor *t = &item->tensor;
    size_t n = (size_t)(t->n_rows * t->n_cols);
    float *x = slk_alloc(n, sizeof *x), *row = slk_alloc((size_t)item->n_cols, sizeof *row);
    bool ok =
        x && row &&
        slk_source_read(plan->source, t, 0, t->n_rows, SLK_DTYPE_F32, x, plan->options->n_threads, NULL) == SLK_OK;
    for (int64_t r = 0; ok && r < item->n_rows; r++) {
        for (int64_t i = 0; i < item->n_cols; i++) {
            row[i] = item->undo == SLK_CHANGE_TRANSPOSE ? x[i * t->n_cols + r] : x[slk_pairs_gguf_row(i, t->head_dim)];
        }
        ok = slk_quantize(item->dtype, row, (size_t)item->n_cols, bytes + (size_t)r * row_bytes, NULL) == SLK_OK;
    }
    free(x);
    free(row);
    return ok;
}

slk_status slk_plan_produce(void *user, size_t i, void *bytes, size_t n_bytes, slk_err *err)
{
    slk_plan *plan = user;
    const slk_item *item = &plan->items[i];
    size_t row_bytes = item->n_rows ? n_bytes / (size_t)item->n_rows : 0;
    bool as_it_is = item->dtype == item->tensor.dtype && item->tensor.change == SLK_CHANGE_NONE &&
                    item->undo == SLK_CHANGE_NONE && item->factor == 1 && n_bytes == item->tensor.n_bytes;
    bool whole = item->undo == SLK_CHANGE_TRANSPOSE || (item->undo == SLK_CHANGE_PAIRS && item->tensor.is_vector);
    bool ok = true;
    if (as_it_is)
        memcpy(bytes, item->tensor.data, n_bytes);
    else
        ok = whole ? produce_whole(plan, item, bytes, row_bytes) : produce_rows(plan, item, bytes, row_bytes);
    slk_source_forget(plan->source, &item->tensor);
    if (!ok)
        return slk_fail(err, SLK_E_MEMORY, "%s: tensor %s could not be converted (out of memory)",
                        slk_source_path(plan->source), item->tensor.name);
    if (slk_progress_report(plan->options->progress, "convert", "tensors", ++plan->n_produced, plan->n_items))
        return SLK_OK;
    return slk_fail(err, SLK_E_INTERRUPTED, "interrupted; nothing was written");
}

slk_status slk_convert(slk_convert_report *report, const char *model, const char *out,
                       const slk_convert_options *options, slk_err *err)
{
    size_t n = strlen(out);
    *report = (slk_convert_report){.query_factor = 1};
    slk_plan plan = {.to_gguf = n > 5 && !strcmp(out + n - 5, ".gguf"), .options = options, .report = report};
    if (!plan.to_gguf && options->dtype == SLK_DTYPE_Q8_0) {
        return slk_fail(err, SLK_E_UNSUPPORTED, "%s: Q8_0 is a type of GGUF, expected an output that ends in .gguf",
                        out);
    }
    slk_status s = slk_source_open(&plan.source, model, err);
    if (s == SLK_OK) s = slk_plan_make(&plan, err);
    if (s == SLK_OK)
        s = plan.to_gguf ? slk_convert_to_gguf(&plan, out, err) : slk_convert_to_directory(&plan, out, err);
    free(plan.items);
    slk_source_close(plan.source);
    return s;
}
