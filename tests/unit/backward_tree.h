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
} tree_segment;

typedef struct tree_rows {
    slk_path paths[TREE_SEGMENTS_MAX];
    slk_run runs[TREE_SEGMENTS_MAX][TREE_DEPTH_MAX];
    int32_t pos[TREE_ROWS_MAX], end[TREE_ROWS_MAX];
    int64_t n_paths, n_rows;
} tree_rows;

static inline tree_rows *tree_make(const tree_segment *segments)
{
    tree_rows *t = calloc(1, sizeof *t);
    assert_non_null(t);
    for (int s = 0; segments[s].length > 0; s++) {
        int parent = segments[s].parent;
        slk_path *path = &t->paths[s];
        assert_true(s < TREE_SEGMENTS_MAX && parent < s && t->n_rows + segments[s].length <= TREE_ROWS_MAX);
        path->row0 = (int32_t)t->n_rows;
        path->n_rows = segments[s].length;
        path->runs = t->runs[s];
        if (parent >= 0) {
            path->pos0 = t->paths[parent].pos0 + t->paths[parent].n_rows;
            path->n_runs = t->paths[parent].n_runs;
            for (int i = 0; i < path->n_runs; i++) t->runs[s][i] = t->runs[parent][i];
        }
        assert_true(path->n_runs < TREE_DEPTH_MAX);
        t->runs[s][path->n_runs++] = (slk_run){path->row0, path->n_rows};
        for (int i = 0; i < path->n_rows; i++) t->pos[t->n_rows++] = path->pos0 + i;
        t->n_paths++;
        /* All rows of an ancestor are seen by this segment's. */
        for (int k = s; k >= 0; k = segments[k].parent)
            for (int i = 0; i < segments[k].length; i++) t->end[t->paths[k].row0 + i] = (int32_t)t->n_rows;
    }
    return t;
}

#endif
