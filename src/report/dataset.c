#include "report/dataset.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "store/facts.h"

static slk_status no_memory(const slk_store *store, slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "%s: out of memory for the report", slk_store_path(store));
}

/* --- facts by identity ----------------------------------------------------------------------------------------------
 */

typedef struct id_place {
    uint64_t id;
    uint32_t place;
} id_place;

typedef struct fact_index {
    id_place *items; /* [n] ascending by id */
    size_t n;
} fact_index;

static int compare_ids(const void *a, const void *b)
{
    const id_place *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static bool index_facts(fact_index *index, const slk_dataset *ds)
{
    index->n = ds->n_facts;
    index->items = slk_alloc(ds->n_facts, sizeof *index->items);
    if (!index->items) return false;
    for (size_t i = 0; i < ds->n_facts; i++) index->items[i] = (id_place){ds->facts[i].id, (uint32_t)i};
    qsort(index->items, index->n, sizeof *index->items, compare_ids);
    return true;
}

/* -1: there is none. */
static int64_t find_place(const fact_index *index, uint64_t id)
{
    id_place wanted = {id, 0};
    const id_place *found = bsearch(&wanted, index->items, index->n, sizeof *index->items, compare_ids);
    return found ? (int64_t)found->place : -1;
}

/* --- facts and labels -----------------------------------------------------------------------------------------------
 */

static const char *keep(slk_dataset *ds, const char *text)
{
    return slk_arena_strndup(&ds->arena, text, strlen(text));
}

/* All answers but the canonical one, and the aliases. */
static const char *keep_aliases(slk_dataset *ds, const slk_fact *fact)
{
    slk_buf b = {0};
    for (size_t i = 1; i < fact->n_answers; i++) slk_buf_addf(&b, "%s%s", b.len ? "; " : "", fact->answers[i]);
    for (size_t i = 0; i < fact->n_aliases; i++) slk_buf_addf(&b, "%s%s", b.len ? "; " : "", fact->aliases[i]);
    const char *text = b.failed ? NULL : keep(ds, b.data ? b.data : "");
    slk_buf_release(&b);
    return text;
}

static slk_status load_facts(slk_dataset *ds, slk_store *store, slk_err *err)
{
    slk_facts facts = {0};
    slk_status s = slk_store_load_facts(store, &facts, ds->labels.settings.set_name, -1, NULL, 0, err);
    if (s != SLK_OK) return s;
    ds->facts = slk_alloc_zero(facts.n, sizeof *ds->facts);
    for (size_t i = 0; ds->facts && i < facts.n && s == SLK_OK; i++) {
        const slk_fact *from = &facts.items[i];
        slk_report_fact *to = &ds->facts[ds->n_facts++];
        *to = (slk_report_fact){.id = from->id,
                                .relation = keep(ds, from->relation),
                                .question = keep(ds, from->question),
                                .answer = keep(ds, from->answers[0]),
                                .aliases = keep_aliases(ds, from),
                                .split = from->split,
                                .ood = from->ood,
                                .category = -1,
                                .p_true = NAN};
        if (!to->relation || !to->question || !to->answer || !to->aliases) s = no_memory(store, err);
    }
    if (!ds->facts) s = no_memory(store, err);
    slk_facts_release(&facts);
    return s;
}

typedef struct seen_text {
    const char *text;
    bool match;
    unsigned n_greedy, n_sampled, order;
} seen_text;

static int compare_text(const void *a, const void *b)
{
    const slk_answer *x = a, *y = b;
    return strcmp(x->text, y->text);
}

/* Most frequent first; greedy answers count for as much as their prompt's samples, so that they are not lost. */
static int compare_seen(const void *a, const void *b)
{
    const seen_text *x = a, *y = b;
    if (x->n_greedy + x->n_sampled != y->n_greedy + y->n_sampled)
        return x->n_greedy + x->n_sampled < y->n_greedy + y->n_sampled ? 1 : -1;
    return strcmp(x->text, y->text);
}

static bool keep_answers(slk_dataset *ds, slk_report_fact *fact, slk_label *label)
{
    if (label->n_answers == 0) return true;
    seen_text *seen = slk_alloc(label->n_answers, sizeof *seen);
    if (!seen) return false;
    qsort(label->answers, label->n_answers, sizeof *label->answers, compare_text);
    size_t n = 0;
    for (size_t i = 0; i < label->n_answers; i++) {
        const slk_answer *a = &label->answers[i];
        if (n == 0 || strcmp(seen[n - 1].text, a->text) != 0) seen[n++] = (seen_text){a->text, a->match, 0, 0, 0};
        if (a->draw < 0)
            seen[n - 1].n_greedy++;
        else
            seen[n - 1].n_sampled++;
    }
    qsort(seen, n, sizeof *seen, compare_seen);
    fact->n_seen = n < SLK_REPORT_MAX_SEEN ? n : SLK_REPORT_MAX_SEEN;
    fact->n_unseen = n - fact->n_seen;
    fact->seen = slk_arena_alloc(&ds->arena, fact->n_seen, sizeof *fact->seen);
    bool ok = fact->seen != NULL;
    for (size_t i = 0; ok && i < fact->n_seen; i++) {
        fact->seen[i] = (slk_report_seen){keep(ds, seen[i].text), seen[i].match, (uint16_t)seen[i].n_greedy,
                                          (uint16_t)seen[i].n_sampled};
        ok = fact->seen[i].text != NULL;
    }
    free(seen);
    return ok;
}

static int8_t category_of(const slk_label *label, unsigned n_ex, unsigned n_samples)
{
    slk_category category = slk_label_category(label, n_ex, n_samples);
    return (int8_t)((int)category < SLK_N_CATEGORIES ? (int)category : -1);
}

static bool keep_label(slk_dataset *ds, slk_report_fact *fact, slk_label *label)
{
    fact->category = category_of(label, label->n_ex, label->n_samples);
    fact->category_by_n = slk_arena_alloc(&ds->arena, ds->n_ex, 1);
    if (!fact->category_by_n) return false;
    fact->category_by_samples = slk_arena_alloc(&ds->arena, ds->n_samples + 1, 1);
    if (!fact->category_by_samples) return false;
    for (unsigned n = 1; n <= ds->n_ex; n++) fact->category_by_n[n - 1] = category_of(label, n, label->n_samples);
    for (unsigned n = 0; n <= ds->n_samples; n++)
        fact->category_by_samples[n] = category_of(label, label->n_ex, n < label->n_samples ? n : label->n_samples);
    slk_label_shares(label, label->n_ex, label->n_samples, &fact->p_greedy, &fact->p_sampled);
    fact->p_gold = label->unlabelable ? 0 : slk_label_p_gold(label);
    return keep_answers(ds, fact, label);
}

static slk_status load_labels(slk_dataset *ds, slk_store *store, const fact_index *index, slk_err *err)
{
    slk_label_cursor *cursor;
    slk_status s = slk_store_open_labels(&cursor, store, ds->labels.id, true, err);
    bool more = true;
    while (s == SLK_OK) {
        slk_label label;
        s = slk_label_cursor_next(cursor, &label, &more, err);
        if (s != SLK_OK || !more) break;
        int64_t place = find_place(index, label.fact_id);
        if (place >= 0 && !keep_label(ds, &ds->facts[place], &label)) s = no_memory(store, err);
        slk_label_release(&label);
    }
    slk_label_cursor_close(cursor);
    return s;
}

static slk_status load_p_true(slk_dataset *ds, slk_store *store, const fact_index *index, slk_err *err)
{
    slk_p_true *items;
    size_t n;
    slk_status s = slk_store_load_p_true(store, ds->labels.id, &items, &n, err);
    if (s != SLK_OK) return s;
    for (size_t i = 0; i < n; i++) {
        int64_t place = find_place(index, items[i].fact_id);
        if (place >= 0) ds->facts[place].p_true = items[i].p;
        ds->has_p_true |= place >= 0;
    }
    free(items);
    return SLK_OK;
}

/* --- sets ------------------------------------------------------------------------------------------------------------
 */

static void release_set(slk_report_set *set)
{
    free(set->fact);
    free(set->category);
    free(set->idk);
    *set = (slk_report_set){0};
}

/* Takes the array `facts` and frees it. */
static slk_status keep_set(slk_dataset *ds, slk_store *store, slk_report_set *set, const fact_index *index,
                           slk_set_fact *facts, size_t n, const char *what, slk_err *err)
{
    slk_status s = SLK_OK;
    set->n = n;
    set->fact = slk_alloc(n, sizeof *set->fact);
    set->category = slk_alloc(n, 1);
    set->idk = slk_alloc(n, 1);
    if (!set->fact || !set->category || !set->idk) s = no_memory(store, err);
    for (size_t i = 0; i < n && s == SLK_OK; i++) {
        int64_t place = find_place(index, facts[i].fact_id);
        if (place < 0) {
            s = slk_fail(err, SLK_E_FORMAT, "%s: %s has the fact %016" PRIx64 ", which fact set %s does not have",
                         slk_store_path(store), what, facts[i].fact_id, ds->labels.settings.set_name);
            break;
        }
        ds->facts[place].in_study = true;
        set->fact[i] = (uint32_t)place;
        set->category[i] = facts[i].category;
        set->idk[i] = facts[i].idk;
        set->n_in[slk_report_group(facts[i].category)]++;
    }
    free(facts);
    return s;
}

static slk_status load_sets(slk_dataset *ds, slk_store *store, const fact_index *index, slk_err *err)
{
    slk_status s = SLK_OK;
    for (int set = SLK_SET_DEV; set < SLK_N_STUDY_SETS && s == SLK_OK; set++) {
        slk_set_fact *facts;
        size_t n;
        char what[48];
        snprintf(what, sizeof what, "study %" PRId64 ": %s", ds->study.id, slk_study_set_name((slk_study_set)set));
        s = slk_store_load_study_facts(store, ds->study.id, (slk_study_set)set, &facts, &n, err);
        if (s == SLK_OK) s = keep_set(ds, store, &ds->sets[set], index, facts, n, what, err);
    }
    return s;
}

/* --- runs ------------------------------------------------------------------------------------------------------------
 */

static void count_bits(slk_report_epoch *e, slk_study_set set, const slk_report_set *facts)
{
    for (size_t i = 0; i < facts->n; i++) {
        int group = slk_report_group(facts->category[i]);
        bool right = slk_report_bit(e->right[set], i), refused = slk_report_bit(e->refused[set], i);
        e->n_right[set][group] += right;
        e->n_refused[set][group] += refused;
        e->n_answered_right[set] += right && !refused;
    }
}

/* Moves the arrays out of `from`. */
static slk_status keep_epoch(const slk_dataset *ds, const slk_store *store, const slk_report_run *run,
                             slk_report_epoch *to, slk_run_epoch *from, slk_err *err)
{
    *to = (slk_report_epoch){.epoch = from->epoch, .loss = from->loss};
    for (int set = 0; set < SLK_N_STUDY_SETS; set++) {
        const slk_report_set *facts = slk_report_set_of(ds, run, (slk_study_set)set);
        if (!from->has[set]) continue;
        if (from->n[set] != facts->n || (facts->n && !from->right[set]))
            return slk_fail(err, SLK_E_FORMAT, "%s: run %" PRId64 ": epoch %d has %zu outcomes, expected %zu",
                            slk_store_path(store), run->info->id, (int)from->epoch, from->n[set], facts->n);
        to->has[set] = true;
        to->right[set] = from->right[set];
        to->refused[set] = from->refused[set];
        from->right[set] = from->refused[set] = NULL;
        count_bits(to, (slk_study_set)set, facts);
    }
    return SLK_OK;
}

static slk_status load_epochs(const slk_dataset *ds, slk_store *store, slk_report_run *run, slk_err *err)
{
    slk_run_epoch *epochs;
    size_t n;
    slk_status s = slk_store_load_epochs(store, run->info->id, true, &epochs, &n, err);
    if (s != SLK_OK) return s;
    run->epochs = slk_alloc_zero(n, sizeof *run->epochs);
    if (!run->epochs) s = no_memory(store, err);
    for (size_t i = 0; i < n; i++) {
        if (s == SLK_OK) s = keep_epoch(ds, store, run, &run->epochs[run->n_epochs++], &epochs[i], err);
        slk_run_epoch_release(&epochs[i]);
    }
    free(epochs);
    return s;
}

static bool note_lr(slk_dataset *ds, double lr)
{
    for (size_t i = 0; i < ds->n_lrs; i++) {
        if (ds->lrs[i] == lr) return true;
    }
    double *lrs = realloc(ds->lrs, (ds->n_lrs + 1) * sizeof *lrs);
    if (!lrs) return false;
    ds->lrs = lrs;
    ds->lrs[ds->n_lrs++] = lr;
    return true;
}

static slk_status load_run(slk_dataset *ds, slk_store *store, slk_report_run *run, const fact_index *index,
                           slk_err *err)
{
    if (!note_lr(ds, run->info->lr)) return no_memory(store, err);
    if (run->info->state != SLK_RUN_DONE) return SLK_OK;
    slk_set_fact *facts;
    size_t n;
    char what[48];
    snprintf(what, sizeof what, "run %" PRId64, run->info->id);
    slk_status s = slk_store_load_run_facts(store, run->info->id, &facts, &n, err);
    if (s == SLK_OK) s = keep_set(ds, store, &run->train, index, facts, n, what, err);
    return s == SLK_OK ? load_epochs(ds, store, run, err) : s;
}

static slk_status load_runs(slk_dataset *ds, slk_store *store, const fact_index *index, slk_err *err)
{
    slk_status s = slk_store_load_runs(store, ds->study.id, &ds->infos, &ds->n_runs, err);
    if (s != SLK_OK) return s;
    ds->runs = slk_alloc_zero(ds->n_runs, sizeof *ds->runs);
    if (!ds->runs) return no_memory(store, err);
    for (size_t i = 0; i < ds->n_runs && s == SLK_OK; i++) {
        ds->runs[i].info = &ds->infos[i];
        s = load_run(ds, store, &ds->runs[i], index, err);
    }
    return s;
}

slk_status slk_dataset_load(slk_dataset *out, slk_store *store, int64_t id, slk_err *err)
{
    *out = (slk_dataset){0};
    fact_index index = {0};
    slk_status s = slk_store_find_study(store, &out->study, id, err);
    if (s == SLK_OK) s = slk_store_find_label_set(store, &out->labels, out->study.label_set_id, err);
    out->n_ex = out->labels.settings.n_ex;
    out->n_samples = out->labels.settings.n_samples;
    if (s == SLK_OK) s = load_facts(out, store, err);
    if (s == SLK_OK && !index_facts(&index, out)) s = no_memory(store, err);
    if (s == SLK_OK) s = load_labels(out, store, &index, err);
    if (s == SLK_OK) s = load_p_true(out, store, &index, err);
    if (s == SLK_OK) s = load_sets(out, store, &index, err);
    if (s == SLK_OK) s = load_runs(out, store, &index, err);
    free(index.items);
    return s;
}

void slk_dataset_release(slk_dataset *ds)
{
    for (size_t i = 0; ds->runs && i < ds->n_runs; i++) {
        slk_report_run *run = &ds->runs[i];
        for (size_t e = 0; e < run->n_epochs; e++) {
            for (int set = 0; set < SLK_N_STUDY_SETS; set++) {
                free(run->epochs[e].right[set]);
                free(run->epochs[e].refused[set]);
            }
        }
        free(run->epochs);
        release_set(&run->train);
    }
    free(ds->runs);
    slk_store_free_runs(ds->infos, ds->n_runs);
    for (int set = 0; set < SLK_N_STUDY_SETS; set++) release_set(&ds->sets[set]);
    free(ds->facts);
    free(ds->lrs);
    slk_arena_release(&ds->arena);
    slk_study_info_release(&ds->study);
    *ds = (slk_dataset){0};
}

/* --- shares ----------------------------------------------------------------------------------------------------------
 */

const slk_report_epoch *slk_report_find_epoch(const slk_report_run *run, int32_t epoch)
{
    for (size_t i = 0; i < run->n_epochs; i++) {
        if (run->epochs[i].epoch == epoch) return &run->epochs[i];
    }
    return NULL;
}

static double percent(uint32_t part, uint32_t whole)
{
    return whole ? 100.0 * part / whole : NAN;
}

double slk_report_accuracy(const slk_dataset *ds, const slk_report_run *run, const slk_report_epoch *epoch,
                           slk_study_set set, int group)
{
    if (!epoch || !epoch->has[set]) return NAN;
    const slk_report_set *facts = slk_report_set_of(ds, run, set);
    if (group >= 0) return percent(epoch->n_right[set][group], facts->n_in[group]);
    uint32_t right = 0;
    for (int g = 0; g < SLK_REPORT_N_GROUPS; g++) right += epoch->n_right[set][g];
    return percent(right, (uint32_t)facts->n);
}

uint32_t slk_report_n_fitted(const slk_report_epoch *epoch, bool known)
{
    const uint32_t *n = epoch->n_right[SLK_SET_TRAIN];
    return known ? n[SLK_HIGHLY_KNOWN] + n[SLK_MAYBE_KNOWN] + n[SLK_WEAKLY_KNOWN] : n[SLK_UNKNOWN];
}

double slk_report_fitted(const slk_report_run *run, const slk_report_epoch *epoch, bool known)
{
    if (!epoch || !epoch->has[SLK_SET_TRAIN]) return NAN;
    const uint32_t *n = run->train.n_in;
    uint32_t all = known ? n[SLK_HIGHLY_KNOWN] + n[SLK_MAYBE_KNOWN] + n[SLK_WEAKLY_KNOWN] : n[SLK_UNKNOWN];
    return percent(slk_report_n_fitted(epoch, known), all);
}
