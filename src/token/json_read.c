/* tokenizer.json and the files next to it, read into a description of a vocabulary. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "token/internal.h"
#include "token/json_impl.h"
#include "token/pretok.h"

/* Ids beyond it are taken for damage: no vocabulary is that large, and every id costs memory. */
#define MAX_TOKENS (1 << 24)
#define MAX_HOLES  (1 << 16) /* and so are more unused ids than this, and than there are tokens */

static slk_status fail_memory(const slk_json_vocab *v, slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "%s: out of memory for the vocabulary", v->path);
}

static void *alloc_zero(slk_json_vocab *v, size_t n, size_t size)
{
    void *p = slk_arena_alloc(&v->arena, n + 1, size);
    if (p != NULL) memset(p, 0, (n + 1) * size);
    return p;
}

/* --- files --- */

static char *join_path(slk_json_vocab *v, const char *name)
{
    slk_buf path = {0};
    slk_buf_addf(&path, "%s/%s", v->dir, name);
    char *copy = path.failed ? NULL : slk_arena_strndup(&v->arena, path.data, path.len);
    slk_buf_release(&path);
    return copy;
}

static slk_status find_files(slk_json_vocab *v, const char *path, slk_err *err)
{
    const char *slash = strrchr(path, '/');
    if (slk_dir_exists(path)) {
        v->dir = slk_arena_strndup(&v->arena, path, strlen(path));
        v->path = v->dir != NULL ? join_path(v, "tokenizer.json") : NULL;
    } else {
        v->dir = slash != NULL ? slk_arena_strndup(&v->arena, path, (size_t)(slash - path))
                               : slk_arena_strndup(&v->arena, ".", 1);
        v->path = slk_arena_strndup(&v->arena, path, strlen(path));
    }
    v->config_path = v->dir != NULL ? join_path(v, "tokenizer_config.json") : NULL;
    if (v->path != NULL && v->config_path != NULL) return SLK_OK;
    return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
}

static slk_status read_object(json_t **out, const char *path, slk_err *err)
{
    slk_status status = slk_json_read(out, path, err);
    if (status != SLK_OK || json_is_object(*out)) return status;
    json_decref(*out);
    *out = NULL;
    return slk_fail(err, SLK_E_FORMAT, "%s: expected an object", path);
}

/* --- model --- */

static slk_status read_model(slk_json_vocab *v, slk_err *err)
{
    const json_t *model = json_object_get(v->root, "model");
    const char *type = "BPE", *prefix = "", *suffix = "";
    if (!json_is_object(model)) {
        return slk_fail(err, model == NULL ? SLK_E_NOT_FOUND : SLK_E_FORMAT, "%s: model: %s, expected an object",
                        v->path, model == NULL ? "missing" : "has another type");
    }
    slk_status status = slk_json_get_str(v->path, model, "model", "type", &type, err);
    if (status == SLK_OK) status = slk_json_get_str(v->path, model, "model", "continuing_subword_prefix", &prefix, err);
    if (status == SLK_OK) status = slk_json_get_str(v->path, model, "model", "end_of_word_suffix", &suffix, err);
    if (status == SLK_OK) status = slk_json_get_str(v->path, model, "model", "unk_token", &v->unk, err);
    if (status == SLK_OK) status = slk_json_get_bool(v->path, model, "model", "byte_fallback", &v->byte_fallback, err);
    if (status == SLK_OK) status = slk_json_get_bool(v->path, model, "model", "ignore_merges", &v->ignore_merges, err);
    if (status != SLK_OK) return status;
    if (strcmp(type, "BPE") != 0) {
        return slk_fail(err, SLK_E_UNSUPPORTED, "%s: model.type: '%.60s' is not one that slick knows (BPE)", v->path,
                        type);
    }
    if (*prefix != '\0' || *suffix != '\0') {
        return slk_fail(err, SLK_E_UNSUPPORTED, "%s: model.%s: '%.60s' is not one that slick knows (none)", v->path,
                        *prefix != '\0' ? "continuing_subword_prefix" : "end_of_word_suffix",
                        *prefix != '\0' ? prefix : suffix);
    }
    const json_t *dropout = json_object_get(model, "dropout");
    if (dropout != NULL && !json_is_null(dropout) && !(json_is_number(dropout) && json_number_value(dropout) == 0.0)) {
        return slk_fail(err, SLK_E_UNSUPPORTED, "%s: model.dropout is not one that slick knows (none)", v->path);
    }
    v->vocab = json_object_get(model, "vocab");
    if (json_is_object(v->vocab)) return SLK_OK;
    return slk_fail(err, v->vocab == NULL ? SLK_E_NOT_FOUND : SLK_E_FORMAT,
                    "%s: model.vocab: %s, expected an object of token ids", v->path,
                    v->vocab == NULL ? "missing" : "has another type");
}

