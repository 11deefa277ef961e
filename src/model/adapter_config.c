/* adapter_config.json. */
#include "model/adapter_config.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

/* What the training, a download or another program goes by. */
static const char *const ignored[] = {
    "auto_mapping",    "base_model_name_or_path", "ensure_weight_tying", "eva_config",
    "exclude_modules", "inference_mode",          "layers_pattern",      "layers_to_transform",
    "lora_dropout",    "megatron_core",           "peft_version",        "qalora_group_size",
    "revision",        "runtime_config",          "target_modules",      "task_type",
};
#define N_IGNORED (sizeof ignored / sizeof ignored[0])

static bool is_ignored(const char *key)
{
    for (size_t i = 0; i < N_IGNORED; i++) {
        if (!strcmp(ignored[i], key)) return true;
    }
    return false;
}

static bool is_at_rest(const json_t *v)
{
    return json_is_null(v) || json_is_false(v) || (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_object(v) && json_object_size(v) == 0);
}

static slk_status refuse(const char *path, const char *key, const json_t *value, slk_err *err)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    slk_fail(err, SLK_E_UNSUPPORTED, "%s: key %.64s is %.64s, which slick cannot apply", path, key, text ? text : "?");
    free(text);
    return SLK_E_UNSUPPORTED;
}

/* Initialisations that leave the model as it was: others (PiSSA, OLoRA, LoftQ, CorDA) take the adapter's first values
 * out of its weights, and without those the adapter does not fit. */
static bool keeps_base(const json_t *v)
{
    if (!json_is_string(v)) return json_is_boolean(v) || json_is_null(v);
    const char *name = json_string_value(v);
    return !strcmp(name, "gaussian") || !strcmp(name, "orthogonal") || !strcmp(name, "eva");
}

static bool is_plain(const char *pattern)
{
    return *pattern && !strpbrk(pattern, "\\^$*+?()[]{}|");
}

/* Patterns are regular expressions; names and their ends are what people write. */
static slk_status read_alphas(slk_adapter_config *out, const char *path, json_t *value, slk_err *err)
{
    const char *pattern;
    json_t *alpha;
    if (!json_is_object(value)) return refuse(path, "alpha_pattern", value, err);
    json_object_foreach(value, pattern, alpha)
    {
        if (!is_plain(pattern) || !json_is_number(alpha)) return refuse(path, "alpha_pattern", value, err);
        double x = json_number_value(alpha);
        out->hash = slk_hash_more(slk_hash_str(out->hash, pattern), &x, sizeof x);
    }
    out->alphas = json_incref(value);
    return SLK_OK;
}

static slk_status read_key(slk_adapter_config *out, const char *path, const slk_family *family, const char *key,
                           json_t *value, slk_err *err)
{
    if (!strcmp(key, "r") || !strcmp(key, "lora_alpha") || !strcmp(key, "peft_type") || is_ignored(key)) return SLK_OK;
    if (!strcmp(key, "init_lora_weights")) return keeps_base(value) ? SLK_OK : refuse(path, key, value, err);
    if (is_at_rest(value)) return SLK_OK;
    if (!strcmp(key, "bias"))
        return json_is_string(value) && !strcmp(json_string_value(value), "none") ? SLK_OK
                                                                                  : refuse(path, key, value, err);
    if (!strcmp(key, "alpha_pattern")) return read_alphas(out, path, value, err);
    if (!strcmp(key, "rank_pattern") && json_is_object(value)) {
        out->has_ranks = true;
        return SLK_OK;
    }
    if (!strcmp(key, "use_rslora") && json_is_true(value)) {
        out->by_root = true;
        return SLK_OK;
    }
    /* It says how the model keeps its matrices. GPT-2's are transposed, and A and B are the same either way. */
    bool is_conv1d = family->fused_qkv && family->learned_positions;
    if (!strcmp(key, "fan_in_fan_out") && json_is_true(value) && is_conv1d) return SLK_OK;
    return refuse(path, key, value, err);
}

static slk_status read_all(slk_adapter_config *out, const char *path, const slk_family *family, json_t *json,
                           slk_err *err)
{
    const char *key;
    json_t *value;
    const json_t *type = json_object_get(json, "peft_type"), *rank = json_object_get(json, "r"),
                 *alpha = json_object_get(json, "lora_alpha");
    if (!json_is_object(json)) return slk_fail(err, SLK_E_FORMAT, "%s: expected an object", path);
    if (!json_is_string(type))
        return slk_fail(err, SLK_E_FORMAT, "%s: key peft_type is missing, expected \"LORA\"", path);
    if (strcmp(json_string_value(type), "LORA") != 0) return refuse(path, "peft_type", type, err);
    if (!json_is_integer(rank) || json_integer_value(rank) < 1)
        return slk_fail(err, SLK_E_FORMAT, "%s: key r is missing or no rank", path);
    if (!json_is_number(alpha)) return slk_fail(err, SLK_E_FORMAT, "%s: key lora_alpha is missing or no number", path);
    out->rank = json_integer_value(rank);
    out->alpha = json_number_value(alpha);
    out->hash = slk_hash_more(0, &out->alpha, sizeof out->alpha);
    json_object_foreach(json, key, value)
    {
        slk_status s = read_key(out, path, family, key, value, err);
        if (s != SLK_OK) return s;
    }
    out->hash = slk_hash_more(out->hash, out->by_root ? "root" : "", out->by_root ? 4 : 0);
    return SLK_OK;
}

slk_status slk_adapter_config_read(slk_adapter_config *out, const char *path, const slk_family *family, slk_err *err)
{
    json_t *json;
    *out = (slk_adapter_config){0};
    slk_status s = slk_json_read(&json, path, err);
    if (s != SLK_OK) return s;
    s = read_all(out, path, family, json, err);
    json_decref(json);
    if (s != SLK_OK) slk_adapter_config_release(out);
    return s;
}

void slk_adapter_config_release(slk_adapter_config *config)
{
    json_decref(config->alphas);
    config->alphas = NULL;
}

double slk_adapter_config_alpha(const slk_adapter_config *config, const char *module)
{
    const char *pattern;
    json_t *alpha;
    json_object_foreach(config->alphas, pattern, alpha)
    {
        size_t n = strlen(module), n_end = strlen(pattern);
        if (n_end > n || strcmp(module + n - n_end, pattern) != 0) continue;
        if (n_end == n || module[n - n_end - 1] == '.') return json_number_value(alpha);
    }
    return config->alpha;
}
