#include "stats/bootstrap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/rng.h"
#include "stats/streams.h"

/* One replicate in 20 may be undefined. */
#define MAX_UNDEFINED_SHARE 0.05

typedef struct drawing {
    const slk_bootstrap *what;
    size_t *members;       /* [n_clusters] clusters by stratum */
    size_t *begin, *count; /* [n_clusters] where in `members` the stratum of members[i] begins, and how many it has */
    uint32_t *clusters, *facts;
    double *values; /* [n_stats][n_replicates] */
} drawing;

typedef struct stratum_member {
    uint32_t stratum;
    size_t cluster;
} stratum_member;

static int compare_members(const void *left, const void *right)
{
    const stratum_member *x = left, *y = right;
    if (x->stratum != y->stratum) return x->stratum < y->stratum ? -1 : 1;
    return (x->cluster > y->cluster) - (x->cluster < y->cluster);
}

static bool sort_strata(drawing *d)
{
    size_t n = d->what->n_clusters;
    stratum_member *m = slk_alloc(n, sizeof *m);
    if (!m) return false;
    for (size_t i = 0; i < n; i++) m[i] = (stratum_member){d->what->strata ? d->what->strata[i] : 0, i};
    qsort(m, n, sizeof *m, compare_members);
    for (size_t i = 0, first = 0; i < n; i++) {
        if (m[i].stratum != m[first].stratum) first = i;
        d->members[i] = m[i].cluster;
        d->begin[i] = first;
    }
    for (size_t i = n; i-- > 0;)
        d->count[i] = i + 1 < n && d->begin[i + 1] == d->begin[i] ? d->count[i + 1] : i + 1 - d->begin[i];
    free(m);
    return true;
}

/* A whole number below n <= 2^32: 32 random bits times n, without their lower half. One in 2^32 / n of them is
 * favoured, which no number of replicates can show. */
static size_t below(uint32_t bits, size_t n)
{
    return (size_t)((uint64_t)bits * n >> 32);
}

static void draw(drawing *d, uint64_t replicate)
{
    const slk_bootstrap *what = d->what;
    if (d->clusters) {
        memset(d->clusters, 0, what->n_clusters * sizeof *d->clusters);
        for (size_t i = 0; i < what->n_clusters; i++) {
            uint64_t bits =
                slk_rng_u64(what->seed, SLK_PURPOSE_BOOTSTRAP, replicate, SLK_STREAM_CLUSTERS, 0, (uint32_t)i);
            d->clusters[d->members[d->begin[i] + below((uint32_t)bits, d->count[i])]]++;
        }
    }
    if (d->facts) {
        memset(d->facts, 0, what->n_facts * sizeof *d->facts);
        for (size_t i = 0; i < what->n_facts; i += 2) { /* two of each 64 bits */
            uint64_t bits =
                slk_rng_u64(what->seed, SLK_PURPOSE_BOOTSTRAP, replicate, SLK_STREAM_FACTS, 0, (uint32_t)(i / 2));
            d->facts[below((uint32_t)bits, what->n_facts)]++;
            if (i + 1 < what->n_facts) d->facts[below((uint32_t)(bits >> 32), what->n_facts)]++;
        }
    }
}

static int compare_doubles(const void *left, const void *right)
{
    double x = *(const double *)left, y = *(const double *)right;
    return (x > y) - (x < y);
}

double slk_stats_quantile_sorted(const double *x, size_t n, double p)
{
    if (n == 0 || !(p >= 0 && p <= 1)) return NAN;
    double at = p * (double)(n - 1);
    size_t i = (size_t)at;
    if (i + 1 >= n) return x[n - 1];
    double part = at - (double)i;
    return part > 0 ? x[i] + part * (x[i + 1] - x[i]) : x[i];
}

