#include <stdlib.h>
#include <string.h>
#include "data/filter.h"

static const char *const FILTER_NAMES[SLK_N_FILTERS] = {"relation", "ood_train", "multi_answer", "overlap",
                                                        "duplicate"};

const char *slk_filter_name(slk_filter filter)
{
    return FILTER_NAMES[filter];
}

void slk_import_report_release(slk_import_report *report)
{
    for (size_t i = 0; i < report->n_relations; i++) free(report->relations[i].relation);
    free(report->relations);
    memset(report, 0, sizeof *report);
}

static json_t *splits_json(const size_t n[SLK_N_SPLITS])
{
    return json_pack("{s:I, s:I, s:I}", "train", (json_int_t)n[SLK_SPLIT_TRAIN], "dev", (json_int_t)n[SLK_SPLIT_DEV],
                     "test", (json_int_t)n[SLK_SPLIT_TEST]);
}

/* Put read, removed and kept into object. */
static bool add_counts(json_t *object, const slk_import_counts *counts, const bool on[SLK_N_FILTERS])
{
    json_t *removed = json_object();
    bool ok = removed != NULL;
    for (int f = 0; f < SLK_N_FILTERS && ok; f++) {
        if (on[f]) ok = json_object_set_new(removed, FILTER_NAMES[f], splits_json(counts->n_removed[f])) == 0;
    }
    /* json_object_set_new() takes the reference also when it fails, and refuses NULL. */
    ok = ok && json_object_set_new(object, "read", splits_json(counts->n_read)) == 0;
    ok = json_object_set_new(object, "removed", removed) == 0 && ok;
    return ok && json_object_set_new(object, "kept", splits_json(counts->n_kept)) == 0;
}

static bool add_relations(json_t *list, const slk_import_report *report)
{
    for (size_t i = 0; i < report->n_relations; i++) {
        const slk_import_relation *relation = &report->relations[i];
        json_t *item = json_pack("{s:s, s:b}", "relation", relation->relation, "ood", relation->ood);
        if (!item || !add_counts(item, &relation->counts, report->on) || json_array_append(list, item) != 0) {
            json_decref(item);
            return false;
        }
        json_decref(item);
    }
    return true;
}

json_t *slk_import_report_json(const slk_import_report *report)
{
    json_t *root = json_object(), *relations = json_array();
    bool ok = root && relations && add_counts(root, &report->all, report->on);
    ok = ok && json_object_set_new(root, "overlap", json_string(slk_overlap_name(report->overlap))) == 0;
    ok = ok &&
         json_object_set_new(root, "disputed_questions", json_integer((json_int_t)report->n_disputed_questions)) == 0;
    ok = ok && json_object_set_new(root, "disputed_facts", json_integer((json_int_t)report->n_disputed_facts)) == 0;
    ok = ok && json_object_set_new(root, "with_subject", json_integer((json_int_t)report->n_with_subject)) == 0;
    ok = ok && add_relations(relations, report) && json_object_set(root, "relations", relations) == 0;
    json_decref(relations);
    if (ok) return root;
    json_decref(root);
    return NULL;
}
