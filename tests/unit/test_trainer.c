/* Training on a tiny model: sharing changes nothing but rounding, a stopped run ends with the bits of one that was not,
 * what is called when, losses that are not finite. */
#include "scratch.h"

#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "compute/backward.h"
#include "model/model.h"
#include "train/order.h"
#include "train/trainer.h"

#define TINY SLICK_TEST_DATA "/reference/tiny/"

enum { N_EXAMPLES = 23, N_VOCAB = 300, MAX_LEN = 12 };

/* --- examples: a common beginning, a few stems, then tokens of their own --------------------------------------------
 */

typedef struct examples {
    int32_t tokens[N_EXAMPLES][MAX_LEN];
    slk_sequence items[N_EXAMPLES];
} examples;

static void make_examples(examples *e)
{
    for (size_t i = 0; i < N_EXAMPLES; i++) {
        int32_t *t = e->tokens[i], n_prompt = 7 + (int32_t)(i % 3), n = n_prompt + 1 + (int32_t)(i % 3);
        for (int32_t k = 0; k < n; k++) {
            uint32_t own = (uint32_t)slk_rng_u64(1, SLK_PURPOSE_LIMIT, i, 0, 0, (uint32_t)k);
            t[k] = k < 4 ? 10 + k : k < 6 ? 20 + (int32_t)(i % 4) * 2 + k : (int32_t)(own % N_VOCAB);
        }
        t[n - 1] = 2;              /* the end */
        if (i == N_EXAMPLES - 1) { /* the same question as another, with another answer */
            memcpy(t, e->tokens[0], sizeof e->tokens[0]);
            n_prompt = e->items[0].n_prompt, n = e->items[0].n_tokens;
            t[n - 2] = 77;
        }
        e->items[i] = (slk_sequence){.key = 1000003 * (uint64_t)i, .tokens = t, .n_tokens = n, .n_prompt = n_prompt};
    }
}

/* --- models --------------------------------------------------------------------------------------------------------
 */

typedef struct kind {
    const char *name;
    int dtype;
    bool lora;
} kind;

static const slk_lora adapter = {
    .rank = 4, .alpha = 8, .targets = SLK_LORA_Q | SLK_LORA_V | SLK_LORA_O | SLK_LORA_UP, .dropout = 0.1, .seed = 5};

/* bf16 by the oracle where the processor does not multiply it. */
static slk_params *open_params(const kind *k)
{
    char path[512];
    slk_err err;
    slk_model *model;
    slk_params *params;
    slk_model_options options = {.compute = {.backend = SLK_BACKEND_DNNL, .dtype = k->dtype, .n_threads = 2},
                                 .trainable = true};
    snprintf(path, sizeof path, TINY "%s/model.gguf", k->name);
    slk_status s = slk_model_open(&model, path, &options, &err);
    options.compute.backend = SLK_BACKEND_REF;
    if (s == SLK_E_UNSUPPORTED) s = slk_model_open(&model, path, &options, &err);
    if (s != SLK_OK) fail_msg("%s", err.msg);
    if (slk_params_create(&params, model, 0, k->lora ? &adapter : NULL, &err) != SLK_OK) fail_msg("%s", err.msg);
    return params;
}

static void close_params(slk_params *params)
{
    slk_model *model = params->model;
    slk_params_free(params);
    slk_model_close(model);
}

/* All trained values, one behind the other; free() it. */
static float *copy_masters(const slk_params *params, size_t *n)
{
    float *all = NULL;
    size_t cap = 0;
    *n = 0;
    for (size_t i = 0; i < params->n; i++) {
        const slk_param *p = &params->items[i];
        size_t more = (size_t)(p->n_rows * p->n_cols);
        if (!p->grad) continue;
        assert_true(slk_grow(&all, &cap, *n + more, sizeof *all));
        memcpy(all + *n, p->master, more * sizeof *all);
        *n += more;
    }
    return all;
}

/* --- sharing -------------------------------------------------------------------------------------------------------
 */

typedef struct pass {
    double loss_of[N_EXAMPLES]; /* sums */
    float *grads;
    size_t n;
    int64_t n_rows;
} pass;

