/* The public C API as an embedding program sees it: slick.h and nothing else of slick. test_api_inside.c compares it
 * with the inside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <slick.h>

#define MODEL SLICK_TEST_DATA "/reference/tiny/llama-gqa/model.gguf"

static slk_lm *lm;

static int open_model(void **state)
{
    (void)state;
    slk_lm_options options;
    slk_err err = {0};
    slk_lm_options_init(&options);
    options.dtype = "f32";
    options.n_threads = 1;
    if (slk_lm_open(&lm, MODEL, &options, &err) != SLK_OK) fail_msg("%s", err.msg);
    return 0;
}

static int close_model(void **state)
{
    (void)state;
    slk_lm_close(lm);
    return 0;
}

#define fails(status, call, text)                                                                                      \
    do {                                                                                                               \
        memset(&err, 0, sizeof err);                                                                                   \
        assert_int_equal(call, status);                                                                                \
        assert_int_equal(err.code, status);                                                                            \
        if (!strstr(err.msg, text)) fail_msg("'%s' lacks '%s'", err.msg, text);                                        \
    } while (0)

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(slk_version(), SLICK_VERSION);
    assert_string_equal(slk_status_name(SLK_OK), "ok");
    assert_string_equal(slk_category_name(SLK_HIGHLY_KNOWN), "HighlyKnown");
    assert_string_equal(slk_category_name(SLK_UNLABELABLE), "Unlabelable");
}

static void test_open(void **state)
{
    (void)state;
    slk_err err;
    slk_lm *other = lm;
    slk_lm_options options;
    fails(SLK_E_IO, slk_lm_open(&other, "/nowhere/model.gguf", NULL, &err), "/nowhere/model.gguf");
    assert_null(other);
    fails(SLK_E_ARG, slk_lm_open(&other, NULL, NULL, &err), "no path");
    fails(SLK_E_FORMAT, slk_lm_open(&other, SLICK_TEST_DATA "/reference/tiny/llama-gqa/config.json", NULL, &err),
          "config.json");
    slk_lm_options_init(&options);
    options.dtype = "int8";
    fails(SLK_E_ARG, slk_lm_open(&other, MODEL, &options, &err), "int8");
    slk_lm_options_init(&options);
    options.n_threads = -1;
    fails(SLK_E_ARG, slk_lm_open(&other, MODEL, &options, &err), "n_threads");
    slk_lm_options_init(&options);
    options.adapter = "lora.gguf";
    fails(SLK_E_IO, slk_lm_open(&other, MODEL, &options, &err), "lora.gguf");
    options.adapter = SLICK_TEST_DATA "/reference/train/lora/adapter";
    assert_int_equal(slk_lm_open(&other, MODEL, &options, &err), SLK_OK);
    slk_lm_close(other);
    assert_int_equal(slk_lm_open(&other, "/nowhere", NULL, NULL), SLK_E_IO);
    slk_lm_close(NULL);
    assert_int_equal(slk_lm_open(&other, SLICK_TEST_DATA "/reference/tiny/llama-gqa", NULL, &err),
                     SLK_OK); /* a directory */
    assert_string_equal(slk_lm_describe(other)->arch, "llama");
    slk_lm_close(other);
}

static void test_describe(void **state)
{
    (void)state;
    const slk_lm_info *info = slk_lm_describe(lm);
    assert_string_equal(info->arch, "llama");
    assert_string_equal(info->name, "llama-gqa");
    assert_string_equal(info->dtype, "f32");
    assert_non_null(strstr(info->kernels, "dnnl"));
    assert_int_equal(info->n_layers, 2);
    assert_int_equal(info->d_model, 32);
    assert_int_equal(info->n_heads, 4);
    assert_int_equal(info->n_kv_heads, 2);
    assert_int_equal(info->head_dim, 8);
    assert_int_equal(info->d_ff, 40);
    assert_int_equal(info->n_vocab, 320);
    assert_int_equal(info->n_context, 64);
    assert_int_equal(info->window, 0);
    assert_int_equal(info->n_threads, 1);
    assert_int_equal(info->bos, 317);
    assert_int_equal(info->eos, 318);
    assert_int_equal(info->n_body_params, 2 * (32 * 32 * 2 + 32 * 16 * 2 + 3 * 32 * 40));
    assert_true(info->weights_bytes > 0 && info->hash != 0);
}

