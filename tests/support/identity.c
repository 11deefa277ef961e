#include "support/identity.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/text.h"
#include "data/import.h"
#include "support/tiny_model.h"

enum { N_RELATIONS = 4, N_POOL = 11, FIRST_OF_POOL = 200, N_CANDIDATES = 400, PILOT_SAMPLES = 5, SEED = 11 };

/* --- probing ------------------------------------------------------------------------------------------------ */

slk_status identity_open_model(slk_model **out, const char *path, slk_dtype dtype, int n_threads, slk_err *err)
{
    slk_model_options options = {.compute = {.backend = SLK_BACKEND_DNNL, .dtype = (int)dtype, .n_threads = n_threads}};
    slk_status s = slk_model_open(out, path, &options, err);
    return s == SLK_E_UNSUPPORTED && dtype == SLK_DTYPE_BF16 ? SLK_OK : s;
}

static slk_status keep_label(void *user, slk_label *label, slk_err *err)
{
    identity_labels *labels = user;
    if (!slk_grow(&labels->items, &labels->cap, labels->n + 1, sizeof *labels->items))
        return slk_fail(err, SLK_E_MEMORY, "out of memory");
    labels->items[labels->n++] = *label;
    *label = (slk_label){0};
    return SLK_OK;
}

static int compare_ids(const void *left, const void *right)
{
    uint64_t x = ((const slk_label *)left)->fact_id, y = ((const slk_label *)right)->fact_id;
    return (x > y) - (x < y);
}

void identity_sort(identity_labels *labels)
{
    if (labels->n) qsort(labels->items, labels->n, sizeof *labels->items, compare_ids);
}

slk_status identity_probe(identity_labels *out, const slk_model *model, const slk_facts *pool, const slk_facts *facts,
                          size_t begin, size_t end, const identity_way *way, slk_err *err)
{
    *out = (identity_labels){0};
    slk_template *template = NULL;
    slk_exemplars *exemplars = NULL;
    slk_probe_options o = {
        .n_ex = IDENTITY_N_EX, .n_shots = IDENTITY_N_SHOTS, .n_batch_rows = way->n_batch_rows, .naive = way->naive};
    o.draws = (slk_draws){.seed = SEED,
                          .n_samples = way->n_samples == IDENTITY_GREEDY_ONLY ? 0
                                       : way->n_samples                       ? way->n_samples
                                                                              : IDENTITY_N_SAMPLES,
                          .temperature = 0.5,
                          .top_k = 40,
                          .n_max_tokens = 32,
                          .decode = way->decode};
    const slk_fact **asked = slk_alloc(end - begin, sizeof *asked);
    slk_status s = asked ? slk_match_parse(&o.match, way->match ? way->match : "em", err)
                         : slk_fail(err, SLK_E_MEMORY, "out of memory");
    if (s == SLK_OK) s = slk_template_create(&template, err);
    if (s == SLK_OK) s = slk_exemplars_create(&exemplars, pool, facts, o.n_ex, o.n_shots, SEED, err);
    if (s == SLK_OK) {
        for (size_t i = begin; i < end; i++) asked[i - begin] = &facts->items[i];
        o.template = template;
        s = slk_probe_run(model, asked, end - begin, exemplars, &o, keep_label, out, NULL, &out->stats, err);
    }
    identity_sort(out);
    slk_exemplars_free(exemplars);
    slk_template_free(template);
    free(asked);
    return s;
}

void identity_release(identity_labels *labels)
{
    for (size_t i = 0; i < labels->n; i++) slk_label_release(&labels->items[i]);
    free(labels->items);
    *labels = (identity_labels){0};
}

/* --- facts -------------------------------------------------------------------------------------------------- */

static const char *const STEMS[N_RELATIONS + 1] = {"Where is", "Who made", "What does the", "How far from", "Why"};

static bool set_string(char **to, const char *text)
{
    free(*to);
    *to = slk_strdup(text);
    return *to != NULL;
}

static void add_string(char ***list, size_t *n, const char *text)
{
    char **grown = realloc(*list, (*n + 1) * sizeof *grown);
    if (!grown) abort(); /* a test */
    grown[*n] = slk_strdup(text);
    *list = grown;
    (*n)++;
}

