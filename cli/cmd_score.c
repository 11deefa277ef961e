/* slick score: given prompts and answers, what the model makes of them. */
#include "command.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "engine.h"
#include "know/score.h"
#include "table.h"

static struct {
    const char *match, *adapter;
    int64_t max_tokens, top_k, batch_tokens;
    double temperature;
} opt;

static const slk_option OPTIONS[] = {
    SLK_OPT_STR("match", &opt.match, "em|strict|contains|f1:X", "em", "when the greedy answer counts as the same"),
    SLK_OPT_INT("max-tokens", &opt.max_tokens, "N", "32", 1, 4096, "where the greedy answer ends at the latest"),
    SLK_OPT_REAL("temperature", &opt.temperature, "T", "0.5", 1e-3, 100, "of p_sample"),
    SLK_OPT_INT("top-k", &opt.top_k, "K", "40", 1, SLK_TOP_MAX, "of p_sample"),
    SLK_OPT_INT("batch-tokens", &opt.batch_tokens, "N", "512", 1, 1 << 20,
                "rows computed at a time; never changes a number"),
    SLK_CLI_OPT_ADAPTER(&opt.adapter),
    SLK_OPT_END};

typedef struct pairs {
    slk_pair *items;
    size_t n, cap;
    json_t **lines; /* [n] owners of the strings */
    size_t cap_lines;
} pairs;

static void free_pairs(pairs *p)
{
    for (size_t i = 0; i < p->n; i++) json_decref(p->lines[i]);
    free(p->items);
    free(p->lines);
}

static slk_status add_pair(pairs *p, const char *line, size_t n_bytes, const char *path, long number, slk_err *err)
{
    json_t *json;
    slk_status s = slk_json_parse(&json, line, n_bytes, path, number, err);
    if (s != SLK_OK) return s;
    const char *prompt = json_string_value(json_object_get(json, "prompt")),
               *answer = json_string_value(json_object_get(json, "answer"));
    if (!prompt || !answer)
        s = slk_fail(err, SLK_E_FORMAT, "%s:%ld: expected an object with the strings \"prompt\" and \"answer\"", path,
                     number);
    else if (strchr(answer, '\n'))
        s = slk_fail(err, SLK_E_FORMAT, "%s:%ld: the answer has a line break, where answers end", path, number);
    size_t begin, end;
    if (s == SLK_OK) {
        slk_text_trim(answer, strlen(answer), &begin, &end);
        if (begin == end) s = slk_fail(err, SLK_E_FORMAT, "%s:%ld: the answer is empty", path, number);
    }
    if (s == SLK_OK && (!slk_grow(&p->items, &p->cap, p->n + 1, sizeof *p->items) ||
                        !slk_grow(&p->lines, &p->cap_lines, p->n + 1, sizeof *p->lines))) {
        s = slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
    }
    if (s != SLK_OK) {
        json_decref(json);
        return s;
    }
    p->lines[p->n] = json;
    p->items[p->n++] = (slk_pair){prompt, answer};
    return SLK_OK;
}

static slk_status read_pairs(pairs *p, const char *path, slk_err *err)
{
    char *text;
    size_t n_bytes;
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    slk_status s = slk_file_read(&text, &n_bytes, path, err);
    long number = 1;
    for (size_t i = 0; s == SLK_OK && i < n_bytes; number++) {
        const char *end = memchr(text + i, '\n', n_bytes - i);
        size_t n = end ? (size_t)(end - text) - i : n_bytes - i, blank = strspn(text + i, " \t\r");
        if (blank < n) s = add_pair(p, text + i, n, name, number, err);
        i += n + 1;
    }
    free(text);
    if (s == SLK_OK && p->n == 0)
        s = slk_fail(err, SLK_E_FORMAT, "%s: found no pairs, expected one JSON object a line", name);
    return s;
}

static slk_status print_line(void *user, size_t index, const slk_score *score, slk_err *err)
{
    (void)user, (void)index;
    json_t *json = json_pack("{s:b, s:s, s:f, s:f, s:i}", "greedy_match", (int)score->greedy_match, "greedy_answer",
                             score->greedy_answer, "logprob", isfinite(score->logprob) ? score->logprob : -1e308,
                             "p_sample", score->p_sample, "n_tokens", score->n_tokens);
    return slk_cli_json(json, err);
}

static slk_status run(slk_cli *cli, slk_err *err)
{
    slk_model *model = NULL;
    pairs p = {0};
    slk_score_options options = {.temperature = opt.temperature,
                                 .top_k = (int)opt.top_k,
                                 .n_max_tokens = (int)opt.max_tokens,
                                 .n_batch_rows = (int32_t)opt.batch_tokens};
    if (slk_match_parse(&options.match, opt.match, err) != SLK_OK)
        return slk_cli_usage(cli, err, "--match: %s", err->msg);
    slk_status s = read_pairs(&p, cli->args[1], err);
    if (s == SLK_OK) s = slk_cli_load_model(&model, cli, cli->args[0], opt.adapter, err);
    if (s == SLK_OK) s = slk_score_run(model, p.items, p.n, &options, print_line, NULL, slk_cli_progress(cli), err);
    slk_model_close(model);
    free_pairs(&p);
    return s;
}

const slk_command slk_cmd_score = {
    .name = "score",
    .group = SLK_GROUP_MODEL,
    .summary = "how likely given answers are, and what greedy decoding writes",
    .synopsis = "MODEL PAIRS.jsonl|-",
    .about = "For each line {\"prompt\", \"answer\"} prints a JSON line, in the order of the input:\n\n"
             "  greedy_match   the greedy answer matches (--match)\n"
             "  greedy_answer  up to the first line break, end token or --max-tokens\n"
             "  logprob        natural log of P(answer + line break | prompt) at T = 1 over the whole vocabulary\n"
             "  p_sample       the same path's probability at --temperature and --top-k\n"
             "  n_tokens       tokens of answer + line break\n\n"
             "The answer follows the prompt after one space.",
    .examples = {"slick score model.gguf pairs.jsonl",
                 "echo '{\"prompt\": \"Q: Where is Paris?\\nA:\", \"answer\": \"France\"}' | slick score model.gguf -"},
    .n_args_min = 2,
    .n_args_max = 2,
    .options = OPTIONS,
    .run = run,
};
