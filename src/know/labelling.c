#include "know/labelling.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "model/model.h"
#include "store/facts.h"
#include "store/labels.h"
#include "store/prompts.h"

void slk_labelling_describe(slk_label_settings *out, const slk_model *model, const slk_probe_options *options,
                            const char *match, const char *set, slk_split pool)
{
    static const char *const decoded[] = {
        [SLK_DECODE_NONE] = "none", [SLK_DECODE_GREEDY] = "greedy", [SLK_DECODE_ALL] = "all"};
    *out = (slk_label_settings){.model_hash = model->hash,
                                .seed = options->draws.seed,
                                .n_ex = options->n_ex,
                                .n_shots = options->n_shots,
                                .n_samples = (unsigned)options->draws.n_samples,
                                .top_k = (unsigned)options->draws.top_k,
                                .temperature = options->draws.temperature,
                                .template_hash = slk_template_hash(options->template)};
    if (model->adapter) out->adapter_hash = slk_adapter_hash(model->adapter);
    snprintf(out->model_name, sizeof out->model_name, "%s", model->config.name);
    snprintf(out->dtype, sizeof out->dtype, "%s", slk_compute_dtype(model->compute) == SLK_DTYPE_BF16 ? "bf16" : "f32");
    snprintf(out->kernels, sizeof out->kernels, "%s", slk_compute_kernel_set(model->compute));
    snprintf(out->match, sizeof out->match, "%s", match);
    snprintf(out->decoded, sizeof out->decoded, "%s", options->naive ? "all" : decoded[options->draws.decode]);
    snprintf(out->set_name, sizeof out->set_name, "%s", set);
    snprintf(out->pool, sizeof out->pool, "%s", slk_split_name(pool));
}

slk_status slk_labelling_load_pool(slk_store *store, slk_facts *out, const char *set, slk_split pool,
                                   const slk_fact *const *asked, size_t n_asked, slk_err *err)
{
    const char **relations = slk_alloc(n_asked, sizeof *relations);
    size_t n = 0;
    memset(out, 0, sizeof *out);
    if (!relations) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    for (size_t i = 0; i < n_asked; i++) {
        bool seen = false;
        for (size_t j = n; j-- > 0 && !seen;) seen = strcmp(relations[j], asked[i]->relation) == 0;
        if (!seen) relations[n++] = asked[i]->relation;
    }
    slk_status s = slk_store_load_facts(store, out, set, (int)pool, relations, n, err);
    free(relations);
    return s;
}

static int compare_ids(const void *left, const void *right)
{
    uint64_t x = *(const uint64_t *)left, y = *(const uint64_t *)right;
    return (x > y) - (x < y);
}

slk_status slk_labelling_find_open(slk_store *store, int64_t label_set, const slk_fact *const *asked, size_t n_asked,
                                   const slk_fact ***open, size_t *n_open, slk_err *err)
{
    uint64_t *done = NULL;
    size_t n_done = 0;
    *open = NULL;
    *n_open = 0;
    slk_status s = slk_store_load_label_ids(store, label_set, &done, &n_done, err);
    if (s != SLK_OK) return s;
    const slk_fact **list = slk_alloc(n_asked, sizeof *list);
    for (size_t i = 0; list && i < n_asked; i++) {
        bool is_done = n_done > 0 && bsearch(&asked[i]->id, done, n_done, sizeof *done, compare_ids);
        if (!is_done) list[(*n_open)++] = asked[i];
    }
    free(done);
    *open = list;
    return list ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory");
}

/* --- provenance --------------------------------------------------------------------------------------------------- */

typedef struct labelling {
    slk_store *store;
    int64_t label_set;
    const slk_exemplars *exemplars;
    const slk_probe_options *options;
    slk_label *pending; /* [n_pending] labels not yet committed */
    size_t n_pending, cap_pending;
    double committed_ms;
} labelling;