/* All examples in micro-batches of max_rows, in training. */
static pass run_pass(const kind *k, const examples *e, bool share, int64_t max_rows, bool recompute)
{
    slk_err err;
    slk_batches b;
    slk_backprop *backprop;
    slk_packed_rows packed = {0};
    slk_params *params = open_params(k);
    const slk_backprop_options options = {
        .dropout = 0.2, .lora_dropout = k->lora ? adapter.dropout : 0, .seed = 3, .recompute = recompute};
    pass out = {0};
    for (size_t i = 0; k->lora && i < params->n; i++) { /* B begins at zero, which would hide A's gradient */
        const slk_param *p = &params->items[i];
        for (int q = 0; q < p->n_parts; q++) {
            const slk_param_part *part = &p->parts[q];
            for (int64_t r = 0; r < part->n_rows; r++)
                for (int64_t c = 0; c < part->n_cols; c++)
                    p->master[(part->row + r) * p->n_cols + part->col + c] += (float)((r * 7 + c * 3) % 11 - 5) / 64;
        }
    }
    slk_params_publish(params, -1);
    assert_int_equal(slk_backprop_create(&backprop, params->model, params, &options, &err), SLK_OK);
    assert_int_equal(slk_batches_init(&b, e->items, N_EXAMPLES, 0, N_EXAMPLES, max_rows, share, &err), SLK_OK);
    assert_int_equal(slk_batches_set(&b, 1, 0, &err), SLK_OK);
    assert_int_equal(b.n_picks, N_EXAMPLES);
    for (size_t m = 0; m < b.n_micro; m++) {
        double losses[200];
        size_t n = b.first[m + 1] - b.first[m];
        assert_int_equal(slk_packed_rows_set(&packed, e->items, b.picks + b.first[m], n, share, &err), SLK_OK);
        assert_true(packed.rows.n_targets <= 200);
        if (slk_backprop_run(backprop, &packed.rows, 9, 1.0 / (double)b.n_targets, losses, &err) != SLK_OK)
            fail_msg("%s", err.msg);
        for (int32_t i = 0; i < packed.rows.n_targets; i++) out.loss_of[packed.rows.targets[i].example] += losses[i];
        out.n_rows += packed.rows.n_rows;
    }
    for (size_t i = 0; i < params->n; i++) /* copied as masters are */
        if (params->items[i].grad)
            memcpy(params->items[i].master, params->items[i].grad,
                   (size_t)(params->items[i].n_rows * params->items[i].n_cols) * sizeof(float));
    out.grads = copy_masters(params, &out.n);
    slk_packed_rows_release(&packed);
    slk_batches_release(&b);
    slk_backprop_free(backprop);
    close_params(params);
    return out;
}

static double largest_gap(const pass *a, const pass *b, double *loss_gap)
{
    double largest = 0, gap = 0;
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        largest = fmax(largest, fabs((double)a->grads[i]));
        if (!(fabs((double)a->grads[i] - (double)b->grads[i]) <= gap))
            gap = fabs((double)a->grads[i] - (double)b->grads[i]);
    }
    *loss_gap = 0;
    for (int i = 0; i < N_EXAMPLES; i++) {
        assert_true(a->loss_of[i] > 0);
        *loss_gap = fmax(*loss_gap, fabs(a->loss_of[i] - b->loss_of[i]) / a->loss_of[i]);
    }
    return gap / largest;
}

/* The referee: with dropout on, an example by itself has the loss that it has in the tree, and the gradients add up to
 * the same. Nor does it matter how a batch is cut. */
