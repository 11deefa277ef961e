/* Labels against exposures that were put in: counts, intervals and words of the report's ground truth. */
#include "scratch.h"

#include <math.h>

#include "base/mem.h"
#include "report/figure.h"
#include "report/report.h"
#include "report/tables.h"
#include "stats/stats.h"
#include "support/synthetic_study.h"

static slk_store *store;
static slk_report plain; /* the same study without exposures: what the table is made from */

static int open_study(void **state)
{
    if (make_folder(state)) return -1;
    synthetic_options o = synthetic_defaults();
    o.n_train = 60;
    o.n_dev = 16;
    o.n_test = 80;
    o.d_per_relation = 12;
    o.stride = 10;
    slk_err err = {0};
    int64_t id;
    if (synthetic_write(scratch("s.db"), &o, &id, &err) ||
        slk_store_open(&store, scratch("s.db"), SLK_STORE_READ, &err) || slk_report_load(&plain, store, id, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        return -1;
    }
    return 0;
}

static int close_study(void **state)
{
    slk_report_release(&plain);
    slk_store_close(store);
    for (const char *const *name = (const char *const[]){"s.db", "s.db-wal", "s.db-shm", NULL}; *name; name++)
        unlink(scratch(*name));
    return remove_folder(state);
}

#define HEAD                                                                                                           \
    "question\tanswer\trelation\tsplit\tkind\tlist_right\tlist_wrong\ttext_right\ttext_wrong\tinstruct\twrong\n"

/* What a fact is said to have been exposed to: by its place, so that no kind is all of one category. */
typedef struct exposed {
    const char *kind;
    int list_right, list_wrong, text_right, text_wrong, instruct;
} exposed;
static const exposed KINDS[] = {
    {"none", 0, 0, 0, 0, 0},     {"clean", 2, 0, 1, 0, 1}, {"faint", 0, 0, 1, 0, 0},
    {"minority", 1, 2, 1, 1, 0}, {"wrong", 0, 2, 0, 1, 0},
};
enum { N_KINDS = sizeof KINDS / sizeof *KINDS };

static const exposed *kind_of(size_t i)
{
    return &KINDS[i * 7 % 11 % N_KINDS];
}

/* Every fact but each 13th has a row. */
static bool has_row(size_t i)
{
    return i % 13 != 0;
}

static void add_table(slk_buf *b)
{
    slk_buf_add_str(b, HEAD);
    for (size_t i = plain.ds.n_facts; i-- > 0;) { /* in another order than the facts have */
        const slk_report_fact *f = &plain.ds.facts[i];
        const exposed *e = kind_of(i);
        if (has_row(i))
            slk_buf_addf(b, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t\n", f->question, f->answer, f->relation,
                         slk_split_name(f->split), e->kind, e->list_right, e->list_wrong, e->text_right, e->text_wrong,
                         e->instruct);
    }
    assert_false(b->failed);
}

static slk_status load(slk_report *r, const char *text, slk_err *err)
{
    const slk_exposure_table table = {"t.tsv", text, strlen(text)};
    return slk_report_load_exposed(r, store, 0, &table, err);
}

static bool counts(size_t i)
{
    const slk_report_fact *f = &plain.ds.facts[i];
    return has_row(i) && f->category_by_n && f->category >= 0;
}

static bool is_exposed(size_t i)
{
    const exposed *e = kind_of(i);
    return e->list_right + e->text_right + e->instruct > 0;
}

static void assert_share(const slk_estimate *e, size_t k, size_t n)
{
    assert_true(n > 0 && e->n == 1);
    slk_interval w = slk_stats_wilson(k, n, 0.95);
    assert_true(fabs(e->value - 100.0 * (double)k / (double)n) < 1e-9);
    assert_true(fabs(e->low - 100 * w.low) < 1e-9 && fabs(e->high - 100 * w.high) < 1e-9);
}

static void test_counts(void **state)
{
    (void)state;
    slk_buf b = {0};
    slk_err err = {0};
    slk_report r;
    add_table(&b);
    if (load(&r, b.data, &err) != SLK_OK) fail_msg("%s", err.msg);
    const slk_truth *t = &r.by_lr->truth;
    assert_true(t->is_there);
    assert_int_equal(t->n_kinds, N_KINDS);
    for (size_t k = 0; k < t->n_kinds; k++) {
        uint32_t n[SLK_N_CATEGORIES] = {0};
        for (size_t i = 0; i < plain.ds.n_facts; i++) {
            if (counts(i) && strcmp(kind_of(i)->kind, t->kinds[k].name) == 0) n[plain.ds.facts[i].category]++;
        }
        assert_memory_equal(n, t->kinds[k].n, sizeof n);
    }
    /* never (none and wrong), 1 (faint), 2 (minority), 4 (clean) */
    static const char *const names[] = {"never", "1", "2", "4"};
    assert_int_equal(t->n_seen, 4);
    for (size_t k = 0; k < 4; k++) assert_string_equal(t->seen[k].name, names[k]);
    size_t n_never = 0, never_known = 0, n_seen = 0, seen_unknown = 0, n_clean = 0, clean_unknown = 0;
    for (size_t i = 0; i < plain.ds.n_facts; i++) {
        if (!counts(i)) continue;
        bool unknown = plain.ds.facts[i].category == SLK_UNKNOWN;
        bool clean = kind_of(i)->list_wrong + kind_of(i)->text_wrong == 0;
        n_never += !is_exposed(i);
        never_known += !is_exposed(i) && !unknown;
        n_seen += is_exposed(i);
        seen_unknown += is_exposed(i) && unknown;
        n_clean += is_exposed(i) && clean;
        clean_unknown += is_exposed(i) && clean && unknown;
    }
    assert_int_equal(t->n_never, n_never);
    assert_int_equal(t->n_exposed, n_seen);
    assert_share(&t->never_known, never_known, n_never);
    assert_share(&t->seen_unknown, seen_unknown, n_seen);
    assert_share(&t->undisputed_unknown, clean_unknown, n_clean);
    assert_share(&t->disputed_unknown, seen_unknown - clean_unknown, n_seen - n_clean);
    slk_report_release(&r);
    slk_buf_release(&b);
}

/* The last step has everything; a step before has the category by so many prompts. */
static void test_steps(void **state)
{
    (void)state;
    slk_buf b = {0};
    slk_err err = {0};
    slk_report r;
    add_table(&b);
    if (load(&r, b.data, &err) != SLK_OK) fail_msg("%s", err.msg);
    const slk_truth *t = &r.by_lr->truth;
    assert_int_equal(t->n_by_prompts, 10);
    static const unsigned samples[] = {0, 1, 2, 4, 8, 16};
    assert_int_equal(t->n_by_samples, 6);
    for (size_t i = 0; i < 6; i++) assert_int_equal(t->by_samples[i].n, samples[i]);
    for (size_t step = 0; step < 10; step++) {
        size_t n = 0, known = 0;
        for (size_t i = 0; i < plain.ds.n_facts; i++) {
            if (!counts(i) || is_exposed(i)) continue;
            n++;
            known += plain.ds.facts[i].category_by_n[step] != SLK_UNKNOWN;
        }
        assert_int_equal(t->by_prompts[step].n, step + 1);
        assert_share(&t->by_prompts[step].never_known, known, n);
    }
    assert_true(t->by_prompts[9].never_known.value == t->never_known.value);
    assert_true(t->by_samples[5].never_known.value == t->never_known.value);
    assert_true(t->by_samples[5].seen_unknown.value == t->seen_unknown.value);
    /* More samples only find more. */
    for (size_t i = 1; i < 6; i++) {
        assert_true(t->by_samples[i].never_known.value >= t->by_samples[i - 1].never_known.value);
        assert_true(t->by_samples[i].seen_unknown.value <= t->by_samples[i - 1].seen_unknown.value);
    }
    assert_true(t->by_samples[0].seen_unknown.value > t->by_samples[5].seen_unknown.value);
    slk_report_release(&r);
    slk_buf_release(&b);
}

static void test_guessing(void **state)
{
    (void)state;
    slk_buf b = {0};
    slk_err err = {0};
    slk_report r;
    add_table(&b);
    if (load(&r, b.data, &err) != SLK_OK) fail_msg("%s", err.msg);
    const slk_truth *t = &r.by_lr->truth;
    assert_int_equal(t->n_relations, 12);
    size_t n_never = 0;
    for (size_t k = 0; k < t->n_relations; k++) {
        const slk_truth_relation *rel = &t->relations[k];
        size_t n = 0, n_dev = 0, most = 0, frequent = 0, hits = 0;
        double right = 0;
        for (size_t i = 0; i < plain.ds.n_facts; i++) {
            const slk_report_fact *f = &plain.ds.facts[i];
            if (strcmp(f->relation, rel->relation) != 0) continue;
            if (f->split == SLK_SPLIT_DEV) {
                size_t same = 0;
                for (size_t j = 0; j < plain.ds.n_facts; j++) {
                    const slk_report_fact *g = &plain.ds.facts[j];
                    same += g->split == SLK_SPLIT_DEV && strcmp(g->relation, f->relation) == 0 &&
                            strcmp(g->answer, f->answer) == 0;
                }
                n_dev++;
                most = same > most ? same : most;
                frequent += strcmp(f->answer, rel->frequent) == 0;
            }
            if (!counts(i) || is_exposed(i)) continue;
            n++;
            hits += strcmp(f->answer, rel->frequent) == 0;
            right += f->p_greedy;
        }
        assert_int_equal(rel->n_dev, n_dev);
        assert_int_equal(rel->n_dev_frequent, most);
        assert_int_equal(rel->n_dev_frequent, frequent);
        assert_int_equal(rel->n_never, n);
        assert_int_equal(rel->n_never_frequent, hits);
        if (n) assert_true(fabs(rel->never_greedy - 100 * right / (double)n) < 1e-9);
        n_never += n;
    }
    assert_int_equal(n_never, t->n_never);
    slk_report_release(&r);
    slk_buf_release(&b);
}

/* The section, its figures and tables, and none of them without exposures. */
static void test_page(void **state)
{
    (void)state;
    slk_buf b = {0}, page = {0}, without = {0};
    slk_err err = {0};
    slk_report r;
    add_table(&b);
    if (load(&r, b.data, &err) != SLK_OK) fail_msg("%s", err.msg);
    slk_report_html(&page, &r);
    slk_report_html(&without, &plain);
    assert_false(page.failed || without.failed);
    assert_non_null(strstr(page.data, "<section id=\"truth\">"));
    assert_non_null(strstr(page.data, r.by_lr->truth.sentence));
    assert_non_null(strstr(r.by_lr->truth.sentence, "are called Known: their answers can be guessed"));
    assert_null(strstr(without.data, "id=\"truth\""));
    for (int f = SLK_FIGURE_TRUTH; f <= SLK_FIGURE_TRUTH_STEPS; f++) {
        slk_svg svg;
        assert_true(slk_figure_is_there(r.by_lr, (slk_figure)f));
        assert_false(slk_figure_is_there(plain.by_lr, (slk_figure)f));
        assert_int_equal(slk_figure_draw(&svg, r.by_lr, (slk_figure)f, SLK_FIGURE_NARROW, false, &err), SLK_OK);
        assert_null(strstr(svg.b.data, "nan"));
        slk_svg_release(&svg);
    }
    slk_grid g;
    assert_true(slk_table_is_there(r.by_lr, SLK_TABLE_TRUTH));
    assert_false(slk_table_is_there(plain.by_lr, SLK_TABLE_TRUTH));
    assert_int_equal(slk_table_make(&g, r.by_lr, SLK_TABLE_TRUTH, &err), SLK_OK);
    assert_int_equal(g.n_rows, N_KINDS + 4);
    slk_grid_release(&g);
    json_t *json = slk_report_findings(&r);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "ground_truth"), "never_exposed")),
                     r.by_lr->truth.n_never);
    json_decref(json);
    slk_report_release(&r);
    slk_buf_release(&b);
    slk_buf_release(&page);
    slk_buf_release(&without);
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {HEAD "Q?\tA\tP17\ttest\tnone\t0\t0\t0\tmany\t0\t\n",
         "t.tsv:2: text_wrong: 'many', expected a whole number up to 1000000"},
        {HEAD "Q?\tA\tP17\ttest\tnone\t0\t0\t0\t-1\t0\t\n", "t.tsv:2: text_wrong: '-1'"},
        {HEAD "Q?\tA\tP17\ttest\tnone\t\t0\t0\t0\t0\t\n", "t.tsv:2: list_right: ''"},
        {HEAD "Q?\tA\tP17\ttest\tnone\t0\n", "t.tsv:2: "},
        {"question\tanswer\tkind\nQ?\tA\tnone\n", "t.tsv:1: no column 'list_right'"},
        {HEAD "Q?\tA\tP17\ttest\tnone\t0\t0\t0\t0\t0\t\n", "t.tsv: none of its 1 facts is in the fact set"},
        {HEAD, "t.tsv"},
        {"", "t.tsv"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        slk_err err = {0};
        slk_report r;
        assert_int_not_equal(load(&r, cases[i].text, &err), SLK_OK);
        if (!strstr(err.msg, cases[i].message)) fail_msg("case %zu: %s", i, err.msg);
        slk_report_release(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts), cmocka_unit_test(test_steps),  cmocka_unit_test(test_guessing),
        cmocka_unit_test(test_page),   cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, open_study, close_study);
}
