#include "engine.h"

#include <string.h>

static slk_compute_options compute_options(const slk_cli *cli)
{
    slk_compute_options options = {.backend = SLK_BACKEND_DNNL, .dtype = -1, .n_threads = (int)cli->threads};
    if (cli->dtype) options.dtype = strcmp(cli->dtype, "f32") == 0 ? SLK_DTYPE_F32 : SLK_DTYPE_BF16;
    return options;
}

slk_status slk_cli_load_model(slk_model **out, const slk_cli *cli, const char *path, const char *adapter, slk_err *err)
{
    slk_model_options options = {.compute = compute_options(cli), .adapter = adapter};
    return slk_model_open(out, path, &options, err);
}

slk_status slk_cli_load_trainable(slk_model **out, const slk_cli *cli, const char *path, slk_err *err)
{
    slk_model_options options = {.compute = compute_options(cli), .trainable = true};
    return slk_model_open(out, path, &options, err);
}

/* A chat format is told by a marker in the file's template; %s-free parts, so that data is never a format string. */
typedef struct chat_format {
    const char *marker, *before, *after;
} chat_format;

static const chat_format formats[] = {
    {"<|im_start|>", "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"},
    {"<|start_header_id|>", "<|start_header_id|>user<|end_header_id|>\n\n",
     "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"},
    {"<start_of_turn>", "<start_of_turn>user\n", "<end_of_turn>\n<start_of_turn>model\n"},
};

static bool chat_template(const slk_model *model, slk_gguf_str *text)
{
    return slk_source_chat_template(model->source, text);
}

void slk_cli_note_chat(const slk_cli *cli, const slk_model *model, bool has_option)
{
    slk_gguf_str text;
    if (!chat_template(model, &text)) return;
    slk_cli_note(cli, "this model has a chat template; prompts are raw text%s",
                 has_option ? " (--chat applies the template)" : "");
}

static bool contains(const slk_gguf_str *text, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= text->len; i++) {
        if (!memcmp(text->data + i, word, n)) return true;
    }
    return false;
}

slk_status slk_cli_wrap_chat(slk_buf *out, const slk_model *model, const char *prompt, size_t n_bytes, slk_err *err)
{
    slk_gguf_str text;
    const char *path = slk_source_path(model->source);
    if (!chat_template(model, &text))
        return slk_fail(err, SLK_E_UNSUPPORTED, "%s: no chat template, --chat needs one", path);
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (!contains(&text, formats[i].marker)) continue;
        slk_buf_add_str(out, formats[i].before);
        slk_buf_add(out, prompt, n_bytes);
        slk_buf_add_str(out, formats[i].after);
        return out->failed ? slk_fail(err, SLK_E_MEMORY, "out of memory") : SLK_OK;
    }
    return slk_fail(err, SLK_E_UNSUPPORTED,
                    "%s: a chat template of an unknown kind, --chat knows ChatML, Llama 3 and Gemma", path);
}