static void test_sharing(void **state)
{
    (void)state;
    static const kind kinds[] = {{"llama-gqa", SLK_DTYPE_F32, false},  {"gemma3", SLK_DTYPE_F32, false},
                                 {"gpt2", SLK_DTYPE_F32, false},       {"llama-gqa", SLK_DTYPE_F32, true},
                                 {"llama-gqa", SLK_DTYPE_BF16, false}, {"llama-gqa", SLK_DTYPE_BF16, true}};
    examples e;
    make_examples(&e);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        bool exact = kinds[i].dtype == SLK_DTYPE_F32;
        double loss_gap, bound = exact ? 1e-5 : 2e-2;
        pass shared = run_pass(&kinds[i], &e, true, 100000, false);
        const struct {
            bool share;
            int64_t max_rows;
            bool recompute;
        } ways[] = {{false, 100000, false}, {true, 30, false}, {false, 30, false}, {true, 1, false}, {true, 30, true}};
        pass kept = {0}; /* way 1, which way 4 computes once more: to the bit */
        for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
            pass other = run_pass(&kinds[i], &e, ways[w].share, ways[w].max_rows, ways[w].recompute);
            double gap = largest_gap(&shared, &other, &loss_gap);
            printf("%s %s%s, %s, micro-batches of %d: %d rows for %d, losses within %.1e, gradients within %.1e of the "
                   "largest\n",
                   kinds[i].name, exact ? "f32" : "bf16", kinds[i].lora ? " lora" : "",
                   ways[w].share ? "shared" : "apart", (int)ways[w].max_rows, (int)other.n_rows, (int)shared.n_rows,
                   loss_gap, gap);
            assert_true(gap <= bound && loss_gap <= bound);
            if (ways[w].recompute) assert_memory_equal(other.grads, kept.grads, kept.n * sizeof *kept.grads);
            assert_true(w == 4 || other.n_rows > shared.n_rows);
            if (w == 1)
                kept = other;
            else
                free(other.grads);
        }
        free(kept.grads);
        free(shared.grads);
    }
}

/* --- runs ----------------------------------------------------------------------------------------------------------
 */

/* What a run did, in letters: E evaluate, B save best, L save last, R record, V revisit, with the epoch behind. */
typedef struct run {
    slk_params *params;
    slk_trainer *trainer;
    slk_trainer_options options;
    json_t *settings;
    char calls[1024];
    double score[16]; /* of each epoch */
    slk_step_record steps[400];
    size_t n_steps;
    int n_reports, stop_at; /* progress reports; the one that asks for a stop (0: none) */
    char fail_at[8];        /* this call fails */
    float *best;            /* masters as they were when the best was saved last; NULL: none was */
    size_t n_best;
} run;

static slk_status called(run *r, const char *what, int32_t epoch, slk_err *err)
{
    char call[8];
    snprintf(call, sizeof call, "%s%d", what, epoch);
    if (*r->calls) strcat(r->calls, " ");
    strcat(r->calls, call);
    if (strcmp(r->fail_at, call) != 0) return SLK_OK;
    return slk_fail(err, *what == 'E' || *what == 'V' ? SLK_E_INTERRUPTED : SLK_E_IO, "no space");
}

static slk_status evaluate(void *user, const slk_epoch_report *report, double *score, slk_err *err)
{
    run *r = user;
    *score = r->score[report->epoch];
    return called(r, "E", report->epoch, err);
}

static slk_status save(void *user, const slk_epoch_report *report, bool best, slk_err *err)
{
    run *r = user;
    assert_true(best ? report->is_best : report->epoch > 0);
    if (best) {
        free(r->best);
        r->best = copy_masters(r->params, &r->n_best);
    }
    return called(user, best ? "B" : "L", report->epoch, err);
}

static slk_status record(void *user, const slk_epoch_report *report, slk_err *err)
{
    run *r = user;
    slk_status s = called(r, "R", report->epoch, err);
    if (s != SLK_OK) return s;
    double sum = 0;
    for (size_t i = 0; i < report->n_steps; i++) {
        sum += report->steps[i].loss;
        r->steps[r->n_steps++] = report->steps[i];
    }
    assert_int_equal(report->epoch == 0, isnan(report->loss));
    if (report->epoch > 0) {
        assert_true(report->loss == sum / (double)report->n_steps && report->tokens_per_s > 0);
        assert_int_equal(report->step, report->epoch * 3);
    }
    return s;
}

/* The model is the best one again, wherever that came from. */
static slk_status revisit(void *user, int32_t best_epoch, slk_err *err)
{
    run *r = user;
    size_t n;
    float *masters = copy_masters(r->params, &n);
    assert_non_null(r->best);
    assert_int_equal(n, r->n_best);
    assert_memory_equal(masters, r->best, n * sizeof *masters);
    free(masters);
    return called(user, "V", best_epoch, err);
}

static bool progress(void *user, const slk_progress_event *event)
{
    run *r = user;
    assert_true(event->n_done <= event->n_total);
    return ++r->n_reports != r->stop_at;
}

