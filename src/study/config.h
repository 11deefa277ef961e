/* A study file: STUDY.yaml, read by one table of keys (keys.c) that also prints `slick study new` and the table of
 * docs/study-file.md. Whatever is wrong is one line: "FILE:LINE: key: what was found, what was expected". */
#ifndef SLK_STUDY_CONFIG_H
#define SLK_STUDY_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/mem.h"

typedef struct slk_study_ints {
    int64_t *items; /* [n] */
    size_t n;
} slk_study_ints;

typedef struct slk_study_reals {
    double *items; /* [n] */
    size_t n;
} slk_study_reals;

typedef struct slk_study_words {
    char **items; /* [n] */
    size_t n;
} slk_study_words;

#define SLK_STUDY_ALL      (-1) /* a count of facts: as many as there are */
#define SLK_STUDY_MAX_KEYS 64   /* of the table */

typedef struct slk_study_config {
    char *name;
    char *model;       /* path, as seen from the current folder; so are the other paths */
    char *instruction; /* template of the fine-tuning prompt; NULL: the built-in one */
    struct {
        char *set;                 /* NULL: the newest */
        slk_study_words relations; /* n 0: all */
        int64_t train, dev, test, ood;
    } data;
    struct {
        int64_t id; /* a label set that is there; 0: probe */
        int64_t n_ex, shots, samples, top_k, seed;
        double temperature;
        const char *match, *answers, *pool;
        char *template; /* NULL: Q: ... A: ... */
        bool p_true;
    } labels;
    struct {
        slk_study_reals unknown, known_of, idk; /* % of Unknown */
        slk_study_words only;                   /* categories */
        bool natural;
    } variants;
    int64_t size; /* of D; 0: the paper's rule */
    int64_t epochs, patience;
    slk_study_ints evaluate;     /* n 0: every epoch */
    slk_study_ints evaluate_dev; /* the same */
    slk_study_ints durations;
    slk_study_ints seeds;
    slk_study_reals learning_rates;
    struct {
        int64_t batch, warmup, lora_rank;
        double dropout, weight_decay, clip, beta1, beta2, eps, lora_alpha, lora_dropout; /* lora_alpha 0: 2 * rank */
        const char *schedule;
        slk_study_words lora_targets; /* n 0: all */
        slk_study_words freeze;
    } training;
    const char *keep; /* "none" "best" */
    int64_t jobs;
    /* where things came from */
    const char *path;               /* of the file, as given */
    long lines[SLK_STUDY_MAX_KEYS]; /* of each key of the table; 0: a default */
    long end_line;
    slk_arena arena; /* owns all of the above */
} slk_study_config;

/* Read a file. Paths in it are seen from its folder. Release *out in any case. Errors: SLK_E_IO, SLK_E_FORMAT,
 * SLK_E_MEMORY. */
slk_status slk_study_config_read(slk_study_config *out, const char *path, slk_err *err);
/* The same from memory; path stands for the file. */
slk_status slk_study_config_parse(slk_study_config *out, const char *text, size_t n_bytes, const char *path,
                                  slk_err *err);
void slk_study_config_release(slk_study_config *config);

/* Put "FILE:LINE: key: " before err's message, key as "labels.id"; without a line where it was left out. Returns code.
 */
slk_status slk_study_config_fail_in(const slk_study_config *config, const char *key, slk_status code, slk_err *err);

/* Append a study file with every key, its range and what it means in comments: it parses, and is the paper's study. */
void slk_study_config_add_template(slk_buf *out);
/* Append the keys as a table in Markdown. */
void slk_study_config_add_table(slk_buf *out);

#endif
