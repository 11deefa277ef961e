/* What a report finds in studies whose effects are known (tests/support/synthetic_study.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "report/figure.h"
#include "report/report.h"
#include "support/synthetic_study.h"

/* A study made from options, loaded; the store is gone again. */
static void load(slk_report *report, const synthetic_options *o)
{
    char path[] = "/tmp/slick-report-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    slk_err err = {0};
    int64_t id = 0;
    if (synthetic_write(path, o, &id, &err) != SLK_OK) fail_msg("synthetic_write: %s", err.msg);
    slk_store *store;
    if (slk_store_open(&store, path, SLK_STORE_READ, &err) != SLK_OK) fail_msg("open: %s", err.msg);
    if (slk_report_load(report, store, 0, &err) != SLK_OK) fail_msg("load: %s", err.msg);
    assert_int_equal(report->ds.study.id, id);
    slk_store_close(store);
    for (const char *const *end = (const char *const[]){"", "-wal", "-shm", NULL}; *end; end++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s", path, *end);
        unlink(name);
    }
}

static const slk_finding *finding(const slk_report *r, const char *id)
{
    for (size_t i = 0; i < r->n; i++) {
        for (size_t k = 0; k < r->by_lr[i].n_findings; k++) {
            if (!strcmp(r->by_lr[i].findings[k].id, id)) return &r->by_lr[i].findings[k];
        }
    }
    fail_msg("no finding %s", id);
    return NULL;
}

static void assert_verdict(const slk_report *r, const char *id, slk_verdict verdict)
{
    const slk_finding *f = finding(r, id);
    if (f->verdict != verdict)
        fail_msg("%s is %s, expected %s: %s", id, slk_verdict_name(f->verdict), slk_verdict_name(verdict), f->sentence);
}

static void assert_says(const slk_report *r, const char *id, const char *text)
{
    const slk_finding *f = finding(r, id);
    if (!strstr(f->sentence, text)) fail_msg("%s does not say '%s': %s", id, text, f->sentence);
}

static void assert_near(const char *what, double value, double expected, double most)
{
    if (!(fabs(value - expected) <= most)) fail_msg("%s is %.3f, expected %.3f +- %.3f", what, value, expected, most);
}

/* --- effects that were put in come out
 * ---------------------------------------------------------------------------------- */

static void test_recovers(void **state)
{
    (void)state;
    synthetic_options o = synthetic_defaults();
    slk_report r;
    load(&r, &o);
    const slk_analysis *a = r.by_lr;
    assert_int_equal(a->n_runs, 39);
    assert_int_equal(a->n_done, 39);
    assert_int_equal(a->n_short, 0);
    assert_int_equal(a->n_seeds, 3);
    assert_int_equal(a->n_findings, 21);
    for (int set = 0; set < 2; set++) {
        const slk_linear *m = &a->linear[set];
        assert_true(m->is_fitted);
        assert_int_equal(m->n_rows, 15 * o.n_epochs);
        assert_int_equal(m->n_runs, 15);
        assert_string_equal(m->claim_by, "seeds");
        assert_true(m->r2 > (set ? 0.3 : 0.85));
        const double expected[SLK_N_B] = {set ? o.ood_b0 : o.b0, set ? o.ood_known : o.b_known,
                                          set ? o.ood_unknown : o.b_unknown};
        for (int b = 0; b < SLK_N_B; b++) {
            assert_near("coefficient", m->b[b], expected[b], b ? 1.2 : 2.5);
            if (!b) continue; /* b0 has the luck of the drawn facts in it */
            assert_true(m->claim[b].low < expected[b] && expected[b] < m->claim[b].high);
            /* Epochs of a run are not independent: the textbook's errors are too small. */
            assert_true(m->ols_high[b] - m->ols_low[b] < m->claim[b].high - m->claim[b].low);
            assert_true(m->boot_low[b] < m->b[b] && m->b[b] < m->boot_high[b]);
        }
    }
    /* From all Known to all Unknown both coefficients count. */
    assert_near("unknown-hurts", finding(&r, "unknown-hurts")->at.value, o.b_unknown - o.b_known, 2);
    assert_near("unknown-hurts-ood", finding(&r, "unknown-hurts-ood")->at.value, o.ood_unknown - o.ood_known, 2);
    /* D at 25, 50, 75%: half of D is Unknown on average. */
    assert_near("unknown-harmful-late", finding(&r, "unknown-harmful-late")->at.value, o.b_unknown / 2, 1);
    assert_near("maybe-known-best", finding(&r, "maybe-known-best")->at.value, o.maybe_bonus, 2);
    assert_near("unknown-fitted-later", finding(&r, "unknown-fitted-later")->at.value, o.unknown_half - o.known_half,
                1);
    static const char *const holds[] = {"unknown-hurts",         "unknown-hurts-ood",       "longer-hurts-more",
                                        "unknown-neutral-early", "unknown-harmful-late",    "known-barely-overfits",
                                        "unknown-fitted-slowly", "unknown-fitted-later",    "b-known-positive",
                                        "b-unknown-negative",    "b-known-positive-ood",    "b-unknown-negative-ood",
                                        "unknown-only-overfits", "idk-better-answers-late", "slick-below-p-true"};
    for (size_t i = 0; i < sizeof holds / sizeof *holds; i++) assert_verdict(&r, holds[i], SLK_REPRODUCED);
    assert_says(&r, "unknown-hurts", "points fewer");
    assert_says(&r, "unknown-hurts",
                "the paper: \xE2\x88\x92"
                "14.0");
    for (int f = 0; f < SLK_N_FIGURES; f++) /* what the model was exposed to is not known */
        assert_int_equal(slk_figure_is_there(a, (slk_figure)f), f < SLK_FIGURE_TRUTH);
    slk_report_release(&r);
}

