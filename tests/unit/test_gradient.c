/* The gradients of compute/backward.h are the derivatives of the operations of compute/compute.h: the oracle's against
 * differences of the oracle's operations, every input by itself. (test_backward.c holds the vector kernels against the
 * oracle.)
 *
 * The loss of a case is the sum of the operation's outputs, each times a fixed number; the derivative is taken from
 * four values of it, (8 (f(x+h) - f(x-h)) - (f(x+2h) - f(x-2h))) / 12h, which is exact up to the fifth derivative: so h
 * may be so large that the outputs' rounding to f32 does not show. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "backward_tree.h"
#include "compute/backward.h"
#include "compute_inputs.h"

#define STEP      0.03125
#define TOLERANCE 3e-5

static slk_compute *ref;

/* Steps to either side must be exact: few bits. */
static float *input(uint32_t stream, size_t n, float scale)
{
    float *x = make(SLK_DTYPE_F32, stream, 0, n, scale);
    for (size_t i = 0; i < n; i++) x[i] = roundf(x[i] * 4096) / 4096;
    return x;
}

typedef double (*loss_function)(const void *context);

static double value_at(loss_function loss, const void *context, float *x, double at)
{
    float before = *x;
    *x = (float)at;
    double value = loss(context);
    *x = before;
    return value;
}

/* gradient [n] against differences of the loss when x [n] changes. */
static void check_gradient(const char *name, loss_function loss, const void *context, float *x, size_t n,
                           const float *gradient)
{
    double square = 0;
    for (size_t i = 0; i < n; i++) square += (double)gradient[i] * gradient[i];
    double scale = sqrt(square / (double)n);
    assert_true(scale > 0);
    for (size_t i = 0; i < n; i++) {
        double near = value_at(loss, context, &x[i], x[i] + STEP) - value_at(loss, context, &x[i], x[i] - STEP);
        double far = value_at(loss, context, &x[i], x[i] + 2 * STEP) - value_at(loss, context, &x[i], x[i] - 2 * STEP);
        double expected = (8 * near - far) / (12 * STEP);
        double difference = fabs(gradient[i] - expected) / (fabs(expected) + scale);
        if (!(difference <= TOLERANCE))
            fail_msg("%s: value %zu: gradient %.9g, difference of losses %.9g (%g)", name, i, gradient[i], expected,
                     difference);
    }
}

static double weigh(const float *weights, const float *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)weights[i] * y[i];
    return sum;
}

/* --- products
 * --------------------------------------------------------------------------------------------------------- */

enum { ROWS = 7, IN = 5, OUT = 6 };

typedef struct product {
    float *x, *w, *bias, *dy, y[ROWS * OUT];
} product;

static double product_loss(const void *context)
{
    const product *p = context;
    float y[ROWS * OUT];
    slk_weight w = {.data = p->w, .n_out = OUT, .n_in = IN, .bias = p->bias};
    assert_int_equal(slk_compute_matmul(ref, y, SLK_DTYPE_F32, OUT, p->x, IN, &w, ROWS, false, NULL), 0);
    return weigh(p->dy, y, ROWS * OUT);
}

static void test_products(void **state)
{
    (void)state;
    product p = {input(1, ROWS * IN, 1), input(2, OUT * IN, 1), input(3, OUT, 1), input(4, ROWS * OUT, 1), {0}};
    float y[ROWS * OUT], dx[ROWS * IN], dw[OUT * IN] = {0}, dbias[OUT] = {0};
    slk_product forward = {.n_rows = ROWS, .n_cols = OUT, .n_inner = IN, .b_transposed = true, .bias = p.bias};
    slk_product back_x = {.n_rows = ROWS, .n_cols = IN, .n_inner = OUT};
    slk_product back_w = {.n_rows = OUT, .n_cols = IN, .n_inner = ROWS, .a_transposed = true, .accumulate = true};
    slk_weight w = {.data = p.w, .n_out = OUT, .n_in = IN, .bias = p.bias};
    assert_int_equal(slk_compute_matmul(ref, p.y, SLK_DTYPE_F32, OUT, p.x, IN, &w, ROWS, false, NULL), 0);
    assert_int_equal(slk_compute_multiply(ref, y, SLK_DTYPE_F32, p.x, p.w, &forward, NULL), 0);
    assert_memory_equal(y, p.y, sizeof y);
    assert_int_equal(slk_compute_multiply(ref, dx, SLK_DTYPE_F32, p.dy, p.w, &back_x, NULL), 0);
    assert_int_equal(slk_compute_multiply(ref, dw, SLK_DTYPE_F32, p.dy, p.x, &back_w, NULL), 0);
    slk_compute_add_columns(ref, dbias, p.dy, ROWS, OUT);
    check_gradient("product's x", product_loss, &p, p.x, ROWS * IN, dx);
    check_gradient("product's weights", product_loss, &p, p.w, OUT * IN, dw);
    check_gradient("product's bias", product_loss, &p, p.bias, OUT, dbias);
    free(p.x);
    free(p.w);
    free(p.bias);
    free(p.dy);
}

