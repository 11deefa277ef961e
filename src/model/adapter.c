/* LoRA adapters: the checks, and the matrices made of their files. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "format/quant.h"
#include "model/adapter_impl.h"

/* --- where a tensor belongs ----------------------------------------------------------------------------------------
 */

const slk_adapter_target slk_adapter_targets[N_TARGETS] = {
    {"blk.#.attn_qkv", SLK_ADAPTED_QKV},         {"blk.#.attn_q", SLK_ADAPTED_QKV},
    {"blk.#.attn_k", SLK_ADAPTED_QKV},           {"blk.#.attn_v", SLK_ADAPTED_QKV},
    {"blk.#.attn_output", SLK_ADAPTED_ATTN_OUT}, {"blk.#.ffn_gate", SLK_ADAPTED_GATE_UP},
    {"blk.#.ffn_up", SLK_ADAPTED_GATE_UP},       {"blk.#.ffn_down", SLK_ADAPTED_DOWN},
};

size_t slk_adapter_find_target(const char *gguf)
{
    size_t i = 0;
    while (i < N_TARGETS && strcmp(slk_adapter_targets[i].gguf, gguf) != 0) i++;
    return i;
}

void slk_adapter_target_place(const slk_config *c, size_t i, int64_t *row, int64_t *n_out, int64_t *n_in)
{
    int64_t d_q = (int64_t)c->n_heads * c->head_dim, d_kv = (int64_t)c->n_kv_heads * c->head_dim;
    *row = i == TARGET_K ? d_q : i == TARGET_V ? d_q + d_kv : i == TARGET_UP && c->gated ? c->d_ff : 0;
    *n_in = i == TARGET_ATTN_OUT ? d_q : i == TARGET_DOWN ? c->d_ff : c->d_model;
    switch (i) {
    case TARGET_QKV:
        *n_out = d_q + 2 * d_kv;
        break;
    case TARGET_Q:
        *n_out = d_q;
        break;
    case TARGET_K:
    case TARGET_V:
        *n_out = d_kv;
        break;
    case TARGET_GATE:
    case TARGET_UP:
        *n_out = c->d_ff;
        break;
    default:
        *n_out = c->d_model;
        break;
    }
}

static int64_t matrix_rows(const slk_config *c, slk_adapted m)
{
    int64_t d_q = (int64_t)c->n_heads * c->head_dim, d_kv = (int64_t)c->n_kv_heads * c->head_dim;
    if (m == SLK_ADAPTED_QKV) return d_q + 2 * d_kv;
    if (m == SLK_ADAPTED_GATE_UP) return (c->gated ? 2 : 1) * (int64_t)c->d_ff;
    return c->d_model;
}

/* --- checks --------------------------------------------------------------------------------------------------------
 */

static slk_status check_shape(const slk_adapter *a, const slk_adapter_tensor *m, int64_t n_rows, int64_t n_cols,
                              slk_err *err)
{
    if (m->n_rows == n_rows && m->n_cols == n_cols) return SLK_OK;
    return slk_fail(err, SLK_E_SHAPE, "%s: tensor %s is [%lld, %lld], expected [%lld, %lld] (rows, columns)", a->path,
                    m->name, (long long)m->n_rows, (long long)m->n_cols, (long long)n_rows, (long long)n_cols);
}

static slk_status check_pair(const slk_adapter *a, const slk_adapter_pair *p, size_t i, slk_err *err)
{
    int64_t row, n_out, n_in;
    slk_adapter_target_place(&a->config, i, &row, &n_out, &n_in);
    if (!p->a.name || !p->b.name) {
        return slk_fail(err, SLK_E_NOT_FOUND, "%s: tensor %s has no partner, expected A and B of each matrix", a->path,
                        p->a.name ? p->a.name : p->b.name);
    }
    int64_t rank = p->a.n_rows;
    if (rank < 1 || rank > MAX_RANK) {
        return slk_fail(err, SLK_E_SHAPE, "%s: tensor %s has %lld rows, expected a rank of 1 to %d", a->path, p->a.name,
                        (long long)rank, MAX_RANK);
    }
    slk_status s = check_shape(a, &p->a, rank, n_in, err);
    return s == SLK_OK ? check_shape(a, &p->b, n_out, rank, err) : s;
}

