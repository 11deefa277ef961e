/* The public C API over a model: opening, tokens, logits, generation, scores. Labels are in label.c. */
#include "slick.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "api/internal.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/text.h"
#include "infer/sample.h"
#include "know/score.h"
#include "model/tree.h"

#define MAX_TOKENS 4096 /* of an answer: as the command line allows */

const char *slk_version(void)
{
    return SLICK_VERSION;
}

static slk_status out_of_memory(slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "out of memory");
}

slk_status slk_api_check_draws(const char *call, double temperature, int top_k, int max_tokens, slk_err *err)
{
    if (!(temperature >= 1e-3 && temperature <= 100)) {
        return slk_fail(err, SLK_E_ARG, "%s: temperature is %g, expected 0.001 to 100", call, temperature);
    }
    if (top_k < 1 || top_k > SLK_TOP_MAX) {
        return slk_fail(err, SLK_E_ARG, "%s: top_k is %d, expected 1 to %d", call, top_k, SLK_TOP_MAX);
    }
    if (max_tokens < 1 || max_tokens > MAX_TOKENS) {
        return slk_fail(err, SLK_E_ARG, "%s: max_tokens is %d, expected 1 to %d", call, max_tokens, MAX_TOKENS);
    }
    return SLK_OK;
}

slk_status slk_api_check_match(slk_match_rule *rule, const char *call, const char *match, slk_err *err)
{
    if (!match) return slk_fail(err, SLK_E_ARG, "%s: match is NULL, expected \"em\", \"strict\", ...", call);
    slk_status s = slk_match_parse(rule, match, err);
    return s == SLK_OK ? s : slk_fail_in(err, s, "%s: match", call);
}

/* --- a model -------------------------------------------------------------------------------------------------------
 */

void slk_lm_options_init(slk_lm_options *options)
{
    *options = (slk_lm_options){0};
}

static slk_status read_options(slk_model_options *out, const slk_lm_options *options, slk_err *err)
{
    *out = (slk_model_options){.compute = {.backend = SLK_BACKEND_DNNL, .dtype = -1}};
    if (!options) return SLK_OK;
    if (options->dtype && !strcmp(options->dtype, "f32"))
        out->compute.dtype = SLK_DTYPE_F32;
    else if (options->dtype && !strcmp(options->dtype, "bf16"))
        out->compute.dtype = SLK_DTYPE_BF16;
    else if (options->dtype)
        return slk_fail(err, SLK_E_ARG, "open: dtype is '%.32s', expected bf16 or f32", options->dtype);
    if (options->n_threads < 0 || options->n_threads > 1024) {
        return slk_fail(err, SLK_E_ARG, "open: n_threads is %d, expected 0 to 1024", options->n_threads);
    }
    out->compute.n_threads = options->n_threads;
    out->adapter = options->adapter;
    return SLK_OK;
}

static void fill_info(slk_lm *lm)
{
    const slk_model *m = lm->model;
    const slk_config *c = &m->config;
    lm->info = (slk_lm_info){.arch = c->arch,
                             .name = c->name,
                             .dtype = slk_compute_dtype(m->compute) == SLK_DTYPE_BF16 ? "bf16" : "f32",
                             .kernels = slk_compute_kernel_set(m->compute),
                             .n_layers = c->n_layers,
                             .d_model = c->d_model,
                             .n_heads = c->n_heads,
                             .n_kv_heads = c->n_kv_heads,
                             .head_dim = c->head_dim,
                             .d_ff = c->d_ff,
                             .n_vocab = c->n_vocab,
                             .n_context = c->n_context,
                             .window = c->window,
                             .n_threads = slk_compute_n_threads(m->compute),
                             .bos = slk_tokenizer_bos(m->tokenizer),
                             .eos = slk_tokenizer_eos(m->tokenizer),
                             .adds_bos = slk_tokenizer_adds_bos(m->tokenizer),
                             .n_body_params = slk_config_n_body_params(c),
                             .weights_bytes = m->weights_bytes,
                             .hash = m->hash};
}

slk_status slk_lm_open(slk_lm **out, const char *path, const slk_lm_options *options, slk_err *err)
{
    *out = NULL;
    slk_model_options own;
    if (!path) return slk_fail(err, SLK_E_ARG, "open: no path");
    slk_status s = read_options(&own, options, err);
    if (s != SLK_OK) return s;
    slk_lm *lm = slk_alloc_zero(1, sizeof *lm);
    if (!lm) return out_of_memory(err);
    s = slk_model_open(&lm->model, path, &own, err);
    if (s != SLK_OK) {
        free(lm);
        return s;
    }
    fill_info(lm);
    *out = lm;
    return SLK_OK;
}

