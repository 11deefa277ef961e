#include "data/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/rows.h"

void slk_read_options_init(slk_read_options *options)
{
    memset(options, 0, sizeof *options);
    options->format = SLK_DATA_AUTO;
    options->defaults.split = SLK_SPLIT_TRAIN;
    options->list_separator = '|';
}

slk_data_format slk_data_format_parse(const char *name)
{
    if (strcmp(name, "jsonl") == 0 || strcmp(name, "ndjson") == 0) return SLK_DATA_JSONL;
    if (strcmp(name, "json") == 0) return SLK_DATA_JSON;
    if (strcmp(name, "csv") == 0) return SLK_DATA_CSV;
    return strcmp(name, "tsv") == 0 ? SLK_DATA_TSV : SLK_DATA_AUTO;
}

/* One file while it is read. */
typedef struct reader {
    const slk_read_options *options;
    const slk_field_map *map;
    slk_scan scan;
    slk_record record;
    slk_facts *facts;
    bool seen[SLK_N_FIELDS]; /* JSON: some record had the field */
} reader;

static slk_status finish_record(reader *r, slk_err *err)
{
    slk_fact fact;
    slk_status status = slk_record_finish(&fact, &r->record, &r->options->defaults, err);
    if (status != SLK_OK) return status;
    if (!slk_facts_push(r->facts, &fact)) {
        slk_fact_release(&fact);
        return slk_fail(err, SLK_E_MEMORY, "%s:%ld: out of memory", r->record.name, r->record.line);
    }
    return r->options->on_record ? r->options->on_record(r->options->user, &r->record, err) : SLK_OK;
}

/* Does anybody want this field? */
static bool is_wanted(const reader *r, int field)
{
    return r->map->names[field] && (field != SLK_FIELD_CATEGORY || r->options->on_record);
}

/* --- JSON --------------------------------------------------------------------------------------------------------- */

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    default:
        return "null";
    }
}

static slk_status wrong_type(const reader *r, slk_field field, const json_t *value, const char *expected, slk_err *err)
{
    return slk_fail(err, SLK_E_FORMAT, "%s:%ld: '%s' is %s, expected %s", r->record.name, r->record.line,
                    r->map->names[field], type_name(value), expected);
}

static slk_status add_string(reader *r, slk_field field, const json_t *value, slk_err *err)
{
    return slk_record_add(&r->record, field, json_string_value(value), json_string_length(value), err);
}

static slk_status add_value(reader *r, slk_field field, const json_t *value, slk_err *err)
{
    if (field == SLK_FIELD_OOD) {
        if (!json_is_boolean(value)) return wrong_type(r, field, value, "true or false", err);
        const char *word = json_is_true(value) ? "true" : "false";
        return slk_record_add(&r->record, field, word, strlen(word), err);
    }
    if (json_is_string(value)) return add_string(r, field, value, err);
    bool list = field == SLK_FIELD_ANSWER || field == SLK_FIELD_ANSWERS || field == SLK_FIELD_ALIASES;
    if (!list) return wrong_type(r, field, value, "a string", err);
    if (!json_is_array(value)) return wrong_type(r, field, value, "a string or an array of strings", err);
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);
        if (!json_is_string(item)) {
            return slk_fail(err, SLK_E_FORMAT, "%s:%ld: item %zu of '%s' is %s, expected a string", r->record.name,
                            r->record.line, i + 1, r->map->names[field], type_name(item));
        }
        slk_status status = add_string(r, field, item, err);
        if (status != SLK_OK) return status;
    }
    return SLK_OK;
}

static slk_status read_object(reader *r, const slk_slice *slice, slk_err *err)
{
    json_t *object;
    slk_status status = slk_json_parse(&object, slice->text, slice->n_bytes, r->scan.name, slice->line, err);
    if (status != SLK_OK) return status;
    slk_record_begin(&r->record, slice->line);
    if (!json_is_object(object))
        status = slk_fail(err, SLK_E_FORMAT, "%s:%ld: found %s, expected an object", r->scan.name, slice->line,
                          type_name(object));
    for (int f = 0; f < SLK_N_FIELDS && status == SLK_OK; f++) {
        const json_t *value = is_wanted(r, f) ? json_object_get(object, r->map->names[f]) : NULL;
        if (value) r->seen[f] = true;
        if (value && !json_is_null(value)) status = add_value(r, (slk_field)f, value, err);
    }
    if (status == SLK_OK) status = finish_record(r, err);
    json_decref(object);
    return status;
}

static slk_status read_json(reader *r, bool array, slk_err *err)
{
    slk_status status = array ? slk_scan_enter_array(&r->scan, err) : SLK_OK;
    while (status == SLK_OK) {
        slk_slice slice;
        bool found;
        status = array ? slk_scan_next_element(&r->scan, &slice, &found, err)
                       : slk_scan_next_line(&r->scan, &slice, &found, err);
        if (status != SLK_OK || !found) break;
        status = read_object(r, &slice, err);
    }
    for (int f = 0; f < SLK_N_FIELDS && status == SLK_OK && r->facts->n > 0; f++) {
        if (r->map->asked[f] && !r->seen[f])
            status = slk_fail(err, SLK_E_NOT_FOUND, "%s: no record has the field '%s', named for %s", r->scan.name,
                              r->map->names[f], slk_field_name((slk_field)f));
    }
    return status;
}

