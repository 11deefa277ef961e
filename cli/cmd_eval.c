/* slick eval: how often a fine-tuned model is right, and how often it says that it does not know. */
#include "command.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "engine.h"
#include "example_input.h"
#include "know/evaluate.h"
#include "label_summary.h"
#include "stats/stats.h"
#include "store_common.h"
#include "table.h"
#include "terminal.h"

static struct {
    const char *match, *template_path, *format, *adapter;
    slk_list map;
    int64_t batch_tokens;
    bool answers, jsonl;
} opt;

static const slk_option OPTIONS[] = {
    SLK_OPT_STR("match", &opt.match, "em|strict|contains|f1:X", "em", "when an answer is right"),
    SLK_CLI_OPT_INSTRUCTION(&opt.template_path),
    SLK_OPT_FLAG("answers", &opt.answers, "write wrong answers to their end, and show them"),
    SLK_OPT_FLAG("jsonl", &opt.jsonl, "a fact a line, with its outcome and answer, in the order of DATA"),
    SLK_CLI_OPT_MAP(&opt.map),
    SLK_CLI_OPT_FORMAT(&opt.format),
    SLK_OPT_INT("batch-tokens", &opt.batch_tokens, "N", "512", 1, 1 << 20, "rows at a time; never changes an outcome"),
    SLK_CLI_OPT_ADAPTER(&opt.adapter),
    SLK_OPT_END};

static const double CONFIDENCE = 0.95;

/* Facts of one relation. */
typedef struct group {
    const char *name; /* borrowed from the facts */
    slk_tally tally;
} group;

typedef struct evaluation {
    slk_cli *cli;
    slk_examples data;
    slk_model *model;
    slk_instruction *instruction;
    slk_match_rule match;
    slk_outcome *outcomes; /* [data.n] */
    slk_evaluate_stats stats;
    slk_tally all, category[SLK_N_CATEGORIES], uncategorised;
    group *groups; /* relations in the order of the data */
    size_t n_groups, cap_groups;
    size_t n_unmatchable; /* facts that no answer can match */
} evaluation;

/* --- counting ----------------------------------------------------------------------------------------------------- */

static slk_status count_relation(evaluation *e, const char *name, const slk_outcome *o, slk_err *err)
{
    size_t i = e->n_groups;
    while (i > 0 && strcmp(e->groups[i - 1].name, name) != 0) i--; /* facts of a relation mostly stand together */
    if (i == 0) {
        if (!slk_grow(&e->groups, &e->cap_groups, e->n_groups + 1, sizeof *e->groups))
            return slk_fail(err, SLK_E_MEMORY, "out of memory");
        e->groups[e->n_groups++] = (group){.name = name};
        i = e->n_groups;
    }
    slk_tally_add(&e->groups[i - 1].tally, o);
    return SLK_OK;
}

static slk_status count(evaluation *e, slk_err *err)
{
    slk_status s = SLK_OK;
    for (size_t i = 0; i < e->data.n && s == SLK_OK; i++) {
        const slk_outcome *o = &e->outcomes[i];
        int category = (int)e->data.categories[i];
        slk_tally_add(&e->all, o);
        slk_tally_add(category < 0 ? &e->uncategorised : &e->category[category], o);
        s = count_relation(e, e->data.items[i]->relation, o, err);
    }
    return s;
}

static bool has_categories(const evaluation *e)
{
    return e->uncategorised.n < e->all.n;
}

static size_t n_refused(const slk_tally *t)
{
    return t->n - t->n_answered;
}

/* --- for people --------------------------------------------------------------------------------------------------- */

static bool is_wide(size_t n_right, size_t n)
{
    slk_interval w = slk_stats_wilson(n_right, n, CONFIDENCE);
    return n > 0 && w.high - w.low >= 0.1;
}

/* Decimals that the shares deserve: one where every interval is narrower than 10 points. */
static int choose_decimals(const evaluation *e)
{
    bool wide = is_wide(e->uncategorised.n_right, e->uncategorised.n);
    for (int c = 0; c < SLK_N_CATEGORIES; c++) wide |= is_wide(e->category[c].n_right, e->category[c].n);
    for (size_t i = 0; i < e->n_groups; i++) wide |= is_wide(e->groups[i].tally.n_right, e->groups[i].tally.n);
    return wide ? 0 : 1;
}

static void share_cell(slk_table *t, size_t n, size_t of, int decimals)
{
    if (of == 0) {
        slk_table_cell(t, "-");
        return;
    }
    slk_interval w = slk_stats_wilson(n, of, CONFIDENCE);
    slk_table_cell(t, "%.*f (%.*f-%.*f)", decimals, 100.0 * (double)n / (double)of, decimals, 100 * w.low, decimals,
                   100 * w.high);
}

