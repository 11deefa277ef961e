/* Merging: studies, runs and what came out of them. */
#include "store/internal.h"
#include "store/merge_impl.h"
#include "store/runs_impl.h"

/* --- P(True) ------------------------------------------------------------------------------------------------------ */

/* The label set here that is equal to one there; merge.c has brought all of them. */
#define JOIN_LABEL_SETS                                                                                                \
    "JOIN other.label_set lo ON lo.id = o.label_set_id JOIN main.label_set lm ON lm.settings = lo.settings "

static slk_status merge_p_true(slk_store *store, slk_merge_report *report, const char *other_path, slk_err *err)
{
    slk_status status = slk_merge_refuse(
        store, other_path,
        "SELECT printf('%016x', o.fact_id), o.p FROM other.p_true o " JOIN_LABEL_SETS
        "JOIN main.p_true m ON m.label_set_id = lm.id AND m.fact_id = o.fact_id WHERE m.p <> o.p LIMIT 1",
        0, 0, "P(True) of fact", err);
    if (status != SLK_OK) return status;
    return slk_merge_change(store,
                            "INSERT INTO main.p_true SELECT lm.id, o.fact_id, o.p FROM other.p_true o " JOIN_LABEL_SETS
                            "WHERE true ON CONFLICT DO NOTHING",
                            &report->n_p_true_added, 0, 0, err);
}

/* --- one run ------------------------------------------------------------------------------------------------------ */

/* In these, ?1 is the run or study here, ?2 the one there. */
static const char *const RUN_CONFLICTS[] = {
    "SELECT m.variant || '/seed-' || printf('%llu', m.seed), 'D' FROM main.run m WHERE m.id = ?1 AND (EXISTS "
    "(SELECT position, fact_id, category, idk FROM main.run_fact WHERE run_id = ?1 EXCEPT "
    " SELECT position, fact_id, category, idk FROM other.run_fact WHERE run_id = ?2) OR EXISTS "
    "(SELECT position, fact_id, category, idk FROM other.run_fact WHERE run_id = ?2 EXCEPT "
    " SELECT position, fact_id, category, idk FROM main.run_fact WHERE run_id = ?1))",
    "SELECT m.variant || '/seed-' || printf('%llu', m.seed), 'epochs' FROM main.run m JOIN other.run o ON o.id = ?2 "
    "WHERE m.id = ?1 AND (m.n_train <> o.n_train OR m.early_epoch <> o.early_epoch OR m.last_epoch <> o.last_epoch OR "
    "m.fitted <> o.fitted)",
    "SELECT m.variant || '/seed-' || printf('%llu', m.seed), 'epoch ' || bad.epoch FROM main.run m JOIN ("
    "SELECT epoch FROM (SELECT epoch, step, loss FROM main.epoch WHERE run_id = ?1 EXCEPT "
    "                   SELECT epoch, step, loss FROM other.epoch WHERE run_id = ?2) UNION "
    "SELECT epoch FROM (SELECT epoch, step, loss FROM other.epoch WHERE run_id = ?2 EXCEPT "
    "                   SELECT epoch, step, loss FROM main.epoch WHERE run_id = ?1) UNION "
    "SELECT epoch FROM (SELECT epoch, asked, n, right, refused FROM main.outcome WHERE run_id = ?1 EXCEPT "
    "                   SELECT epoch, asked, n, right, refused FROM other.outcome WHERE run_id = ?2) UNION "
    "SELECT epoch FROM (SELECT epoch, asked, n, right, refused FROM other.outcome WHERE run_id = ?2 EXCEPT "
    "                   SELECT epoch, asked, n, right, refused FROM main.outcome WHERE run_id = ?1) "
    ") bad WHERE m.id = ?1 ORDER BY bad.epoch LIMIT 1",
};

/* What is here of the run gives way. */
static const char *const TAKE_RUN[] = {
    "DELETE FROM main.epoch WHERE run_id = ?1",
    "DELETE FROM main.run_fact WHERE run_id = ?1",
    "UPDATE main.run SET (state, error, worker, claimed_s, kernels, n_train, early_epoch, last_epoch, fitted, wall_s) "
    "= (SELECT state, error, worker, claimed_s, kernels, n_train, early_epoch, last_epoch, fitted, wall_s "
    "FROM other.run WHERE id = ?2) WHERE id = ?1",
    "INSERT INTO main.run_fact SELECT ?1, position, fact_id, category, idk FROM other.run_fact WHERE run_id = ?2",
    "INSERT INTO main.epoch SELECT ?1, epoch, step, loss, tokens_per_s, wall_s FROM other.epoch WHERE run_id = ?2",
    "INSERT INTO main.outcome SELECT ?1, epoch, asked, n, n_right, n_refused, right, refused FROM other.outcome "
    "WHERE run_id = ?2",
};

