#include "know/watch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const char *const NAMES[SLK_N_WATCHED] = {"train", "dev", "test", "ood"};

/* --- asking ------------------------------------------------------------------------------------------------------- */

static int category_of(const slk_watch_set *set, size_t i)
{
    return set->categories ? set->categories[i] : -1;
}

static void count(slk_watch_result *r, slk_watch_kind kind, int category, const slk_outcome *o)
{
    slk_tally_add(&r->all[kind], o);
    if (category < 0) return;
    slk_tally_add(&r->category[kind][category], o);
    if (kind != SLK_WATCH_TEST) return;
    r->n_lost += category == SLK_HIGHLY_KNOWN && !o->matched;
    r->n_gained += (category == SLK_WEAKLY_KNOWN || category == SLK_UNKNOWN) && o->matched;
}

/* Outcomes of the asked sets, one behind the other. */
static void count_all(slk_watch_result *r, const slk_watch_set *sets, const slk_outcome *outcomes)
{
    for (int k = 0; k < SLK_N_WATCHED; k++) {
        if (!r->asked[k]) continue;
        for (size_t i = 0; i < sets[k].n; i++) {
            count(r, (slk_watch_kind)k, category_of(&sets[k], i), &outcomes[i]);
            if (k == SLK_WATCH_TRAIN) r->fitted[i] = outcomes[i].matched;
        }
        outcomes += sets[k].n;
    }
}

slk_status slk_watch_run(slk_watch_result *out, const struct slk_model *model, const slk_watch_set *sets,
                         unsigned leave_out, const slk_evaluate_options *options, const slk_progress *progress,
                         slk_err *err)
{
    *out = (slk_watch_result){0};
    size_t n = 0;
    for (int k = 0; k < SLK_N_WATCHED; k++) {
        out->asked[k] = sets[k].n > 0 && !(leave_out >> k & 1);
        if (out->asked[k]) n += sets[k].n;
    }
    const slk_fact **facts = slk_alloc(n, sizeof *facts);
    slk_outcome *outcomes = slk_alloc_zero(n, sizeof *outcomes);
    if (out->asked[SLK_WATCH_TRAIN]) {
        out->n_fitted = sets[SLK_WATCH_TRAIN].n;
        out->fitted = slk_alloc_zero(out->n_fitted, sizeof *out->fitted);
    }
    bool memory = facts && outcomes && (out->fitted || out->n_fitted == 0);
    slk_status s = memory ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory");
    size_t at = 0;
    for (int k = 0; s == SLK_OK && k < SLK_N_WATCHED; k++) {
        if (!out->asked[k]) continue;
        memcpy(facts + at, sets[k].facts, sets[k].n * sizeof *facts);
        at += sets[k].n;
    }
    if (s == SLK_OK) s = slk_evaluate_run(model, facts, n, options, outcomes, progress, &out->stats, err);
    if (s == SLK_OK) count_all(out, sets, outcomes);
    if (outcomes) slk_outcomes_release(outcomes, n);
    free(outcomes);
    free(facts);
    if (s != SLK_OK) slk_watch_result_release(out);
    return s;
}

void slk_watch_result_release(slk_watch_result *r)
{
    if (!r) return;
    free(r->fitted);
    *r = (slk_watch_result){0};
}

slk_status slk_watch_check(const struct slk_model *model, const slk_watch_set *sets,
                           const slk_evaluate_options *options, slk_watch_kind *kind, size_t *bad, slk_err *err)
{
    slk_status s = SLK_OK;
    for (int k = 0; k < SLK_N_WATCHED && s == SLK_OK; k++) {
        if (kind) *kind = (slk_watch_kind)k;
        s = slk_evaluate_check(model, sets[k].facts, sets[k].n, options, bad, err);
    }
    return s;
}

slk_tally slk_watch_known(const slk_watch_result *r, slk_watch_kind kind)
{
    const slk_tally *c = r->category[kind];
    return slk_tally_sum(slk_tally_sum(c[SLK_HIGHLY_KNOWN], c[SLK_MAYBE_KNOWN]), c[SLK_WEAKLY_KNOWN]);
}

/* --- JSON --------------------------------------------------------------------------------------------------------- */

static json_t *share_json(double share)
{
    return isnan(share) ? json_null() : json_real(share);
}

/* Accuracies of a set and of its categories. */
static json_t *accuracies_json(const slk_watch_result *r, slk_watch_kind kind)
{
    json_t *o = json_object();
    int bad = json_object_set_new(o, "all", share_json(slk_tally_accuracy(&r->all[kind])));
    for (int c = 0; c < SLK_N_CATEGORIES; c++)
        bad |= json_object_set_new(o, slk_category_name((slk_category)c),
                                   share_json(slk_tally_accuracy(&r->category[kind][c])));
    if (!bad) return o;
    json_decref(o);
    return NULL;
}

/* Facts that were asked: a number, or for train and test one for each category, too. */
static json_t *counts_json(const slk_watch_result *r)
{
    json_t *o = json_object();
    int bad = 0;
    for (int k = 0; k < SLK_N_WATCHED; k++) {
        json_t *n = json_integer((json_int_t)r->all[k].n);
        if (k == SLK_WATCH_TRAIN || k == SLK_WATCH_TEST) {
            json_t *parts = json_pack("{s:o}", "all", n);
            for (int c = 0; c < SLK_N_CATEGORIES; c++)
                bad |= json_object_set_new(parts, slk_category_name((slk_category)c),
                                           json_integer((json_int_t)r->category[k][c].n));
            n = parts;
        }
        bad |= json_object_set_new(o, NAMES[k], n);
    }
    if (!bad) return o;
    json_decref(o);
    return NULL;
}

static json_t *answered_json(const slk_watch_result *r)
{
    json_t *o = json_object();
    int bad = 0;
    for (int k = SLK_WATCH_DEV; k < SLK_N_WATCHED; k++)
        bad |= json_object_set_new(o, NAMES[k],
                                   json_pack("{s:o, s:o}", "share", share_json(slk_tally_answered(&r->all[k])),
                                             "accuracy", share_json(slk_tally_answered_accuracy(&r->all[k]))));
    if (!bad) return o;
    json_decref(o);
    return NULL;
}

bool slk_watch_json(json_t *line, const slk_watch_result *r)
{
    const slk_tally *test = r->category[SLK_WATCH_TEST];
    size_t n_highly = test[SLK_HIGHLY_KNOWN].n, n_little = test[SLK_WEAKLY_KNOWN].n + test[SLK_UNKNOWN].n;
    int bad = json_object_set_new(line, "fitted", accuracies_json(r, SLK_WATCH_TRAIN));
    bad |= json_object_set_new(line, "dev", share_json(slk_tally_accuracy(&r->all[SLK_WATCH_DEV])));
    bad |= json_object_set_new(line, "test", accuracies_json(r, SLK_WATCH_TEST));
    bad |= json_object_set_new(line, "ood", share_json(slk_tally_accuracy(&r->all[SLK_WATCH_OOD])));
    bad |= json_object_set_new(line, "lost", n_highly ? json_integer((json_int_t)r->n_lost) : json_null());
    bad |= json_object_set_new(line, "gained", n_little ? json_integer((json_int_t)r->n_gained) : json_null());
    bad |= json_object_set_new(line, "refused",
                               n_highly ? json_integer((json_int_t)(n_highly - test[SLK_HIGHLY_KNOWN].n_answered))
                                        : json_null());
    bad |= json_object_set_new(line, "answered", answered_json(r));
    bad |= json_object_set_new(line, "n", counts_json(r));
    return !bad;
}
