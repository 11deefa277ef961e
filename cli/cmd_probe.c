/* slick probe: what a model knows about the facts of the store. */
#include "command.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "compute/bench.h"
#include "data/select.h"
#include "engine.h"
#include "know/labelling.h"
#include "store/facts.h"
#include "store/labels.h"
#include "terminal.h"

static struct {
    const char *set, *split, *pool, *match, *answers, *template_path, *shard, *adapter;
    slk_list relations;
    int64_t limit, n_ex, shots, samples, top_k, batch_tokens;
    double temperature;
    bool naive;
} opt;

static const slk_option OPTIONS[] = {
    SLK_OPT_STR("set", &opt.set, "SET", NULL, "fact set (default: the newest)"),
    SLK_OPT_CHOICE("split", &opt.split, "train|dev|test|all", "test", "facts of this split"),
    SLK_OPT_LIST("relations", &opt.relations, "A,B", "only these relations"),
    SLK_OPT_INT("limit", &opt.limit, "N", NULL, 1, 1000000000, "N facts in all, spread evenly over the relations"),
    SLK_OPT_STR("shard", &opt.shard, "I/N", NULL, "the I-th of N parts, 0 <= I < N (see slick merge)"),
    SLK_OPT_INT("n-ex", &opt.n_ex, "N", "10", 1, SLK_MAX_EX, "few-shot prompts a question"),
    SLK_OPT_INT("shots", &opt.shots, "K", "4", 0, 64, "exemplars a prompt"),
    SLK_OPT_INT("samples", &opt.samples, "N", "16", 0, 1000, "sampled answers a prompt"),
    SLK_OPT_REAL("temperature", &opt.temperature, "T", "0.5", 1e-3, 100, "of the samples"),
    SLK_OPT_INT("top-k", &opt.top_k, "K", "40", 1, SLK_TOP_MAX, "of the samples"),
    SLK_OPT_STR("match", &opt.match, "em|strict|contains|f1:X", "em", "when an answer counts as correct"),
    SLK_OPT_CHOICE("answers", &opt.answers, "none|greedy|all", "greedy",
                   "which wrong answers are decoded to their end and kept; never changes a label"),
    SLK_OPT_STR("template", &opt.template_path, "FILE", NULL, "prompt format (default: Q: ... A: ...)"),
    SLK_OPT_CHOICE("pool", &opt.pool, "train|dev|test", "dev", "split that exemplars come from"),
    SLK_OPT_INT("batch-tokens", &opt.batch_tokens, "N", "512", 1, 1 << 20, "rows at a time; never changes a label"),
    SLK_OPT_FLAG("naive", &opt.naive, "one answer at a time: slow, the same labels"),
    SLK_CLI_OPT_ADAPTER(&opt.adapter),
    SLK_OPT_END};

enum { N_MAX_TOKENS = 32 };

typedef struct probe {
    slk_cli *cli;
    slk_store *store;
    slk_model *model;
    slk_template *template_;
    slk_exemplars *exemplars;
    char *set;
    slk_facts facts, pool;
    const slk_fact **asked; /* [n_asked] selected */
    const slk_fact **open;  /* [n_open] of them without a label */
    size_t n_asked, n_open;
    slk_probe_options options;
    slk_label_settings settings;
    int64_t label_set;
} probe;

/* --- which facts, which settings -----------------------------------------------------------------------------------
 */

static slk_status choose_set(probe *p, slk_err *err)
{
    slk_set_list sets = {0};
    slk_status s = slk_store_list_sets(p->store, &sets, err);
    if (s == SLK_OK && opt.set)
        p->set = slk_strdup(opt.set);
    else if (s == SLK_OK && sets.n > 0)
        p->set = slk_strdup(sets.items[0].name);
    else if (s == SLK_OK)
        s = slk_fail(err, SLK_E_NOT_FOUND,
                     "%s: no facts in the store, import some first (slick import entityquestions)",
                     slk_store_path(p->store));
    if (s == SLK_OK && !p->set) s = slk_fail(err, SLK_E_MEMORY, "out of memory");
    if (s == SLK_OK && !opt.set && sets.n > 1)
        slk_cli_note(p->cli, "fact set '%s', the newest of %zu (--set chooses)", p->set, sets.n);
    slk_set_list_release(&sets);
    return s;
}

static slk_status pointers(const slk_facts *facts, const slk_fact ***out, slk_err *err)
{
    *out = slk_alloc(facts->n, sizeof **out);
    if (!*out) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    for (size_t i = 0; i < facts->n; i++) (*out)[i] = &facts->items[i];
    return SLK_OK;
}

