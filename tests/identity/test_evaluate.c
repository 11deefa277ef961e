/* Evaluation of a small model in every way: the same outcomes and texts, which are those of generating each answer
 * token by token and matching it when it is finished; and what is counted of them while a model is trained.
 *
 * usage: test_evaluate spm|bpe f32|bf16 [part]
 * The model says "idk" now and then (TINY_ABSTAINING). `part`: fewer facts, where single rows are slow. Exits with 77
 * where the processor does not compute in that type. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "infer/naive.h"
#include "know/abstain.h"
#include "know/evaluate.h"
#include "know/watch.h"
#include "support/identity.h"
#include "support/tiny_model.h"

#define EXIT_SKIPPED 77

static struct {
    tiny_kind kind;
    slk_dtype dtype;
    char path[64];
    slk_facts facts;
    const slk_fact **asked; /* [facts.n] */
    slk_outcome *expected;  /* [facts.n] of the slow way */
    slk_instruction *instruction;
    size_t n_trie_rows; /* tokens of all prompts, shared ones once */
} test;

static const slk_match_rule EM = {.kind = SLK_MATCH_EM};

static slk_model *open_model(int n_threads)
{
    slk_model *model;
    slk_err err;
    if (identity_open_model(&model, test.path, test.dtype, n_threads, &err) != SLK_OK) fail_msg("%s", err.msg);
    return model;
}

/* --- facts -------------------------------------------------------------------------------------------------------- */

static char *copy(const char *text)
{
    char *own = slk_strdup(text);
    if (!own) abort(); /* a test */
    return own;
}

static slk_fact new_fact(unsigned i)
{
    static const char *const STEMS[] = {"Where is", "Who made the", "Who", "Where was"};
    const char *a = tiny_words[i % 16], *b = tiny_words[i / 16 % 16], *c = tiny_words[(i * 7 + 3) % 16];
    char text[128];
    slk_fact f = {.split = SLK_SPLIT_TEST};
    /* a stem, and its beginning with nothing behind it: one prompt is the beginning of another */
    if (i % 50 == 49)
        snprintf(text, sizeof text, "%s %s", STEMS[i % 4], a);
    else
        snprintf(text, sizeof text, "%s %s %s%s%s?", STEMS[i % 4], a, b, i % 3 ? " " : "", i % 3 ? c : "");
    f.question = copy(text);
    f.relation = copy(STEMS[i % 4]);
    f.answers = slk_alloc_zero(1, sizeof *f.answers);
    f.aliases = slk_alloc_zero(1, sizeof *f.aliases);
    if (!f.answers || !f.aliases) abort();
    return f;
}

/* A gold for the answer that the model gives: right in other words, nearly right, right by an alias, wrong, or "I don't
 * know". */
