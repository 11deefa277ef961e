/* Converting a model between GGUF and Hugging Face directories, and between types. What is written has the same weights
 * in the other format's layout (family.h), its own description and a vocabulary:
 *
 *   GGUF       matrices in the type asked for, vectors F32, tokenizer.ggml.* keys, rope_freqs
 *   directory  config.json, model.safetensors, tokenizer.json, tokenizer_config.json, chat_template.jinja; vectors in
 * the type of the matrices where that loses nothing, else F32
 *
 * There and back gives the same tensors bit for bit where the types allow: Gemma's norm gains are stored with 1 added
 * in GGUF, which rounds a float32 gain. Tensors go through memory one at a time. */
#ifndef SLK_MODEL_CONVERT_H
#define SLK_MODEL_CONVERT_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"
#include "base/progress.h"

/* Put other values in the place of a tensor's: [n_rows, n_cols] in GGUF's layout and float32, as slick computes with
 * them (a vector has n_rows 1; Gemma's gains have 1 added). Called once for each tensor of the model, with its GGUF
 * name, by one thread; rope_freqs.weight is no such tensor, a tied output has none. Whatever the output's format does
 * (order, transposition, Gemma's query factor, rounding to the type) comes after. What fails stops the conversion. */
typedef slk_status slk_convert_edit(void *user, const char *gguf_name, float *values, int64_t n_rows, int64_t n_cols,
                                    slk_err *err);

typedef struct slk_convert_options {
    int dtype; /* F32, F16, BF16 or (GGUF) Q8_0; -1: as the source has it, F16 for what a directory cannot hold, and
                  BF16 for edited matrices whose source is quantised (a directory: then for all of these) */
    bool overwrite;
    int n_threads;
    const slk_progress *progress;
    slk_convert_edit *edit;                           /* NULL: the values are the source's */
    bool (*edits)(void *user, const char *gguf_name); /* which tensors edit is called for; NULL: all */
    void *edit_user;                                  /* the first argument of both */
} slk_convert_options;

/* What one may want to tell people. */
typedef struct slk_convert_report {
    size_t n_tensors, n_dequantised; /* written; of these, made of quantised ones */
    size_t n_edited;                 /* given to the hook */
    size_t n_unplaced;               /* tensors of the source that have no place in the model and were left out */
    char unplaced[128];              /* the first of them */
    size_t n_not_q8;                 /* matrices whose rows are no multiple of 32 wide: F16 instead of Q8_0 */
    bool window_ignored;             /* GGUF: llama.cpp computes full attention in this architecture */
    bool window_assumed;             /* directory: written as Mistral, whose window is the only difference to Llama */
    double query_factor;             /* GGUF: Gemma's query matrices were multiplied by it (1: were not) */
    bool query_rounded;              /* and that is no power of two */
} slk_convert_report;

/* Convert MODEL to `out`: a GGUF file if the name ends in ".gguf", else a directory. A file or directory
 * appears when it is complete and on the disk. A directory that exists (overwrite) is replaced as base/folder.h says,
 * config.json being the mark: a kill at any moment leaves the old model, the new one, or no config.json. Errors:
 * slk_source_open's and the tokenizer's; SLK_E_STATE (out exists and !overwrite); SLK_E_UNSUPPORTED; SLK_E_IO;
 * SLK_E_MEMORY; SLK_E_INTERRUPTED. */
slk_status slk_convert(slk_convert_report *report, const char *model, const char *out,
                       const slk_convert_options *options, slk_err *err);

#endif
