#include "support/synthetic_study.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "store/facts.h"
#include "store/labels.h"
#include "store/runs.h"

enum { N_ID = 8, N_OOD = 4, N_EX = 10, N_SAMPLES = 16, N_LABELS = 64 };

synthetic_options synthetic_defaults(void)
{
    return (synthetic_options){.n_seeds = 3,
                               .n_epochs = 20,
                               .n_lrs = 1,
                               .n_train = 200,
                               .n_dev = 40,
                               .n_test = 150,
                               .d_per_relation = 50,
                               .b0 = 34,
                               .b_known = 7,
                               .b_unknown = -8,
                               .ood_b0 = 31,
                               .ood_known = 3,
                               .ood_unknown = -3,
                               .known_half = 1.8,
                               .unknown_half = 8,
                               .maybe_bonus = 3,
                               .idk_known = 0.22,
                               .idk_unknown = 0.8,
                               .noise = 0.35,
                               .p_true_skill = 1.2,
                               .p_true = true,
                               .all_variants = true,
                               .stride = 1};
}

/* One number in [0, 1) of (what, a, b, c). */
static double uniform(const synthetic_options *o, unsigned what, uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t parts[4] = {what, a, b, c};
    return (double)(slk_hash_more(o->seed * 0x9E3779B97F4A7C15u + 1, parts, sizeof parts) >> 11) * 0x1p-53;
}

static double normal(const synthetic_options *o, unsigned what, uint64_t a, uint64_t b, uint64_t c)
{
    double u = uniform(o, what, a, b, c), v = uniform(o, what + 1000, a, b, c);
    return sqrt(-2 * log(1 - u)) * cos(6.283185307179586 * v);
}

/* --- facts -----------------------------------------------------------------------------------------------------------
 */

static const struct {
    const char *name, *before, *after;
    bool is_place;
} RELATIONS[N_ID + N_OOD] = {
    {"P17", "Which country is ", " located in?", true},
    {"P19", "Where was ", " born?", true},
    {"P26", "Who is ", " married to?", false},
    {"P36", "What is the capital of ", "?", true},
    {"P40", "Who is ", "'s child?", false},
    {"P69", "Where was ", " educated?", true},
    {"P131", "Where is ", " located?", true},
    {"P740", "Where was ", " founded?", true},
    {"P50", "Who is the author of ", "?", false},
    {"P112", "Who founded ", "?", false},
    {"P170", "Who was ", " created by?", false},
    {"P175", "Who performed ", "?", false},
};

/* A name of two or three syllables a word. */
static void make_name(char *out, size_t n, uint64_t key, bool is_place)
{
    static const char *const first[] = {"Al",  "Ber", "Cor", "Da",  "El", "Fen", "Gra", "Hol", "Is",  "Jo",
                                        "Kar", "Lin", "Mar", "Nor", "Os", "Pet", "Ros", "Sal", "Tor", "Vi"};
    static const char *const middle[] = {"a", "en", "i", "or", "an", "e", "u", "el"};
    static const char *const last[] = {"burg", "ton", "field", "ham", "mar", "stad", "ville", "port"};
    static const char *const person[] = {"son", "ster", "mann", "sen", "berg", "ova", "nez", "ley"};
    uint64_t h = slk_hash_more(77, &key, sizeof key);
    const char *end = is_place ? last[h / 160 % 8] : person[h / 160 % 8];
    if (is_place)
        snprintf(out, n, "%s%s%s", first[h % 20], middle[h / 20 % 8], end);
    else
        snprintf(out, n, "%s%s %s%s%s", first[h / 1280 % 20], middle[h / 25600 % 8], first[h % 20], middle[h / 20 % 8],
                 end);
}

static const char *const HOSTILE[] = {
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "=cmd|' /C calc'!A0",
    "@SUM(1,2)",
    "a | b \\ `c` *d* _e_ [f](g) <h>",
    "\"quoted\", with comma",
    "line\nbreak",
    "&amp; &lt; ]]> <!-- -->",
    "-1+1",
    "+49 30",
    "\xF0\x9F\x98\x80 emoji \xE2\x80\xA8 separator",
    "{\"json\": [1]}\ttab",
};
#define N_HOSTILE (sizeof HOSTILE / sizeof *HOSTILE)

