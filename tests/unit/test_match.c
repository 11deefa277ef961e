/* The matcher: normal forms held against Python's unicodedata, and the decision "alive" held against brute force.
 *
 * The brute force: enumerate every string of up to N pieces over a small alphabet of nasty byte pieces. Whatever matches a
 * gold proves that each of its byte prefixes is alive. Besides: what is dead stays dead, and in ASCII what is alive can be
 * completed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/progress.h"
#include "base/rng.h"
#include "base/text.h"
#include "know/match.h"
#include "know/match_form.h"

static const slk_match_rule em = {SLK_MATCH_EM, 0}, strict = {SLK_MATCH_STRICT, 0}, contains = {SLK_MATCH_CONTAINS, 0};

/* Golds of one to three spellings. */
static slk_golds *golds_of(const slk_match_rule *rule, const char *a, const char *b, const char *c)
{
    char *texts[3] = {(char *)a, (char *)b, (char *)c};
    slk_fact fact = {.relation = (char *)"", .question = (char *)"q", .answers = texts, .n_answers = 1, .aliases = texts + 1,
                     .n_aliases = b ? c ? 2 : 1 : 0};
    slk_golds *golds = NULL;
    slk_err err = {0};
    if (slk_golds_create(&golds, rule, &fact, &err) != SLK_OK) fail_msg("%s", err.msg);
    return golds;
}

static bool matches(const slk_match_rule *rule, const char *gold, const char *text)
{
    slk_golds *golds = golds_of(rule, gold, NULL, NULL);
    int found = slk_golds_match(golds, text, strlen(text));
    slk_golds_free(golds);
    assert_true(found >= 0);
    return found;
}

static bool alive(const slk_match_rule *rule, const char *gold, const char *text)
{
    slk_golds *golds = golds_of(rule, gold, NULL, NULL);
    bool lives = slk_golds_alive(golds, text, strlen(text));
    slk_golds_free(golds);
    return lives;
}

/* Random numbers of a test: a counter of its own. */
typedef struct dice {
    uint64_t seed;
    uint32_t step;
} dice;

static uint32_t roll(dice *d, uint32_t n)
{
    return (uint32_t)(slk_rng_u64(d->seed, SLK_PURPOSE_REVIEW, 1, 0, 0, d->step++) % n);
}

/* --- normal forms ---------------------------------------------------------------------------------------------------- */

