/* The public C API over SliCK: facts in, labels out, without a store. */
#include <stdlib.h>
#include <string.h>
#include "api/internal.h"
#include "base/fact.h"
#include "base/label.h"
#include "base/mem.h"
#include "data/record.h"
#include "know/exemplars.h"
#include "know/probe.h"
#include "know/prompt.h"

static slk_status out_of_memory(slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "out of memory");
}

void slk_lm_label_options_init(slk_lm_label_options *options)
{
    *options = (slk_lm_label_options){
        .n_ex = 10, .n_shots = 4, .n_samples = 16, .temperature = 0.5, .top_k = 40, .max_tokens = 32, .match = "em"};
}

/* Where a fact of the caller went: sorted by identity, then by place. */
typedef struct place {
    uint64_t id;
    size_t index;
} place;

typedef struct labeller {
    const slk_lm_label_options *options;
    slk_facts facts, pool;
    slk_exemplars *exemplars;
    slk_template *template_;
    place *places;          /* [facts.n] */
    const slk_fact **asked; /* [n_asked] one of each identity */
    size_t n_asked;
    slk_lm_on_label *on_label;
    void *user;
} labeller;

/* --- facts of the caller -------------------------------------------------------------------------------------------
 */

static slk_status add_value(slk_record *record, slk_field field, const char *text, slk_err *err)
{
    return text ? slk_record_add(record, field, text, strlen(text), err) : SLK_OK;
}

static slk_status add_list(slk_record *record, slk_field field, const char *const *texts, size_t n, slk_err *err)
{
    slk_status s = SLK_OK;
    for (size_t i = 0; i < n && s == SLK_OK; i++) {
        if (!texts || !texts[i])
            s = slk_fail(err, SLK_E_FORMAT, "%s:%ld: %s %zu is NULL", record->name, record->line, slk_field_name(field),
                         i);
        else
            s = add_value(record, field, texts[i], err);
    }
    return s;
}

/* The way an imported line goes, so that the same fact has the same identity. */
static slk_status copy_facts(slk_facts *out, const slk_lm_fact *facts, size_t n, const char *name, slk_err *err)
{
    slk_record record = {.name = name};
    slk_record_defaults defaults = {.split = SLK_SPLIT_TEST};
    slk_status s = SLK_OK;
    for (size_t i = 0; i < n && s == SLK_OK; i++) {
        slk_fact fact = {0};
        slk_record_begin(&record, (long)i + 1);
        s = add_value(&record, SLK_FIELD_QUESTION, facts[i].question, err);
        if (s == SLK_OK) s = add_list(&record, SLK_FIELD_ANSWERS, facts[i].answers, facts[i].n_answers, err);
        if (s == SLK_OK) s = add_list(&record, SLK_FIELD_ALIASES, facts[i].aliases, facts[i].n_aliases, err);
        if (s == SLK_OK) s = add_value(&record, SLK_FIELD_RELATION, facts[i].relation, err);
        if (s == SLK_OK) s = add_value(&record, SLK_FIELD_SUBJECT, facts[i].subject, err);
        if (s == SLK_OK) s = slk_record_finish(&fact, &record, &defaults, err);
        if (s == SLK_OK && !slk_facts_push(out, &fact)) s = out_of_memory(err);
        slk_fact_release(&fact);
    }
    slk_record_release(&record);
    return s;
}

