/* The table of families. */
#include "model/family.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Llama, Mistral, Qwen. */
static const slk_name names_llama[] = {
    {"token_embd", "model.embed_tokens", SLK_CHANGE_NONE},
    {"output_norm", "model.norm", SLK_CHANGE_NONE},
    {"output", "lm_head", SLK_CHANGE_NONE},
    {"blk.#.attn_norm", "model.layers.#.input_layernorm", SLK_CHANGE_NONE},
    {"blk.#.attn_q", "model.layers.#.self_attn.q_proj", SLK_CHANGE_PAIRS},
    {"blk.#.attn_k", "model.layers.#.self_attn.k_proj", SLK_CHANGE_PAIRS},
    {"blk.#.attn_v", "model.layers.#.self_attn.v_proj", SLK_CHANGE_NONE},
    {"blk.#.attn_output", "model.layers.#.self_attn.o_proj", SLK_CHANGE_NONE},
    {"blk.#.attn_q_norm", "model.layers.#.self_attn.q_norm", SLK_CHANGE_NONE},
    {"blk.#.attn_k_norm", "model.layers.#.self_attn.k_norm", SLK_CHANGE_NONE},
    {"blk.#.ffn_norm", "model.layers.#.post_attention_layernorm", SLK_CHANGE_NONE},
    {"blk.#.ffn_gate", "model.layers.#.mlp.gate_proj", SLK_CHANGE_NONE},
    {"blk.#.ffn_up", "model.layers.#.mlp.up_proj", SLK_CHANGE_NONE},
    {"blk.#.ffn_down", "model.layers.#.mlp.down_proj", SLK_CHANGE_NONE},
    {NULL, NULL, SLK_CHANGE_NONE},
};

/* Gemma 2 and 3. Beware: post_attention_layernorm is another norm than Llama's of that name. */
static const slk_name names_gemma[] = {
    {"token_embd", "model.embed_tokens", SLK_CHANGE_NONE},
    {"output_norm", "model.norm", SLK_CHANGE_GAIN},
    {"output", "lm_head", SLK_CHANGE_NONE},
    {"blk.#.attn_norm", "model.layers.#.input_layernorm", SLK_CHANGE_GAIN},
    {"blk.#.attn_q", "model.layers.#.self_attn.q_proj", SLK_CHANGE_NONE},
    {"blk.#.attn_k", "model.layers.#.self_attn.k_proj", SLK_CHANGE_NONE},
    {"blk.#.attn_v", "model.layers.#.self_attn.v_proj", SLK_CHANGE_NONE},
    {"blk.#.attn_output", "model.layers.#.self_attn.o_proj", SLK_CHANGE_NONE},
    {"blk.#.attn_q_norm", "model.layers.#.self_attn.q_norm", SLK_CHANGE_GAIN},
    {"blk.#.attn_k_norm", "model.layers.#.self_attn.k_norm", SLK_CHANGE_GAIN},
    {"blk.#.post_attention_norm", "model.layers.#.post_attention_layernorm", SLK_CHANGE_GAIN},
    {"blk.#.ffn_norm", "model.layers.#.pre_feedforward_layernorm", SLK_CHANGE_GAIN},
    {"blk.#.ffn_gate", "model.layers.#.mlp.gate_proj", SLK_CHANGE_NONE},
    {"blk.#.ffn_up", "model.layers.#.mlp.up_proj", SLK_CHANGE_NONE},
    {"blk.#.ffn_down", "model.layers.#.mlp.down_proj", SLK_CHANGE_NONE},
    {"blk.#.post_ffw_norm", "model.layers.#.post_feedforward_layernorm", SLK_CHANGE_GAIN},
    {NULL, NULL, SLK_CHANGE_NONE},
};

static const slk_name names_gpt2[] = {
    {"token_embd", "transformer.wte", SLK_CHANGE_NONE},
    {"position_embd", "transformer.wpe", SLK_CHANGE_NONE},
    {"output_norm", "transformer.ln_f", SLK_CHANGE_NONE},
    {"output", "lm_head", SLK_CHANGE_NONE},
    {"blk.#.attn_norm", "transformer.h.#.ln_1", SLK_CHANGE_NONE},
    {"blk.#.attn_qkv", "transformer.h.#.attn.c_attn", SLK_CHANGE_TRANSPOSE},
    {"blk.#.attn_output", "transformer.h.#.attn.c_proj", SLK_CHANGE_TRANSPOSE},
    {"blk.#.ffn_norm", "transformer.h.#.ln_2", SLK_CHANGE_NONE},
    {"blk.#.ffn_up", "transformer.h.#.mlp.c_fc", SLK_CHANGE_TRANSPOSE},
    {"blk.#.ffn_down", "transformer.h.#.mlp.c_proj", SLK_CHANGE_TRANSPOSE},
    {NULL, NULL, SLK_CHANGE_NONE},
};

