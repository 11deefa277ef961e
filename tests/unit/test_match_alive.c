/* "Alive" held against brute force: enumerate every string of up to N pieces over a small alphabet of nasty byte
 * pieces. Whatever matches a gold proves that each of its byte prefixes is alive. Besides: what is dead stays dead, and
 * in ASCII what is alive can be completed. */
#include "match_support.h"

static const slk_match_rule em = {SLK_MATCH_EM, 0}, strict = {SLK_MATCH_STRICT, 0}, contains = {SLK_MATCH_CONTAINS, 0};

static const char *const pieces[] = {
    "a",
    "n",
    "t",
    "h",
    "e",
    "the",
    "an",
    "A",
    "The",
    "P",
    "par",
    "i",
    "1",
    "<",
    " ",
    "  ",
    ".",
    "-",
    "?",
    "_",
    "\xCC\x81",
    "\xCC\xA3",
    "\xCC\x87",
    "\xCC\x83",
    "\xCC\xB8", /* marks: 0301 0323 0307 0303 0338 */
    "\xCD\x85",
    "\xCC\x93",
    "\xCE\xB1",
    "\xE1\xBE\xB3",
    "\xCE\xB9",
    "\xCE\x91", /* iota below, psili, alpha, alpha with it */
    "\xC3",
    "\xA9",
    "\xA3",
    "\xC3\xA9",
    "\xC3\x89",
    "\xE1",
    "\xBA",
    "\xE1\xBA\xA1", /* cut characters, e acute, a dot below */
    "\xE1\x84\x80",
    "\xE1\x85\xA1",
    "\xE1\x86\xA8",
    "\xEA\xB0\x80",
    "\xEA\xB0\x81", /* jamo L V T, LV, LVT */
    "\xE3\x84\xB1",
    "\xE3\x85\x8F",
    "\xEF\xBE\xA1",
    "\xEF\xBF\x82", /* compatibility and halfwidth jamo */
    "\xE3\x80\x80",
    "\xC2\xA0",
    "\xE2\x80",
    "\x80",
    "\xEF\xBC\xA1",
    "\xEF\xBC\x8E", /* spaces, cut, full-width A and stop */
    "\xEF\xAC\x81",
    "f",
    "\xC3\x9F",
    "s",
    "\xE1\xBA\x9E",
    "\xC5\xBF",
    "\xC4\xB0",
    "I", /* fi, sharp s, long s, dotted I */
    "\xCE\xA3",
    "\xCF\x82",
    "\xCF\x83",
    "\xC2\xB4",
    "\xE2\x80\xA6",
    "\xE2\x80\x8D", /* sigmas, acute, ellipsis, joiner */
    "\xEF\xBF\xBD",
    "\xFF",
    "\xF0\x9F\x98",
    "\x80\xF0",
    "\xE3\x82\xAB",
    "\xE3\x82\x99",
    "\xEF\xBE\x9E", /* kana sound marks */
    "\xE0\xA4\x95",
    "\xE0\xA4\xBC",
    "\xE0\xAF\x86",
    "\xE0\xAE\xBE",
    "\xE2\x91\xB4", /* Devanagari, Tamil, (1) */
};
#define N_PIECES (sizeof pieces / sizeof *pieces)

typedef struct sample {
    char *text; /* NUL-terminated; no NUL inside */
    size_t len;
    char *form; /* slk_match_normalize() */
} sample;

typedef struct samples {
    sample *items;
    size_t n;
} samples;

static int compare_samples(const void *a, const void *b)
{
    return strcmp(((const sample *)a)->form, ((const sample *)b)->form);
}

