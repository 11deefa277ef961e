/* Pairs go through in groups. Each pair is asked twice on one tree: its answer path at once, for the log-probability
 * over the whole vocabulary, and through the verifier, for the greedy answer and the sampling probability; the prompt
 * is computed once. */
#include "know/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "know/probe.h"
#include "model/model.h"

#define GROUP 64

typedef struct item {
    const slk_pair *pair;
    slk_ids prompt, gold;
    slk_golds *golds;
    slk_seg begin, path; /* the prompt; all but the last token of the answer behind it (SLK_SEG_NONE: one token) */
    slk_top *tops;       /* [gold.n] rows before each token of the answer */
    slk_verification v;
} item;

typedef struct scorer {
    const slk_model *model;
    const slk_score_options *options;
    slk_draws draws;
    slk_forward *forward;
    slk_tree *tree;
    slk_schedule *schedule;
    slk_verifier *verifier;
    item items[GROUP];
    size_t n;
} scorer;

static slk_status open_item(scorer *sc, item *it, const slk_pair *pair, size_t number, slk_err *err)
{
    char *answer = (char *)(uintptr_t)pair->answer; /* read only */
    slk_fact fact = {.answers = &answer, .n_answers = 1};
    const slk_tokenizer *tok = sc->model->tokenizer;
    *it = (item){.pair = pair, .begin = SLK_SEG_NONE, .path = SLK_SEG_NONE};
    slk_status s = slk_tokenizer_encode(tok, pair->prompt, strlen(pair->prompt), SLK_ENCODE_BOS, &it->prompt, err);
    if (s == SLK_OK && it->prompt.n == 0) s = slk_fail(err, SLK_E_ARG, "pair %zu: the prompt has no tokens", number);
    if (s == SLK_OK)
        s = slk_gold_tokens(&it->gold, tok, pair->prompt, strlen(pair->prompt), &it->prompt, pair->answer, err);
    if (s == SLK_OK) s = slk_golds_create(&it->golds, &sc->options->match, &fact, err);
    size_t longest = it->gold.n > (size_t)sc->options->n_max_tokens ? it->gold.n : (size_t)sc->options->n_max_tokens;
    if (s == SLK_OK && it->prompt.n + longest > (size_t)sc->model->config.n_context) {
        s = slk_fail(err, SLK_E_ARG, "pair %zu: %zu tokens and the answer's do not fit into the model's context of %d",
                     number, it->prompt.n, sc->model->config.n_context);
    }
    it->tops = slk_alloc_zero(it->gold.n, sizeof *it->tops);
    if (s == SLK_OK && !it->tops) s = slk_fail(err, SLK_E_MEMORY, "out of memory");
    return s;
}

static void close_item(item *it)
{
    free(it->prompt.ids), free(it->gold.ids), free(it->tops);
    slk_golds_free(it->golds);
    for (size_t i = 0; i < it->v.n_answers; i++) free(it->v.answers[i].text);
    free(it->v.answers);
    *it = (item){0};
}

static slk_status open_engine(scorer *sc, slk_err *err)
{
    int64_t n_slots = 0;
    for (size_t i = 0; i < sc->n; i++) {
        n_slots += (int64_t)(sc->items[i].prompt.n * 2 + sc->items[i].gold.n * 2) + 2 * sc->options->n_max_tokens;
    }
    if (n_slots > INT32_MAX / 2) return slk_fail(err, SLK_E_MEMORY, "texts too long to be scored together");
    int32_t rows = sc->options->n_batch_rows > 0 ? sc->options->n_batch_rows : 512;
    slk_status s = slk_tree_create(&sc->tree, sc->model, sc->forward, (int32_t)n_slots, err);
    if (s == SLK_OK) s = slk_schedule_create(&sc->schedule, sc->tree, sc->options->top_k, rows, err);
    if (s == SLK_OK)
        s = slk_verifier_create(&sc->verifier, sc->model, sc->tree, sc->schedule, &slk_golds_judge, &sc->draws, err);
    return s;
}

static void close_engine(scorer *sc)
{
    slk_verifier_free(sc->verifier);
    slk_schedule_free(sc->schedule);
    slk_tree_free(sc->tree);
    sc->verifier = NULL, sc->schedule = NULL, sc->tree = NULL;
}