/* The same machinery, the effects turned round: the verdicts turn, too. */
static void test_turned(void **state)
{
    (void)state;
    synthetic_options o = synthetic_defaults();
    o.b_known = -7;
    o.b_unknown = 8;
    o.ood_known = -3;
    o.ood_unknown = 3;
    o.maybe_bonus = -6;
    o.p_true_skill = 6; /* better than SliCK */
    o.known_half = 8;
    o.unknown_half = 1.8;
    slk_report r;
    load(&r, &o);
    static const char *const turned[] = {"unknown-hurts",        "unknown-hurts-ood",  "unknown-harmful-late",
                                         "b-known-positive",     "b-unknown-negative", "unknown-fitted-later",
                                         "maybe-known-best-late"};
    for (size_t i = 0; i < sizeof turned / sizeof *turned; i++) {
        assert_verdict(&r, turned[i], SLK_NOT_REPRODUCED);
        assert_says(&r, turned[i], "opposite of the paper");
    }
    assert_says(&r, "unknown-hurts", "points more");
    assert_says(&r, "b-unknown-negative", "rises by");
    slk_report_release(&r);
}

/* Nothing there: differences are none, and signs are not claimed. */
static void test_no_effect(void **state)
{
    (void)state;
    synthetic_options o = synthetic_defaults();
    o.b_known = o.b_unknown = o.ood_known = o.ood_unknown = o.maybe_bonus = 0;
    o.noise = 0.6;
    slk_report r;
    load(&r, &o);
    assert_verdict(&r, "unknown-hurts", SLK_UNDECIDED);
    assert_says(&r, "unknown-hurts", "includes 0: undecided");
    assert_verdict(&r, "unknown-harmful-late", SLK_UNDECIDED);
    assert_verdict(&r, "known-barely-overfits", SLK_REPRODUCED);
    slk_report_release(&r);
}

/* --- gaps
 * --------------------------------------------------------------------------------------------------------------- */

static synthetic_options small(void)
{
    synthetic_options o = synthetic_defaults();
    o.n_train = 80;
    o.n_dev = 20;
    o.n_test = 40;
    o.d_per_relation = 20;
    o.stride = 4;
    return o;
}

/* Of one seed nothing is known about other trainings: numbers without intervals, and no verdict. */
static void test_one_seed(void **state)
{
    (void)state;
    synthetic_options o = small();
    o.n_seeds = 1;
    slk_report r;
    load(&r, &o);
    const slk_analysis *a = r.by_lr;
    for (size_t i = 0; i < a->n_findings; i++) {
        const slk_finding *f = &a->findings[i];
        if (f->at.n == 0) fail_msg("%s: %s", f->id, f->sentence);
        assert_true(isnan(f->at.low) && isnan(f->at.high));
        assert_int_equal(f->verdict, SLK_UNDECIDED);
        assert_non_null(strstr(f->sentence, "One seed: no interval, so no verdict."));
    }
    const slk_estimate *e = &a->test[0].points[0].at; /* figures: the interval over facts */
    assert_true(e->facts_only && e->low < e->value && e->value < e->high);
    assert_string_equal(a->linear[0].claim_by, "");
    assert_true(isnan(a->linear[0].boot_low[1]));
    slk_report_release(&r);
}

