/* Getting out what was trained: the masters, in place of the base model's values. */
#ifndef SLK_TRAIN_SAVE_H
#define SLK_TRAIN_SAVE_H

#include "base/dtype.h"
#include "base/error.h"
#include "model/params.h"

/* Write the model that params change to `path`: a GGUF file if it ends in ".gguf", else a Hugging Face directory; an
 * older one is replaced (model/convert.h). Matrices in the compute type, so that the file computes what the model in
 * memory does; tensors that are not trained as the source has them, rounded to it. The source is read again. Errors:
 * slk_convert's. */
slk_status slk_save_model(const slk_params *params, const char *path, slk_err *err);
/* The same with matrices in `dtype`: F32, F16 or BF16. */
slk_status slk_save_model_as(const slk_params *params, const char *path, slk_dtype dtype, slk_err *err);

/* Write the adapter that params are (made with `lora`): GGUF if path ends in ".gguf", else a PEFT directory; an older
 * one is replaced. Values are the masters, float32. Errors: slk_adapter_write's, SLK_E_MEMORY. */
slk_status slk_save_adapter(const slk_params *params, const slk_lora *lora, const char *path, slk_err *err);

#endif
