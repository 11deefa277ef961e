/* slick merge: other stores into this one. */
#include "command.h"

#include <stdlib.h>
#include "store/merge.h"
#include "store_common.h"
#include "table.h"
#include "terminal.h"

static const slk_option OPTIONS[] = {SLK_OPT_END};

/* Open every store once before the first is merged: a wrong name among ten shards should not leave nine merged. */
static slk_status check_others(const slk_cli *cli, slk_err *err)
{
    for (int i = 0; i < cli->n_args; i++) {
        slk_store *other = NULL;
        slk_status status = slk_store_open(&other, cli->args[i], SLK_STORE_READ, err);
        slk_store_close(other);
        if (status) return status;
    }
    return SLK_OK;
}

static void add_row(slk_table *table, const char *name, const slk_merge_report *r)
{
    const size_t n[] = {r->n_sets_added,   r->n_label_sets_added, r->n_label_sets_joined, r->n_labels_added,
                        r->n_labels_equal, r->n_runs_added,       r->n_runs_equal};
    slk_table_cell(table, "%s", name);
    for (size_t i = 0; i < sizeof n / sizeof *n; i++) slk_table_cell(table, "%s", slk_show_count(n[i]).text);
}

static json_t *report_json(const char *name, const slk_merge_report *r)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "store", name, "sets_added",
                     (json_int_t)r->n_sets_added, "label_sets_added", (json_int_t)r->n_label_sets_added,
                     "label_sets_joined", (json_int_t)r->n_label_sets_joined, "labels_added",
                     (json_int_t)r->n_labels_added, "labels_equal", (json_int_t)r->n_labels_equal, "prompts_added",
                     (json_int_t)r->n_prompts_added, "studies_added", (json_int_t)r->n_studies_added, "runs_added",
                     (json_int_t)r->n_runs_added, "runs_equal", (json_int_t)r->n_runs_equal, "runs_skipped",
                     (json_int_t)r->n_runs_skipped, "p_true_added", (json_int_t)r->n_p_true_added);
}

static slk_status run(slk_cli *cli, slk_err *err)
{
    slk_store *store = NULL;
    slk_status status = check_others(cli, err);
    if (status == SLK_OK) status = slk_cli_open_store(&store, cli, SLK_STORE_CREATE, err);
    if (status) return status;
    json_t *list = json_array();
    slk_table table;
    slk_table_init(&table, "lrrrrrrr",
                   (const char *const[]){"store", "new sets", "new label sets", "joined", "new labels", "equal labels",
                                         "new runs", "equal runs"});
    int n_merged = 0;
    for (; n_merged < cli->n_args; n_merged++) {
        slk_merge_report report;
        status = slk_store_merge(store, &report, cli->args[n_merged], err);
        if (status) break;
        add_row(&table, cli->args[n_merged], &report);
        if (report.n_runs_skipped)
            slk_cli_warn(cli, "%s: %zu finished runs are finished here, too, with other kernels: those here stay",
                         cli->args[n_merged], report.n_runs_skipped);
        json_array_append_new(list, report_json(cli->args[n_merged], &report));
    }
    if (status && n_merged > 0)
        slk_cli_note(cli, "%d of %d stores were merged before the one that failed", n_merged, cli->n_args);
    if (status == SLK_OK && cli->json)
        status = slk_cli_json(json_pack("{s:s, s:O}", "into", cli->store, "merged", list), err);
    else if (status == SLK_OK)
        status = slk_table_print(&table, stdout, err);
    json_decref(list);
    slk_table_release(&table);
    slk_store_close(store);
    return status;
}

const slk_command slk_cmd_merge = {
    .name = "merge",
    .group = SLK_GROUP_KNOW,
    .summary = "bring facts, labels and runs of other stores into this one",
    .synopsis = "OTHER.db...",
    .about = "For shards of one probe, and for work that was done on other machines. Equal settings are one label set: "
             "its labels join, and two "
             "that disagree are an error that names the fact. Label sets of other models, compute types or kernels "
             "stay apart. A run of a study that is finished there takes the place of one that is not finished here. "
             "The other stores are only read. Each store is merged completely or not at all; merging it again changes "
             "nothing.",
    .examples = {"slick merge --store all.db shard0.db shard1.db shard2.db", "slick merge other-machine.db"},
    .n_args_min = 1,
    .n_args_max = -1,
    .options = OPTIONS,
    .run = run,
};
