/* Which solved examples stand before a question: n_ex different sets of n_shots facts of its relation, drawn from the
 * pool (mostly the dev facts that the filters left; any split will do). Definition (DESIGN.md, Definitions that decide
 * bits):
 *
 *   The pool of one relation, in the order of prompt e and attempt a, is its facts sorted by
 *       slk_rng_u64(seed, SLK_PURPOSE_EXEMPLARS, fact id, prompt = e, sample = a, step = low ^ high half of h),
 *       h = slk_hash_str(0, relation),
 *   ties by fact id. The order in which the pool lists its facts, and repeats in it, have no influence.
 *
 *   For an asked fact f, leave out of the pool what would tell its answer: f itself, facts with the same question, and
 * facts with the same subject where both subjects are known. For e = 0, 1, ...: the set of prompt e is the first
 * n_shots of what is left in the order (e, a), with the smallest a for which that set (as a set) differs from those of
 * prompts 0 .. e - 1 of f.
 *
 * So every fact for which nothing is left out has the same sets, the *common* sets of its relation, and their prompts
 * are computed once; a fact that loses an exemplar takes the next of that order, in that prompt only (unless that makes
 * two of its sets equal); the sets of one fact are always different ones; and the sets of prompts 0 .. e do not depend
 * on n_ex. The sets of a fact depend on no other asked fact, so shards agree. */
#ifndef SLK_KNOW_EXEMPLARS_H
#define SLK_KNOW_EXEMPLARS_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/fact.h"

#define SLK_MAX_EX 1000 /* so that a new set is always found within the 65,536 attempts that a key can tell apart */

typedef struct slk_exemplars slk_exemplars;

/* pool: facts of any relations; borrowed, must stay as it is until slk_exemplars_free().
 * asked: the facts that will be asked about. Each of them must have n_ex different sets, else one error names all
 * relations that lack them, with what they have and what is needed. NULL: any fact of the pool may be asked.
 * n_ex 1 .. SLK_MAX_EX; n_shots >= 0 (0: there is one set, the empty one).
 * Errors: SLK_E_ARG (n_ex), SLK_E_SHAPE (pools too small), SLK_E_MEMORY. */
slk_status slk_exemplars_create(slk_exemplars **out, const slk_facts *pool, const slk_facts *asked, unsigned n_ex,
                                unsigned n_shots, uint64_t seed, slk_err *err);
void slk_exemplars_free(slk_exemplars *ex);

/* All sets of one asked fact: out [n_ex][n_shots], pointers into the pool, each set in prompt order. Thread-safe.
 * Errors: SLK_E_SHAPE (its relation has too few facts for it; not where create() saw it among asked), SLK_E_MEMORY. */
slk_status slk_exemplars_for(const slk_exemplars *ex, const slk_fact *asked, const slk_fact **out, slk_err *err);
/* The relation's common sets: those of a fact for which nothing is left out. */
slk_status slk_exemplars_common(const slk_exemplars *ex, const char *relation, const slk_fact **out, slk_err *err);

/* Facts of that relation in the pool, repeats not counted; 0: none. */
size_t slk_exemplars_pool_size(const slk_exemplars *ex, const char *relation);

#endif