static void test_tokens(void **state)
{
    (void)state;
    static const char text[] = "The capital of \xC3\xA5 <|end_of_text|>\n";
    slk_err err;
    int32_t *ids, *special, wrong[] = {5, 320};
    size_t n, n_special, n_bytes;
    char *back;
    assert_int_equal(slk_lm_tokenize(&ids, &n, lm, text, strlen(text), SLK_LM_BOS, &err), SLK_OK);
    assert_int_equal(ids[0] == 317, slk_lm_describe(lm)->adds_bos);
    assert_int_equal(slk_lm_detokenize(&back, &n_bytes, lm, ids, n, 0, &err), SLK_OK);
    assert_int_equal(n_bytes, strlen(text));
    assert_string_equal(back, text);
    free(back);
    assert_int_equal(slk_lm_tokenize(&special, &n_special, lm, text, strlen(text), SLK_LM_SPECIAL, &err), SLK_OK);
    assert_true(n_special < n);
    assert_int_equal(special[n_special - 2], 318);
    assert_int_equal(slk_lm_detokenize(&back, NULL, lm, special, n_special, 0, &err), SLK_OK);
    assert_null(strstr(back, "end_of_text"));
    free(back);
    assert_int_equal(slk_lm_detokenize(&back, NULL, lm, special, n_special, SLK_LM_SPECIAL, &err), SLK_OK);
    assert_string_equal(back, text);
    free(back), free(ids), free(special);
    assert_int_equal(slk_lm_tokenize(&ids, &n, lm, NULL, 0, 0, &err), SLK_OK);
    assert_int_equal(n, 0);
    assert_non_null(ids);
    assert_int_equal(slk_lm_detokenize(&back, &n_bytes, lm, ids, 0, 0, &err), SLK_OK);
    assert_string_equal(back, "");
    free(back), free(ids);
    fails(SLK_E_ARG, slk_lm_detokenize(&back, &n_bytes, lm, wrong, 2, 0, &err), "token 1 is 320");
    assert_null(back);
    fails(SLK_E_ARG, slk_lm_tokenize(&ids, &n, lm, "x", 1, 64, &err), "flags");
    assert_null(ids);
    fails(SLK_E_ARG, slk_lm_tokenize(&ids, &n, lm, NULL, 3, 0, &err), "no text");
}

/* The same row in both forms, and both against the definition of a log-probability. */
static void test_next(void **state)
{
    (void)state;
    slk_err err;
    static const int32_t tokens[] = {317, 84, 258, 300, 12}, wrong[] = {1, -1}, many[65];
    float logits[320];
    slk_lm_token top[400];
    size_t n;
    double sum = 0;
    assert_int_equal(slk_lm_logits(logits, lm, tokens, 5, &err), SLK_OK);
    for (int i = 0; i < 320; i++) sum += exp((double)logits[i]);
    assert_int_equal(slk_lm_top(top, &n, lm, tokens, 5, 400, &err), SLK_OK);
    assert_int_equal(n, 320);
    for (size_t i = 0; i < n; i++) {
        assert_in_range(top[i].id, 0, 319);
        if (i > 0) assert_true(top[i].logprob <= top[i - 1].logprob);
        assert_true(fabs(top[i].logprob - ((double)logits[top[i].id] - log(sum))) < 1e-5);
    }
    int32_t best = top[0].id;
    assert_int_equal(slk_lm_top(top, NULL, lm, tokens, 5, 1, &err), SLK_OK);
    assert_int_equal(top[0].id, best);
    fails(SLK_E_ARG, slk_lm_logits(logits, lm, tokens, 0, &err), "no tokens");
    fails(SLK_E_ARG, slk_lm_logits(logits, lm, many, 65, &err), "context is 64");
    fails(SLK_E_ARG, slk_lm_logits(logits, lm, wrong, 2, &err), "-1");
    fails(SLK_E_ARG, slk_lm_top(top, &n, lm, tokens, 5, 0, &err), "k is 0");
    fails(SLK_E_ARG, slk_lm_top(top, &n, lm, tokens, 5, 1025, &err), "k is 1025");
}

