#include "know/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "infer/verify.h"
#include "know/abstain.h"
#include "model/model.h"

#define DEFAULT_BATCH_ROWS 512

struct slk_evaluate_prompts {
    int32_t *tokens; /* of all of them */
    size_t n_tokens, cap_tokens;
    size_t *begin;    /* [n + 1] */
    size_t *order;    /* [n] by their tokens */
    size_t n_longest; /* tokens of the longest */
};

/* What the judge compares with. */
typedef struct asked {
    slk_golds *golds;
    const slk_golds *abstentions;
    bool wants_abstention; /* the fact's own answer is one */
} asked;

typedef struct job {
    asked asked;
    slk_verification v;
} job;

typedef struct evaluator {
    const slk_model *model;
    const slk_fact *const *facts;
    size_t n_facts, n_started, n_done;
    const slk_evaluate_options *options;
    slk_outcome *outcomes;
    slk_golds *abstentions;
    const slk_evaluate_prompts *prompts;
    job *jobs; /* [n_facts] golds only while in flight */
    size_t n_in_flight;
    slk_forward *forward;
    slk_tree *tree;
    int32_t n_slots;
    slk_seg held; /* the prompt that was begun last: the next one shares most with it */
    slk_schedule *schedule;
    slk_verifier *verifier;
    const slk_progress *progress;
} evaluator;

static slk_status out_of_memory(slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "out of memory");
}

/* --- prompts ------------------------------------------------------------------------------------------------------ */

static slk_status add_prompt(slk_evaluate_prompts *p, size_t i, const slk_ids *ids, const slk_model *model,
                             const char *question, slk_err *err)
{
    if (ids->n == 0) return slk_fail(err, SLK_E_ARG, "the prompt of '%.80s' has no tokens", question);
    if (ids->n + SLK_ANSWER_MAX_TOKENS > (size_t)model->config.n_context)
        return slk_fail(
            err, SLK_E_ARG,
            "the prompt of '%.80s' has %zu tokens and an answer up to %d, expected at most %d together, the "
            "context of %s",
            question, ids->n, SLK_ANSWER_MAX_TOKENS, model->config.n_context, model->config.name);
    if (!slk_grow(&p->tokens, &p->cap_tokens, p->n_tokens + ids->n, sizeof *p->tokens)) return out_of_memory(err);
    memcpy(p->tokens + p->n_tokens, ids->ids, ids->n * sizeof *ids->ids);
    p->n_tokens += ids->n;
    p->begin[i + 1] = p->n_tokens;
    if (ids->n > p->n_longest) p->n_longest = ids->n;
    return SLK_OK;
}

typedef struct sort_key {
    const int32_t *tokens; /* [n] */
    size_t n, index;
} sort_key;

