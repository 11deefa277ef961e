#include "study/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/builtin.h"
#include "base/file.h"
#include "config/key_unknown.h"
#include "config/scalar.h"
#include "config/yaml.h"
#include "know/match.h"
#include "study/keys.h"

enum { MAX_FILE_BYTES = 1 << 20 };

typedef struct reader {
    slk_study_config *config;
    slk_err *err;
} reader;

/* --- messages ----------------------------------------------------------------------------------------------------- */

typedef struct key_name {
    char text[64];
} key_name;

static key_name name_of(const slk_key *key)
{
    key_name name;
    snprintf(name.text, sizeof name.text, "%s%s%s", key->section, key->section[0] ? "." : "", key->name);
    return name;
}

static slk_status no_memory(const reader *r)
{
    return slk_fail(r->err, SLK_E_MEMORY, "%s: out of memory", r->config->path);
}

/* "a whole number from 1 to 10", ... */
static void describe(char *out, size_t n, const slk_key *key)
{
    char range[96] = "", word[32] = "";
    if (key->min < key->max) {
        if (key->max >= 1e9) /* no bound that anybody meets */
            snprintf(range, sizeof range, ", %.15g or more", key->min);
        else
            snprintf(range, sizeof range, " from %.15g to %.15g", key->min, key->max);
    }
    if (key->word) snprintf(word, sizeof word, ", or %s", key->word);
    static const char *const kinds[] = {"a text",
                                        "a path",
                                        "",
                                        "",
                                        "true or false",
                                        "a whole number",
                                        "a number",
                                        "a list of whole numbers, each one",
                                        "a list of numbers, each one",
                                        "a list of words"};
    if (key->kind == SLK_KEY_CHOICE || key->kind == SLK_KEY_MATCH)
        snprintf(out, n, "one of %s", key->choices);
    else if (key->kind == SLK_KEY_WORDS && key->choices)
        snprintf(out, n, "a list of some of %s%s", key->choices, word);
    else
        snprintf(out, n, "%s%s%s", kinds[key->kind], range, word);
}

static slk_status wrong(const reader *r, const slk_key *key, const slk_yaml *node)
{
    char found[80], expected[200];
    describe(expected, sizeof expected, key);
    return slk_fail(r->err, SLK_E_FORMAT, "%s:%ld: %s: found %s, expected %s", r->config->path, node->line,
                    name_of(key).text, slk_yaml_show(found, sizeof found, node), expected);
}

/* --- scalars ------------------------------------------------------------------------------------------------------ */

static bool is_word(const slk_yaml *node, const char *word)
{
    return word && node->kind == SLK_YAML_SCALAR && strcmp(node->text, word) == 0;
}

/* A path in a file is seen from the file's folder; the built-in model has none. */
static char *resolve(reader *r, const char *text)
{
    slk_arena *arena = &r->config->arena;
    const char *slash = strrchr(r->config->path, '/');
    if (text[0] == '/' || !slash || slk_builtin_is(text)) return slk_arena_strndup(arena, text, strlen(text));
    size_t n_folder = (size_t)(slash - r->config->path) + 1, n_text = strlen(text);
    char *path = slk_arena_alloc(arena, n_folder + n_text + 1, 1);
    if (path) {
        memcpy(path, r->config->path, n_folder);
        memcpy(path + n_folder, text, n_text + 1);
    }
    return path;
}

static slk_status read_text(reader *r, const slk_key *key, const slk_yaml *node, void *into)
{
    if (node->kind != SLK_YAML_SCALAR || !node->text[0]) return wrong(r, key, node);
    if (key->kind == SLK_KEY_CHOICE && !slk_scalar_is_choice(key->choices, node->text)) return wrong(r, key, node);
    if (key->kind == SLK_KEY_MATCH) {
        slk_match_rule rule;
        if (slk_match_parse(&rule, node->text, NULL) != SLK_OK) return wrong(r, key, node);
    }
    char *text = key->kind == SLK_KEY_PATH ? resolve(r, node->text)
                                           : slk_arena_strndup(&r->config->arena, node->text, strlen(node->text));
    *(char **)into = text;
    return text ? SLK_OK : no_memory(r);
}

/* --- lists -------------------------------------------------------------------------------------------------------- */

