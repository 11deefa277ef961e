/* The segment tree against separate sequences, bit for bit, on a tiny model: shared by test_forward.c and
 * test_adapter.c. */
#ifndef SLICK_TESTS_TINY_TREE_H
#define SLICK_TESTS_TINY_TREE_H

#include "tiny.h"

#define N_SEQUENCES 24
#define MAX_LENGTH  60

static inline uint32_t draw(uint32_t n)
{
    static uint32_t counter;
    return (uint32_t)(slk_rng_u64(7, SLK_PURPOSE_INIT, 0, 0, 0, counter++) % n);
}

/* Sequences that begin like earlier ones, at any place, more often than not. */
static inline void make_sequences(int32_t tokens[N_SEQUENCES][MAX_LENGTH], int32_t n[N_SEQUENCES], int n_vocab)
{
    for (int i = 0; i < N_SEQUENCES; i++) {
        int32_t shared = 0;
        if (i > 0 && draw(4) > 0) {
            int from = (int)draw((uint32_t)i);
            shared = (int32_t)draw((uint32_t)n[from] + 1);
            memcpy(tokens[i], tokens[from], (size_t)shared * sizeof(int32_t));
        }
        n[i] = shared + 1 + (int32_t)draw((uint32_t)(MAX_LENGTH - shared));
        if (n[i] > MAX_LENGTH) n[i] = MAX_LENGTH;
        for (int32_t j = shared; j < n[i]; j++) tokens[i][j] = (int32_t)draw((uint32_t)n_vocab);
    }
}

/* Compute all sequences in one tree: batches of at most n_batch_rows rows, segments cut wherever a batch is full. */
static inline void run_tree(slk_model *m, int32_t tokens[N_SEQUENCES][MAX_LENGTH], const int32_t *n,
                            int32_t n_batch_rows, float *last)
{
    slk_err err;
    slk_forward *forward;
    slk_tree *tree;
    slk_seg segs[N_SEQUENCES];
    enum { N_SLOTS = N_SEQUENCES * MAX_LENGTH };
    assert_int_equal(slk_forward_create(&forward, m, &err), SLK_OK);
    assert_int_equal(slk_tree_create(&tree, m, forward, N_SLOTS, &err), SLK_OK);
    int32_t n_own = 0, n_all = 0;
    for (int i = 0; i < N_SEQUENCES; i++) {
        assert_int_equal(slk_tree_insert(tree, SLK_SEG_NONE, tokens[i], n[i], &segs[i], &err), SLK_OK);
        n_own += slk_tree_n_tokens(tree, segs[i]);
        n_all += n[i];
    }
    assert_true(n_own < n_all); /* something was shared */
    int32_t *planned = slk_alloc_zero(N_SEQUENCES, sizeof *planned);
    for (int n_missing = N_SEQUENCES; n_missing > 0;) {
        slk_span spans[N_SEQUENCES];
        slk_ask asks[N_SEQUENCES];
        int32_t n_spans = 0, left = n_batch_rows;
        memset(planned, 0, N_SEQUENCES * sizeof *planned);
        n_missing = 0;
        for (int i = 0; i < N_SEQUENCES && left > 0; i++) {
            for (;;) {
                slk_seg s = slk_tree_next_unplanned(tree, segs[i], planned, N_SEQUENCES);
                if (s == SLK_SEG_NONE || planned[s] > 0 || left == 0) break;
                int32_t pending = slk_tree_n_pending(tree, s), take = pending < left ? pending : left;
                if (take > 2 && draw(3) == 0) take = 1 + (int32_t)draw((uint32_t)take); /* cut at any place */
                spans[n_spans] = (slk_span){.seg = s, .n = take};
                if (take == pending) {
                    for (int j = 0; j < N_SEQUENCES; j++) {
                        if (segs[j] != s) continue;
                        asks[n_spans] =
                            (slk_ask){.row = take - 1, .logits = last + (size_t)j * (size_t)m->config.n_vocab};
                        spans[n_spans].asks = &asks[n_spans];
                        spans[n_spans].n_asks = 1;
                    }
                }
                n_spans++;
                planned[s] = take;
                left -= take;
            }
        }
        if (slk_tree_forward(tree, spans, n_spans, NULL, &err) != SLK_OK) fail_msg("%s", err.msg);
        for (int i = 0; i < N_SEQUENCES; i++)
            n_missing += slk_tree_next_unplanned(tree, segs[i], NULL, 0) != SLK_SEG_NONE;
    }
    for (int i = 0; i < N_SEQUENCES; i++) slk_tree_release(tree, segs[(i * 7) % N_SEQUENCES]);
    assert_int_equal(slk_tree_n_free(tree), N_SLOTS);
    free(planned);
    slk_tree_free(tree);
    slk_forward_free(forward);
}

/* Last logits of sequences from the tree against each of them by itself, with batches and threads of several numbers.
 * adapter: NULL or a path. */
static inline void check_tree(const char *name, const char *adapter, slk_backend backend, int dtype)
{
    slk_model *m = open_adapted(name, "/model.gguf", adapter, backend, dtype, 1);
    if (!m) return;
    static int32_t tokens[N_SEQUENCES][MAX_LENGTH];
    int32_t n[N_SEQUENCES];
    int n_vocab = m->config.n_vocab;
    size_t width = (size_t)n_vocab;
    make_sequences(tokens, n, n_vocab);
    float *alone = slk_alloc(MAX_LENGTH * width, sizeof *alone), *apart = slk_alloc(N_SEQUENCES * width, sizeof *apart);
    float *shared = slk_alloc(N_SEQUENCES * width, sizeof *shared);
    for (int i = 0; i < N_SEQUENCES; i++) {
        run_sequence(m, tokens[i], n[i], alone, NULL);
        memcpy(apart + (size_t)i * width, alone + (size_t)(n[i] - 1) * width, width * sizeof *apart);
    }
    static const int32_t batches[] = {1, 7, 64, 100000};
    static const int threads[] = {1, 2, 8};
    for (size_t t = 0; t < 3; t++) {
        slk_model *other = t == 0 ? m : open_adapted(name, "/model.gguf", adapter, backend, dtype, threads[t]);
        for (size_t b = 0; b < 4; b++) {
            if (t > 0 && b % 2 == 0) continue;
            memset(shared, 0, N_SEQUENCES * width * sizeof *shared);
            run_tree(other, tokens, n, batches[b], shared);
            if (memcmp(apart, shared, N_SEQUENCES * width * sizeof *apart) != 0) {
                fail_msg("%s: batches of %d rows, %d threads: logits differ from those of separate sequences", name,
                         batches[b], threads[t]);
            }
        }
        if (other != m) slk_model_close(other);
    }
    free(alone), free(apart), free(shared);
    slk_model_close(m);
}

#endif
