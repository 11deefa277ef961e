/* Compares what `slick probe` put into stores; always the newest label set of a store.
 *
 *   compare_labels count STORE
 *       how many labels it has, on stdout (0 without a label set)
 *   compare_labels same STORE OTHER texts|outcomes
 *       every fact of STORE is in OTHER with the same outcomes, bit for bit, and the same texts of answers:
 *       texts = of all draws, outcomes = of those that STORE decoded
 *   compare_labels facts STORE SHARES.json
 *       those facts, and the dev facts of their relations in the store, as the input of `slick import`
 *   compare_labels shares STORE SHARES.json
 *       labels of another implementation with random numbers of its own: agreement up to chance
 *
 * Ends with 1 where something differs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/label.h"
#include "base/mem.h"
#include "store/facts.h"
#include "store/labels.h"

static void die(const char *what)
{
    fprintf(stderr, "compare_labels: %s\n", what);
    exit(2);
}

static void need(slk_status s, const slk_err *err)
{
    if (s != SLK_OK) die(err->msg);
}

typedef struct labels {
    slk_store *store;
    slk_label_set_info info;
    slk_label *items; /* [n] */
    size_t n;
} labels;

static labels open_labels(const char *path)
{
    slk_err err;
    labels l = {0};
    need(slk_store_open(&l.store, path, SLK_STORE_READ, &err), &err);
    need(slk_store_find_label_set(l.store, &l.info, 0, &err), &err);
    need(slk_store_load_labels(l.store, l.info.id, true, &l.items, &l.n, &err), &err);
    return l;
}

static void close_labels(labels *l)
{
    for (size_t i = 0; i < l->n; i++) slk_label_release(&l->items[i]);
    free(l->items);
    slk_store_close(l->store);
}

static const slk_label *find_label(const labels *l, uint64_t fact_id)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->items[i].fact_id == fact_id) return &l->items[i];
    }
    return NULL;
}

static void print_count(const char *path)
{
    slk_err err;
    slk_store *store;
    slk_label_set_info info = {0};
    need(slk_store_open(&store, path, SLK_STORE_READ, &err), &err);
    slk_status s = slk_store_find_label_set(store, &info, 0, &err);
    if (s != SLK_E_NOT_FOUND) need(s, &err);
    printf("%zu\n", info.n_labels);
    slk_store_close(store);
}

/* --- identity ------------------------------------------------------------------------------------------------------
 */

static const slk_answer *find_answer(const slk_label *label, const slk_answer *like)
{
    for (size_t i = 0; i < label->n_answers; i++) {
        if (label->answers[i].prompt == like->prompt && label->answers[i].draw == like->draw) return &label->answers[i];
    }
    return NULL;
}

/* NULL, or what differs. */
static const char *difference(const slk_label *a, const slk_label *b, bool all_texts)
{
    size_t n_draws = (size_t)a->n_ex * (a->n_samples + 1u);
    if (a->n_ex != b->n_ex || a->n_samples != b->n_samples || a->unlabelable != b->unlabelable) return "shape";
    if (a->unlabelable) return NULL;
    if (memcmp(a->greedy, b->greedy, a->n_ex) != 0) return "greedy outcomes";
    if (memcmp(a->sampled, b->sampled, (size_t)a->n_ex * a->n_samples) != 0) return "sampled outcomes";
    if (memcmp(a->p_gold, b->p_gold, a->n_ex * sizeof *a->p_gold) != 0) return "probabilities";
    if (all_texts && (a->n_answers != n_draws || b->n_answers != n_draws)) return "numbers of answers";
    for (size_t i = 0; i < a->n_answers; i++) {
        const slk_answer *other = find_answer(b, &a->answers[i]);
        if (!other) return "answers, one is missing";
        if (strcmp(a->answers[i].text, other->text) != 0 || a->answers[i].match != other->match) return "answers";
    }
    return NULL;
}

static int compare_same(const char *path, const char *other_path, bool all_texts)
{
    labels a = open_labels(path), b = open_labels(other_path);
    size_t n_texts = 0, n_other = 0, n_categories[SLK_UNLABELABLE + 1] = {0};
    for (size_t i = 0; i < a.n; i++) {
        const slk_label *twin = find_label(&b, a.items[i].fact_id);
        const char *what = twin ? difference(&a.items[i], twin, all_texts) : "facts, it has none such";
        n_texts += a.items[i].n_answers;
        n_categories[slk_label_category(&a.items[i], a.items[i].n_ex, a.items[i].n_samples)]++;
        if (!what) continue;
        printf("FAILED: fact %016llx: %s: other %s than in %s\n", (unsigned long long)a.items[i].fact_id, path, what,
               other_path);
        n_other++;
    }
    printf("%s = %s: %zu of %zu facts identical, %zu texts of answers compared (", path, other_path, a.n - n_other, a.n,
           n_texts);
    for (int c = 0; c < SLK_N_CATEGORIES; c++)
        printf("%s%zu %s", c ? ", " : "", n_categories[c], slk_category_name((slk_category)c));
    printf(")\n");
    bool good = a.n > 0 && n_other == 0;
    close_labels(&a);
    close_labels(&b);
    return good ? 0 : 1;
}

