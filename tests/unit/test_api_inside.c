/* The public API against the inside of the library: the same labels, bit for bit, as the slow way of probing (and that
 * slick.h and the library's own headers can be included together). Asked is the built-in model, about what it read and
 * what not; where nothing is built in, a seeded one, which says a few letters if temperature and matcher are generous.
 */
#include "tiny.h"

#include "base/hash.h"
#include "builtin_facts.h"
#include "know/probe.h"
#include "know/score.h"
#include "slick.h"

#define MODEL TINY "llama-gqa/model.gguf"
enum { N = 10, N_EX = 3, N_SAMPLES = 8, MAX_TOKENS = 20 };

static builtin_fact asked_facts[N];
static slk_lm_label by_api[N], by_hand[N];

static bool take_api(void *user, size_t index, const slk_lm_label *label)
{
    (*(int *)user)++;
    by_api[index] = *label;
    return true;
}

static slk_status take_naive(void *user, slk_label *label, slk_err *err)
{
    const slk_facts *facts = user;
    (void)err;
    for (size_t i = 0; i < facts->n; i++) {
        if (facts->items[i].id != label->fact_id) continue;
        by_hand[i].category = slk_label_category(label, N_EX, N_SAMPLES);
        by_hand[i].p_gold = slk_label_p_gold(label);
        slk_label_shares(label, N_EX, N_SAMPLES, &by_hand[i].p_greedy, &by_hand[i].p_sampled);
    }
    return SLK_OK;
}

static double temperature(void)
{
    return has_builtin() ? 0.5 : 1.5;
}
static const char *match(void)
{
    return has_builtin() ? "em" : "f1:0.01";
}
static int top_k(void)
{
    return has_builtin() ? 40 : 300;
}

static void ask_api(slk_lm_fact *own)
{
    slk_lm *lm;
    slk_err err;
    slk_lm_options open_options;
    slk_lm_label_options options;
    int n_seen = 0;
    slk_lm_options_init(&open_options);
    open_options.dtype = "f32";
    slk_lm_label_options_init(&options);
    options.n_ex = N_EX, options.n_shots = 1, options.n_samples = N_SAMPLES, options.max_tokens = MAX_TOKENS;
    options.seed = 5, options.temperature = temperature(), options.match = match(), options.top_k = top_k();
    if (slk_lm_open(&lm, has_builtin() ? SLK_BUILTIN : MODEL, &open_options, &err) != SLK_OK) fail_msg("%s", err.msg);
    if (slk_lm_label_facts(lm, own, N, NULL, 0, &options, take_api, &n_seen, &err) != SLK_OK) fail_msg("%s", err.msg);
    assert_int_equal(n_seen, N);
    slk_lm_close(lm);
}

static void ask_inside(const slk_facts *facts)
{
    slk_err err;
    slk_model *m;
    const slk_model_options compute = {
        .compute = {.backend = SLK_BACKEND_DNNL, .dtype = SLK_DTYPE_F32, .n_threads = 1}};
    if (slk_model_open(&m, has_builtin() ? SLK_BUILTIN : MODEL, &compute, &err) != SLK_OK) fail_msg("%s", err.msg);
    slk_exemplars *exemplars;
    slk_template *template_;
    const slk_fact *asked[N];
    slk_probe_options options = {.n_ex = N_EX, .n_shots = 1, .naive = true};
    options.draws = (slk_draws){
        .seed = 5, .n_samples = N_SAMPLES, .temperature = temperature(), .top_k = top_k(), .n_max_tokens = MAX_TOKENS};
    for (size_t i = 0; i < N; i++) asked[i] = &facts->items[i];
    assert_int_equal(slk_match_parse(&options.match, match(), &err), SLK_OK);
    assert_int_equal(slk_template_create(&template_, &err), SLK_OK);
    options.template = template_;
    assert_int_equal(slk_exemplars_create(&exemplars, facts, facts, N_EX, 1, 5, &err), SLK_OK);
    slk_status s =
        slk_probe_run(m, asked, N, exemplars, &options, take_naive, (void *)(uintptr_t)facts, NULL, NULL, &err);
    if (s != SLK_OK) fail_msg("%s", err.msg);
    slk_exemplars_free(exemplars);
    slk_template_free(template_);
    slk_model_close(m);
}

/* Of one relation: some it knows, some it half knows, some it never read. */
static void choose_facts(void)
{
    static const char *const letters = "5*Rsthan1w"; /* what the seeded model likes to write */
    if (has_builtin()) {
        assert_int_equal(builtin_facts(asked_facts, 4, "P17", "test", "clean"), 4);
        assert_int_equal(builtin_facts(asked_facts + 4, 3, "P17", "test", "balanced"), 3);
        assert_int_equal(builtin_facts(asked_facts + 7, N - 7, "P17", "test", "none"), N - 7);
        return;
    }
    for (size_t i = 0; i < N; i++) {
        snprintf(asked_facts[i].question, sizeof asked_facts[i].question, "%zu?", i);
        snprintf(asked_facts[i].answer, sizeof asked_facts[i].answer, "%c %c %c %c %zu", letters[i],
                 letters[(i + 1) % N], letters[(i + 3) % N], letters[(i + 6) % N], i);
    }
}

