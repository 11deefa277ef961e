#include "infer/naive.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "infer/sample.h"
#include "model/model.h"

struct slk_naive {
    const slk_model *model;
    slk_forward *forward;
    slk_draws draws;
    slk_cache *cache; /* slot = position */
    int32_t *pos;     /* [cache->n_slots] 0, 1, 2, ... */
    slk_top top;
    slk_distribution distribution;
};

slk_status slk_naive_create(slk_naive **out, const slk_model *model, slk_forward *forward, const slk_draws *draws,
                            slk_err *err)
{
    *out = NULL;
    slk_naive *n = slk_alloc_zero(1, sizeof *n);
    if (!n) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    n->model = model;
    n->forward = forward;
    n->draws = *draws;
    int32_t n_slots = model->config.n_context < 8192 ? model->config.n_context : 8192;
    slk_status s = slk_cache_create(&n->cache, model, n_slots, err);
    n->pos = slk_alloc((size_t)n_slots, sizeof *n->pos);
    n->top = (slk_top){.k = draws->top_k,
                       .ids = slk_alloc((size_t)draws->top_k, 4),
                       .logits = slk_alloc((size_t)draws->top_k, 4),
                       .target = -1};
    if (s == SLK_OK && (!n->pos || !n->top.ids || !n->top.logits)) s = slk_fail(err, SLK_E_MEMORY, "out of memory");
    if (s != SLK_OK) {
        slk_naive_free(n);
        return s;
    }
    for (int32_t i = 0; i < n_slots; i++) n->pos[i] = i;
    *out = n;
    return SLK_OK;
}

void slk_naive_free(slk_naive *n)
{
    if (!n) return;
    slk_cache_free(n->cache);
    free(n->pos), free(n->top.ids), free(n->top.logits);
    free(n);
}

/* Append tokens [n_tokens] behind n_before others and get the logits behind the last. */
static slk_status feed(slk_naive *n, int32_t n_before, const int32_t *tokens, int32_t n_tokens, slk_err *err)
{
    if (n_before + n_tokens > n->cache->n_slots) {
        return slk_fail(err, SLK_E_ARG, "text of more than %d tokens, the model's context", n->cache->n_slots);
    }
    slk_run whole = {0, n_before + n_tokens};
    slk_path path = {.row0 = 0, .n_rows = n_tokens, .pos0 = n_before, .runs = &whole, .n_runs = 1};
    slk_ask ask = {.row = n_tokens - 1, .top = &n->top};
    slk_batch batch = {.n_rows = n_tokens,
                       .tokens = tokens,
                       .pos = n->pos + n_before,
                       .slot = n->pos + n_before,
                       .paths = &path,
                       .n_paths = 1,
                       .asks = &ask,
                       .n_asks = 1};
    return slk_forward_run(n->forward, n->cache, &batch, err);
}

slk_status slk_naive_answer(slk_naive *n, slk_buf *text, uint64_t fact_id, uint16_t prompt_index, int draw,
                            const int32_t *prompt, int32_t n_prompt, slk_err *err)
{
    slk_status s = feed(n, 0, prompt, n_prompt, err);
    for (int step = 0; s == SLK_OK; step++) {
        int32_t token = slk_top_greedy(&n->top);
        if (draw >= 0) {
            slk_distribution_init(&n->distribution, &n->top, n->draws.temperature, n->draws.top_k);
            double u = slk_rng_uniform(n->draws.seed, SLK_PURPOSE_SAMPLE, fact_id, prompt_index, (uint32_t)draw,
                                       (uint32_t)step);
            token = slk_distribution_pick(&n->distribution, u);
        }
        if (slk_answer_add_token(text, n->model->tokenizer, token, step + 1, n->draws.n_max_tokens)) break;
        s = feed(n, n_prompt + step, &token, 1, err);
    }
    return s == SLK_OK && text->failed ? slk_fail(err, SLK_E_MEMORY, "out of memory") : s;
}

slk_status slk_naive_path_probability(slk_naive *n, double *p, const int32_t *prompt, int32_t n_prompt,
                                      const int32_t *gold, int n_gold, slk_err *err)
{
    *p = 0;
    if (n_gold < 1 || n_gold > n->draws.n_max_tokens) return SLK_OK;
    double product = 1;
    slk_buf text;
    slk_buf_init(&text);
    slk_status s = feed(n, 0, prompt, n_prompt, err);
    for (int i = 0; i < n_gold && s == SLK_OK; i++) {
        slk_distribution_init(&n->distribution, &n->top, n->draws.temperature, n->draws.top_k);
        product *= slk_distribution_probability(&n->distribution, gold[i]);
        if (i + 1 == n_gold) break;
        /* an answer that is over before the path is: no draw goes all the way */
        if (slk_answer_add_token(&text, n->model->tokenizer, gold[i], i + 1, n->draws.n_max_tokens)) product = 0;
        if (product == 0) break;
        s = feed(n, n_prompt + i, &gold[i], 1, err);
    }
    if (s == SLK_OK && text.failed) s = slk_fail(err, SLK_E_MEMORY, "out of memory");
    slk_buf_release(&text);
    *p = product;
    return s;
}
