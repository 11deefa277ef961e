#include "know/probe.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "infer/naive.h"
#include "model/model.h"

#define DEFAULT_BATCH_ROWS 512
/* Facts in flight at most: enough to fill any sensible batch, few enough that the worst case (every draw alive to the
 * token limit) has its address space reserved. */
#define MAX_IN_FLIGHT 64

/* A fact in flight. */
typedef struct job {
    const slk_fact *fact;
    slk_golds *golds;
    slk_label label;
    slk_verification *parts; /* [n_ex] one a prompt */
    slk_ids *gold;           /* [n_ex] */
    int n_left;              /* parts that are not finished */
} job;

/* The facts of one relation, by question, so that those with the most in common are in flight together. */
typedef struct relation {
    const slk_fact **facts; /* [n] */
    size_t n, n_started;
    slk_seg *stems; /* [n_ex] what all its prompts share, held while facts are begun; NULL before and after */
} relation;

typedef struct prober {
    const slk_model *model;
    const slk_exemplars *exemplars;
    const slk_probe_options *options;
    int n_ex;
    relation *relations;
    size_t n_relations, current;
    slk_forward *forward;
    slk_tree *tree;
    slk_schedule *schedule;
    slk_verifier *verifier;
    slk_naive *naive;
    int32_t n_slots;
    int32_t n_stem_slots; /* tokens of the stems that are held */
    int n_in_flight;
    job **jobs;            /* [MAX_IN_FLIGHT], NULL: free */
    const slk_fact **sets; /* [n_ex][n_shots] exemplars of sets_of */
    const slk_fact *sets_of;
    slk_buf prompt, text;
    slk_ids ids;
    slk_status (*on_label)(void *user, slk_label *label, slk_err *err);
    void *user;
    const slk_progress *progress;
    uint64_t n_done, n_total;
} prober;

static int judge_match(const void *golds, const char *text, size_t n_bytes)
{
    return slk_golds_match(golds, text, n_bytes);
}

static bool judge_alive(const void *golds, const char *text, size_t n_bytes)
{
    return slk_golds_alive(golds, text, n_bytes);
}

const slk_judge slk_golds_judge = {.match = judge_match, .alive = judge_alive};

/* --- prompts -------------------------------------------------------------------------------------------------------
 */

static slk_status out_of_memory(slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "out of memory");
}

slk_status slk_following_tokens(slk_ids *out, const slk_tokenizer *tokenizer, const char *prompt, size_t prompt_bytes,
                                const slk_ids *prompt_ids, const char *text, slk_err *err)
{
    slk_buf whole;
    slk_ids all = {0};
    slk_buf_init(&whole);
    slk_buf_add(&whole, prompt, prompt_bytes);
    slk_buf_add_str(&whole, text);
    slk_status s = whole.failed ? out_of_memory(err)
                                : slk_tokenizer_encode(tokenizer, whole.data, whole.len, SLK_ENCODE_BOS, &all, err);
    if (s == SLK_OK) {
        bool follows = all.n > prompt_ids->n &&
                       (prompt_ids->n == 0 || !memcmp(all.ids, prompt_ids->ids, prompt_ids->n * sizeof *all.ids));
        size_t first = follows ? prompt_ids->n : 0;
        if (!follows) {
            all.n = 0;
            s = slk_tokenizer_encode(tokenizer, text, strlen(text), 0, &all, err);
        }
        size_t n = all.n - first;
        if (s == SLK_OK && !slk_grow(&out->ids, &out->cap, out->n + n, sizeof *out->ids)) s = out_of_memory(err);
        if (s == SLK_OK) {
            memcpy(out->ids + out->n, all.ids + first, n * sizeof *all.ids);
            out->n += n;
        }
    }
    free(all.ids);
    slk_buf_release(&whole);
    return s;
}