static void choose_gold(slk_fact *f, unsigned i, const char *answer)
{
    char text[512];
    bool usable = answer[0] && !strstr(answer, "\xEF\xBF\xBD") && !strchr(answer, '\n');
    const char *own = usable ? answer : "nowhere";
    snprintf(text, sizeof text, "%s", own);
    if (i % 7 == 1) snprintf(text, sizeof text, "The %s!", own);
    if (i % 7 == 2)
        for (char *c = text; *c; c++) *c = (char)((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ? *c ^ 32 : *c);
    if (i % 7 == 3) snprintf(text, sizeof text, "%s lak", own);
    if (i % 7 == 4)
        snprintf(text, sizeof text, "%.*s", (int)(strlen(own) > 3 ? strlen(own) - 1 : 3), "lak mir bel ona");
    if (i % 7 == 5) {
        snprintf(text, sizeof text, "nowhere at all");
        f->aliases[f->n_aliases++] = copy(own);
    }
    if (i % 7 == 6) snprintf(text, sizeof text, i % 2 ? "I don't know." : "not known");
    f->answers[f->n_answers++] = copy(text);
    f->id = slk_fact_identity(f);
}

/* Generate the answer, give the fact its gold, and say what came out. */
static void answer_slowly(slk_fact *f, unsigned i, slk_outcome *out, slk_naive *naive, const slk_ids *ids)
{
    slk_buf text;
    slk_err err;
    slk_golds *golds;
    slk_buf_init(&text);
    assert_int_equal(slk_naive_answer(naive, &text, 0, 0, -1, ids->ids, (int32_t)ids->n, &err), SLK_OK);
    const char *bytes = text.data ? text.data : "";
    out->text = slk_answer_text(bytes, text.len);
    assert_non_null(out->text);
    choose_gold(f, i, out->text);
    if (slk_golds_create(&golds, &EM, f, &err) != SLK_OK) fail_msg("%s", err.msg);
    out->abstained = slk_abstention_matches(bytes, text.len) == 1;
    bool idk = slk_abstention_matches(f->answers[0], strlen(f->answers[0])) == 1;
    out->matched = slk_golds_match(golds, bytes, text.len) == 1 || (idk && out->abstained);
    slk_golds_free(golds);
    slk_buf_release(&text);
}

static int compare_prompts(const void *left, const void *right)
{
    const slk_ids *x = left, *y = right;
    for (size_t k = 0; k < x->n && k < y->n; k++) {
        if (x->ids[k] != y->ids[k]) return x->ids[k] < y->ids[k] ? -1 : 1;
    }
    return (x->n > y->n) - (x->n < y->n);
}

/* Rows that are needed when each shared token is computed once, but each prompt's last by itself. */
static size_t count_trie_rows(slk_ids *prompts, size_t n)
{
    size_t rows = 0;
    qsort(prompts, n, sizeof *prompts, compare_prompts);
    for (size_t i = 0; i < n; i++) {
        size_t shared = 0;
        while (i > 0 && shared + 1 < prompts[i].n && shared < prompts[i - 1].n &&
               prompts[i].ids[shared] == prompts[i - 1].ids[shared])
            shared++;
        rows += prompts[i].n - shared;
    }
    return rows;
}

static void make_facts(slk_model *model, size_t n)
{
    const slk_draws draws = {.temperature = 1, .top_k = 1, .n_max_tokens = SLK_ANSWER_MAX_TOKENS};
    slk_forward *forward;
    slk_naive *naive;
    slk_err err;
    slk_ids *prompts = slk_alloc_zero(n, sizeof *prompts);
    test.expected = slk_alloc_zero(n, sizeof *test.expected);
    test.asked = slk_alloc(n, sizeof *test.asked);
    assert_true(prompts && test.expected && test.asked);
    assert_int_equal(slk_instruction_create(&test.instruction, &err), SLK_OK);
    assert_int_equal(slk_forward_create(&forward, model, &err), SLK_OK);
    assert_int_equal(slk_naive_create(&naive, model, forward, &draws, &err), SLK_OK);
    for (unsigned i = 0; i < n; i++) {
        slk_fact f = new_fact(i % 97 == 96 ? i - 1 : i); /* some questions are asked twice, with other golds */
        assert_int_equal(
            slk_instruction_encode_prompt(test.instruction, model->tokenizer, &prompts[i], f.question, &err), SLK_OK);
        answer_slowly(&f, i, &test.expected[i], naive, &prompts[i]);
        if (!slk_facts_push(&test.facts, &f)) abort();
    }
    for (size_t i = 0; i < n; i++) test.asked[i] = &test.facts.items[i];
    test.n_trie_rows = count_trie_rows(prompts, n);
    slk_naive_free(naive);
    slk_forward_free(forward);
    for (size_t i = 0; i < n; i++) free(prompts[i].ids);
    free(prompts);
}

static bool part;

static int set_up(void **state)
{
    (void)state;
    slk_err err;
    slk_model *model;
    snprintf(test.path, sizeof test.path, "/tmp/slick-evaluate-%ld.gguf", (long)getpid());
    if (tiny_write_model(test.path, test.kind, TINY_ABSTAINING, &err) != SLK_OK ||
        identity_open_model(&model, test.path, test.dtype, 1, &err) != SLK_OK) {
        printf("%s\n", err.msg);
        return -1;
    }
    if (!model) {
        printf("this processor does not compute in %s\n", slk_dtype_find(test.dtype)->name);
        unlink(test.path);
        exit(EXIT_SKIPPED);
    }
    make_facts(model, part ? 150 : 600);
    slk_model_close(model);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    slk_outcomes_release(test.expected, test.facts.n);
    free(test.expected);
    free(test.asked);
    slk_facts_release(&test.facts);
    slk_instruction_free(test.instruction);
    unlink(test.path);
    return 0;
}

/* --- evaluation --------------------------------------------------------------------------------------------------- */

static void assert_same(const slk_outcome *got, size_t n, size_t step, bool texts, const char *what)
{
    size_t n_different = 0;
    for (size_t i = 0; i < n; i++) {
        const slk_outcome *want = &test.expected[i * step];
        bool same = got[i].matched == want->matched && got[i].abstained == want->abstained &&
                    (texts ? got[i].text && strcmp(got[i].text, want->text) == 0 : got[i].text == NULL);
        if (!same && n_different++ < 5)
            printf("%s: '%s' (%s): %d %d '%s', expected %d %d '%s'\n", what, test.asked[i * step]->question,
                   test.asked[i * step]->answers[0], got[i].matched, got[i].abstained, got[i].text ? got[i].text : "",
                   want->matched, want->abstained, want->text);
    }
    assert_int_equal(n_different, 0);
}

/* Every `step`-th fact. */
static slk_evaluate_stats evaluate(int n_threads, int32_t n_batch_rows, bool texts, size_t step, const char *what)
{
    slk_model *model = open_model(n_threads);
    size_t n = 0;
    const slk_fact **asked = slk_alloc(test.facts.n, sizeof *asked);
    slk_outcome *outcomes = slk_alloc(test.facts.n, sizeof *outcomes);
    assert_true(asked && outcomes);
    for (size_t i = 0; i < test.facts.n; i += step) asked[n++] = test.asked[i];
    const slk_evaluate_options options = {
        .instruction = test.instruction, .texts = texts, .n_batch_rows = n_batch_rows};
    slk_evaluate_stats stats;
    slk_err err;
    if (slk_evaluate_run(model, asked, n, &options, outcomes, NULL, &stats, &err) != SLK_OK) fail_msg("%s", err.msg);
    assert_same(outcomes, n, step, texts, what);
    printf("  %-28s %zu facts, %.0f ms, %.2f rows and %.2f logit rows a fact, %d batches\n", what, n, stats.wall_ms,
           (double)stats.n_rows / (double)n, (double)stats.n_logit_rows / (double)n, (int)stats.n_batches);
    slk_outcomes_release(outcomes, n);
    free(outcomes);
    free(asked);
    slk_model_close(model);
    return stats;
}

static void the_comparison_is_telling(void **state)
{
    (void)state;
    size_t n_matched = 0, n_abstained = 0, n_wrong = 0, n_right_idk = 0, n_long = 0;
    for (size_t i = 0; i < test.facts.n; i++) {
        const slk_outcome *o = &test.expected[i];
        n_matched += o->matched;
        n_abstained += o->abstained;
        n_wrong += !o->matched && !o->abstained;
        n_right_idk += o->matched && o->abstained && strstr(test.asked[i]->answers[0], "know") != NULL;
        n_long += strlen(o->text) > 20;
    }
    printf("  %zu facts: %zu right, %zu wrong, %zu abstentions, %zu of them right, %zu long answers\n", test.facts.n,
           n_matched, n_wrong, n_abstained, n_right_idk, n_long);
    assert_true(n_matched >= test.facts.n / 5 && n_wrong >= test.facts.n / 5);
    assert_true(n_abstained >= 4 && n_long >= 4);
    assert_true(part || n_right_idk >= 1);
}

static void batches_and_threads_change_nothing(void **state)
{
    (void)state;
    slk_evaluate_stats all = evaluate(1, 0, false, 1, "512 rows"), texts = evaluate(1, 0, true, 1, "512 rows, texts");
    assert_true(texts.n_rows > all.n_rows);
    slk_evaluate_stats other[] = {evaluate(2, 64, false, 1, "64 rows, 2 threads"),
                                  evaluate(3, 7, true, 1, "7 rows, 3 threads, texts"),
                                  evaluate(1, 1, false, 1, "1 row"), evaluate(2, 5000, false, 1, "5000 rows")};
    /* each shared token once: what is left are the tokens of answers, one for each logit row behind the first */
    size_t n_answer_rows = all.n_logit_rows - test.facts.n;
    assert_int_equal(all.n_rows - n_answer_rows, test.n_trie_rows);
    assert_int_equal(other[0].n_rows, all.n_rows);
    assert_int_equal(other[3].n_rows, all.n_rows);
    /* full batches but for the last ones */
    assert_true(all.n_batches <= all.n_rows / 512 + 2 * SLK_ANSWER_MAX_TOKENS);
    assert_true(all.n_prompt_tokens > all.n_rows);
}

static void company_changes_nothing(void **state)
{
    (void)state;
    evaluate(2, 0, true, 3, "every third");
    evaluate(1, 16, false, 41, "every forty-first");
}

/* Where the question stands first, nothing is shared, and what is in flight is bounded by the slots there are. */
static void prompts_that_share_nothing(void **state)
{
    (void)state;
    static const char TEXT[] = "{question} lak mir bel ona kes sal dun vey gol per hes umb nal cor tiv lak mir bel ona";
    slk_model *model = open_model(2);
    slk_outcome *outcomes[2];
    slk_evaluate_options options = {.texts = true};
    slk_instruction *instruction;
    slk_err err;
    assert_int_equal(slk_instruction_parse(&instruction, TEXT, sizeof TEXT - 1, "test", &err), SLK_OK);
    options.instruction = instruction;
    for (int way = 0; way < 2; way++) {
        options.n_batch_rows = way ? 200 : 3;
        outcomes[way] = slk_alloc(test.facts.n, sizeof **outcomes);
        assert_non_null(outcomes[way]);
        if (slk_evaluate_run(model, test.asked, test.facts.n, &options, outcomes[way], NULL, NULL, &err) != SLK_OK)
            fail_msg("%s", err.msg);
    }
    for (size_t i = 0; i < test.facts.n; i++) {
        assert_string_equal(outcomes[0][i].text, outcomes[1][i].text);
        assert_int_equal(outcomes[0][i].matched, outcomes[1][i].matched);
    }
    for (int way = 0; way < 2; way++) {
        slk_outcomes_release(outcomes[way], test.facts.n);
        free(outcomes[way]);
    }
    slk_instruction_free(instruction);
    slk_model_close(model);
}

/* Outcomes under another rule are those of the texts under it. */
static void other_rules_agree_with_the_texts(void **state)
{
    (void)state;
    static const char *const RULES[] = {"strict", "contains", "f1:0.6"};
    slk_model *model = open_model(1);
    size_t n = test.facts.n;
    slk_outcome *outcomes = slk_alloc(n, sizeof *outcomes);
    assert_non_null(outcomes);
    for (size_t r = 0; r < sizeof RULES / sizeof *RULES; r++) {
        slk_evaluate_options options = {.instruction = test.instruction};
        slk_err err;
        assert_int_equal(slk_match_parse(&options.match, RULES[r], &err), SLK_OK);
        if (slk_evaluate_run(model, test.asked, n, &options, outcomes, NULL, NULL, &err) != SLK_OK)
            fail_msg("%s", err.msg);
        size_t n_matched = 0;
        for (size_t i = 0; i < n; i++) {
            slk_golds *golds;
            const slk_outcome *o = &test.expected[i];
            assert_int_equal(slk_golds_create(&golds, &options.match, test.asked[i], &err), SLK_OK);
            bool idk = slk_abstention_matches(test.asked[i]->answers[0], strlen(test.asked[i]->answers[0])) == 1;
            bool match = slk_golds_match(golds, o->text, strlen(o->text)) == 1 || (idk && o->abstained);
            slk_golds_free(golds);
            if (outcomes[i].matched != match)
                fail_msg("%s: '%s' for '%s': %d", RULES[r], o->text, test.asked[i]->answers[0], outcomes[i].matched);
            assert_int_equal(outcomes[i].abstained, o->abstained);
            n_matched += match;
        }
        printf("  %-10s %zu match\n", RULES[r], n_matched);
        assert_true(n_matched >= 10);
    }
    free(outcomes);
    slk_model_close(model);
}

/* --- what goes wrong ---------------------------------------------------------------------------------------------- */

typedef struct stopping {
    uint64_t n_last, n_total, stop_at;
} stopping;

static bool report(void *user, const slk_progress_event *event)
{
    stopping *s = user;
    assert_string_equal(event->phase, "eval");
    assert_string_equal(event->unit, "facts");
    assert_int_equal(event->n_done, s->n_last + 1);
    s->n_last = event->n_done;
    s->n_total = event->n_total;
    return event->n_done != s->stop_at;
}

static void an_interrupted_one_leaves_nothing(void **state)
{
    (void)state;
    slk_model *model = open_model(1);
    slk_outcome *outcomes = slk_alloc(test.facts.n, sizeof *outcomes);
    assert_non_null(outcomes);
    stopping s = {.stop_at = test.facts.n / 2};
    const slk_progress progress = {.report = report, .user = &s};
    const slk_evaluate_options options = {.instruction = test.instruction, .texts = true};
    slk_err err;
    assert_int_equal(slk_evaluate_run(model, test.asked, test.facts.n, &options, outcomes, &progress, NULL, &err),
                     SLK_E_INTERRUPTED);
    assert_int_equal(s.n_last, test.facts.n / 2);
    assert_int_equal(s.n_total, test.facts.n);
    for (size_t i = 0; i < test.facts.n; i++) {
        assert_null(outcomes[i].text);
        assert_int_equal(outcomes[i].matched + outcomes[i].abstained, 0);
    }
    slk_evaluate_stats stats;
    assert_int_equal(slk_evaluate_run(model, NULL, 0, &options, NULL, NULL, &stats, &err), SLK_OK);
    assert_int_equal(stats.n_rows, 0);
    free(outcomes);
    slk_model_close(model);
}

static void a_prompt_must_leave_room(void **state)
{
    (void)state;
    slk_model *model = open_model(1);
    slk_buf question;
    slk_buf_init(&question);
    for (int i = 0; i < 1100; i++) slk_buf_add_str(&question, " lak");
    char *answer = copy("lak");
    slk_fact fact = {.question = question.data, .relation = answer, .answers = &answer, .n_answers = 1};
    const slk_fact *asked[] = {test.asked[0], &fact};
    const slk_evaluate_options options = {.instruction = test.instruction};
    slk_outcome outcomes[2];
    size_t bad = 7;
    slk_err err;
    assert_int_equal(slk_evaluate_check(model, asked, 2, &options, &bad, &err), SLK_E_ARG);
    assert_int_equal(bad, 1);
    assert_non_null(strstr(err.msg, "expected at most 1024 together, the context of tiny"));
    assert_int_equal(slk_evaluate_run(model, asked, 2, &options, outcomes, NULL, NULL, &err), SLK_E_ARG);
    assert_int_equal(slk_evaluate_check(model, asked, 1, &options, NULL, &err), SLK_OK);
    const slk_watch_set sets[SLK_N_WATCHED] = {{test.asked, NULL, 4}, {0}, {asked, NULL, 2}};
    slk_watch_kind kind;
    assert_int_equal(slk_watch_check(model, sets, &options, &kind, &bad, &err), SLK_E_ARG);
    assert_int_equal(kind, SLK_WATCH_TEST);
    assert_int_equal(bad, 1);
    free(answer);
    slk_buf_release(&question);
    slk_model_close(model);
}

/* --- what is watched ---------------------------------------------------------------------------------------------- */

static double number(const json_t *line, const char *key, const char *part_key)
{
    const json_t *value = json_object_get(line, key);
    if (part_key) value = json_object_get(value, part_key);
    return json_is_number(value) ? json_number_value(value) : -1;
}

static void watching_counts_the_outcomes(void **state)
{
    (void)state;
    slk_model *model = open_model(2);
    size_t n = test.facts.n, quarter = n / 4;
    int8_t *categories = slk_alloc(n, 1);
    assert_non_null(categories);
    /* facts with idk for a gold are Unknown ones, as in D_IDK; some facts have no category */
    for (size_t i = 0; i < n; i++) categories[i] = (int8_t)(i % 7 == 6 ? SLK_UNKNOWN : i % 11 == 3 ? -1 : (int)(i % 3));
    const slk_watch_set sets[SLK_N_WATCHED] = {{test.asked, categories, quarter},
                                               {test.asked + quarter, NULL, quarter},
                                               {test.asked + 2 * quarter, categories + 2 * quarter, quarter},
                                               {test.asked + 3 * quarter, NULL, quarter}};
    const slk_evaluate_options options = {.instruction = test.instruction};
    slk_watch_result r;
    slk_err err;
    if (slk_watch_run(&r, model, sets, 0, &options, NULL, &err) != SLK_OK) fail_msg("%s", err.msg);
    size_t n_lost = 0, n_gained = 0, n_known = 0, n_right_known = 0;
    for (size_t i = 0; i < quarter; i++) {
        assert_int_equal(r.fitted[i], test.expected[i].matched);
        n_known += categories[i] >= 0 && categories[i] != SLK_UNKNOWN;
        n_right_known += categories[i] >= 0 && categories[i] != SLK_UNKNOWN && test.expected[i].matched;
        size_t t = 2 * quarter + i;
        n_lost += categories[t] == SLK_HIGHLY_KNOWN && !test.expected[t].matched;
        n_gained += categories[t] >= SLK_WEAKLY_KNOWN && test.expected[t].matched;
    }
    assert_int_equal(r.n_fitted, quarter);
    assert_int_equal(r.n_lost, n_lost);
    assert_int_equal(r.n_gained, n_gained);
    slk_tally known = slk_watch_known(&r, SLK_WATCH_TRAIN);
    assert_int_equal(known.n, n_known);
    assert_int_equal(known.n_right, n_right_known);
    for (int k = 0; k < SLK_N_WATCHED; k++) {
        slk_tally t = {0};
        for (size_t i = 0; i < quarter; i++) slk_tally_add(&t, &test.expected[(size_t)k * quarter + i]);
        assert_memory_equal(&t, &r.all[k], sizeof t);
        assert_true(r.asked[k]);
    }
    assert_int_equal(r.stats.n_facts, 4 * quarter);

    json_t *line = json_object();
    assert_true(slk_watch_json(line, &r));
    const slk_tally *test_tally = &r.all[SLK_WATCH_TEST];
    assert_true(number(line, "test", "all") == slk_tally_accuracy(test_tally));
    assert_true(number(line, "test", "Unknown") == slk_tally_accuracy(&r.category[SLK_WATCH_TEST][SLK_UNKNOWN]));
    assert_true(number(line, "fitted", "MaybeKnown") ==
                slk_tally_accuracy(&r.category[SLK_WATCH_TRAIN][SLK_MAYBE_KNOWN]));
    assert_true(number(line, "dev", NULL) == slk_tally_accuracy(&r.all[SLK_WATCH_DEV]));
    assert_true(number(line, "ood", NULL) == slk_tally_accuracy(&r.all[SLK_WATCH_OOD]));
    assert_int_equal(number(line, "lost", NULL), n_lost);
    assert_int_equal(number(line, "gained", NULL), n_gained);
    const json_t *answered = json_object_get(line, "answered");
    assert_true(number(answered, "test", "share") == slk_tally_answered(test_tally));
    assert_true(number(answered, "dev", "accuracy") == slk_tally_answered_accuracy(&r.all[SLK_WATCH_DEV]));
    assert_int_equal(number(json_object_get(line, "n"), "train", "all"), quarter);
    assert_int_equal(number(json_object_get(line, "n"), "dev", NULL), quarter);
    json_decref(line);
    slk_watch_result_release(&r);

    /* sets left out, an empty one, none with a category */
    const slk_watch_set few[SLK_N_WATCHED] = {{test.asked, NULL, 5}, {0}, {test.asked, NULL, 5}, {test.asked, NULL, 5}};
    assert_int_equal(slk_watch_run(&r, model, few, 1U << SLK_WATCH_TRAIN | 1U << SLK_WATCH_OOD, &options, NULL, &err),
                     SLK_OK);
    assert_null(r.fitted);
    assert_int_equal(r.stats.n_facts, 5);
    assert_false(r.asked[SLK_WATCH_TRAIN] || r.asked[SLK_WATCH_DEV] || r.asked[SLK_WATCH_OOD]);
    line = json_object();
    assert_true(slk_watch_json(line, &r));
    assert_true(json_is_null(json_object_get(line, "dev")) && json_is_null(json_object_get(line, "ood")));
    assert_true(json_is_null(json_object_get(line, "lost")) && json_is_null(json_object_get(line, "gained")));
    assert_true(json_is_null(json_object_get(json_object_get(line, "fitted"), "all")));
    assert_true(json_is_null(json_object_get(json_object_get(line, "test"), "HighlyKnown")));
    assert_true(number(line, "test", "all") >= 0);
    json_decref(line);
    slk_watch_result_release(&r);
    free(categories);
    slk_model_close(model);
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 4) return 2;
    test.kind = strcmp(argv[1], "bpe") == 0 ? TINY_BPE : TINY_SPM;
    test.dtype = strcmp(argv[2], "bf16") == 0 ? SLK_DTYPE_BF16 : SLK_DTYPE_F32;
    part = argc > 3;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_comparison_is_telling),        cmocka_unit_test(batches_and_threads_change_nothing),
        cmocka_unit_test(company_changes_nothing),          cmocka_unit_test(prompts_that_share_nothing),
        cmocka_unit_test(other_rules_agree_with_the_texts), cmocka_unit_test(an_interrupted_one_leaves_nothing),
        cmocka_unit_test(a_prompt_must_leave_room),         cmocka_unit_test(watching_counts_the_outcomes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