/* --- rows
 * ------------------------------------------------------------------------------------------------------------- */

enum { NORM_ROWS = 40, NORM_D = 6 }; /* more than a block of rows */

typedef struct norm {
    float *x, *gain, *bias, *dy;
    bool layer;
} norm;

static double norm_loss(const void *context)
{
    const norm *n = context;
    float y[NORM_ROWS * NORM_D];
    if (n->layer)
        slk_compute_layer_norm(ref, y, n->x, n->gain, n->bias, 0.1f, NORM_ROWS, NORM_D);
    else
        slk_compute_rms_norm(ref, y, n->x, n->gain, 0.1f, NORM_ROWS, NORM_D);
    return weigh(n->dy, y, NORM_ROWS * NORM_D);
}

static void test_norms(void **state)
{
    (void)state;
    for (int layer = 0; layer < 2; layer++) {
        size_t n = NORM_ROWS * NORM_D;
        norm c = {input(1, n, 2), input(2, NORM_D, 1), input(3, NORM_D, 1), input(4, n, 1), layer};
        float dx[NORM_ROWS * NORM_D] = {0}, dgain[NORM_D] = {0}, dbias[NORM_D] = {0};
        if (layer)
            assert_int_equal(slk_compute_layer_norm_backward(ref, dx, dgain, dbias, c.dy, c.x, c.gain, 0.1f, NORM_ROWS,
                                                             NORM_D, NULL),
                             0);
        else
            assert_int_equal(
                slk_compute_rms_norm_backward(ref, dx, dgain, c.dy, c.x, c.gain, 0.1f, NORM_ROWS, NORM_D, NULL), 0);
        check_gradient(layer ? "layer norm's x" : "rms norm's x", norm_loss, &c, c.x, n, dx);
        check_gradient(layer ? "layer norm's gain" : "rms norm's gain", norm_loss, &c, c.gain, NORM_D, dgain);
        if (layer) check_gradient("layer norm's bias", norm_loss, &c, c.bias, NORM_D, dbias);
        free(c.x);
        free(c.gain);
        free(c.bias);
        free(c.dy);
    }
}

enum { GATE_ROWS = 5, GATE_D = 9 };

typedef struct gate {
    float *gu, *dh;
    slk_activation act;
    bool gated;
} gate;

static double gate_loss(const void *context)
{
    const gate *g = context;
    float h[GATE_ROWS * GATE_D];
    slk_compute_gate(ref, h, g->gu, SLK_DTYPE_F32, g->act, g->gated, GATE_ROWS, GATE_D);
    return weigh(g->dh, h, GATE_ROWS * GATE_D);
}

static void test_gate(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        size_t n = GATE_ROWS * GATE_D * (i < 2 ? 2 : 1);
        gate g = {input(1, n, 1.5f), input(2, GATE_ROWS * GATE_D, 1), i % 2 ? SLK_ACT_GELU_TANH : SLK_ACT_SILU, i < 2};
        float dgu[2 * GATE_ROWS * GATE_D];
        slk_compute_gate_backward(ref, dgu, NULL, g.dh, g.gu, g.act, g.gated, GATE_ROWS, GATE_D);
        check_gradient(i % 2 ? "gelu" : "silu", gate_loss, &g, g.gu, n, dgu);
        free(g.gu);
        free(g.dh);
    }
}

/* --- projections and attention
 * ---------------------------------------------------------------------------------------- */

enum { SPLIT_ROWS = 35 };

typedef struct split {
    slk_attention a;
    float *qkv, *dq, *dk, *dv, *q_gain, *k_gain;
    int32_t pos[SPLIT_ROWS], slot[SPLIT_ROWS];
} split;

static double split_loss(const void *context)
{
    const split *s = context;
    size_t n_q = (size_t)(SPLIT_ROWS * s->a.n_heads * s->a.head_dim),
           n_kv = (size_t)(SPLIT_ROWS * s->a.n_kv_heads * s->a.head_dim);
    float q[SPLIT_ROWS * 16], k[SPLIT_ROWS * 16], v[SPLIT_ROWS * 16];
    slk_compute_split_qkv(ref, q, &(slk_kv){k, v}, s->qkv, s->pos, s->slot, &s->a, SPLIT_ROWS);
    return weigh(s->dq, q, n_q) + weigh(s->dk, k, n_kv) + weigh(s->dv, v, n_kv);
}

