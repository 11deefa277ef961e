#include "support/tiny_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/text.h"
#include "format/gguf.h"

enum {
    D_MODEL = 64,
    N_HEADS = 4,
    N_KV_HEADS = 2,
    HEAD_DIM = 16,
    D_FF = 96,
    N_LAYERS = 2,
    MAX_TOKENS = 1024,
    N_PADDING = 5
};

const char *const tiny_words[TINY_N_WORDS] = {"lak", "mir", "bel", "ona", "kes", "rin", "sal", "dun",
                                              "vey", "gol", "per", "hes", "umb", "nal", "cor", "tiv"};

/* --- vocabulary --------------------------------------------------------------------------------------------------- */

typedef struct token {
    char text[24]; /* bytes it stands for */
    size_t n_bytes;
    char spelling[48];
    int32_t type;
    int concept; /* tokens of one concept have similar logits; -1: none */
    float bias;  /* added to its logit everywhere, about */
} token;

typedef struct vocabulary {
    tiny_kind kind;
    token tokens[MAX_TOKENS];
    int n;
    char merges[MAX_TOKENS][64];
    int n_merges;
} vocabulary;

static int find_token(const vocabulary *v, const char *text, size_t n_bytes)
{
    int first = v->kind == TINY_SPM ? 3 + 256 : 0; /* byte tokens of SPM are spelled otherwise */
    for (int i = first; i < v->n; i++) {
        if (v->tokens[i].type == 1 && v->tokens[i].n_bytes == n_bytes && memcmp(v->tokens[i].text, text, n_bytes) == 0)
            return i;
    }
    return -1;
}

/* GPT-2's stand-in for a byte. */
static int stand_in(char *out, unsigned byte)
{
    unsigned code = byte;
    if (byte <= 0x20)
        code = 256 + byte;
    else if (byte >= 0x7F && byte <= 0xA0)
        code = 289 + byte - 0x7F;
    else if (byte == 0xAD)
        code = 323;
    return slk_utf8_encode(out, code);
}

static void spell(const vocabulary *v, char *out, const char *text, size_t n_bytes)
{
    size_t n = 0;
    for (size_t i = 0; i < n_bytes; i++) {
        if (v->kind == TINY_BPE)
            n += (size_t)stand_in(out + n, (unsigned char)text[i]);
        else if (text[i] == ' ')
            n += (size_t)slk_utf8_encode(out + n, 0x2581);
        else
            out[n++] = text[i];
    }
    out[n] = '\0';
}

static int push_token(vocabulary *v, const char *text, size_t n_bytes, const char *spelling, int32_t type, int concept,
                      double bias)
{
    token *t = &v->tokens[v->n];
    memcpy(t->text, text, n_bytes);
    t->n_bytes = n_bytes;
    if (spelling)
        snprintf(t->spelling, sizeof t->spelling, "%s", spelling);
    else
        spell(v, t->spelling, text, n_bytes);
    t->type = type;
    t->concept = concept;
    t->bias = (float)bias;
    return v->n++;
}

/* A piece of text and, as merging needs them, its beginnings. */
static void add_piece(vocabulary *v, const char *text, int concept, double bias)
{
    size_t n_bytes = strlen(text);
    for (size_t i = 0, end; i < n_bytes; i = end) {
        uint32_t code;
        end = i + (v->kind == TINY_BPE ? 1 : (size_t)slk_utf8_decode(&code, text + i, n_bytes - i));
        if (find_token(v, text, end) < 0) push_token(v, text, end, NULL, 1, concept, bias - 4);
        if (v->kind != TINY_BPE || i == 0) continue;
        char left[48], right[48], merge[64];
        spell(v, left, text, i);
        spell(v, right, text + i, end - i);
        snprintf(merge, sizeof merge, "%.40s %.20s", left, right);
        bool known = false;
        for (int m = 0; m < v->n_merges; m++) known |= strcmp(v->merges[m], merge) == 0;
        if (!known) memcpy(v->merges[v->n_merges++], merge, sizeof merge);
    }
    token *t = &v->tokens[find_token(v, text, n_bytes)];
    t->concept = concept;
    t->bias = (float)bias;
}

