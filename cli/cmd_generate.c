/* slick generate: the model goes on with a text. */
#include "command.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/hash.h"
#include "base/rng.h"
#include "base/text.h"
#include "engine.h"
#include "infer/sample.h"
#include "model.h"
#include "model/tree.h"

static struct {
    int64_t max_tokens, top_k;
    double temperature;
    const char *stop, *adapter;
    bool special, chat;
} opt;

static const slk_option OPTIONS[] = {
    SLK_OPT_INT("max-tokens", &opt.max_tokens, "N", "128", 1, 1000000, "most tokens to add"),
    SLK_OPT_REAL("temperature", &opt.temperature, "T", "0.8", 0, 100, "0: always the likeliest token"),
    SLK_OPT_INT("top-k", &opt.top_k, "K", "40", 1, SLK_TOP_MAX, "draw among the K likeliest tokens"),
    SLK_OPT_STR("stop", &opt.stop, "STRING", NULL, "end before this text"),
    SLK_OPT_FLAG("special", &opt.special, "prompt text that spells a control token is that token"),
    SLK_OPT_FLAG("chat", &opt.chat, "put the prompt into the model's chat format"),
    SLK_CLI_OPT_ADAPTER(&opt.adapter),
    SLK_OPT_END};

typedef struct state {
    slk_cli *cli;
    slk_model *model;
    slk_forward *forward;
    slk_tree *tree;
    slk_ids ids;
    slk_buf text;      /* the answer */
    size_t n_shown;    /* bytes of it that are on stdout */
    const char *ended; /* "end" "stop" "length" */
    int64_t n_tokens;
} state;

/* Print what cannot become the beginning of the stop string and is no cut character. */
static void stream(state *st, bool over)
{
    if (st->cli->json || !st->text.data) return;
    size_t n = st->text.len, keep = 0;
    if (!over) {
        keep = slk_utf8_open_tail(st->text.data, n);
        size_t stop = opt.stop ? strlen(opt.stop) : 0;
        for (size_t m = 1; m < stop && m <= n; m++) {
            if (!memcmp(st->text.data + n - m, opt.stop, m) && m > keep) keep = m;
        }
    }
    if (n - keep > st->n_shown) fwrite(st->text.data + st->n_shown, 1, n - keep - st->n_shown, stdout);
    if (n - keep > st->n_shown) st->n_shown = n - keep;
    fflush(stdout);
}

static int32_t pick(const state *st, const slk_top *top, uint64_t key, int64_t step)
{
    if (opt.temperature == 0) return slk_top_greedy(top);
    slk_distribution d;
    slk_distribution_init(&d, top, opt.temperature, (int)opt.top_k);
    return slk_distribution_pick(&d, slk_rng_uniform(st->cli->seed, SLK_PURPOSE_GENERATE, key, 0, 0, (uint32_t)step));
}

/* Take in one token; true: the text is over. */
static bool add_token(state *st, int32_t token)
{
    if (slk_tokenizer_is_end(st->model->tokenizer, token)) {
        st->ended = "end";
        return true;
    }
    slk_bytes piece = slk_tokenizer_piece(st->model->tokenizer, token);
    slk_buf_add(&st->text, piece.data, piece.len);
    st->n_tokens++;
    char *stop = opt.stop && st->text.data ? strstr(st->text.data, opt.stop) : NULL;
    if (stop) {
        st->text.len = (size_t)(stop - st->text.data);
        st->ended = "stop";
        return true;
    }
    if (st->n_tokens >= opt.max_tokens) st->ended = "length";
    return st->n_tokens >= opt.max_tokens;
}

static slk_status generate(state *st, slk_err *err)
{
    int k = (int)opt.top_k;
    slk_top top = {.k = k, .ids = slk_alloc((size_t)k, 4), .logits = slk_alloc((size_t)k, 4), .target = -1};
    slk_seg seg = SLK_SEG_NONE;
    uint64_t key = slk_hash_bytes(st->ids.ids, st->ids.n * sizeof *st->ids.ids);
    slk_status s = top.ids && top.logits ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory");
    if (s == SLK_OK) s = slk_tree_append(st->tree, SLK_SEG_NONE, st->ids.ids, (int32_t)st->ids.n, &seg, err);
    const slk_progress *progress = slk_cli_progress(st->cli);
    for (int64_t step = 0; s == SLK_OK; step++) {
        slk_ask ask = {.row = slk_tree_n_pending(st->tree, seg) - 1, .top = &top};
        slk_span span = {.seg = seg, .n = slk_tree_n_pending(st->tree, seg), .asks = &ask, .n_asks = 1};
        s = slk_tree_forward(st->tree, &span, 1, NULL, err);
        if (s != SLK_OK) break;
        int32_t token = pick(st, &top, key, step);
        if (add_token(st, token)) break;
        stream(st, false);
        if (st->text.failed) s = slk_fail(err, SLK_E_MEMORY, "out of memory");
        if (s == SLK_OK && st->cli->json &&
            !slk_progress_report(progress, "generate", "tokens", (uint64_t)st->n_tokens, (uint64_t)opt.max_tokens)) {
            s = slk_fail(err, SLK_E_INTERRUPTED, "stopped");
        }
        slk_seg next;
        if (s == SLK_OK) s = slk_tree_append(st->tree, seg, &token, 1, &next, err);
        if (s == SLK_OK) {
            slk_tree_release(st->tree, seg);
            seg = next;
        }
    }
    free(top.ids);
    free(top.logits);
    return s;
}

