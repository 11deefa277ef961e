#include "report/exposure.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "data/reader.h"
#include "data/rows.h"

enum { COL_KIND, COL_LIST_RIGHT, COL_LIST_WRONG, COL_TEXT_RIGHT, COL_TEXT_WRONG, COL_INSTRUCT, N_COLS };
static const char *const COLUMNS[N_COLS] = {"kind", "list_right", "list_wrong", "text_right", "text_wrong", "instruct"};

typedef struct exposed_row {
    uint64_t id;
    slk_exposure exposure;
} exposed_row;

typedef struct reading {
    slk_dataset *ds;
    const slk_exposure_table *table;
    size_t columns[N_COLS];
    exposed_row *rows; /* [n] in the order of the file, then by identity */
    size_t n;
} reading;

static slk_status no_memory(const reading *r, slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", r->table->name);
}

static const char *cell(const slk_row *row, size_t column)
{
    return row->bytes.data + row->begins[column];
}

static slk_status read_header(reading *r, const slk_row *row, slk_err *err)
{
    for (int c = 0; c < N_COLS; c++) {
        size_t i = 0;
        while (i < row->n_cells && strcmp(cell(row, i), COLUMNS[c]) != 0) i++;
        if (i == row->n_cells)
            return slk_fail(err, SLK_E_NOT_FOUND, "%s:%ld: no column '%s'", r->table->name, row->line, COLUMNS[c]);
        r->columns[c] = i;
    }
    return SLK_OK;
}

static slk_status read_count(uint32_t *out, const reading *r, const slk_row *row, int column, slk_err *err)
{
    const char *text = cell(row, r->columns[column]);
    char *end = NULL;
    unsigned long value = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;
    if (!end || *end || value > 1000000)
        return slk_fail(err, SLK_E_FORMAT, "%s:%ld: %s: '%.40s', expected a whole number up to 1000000", r->table->name,
                        row->line, COLUMNS[column], text);
    *out = (uint32_t)value;
    return SLK_OK;
}

static slk_status read_row(reading *r, const slk_row *row, slk_exposure *out, slk_err *err)
{
    uint32_t n[N_COLS] = {0};
    slk_status s = SLK_OK;
    const char *kind = cell(row, r->columns[COL_KIND]);
    for (int c = COL_LIST_RIGHT; c < N_COLS && s == SLK_OK; c++) s = read_count(&n[c], r, row, c, err);
    if (s != SLK_OK) return s;
    *out = (slk_exposure){.kind = slk_arena_strndup(&r->ds->arena, kind, strlen(kind)),
                          .right = n[COL_LIST_RIGHT] + n[COL_TEXT_RIGHT] + n[COL_INSTRUCT],
                          .wrong = n[COL_LIST_WRONG] + n[COL_TEXT_WRONG],
                          .list_right = n[COL_LIST_RIGHT],
                          .list_wrong = n[COL_LIST_WRONG]};
    return out->kind ? SLK_OK : no_memory(r, err);
}

/* The columns that are no part of a fact; rows stand in the order of `facts`. */
static slk_status read_columns(reading *r, const slk_facts *facts, slk_err *err)
{
    slk_scan scan = {.name = r->table->name, .text = r->table->text, .n_bytes = r->table->n_bytes, .line = 1};
    slk_row row = {0};
    bool found = false;
    slk_status s = slk_scan_next_row(&scan, '\t', &row, &found, err);
    if (s == SLK_OK) s = read_header(r, &row, err);
    while (s == SLK_OK && r->n < facts->n) {
        s = slk_scan_next_row(&scan, '\t', &row, &found, err);
        if (s != SLK_OK || !found) break;
        r->rows[r->n].id = slk_fact_identity(&facts->items[r->n]);
        s = read_row(r, &row, &r->rows[r->n].exposure, err);
        r->n++;
    }
    slk_row_release(&row);
    return s;
}

static int compare_ids(const void *a, const void *b)
{
    const exposed_row *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static slk_status attach(reading *r, slk_err *err)
{
    slk_exposure *kept = slk_arena_alloc(&r->ds->arena, r->n, sizeof *kept);
    size_t n_found = 0;
    if (!kept) return no_memory(r, err);
    qsort(r->rows, r->n, sizeof *r->rows, compare_ids);
    for (size_t i = 0; i < r->n; i++) kept[i] = r->rows[i].exposure;
    for (size_t i = 0; i < r->ds->n_facts; i++) {
        const exposed_row wanted = {.id = r->ds->facts[i].id};
        const exposed_row *row = bsearch(&wanted, r->rows, r->n, sizeof *r->rows, compare_ids);
        if (!row) continue;
        r->ds->facts[i].exposure = &kept[row - r->rows];
        n_found++;
    }
    if (n_found > 0) return SLK_OK;
    return slk_fail(err, SLK_E_NOT_FOUND, "%s: none of its %zu facts is in the fact set '%s' of the study",
                    r->table->name, r->n, r->ds->labels.settings.set_name);
}

slk_status slk_exposure_load(slk_dataset *ds, const slk_exposure_table *table, slk_err *err)
{
    reading r = {.ds = ds, .table = table};
    slk_facts facts = {0};
    slk_read_options options;
    slk_read_options_init(&options);
    options.format = SLK_DATA_TSV;
    slk_status s = slk_data_read_text(&facts, table->text, table->n_bytes, table->name, &options, err);
    if (s == SLK_OK) {
        r.rows = slk_alloc_zero(facts.n, sizeof *r.rows);
        s = r.rows ? read_columns(&r, &facts, err) : no_memory(&r, err);
    }
    if (s == SLK_OK) s = attach(&r, err);
    free(r.rows);
    slk_facts_release(&facts);
    return s;
}
