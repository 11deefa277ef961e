/* The oracle of backward.h: every operation in the plainest C, sums in double, one rounding at the end. */
#include "compute/ref/ref.h"

#include <math.h>
#include <string.h>
#include "base/rng.h"

/* --- products
 * --------------------------------------------------------------------------------------------------------- */

static void multiply(void *y, slk_dtype y_dtype, const void *a, const void *b, slk_dtype dtype, const slk_product *p,
                     int64_t row)
{
    int64_t a_first = p->a_transposed ? row : row * p->n_inner, a_step = p->a_transposed ? p->n_rows : 1;
    for (int64_t o = 0; o < p->n_cols; o++) {
        int64_t b_first = p->b_transposed ? o * p->n_inner : o, b_step = p->b_transposed ? 1 : p->n_cols;
        double sum = p->bias ? p->bias[o] : 0;
        for (int64_t i = 0; i < p->n_inner; i++)
            sum += (double)get(a, dtype, a_first + i * a_step) * get(b, dtype, b_first + i * b_step);
        if (p->accumulate) sum += ((const float *)y)[row * p->n_cols + o];
        put(y, y_dtype, row * p->n_cols + o, sum);
    }
}

static void add_columns(float *out, const void *x, slk_dtype dtype, int64_t n_rows, int64_t ld, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double sum = out[i];
        for (int64_t r = 0; r < n_rows; r++) sum += get(x, dtype, r * ld + i);
        out[i] = (float)sum;
    }
}

/* --- rows
 * ------------------------------------------------------------------------------------------------------------- */

/* y = n * gain, n = x * s, s = (mean(x^2) + eps)^(-1/2):  dx = s (g - n mean(g n)), g = dy * gain. */
static void rms_norm_backward(float *dx, float *dgain, const float *dy, const float *x, const float *gain, float eps,
                              int64_t n_rows, int64_t d)
{
    double scales[SLK_ROW_BLOCK];
    for (int64_t r = 0; r < n_rows; r++) {
        const float *x_row = x + r * d, *dy_row = dy + r * d;
        double square = 0, along = 0;
        for (int64_t i = 0; i < d; i++) square += (double)x_row[i] * x_row[i];
        double scale = scales[r] = 1 / sqrt(square / (double)d + eps);
        for (int64_t i = 0; i < d; i++) along += (double)dy_row[i] * gain[i] * (x_row[i] * scale);
        along /= (double)d;
        for (int64_t i = 0; i < d; i++)
            dx[r * d + i] = (float)(dx[r * d + i] + scale * ((double)dy_row[i] * gain[i] - x_row[i] * scale * along));
    }
    for (int64_t i = 0; dgain && i < d; i++) {
        double sum = 0;
        for (int64_t r = 0; r < n_rows; r++) sum += (double)dy[r * d + i] * x[r * d + i] * scales[r];
        dgain[i] = (float)sum;
    }
}

/* y = n * gain + bias, n = (x - mean) * s:  dx = s (g - mean(g) - n mean(g n)), g = dy * gain. */
static void layer_norm_backward(float *dx, float *dgain, float *dbias, const float *dy, const float *x,
                                const float *gain, float eps, int64_t n_rows, int64_t d)
{
    double scales[SLK_ROW_BLOCK], means[SLK_ROW_BLOCK];
    for (int64_t r = 0; r < n_rows; r++) {
        const float *x_row = x + r * d, *dy_row = dy + r * d;
        double mean = 0, var = 0, flat = 0, along = 0;
        for (int64_t i = 0; i < d; i++) mean += x_row[i];
        means[r] = mean /= (double)d;
        for (int64_t i = 0; i < d; i++) var += (x_row[i] - mean) * (x_row[i] - mean);
        double scale = scales[r] = 1 / sqrt(var / (double)d + eps);
        for (int64_t i = 0; i < d; i++) {
            flat += (double)dy_row[i] * gain[i];
            along += (double)dy_row[i] * gain[i] * ((x_row[i] - mean) * scale);
        }
        flat /= (double)d;
        along /= (double)d;
        for (int64_t i = 0; i < d; i++)
            dx[r * d + i] = (float)(dx[r * d + i] +
                                    scale * ((double)dy_row[i] * gain[i] - flat - (x_row[i] - mean) * scale * along));
    }
    for (int64_t i = 0; dgain && i < d; i++) {
        double sum_gain = 0, sum_bias = 0;
        for (int64_t r = 0; r < n_rows; r++) {
            sum_gain += dy[r * d + i] * (x[r * d + i] - means[r]) * scales[r];
            sum_bias += dy[r * d + i];
        }
        dgain[i] = (float)sum_gain;
        dbias[i] = (float)sum_bias;
    }
}

