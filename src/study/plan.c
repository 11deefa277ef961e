#include "study/plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

static slk_status no_memory(slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "out of memory");
}

/* --- variants ----------------------------------------------------------------------------------------------------- */

static void add_shares(slk_study_plan *p, slk_mix_kind kind, const slk_study_reals *percents)
{
    for (size_t i = 0; i < percents->n; i++)
        p->variants[p->n_variants++] = (slk_mix_variant){.kind = kind, .unknown = percents->items[i] / 100};
}

static slk_status list_variants(slk_study_plan *p, slk_err *err)
{
    const slk_study_config *c = p->config;
    size_t n = c->variants.unknown.n + c->variants.known_of.n + c->variants.only.n + c->variants.idk.n + 1;
    p->variants = slk_alloc(n, sizeof *p->variants);
    if (!p->variants) return no_memory(err);
    add_shares(p, SLK_MIX_UNKNOWN, &c->variants.unknown);
    add_shares(p, SLK_MIX_KNOWN, &c->variants.known_of);
    for (size_t i = 0; i < c->variants.only.n; i++)
        p->variants[p->n_variants++] = (slk_mix_variant){
            .kind = SLK_MIX_ONLY, .category = (slk_category)slk_category_parse(c->variants.only.items[i])};
    if (c->variants.natural) p->variants[p->n_variants++] = (slk_mix_variant){.kind = SLK_MIX_NATURAL};
    add_shares(p, SLK_MIX_IDK, &c->variants.idk);
    return SLK_OK;
}

/* Pools that size D, as bits. All facts together are never the smallest pool, so `natural` changes nothing. */
static unsigned needed_pools(const slk_study_plan *p)
{
    unsigned pools = 0;
    for (size_t i = 0; i < p->n_variants; i++) {
        const slk_mix_variant *v = &p->variants[i];
        if (v->kind == SLK_MIX_ONLY)
            pools |= 1u << v->category;
        else if (v->kind != SLK_MIX_NATURAL)
            pools |= 1u << SLK_MIX_POOL_KNOWN | 1u << SLK_UNKNOWN;
    }
    return pools ? pools : 1u << SLK_MIX_POOL_ALL;
}

static slk_status list_runs(slk_study_plan *p, slk_err *err)
{
    const slk_study_config *c = p->config;
    p->runs = slk_alloc_zero(c->seeds.n * c->learning_rates.n * p->n_variants, sizeof *p->runs);
    if (!p->runs) return no_memory(err);
    for (size_t s = 0; s < c->seeds.n; s++) {
        for (size_t l = 0; l < c->learning_rates.n; l++) {
            for (size_t i = 0; i < p->n_variants; i++) {
                const slk_mix_variant *v = &p->variants[i];
                slk_study_run *run = &p->runs[p->n_runs++];
                bool has_share = v->kind != SLK_MIX_ONLY && v->kind != SLK_MIX_NATURAL;
                slk_mix_variant_name(run->variant, v);
                snprintf(run->kind, sizeof run->kind, "%s", slk_mix_kind_name(v->kind));
                if (v->kind == SLK_MIX_ONLY)
                    snprintf(run->category, sizeof run->category, "%s", slk_category_name(v->category));
                run->unknown = has_share ? v->unknown : -1;
                run->seed = (uint64_t)c->seeds.items[s];
                run->lr = c->learning_rates.items[l];
                run->early_epoch = run->last_epoch = -1;
            }
        }
    }
    return SLK_OK;
}

/* --- description -------------------------------------------------------------------------------------------------- */

static json_t *hash_json(uint64_t hash)
{
    char text[24];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
    return json_string(text);
}

static json_t *facts_json(const slk_study_material *m)
{
    json_t *out = json_pack("{s:s}", "set", m->set);
    for (int k = 0; out && k < SLK_N_STUDY_SETS; k++) {
        const char *name = k == SLK_SET_TRAIN ? "pool" : slk_study_set_name((slk_study_set)k);
        json_object_set_new(out, name,
                            json_pack("{s:I, s:o}", "n", (json_int_t)m->sets[k].n, "hash",
                                      hash_json(slk_study_facts_hash(&m->sets[k]))));
    }
    return out;
}

static json_t *words_json(const slk_study_words *words)
{
    json_t *out = json_array();
    for (size_t i = 0; out && i < words->n; i++) json_array_append_new(out, json_string(words->items[i]));
    return out;
}

