/* Batches of examples as tries, against brute force over all prefixes; cuts into micro-batches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "train/batch.h"

enum { MAX_EXAMPLES = 60, MAX_TOKENS = 14 };

typedef struct examples {
    slk_sequence items[MAX_EXAMPLES];
    int32_t tokens[MAX_EXAMPLES][MAX_TOKENS];
    uint32_t picks[MAX_EXAMPLES]; /* all, by rank */
    size_t n;
} examples;

static uint32_t draw(uint64_t seed, uint32_t at, uint32_t below)
{
    return (uint32_t)(slk_rng_u64(seed, SLK_PURPOSE_LIMIT, 0, 0, 0, at) % below);
}

static void finish(examples *e)
{
    uint32_t rank[MAX_EXAMPLES];
    assert_int_equal(slk_sequences_rank(rank, e->items, e->n, NULL), SLK_OK);
    for (size_t i = 0; i < e->n; i++) e->picks[rank[i]] = (uint32_t)i;
    for (size_t i = 0; i < e->n; i++) { /* a rank is a permutation, and ascending */
        assert_int_equal(rank[e->picks[i]], i);
        if (i == 0) continue;
        const slk_sequence *x = &e->items[e->picks[i - 1]], *y = &e->items[e->picks[i]];
        int32_t n = x->n_tokens < y->n_tokens ? x->n_tokens : y->n_tokens, k = 0;
        while (k < n && x->tokens[k] == y->tokens[k]) k++;
        assert_true(k == n ? x->n_tokens <= y->n_tokens : x->tokens[k] < y->tokens[k]);
    }
}

/* Few different tokens, so that much is shared, some are equal and some are prefixes of others. */
static void make_examples(examples *e, uint64_t seed)
{
    uint32_t at = 0, n_letters = 2 + draw(seed, at++, 3);
    e->n = 1 + draw(seed, at++, MAX_EXAMPLES);
    for (size_t i = 0; i < e->n; i++) {
        int32_t n = 2 + (int32_t)draw(seed, at++, MAX_TOKENS - 1);
        for (int32_t k = 0; k < n; k++) e->tokens[i][k] = (int32_t)draw(seed, at++, n_letters);
        e->items[i] = (slk_sequence){.key = i % 7,
                                     .tokens = e->tokens[i],
                                     .n_tokens = n,
                                     .n_prompt = 1 + (int32_t)draw(seed, at++, (uint32_t)n - 1)};
    }
    finish(e);
}

/* --- what a batch must be -------------------------------------------------------------------------------------------
 */

static int64_t count_prefixes(const slk_sequence *items, const uint32_t *picks, size_t n)
{
    int64_t count = 0;
    for (size_t i = 0; i < n; i++) {
        const slk_sequence *x = &items[picks[i]];
        for (int32_t len = 1; len < x->n_tokens; len++) {
            bool seen = false;
            for (size_t j = 0; j < i && !seen; j++) {
                const slk_sequence *y = &items[picks[j]];
                seen = y->n_tokens - 1 >= len && memcmp(x->tokens, y->tokens, (size_t)len * sizeof *x->tokens) == 0;
            }
            count += !seen;
        }
    }
    return count;
}

/* The tokens of row r, from the root, by the runs of its path. */
static int32_t spell(int32_t *out, const slk_train_rows *rows, int32_t r)
{
    for (int32_t p = 0; p < rows->n_paths; p++) {
        const slk_path *path = &rows->paths[p];
        if (r < path->row0 || r >= path->row0 + path->n_rows) continue;
        int32_t n = 0, own = path->pos0 + r - path->row0 + 1;
        for (int32_t i = 0; i < path->n_runs; i++) {
            for (int32_t k = 0; k < path->runs[i].n && n < own; k++) {
                int32_t row = path->runs[i].slot + k;
                assert_int_equal(rows->pos[row], n);
                /* every row of the path is seen by r, and says so */
                assert_true(row <= r && r < rows->end[row]);
                out[n++] = rows->tokens[row];
            }
        }
        assert_int_equal(n, own);
        return n;
    }
    fail_msg("row %d is in no path", r);
    return 0;
}

