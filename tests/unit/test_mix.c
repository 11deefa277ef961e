/* Fine-tuning sets: exact counts, nesting, independence of the input's order, and refusals, over random tables of
 * categories. */
#include "data_test.h"

#include "base/mem.h"
#include "base/rng.h"
#include "data/mix.h"

enum { MAX_RELATIONS = 9, MAX_FACTS = 1500 };

/* Facts of several relations with random categories; some pools are empty, some facts have no category. */
typedef struct table {
    slk_fact items[MAX_FACTS];
    const slk_fact *facts[MAX_FACTS];
    int8_t categories[MAX_FACTS];
    size_t n, n_relations;
    size_t n_pool[MAX_RELATIONS][SLK_N_CATEGORIES];
} table;

static char names[MAX_RELATIONS][24];

static uint32_t draw(uint64_t seed, uint32_t *step, uint32_t n)
{
    return (uint32_t)(slk_rng_u64(seed, SLK_PURPOSE_INIT, 0, 0, 0, (*step)++) % n);
}

static void make_table(table *t, uint64_t seed)
{
    uint32_t step = 0;
    t->n = 0;
    memset(t->n_pool, 0, sizeof t->n_pool);
    t->n_relations = 1 + draw(seed, &step, MAX_RELATIONS);
    for (size_t r = 0; r < t->n_relations; r++) {
        snprintf(names[r], sizeof names[r], "P%zu", r);
        uint32_t most = 1 + draw(seed, &step, 60);
        for (int8_t c = -1; c <= SLK_UNLABELABLE; c++) {
            uint32_t n = draw(seed, &step, 5) == 0 ? 0 : draw(seed, &step, most);
            for (uint32_t i = 0; i < n && t->n < MAX_FACTS; i++) {
                uint64_t id = slk_rng_u64(seed, SLK_PURPOSE_LIMIT, 0, 0, 0, step++);
                t->items[t->n] = (slk_fact){.id = id, .relation = names[r]};
                t->categories[t->n] = c;
                t->n++;
                if (c >= 0 && c < SLK_N_CATEGORIES) t->n_pool[r][c]++;
            }
        }
    }
    for (size_t i = t->n; i > 1; i--) { /* relations mixed with each other */
        size_t j = draw(seed, &step, (uint32_t)i);
        slk_fact fact = t->items[i - 1];
        int8_t category = t->categories[i - 1];
        t->items[i - 1] = t->items[j], t->categories[i - 1] = t->categories[j];
        t->items[j] = fact, t->categories[j] = category;
    }
    for (size_t i = 0; i < t->n; i++) t->facts[i] = &t->items[i];
}

static size_t number_of(const char *relation)
{
    return (size_t)(relation[1] - '0');
}

static size_t known(const size_t pool[SLK_N_CATEGORIES])
{
    return pool[0] + pool[1] + pool[2];
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* n * share with the tie going to Known, in whole numbers: share = per_mille / 1000. */
static size_t unknown_of(size_t n, size_t per_mille)
{
    return (2 * n * per_mille + 999) / 2000;
}

/* Every fact once; counts as drawn; categories only those of the variant; idk only where it belongs. */
static void check_mix(const slk_mix *mix, const slk_mix_plan *plan, const table *t, const slk_mix_variant *v)
{
    size_t counts[MAX_RELATIONS][SLK_N_CATEGORIES] = {{0}};
    static bool seen[MAX_FACTS];
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < mix->n; i++) {
        size_t index = mix->index[i];
        assert_true(index < t->n && !seen[index]);
        seen[index] = true;
        int category = t->categories[index];
        assert_in_range(category, 0, SLK_N_CATEGORIES - 1);
        counts[number_of(t->facts[index]->relation)][category]++;
        assert_true(mix->idk[i] == (v->kind == SLK_MIX_IDK && category == SLK_UNKNOWN));
    }
    for (size_t r = 0; r < plan->n_relations; r++) {
        const slk_mix_relation *relation = &plan->relations[r];
        size_t k = number_of(relation->name);
        for (int c = 0; c < SLK_N_CATEGORIES; c++) {
            assert_int_equal(mix->counts[r][c], counts[k][c]);
            assert_int_equal(relation->n_pool[c], t->n_pool[k][c]);
        }
    }
}