/* The activation and its derivative. */
static double activate(double x, slk_activation act, double *slope)
{
    if (act == SLK_ACT_SILU) {
        double s = 1 / (1 + exp(-x));
        *slope = s * (1 + x * (1 - s));
        return x * s;
    }
    const double sqrt_2_over_pi = 0.79788456080286536;
    double t = tanh(sqrt_2_over_pi * (x + 0.044715 * x * x * x));
    *slope = 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * sqrt_2_over_pi * (1 + 3 * 0.044715 * x * x);
    return 0.5 * x * (1 + t);
}

static void gate_backward(void *dgu, void *h_out, slk_dtype dtype, const void *dh, const void *gu, slk_activation act,
                          bool gated, int64_t d_ff)
{
    for (int64_t i = 0; i < d_ff; i++) {
        double slope, v = activate(get(gu, dtype, i), act, &slope);
        double u = gated ? get(gu, dtype, d_ff + i) : 1, dy = get(dh, dtype, i);
        put(dgu, dtype, i, dy * u * slope);
        if (gated) put(dgu, dtype, d_ff + i, dy * v);
        if (h_out) put(h_out, dtype, i, v * u);
    }
}

/* One head of one row: rotated back; then, with a gain, the norm's gradient; sum [head_dim] adds to: that of the gain.
 */
static void unrotate(void *dx, slk_dtype dtype, int64_t at, double *sum, const float *dy, const void *x,
                     const float *gain, int32_t pos, const slk_attention *a)
{
    double g[SLK_HEAD_DIM_MAX] = {0};
    int hd = a->head_dim, half = hd / 2;
    for (int i = 0; i < half; i++) {
        int first = a->rope_pairs ? 2 * i : i, second = a->rope_pairs ? 2 * i + 1 : i + half;
        double cos = a->rope_cos ? a->rope_cos[(int64_t)pos * half + i] : 1;
        double sin = a->rope_cos ? a->rope_sin[(int64_t)pos * half + i] : 0;
        g[first] = dy[first] * cos + dy[second] * sin;
        g[second] = dy[second] * cos - dy[first] * sin;
    }
    double square = 0, along = 0, scale = 1;
    for (int i = 0; gain && i < hd; i++) square += (double)get(x, dtype, at + i) * get(x, dtype, at + i);
    if (gain) scale = 1 / sqrt(square / hd + a->qk_eps);
    for (int i = 0; gain && i < hd; i++) {
        double normed = get(x, dtype, at + i) * scale;
        sum[i] += g[i] * normed;
        g[i] *= gain[i];
        along += g[i] * normed / hd;
    }
    for (int i = 0; i < hd; i++)
        put(dx, dtype, at + i, gain ? scale * (g[i] - get(x, dtype, at + i) * scale * along) : g[i]);
}

static void split_qkv_backward(void *dqkv, slk_dtype dtype, float *dq_gain, float *dk_gain, const float *dq,
                               const float *dk, const float *dv, const void *qkv, const int32_t *pos,
                               const slk_attention *a, int64_t n_rows)
{
    double q_sum[SLK_HEAD_DIM_MAX] = {0}, k_sum[SLK_HEAD_DIM_MAX] = {0};
    int64_t hd = a->head_dim, d_q = a->n_heads * hd, d_kv = a->n_kv_heads * hd;
    for (int64_t r = 0; r < n_rows; r++) {
        int64_t at = r * (d_q + 2 * d_kv);
        for (int h = 0; h < a->n_heads; h++, at += hd)
            unrotate(dqkv, dtype, at, q_sum, dq + r * d_q + h * hd, qkv, a->q_gain, pos[r], a);
        for (int h = 0; h < a->n_kv_heads; h++, at += hd)
            unrotate(dqkv, dtype, at, k_sum, dk + r * d_kv + h * hd, qkv, a->k_gain, pos[r], a);
        for (int64_t i = 0; i < d_kv; i++) put(dqkv, dtype, at + i, dv[r * d_kv + i]);
    }
    for (int64_t i = 0; dq_gain && i < hd; i++) dq_gain[i] = (float)q_sum[i];
    for (int64_t i = 0; dk_gain && i < hd; i++) dk_gain[i] = (float)k_sum[i];
}

/* --- attention
 * -------------------------------------------------------------------------------------------------------- */

