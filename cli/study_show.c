/* What a study has come to, and what is missing as commands for other machines. */
#include "study.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "store_common.h"
#include "study/claim.h"
#include "table.h"
#include "terminal.h"

/* --- status ------------------------------------------------------------------------------------------------------- */

typedef struct shown_run {
    int32_t n_epochs, epoch; /* in the store; the last one, -1: none */
    double dev, test;        /* at EARLY_STOP, so far; NAN: not asked */
    double wall_s;
} shown_run;

static double accuracy(const slk_run_epoch *e, slk_study_set set)
{
    return e->has[set] && e->n[set] ? (double)e->n_right[set] / (double)e->n[set] : (double)NAN;
}

static slk_status measure(shown_run *out, slk_store *store, const slk_study_run *run, slk_err *err)
{
    slk_run_epoch *epochs;
    size_t n;
    *out = (shown_run){.epoch = -1, .dev = NAN, .test = NAN};
    slk_status status = slk_store_load_epochs(store, run->id, false, &epochs, &n, err);
    out->n_epochs = (int32_t)n;
    for (size_t i = 0; i < n; i++) {
        double dev = accuracy(&epochs[i], SLK_SET_DEV);
        out->epoch = epochs[i].epoch;
        out->wall_s += epochs[i].wall_s;
        bool best = run->state == SLK_RUN_DONE ? epochs[i].epoch == run->early_epoch
                                               : epochs[i].epoch > 0 && !(dev <= out->dev);
        if (!best) continue;
        out->dev = dev;
        out->test = accuracy(&epochs[i], SLK_SET_TEST);
    }
    free(epochs);
    return status;
}

typedef struct status_view {
    slk_study_info study;
    slk_study_run *runs; /* [n] */
    shown_run *shown;    /* [n] */
    size_t n, n_in[SLK_RUN_FAILED + 1], n_dead;
    int64_t epochs; /* of a run */
    double left_s;  /* NAN: nothing to tell it from */
} status_view;

static bool is_dead(const slk_study_run *run)
{
    return run->state == SLK_RUN_CLAIMED &&
           (slk_worker_is_gone(run->worker) || run->claimed_s < slk_clock_unix() - SLK_CLAIM_STALE_S);
}

/* From what epochs took so far, finished runs and running ones alike, and from how many are at work. */
static void estimate(status_view *v)
{
    double seconds = 0, n = 0, n_left = 0, n_working = 0;
    for (size_t i = 0; i < v->n; i++) {
        const shown_run *s = &v->shown[i];
        seconds += s->wall_s;
        n += s->n_epochs;
        if (v->runs[i].state == SLK_RUN_WAITING || v->runs[i].state == SLK_RUN_CLAIMED)
            n_left += (double)(v->epochs + 1 - s->n_epochs);
        n_working += v->runs[i].state == SLK_RUN_CLAIMED && !is_dead(&v->runs[i]);
    }
    v->left_s = n > 0 && n_working > 0 ? n_left * (seconds / n) / n_working : (double)NAN;
    if (n_left == 0) v->left_s = 0;
}

static slk_status load_status(status_view *v, slk_store *store, int64_t study, slk_err *err)
{
    json_t *description = NULL;
    slk_status status = slk_store_find_study(store, &v->study, study, err);
    if (status == SLK_OK)
        status = slk_json_parse(&description, v->study.description, strlen(v->study.description), "study", 1, err);
    v->epochs = json_integer_value(json_object_get(description, "epochs"));
    json_decref(description);
    if (status == SLK_OK) status = slk_store_load_runs(store, v->study.id, &v->runs, &v->n, err);
    v->shown = slk_alloc_zero(v->n, sizeof *v->shown);
    if (status == SLK_OK && !v->shown) status = slk_fail(err, SLK_E_MEMORY, "out of memory");
    for (size_t i = 0; i < v->n && status == SLK_OK; i++) {
        status = measure(&v->shown[i], store, &v->runs[i], err);
        v->n_in[v->runs[i].state]++;
        v->n_dead += is_dead(&v->runs[i]);
    }
    estimate(v);
    return status;
}

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *run_json(const slk_study_run *r, const shown_run *s)
{
    char name[SLK_RUN_NAME_BYTES], seed[24];
    snprintf(seed, sizeof seed, "%" PRIu64, r->seed);
    return json_pack(
        "{s:s, s:s, s:s, s:f, s:s, s:o, s:o, s:o, s:o, s:o, s:f, s:o, s:s?}", "run", slk_run_name(name, r), "variant",
        r->variant, "seed", seed, "lr", r->lr, "state", is_dead(r) ? "stopped" : slk_run_state_name(r->state), "epoch",
        s->epoch < 0 ? json_null() : json_integer(s->epoch), "early_epoch",
        r->early_epoch < 0 ? json_null() : json_integer(r->early_epoch), "dev", number(s->dev), "test", number(s->test),
        "fitted", r->state == SLK_RUN_DONE ? json_boolean(r->fitted) : json_null(), "seconds", s->wall_s, "worker",
        r->state == SLK_RUN_CLAIMED ? json_string(r->worker) : json_null(), "error", r->error);
}