/* --- CSV and TSV -------------------------------------------------------------------------------------------------- */

/* The texts of a cell, at each separator; slk_record_finish() objects to empty ones. */
static slk_status add_cell(reader *r, slk_field field, const char *text, size_t n, slk_err *err)
{
    char separator = r->options->list_separator;
    bool list = separator && (field == SLK_FIELD_ANSWERS || field == SLK_FIELD_ALIASES);
    for (;;) {
        const char *cut = list ? memchr(text, separator, n) : NULL;
        slk_status status = slk_record_add(&r->record, field, text, cut ? (size_t)(cut - text) : n, err);
        if (status != SLK_OK || !cut) return status;
        n -= (size_t)(cut - text) + 1;
        text = cut + 1;
    }
}

/* Header line: columns[f] = index of the column of field f, or -1. */
static slk_status read_header(reader *r, slk_row *row, int columns[SLK_N_FIELDS], slk_err *err)
{
    for (int f = 0; f < SLK_N_FIELDS; f++) columns[f] = -1;
    for (size_t i = 0; i < row->n_cells; i++) {
        size_t begin, end;
        slk_text_trim(row->bytes.data + row->begins[i], row->n_bytes[i], &begin, &end);
        row->bytes.data[row->begins[i] + end] = 0; /* the cell's own NUL, or earlier */
        row->begins[i] += begin;
        const char *name = row->bytes.data + row->begins[i];
        for (size_t j = 0; j < i; j++) {
            if (*name && strcmp(name, row->bytes.data + row->begins[j]) == 0)
                return slk_fail(err, SLK_E_FORMAT, "%s:%ld: columns %zu and %zu are both named '%s'", r->scan.name,
                                row->line, j + 1, i + 1, name);
        }
        for (int f = 0; f < SLK_N_FIELDS; f++) {
            if (is_wanted(r, f) && strcmp(r->map->names[f], name) == 0) columns[f] = (int)i;
        }
    }
    for (int f = 0; f < SLK_N_FIELDS; f++) {
        bool needed = r->map->asked[f] || f == SLK_FIELD_QUESTION;
        if (needed && columns[f] < 0)
            return slk_fail(err, SLK_E_NOT_FOUND, "%s:%ld: no column '%s', needed for %s", r->scan.name, row->line,
                            r->map->names[f] ? r->map->names[f] : "question", slk_field_name((slk_field)f));
    }
    if (columns[SLK_FIELD_ANSWER] < 0 && columns[SLK_FIELD_ANSWERS] < 0)
        return slk_fail(err, SLK_E_NOT_FOUND, "%s:%ld: no column 'answer' or 'answers'", r->scan.name, row->line);
    return SLK_OK;
}

static bool is_blank_cell(const char *text, size_t n)
{
    size_t begin, end;
    slk_text_trim(text, n, &begin, &end);
    return begin == end;
}

static slk_status read_row(reader *r, const slk_row *row, const int columns[SLK_N_FIELDS], size_t n_columns,
                           slk_err *err)
{
    if (row->n_cells != n_columns)
        return slk_fail(err, SLK_E_FORMAT, "%s:%ld: a row of %zu cells, expected %zu as in the header", r->scan.name,
                        row->line, row->n_cells, n_columns);
    slk_record_begin(&r->record, row->line);
    /* An empty answer cell is absent only beside a filled `answers` cell: alone it is the error "empty answer". */
    int several = columns[SLK_FIELD_ANSWERS];
    bool has_answers = several >= 0 && !is_blank_cell(row->bytes.data + row->begins[several], row->n_bytes[several]);
    for (int f = 0; f < SLK_N_FIELDS; f++) {
        if (columns[f] < 0) continue;
        const char *text = row->bytes.data + row->begins[columns[f]];
        size_t n = row->n_bytes[columns[f]];
        bool keep_blank = f == SLK_FIELD_QUESTION || (f == SLK_FIELD_ANSWER && !has_answers);
        if (!keep_blank && is_blank_cell(text, n)) continue;
        slk_status status = add_cell(r, (slk_field)f, text, n, err);
        if (status != SLK_OK) return status;
    }
    return finish_record(r, err);
}

static slk_status read_table(reader *r, char separator, slk_err *err)
{
    int columns[SLK_N_FIELDS];
    size_t n_columns = 0;
    slk_row row = {0};
    slk_status status = SLK_OK;
    for (;;) {
        bool found;
        status = slk_scan_next_row(&r->scan, separator, &row, &found, err);
        if (status != SLK_OK || !found) break;
        if (n_columns == 0) {
            n_columns = row.n_cells;
            status = read_header(r, &row, columns, err);
        } else {
            status = read_row(r, &row, columns, n_columns, err);
        }
        if (status != SLK_OK) break;
    }
    slk_row_release(&row);
    return status;
}

