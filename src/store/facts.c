#include "store/facts.h"

#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "store/internal.h"

static slk_status no_memory(const slk_store *store, slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", store->path);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static uint64_t hash_texts(uint64_t h, char *const *items, size_t n)
{
    uint64_t count = n;
    h = slk_hash_more(h, &count, sizeof count);
    for (size_t i = 0; i < n; i++) h = slk_hash_str(h, items[i]);
    return h;
}

/* Of everything that is stored about the facts, their order included. */
static uint64_t hash_content(const slk_facts *facts)
{
    uint64_t h = 0;
    for (size_t i = 0; i < facts->n; i++) {
        const slk_fact *fact = &facts->items[i];
        unsigned char flags[3] = {(unsigned char)fact->split, fact->ood, fact->subject != NULL};
        h = slk_hash_more(h, &fact->id, sizeof fact->id);
        h = slk_hash_more(h, flags, sizeof flags);
        h = slk_hash_str(h, fact->relation);
        h = slk_hash_str(h, fact->question);
        h = slk_hash_str(h, fact->subject ? fact->subject : "");
        h = hash_texts(h, fact->answers, fact->n_answers);
        h = hash_texts(h, fact->aliases, fact->n_aliases);
    }
    return h;
}

static slk_status insert_fact(slk_store *store, sqlite3_stmt *stmt, int64_t set_id, size_t position,
                              const slk_fact *fact, slk_err *err)
{
    char *answers = slk_store_pack_texts(fact->answers, fact->n_answers);
    char *aliases = slk_store_pack_texts(fact->aliases, fact->n_aliases);
    slk_status status = SLK_OK;
    if (!answers || !aliases) {
        status = no_memory(store, err);
    } else {
        int code =
            slk_store_bind(stmt, "iuitttttti", set_id, fact->id, (int64_t)position, fact->relation, fact->question,
                           fact->subject, answers, aliases, slk_split_name(fact->split), (int64_t)fact->ood);
        code = code == SQLITE_OK ? sqlite3_step(stmt) : code;
        if ((code & 0xFF) == SQLITE_CONSTRAINT)
            status = slk_fail(err, SLK_E_ARG, "%s: fact %016llx twice in one set: %s", store->path,
                              (unsigned long long)fact->id, fact->question);
        else if (code != SQLITE_DONE)
            status = slk_store_fail(store, code, "write facts", err);
        sqlite3_reset(stmt);
    }
    free(answers);
    free(aliases);
    return status;
}

static slk_status insert_set(slk_store *store, const char *name, const slk_facts *facts, uint64_t content_hash,
                             const char *report, slk_err *err)
{
    sqlite3_stmt *stmt;
    slk_status status =
        slk_store_prepare(&stmt, store,
                          "INSERT INTO fact_set (name, content_hash, n_facts, report, created, version) "
                          "VALUES (?, ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), ?)",
                          "write facts", err);
    if (status != SLK_OK) return status;
    int code =
        slk_store_bind(stmt, "tuitt", name, content_hash, (int64_t)facts->n, report ? report : "{}", SLICK_VERSION);
    status = code == SQLITE_OK ? slk_store_run(store, stmt, "write facts", err)
                               : slk_store_fail(store, code, "write facts", err);
    sqlite3_finalize(stmt);
    if (status != SLK_OK) return status;
    int64_t set_id = sqlite3_last_insert_rowid(store->db);
    status =
        slk_store_prepare(&stmt, store, "INSERT INTO fact VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "write facts", err);
    for (size_t i = 0; i < facts->n && status == SLK_OK; i++)
        status = insert_fact(store, stmt, set_id, i, &facts->items[i], err);
    sqlite3_finalize(stmt);
    return status;
}

/* What to do about a set that has the name already; on SLK_OK and *result REPLACED it is gone. */
static slk_status clear_name(slk_store *store, slk_put_result *result, const char *name, uint64_t content_hash,
                             bool replace, slk_err *err)
{
    bool found;
    int64_t hash, n_label_sets;
    slk_status status =
        slk_store_query_int(store, &hash, &found, err, "SELECT content_hash FROM fact_set WHERE name = ?", "t", name);
    *result = SLK_PUT_CREATED;
    if (status != SLK_OK || !found) return status;
    *result = SLK_PUT_UNCHANGED;
    if (memcmp(&hash, &content_hash, sizeof hash) == 0) return SLK_OK;
    status = slk_store_query_int(
        store, &n_label_sets, NULL, err,
        "SELECT count(*) FROM label_set WHERE set_id = (SELECT id FROM fact_set WHERE name = ?)", "t", name);
    if (status != SLK_OK) return status;
    if (n_label_sets > 0)
        return slk_fail(err, SLK_E_STATE,
                        "%s: set '%s' has other facts, and %lld label set%s made of them; expected another name",
                        store->path, name, (long long)n_label_sets, n_label_sets == 1 ? "" : "s");
    if (!replace)
        return slk_fail(err, SLK_E_STATE,
                        "%s: set '%s' is there with other facts; expected another name, or --force to replace it",
                        store->path, name);
    *result = SLK_PUT_REPLACED;
    sqlite3_stmt *stmt;
    status = slk_store_prepare(&stmt, store, "DELETE FROM fact_set WHERE name = ?", "replace facts", err);
    if (status != SLK_OK) return status;
    int code = slk_store_bind(stmt, "t", name);
    status = code == SQLITE_OK ? slk_store_run(store, stmt, "replace facts", err)
                               : slk_store_fail(store, code, "replace facts", err);
    sqlite3_finalize(stmt);
    return status;
}

slk_status slk_store_put_facts(slk_store *store, slk_put_result *result, const char *name, const slk_facts *facts,
                               const char *report, bool replace, slk_err *err)
{
    slk_put_result what = SLK_PUT_CREATED;
    if (!*name) return slk_fail(err, SLK_E_ARG, "%s: a set needs a name", store->path);
    if (facts->n == 0) return slk_fail(err, SLK_E_ARG, "%s: set '%s' has no facts", store->path, name);
    uint64_t content_hash = hash_content(facts);
    slk_status status = slk_store_begin(store, err);
    if (status != SLK_OK) return status;
    status = clear_name(store, &what, name, content_hash, replace, err);
    if (status == SLK_OK && what != SLK_PUT_UNCHANGED)
        status = insert_set(store, name, facts, content_hash, report, err);
    status = slk_store_end(store, status, err);
    if (status == SLK_OK && result) *result = what;
    return status;
}

/* --- lists -------------------------------------------------------------------------------------------------------- */

void slk_set_list_release(slk_set_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->items[i].name);
        free(list->items[i].report);
        free(list->items[i].created);
        free(list->items[i].version);
    }
    free(list->items);
    memset(list, 0, sizeof *list);
}