slk_status slk_gold_tokens(slk_ids *out, const slk_tokenizer *tokenizer, const char *prompt, size_t prompt_bytes,
                           const slk_ids *prompt_ids, const char *answer, slk_err *err)
{
    slk_buf text;
    slk_buf_init(&text);
    slk_buf_addf(&text, " %s\n", answer);
    slk_status s = text.failed ? out_of_memory(err)
                               : slk_following_tokens(out, tokenizer, prompt, prompt_bytes, prompt_ids, text.data, err);
    slk_buf_release(&text);
    return s;
}

/* The text and the tokens of one prompt, into p->prompt and p->ids. */
static slk_status make_prompt(prober *p, const slk_fact *fact, int e, slk_err *err)
{
    slk_status s = SLK_OK;
    if (p->sets_of != fact) {
        p->sets_of = NULL;
        s = slk_exemplars_for(p->exemplars, fact, p->sets, err);
        if (s != SLK_OK) return s;
        p->sets_of = fact;
    }
    p->ids.n = 0;
    slk_buf_clear(&p->prompt);
    size_t n_shots = p->options->n_shots;
    slk_prompt_render(p->options->template, &p->prompt, p->sets + (size_t)e * n_shots, n_shots, fact->question);
    if (p->prompt.failed) return out_of_memory(err);
    s = slk_tokenizer_encode(p->model->tokenizer, p->prompt.data, p->prompt.len, SLK_ENCODE_BOS, &p->ids, err);
    if (s == SLK_OK && p->ids.n + (size_t)p->options->draws.n_max_tokens > (size_t)p->model->config.n_context) {
        s = slk_fail(err, SLK_E_ARG, "%s: the prompt of '%.80s' has %zu tokens, the model's context %d",
                     p->model->config.name, fact->question, p->ids.n, p->model->config.n_context);
    }
    return s;
}

/* Nothing could ever match: every spelling of the gold has a line break or, with the one that ends it, too many tokens.
 */
static slk_status is_unlabelable(const prober *p, const slk_fact *fact, bool *out, slk_err *err)
{
    *out = true;
    slk_status s = SLK_OK;
    slk_ids ids = {0};
    slk_buf text;
    slk_buf_init(&text);
    for (size_t i = 0; i < fact->n_answers + fact->n_aliases && *out && s == SLK_OK; i++) {
        const char *gold = i < fact->n_answers ? fact->answers[i] : fact->aliases[i - fact->n_answers];
        if (strchr(gold, '\n')) continue;
        ids.n = 0;
        slk_buf_clear(&text);
        slk_buf_addf(&text, " %s\n", gold);
        s = text.failed ? out_of_memory(err)
                        : slk_tokenizer_encode(p->model->tokenizer, text.data, text.len, 0, &ids, err);
        if (ids.n <= (size_t)p->options->draws.n_max_tokens) *out = false;
    }
    free(ids.ids);
    slk_buf_release(&text);
    return s;
}

/* --- jobs ----------------------------------------------------------------------------------------------------------
 */

static void free_job(job *j, int n_ex)
{
    if (!j) return;
    for (int e = 0; j->gold && e < n_ex; e++) free(j->gold[e].ids);
    for (int e = 0; j->parts && e < n_ex; e++) {
        for (size_t i = 0; i < j->parts[e].n_answers; i++) free(j->parts[e].answers[i].text);
        free(j->parts[e].answers);
    }
    free(j->gold);
    free(j->parts);
    slk_golds_free(j->golds);
    slk_label_release(&j->label);
    free(j);
}