static const size_t shares[] = {0, 1, 125, 250, 333, 500, 501, 750, 999, 1000}; /* per mille */
enum { N_SHARES = sizeof shares / sizeof *shares };

static slk_mix_variant unknown(slk_mix_kind kind, size_t share)
{
    return (slk_mix_variant){.kind = kind, .unknown = (double)share / 1000};
}

/* Exactly how many of what, for each relation and each variant, by the paper's rule. */
static void test_counts(void **state)
{
    (void)state;
    static table t;
    size_t n_drawn = 0, n_refused = 0, n_left_out = 0;
    for (uint64_t seed = 0; seed < 400; seed++) {
        make_table(&t, seed);
        slk_mix_variant family[] = {unknown(SLK_MIX_UNKNOWN, 500),
                                    {.kind = SLK_MIX_ONLY, .category = (slk_category)(seed % SLK_N_CATEGORIES)},
                                    {.kind = SLK_MIX_NATURAL}};
        size_t n_variants = 1 + seed / 4 % 3; /* unknown; with only; with natural, too */
        bool has_only = n_variants > 1;
        slk_err err;
        slk_mix_plan *plan;
        slk_status status = slk_mix_plan_create(&plan, t.facts, t.categories, t.n, family, n_variants, 0, seed, &err);
        size_t size = 0, sizes[MAX_RELATIONS] = {0};
        for (size_t r = 0; r < t.n_relations; r++) {
            const size_t *pool = t.n_pool[r];
            sizes[r] = least(known(pool), pool[SLK_UNKNOWN]);
            if (has_only) sizes[r] = least(sizes[r], pool[family[1].category]);
            size += sizes[r];
        }
        if (size == 0) {
            assert_int_equal(status, SLK_E_ARG);
            assert_null(plan);
            n_refused++;
            continue;
        }
        if (status != SLK_OK) fail_msg("%s", err.msg);
        assert_true(plan->size == size && plan->rule_size == size);
        for (size_t r = 0; r < plan->n_relations; r++) {
            assert_int_equal(plan->relations[r].size, sizes[number_of(plan->relations[r].name)]);
            assert_true((plan->relations[r].size == 0) == (plan->relations[r].lacks != 0));
            if (r > 0) assert_true(strcmp(plan->relations[r - 1].name, plan->relations[r].name) < 0);
        }
        n_left_out += plan->n_left_out;
        static const slk_mix_kind kinds[] = {SLK_MIX_UNKNOWN, SLK_MIX_KNOWN, SLK_MIX_IDK};
        for (size_t k = 0; k < 3 * N_SHARES; k++) {
            slk_mix_variant v = unknown(kinds[k / N_SHARES], shares[k % N_SHARES]);
            slk_mix mix;
            status = slk_mix_draw(&mix, plan, &v, &err);
            if (v.kind == SLK_MIX_KNOWN && v.unknown == 1) {
                assert_int_equal(status, SLK_E_ARG);
                assert_non_null(strstr(err.msg, "known-of-100: no examples are left"));
                continue;
            }
            if (status == SLK_E_ARG && v.kind == SLK_MIX_KNOWN && strstr(err.msg, "no examples"))
                continue; /* of few, all round to Unknown */
            if (status != SLK_OK) fail_msg("%s", err.msg);
            check_mix(&mix, plan, &t, &v);
            for (size_t r = 0; r < plan->n_relations; r++) {
                size_t n = plan->relations[r].size, n_unknown = unknown_of(n, shares[k % N_SHARES]);
                assert_int_equal(mix.counts[r][SLK_UNKNOWN], v.kind == SLK_MIX_KNOWN ? 0 : n_unknown);
                assert_int_equal(known(mix.counts[r]), n - n_unknown);
            }
            slk_mix_release(&mix);
            n_drawn++;
        }
        if (has_only) {
            slk_mix mix;
            assert_int_equal(slk_mix_draw(&mix, plan, &family[1], &err), SLK_OK);
            check_mix(&mix, plan, &t, &family[1]);
            for (size_t r = 0; r < plan->n_relations; r++)
                assert_int_equal(mix.counts[r][family[1].category], plan->relations[r].size);
            assert_int_equal(mix.n, plan->size);
            slk_mix_release(&mix);
        }
        slk_mix mix;
        assert_int_equal(slk_mix_draw(&mix, plan, &family[2], &err), SLK_OK);
        check_mix(&mix, plan, &t, &family[2]);
        assert_int_equal(mix.n, plan->size);
        for (size_t r = 0; r < plan->n_relations; r++) {
            const slk_mix_relation *relation = &plan->relations[r];
            for (int c = 0; c < SLK_N_CATEGORIES && relation->size > 0; c++) {
                double exact =
                    (double)(relation->size * relation->n_pool[c]) / (double)relation->n_pool[SLK_MIX_POOL_ALL];
                assert_true(mix.counts[r][c] + 1 > exact && mix.counts[r][c] < exact + 1 &&
                            mix.counts[r][c] <= relation->n_pool[c]);
            }
        }
        slk_mix_release(&mix);
        slk_mix_plan_free(plan);
    }
    assert_true(n_drawn > 5000 && n_refused > 5 && n_left_out > 100);
}

