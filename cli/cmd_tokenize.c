/* slick tokenize: text -> token ids. */
#include "command.h"

#include <stdlib.h>
#include <unistd.h>
#include "model.h"
#include "table.h"

static struct {
    bool special, bos;
} opt;

static const slk_option OPTIONS[] = {
    SLK_OPT_FLAG("special", &opt.special, "text that spells a control token, like <|im_end|>, is that token"),
    SLK_OPT_FLAG("bos", &opt.bos, "with the tokens that the model asks for at the beginning and end of a text"),
    SLK_OPT_END};

static slk_status print_json(const slk_tokenizer *tok, const slk_ids *ids, slk_err *err)
{
    json_t *list = json_array(), *pieces = json_array();
    slk_buf piece;
    slk_buf_init(&piece);
    for (size_t i = 0; i < ids->n; i++) {
        slk_buf_clear(&piece);
        slk_buf_add(&piece, "", 0);
        slk_cli_add_piece(&piece, tok, ids->ids[i]);
        json_array_append_new(list, json_integer(ids->ids[i]));
        json_array_append_new(pieces, json_stringn(piece.data ? piece.data : "", piece.len));
    }
    slk_buf_release(&piece);
    return slk_cli_json(json_pack("{s:o, s:o}", "ids", list, "pieces", pieces), err);
}

static slk_status print_table(const slk_cli *cli, const slk_tokenizer *tok, const slk_ids *ids, slk_err *err)
{
    slk_table table;
    slk_table_init(&table, "rl", (const char *const[]){"id", "piece"});
    slk_buf piece, quoted;
    slk_buf_init(&piece);
    slk_buf_init(&quoted);
    for (size_t i = 0; i < ids->n; i++) {
        slk_buf_clear(&piece);
        slk_buf_clear(&quoted);
        slk_cli_add_piece(&piece, tok, ids->ids[i]);
        slk_cli_add_quoted(&quoted, piece.data ? piece.data : "", piece.len);
        slk_table_cell(&table, "%d", ids->ids[i]);
        slk_table_cell(&table, "%s", quoted.failed ? "" : quoted.data);
    }
    slk_buf_release(&piece);
    slk_buf_release(&quoted);
    slk_status status = slk_table_print(&table, stdout, err);
    slk_table_release(&table);
    if (!status) slk_cli_note(cli, "%zu token%s", ids->n, ids->n == 1 ? "" : "s");
    return status;
}

static slk_status run(slk_cli *cli, slk_err *err)
{
    slk_tokenizer *tok = NULL;
    slk_ids ids = {0};
    char *text = NULL;
    size_t n_bytes = 0;
    slk_status status = slk_cli_open_tokenizer(&tok, cli->args[0], err);
    if (status) return status;
    const char *argument = cli->n_args > 1 ? cli->args[1] : "-";
    if (cli->n_args < 2 && isatty(STDIN_FILENO))
        slk_cli_note(cli, "reading the text from the terminal; Ctrl-D ends it");
    status = slk_cli_read_text(&text, &n_bytes, argument, err);
    if (status) goto out;
    unsigned flags = (opt.special ? SLK_ENCODE_SPECIAL : 0u) | (opt.bos ? SLK_ENCODE_BOS | SLK_ENCODE_EOS : 0u);
    status = slk_tokenizer_encode(tok, text, n_bytes, flags, &ids, err);
    if (status) goto out;
    status = cli->json ? print_json(tok, &ids, err) : print_table(cli, tok, &ids, err);
out:
    free(text);
    free(ids.ids);
    slk_tokenizer_free(tok);
    return status;
}

const slk_command slk_cmd_tokenize = {
    .name = "tokenize",
    .group = SLK_GROUP_MODEL,
    .summary = "cut text into the model's tokens",
    .synopsis = "MODEL [TEXT|-]",
    .about =
        "Prints id and text of each token. Without TEXT, or with -, standard input is read byte for byte (a line break "
        "at its end is "
        "a token, too). Bytes that are no character of their own are shown as <0xE2>. A file that holds nothing but "
        "a vocabulary will do. A GGUF file tokenises as llama.cpp does, a Hugging Face directory as Transformers.\n\n"
        "--json: {\"ids\": [...], \"pieces\": [...]}",
    .examples = {"slick tokenize model.gguf 'Paris is the capital of France.'",
                 "printf 'a b' | slick tokenize model.gguf --bos --json"},
    .n_args_min = 1,
    .n_args_max = 2,
    .options = OPTIONS,
    .run = run,
};