static job *new_job(prober *p, const slk_fact *fact, slk_err *err, slk_status *status)
{
    size_t n_ex = (size_t)p->n_ex, n_samples = (size_t)p->options->draws.n_samples;
    job *j = slk_alloc_zero(1, sizeof *j);
    *status = SLK_E_MEMORY;
    if (j) {
        j->fact = fact;
        j->gold = slk_alloc_zero(n_ex, sizeof *j->gold);
        j->parts = slk_alloc_zero(n_ex, sizeof *j->parts);
        j->label = (slk_label){.fact_id = fact->id,
                               .n_ex = (uint16_t)n_ex,
                               .n_samples = (uint16_t)n_samples,
                               .greedy = slk_alloc_zero(n_ex, 1),
                               .sampled = slk_alloc_zero(n_ex * n_samples, 1),
                               .p_gold = slk_alloc_zero(n_ex, sizeof(double))};
    }
    if (!j || !j->gold || !j->parts || !j->label.greedy || !j->label.sampled || !j->label.p_gold) {
        free_job(j, p->n_ex);
        out_of_memory(err);
        return NULL;
    }
    *status = slk_golds_create(&j->golds, &p->options->match, fact, err);
    if (*status == SLK_OK) *status = is_unlabelable(p, fact, &j->label.unlabelable, err);
    for (int e = 0; e < p->n_ex && *status == SLK_OK; e++) {
        j->parts[e] = (slk_verification){.fact_id = fact->id,
                                         .prompt = (uint16_t)e,
                                         .golds = j->golds,
                                         .user = j,
                                         .sampled = j->label.sampled + (size_t)e * n_samples};
    }
    if (*status == SLK_OK) return j;
    free_job(j, p->n_ex);
    return NULL;
}

static int compare_answers(const void *left, const void *right)
{
    const slk_answer *x = left, *y = right;
    if (x->prompt != y->prompt) return x->prompt - y->prompt;
    return x->draw - y->draw;
}

/* All parts are there: gather them into the label and hand it over. */
static slk_status deliver(prober *p, job *j, slk_err *err)
{
    size_t n = 0;
    for (int e = 0; e < p->n_ex; e++) n += j->parts[e].n_answers;
    j->label.answers = slk_alloc(n, sizeof *j->label.answers);
    if (!j->label.answers) return out_of_memory(err);
    for (int e = 0; e < p->n_ex; e++) {
        slk_verification *v = &j->parts[e];
        j->label.greedy[e] = v->greedy;
        j->label.p_gold[e] = v->p_gold;
        if (v->n_answers) memcpy(j->label.answers + j->label.n_answers, v->answers, v->n_answers * sizeof *v->answers);
        j->label.n_answers += v->n_answers;
        v->n_answers = 0;
    }
    qsort(j->label.answers, j->label.n_answers, sizeof *j->label.answers, compare_answers);
    slk_status s = p->on_label(p->user, &j->label, err);
    p->n_done++;
    if (s == SLK_OK && !slk_progress_report(p->progress, "probe", "facts", p->n_done, p->n_total))
        s = slk_fail(err, SLK_E_INTERRUPTED, "stopped");
    return s;
}

/* --- the fast way --------------------------------------------------------------------------------------------------
 */

static void close_stems(prober *p, relation *r)
{
    for (int e = 0; r->stems && e < p->n_ex; e++) {
        if (r->stems[e] == SLK_SEG_NONE) continue;
        p->n_stem_slots -= slk_tree_position(p->tree, r->stems[e]);
        slk_tree_release(p->tree, r->stems[e]);
    }
    free(r->stems);
    r->stems = NULL;
}

static slk_status finish_job(prober *p, job *j, slk_err *err)
{
    slk_status s = deliver(p, j, err);
    for (int i = 0; i < MAX_IN_FLIGHT; i++) {
        if (p->jobs[i] == j) p->jobs[i] = NULL;
    }
    p->n_in_flight--;
    free_job(j, p->n_ex);
    return s;
}

static slk_status part_finished(void *user, slk_verification *v, slk_err *err)
{
    job *j = v->user;
    return --j->n_left == 0 ? finish_job(user, j, err) : SLK_OK;
}

/* Hold, for each prompt, the tokens that the first and the last question of the relation have in common (in the order
 * of their texts, so all have them, as text). */
