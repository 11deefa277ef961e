/* Facts by relation: a number for each relation, in order of first appearance. */
#ifndef SLK_DATA_GROUPS_H
#define SLK_DATA_GROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include "base/fact.h"

typedef struct slk_groups {
    size_t *of;    /* [n facts] number of the fact's relation */
    size_t *first; /* [n] index of each relation's first fact */
    size_t n;
} slk_groups;

/* false: out of memory, *out is empty. */
bool slk_groups_create(slk_groups *out, const slk_facts *facts);
void slk_groups_release(slk_groups *groups);

#endif
