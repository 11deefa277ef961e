/* Kernels of one row: norms, gate, split of the projections, choice of the top logits. Included by kernels.inc.h.
 * Rows end in a partial vector whose unused lanes are zero, so that a value is treated alike wherever it stands. */

static void store(void *y, slk_dtype dtype, int64_t at, vec x, int64_t n)
{
    if (dtype == SLK_DTYPE_BF16)
        v_store_bf16_n((uint16_t *)y + at, x, n);
    else
        v_store_n((float *)y + at, x, n);
}

static vec load(const void *x, slk_dtype dtype, int64_t at, int64_t n)
{
    return dtype == SLK_DTYPE_BF16 ? v_load_bf16_n((const uint16_t *)x + at, n) : v_load_n((const float *)x + at, n);
}

/* Sum of (x - shift)^2. */
static float sum_squares(const float *x, float shift, int64_t d)
{
    vec sums[4] = {v_set(0), v_set(0), v_set(0), v_set(0)};
    int64_t i = 0;
    for (; i + 4 * LANES <= d; i += 4 * LANES) {
        UNROLL
        for (int j = 0; j < 4; j++) {
            vec v = v_sub(v_load(x + i + j * LANES), v_set(shift));
            sums[j] = v_fma(v, v, sums[j]);
        }
    }
    for (; i + LANES <= d; i += LANES) {
        vec v = v_sub(v_load(x + i), v_set(shift));
        sums[0] = v_fma(v, v, sums[0]);
    }
    if (i < d) {
        float rest[LANES] = {0};
        for (int64_t j = i; j < d; j++) rest[j - i] = x[j] - shift;
        vec v = v_load(rest);
        sums[1] = v_fma(v, v, sums[1]);
    }
    return v_sum(v_add(v_add(sums[0], sums[1]), v_add(sums[2], sums[3])));
}

static float sum_values(const float *x, int64_t d)
{
    vec sum = v_set(0);
    for (int64_t i = 0; i < d; i += LANES) sum = v_add(sum, v_load_n(x + i, d - i));
    return v_sum(sum);
}

static void rms_norm(void *y, slk_dtype y_dtype, const float *x, const float *gain, float eps, int64_t d)
{
    vec scale = v_set(1.0f / sqrtf(sum_squares(x, 0, d) / (float)d + eps));
    for (int64_t i = 0; i < d; i += LANES)
        store(y, y_dtype, i, v_mul(v_mul(v_load_n(x + i, d - i), scale), v_load_n(gain + i, d - i)), d - i);
}

static void layer_norm(void *y, slk_dtype y_dtype, const float *x, const float *gain, const float *bias, float eps,
                       int64_t d)
{
    float mean = sum_values(x, d) / (float)d;
    vec scale = v_set(1.0f / sqrtf(sum_squares(x, mean, d) / (float)d + eps));
    for (int64_t i = 0; i < d; i += LANES) {
        vec v = v_mul(v_sub(v_load_n(x + i, d - i), v_set(mean)), scale);
        store(y, y_dtype, i, v_fma(v, v_load_n(gain + i, d - i), v_load_n(bias + i, d - i)), d - i);
    }
}

static void add(float *x, const float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES)
        v_store_n(x + i, v_add(v_load_n(x + i, n - i), v_load_n(y + i, n - i)), n - i);
}

static vec activate(vec x, slk_activation act)
{
    if (act == SLK_ACT_SILU) return v_div(x, v_add(v_set(1.0f), v_exp(v_sub(v_set(0.0f), x))));
    vec cubic = v_mul(v_mul(x, x), v_mul(x, v_set(0.044715f)));
    vec t = v_tanh(v_mul(v_set(0.79788456f), v_add(x, cubic)));
    return v_mul(v_mul(v_set(0.5f), x), v_add(v_set(1.0f), t));
}

