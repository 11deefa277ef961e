/* What `slick train` trains on, and what it asks before and after every epoch. */
#include "train.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "example_input.h"
#include "know/from_store.h"
#include "store/facts.h"
#include "store_common.h"
#include "terminal.h"

static const char *const NAMES[SLK_N_WATCHED] = {"train", "dev", "test", "ood"};

/* --- reading --------------------------------------------------------------------------------------------------------
 */

slk_status slk_train_data_read(slk_train_data *data, slk_cli *cli, slk_err *err)
{
    const slk_train_cli *o = &slk_train_opt;
    const char *const paths[SLK_N_WATCHED] = {cli->args[1], o->dev, o->test, o->ood};
    int n_stdin = 0;
    *data = (slk_train_data){0};
    if (slk_match_parse(&data->match, o->match, err) != SLK_OK) return slk_cli_usage(cli, err, "--match: %s", err->msg);
    for (int k = 0; k < SLK_N_WATCHED; k++) n_stdin += paths[k] && strcmp(paths[k], "-") == 0;
    if (n_stdin > 1) return slk_cli_usage(cli, err, "standard input (-) can be one file only");
    slk_status s = slk_cli_read_instruction(&data->instruction, o->template_path, err);
    for (int k = 0; k < SLK_N_WATCHED && s == SLK_OK; k++)
        if (paths[k]) s = slk_cli_read_examples(&data->examples[k], cli, paths[k], &o->map, o->format, err);
    return s;
}

void slk_train_data_release(slk_train_data *data)
{
    for (int k = 0; k < SLK_N_WATCHED; k++) slk_examples_release(&data->examples[k]);
    free(data->sequences);
    free(data->tokens);
    slk_instruction_free(data->instruction);
    *data = (slk_train_data){0};
}

/* --- the store's splits ---------------------------------------------------------------------------------------------
 */

static slk_pick make_pick(const slk_train_data *data, const slk_cli *cli, int kind)
{
    const slk_train_cli *o = &slk_train_opt;
    return (slk_pick){.set = !o->set && data->labels.id ? data->labels.settings.set_name : o->set,
                      .split = kind == SLK_WATCH_DEV ? SLK_SPLIT_DEV : SLK_SPLIT_TEST,
                      .ood = kind == SLK_WATCH_OOD ? SLK_PICK_OUT : SLK_PICK_IN,
                      .labels = SLK_LABELS_NONE,
                      .limit = (size_t)o->eval_limit,
                      .seed = cli->seed};
}

/* Facts of one split, at most --eval-limit. */
static slk_status pick_set(slk_train_data *data, const slk_cli *cli, slk_store *store, int kind, slk_pick *pick,
                           slk_err *err)
{
    slk_examples *out = &data->examples[kind], all;
    slk_status s = slk_examples_from_store(out, NULL, store, pick, err);
    if (s != SLK_OK || out->n == 0) return s;
    if (pick->limit == 0 || out->n < pick->limit) {
        slk_cli_note(cli, "%s: %s facts of the store", NAMES[kind], slk_show_count(out->n).text);
        return SLK_OK;
    }
    pick->limit = 0;
    s = slk_examples_from_store(&all, NULL, store, pick, err);
    if (s == SLK_OK)
        slk_cli_note(cli, "%s: %s of %s facts of the store (--eval-limit 0: all)", NAMES[kind],
                     slk_show_count(out->n).text, slk_show_count(all.n).text);
    slk_examples_release(&all);
    return s;
}

/* The label set that gives test facts their categories, if it has labels of such facts. */
static slk_status find_labels(slk_train_data *data, const slk_cli *cli, slk_store *store, const slk_model *model,
                              slk_err *err)
{
    const slk_train_cli *o = &slk_train_opt;
    slk_examples facts;
    slk_pick pick = make_pick(data, cli, SLK_WATCH_TEST);
    pick.labels = o->labels ? o->labels : SLK_LABELS_NEWEST;
    pick.model_hash = model->hash;
    pick.labelled_only = true;
    slk_status s = slk_examples_from_store(&facts, &data->labels, store, &pick, err);
    bool useful = s == SLK_OK && data->labels.id && facts.n > 0;
    slk_examples_release(&facts);
    if (s != SLK_OK) return s;
    if (!useful && o->labels) {
        return slk_fail(err, SLK_E_NOT_FOUND, "%s: label set %" PRId64 " has no labels of test facts in distribution",
                        cli->store, o->labels);
    }
    if (!useful) {
        data->labels = (slk_label_set_info){0};
        slk_cli_note(cli,
                     "%s: no labels of test facts by this model, so nothing is said about what is lost or gained "
                     "(slick probe)",
                     cli->store);
        return SLK_OK;
    }
    char text[512];
    slk_cli_describe_labels(text, sizeof text, &data->labels.settings);
    slk_cli_note(cli, "label set %" PRId64 ": %s", data->labels.id, text);
    if (data->labels.settings.model_hash != model->hash)
        slk_cli_warn(cli, "label set %" PRId64 " is one of another model, so what is called known may not be known",
                     data->labels.id);
    return SLK_OK;
}

