/* slick bench train: whole optimiser steps, as `slick train` does them. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "compute/bench.h"
#include "data/import.h"
#include "engine.h"
#include "know/instruction.h"
#include "model/backprop.h"
#include "store_common.h"
#include "train/batch.h"
#include "train/optimizer.h"

/* Questions of a relation that are taken, the first ones of its training split. */
#define N_OF_RELATION 500

typedef struct examples {
    slk_sequence *items;
    size_t n, cap;
} examples;

static void release(examples *e)
{
    for (size_t i = 0; i < e->n; i++) free((void *)(uintptr_t)e->items[i].tokens);
    free(e->items);
}

static slk_status add_example(examples *e, const slk_model *m, const slk_instruction *instruction, const slk_fact *fact,
                              slk_err *err)
{
    slk_ids prompt = {0}, answer = {0};
    slk_status s = slk_instruction_encode(instruction, m->tokenizer, m->config.n_context, &prompt, &answer,
                                          fact->question, fact->answers[0], err);
    size_t n = prompt.n + answer.n;
    int32_t *tokens = s == SLK_OK ? slk_alloc(n, sizeof *tokens) : NULL;
    if (s == SLK_OK && (!tokens || !slk_grow(&e->items, &e->cap, e->n + 1, sizeof *e->items))) {
        free(tokens);
        s = slk_fail(err, SLK_E_MEMORY, "out of memory");
    }
    if (s == SLK_OK) {
        memcpy(tokens, prompt.ids, prompt.n * sizeof *tokens);
        memcpy(tokens + prompt.n, answer.ids, answer.n * sizeof *tokens);
        e->items[e->n++] =
            (slk_sequence){.key = fact->id, .tokens = tokens, .n_tokens = (int32_t)n, .n_prompt = (int32_t)prompt.n};
    }
    free(prompt.ids);
    free(answer.ids);
    return s;
}

static int by_key(const void *a, const void *b)
{
    const slk_sequence *x = a, *y = b;
    return x->key < y->key ? -1 : x->key > y->key;
}

/* The first questions of each relation's training split, in an order that has nothing to do with them: by identity. */
static slk_status load_examples(examples *e, const slk_model *m, const slk_list *relations, slk_err *err)
{
    static const char *const DEFAULT[] = {"P17", "P19", "P36", "P131", "P26", "P69"};
    slk_filter_options filters = {.relations = DEFAULT, .n_relations = 6};
    if (relations->n > 0) filters.relations = (const char *const *)relations->items, filters.n_relations = relations->n;
    slk_import_report imported = {0};
    slk_instruction *instruction = NULL;
    slk_facts all = {0};
    char *path = NULL;
    size_t n_taken[64] = {0};
    slk_status s = slk_cli_find_entityquestions(&path, err);
    if (s == SLK_OK) s = slk_import_entityquestions(&all, &imported, path, &filters, err);
    if (s == SLK_OK) s = slk_instruction_create(&instruction, err);
    for (size_t i = 0; i < all.n && s == SLK_OK; i++) {
        size_t k = 0;
        while (k < filters.n_relations && strcmp(filters.relations[k], all.items[i].relation) != 0) k++;
        if (k >= 64 || all.items[i].split != SLK_SPLIT_TRAIN || n_taken[k]++ >= N_OF_RELATION) continue;
        s = add_example(e, m, instruction, &all.items[i], err);
    }
    if (s == SLK_OK && e->n > 0) qsort(e->items, e->n, sizeof *e->items, by_key);
    slk_instruction_free(instruction);
    slk_import_report_release(&imported);
    slk_facts_release(&all);
    free(path);
    return s;
}

typedef struct work {
    slk_model *model;
    slk_params *params;
    slk_backprop *backprop;
    slk_optimizer *optimizer;
    slk_packed_rows packed;
    double optimizer_ms;
    uint64_t n_tokens;
    int64_t n_micro;
} work;

/* Step t (from 0) on picks [n]. */
static slk_status train_step(work *w, const examples *e, const uint32_t *picks, size_t n, bool share, int64_t t,
                             slk_err *err)
{
    slk_status s = slk_packed_rows_set(&w->packed, e->items, picks, n, share, err);
    if (s != SLK_OK) return s;
    double *losses = slk_alloc((size_t)w->packed.rows.n_targets, sizeof *losses);
    if (!losses) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    double clock = slk_clock_ms();
    slk_params_zero_grad(w->params);
    w->optimizer_ms += slk_clock_ms() - clock;
    s = slk_backprop_run(w->backprop, &w->packed.rows, (uint64_t)t, 1.0 / w->packed.rows.n_targets, losses, err);
    clock = slk_clock_ms();
    if (s == SLK_OK) slk_optimizer_step(w->optimizer, 1e-5, slk_params_grad_norm(w->params), t + 1);
    w->optimizer_ms += slk_clock_ms() - clock;
    w->n_tokens += (uint64_t)w->packed.n_tokens;
    free(losses);
    return s;
}

static int by_rank(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return x[0] < y[0] ? -1 : x[0] > y[0];
}

/* Batch number t of the examples in order, as numbers by ascending rank. */
static void pick(uint32_t *picks, uint32_t (*pairs)[2], const uint32_t *rank, size_t n_examples, size_t batch, size_t t)
{
    for (size_t i = 0; i < batch; i++) {
        uint32_t k = (uint32_t)((t * batch + i) % n_examples);
        pairs[i][0] = rank[k];
        pairs[i][1] = k;
    }
    qsort(pairs, batch, sizeof *pairs, by_rank);
    for (size_t i = 0; i < batch; i++) picks[i] = pairs[i][1];
}

