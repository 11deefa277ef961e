/* One small model, one set of facts, every way to label them: the same labels, counts, probabilities and texts, bit for
 * bit.
 *
 * usage: test_identity builtin|spm|bpe f32|bf16 [part]
 * `builtin` is the model that slick carries in itself, asked what it read; the others have seeded numbers, and all that
 * is hard for a matcher (support/tiny_model.h). `part` asks the referee (--naive) about fewer facts, for builds in
 * which it is slow. Exits with 77 where the processor does not compute in that type, or where nothing is built in. What
 * goes through the command line and the store (shards merged, killed and run again) is in tests/cli/identity.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/builtin.h"
#include "base/mem.h"
#include "base/progress.h"
#include "support/identity.h"
#include "support/tiny_model.h"

#define EXIT_SKIPPED 77

static struct {
    bool builtin;
    tiny_kind kind; /* of the seeded ones */
    slk_dtype dtype;
    bool part;
    char path[64];
    slk_facts pool, facts;
    slk_facts asked;            /* shallow: those that the referee was asked about */
    identity_labels naive, all; /* of asked; of all facts */
} test;

/* A run with `threads` threads over facts [begin, end). */
static void probe(identity_labels *out, const slk_facts *facts, size_t begin, size_t end, int threads,
                  const identity_way *way)
{
    slk_model *model;
    slk_err err;
    double since = slk_clock_ms();
    if (identity_open_model(&model, test.path, test.dtype, threads, &err) != SLK_OK) fail_msg("%s", err.msg);
    if (identity_probe(out, model, &test.pool, facts, begin, end, way, &err) != SLK_OK)
        fail_msg("%s: %s", way->name, err.msg);
    slk_model_close(model);
    printf("  %-22s %d threads: %zu facts, %.0f ms\n", way->name, threads, end - begin, slk_clock_ms() - since);
}

/* The same over all facts, compared with the first `all` run. */
static void probe_and_compare(const char *name, slk_decode decode, int32_t n_batch_rows, int threads)
{
    identity_labels own;
    const identity_way way = {.name = name, .decode = decode, .n_batch_rows = n_batch_rows};
    probe(&own, &test.facts, 0, test.facts.n, threads, &way);
    assert_int_equal(identity_compare(&test.all, &own, IDENTITY_SUBSET, decode, &test.facts, name), 0);
    identity_release(&own);
}

static int set_up(void **state)
{
    (void)state;
    slk_err err;
    slk_model *model;
    slk_builtin_bytes bytes;
    snprintf(test.path, sizeof test.path, "/tmp/slick-identity-%ld.gguf", (long)getpid());
    if (test.builtin) {
        strcpy(test.path, SLK_BUILTIN);
        if (slk_builtin_model(&bytes, &err) != SLK_OK || slk_builtin_facts(&bytes, &err) != SLK_OK) {
            printf("%s\n", err.msg);
            exit(EXIT_SKIPPED);
        }
    }
    if ((!test.builtin && tiny_write_model(test.path, test.kind, TINY_SOUND, &err) != SLK_OK) ||
        identity_open_model(&model, test.path, test.dtype, 1, &err) != SLK_OK) {
        printf("%s\n", err.msg);
        return -1;
    }
    if (!model) {
        printf("this processor does not compute in %s\n", slk_dtype_find(test.dtype)->name);
        if (!test.builtin) unlink(test.path);
        exit(EXIT_SKIPPED);
    }
    printf("  kernels %s, %d tokens\n", slk_compute_kernel_set(model->compute), model->config.n_vocab);
    slk_status s = test.builtin ? identity_take_builtin_facts(&test.pool, &test.facts, model, &err)
                                : identity_make_facts(&test.pool, &test.facts, model, &err);
    slk_model_close(model);
    if (s != SLK_OK) {
        printf("%s\n", err.msg);
        return -1;
    }
    /* A real prompt has five times the tokens of a seeded model's. Odd: categories come in turn, so each has its share.
     */
    size_t stride = test.builtin ? test.part ? 13 : 7 : test.part ? 6 : 1;
    test.asked.items = slk_alloc(test.facts.n, sizeof *test.asked.items);
    for (size_t i = 0; test.asked.items && i < test.facts.n; i += stride)
        test.asked.items[test.asked.n++] = test.facts.items[i];
    return test.asked.items ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    identity_release(&test.naive);
    identity_release(&test.all);
    free(test.asked.items);
    slk_facts_release(&test.pool);
    slk_facts_release(&test.facts);
    if (!test.builtin) unlink(test.path);
    return 0;
}