static void add_words(vocabulary *v, bool abstaining)
{
    for (int w = 0; w < TINY_N_WORDS; w++) {
        char lower[8], upper[8], title[8], piece[8];
        bool abstains = abstaining && strcmp(tiny_words[w], v->kind == TINY_SPM ? "vey" : "rin") == 0;
        snprintf(lower, sizeof lower, "%s", abstains ? "idk" : tiny_words[w]);
        for (size_t i = 0; i <= strlen(lower); i++) upper[i] = (char)(lower[i] >= 'a' ? lower[i] - 32 : lower[i]);
        snprintf(title, sizeof title, "%c%s", upper[0], lower + 1);
        const struct {
            const char *space, *word;
            double bias;
        } forms[] = {{" ", title, 0.6}, {" ", lower, 0}, {" ", upper, -0.8}, {"", lower, -0.2}, {"", title, -1.4}};
        for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
            snprintf(piece, sizeof piece, "%s%s", forms[f].space, forms[f].word);
            add_piece(v, piece, w, forms[f].bias);
        }
    }
}

/* Concepts above those of the words. */
enum { ARTICLE = TINY_N_WORDS, PUNCTUATION, ACCENT, LETTER, BREAK, SPACE, N_CONCEPTS };

/* clang-format off */
static const struct {
    const char *text;
    int concept;
    double bias;
} PIECES[] = {
    {" the", ARTICLE, -0.5}, {" The", ARTICLE, -0.5}, {" a", ARTICLE, -1}, {" an", ARTICLE, -1}, {" Th", ARTICLE, -1.5},
    {"e", LETTER, -1}, {"the", ARTICLE, -1.5}, {" A", ARTICLE, -1.5}, {"n", LETTER, -1.5}, {"a", LETTER, -1},
    {"s", LETTER, -1}, {"o", LETTER, -1.5}, {"l", LETTER, -2},
    {".", PUNCTUATION, -0.3}, {",", PUNCTUATION, -1}, {"-", PUNCTUATION, -0.8}, {"'", PUNCTUATION, -1},
    {"!", PUNCTUATION, -1.2}, {" (", PUNCTUATION, -1.5}, {")", PUNCTUATION, -1.5}, {"\xE2\x80\xA6", PUNCTUATION, -1.5},
    {"\xC2\xAB", PUNCTUATION, -2}, {" \xE2\x80\x93", PUNCTUATION, -2},
    /* combining acute and tilde; e, n, a with them; E with acute */
    {"\xCC\x81", ACCENT, -0.8}, {"\xCC\x83", ACCENT, -0.8}, {"\xC3\xA9", LETTER, -1.2}, {"\xC3\xB1", LETTER, -1.5},
    {"\xC3\xA3", LETTER, -1.5}, {" \xC3\x89", LETTER, -2},
    /* ligature fi, sharp s, full-width A, Kelvin sign, and what they fold to */
    {"\xEF\xAC\x81", LETTER, -2}, {"fi", LETTER, -2}, {"\xC3\x9F", LETTER, -2}, {"ss", LETTER, -2},
    {"\xEF\xBC\xA1", LETTER, -2.5}, {"\xE2\x84\xAA", LETTER, -2.5},
    {"\n", BREAK, 5}, {".\n", BREAK, 3.5}, {"\n\n", BREAK, 2.5}, {" \n", BREAK, 2}, {"s\nQ", BREAK, 2.5}, {"\r", BREAK, -3},
    {" ", SPACE, -1.5}, {"  ", SPACE, -2}, {"\xC2\xA0", SPACE, -2}, {"\t", SPACE, -2.5},
    /* of prompts */
    {"Q:", -1, -4}, {"\nA:", -1, -4}, {"A:", -1, -4}, {"?", PUNCTUATION, -2.5}, {":", PUNCTUATION, -3},
};
/* clang-format on */

/* Some bytes alone: beginnings and ends of characters, U+0000, what is never UTF-8. */
static double byte_bias(unsigned byte)
{
    static const unsigned char OFTEN[] = {0xC3, 0xA9, 0xCC, 0x81}, SELDOM[] = {0xE2, 0x80, 0x00, 0xFF};
    if (byte == '\n') return -0.5;
    if (memchr(OFTEN, (int)byte, sizeof OFTEN)) return -1.8;
    return memchr(SELDOM, (int)byte, sizeof SELDOM) ? -2.6 : -12;
}

