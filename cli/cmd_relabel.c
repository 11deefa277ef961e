/* slick relabel: other labels from the answers that are stored; no model needed. */
#include "command.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "know/match.h"
#include "label_summary.h"
#include "label_walk.h"
#include "table.h"
#include "terminal.h"

static struct {
    const char *match, *split;
    int64_t id, n_ex, n_samples;
    slk_list relations;
    bool jsonl;
} opt;

static const slk_option OPTIONS[] = {
    SLK_OPT_INT("n-ex", &opt.n_ex, "N", NULL, 1, 1000, "prompts to count, the first N (default: all there are)"),
    SLK_OPT_INT("samples", &opt.n_samples, "N", NULL, 0, 65535,
                "samples to count of each prompt, the first N (default: all there are)"),
    SLK_OPT_STR("match", &opt.match, "RULE", NULL,
                "em, strict, contains or f1:X (default: the label set's; others need all answers)"),
    SLK_OPT_INT("labels", &opt.id, "ID", NULL, 1, 1e15, "label set (default: the newest)"),
    SLK_OPT_CHOICE("split", &opt.split, "train|dev|test", NULL, "only facts of this split"),
    SLK_OPT_LIST("relations", &opt.relations, "REL,REL", "only facts of these relations"),
    SLK_OPT_FLAG("jsonl", &opt.jsonl, "a fact a line, as labels --jsonl writes it"),
    SLK_OPT_END};

/* Counts with fewer prompts or samples than asked for. */
typedef struct saturation_row {
    unsigned n_ex, n_samples;
    size_t n[SLK_N_CATEGORIES + 1];
    size_t n_same; /* facts whose category is that of the full count */
} saturation_row;

typedef struct relabelling {
    const slk_label_set_info *info;
    slk_label_settings settings; /* what is counted: the label set's with n_ex, n_samples and match as asked */
    bool rematch;
    slk_match_rule rule;
    slk_summary summary;
    saturation_row *by_n_ex;    /* [settings.n_ex] */
    saturation_row *by_samples; /* [settings.n_samples] */
    size_t n_changed;           /* facts whose category is not the stored one */
} relabelling;

/* --- another matcher -------------------------------------------------------------------------------------------- */

static void clear_bits(slk_label *label)
{
    memset(label->greedy, 0, label->n_ex);
    memset(label->sampled, 0, (size_t)label->n_ex * label->n_samples);
}

/* Judge every stored answer again. Equal texts stand near each other often enough to remember the last few. */
static slk_status match_again(const relabelling *r, const slk_fact *fact, slk_label *label, slk_err *err)
{
    if (label->unlabelable) return SLK_OK;
    size_t expected = (size_t)label->n_ex * (1u + label->n_samples);
    if (label->n_answers != expected)
        return slk_fail(err, SLK_E_FORMAT, "label set %" PRId64 ": '%s': found %zu answers, expected %zu", r->info->id,
                        fact->question, label->n_answers, expected);
    slk_golds *golds;
    slk_status status = slk_golds_create(&golds, &r->rule, fact, err);
    if (status) return status;
    clear_bits(label);
    for (size_t i = 0; i < label->n_answers && status == SLK_OK; i++) {
        slk_answer *a = &label->answers[i];
        int match = -2;
        for (size_t k = i; k-- > 0 && i - k <= 32 && match == -2;) {
            if (strcmp(label->answers[k].text, a->text) == 0) match = label->answers[k].match;
        }
        if (match == -2) match = slk_golds_match(golds, a->text, strlen(a->text));
        if (match < 0) status = slk_fail(err, SLK_E_MEMORY, "out of memory");
        a->match = match == 1;
        if (a->draw < 0)
            label->greedy[a->prompt] = a->match;
        else
            label->sampled[(size_t)a->prompt * label->n_samples + (size_t)a->draw] = a->match;
    }
    slk_golds_free(golds);
    return status;
}

/* --- counting --------------------------------------------------------------------------------------------------- */

static void count_saturation(saturation_row *rows, unsigned n, const slk_label *label, slk_category full)
{
    for (unsigned i = 0; i < n; i++) {
        slk_category category = slk_label_category(label, rows[i].n_ex, rows[i].n_samples);
        rows[i].n[category]++;
        if (category != SLK_UNLABELABLE) rows[i].n_same += category == full;
    }
}

