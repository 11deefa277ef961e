/* The table of keys of a plan. Not for other modules. */
#ifndef SLK_PRETRAIN_KEYS_H
#define SLK_PRETRAIN_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include "pretrain/plan.h"

typedef enum slk_plan_key_kind {
    SLK_PLAN_TEXT,   /* char *; any text */
    SLK_PLAN_CHOICE, /* const char *; one of `choices` */
    SLK_PLAN_BOOL,   /* bool; true or false */
    SLK_PLAN_INT,    /* int64_t in [min, max] */
    SLK_PLAN_COUNT,  /* the same, or "all": SLK_PRETRAIN_ALL */
    SLK_PLAN_REAL,   /* double in [min, max] */
} slk_plan_key_kind;

typedef struct slk_plan_key {
    const char *section; /* "" or the mapping that it stands in */
    const char *name;
    slk_plan_key_kind kind;
    size_t offset; /* in slk_pretrain_plan */
    double min, max;
    const char *choices; /* "a|b" */
    const char *init;    /* default, as YAML */
    const char *help;    /* begins in lower case, no full stop */
    bool is_later;       /* not in what a model says that it is made of while it has its default, as before there was
                            such a key: the same plan stays the same file */
} slk_plan_key;

/* The table, in the order of the template. */
extern const slk_plan_key slk_plan_keys[];
extern const size_t slk_n_plan_keys;

#endif