static slk_status select_facts(probe *p, slk_err *err)
{
    const char *const *relations = (const char *const *)opt.relations.items;
    slk_selection selection;
    slk_selection_init(&selection);
    selection.split = slk_split_parse(opt.split);
    selection.limit = (size_t)opt.limit;
    selection.seed = p->cli->seed;
    if (opt.shard && slk_shard_parse(&selection.shard, &selection.n_shards, opt.shard, err) != SLK_OK) {
        return slk_cli_usage(p->cli, err, "--shard: %s", err->msg);
    }
    slk_status s =
        slk_store_load_facts(p->store, &p->facts, p->set, slk_split_parse(opt.split), relations, opt.relations.n, err);
    if (s == SLK_OK) s = slk_facts_select(&p->facts, &selection, err);
    if (s == SLK_OK) s = pointers(&p->facts, &p->asked, err);
    p->n_asked = p->facts.n;
    if (s == SLK_OK)
        s = slk_labelling_load_pool(p->store, &p->pool, p->set, (slk_split)slk_split_parse(opt.pool), p->asked,
                                    p->n_asked, err);
    if (s == SLK_OK)
        s = slk_exemplars_create(&p->exemplars, &p->pool, &p->facts, (unsigned)opt.n_ex, (unsigned)opt.shots,
                                 p->cli->seed, err);
    return s;
}

static slk_status read_options(probe *p, slk_err *err)
{
    slk_probe_options *o = &p->options;
    o->draws = (slk_draws){.seed = p->cli->seed,
                           .n_samples = (int)opt.samples,
                           .temperature = opt.temperature,
                           .top_k = (int)opt.top_k,
                           .n_max_tokens = N_MAX_TOKENS};
    o->draws.decode = strcmp(opt.answers, "all") == 0      ? SLK_DECODE_ALL
                      : strcmp(opt.answers, "greedy") == 0 ? SLK_DECODE_GREEDY
                                                           : SLK_DECODE_NONE;
    o->n_ex = (unsigned)opt.n_ex;
    o->n_shots = (unsigned)opt.shots;
    o->n_batch_rows = (int32_t)opt.batch_tokens;
    o->naive = opt.naive;
    if (slk_match_parse(&o->match, opt.match, err) != SLK_OK)
        return slk_cli_usage(p->cli, err, "--match: %s", err->msg);
    slk_status s = opt.template_path ? slk_template_open(&p->template_, opt.template_path, err)
                                     : slk_template_create(&p->template_, err);
    o->template = p->template_;
    return s;
}

static size_t count_relations(const slk_fact *const *facts, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        bool seen = false;
        for (size_t j = i; j-- > 0 && !seen;) seen = strcmp(facts[i]->relation, facts[j]->relation) == 0;
        count += !seen;
    }
    return count;
}

static void announce(probe *p, double gflops)
{
    const slk_config *c = &p->model->config;
    size_t n_answers = (size_t)(opt.n_ex * (opt.samples + 1));
    slk_cli_note(p->cli, "labelling %s facts of %zu relations with %s: %zu answers each (%s)",
                 slk_show_count(p->n_open).text, count_relations(p->open, p->n_open), c->name, n_answers,
                 slk_compute_kernel_set(p->model->compute));
    if (p->n_open < p->n_asked)
        slk_cli_note(p->cli, "%s of %s are labelled already", slk_show_count(p->n_asked - p->n_open).text,
                     slk_show_count(p->n_asked).text);
    /* about 14 rows a prompt at half the measured rate of matrix products */
    double flop = (double)opt.n_ex * 14 * 2 * ((double)slk_config_n_body_params(c) + (double)c->d_model * c->n_vocab) *
                  (double)p->n_open;
    if (!opt.naive && gflops > 0)
        slk_cli_note(p->cli, "this will take about %s", slk_show_time(flop / (gflops * 1e9 * 0.5)).text);
}

