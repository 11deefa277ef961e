/* P(True) of a small model against the plain computation: one sequence after the other through the forward pass, the
 * whole softmax in double, the probabilities of all tokens of " (A)" and " (B)" multiplied. And the same bits whatever
 * the batch, the threads and the company; stored values that an interrupted run leaves and the next one completes.
 *
 * usage: test_ptrue spm|bpe f32|bf16
 * Exits with 77 where the processor does not compute in that type. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "know/labelling.h"
#include "know/ptrue.h"
#include "model/model.h"
#include "store/facts.h"
#include "store/labels.h"
#include "store/runs.h"
#include "support/identity.h"
#include "support/tiny_model.h"

#define EXIT_SKIPPED 77

enum { N_FACTS = 90 };

static struct {
    tiny_kind kind;
    slk_dtype dtype;
    char path[64];
    slk_facts facts;
    const slk_fact *asked[N_FACTS];
    double expected[N_FACTS];
    size_t n_tokens; /* of all prompts and continuations */
} test;

static slk_model *open_model(int n_threads)
{
    slk_model *model;
    slk_err err;
    if (identity_open_model(&model, test.path, test.dtype, n_threads, &err) != SLK_OK) fail_msg("%s", err.msg);
    return model;
}

static void add_fact(unsigned i)
{
    static const char *const STEMS[] = {"Where is", "Who made the", "Who"};
    char text[128];
    slk_fact f = {.split = i % 4 ? SLK_SPLIT_TEST : SLK_SPLIT_TRAIN, .answers = slk_alloc_zero(2, sizeof(char *))};
    snprintf(text, sizeof text, "%s %s %s?", STEMS[i % 3], tiny_words[i / 3 % 16], tiny_words[i * 7 % 16]);
    f.question = slk_strdup(text);
    f.relation = slk_strdup(STEMS[i % 3]);
    snprintf(text, sizeof text, "%s%s", tiny_words[(i * 5 + i / 48) % 16],
             i % 5 ? "" : " \xC3\xA9t\xC3\xA9"); /* accents are bytes */
    f.answers[0] = slk_strdup(text);
    f.answers[1] = slk_strdup("another");
    f.n_answers = 1 + i % 2; /* the canonical one is proposed */
    assert_true(f.question && f.relation && f.answers && f.answers[0] && f.answers[1]);
    if (f.n_answers == 1) free(f.answers[1]);
    f.id = slk_fact_identity(&f);
    assert_true(slk_facts_push(&test.facts, &f));
}

/* --- the plain computation -------------------------------------------------------------------------------------------
 */

/* Product of the probabilities of tokens [n_prompt, n) in their sequence. */
static double path_probability(const slk_model *m, const int32_t *tokens, int32_t n_prompt, int32_t n)
{
    slk_err err;
    slk_forward *forward;
    slk_cache *cache;
    size_t width = (size_t)m->config.n_vocab;
    int32_t n_rows = n - 1, n_asks = n - n_prompt, places[512];
    assert_true(n < 512);
    for (int32_t i = 0; i < n; i++) places[i] = i;
    float *logits = slk_alloc((size_t)n_asks * width, sizeof *logits);
    slk_ask *asks = slk_alloc_zero((size_t)n_asks, sizeof *asks);
    assert_true(logits && asks);
    for (int32_t i = 0; i < n_asks; i++)
        asks[i] = (slk_ask){.row = n_prompt - 1 + i, .logits = logits + (size_t)i * width};
    assert_int_equal(slk_forward_create(&forward, m, &err), SLK_OK);
    assert_int_equal(slk_cache_create(&cache, m, n, &err), SLK_OK);
    slk_run run = {0, n_rows};
    slk_path path = {.row0 = 0, .n_rows = n_rows, .pos0 = 0, .runs = &run, .n_runs = 1};
    slk_batch batch = {.n_rows = n_rows,
                       .tokens = tokens,
                       .pos = places,
                       .slot = places,
                       .paths = &path,
                       .n_paths = 1,
                       .asks = asks,
                       .n_asks = n_asks};
    if (slk_forward_run(forward, cache, &batch, &err) != SLK_OK) fail_msg("%s", err.msg);
    double p = 1;
    for (int32_t i = 0; i < n_asks; i++) {
        const float *row = logits + (size_t)i * width;
        double sum = 0;
        for (size_t v = 0; v < width; v++) sum += exp((double)row[v] - (double)row[0]);
        p *= exp((double)row[tokens[n_prompt + i]] - (double)row[0]) / sum;
    }
    slk_cache_free(cache);
    slk_forward_free(forward);
    free(logits), free(asks);
    return p;
}

