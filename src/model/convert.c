/* What a conversion writes: which tensors, in which type and layout. */
#include "model/convert.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "format/quant.h"
#include "model/convert_impl.h"

static bool is_plain(slk_dtype dtype)
{
    return dtype == SLK_DTYPE_F32 || dtype == SLK_DTYPE_F16 || dtype == SLK_DTYPE_BF16;
}

/* --- the plan ------------------------------------------------------------------------------------------------------
 */

/* The type that matrix t is written in. New values have no blocks of their own, and their range may be one that F16
 * lacks. */
static slk_dtype matrix_dtype(slk_plan *plan, const slk_tensor *t, int64_t n_cols, bool edited)
{
    int asked = plan->options->dtype;
    if (asked < 0) {
        if (is_plain(t->dtype) || (plan->to_gguf && !edited)) return t->dtype;
        return plan->options->edit ? SLK_DTYPE_BF16 : SLK_DTYPE_F16;
    }
    if (asked == SLK_DTYPE_Q8_0 && n_cols % 32 != 0) {
        plan->report->n_not_q8++;
        return SLK_DTYPE_F16;
    }
    return (slk_dtype)asked;
}

/* Does the hook change this tensor? */
static bool is_edited(const slk_plan *plan, const char *gguf_name)
{
    const slk_convert_options *o = plan->options;
    return o->edit && (!o->edits || o->edits(o->edit_user, gguf_name));
}

static float narrowed(slk_dtype dtype, float x)
{
    if (dtype == SLK_DTYPE_F16) return slk_f16_to_f32(slk_f32_to_f16(x));
    return dtype == SLK_DTYPE_BF16 ? slk_bf16_to_f32(slk_f32_to_bf16(x)) : x;
}

/* Does item fit into dtype without loss? It is kept for writing, since the hook is called once. */
static slk_status fits(bool *out, const slk_plan *plan, slk_item *item, slk_dtype dtype, slk_err *err)
{
    size_t n = (size_t)(item->tensor.n_rows * item->tensor.n_cols);
    slk_status s = slk_plan_read(plan, item, &item->values, err);
    *out = true;
    for (size_t i = 0; s == SLK_OK && i < n && *out; i++) {
        float v = item->values[i], w = narrowed(dtype, v);
        *out = memcmp(&v, &w, sizeof v) == 0 || (isnan(v) && isnan(w));
    }
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
    item.edited = is_edited(plan, name);
    if (!plan->to_gguf && (from_gguf || item.edited)) item.undo = slk_family_change(c->family, entry, suffix);
    if (!plan->to_gguf && !from_gguf && !item.edited) { /* nothing changes but types: leave all layouts as they are */
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
    item.dtype = stays_wide ? SLK_DTYPE_F32 : matrix_dtype(plan, &item.tensor, item.n_cols, item.edited);
    if (stays_wide && !plan->to_gguf) item.dtype = item.tensor.dtype; /* narrowed below */
    snprintf(item.gguf_name, sizeof item.gguf_name, "%s", name);
    if (plan->to_gguf)
        snprintf(item.name, sizeof item.name, "%s", name);
    else
        slk_family_hf_name(item.name, entry, layer, suffix);
    if (!strcmp(entry->gguf, "token_embd")) {
        plan->dtype = item.dtype;
        plan->retyped = item.dtype != item.tensor.dtype;
    }
    if (stays_wide && !plan->to_gguf) {
        bool narrow = false;
        s = fits(&narrow, plan, &item, plan->dtype, err);
        item.dtype = narrow ? plan->dtype : SLK_DTYPE_F32;
    }
    const slk_dtype_info *info = slk_dtype_find(item.tensor.dtype);
    if (info->n_block > 1 && item.dtype != item.tensor.dtype) plan->report->n_dequantised++;
    if (s == SLK_OK && !slk_grow(&plan->items, &plan->cap_items, plan->n_items + 1, sizeof *plan->items))
        s = slk_fail(err, SLK_E_MEMORY, "%s: out of memory", slk_source_path(plan->source));
    if (s == SLK_OK) plan->report->n_edited += item.edited;
    if (s == SLK_OK)
        plan->items[plan->n_items++] = item;
    else
        free(item.values);
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
        report->query_factor = slk_config_query_factor(c);
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
    for (size_t i = 0; i < plan.n_items; i++) free(plan.items[i].values);
    free(plan.items);
    slk_source_close(plan.source);
    return s;
}
