/* slick labels: what the model knows, per relation or split. */
#include "command.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "label_review.h"
#include "label_summary.h"
#include "label_walk.h"
#include "table.h"
#include "terminal.h"

static struct {
    const char *by, *split;
    int64_t id, n_review;
    slk_list relations;
    bool csv, jsonl, list;
} opt;

static const slk_option OPTIONS[] = {
    SLK_OPT_CHOICE("by", &opt.by, "relation|split", "relation", "what a row of the table is"),
    SLK_OPT_INT("labels", &opt.id, "ID", NULL, 1, 1e15, "label set (default: the newest)"),
    SLK_OPT_CHOICE("split", &opt.split, "train|dev|test", NULL, "only facts of this split"),
    SLK_OPT_LIST("relations", &opt.relations, "REL,REL", "only facts of these relations"),
    SLK_OPT_FLAG("csv", &opt.csv, "the table as comma-separated values, in full precision"),
    SLK_OPT_FLAG("jsonl", &opt.jsonl, "a fact a line, with its category, shares and the answers seen"),
    SLK_OPT_INT("review", &opt.n_review, "N", NULL, 1, 1e6,
                "a CSV sheet of N answers called wrong, to be judged by hand"),
    SLK_OPT_FLAG("list", &opt.list, "the label sets of the store, newest first"),
    SLK_OPT_END};

/* --- the label sets --------------------------------------------------------------------------------------------- */

static slk_status print_sets(const slk_cli *cli, const slk_label_set_info *sets, size_t n, slk_err *err)
{
    if (n == 0) {
        slk_cli_note(cli, "%s: no labels yet (slick probe makes them)", cli->store);
        return SLK_OK;
    }
    slk_table t;
    slk_table_init(&t, "rrlll", (const char *const[]){"id", "facts", "what", "kernels", "created"});
    for (size_t i = 0; i < n; i++) {
        char text[512];
        slk_cli_describe_labels(text, sizeof text, &sets[i].settings);
        slk_table_cell(&t, "%" PRId64, sets[i].id);
        slk_table_cell(&t, "%s", slk_show_count(sets[i].n_labels).text);
        slk_table_cell(&t, "%s", text);
        slk_table_cell(&t, "%s", sets[i].settings.kernels);
        slk_table_cell(&t, "%s", sets[i].created);
    }
    slk_status status = slk_table_print(&t, stdout, err);
    slk_table_release(&t);
    return status;
}

static slk_status show_sets(const slk_cli *cli, slk_store *store, slk_err *err)
{
    slk_label_set_info *sets;
    size_t n;
    slk_status status = slk_store_list_label_sets(store, &sets, &n, err);
    if (status) return status;
    if (cli->json) {
        json_t *list = json_array();
        for (size_t i = 0; i < n; i++) json_array_append_new(list, slk_cli_label_set_json(&sets[i]));
        status = slk_cli_json(json_pack("{s:o}", "label_sets", list), err);
    } else {
        status = print_sets(cli, sets, n, err);
    }
    free(sets);
    return status;
}

/* --- one label set ---------------------------------------------------------------------------------------------- */

typedef struct visit_user {
    const slk_label_set_info *info;
    slk_summary summary;
    bool has_split[SLK_N_SPLITS];
} visit_user;

static slk_status count_fact(void *user, const slk_fact *fact, slk_label *label, slk_err *err)
{
    visit_user *u = user;
    u->has_split[fact->split] = true;
    const char *group = strcmp(u->summary.by, "split") == 0 ? slk_split_name(fact->split) : fact->relation;
    if (!slk_summary_add(&u->summary, group, slk_label_category(label, label->n_ex, label->n_samples)))
        return slk_fail(err, SLK_E_MEMORY, "out of memory");
    return SLK_OK;
}

static slk_status print_line(void *user, const slk_fact *fact, slk_label *label, slk_err *err)
{
    const visit_user *u = user;
    return slk_cli_json(slk_cli_label_line(u->info, fact, label, label->n_ex, label->n_samples), err);
}