static slk_status open_stems(prober *p, relation *r, slk_err *err)
{
    slk_ids first = {0};
    slk_status s = SLK_OK;
    r->stems = slk_alloc((size_t)p->n_ex, sizeof *r->stems);
    if (!r->stems) return out_of_memory(err);
    for (int e = 0; e < p->n_ex; e++) r->stems[e] = SLK_SEG_NONE;
    for (int e = 0; e < p->n_ex && s == SLK_OK && r->n > 1; e++) {
        s = make_prompt(p, r->facts[0], e, err);
        slk_ids swap = first;
        first = p->ids;
        p->ids = swap;
        if (s == SLK_OK) s = make_prompt(p, r->facts[r->n - 1], e, err);
        size_t n = 0;
        while (s == SLK_OK && n < first.n && n < p->ids.n && first.ids[n] == p->ids.ids[n]) n++;
        if (n > 0) s = slk_tree_insert(p->tree, SLK_SEG_NONE, first.ids, (int32_t)n, &r->stems[e], err);
        if (n > 0 && s == SLK_OK) p->n_stem_slots += (int32_t)n;
    }
    free(first.ids);
    return s;
}

static slk_status start_part(prober *p, job *j, int e, slk_err *err)
{
    slk_verification *v = &j->parts[e];
    slk_seg seg;
    slk_status s = make_prompt(p, j->fact, e, err);
    if (s == SLK_OK) {
        s = slk_gold_tokens(&j->gold[e], p->model->tokenizer, p->prompt.data, p->prompt.len, &p->ids,
                            j->fact->answers[0], err);
    }
    v->gold = j->gold[e].ids;
    v->n_gold = (int)j->gold[e].n;
    if (s == SLK_OK) s = slk_tree_insert(p->tree, SLK_SEG_NONE, p->ids.ids, (int32_t)p->ids.n, &seg, err);
    if (s == SLK_OK) s = slk_verifier_start(p->verifier, v, seg, err);
    return s;
}

static slk_status start_next(prober *p, slk_err *err)
{
    relation *r = &p->relations[p->current];
    slk_status s = r->stems ? SLK_OK : open_stems(p, r, err);
    if (s != SLK_OK) return s;
    job *j = new_job(p, r->facts[r->n_started++], err, &s);
    if (!j) return s;
    if (r->n_started == r->n) p->current++;
    p->n_in_flight++;
    for (int i = 0; i < MAX_IN_FLIGHT; i++) {
        if (p->jobs[i]) continue;
        p->jobs[i] = j;
        break;
    }
    j->n_left = p->n_ex;
    for (int e = 0; e < p->n_ex && s == SLK_OK && !j->label.unlabelable; e++) s = start_part(p, j, e, err);
    if (r->n_started == r->n) close_stems(p, r); /* what is in flight holds its own context */
    return s == SLK_OK && j->label.unlabelable ? finish_job(p, j, err) : s;
}

/* Tokens that are kept besides the stems: questions and answers in flight. Beyond one batch of them no fact is begun.
 */
static int32_t n_own_slots(const prober *p)
{
    return p->n_slots - slk_tree_n_free(p->tree) - p->n_stem_slots;
}

static slk_status run_fast(prober *p, slk_err *err)
{
    slk_status s = SLK_OK;
    while (s == SLK_OK && p->n_done < p->n_total) {
        while (s == SLK_OK && p->current < p->n_relations && p->n_in_flight < MAX_IN_FLIGHT &&
               slk_schedule_n_rows(p->schedule) < slk_schedule_batch_rows(p->schedule) &&
               (p->n_in_flight == 0 || n_own_slots(p) < slk_schedule_batch_rows(p->schedule))) {
            s = start_next(p, err);
        }
        if (s == SLK_OK && !slk_schedule_is_empty(p->schedule))
            s = slk_verifier_step(p->verifier, part_finished, p, err);
    }
    return s;
}

/* --- the naive way -------------------------------------------------------------------------------------------------
 */

