/* Exemplars: the definition in exemplars.h, held against a second, plain implementation of it, and its consequences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "know/exemplars.h"

static char *text(const char *kind, size_t i)
{
    char buf[64];
    snprintf(buf, sizeof buf, "%s %zu", kind, i);
    char *copy = slk_strdup(buf);
    assert_non_null(copy);
    return copy;
}

static slk_fact make_fact(const char *relation, size_t question, size_t subject, size_t answer)
{
    slk_fact f = {.relation = slk_strdup(relation), .question = text("question", question), .n_answers = 1};
    f.subject = subject ? text("subject", subject) : NULL;
    f.answers = slk_alloc(1, sizeof *f.answers);
    f.answers[0] = text("answer", answer);
    f.id = slk_fact_identity(&f);
    return f;
}

/* n facts per relation; every n_share facts share a subject (0: no subjects known). */
static slk_facts make_pool(const char *const *relations, size_t n_relations, size_t n, size_t n_share)
{
    slk_facts p = {slk_alloc(n_relations * n, sizeof *p.items), 0, n_relations * n};
    for (size_t r = 0; r < n_relations; r++)
        for (size_t i = 0; i < n; i++)
            p.items[p.n++] = make_fact(relations[r], r * n + i, n_share ? 1 + i / n_share : 0, i);
    return p;
}

static slk_exemplars *create(const slk_facts *p, const slk_facts *asked, unsigned n_ex, unsigned n_shots, uint64_t seed)
{
    slk_exemplars *ex = NULL;
    slk_err err = {0};
    if (slk_exemplars_create(&ex, p, asked, n_ex, n_shots, seed, &err) != SLK_OK) fail_msg("%s", err.msg);
    return ex;
}

static bool same_subject(const slk_fact *a, const slk_fact *b)
{
    return a->subject && b->subject && !strcmp(a->subject, b->subject);
}

static bool has_fact(const slk_fact *const *set, unsigned n, uint64_t id)
{
    for (unsigned i = 0; i < n; i++)
        if (set[i]->id == id) return true;
    return false;
}

static bool equal_sets(const slk_fact *const *a, const slk_fact *const *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (!has_fact(b, n, a[i]->id)) return false;
    return true;
}

/* What must hold for any sets: nothing that tells the answer, no repeats, all different. */
static void check_sets(const slk_fact *asked, const slk_fact *const *sets, unsigned n_ex, unsigned n_shots)
{
    for (unsigned e = 0; e < n_ex; e++) {
        const slk_fact *const *set = sets + e * n_shots;
        for (unsigned i = 0; i < n_shots; i++) {
            assert_string_equal(set[i]->relation, asked->relation);
            assert_true(set[i]->id != asked->id);
            assert_string_not_equal(set[i]->question, asked->question);
            assert_false(same_subject(set[i], asked));
            assert_false(has_fact(set, i, set[i]->id));
        }
        for (unsigned k = 0; k < e; k++) assert_false(equal_sets(set, sets + k * n_shots, n_shots));
    }
}

/* The definition again: pick the smallest key over and over. */
static void plain_sets(const slk_facts *p, const slk_fact *asked, unsigned n_ex, unsigned n_shots, uint64_t seed,
                       const slk_fact **out)
{
    uint64_t h = slk_hash_str(0, asked->relation);
    for (unsigned e = 0, attempt = 0; e < n_ex;) {
        const slk_fact **set = out + e * n_shots;
        for (unsigned i = 0; i < n_shots; i++) {
            uint64_t best_key = 0;
            set[i] = NULL;
            for (size_t k = 0; k < p->n; k++) {
                const slk_fact *f = &p->items[k];
                if (strcmp(f->relation, asked->relation) || f->id == asked->id || same_subject(f, asked) ||
                    !strcmp(f->question, asked->question) || has_fact(set, i, f->id))
                    continue;
                uint64_t key = slk_rng_u64(seed, SLK_PURPOSE_EXEMPLARS, f->id, e, attempt, (uint32_t)(h ^ h >> 32));
                if (!set[i] || key < best_key) {
                    set[i] = f;
                    best_key = key;
                }
            }
            assert_non_null(set[i]);
        }
        bool is_new = true;
        for (unsigned k = 0; k < e; k++) is_new = is_new && !equal_sets(set, out + k * n_shots, n_shots);
        attempt = is_new ? 0 : attempt + 1;
        e += is_new;
    }
}

