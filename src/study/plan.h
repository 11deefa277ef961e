/* From a study file and its material to runs: variants x learning rates x seeds, and the description that is the
 * study's key in the store.
 *
 * The description (JSON, compact, keys in a fixed order) has everything that decides a result: the facts with their
 * categories (as hashes), what sizes D, the prompt, how long and how is trained. It has neither the variants nor the
 * seeds nor the learning rates: these say which runs there are, so that a study grows when some are added. (But a
 * variant that needs a smaller category than those before makes every D smaller, and so another study.) */
#ifndef SLK_STUDY_PLAN_H
#define SLK_STUDY_PLAN_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/json.h"
#include "data/mix.h"
#include "know/instruction.h"
#include "store/runs.h"
#include "study/config.h"
#include "study/material.h"

typedef struct slk_study_plan {
    const slk_study_config *config;     /* borrowed */
    const slk_study_material *material; /* borrowed; labelled */
    slk_instruction *instruction;
    slk_mix_variant *variants; /* [n_variants] in the order of the file: unknown, known_of, only, natural, idk */
    size_t n_variants;
    slk_study_run *runs; /* [n_runs] for each seed, for each learning rate, every variant; ids are 0 */
    size_t n_runs;
    char *description;
    char *shown;            /* for slk_store_show_study */
    size_t size, rule_size; /* |D| */
    size_t n_left_out;      /* relations */
    char *left_out;         /* "P36 (no MaybeKnown), ..."; "" */
} slk_study_plan;

/* Plan, and see that every variant can be drawn. Release *out in any case. Errors: slk_mix_plan_create's and
 * slk_mix_draw's, slk_instruction_open's, with the study file's line; SLK_E_MEMORY. */
slk_status slk_study_plan_make(slk_study_plan *out, const slk_study_config *config, const slk_study_material *material,
                               slk_err *err);
void slk_study_plan_release(slk_study_plan *plan);

/* D of a run: facts of the pool and copies of those whose answer becomes "I don't know", in training order. */
typedef struct slk_study_examples {
    const slk_fact **items; /* [n] */
    slk_set_fact *set;      /* [n] the same, for the store */
    slk_facts idk;          /* owns the copies */
    size_t n;
} slk_study_examples;
/* Release *out in any case. Errors: SLK_E_ARG (an unknown variant, ...), SLK_E_MEMORY. */
slk_status slk_study_draw(slk_study_examples *out, const slk_study_plan *plan, const slk_study_run *run, slk_err *err);
void slk_study_examples_release(slk_study_examples *examples);

/* Epochs of all runs together, for progress. */
size_t slk_study_plan_n_epochs(const slk_study_plan *plan);

#endif
