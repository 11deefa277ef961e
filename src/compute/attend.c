/* Attention's cutting into work items.
 *
 * The kernels compute n_lanes query vectors (rows x query heads of one key/value head) side by side against tiles of
 * SLK_ATTENTION_BLOCK positions. Short segments under one prompt see the same tiles for most of their path, so their
 * queries share the lanes of a vector; what each sees alone is computed for its own lanes. A lane's bits do not depend
 * on its neighbours, so how lanes are filled is only a matter of speed. */
#include "compute/internal.h"

#include <omp.h>

/* Spread the query vectors of all paths over lane groups; groups[g] .. groups[g + 1] are the lane groups of work item
 * g. */
static int64_t fill_lanes(slk_lanes *lanes, int64_t *groups, int64_t *n_groups, const slk_path *paths, int64_t n_paths,
                          int n_rep, int width)
{
    int64_t n = 0, g = 0;
    groups[0] = 0;
    for (int64_t p = 0; p < n_paths; p++) {
        int64_t total = (int64_t)paths[p].n_rows * n_rep;
        bool sibling = p > 0 && paths[p].n_shared >= SLK_ATTENTION_BLOCK;
        bool full = n - groups[g] >= SLK_ATTEND_GROUP;
        if (n > groups[g] && (!sibling || (full && lanes[n - 1].n_lanes + total > width))) groups[++g] = n;
        if (sibling && n > groups[g] && lanes[n - 1].n_lanes + total <= width) {
            lanes[n - 1].n_lanes += (int32_t)total;
            continue;
        }
        for (int64_t lane = 0; lane < total; lane += width) {
            if (n - groups[g] >= SLK_ATTEND_GROUP) groups[++g] = n;
            lanes[n].path = (int32_t)p;
            lanes[n].lane0 = (int32_t)lane;
            lanes[n].n_lanes = (int32_t)(total - lane < width ? total - lane : width);
            n++;
        }
    }
    if (n > groups[g]) groups[++g] = n;
    *n_groups = g;
    return n;
}

slk_status slk_compute_attention(slk_compute *c, void *y, const void *q, const slk_kv *kv, const slk_attention *a,
                                 const slk_path *paths, int64_t n_paths, slk_err *err)
{
    if (a->head_dim < 2 || a->head_dim % 2 || a->head_dim > SLK_HEAD_DIM_MAX || a->n_heads % a->n_kv_heads)
        return slk_fail(err, SLK_E_SHAPE, "attention: %d heads of %d, %d for keys", a->n_heads, a->head_dim,
                        a->n_kv_heads);
    int width = c->kernels->n_lanes, n_rep = a->n_heads / a->n_kv_heads;
    int64_t n_max = 0;
    for (int64_t p = 0; p < n_paths; p++) n_max += ((int64_t)paths[p].n_rows * n_rep + width - 1) / width;
    size_t bytes = (c->kernels->attend_bytes(a->head_dim) + 63) / 64 * 64;
    char *scratch = slk_scratch_get(&c->attend, bytes * (size_t)c->n_threads);
    slk_lanes *lanes = slk_scratch_get(&c->lanes, (size_t)(n_max + 1) * sizeof *lanes);
    int64_t *groups = slk_scratch_get(&c->groups, (size_t)(n_max + 2) * sizeof *groups);
    if (!scratch || !lanes || !groups) return slk_fail(err, SLK_E_MEMORY, "attention: out of memory");
    int64_t n_groups;
    fill_lanes(lanes, groups, &n_groups, paths, n_paths, n_rep, width);
    int64_t n_items = n_groups * a->n_kv_heads;
    int n_threads = n_items > 1 ? c->n_threads : 1;
    if (n_items == 0) return SLK_OK;
#pragma omp parallel for schedule(dynamic, 1) num_threads(n_threads)
    for (int64_t i = 0; i < n_items; i++) {
        int64_t g = i / a->n_kv_heads;
        slk_attend job = {.a = a,
                          .q = q,
                          .y = y,
                          .kv = *kv,
                          .dtype = c->dtype,
                          .paths = paths,
                          .lanes = lanes + groups[g],
                          .n = (int)(groups[g + 1] - groups[g]),
                          .kv_head = (int)(i % a->n_kv_heads)};
        c->kernels->attend(&job, scratch + bytes * (size_t)omp_get_thread_num());
    }
    return SLK_OK;
}
