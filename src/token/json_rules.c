/* normalizer, pre_tokenizer and post_processor of tokenizer.json. */
#include <string.h>
#include "token/json_impl.h"
#include "token/pretok.h"

#define MAX_DEPTH 8

/* One component under way. */
typedef struct part {
    slk_json_vocab *v;
    const json_t *object;
    char where[160];
    const char *type;
    int depth;
} part;

slk_status slk_json_get_bool(const char *path, const json_t *object, const char *where, const char *key, bool *value,
                             slk_err *err)
{
    const json_t *item = json_object_get(object, key);
    if (item == NULL || json_is_null(item)) return SLK_OK;
    if (!json_is_boolean(item)) {
        return slk_fail(err, SLK_E_FORMAT, "%s: %s%s%s: expected true or false", path, where, *where != '\0' ? "." : "",
                        key);
    }
    *value = json_is_true(item);
    return SLK_OK;
}

slk_status slk_json_get_str(const char *path, const json_t *object, const char *where, const char *key,
                            const char **value, slk_err *err)
{
    const json_t *item = json_object_get(object, key);
    if (item == NULL || json_is_null(item)) return SLK_OK;
    if (!json_is_string(item)) {
        return slk_fail(err, SLK_E_FORMAT, "%s: %s%s%s: expected a string", path, where, *where != '\0' ? "." : "",
                        key);
    }
    *value = json_string_value(item);
    return SLK_OK;
}

static slk_status fail_part(const part *p, const char *key, const char *found, const char *expected, slk_err *err)
{
    return slk_fail(err, SLK_E_UNSUPPORTED, "%s: %s.%s: '%.200s' is not one that slick knows (%s)", p->v->path,
                    p->where, key, found, expected);
}

static slk_status begin_part(part *p, slk_json_vocab *v, const json_t *object, const char *where, slk_err *err)
{
    *p = (part){.v = v, .object = object};
    size_t n = strlen(where);
    memcpy(p->where, where, n < sizeof p->where ? n : sizeof p->where - 1); /* the rest is zeros */
    if (!json_is_object(object)) return slk_fail(err, SLK_E_FORMAT, "%s: %s: expected an object", v->path, p->where);
    slk_status status = slk_json_get_str(v->path, object, p->where, "type", &p->type, err);
    if (status == SLK_OK && p->type == NULL)
        return slk_fail(err, SLK_E_NOT_FOUND, "%s: %s.type is missing", v->path, p->where);
    return status;
}

typedef slk_status read_part(part *p, slk_err *err);

/* The parts of a sequence, in order. */
static slk_status read_sequence(const part *p, const char *key, read_part *read, slk_err *err)
{
    const json_t *list = json_object_get(p->object, key);
    if (!json_is_array(list) || p->depth >= MAX_DEPTH) {
        return slk_fail(err, SLK_E_FORMAT, "%s: %s.%s: expected an array, not nested more than %d times", p->v->path,
                        p->where, key, MAX_DEPTH);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        slk_buf where = {0};
        part item;
        slk_buf_addf(&where, "%s.%s[%zu]", p->where, key, i);
        if (where.failed) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", p->v->path);
        slk_status status = begin_part(&item, p->v, json_array_get(list, i), where.data, err);
        slk_buf_release(&where);
        item.depth = p->depth + 1;
        if (status == SLK_OK) status = read(&item, err);
        if (status != SLK_OK) return status;
    }
    return SLK_OK;
}

/* {"String": s} or {"Regex": s} */
static slk_status read_pattern(const part *p, const char **string, const char **regex, slk_err *err)
{
    const json_t *pattern = json_object_get(p->object, "pattern");
    *string = *regex = NULL;
    slk_status status = slk_json_get_str(p->v->path, pattern, p->where, "String", string, err);
    if (status == SLK_OK) status = slk_json_get_str(p->v->path, pattern, p->where, "Regex", regex, err);
    if (status != SLK_OK) return status;
    if ((*string == NULL) != (*regex == NULL) && (*string == NULL || **string != '\0')) return SLK_OK;
    return slk_fail(err, SLK_E_FORMAT, "%s: %s.pattern: expected {\"String\": ...} or {\"Regex\": ...}", p->v->path,
                    p->where);
}