void slk_lm_close(slk_lm *lm)
{
    if (!lm) return;
    slk_model_close(lm->model);
    free(lm);
}

const slk_lm_info *slk_lm_describe(const slk_lm *lm)
{
    return &lm->info;
}

/* --- tokens --------------------------------------------------------------------------------------------------------
 */

slk_status slk_lm_tokenize(int32_t **tokens, size_t *n_tokens, const slk_lm *lm, const char *text, size_t n_bytes,
                           unsigned flags, slk_err *err)
{
    *tokens = NULL;
    *n_tokens = 0;
    if (flags & ~(unsigned)(SLK_LM_BOS | SLK_LM_SPECIAL))
        return slk_fail(err, SLK_E_ARG, "tokenize: unknown flags %#x", flags);
    if (!text && n_bytes > 0) return slk_fail(err, SLK_E_ARG, "tokenize: no text");
    unsigned own = (flags & SLK_LM_BOS ? SLK_ENCODE_BOS : 0u) | (flags & SLK_LM_SPECIAL ? SLK_ENCODE_SPECIAL : 0u);
    slk_ids ids = {0};
    slk_status s = slk_tokenizer_encode(lm->model->tokenizer, text ? text : "", n_bytes, own, &ids, err);
    if (s == SLK_OK && !ids.ids && !slk_grow(&ids.ids, &ids.cap, 1, sizeof *ids.ids)) s = out_of_memory(err);
    if (s != SLK_OK) {
        free(ids.ids);
        return s;
    }
    *tokens = ids.ids;
    *n_tokens = ids.n;
    return SLK_OK;
}

slk_status slk_lm_detokenize(char **text, size_t *n_bytes, const slk_lm *lm, const int32_t *tokens, size_t n_tokens,
                             unsigned flags, slk_err *err)
{
    *text = NULL;
    if (n_bytes) *n_bytes = 0;
    if (flags & ~(unsigned)SLK_LM_SPECIAL) return slk_fail(err, SLK_E_ARG, "detokenize: unknown flags %#x", flags);
    const slk_tokenizer *tok = lm->model->tokenizer;
    for (size_t i = 0; i < n_tokens; i++) {
        if (tokens[i] >= 0 && (size_t)tokens[i] < slk_tokenizer_n_tokens(tok)) continue;
        return slk_fail(err, SLK_E_ARG, "detokenize: token %zu is %d, expected 0 to %zu", i, (int)tokens[i],
                        slk_tokenizer_n_tokens(tok) - 1);
    }
    slk_buf buf;
    slk_buf_init(&buf);
    slk_tokenizer_decode(tok, tokens, n_tokens, flags & SLK_LM_SPECIAL, true, &buf);
    slk_buf_add(&buf, "", 0);
    if (n_bytes) *n_bytes = buf.failed ? 0 : buf.len;
    *text = buf.failed ? NULL : slk_buf_take(&buf);
    slk_buf_release(&buf);
    return *text ? SLK_OK : out_of_memory(err);
}

/* --- what comes next -------------------------------------------------------------------------------------------------
 */

/* One sequence from the root: a forward pass, a tree, the segment that is computed next. */
typedef struct sequence {
    slk_forward *forward;
    slk_tree *tree;
    slk_seg seg;
} sequence;

static slk_status open_sequence(sequence *q, const slk_lm *lm, const int32_t *tokens, size_t n_tokens, size_t n_more,
                                slk_err *err)
{
    *q = (sequence){.seg = SLK_SEG_NONE};
    size_t n_context = (size_t)lm->info.n_context;
    if (n_tokens == 0) return slk_fail(err, SLK_E_ARG, "%s: no tokens, expected at least one", lm->info.name);
    if (n_tokens > n_context)
        return slk_fail(err, SLK_E_ARG, "%s: %zu tokens, the model's context is %zu", lm->info.name, n_tokens,
                        n_context);
    size_t n_slots = n_more < n_context - n_tokens ? n_tokens + n_more : n_context;
    slk_status s = slk_forward_create(&q->forward, lm->model, err);
    if (s == SLK_OK) s = slk_tree_create(&q->tree, lm->model, q->forward, (int32_t)n_slots, err);
    if (s == SLK_OK) s = slk_tree_append(q->tree, SLK_SEG_NONE, tokens, (int32_t)n_tokens, &q->seg, err);
    return s;
}

static void close_sequence(sequence *q)
{
    slk_tree_free(q->tree);
    slk_forward_free(q->forward);
}