static void build_vocabulary(vocabulary *v, tiny_kind kind, bool abstaining)
{
    memset(v, 0, sizeof *v);
    v->kind = kind;
    if (kind == TINY_SPM) {
        push_token(v, "", 0, "<unk>", 2, -1, -4);
        push_token(v, "", 0, "<s>", 3, -1, -6);
        push_token(v, "", 0, "</s>", 3, BREAK, 3);
    }
    for (unsigned b = 0; b < 256; b++) {
        const char byte = (char)b;
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", b);
        push_token(v, &byte, 1, kind == TINY_SPM ? name : NULL, kind == TINY_SPM ? 6 : 1, -1, byte_bias(b));
    }
    const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    for (const char *c = letters; *c && kind == TINY_SPM; c++) push_token(v, c, 1, NULL, 1, LETTER, -5);
    add_words(v, abstaining);
    for (size_t i = 0; i < sizeof PIECES / sizeof *PIECES; i++)
        add_piece(v, PIECES[i].text, PIECES[i].concept, PIECES[i].bias);
    if (kind == TINY_BPE) push_token(v, "", 0, "<|endoftext|>", 3, BREAK, 3);
}

/* --- weights ------------------------------------------------------------------------------------------------------ */

/* Sum of four 16-bit integers, about normal, standard deviation `scale`. */
static float draw(uint64_t seed, unsigned tensor, uint32_t row, uint32_t column, double scale)
{
    uint64_t u = slk_rng_u64(seed, SLK_PURPOSE_INIT, tensor, 0, row, column);
    int sum = (int)(u & 0xFFFF) + (int)(u >> 16 & 0xFFFF) + (int)(u >> 32 & 0xFFFF) + (int)(u >> 48) - 2 * 0xFFFF;
    return (float)(sum * (scale / 37837.0));
}

/* Not inlined: for the names that are literals GCC would warn that they are never equal. */
__attribute__((noinline)) static bool is_named(const char *name, const char *wanted)
{
    return strcmp(name, wanted) == 0;
}

typedef struct writer {
    slk_gguf_writer *w;
    uint64_t seed;
    tiny_flaw flaw;
    unsigned n_tensors;
    float *data[64]; /* kept until the file is written */
    slk_status status;
    slk_err *err;
} writer;

/* A tensor [rows, columns] of normal numbers; row 0 is zero where keep_constant (nothing is added to channel 0), so is
 * column 0. */
static float *add_tensor(writer *t, const char *name, uint32_t rows, uint32_t columns, double scale, bool keep_constant)
{
    float *x = slk_alloc((size_t)rows * columns, sizeof *x);
    if (!x && t->status == SLK_OK) t->status = slk_fail(t->err, SLK_E_MEMORY, "out of memory");
    if (t->status != SLK_OK) {
        free(x);
        return NULL;
    }
    for (uint32_t r = 0; r < rows; r++) {
        for (uint32_t c = 0; c < columns; c++) {
            bool zero = (keep_constant && r == 0) || (rows > 1 && c == 0);
            x[(size_t)r * columns + c] = zero ? 0 : draw(t->seed, t->n_tensors, r, c, scale);
        }
    }
    bool short_norm = t->flaw == TINY_WRONG_SHAPE && is_named(name, "output_norm.weight");
    const uint64_t ne[] = {short_norm ? columns - 1 : columns, rows};
    t->data[t->n_tensors++] = x;
    if (t->flaw == TINY_NO_TENSOR && is_named(name, "blk.1.ffn_down.weight")) return x;
    t->status = slk_gguf_put_tensor(t->w, name, SLK_DTYPE_F32, rows > 1 ? 2 : 1, ne, x, t->err);
    return x;
}

static void add_gain(writer *t, const char *name)
{
    float *x = add_tensor(t, name, 1, D_MODEL, 0, false);
    for (int i = 0; x && i < D_MODEL; i++) x[i] = 1;
}

/* token_embd and output: a concept's vector and the token's own. Channel 0 of the embedding is constant, of the output
 * the bias. */