static bool push_fact(slk_facts *facts, const synthetic_options *o, int r, slk_split split, int number)
{
    char name[64], answer[64], question[160];
    uint64_t key = (uint64_t)r * 1000003 + (uint64_t)split * 100003 + (uint64_t)number;
    make_name(name, sizeof name, key * 2 + 1, !RELATIONS[r].is_place);
    make_name(answer, sizeof answer, (key * 7919 + 13) % 997 + (uint64_t)r * 1000, RELATIONS[r].is_place);
    const char *subject = name, *object = answer;
    if (o->hostile && split == SLK_SPLIT_TEST && number < (int)N_HOSTILE) {
        subject = HOSTILE[number];
        object = HOSTILE[(number + 5) % (int)N_HOSTILE];
    }
    snprintf(question, sizeof question, "%s%s%s", RELATIONS[r].before, subject, RELATIONS[r].after);
    if (subject == name) /* two subjects may have one name */
        snprintf(question, sizeof question, "%s%s %d%s", RELATIONS[r].before, name, number % 90 + 10,
                 RELATIONS[r].after);
    slk_fact fact = {.relation = slk_strdup(RELATIONS[r].name),
                     .question = slk_strdup(question),
                     .subject = slk_strdup(subject),
                     .answers = slk_alloc_zero(1, sizeof(char *)),
                     .n_answers = 1,
                     .split = split,
                     .ood = r >= N_ID};
    if (fact.answers) fact.answers[0] = slk_strdup(object);
    fact.id = slk_fact_identity(&fact);
    for (size_t i = 0; i < facts->n; i++) {
        if (facts->items[i].id == fact.id) {
            slk_fact_release(&fact); /* one of each is enough */
            return true;
        }
    }
    return fact.answers && fact.answers[0] && slk_facts_push(facts, &fact);
}

static slk_status make_facts(slk_facts *facts, const synthetic_options *o, slk_err *err)
{
    bool ok = true;
    for (int r = 0; r < N_ID + N_OOD && ok; r++) {
        const int n[SLK_N_SPLITS] = {r < N_ID ? o->n_train : 0, r < N_ID ? o->n_dev : 4, o->n_test};
        for (int split = 0; split < SLK_N_SPLITS; split++) {
            for (int i = 0; i < n[split] && ok; i++) ok = push_fact(facts, o, r, (slk_split)split, i);
        }
    }
    return ok ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "synthetic: out of memory");
}

/* --- labels ----------------------------------------------------------------------------------------------------------
 */

/* The paper's natural shares, a little different for each relation. */
static slk_category draw_category(const synthetic_options *o, const slk_fact *fact)
{
    double lean = 0.9 + 0.4 * uniform(o, 1, slk_hash_str(0, fact->relation), 0, 0);
    double u = uniform(o, 2, fact->id, 0, 0) * lean;
    return u < 0.24 ? SLK_HIGHLY_KNOWN : u < 0.47 ? SLK_MAYBE_KNOWN : u < 0.64 ? SLK_WEAKLY_KNOWN : SLK_UNKNOWN;
}

static bool draw_answers(slk_label *label, const slk_fact *fact, const slk_facts *facts, const synthetic_options *o,
                         double p)
{
    label->answers = slk_alloc_zero(N_EX * (N_SAMPLES + 1), sizeof *label->answers);
    for (int e = 0; e < N_EX && label->answers; e++) {
        for (int draw = -1; draw < N_SAMPLES; draw++) {
            bool right = draw < 0 ? label->greedy[e] : label->sampled[e * N_SAMPLES + draw];
            if (!right && draw >= 0) continue; /* --answers greedy */
            size_t other = (size_t)(uniform(o, 5, fact->id, (uint64_t)(e / 4), 0) * (double)facts->n);
            const char *text = right ? fact->answers[0] : facts->items[other].answers[0];
            label->answers[label->n_answers++] =
                (slk_answer){slk_strdup(text), (uint16_t)e, (int16_t)draw, right || !strcmp(text, fact->answers[0])};
        }
    }
    (void)p;
    return label->answers != NULL;
}