/* Labels of `from` for the facts of `like`: shallow, free(items). */
static identity_labels pick(const identity_labels *from, const identity_labels *like)
{
    identity_labels out = {.items = slk_alloc(like->n, sizeof *out.items)};
    assert_non_null(out.items);
    for (size_t i = 0, k = 0; i < from->n; i++) {
        if (k < like->n && from->items[i].fact_id == like->items[k].fact_id) out.items[out.n++] = from->items[i], k++;
    }
    return out;
}

/* --- the tests, in this order ------------------------------------------------------------------------------- */

static void the_fast_way_gives_the_answers_of_the_naive_one(void **state)
{
    (void)state;
    const identity_way naive = {.name = "naive", .naive = true, .decode = SLK_DECODE_ALL},
                       all = {.name = "all", .decode = SLK_DECODE_ALL, .n_batch_rows = 512};
    probe(&test.naive, &test.asked, 0, test.asked.n, 1, &naive);
    probe(&test.all, &test.facts, 0, test.facts.n, 1, &all);
    identity_labels same = pick(&test.all, &test.naive);
    size_t n_different =
        identity_compare(&test.naive, &same, IDENTITY_SAME_ANSWERS, SLK_DECODE_ALL, &test.facts, "naive, all");
    free(same.items);
    assert_int_equal(n_different, 0);
    for (size_t i = 0; i < test.naive.n; i++) {
        const slk_label *label = &test.naive.items[i];
        if (!label->unlabelable) assert_int_equal(label->n_answers, IDENTITY_N_EX * (IDENTITY_N_SAMPLES + 1));
    }
}

static void the_comparison_is_telling(void **state)
{
    (void)state;
    identity_counts counts;
    identity_count(&counts, &test.all, &test.facts);
    assert_true(identity_is_telling(&counts, test.builtin ? IDENTITY_N_BUILTIN : IDENTITY_MIN_PER_CATEGORY, "  all"));
    assert_true(counts.n_category[SLK_UNLABELABLE] >= 2);
    if (!test.builtin) assert_true(counts.n_at_limit >= 50); /* no answer that it read is so long */
    identity_counts naive;
    identity_count(&naive, &test.naive, &test.facts);
    for (int c = 0; c < SLK_N_CATEGORIES; c++) assert_true(naive.n_category[c] >= 1);
}

static size_t differ(const slk_label *a, const slk_label *b)
{
    identity_labels x = {.n = 1}, y = {.n = 1};
    slk_label first = *a, second = *b;
    x.items = &first;
    y.items = &second;
    return identity_compare(&x, &y, IDENTITY_SUBSET, SLK_DECODE_NONE, &test.facts, "  (meant to differ)");
}

