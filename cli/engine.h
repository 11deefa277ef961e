/* Loading a model to compute with, for the commands that do. */
#ifndef SLK_CLI_ENGINE_H
#define SLK_CLI_ENGINE_H

#include "command.h"
#include "model/model.h"

/* The option of the commands that can put an adapter on the model. */
#define SLK_CLI_OPT_ADAPTER(into)                                                                                      \
    SLK_OPT_STR("adapter", into, "FILE|DIR", NULL, "put this LoRA adapter on the model: GGUF file or PEFT directory")

/* Open MODEL with the global options --threads and --dtype, and with a LoRA adapter where `adapter` is not NULL. Asking
 * for bf16 where the processor has none is an error. */
slk_status slk_cli_load_model(slk_model **out, const slk_cli *cli, const char *path, const char *adapter, slk_err *err);

/* Open MODEL to be trained (slk_model_options.trainable), with the same global options. */
slk_status slk_cli_load_trainable(slk_model **out, const slk_cli *cli, const char *path, slk_err *err);

/* One note when the model has a chat template and prompts are raw text; has_option: the command knows --chat. */
void slk_cli_note_chat(const slk_cli *cli, const slk_model *model, bool has_option);

/* Put the prompt into the model's chat format (ChatML, Llama 3, Gemma; recognised by the template's markers), with the
 * turn of the answer begun. To be tokenised with SLK_ENCODE_SPECIAL. Errors: SLK_E_UNSUPPORTED (no template, or
 * another). */
slk_status slk_cli_wrap_chat(slk_buf *out, const slk_model *model, const char *prompt, size_t n_bytes, slk_err *err);

#endif