/* --- normalizer --- */

static slk_status read_normalizer(part *p, slk_err *err)
{
    slk_json_rules *r = &p->v->found;
    slk_normal_op op = {0};
    const char *string = NULL, *regex = NULL, *to = NULL;
    slk_status status = SLK_OK;
    if (strcmp(p->type, "Sequence") == 0) return read_sequence(p, "normalizers", read_normalizer, err);
    if (strcmp(p->type, "NFC") == 0) {
        op.kind = SLK_NORMAL_NFC;
    } else if (strcmp(p->type, "Prepend") == 0) {
        op.kind = SLK_NORMAL_PREPEND;
        status = slk_json_get_str(p->v->path, p->object, p->where, "prepend", &to, err);
    } else if (strcmp(p->type, "Replace") == 0) {
        op.kind = SLK_NORMAL_REPLACE;
        status = read_pattern(p, &string, &regex, err);
        if (status == SLK_OK && regex != NULL) return fail_part(p, "pattern.Regex", regex, "strings alone", err);
        if (status == SLK_OK) status = slk_json_get_str(p->v->path, p->object, p->where, "content", &to, err);
    } else {
        return fail_part(p, "type", p->type, "NFC, Prepend, Replace, Sequence", err);
    }
    if (status != SLK_OK) return status;
    if (op.kind != SLK_NORMAL_NFC && to == NULL) {
        return slk_fail(err, SLK_E_NOT_FOUND, "%s: %s.%s is missing", p->v->path, p->where,
                        op.kind == SLK_NORMAL_PREPEND ? "prepend" : "content");
    }
    if (r->n_ops == SLK_JSON_MAX_OPS)
        return slk_fail(err, SLK_E_UNSUPPORTED, "%s: normalizer: more than %d steps", p->v->path, SLK_JSON_MAX_OPS);
    if (string != NULL) op.from = (slk_bytes){string, strlen(string)};
    if (to != NULL) op.to = (slk_bytes){to, strlen(to)};
    r->ops[r->n_ops++] = op;
    return SLK_OK;
}

/* Has normalising taken every `string` out of the text? The last step that could bring it in or take it out decides. */
static bool is_normalized_away(const slk_json_rules *r, const char *string)
{
    size_t len = strlen(string);
    bool away = false;
    for (size_t i = 0; i < r->n_ops; i++) {
        const slk_normal_op *op = &r->ops[i];
        bool brings = op->kind == SLK_NORMAL_NFC || op->to.len == 0 || strstr(op->to.data, string) != NULL;
        bool takes = op->kind == SLK_NORMAL_REPLACE && op->from.len == len && memcmp(op->from.data, string, len) == 0;
        away = !brings && (away || takes);
    }
    return away && len == 1; /* of longer strings a replacement could make new ones with what stands next to it */
}

/* --- pre_tokenizer --- */

static slk_status add_pattern(const part *p, const char *pattern, const char *name, slk_err *err)
{
    slk_json_rules *r = &p->v->found;
    if (r->n_patterns == SLK_RULES_MAX_PATTERNS || r->prefix != SLK_PREFIX_NONE) {
        return slk_fail(err, SLK_E_UNSUPPORTED, "%s: %s: this sequence of pre-tokenisers is not one that slick knows",
                        p->v->path, p->where);
    }
    r->names[r->n_patterns] = name;
    r->patterns[r->n_patterns++] = pattern;
    return SLK_OK;
}

