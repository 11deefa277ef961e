#include "train/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/backprop.h"
#include "model/model.h"
#include "train/order.h"

/* Program, libraries, vocabulary, the library's primitives: measured. */
#define PROCESS_BYTES ((size_t)40 << 20)
/* Rows of evaluation in flight, most of them questions: measured on EntityQuestions. */
#define EVALUATION_SLOTS 2048
/* Micro-batches are not made smaller than this: products slow down, and little is won. */
#define MIN_ROWS 64

/* --- values --------------------------------------------------------------------------------------------------------
 */

typedef struct counts {
    int64_t matrices, others; /* values with a gradient: in the compute type, in float32 */
    int64_t largest;          /* tensor of the model */
} counts;

static int64_t count_adapter(const slk_config *c, const slk_lora *lora)
{
    int64_t d = c->d_model, d_q = (int64_t)c->n_heads * c->head_dim, d_kv = (int64_t)c->n_kv_heads * c->head_dim;
    unsigned t = lora->targets;
    int64_t n_qkv = c->fused_qkv ? (t & (SLK_LORA_Q | SLK_LORA_K | SLK_LORA_V)) != 0
                                 : !!(t & SLK_LORA_Q) + !!(t & SLK_LORA_K) + !!(t & SLK_LORA_V);
    int64_t n_gate_up = (c->gated && (t & SLK_LORA_GATE)) + !!(t & SLK_LORA_UP);
    int64_t values = n_qkv * (d + d_q + 2 * d_kv) + n_gate_up * (d + (c->gated ? 2 : 1) * (int64_t)c->d_ff);
    if (t & SLK_LORA_O) values += d_q + d;
    if (t & SLK_LORA_DOWN) values += c->d_ff + d;
    return values * lora->rank * c->n_layers;
}

static counts count_values(const slk_config *c, unsigned frozen, const slk_lora *lora)
{
    int64_t d = c->d_model, d_q = (int64_t)c->n_heads * c->head_dim, d_kv = (int64_t)c->n_kv_heads * c->head_dim;
    counts n = {.largest = (int64_t)c->n_vocab * d};
    if (lora) {
        n.matrices = count_adapter(c, lora);
        return n;
    }
    if (!(frozen & SLK_PARAM_ATTENTION)) n.matrices += c->n_layers * (d * (d_q + 2 * d_kv) + d_q * d);
    if (!(frozen & SLK_PARAM_FFN)) n.matrices += c->n_layers * d * c->d_ff * (c->gated ? 3 : 2);
    if (!(frozen & SLK_PARAM_EMBEDDINGS)) {
        n.matrices += (int64_t)c->n_vocab * d * (c->tied ? 1 : 2);
        if (c->learned_positions) n.others += (int64_t)c->n_context * d;
    }
    n.others += c->n_layers * 2 * d + d; /* norms, about */
    return n;
}

/* --- the plan ------------------------------------------------------------------------------------------------------
 */

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* All but the batch. */
static void plan_fixed(slk_train_memory *out, const slk_model *m, unsigned frozen, const slk_lora *lora,
                       bool keeps_best)
{
    const slk_config *c = &m->config;
    slk_dtype type = slk_compute_dtype(m->compute);
    size_t value_bytes = type == SLK_DTYPE_BF16 ? 2 : 4;
    counts n = count_values(c, frozen, lora);
    out->n_trained = n.matrices + n.others;
    out->weights = m->weights_bytes + (lora ? (size_t)n.matrices * value_bytes : 0);
    out->masters = type == SLK_DTYPE_BF16 || lora ? (size_t)n.matrices * sizeof(float) : 0;
    out->gradients = (size_t)out->n_trained * sizeof(float);
    out->moments = slk_optimizer_bytes(out->n_trained, keeps_best);
    size_t asking = EVALUATION_SLOTS * slk_config_kv_bytes(c, type);
    size_t saving = lora ? 0 : (size_t)n.largest * (sizeof(float) + value_bytes);
    out->evaluation = max_size(asking, saving);
}

static void set_total(slk_train_memory *out)
{
    out->total =
        out->weights + out->masters + out->gradients + out->moments + out->batch + out->evaluation + PROCESS_BYTES;
}

/* The batch with this limit of rows, and the total. */
static slk_status plan_batch(slk_train_memory *out, const slk_model *m, const slk_lora *lora,
                             const slk_sequence *sequences, size_t n, const slk_trainer_options *o, slk_err *err)
{
    slk_batches b;
    const slk_backprop_options passes = {
        .dropout = o->dropout, .lora_dropout = o->lora_dropout, .recompute = out->recompute};
    slk_status s = slk_batches_init(&b, sequences, n, o->seed, o->batch, out->max_rows, o->share, err);
    if (s == SLK_OK) s = slk_batches_find_largest(&b, o->n_epochs, &out->n_rows, &out->n_targets, err);
    slk_batches_release(&b);
    if (s != SLK_OK) return s;
    out->batch = slk_backprop_bytes(&m->config, slk_compute_dtype(m->compute), &passes, lora ? lora->rank : 0,
                                    out->n_rows, out->n_targets);
    set_total(out);
    return SLK_OK;
}

