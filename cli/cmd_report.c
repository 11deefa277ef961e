/* slick report: figures, tables and findings of a study. */
#include "command.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/builtin.h"
#include "base/file.h"
#include "base/hash.h"
#include "report/report.h"
#include "report/say.h"
#include "store_common.h"
#include "table.h"

extern char **environ;

static struct {
    const char *output, *exposure;
    int64_t study;
} opt;

static const slk_option OPTIONS[] = {
    {"output",
     'o',
     SLK_OPTION_STR,
     {.str = &opt.output},
     "DIR",
     NULL,
     0,
     0,
     "folder to write: report.html, findings.json, figures/, tables/"},
    SLK_OPT_INT("study", &opt.study, "ID", NULL, 1, 1e15, "study (default: the newest)"),
    SLK_OPT_STR("exposure", &opt.exposure, "FILE", NULL,
                "what the model was pre-trained on, fact by fact (default for builtin: its own)"),
    SLK_OPT_END};

static const char *verdict_words(const slk_finding *f)
{
    if (f->at.n == 0) return "not measured";
    return f->verdict == SLK_REPRODUCED       ? "reproduced"
           : f->verdict == SLK_NOT_REPRODUCED ? "not reproduced"
                                              : "undecided";
}

static slk_status print_findings(const slk_report *report, slk_err *err)
{
    slk_table t;
    slk_table_init(&t, "llrlrl",
                   (const char *const[]){"finding", "verdict", "measured", "95% interval", "paper", "unit"});
    for (size_t i = 0; i < report->n; i++) {
        const slk_analysis *a = &report->by_lr[i];
        if (i) slk_table_rule(&t);
        for (size_t k = 0; k < a->n_findings; k++) {
            const slk_finding *f = &a->findings[k];
            bool with_sign = f->side != SLK_BELOW_BOUND;
            slk_table_cell(&t, "%s", f->id);
            slk_table_cell(&t, "%s", verdict_words(f));
            slk_table_cell(&t, "%s",
                           f->at.n ? (with_sign ? slk_say_signed(f->at.value, 1) : slk_say(f->at.value, 1)).text : "");
            slk_table_cell(&t, "%s", slk_say_interval(f->at.low, f->at.high, 1, with_sign).text);
            slk_table_cell(
                &t, "%s", isnan(f->paper) ? "" : (with_sign ? slk_say_signed(f->paper, 1) : slk_say(f->paper, 1)).text);
            slk_table_cell(&t, "%s", f->unit);
        }
    }
    slk_status s = slk_table_print(&t, stdout, err);
    slk_table_release(&t);
    return s;
}

static void tell_state(const slk_cli *cli, const slk_report *report)
{
    const slk_dataset *ds = &report->ds;
    size_t all = 0, done = 0, failed = 0, n_short = 0;
    for (size_t i = 0; i < report->n; i++) {
        all += report->by_lr[i].n_runs;
        done += report->by_lr[i].n_done;
        failed += report->by_lr[i].n_failed;
        n_short += report->by_lr[i].n_short;
    }
    slk_cli_note(cli, "study %" PRId64 " '%s' of %s: %zu of %zu runs are finished", ds->study.id, ds->study.name,
                 ds->labels.settings.model_name, done, all);
    if (failed) slk_cli_warn(cli, "%zu run%s failed (slick study status says why)", failed, failed == 1 ? "" : "s");
    if (n_short)
        slk_cli_warn(cli, "%zu finished run%s fitted less than 95%% of D and do%s not count at convergence", n_short,
                     n_short == 1 ? "" : "s", n_short == 1 ? "es" : "");
}

static slk_status write_report(const slk_cli *cli, const slk_report *report, slk_err *err)
{
    slk_report_written written;
    const slk_report_options options = {
        .overwrite = cli->force, .environment = environ, .progress = slk_cli_progress(cli)};
    slk_status s = slk_report_write(&written, report, opt.output, &options, err);
    if (s != SLK_OK) return s;
    if (written.no_png)
        slk_cli_warn(cli, "rsvg-convert is not installed (Debian: librsvg2-bin): figures are SVG only, without PNG");
    size_t n = strlen(opt.output);
    slk_cli_note(cli, "%s%sreport.html: %zu figures, %zu tables, %s facts", opt.output,
                 opt.output[n - 1] == '/' ? "" : "/", written.n_figures, written.n_tables,
                 slk_say_count(written.n_facts).text);
    return SLK_OK;
}

