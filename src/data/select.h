/* Selection: which facts of a set a command works on. A split and relations, then --limit, then --shard. */
#ifndef SLK_DATA_SELECT_H
#define SLK_DATA_SELECT_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/fact.h"

typedef struct slk_selection {
    int split;                    /* slk_split, or -1: all */
    const char *const *relations; /* [n_relations]; n_relations 0: all */
    size_t n_relations;
    size_t limit;           /* facts in all; 0: no limit */
    uint64_t seed;          /* of the limit's order */
    size_t shard, n_shards; /* shard < n_shards; n_shards 0 or 1: everything */
} slk_selection;

/* Split -1, all relations, no limit, one shard. */
void slk_selection_init(slk_selection *selection);

/* Keep the selected facts, in their order.
 * limit: facts are taken in rounds, one of each relation a round, until there are `limit`: so relations differ by at
 * most one fact, except those that have no more. Within a relation they come in the order of slk_rng_u64(seed,
 * SLK_PURPOSE_LIMIT, id); the order of relations decides the last, incomplete round, and comes from the same generator.
 * A smaller limit gives a subset of a larger. shard i/n: the i-th of n contiguous parts, equal up to one fact.
 * Contiguous, because a shard then has few relations, and each relation's prompts are computed once per shard. Errors:
 * SLK_E_NOT_FOUND (a relation that no fact of the split has; no facts in the split), SLK_E_ARG (shard >= n_shards),
 * SLK_E_MEMORY. An empty shard is no error. */
slk_status slk_facts_select(slk_facts *facts, const slk_selection *selection, slk_err *err);

/* "2/8" -> 2, 8. Errors: SLK_E_ARG (not two numbers, or not 0 <= i < n). */
slk_status slk_shard_parse(size_t *shard, size_t *n_shards, const char *text, slk_err *err);

#endif