/* Right: what Python 3.11 gives (unicodedata 14; casefold; categories P deleted; White_Space written out). */
static const char *const normal_forms[][2] = {
    {"Paris", "paris"},
    {"  The Beatles.\x09", "beatles"},
    {"the  quick,brown", "quickbrown"},
    {"A", "a"},
    {"The The", "the the"},
    {"the the.", "the the."},
    {"\?!", "\?!"},
    {" An  a THE ", "an a the"},
    {"t-he cat", "cat"},
    {"a.n apple", "apple"},
    {"An.", "an."},
    {"The-n", "then"},
    {"U.S.A.", "usa"},
    {"rock'n'roll", "rocknroll"},
    {"AT&T", "att"},
    {"C++", "c++"},
    {"$100 < 5%", "$100 < 5"},
    {"a_b", "ab"},
    {"\x1c x\x1fy", "\x1c x\x1fy"},
    {"", ""},
    {"   ", ""},
    {"A cappella", "cappella"},
    {"AN A", "an a"},
    {"1,000.50", "100050"},
    {"O'Neill \"x\"", "oneill x"},
    {"Saint-\xc3\x89tienne", "saint\xc3\xa9tienne"},
    {"SAINT-E\xcc\x81TIENNE", "saint\xc3\xa9tienne"},
    {"S\xc3\xa3o Paulo", "s\xc3\xa3o paulo"},
    {"Sa\xcc\x83o Paulo", "s\xc3\xa3o paulo"},
    {"Sa.\xcc\x83o", "sa\xcc\x83o"},
    {"stra\xc3\x9f" "e STRASSE \xe1\xba\x9e", "strasse strasse ss"},
    {"\xef\xac\x81n \xef\xac\x83 \xef\xac\x85 \xef\xac\x96", "fin ffi st \xd5\xbe\xd5\xb6"},
    {"\xef\xbc\xa6\xef\xbd\x95\xef\xbd\x8c\xef\xbd\x8c\xe3\x80\x80\xef\xbc\xb7\xef\xbd\x89\xef\xbd\x84\xef\xbd\x94\xef\xbd\x88\xef\xbc\x81", "full width"},
    {"\xc4\xb0stanbul I\xcc\x87 \xc4\xb1", "i\xcc\x87stanbul i\xcc\x87 \xc4\xb1"},
    {"\xce\xa3\xce\x8a\xce\xa3\xce\xa5\xce\xa6\xce\x9f\xce\xa3 \xcf\x82", "\xcf\x83\xce\xaf\xcf\x83\xcf\x85\xcf\x86\xce\xbf\xcf\x83 \xcf\x83"},
    {"\xe1\xbe\xb3 \xe1\xbe\xbc \xce\xb1\xcd\x85 \xce\xb1\xcd\x85\xcc\x93 \xe1\xbe\x80 \xe1\xbf\xbc", "\xce\xb1\xce\xb9 \xce\xb1\xce\xb9 \xce\xb1\xce\xb9 \xe1\xbc\x80\xce\xb9 \xe1\xbc\x80\xce\xb9 \xcf\x89\xce\xb9"},
    {"\xce\x90 \xce\x90 \xc7\xb0 \xe1\xba\x96 \xe1\xba\x9b\xcc\xa3 \xe1\xba\x9a \xc5\x89", "\xce\x90 \xce\x90 \xc7\xb0 \xe1\xba\x96 \xe1\xb9\xa9 a\xca\xbe \xca\xbcn"},
    {"\xea\xb0\x81 \xea\xb0\x80\xe1\x86\xa8 \xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8 \xe3\x84\xb1\xe3\x85\x8f \xef\xbe\xa1\xef\xbf\x82", "\xea\xb0\x81 \xea\xb0\x81 \xea\xb0\x81 \xea\xb0\x80 \xea\xb0\x80"},
    {"\xef\xbd\xb6\xef\xbe\x9e \xe3\x82\xac \xe3\x81\x8b\xe3\x82\x99", "\xe3\x82\xac \xe3\x82\xac \xe3\x81\x8c"},
    {"\xc3\x85 \xc3\x85 \xce\xa9 K", "\xc3\xa5 \xc3\xa5 \xcf\x89 k"},
    {"\xef\xac\x80\xe2\x91\xa0 \xc2\xbd \xc2\xb2 \xe2\x84\x83 \xe3\x8e\x8f \xe3\x8d\xbf \xe2\x84\x96", "ff1 1\xe2\x81\x84" "2 2 \xc2\xb0" "c kg \xe6\xa0\xaa\xe5\xbc\x8f\xe4\xbc\x9a\xe7\xa4\xbe no"},
    {"\xe2\x80\xa6 \xe2\x80\x9cquoted\xe2\x80\x9d \xc2\xabguillemets\xc2\xbb \xe2\x80\x98x\xe2\x80\x99 \xe2\x80\x93 \xe2\x80\x94 \xc2\xb7 \xe3\x80\x82\xe3\x80\x81\xe3\x80\x8c\xe3\x80\x8d", "quoted guillemets x"},
    {"\xc2\xa0" "a\xe2\x80\x83" "b\xe2\x80\xa8" "c\xc2\x85" "d\xe1\x9a\x80" "e\xe2\x81\x9f" "f", "b c d e f"},
    {"x\xe2\x80\x8by z\xe2\x80\x8dw a\xc2\xad" "b \xef\xbb\xbfq", "x\xe2\x80\x8by z\xe2\x80\x8dw a\xc2\xad" "b \xef\xbb\xbfq"},
    {"\xc2\xb4 \xc2\xa8 \xc2\xaf x\xc2\xb4y", "\xcc\x81 \xcc\x88 \xcc\x84 x \xcc\x81y"},
    {"\xe2\x89\xa0 =\xcc\xb8 <\xcc\xb8", "\xe2\x89\xa0 \xe2\x89\xa0 \xe2\x89\xae"},
    {"a\xcc\xa3\xcc\x87 a\xcc\x87\xcc\xa3 \xe1\xba\xa1\xcc\x87", "\xe1\xba\xa1\xcc\x87 \xe1\xba\xa1\xcc\x87 \xe1\xba\xa1\xcc\x87"},
    {"q\xcc\x87\xcc\xa3 \xcc\x81start", "q\xcc\xa3\xcc\x87 \xcc\x81start"},
    {"\xc7\x85 \xc7\x84 \xc7\x86 \xef\xb7\xba", "d\xc5\xbe d\xc5\xbe d\xc5\xbe \xd8\xb5\xd9\x84\xd9\x89 \xd8\xa7\xd9\x84\xd9\x84\xd9\x87 \xd8\xb9\xd9\x84\xd9\x8a\xd9\x87 \xd9\x88\xd8\xb3\xd9\x84\xd9\x85"},
    {"\xe1\x8e\xa0 \xea\xad\xb0 \xe1\x8f\xb8", "\xe1\x8e\xa0 \xe1\x8e\xa0 \xe1\x8f\xb0"},
    {"\xf0\x9d\x90\x80\xf0\x9d\x94\x9f \xf0\x9d\x9f\x99 \xf0\x9d\x93\xa3he", "ab 1"},
    {"\xe0\xa4\xa1\xe0\xa5\x87\xe0\xa4\xbc \xe0\xa4\x95\xe0\xa4\xbc \xe0\xa4\xaf\xe0\xa4\xbc", "\xe0\xa4\xa1\xe0\xa5\x87\xe0\xa4\xbc \xe0\xa4\x95\xe0\xa4\xbc \xe0\xa4\xaf\xe0\xa4\xbc"},
    {"\xe0\xae\xa4\xe0\xae\xae\xe0\xae\xbf\xe0\xae\xb4\xe0\xaf\x8d \xe0\xaf\x8a \xe0\xaf\x86\xe0\xae\xbe", "\xe0\xae\xa4\xe0\xae\xae\xe0\xae\xbf\xe0\xae\xb4\xe0\xaf\x8d \xe0\xaf\x8a \xe0\xaf\x8a"},
    {"\xe6\x97\xa5\xe6\x9c\xac \xe6\x9d\xb1\xe4\xba\xac \xe3\x80\x85 \xe3\x80\x86", "\xe6\x97\xa5\xe6\x9c\xac \xe6\x9d\xb1\xe4\xba\xac \xe3\x80\x85 \xe3\x80\x86"},
    {"\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82, \xd0\x9c\xd0\x98\xd0\xa0! \xd0\x81 \xd0\x95\xcc\x88", "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 \xd0\xbc\xd0\xb8\xd1\x80 \xd1\x91 \xd1\x91"},
    {"\xd8\xa7\xd9\x84\xd8\xb9\xd8\xb1\xd8\xa8\xd9\x8a\xd8\xa9 \xef\xbb\xbb \xef\xba\x8d", "\xd8\xa7\xd9\x84\xd8\xb9\xd8\xb1\xd8\xa8\xd9\x8a\xd8\xa9 \xd9\x84\xd8\xa7 \xd8\xa7"},
    {"caf\xc3", "caf\xef\xbf\xbd"},
    {"caf\xc3\xa9", "caf\xc3\xa9"},
    {"a\xff" "b\x80", "a\xef\xbf\xbd" "b\xef\xbf\xbd"},
    {"\xe2\x82", "\xef\xbf\xbd"},
    {"\xe2\x82 x", "\xef\xbf\xbd x"},
    {"\xf0\x9f\x98", "\xef\xbf\xbd"},
    {"\xf0\x9f\x98\x80 ok", "\xf0\x9f\x98\x80 ok"},
    {"\xed\xa0\x80z", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz"},
    {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
    {"\xf5x", "\xef\xbf\xbdx"},
    {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf" "A", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" "a"},
};

static void test_normal_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof normal_forms / sizeof *normal_forms; i++) {
        const char *text = normal_forms[i][0], *expected = normal_forms[i][1];
        char *form = slk_match_normalize(&em, text, strlen(text));
        assert_non_null(form);
        assert_string_equal(form, expected);
        free(form);
        if (*expected) assert_true(matches(&em, text, text));
    }
    char *form = slk_match_normalize(&em, "A\0\xC3\x89 b", 6);
    assert_memory_equal(form, "a\0\xC3\xA9 b", 6);
    free(form);
    form = slk_match_normalize(&strict, " \xE3\x80\x80 The  X.\xC3 ", 14);
    assert_string_equal(form, "The  X.\xEF\xBF\xBD");
    free(form);
}