/* --- tokens --- */

static slk_status check_id(const slk_json_vocab *v, const char *where, const char *token, const json_t *id,
                           slk_err *err)
{
    if (json_is_integer(id) && json_integer_value(id) >= 0 && json_integer_value(id) < MAX_TOKENS) return SLK_OK;
    if (!json_is_integer(id))
        return slk_fail(err, SLK_E_FORMAT, "%s: %s: '%.60s': expected an integer id", v->path, where, token);
    return slk_fail(err, SLK_E_FORMAT, "%s: %s: '%.60s' has id %lld, expected 0 to %d", v->path, where, token,
                    (long long)json_integer_value(id), MAX_TOKENS - 1);
}

/* The ids that tokenizer_config.json's added_tokens_decoder has as keys; -1: not an id. */
static long parse_id(const char *key)
{
    char *end;
    long id = strtol(key, &end, 10);
    return *key >= '0' && *key <= '9' && *end == '\0' && id < MAX_TOKENS ? id : -1;
}

static void note_id(size_t *n, json_int_t id)
{
    if (id >= 0 && id < MAX_TOKENS && (size_t)id >= *n) *n = (size_t)id + 1;
}

/* Ids are checked, n_tokens is one more than the largest of the model's, or of all where the model file does not say.
 */
static slk_status count_tokens(slk_json_vocab *v, size_t n_rows, slk_err *err)
{
    size_t n = 0, i;
    const char *key;
    json_t *item;
    json_object_foreach((json_t *)v->vocab, key, item)
    {
        slk_status status = check_id(v, "model.vocab", key, item, err);
        if (status != SLK_OK) return status;
        if (n_rows > 0 && (size_t)json_integer_value(item) >= n_rows) {
            return slk_fail(err, SLK_E_FORMAT, "%s: model.vocab: '%.60s' has id %lld, but the model has %zu tokens",
                            v->path, key, (long long)json_integer_value(item), n_rows);
        }
        note_id(&n, json_integer_value(item));
    }
    if (n_rows > MAX_TOKENS)
        return slk_fail(err, SLK_E_FORMAT, "%s: %zu tokens are too many for a vocabulary", v->path, n_rows);
    if (n_rows == 0) {
        json_array_foreach(json_object_get(v->root, "added_tokens"), i, item)
            note_id(&n, json_integer_value(json_object_get(item, "id")));
        json_object_foreach(json_object_get(v->config, "added_tokens_decoder"), key, item) note_id(&n, parse_id(key));
        size_t n_listed = json_object_size(v->vocab) + json_array_size(json_object_get(v->root, "added_tokens"));
        if (n > 2 * n_listed + MAX_HOLES) {
            return slk_fail(err, SLK_E_FORMAT,
                            "%s: model.vocab, added_tokens: the largest id is %zu, of only %zu tokens", v->path, n - 1,
                            n_listed);
        }
    }
    v->n_tokens = n_rows > 0 ? n_rows : n;
    if (v->n_tokens == 0) return slk_fail(err, SLK_E_FORMAT, "%s: model.vocab is empty", v->path);
    v->tokens = alloc_zero(v, v->n_tokens, sizeof *v->tokens);
    v->types = alloc_zero(v, v->n_tokens, sizeof *v->types);
    v->added = alloc_zero(v, v->n_tokens, 1);
    return v->tokens != NULL && v->types != NULL && v->added != NULL ? SLK_OK : fail_memory(v, err);
}

