#include "infer/schedule.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

typedef struct waiting {
    slk_seg seg;
    int32_t n_rows; /* of its own segment */
    void *request;
} waiting;

struct slk_schedule {
    slk_tree *tree;
    int top_k;
    int32_t n_batch_rows;
    waiting *queue; /* [n_queue] in order of addition */
    size_t n_queue, cap_queue;
    int64_t n_rows;
    int32_t *planned; /* by segment: tokens that the batch being built computes, 0 for all others */
    size_t cap_planned;
    slk_span *spans; /* the batch */
    size_t n_spans, cap_spans;
    waiting *ready; /* requests that the batch answers */
    size_t n_ready, cap_ready;
    slk_ask *asks; /* [n_ready] */
    size_t cap_asks;
    slk_top *tops;
    size_t cap_tops;
    int32_t *ids; /* [cap_tops][top_k] */
    float *logits;
    size_t cap_ids, cap_logits;
};

slk_status slk_schedule_create(slk_schedule **out, slk_tree *tree, int top_k, int32_t n_batch_rows, slk_err *err)
{
    *out = NULL;
    slk_schedule *s = slk_alloc_zero(1, sizeof *s);
    if (!s) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    s->tree = tree;
    s->top_k = top_k;
    s->n_batch_rows = n_batch_rows;
    *out = s;
    return SLK_OK;
}

void slk_schedule_free(slk_schedule *s)
{
    if (!s) return;
    free(s->queue), free(s->planned), free(s->spans), free(s->ready), free(s->asks), free(s->tops), free(s->ids),
        free(s->logits);
    free(s);
}

slk_status slk_schedule_add(slk_schedule *s, slk_seg seg, void *request, slk_err *err)
{
    if (!slk_grow(&s->queue, &s->cap_queue, s->n_queue + 1, sizeof *s->queue))
        return slk_fail(err, SLK_E_MEMORY, "out of memory");
    waiting w = {seg, slk_tree_n_pending(s->tree, seg), request};
    s->queue[s->n_queue++] = w;
    s->n_rows += w.n_rows;
    return SLK_OK;
}

int64_t slk_schedule_n_rows(const slk_schedule *s)
{
    return s->n_rows;
}

int32_t slk_schedule_batch_rows(const slk_schedule *s)
{
    return s->n_batch_rows;
}

bool slk_schedule_is_empty(const slk_schedule *s)
{
    return s->n_queue == 0;
}

/* Tokens of seg that this batch computes; the table grows as segments appear. NULL: out of memory. */
static int32_t *planned(slk_schedule *s, slk_seg seg)
{
    size_t before = s->cap_planned;
    if (!slk_grow(&s->planned, &s->cap_planned, (size_t)seg + 1, sizeof *s->planned)) return NULL;
    if (s->cap_planned > before) memset(s->planned + before, 0, (s->cap_planned - before) * sizeof *s->planned);
    return &s->planned[seg];
}

/* Plan what is pending on the path to seg, the context first. *complete: all of it fits into the rows that are left. */
static slk_status plan(slk_schedule *s, slk_seg seg, int32_t *n_left, int32_t *n_slots_left, bool *complete,
                       slk_err *err)
{
    *complete = false;
    for (slk_seg i = slk_tree_next_unplanned(s->tree, seg, s->planned, s->cap_planned); i != SLK_SEG_NONE;
         i = slk_tree_next_unplanned(s->tree, seg, s->planned, s->cap_planned)) {
        int32_t *own = planned(s, i);
        if (!own) return slk_fail(err, SLK_E_MEMORY, "out of memory");
        if (*n_left <= 0 || *own > 0) return SLK_OK; /* batch full, or part of a long segment is in it already */
        int32_t n = slk_tree_n_pending(s->tree, i), slots = slk_tree_n_slots_needed(s->tree, i);
        if (slots > *n_slots_left) return SLK_OK;
        bool cut = n > *n_left;
        if (cut) n = *n_left;
        if (!slk_grow(&s->spans, &s->cap_spans, s->n_spans + 1, sizeof *s->spans))
            return slk_fail(err, SLK_E_MEMORY, "out of memory");
        s->spans[s->n_spans++] = (slk_span){.seg = i, .n = n};
        *own = n;
        *n_left -= n;
        *n_slots_left -= slots;
        if (cut) return SLK_OK;
    }
    *complete = true;
    return SLK_OK;
}

