#include "stats/parts.h"

#include <stdlib.h>
#include "base/mem.h"
#include "base/rng.h"
#include "stats/streams.h"

size_t slk_stats_n_parts(size_t n)
{
    if (n < SLK_TEST_FACTS) return 0;
    size_t n_parts = n / SLK_TEST_PER_PART;
    return n_parts < SLK_TEST_PARTS ? n_parts : SLK_TEST_PARTS;
}

typedef struct place {
    uint64_t key, id;
    size_t index;
} place;

static int compare_places(const void *left, const void *right)
{
    const place *x = left, *y = right;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

slk_status slk_stats_cut_parts(uint32_t *part, size_t *n_parts, const uint64_t *ids, size_t n, uint64_t seed,
                               slk_err *err)
{
    *n_parts = slk_stats_n_parts(n);
    if (*n_parts == 0) return SLK_OK;
    place *order = slk_alloc(n, sizeof *order);
    if (!order) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    for (size_t i = 0; i < n; i++)
        order[i] = (place){slk_rng_u64(seed, SLK_PURPOSE_BOOTSTRAP, ids[i], SLK_STREAM_PARTS, 0, 0), ids[i], i};
    qsort(order, n, sizeof *order, compare_places);
    size_t size = n / *n_parts, n_larger = n % *n_parts, at = 0;
    for (size_t p = 0; p < *n_parts; p++) {
        for (size_t i = 0; i < size + (p < n_larger); i++) part[order[at++].index] = (uint32_t)p;
    }
    free(order);
    return SLK_OK;
}

void slk_stats_part_means(double *mean, const uint8_t *right, const uint32_t *part, size_t n, size_t n_parts)
{
    size_t sizes[SLK_TEST_PARTS] = {0}, n_right[SLK_TEST_PARTS] = {0};
    if (n_parts == 0) return; /* part was not written */
    for (size_t i = 0; i < n; i++) {
        sizes[part[i]]++;
        n_right[part[i]] += right[i] != 0;
    }
    for (size_t p = 0; p < n_parts; p++) mean[p] = (double)n_right[p] / (double)sizes[p];
}

slk_status slk_stats_compare(slk_mean *out, const uint64_t *ids, const uint8_t *right_a, const uint8_t *right_b,
                             size_t n, uint64_t seed, double confidence, slk_err *err)
{
    double a[SLK_TEST_PARTS], b[SLK_TEST_PARTS];
    size_t n_parts = 0;
    *out = slk_stats_mean(NULL, 0, confidence);
    uint32_t *part = slk_alloc(n, sizeof *part);
    if (!part) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    slk_status status = slk_stats_cut_parts(part, &n_parts, ids, n, seed, err);
    if (status == SLK_OK && n_parts > 0) {
        slk_stats_part_means(a, right_a, part, n, n_parts);
        slk_stats_part_means(b, right_b, part, n, n_parts);
        *out = slk_stats_paired(a, b, n_parts, confidence);
    }
    free(part);
    return status;
}