/* Greedy generation is what repeatedly taking the likeliest token gives. true: the text had a place to stop at. */
static bool check_greedy(const char *prompt)
{
    slk_err err;
    char *text, *shorter, stop[2] = "";
    int32_t *ids, all[64];
    size_t n, n_bytes = 0;
    slk_lm_generate_options options;
    slk_lm_generate_options_init(&options);
    options.stop = NULL;
    options.max_tokens = 24;
    assert_int_equal(slk_lm_generate(&text, lm, prompt, &options, &err), SLK_OK);
    assert_int_equal(slk_lm_tokenize(&ids, &n, lm, prompt, strlen(prompt), SLK_LM_BOS, &err), SLK_OK);
    memcpy(all, ids, n * sizeof *ids);
    for (size_t i = n; i < n + 24; i++) {
        slk_lm_token top;
        char *piece;
        size_t n_piece;
        assert_int_equal(slk_lm_top(&top, NULL, lm, all, i, 1, &err), SLK_OK);
        all[i] = top.id;
        if (top.id == 318) break;
        assert_int_equal(slk_lm_detokenize(&piece, &n_piece, lm, &top.id, 1, 0, &err), SLK_OK);
        /* until the first byte that had to be repaired */
        if (strlen(text) < n_bytes + n_piece || memcmp(text + n_bytes, piece, n_piece) != 0) {
            assert_non_null(strstr(text + (n_bytes > 3 ? n_bytes - 3 : 0), "\xEF\xBF\xBD"));
            i = n + 24;
        }
        n_bytes += n_piece;
        free(piece);
    }
    for (size_t i = 1; text[i] && !*stop; i++) *stop = (char)(text[i] > 32 && text[i] != text[0] ? text[i] : '\0');
    if (*stop) {
        options.stop = stop;
        assert_int_equal(slk_lm_generate(&shorter, lm, prompt, &options, &err), SLK_OK);
        assert_memory_equal(shorter, text, strlen(shorter));
        assert_int_equal(strlen(shorter), strcspn(text, stop));
        free(shorter);
    }
    free(text), free(ids);
    return *stop;
}

static void test_generate_greedy(void **state)
{
    (void)state;
    static const char *const prompts[] = {
        "The capital of", "The city", "Q: 1?\nA:", "Q: Capital of Peru?\nA:", "born 1899", "w"};
    int n_stopped = 0;
    for (size_t i = 0; i < sizeof prompts / sizeof prompts[0]; i++) n_stopped += check_greedy(prompts[i]);
    assert_true(n_stopped >= 2);
}