static bool is_byte_name(const char *token)
{
    return strlen(token) == 6 && strncmp(token, "<0x", 3) == 0 && strspn(token + 3, "0123456789ABCDEF") == 2 &&
           token[5] == '>';
}

/* The slot that holds the spelling, or the free one where it belongs. */
static size_t find_slot(const slk_json_vocab *v, const char *text, size_t n_bytes)
{
    size_t slot = (size_t)slk_hash_bytes(text, n_bytes) & v->slot_mask;
    for (; v->slots[slot] >= 0; slot = (slot + 1) & v->slot_mask) {
        slk_bytes token = v->tokens[v->slots[slot]];
        if (token.len == n_bytes && memcmp(token.data, text, n_bytes) == 0) break;
    }
    return slot;
}

static slk_status place_model_tokens(slk_json_vocab *v, slk_err *err)
{
    const char *key;
    json_t *item;
    v->slots = slk_token_make_slots(json_object_size(v->vocab), &v->slot_mask);
    if (v->slots == NULL) return fail_memory(v, err);
    json_object_foreach((json_t *)v->vocab, key, item)
    {
        size_t id = (size_t)json_integer_value(item);
        if (v->tokens[id].data != NULL) {
            return slk_fail(err, SLK_E_FORMAT, "%s: model.vocab: '%.60s' and '%.60s' both have id %zu", v->path,
                            v->tokens[id].data, key, id);
        }
        v->tokens[id] = (slk_bytes){key, strlen(key)};
        v->slots[find_slot(v, key, v->tokens[id].len)] = (int32_t)id;
        v->types[id] = v->byte_fallback && is_byte_name(key) ? SLK_TOKEN_BYTE : SLK_TOKEN_NORMAL;
        if (v->unk != NULL && strcmp(v->unk, key) == 0) v->types[id] = SLK_TOKEN_UNKNOWN;
    }
    return SLK_OK;
}

/* One added token: {"content", "special", ...} with its id. */
static slk_status place_added(slk_json_vocab *v, const char *path, const char *where, const json_t *item, size_t id,
                              slk_err *err)
{
    const char *content = NULL;
    bool special = false, lstrip = false, rstrip = false, normalized = true, single_word = false;
    slk_status status = slk_json_get_str(path, item, where, "content", &content, err);
    if (status == SLK_OK && content == NULL)
        return slk_fail(err, SLK_E_NOT_FOUND, "%s: %s.content is missing", path, where);
    if (status == SLK_OK) status = slk_json_get_bool(path, item, where, "special", &special, err);
    if (status == SLK_OK) status = slk_json_get_bool(path, item, where, "lstrip", &lstrip, err);
    if (status == SLK_OK) status = slk_json_get_bool(path, item, where, "rstrip", &rstrip, err);
    normalized = !special; /* as tokenizers takes it where it is missing */
    if (status == SLK_OK) status = slk_json_get_bool(path, item, where, "normalized", &normalized, err);
    if (status == SLK_OK) status = slk_json_get_bool(path, item, where, "single_word", &single_word, err);
    if (status != SLK_OK) return status;
    if (single_word) {
        return slk_fail(err, SLK_E_UNSUPPORTED, "%s: %s.single_word: true is not one that slick knows (false)", path,
                        where);
    }
    if (id >= v->n_tokens) return SLK_OK;
    const json_t *model_id = json_object_get(v->vocab, content);
    bool other_id = model_id != NULL && (size_t)json_integer_value(model_id) != id;
    if (v->added[id] != 0 || other_id || (v->tokens[id].data != NULL && strcmp(v->tokens[id].data, content) != 0)) {
        return slk_fail(err, SLK_E_FORMAT, "%s: %s: '%.60s' has id %zu, but so has '%.60s'%s", path, where, content, id,
                        v->tokens[id].data != NULL ? v->tokens[id].data : "nothing",
                        other_id ? ", and model.vocab gives it another" : "");
    }
    v->added[id] = (uint8_t)(SLK_ADDED | (lstrip ? SLK_ADDED_LSTRIP : 0) | (rstrip ? SLK_ADDED_RSTRIP : 0) |
                             (normalized ? SLK_ADDED_NORMALIZED : 0) | (model_id == NULL ? SLK_ADDED_ONLY : 0));
    if (!special) v->types[id] = SLK_TOKEN_USER;
    if (special && v->types[id] != SLK_TOKEN_UNKNOWN) v->types[id] = SLK_TOKEN_CONTROL;
    v->tokens[id] = (slk_bytes){content, strlen(content)};
    return SLK_OK;
}

