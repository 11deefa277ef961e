/* From a study file and a store to the study's facts, runs, description and fine-tuning sets. */
#include "store_test.h"
#include "study/plan.h"

/* 3 relations, "ro" out of distribution. Train and test facts are labelled by their number modulo 4: HighlyKnown,
 * MaybeKnown, WeaklyKnown, Unknown; in r1 there are twice as many facts. */
typedef struct fixture {
    slk_store *store;
    int64_t labels;
} fixture;

enum { N_TRAIN = 40, N_TEST = 12, N_DEV = 8, N_OOD = 8 };

static void add_fact(slk_facts *facts, const char *relation, slk_split split, bool ood, int i)
{
    char question[64];
    snprintf(question, sizeof question, "%s %s %d?", relation, slk_split_name(split), i);
    slk_fact fact = {.relation = strdup(relation),
                     .question = strdup(question),
                     .answers = calloc(1, sizeof(char *)),
                     .n_answers = 1,
                     .aliases = calloc(1, sizeof(char *)),
                     .n_aliases = 1,
                     .split = split,
                     .ood = ood};
    fact.answers[0] = strdup("an answer");
    fact.aliases[0] = strdup("an alias");
    fact.id = slk_fact_identity(&fact);
    assert_true(slk_facts_push(facts, &fact));
}

static void put_category(slk_store *store, int64_t set, uint64_t fact_id, int category)
{
    uint8_t greedy[3] = {category == 0, category <= 1, 0}, sampled[15] = {0};
    if (category == 0) greedy[2] = 1;
    if (category <= 2) sampled[7] = 1;
    double gold[3] = {0};
    slk_label label = {
        .fact_id = fact_id, .n_ex = 3, .n_samples = 5, .greedy = greedy, .sampled = sampled, .p_gold = gold};
    assert_ok(slk_store_put_labels(store, set, &label, 1, err));
}

static void open_study(fixture *f, const char *name)
{
    slk_facts facts = {0};
    slk_label_settings settings = make_settings();
    const char *path = temp_path(name);
    unlink(path);
    f->store = open_store(path);
    for (int r = 0; r < 3; r++) {
        const char *relation = r == 0 ? "r0" : r == 1 ? "r1" : "ro";
        for (int i = 0; i < (r == 2 ? 0 : N_TRAIN * (r + 1)); i++)
            add_fact(&facts, relation, SLK_SPLIT_TRAIN, false, i);
        for (int i = 0; i < (r == 2 ? N_OOD : N_TEST); i++) add_fact(&facts, relation, SLK_SPLIT_TEST, r == 2, i);
        for (int i = 0; i < N_DEV; i++) add_fact(&facts, relation, SLK_SPLIT_DEV, r == 2, i);
    }
    assert_ok(slk_store_put_facts(f->store, NULL, "set", &facts, NULL, false, err));
    assert_ok(slk_store_begin_label_set(f->store, &f->labels, NULL, &settings, err));
    assert_ok(slk_store_begin(f->store, err));
    for (size_t i = 0; i < facts.n; i++) {
        const slk_fact *fact = &facts.items[i];
        if (fact->split != SLK_SPLIT_DEV) put_category(f->store, f->labels, fact->id, (int)(i % 4));
    }
    assert_ok(slk_store_commit(f->store, err));
    slk_facts_release(&facts);
}

typedef struct made {
    slk_study_config config;
    slk_study_material material;
    slk_study_plan plan;
} made;

static void make(made *m, const fixture *f, const char *text)
{
    slk_buf buf = {0};
    slk_buf_addf(&buf, "model: m\nlabels: {id: 1}\n%s", text);
    assert_ok(slk_study_config_parse(&m->config, buf.data, buf.len, "s.yaml", err));
    assert_ok(slk_study_material_load(&m->material, f->store, &m->config, err));
    assert_ok(slk_study_material_label(&m->material, f->store, f->labels, err));
    assert_ok(slk_study_plan_make(&m->plan, &m->config, &m->material, err));
    slk_buf_release(&buf);
}