static slk_status pick_from(slk_train_data *data, const slk_cli *cli, slk_store *store, const slk_model *model,
                            slk_err *err)
{
    const slk_train_cli *o = &slk_train_opt;
    const char *const paths[SLK_N_WATCHED] = {"", o->dev, o->test, o->ood};
    slk_status s = paths[SLK_WATCH_TEST] ? SLK_OK : find_labels(data, cli, store, model, err);
    for (int k = SLK_WATCH_DEV; k < SLK_N_WATCHED && s == SLK_OK; k++) {
        slk_pick pick = make_pick(data, cli, k);
        if (k == SLK_WATCH_TEST && data->labels.id) pick.labels = data->labels.id, pick.labelled_only = true;
        if (!paths[k]) s = pick_set(data, cli, store, k, &pick, err);
    }
    return s;
}

static slk_status pick_from_store(slk_train_data *data, slk_cli *cli, const slk_model *model, slk_err *err)
{
    const slk_train_cli *o = &slk_train_opt;
    slk_store *store = NULL;
    slk_set_list sets = {0};
    bool asked = slk_cli_given(&cli->store) || o->labels || o->set;
    if (o->no_store || (o->dev && o->test && o->ood) || (!asked && !slk_file_exists(cli->store))) return SLK_OK;
    slk_status s = slk_cli_open_store(&store, cli, SLK_STORE_READ, err);
    if (s == SLK_OK) s = slk_store_list_sets(store, &sets, err);
    if (s == SLK_OK && (sets.n > 0 || asked)) s = pick_from(data, cli, store, model, err);
    slk_set_list_release(&sets);
    slk_store_close(store);
    return s;
}

/* --- tokens ---------------------------------------------------------------------------------------------------------
 */

static slk_status encode_all(slk_train_data *data, const slk_model *model, slk_err *err)
{
    const slk_examples *train = &data->examples[SLK_WATCH_TRAIN];
    slk_ids prompt = {0}, answer = {0};
    size_t n = 0, cap = 0;
    data->sequences = slk_alloc_zero(train->n, sizeof *data->sequences);
    slk_status s = data->sequences ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory");
    for (size_t i = 0; i < train->n && s == SLK_OK; i++) {
        const slk_fact *f = train->items[i];
        s = slk_instruction_encode(data->instruction, model->tokenizer, model->config.n_context, &prompt, &answer,
                                   f->question, f->answers[0], err);
        if (s == SLK_E_FORMAT || s == SLK_E_ARG) slk_examples_fail_in(train, i, s, err);
        if (s == SLK_OK && !slk_grow(&data->tokens, &cap, n + prompt.n + answer.n, sizeof *data->tokens))
            s = slk_fail(err, SLK_E_MEMORY, "out of memory");
        if (s != SLK_OK) break;
        memcpy(data->tokens + n, prompt.ids, prompt.n * sizeof *data->tokens);
        memcpy(data->tokens + n + prompt.n, answer.ids, answer.n * sizeof *data->tokens);
        n += prompt.n + answer.n;
        data->sequences[i] =
            (slk_sequence){.key = f->id, .n_tokens = (int32_t)(prompt.n + answer.n), .n_prompt = (int32_t)prompt.n};
    }
    size_t at = 0; /* the tokens do not move any more */
    for (size_t i = 0; i < train->n && s == SLK_OK; i++) {
        data->sequences[i].tokens = data->tokens + at;
        at += (size_t)data->sequences[i].n_tokens;
    }
    free(prompt.ids);
    free(answer.ids);
    return s;
}

/* --- checks ---------------------------------------------------------------------------------------------------------
 */

static int compare_ids(const void *left, const void *right)
{
    uint64_t x = *(const uint64_t *)left, y = *(const uint64_t *)right;
    return (x > y) - (x < y);
}

