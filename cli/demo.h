/* What the files of `slick demo` share: cmd_demo.c (options, the steps), demo_view.c (what is shown on the way and at
 * the end). */
#ifndef SLK_CLI_DEMO_H
#define SLK_CLI_DEMO_H

#include "report/report.h"
#include "study.h"

#define SLK_DEMO_MAX_VARIANTS 16

/* What is shown of one training set D while its runs are at work. */
typedef struct slk_demo_row {
    char variant[48];
    char what[48]; /* in words */
    size_t n_runs, n_done;
    double epochs_done, epochs_all;
    double early, last; /* means over finished runs, test accuracy in %; NAN: none */
    size_t n_failed;
    size_t n_short; /* finished runs that did not fit D */
} slk_demo_row;

typedef struct slk_demo_view {
    bool quiet, is_terminal, has_colour;
    int64_t epochs; /* of a run */
    slk_demo_row rows[SLK_DEMO_MAX_VARIANTS];
    size_t n_rows, n_drawn; /* n_drawn: lines of the block that stands on the terminal */
    bool told[SLK_DEMO_MAX_VARIANTS];
    double began_ms, n_epochs_before; /* when the runs were first shown, and what was done of them then */
} slk_demo_view;

/* Look at stderr. */
void slk_demo_view_init(slk_demo_view *view, bool quiet, int64_t epochs);
/* "2  Its facts   6,096 about 19 relations": a stage and what it found; indented lines below it with stage 0. */
void slk_demo_say(const slk_demo_view *view, int stage, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* A bar of the four categories over the labelled facts of the study, with shares in %. */
void slk_demo_show_categories(const slk_demo_view *view, const slk_study_material *material);
/* For slk_crew_view.show, user: a slk_demo_view. On a terminal a line a variant, redrawn in place; else a line when all
 * runs of a variant are done. */
void slk_demo_show_runs(void *user, const slk_crew_run *runs, size_t n);
/* The findings on stdout: verdict, claim, measured value, interval. folder: of the report. */
void slk_demo_print_summary(const slk_report *report, const char *folder, double seconds);

#endif