/* The row behind the sequence's last token. */
static slk_status next_row(sequence *q, slk_top *top, float *logits, slk_err *err)
{
    int32_t n = slk_tree_n_pending(q->tree, q->seg);
    slk_ask ask = {.row = n - 1, .top = top, .logits = logits};
    slk_span span = {.seg = q->seg, .n = n, .asks = &ask, .n_asks = 1};
    return slk_tree_forward(q->tree, &span, 1, NULL, err);
}

static slk_status add_token(sequence *q, int32_t token, slk_err *err)
{
    slk_seg next;
    slk_status s = slk_tree_append(q->tree, q->seg, &token, 1, &next, err);
    if (s != SLK_OK) return s;
    slk_tree_release(q->tree, q->seg);
    q->seg = next;
    return SLK_OK;
}

slk_status slk_lm_logits(float *logits, slk_lm *lm, const int32_t *tokens, size_t n_tokens, slk_err *err)
{
    sequence q;
    slk_status s = open_sequence(&q, lm, tokens, n_tokens, 0, err);
    if (s == SLK_OK) s = next_row(&q, NULL, logits, err);
    close_sequence(&q);
    return s;
}

static slk_status alloc_top(slk_top *top, int k, bool want_lse, slk_err *err)
{
    *top = (slk_top){.k = k,
                     .ids = slk_alloc((size_t)k, sizeof *top->ids),
                     .logits = slk_alloc((size_t)k, sizeof *top->logits),
                     .want_lse = want_lse,
                     .target = -1};
    return top->ids && top->logits ? SLK_OK : out_of_memory(err);
}

static void release_top(slk_top *top)
{
    free(top->ids);
    free(top->logits);
}

slk_status slk_lm_top(slk_lm_token *out, size_t *n_top, slk_lm *lm, const int32_t *tokens, size_t n_tokens, int k,
                      slk_err *err)
{
    if (n_top) *n_top = 0;
    if (k < 1 || k > SLK_TOP_MAX) return slk_fail(err, SLK_E_ARG, "top: k is %d, expected 1 to %d", k, SLK_TOP_MAX);
    sequence q;
    slk_top top = {0};
    slk_status s = open_sequence(&q, lm, tokens, n_tokens, 0, err);
    if (s == SLK_OK) s = alloc_top(&top, k, true, err);
    if (s == SLK_OK) s = next_row(&q, &top, NULL, err);
    for (int i = 0; s == SLK_OK && i < top.n; i++) {
        out[i] = (slk_lm_token){.id = top.ids[i], .logprob = (double)top.logits[i] - (top.max + log(top.sum))};
    }
    if (s == SLK_OK && n_top) *n_top = (size_t)top.n;
    release_top(&top);
    close_sequence(&q);
    return s;
}

void slk_lm_generate_options_init(slk_lm_generate_options *options)
{
    *options = (slk_lm_generate_options){.max_tokens = 32, .top_k = 40, .stop = "\n"};
}

/* The text goes on until something ends it; `key` is what `slick generate` keys its random numbers with. */
static slk_status generate(slk_buf *text, const slk_lm *lm, sequence *q, const slk_lm_generate_options *o, uint64_t key,
                           size_t n_room, slk_top *top, slk_err *err)
{
    const slk_tokenizer *tok = lm->model->tokenizer;
    for (uint32_t step = 0;; step++) {
        slk_status s = next_row(q, top, NULL, err);
        if (s != SLK_OK) return s;
        int32_t token = slk_top_greedy(top);
        if (o->temperature > 0) {
            slk_distribution d;
            slk_distribution_init(&d, top, o->temperature, o->top_k);
            token = slk_distribution_pick(&d, slk_rng_uniform(o->seed, SLK_PURPOSE_GENERATE, key, 0, 0, step));
        }
        if (slk_tokenizer_is_end(tok, token)) return SLK_OK;
        slk_bytes piece = slk_tokenizer_piece(tok, token);
        slk_buf_add(text, piece.data, piece.len);
        if (text->failed) return out_of_memory(err);
        char *stop = o->stop && text->data ? strstr(text->data, o->stop) : NULL;
        if (stop) text->len = (size_t)(stop - text->data);
        if (stop || step + 1 == (uint32_t)o->max_tokens || step == n_room) return SLK_OK;
        s = add_token(q, token, err);
        if (s != SLK_OK) return s;
    }
}

