/* A study's report: load it, and write it as a folder.
 *
 *     report.html            everything on one page that needs nothing else
 *     findings.json          each of the paper's claims with what was measured and the verdict
 *     figures/ (SVG, PNG)     one of each figure (PNG where rsvg-convert is there)
 *     tables/ (CSV, MD)       the paper's tables, and the numbers behind the figures
 *
 * At a second learning rate names have "-lr-0.0001" before the ending. */
#ifndef SLK_REPORT_REPORT_H
#define SLK_REPORT_REPORT_H

#include "base/json.h"
#include "base/progress.h"
#include "report/analysis.h"
#include "report/exposure.h"

/* Stays where it was loaded: the analyses point into it. */
typedef struct slk_report {
    slk_dataset ds;
    slk_analysis *by_lr; /* [n] one a learning rate; the first is the main one */
    size_t n;
} slk_report;

/* Load and analyse study `id` (0: the newest). slk_report_release() in any case. Errors: those of slk_dataset_load();
 * SLK_E_NOT_FOUND (the study has no runs). */
slk_status slk_report_load(slk_report *out, slk_store *store, int64_t id, slk_err *err);
/* The same, with what the model was exposed to; NULL: not known. Also the errors of slk_exposure_load(). */
slk_status slk_report_load_exposed(slk_report *out, slk_store *store, int64_t id, const slk_exposure_table *exposure,
                                   slk_err *err);
void slk_report_release(slk_report *report);

/* findings.json. json_decref() it; NULL: out of memory. */
json_t *slk_report_findings(const slk_report *report);

/* The page, appended to b; check b->failed. */
void slk_report_html(slk_buf *b, const slk_report *report);

typedef struct slk_report_options {
    bool overwrite;           /* a report that is there */
    char *const *environment; /* of rsvg-convert, which draws the PNG files; NULL: an empty one */
    const slk_progress *progress;
} slk_report_options;

typedef struct slk_report_written {
    size_t n_figures, n_tables, n_facts;
    bool no_png; /* rsvg-convert is not there: figures are SVG only */
} slk_report_written;

/* Write the folder at path: into one beside it first, which then takes its name, or whose files then take the place of
 * an older report's, report.html last. Errors: SLK_E_STATE (path is a file, or a folder with something in it and
 * !overwrite, or one that is no report's), SLK_E_IO, SLK_E_INTERRUPTED, SLK_E_MEMORY. */
slk_status slk_report_write(slk_report_written *written, const slk_report *report, const char *path,
                            const slk_report_options *options, slk_err *err);

#endif