static void test_split(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        split s = {.a = {.n_heads = 2, .n_kv_heads = 1, .head_dim = 6, .qk_eps = 0.1f, .rope_pairs = i % 2}};
        bool norms = i >= 2;
        size_t n = SPLIT_ROWS * 24, hd = 6;
        float *cos = make_rope(SPLIT_ROWS, 3, false), *sin = make_rope(SPLIT_ROWS, 3, true);
        float dqkv[SPLIT_ROWS * 24], dq_gain[6] = {0}, dk_gain[6] = {0};
        s.qkv = input(1, n, 2);
        s.dq = input(2, SPLIT_ROWS * 12, 1);
        s.dk = input(3, SPLIT_ROWS * 6, 1);
        s.dv = input(4, SPLIT_ROWS * 6, 1);
        s.q_gain = input(5, hd, 1);
        s.k_gain = input(6, hd, 1);
        s.a.rope_cos = cos;
        s.a.rope_sin = sin;
        if (norms) {
            s.a.q_gain = s.q_gain;
            s.a.k_gain = s.k_gain;
        }
        for (int r = 0; r < SPLIT_ROWS; r++) {
            s.pos[r] = r * 3 % SPLIT_ROWS;
            s.slot[r] = r;
        }
        assert_int_equal(slk_compute_split_qkv_backward(ref, dqkv, dq_gain, dk_gain, s.dq, s.dk, s.dv,
                                                        norms ? s.qkv : NULL, s.pos, &s.a, SPLIT_ROWS, NULL),
                         0);
        check_gradient("projections", split_loss, &s, s.qkv, n, dqkv);
        if (norms) {
            check_gradient("gain of queries", split_loss, &s, s.q_gain, hd, dq_gain);
            check_gradient("gain of keys", split_loss, &s, s.k_gain, hd, dk_gain);
        }
        free(cos);
        free(sin);
        free(s.qkv);
        free(s.dq);
        free(s.dk);
        free(s.dv);
        free(s.q_gain);
        free(s.k_gain);
    }
}

typedef struct attention {
    slk_attention a;
    tree_rows *tree;
    float *q, *k, *v, *dy;
    size_t n_q, n_kv;
} attention;

static double attention_loss(const void *context)
{
    const attention *t = context;
    float y[2000];
    assert_true(t->n_q <= 2000);
    assert_int_equal(
        slk_compute_attention(ref, y, t->q, &(slk_kv){t->k, t->v}, &t->a, t->tree->paths, t->tree->n_paths, NULL), 0);
    return weigh(t->dy, y, t->n_q);
}

static void test_attention(void **state)
{
    (void)state;
    static const tree_segment segments[] = {{-1, 3, 0}, {0, 2, 1},  {1, 1, 0},  {1, 3, 0},
                                            {0, 4, 0},  {-1, 2, 0}, {5, 35, 0}, {0, 0, 0}};
    static const slk_attention shapes[] = {
        {.n_heads = 4, .n_kv_heads = 2, .head_dim = 4, .scale = 0.5f},
        {.n_heads = 2, .n_kv_heads = 2, .head_dim = 6, .scale = 0.5f, .window = 3},
        {.n_heads = 3, .n_kv_heads = 1, .head_dim = 4, .scale = 0.7f, .softcap = 2},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        attention t = {.a = shapes[i], .tree = tree_make(segments)};
        t.n_q = (size_t)(t.tree->n_rows * t.a.n_heads * t.a.head_dim);
        t.n_kv = (size_t)(t.tree->n_rows * t.a.n_kv_heads * t.a.head_dim);
        t.q = input(1, t.n_q, 1);
        t.k = input(2, t.n_kv, 1);
        t.v = input(3, t.n_kv, 1);
        t.dy = input(4, t.n_q, 1);
        float *dq = malloc(t.n_q * sizeof *dq), *dk = malloc(t.n_kv * sizeof *dk), *dv = malloc(t.n_kv * sizeof *dv);
        assert_true(dq && dk && dv);
        assert_int_equal(slk_compute_attention_backward(ref, dq, dk, dv, t.dy, t.q, &(slk_kv){t.k, t.v}, &t.a,
                                                        t.tree->paths, t.tree->n_paths, t.tree->pos, t.tree->end,
                                                        t.tree->n_rows, NULL),
                         0);
        check_gradient("queries", attention_loss, &t, t.q, t.n_q, dq);
        check_gradient("keys", attention_loss, &t, t.k, t.n_kv, dk);
        check_gradient("values", attention_loss, &t, t.v, t.n_kv, dv);
        free(t.tree);
        free(t.q);
        free(t.k);
        free(t.v);
        free(t.dy);
        free(dq);
        free(dk);
        free(dv);
    }
}

