#include "study/material.h"

#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "data/select.h"
#include "store/facts.h"

static slk_status no_memory(slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "out of memory");
}

/* --- which facts -------------------------------------------------------------------------------------------------- */

/* The set of the file, of its label set, or the newest. */
static slk_status choose_set(slk_study_material *m, slk_store *store, const slk_study_config *config, slk_err *err)
{
    slk_label_set_info labels;
    slk_set_list sets = {0};
    slk_status s = SLK_OK;
    const char *name = config->data.set;
    if (config->labels.id) {
        s = slk_store_find_label_set(store, &labels, config->labels.id, err);
        if (s != SLK_OK) return slk_study_config_fail_in(config, "labels.id", s, err);
        if (name && strcmp(name, labels.settings.set_name) != 0) {
            slk_fail(err, SLK_E_ARG, "label set %lld is of the set '%s', not of '%s'", (long long)config->labels.id,
                     labels.settings.set_name, name);
            return slk_study_config_fail_in(config, "labels.id", SLK_E_ARG, err);
        }
        name = labels.settings.set_name;
    }
    if (!name) s = slk_store_list_sets(store, &sets, err);
    if (s == SLK_OK && !name && sets.n == 0)
        s = slk_fail(err, SLK_E_NOT_FOUND,
                     "%s: no facts in the store, import some first (slick import entityquestions)",
                     slk_store_path(store));
    if (s == SLK_OK) {
        m->set = slk_strdup(name ? name : sets.items[0].name);
        if (!m->set) s = no_memory(err);
    }
    slk_set_list_release(&sets);
    return s;
}

static bool has_word(const slk_study_words *words, const char *word)
{
    for (size_t i = 0; i < words->n; i++) {
        if (strcmp(words->items[i], word) == 0) return true;
    }
    return words->n == 0;
}

static int compare_ids(const void *left, const void *right)
{
    uint64_t x = *(const uint64_t *)left, y = *(const uint64_t *)right;
    return (x > y) - (x < y);
}

/* Which facts a set may have. */
typedef struct filter {
    const slk_study_words *relations;
    bool ood;
    const uint64_t *labelled; /* [n_labelled] ascending; NULL: labelled or not */
    size_t n_labelled;
} filter;

static bool passes(const filter *f, const slk_fact *fact)
{
    if (fact->ood != f->ood || !has_word(f->relations, fact->relation)) return false;
    return !f->labelled || bsearch(&fact->id, f->labelled, f->n_labelled, sizeof fact->id, compare_ids);
}

static void keep(slk_facts *facts, const filter *f)
{
    size_t n = 0;
    for (size_t i = 0; i < facts->n; i++) {
        if (passes(f, &facts->items[i]))
            facts->items[n++] = facts->items[i];
        else
            slk_fact_release(&facts->items[i]);
    }
    facts->n = n;
}

static slk_status take(slk_study_facts *out, slk_store *store, const char *set, slk_split split, const filter *f,
                       int64_t limit, uint64_t seed, slk_err *err)
{
    slk_status s = slk_store_load_facts(store, &out->owned, set, (int)split, NULL, 0, err);
    if (s != SLK_OK) return s;
    keep(&out->owned, f);
    if (limit == 0) slk_facts_release(&out->owned);
    if (out->owned.n > 0 && limit > 0) {
        slk_selection selection;
        slk_selection_init(&selection);
        selection.limit = (size_t)limit;
        selection.seed = seed;
        s = slk_facts_select(&out->owned, &selection, err);
    }
    out->n = out->owned.n;
    out->items = slk_alloc(out->n, sizeof *out->items);
    out->categories = slk_alloc(out->n, sizeof *out->categories);
    if (s == SLK_OK && (!out->items || !out->categories)) s = no_memory(err);
    for (size_t i = 0; i < out->n && s == SLK_OK; i++) {
        out->items[i] = &out->owned.items[i];
        out->categories[i] = -1;
    }
    return s;
}

/* Every relation that the file names must be one of the set's. */
static slk_status check_relations(const slk_study_material *m, slk_store *store, const slk_study_config *config,
                                  slk_err *err)
{
    slk_relation_counts counts = {0};
    slk_status s = slk_store_count_facts(store, &counts, m->set, err);
    if (s != SLK_OK) return slk_study_config_fail_in(config, "data.set", s, err);
    for (size_t i = 0; i < config->data.relations.n && s == SLK_OK; i++) {
        bool found = false;
        for (size_t j = 0; j < counts.n && !found; j++)
            found = strcmp(counts.items[j].relation, config->data.relations.items[i]) == 0;
        if (found) continue;
        slk_fail(err, SLK_E_NOT_FOUND, "the set '%s' has no relation '%s' (slick facts lists them)", m->set,
                 config->data.relations.items[i]);
        s = slk_study_config_fail_in(config, "data.relations", SLK_E_NOT_FOUND, err);
    }
    slk_relation_counts_release(&counts);
    return s;
}

static slk_status check_size(const slk_study_material *m, const slk_study_config *config, slk_study_set set,
                             const char *key, slk_err *err)
{
    if (m->sets[set].n > 0) return SLK_OK;
    slk_fail(err, SLK_E_ARG, "the set '%s' has no such facts%s%s", m->set,
             config->data.relations.n ? " of these relations" : "",
             config->labels.id && set != SLK_SET_DEV ? " with a label" : "");
    return slk_study_config_fail_in(config, key, SLK_E_ARG, err);
}