/* The prompts of `fact`: the relation's own (fact_id 0), or its own where they differ from those. */
static slk_status store_sets(labelling *l, const slk_fact *fact, uint64_t fact_id, const slk_fact **sets, slk_err *err)
{
    size_t n_ex = l->options->n_ex, n_shots = l->options->n_shots;
    slk_stored_prompt *items = slk_alloc_zero(n_ex, sizeof *items);
    slk_status s = items ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory");
    for (size_t e = 0; s == SLK_OK && e < n_ex; e++) {
        slk_buf text;
        slk_buf_init(&text);
        slk_buf_add(&text, "", 0);
        items[e] = (slk_stored_prompt){.relation = fact->relation,
                                       .fact_id = fact_id,
                                       .prompt = (unsigned)e,
                                       .n_exemplars = n_shots,
                                       .exemplars = slk_alloc(n_shots, sizeof(uint64_t))};
        for (size_t i = 0; items[e].exemplars && i < n_shots; i++) {
            const slk_fact *x = sets[e * n_shots + i];
            items[e].exemplars[i] = x->id;
            slk_template_add_exemplar(l->options->template, &text, x->question, x->answers[0]);
        }
        items[e].text = slk_buf_take(&text);
        if (!items[e].exemplars || !items[e].text) s = slk_fail(err, SLK_E_MEMORY, "out of memory");
    }
    if (s == SLK_OK) s = slk_store_put_prompts(l->store, l->label_set, items, n_ex, err);
    for (size_t e = 0; items && e < n_ex; e++) {
        free(items[e].exemplars);
        free(items[e].text);
    }
    free(items);
    return s;
}

static slk_status store_prompts(labelling *l, const slk_fact *const *facts, size_t n_facts, slk_err *err)
{
    size_t n = (size_t)l->options->n_ex * l->options->n_shots;
    const slk_fact **common = slk_alloc(n, sizeof *common), **own = slk_alloc(n, sizeof *own);
    slk_status s = common && own ? slk_store_begin(l->store, err) : slk_fail(err, SLK_E_MEMORY, "out of memory");
    const char *relation = NULL;
    for (size_t i = 0; s == SLK_OK && i < n_facts; i++) {
        const slk_fact *fact = facts[i];
        if (!relation || strcmp(relation, fact->relation) != 0) {
            relation = fact->relation;
            s = slk_exemplars_common(l->exemplars, relation, common, err);
            if (s == SLK_OK) s = store_sets(l, fact, 0, common, err);
        }
        if (s == SLK_OK) s = slk_exemplars_for(l->exemplars, fact, own, err);
        if (s == SLK_OK && memcmp(common, own, n * sizeof *own) != 0) s = store_sets(l, fact, fact->id, own, err);
    }
    if (s == SLK_OK)
        s = slk_store_commit(l->store, err);
    else if (common && own)
        slk_store_rollback(l->store);
    free(common);
    free(own);
    return s;
}

/* --- labels ------------------------------------------------------------------------------------------------------- */

static slk_status commit(labelling *l, slk_err *err)
{
    slk_status s = l->n_pending ? slk_store_put_labels(l->store, l->label_set, l->pending, l->n_pending, err) : SLK_OK;
    for (size_t i = 0; i < l->n_pending; i++) slk_label_release(&l->pending[i]);
    l->n_pending = 0;
    l->committed_ms = slk_clock_ms();
    return s;
}

/* Take the label over (the probe only lends it) and commit once a second. */
static slk_status take_label(void *user, slk_label *label, slk_err *err)
{
    labelling *l = user;
    if (!slk_grow(&l->pending, &l->cap_pending, l->n_pending + 1, sizeof *l->pending))
        return slk_fail(err, SLK_E_MEMORY, "out of memory");
    l->pending[l->n_pending++] = *label;
    *label = (slk_label){0};
    return slk_clock_ms() - l->committed_ms > 1000 ? commit(l, err) : SLK_OK;
}

slk_status slk_labelling_run(slk_store *store, int64_t label_set, const slk_model *model, const slk_fact *const *facts,
                             size_t n, const slk_exemplars *exemplars, const slk_probe_options *options,
                             const slk_progress *progress, slk_probe_stats *stats, slk_err *err)
{
    labelling l = {.store = store,
                   .label_set = label_set,
                   .exemplars = exemplars,
                   .options = options,
                   .committed_ms = slk_clock_ms()};
    slk_status s = store_prompts(&l, facts, n, err);
    if (s != SLK_OK) return s;
    s = slk_probe_run(model, facts, n, exemplars, options, take_label, &l, progress, stats, err);
    slk_status kept = commit(&l, s == SLK_OK ? err : NULL);
    free(l.pending);
    return s == SLK_OK ? kept : s;
}