static slk_status visit(void *user, const slk_fact *fact, slk_label *label, slk_err *err)
{
    relabelling *r = user;
    slk_category stored = slk_label_category(label, label->n_ex, label->n_samples);
    slk_status status = r->rematch ? match_again(r, fact, label, err) : SLK_OK;
    if (status) return status;
    slk_category category = slk_label_category(label, r->settings.n_ex, r->settings.n_samples);
    r->n_changed += category != stored;
    if (opt.jsonl)
        return slk_cli_json(slk_cli_label_line(r->info, fact, label, r->settings.n_ex, r->settings.n_samples), err);
    if (!slk_summary_add(&r->summary, fact->relation, category)) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    count_saturation(r->by_n_ex, r->settings.n_ex, label, category);
    count_saturation(r->by_samples, r->settings.n_samples, label, category);
    return SLK_OK;
}

/* --- what comes out --------------------------------------------------------------------------------------------- */

static size_t n_labelled(const saturation_row *row)
{
    return row->n[0] + row->n[1] + row->n[2] + row->n[3];
}

static double share(size_t n, size_t of)
{
    return of ? (double)n / (double)of : 0;
}

static slk_status print_saturation(const char *what, const saturation_row *rows, unsigned n, bool by_samples,
                                   slk_err *err)
{
    slk_table t;
    slk_table_init(
        &t, "rrrrrr",
        (const char *const[]){what, "HighlyKnown %", "MaybeKnown %", "WeaklyKnown %", "Unknown %", "same as last %"});
    for (unsigned i = 0; i < n; i++) {
        size_t all = n_labelled(&rows[i]);
        slk_table_cell(&t, "%u", by_samples ? rows[i].n_samples : rows[i].n_ex);
        for (int c = 0; c < SLK_N_CATEGORIES; c++) slk_table_cell(&t, "%.1f", 100 * share(rows[i].n[c], all));
        slk_table_cell(&t, "%.1f", 100 * share(rows[i].n_same, all));
    }
    printf("\n");
    slk_status status = slk_table_print(&t, stdout, err);
    slk_table_release(&t);
    return status;
}

static json_t *saturation_json(const saturation_row *rows, unsigned n)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < n; i++) {
        size_t all = n_labelled(&rows[i]);
        json_t *o = json_pack("{s:i, s:i}", "n_ex", (int)rows[i].n_ex, "samples", (int)rows[i].n_samples);
        for (int c = 0; c < SLK_N_CATEGORIES && o; c++)
            json_object_set_new(o, slk_category_name((slk_category)c), json_real(share(rows[i].n[c], all)));
        if (o) json_object_set_new(o, "same", json_real(share(rows[i].n_same, all)));
        json_array_append_new(list, o);
    }
    return list;
}

static slk_status print_json(const relabelling *r, slk_err *err)
{
    json_t *o = json_pack("{s:o, s:i, s:i, s:s, s:I}", "labels", slk_cli_label_set_json(r->info), "n_ex",
                          (int)r->settings.n_ex, "samples", (int)r->settings.n_samples, "match", r->settings.match,
                          "changed", (json_int_t)r->n_changed);
    if (!o) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    slk_summary_json(o, &r->summary);
    json_object_set_new(o, "by_n_ex", saturation_json(r->by_n_ex, r->settings.n_ex));
    json_object_set_new(o, "by_samples", saturation_json(r->by_samples, r->settings.n_samples));
    return slk_cli_json(o, err);
}

static slk_status print_text(const relabelling *r, slk_err *err)
{
    slk_status status = slk_summary_print(&r->summary, stdout, err);
    if (status == SLK_OK) status = print_saturation("prompts", r->by_n_ex, r->settings.n_ex, false, err);
    if (status == SLK_OK && r->settings.n_samples > 0)
        status = print_saturation("samples", r->by_samples, r->settings.n_samples, true, err);
    return status;
}

/* --- what is asked ---------------------------------------------------------------------------------------------- */

static slk_status check_count(const slk_label_set_info *info, const char *option, int64_t asked, unsigned has,
                              const char *what, slk_err *err)
{
    if (asked <= (int64_t)has) return SLK_OK;
    return slk_fail(err, SLK_E_ARG, "label set %" PRId64 " has %u %s, expected at least the %" PRId64 " of %s",
                    info->id, has, what, asked, option);
}