static int compare_ints(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* Ascending: an order in the file decides nothing. */
static json_t *ints_json(const slk_study_ints *list)
{
    json_t *out = json_array();
    int64_t *sorted = slk_alloc(list->n, sizeof *sorted);
    if (sorted && list->n) memcpy(sorted, list->items, list->n * sizeof *sorted);
    if (sorted && list->n) qsort(sorted, list->n, sizeof *sorted, compare_ints);
    for (size_t i = 0; sorted && i < list->n; i++) json_array_append_new(out, json_integer(sorted[i]));
    free(sorted);
    return out;
}

static json_t *training_json(const slk_study_config *c)
{
    json_t *out = json_pack("{s:I, s:f, s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:o}", "batch",
                            (json_int_t)c->training.batch, "dropout", c->training.dropout, "schedule",
                            c->training.schedule, "warmup", (json_int_t)c->training.warmup, "weight_decay",
                            c->training.weight_decay, "clip", c->training.clip, "beta1", c->training.beta1, "beta2",
                            c->training.beta2, "eps", c->training.eps, "freeze", words_json(&c->training.freeze));
    if (!out || c->training.lora_rank == 0) return out;
    double alpha = c->training.lora_alpha > 0 ? c->training.lora_alpha : 2.0 * (double)c->training.lora_rank;
    json_object_set_new(out, "lora",
                        json_pack("{s:I, s:f, s:f, s:o}", "rank", (json_int_t)c->training.lora_rank, "alpha", alpha,
                                  "dropout", c->training.lora_dropout, "targets",
                                  words_json(&c->training.lora_targets)));
    return out;
}

static slk_status describe(slk_study_plan *p, slk_err *err)
{
    const slk_study_config *c = p->config;
    json_t *pools = json_array();
    unsigned needed = needed_pools(p);
    for (int pool = 0; pool < SLK_MIX_N_POOLS; pool++) {
        if (needed >> pool & 1) json_array_append_new(pools, json_string(slk_mix_pool_name(pool)));
    }
    json_t *description =
        json_pack("{s:i, s:o, s:{s:I, s:o}, s:o, s:I, s:I, s:o, s:o}", "format", 1, "facts", facts_json(p->material),
                  "d", "size", (json_int_t)c->size, "pools", pools, "instruction",
                  hash_json(slk_instruction_hash(p->instruction)), "epochs", (json_int_t)c->epochs, "patience",
                  (json_int_t)c->patience, "evaluate", ints_json(&c->evaluate), "training", training_json(c));
    if (description &&
        c->evaluate_dev.n) /* unlike the description of studies that were begun before there was the key */
        json_object_set_new(description, "evaluate_dev", ints_json(&c->evaluate_dev));
    json_t *shown = json_pack("{s:o}", "durations", ints_json(&c->durations));
    p->description = description ? json_dumps(description, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    p->shown = shown ? json_dumps(shown, JSON_COMPACT) : NULL;
    json_decref(description);
    json_decref(shown);
    return p->description && p->shown ? SLK_OK : no_memory(err);
}

/* --- D ------------------------------------------------------------------------------------------------------------ */

static slk_status plan_mix(slk_mix_plan **out, const slk_study_plan *p, uint64_t seed, slk_err *err)
{
    const slk_study_facts *pool = &p->material->sets[SLK_SET_TRAIN];
    return slk_mix_plan_create(out, pool->items, pool->categories, pool->n, p->variants, p->n_variants,
                               (size_t)p->config->size, seed, err);
}

static slk_status note_left_out(slk_study_plan *p, const slk_mix_plan *mix, slk_err *err)
{
    slk_buf text = {0};
    slk_buf_add_str(&text, "");
    for (size_t i = 0; i < mix->n_relations; i++) {
        const slk_mix_relation *r = &mix->relations[i];
        if (!r->lacks) continue;
        slk_buf_addf(&text, "%s%s (no", text.len ? ", " : "", r->name[0] ? r->name : "facts without a relation");
        for (int pool = 0; pool < SLK_MIX_N_POOLS; pool++) {
            if (r->lacks >> pool & 1) slk_buf_addf(&text, " %s", slk_mix_pool_name(pool));
        }
        slk_buf_add_str(&text, ")");
    }
    p->n_left_out = mix->n_left_out;
    p->left_out = slk_buf_take(&text);
    return p->left_out ? SLK_OK : no_memory(err);
}

/* What no seed changes: sizes, and whether each variant can be drawn. */
static slk_status check_variants(slk_study_plan *p, slk_err *err)
{
    slk_mix_plan *mix;
    slk_status s = plan_mix(&mix, p, 0, err);
    const char *key = p->config->size ? "size" : "variants";
    if (s == SLK_OK) {
        p->size = mix->size;
        p->rule_size = mix->rule_size;
        s = note_left_out(p, mix, err);
    }
    for (size_t i = 0; i < p->n_variants && s == SLK_OK; i++) {
        slk_mix drawn;
        char name[SLK_MIX_NAME_BYTES];
        slk_mix_variant_name(name, &p->variants[i]);
        s = slk_mix_draw(&drawn, mix, &p->variants[i], err);
        if (s == SLK_OK)
            slk_mix_release(&drawn);
        else
            slk_fail_in(err, s, "%s", name);
    }
    slk_mix_plan_free(mix);
    return s == SLK_OK || s == SLK_E_MEMORY ? s : slk_study_config_fail_in(p->config, key, s, err);
}

slk_status slk_study_draw(slk_study_examples *out, const slk_study_plan *plan, const slk_study_run *run, slk_err *err)
{
    const slk_study_facts *pool = &plan->material->sets[SLK_SET_TRAIN];
    slk_mix_variant variant;
    slk_mix_plan *mix = NULL;
    slk_mix drawn = {0};
    memset(out, 0, sizeof *out);
    slk_status s = slk_mix_variant_parse(&variant, run->variant, err);
    if (s == SLK_OK) s = plan_mix(&mix, plan, run->seed, err);
    if (s == SLK_OK) s = slk_mix_draw(&drawn, mix, &variant, err);
    if (s == SLK_OK) {
        out->items = slk_alloc(drawn.n, sizeof *out->items);
        out->set = slk_alloc_zero(drawn.n, sizeof *out->set);
        out->idk.items = slk_alloc(drawn.n, sizeof *out->idk.items); /* they stay where they are */
        out->idk.cap = drawn.n;
        if (!out->items || !out->set || !out->idk.items) s = no_memory(err);
    }
    for (size_t i = 0; i < drawn.n && s == SLK_OK; i++) {
        const slk_fact *fact = pool->items[drawn.index[i]];
        out->set[i] = (slk_set_fact){fact->id, pool->categories[drawn.index[i]], drawn.idk[i]};
        out->items[out->n++] = fact;
        if (!drawn.idk[i]) continue;
        slk_fact *copy = &out->idk.items[out->idk.n];
        char *answer = slk_strdup(SLK_MIX_IDK_ANSWER);
        if (!answer || !slk_fact_copy(copy, fact)) {
            free(answer);
            s = no_memory(err);
            break;
        }
        for (size_t k = 0; k < copy->n_answers; k++) free(copy->answers[k]);
        for (size_t k = 0; k < copy->n_aliases; k++) free(copy->aliases[k]);
        copy->answers[0] = answer;
        copy->n_answers = 1;
        copy->n_aliases = 0;
        out->items[i] = copy; /* the identity stays that of the fact: it keys the order and dropout */
        out->idk.n++;
    }
    slk_mix_release(&drawn);
    slk_mix_plan_free(mix);
    return s;
}

void slk_study_examples_release(slk_study_examples *examples)
{
    slk_facts_release(&examples->idk);
    free(examples->items);
    free(examples->set);
    memset(examples, 0, sizeof *examples);
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

slk_status slk_study_plan_make(slk_study_plan *p, const slk_study_config *config, const slk_study_material *material,
                               slk_err *err)
{
    memset(p, 0, sizeof *p);
    p->config = config;
    p->material = material;
    slk_status s = config->instruction ? slk_instruction_open(&p->instruction, config->instruction, err)
                                       : slk_instruction_create(&p->instruction, err);
    if (s != SLK_OK) return s;
    s = list_variants(p, err);
    if (s == SLK_OK) s = list_runs(p, err);
    if (s == SLK_OK) s = check_variants(p, err);
    return s == SLK_OK ? describe(p, err) : s;
}

void slk_study_plan_release(slk_study_plan *p)
{
    slk_instruction_free(p->instruction);
    free(p->variants);
    free(p->runs);
    free(p->description);
    free(p->shown);
    free(p->left_out);
    memset(p, 0, sizeof *p);
}

size_t slk_study_plan_n_epochs(const slk_study_plan *plan)
{
    return plan->n_runs * (size_t)plan->config->epochs;
}
