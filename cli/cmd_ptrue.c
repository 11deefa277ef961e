/* slick ptrue: P(True) of labelled facts. */
#include "command.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "engine.h"
#include "know/ptrue.h"
#include "label_walk.h"
#include "stats/bootstrap.h"
#include "store/runs.h"
#include "table.h"
#include "terminal.h"

static struct {
    const char *split, *adapter;
    slk_list relations;
    int64_t labels, batch_tokens;
    bool jsonl;
} opt;

static const slk_option OPTIONS[] = {
    SLK_OPT_INT("labels", &opt.labels, "ID", NULL, 1, 1e15,
                "label set to keep the values with (default: the newest that this model made)"),
    SLK_OPT_CHOICE("split", &opt.split, "train|dev|test|all", "test", "labelled facts of this split"),
    SLK_OPT_LIST("relations", &opt.relations, "A,B", "only these relations"),
    SLK_OPT_INT("batch-tokens", &opt.batch_tokens, "N", "512", 1, 1 << 20, "rows at a time; never changes a value"),
    SLK_OPT_FLAG("jsonl", &opt.jsonl, "a fact a line: fact, relation, question, answer, category, p_true"),
    SLK_CLI_OPT_ADAPTER(&opt.adapter),
    SLK_OPT_END};

/* A fact of the label set, its category and its value. */
typedef struct asked {
    slk_facts facts;
    int8_t *categories;     /* [facts.n] */
    const slk_fact **items; /* [facts.n] */
    double *p;              /* [facts.n] */
    size_t cap;
} asked;

static void release(asked *a)
{
    slk_facts_release(&a->facts);
    free(a->categories);
    free(a->items);
    free(a->p);
}

static slk_status take_fact(void *user, const slk_fact *fact, slk_label *label, slk_err *err)
{
    asked *a = user;
    slk_fact copy;
    if (!slk_grow(&a->categories, &a->cap, a->facts.n + 1, sizeof *a->categories) || !slk_fact_copy(&copy, fact))
        return slk_fail(err, SLK_E_MEMORY, "out of memory");
    a->categories[a->facts.n] = (int8_t)slk_label_category(label, label->n_ex, label->n_samples);
    if (slk_facts_push(&a->facts, &copy)) return SLK_OK;
    slk_fact_release(&copy);
    return slk_fail(err, SLK_E_MEMORY, "out of memory");
}

/* The newest label set that this model made, or the one that was asked for. */
static slk_status find_labels(slk_label_set_info *out, slk_store *store, const slk_cli *cli, const slk_model *model,
                              slk_err *err)
{
    int64_t id = opt.labels;
    slk_label_set_info *sets;
    size_t n;
    slk_status status = slk_store_list_label_sets(store, &sets, &n, err);
    if (status != SLK_OK) return status;
    for (size_t i = 0; i < n && id == 0; i++) {
        if (slk_p_true_check(&sets[i].settings, model, NULL) == SLK_OK) id = sets[i].id;
    }
    free(sets);
    if (id == 0)
        return slk_fail(err, SLK_E_NOT_FOUND,
                        "%s: no labels that %s made in this compute type and on these kernels (slick probe makes them)",
                        cli->store, model->config.name);
    status = slk_cli_find_labels(out, store, cli, id, err);
    if (status == SLK_OK && slk_p_true_check(&out->settings, model, err) != SLK_OK)
        status = slk_fail_in(err, SLK_E_STATE, "label set %" PRId64 " is not this model's", id);
    return status;
}

/* The values of all asked facts, from the store. */
static slk_status load_values(asked *a, slk_store *store, int64_t label_set, slk_err *err)
{
    slk_p_true *values;
    size_t n;
    slk_status status = slk_store_load_p_true(store, label_set, &values, &n, err);
    if (status != SLK_OK) return status;
    a->p = slk_alloc(a->facts.n, sizeof *a->p);
    if (!a->p) status = slk_fail(err, SLK_E_MEMORY, "out of memory");
    for (size_t i = 0; status == SLK_OK && i < a->facts.n; i++) {
        size_t low = 0, high = n;
        while (low < high) { /* ascending by identity */
            size_t middle = (low + high) / 2;
            if (values[middle].fact_id < a->items[i]->id)
                low = middle + 1;
            else
                high = middle;
        }
        if (low == n || values[low].fact_id != a->items[i]->id)
            status = slk_fail(err, SLK_E_STATE, "label set %" PRId64 ": '%.80s' has no P(True)", label_set,
                              a->items[i]->question);
        else
            a->p[i] = values[low].p;
    }
    free(values);
    return status;
}