static slk_status place_added_tokens(slk_json_vocab *v, slk_err *err)
{
    const json_t *list = json_object_get(v->root, "added_tokens");
    if (list == NULL || json_is_null(list)) return SLK_OK;
    if (!json_is_array(list)) return slk_fail(err, SLK_E_FORMAT, "%s: added_tokens: expected an array", v->path);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i), *id = json_object_get(item, "id");
        char where[64];
        snprintf(where, sizeof where, "added_tokens[%zu]", i);
        if (!json_is_object(item)) return slk_fail(err, SLK_E_FORMAT, "%s: %s: expected an object", v->path, where);
        const char *content = json_string_value(json_object_get(item, "content"));
        slk_status status = check_id(v, where, content != NULL ? content : "?", id, err);
        if (status == SLK_OK) status = place_added(v, v->path, where, item, (size_t)json_integer_value(id), err);
        if (status != SLK_OK) return status;
    }
    return SLK_OK;
}

/* tokenizer_config.json may have more added tokens; for those that both have, tokenizer.json counts. */
static slk_status place_config_tokens(slk_json_vocab *v, slk_err *err)
{
    const char *key;
    json_t *item;
    const json_t *more = json_object_get(v->config, "added_tokens_decoder");
    if (more != NULL && !json_is_null(more) && !json_is_object(more))
        return slk_fail(err, SLK_E_FORMAT, "%s: added_tokens_decoder: expected an object", v->config_path);
    json_object_foreach((json_t *)more, key, item)
    {
        char where[64];
        long id = parse_id(key);
        snprintf(where, sizeof where, "added_tokens_decoder.%.20s", key);
        if (id < 0 || !json_is_object(item))
            return slk_fail(err, SLK_E_FORMAT, "%s: %s: expected an id and an object", v->config_path, where);
        const char *content = json_string_value(json_object_get(item, "content"));
        bool known = (size_t)id < v->n_tokens && v->added[id] != 0 && content != NULL &&
                     strcmp(v->tokens[id].data, content) == 0;
        slk_status status = known ? SLK_OK : place_added(v, v->config_path, where, item, (size_t)id, err);
        if (status != SLK_OK) return status;
    }
    return SLK_OK;
}

/* Ids that nothing has: no text, but a name of their own in GGUF. */
static slk_status fill_holes(slk_json_vocab *v, slk_vocab_form form, slk_err *err)
{
    for (size_t id = 0; id < v->n_tokens; id++) {
        if (v->tokens[id].data != NULL) continue;
        char name[32];
        int n = form == SLK_VOCAB_AS_GGUF ? snprintf(name, sizeof name, "[PAD%zu]", id) : 0;
        v->tokens[id] = (slk_bytes){slk_arena_strndup(&v->arena, name, (size_t)n), (size_t)n};
        if (v->tokens[id].data == NULL) return fail_memory(v, err);
        v->types[id] = SLK_TOKEN_UNUSED;
    }
    return SLK_OK;
}

/* --- merges --- */