static void test_rules_parse(void **state)
{
    (void)state;
    slk_match_rule rule;
    slk_err err;
    assert_int_equal(slk_match_parse(&rule, "em", NULL), SLK_OK);
    assert_int_equal(rule.kind, SLK_MATCH_EM);
    assert_int_equal(slk_match_parse(&rule, "strict", NULL), SLK_OK);
    assert_int_equal(rule.kind, SLK_MATCH_STRICT);
    assert_int_equal(slk_match_parse(&rule, "contains", NULL), SLK_OK);
    assert_int_equal(rule.kind, SLK_MATCH_CONTAINS);
    assert_int_equal(slk_match_parse(&rule, "f1:0.8", NULL), SLK_OK);
    assert_int_equal(rule.kind, SLK_MATCH_F1);
    assert_true(rule.threshold == 0.8);
    const char *const bad[] = {"",       "EM",   "em ",     "f1",      "f1:",     "f1:0",  "f1:1.1", "f1:nan",
                               "f1:-.5", "f1: 1", "f1:0x1", "f1:1e-1", "f1:1.0.0", "f1:.", "f1:0.000"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(slk_match_parse(&rule, bad[i], &err), SLK_E_ARG);
        assert_non_null(strstr(err.msg, "expected em, strict, contains"));
    }
}