static slk_status print_result(state *st, const char *prompt, size_t prompt_bytes, slk_err *err)
{
    stream(st, true);
    if (!st->cli->json) {
        putchar('\n');
        return SLK_OK;
    }
    size_t n_text, n_prompt;
    char *text = slk_utf8_repair(st->text.data ? st->text.data : "", st->text.len, &n_text),
         *shown = slk_utf8_repair(prompt, prompt_bytes, &n_prompt);
    json_t *json = text && shown ? json_pack("{s:s%, s:s%, s:I, s:I, s:s}", "prompt", shown, n_prompt, "text", text,
                                             n_text, "n_prompt_tokens", (json_int_t)st->ids.n, "n_tokens",
                                             (json_int_t)st->n_tokens, "ended", st->ended)
                                 : NULL;
    free(text);
    free(shown);
    return slk_cli_json(json, err);
}

static slk_status run(slk_cli *cli, slk_err *err)
{
    state st = {.cli = cli, .ended = "length"};
    char *prompt = NULL;
    size_t n_bytes = 0;
    slk_buf wrapped;
    slk_buf_init(&wrapped);
    const char *argument = cli->n_args > 1 ? cli->args[1] : "-";
    if (cli->n_args < 2 && isatty(STDIN_FILENO))
        slk_cli_note(cli, "reading the prompt from the terminal; Ctrl-D ends it");
    slk_status s = slk_cli_read_text(&prompt, &n_bytes, argument, err);
    if (s == SLK_OK) s = slk_cli_load_model(&st.model, cli, cli->args[0], opt.adapter, err);
    if (s != SLK_OK) goto out;
    if (opt.chat)
        s = slk_cli_wrap_chat(&wrapped, st.model, prompt, n_bytes, err);
    else {
        slk_cli_note_chat(cli, st.model, true);
        slk_buf_add(&wrapped, prompt, n_bytes);
    }
    unsigned flags = SLK_ENCODE_BOS | (opt.special || opt.chat ? SLK_ENCODE_SPECIAL : 0u);
    if (s == SLK_OK) s = slk_tokenizer_encode(st.model->tokenizer, wrapped.data, wrapped.len, flags, &st.ids, err);
    if (s == SLK_OK && st.ids.n == 0)
        s = slk_cli_usage(cli, err, "the prompt is empty, and this model has no beginning token to start from");
    int64_t n_slots = (int64_t)st.ids.n + opt.max_tokens;
    if (s == SLK_OK && (int64_t)st.ids.n > st.model->config.n_context) {
        s = slk_fail(err, SLK_E_ARG, "the prompt has %zu tokens, the model's context %d", st.ids.n,
                     st.model->config.n_context);
    }
    if (n_slots > st.model->config.n_context) {
        opt.max_tokens = st.model->config.n_context - (int64_t)st.ids.n + 1;
        n_slots = st.model->config.n_context;
    }
    if (s == SLK_OK) s = slk_forward_create(&st.forward, st.model, err);
    if (s == SLK_OK) s = slk_tree_create(&st.tree, st.model, st.forward, (int32_t)n_slots, err);
    if (s == SLK_OK) s = generate(&st, err);
    if (s == SLK_OK) s = print_result(&st, prompt, n_bytes, err);
out:
    slk_tree_free(st.tree);
    slk_forward_free(st.forward);
    slk_model_close(st.model);
    slk_buf_release(&wrapped);
    slk_buf_release(&st.text);
    free(st.ids.ids);
    free(prompt);
    return s;
}

const slk_command slk_cmd_generate = {
    .name = "generate",
    .group = SLK_GROUP_MODEL,
    .summary = "let the model go on with a text",
    .synopsis = "MODEL [PROMPT|-]",
    .about = "Streams the model's continuation of PROMPT (standard input without it) to stdout. The same seed gives "
             "the same text.\n\n"
             "--json: {\"prompt\", \"text\", \"n_prompt_tokens\", \"n_tokens\", \"ended\": \"end|stop|length\"}",
    .examples = {"slick generate model.gguf 'The capital of France is' --max-tokens 8 --temperature 0",
                 "slick generate model.gguf --chat 'Why is the sky blue?' --seed 3"},
    .n_args_min = 1,
    .n_args_max = 2,
    .options = OPTIONS,
    .run = run,
};