static void begin(run *r, const kind *k, const examples *e, int32_t n_epochs)
{
    slk_err err;
    *r = (run){.params = open_params(k)};
    slk_trainer_options_init(&r->options, k->lora);
    r->settings = json_pack("{s:i}", "epochs", n_epochs);
    r->options.n_epochs = n_epochs;
    r->options.batch = 8; /* 3 steps an epoch, the last of 7 examples */
    r->options.max_rows = 40;
    r->options.lr = k->lora ? 2e-2 : 2e-3;
    r->options.lora_dropout = k->lora ? adapter.dropout : 0;
    r->options.optimizer.decay = 0.01;
    r->options.decay = SLK_DECAY_COSINE;
    r->options.n_warmup = 2;
    r->options.seed = 4;
    r->options.settings = r->settings;
    for (int i = 0; i < 16; i++) r->score[i] = NAN;
    if (slk_trainer_create(&r->trainer, r->params, e->items, N_EXAMPLES, &r->options, &err) != SLK_OK)
        fail_msg("%s", err.msg);
}

static void begin_kept(run *r, const kind *k, const examples *e, int32_t n_epochs)
{
    static char path[128];
    slk_err err;
    begin(r, k, e, n_epochs);
    strcpy(path, scratch("state.safetensors"));
    slk_trainer_free(r->trainer);
    r->options.state = path;
    r->options.save_every_s = 1e-9; /* after each step */
    if (slk_trainer_create(&r->trainer, r->params, e->items, N_EXAMPLES, &r->options, &err) != SLK_OK)
        fail_msg("%s", err.msg);
}

static slk_status go(run *r, slk_err *err)
{
    const slk_progress listener = {progress, r};
    const slk_trainer_hooks hooks = {
        .user = r, .evaluate = evaluate, .save = save, .record = record, .revisit = revisit, .progress = &listener};
    *err = (slk_err){0};
    return slk_trainer_run(r->trainer, &hooks, err);
}

static void resume(run *r)
{
    slk_err err;
    slk_checkpoint *c;
    if (slk_checkpoint_open(&c, r->options.state, &err) != SLK_OK) fail_msg("%s", err.msg);
    if (slk_trainer_resume(r->trainer, c, &err) != SLK_OK) fail_msg("%s", err.msg);
    slk_checkpoint_close(c);
}

static void end(run *r)
{
    slk_trainer_free(r->trainer);
    close_params(r->params);
    json_decref(r->settings);
    free(r->best);
}

static void test_learning(void **state)
{
    (void)state;
    static const kind kinds[] = {{"llama-gqa", SLK_DTYPE_F32, false}, {"llama-gqa", SLK_DTYPE_BF16, true}};
    examples e;
    slk_err err;
    make_examples(&e);
    for (int i = 0; i < 2; i++) {
        run r;
        begin(&r, &kinds[i], &e, 15);
        if (go(&r, &err) != SLK_OK) fail_msg("%s", err.msg);
        assert_int_equal(r.n_steps, 45);
        printf("loss of the first step %.3f, of the last %.3f\n", r.steps[0].loss, r.steps[44].loss);
        assert_true(r.steps[0].loss > 4);
        assert_true(r.steps[44].loss < r.steps[0].loss * (kinds[i].lora ? 0.6 : 0.4));
        assert_true(r.steps[0].lr == r.options.lr / 2 && r.steps[1].lr == r.options.lr);
        assert_true(r.steps[44].lr > 0 && r.steps[44].lr < r.options.lr / 100);
        assert_null(strstr(r.calls, "B")); /* no score: there is no best one */
        assert_int_equal(slk_trainer_get_state(r.trainer)->best_epoch, -1);
        end(&r);
    }
}