static void test_golds_refuse_empty(void **state)
{
    (void)state;
    char *texts[] = {(char *)"x", (char *)" \t\xE3\x80\x80"};
    slk_fact fact = {.relation = (char *)"", .question = (char *)"Who?", .answers = texts, .n_answers = 1, .aliases = texts + 1, .n_aliases = 1};
    slk_golds *golds = (slk_golds *)texts;
    slk_err err;
    assert_int_equal(slk_golds_create(&golds, &em, &fact, &err), SLK_E_FORMAT);
    assert_null(golds);
    assert_string_equal(err.msg, "fact 'Who?': alias 1 is empty, expected text");
    assert_int_equal(slk_golds_create(&golds, &strict, &fact, &err), SLK_E_FORMAT);
    slk_golds_free(NULL);
}

/* --- finished answers ---------------------------------------------------------------------------------------------------- */

static void test_matches(void **state)
{
    (void)state;
    assert_true(matches(&em, "The Beatles", " beatles! "));
    assert_true(matches(&em, "New York City", "NEW  YORK-\tCity"));
    assert_false(matches(&em, "New York City", "New York-City")); /* "yorkcity" */
    assert_false(matches(&em, "Saint-\xC3\x89tienne", "SAINT E\xCC\x81TIENNE"));
    assert_true(matches(&em, "Saint-\xC3\x89tienne", "saint-E\xCC\x81tienne"));
    assert_false(matches(&em, "Paris", "Paris, France"));
    assert_false(matches(&em, "Paris", ""));
    /* Nothing left of the gold: compared without deletions. */
    assert_true(matches(&em, "The The", "the  THE"));
    assert_false(matches(&em, "The The", "the the."));
    assert_false(matches(&em, "The The", "the"));
    assert_false(matches(&em, "A", "an"));
    assert_true(matches(&em, "?!", " ?! "));
    assert_false(matches(&em, "?!", "?"));
    assert_false(matches(&em, "x", "the"));
    /* Several golds; equal ones are one. */
    slk_golds *golds = golds_of(&em, "NYC", "New York", "new york!");
    assert_int_equal(slk_golds_match(golds, "N.Y.C.", 6), 1);
    assert_int_equal(slk_golds_match(golds, "the New York", 12), 1);
    assert_int_equal(slk_golds_match(golds, "York", 4), 0);
    slk_golds_free(golds);

    assert_true(matches(&strict, "The Beatles", "  The Beatles "));
    assert_false(matches(&strict, "The Beatles", "the Beatles"));
    assert_false(matches(&strict, "The Beatles", "The  Beatles"));
    assert_true(matches(&strict, "caf\xEF\xBF\xBD", "caf\xC3"));

    assert_true(matches(&contains, "New York", "in the new york area"));
    assert_true(matches(&contains, "New York", "New York"));
    assert_true(matches(&contains, "New York", "new new york"));
    assert_false(matches(&contains, "New York", "new yorkshire"));
    assert_false(matches(&contains, "New York", "renew york"));
    assert_false(matches(&contains, "New York", "new big york"));
    assert_true(matches(&contains, "The The", "I like the the a lot"));
    assert_false(matches(&contains, "The The", "the band The"));

    slk_match_rule f1 = {SLK_MATCH_F1, 0.8};
    assert_true(matches(&f1, "Barack Hussein Obama", "Barack Obama")); /* 2 * 2 / 5 */
    assert_false(matches(&f1, "Barack Hussein Obama II", "Barack Obama"));
    assert_true(matches(&f1, "b c", "the c b"));
    assert_false(matches(&f1, "b c", "b b"));
    f1.threshold = 0.5;
    assert_true(matches(&f1, "b c", "b b"));
    assert_true(matches(&f1, "b b c", "b x b y d")); /* 2 * 2 / 8 */
    assert_false(matches(&f1, "b b c", "b x y d"));
    assert_false(matches(&f1, "b c", ""));
}

