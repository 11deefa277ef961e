/* Segments, their slots, and how a set of them becomes a batch of packed rows. */
#include "model/tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/model.h"

typedef struct segment {
    slk_seg parent;    /* SLK_SEG_NONE: the root */
    int32_t parent_n;  /* how many of the parent's own tokens belong to the path */
    int32_t pos0;      /* absolute position of the first token */
    int32_t n, n_done; /* own tokens; how many have keys and values */
    int32_t n_refs, n_children;
    slk_seg first_child, next_sibling, prev_sibling;
    int32_t *tokens; /* [n] */
    slk_run *runs;   /* slots of the n tokens, or NULL before the first is computed */
    int32_t n_runs;
    int32_t n_batch; /* while a batch is being built: tokens that it computes */
    bool used;
} segment;

struct slk_tree {
    const slk_model *model;
    slk_forward *forward;
    slk_cache *cache;
    segment *segs;
    size_t n_segs, cap_segs;
    slk_seg first_free; /* unused entries, chained by next_sibling */
    slk_seg root_child; /* segments without a parent */
    slk_run *free_runs; /* by slot, never adjacent */
    size_t n_free_runs, cap_free_runs;
    int32_t n_free;
};

slk_status slk_tree_create(slk_tree **out, const slk_model *model, slk_forward *forward, int32_t n_slots, slk_err *err)
{
    *out = NULL;
    slk_tree *t = slk_alloc_zero(1, sizeof *t);
    if (!t) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    t->model = model;
    t->forward = forward;
    t->first_free = t->root_child = SLK_SEG_NONE;
    slk_status s = slk_cache_create(&t->cache, model, n_slots, err);
    if (s == SLK_OK && !slk_grow(&t->free_runs, &t->cap_free_runs, 64, sizeof *t->free_runs))
        s = slk_fail(err, SLK_E_MEMORY, "out of memory");
    if (s != SLK_OK) {
        slk_tree_free(t);
        return s;
    }
    t->free_runs[0] = (slk_run){0, n_slots};
    t->n_free_runs = 1;
    t->n_free = n_slots;
    *out = t;
    return SLK_OK;
}

void slk_tree_free(slk_tree *t)
{
    if (!t) return;
    for (size_t i = 0; i < t->n_segs; i++) {
        free(t->segs[i].tokens);
        free(t->segs[i].runs);
    }
    free(t->segs);
    free(t->free_runs);
    slk_cache_free(t->cache);
    free(t);
}

/* --- slots ---------------------------------------------------------------------------------------------------------
 */

static void take_front(slk_tree *t, size_t i, int32_t n)
{
    t->free_runs[i].slot += n;
    t->free_runs[i].n -= n;
    t->n_free -= n;
    if (t->free_runs[i].n == 0) {
        memmove(&t->free_runs[i], &t->free_runs[i + 1], (t->n_free_runs - i - 1) * sizeof *t->free_runs);
        t->n_free_runs--;
    }
}

/* The lowest run that is long enough, else as many of the lowest as it takes: low slots keep the touched memory small.
 */
static slk_status take_slots(slk_tree *t, segment *s, slk_err *err)
{
    if (t->n_free < s->n)
        return slk_fail(err, SLK_E_MEMORY, "keys and values of %d more tokens do not fit, %d are free", s->n,
                        t->n_free);
    size_t first = 0;
    while (first < t->n_free_runs && t->free_runs[first].n < s->n) first++;
    int32_t n_runs = 1;
    if (first == t->n_free_runs) {
        int32_t covered = 0;
        for (n_runs = 0; covered < s->n; n_runs++) covered += t->free_runs[n_runs].n;
        first = 0;
    }
    s->runs = slk_alloc((size_t)n_runs, sizeof *s->runs);
    if (!s->runs) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    s->n_runs = n_runs;
    int32_t left = s->n;
    for (int32_t i = 0; i < n_runs; i++) {
        int32_t n = t->free_runs[first].n < left ? t->free_runs[first].n : left;
        s->runs[i] = (slk_run){t->free_runs[first].slot, n};
        take_front(t, first, n);
        left -= n;
    }
    return SLK_OK;
}

