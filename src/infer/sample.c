#include "infer/sample.h"

#include <math.h>

void slk_distribution_init(slk_distribution *d, const slk_top *top, double temperature, int top_k)
{
    d->top = top;
    d->n = top->n < top_k ? top->n : top_k;
    double total = 0, first = (double)top->logits[0];
    for (int i = 0; i < d->n; i++) {
        total += exp(((double)top->logits[i] - first) / temperature);
        d->cumulative[i] = total;
    }
}

int32_t slk_distribution_pick(const slk_distribution *d, double u)
{
    double threshold = u * d->cumulative[d->n - 1];
    for (int i = 0; i < d->n; i++) {
        if (d->cumulative[i] > threshold) return d->top->ids[i];
    }
    return d->top->ids[d->n - 1];
}

double slk_distribution_probability(const slk_distribution *d, int32_t token)
{
    for (int i = 0; i < d->n; i++) {
        if (d->top->ids[i] != token) continue;
        return (d->cumulative[i] - (i > 0 ? d->cumulative[i - 1] : 0)) / d->cumulative[d->n - 1];
    }
    return 0;
}
