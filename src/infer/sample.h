/* The sampling step, shared by every way of producing an answer (DESIGN.md, Sampling step): divide by the temperature,
 * keep the top k by (logit descending, id ascending), softmax in double, take the first token whose cumulative
 * probability exceeds the number. */
#ifndef SLK_INFER_SAMPLE_H
#define SLK_INFER_SAMPLE_H

#include <stdint.h>
#include "compute/compute.h"

/* The distribution over the kept tokens of one row of logits. Borrows the row's slk_top, which must have at least top_k
 * entries wherever the vocabulary does. */
typedef struct slk_distribution {
    const slk_top *top;
    int n;
    double cumulative[SLK_TOP_MAX]; /* [n], not normalised; cumulative[n - 1] is the total */
} slk_distribution;

/* temperature > 0, 1 <= top_k <= SLK_TOP_MAX. */
void slk_distribution_init(slk_distribution *out, const slk_top *top, double temperature, int top_k);
/* The token that the number u in [0, 1) chooses. */
int32_t slk_distribution_pick(const slk_distribution *d, double u);
/* Probability of token: 0 when it is not kept. */
double slk_distribution_probability(const slk_distribution *d, int32_t token);
/* Greedy: the lowest id among equal logits. */
static inline int32_t slk_top_greedy(const slk_top *top)
{
    return top->ids[0];
}

#endif
