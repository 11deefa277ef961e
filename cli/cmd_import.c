/* slick import: facts from files into the store. */
#include "command.h"

#include <stdlib.h>
#include <string.h>
#include "base/builtin.h"
#include "base/file.h"
#include "data/import.h"
#include "example_input.h"
#include "store/facts.h"
#include "store_common.h"
#include "terminal.h"

static struct {
    const char *name, *split, *format, *overlap;
    slk_list map, ood, relations;
    bool keep_multi_answer, keep_ood_train;
} opt;

static const slk_option OPTIONS[] = {
    SLK_OPT_STR("name", &opt.name, "SET", NULL,
                "name of the fact set (default: entityquestions, or the first file's name)"),
    SLK_OPT_LIST("map", &opt.map, "FIELD=NAME,..",
                 "what the fields are called in the file: question=prompt,answer=completion"),
    SLK_OPT_CHOICE("split", &opt.split, "train|dev|test", "train", "split of the facts that do not say theirs"),
    SLK_OPT_LIST("ood", &opt.ood, "REL,REL", "relations out of distribution: only ever tested"),
    SLK_OPT_CHOICE("format", &opt.format, "auto|jsonl|json|csv|tsv", "auto", "of the files"),
    SLK_OPT_LIST("relations", &opt.relations, "REL,REL", "keep only these"),
    SLK_OPT_FLAG("keep-multi-answer", &opt.keep_multi_answer,
                 "keep questions with several true answers; any of them matches"),
    SLK_OPT_FLAG("keep-ood-train", &opt.keep_ood_train,
                 "keep training facts of relations that are out of distribution"),
    SLK_OPT_CHOICE("overlap", &opt.overlap, "subject|subject-or-object|none", "subject",
                   "drop training facts that share this with a test question"),
    SLK_OPT_END};

static const char EQ[] = "entityquestions";

/* --- what was asked --------------------------------------------------------------------------------------------- */

static bool is_entityquestions(const slk_cli *cli)
{
    return strcmp(cli->args[0], EQ) == 0;
}

static slk_status check_usage(slk_cli *cli, slk_err *err)
{
    bool is_builtin = slk_builtin_is(cli->args[0]);
    if (!is_entityquestions(cli) && !is_builtin) return SLK_OK;
    if (is_builtin && cli->n_args > 1) return slk_cli_usage(cli, err, "'%s': builtin: takes no file", cli->args[1]);
    if (cli->n_args > 2)
        return slk_cli_usage(cli, err, "'%s': entityquestions takes one folder or archive", cli->args[2]);
    const void *const FOREIGN[] = {&opt.map, &opt.split, &opt.format, &opt.ood};
    const char *const NAMES[] = {"--map", "--split", "--format", "--ood"};
    for (size_t i = 0; i < sizeof FOREIGN / sizeof *FOREIGN; i++) {
        if (slk_cli_given(FOREIGN[i]))
            return slk_cli_usage(cli, err, "%s is for files of your own; %s knows its own", NAMES[i], cli->args[0]);
    }
    return SLK_OK;
}

/* "data/my facts.v2.jsonl" -> "my facts.v2". free() it; NULL: out of memory. */
static char *name_of_file(const char *path)
{
    if (strcmp(path, "-") == 0) return slk_strdup("facts");
    if (slk_builtin_is(path)) return slk_strdup("builtin");
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    return slk_strndup(base, dot && dot > base ? (size_t)(dot - base) : strlen(base));
}

static slk_filter_options filter_options(void)
{
    return (slk_filter_options){
        .overlap = (slk_overlap)slk_overlap_parse(opt.overlap),
        .keep_multi_answer = opt.keep_multi_answer,
        .keep_ood_train = opt.keep_ood_train,
        .relations = (const char *const *)opt.relations.items,
        .n_relations = opt.relations.n,
    };
}

static slk_status read_files(slk_facts *facts, slk_import_report *report, slk_cli *cli, slk_err *err)
{
    slk_field_map map = {0};
    slk_filter_options filters = filter_options();
    slk_read_options reading;
    slk_read_options_init(&reading);
    slk_status status = slk_cli_read_map(&map, cli, &opt.map, err);
    if (status == SLK_OK && map.asked[SLK_FIELD_CATEGORY])
        status = slk_cli_usage(cli, err, "--map: an import has no categories: slick probe finds them");
    if (status == SLK_OK) {
        reading.map = &map;
        reading.format = slk_data_format_parse(opt.format);
        reading.defaults.split = (slk_split)slk_split_parse(opt.split);
        reading.defaults.ood = (const char *const *)opt.ood.items;
        reading.defaults.n_ood = opt.ood.n;
        status = slk_import_files(facts, report, (const char *const *)cli->args, (size_t)cli->n_args, &reading,
                                  &filters, err);
    }
    slk_field_map_release(&map);
    return status;
}

static slk_status read_builtin(slk_facts *facts, slk_import_report *report, slk_err *err)
{
    slk_filter_options filters = filter_options();
    return slk_import_builtin(facts, report, &filters, err);
}

static slk_status read_entityquestions(slk_facts *facts, slk_import_report *report, const slk_cli *cli, slk_err *err)
{
    slk_filter_options filters = filter_options();
    if (cli->n_args == 2) return slk_import_entityquestions(facts, report, cli->args[1], &filters, err);
    char *path;
    slk_status status = slk_cli_find_entityquestions(&path, err);
    if (status == SLK_OK) status = slk_import_entityquestions(facts, report, path, &filters, err);
    free(path);
    return status;
}

