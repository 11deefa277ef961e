/* Attention of up to LANES query vectors of one key/value head side by side. Included by kernels.inc.h.
 *
 * A vector register holds one number of every query: a score, a maximum, one element of the output. So nothing is ever
 * summed across lanes, and a query gets the same bits in whichever lane and company. Keys and values of a block of 32
 * positions lie in a tile of 32-bit words: of f32 one value, of bf16 two, which one instruction multiplies
 * and adds (two neighbouring elements of a key; one element of two neighbouring positions of the values). */

#define BLOCK SLK_ATTENTION_BLOCK
#if BF16
#define K_WORDS(head_dim) ((head_dim) / 2)
#define V_ROWS            (BLOCK / 2)
#else
#define K_WORDS(head_dim) (head_dim)
#define V_ROWS            BLOCK
#endif
/* Words from row to row of a tile: constant, so that rows are addressed by offsets; not a power of two, which would put
 * the rows into the same few sets of the cache. */
#define K_STRIDE (K_WORDS(SLK_HEAD_DIM_MAX) + 16)
#define V_STRIDE (SLK_HEAD_DIM_MAX + 16)

/* One lane group in progress. Follows: q [K_WORDS][LANES] words, sum [head_dim rounded up to LANES][LANES] f32. */
typedef struct lane_state {
    _Alignas(64) float max[LANES], total[LANES]; /* of the online softmax */
    float first[LANES], last[LANES];             /* visible positions; an empty lane has last -1 */
    int32_t path[LANES];
    int64_t at[LANES]; /* index of the query in q and y */
    int n_lanes;
    float *q, *sum;
} lane_state;

typedef struct attend_scratch {
    _Alignas(64) float k[BLOCK * K_STRIDE], v[V_ROWS * V_STRIDE];
    float scores[BLOCK * LANES], p[BLOCK * LANES];
    lane_state states[SLK_ATTEND_GROUP];
    int32_t tile_path, tile_pos; /* what k and v hold: the block at tile_pos of a path, or tile_path -1 */
    _Alignas(64) float rows[];   /* q and sum of the states */
} attend_scratch;

static int round_up(int n)
{
    return (n + LANES - 1) / LANES * LANES;
}

static size_t attend_bytes(int head_dim)
{
    size_t state = (size_t)(K_WORDS(head_dim) + round_up(head_dim)) * LANES;
    return sizeof(attend_scratch) + SLK_ATTEND_GROUP * state * sizeof(float) + 64;
}

/* Two 32-bit words of a and a broadcast word of b, multiplied and added to sum. */
#if BF16
static inline vec dot(vec sum, vec a, const float *b)
{
    int32_t word;
    memcpy(&word, b, sizeof word);
    return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_castps_si512(a), (__m512bh)_mm512_set1_epi32(word));
}
#else
static inline vec dot(vec sum, vec a, const float *b)
{
    return v_fma(a, v_set(*b), sum);
}
#endif

/* --- begin: queries into lanes
 * ---------------------------------------------------------------------------------------- */

static const float *words_at(const void *x, int64_t at)
{
#if BF16
    return (const float *)(const void *)((const uint16_t *)x + at);
#else
    return (const float *)x + at;
#endif
}

static void state_pack(lane_state *s, const slk_attend *job)
{
    int n_words = K_WORDS(job->a->head_dim);
    for (int w = 0; w < n_words; w += LANES) {
        vec rows[LANES];
        int n = n_words - w < LANES ? n_words - w : LANES;
        for (int i = 0; i < LANES; i++)
            rows[i] = i < s->n_lanes ? v_load_n(words_at(job->q, s->at[i]) + w, n) : v_set(0);
        v_transpose(rows);
        for (int i = 0; i < n; i++) v_store(s->q + (w + i) * LANES, rows[i]);
    }
}

