#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "train/order.h"

struct slk_trainer {
    slk_params *params;
    slk_trainer_options options;
    slk_rate rate;
    slk_optimizer *optimizer;
    slk_backprop *backprop;
    slk_train_state state;
    slk_batches batches;
    slk_packed_rows packed;
    double *losses; /* of one micro-batch's targets */
    size_t cap_losses;
    double *loss_of;        /* [examples] sum over an example's targets; zero between micro-batches */
    double worst_loss;      /* of the examples of the step: mean over the targets of one */
    int64_t worst, bad;     /* which has it; the same after a failure, else -1 */
    int64_t n_tokens_epoch; /* of all examples */
    double saved_ms;        /* when the last checkpoint was written */
};

void slk_trainer_options_init(slk_trainer_options *o, bool lora)
{
    *o = (slk_trainer_options){.n_epochs = 50,
                               .batch = 128,
                               .decay = SLK_DECAY_CONSTANT,
                               .lr = lora ? 2e-4 : 1e-5,
                               .optimizer = {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .clip = 1},
                               .dropout = 0.05,
                               .max_rows = 4096,
                               .share = true,
                               .save_every_s = 600};
}

/* --- creation ------------------------------------------------------------------------------------------------------
 */

static slk_status create(slk_trainer *t, const slk_sequence *sequences, size_t n, slk_err *err)
{
    const slk_trainer_options *o = &t->options;
    const slk_backprop_options passes = {
        .dropout = o->dropout, .lora_dropout = o->lora_dropout, .seed = o->seed, .recompute = o->recompute};
    if (o->n_epochs < 1) return slk_fail(err, SLK_E_ARG, "%d epochs, expected one or more", o->n_epochs);
    slk_status s = slk_batches_init(&t->batches, sequences, n, o->seed, o->batch, o->max_rows, o->share, err);
    if (s != SLK_OK) return s;
    t->rate = (slk_rate){
        .decay = o->decay, .lr = o->lr, .n_warmup = o->n_warmup, .n_steps = (int64_t)t->batches.n_steps * o->n_epochs};
    t->loss_of = slk_alloc_zero(n, sizeof *t->loss_of);
    if (!t->loss_of) return slk_fail(err, SLK_E_MEMORY, "out of memory for %zu examples", n);
    s = slk_optimizer_create(&t->optimizer, t->params, &o->optimizer, err);
    if (s == SLK_OK && o->keep_best) s = slk_optimizer_make_room(t->optimizer, err);
    if (s == SLK_OK) s = slk_backprop_create(&t->backprop, t->params->model, t->params, &passes, err);
    return s;
}

slk_status slk_trainer_create(slk_trainer **out, slk_params *params, const slk_sequence *sequences, size_t n,
                              const slk_trainer_options *options, slk_err *err)
{
    *out = NULL;
    slk_trainer *t = slk_alloc_zero(1, sizeof *t);
    if (!t) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    t->params = params;
    t->options = *options;
    t->state.epoch = t->state.best_epoch = -1;
    t->bad = -1;
    slk_status s = create(t, sequences, n, err);
    if (s == SLK_OK)
        *out = t;
    else
        slk_trainer_free(t);
    return s;
}

void slk_trainer_free(slk_trainer *t)
{
    if (!t) return;
    slk_backprop_free(t->backprop);
    slk_optimizer_free(t->optimizer);
    slk_train_state_release(&t->state);
    slk_batches_release(&t->batches);
    slk_packed_rows_release(&t->packed);
    free(t->losses);
    free(t->loss_of);
    free(t);
}

/* Steps that the running epoch has. */
static size_t n_steps_to_do(const slk_trainer *t)
{
    return t->state.epoch < 0 ? 0 : t->batches.n_steps;
}

slk_status slk_trainer_resume(slk_trainer *t, const slk_checkpoint *checkpoint, slk_err *err)
{
    slk_train_state_release(&t->state);
    t->state.epoch = t->state.best_epoch = -1;
    slk_status s = slk_checkpoint_copy_state(&t->state, checkpoint, err);
    if (s != SLK_OK) return s;
    int64_t before = (int64_t)t->batches.n_steps * (t->state.epoch > 0 ? t->state.epoch : 0);
    if (t->state.n_steps > n_steps_to_do(t) || t->state.epoch > t->options.n_epochs ||
        t->state.step != before + (int64_t)t->state.n_steps)
        return slk_fail(err, SLK_E_STATE, "a checkpoint of epoch %d and step %lld, where an epoch has %zu steps",
                        t->state.epoch, (long long)t->state.step, t->batches.n_steps);
    return t->state.finished ? SLK_OK : slk_checkpoint_load(checkpoint, t->optimizer, err);
}

const slk_train_state *slk_trainer_get_state(const slk_trainer *t)
{
    return &t->state;
}

int64_t slk_trainer_bad_example(const slk_trainer *t)
{
    return t->bad;
}

const slk_backprop *slk_trainer_backprop(const slk_trainer *t)
{
    return t->backprop;
}

