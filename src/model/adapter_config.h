/* What PEFT's adapter_config.json says about a LoRA adapter.
 *
 * The file has some forty keys, of which most describe the training. Three lists decide: keys that change the result
 * and are applied, keys that cannot change it, and all others, which must be at rest (null, false, empty): an adapter
 * is never applied by half. */
#ifndef SLK_MODEL_ADAPTER_CONFIG_H
#define SLK_MODEL_ADAPTER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "base/json.h"
#include "model/family.h"

typedef struct slk_adapter_config {
    int64_t rank;   /* r */
    bool has_ranks; /* rank_pattern: modules have ranks of their own, which their tensors show */
    double alpha;   /* lora_alpha */
    json_t *alphas; /* alpha_pattern: end of a module's name -> alpha; NULL: none */
    bool by_root;   /* use_rslora: the scale is alpha / sqrt(rank), else alpha / rank */
    uint64_t hash;  /* of the applied settings */
} slk_adapter_config;

/* Errors: SLK_E_IO, SLK_E_FORMAT, SLK_E_UNSUPPORTED (the message names file and key). Release after success. */
slk_status slk_adapter_config_read(slk_adapter_config *out, const char *path, const slk_family *family, slk_err *err);
void slk_adapter_config_release(slk_adapter_config *config); /* zeroed is fine */
/* Alpha of a module ("model.layers.0.self_attn.q_proj"): of the first pattern that it ends with, at a dot. */
double slk_adapter_config_alpha(const slk_adapter_config *config, const char *module);

#endif