/* A fact about a subject of two or three words that no other has. */
static slk_fact new_fact(int relation, unsigned number, const char *answer, slk_split split)
{
    slk_fact f = {.split = split};
    char name[8], subject[64], question[128];
    const char *a = tiny_words[number % TINY_N_WORDS], *b = tiny_words[number / TINY_N_WORDS % TINY_N_WORDS],
               *c = tiny_words[(number * 7 + 3) % TINY_N_WORDS];
    if (number % 3 == 0)
        snprintf(subject, sizeof subject, "%c%s %s %s", a[0] - 32, a + 1, b, c);
    else
        snprintf(subject, sizeof subject, "%s %c%s%s", a, b[0] - 32, b + 1, number % 3 == 1 ? "" : c);
    snprintf(question, sizeof question, "%s %s?", STEMS[relation], subject);
    snprintf(name, sizeof name, "R%d", relation);
    if (!set_string(&f.relation, name) || !set_string(&f.question, question) || !set_string(&f.subject, subject))
        abort();
    add_string(&f.answers, &f.n_answers, answer);
    f.id = slk_fact_identity(&f);
    return f;
}

static void make_pool(slk_facts *pool)
{
    for (unsigned i = 0; i < (N_RELATIONS + 1) * N_POOL; i++) {
        char answer[32];
        uint64_t u = slk_rng_u64(SEED, SLK_PURPOSE_INIT, i, 1, 0, 0);
        const char *a = tiny_words[u % TINY_N_WORDS], *b = tiny_words[u >> 8 & 15];
        snprintf(answer, sizeof answer, u >> 16 & 1 ? "%s %s" : "%s", a, b);
        if (u >> 17 & 1) answer[0] = (char)(answer[0] - 32);
        slk_fact f =
            new_fact((int)(i % (N_RELATIONS + 1)), FIRST_OF_POOL + i / (N_RELATIONS + 1) * 5, answer, SLK_SPLIT_DEV);
        if (!slk_facts_push(pool, &f)) abort();
    }
}

/* One distinct form of a fact's pilot answers. */
typedef struct form {
    char *normal, *text; /* text: one of the answers that have it */
    int n_greedy, n_sampled;
} form;

typedef struct forms {
    form items[IDENTITY_N_EX * (PILOT_SAMPLES + 1)];
    int n;
} forms;

static const slk_match_rule EM = {.kind = SLK_MATCH_EM};

static void gather_forms(forms *f, const slk_label *label)
{
    f->n = 0;
    for (size_t i = 0; i < label->n_answers; i++) {
        const slk_answer *a = &label->answers[i];
        if (!a->text[0] || strstr(a->text, "\xEF\xBF\xBD")) continue;
        char *normal = slk_match_normalize(&EM, a->text, strlen(a->text));
        int k = 0;
        while (k < f->n && strcmp(f->items[k].normal, normal) != 0) k++;
        if (k == f->n) f->items[f->n++] = (form){.normal = slk_strdup(normal), .text = slk_strdup(a->text)};
        if (a->draw < 0)
            f->items[k].n_greedy++;
        else
            f->items[k].n_sampled++;
        free(normal);
    }
}

static void release_forms(forms *f)
{
    for (int i = 0; i < f->n; i++) {
        free(f->items[i].normal);
        free(f->items[i].text);
    }
}

/* The form that makes the fact `category`, or NULL. */
static const form *choose_form(const forms *f, slk_category category)
{
    const form *best = NULL;
    for (int i = 0; i < f->n; i++) {
        const form *x = &f->items[i];
        bool fits = category == SLK_HIGHLY_KNOWN  ? x->n_greedy == IDENTITY_N_EX
                    : category == SLK_MAYBE_KNOWN ? x->n_greedy > 0 && x->n_greedy < IDENTITY_N_EX
                                                  : x->n_greedy == 0 && x->n_sampled > 0;
        if (fits && (!best || x->n_greedy + x->n_sampled > best->n_greedy + best->n_sampled)) best = x;
    }
    return best;
}

static void decompose(slk_buf *out, const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n;) {
        uint32_t code, parts[4];
        int used = slk_utf8_decode(&code, text + i, n - i);
        int m = slk_char_decompose(parts, code);
        for (int k = 0; k < m; k++) {
            char bytes[4];
            slk_buf_add(out, bytes, (size_t)slk_utf8_encode(bytes, parts[k]));
        }
        i += used > 0 ? (size_t)used : n;
    }
}