static slk_status twice(const reader *r, const slk_key *key, const slk_yaml *node)
{
    return slk_fail(r->err, SLK_E_FORMAT, "%s:%ld: %s: %s is there twice", r->config->path, node->line,
                    name_of(key).text, node->text);
}

static slk_status read_ints(reader *r, const slk_key *key, const slk_yaml *node, slk_study_ints *into)
{
    into->items = slk_arena_alloc(&r->config->arena, node->n + 1, sizeof *into->items);
    if (!into->items) return no_memory(r);
    for (const slk_yaml *v = node->first; v; v = v->next) {
        int64_t *item = &into->items[into->n];
        if (!slk_scalar_int(item, v, key->min, key->max)) return wrong(r, key, v);
        for (size_t i = 0; i < into->n; i++) {
            if (into->items[i] == *item) return twice(r, key, v);
        }
        into->n++;
    }
    return SLK_OK;
}

static slk_status read_reals(reader *r, const slk_key *key, const slk_yaml *node, slk_study_reals *into)
{
    into->items = slk_arena_alloc(&r->config->arena, node->n + 1, sizeof *into->items);
    if (!into->items) return no_memory(r);
    for (const slk_yaml *v = node->first; v; v = v->next) {
        double *item = &into->items[into->n];
        if (!slk_scalar_real(item, v, key->min, key->max)) return wrong(r, key, v);
        for (size_t i = 0; i < into->n; i++) {
            if (into->items[i] == *item) return twice(r, key, v);
        }
        into->n++;
    }
    return SLK_OK;
}

static slk_status read_words(reader *r, const slk_key *key, const slk_yaml *node, slk_study_words *into)
{
    into->items = slk_arena_alloc(&r->config->arena, node->n + 1, sizeof *into->items);
    if (!into->items) return no_memory(r);
    for (const slk_yaml *v = node->first; v; v = v->next) {
        if (v->kind != SLK_YAML_SCALAR || !v->text[0] || (key->choices && !slk_scalar_is_choice(key->choices, v->text)))
            return wrong(r, key, v);
        for (size_t i = 0; i < into->n; i++) {
            if (strcmp(into->items[i], v->text) == 0) return twice(r, key, v);
        }
        into->items[into->n] = slk_arena_strndup(&r->config->arena, v->text, strlen(v->text));
        if (!into->items[into->n++]) return no_memory(r);
    }
    return SLK_OK;
}

static slk_status read_value(reader *r, const slk_key *key, const slk_yaml *node)
{
    void *into = (char *)r->config + key->offset;
    bool is_list = key->kind == SLK_KEY_INTS || key->kind == SLK_KEY_REALS || key->kind == SLK_KEY_WORDS;
    if (is_word(node, key->word)) {
        if (key->kind == SLK_KEY_INT) *(int64_t *)into = key->word_value;
        if (key->kind == SLK_KEY_REAL) *(double *)into = (double)key->word_value;
        return SLK_OK; /* a list stays empty */
    }
    /* An empty list says as much as no key, but where it would stand for all of something it is a slip. */
    if (is_list && (node->kind != SLK_YAML_LIST || (node->n == 0 && key->word))) return wrong(r, key, node);
    switch (key->kind) {
    case SLK_KEY_TEXT:
    case SLK_KEY_PATH:
    case SLK_KEY_CHOICE:
    case SLK_KEY_MATCH:
        return read_text(r, key, node, into);
    case SLK_KEY_BOOL:
        if (node->quoted || !(is_word(node, "true") || is_word(node, "false"))) return wrong(r, key, node);
        *(bool *)into = is_word(node, "true");
        return SLK_OK;
    case SLK_KEY_INT:
        return slk_scalar_int(into, node, key->min, key->max) ? SLK_OK : wrong(r, key, node);
    case SLK_KEY_REAL:
        return slk_scalar_real(into, node, key->min, key->max) ? SLK_OK : wrong(r, key, node);
    case SLK_KEY_INTS:
        return read_ints(r, key, node, into);
    case SLK_KEY_REALS:
        return read_reals(r, key, node, into);
    case SLK_KEY_WORDS:
        return read_words(r, key, node, into);
    }
    return SLK_OK;
}

