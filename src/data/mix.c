#include "data/mix.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/rng.h"

#define MILLION 1000000

/* Which random number of a fact (base/rng.h, SLK_PURPOSE_MIX, `prompt`). D's order has a number of its own: by the
 * first one a relation of which little is taken would stand at the beginning. */
enum { STREAM_POOL = 0, STREAM_D = 1 };

/* --- names -----------------------------------------------------------------------------------------------------------
 */

static const char *const KIND_NAMES[] = {"unknown", "known", "only", "natural", "idk"};
static const char *const PREFIXES[] = {"unknown-", "known-of-", "only-", "natural", "idk-"};
#define N_KINDS ((int)(sizeof KIND_NAMES / sizeof *KIND_NAMES))

const char *slk_mix_kind_name(slk_mix_kind kind)
{
    return KIND_NAMES[kind];
}

const char *slk_mix_pool_name(int pool)
{
    return pool == SLK_MIX_POOL_KNOWN ? "Known"
           : pool == SLK_MIX_POOL_ALL ? "labelled"
                                      : slk_category_name((slk_category)pool);
}

static size_t millionths(double share)
{
    return (size_t)llround(fmin(fmax(share, 0), 1) * MILLION);
}

void slk_mix_variant_name(char out[SLK_MIX_NAME_BYTES], const slk_mix_variant *variant)
{
    const char *prefix = PREFIXES[variant->kind];
    if (variant->kind == SLK_MIX_NATURAL)
        snprintf(out, SLK_MIX_NAME_BYTES, "%s", prefix);
    else if (variant->kind == SLK_MIX_ONLY)
        snprintf(out, SLK_MIX_NAME_BYTES, "%s%s", prefix, slk_category_name(variant->category));
    else
        snprintf(out, SLK_MIX_NAME_BYTES, "%s%g", prefix, (double)millionths(variant->unknown) / (MILLION / 100.0));
}

/* A number of decimal digits and at most one point, all of text [n]. */
static bool parse_decimal(double *out, const char *text, size_t n)
{
    char digits[32];
    size_t n_points = 0, n_digits = 0;
    if (n == 0 || n >= sizeof digits) return false;
    for (size_t i = 0; i < n; i++) {
        n_points += text[i] == '.';
        n_digits += text[i] >= '0' && text[i] <= '9';
    }
    if (n_points > 1 || n_digits == 0 || n_points + n_digits != n) return false;
    memcpy(digits, text, n);
    digits[n] = '\0';
    *out = strtod(digits, NULL);
    return true;
}

slk_status slk_mix_share_parse(double *out, const char *text, slk_err *err)
{
    size_t n = strlen(text);
    bool percent = n > 0 && text[n - 1] == '%';
    double value;
    if (!parse_decimal(&value, text, percent ? n - 1 : n) || value > (percent ? 100 : 1))
        return slk_fail(err, SLK_E_ARG, "'%s': expected a share from 0 to 1, as 0.5, or a percentage, as 50%%", text);
    *out = percent ? value / 100 : value;
    return SLK_OK;
}

slk_status slk_mix_variant_parse(slk_mix_variant *out, const char *name, slk_err *err)
{
    *out = (slk_mix_variant){.kind = SLK_MIX_NATURAL};
    if (strcmp(name, PREFIXES[SLK_MIX_NATURAL]) == 0) return SLK_OK;
    for (int kind = 0; kind < N_KINDS; kind++) {
        size_t n = strlen(PREFIXES[kind]);
        if (kind == SLK_MIX_NATURAL || strncmp(name, PREFIXES[kind], n) != 0) continue;
        out->kind = (slk_mix_kind)kind;
        if (kind == SLK_MIX_ONLY) {
            int category = slk_category_parse(name + n);
            out->category = (slk_category)category;
            if (category >= 0 && category < SLK_N_CATEGORIES) return SLK_OK;
        } else if (parse_decimal(&out->unknown, name + n, strlen(name + n)) && out->unknown <= 100) {
            out->unknown /= 100;
            return SLK_OK;
        }
    }
    return slk_fail(err, SLK_E_ARG,
                    "variant '%s': expected unknown-X, known-of-X or idk-X (X in percent), only-CATEGORY, or natural",
                    name);
}