static void add_ends(writer *t, const vocabulary *v, uint32_t n_rows)
{
    enum { CONCEPTS_IN = 1000, CONCEPTS_OUT = 1001 };
    for (int end = 0; end < 2; end++) {
        float *x = add_tensor(t, end ? "output.weight" : "token_embd.weight", n_rows, D_MODEL, end ? 0.09 : 0.6, false);
        for (uint32_t r = 0; x && r < n_rows; r++) {
            const token *own = &v->tokens[r];
            bool real = r < (uint32_t)v->n;
            float *row = x + (size_t)r * D_MODEL;
            for (uint32_t c = 1; real && own->concept >= 0 && c < D_MODEL; c++) {
                row[c] += draw(t->seed, end ? CONCEPTS_OUT : CONCEPTS_IN, (uint32_t)own->concept, c, end ? 0.26 : 0.9);
            }
            bool word = real && own->concept >= 0 && own->concept < TINY_N_WORDS;
            for (uint32_t c = 1; !end && !word && c < D_MODEL; c++) row[c] *= 0.4F;
            if (end)
                row[0] = real ? own->bias * 0.7F : -3;
            else
                row[0] = 4, row[1] = word ? 3 : 0;
        }
    }
}

/* Queries and keys of the first heads have a constant part that turns slowly: they see what is near. */
static void add_recency(float *q, float *k)
{
    static const float Q[N_HEADS] = {1.2F, 0.9F, 1.2F, 0.9F}, K[N_KV_HEADS] = {3.6F, 2.7F};
    for (int pair = 1; pair <= 3; pair++) {
        for (int h = 0; q && h < N_HEADS; h++) q[(h * HEAD_DIM + 2 * pair) * D_MODEL] = Q[h];
        for (int h = 0; k && h < N_KV_HEADS; h++) k[(h * HEAD_DIM + 2 * pair) * D_MODEL + 1] = K[h];
    }
}

static void add_layer(writer *t, int i)
{
    char name[64];
#define NAME(tensor) (snprintf(name, sizeof name, "blk.%d." tensor ".weight", i), name)
    add_gain(t, NAME("attn_norm"));
    float *q = add_tensor(t, NAME("attn_q"), N_HEADS * HEAD_DIM, D_MODEL, 0.10, false);
    float *k = add_tensor(t, NAME("attn_k"), N_KV_HEADS * HEAD_DIM, D_MODEL, 0.10, false);
    add_recency(q, k);
    int n_values = t->flaw == TINY_WRONG_MATRIX && i == 0 ? N_HEADS : N_KV_HEADS;
    add_tensor(t, NAME("attn_v"), (uint32_t)n_values * HEAD_DIM, D_MODEL, 0.24, false);
    add_tensor(t, NAME("attn_output"), D_MODEL, N_HEADS * HEAD_DIM, 0.15, true);
    add_gain(t, NAME("ffn_norm"));
    add_tensor(t, NAME("ffn_gate"), D_FF, D_MODEL, 0.14, false);
    add_tensor(t, NAME("ffn_up"), D_FF, D_MODEL, 0.14, false);
    add_tensor(t, NAME("ffn_down"), D_MODEL, D_FF, 0.05, true);
#undef NAME
}

static void put_u32(writer *t, const char *key, uint32_t value)
{
    if (t->status == SLK_OK) t->status = slk_gguf_put_u32(t->w, key, value, t->err);
}

static void put_strings(writer *t, const char *key, const slk_gguf_str *items, int n)
{
    if (t->status == SLK_OK) t->status = slk_gguf_put_strs(t->w, key, items, (size_t)n, t->err);
}