/* --- the file against the table ----------------------------------------------------------------------------------- */

static bool is_section(const char *name)
{
    for (size_t i = 0; i < slk_n_study_keys; i++) {
        if (slk_study_keys[i].section[0] && strcmp(slk_study_keys[i].section, name) == 0) return true;
    }
    return false;
}

static const slk_key *find_key(const char *section, const char *name)
{
    for (size_t i = 0; i < slk_n_study_keys; i++) {
        const slk_key *key = &slk_study_keys[i];
        if (strcmp(key->section, section) == 0 && strcmp(key->name, name) == 0) return key;
    }
    return NULL;
}

static slk_key_name name_at(size_t i)
{
    return (slk_key_name){slk_study_keys[i].section, slk_study_keys[i].name};
}

static slk_status unknown_key(const reader *r, const char *section, const slk_yaml *node)
{
    const slk_key_names names = {name_at, slk_n_study_keys, "slick study new"};
    return slk_key_unknown(r->err, r->config->path, section, node, &names);
}

static slk_status read_section(reader *r, const char *section, const slk_yaml *map)
{
    for (const slk_yaml *v = map->first; v; v = v->next) {
        const slk_key *key = find_key(section, v->key);
        slk_status status;
        if (!section[0] && is_section(v->key)) {
            if (v->kind != SLK_YAML_MAP) {
                char found[80];
                return slk_fail(r->err, SLK_E_FORMAT, "%s:%ld: %s: found %s, expected its keys, indented, one a line",
                                r->config->path, v->line, v->key, slk_yaml_show(found, sizeof found, v));
            }
            status = read_section(r, v->key, v);
        } else if (key) {
            r->config->lines[key - slk_study_keys] = v->key_line;
            status = read_value(r, key, v);
        } else {
            return unknown_key(r, section, v);
        }
        if (status != SLK_OK) return status;
    }
    return SLK_OK;
}

/* Defaults go through the same reader, so that no key has one that could not be typed. */
static slk_status set_defaults(reader *r)
{
    for (size_t i = 0; i < slk_n_study_keys; i++) {
        const slk_key *key = &slk_study_keys[i];
        slk_yaml *node;
        if (!key->init) continue;
        slk_status status = slk_yaml_parse(&node, &r->config->arena, key->init, strlen(key->init), "default", r->err);
        if (status == SLK_OK && r->config->lines[i] == 0) status = read_value(r, key, node);
        if (status != SLK_OK) return status;
    }
    return SLK_OK;
}

/* --- what one key alone cannot tell ------------------------------------------------------------------------------- */

slk_status slk_study_config_fail_in(const slk_study_config *config, const char *key, slk_status code, slk_err *err)
{
    long line = 0;
    for (size_t i = 0; i < slk_n_study_keys; i++) {
        if (strcmp(name_of(&slk_study_keys[i]).text, key) == 0) line = config->lines[i];
    }
    if (line == 0) return slk_fail_in(err, code, "%s: %s", config->path, key);
    return slk_fail_in(err, code, "%s:%ld: %s", config->path, line, key);
}

static slk_status check_missing(const reader *r)
{
    const slk_study_config *c = r->config;
    for (size_t i = 0; i < slk_n_study_keys; i++) {
        const slk_key *key = &slk_study_keys[i];
        if (!key->required || c->lines[i]) continue;
        return slk_fail(r->err, SLK_E_FORMAT, "%s:%ld: %s: missing, expected %s", c->path, c->end_line,
                        name_of(key).text, key->help);
    }
    if (c->variants.unknown.n + c->variants.known_of.n + c->variants.idk.n + c->variants.only.n == 0 &&
        !c->variants.natural)
        return slk_fail(r->err, SLK_E_FORMAT, "%s:%ld: variants: none, expected at least one (unknown: [0, 50, 100])",
                        c->path, c->end_line);
    if (c->seeds.n == 0 || c->learning_rates.n == 0) {
        slk_fail(r->err, SLK_E_FORMAT, "found an empty list, expected at least one");
        return slk_study_config_fail_in(c, c->seeds.n ? "learning_rates" : "seeds", SLK_E_FORMAT, r->err);
    }
    return SLK_OK;
}