/* One bit, one rounding, one byte, one answer too few. */
static void the_comparison_sees_the_smallest_difference(void **state)
{
    (void)state;
    const slk_label *label = test.all.items;
    while (label->unlabelable || label->p_gold[3] == 0 || !label->answers[0].match) label++;
    assert_int_equal(differ(label, label), 0);
    slk_label other = *label;
    double p_gold[IDENTITY_N_EX];
    memcpy(p_gold, label->p_gold, sizeof p_gold);
    p_gold[3] *= 1 + 0x1p-52;
    other.p_gold = p_gold;
    assert_int_equal(differ(label, &other), 1);

    other = *label;
    uint8_t sampled[IDENTITY_N_EX * IDENTITY_N_SAMPLES];
    memcpy(sampled, label->sampled, sizeof sampled);
    sampled[7] ^= 1;
    other.sampled = sampled;
    assert_int_equal(differ(label, &other), 1);

    other = *label;
    slk_answer answers[IDENTITY_N_EX * (IDENTITY_N_SAMPLES + 1)];
    memcpy(answers, label->answers, label->n_answers * sizeof *answers);
    char text[512];
    snprintf(text, sizeof text, "%s.", answers[20].text);
    answers[20].text = text;
    other.answers = answers;
    assert_int_equal(differ(label, &other), 1);

    other = *label;
    other.answers++; /* the first one matches, so it must be there */
    other.n_answers--;
    assert_int_equal(differ(label, &other), 1);
}

static void threads_and_batches_change_nothing(void **state)
{
    (void)state;
    probe_and_compare("all, 64 rows", SLK_DECODE_ALL, 64, 2);
    probe_and_compare("all, 8192 rows", SLK_DECODE_ALL, 8192, 8);
    if (test.builtin) /* few rows at a time cost what many do */
        probe_and_compare("greedy, 33 rows", SLK_DECODE_GREEDY, 33, 1);
    else
        probe_and_compare("greedy, 7 rows", SLK_DECODE_GREEDY, 7, 1);
    probe_and_compare("none, 64 rows", SLK_DECODE_NONE, 64, 8);
    probe_and_compare("none, 512 rows", SLK_DECODE_NONE, 512, 2);
    probe_and_compare("none, 8192 rows", SLK_DECODE_NONE, 8192, 1);
}

/* What is recorded does not depend on the batches either, wherever it is not everything. */
static void recorded_answers_are_the_same(void **state)
{
    (void)state;
    static const slk_decode DECODE[] = {SLK_DECODE_NONE, SLK_DECODE_GREEDY};
    for (size_t i = 0; i < 2; i++) {
        identity_labels a, b;
        identity_way way = {
            .name = i ? "greedy, 8192 rows" : "none, 1 row", .decode = DECODE[i], .n_batch_rows = i ? 8192 : 1};
        size_t n = i ? test.facts.n : test.facts.n / (test.builtin ? 10 : 4); /* one row at a time is slow */
        probe(&a, &test.facts, 0, n, i ? 8 : 1, &way);
        way.n_batch_rows = 64;
        probe(&b, &test.facts, 0, n, 2, &way);
        assert_int_equal(identity_compare(&a, &b, IDENTITY_SAME_ANSWERS, DECODE[i], &test.facts, way.name), 0);
        identity_labels whole = pick(&test.all, &b);
        assert_int_equal(identity_compare(&whole, &a, IDENTITY_SUBSET, DECODE[i], &test.facts, way.name), 0);
        free(whole.items);
        identity_release(&a);
        identity_release(&b);
    }
}

/* Alone, in parts, in another order: a label depends on its fact only. */
static void company_changes_nothing(void **state)
{
    (void)state;
    const identity_way way = {.name = "parts", .decode = SLK_DECODE_ALL, .n_batch_rows = 512};
    slk_facts turned = {.items = slk_alloc(test.facts.n, sizeof *turned.items), .n = test.facts.n};
    assert_non_null(turned.items);
    for (size_t i = 0; i < turned.n; i++) turned.items[i] = test.facts.items[turned.n - 1 - i];
    const size_t ends[] = {0, 1, test.builtin ? 30 : 60, turned.n};
    identity_labels together = {0};
    for (size_t k = 0; k + 1 < sizeof ends / sizeof *ends; k++) {
        identity_labels own;
        probe(&own, &turned, ends[k], ends[k + 1], 2, &way);
        assert_true(slk_grow(&together.items, &together.cap, together.n + own.n, sizeof *own.items));
        memcpy(together.items + together.n, own.items, own.n * sizeof *own.items);
        together.n += own.n;
        free(own.items);
    }
    identity_sort(&together);
    assert_int_equal(
        identity_compare(&test.all, &together, IDENTITY_SAME_ANSWERS, SLK_DECODE_ALL, &test.facts, "parts"), 0);
    identity_release(&together);
    free(turned.items);
}