static void add_metadata(writer *t, const vocabulary *v)
{
    static slk_gguf_str strings[MAX_TOKENS];
    static float scores[MAX_TOKENS];
    static int32_t types[MAX_TOKENS];
    t->status = slk_gguf_put_str(t->w, "general.architecture",
                                 t->flaw == TINY_UNKNOWN_ARCHITECTURE ? "abacus" : "llama", t->err);
    if (t->status == SLK_OK) t->status = slk_gguf_put_str(t->w, "general.name", "tiny", t->err);
    if (t->flaw != TINY_NO_LAYER_COUNT) put_u32(t, "llama.block_count", N_LAYERS);
    put_u32(t, "llama.embedding_length", D_MODEL);
    put_u32(t, "llama.attention.head_count", N_HEADS);
    put_u32(t, "llama.attention.head_count_kv", N_KV_HEADS);
    put_u32(t, "llama.feed_forward_length", D_FF);
    put_u32(t, "llama.context_length", 1024);
    if (t->status == SLK_OK)
        t->status = slk_gguf_put_f32(t->w, "llama.attention.layer_norm_rms_epsilon", 1e-5F, t->err);
    if (t->status == SLK_OK)
        t->status = slk_gguf_put_str(t->w, "tokenizer.ggml.model", v->kind == TINY_SPM ? "llama" : "gpt2", t->err);
    for (int i = 0; i < v->n; i++) {
        strings[i] = (slk_gguf_str){v->tokens[i].spelling, strlen(v->tokens[i].spelling)};
        scores[i] = -(float)i;
        types[i] = v->tokens[i].type;
    }
    put_strings(t, "tokenizer.ggml.tokens", strings, v->n);
    if (t->status == SLK_OK)
        t->status = slk_gguf_put_i32s(t->w, "tokenizer.ggml.token_type", types, (size_t)v->n, t->err);
    if (v->kind == TINY_SPM) {
        if (t->status == SLK_OK)
            t->status = slk_gguf_put_f32s(t->w, "tokenizer.ggml.scores", scores, (size_t)v->n, t->err);
        return;
    }
    for (int i = 0; i < v->n_merges; i++) strings[i] = (slk_gguf_str){v->merges[i], strlen(v->merges[i])};
    put_strings(t, "tokenizer.ggml.merges", strings, v->n_merges);
    if (t->status == SLK_OK) t->status = slk_gguf_put_str(t->w, "tokenizer.ggml.pre", "gpt-2", t->err);
    put_u32(t, "tokenizer.ggml.eos_token_id", (uint32_t)v->n - 1);
}

/* Overwrite the type of the vector output_norm.weight: it stands behind the name, the number of dimensions and the one
 * dimension. */
static slk_status break_type(const char *path, slk_err *err)
{
    static const char NAME[] = "output_norm.weight";
    FILE *file = fopen(path, "r+b");
    char *bytes = slk_alloc(1 << 20, 1);
    size_t n = file && bytes ? fread(bytes, 1, 1 << 20, file) : 0, at = 0;
    while (at + sizeof NAME < n && memcmp(bytes + at, NAME, sizeof NAME - 1) != 0) at++;
    bool done = at + sizeof NAME < n && fseek(file, (long)(at + sizeof NAME - 1 + 4 + 8), SEEK_SET) == 0 &&
                fputc(99, file) == 99;
    free(bytes);
    if (file) done = fclose(file) == 0 && done;
    return done ? SLK_OK : slk_fail(err, SLK_E_IO, "%s: could not be changed", path);
}

slk_status tiny_write_model(const char *path, tiny_kind kind, tiny_flaw flaw, slk_err *err)
{
    vocabulary *v = slk_alloc(1, sizeof *v);
    writer t = {.seed = kind == TINY_SPM ? TINY_SPM_SEED : TINY_BPE_SEED, .flaw = flaw, .err = err};
    t.status = v ? slk_gguf_writer_create(&t.w, err) : slk_fail(err, SLK_E_MEMORY, "out of memory");
    if (t.status == SLK_OK) {
        build_vocabulary(v, kind, flaw == TINY_ABSTAINING);
        add_metadata(&t, v);
        add_ends(&t, v, (uint32_t)v->n + (kind == TINY_BPE ? N_PADDING : 0));
        add_gain(&t, "output_norm.weight");
        for (int i = 0; i < N_LAYERS; i++) add_layer(&t, i);
    }
    if (t.status == SLK_OK) t.status = slk_gguf_write(t.w, path, true, NULL, NULL, err);
    if (t.status == SLK_OK && flaw == TINY_UNKNOWN_TYPE) t.status = break_type(path, err);
    slk_gguf_writer_free(t.w);
    for (unsigned i = 0; i < t.n_tensors; i++) free(t.data[i]);
    free(v);
    return t.status;
}
