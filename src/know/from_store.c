#include "know/from_store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "data/select.h"
#include "store/facts.h"

/* --- the label set ------------------------------------------------------------------------------------------------ */

static bool fits(const slk_label_settings *s, const slk_pick *pick)
{
    if (pick->set && strcmp(pick->set, s->set_name) != 0) return false;
    return pick->model_hash == 0 || (s->model_hash == pick->model_hash && s->adapter_hash == 0);
}

/* info->id 0: none. */
static slk_status choose_labels(slk_label_set_info *info, slk_store *store, const slk_pick *pick, slk_err *err)
{
    *info = (slk_label_set_info){0};
    if (pick->labels == SLK_LABELS_NONE) return SLK_OK;
    if (pick->labels != SLK_LABELS_NEWEST) {
        slk_status s = slk_store_find_label_set(store, info, pick->labels, err);
        if (s == SLK_OK && pick->set && strcmp(pick->set, info->settings.set_name) != 0)
            return slk_fail(err, SLK_E_ARG, "%s: label set %" PRId64 " is one of fact set '%s', expected one of '%s'",
                            slk_store_path(store), info->id, info->settings.set_name, pick->set);
        return s;
    }
    slk_label_set_info *sets;
    size_t n;
    slk_status s = slk_store_list_label_sets(store, &sets, &n, err);
    if (s != SLK_OK) return s;
    for (size_t i = 0; i < n && info->id == 0; i++) {
        if (fits(&sets[i].settings, pick)) *info = sets[i];
    }
    free(sets);
    return SLK_OK;
}

/* Name of the fact set; free() it. */
static slk_status choose_set(char **out, const slk_label_set_info *info, slk_store *store, const slk_pick *pick,
                             slk_err *err)
{
    slk_set_list sets = {0};
    slk_status s = SLK_OK;
    const char *name = pick->set ? pick->set : info->id ? info->settings.set_name : NULL;
    *out = NULL;
    if (!name) {
        s = slk_store_list_sets(store, &sets, err);
        if (s == SLK_OK && sets.n == 0)
            s = slk_fail(err, SLK_E_NOT_FOUND, "%s: no facts in the store (slick import)", slk_store_path(store));
        if (s == SLK_OK) name = sets.items[0].name;
    }
    if (s == SLK_OK) {
        *out = slk_strdup(name);
        if (!*out) s = slk_fail(err, SLK_E_MEMORY, "out of memory");
    }
    slk_set_list_release(&sets);
    return s;
}

/* --- categories --------------------------------------------------------------------------------------------------- */

typedef struct entry {
    uint64_t id;
    slk_category category;
} entry;

typedef struct categories {
    entry *items; /* [n] by id */
    size_t n, cap;
} categories;

static int compare_entries(const void *left, const void *right)
{
    uint64_t x = ((const entry *)left)->id, y = ((const entry *)right)->id;
    return (x > y) - (x < y);
}

static slk_status load_categories(categories *out, slk_store *store, int64_t label_set, slk_err *err)
{
    slk_label_cursor *cursor;
    slk_status s = slk_store_open_labels(&cursor, store, label_set, false, err);
    for (bool more = true; s == SLK_OK && more;) {
        slk_label label;
        s = slk_label_cursor_next(cursor, &label, &more, err);
        if (s != SLK_OK || !more) break;
        entry e = {label.fact_id, slk_label_category(&label, label.n_ex, label.n_samples)};
        slk_label_release(&label);
        if (slk_grow(&out->items, &out->cap, out->n + 1, sizeof *out->items))
            out->items[out->n++] = e;
        else
            s = slk_fail(err, SLK_E_MEMORY, "out of memory");
    }
    slk_label_cursor_close(cursor);
    if (out->n) qsort(out->items, out->n, sizeof *out->items, compare_entries);
    return s;
}

static int find_category(const categories *c, uint64_t id)
{
    const entry key = {.id = id}, *found = c->n ? bsearch(&key, c->items, c->n, sizeof key, compare_entries) : NULL;
    return found && found->category != SLK_UNLABELABLE ? (int)found->category : -1;
}

/* --- facts -------------------------------------------------------------------------------------------------------- */

static slk_status narrow(slk_facts *facts, const categories *c, const slk_pick *pick, slk_err *err)
{
    size_t n = 0;
    for (size_t i = 0; i < facts->n; i++) {
        slk_fact *f = &facts->items[i];
        bool keep = pick->ood == SLK_PICK_BOTH || f->ood == (pick->ood == SLK_PICK_OUT);
        if (keep && (!pick->labelled_only || find_category(c, f->id) >= 0))
            facts->items[n++] = *f;
        else
            slk_fact_release(f);
    }
    facts->n = n;
    if (n == 0 || pick->limit == 0) return SLK_OK;
    slk_selection selection;
    slk_selection_init(&selection);
    selection.limit = pick->limit;
    selection.seed = pick->seed;
    return slk_facts_select(facts, &selection, err);
}

static slk_status add_all(slk_examples *out, slk_facts *facts, const categories *c, slk_err *err)
{
    slk_status s = SLK_OK;
    for (size_t i = 0; i < facts->n && s == SLK_OK; i++)
        s = slk_examples_add(out, &facts->items[i], find_category(c, facts->items[i].id), 0, err);
    return s == SLK_OK ? slk_examples_finish(out, err) : s;
}

slk_status slk_examples_from_store(slk_examples *out, slk_label_set_info *info, slk_store *store, const slk_pick *pick,
                                   slk_err *err)
{
    slk_label_set_info own;
    slk_facts facts = {0};
    categories c = {0};
    char *set = NULL;
    *out = (slk_examples){0};
    if (!info) info = &own;
    slk_status s = choose_labels(info, store, pick, err);
    if (s == SLK_OK) s = choose_set(&set, info, store, pick, err);
    if (s == SLK_OK) s = slk_store_load_facts(store, &facts, set, pick->split, pick->relations, pick->n_relations, err);
    if (s == SLK_OK && info->id) s = load_categories(&c, store, info->id, err);
    if (s == SLK_OK) s = narrow(&facts, &c, pick, err);
    if (s == SLK_OK) s = slk_examples_begin(out, slk_store_path(store), err);
    if (s == SLK_OK) s = add_all(out, &facts, &c, err);
    if (s != SLK_OK) slk_examples_release(out);
    slk_facts_release(&facts);
    free(c.items);
    free(set);
    return s;
}