static void test_calls(void **state)
{
    (void)state;
    static const kind k = {"llama-gqa", SLK_DTYPE_F32, false};
    static const struct {
        int32_t patience;
        double score[7];
        const char *calls;
        int32_t best;
    } cases[] = {
        {0, {0.9, 0.1, 0.2, 0.2, 0.1}, "E0 R0 E1 B1 L1 R1 E2 B2 L2 R2 E3 L3 R3 E4 L4 R4", 2},
        {2, {0, 0.3, 0.2, 0.3, 0.9}, "E0 R0 E1 B1 L1 R1 E2 L2 R2 E3 L3 R3", 1},
        {1, {0, 0.1, 0.2, 0.3, 0.4}, "E0 R0 E1 B1 L1 R1 E2 B2 L2 R2 E3 B3 L3 R3 E4 B4 L4 R4", 4},
        {2, {0, 0, 0, 0, 0}, "E0 R0 E1 B1 L1 R1 E2 L2 R2 E3 L3 R3", 1},
    };
    examples e;
    slk_err err;
    make_examples(&e);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run r;
        begin(&r, &k, &e, 4);
        slk_trainer_free(r.trainer);
        r.options.patience = cases[i].patience;
        assert_int_equal(slk_trainer_create(&r.trainer, r.params, e.items, N_EXAMPLES, &r.options, &err), SLK_OK);
        memcpy(r.score, cases[i].score, sizeof cases[i].score);
        if (go(&r, &err) != SLK_OK) fail_msg("%s", err.msg);
        assert_string_equal(r.calls, cases[i].calls);
        assert_int_equal(slk_trainer_get_state(r.trainer)->best_epoch, cases[i].best);
        assert_true(slk_trainer_get_state(r.trainer)->finished);
        end(&r);
    }
}

/* --- stopping and going on -----------------------------------------------------------------------------------------
 */

typedef struct result {
    float *masters;
    size_t n, n_steps;
    slk_step_record steps[400];
    char *calls;
} result;

static result result_of(const run *r)
{
    result out = {.n_steps = r->n_steps, .calls = slk_strdup(r->calls)};
    out.masters = copy_masters(r->params, &out.n);
    memcpy(out.steps, r->steps, sizeof out.steps);
    return out;
}

static void expect_same(const result *whole, const run *r)
{
    result other = result_of(r);
    assert_int_equal(other.n, whole->n);
    assert_int_equal(other.n_steps, whole->n_steps);
    assert_memory_equal(other.steps, whole->steps, whole->n_steps * sizeof *whole->steps);
    assert_memory_equal(other.masters, whole->masters, whole->n * sizeof *whole->masters);
    free(other.masters);
    free(other.calls);
}

/* Stopped at each progress report, in each evaluation, and by a failure of each call, then gone on with by a process
 * that knows the checkpoint alone. */
static void test_resume(void **state)
{
    (void)state;
    static const kind kinds[] = {
        {"llama-gqa", SLK_DTYPE_F32, false}, {"qwen3", SLK_DTYPE_BF16, false}, {"llama-gqa", SLK_DTYPE_BF16, true}};
    static const char *const failures[] = {"E1", "B1", "L1", "R1", "L2", "R2"};
    examples e;
    slk_err err;
    make_examples(&e);
    for (size_t k = 0; k < 3; k++) {
        run r;
        begin(&r, &kinds[k], &e, 2);
        r.score[1] = 0.5;
        if (go(&r, &err) != SLK_OK) fail_msg("%s", err.msg);
        assert_int_equal(r.n_reports, 8);
        result whole = result_of(&r);
        end(&r);
        for (int at = 1; at <= 8 + 6; at++) {
            run first, second;
            begin_kept(&first, &kinds[k], &e, 2);
            first.score[1] = 0.5;
            if (at <= 8)
                first.stop_at = at;
            else
                strcpy(first.fail_at, failures[at - 9]);
            slk_status s = go(&first, &err);
            assert_int_equal(s, at <= 9 ? SLK_E_INTERRUPTED : SLK_E_IO);
            begin_kept(&second, &kinds[k], &e, 2);
            second.score[1] = 0.5;
            /* what was recorded of epochs that the checkpoint does not know is taken back */
            resume(&second);
            int32_t epoch = slk_trainer_get_state(second.trainer)->epoch;
            second.n_steps = epoch > 0 ? 3 * (size_t)epoch : 0;
            assert_true(first.n_steps >= second.n_steps);
            memcpy(second.steps, first.steps, sizeof first.steps);
            if (at == 2 || at == 4) assert_int_equal(slk_trainer_get_state(second.trainer)->n_steps, at - 1);
            if (go(&second, &err) != SLK_OK) fail_msg("%s", err.msg);
            expect_same(&whole, &second);
            end(&first);
            end(&second);
        }
        free(whole.masters);
        free(whole.calls);
    }
    unlink(scratch("state.safetensors"));
}