static slk_status fail_memory(const slk_train_memory *m, size_t available, slk_err *err)
{
    const double GIB = 1073741824.0;
    return slk_fail(err, SLK_E_MEMORY,
                    "training needs %.2f GiB besides the model (masters %.2f, gradients %.2f, moments %.2f, a batch of "
                    "%lld rows %.2f, evaluation %.2f), %.2f GiB are available; take a smaller model, --lora-rank or "
                    "smaller batches",
                    (double)(m->total - m->weights) / GIB, (double)m->masters / GIB, (double)m->gradients / GIB,
                    (double)m->moments / GIB, (long long)m->n_rows, (double)m->batch / GIB, (double)m->evaluation / GIB,
                    (double)available / GIB);
}

slk_status slk_train_plan_memory(slk_train_memory *out, const slk_model *model, unsigned frozen, const slk_lora *lora,
                                 const slk_sequence *sequences, size_t n, const slk_trainer_options *options,
                                 slk_recompute choice, bool fixed_rows, size_t available, slk_err *err)
{
    *out = (slk_train_memory){.recompute = choice == SLK_RECOMPUTE_YES, .max_rows = options->max_rows};
    plan_fixed(out, model, frozen, lora, options->keep_best);
    for (;;) {
        slk_status s = plan_batch(out, model, lora, sequences, n, options, err);
        if (s != SLK_OK) return s;
        if (out->total - out->weights <= available) return SLK_OK;
        int64_t fewer = out->n_rows / 2 > MIN_ROWS ? out->n_rows / 2 : MIN_ROWS;
        if (choice == SLK_RECOMPUTE_AUTO && !out->recompute)
            out->recompute = true;
        else if (!fixed_rows && fewer < out->max_rows && out->n_rows > MIN_ROWS)
            out->max_rows = fewer;
        else
            return fail_memory(out, available, err);
    }
}

/* --- what there is -------------------------------------------------------------------------------------------------
 */

/* The number behind `key` in a file of "key number" lines; key "": the file's only number. SIZE_MAX: none. */
static size_t read_number(const char *path, const char *key)
{
    char line[256];
    size_t found = SIZE_MAX, n = strlen(key);
    FILE *f = fopen(path, "re");
    while (f && found == SIZE_MAX && fgets(line, sizeof line, f)) {
        char *end;
        if (strncmp(line, key, n) != 0) continue;
        unsigned long long value = strtoull(line + n, &end, 10);
        if (end != line + n) found = (size_t)value;
    }
    if (f) fclose(f);
    return found;
}

/* What a control group leaves: its limit less what it holds, of which file pages can be given back. */
static size_t left_in_group(const char *folder, const char *limit_name, const char *used_name, const char *cache_key)
{
    char path[640];
    snprintf(path, sizeof path, "%s/%s", folder, limit_name);
    size_t limit = read_number(path, "");
    snprintf(path, sizeof path, "%s/%s", folder, used_name);
    size_t used = read_number(path, "");
    if (limit == SIZE_MAX || used == SIZE_MAX) return SIZE_MAX;
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    size_t cache = read_number(path, cache_key);
    if (cache != SIZE_MAX) used -= cache < used ? cache : used;
    return limit > used ? limit - used : 0;
}

/* This process's group and those around it; version 2, and the memory group of version 1. */
static size_t left_in_groups(void)
{
    char line[400], folder[512];
    size_t left = SIZE_MAX;
    FILE *f = fopen("/proc/self/cgroup", "re");
    while (f && fgets(line, sizeof line, f)) {
        char *first = strchr(line, ':'), *second = first ? strchr(first + 1, ':') : NULL;
        if (!second) continue;
        *second = 0;
        bool v2 = first[1] == 0, v1 = strcmp(first + 1, "memory") == 0;
        if (!v1 && !v2) continue;
        char *path = second + 1;
        path[strcspn(path, "\n")] = 0;
        for (;;) {
            snprintf(folder, sizeof folder, "/sys/fs/cgroup%s%s", v1 ? "/memory" : "", path);
            size_t here =
                v2 ? left_in_group(folder, "memory.max", "memory.current", "inactive_file ")
                   : left_in_group(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ");
            if (here < left) left = here;
            char *slash = strrchr(path, '/');
            if (!slash || path[0] == 0) break;
            *slash = 0;
        }
    }
    if (f) fclose(f);
    return left;
}

size_t slk_memory_available(void)
{
    size_t system = read_number("/proc/meminfo", "MemAvailable:"), groups = left_in_groups();
    if (system < SIZE_MAX / 1024) system *= 1024;
    return system < groups ? system : groups;
}