static void add_row(slk_table *t, const char *name, const slk_tally *tally, int decimals, const char *what)
{
    slk_table_cell(t, "%s", name);
    slk_table_cell(t, "%s", slk_show_count(tally->n).text);
    share_cell(t, tally->n_right, tally->n, decimals);
    slk_table_cell(t, "%.*f", decimals, 100 * slk_tally_answered(tally));
    share_cell(t, tally->n_right_answered, tally->n_answered, decimals);
    slk_table_cell(t, "%s", what);
}

static slk_status print_table(const evaluation *e, slk_err *err)
{
    slk_table t;
    int decimals = choose_decimals(e);
    slk_table_init(&t, "lrrrrl", (const char *const[]){"", "n", "right %", "answered %", "right of answered %", ""});
    for (int c = 0; c < SLK_N_CATEGORIES; c++)
        if (e->category[c].n) add_row(&t, slk_category_name((slk_category)c), &e->category[c], decimals, "");
    if (has_categories(e)) {
        if (e->uncategorised.n) add_row(&t, "(no category)", &e->uncategorised, decimals, "");
        slk_table_rule(&t);
    }
    bool relations = e->n_groups > 1 || e->groups[0].name[0];
    for (size_t i = 0; relations && i < e->n_groups; i++) {
        char what[27];
        const group *g = &e->groups[i];
        slk_describe_relation(what, sizeof what, g->name);
        add_row(&t, g->name[0] ? g->name : "(no relation)", &g->tally, decimals, what);
    }
    if (relations) slk_table_rule(&t);
    add_row(&t, "all", &e->all, decimals, "");
    slk_status s = slk_table_print(&t, stdout, err);
    slk_table_release(&t);
    return s;
}

static const char *outcome_name(const slk_outcome *o)
{
    return o->matched ? "right" : o->abstained ? "abstained" : "wrong";
}

static slk_status print_answers(const evaluation *e, slk_err *err)
{
    slk_table t;
    slk_table_init(&t, "llll", (const char *const[]){"question", "expected", "answer", "outcome"});
    for (size_t i = 0; i < e->data.n; i++) {
        const slk_outcome *o = &e->outcomes[i];
        if (o->matched) continue;
        slk_table_cell(&t, "%s", e->data.items[i]->question);
        slk_table_cell(&t, "%s", e->data.items[i]->answers[0]);
        slk_table_cell(&t, "%s", o->text);
        slk_table_cell(&t, "%s", outcome_name(o));
    }
    slk_status s = t.n_cells > 4 ? slk_table_print(&t, stdout, err) : SLK_OK;
    slk_table_release(&t);
    return s;
}

static void note_refusals(const evaluation *e)
{
    const slk_tally *t = &e->category[SLK_HIGHLY_KNOWN];
    if (t->n == 0) return;
    slk_interval w = slk_stats_wilson(n_refused(t), t->n, CONFIDENCE);
    slk_cli_note(e->cli, "refused (\"I don't know\") of %s HighlyKnown facts: %s, %.1f%% (%.1f-%.1f)",
                 slk_show_count(t->n).text, slk_show_count(n_refused(t)).text,
                 100.0 * (double)n_refused(t) / (double)t->n, 100 * w.low, 100 * w.high);
}

static void note_speed(const evaluation *e)
{
    double seconds = e->stats.wall_ms / 1e3, n = (double)e->stats.n_facts;
    slk_cli_note(e->cli, "%s facts in %s, %.0f facts/s, %.1f token-forwards a fact (prompts alone, unshared: %.1f)",
                 slk_show_count(e->stats.n_facts).text, slk_show_time(seconds).text, n / seconds,
                 (double)e->stats.n_rows / n, (double)e->stats.n_prompt_tokens / n);
}

static slk_status show_table(const evaluation *e, slk_err *err)
{
    slk_status s = print_table(e, err);
    if (s == SLK_OK && opt.answers) {
        if (e->all.n_right < e->all.n) printf("\n");
        s = print_answers(e, err);
    }
    slk_cli_note(e->cli, "in parentheses the 95%% interval; how facts are asked: docs/eval.md");
    note_refusals(e);
    note_speed(e);
    return s;
}

/* --- for programs ------------------------------------------------------------------------------------------------- */

static json_t *share_json(double share)
{
    return isnan(share) ? json_null() : json_real(share);
}

static void set_interval(json_t *o, const char *low, const char *high, size_t n, size_t of)
{
    slk_interval w = slk_stats_wilson(n, of, CONFIDENCE);
    json_object_set_new(o, low, of ? json_real(w.low) : json_null());
    json_object_set_new(o, high, of ? json_real(w.high) : json_null());
}