static slk_status checkpoint(slk_trainer *t, slk_err *err)
{
    t->saved_ms = slk_clock_ms();
    if (!t->options.state) return SLK_OK;
    slk_status s = slk_train_state_write(t->options.state, &t->state, t->options.settings,
                                         t->state.finished ? NULL : t->optimizer, err);
    t->saved_ms = slk_clock_ms();
    return s;
}

/* --- a step --------------------------------------------------------------------------------------------------------
 */

/* The step's example with the largest mean loss; one that is not finite is worse than any. */
static void find_worst(slk_trainer *t, const uint32_t *picks, size_t n)
{
    const slk_train_rows *rows = &t->packed.rows;
    for (int32_t i = 0; i < rows->n_targets; i++) t->loss_of[rows->targets[i].example] += t->losses[i];
    for (size_t i = 0; i < n; i++) {
        const slk_sequence *x = &t->batches.sequences[picks[i]];
        double loss = t->loss_of[picks[i]] / (x->n_tokens - x->n_prompt);
        t->loss_of[picks[i]] = 0;
        if (t->worst >= 0 && !(loss > t->worst_loss) && (isfinite(loss) || !isfinite(t->worst_loss))) continue;
        t->worst = picks[i];
        t->worst_loss = loss;
    }
}

/* Adds the gradient of micro-batch i, and its losses to *loss. */
static slk_status run_micro_batch(slk_trainer *t, size_t i, double weight, double *loss, slk_err *err)
{
    const slk_batches *b = &t->batches;
    const uint32_t *picks = b->picks + b->first[i];
    size_t n = b->first[i + 1] - b->first[i];
    slk_status s = slk_packed_rows_set(&t->packed, b->sequences, picks, n, b->share, err);
    if (s != SLK_OK) return s;
    size_t n_targets = (size_t)t->packed.rows.n_targets;
    if (!slk_grow(&t->losses, &t->cap_losses, n_targets, sizeof *t->losses))
        return slk_fail(err, SLK_E_MEMORY, "out of memory");
    s = slk_backprop_run(t->backprop, &t->packed.rows, (uint64_t)t->state.step, weight, t->losses, err);
    for (size_t k = 0; k < n_targets && s == SLK_OK; k++) *loss += t->losses[k];
    if (s == SLK_OK) find_worst(t, picks, n);
    return s;
}

typedef struct shown_number {
    char text[24];
} shown_number;

static shown_number show_number(double x)
{
    shown_number out;
    if (isnan(x)) /* whose sign says nothing */
        strcpy(out.text, "NaN");
    else
        snprintf(out.text, sizeof out.text, "%g", x);
    return out;
}

static slk_status check_finite(slk_trainer *t, const slk_step_record *r, slk_err *err)
{
    if (isfinite(r->loss) && isfinite(r->grad_norm)) return SLK_OK;
    t->bad = t->worst;
    bool is_loss = !isfinite(r->loss);
    return slk_fail(err, SLK_E_FORMAT,
                    "epoch %d, step %lld: the %s is %s; the worst example of the batch, number %lld, has a loss of %s "
                    "(a lower learning rate may help)",
                    t->state.epoch + 1, (long long)t->state.step + 1, is_loss ? "loss" : "gradient's norm",
                    show_number(is_loss ? r->loss : r->grad_norm).text, (long long)t->worst + 1,
                    show_number(t->worst_loss).text);
}

static slk_status run_step(slk_trainer *t, slk_err *err)
{
    slk_train_state *state = &t->state;
    slk_batches *b = &t->batches;
    double began = slk_clock_ms();
    slk_step_record record = {.lr = slk_rate_at(&t->rate, state->step)};
    slk_status s = slk_batches_set(b, state->epoch + 1, state->n_steps, err);
    if (s != SLK_OK) return s;
    t->worst = -1;
    slk_params_zero_grad(t->params);
    for (size_t i = 0; i < b->n_micro && s == SLK_OK && isfinite(record.loss); i++)
        s = run_micro_batch(t, i, 1.0 / (double)b->n_targets, &record.loss, err);
    if (s != SLK_OK) return s;
    record.loss /= (double)b->n_targets;
    record.grad_norm = isfinite(record.loss) ? slk_params_grad_norm(t->params) : 0;
    s = check_finite(t, &record, err);
    if (s == SLK_OK) s = slk_train_state_add_step(state, &record, err);
    if (s != SLK_OK) return s;
    slk_optimizer_step(t->optimizer, record.lr, record.grad_norm, ++state->step);
    state->n_tokens += b->n_tokens;
    state->ms += slk_clock_ms() - began;
    return SLK_OK;
}

/* --- an epoch ------------------------------------------------------------------------------------------------------
 */

static bool go_on(slk_trainer *t, const slk_progress *progress)
{
    char phase[64];
    snprintf(phase, sizeof phase, "epoch %d of %d", t->state.epoch + 1, t->options.n_epochs);
    return slk_progress_report(progress, phase, "tokens", (uint64_t)t->state.n_tokens, (uint64_t)t->n_tokens_epoch);
}