slk_status slk_lm_generate(char **text, slk_lm *lm, const char *prompt, const slk_lm_generate_options *options,
                           slk_err *err)
{
    *text = NULL;
    slk_lm_generate_options defaults;
    slk_lm_generate_options_init(&defaults);
    const slk_lm_generate_options *o = options ? options : &defaults;
    if (!prompt) return slk_fail(err, SLK_E_ARG, "generate: no prompt");
    if (o->stop && !*o->stop) return slk_fail(err, SLK_E_ARG, "generate: stop is empty, expected text or NULL");
    slk_status s =
        slk_api_check_draws("generate", o->temperature == 0 ? 1 : o->temperature, o->top_k, o->max_tokens, err);
    if (s != SLK_OK) return s;
    slk_ids ids = {0};
    slk_top top = {0};
    slk_buf buf;
    slk_buf_init(&buf);
    sequence q = {.seg = SLK_SEG_NONE};
    s = slk_tokenizer_encode(lm->model->tokenizer, prompt, strlen(prompt), SLK_ENCODE_BOS, &ids, err);
    if (s == SLK_OK) s = open_sequence(&q, lm, ids.ids, ids.n, (size_t)o->max_tokens, err);
    if (s == SLK_OK) s = alloc_top(&top, o->top_k, false, err);
    if (s == SLK_OK) {
        uint64_t key = slk_hash_bytes(ids.ids, ids.n * sizeof *ids.ids);
        s = generate(&buf, lm, &q, o, key, (size_t)lm->info.n_context - ids.n, &top, err);
    }
    if (s == SLK_OK) {
        *text = slk_utf8_repair(buf.data ? buf.data : "", buf.len, NULL);
        if (!*text) s = out_of_memory(err);
    }
    release_top(&top);
    close_sequence(&q);
    slk_buf_release(&buf);
    free(ids.ids);
    return s;
}

/* --- scores ----------------------------------------------------------------------------------------------------------
 */

void slk_lm_score_options_init(slk_lm_score_options *options)
{
    *options = (slk_lm_score_options){.match = "em", .temperature = 0.5, .top_k = 40, .max_tokens = 32};
}

void slk_lm_scores_release(slk_lm_score *scores, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(scores[i].greedy_answer);
        scores[i] = (slk_lm_score){0};
    }
}

static slk_status take_score(void *user, size_t index, const slk_score *score, slk_err *err)
{
    slk_lm_score *out = (slk_lm_score *)user + index;
    *out = (slk_lm_score){.greedy_match = score->greedy_match,
                          .greedy_answer = slk_strdup(score->greedy_answer),
                          .logprob = score->logprob,
                          .p_sample = score->p_sample,
                          .n_tokens = score->n_tokens};
    return out->greedy_answer ? SLK_OK : out_of_memory(err);
}

static slk_status check_pair(const slk_lm_pair *pair, size_t number, slk_err *err)
{
    if (!pair->prompt || !pair->answer)
        return slk_fail(err, SLK_E_ARG, "pair %zu: no %s", number, pair->prompt ? "answer" : "prompt");
    if (strchr(pair->answer, '\n'))
        return slk_fail(err, SLK_E_ARG, "pair %zu: the answer has a line break, where answers end", number);
    size_t begin, end;
    slk_text_trim(pair->answer, strlen(pair->answer), &begin, &end);
    return begin < end ? SLK_OK : slk_fail(err, SLK_E_ARG, "pair %zu: the answer is empty", number);
}

slk_status slk_lm_score_pairs(slk_lm_score *scores, slk_lm *lm, const slk_lm_pair *pairs, size_t n,
                              const slk_lm_score_options *options, slk_err *err)
{
    slk_lm_score_options defaults;
    slk_lm_score_options_init(&defaults);
    const slk_lm_score_options *o = options ? options : &defaults;
    for (size_t i = 0; i < n; i++) scores[i] = (slk_lm_score){0};
    slk_score_options own = {.temperature = o->temperature, .top_k = o->top_k, .n_max_tokens = o->max_tokens};
    slk_status s = slk_api_check_draws("score", o->temperature, o->top_k, o->max_tokens, err);
    if (s == SLK_OK) s = slk_api_check_match(&own.match, "score", o->match, err);
    for (size_t i = 0; i < n && s == SLK_OK; i++) s = check_pair(&pairs[i], i + 1, err);
    slk_pair *copies = slk_alloc(n, sizeof *copies);
    if (s == SLK_OK && !copies) s = out_of_memory(err);
    for (size_t i = 0; i < n && s == SLK_OK; i++) copies[i] = (slk_pair){pairs[i].prompt, pairs[i].answer};
    if (s == SLK_OK && n > 0) s = slk_score_run(lm->model, copies, n, &own, take_score, scores, NULL, err);
    free(copies);
    if (s != SLK_OK) slk_lm_scores_release(scores, n);
    return s;
}