static slk_status find_piece(const slk_json_vocab *v, size_t rank, const char *piece, size_t n_bytes, int32_t *id,
                             slk_err *err)
{
    *id = v->slots[find_slot(v, piece, n_bytes)];
    if (*id >= 0) return SLK_OK;
    return slk_fail(err, SLK_E_FORMAT, "%s: model.merges[%zu]: '%.*s' is not in model.vocab", v->path, rank,
                    n_bytes < 60 ? (int)n_bytes : 60, piece);
}

/* "left right" or ["left", "right"]; `joined` is scratch memory. */
static slk_status read_merge(slk_json_vocab *v, size_t rank, const json_t *item, slk_buf *joined, int32_t *result,
                             slk_err *err)
{
    const json_t *parts[2] = {json_array_get(item, 0), json_array_get(item, 1)};
    const char *text = json_string_value(item), *space = text != NULL ? strchr(text, ' ') : NULL;
    slk_bytes left, right;
    if (space != NULL && space != text && space[1] != '\0' && strchr(space + 1, ' ') == NULL) {
        left = (slk_bytes){text, (size_t)(space - text)};
        right = (slk_bytes){space + 1, strlen(space + 1)};
    } else if (json_array_size(item) == 2 && json_is_string(parts[0]) && json_is_string(parts[1])) {
        left = (slk_bytes){json_string_value(parts[0]), json_string_length(parts[0])};
        right = (slk_bytes){json_string_value(parts[1]), json_string_length(parts[1])};
    } else {
        return slk_fail(err, SLK_E_FORMAT, "%s: model.merges[%zu]: expected two pieces with a space between, or a pair",
                        v->path, rank);
    }
    slk_merge_pair *pair = &v->pairs[rank];
    slk_status status = find_piece(v, rank, left.data, left.len, &pair->left, err);
    if (status == SLK_OK) status = find_piece(v, rank, right.data, right.len, &pair->right, err);
    if (status != SLK_OK) return status;
    slk_buf_clear(joined);
    slk_buf_add(joined, left.data, left.len);
    slk_buf_add(joined, right.data, right.len);
    if (joined->failed) return fail_memory(v, err);
    return find_piece(v, rank, joined->data, joined->len, result, err);
}

/* Pairs of ids; scores, where asked for, become minus the first rank that makes the token: the larger, the sooner. */
static slk_status read_merges(slk_json_vocab *v, float *scores, slk_err *err)
{
    const json_t *merges = json_object_get(json_object_get(v->root, "model"), "merges");
    if (!json_is_array(merges)) {
        return slk_fail(err, merges == NULL ? SLK_E_NOT_FOUND : SLK_E_FORMAT, "%s: model.merges: %s, expected an array",
                        v->path, merges == NULL ? "missing" : "has another type");
    }
    v->n_merges = json_array_size(merges);
    v->pairs = alloc_zero(v, v->n_merges, sizeof *v->pairs);
    if (v->pairs == NULL) return fail_memory(v, err);
    for (size_t i = 0; i < v->n_tokens && scores != NULL; i++)
        scores[i] = v->types[i] == SLK_TOKEN_NORMAL ? -(float)v->n_merges : 0.0f;
    slk_buf joined = {0};
    slk_status status = SLK_OK;
    for (size_t rank = 0; rank < v->n_merges && status == SLK_OK; rank++) {
        int32_t result = 0;
        status = read_merge(v, rank, json_array_get(merges, rank), &joined, &result, err);
        if (status == SLK_OK && scores != NULL && scores[result] == -(float)v->n_merges) scores[result] = -(float)rank;
    }
    slk_buf_release(&joined);
    return status;
}

/* --- the beginning and the end of a text --- */

static int32_t find_token(const slk_json_vocab *v, const char *content)
{
    const json_t *id = json_object_get(v->vocab, content);
    if (id != NULL) return (int32_t)json_integer_value(id);
    for (size_t i = 0; i < v->n_tokens; i++) {
        if (v->added[i] != 0 && strcmp(v->tokens[i].data, content) == 0) return (int32_t)i;
    }
    return -1;
}