static void check_paths(const slk_train_rows *rows)
{
    int32_t n = 0;
    for (int32_t p = 0; p < rows->n_paths; p++) {
        const slk_path *path = &rows->paths[p], *before = path - 1;
        int32_t sum = 0;
        assert_int_equal(path->row0, n);
        assert_true(path->n_rows > 0);
        n += path->n_rows;
        for (int32_t i = 0; i < path->n_runs; i++) {
            assert_true(path->runs[i].n > 0);
            sum += path->runs[i].n;
        }
        assert_int_equal(sum, path->pos0 + path->n_rows);
        assert_true(path->n_shared <= path->pos0);
        /* the shared positions stand in the same slots in the path before */
        int32_t left = path->n_shared;
        for (int32_t i = 0; left > 0; i++) {
            int32_t m = path->runs[i].n < left ? path->runs[i].n : left;
            assert_true(p > 0 && i < before->n_runs && before->runs[i].slot == path->runs[i].slot &&
                        before->runs[i].n >= m);
            left -= m;
        }
    }
    assert_int_equal(n, rows->n_rows);
}

static int32_t count_seen(const slk_train_rows *rows, int32_t r)
{
    int32_t own[MAX_TOKENS], other[MAX_TOKENS], n = spell(own, rows, r), seen = 0;
    for (int32_t i = r; i < rows->n_rows; i++) {
        int32_t m = spell(other, rows, i);
        bool below = m >= n && memcmp(own, other, (size_t)n * sizeof *own) == 0;
        if (!below) break;
        seen++;
    }
    return seen;
}

static void check_rows(const examples *e, const uint32_t *picks, size_t n, const slk_packed_rows *packed, bool share)
{
    const slk_train_rows *rows = &packed->rows;
    bool found[MAX_EXAMPLES][MAX_TOKENS] = {{false}};
    int64_t n_own = 0, n_targets = 0, n_tokens = 0;
    for (size_t i = 0; i < n; i++) {
        const slk_sequence *x = &e->items[picks[i]];
        n_own += x->n_tokens - 1;
        n_tokens += x->n_tokens;
        n_targets += x->n_tokens - x->n_prompt;
    }
    assert_int_equal(rows->n_rows, share ? count_prefixes(e->items, picks, n) : n_own);
    assert_int_equal(rows->n_rows, slk_batch_count_rows(e->items, picks, n, share));
    assert_int_equal(packed->n_tokens, n_tokens);
    assert_int_equal(rows->n_targets, n_targets);
    check_paths(rows);
    for (int32_t r = 0; share && r < rows->n_rows; r++) assert_int_equal(rows->end[r] - r, count_seen(rows, r));
    for (int32_t i = 0; i < rows->n_targets; i++) {
        const slk_target *t = &rows->targets[i];
        const slk_sequence *x = &e->items[t->example];
        int32_t prefix[MAX_TOKENS], len = spell(prefix, rows, t->row);
        if (i > 0) assert_true(rows->targets[i - 1].row <= t->row);
        assert_true(len >= x->n_prompt && len < x->n_tokens);
        assert_memory_equal(prefix, x->tokens, (size_t)len * sizeof *prefix);
        assert_int_equal(t->token, x->tokens[len]);
        assert_false(found[t->example][len]); /* each once: with the count above, all of them */
        found[t->example][len] = true;
    }
}

/* Equal prefixes have equal hashes, with sharing and without, and others have others. */
static void check_hashes(const slk_train_rows *a, const slk_train_rows *b)
{
    for (int32_t r = 0; r < a->n_rows; r++) {
        for (int32_t q = 0; q < b->n_rows; q++) {
            int32_t x[MAX_TOKENS], y[MAX_TOKENS], n = spell(x, a, r), m = spell(y, b, q);
            bool same = n == m && memcmp(x, y, (size_t)n * sizeof *x) == 0;
            assert_int_equal(a->hash[r] == b->hash[q], same);
        }
    }
}

static void test_rows(void **state)
{
    (void)state;
    slk_packed_rows shared = {0}, apart = {0};
    for (uint64_t seed = 0; seed < 60; seed++) {
        examples e;
        make_examples(&e, seed);
        assert_int_equal(slk_packed_rows_set(&shared, e.items, e.picks, e.n, true, NULL), SLK_OK);
        check_rows(&e, e.picks, e.n, &shared, true);
        assert_int_equal(slk_packed_rows_set(&apart, e.items, e.picks, e.n, false, NULL), SLK_OK);
        check_rows(&e, e.picks, e.n, &apart, false);
        if (seed < 12) check_hashes(&shared.rows, &apart.rows);
    }
    slk_packed_rows_release(&shared);
    slk_packed_rows_release(&apart);
}

