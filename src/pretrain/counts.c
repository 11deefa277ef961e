#include "pretrain/counts.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"

static size_t find_slot(const slk_counts *c, uint64_t key)
{
    size_t i = slk_hash_bytes(&key, sizeof key) & (c->n_slots - 1);
    while (c->slots[i].key != 0 && c->slots[i].key != key) i = (i + 1) & (c->n_slots - 1);
    return i;
}

static bool grow(slk_counts *c)
{
    slk_counts bigger = {.n_slots = c->n_slots ? 2 * c->n_slots : 1024, .n_used = c->n_used};
    bigger.slots = slk_alloc_zero(bigger.n_slots, sizeof *bigger.slots);
    if (!bigger.slots) return false;
    for (size_t i = 0; i < c->n_slots; i++)
        if (c->slots[i].key) bigger.slots[find_slot(&bigger, c->slots[i].key)] = c->slots[i];
    free(c->slots);
    *c = bigger;
    return true;
}

int64_t *slk_counts_at(slk_counts *c, uint64_t key)
{
    if (2 * (c->n_used + 1) > c->n_slots && !grow(c)) return NULL;
    slk_count *slot = &c->slots[find_slot(c, key)];
    if (slot->key == 0) {
        slot->key = key;
        c->n_used++;
    }
    return &slot->value;
}

int64_t slk_counts_get(const slk_counts *c, uint64_t key)
{
    return c->n_slots ? c->slots[find_slot(c, key)].value : 0;
}

void slk_counts_release(slk_counts *c)
{
    if (!c) return;
    free(c->slots);
    *c = (slk_counts){0};
}
