/* slick convert: a model in another format or type. */
#include "command.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "base/dtype.h"
#include "model/merge.h"
#include "terminal.h"

static struct {
    const char *output, *dtype, *merge;
} opt;

static const slk_option OPTIONS[] = {
    {"output",
     'o',
     SLK_OPTION_STR,
     {.str = &opt.output},
     "OUT",
     NULL,
     0,
     0,
     "what to write: X.gguf, or else a Hugging Face directory"},
    SLK_OPT_STR("dtype", &opt.dtype, "F32|F16|BF16|Q8_0", NULL,
                "type of the matrices (default: as they are, and F16 for what OUT cannot hold)"),
    SLK_OPT_STR("merge", &opt.merge, "ADAPTER", NULL,
                "add this LoRA adapter (PEFT directory or GGUF file) to the matrices"),
    SLK_OPT_END};

static slk_status parse_dtype(slk_cli *cli, int *dtype, slk_err *err)
{
    static const slk_dtype types[] = {SLK_DTYPE_F32, SLK_DTYPE_F16, SLK_DTYPE_BF16, SLK_DTYPE_Q8_0};
    *dtype = -1;
    for (size_t i = 0; opt.dtype && i < sizeof types / sizeof types[0]; i++) {
        if (!strcasecmp(opt.dtype, slk_dtype_find(types[i])->name)) *dtype = (int)types[i];
    }
    if (!opt.dtype || *dtype >= 0) return SLK_OK;
    return slk_cli_usage(cli, err, "--dtype %s: expected F32, F16, BF16 or Q8_0", opt.dtype);
}

static void tell(const slk_cli *cli, const slk_convert_report *r)
{
    if (r->n_dequantised) {
        slk_cli_note(cli, "%zu of %zu tensors were quantised: what is written has their rounded values",
                     r->n_dequantised, r->n_tensors);
    }
    if (opt.merge) slk_cli_note(cli, "%s: merged into %zu matrices", opt.merge, r->n_edited);
    if (r->n_not_q8)
        slk_cli_note(cli, "%zu matrices are F16: their rows are no multiple of 32 wide, as Q8_0 needs", r->n_not_q8);
    if (r->n_unplaced) {
        slk_cli_note(cli, "%zu tensor%s no part of the model and left out, the first: %s", r->n_unplaced,
                     r->n_unplaced == 1 ? " is" : "s are", r->unplaced);
    }
    if (r->window_ignored)
        slk_cli_warn(cli, "the model has a sliding window; slick uses it, llama.cpp ignores it in this architecture");
    if (r->window_assumed) slk_cli_note(cli, "a llama with a sliding window: written as Mistral");
    if (r->query_factor != 1) {
        slk_cli_note(cli, "query matrices were multiplied by %g, since GGUF has no query_pre_attn_scalar%s",
                     r->query_factor, r->query_rounded ? "; this rounds them" : "");
    }
}

static slk_status run(slk_cli *cli, slk_err *err)
{
    slk_convert_report report;
    slk_convert_options options = {
        .overwrite = cli->force, .n_threads = (int)cli->threads, .progress = slk_cli_progress(cli)};
    if (!opt.output) return slk_cli_usage(cli, err, "--output (-o) is missing: where to write");
    slk_status status = parse_dtype(cli, &options.dtype, err);
    if (status) return status;
    if (options.n_threads == 0) options.n_threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (options.n_threads < 1) options.n_threads = 1;
    status = opt.merge ? slk_merge(&report, cli->args[0], opt.merge, opt.output, &options, err)
                       : slk_convert(&report, cli->args[0], opt.output, &options, err);
    if (status) return status;
    tell(cli, &report);
    if (cli->json) {
        return slk_cli_json(json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "model", cli->args[0], "output", opt.output,
                                      "n_tensors", (json_int_t)report.n_tensors, "n_dequantised",
                                      (json_int_t)report.n_dequantised, "n_left_out", (json_int_t)report.n_unplaced,
                                      "n_merged", (json_int_t)report.n_edited),
                            err);
    }
    slk_cli_note(cli, "%s: %s tensors", opt.output, slk_show_count(report.n_tensors).text);
    return SLK_OK;
}

const slk_command slk_cmd_convert = {
    .name = "convert",
    .group = SLK_GROUP_MODEL,
    .summary = "a model in the other format or another type, or with an adapter merged",
    .synopsis = "MODEL -o OUT",
    .about =
        "Writes MODEL as a GGUF file or as a Hugging Face directory (config.json, model.safetensors, tokenizer "
        "files), for llama.cpp and "
        "Transformers to load. There and back gives the same tensors bit for bit where the types allow. Quantised "
        "matrices are written as "
        "the values they stand for.\n\n"
        "--merge adds the product of a LoRA adapter's matrices, W + scale * B A, so that programs that know no "
        "adapters compute what "
        "--adapter computes. In a quantised GGUF file the matrices that it changes become BF16, the others stay.\n\n"
        "OUT appears when it is complete. An existing one needs --force.",
    .examples = {"slick convert model.gguf -o model/", "slick convert model/ -o model.gguf --dtype Q8_0",
                 "slick convert model.gguf -o merged.gguf --merge adapter/"},
    .n_args_min = 1,
    .n_args_max = 1,
    .options = OPTIONS,
    .run = run,
};