/* Every string of 1 to depth pieces of alphabet [n_letters], sorted by form. */
static samples enumerate(const slk_match_rule *rule, const char *const *alphabet, size_t n_letters, unsigned depth)
{
    samples all = {0};
    size_t cap = 0, begin = 0;
    assert_true(slk_grow(&all.items, &cap, 1, sizeof *all.items));
    all.items[all.n++] = (sample){slk_strdup(""), 0, NULL};
    for (unsigned level = 0; level < depth; level++) {
        size_t end = all.n;
        for (size_t i = begin; i < end; i++) {
            for (size_t k = 0; k < n_letters; k++) {
                size_t n = strlen(alphabet[k]), len = all.items[i].len + n;
                char *text = slk_alloc(len + 1, 1);
                memcpy(text, all.items[i].text, all.items[i].len);
                memcpy(text + all.items[i].len, alphabet[k], n + 1);
                assert_true(slk_grow(&all.items, &cap, all.n + 1, sizeof *all.items));
                all.items[all.n++] = (sample){text, len, NULL};
            }
        }
        begin = end;
    }
    for (size_t i = 0; i < all.n; i++) {
        all.items[i].form = slk_match_normalize(rule, all.items[i].text, all.items[i].len);
        assert_non_null(all.items[i].form);
    }
    qsort(all.items, all.n, sizeof *all.items, compare_samples);
    return all;
}

static void samples_free(samples *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->items[i].text);
        free(s->items[i].form);
    }
    free(s->items);
}

/* A text that matches proves each of its prefixes alive. */
static size_t check_prefixes_alive(const slk_golds *golds, const char *gold, const sample *s)
{
    for (size_t n = 0; n <= s->len; n++)
        if (!slk_golds_alive(golds, s->text, n)) fail_on("called dead", gold, s->text, n);
    return s->len + 1;
}

/* What is dead stays dead. Returns how many prefixes were dead. */
static size_t check_dead_stays_dead(const slk_golds *golds, const char *gold, const sample *s)
{
    size_t n_dead = 0;
    for (size_t n = 0; n <= s->len; n++) {
        bool lives = slk_golds_alive(golds, s->text, n);
        if (lives && n_dead > 0) fail_on("dead, then alive", gold, s->text, n);
        n_dead += !lives;
    }
    return n_dead;
}

typedef struct tally {
    size_t n_alive, n_dead, n_spellings; /* prefixes proven alive, prefixes dead, members of a class beyond its first */
} tally;

/* Equal forms are exactly the matches under em and strict: each class has one gold. */
static void check_classes(const slk_match_rule *rule, const samples *all, dice *d, tally *t)
{
    for (size_t begin = 0, end; begin < all->n; begin = end) {
        const sample *first = &all->items[begin];
        for (end = begin + 1; end < all->n && !strcmp(all->items[end].form, first->form);) end++;
        if (!*first->form) continue; /* no gold: all white space */
        slk_golds *golds = golds_of(rule, first->text, NULL, NULL);
        for (size_t i = begin; i < end; i++) {
            if (slk_golds_match(golds, all->items[i].text, all->items[i].len) != 1)
                fail_on("equal forms, no match", first->text, all->items[i].text, all->items[i].len);
            t->n_alive += check_prefixes_alive(golds, first->text, &all->items[i]);
        }
        t->n_spellings += end - begin - 1;
        for (int i = 0; i < 3; i++) {
            const sample *other = &all->items[roll(d, (uint32_t)all->n)];
            if (strcmp(other->form, first->form) && slk_golds_match(golds, other->text, other->len) != 0)
                fail_on("different forms match", first->text, other->text, other->len);
            t->n_dead += check_dead_stays_dead(golds, first->text, other);
        }
        slk_golds_free(golds);
    }
}

static void check_rule_by_classes(const slk_match_rule *rule, uint64_t seed, int n_rounds, tally *t)
{
    dice d = {seed, 0};
    for (int round = 0; round < n_rounds; round++) {
        const char *alphabet[6];
        for (int k = 0; k < 6; k++) alphabet[k] = pieces[roll(&d, N_PIECES)];
        samples all = enumerate(rule, alphabet, 6, 4);
        check_classes(rule, &all, &d, t);
        samples_free(&all);
    }
}

