#include "data/filter.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "data/groups.h"

static const char *const OVERLAP_NAMES[] = {"subject", "subject-or-object", "none"};

const char *slk_overlap_name(slk_overlap overlap)
{
    return OVERLAP_NAMES[overlap];
}

int slk_overlap_parse(const char *name)
{
    for (int i = 0; i < 3; i++) {
        if (strcmp(OVERLAP_NAMES[i], name) == 0) return i;
    }
    return -1;
}

/* One run over the facts. verdict[i] is SLK_N_FILTERS for what is kept, else the filter that removed it. */
typedef struct filtering {
    const slk_facts *facts;
    const slk_filter_options *options;
    slk_groups groups;
    uint8_t *verdict;
    bool *dropped_group; /* [groups.n] */
} filtering;

#define KEPT SLK_N_FILTERS

static bool name_in(const char *name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0) return true;
    }
    return false;
}

/* --- relations ---------------------------------------------------------------------------------------------------- */

static slk_status choose_relations(filtering *f, slk_err *err)
{
    const slk_filter_options *o = f->options;
    for (size_t g = 0; g < f->groups.n; g++) {
        const char *name = f->facts->items[f->groups.first[g]].relation;
        f->dropped_group[g] = o->n_relations > 0 ? !name_in(name, o->relations, o->n_relations)
                                                 : name_in(name, o->left_out, o->n_left_out);
    }
    for (size_t i = 0; i < o->n_relations; i++) {
        size_t g = 0;
        while (g < f->groups.n && strcmp(f->facts->items[f->groups.first[g]].relation, o->relations[i]) != 0) g++;
        if (g == f->groups.n)
            return slk_fail(err, SLK_E_NOT_FOUND, "relation '%s' is not in the data", o->relations[i]);
    }
    return SLK_OK;
}

static void judge_alone(filtering *f)
{
    for (size_t i = 0; i < f->facts->n; i++) {
        const slk_fact *fact = &f->facts->items[i];
        if (f->dropped_group[f->groups.of[i]])
            f->verdict[i] = SLK_FILTER_RELATION;
        else if (fact->ood && fact->split == SLK_SPLIT_TRAIN && !f->options->keep_ood_train)
            f->verdict[i] = SLK_FILTER_OOD_TRAIN;
        else if (fact->n_answers > 1 && !f->options->keep_multi_answer)
            f->verdict[i] = SLK_FILTER_MULTI_ANSWER;
        else
            f->verdict[i] = KEPT;
    }
}

/* --- duplicates --------------------------------------------------------------------------------------------------- */

typedef struct identity {
    uint64_t id;
    int rank; /* test, dev, train */
    size_t index;
} identity;

static int compare_identities(const void *pa, const void *pb)
{
    const identity *a = pa, *b = pb;
    if (a->id != b->id) return a->id < b->id ? -1 : 1;
    if (a->rank != b->rank) return a->rank - b->rank;
    return a->index < b->index ? -1 : a->index > b->index;
}

static bool drop_duplicates(filtering *f)
{
    identity *list = slk_alloc(f->facts->n, sizeof *list);
    if (!list) return false;
    size_t n = 0;
    for (size_t i = 0; i < f->facts->n; i++) {
        const slk_fact *fact = &f->facts->items[i];
        if (f->verdict[i] == KEPT) list[n++] = (identity){fact->id, SLK_SPLIT_TEST - (int)fact->split, i};
    }
    qsort(list, n, sizeof *list, compare_identities);
    for (size_t i = 1; i < n; i++) {
        if (list[i].id == list[i - 1].id) f->verdict[list[i].index] = SLK_FILTER_DUPLICATE;
    }
    free(list);
    return true;
}

/* --- overlap ------------------------------------------------------------------------------------------------------ */

typedef struct text_set {
    const char **items;
    size_t n, cap;
} text_set;

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool add_text(text_set *set, const char *text)
{
    if (!slk_grow(&set->items, &set->cap, set->n + 1, sizeof *set->items)) return false;
    set->items[set->n++] = text;
    return true;
}

static bool has_text(const text_set *set, const char *text)
{
    return set->n > 0 && bsearch(&text, set->items, set->n, sizeof *set->items, compare_texts) != NULL;
}

static bool collect_tested(const filtering *f, text_set *subjects, text_set *objects)
{
    for (size_t i = 0; i < f->facts->n; i++) {
        const slk_fact *fact = &f->facts->items[i];
        if (fact->split != SLK_SPLIT_TEST || (fact->n_answers > 1 && !f->options->keep_multi_answer)) continue;
        if (fact->subject && !add_text(subjects, fact->subject)) return false;
        for (size_t j = 0; j < fact->n_answers && f->options->overlap == SLK_OVERLAP_SUBJECT_OR_OBJECT; j++) {
            if (!add_text(objects, fact->answers[j])) return false;
        }
    }
    if (subjects->n > 0) qsort(subjects->items, subjects->n, sizeof *subjects->items, compare_texts);
    if (objects->n > 0) qsort(objects->items, objects->n, sizeof *objects->items, compare_texts);
    return true;
}