static bool has(const slk_mix *mix, const slk_mix_plan *plan, uint64_t id)
{
    for (size_t i = 0; i < mix->n; i++) {
        if (plan->facts[mix->index[i]]->id == id) return true;
    }
    return false;
}

/* Of b, the examples whose category is (Unknown: want) are all in a. */
static void assert_contains(const slk_mix *a, const slk_mix *b, const slk_mix_plan *plan, bool want_unknown)
{
    for (size_t i = 0; i < b->n; i++) {
        bool is_unknown = plan->categories[b->index[i]] == SLK_UNKNOWN;
        if (is_unknown == want_unknown) assert_true(has(a, plan, plan->facts[b->index[i]]->id));
    }
}

static void test_nesting(void **state)
{
    (void)state;
    static table t;
    size_t n_checked = 0;
    for (uint64_t seed = 0; seed < 120; seed++) {
        make_table(&t, seed);
        slk_err err;
        slk_mix_plan *plan, *smaller;
        slk_mix_variant v = unknown(SLK_MIX_UNKNOWN, 250);
        if (slk_mix_plan_create(&plan, t.facts, t.categories, t.n, &v, 1, 0, seed, &err) != SLK_OK) continue;
        slk_mix mixes[N_SHARES], without, idk;
        for (size_t k = 0; k < N_SHARES; k++) {
            v = unknown(SLK_MIX_UNKNOWN, shares[k]);
            assert_int_equal(slk_mix_draw(&mixes[k], plan, &v, &err), SLK_OK);
            assert_int_equal(mixes[k].n, plan->size);
            if (k > 0) { /* more Unknown contains less, less contains the Known of more */
                assert_contains(&mixes[k], &mixes[k - 1], plan, true);
                assert_contains(&mixes[k - 1], &mixes[k], plan, false);
            }
            /* known-of-X is X without its Unknown, in the same order; idk-X is X, line by line */
            v.kind = SLK_MIX_KNOWN;
            if (slk_mix_draw(&without, plan, &v, &err) == SLK_OK) {
                size_t at = 0;
                for (size_t i = 0; i < mixes[k].n; i++) {
                    if (t.categories[mixes[k].index[i]] != SLK_UNKNOWN)
                        assert_int_equal(without.index[at++], mixes[k].index[i]);
                }
                assert_int_equal(at, without.n);
                slk_mix_release(&without);
            }
            v.kind = SLK_MIX_IDK;
            assert_int_equal(slk_mix_draw(&idk, plan, &v, &err), SLK_OK);
            assert_int_equal(idk.n, mixes[k].n);
            assert_memory_equal(idk.index, mixes[k].index, idk.n * sizeof *idk.index);
            slk_mix_release(&idk);
        }
        /* A smaller |D| is part of a larger, relation by relation. */
        for (size_t size = plan->size; size > 0 && size + 25 > plan->size; size--) {
            v = unknown(SLK_MIX_UNKNOWN, 333);
            slk_mix part;
            assert_int_equal(slk_mix_plan_create(&smaller, t.facts, t.categories, t.n, &v, 1, size, seed, &err),
                             SLK_OK);
            assert_int_equal(slk_mix_draw(&part, smaller, &v, &err), SLK_OK);
            assert_int_equal(part.n, size);
            for (size_t r = 0; r < plan->n_relations; r++) {
                assert_true(smaller->relations[r].size <= plan->relations[r].size);
                if (size == plan->size) assert_int_equal(smaller->relations[r].size, plan->relations[r].size);
            }
            /* Sainte-Lague: no example would stand better with another relation. */
            for (size_t a = 0; a < plan->n_relations; a++) {
                for (size_t b = 0; b < plan->n_relations; b++) {
                    size_t x = smaller->relations[a].size, y = smaller->relations[b].size;
                    if (x > 0)
                        assert_true(plan->relations[a].size * (2 * y + 1) >= plan->relations[b].size * (2 * x - 1));
                }
            }
            assert_contains(&mixes[4], &part, plan, true);
            assert_contains(&mixes[4], &part, plan, false);
            slk_mix_release(&part);
            slk_mix_plan_free(smaller);
            n_checked++;
        }
        for (size_t k = 0; k < N_SHARES; k++) slk_mix_release(&mixes[k]);
        slk_mix_plan_free(plan);
    }
    assert_true(n_checked > 500);
}

