/* slick demo: the whole study on the built-in model. A study file is written, and what slick import, slick study run
 * and slick report do is done with it, in one folder. */
#include "demo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/builtin.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/mem.h"
#include "data/import.h"
#include "store/facts.h"
#include "store_common.h"
#include "terminal.h"

extern char **environ;

static struct {
    const char *output;
    bool quick;
    int64_t seeds, epochs, jobs, facts;
} opt;

static const slk_option OPTIONS[] = {
    {"output",
     'o',
     SLK_OPTION_STR,
     {.str = &opt.output},
     "DIR",
     "slick-demo",
     0,
     0,
     "folder to write: study.yaml, slick.db, report/"},
    SLK_OPT_FLAG("quick", &opt.quick, "fewer training sets, one seed: about a minute"),
    SLK_OPT_INT("seeds", &opt.seeds, "N", NULL, 1, 100, "runs of each training set (default 5; quick: 1)"),
    SLK_OPT_INT("epochs", &opt.epochs, "N", NULL, 1, 1000, "epochs of a run (default 10; quick: 20)"),
    SLK_OPT_INT("facts", &opt.facts, "N", NULL, 1, 1000000, "at most so many facts of each part (default: all)"),
    SLK_OPT_INT("jobs", &opt.jobs, "N", NULL, 1, 1024, "processes (default: one a core)"),
    SLK_OPT_END};

typedef struct demo {
    slk_cli *cli;
    slk_cli inner; /* what the parts see: they keep quiet */
    slk_demo_view view;
    char *file, *store, *report_path;
    slk_study_session session;
    slk_report report;
    double began_ms, mark_ms;
    double label_s, runs_s;
    size_t n_facts;
} demo;

static slk_status no_memory(slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "out of memory");
}

static double lap(demo *d)
{
    double now = slk_clock_ms(), seconds = (now - d->mark_ms) / 1e3;
    d->mark_ms = now;
    return seconds;
}

/* --- the study file ----------------------------------------------------------------------------------------------- */

static int64_t n_epochs(void)
{
    return opt.epochs ? opt.epochs : opt.quick ? 20 : 10;
}

/* Those of at [n] that come before the last epoch, and the last one. */
static void add_epochs(slk_buf *b, const char *key, const int *at, size_t n, int64_t epochs)
{
    slk_buf_addf(b, "%s: [", key);
    for (size_t i = 0; i < n && at[i] < epochs; i++) slk_buf_addf(b, "%d, ", at[i]);
    slk_buf_addf(b, "%lld]\n", (long long)epochs);
}

/* The epochs in which everything is asked, beside the last one and the best on dev; and those in which dev is: the best
 * is one of the first. */
static void add_evaluate(slk_buf *b, int64_t epochs)
{
    static const int full[] = {5}, quick[] = {1, 3, 6, 11}, dev[] = {1, 2, 3, 4, 5};
    if (opt.quick) {
        add_epochs(b, "evaluate", quick, sizeof quick / sizeof *quick, epochs);
        return;
    }
    add_epochs(b, "evaluate", full, sizeof full / sizeof *full, epochs);
    add_epochs(b, "evaluate_dev", dev, sizeof dev / sizeof *dev, epochs);
}

static void add_study(slk_buf *b)
{
    int64_t n_seeds = opt.seeds ? opt.seeds : opt.quick ? 1 : 5;
    slk_buf_add_str(b, "# Written by slick demo; slick study run takes it, too. All keys: docs/study-file.md\n"
                       "name: demo\nmodel: \"" SLK_BUILTIN "\"\n");
    const int64_t n = opt.facts, all[4] = {n, n, n, n}, quick[4] = {1500, 240, 720, 280}, *most = n ? all : quick;
    slk_buf_add_str(b, "data: {set: builtin");
    for (int i = 0; i < 4 && (n || opt.quick); i++) {
        static const char *const parts[] = {"train", "dev", "test", "ood"};
        slk_buf_addf(b, ", %s: %lld", parts[i], (long long)most[i]);
    }
    slk_buf_add_str(b, "}\n");
    slk_buf_add_str(b, "variants:\n");
    if (opt.quick)
        slk_buf_add_str(b, "  unknown: [0, 50, 100]\n  known_of: [50]\n  idk: [50]\n");
    else /* only Unknown is 100% Unknown */
        slk_buf_add_str(b, "  unknown: [0, 25, 50, 75, 100]\n  known_of: [50]\n"
                           "  only: [HighlyKnown, MaybeKnown, WeaklyKnown]\n  natural: true\n  idk: [50]\n");
    /* Else what the smallest categories allow, which would take twice as long. */
    if (!opt.facts) slk_buf_addf(b, "size: %d\n", opt.quick ? 120 : 240);
    slk_buf_addf(b, "epochs: %lld\n", (long long)n_epochs());
    add_evaluate(b, n_epochs());
    slk_buf_add_str(b, "seeds: [");
    for (int64_t i = 0; i < n_seeds; i++) slk_buf_addf(b, "%s%lld", i ? ", " : "", (long long)i);
    slk_buf_add_str(b, "]\nlearning_rates: [1e-3]\ntraining: {batch: 16, dropout: 0, eps: 5e-3}\n");
}