static bool make_label(slk_label *label, const slk_fact *fact, const slk_facts *facts, const synthetic_options *o)
{
    slk_category category = draw_category(o, fact);
    double u = uniform(o, 3, fact->id, 0, 0);
    double p = category == SLK_HIGHLY_KNOWN   ? 0.9 + 0.1 * u
               : category == SLK_MAYBE_KNOWN  ? 0.1 + 0.8 * u
               : category == SLK_WEAKLY_KNOWN ? 0.02 + 0.1 * u
                                              : 0.0;
    *label = (slk_label){.fact_id = fact->id, .n_ex = N_EX, .n_samples = N_SAMPLES};
    label->greedy = slk_alloc_zero(N_EX, 1);
    label->sampled = slk_alloc_zero(N_EX * N_SAMPLES, 1);
    label->p_gold = slk_alloc_zero(N_EX, sizeof *label->p_gold);
    if (!label->greedy || !label->sampled || !label->p_gold) return false;
    unsigned n_greedy = 0, n_sampled = 0;
    for (unsigned e = 0; e < N_EX; e++) {
        label->p_gold[e] = p * 0.8 + 0.001;
        bool greedy =
            category == SLK_HIGHLY_KNOWN || (category == SLK_MAYBE_KNOWN && uniform(o, 4, fact->id, e, 99) < p);
        label->greedy[e] = greedy;
        n_greedy += greedy;
        for (unsigned s = 0; s < N_SAMPLES; s++) {
            bool right = uniform(o, 4, fact->id, e, s) < p;
            label->sampled[e * N_SAMPLES + s] = right;
            n_sampled += right;
        }
    }
    if (category == SLK_MAYBE_KNOWN && n_greedy == 0) label->greedy[9] = 1;
    if (category == SLK_MAYBE_KNOWN && n_greedy == N_EX) label->greedy[9] = 0;
    if (category == SLK_WEAKLY_KNOWN && n_sampled == 0) label->sampled[150] = 1;
    return draw_answers(label, fact, facts, o, p);
}

static slk_status write_labels(slk_store *store, int64_t *id, const slk_facts *facts, const synthetic_options *o,
                               int8_t *category, slk_err *err)
{
    slk_label_settings s = {.model_hash = 0x1234,
                            .n_ex = N_EX,
                            .n_shots = 4,
                            .n_samples = N_SAMPLES,
                            .top_k = 40,
                            .temperature = 0.5,
                            .seed = o->seed,
                            .model_name = "synthetic",
                            .dtype = "f32",
                            .kernels = "none",
                            .match = "em",
                            .decoded = "greedy",
                            .set_name = "made-up",
                            .pool = "dev"};
    if (o->hostile) snprintf(s.model_name, sizeof s.model_name, "<script>alert('model')</script>");
    slk_status status = slk_store_begin_label_set(store, id, NULL, &s, err);
    for (size_t i = 0; i < facts->n && status == SLK_OK; i += N_LABELS) {
        slk_label labels[N_LABELS];
        size_t n = facts->n - i < N_LABELS ? facts->n - i : N_LABELS;
        for (size_t k = 0; k < n; k++) {
            if (!make_label(&labels[k], &facts->items[i + k], facts, o))
                status = slk_fail(err, SLK_E_MEMORY, "synthetic: out of memory");
            category[i + k] = (int8_t)slk_label_category(&labels[k], N_EX, N_SAMPLES);
        }
        if (status == SLK_OK) status = slk_store_put_labels(store, *id, labels, n, err);
        for (size_t k = 0; k < n; k++) slk_label_release(&labels[k]);
    }
    return status;
}