/* Runs that did not fit D are no CONVERGENCE: left out where others remain, and no verdict where none does. */
static void test_short(void **state)
{
    (void)state;
    synthetic_options o = small();
    o.n_short = 1;
    slk_report r;
    load(&r, &o);
    const slk_analysis *a = r.by_lr;
    const slk_curve_point *p = &a->test[a->n_durations - 1].points[4];
    assert_near("share", p->unknown, 100, 0);
    assert_int_equal(a->n_short, 1);
    assert_int_equal(p->n_short, 1);
    assert_int_equal(p->at.n, 2);
    assert_int_equal(p->as_is.n, 3);
    assert_int_equal(finding(&r, "unknown-hurts")->at.n, 2);
    assert_says(&r, "unknown-hurts", "1 run fitted less than 95% of D and does not count.");
    assert_int_equal(a->test[0].points[4].at.n, 3); /* its early stop counts */
    slk_report_release(&r);

    o.n_short = 3;
    load(&r, &o);
    a = r.by_lr;
    p = &a->test[a->n_durations - 1].points[4];
    assert_int_equal(p->at.n, 0);
    assert_int_equal(p->as_is.n, 3);
    static const char *const gone[] = {"unknown-hurts", "unknown-hurts-ood", "longer-hurts-more",
                                       "unknown-only-overfits"};
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        assert_verdict(&r, gone[i], SLK_UNDECIDED);
        assert_int_equal(finding(&r, gone[i])->at.n, 0);
        assert_says(&r, gone[i], "Not measured: no run fitted 95% of its D.");
    }
    assert_int_equal(finding(&r, "unknown-harmful-late")->at.n, 3); /* does not need the variant of 100% */
    slk_svg svg;
    assert_int_equal(slk_figure_draw(&svg, a, SLK_FIGURE_3A, SLK_FIGURE_WIDE, false, NULL), SLK_OK);
    assert_non_null(strstr(svg.b.data, "class=\"ring c-late\""));
    assert_non_null(strstr(svg.b.data, "does not count: D is not fitted"));
    slk_svg_release(&svg);
    slk_report_release(&r);
}

/* Variants that were not run: every finding is there and says why it has no number. */
static void test_missing(void **state)
{
    (void)state;
    synthetic_options o = small();
    o.all_variants = false;
    o.p_true = false;
    slk_report r;
    load(&r, &o);
    const slk_analysis *a = r.by_lr;
    assert_int_equal(a->n_findings, 21);
    assert_says(&r, "unknown-neutral-early", "Not measured: no D_Known beside its D is finished.");
    assert_says(&r, "maybe-known-best", "Not measured: D_MaybeKnown and D_HighlyKnown are not both finished.");
    assert_says(&r, "idk-better-answers", "Not measured: no D_IDK is finished.");
    assert_says(&r, "slick-below-p-true", "Not measured: P(True) was not measured.");
    /* D_Unknown is the variant of 100% Unknown, by whichever name. */
    assert_int_equal(finding(&r, "unknown-only-overfits")->at.n, 3);
    assert_true(a->table2[SLK_UNKNOWN].is_there);
    assert_false(a->table2[SLK_MAYBE_KNOWN].is_there);
    assert_false(slk_figure_is_there(a, SLK_FIGURE_3B));
    assert_false(slk_figure_is_there(a, SLK_FIGURE_5));
    assert_false(slk_figure_is_there(a, SLK_FIGURE_T8));
    assert_true(slk_figure_is_there(a, SLK_FIGURE_3A));
    for (int items = 1; items <= 7; items++) {
        size_t n = 0;
        for (size_t i = 0; i < a->n_findings; i++) n += a->findings[i].item == items;
        assert_true(n >= 1);
    }
    slk_report_release(&r);
}

/* Failed and waiting runs count as what they are and change nothing else. */
static void test_unfinished(void **state)
{
    (void)state;
    synthetic_options o = small();
    o.n_failed = 2;
    o.n_waiting = 1;
    slk_report r;
    load(&r, &o);
    const slk_analysis *a = r.by_lr;
    assert_int_equal(a->n_runs, 39);
    assert_int_equal(a->n_done, 36);
    assert_int_equal(a->n_failed, 2);
    assert_says(&r, "idk-better-answers", "Not measured: no D_IDK is finished."); /* the last variant */
    assert_verdict(&r, "b-unknown-negative", SLK_REPRODUCED);
    slk_buf html = {0};
    slk_report_html(&html, &r);
    assert_false(html.failed);
    assert_non_null(strstr(html.data, "Of 39 runs 36 are finished"));
    assert_non_null(strstr(html.data, "no space on disk"));
    slk_buf_release(&html);
    slk_report_release(&r);

    o.n_failed = 0;
    o.n_waiting = 39; /* nothing is finished: a page that says so */
    load(&r, &o);
    assert_int_equal(r.by_lr->n_done, 0);
    for (size_t i = 0; i < r.by_lr->n_findings; i++) assert_int_equal(r.by_lr->findings[i].at.n, 0);
    slk_report_html(&html, &r);
    assert_false(html.failed);
    assert_non_null(strstr(html.data, "not enough runs yet"));
    slk_buf_release(&html);
    slk_report_release(&r);
}

