/* Holds slick against what other implementations computed with the same model files (tests/data/reference/real):
 * tokens, logits, scores.
 *
 *   compare_real tokens MODEL TOKENIZE.json
 *   compare_real examples MODEL TRAIN.json
 *       prompt and answer tokens of training examples
 *   compare_real logits MODEL LOGITS.json f32|bf16
 *   compare_real scores MODEL SCORES.jsonl [N]
 *       tokens of the gold answers, probabilities and greedy answers in f32; of the first N facts (0: all)
 *   compare_real pairs SCORES.jsonl N
 *       the first prompt of N facts as the input of `slick score`, on stdout
 *   compare_real lines SCORES.jsonl N LINES.jsonl
 *       the output of `slick score` for those
 *
 * Each prints the largest differences that it found, and ends with 1 where one is beyond its bound. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "know/instruction.h"
#include "know/probe.h"
#include "know/score.h"
#include "model/model.h"
#include "model/tree.h"
#include "model/vocab.h"

/* Largest differences allowed. The reference is float32 in another order of summation; bf16 keeps 8 bits of every
 * weight and activation. */
#define F32_LOGIT    2e-3
#define BF16_LOGIT   0.5
#define BF16_ARGMAX  0.97
#define LOGPROB      5e-3
#define P_SAMPLE     2e-3
#define GREEDY_SHARE 0.003

static int n_failed;

static void die(const char *what)
{
    fprintf(stderr, "compare_real: %s\n", what);
    exit(2);
}

/* For calls that only fail when the test itself cannot run. */
static void need(slk_status s, const slk_err *err)
{
    if (s != SLK_OK) die(err->msg);
}

static void *take(void *memory)
{
    if (!memory) die("out of memory");
    return memory;
}

static void verdict(bool good, const char *what)
{
    if (good) return;
    printf("FAILED: %s\n", what);
    n_failed++;
}

static slk_model *open_model(const char *path, int dtype)
{
    slk_err err;
    slk_model *model;
    slk_model_options options = {.compute = {.backend = SLK_BACKEND_DNNL, .dtype = dtype}};
    slk_status s = slk_model_open(&model, path, &options, &err);
    if (s == SLK_E_UNSUPPORTED && dtype == SLK_DTYPE_BF16) return NULL;
    need(s, &err);
    return model;
}

static const char *string_of(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    if (!text) die(key);
    return text;
}

/* Ids of a JSON array, appended to ids (cleared first). */
static void read_ids(slk_ids *ids, const json_t *array)
{
    ids->n = 0;
    if (!json_is_array(array) || !slk_grow(&ids->ids, &ids->cap, json_array_size(array) + 1, sizeof *ids->ids))
        die("expected a list of ids");
    for (size_t i = 0; i < json_array_size(array); i++)
        ids->ids[ids->n++] = (int32_t)json_integer_value(json_array_get(array, i));
}

static bool same_ids(const slk_ids *a, const slk_ids *b)
{
    return a->n == b->n && (a->n == 0 || memcmp(a->ids, b->ids, a->n * sizeof *a->ids) == 0);
}

/* --- tokens --------------------------------------------------------------------------------------------------------
 */

static void compare_tokens(const char *model_path, const char *path)
{
    slk_err err;
    slk_gguf *file;
    slk_tokenizer *tokenizer;
    json_t *cases, *c;
    size_t i, n_equal = 0;
    need(slk_gguf_open(&file, model_path, &err), &err);
    need(slk_model_load_tokenizer(&tokenizer, file, &err), &err);
    need(slk_json_read(&cases, path, &err), &err);
    json_array_foreach(cases, i, c)
    {
        slk_ids want = {0}, found = {0};
        const json_t *text = json_object_get(c, "text");
        read_ids(&want, json_object_get(c, "ids"));
        unsigned flags = json_is_true(json_object_get(c, "parse_special")) ? SLK_ENCODE_SPECIAL : 0;
        slk_status s =
            slk_tokenizer_encode(tokenizer, json_string_value(text), json_string_length(text), flags, &found, &err);
        if (s == SLK_OK && same_ids(&want, &found))
            n_equal++;
        else
            printf("case %zu: other tokens%s%s: %s\n", i, s == SLK_OK ? "" : ": ", s == SLK_OK ? "" : err.msg,
                   json_string_value(text));
        free(want.ids), free(found.ids);
    }
    printf("tokens: %zu of %zu texts equal\n", n_equal, json_array_size(cases));
    verdict(n_equal > 0 && n_equal == json_array_size(cases), "tokens differ");
    json_decref(cases);
    slk_tokenizer_free(tokenizer);
    slk_gguf_close(file);
}

