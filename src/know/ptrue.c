/* A batch takes facts, in the order of relation and question, until it has enough rows. Of each fact it has up to four
 * segments: the prompt, the tokens that both continuations begin with, and what each has after them. The last token of
 * a continuation has no row, because nothing follows it.
 *
 * Factors that both continuations have cancel in P(True), so logits are asked for from the token on in which they part;
 * that row is asked twice, once for each next token. */
#include "know/ptrue.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "know/probe.h"
#include "model/model.h"
#include "store/labels.h"
#include "store/runs.h"

#define DEFAULT_BATCH_ROWS 512
#define MAX_ITEMS          512 /* facts of a batch: where stems are shared, a fact has about 30 rows of its own */

void slk_p_true_prompt(slk_buf *buf, const char *question, const char *answer)
{
    slk_buf_addf(
        buf, "Question: %s\nProposed Answer: %s\nIs the proposed answer:\n(A) True\n(B) False\nThe proposed answer is:",
        question, answer);
}

static slk_status out_of_memory(slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "out of memory");
}

/* One fact as tokens: the prompt's, then those of " (A)", then those of " (B)". */
typedef struct item {
    const slk_fact *fact;
    size_t first;               /* where they begin in asker.ids */
    int32_t n_prompt, n_a, n_b; /* how many there are of each */
    int32_t n_common;           /* tokens that both continuations begin with */
    slk_top *tops;              /* of this batch: n_a - n_common of A, then n_b - n_common of B */
} item;

typedef struct asker {
    const slk_model *model;
    item *items; /* [n] */
    size_t n;
    slk_ids ids; /* tokens of all items */
    int32_t longest, most_asks;
    int32_t n_batch_rows;
    slk_forward *forward;
    slk_tree *tree;
    slk_seg stem; /* the last prompt of the batch before, held so that the next one begins where it parts from it */
    /* one batch */
    slk_span *spans; /* [4 * MAX_ITEMS] */
    slk_top *tops;   /* [most_asks * MAX_ITEMS], as all below */
    slk_ask *asks;
    int32_t *top_ids;
    float *top_logits;
    int32_t n_spans, n_asks, n_rows;
    slk_seg last_prompt;
} asker;

/* --- tokens ----------------------------------------------------------------------------------------------------------
 */

