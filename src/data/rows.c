#include "data/rows.h"

#include <stdlib.h>
#include <string.h>
#include "data/reader.h"

static slk_status too_long(const slk_scan *scan, const char *what, long line, slk_err *err)
{
    return slk_fail(err, SLK_E_FORMAT, "%s:%ld: a %s of more than %u bytes", scan->name, line, what,
                    SLK_RECORD_MAX_BYTES);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* --- rows of CSV and TSV ------------------------------------------------------------------------------------------ */

void slk_row_release(slk_row *row)
{
    slk_buf_release(&row->bytes);
    free(row->begins);
    free(row->n_bytes);
    memset(row, 0, sizeof *row);
}

/* Bytes of the line end at `at`: LF, CR LF, or 0 when there is none. */
static size_t line_end(const slk_scan *scan)
{
    const char *p = scan->text + scan->at;
    size_t left = scan->n_bytes - scan->at;
    if (left >= 1 && p[0] == '\n') return 1;
    return left >= 2 && p[0] == '\r' && p[1] == '\n' ? 2 : 0;
}

static bool at_cell_end(const slk_scan *scan, char separator)
{
    return scan->at == scan->n_bytes || scan->text[scan->at] == separator || line_end(scan) > 0;
}

static slk_status read_quoted(slk_scan *scan, char separator, slk_row *row, slk_err *err)
{
    size_t begin = scan->at++;
    long line = scan->line;
    for (;;) {
        const char *run = scan->text + scan->at;
        size_t n = 0, left = scan->n_bytes - scan->at;
        while (n < left && run[n] != '"') scan->line += run[n++] == '\n';
        if (n == left || scan->at - begin + n > SLK_RECORD_MAX_BYTES)
            return slk_fail(err, SLK_E_FORMAT, "%s:%ld: a quoted cell that does not end, expected a closing '\"'",
                            scan->name, line);
        slk_buf_add(&row->bytes, run, n);
        scan->at += n + 1;
        if (scan->at < scan->n_bytes && scan->text[scan->at] == '"') {
            slk_buf_add(&row->bytes, "\"", 1);
            scan->at++;
            continue;
        }
        if (at_cell_end(scan, separator)) return SLK_OK;
        return slk_fail(err, SLK_E_FORMAT,
                        "%s:%ld: text behind a closing '\"', expected '%s' or the end of the line (a quote inside "
                        "a quoted cell is written \"\")",
                        scan->name, scan->line, separator == '\t' ? "tab" : ",");
    }
}

static slk_status read_cell(slk_scan *scan, char separator, slk_row *row, slk_err *err)
{
    if (row->n_cells == SLK_ROW_MAX_CELLS)
        return slk_fail(err, SLK_E_FORMAT, "%s:%ld: more than %d cells in a row", scan->name, row->line,
                        SLK_ROW_MAX_CELLS);
    size_t i = row->n_cells;
    if (!slk_grow(&row->begins, &row->cap_begins, i + 1, sizeof *row->begins) ||
        !slk_grow(&row->n_bytes, &row->cap_n_bytes, i + 1, sizeof *row->n_bytes))
        return slk_fail(err, SLK_E_MEMORY, "%s:%ld: out of memory", scan->name, row->line);
    row->begins[i] = row->bytes.len;
    slk_status status = SLK_OK;
    if (scan->at < scan->n_bytes && scan->text[scan->at] == '"') {
        status = read_quoted(scan, separator, row, err);
    } else {
        size_t begin = scan->at;
        while (!at_cell_end(scan, separator) && scan->at - begin <= SLK_RECORD_MAX_BYTES) scan->at++;
        slk_buf_add(&row->bytes, scan->text + begin, scan->at - begin);
    }
    row->n_bytes[i] = row->bytes.len - row->begins[i];
    row->n_cells++;
    slk_buf_add(&row->bytes, "", 1);
    if (status == SLK_OK && row->bytes.len > SLK_RECORD_MAX_BYTES) return too_long(scan, "row", row->line, err);
    if (status == SLK_OK && row->bytes.failed)
        return slk_fail(err, SLK_E_MEMORY, "%s:%ld: out of memory", scan->name, row->line);
    return status;
}

slk_status slk_scan_next_row(slk_scan *scan, char separator, slk_row *row, bool *found, slk_err *err)
{
    size_t n;
    while ((n = line_end(scan)) > 0) { /* blank lines */
        scan->at += n;
        scan->line++;
    }
    *found = scan->at < scan->n_bytes;
    row->n_cells = 0;
    row->line = scan->line;
    slk_buf_clear(&row->bytes);
    while (*found) {
        slk_status status = read_cell(scan, separator, row, err);
        if (status != SLK_OK) return status;
        if (scan->at < scan->n_bytes && scan->text[scan->at] == separator) {
            scan->at++;
            continue;
        }
        n = line_end(scan);
        scan->at += n;
        scan->line += n > 0;
        break;
    }
    return SLK_OK;
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

slk_status slk_scan_next_line(slk_scan *scan, slk_slice *out, bool *found, slk_err *err)
{
    *found = false;
    while (scan->at < scan->n_bytes) {
        const char *begin = scan->text + scan->at;
        const char *end = memchr(begin, '\n', scan->n_bytes - scan->at);
        size_t n = end ? (size_t)(end - begin) : scan->n_bytes - scan->at;
        *out = (slk_slice){.text = begin, .n_bytes = n, .line = scan->line};
        scan->at += n + (end != NULL);
        scan->line += end != NULL;
        size_t i = 0;
        while (i < n && is_blank(begin[i])) i++;
        if (i == n) continue;
        if (n > SLK_RECORD_MAX_BYTES) return too_long(scan, "line", out->line, err);
        *found = true;
        return SLK_OK;
    }
    return SLK_OK;
}

/* --- elements of a JSON array ------------------------------------------------------------------------------------- */

static void skip_blanks(slk_scan *scan)
{
    for (; scan->at < scan->n_bytes && is_blank(scan->text[scan->at]); scan->at++)
        scan->line += scan->text[scan->at] == '\n';
}

/* What stands at `at`, for a message. */
static const char *name_next(const slk_scan *scan, char name[4])
{
    if (scan->at == scan->n_bytes) return "the end of the file";
    unsigned char c = (unsigned char)scan->text[scan->at];
    name[0] = name[2] = '\'';
    name[1] = (char)(c < 0x80 ? c : '?');
    name[3] = 0;
    return name;
}

static slk_status unexpected(const slk_scan *scan, const char *expected, slk_err *err)
{
    char name[4];
    return slk_fail(err, SLK_E_FORMAT, "%s:%ld: found %s, expected %s", scan->name, scan->line, name_next(scan, name),
                    expected);
}

slk_status slk_scan_enter_array(slk_scan *scan, slk_err *err)
{
    skip_blanks(scan);
    if (scan->at == scan->n_bytes || scan->text[scan->at] != '[')
        return unexpected(scan, "'[' (an array of objects; a file with an object a line is named .jsonl)", err);
    scan->at++;
    skip_blanks(scan);
    return SLK_OK;
}

/* Behind the array only white space may follow. */
static slk_status leave_array(slk_scan *scan, slk_err *err)
{
    scan->at++;
    skip_blanks(scan);
    return scan->at == scan->n_bytes ? SLK_OK : unexpected(scan, "the end of the file behind the array", err);
}

/* Move behind the element at `at`: to the ',' or ']' outside all its brackets and strings. */
static slk_status skip_element(slk_scan *scan, slk_err *err)
{
    size_t begin = scan->at, depth = 0;
    long line = scan->line;
    bool in_string = false;
    for (; scan->at < scan->n_bytes; scan->at++) {
        char c = scan->text[scan->at];
        if (scan->at - begin > SLK_RECORD_MAX_BYTES) return too_long(scan, "record", line, err);
        if (c == '\n') scan->line++;
        if (in_string) {
            if (c == '\\' && scan->at + 1 < scan->n_bytes && scan->text[scan->at + 1] != '\n')
                scan->at++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (depth == 0 && (c == ',' || c == ']' || c == '}')) {
            return SLK_OK;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return slk_fail(err, SLK_E_FORMAT, "%s:%ld: the file ends inside this record", scan->name, line);
}

slk_status slk_scan_next_element(slk_scan *scan, slk_slice *out, bool *found, slk_err *err)
{
    *found = false;
    /* Only an empty array has its ']' here: behind a ',' there must be an element. */
    if (scan->at < scan->n_bytes && scan->text[scan->at] == ']') return leave_array(scan, err);
    if (scan->at == scan->n_bytes) return SLK_OK; /* left before */
    out->text = scan->text + scan->at;
    out->line = scan->line;
    slk_status status = skip_element(scan, err);
    if (status != SLK_OK) return status;
    out->n_bytes = (size_t)(scan->text + scan->at - out->text);
    if (out->n_bytes == 0) return unexpected(scan, "an object", err);
    *found = true;
    if (scan->text[scan->at] == '}') return unexpected(scan, "',' or ']'", err);
    if (scan->text[scan->at] == ']') return leave_array(scan, err);
    scan->at++;
    skip_blanks(scan);
    if (scan->at == scan->n_bytes || scan->text[scan->at] == ']') return unexpected(scan, "an object behind ','", err);
    return SLK_OK;
}
