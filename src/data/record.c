#include "data/record.h"

#include <stdlib.h>
#include <string.h>
#include "base/label.h"
#include "base/mem.h"
#include "base/text.h"

static const char *const FIELD_NAMES[SLK_N_FIELDS] = {"question", "answer", "answers", "aliases", "relation",
                                                      "subject",  "split",  "ood",     "category"};

const char *slk_field_name(slk_field field)
{
    return FIELD_NAMES[field];
}

/* --- the map ------------------------------------------------------------------------------------------------------ */

void slk_field_map_release(slk_field_map *map)
{
    for (int f = 0; f < SLK_N_FIELDS; f++) free(map->names[f]);
    memset(map, 0, sizeof *map);
}

static int find_field(const char *name, size_t n)
{
    for (int f = 0; f < SLK_N_FIELDS; f++) {
        if (strlen(FIELD_NAMES[f]) == n && memcmp(FIELD_NAMES[f], name, n) == 0) return f;
    }
    return -1;
}

/* One "field=name" of n bytes. */
static slk_status map_one(slk_field_map *map, const char *item, size_t n, slk_err *err)
{
    const char *equals = memchr(item, '=', n);
    size_t n_field = equals ? (size_t)(equals - item) : n;
    int f = find_field(item, n_field);
    if (f < 0) {
        return slk_fail(
            err, SLK_E_ARG,
            "field map: '%.*s' is no field, expected question, answer, answers, aliases, relation, subject, "
            "split, ood or category",
            (int)n_field, item);
    }
    if (!equals || n_field + 1 == n)
        return slk_fail(err, SLK_E_ARG, "field map: %s has no name, expected %s=NAME", FIELD_NAMES[f], FIELD_NAMES[f]);
    if (map->asked[f]) return slk_fail(err, SLK_E_ARG, "field map: %s is named twice", FIELD_NAMES[f]);
    map->asked[f] = true;
    map->names[f] = slk_strndup(equals + 1, n - n_field - 1);
    return map->names[f] ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "field map: out of memory");
}

/* Fields that were not named keep their own name, unless somebody else took it. */
static slk_status fill_map(slk_field_map *map, slk_err *err)
{
    for (int f = 0; f < SLK_N_FIELDS; f++) {
        bool taken = false;
        for (int g = 0; g < SLK_N_FIELDS; g++) {
            if (f == g || !map->asked[g]) continue;
            if (map->asked[f] && strcmp(map->names[f], map->names[g]) == 0)
                return slk_fail(err, SLK_E_ARG, "field map: '%s' is named for both %s and %s", map->names[f],
                                FIELD_NAMES[f], FIELD_NAMES[g]);
            if (strcmp(FIELD_NAMES[f], map->names[g]) == 0) taken = true;
        }
        if (f == SLK_FIELD_ANSWER && map->asked[SLK_FIELD_ANSWERS]) taken = true;
        if (f == SLK_FIELD_ANSWERS && map->asked[SLK_FIELD_ANSWER]) taken = true;
        if (map->asked[f] || taken) continue;
        map->names[f] = slk_strdup(FIELD_NAMES[f]);
        if (!map->names[f]) return slk_fail(err, SLK_E_MEMORY, "field map: out of memory");
    }
    return SLK_OK;
}

slk_status slk_field_map_init(slk_field_map *map, const char *text, slk_err *err)
{
    memset(map, 0, sizeof *map);
    slk_status status = SLK_OK;
    while (text && *text && status == SLK_OK) {
        size_t n = strcspn(text, ",");
        status = map_one(map, text, n, err);
        text += n + (text[n] == ',');
    }
    if (status == SLK_OK) status = fill_map(map, err);
    if (status != SLK_OK) slk_field_map_release(map);
    return status;
}

/* --- the record --------------------------------------------------------------------------------------------------- */

void slk_record_release(slk_record *record)
{
    free(record->values);
    memset(record, 0, sizeof *record);
}

void slk_record_begin(slk_record *record, long line)
{
    record->line = line;
    record->n_values = 0;
}

slk_status slk_record_add(slk_record *record, slk_field field, const char *text, size_t n_bytes, slk_err *err)
{
    size_t limit = field == SLK_FIELD_QUESTION ? SLK_QUESTION_MAX_BYTES : SLK_VALUE_MAX_BYTES;
    if (n_bytes > limit)
        return slk_fail(err, SLK_E_FORMAT, "%s:%ld: %s of %zu bytes, expected at most %zu", record->name, record->line,
                        FIELD_NAMES[field], n_bytes, limit);
    if (record->n_values == SLK_RECORD_MAX_VALUES)
        return slk_fail(err, SLK_E_FORMAT, "%s:%ld: more than %d values in one record", record->name, record->line,
                        SLK_RECORD_MAX_VALUES);
    if (!slk_grow(&record->values, &record->cap_values, record->n_values + 1, sizeof *record->values))
        return slk_fail(err, SLK_E_MEMORY, "%s:%ld: out of memory", record->name, record->line);
    record->values[record->n_values++] = (slk_record_value){.field = field, .text = text, .n_bytes = n_bytes};
    return SLK_OK;
}