/* Check all pairs, and size the layers' matrices. */
static slk_status arrange(slk_adapter *a, slk_err *err)
{
    size_t n_pairs = 0;
    for (int l = 0; l < a->config.n_layers; l++) {
        slk_adapter_layer *y = &a->layers[l];
        for (size_t i = 0; i < N_TARGETS; i++) {
            const slk_adapter_pair *p = &y->pairs[i];
            if (!p->a.name && !p->b.name) continue;
            slk_status s = check_pair(a, p, i, err);
            if (s != SLK_OK) return s;
            int64_t row, n_out, n_in;
            slk_adapter_target_place(&a->config, i, &row, &n_out, &n_in);
            slk_low_rank *low = &y->low[slk_adapter_targets[i].matrix];
            low->a.n_in = n_in;
            low->a.n_out += p->a.n_rows;
            n_pairs++;
        }
        for (int m = 0; m < SLK_N_ADAPTED; m++) {
            slk_low_rank *low = &y->low[m];
            low->a.n_out = (low->a.n_out + RANK_STEP - 1) / RANK_STEP * RANK_STEP;
            low->b = (slk_weight){.n_in = low->a.n_out, .n_out = matrix_rows(&a->config, (slk_adapted)m)};
        }
    }
    return n_pairs ? SLK_OK
                   : slk_fail(err, SLK_E_FORMAT, "%s: found no tensors, expected an adapter's A and B", a->path);
}

slk_status slk_adapter_open(slk_adapter **out, const char *path, const slk_config *config, slk_err *err)
{
    *out = NULL;
    slk_adapter *a = slk_alloc_zero(1, sizeof *a);
    if (a) a->config = *config;
    if (a) a->layers = slk_alloc_zero((size_t)config->n_layers, sizeof *a->layers);
    slk_status s = a && a->layers ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
    if (s == SLK_OK)
        s = slk_dir_exists(path) ? slk_adapter_read_peft(a, path, err) : slk_adapter_read_gguf(a, path, err);
    if (s == SLK_OK) s = arrange(a, err);
    if (s != SLK_OK) {
        slk_adapter_free(a);
        return s;
    }
    if (a->hash == 0) a->hash = 1;
    *out = a;
    return SLK_OK;
}

static void close_files(slk_adapter *a)
{
    slk_gguf_close(a->gguf);
    slk_safetensors_close(a->weights);
    a->gguf = NULL;
    a->weights = NULL;
}

void slk_adapter_free(slk_adapter *a)
{
    if (!a) return;
    close_files(a);
    slk_adapter_config_release(&a->peft);
    for (size_t i = 0; i < a->n_owned; i++) free(a->owned[i]);
    for (size_t i = 0; i < a->n_packed; i++) slk_packed_free(a->packed[i]);
    free(a->owned);
    free(a->packed);
    free(a->layers);
    free(a->path);
    free(a);
}

/* --- matrices ------------------------------------------------------------------------------------------------------
 */

static slk_status read_matrix(const slk_adapter *a, const slk_adapter_tensor *m, float **out, slk_err *err)
{
    size_t n = (size_t)m->n_rows * (size_t)m->n_cols;
    *out = slk_alloc(n, sizeof **out);
    if (!*out) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory for tensor %s", a->path, m->name);
    if (slk_dequantize(m->dtype, m->data, n, *out, NULL) == SLK_OK) return SLK_OK;
    free(*out);
    *out = NULL;
    return slk_fail(err, SLK_E_FORMAT, "%s: tensor %s cannot be converted", a->path, m->name);
}

/* Pair i into A's rows from rank0 and into its rows of B, columns from rank0. */
static slk_status add_pair(const slk_adapter *a, const slk_adapter_pair *p, size_t i, int64_t rank0, float *big_a,
                           float *big_b, int64_t n_rank, slk_err *err)
{
    int64_t row, n_out, n_in, rank = p->a.n_rows;
    float *own_a, *own_b;
    slk_adapter_target_place(&a->config, i, &row, &n_out, &n_in);
    slk_status s = read_matrix(a, &p->a, &own_a, err);
    if (s != SLK_OK) return s;
    memcpy(big_a + rank0 * n_in, own_a, (size_t)(rank * n_in) * sizeof *own_a);
    free(own_a);
    s = read_matrix(a, &p->b, &own_b, err);
    if (s != SLK_OK) return s;
    for (int64_t r = 0; r < n_out; r++) {
        const float *from = own_b + (p->by_halves ? slk_pairs_hf_row(r, a->config.head_dim) : r) * rank;
        float *to = big_b + (row + r) * n_rank + rank0;
        for (int64_t j = 0; j < rank; j++) to[j] = (float)(p->scale * (double)from[j]);
    }
    free(own_b);
    return SLK_OK;
}