/* One batch for the answer path of one pair: whatever of the prompt is missing, then the path. */
static slk_status path_rows(scorer *sc, item *it, slk_err *err)
{
    int32_t n_gold = (int32_t)it->gold.n;
    int32_t *ids = slk_alloc((size_t)n_gold, sizeof *ids);
    float *logits = slk_alloc((size_t)n_gold, sizeof *logits);
    slk_ask *asks = slk_alloc_zero((size_t)n_gold, sizeof *asks);
    slk_status s = ids && logits && asks ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory");
    for (int32_t i = 0; s == SLK_OK && i < n_gold; i++) {
        it->tops[i] =
            (slk_top){.k = 1, .ids = ids + i, .logits = logits + i, .want_lse = true, .target = it->gold.ids[i]};
        asks[i] = (slk_ask){.row = i - 1, .top = &it->tops[i]};
    }
    if (s == SLK_OK)
        s = slk_tree_insert(sc->tree, SLK_SEG_NONE, it->prompt.ids, (int32_t)it->prompt.n, &it->begin, err);
    if (s == SLK_OK && n_gold > 1) s = slk_tree_append(sc->tree, it->begin, it->gold.ids, n_gold - 1, &it->path, err);
    /* the context of the prompt's last segment, then that segment with its ask, then the path with the others */
    for (slk_seg i; s == SLK_OK && (i = slk_tree_next_unplanned(sc->tree, it->begin, NULL, 0)) != it->begin;) {
        slk_span span = {.seg = i, .n = slk_tree_n_pending(sc->tree, i)};
        s = slk_tree_forward(sc->tree, &span, 1, NULL, err);
    }
    if (s == SLK_OK) {
        int32_t n = slk_tree_n_pending(sc->tree, it->begin);
        asks[0].row = n - 1;
        slk_span spans[] = {{.seg = it->begin, .n = n, .asks = asks, .n_asks = 1},
                            {.seg = it->path, .n = n_gold - 1, .asks = asks + 1, .n_asks = n_gold - 1}};
        s = slk_tree_forward(sc->tree, spans, n_gold > 1 ? 2 : 1, NULL, err);
    }
    free(ids), free(logits), free(asks);
    for (int32_t i = 0; i < n_gold; i++)
        it->tops[i].ids = NULL, it->tops[i].logits = NULL; /* only max, sum and target are read on */
    return s;
}

static slk_status nothing(void *user, slk_verification *v, slk_err *err)
{
    (void)user, (void)v, (void)err;
    return SLK_OK;
}

static slk_status run_group(scorer *sc, slk_err *err)
{
    slk_status s = open_engine(sc, err);
    for (size_t i = 0; i < sc->n && s == SLK_OK; i++) s = path_rows(sc, &sc->items[i], err);
    for (size_t i = 0; i < sc->n && s == SLK_OK; i++) {
        item *it = &sc->items[i];
        slk_seg prompt;
        it->v = (slk_verification){.golds = it->golds, .gold = it->gold.ids, .n_gold = (int)it->gold.n};
        s = slk_tree_insert(sc->tree, SLK_SEG_NONE, it->prompt.ids, (int32_t)it->prompt.n, &prompt, err);
        if (s == SLK_OK) s = slk_verifier_start(sc->verifier, &it->v, prompt, err);
    }
    while (s == SLK_OK && !slk_schedule_is_empty(sc->schedule)) s = slk_verifier_step(sc->verifier, nothing, NULL, err);
    close_engine(sc);
    return s;
}

static slk_score score_of(const item *it)
{
    slk_score score = {.greedy_match = it->v.greedy,
                       .greedy_answer = it->v.n_answers ? it->v.answers[0].text : "",
                       .p_sample = it->v.p_gold,
                       .n_tokens = (int)it->gold.n};
    for (size_t i = 0; i < it->gold.n; i++)
        score.logprob += (double)it->tops[i].target_logit - (it->tops[i].max + log(it->tops[i].sum));
    return score;
}

slk_status slk_score_run(const slk_model *model, const slk_pair *pairs, size_t n, const slk_score_options *options,
                         slk_status (*on_score)(void *user, size_t index, const slk_score *score, slk_err *err),
                         void *user, const slk_progress *progress, slk_err *err)
{
    scorer *sc = slk_alloc_zero(1, sizeof *sc);
    if (!sc) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    sc->model = model;
    sc->options = options;
    sc->draws = (slk_draws){.temperature = options->temperature,
                            .top_k = options->top_k,
                            .n_max_tokens = options->n_max_tokens,
                            .decode = SLK_DECODE_GREEDY};
    slk_status s = slk_forward_create(&sc->forward, model, err);
    for (size_t first = 0; first < n && s == SLK_OK; first += GROUP) {
        for (sc->n = 0; sc->n < GROUP && first + sc->n < n && s == SLK_OK; sc->n++) {
            s = open_item(sc, &sc->items[sc->n], &pairs[first + sc->n], first + sc->n + 1, err);
        }
        if (s == SLK_OK) s = run_group(sc, err);
        for (size_t i = 0; i < sc->n; i++) {
            if (s == SLK_OK) {
                slk_score score = score_of(&sc->items[i]);
                s = on_score(user, first + i, &score, err);
            }
            close_item(&sc->items[i]);
        }
        if (s == SLK_OK && !slk_progress_report(progress, "score", "pairs", first + sc->n, n))
            s = slk_fail(err, SLK_E_INTERRUPTED, "stopped");
    }
    slk_forward_free(sc->forward);
    free(sc);
    return s;
}
