#include "demo.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>
#include "progress.h"
#include "report/say.h"
#include "terminal.h"

enum { BAR_COLUMNS = 56, RUN_COLUMNS = 16, WHAT_COLUMNS = 34 };

/* The report's colours of the categories, as near as 256 have them; the bars' letters say the same without colour. */
static const int COLOURS[SLK_N_CATEGORIES] = {24, 67, 152, 160};
static const char LETTERS[SLK_N_CATEGORIES] = {'H', 'M', 'w', '.'};

void slk_demo_view_init(slk_demo_view *view, bool quiet, int64_t epochs)
{
    *view = (slk_demo_view){.quiet = quiet,
                            .is_terminal = slk_terminal_is(stderr),
                            .has_colour = slk_terminal_has_colour(stderr),
                            .epochs = epochs};
}

void slk_demo_say(const slk_demo_view *view, int stage, const char *what, const char *fmt, ...)
{
    if (view->quiet) return;
    slk_progress_clear();
    va_list ap;
    va_start(ap, fmt);
    const char *bold = view->has_colour ? "\033[1m" : "", *plain = view->has_colour ? "\033[0m" : "";
    if (stage)
        fprintf(stderr, "%s%d  %-18s%s  ", bold, stage, what, plain);
    else
        fprintf(stderr, "   %-18s  ", what);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    fflush(stderr);
}

/* --- categories --------------------------------------------------------------------------------------------------- */

static void count(size_t n[SLK_N_CATEGORIES], const slk_study_facts *facts)
{
    for (size_t i = 0; i < facts->n; i++) {
        if (facts->categories[i] >= 0 && facts->categories[i] < SLK_N_CATEGORIES) n[facts->categories[i]]++;
    }
}

void slk_demo_show_categories(const slk_demo_view *view, const slk_study_material *material)
{
    size_t n[SLK_N_CATEGORIES] = {0}, all = 0, before = 0;
    if (view->quiet) return;
    count(n, &material->sets[SLK_SET_TEST]);
    for (int c = 0; c < SLK_N_CATEGORIES; c++) all += n[c];
    if (all == 0) return;
    slk_progress_clear();
    fprintf(stderr, "      ");
    for (int c = 0; c < SLK_N_CATEGORIES; c++) {
        size_t from = (before * BAR_COLUMNS + all / 2) / all, to = ((before + n[c]) * BAR_COLUMNS + all / 2) / all;
        if (view->has_colour) fprintf(stderr, "\033[38;5;%dm", COLOURS[c]);
        for (size_t i = from; i < to; i++) fputs(view->has_colour ? "\xE2\x96\x88" : (char[2]){LETTERS[c], 0}, stderr);
        before += n[c];
    }
    fprintf(stderr, "%s\n      ", view->has_colour ? "\033[0m" : "");
    for (int c = 0; c < SLK_N_CATEGORIES; c++) {
        const char *name = slk_category_name((slk_category)c);
        if (view->has_colour)
            fprintf(stderr, "\033[38;5;%dm\xE2\x96\x88\033[0m %s %.0f%%  ", COLOURS[c], name,
                    100.0 * (double)n[c] / (double)all);
        else
            fprintf(stderr, "%c %s %.0f%%  ", LETTERS[c], name, 100.0 * (double)n[c] / (double)all);
    }
    fprintf(stderr, "of %s test facts\n", slk_show_count(all).text);
    fflush(stderr);
}

/* --- runs --------------------------------------------------------------------------------------------------------- */

static void describe(slk_demo_row *row, const slk_study_run *run)
{
    char text[48];
    snprintf(row->variant, sizeof row->variant, "%s", run->variant);
    snprintf(text, sizeof text, "%s", slk_say(100 * run->unknown, 0).text);
    if (strcmp(run->kind, "unknown") == 0)
        snprintf(row->what, sizeof row->what, "%.8s%% Unknown", text);
    else if (strcmp(run->kind, "known") == 0)
        snprintf(row->what, sizeof row->what, "%.8s%% Unknown, these taken out", text);
    else if (strcmp(run->kind, "idk") == 0)
        snprintf(row->what, sizeof row->what, "%.8s%% Unknown: \"I don't know\"", text);
    else if (strcmp(run->kind, "only") == 0)
        snprintf(row->what, sizeof row->what, "%s only", run->category);
    else
        snprintf(row->what, sizeof row->what, "as the facts come");
}

static slk_demo_row *row_of(slk_demo_view *view, const slk_study_run *run)
{
    for (size_t i = 0; i < view->n_rows; i++) {
        if (strcmp(view->rows[i].variant, run->variant) == 0) return &view->rows[i];
    }
    if (view->n_rows == SLK_DEMO_MAX_VARIANTS) return NULL;
    slk_demo_row *row = &view->rows[view->n_rows++];
    *row = (slk_demo_row){.early = NAN, .last = NAN};
    describe(row, run);
    return row;
}

/* Running means. */
static void add_run(slk_demo_view *view, const slk_crew_run *run)
{
    slk_demo_row *row = row_of(view, run->run);
    if (!row) return;
    bool ended = run->state == SLK_RUN_DONE || run->state == SLK_RUN_FAILED;
    row->n_runs++;
    row->epochs_all += (double)view->epochs + 1;
    row->n_failed += run->state == SLK_RUN_FAILED;
    row->epochs_done += ended ? (double)view->epochs + 1 : run->n_epochs;
    if (isnan(run->early)) return;
    double n = (double)++row->n_done;
    row->early = isnan(row->early) ? run->early : row->early + (run->early - row->early) / n;
    row->last = isnan(row->last) ? run->last : row->last + (run->last - row->last) / n;
    row->n_short += !run->fitted;
}

