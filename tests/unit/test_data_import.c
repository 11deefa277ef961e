/* Import: EntityQuestions as it is shipped, and every filter on a small set whose result is known
 * (tests/data/eq-mini: 17 training, 4 dev and 6 test questions of P17, P50 and P276). */
#include "data_test.h"
#include "data/import.h"

#define ARCHIVE SLICK_TEST_DATA "/../../data/entityquestions.tar.xz"
#define MINI    SLICK_TEST_DATA "/eq-mini"

static size_t sum(const size_t n[SLK_N_SPLITS])
{
    return n[0] + n[1] + n[2];
}

static const slk_import_relation *find(const slk_import_report *report, const char *relation)
{
    for (size_t i = 0; i < report->n_relations; i++) {
        if (strcmp(report->relations[i].relation, relation) == 0) return &report->relations[i];
    }
    fail_msg("no relation %s", relation);
    return NULL;
}

static void assert_splits(const size_t n[SLK_N_SPLITS], size_t train, size_t dev, size_t test)
{
    assert_int_equal(n[SLK_SPLIT_TRAIN], train);
    assert_int_equal(n[SLK_SPLIT_DEV], dev);
    assert_int_equal(n[SLK_SPLIT_TEST], test);
}

static void assert_balanced(const slk_import_counts *counts)
{
    for (int s = 0; s < SLK_N_SPLITS; s++) {
        size_t n = counts->n_kept[s];
        for (int f = 0; f < SLK_N_FILTERS; f++) n += counts->n_removed[f][s];
        assert_int_equal(n, counts->n_read[s]);
    }
}

/* The facts of a split as "subject=answer/answer ...", in order. */
static const char *list_facts(const slk_facts *facts, slk_split split)
{
    static char text[1024];
    size_t at = 0;
    text[0] = 0;
    for (size_t i = 0; i < facts->n; i++) {
        const slk_fact *fact = &facts->items[i];
        if (fact->split != split) continue;
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", at ? " " : "", fact->subject);
        for (size_t j = 0; j < fact->n_answers; j++)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", j ? "/" : "=", fact->answers[j]);
    }
    return text;
}

static void import_mini(slk_facts *facts, slk_import_report *report, const slk_filter_options *options)
{
    assert_ok(slk_import_entityquestions(facts, report, MINI, options, err));
    assert_balanced(&report->all);
    assert_int_equal(facts->n, sum(report->all.n_kept));
}

static void release(slk_facts *facts, slk_import_report *report)
{
    slk_facts_release(facts);
    slk_import_report_release(report);
}

static void test_filters(void **state)
{
    (void)state;
    slk_facts facts;
    slk_import_report report;
    slk_filter_options options = {0};
    import_mini(&facts, &report, &options);
    assert_splits(report.all.n_read, 13, 4, 6);
    assert_splits(report.all.n_removed[SLK_FILTER_RELATION], 1, 1, 1);     /* P276 */
    assert_splits(report.all.n_removed[SLK_FILTER_OOD_TRAIN], 1, 0, 0);    /* Dracula */
    assert_splits(report.all.n_removed[SLK_FILTER_MULTI_ANSWER], 1, 0, 1); /* Graz; Rome; but not France/FRANCE */
    assert_splits(report.all.n_removed[SLK_FILTER_OVERLAP], 4, 0,
                  0); /* Ulm twice, Emma (P50), Louvre (P276, left out) */
    assert_splits(report.all.n_removed[SLK_FILTER_DUPLICATE], 1, 1, 0); /* Oslo=Norway; Ulm in dev */
    assert_string_equal(list_facts(&facts, SLK_SPLIT_TRAIN),
                        "Oslo=Norway Oslo=Denmark Rome=Italy Nice=France Kiel=Germany");
    assert_string_equal(list_facts(&facts, SLK_SPLIT_DEV), "Bern=Switzerland Ulysses=James Joyce");
    assert_string_equal(list_facts(&facts, SLK_SPLIT_TEST), "Ulm=Germany \xC3\x89vora=Portugal \xC3\x88"
                                                            "cija=Spain Emma=Jane Austen");
    assert_int_equal(report.n_disputed_questions, 1);
    assert_int_equal(report.n_disputed_facts, 2);
    assert_true(find(&report, "P50")->ood);
    assert_splits(find(&report, "P50")->counts.n_kept, 0, 1, 1);
    release(&facts, &report);
}

