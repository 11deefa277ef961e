/* Rows of a tree in depth-first order, as attention's gradient wants them. Include cmocka.h and what it needs first. */
#ifndef SLK_TEST_BACKWARD_TREE_H
#define SLK_TEST_BACKWARD_TREE_H

#include <stdlib.h>
#include "compute/compute.h"

#define TREE_SEGMENTS_MAX 20
#define TREE_DEPTH_MAX    8
#define TREE_ROWS_MAX     2000

/* Children follow their parent in the list, depth first; a length of 0 ends it. */
typedef struct tree_segment {
    int parent; /* -1: a root */
    int length;
    bool joined; /* to the path of its parent, which stands before it; else a path of its own */
} tree_segment;

typedef struct tree_rows {
    slk_path paths[TREE_SEGMENTS_MAX];
    slk_run runs[TREE_SEGMENTS_MAX][TREE_DEPTH_MAX]; /* of each segment, its ancestors' first */
    int n_runs[TREE_SEGMENTS_MAX];
    int32_t pos[TREE_ROWS_MAX], end[TREE_ROWS_MAX];
    int64_t n_paths, n_rows;
} tree_rows;

static inline tree_rows *tree_make(const tree_segment *segments)
{
    tree_rows *t = calloc(1, sizeof *t);
    assert_non_null(t);
    for (int s = 0; segments[s].length > 0; s++) {
        int parent = segments[s].parent, row0 = (int)t->n_rows, pos0 = 0, length = segments[s].length;
        assert_true(s < TREE_SEGMENTS_MAX && parent < s && row0 + length <= TREE_ROWS_MAX);
        for (int i = 0; parent >= 0 && i < t->n_runs[parent]; i++) {
            t->runs[s][t->n_runs[s]++] = t->runs[parent][i];
            pos0 += t->runs[parent][i].n;
        }
        assert_true(t->n_runs[s] < TREE_DEPTH_MAX);
        t->runs[s][t->n_runs[s]++] = (slk_run){row0, length};
        for (int i = 0; i < length; i++) t->pos[t->n_rows++] = pos0 + i;
        /* All rows of an ancestor are seen by this segment's. */
        for (int k = s; k >= 0; k = segments[k].parent) {
            const slk_run *own = &t->runs[k][t->n_runs[k] - 1];
            for (int i = 0; i < own->n; i++) t->end[own->slot + i] = (int32_t)t->n_rows;
        }
        if (segments[s].joined) {
            assert_true(parent == s - 1);
            t->n_paths--;
        } else {
            t->paths[t->n_paths] = (slk_path){.row0 = row0, .pos0 = pos0};
        }
        slk_path *path = &t->paths[t->n_paths++];
        path->n_rows += length;
        path->runs = t->runs[s];
        path->n_runs = t->n_runs[s];
    }
    return t;
}

#endif