/* The file as it was is kept: its study goes on. */
static slk_status write_study(demo *d, slk_err *err)
{
    slk_buf text = {0};
    char *old = NULL;
    size_t n_old = 0;
    slk_out *out = NULL;
    add_study(&text);
    slk_status s = text.failed ? no_memory(err) : SLK_OK;
    bool exists = slk_file_exists(d->file);
    if (s == SLK_OK && exists) s = slk_file_read(&old, &n_old, d->file, err);
    bool same = old && n_old == text.len && memcmp(old, text.data, n_old) == 0;
    if (s == SLK_OK && exists && !same && !d->cli->force)
        s = slk_fail(
            err, SLK_E_STATE,
            "%s: is of other options, or was edited: give another folder (-o), or --force, which writes it anew",
            d->file);
    if (s == SLK_OK && !same) s = slk_out_open(&out, d->file, true, err);
    if (s == SLK_OK && !same) {
        fwrite(text.data, 1, text.len, slk_out_stream(out)); /* a failure shows in commit */
        s = slk_out_commit(out, err);
    }
    slk_out_close(out);
    free(old);
    slk_buf_release(&text);
    return s;
}

static slk_status make_folder(demo *d, slk_err *err)
{
    if (mkdir(opt.output, 0777) != 0 && errno != EEXIST)
        return slk_fail(err, SLK_E_IO, "%s: cannot make the folder: %s", opt.output, strerror(errno));
    d->file = slk_path_join(opt.output, "study.yaml");
    d->store = slk_path_join(opt.output, "slick.db");
    d->report_path = slk_path_join(opt.output, "report");
    return d->file && d->store && d->report_path ? SLK_OK : no_memory(err);
}

/* --- the steps ---------------------------------------------------------------------------------------------------- */

static slk_status import(demo *d, slk_err *err)
{
    slk_facts facts = {0};
    slk_import_report report = {0};
    slk_store *store = NULL;
    const slk_filter_options filters = {.overlap = SLK_OVERLAP_SUBJECT};
    slk_status s = slk_import_builtin(&facts, &report, &filters, err);
    json_t *json = s == SLK_OK ? slk_import_report_json(&report) : NULL;
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    if (s == SLK_OK && !text) s = no_memory(err);
    if (s == SLK_OK) s = slk_cli_open_store(&store, &d->inner, SLK_STORE_CREATE, err);
    if (s == SLK_OK) s = slk_store_put_facts(store, NULL, "builtin", &facts, text, d->cli->force, err);
    d->n_facts = facts.n;
    slk_store_close(store);
    free(text);
    json_decref(json);
    slk_import_report_release(&report);
    slk_facts_release(&facts);
    return s;
}

static slk_status open_study(demo *d, slk_err *err)
{
    slk_study_session *s = &d->session;
    slk_status status = slk_study_session_open(s, &d->inner, d->file, SLK_STORE_WRITE, err);
    if (status == SLK_OK) status = slk_study_session_model(s, err);
    if (status != SLK_OK) return status;
    const slk_study_facts *sets = s->material.sets;
    slk_demo_say(&d->view, 1, "The model", "%s, %.1fM parameters, in this program; its facts are known to us",
                 s->model->config.name,
                 (double)(slk_config_n_body_params(&s->model->config) +
                          (int64_t)s->model->config.n_vocab * s->model->config.d_model) /
                     1e6);
    slk_demo_say(&d->view, 2, "Facts", "%s; here %s to train on, %s dev, %s test, %s of other relations",
                 slk_show_count(d->n_facts).text, slk_show_count(sets[SLK_SET_TRAIN].n).text,
                 slk_show_count(sets[SLK_SET_DEV].n).text, slk_show_count(sets[SLK_SET_TEST].n).text,
                 slk_show_count(sets[SLK_SET_OOD].n).text);
    return SLK_OK;
}

static slk_status label(demo *d, slk_err *err)
{
    slk_study_session *s = &d->session;
    lap(d);
    slk_study_options.jobs = opt.jobs ? opt.jobs : s->n_threads;
    slk_status status = slk_study_session_label(s, err);
    if (status == SLK_OK) status = slk_study_session_plan(s, err);
    if (status == SLK_OK) status = slk_study_session_register(s, err);
    if (status != SLK_OK) return status;
    d->label_s = lap(d);
    slk_demo_say(&d->view, 3, "What it knows", "each fact asked %lld times: %lld prompts, greedy and %lld samples (%s)",
                 (long long)(s->config.labels.n_ex * (1 + s->config.labels.samples)), (long long)s->config.labels.n_ex,
                 (long long)s->config.labels.samples, slk_show_time(d->label_s).text);
    slk_demo_show_categories(&d->view, &s->material);
    return SLK_OK;
}

