#include "model/merge.h"

#include "model/adapter.h"
#include "model/source.h"

typedef struct merging {
    slk_adapter *adapter;
    int n_threads;
} merging;

static bool is_merged(void *user, const char *gguf_name)
{
    const merging *m = user;
    return slk_adapter_has(m->adapter, gguf_name);
}

static slk_status merge(void *user, const char *gguf_name, float *values, int64_t n_rows, int64_t n_cols, slk_err *err)
{
    const merging *m = user;
    return slk_adapter_add(m->adapter, gguf_name, values, n_rows, n_cols, m->n_threads, err);
}

slk_status slk_merge(slk_convert_report *report, const char *model, const char *adapter, const char *out,
                     const slk_convert_options *options, slk_err *err)
{
    slk_source *source;
    merging m = {.n_threads = options->n_threads};
    *report = (slk_convert_report){.query_factor = 1};
    slk_status s = slk_source_open(&source, model, err);
    if (s != SLK_OK) return s;
    s = slk_adapter_open(&m.adapter, adapter, slk_source_config(source), err);
    slk_source_close(source);
    if (s != SLK_OK) return s;
    slk_convert_options with = *options;
    with.edit = merge, with.edits = is_merged, with.edit_user = &m;
    s = slk_convert(report, model, out, &with, err);
    slk_adapter_free(m.adapter);
    return s;
}
