/* The tables of a report: the paper's (1, 2 with 7, 3 to 5, 8), the numbers behind each figure, the findings and the
 * runs. */
#ifndef SLK_REPORT_TABLES_H
#define SLK_REPORT_TABLES_H

#include "report/analysis.h"
#include "report/grid.h"

typedef enum slk_report_table {
    SLK_TABLE_FINDINGS,
    SLK_TABLE_1,
    SLK_TABLE_2, /* and 7 */
    SLK_TABLE_3, /* train */
    SLK_TABLE_4, /* test */
    SLK_TABLE_5, /* out of distribution */
    SLK_TABLE_8,
    SLK_TABLE_FIGURE_3A, /* and 7 */
    SLK_TABLE_FIGURE_3B,
    SLK_TABLE_FIGURE_4,
    SLK_TABLE_FIGURE_5,
    SLK_TABLE_FIGURE_6, /* and 1 */
    SLK_TABLE_RUNS,
    SLK_TABLE_TRUTH,           /* categories by exposure */
    SLK_TABLE_TRUTH_RELATIONS, /* guessing */
    SLK_TABLE_TRUTH_STEPS,     /* fewer prompts and samples */
    SLK_N_TABLES
} slk_report_table;

/* Is it one of this report's? Those of exposures are not where exposures are not known. */
bool slk_table_is_there(const slk_analysis *a, slk_report_table table);
/* Fill g; slk_grid_release() it in any case. Errors: SLK_E_MEMORY. A table of what was not run has no rows, or only the
 * paper's. */
slk_status slk_table_make(slk_grid *g, const slk_analysis *a, slk_report_table table, slk_err *err);

/* Of slk_table_make(), for the SLK_TABLE_TRUTH ones. */
void slk_table_fill_truth(slk_grid *g, const slk_analysis *a, slk_report_table table);

/* The facts of the study as CSV: category, probabilities, what the model answered. */
void slk_facts_csv(slk_buf *b, const slk_analysis *a);
/* The same as JSON for the page's table: {"relations","splits","columns":{...}}; at most max facts, those of test, ood
 * and dev first. *n: how many. */
void slk_facts_json(slk_buf *b, const slk_analysis *a, size_t max, size_t *n);

#endif