static void test_agrees_with_the_definition(void **state)
{
    (void)state;
    static const char *const relations[] = {"P17", "P36", ""};
    static const struct {
        size_t n, n_share;
        unsigned n_ex, n_shots;
    } cases[] = {{40, 1, 10, 4}, {40, 5, 10, 4}, {7, 1, 10, 4}, {6, 0, 5, 4},
                 {12, 3, 10, 2}, {5, 1, 4, 1},   {3, 1, 1, 0}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        unsigned n_ex = cases[c].n_ex, n_shots = cases[c].n_shots;
        slk_facts p = make_pool(relations, 3, cases[c].n, cases[c].n_share);
        const slk_fact *sets[40], *plain[40];
        for (uint64_t seed = 0; seed < 20; seed++) {
            slk_exemplars *ex = create(&p, NULL, n_ex, n_shots, seed);
            assert_int_equal(slk_exemplars_pool_size(ex, "P36"), cases[c].n);
            assert_int_equal(slk_exemplars_pool_size(ex, "P1"), 0);
            for (size_t i = 0; i < p.n; i++) {
                assert_int_equal(slk_exemplars_for(ex, &p.items[i], sets, NULL), SLK_OK);
                plain_sets(&p, &p.items[i], n_ex, n_shots, seed, plain);
                if (n_shots > 0) assert_memory_equal(sets, plain, n_ex * n_shots * sizeof *sets);
                check_sets(&p.items[i], sets, n_ex, n_shots);
            }
            slk_exemplars_free(ex);
        }
        slk_facts_release(&p);
    }
    slk_exemplars_free(NULL);
}

static void test_facts_outside_share_the_common_sets(void **state)
{
    (void)state;
    static const char *const relation = "P17";
    slk_facts p = make_pool(&relation, 1, 60, 1);
    slk_exemplars *ex = create(&p, NULL, 10, 4, 7), *other_seed = create(&p, NULL, 10, 4, 8);
    const slk_fact *common[40], *sets[40], *few[40];
    assert_int_equal(slk_exemplars_common(ex, relation, common, NULL), SLK_OK);
    slk_fact outside = make_fact(relation, 1000, 1000, 1000), unknown = make_fact(relation, 1001, 0, 0);
    assert_int_equal(slk_exemplars_for(ex, &outside, sets, NULL), SLK_OK);
    assert_memory_equal(sets, common, sizeof sets);
    assert_int_equal(slk_exemplars_for(ex, &unknown, sets, NULL), SLK_OK);
    assert_memory_equal(sets, common, sizeof sets);
    /* The first sets do not depend on how many are asked for. */
    slk_exemplars *three = create(&p, NULL, 3, 4, 7);
    assert_int_equal(slk_exemplars_for(three, &outside, few, NULL), SLK_OK);
    assert_memory_equal(few, common, 12 * sizeof *few);
    /* Another seed, other sets. */
    assert_int_equal(slk_exemplars_for(other_seed, &outside, sets, NULL), SLK_OK);
    assert_memory_not_equal(sets, common, sizeof sets);

    /* A fact of the pool, or about a subject or question of it, changes only the prompts in which that fact stood. */
    size_t n_changed = 0, n_kept = 0;
    for (size_t i = 0; i < p.n; i++) {
        slk_fact by_subject = make_fact(relation, 2000, 1 + i, 5), by_question = make_fact(relation, i, 3000, 5);
        const slk_fact *asked[] = {&p.items[i], &by_subject, &by_question};
        for (int a = 0; a < 3; a++) {
            assert_int_equal(slk_exemplars_for(ex, asked[a], sets, NULL), SLK_OK);
            check_sets(asked[a], sets, 10, 4);
            for (unsigned e = 0; e < 10; e++) {
                bool stood = has_fact(common + 4 * e, 4, p.items[i].id);
                bool same = !memcmp(sets + 4 * e, common + 4 * e, 4 * sizeof *sets);
                assert_int_equal(same, !stood);
                n_changed += !same;
                n_kept += same;
            }
        }
        slk_fact_release(&by_subject);
        slk_fact_release(&by_question);
    }
    assert_int_equal(n_changed, 3 * 40);
    assert_int_equal(n_kept, 3 * (600 - 40));
    slk_fact_release(&outside);
    slk_fact_release(&unknown);
    slk_exemplars_free(ex);
    slk_exemplars_free(three);
    slk_exemplars_free(other_seed);
    slk_facts_release(&p);
}