/* Cannot fail: room for one more free run a segment's run is reserved when the segment is made (reserve_free_runs). */
static void give_run(slk_tree *t, slk_run run)
{
    size_t lo = 0, hi = t->n_free_runs;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (t->free_runs[mid].slot < run.slot)
            lo = mid + 1;
        else
            hi = mid;
    }
    t->n_free += run.n;
    bool joins_left = lo > 0 && t->free_runs[lo - 1].slot + t->free_runs[lo - 1].n == run.slot;
    bool joins_right = lo < t->n_free_runs && run.slot + run.n == t->free_runs[lo].slot;
    if (joins_left) {
        t->free_runs[lo - 1].n += run.n;
        if (joins_right) {
            t->free_runs[lo - 1].n += t->free_runs[lo].n;
            memmove(&t->free_runs[lo], &t->free_runs[lo + 1], (t->n_free_runs - lo - 1) * sizeof *t->free_runs);
            t->n_free_runs--;
        }
    } else if (joins_right) {
        t->free_runs[lo].slot = run.slot;
        t->free_runs[lo].n += run.n;
    } else {
        memmove(&t->free_runs[lo + 1], &t->free_runs[lo], (t->n_free_runs - lo) * sizeof *t->free_runs);
        t->free_runs[lo] = run;
        t->n_free_runs++;
    }
}

/* Free runs are separated by used ones, so there is at most one more of them than there are tokens in use. */
static bool reserve_free_runs(slk_tree *t, int32_t n_more)
{
    size_t used = (size_t)(t->cache->n_slots - t->n_free);
    return slk_grow(&t->free_runs, &t->cap_free_runs, used + (size_t)n_more + 2, sizeof *t->free_runs);
}

/* --- segments ------------------------------------------------------------------------------------------------------
 */

static slk_seg *child_list(slk_tree *t, slk_seg parent)
{
    return parent == SLK_SEG_NONE ? &t->root_child : &t->segs[parent].first_child;
}

static slk_status new_segment(slk_tree *t, slk_seg parent, int32_t parent_n, const int32_t *tokens, int32_t n,
                              slk_seg *out, slk_err *err)
{
    slk_seg i = t->first_free;
    if (i == SLK_SEG_NONE) {
        if (!slk_grow(&t->segs, &t->cap_segs, t->n_segs + 1, sizeof *t->segs))
            return slk_fail(err, SLK_E_MEMORY, "out of memory");
        i = (slk_seg)t->n_segs++;
        t->segs[i].used = false;
    } else {
        t->first_free = t->segs[i].next_sibling;
    }
    segment *s = &t->segs[i];
    *s = (segment){.parent = parent,
                   .parent_n = parent_n,
                   .n = n,
                   .n_refs = 1,
                   .first_child = SLK_SEG_NONE,
                   .prev_sibling = SLK_SEG_NONE,
                   .used = true};
    s->pos0 = parent == SLK_SEG_NONE ? 0 : t->segs[parent].pos0 + parent_n;
    s->tokens = slk_alloc((size_t)n, sizeof *s->tokens);
    if (!s->tokens) {
        *s = (segment){.next_sibling = t->first_free};
        t->first_free = i;
        return slk_fail(err, SLK_E_MEMORY, "out of memory");
    }
    memcpy(s->tokens, tokens, (size_t)n * sizeof *tokens);
    slk_seg *list = child_list(t, parent);
    s->next_sibling = *list;
    if (*list != SLK_SEG_NONE) t->segs[*list].prev_sibling = i;
    *list = i;
    if (parent != SLK_SEG_NONE) t->segs[parent].n_children++;
    *out = i;
    return SLK_OK;
}

static void drop_segment(slk_tree *t, slk_seg i)
{
    segment *s = &t->segs[i];
    for (int32_t r = 0; r < s->n_runs; r++) give_run(t, s->runs[r]);
    if (s->prev_sibling == SLK_SEG_NONE)
        *child_list(t, s->parent) = s->next_sibling;
    else
        t->segs[s->prev_sibling].next_sibling = s->next_sibling;
    if (s->next_sibling != SLK_SEG_NONE) t->segs[s->next_sibling].prev_sibling = s->prev_sibling;
    free(s->tokens);
    free(s->runs);
    *s = (segment){.next_sibling = t->first_free};
    t->first_free = i;
}