/* A second learning rate is analysed by itself; its findings are told apart. */
static void test_two_rates(void **state)
{
    (void)state;
    synthetic_options o = small();
    o.n_lrs = 2;
    slk_report r;
    load(&r, &o);
    assert_int_equal(r.n, 2);
    assert_int_equal(r.by_lr[0].n_runs, 39);
    assert_int_equal(r.by_lr[1].n_runs, 39);
    assert_true(finding(&r, "unknown-fitted-later@lr=0.0001")->at.value <
                finding(&r, "unknown-fitted-later")->at.value);
    json_t *json = slk_report_findings(&r);
    assert_int_equal(json_array_size(json_object_get(json, "findings")), 42);
    json_decref(json);
    slk_report_release(&r);
}

/* --- parts of the analysis
 * ------------------------------------------------------------------------------------------------ */

static void test_dataset(void **state)
{
    (void)state;
    synthetic_options o = small();
    slk_report r;
    load(&r, &o);
    const slk_dataset *ds = &r.ds;
    assert_true(ds->has_p_true);
    assert_int_equal(ds->n_ex, 10);
    assert_int_equal(ds->sets[SLK_SET_TRAIN].n, 0);
    for (int set = SLK_SET_DEV; set < SLK_N_STUDY_SETS; set++) {
        uint32_t n = 0;
        for (int g = 0; g < SLK_REPORT_N_GROUPS; g++) n += ds->sets[set].n_in[g];
        assert_int_equal(n, ds->sets[set].n);
        assert_true(n > 100);
    }
    for (size_t i = 0; i < ds->n_facts; i++) {
        const slk_report_fact *f = &ds->facts[i];
        assert_int_equal(f->category_by_n[ds->n_ex - 1], f->category);
        assert_true((f->category == SLK_HIGHLY_KNOWN) == (f->p_greedy == 1));
        assert_true(f->n_seen <= SLK_REPORT_MAX_SEEN);
        for (size_t k = 1; k < f->n_seen; k++)
            assert_true(f->seen[k].n_greedy + f->seen[k].n_sampled <=
                        f->seen[k - 1].n_greedy + f->seen[k - 1].n_sampled);
    }
    /* Bits and counts agree. */
    const slk_report_run *run = &ds->runs[0];
    const slk_report_epoch *e = slk_report_find_epoch(run, run->info->last_epoch);
    uint32_t n = 0, counted = 0;
    for (size_t i = 0; i < ds->sets[SLK_SET_TEST].n; i++) n += slk_report_bit(e->right[SLK_SET_TEST], i);
    for (int g = 0; g < SLK_REPORT_N_GROUPS; g++) counted += e->n_right[SLK_SET_TEST][g];
    assert_int_equal(n, counted);
    assert_near("accuracy", slk_report_accuracy(ds, run, e, SLK_SET_TEST, -1),
                100.0 * n / (double)ds->sets[SLK_SET_TEST].n, 1e-12);
    assert_null(slk_report_find_epoch(run, 3)); /* evaluated every fourth */
    assert_true(r.by_lr->linear[0].weighted);   /* 1, 4, 8, ... */
    slk_report_release(&r);
}

static void test_threshold(void **state)
{
    (void)state;
    synthetic_options o = small();
    slk_report r;
    load(&r, &o);
    const slk_threshold *t = &r.by_lr->threshold;
    const slk_report_set *test = &r.ds.sets[SLK_SET_TEST];
    assert_int_equal(t->n_facts, test->n);
    assert_int_equal(t->n_runs, 3);
    assert_int_equal(t->n_slick, 10);
    /* More prompts find more that is known, so less is called Unknown; with all of them it is the Unknown facts. */
    for (size_t i = 1; i < t->n_slick; i++) assert_true(t->slick[i].share <= t->slick[i - 1].share);
    assert_near("share", t->slick[9].share, 100.0 * test->n_in[SLK_UNKNOWN] / (double)test->n, 1e-9);
    /* The line ends with all questions, so with the accuracy on all of them. */
    const slk_table2_row *natural = &r.by_lr->table2[SLK_N_CATEGORIES];
    assert_near("end of the line", t->line[t->n_line - 1].share, 100, 1e-9);
    assert_near("its accuracy", t->line[t->n_line - 1].accuracy, natural->cells[0][0].at.value, 1e-9);
    assert_near("SliCK", t->slick[9].accuracy, natural->cells[0][1 + SLK_UNKNOWN].at.value, 1e-9);
    for (size_t i = 1; i < t->n_line; i++) assert_true(t->line[i].share > t->line[i - 1].share);
    slk_report_release(&r);
}

