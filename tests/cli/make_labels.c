/* Writes a label set of known content into a store, for the tests of `labels`, `relabel` and `merge`, which need no
 * model.
 *
 * usage: make_labels STORE SET none|greedy|all KERNELS [SHARD N_SHARDS]
 *
 * 4 prompts, 3 samples. By the fact's place in the set, modulo 5:
 *   0  every answer is right                                       HighlyKnown
 *   1  the greedy answers to prompts 0 and 1 are right             MaybeKnown
 *   2  sample 2 of prompt 3 is right, nothing else                 WeaklyKnown
 *   3  nothing is right                                            Unknown
 *   4  unlabelable
 * Right answers are the fact's; wrong ones "it is <answer>, says <prompt>", which `contains` calls right. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/facts.h"
#include "store/labels.h"

enum { N_EX = 4, N_SAMPLES = 3 };

static bool is_right(size_t kind, int prompt, int draw)
{
    return kind == 0 || (kind == 1 && draw < 0 && prompt < 2) || (kind == 2 && draw == 2 && prompt == 3);
}

static void fill_label(slk_label *label, const slk_fact *fact, size_t place, const char *decoded)
{
    size_t kind = place % 5;
    memset(label, 0, sizeof *label);
    label->fact_id = fact->id;
    label->n_ex = N_EX;
    label->n_samples = N_SAMPLES;
    label->unlabelable = kind == 4;
    label->greedy = slk_alloc_zero(N_EX, 1);
    label->sampled = slk_alloc_zero((size_t)N_EX * N_SAMPLES, 1);
    label->p_gold = slk_alloc_zero(N_EX, sizeof *label->p_gold);
    label->answers = slk_alloc_zero((size_t)N_EX * (N_SAMPLES + 1), sizeof *label->answers);
    for (int e = 0; e < N_EX && kind != 4; e++) {
        label->p_gold[e] = 0.1 * (e + 1);
        for (int draw = -1; draw < N_SAMPLES; draw++) {
            bool right = is_right(kind, e, draw);
            if (draw < 0)
                label->greedy[e] = right;
            else
                label->sampled[e * N_SAMPLES + draw] = right;
            if (!right && (strcmp(decoded, "none") == 0 || (draw >= 0 && strcmp(decoded, "greedy") == 0))) continue;
            slk_buf text;
            slk_buf_init(&text);
            if (right)
                slk_buf_add_str(&text, fact->answers[0]);
            else
                slk_buf_addf(&text, "it is %s, says %d", fact->answers[0], e);
            label->answers[label->n_answers++] = (slk_answer){slk_buf_take(&text), (uint16_t)e, (int16_t)draw, right};
        }
    }
}

static slk_label_settings settings(const char *set, const char *decoded, const char *kernels)
{
    slk_label_settings s = {.model_name = "made-up",
                            .model_hash = 0x1234,
                            .dtype = "f32",
                            .n_ex = N_EX,
                            .n_shots = 2,
                            .n_samples = N_SAMPLES,
                            .top_k = 40,
                            .temperature = 0.5,
                            .match = "em",
                            .pool = "dev",
                            .seed = 7};
    snprintf(s.kernels, sizeof s.kernels, "%s", kernels);
    snprintf(s.decoded, sizeof s.decoded, "%s", decoded);
    snprintf(s.set_name, sizeof s.set_name, "%s", set);
    return s;
}

int main(int argc, char **argv)
{
    if (argc != 5 && argc != 7) return 2;
    size_t shard = argc == 7 ? (size_t)atol(argv[5]) : 0, n_shards = argc == 7 ? (size_t)atol(argv[6]) : 1;
    slk_err err = {0};
    slk_store *store;
    slk_facts facts = {0};
    int64_t id = 0;
    slk_label_settings s = settings(argv[2], argv[3], argv[4]);
    slk_status status = slk_store_open(&store, argv[1], SLK_STORE_WRITE, &err);
    if (status == SLK_OK) status = slk_store_load_facts(store, &facts, argv[2], -1, NULL, 0, &err);
    if (status == SLK_OK) status = slk_store_begin_label_set(store, &id, NULL, &s, &err);
    for (size_t i = 0; i < facts.n && status == SLK_OK; i++) {
        slk_label label;
        if (i % n_shards != shard) continue;
        fill_label(&label, &facts.items[i], i, argv[3]);
        status = slk_store_put_labels(store, id, &label, 1, &err);
        slk_label_release(&label);
    }
    slk_facts_release(&facts);
    slk_store_close(store);
    if (status == SLK_OK) return 0;
    fprintf(stderr, "make_labels: %s\n", err.msg);
    return 1;
}