slk_status slk_tree_append(slk_tree *t, slk_seg parent, const int32_t *tokens, int32_t n, slk_seg *out, slk_err *err)
{
    return new_segment(t, parent, parent == SLK_SEG_NONE ? 0 : t->segs[parent].n, tokens, n, out, err);
}

slk_status slk_tree_insert(slk_tree *t, slk_seg parent, const int32_t *tokens, int32_t n, slk_seg *out, slk_err *err)
{
    int32_t matched = 0, parent_n = parent == SLK_SEG_NONE ? 0 : t->segs[parent].n;
    for (;;) {
        /* a child that goes on from here with the next token; the path's last token is never shared */
        slk_seg child = matched < n - 1 ? *child_list(t, parent) : SLK_SEG_NONE;
        while (child != SLK_SEG_NONE &&
               (t->segs[child].parent_n != parent_n || t->segs[child].tokens[0] != tokens[matched])) {
            child = t->segs[child].next_sibling;
        }
        if (child == SLK_SEG_NONE) break;
        parent = child;
        parent_n = 0;
        while (parent_n < t->segs[child].n && matched < n - 1 && t->segs[child].tokens[parent_n] == tokens[matched]) {
            parent_n++;
            matched++;
        }
    }
    return new_segment(t, parent, parent_n, tokens + matched, n - matched, out, err);
}

void slk_tree_hold(slk_tree *t, slk_seg i)
{
    t->segs[i].n_refs++;
}

void slk_tree_release(slk_tree *t, slk_seg i)
{
    if (i == SLK_SEG_NONE) return;
    t->segs[i].n_refs--;
    while (i != SLK_SEG_NONE && t->segs[i].n_refs == 0 && t->segs[i].n_children == 0) {
        slk_seg parent = t->segs[i].parent;
        drop_segment(t, i);
        if (parent != SLK_SEG_NONE) t->segs[parent].n_children--;
        i = parent;
    }
}

slk_seg slk_tree_next_unplanned(const slk_tree *t, slk_seg i, const int32_t *planned, size_t n_planned)
{
    slk_seg pending = SLK_SEG_NONE;
    int32_t needed = t->segs[i].n;
    for (; i != SLK_SEG_NONE; i = t->segs[i].parent) {
        int32_t n = t->segs[i].n_done + ((size_t)i < n_planned ? planned[i] : 0);
        if (n < needed) pending = i;
        needed = t->segs[i].parent_n;
    }
    return pending;
}

int32_t slk_tree_n_slots_needed(const slk_tree *t, slk_seg i)
{
    return t->segs[i].runs ? 0 : t->segs[i].n;
}

int32_t slk_tree_n_pending(const slk_tree *t, slk_seg i)
{
    return t->segs[i].n - t->segs[i].n_done;
}

int32_t slk_tree_n_tokens(const slk_tree *t, slk_seg i)
{
    return t->segs[i].n;
}

int32_t slk_tree_position(const slk_tree *t, slk_seg i)
{
    return t->segs[i].pos0 + t->segs[i].n;
}

int32_t slk_tree_n_free(const slk_tree *t)
{
    return t->n_free;
}

/* --- a batch -------------------------------------------------------------------------------------------------------
 */

/* Everything a batch is made of; one growing block of memory each. */
typedef struct builder {
    slk_tree *tree;
    const slk_span *spans;
    int32_t n_spans;
    int32_t *order; /* [n_spans] spans by path, so that neighbours share */
    slk_run *runs;  /* all paths' runs */
    size_t n_runs, cap_runs;
    size_t *first_run;            /* [n_spans + 1] of span i */
    int32_t *tokens, *pos, *slot; /* [n_rows] */
    slk_path *paths;
    slk_ask *asks;
    int32_t n_rows, n_asks;
} builder;