/* From f32 [n_out, n_in] into the compute type and the library's layout. */
static slk_status adopt(slk_adapter *a, slk_compute *compute, slk_weight *w, const float *values, slk_err *err)
{
    size_t n = (size_t)w->n_out * (size_t)w->n_in;
    bool bf16 = slk_compute_dtype(compute) == SLK_DTYPE_BF16;
    size_t n_bytes = n * (bf16 ? sizeof(uint16_t) : sizeof(float));
    slk_packed *packed = NULL;
    void *data = slk_alloc_aligned(n_bytes, 1);
    if (!data || !slk_grow(&a->owned, &a->cap_owned, a->n_owned + 1, sizeof *a->owned) ||
        !slk_grow(&a->packed, &a->cap_packed, a->n_packed + 1, sizeof *a->packed)) {
        free(data);
        return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", a->path);
    }
    if (!bf16) memcpy(data, values, n_bytes);
    for (size_t i = 0; bf16 && i < n; i++) ((uint16_t *)data)[i] = slk_f32_to_bf16(values[i]);
    w->data = data;
    slk_status s = slk_compute_pack(compute, &packed, w, err);
    if (s == SLK_OK && !packed) {
        a->owned[a->n_owned++] = data;
        a->n_bytes += n_bytes;
        return SLK_OK;
    }
    free(data);
    w->data = NULL;
    if (s != SLK_OK) return s;
    a->packed[a->n_packed++] = packed;
    a->n_bytes += slk_packed_bytes(packed);
    w->packed = packed;
    return SLK_OK;
}

static slk_status load_low_rank(slk_adapter *a, slk_compute *compute, slk_adapter_layer *y, slk_adapted m, slk_err *err)
{
    slk_low_rank *low = &y->low[m];
    int64_t n_rank = low->a.n_out, rank0 = 0;
    float *big_a = slk_alloc_zero((size_t)n_rank * (size_t)low->a.n_in, sizeof *big_a);
    float *big_b = slk_alloc_zero((size_t)n_rank * (size_t)low->b.n_out, sizeof *big_b);
    slk_status s = big_a && big_b ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "%s: out of memory", a->path);
    for (size_t i = 0; s == SLK_OK && i < N_TARGETS; i++) {
        if (slk_adapter_targets[i].matrix != m || !y->pairs[i].a.name) continue;
        s = add_pair(a, &y->pairs[i], i, rank0, big_a, big_b, n_rank, err);
        rank0 += y->pairs[i].a.n_rows;
    }
    if (s == SLK_OK) s = adopt(a, compute, &low->a, big_a, err);
    if (s == SLK_OK) s = adopt(a, compute, &low->b, big_b, err);
    free(big_a);
    free(big_b);
    return s;
}

slk_status slk_adapter_load(slk_adapter *a, slk_compute *compute, slk_err *err)
{
    slk_status s = SLK_OK;
    for (int l = 0; l < a->config.n_layers; l++) {
        for (int m = 0; m < SLK_N_ADAPTED && s == SLK_OK; m++) {
            if (a->layers[l].low[m].a.n_out > 0) s = load_low_rank(a, compute, &a->layers[l], (slk_adapted)m, err);
        }
    }
    close_files(a);
    return s;
}

/* --- merging -------------------------------------------------------------------------------------------------------
 */

/* NULL: it has no adapter. */
static const slk_adapter_pair *find_pair(const slk_adapter *a, const char *gguf_name, size_t *target)
{
    int number;
    const char *suffix;
    const slk_name *entry = slk_family_parse_gguf(a->config.family, gguf_name, &number, &suffix);
    *target = entry && !strcmp(suffix, "weight") ? slk_adapter_find_target(entry->gguf) : N_TARGETS;
    if (*target == N_TARGETS || number >= a->config.n_layers) return NULL;
    const slk_adapter_pair *p = &a->layers[number].pairs[*target];
    return p->a.name ? p : NULL;
}

bool slk_adapter_has(const slk_adapter *a, const char *gguf_name)
{
    size_t target;
    return find_pair(a, gguf_name, &target) != NULL;
}

size_t slk_adapter_n_tensors(const slk_adapter *a)
{
    size_t n = 0;
    for (int l = 0; l < a->config.n_layers; l++) {
        for (size_t i = 0; i < N_TARGETS; i++) n += a->layers[l].pairs[i].a.name != NULL;
    }
    return n;
}