static slk_status show_review(const slk_cli *cli, slk_store *store, const slk_label_set_info *info,
                              const slk_label_filter *filter, slk_err *err)
{
    if (strcmp(info->settings.decoded, "none") == 0)
        return slk_fail(
            err, SLK_E_NOT_FOUND,
            "label set %" PRId64
            " has no text of wrong answers: it was made by slick probe --answers none, expected greedy or all",
            info->id);
    slk_review *review;
    slk_status status = slk_review_create(&review, (size_t)opt.n_review, cli->seed, err);
    if (status == SLK_OK) status = slk_cli_walk_labels(store, info, filter, true, slk_review_visit, review, err);
    if (status == SLK_OK) {
        size_t n = slk_review_print_csv(review, stdout);
        if (n < (size_t)opt.n_review) slk_cli_note(cli, "only %zu different wrong answers are recorded", n);
    }
    slk_review_free(review);
    return status;
}

static slk_status show_table(const slk_cli *cli, slk_store *store, const slk_label_set_info *info,
                             const slk_label_filter *filter, slk_err *err)
{
    visit_user user = {.info = info, .summary = {.by = opt.by}};
    slk_status status = slk_cli_walk_labels(store, info, filter, false, count_fact, &user, err);
    if (status == SLK_OK && cli->json) {
        json_t *o = json_pack("{s:o}", "labels", slk_cli_label_set_json(info));
        if (o) slk_summary_json(o, &user.summary);
        status = slk_cli_json(o, err);
    } else if (status == SLK_OK && opt.csv) {
        slk_summary_print_csv(&user.summary, stdout);
    } else if (status == SLK_OK) {
        status = slk_summary_print(&user.summary, stdout, err);
        slk_cli_note(cli, "shares in %%, in parentheses the 95%% interval");
        const bool *has = user.has_split;
        if (has[0] + has[1] + has[2] > 1 && strcmp(opt.by, "relation") == 0)
            slk_cli_note(cli,
                         "facts of several splits are counted together; --split shows one, --by split compares them");
    }
    slk_summary_release(&user.summary);
    return status;
}

static slk_status show_labels(slk_cli *cli, slk_store *store, slk_err *err)
{
    slk_label_set_info info;
    slk_status status = slk_cli_find_labels(&info, store, cli, opt.id, err);
    if (status) return status;
    slk_label_filter filter = {opt.split ? slk_split_parse(opt.split) : -1, &opt.relations};
    if (opt.n_review) return show_review(cli, store, &info, &filter, err);
    if (opt.jsonl) {
        visit_user user = {.info = &info};
        return slk_cli_walk_labels(store, &info, &filter, true, print_line, &user, err);
    }
    return show_table(cli, store, &info, &filter, err);
}

static slk_status run(slk_cli *cli, slk_err *err)
{
    if (cli->json + opt.csv + opt.jsonl + (opt.n_review > 0) > 1 ||
        (opt.list && (opt.csv || opt.jsonl || opt.n_review)))
        return slk_cli_usage(cli, err,
                             "--json, --csv, --jsonl, --review and --list exclude each other (but --list --json)");
    slk_store *store = NULL;
    slk_status status = slk_cli_open_store(&store, cli, SLK_STORE_READ, err);
    if (status == SLK_OK) status = opt.list ? show_sets(cli, store, err) : show_labels(cli, store, err);
    slk_store_close(store);
    return status;
}

const slk_command slk_cmd_labels = {
    .name = "labels",
    .group = SLK_GROUP_KNOW,
    .summary = "how much the model knows: shares of the four categories",
    .synopsis = "",
    .about =
        "HighlyKnown: every greedy answer is right. MaybeKnown: some are. WeaklyKnown: none is, but a sampled one. "
        "Unknown: no answer is right. Shares come with their 95% (Wilson) interval.",
    .examples = {"slick labels", "slick labels --by split --json", "slick labels --jsonl > labels.jsonl",
                 "slick labels --review 100 > sheet.csv"},
    .n_args_min = 0,
    .n_args_max = 0,
    .options = OPTIONS,
    .run = run,
};