static double dot(const void *x, int64_t x_at, const void *y, int64_t y_at, slk_dtype dtype, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += (double)get(x, dtype, x_at + i) * get(y, dtype, y_at + i);
    return sum;
}

/* The score before its softmax, and its derivative by q . k. */
static double score(const slk_attend_grad *job, int64_t q_at, int64_t k_at, double *slope)
{
    const slk_attention *a = job->a;
    double s = dot(job->q, q_at, job->kv.k, k_at, job->dtype, a->head_dim) * a->scale;
    *slope = a->scale;
    if (!(a->softcap > 0)) return s;
    double t = tanh(s / a->softcap);
    *slope *= 1 - t * t;
    return a->softcap * t;
}

/* One query of one head: p = softmax(s), ds = p (dp - sum p dp) * slope, dp_j = dy . v_j. */
static void query_backward(const slk_attend_grad *job, const slk_path *path, int32_t row, int rep)
{
    const slk_attention *a = job->a;
    int hd = a->head_dim, head = job->kv_head * (a->n_heads / a->n_kv_heads) + rep;
    int32_t last = path->pos0 + row, first = slk_attend_first(a, last);
    int64_t r = path->row0 + row, at = (r * a->n_heads + head) * hd;
    float *p = job->p + rep * job->n_pairs + job->at[r], *ds = job->ds + rep * job->n_pairs + job->at[r];
    double max = -INFINITY, total = 0, mean = 0, slope, sum[SLK_HEAD_DIM_MAX] = {0};
    for (int32_t pos = first; pos <= last; pos++)
        max = fmax(max, score(job, at, (find_slot(path, pos) * a->n_kv_heads + job->kv_head) * hd, &slope));
    for (int32_t pos = first; pos <= last; pos++) {
        int64_t kv_at = (find_slot(path, pos) * a->n_kv_heads + job->kv_head) * hd;
        double e = exp(score(job, at, kv_at, &slope) - max);
        total += e;
        mean += e * dot(job->dy, at, job->kv.v, kv_at, job->dtype, hd);
    }
    mean /= total;
    for (int32_t pos = first; pos <= last; pos++) {
        int64_t kv_at = (find_slot(path, pos) * a->n_kv_heads + job->kv_head) * hd;
        double prob = exp(score(job, at, kv_at, &slope) - max) / total;
        double d_score = prob * (dot(job->dy, at, job->kv.v, kv_at, job->dtype, hd) - mean) * slope;
        p[pos - first] = (float)prob;
        ds[pos - first] = (float)d_score;
        for (int i = 0; i < hd; i++) sum[i] += d_score * get(job->kv.k, job->dtype, kv_at + i);
    }
    for (int i = 0; i < hd; i++) job->dq[at + i] = (float)sum[i];
}

static void attend_queries(const slk_attend_grad *job, const slk_path *path, int32_t row0, int32_t n_rows,
                           void *scratch)
{
    (void)scratch;
    int n_rep = job->a->n_heads / job->a->n_kv_heads;
    for (int32_t row = row0; row < row0 + n_rows; row++)
        for (int rep = 0; rep < n_rep; rep++) query_backward(job, path, row, rep);
}

static size_t attend_queries_bytes(int head_dim, int32_t n_positions)
{
    (void)head_dim;
    (void)n_positions;
    return 1;
}

static void attend_keys(const slk_attend_grad *job, int32_t row0, int32_t n_rows)
{
    const slk_attention *a = job->a;
    int hd = a->head_dim, n_rep = a->n_heads / a->n_kv_heads;
    for (int32_t j = row0; j < row0 + n_rows; j++) {
        double dk[SLK_HEAD_DIM_MAX] = {0}, dv[SLK_HEAD_DIM_MAX] = {0};
        for (int32_t r = j; r < job->end[j]; r++) {
            int32_t index = job->pos[j] - slk_attend_first(a, job->pos[r]);
            if (index < 0) continue; /* beyond r's window */
            for (int rep = 0; rep < n_rep; rep++) {
                int64_t at = ((int64_t)r * a->n_heads + job->kv_head * n_rep + rep) * hd;
                int64_t pair = rep * job->n_pairs + job->at[r] + index;
                for (int i = 0; i < hd; i++) {
                    dk[i] += (double)job->ds[pair] * get(job->q, job->dtype, at + i);
                    dv[i] += (double)job->p[pair] * get(job->dy, job->dtype, at + i);
                }
            }
        }
        int64_t at = ((int64_t)j * a->n_kv_heads + job->kv_head) * hd;
        for (int i = 0; i < hd; i++) {
            job->dk[at + i] = (float)dk[i];
            job->dv[at + i] = (float)dv[i];
        }
    }
}

