/* Merging: a LoRA adapter's product into the matrices that it is for, W + scale * B A, in a model that is written out.
 */
#ifndef SLK_MODEL_MERGE_H
#define SLK_MODEL_MERGE_H

#include "model/convert.h"

/* slk_convert (options->edit must be NULL) with an adapter, a PEFT directory or a GGUF file, merged: the sum is made in
 * double, rounded to float32, then to the type of the output. Quantised matrices without adapter stay as they are in
 * GGUF. report->n_edited says how many matrices were changed. Errors: slk_convert's and slk_adapter_open's. */
slk_status slk_merge(slk_convert_report *report, const char *model, const char *adapter, const char *out,
                     const slk_convert_options *options, slk_err *err);

#endif