static void test_generate_sampled(void **state)
{
    (void)state;
    slk_err err;
    char *a, *b, *c, *d;
    slk_lm_generate_options options;
    slk_lm_generate_options_init(&options);
    options.temperature = 1;
    options.stop = NULL;
    assert_int_equal(slk_lm_generate(&a, lm, "The", &options, &err), SLK_OK);
    assert_int_equal(slk_lm_generate(&b, lm, "The", &options, &err), SLK_OK);
    options.seed = 1;
    assert_int_equal(slk_lm_generate(&c, lm, "The", &options, &err), SLK_OK);
    assert_int_equal(slk_lm_generate(&d, lm, "The", NULL, &err), SLK_OK); /* the defaults */
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    assert_null(strchr(d, '\n'));
    free(a), free(b), free(c), free(d);
    options.max_tokens = 4096; /* the context ends it */
    options.temperature = 0;
    assert_int_equal(slk_lm_generate(&a, lm, "The", &options, &err), SLK_OK);
    free(a);
    options.stop = "";
    fails(SLK_E_ARG, slk_lm_generate(&a, lm, "The", &options, &err), "stop");
    assert_null(a);
    slk_lm_generate_options_init(&options);
    options.temperature = -1;
    fails(SLK_E_ARG, slk_lm_generate(&a, lm, "The", &options, &err), "temperature");
    slk_lm_generate_options_init(&options);
    options.top_k = 0;
    fails(SLK_E_ARG, slk_lm_generate(&a, lm, "The", &options, &err), "top_k");
    slk_lm_generate_options_init(&options);
    options.max_tokens = 0;
    fails(SLK_E_ARG, slk_lm_generate(&a, lm, "The", &options, &err), "max_tokens");
    fails(SLK_E_ARG, slk_lm_generate(&a, lm, NULL, NULL, &err), "no prompt");
}

/* The log-probability is the sum over the tokens of " answer\n". */
static void test_scores(void **state)
{
    (void)state;
    slk_err err;
    slk_lm_pair pairs[] = {{"Q: 1?\nA:", "7"}, {"Q: 1?\nA:", "x"}, {"The city", "was"}};
    slk_lm_score scores[3];
    char *says;
    assert_int_equal(slk_lm_generate(&says, lm, pairs[0].prompt, NULL, &err), SLK_OK);
    assert_int_equal(slk_lm_score_pairs(scores, lm, pairs, 3, NULL, &err), SLK_OK);
    for (int i = 0; i < 3; i++) {
        char text[64];
        int32_t *prompt, *all;
        size_t n_prompt, n_all;
        double sum = 0;
        slk_lm_token top[320];
        snprintf(text, sizeof text, "%s %s\n", pairs[i].prompt, pairs[i].answer);
        assert_int_equal(
            slk_lm_tokenize(&prompt, &n_prompt, lm, pairs[i].prompt, strlen(pairs[i].prompt), SLK_LM_BOS, &err),
            SLK_OK);
        assert_int_equal(slk_lm_tokenize(&all, &n_all, lm, text, strlen(text), SLK_LM_BOS, &err), SLK_OK);
        assert_memory_equal(all, prompt, n_prompt * sizeof *prompt);
        assert_int_equal(scores[i].n_tokens, n_all - n_prompt);
        for (size_t at = n_prompt; at < n_all; at++) {
            assert_int_equal(slk_lm_top(top, NULL, lm, all, at, 320, &err), SLK_OK);
            for (int k = 0; k < 320; k++) sum += top[k].id == all[at] ? top[k].logprob : 0;
        }
        assert_true(fabs(scores[i].logprob - sum) < 1e-5);
        assert_true(scores[i].p_sample >= 0 && scores[i].p_sample <= 1);
        free(prompt), free(all);
    }
    assert_non_null(strstr(says, scores[0].greedy_answer));
    slk_lm_scores_release(scores, 3);
    assert_null(scores[0].greedy_answer);
    free(says);
    pairs[1].answer = "a\nb";
    fails(SLK_E_ARG, slk_lm_score_pairs(scores, lm, pairs, 3, NULL, &err), "pair 2");
    pairs[1].answer = " ";
    fails(SLK_E_ARG, slk_lm_score_pairs(scores, lm, pairs, 3, NULL, &err), "pair 2: the answer is empty");
    pairs[1].answer = NULL;
    fails(SLK_E_ARG, slk_lm_score_pairs(scores, lm, pairs, 3, NULL, &err), "pair 2: no answer");
    slk_lm_score_options options;
    slk_lm_score_options_init(&options);
    options.match = "fuzzy";
    fails(SLK_E_ARG, slk_lm_score_pairs(scores, lm, pairs, 1, &options, &err), "fuzzy");
    slk_lm_score_options_init(&options);
    options.temperature = 0;
    fails(SLK_E_ARG, slk_lm_score_pairs(scores, lm, pairs, 1, &options, &err), "temperature");
    assert_null(scores[0].greedy_answer);
    assert_int_equal(slk_lm_score_pairs(NULL, lm, NULL, 0, NULL, &err), SLK_OK);
}

