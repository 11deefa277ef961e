/* Fine-tuning sets: which facts of the train split make up D, the variants of D that the study compares (STUDY.md
 * section 3), and how many examples of each relation they all have.
 *
 *     unknown-25       X% Unknown and (100 - X)% Known, in each relation
 *     known-of-25      unknown-25 less its Unknown examples: smaller
 *     idk-25           unknown-25, the answer of each Unknown example replaced by "I don't know"
 *     only-MaybeKnown  one category
 *     natural          each relation's own shares of the four categories
 *
 * Pools. A variant draws from pools of a relation's labelled facts: Known (HighlyKnown, MaybeKnown and WeaklyKnown
 * together, whichever comes), single categories, or all. Each pool has one order, that of a random number keyed by
 * (seed, SLK_PURPOSE_MIX, fact), and a variant takes the first of it. So variants nest: the Unknown examples of
 * unknown-25 are among those of unknown-50, and its Known examples contain those of unknown-50; a smaller |D| is part
 * of a larger. The order in which facts come in, and relations other than a fact's own, change nothing.
 *
 * Sizes. All variants of a plan have the same number of examples in each relation. By the paper's rule it is the size
 * of the smallest pool that one of the variants needs (those of unknown, known-of and idk need Known and Unknown,
 * whatever X), and |D| is the sum. A relation that has none of a needed pool is left out of all. A given |D| is spread
 * over the relations in the proportion of the rule's sizes (Sainte-Lague's method: a smaller |D| has at most as many of
 * each, and the rule's own |D| gives the rule's own sizes).
 *
 * Rounding. Shares are millionths. Inside a relation of n examples the counts are n times the share, rounded down, and
 * what is missing goes to the largest remainders (equal ones: Known before Unknown, the better known category first).
 * Facts without a category (never labelled, unlabelable) are in no pool. */
#ifndef SLK_DATA_MIX_H
#define SLK_DATA_MIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/fact.h"
#include "base/label.h"

typedef enum slk_mix_kind { SLK_MIX_UNKNOWN, SLK_MIX_KNOWN, SLK_MIX_ONLY, SLK_MIX_NATURAL, SLK_MIX_IDK } slk_mix_kind;

/* The answer that idk variants teach. */
#define SLK_MIX_IDK_ANSWER "I don't know"

typedef struct slk_mix_variant {
    slk_mix_kind kind;
    double unknown;        /* share of Unknown, 0 to 1: kinds UNKNOWN, KNOWN, IDK */
    slk_category category; /* kind ONLY */
} slk_mix_variant;

#define SLK_MIX_NAME_BYTES 48
const char *slk_mix_kind_name(slk_mix_kind kind); /* "unknown" "known" "only" "natural" "idk": slk_run.kind */
/* "unknown-50", "known-of-12.5", "only-MaybeKnown", "natural", "idk-50". */
void slk_mix_variant_name(char out[SLK_MIX_NAME_BYTES], const slk_mix_variant *variant);
/* And back. Errors: SLK_E_ARG (no such variant). */
slk_status slk_mix_variant_parse(slk_mix_variant *out, const char *name, slk_err *err);
/* A share as people write it: "0.5" or "50%". Without the sign it is at most 1, so that 50 is not taken for half a
 * percent or for everything. Errors: SLK_E_ARG. */
slk_status slk_mix_share_parse(double *out, const char *text, slk_err *err);

/* What facts are drawn from: a category (its slk_category is the pool's number) or one of these. */
enum { SLK_MIX_POOL_KNOWN = SLK_N_CATEGORIES, SLK_MIX_POOL_ALL, SLK_MIX_N_POOLS };
const char *slk_mix_pool_name(int pool); /* "HighlyKnown" ... "Unknown", "Known", "labelled" */

typedef struct slk_mix_relation {
    const char *name;               /* borrowed from the facts */
    size_t n_pool[SLK_MIX_N_POOLS]; /* facts of each pool */
    unsigned lacks;    /* bit p: a variant needs pool p, and it is empty; not 0: the relation is left out */
    size_t size;       /* examples in each variant (before known-of drops its Unknown); 0 when left out */
    size_t begin, end; /* its facts in the plan's order */
} slk_mix_relation;

typedef struct slk_mix_plan {
    slk_mix_relation *relations; /* [n_relations] by name, those that are left out included */
    size_t n_relations, n_left_out;
    size_t size;      /* |D| */
    size_t rule_size; /* |D| by the paper's rule */
    uint64_t seed;
    const slk_fact *const *facts; /* [n] the caller's */
    const int8_t *categories;     /* [n] the caller's */
    size_t *order;                /* [n] by relation, then by the pools' order */
    size_t n;
} slk_mix_plan;

/* Sizes for `variants` [n_variants >= 1] together. facts and categories [n] (slk_category, or -1) are borrowed as long
 * as the plan lives; facts are of different identity. size 0: the paper's rule. Errors: SLK_E_ARG: no fact, all
 * relations left out (each named with what it lacks); with a given size, a relation that does not have what a variant
 * takes from it (each named, with how many of what are missing); SLK_E_MEMORY. */
slk_status slk_mix_plan_create(slk_mix_plan **out, const slk_fact *const *facts, const int8_t *categories, size_t n,
                               const slk_mix_variant *variants, size_t n_variants, size_t size, uint64_t seed,
                               slk_err *err);
void slk_mix_plan_free(slk_mix_plan *plan); /* NULL is fine */

typedef struct slk_mix {
    size_t *index; /* [n] into the plan's facts, in the order of D: a random one over all relations, keyed by fact */
    bool *idk;     /* [n] the answer is to be SLK_MIX_IDK_ANSWER */
    size_t n;
    size_t (*counts)[SLK_N_CATEGORIES]; /* [n_relations of the plan] examples of each category */
} slk_mix;

/* D of one variant; it need not be one of the plan's. Errors: SLK_E_ARG (a relation that does not have what it takes,
 * as above; no example at all), SLK_E_MEMORY. */
slk_status slk_mix_draw(slk_mix *out, const slk_mix_plan *plan, const slk_mix_variant *variant, slk_err *err);
void slk_mix_release(slk_mix *mix);

/* Parts of n in the proportion of weights [n_weights] by the largest remainder: each n * weight / (sum of weights),
 * rounded down, and what is missing one by one to the largest remainders, of equal ones to the first. parts
 * [n_weights] of the caller, summing to n (0 each where the weights sum to 0). n times the sum is below 2^64. */
void slk_mix_split(size_t *parts, size_t n, const size_t *weights, size_t n_weights);

#endif
