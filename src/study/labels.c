#include "study/labels.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "know/instruction.h"
#include "know/labelling.h"
#include "know/ptrue.h"
#include "model/model.h"
#include "store/runs.h"

static slk_status no_memory(slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "out of memory");
}

/* --- how it is asked ---------------------------------------------------------------------------------------------- */

slk_status slk_study_asking_init(slk_study_asking *out, const slk_study_config *c, slk_err *err)
{
    memset(out, 0, sizeof *out);
    slk_probe_options *o = &out->options;
    o->draws = (slk_draws){.seed = (uint64_t)c->labels.seed,
                           .n_samples = (int)c->labels.samples,
                           .temperature = c->labels.temperature,
                           .top_k = (int)c->labels.top_k,
                           .n_max_tokens = SLK_ANSWER_MAX_TOKENS};
    o->draws.decode = strcmp(c->labels.answers, "all") == 0      ? SLK_DECODE_ALL
                      : strcmp(c->labels.answers, "greedy") == 0 ? SLK_DECODE_GREEDY
                                                                 : SLK_DECODE_NONE;
    o->n_ex = (unsigned)c->labels.n_ex;
    o->n_shots = (unsigned)c->labels.shots;
    slk_status s = slk_match_parse(&o->match, c->labels.match, err);
    if (s == SLK_OK)
        s = c->labels.template ? slk_template_open(&out->template, c->labels.template, err)
                               : slk_template_create(&out->template, err);
    o->template = out->template;
    return s;
}

void slk_study_asking_release(slk_study_asking *asking)
{
    slk_template_free(asking->template);
    memset(asking, 0, sizeof *asking);
}

static slk_split pool_of(const slk_study_config *config)
{
    return (slk_split)slk_split_parse(config->labels.pool);
}

/* --- finding ------------------------------------------------------------------------------------------------------ */

/* The same questions, asked of the same model; on any machine. model NULL: of whichever model. */
static bool asks_the_same(const slk_label_settings *s, const slk_study_config *c, const slk_study_material *m,
                          const slk_model *model, const slk_study_asking *asking, const char *dtype)
{
    uint64_t adapter = model && model->adapter ? slk_adapter_hash(model->adapter) : 0;
    return s->adapter_hash == adapter && (!model || s->model_hash == model->hash) &&
           s->seed == asking->options.draws.seed && s->n_ex == asking->options.n_ex &&
           s->n_shots == asking->options.n_shots && s->n_samples == (unsigned)asking->options.draws.n_samples &&
           s->top_k == (unsigned)asking->options.draws.top_k && s->temperature == asking->options.draws.temperature &&
           s->template_hash == slk_template_hash(asking->template) && strcmp(s->match, c->labels.match) == 0 &&
           strcmp(s->decoded, c->labels.answers) == 0 && strcmp(s->set_name, m->set) == 0 &&
           strcmp(s->pool, c->labels.pool) == 0 && (!dtype || strcmp(s->dtype, dtype) == 0);
}

static bool is_of_this_machine(const slk_label_settings *s, const slk_model *model)
{
    if (!model) return false;
    const char *dtype = slk_compute_dtype(model->compute) == SLK_DTYPE_BF16 ? "bf16" : "f32";
    return strcmp(s->dtype, dtype) == 0 && strcmp(s->kernels, slk_compute_kernel_set(model->compute)) == 0;
}

static slk_status count_open(size_t *n_open, slk_store *store, int64_t id, const slk_fact *const *asked, size_t n,
                             slk_err *err)
{
    const slk_fact **open;
    slk_status s = slk_labelling_find_open(store, id, asked, n, &open, n_open, err);
    free(open);
    return s;
}

/* A complete set is better than one that is not, and of equal ones this machine's, then the newest. */
static slk_status choose(int64_t *id, size_t *n_open, slk_store *store, const slk_study_config *config,
                         const slk_study_material *m, const slk_model *model, const slk_study_asking *asking,
                         const char *dtype, slk_err *err)
{
    slk_label_set_info *sets = NULL;
    const slk_fact **asked = NULL;
    size_t n_sets = 0, n = 0;
    bool has_own = false;
    slk_status s = slk_store_list_label_sets(store, &sets, &n_sets, err);
    if (s == SLK_OK) s = slk_study_material_asked(m, &asked, &n, err);
    *id = 0;
    *n_open = n;
    for (size_t i = 0; i < n_sets && s == SLK_OK; i++) {
        size_t open;
        if (!asks_the_same(&sets[i].settings, config, m, model, asking, dtype)) continue;
        s = count_open(&open, store, sets[i].id, asked, n, err);
        bool own = is_of_this_machine(&sets[i].settings, model);
        bool better = open == 0 ? *id == 0 || *n_open > 0 || (own && !has_own) : own && *n_open > 0;
        if (s != SLK_OK || !better) continue;
        *id = sets[i].id;
        *n_open = open;
        has_own = own;
    }
    free(sets);
    free(asked);
    return s;
}

slk_status slk_study_find_labels(int64_t *id, size_t *n_open, slk_store *store, const slk_study_config *config,
                                 const slk_study_material *material, const slk_model *model, const char *dtype,
                                 slk_err *err)
{
    slk_study_asking asking;
    size_t n;
    *id = config->labels.id; /* only facts with a label in it were chosen */
    if (n_open) *n_open = 0;
    if (*id) return SLK_OK;
    slk_status s = slk_study_asking_init(&asking, config, err);
    if (s == SLK_OK)
        s = choose(id, n_open ? n_open : &n, store, config, material, model, &asking, dtype, err);
    else
        slk_study_config_fail_in(config, "labels.template", s, err);
    slk_study_asking_release(&asking);
    return s;
}