static void test_each_filter_is_optional(void **state)
{
    (void)state;
    slk_facts facts;
    slk_import_report report;
    slk_filter_options options = {.overlap = SLK_OVERLAP_SUBJECT_OR_OBJECT};
    import_mini(&facts, &report, &options);
    assert_string_equal(list_facts(&facts, SLK_SPLIT_TRAIN), "Oslo=Norway Oslo=Denmark Rome=Italy Nice=France");
    release(&facts, &report);

    options = (slk_filter_options){.keep_multi_answer = true}; /* now Rome is a test question with an effect */
    import_mini(&facts, &report, &options);
    assert_string_equal(list_facts(&facts, SLK_SPLIT_TRAIN),
                        "Oslo=Norway Oslo=Denmark Nice=France Graz=Austria/Styria Kiel=Germany");
    assert_false(report.on[SLK_FILTER_MULTI_ANSWER]);
    release(&facts, &report);

    const char *const relations[] = {"P276", "P50"};
    options = (slk_filter_options){
        .overlap = SLK_OVERLAP_NONE, .keep_ood_train = true, .relations = relations, .n_relations = 2};
    import_mini(&facts, &report, &options);
    assert_string_equal(list_facts(&facts, SLK_SPLIT_TRAIN), "Dracula=Bram Stoker Uffizi=Florence");
    release(&facts, &report);

    options = (slk_filter_options){.overlap = SLK_OVERLAP_NONE};
    import_mini(&facts, &report, &options); /* Ulm=Germany goes as a duplicate: test has it */
    assert_string_equal(list_facts(&facts, SLK_SPLIT_TRAIN),
                        "Ulm=Holy Roman Empire Oslo=Norway Oslo=Denmark Emma=England Rome=Italy Nice=France "
                        "Louvre=France Kiel=Germany");
    json_t *json = slk_import_report_json(&report);
    const json_t *removed = json_object_get(json, "removed");
    assert_null(json_object_get(removed, "overlap"));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(removed, "duplicate"), "train")), 2);
    assert_string_equal(json_string_value(json_object_get(json, "overlap")), "none");
    json_decref(json);
    release(&facts, &report);

    const char *const wrong[] = {"P18"};
    options = (slk_filter_options){.relations = wrong, .n_relations = 1};
    assert_fails(slk_import_entityquestions(&facts, &report, MINI, &options, err), SLK_E_NOT_FOUND, "'P18'");
    assert_null(facts.items);
}

/* Facts of one relation do not depend on which others are chosen. */
static void test_relations_are_independent(void **state)
{
    (void)state;
    slk_facts all, one;
    slk_import_report report_all, report_one;
    const char *const relations[] = {"P17"};
    slk_filter_options options = {0};
    import_mini(&all, &report_all, &options);
    options = (slk_filter_options){.relations = relations, .n_relations = 1};
    import_mini(&one, &report_one, &options);
    char text[1024];
    snprintf(text, sizeof text, "%s", list_facts(&one, SLK_SPLIT_TRAIN));
    assert_string_equal(text, list_facts(&all, SLK_SPLIT_TRAIN));
    release(&all, &report_all);
    release(&one, &report_one);
}

static void test_archive_is_folder(void **state)
{
    (void)state;
    slk_facts a = {0}, b = {0}, c = {0};
    assert_ok(slk_eq_read(&a, MINI, err));
    assert_ok(slk_eq_read(&b, MINI "/dataset", err));
    assert_ok(slk_eq_read(&c, SLICK_TEST_DATA "/eq-mini.tar.xz", err));
    assert_int_equal(a.n, 23);
    assert_int_equal(b.n, a.n);
    assert_int_equal(c.n, a.n);
    for (size_t i = 0; i < a.n; i++) {
        assert_int_equal(a.items[i].id, b.items[i].id);
        assert_int_equal(a.items[i].id, c.items[i].id);
        assert_string_equal(a.items[i].subject, c.items[i].subject);
        assert_int_equal(a.items[i].split, c.items[i].split);
        assert_int_equal(a.items[i].ood, c.items[i].ood);
    }
    slk_facts_release(&a);
    slk_facts_release(&b);
    slk_facts_release(&c);
}