static int compare_keys(const void *left, const void *right)
{
    const sort_key *x = left, *y = right;
    size_t k = 0;
    while (k < x->n && k < y->n && x->tokens[k] == y->tokens[k]) k++;
    if (k < x->n && k < y->n) return x->tokens[k] < y->tokens[k] ? -1 : 1;
    if (x->n != y->n) return x->n < y->n ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

/* Facts by their prompts' tokens: neighbours have most in common. */
static slk_status sort_prompts(slk_evaluate_prompts *p, size_t n, slk_err *err)
{
    sort_key *keys = slk_alloc(n, sizeof *keys);
    p->order = slk_alloc(n, sizeof *p->order);
    slk_status s = keys && p->order ? SLK_OK : out_of_memory(err);
    for (size_t i = 0; s == SLK_OK && i < n; i++)
        keys[i] = (sort_key){p->tokens + p->begin[i], p->begin[i + 1] - p->begin[i], i};
    if (s == SLK_OK) qsort(keys, n, sizeof *keys, compare_keys);
    for (size_t i = 0; s == SLK_OK && i < n; i++) p->order[i] = keys[i].index;
    free(keys);
    return s;
}

slk_status slk_evaluate_prompts_create(slk_evaluate_prompts **out, const slk_model *model, const slk_fact *const *facts,
                                       size_t n_facts, const slk_instruction *instruction, size_t *bad, slk_err *err)
{
    slk_ids ids = {0};
    slk_evaluate_prompts *p = slk_alloc_zero(1, sizeof *p);
    *out = NULL;
    if (p) p->begin = slk_alloc_zero(n_facts + 1, sizeof *p->begin);
    slk_status s = p && p->begin ? SLK_OK : out_of_memory(err);
    for (size_t i = 0; i < n_facts && s == SLK_OK; i++) {
        s = slk_instruction_encode_prompt(instruction, model->tokenizer, &ids, facts[i]->question, err);
        if (s == SLK_E_FORMAT) slk_fail_in(err, s, "the prompt of '%.80s'", facts[i]->question);
        if (s == SLK_OK) s = add_prompt(p, i, &ids, model, facts[i]->question, err);
        if (s != SLK_OK && bad) *bad = i;
    }
    free(ids.ids);
    if (s == SLK_OK) s = sort_prompts(p, n_facts, err);
    if (s == SLK_OK)
        *out = p;
    else
        slk_evaluate_prompts_free(p);
    return s;
}

void slk_evaluate_prompts_free(slk_evaluate_prompts *p)
{
    if (!p) return;
    free(p->tokens);
    free(p->begin);
    free(p->order);
    free(p);
}

slk_status slk_evaluate_check(const slk_model *model, const slk_fact *const *facts, size_t n_facts,
                              const slk_evaluate_options *options, size_t *bad, slk_err *err)
{
    slk_evaluate_prompts *p;
    slk_status s = slk_evaluate_prompts_create(&p, model, facts, n_facts, options->instruction, bad, err);
    slk_evaluate_prompts_free(p);
    return s;
}

/* --- judging ------------------------------------------------------------------------------------------------------ */

static int judge_match(const void *golds, const char *text, size_t n_bytes)
{
    const asked *a = golds;
    int match = slk_golds_match(a->golds, text, n_bytes);
    return match == 0 && a->wants_abstention ? slk_golds_match(a->abstentions, text, n_bytes) : match;
}

static bool judge_alive(const void *golds, const char *text, size_t n_bytes)
{
    const asked *a = golds;
    return slk_golds_alive(a->golds, text, n_bytes) || slk_golds_alive(a->abstentions, text, n_bytes);
}

static const slk_judge JUDGE = {.match = judge_match, .alive = judge_alive};

/* --- facts in flight ---------------------------------------------------------------------------------------------- */

static void release_job(job *j)
{
    slk_golds_free(j->asked.golds);
    for (size_t i = 0; i < j->v.n_answers; i++) free(j->v.answers[i].text);
    free(j->v.answers);
    *j = (job){0};
}

static slk_status finish_job(void *user, slk_verification *v, slk_err *err)
{
    evaluator *e = user;
    job *j = v->user;
    slk_outcome *o = &e->outcomes[j - e->jobs];
    o->matched = v->greedy;
    if (v->n_answers > 0) { /* else it was dropped: neither a match nor an abstention */
        const char *text = v->answers[0].text;
        int match = slk_golds_match(e->abstentions, text, strlen(text));
        if (match < 0) return out_of_memory(err);
        o->abstained = match == 1;
        if (e->options->texts) {
            o->text = v->answers[0].text;
            v->answers[0].text = NULL;
        }
    }
    release_job(j);
    e->n_in_flight--;
    e->n_done++;
    if (!slk_progress_report(e->progress, "eval", "facts", e->n_done, e->n_facts))
        return slk_fail(err, SLK_E_INTERRUPTED, "stopped");
    return SLK_OK;
}

static slk_status start_next(evaluator *e, slk_err *err)
{
    size_t i = e->prompts->order[e->n_started++];
    const slk_fact *fact = e->facts[i];
    const int32_t *tokens = e->prompts->tokens + e->prompts->begin[i];
    int32_t n = (int32_t)(e->prompts->begin[i + 1] - e->prompts->begin[i]);
    job *j = &e->jobs[i];
    int own = slk_abstention_matches(fact->answers[0], strlen(fact->answers[0]));
    if (own < 0) return out_of_memory(err);
    j->asked = (asked){.abstentions = e->abstentions, .wants_abstention = own == 1};
    j->v = (slk_verification){.fact_id = fact->id, .golds = &j->asked, .user = j};
    slk_seg seg;
    slk_status s = slk_golds_create(&j->asked.golds, &e->options->match, fact, err);
    if (s == SLK_OK) s = slk_tree_insert(e->tree, SLK_SEG_NONE, tokens, n, &seg, err);
    if (s != SLK_OK) return s;
    slk_tree_hold(e->tree, seg);
    slk_tree_release(e->tree, e->held);
    e->held = seg;
    e->n_in_flight++;
    return slk_verifier_start(e->verifier, &j->v, seg, err);
}

/* Is there room for one more in the worst case: it shares nothing, and every answer in flight gets as long as it can?
 * What is in use or waiting to be computed counts, with the prompt that is held. */
static bool has_room(const evaluator *e)
{
    int64_t used = (int64_t)e->n_slots - slk_tree_n_free(e->tree) + slk_schedule_n_rows(e->schedule);
    int64_t more = (int64_t)e->prompts->n_longest + (int64_t)(e->n_in_flight + 1) * SLK_ANSWER_MAX_TOKENS;
    return used + more <= e->n_slots;
}

static slk_status run(evaluator *e, slk_err *err)
{
    slk_status s = SLK_OK;
    while (s == SLK_OK && e->n_done < e->n_facts) {
        while (s == SLK_OK && e->n_started < e->n_facts &&
               slk_schedule_n_rows(e->schedule) < slk_schedule_batch_rows(e->schedule)) {
            if (!has_room(e)) {
                if (e->n_in_flight > 0) break;
                slk_tree_release(e->tree, e->held); /* with all that hangs together with it */
                e->held = SLK_SEG_NONE;
            }
            s = start_next(e, err);
        }
        if (s == SLK_OK) s = slk_verifier_step(e->verifier, finish_job, e, err);
    }
    return s;
}

/* --- set-up ------------------------------------------------------------------------------------------------------- */

static slk_status open_evaluator(evaluator *e, slk_err *err)
{
    const slk_draws draws = {.temperature = 1,
                             .top_k = 1,
                             .n_max_tokens = SLK_ANSWER_MAX_TOKENS,
                             .decode = e->options->texts ? SLK_DECODE_GREEDY : SLK_DECODE_NONE};
    int32_t rows = e->options->n_batch_rows > 0 ? e->options->n_batch_rows : DEFAULT_BATCH_ROWS;
    /* A batch of last tokens is at most `rows` answers in flight; but most end or are dropped after a few tokens. */
    int64_t slots = 32 * (int64_t)rows + 2 * (int64_t)e->prompts->n_longest + 2 * SLK_ANSWER_MAX_TOKENS;
    e->n_slots = slots > INT32_MAX / 2 ? INT32_MAX / 2 : (int32_t)slots;
    slk_status s = slk_abstentions_create(&e->abstentions, err);
    if (s == SLK_OK) s = slk_forward_create(&e->forward, e->model, err);
    if (s == SLK_OK) s = slk_tree_create(&e->tree, e->model, e->forward, e->n_slots, err);
    if (s == SLK_OK) s = slk_schedule_create(&e->schedule, e->tree, draws.top_k, rows, err);
    if (s == SLK_OK) s = slk_verifier_create(&e->verifier, e->model, e->tree, e->schedule, &JUDGE, &draws, err);
    e->jobs = slk_alloc_zero(e->n_facts, sizeof *e->jobs);
    if (s == SLK_OK && !e->jobs) s = out_of_memory(err);
    return s;
}

static void close_evaluator(evaluator *e)
{
    for (size_t i = 0; e->jobs && i < e->n_facts; i++) release_job(&e->jobs[i]);
    slk_verifier_free(e->verifier);
    slk_schedule_free(e->schedule);
    slk_tree_free(e->tree);
    slk_forward_free(e->forward);
    slk_golds_free(e->abstentions);
    free(e->jobs);
}

void slk_outcomes_release(slk_outcome *outcomes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(outcomes[i].text);
        outcomes[i] = (slk_outcome){0};
    }
}