static slk_status naive_part(prober *p, job *j, int e, slk_err *err)
{
    slk_verification *v = &j->parts[e];
    slk_status s = make_prompt(p, j->fact, e, err);
    if (s == SLK_OK)
        s = slk_gold_tokens(&j->gold[e], p->model->tokenizer, p->prompt.data, p->prompt.len, &p->ids,
                            j->fact->answers[0], err);
    if (s == SLK_OK) {
        s = slk_naive_path_probability(p->naive, &v->p_gold, p->ids.ids, (int32_t)p->ids.n, j->gold[e].ids,
                                       (int)j->gold[e].n, err);
    }
    for (int draw = -1; draw < p->options->draws.n_samples && s == SLK_OK; draw++) {
        slk_buf_clear(&p->text);
        s = slk_naive_answer(p->naive, &p->text, j->fact->id, (uint16_t)e, draw, p->ids.ids, (int32_t)p->ids.n, err);
        if (s != SLK_OK) break;
        const char *text = p->text.data ? p->text.data : "";
        int match = slk_golds_match(j->golds, text, p->text.len);
        char *own = slk_answer_text(text, p->text.len);
        if (match < 0 || !own || !slk_grow(&v->answers, &v->cap_answers, v->n_answers + 1, sizeof *v->answers)) {
            free(own);
            return out_of_memory(err);
        }
        v->answers[v->n_answers++] =
            (slk_answer){.text = own, .prompt = (uint16_t)e, .draw = (int16_t)draw, .match = match == 1};
        if (draw < 0)
            v->greedy = match == 1;
        else
            v->sampled[draw] = match == 1;
    }
    return s;
}

static slk_status run_naive(prober *p, slk_err *err)
{
    slk_status s = SLK_OK;
    for (size_t r = 0; r < p->n_relations && s == SLK_OK; r++) {
        for (size_t i = 0; i < p->relations[r].n && s == SLK_OK; i++) {
            job *j = new_job(p, p->relations[r].facts[i], err, &s);
            for (int e = 0; j && e < p->n_ex && s == SLK_OK && !j->label.unlabelable; e++) s = naive_part(p, j, e, err);
            if (j && s == SLK_OK) s = deliver(p, j, err);
            free_job(j, p->n_ex);
        }
    }
    return s;
}

/* --- set-up --------------------------------------------------------------------------------------------------------
 */

static int compare_facts(const void *left, const void *right)
{
    const slk_fact *x = *(const slk_fact *const *)left, *y = *(const slk_fact *const *)right;
    int order = strcmp(x->relation, y->relation);
    if (order == 0) order = strcmp(x->question, y->question);
    if (order == 0) order = (x->id > y->id) - (x->id < y->id);
    return order;
}

/* `sorted` [n] is reordered and stays the owner of what relations point to. */
static slk_status group(prober *p, const slk_fact **sorted, size_t n, slk_err *err)
{
    qsort(sorted, n, sizeof *sorted, compare_facts);
    size_t cap = 0;
    for (size_t i = 0; i < n; i++) {
        bool begins = i == 0 || strcmp(sorted[i]->relation, sorted[i - 1]->relation) != 0;
        if (begins) {
            if (!slk_grow(&p->relations, &cap, p->n_relations + 1, sizeof *p->relations)) return out_of_memory(err);
            p->relations[p->n_relations++] = (relation){.facts = sorted + i};
        }
        p->relations[p->n_relations - 1].n++;
    }
    return SLK_OK;
}

/* Slots for the worst case of all that may be in flight, every draw alive to the token limit; memory is touched as they
 * are used. */