static slk_status read_byte_level(const part *p, slk_err *err)
{
    slk_json_rules *r = &p->v->found;
    bool prefix = true, regex = true; /* as tokenizers takes them when they are missing */
    slk_status status = slk_json_get_bool(p->v->path, p->object, p->where, "add_prefix_space", &prefix, err);
    if (status == SLK_OK) status = slk_json_get_bool(p->v->path, p->object, p->where, "use_regex", &regex, err);
    if (status != SLK_OK) return status;
    /* After another pre-tokeniser it would put a space before every word. */
    if (prefix && r->n_patterns > 0) return fail_part(p, "add_prefix_space", "true", "true for the first alone", err);
    const char *family, *gpt2 = slk_pretok_find_regex(SLK_PRETOK_REGEX_GPT2, &family);
    if (regex) status = add_pattern(p, gpt2, family, err);
    r->prefix = prefix ? SLK_PREFIX_ALWAYS : SLK_PREFIX_NONE;
    r->byte_level = true;
    return status;
}

static slk_status read_metaspace(const part *p, slk_err *err)
{
    slk_json_rules *r = &p->v->found;
    const char *replacement = SLK_SPACE_MARK, *scheme = NULL;
    bool prefix = true;
    r->split_words = true;
    slk_status status = slk_json_get_str(p->v->path, p->object, p->where, "replacement", &replacement, err);
    if (status == SLK_OK) status = slk_json_get_str(p->v->path, p->object, p->where, "prepend_scheme", &scheme, err);
    if (status == SLK_OK) status = slk_json_get_bool(p->v->path, p->object, p->where, "split", &r->split_words, err);
    if (status == SLK_OK) status = slk_json_get_bool(p->v->path, p->object, p->where, "add_prefix_space", &prefix, err);
    if (status != SLK_OK) return status;
    if (strcmp(replacement, SLK_SPACE_MARK) != 0) return fail_part(p, "replacement", replacement, "U+2581", err);
    if (r->metaspace || r->n_patterns > 0) {
        return slk_fail(err, SLK_E_UNSUPPORTED,
                        "%s: %s: Metaspace after another pre-tokeniser is not one that slick knows", p->v->path,
                        p->where);
    }
    if (scheme == NULL) scheme = prefix ? "always" : "never";
    if (strcmp(scheme, "always") != 0 && strcmp(scheme, "first") != 0 && strcmp(scheme, "never") != 0)
        return fail_part(p, "prepend_scheme", scheme, "always, first, never", err);
    r->prefix = *scheme == 'a' ? SLK_PREFIX_ALWAYS : *scheme == 'f' ? SLK_PREFIX_FIRST : SLK_PREFIX_NONE;
    r->metaspace = true;
    return SLK_OK;
}

static slk_status read_split(const part *p, slk_err *err)
{
    const char *string, *regex, *behavior = "", *family;
    bool invert = false;
    slk_status status = read_pattern(p, &string, &regex, err);
    if (status == SLK_OK) status = slk_json_get_str(p->v->path, p->object, p->where, "behavior", &behavior, err);
    if (status == SLK_OK) status = slk_json_get_bool(p->v->path, p->object, p->where, "invert", &invert, err);
    if (status != SLK_OK) return status;
    if (string != NULL) {
        if (is_normalized_away(&p->v->found, string)) return SLK_OK;
        return fail_part(p, "pattern.String", string, "strings that the normaliser leaves nowhere", err);
    }
    const char *pattern = slk_pretok_find_regex(regex, &family);
    if (pattern == NULL) return fail_part(p, "pattern.Regex", regex, "those of GPT-2, Llama 3 and Qwen 2", err);
    /* The patterns match everywhere, so what lies between matches, which "Removed" drops, is empty. */
    bool isolated = strcmp(behavior, "Isolated") == 0, inverted = strcmp(behavior, "Removed") == 0 && invert;
    if (!isolated && !inverted) return fail_part(p, "behavior", behavior, "Isolated; Removed with invert", err);
    return add_pattern(p, pattern, family, err);
}

