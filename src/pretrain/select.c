#include "pretrain/select.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "data/groups.h"
#include "data/import.h"
#include "pretrain/counts.h"
#include "pretrain/draw.h"

/* A fact in the order in which facts are looked at: relation, then test, dev, train, then drawn. */
typedef struct candidate {
    uint64_t draw, id;
    size_t relation, fact;
    int rank;
} candidate;

static int compare_candidates(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->relation != y->relation) return x->relation < y->relation ? -1 : 1;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    if (x->draw != y->draw) return x->draw < y->draw ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* How often a text was there: a hash table by its hash. NULL: out of memory. */
static int64_t *find_count(slk_counts *counts, const char *text)
{
    return slk_counts_at(counts, slk_hash_str(0, text) | 1);
}

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80 || (unsigned char)*text < 0x20) return false;
    return true;
}

static bool is_allowed(const slk_pretrain_plan *plan, const slk_fact *f)
{
    const char *answer = f->answers[0];
    if (f->n_answers != 1 || !f->subject || strpbrk(answer, "\n\r") || strpbrk(f->question, "\n\r")) return false;
    if (plan->select.ascii && (!is_ascii(f->question) || !is_ascii(answer))) return false;
    return (int64_t)strlen(f->subject) <= plan->select.subject_chars &&
           (int64_t)strlen(answer) <= plan->select.answer_chars && strcmp(f->subject, answer) != 0;
}

/* Most facts of this one's relation and split. */
static size_t quota_of(const slk_pretrain_plan *plan, const slk_fact *f)
{
    int64_t n = f->split == SLK_SPLIT_TEST  ? (f->ood ? plan->select.ood_test : plan->select.test)
                : f->split == SLK_SPLIT_DEV ? (f->ood ? plan->select.ood_dev : plan->select.dev)
                                            : (f->ood ? 0 : plan->select.train);
    return n == SLK_PRETRAIN_ALL ? SIZE_MAX : (size_t)n;
}

/* Take from candidates [n] of one relation and split. taken: marks by number of the fact. */
static bool take(bool *taken, const slk_pretrain_plan *plan, const slk_facts *facts, const candidate *c, size_t n,
                 slk_counts *subjects)
{
    slk_counts answers = {0};
    size_t quota = quota_of(plan, &facts->items[c[0].fact]), n_taken = 0;
    size_t n_most = (size_t)((double)(quota < n ? quota : n) * plan->select.answer_share / 100);
    if (n_most < 1) n_most = 1;
    bool ok = true;
    for (size_t i = 0; i < n && n_taken < quota && ok; i++) {
        const slk_fact *f = &facts->items[c[i].fact];
        int64_t *subject = find_count(subjects, f->subject), *answer = find_count(&answers, f->answers[0]);
        ok = subject && answer;
        if (!ok || *subject || *answer >= (int64_t)n_most) continue;
        ++*subject;
        ++*answer;
        taken[c[i].fact] = true;
        n_taken++;
    }
    slk_counts_release(&answers);
    return ok;
}

/* Marks of all facts that are taken; candidates are in order. */
static bool take_all(bool *taken, const slk_pretrain_plan *plan, const slk_facts *facts, const candidate *c, size_t n)
{
    slk_counts subjects = {0};
    bool ok = true;
    for (size_t i = 0, end; i < n && ok; i = end) {
        for (end = i; end < n && c[end].relation == c[i].relation && c[end].rank == c[i].rank;) end++;
        if (i > 0 && c[i - 1].relation != c[i].relation) slk_counts_release(&subjects);
        ok = take(taken, plan, facts, c + i, end - i, &subjects);
    }
    slk_counts_release(&subjects);
    return ok;
}

static slk_status read_facts(slk_facts *out, const slk_pretrain_plan *plan, const char *archive, slk_err *err)
{
    slk_import_report report;
    slk_filter_options filters = {.overlap = SLK_OVERLAP_NONE};
    slk_read_options reading;
    slk_read_options_init(&reading);
    slk_status s = strcmp(plan->facts, "entityquestions") == 0
                       ? slk_import_entityquestions(out, &report, archive, &filters, err)
                       : slk_import_files(out, &report, (const char *const *)&plan->facts, 1, &reading, &filters, err);
    if (s != SLK_OK) return s;
    slk_import_report_release(&report);
    return slk_facts_derive_subjects(out, err);
}

static slk_status check_statements(const slk_facts *facts, const slk_pretrain_plan *plan, slk_err *err)
{
    if (facts->n == 0) return slk_fail(err, SLK_E_FORMAT, "%s: select: no fact of %s is left", plan->path, plan->facts);
    for (size_t i = 0; i < facts->n; i++)
        if (!slk_pretrain_plan_find_statements(plan, facts->items[i].relation))
            return slk_fail(err, SLK_E_FORMAT, "%s: statements: none for relation '%s', and no others", plan->path,
                            facts->items[i].relation);
    return SLK_OK;
}

static slk_status select_facts(slk_facts *out, slk_facts *all, const slk_groups *groups, const slk_pretrain_plan *plan,
                               slk_err *err)
{
    static const int RANKS[SLK_N_SPLITS] = {[SLK_SPLIT_TEST] = 0, [SLK_SPLIT_DEV] = 1, [SLK_SPLIT_TRAIN] = 2};
    candidate *c = slk_alloc(all->n, sizeof *c);
    bool *taken = slk_alloc_zero(all->n, sizeof *taken);
    size_t n = 0;
    bool ok = c && taken;
    for (size_t i = 0; ok && i < all->n; i++) {
        const slk_fact *f = &all->items[i];
        if (!is_allowed(plan, f)) continue;
        c[n++] =
            (candidate){slk_draw_u64(plan->seed, SLK_DRAW_FACT, f->id, 0), f->id, groups->of[i], i, RANKS[f->split]};
    }
    if (ok) qsort(c, n, sizeof *c, compare_candidates);
    ok = ok && take_all(taken, plan, all, c, n);
    for (size_t i = 0; ok && i < n; i++)
        if (taken[c[i].fact]) ok = slk_facts_push(out, &all->items[c[i].fact]);
    free(c);
    free(taken);
    return ok ? check_statements(out, plan, err) : slk_fail(err, SLK_E_MEMORY, "out of memory for facts");
}

slk_status slk_pretrain_select(slk_facts *out, const slk_pretrain_plan *plan, const char *archive, slk_err *err)
{
    slk_facts all = {0};
    slk_groups groups;
    memset(out, 0, sizeof *out);
    slk_status s = read_facts(&all, plan, archive, err);
    if (s != SLK_OK) return s;
    s = slk_groups_create(&groups, &all) ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory for facts");
    if (s == SLK_OK) {
        s = select_facts(out, &all, &groups, plan, err);
        slk_groups_release(&groups);
    }
    slk_facts_release(&all);
    if (s != SLK_OK) slk_facts_release(out);
    return s;
}