static void test_bad_archives(void **state)
{
    (void)state;
    static char bytes[1 << 16];
    FILE *file = fopen(SLICK_TEST_DATA "/eq-mini.tar.xz", "rb");
    assert_non_null(file);
    size_t n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    const char *path = temp_path("cut.tar.xz");
    slk_facts facts = {0};
    for (size_t cut = 0; cut < 64; cut++) {
        write_file(path, bytes, n * cut / 64);
        slk_err err = {0};
        assert_int_not_equal(slk_eq_read(&facts, path, &err), SLK_OK);
        assert_non_null(strstr(err.msg, "cut.tar.xz"));
        assert_int_equal(facts.n, 0);
    }
    assert_fails(slk_eq_read(&facts, "/nowhere/x.tar", err), SLK_E_IO, "/nowhere/x.tar");
    assert_fails(slk_eq_read(&facts, SLICK_TEST_DATA, err), SLK_E_NOT_FOUND, "no EntityQuestions here");
    write_file(path, "hello world, this is no archive\n", 32);
    assert_fails(slk_eq_read(&facts, path, err), SLK_E_FORMAT, "no readable archive");
}

static void add(slk_facts *facts, const char *relation, const char *question)
{
    slk_fact fact = {.relation = strdup(relation),
                     .question = strdup(question),
                     .answers = calloc(1, sizeof(char *)),
                     .n_answers = 1};
    assert_true(fact.relation && fact.question && fact.answers);
    fact.answers[0] = strdup("a");
    fact.id = slk_fact_identity(&fact);
    assert_true(slk_facts_push(facts, &fact));
}

static void test_subjects(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"A", "Is \xC3\x89 x?", "\xC3\x89"},
        {"B", "only one", NULL},
        {"A", "Is \xC3\x88 x?", "\xC3\x88"}, /* bytes C3 89 and C3 88 */
        {"C", "z \xC3\xA9", "\xC3\xA9"},
        {"C", "z \xC4\xA9", "\xC4\xA9"}, /* ... A9 and A9 */
        {"D", "of x y?", "x y"},
        {"D", "of z?", "z"},
        {"E", "aa", NULL},
        {"E", "aaa", NULL},
    };
    slk_facts facts = {0};
    size_t n = sizeof cases / sizeof cases[0];
    for (size_t i = 0; i < n; i++) add(&facts, cases[i][0], cases[i][1]);
    assert_ok(slk_facts_derive_subjects(&facts, err));
    for (size_t i = 0; i < n; i++) {
        if (!cases[i][2])
            assert_null(facts.items[i].subject);
        else if (!facts.items[i].subject || strcmp(facts.items[i].subject, cases[i][2]) != 0)
            fail_msg("%s: subject '%s', expected '%s'", cases[i][1], facts.items[i].subject, cases[i][2]);
    }
    slk_facts_release(&facts);
}

static void test_files(void **state)
{
    (void)state;
    const char *a = temp_path("a.jsonl"), *b = temp_path("b.csv");
    static const char jsonl[] =
        "{\"question\":\"Who?\",\"answer\":\"Me\",\"subject\":\"S\"}\n{\"question\":\"Who?\",\"answer\":\"Me\"}\n";
    static const char csv[] = "question,answer,split,subject\nWhat?,That,test,S\nWhy?,So,dev,\n";
    write_file(a, jsonl, sizeof jsonl - 1);
    write_file(b, csv, sizeof csv - 1);
    const char *const paths[] = {a, b};
    slk_facts facts;
    slk_import_report report;
    slk_read_options reading;
    slk_filter_options options = {0};
    slk_read_options_init(&reading);
    assert_ok(slk_import_files(&facts, &report, paths, 2, &reading, &options, err));
    /* The first training fact shares its subject with a test fact; the second has no subject and is then no duplicate
     * either. */
    assert_int_equal(report.all.n_removed[SLK_FILTER_OVERLAP][SLK_SPLIT_TRAIN], 1);
    assert_splits(report.all.n_kept, 1, 1, 1);
    assert_false(report.on[SLK_FILTER_RELATION]);
    release(&facts, &report);
}