/* --- how many of what ------------------------------------------------------------------------------------------------
 */

void slk_mix_split(size_t *parts, size_t n, const size_t *weights, size_t n_weights)
{
    size_t sum = 0, left = n;
    for (size_t i = 0; i < n_weights; i++) sum += weights[i];
    for (size_t i = 0; i < n_weights; i++) {
        parts[i] = sum > 0 ? (size_t)((uint64_t)n * weights[i] / sum) : 0;
        left -= parts[i];
    }
    for (; sum > 0 && left > 0; left--) { /* fewer than n_weights are left, and each weight gets one at most */
        size_t best = n_weights;
        uint64_t largest = 0;
        for (size_t i = 0; i < n_weights; i++) {
            uint64_t exact = (uint64_t)n * weights[i], have = (uint64_t)parts[i] * sum;
            if (exact > have && exact - have > largest) largest = exact - have, best = i;
        }
        parts[best]++;
    }
}

/* What a variant takes from a relation of which D has n examples: quota of each pool, and the pool that each category
 * is in (-1: none). */
typedef struct recipe {
    size_t quota[SLK_MIX_N_POOLS];
    int pool_of[SLK_N_CATEGORIES];
} recipe;

static recipe recipe_of(const slk_mix_variant *v, const slk_mix_relation *r, size_t n)
{
    recipe out = {.quota = {0}};
    for (int c = 0; c < SLK_N_CATEGORIES; c++) {
        out.pool_of[c] = c;
        if (v->kind == SLK_MIX_ONLY && (slk_category)c != v->category) out.pool_of[c] = -1;
    }
    if (v->kind == SLK_MIX_ONLY) {
        out.quota[v->category] = n;
    } else if (v->kind == SLK_MIX_NATURAL) {
        slk_mix_split(out.quota, n, r->n_pool, SLK_N_CATEGORIES);
    } else {
        size_t unknown = millionths(v->unknown), parts[2], weights[2] = {MILLION - unknown, unknown};
        slk_mix_split(parts, n, weights, 2);
        out.quota[SLK_MIX_POOL_KNOWN] = parts[0];
        out.quota[SLK_UNKNOWN] = parts[1];
        for (int c = 0; c < SLK_N_CATEGORIES; c++) out.pool_of[c] = c == SLK_UNKNOWN ? c : SLK_MIX_POOL_KNOWN;
    }
    return out;
}

static unsigned pools_needed(const slk_mix_variant *v)
{
    if (v->kind == SLK_MIX_ONLY) return 1u << v->category;
    if (v->kind == SLK_MIX_NATURAL) return 1u << SLK_MIX_POOL_ALL;
    return 1u << SLK_MIX_POOL_KNOWN | 1u << SLK_UNKNOWN;
}

/* The paper's rule; 0 where the relation is left out. */
static size_t rule_size(slk_mix_relation *r, unsigned needed)
{
    size_t smallest = r->n_pool[SLK_MIX_POOL_ALL];
    r->lacks = 0;
    for (int p = 0; p < SLK_MIX_N_POOLS; p++) {
        if (!(needed >> p & 1)) continue;
        if (r->n_pool[p] == 0) r->lacks |= 1u << p;
        if (r->n_pool[p] < smallest) smallest = r->n_pool[p];
    }
    return r->lacks ? 0 : smallest;
}

/* --- refusals --------------------------------------------------------------------------------------------------------
 */

/* Messages have 1,024 bytes: so many relations are named, and the rest counted. */
enum { MAX_NAMED = 8 };

