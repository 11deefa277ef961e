/* Tables for people and CSV for programs.
 *
 *     slk_table t;
 *     slk_table_init(&t, "lrr", (const char *const[]){"relation", "n", "Unknown %"});
 *     slk_table_cell(&t, "%s", "P17"); slk_table_cell(&t, "%d", 100); slk_table_cell(&t, "%.1f", 36.0);
 *     status = slk_table_print(&t, stdout, err);
 *     slk_table_release(&t);
 *
 * Cells are collected row by row; columns are as wide as their widest cell on the screen (wide characters and combining
 * marks count as what they take). Control characters become '?', so data cannot move the cursor. */
#ifndef SLK_CLI_TABLE_H
#define SLK_CLI_TABLE_H

#include <stddef.h>
#include <stdio.h>
#include "base/error.h"
#include "base/mem.h"

enum { SLK_TABLE_MAX_COLUMNS = 24 };

typedef struct slk_table {
    const char *align; /* one letter a column: 'l' or 'r'; borrowed */
    size_t n_columns;
    size_t width[SLK_TABLE_MAX_COLUMNS];
    slk_buf text; /* the cells, each with its NUL; a rule is the byte 1 as the first of its row */
    size_t n_cells, n_rules;
} slk_table;

void slk_table_init(slk_table *t, const char *align, const char *const *heads);
void slk_table_release(slk_table *t);
/* The next cell, from left to right, row by row. */
void slk_table_cell(slk_table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line between the last row and the next (above a total). Only at the end of a row. */
void slk_table_rule(slk_table *t);
/* Head (bold on a terminal with colour) and rows. Errors: SLK_E_MEMORY (also of earlier cells), SLK_E_IO. */
slk_status slk_table_print(slk_table *t, FILE *stream, slk_err *err);

/* One CSV field (RFC 4180): quoted when it has a comma, a quote, a line break or a space at an end. text NULL: empty.
 * `next` is what follows: ',' or '\n'. */
void slk_csv_field(FILE *stream, const char *text, char next);

#endif