static json_t *tally_json(const slk_tally *t)
{
    json_t *o = json_pack("{s:I, s:I, s:o}", "n", (json_int_t)t->n, "right", (json_int_t)t->n_right, "accuracy",
                          share_json(slk_tally_accuracy(t)));
    set_interval(o, "low", "high", t->n_right, t->n);
    json_object_set_new(o, "abstained", json_integer((json_int_t)n_refused(t)));
    json_object_set_new(o, "answered", share_json(slk_tally_answered(t)));
    json_object_set_new(o, "answered_accuracy", share_json(slk_tally_answered_accuracy(t)));
    set_interval(o, "answered_low", "answered_high", t->n_right_answered, t->n_answered);
    return o;
}

static json_t *texts_json(char *const *items, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, json_string(items[i]));
    return list;
}

static json_t *fact_json(const evaluation *e, size_t i)
{
    const slk_fact *f = e->data.items[i];
    const slk_outcome *o = &e->outcomes[i];
    int category = (int)e->data.categories[i];
    json_t *line = json_pack("{s:s}", "relation", f->relation);
    if (f->subject) json_object_set_new(line, "subject", json_string(f->subject));
    json_object_set_new(line, "question", json_string(f->question));
    json_object_set_new(line, "answers", texts_json(f->answers, f->n_answers));
    json_object_set_new(line, "aliases", texts_json(f->aliases, f->n_aliases));
    if (category >= 0) json_object_set_new(line, "category", json_string(slk_category_name((slk_category)category)));
    json_object_set_new(line, "right", json_boolean(o->matched));
    json_object_set_new(line, "abstained", json_boolean(o->abstained));
    json_object_set_new(line, "answer", json_string(o->text));
    return line;
}

static json_t *model_json(const slk_model *model)
{
    json_t *o = json_pack("{s:s, s:o}", "name", model->config.name, "hash", slk_cli_hash_json(model->hash));
    if (model->adapter) json_object_set_new(o, "adapter", slk_cli_hash_json(slk_adapter_hash(model->adapter)));
    return o;
}

static slk_status print_json(const evaluation *e, slk_err *err)
{
    const slk_tally *known = &e->category[SLK_HIGHLY_KNOWN];
    json_t *o = json_pack("{s:o, s:s, s:s, s:s}", "model", model_json(e->model), "data", e->data.name, "dtype",
                          slk_compute_dtype(e->model->compute) == SLK_DTYPE_BF16 ? "bf16" : "f32", "kernels",
                          slk_compute_kernel_set(e->model->compute));
    json_object_set_new(o, "match", json_string(opt.match));
    json_object_set_new(o, "template", slk_cli_hash_json(slk_instruction_hash(e->instruction)));
    json_object_set_new(o, "all", tally_json(&e->all));
    json_t *categories = json_object(), *relations = json_array();
    for (int c = 0; c < SLK_N_CATEGORIES; c++)
        json_object_set_new(categories, slk_category_name((slk_category)c), tally_json(&e->category[c]));
    for (size_t i = 0; i < e->n_groups; i++) {
        json_t *row = json_pack("{s:s}", "relation", e->groups[i].name);
        json_object_update_new(row, tally_json(&e->groups[i].tally));
        json_array_append_new(relations, row);
    }
    json_object_set_new(o, "categories", categories);
    json_object_set_new(o, "uncategorised", tally_json(&e->uncategorised));
    json_object_set_new(o, "relations", relations);
    json_t *refused =
        json_pack("{s:I, s:I, s:o}", "n", (json_int_t)known->n, "refused", (json_int_t)n_refused(known), "share",
                  known->n ? json_real((double)n_refused(known) / (double)known->n) : json_null());
    set_interval(refused, "low", "high", n_refused(known), known->n);
    json_object_set_new(o, "refused_highly_known", refused);
    json_object_set_new(o, "n_duplicates", json_integer((json_int_t)e->data.n_duplicates));
    json_object_set_new(o, "n_unmatchable", json_integer((json_int_t)e->n_unmatchable));
    double seconds = e->stats.wall_ms / 1e3, n = (double)e->stats.n_facts;
    json_object_set_new(o, "seconds", json_real(seconds));
    json_object_set_new(o, "facts_per_s", json_real(n / seconds));
    json_object_set_new(o, "rows_per_fact", json_real((double)e->stats.n_rows / n));
    json_object_set_new(o, "logit_rows_per_fact", json_real((double)e->stats.n_logit_rows / n));
    if (opt.answers) {
        json_t *facts = json_array();
        for (size_t i = 0; i < e->data.n; i++) json_array_append_new(facts, fact_json(e, i));
        json_object_set_new(o, "facts", facts);
    }
    return slk_cli_json(o, err);
}

static slk_status print_lines(const evaluation *e, slk_err *err)
{
    slk_status s = SLK_OK;
    for (size_t i = 0; i < e->data.n && s == SLK_OK; i++) s = slk_cli_json(fact_json(e, i), err);
    note_refusals(e);
    note_speed(e);
    return s;
}