static slk_status refuse(slk_buf *text, const char *what, size_t n_named, const char *hint, slk_err *err)
{
    if (n_named > MAX_NAMED) slk_buf_addf(text, ", and %zu more", n_named - MAX_NAMED);
    slk_status status = text->failed ? slk_fail(err, SLK_E_MEMORY, "out of memory")
                                     : slk_fail(err, SLK_E_ARG, "%s: %s%s", what, text->data, hint);
    slk_buf_release(text);
    return status;
}

static slk_status refuse_all(const slk_mix_plan *plan, slk_err *err)
{
    slk_buf text = {0};
    for (size_t i = 0; i < plan->n_relations && i < MAX_NAMED; i++) {
        const slk_mix_relation *r = &plan->relations[i];
        slk_buf_addf(&text, "%srelation '%.40s' has no", i ? ", " : "", r->name);
        bool first = true;
        for (int p = 0; p < SLK_MIX_N_POOLS; p++) {
            if (!(r->lacks >> p & 1)) continue;
            slk_buf_addf(&text, "%s %s", first ? "" : " and no", slk_mix_pool_name(p));
            first = false;
        }
        slk_buf_add_str(&text, " facts");
    }
    return refuse(&text, "nothing to draw from", plan->n_relations, "", err);
}

/* How many facts of a pool are missing. */
static size_t missing(const slk_mix_relation *r, const recipe *want, int pool)
{
    return want->quota[pool] > r->n_pool[pool] ? want->quota[pool] - r->n_pool[pool] : 0;
}

/* Has every relation what the variant takes from it? */
static slk_status check_variant(const slk_mix_plan *plan, const slk_mix_variant *v, slk_err *err)
{
    slk_buf text = {0};
    size_t n_lacking = 0;
    for (size_t i = 0; i < plan->n_relations; i++) {
        const slk_mix_relation *r = &plan->relations[i];
        recipe want = recipe_of(v, r, r->size);
        for (int p = 0; p < SLK_MIX_N_POOLS; p++) {
            size_t lacks = missing(r, &want, p);
            if (lacks == 0) continue;
            if (n_lacking++ < MAX_NAMED)
                slk_buf_addf(&text, "%srelation '%.40s' lacks %zu %s (%zu wanted, %zu there)",
                             n_lacking > 1 ? ", " : "", r->name, lacks, slk_mix_pool_name(p), want.quota[p],
                             r->n_pool[p]);
        }
    }
    if (n_lacking == 0) return SLK_OK;
    char name[SLK_MIX_NAME_BYTES], what[96], hint[64];
    slk_mix_variant_name(name, v);
    snprintf(what, sizeof what, "%s with %zu examples", name, plan->size);
    snprintf(hint, sizeof hint, "; %zu examples are possible", plan->rule_size);
    return refuse(&text, what, n_lacking, hint, err);
}

/* --- plans -----------------------------------------------------------------------------------------------------------
 */

typedef struct place {
    const char *relation;
    uint64_t key, id;
    size_t index;
} place;