static bool drop_overlap(filtering *f)
{
    text_set subjects = {0}, objects = {0};
    bool ok = collect_tested(f, &subjects, &objects);
    for (size_t i = 0; ok && i < f->facts->n; i++) {
        const slk_fact *fact = &f->facts->items[i];
        if (f->verdict[i] != KEPT || fact->split != SLK_SPLIT_TRAIN) continue;
        bool shared = fact->subject && has_text(&subjects, fact->subject);
        for (size_t j = 0; j < fact->n_answers && !shared; j++) shared = has_text(&objects, fact->answers[j]);
        if (shared) f->verdict[i] = SLK_FILTER_OVERLAP;
    }
    free(subjects.items);
    free(objects.items);
    return ok;
}

/* --- the report and the result ------------------------------------------------------------------------------------ */

static void count_fact(slk_import_counts *counts, slk_split split, uint8_t verdict)
{
    counts->n_read[split]++;
    if (verdict == KEPT)
        counts->n_kept[split]++;
    else
        counts->n_removed[verdict][split]++;
}

static bool fill_report(const filtering *f, slk_import_report *report)
{
    report->relations = slk_alloc_zero(f->groups.n, sizeof *report->relations);
    if (!report->relations) return false;
    report->n_relations = f->groups.n;
    for (size_t g = 0; g < f->groups.n; g++) {
        report->relations[g].relation = slk_strdup(f->facts->items[f->groups.first[g]].relation);
        if (!report->relations[g].relation) return false;
    }
    for (size_t i = 0; i < f->facts->n; i++) {
        const slk_fact *fact = &f->facts->items[i];
        slk_import_relation *relation = &report->relations[f->groups.of[i]];
        relation->ood |= fact->ood;
        count_fact(&relation->counts, fact->split, f->verdict[i]);
        count_fact(&report->all, fact->split, f->verdict[i]);
        report->n_with_subject += f->verdict[i] == KEPT && fact->subject;
    }
    const slk_filter_options *o = f->options;
    report->overlap = o->overlap;
    report->on[SLK_FILTER_RELATION] = o->n_relations > 0 || o->n_left_out > 0;
    report->on[SLK_FILTER_OOD_TRAIN] = !o->keep_ood_train;
    report->on[SLK_FILTER_MULTI_ANSWER] = !o->keep_multi_answer;
    report->on[SLK_FILTER_DUPLICATE] = true;
    report->on[SLK_FILTER_OVERLAP] = o->overlap != SLK_OVERLAP_NONE;
    return true;
}

static void compact(slk_facts *facts, const uint8_t *verdict)
{
    size_t n = 0;
    for (size_t i = 0; i < facts->n; i++) {
        if (verdict[i] != KEPT)
            slk_fact_release(&facts->items[i]);
        else
            facts->items[n++] = facts->items[i];
    }
    facts->n = n;
}

static int compare_questions(const void *pa, const void *pb)
{
    const slk_fact *a = *(const slk_fact *const *)pa, *b = *(const slk_fact *const *)pb;
    int order = strcmp(a->question, b->question);
    return order ? order : strcmp(a->relation, b->relation);
}

/* Identities differ by now, so facts with equal question and relation differ in their answers. */
static bool count_disputed(const slk_facts *facts, slk_import_report *report)
{
    const slk_fact **sorted = slk_alloc(facts->n, sizeof *sorted);
    if (!sorted) return false;
    for (size_t i = 0; i < facts->n; i++) sorted[i] = &facts->items[i];
    qsort(sorted, facts->n, sizeof *sorted, compare_questions);
    for (size_t i = 0, end; i < facts->n; i = end) {
        for (end = i + 1; end < facts->n && compare_questions(&sorted[i], &sorted[end]) == 0;) end++;
        report->n_disputed_questions += end - i > 1;
        report->n_disputed_facts += end - i > 1 ? end - i : 0;
    }
    free(sorted);
    return true;
}

static slk_status run_filters(filtering *f, slk_facts *facts, slk_import_report *report, slk_err *err)
{
    slk_status memory = SLK_E_MEMORY;
    if (!slk_groups_create(&f->groups, facts)) return slk_fail(err, memory, "filters: out of memory");
    f->verdict = slk_alloc(facts->n, sizeof *f->verdict);
    f->dropped_group = slk_alloc(f->groups.n, sizeof *f->dropped_group);
    if (!f->verdict || !f->dropped_group) return slk_fail(err, memory, "filters: out of memory");
    slk_status status = choose_relations(f, err);
    if (status != SLK_OK) return status;
    judge_alone(f);
    bool ok = f->options->overlap == SLK_OVERLAP_NONE || drop_overlap(f);
    if (!ok || !drop_duplicates(f) || !fill_report(f, report)) return slk_fail(err, memory, "filters: out of memory");
    compact(facts, f->verdict);
    if (facts->n == 0) return slk_fail(err, SLK_E_FORMAT, "no fact is left after the filters");
    return count_disputed(facts, report) ? SLK_OK : slk_fail(err, memory, "filters: out of memory");
}

slk_status slk_facts_filter(slk_facts *facts, slk_import_report *report, const slk_filter_options *options,
                            slk_err *err)
{
    memset(report, 0, sizeof *report);
    filtering f = {.facts = facts, .options = options};
    slk_status status = run_filters(&f, facts, report, err);
    slk_groups_release(&f.groups);
    free(f.verdict);
    free(f.dropped_group);
    if (status != SLK_OK) slk_import_report_release(report);
    return status;
}