static bool is_same_rule(const slk_match_rule *rule, const char *text)
{
    slk_match_rule other;
    return slk_match_parse(&other, text, NULL) == SLK_OK && other.kind == rule->kind &&
           other.threshold == rule->threshold;
}

static slk_status plan(relabelling *r, slk_err *err)
{
    const slk_label_set_info *info = r->info;
    r->settings = info->settings;
    slk_status status = check_count(info, "--n-ex", opt.n_ex, info->settings.n_ex, "prompts", err);
    if (status == SLK_OK)
        status = check_count(info, "--samples", opt.n_samples, info->settings.n_samples, "samples", err);
    if (status) return status;
    if (slk_cli_given(&opt.n_ex)) r->settings.n_ex = (unsigned)opt.n_ex;
    if (slk_cli_given(&opt.n_samples)) r->settings.n_samples = (unsigned)opt.n_samples;
    r->rematch = opt.match && !is_same_rule(&r->rule, info->settings.match);
    if (r->rematch && strcmp(info->settings.decoded, "all") != 0)
        return slk_fail(err, SLK_E_NOT_FOUND,
                        "label set %" PRId64
                        " was matched by %s and keeps not every answer's text (--answers %s): to match by %s it needs "
                        "slick probe --answers all",
                        info->id, info->settings.match, info->settings.decoded, opt.match);
    if (r->rematch) snprintf(r->settings.match, sizeof r->settings.match, "%s", opt.match);
    r->summary.by = "relation";
    r->by_n_ex = slk_alloc_zero(r->settings.n_ex, sizeof *r->by_n_ex);
    r->by_samples = slk_alloc_zero(r->settings.n_samples, sizeof *r->by_samples);
    if (!r->by_n_ex || !r->by_samples) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    for (unsigned e = 0; e < r->settings.n_ex; e++)
        r->by_n_ex[e].n_ex = e + 1, r->by_n_ex[e].n_samples = r->settings.n_samples;
    for (unsigned i = 0; i < r->settings.n_samples; i++)
        r->by_samples[i].n_ex = r->settings.n_ex, r->by_samples[i].n_samples = i + 1;
    return SLK_OK;
}

static slk_status relabel(const slk_cli *cli, slk_store *store, relabelling *r, slk_err *err)
{
    slk_label_filter filter = {opt.split ? slk_split_parse(opt.split) : -1, &opt.relations};
    slk_status status = plan(r, err);
    if (status == SLK_OK) status = slk_cli_walk_labels(store, r->info, &filter, r->rematch || opt.jsonl, visit, r, err);
    if (status) return status;
    slk_cli_note(cli, "counted: %u prompts, %u samples, match %s; %s facts change their category", r->settings.n_ex,
                 r->settings.n_samples, r->settings.match, slk_show_count(r->n_changed).text);
    if (opt.jsonl) return SLK_OK;
    return cli->json ? print_json(r, err) : print_text(r, err);
}

static slk_status run(slk_cli *cli, slk_err *err)
{
    relabelling r = {0};
    slk_err problem = {0};
    if (cli->json && opt.jsonl) return slk_cli_usage(cli, err, "--json and --jsonl exclude each other");
    if (opt.match && slk_match_parse(&r.rule, opt.match, &problem))
        return slk_cli_usage(cli, err, "--match: %s", problem.msg);
    slk_store *store = NULL;
    slk_label_set_info info;
    slk_status status = slk_cli_open_store(&store, cli, SLK_STORE_READ, err);
    if (status == SLK_OK) status = slk_cli_find_labels(&info, store, cli, opt.id, err);
    r.info = &info;
    if (status == SLK_OK) status = relabel(cli, store, &r, err);
    slk_summary_release(&r.summary);
    free(r.by_n_ex);
    free(r.by_samples);
    slk_store_close(store);
    return status;
}

const slk_command slk_cmd_relabel = {
    .name = "relabel",
    .group = SLK_GROUP_KNOW,
    .summary = "count stored answers again: fewer prompts, another matcher",
    .synopsis = "",
    .about = "Needs no model. Shows the categories that result, and how they settle with the number of prompts and of "
             "samples. "
             "Another matcher needs the text of every answer: slick probe --answers all. The store stays as it is.",
    .examples = {"slick relabel --n-ex 5 --samples 8", "slick relabel --match contains --jsonl > contains.jsonl"},
    .n_args_min = 0,
    .n_args_max = 0,
    .options = OPTIONS,
    .run = run,
};