/* Training examples: prompt and answer, tokenised apart, and the end-of-text token. */
static void compare_examples(const char *model_path, const char *path)
{
    slk_err err;
    slk_gguf *file;
    slk_tokenizer *tokenizer;
    slk_instruction *instruction;
    json_t *reference, *c;
    size_t i, n_equal = 0;
    need(slk_gguf_open(&file, model_path, &err), &err);
    need(slk_model_load_tokenizer(&tokenizer, file, &err), &err);
    need(slk_instruction_create(&instruction, &err), &err);
    need(slk_json_read(&reference, path, &err), &err);
    const json_t *examples = json_object_get(reference, "examples");
    json_array_foreach(examples, i, c)
    {
        slk_ids want_prompt = {0}, want_answer = {0}, prompt = {0}, answer = {0};
        read_ids(&want_prompt, json_object_get(c, "prompt_tokens"));
        read_ids(&want_answer, json_object_get(c, "answer_tokens"));
        need(slk_instruction_encode(instruction, tokenizer, 2048, &prompt, &answer, string_of(c, "question"),
                                    string_of(c, "answer"), &err),
             &err);
        if (same_ids(&want_prompt, &prompt) && same_ids(&want_answer, &answer))
            n_equal++;
        else
            printf("example %zu: other tokens: %s\n", i, string_of(c, "question"));
        free(want_prompt.ids), free(want_answer.ids), free(prompt.ids), free(answer.ids);
    }
    printf("examples: %zu of %zu equal\n", n_equal, json_array_size(examples));
    verdict(n_equal > 0 && n_equal == json_array_size(examples), "tokens of examples differ");
    json_decref(reference);
    slk_instruction_free(instruction);
    slk_tokenizer_free(tokenizer);
    slk_gguf_close(file);
}

/* --- logits --------------------------------------------------------------------------------------------------------
 */

typedef struct logit_gaps {
    double logit, lse; /* largest differences */
    double tie;        /* how far the reference's choice lies below ours where they differ, at most */
    size_t n_values, n_positions, n_same;
} logit_gaps;

static void check_row(logit_gaps *gaps, const json_t *row, const float *logits, const slk_top *top)
{
    const json_t *ids = json_object_get(row, "ids"), *values = json_object_get(row, "logits");
    gaps->lse =
        fmax(gaps->lse, fabs(json_number_value(json_object_get(row, "logsumexp")) - (top->max + log(top->sum))));
    for (size_t i = 0; i < json_array_size(ids); i++, gaps->n_values++) {
        double gap = fabs(json_number_value(json_array_get(values, i)) -
                          (double)logits[json_integer_value(json_array_get(ids, i))]);
        if (!(gap <= gaps->logit)) gaps->logit = gap; /* NaN counts */
    }
}

/* One sequence as one segment. Its rows of reference logits are kept whole, of all others only the best token. */
static void check_case(slk_model *m, slk_forward *forward, const json_t *c, logit_gaps *gaps)
{
    slk_err err;
    slk_tree *tree;
    slk_seg seg;
    slk_ids tokens = {0}, argmax = {0};
    const json_t *rows = json_object_get(c, "rows"), *row;
    size_t i, n_rows = json_array_size(rows), width = (size_t)m->config.n_vocab;
    read_ids(&tokens, json_object_get(c, "tokens"));
    read_ids(&argmax, json_object_get(c, "argmax"));
    int32_t n = (int32_t)tokens.n;
    if (tokens.n == 0 || argmax.n != tokens.n || n_rows == 0) die("a case without tokens, rows or argmax");
    slk_top *tops = take(slk_alloc_zero(tokens.n, sizeof *tops));
    slk_ask *asks = take(slk_alloc_zero(tokens.n, sizeof *asks));
    int32_t *best = take(slk_alloc(tokens.n, sizeof *best));
    float *best_logit = take(slk_alloc(tokens.n, sizeof *best_logit)),
          *logits = take(slk_alloc(n_rows * width, sizeof *logits));
    for (int32_t t = 0; t < n; t++) {
        tops[t] =
            (slk_top){.k = 1, .ids = best + t, .logits = best_logit + t, .want_lse = true, .target = argmax.ids[t]};
        asks[t] = (slk_ask){.row = t, .top = &tops[t]};
    }
    json_array_foreach(rows, i, row) asks[json_integer_value(json_object_get(row, "position"))].logits =
        logits + i * width;
    need(slk_tree_create(&tree, m, forward, n, &err), &err);
    need(slk_tree_insert(tree, SLK_SEG_NONE, tokens.ids, n, &seg, &err), &err);
    slk_span span = {.seg = seg, .n = n, .asks = asks, .n_asks = n};
    need(slk_tree_forward(tree, &span, 1, NULL, &err), &err);
    json_array_foreach(rows, i, row)
        check_row(gaps, row, logits + i * width, &tops[json_integer_value(json_object_get(row, "position"))]);
    for (int32_t t = 0; t < n; t++, gaps->n_positions++) {
        if (best[t] == argmax.ids[t])
            gaps->n_same++;
        else
            gaps->tie = fmax(gaps->tie, (double)best_logit[t] - (double)tops[t].target_logit);
    }
    slk_tree_free(tree);
    free(tokens.ids), free(argmax.ids), free(tops), free(asks), free(best), free(best_logit), free(logits);
}