static void the_referee_does_not_depend_on_threads(void **state)
{
    (void)state;
    const identity_way way = {.name = "naive", .naive = true, .decode = SLK_DECODE_ALL};
    for (int threads = 2; threads <= 8; threads *= 4) { /* for single rows they are slow: few facts */
        identity_labels own;
        size_t begin = threads == 2 || test.builtin ? 20 : 70, n = threads == 2 && !test.builtin ? 8 : 1;
        probe(&own, &test.facts, begin, begin + n, threads, &way);
        identity_labels whole = pick(&test.all, &own);
        assert_int_equal(
            identity_compare(&whole, &own, IDENTITY_SAME_ANSWERS, SLK_DECODE_ALL, &test.facts, "naive, threads"), 0);
        free(whole.items);
        identity_release(&own);
    }
}

/* Outcomes under another rule are those of the recorded texts under it. */
static void other_rules_agree_with_the_texts(void **state)
{
    (void)state;
    static const char *const RULES[] = {"strict", "contains", "f1:0.6"};
    slk_err err;
    for (size_t r = 0; r < sizeof RULES / sizeof *RULES; r++) {
        identity_labels own;
        slk_match_rule rule;
        const identity_way way = {.name = RULES[r], .decode = SLK_DECODE_NONE, .n_batch_rows = 512, .match = RULES[r]};
        assert_int_equal(slk_match_parse(&rule, RULES[r], &err), SLK_OK);
        probe(&own, &test.facts, 0, test.facts.n, 1, &way);
        assert_int_equal(own.n, test.all.n);
        size_t n_matches = 0, n_different = 0;
        for (size_t i = 0; i < own.n; i++) {
            const slk_label *label = &own.items[i], *texts = &test.all.items[i];
            const slk_fact *fact = test.facts.items;
            while (fact->id != label->fact_id) fact++;
            slk_golds *golds;
            assert_int_equal(slk_golds_create(&golds, &rule, fact, &err), SLK_OK);
            for (size_t k = 0; k < texts->n_answers; k++) {
                const slk_answer *a = &texts->answers[k];
                int match = slk_golds_match(golds, a->text, strlen(a->text));
                int got =
                    a->draw < 0 ? label->greedy[a->prompt] : label->sampled[a->prompt * IDENTITY_N_SAMPLES + a->draw];
                n_matches += match == 1;
                if (match == got) continue;
                if (n_different++ < 5)
                    printf("%s: '%s' for '%s': %d, text %d\n", RULES[r], a->text, fact->answers[0], got, match);
            }
            slk_golds_free(golds);
        }
        assert_int_equal(n_different, 0);
        assert_true(n_matches >= 100);
        identity_release(&own);
    }
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 4) return 2;
    test.builtin = strcmp(argv[1], "builtin") == 0;
    test.kind = strcmp(argv[1], "bpe") == 0 ? TINY_BPE : TINY_SPM;
    test.dtype = strcmp(argv[2], "bf16") == 0 ? SLK_DTYPE_BF16 : SLK_DTYPE_F32;
    test.part = argc > 3;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fast_way_gives_the_answers_of_the_naive_one),
        cmocka_unit_test(the_comparison_is_telling),
        cmocka_unit_test(the_comparison_sees_the_smallest_difference),
        cmocka_unit_test(threads_and_batches_change_nothing),
        cmocka_unit_test(recorded_answers_are_the_same),
        cmocka_unit_test(company_changes_nothing),
        cmocka_unit_test(the_referee_does_not_depend_on_threads),
        cmocka_unit_test(other_rules_agree_with_the_texts),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
