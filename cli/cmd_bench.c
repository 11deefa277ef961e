/* slick bench: how fast this machine is at what slick does. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "compute/bench.h"
#include "data/import.h"
#include "data/select.h"
#include "engine.h"
#include "know/probe.h"
#include "model/tree.h"
#include "store_common.h"

static struct {
    slk_list relations;
    int64_t limit, batch_tokens, batch, steps;
    const char *answers;
    bool no_share;
} opt;

static const slk_option OPTIONS[] = {
    SLK_OPT_LIST("relations", &opt.relations, "A,B", "label: these relations (default: P131,P17,P19,P36,P40,P69)"),
    SLK_OPT_INT("limit", &opt.limit, "N", "120", 1, 1000000, "label: so many facts of the test split"),
    SLK_OPT_CHOICE("answers", &opt.answers, "none|greedy|all", "greedy",
                   "label: which wrong answers are decoded to their end"),
    SLK_OPT_INT("batch-tokens", &opt.batch_tokens, "N", "512", 1, 1 << 20, "label: rows computed at a time"),
    SLK_OPT_INT("batch", &opt.batch, "N", "128", 1, 100000, "train: examples of a step"),
    SLK_OPT_INT("steps", &opt.steps, "N", "3", 1, 100000, "train: steps that are measured, behind one that is not"),
    SLK_OPT_FLAG("no-share", &opt.no_share, "train: every example apart"),
    SLK_OPT_END};

void slk_bench_add(slk_bench_report *r, const char *what, const char *key, double rate, const char *unit, double gflops)
{
    slk_table_cell(&r->table, "%s", what);
    slk_table_cell(&r->table, "%.4g", rate);
    slk_table_cell(&r->table, "%s", unit);
    if (gflops > 0)
        slk_table_cell(&r->table, "%.0f", gflops);
    else
        slk_table_cell(&r->table, "%s", "");
    if (gflops > 0 && r->peak > 0)
        slk_table_cell(&r->table, "%.0f %%", 100 * gflops / r->peak);
    else
        slk_table_cell(&r->table, "%s", "");
    json_t *entry = json_pack("{s:f, s:s}", "rate", rate, "unit", unit);
    if (gflops > 0) json_object_set_new(entry, "gflops", json_real(gflops));
    if (gflops > 0 && r->peak > 0) json_object_set_new(entry, "gemm_share", json_real(gflops / r->peak));
    json_object_set_new(r->json, key, entry);
}

/* --- gemm ----------------------------------------------------------------------------------------------------------
 */

static slk_status bench_gemm(slk_bench_report *r, int dtype, const char *key, slk_err *err)
{
    slk_compute *c;
    slk_compute_options options = {.backend = SLK_BACKEND_DNNL, .dtype = dtype, .n_threads = (int)r->cli->threads};
    slk_status s = slk_compute_create(&c, &options, err);
    if (s == SLK_E_UNSUPPORTED) return SLK_OK; /* no bf16 here: one line less */
    if (s != SLK_OK) return s;
    double gflops;
    s = slk_compute_bench_gemm(c, &gflops, err);
    char what[64];
    snprintf(what, sizeof what, "matrix products, %s, %d threads", key, slk_compute_n_threads(c));
    if (s == SLK_OK) slk_bench_add(r, what, key, gflops, "GFLOP/s", gflops);
    slk_compute_free(c);
    return s;
}

/* --- forward -------------------------------------------------------------------------------------------------------
 */

/* `n_paths` questions of n_own rows, each with one row of logits, under contexts of n_shared tokens that ten of them
 * share; repeated for a second at least, the contexts computed before. */