static slk_status run_all(demo *d, slk_err *err)
{
    slk_study_session *s = &d->session;
    const slk_crew_view view = {slk_demo_show_runs, &d->view};
    slk_study_options.save_every = 5;
    s->view = &view;
    d->view.epochs = s->config.epochs;
    slk_demo_say(&d->view, 4, "Fine-tuning", "%zu training sets of %zu facts, %zu seed%s, %lld epochs: %zu runs",
                 s->plan.n_variants, s->plan.size, s->config.seeds.n, s->config.seeds.n == 1 ? "" : "s",
                 (long long)s->config.epochs, s->plan.n_runs);
    slk_demo_say(&d->view, 0, "", "test accuracy at the early stop -> after the last epoch");
    slk_status status = slk_study_crew_run(s, err);
    d->runs_s = lap(d);
    return status;
}

static slk_status report(demo *d, slk_err *err)
{
    slk_report_written written;
    const slk_report_options options = {
        .overwrite = true, .environment = environ, .progress = slk_cli_progress(d->cli)};
    slk_builtin_bytes facts;
    slk_status s = slk_builtin_facts(&facts, err);
    if (s != SLK_OK) return s;
    const slk_exposure_table exposure = {SLK_BUILTIN, (const char *)facts.data, facts.n_bytes};
    s = slk_report_load_exposed(&d->report, d->session.store, d->session.study, &exposure, err);
    if (s == SLK_OK) s = slk_report_write(&written, &d->report, d->report_path, &options, err);
    if (s != SLK_OK) return s;
    slk_demo_say(&d->view, 5, "Report", "%s/report.html: %zu figures, %zu tables%s", d->report_path, written.n_figures,
                 written.n_tables, written.no_png ? " (no PNG: rsvg-convert is not installed)" : "");
    return SLK_OK;
}

static json_t *result_json(const demo *d, double seconds)
{
    char *page = slk_path_join(d->report_path, "report.html");
    json_t *json = slk_report_findings(&d->report);
    json_object_set_new(json, "report", json_string(page ? page : ""));
    json_object_set_new(json, "store", json_string(d->store));
    json_object_set_new(json, "study", json_string(d->file));
    json_object_set_new(json, "seconds",
                        json_pack("{s:f, s:f, s:f}", "all", seconds, "labels", d->label_s, "runs", d->runs_s));
    free(page);
    return json;
}

static slk_status steps(demo *d, slk_err *err)
{
    slk_status s = make_folder(d, err);
    if (s == SLK_OK) s = write_study(d, err);
    d->inner = *d->cli;
    d->inner.quiet = true;
    d->inner.store = d->store;
    if (s == SLK_OK) s = import(d, err);
    if (s == SLK_OK) s = open_study(d, err);
    if (s == SLK_OK) s = label(d, err);
    if (s == SLK_OK) s = run_all(d, err);
    if (s == SLK_OK) s = report(d, err);
    if (s != SLK_OK) return s;
    double seconds = (slk_clock_ms() - d->began_ms) / 1e3;
    if (d->cli->json) return slk_cli_json(result_json(d, seconds), err);
    slk_demo_print_summary(&d->report, d->report_path, seconds);
    if (!opt.seeds && !opt.quick && !opt.epochs && !opt.facts) /* it would be another study */
        printf("More seeds decide more of it: slick demo -o %s --seeds 10 --force goes on from these runs.\n",
               opt.output);
    return SLK_OK;
}

static slk_status run(slk_cli *cli, slk_err *err)
{
    if (slk_cli_given(&cli->store))
        return slk_cli_usage(cli, err, "--store: the demo's store is DIR/slick.db (-o DIR)");
    demo d = {.cli = cli, .began_ms = slk_clock_ms()};
    slk_cli_progress(cli); /* before the parts, which keep quiet */
    cli->output = opt.output;
    slk_demo_view_init(&d.view, cli->quiet, n_epochs());
    slk_status s = steps(&d, err);
    slk_report_release(&d.report);
    slk_study_session_release(&d.session);
    free(d.file);
    free(d.store);
    free(d.report_path);
    return s;
}

const slk_command slk_cmd_demo = {
    .name = "demo",
    .group = SLK_GROUP_KNOW,
    .summary = "the whole study on the built-in model, in minutes",
    .synopsis = "",
    .about =
        "Labels the facts that the built-in model was made with, fine-tunes it on sets of known and unknown ones, with "
        "five seeds, and writes the report; nothing is downloaded. What was measured, with intervals and verdicts, is "
        "printed at the end.\n\n"
        "DIR has study.yaml, slick.db and report/, so slick study status --store DIR/slick.db, slick labels and slick "
        "report look at the same. Stopped or killed at any moment, the same command goes on.\n\n"
        "--json: findings.json with \"report\", \"store\", \"study\" (paths) and \"seconds\"",
    .examples = {"slick demo", "slick demo --quick -o quick", "slick demo --json --quiet | jq .findings"},
    .n_args_min = 0,
    .n_args_max = 0,
    .options = OPTIONS,
    .run = run,
};