/* The order of the input, and relations that are not there, change nothing; the seed does. */
static void test_independence(void **state)
{
    (void)state;
    static table t;
    for (uint64_t seed = 0; seed < 60; seed++) {
        make_table(&t, seed);
        const slk_fact *facts[MAX_FACTS], *some[MAX_FACTS];
        int8_t categories[MAX_FACTS], some_categories[MAX_FACTS];
        size_t n_some = 0;
        for (size_t i = 0; i < t.n; i++) {
            facts[t.n - 1 - i] = t.facts[i], categories[t.n - 1 - i] = t.categories[i];
            if (strcmp(t.facts[i]->relation, "P0") != 0) continue;
            some[n_some] = t.facts[i], some_categories[n_some++] = t.categories[i];
        }
        slk_err err;
        slk_mix_plan *plan, *turned, *alone, *other;
        slk_mix_variant v = unknown(SLK_MIX_IDK, 400);
        if (slk_mix_plan_create(&plan, t.facts, t.categories, t.n, &v, 1, 0, seed, &err) != SLK_OK) continue;
        assert_int_equal(slk_mix_plan_create(&turned, facts, categories, t.n, &v, 1, 0, seed, &err), SLK_OK);
        assert_int_equal(slk_mix_plan_create(&other, facts, categories, t.n, &v, 1, 0, seed + 1, &err), SLK_OK);
        slk_mix a, b, c, d;
        assert_int_equal(slk_mix_draw(&a, plan, &v, &err), SLK_OK);
        assert_int_equal(slk_mix_draw(&b, turned, &v, &err), SLK_OK);
        assert_int_equal(slk_mix_draw(&d, other, &v, &err), SLK_OK);
        assert_true(a.n == b.n && a.n == d.n);
        size_t n_same = 0;
        for (size_t i = 0; i < a.n; i++) {
            assert_int_equal(t.facts[a.index[i]]->id, facts[b.index[i]]->id);
            assert_int_equal(a.idk[i], b.idk[i]);
            n_same += t.facts[a.index[i]]->id == facts[d.index[i]]->id;
        }
        assert_true(a.n < 20 || n_same < a.n / 2);
        if (n_some > 0 && slk_mix_plan_create(&alone, some, some_categories, n_some, &v, 1, 0, seed, &err) == SLK_OK) {
            assert_int_equal(slk_mix_draw(&c, alone, &v, &err), SLK_OK);
            size_t n_of = 0;
            for (size_t i = 0; i < a.n; i++) n_of += strcmp(t.facts[a.index[i]]->relation, "P0") == 0;
            assert_int_equal(n_of, c.n);
            for (size_t i = 0; i < c.n; i++) assert_true(has(&a, plan, some[c.index[i]]->id));
            slk_mix_release(&c);
            slk_mix_plan_free(alone);
        }
        slk_mix_release(&a), slk_mix_release(&b), slk_mix_release(&d);
        slk_mix_plan_free(plan), slk_mix_plan_free(turned), slk_mix_plan_free(other);
    }
}