/* After a checkpoint, whose failure is the more important one. */
static slk_status interrupt(slk_trainer *t, slk_err *err)
{
    slk_status s = checkpoint(t, err);
    return s == SLK_OK ? slk_fail(err, SLK_E_INTERRUPTED, "stopped") : s;
}

static slk_status run_steps(slk_trainer *t, const slk_progress *progress, slk_err *err)
{
    size_t n = n_steps_to_do(t);
    if (t->state.n_steps < n && !go_on(t, progress)) return interrupt(t, err);
    while (t->state.n_steps < n) {
        slk_status s = run_step(t, err);
        if (s != SLK_OK) return s;
        if (!go_on(t, progress)) return interrupt(t, err);
        double due = t->saved_ms + 1e3 * t->options.save_every_s;
        if (t->options.save_every_s > 0 && t->state.n_steps < n && slk_clock_ms() >= due) s = checkpoint(t, err);
        if (s != SLK_OK) return s;
    }
    return SLK_OK;
}

static slk_epoch_report report_epoch(const slk_trainer *t)
{
    const slk_train_state *state = &t->state;
    slk_epoch_report r = {.epoch = state->epoch + 1,
                          .step = state->step,
                          .loss = NAN,
                          .steps = state->steps,
                          .n_steps = state->n_steps,
                          .tokens_per_s = NAN,
                          .score = NAN};
    if (r.epoch == 0) return r;
    r.loss = 0;
    for (size_t i = 0; i < r.n_steps; i++) r.loss += r.steps[i].loss;
    r.loss /= (double)r.n_steps;
    r.tokens_per_s = (double)state->n_tokens / fmax(state->ms, 1e-3) * 1e3;
    return r;
}

/* Is it the best, is it the last? */
static void judge(slk_trainer *t, slk_epoch_report *r)
{
    slk_train_state *state = &t->state;
    if (r->epoch > 0 && !isnan(r->score)) {
        r->is_best = state->best_epoch < 0 || r->score > state->best_score;
        state->n_no_better = r->is_best ? 0 : state->n_no_better + 1;
        if (r->is_best) state->best_epoch = r->epoch, state->best_score = r->score;
        if (r->is_best && t->options.keep_best) slk_optimizer_keep(t->optimizer);
    }
    r->is_last =
        r->epoch >= t->options.n_epochs || (t->options.patience > 0 && state->n_no_better >= t->options.patience);
}

/* Behind the last epoch back to the best one. */
static slk_status revisit(slk_trainer *t, const slk_trainer_hooks *h, const slk_epoch_report *last, slk_err *err)
{
    int32_t best = t->state.best_epoch;
    if (!t->options.keep_best || !h->revisit || best < 0 || best == last->epoch) return SLK_OK;
    slk_optimizer_exchange(t->optimizer);
    slk_status s = h->revisit(h->user, best, err);
    slk_optimizer_exchange(t->optimizer);
    return s;
}

static slk_status end_epoch(slk_trainer *t, const slk_trainer_hooks *h, slk_err *err)
{
    slk_epoch_report r = report_epoch(t);
    slk_status s = h->evaluate ? h->evaluate(h->user, &r, &r.score, err) : SLK_OK;
    if (s == SLK_E_INTERRUPTED && t->state.epoch >= 0) return interrupt(t, err);
    if (s != SLK_OK) return s;
    judge(t, &r);
    if (r.is_best && h->save) s = h->save(h->user, &r, true, err);
    if (s == SLK_OK && r.epoch > 0 && h->save) s = h->save(h->user, &r, false, err);
    if (s == SLK_OK && h->record) s = h->record(h->user, &r, err);
    if (s == SLK_OK && r.is_last) {
        s = revisit(t, h, &r, err);
        if (s == SLK_E_INTERRUPTED) return interrupt(t, err);
    }
    if (s != SLK_OK) return s;
    t->state.epoch++;
    t->state.n_steps = 0;
    t->state.n_tokens = 0;
    t->state.ms = 0;
    t->state.finished = r.is_last;
    bool is_due = slk_clock_ms() >= t->saved_ms + 1e3 * t->options.save_epoch_s;
    return r.is_last || is_due ? checkpoint(t, err) : SLK_OK;
}

slk_status slk_trainer_run(slk_trainer *t, const slk_trainer_hooks *hooks, slk_err *err)
{
    slk_status s = SLK_OK;
    t->saved_ms = slk_clock_ms();
    t->n_tokens_epoch = 0;
    for (size_t i = 0; i < t->batches.n; i++) t->n_tokens_epoch += t->batches.sequences[i].n_tokens;
    while (!t->state.finished && s == SLK_OK) {
        s = run_steps(t, hooks->progress, err);
        if (s == SLK_OK) s = end_epoch(t, hooks, err);
    }
    return s;
}