static int compare_places(const void *left, const void *right)
{
    const place *x = left, *y = right;
    int order = x->relation == y->relation ? 0 : strcmp(x->relation, y->relation);
    if (order != 0) return order;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* Facts by relation and pool order, and the relations with their pools. */
static slk_status group(slk_mix_plan *plan, slk_err *err)
{
    place *places = slk_alloc(plan->n, sizeof *places);
    size_t cap = 0;
    plan->order = slk_alloc(plan->n, sizeof *plan->order);
    slk_status status = places && plan->order ? SLK_OK : SLK_E_MEMORY;
    for (size_t i = 0; status == SLK_OK && i < plan->n; i++) {
        const slk_fact *f = plan->facts[i];
        places[i] = (place){f->relation, slk_rng_u64(plan->seed, SLK_PURPOSE_MIX, f->id, STREAM_POOL, 0, 0), f->id, i};
    }
    if (status == SLK_OK) qsort(places, plan->n, sizeof *places, compare_places);
    for (size_t i = 0; status == SLK_OK && i < plan->n; i++) {
        if (i == 0 || strcmp(places[i].relation, places[i - 1].relation) != 0) {
            if (!slk_grow(&plan->relations, &cap, plan->n_relations + 1, sizeof *plan->relations)) {
                status = SLK_E_MEMORY;
                break;
            }
            plan->relations[plan->n_relations++] = (slk_mix_relation){.name = places[i].relation, .begin = i};
        }
        slk_mix_relation *r = &plan->relations[plan->n_relations - 1];
        int8_t category = plan->categories[places[i].index];
        plan->order[i] = places[i].index;
        r->end = i + 1;
        if (category < 0 || category >= SLK_N_CATEGORIES) continue;
        r->n_pool[category]++;
        r->n_pool[SLK_MIX_POOL_ALL]++;
        r->n_pool[SLK_MIX_POOL_KNOWN] += category != SLK_UNKNOWN;
    }
    free(places);
    return status == SLK_OK ? SLK_OK : slk_fail(err, status, "out of memory");
}

/* Does relation a get the next example before b? By weight / (2 * examples + 1), then by name. */
static bool goes_first(const slk_mix_plan *plan, const size_t *weights, size_t a, size_t b)
{
    uint64_t x = (uint64_t)weights[a] * (2 * plan->relations[b].size + 1);
    uint64_t y = (uint64_t)weights[b] * (2 * plan->relations[a].size + 1);
    return x != y ? x > y : a < b;
}

/* Bring heap[at] [n] down to where nothing below it goes first. */
static void sift_down(const slk_mix_plan *plan, const size_t *weights, size_t *heap, size_t n, size_t at)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && goes_first(plan, weights, heap[child + 1], heap[child])) child++;
        if (goes_first(plan, weights, heap[at], heap[child])) break;
        size_t swap = heap[at];
        heap[at] = heap[child];
        heap[child] = swap;
    }
}

/* Spread plan->size over the relations in the proportion of weights [n_relations], one example after the other. */
static slk_status spread(slk_mix_plan *plan, const size_t *weights, slk_err *err)
{
    size_t n = 0, *heap = slk_alloc(plan->n_relations, sizeof *heap);
    if (!heap) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    for (size_t i = 0; i < plan->n_relations; i++) {
        plan->relations[i].size = 0;
        if (weights[i] > 0) heap[n++] = i;
    }
    for (size_t at = n / 2; at-- > 0;) sift_down(plan, weights, heap, n, at);
    for (size_t left = n > 0 ? plan->size : 0; left > 0; left--) {
        plan->relations[heap[0]].size++;
        sift_down(plan, weights, heap, n, 0);
    }
    free(heap);
    return SLK_OK;
}

static slk_status set_sizes(slk_mix_plan *plan, const slk_mix_variant *variants, size_t n_variants, size_t size,
                            slk_err *err)
{
    unsigned needed = 0;
    for (size_t i = 0; i < n_variants; i++) needed |= pools_needed(&variants[i]);
    size_t *weights = slk_alloc(plan->n_relations, sizeof *weights);
    if (!weights) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    for (size_t i = 0; i < plan->n_relations; i++) {
        slk_mix_relation *r = &plan->relations[i];
        r->size = weights[i] = rule_size(r, needed);
        plan->rule_size += r->size;
        plan->n_left_out += r->lacks != 0;
    }
    plan->size = size > 0 ? size : plan->rule_size;
    slk_status status = plan->rule_size > 0 ? SLK_OK : refuse_all(plan, err);
    if (status == SLK_OK && size > plan->n) { /* never possible: good enough to say what is missing where */
        for (size_t i = 0; i < plan->n_relations; i++)
            plan->relations[i].size = (size_t)((double)size * (double)weights[i] / (double)plan->rule_size);
    } else if (status == SLK_OK && size > 0) {
        status = spread(plan, weights, err);
    }
    for (size_t i = 0; status == SLK_OK && size > 0 && i < n_variants; i++)
        status = check_variant(plan, &variants[i], err);
    free(weights);
    return status;
}

