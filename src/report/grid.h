/* Tables of results, written three ways from one content:
 *     CSV        for programs: numbers in full, an estimate as columns NAME, NAME_low, NAME_high (and NAME_p)
 *     Markdown   for people: rounded, "40.5 (39.1 to 41.9)**"
 *     HTML       the same, for the report
 * Text from data is escaped in each (escape.h); heads are ours. */
#ifndef SLK_REPORT_GRID_H
#define SLK_REPORT_GRID_H

#include "base/error.h"
#include "base/mem.h"
#include "report/measure.h"

typedef enum slk_column_kind {
    SLK_COLUMN_TEXT,
    SLK_COLUMN_NUMBER,   /* NAN: an empty cell */
    SLK_COLUMN_ESTIMATE, /* mean and interval */
    SLK_COLUMN_TESTED,   /* and the p of a test, shown by marks */
} slk_column_kind;

typedef struct slk_column {
    const char *head; /* for people; borrowed */
    const char *key;  /* of the CSV column */
    slk_column_kind kind;
    int digits; /* for people */
} slk_column;

typedef struct slk_grid_cell {
    char *text;      /* SLK_COLUMN_TEXT; in the grid's arena */
    slk_estimate at; /* others: value, low, high */
    double p;
    bool best;
} slk_grid_cell;

#define SLK_GRID_MAX_COLUMNS 16

typedef struct slk_grid {
    char name[64]; /* of the files: "table-2" */
    const char *title, *note;
    const slk_column *columns; /* [n_columns]; borrowed */
    size_t n_columns;
    slk_grid_cell *cells; /* [n_rows, n_columns] */
    bool *paper;          /* [n_rows] a row of the paper's own numbers */
    size_t n_rows, n_filled, cap, cap_rows;
    bool failed; /* out of memory */
    slk_arena arena;
} slk_grid;

/* An empty table. Rows are filled cell by cell, left to right; columns [n] must outlive it. */
void slk_grid_init(slk_grid *g, const char *name, const char *title, const char *note, const slk_column *columns,
                   size_t n);
void slk_grid_release(slk_grid *g);
/* Begin a row; is_paper: it has the paper's numbers. */
void slk_grid_row(slk_grid *g, bool is_paper);
void slk_grid_text(slk_grid *g, const char *text);
void slk_grid_number(slk_grid *g, double value);
void slk_grid_estimate(slk_grid *g, slk_estimate at);
void slk_grid_tested(slk_grid *g, slk_estimate at, double p, bool best);

/* The three forms, appended to b. Check b->failed and g->failed afterwards. */
void slk_grid_csv(slk_buf *b, const slk_grid *g);
void slk_grid_markdown(slk_buf *b, const slk_grid *g);
void slk_grid_html(slk_buf *b, const slk_grid *g);

#endif