/* A token that `file` names (a string or an added token under `key`) or, in config.json, whose id it has. */
static slk_status read_special(const slk_json_vocab *v, const json_t *file, const char *path, const char *key,
                               int32_t *id, bool *there, slk_err *err)
{
    const json_t *item = json_object_get(file, key);
    *there = item != NULL;
    if (item == NULL || json_is_null(item)) return SLK_OK;
    if (json_is_array(item)) item = json_array_get(item, 0);
    if (json_is_integer(item)) {
        if (json_integer_value(item) >= 0 && (size_t)json_integer_value(item) < v->n_tokens) {
            *id = (int32_t)json_integer_value(item);
            return SLK_OK;
        }
        return slk_fail(err, SLK_E_FORMAT, "%s: %s is %lld, outside the vocabulary of %zu tokens", path, key,
                        (long long)json_integer_value(item), v->n_tokens);
    }
    const char *content = json_string_value(json_is_object(item) ? json_object_get(item, "content") : item);
    if (content == NULL) return slk_fail(err, SLK_E_FORMAT, "%s: %s: expected a token", path, key);
    *id = find_token(v, content);
    if (*id >= 0) return SLK_OK;
    return slk_fail(err, SLK_E_FORMAT, "%s: %s '%.60s' is not in the vocabulary", path, key, content);
}

/* bos or eos, from the first file that has the key. */
static slk_status find_special(slk_json_vocab *v, const char *name, int32_t *id, slk_err *err)
{
    static const struct {
        const char *file, *suffix;
    } places[] = {
        {"tokenizer_config.json", "_token"}, {"special_tokens_map.json", "_token"}, {"config.json", "_token_id"}};
    *id = -1;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char key[32];
        snprintf(key, sizeof key, "%s%s", name, places[i].suffix);
        char *path = join_path(v, places[i].file);
        if (path == NULL) return fail_memory(v, err);
        json_t *file = NULL;
        bool there = false;
        slk_status status = i == 0 ? SLK_OK : slk_file_exists(path) ? read_object(&file, path, err) : SLK_OK;
        if (status == SLK_OK) status = read_special(v, i == 0 ? v->config : file, path, key, id, &there, err);
        json_decref(file);
        if (status != SLK_OK || there) return status;
    }
    return SLK_OK;
}

/* What the template puts around a text, unless tokenizer_config.json says it otherwise. */
static slk_status read_ends(slk_json_vocab *v, slk_err *err)
{
    slk_vocab *d = &v->description;
    slk_json_rules *r = &v->found;
    slk_status status = find_special(v, "bos", &d->bos, err);
    if (status == SLK_OK) status = find_special(v, "eos", &d->eos, err);
    if (status == SLK_OK) status = slk_json_get_bool(v->config_path, v->config, "", "add_bos_token", &r->add_bos, err);
    if (status == SLK_OK) status = slk_json_get_bool(v->config_path, v->config, "", "add_eos_token", &r->add_eos, err);
    if (status != SLK_OK) return status;
    const struct {
        const char *name;
        int32_t template_id, *id;
        bool add;
    } ends[] = {{"bos", r->template_bos, &d->bos, r->add_bos}, {"eos", r->template_eos, &d->eos, r->add_eos}};
    for (size_t i = 0; i < 2; i++) {
        if (ends[i].add && *ends[i].id < 0) *ends[i].id = ends[i].template_id;
        if (!ends[i].add || ends[i].template_id < 0 || ends[i].template_id == *ends[i].id) continue;
        return slk_fail(err, SLK_E_UNSUPPORTED, "%s: post_processor: token %d is put where the %s token %d is expected",
                        v->path, (int)ends[i].template_id, ends[i].name, (int)*ends[i].id);
    }
    d->add_bos = r->add_bos;
    d->add_eos = r->add_eos;
    return SLK_OK;
}

/* --- the description --- */