/* --- loss
 * ------------------------------------------------------------------------------------------------------------- */

static void cross_entropy(void *dlogits, slk_dtype dtype, double *losses, const float *logits, float softcap,
                          const int32_t *targets, int32_t n_targets, float weight, int64_t n)
{
    double max = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++) max = fmax(max, softcap > 0 ? softcap * tanh(logits[i] / softcap) : logits[i]);
    for (int64_t i = 0; i < n; i++) sum += exp((softcap > 0 ? softcap * tanh(logits[i] / softcap) : logits[i]) - max);
    for (int32_t t = 0; t < n_targets; t++) {
        double z = logits[targets[t]];
        losses[t] = max + log(sum) - (softcap > 0 ? softcap * tanh(z / softcap) : z);
    }
    for (int64_t i = 0; dlogits && i < n; i++) {
        double z = logits[i], slope = 1;
        if (softcap > 0) {
            double t = tanh(z / softcap);
            slope = 1 - t * t;
            z = softcap * t;
        }
        double g = n_targets * exp(z - max) / sum;
        for (int32_t t = 0; t < n_targets; t++) g -= targets[t] == i;
        put(dlogits, dtype, i, n_targets ? weight * g * slope : 0);
    }
}

/* --- dropout
 * ---------------------------------------------------------------------------------------------------------- */

static void dropout_mask(uint8_t *mask, uint64_t hash, uint32_t site, const uint32_t key[2], uint32_t threshold,
                         int64_t d)
{
    memset(mask, 0, (size_t)(d + 7) / 8);
    for (int64_t i = 0; i < d; i++) {
        const uint32_t counter[4] = {(uint32_t)hash, (uint32_t)(hash >> 32), (uint32_t)(i / 8), site};
        uint32_t words[4];
        slk_philox(words, counter, key);
        uint32_t number = words[i % 8 / 2] >> (i % 2 * 16) & 0xFFFF;
        if (number >= threshold) mask[i / 8] |= (uint8_t)(1 << i % 8);
    }
}

static bool stays(const uint8_t *mask, int64_t i)
{
    return !mask || mask[i / 8] >> i % 8 & 1;
}

static void add_masked(float *out, const float *x, const float *y, const uint8_t *mask, float scale, int64_t d)
{
    for (int64_t i = 0; i < d; i++) {
        double v = x ? x[i] : 0;
        out[i] = (float)(stays(mask, i) ? v + (double)scale * y[i] : v);
    }
}

static void apply_mask(void *y, slk_dtype y_dtype, const float *x, const uint8_t *mask, float scale, int64_t d)
{
    for (int64_t i = 0; i < d; i++) put(y, y_dtype, i, stays(mask, i) ? (double)scale * x[i] : 0);
}

/* --- optimiser
 * -------------------------------------------------------------------------------------------------------- */

static double sum_squares(const float *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
    return sum;
}

static void adamw(const slk_adamw *s, float *w, uint16_t *rounded, float *m, float *v, const float *g, int64_t n)
{
    double m_rest = 1 - pow(s->beta1, (double)s->t), v_rest = 1 - pow(s->beta2, (double)s->t);
    for (int64_t i = 0; i < n; i++) {
        double grad = s->clip * g[i], weight = w[i];
        double m_new = s->beta1 * m[i] + (1 - s->beta1) * grad, v_new = s->beta2 * v[i] + (1 - s->beta2) * grad * grad;
        weight -= s->lr * s->decay * (weight - s->center);
        weight -= s->lr * (m_new / m_rest) / (sqrt(v_new / v_rest) + s->eps);
        w[i] = (float)weight;
        m[i] = (float)m_new;
        v[i] = (float)v_new;
        if (rounded) rounded[i] = slk_f32_to_bf16(w[i]);
    }
}

const slk_backward_kernels slk_backward_ref = {
    .multiply = multiply,
    .add_columns = add_columns,
    .rms_norm_backward = rms_norm_backward,
    .layer_norm_backward = layer_norm_backward,
    .gate_backward = gate_backward,
    .split_qkv_backward = split_qkv_backward,
    .attend_queries_bytes = attend_queries_bytes,
    .attend_queries = attend_queries,
    .attend_keys = attend_keys,
    .cross_entropy = cross_entropy,
    .dropout_mask = dropout_mask,
    .add_masked = add_masked,
    .mask = apply_mask,
    .sum_squares = sum_squares,
    .adamw = adamw,
};
