/* Cutting data files into their parts, with the line each part begins on: rows of CSV and TSV, elements of a JSON
 * array. Parts are found by scanning, so a file of any size is never a tree in memory as a whole. */
#ifndef SLK_DATA_ROWS_H
#define SLK_DATA_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"
#include "base/mem.h"

/* A place in a text. */
typedef struct slk_scan {
    const char *name; /* of the file, for messages */
    const char *text;
    size_t n_bytes, at;
    long line; /* of text[at], from 1 */
} slk_scan;

/* One row of CSV or TSV. Cell i is bytes.data + begins[i], NUL-terminated, n_bytes[i] long. Zero-initialise; the
 * content is valid until the next row is read. */
typedef struct slk_row {
    long line; /* where it begins */
    size_t n_cells;
    slk_buf bytes;
    size_t *begins, *n_bytes;
    size_t cap_begins, cap_n_bytes;
} slk_row;

void slk_row_release(slk_row *row);
/* The next row that is not blank; *found false at the end. A cell that begins with '"' is quoted; anywhere else '"' is
 * a character like others. Errors: SLK_E_FORMAT (quote that does not end, text behind a closing quote, row or number of
 * cells over its limit), SLK_E_MEMORY. */
slk_status slk_scan_next_row(slk_scan *scan, char separator, slk_row *row, bool *found, slk_err *err);

/* A part of the scanned text. */
typedef struct slk_slice {
    const char *text;
    size_t n_bytes;
    long line;
} slk_slice;

/* The next line that is not blank, without its end; *found false at the end. Errors: SLK_E_FORMAT (longer than a record
 * may be). */
slk_status slk_scan_next_line(slk_scan *scan, slk_slice *out, bool *found, slk_err *err);
/* Enter a JSON array: skip white space and '['. Errors: SLK_E_FORMAT. */
slk_status slk_scan_enter_array(slk_scan *scan, slk_err *err);
/* The next element of the entered array; *found false behind the last, when the end of the text was checked, too. The
 * element's own syntax is for the JSON parser to judge; here only brackets and strings are followed. Errors:
 * SLK_E_FORMAT. */
slk_status slk_scan_next_element(slk_scan *scan, slk_slice *out, bool *found, slk_err *err);

#endif
