/* The paper's claims, measured and judged. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/analysis.h"
#include "report/say.h"

#define MAX_FINDINGS 32

const char *slk_verdict_name(slk_verdict verdict)
{
    static const char *const names[] = {"reproduced", "not", "undecided"};
    return names[verdict];
}

slk_verdict slk_finding_judge(slk_side side, double bound, const slk_estimate *at)
{
    if (at->n == 0 || isnan(at->low) || isnan(at->high)) return SLK_UNDECIDED;
    const double same = SLK_REPORT_SAME_POINTS;
    switch (side) {
    case SLK_BELOW_ZERO:
        return at->high < 0 ? SLK_REPRODUCED : at->low > 0 ? SLK_NOT_REPRODUCED : SLK_UNDECIDED;
    case SLK_ABOVE_ZERO:
        return at->low > 0 ? SLK_REPRODUCED : at->high < 0 ? SLK_NOT_REPRODUCED : SLK_UNDECIDED;
    case SLK_NO_DIFFERENCE:
        if (at->low >= -same && at->high <= same) return SLK_REPRODUCED;
        return at->low > same || at->high < -same ? SLK_NOT_REPRODUCED : SLK_UNDECIDED;
    case SLK_BELOW_BOUND:
        return at->high <= bound ? SLK_REPRODUCED : at->low > bound ? SLK_NOT_REPRODUCED : SLK_UNDECIDED;
    }
    return SLK_UNDECIDED;
}

/* --- sentences -------------------------------------------------------------------------------------------------------
 */

typedef struct claim {
    const char *id;
    int item;
    const char *title, *unit;
    slk_side side;
    double bound, paper;
} claim;

static const char *tail_of(const slk_finding *f)
{
    if (isnan(f->at.low)) return "One seed: no interval, so no verdict.";
    switch (f->side) {
    case SLK_NO_DIFFERENCE:
        return f->verdict == SLK_REPRODUCED       ? "That is no difference (within 2 points), as in the paper."
               : f->verdict == SLK_NOT_REPRODUCED ? "That is a difference, unlike in the paper."
                                                  : "The interval reaches beyond 2 points and back: undecided.";
    case SLK_BELOW_BOUND:
        return f->verdict == SLK_REPRODUCED       ? "That is no more than in the paper."
               : f->verdict == SLK_NOT_REPRODUCED ? "That is more than in the paper."
                                                  : "The interval includes the paper's bound: undecided.";
    default:
        return f->verdict == SLK_REPRODUCED       ? "As in the paper."
               : f->verdict == SLK_NOT_REPRODUCED ? "That is the opposite of the paper."
                                                  : "The interval includes 0: undecided.";
    }
}

static void add_numbers(slk_buf *b, const slk_finding *f)
{
    bool with_sign = f->side != SLK_BELOW_BOUND;
    if (!isnan(f->at.low))
        slk_buf_addf(b, " (95%% interval %s", slk_say_interval(f->at.low, f->at.high, 1, with_sign).text);
    if (!isnan(f->paper)) {
        slk_buf_addf(b, "%s%s", isnan(f->at.low) ? " (" : "; ", "the paper: ");
        slk_buf_add_str(b, with_sign ? slk_say_signed(f->paper, 1).text : slk_say(f->paper, 1).text);
    }
    if (!isnan(f->at.low) || !isnan(f->paper)) slk_buf_add_str(b, ")");
    slk_buf_addf(b, ". %s", tail_of(f));
}

/* Add a finding. n_short: runs that do not count because they did not fit D. fmt: what was measured, without a full
 * stop; for a finding that was not, why. */
