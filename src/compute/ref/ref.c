/* The oracle: every operation in the plainest C, one row at a time, sums in double, one rounding at the end.
 * Slow on purpose; the vector kernels are held against it. */
#include "compute/ref/ref.h"

#include <math.h>
#include <string.h>

static void matmul(void *y, slk_dtype y_dtype, const void *x, slk_dtype dtype, const slk_weight *w, bool accumulate)
{
    for (int64_t o = 0; o < w->n_out; o++) {
        double sum = w->bias ? w->bias[o] : 0;
        for (int64_t i = 0; i < w->n_in; i++) sum += (double)get(x, dtype, i) * get(w->data, dtype, o * w->n_in + i);
        if (accumulate) sum += ((const float *)y)[o];
        put(y, y_dtype, o, sum);
    }
}

static void rms_norm(void *y, slk_dtype y_dtype, const float *x, const float *gain, float eps, int64_t d)
{
    double sum = 0;
    for (int64_t i = 0; i < d; i++) sum += (double)x[i] * x[i];
    double scale = 1 / sqrt(sum / (double)d + eps);
    for (int64_t i = 0; i < d; i++) put(y, y_dtype, i, x[i] * scale * gain[i]);
}

static void layer_norm(void *y, slk_dtype y_dtype, const float *x, const float *gain, const float *bias, float eps,
                       int64_t d)
{
    double mean = 0, var = 0;
    for (int64_t i = 0; i < d; i++) mean += x[i];
    mean /= (double)d;
    for (int64_t i = 0; i < d; i++) var += (x[i] - mean) * (x[i] - mean);
    double scale = 1 / sqrt(var / (double)d + eps);
    for (int64_t i = 0; i < d; i++) put(y, y_dtype, i, (x[i] - mean) * scale * gain[i] + bias[i]);
}

static void add(float *x, const float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) x[i] += y[i];
}

static double activate(double x, slk_activation act)
{
    if (act == SLK_ACT_SILU) return x / (1 + exp(-x));
    const double sqrt_2_over_pi = 0.79788456080286536;
    return 0.5 * x * (1 + tanh(sqrt_2_over_pi * (x + 0.044715 * x * x * x)));
}

static void gate(void *y, slk_dtype y_dtype, const void *gu, slk_dtype gu_dtype, slk_activation act, bool gated,
                 int64_t d_ff)
{
    for (int64_t i = 0; i < d_ff; i++) {
        double v = activate(get(gu, gu_dtype, i), act);
        put(y, y_dtype, i, gated ? v * get(gu, gu_dtype, d_ff + i) : v);
    }
}

/* One head of q or k: normalise, rotate, store. */
static void rotate(void *y, slk_dtype dtype, int64_t at, const float *x, const float *gain, int32_t pos,
                   const slk_attention *a)
{
    float h[SLK_HEAD_DIM_MAX];
    int half = a->head_dim / 2;
    if (gain)
        rms_norm(h, SLK_DTYPE_F32, x, gain, a->qk_eps, a->head_dim);
    else
        memcpy(h, x, (size_t)a->head_dim * sizeof *h);
    for (int i = 0; i < half; i++) {
        int first = a->rope_pairs ? 2 * i : i, second = a->rope_pairs ? 2 * i + 1 : i + half;
        double cos = a->rope_cos ? a->rope_cos[(int64_t)pos * half + i] : 1;
        double sin = a->rope_cos ? a->rope_sin[(int64_t)pos * half + i] : 0;
        /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): h is filled above, either way */
        put(y, dtype, at + first, h[first] * cos - h[second] * sin);
        put(y, dtype, at + second, h[second] * cos + h[first] * sin);
    }
}

static void split_qkv(void *q, void *k, void *v, slk_dtype dtype, const float *qkv, int32_t pos, const slk_attention *a)
{
    int hd = a->head_dim;
    for (int h = 0; h < a->n_heads; h++) rotate(q, dtype, (int64_t)h * hd, qkv + (int64_t)h * hd, a->q_gain, pos, a);
    qkv += (int64_t)a->n_heads * hd;
    for (int h = 0; h < a->n_kv_heads; h++) rotate(k, dtype, (int64_t)h * hd, qkv + (int64_t)h * hd, a->k_gain, pos, a);
    qkv += (int64_t)a->n_kv_heads * hd;
    for (int i = 0; i < a->n_kv_heads * hd; i++) put(v, dtype, i, qkv[i]);
}