/* Two relations: "a" has 10 HighlyKnown, 5 WeaklyKnown, 8 Unknown; "b" has 6 MaybeKnown, 30 Unknown. */
static void small_table(table *t)
{
    static const struct {
        const char *relation;
        int8_t category;
        int n;
    } rows[] = {{"a", 0, 10}, {"a", 2, 5}, {"a", 3, 8}, {"b", 1, 6}, {"b", 3, 30}, {"b", -1, 3}, {"c", -1, 2}};
    t->n = 0;
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        for (int i = 0; i < rows[k].n; i++) {
            t->items[t->n] = (slk_fact){.id = 1000 * k + (uint64_t)i, .relation = (char *)(uintptr_t)rows[k].relation};
            t->facts[t->n] = &t->items[t->n];
            t->categories[t->n++] = rows[k].category;
        }
    }
}

static slk_status plan_of(slk_mix_plan **out, const table *t, slk_mix_variant v, size_t size, slk_err *err)
{
    return slk_mix_plan_create(out, t->facts, t->categories, t->n, &v, 1, size, 0, err);
}

static void test_refusals(void **state)
{
    (void)state;
    static table t;
    small_table(&t);
    slk_mix_plan *plan;
    slk_mix mix;
    slk_mix_variant half = unknown(SLK_MIX_UNKNOWN, 500), weakly = {.kind = SLK_MIX_ONLY, .category = SLK_WEAKLY_KNOWN};
    assert_ok(plan_of(&plan, &t, half, 0, err));
    assert_true(plan->size == 14 && plan->relations[0].size == 8 && plan->relations[1].size == 6);
    assert_true(plan->n_left_out == 1 && plan->relations[2].size == 0);
    assert_int_equal(plan->relations[2].lacks, 1u << SLK_MIX_POOL_KNOWN | 1u << SLK_UNKNOWN);
    assert_fails(
        slk_mix_draw(&mix, plan, &weakly, err), SLK_E_ARG,
        "only-WeaklyKnown with 14 examples: relation 'a' lacks 3 WeaklyKnown (8 wanted, 5 there), relation 'b' "
        "lacks 6 WeaklyKnown (6 wanted, 0 there)");
    assert_true(mix.n == 0 && mix.index == NULL);
    slk_mix_plan_free(plan);
    /* More than the rule gives is fine while every pool has what is taken: 8 : 6 of 21 are 12 and 9. */
    assert_ok(plan_of(&plan, &t, half, 21, err));
    assert_true(plan->relations[0].size == 12 && plan->relations[1].size == 9);
    slk_mix_plan_free(plan);
    assert_fails(plan_of(&plan, &t, half, 32, err), SLK_E_ARG,
                 "relation 'a' lacks 1 Unknown (9 wanted, 8 there), relation 'b' lacks 1 Known (7 wanted, 6 there); 14 "
                 "examples are possible");
    assert_fails(plan_of(&plan, &t, half, 1000000000, err), SLK_E_ARG, "relation 'a' lacks 285714277 Unknown");
    assert_null(plan);
    /* Relations without a needed category are left out; when that is all of them, each is named. */
    assert_ok(plan_of(&plan, &t, weakly, 0, err));
    assert_true(plan->size == 5 && plan->n_left_out == 2 && plan->relations[1].lacks == 1u << SLK_WEAKLY_KNOWN);
    slk_mix_plan_free(plan);
    const slk_mix_variant needs[] = {weakly, {.kind = SLK_MIX_ONLY, .category = SLK_MAYBE_KNOWN}};
    assert_fails(slk_mix_plan_create(&plan, t.facts, t.categories, t.n, needs, 2, 0, 0, err), SLK_E_ARG,
                 "nothing to draw from: relation 'a' has no MaybeKnown facts, relation 'b' has no WeaklyKnown facts, "
                 "relation 'c' has no MaybeKnown and no WeaklyKnown facts");
    assert_fails(slk_mix_plan_create(&plan, t.facts, t.categories, 0, needs, 2, 0, 0, err), SLK_E_ARG, "no facts");
}