static slk_status decide_kind(slk_json_vocab *v, slk_err *err)
{
    const slk_json_rules *r = &v->found;
    if (r->byte_level == v->byte_fallback || (v->byte_fallback && r->n_patterns > 0) ||
        (r->byte_level && r->metaspace)) {
        return slk_fail(
            err, SLK_E_UNSUPPORTED,
            "%s: pre_tokenizer and model.byte_fallback: expected ByteLevel, or byte fallback without a pattern",
            v->path);
    }
    v->description.kind = r->byte_level ? SLK_VOCAB_BPE : SLK_VOCAB_SPM;
    return SLK_OK;
}

static void set_hf_rules(slk_json_vocab *v)
{
    const slk_json_rules *r = &v->found;
    v->rules = (slk_text_rules){.added = v->added,
                                .ops = r->ops,
                                .n_ops = r->n_ops,
                                .prefix = r->prefix,
                                .mark_spaces = r->metaspace,
                                .split_words = r->split_words,
                                .whole_words = v->ignore_merges};
    for (size_t i = 0; i < r->n_patterns; i++) v->rules.patterns[i] = r->patterns[i];
    v->description.rules = &v->rules;
    v->description.pairs = v->pairs;
}

/* The GGUF name of what cuts texts into words. ignore_merges belongs to llama-bpe, also where an older file does not
 * say so. */
static slk_status name_pretok(slk_json_vocab *v, slk_err *err)
{
    const slk_json_rules *r = &v->found;
    const char *first = r->n_patterns > 0 ? r->names[0] : "", *pre = NULL;
    if (r->n_patterns == 1 && strcmp(first, "digit") != 0 && strcmp(first, "digits") != 0) pre = first;
    if (r->n_patterns == 2 && strcmp(first, "digit") == 0 && strcmp(r->names[1], "gpt-2") == 0) pre = "smollm";
    if (pre == NULL || r->prefix != SLK_PREFIX_NONE || (v->ignore_merges && strcmp(pre, "llama-bpe") != 0)) {
        return slk_fail(err, SLK_E_UNSUPPORTED, "%s: pre_tokenizer: GGUF has no name for this one that slick knows",
                        v->path);
    }
    v->description.pre = pre;
    return SLK_OK;
}

/* "left right" of every merge. */
static slk_status spell_merges(slk_json_vocab *v, slk_err *err)
{
    slk_bytes *merges = alloc_zero(v, v->n_merges, sizeof *merges);
    if (merges == NULL) return fail_memory(v, err);
    for (size_t i = 0; i < v->n_merges; i++) {
        slk_bytes left = v->tokens[v->pairs[i].left], right = v->tokens[v->pairs[i].right];
        char *text = slk_arena_alloc(&v->arena, left.len + right.len + 1, 1);
        if (text == NULL) return fail_memory(v, err);
        memcpy(text, left.data, left.len);
        text[left.len] = ' ';
        memcpy(text + left.len + 1, right.data, right.len);
        merges[i] = (slk_bytes){text, left.len + right.len + 1};
    }
    v->description.merges = merges;
    return SLK_OK;
}

/* User-defined tokens are looked for in the text before spaces are marked. */
static slk_status unmark_user_spaces(slk_json_vocab *v, slk_err *err)
{
    for (size_t i = 0; i < v->n_tokens; i++) {
        slk_bytes from = v->tokens[i];
        if (v->types[i] != SLK_TOKEN_USER || strstr(from.data, SLK_SPACE_MARK) == NULL) continue;
        char *text = slk_arena_alloc(&v->arena, from.len + 1, 1);
        if (text == NULL) return fail_memory(v, err);
        size_t n = 0;
        for (size_t at = 0; at < from.len;) {
            bool mark = strncmp(from.data + at, SLK_SPACE_MARK, SLK_SPACE_MARK_BYTES) == 0;
            text[n++] = mark ? ' ' : from.data[at];
            at += mark ? SLK_SPACE_MARK_BYTES : 1;
        }
        v->tokens[i] = (slk_bytes){text, n};
    }
    return SLK_OK;
}