/* --- labels --------------------------------------------------------------------------------------------------------
 */

enum { N_FACTS = 40 };
static char questions[N_FACTS][16], answers[N_FACTS][64];
static const char *answer_of[N_FACTS];
static slk_lm_fact facts[N_FACTS];

static void make_facts(void)
{
    memset(facts, 0, sizeof facts);
    for (int i = 0; i < N_FACTS; i++) {
        snprintf(questions[i], sizeof questions[i], "%d?", i);
        snprintf(answers[i], sizeof answers[i], "%d", i % 7);
        answer_of[i] = answers[i];
        facts[i] = (slk_lm_fact){.question = questions[i], .answers = &answer_of[i], .n_answers = 1, .relation = "r"};
    }
}

typedef struct seen {
    int n[N_FACTS], n_all, stop_after;
    slk_lm_label label[N_FACTS];
    char text[N_FACTS][256];
} seen;

static bool see(void *user, size_t index, const slk_lm_label *label)
{
    seen *s = user;
    assert_in_range(index, 0, N_FACTS - 1);
    s->n[index]++;
    s->label[index] = *label;
    if (label->answer) snprintf(s->text[index], sizeof s->text[index], "%s", label->answer);
    return ++s->n_all != s->stop_after;
}

static slk_lm_label_options small(void)
{
    slk_lm_label_options options;
    slk_lm_label_options_init(&options);
    assert_int_equal(options.n_ex, 10);
    assert_int_equal(options.n_shots, 4);
    assert_int_equal(options.n_samples, 16);
    options.n_ex = 3;
    options.n_shots = 1;
    return options;
}

/* The first word of an answer that is plain ASCII and no article; "?" when there is none. */
static const char *word_of(char *text)
{
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
        size_t n = strspn(word, "0123456789bcdefghijklmnopqrstuvwxyzBCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (n > 0 && !word[n] && strcmp(word, "the") != 0) return word;
    }
    return "?";
}

/* The model is asked first; words of its answers become the golds, so that categories differ. */
static void test_labels(void **state)
{
    (void)state;
    slk_err err;
    slk_lm_label_options options = small();
    static seen first, own, alone;
    make_facts();
    options.decode_greedy = true;
    options.match = "contains";
    if (slk_lm_label_facts(lm, facts, N_FACTS, NULL, 0, &options, see, &first, &err) != SLK_OK) fail_msg("%s", err.msg);
    for (int i = 0; i < N_FACTS; i++) {
        assert_int_equal(first.n[i], 1);
        assert_non_null(first.label[i].answer);
        assert_true(first.label[i].p_gold >= 0 && first.label[i].p_gold <= 1);
    }
    /* The pool stays, so the prompts stay: the answers are now what the model says. */
    slk_lm_fact pool[N_FACTS];
    const char *said[N_FACTS];
    int n_right = 0, n_words = 0;
    memcpy(pool, facts, sizeof pool);
    for (int i = 0; i < N_FACTS; i++) {
        said[i] = word_of(first.text[i]);
        n_words += *said[i] != '?';
        facts[i].answers = &said[i];
    }
    static const char *const broken = "two\nlines";
    facts[3].answers = &broken;
    if (slk_lm_label_facts(lm, facts, N_FACTS, pool, N_FACTS, &options, see, &own, &err) != SLK_OK)
        fail_msg("%s", err.msg);
    for (int i = 0; i < N_FACTS; i++) {
        if (i == 3)
            assert_int_equal(own.label[i].category, SLK_UNLABELABLE);
        else if (*said[i] != '?') {
            assert_true(own.label[i].p_greedy > 0); /* the first prompt's greedy answer has the word */
            n_right++;
        }
        double g = own.label[i].p_greedy;
        if (i != 3) assert_int_equal(own.label[i].category <= SLK_MAYBE_KNOWN, g > 0);
        if (i != 3) assert_int_equal(own.label[i].category == SLK_HIGHLY_KNOWN, g >= 1);
    }
    if (n_right < 3 || n_right > n_words) fail_msg("%d of %d facts with a word are known", n_right, n_words);
    /* alone and twice: the same label */
    slk_lm_fact twice[] = {facts[5], facts[5]};
    if (slk_lm_label_facts(lm, twice, 2, pool, N_FACTS, &options, see, &alone, &err) != SLK_OK) fail_msg("%s", err.msg);
    assert_int_equal(alone.n_all, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(alone.n[i], 1);
        assert_true(alone.label[i].p_gold == own.label[5].p_gold && alone.label[i].p_sampled == own.label[5].p_sampled);
    }
}