static slk_status summarise(probe *p, const slk_probe_stats *st, double gflops, slk_err *err)
{
    double seconds = st->wall_ms / 1e3, n = st->n_facts ? (double)st->n_facts : 1, rate = st->flop / (seconds * 1e9);
    double other = st->wall_ms - st->matmul_ms - st->attention_ms - st->rowwise_ms - st->logits_ms - st->top_ms;
    if (p->cli->json) {
        return slk_cli_json(json_pack("{s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:{s:f, s:f, s:f, s:f, s:f, s:f}}",
                                      "label_set", (json_int_t)p->label_set, "n_facts", (json_int_t)st->n_facts,
                                      "n_labelled", (json_int_t)p->n_asked, "seconds", seconds, "facts_per_s",
                                      (double)st->n_facts / seconds, "rows_per_fact", (double)st->n_rows / n,
                                      "logit_rows_per_fact", (double)st->n_logit_rows / n, "gflops", rate, "gemm_share",
                                      gflops > 0 ? rate / gflops : 0, "ms", "matmul", st->matmul_ms, "attention",
                                      st->attention_ms, "rowwise", st->rowwise_ms, "logits", st->logits_ms, "top",
                                      st->top_ms, "other", other),
                            err);
    }
    slk_cli_note(p->cli, "label set %lld: %s facts in %s, %.2f facts/s, %.0f token-forwards and %.0f logit rows a fact",
                 (long long)p->label_set, slk_show_count(st->n_facts).text, slk_show_time(seconds).text,
                 (double)st->n_facts / seconds, (double)st->n_rows / n, (double)st->n_logit_rows / n);
    if (gflops > 0) {
        slk_cli_note(p->cli,
                     "%.0f GFLOP/s, %.0f%% of this machine's matrix products (time: products %.0f%%, attention %.0f%%, "
                     "logits %.0f%%, rest %.0f%%)",
                     rate, 100 * rate / gflops, 100 * st->matmul_ms / st->wall_ms, 100 * st->attention_ms / st->wall_ms,
                     100 * st->logits_ms / st->wall_ms, 100 * (st->rowwise_ms + st->top_ms + other) / st->wall_ms);
    }
    slk_cli_note(p->cli, "next: slick labels --store %s", slk_store_path(p->store));
    return SLK_OK;
}

static void release(probe *p)
{
    free(p->asked);
    free(p->open);
    free(p->set);
    slk_exemplars_free(p->exemplars);
    slk_template_free(p->template_);
    slk_facts_release(&p->facts);
    slk_facts_release(&p->pool);
    slk_model_close(p->model);
    slk_store_close(p->store);
}

static slk_status run(slk_cli *cli, slk_err *err)
{
    probe p = {.cli = cli};
    slk_probe_stats stats = {0};
    slk_status s = read_options(&p, err);
    if (s == SLK_OK) s = slk_store_open(&p.store, cli->store, SLK_STORE_WRITE, err);
    if (s == SLK_E_NOT_FOUND)
        slk_fail(err, s, "%s: no such store, import facts first (slick import entityquestions)", cli->store);
    if (s == SLK_OK) s = choose_set(&p, err);
    if (s == SLK_OK) s = select_facts(&p, err);
    if (s == SLK_OK) s = slk_cli_load_model(&p.model, cli, cli->args[0], opt.adapter, err);
    if (s == SLK_OK) {
        slk_cli_note_chat(cli, p.model, false);
        slk_labelling_describe(&p.settings, p.model, &p.options, opt.match, p.set,
                               (slk_split)slk_split_parse(opt.pool));
        s = slk_store_begin_label_set(p.store, &p.label_set, NULL, &p.settings, err);
    }
    if (s == SLK_OK) s = slk_labelling_find_open(p.store, p.label_set, p.asked, p.n_asked, &p.open, &p.n_open, err);
    if (s == SLK_OK && p.n_open == 0) {
        slk_cli_note(cli, "label set %lld has all %s facts already", (long long)p.label_set,
                     slk_show_count(p.n_asked).text);
        if (cli->json) s = summarise(&p, &(slk_probe_stats){.wall_ms = 1}, 0, err);
        release(&p);
        return s;
    }
    if (s == SLK_OK) {
        slk_bench_gemm peak = {.n_rows = 1024, .n_out = 2048, .n_in = 1024, .packed = true};
        s = slk_compute_bench_shape(p.model->compute, &peak, 0.3, err);
        double gflops = peak.gflops;
        announce(&p, gflops);
        if (s == SLK_OK)
            s = slk_labelling_run(p.store, p.label_set, p.model, p.open, p.n_open, p.exemplars, &p.options,
                                  slk_cli_progress(cli), &stats, err);
        if (s == SLK_OK) s = summarise(&p, &stats, gflops, err);
    }
    release(&p);
    return s;
}

const slk_command slk_cmd_probe = {
    .name = "probe",
    .group = SLK_GROUP_KNOW,
    .summary = "find out what a model knows (SliCK labels)",
    .synopsis = "MODEL",
    .about = "Asks every fact with --n-ex few-shot prompts, greedily and by sampling, and writes a label for each into "
             "the store: HighlyKnown, "
             "MaybeKnown, WeaklyKnown or Unknown. Labels are committed as they are found; the same command goes on "
             "where it was stopped, and its "
             "result is the same whatever the batch size, the threads or the shards.\n\n"
             "--json: {\"label_set\", \"n_facts\", \"seconds\", \"facts_per_s\", \"rows_per_fact\", "
             "\"logit_rows_per_fact\", \"gflops\", \"gemm_share\", \"ms\"}",
    .examples = {"slick probe model.gguf --limit 200",
                 "slick probe model.gguf --split train --answers none --shard 0/4 --store part0.db"},
    .n_args_min = 1,
    .n_args_max = 1,
    .options = OPTIONS,
    .run = run,
};
