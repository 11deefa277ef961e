/* What is converted: the list of tensors that both writers work off. For convert*.c only. */
#ifndef SLK_MODEL_CONVERT_IMPL_H
#define SLK_MODEL_CONVERT_IMPL_H

#include "model/convert.h"
#include "model/source.h"

typedef struct slk_item {
    char name[SLK_NAME_BYTES]; /* in the output */
    char gguf_name[SLK_NAME_BYTES];
    slk_tensor tensor;      /* in the source */
    bool edited;            /* the hook is called for it */
    float *values;          /* slk_plan_read's, where the plan needed them; NULL: not read yet */
    slk_change undo;        /* directory: the change that GGUF's layout has and the output has not */
    float factor;           /* values are multiplied by it */
    slk_dtype dtype;        /* in the output */
    int64_t n_rows, n_cols; /* in the output */
} slk_item;

typedef struct slk_plan {
    slk_source *source;
    bool to_gguf;
    const slk_convert_options *options;
    slk_convert_report *report;
    slk_item *items;
    size_t n_items, cap_items;
    size_t n_produced;
    slk_rope3 rope3; /* directory: of rope_freqs.weight */
    slk_dtype dtype; /* of the matrices, for config.json and general.file_type */
    bool retyped;    /* and that is not what the source has */
} slk_plan;

/* All tensors with their output names, types and shapes. Free items and their values with free(). */
slk_status slk_plan_make(slk_plan *plan, slk_err *err);
/* All values of an item: as the source has them in GGUF's layout, edited, gains undone; not yet in the order of the
 * output. free() them. Errors: slk_source_read's and the hook's own. */
slk_status slk_plan_read(const slk_plan *plan, const slk_item *item, float **out, slk_err *err);
/* Fill `bytes` [n_bytes] with item i; the signature is that of slk_gguf_produce and slk_safetensors_produce, user is
 * the plan. */
slk_status slk_plan_produce(void *user, size_t i, void *bytes, size_t n_bytes, slk_err *err);

/* The outputs. */
slk_status slk_convert_to_gguf(slk_plan *plan, const char *path, slk_err *err);
slk_status slk_convert_to_directory(slk_plan *plan, const char *path, slk_err *err);

#endif