/* --- what comes out --------------------------------------------------------------------------------------------------
 */

/* Values of one category; -1: all. */
typedef struct summary {
    size_t n;
    double mean, low, median, high, below; /* quartiles; share below 0.5 */
} summary;

static int compare_doubles(const void *left, const void *right)
{
    double x = *(const double *)left, y = *(const double *)right;
    return (x > y) - (x < y);
}

static slk_status summarise(summary *out, const asked *a, int category, slk_err *err)
{
    double *p = slk_alloc(a->facts.n, sizeof *p);
    *out = (summary){0};
    if (!p) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    for (size_t i = 0; i < a->facts.n; i++) {
        if (category >= 0 && a->categories[i] != category) continue;
        p[out->n++] = a->p[i];
        out->mean += a->p[i];
        out->below += a->p[i] < 0.5;
    }
    if (out->n > 0) out->mean /= (double)out->n, out->below /= (double)out->n;
    qsort(p, out->n, sizeof *p, compare_doubles);
    out->low = slk_stats_quantile_sorted(p, out->n, 0.25);
    out->median = slk_stats_quantile_sorted(p, out->n, 0.5);
    out->high = slk_stats_quantile_sorted(p, out->n, 0.75);
    free(p);
    return SLK_OK;
}

/* Categories that have facts, from the best known to Unlabelable, then all together (-1). */
static int next_category(int category)
{
    return category == SLK_UNLABELABLE ? -1 : category + 1;
}

static const char *category_name(int category)
{
    return category < 0 ? "all" : slk_category_name((slk_category)category);
}

static slk_status print_table(const asked *a, slk_err *err)
{
    slk_table t;
    slk_status status = SLK_OK;
    slk_table_init(&t, "lrrrrrr",
                   (const char *const[]){"category", "n", "mean", "lower quartile", "median", "upper", "below 0.5 %"});
    for (int c = SLK_HIGHLY_KNOWN; status == SLK_OK; c = next_category(c)) {
        summary s;
        status = summarise(&s, a, c, err);
        if (status != SLK_OK) break;
        if (c < 0) slk_table_rule(&t);
        if (s.n > 0) {
            slk_table_cell(&t, "%s", category_name(c));
            slk_table_cell(&t, "%s", slk_show_count(s.n).text);
            slk_table_cell(&t, "%.3f", s.mean);
            slk_table_cell(&t, "%.3f", s.low);
            slk_table_cell(&t, "%.3f", s.median);
            slk_table_cell(&t, "%.3f", s.high);
            slk_table_cell(&t, "%.1f", 100 * s.below);
        }
        if (c < 0) break;
    }
    if (status == SLK_OK) status = slk_table_print(&t, stdout, err);
    slk_table_release(&t);
    return status;
}

static slk_status print_json(const asked *a, const slk_label_set_info *info, size_t n_new, const slk_p_true_stats *st,
                             slk_err *err)
{
    double seconds = st->wall_ms / 1e3;
    json_t *o = json_pack("{s:I, s:I, s:I, s:f, s:f, s:I}", "label_set", (json_int_t)info->id, "n_facts",
                          (json_int_t)a->facts.n, "n_new", (json_int_t)n_new, "seconds", seconds, "facts_per_s",
                          seconds > 0 ? (double)st->n_facts / seconds : 0, "rows", (json_int_t)st->n_rows);
    json_t *categories = json_object();
    for (int c = SLK_HIGHLY_KNOWN; o; c = next_category(c)) {
        summary s;
        slk_status status = summarise(&s, a, c, err);
        if (status != SLK_OK) {
            json_decref(o);
            json_decref(categories);
            return status;
        }
        if (s.n > 0)
            json_object_set_new(categories, category_name(c),
                                json_pack("{s:I, s:f, s:f, s:f, s:f, s:f}", "n", (json_int_t)s.n, "mean", s.mean,
                                          "lower_quartile", s.low, "median", s.median, "upper_quartile", s.high,
                                          "below_half", s.below));
        if (c < 0) break;
    }
    if (o) json_object_set_new(o, "categories", categories);
    return slk_cli_json(o, err);
}