/* --- sharpness ------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *gold, *text;
} dead_table[] = {
    {"Paris", "London"},
    {"Paris", " L"},
    {"Paris", "Parm"},
    {"Paris", "Parma"},
    {"Paris", "Paris, F"},
    {"Paris", "Paris F"},
    {"Paris", "The capital"},
    {"Paris", "the l"},
    {"Paris", "then"},
    {"Paris", "an i"},
    {"Paris", "a q"},
    {"Paris", "Saint"},
    {"Paris", "\xC3\x89"},
    {"Paris", "Pari\xC3\xA9"},
    {"Paris", "\"\xE2\x80\x9CRome"},
    {"Paris", "Par is"},
    {"The Beatles", "the r"},
    {"The Beatles", "Bes"},
    {"The Beatles", "Beatles are"},
    {"The Beatles", "The Rolling"},
    {"The Beatles", "Beatle,m"},
    {"Saint-\xC3\x89tienne", "Saint E"},
    {"Saint-\xC3\x89tienne", "Saint-Et"},
    {"Saint-\xC3\x89tienne", "Saint-\xC3\x88t"},
    {"Saint-\xC3\x89tienne", "Saint-L"},
    {"S\xC3\xA3o Paulo", "Sao"},
    {"S\xC3\xA3o Paulo", "Sa "},
    {"S\xC3\xA3o Paulo", "Rio"},
    {"1984", "19 8"},
    {"1984", "1983"},
    {"1984", "199"},
    {"3.5", "3.6"},
    {"3.5", "34"},
    {"New York City", "New York, N"},
    {"New York City", "New Jersey"},
    {"New York City", "Newark"},
    {"New York City", "New York a c d"},
    {"\xE6\x9D\xB1\xE4\xBA\xAC", "\xE4\xBA\xAC"},                              /* Tokyo: Kyo */
    {"\xE6\x9D\xB1\xE4\xBA\xAC", "\xE6\x9D\xB1\xE5\x8C\x97"},                  /* Tokyo: Tohoku */
    {"\xEC\x84\x9C\xEC\x9A\xB8", "\xEB\xB6\x80"},                              /* Seoul: Bu(san) */
    {"\xEC\x84\x9C\xEC\x9A\xB8", "\xEC\x86\x8C"},                              /* Seoul: so */
    {"\xD0\x9C\xD0\xBE\xD1\x81\xD0\xBA\xD0\xB2\xD0\xB0", "\xD0\x9C\xD0\xB8"},  /* Moskva: Mi */
    {"AT&T", "ATM"},
    {"ABBA", "ABC"},
    {"The The", "the b"},
    {"The The", "the,"},
    {"The The", "the the the"},
    {"A", "an"},
    {"A", "b"},
    {"?!", "?."},
    {"\xEF\xAC\x81re", "fig"},  /* the ligature fi */
    {"\xEF\xAC\x81re", "fl"},
    {"Paris", "\xFF"},
    {"Paris", "Pa\x80"},
    {"Stra\xC3\x9F" "e", "strase"},
};

static const struct {
    const char *gold, *text;
} alive_table[] = {
    {"Paris", ""},
    {"Paris", " "},
    {"Paris", "P"},
    {"Paris", "Par"},
    {"Paris", "PARIS"},
    {"Paris", "Paris. "},
    {"Paris", "\"Par-"},
    {"Paris", "T"},
    {"Paris", "Th"},
    {"Paris", "The"},
    {"Paris", "the "},
    {"Paris", "the... an"},
    {"Paris", "t-h"},
    {"Paris", "A"},
    {"Paris", "an pa"},
    {"Paris", "Paris t"},
    {"Paris", "Paris the"},
    {"Paris", "Paris-"},
    {"Paris", "?!... "},
    {"Paris", "\xEF\xBC\xB0"},             /* full-width P */
    {"Paris", "\xEF\xBC"},                 /* cut */
    {"Paris", "Paris\xE3\x80"},            /* cut ideographic space or full stop */
    {"thenar", "the"},
    {"thenar", "the-n"},
    {"Ann", "an"},
    {"S\xC3\xA3o", "Sa"},
    {"S\xC3\xA3o", "S\xC3"},
    {"S\xC3\xA3o", "Sa\xCC"},
    {"S\xC3\xA3o", "S\xC3\xA3"},
    {"\xE1\xBA\xA1\xCC\x87", "a\xCC\x87"}, /* a, dot below, dot above: written in the other order */
    {"\xEA\xB0\x81", "\xEA\xB0\x80"},      /* gag: ga, and a final g may follow */
    {"\xEA\xB0\x81", "\xE1\x84\x80"},      /* gag: g */
    {"\xEF\xAC\x81re", "f"},
    {"fire", "\xEF\xAC\x81"},
    {"Stra\xC3\x9F" "e", "STRAS"},
    {"stra\xC3\x9F" "e", "stra\xE1\xBA\x9E"},
    {"The The", "t"},
    {"The The", "The "},
    {"?!", "?"},
    {"\xE1\xBC\x80\xCE\xB9", "\xCE\xB1\xCD\x85"}, /* alpha, iota subscript, and a breathing that will move before it */
};