static void test_listing_has_no_influence(void **state)
{
    (void)state;
    static const char *const relations[] = {"P17", "P36"};
    slk_facts p = make_pool(relations, 2, 30, 2);
    slk_exemplars *ex = create(&p, NULL, 10, 4, 3);
    /* Backwards, with facts listed twice (copies), and one relation missing. */
    slk_facts q = {slk_alloc(2 * p.n, sizeof *q.items), 0, 2 * p.n}; /* shallow */
    slk_fact copies[5];
    for (size_t i = 30; i > 0; i--) q.items[q.n++] = p.items[i - 1];
    for (size_t i = 0; i < 5; i++) {
        assert_true(slk_fact_copy(&copies[i], &p.items[i * 5]));
        q.items[q.n++] = copies[i];
    }
    slk_exemplars *again = create(&q, NULL, 10, 4, 3);
    assert_int_equal(slk_exemplars_pool_size(again, "P17"), 30);
    for (size_t i = 0; i < 30; i++) {
        const slk_fact *a[40], *b[40];
        assert_int_equal(slk_exemplars_for(ex, &p.items[i], a, NULL), SLK_OK);
        assert_int_equal(slk_exemplars_for(again, &p.items[i], b, NULL), SLK_OK);
        for (int k = 0; k < 40; k++) assert_true(a[k]->id == b[k]->id);
    }
    for (size_t i = 0; i < 5; i++) slk_fact_release(&copies[i]);
    free(q.items);
    slk_exemplars_free(ex);
    slk_exemplars_free(again);
    slk_facts_release(&p);
}

/* The fewest facts for n_ex sets of n_shots, by trying: C(n, k) >= n_ex, one more for the asked fact. */
static void test_small_pools(void **state)
{
    (void)state;
    static const struct {
        unsigned n_ex, n_shots;
        size_t n_needed; /* beside the asked fact */
    } cases[] = {{10, 4, 6}, {5, 4, 5},   {6, 4, 6},  {1, 4, 4}, {15, 4, 6},
                 {16, 4, 7}, {10, 1, 10}, {10, 2, 5}, {11, 2, 6}};
    static const char *const relation = "P17";
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        unsigned n_ex = cases[c].n_ex, n_shots = cases[c].n_shots;
        for (size_t n = cases[c].n_needed - 1; n <= cases[c].n_needed + 2; n++) {
            slk_facts p = make_pool(&relation, 1, n, 1);
            slk_fact outside = make_fact(relation, 500, 500, 500);
            const slk_fact *sets[64];
            slk_facts list = {&outside, 1, 1};
            slk_exemplars *ex;
            slk_err err;
            slk_status status = slk_exemplars_create(&ex, &p, &list, n_ex, n_shots, 1, &err);
            assert_int_equal(status, n < cases[c].n_needed ? SLK_E_SHAPE : SLK_OK);
            if (status == SLK_OK) {
                assert_int_equal(slk_exemplars_for(ex, &outside, sets, &err), SLK_OK);
                check_sets(&outside, sets, n_ex, n_shots);
                /* A fact of the pool, which create() was not told of, needs one more. */
                slk_status inside = slk_exemplars_for(ex, &p.items[0], sets, &err);
                assert_int_equal(inside, n < cases[c].n_needed + 1 ? SLK_E_SHAPE : SLK_OK);
                slk_exemplars_free(ex);
            } else {
                assert_null(ex);
            }
            status = slk_exemplars_create(&ex, &p, NULL, n_ex, n_shots, 1, &err);
            assert_int_equal(status, n < cases[c].n_needed + 1 ? SLK_E_SHAPE : SLK_OK);
            slk_exemplars_free(ex);
            slk_fact_release(&outside);
            slk_facts_release(&p);
        }
    }
}