/* The runs of a segment's first n tokens, put before what follows: the path is walked from its end to the root. */
static slk_status add_path(builder *b, slk_seg i, int32_t n)
{
    size_t first = b->n_runs;
    slk_tree *t = b->tree;
    for (; i != SLK_SEG_NONE; n = t->segs[i].parent_n, i = t->segs[i].parent) {
        const segment *s = &t->segs[i];
        if (n > s->n_done + s->n_batch) return SLK_E_STATE;
        if (!slk_grow(&b->runs, &b->cap_runs, b->n_runs + (size_t)s->n_runs, sizeof *b->runs)) return SLK_E_MEMORY;
        /* reversed now, turned round below */
        size_t at = b->n_runs;
        int32_t left = n;
        for (int32_t r = 0; r < s->n_runs && left > 0; r++) {
            int32_t m = s->runs[r].n < left ? s->runs[r].n : left;
            b->runs[b->n_runs++] = (slk_run){s->runs[r].slot, m};
            left -= m;
        }
        for (size_t lo = at, hi = b->n_runs; lo + 1 < hi; lo++, hi--) {
            slk_run swap = b->runs[lo];
            b->runs[lo] = b->runs[hi - 1];
            b->runs[hi - 1] = swap;
        }
    }
    for (size_t lo = first, hi = b->n_runs; lo + 1 < hi; lo++, hi--) {
        slk_run swap = b->runs[lo];
        b->runs[lo] = b->runs[hi - 1];
        b->runs[hi - 1] = swap;
    }
    return SLK_OK;
}

typedef struct sort_key {
    const slk_run *runs;
    int32_t n_runs, span;
} sort_key;

static int compare_keys(const void *left, const void *right)
{
    const sort_key *x = left, *y = right;
    for (int32_t i = 0; i < x->n_runs && i < y->n_runs; i++) {
        if (x->runs[i].slot != y->runs[i].slot) return x->runs[i].slot < y->runs[i].slot ? -1 : 1;
        if (x->runs[i].n != y->runs[i].n) return x->runs[i].n < y->runs[i].n ? -1 : 1;
    }
    if (x->n_runs != y->n_runs) return x->n_runs < y->n_runs ? -1 : 1;
    return x->span - y->span;
}

/* Leading positions that two paths have in the same slots. */
static int32_t count_shared(const slk_path *x, const slk_path *y)
{
    int32_t i = 0, j = 0, in_i = 0, in_j = 0, n = 0;
    while (i < x->n_runs && j < y->n_runs && x->runs[i].slot + in_i == y->runs[j].slot + in_j) {
        int32_t left_i = x->runs[i].n - in_i, left_j = y->runs[j].n - in_j, m = left_i < left_j ? left_i : left_j;
        n += m, in_i += m, in_j += m;
        if (in_i == x->runs[i].n) i++, in_i = 0;
        if (in_j == y->runs[j].n) j++, in_j = 0;
    }
    return n;
}

static slk_status sort_spans(builder *b, slk_err *err)
{
    sort_key *keys = slk_alloc((size_t)b->n_spans, sizeof *keys);
    if (!keys) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    for (int32_t i = 0; i < b->n_spans; i++) {
        keys[i] = (sort_key){b->runs + b->first_run[i], (int32_t)(b->first_run[i + 1] - b->first_run[i]), i};
    }
    qsort(keys, (size_t)b->n_spans, sizeof *keys, compare_keys);
    for (int32_t i = 0; i < b->n_spans; i++) b->order[i] = keys[i].span;
    free(keys);
    return SLK_OK;
}

static void fill_rows(builder *b)
{
    slk_path *previous = NULL;
    for (int32_t k = 0; k < b->n_spans; k++) {
        int32_t i = b->order[k];
        const slk_span *span = &b->spans[i];
        const segment *s = &b->tree->segs[span->seg];
        slk_path *path = &b->paths[k];
        *path = (slk_path){.row0 = b->n_rows,
                           .n_rows = span->n,
                           .pos0 = s->pos0 + s->n_done,
                           .runs = b->runs + b->first_run[i],
                           .n_runs = (int32_t)(b->first_run[i + 1] - b->first_run[i])};
        path->n_shared = previous ? count_shared(previous, path) : 0;
        previous = path;
        int32_t r = 0, before = 0;
        for (int32_t j = 0; j < span->n; j++) {
            int32_t own = s->n_done + j;
            while (own >= before + s->runs[r].n) before += s->runs[r++].n;
            b->tokens[b->n_rows] = s->tokens[own];
            b->pos[b->n_rows] = s->pos0 + own;
            b->slot[b->n_rows] = s->runs[r].slot + own - before;
            b->n_rows++;
        }
        for (int32_t j = 0; j < span->n_asks; j++) {
            b->asks[b->n_asks] = span->asks[j];
            b->asks[b->n_asks++].row += path->row0;
        }
    }
}

