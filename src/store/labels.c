/* Labels: writing, and reading them back. */
#include "store/labels.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "store/codec.h"
#include "store/internal.h"

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* One batch being written. */
typedef struct writer {
    slk_store *store;
    int64_t id;
    unsigned n_ex, n_samples; /* of the label set */
    sqlite3_stmt *has_fact, *put_label, *put_answer;
} writer;

/* Only what a batch needs: slk_store_find_label_set() also counts the labels, which would make writing n of them take n
 * * n. */
static slk_status read_shape(writer *w, slk_err *err)
{
    bool found;
    int64_t n;
    const char *n_ex = "SELECT n_ex FROM label_set WHERE id = ?",
               *n_samples = "SELECT n_samples FROM label_set WHERE id = ?";
    slk_status status = slk_store_query_int(w->store, &n, &found, err, n_ex, "i", w->id);
    if (status == SLK_OK && !found)
        return slk_fail(err, SLK_E_NOT_FOUND, "%s: no label set %lld", w->store->path, (long long)w->id);
    w->n_ex = (unsigned)n;
    if (status == SLK_OK) status = slk_store_query_int(w->store, &n, NULL, err, n_samples, "i", w->id);
    w->n_samples = (unsigned)n;
    return status;
}

static slk_status open_writer(writer *w, slk_store *store, int64_t id, slk_err *err)
{
    memset(w, 0, sizeof *w);
    w->store = store;
    w->id = id;
    slk_status status = read_shape(w, err);
    if (status == SLK_OK)
        status = slk_store_prepare(
            &w->has_fact, store,
            "SELECT 1 FROM label_set l JOIN fact f ON f.set_id = l.set_id AND f.fact_id = ?2 WHERE l.id = ?1",
            "write labels", err);
    if (status == SLK_OK)
        status = slk_store_prepare(&w->put_label, store,
                                   "INSERT INTO label VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                                   "write labels", err);
    if (status == SLK_OK)
        status = slk_store_prepare(&w->put_answer, store, "INSERT INTO answer VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                                   "write labels", err);
    return status;
}

static void close_writer(writer *w)
{
    sqlite3_finalize(w->has_fact);
    sqlite3_finalize(w->put_label);
    sqlite3_finalize(w->put_answer);
}

static slk_status check_label(writer *w, const slk_label *label, slk_err *err)
{
    bool row;
    unsigned long long fact = label->fact_id;
    if (label->n_ex != w->n_ex || label->n_samples != w->n_samples)
        return slk_fail(err, SLK_E_ARG, "%s: fact %016llx: %u prompts with %u samples, label set %lld has %u with %u",
                        w->store->path, fact, label->n_ex, label->n_samples, (long long)w->id, w->n_ex, w->n_samples);
    slk_store_bind(w->has_fact, "iu", w->id, label->fact_id);
    slk_status status = slk_store_step(w->store, w->has_fact, &row, "write labels", err);
    sqlite3_reset(w->has_fact);
    if (status != SLK_OK || row) return status;
    return slk_fail(err, SLK_E_NOT_FOUND, "%s: fact %016llx is not in the fact set of label set %lld", w->store->path,
                    fact, (long long)w->id);
}

static size_t count_set(const uint8_t *flags, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; flags && i < n; i++) sum += flags[i] != 0;
    return sum;
}

static bool same_flags(const uint8_t *a, const uint8_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if ((a && a[i]) != (b && b[i])) return false;
    }
    return true;
}

/* Same bits; NaN or -0 included, hence no comparison of numbers. b comes from the store and is complete. */
static bool same_label(const slk_label *a, const slk_label *b)
{
    static const double zero = 0;
    size_t n_sampled = (size_t)a->n_ex * a->n_samples;
    bool same = a->n_ex == b->n_ex && a->n_samples == b->n_samples && a->unlabelable == b->unlabelable &&
                a->n_answers == b->n_answers && same_flags(a->greedy, b->greedy, a->n_ex) &&
                same_flags(a->sampled, b->sampled, n_sampled);
    for (size_t i = 0; same && i < a->n_ex; i++)
        same = memcmp(a->p_gold ? &a->p_gold[i] : &zero, &b->p_gold[i], sizeof(double)) == 0;
    for (size_t i = 0; same && i < a->n_answers; i++) {
        const slk_answer *x = &a->answers[i], *y = &b->answers[i];
        same = x->prompt == y->prompt && x->draw == y->draw && x->match == y->match && strcmp(x->text, y->text) == 0;
    }
    return same;
}

static slk_status load_one(slk_store *store, int64_t id, uint64_t fact_id, slk_label *label, bool *found, slk_err *err);

