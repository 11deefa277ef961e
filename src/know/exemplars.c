#include "know/exemplars.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"

#define N_ATTEMPTS 65536 /* the keys tell so many apart */

/* The pool facts of one relation, sorted by id, each once. */
typedef struct relation {
    const char *name;
    uint32_t step;          /* slk_rng_u64's step: the relation's hash, folded */
    const slk_fact **facts; /* [n], within slk_exemplars.facts */
    size_t n;
    uint32_t *order; /* [n_ex][n] indices into facts, sorted for attempt 0 */
    bool roomy;      /* enough sets whatever fact is asked */
} relation;

struct slk_exemplars {
    const slk_fact **facts; /* sorted by (relation, id) */
    relation *relations;    /* [n_relations] sorted by name */
    size_t n_relations;
    unsigned n_ex, n_shots;
    uint64_t seed;
};

/* --- the pool by relation ----------------------------------------------------------------------------------------- */

static int compare_facts(const void *a, const void *b)
{
    const slk_fact *x = *(const slk_fact *const *)a, *y = *(const slk_fact *const *)b;
    int order = strcmp(x->relation, y->relation);
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

static const relation *find_relation(const slk_exemplars *ex, const char *name)
{
    size_t low = 0, high = ex->n_relations;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = strcmp(name, ex->relations[mid].name);
        if (order == 0) return &ex->relations[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

static bool group_pool(slk_exemplars *ex, const slk_facts *pool)
{
    ex->facts = slk_alloc(pool->n, sizeof *ex->facts);
    ex->relations = slk_alloc_zero(pool->n, sizeof *ex->relations);
    if (!ex->facts || !ex->relations) return false;
    for (size_t i = 0; i < pool->n; i++) ex->facts[i] = &pool->items[i];
    qsort(ex->facts, pool->n, sizeof *ex->facts, compare_facts);
    size_t n = 0;
    for (size_t i = 0; i < pool->n; i++) {
        const slk_fact *f = ex->facts[i];
        if (n > 0 && compare_facts(&ex->facts[n - 1], &f) == 0) continue;
        relation *last = ex->n_relations > 0 ? &ex->relations[ex->n_relations - 1] : NULL;
        if (!last || strcmp(last->name, f->relation)) {
            uint64_t h = slk_hash_str(0, f->relation);
            last = &ex->relations[ex->n_relations++];
            *last = (relation){.name = f->relation, .step = (uint32_t)h ^ (uint32_t)(h >> 32), .facts = ex->facts + n};
        }
        ex->facts[n++] = f;
        last->n++;
    }
    return true;
}

/* --- orders ------------------------------------------------------------------------------------------------------- */

typedef struct keyed {
    uint64_t key;
    uint32_t index; /* facts are sorted by id, so this breaks ties by id */
} keyed;

static int compare_keyed(const void *a, const void *b)
{
    const keyed *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

/* The relation's facts in the order of (prompt, attempt), into out [n]; scratch [n]. */
static void sort_pool(const slk_exemplars *ex, const relation *r, unsigned prompt, unsigned attempt, keyed *scratch,
                      uint32_t *out)
{
    for (size_t i = 0; i < r->n; i++) {
        uint64_t key = slk_rng_u64(ex->seed, SLK_PURPOSE_EXEMPLARS, r->facts[i]->id, prompt, attempt, r->step);
        scratch[i] = (keyed){key, (uint32_t)i};
    }
    qsort(scratch, r->n, sizeof *scratch, compare_keyed);
    for (size_t i = 0; i < r->n; i++) out[i] = scratch[i].index;
}

static bool create_orders(const slk_exemplars *ex, relation *r)
{
    keyed *scratch = slk_alloc(r->n, sizeof *scratch);
    r->order = r->n <= SIZE_MAX / ex->n_ex ? slk_alloc(r->n * ex->n_ex, sizeof *r->order) : NULL;
    bool ok = scratch && r->order;
    for (unsigned e = 0; ok && e < ex->n_ex; e++) sort_pool(ex, r, e, 0, scratch, r->order + e * r->n);
    free(scratch);
    return ok;
}

/* --- is the pool large enough? ------------------------------------------------------------------------------------ */

/* Would f tell the answer of asked, or contradict it? (asked itself has its own question.) */
static bool is_left_out(const slk_fact *f, const slk_fact *asked)
{
    if (!asked) return false;
    return !strcmp(f->question, asked->question) ||
           (f->subject && asked->subject && !strcmp(f->subject, asked->subject));
}

/* Are there at least n_need different sets of k out of n? */
static bool has_sets(size_t n, unsigned k, unsigned n_need)
{
    if (n < k) return false;
    if (k > n - k) k = (unsigned)(n - k);
    /* C(n - k + i, i) grows with i and is exact at every step; n_need is small, so it never comes near overflow. */
    uint64_t sets = 1;
    for (unsigned i = 1; i <= k && sets < n_need; i++) sets = sets * (n - k + i) / i;
    return sets >= n_need;
}

/* Facts that must be left for n_ex different sets. */
static size_t count_needed(const slk_exemplars *ex)
{
    size_t n = ex->n_shots;
    while (!has_sets(n, ex->n_shots, ex->n_ex)) n++;
    return n;
}

static size_t count_left(const relation *r, const slk_fact *asked)
{
    size_t n = 0;
    for (size_t i = 0; r && i < r->n; i++) n += !is_left_out(r->facts[i], asked);
    return n;
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static size_t longest_run(const char **strings, size_t n)
{
    size_t longest = 0, run = 0;
    qsort(strings, n, sizeof *strings, compare_strings);
    for (size_t i = 0; i < n; i++) {
        run = i > 0 && !strcmp(strings[i], strings[i - 1]) ? run + 1 : 1;
        if (run > longest) longest = run;
    }
    return longest;
}

/* At most so many facts are left out for any asked fact. scratch [r->n]. */
static size_t bound_left_out(const relation *r, const char **scratch)
{
    size_t n_subjects = 0;
    for (size_t i = 0; i < r->n; i++)
        if (r->facts[i]->subject) scratch[n_subjects++] = r->facts[i]->subject;
    size_t bound = 1 + longest_run(scratch, n_subjects);
    for (size_t i = 0; i < r->n; i++) scratch[i] = r->facts[i]->question;
    return bound + longest_run(scratch, r->n);
}

/* A relation that lacks sets, and the least that is left of it for a fact that is asked. */
typedef struct shortage {
    const char *relation;
    size_t n_left;
} shortage;

typedef struct shortages {
    shortage *items;
    size_t n, cap;
} shortages;

static bool shortages_note(shortages *list, const char *name, size_t n_left)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->items[i].relation, name)) continue;
        if (n_left < list->items[i].n_left) list->items[i].n_left = n_left;
        return true;
    }
    if (!slk_grow(&list->items, &list->cap, list->n + 1, sizeof *list->items)) return false;
    list->items[list->n++] = (shortage){name, n_left};
    return true;
}

static bool check_fact(shortages *list, const relation *r, size_t n_needed, const slk_fact *asked)
{
    if (r && r->roomy) return true;
    size_t n_left = count_left(r, asked);
    return n_left >= n_needed || shortages_note(list, asked->relation, n_left);
}

static int compare_shortages(const void *a, const void *b)
{
    return strcmp(((const shortage *)a)->relation, ((const shortage *)b)->relation);
}

static slk_status report_shortages(const slk_exemplars *ex, shortages *list, size_t n_needed, slk_err *err)
{
    slk_buf b;
    slk_buf_init(&b);
    qsort(list->items, list->n, sizeof *list->items, compare_shortages);
    for (size_t i = 0; i < list->n; i++) {
        const char *name = *list->items[i].relation ? list->items[i].relation : "(no relation)";
        slk_buf_addf(&b, "%s%s has %zu", i > 0 ? ", " : "", name, list->items[i].n_left);
    }
    slk_status status =
        slk_fail(err, SLK_E_SHAPE,
                 "exemplar pool too small: %u different sets of %u need %zu facts of a relation beside the "
                 "asked one and its subject: %s",
                 ex->n_ex, ex->n_shots, n_needed, b.failed ? "(out of memory)" : b.data);
    slk_buf_release(&b);
    return status;
}

/* Every relation that is asked about has enough sets for every fact that is asked. */
static slk_status check_pool(slk_exemplars *ex, const slk_facts *asked, slk_err *err)
{
    size_t n_needed = count_needed(ex);
    size_t n_max = 0;
    for (size_t i = 0; i < ex->n_relations; i++)
        if (ex->relations[i].n > n_max) n_max = ex->relations[i].n;
    const char **scratch = slk_alloc(n_max, sizeof *scratch);
    if (!scratch) return slk_fail(err, SLK_E_MEMORY, "exemplars: out of memory");
    for (size_t i = 0; i < ex->n_relations; i++) {
        relation *r = &ex->relations[i];
        r->roomy = r->n >= n_needed && r->n - n_needed >= bound_left_out(r, scratch);
    }
    free(scratch);

    shortages list = {0};
    bool ok = true;
    if (asked) {
        for (size_t i = 0; ok && i < asked->n; i++)
            ok = check_fact(&list, find_relation(ex, asked->items[i].relation), n_needed, &asked->items[i]);
    } else {
        for (size_t i = 0; ok && i < ex->n_relations; i++) {
            const relation *r = &ex->relations[i];
            for (size_t k = 0; ok && k < r->n; k++) ok = check_fact(&list, r, n_needed, r->facts[k]);
        }
    }
    slk_status status = SLK_OK;
    if (!ok)
        status = slk_fail(err, SLK_E_MEMORY, "exemplars: out of memory");
    else if (list.n > 0)
        status = report_shortages(ex, &list, n_needed, err);
    free(list.items);
    return status;
}

/* --- creation ----------------------------------------------------------------------------------------------------- */

static slk_status create_all_orders(slk_exemplars *ex, slk_err *err)
{
    slk_status status = SLK_OK;
    for (size_t i = 0; status == SLK_OK && i < ex->n_relations; i++)
        if (!create_orders(ex, &ex->relations[i])) status = slk_fail(err, SLK_E_MEMORY, "exemplars: out of memory");
    return status;
}

slk_status slk_exemplars_create(slk_exemplars **out, const slk_facts *pool, const slk_facts *asked, unsigned n_ex,
                                unsigned n_shots, uint64_t seed, slk_err *err)
{
    *out = NULL;
    if (n_ex < 1 || n_ex > SLK_MAX_EX)
        return slk_fail(err, SLK_E_ARG, "%u prompts, expected 1 to %d", n_ex, SLK_MAX_EX);
    if (n_shots == 0 && n_ex > 1)
        return slk_fail(err, SLK_E_ARG, "%u prompts of 0 shots, expected 1: there is one set without exemplars", n_ex);
    slk_exemplars *ex = slk_alloc_zero(1, sizeof *ex);
    if (!ex) return slk_fail(err, SLK_E_MEMORY, "exemplars: out of memory");
    ex->n_ex = n_ex;
    ex->n_shots = n_shots;
    ex->seed = seed;
    slk_status status = SLK_OK;
    if (!group_pool(ex, pool)) status = slk_fail(err, SLK_E_MEMORY, "exemplars: out of memory");
    if (status == SLK_OK) status = check_pool(ex, asked, err);
    if (status == SLK_OK) status = create_all_orders(ex, err);
    if (status != SLK_OK) {
        slk_exemplars_free(ex);
        return status;
    }
    *out = ex;
    return SLK_OK;
}

void slk_exemplars_free(slk_exemplars *ex)
{
    if (!ex) return;
    for (size_t i = 0; i < ex->n_relations; i++) free(ex->relations[i].order);
    free(ex->relations);
    free(ex->facts);
    free(ex);
}

/* --- the sets of one fact ----------------------------------------------------------------------------------------- */

static int compare_indices(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The first n_shots of order that may stand beside asked: to out in that order, to set sorted. false: there are not so
 * many. */
static bool take_first(const slk_exemplars *ex, const relation *r, const uint32_t *order, const slk_fact *asked,
                       const slk_fact **out, uint32_t *set)
{
    unsigned n = 0;
    for (size_t i = 0; i < r->n && n < ex->n_shots; i++) {
        const slk_fact *f = r->facts[order[i]];
        if (is_left_out(f, asked)) continue;
        out[n] = f;
        set[n++] = order[i];
    }
    qsort(set, n, sizeof *set, compare_indices);
    return n == ex->n_shots;
}

/* Is set n_sets different from the ones before it? */
static bool is_new_set(const uint32_t *sets, unsigned n_sets, unsigned n_shots)
{
    const uint32_t *last = sets + (size_t)n_sets * n_shots;
    for (unsigned i = 0; i < n_sets; i++)
        if (!memcmp(sets + (size_t)i * n_shots, last, n_shots * sizeof *sets)) return false;
    return true;
}

static slk_status too_few(const slk_exemplars *ex, const relation *r, const char *name, const slk_fact *asked,
                          slk_err *err)
{
    return slk_fail(
        err, SLK_E_SHAPE,
        "relation %s: %zu facts in the exemplar pool beside the asked one and its subject, expected %zu for %u "
        "different sets of %u",
        name, count_left(r, asked), count_needed(ex), ex->n_ex, ex->n_shots);
}

/* Redraw prompt e until its set is new. *found stays false only if the attempts run out (SLK_MAX_EX makes that a matter
 * of 1e-28). false: out of memory. */
static bool redraw(const slk_exemplars *ex, const relation *r, unsigned e, const slk_fact *asked, const slk_fact **out,
                   uint32_t *sets, bool *found)
{
    keyed *scratch = slk_alloc(r->n, sizeof *scratch);
    uint32_t *order = slk_alloc(r->n, sizeof *order);
    bool ok = scratch && order;
    for (unsigned attempt = 1; ok && !*found && attempt < N_ATTEMPTS; attempt++) {
        sort_pool(ex, r, e, attempt, scratch, order);
        *found =
            take_first(ex, r, order, asked, out, sets + (size_t)e * ex->n_shots) && is_new_set(sets, e, ex->n_shots);
    }
    free(scratch);
    free(order);
    return ok;
}

static slk_status draw_sets(const slk_exemplars *ex, const char *name, const slk_fact *asked, const slk_fact **out,
                            slk_err *err)
{
    if (ex->n_shots == 0) return SLK_OK;
    const relation *r = find_relation(ex, name);
    if (!r) return too_few(ex, r, name, asked, err);
    uint32_t *sets = slk_alloc(ex->n_ex, ex->n_shots * sizeof *sets);
    slk_status status = sets ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "exemplars: out of memory");
    for (unsigned e = 0; status == SLK_OK && e < ex->n_ex; e++) {
        const slk_fact **prompt = out + (size_t)e * ex->n_shots;
        bool found = take_first(ex, r, r->order + e * r->n, asked, prompt, sets + (size_t)e * ex->n_shots) &&
                     is_new_set(sets, e, ex->n_shots);
        /* Count before looking for a set that may not exist. */
        bool exists = found || has_sets(count_left(r, asked), ex->n_shots, e + 1);
        if (!found && exists && !redraw(ex, r, e, asked, prompt, sets, &found))
            status = slk_fail(err, SLK_E_MEMORY, "exemplars: out of memory");
        else if (!found)
            status = too_few(ex, r, name, asked, err);
    }
    free(sets);
    return status;
}

slk_status slk_exemplars_for(const slk_exemplars *ex, const slk_fact *asked, const slk_fact **out, slk_err *err)
{
    return draw_sets(ex, asked->relation, asked, out, err);
}

slk_status slk_exemplars_common(const slk_exemplars *ex, const char *name, const slk_fact **out, slk_err *err)
{
    return draw_sets(ex, name, NULL, out, err);
}

size_t slk_exemplars_pool_size(const slk_exemplars *ex, const char *name)
{
    const relation *r = find_relation(ex, name);
    return r ? r->n : 0;
}