static void state_begin(lane_state *s, const slk_attend *job, const slk_lanes *lanes)
{
    const slk_attention *a = job->a;
    int32_t n_rep = a->n_heads / a->n_kv_heads, path = lanes->path, lane = lanes->lane0;
    s->n_lanes = lanes->n_lanes;
    for (int i = 0; i < LANES; i++) {
        s->max[i] = -INFINITY;
        s->total[i] = 0;
        s->first[i] = 0;
        s->last[i] = -1;
        if (i >= s->n_lanes) continue;
        if (lane == job->paths[path].n_rows * n_rep) {
            path++;
            lane = 0;
        }
        const slk_path *p = &job->paths[path];
        int32_t row = lane / n_rep, pos = p->pos0 + row;
        s->path[i] = path;
        s->at[i] = ((int64_t)(p->row0 + row) * a->n_heads + job->kv_head * n_rep + lane % n_rep) * a->head_dim;
        s->last[i] = (float)pos;
        if (a->window > 0 && pos >= a->window) s->first[i] = (float)(pos - a->window + 1);
        lane++;
    }
    memset(s->sum, 0, (size_t)(round_up(a->head_dim) * LANES) * sizeof *s->sum);
    state_pack(s, job);
}

/* --- a tile of keys and values
 * ---------------------------------------------------------------------------------------- */

static void find_slots(int32_t slots[BLOCK], const slk_path *path, int32_t pos, int n)
{
    const slk_run *run = path->runs;
    for (; pos >= run->n; run++) pos -= run->n;
    for (int i = 0; i < n; i++, pos++) {
        if (pos == run->n) {
            run++;
            pos = 0;
        }
        slots[i] = run->slot + pos;
    }
}

/* Rows from n on up to a multiple of LANES become zero: whatever is computed from them is masked, but must not be NaN.
 */
static void load_keys(float *k, const slk_attend *job, const int32_t *slots, int n)
{
    int n_words = K_WORDS(job->a->head_dim);
    for (int i = 0; i < round_up(n); i++) {
        int64_t slot = i < n ? slots[i] : 0;
        const float *row = words_at(job->kv.k, (slot * job->a->n_kv_heads + job->kv_head) * job->a->head_dim);
        for (int w = 0; w < n_words; w += LANES)
            v_store(k + i * K_STRIDE + w, i < n ? v_load_n(row + w, n_words - w) : v_set(0));
    }
}

#if BF16
static void load_values(float *v, const slk_attend *job, const int32_t *slots, int n)
{
    int hd = job->a->head_dim;
    for (int i = 0; i < n; i += 2) {
        const uint16_t *even =
            (const uint16_t *)job->kv.v + ((int64_t)slots[i] * job->a->n_kv_heads + job->kv_head) * hd;
        const uint16_t *odd = even;
        if (i + 1 < n)
            odd = (const uint16_t *)job->kv.v + ((int64_t)slots[i + 1] * job->a->n_kv_heads + job->kv_head) * hd;
        for (int d = 0; d < hd; d += LANES) {
            __mmask16 m = v_first(hd - d);
            __m512i low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, even + d));
            __m512i high = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(i + 1 < n ? m : 0, odd + d));
            _mm512_storeu_si512(v + i / 2 * V_STRIDE + d, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
        }
    }
}
#else
static void load_values(float *v, const slk_attend *job, const int32_t *slots, int n)
{
    int hd = job->a->head_dim;
    for (int i = 0; i < n; i++) {
        const float *row = (const float *)job->kv.v + ((int64_t)slots[i] * job->a->n_kv_heads + job->kv_head) * hd;
        for (int d = 0; d < hd; d += LANES) v_store(v + i * V_STRIDE + d, v_load_n(row + d, hd - d));
    }
}
#endif

/* Do the paths from one to another (not before it in the list) have the block at pos in common? */
static bool is_shared(const slk_path *paths, int32_t from, int32_t to, int32_t pos)
{
    for (; from < to; from++)
        if (paths[from + 1].n_shared < pos + BLOCK) return false;
    return true;
}