static const slk_family families[] = {
    {.arch = "llama",
     .hf_type = "llama",
     .hf_class = "LlamaForCausalLM",
     .names = names_llama,
     .rope = true,
     .rope_pairs = true,
     .gated = true,
     .hf_rope_base = 10000},
    {.arch = "mistral",
     .hf_type = "mistral",
     .hf_class = "MistralForCausalLM",
     .names = names_llama,
     .rope = true,
     .rope_pairs = true,
     .gated = true,
     .hf_window = 4096,
     .hf_rope_base = 10000},
    {.arch = "qwen2",
     .hf_type = "qwen2",
     .hf_class = "Qwen2ForCausalLM",
     .names = names_llama,
     .rope = true,
     .gated = true,
     .hf_window = 4096,
     .hf_rope_base = 10000},
    {.arch = "qwen3",
     .hf_type = "qwen3",
     .hf_class = "Qwen3ForCausalLM",
     .names = names_llama,
     .rope = true,
     .gated = true,
     .qk_norm = true,
     .hf_head_dim = 128,
     .hf_window = 4096,
     .hf_rope_base = 10000},
    {.arch = "gemma2",
     .hf_type = "gemma2",
     .hf_class = "Gemma2ForCausalLM",
     .names = names_gemma,
     .rope = true,
     .gated = true,
     .post_norms = true,
     .scaled_embedding = true,
     .activation = SLK_ACT_GELU_TANH,
     .window_pattern = 2,
     .attention_softcap = 50,
     .logit_softcap = 30,
     .n_layers_scaled_by_width = 46,
     .hf_tied = true,
     .hf_head_dim = 256,
     .hf_window = 4096,
     .hf_rope_base = 10000},
    {.arch = "gemma3",
     .hf_type = "gemma3_text",
     .hf_class = "Gemma3ForCausalLM",
     .names = names_gemma,
     .rope = true,
     .gated = true,
     .post_norms = true,
     .qk_norm = true,
     .scaled_embedding = true,
     .activation = SLK_ACT_GELU_TANH,
     .window_pattern = 6,
     .rope_base_local = 10000,
     .n_layers_scaled_by_width = 62,
     .hf_tied = true,
     .hf_head_dim = 256,
     .hf_window = 4096,
     .hf_rope_base = 1000000},
    {.arch = "gpt2",
     .hf_type = "gpt2",
     .hf_class = "GPT2LMHeadModel",
     .names = names_gpt2,
     .norm = SLK_NORM_LAYER,
     .fused_qkv = true,
     .learned_positions = true,
     .activation = SLK_ACT_GELU_TANH,
     .hf_tied = true},
};
#define N_FAMILIES (sizeof families / sizeof families[0])

const slk_family *slk_family_find(const char *arch, size_t n_bytes)
{
    for (size_t i = 0; i < N_FAMILIES; i++) {
        if (strlen(families[i].arch) == n_bytes && !memcmp(families[i].arch, arch, n_bytes)) return &families[i];
    }
    return NULL;
}

const slk_family *slk_family_find_hf(const char *model_type)
{
    for (size_t i = 0; i < N_FAMILIES; i++) {
        if (!strcmp(families[i].hf_type, model_type)) return &families[i];
    }
    return NULL;
}

const char *slk_family_list(void)
{
    return "llama mistral qwen2 qwen3 gemma2 gemma3 gpt2";
}

const char *slk_family_list_hf(void)
{
    return "llama mistral qwen2 qwen3 gemma2 gemma3_text gpt2";
}

static void put_name(char out[SLK_NAME_BYTES], const char *pattern, int layer, const char *suffix)
{
    const char *hash = strchr(pattern, '#');
    if (hash)
        snprintf(out, SLK_NAME_BYTES, "%.*s%d%s.%s", (int)(hash - pattern), pattern, layer, hash + 1, suffix);
    else
        snprintf(out, SLK_NAME_BYTES, "%s.%s", pattern, suffix);
}