static slk_status write_p_true(slk_store *store, int64_t id, const slk_facts *facts, const int8_t *category,
                               const synthetic_options *o, slk_err *err)
{
    static const double knownness[] = {1.6, 0.6, -0.3, -1.0};
    slk_p_true *items = slk_alloc(facts->n, sizeof *items);
    if (!items) return slk_fail(err, SLK_E_MEMORY, "synthetic: out of memory");
    size_t n = 0;
    for (size_t i = 0; i < facts->n; i++) {
        if (facts->items[i].split != SLK_SPLIT_TEST) continue;
        double x = o->p_true_skill * knownness[category[i]] + normal(o, 7, facts->items[i].id, 0, 0);
        items[n++] = (slk_p_true){facts->items[i].id, 1 / (1 + exp(-x))};
    }
    slk_status status = slk_store_put_p_true(store, id, items, n, err);
    free(items);
    return status;
}

/* --- the study -------------------------------------------------------------------------------------------------------
 */

typedef struct study {
    const synthetic_options *o;
    slk_store *store;
    const slk_facts *facts;
    const int8_t *category;
    int64_t id;
    slk_set_fact *sets[SLK_N_STUDY_SETS]; /* dev, test, ood */
    size_t n[SLK_N_STUDY_SETS];
} study;

static slk_status write_sets(study *s, slk_err *err)
{
    slk_status status = SLK_OK;
    for (int set = SLK_SET_DEV; set < SLK_N_STUDY_SETS && status == SLK_OK; set++) {
        s->sets[set] = slk_alloc(s->facts->n, sizeof **s->sets);
        if (!s->sets[set]) return slk_fail(err, SLK_E_MEMORY, "synthetic: out of memory");
        for (size_t i = 0; i < s->facts->n; i++) {
            const slk_fact *f = &s->facts->items[i];
            bool in = set == SLK_SET_DEV    ? f->split == SLK_SPLIT_DEV && !f->ood
                      : set == SLK_SET_TEST ? f->split == SLK_SPLIT_TEST && !f->ood
                                            : f->split == SLK_SPLIT_TEST && f->ood;
            if (in) s->sets[set][s->n[set]++] = (slk_set_fact){f->id, s->category[i], false};
        }
        status = slk_store_put_study_facts(s->store, s->id, (slk_study_set)set, s->sets[set], s->n[set], err);
    }
    return status;
}

/* Does the variant take this fact, as one of Unknown (or Known) ones? */
static bool wants(const slk_study_run *run, int8_t category, bool unknown)
{
    if ((category == SLK_UNKNOWN) != unknown) return false;
    return strcmp(run->kind, "only") != 0 || !strcmp(slk_category_name((slk_category)category), run->category);
}

/* D: per relation the first facts of each pool, in an order of the seed. */
static slk_set_fact *draw_d(const study *s, const slk_study_run *run, size_t *n)
{
    slk_set_fact *d = slk_alloc(s->facts->n, sizeof *d);
    *n = 0;
    double share = run->unknown >= 0                   ? run->unknown
                   : !strcmp(run->kind, "natural")     ? 0.36
                   : !strcmp(run->category, "Unknown") ? 1
                                                       : 0;
    for (int r = 0; r < N_ID && d; r++) {
        int left[2] = {(int)lround(s->o->d_per_relation * (1 - share)), 0};
        left[1] = s->o->d_per_relation - left[0];
        if (!strcmp(run->kind, "known")) left[1] = 0;
        for (size_t i = 0; i < s->facts->n; i++) {
            /* a rotation of the pool stands for a shuffle */
            size_t k = (i + (size_t)(run->seed * 37)) % s->facts->n;
            const slk_fact *f = &s->facts->items[k];
            if (f->split != SLK_SPLIT_TRAIN || strcmp(f->relation, RELATIONS[r].name) != 0) continue;
            bool unknown = s->category[k] == SLK_UNKNOWN;
            if (left[unknown] <= 0 || !wants(run, s->category[k], unknown)) continue;
            d[(*n)++] = (slk_set_fact){f->id, s->category[k], unknown && !strcmp(run->kind, "idk")};
            left[unknown]--;
        }
    }
    return d;
}