/* --- one block of positions
 * ------------------------------------------------------------------------------------------- */

static void block_scores(float *scores, const lane_state *s, const float *k, int n, int n_words)
{
    for (int j = 0; j < n; j += LANES) {
        vec sums[LANES];
        const float *row = k + j * K_STRIDE;
        UNROLL
        for (int i = 0; i < LANES; i++) sums[i] = v_set(0);
        for (int w = 0; w < n_words; w++) {
            vec q = v_load(s->q + w * LANES);
            UNROLL
            for (int i = 0; i < LANES; i++) sums[i] = dot(sums[i], q, row + i * K_STRIDE + w);
        }
        UNROLL
        for (int i = 0; i < LANES; i++) v_store(scores + (j + i) * LANES, sums[i]);
    }
}

/* Scale, cap, mask; the largest of each lane. */
static vec block_max(float *scores, const lane_state *s, const slk_attention *a, int32_t pos, int n, bool masked)
{
    vec first = v_load(s->first), last = v_load(s->last), max = v_set(-INFINITY);
    for (int j = 0; j < n; j++) {
        vec x = v_mul(v_load(scores + j * LANES), v_set(a->scale));
        if (a->softcap > 0) x = v_mul(v_set(a->softcap), v_tanh(v_div(x, v_set(a->softcap))));
        if (masked) {
            vec at = v_set((float)(pos + j));
            x = v_select(v_both(v_le(first, at), v_le(at, last)), x, v_set(-INFINITY));
        }
        v_store(scores + j * LANES, x);
        max = v_max(max, x);
    }
    return max;
}

/* p = exp(score - max), as the left operand of block_values; the sum of each lane. n is a multiple of LANES. */
static vec block_exp(float *p, const float *scores, vec max, int n)
{
    vec sums[4] = {v_set(0), v_set(0), v_set(0), v_set(0)};
    for (int j = 0; j < n; j += 4) {
        vec e[4];
        UNROLL
        for (int i = 0; i < 4; i++) {
            e[i] = v_exp(v_sub(v_load(scores + (j + i) * LANES), max));
            sums[i] = v_add(sums[i], e[i]);
        }
#if BF16
        /* Lane by lane the two positions side by side. */
        const __m512i interleave = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7,
                                                    22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
        for (int i = 0; i < 4; i += 2) {
            __m512i both = (__m512i)_mm512_cvtne2ps_pbh(e[i + 1], e[i]);
            _mm512_storeu_si512(p + (j + i) / 2 * LANES, _mm512_permutexvar_epi16(interleave, both));
        }
#else
        for (int i = 0; i < 4; i++) v_store(p + (j + i) * LANES, e[i]);
#endif
    }
    return v_add(v_add(sums[0], sums[1]), v_add(sums[2], sums[3]));
}

/* sum = sum * decay + p v, in the active lanes. */
static void block_values(lane_state *s, const float *p, const float *v, vec decay, mask active, int n_rows,
                         int head_dim)
{
    for (int d = 0; d < head_dim; d += LANES) {
        vec sums[LANES];
        UNROLL
        for (int i = 0; i < LANES; i++) sums[i] = v_mul(v_load(s->sum + (d + i) * LANES), decay);
        for (int j = 0; j < n_rows; j++) {
            vec weight = v_load(p + j * LANES);
            UNROLL
            for (int i = 0; i < LANES; i++) sums[i] = dot(sums[i], weight, v + j * V_STRIDE + d + i);
        }
        UNROLL
        for (int i = 0; i < LANES; i++) v_store_if(s->sum + (d + i) * LANES, active, sums[i]);
    }
}