/* --- files -------------------------------------------------------------------------------------------------------- */

/* The whole text is valid UTF-8 without NUL, or the place where it is not. */
static slk_status check_text(const char *text, size_t n_bytes, const char *name, slk_err *err)
{
    if (n_bytes >= 2 && (memcmp(text, "\xFF\xFE", 2) == 0 || memcmp(text, "\xFE\xFF", 2) == 0))
        return slk_fail(err, SLK_E_FORMAT, "%s:1: a UTF-16 byte order mark, expected UTF-8", name);
    size_t bad = slk_utf8_valid(text, n_bytes);
    const char *nul = memchr(text, 0, bad);
    if (nul) bad = (size_t)(nul - text);
    if (bad == n_bytes) return SLK_OK;
    long line = 1;
    size_t begin = 0;
    for (size_t i = 0; i < bad; i++) {
        if (text[i] != '\n') continue;
        line++;
        begin = i + 1;
    }
    if (nul)
        return slk_fail(err, SLK_E_FORMAT, "%s:%ld: a NUL byte at byte %zu, expected text", name, line,
                        bad - begin + 1);
    return slk_fail(err, SLK_E_FORMAT, "%s:%ld: byte %zu (0x%02X) is not valid UTF-8", name, line, bad - begin + 1,
                    (unsigned char)text[bad]);
}

static slk_data_format format_of(const char *name, slk_data_format asked)
{
    if (asked != SLK_DATA_AUTO) return asked;
    if (strcmp(name, "-") == 0) return SLK_DATA_JSONL;
    const char *dot = strrchr(name, '.');
    return dot ? slk_data_format_parse(dot + 1) : SLK_DATA_AUTO;
}

static slk_status read_all(reader *r, slk_data_format format, slk_err *err)
{
    switch (format) {
    case SLK_DATA_JSONL:
        return read_json(r, false, err);
    case SLK_DATA_JSON:
        return read_json(r, true, err);
    case SLK_DATA_CSV:
        return read_table(r, ',', err);
    case SLK_DATA_TSV:
        return read_table(r, '\t', err);
    default:
        return slk_fail(err, SLK_E_UNSUPPORTED, "%s: unknown extension, expected .jsonl, .ndjson, .json, .csv or .tsv",
                        r->scan.name);
    }
}

bool slk_facts_append(slk_facts *facts, slk_facts *more)
{
    if (!slk_grow(&facts->items, &facts->cap, facts->n + more->n, sizeof *facts->items)) return false;
    if (more->n > 0) memcpy(facts->items + facts->n, more->items, more->n * sizeof *more->items);
    facts->n += more->n;
    more->n = 0;
    return true;
}

slk_status slk_data_read_text(slk_facts *facts, const char *text, size_t n_bytes, const char *name,
                              const slk_read_options *options, slk_err *err)
{
    slk_status status = check_text(text, n_bytes, name, err);
    if (status != SLK_OK) return status;
    if (n_bytes >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        n_bytes -= 3;
    }
    slk_field_map own = {0};
    if (!options->map && (status = slk_field_map_init(&own, NULL, err)) != SLK_OK) return status;
    slk_facts read = {0};
    reader r = {.options = options, .map = options->map ? options->map : &own, .facts = &read};
    r.scan = (slk_scan){.name = name, .text = text, .n_bytes = n_bytes, .line = 1};
    r.record.name = name;
    status = read_all(&r, format_of(name, options->format), err);
    if (status == SLK_OK && read.n == 0) status = slk_fail(err, SLK_E_FORMAT, "%s:1: no facts at all", name);
    if (status == SLK_OK && !slk_facts_append(facts, &read))
        status = slk_fail(err, SLK_E_MEMORY, "%s: out of memory", name);
    slk_facts_release(&read);
    slk_record_release(&r.record);
    slk_field_map_release(&own);
    return status;
}

slk_status slk_data_read_file(slk_facts *facts, const char *path, const slk_read_options *options, slk_err *err)
{
    struct stat st;
    bool is_stdin = strcmp(path, "-") == 0;
    if (format_of(path, options->format) == SLK_DATA_AUTO)
        return slk_fail(err, SLK_E_UNSUPPORTED, "%s: unknown extension, expected .jsonl, .ndjson, .json, .csv or .tsv",
                        path);
    if (!is_stdin && stat(path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size > SLK_DATA_MAX_BYTES)
        return slk_fail(err, SLK_E_FORMAT, "%s: %lld bytes, expected at most %zu (split the file)", path,
                        (long long)st.st_size, SLK_DATA_MAX_BYTES);
    char *text;
    size_t n_bytes;
    slk_status status = slk_file_read(&text, &n_bytes, path, err);
    if (status != SLK_OK) return status;
    slk_read_options exact = *options;
    exact.format = format_of(path, options->format);
    status = slk_data_read_text(facts, text, n_bytes, is_stdin ? "standard input" : path, &exact, err);
    free(text);
    return status;
}