static double continuation_probability(const slk_model *m, const slk_fact *fact, const char *continuation)
{
    char text[512];
    slk_ids prompt = {0}, all = {0};
    slk_err err;
    int n =
        snprintf(text, sizeof text,
                 "Question: %s\nProposed Answer: %s\nIs the proposed answer:\n(A) True\n(B) False\nThe proposed answer "
                 "is:",
                 fact->question, fact->answers[0]);
    assert_true(n > 0 && n < 500);
    assert_int_equal(slk_tokenizer_encode(m->tokenizer, text, (size_t)n, SLK_ENCODE_BOS, &prompt, &err), SLK_OK);
    strcpy(text + n, continuation);
    assert_int_equal(slk_tokenizer_encode(m->tokenizer, text, strlen(text), SLK_ENCODE_BOS, &all, &err), SLK_OK);
    if (all.n <= prompt.n || memcmp(all.ids, prompt.ids, prompt.n * sizeof *all.ids) != 0) {
        all.n = 0; /* the continuation's own tokens, behind the prompt's */
        for (size_t i = 0; i < prompt.n; i++) {
            assert_true(slk_grow(&all.ids, &all.cap, i + 1, sizeof *all.ids));
            all.ids[all.n++] = prompt.ids[i];
        }
        assert_int_equal(slk_tokenizer_encode(m->tokenizer, continuation, 4, 0, &all, &err), SLK_OK);
    }
    double p = path_probability(m, all.ids, (int32_t)prompt.n, (int32_t)all.n);
    test.n_tokens += all.n;
    free(prompt.ids), free(all.ids);
    return p;
}

static int set_up(void **state)
{
    (void)state;
    slk_err err;
    snprintf(test.path, sizeof test.path, "/tmp/slick-ptrue-%ld.gguf", (long)getpid());
    if (tiny_write_model(test.path, test.kind, TINY_SOUND, &err) != SLK_OK) return -1;
    slk_model *m;
    slk_status status = identity_open_model(&m, test.path, test.dtype, 0, &err);
    if (status == SLK_E_UNSUPPORTED || (status == SLK_OK && !m)) {
        unlink(test.path);
        exit(EXIT_SKIPPED);
    }
    if (status != SLK_OK) fail_msg("%s", err.msg);
    for (unsigned i = 0; i < N_FACTS; i++) add_fact(i);
    for (size_t i = 0; i < N_FACTS; i++) {
        const slk_fact *f = test.asked[i] = &test.facts.items[i];
        double a = continuation_probability(m, f, " (A)"), b = continuation_probability(m, f, " (B)");
        test.expected[i] = a / (a + b);
    }
    slk_model_close(m);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(test.path);
    slk_facts_release(&test.facts);
    return 0;
}

/* --- the fast one ----------------------------------------------------------------------------------------------------
 */

typedef struct values {
    double p[N_FACTS];
    int n_calls[N_FACTS];
    size_t n;
} values;

static slk_status take(void *user, const slk_fact *fact, double p, slk_err *err)
{
    (void)err;
    values *v = user;
    size_t i = (size_t)(fact - test.facts.items);
    v->p[i] = p;
    v->n_calls[i]++;
    v->n++;
    return SLK_OK;
}