static void unmake(made *m)
{
    slk_study_plan_release(&m->plan);
    slk_study_material_release(&m->material);
    slk_study_config_release(&m->config);
}

static void refused(const fixture *f, const char *text, slk_status status, const char *message)
{
    made m = {0};
    slk_err err = {0};
    slk_status got = slk_study_config_parse(&m.config, text, strlen(text), "s.yaml", &err);
    if (got == SLK_OK) got = slk_study_material_load(&m.material, f->store, &m.config, &err);
    if (got == SLK_OK) got = slk_study_material_label(&m.material, f->store, f->labels, &err);
    if (got == SLK_OK) got = slk_study_plan_make(&m.plan, &m.config, &m.material, &err);
    if (got != status || !strstr(err.msg, message)) fail_msg("%s: %s, expected '%s'", text, err.msg, message);
    unmake(&m);
}

static void test_material(void **state)
{
    (void)state;
    fixture f;
    made m;
    open_study(&f, "material.db");
    make(&m, &f, "variants: {natural: true}\n");
    const slk_study_facts *sets = m.material.sets;
    assert_string_equal(m.material.set, "set");
    assert_int_equal(sets[SLK_SET_TRAIN].n, 3 * N_TRAIN);
    assert_int_equal(sets[SLK_SET_DEV].n, 2 * N_DEV); /* of the relations that are trained on */
    assert_int_equal(sets[SLK_SET_TEST].n, 2 * N_TEST);
    assert_int_equal(sets[SLK_SET_OOD].n, N_OOD);
    assert_int_equal(sets[SLK_SET_TRAIN].n_labelled, 3 * N_TRAIN);
    for (size_t i = 0; i < sets[SLK_SET_TRAIN].n; i++) assert_int_equal(sets[SLK_SET_TRAIN].categories[i], i % 4);
    assert_int_equal(sets[SLK_SET_DEV].categories[0], -1);
    for (size_t i = 0; i < sets[SLK_SET_OOD].n; i++) assert_true(sets[SLK_SET_OOD].items[i]->ood);
    const slk_fact **asked;
    size_t n;
    assert_ok(slk_study_material_asked(&m.material, &asked, &n, err));
    assert_int_equal(n, 3 * N_TRAIN + 2 * N_TEST + N_OOD);
    assert_ptr_equal(asked[0], sets[SLK_SET_TRAIN].items[0]);
    assert_ptr_equal(asked[n - 1], sets[SLK_SET_OOD].items[N_OOD - 1]);
    free(asked);
    unmake(&m);
    make(&m, &f, "variants: {natural: true}\ndata: {train: 20, dev: 2, test: 5, ood: 0, relations: [r0, r1, ro]}\n");
    assert_int_equal(m.material.sets[SLK_SET_TRAIN].n, 20);
    assert_int_equal(m.material.sets[SLK_SET_DEV].n, 2);
    assert_int_equal(m.material.sets[SLK_SET_TEST].n, 5);
    assert_int_equal(m.material.sets[SLK_SET_OOD].n, 0);
    unmake(&m);
    const char *tail = "model: m\nvariants: {natural: true}\nlabels: {id: 1}\n";
    char text[200];
    snprintf(text, sizeof text, "%sdata: {relations: [r0, r9]}\n", tail);
    refused(&f, text, SLK_E_NOT_FOUND, "s.yaml:4: data.relations: the set 'set' has no relation 'r9'");
    snprintf(text, sizeof text, "%sdata: {relations: [ro]}\n", tail);
    refused(&f, text, SLK_E_ARG, "s.yaml: data.train: the set 'set' has no such facts of these relations with a label");
    snprintf(text, sizeof text, "%sdata: {set: other}\n", tail);
    refused(&f, text, SLK_E_ARG, "s.yaml:3: labels.id: label set 1 is of the set 'set', not of 'other'");
    refused(&f, "model: m\nvariants: {natural: true}\ndata: {set: other}\n", SLK_E_NOT_FOUND, "s.yaml:3: data.set: ");
    refused(&f, "model: m\nvariants: {natural: true}\nlabels: {id: 7}\n", SLK_E_NOT_FOUND, "s.yaml:3: labels.id: ");
    slk_store_close(f.store);
}

