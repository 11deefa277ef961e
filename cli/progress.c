#include "progress.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "terminal.h"

enum { LINE_MS = 10000, REDRAW_MS = 100, BAR_COLUMNS = 24 };

static struct {
    bool is_on, quiet, is_terminal, has_bar;
    char phase[32];
    double started_ms, shown_ms;
    uint64_t n_at_start;
} display;

static volatile sig_atomic_t n_signals;

/* Only what is safe inside a handler. The second signal finds the default action, which kills. */
static void on_signal(int number)
{
    (void)number;
    if (n_signals++ > 0) return;
    static const char TEXT[] = "\nslick: stopping; what is finished will be kept (Ctrl-C again kills at once)\n";
    if (!display.quiet) {
        size_t skip = display.has_bar ? 0 : 1;
        ssize_t n = write(STDERR_FILENO, TEXT + skip, sizeof TEXT - 1 - skip);
        (void)n;
    }
}

static void install_handlers(void)
{
    struct sigaction old, action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = (int)(SA_RESETHAND | SA_RESTART);
    sigemptyset(&action.sa_mask);
    const int numbers[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < 2; i++) {
        /* nohup and background shells ignore SIGINT on purpose: leave that. */
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler == SIG_IGN) continue;
        sigaction(numbers[i], &action, NULL);
    }
}

static void begin_phase(const slk_progress_event *event, double now)
{
    snprintf(display.phase, sizeof display.phase, "%s", event->phase);
    display.started_ms = now;
    display.shown_ms = now;
    display.n_at_start = event->n_done;
}

/* "9.8 facts/s, 1 min 10 s left"; "2.4 epochs/min" where it is slow; empty while nothing can be said. */
static void format_rate(char *out, size_t n_bytes, const slk_progress_event *event, double now, const char *separator)
{
    out[0] = '\0';
    double seconds = (now - display.started_ms) / 1000;
    uint64_t n = event->n_done - display.n_at_start;
    if (n == 0 || seconds < 0.5) return;
    double rate = (double)n / seconds;
    bool is_slow = rate < 0.2;
    int len = snprintf(out, n_bytes, "%s%.*f %s/%s", separator, rate < 100 ? 1 : 0, is_slow ? rate * 60 : rate,
                       event->unit, is_slow ? "min" : "s");
    if (event->n_done < event->n_total && len > 0 && (size_t)len < n_bytes) {
        slk_shown left = slk_show_time((double)(event->n_total - event->n_done) / rate);
        snprintf(out + len, n_bytes - (size_t)len, "%s%s left", separator, left.text);
    }
}

static int percent_of(const slk_progress_event *event)
{
    return event->n_total ? (int)(100.0 * (double)event->n_done / (double)event->n_total) : 100;
}

static void draw_bar(const slk_progress_event *event, double now)
{
    char bar[BAR_COLUMNS + 1], rate[96], line[320];
    int filled =
        event->n_total ? (int)((double)BAR_COLUMNS * (double)event->n_done / (double)event->n_total) : BAR_COLUMNS;
    if (filled > BAR_COLUMNS) filled = BAR_COLUMNS;
    memset(bar, '#', (size_t)filled);
    memset(bar + filled, '-', (size_t)(BAR_COLUMNS - filled));
    bar[BAR_COLUMNS] = '\0';
    format_rate(rate, sizeof rate, event, now, "  ");
    int len = snprintf(line, sizeof line, "%s  [%s]  %s of %s %s  %d%%%s", event->phase, bar,
                       slk_show_count(event->n_done).text, slk_show_count(event->n_total).text, event->unit,
                       percent_of(event), rate);
    /* A line that wraps cannot be wiped: cut it. */
    int width = slk_terminal_width(stderr, 80);
    if (len >= width) line[width - 1] = '\0';
    fprintf(stderr, "\r\033[K%s", line);
    fflush(stderr);
    display.has_bar = true;
}

static bool report(void *user, const slk_progress_event *event)
{
    (void)user;
    double now = slk_clock_ms();
    bool is_new = strncmp(display.phase, event->phase, sizeof display.phase - 1) != 0;
    if (is_new || event->n_done < display.n_at_start) begin_phase(event, now);
    if (!display.quiet && n_signals == 0) {
        bool is_last = event->n_done >= event->n_total;
        if (display.is_terminal && (is_new || is_last || now - display.shown_ms >= REDRAW_MS)) {
            draw_bar(event, now);
            display.shown_ms = now;
        } else if (!display.is_terminal && now - display.shown_ms >= LINE_MS) {
            char rate[96];
            format_rate(rate, sizeof rate, event, now, ", ");
            fprintf(stderr, "slick: %s: %s of %s %s (%d%%)%s\n", event->phase, slk_show_count(event->n_done).text,
                    slk_show_count(event->n_total).text, event->unit, percent_of(event), rate);
            display.shown_ms = now;
        }
    }
    return n_signals == 0;
}

const slk_progress *slk_progress_display(bool quiet)
{
    static const slk_progress PROGRESS = {report, NULL};
    if (!display.is_on) {
        display.is_on = true;
        display.quiet = quiet;
        display.is_terminal = slk_terminal_is(stderr);
        install_handlers();
    }
    return &PROGRESS;
}

void slk_progress_clear(void)
{
    if (!display.has_bar) return;
    if (n_signals == 0) fputs("\r\033[K", stderr);
    fflush(stderr);
    display.has_bar = false;
}

bool slk_progress_was_interrupted(void)
{
    return n_signals > 0;
}
