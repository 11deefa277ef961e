#include "data/select.h"

#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "data/groups.h"

void slk_selection_init(slk_selection *selection)
{
    memset(selection, 0, sizeof *selection);
    selection->split = -1;
}

/* Keep the facts with keep[i]. */
static void keep_facts(slk_facts *facts, const bool *keep)
{
    size_t n = 0;
    for (size_t i = 0; i < facts->n; i++) {
        if (!keep[i])
            slk_fact_release(&facts->items[i]);
        else
            facts->items[n++] = facts->items[i];
    }
    facts->n = n;
}

static bool is_wanted(const slk_fact *fact, const slk_selection *s)
{
    if (s->split >= 0 && (int)fact->split != s->split) return false;
    for (size_t i = 0; i < s->n_relations; i++) {
        if (strcmp(s->relations[i], fact->relation) == 0) return true;
    }
    return s->n_relations == 0;
}

/* Every relation asked for must have a fact, or a misspelt one would silently give less. */
static slk_status check_relations(const slk_facts *facts, const slk_selection *s, slk_err *err)
{
    const char *split = s->split < 0 ? "any split" : slk_split_name((slk_split)s->split);
    for (size_t i = 0; i < s->n_relations; i++) {
        size_t j = 0;
        while (j < facts->n && strcmp(facts->items[j].relation, s->relations[i]) != 0) j++;
        if (j == facts->n)
            return slk_fail(err, SLK_E_NOT_FOUND, "relation '%s': no facts of it in %s", s->relations[i], split);
    }
    return facts->n > 0 ? SLK_OK : slk_fail(err, SLK_E_NOT_FOUND, "no facts in %s", split);
}

/* A fact's place in the order of the limit. */
typedef struct place {
    size_t round;      /* its rank within its relation */
    uint64_t relation; /* key of the relation */
    uint64_t key, id;
    size_t group, index;
} place;

static int compare_numbers(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_in_relation(const void *pa, const void *pb)
{
    const place *a = pa, *b = pb;
    if (a->group != b->group) return a->group < b->group ? -1 : 1;
    if (a->key != b->key) return compare_numbers(a->key, b->key);
    return compare_numbers(a->id, b->id);
}

static int compare_rounds(const void *pa, const void *pb)
{
    const place *a = pa, *b = pb;
    if (a->round != b->round) return a->round < b->round ? -1 : 1;
    if (a->relation != b->relation) return compare_numbers(a->relation, b->relation);
    return compare_in_relation(pa, pb);
}

static slk_status apply_limit(slk_facts *facts, size_t limit, uint64_t seed, slk_err *err)
{
    if (limit == 0 || facts->n <= limit) return SLK_OK;
    slk_groups groups;
    place *places = slk_alloc(facts->n, sizeof *places);
    bool *keep = slk_alloc_zero(facts->n, sizeof *keep);
    if (!places || !keep || !slk_groups_create(&groups, facts)) {
        free(places);
        free(keep);
        return slk_fail(err, SLK_E_MEMORY, "selection: out of memory");
    }
    for (size_t i = 0; i < facts->n; i++) {
        const slk_fact *fact = &facts->items[i];
        uint64_t name = slk_hash_bytes(fact->relation, strlen(fact->relation));
        places[i] = (place){.relation = slk_rng_u64(seed, SLK_PURPOSE_LIMIT, name, 1, 0, 0),
                            .key = slk_rng_u64(seed, SLK_PURPOSE_LIMIT, fact->id, 0, 0, 0),
                            .id = fact->id,
                            .group = groups.of[i],
                            .index = i};
    }
    qsort(places, facts->n, sizeof *places, compare_in_relation);
    for (size_t i = 1; i < facts->n; i++)
        places[i].round = places[i].group == places[i - 1].group ? places[i - 1].round + 1 : 0;
    qsort(places, facts->n, sizeof *places, compare_rounds);
    for (size_t i = 0; i < limit; i++) keep[places[i].index] = true;
    keep_facts(facts, keep);
    slk_groups_release(&groups);
    free(places);
    free(keep);
    return SLK_OK;
}

/* Begin of part i of n equal parts of n_facts, without a product that could overflow. */
static size_t part_begin(size_t n_facts, size_t i, size_t n)
{
    size_t extra = n_facts % n;
    return n_facts / n * i + (i < extra ? i : extra);
}

static void apply_shard(slk_facts *facts, size_t shard, size_t n_shards)
{
    size_t begin = part_begin(facts->n, shard, n_shards), end = part_begin(facts->n, shard + 1, n_shards), n = 0;
    for (size_t i = 0; i < facts->n; i++) {
        if (i < begin || i >= end)
            slk_fact_release(&facts->items[i]);
        else
            facts->items[n++] = facts->items[i];
    }
    facts->n = n;
}

slk_status slk_facts_select(slk_facts *facts, const slk_selection *selection, slk_err *err)
{
    if (selection->n_shards > 0 && selection->shard >= selection->n_shards)
        return slk_fail(err, SLK_E_ARG, "shard %zu/%zu: expected 0 <= i < n", selection->shard, selection->n_shards);
    bool *keep = slk_alloc(facts->n, sizeof *keep);
    if (!keep) return slk_fail(err, SLK_E_MEMORY, "selection: out of memory");
    for (size_t i = 0; i < facts->n; i++) keep[i] = is_wanted(&facts->items[i], selection);
    keep_facts(facts, keep);
    free(keep);
    slk_status status = check_relations(facts, selection, err);
    if (status == SLK_OK) status = apply_limit(facts, selection->limit, selection->seed, err);
    if (status == SLK_OK && selection->n_shards > 1) apply_shard(facts, selection->shard, selection->n_shards);
    return status;
}

slk_status slk_shard_parse(size_t *shard, size_t *n_shards, const char *text, slk_err *err)
{
    size_t numbers[2] = {0, 0};
    const char *p = text;
    bool ok = true;
    for (int k = 0; k < 2 && ok; k++) {
        size_t n = strspn(p, "0123456789");
        ok = n > 0 && n <= 9 && p[n] == (k == 0 ? '/' : '\0');
        if (ok) numbers[k] = strtoul(p, NULL, 10);
        if (ok) p += n + (k == 0);
    }
    if (!ok || numbers[0] >= numbers[1])
        return slk_fail(err, SLK_E_ARG, "shard '%s': expected i/n with 0 <= i < n, as in 0/4", text);
    *shard = numbers[0];
    *n_shards = numbers[1];
    return SLK_OK;
}