static void test_runs(void **state)
{
    (void)state;
    fixture f;
    made m;
    char name[SLK_RUN_NAME_BYTES];
    open_study(&f, "runs.db");
    make(&m, &f,
         "variants: {unknown: [0, 12.5], known_of: [50], only: [MaybeKnown], natural: true, idk: [50]}\n"
         "seeds: [3, 7]\nlearning_rates: [1e-5, 0.002]\n");
    assert_int_equal(m.plan.n_variants, 6);
    assert_int_equal(m.plan.n_runs, 24);
    assert_int_equal(slk_study_plan_n_epochs(&m.plan), 24 * 50);
    static const char *const names[] = {"unknown-0/seed-3/lr-1e-05",   "unknown-12.5/seed-3/lr-1e-05",
                                        "known-of-50/seed-3/lr-1e-05", "only-MaybeKnown/seed-3/lr-1e-05",
                                        "natural/seed-3/lr-1e-05",     "idk-50/seed-3/lr-1e-05",
                                        "unknown-0/seed-3/lr-0.002"};
    for (size_t i = 0; i < 7; i++) assert_string_equal(slk_run_name(name, &m.plan.runs[i]), names[i]);
    assert_string_equal(slk_run_name(name, &m.plan.runs[12]), "unknown-0/seed-7/lr-1e-05");
    assert_true(m.plan.runs[1].unknown == 0.125 && m.plan.runs[3].unknown == -1 && m.plan.runs[5].unknown == 0.5);
    assert_string_equal(m.plan.runs[3].category, "MaybeKnown");
    assert_string_equal(m.plan.runs[2].kind, "known");
    /* Unknown: 10 of r0, 20 of r1; MaybeKnown: the same */
    assert_int_equal(m.plan.size, 30);
    assert_int_equal(m.plan.rule_size, 30);
    assert_int_equal(m.plan.n_left_out, 0);

    /* D: shares in each relation, the answer that idk teaches, and the same facts for the store. */
    size_t n_unknown[6] = {0}, n_all[6] = {0};
    for (size_t v = 0; v < 6; v++) {
        slk_study_examples d;
        assert_ok(slk_study_draw(&d, &m.plan, &m.plan.runs[v], err));
        n_all[v] = d.n;
        for (size_t i = 0; i < d.n; i++) {
            bool unknown = d.set[i].category == SLK_UNKNOWN, idk = v == 5 && unknown;
            assert_int_equal(d.items[i]->id, d.set[i].fact_id);
            assert_int_equal(d.set[i].idk, idk);
            assert_string_equal(d.items[i]->answers[0], idk ? "I don't know" : "an answer");
            assert_int_equal(d.items[i]->n_aliases, !idk);
            n_unknown[v] += unknown;
            if (v == 3) assert_int_equal(d.set[i].category, SLK_MAYBE_KNOWN);
        }
        slk_study_examples again; /* the same every time */
        assert_ok(slk_study_draw(&again, &m.plan, &m.plan.runs[v], err));
        for (size_t i = 0; i < d.n; i++) assert_int_equal(again.set[i].fact_id, d.set[i].fact_id);
        slk_study_examples_release(&again);
        slk_study_examples_release(&d);
    }
    assert_true(n_all[0] == 30 && n_unknown[0] == 0);
    assert_true(n_all[1] == 30 && n_unknown[1] == 3); /* 12.5% of 10 and of 20: 1.25 and 2.5, and a tie goes to Known */
    assert_true(n_all[2] == 15 && n_unknown[2] == 0);
    assert_true(n_all[3] == 30 && n_all[4] == 30);
    assert_true(n_all[5] == 30 && n_unknown[5] == 15);

    slk_study_examples a, b; /* another seed draws another D */
    size_t n_same = 0;
    assert_ok(slk_study_draw(&a, &m.plan, &m.plan.runs[0], err));
    assert_ok(slk_study_draw(&b, &m.plan, &m.plan.runs[12], err));
    for (size_t i = 0; i < a.n; i++) {
        for (size_t k = 0; k < b.n; k++) n_same += a.set[i].fact_id == b.set[k].fact_id;
    }
    assert_in_range(n_same, 1, 25);
    slk_study_examples_release(&a);
    slk_study_examples_release(&b);
    slk_study_run wrong = {.variant = "nothing"};
    assert_fails(slk_study_draw(&a, &m.plan, &wrong, err), SLK_E_ARG, "nothing");
    slk_study_examples_release(&a);
    unmake(&m);
    refused(&f, "model: m\nlabels: {id: 1}\nvariants: {unknown: [100]}\nsize: 60\n", SLK_E_ARG, "s.yaml:4: size: ");
    slk_store_close(f.store);
}