void slk_family_gguf_name(char out[SLK_NAME_BYTES], const slk_name *name, int layer, const char *suffix)
{
    put_name(out, name->gguf, layer, suffix);
}

void slk_family_hf_name(char out[SLK_NAME_BYTES], const slk_name *name, int layer, const char *suffix)
{
    put_name(out, name->hf, layer, suffix);
}

bool slk_family_is_layered(const slk_name *name)
{
    return strchr(name->gguf, '#') != NULL;
}

/* Does the tensor's name read `pattern` + ".weight" or ".bias"? */
static bool matches(const char *pattern, const char *tensor, int *layer, const char **suffix)
{
    *layer = 0;
    for (; *pattern; pattern++) {
        if (*pattern != '#') {
            if (*pattern != *tensor++) return false;
            continue;
        }
        const char *digits = tensor;
        for (; *tensor >= '0' && *tensor <= '9' && tensor - digits < 6; tensor++)
            *layer = *layer * 10 + (*tensor - '0');
        if (tensor == digits || (*digits == '0' && tensor - digits > 1)) return false;
    }
    *suffix = tensor + 1;
    return *tensor == '.' && (!strcmp(*suffix, "weight") || !strcmp(*suffix, "bias"));
}

const slk_name *slk_family_parse_gguf(const slk_family *family, const char *tensor, int *layer, const char **suffix)
{
    for (const slk_name *n = family->names; n->gguf; n++) {
        if (matches(n->gguf, tensor, layer, suffix)) return n;
    }
    return NULL;
}

const slk_name *slk_family_parse_hf(const slk_family *family, const char *tensor, int *layer, const char **suffix)
{
    for (const slk_name *n = family->names; n->gguf; n++) {
        const char *dot = strchr(n->hf, '.');
        if (matches(n->hf, tensor, layer, suffix) || (dot && matches(dot + 1, tensor, layer, suffix))) return n;
    }
    return NULL;
}

slk_change slk_family_change(const slk_family *family, const slk_name *name, const char *suffix)
{
    if (name->change == SLK_CHANGE_PAIRS) return family->rope_pairs ? SLK_CHANGE_PAIRS : SLK_CHANGE_NONE;
    return strcmp(suffix, "bias") ? name->change : SLK_CHANGE_NONE;
}

int64_t slk_pairs_hf_row(int64_t r, int head_dim)
{
    int64_t in_head = r % head_dim;
    return r - in_head + in_head % 2 * (head_dim / 2) + in_head / 2;
}

int64_t slk_pairs_gguf_row(int64_t r, int head_dim)
{
    int64_t in_head = r % head_dim, half = head_dim / 2;
    return r - in_head + in_head % half * 2 + in_head / half;
}

/* Wavelengths that turn often within the original context stay, those that turn less than `low` times are stretched by
 * the factor, and in between the frequency is interpolated. */
void slk_rope3_divisors(float *divisors, int n_rotary, const slk_rope3 *s, double base)
{
    for (int i = 0; i < n_rotary; i++) {
        double wavelength = 2 * acos(-1.0) * pow(base, (double)i / n_rotary);
        double smooth = ((double)s->n_original / wavelength - s->low) / (s->high - s->low);
        smooth = fmin(fmax(smooth, 0), 1);
        divisors[i] = (float)(1 / ((1 - smooth) / s->factor + smooth));
    }
}

bool slk_rope3_guess(slk_rope3 *scaling, const float *divisors, int n_rotary, double base)
{
    float own[256];
    if (n_rotary < 1 || n_rotary > 256) return false;
    slk_rope3 s = {.factor = 1, .low = 1, .high = 4};
    for (int i = 0; i < n_rotary; i++) s.factor = fmax(s.factor, (double)divisors[i]);
    for (s.n_original = 16; s.n_original <= 1 << 24; s.n_original *= 2) {
        slk_rope3_divisors(own, n_rotary, &s, base);
        bool same = true;
        for (int i = 0; i < n_rotary && same; i++) same = fabsf(own[i] - divisors[i]) <= 1e-5f * divisors[i];
        if (!same) continue;
        *scaling = s;
        return true;
    }
    return false;
}
