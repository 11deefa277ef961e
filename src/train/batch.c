#include "train/batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

/* --- order ---------------------------------------------------------------------------------------------------------
 */

typedef struct ranked {
    const slk_sequence *sequence;
    uint32_t number;
} ranked;

static int compare_tokens(const slk_sequence *x, const slk_sequence *y)
{
    int32_t n = x->n_tokens < y->n_tokens ? x->n_tokens : y->n_tokens;
    for (int32_t i = 0; i < n; i++) {
        if (x->tokens[i] != y->tokens[i]) return x->tokens[i] < y->tokens[i] ? -1 : 1;
    }
    return (x->n_tokens > y->n_tokens) - (x->n_tokens < y->n_tokens);
}

static int compare_ranked(const void *left, const void *right)
{
    const ranked *a = left, *b = right;
    const slk_sequence *x = a->sequence, *y = b->sequence;
    int order = compare_tokens(x, y);
    if (order != 0) return order;
    if (x->n_prompt != y->n_prompt) return x->n_prompt < y->n_prompt ? -1 : 1;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (a->number > b->number) - (a->number < b->number);
}

slk_status slk_sequences_rank(uint32_t *rank, const slk_sequence *sequences, size_t n, slk_err *err)
{
    ranked *items = slk_alloc(n, sizeof *items);
    if (!items || n > UINT32_MAX) {
        free(items);
        return slk_fail(err, SLK_E_MEMORY, "out of memory for %zu examples", n);
    }
    for (size_t i = 0; i < n; i++) items[i] = (ranked){&sequences[i], (uint32_t)i};
    qsort(items, n, sizeof *items, compare_ranked);
    for (size_t i = 0; i < n; i++) rank[items[i].number] = (uint32_t)i;
    free(items);
    return SLK_OK;
}

/* --- rows ----------------------------------------------------------------------------------------------------------
 */

/* The last token is predicted only. */
static int32_t n_rows_of(const slk_sequence *x)
{
    return x->n_tokens - 1;
}

/* Leading rows that two sequences have in common. */
static int32_t count_common(const slk_sequence *x, const slk_sequence *y)
{
    int32_t n = n_rows_of(x) < n_rows_of(y) ? n_rows_of(x) : n_rows_of(y), i = 0;
    while (i < n && x->tokens[i] == y->tokens[i]) i++;
    return i;
}

/* Rows that pick i adds to those before it, of which `first` is the first. */
static int64_t added_rows(const slk_sequence *sequences, const uint32_t *picks, size_t first, size_t i, bool share)
{
    const slk_sequence *x = &sequences[picks[i]];
    return n_rows_of(x) - (share && i > first ? count_common(&sequences[picks[i - 1]], x) : 0);
}

int64_t slk_batch_count_rows(const slk_sequence *sequences, const uint32_t *picks, size_t n, bool share)
{
    int64_t rows = 0;
    for (size_t i = 0; i < n; i++) rows += added_rows(sequences, picks, 0, i, share);
    return rows;
}

/* Fill up one micro-batch after the other. That is as few as can be: what fits still fits without its first example. */
static size_t cut_greedily(size_t *first, int64_t *n_most, const slk_sequence *sequences, const uint32_t *picks,
                           size_t n, int64_t max_rows, bool share)
{
    size_t n_cuts = 0;
    int64_t rows = 0;
    *n_most = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t more = n_cuts ? added_rows(sequences, picks, first[n_cuts - 1], i, share) : 0;
        if (n_cuts == 0 || rows + more > max_rows) {
            first[n_cuts++] = i;
            rows = 0;
            more = n_rows_of(&sequences[picks[i]]);
        }
        rows += more;
        if (rows > *n_most) *n_most = rows;
    }
    first[n_cuts] = n;
    return n_cuts;
}

size_t slk_batch_cut(size_t *first, int64_t *n_most, const slk_sequence *sequences, const uint32_t *picks, size_t n,
                     int64_t max_rows, bool share)
{
    int64_t most, low = 0, high = max_rows; /* low: gives more of them than high does */
    size_t fewest = cut_greedily(first, &most, sequences, picks, n, max_rows, share);
    if (most < high) high = most;
    while (fewest > 1 && high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (cut_greedily(first, &most, sequences, picks, n, middle, share) == fewest)
            high = middle;
        else
            low = middle;
    }
    fewest = cut_greedily(first, &most, sequences, picks, n, high, share);
    if (n_most) *n_most = most;
    return fewest;
}

/* --- packing -------------------------------------------------------------------------------------------------------
 */

static slk_status reserve(slk_packed_rows *p, size_t n_rows, size_t n_examples, size_t n_targets, slk_err *err)
{
    if (slk_grow(&p->tokens, &p->cap[0], n_rows, sizeof *p->tokens) &&
        slk_grow(&p->pos, &p->cap[1], n_rows, sizeof *p->pos) &&
        slk_grow(&p->end, &p->cap[2], n_rows, sizeof *p->end) &&
        slk_grow(&p->stack, &p->cap[3], n_rows, sizeof *p->stack) &&
        slk_grow(&p->hash, &p->cap[4], n_rows, sizeof *p->hash) &&
        slk_grow(&p->paths, &p->cap[5], n_examples, sizeof *p->paths) &&
        slk_grow(&p->path_runs, &p->cap[6], n_examples, sizeof *p->path_runs) &&
        slk_grow(&p->targets, &p->cap[7], n_targets, sizeof *p->targets) &&
        slk_grow(&p->unsorted, &p->cap[8], n_targets, sizeof *p->unsorted))
        return SLK_OK;
    return slk_fail(err, SLK_E_MEMORY, "out of memory for a batch of %zu rows", n_rows);
}