static void test_names(void **state)
{
    (void)state;
    static const char *const good[] = {"unknown-50",  "unknown-0",      "unknown-100",  "unknown-12.5",
                                       "known-of-25", "idk-33.3333",    "only-Unknown", "only-HighlyKnown",
                                       "natural",     "only-MaybeKnown"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        slk_mix_variant v;
        char name[SLK_MIX_NAME_BYTES];
        assert_ok(slk_mix_variant_parse(&v, good[i], err));
        slk_mix_variant_name(name, &v);
        assert_string_equal(name, good[i]);
    }
    static const char *const bad[] = {
        "",      "unknown",    "unknown-",         "unknown-101", "unknown--5", "unknown-1e1", "unknown-5%",
        "only-", "only-Known", "only-Unlabelable", "naturally",   "idk-0x10",   "idk- 5"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        slk_mix_variant v;
        assert_fails(slk_mix_variant_parse(&v, bad[i], err), SLK_E_ARG, "expected unknown-X");
    }
    static const struct {
        const char *text;
        double share;
    } read[] = {{"0.5", 0.5}, {"50%", 0.5}, {"0", 0},      {"1", 1},
                {"1%", 0.01}, {"100%", 1},  {".25", 0.25}, {"12.5%", 0.125}};
    double share;
    for (size_t i = 0; i < sizeof read / sizeof *read; i++) {
        assert_ok(slk_mix_share_parse(&share, read[i].text, err));
        assert_true(share == read[i].share);
    }
    static const char *const wrong[] = {"50",   "1.01", "101%", "-0.1", "",     "%",  ".",
                                        "0.5.", "half", "nan",  "0.5 ", "1e-1", "inf"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_fails(slk_mix_share_parse(&share, wrong[i], err), SLK_E_ARG, "expected a share from 0 to 1");
    for (int k = 0; k < 5; k++) assert_non_null(slk_mix_kind_name((slk_mix_kind)k));
    assert_string_equal(slk_mix_pool_name(SLK_MIX_POOL_KNOWN), "Known");
    assert_string_equal(slk_mix_pool_name(SLK_UNKNOWN), "Unknown");
}

/* Hamilton's method: 10 by 1 : 1 : 1 is 4, 3, 3; sums are exact, each part is next to its exact value. */
static void test_split(void **state)
{
    (void)state;
    size_t parts[5];
    const size_t equal[] = {1, 1, 1}, some[] = {0, 7, 2, 0, 11}, none[] = {0, 0};
    slk_mix_split(parts, 10, equal, 3);
    assert_true(parts[0] == 4 && parts[1] == 3 && parts[2] == 3);
    for (size_t n = 0; n < 300; n++) {
        slk_mix_split(parts, n, some, 5);
        assert_true(parts[0] == 0 && parts[3] == 0 && parts[1] + parts[2] + parts[4] == n);
        for (int i = 0; i < 5; i++) assert_true(20 * parts[i] < n * some[i] + 20 && 20 * parts[i] + 20 > n * some[i]);
    }
    slk_mix_split(parts, 9, none, 2);
    assert_true(parts[0] == 0 && parts[1] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),   cmocka_unit_test(test_nesting), cmocka_unit_test(test_independence),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_names),   cmocka_unit_test(test_split),
    };
    return cmocka_run_group_tests_name("mix", tests, NULL, NULL);
}
