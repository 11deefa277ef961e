#include "token/internal.h"

#include <stdlib.h>
#include "base/mem.h"

void slk_merging_release(slk_merging *m)
{
    free(m->symbols);
    free(m->heap);
    free(m->spaced);
    slk_buf_release(&m->normal);
    slk_buf_release(&m->marked);
    *m = (slk_merging){0};
}

bool slk_ids_push(slk_ids *ids, int32_t id)
{
    if (ids->n == ids->cap && !slk_grow(&ids->ids, &ids->cap, ids->n + 1, sizeof *ids->ids)) return false;
    ids->ids[ids->n++] = id;
    return true;
}

bool slk_merging_add(slk_merging *m, size_t at, size_t n_bytes, int32_t id)
{
    if (m->n_symbols == m->symbols_cap &&
        !slk_grow(&m->symbols, &m->symbols_cap, m->n_symbols + 1, sizeof *m->symbols)) {
        return false;
    }
    int32_t index = (int32_t)m->n_symbols++;
    m->symbols[index] = (slk_symbol){(uint32_t)at, (uint32_t)n_bytes, index - 1, -1, id};
    if (index > 0) m->symbols[index - 1].next = index;
    return true;
}

static bool heap_push(slk_merging *m, slk_pair pair)
{
    if (m->n_heap == m->heap_cap && !slk_grow(&m->heap, &m->heap_cap, m->n_heap + 1, sizeof *m->heap)) return false;
    size_t i = m->n_heap++;
    while (i > 0 && m->heap[(i - 1) / 2].key > pair.key) {
        m->heap[i] = m->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    m->heap[i] = pair;
    return true;
}

static slk_pair heap_pop(slk_merging *m)
{
    slk_pair top = m->heap[0], last = m->heap[--m->n_heap];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= m->n_heap) break;
        if (child + 1 < m->n_heap && m->heap[child + 1].key < m->heap[child].key) child++;
        if (m->heap[child].key >= last.key) break;
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = last;
    return top;
}

/* Note that `left` and its right neighbour could be joined, if they could. */
static bool note_pair(slk_merging *m, int32_t left)
{
    if (left < 0 || m->symbols[left].next < 0) return true;
    const slk_symbol *l = &m->symbols[left], *r = &m->symbols[l->next];
    uint32_t order;
    slk_pair pair = {.right = (uint32_t)l->next, .n_bytes = l->n_bytes + r->n_bytes};
    bool found = m->tok->by_rank ? slk_bpe_find_merge(m->tok, l->id, r->id, &order, &pair.result)
                                 : slk_spm_find_merge(m->tok, m->text + l->at, pair.n_bytes, &order, &pair.result);
    if (!found) return true;
    pair.key = (uint64_t)order << 32 | (uint32_t)left;
    return heap_push(m, pair);
}

bool slk_merging_run(slk_merging *m)
{
    m->n_heap = 0;
    for (size_t i = 0; i + 1 < m->n_symbols; i++) {
        if (!note_pair(m, (int32_t)i)) return false;
    }
    while (m->n_heap > 0) {
        slk_pair pair = heap_pop(m);
        int32_t left = (int32_t)(uint32_t)pair.key;
        slk_symbol *l = &m->symbols[left], *r = &m->symbols[pair.right];
        /* Stale: one of the two was joined to something else since. A symbol grows to the right only, so sizes tell. */
        if (l->n_bytes == 0 || r->n_bytes == 0 || l->n_bytes + r->n_bytes != pair.n_bytes) continue;
        l->n_bytes = pair.n_bytes;
        l->id = pair.result;
        l->next = r->next;
        r->n_bytes = 0;
        if (l->next >= 0) m->symbols[l->next].prev = left;
        if (!note_pair(m, l->prev) || !note_pair(m, left)) return false;
    }
    return true;
}