/* The fact has a label already: it must be this one. */
static slk_status check_same(writer *w, const slk_label *label, slk_err *err)
{
    slk_label there;
    bool found;
    slk_status status = load_one(w->store, w->id, label->fact_id, &there, &found, err);
    if (status != SLK_OK) return status;
    bool same = found && same_label(label, &there);
    slk_label_release(&there);
    if (same) return SLK_OK;
    return slk_fail(err, SLK_E_STATE, "%s: label set %lld: fact %016llx has another label already", w->store->path,
                    (long long)w->id, (unsigned long long)label->fact_id);
}

static slk_status put_answers(writer *w, const slk_label *label, const slk_coded_answers *answers, slk_err *err)
{
    for (size_t i = 0; i < answers->n; i++) {
        const slk_coded_answer *a = &answers->items[i];
        int code =
            slk_store_bind(w->put_answer, "iuitiiib", w->id, label->fact_id, (int64_t)i, a->text, (int64_t)a->match,
                           (int64_t)a->n_greedy, (int64_t)a->n_sampled, (const void *)a->draws.data, a->draws.len);
        slk_status status = code == SQLITE_OK ? slk_store_run(w->store, w->put_answer, "write labels", err)
                                              : slk_store_fail(w->store, code, "write labels", err);
        if (status != SLK_OK) return status;
    }
    return SLK_OK;
}

static double mean_gold(const slk_label *label)
{
    return label->p_gold ? slk_label_p_gold(label) : 0;
}

static slk_status put_coded(writer *w, const slk_label *label, const slk_coded_answers *answers, slk_err *err)
{
    size_t n_sampled = (size_t)label->n_ex * label->n_samples;
    slk_buf greedy = {0}, sampled = {0}, gold = {0};
    slk_codec_add_bits(&greedy, label->greedy, label->n_ex);
    slk_codec_add_bits(&sampled, label->sampled, n_sampled);
    slk_codec_add_doubles(&gold, label->p_gold, label->n_ex);
    slk_status status;
    if (greedy.failed || sampled.failed || gold.failed) {
        status = slk_fail(err, SLK_E_MEMORY, "%s: out of memory", w->store->path);
    } else {
        int code = slk_store_bind(
            w->put_label, "iuiiiiidbbb", w->id, label->fact_id, (int64_t)label->unlabelable, (int64_t)label->n_ex,
            (int64_t)label->n_samples, (int64_t)count_set(label->greedy, label->n_ex),
            (int64_t)count_set(label->sampled, n_sampled), mean_gold(label), (const void *)greedy.data, greedy.len,
            (const void *)sampled.data, sampled.len, (const void *)gold.data, gold.len);
        status = code == SQLITE_OK ? slk_store_run(w->store, w->put_label, "write labels", err)
                                   : slk_store_fail(w->store, code, "write labels", err);
    }
    if (status == SLK_OK)
        status = sqlite3_changes(w->store->db) == 0 ? check_same(w, label, err) : put_answers(w, label, answers, err);
    slk_buf_release(&greedy);
    slk_buf_release(&sampled);
    slk_buf_release(&gold);
    return status;
}

static slk_status put_label(writer *w, const slk_label *label, slk_err *err)
{
    slk_coded_answers answers;
    slk_status status = check_label(w, label, err);
    if (status != SLK_OK) return status;
    const char *wrong = slk_codec_group_answers(&answers, label);
    if (!wrong)
        status = put_coded(w, label, &answers, err);
    else if (!*wrong)
        status = slk_fail(err, SLK_E_MEMORY, "%s: out of memory", w->store->path);
    else
        status =
            slk_fail(err, SLK_E_ARG, "%s: fact %016llx: %s", w->store->path, (unsigned long long)label->fact_id, wrong);
    slk_coded_answers_release(&answers);
    return status;
}