static void print_row(const slk_demo_view *view, const slk_demo_row *row)
{
    int filled = row->epochs_all > 0 ? (int)(RUN_COLUMNS * row->epochs_done / row->epochs_all) : 0;
    fprintf(stderr, "      %-*s", WHAT_COLUMNS, row->what);
    if (view->is_terminal) {
        fputc(' ', stderr);
        for (int i = 0; i < RUN_COLUMNS; i++)
            fputs(i < filled ? (view->has_colour ? "\xE2\x96\xA0" : "#") : (view->has_colour ? "\xC2\xB7" : "-"),
                  stderr);
    }
    if (isnan(row->early))
        fputs(row->epochs_done > 0 ? "   ..." : "", stderr);
    else
        fprintf(stderr, "   %4.1f%% -> %4.1f%%", row->early, row->last);
    if (row->n_done && row->n_done < row->n_runs) fprintf(stderr, "   %zu of %zu", row->n_done, row->n_runs);
    if (row->n_failed) fprintf(stderr, "   %zu failed (slick study status says why)", row->n_failed);
    if (row->n_done == row->n_runs && row->n_short)
        fprintf(stderr, "   (%zu of %zu did not fit their D)", row->n_short, row->n_runs);
}

/* "14 of 33 runs, 1 min 20 s left" */
static void print_left(slk_demo_view *view)
{
    double done = 0, all = 0, now = slk_clock_ms();
    size_t n_done = 0, n_runs = 0;
    for (size_t i = 0; i < view->n_rows; i++) {
        done += view->rows[i].epochs_done;
        all += view->rows[i].epochs_all;
        n_done += view->rows[i].n_done;
        n_runs += view->rows[i].n_runs;
    }
    if (view->began_ms == 0) {
        view->began_ms = now;
        view->n_epochs_before = done;
    }
    double rate = (done - view->n_epochs_before) / (now - view->began_ms + 1) * 1e3;
    fprintf(stderr, "      %zu of %zu runs", n_done, n_runs);
    if (rate > 0 && done < all) fprintf(stderr, ", about %s left", slk_show_time((all - done) / rate).text);
}

void slk_demo_show_runs(void *user, const slk_crew_run *runs, size_t n)
{
    slk_demo_view *view = user;
    if (view->quiet) return;
    view->n_rows = 0;
    for (size_t i = 0; i < n; i++) add_run(view, &runs[i]);
    if (view->is_terminal) {
        slk_progress_clear();
        if (view->n_drawn) fprintf(stderr, "\033[%zuA", view->n_drawn);
        for (size_t i = 0; i < view->n_rows; i++) {
            fputs("\r\033[K", stderr);
            print_row(view, &view->rows[i]);
            fputc('\n', stderr);
        }
        fputs("\r\033[K", stderr);
        print_left(view);
        fputc('\n', stderr);
        view->n_drawn = view->n_rows + 1;
    } else {
        for (size_t i = 0; i < view->n_rows; i++) {
            if (view->told[i] || view->rows[i].n_done < view->rows[i].n_runs) continue;
            view->told[i] = true;
            print_row(view, &view->rows[i]);
            fputc('\n', stderr);
        }
    }
    fflush(stderr);
}

/* --- summary ------------------------------------------------------------------------------------------------------ */

/* A claim that begins with an ellipsis goes on from the last one that does not. */
static void print_claim(const slk_analysis *a, size_t i)
{
    static const char ELLIPSIS[] = "\xE2\x80\xA6";
    size_t first = i;
    while (first > 0 && strncmp(a->findings[first].title, ELLIPSIS, strlen(ELLIPSIS)) == 0) first--;
    if (first < i) printf("%s ", a->findings[first].title);
    printf("%s", a->findings[i].title);
}

static void print_findings(const slk_analysis *a, slk_verdict verdict, const char *head)
{
    bool first = true;
    for (size_t i = 0; i < a->n_findings; i++) {
        const slk_finding *f = &a->findings[i];
        if (f->verdict != verdict || !slk_is_measured(&f->at)) continue;
        if (first) printf("\n%s\n", head);
        first = false;
        bool with_sign = f->side != SLK_BELOW_BOUND;
        slk_said interval = slk_say_interval(f->at.low, f->at.high, 1, with_sign);
        printf("  ");
        print_claim(a, i);
        printf(": %s %s%s%s%s\n", (with_sign ? slk_say_signed(f->at.value, 1) : slk_say(f->at.value, 1)).text, f->unit,
               *interval.text ? " (" : "", interval.text, *interval.text ? ")" : "");
    }
}

static void print_missing(const slk_analysis *a)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n_findings; i++) {
        if (slk_is_measured(&a->findings[i].at)) continue;
        printf("%s%s", n++ ? ", " : "\nNot measured (the report says why): ", a->findings[i].id);
    }
    if (n) printf("\n");
}

void slk_demo_print_summary(const slk_report *report, const char *folder, double seconds)
{
    const slk_analysis *a = report->by_lr;
    printf("The paper's claims on a model whose facts are known; in parentheses 95%% intervals over %zu seed%s\n",
           a->n_seeds, a->n_seeds == 1 ? "" : "s");
    print_findings(a, SLK_REPRODUCED, "Reproduced");
    print_findings(a, SLK_NOT_REPRODUCED, "Not reproduced");
    print_findings(a, SLK_UNDECIDED, "Undecided (no interval, or one that allows both)");
    print_missing(a);
    if (a->truth.is_there) printf("\nWhat the labels know of the truth\n  %s\n", a->truth.sentence);
    printf("\n%zu of %zu runs in %s. Open %s/report.html in a browser.\n", a->n_done, a->n_runs,
           slk_show_time(seconds).text, folder);
}
