/* A LoRA adapter of seeded numbers for all matrices of a model, to be put on it by other programs
 * (tools/check-export.py).
 *
 *   make_adapter MODEL OUT [RANK [SEED]]      OUT: X.gguf, or else a PEFT directory
 *
 * A is uniform in +-1/sqrt(n_in), as training has it at first, alpha is twice the rank, and B as large as makes the
 * product a twentieth of the matrix: enough to change what the model answers, and little enough that it answers
 * something. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/adapter_write.h"
#include "model/source.h"

typedef struct list {
    slk_adapter_matrix *items;
    size_t n, cap;
    uint64_t seed;
    int64_t rank;
} list;

static float *uniform(const list *l, bool is_b, int64_t n, double bound)
{
    float *x = slk_alloc((size_t)n, sizeof *x);
    for (int64_t i = 0; x && i < n; i++)
        x[i] = (float)(bound * (2 * slk_rng_uniform(l->seed, SLK_PURPOSE_INIT, l->n, is_b, 0, (uint32_t)i) - 1));
    return x;
}

/* Root of the mean square. */
static slk_status measure(double *out, const slk_source *source, const slk_tensor *t, slk_err *err)
{
    size_t n = (size_t)(t->n_rows * t->n_cols);
    float *x = slk_alloc(n, sizeof *x);
    if (!x) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    slk_status s = slk_source_read(source, t, 0, t->n_rows, SLK_DTYPE_F32, x, 1, err);
    double sum = 0;
    for (size_t i = 0; s == SLK_OK && i < n; i++) sum += (double)x[i] * (double)x[i];
    free(x);
    *out = sqrt(sum / (double)n);
    return s;
}

static slk_status add(list *l, const slk_source *source, const slk_name *entry, int layer, const slk_tensor *t,
                      slk_err *err)
{
    double size = 0, n_in = (double)t->n_cols, rank = (double)l->rank;
    if (!slk_grow(&l->items, &l->cap, l->n + 1, sizeof *l->items)) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    slk_status s = measure(&size, source, t, err);
    if (s != SLK_OK) return s;
    /* of the product: 2 sqrt(rank) b / (3 sqrt(n_in)), for values that are uniform in +-1/sqrt(n_in) and +-b */
    double b = 0.05 * size * 3 * sqrt(n_in) / (2 * sqrt(rank));
    slk_adapter_matrix m = {.layer = layer,
                            .tensor = entry->gguf,
                            .rank = l->rank,
                            .n_in = t->n_cols,
                            .n_out = t->n_rows,
                            .a = uniform(l, false, l->rank * t->n_cols, 1 / sqrt(n_in)),
                            .b = uniform(l, true, t->n_rows * l->rank, b)};
    l->items[l->n++] = m;
    return m.a && m.b ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory");
}

static slk_status add_all(list *l, const slk_source *source, slk_err *err)
{
    const slk_config *c = slk_source_config(source);
    slk_status s = SLK_OK;
    for (const slk_name *e = c->family->names; e->gguf; e++) {
        for (int i = 0; i < c->n_layers && slk_family_is_layered(e) && s == SLK_OK; i++) {
            char name[SLK_NAME_BYTES];
            slk_tensor t;
            slk_family_gguf_name(name, e, i, "weight");
            if (slk_source_find(source, name, &t, NULL) == SLK_OK && !t.is_vector) s = add(l, source, e, i, &t, err);
        }
    }
    return s;
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 5) {
        fputs("usage: make_adapter MODEL OUT [RANK [SEED]]\n", stderr);
        return 2;
    }
    slk_err err;
    slk_source *source;
    list l = {.rank = argc > 3 ? atoi(argv[3]) : 8, .seed = argc > 4 ? strtoull(argv[4], NULL, 10) : 0};
    slk_status s = slk_source_open(&source, argv[1], &err);
    if (s == SLK_OK) {
        slk_adapter_write_options options = {.alpha = 2 * (double)l.rank, .base_name = argv[1], .overwrite = true};
        s = add_all(&l, source, &err);
        if (s == SLK_OK) s = slk_adapter_write(argv[2], slk_source_config(source), l.items, l.n, &options, &err);
        slk_source_close(source);
    }
    for (size_t i = 0; i < l.n; i++) free((void *)(uintptr_t)l.items[i].a), free((void *)(uintptr_t)l.items[i].b);
    free(l.items);
    if (s != SLK_OK) fprintf(stderr, "make_adapter: %s\n", err.msg);
    return s == SLK_OK ? 0 : 1;
}
