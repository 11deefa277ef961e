/* Readers: files of questions and answers become facts. Bytes in, facts out; filters come later (filter.h).
 *
 *     .jsonl .ndjson   an object a line; blank lines are skipped
 *     .json            one array of objects
 *     .csv             comma-separated, RFC 4180: a header line, cells may be "quoted", with "" for a quote and line
 * breaks .tsv             the same with tabs
 *
 * In JSON, question, relation, subject, split and category are strings, answer, answers and aliases a string or an
 * array of strings, ood is true or false; null is as good as absent, other fields are ignored. In CSV and TSV the
 * columns `answers` and `aliases` may hold several texts with '|' between them (list_separator); `answer` is always one
 * text; an empty cell is as good as absent. A byte order mark at the beginning and CRLF line ends are fine. Fields are
 * those of record.h.
 *
 * The whole file must be valid UTF-8 without NUL bytes. Every error names FILE:LINE. */
#ifndef SLK_DATA_READER_H
#define SLK_DATA_READER_H

#include <stddef.h>
#include "base/error.h"
#include "base/fact.h"
#include "data/record.h"

#define SLK_DATA_MAX_BYTES ((size_t)1 << 30) /* of one file */
#define SLK_ROW_MAX_CELLS  1024

typedef enum slk_data_format {
    SLK_DATA_AUTO, /* by the file's extension; standard input is JSON lines */
    SLK_DATA_JSONL,
    SLK_DATA_JSON,
    SLK_DATA_CSV,
    SLK_DATA_TSV,
} slk_data_format;

typedef struct slk_read_options {
    slk_data_format format;
    const slk_field_map *map; /* NULL: every field under its own name */
    slk_record_defaults defaults;
    char list_separator; /* in CSV and TSV; 0: cells are not split */
    /* Called once for each record, behind its fact: what is no part of a fact (line, category) can be kept beside it.
     * NULL: nobody asks, and the field `category` is not looked at. */
    slk_status (*on_record)(void *user, const slk_record *record, slk_err *err);
    void *user;
} slk_read_options;

/* Auto format, own names, split train, no relation, '|'. */
void slk_read_options_init(slk_read_options *options);

/* SLK_DATA_AUTO when the name is none of jsonl, ndjson, json, csv, tsv. */
slk_data_format slk_data_format_parse(const char *name);

/* Append the facts of text [n_bytes] to *facts; `name` is for messages. On failure *facts is as it was.
 * Errors: SLK_E_FORMAT (any content that breaks the rules above and those of record.h; no facts at all),
 * SLK_E_NOT_FOUND (a column or field that the map asks for is in no record), SLK_E_MEMORY. */
slk_status slk_data_read_text(slk_facts *facts, const char *text, size_t n_bytes, const char *name,
                              const slk_read_options *options, slk_err *err);
/* The same for a file ("-": standard input). Also SLK_E_IO, SLK_E_UNSUPPORTED (an unknown extension). */
slk_status slk_data_read_file(slk_facts *facts, const char *path, const slk_read_options *options, slk_err *err);

/* Move the facts of *more behind those of *facts; *more keeps its memory but has no items. false: out of memory, both
 * as they were. */
bool slk_facts_append(slk_facts *facts, slk_facts *more);

#endif