slk_status slk_store_list_sets(slk_store *store, slk_set_list *out, slk_err *err)
{
    memset(out, 0, sizeof *out);
    sqlite3_stmt *stmt;
    bool row = false;
    slk_status status = slk_store_prepare(&stmt, store,
                                          "SELECT name, content_hash, n_facts, report, created, version, "
                                          "(SELECT count(*) FROM label_set l WHERE l.set_id = s.id) "
                                          "FROM fact_set s ORDER BY id DESC",
                                          "list sets", err);
    while (status == SLK_OK && (status = slk_store_step(store, stmt, &row, "list sets", err)) == SLK_OK && row) {
        if (!slk_grow(&out->items, &out->cap, out->n + 1, sizeof *out->items)) {
            status = no_memory(store, err);
            break;
        }
        slk_set_info *info = &out->items[out->n++];
        memset(info, 0, sizeof *info);
        info->content_hash = (uint64_t)sqlite3_column_int64(stmt, 1);
        info->n_facts = (size_t)sqlite3_column_int64(stmt, 2);
        info->n_label_sets = (size_t)sqlite3_column_int64(stmt, 6);
        if (!slk_store_column_text(&info->name, stmt, 0) || !slk_store_column_text(&info->report, stmt, 3) ||
            !slk_store_column_text(&info->created, stmt, 4) || !slk_store_column_text(&info->version, stmt, 5))
            status = no_memory(store, err);
    }
    sqlite3_finalize(stmt);
    if (status != SLK_OK) slk_set_list_release(out);
    return status;
}

/* Errors: SLK_E_NOT_FOUND, with the names there are. */
static slk_status find_set(slk_store *store, int64_t *id, const char *name, slk_err *err)
{
    bool found;
    slk_status status =
        slk_store_query_int(store, id, &found, err, "SELECT id FROM fact_set WHERE name = ?", "t", name);
    if (status != SLK_OK || found) return status;
    slk_set_list sets;
    slk_buf names = {0};
    if (slk_store_list_sets(store, &sets, NULL) == SLK_OK) {
        for (size_t i = 0; i < sets.n && i < 8; i++) slk_buf_addf(&names, "%s%s", i ? ", " : "", sets.items[i].name);
        slk_set_list_release(&sets);
    }
    status = slk_fail(err, SLK_E_NOT_FOUND, "%s: no set '%s', there %s %s", store->path, name,
                      names.data ? "are:" : "is", names.data ? names.data : "none");
    slk_buf_release(&names);
    return status;
}

void slk_relation_counts_release(slk_relation_counts *counts)
{
    for (size_t i = 0; i < counts->n; i++) free(counts->items[i].relation);
    free(counts->items);
    memset(counts, 0, sizeof *counts);
}