static bool is_ascii(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)text[i] >= 0x80) return false;
    }
    return true;
}

/* Trimmed and in NFC; free() it. Empty text stays empty. */
static slk_status clean_text(char **out, const slk_record *record, const slk_record_value *value, slk_err *err)
{
    size_t begin, end;
    slk_text_trim(value->text, value->n_bytes, &begin, &end);
    const char *text = value->text + begin;
    size_t n = end - begin;
    if (is_ascii(text, n)) { /* already NFC */
        *out = slk_strndup(text, n);
        return *out ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "%s:%ld: out of memory", record->name, record->line);
    }
    *out = NULL;
    slk_status status = slk_text_normalize(out, SLK_NFC, text, n, err);
    if (status != SLK_OK)
        return slk_fail_in(err, status, "%s:%ld: %s", record->name, record->line, FIELD_NAMES[value->field]);
    return SLK_OK;
}

/* Append text (moved; freed on failure) to a list of strings. */
static bool push_text(char ***list, size_t *n, char *text)
{
    char **bigger = realloc(*list, (*n + 1) * sizeof *bigger);
    if (!bigger) {
        free(text);
        return false;
    }
    *list = bigger;
    bigger[(*n)++] = text;
    return true;
}

static bool list_has(char *const *list, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i], text) == 0) return true;
    }
    return false;
}

/* The distinct answers and, behind them, their folded forms, while a fact is being made. */
typedef struct answer_list {
    char **folded; /* [n] made only when there are two values to compare */
    size_t n;
} answer_list;

/* A spelling that the fact has already is dropped; one that only folds to the same is an alias; else a further answer.
 */
static slk_status add_answer(slk_fact *fact, answer_list *seen, char *text, bool compare, slk_err *err)
{
    char *folded = NULL;
    if (compare) {
        slk_status status = slk_text_normalize(&folded, SLK_NFKC_CASEFOLD, text, strlen(text), err);
        if (status != SLK_OK) {
            free(text);
            return status;
        }
        if (list_has(seen->folded, seen->n, folded)) {
            free(folded);
            if (list_has(fact->answers, fact->n_answers, text) || list_has(fact->aliases, fact->n_aliases, text)) {
                free(text);
                return SLK_OK;
            }
            return push_text(&fact->aliases, &fact->n_aliases, text) ? SLK_OK
                                                                     : slk_fail(err, SLK_E_MEMORY, "out of memory");
        }
        if (!push_text(&seen->folded, &seen->n, folded)) {
            free(text);
            return slk_fail(err, SLK_E_MEMORY, "out of memory");
        }
    }
    return push_text(&fact->answers, &fact->n_answers, text) ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory");
}

/* Answers in the order answer, answers; then aliases, each once. */
static slk_status take_list(slk_fact *fact, const slk_record *record, slk_field field, answer_list *seen, bool compare,
                            slk_err *err)
{
    for (size_t i = 0; i < record->n_values; i++) {
        const slk_record_value *value = &record->values[i];
        if (value->field != field) continue;
        char *text;
        slk_status status = clean_text(&text, record, value, err);
        if (status != SLK_OK) return status;
        if (!*text) {
            free(text);
            return slk_fail(err, SLK_E_FORMAT, "%s:%ld: empty %s, expected text", record->name, record->line,
                            field == SLK_FIELD_ALIASES ? "alias" : "answer");
        }
        if (field != SLK_FIELD_ALIASES) {
            status = add_answer(fact, seen, text, compare, err);
        } else if (list_has(fact->answers, fact->n_answers, text) || list_has(fact->aliases, fact->n_aliases, text)) {
            free(text);
        } else if (!push_text(&fact->aliases, &fact->n_aliases, text)) {
            status = slk_fail(err, SLK_E_MEMORY, "out of memory");
        }
        if (status != SLK_OK) return slk_fail_in(err, status, "%s:%ld", record->name, record->line);
    }
    return SLK_OK;
}

static const slk_record_value *find_value(const slk_record *record, slk_field field)
{
    for (size_t i = 0; i < record->n_values; i++) {
        if (record->values[i].field == field) return &record->values[i];
    }
    return NULL;
}

/* *out NULL when the record has no such value or an empty one. */
static slk_status take_text(char **out, const slk_record *record, slk_field field, slk_err *err)
{
    *out = NULL;
    const slk_record_value *value = find_value(record, field);
    if (!value) return SLK_OK;
    slk_status status = clean_text(out, record, value, err);
    if (status == SLK_OK && !**out) {
        free(*out);
        *out = NULL;
    }
    return status;
}