static slk_status build(builder *b, slk_err *err)
{
    size_t n_rows = 0, n_asks = 0, n = (size_t)b->n_spans;
    for (size_t i = 0; i < n; i++) {
        n_rows += (size_t)b->spans[i].n;
        n_asks += (size_t)b->spans[i].n_asks;
    }
    b->order = slk_alloc(n, sizeof *b->order);
    b->first_run = slk_alloc(n + 1, sizeof *b->first_run);
    b->tokens = slk_alloc(n_rows * 3, sizeof *b->tokens);
    b->paths = slk_alloc(n, sizeof *b->paths);
    b->asks = slk_alloc(n_asks, sizeof *b->asks);
    if (!b->order || !b->first_run || !b->tokens || !b->paths || !b->asks)
        return slk_fail(err, SLK_E_MEMORY, "out of memory for a batch of %zu rows", n_rows);
    b->pos = b->tokens + n_rows;
    b->slot = b->pos + n_rows;
    for (int32_t i = 0; i < b->n_spans; i++) {
        segment *s = &b->tree->segs[b->spans[i].seg];
        if (!s->runs) {
            slk_status status = reserve_free_runs(b->tree, s->n) ? take_slots(b->tree, s, err)
                                                                 : slk_fail(err, SLK_E_MEMORY, "out of memory");
            if (status != SLK_OK) return status;
        }
        s->n_batch = b->spans[i].n;
    }
    for (int32_t i = 0; i < b->n_spans; i++) {
        const segment *s = &b->tree->segs[b->spans[i].seg];
        b->first_run[i] = b->n_runs;
        slk_status status = add_path(b, b->spans[i].seg, s->n_done + b->spans[i].n);
        if (status == SLK_E_STATE) return slk_fail(err, status, "a segment's context is not computed yet");
        if (status != SLK_OK) return slk_fail(err, status, "out of memory");
    }
    b->first_run[b->n_spans] = b->n_runs;
    slk_status status = sort_spans(b, err);
    if (status == SLK_OK) fill_rows(b);
    return status;
}

/* Rows of `hidden` in the order of the spans, from the order they were computed in. */
static slk_status reorder_hidden(const builder *b, float *hidden, slk_err *err)
{
    const slk_config *c = &b->tree->model->config;
    size_t d = (size_t)c->d_model, layer = (size_t)b->n_rows * d;
    float *copy = slk_alloc(layer, sizeof *copy);
    if (!copy) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    for (int l = 0; l <= c->n_layers; l++, hidden += layer) {
        memcpy(copy, hidden, layer * sizeof *copy);
        size_t row = 0;
        for (int32_t i = 0; i < b->n_spans; i++) {
            for (int32_t k = 0; k < b->n_spans; k++) {
                if (b->order[k] != i) continue;
                memcpy(hidden + row * d, copy + (size_t)b->paths[k].row0 * d,
                       (size_t)b->paths[k].n_rows * d * sizeof *copy);
                row += (size_t)b->paths[k].n_rows;
            }
        }
    }
    free(copy);
    return SLK_OK;
}

slk_status slk_tree_forward(slk_tree *t, const slk_span *spans, int32_t n_spans, float *hidden, slk_err *err)
{
    if (n_spans == 0) return SLK_OK;
    builder b = {.tree = t, .spans = spans, .n_spans = n_spans};
    slk_status s = build(&b, err);
    if (s == SLK_OK) {
        slk_batch batch = {.n_rows = b.n_rows,
                           .tokens = b.tokens,
                           .pos = b.pos,
                           .slot = b.slot,
                           .paths = b.paths,
                           .n_paths = n_spans,
                           .asks = b.asks,
                           .n_asks = b.n_asks,
                           .hidden = hidden};
        s = slk_forward_run(t->forward, t->cache, &batch, err);
    }
    if (s == SLK_OK && hidden) s = reorder_hidden(&b, hidden, err);
    for (int32_t i = 0; i < n_spans; i++) {
        segment *seg = &t->segs[spans[i].seg];
        if (s == SLK_OK) seg->n_done += seg->n_batch;
        seg->n_batch = 0;
    }
    free(b.order), free(b.first_run), free(b.tokens), free(b.paths), free(b.asks), free(b.runs);
    return s;
}