static void compare_logits(const char *model_path, const char *path, bool bf16)
{
    slk_err err;
    slk_forward *forward;
    json_t *reference, *c;
    size_t i, longest = 0;
    logit_gaps gaps = {0};
    slk_model *m = open_model(model_path, bf16 ? SLK_DTYPE_BF16 : SLK_DTYPE_F32);
    if (!m) {
        printf("logits: bf16 left out, this processor does not multiply it\n");
        return;
    }
    need(slk_json_read(&reference, path, &err), &err);
    need(slk_forward_create(&forward, m, &err), &err);
    json_array_foreach(json_object_get(reference, "cases"), i, c)
    {
        check_case(m, forward, c, &gaps);
        size_t n = json_array_size(json_object_get(c, "tokens"));
        if (n > longest) longest = n;
    }
    double same = gaps.n_positions ? (double)gaps.n_same / (double)gaps.n_positions : 0;
    printf("logits %s (%s): %zu values, largest difference %.2g, of the log-sum-exp %.2g; best token the same at %zu "
           "of %zu positions "
           "(%.2f%%), at the others %.2g apart at most; longest sequence %zu\n",
           bf16 ? "bf16" : "f32", slk_compute_kernel_set(m->compute), gaps.n_values, gaps.logit, gaps.lse, gaps.n_same,
           gaps.n_positions, 100 * same, gaps.tie, longest);
    double bound = bf16 ? BF16_LOGIT : F32_LOGIT;
    verdict(gaps.n_values > 0 && gaps.logit <= bound && gaps.lse <= bound, "logits differ");
    /* in f32 another best token is another choice among equals: both are off by the bound at most */
    verdict(bf16 ? same >= BF16_ARGMAX : gaps.tie <= 2 * bound, "best tokens differ");
    verdict(longest > 512, "no case is longer than the window");
    json_decref(reference);
    slk_forward_free(forward);
    slk_model_close(m);
}

/* --- scores --------------------------------------------------------------------------------------------------------
 */

typedef struct reference {
    json_t **facts;  /* [n_facts] */
    slk_pair *pairs; /* [n] all prompts of the first fact, then of the second, ...; strings of facts */
    size_t *fact_of; /* [n] */
    size_t *prompt;  /* [n] number of the prompt within its fact */
    size_t n_facts, n;
} reference;

static const json_t *value_of(const reference *r, size_t pair, const char *key)
{
    return json_array_get(json_object_get(r->facts[r->fact_of[pair]], key), r->prompt[pair]);
}

/* The first max_facts facts with their first max_prompts prompts (0: all). */
static reference open_reference(const char *path, size_t max_facts, size_t max_prompts)
{
    slk_err err;
    char *text;
    size_t n_bytes, cap_facts = 0, cap = 0, cap_of = 0, cap_prompt = 0;
    reference r = {0};
    need(slk_file_read(&text, &n_bytes, path, &err), &err);
    long number = 1;
    for (size_t i = 0; i < n_bytes && (max_facts == 0 || r.n_facts < max_facts); number++) {
        const char *end = memchr(text + i, '\n', n_bytes - i);
        size_t length = end ? (size_t)(end - text) - i : n_bytes - i;
        if (!slk_grow(&r.facts, &cap_facts, r.n_facts + 1, sizeof *r.facts)) die("out of memory");
        need(slk_json_parse(&r.facts[r.n_facts], text + i, length, path, number, &err), &err);
        const json_t *prompts = json_object_get(r.facts[r.n_facts], "prompts");
        size_t n_prompts = json_array_size(prompts);
        if (max_prompts > 0 && n_prompts > max_prompts) n_prompts = max_prompts;
        if (!slk_grow(&r.pairs, &cap, r.n + n_prompts, sizeof *r.pairs) ||
            !slk_grow(&r.fact_of, &cap_of, r.n + n_prompts, sizeof *r.fact_of) ||
            !slk_grow(&r.prompt, &cap_prompt, r.n + n_prompts, sizeof *r.prompt)) {
            die("out of memory");
        }
        for (size_t p = 0; p < n_prompts; p++, r.n++) {
            r.pairs[r.n] =
                (slk_pair){json_string_value(json_array_get(prompts, p)), string_of(r.facts[r.n_facts], "answer")};
            r.fact_of[r.n] = r.n_facts;
            r.prompt[r.n] = p;
        }
        r.n_facts++;
        i += length + 1;
    }
    free(text);
    if (r.n == 0) die("no facts");
    return r;
}