/* --- the reference's facts -----------------------------------------------------------------------------------------
 */

static const char *string_of(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    if (!text) die(key);
    return text;
}

/* The reference's entry of that fact, or NULL. */
static const json_t *find_entry(const json_t *entries, const slk_fact *fact)
{
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *e = json_array_get(entries, i);
        if (!strcmp(string_of(e, "relation"), fact->relation) && !strcmp(string_of(e, "question"), fact->question) &&
            !strcmp(string_of(e, "answer"), fact->answers[0])) {
            return e;
        }
    }
    return NULL;
}

static bool has_relation(const json_t *entries, const char *relation)
{
    for (size_t i = 0; i < json_array_size(entries); i++) {
        if (!strcmp(string_of(json_array_get(entries, i), "relation"), relation)) return true;
    }
    return false;
}

static slk_facts load_facts(slk_store *store, const char *set)
{
    slk_err err;
    slk_facts facts = {0};
    need(slk_store_load_facts(store, &facts, set, -1, NULL, 0, &err), &err);
    return facts;
}

static int print_facts(const char *path, const char *reference_path)
{
    slk_err err;
    slk_store *store;
    slk_set_list sets = {0};
    json_t *reference;
    size_t n_asked = 0;
    need(slk_store_open(&store, path, SLK_STORE_READ, &err), &err);
    need(slk_store_list_sets(store, &sets, &err), &err);
    need(slk_json_read(&reference, reference_path, &err), &err);
    if (sets.n == 0) die("no fact set in the store");
    slk_facts facts = load_facts(store, sets.items[0].name);
    const json_t *entries = json_object_get(reference, "facts");
    for (size_t i = 0; i < facts.n; i++) {
        const slk_fact *f = &facts.items[i];
        bool asked = f->split == SLK_SPLIT_TEST && find_entry(entries, f);
        if (!asked && (f->split != SLK_SPLIT_DEV || !has_relation(entries, f->relation))) continue;
        json_t *line = json_pack("{s:s, s:s, s:s, s:s, s:s*}", "relation", f->relation, "question", f->question,
                                 "answer", f->answers[0], "split", slk_split_name(f->split), "subject", f->subject);
        if (!line) die("out of memory");
        need(slk_json_print(stdout, line, &err), &err);
        json_decref(line);
        n_asked += asked;
    }
    if (n_asked != json_array_size(entries))
        fprintf(stderr, "compare_labels: %zu of %zu facts found\n", n_asked, json_array_size(entries));
    bool good = n_asked > 0 && n_asked == json_array_size(entries);
    slk_facts_release(&facts);
    slk_set_list_release(&sets);
    slk_store_close(store);
    json_decref(reference);
    return good ? 0 : 1;
}

/* --- agreement up to chance ----------------------------------------------------------------------------------------
 */

/* What two measurements of the same facts must satisfy. If both implementations do the same up to their random numbers
 * (exemplars and samples), then whichever facts they label differently, each of the two is as likely to be on either
 * side. So, of the facts that only one of them puts into a category, the number that is ours is binomial with 1/2 (sign
 * test); and the signs of the differences of the counts of correct answers are fair coins, so that their sum has the
 * variance sum(difference^2). Both would pass facts that are mixed up evenly: hence agreement and correlation, too.
 * Two seeds of slick agree on 100 to 103 of the 120 facts (83% to 86%). Calling everything Unknown would agree on 84,
 * and fail the sign tests. */
#define MIN_P           1e-3 /* of each of the four sign tests */
#define MAX_SIGMA       3.3  /* two-sided 1e-3 */
#define MIN_AGREEMENT   0.78
#define MIN_CORRELATION 0.9

/* Two-sided probability of k or fewer (or as far on the other side) of n fair coins. */
static double sign_test(size_t k, size_t n)
{
    double p = 0;
    size_t low = k < n - k ? k : n - k;
    for (size_t i = 0; i <= low; i++) {
        p += exp(lgamma((double)n + 1) - lgamma((double)i + 1) - lgamma((double)(n - i) + 1) - (double)n * log(2));
    }
    return fmin(1, 2 * p);
}

typedef struct sums {
    double n, x, y, xx, yy, xy, d, dd; /* x ours, y the reference's, d = x - y */
} sums;

static void add_pair(sums *s, double x, double y)
{
    s->n++, s->x += x, s->y += y, s->xx += x * x, s->yy += y * y, s->xy += x * y, s->d += x - y,
        s->dd += (x - y) * (x - y);
}

static double sigma_of(const sums *s)
{
    return s->dd > 0 ? fabs(s->d) / sqrt(s->dd) : 0;
}