/* values += scale * B A, summed in double and rounded once. */
static bool add_product(const slk_adapter *a, const slk_adapter_pair *p, const float *own_a, const float *own_b,
                        float *values, int64_t n_rows, int64_t n_cols, int n_threads)
{
    int64_t rank = p->a.n_rows;
    int failed = 0;
#pragma omp parallel num_threads(n_threads) reduction(| : failed)
    {
        double *sum = slk_alloc((size_t)n_cols, sizeof *sum);
        failed |= sum == NULL;
#pragma omp for
        for (int64_t r = 0; r < n_rows; r++) {
            if (failed) continue;
            const float *b = own_b + (p->by_halves ? slk_pairs_hf_row(r, a->config.head_dim) : r) * rank;
            float *w = values + r * n_cols;
            for (int64_t i = 0; i < n_cols; i++) sum[i] = (double)w[i];
            for (int64_t k = 0; k < rank; k++) {
                double scale = p->scale * (double)b[k];
                const float *row = own_a + k * n_cols;
                for (int64_t i = 0; i < n_cols; i++) sum[i] += scale * (double)row[i];
            }
            for (int64_t i = 0; i < n_cols; i++) w[i] = (float)sum[i];
        }
        free(sum);
    }
    return !failed;
}

slk_status slk_adapter_add(const slk_adapter *a, const char *gguf_name, float *values, int64_t n_rows, int64_t n_cols,
                           int n_threads, slk_err *err)
{
    size_t target;
    int64_t row, n_out, n_in;
    const slk_adapter_pair *p = find_pair(a, gguf_name, &target);
    if (!p) return SLK_OK;
    slk_adapter_target_place(&a->config, target, &row, &n_out, &n_in);
    if (!a->gguf && !a->weights) return slk_fail(err, SLK_E_STATE, "%s: the adapter's files are closed", a->path);
    if (n_rows != n_out || n_cols != n_in) {
        return slk_fail(err, SLK_E_SHAPE, "%s: the model's tensor %s is [%lld, %lld], expected [%lld, %lld]", a->path,
                        gguf_name, (long long)n_rows, (long long)n_cols, (long long)n_out, (long long)n_in);
    }
    float *own_a = NULL, *own_b = NULL;
    slk_status s = read_matrix(a, &p->a, &own_a, err);
    if (s == SLK_OK) s = read_matrix(a, &p->b, &own_b, err);
    if (s == SLK_OK && !add_product(a, p, own_a, own_b, values, n_rows, n_cols, n_threads))
        s = slk_fail(err, SLK_E_MEMORY, "%s: out of memory for tensor %s", a->path, gguf_name);
    free(own_a);
    free(own_b);
    return s;
}

/* --- a new adapter -------------------------------------------------------------------------------------------------
 */

/* Zeroed memory of the adapter's. */
static void *own_zeros(slk_adapter *a, size_t n_bytes)
{
    void *data =
        slk_grow(&a->owned, &a->cap_owned, a->n_owned + 1, sizeof *a->owned) ? slk_alloc_aligned(n_bytes, 1) : NULL;
    if (!data) return NULL;
    memset(data, 0, n_bytes);
    a->n_bytes += n_bytes;
    return a->owned[a->n_owned++] = data;
}

/* Ranks of the pairs stand in for their tensors; the matrices are sized and zeroed. */
static bool create_layer(slk_adapter *a, slk_adapter_layer *y, int64_t rank, size_t value_bytes)
{
    for (size_t i = 0; i < N_TARGETS; i++) {
        if (y->pairs[i].a.n_rows == 0) continue;
        int64_t row, n_out;
        slk_low_rank *low = &y->low[slk_adapter_targets[i].matrix];
        slk_adapter_target_place(&a->config, i, &row, &n_out, &low->a.n_in);
        low->a.n_out += rank;
    }
    for (int m = 0; m < SLK_N_ADAPTED; m++) {
        slk_low_rank *low = &y->low[m];
        if (low->a.n_out == 0) continue;
        low->a.n_out = (low->a.n_out + RANK_STEP - 1) / RANK_STEP * RANK_STEP;
        low->b = (slk_weight){.n_in = low->a.n_out, .n_out = matrix_rows(&a->config, (slk_adapted)m)};
        low->a.data = own_zeros(a, (size_t)(low->a.n_out * low->a.n_in) * value_bytes);
        low->b.data = own_zeros(a, (size_t)(low->b.n_out * low->b.n_in) * value_bytes);
        if (!low->a.data || !low->b.data) return false;
    }
    return true;
}

