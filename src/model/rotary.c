#include "model/rotary.h"

#include <math.h>
#include <stdlib.h>

#include "model/model.h"

/* cos and sin of position * frequency, in double and rounded once. Frequencies base^(-2i/head_dim), divided by the
 * file's rope_freqs (Llama 3) and by the linear scale, which windowed layers with a base of their own do not have. */
slk_status slk_rotary_reserve(slk_rotary *r, const slk_model *m, int32_t n_positions, slk_err *err)
{
    const slk_config *c = &m->config;
    if (!c->rope || n_positions <= r->n_positions) return SLK_OK;
    n_positions = (n_positions + 255) / 256 * 256;
    size_t half = (size_t)c->head_dim / 2;
    for (int local = 0; local < 2; local++) {
        bool plain = local && c->rope_local;
        double base = local ? c->rope_base_local : c->rope_base, scale = plain ? 1 : c->rope_scale;
        float *tables[2];
        for (int i = 0; i < 2; i++) {
            tables[i] = realloc(r->tables[local][i], (size_t)n_positions * half * sizeof(float));
            if (!tables[i])
                return slk_fail(err, SLK_E_MEMORY, "out of memory for rotary tables of %d positions", n_positions);
            r->tables[local][i] = tables[i];
        }
        for (size_t i = 0; i < half; i++) {
            double frequency = pow(base, -2.0 * (double)i / c->head_dim) / scale;
            if (m->rope_divisors && !plain) frequency /= (double)m->rope_divisors[i];
            for (int32_t p = r->n_positions; p < n_positions; p++) {
                tables[0][(size_t)p * half + i] = (float)cos(p * frequency);
                tables[1][(size_t)p * half + i] = (float)sin(p * frequency);
            }
        }
    }
    r->n_positions = n_positions;
    return SLK_OK;
}

void slk_rotary_release(slk_rotary *r)
{
    for (int i = 0; i < 4; i++) free(r->tables[i / 2][i % 2]);
    *r = (slk_rotary){0};
}

slk_attention slk_layer_attention(const slk_model *m, const slk_rotary *r, int i)
{
    const slk_config *c = &m->config;
    const slk_layer *layer = &m->layers[i];
    bool windowed = slk_config_is_windowed(c, i);
    return (slk_attention){
        .n_heads = c->n_heads,
        .n_kv_heads = c->n_kv_heads,
        .head_dim = c->head_dim,
        .scale = c->attention_scale,
        .softcap = c->attention_softcap,
        .window = windowed ? c->window : 0,
        .q_gain = layer->q_gain,
        .k_gain = layer->k_gain,
        .qk_eps = c->norm_eps,
        .rope_pairs = c->rope_pairs,
        .rope_cos = r->tables[windowed][0],
        .rope_sin = r->tables[windowed][1],
    };
}
