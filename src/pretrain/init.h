/* A model that nobody has trained yet: description, vocabulary and drawn weights as a GGUF file. */
#ifndef SLK_PRETRAIN_INIT_H
#define SLK_PRETRAIN_INIT_H

#include "base/error.h"
#include "pretrain/plan.h"
#include "pretrain/vocabulary.h"

/* Key of the file in which a finished model says what it was made of (slk_pretrain_fingerprint's text). */
#define SLK_PRETRAIN_KEY "slick.pretrain"

/* Write it, float32, over an older one. Normal weights keyed by the seed and their place: embedding 0.02, matrices 1 /
 * sqrt(columns), those that write into the residual half of that; gains are 1. `made_of` goes into the file under
 * SLK_PRETRAIN_KEY. Errors: SLK_E_IO, SLK_E_MEMORY. */
slk_status slk_pretrain_write_init(const char *path, const slk_pretrain_plan *plan, const slk_vocabulary *vocabulary,
                                   const char *made_of, slk_err *err);

#endif