/* Facts that are asked to see how the model does on others than it was trained on, and were trained on. */
static slk_status warn_overlap(const slk_train_data *data, const slk_cli *cli, slk_err *err)
{
    const slk_examples *train = &data->examples[SLK_WATCH_TRAIN];
    uint64_t *ids = slk_alloc(train->n, sizeof *ids);
    if (!ids) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    for (size_t i = 0; i < train->n; i++) ids[i] = train->items[i]->id;
    qsort(ids, train->n, sizeof *ids, compare_ids);
    for (int k = SLK_WATCH_DEV; k < SLK_N_WATCHED; k++) {
        size_t n = 0;
        for (size_t i = 0; i < data->examples[k].n; i++)
            n += bsearch(&data->examples[k].items[i]->id, ids, train->n, sizeof *ids, compare_ids) != NULL;
        if (n)
            slk_cli_warn(cli, "%s of %s %s facts are training examples, too", slk_show_count(n).text,
                         slk_show_count(data->examples[k].n).text, NAMES[k]);
    }
    free(ids);
    return SLK_OK;
}

static slk_status warn_unmatchable(const slk_train_data *data, const slk_cli *cli, const slk_model *model, slk_err *err)
{
    slk_status s = SLK_OK;
    for (int k = 0; k < SLK_N_WATCHED && s == SLK_OK; k++) {
        const slk_examples *e = &data->examples[k];
        size_t n = 0;
        for (size_t i = 0; i < e->n && s == SLK_OK; i++) {
            bool can;
            s = slk_instruction_can_match(&can, model->tokenizer, e->items[i], err);
            if (s != SLK_OK) return slk_examples_fail_in(e, i, s, err);
            n += !can;
        }
        if (n)
            slk_cli_warn(cli,
                         "%s: no answer can match %s of %s facts: a line break or more than %d tokens in the true "
                         "one",
                         NAMES[k], slk_show_count(n).text, slk_show_count(e->n).text, SLK_ANSWER_MAX_TOKENS);
    }
    return s;
}

static slk_status check(slk_train_data *data, const slk_cli *cli, const slk_model *model, slk_err *err)
{
    const slk_examples *train = &data->examples[SLK_WATCH_TRAIN];
    slk_evaluate_options options = {.instruction = data->instruction, .match = data->match};
    slk_watch_kind kind = SLK_WATCH_TRAIN;
    size_t bad = 0;
    for (int k = 0; k < SLK_N_WATCHED; k++) {
        const slk_examples *e = &data->examples[k];
        data->sets[k] = (slk_watch_set){.facts = e->items, .categories = e->categories, .n = e->n};
    }
    if (train->n_uncategorised == train->n)
        slk_cli_warn(cli, "%s: no record has a category, so there are no columns for them (slick labels --jsonl)",
                     train->name);
    else if (train->n_uncategorised > 0)
        slk_cli_note(cli, "%s: %s of %s records have no category", train->name,
                     slk_show_count(train->n_uncategorised).text, slk_show_count(train->n).text);
    if (train->n_several > 0)
        slk_cli_note(cli, "%s: %s records have several answers, the first is trained on", train->name,
                     slk_show_count(train->n_several).text);
    slk_status s = slk_watch_check(model, data->sets, &options, &kind, &bad, err);
    if (s != SLK_OK) return slk_examples_fail_in(&data->examples[kind], bad, s, err);
    s = warn_unmatchable(data, cli, model, err);
    return s == SLK_OK ? warn_overlap(data, cli, err) : s;
}

slk_status slk_train_data_prepare(slk_train_data *data, slk_cli *cli, const slk_model *model, slk_err *err)
{
    slk_status s = pick_from_store(data, cli, model, err);
    if (s == SLK_OK) s = encode_all(data, model, err);
    return s == SLK_OK ? check(data, cli, model, err) : s;
}

/* --- fingerprints ---------------------------------------------------------------------------------------------------
 */

static uint64_t hash_examples(const slk_examples *e)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < e->n; i++) {
        const slk_fact *f = e->items[i];
        hash = slk_hash_more(hash, &f->id, sizeof f->id);
        hash = slk_hash_more(hash, &e->categories[i], sizeof e->categories[i]);
        for (size_t k = 0; k < f->n_aliases; k++) hash = slk_hash_str(hash, f->aliases[k]);
    }
    return hash;
}

json_t *slk_train_data_json(const slk_train_data *data)
{
    json_t *o = json_object();
    for (int k = 0; k < SLK_N_WATCHED; k++) {
        const slk_examples *e = &data->examples[k];
        json_object_set_new(
            o, NAMES[k], json_pack("{s:I, s:o}", "n", (json_int_t)e->n, "hash", slk_cli_hash_json(hash_examples(e))));
    }
    return o;
}