/* The numbers of docs/data.md; those of STUDY.md section 1 are among them. */
static void test_entityquestions(void **state)
{
    (void)state;
    slk_facts facts;
    slk_import_report report;
    slk_filter_options options = {0};
    assert_ok(slk_import_entityquestions(&facts, &report, ARCHIVE, &options, err));
    assert_splits(report.all.n_read, 176560, 22068, 22075);
    assert_int_equal(report.n_relations, 24);
    assert_balanced(&report.all);
    assert_int_equal(facts.n, sum(report.all.n_kept));
    assert_string_equal(facts.items[0].relation, "P131");
    assert_int_equal(report.n_with_subject, facts.n); /* the template never eats a whole question */
    size_t multi[SLK_N_SPLITS] = {0}, read[SLK_N_SPLITS] = {0}, overlap = 0;
    for (int i = 0; i < SLK_EQ_N_RELATIONS; i++) {
        const slk_eq_relation *known = &slk_eq_relations()[i];
        const slk_import_relation *relation = find(&report, known->id);
        const slk_import_counts *c = &relation->counts;
        assert_balanced(c);
        assert_int_equal(relation->ood, known->role == SLK_EQ_OOD);
        if (known->role == SLK_EQ_LEFT_OUT) assert_int_equal(sum(c->n_kept), 0);
        if (known->role == SLK_EQ_OOD) assert_int_equal(c->n_kept[SLK_SPLIT_TRAIN], 0);
        if (known->role != SLK_EQ_IN) continue;
        for (int s = 0; s < SLK_N_SPLITS; s++) {
            multi[s] += c->n_removed[SLK_FILTER_MULTI_ANSWER][s];
            read[s] += c->n_read[s];
        }
        overlap += c->n_removed[SLK_FILTER_OVERLAP][SLK_SPLIT_TRAIN];
    }
    assert_splits(multi, 4796, 584, 568); /* 5.4%, 5.3%, 5.1% */
    assert_splits(read, 88374, 11045, 11049);
    assert_int_equal(overlap, 1776); /* 2.1% of the 83,578 with one answer */
    assert_splits(report.all.n_kept, 81663, 16296, 16326);
    assert_splits(report.all.n_removed[SLK_FILTER_DUPLICATE], 139, 12, 3);
    assert_int_equal(report.n_disputed_questions, 532);
    release(&facts, &report);

    const char *relations[SLK_EQ_N_RELATIONS];
    for (int i = 0; i < SLK_EQ_N_RELATIONS; i++) relations[i] = slk_eq_relations()[i].id;
    options = (slk_filter_options){.relations = relations, .n_relations = SLK_EQ_N_RELATIONS, .keep_ood_train = true};
    options.overlap = SLK_OVERLAP_NONE;
    assert_ok(slk_import_entityquestions(&facts, &report, ARCHIVE, &options, err));
    assert_splits(report.all.n_removed[SLK_FILTER_MULTI_ANSWER], 7394, 893, 869); /* 4.2%, 4.0%, 3.9% */
    assert_splits(report.all.n_removed[SLK_FILTER_DUPLICATE], 551, 15,
                  4); /* within 362, 7, 4; across splits the rest */
    release(&facts, &report);

    options = (slk_filter_options){.overlap = SLK_OVERLAP_SUBJECT_OR_OBJECT};
    assert_ok(slk_import_entityquestions(&facts, &report, ARCHIVE, &options, err));
    const slk_import_counts *c = &find(&report, "P495")->counts;
    assert_int_equal(c->n_read[SLK_SPLIT_TRAIN] - c->n_removed[SLK_FILTER_MULTI_ANSWER][SLK_SPLIT_TRAIN], 7933);
    assert_int_equal(c->n_kept[SLK_SPLIT_TRAIN] + c->n_removed[SLK_FILTER_DUPLICATE][SLK_SPLIT_TRAIN], 43);
    release(&facts, &report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_each_filter_is_optional),
        cmocka_unit_test(test_relations_are_independent),
        cmocka_unit_test(test_archive_is_folder),
        cmocka_unit_test(test_bad_archives),
        cmocka_unit_test(test_subjects),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_entityquestions),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_temp();
    return failed;
}