static void tell(slk_bench_report *r, const work *w, const slk_bench_train_options *o, double ms, double flop,
                 const slk_backprop_stats *since)
{
    const slk_backprop_stats *s = slk_backprop_get_stats(w->backprop);
    char what[96];
    double steps = (double)o->steps;
    snprintf(what, sizeof what, "full fine-tuning, batches of %lld%s", (long long)o->batch,
             o->share ? "" : ", nothing shared");
    slk_bench_add(r, what, "train", (double)w->n_tokens / ms * 1e3, "tokens/s", flop / ms / 1e6);
    slk_bench_add(r, "  rows of the tree a step", "train_rows", (double)(s->n_rows - since->n_rows) / steps, "rows", 0);
    slk_bench_add(r, "  tokens of the examples a step", "train_tokens", (double)w->n_tokens / steps, "tokens", 0);
    slk_bench_add(r, "  rows of logits a step", "train_logit_rows",
                  (double)(s->n_logit_rows - since->n_logit_rows) / steps, "rows", 0);
    double parts[] = {s->matmul_ms - since->matmul_ms, s->attention_ms - since->attention_ms,
                      s->logits_ms - since->logits_ms, s->rowwise_ms - since->rowwise_ms, w->optimizer_ms};
    static const char *const NAMES[] = {"  time in products", "  in attention", "  in logits and loss",
                                        "  in norms, rotation, activation, dropout", "  in the optimiser"};
    static const char *const KEYS[] = {"train_share_matmul", "train_share_attention", "train_share_logits",
                                       "train_share_rowwise", "train_share_optimizer"};
    double rest = ms;
    for (int i = 0; i < 5; i++) {
        slk_bench_add(r, NAMES[i], KEYS[i], 100 * parts[i] / ms, "%", 0);
        rest -= parts[i];
    }
    slk_bench_add(r, "  in all else", "train_share_rest", 100 * rest / ms, "%", 0);
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        slk_bench_add(r, "  peak memory of this process", "train_memory", (double)usage.ru_maxrss / 1024, "MiB", 0);
}

static slk_status measure(slk_bench_report *r, work *w, const examples *e, const slk_bench_train_options *o,
                          slk_err *err)
{
    size_t batch = (size_t)o->batch;
    uint32_t *rank = slk_alloc(e->n, sizeof *rank), *picks = slk_alloc(batch, sizeof *picks);
    uint32_t(*pairs)[2] = slk_alloc(batch, sizeof *pairs);
    slk_status s = rank && picks && pairs ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory");
    if (s == SLK_OK) s = slk_sequences_rank(rank, e->items, e->n, err);
    double begin = 0, flop = 0;
    slk_backprop_stats since = {0};
    for (int64_t t = 0; t <= o->steps && s == SLK_OK; t++) {
        if (t == 1) { /* the first made the library's primitives */
            begin = slk_clock_ms();
            flop = slk_backprop_flop(w->backprop);
            since = *slk_backprop_get_stats(w->backprop);
            w->optimizer_ms = 0;
            w->n_tokens = 0;
        }
        pick(picks, pairs, rank, e->n, batch, (size_t)t);
        s = train_step(w, e, picks, batch, o->share, t, err);
        if (s == SLK_OK &&
            !slk_progress_report(slk_cli_progress(r->cli), "train", "steps", (uint64_t)t + 1, (uint64_t)o->steps + 1))
            s = slk_fail(err, SLK_E_INTERRUPTED, "stopped");
    }
    double ms = slk_clock_ms() - begin;
    if (s == SLK_OK) tell(r, w, o, ms, slk_backprop_flop(w->backprop) - flop, &since);
    free(rank);
    free(picks);
    free(pairs);
    return s;
}

slk_status slk_bench_train(slk_bench_report *r, const char *path, const slk_bench_train_options *o, slk_err *err)
{
    work w = {0};
    examples e = {0};
    const slk_backprop_options backprop = {.dropout = 0.05};
    const slk_optimizer_options adamw = {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .clip = 1};
    slk_status s = slk_cli_load_trainable(&w.model, r->cli, path, err);
    if (s == SLK_OK && r->peak == 0) {
        s = slk_compute_bench_gemm(w.model->compute, &r->peak, err);
        if (s == SLK_OK) slk_bench_add(r, "this model's products at their peak", "peak", r->peak, "GFLOP/s", r->peak);
    }
    if (s == SLK_OK) s = load_examples(&e, w.model, o->relations, err);
    if (s == SLK_OK && e.n < (size_t)o->batch)
        s = slk_fail(err, SLK_E_ARG, "--batch %lld: these relations have %zu training questions here",
                     (long long)o->batch, e.n);
    if (s == SLK_OK) s = slk_params_create(&w.params, w.model, 0, NULL, err);
    if (s == SLK_OK) s = slk_backprop_create(&w.backprop, w.model, w.params, &backprop, err);
    if (s == SLK_OK) s = slk_optimizer_create(&w.optimizer, w.params, &adamw, err);
    if (s == SLK_OK) s = measure(r, &w, &e, o, err);
    slk_packed_rows_release(&w.packed);
    slk_optimizer_free(w.optimizer);
    slk_backprop_free(w.backprop);
    slk_params_free(w.params);
    slk_model_close(w.model);
    release(&e);
    return s;
}