static slk_status bench_forward(slk_bench_report *r, const slk_model *m, const char *what, const char *key, int n_paths,
                                int n_own, int n_shared, slk_err *err)
{
    enum { MAX_PATHS = 512, MAX_TOKENS = 512 };
    slk_forward *forward = NULL;
    slk_tree *tree = NULL;
    slk_span spans[MAX_PATHS];
    slk_ask asks[MAX_PATHS];
    slk_top tops[MAX_PATHS];
    int32_t ids[MAX_PATHS], tokens[MAX_TOKENS];
    float logits[MAX_PATHS];
    slk_seg contexts[MAX_PATHS] = {0};
    int n_contexts = (n_paths + 9) / 10;
    for (int i = 0; i < n_own + n_shared; i++) tokens[i] = (int32_t)((unsigned)i * 7919u % (unsigned)m->config.n_vocab);
    slk_status s = slk_forward_create(&forward, m, err);
    if (s == SLK_OK) s = slk_tree_create(&tree, m, forward, n_contexts * n_shared + n_paths * n_own, err);
    for (int i = 0; s == SLK_OK && n_shared > 0 && i < n_contexts; i++) {
        s = slk_tree_append(tree, SLK_SEG_NONE, tokens, n_shared, &contexts[i], err);
        slk_span span = {.seg = contexts[i], .n = n_shared};
        if (s == SLK_OK) s = slk_tree_forward(tree, &span, 1, NULL, err);
    }
    double ms = 0, flop = 0;
    int n_batches = 0;
    while (s == SLK_OK && (ms < 1000 || n_batches < 3)) {
        for (int i = 0; i < n_paths && s == SLK_OK; i++) {
            tops[i] = (slk_top){.k = 1, .ids = &ids[i], .logits = &logits[i], .target = -1};
            asks[i] = (slk_ask){.row = n_own - 1, .top = &tops[i]};
            spans[i] = (slk_span){.n = n_own, .asks = &asks[i], .n_asks = 1};
            s = slk_tree_append(tree, n_shared > 0 ? contexts[i / 10] : SLK_SEG_NONE, tokens + n_shared, n_own,
                                &spans[i].seg, err);
        }
        double before = slk_forward_flop(forward), since = slk_clock_ms();
        if (s == SLK_OK) s = slk_tree_forward(tree, spans, n_paths, NULL, err);
        if (n_batches++ > 0) { /* the first warms up */
            ms += slk_clock_ms() - since;
            flop += slk_forward_flop(forward) - before;
        }
        for (int i = 0; i < n_paths && s == SLK_OK; i++) slk_tree_release(tree, spans[i].seg);
    }
    if (s == SLK_OK)
        slk_bench_add(r, what, key, (double)(n_batches - 1) * n_paths * n_own / ms * 1e3, "tokens/s", flop / ms / 1e6);
    slk_tree_free(tree);
    slk_forward_free(forward);
    return s;
}

/* --- label ---------------------------------------------------------------------------------------------------------
 */

static slk_status drop_label(void *user, slk_label *label, slk_err *err)
{
    (void)user, (void)label, (void)err;
    return SLK_OK;
}

/* Facts of the test split as `slick probe` would take them, and the dev facts. */
static slk_status load_facts(slk_facts *asked, slk_facts *pool, const slk_cli *cli, slk_err *err)
{
    static const char *const DEFAULT[] = {"P131", "P17", "P19", "P36", "P40", "P69"};
    slk_import_report imported = {0};
    slk_filter_options filters = {.relations = DEFAULT, .n_relations = 6};
    if (opt.relations.n > 0)
        filters.relations = (const char *const *)opt.relations.items, filters.n_relations = opt.relations.n;
    char *path = NULL;
    slk_facts all = {0};
    slk_status s = slk_cli_find_entityquestions(&path, err);
    if (s == SLK_OK) s = slk_import_entityquestions(&all, &imported, path, &filters, err);
    slk_import_report_release(&imported);
    free(path);
    for (size_t i = 0; s == SLK_OK && i < all.n; i++) {
        slk_split split = all.items[i].split;
        if (split == SLK_SPLIT_TRAIN) continue;
        if (!slk_facts_push(split == SLK_SPLIT_TEST ? asked : pool, &all.items[i]))
            s = slk_fail(err, SLK_E_MEMORY, "out of memory");
    }
    slk_facts_release(&all);
    slk_selection selection;
    slk_selection_init(&selection);
    selection.limit = (size_t)opt.limit;
    selection.seed = cli->seed;
    return s == SLK_OK ? slk_facts_select(asked, &selection, err) : s;
}