static slk_status read_pre_tokenizer(part *p, slk_err *err)
{
    if (strcmp(p->type, "Sequence") == 0) return read_sequence(p, "pretokenizers", read_pre_tokenizer, err);
    if (p->v->found.byte_level) {
        return slk_fail(err, SLK_E_UNSUPPORTED, "%s: %s: '%.60s' after ByteLevel is not one that slick knows",
                        p->v->path, p->where, p->type);
    }
    if (strcmp(p->type, "ByteLevel") == 0) return read_byte_level(p, err);
    if (strcmp(p->type, "Metaspace") == 0) return read_metaspace(p, err);
    if (strcmp(p->type, "Split") == 0) return read_split(p, err);
    if (strcmp(p->type, "Digits") == 0) {
        bool individual = false;
        slk_status status = slk_json_get_bool(p->v->path, p->object, p->where, "individual_digits", &individual, err);
        if (status != SLK_OK) return status;
        return add_pattern(p, individual ? slk_pretok_digit() : slk_pretok_digits(), individual ? "digit" : "digits",
                           err);
    }
    return fail_part(p, "type", p->type, "ByteLevel, Digits, Metaspace, Split, Sequence", err);
}

/* --- post_processor --- */

/* The one id of a template's special token. */
static slk_status read_template_id(const part *p, const json_t *special, int32_t *id, slk_err *err)
{
    const char *name = json_string_value(json_object_get(special, "id"));
    const json_t *ids = json_object_get(json_object_get(json_object_get(p->object, "special_tokens"), name), "ids");
    const json_t *first = json_array_get(ids, 0);
    if (name == NULL || json_array_size(ids) != 1 || !json_is_integer(first) || json_integer_value(first) < 0 ||
        json_integer_value(first) > INT32_MAX) {
        return slk_fail(err, SLK_E_FORMAT, "%s: %s.special_tokens: expected one id for '%.60s'", p->v->path, p->where,
                        name != NULL ? name : "?");
    }
    *id = (int32_t)json_integer_value(first);
    return SLK_OK;
}

static slk_status read_template(const part *p, slk_err *err)
{
    slk_json_rules *r = &p->v->found;
    const json_t *single = json_object_get(p->object, "single");
    bool seen = false, known = json_is_array(single);
    for (size_t i = 0; i < json_array_size(single) && known; i++) {
        const json_t *item = json_array_get(single, i), *special = json_object_get(item, "SpecialToken");
        int32_t *id = seen ? &r->template_eos : &r->template_bos;
        if (special == NULL) {
            known = !seen && json_object_get(item, "Sequence") != NULL;
            seen = true;
        } else {
            known = *id < 0;
            slk_status status = known ? read_template_id(p, special, id, err) : SLK_OK;
            if (status != SLK_OK) return status;
        }
    }
    if (!known || !seen) {
        return slk_fail(err, SLK_E_UNSUPPORTED,
                        "%s: %s.single is not one that slick knows (the text, at most one token before and behind it)",
                        p->v->path, p->where);
    }
    r->add_bos = r->template_bos >= 0;
    r->add_eos = r->template_eos >= 0;
    return SLK_OK;
}

static slk_status read_post_processor(part *p, slk_err *err)
{
    if (strcmp(p->type, "Sequence") == 0) return read_sequence(p, "processors", read_post_processor, err);
    if (strcmp(p->type, "TemplateProcessing") == 0) return read_template(p, err);
    if (strcmp(p->type, "ByteLevel") == 0) return SLK_OK; /* changes offsets, not ids */
    return fail_part(p, "type", p->type, "ByteLevel, TemplateProcessing, Sequence", err);
}

slk_status slk_json_read_rules(slk_json_vocab *v, slk_err *err)
{
    static const struct {
        const char *key;
        read_part *read;
    } parts[] = {{"normalizer", read_normalizer},
                 {"pre_tokenizer", read_pre_tokenizer},
                 {"post_processor", read_post_processor}};
    v->found.template_bos = v->found.template_eos = -1;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const json_t *object = json_object_get(v->root, parts[i].key);
        part p;
        if (object == NULL || json_is_null(object)) continue;
        slk_status status = begin_part(&p, v, object, parts[i].key, err);
        if (status == SLK_OK) status = parts[i].read(&p, err);
        if (status != SLK_OK) return status;
    }
    return SLK_OK;
}