static void gate(void *y, slk_dtype y_dtype, const void *gu, slk_dtype gu_dtype, slk_activation act, bool gated,
                 int64_t d_ff)
{
    for (int64_t i = 0; i < d_ff; i += LANES) {
        vec v = activate(load(gu, gu_dtype, i, d_ff - i), act);
        if (gated) v = v_mul(v, load(gu, gu_dtype, d_ff + i, d_ff - i));
        store(y, y_dtype, i, v, d_ff - i);
    }
}

/* --- projections to queries, keys, values
 * ----------------------------------------------------------------------------- */

/* Factors of one position, laid out so that rotating is y[i] = x[i] * cos[i] + x[partner of i] * sin[i]. */
typedef struct rotation {
    float cos[SLK_HEAD_DIM_MAX], sin[SLK_HEAD_DIM_MAX];
} rotation;

static void rotation_init(rotation *r, const slk_attention *a, int32_t pos)
{
    int half = a->head_dim / 2;
    if (!a->rope_cos) return;
    const float *cos = a->rope_cos + (int64_t)pos * half, *sin = a->rope_sin + (int64_t)pos * half;
    for (int i = 0; i < half; i++) {
        int first = a->rope_pairs ? 2 * i : i, second = a->rope_pairs ? 2 * i + 1 : i + half;
        r->cos[first] = r->cos[second] = cos[i];
        r->sin[first] = -sin[i];
        r->sin[second] = sin[i];
    }
}

static void rotate(void *y, slk_dtype dtype, int64_t at, const float *x, const float *gain, const rotation *rot,
                   const slk_attention *a)
{
    float normed[SLK_HEAD_DIM_MAX];
    int hd = a->head_dim, half = hd / 2;
    if (gain) {
        rms_norm(normed, SLK_DTYPE_F32, x, gain, a->qk_eps, hd);
        x = normed;
    }
    if (!a->rope_cos) {
        for (int i = 0; i < hd; i += LANES) store(y, dtype, at + i, v_load_n(x + i, hd - i), hd - i);
    } else if (a->rope_pairs) {
        for (int i = 0; i < hd; i += LANES) {
            vec v = v_load_n(x + i, hd - i);
            vec turned = v_mul(v_swap_pairs(v), v_load_n(rot->sin + i, hd - i));
            store(y, dtype, at + i, v_fma(v, v_load_n(rot->cos + i, hd - i), turned), hd - i);
        }
    } else {
        for (int i = 0; i < half; i += LANES) {
            int n = half - i;
            vec first = v_load_n(x + i, n), second = v_load_n(x + half + i, n);
            vec cos = v_load_n(rot->cos + i, n), sin = v_load_n(rot->sin + half + i, n);
            store(y, dtype, at + i, v_fnma(second, sin, v_mul(first, cos)), n);
            store(y, dtype, at + half + i, v_fma(first, sin, v_mul(second, cos)), n);
        }
    }
}

static void split_qkv(void *q, void *k, void *v, slk_dtype dtype, const float *qkv, int32_t pos, const slk_attention *a)
{
    int64_t hd = a->head_dim, d_kv = a->n_kv_heads * hd;
    rotation rot;
    rotation_init(&rot, a, pos);
    for (int h = 0; h < a->n_heads; h++) rotate(q, dtype, h * hd, qkv + h * hd, a->q_gain, &rot, a);
    qkv += a->n_heads * hd;
    for (int h = 0; h < a->n_kv_heads; h++) rotate(k, dtype, h * hd, qkv + h * hd, a->k_gain, &rot, a);
    qkv += d_kv;
    for (int64_t i = 0; i < d_kv; i += LANES) store(v, dtype, i, v_load_n(qkv + i, d_kv - i), d_kv - i);
}

/* --- logits
 * ----------------------------------------------------------------------------------------------------------- */

/* Columns cleaned and examined at a time: they stay in the first-level cache. A multiple of LANES. */
#define TOP_BLOCK 1024