/* A run that is finished there. */
static slk_status merge_run(slk_store *store, slk_merge_report *report, const char *other_path, int64_t here,
                            int64_t there, slk_err *err)
{
    bool done = false, same = false;
    int64_t one;
    slk_status status = slk_store_query_int(store, &one, &done, err,
                                            "SELECT 1 FROM main.run WHERE id = ? AND state = 'done'", "i", here);
    if (status != SLK_OK) return status;
    if (!done) {
        for (size_t i = 0; i < sizeof TAKE_RUN / sizeof *TAKE_RUN && status == SLK_OK; i++)
            status = slk_merge_change(store, TAKE_RUN[i], NULL, here, there, err);
        report->n_runs_added++;
        return status;
    }
    status = slk_store_query_int(
        store, &one, &same, err,
        "SELECT 1 FROM main.run m JOIN other.run o ON o.kernels = m.kernels WHERE m.id = ? AND o.id = ?", "ii", here,
        there);
    if (status == SLK_OK && !same) report->n_runs_skipped++;
    if (status != SLK_OK || !same) return status;
    for (size_t i = 0; i < sizeof RUN_CONFLICTS / sizeof *RUN_CONFLICTS && status == SLK_OK; i++)
        status = slk_merge_refuse(store, other_path, RUN_CONFLICTS[i], here, there, "the finished run", err);
    report->n_runs_equal++;
    return status;
}

/* --- one study ---------------------------------------------------------------------------------------------------- */

static const char *const STUDY_FACT_CONFLICT =
    "SELECT m.name, bad.asked || ' facts' FROM main.study m JOIN ("
    "SELECT asked FROM (SELECT asked, position, fact_id, category FROM main.study_fact WHERE study_id = ?1 "
    "  AND asked IN (SELECT asked FROM other.study_fact WHERE study_id = ?2) EXCEPT "
    "  SELECT asked, position, fact_id, category FROM other.study_fact WHERE study_id = ?2) UNION "
    "SELECT asked FROM (SELECT asked, position, fact_id, category FROM other.study_fact WHERE study_id = ?2 "
    "  AND asked IN (SELECT asked FROM main.study_fact WHERE study_id = ?1) EXCEPT "
    "  SELECT asked, position, fact_id, category FROM main.study_fact WHERE study_id = ?1) "
    ") bad WHERE m.id = ?1 LIMIT 1";

/* Study `there` and its runs have their places here; runs that are new are waiting. */
static slk_status merge_study(slk_store *store, slk_merge_report *report, const char *other_path, int64_t here,
                              int64_t there, slk_err *err)
{
    slk_status status = slk_merge_refuse(store, other_path, STUDY_FACT_CONFLICT, here, there, "the study", err);
    if (status == SLK_OK)
        status = slk_merge_change(store,
                                  "INSERT INTO main.study_fact SELECT ?1, asked, position, fact_id, category "
                                  "FROM other.study_fact WHERE study_id = ?2 ON CONFLICT DO NOTHING",
                                  NULL, here, there, err);
    if (status == SLK_OK)
        status = slk_merge_change(
            store,
            "INSERT INTO main.run SELECT NULL, ?1, variant, kind, unknown, category, seed, lr, 'waiting', NULL, '', 0, "
            "'', 0, -1, -1, 0, 0 FROM other.run WHERE study_id = ?2 ORDER BY id ON CONFLICT DO NOTHING",
            NULL, here, there, err);
    int64_t run_there = 0;
    while (status == SLK_OK) {
        bool found;
        int64_t run_here;
        status = slk_store_query_int(store, &run_there, &found, err,
                                     "SELECT id FROM other.run WHERE study_id = ? AND state = 'done' AND id > ? "
                                     "ORDER BY id LIMIT 1",
                                     "ii", there, run_there);
        if (status != SLK_OK || !found) break;
        status = slk_store_query_int(store, &run_here, NULL, err,
                                     "SELECT m.id FROM main.run m JOIN other.run o ON o.variant = m.variant AND "
                                     "o.seed = m.seed AND o.lr = m.lr WHERE m.study_id = ? AND o.id = ?",
                                     "ii", here, run_there);
        if (status == SLK_OK) status = merge_run(store, report, other_path, run_here, run_there, err);
    }
    return status;
}

slk_status slk_merge_studies(slk_store *store, slk_merge_report *report, const char *other_path, slk_err *err)
{
    bool found;
    int64_t version, there = 0;
    slk_status status = slk_store_query_int(store, &version, NULL, err, "PRAGMA other.user_version", "");
    if (status != SLK_OK || version < 2) return status; /* it has no studies */
    status = merge_p_true(store, report, other_path, err);
    if (status == SLK_OK)
        status =
            slk_merge_change(store,
                             "INSERT INTO main.study SELECT NULL, o.name, o.shown, o.description, lm.id, o.created, "
                             "o.version FROM other.study o " JOIN_LABEL_SETS "WHERE true ORDER BY o.id "
                             "ON CONFLICT DO NOTHING",
                             &report->n_studies_added, 0, 0, err);
    while (status == SLK_OK) {
        int64_t here;
        status = slk_store_query_int(store, &there, &found, err,
                                     "SELECT id FROM other.study WHERE id > ? ORDER BY id LIMIT 1", "i", there);
        if (status != SLK_OK || !found) break;
        status = slk_store_query_int(store, &here, NULL, err,
                                     "SELECT m.id FROM other.study o " JOIN_LABEL_SETS
                                     "JOIN main.study m ON m.label_set_id = lm.id AND m.description = o.description "
                                     "WHERE o.id = ?",
                                     "i", there);
        if (status == SLK_OK) status = merge_study(store, report, other_path, here, there, err);
    }
    return status;
}