slk_status slk_store_count_facts(slk_store *store, slk_relation_counts *out, const char *set, slk_err *err)
{
    memset(out, 0, sizeof *out);
    int64_t set_id;
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    slk_status status = find_set(store, &set_id, set, err);
    if (status != SLK_OK) return status;
    status =
        slk_store_prepare(&stmt, store,
                          "SELECT relation, max(ood), sum(split = 'train'), sum(split = 'dev'), sum(split = 'test') "
                          "FROM fact WHERE set_id = ? GROUP BY relation ORDER BY min(position)",
                          "count facts", err);
    if (status == SLK_OK) sqlite3_bind_int64(stmt, 1, set_id);
    while (status == SLK_OK && (status = slk_store_step(store, stmt, &row, "count facts", err)) == SLK_OK && row) {
        slk_relation_count count = {.ood = sqlite3_column_int(stmt, 1) != 0};
        for (int s = 0; s < SLK_N_SPLITS; s++) count.n[s] = (size_t)sqlite3_column_int64(stmt, 2 + s);
        if (!slk_store_column_text(&count.relation, stmt, 0) ||
            !slk_grow(&out->items, &out->cap, out->n + 1, sizeof *out->items)) {
            free(count.relation);
            status = no_memory(store, err);
            break;
        }
        out->items[out->n++] = count;
    }
    sqlite3_finalize(stmt);
    if (status != SLK_OK) slk_relation_counts_release(out);
    return status;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static slk_status damaged(const slk_store *store, const slk_fact *fact, slk_err *err)
{
    return slk_fail(err, SLK_E_FORMAT, "%s: fact %016llx: damaged row (or out of memory)", store->path,
                    (unsigned long long)fact->id);
}

/* Row of fact_id, relation, question, subject, answers, aliases, split, ood. */
static slk_status read_fact(slk_store *store, sqlite3_stmt *stmt, slk_fact *fact, slk_err *err)
{
    memset(fact, 0, sizeof *fact);
    fact->id = (uint64_t)sqlite3_column_int64(stmt, 0);
    fact->ood = sqlite3_column_int(stmt, 7) != 0;
    const char *split = (const char *)sqlite3_column_text(stmt, 6);
    int parsed = split ? slk_split_parse(split) : -1;
    bool ok = parsed >= 0 && slk_store_column_text(&fact->relation, stmt, 1) && fact->relation &&
              slk_store_column_text(&fact->question, stmt, 2) && fact->question &&
              slk_store_column_text(&fact->subject, stmt, 3) &&
              slk_store_unpack_texts(&fact->answers, &fact->n_answers, (const char *)sqlite3_column_text(stmt, 4)) &&
              slk_store_unpack_texts(&fact->aliases, &fact->n_aliases, (const char *)sqlite3_column_text(stmt, 5)) &&
              fact->n_answers > 0;
    if (ok) fact->split = (slk_split)parsed;
    return ok ? SLK_OK : damaged(store, fact, err);
}

static slk_status check_relations(slk_store *store, const char *set, const char *const *relations, size_t n_relations,
                                  slk_err *err)
{
    slk_relation_counts counts;
    slk_status status = slk_store_count_facts(store, &counts, set, err);
    if (status != SLK_OK) return status;
    for (size_t i = 0; i < n_relations && status == SLK_OK; i++) {
        size_t j = 0;
        while (j < counts.n && strcmp(counts.items[j].relation, relations[i]) != 0) j++;
        if (j < counts.n) continue;
        slk_buf names = {0};
        for (j = 0; j < counts.n && j < 30; j++) slk_buf_addf(&names, " %s", counts.items[j].relation);
        status = slk_fail(err, SLK_E_NOT_FOUND, "%s: set '%s' has no relation '%s', it has:%s", store->path, set,
                          relations[i], names.data ? names.data : "");
        slk_buf_release(&names);
    }
    slk_relation_counts_release(&counts);
    return status;
}

static bool is_wanted(const char *relation, const char *const *relations, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (relation && strcmp(relations[i], relation) == 0) return true;
    }
    return n == 0;
}

slk_status slk_store_load_facts(slk_store *store, slk_facts *out, const char *set, int split,
                                const char *const *relations, size_t n_relations, slk_err *err)
{
    memset(out, 0, sizeof *out);
    int64_t set_id;
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    slk_status status = find_set(store, &set_id, set, err);
    if (status == SLK_OK && n_relations > 0) status = check_relations(store, set, relations, n_relations, err);
    if (status != SLK_OK) return status;
    status = slk_store_prepare(&stmt, store,
                               "SELECT fact_id, relation, question, subject, answers, aliases, split, ood FROM fact "
                               "WHERE set_id = ?1 AND (?2 IS NULL OR split = ?2) ORDER BY position",
                               "load facts", err);
    if (status == SLK_OK) slk_store_bind(stmt, "it", set_id, split < 0 ? NULL : slk_split_name((slk_split)split));
    while (status == SLK_OK && (status = slk_store_step(store, stmt, &row, "load facts", err)) == SLK_OK && row) {
        if (!is_wanted((const char *)sqlite3_column_text(stmt, 1), relations, n_relations)) continue;
        slk_fact fact;
        status = read_fact(store, stmt, &fact, err);
        if (status == SLK_OK && !slk_facts_push(out, &fact)) status = no_memory(store, err);
        if (status != SLK_OK) slk_fact_release(&fact);
    }
    sqlite3_finalize(stmt);
    if (status != SLK_OK) slk_facts_release(out);
    return status;
}