static slk_status take_ood(bool *out, const slk_record *record, slk_err *err)
{
    static const char *const WORDS[] = {"false", "no", "0", "true", "yes", "1"};
    char *text;
    slk_status status = take_text(&text, record, SLK_FIELD_OOD, err);
    if (status != SLK_OK || !text) return status;
    int found = -1;
    for (int i = 0; i < 6; i++) {
        if (strcmp(text, WORDS[i]) == 0) found = i;
    }
    if (found < 0) {
        status = slk_fail(err, SLK_E_FORMAT, "%s:%ld: ood is '%s', expected true or false", record->name, record->line,
                          text);
    } else {
        *out = found >= 3;
    }
    free(text);
    return status;
}

/* Split and ood belong together: what is out of distribution is tested only, so test is its split unless one is given.
 */
static slk_status take_place(slk_fact *fact, const slk_record *record, const slk_record_defaults *defaults,
                             slk_err *err)
{
    slk_status status = take_ood(&fact->ood, record, err);
    if (status != SLK_OK) return status;
    for (size_t i = 0; i < defaults->n_ood; i++) {
        if (strcmp(defaults->ood[i], fact->relation) == 0) fact->ood = true;
    }
    fact->split = fact->ood ? SLK_SPLIT_TEST : defaults->split;
    char *text;
    status = take_text(&text, record, SLK_FIELD_SPLIT, err);
    if (status != SLK_OK || !text) return status;
    int split = slk_split_parse(text);
    if (split < 0) {
        status = slk_fail(err, SLK_E_FORMAT, "%s:%ld: split is '%s', expected train, dev or test", record->name,
                          record->line, text);
    } else {
        fact->split = (slk_split)split;
    }
    free(text);
    return status;
}

static slk_status fill_fact(slk_fact *fact, answer_list *seen, const slk_record *record,
                            const slk_record_defaults *defaults, slk_err *err)
{
    slk_status status = take_text(&fact->question, record, SLK_FIELD_QUESTION, err);
    if (status != SLK_OK) return status;
    if (!fact->question)
        return slk_fail(err, SLK_E_FORMAT, "%s:%ld: %s", record->name, record->line,
                        find_value(record, SLK_FIELD_QUESTION)
                            ? "empty question, expected text"
                            : "no question, expected text (under another name: --map question=NAME)");
    size_t n_texts = 0;
    for (size_t i = 0; i < record->n_values; i++) {
        slk_field field = record->values[i].field;
        n_texts += field == SLK_FIELD_ANSWER || field == SLK_FIELD_ANSWERS;
    }
    if (n_texts == 0)
        return slk_fail(err, SLK_E_FORMAT, "%s:%ld: no answer, expected text (under another name: --map answer=NAME)",
                        record->name, record->line);
    status = take_list(fact, record, SLK_FIELD_ANSWER, seen, n_texts > 1, err);
    if (status == SLK_OK) status = take_list(fact, record, SLK_FIELD_ANSWERS, seen, n_texts > 1, err);
    if (status == SLK_OK) status = take_list(fact, record, SLK_FIELD_ALIASES, seen, false, err);
    if (status == SLK_OK) status = take_text(&fact->subject, record, SLK_FIELD_SUBJECT, err);
    if (status == SLK_OK) status = take_text(&fact->relation, record, SLK_FIELD_RELATION, err);
    if (status != SLK_OK) return status;
    if (!fact->relation) {
        fact->relation = slk_strdup(defaults->relation ? defaults->relation : "");
        if (!fact->relation) return slk_fail(err, SLK_E_MEMORY, "%s:%ld: out of memory", record->name, record->line);
    }
    return take_place(fact, record, defaults, err);
}

slk_status slk_record_finish(slk_fact *out, const slk_record *record, const slk_record_defaults *defaults, slk_err *err)
{
    memset(out, 0, sizeof *out);
    answer_list seen = {0};
    slk_status status = fill_fact(out, &seen, record, defaults, err);
    for (size_t i = 0; i < seen.n; i++) free(seen.folded[i]);
    free(seen.folded);
    if (status != SLK_OK) {
        slk_fact_release(out);
        memset(out, 0, sizeof *out);
        return status;
    }
    out->id = slk_fact_identity(out);
    return SLK_OK;
}

slk_status slk_record_category(int *out, const slk_record *record, slk_err *err)
{
    char *text;
    *out = -1;
    slk_status status = take_text(&text, record, SLK_FIELD_CATEGORY, err);
    if (status != SLK_OK || !text) return status;
    int category = slk_category_parse(text);
    if (category < 0 || category >= SLK_N_CATEGORIES)
        status = slk_fail(err, SLK_E_FORMAT,
                          "%s:%ld: category is '%.80s', expected HighlyKnown, MaybeKnown, WeaklyKnown or Unknown%s",
                          record->name, record->line, text,
                          category == SLK_UNLABELABLE ? " (no answer can match this fact: leave it out)" : "");
    else
        *out = category;
    free(text);
    return status;
}
