/* The table of `slick train`, a row an epoch. Its rows are made of the lines of log.jsonl, so that a run that goes on
 * shows what it had done as it had shown it. */
#include "train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "progress.h"
#include "terminal.h"

/* Shares are in %. */
typedef enum column { EPOCH, LOSS, FITTED, KNOWN, UNKNOWN, DEV, TEST, OOD, LOST, GAINED, RATE, LEFT, N_COLUMNS } column;
static const struct {
    const char *head;
    int width;
} COLUMNS[N_COLUMNS] = {{"epoch", 5}, {"loss", 8}, {"fitted", 7}, {"Known", 7},  {"Unknown", 8},   {"dev", 7},
                        {"test", 6},  {"ood", 6},  {"lost", 6},   {"gained", 7}, {"tokens/s", 10}, {"left", 16}};

static bool shows(const slk_train_view *v, column c)
{
    switch (c) {
    case KNOWN:
    case UNKNOWN:
        return v->has_categories;
    case DEV:
        return v->has_set[SLK_WATCH_DEV];
    case TEST:
        return v->has_set[SLK_WATCH_TEST];
    case OOD:
        return v->has_set[SLK_WATCH_OOD];
    case LOST:
    case GAINED:
        return v->has_test_categories;
    default:
        return true;
    }
}

void slk_train_view_init(slk_train_view *v, const slk_cli *cli, const slk_train_data *data, int32_t n_epochs)
{
    const slk_examples *train = &data->examples[SLK_WATCH_TRAIN], *test = &data->examples[SLK_WATCH_TEST];
    *v = (slk_train_view){.cli = cli,
                          .has_categories = train->n_uncategorised < train->n,
                          .has_test_categories = test->n_uncategorised < test->n,
                          .best_dev = -1,
                          .began_ms = slk_clock_ms(),
                          .n_epochs = n_epochs};
    for (int k = 0; k < SLK_N_WATCHED; k++) v->has_set[k] = data->examples[k].n > 0;
}

void slk_train_view_head(const slk_train_view *v)
{
    bool colour = slk_terminal_has_colour(stdout);
    if (v->cli->json || v->cli->quiet) return;
    slk_progress_clear();
    if (colour) fputs("\033[1m", stdout);
    for (int c = 0; c < N_COLUMNS; c++)
        if (shows(v, (column)c)) printf("%*s", COLUMNS[c].width, COLUMNS[c].head);
    if (colour) fputs("\033[0m", stdout);
    putchar('\n');
    fflush(stdout);
}

/* --- rows -----------------------------------------------------------------------------------------------------------
 */

static double number_at(const json_t *line, const char *key, const char *inner)
{
    const json_t *value = json_object_get(line, key);
    if (inner) value = json_object_get(value, inner);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* Share of the fitted Known examples: of three categories together. */
static double known_share(const json_t *line)
{
    const json_t *counts = json_object_get(json_object_get(line, "n"), "train");
    double n = 0, n_fitted = 0;
    for (int c = 0; c < SLK_N_CATEGORIES; c++) {
        const char *name = slk_category_name((slk_category)c);
        double share = number_at(line, "fitted", name), of = json_number_value(json_object_get(counts, name));
        if (c == SLK_UNKNOWN || isnan(share)) continue;
        n += of;
        n_fitted += share * of;
    }
    return n > 0 ? n_fitted / n : NAN;
}

static void print_share(int width, double share, const char *mark)
{
    char text[32];
    if (isnan(share))
        snprintf(text, sizeof text, "-%s", mark);
    else
        snprintf(text, sizeof text, "%.1f%s", 100 * share, mark);
    printf("%*s", width, text);
}

static void print_count(int width, double n)
{
    printf("%*s", width, isnan(n) ? "-" : slk_show_count((uint64_t)n).text);
}

/* From the epochs that this process did; evaluation and saving are part of them. */
static void print_left(const slk_train_view *v, int32_t epoch)
{
    double per_epoch = v->n_shown_here ? (slk_clock_ms() - v->began_ms) / 1e3 / v->n_shown_here : NAN;
    int32_t n = v->n_epochs - epoch;
    printf("%*s", COLUMNS[LEFT].width, isnan(per_epoch) || n <= 0 ? "-" : slk_show_time(per_epoch * n).text);
}

static void print_cell(const slk_train_view *v, const json_t *line, column c, bool is_best)
{
    int width = COLUMNS[c].width;
    int32_t epoch = (int32_t)json_integer_value(json_object_get(line, "epoch"));
    switch (c) {
    case EPOCH:
        printf("%*d", width, epoch);
        break;
    case LOSS:
        if (isnan(number_at(line, "loss", NULL)))
            printf("%*s", width, "-");
        else
            printf("%*.4f", width, number_at(line, "loss", NULL));
        break;
    case FITTED:
        print_share(width, number_at(line, "fitted", "all"), "");
        break;
    case KNOWN:
        print_share(width, known_share(line), "");
        break;
    case UNKNOWN:
        print_share(width, number_at(line, "fitted", "Unknown"), "");
        break;
    case DEV:
        print_share(width, number_at(line, "dev", NULL), is_best ? "*" : " ");
        break;
    case TEST:
        print_share(width, number_at(line, "test", "all"), "");
        break;
    case OOD:
        print_share(width, number_at(line, "ood", NULL), "");
        break;
    case LOST:
        print_count(width, number_at(line, "lost", NULL));
        break;
    case GAINED:
        print_count(width, number_at(line, "gained", NULL));
        break;
    case RATE:
        print_count(width, number_at(line, "tokens_per_s", NULL));
        break;
    default:
        print_left(v, epoch);
        break;
    }
}

slk_status slk_train_view_line(slk_train_view *v, const json_t *line, bool old, slk_err *err)
{
    int64_t epoch = json_integer_value(json_object_get(line, "epoch"));
    double dev = number_at(line, "dev", NULL);
    bool is_best = epoch > 0 && !isnan(dev) && dev > v->best_dev;
    if (is_best) v->best_dev = dev;
    if (!old && epoch > 0) v->n_shown_here++;
    if (v->cli->quiet && !v->cli->json) return SLK_OK;
    slk_progress_clear();
    if (v->cli->json) {
        slk_status s = slk_json_print(stdout, line, err);
        fflush(stdout);
        return s;
    }
    for (int c = 0; c < N_COLUMNS; c++)
        if (shows(v, (column)c)) print_cell(v, line, (column)c, is_best);
    putchar('\n');
    return fflush(stdout) == 0 ? SLK_OK : slk_fail(err, SLK_E_IO, "standard output: cannot write");
}

slk_status slk_train_view_replay(slk_train_view *v, const char *log, slk_err *err)
{
    char *text;
    size_t n_bytes;
    long number = 1;
    if (!slk_file_exists(log)) return SLK_OK;
    slk_status s = slk_file_read(&text, &n_bytes, log, err);
    for (size_t at = 0; s == SLK_OK && at < n_bytes; number++) {
        const char *end = memchr(text + at, '\n', n_bytes - at);
        size_t len = end ? (size_t)(end - (text + at)) : n_bytes - at;
        json_t *line;
        s = slk_json_parse(&line, text + at, len, log, number, err);
        if (s == SLK_OK) s = slk_train_view_line(v, line, true, err);
        json_decref(line);
        at += len + 1;
    }
    free(text);
    return s;
}