/* --- what came of it -------------------------------------------------------------------------------------------- */

/* What somebody should know before going on. */
static void print_hints(const slk_cli *cli, const slk_import_report *report)
{
    const size_t *kept = report->all.n_kept;
    if (report->n_disputed_questions)
        slk_cli_note(cli, "%s questions are kept with different answers, as %s separate facts",
                     slk_show_count(report->n_disputed_questions).text, slk_show_count(report->n_disputed_facts).text);
    bool compares = report->on[SLK_FILTER_OVERLAP] && report->overlap == SLK_OVERLAP_SUBJECT;
    if (compares && report->n_with_subject == 0 && kept[SLK_SPLIT_TEST] > 0 && kept[SLK_SPLIT_TRAIN] > 0)
        slk_cli_note(cli, "no fact has a subject, so none could be compared with those of the test questions");
    if (kept[SLK_SPLIT_DEV] == 0)
        slk_cli_note(
            cli, "no fact is in the split dev, where the few-shot examples come from: give slick probe another --pool");
}

static const char *result_name(slk_put_result result)
{
    static const char *const NAMES[] = {
        [SLK_PUT_CREATED] = "created", [SLK_PUT_UNCHANGED] = "unchanged", [SLK_PUT_REPLACED] = "replaced"};
    return NAMES[result];
}

static void note_result(const slk_cli *cli, const char *name, size_t n_facts, slk_put_result result)
{
    slk_shown n = slk_show_count(n_facts);
    if (result == SLK_PUT_UNCHANGED)
        slk_cli_note(cli, "set %s: the same %s fact%s in %s already", name, n.text, n_facts == 1 ? " is" : "s are",
                     cli->store);
    else
        slk_cli_note(cli, "set %s: %s fact%s %s %s", name, n.text, n_facts == 1 ? "" : "s",
                     result == SLK_PUT_REPLACED ? "replaced those in" : "written to", cli->store);
}

/* Takes over json. */
static slk_status print_result(const slk_cli *cli, const char *name, json_t *json, slk_put_result result, slk_err *err)
{
    if (cli->json) {
        json_object_set_new(json, "set", json_string(name));
        json_object_set_new(json, "store", json_string(cli->store));
        json_object_set_new(json, "result", json_string(result_name(result)));
        return slk_cli_json(json, err);
    }
    slk_status status = slk_cli_print_import(json, stdout, err);
    json_decref(json);
    return status;
}

static slk_status put_facts(slk_put_result *result, const slk_cli *cli, const char *name, const slk_facts *facts,
                            const json_t *report, slk_err *err)
{
    slk_store *store = NULL;
    char *text = json_dumps(report, JSON_COMPACT);
    slk_status status =
        text ? slk_cli_open_store(&store, cli, SLK_STORE_CREATE, err) : slk_fail(err, SLK_E_MEMORY, "out of memory");
    if (status == SLK_OK) status = slk_store_put_facts(store, result, name, facts, text, cli->force, err);
    slk_store_close(store);
    free(text);
    return status;
}

static slk_status run(slk_cli *cli, slk_err *err)
{
    slk_facts facts = {0};
    slk_import_report report = {0};
    slk_put_result result = SLK_PUT_CREATED;
    json_t *json = NULL;
    char *name = NULL;
    slk_status status = check_usage(cli, err);
    if (status) return status;
    status = is_entityquestions(cli)        ? read_entityquestions(&facts, &report, cli, err)
             : slk_builtin_is(cli->args[0]) ? read_builtin(&facts, &report, err)
                                            : read_files(&facts, &report, cli, err);
    if (status) return status;
    name = opt.name ? slk_strdup(opt.name) : name_of_file(cli->args[0]);
    json = slk_import_report_json(&report);
    status =
        name && json ? put_facts(&result, cli, name, &facts, json, err) : slk_fail(err, SLK_E_MEMORY, "out of memory");
    if (status == SLK_OK) {
        status = print_result(cli, name, json_incref(json), result, err);
        note_result(cli, name, facts.n, result);
        print_hints(cli, &report);
    }
    json_decref(json);
    free(name);
    slk_import_report_release(&report);
    slk_facts_release(&facts);
    return status;
}

const slk_command slk_cmd_import = {
    .name = "import",
    .group = SLK_GROUP_KNOW,
    .summary = "read questions and answers into the store",
    .synopsis = "entityquestions [DIR|ARCHIVE]\nbuiltin:\nFILE...",
    .about =
        "entityquestions reads the data of the study, without DIR the copy that comes with slick; builtin: the facts "
        "that the built-in model was made with. FILE is .jsonl, "
        ".json, .csv, .tsv, or "
        "- for JSON lines on standard input, with the fields question, answer (or answers: several true ones), "
        "aliases (other "
        "spellings; all match), relation, subject, split and ood; all but the first two are optional.\n\n"
        "The table shows what was read, what each filter removed, and what was kept. The same import again "
        "changes nothing; other facts under the same name need --force.",
    .examples = {"slick import entityquestions", "slick import train.jsonl --map question=prompt,answer=completion",
                 "slick import facts.csv --name mine --split test --overlap none"},
    .n_args_min = 1,
    .n_args_max = -1,
    .options = OPTIONS,
    .run = run,
};
