/* Are the newest studies of two stores the same: descriptions, asked facts, runs, D, epochs and every bit? What depends
 * on the clock (rates, times, workers) and on a store (ids) does not count.
 *
 *   compare_studies A B       says what differs; exit 1
 *   compare_studies count A   "DONE EPOCHS": finished runs, and epochs of all runs */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/runs.h"

typedef struct side {
    slk_store *store;
    slk_study_info study;
    slk_study_run *runs;
    size_t n_runs;
} side;

static int n_differences;

static void differ(const char *what, const char *where)
{
    n_differences++;
    printf("%s: %s differ\n", where, what);
}

static slk_status open_side(side *s, const char *path, slk_err *err)
{
    memset(s, 0, sizeof *s);
    slk_status status = slk_store_open(&s->store, path, SLK_STORE_READ, err);
    if (status == SLK_OK) status = slk_store_find_study(s->store, &s->study, 0, err);
    return status == SLK_OK ? slk_store_load_runs(s->store, s->study.id, &s->runs, &s->n_runs, err) : status;
}

static void close_side(side *s)
{
    slk_store_free_runs(s->runs, s->n_runs);
    slk_study_info_release(&s->study);
    slk_store_close(s->store);
}

static void compare_facts(const slk_set_fact *a, size_t n_a, const slk_set_fact *b, size_t n_b, const char *where)
{
    bool same = n_a == n_b;
    for (size_t i = 0; same && i < n_a; i++)
        same = a[i].fact_id == b[i].fact_id && a[i].category == b[i].category && a[i].idk == b[i].idk;
    if (!same) differ("facts", where);
}

static void compare_epoch(const slk_run_epoch *a, const slk_run_epoch *b, const char *where)
{
    char place[200];
    snprintf(place, sizeof place, "%s, epoch %d", where, a->epoch);
    if (a->epoch != b->epoch || a->step != b->step) differ("numbers", place);
    if (!(a->loss == b->loss || (isnan(a->loss) && isnan(b->loss)))) differ("losses", place);
    for (int s = 0; s < SLK_N_STUDY_SETS; s++) {
        bool same = a->has[s] == b->has[s] && a->n[s] == b->n[s];
        if (same && a->has[s])
            same = memcmp(a->right[s], b->right[s], (a->n[s] + 7) / 8) == 0 &&
                   memcmp(a->refused[s], b->refused[s], (a->n[s] + 7) / 8) == 0;
        if (!same) differ(slk_study_set_name((slk_study_set)s), place);
    }
}

static slk_status compare_epochs(const side *a, const side *b, int64_t run_a, int64_t run_b, const char *where,
                                 slk_err *err)
{
    slk_run_epoch *x = NULL, *y = NULL;
    size_t n_x = 0, n_y = 0;
    slk_status status = slk_store_load_epochs(a->store, run_a, true, &x, &n_x, err);
    if (status == SLK_OK) status = slk_store_load_epochs(b->store, run_b, true, &y, &n_y, err);
    if (status == SLK_OK && n_x != n_y) differ("numbers of epochs", where);
    for (size_t i = 0; i < n_x && i < n_y; i++) compare_epoch(&x[i], &y[i], where);
    for (size_t i = 0; i < n_x; i++) slk_run_epoch_release(&x[i]);
    for (size_t i = 0; i < n_y; i++) slk_run_epoch_release(&y[i]);
    free(x);
    free(y);
    return status;
}

static slk_status compare_runs(const side *a, const side *b, const slk_study_run *x, const slk_study_run *y,
                               slk_err *err)
{
    char name[SLK_RUN_NAME_BYTES];
    slk_set_fact *d_x = NULL, *d_y = NULL;
    size_t n_x = 0, n_y = 0;
    slk_run_name(name, x);
    if (x->state != y->state || strcmp(x->kernels, y->kernels) != 0) differ("states or kernels", name);
    if (x->n_train != y->n_train || x->early_epoch != y->early_epoch || x->last_epoch != y->last_epoch ||
        x->fitted != y->fitted)
        differ("results", name);
    slk_status status = slk_store_load_run_facts(a->store, x->id, &d_x, &n_x, err);
    if (status == SLK_OK) status = slk_store_load_run_facts(b->store, y->id, &d_y, &n_y, err);
    if (status == SLK_OK) compare_facts(d_x, n_x, d_y, n_y, name);
    free(d_x);
    free(d_y);
    return status == SLK_OK ? compare_epochs(a, b, x->id, y->id, name, err) : status;
}

static slk_status compare(const side *a, const side *b, slk_err *err)
{
    slk_status status = SLK_OK;
    if (strcmp(a->study.description, b->study.description) != 0) differ("descriptions", "study");
    if (a->n_runs != b->n_runs) differ("numbers of runs", "study");
    for (int s = SLK_SET_DEV; s < SLK_N_STUDY_SETS && status == SLK_OK; s++) {
        slk_set_fact *x = NULL, *y = NULL;
        size_t n_x = 0, n_y = 0;
        status = slk_store_load_study_facts(a->store, a->study.id, (slk_study_set)s, &x, &n_x, err);
        if (status == SLK_OK)
            status = slk_store_load_study_facts(b->store, b->study.id, (slk_study_set)s, &y, &n_y, err);
        if (status == SLK_OK) compare_facts(x, n_x, y, n_y, slk_study_set_name((slk_study_set)s));
        free(x);
        free(y);
    }
    for (size_t i = 0; i < a->n_runs && status == SLK_OK; i++) {
        const slk_study_run *x = &a->runs[i], *y = NULL;
        char name[SLK_RUN_NAME_BYTES];
        for (size_t k = 0; k < b->n_runs && !y; k++) {
            const slk_study_run *r = &b->runs[k];
            if (strcmp(r->variant, x->variant) == 0 && r->seed == x->seed && r->lr == x->lr) y = r;
        }
        if (y)
            status = compare_runs(a, b, x, y, err);
        else
            differ("runs", slk_run_name(name, x));
    }
    return status;
}

static slk_status count(const side *a, slk_err *err)
{
    size_t n_done = 0, n_epochs = 0;
    slk_status status = SLK_OK;
    for (size_t i = 0; i < a->n_runs && status == SLK_OK; i++) {
        slk_run_epoch *epochs;
        size_t n;
        status = slk_store_load_epochs(a->store, a->runs[i].id, false, &epochs, &n, err);
        free(epochs);
        n_epochs += n;
        n_done += a->runs[i].state == SLK_RUN_DONE;
    }
    printf("%zu %zu\n", n_done, n_epochs);
    return status;
}

int main(int argc, char **argv)
{
    slk_err err = {0};
    side a, b = {0};
    if (argc != 3) return 2;
    bool counts = strcmp(argv[1], "count") == 0;
    slk_status status = open_side(&a, counts ? argv[2] : argv[1], &err);
    if (status == SLK_OK && !counts) status = open_side(&b, argv[2], &err);
    if (status == SLK_OK) status = counts ? count(&a, &err) : compare(&a, &b, &err);
    close_side(&a);
    close_side(&b);
    if (status != SLK_OK) {
        fprintf(stderr, "compare_studies: %s\n", err.msg);
        return 2;
    }
    return n_differences ? 1 : 0;
}