static slk_status open_fast(prober *p, slk_err *err)
{
    const slk_draws *d = &p->options->draws;
    int32_t rows = p->options->n_batch_rows > 0 ? p->options->n_batch_rows : DEFAULT_BATCH_ROWS;
    int64_t slots =
        65536 + 8 * (int64_t)rows + (int64_t)MAX_IN_FLIGHT * p->n_ex * (int64_t)(d->n_samples + 1) * d->n_max_tokens;
    if (slots > INT32_MAX / 2) slots = INT32_MAX / 2;
    slk_status s = SLK_E_MEMORY;
    for (p->n_slots = (int32_t)slots; p->n_slots > 4096; p->n_slots /= 2) {
        s = slk_tree_create(&p->tree, p->model, p->forward, p->n_slots, err);
        if (s != SLK_E_MEMORY) break; /* not even the address space: try with less */
    }
    if (s == SLK_OK) s = slk_schedule_create(&p->schedule, p->tree, d->top_k, rows, err);
    if (s == SLK_OK) s = slk_verifier_create(&p->verifier, p->model, p->tree, p->schedule, &slk_golds_judge, d, err);
    p->jobs = slk_alloc_zero(MAX_IN_FLIGHT, sizeof *p->jobs);
    if (s == SLK_OK && !p->jobs) s = out_of_memory(err);
    return s;
}

static void close_prober(prober *p)
{
    slk_naive_free(p->naive);
    slk_verifier_free(p->verifier);
    slk_schedule_free(p->schedule);
    slk_tree_free(p->tree);
    slk_forward_free(p->forward);
    for (size_t i = 0; i < p->n_relations; i++) free(p->relations[i].stems);
    free(p->relations);
    for (int i = 0; p->jobs && i < MAX_IN_FLIGHT; i++) free_job(p->jobs[i], p->n_ex);
    free(p->jobs);
    free(p->ids.ids);
    free(p->sets);
    slk_buf_release(&p->prompt);
    slk_buf_release(&p->text);
}

static void fill_stats(const prober *p, double since_ms, slk_probe_stats *out)
{
    const slk_forward_stats *f = slk_forward_get_stats(p->forward);
    *out = (slk_probe_stats){.n_facts = p->n_done,
                             .n_rows = f->n_rows,
                             .n_logit_rows = f->n_logit_rows,
                             .n_batches = f->n_batches,
                             .wall_ms = slk_clock_ms() - since_ms,
                             .flop = slk_forward_flop(p->forward),
                             .matmul_ms = f->matmul_ms,
                             .attention_ms = f->attention_ms,
                             .rowwise_ms = f->rowwise_ms,
                             .logits_ms = f->logits_ms,
                             .top_ms = f->top_ms};
}

slk_status slk_probe_run(const slk_model *model, const slk_fact *const *facts, size_t n_facts,
                         const slk_exemplars *exemplars, const slk_probe_options *options,
                         slk_status (*on_label)(void *user, slk_label *label, slk_err *err), void *user,
                         const slk_progress *progress, slk_probe_stats *stats, slk_err *err)
{
    if (stats) *stats = (slk_probe_stats){0};
    if (n_facts == 0) return SLK_OK;
    double since = slk_clock_ms();
    prober p = {.model = model,
                .exemplars = exemplars,
                .options = options,
                .n_ex = (int)options->n_ex,
                .on_label = on_label,
                .user = user,
                .progress = progress,
                .n_total = n_facts};
    slk_buf_init(&p.prompt);
    slk_buf_init(&p.text);
    const slk_fact **sorted = slk_alloc(n_facts, sizeof *sorted);
    slk_status s = sorted ? SLK_OK : out_of_memory(err);
    if (s == SLK_OK) {
        memcpy(sorted, facts, n_facts * sizeof *sorted);
        s = group(&p, sorted, n_facts, err);
    }
    p.sets = slk_alloc((size_t)p.n_ex * options->n_shots, sizeof *p.sets);
    if (s == SLK_OK && !p.sets) s = out_of_memory(err);
    if (s == SLK_OK) s = slk_forward_create(&p.forward, model, err);
    if (s == SLK_OK)
        s = options->naive ? slk_naive_create(&p.naive, model, p.forward, &options->draws, err) : open_fast(&p, err);
    if (s == SLK_OK) s = options->naive ? run_naive(&p, err) : run_fast(&p, err);
    if (stats && p.forward) fill_stats(&p, since, stats);
    close_prober(&p);
    free(sorted);
    return s;
}
