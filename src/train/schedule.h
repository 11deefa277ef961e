/* The learning rate over a run. A warm-up rises from lr / n_warmup to lr; then
 *
 *   constant   lr
 *   linear     lr * left                         left = (n_steps - step) / (n_steps - n_warmup), 1 at its begin
 *   cosine     lr * (1 - cos(pi * left)) / 2
 *   late       lr up to half of all steps, then in a line to 2% of it, which the last step has
 *
 * so that no step has rate 0. */
#ifndef SLK_TRAIN_SCHEDULE_H
#define SLK_TRAIN_SCHEDULE_H

#include <stdint.h>

typedef enum slk_decay { SLK_DECAY_CONSTANT, SLK_DECAY_LINEAR, SLK_DECAY_COSINE, SLK_DECAY_LATE } slk_decay;

typedef struct slk_rate {
    slk_decay decay;
    double lr;
    int64_t n_warmup; /* steps, may be more than there are */
    int64_t n_steps;  /* of the whole run */
} slk_rate;

/* Of step 0, 1, ... */
double slk_rate_at(const slk_rate *rate, int64_t step);
/* "constant" "linear" "cosine" "late" */
const char *slk_decay_name(slk_decay decay);
/* -1: none of them. */
int slk_decay_parse(const char *name);

#endif