static double correlation_of(const sums *s)
{
    return (s->xy - s->x * s->y / s->n) / sqrt((s->xx - s->x * s->x / s->n) * (s->yy - s->y * s->y / s->n));
}

static slk_category category_of(size_t n_greedy, size_t n_sampled, size_t n_ex)
{
    if (n_greedy > 0) return n_greedy == n_ex ? SLK_HIGHLY_KNOWN : SLK_MAYBE_KNOWN;
    return n_sampled > 0 ? SLK_WEAKLY_KNOWN : SLK_UNKNOWN;
}

static int judge_shares(size_t table[SLK_N_CATEGORIES][SLK_N_CATEGORIES], const sums *greedy, const sums *sampled)
{
    size_t n = 0, n_same = 0, n_failed = 0;
    for (int c = 0; c < SLK_N_CATEGORIES; c++) {
        size_t ours = 0, theirs = 0;
        for (int o = 0; o < SLK_N_CATEGORIES; o++) ours += table[c][o], theirs += table[o][c];
        size_t only_ours = ours - table[c][c], only_theirs = theirs - table[c][c];
        double p = sign_test(only_ours, only_ours + only_theirs);
        printf("%-12s slick %3zu, reference %3zu, both %3zu, p = %.2g\n", slk_category_name((slk_category)c), ours,
               theirs, table[c][c], p);
        n += ours, n_same += table[c][c], n_failed += p < MIN_P;
    }
    double agreement = (double)n_same / (double)n;
    printf("categories the same for %zu of %zu facts (%.1f%%)\n", n_same, n, 100 * agreement);
    printf("correct greedy answers: slick %.0f, reference %.0f, %.2f sigma, correlation %.3f\n", greedy->x, greedy->y,
           sigma_of(greedy), correlation_of(greedy));
    printf("correct sampled answers: slick %.0f, reference %.0f, %.2f sigma, correlation %.3f\n", sampled->x,
           sampled->y, sigma_of(sampled), correlation_of(sampled));
    bool good = n_failed == 0 && agreement >= MIN_AGREEMENT && sigma_of(greedy) <= MAX_SIGMA &&
                sigma_of(sampled) <= MAX_SIGMA && correlation_of(greedy) >= MIN_CORRELATION &&
                correlation_of(sampled) >= MIN_CORRELATION;
    if (!good) printf("FAILED: labels differ by more than chance\n");
    return good ? 0 : 1;
}

static int compare_shares(const char *path, const char *reference_path)
{
    slk_err err;
    json_t *reference;
    labels l = open_labels(path);
    slk_facts facts = load_facts(l.store, l.info.settings.set_name);
    size_t table[SLK_N_CATEGORIES][SLK_N_CATEGORIES] = {0}, n = 0; /* [ours][theirs] */
    sums greedy = {0}, sampled = {0};
    need(slk_json_read(&reference, reference_path, &err), &err);
    const json_t *entries = json_object_get(reference, "facts");
    for (size_t i = 0; i < facts.n; i++) {
        const slk_label *label = find_label(&l, facts.items[i].id);
        const json_t *entry = label ? find_entry(entries, &facts.items[i]) : NULL;
        if (!entry) continue;
        size_t n_greedy = 0, n_sampled = 0;
        for (size_t e = 0; e < label->n_ex; e++) n_greedy += label->greedy[e];
        for (size_t e = 0; e < (size_t)label->n_ex * label->n_samples; e++) n_sampled += label->sampled[e];
        size_t their_greedy = (size_t)json_integer_value(json_object_get(entry, "n_greedy"));
        size_t their_sampled = (size_t)json_integer_value(json_object_get(entry, "n_sampled"));
        table[category_of(n_greedy, n_sampled, label->n_ex)][category_of(their_greedy, their_sampled, label->n_ex)]++;
        add_pair(&greedy, (double)n_greedy, (double)their_greedy);
        add_pair(&sampled, (double)n_sampled, (double)their_sampled);
        n++;
    }
    int rc = judge_shares(table, &greedy, &sampled);
    if (n != json_array_size(entries)) {
        printf("FAILED: %zu of %zu facts have labels\n", n, json_array_size(entries));
        rc = 1;
    }
    slk_facts_release(&facts);
    json_decref(reference);
    close_labels(&l);
    return rc;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (argc == 3 && !strcmp(what, "count")) {
        print_count(argv[2]);
        return 0;
    }
    if (argc == 5 && !strcmp(what, "same") && (!strcmp(argv[4], "texts") || !strcmp(argv[4], "outcomes"))) {
        return compare_same(argv[2], argv[3], !strcmp(argv[4], "texts"));
    }
    if (argc == 4 && !strcmp(what, "facts")) return print_facts(argv[2], argv[3]);
    if (argc == 4 && !strcmp(what, "shares")) return compare_shares(argv[2], argv[3]);
    die("usage: compare_labels count|same|facts|shares ... (see the top of compare_labels.c)");
    return 2;
}
