/* slick logits: the raw numbers, for comparing implementations. */
#include "command.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "engine.h"
#include "model.h"
#include "model/tree.h"
#include "table.h"

static struct {
    slk_list tokens;
    const char *text, *adapter;
    bool last, special;
    int64_t top;
} opt;

static const slk_option OPTIONS[] = {
    SLK_OPT_LIST("tokens", &opt.tokens, "ID,ID", "feed these token ids as they stand"),
    SLK_OPT_STR("text", &opt.text, "TEXT", NULL,
                "feed this text (with the beginning token where the model asks for one)"),
    SLK_OPT_FLAG("special", &opt.special, "text that spells a control token is that token"),
    SLK_OPT_FLAG("last", &opt.last, "only the row behind the last token"),
    SLK_OPT_INT("top", &opt.top, "K", NULL, 1, SLK_TOP_MAX,
                "only the K likeliest tokens of a row, with their log-probability"),
    SLK_CLI_OPT_ADAPTER(&opt.adapter),
    SLK_OPT_END};

static slk_status read_tokens(slk_cli *cli, const slk_model *model, slk_ids *ids, slk_err *err)
{
    if ((opt.text != NULL) == (opt.tokens.n > 0)) return slk_cli_usage(cli, err, "give either --tokens or --text");
    if (opt.text) {
        unsigned flags = SLK_ENCODE_BOS | (opt.special ? SLK_ENCODE_SPECIAL : 0u);
        slk_status s = slk_tokenizer_encode(model->tokenizer, opt.text, strlen(opt.text), flags, ids, err);
        return s == SLK_OK && ids->n == 0 ? slk_cli_usage(cli, err, "--text has no tokens") : s;
    }
    if (!slk_grow(&ids->ids, &ids->cap, opt.tokens.n, sizeof *ids->ids))
        return slk_fail(err, SLK_E_MEMORY, "out of memory");
    for (size_t i = 0; i < opt.tokens.n; i++) {
        int64_t id;
        if (!slk_parse_i64(opt.tokens.items[i], &id) || id < 0 || id > INT32_MAX) {
            return slk_cli_usage(cli, err, "--tokens: '%s' is no token id", opt.tokens.items[i]);
        }
        ids->ids[ids->n++] = (int32_t)id;
    }
    return SLK_OK;
}

/* Rows [first, n) of the sequence; either logits [.., n_vocab] or tops [..] is filled. */
static slk_status compute(const slk_model *model, const slk_ids *ids, size_t first, float *logits, slk_top *tops,
                          slk_err *err)
{
    slk_forward *forward = NULL;
    slk_tree *tree = NULL;
    slk_seg seg = SLK_SEG_NONE;
    size_t n = ids->n - first;
    slk_ask *asks = slk_alloc_zero(n, sizeof *asks);
    slk_status s = asks ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory");
    for (size_t i = 0; s == SLK_OK && i < n; i++) {
        asks[i] = (slk_ask){.row = (int32_t)(first + i),
                            .top = tops ? &tops[i] : NULL,
                            .logits = logits ? logits + i * (size_t)model->config.n_vocab : NULL};
    }
    if (s == SLK_OK) s = slk_forward_create(&forward, model, err);
    if (s == SLK_OK) s = slk_tree_create(&tree, model, forward, (int32_t)ids->n, err);
    if (s == SLK_OK) s = slk_tree_insert(tree, SLK_SEG_NONE, ids->ids, (int32_t)ids->n, &seg, err);
    if (s == SLK_OK) {
        slk_span span = {.seg = seg, .n = (int32_t)ids->n, .asks = asks, .n_asks = (int32_t)n};
        s = slk_tree_forward(tree, &span, 1, NULL, err);
    }
    slk_tree_free(tree);
    slk_forward_free(forward);
    free(asks);
    return s;
}

static double logprob(const slk_top *top, int i)
{
    return (double)top->logits[i] - (top->max + log(top->sum));
}

static json_t *json_ids(const slk_ids *ids)
{
    json_t *list = json_array();
    for (size_t i = 0; i < ids->n; i++) json_array_append_new(list, json_integer(ids->ids[i]));
    return list;
}

static slk_status print_full(const slk_model *model, const slk_ids *ids, const float *logits, size_t n, slk_err *err)
{
    json_t *rows = json_array();
    size_t width = (size_t)model->config.n_vocab;
    for (size_t r = 0; r < n; r++) {
        json_t *row = json_array();
        for (size_t i = 0; i < width; i++) {
            float x = logits[r * width + i];
            json_array_append_new(row, isfinite(x) ? json_real((double)x) : json_null());
        }
        json_array_append_new(rows, row);
    }
    return slk_cli_json(json_pack("{s:o, s:o}", "tokens", json_ids(ids), "logits", rows), err);
}