static void test_alive_is_sharp(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof dead_table / sizeof *dead_table; i++)
        if (alive(&em, dead_table[i].gold, dead_table[i].text))
            fail_msg("alive: gold '%s', text '%s'", dead_table[i].gold, dead_table[i].text);
    for (size_t i = 0; i < sizeof alive_table / sizeof *alive_table; i++)
        if (!alive(&em, alive_table[i].gold, alive_table[i].text))
            fail_msg("dead: gold '%s', text '%s'", alive_table[i].gold, alive_table[i].text);

    assert_true(alive(&strict, "The Who", " The W"));
    assert_true(alive(&strict, "The Who", "The Who  "));
    assert_true(alive(&strict, "The Who", "The Who \xE3\x80"));
    assert_true(alive(&strict, "caf\xC3\xA9", "caf\xC3"));
    assert_false(alive(&strict, "The Who", "the"));
    assert_false(alive(&strict, "The Who", "The Who."));
    assert_false(alive(&strict, "The Who", "The Who a"));
    assert_false(alive(&strict, "The Who", "The  "));
    assert_false(alive(&strict, "caf\xC3\xA9", "caf\xC4"));

    assert_true(alive(&contains, "Paris", "London is not"));

    slk_match_rule f1 = {SLK_MATCH_F1, 0.8};
    assert_true(alive(&f1, "b c", "x"));      /* b c x: 2 * 2 / 5 = 0.8; xylophone as well */
    assert_false(alive(&f1, "b c", "x y"));   /* at best 4 / 6 */
    assert_false(alive(&f1, "b c", "b x y"));
    assert_true(alive(&f1, "b c", "x b the"));
    assert_false(alive(&f1, "b c", "x they"));
    assert_true(alive(&f1, "b cd", "b x c"));
    assert_false(alive(&f1, "b cd", "b x b")); /* the second b is one too many; no word of the gold begins so */
    assert_true(alive(&f1, "b cd be", "b x b"));
}

/* --- brute force ----------------------------------------------------------------------------------------------------------- */