/* The example of the header's comment, by hand. */
static void test_by_hand(void **state)
{
    (void)state;
    examples e = {.n = 4};
    static const int32_t tokens[4][5] = {{1, 2, 4, 12, 0}, {1, 2, 3, 10, 0}, {1, 2, 3, 11, 0}, {1, 2, 3, 10, 0}};
    for (int i = 0; i < 4; i++)
        e.items[i] = (slk_sequence){.key = (uint64_t)i, .tokens = tokens[i], .n_tokens = 5, .n_prompt = 3};
    finish(&e);
    slk_packed_rows p = {0};
    assert_int_equal(slk_packed_rows_set(&p, e.items, e.picks, 4, true, NULL), SLK_OK);
    static const int32_t row_tokens[] = {1, 2, 3, 10, 11, 4, 12}, pos[] = {0, 1, 2, 3, 3, 2, 3};
    static const int32_t end[] = {7, 7, 5, 4, 5, 7, 7};
    static const slk_target targets[] = {{2, 10, 1}, {2, 10, 3}, {2, 11, 2}, {3, 0, 1},
                                         {3, 0, 3},  {4, 0, 2},  {5, 12, 0}, {6, 0, 0}};
    assert_int_equal(p.rows.n_rows, 7);
    assert_int_equal(p.rows.n_paths, 3);
    assert_int_equal(p.rows.n_targets, 8);
    assert_memory_equal(p.rows.tokens, row_tokens, sizeof row_tokens);
    assert_memory_equal(p.rows.pos, pos, sizeof pos);
    assert_memory_equal(p.rows.end, end, sizeof end);
    assert_memory_equal(p.rows.targets, targets, sizeof targets);
    assert_int_equal(p.n_tokens, 20);

    e.items[2].n_prompt = 5; /* nothing left to predict */
    slk_err err;
    assert_int_equal(slk_packed_rows_set(&p, e.items, e.picks, 4, true, &err), SLK_E_ARG);
    assert_int_equal(p.rows.n_rows, 0);
    slk_packed_rows_release(&p);
}

/* --- cuts ----------------------------------------------------------------------------------------------------------
 */

/* The fewest micro-batches, by trying: best[i] for the first i picks. */
static size_t fewest_cuts(const examples *e, int64_t max_rows, bool share)
{
    size_t best[MAX_EXAMPLES + 1] = {0};
    for (size_t i = 1; i <= e->n; i++) {
        best[i] = SIZE_MAX;
        for (size_t j = 0; j < i; j++) {
            int64_t rows = share ? count_prefixes(e->items, e->picks + j, i - j)
                                 : slk_batch_count_rows(e->items, e->picks + j, i - j, false);
            if ((rows <= max_rows || i - j == 1) && best[j] + 1 < best[i]) best[i] = best[j] + 1;
        }
    }
    return best[e->n];
}

static void test_cuts(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 130; seed++) {
        examples e;
        make_examples(&e, seed);
        for (int share = 0; share < 2; share++) {
            for (int64_t max_rows = 1; max_rows < 200; max_rows += 1 + max_rows / 3) {
                size_t first[MAX_EXAMPLES + 1];
                int64_t most, largest = 0;
                size_t n = slk_batch_cut(first, &most, e.items, e.picks, e.n, max_rows, share);
                assert_int_equal(n, fewest_cuts(&e, max_rows, share));
                assert_int_equal(first[0], 0);
                assert_int_equal(first[n], e.n);
                for (size_t i = 0; i < n; i++) {
                    size_t len = first[i + 1] - first[i];
                    assert_true(len > 0);
                    int64_t rows = slk_batch_count_rows(e.items, e.picks + first[i], len, share);
                    assert_true(rows <= max_rows || len == 1);
                    if (rows > largest) largest = rows;
                }
                assert_int_equal(most, largest);
                /* as even as that many can be: one row less, and it takes more of them */
                int64_t less = 0;
                size_t more[MAX_EXAMPLES + 1];
                if (n > 1 && largest <= max_rows)
                    assert_true(slk_batch_cut(more, &less, e.items, e.picks, e.n, largest - 1, share) > n ||
                                less >= largest);
            }
        }
    }
    size_t first[1];
    assert_int_equal(slk_batch_cut(first, NULL, NULL, NULL, 0, 10, true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_by_hand), cmocka_unit_test(test_rows),
                                       cmocka_unit_test(test_cuts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