static void test_labels(void **state)
{
    (void)state;
    slk_lm_fact own[N] = {{0}};
    const char *golds[N];
    slk_facts facts = {0};
    int n_known = 0, n_likely = 0;
    choose_facts();
    for (size_t i = 0; i < N; i++) {
        char *question = asked_facts[i].question, *answer = asked_facts[i].answer, none[] = "";
        golds[i] = answer;
        own[i] = (slk_lm_fact){.question = question, .answers = &golds[i], .n_answers = 1};
        slk_fact fact = {.relation = none, .question = question, .answers = &answer, .n_answers = 1}, copy;
        fact.id = slk_fact_identity(&fact);
        assert_true(slk_fact_copy(&copy, &fact));
        assert_true(slk_facts_push(&facts, &copy));
    }
    ask_api(own);
    ask_inside(&facts);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(by_api[i].category, by_hand[i].category);
        assert_memory_equal(&by_api[i].p_greedy, &by_hand[i].p_greedy, sizeof(double));
        assert_memory_equal(&by_api[i].p_sampled, &by_hand[i].p_sampled, sizeof(double));
        assert_memory_equal(&by_api[i].p_gold, &by_hand[i].p_gold, sizeof(double));
        n_known += by_api[i].category != SLK_UNKNOWN;
        n_likely += by_api[i].p_gold > 0;
    }
    slk_facts_release(&facts);
    assert_true(n_known >= 1 && n_known < N && n_likely >= 1); /* else the comparison says little */
}

/* The rows of the API are those that the reference values are checked on (tiny.h). */
static void test_logits(void **state)
{
    (void)state;
    slk_lm *lm;
    slk_err err;
    slk_lm_options options = {.dtype = "f32"};
    if (slk_lm_open(&lm, MODEL, &options, &err) != SLK_OK) fail_msg("%s", err.msg);
    slk_model *m = open_model("llama-gqa", SLK_BACKEND_DNNL, SLK_DTYPE_F32, 1);
    const int32_t tokens[] = {317, 5, 300, 84, 7, 12};
    float rows[6 * 320], last[320];
    assert_int_equal(m->config.n_vocab, 320);
    assert_true(slk_lm_describe(lm)->hash == m->hash);
    run_sequence(m, tokens, 6, rows, NULL);
    assert_int_equal(slk_lm_logits(last, lm, tokens, 6, &err), SLK_OK);
    assert_memory_equal(last, rows + 5 * 320, sizeof last);
    slk_model_close(m);
    slk_lm_close(lm);
}

static slk_status take_score(void *user, size_t index, const slk_score *score, slk_err *err)
{
    slk_lm_score *scores = user;
    (void)err;
    assert_int_equal(score->greedy_match, scores[index].greedy_match);
    assert_string_equal(score->greedy_answer, scores[index].greedy_answer);
    assert_memory_equal(&score->logprob, &scores[index].logprob, sizeof(double));
    assert_memory_equal(&score->p_sample, &scores[index].p_sample, sizeof(double));
    assert_int_equal(score->n_tokens, scores[index].n_tokens);
    return SLK_OK;
}

static void test_scores(void **state)
{
    (void)state;
    slk_lm *lm;
    slk_err err;
    slk_lm_options options = {.dtype = "f32"};
    slk_lm_pair own[] = {{"Q: 1?\nA:", "7"}, {"The city of", "the"}};
    slk_pair pairs[] = {{own[0].prompt, own[0].answer}, {own[1].prompt, own[1].answer}};
    slk_lm_score scores[2];
    slk_score_options inside = {.temperature = 0.5, .top_k = 40, .n_max_tokens = 32};
    assert_int_equal(slk_match_parse(&inside.match, "em", &err), SLK_OK);
    if (slk_lm_open(&lm, MODEL, &options, &err) != SLK_OK) fail_msg("%s", err.msg);
    assert_int_equal(slk_lm_score_pairs(scores, lm, own, 2, NULL, &err), SLK_OK);
    slk_lm_close(lm);
    slk_model *m = open_model("llama-gqa", SLK_BACKEND_DNNL, SLK_DTYPE_F32, 1);
    assert_int_equal(slk_score_run(m, pairs, 2, &inside, take_score, scores, NULL, &err), SLK_OK);
    slk_lm_scores_release(scores, 2);
    slk_model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_labels), cmocka_unit_test(test_logits),
                                       cmocka_unit_test(test_scores)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
