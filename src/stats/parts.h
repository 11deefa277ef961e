/* The paper's test of one model against another (STUDY.md section 4, appendix I): the facts are shuffled and cut into
 * parts of nearly equal size, each model's accuracy is taken on every part, and a paired t-test compares the two rows
 * of accuracies. The parts of a set of facts are the same for all models, epochs and runs.
 *
 * How many parts. The paper has 100. A set of n facts here has min(100, n / 5) (whole division): 100 from 500 facts on,
 * and never fewer than five facts in a part, because the t-test wants numbers that are roughly normal. Below 20 facts
 * there are none, and no test: it would be of three numbers or fewer. */
#ifndef SLK_STATS_PARTS_H
#define SLK_STATS_PARTS_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "stats/student.h"

#define SLK_TEST_PARTS    100 /* at most */
#define SLK_TEST_PER_PART 5   /* facts, at least */
#define SLK_TEST_FACTS    20  /* at least */

/* Parts of a set of n facts; 0: too few for a test. */
size_t slk_stats_n_parts(size_t n);

/* part [n] of the caller: which part each of the facts ids [n] is in, 0 .. *n_parts - 1; sizes differ by one at most,
 * the larger ones first. The order is that of a random number keyed by (seed, SLK_PURPOSE_BOOTSTRAP, id), so it depends
 * neither on the order of ids nor on what else was tested. *n_parts 0 (part is not written) for fewer than
 * SLK_TEST_FACTS facts. Errors: SLK_E_MEMORY. */
slk_status slk_stats_cut_parts(uint32_t *part, size_t *n_parts, const uint64_t *ids, size_t n, uint64_t seed,
                               slk_err *err);

/* mean [n_parts <= SLK_TEST_PARTS] of the caller: share of right[i] != 0 among the facts of each part.
 * n_parts 0: part is not read. */
void slk_stats_part_means(double *mean, const uint8_t *right, const uint32_t *part, size_t n, size_t n_parts);

/* The whole test: accuracy of a less accuracy of b over facts ids [n] with right_a, right_b [n] (0 or not), in parts
 * (out->n of them), two-sided. out->mean is the mean over parts, which for parts of unequal size is not quite the
 * difference of the accuracies. Too few facts: out->n 0, p 1. Errors: SLK_E_MEMORY.
 * Source: Gekhman et al. 2024, appendix I. */
slk_status slk_stats_compare(slk_mean *out, const uint64_t *ids, const uint8_t *right_a, const uint8_t *right_b,
                             size_t n, uint64_t seed, double confidence, slk_err *err);

#endif