/* --- the command -------------------------------------------------------------------------------------------------- */

static slk_status check_data(evaluation *e, slk_err *err)
{
    slk_status s = SLK_OK;
    for (size_t i = 0; i < e->data.n && s == SLK_OK; i++) {
        bool can;
        s = slk_instruction_can_match(&can, e->model->tokenizer, e->data.items[i], err);
        if (s != SLK_OK) return slk_examples_fail_in(&e->data, i, s, err);
        e->n_unmatchable += !can;
    }
    if (e->n_unmatchable)
        slk_cli_warn(
            e->cli, "%s: no answer can match %s of %s facts: a line break or more than %d tokens in the true one",
            e->data.name, slk_show_count(e->n_unmatchable).text, slk_show_count(e->data.n).text, SLK_ANSWER_MAX_TOKENS);
    if (e->data.n_uncategorised == e->data.n)
        slk_cli_note(e->cli, "%s: no record has a category, so there are no rows for them (slick labels --jsonl)",
                     e->data.name);
    return s;
}

static slk_status ask(evaluation *e, slk_err *err)
{
    slk_evaluate_options options = {.instruction = e->instruction,
                                    .match = e->match,
                                    .texts = opt.answers || opt.jsonl,
                                    .n_batch_rows = (int32_t)opt.batch_tokens};
    size_t bad = 0;
    slk_status s = slk_evaluate_check(e->model, e->data.items, e->data.n, &options, &bad, err);
    if (s != SLK_OK) return slk_examples_fail_in(&e->data, bad, s, err);
    e->outcomes = slk_alloc_zero(e->data.n, sizeof *e->outcomes);
    if (!e->outcomes) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    return slk_evaluate_run(e->model, e->data.items, e->data.n, &options, e->outcomes, slk_cli_progress(e->cli),
                            &e->stats, err);
}

static void release(evaluation *e)
{
    if (e->outcomes) slk_outcomes_release(e->outcomes, e->data.n);
    free(e->outcomes);
    free(e->groups);
    slk_model_close(e->model);
    slk_instruction_free(e->instruction);
    slk_examples_release(&e->data);
}

static slk_status run(slk_cli *cli, slk_err *err)
{
    evaluation e = {.cli = cli};
    if (cli->json && opt.jsonl) return slk_cli_usage(cli, err, "--json and --jsonl exclude each other");
    if (slk_match_parse(&e.match, opt.match, err) != SLK_OK) return slk_cli_usage(cli, err, "--match: %s", err->msg);
    slk_status s = slk_cli_read_instruction(&e.instruction, opt.template_path, err);
    if (s == SLK_OK) s = slk_cli_read_examples(&e.data, cli, cli->args[1], &opt.map, opt.format, err);
    if (s == SLK_OK) s = slk_cli_load_model(&e.model, cli, cli->args[0], opt.adapter, err);
    if (s == SLK_OK) slk_cli_note_chat(cli, e.model, false);
    if (s == SLK_OK) s = check_data(&e, err);
    if (s == SLK_OK) s = ask(&e, err);
    if (s == SLK_OK) s = count(&e, err);
    if (s == SLK_OK) s = cli->json ? print_json(&e, err) : opt.jsonl ? print_lines(&e, err) : show_table(&e, err);
    release(&e);
    return s;
}

const slk_command slk_cmd_eval = {
    .name = "eval",
    .group = SLK_GROUP_TRAIN,
    .summary = "how often a fine-tuned model is right, per category and relation",
    .synopsis = "MODEL DATA|-",
    .about =
        "Asks every question of DATA once, greedily, with the prompt of fine-tuning and without exemplars. DATA is "
        "JSON "
        "lines, JSON, CSV or TSV: question, answer (or answers); optional: aliases, relation, category. The lines of "
        "slick labels --jsonl have all of that.\n\n"
        "Shares come with their 95% (Wilson) interval. \"I don't know\" and its variants (docs/eval.md) are "
        "abstentions: "
        "accuracy on the answered questions, the share answered, and refusals on HighlyKnown facts stand apart.\n\n"
        "--json: {\"all\": {\"n\", \"right\", \"accuracy\", \"low\", \"high\", \"abstained\", \"answered\", "
        "\"answered_accuracy\", ...}, \"categories\", \"relations\", \"refused_highly_known\", ...}; with --answers "
        "also "
        "\"facts\"",
    .examples = {"slick eval tuned.gguf test.jsonl",
                 "slick labels --split test --jsonl | slick eval base.gguf - --adapter lora/ --json"},
    .n_args_min = 2,
    .n_args_max = 2,
    .options = OPTIONS,
    .run = run,
};
