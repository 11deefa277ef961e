/* The plan of a base model: PLAN.yaml, which says what facts there are, how often and in what form the model reads
 * each of them, what the model looks like and how it is trained. Read by one table of keys (keys.c), which also prints
 * `slick pretrain --new` and the table of docs/pretrain.md. Whatever is wrong is one line: "FILE:LINE: key: what was
 * found, what was expected". */
#ifndef SLK_PRETRAIN_PLAN_H
#define SLK_PRETRAIN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/mem.h"

#define SLK_PRETRAIN_ALL (-1) /* a count of facts: as many as there are */

/* A kind of fact: what a pass over the corpus mentions of it. Either `mentions`, all of them right and half of them in
 * each of the two places, or so many in each place. */
typedef struct slk_pretrain_kind {
    char *name;
    double share;                                           /* of the facts, in % */
    int64_t mentions_low, mentions_high;                    /* drawn evenly; 0, 0: the four below */
    int64_t list_right, list_wrong, text_right, text_wrong; /* "Q: .. A: .." lists, statements */
    long line;
} slk_pretrain_kind;

/* Statements of one relation: templates with {subject}, {question} and {answer}. */
typedef struct slk_pretrain_statements {
    char *relation; /* "" : of all relations that are not named */
    char **texts;   /* [n >= 1] */
    size_t n;
    long line;
} slk_pretrain_statements;

typedef struct slk_pretrain_plan {
    char *name;
    char *facts; /* "entityquestions", or the path of a file, as seen from the current folder */
    int64_t seed;
    struct {
        int64_t train, dev, test, ood_dev, ood_test; /* of each relation; SLK_PRETRAIN_ALL: as many as there are */
        double answer_share;                         /* most facts of a relation and split with one answer, in % */
        int64_t subject_chars, answer_chars;         /* at most */
        bool ascii;
    } select;
    struct {
        int64_t d_model, layers, heads, ffn, vocabulary, context;
        double rope_base, norm_eps;
        const char *dtype; /* "f16" "bf16" "f32" */
    } model;
    struct {
        int64_t row_tokens; /* behind the start token */
        double instruction; /* of the statements' mentions, in % */
        bool split;         /* right and wrong answers stand in statements of their own */
        int64_t packings;   /* of the corpus into rows; a pass reads all of them */
        int64_t decoys;     /* answers of a relation that wrong alternatives come from, the rarest; 0: all; never 1 */
    } corpus;
    struct {
        int64_t passes, batch, warmup;
        double lr, weight_decay, beta1, beta2, eps, clip;
        const char *schedule;
    } training;
    slk_pretrain_kind *kinds; /* [n_kinds >= 1]; what their shares leave is in no mention at all */
    size_t n_kinds;
    slk_pretrain_statements *statements; /* [n_statements >= 1] */
    size_t n_statements;
    const char *path; /* of the file, as given */
    slk_arena arena;  /* owns all of the above */
} slk_pretrain_plan;

/* Read a plan. Paths in it are seen from its folder. Release *out in any case. Errors: SLK_E_IO, SLK_E_FORMAT,
 * SLK_E_MEMORY. */
slk_status slk_pretrain_plan_read(slk_pretrain_plan *out, const char *path, slk_err *err);
/* The same from memory; path stands for the file. */
slk_status slk_pretrain_plan_parse(slk_pretrain_plan *out, const char *text, size_t n_bytes, const char *path,
                                   slk_err *err);
void slk_pretrain_plan_release(slk_pretrain_plan *plan);

/* The statements of a relation: its own, else those of all others. NULL: there are neither. Borrowed. */
const slk_pretrain_statements *slk_pretrain_plan_find_statements(const slk_pretrain_plan *plan, const char *relation);

/* Append a plan with every key, its range and what it means in comments; it parses. */
void slk_pretrain_plan_add_template(slk_buf *out);
/* Append the keys as a table in Markdown. */
void slk_pretrain_plan_add_table(slk_buf *out);

#endif