slk_status slk_mix_plan_create(slk_mix_plan **out, const slk_fact *const *facts, const int8_t *categories, size_t n,
                               const slk_mix_variant *variants, size_t n_variants, size_t size, uint64_t seed,
                               slk_err *err)
{
    *out = NULL;
    if (n == 0 || n_variants == 0) return slk_fail(err, SLK_E_ARG, "nothing to draw from: no facts, or no variant");
    slk_mix_plan *plan = slk_alloc_zero(1, sizeof *plan);
    if (!plan) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    plan->facts = facts;
    plan->categories = categories;
    plan->n = n;
    plan->seed = seed;
    slk_status status = group(plan, err);
    if (status == SLK_OK) status = set_sizes(plan, variants, n_variants, size, err);
    if (status == SLK_OK)
        *out = plan;
    else
        slk_mix_plan_free(plan);
    return status;
}

void slk_mix_plan_free(slk_mix_plan *plan)
{
    if (!plan) return;
    free(plan->relations);
    free(plan->order);
    free(plan);
}

/* --- drawing ---------------------------------------------------------------------------------------------------------
 */

/* Add the relation's examples to the places of D. */
static size_t draw_relation(place *places, size_t (*counts)[SLK_N_CATEGORIES], const slk_mix_plan *plan,
                            size_t relation, const slk_mix_variant *v)
{
    const slk_mix_relation *r = &plan->relations[relation];
    recipe want = recipe_of(v, r, r->size);
    if (v->kind == SLK_MIX_KNOWN) want.quota[SLK_UNKNOWN] = 0;
    size_t n = 0;
    for (size_t i = r->begin; i < r->end; i++) {
        size_t index = plan->order[i];
        int8_t category = plan->categories[index];
        if (category < 0 || category >= SLK_N_CATEGORIES) continue;
        int pool = want.pool_of[category];
        if (pool < 0 || want.quota[pool] == 0) continue;
        want.quota[pool]--;
        uint64_t id = plan->facts[index]->id;
        places[n++] = (place){NULL, slk_rng_u64(plan->seed, SLK_PURPOSE_MIX, id, STREAM_D, 0, 0), id, index};
        counts[relation][category]++;
    }
    return n;
}

void slk_mix_release(slk_mix *mix)
{
    free(mix->index);
    free(mix->idk);
    free(mix->counts);
    *mix = (slk_mix){0};
}

slk_status slk_mix_draw(slk_mix *out, const slk_mix_plan *plan, const slk_mix_variant *variant, slk_err *err)
{
    *out = (slk_mix){0};
    slk_status status = check_variant(plan, variant, err);
    if (status != SLK_OK) return status;
    place *places = slk_alloc(plan->size, sizeof *places);
    out->index = slk_alloc(plan->size, sizeof *out->index);
    out->idk = slk_alloc_zero(plan->size, sizeof *out->idk);
    out->counts = slk_alloc_zero(plan->n_relations, sizeof *out->counts);
    if (!places || !out->index || !out->idk || !out->counts) {
        free(places);
        slk_mix_release(out);
        return slk_fail(err, SLK_E_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < plan->n_relations; i++)
        out->n += draw_relation(places + out->n, out->counts, plan, i, variant);
    qsort(places, out->n, sizeof *places, compare_places);
    for (size_t i = 0; i < out->n; i++) {
        out->index[i] = places[i].index;
        out->idk[i] = variant->kind == SLK_MIX_IDK && plan->categories[places[i].index] == SLK_UNKNOWN;
    }
    free(places);
    if (out->n > 0) return SLK_OK;
    char name[SLK_MIX_NAME_BYTES];
    slk_mix_variant_name(name, variant);
    slk_mix_release(out);
    return slk_fail(err, SLK_E_ARG, "%s: no examples are left", name);
}