static slk_status print_lines(const asked *a, slk_err *err)
{
    slk_status status = SLK_OK;
    for (size_t i = 0; i < a->facts.n && status == SLK_OK; i++) {
        const slk_fact *f = a->items[i];
        json_t *o = json_object();
        json_object_set_new(o, "fact", slk_cli_hash_json(f->id));
        json_object_set_new(o, "relation", json_string(f->relation));
        json_object_set_new(o, "question", json_string(f->question));
        json_object_set_new(o, "answer", json_string(f->answers[0]));
        json_object_set_new(o, "category", json_string(category_name(a->categories[i])));
        json_object_set_new(o, "p_true", json_real(a->p[i]));
        status = slk_cli_json(o, err);
    }
    return status;
}

static slk_status ask(slk_cli *cli, slk_store *store, const slk_model *model, asked *a, slk_err *err)
{
    slk_label_set_info info;
    slk_p_true_stats st = {0};
    size_t n_new = 0;
    slk_label_filter filter = {slk_split_parse(opt.split), &opt.relations}; /* "all" is none of them: -1 */
    slk_status status = find_labels(&info, store, cli, model, err);
    if (status == SLK_OK) status = slk_cli_walk_labels(store, &info, &filter, false, take_fact, a, err);
    if (status != SLK_OK) return status;
    a->items = slk_alloc(a->facts.n, sizeof *a->items);
    if (!a->items) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    for (size_t i = 0; i < a->facts.n; i++) a->items[i] = &a->facts.items[i];
    status = slk_p_true_fill(store, info.id, model, a->items, a->facts.n, (int32_t)opt.batch_tokens, &n_new,
                             slk_cli_progress(cli), &st, err);
    if (status == SLK_OK) status = load_values(a, store, info.id, err);
    if (status != SLK_OK) return status;
    if (n_new < a->facts.n)
        slk_cli_note(cli, "%s of %s facts had a value already", slk_show_count(a->facts.n - n_new).text,
                     slk_show_count(a->facts.n).text);
    if (n_new > 0)
        slk_cli_note(cli, "%s facts in %s, %.1f facts/s, %.0f token-forwards a fact", slk_show_count(n_new).text,
                     slk_show_time(st.wall_ms / 1e3).text, (double)n_new / (st.wall_ms / 1e3),
                     (double)st.n_rows / (double)n_new);
    if (opt.jsonl) return print_lines(a, err);
    return cli->json ? print_json(a, &info, n_new, &st, err) : print_table(a, err);
}

static slk_status run(slk_cli *cli, slk_err *err)
{
    if (cli->json && opt.jsonl) return slk_cli_usage(cli, err, "--json and --jsonl exclude each other");
    slk_store *store = NULL;
    slk_model *model = NULL;
    asked a = {0};
    slk_status status = slk_cli_open_store(&store, cli, SLK_STORE_WRITE, err);
    if (status == SLK_OK) status = slk_cli_load_model(&model, cli, cli->args[0], opt.adapter, err);
    if (status == SLK_OK) status = ask(cli, store, model, &a, err);
    release(&a);
    slk_model_close(model);
    slk_store_close(store);
    return status;
}

const slk_command slk_cmd_ptrue = {
    .name = "ptrue",
    .group = SLK_GROUP_KNOW,
    .summary = "ask a model whether the true answers are true: P(True)",
    .synopsis = "MODEL",
    .about = "For each labelled fact the model reads the question with the true answer proposed, and P(True) is the "
             "probability of \"(A) True\" beside \"(B) False\". Kept in the store with the label set, for the report's "
             "comparison with SliCK (figure 5). The same command goes on where it was stopped; in the store of a shard "
             "it asks that shard's facts.\n\n"
             "--json: {\"label_set\", \"n_facts\", \"n_new\", \"seconds\", \"facts_per_s\", \"rows\", \"categories\"}",
    .examples = {"slick ptrue model.gguf", "slick ptrue model.gguf --relations P17,P36 --jsonl > p_true.jsonl"},
    .n_args_min = 1,
    .n_args_max = 1,
    .options = OPTIONS,
    .run = run,
};