static slk_status check(slk_packed_rows *p, const slk_sequence *sequences, const uint32_t *picks, size_t n,
                        slk_err *err)
{
    int64_t n_rows = 0, n_targets = 0;
    p->n_tokens = 0;
    for (size_t i = 0; i < n; i++) {
        const slk_sequence *x = &sequences[picks[i]];
        if (x->n_prompt < 1 || x->n_prompt >= x->n_tokens)
            return slk_fail(err, SLK_E_ARG, "an example of %d tokens, %d of them the prompt's", x->n_tokens,
                            x->n_prompt);
        n_rows += n_rows_of(x);
        n_targets += x->n_tokens - x->n_prompt;
        p->n_tokens += x->n_tokens;
    }
    if (n_rows > INT32_MAX / 2) return slk_fail(err, SLK_E_ARG, "a batch of %lld rows", (long long)n_rows);
    return reserve(p, (size_t)n_rows, n, (size_t)n_targets, err);
}

/* The slots of the positions [0, n) of the stack, as runs. */
static bool add_runs(slk_packed_rows *p, size_t *n_runs, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        if (i > 0 && p->stack[i] == p->stack[i - 1] + 1) {
            p->runs[*n_runs - 1].n++;
            continue;
        }
        if (!slk_grow(&p->runs, &p->cap_runs, *n_runs + 1, sizeof *p->runs)) return false;
        p->runs[(*n_runs)++] = (slk_run){.slot = p->stack[i], .n = 1};
    }
    return true;
}

/* Rows [from, n) of sequence x go below the rows that stand in stack [0, from). */
static bool add_path(slk_packed_rows *p, size_t *n_runs, const slk_sequence *x, int32_t from)
{
    slk_train_rows *r = &p->rows;
    int32_t n = n_rows_of(x);
    if (from == n) return true;
    p->path_runs[r->n_paths] = *n_runs;
    p->paths[r->n_paths] = (slk_path){.row0 = r->n_rows, .n_rows = n - from, .pos0 = from, .n_shared = from};
    uint64_t hash = from ? p->hash[p->stack[from - 1]] : 0;
    for (int32_t i = from; i < n; i++) {
        int32_t row = r->n_rows++;
        hash = slk_hash_more(hash, &x->tokens[i], sizeof x->tokens[i]);
        p->tokens[row] = x->tokens[i];
        p->pos[row] = i;
        p->hash[row] = hash;
        p->stack[i] = row;
    }
    bool done = add_runs(p, n_runs, n);
    p->paths[r->n_paths].n_runs = (int32_t)(*n_runs - p->path_runs[r->n_paths]);
    r->n_paths++;
    return done;
}

/* By row, in the order of examples. */
static bool sort_targets(slk_packed_rows *p)
{
    slk_train_rows *r = &p->rows;
    if (!slk_grow(&p->stack, &p->cap[3], (size_t)r->n_rows + 1, sizeof *p->stack)) return false;
    int32_t *at = p->stack; /* the stack is done with */
    memset(at, 0, ((size_t)r->n_rows + 1) * sizeof *at);
    for (int32_t i = 0; i < r->n_targets; i++) at[p->unsorted[i].row + 1]++;
    for (int32_t i = 0; i < r->n_rows; i++) at[i + 1] += at[i];
    for (int32_t i = 0; i < r->n_targets; i++) p->targets[at[p->unsorted[i].row]++] = p->unsorted[i];
    return true;
}

slk_status slk_packed_rows_set(slk_packed_rows *p, const slk_sequence *sequences, const uint32_t *picks, size_t n,
                               bool share, slk_err *err)
{
    slk_train_rows *r = &p->rows;
    size_t n_runs = 0;
    int32_t depth = 0; /* rows on the stack */
    *r = (slk_train_rows){0};
    slk_status s = check(p, sequences, picks, n, err);
    for (size_t i = 0; s == SLK_OK && i < n; i++) {
        const slk_sequence *x = &sequences[picks[i]];
        int32_t from = share && i > 0 ? count_common(&sequences[picks[i - 1]], x) : 0;
        for (; depth > from; depth--) p->end[p->stack[depth - 1]] = r->n_rows;
        if (!add_path(p, &n_runs, x, from)) s = slk_fail(err, SLK_E_MEMORY, "out of memory");
        depth = n_rows_of(x);
        for (int32_t k = x->n_prompt; k < x->n_tokens; k++)
            p->unsorted[r->n_targets++] =
                (slk_target){.row = p->stack[k - 1], .token = x->tokens[k], .example = (int32_t)picks[i]};
    }
    if (s == SLK_OK) {
        for (; depth > 0; depth--) p->end[p->stack[depth - 1]] = r->n_rows;
        if (!sort_targets(p)) s = slk_fail(err, SLK_E_MEMORY, "out of memory");
    }
    if (s != SLK_OK) {
        *r = (slk_train_rows){0};
        return s;
    }
    for (int32_t i = 0; i < r->n_paths; i++) p->paths[i].runs = p->runs + p->path_runs[i];
    r->tokens = p->tokens, r->pos = p->pos, r->end = p->end, r->hash = p->hash;
    r->paths = p->paths, r->targets = p->targets;
    return SLK_OK;
}

void slk_packed_rows_release(slk_packed_rows *p)
{
    if (!p) return;
    free(p->tokens), free(p->pos), free(p->end), free(p->stack), free(p->hash), free(p->paths), free(p->runs);
    free(p->path_runs), free(p->targets), free(p->unsorted);
    *p = (slk_packed_rows){0};
}