static void test_em_against_brute_force(void **state)
{
    (void)state;
    tally t = {0};
    check_rule_by_classes(&em, 1, 60, &t);
    /* Neighbours that must meet: picked alphabets, one piece deeper. */
    static const char *const picked[][6] = {
        {"a", "\xCC\x81", "\xCC\xA3", "\xE1\xBA\xA1", ".", "\xE1"},
        {"\xCE\xB1", "\xCD\x85", "\xCC\x93", "\xE1\xBE\xB3", "\xCE\xB9", "\xCE"},
        {"\xE1\x84\x80", "\xE1\x85\xA1", "\xE1\x86\xA8", "\xEA\xB0\x80", "\xEF\xBF\x82", "."},
        {"t", "he", "-", " ", "the", "n"},
        {"a", "n", " ", ".", "\xEF\xBC\xA1", "\xE3\x80\x80"},
        {"the", " ", "?", "a", "\xE2\x80\xA6", "\xC2\xB4"},
        {"s", "\xC3\x9F", "\xC5\xBF", "\xCC\x87", "\xC3", "\x9F"},
        {"I", "i", "\xCC\x87", "\xC4\xB0", "\xC4", "\xB0"},
        {"\xE3\x82\xAB", "\xE3\x82\x99", "\xEF\xBE\x9E", "\xEF\xBD\xB6", "\xE3\x82", "\xAB"},
    };
    for (size_t i = 0; i < sizeof picked / sizeof *picked; i++) {
        dice d = {100 + i, 0};
        samples all = enumerate(&em, picked[i], 6, 5);
        check_classes(&em, &all, &d, &t);
        samples_free(&all);
    }
    print_message("em: %zu prefixes proven alive, %zu spellings beside the gold's, %zu dead\n", t.n_alive,
                  t.n_spellings, t.n_dead);
    assert_true(t.n_alive > 1000000 && t.n_spellings > 50000 && t.n_dead > 500000);
}

static void test_strict_against_brute_force(void **state)
{
    (void)state;
    tally t = {0};
    check_rule_by_classes(&strict, 2, 40, &t);
    static const char *const picked[6] = {" ", "\xE3\x80\x80", "\xE3", "a", "\xC3\xA9", "\xEF\xBF\xBD"};
    dice d = {3, 0};
    samples all = enumerate(&strict, picked, 6, 5);
    check_classes(&strict, &all, &d, &t);
    samples_free(&all);
    print_message("strict: %zu prefixes proven alive, %zu spellings beside the gold's, %zu dead\n", t.n_alive,
                  t.n_spellings, t.n_dead);
    assert_true(t.n_alive > 200000 && t.n_spellings > 5000 && t.n_dead > 100000);
}

/* Rules whose matches are no classes: golds against all strings. */
static void check_pairs(const slk_match_rule *rule, const samples *all, dice *d, tally *t)
{
    for (int k = 0; k < 12; k++) {
        const sample *gold = &all->items[roll(d, (uint32_t)all->n)];
        if (!*gold->form) continue;
        const sample *other = &all->items[roll(d, (uint32_t)all->n)];
        slk_golds *golds = golds_of(rule, gold->text, *other->form && k % 2 ? other->text : NULL, NULL);
        for (size_t i = 0; i < all->n; i++) {
            if (slk_golds_match(golds, all->items[i].text, all->items[i].len) == 1) {
                t->n_alive += check_prefixes_alive(golds, gold->text, &all->items[i]);
                t->n_spellings++;
            } else if (i % 8 == 0) {
                t->n_dead += check_dead_stays_dead(golds, gold->text, &all->items[i]);
            }
        }
        slk_golds_free(golds);
    }
}