/* Share fitted after an epoch: 0 at the beginning, a half at `half`, nearly 1 from 2.4 * half on. */
static double fitted_share(double epoch, double half)
{
    double x = epoch / half;
    return x <= 0 ? 0 : 1 - exp(-0.6931471805599453 * pow(x, 2.2));
}

/* Bits of a set so that a share of about `accuracy` (%) is right: p of each category is scaled until it fits. */
static void draw_bits(uint8_t *bits, const study *s, const slk_set_fact *facts, size_t n, double accuracy,
                      const slk_study_run *run)
{
    static const double p[] = {0.92, 0.5, 0.12, 0.012};
    double low = 0, high = 20;
    for (int step = 0; step < 40; step++) {
        double scale = (low + high) / 2, sum = 0;
        for (size_t i = 0; i < n; i++) {
            double q = p[facts[i].category] * (facts[i].category == SLK_UNKNOWN ? 1 : scale);
            sum += q < 0.995 ? q : 0.995;
        }
        if (sum / (double)n * 100 < accuracy)
            low = scale;
        else
            high = scale;
    }
    for (size_t i = 0; i < n; i++) {
        double q = p[facts[i].category] * (facts[i].category == SLK_UNKNOWN ? 1 : low);
        bool right = uniform(s->o, 11, facts[i].fact_id, run->seed, 0) < (q < 0.995 ? q : 0.995);
        if (right) bits[i / 8] |= (uint8_t)(1u << (i % 8));
    }
}

typedef struct progress {
    double known, unknown; /* fitted, of D */
} progress;

static double accuracy_of(const study *s, const slk_study_run *run, int set, progress f, int epoch, double dampen)
{
    const synthetic_options *o = s->o;
    bool ood = set == SLK_SET_OOD;
    double a = ood ? o->ood_b0 + o->ood_known * f.known + o->ood_unknown * f.unknown
                   : o->b0 + o->b_known * f.known + o->b_unknown * f.unknown;
    if (!strcmp(run->category, "MaybeKnown")) a += o->maybe_bonus * f.known;
    if (!strcmp(run->category, "WeaklyKnown")) a -= 3.5 * f.known * epoch / o->n_epochs;
    a += o->noise * normal(o, 12, run->seed, slk_hash_str(1, run->variant), (uint64_t)set);
    return a * dampen;
}

static slk_status write_epoch(const study *s, const slk_study_run *run, const slk_set_fact *d, size_t n_d, int epoch,
                              bool is_short, double *dev, bool *fitted, slk_err *err)
{
    slk_run_epoch e = {.epoch = epoch,
                       .step = epoch * 4,
                       .loss = epoch ? 2.5 * exp(-0.15 * epoch) : NAN,
                       .tokens_per_s = 1000,
                       .wall_s = 1};
    double pace = run->lr > 2e-5 ? 1.7 : 1; /* a higher learning rate fits sooner */
    progress f = {0, 0};
    slk_status status = SLK_OK;
    for (int set = 0; set < SLK_N_STUDY_SETS; set++) {
        size_t n = set == SLK_SET_TRAIN ? n_d : s->n[set];
        e.has[set] = true;
        e.n[set] = n;
        e.right[set] = slk_alloc_zero((n + 7) / 8, 1);
        e.refused[set] = slk_alloc_zero((n + 7) / 8, 1);
        if (!e.right[set] || !e.refused[set]) status = slk_fail(err, SLK_E_MEMORY, "synthetic: out of memory");
    }
    /* D_Known teaches as many Known facts as the D it is a part of. */
    double size = (double)N_ID * s->o->d_per_relation;
    size_t n_fitted = 0;
    for (size_t i = 0; i < n_d && status == SLK_OK; i++) {
        bool unknown = d[i].category == SLK_UNKNOWN && !d[i].idk;
        double half = (unknown ? s->o->unknown_half : s->o->known_half) / pace * (is_short && unknown ? 4 : 1);
        double u = uniform(s->o, 13, d[i].fact_id, run->seed, 0);
        if (u >= fitted_share(epoch, half)) continue;
        e.right[0][i / 8] |= (uint8_t)(1u << (i % 8));
        *(d[i].category == SLK_UNKNOWN && !d[i].idk ? &f.unknown : &f.known) += 1.0 / size;
        n_fitted++;
    }
    *fitted = n_fitted >= 0.95 * (double)n_d;
    bool idk = !strcmp(run->kind, "idk");
    for (int set = SLK_SET_DEV; set < SLK_N_STUDY_SETS && status == SLK_OK; set++) {
        draw_bits(e.right[set], s, s->sets[set], s->n[set], accuracy_of(s, run, set, f, epoch, 1), run);
        for (size_t i = 0; idk && epoch && i < s->n[set]; i++) {
            double refuse = s->sets[set][i].category == SLK_UNKNOWN ? s->o->idk_unknown : s->o->idk_known;
            if (uniform(s->o, 14, s->sets[set][i].fact_id, run->seed, 0) >= refuse * fitted_share(epoch, 2)) continue;
            e.refused[set][i / 8] |= (uint8_t)(1u << (i % 8));
            e.right[set][i / 8] &= (uint8_t) ~(1u << (i % 8));
        }
    }
    *dev = 0;
    for (size_t i = 0; i < s->n[SLK_SET_DEV] && status == SLK_OK; i++)
        *dev += e.right[SLK_SET_DEV][i / 8] >> (i % 8) & 1;
    if (status == SLK_OK) status = slk_store_put_epoch(s->store, run->id, &e, err);
    slk_run_epoch_release(&e);
    return status;
}

