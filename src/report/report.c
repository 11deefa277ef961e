#include "report/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

slk_status slk_report_load(slk_report *out, slk_store *store, int64_t id, slk_err *err)
{
    return slk_report_load_exposed(out, store, id, NULL, err);
}

slk_status slk_report_load_exposed(slk_report *out, slk_store *store, int64_t id, const slk_exposure_table *exposure,
                                   slk_err *err)
{
    *out = (slk_report){.n = 0};
    slk_status s = slk_dataset_load(&out->ds, store, id, err);
    if (s == SLK_OK && exposure) s = slk_exposure_load(&out->ds, exposure, err);
    if (s != SLK_OK) return s;
    if (out->ds.n_runs == 0)
        return slk_fail(err, SLK_E_NOT_FOUND, "%s: study %" PRId64 " has no runs yet", slk_store_path(store),
                        out->ds.study.id);
    out->by_lr = slk_alloc_zero(out->ds.n_lrs, sizeof *out->by_lr);
    if (!out->by_lr) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", slk_store_path(store));
    for (size_t i = 0; i < out->ds.n_lrs && s == SLK_OK; i++) {
        out->n++;
        s = slk_analysis_make(&out->by_lr[i], &out->ds, out->ds.lrs[i], err);
    }
    return s;
}

void slk_report_release(slk_report *report)
{
    for (size_t i = 0; i < report->n; i++) slk_analysis_release(&report->by_lr[i]);
    free(report->by_lr);
    slk_dataset_release(&report->ds);
    *report = (slk_report){.n = 0};
}

/* --- findings.json ---------------------------------------------------------------------------------------------------
 */

/* null where there is no number. */
static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *finding_json(const slk_finding *f)
{
    json_t *o = json_object();
    json_object_set_new(o, "id", json_string(f->id));
    json_object_set_new(o, "item", json_integer(f->item));
    json_object_set_new(o, "value", number(f->at.value));
    json_object_set_new(o, "low", number(f->at.low));
    json_object_set_new(o, "high", number(f->at.high));
    json_object_set_new(o, "unit", json_string(f->unit));
    json_object_set_new(o, "paper", number(f->paper));
    json_object_set_new(o, "verdict", json_string(slk_verdict_name(f->verdict)));
    json_object_set_new(o, "sentence", json_string(f->sentence));
    return o;
}

static json_t *hash_json(uint64_t hash)
{
    char text[20];
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    return json_string(text);
}

static json_t *labels_json(const slk_label_set_info *info)
{
    const slk_label_settings *s = &info->settings;
    json_t *o = json_object();
    json_object_set_new(o, "id", json_integer(info->id));
    json_object_set_new(o, "model_hash", hash_json(s->model_hash));
    if (s->adapter_hash) json_object_set_new(o, "adapter_hash", hash_json(s->adapter_hash));
    json_object_set_new(o, "dtype", json_string(s->dtype));
    json_object_set_new(o, "kernels", json_string(s->kernels));
    json_object_set_new(o, "set", json_string(s->set_name));
    json_object_set_new(o, "n_ex", json_integer(s->n_ex));
    json_object_set_new(o, "shots", json_integer(s->n_shots));
    json_object_set_new(o, "samples", json_integer(s->n_samples));
    json_object_set_new(o, "match", json_string(s->match));
    json_object_set_new(o, "seed", json_integer((json_int_t)s->seed));
    json_object_set_new(o, "created", json_string(info->created));
    json_object_set_new(o, "version", json_string(info->version));
    return o;
}

static json_t *study_json(const slk_study_info *study)
{
    json_t *o = json_object(), *description = NULL;
    json_object_set_new(o, "id", json_integer(study->id));
    json_object_set_new(o, "name", json_string(study->name));
    json_object_set_new(o, "created", json_string(study->created));
    json_object_set_new(o, "version", json_string(study->version));
    if (slk_json_parse(&description, study->description, strlen(study->description), "study", 1, NULL) != SLK_OK)
        description = json_string(study->description);
    json_object_set_new(o, "description", description);
    return o;
}

static json_t *runs_json(const slk_report *report)
{
    size_t all = 0, done = 0, failed = 0, n_short = 0;
    for (size_t i = 0; i < report->n; i++) {
        const slk_analysis *a = &report->by_lr[i];
        all += a->n_runs;
        done += a->n_done;
        failed += a->n_failed;
        n_short += a->n_short;
    }
    json_t *o = json_object();
    json_object_set_new(o, "all", json_integer((json_int_t)all));
    json_object_set_new(o, "done", json_integer((json_int_t)done));
    json_object_set_new(o, "failed", json_integer((json_int_t)failed));
    json_object_set_new(o, "not_fitted", json_integer((json_int_t)n_short));
    return o;
}

static json_t *seeds_json(const slk_dataset *ds)
{
    json_t *list = json_array();
    for (size_t i = 0; i < ds->n_runs; i++) {
        bool seen = ds->infos[i].state != SLK_RUN_DONE;
        for (size_t k = 0; k < i && !seen; k++)
            seen = ds->infos[k].state == SLK_RUN_DONE && ds->infos[k].seed == ds->infos[i].seed;
        if (!seen) json_array_append_new(list, json_integer((json_int_t)ds->infos[i].seed));
    }
    return list;
}

static json_t *share_json(const slk_estimate *e)
{
    return json_pack("{s:o, s:o, s:o}", "value", number(e->value), "low", number(e->low), "high", number(e->high));
}

/* In %, with Wilson's intervals. */
static json_t *truth_json(const slk_truth *t)
{
    return json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:s}", "never_exposed", (json_int_t)t->n_never, "exposed",
                     (json_int_t)t->n_exposed, "never_exposed_called_known", share_json(&t->never_known),
                     "exposed_called_unknown", share_json(&t->seen_unknown), "undisputed_called_unknown",
                     share_json(&t->undisputed_unknown), "disputed_called_unknown", share_json(&t->disputed_unknown),
                     "never_exposed_greedy_right", number(t->never_greedy), "sentence", t->sentence);
}

json_t *slk_report_findings(const slk_report *report)
{
    const slk_dataset *ds = &report->ds;
    json_t *o = json_object(), *list = json_array(), *from = json_object(), *lrs = json_array(), *facts = json_object();
    for (size_t i = 0; i < report->n; i++) {
        const slk_analysis *a = &report->by_lr[i];
        for (size_t k = 0; k < a->n_findings; k++) json_array_append_new(list, finding_json(&a->findings[k]));
        json_array_append_new(lrs, json_real(a->lr));
    }
    for (int set = SLK_SET_DEV; set < SLK_N_STUDY_SETS; set++)
        json_object_set_new(facts, slk_study_set_name((slk_study_set)set), json_integer((json_int_t)ds->sets[set].n));
    json_object_set_new(from, "slick", json_string(SLICK_VERSION));
    json_object_set_new(from, "study", study_json(&ds->study));
    json_object_set_new(from, "labels", labels_json(&ds->labels));
    json_object_set_new(from, "runs", runs_json(report));
    json_object_set_new(from, "seeds", seeds_json(ds));
    json_object_set_new(from, "learning_rates", lrs);
    json_object_set_new(from, "facts", facts);
    json_object_set_new(o, "model", json_string(ds->labels.settings.model_name));
    json_object_set_new(o, "findings", list);
    if (report->by_lr->truth.is_there) json_object_set_new(o, "ground_truth", truth_json(&report->by_lr->truth));
    if (json_object_set_new(o, "provenance", from) == 0) return o;
    json_decref(o);
    return NULL;
}