static void test_errors_name_all_relations(void **state)
{
    (void)state;
    static const char *const relations[] = {"P36", "P17", "P19"};
    slk_facts p = make_pool(relations, 3, 6, 2); /* of 6 facts 2 share each subject: 4 are left */
    slk_facts big = make_pool(&relations[2], 1, 50, 2);
    slk_fact items[62]; /* shallow */
    memcpy(items, p.items, 12 * sizeof *items);
    memcpy(items + 12, big.items, 50 * sizeof *items);
    slk_facts list = {items, 62, 62}, empty = {0};
    slk_fact missing = make_fact("P999", 1, 1, 1), none = make_fact("", 2, 1, 1);
    slk_fact asked_items[] = {p.items[0], missing, p.items[7], big.items[0], none};
    slk_facts asked = {asked_items, 5, 5}, roomy = {asked_items + 3, 1, 1};
    slk_exemplars *ex;
    slk_err err;
    assert_int_equal(slk_exemplars_create(&ex, &list, &asked, 10, 4, 0, &err), SLK_E_SHAPE);
    assert_null(ex);
    assert_string_equal(
        err.msg, "exemplar pool too small: 10 different sets of 4 need 6 facts of a relation beside the asked one "
                 "and its subject: (no relation) has 0, P17 has 4, P36 has 4, P999 has 0");
    /* Relations that nobody asks about may be small. */
    assert_int_equal(slk_exemplars_create(&ex, &list, &roomy, 10, 4, 0, &err), SLK_OK);
    const slk_fact *sets[40];
    assert_int_equal(slk_exemplars_for(ex, &missing, sets, &err), SLK_E_SHAPE);
    assert_non_null(strstr(err.msg, "relation P999: 0 facts"));
    slk_exemplars_free(ex);
    assert_int_equal(slk_exemplars_create(&ex, &list, NULL, 0, 4, 0, &err), SLK_E_ARG);
    assert_int_equal(slk_exemplars_create(&ex, &list, NULL, 1001, 4, 0, &err), SLK_E_ARG);
    assert_int_equal(slk_exemplars_create(&ex, &list, NULL, 2, 0, 0, &err), SLK_E_ARG);
    /* No shots: one prompt, and no pool is needed. */
    assert_int_equal(slk_exemplars_create(&ex, &empty, &asked, 1, 0, 0, &err), SLK_OK);
    assert_int_equal(slk_exemplars_for(ex, &missing, sets, &err), SLK_OK);
    slk_exemplars_free(ex);
    slk_fact_release(&missing);
    slk_fact_release(&none);
    slk_facts_release(&p);
    slk_facts_release(&big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_the_definition), cmocka_unit_test(test_facts_outside_share_the_common_sets),
        cmocka_unit_test(test_listing_has_no_influence),   cmocka_unit_test(test_small_pools),
        cmocka_unit_test(test_errors_name_all_relations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
