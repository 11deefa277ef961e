#include "store/merge.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/mem.h"
#include "store/internal.h"
#include "store/merge_impl.h"
#include "store/uri.h"

/* The other store is attached as `other`; everything below is SQL between the two, inside one transaction of this one.
 */

static slk_status check_files(slk_store *store, const char *other_path, slk_err *err)
{
    struct stat a, b;
    if (store->depth > 0) return slk_fail(err, SLK_E_ARG, "%s: merge inside a transaction", store->path);
    if (stat(store->path, &a) == 0 && stat(other_path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
        return slk_fail(err, SLK_E_ARG, "%s: is the store itself, expected another one", other_path);
    slk_store *other; /* checks magic, application and version, with good messages */
    slk_status status = slk_store_open(&other, other_path, SLK_STORE_READ, err);
    if (status == SLK_OK) slk_store_close(other);
    return status;
}

static slk_status attach(slk_store *store, const char *other_path, slk_err *err)
{
    sqlite3_stmt *stmt = NULL;
    char *uri = slk_store_uri(other_path, true);
    if (!uri) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", other_path);
    slk_status status = slk_store_prepare(&stmt, store, "ATTACH ? AS other", "merge", err);
    if (status == SLK_OK) {
        slk_store_bind(stmt, "t", uri);
        status = slk_store_run(store, stmt, "merge", err);
    }
    sqlite3_finalize(stmt);
    free(uri);
    return status;
}

slk_status slk_merge_change(slk_store *store, const char *sql, size_t *n_changed, int64_t a, int64_t b, slk_err *err)
{
    sqlite3_stmt *stmt;
    slk_status status = slk_store_prepare(&stmt, store, sql, "merge", err);
    if (status != SLK_OK) return status;
    int n = sqlite3_bind_parameter_count(stmt);
    if (n >= 1) sqlite3_bind_int64(stmt, 1, a);
    if (n >= 2) sqlite3_bind_int64(stmt, 2, b);
    status = slk_store_run(store, stmt, "merge", err);
    if (status == SLK_OK && n_changed) *n_changed += (size_t)sqlite3_changes(store->db);
    sqlite3_finalize(stmt);
    return status;
}

slk_status slk_merge_refuse(slk_store *store, const char *other_path, const char *sql, int64_t a, int64_t b,
                            const char *message, slk_err *err)
{
    sqlite3_stmt *stmt;
    bool row = false;
    slk_status status = slk_store_prepare(&stmt, store, sql, "merge", err);
    if (status != SLK_OK) return status;
    int n = sqlite3_bind_parameter_count(stmt);
    if (n >= 1) sqlite3_bind_int64(stmt, 1, a);
    if (n >= 2) sqlite3_bind_int64(stmt, 2, b);
    status = slk_store_step(store, stmt, &row, "merge", err);
    if (row) {
        const char *first = (const char *)sqlite3_column_text(stmt, 0),
                   *second = (const char *)sqlite3_column_text(stmt, 1);
        status = slk_fail(err, SLK_E_STATE, "%s: %s '%s' (%s) differs from that in %s", other_path, message,
                          first ? first : "?", second ? second : "?", store->path);
    }
    sqlite3_finalize(stmt);
    return status;
}

static slk_status merge_sets(slk_store *store, slk_merge_report *report, const char *other_path, slk_err *err)
{
    slk_status status = slk_merge_refuse(
        store, other_path,
        "SELECT o.name, o.n_facts || ' facts' FROM other.fact_set o JOIN main.fact_set m ON m.name = o.name "
        "WHERE m.content_hash <> o.content_hash ORDER BY o.id LIMIT 1",
        0, 0, "fact set", err);
    size_t n_before = report->n_sets_added;
    if (status == SLK_OK)
        status = slk_merge_change(store,
                                  "INSERT INTO main.fact_set (name, content_hash, n_facts, report, created, version) "
                                  "SELECT name, content_hash, n_facts, report, created, version FROM other.fact_set "
                                  "WHERE name NOT IN (SELECT name FROM main.fact_set) ORDER BY id",
                                  &report->n_sets_added, 0, 0, err);
    if (status != SLK_OK || report->n_sets_added == n_before) return status;
    return slk_merge_change(
        store,
        "INSERT INTO main.fact SELECT m.id, f.fact_id, f.position, f.relation, f.question, f.subject, f.answers, "
        "f.aliases, f.split, f.ood FROM other.fact f JOIN other.fact_set o ON o.id = f.set_id "
        "JOIN main.fact_set m ON m.name = o.name "
        "WHERE NOT EXISTS (SELECT 1 FROM main.fact g WHERE g.set_id = m.id AND g.fact_id = f.fact_id) "
        "ORDER BY m.id, f.position",
        NULL, 0, 0, err);
}

/* ?1 = label set here, ?2 = the equal one there. Facts in both with different bits, or with different texts. */
static const char *const LABEL_CONFLICT =
    "WITH shared AS (SELECT fact_id FROM main.label WHERE label_set_id = ?1 "
    "                INTERSECT SELECT fact_id FROM other.label WHERE label_set_id = ?2), "
    "here AS (SELECT fact_id, position, text, match, draws FROM main.answer WHERE label_set_id = ?1 "
    "         AND fact_id IN (SELECT fact_id FROM shared)), "
    "there AS (SELECT fact_id, position, text, match, draws FROM other.answer WHERE label_set_id = ?2 "
    "          AND fact_id IN (SELECT fact_id FROM shared)), "
    "bad AS (SELECT a.fact_id FROM main.label a JOIN other.label b ON b.label_set_id = ?2 AND b.fact_id = a.fact_id "
    "        WHERE a.label_set_id = ?1 AND NOT (a.unlabelable = b.unlabelable "
    "        AND a.n_ex = b.n_ex AND a.n_samples = b.n_samples "
    "        AND a.greedy = b.greedy AND a.sampled = b.sampled AND a.p_gold_each = b.p_gold_each) "
    "        UNION SELECT fact_id FROM (SELECT * FROM here EXCEPT SELECT * FROM there) "
    "        UNION SELECT fact_id FROM (SELECT * FROM there EXCEPT SELECT * FROM here)) "
    "SELECT f.question, printf('%016x', f.fact_id) FROM bad JOIN main.fact f ON f.fact_id = bad.fact_id "
    "AND f.set_id = (SELECT set_id FROM main.label_set WHERE id = ?1) ORDER BY f.position LIMIT 1";

static const char *const PROMPT_CONFLICT =
    "SELECT b.relation, 'prompt ' || b.prompt FROM other.prompt b JOIN main.prompt a ON a.label_set_id = ?1 "
    "AND a.relation = b.relation AND a.fact_id = b.fact_id AND a.prompt = b.prompt "
    "WHERE b.label_set_id = ?2 AND (a.exemplars <> b.exemplars OR a.text <> b.text) LIMIT 1";

static slk_status merge_labels(slk_store *store, slk_merge_report *report, const char *other_path, int64_t here,
                               int64_t there, slk_err *err)
{
    int64_t n_there = 0;
    size_t n_before = report->n_labels_added;
    slk_status status = slk_merge_refuse(store, other_path, PROMPT_CONFLICT, here, there, "a prompt of relation", err);
    if (status == SLK_OK)
        status = slk_merge_refuse(store, other_path, LABEL_CONFLICT, here, there, "the label of", err);
    if (status == SLK_OK)
        status = slk_merge_change(
            store,
            "INSERT INTO main.prompt SELECT ?1, relation, fact_id, prompt, exemplars, text FROM other.prompt "
            "WHERE label_set_id = ?2 ON CONFLICT DO NOTHING",
            &report->n_prompts_added, here, there, err);
    /* Answers first, while the labels of this store still tell which facts are new; the reference to label is checked
     * at the end of the transaction (defer_foreign_keys). */
    if (status == SLK_OK)
        status = slk_merge_change(
            store,
            "INSERT INTO main.answer SELECT ?1, fact_id, position, text, match, n_greedy, n_sampled, draws "
            "FROM other.answer WHERE label_set_id = ?2 "
            "AND fact_id NOT IN (SELECT fact_id FROM main.label WHERE label_set_id = ?1)",
            NULL, here, there, err);
    if (status == SLK_OK)
        status = slk_merge_change(
            store,
            "INSERT INTO main.label SELECT ?1, fact_id, unlabelable, n_ex, n_samples, n_greedy, n_sampled, p_gold, "
            "greedy, sampled, p_gold_each FROM other.label WHERE label_set_id = ?2 ON CONFLICT DO NOTHING",
            &report->n_labels_added, here, there, err);
    if (status == SLK_OK)
        status = slk_store_query_int(store, &n_there, NULL, err,
                                     "SELECT count(*) FROM other.label WHERE label_set_id = ?", "i", there);
    report->n_labels_equal += (size_t)n_there - (report->n_labels_added - n_before);
    return status;
}

/* The label set of this store that is equal to `there`, made when there is none. */
static slk_status find_equal(slk_store *store, slk_merge_report *report, int64_t *here, int64_t there, slk_err *err)
{
    bool found;
    const char *query =
        "SELECT m.id FROM main.label_set m JOIN other.label_set o ON o.settings = m.settings WHERE o.id = ?";
    slk_status status = slk_store_query_int(store, here, &found, err, query, "i", there);
    if (status != SLK_OK) return status;
    if (found) {
        report->n_label_sets_joined++;
        return SLK_OK;
    }
    status = slk_merge_change(
        store,
        "INSERT INTO main.label_set SELECT NULL, o.settings, m.id, o.model_name, o.model_hash, o.adapter_hash, "
        "o.dtype, "
        "o.kernels, o.seed, o.n_ex, o.n_shots, o.n_samples, o.top_k, o.temperature, o.match, o.decoded, o.pool, "
        "o.template_hash, o.created, o.version FROM other.label_set o JOIN other.fact_set s ON s.id = o.set_id "
        "JOIN main.fact_set m ON m.name = s.name WHERE o.id = ?1",
        &report->n_label_sets_added, there, 0, err);
    return status == SLK_OK ? slk_store_query_int(store, here, NULL, err, query, "i", there) : status;
}

static slk_status merge_label_sets(slk_store *store, slk_merge_report *report, const char *other_path, slk_err *err)
{
    int64_t there = 0;
    for (;;) {
        bool found;
        int64_t here;
        slk_status status = slk_store_query_int(
            store, &there, &found, err, "SELECT id FROM other.label_set WHERE id > ? ORDER BY id LIMIT 1", "i", there);
        if (status != SLK_OK || !found) return status;
        status = find_equal(store, report, &here, there, err);
        if (status == SLK_OK) status = merge_labels(store, report, other_path, here, there, err);
        if (status != SLK_OK) return status;
    }
}

slk_status slk_store_merge(slk_store *store, slk_merge_report *report, const char *other_path, slk_err *err)
{
    memset(report, 0, sizeof *report);
    slk_status status = check_files(store, other_path, err);
    if (status == SLK_OK) status = attach(store, other_path, err);
    if (status != SLK_OK) return status;
    status = slk_store_begin(store, err);
    if (status == SLK_OK) {
        status = slk_store_exec(store, "PRAGMA defer_foreign_keys = ON", "merge", err);
        if (status == SLK_OK) status = merge_sets(store, report, other_path, err);
        if (status == SLK_OK) status = merge_label_sets(store, report, other_path, err);
        if (status == SLK_OK) status = slk_merge_studies(store, report, other_path, err);
        status = slk_store_end(store, status, err);
    }
    sqlite3_exec(store->db, "DETACH other", NULL, NULL, NULL);
    if (status != SLK_OK) memset(report, 0, sizeof *report);
    return status;
}