static slk_status print_top_json(const slk_model *model, const slk_ids *ids, const slk_top *tops, size_t n,
                                 slk_err *err)
{
    json_t *rows = json_array();
    slk_buf piece;
    slk_buf_init(&piece);
    for (size_t r = 0; r < n; r++) {
        json_t *row = json_array();
        for (int i = 0; i < tops[r].n; i++) {
            slk_buf_clear(&piece);
            slk_cli_add_piece(&piece, model->tokenizer, tops[r].ids[i]);
            json_array_append_new(row,
                                  json_pack("{s:i, s:s%, s:f}", "id", tops[r].ids[i], "piece",
                                            piece.data ? piece.data : "", piece.len, "logprob", logprob(&tops[r], i)));
        }
        json_array_append_new(rows, row);
    }
    slk_buf_release(&piece);
    return slk_cli_json(json_pack("{s:o, s:o}", "tokens", json_ids(ids), "top", rows), err);
}

static slk_status print_top_table(const slk_model *model, const slk_ids *ids, size_t first, const slk_top *tops,
                                  size_t n, slk_err *err)
{
    slk_table table;
    slk_buf piece, quoted;
    slk_table_init(&table, "rrlr", (const char *const[]){"behind token", "id", "piece", "log-probability"});
    slk_buf_init(&piece);
    slk_buf_init(&quoted);
    for (size_t r = 0; r < n; r++) {
        for (int i = 0; i < tops[r].n; i++) {
            slk_buf_clear(&piece);
            slk_buf_clear(&quoted);
            slk_cli_add_piece(&piece, model->tokenizer, tops[r].ids[i]);
            slk_cli_add_quoted(&quoted, piece.data ? piece.data : "", piece.len);
            /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): read_tokens() gives at least one id */
            slk_table_cell(&table, "%zu (%d)", first + r, ids->ids[first + r]);
            slk_table_cell(&table, "%d", tops[r].ids[i]);
            slk_table_cell(&table, "%s", quoted.data ? quoted.data : "");
            slk_table_cell(&table, "%.4f", logprob(&tops[r], i));
        }
        if (r + 1 < n) slk_table_rule(&table);
    }
    slk_buf_release(&piece);
    slk_buf_release(&quoted);
    slk_status s = slk_table_print(&table, stdout, err);
    slk_table_release(&table);
    return s;
}

static slk_status run(slk_cli *cli, slk_err *err)
{
    slk_model *model = NULL;
    slk_ids ids = {0};
    float *logits = NULL, *top_logits = NULL;
    int32_t *top_ids = NULL;
    slk_top *tops = NULL;
    slk_status s = slk_cli_load_model(&model, cli, cli->args[0], opt.adapter, err);
    if (s == SLK_OK) s = read_tokens(cli, model, &ids, err);
    if (s != SLK_OK) goto out;
    size_t first = opt.last ? ids.n - 1 : 0, n = ids.n - first;
    bool full = cli->json && opt.top == 0;
    int k = opt.top ? (int)opt.top : 5;
    if (full) {
        logits = slk_alloc(n * (size_t)model->config.n_vocab, sizeof *logits);
    } else {
        tops = slk_alloc(n, sizeof *tops);
        top_ids = slk_alloc(n * (size_t)k, sizeof *top_ids);
        top_logits = slk_alloc(n * (size_t)k, sizeof *top_logits);
    }
    if (full ? !logits : !tops || !top_ids || !top_logits) {
        s = slk_fail(err, SLK_E_MEMORY, "out of memory for %zu rows of logits", n);
        goto out;
    }
    for (size_t i = 0; tops && i < n; i++) {
        tops[i] = (slk_top){.k = k,
                            .ids = top_ids + i * (size_t)k,
                            .logits = top_logits + i * (size_t)k,
                            .want_lse = true,
                            .target = -1};
    }
    s = compute(model, &ids, first, logits, tops, err);
    if (s != SLK_OK) goto out;
    if (full)
        s = print_full(model, &ids, logits, n, err);
    else if (cli->json)
        s = print_top_json(model, &ids, tops, n, err);
    else
        s = print_top_table(model, &ids, first, tops, n, err);
out:
    free(ids.ids), free(logits), free(tops), free(top_ids), free(top_logits);
    slk_model_close(model);
    return s;
}

const slk_command slk_cmd_logits = {
    .name = "logits",
    .group = SLK_GROUP_MODEL,
    .summary = "what the model predicts behind each token",
    .synopsis = "MODEL --tokens ID,ID,... | --text TEXT",
    .about = "Prints the likeliest next tokens behind every token of a sequence (5 of them, or --top K).\n\n"
             "--json: {\"tokens\": [n], \"logits\": [[vocabulary] x n]}; with --top K {\"tokens\": [n], \"top\": "
             "[[{\"id\", \"piece\", \"logprob\"}]]}",
    .examples = {"slick logits model.gguf --text 'The capital of France is' --last",
                 "slick logits model.gguf --tokens 1,2,3 --dtype f32 --json"},
    .n_args_min = 1,
    .n_args_max = 1,
    .options = OPTIONS,
    .run = run,
};