/* --- probing ------------------------------------------------------------------------------------------------------ */

typedef struct probing {
    slk_store *store;
    const slk_study_config *config;
    const slk_study_material *material;
    const slk_model *model;
    slk_study_asking asking;
    const slk_fact **asked; /* [n] of the part */
    const slk_fact **open;  /* [n_open] of them without a label */
    size_t n, n_open;
    slk_facts pool;
    slk_facts copies; /* asked facts as the exemplars want them; they own nothing */
    slk_exemplars *exemplars;
} probing;

static slk_status make_exemplars(probing *p, slk_err *err)
{
    slk_status s =
        slk_labelling_load_pool(p->store, &p->pool, p->material->set, pool_of(p->config), p->open, p->n_open, err);
    p->copies.items = slk_alloc(p->n_open, sizeof *p->copies.items);
    if (s == SLK_OK && !p->copies.items) s = no_memory(err);
    for (size_t i = 0; s == SLK_OK && i < p->n_open; i++) p->copies.items[p->copies.n++] = *p->open[i];
    if (s == SLK_OK)
        s = slk_exemplars_create(&p->exemplars, &p->pool, &p->copies, p->asking.options.n_ex, p->asking.options.n_shots,
                                 p->asking.options.draws.seed, err);
    return s;
}

/* The facts of the test set among `asked`. */
static size_t keep_tested(const slk_study_material *m, const slk_fact **asked, size_t n)
{
    const slk_study_facts *test = &m->sets[SLK_SET_TEST];
    size_t n_kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (test->n && asked[i] >= test->owned.items && asked[i] < test->owned.items + test->n)
            asked[n_kept++] = asked[i];
    }
    return n_kept;
}

static slk_status probe(probing *p, int64_t id, const slk_progress *progress, slk_err *err)
{
    slk_status s = slk_labelling_find_open(p->store, id, p->asked, p->n, &p->open, &p->n_open, err);
    if (s == SLK_OK && p->n_open > 0) {
        s = make_exemplars(p, err);
        if (s == SLK_OK)
            s = slk_labelling_run(p->store, id, p->model, p->open, p->n_open, p->exemplars, &p->asking.options,
                                  progress, NULL, err);
    }
    if (s != SLK_OK || !p->config->labels.p_true) return s;
    size_t n_tested = keep_tested(p->material, p->asked, p->n);
    return slk_p_true_fill(p->store, id, p->model, p->asked, n_tested, 0, NULL, progress, NULL, err);
}

slk_status slk_study_begin_labels(int64_t *id, slk_store *store, const slk_study_config *config,
                                  const slk_study_material *material, const slk_model *model, slk_err *err)
{
    slk_study_asking asking;
    slk_label_settings settings;
    *id = 0;
    slk_status s = slk_study_asking_init(&asking, config, err);
    if (s == SLK_OK) {
        slk_labelling_describe(&settings, model, &asking.options, config->labels.match, material->set, pool_of(config));
        s = slk_store_begin_label_set(store, id, NULL, &settings, err);
    }
    slk_study_asking_release(&asking);
    return s;
}

slk_status slk_study_probe(int64_t *id, slk_store *store, const slk_study_config *config,
                           const slk_study_material *material, const slk_model *model, size_t shard, size_t n_shards,
                           const slk_progress *progress, slk_err *err)
{
    probing p = {.store = store, .config = config, .material = material, .model = model};
    const slk_fact **all = NULL;
    size_t n = 0;
    if (n_shards == 0) n_shards = 1;
    slk_status s = slk_study_begin_labels(id, store, config, material, model, err);
    if (s == SLK_OK) s = slk_study_asking_init(&p.asking, config, err);
    if (s == SLK_OK) s = slk_study_material_asked(material, &all, &n, err);
    if (s == SLK_OK) {
        size_t begin = n * shard / n_shards, end = n * (shard + 1) / n_shards;
        p.asked = all + begin;
        p.n = end - begin;
        s = probe(&p, *id, progress, err);
    }
    free(all);
    free(p.open);
    free(p.copies.items);
    slk_exemplars_free(p.exemplars);
    slk_facts_release(&p.pool);
    slk_study_asking_release(&p.asking);
    return s;
}

/* --- P(True) ------------------------------------------------------------------------------------------------------ */

slk_status slk_study_measure_p_true(slk_store *store, int64_t id, const slk_study_material *material,
                                    const slk_model *model, const slk_progress *progress, bool *skipped, slk_err *err)
{
    slk_label_set_info info;
    const slk_study_facts *test = &material->sets[SLK_SET_TEST];
    slk_status s = slk_store_find_label_set(store, &info, id, err);
    *skipped = s == SLK_OK && slk_p_true_check(&info.settings, model, NULL) != SLK_OK;
    if (s != SLK_OK || *skipped) return s;
    return slk_p_true_fill(store, id, model, test->items, test->n, 0, NULL, progress, NULL, err);
}

static int compare_p(const void *key, const void *item)
{
    uint64_t a = *(const uint64_t *)key, b = ((const slk_p_true *)item)->fact_id;
    return (a > b) - (a < b);
}

slk_status slk_study_count_p_true(size_t *n_missing, slk_store *store, int64_t id, const slk_study_material *material,
                                  slk_err *err)
{
    const slk_study_facts *test = &material->sets[SLK_SET_TEST];
    slk_p_true *there;
    size_t n;
    *n_missing = 0;
    slk_status s = slk_store_load_p_true(store, id, &there, &n, err);
    for (size_t i = 0; s == SLK_OK && i < test->n; i++)
        *n_missing += !(n && bsearch(&test->items[i]->id, there, n, sizeof *there, compare_p));
    free(there);
    return s;
}