/* The n positions from pos on, for the active lanes. */
static void block_step(attend_scratch *t, lane_state *s, const slk_attention *a, int32_t pos, int n, mask active)
{
    unsigned lanes = v_bits(active);
    vec first = v_load(s->first), last = v_load(s->last), old_max = v_load(s->max);
    bool masked =
        lanes & ~v_bits(v_both(v_le(first, v_set((float)pos)), v_le(v_set((float)(pos + round_up(n) - 1)), last)));
    block_scores(t->scores, s, t->k, n, K_WORDS(a->head_dim));
    vec max = v_max(old_max, block_max(t->scores, s, a, pos, round_up(n), masked));
    vec decay = v_exp(v_sub(old_max, max));
    vec total = block_exp(t->p, t->scores, max, round_up(n));
    block_values(s, t->p, t->v, decay, active, (n * V_ROWS + BLOCK - 1) / BLOCK, a->head_dim);
    v_store_if(s->total, active, v_fma(v_load(s->total), decay, total));
    v_store_if(s->max, active, max);
}

/* All lanes of a group against the block at pos: once for each run of lanes whose paths have that block in common. */
static void group_step(attend_scratch *t, lane_state *s, const slk_attend *job, int32_t pos)
{
    float indices[LANES];
    for (int i = 0; i < LANES; i++) indices[i] = (float)i;
    vec lane = v_load(indices);
    mask visible =
        v_both(v_le(v_set((float)pos), v_load(s->last)), v_lt(v_load(s->first), v_set((float)(pos + BLOCK))));
    for (int begin = 0, end; begin < s->n_lanes; begin = end) {
        for (end = begin + 1; end < s->n_lanes && is_shared(job->paths, s->path[end - 1], s->path[end], pos);) end++;
        mask active = v_both(visible, v_both(v_le(v_set((float)begin), lane), v_lt(lane, v_set((float)end))));
        if (!v_bits(active)) continue;
        const slk_path *path = &job->paths[s->path[begin]];
        int32_t rest = path->pos0 + path->n_rows - pos;
        int n = rest < BLOCK ? rest : BLOCK;
        if (t->tile_path < 0 || t->tile_pos != pos || !is_shared(job->paths, t->tile_path, s->path[begin], pos)) {
            int32_t slots[BLOCK];
            find_slots(slots, path, pos, n);
            load_keys(t->k, job, slots, n);
            load_values(t->v, job, slots, n);
        }
        t->tile_path = s->path[end - 1];
        t->tile_pos = pos;
        block_step(t, s, job->a, pos, n, active);
    }
}

/* --- end: the sums out of the lanes
 * ----------------------------------------------------------------------------------- */

static void state_end(const lane_state *s, const slk_attend *job)
{
    int hd = job->a->head_dim;
    vec scale = v_div(v_set(1.0f), v_load(s->total));
    for (int d = 0; d < hd; d += LANES) {
        vec rows[LANES];
        for (int i = 0; i < LANES; i++) rows[i] = v_mul(v_load(s->sum + (d + i) * LANES), scale);
        v_transpose(rows);
        for (int i = 0; i < s->n_lanes; i++) store(job->y, job->dtype, s->at[i] + d, rows[i], hd - d);
    }
}

static void attend(const slk_attend *job, void *scratch)
{
    attend_scratch *t = scratch;
    float last = -1;
    float *rows = t->rows;
    t->tile_path = -1;
    for (int g = 0; g < job->n; g++) {
        lane_state *s = &t->states[g];
        s->q = rows;
        s->sum = rows += K_WORDS(job->a->head_dim) * LANES;
        rows += round_up(job->a->head_dim) * LANES;
        state_begin(s, job, &job->lanes[g]);
        for (int i = 0; i < s->n_lanes; i++) last = fmaxf(last, s->last[i]);
    }
    for (int32_t pos = 0; (float)pos <= last; pos += BLOCK)
        for (int g = 0; g < job->n; g++) group_step(t, &t->states[g], job, pos);
    for (int g = 0; g < job->n; g++) state_end(&t->states[g], job);
}