static bool prepends_space(const slk_json_rules *r)
{
    for (size_t i = 0; i < r->n_ops; i++) {
        if (r->ops[i].kind == SLK_NORMAL_PREPEND) return true;
    }
    return r->prefix != SLK_PREFIX_NONE;
}

static slk_status describe(slk_json_vocab *v, slk_vocab_form form, slk_err *err)
{
    slk_vocab *d = &v->description;
    float *scores = NULL;
    slk_status status = decide_kind(v, err);
    if (status == SLK_OK && form == SLK_VOCAB_AS_GGUF && d->kind == SLK_VOCAB_SPM) {
        scores = alloc_zero(v, v->n_tokens, sizeof *scores);
        if (scores == NULL) return fail_memory(v, err);
    }
    if (status == SLK_OK) status = read_merges(v, scores, err);
    if (status == SLK_OK) status = read_ends(v, err);
    if (status != SLK_OK) return status;
    d->n_tokens = v->n_tokens;
    d->tokens = v->tokens;
    d->types = v->types;
    d->scores = scores;
    d->n_merges = v->n_merges;
    d->unk = v->unk != NULL ? find_token(v, v->unk) : -1;
    d->eot = -1;
    d->add_space_prefix = d->kind == SLK_VOCAB_SPM && prepends_space(&v->found);
    if (form == SLK_VOCAB_AS_HF) {
        set_hf_rules(v);
        return SLK_OK;
    }
    if (d->kind == SLK_VOCAB_BPE) {
        status = name_pretok(v, err);
        return status == SLK_OK ? spell_merges(v, err) : status;
    }
    d->n_merges = 0;
    return unmark_user_spaces(v, err);
}

static slk_status read_all(slk_json_vocab *v, const char *path, size_t n_rows, slk_vocab_form form, slk_err *err)
{
    slk_status status = find_files(v, path, err);
    if (status == SLK_OK) status = read_object(&v->root, v->path, err);
    if (status == SLK_OK && slk_file_exists(v->config_path)) status = read_object(&v->config, v->config_path, err);
    if (status == SLK_OK) status = read_model(v, err);
    if (status == SLK_OK) status = slk_json_read_rules(v, err);
    if (status == SLK_OK) status = count_tokens(v, n_rows, err);
    if (status == SLK_OK) status = place_model_tokens(v, err);
    if (status == SLK_OK) status = place_added_tokens(v, err);
    if (status == SLK_OK) status = place_config_tokens(v, err);
    if (status == SLK_OK) status = fill_holes(v, form, err);
    return status == SLK_OK ? describe(v, form, err) : status;
}

slk_status slk_json_vocab_open(slk_json_vocab **out, const char *path, size_t n_rows, slk_vocab_form form, slk_err *err)
{
    *out = NULL;
    slk_json_vocab *v = slk_alloc_zero(1, sizeof *v);
    if (v == NULL) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
    slk_status status = read_all(v, path, n_rows, form, err);
    if (status != SLK_OK) {
        slk_json_vocab_close(v);
        return status;
    }
    *out = v;
    return SLK_OK;
}

void slk_json_vocab_close(slk_json_vocab *v)
{
    if (v == NULL) return;
    json_decref(v->root);
    json_decref(v->config);
    free(v->slots);
    slk_arena_release(&v->arena);
    free(v);
}

const slk_vocab *slk_json_vocab_get(const slk_json_vocab *v)
{
    return &v->description;
}

slk_status slk_tokenizer_open_json(slk_tokenizer **out, const char *path, size_t n_rows, slk_err *err)
{
    slk_json_vocab *v;
    *out = NULL;
    slk_status status = slk_json_vocab_open(&v, path, n_rows, SLK_VOCAB_AS_HF, err);
    if (status != SLK_OK) return status;
    status = slk_tokenizer_create(out, &v->description, v->path, err);
    slk_json_vocab_close(v);
    return status;
}