static int compare_places(const void *left, const void *right)
{
    const place *x = left, *y = right;
    if (x->id != y->id) return x->id < y->id ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static slk_status find_asked(labeller *l, slk_err *err)
{
    l->places = slk_alloc(l->facts.n, sizeof *l->places);
    l->asked = slk_alloc(l->facts.n, sizeof *l->asked);
    if (!l->places || !l->asked) return out_of_memory(err);
    for (size_t i = 0; i < l->facts.n; i++) l->places[i] = (place){l->facts.items[i].id, i};
    qsort(l->places, l->facts.n, sizeof *l->places, compare_places);
    for (size_t i = 0; i < l->facts.n; i++) {
        if (i == 0 || l->places[i].id != l->places[i - 1].id)
            l->asked[l->n_asked++] = &l->facts.items[l->places[i].index];
    }
    return SLK_OK;
}

/* --- options -------------------------------------------------------------------------------------------------------
 */

static slk_status check_count(const char *name, unsigned n, unsigned least, unsigned most, slk_err *err)
{
    if (n >= least && n <= most) return SLK_OK;
    return slk_fail(err, SLK_E_ARG, "label: %s is %u, expected %u to %u", name, n, least, most);
}

static slk_status read_options(slk_probe_options *out, labeller *l, slk_err *err)
{
    const slk_lm_label_options *o = l->options;
    slk_status s = slk_api_check_draws("label", o->temperature, o->top_k, o->max_tokens, err);
    if (s == SLK_OK) s = check_count("n_ex", o->n_ex, 1, SLK_MAX_EX, err);
    if (s == SLK_OK) s = check_count("n_shots", o->n_shots, 0, 64, err);
    if (s == SLK_OK) s = check_count("n_samples", o->n_samples, 0, 1000, err);
    if (s == SLK_OK) s = slk_api_check_match(&out->match, "label", o->match, err);
    if (s == SLK_OK && o->prompt_format)
        s = slk_template_parse(&l->template_, o->prompt_format, strlen(o->prompt_format), "prompt_format", err);
    else if (s == SLK_OK)
        s = slk_template_create(&l->template_, err);
    out->n_ex = o->n_ex;
    out->n_shots = o->n_shots;
    out->template = l->template_;
    out->draws = (slk_draws){.seed = o->seed,
                             .n_samples = (int)o->n_samples,
                             .temperature = o->temperature,
                             .top_k = o->top_k,
                             .n_max_tokens = o->max_tokens,
                             .decode = o->decode_greedy ? SLK_DECODE_GREEDY : SLK_DECODE_NONE};
    return s;
}

/* --- labels --------------------------------------------------------------------------------------------------------
 */

static slk_status report(void *user, slk_label *label, slk_err *err)
{
    labeller *l = user;
    unsigned n_ex = l->options->n_ex, n_samples = l->options->n_samples;
    slk_lm_label out = {.category = slk_label_category(label, n_ex, n_samples), .p_gold = slk_label_p_gold(label)};
    slk_label_shares(label, n_ex, n_samples, &out.p_greedy, &out.p_sampled);
    if (label->n_answers > 0 && label->answers[0].prompt == 0 && label->answers[0].draw == -1)
        out.answer = label->answers[0].text;
    size_t low = 0, high = l->facts.n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (l->places[middle].id < label->fact_id)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < l->facts.n && l->places[low].id == label->fact_id; low++) {
        if (!l->on_label(l->user, l->places[low].index, &out)) return slk_fail(err, SLK_E_INTERRUPTED, "stopped");
    }
    return SLK_OK;
}

slk_status slk_lm_label_facts(slk_lm *lm, const slk_lm_fact *facts, size_t n_facts, const slk_lm_fact *pool,
                              size_t n_pool, const slk_lm_label_options *options, slk_lm_on_label *on_label, void *user,
                              slk_err *err)
{
    slk_lm_label_options defaults;
    slk_lm_label_options_init(&defaults);
    labeller l = {.options = options ? options : &defaults, .on_label = on_label, .user = user};
    slk_probe_options probe = {0};
    if (!on_label) return slk_fail(err, SLK_E_ARG, "label: no callback");
    slk_status s = read_options(&probe, &l, err);
    if (s == SLK_OK) s = copy_facts(&l.facts, facts, n_facts, "facts", err);
    if (s == SLK_OK && pool) s = copy_facts(&l.pool, pool, n_pool, "pool", err);
    if (s == SLK_OK) s = find_asked(&l, err);
    if (s == SLK_OK && n_facts > 0) {
        s = slk_exemplars_create(&l.exemplars, pool ? &l.pool : &l.facts, &l.facts, probe.n_ex, probe.n_shots,
                                 probe.draws.seed, err);
    }
    if (s == SLK_OK && n_facts > 0)
        s = slk_probe_run(lm->model, l.asked, l.n_asked, l.exemplars, &probe, report, &l, NULL, NULL, err);
    slk_exemplars_free(l.exemplars);
    slk_template_free(l.template_);
    free(l.places);
    free(l.asked);
    slk_facts_release(&l.facts);
    slk_facts_release(&l.pool);
    return s;
}