static void agrees_with_the_plain_way(void **state)
{
    (void)state;
    slk_model *m = open_model(0);
    values v = {.n = 0};
    slk_p_true_stats stats;
    slk_err err;
    if (slk_p_true_run(m, test.asked, N_FACTS, 0, take, &v, NULL, &stats, &err) != SLK_OK) fail_msg("%s", err.msg);
    assert_int_equal(v.n, N_FACTS);
    double low = 1, high = 0, worst = 0;
    for (size_t i = 0; i < N_FACTS; i++) {
        assert_int_equal(v.n_calls[i], 1);
        double gap = fabs(v.p[i] - test.expected[i]) / test.expected[i];
        /* The running log-sum-exp of slk_top takes exponentials in f32. */
        if (!(gap <= 1e-7)) fail_msg("'%s': %.17g, expected %.17g", test.asked[i]->question, v.p[i], test.expected[i]);
        low = fmin(low, v.p[i]), high = fmax(high, v.p[i]), worst = fmax(worst, gap);
    }
    printf("P(True) from %.3f to %.3f, at most %.1e off; %llu rows for %zu tokens, %llu logit rows\n", low, high, worst,
           (unsigned long long)stats.n_rows, test.n_tokens, (unsigned long long)stats.n_logit_rows);
    assert_true(high - low > 0.05);                                                /* values that say something */
    assert_true(stats.n_facts == N_FACTS && stats.n_rows * 5 < test.n_tokens * 2); /* prompts and stems are shared */
    slk_model_close(m);
}

static void batches_threads_and_company_change_nothing(void **state)
{
    (void)state;
    static const int32_t batches[] = {1, 7, 64, 512, 100000};
    static const int threads[] = {1, 2, 8};
    values first = {.n = 0};
    slk_err err;
    for (size_t t = 0; t < 3; t++) {
        slk_model *m = open_model(threads[t]);
        for (size_t b = t == 0 ? 0 : 2; b < 5; b++) {
            values v = {.n = 0};
            assert_int_equal(slk_p_true_run(m, test.asked, N_FACTS, batches[b], take, &v, NULL, NULL, &err), SLK_OK);
            if (first.n == 0) first = v;
            assert_memory_equal(v.p, first.p, sizeof v.p);
        }
        for (size_t i = 0; i < N_FACTS && t == 0; i += 11) { /* alone */
            values v = {.n = 0};
            assert_int_equal(slk_p_true_run(m, test.asked + i, 1, 0, take, &v, NULL, NULL, &err), SLK_OK);
            assert_true(v.p[i] == first.p[i]);
        }
        slk_model_close(m);
    }
    values v = {.n = 0};
    slk_model *m = open_model(0);
    assert_int_equal(slk_p_true_run(m, NULL, 0, 0, take, &v, NULL, NULL, &err), SLK_OK);
    slk_model_close(m);
}

static void a_prompt_must_fit(void **state)
{
    (void)state;
    slk_model *m = open_model(0);
    char *question = slk_alloc_zero(20001, 1), *answer = slk_strdup("x");
    for (int i = 0; i < 20000; i++) question[i] = i % 2 ? ' ' : 'q';
    slk_fact f = {.question = question, .relation = answer, .answers = &answer, .n_answers = 1};
    const slk_fact *asked[] = {test.asked[0], &f};
    values v = {.n = 0};
    slk_err err;
    assert_int_equal(slk_p_true_run(m, asked, 2, 0, take, &v, NULL, NULL, &err), SLK_E_ARG);
    assert_non_null(strstr(err.msg, "the P(True) prompt of 'q q q"));
    assert_int_equal(v.n, 0);
    free(question), free(answer);
    slk_model_close(m);
}

/* --- in the store ----------------------------------------------------------------------------------------------------
 */

static bool stop_at_once(void *user, const slk_progress_event *event)
{
    (void)event;
    ++*(int *)user;
    return false;
}