static slk_status bench_label(slk_bench_report *r, const slk_model *m, slk_err *err)
{
    slk_facts asked = {0}, pool = {0};
    slk_exemplars *exemplars = NULL;
    slk_template *format = NULL;
    const slk_fact **facts = NULL;
    slk_probe_stats stats;
    slk_decode decode = strcmp(opt.answers, "all") == 0      ? SLK_DECODE_ALL
                        : strcmp(opt.answers, "greedy") == 0 ? SLK_DECODE_GREEDY
                                                             : SLK_DECODE_NONE;
    slk_probe_options options = {.n_ex = 10,
                                 .n_shots = 4,
                                 .n_batch_rows = (int32_t)opt.batch_tokens,
                                 .match = {.kind = SLK_MATCH_EM},
                                 .draws = {.seed = r->cli->seed,
                                           .n_samples = 16,
                                           .temperature = 0.5,
                                           .top_k = 40,
                                           .n_max_tokens = 32,
                                           .decode = decode}};
    slk_status s = load_facts(&asked, &pool, r->cli, err);
    if (s == SLK_OK)
        s = slk_exemplars_create(&exemplars, &pool, &asked, options.n_ex, options.n_shots, r->cli->seed, err);
    if (s == SLK_OK) s = slk_template_create(&format, err);
    options.template = format;
    facts = slk_alloc(asked.n, sizeof *facts);
    if (s == SLK_OK && !facts) s = slk_fail(err, SLK_E_MEMORY, "out of memory");
    for (size_t i = 0; s == SLK_OK && i < asked.n; i++) facts[i] = &asked.items[i];
    if (s == SLK_OK)
        s = slk_probe_run(m, facts, asked.n, exemplars, &options, drop_label, NULL, slk_cli_progress(r->cli), &stats,
                          err);
    if (s == SLK_OK) {
        double seconds = stats.wall_ms / 1e3, n = (double)stats.n_facts;
        char what[96];
        snprintf(what, sizeof what, "labelling, 170 answers, --answers %s", opt.answers);
        slk_bench_add(r, what, "label", n / seconds, "facts/s", stats.flop / seconds / 1e9);
        slk_bench_add(r, "  token-forwards a fact", "rows_per_fact", (double)stats.n_rows / n, "rows", 0);
        slk_bench_add(r, "  logit rows a fact", "logit_rows_per_fact", (double)stats.n_logit_rows / n, "rows", 0);
        double parts[] = {stats.matmul_ms, stats.attention_ms, stats.logits_ms, stats.rowwise_ms, stats.top_ms};
        static const char *const NAMES[] = {"  time in products", "  in attention", "  in logits",
                                            "  in norms, rotation, activation", "  in choosing tokens"};
        static const char *const KEYS[] = {"share_matmul", "share_attention", "share_logits", "share_rowwise",
                                           "share_top"};
        double rest = stats.wall_ms;
        for (int i = 0; i < 5; i++) {
            slk_bench_add(r, NAMES[i], KEYS[i], 100 * parts[i] / stats.wall_ms, "%", 0);
            rest -= parts[i];
        }
        slk_bench_add(r, "  in all else", "share_rest", 100 * rest / stats.wall_ms, "%", 0);
    }
    free(facts);
    slk_exemplars_free(exemplars);
    slk_template_free(format);
    slk_facts_release(&asked);
    slk_facts_release(&pool);
    return s;
}