static void begin_keeping(run *r, const kind *k, const examples *e)
{
    slk_err err;
    begin_kept(r, k, e, 4);
    slk_trainer_free(r->trainer);
    r->options.keep_best = true;
    if (slk_trainer_create(&r->trainer, r->params, e->items, N_EXAMPLES, &r->options, &err) != SLK_OK)
        fail_msg("%s", err.msg);
    for (int i = 0; i < 5; i++) r->score[i] = (double[]){0.9, 0.1, 0.3, 0.2, 0.1}[i];
}

/* Behind the last epoch the best one comes back, from memory and from a checkpoint; the run is none the worse. */
static void test_revisit(void **state)
{
    (void)state;
    static const kind kinds[] = {{"llama-gqa", SLK_DTYPE_F32, false}, {"llama-gqa", SLK_DTYPE_BF16, true}};
    static const char *const failures[] = {"E3", "R4", "V2"};
    examples e;
    slk_err err;
    make_examples(&e);
    for (size_t k = 0; k < 2; k++) {
        run r, without;
        begin_keeping(&r, &kinds[k], &e);
        begin(&without, &kinds[k], &e, 4);
        memcpy(without.score, r.score, sizeof r.score);
        assert_true(go(&r, &err) == SLK_OK && go(&without, &err) == SLK_OK);
        assert_string_equal(r.calls, "E0 R0 E1 B1 L1 R1 E2 B2 L2 R2 E3 L3 R3 E4 L4 R4 V2");
        assert_null(strstr(without.calls, "V"));
        result whole = result_of(&r);
        expect_same(&whole, &without);
        end(&without);
        for (int i = 0; i < 3; i++) {
            run first, second;
            begin_keeping(&first, &kinds[k], &e);
            strcpy(first.fail_at, failures[i]);
            assert_true(go(&first, &err) != SLK_OK);
            begin_keeping(&second, &kinds[k], &e);
            resume(&second);
            second.n_steps = 3 * (size_t)slk_trainer_get_state(second.trainer)->epoch;
            memcpy(second.steps, first.steps, sizeof first.steps);
            second.best = r.best, second.n_best = r.n_best; /* as it was where nothing happened */
            if (go(&second, &err) != SLK_OK) fail_msg("%s", err.msg);
            assert_non_null(strstr(second.calls, "V2"));
            expect_same(&whole, &second);
            second.best = NULL;
            end(&first);
            end(&second);
        }
        free(whole.masters);
        free(whole.calls);
        end(&r);
        /* the last epoch is the best: nothing to come back to */
        begin_keeping(&r, &kinds[k], &e);
        r.score[4] = 0.4;
        if (go(&r, &err) != SLK_OK) fail_msg("%s", err.msg);
        assert_null(strstr(r.calls, "V"));
        end(&r);
    }
    unlink(scratch("state.safetensors"));
}

/* A finished run's checkpoint is one, and other data is noticed. */
static void test_finished(void **state)
{
    (void)state;
    static const kind k = {"llama-gqa", SLK_DTYPE_F32, false};
    examples e;
    slk_err err;
    run r, again;
    make_examples(&e);
    begin_kept(&r, &k, &e, 1);
    if (go(&r, &err) != SLK_OK) fail_msg("%s", err.msg);
    begin_kept(&again, &k, &e, 1);
    resume(&again);
    assert_true(slk_trainer_get_state(again.trainer)->finished);
    if (go(&again, &err) != SLK_OK) fail_msg("%s", err.msg);
    assert_string_equal(again.calls, "");
    slk_trainer_free(again.trainer);
    assert_int_equal(slk_trainer_create(&again.trainer, again.params, e.items, 4, &again.options, &err), SLK_OK);
    slk_checkpoint *c;
    assert_int_equal(slk_checkpoint_open(&c, again.options.state, &err), SLK_OK);
    assert_int_equal(slk_trainer_resume(again.trainer, c, &err), SLK_E_STATE);
    slk_checkpoint_close(c);
    end(&r);
    end(&again);
    unlink(scratch("state.safetensors"));
}

