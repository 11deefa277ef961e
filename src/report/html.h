/* Pieces of the page, shared by the files that write it. */
#ifndef SLK_REPORT_HTML_H
#define SLK_REPORT_HTML_H

#include "report/figure.h"
#include "report/grid.h"
#include "report/report.h"
#include "report/tables.h"

/* What a section's verdict says in its headline: SLK_N_SECTIONS of them, one an item of STUDY.md section 4. */
typedef struct slk_section {
    int item;
    const char *anchor, *kicker; /* kicker: the paper's claim in plain words */
    const char *main;            /* id of the finding that the headline is about */
    const char *yes, *no, *open, *missing;
    const char *text;           /* what was done, in a sentence or two */
    slk_figure figures[3];      /* SLK_N_FIGURES ends them */
    slk_report_table tables[3]; /* SLK_N_TABLES ends them */
} slk_section;
#define SLK_N_SECTIONS 7
extern const slk_section slk_sections[SLK_N_SECTIONS];

/* The headline of a section, by its finding's verdict. */
const char *slk_section_headline(const slk_analysis *a, const slk_section *section);
/* "yes" "no" "open": class of a verdict. */
const char *slk_verdict_class(slk_verdict verdict);
/* "Reproduced" "Not reproduced" "Undecided" "Not measured" */
const char *slk_verdict_words(const slk_finding *f);

/* The page's head line, and the paragraph under it. */
void slk_html_headline(slk_buf *b, const slk_analysis *a);
void slk_html_deck(slk_buf *b, const slk_analysis *a);
/* How many there are of each verdict; the list of all findings with their intervals; what follows for somebody who
 * fine-tunes. */
void slk_html_tally(slk_buf *b, const slk_analysis *a);
void slk_html_findings(slk_buf *b, const slk_analysis *a);
void slk_html_advice(slk_buf *b, const slk_analysis *a);

#endif