static void close_reference(reference *r)
{
    for (size_t i = 0; i < r->n_facts; i++) json_decref(r->facts[i]);
    free(r->facts), free(r->pairs), free(r->fact_of), free(r->prompt);
}

typedef struct score_gaps {
    const reference *r;
    double logprob, p_sample;
    size_t n, n_other_greedy, *n_match; /* n_match [n_facts]: greedy answers that match */
} score_gaps;

static bool same_trimmed(const char *untrimmed, const char *found)
{
    size_t begin, end;
    slk_text_trim(untrimmed, strlen(untrimmed), &begin, &end);
    return strlen(found) == end - begin && memcmp(untrimmed + begin, found, end - begin) == 0;
}

static void take_score(score_gaps *gaps, size_t index, const slk_score *score)
{
    const char *greedy = json_string_value(value_of(gaps->r, index, "greedy"));
    double logprob = fabs(json_number_value(value_of(gaps->r, index, "gold_logprob")) - score->logprob);
    double p_sample = fabs(json_number_value(value_of(gaps->r, index, "gold_p_sample")) - score->p_sample);
    if (!(logprob <= gaps->logprob)) gaps->logprob = logprob;
    if (!(p_sample <= gaps->p_sample)) gaps->p_sample = p_sample;
    if (!greedy || !same_trimmed(greedy, score->greedy_answer)) {
        gaps->n_other_greedy++;
        printf("pair %zu, prompt %zu of \"%s\": the greedy answer is \"%s\", the reference's \"%s\"\n", index + 1,
               gaps->r->prompt[index], string_of(gaps->r->facts[gaps->r->fact_of[index]], "question"),
               score->greedy_answer, greedy ? greedy : "");
    }
    gaps->n_match[gaps->r->fact_of[index]] += score->greedy_match;
    gaps->n++;
}

static void judge_scores(const score_gaps *gaps, bool all_prompts)
{
    size_t n_facts = gaps->r->n_facts, n_equal = 0;
    /* a near tie that goes the other way may change what matches: by the number of such answers at most */
    size_t off = 0;
    for (size_t i = 0; all_prompts && i < n_facts; i++) {
        long want = (long)json_integer_value(json_object_get(gaps->r->facts[i], "greedy_em")),
             found = (long)gaps->n_match[i];
        off += (size_t)labs(want - found);
        n_equal += want == found;
    }
    printf("scores f32: %zu pairs of %zu facts, largest difference of the log-probability %.2g, of the sampling "
           "probability %.2g; "
           "%zu other greedy answers\n",
           gaps->n, n_facts, gaps->logprob, gaps->p_sample, gaps->n_other_greedy);
    if (all_prompts)
        printf("scores f32: number of matching greedy answers equal for %zu of %zu facts\n", n_equal, n_facts);
    verdict(gaps->n == gaps->r->n, "scores are missing");
    verdict(gaps->logprob <= LOGPROB, "log-probabilities differ");
    verdict(gaps->p_sample <= P_SAMPLE, "sampling probabilities differ");
    verdict((double)gaps->n_other_greedy <= ceil(GREEDY_SHARE * (double)gaps->n), "greedy answers differ");
    verdict(off <= gaps->n_other_greedy, "numbers of matching greedy answers differ");
}

static slk_status on_score(void *user, size_t index, const slk_score *score, slk_err *err)
{
    (void)err;
    take_score(user, index, score);
    return SLK_OK;
}

