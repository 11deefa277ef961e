/* Facts for a small model (tiny_model.h, or the built-in one) whose labels are worth comparing, and the comparison of
 * labels, bit for bit.
 *
 * The model of seeded numbers is asked first, naively, with few samples. Each fact's gold is then one of its own
 * answers (or, to be Unknown, one that it did not give), so that all four categories are well filled; most golds are
 * changed in what matching ignores: case, an article, punctuation, the form of an accent. So most matches are found off
 * the canonical path. A last relation has golds that are hard in themselves. */
#ifndef SLK_TEST_IDENTITY_H
#define SLK_TEST_IDENTITY_H

#include <stdio.h>
#include "base/fact.h"
#include "base/label.h"
#include "know/probe.h"
#include "model/model.h"

enum { IDENTITY_N_EX = 10, IDENTITY_N_SHOTS = 2, IDENTITY_N_SAMPLES = 16 };
#define IDENTITY_N_FACTS          152
#define IDENTITY_MIN_PER_CATEGORY 30
#define IDENTITY_MIN_OFF_PATH     100
#define IDENTITY_N_BUILTIN        10 /* facts of the built-in model a category */

/* How one probe is run; everything else is the same for all. */
typedef struct identity_way {
    const char *name; /* for messages */
    bool naive;
    slk_decode decode;
    int32_t n_batch_rows;
    const char *match; /* NULL: "em" */
    int n_samples;     /* 0: IDENTITY_N_SAMPLES */
} identity_way;
#define IDENTITY_GREEDY_ONLY (-1)

/* Labels of one run, by fact identity; items of slk_alloc, released by identity_release. */
typedef struct identity_labels {
    slk_label *items;
    size_t n, cap;
    slk_probe_stats stats;
} identity_labels;

/* Open a model file; threads 0: all. NULL when the processor does not compute in that type (bf16). */
slk_status identity_open_model(slk_model **out, const char *path, slk_dtype dtype, int n_threads, slk_err *err);
/* Pool and asked facts for that model: IDENTITY_N_FACTS of several relations and the hard ones. Release both. */
slk_status identity_make_facts(slk_facts *pool, slk_facts *facts, const slk_model *model, slk_err *err);
/* The same for the built-in model, of what it read: the pool is its dev facts; asked are test facts, IDENTITY_N_BUILTIN
 * of each category in turn (fact number i is of category i % SLK_N_CATEGORIES), half of them in a disguise of their
 * gold, and two at the end whose gold has a line break. Errors: SLK_E_NOT_FOUND (not built in, or fewer facts of a
 * category among those it looks at). */
slk_status identity_take_builtin_facts(slk_facts *pool, slk_facts *facts, const slk_model *model, slk_err *err);
/* Run slk_probe_run over facts [begin, end). */
slk_status identity_probe(identity_labels *out, const slk_model *model, const slk_facts *pool, const slk_facts *facts,
                          size_t begin, size_t end, const identity_way *way, slk_err *err);
void identity_release(identity_labels *labels);

/* What must be the same in two labels of one fact. Outcome bits and p_gold always are. */
typedef enum identity_answers {
    IDENTITY_SAME_ANSWERS, /* the same texts are recorded, and are equal */
    IDENTITY_SUBSET, /* the second has recorded fewer of the first's, but all that match (and, for greedy, all greedy
                        ones) */
} identity_answers;
/* How many facts differ between a and b (both by identity; a fact that b lacks differs, and with `b_is_part` false one
 * that a lacks, too). The first few differences are printed. `decode` is b's. */
size_t identity_compare(const identity_labels *a, const identity_labels *b, identity_answers answers, slk_decode decode,
                        const slk_facts *facts, const char *what);
/* Bring labels into the order that compare needs. */
void identity_sort(identity_labels *labels);

typedef struct identity_counts {
    size_t n_category[SLK_N_CATEGORIES + 1]; /* with unlabelable ones */
    size_t n_matches, n_off_path;            /* matching answers; of them, other texts than the canonical gold */
    size_t n_texts;                          /* recorded answers */
    size_t n_at_limit;                       /* texts of 32 tokens or nearly: over 40 bytes */
} identity_counts;
void identity_count(identity_counts *out, const identity_labels *labels, const slk_facts *facts);
/* Print the counts as one line; false where they are too small for the test to mean much: fewer than n_category facts
 * of a category, or IDENTITY_MIN_OFF_PATH matches. */
bool identity_is_telling(const identity_counts *counts, size_t n_category, const char *what);

#endif