/* The examples' places in the file do not matter, their keys do. */
static void test_order(void **state)
{
    (void)state;
    static const kind k = {"llama-gqa", SLK_DTYPE_F32, false};
    examples e, turned;
    slk_err err;
    run r, other;
    make_examples(&e);
    turned = e;
    for (int i = 0; i < N_EXAMPLES; i++) turned.items[i] = e.items[(i * 5 + 3) % N_EXAMPLES];
    begin(&r, &k, &e, 2);
    begin(&other, &k, &turned, 2);
    assert_true(go(&r, &err) == SLK_OK && go(&other, &err) == SLK_OK);
    result whole = result_of(&r);
    expect_same(&whole, &other);
    free(whole.masters), free(whole.calls);
    end(&r);
    end(&other);

    /* each example once an epoch, in another order each time */
    slk_batches b;
    uint32_t seen[3][N_EXAMPLES];
    assert_int_equal(slk_batches_init(&b, e.items, N_EXAMPLES, 7, 8, 1000, true, &err), SLK_OK);
    assert_int_equal(b.n_steps, 3);
    for (int32_t epoch = 1; epoch <= 3; epoch++) {
        bool found[N_EXAMPLES] = {false};
        size_t n = 0;
        for (size_t step = 0; step < 3; step++) {
            assert_int_equal(slk_batches_set(&b, epoch, step, &err), SLK_OK);
            assert_int_equal(b.n_picks, step < 2 ? 8 : 7);
            for (size_t i = 0; i < b.n_picks; i++) {
                assert_false(found[b.picks[i]]);
                found[b.picks[i]] = true;
                seen[epoch - 1][n++] = b.picks[i];
            }
        }
        assert_int_equal(n, N_EXAMPLES);
    }
    assert_memory_not_equal(seen[0], seen[1], sizeof seen[0]);
    assert_memory_not_equal(seen[1], seen[2], sizeof seen[0]);
    int64_t n_rows, n_targets;
    assert_int_equal(slk_batches_find_largest(&b, 3, &n_rows, &n_targets, &err), SLK_OK);
    assert_true(n_rows > 20 && n_rows < 80 && n_targets >= 16 && n_targets < 32);
    slk_batches_release(&b);
}

/* --- what is not finite --------------------------------------------------------------------------------------------
 */

static void test_not_finite(void **state)
{
    (void)state;
    static const kind k = {"llama-gqa", SLK_DTYPE_F32, false};
    examples e;
    slk_err err;
    run r;
    make_examples(&e);
    begin_kept(&r, &k, &e, 2);
    r.stop_at = 3; /* after two steps; then one value of one token's vector breaks */
    assert_int_equal(go(&r, &err), SLK_E_INTERRUPTED);
    size_t n;
    float *good = copy_masters(r.params, &n);
    const slk_sequence *broken = &e.items[13];
    const slk_param *embedding = &r.params->items[0];
    assert_string_equal(embedding->parts[0].name, "token_embd.weight");
    embedding->master[broken->tokens[6] * embedding->n_cols] = INFINITY;
    float *before = copy_masters(r.params, &n);
    slk_status s = go(&r, &err);
    assert_int_equal(s, SLK_E_FORMAT);
    printf("%s\n", err.msg);
    assert_non_null(strstr(err.msg, "epoch 1, step 3: "));
    float *after = copy_masters(r.params, &n);
    assert_memory_equal(before, after, n * sizeof *before); /* no update was made */
    assert_int_equal(slk_trainer_bad_example(r.trainer), broken - e.items);
    assert_non_null(strstr(err.msg, "the loss is NaN; the worst example of the batch, number 14, has a loss of NaN"));
    end(&r);
    begin_kept(&r, &k, &e, 2); /* the checkpoint is that of the two good steps */
    resume(&r);
    assert_int_equal(slk_trainer_get_state(r.trainer)->step, 2);
    free(after);
    after = copy_masters(r.params, &n);
    assert_memory_equal(good, after, n * sizeof *good);
    end(&r);
    free(good), free(before), free(after);
    unlink(scratch("state.safetensors"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sharing), cmocka_unit_test(test_learning),   cmocka_unit_test(test_calls),
        cmocka_unit_test(test_resume),  cmocka_unit_test(test_revisit),    cmocka_unit_test(test_finished),
        cmocka_unit_test(test_order),   cmocka_unit_test(test_not_finite),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