static double score(const slk_attend *job, const slk_path *path, int64_t q_at, int32_t pos)
{
    const slk_attention *a = job->a;
    int64_t k_at = (find_slot(path, pos) * a->n_kv_heads + job->kv_head) * a->head_dim;
    double sum = 0;
    for (int i = 0; i < a->head_dim; i++)
        sum += (double)get(job->q, job->dtype, q_at + i) * get(job->kv.k, job->dtype, k_at + i);
    sum *= a->scale;
    return a->softcap > 0 ? a->softcap * tanh(sum / a->softcap) : sum;
}

/* One query of one head. Scores are computed twice instead of stored: a path may be of any length. */
static void attend_query(const slk_attend *job, const slk_path *path, int32_t row, int head)
{
    const slk_attention *a = job->a;
    int64_t at = ((int64_t)(path->row0 + row) * a->n_heads + head) * a->head_dim;
    int32_t last = path->pos0 + row, first = a->window > 0 && last >= a->window ? last - a->window + 1 : 0;
    double max = -INFINITY, total = 0, sum[SLK_HEAD_DIM_MAX] = {0};
    for (int32_t pos = first; pos <= last; pos++) max = fmax(max, score(job, path, at, pos));
    for (int32_t pos = first; pos <= last; pos++) {
        double p = exp(score(job, path, at, pos) - max);
        int64_t v_at = (find_slot(path, pos) * a->n_kv_heads + job->kv_head) * a->head_dim;
        total += p;
        for (int i = 0; i < a->head_dim; i++) sum[i] += p * get(job->kv.v, job->dtype, v_at + i);
    }
    for (int i = 0; i < a->head_dim; i++) put(job->y, job->dtype, at + i, sum[i] / total);
}

static void attend(const slk_attend *job, void *scratch)
{
    (void)scratch;
    int n_rep = job->a->n_heads / job->a->n_kv_heads;
    for (int l = 0; l < job->n; l++)
        attend_query(job, &job->paths[job->lanes[l].path], job->lanes[l].lane0 / n_rep,
                     job->kv_head * n_rep + job->lanes[l].lane0 % n_rep);
}

static size_t attend_bytes(int head_dim)
{
    (void)head_dim;
    return 1;
}

/* Keep the list sorted by (logit descending, id ascending); ids arrive in ascending order. */
static void top_insert(slk_top *top, int32_t id, float logit)
{
    if (top->n == top->k && !(logit > top->logits[top->n - 1])) return;
    int i = top->n < top->k ? top->n++ : top->n - 1;
    for (; i > 0 && logit > top->logits[i - 1]; i--) {
        top->logits[i] = top->logits[i - 1];
        top->ids[i] = top->ids[i - 1];
    }
    top->logits[i] = logit;
    top->ids[i] = id;
}

static void top_row(slk_top *top, const float *logits, int32_t column0, int32_t n_columns, float softcap)
{
    for (int32_t i = 0; i < n_columns; i++) {
        float v = logits[i];
        if (softcap > 0) v = (float)(softcap * tanh(v / softcap));
        if (isnan(v)) v = -INFINITY;
        if (column0 + i == top->target) top->target_logit = v;
        top_insert(top, column0 + i, v);
        if (!top->want_lse || v == -INFINITY) continue;
        double x = fmin(v, 3.4028234663852886e38);
        if (top->sum == 0) {
            top->max = x;
            top->sum = 1;
        } else if (x > top->max) {
            top->sum = top->sum * exp(top->max - x) + 1;
            top->max = x;
        } else {
            top->sum += exp(x - top->max);
        }
    }
}

const slk_kernels slk_kernels_ref = {
    .name = "ref",
    .n_lanes = 1,
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .add = add,
    .gate = gate,
    .split_qkv = split_qkv,
    .attend_bytes = attend_bytes,
    .attend = attend,
    .top = top_row,
    .matmul = matmul,
    .backward = &slk_backward_ref,
};