static void test_f1_and_contains_against_brute_force(void **state)
{
    (void)state;
    static const char *const words[] = {
        " ", " b",   " cd",       " c", "d",  " the",          "n ",           "a",         " x", "y", ".", "\xCC\x81",
        "e", "\xC3", "\xC3\xA9 ", " B", " ?", " \xEA\xB0\x80", "\xE1\x86\xA8", " e\xCC\x81"};
    static const double thresholds[] = {0.3, 0.5, 2.0 / 3, 0.8, 1};
    dice d = {4, 0};
    tally f1_tally = {0}, contains_tally = {0};
    for (int round = 0; round < 40; round++) {
        const char *alphabet[6];
        for (int k = 0; k < 6; k++) alphabet[k] = words[roll(&d, sizeof words / sizeof *words)];
        slk_match_rule f1 = {SLK_MATCH_F1, thresholds[round % 5]};
        samples all = enumerate(&f1, alphabet, 6, 4);
        check_pairs(&f1, &all, &d, &f1_tally);
        check_pairs(&contains, &all, &d, &contains_tally);
        samples_free(&all);
    }
    print_message("f1: %zu prefixes proven alive, %zu matches, %zu dead; contains: %zu matches\n", f1_tally.n_alive,
                  f1_tally.n_spellings, f1_tally.n_dead, contains_tally.n_spellings);
    assert_true(f1_tally.n_spellings > 20000 && f1_tally.n_dead > 10000);
    assert_true(contains_tally.n_spellings > 5000 && contains_tally.n_dead == 0);
}

/* In ASCII nothing is alive in vain: there is a continuation that matches, made of an article's rest, white space, and
 * a piece of the gold. */
static bool can_complete(const slk_match_rule *rule, const slk_golds *golds, const char *form, const char *text,
                         size_t n)
{
    static const char *const rests[] = {"", " ", "n ", "he ", "e ", "a "};
    char whole[512];
    for (size_t at = 0; at <= strlen(form); at++) {
        for (size_t k = 0; k < sizeof rests / sizeof *rests; k++) {
            int len = snprintf(whole, sizeof whole, "%.*s%s%s", (int)n, text, rests[k], form + at);
            if (slk_golds_match(golds, whole, (size_t)len) == 1) return true;
            if (rule->kind != SLK_MATCH_F1) continue;
            /* ... or the rest of a word, and then the whole gold less one word or two */
            for (const char *skip = form; skip; skip = strchr(skip + 1, ' ')) {
                for (size_t cut = 1; cut <= strlen(skip); cut++) {
                    len = snprintf(whole, sizeof whole, "%.*s%s%.*s %s", (int)n, text, rests[k],
                                   (int)strcspn(form + at, " "), form + at, "");
                    len += snprintf(whole + len, sizeof whole - (size_t)len, "%.*s %s", (int)(skip - form), form,
                                    skip + cut);
                    if (slk_golds_match(golds, whole, (size_t)len) == 1) return true;
                }
            }
        }
    }
    return false;
}

static void test_ascii_is_exact(void **state)
{
    (void)state;
    static const char *const letters[] = {"a", "n", "t", "h", "e", " ", ".", "p", "A", "the ", " an", "?", "1"};
    dice d = {5, 0};
    size_t n_alive = 0, n_dead = 0;
    for (int round = 0; round < 6000; round++) {
        slk_match_rule rule = round % 3 ? em : (slk_match_rule){SLK_MATCH_F1, round % 2 ? 0.5 : 0.8};
        char gold[64] = "", text[64] = "";
        for (uint32_t k = 0, n = 1 + roll(&d, 6); k < n; k++) strcat(gold, letters[roll(&d, 13)]);
        for (uint32_t k = 0, n = 1 + roll(&d, 5); k < n; k++) strcat(text, letters[roll(&d, 13)]);
        if (round % 2) memcpy(text, gold, strlen(gold) / 2); /* agree for a while */
        if (strspn(gold, " ") == strlen(gold)) continue;
        slk_golds *golds = golds_of(&rule, gold, NULL, NULL);
        char *form = slk_match_normalize(&rule, gold, strlen(gold));
        bool lives = slk_golds_alive(golds, text, strlen(text));
        if (lives != can_complete(&rule, golds, form, text, strlen(text)))
            fail_on(lives ? "alive in vain" : "called dead", gold, text, strlen(text));
        n_alive += lives;
        n_dead += !lives;
        free(form);
        slk_golds_free(golds);
    }
    assert_true(n_alive > 500 && n_dead > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_em_against_brute_force),
        cmocka_unit_test(test_strict_against_brute_force),
        cmocka_unit_test(test_f1_and_contains_against_brute_force),
        cmocka_unit_test(test_ascii_is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