/* Memory for the answers of n requests. */
static slk_status reserve_tops(slk_schedule *s, size_t n, slk_err *err)
{
    size_t k = (size_t)s->top_k;
    if (!slk_grow(&s->asks, &s->cap_asks, n, sizeof *s->asks) ||
        !slk_grow(&s->tops, &s->cap_tops, n, sizeof *s->tops) ||
        !slk_grow(&s->ids, &s->cap_ids, n * k, sizeof *s->ids) ||
        !slk_grow(&s->logits, &s->cap_logits, n * k, sizeof *s->logits)) {
        return slk_fail(err, SLK_E_MEMORY, "out of memory");
    }
    return SLK_OK;
}

/* Each complete request's span asks for its last row. */
static slk_status place_asks(slk_schedule *s, slk_err *err)
{
    slk_status status = reserve_tops(s, s->n_ready, err);
    if (status != SLK_OK) return status;
    size_t span = 0;
    for (size_t i = 0; i < s->n_ready; i++) {
        s->tops[i] = (slk_top){.k = s->top_k,
                               .ids = s->ids + i * (size_t)s->top_k,
                               .logits = s->logits + i * (size_t)s->top_k,
                               .target = -1};
        while (s->spans[span].seg != s->ready[i].seg) span++; /* spans stand in the order of their requests */
        s->asks[i] = (slk_ask){.row = s->spans[span].n - 1, .top = &s->tops[i]};
        s->spans[span].asks = &s->asks[i];
        s->spans[span].n_asks = 1;
    }
    return SLK_OK;
}

static slk_status build(slk_schedule *s, slk_err *err)
{
    int32_t n_left = s->n_batch_rows, n_slots_left = slk_tree_n_free(s->tree);
    size_t kept = 0, i = 0;
    s->n_spans = s->n_ready = 0;
    slk_status status = SLK_OK;
    for (; i < s->n_queue && n_left > 0 && status == SLK_OK; i++) {
        bool complete;
        status = plan(s, s->queue[i].seg, &n_left, &n_slots_left, &complete, err);
        if (status != SLK_OK) break;
        if (!complete) {
            s->queue[kept++] = s->queue[i];
            continue;
        }
        if (!slk_grow(&s->ready, &s->cap_ready, s->n_ready + 1, sizeof *s->ready))
            status = slk_fail(err, SLK_E_MEMORY, "out of memory");
        else
            s->ready[s->n_ready++] = s->queue[i];
    }
    memmove(s->queue + kept, s->queue + i, (s->n_queue - i) * sizeof *s->queue);
    s->n_queue -= i - kept;
    if (status == SLK_OK && s->n_spans == 0)
        status = slk_fail(err, SLK_E_MEMORY, "no room for keys and values of one more segment");
    return status == SLK_OK ? place_asks(s, err) : status;
}

slk_status slk_schedule_run(slk_schedule *s, slk_schedule_done *done, void *user, slk_err *err)
{
    if (s->n_queue == 0) return SLK_OK;
    slk_status status = build(s, err);
    if (status == SLK_OK) status = slk_tree_forward(s->tree, s->spans, (int32_t)s->n_spans, NULL, err);
    for (size_t i = 0; i < s->n_spans; i++) s->planned[s->spans[i].seg] = 0;
    for (size_t i = 0; i < s->n_ready; i++) s->n_rows -= s->ready[i].n_rows;
    for (size_t i = 0; i < s->n_ready && status == SLK_OK; i++)
        status = done(user, s->ready[i].request, &s->tops[i], err);
    return status;
}