static int compare_items(const void *left, const void *right)
{
    const slk_fact *x = ((const item *)left)->fact, *y = ((const item *)right)->fact;
    int order = strcmp(x->relation, y->relation);
    if (order == 0) order = strcmp(x->question, y->question);
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

static slk_status append_ids(slk_ids *out, const slk_ids *more, slk_err *err)
{
    if (!slk_grow(&out->ids, &out->cap, out->n + more->n, sizeof *out->ids)) return out_of_memory(err);
    memcpy(out->ids + out->n, more->ids, more->n * sizeof *more->ids);
    out->n += more->n;
    return SLK_OK;
}

typedef struct scratch {
    slk_buf text;
    slk_ids prompt, a, b;
} scratch;

static slk_status tokenise(asker *k, item *it, scratch *c, slk_err *err)
{
    const slk_tokenizer *tok = k->model->tokenizer;
    const char *answer = it->fact->answers[0];
    c->prompt.n = c->a.n = c->b.n = 0;
    slk_buf_clear(&c->text);
    slk_p_true_prompt(&c->text, it->fact->question, answer);
    slk_buf *t = &c->text;
    slk_status s =
        t->failed ? out_of_memory(err) : slk_tokenizer_encode(tok, t->data, t->len, SLK_ENCODE_BOS, &c->prompt, err);
    if (s == SLK_OK) s = slk_following_tokens(&c->a, tok, t->data, t->len, &c->prompt, SLK_P_TRUE_A, err);
    if (s == SLK_OK) s = slk_following_tokens(&c->b, tok, t->data, t->len, &c->prompt, SLK_P_TRUE_B, err);
    if (s != SLK_OK) return s;
    size_t longer = c->a.n > c->b.n ? c->a.n : c->b.n;
    if (c->prompt.n + longer > (size_t)k->model->config.n_context)
        return slk_fail(err, SLK_E_ARG, "%s: the P(True) prompt of '%.80s' has %zu tokens, the model's context %d",
                        k->model->config.name, it->fact->question, c->prompt.n + longer, k->model->config.n_context);
    it->first = k->ids.n;
    it->n_prompt = (int32_t)c->prompt.n;
    it->n_a = (int32_t)c->a.n;
    it->n_b = (int32_t)c->b.n;
    while (it->n_common < it->n_a && it->n_common < it->n_b && c->a.ids[it->n_common] == c->b.ids[it->n_common])
        it->n_common++;
    int32_t n = it->n_prompt + it->n_a + it->n_b, n_asks = it->n_a + it->n_b - 2 * it->n_common;
    if (n > k->longest) k->longest = n;
    if (n_asks > k->most_asks) k->most_asks = n_asks;
    s = append_ids(&k->ids, &c->prompt, err);
    if (s == SLK_OK) s = append_ids(&k->ids, &c->a, err);
    return s == SLK_OK ? append_ids(&k->ids, &c->b, err) : s;
}

static slk_status tokenise_all(asker *k, const slk_fact *const *facts, slk_err *err)
{
    scratch c = {0};
    k->items = slk_alloc_zero(k->n, sizeof *k->items);
    slk_status s = k->items ? SLK_OK : out_of_memory(err);
    for (size_t i = 0; s == SLK_OK && i < k->n; i++) k->items[i].fact = facts[i];
    if (s == SLK_OK) qsort(k->items, k->n, sizeof *k->items, compare_items);
    for (size_t i = 0; s == SLK_OK && i < k->n; i++) s = tokenise(k, &k->items[i], &c, err);
    free(c.prompt.ids), free(c.a.ids), free(c.b.ids);
    slk_buf_release(&c.text);
    return s;
}

/* --- a batch ---------------------------------------------------------------------------------------------------------
 */

/* The next row of the span being built is asked for `target`. */
static void add_ask(asker *k, slk_span *span, int32_t row, slk_top *top, int32_t target)
{
    size_t i = (size_t)(top - k->tops);
    *top = (slk_top){.k = 1, .ids = k->top_ids + i, .logits = k->top_logits + i, .want_lse = true, .target = target};
    k->asks[k->n_asks++] = (slk_ask){.row = row, .top = top};
    span->n_asks++;
}

/* A segment of tokens [n] behind all of parent; n = 0: parent itself. */
static slk_status add_segment(asker *k, slk_seg parent, const int32_t *tokens, int32_t n, slk_seg *out, slk_err *err)
{
    *out = parent;
    slk_status s = n > 0 ? slk_tree_append(k->tree, parent, tokens, n, out, err) : SLK_OK;
    if (s == SLK_OK && n > 0) {
        k->spans[k->n_spans++] = (slk_span){.seg = *out, .n = n, .asks = k->asks + k->n_asks};
        k->n_rows += n;
    }
    return s;
}

/* What one continuation [n] has behind the common segment, of whose tokens it uses `shared`. tops: of its tokens from
 * n_common on. */
static slk_status add_own(asker *k, const item *it, slk_seg common, int32_t shared, const int32_t *tokens, int32_t n,
                          slk_top *tops, slk_err *err)
{
    slk_seg seg;
    int32_t n_rows = n - 1 - shared;
    slk_status s = add_segment(k, common, tokens + shared, n_rows, &seg, err);
    for (int32_t row = 0; s == SLK_OK && row < n_rows; row++) {
        int32_t next = shared + row + 1;
        add_ask(k, &k->spans[k->n_spans - 1], row, &tops[next - it->n_common], tokens[next]);
    }
    return s;
}

static slk_status add_item(asker *k, item *it, size_t place, slk_err *err)
{
    const int32_t *prompt = k->ids.ids + it->first, *a = prompt + it->n_prompt, *b = a + it->n_a;
    slk_top *tops_a = k->tops + place * (size_t)k->most_asks, *tops_b = tops_a + (it->n_a - it->n_common);
    it->tops = tops_a;
    slk_seg seg;
    slk_status s = slk_tree_insert(k->tree, SLK_SEG_NONE, prompt, it->n_prompt, &seg, err);
    if (s != SLK_OK) return s;
    k->last_prompt = seg;
    int32_t n = slk_tree_n_tokens(k->tree, seg);
    k->spans[k->n_spans++] = (slk_span){.seg = seg, .n = n, .asks = k->asks + k->n_asks};
    k->n_rows += n;
    /* Both are behind the common tokens, but for the last one of a continuation that has no others. */
    int32_t shorter = it->n_a < it->n_b ? it->n_a : it->n_b;
    int32_t shared = it->n_common < shorter ? it->n_common : shorter - 1;
    s = add_segment(k, seg, a, shared, &seg, err);
    if (s == SLK_OK) { /* the row behind which they part, or one of them ends */
        slk_span *span = &k->spans[k->n_spans - 1];
        if (shared >= it->n_common) {
            add_ask(k, span, span->n - 1, tops_a, a[shared]);
            add_ask(k, span, span->n - 1, tops_b, b[shared]);
        }
        s = add_own(k, it, seg, shared, a, it->n_a, tops_a, err);
    }
    return s == SLK_OK ? add_own(k, it, seg, shared, b, it->n_b, tops_b, err) : s;
}

static double log_probability(const slk_top *tops, int32_t n)
{
    double sum = 0;
    for (int32_t i = 0; i < n; i++) sum += (double)tops[i].target_logit - (tops[i].max + log(tops[i].sum));
    return sum;
}

/* p / (p + q) from their logarithms. */
static double share(double log_p, double log_q)
{
    return 1 / (1 + exp(log_q - log_p));
}

/* The segments of the batch are done with, but the last prompt stays until the next batch has begun. */
static void release_batch(asker *k, slk_seg hold)
{
    slk_tree_hold(k->tree, hold);
    for (int32_t i = k->n_spans; i-- > 0;) slk_tree_release(k->tree, k->spans[i].seg);
    slk_tree_release(k->tree, k->stem);
    k->stem = hold;
}

/* What a batch takes at most: it is full with the fact that fills it. */
static int64_t n_batch_slots(const asker *k)
{
    return (int64_t)k->n_batch_rows + k->longest;
}

/* Facts from *at on, as many as fit. */
static slk_status run_batch(asker *k, size_t *at,
                            slk_status (*on_value)(void *user, const slk_fact *fact, double p, slk_err *err),
                            void *user, slk_err *err)
{
    slk_status s = SLK_OK;
    size_t first = *at;
    k->n_spans = k->n_asks = k->n_rows = 0;
    /* The stem hangs on whole segments of earlier facts, which may have become many. */
    if (slk_tree_n_free(k->tree) < n_batch_slots(k)) {
        slk_tree_release(k->tree, k->stem);
        k->stem = SLK_SEG_NONE;
    }
    while (s == SLK_OK && *at < k->n && *at - first < MAX_ITEMS && k->n_rows < k->n_batch_rows) {
        s = add_item(k, &k->items[*at], *at - first, err);
        ++*at;
    }
    if (s == SLK_OK) s = slk_tree_forward(k->tree, k->spans, k->n_spans, NULL, err);
    if (s == SLK_OK) release_batch(k, k->last_prompt); /* else the tree goes with all of it */
    for (size_t i = first; s == SLK_OK && i < *at; i++) {
        const item *it = &k->items[i];
        int32_t n_a = it->n_a - it->n_common;
        double a = log_probability(it->tops, n_a), b = log_probability(it->tops + n_a, it->n_b - it->n_common);
        s = on_value(user, it->fact, share(a, b), err);
    }
    return s;
}

/* --- all of it -------------------------------------------------------------------------------------------------------
 */

static slk_status open_asker(asker *k, slk_err *err)
{
    size_t n = (size_t)k->most_asks * MAX_ITEMS;
    k->spans = slk_alloc(4 * MAX_ITEMS, sizeof *k->spans);
    k->tops = slk_alloc(n, sizeof *k->tops);
    k->asks = slk_alloc(n, sizeof *k->asks);
    k->top_ids = slk_alloc(n, sizeof *k->top_ids);
    k->top_logits = slk_alloc(n, sizeof *k->top_logits);
    if (!k->spans || !k->tops || !k->asks || !k->top_ids || !k->top_logits) return out_of_memory(err);
    /* Memory is used as slots are: beside a batch there is room for some segments that the stem hangs on. */
    int64_t n_slots = n_batch_slots(k) + 30 * (int64_t)k->longest;
    if (n_slots > INT32_MAX / 2) return slk_fail(err, SLK_E_MEMORY, "prompts too long to be asked together");
    slk_status s = slk_forward_create(&k->forward, k->model, err);
    return s == SLK_OK ? slk_tree_create(&k->tree, k->model, k->forward, (int32_t)n_slots, err) : s;
}

static void close_asker(asker *k)
{
    slk_tree_free(k->tree);
    slk_forward_free(k->forward);
    free(k->items), free(k->ids.ids), free(k->spans), free(k->tops), free(k->asks), free(k->top_ids);
    free(k->top_logits);
}

slk_status slk_p_true_run(const slk_model *model, const slk_fact *const *facts, size_t n, int32_t n_batch_rows,
                          slk_status (*on_value)(void *user, const slk_fact *fact, double p, slk_err *err), void *user,
                          const slk_progress *progress, slk_p_true_stats *stats, slk_err *err)
{
    if (stats) *stats = (slk_p_true_stats){0};
    if (n == 0) return SLK_OK;
    double since = slk_clock_ms();
    asker k = {.model = model,
               .n = n,
               .n_batch_rows = n_batch_rows > 0 ? n_batch_rows : DEFAULT_BATCH_ROWS,
               .stem = SLK_SEG_NONE};
    slk_status s = tokenise_all(&k, facts, err);
    if (s == SLK_OK) s = open_asker(&k, err);
    size_t at = 0;
    while (s == SLK_OK && at < n) {
        s = run_batch(&k, &at, on_value, user, err);
        if (s == SLK_OK && !slk_progress_report(progress, "P(True)", "facts", at, n))
            s = slk_fail(err, SLK_E_INTERRUPTED, "stopped");
    }
    if (stats && k.forward) {
        const slk_forward_stats *f = slk_forward_get_stats(k.forward);
        *stats = (slk_p_true_stats){.n_facts = at,
                                    .n_rows = f->n_rows,
                                    .n_logit_rows = f->n_logit_rows,
                                    .n_batches = f->n_batches,
                                    .wall_ms = slk_clock_ms() - since,
                                    .flop = slk_forward_flop(k.forward)};
    }
    close_asker(&k);
    return s;
}

/* --- into the store --------------------------------------------------------------------------------------------------
 */

slk_status slk_p_true_check(const slk_label_settings *settings, const slk_model *model, slk_err *err)
{
    const char *dtype = slk_compute_dtype(model->compute) == SLK_DTYPE_BF16 ? "bf16" : "f32";
    const char *kernels = slk_compute_kernel_set(model->compute);
    uint64_t adapter = model->adapter ? slk_adapter_hash(model->adapter) : 0;
    if (settings->model_hash != model->hash)
        return slk_fail(err, SLK_E_STATE, "%s has hash %016llx; the labels are of %s, %016llx", model->config.name,
                        (unsigned long long)model->hash, settings->model_name,
                        (unsigned long long)settings->model_hash);
    if (settings->adapter_hash != adapter)
        return slk_fail(err, SLK_E_STATE, "the adapter has hash %016llx (0: none), that of the labels %016llx",
                        (unsigned long long)adapter, (unsigned long long)settings->adapter_hash);
    if (strcmp(settings->dtype, dtype) != 0 || strcmp(settings->kernels, kernels) != 0)
        return slk_fail(err, SLK_E_STATE, "computing in %s (%s); the labels were made in %s (%s)", dtype, kernels,
                        settings->dtype, settings->kernels);
    return SLK_OK;
}

typedef struct filler {
    slk_store *store;
    int64_t label_set;
    slk_p_true *pending;
    size_t n, cap;
    double committed_ms;
} filler;

static slk_status commit(filler *f, slk_err *err)
{
    slk_status s = f->n > 0 ? slk_store_put_p_true(f->store, f->label_set, f->pending, f->n, err) : SLK_OK;
    f->n = 0;
    f->committed_ms = slk_clock_ms();
    return s;
}

static slk_status take_value(void *user, const slk_fact *fact, double p, slk_err *err)
{
    filler *f = user;
    if (!slk_grow(&f->pending, &f->cap, f->n + 1, sizeof *f->pending)) return out_of_memory(err);
    f->pending[f->n++] = (slk_p_true){fact->id, p};
    return slk_clock_ms() - f->committed_ms > 1000 ? commit(f, err) : SLK_OK;
}

static int compare_values(const void *left, const void *right)
{
    uint64_t x = ((const slk_p_true *)left)->fact_id, y = ((const slk_p_true *)right)->fact_id;
    return (x > y) - (x < y);
}

slk_status slk_p_true_fill(slk_store *store, int64_t label_set, const slk_model *model, const slk_fact *const *facts,
                           size_t n, int32_t n_batch_rows, size_t *n_new, const slk_progress *progress,
                           slk_p_true_stats *stats, slk_err *err)
{
    slk_label_set_info info;
    slk_p_true *done = NULL;
    size_t n_done = 0, n_open = 0;
    if (n_new) *n_new = 0;
    if (stats) *stats = (slk_p_true_stats){0};
    slk_status s = slk_store_find_label_set(store, &info, label_set, err);
    if (s == SLK_OK) s = slk_p_true_check(&info.settings, model, err);
    if (s == SLK_OK) s = slk_store_load_p_true(store, info.id, &done, &n_done, err);
    if (s != SLK_OK) return s;
    filler f = {.store = store, .label_set = info.id, .committed_ms = slk_clock_ms()};
    const slk_fact **open = slk_alloc(n, sizeof *open);
    if (!open) s = out_of_memory(err);
    for (size_t i = 0; s == SLK_OK && i < n; i++) {
        slk_p_true key = {.fact_id = facts[i]->id};
        if (n_done == 0 || !bsearch(&key, done, n_done, sizeof *done, compare_values)) open[n_open++] = facts[i];
    }
    if (n_new) *n_new = n_open;
    if (s == SLK_OK) {
        s = slk_p_true_run(model, open, n_open, n_batch_rows, take_value, &f, progress, stats, err);
        slk_status kept = commit(&f, s == SLK_OK ? err : NULL);
        if (s == SLK_OK) s = kept;
    }
    free(done), free(open), free(f.pending);
    return s;
}
