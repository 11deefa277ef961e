/* Which facts a base model is about: of all that a file has, those that the plan's rules leave, in an order that the
 * seed draws. */
#ifndef SLK_PRETRAIN_SELECT_H
#define SLK_PRETRAIN_SELECT_H

#include "base/error.h"
#include "base/fact.h"
#include "pretrain/plan.h"

/* Read the plan's facts and take from them; archive: path of EntityQuestions, for plans that name it. Facts have one
 * answer and a subject; a subject occurs once in its relation, test before dev before train. *out: by relation (in the
 * order of the file), split and draw; release it. Errors: those of slk_import_entityquestions and slk_import_files,
 * SLK_E_FORMAT (nothing is left; a relation without statements: names both), SLK_E_MEMORY. */
slk_status slk_pretrain_select(slk_facts *out, const slk_pretrain_plan *plan, const char *archive, slk_err *err);

#endif
