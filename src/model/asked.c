#include "model/asked.h"

#include <stdlib.h>

#include "base/mem.h"

bool slk_asked_pays(const slk_batch *b)
{
    return !b->hidden && b->n_asks <= b->n_rows / 4 * 3;
}

static bool set_rows(slk_asked *a, const slk_batch *b)
{
    size_t n = (size_t)b->n_asks;
    if (!slk_grow(&a->rows, &a->cap_rows, n, sizeof *a->rows)) return false;
    if (!slk_grow(&a->places, &a->cap_places, n, sizeof *a->places)) return false;
    a->n = 0;
    for (int32_t i = 0; i < b->n_asks; i++) {
        if (a->n == 0 || a->rows[a->n - 1] != b->asks[i].row) a->rows[a->n++] = b->asks[i].row;
        a->places[i] = a->n - 1;
    }
    return true;
}

static int32_t least(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

/* The n rows from `place` on, which stand side by side in `from`, as a path of their own: its runs end with its last
 * row. shared: positions in common with the path before it. */
static bool add_path(slk_asked *a, size_t *n_runs, const slk_path *from, int32_t place, int32_t n, int32_t shared)
{
    int32_t pos0 = from->pos0 + a->rows[place] - from->row0, left = pos0 + n;
    slk_path path = {.row0 = place, .n_rows = n, .pos0 = pos0, .n_shared = shared};
    if (!slk_grow(&a->runs, &a->cap_runs, *n_runs + (size_t)from->n_runs, sizeof *a->runs)) return false;
    for (; left > 0; path.n_runs++) {
        slk_run run = from->runs[path.n_runs];
        run.n = least(run.n, left);
        left -= run.n;
        a->runs[(*n_runs)++] = run;
    }
    if (!slk_grow(&a->paths, &a->cap_paths, (size_t)a->n_paths + 1, sizeof *a->paths)) return false;
    a->paths[a->n_paths++] = path;
    return true;
}

static bool set_paths(slk_asked *a, const slk_batch *b)
{
    size_t n_runs = 0;
    int32_t place = 0, shared = 0;
    a->n_paths = 0;
    for (int32_t p = 0; p < b->n_paths; p++) {
        const slk_path *from = &b->paths[p];
        /* what is shared with the last path that was added is shared by all in between */
        shared = p == 0 ? 0 : least(shared, from->n_shared);
        while (place < a->n && a->rows[place] < from->row0 + from->n_rows) {
            int32_t n = 1;
            while (place + n < a->n && a->rows[place + n] == a->rows[place] + n &&
                   a->rows[place + n] < from->row0 + from->n_rows)
                n++;
            if (!add_path(a, &n_runs, from, place, n, shared)) return false;
            shared = a->paths[a->n_paths - 1].pos0 + n; /* all of it, where the next one goes on */
            place += n;
        }
    }
    slk_run *runs = a->runs; /* they do not move again */
    for (int32_t p = 0; p < a->n_paths; runs += a->paths[p++].n_runs) a->paths[p].runs = runs;
    return true;
}

slk_status slk_asked_set(slk_asked *a, const slk_batch *b, slk_err *err)
{
    return set_rows(a, b) && set_paths(a, b) ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory for a batch");
}

void slk_asked_release(slk_asked *a)
{
    free(a->rows), free(a->places), free(a->paths), free(a->runs);
    *a = (slk_asked){0};
}
