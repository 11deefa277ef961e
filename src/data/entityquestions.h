/* EntityQuestions (Sciavolino et al. 2021): Wikidata triplets as questions, one fixed template a relation, in the
 * layout it is published in:
 *
 *     DIR/dataset/{train,dev,test}/P17.train.json   or   DIR/{train,dev,test}/P17.train.json
 *     [{"question": "Which country is Tamu located in?", "answers": ["Myanmar"]}, ...]
 *
 * or the same as a tar (xz, gz, bz2, zst) or zip archive, which is how slick ships it. The study's use of the 24
 * relations is the table of STUDY.md section 1: 12 in distribution, 7 out of distribution (tested only), 5 left out
 * because they are too close to one of the 12. */
#ifndef SLK_DATA_ENTITYQUESTIONS_H
#define SLK_DATA_ENTITYQUESTIONS_H

#include <stddef.h>
#include "base/error.h"
#include "base/fact.h"

typedef enum slk_eq_role { SLK_EQ_IN, SLK_EQ_OOD, SLK_EQ_LEFT_OUT } slk_eq_role;

typedef struct slk_eq_relation {
    const char *id;   /* "P17" */
    const char *name; /* Wikidata's English label: "country" */
    slk_eq_role role;
} slk_eq_relation;
#define SLK_EQ_N_RELATIONS 24

/* [SLK_EQ_N_RELATIONS], in the study's order. */
const slk_eq_relation *slk_eq_relations(void);
/* NULL when id is none of the 24. */
const slk_eq_relation *slk_eq_find_relation(const char *id);

/* Append every question of a folder or an archive to *facts, unfiltered, ordered by split (train, dev, test), relation
 * (as in the table, then others by number), and place in its file: the same facts in the same order from folder and
 * archive. `ood` is set from the table; subject is derived (slk_facts_derive_subjects). On failure *facts is as it was.
 * Errors: SLK_E_IO, SLK_E_NOT_FOUND (no such files in it), SLK_E_FORMAT (FILE:LINE, or the archive is broken),
 * SLK_E_MEMORY. */
slk_status slk_eq_read(slk_facts *facts, const char *path, slk_err *err);

#endif