static slk_status check_epochs(const reader *r, const slk_study_ints *list, const char *key)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->items[i] <= r->config->epochs) continue;
        slk_fail(r->err, SLK_E_FORMAT, "found %lld, expected at most %lld, the number of epochs",
                 (long long)list->items[i], (long long)r->config->epochs);
        return slk_study_config_fail_in(r->config, key, SLK_E_FORMAT, r->err);
    }
    return SLK_OK;
}

static slk_status check_together(const reader *r)
{
    const slk_study_config *c = r->config;
    slk_status status = check_epochs(r, &c->evaluate, "evaluate");
    if (status == SLK_OK) status = check_epochs(r, &c->evaluate_dev, "evaluate_dev");
    if (status == SLK_OK) status = check_epochs(r, &c->durations, "durations");
    for (size_t i = 0; i < slk_n_study_keys && status == SLK_OK; i++) {
        const slk_key *key = &slk_study_keys[i];
        bool is_id = strcmp(key->name, "id") == 0,
             is_measured = strcmp(key->name, "p_true") == 0 || strcmp(key->name, "seed") == 0;
        if (c->labels.id && strcmp(key->section, "labels") == 0 && c->lines[i] && !is_id && !is_measured)
            return slk_fail(r->err, SLK_E_FORMAT, "%s:%ld: %s: of probing, but labels.id takes label set %lld as it is",
                            c->path, c->lines[i], name_of(key).text, (long long)c->labels.id);
        if (c->training.lora_rank == 0 && strncmp(key->name, "lora_", 5) == 0 && c->lines[i] &&
            strcmp(key->name, "lora_rank") != 0)
            return slk_fail(r->err, SLK_E_FORMAT, "%s:%ld: %s: of an adapter, but training.lora_rank is 0", c->path,
                            c->lines[i], name_of(key).text);
    }
    if (status == SLK_OK && strlen(c->name) > 63) {
        slk_fail(r->err, SLK_E_FORMAT, "found %zu bytes, expected at most 63", strlen(c->name));
        status = slk_study_config_fail_in(c, "name", SLK_E_FORMAT, r->err);
    }
    return status;
}

static slk_status parse(reader *r, const char *text, size_t n_bytes)
{
    slk_study_config *c = r->config;
    slk_yaml *root;
    c->end_line = 1;
    for (size_t i = 0; i + 1 < n_bytes; i++) c->end_line += text[i] == '\n';
    if (n_bytes > MAX_FILE_BYTES)
        return slk_fail(r->err, SLK_E_FORMAT, "%s: %zu bytes, expected a study file (at most 1 MiB)", c->path, n_bytes);
    slk_status status = slk_yaml_parse(&root, &c->arena, text, n_bytes, c->path, r->err);
    if (status != SLK_OK) return status;
    if (root && root->kind != SLK_YAML_MAP) {
        char found[80];
        return slk_fail(r->err, SLK_E_FORMAT, "%s:%ld: found %s, expected keys and values (slick study new)", c->path,
                        root->line, slk_yaml_show(found, sizeof found, root));
    }
    if (root) status = read_section(r, "", root);
    if (status == SLK_OK) status = set_defaults(r);
    if (status == SLK_OK) status = check_missing(r);
    return status == SLK_OK ? check_together(r) : status;
}

slk_status slk_study_config_parse(slk_study_config *out, const char *text, size_t n_bytes, const char *path,
                                  slk_err *err)
{
    reader r = {.config = out, .err = err};
    memset(out, 0, sizeof *out);
    out->path = slk_arena_strndup(&out->arena, path, strlen(path));
    if (!out->path) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
    slk_status status = parse(&r, text, n_bytes);
    if (status != SLK_OK) slk_study_config_release(out);
    return status;
}

slk_status slk_study_config_read(slk_study_config *out, const char *path, slk_err *err)
{
    char *text;
    size_t n_bytes;
    memset(out, 0, sizeof *out);
    slk_status status = slk_file_read(&text, &n_bytes, path, err);
    if (status != SLK_OK) return status;
    status = slk_study_config_parse(out, text, n_bytes, path, err);
    free(text);
    return status;
}

void slk_study_config_release(slk_study_config *config)
{
    if (!config) return;
    slk_arena_release(&config->arena);
    memset(config, 0, sizeof *config);
}
