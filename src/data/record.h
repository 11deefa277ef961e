/* A record: what one line, object or row of a data file says, before it becomes a fact.
 *
 * Every reader (JSON lines, JSON, CSV, TSV) puts the values it finds into a record, each under one of nine fields;
 * slk_record_finish() then does, in one place and so alike for all formats, what the import promises: text is trimmed
 * and brought to NFC, nothing is empty, answers are distinct, split and ood are understood.
 *
 *     question   the question                                          needed
 *     answer     the true answer                                       this or `answers` needed
 *     answers    several true answers; the first is canonical (with `answer` given too: answer comes first)
 *     aliases    other spellings of the answer, which match too
 *     relation   what kind of question it is ("P17", "capital of"); facts of one relation share exemplars
 *     subject    what the question is about
 *     split      train, dev (validation, valid) or test
 *     ood        true: the relation is out of distribution, so that the fact is only ever tested
 *     category   what a model knows of it (examples.h); no part of a fact, and an import does not look at it
 *
 * Field names in files can be mapped: `question=prompt,answer=completion`. */
#ifndef SLK_DATA_RECORD_H
#define SLK_DATA_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"
#include "base/fact.h"

typedef enum slk_field {
    SLK_FIELD_QUESTION,
    SLK_FIELD_ANSWER,
    SLK_FIELD_ANSWERS,
    SLK_FIELD_ALIASES,
    SLK_FIELD_RELATION,
    SLK_FIELD_SUBJECT,
    SLK_FIELD_SPLIT,
    SLK_FIELD_OOD,
    SLK_FIELD_CATEGORY,
} slk_field;
#define SLK_N_FIELDS 9

/* Limits that no honest file meets; beyond them a record is an error, so that a hostile file cannot use up memory. */
#define SLK_RECORD_MAX_BYTES   (4u << 20) /* of one line, object or row */
#define SLK_RECORD_MAX_VALUES  256        /* answers and aliases of one fact together */
#define SLK_QUESTION_MAX_BYTES (64u << 10)
#define SLK_VALUE_MAX_BYTES    (16u << 10) /* of an answer, alias, relation or subject */

/* Own name of a field: "question", ... */
const char *slk_field_name(slk_field field);

/* Which name of the file stands for which field. names[f] NULL: the file has none such. */
typedef struct slk_field_map {
    char *names[SLK_N_FIELDS];
    bool asked[SLK_N_FIELDS]; /* named by the user: it is an error when the file does not have it */
} slk_field_map;

/* Every field under its own name, changed by text ("question=q,answer=a", NULL or "": nothing changed). Naming one of
 * answer and answers means that the file's other one is not looked at. Release the map also after a failure (it is
 * empty then). Errors: SLK_E_ARG (no such field, no name, a field twice, one name for two fields), SLK_E_MEMORY. */
slk_status slk_field_map_init(slk_field_map *map, const char *text, slk_err *err);
void slk_field_map_release(slk_field_map *map);

typedef struct slk_record_value {
    slk_field field;
    const char *text; /* borrowed from the reader until slk_record_finish() */
    size_t n_bytes;
} slk_record_value;

typedef struct slk_record {
    const char *name; /* of the file, for messages */
    long line;        /* where the record begins */
    slk_record_value *values;
    size_t n_values, cap_values;
} slk_record;

void slk_record_release(slk_record *record);
/* Begin the next record: forget the values, keep the memory. */
void slk_record_begin(slk_record *record, long line);
/* Errors: SLK_E_FORMAT (too many values, too long a value), SLK_E_MEMORY. */
slk_status slk_record_add(slk_record *record, slk_field field, const char *text, size_t n_bytes, slk_err *err);

/* What holds where a record says nothing. */
typedef struct slk_record_defaults {
    slk_split split;
    const char *relation;   /* NULL: "" */
    const char *const *ood; /* [n_ood] relations that are out of distribution whatever the records say */
    size_t n_ood;
} slk_record_defaults;

/* Make a fact of the record. Text must be valid UTF-8 (readers check the whole file). Answers equal after NFKC case
 * folding are one answer; the other spellings join the aliases. A fact that is out of distribution and whose record
 * gives no split is in test. *out owns its strings. Errors (all but the last SLK_E_FORMAT, "NAME:LINE: ..."): no
 * question, no answer, an empty answer or alias, an unknown split, a value of ood that is not true or false;
 * SLK_E_MEMORY. */
slk_status slk_record_finish(slk_fact *out, const slk_record *record, const slk_record_defaults *defaults,
                             slk_err *err);

/* The record's category: slk_category, or -1 when it has none (or an empty one). Errors: SLK_E_FORMAT ("NAME:LINE:
 * ...", another word than the four), SLK_E_MEMORY. */
slk_status slk_record_category(int *out, const slk_record *record, slk_err *err);

#endif