static void interrupted_and_gone_on_with(void **state)
{
    (void)state;
    char path[80];
    snprintf(path, sizeof path, "%s.db", test.path);
    slk_model *m = open_model(0);
    slk_store *store;
    slk_err err;
    slk_template *template;
    int64_t id, other;
    assert_int_equal(slk_template_create(&template, &err), SLK_OK);
    slk_probe_options options = {.n_ex = 1, .draws = {.top_k = 40, .temperature = 0.5}, .template = template};
    slk_label_settings settings;
    slk_labelling_describe(&settings, m, &options, "em", "set", SLK_SPLIT_DEV);
    assert_int_equal(slk_store_open(&store, path, SLK_STORE_CREATE, &err), SLK_OK);
    assert_int_equal(slk_store_put_facts(store, NULL, "set", &test.facts, NULL, false, &err), SLK_OK);
    assert_int_equal(slk_store_begin_label_set(store, &id, NULL, &settings, &err), SLK_OK);

    /* Each call is stopped after its first batch; what it found is kept, and not computed again. */
    int n_stops = 0;
    slk_progress stop = {stop_at_once, &n_stops};
    slk_p_true *stored;
    size_t n = 0, n_new, n_before = 0;
    slk_status status;
    do {
        status = slk_p_true_fill(store, id, m, test.asked, N_FACTS, 300, &n_new, &stop, NULL, &err);
        assert_true(status == SLK_E_INTERRUPTED || status == SLK_OK);
        assert_int_equal(n_new, N_FACTS - n_before);
        assert_int_equal(slk_store_load_p_true(store, id, &stored, &n, &err), SLK_OK);
        assert_true(n > n_before || n == N_FACTS);
        n_before = n;
        if (n < N_FACTS) free(stored);
    } while (n < N_FACTS);
    assert_true(n_stops > 3);
    values v = {.n = 0};
    assert_int_equal(slk_p_true_run(m, test.asked, N_FACTS, 0, take, &v, NULL, NULL, &err), SLK_OK);
    for (size_t i = 0; i < N_FACTS; i++) {
        size_t k = 0;
        while (k < n && stored[k].fact_id != test.asked[i]->id) k++;
        assert_true(k < n && stored[k].p == v.p[i]);
    }
    free(stored);
    assert_int_equal(slk_p_true_fill(store, id, m, test.asked, N_FACTS, 0, &n_new, NULL, NULL, &err), SLK_OK);
    assert_int_equal(n_new, 0);

    /* Values of another model, type or kernels do not come into a label set. */
    settings.model_hash++;
    assert_int_equal(slk_store_begin_label_set(store, &other, NULL, &settings, &err), SLK_OK);
    assert_int_equal(slk_p_true_fill(store, other, m, test.asked, N_FACTS, 0, &n_new, NULL, NULL, &err), SLK_E_STATE);
    assert_non_null(strstr(err.msg, "has hash"));
    settings.model_hash--;
    snprintf(settings.kernels, sizeof settings.kernels, "others");
    assert_int_equal(slk_store_begin_label_set(store, &other, NULL, &settings, &err), SLK_OK);
    assert_int_equal(slk_p_true_fill(store, other, m, test.asked, N_FACTS, 0, &n_new, NULL, NULL, &err), SLK_E_STATE);
    assert_non_null(strstr(err.msg, "the labels were made in"));
    assert_int_equal(slk_p_true_fill(store, 99, m, test.asked, N_FACTS, 0, &n_new, NULL, NULL, &err), SLK_E_NOT_FOUND);

    slk_store_close(store);
    slk_template_free(template);
    slk_model_close(m);
    unlink(path);
    strcat(path, "-wal");
    unlink(path);
    strcpy(path + strlen(path) - 3, "shm");
    unlink(path);
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 4) return 2; /* "part" of builds that are slow is all the same here */
    test.kind = strcmp(argv[1], "bpe") == 0 ? TINY_BPE : TINY_SPM;
    test.dtype = strcmp(argv[2], "bf16") == 0 ? SLK_DTYPE_BF16 : SLK_DTYPE_F32;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_plain_way),
        cmocka_unit_test(batches_threads_and_company_change_nothing),
        cmocka_unit_test(a_prompt_must_fit),
        cmocka_unit_test(interrupted_and_gone_on_with),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