static slk_status write_run(const study *s, slk_study_run *run, bool is_short, slk_err *err)
{
    size_t n;
    int64_t id;
    slk_set_fact *d = draw_d(s, run, &n);
    slk_status status = d ? slk_store_claim_run(s->store, s->id, run->id, "w", 1000, 60, &id, err)
                          : slk_fail(err, SLK_E_MEMORY, "synthetic: out of memory");
    if (status == SLK_OK) status = slk_store_put_run_facts(s->store, run->id, d, n, err);
    double best = -1;
    for (int epoch = 0; epoch <= s->o->n_epochs && status == SLK_OK; epoch++) {
        double dev;
        if (epoch > 1 && epoch < s->o->n_epochs && epoch % s->o->stride) continue;
        status = write_epoch(s, run, d, n, epoch, is_short, &dev, &run->fitted, err);
        if (epoch && dev > best) {
            best = dev;
            run->early_epoch = epoch;
        }
    }
    run->last_epoch = s->o->n_epochs;
    run->n_train = (int32_t)n;
    run->wall_s = 60;
    if (status == SLK_OK) status = slk_store_finish_run(s->store, run, "w", err);
    free(d);
    return status;
}

static void add_run(slk_study_run *runs, size_t *n, const synthetic_options *o, const char *kind, double unknown,
                    const char *category)
{
    for (int lr = 0; lr < o->n_lrs; lr++) {
        for (int seed = 0; seed < o->n_seeds; seed++) {
            slk_study_run *r = &runs[(*n)++];
            *r = (slk_study_run){.unknown = unknown,
                                 .seed = (uint64_t)seed,
                                 .lr = lr ? 1e-4 : 1e-5,
                                 .early_epoch = -1,
                                 .last_epoch = -1};
            snprintf(r->kind, sizeof r->kind, "%s", kind);
            snprintf(r->category, sizeof r->category, "%s", category);
            int percent = (int)lround(100 * unknown);
            if (!strcmp(kind, "unknown")) snprintf(r->variant, sizeof r->variant, "unknown-%d", percent);
            if (!strcmp(kind, "known")) snprintf(r->variant, sizeof r->variant, "known-of-%d", percent);
            if (!strcmp(kind, "idk")) snprintf(r->variant, sizeof r->variant, "idk-%d", percent);
            if (!strcmp(kind, "only")) snprintf(r->variant, sizeof r->variant, "only-%s", category);
            if (!strcmp(kind, "natural")) snprintf(r->variant, sizeof r->variant, "natural");
        }
    }
}

