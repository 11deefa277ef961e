#include "data/groups.h"

#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"

void slk_groups_release(slk_groups *groups)
{
    free(groups->of);
    free(groups->first);
    memset(groups, 0, sizeof *groups);
}

/* Slot of `relation` in an open-addressed table of group numbers + 1 (0: free). */
static size_t find_slot(const size_t *table, size_t mask, const slk_groups *groups, const slk_facts *facts,
                        const char *relation)
{
    size_t slot = (size_t)slk_hash_bytes(relation, strlen(relation)) & mask;
    while (table[slot] && strcmp(facts->items[groups->first[table[slot] - 1]].relation, relation) != 0)
        slot = (slot + 1) & mask;
    return slot;
}

bool slk_groups_create(slk_groups *out, const slk_facts *facts)
{
    memset(out, 0, sizeof *out);
    size_t n_slots = 16;
    while (n_slots < facts->n * 2) n_slots *= 2;
    size_t *table = slk_alloc_zero(n_slots, sizeof *table);
    out->of = slk_alloc(facts->n, sizeof *out->of);
    out->first = slk_alloc(facts->n, sizeof *out->first);
    if (!table || !out->of || !out->first) {
        free(table);
        slk_groups_release(out);
        return false;
    }
    for (size_t i = 0; i < facts->n; i++) {
        size_t slot = find_slot(table, n_slots - 1, out, facts, facts->items[i].relation);
        if (!table[slot]) {
            out->first[out->n++] = i;
            table[slot] = out->n;
        }
        out->of[i] = table[slot] - 1;
    }
    free(table);
    return true;
}