slk_status slk_store_put_labels(slk_store *store, int64_t id, const slk_label *labels, size_t n, slk_err *err)
{
    writer w;
    slk_status status = slk_store_begin(store, err);
    if (status != SLK_OK) return status;
    status = open_writer(&w, store, id, err);
    for (size_t i = 0; i < n && status == SLK_OK; i++) status = put_label(&w, &labels[i], err);
    close_writer(&w); /* before the commit: an open statement would keep it from ending */
    return slk_store_end(store, status, err);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

struct slk_label_cursor {
    slk_store *store;
    int64_t id;
    sqlite3_stmt *labels, *answers; /* answers NULL: not wanted */
};

#define LABEL_COLUMNS "l.fact_id, l.unlabelable, l.n_ex, l.n_samples, l.greedy, l.sampled, l.p_gold_each"

static slk_status damaged(const slk_store *store, const slk_label *label, slk_err *err)
{
    return slk_fail(err, SLK_E_FORMAT, "%s: label of fact %016llx: damaged row (or out of memory)", store->path,
                    (unsigned long long)label->fact_id);
}

static bool get_columns(slk_label *label, sqlite3_stmt *stmt)
{
    int64_t n_ex = sqlite3_column_int64(stmt, 2), n_samples = sqlite3_column_int64(stmt, 3);
    label->fact_id = (uint64_t)sqlite3_column_int64(stmt, 0);
    if (n_ex < 0 || n_ex > UINT16_MAX || n_samples < 0 || n_samples > INT16_MAX) return false;
    label->unlabelable = sqlite3_column_int(stmt, 1) != 0;
    label->n_ex = (uint16_t)n_ex;
    label->n_samples = (uint16_t)n_samples;
    size_t n_sampled = (size_t)n_ex * (size_t)n_samples;
    /* Sizes first: a damaged number must not become an allocation. */
    if ((size_t)sqlite3_column_bytes(stmt, 4) != ((size_t)n_ex + 7) / 8 ||
        (size_t)sqlite3_column_bytes(stmt, 5) != (n_sampled + 7) / 8)
        return false;
    label->greedy = slk_alloc(label->n_ex, 1);
    label->sampled = slk_alloc(n_sampled, 1);
    label->p_gold = slk_alloc(label->n_ex, sizeof *label->p_gold);
    if (!label->greedy || !label->sampled || !label->p_gold) return false;
    return slk_codec_get_bits(label->greedy, label->n_ex, sqlite3_column_blob(stmt, 4),
                              (size_t)sqlite3_column_bytes(stmt, 4)) &&
           slk_codec_get_bits(label->sampled, n_sampled, sqlite3_column_blob(stmt, 5),
                              (size_t)sqlite3_column_bytes(stmt, 5)) &&
           slk_codec_get_doubles(label->p_gold, label->n_ex, sqlite3_column_blob(stmt, 6),
                                 (size_t)sqlite3_column_bytes(stmt, 6));
}

/* stmt selects text, match, draws of one fact. */
static slk_status get_answers(slk_store *store, sqlite3_stmt *stmt, int64_t id, slk_label *label, slk_err *err)
{
    bool row = false, ok = true;
    label->answers = slk_alloc((size_t)label->n_ex * (label->n_samples + 1u), sizeof *label->answers);
    if (!label->answers) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", store->path);
    slk_store_bind(stmt, "iu", id, label->fact_id);
    slk_status status = SLK_OK;
    while (ok && (status = slk_store_step(store, stmt, &row, "load labels", err)) == SLK_OK && row) {
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        const void *draws = sqlite3_column_blob(stmt, 2);
        ok = text && slk_codec_get_draws(label, text, sqlite3_column_int(stmt, 1) != 0, draws,
                                         (size_t)sqlite3_column_bytes(stmt, 2));
    }
    sqlite3_reset(stmt);
    if (status != SLK_OK) return status;
    return ok && slk_codec_sort_answers(label) ? SLK_OK : damaged(store, label, err);
}

/* Statements of a cursor; fact_id NULL: all labels, in the order of the facts. */
static slk_status prepare_cursor(slk_label_cursor *c, const uint64_t *fact_id, bool with_answers, slk_err *err)
{
    const char *all =
        "SELECT " LABEL_COLUMNS " FROM label_set s JOIN fact f ON f.set_id = s.set_id "
        "JOIN label l ON l.label_set_id = s.id AND l.fact_id = f.fact_id WHERE s.id = ? ORDER BY f.position";
    const char *one = "SELECT " LABEL_COLUMNS " FROM label l WHERE l.label_set_id = ? AND l.fact_id = ?";
    slk_status status = slk_store_prepare(&c->labels, c->store, fact_id ? one : all, "load labels", err);
    if (status == SLK_OK && with_answers)
        status = slk_store_prepare(
            &c->answers, c->store,
            "SELECT text, match, draws FROM answer WHERE label_set_id = ? AND fact_id = ? ORDER BY position",
            "load labels", err);
    if (status != SLK_OK) return status;
    if (fact_id)
        slk_store_bind(c->labels, "iu", c->id, *fact_id);
    else
        slk_store_bind(c->labels, "i", c->id);
    return SLK_OK;
}

static void finalize_cursor(slk_label_cursor *c)
{
    sqlite3_finalize(c->labels);
    sqlite3_finalize(c->answers);
}

slk_status slk_label_cursor_next(slk_label_cursor *cursor, slk_label *label, bool *more, slk_err *err)
{
    memset(label, 0, sizeof *label);
    slk_status status = slk_store_step(cursor->store, cursor->labels, more, "load labels", err);
    if (status != SLK_OK || !*more) return status;
    status = get_columns(label, cursor->labels) ? SLK_OK : damaged(cursor->store, label, err);
    if (status == SLK_OK && cursor->answers)
        status = get_answers(cursor->store, cursor->answers, cursor->id, label, err);
    if (status == SLK_OK) return SLK_OK;
    slk_label_release(label);
    *more = false;
    return status;
}

static slk_status load_one(slk_store *store, int64_t id, uint64_t fact_id, slk_label *label, bool *found, slk_err *err)
{
    slk_label_cursor c = {.store = store, .id = id};
    memset(label, 0, sizeof *label);
    *found = false;
    slk_status status = prepare_cursor(&c, &fact_id, true, err);
    if (status == SLK_OK) status = slk_label_cursor_next(&c, label, found, err);
    finalize_cursor(&c);
    return status;
}

slk_status slk_store_open_labels(slk_label_cursor **out, slk_store *store, int64_t id, bool with_answers, slk_err *err)
{
    slk_label_set_info info;
    *out = NULL;
    slk_status status = slk_store_find_label_set(store, &info, id, err);
    if (status != SLK_OK) return status;
    slk_label_cursor *cursor = slk_alloc_zero(1, sizeof *cursor);
    if (!cursor) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", store->path);
    cursor->store = store;
    cursor->id = info.id;
    status = prepare_cursor(cursor, NULL, with_answers, err);
    if (status == SLK_OK)
        *out = cursor;
    else
        slk_label_cursor_close(cursor);
    return status;
}

void slk_label_cursor_close(slk_label_cursor *cursor)
{
    if (cursor) finalize_cursor(cursor);
    free(cursor);
}

slk_status slk_store_load_labels(slk_store *store, int64_t id, bool with_answers, slk_label **labels, size_t *n,
                                 slk_err *err)
{
    slk_label_cursor *cursor;
    size_t cap = 0;
    bool more = true;
    *labels = NULL;
    *n = 0;
    slk_status status = slk_store_open_labels(&cursor, store, id, with_answers, err);
    while (status == SLK_OK) {
        slk_label label;
        status = slk_label_cursor_next(cursor, &label, &more, err);
        if (status != SLK_OK || !more) break;
        if (slk_grow(labels, &cap, *n + 1, sizeof **labels)) {
            (*labels)[(*n)++] = label;
        } else {
            slk_label_release(&label);
            status = slk_fail(err, SLK_E_MEMORY, "%s: out of memory", store->path);
        }
    }
    slk_label_cursor_close(cursor);
    if (status == SLK_OK) return SLK_OK;
    for (size_t i = 0; i < *n; i++) slk_label_release(&(*labels)[i]);
    free(*labels);
    *labels = NULL;
    *n = 0;
    return status;
}

static int compare_ids(const void *pa, const void *pb)
{
    uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;
    return a < b ? -1 : a > b;
}

slk_status slk_store_load_label_ids(slk_store *store, int64_t id, uint64_t **fact_ids, size_t *n, slk_err *err)
{
    slk_label_set_info info;
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    *fact_ids = NULL;
    *n = 0;
    slk_status status = slk_store_find_label_set(store, &info, id, err);
    if (status == SLK_OK)
        status =
            slk_store_prepare(&stmt, store, "SELECT fact_id FROM label WHERE label_set_id = ?", "load labels", err);
    if (status != SLK_OK) return status;
    slk_store_bind(stmt, "i", info.id);
    size_t cap = 0;
    bool ok = slk_grow(fact_ids, &cap, info.n_labels + 1, sizeof **fact_ids);
    while (ok && (status = slk_store_step(store, stmt, &row, "load labels", err)) == SLK_OK && row) {
        ok = slk_grow(fact_ids, &cap, *n + 1, sizeof **fact_ids);
        if (ok) (*fact_ids)[(*n)++] = (uint64_t)sqlite3_column_int64(stmt, 0);
    }
    sqlite3_finalize(stmt);
    if (!ok) status = slk_fail(err, SLK_E_MEMORY, "%s: out of memory", store->path);
    if (status == SLK_OK && *n > 1) qsort(*fact_ids, *n, sizeof **fact_ids, compare_ids); /* SQLite's order is signed */
    if (status == SLK_OK) return SLK_OK;
    free(*fact_ids);
    *fact_ids = NULL;
    *n = 0;
    return status;
}