static bool add(slk_analysis *a, const claim *c, slk_estimate at, size_t n_short, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
static bool add(slk_analysis *a, const claim *c, slk_estimate at, size_t n_short, const char *fmt, ...)
{
    slk_finding *f = &a->findings[a->n_findings];
    *f = (slk_finding){.item = c->item,
                       .title = c->title,
                       .unit = c->unit,
                       .side = c->side,
                       .bound = c->bound,
                       .at = at,
                       .paper = c->paper};
    f->verdict = slk_finding_judge(c->side, c->bound, &at);
    bool first = a->ds->n_lrs == 0 || a->lr == a->ds->lrs[0];
    snprintf(f->id, sizeof f->id, first ? "%s" : "%s@lr=%s", c->id, slk_say_lr(a->lr).text);
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    slk_buf b = {0};
    if (at.n == 0) {
        slk_buf_addf(&b, "Not measured: %s.", text);
    } else {
        slk_buf_add_str(&b, text);
        add_numbers(&b, f);
    }
    if (n_short)
        slk_buf_addf(&b, " %zu run%s fitted less than 95%% of D and %s not count.", n_short, n_short == 1 ? "" : "s",
                     n_short == 1 ? "does" : "do");
    f->sentence = b.failed ? NULL : slk_arena_strndup(&a->arena, b.data, b.len);
    slk_buf_release(&b);
    a->n_findings++;
    return f->sentence != NULL;
}

static const char *more_or_less(double value, const char *more, const char *less)
{
    return value < 0 ? less : more;
}

static const char *plural(double value)
{
    return fabs(fabs(value) - 1) < 0.05 ? "point" : "points";
}

/* --- what is missing -------------------------------------------------------------------------------------------------
 */

static size_t short_runs(const slk_variant *v)
{
    size_t n = 0;
    for (size_t i = 0; v && i < v->n_runs; i++) n += !v->runs[i]->info->fitted;
    return n;
}

/* Why there is no value for these two (one may be the other, or NULL for a variant that was not run). */
static const char *why_missing(const slk_variant *x, const slk_variant *y, bool late, const char *not_run)
{
    if (!x || !y) return not_run;
    if (late && (short_runs(x) == x->n_runs || short_runs(y) == y->n_runs)) return "no run fitted 95% of its D";
    return "no seed was evaluated in both";
}

/* --- items 1 and 2 ---------------------------------------------------------------------------------------------------
 */

static const slk_duration EARLY = {.when = SLK_AT_EARLY}, LATE = {.when = SLK_AT_CONVERGENCE};
static const slk_metric TEST = {SLK_ACCURACY, SLK_SET_TEST, -1}, OOD = {SLK_ACCURACY, SLK_SET_OOD, -1};

static void difference(slk_by_seed *out, const slk_analysis *a, const slk_variant *x, slk_duration at_x,
                       const slk_variant *y, slk_duration at_y, slk_metric metric)
{
    slk_by_seed other;
    slk_measure_seeds(out, a->ds, x, at_x, metric);
    slk_measure_seeds(&other, a->ds, y, at_y, metric);
    slk_by_seed_subtract(out, out, &other);
}

static bool add_item1(slk_analysis *a)
{
    const slk_curve *curve = &a->test[0];
    bool two = curve->n >= 2;
    double least = two ? curve->points[0].unknown : NAN, most = two ? curve->points[curve->n - 1].unknown : NAN;
    const slk_variant *low = two ? slk_analysis_unknown(a, least) : NULL;
    const slk_variant *high = two ? slk_analysis_unknown(a, most) : NULL;
    size_t n_short = short_runs(low) + short_runs(high);
    const char *not_run = "fewer than two shares of Unknown are finished";
    slk_by_seed late, early;
    bool ok = true;
    for (int set = 0; set < 2; set++) {
        const claim c = {set ? "unknown-hurts-ood" : "unknown-hurts",
                         1,
                         set ? "They hurt on relations it was not trained on, too"
                             : "The more Unknown facts in training, the less the model knows",
                         "points",
                         SLK_BELOW_ZERO,
                         0,
                         set ? -6.0 : -14.0};
        difference(&late, a, high, LATE, low, LATE, set ? OOD : TEST);
        slk_estimate e = slk_estimate_mean(&late);
        const char *why = set && a->ds->sets[SLK_SET_OOD].n == 0 ? "the study has no out-of-distribution facts"
                                                                 : why_missing(low, high, true, not_run);
        ok = ok && (e.n == 0 ? add(a, &c, e, n_short, "%s", why)
                             : add(a, &c, e, n_short,
                                   "Trained to convergence on %s%% Unknown facts, the model answers %s %s %s of its %s "
                                   "questions rightly than on %s%%",
                                   slk_say(most, 0).text, slk_say(fabs(e.value), 1).text, plural(e.value),
                                   more_or_less(e.value, "more", "fewer"), set ? "out-of-distribution" : "test",
                                   slk_say(least, 0).text));
    }
    const claim c = {
        "longer-hurts-more", 1, "The longer the training, the more they hurt", "points", SLK_BELOW_ZERO, 0, NAN};
    difference(&late, a, high, LATE, low, LATE, TEST);
    difference(&early, a, high, EARLY, low, EARLY, TEST);
    slk_by_seed_subtract(&late, &late, &early);
    slk_estimate e = slk_estimate_mean(&late);
    if (!ok) return false;
    if (e.n == 0) return add(a, &c, e, n_short, "%s", why_missing(low, high, true, not_run));
    return add(a, &c, e, n_short,
               "From the early stop to convergence the gap between %s%% and %s%% Unknown facts %s by %s %s",
               slk_say(most, 0).text, slk_say(least, 0).text, more_or_less(e.value, "narrows", "widens"),
               slk_say(fabs(e.value), 1).text, plural(e.value));
}

/* Mean over all pairs of a seed: D - D_Known (0, 1: at EARLY_STOP, CONVERGENCE) or D_Known's own change (2). */
static slk_estimate over_pairs(const slk_analysis *a, int what, size_t *n_short, slk_buf *shares)
{
    slk_seed_means means = {0};
    *n_short = 0;
    for (size_t p = 0; p < a->n_pairs; p++) {
        slk_by_seed d;
        const slk_variant *with = slk_analysis_unknown(a, a->pairs[p].unknown);
        const slk_variant *without =
            slk_variant_find(a->variants, a->n_variants, "known", a->pairs[p].unknown / 100, "");
        if (what == 2)
            difference(&d, a, without, LATE, without, EARLY, TEST);
        else
            difference(&d, a, with, what ? LATE : EARLY, without, what ? LATE : EARLY, TEST);
        if (what == 1) *n_short += short_runs(with);
        if (what >= 1) *n_short += short_runs(without);
        slk_seed_means_add(&means, &d);
        if (d.n) slk_buf_addf(shares, "%s%s", shares->len ? ", " : "", slk_say(a->pairs[p].unknown, 0).text);
    }
    return slk_seed_means_finish(&means);
}

static bool add_item2(slk_analysis *a)
{
    static const claim claims[3] = {
        {"unknown-neutral-early", 2, "Stopped early, they are harmless", "points", SLK_NO_DIFFERENCE, 0, NAN},
        {"unknown-harmful-late", 2, "Trained to the end, they are harmful", "points", SLK_BELOW_ZERO, 0, NAN},
        {"known-barely-overfits", 2, "Without them, long training costs little", "points", SLK_NO_DIFFERENCE, 0, NAN},
    };
    bool ok = true;
    for (int k = 0; k < 3 && ok; k++) {
        size_t n_short;
        slk_buf shares = {0};
        slk_estimate e = over_pairs(a, k, &n_short, &shares);
        const char *at = shares.data ? shares.data : "";
        if (e.n == 0)
            ok = add(a, &claims[k], e, n_short, "%s",
                     a->n_pairs ? "no pair of D and D_Known has a seed that counts"
                                : "no D_Known beside its D is finished");
        else if (k == 2)
            ok = add(a, &claims[k], e, n_short,
                     "From the early stop to convergence, D (%s%% Unknown) without its Unknown facts %s %s %s of test "
                     "accuracy",
                     at, more_or_less(e.value, "gains", "loses"), slk_say(fabs(e.value), 1).text, plural(e.value));
        else
            ok = add(a, &claims[k], e, n_short,
                     "At %s, D (%s%% Unknown, on average) is %s %s %s than the same D without its Unknown facts",
                     k ? "convergence" : "the early stop", at, slk_say(fabs(e.value), 1).text, plural(e.value),
                     more_or_less(e.value, "better", "worse"));
        slk_buf_release(&shares);
    }
    return ok;
}

/* --- item 3 ----------------------------------------------------------------------------------------------------------
 */

/* Known less Unknown that are fitted at EARLY_STOP, mean over the mixed variants of a seed. */
static slk_estimate early_gap(const slk_analysis *a)
{
    slk_seed_means means = {0};
    for (size_t i = 0; i < a->n_fits; i++) {
        const slk_variant *v = slk_analysis_unknown(a, a->fits[i].unknown);
        slk_by_seed x, y;
        slk_measure_seeds(&x, a->ds, v, EARLY, (slk_metric){SLK_FITTED_KNOWN, SLK_SET_TRAIN, -1});
        slk_measure_seeds(&y, a->ds, v, EARLY, (slk_metric){SLK_FITTED_UNKNOWN, SLK_SET_TRAIN, -1});
        slk_by_seed_subtract(&x, &x, &y);
        slk_seed_means_add(&means, &x);
    }
    return slk_seed_means_finish(&means);
}

static bool add_item3(slk_analysis *a)
{
    const claim gap = {"unknown-fitted-slowly",
                       3,
                       "At the best moment to stop, few Unknown facts are learned",
                       "points",
                       SLK_ABOVE_ZERO,
                       0,
                       NAN};
    const claim later = {
        "unknown-fitted-later", 3, "Unknown facts are learned later", "epochs", SLK_ABOVE_ZERO, 0, NAN};
    const char *why = "no D with both Known and Unknown facts is finished";
    slk_estimate e = early_gap(a);
    bool ok =
        e.n == 0
            ? add(a, &gap, e, 0, "%s", why)
            : add(a, &gap, e, 0,
                  "At the early stop the share of training facts that is fitted is %s %s %s among Known than among "
                  "Unknown ones",
                  slk_say(fabs(e.value), 1).text, plural(e.value), more_or_less(e.value, "higher", "lower"));
    if (!ok) return false;
    e = a->half_fitted_gap;
    if (e.n == 0) return add(a, &later, e, 0, "%s", a->half ? "some half of Known facts is never fitted" : why);
    return add(a, &later, e, 0, "Half of the Unknown facts are fitted %s%s epochs %s half of the Known ones",
               a->half_fitted_at_least ? "at least " : "", slk_say(fabs(e.value), 1).text,
               more_or_less(e.value, "after", "before"));
}

/* --- item 4 ----------------------------------------------------------------------------------------------------------
 */

static bool add_item4(slk_analysis *a)
{
    static const claim claims[4] = {
        {"b-known-positive", 4, "Each fitted Known fact helps", "points", SLK_ABOVE_ZERO, 0, 7.3},
        {"b-unknown-negative", 4, "Each fitted Unknown fact hurts", "points", SLK_BELOW_ZERO, 0, -8.3},
        {"b-known-positive-ood", 4, "Each fitted Known fact helps out of distribution, too", "points", SLK_ABOVE_ZERO,
         0, 3.2},
        {"b-unknown-negative-ood", 4, "Each fitted Unknown fact hurts out of distribution, too", "points",
         SLK_BELOW_ZERO, 0, -3.0},
    };
    bool ok = true;
    for (int k = 0; k < 4 && ok; k++) {
        const slk_linear *m = &a->linear[k / 2];
        slk_estimate e = m->claim[k % 2 ? SLK_B_UNKNOWN : SLK_B_KNOWN];
        if (e.n == 0) {
            ok = add(a, &claims[k], e, 0, "%s", *m->why ? m->why : "the linear model is not determined");
            continue;
        }
        ok = add(a, &claims[k], e, 0,
                 "In the linear model, %s accuracy %s by %s %s as the fitted %s facts go from none to all of D",
                 k / 2 ? "out-of-distribution" : "test", more_or_less(e.value, "rises", "falls"),
                 slk_say(fabs(e.value), 1).text, plural(e.value), k % 2 ? "Unknown" : "Known");
    }
    return ok;
}

/* --- item 5 ----------------------------------------------------------------------------------------------------------
 */

static const slk_variant *only(const slk_analysis *a, slk_category category)
{
    return slk_variant_find(a->variants, a->n_variants, "only", -1, slk_category_name(category));
}

static bool add_item5(slk_analysis *a)
{
    static const claim claims[4] = {
        {"maybe-known-best", 5, "MaybeKnown examples teach more than HighlyKnown", "points", SLK_ABOVE_ZERO, 0, 3.1},
        {"maybe-known-best-late", 5, "\xE2\x80\xA6 also when trained to the end", "points", SLK_ABOVE_ZERO, 0, 3.2},
        {"maybe-known-helps-its-kind", 5, "\xE2\x80\xA6 above all about MaybeKnown facts", "points", SLK_ABOVE_ZERO, 0,
         9.8},
        {"unknown-only-overfits", 5, "Training on Unknown alone ruins what was known", "points", SLK_BELOW_ZERO, 0,
         -11.7},
    };
    const slk_variant *maybe = only(a, SLK_MAYBE_KNOWN), *highly = only(a, SLK_HIGHLY_KNOWN);
    const slk_variant *unknown = only(a, SLK_UNKNOWN);
    const char *not_run = "D_MaybeKnown and D_HighlyKnown are not both finished";
    bool ok = true;
    for (int k = 0; k < 3 && ok; k++) {
        bool late = k == 1;
        slk_metric metric = {SLK_ACCURACY, SLK_SET_TEST, k == 2 ? SLK_MAYBE_KNOWN : -1};
        slk_by_seed d;
        difference(&d, a, maybe, late ? LATE : EARLY, highly, late ? LATE : EARLY, metric);
        slk_estimate e = slk_estimate_mean(&d);
        size_t n_short = late ? short_runs(maybe) + short_runs(highly) : 0;
        ok = e.n == 0
                 ? add(a, &claims[k], e, n_short, "%s", why_missing(maybe, highly, late, not_run))
                 : add(a, &claims[k], e, n_short,
                       "At %s, training on MaybeKnown facts alone gives %s %s %s %s than training on HighlyKnown ones",
                       late ? "convergence" : "the early stop", slk_say(fabs(e.value), 1).text, plural(e.value),
                       more_or_less(e.value, "more", "less"),
                       k == 2 ? "accuracy on MaybeKnown test facts" : "test accuracy");
    }
    if (!ok) return false;
    slk_by_seed d;
    difference(&d, a, unknown, LATE, unknown, EARLY, TEST);
    slk_estimate e = slk_estimate_mean(&d);
    if (e.n == 0)
        return add(a, &claims[3], e, short_runs(unknown), "%s",
                   why_missing(unknown, unknown, true, "D_Unknown is not finished"));
    return add(a, &claims[3], e, short_runs(unknown),
               "Trained on Unknown facts alone, the model %s %s %s from the early stop to convergence",
               more_or_less(e.value, "gains", "loses"), slk_say(fabs(e.value), 1).text, plural(e.value));
}

/* --- items 6 and 7 ---------------------------------------------------------------------------------------------------
 */

static bool add_item6(slk_analysis *a)
{
    static const claim claims[3] = {
        {"idk-better-answers", 6, "\xE2\x80\x9CI don\xE2\x80\x99t know\xE2\x80\x9D makes the remaining answers better",
         "points", SLK_ABOVE_ZERO, 0, 18.8},
        {"idk-better-answers-late", 6, "\xE2\x80\xA6 also when trained to the end", "points", SLK_ABOVE_ZERO, 0, 23.0},
        {"idk-no-overfitting", 6, "\xE2\x80\xA6 and they stay as good", "points", SLK_NO_DIFFERENCE, 0, 0.0},
    };
    const slk_idk *t = &a->idk;
    bool ok = true;
    for (int k = 0; k < 3 && ok; k++) {
        slk_estimate e = k < 2 ? t->gain[k] : t->late[1];
        size_t n_short = k ? t->n_short : 0;
        if (e.n == 0)
            ok = add(a, &claims[k], e, n_short, "%s",
                     !t->is_there      ? "no D_IDK is finished"
                     : k && t->n_short ? "no run that counts fitted 95% of its D"
                     : k < 2           ? "the D beside D_IDK is not finished"
                                       : "D_IDK was not evaluated");
        else if (k < 2)
            ok = add(a, &claims[k], e, n_short,
                     "At %s, of the questions it answers the model trained to say \xE2\x80\x9CI don\xE2\x80\x99t "
                     "know\xE2\x80\x9D gets %s %s %s right than plain D; it answers %s%%",
                     k ? "convergence" : "the early stop", slk_say(fabs(e.value), 1).text, plural(e.value),
                     more_or_less(e.value, "more", "fewer"), slk_say(t->answered[1][k].value, 1).text);
        else
            ok = add(a, &claims[k], e, n_short,
                     "From the early stop to convergence, its accuracy on answered questions %s by %s %s",
                     more_or_less(e.value, "rises", "falls"), slk_say(fabs(e.value), 1).text, plural(e.value));
    }
    return ok;
}

static bool add_item7(slk_analysis *a)
{
    const claim below = {"slick-below-p-true",
                         7,
                         "SliCK finds what the model does not know better than P(True)",
                         "points",
                         SLK_BELOW_ZERO,
                         0,
                         NAN};
    const claim bound = {"unknown-stays-unanswered",
                         7,
                         "Unknown questions stay unanswered, whatever it is trained on",
                         "%",
                         SLK_BELOW_BOUND,
                         3.2,
                         3.2};
    const slk_threshold *t = &a->threshold;
    slk_estimate e = t->below;
    bool ok = e.n == 0
                  ? add(a, &below, e, 0, "%s",
                        !a->ds->has_p_true ? "P(True) was not measured"
                        : t->is_there      ? "no test fact is Unknown"
                                           : "D_Natural is not finished")
                  : add(a, &below, e, 0,
                        "After training on D_Natural, accuracy on SliCK\xE2\x80\x99s Unknown test facts is %s %s %s "
                        "than on as many facts of lowest P(True)",
                        slk_say(fabs(e.value), 1).text, plural(e.value), more_or_less(e.value, "higher", "lower"));
    if (!ok) return false;
    const slk_table2_row *most = NULL;
    int late_most = 0;
    e = slk_estimate_none();
    for (int row = 0; row < SLK_TABLE2_ROWS; row++) {
        for (int late = 0; late < 2; late++) {
            const slk_estimate *at = &a->table2[row].cells[late][1 + SLK_UNKNOWN].at;
            if (at->n == 0 || at->value <= e.value) continue;
            e = *at;
            most = &a->table2[row];
            late_most = late;
        }
    }
    if (!most) return add(a, &bound, e, 0, "no single-category D is finished");
    if (e.facts_only) e.low = e.high = NAN;
    return add(a, &bound, e, 0, "Of Unknown test questions at most %s%% are answered rightly, by %s at %s",
               slk_say(e.value, 1).text, most->name, late_most ? "convergence" : "the early stop");
}

slk_status slk_analyse_findings(slk_analysis *a, slk_err *err)
{
    a->findings = slk_arena_alloc(&a->arena, MAX_FINDINGS, sizeof *a->findings);
    bool ok = a->findings && add_item1(a) && add_item2(a) && add_item3(a) && add_item4(a) && add_item5(a) &&
              add_item6(a) && add_item7(a);
    return ok ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "report: out of memory");
}