static void test_table2(void **state)
{
    (void)state;
    synthetic_options o = synthetic_defaults();
    o.maybe_bonus = 8;
    slk_report r;
    load(&r, &o);
    const slk_analysis *a = r.by_lr;
    for (int late = 0; late < 2; late++) {
        for (int c = 0; c < SLK_TABLE2_COLUMNS; c++) {
            int n_best = 0;
            for (int row = 0; row < SLK_TABLE2_ROWS; row++) {
                const slk_cell *cell = &a->table2[row].cells[late][c];
                n_best += cell->is_best;
                assert_true(isnan(cell->p_best) == cell->is_best);
                assert_true(late ? cell->p_early >= 0 && cell->p_early <= 1 : isnan(cell->p_early));
            }
            assert_int_equal(n_best, 1);
        }
        assert_true(a->table2[SLK_MAYBE_KNOWN].cells[late][0].is_best);
        assert_true(a->table2[SLK_UNKNOWN].cells[late][0].p_best < 0.01);
    }
    assert_true(a->table2[SLK_UNKNOWN].cells[1][0].p_early < 0.01);      /* loses 8 points */
    assert_true(a->table2[SLK_HIGHLY_KNOWN].cells[1][0].p_early > 0.01); /* stays */
    slk_report_release(&r);
}

/* The verdict follows from the interval alone. */
static void test_judge(void **state)
{
    (void)state;
    const struct {
        slk_side side;
        double low, high;
        slk_verdict verdict;
    } cases[] = {
        {SLK_BELOW_ZERO, -3, -0.1, SLK_REPRODUCED},      {SLK_BELOW_ZERO, -3, 0, SLK_UNDECIDED},
        {SLK_BELOW_ZERO, 0.1, 3, SLK_NOT_REPRODUCED},    {SLK_BELOW_ZERO, -3, 3, SLK_UNDECIDED},
        {SLK_ABOVE_ZERO, 0.1, 3, SLK_REPRODUCED},        {SLK_ABOVE_ZERO, -3, -0.1, SLK_NOT_REPRODUCED},
        {SLK_ABOVE_ZERO, 0, 3, SLK_UNDECIDED},           {SLK_NO_DIFFERENCE, -2, 2, SLK_REPRODUCED},
        {SLK_NO_DIFFERENCE, 0.5, 1.9, SLK_REPRODUCED},   {SLK_NO_DIFFERENCE, -1, 2.1, SLK_UNDECIDED},
        {SLK_NO_DIFFERENCE, 2.1, 9, SLK_NOT_REPRODUCED}, {SLK_NO_DIFFERENCE, -9, -2.1, SLK_NOT_REPRODUCED},
        {SLK_NO_DIFFERENCE, -9, 9, SLK_UNDECIDED},       {SLK_BELOW_BOUND, 0, 3.2, SLK_REPRODUCED},
        {SLK_BELOW_BOUND, 3.3, 5, SLK_NOT_REPRODUCED},   {SLK_BELOW_BOUND, 1, 4, SLK_UNDECIDED},
        {SLK_BELOW_ZERO, NAN, NAN, SLK_UNDECIDED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        slk_estimate e = {3, (cases[i].low + cases[i].high) / 2, cases[i].low, cases[i].high, false};
        if (slk_finding_judge(cases[i].side, 3.2, &e) != cases[i].verdict) fail_msg("case %zu", i);
    }
    slk_estimate none = slk_estimate_none();
    assert_int_equal(slk_finding_judge(SLK_BELOW_ZERO, 0, &none), SLK_UNDECIDED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judge),     cmocka_unit_test(test_recovers),   cmocka_unit_test(test_turned),
        cmocka_unit_test(test_no_effect), cmocka_unit_test(test_one_seed),   cmocka_unit_test(test_short),
        cmocka_unit_test(test_missing),   cmocka_unit_test(test_unfinished), cmocka_unit_test(test_two_rates),
        cmocka_unit_test(test_dataset),   cmocka_unit_test(test_threshold),  cmocka_unit_test(test_table2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