static const char *const pieces[] = {
    "a", "n", "t", "h", "e", "the", "an", "A", "The", "P", "par", "i", "1", "<", " ", "  ", ".", "-", "?", "_",
    "\xCC\x81", "\xCC\xA3", "\xCC\x87", "\xCC\x83", "\xCC\xB8",                        /* marks: 0301 0323 0307 0303 0338 */
    "\xCD\x85", "\xCC\x93", "\xCE\xB1", "\xE1\xBE\xB3", "\xCE\xB9", "\xCE\x91",        /* iota below, psili, alpha, alpha with it */
    "\xC3", "\xA9", "\xA3", "\xC3\xA9", "\xC3\x89", "\xE1", "\xBA", "\xE1\xBA\xA1",    /* cut characters, e acute, a dot below */
    "\xE1\x84\x80", "\xE1\x85\xA1", "\xE1\x86\xA8", "\xEA\xB0\x80", "\xEA\xB0\x81",    /* jamo L V T, LV, LVT */
    "\xE3\x84\xB1", "\xE3\x85\x8F", "\xEF\xBE\xA1", "\xEF\xBF\x82",                    /* compatibility and halfwidth jamo */
    "\xE3\x80\x80", "\xC2\xA0", "\xE2\x80", "\x80", "\xEF\xBC\xA1", "\xEF\xBC\x8E",    /* spaces, cut, full-width A and stop */
    "\xEF\xAC\x81", "f", "\xC3\x9F", "s", "\xE1\xBA\x9E", "\xC5\xBF", "\xC4\xB0", "I", /* fi, sharp s, long s, dotted I */
    "\xCE\xA3", "\xCF\x82", "\xCF\x83", "\xC2\xB4", "\xE2\x80\xA6", "\xE2\x80\x8D",    /* sigmas, acute, ellipsis, joiner */
    "\xEF\xBF\xBD", "\xFF", "\xF0\x9F\x98", "\x80\xF0", "\xE3\x82\xAB", "\xE3\x82\x99", "\xEF\xBE\x9E", /* kana sound marks */
    "\xE0\xA4\x95", "\xE0\xA4\xBC", "\xE0\xAF\x86", "\xE0\xAE\xBE", "\xE2\x91\xB4",    /* Devanagari, Tamil, (1) */
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

static void fail_on(const char *what, const char *gold, const char *text, size_t n)
{
    slk_buf b;
    slk_buf_init(&b);
    for (const char *p = gold; *p; p++) slk_buf_addf(&b, "%02X ", (unsigned char)*p);
    slk_buf_add_str(&b, "| text ");
    for (size_t i = 0; i < n; i++) slk_buf_addf(&b, "%02X ", (unsigned char)text[i]);
    fail_msg("%s: gold %s", what, b.data);
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
    check_rule_by_classes(&em, 1, 150, &t);
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
    print_message("em: %zu prefixes proven alive, %zu spellings beside the gold's, %zu dead\n", t.n_alive, t.n_spellings,
                  t.n_dead);
    assert_true(t.n_alive > 1000000 && t.n_spellings > 50000 && t.n_dead > 1000000);
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
    static const char *const words[] = {" ", " b", " cd", " c", "d", " the", "n ", "a", " x", "y", ".", "\xCC\x81", "e",
                                        "\xC3", "\xC3\xA9 ", " B", " ?", " \xEA\xB0\x80", "\xE1\x86\xA8", " e\xCC\x81"};
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

/* In ASCII nothing is alive in vain: there is a continuation that matches, made of an article's rest, white space, and a
 * piece of the gold. */
static bool can_complete(const slk_match_rule *rule, const slk_golds *golds, const char *form, const char *text, size_t n)
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

/* --- what the cut rests on --------------------------------------------------------------------------------------------------- */

static void fold_into(slk_buf *out, const char *text, size_t n)
{
    slk_form_str x;
    assert_true(slk_form_fold(&x, text, n));
    slk_buf_add(out, x.data, x.len);
    slk_form_str_release(&x);
}

/* normal(stable) normal(open u) = normal(t u), and the decomposed form of "open u" begins with the lead. */
static void check_cut(const char *text, size_t n, const char *more, size_t n_more)
{
    slk_form_cut cut;
    slk_buf whole, parts, rest;
    assert_true(slk_form_cut_find(&cut, text, n));
    slk_buf_init(&rest);
    slk_buf_init(&whole);
    slk_buf_init(&parts);
    slk_buf_add(&rest, text, n);
    slk_buf_add(&rest, more, n_more);
    fold_into(&whole, rest.data, rest.len);
    fold_into(&parts, text, cut.n_stable);
    size_t at = parts.len;
    fold_into(&parts, rest.data + cut.n_stable, rest.len - cut.n_stable);
    if (whole.len != parts.len || (whole.len > 0 && memcmp(whole.data, parts.data, whole.len)))
        fail_on("cut in a wrong place", "", rest.data, rest.len);

    slk_form form, decomposed;
    assert_true(slk_form_words(&form, parts.data + at, parts.len - at, false));
    assert_true(slk_form_decompose(&decomposed, &form));
    if (decomposed.str.len < cut.n_lead || memcmp(decomposed.str.data, cut.lead, cut.n_lead))
        fail_on("another lead", "", rest.data, rest.len);
    slk_form_str_release(&form.str);
    slk_form_str_release(&decomposed.str);
    slk_buf_release(&rest);
    slk_buf_release(&whole);
    slk_buf_release(&parts);
}

static size_t encode(char *out, uint32_t a, uint32_t b)
{
    size_t n = (size_t)slk_utf8_encode(out, a);
    return n + (b ? (size_t)slk_utf8_encode(out + n, b) : 0);
}

/* The last character of the canonical decomposition of each character is what it composes from: these join. */
static void test_cut_every_composition(void **state)
{
    (void)state;
    size_t n_pairs = 0;
    for (uint32_t code = 0x80; code < 0x110000; code++) {
        uint32_t d[4];
        int n_parts = code >= 0xD800 && code < 0xE000 ? 1 : slk_char_decompose(d, code);
        if (n_parts < 2) continue;
        char text[16], more[16], composed[8];
        size_t n = 0, n_composed = encode(composed, code, 0);
        for (int i = 0; i < n_parts - 1; i++) n += (size_t)slk_utf8_encode(text + n, d[i]);
        size_t n_more = encode(more, d[n_parts - 1], 0);
        check_cut(text, n, more, n_more);
        check_cut(composed, n_composed, more, n_more);
        check_cut(composed, n_composed, "\xCC\x81", 2);
        check_cut(composed, n_composed, "\xCC\xA3\xCD\x85", 4);
        n_pairs++;
    }
    assert_true(n_pairs > 12000); /* 11,172 Hangul syllables, some 1,000 others */
}

/* Every character behind letters that something could join, and before marks that reorder, compose, or fold to a letter. */
static void test_cut_every_character(void **state)
{
    (void)state;
    static const char *const before[] = {"", "e", "\xE1\x84\x80", "\xEA\xB0\x80", "\xE3\x81\x8B"}; /* jamo L, LV, ka */
    static const char *const marks[] = {"\xCC\x81", "\xCC\xA3", "\xCD\x85\xCC\x93", "\xE1\x86\xA8", "\xE3\x82\x99", "x"};
    uint32_t n_done = 0;
    for (uint32_t code = 1; code < 0xE0200; code++) {
        if (code == 0xD800) code = 0xE000;
        if (code == 0xE100) code = 0xF900; /* private use */
        if (code == 0x3500 || code == 0x5000 || code == 0x20100) code += code == 0x3500 ? 0x1800 : 0x4D00; /* Han */
        if (code == 0x31400) code = 0xE0000; /* nothing there */
        for (size_t k = 0; k < sizeof before / sizeof *before; k++) {
            char text[16];
            size_t n = strlen(before[k]);
            memcpy(text, before[k], n);
            n += encode(text + n, code, 0);
            const char *more = marks[(code + k) % 6];
            check_cut(text, n, more, strlen(more));
            n_done++;
        }
    }
    assert_true(n_done > 500000);
}

/* Every ASCII character before every mark; and the ASCII tables against the functions for all characters. */
static void test_ascii_paths_agree(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 128; c++) {
        char text[3] = {(char)c, 'x', 0};
        slk_form form;
        for (int deleting = 0; deleting < 2; deleting++) {
            assert_true(slk_form_words(&form, text, 2, deleting));
            bool gone = slk_char_is_space(c) || (deleting && slk_char_is_punctuation(c));
            assert_int_equal(form.str.len, gone ? 1 : 2);
            slk_form_str_release(&form.str);
            assert_true(slk_form_words(&form, (char[]){'x', (char)c, 'x'}, 3, deleting));
            assert_int_equal(form.closed_len, slk_char_is_space(c) ? 1 : 0);
            slk_form_str_release(&form.str);
        }
        for (uint32_t mark = 0x300; mark < 0x1E950; mark++) {
            if (!slk_char_is_mark(mark)) continue;
            char more[4];
            check_cut(text, 1, more, encode(more, mark, 0));
        }
    }
    /* The short way to fold ASCII and the general one. */
    dice d = {6, 0};
    for (int round = 0; round < 3000; round++) {
        char text[40], *general = NULL;
        size_t n = roll(&d, sizeof text);
        for (size_t i = 0; i < n; i++) text[i] = (char)(1 + roll(&d, 127));
        slk_form_str x;
        assert_true(slk_form_fold(&x, text, n));
        /* A final mark forces the long way. */
        slk_buf b;
        slk_buf_init(&b);
        slk_buf_add(&b, text, n);
        slk_buf_add(&b, " \xC3\xA9", 3);
        assert_int_equal(slk_text_normalize(&general, SLK_NFKC_CASEFOLD, b.data, b.len, NULL), SLK_OK);
        assert_int_equal(strlen(general), n + 3);
        assert_int_equal(x.len, n);
        if (n > 0) assert_memory_equal(x.data, general, n);
        free(general);
        slk_buf_release(&b);
        slk_form_str_release(&x);
    }
}

static void test_long_texts(void **state)
{
    (void)state;
    /* Longer than what is kept without the heap, ASCII or not, and around its size. */
    for (size_t n = 500; n < 600; n++) {
        for (int general = 0; general < 2; general++) {
            char *text = slk_alloc(n + 4, 1);
            memset(text, 'x', n);
            text[n / 2] = ' ';
            memcpy(text + n, general ? "\xC3\xA9" : "yz", 3);
            slk_golds *golds = golds_of(&em, text, NULL, NULL);
            assert_int_equal(slk_golds_match(golds, text, n + 2), 1);
            assert_int_equal(slk_golds_match(golds, text, n), 0);
            assert_true(slk_golds_alive(golds, text, n + 2));
            assert_true(slk_golds_alive(golds, text, n + 1));
            text[n - 1] = 'y';
            assert_false(slk_golds_alive(golds, text, n));
            slk_golds_free(golds);
            free(text);
        }
    }
}

/* --- speed ---------------------------------------------------------------------------------------------------------------- */

static void test_speed(void **state)
{
    (void)state;
    static const char *const texts[] = {"Par", "The capital of", "London", "Paris, the capital", "New York City, New York, USA"};
    static const char *const general[] = {"S\xC3\xA3o Paulo", "Saint-\xC3\x89tienne"};
    slk_golds *golds = golds_of(&em, "Paris", "City of Paris", "Paris, France");
    enum { N = 200000 };
    int sum = 0;
    double start = slk_clock_ms();
    for (int i = 0; i < N; i++) sum += slk_golds_alive(golds, texts[i % 5], strlen(texts[i % 5]));
    double alive_ms = slk_clock_ms() - start;
    start = slk_clock_ms();
    for (int i = 0; i < N; i++) sum += slk_golds_match(golds, texts[i % 5], strlen(texts[i % 5]));
    double match_ms = slk_clock_ms() - start;
    start = slk_clock_ms();
    for (int i = 0; i < N / 10; i++) sum += slk_golds_alive(golds, general[i % 2], strlen(general[i % 2]));
    double general_ms = slk_clock_ms() - start;
    slk_golds_free(golds);
    assert_true(sum >= N / 5);
    print_message("alive %.0f ns, match %.0f ns a call (ASCII); alive %.0f ns (other)\n", alive_ms * 1e6 / N,
                  match_ms * 1e6 / N, general_ms * 1e7 / N);
    assert_true(alive_ms * 1e3 / N < 20); /* a call under 2 us on an idle machine; far above means the short way is lost */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normal_forms),
        cmocka_unit_test(test_rules_parse),
        cmocka_unit_test(test_golds_refuse_empty),
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_alive_is_sharp),
        cmocka_unit_test(test_em_against_brute_force),
        cmocka_unit_test(test_strict_against_brute_force),
        cmocka_unit_test(test_f1_and_contains_against_brute_force),
        cmocka_unit_test(test_ascii_is_exact),
        cmocka_unit_test(test_cut_every_composition),
        cmocka_unit_test(test_cut_every_character),
        cmocka_unit_test(test_ascii_paths_agree),
        cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_speed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