/* Tokens of the gold answer as probing takes them. */
static void compare_golds(const slk_tokenizer *tokenizer, const reference *r)
{
    slk_err err;
    size_t n_equal = 0;
    for (size_t i = 0; i < r->n; i++) {
        slk_ids prompt = {0}, gold = {0}, want = {0};
        const slk_pair *pair = &r->pairs[i];
        read_ids(&want, value_of(r, i, "gold_ids"));
        need(slk_tokenizer_encode(tokenizer, pair->prompt, strlen(pair->prompt), SLK_ENCODE_BOS, &prompt, &err), &err);
        need(slk_gold_tokens(&gold, tokenizer, pair->prompt, strlen(pair->prompt), &prompt, pair->answer, &err), &err);
        if (same_ids(&gold, &want))
            n_equal++;
        else
            printf("pair %zu: other tokens of the answer \"%s\"\n", i + 1, pair->answer);
        free(prompt.ids), free(gold.ids), free(want.ids);
    }
    printf("gold tokens: %zu of %zu equal\n", n_equal, r->n);
    verdict(n_equal == r->n, "tokens of gold answers differ");
}

static void compare_scores(const char *model_path, const char *path, size_t max_facts)
{
    slk_err err;
    reference r = open_reference(path, max_facts, 0);
    slk_model *m = open_model(model_path, SLK_DTYPE_F32);
    compare_golds(m->tokenizer, &r);
    slk_score_options options = {.temperature = 0.5, .top_k = 40, .n_max_tokens = 32};
    need(slk_match_parse(&options.match, "em", &err), &err);
    score_gaps gaps = {.r = &r, .n_match = take(slk_alloc_zero(r.n_facts, sizeof(size_t)))};
    need(slk_score_run(m, r.pairs, r.n, &options, on_score, &gaps, NULL, &err), &err);
    judge_scores(&gaps, true);
    free(gaps.n_match);
    slk_model_close(m);
    close_reference(&r);
}

static void print_pairs(const char *path, size_t n)
{
    slk_err err;
    reference r = open_reference(path, n, 1);
    for (size_t i = 0; i < r.n; i++) {
        json_t *pair = take(json_pack("{s:s, s:s}", "prompt", r.pairs[i].prompt, "answer", r.pairs[i].answer));
        need(slk_json_print(stdout, pair, &err), &err);
        json_decref(pair);
    }
    close_reference(&r);
}

static void compare_lines(const char *path, size_t n, const char *lines)
{
    slk_err err;
    char *text;
    size_t n_bytes, index = 0;
    reference r = open_reference(path, n, 1);
    score_gaps gaps = {.r = &r, .n_match = take(slk_alloc_zero(r.n_facts, sizeof(size_t)))};
    need(slk_file_read(&text, &n_bytes, lines, &err), &err);
    for (size_t i = 0; i < n_bytes; index++) {
        json_t *json;
        const char *end = memchr(text + i, '\n', n_bytes - i);
        size_t length = end ? (size_t)(end - text) - i : n_bytes - i;
        if (index >= r.n) die("more lines than pairs");
        need(slk_json_parse(&json, text + i, length, lines, (long)index + 1, &err), &err);
        slk_score score = {.greedy_match = json_is_true(json_object_get(json, "greedy_match")),
                           .greedy_answer = string_of(json, "greedy_answer"),
                           .logprob = json_number_value(json_object_get(json, "logprob")),
                           .p_sample = json_number_value(json_object_get(json, "p_sample"))};
        verdict((size_t)json_integer_value(json_object_get(json, "n_tokens")) ==
                    json_array_size(value_of(&r, index, "gold_ids")),
                "n_tokens differs");
        take_score(&gaps, index, &score);
        json_decref(json);
        i += length + 1;
    }
    judge_scores(&gaps, false);
    free(text), free(gaps.n_match);
    close_reference(&r);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (argc == 4 && !strcmp(what, "tokens"))
        compare_tokens(argv[2], argv[3]);
    else if (argc == 4 && !strcmp(what, "examples"))
        compare_examples(argv[2], argv[3]);
    else if (argc == 5 && !strcmp(what, "logits") && (!strcmp(argv[4], "f32") || !strcmp(argv[4], "bf16"))) {
        compare_logits(argv[2], argv[3], !strcmp(argv[4], "bf16"));
    } else if ((argc == 4 || argc == 5) && !strcmp(what, "scores"))
        compare_scores(argv[2], argv[3], argc == 5 ? strtoul(argv[4], NULL, 10) : 0);
    else if (argc == 4 && !strcmp(what, "pairs"))
        print_pairs(argv[2], strtoul(argv[3], NULL, 10));
    else if (argc == 5 && !strcmp(what, "lines"))
        compare_lines(argv[2], strtoul(argv[3], NULL, 10), argv[4]);
    else
        die("usage: compare_real tokens|examples|logits|scores|pairs|lines ... (see the top of compare_real.c)");
    return n_failed ? 1 : 0;
}