slk_status slk_study_material_load(slk_study_material *m, slk_store *store, const slk_study_config *config,
                                   slk_err *err)
{
    memset(m, 0, sizeof *m);
    uint64_t *labelled = NULL, seed = (uint64_t)config->labels.seed;
    size_t n_labelled = 0;
    slk_status s = choose_set(m, store, config, err);
    if (s == SLK_OK) s = check_relations(m, store, config, err);
    if (s == SLK_OK && config->labels.id)
        s = slk_store_load_label_ids(store, config->labels.id, &labelled, &n_labelled, err);
    const filter any = {.relations = &config->data.relations},
                 asked = {&config->data.relations, false, labelled, n_labelled},
                 ood = {&config->data.relations, true, labelled, n_labelled};
    if (s == SLK_OK)
        s = take(&m->sets[SLK_SET_TRAIN], store, m->set, SLK_SPLIT_TRAIN, &asked, config->data.train, seed, err);
    if (s == SLK_OK) s = take(&m->sets[SLK_SET_DEV], store, m->set, SLK_SPLIT_DEV, &any, config->data.dev, seed, err);
    if (s == SLK_OK)
        s = take(&m->sets[SLK_SET_TEST], store, m->set, SLK_SPLIT_TEST, &asked, config->data.test, seed, err);
    if (s == SLK_OK) s = take(&m->sets[SLK_SET_OOD], store, m->set, SLK_SPLIT_TEST, &ood, config->data.ood, seed, err);
    free(labelled);
    if (s == SLK_OK) s = check_size(m, config, SLK_SET_TRAIN, "data.train", err);
    if (s == SLK_OK) s = check_size(m, config, SLK_SET_DEV, "data.dev", err);
    return s == SLK_OK ? check_size(m, config, SLK_SET_TEST, "data.test", err) : s;
}

void slk_study_material_release(slk_study_material *m)
{
    for (int k = 0; k < SLK_N_STUDY_SETS; k++) {
        slk_facts_release(&m->sets[k].owned);
        free(m->sets[k].items);
        free(m->sets[k].categories);
    }
    free(m->set);
    memset(m, 0, sizeof *m);
}

/* --- categories --------------------------------------------------------------------------------------------------- */

typedef struct labelled_fact {
    uint64_t id;
    int8_t category;
    bool unlabelable;
} labelled_fact;

static slk_status load_categories(labelled_fact **out, size_t *n, slk_store *store, const slk_label_set_info *info,
                                  slk_err *err)
{
    slk_label_cursor *cursor;
    size_t cap = 0;
    bool more = true;
    slk_status s = slk_store_open_labels(&cursor, store, info->id, false, err);
    while (s == SLK_OK) {
        slk_label label;
        s = slk_label_cursor_next(cursor, &label, &more, err);
        if (s != SLK_OK || !more) break;
        slk_category category = slk_label_category(&label, info->settings.n_ex, info->settings.n_samples);
        if (slk_grow(out, &cap, *n + 1, sizeof **out))
            (*out)[(*n)++] = (labelled_fact){
                .id = label.fact_id,
                .category = (int8_t)(category < SLK_N_CATEGORIES ? (int)category : -1),
                .unlabelable = label.unlabelable,
            };
        else
            s = no_memory(err);
        slk_label_release(&label);
    }
    slk_label_cursor_close(cursor);
    if (s == SLK_OK && *n > 1) qsort(*out, *n, sizeof **out, compare_ids); /* the identity comes first */
    return s;
}

slk_status slk_study_material_label(slk_study_material *m, slk_store *store, int64_t label_set, slk_err *err)
{
    labelled_fact *labels = NULL;
    size_t n = 0;
    slk_status s = slk_store_find_label_set(store, &m->labels, label_set, err);
    if (s == SLK_OK) s = load_categories(&labels, &n, store, &m->labels, err);
    for (int k = 0; k < SLK_N_STUDY_SETS && s == SLK_OK; k++) {
        slk_study_facts *set = &m->sets[k];
        if (k == SLK_SET_DEV) continue;
        set->n_labelled = set->n_unlabelable = 0;
        for (size_t i = 0; i < set->n; i++) {
            const labelled_fact *found = n ? bsearch(&set->items[i]->id, labels, n, sizeof *labels, compare_ids) : NULL;
            set->categories[i] = found ? found->category : -1;
            set->n_labelled += found != NULL;
            set->n_unlabelable += found && found->unlabelable;
        }
    }
    free(labels);
    return s;
}

slk_status slk_study_material_asked(const slk_study_material *m, const slk_fact ***facts, size_t *n, slk_err *err)
{
    static const slk_study_set order[] = {SLK_SET_TRAIN, SLK_SET_TEST, SLK_SET_OOD};
    *n = 0;
    *facts = slk_alloc(m->sets[SLK_SET_TRAIN].n + m->sets[SLK_SET_TEST].n + m->sets[SLK_SET_OOD].n, sizeof **facts);
    if (!*facts) return no_memory(err);
    for (size_t k = 0; k < sizeof order / sizeof *order; k++) {
        const slk_study_facts *set = &m->sets[order[k]];
        for (size_t i = 0; i < set->n; i++) (*facts)[(*n)++] = set->items[i];
    }
    return SLK_OK;
}

uint64_t slk_study_facts_hash(const slk_study_facts *facts)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < facts->n; i++) {
        uint64_t id = facts->items[i]->id;
        hash = slk_hash_more(hash, &id, sizeof id);
        hash = slk_hash_more(hash, &facts->categories[i], 1);
    }
    return hash;
}