slk_status slk_evaluate_run(const slk_model *model, const slk_fact *const *facts, size_t n_facts,
                            const slk_evaluate_options *options, slk_outcome *outcomes, const slk_progress *progress,
                            slk_evaluate_stats *stats, slk_err *err)
{
    if (stats) *stats = (slk_evaluate_stats){0};
    if (n_facts == 0) return SLK_OK;
    double since = slk_clock_ms();
    memset(outcomes, 0, n_facts * sizeof *outcomes);
    evaluator e = {.model = model,
                   .facts = facts,
                   .n_facts = n_facts,
                   .options = options,
                   .outcomes = outcomes,
                   .prompts = options->prompts,
                   .held = SLK_SEG_NONE,
                   .progress = progress};
    slk_evaluate_prompts *own = NULL;
    slk_status s = SLK_OK;
    if (!e.prompts) {
        s = slk_evaluate_prompts_create(&own, model, facts, n_facts, options->instruction, NULL, err);
        e.prompts = own;
    }
    if (s == SLK_OK) s = open_evaluator(&e, err);
    if (s == SLK_OK) s = run(&e, err);
    if (s == SLK_OK && stats) {
        const slk_forward_stats *f = slk_forward_get_stats(e.forward);
        *stats = (slk_evaluate_stats){.n_facts = n_facts,
                                      .n_rows = f->n_rows,
                                      .n_logit_rows = f->n_logit_rows,
                                      .n_batches = f->n_batches,
                                      .n_prompt_tokens = e.prompts->n_tokens,
                                      .wall_ms = slk_clock_ms() - since,
                                      .flop = slk_forward_flop(e.forward)};
    }
    close_evaluator(&e);
    slk_evaluate_prompts_free(own);
    if (s != SLK_OK) slk_outcomes_release(outcomes, n_facts);
    return s;
}

/* --- counting ----------------------------------------------------------------------------------------------------- */

void slk_tally_add(slk_tally *t, const slk_outcome *o)
{
    t->n++;
    t->n_right += o->matched;
    t->n_answered += !o->abstained;
    t->n_right_answered += o->matched && !o->abstained;
}

slk_tally slk_tally_sum(slk_tally a, slk_tally b)
{
    return (slk_tally){.n = a.n + b.n,
                       .n_right = a.n_right + b.n_right,
                       .n_answered = a.n_answered + b.n_answered,
                       .n_right_answered = a.n_right_answered + b.n_right_answered};
}

static double share(size_t n, size_t of)
{
    return of > 0 ? (double)n / (double)of : NAN;
}

double slk_tally_accuracy(const slk_tally *t)
{
    return share(t->n_right, t->n);
}

double slk_tally_answered_accuracy(const slk_tally *t)
{
    return share(t->n_right_answered, t->n_answered);
}

double slk_tally_answered(const slk_tally *t)
{
    return share(t->n_answered, t->n);
}
