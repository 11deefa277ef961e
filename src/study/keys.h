/* The table of keys of a study file. Not for other modules. */
#ifndef SLK_STUDY_KEYS_H
#define SLK_STUDY_KEYS_H

#include <stddef.h>
#include "study/config.h"

typedef enum slk_key_kind {
    SLK_KEY_TEXT,   /* char *; any text */
    SLK_KEY_PATH,   /* char *; seen from the file's folder */
    SLK_KEY_CHOICE, /* const char *; one of `choices` */
    SLK_KEY_MATCH,  /* const char *; a rule of matching (know/match.h) */
    SLK_KEY_BOOL,   /* bool; true or false */
    SLK_KEY_INT,    /* int64_t in [min, max] */
    SLK_KEY_REAL,   /* double in [min, max] */
    SLK_KEY_INTS,   /* slk_study_ints, none twice */
    SLK_KEY_REALS,  /* slk_study_reals, none twice */
    SLK_KEY_WORDS,  /* slk_study_words, none twice; of `choices` where there are some */
} slk_key_kind;

typedef struct slk_key {
    const char *section; /* "" or the mapping that it stands in */
    const char *name;
    slk_key_kind kind;
    size_t offset; /* in slk_study_config */
    double min, max;
    const char *choices; /* "a|b" */
    const char *word;    /* stands for word_value (an empty list) */
    int64_t word_value;
    const char *init;    /* default, as YAML; NULL: none (0, NULL, an empty list) */
    const char *example; /* what `study new` shows where that is not the default */
    bool required;
    const char *help; /* begins in lower case, no full stop */
} slk_key;

/* The table, in the order of the template. */
extern const slk_key slk_study_keys[];
extern const size_t slk_n_study_keys;

/* A heading before the first key of a section. */
const char *slk_study_section_help(const char *section);

#endif