/* Change in the gold what matching ignores, in the manner number `way`; the text itself where that would change more.
 * free() it. */
static char *disguise(const char *text, unsigned way)
{
    slk_buf b = {0};
    size_t n = strlen(text);
    if (way % 6 == 1) {
        for (size_t i = 0; i < n; i++) {
            bool letter = (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z');
            char c = (char)(letter ? text[i] ^ 32 : text[i]);
            slk_buf_add(&b, &c, 1);
        }
    } else if (way % 6 == 2) {
        slk_buf_addf(&b, "%s %s", way / 6 % 2 ? "An" : "the", text);
    } else if (way % 6 == 3 && (unsigned char)text[0] < 128 && n > 1) {
        slk_buf_addf(&b, "%c-%s!", text[0], text + 1);
    } else if (way % 6 == 4) {
        decompose(&b, text);
    } else if (way % 6 == 5) {
        char *composed = NULL;
        if (slk_text_normalize(&composed, SLK_NFC, text, n, NULL) == SLK_OK)
            slk_buf_addf(&b, "\xC2\xAB%s\xC2\xBB", composed);
        free(composed);
    }
    if (!b.data) slk_buf_add_str(&b, text);
    char *out = slk_buf_take(&b), *x = slk_match_normalize(&EM, text, n),
         *y = slk_match_normalize(&EM, out, strlen(out));
    if (strcmp(x, y) != 0) {
        free(out);
        out = slk_strdup(text);
    }
    free(x);
    free(y);
    return out;
}

static void set_answer(slk_fact *f, const char *text)
{
    if (!set_string(&f->answers[0], text)) abort();
    f->id = slk_fact_identity(f);
}

/* Give fact number i the gold of the category that is scarcest so far. */
static void choose_gold(slk_fact *f, unsigned i, const slk_label *pilot, size_t n_category[SLK_N_CATEGORIES])
{
    forms seen;
    gather_forms(&seen, pilot);
    int best = SLK_UNKNOWN;
    for (int c = SLK_UNKNOWN - 1; c >= 0; c--) {
        if (choose_form(&seen, (slk_category)c) && n_category[c] < n_category[best]) best = c;
    }
    n_category[best]++;
    if (best == SLK_UNKNOWN) {
        char text[64];
        snprintf(text, sizeof text, "%s %s%s %s", tiny_words[i % 16], tiny_words[i / 3 % 16], tiny_words[i / 5 % 16],
                 tiny_words[(i + 3) % 16]);
        set_answer(f, text);
        if (i % 2) add_string(&f->aliases, &f->n_aliases, "nowhere at all");
    } else {
        const form *chosen = choose_form(&seen, (slk_category)best);
        char *gold = disguise(chosen->text, i / 2);
        set_answer(f, gold);
        free(gold);
        /* more golds do not make a HighlyKnown fact anything else */
        const form *other = best == SLK_HIGHLY_KNOWN ? choose_form(&seen, SLK_WEAKLY_KNOWN) : NULL;
        if (other && i % 3 == 0) add_string(&f->aliases, &f->n_aliases, other->text);
        if (other && i % 3 == 1) {
            add_string(&f->answers, &f->n_answers, other->text);
            f->id = slk_fact_identity(f);
        }
    }
    release_forms(&seen);
}

/* Golds that are hard in themselves; each with what the model likes to say as an alias, so that something matches. */
static void add_hard_facts(slk_facts *facts, const slk_label *pilot)
{
    static const char *const GOLDS[] = {"The The",
                                        "?!",
                                        "A",
                                        "a.",
                                        "\xC3\xA9",
                                        "E\xCC\x81",
                                        "\xEF\xAC\x81",
                                        "Stra\xC3\x9F"
                                        "e",
                                        "s\nQ",
                                        "lak\nmir",
                                        "t-he lak",
                                        "\xE2\x84\xAA"
                                        "es",
                                        "lak mir bel ona kes rin sal dun vey gol per hes umb nal cor tiv lak mir bel "
                                        "ona kes rin sal dun vey gol per hes umb nal cor tiv lak"};
    forms seen;
    gather_forms(&seen, pilot);
    for (unsigned i = 0; i < 2 * sizeof GOLDS / sizeof *GOLDS; i++) {
        slk_fact f = new_fact(4, i, GOLDS[i / 2], SLK_SPLIT_TEST);
        if (i % 2 && seen.n > 0) add_string(&f.aliases, &f.n_aliases, seen.items[i % (unsigned)seen.n].text);
        if (!slk_facts_push(facts, &f)) abort();
    }
    /* an own answer, a line break and an own answer: most of its path is likely, but it can never match */
    for (int k = 0; k < seen.n && k < 8; k++) {
        char gold[256];
        snprintf(gold, sizeof gold, "%.100s\n%.100s", seen.items[k].text, seen.items[0].text);
        slk_fact f = new_fact(4, 100 + (unsigned)k, gold, SLK_SPLIT_TEST);
        add_string(&f.aliases, &f.n_aliases, seen.items[k].text);
        if (!slk_facts_push(facts, &f)) abort();
    }
    release_forms(&seen);
}

/* Questions number 0, 1, ...; no two are the same, none is in the pool. */
static slk_fact candidate(unsigned i, const slk_facts *pool)
{
    slk_fact f = new_fact((int)((i + i / FIRST_OF_POOL) % N_RELATIONS), i % FIRST_OF_POOL, "?", SLK_SPLIT_TEST);
    /* some are about a subject of the pool: then an exemplar is replaced */
    if (i % 16 == 5 && !set_string(&f.subject, pool->items[i % pool->n].subject)) abort();
    return f;
}

static const slk_label *find_label(const identity_labels *labels, uint64_t id)
{
    const slk_label key = {.fact_id = id};
    return labels->n ? bsearch(&key, labels->items, labels->n, sizeof key, compare_ids) : NULL;
}

/* n_facts candidates, a quarter of them such that greedy decoding gives the same answer under every prompt: the rarest
 * kind. */
static slk_status choose_questions(slk_facts *facts, const slk_model *model, const slk_facts *pool, size_t n_facts,
                                   slk_err *err)
{
    slk_facts all = {0};
    for (unsigned i = 0; i < N_CANDIDATES; i++) {
        slk_fact f = candidate(i, pool);
        if (!slk_facts_push(&all, &f)) abort();
    }
    identity_labels greedy;
    identity_way way = {
        .name = "greedy", .decode = SLK_DECODE_ALL, .n_batch_rows = 512, .n_samples = IDENTITY_GREEDY_ONLY};
    slk_status s = identity_probe(&greedy, model, pool, &all, 0, all.n, &way, err);
    size_t n_left[2] = {n_facts - n_facts / 4 - 1, n_facts / 4 + 1};
    for (size_t i = 0; s == SLK_OK && i < all.n; i++) {
        forms f;
        gather_forms(&f, find_label(&greedy, all.items[i].id));
        bool steady = choose_form(&f, SLK_HIGHLY_KNOWN) != NULL;
        release_forms(&f);
        if (n_left[steady] == 0) continue;
        n_left[steady]--;
        if (!slk_facts_push(facts, &all.items[i])) abort();
    }
    identity_release(&greedy);
    slk_facts_release(&all);
    return s;
}

slk_status identity_make_facts(slk_facts *pool, slk_facts *facts, const slk_model *model, slk_err *err)
{
    *pool = *facts = (slk_facts){0};
    make_pool(pool);
    slk_status s = choose_questions(facts, model, pool, IDENTITY_N_FACTS, err);
    if (s != SLK_OK) return s;
    identity_labels pilot;
    identity_way way = {.name = "pilot", .naive = true, .decode = SLK_DECODE_ALL, .n_samples = PILOT_SAMPLES};
    s = identity_probe(&pilot, model, pool, facts, 0, facts->n, &way, err);
    size_t n_category[SLK_N_CATEGORIES] = {0};
    for (unsigned i = 0; s == SLK_OK && i < facts->n; i++) {
        choose_gold(&facts->items[i], i, find_label(&pilot, facts->items[i].id), n_category);
    }
    if (s == SLK_OK) add_hard_facts(facts, &pilot.items[0]);
    identity_release(&pilot);
    return s;
}

/* --- facts of the built-in model ---------------------------------------------------------------------------- */

/* Every so many of its facts is looked at: some of each relation and of each kind of what it read. */
enum { BUILTIN_STRIDE = 17 };

/* Dev facts, and test facts of a stride; half of these in a disguise of their gold. */
static void split_builtin(slk_facts *pool, slk_facts *looked_at, const slk_facts *all)
{
    for (size_t i = 0; i < all->n; i++) {
        slk_split split = all->items[i].split;
        bool is_looked_at = split == SLK_SPLIT_TEST && i % BUILTIN_STRIDE == 0;
        if (split != SLK_SPLIT_DEV && !is_looked_at) continue;
        slk_fact f;
        if (!slk_fact_copy(&f, &all->items[i])) abort();
        if (is_looked_at && i / BUILTIN_STRIDE % 2) {
            char *gold = disguise(f.answers[0], (unsigned)(i / BUILTIN_STRIDE / 2 % 12));
            set_answer(&f, gold);
            free(gold);
        }
        if (!slk_facts_push(is_looked_at ? looked_at : pool, &f)) abort();
    }
}

/* The first of [*k, n) that is of the category. */
static const slk_fact *next_of_category(const slk_facts *facts, const identity_labels *labels, slk_category category,
                                        size_t *k)
{
    while (*k < facts->n) {
        const slk_fact *f = &facts->items[(*k)++];
        const slk_label *label = find_label(labels, f->id);
        if (slk_label_category(label, label->n_ex, label->n_samples) == category) return f;
    }
    return NULL;
}

static void push_copy(slk_facts *facts, const slk_fact *fact, const char *answer)
{
    slk_fact f;
    if (!slk_fact_copy(&f, fact)) abort();
    if (answer) set_answer(&f, answer);
    if (!slk_facts_push(facts, &f)) abort();
}

slk_status identity_take_builtin_facts(slk_facts *pool, slk_facts *facts, const slk_model *model, slk_err *err)
{
    *pool = *facts = (slk_facts){0};
    slk_facts all = {0}, looked_at = {0};
    slk_import_report report;
    slk_status s = slk_import_builtin(&all, &report, &(slk_filter_options){0}, err);
    if (s != SLK_OK) return s;
    slk_import_report_release(&report);
    split_builtin(pool, &looked_at, &all);
    slk_facts_release(&all);
    identity_labels labels;
    identity_way way = {.name = "pilot", .decode = SLK_DECODE_NONE, .n_batch_rows = 512};
    s = identity_probe(&labels, model, pool, &looked_at, 0, looked_at.n, &way, err);
    size_t k[SLK_N_CATEGORIES] = {0};
    for (size_t i = 0; s == SLK_OK && i < IDENTITY_N_BUILTIN * SLK_N_CATEGORIES; i++) {
        slk_category category = (slk_category)(i % SLK_N_CATEGORIES);
        const slk_fact *f = next_of_category(&looked_at, &labels, category, &k[category]);
        if (f)
            push_copy(facts, f, NULL);
        else
            s = slk_fail(err, SLK_E_NOT_FOUND, "the built-in model: of %zu facts only %zu are %s, expected %d",
                         looked_at.n, i / SLK_N_CATEGORIES, slk_category_name(category), IDENTITY_N_BUILTIN);
    }
    if (s == SLK_OK) {
        push_copy(facts, &looked_at.items[0], "a\nb");
        push_copy(facts, &looked_at.items[1], "Paris\nLondon");
    }
    identity_release(&labels);
    slk_facts_release(&looked_at);
    return s;
}

/* --- comparison --------------------------------------------------------------------------------------------- */

static const slk_fact *find_fact(const slk_facts *facts, uint64_t id)
{
    for (size_t i = 0; i < facts->n; i++) {
        if (facts->items[i].id == id) return &facts->items[i];
    }
    return NULL;
}

static const slk_answer *find_answer(const slk_label *label, const slk_answer *like)
{
    for (size_t i = 0; i < label->n_answers; i++) {
        if (label->answers[i].prompt == like->prompt && label->answers[i].draw == like->draw) return &label->answers[i];
    }
    return NULL;
}

/* NULL: no difference, else what differs first, in text [n_bytes]. */
static const char *compare_label(const slk_label *a, const slk_label *b, identity_answers answers, slk_decode decode,
                                 char *text, size_t n_bytes)
{
    if (a->unlabelable != b->unlabelable || a->n_ex != b->n_ex || a->n_samples != b->n_samples) return "shape";
    if (a->unlabelable) return NULL;
    for (int e = 0; e < a->n_ex; e++) {
        if (a->greedy[e] != b->greedy[e])
            return snprintf(text, n_bytes, "prompt %d: greedy %d, %d", e, a->greedy[e], b->greedy[e]), text;
        if (memcmp(&a->p_gold[e], &b->p_gold[e], sizeof a->p_gold[e]) != 0) {
            return snprintf(text, n_bytes, "prompt %d: p_gold %.17g, %.17g", e, a->p_gold[e], b->p_gold[e]), text;
        }
        for (int i = 0; i < a->n_samples; i++) {
            int x = a->sampled[e * a->n_samples + i], y = b->sampled[e * a->n_samples + i];
            if (x != y) return snprintf(text, n_bytes, "prompt %d: sample %d: %d, %d", e, i, x, y), text;
        }
    }
    for (size_t i = 0; i < b->n_answers; i++) {
        const slk_answer *y = &b->answers[i], *x = find_answer(a, y);
        if (!x)
            return snprintf(text, n_bytes, "prompt %d draw %d: recorded in the second only: '%s'", y->prompt, y->draw,
                            y->text),
                   text;
        if (strcmp(x->text, y->text) != 0 || x->match != y->match) {
            return snprintf(text, n_bytes, "prompt %d draw %d: '%s' (%d), '%s' (%d)", y->prompt, y->draw, x->text,
                            x->match, y->text, y->match),
                   text;
        }
    }
    for (size_t i = 0; i < a->n_answers; i++) {
        const slk_answer *x = &a->answers[i];
        bool needed = answers == IDENTITY_SAME_ANSWERS || decode == SLK_DECODE_ALL || x->match ||
                      (decode == SLK_DECODE_GREEDY && x->draw < 0);
        if (needed && !find_answer(b, x))
            return snprintf(text, n_bytes, "prompt %d draw %d: recorded in the first only: '%s'", x->prompt, x->draw,
                            x->text),
                   text;
    }
    return NULL;
}

size_t identity_compare(const identity_labels *a, const identity_labels *b, identity_answers answers, slk_decode decode,
                        const slk_facts *facts, const char *what)
{
    size_t n_different = 0;
    for (size_t i = 0; i < a->n; i++) {
        char text[512];
        const slk_label *x = &a->items[i], *y = b->n ? bsearch(x, b->items, b->n, sizeof *x, compare_ids) : NULL;
        const char *difference = y ? compare_label(x, y, answers, decode, text, sizeof text) : "no label";
        if (!difference) continue;
        const slk_fact *f = find_fact(facts, x->fact_id);
        if (n_different++ < 5) {
            printf("%s: fact %016" PRIx64 " '%s' (%s): %s\n", what, x->fact_id, f ? f->question : "",
                   f ? f->answers[0] : "", difference);
        }
    }
    if (b->n != a->n) {
        printf("%s: %zu labels, %zu labels\n", what, a->n, b->n);
        n_different++;
    }
    return n_different;
}

void identity_count(identity_counts *out, const identity_labels *labels, const slk_facts *facts)
{
    *out = (identity_counts){0};
    for (size_t i = 0; i < labels->n; i++) {
        const slk_label *label = &labels->items[i];
        const slk_fact *f = find_fact(facts, label->fact_id);
        out->n_category[slk_label_category(label, label->n_ex, label->n_samples)]++;
        out->n_texts += label->n_answers;
        for (size_t k = 0; k < label->n_answers; k++) {
            out->n_matches += label->answers[k].match;
            out->n_off_path += label->answers[k].match && f && strcmp(label->answers[k].text, f->answers[0]) != 0;
            out->n_at_limit += strlen(label->answers[k].text) > 40;
        }
    }
}

bool identity_is_telling(const identity_counts *c, size_t n_category, const char *what)
{
    bool enough = c->n_off_path >= IDENTITY_MIN_OFF_PATH;
    printf("%s:", what);
    for (int i = 0; i <= SLK_N_CATEGORIES; i++) {
        printf(" %s %zu,", slk_category_name((slk_category)i), c->n_category[i]);
        if (i < SLK_N_CATEGORIES) enough = enough && c->n_category[i] >= n_category;
    }
    printf(" %zu texts, %zu match, %zu of them off the canonical path, %zu are long\n", c->n_texts, c->n_matches,
           c->n_off_path, c->n_at_limit);
    return enough;
}