static void test_description(void **state)
{
    (void)state;
    fixture f;
    open_study(&f, "description.db");
    const char *base = "variants: {unknown: [0, 50]}\nepochs: 20\nevaluate: [5, 10]\n";
    static const struct {
        const char *text;
        bool same;
    } others[] = {
        {"variants: {unknown: [0, 50]}\nepochs: 20\nevaluate: [10, 5]\n", true},
        {"variants: {unknown: [0, 50]}\nepochs: 20\nevaluate: [5, 10]\nseeds: [4, 5]\nlearning_rates: [1e-4]\n", true},
        {"variants: {unknown: [25], idk: [50], known_of: [50], natural: true}\nepochs: 20\nevaluate: [5, 10]\n", true},
        {"variants: {unknown: [0, 50]}\nepochs: 20\nevaluate: [5, 10]\nname: b\njobs: 3\nkeep: best\ndurations: [7]\n",
         true},
        {"variants: {unknown: [0, 50]}\nepochs: 20\nevaluate: [5, 10]\ntraining: {batch: 128}\n", true},
        {"variants: {unknown: [0, 50], only: [MaybeKnown]}\nepochs: 20\nevaluate: [5, 10]\n", false},
        {"variants: {unknown: [0, 50]}\nepochs: 21\nevaluate: [5, 10]\n", false},
        {"variants: {unknown: [0, 50]}\nepochs: 20\nevaluate: [5]\n", false},
        {"variants: {unknown: [0, 50]}\nepochs: 20\nevaluate: [5, 10]\nevaluate_dev: [1, 2]\n", false},
        {"variants: {unknown: [0, 50]}\nepochs: 20\n", false},
        {"variants: {unknown: [0, 50]}\nepochs: 20\nevaluate: [5, 10]\nsize: 20\n", false},
        {"variants: {unknown: [0, 50]}\nepochs: 20\nevaluate: [5, 10]\npatience: 2\n", false},
        {"variants: {unknown: [0, 50]}\nepochs: 20\nevaluate: [5, 10]\ntraining: {batch: 64}\n", false},
        {"variants: {unknown: [0, 50]}\nepochs: 20\nevaluate: [5, 10]\ntraining: {lora_rank: 4}\n", false},
        {"variants: {unknown: [0, 50]}\nepochs: 20\nevaluate: [5, 10]\ndata: {train: 100}\n", false},
        {"variants: {unknown: [0, 50]}\nepochs: 20\nevaluate: [5, 10]\ndata: {test: 10}\n", false},
    };
    made m, o;
    make(&m, &f, base);
    assert_non_null(strstr(m.plan.description, "\"d\":{\"size\":0,\"pools\":[\"Unknown\",\"Known\"]}"));
    assert_string_equal(m.plan.shown, "{\"durations\":[]}");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        make(&o, &f, others[i].text);
        bool same = strcmp(m.plan.description, o.plan.description) == 0;
        if (same != others[i].same)
            fail_msg("%s: %s\n%s\n%s", others[i].text, same ? "the same" : "another", m.plan.description,
                     o.plan.description);
        unmake(&o);
    }
    unmake(&m);
    slk_store_close(f.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_material), cmocka_unit_test(test_runs),
                                       cmocka_unit_test(test_description)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_temp();
    return failed;
}