static slk_status run(slk_cli *cli, slk_err *err)
{
    static const char *const KINDS[] = {"gemm", "forward", "label", "train"};
    const char *kind = cli->n_args > 0 ? cli->args[0] : "gemm", *path = cli->n_args > 1 ? cli->args[1] : NULL;
    bool all = true;
    for (int i = 0; i < 4; i++) all = all && strcmp(kind, KINDS[i]) != 0;
    if (all && cli->n_args == 2)
        return slk_cli_usage(cli, err, "'%s' is no benchmark: gemm, forward, label, train, or a MODEL alone for all",
                             kind);
    if (all) path = kind;
    if (!path && strcmp(kind, "gemm") != 0) return slk_cli_usage(cli, err, "slick bench %s needs a MODEL", kind);
    slk_bench_report r = {.cli = cli, .json = json_object()};
    slk_table_init(&r.table, "lrlrr", (const char *const[]){"", "rate", "unit", "GFLOP/s", "of the products' peak"});
    slk_model *m = NULL;
    slk_status s = r.json ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory");
    if (s == SLK_OK && (all || strcmp(kind, "gemm") == 0)) {
        s = bench_gemm(&r, SLK_DTYPE_BF16, "bf16", err);
        if (s == SLK_OK) s = bench_gemm(&r, SLK_DTYPE_F32, "f32", err);
    }
    bool train = strcmp(kind, "train") == 0;
    if (s == SLK_OK && path && !train) s = slk_cli_load_model(&m, cli, path, NULL, err);
    if (s == SLK_OK && m) s = slk_compute_bench_gemm(m->compute, &r.peak, err);
    if (s == SLK_OK && m) slk_bench_add(&r, "this model's products at their peak", "peak", r.peak, "GFLOP/s", r.peak);
    if (s == SLK_OK && m && (all || strcmp(kind, "forward") == 0)) {
        s = bench_forward(&r, m, "questions: 50 of 10 tokens, contexts of 90", "questions", 50, 10, 90, err);
        if (s == SLK_OK) s = bench_forward(&r, m, "one text of 512 tokens", "text", 1, 512, 0, err);
        if (s == SLK_OK) s = bench_forward(&r, m, "answers: 100 of one token", "answers", 100, 1, 90, err);
        if (s == SLK_OK) s = bench_forward(&r, m, "one token at a time", "single", 1, 1, 90, err);
    }
    if (s == SLK_OK && m && (all || strcmp(kind, "label") == 0)) s = bench_label(&r, m, err);
    slk_model_close(m);
    slk_bench_train_options options = {
        .batch = opt.batch, .steps = opt.steps, .share = !opt.no_share, .relations = &opt.relations};
    if (s == SLK_OK && (all || train)) s = slk_bench_train(&r, path, &options, err);
    if (s == SLK_OK) s = cli->json ? slk_cli_json(json_incref(r.json), err) : slk_table_print(&r.table, stdout, err);
    slk_table_release(&r.table);
    json_decref(r.json);
    return s;
}

const slk_command slk_cmd_bench = {
    .name = "bench",
    .group = SLK_GROUP_MEASURE,
    .summary = "rates, as shares of this machine's matrix products",
    .synopsis = "[gemm]\nforward|label|train MODEL\nMODEL",
    .about =
        "gemm measures the peak of matrix products; forward the decoder on batches like those of labelling; label "
        "the whole of it on EntityQuestions "
        "(without a store); train whole optimiser steps of full fine-tuning on its training questions. MODEL alone "
        "measures all of them. FLOP are 2 x weights outside the embedding x rows, and 2 x width x vocabulary x rows "
        "of logits; training counts three times that for the rows of its tree, and its tokens/s are the examples' "
        "own, unpadded and unshared.\n\n"
        "--json: {\"bf16\", \"f32\", \"peak\", \"questions\", \"text\", \"answers\", \"single\", \"label\", \"train\", "
        "...}, "
        "each {\"rate\", \"unit\", \"gflops\"?, \"gemm_share\"?}",
    .examples = {"slick bench", "slick bench label model.gguf --answers none --limit 60"},
    .n_args_min = 0,
    .n_args_max = 2,
    .options = OPTIONS,
    .run = run,
};
