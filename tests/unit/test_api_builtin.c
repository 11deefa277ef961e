/* The public C API asks the built-in model: what it read it knows, in every function, and what it never read it does
 * not. Bounds leave room for another model of the same plan and for other processors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <slick.h>

#include "builtin_facts.h"

#define RELATION "P40"        /* who is whose child: hard to guess */
enum { N = 12, N_POOL = 12 }; /* of each kind */

static slk_lm *lm;
static builtin_fact clean[N], none[N], pool[N_POOL];

static int open_builtin(void **state)
{
    (void)state;
    slk_err err;
    slk_lm_options options;
    if (!has_builtin()) return 0;
    slk_lm_options_init(&options);
    options.dtype = "f32";
    options.n_threads = 1;
    if (slk_lm_open(&lm, "builtin:", &options, &err) != SLK_OK) {
        printf("%s\n", err.msg);
        return -1;
    }
    bool found = builtin_facts(clean, N, RELATION, "test", "clean") == N &&
                 builtin_facts(none, N, RELATION, "test", "none") == N &&
                 builtin_facts(pool, N_POOL, RELATION, "train", "clean") == N_POOL;
    return found ? 0 : -1;
}

static int close_builtin(void **state)
{
    (void)state;
    slk_lm_close(lm);
    return 0;
}

static void need_builtin(void)
{
    if (lm) return;
    printf("data/builtin/ was not there: nothing is built in\n");
    skip();
}

/* --- labels --------------------------------------------------------------------------------------------------- */

typedef struct seen {
    int n[SLK_UNLABELABLE + 1], n_wrong_words; /* categories; HighlyKnown ones whose answer is not the gold */
    const builtin_fact *facts;
} seen;

static bool see(void *user, size_t index, const slk_lm_label *label)
{
    seen *s = user;
    s->n[label->category]++;
    if (label->category == SLK_HIGHLY_KNOWN) {
        s->n_wrong_words += strcmp(label->answer, s->facts[index].answer) != 0;
        assert_true(label->p_greedy >= 1 && label->p_gold > 0.1);
    } else if (label->category == SLK_UNKNOWN)
        assert_true(label->p_greedy <= 0 && label->p_sampled <= 0 && label->p_gold < 0.2);
    return true;
}

static seen label(const builtin_fact *own)
{
    seen s = {.facts = own};
    slk_err err;
    slk_lm_fact facts[N] = {{0}}, examples[N_POOL] = {{0}};
    const char *golds[N], *solved[N_POOL];
    slk_lm_label_options options;
    slk_lm_label_options_init(&options); /* the paper's */
    options.decode_greedy = true;
    for (size_t i = 0; i < N; i++) {
        golds[i] = own[i].answer;
        facts[i] = (slk_lm_fact){.question = own[i].question, .answers = &golds[i], .n_answers = 1};
    }
    for (size_t i = 0; i < N_POOL; i++) {
        solved[i] = pool[i].answer;
        examples[i] = (slk_lm_fact){.question = pool[i].question, .answers = &solved[i], .n_answers = 1};
    }
    if (slk_lm_label_facts(lm, facts, N, examples, N_POOL, &options, see, &s, &err) != SLK_OK) fail_msg("%s", err.msg);
    printf("  HighlyKnown %d, MaybeKnown %d, WeaklyKnown %d, Unknown %d\n", s.n[0], s.n[1], s.n[2], s.n[3]);
    return s;
}

static void categories_are_what_was_read(void **state)
{
    (void)state;
    need_builtin();
    seen known = label(clean), unknown = label(none);
    assert_true(known.n[SLK_HIGHLY_KNOWN] >= N / 2);
    assert_true(known.n[SLK_UNKNOWN] <= N / 4);
    assert_true(unknown.n[SLK_UNKNOWN] >= N / 2);
    assert_true(unknown.n[SLK_HIGHLY_KNOWN] <= N / 4);
    assert_int_equal(known.n_wrong_words, 0);
}

/* --- scores, generation, the next token: the same answer ------------------------------------------------------ */

static size_t score(slk_lm_score *scores, char (*prompts)[160], const builtin_fact *facts, size_t shift)
{
    slk_err err;
    slk_lm_pair pairs[N];
    size_t n_right = 0;
    for (size_t i = 0; i < N; i++) {
        snprintf(prompts[i], sizeof prompts[i], "Q: %s\nA:", facts[i].question);
        pairs[i] = (slk_lm_pair){prompts[i], facts[(i + shift) % N].answer};
    }
    if (slk_lm_score_pairs(scores, lm, pairs, N, NULL, &err) != SLK_OK) fail_msg("%s", err.msg);
    for (size_t i = 0; i < N; i++) n_right += scores[i].greedy_match;
    return n_right;
}

static void check_generated(const char *prompt, const char *answer)
{
    slk_err err;
    char *text, *piece;
    int32_t *ids;
    size_t n;
    slk_lm_token top;
    slk_lm_generate_options options;
    slk_lm_generate_options_init(&options);
    options.stop = "\n";
    assert_int_equal(slk_lm_generate(&text, lm, prompt, &options, &err), SLK_OK);
    assert_string_equal(text + strspn(text, " "), answer);
    assert_int_equal(slk_lm_tokenize(&ids, &n, lm, prompt, strlen(prompt), SLK_LM_BOS, &err), SLK_OK);
    assert_int_equal(slk_lm_top(&top, NULL, lm, ids, n, 1, &err), SLK_OK);
    assert_int_equal(slk_lm_detokenize(&piece, NULL, lm, &top.id, 1, 0, &err), SLK_OK);
    if (strncmp(text + strspn(text, " "), piece + strspn(piece, " "), strlen(piece + strspn(piece, " "))) != 0)
        fail_msg("'%s' does not begin with '%s'", text, piece);
    free(ids), free(piece), free(text);
}

static void answers_are_likely_where_they_were_read(void **state)
{
    (void)state;
    need_builtin();
    slk_lm_score right[N], wrong[N], unread[N];
    char prompts[N][160];
    assert_true(score(unread, prompts, none, 0) <= N / 4);
    score(wrong, prompts, clean, 1);
    assert_true(score(right, prompts, clean, 0) >= N / 2);
    size_t n_likelier = 0;
    for (size_t i = 0; i < N; i++) {
        bool other = strcmp(clean[i].answer, clean[(i + 1) % N].answer) != 0;
        n_likelier += !other || right[i].logprob > wrong[i].logprob + 1;
        if (right[i].greedy_match) check_generated(prompts[i], right[i].greedy_answer);
    }
    assert_true(n_likelier >= N * 3 / 4);
    slk_lm_scores_release(right, N);
    slk_lm_scores_release(wrong, N);
    slk_lm_scores_release(unread, N);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(categories_are_what_was_read),
                                       cmocka_unit_test(answers_are_likely_where_they_were_read)};
    return cmocka_run_group_tests(tests, open_builtin, close_builtin);
}