static slk_status print_status_json(const status_view *v, slk_err *err)
{
    json_t *runs = json_array();
    for (size_t i = 0; i < v->n; i++) json_array_append_new(runs, run_json(&v->runs[i], &v->shown[i]));
    return slk_cli_json(json_pack("{s:{s:I, s:s, s:I, s:s}, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "study", "id",
                                  (json_int_t)v->study.id, "name", v->study.name, "label_set",
                                  (json_int_t)v->study.label_set_id, "created", v->study.created, "epochs",
                                  (json_int_t)v->epochs, "done", (json_int_t)v->n_in[SLK_RUN_DONE], "running",
                                  (json_int_t)(v->n_in[SLK_RUN_CLAIMED] - v->n_dead), "stopped", (json_int_t)v->n_dead,
                                  "waiting", (json_int_t)v->n_in[SLK_RUN_WAITING], "failed",
                                  (json_int_t)v->n_in[SLK_RUN_FAILED], "seconds_left", number(v->left_s), "runs", runs),
                        err);
}

static void percent_cell(slk_table *t, double x)
{
    if (isfinite(x))
        slk_table_cell(t, "%.1f", 100 * x);
    else
        slk_table_cell(t, "%s", "");
}

static slk_status print_status(const status_view *v, slk_err *err)
{
    slk_table t;
    slk_table_init(&t, "llrrrrrl",
                   (const char *const[]){"run", "state", "epochs", "best dev", "dev %", "test %", "time", ""});
    for (size_t i = 0; i < v->n; i++) {
        const slk_study_run *r = &v->runs[i];
        const shown_run *s = &v->shown[i];
        char name[SLK_RUN_NAME_BYTES];
        slk_table_cell(&t, "%s", slk_run_name(name, r));
        slk_table_cell(&t, "%s",
                       is_dead(r)                    ? "stopped"
                       : r->state == SLK_RUN_CLAIMED ? "running"
                                                     : slk_run_state_name(r->state));
        if (s->epoch < 0)
            slk_table_cell(&t, "%s", "");
        else
            slk_table_cell(&t, "%d of %lld", s->epoch, (long long)v->epochs);
        if (r->early_epoch < 0)
            slk_table_cell(&t, "%s", "");
        else
            slk_table_cell(&t, "%d", r->early_epoch);
        percent_cell(&t, s->dev);
        percent_cell(&t, s->test);
        slk_table_cell(&t, "%s", s->n_epochs ? slk_show_time(s->wall_s).text : "");
        slk_table_cell(&t, "%s", r->error ? r->error : r->state == SLK_RUN_DONE && !r->fitted ? "D is not fitted" : "");
    }
    slk_status status = slk_table_print(&t, stdout, err);
    slk_table_release(&t);
    if (status != SLK_OK) return status;
    printf("\nstudy %lld '%s' on label set %lld: %zu of %zu runs are done, %zu running, %zu stopped, %zu waiting, %zu "
           "failed",
           (long long)v->study.id, v->study.name, (long long)v->study.label_set_id, v->n_in[SLK_RUN_DONE], v->n,
           v->n_in[SLK_RUN_CLAIMED] - v->n_dead, v->n_dead, v->n_in[SLK_RUN_WAITING], v->n_in[SLK_RUN_FAILED]);
    if (v->left_s > 0) printf("; about %s left", slk_show_time(v->left_s).text);
    printf("\n");
    return SLK_OK;
}

slk_status slk_study_show_status(slk_cli *cli, slk_err *err)
{
    status_view v = {0};
    slk_store *store = NULL;
    slk_status status = slk_cli_open_store(&store, cli, SLK_STORE_READ, err);
    if (status == SLK_OK) status = load_status(&v, store, slk_study_options.study, err);
    if (status == SLK_OK) status = cli->json ? print_status_json(&v, err) : print_status(&v, err);
    slk_store_free_runs(v.runs, v.n);
    free(v.shown);
    slk_study_info_release(&v.study);
    slk_store_close(store);
    return status;
}

/* --- plan --------------------------------------------------------------------------------------------------------- */

/* One argument for sh. */
static void add_quoted(slk_buf *out, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./=:,@%+";
    if (text[0] && text[strspn(text, plain)] == 0) {
        slk_buf_add_str(out, text);
        return;
    }
    slk_buf_add_str(out, "'");
    for (; *text; text++) {
        if (*text == '\'')
            slk_buf_add_str(out, "'\\''");
        else
            slk_buf_add(out, text, 1);
    }
    slk_buf_add_str(out, "'");
}

