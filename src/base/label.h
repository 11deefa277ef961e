/* What probing found out about one fact, and the categories made of it (STUDY.md section 2). Like facts, labels are
 * passed between store/ and know/, so they live in base. */
#ifndef SLK_BASE_LABEL_H
#define SLK_BASE_LABEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "slick.h" /* slk_category, slk_category_name: part of the public API, and defined only there */

#define SLK_N_CATEGORIES 4 /* without SLK_UNLABELABLE */

/* One distinct answer text of one fact, with how often each kind of draw gave it. */
typedef struct slk_answer {
    char *text;      /* as the model wrote it, trimmed; UTF-8 */
    uint16_t prompt; /* 0 .. n_ex - 1 */
    int16_t draw;    /* -1 = greedy, else sample 0 .. n_samples - 1 */
    bool match;      /* under the matcher of the label set */
} slk_answer;

/* The label of one fact. Bits, not counts, so that fewer prompts or samples can be evaluated later. */
typedef struct slk_label {
    uint64_t fact_id;
    uint16_t n_ex, n_samples;
    bool unlabelable;
    uint8_t *greedy;     /* [n_ex] 1 = the greedy answer matched */
    uint8_t *sampled;    /* [n_ex][n_samples] 1 = that sampled answer matched */
    double *p_gold;      /* [n_ex] exact probability of the canonical gold path at T and top-k of the label set */
    slk_answer *answers; /* [n_answers] every draw whose text was decoded, ordered by (prompt, draw); wrong answers that
                            were not decoded to their end are absent */
    size_t n_answers;
} slk_label;

/* Free what the label owns; the struct itself is the caller's. NULL is fine. */
void slk_label_release(slk_label *label);
/* Category from the first n_ex prompts and first n_samples draws of each (both at most the label's own). */
slk_category slk_label_category(const slk_label *label, unsigned n_ex, unsigned n_samples);
/* Shares of correct answers over the same draws (0 where there are none, and for an unlabelable fact). Either pointer
 * may be NULL. */
void slk_label_shares(const slk_label *label, unsigned n_ex, unsigned n_samples, double *p_greedy, double *p_sampled);
double slk_label_p_gold(const slk_label *label); /* mean over prompts */
int slk_category_parse(const char *name);        /* -1: none */

/* Everything that decides a label's bits: two label sets with equal settings are the same measurement. */
typedef struct slk_label_settings {
    char model_name[128];
    uint64_t model_hash, adapter_hash; /* adapter 0 = none */
    char dtype[8];                     /* "bf16" "f32" */
    char kernels[48];                  /* slk_compute_kernel_set() */
    uint64_t seed;
    unsigned n_ex, n_shots, n_samples, top_k;
    double temperature;
    char match[32];         /* "em" ... */
    char decoded[8];        /* "none" "greedy" "all": which wrong answers were decoded to their end */
    char set_name[64];      /* fact set */
    char pool[8];           /* split of the exemplars */
    uint64_t template_hash; /* of the prompt template's bytes */
} slk_label_settings;

#endif