slk_status slk_adapter_create(slk_adapter **out, const slk_config *config, slk_dtype dtype, const char *const *tensors,
                              size_t n, int64_t rank, slk_err *err)
{
    *out = NULL;
    if (rank < 1 || rank > MAX_RANK)
        return slk_fail(err, SLK_E_ARG, "an adapter of rank %lld, expected 1 to %d", (long long)rank, MAX_RANK);
    slk_adapter *a = slk_alloc_zero(1, sizeof *a);
    if (a) a->config = *config;
    if (a) a->layers = slk_alloc_zero((size_t)config->n_layers, sizeof *a->layers);
    slk_status s = a && a->layers ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory for an adapter");
    for (int l = 0; s == SLK_OK && l < config->n_layers; l++) {
        for (size_t k = 0; k < n && s == SLK_OK; k++) {
            size_t i = slk_adapter_find_target(tensors[k]);
            bool fits = i < N_TARGETS && a->layers[l].pairs[i].a.n_rows == 0 && (i != TARGET_GATE || config->gated) &&
                        (config->fused_qkv ? i != TARGET_Q && i != TARGET_K && i != TARGET_V : i != TARGET_QKV);
            if (fits)
                a->layers[l].pairs[i].a.n_rows = rank;
            else
                s = slk_fail(err, SLK_E_ARG, "an adapter of %s: no such matrix in a %s model, or named twice",
                             tensors[k], config->arch);
        }
        size_t value_bytes = dtype == SLK_DTYPE_BF16 ? sizeof(uint16_t) : sizeof(float);
        if (s == SLK_OK && !create_layer(a, &a->layers[l], rank, value_bytes))
            s = slk_fail(err, SLK_E_MEMORY, "out of memory for an adapter of rank %lld", (long long)rank);
    }
    if (s != SLK_OK) {
        slk_adapter_free(a);
        return s;
    }
    a->hash = 1; /* changes as it is trained */
    *out = a;
    return SLK_OK;
}

slk_adapter_place slk_adapter_find_place(const slk_adapter *a, const char *tensor)
{
    size_t at = slk_adapter_find_target(tensor);
    slk_adapter_place p = {.matrix = slk_adapter_targets[at].matrix, .rank = a->layers[0].pairs[at].a.n_rows};
    slk_adapter_target_place(&a->config, at, &p.row, &p.n_out, &p.n_in);
    for (size_t i = 0; i < at; i++) {
        if (slk_adapter_targets[i].matrix == p.matrix) p.rank0 += a->layers[0].pairs[i].a.n_rows;
    }
    return p;
}

/* --- what the model asks -------------------------------------------------------------------------------------------
 */

uint64_t slk_adapter_hash(const slk_adapter *a)
{
    return a->hash;
}

size_t slk_adapter_bytes(const slk_adapter *a)
{
    return a->n_bytes;
}

int64_t slk_adapter_max_rank(const slk_adapter *a)
{
    int64_t most = 0;
    for (int l = 0; l < a->config.n_layers; l++) {
        for (int m = 0; m < SLK_N_ADAPTED; m++) {
            if (a->layers[l].low[m].a.n_out > most) most = a->layers[l].low[m].a.n_out;
        }
    }
    return most;
}

static bool add_shape(slk_shape **shapes, size_t *n, size_t *cap, const slk_weight *w)
{
    for (size_t i = 0; i < *n; i++) {
        if ((*shapes)[i].n_out == w->n_out && (*shapes)[i].n_in == w->n_in) return true;
    }
    if (!slk_grow(shapes, cap, *n + 1, sizeof **shapes)) return false;
    (*shapes)[(*n)++] = (slk_shape){w->n_out, w->n_in};
    return true;
}

slk_status slk_adapter_add_shapes(const slk_adapter *a, slk_shape **shapes, size_t *n, size_t *cap, slk_err *err)
{
    for (int l = 0; l < a->config.n_layers; l++) {
        for (int m = 0; m < SLK_N_ADAPTED; m++) {
            const slk_low_rank *low = &a->layers[l].low[m];
            if (low->a.n_out == 0) continue;
            if (!add_shape(shapes, n, cap, &low->a) || !add_shape(shapes, n, cap, &low->b))
                return slk_fail(err, SLK_E_MEMORY, "out of memory");
        }
    }
    return SLK_OK;
}

const slk_low_rank *slk_adapter_get(const slk_adapter *a, int number, slk_adapted m)
{
    const slk_low_rank *low = &a->layers[number].low[m];
    return low->a.n_out > 0 ? low : NULL;
}
