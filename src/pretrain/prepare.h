/* Everything that a base model is made of, made in order: plan, facts, mentions, vocabulary, rows. */
#ifndef SLK_PRETRAIN_PREPARE_H
#define SLK_PRETRAIN_PREPARE_H

#include "base/error.h"
#include "base/fact.h"
#include "base/json.h"
#include "pretrain/corpus.h"
#include "pretrain/plan.h"
#include "pretrain/vocabulary.h"
#include "token/tokenizer.h"
#include "train/trainer.h"

typedef struct slk_pretrain {
    slk_pretrain_plan plan;
    slk_facts facts;
    slk_corpus corpus;
    slk_vocabulary vocabulary;
    slk_tokenizer *tokenizer;
    slk_corpus_rows rows;
} slk_pretrain;

/* All but the plan, which is read already; archive: as slk_pretrain_select has it. The struct must not move afterwards.
 * Errors: those of the steps. */
slk_status slk_pretrain_prepare(slk_pretrain *out, const char *archive, slk_err *err);
void slk_pretrain_release(slk_pretrain *pretrain);

/* All that decides the model, as JSON: the plan's values and a hash of rows and exposures. json_decref() it. NULL: out
 * of memory. */
json_t *slk_pretrain_made_of(const slk_pretrain *pretrain);

/* How the trainer is to work. */
void slk_pretrain_trainer_options(slk_trainer_options *out, const slk_pretrain_plan *plan);

#endif