/* ids arrive in ascending order, so among equal logits the new one goes last. */
static void top_insert(slk_top *top, int32_t id, float logit)
{
    int low = 0, high = top->n;
    if (top->n == top->k && !(logit > top->logits[top->n - 1])) return;
    while (low < high) {
        int middle = (low + high) / 2;
        if (logit > top->logits[middle])
            high = middle;
        else
            low = middle + 1;
    }
    if (top->n < top->k) top->n++;
    size_t n_after = (size_t)(top->n - 1 - low);
    memmove(top->logits + low + 1, top->logits + low, n_after * sizeof *top->logits);
    memmove(top->ids + low + 1, top->ids + low, n_after * sizeof *top->ids);
    top->logits[low] = logit;
    top->ids[low] = id;
}

static void top_candidates(slk_top *top, const float *x, int32_t column0, int32_t n)
{
    int32_t i = 0;
    for (; i < n && top->n < top->k; i++) top_insert(top, column0 + i, x[i]);
    for (; i < n; i += LANES) {
        vec bar = v_set(top->logits[top->n - 1]);
        unsigned above = v_bits(v_lt(bar, v_load_n(x + i, n - i)));
        if (n - i < LANES) above &= (1u << (n - i)) - 1;
        for (; above; above &= above - 1) {
            int32_t at = i + __builtin_ctz(above);
            top_insert(top, column0 + at, x[at]);
        }
    }
}

/* Add the exponentials of n values, the largest of which is max, to the running sum. */
static void top_add_exp(slk_top *top, const float *x, float max, int32_t n)
{
    const vec largest = v_set(3.40282347e38f), minus_infinity = v_set(-INFINITY);
    if (max == -INFINITY) return;
    max = fminf(max, 3.40282347e38f);
    vec_double total = v_double_zero();
    for (int32_t i = 0; i < n; i += LANES) {
        vec v = v_load_n(x + i, n - i);
        if (n - i < LANES) {
            float rest[LANES];
            v_store(rest, minus_infinity);
            v_store_n(rest, v, n - i);
            v = v_load(rest);
        }
        v_double_add(&total, v_exp(v_sub(v_min(v, largest), v_set(max))));
    }
    double sum = v_double_sum(&total);
    if (top->sum == 0) {
        top->max = max;
        top->sum = sum;
    } else if (max > top->max) {
        top->sum = top->sum * exp(top->max - max) + sum;
        top->max = max;
    } else {
        top->sum += sum * exp(max - top->max);
    }
}

/* Soft-capped, NaN as minus infinity; returns the largest. */
static float top_clean(float *y, const float *x, int32_t n, float softcap)
{
    const vec minus_infinity = v_set(-INFINITY);
    vec max = minus_infinity;
    for (int32_t i = 0; i < n; i += LANES) {
        vec v = v_load_n(x + i, n - i);
        if (softcap > 0) v = v_mul(v_set(softcap), v_tanh(v_div(v, v_set(softcap))));
        v = v_select(v_is_nan(v), minus_infinity, v);
        v_store_n(y + i, v, n - i);
        if (n - i >= LANES) max = v_max(max, v);
    }
    float largest = v_hmax(max);
    for (int32_t i = n / LANES * LANES; i < n; i++) largest = fmaxf(largest, y[i]);
    return largest;
}

static void top_row(slk_top *top, const float *logits, int32_t column0, int32_t n_columns, float softcap)
{
    float block[TOP_BLOCK];
    for (int32_t i = 0; i < n_columns; i += TOP_BLOCK) {
        int32_t n = n_columns - i < TOP_BLOCK ? n_columns - i : TOP_BLOCK;
        float max = top_clean(block, logits + i, n, softcap);
        if (top->target >= column0 + i && top->target < column0 + i + n)
            top->target_logit = block[top->target - column0 - i];
        if (top->n < top->k || max > top->logits[top->n - 1]) top_candidates(top, block, column0 + i, n);
        if (top->want_lse) top_add_exp(top, block, max, n);
    }
}
