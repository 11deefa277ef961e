#include "label_walk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "store/facts.h"

static int compare_ids(const void *a, const void *b)
{
    const slk_fact *x = *(const slk_fact *const *)a, *y = *(const slk_fact *const *)b;
    return (x->id > y->id) - (x->id < y->id);
}

static const slk_fact **sort_by_id(const slk_facts *facts)
{
    const slk_fact **index = slk_alloc(facts->n, sizeof *index);
    if (!index) return NULL;
    for (size_t i = 0; i < facts->n; i++) index[i] = &facts->items[i];
    qsort(index, facts->n, sizeof *index, compare_ids);
    return index;
}

static const slk_fact *find_fact(const slk_fact *const *index, size_t n, uint64_t id)
{
    slk_fact wanted = {.id = id};
    const slk_fact *key = &wanted;
    const slk_fact *const *found = bsearch(&key, index, n, sizeof *index, compare_ids);
    return found ? *found : NULL;
}

static slk_status walk(slk_store *store, const slk_label_set_info *info, const slk_fact *const *index, size_t n_facts,
                       bool with_answers, slk_label_visit *visit, void *user, slk_err *err)
{
    slk_label_cursor *cursor = NULL;
    slk_status status = slk_store_open_labels(&cursor, store, info->id, with_answers, err);
    size_t n_visited = 0;
    while (status == SLK_OK) {
        slk_label label;
        bool more;
        status = slk_label_cursor_next(cursor, &label, &more, err);
        if (status != SLK_OK || !more) break;
        const slk_fact *fact = find_fact(index, n_facts, label.fact_id);
        if (fact) status = visit(user, fact, &label, err);
        n_visited += fact != NULL;
        slk_label_release(&label);
    }
    slk_label_cursor_close(cursor);
    if (status == SLK_OK && n_visited == 0)
        return slk_fail(err, SLK_E_NOT_FOUND, "%s: label set %" PRId64 " has no labels of such facts",
                        slk_store_path(store), info->id);
    return status;
}

slk_status slk_cli_walk_labels(slk_store *store, const slk_label_set_info *info, const slk_label_filter *filter,
                               bool with_answers, slk_label_visit *visit, void *user, slk_err *err)
{
    slk_facts facts = {0};
    slk_status status = slk_store_load_facts(store, &facts, info->settings.set_name, filter->split,
                                             (const char *const *)filter->relations->items, filter->relations->n, err);
    if (status) return status;
    const slk_fact **index = sort_by_id(&facts);
    status = index ? walk(store, info, index, facts.n, with_answers, visit, user, err)
                   : slk_fail(err, SLK_E_MEMORY, "out of memory");
    free(index);
    slk_facts_release(&facts);
    return status;
}

size_t slk_cli_distinct_answers(slk_seen *seen, const slk_label *label, unsigned n_ex, unsigned n_samples)
{
    size_t n = 0;
    for (size_t i = 0; i < label->n_answers; i++) {
        const slk_answer *a = &label->answers[i];
        if (a->prompt >= n_ex || (a->draw >= 0 && (unsigned)a->draw >= n_samples)) continue;
        size_t k = 0;
        while (k < n && strcmp(seen[k].text, a->text) != 0) k++;
        if (k == n) seen[n++] = (slk_seen){.text = a->text, .match = a->match};
        if (a->draw < 0)
            seen[k].n_greedy++;
        else
            seen[k].n_sampled++;
    }
    return n;
}

static json_t *texts_json(char *const *items, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, json_string(items[i]));
    return list;
}

static json_t *seen_json(const slk_label *label, unsigned n_ex, unsigned n_samples)
{
    json_t *list = json_array();
    slk_seen *seen = slk_alloc(label->n_answers, sizeof *seen);
    size_t n = seen ? slk_cli_distinct_answers(seen, label, n_ex, n_samples) : 0;
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:s, s:i, s:i}", "text", seen[i].text, "n_greedy",
                                              (int)seen[i].n_greedy, "n_sampled", (int)seen[i].n_sampled));
    free(seen);
    return list;
}

static double mean_p_gold(const slk_label *label, unsigned n_ex)
{
    double sum = 0;
    for (unsigned e = 0; e < n_ex; e++) sum += label->p_gold[e];
    return n_ex ? sum / n_ex : 0;
}

json_t *slk_cli_label_line(const slk_label_set_info *info, const slk_fact *fact, const slk_label *label, unsigned n_ex,
                           unsigned n_samples)
{
    double p_greedy = 0, p_sampled = 0, p_gold = 0;
    if (!label->unlabelable) {
        slk_label_shares(label, n_ex, n_samples, &p_greedy, &p_sampled);
        p_gold = mean_p_gold(label, n_ex);
    }
    json_t *o = json_object();
    json_object_set_new(o, "relation", json_string(fact->relation));
    if (fact->subject) json_object_set_new(o, "subject", json_string(fact->subject));
    json_object_set_new(o, "question", json_string(fact->question));
    json_object_set_new(o, "answers", texts_json(fact->answers, fact->n_answers));
    json_object_set_new(o, "aliases", texts_json(fact->aliases, fact->n_aliases));
    json_object_set_new(o, "split", json_string(slk_split_name(fact->split)));
    json_object_set_new(o, "ood", json_boolean(fact->ood));
    json_object_set_new(o, "category", json_string(slk_category_name(slk_label_category(label, n_ex, n_samples))));
    json_object_set_new(o, "p_greedy", json_real(p_greedy));
    json_object_set_new(o, "p_sampled", json_real(p_sampled));
    json_object_set_new(o, "p_gold", json_real(p_gold));
    json_object_set_new(o, "n_ex", json_integer(n_ex));
    json_object_set_new(o, "samples", json_integer(n_samples));
    json_object_set_new(o, "decoded", json_string(info->settings.decoded));
    json_object_set_new(o, "answers_seen", seen_json(label, n_ex, n_samples));
    json_object_set_new(o, "model", slk_cli_model_json(&info->settings));
    json_object_set_new(o, "seed", json_integer((json_int_t)info->settings.seed));
    return o;
}
