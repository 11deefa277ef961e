/* A store with a study, for the tests of studies and runs. */
#ifndef SLK_STORE_RUNS_TEST_H
#define SLK_STORE_RUNS_TEST_H

#include "store_test.h"
#include <math.h>
#include "store/runs.h"

#define N_FACTS     20
#define DESCRIPTION "{\"variants\":[\"unknown-50\"]}"

typedef struct fixture {
    const char *path;
    slk_store *store;
    slk_facts facts;
    int64_t label_set, study;
} fixture;

static inline slk_study_run make_run(const char *variant, uint64_t seed, double lr)
{
    slk_study_run run = {.unknown = 0.5, .seed = seed, .lr = lr};
    snprintf(run.variant, sizeof run.variant, "%s", variant);
    strcpy(run.kind, "unknown");
    return run;
}

static inline void open_fixture(fixture *f, const char *name, int n_runs)
{
    slk_label_settings settings = make_settings();
    memset(f, 0, sizeof *f);
    f->path = temp_path(name);
    unlink(f->path);
    f->store = open_store(f->path);
    make_facts(&f->facts, N_FACTS, "a");
    assert_ok(slk_store_put_facts(f->store, NULL, "set", &f->facts, NULL, false, err));
    assert_ok(slk_store_begin_label_set(f->store, &f->label_set, NULL, &settings, err));
    assert_ok(slk_store_begin_study(f->store, &f->study, "a study", DESCRIPTION, f->label_set, err));
    for (int i = 0; i < n_runs; i++) {
        slk_study_run run = make_run("unknown-50", (uint64_t)i, 1e-5);
        assert_ok(slk_store_put_runs(f->store, f->study, &run, 1, err));
    }
}

static inline void close_fixture(fixture *f)
{
    slk_store_close(f->store);
    slk_facts_release(&f->facts);
}

static inline void make_set(slk_set_fact *set, const slk_facts *facts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        set[i] =
            (slk_set_fact){.fact_id = facts->items[i].id, .category = (int8_t)((int)(i % 5) - 1), .idk = i % 3 == 0};
}

/* Bits of `n` facts that follow from key. */
static inline uint8_t *make_bits(size_t n, unsigned key)
{
    uint8_t *bits = calloc(n / 8 + 1, 1);
    for (size_t i = 0; i < n; i++) bits[i / 8] |= (uint8_t)(((key * 2654435761u) >> (i % 29) & 1) << (i % 8));
    return bits;
}

static inline slk_run_epoch make_epoch(int32_t number, unsigned key)
{
    slk_run_epoch e = {.epoch = number, .step = number * 7, .loss = number ? 1.0 / (3 + number) : NAN};
    e.tokens_per_s = 1000 + key;
    e.wall_s = 2.5;
    for (int s = 0; s < SLK_N_STUDY_SETS; s++) {
        if (s == SLK_SET_OOD && number % 2) continue; /* not evaluated in odd epochs */
        e.has[s] = true;
        e.n[s] = s == SLK_SET_TRAIN ? 8 : 13;
        e.right[s] = make_bits(e.n[s], key + (unsigned)(number * 10 + s));
        e.refused[s] = make_bits(e.n[s], key + (unsigned)(number * 10 + s + 5));
    }
    return e;
}

static inline void put_epoch(slk_store *store, int64_t run, int32_t number, unsigned key)
{
    slk_run_epoch epoch = make_epoch(number, key);
    assert_ok(slk_store_put_epoch(store, run, &epoch, err));
    slk_run_epoch_release(&epoch);
}

static inline void assert_epochs(slk_store *store, int64_t run, size_t n_expected, unsigned key)
{
    slk_run_epoch *epochs;
    size_t n;
    assert_ok(slk_store_load_epochs(store, run, true, &epochs, &n, err));
    assert_int_equal(n, n_expected);
    for (size_t i = 0; i < n; i++) {
        slk_run_epoch want = make_epoch((int32_t)i, key);
        assert_int_equal(epochs[i].epoch, i);
        assert_int_equal(epochs[i].step, want.step);
        assert_true(i == 0 ? isnan(epochs[i].loss) : epochs[i].loss == want.loss);
        for (int s = 0; s < SLK_N_STUDY_SETS; s++) {
            assert_int_equal(epochs[i].has[s], want.has[s]);
            assert_int_equal(epochs[i].n[s], want.n[s]);
            if (!want.has[s]) assert_null(epochs[i].right[s]);
            if (!want.has[s]) continue;
            assert_memory_equal(epochs[i].right[s], want.right[s], (want.n[s] + 7) / 8);
            assert_memory_equal(epochs[i].refused[s], want.refused[s], (want.n[s] + 7) / 8);
        }
        slk_run_epoch_release(&want);
        slk_run_epoch_release(&epochs[i]);
    }
    free(epochs);
}

static inline slk_study_run get_run(slk_store *store, int64_t study, int64_t id)
{
    slk_study_run *runs, found = {0};
    size_t n;
    assert_ok(slk_store_load_runs(store, study, &runs, &n, err));
    for (size_t i = 0; i < n; i++) {
        if (runs[i].id == id) found = runs[i];
    }
    found.error = NULL;
    slk_store_free_runs(runs, n);
    return found;
}

static inline int64_t claim(const fixture *f, const char *worker, double now_s)
{
    int64_t id;
    assert_ok(slk_store_claim_run(f->store, f->study, 0, worker, now_s, 60, &id, err));
    return id;
}

/* Everything a finished run has. */
static inline void do_run(const fixture *f, int64_t id, const char *worker, unsigned key, int32_t n_epochs)
{
    slk_set_fact set[8];
    slk_study_run run = {
        .id = id, .n_train = 8, .early_epoch = 1, .last_epoch = n_epochs - 1, .fitted = true, .wall_s = 9};
    make_set(set, &f->facts, 8);
    assert_ok(slk_store_resume_run(f->store, id, worker, 0, "avx512 bf16", err));
    assert_ok(slk_store_put_run_facts(f->store, id, set, 8, err));
    for (int32_t e = 0; e < n_epochs; e++) put_epoch(f->store, id, e, key);
    assert_ok(slk_store_finish_run(f->store, &run, worker, err));
}

#endif