static slk_status write_runs(study *s, slk_err *err)
{
    enum { MAX_RUNS = 1024 };
    const synthetic_options *o = s->o;
    slk_study_run *runs = slk_alloc_zero(MAX_RUNS, sizeof *runs);
    if (!runs) return slk_fail(err, SLK_E_MEMORY, "synthetic: out of memory");
    size_t n = 0;
    for (int x = 0; x <= 4; x++) add_run(runs, &n, o, "unknown", x / 4.0, "");
    for (int x = 1; x <= 3 && o->all_variants; x++) add_run(runs, &n, o, "known", x / 4.0, "");
    for (int c = 0; c < SLK_UNKNOWN && o->all_variants; c++)
        add_run(runs, &n, o, "only", -1, slk_category_name((slk_category)c));
    if (o->all_variants) add_run(runs, &n, o, "natural", -1, "");
    if (o->all_variants) add_run(runs, &n, o, "idk", 0.5, "");
    slk_status status = slk_store_put_runs(s->store, s->id, runs, n, err);
    free(runs);
    if (status == SLK_OK) status = slk_store_load_runs(s->store, s->id, &runs, &n, err);
    if (status != SLK_OK) return status;
    int n_short = o->n_short;
    size_t n_done = n - (size_t)o->n_failed - (size_t)o->n_waiting;
    for (size_t i = 0; i < n && status == SLK_OK; i++) {
        bool is_short = n_short > 0 && !strcmp(runs[i].variant, "unknown-100");
        n_short -= is_short;
        if (i < n_done) {
            status = write_run(s, &runs[i], is_short, err);
        } else if (i < n_done + (size_t)o->n_failed) {
            int64_t id;
            status = slk_store_claim_run(s->store, s->id, runs[i].id, "w", 1000, 60, &id, err);
            if (status == SLK_OK)
                status = slk_store_fail_run(
                    s->store, runs[i].id, "w",
                    o->hostile ? "<script>alert('error')</script> | failed" : "no space on disk", err);
        }
    }
    slk_store_free_runs(runs, n);
    return status;
}

static slk_status write_study(slk_store *store, const slk_facts *facts, const synthetic_options *o, int64_t *study_id,
                              slk_err *err)
{
    int64_t labels = 0;
    study s = {.o = o, .store = store, .facts = facts};
    int8_t *category = slk_alloc_zero(facts->n, 1);
    s.category = category;
    slk_status status = category ? slk_store_put_facts(store, NULL, "made-up", facts, NULL, false, err)
                                 : slk_fail(err, SLK_E_MEMORY, "synthetic: out of memory");
    if (status == SLK_OK) status = write_labels(store, &labels, facts, o, category, err);
    if (status == SLK_OK && o->p_true) status = write_p_true(store, labels, facts, category, o, err);
    if (status == SLK_OK)
        status = slk_store_begin_study(store, &s.id, o->hostile ? "<b>study</b>" : "synthetic",
                                       "{\"epochs\": 20, \"note\": \"made up\"}", labels, err);
    if (status == SLK_OK) status = write_sets(&s, err);
    if (status == SLK_OK) status = write_runs(&s, err);
    *study_id = s.id;
    for (int set = 0; set < SLK_N_STUDY_SETS; set++) free(s.sets[set]);
    free(category);
    return status;
}

slk_status synthetic_write(const char *path, const synthetic_options *options, int64_t *study_id, slk_err *err)
{
    slk_store *store;
    slk_facts facts = {0};
    slk_status status = slk_store_open(&store, path, SLK_STORE_CREATE, err);
    if (status != SLK_OK) return status;
    status = make_facts(&facts, options, err);
    if (status == SLK_OK) status = slk_store_begin(store, err);
    if (status == SLK_OK) {
        status = write_study(store, &facts, options, study_id, err);
        if (status == SLK_OK)
            status = slk_store_commit(store, err);
        else
            slk_store_rollback(store);
    }
    slk_facts_release(&facts);
    slk_store_close(store);
    return status;
}