/* The path as every folder of this machine, and every machine with the same file system, sees it. */
static char *absolute(const char *path)
{
    char *out = realpath(path, NULL);
    return out ? out : slk_strdup(path);
}

typedef struct commands {
    slk_study_session *s;
    char *file, *store;
    json_t *list; /* with --json */
} commands;

/* "slick study VERB FILE OPTION VALUE --from STORE --store PARTS/NAME.db" */
static slk_status add_command(commands *c, const char *verb, const char *option, const char *value, const char *name,
                              slk_err *err)
{
    slk_buf line = {0}, store = {0};
    const char *parts = slk_study_options.parts;
    slk_cli *cli = c->s->cli;
    slk_buf_addf(&store, "%s%s%s.db", parts ? parts : "", parts ? "/" : "", name);
    slk_buf_addf(&line, "slick study %s ", verb);
    add_quoted(&line, c->file);
    slk_buf_addf(&line, " %s ", option);
    add_quoted(&line, value);
    slk_buf_add_str(&line, " --from ");
    add_quoted(&line, c->store);
    slk_buf_add_str(&line, " --store ");
    add_quoted(&line, store.data ? store.data : "");
    if (cli->dtype && strcmp(verb, "probe") == 0) slk_buf_addf(&line, " --dtype %s", cli->dtype);
    slk_status status = line.failed || store.failed ? slk_fail(err, SLK_E_MEMORY, "out of memory") : SLK_OK;
    if (status == SLK_OK && c->list)
        json_array_append_new(c->list, json_string(line.data));
    else if (status == SLK_OK)
        puts(line.data);
    slk_buf_release(&line);
    slk_buf_release(&store);
    return status;
}

static slk_status plan_probes(commands *c, size_t n_open, slk_err *err)
{
    slk_status status = SLK_OK;
    int64_t n = slk_study_options.shards;
    for (int64_t i = 0; i < n && status == SLK_OK; i++) {
        char shard[48], name[64];
        snprintf(shard, sizeof shard, "%" PRId64 "/%" PRId64, i, n);
        snprintf(name, sizeof name, "labels-%" PRId64 "-of-%" PRId64, i, n);
        status = add_command(c, "probe", "--shard", shard, name, err);
    }
    slk_cli_note(c->s->cli,
                 "%s facts need labels first: run these %" PRId64 " commands, merge their stores into %s "
                 "(slick merge), and plan again for the runs",
                 slk_show_count(n_open).text, n, c->s->cli->store);
    return status;
}

static slk_status plan_runs(commands *c, slk_err *err)
{
    slk_study_session *s = c->s;
    slk_study_run *rows;
    size_t n_rows, n_open = 0;
    slk_status status = slk_study_session_plan(s, err);
    if (status == SLK_OK) status = slk_study_session_register(s, err);
    if (status == SLK_OK) status = slk_store_load_runs(s->store, s->study, &rows, &n_rows, err);
    if (status != SLK_OK) return status;
    for (size_t i = 0; i < s->n_wanted && status == SLK_OK; i++) {
        const slk_study_run *run = &s->plan.runs[s->wanted[i]], *row = slk_study_find_run(rows, n_rows, run);
        char name[SLK_RUN_NAME_BYTES], file[SLK_RUN_NAME_BYTES];
        if (row && (row->state == SLK_RUN_DONE || (row->state == SLK_RUN_CLAIMED && !is_dead(row)))) continue;
        slk_run_name(name, run);
        snprintf(file, sizeof file, "%s", name);
        for (char *p = file; *p; p++) *p = *p == '/' ? '_' : *p;
        status = add_command(c, "run", "--only", name, file, err);
        n_open++;
    }
    slk_store_free_runs(rows, n_rows);
    if (status == SLK_OK)
        slk_cli_note(s->cli, "%zu of %zu runs are missing%s", n_open, s->n_wanted,
                     n_open ? ": run these commands, and merge their stores (slick merge)" : "");
    return status;
}

slk_status slk_study_show_plan(slk_cli *cli, const char *path, slk_err *err)
{
    slk_study_session s;
    size_t n_open, n_p_true;
    slk_status status = slk_study_session_open(&s, cli, path, SLK_STORE_WRITE, err);
    commands c = {.s = &s, .file = absolute(path), .store = absolute(cli->store)};
    if (cli->json) c.list = json_array();
    if (status == SLK_OK && (!c.file || !c.store)) status = slk_fail(err, SLK_E_MEMORY, "out of memory");
    if (status == SLK_OK) status = slk_study_session_find_labels(&s, &n_open, &n_p_true, err);
    if (status == SLK_OK) status = n_open ? plan_probes(&c, n_open, err) : plan_runs(&c, err);
    if (status == SLK_OK && cli->json) status = slk_cli_json(json_incref(c.list), err);
    json_decref(c.list);
    free(c.file);
    free(c.store);
    slk_study_session_release(&s);
    return status;
}