/* Is the study of the model inside this program? Then what it was exposed to is known. */
static bool is_of_builtin(slk_store *store)
{
    slk_study_info study = {0};
    slk_label_set_info labels;
    slk_builtin_bytes model;
    bool is = slk_store_find_study(store, &study, opt.study, NULL) == SLK_OK &&
              slk_store_find_label_set(store, &labels, study.label_set_id, NULL) == SLK_OK &&
              slk_builtin_model(&model, NULL) == SLK_OK &&
              labels.settings.model_hash == slk_hash_bytes(model.data, model.n_bytes);
    slk_study_info_release(&study);
    return is;
}

static slk_status load(slk_report *report, slk_store *store, slk_err *err)
{
    slk_exposure_table table = {.name = opt.exposure};
    slk_builtin_bytes facts;
    char *text = NULL;
    slk_status s = opt.exposure ? slk_file_read(&text, &table.n_bytes, opt.exposure, err) : SLK_OK;
    if (s != SLK_OK) return s;
    table.text = text;
    bool implied = !opt.exposure && is_of_builtin(store) && slk_builtin_facts(&facts, NULL) == SLK_OK;
    if (implied) table = (slk_exposure_table){SLK_BUILTIN, (const char *)facts.data, facts.n_bytes};
    s = slk_report_load_exposed(report, store, opt.study, table.name ? &table : NULL, err);
    /* The built-in model may have been asked somebody's own facts: then nothing is known of those, which is no mistake.
     */
    if (s == SLK_E_NOT_FOUND && implied) {
        slk_report_release(report);
        s = slk_report_load_exposed(report, store, opt.study, NULL, err);
    }
    free(text);
    return s;
}

static slk_status run(slk_cli *cli, slk_err *err)
{
    if (!opt.output && !cli->json)
        return slk_cli_usage(cli, err,
                             "--output (-o) is missing: where to write (or --json, to print the findings only)");
    slk_store *store = NULL;
    slk_report report = {.n = 0};
    slk_status s = slk_cli_open_store(&store, cli, SLK_STORE_READ, err);
    if (s == SLK_OK) s = load(&report, store, err);
    slk_store_close(store);
    if (s == SLK_OK) tell_state(cli, &report);
    if (s == SLK_OK && opt.output) s = write_report(cli, &report, err);
    if (s == SLK_OK) s = cli->json ? slk_cli_json(slk_report_findings(&report), err) : print_findings(&report, err);
    slk_report_release(&report);
    return s;
}

const slk_command slk_cmd_report = {
    .name = "report",
    .group = SLK_GROUP_KNOW,
    .summary = "figures, tables and findings of a study",
    .synopsis = "-o DIR",
    .about =
        "Writes DIR/report.html, one page that needs no network, with the paper's figures and tables beside the "
        "paper's own numbers; DIR/findings.json with each claim, what was measured, its 95% interval and the verdict; "
        "DIR/figures (SVG, PNG) and DIR/tables (CSV, Markdown). Prints the findings.\n\n"
        "A claim is reproduced when its whole interval lies on the paper's side of 0 (for no difference: within 2 "
        "points), not when it lies on the other side, else undecided. Runs that fitted less than 95% of their training "
        "set do not count at convergence.\n\n"
        "--exposure FILE: tab-separated, with the columns question, answer, relation, kind, list_right, list_wrong, "
        "text_right, text_wrong and instruct, as slick pretrain writes it. The report then has a section on what the "
        "labels know of the truth.",
    .examples = {"slick report -o report/", "slick report --study 2 -o report/ --force",
                 "slick report --json | jq .findings"},
    .n_args_min = 0,
    .n_args_max = 0,
    .options = OPTIONS,
    .run = run,
};