/* values [n_replicates] are sorted in place. */
static void summarise(slk_bootstrapped *r, double *values, size_t n_replicates, double confidence)
{
    size_t n = 0;
    for (size_t i = 0; i < n_replicates; i++) {
        if (!isnan(values[i])) values[n++] = values[i];
    }
    r->n_undefined = n_replicates - n;
    r->interval = (slk_interval){NAN, NAN};
    r->se = NAN;
    if ((double)r->n_undefined > MAX_UNDEFINED_SHARE * (double)n_replicates) return;
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += values[i];
    double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) squares += (values[i] - mean) * (values[i] - mean);
    qsort(values, n, sizeof *values, compare_doubles);
    r->se = n > 1 ? sqrt(squares / (double)(n - 1)) : NAN;
    r->interval.low = slk_stats_quantile_sorted(values, n, 0.5 * (1 - confidence));
    r->interval.high = slk_stats_quantile_sorted(values, n, 0.5 * (1 + confidence));
}

static slk_status check(const slk_bootstrap *what, size_t n_stats, size_t n_replicates, slk_err *err)
{
    if (n_stats == 0 || (what->n_clusters == 0 && what->n_facts == 0))
        return slk_fail(err, SLK_E_ARG, "bootstrap: nothing to draw, expected clusters or facts");
    if (!(what->confidence > 0 && what->confidence < 1))
        return slk_fail(err, SLK_E_ARG, "bootstrap: confidence %g, expected between 0 and 1", what->confidence);
    if (what->n_clusters > UINT32_MAX || what->n_facts > UINT32_MAX || n_replicates > UINT32_MAX || n_replicates < 2)
        return slk_fail(err, SLK_E_ARG,
                        "bootstrap: %zu clusters, %zu facts, %zu replicates: expected 2 replicates or more, "
                        "and fewer than 2^32 of each",
                        what->n_clusters, what->n_facts, n_replicates);
    return SLK_OK;
}

static bool open_drawing(drawing *d, size_t n_values)
{
    size_t n = d->what->n_clusters, n_facts = d->what->n_facts;
    d->values = slk_alloc(n_values, sizeof *d->values);
    if (n > 0) {
        d->members = slk_alloc(n, sizeof *d->members);
        d->begin = slk_alloc(n, sizeof *d->begin);
        d->count = slk_alloc(n, sizeof *d->count);
        d->clusters = slk_alloc(n, sizeof *d->clusters);
        if (!d->members || !d->begin || !d->count || !d->clusters || !sort_strata(d)) return false;
        for (size_t i = 0; i < n; i++) d->clusters[i] = 1;
    }
    if (n_facts > 0) {
        d->facts = slk_alloc(n_facts, sizeof *d->facts);
        if (!d->facts) return false;
        for (size_t i = 0; i < n_facts; i++) d->facts[i] = 1;
    }
    return d->values != NULL;
}

slk_status slk_stats_bootstrap(slk_bootstrapped *results, size_t n_stats, const slk_bootstrap *what,
                               slk_statistic *statistic, void *user, slk_err *err)
{
    size_t n_replicates = what->n_replicates > 0 ? what->n_replicates : SLK_BOOTSTRAP_REPLICATES;
    for (size_t s = 0; s < n_stats; s++) results[s] = (slk_bootstrapped){NAN, {NAN, NAN}, NAN, 0};
    slk_status status = check(what, n_stats, n_replicates, err);
    if (status != SLK_OK) return status;
    drawing d = {.what = what};
    double *out = slk_alloc(n_stats, sizeof *out);
    if (!out || n_stats > SIZE_MAX / n_replicates || !open_drawing(&d, n_stats * n_replicates))
        status = slk_fail(err, SLK_E_MEMORY, "out of memory");
    slk_resample sample = {d.clusters, d.facts};
    if (status == SLK_OK) status = statistic(user, &sample, out, err);
    for (size_t s = 0; status == SLK_OK && s < n_stats; s++) results[s].estimate = out[s];
    for (size_t i = 0; status == SLK_OK && i < n_replicates; i++) {
        draw(&d, i);
        status = statistic(user, &sample, out, err);
        for (size_t s = 0; status == SLK_OK && s < n_stats; s++) d.values[s * n_replicates + i] = out[s];
    }
    for (size_t s = 0; status == SLK_OK && s < n_stats; s++)
        summarise(&results[s], d.values + s * n_replicates, n_replicates, what->confidence);
    free(d.members), free(d.begin), free(d.count), free(d.clusters), free(d.facts), free(d.values), free(out);
    return status;
}
