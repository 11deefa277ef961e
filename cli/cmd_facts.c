/* slick facts: the fact sets of a store. */
#include "command.h"

#include <stdlib.h>
#include <string.h>
#include "data/entityquestions.h"
#include "store/facts.h"
#include "store_common.h"
#include "table.h"
#include "terminal.h"

static struct {
    const char *set;
} opt;

static const slk_option OPTIONS[] = {
    SLK_OPT_STR("set", &opt.set, "SET", NULL, "only this one (default: all, the newest first)"), SLK_OPT_END};

/* One set with what the store knows about it. */
typedef struct view {
    const slk_set_info *info;
    slk_relation_counts relations;
    json_t *report; /* NULL where the store has none that can be read */
} view;

static void release_view(view *v)
{
    slk_relation_counts_release(&v->relations);
    json_decref(v->report);
}

static slk_status load_view(view *v, slk_store *store, const slk_set_info *info, slk_err *err)
{
    memset(v, 0, sizeof *v);
    v->info = info;
    slk_status status = slk_store_count_facts(store, &v->relations, info->name, err);
    if (status) return status;
    v->report = json_loads(info->report, 0, NULL);
    return SLK_OK;
}

static size_t count_split(const view *v, int split)
{
    size_t n = 0;
    for (size_t i = 0; i < v->relations.n; i++) n += v->relations.items[i].n[split];
    return n;
}

static size_t count_ood(const view *v)
{
    size_t n = 0;
    for (size_t i = 0; i < v->relations.n; i++) n += v->relations.items[i].ood;
    return n;
}

/* --- JSON ------------------------------------------------------------------------------------------------------- */

static json_t *view_json(const view *v)
{
    json_t *relations = json_array(), *splits = json_object();
    for (size_t i = 0; i < v->relations.n; i++) {
        const slk_relation_count *r = &v->relations.items[i];
        json_array_append_new(relations,
                              json_pack("{s:s, s:b, s:I, s:I, s:I}", "relation", r->relation, "ood", (int)r->ood,
                                        "train", (json_int_t)r->n[SLK_SPLIT_TRAIN], "dev",
                                        (json_int_t)r->n[SLK_SPLIT_DEV], "test", (json_int_t)r->n[SLK_SPLIT_TEST]));
    }
    for (int s = 0; s < SLK_N_SPLITS; s++)
        json_object_set_new(splits, slk_split_name((slk_split)s), json_integer((json_int_t)count_split(v, s)));
    json_t *o =
        json_pack("{s:s, s:I, s:o, s:o, s:I, s:o, s:s, s:s}", "set", v->info->name, "n", (json_int_t)v->info->n_facts,
                  "splits", splits, "relations", relations, "label_sets", (json_int_t)v->info->n_label_sets, "content",
                  slk_cli_hash_json(v->info->content_hash), "created", v->info->created, "version", v->info->version);
    if (o) json_object_set(o, "import", v->report ? v->report : json_null());
    return o;
}

/* --- text ------------------------------------------------------------------------------------------------------- */

static bool has_labels_of_wikidata(const view *v)
{
    for (size_t i = 0; i < v->relations.n; i++) {
        if (!slk_eq_find_relation(v->relations.items[i].relation)) return false;
    }
    return v->relations.n > 0;
}

static slk_status print_relations(const view *v, slk_err *err)
{
    bool named = has_labels_of_wikidata(v);
    slk_table table;
    slk_table_init(&table, "lrrrll", (const char *const[]){"relation", "train", "dev", "test", "", ""});
    for (size_t i = 0; i < v->relations.n; i++) {
        const slk_relation_count *r = &v->relations.items[i];
        slk_table_cell(&table, "%s", r->relation[0] ? r->relation : "(none)");
        for (int s = 0; s < SLK_N_SPLITS; s++) slk_table_cell(&table, "%s", slk_show_count(r->n[s]).text);
        slk_table_cell(&table, "%s", r->ood ? "ood" : "");
        slk_table_cell(&table, "%s", named ? slk_eq_find_relation(r->relation)->name : "");
    }
    slk_status status = slk_table_print(&table, stdout, err);
    slk_table_release(&table);
    return status;
}

static slk_status print_view(const view *v, slk_err *err)
{
    size_t n_ood = count_ood(v);
    printf("%s: %s fact%s of %zu relation%s", v->info->name, slk_show_count(v->info->n_facts).text,
           v->info->n_facts == 1 ? "" : "s", v->relations.n, v->relations.n == 1 ? "" : "s");
    if (n_ood) printf(" (%zu out of distribution)", n_ood);
    printf(", imported %s by slick %s, %zu label set%s\n\n", v->info->created, v->info->version, v->info->n_label_sets,
           v->info->n_label_sets == 1 ? "" : "s");
    slk_status status = SLK_OK;
    if (v->report && json_object_get(v->report, "read")) {
        status = slk_cli_print_import(v->report, stdout, err);
        printf("\n");
    }
    return status ? status : print_relations(v, err);
}

static slk_status show_sets(const slk_cli *cli, slk_store *store, const slk_set_list *sets, slk_err *err)
{
    json_t *list = json_array();
    slk_status status = SLK_OK;
    bool found = false;
    for (size_t i = 0; i < sets->n && status == SLK_OK; i++) {
        if (opt.set && strcmp(opt.set, sets->items[i].name) != 0) continue;
        view v;
        status = load_view(&v, store, &sets->items[i], err);
        if (status == SLK_OK) {
            if (cli->json) {
                json_array_append_new(list, view_json(&v));
            } else {
                if (found) printf("\n\n");
                status = print_view(&v, err);
            }
        }
        found = true;
        release_view(&v);
    }
    if (status == SLK_OK && opt.set && !found)
        status =
            slk_fail(err, SLK_E_NOT_FOUND, "%s: no set '%s' (slick facts lists what there is)", cli->store, opt.set);
    if (status == SLK_OK && cli->json) return slk_cli_json(json_pack("{s:o}", "sets", list), err);
    if (status == SLK_OK && !found) slk_cli_note(cli, "%s: no facts yet (slick import reads some)", cli->store);
    json_decref(list);
    return status;
}

static slk_status run(slk_cli *cli, slk_err *err)
{
    slk_store *store = NULL;
    slk_set_list sets = {0};
    slk_status status = slk_cli_open_store(&store, cli, SLK_STORE_READ, err);
    if (status == SLK_OK) status = slk_store_list_sets(store, &sets, err);
    if (status == SLK_OK) status = show_sets(cli, store, &sets, err);
    slk_set_list_release(&sets);
    slk_store_close(store);
    return status;
}

const slk_command slk_cmd_facts = {
    .name = "facts",
    .group = SLK_GROUP_KNOW,
    .summary = "fact sets: splits, relations, what each filter removed",
    .synopsis = "",
    .about = "Relations marked ood are out of distribution: their facts are only ever tested.",
    .examples = {"slick facts", "slick facts --set entityquestions --json"},
    .n_args_min = 0,
    .n_args_max = 0,
    .options = OPTIONS,
    .run = run,
};