/* --- loss
 * ------------------------------------------------------------------------------------------------------------- */

enum { LOSS_ROWS = 3, VOCAB = 11 };
static const int32_t loss_first[] = {0, 1, 1, 5}, loss_targets[] = {4, 0, 10, 10, 3};

typedef struct entropy {
    float *logits, softcap;
} entropy;

/* The sum of the losses times the weight that the gradient is asked for with. */
static double entropy_loss(const void *context)
{
    const entropy *e = context;
    double losses[5], sum = 0;
    slk_compute_cross_entropy(ref, NULL, losses, e->logits, e->softcap, loss_first, loss_targets, 0.5f, LOSS_ROWS,
                              VOCAB);
    for (int i = 0; i < 5; i++) sum += 0.5 * losses[i];
    return sum;
}

static void test_loss(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        entropy e = {input(1, LOSS_ROWS * VOCAB, 2), i ? 3.0f : 0};
        float dlogits[LOSS_ROWS * VOCAB];
        double losses[5];
        slk_compute_cross_entropy(ref, dlogits, losses, e.logits, e.softcap, loss_first, loss_targets, 0.5f, LOSS_ROWS,
                                  VOCAB);
        check_gradient("logits", entropy_loss, &e, e.logits, LOSS_ROWS * VOCAB, dlogits);
        for (int k = 0; k < VOCAB; k++) assert_true(dlogits[VOCAB + k] == 0); /* no target */
        /* By hand: minus the logarithm of a softmax's value. */
        double total = 0, z = e.logits[4];
        for (int k = 0; k < VOCAB && !i; k++) total += exp((double)e.logits[k]);
        if (!i) assert_true(fabs(losses[0] - (log(total) - z)) < 1e-12);
        free(e.logits);
    }
}

/* --- optimiser
 * -------------------------------------------------------------------------------------------------------- */

/* Values worked out by hand: with m and v at zero, the first step is lr towards minus the gradient's sign, whatever its
 * size (eps aside); decay pulls towards the centre. */
static void test_adamw(void **state)
{
    (void)state;
    slk_adamw step = {.lr = 0.5, .beta1 = 0.75, .beta2 = 0.5, .eps = 0, .decay = 0.25, .center = 1, .clip = 2, .t = 1};
    float w[3] = {9, 9, 1}, m[3] = {0}, v[3] = {0};
    const float g[3] = {3, -0.001f, 3}, next[3] = {0, 0.001f, 3};
    uint16_t rounded[3];
    slk_compute_adamw(ref, &step, w, rounded, m, v, g, 3);
    assert_true(fabs(w[0] - 7.5) < 1e-6 && fabs(w[1] - 8.5) < 1e-6 && fabs(w[2] - 0.5) < 1e-6);
    assert_true(m[0] == 1.5f && v[0] == 18);
    assert_true(slk_bf16_to_f32(rounded[0]) == 7.5f);
    /* Second step of the first weight: m = 1.125, v = 9; corrected by 1 - 0.75^2 = 0.4375 and 1 - 0.5^2 = 0.75. */
    step.t = 2;
    slk_compute_adamw(ref, &step, w, NULL, m, v, next, 3);
    assert_true(m[0] == 1.125f && v[0] == 9);
    assert_true(fabs(w[0] - (7.5 - 0.125 * 6.5 - 0.5 * (1.125 / 0.4375) / sqrt(9 / 0.75))) < 1e-6);
    assert_true(slk_compute_sum_squares(ref, g, 3) == 9 + (double)g[1] * g[1] + 9);
}

static int create(void **state)
{
    (void)state;
    slk_compute_options options = {.backend = SLK_BACKEND_REF, .dtype = SLK_DTYPE_F32, .n_threads = 1};
    return slk_compute_create(&ref, &options, NULL) ? -1 : 0;
}

static int destroy(void **state)
{
    (void)state;
    slk_compute_free(ref);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products), cmocka_unit_test(test_norms),     cmocka_unit_test(test_gate),
        cmocka_unit_test(test_split),    cmocka_unit_test(test_attention), cmocka_unit_test(test_loss),
        cmocka_unit_test(test_adamw),
    };
    return cmocka_run_group_tests(tests, create, destroy);
}