static void test_label_errors(void **state)
{
    (void)state;
    slk_err err;
    static seen s;
    slk_lm_label_options options = small();
    make_facts();
#define refused(status, text)                                                                                          \
    fails(status, slk_lm_label_facts(lm, facts, N_FACTS, NULL, 0, &options, see, &s, &err), text)
    options.n_ex = 0;
    refused(SLK_E_ARG, "n_ex is 0");
    options = small();
    options.n_shots = 65;
    refused(SLK_E_ARG, "n_shots is 65");
    options = small();
    options.n_samples = 1001;
    refused(SLK_E_ARG, "n_samples");
    options = small();
    options.temperature = NAN;
    refused(SLK_E_ARG, "temperature");
    options = small();
    options.top_k = 2000;
    refused(SLK_E_ARG, "top_k");
    options = small();
    options.max_tokens = 0;
    refused(SLK_E_ARG, "max_tokens");
    options = small();
    options.match = NULL;
    refused(SLK_E_ARG, "match");
    options = small();
    options.match = "f1:2";
    refused(SLK_E_ARG, "f1:2");
    options = small();
    options.prompt_format = "no sections";
    refused(SLK_E_FORMAT, "prompt_format");
    options = small();
    options.n_ex = 100;
    refused(SLK_E_SHAPE, "r");
    options = small();
    options.n_shots = 4;
    options.n_ex = 2;
    refused(SLK_E_ARG, "context 64");
    options = small();
    facts[2].question = " ";
    refused(SLK_E_FORMAT, "facts:3: empty question");
    make_facts();
    facts[2].n_answers = 0;
    refused(SLK_E_FORMAT, "facts:3: no answer");
    make_facts();
    facts[2].answers = NULL;
    refused(SLK_E_FORMAT, "facts:3");
    make_facts();
    answer_of[2] = "\xFF";
    refused(SLK_E_FORMAT, "facts:3");
    make_facts();
    assert_int_equal(s.n_all, 0);
    fails(SLK_E_ARG, slk_lm_label_facts(lm, facts, N_FACTS, NULL, 0, &options, NULL, NULL, &err), "callback");
    slk_lm_fact bad = {0};
    fails(SLK_E_FORMAT, slk_lm_label_facts(lm, facts, N_FACTS, &bad, 1, &options, see, &s, &err), "pool:1");
    s.stop_after = 2;
    refused(SLK_E_INTERRUPTED, "stopped");
    assert_int_equal(s.n_all, 2);
    assert_int_equal(slk_lm_label_facts(lm, NULL, 0, NULL, 0, NULL, see, &s, NULL), SLK_OK);
    assert_int_equal(s.n_all, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),    cmocka_unit_test(test_open),
        cmocka_unit_test(test_describe), cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_next),     cmocka_unit_test(test_generate_greedy),
        cmocka_unit_test(test_scores),   cmocka_unit_test(test_generate_sampled),
        cmocka_unit_test(test_labels),   cmocka_unit_test(test_label_errors),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
