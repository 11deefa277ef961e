#include "pretrain/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "config/key_unknown.h"
#include "config/scalar.h"
#include "pretrain/fill.h"
#include "pretrain/keys.h"

enum { MAX_FILE_BYTES = 1 << 20, MAX_MENTIONS = 1000 };

typedef struct reader {
    slk_pretrain_plan *plan;
    slk_err *err;
} reader;

static slk_status no_memory(const reader *r)
{
    return slk_fail(r->err, SLK_E_MEMORY, "%s: out of memory", r->plan->path);
}

/* "FILE:LINE: KEY: found X, expected Y". */
static slk_status wrong(const reader *r, const char *key, const slk_yaml *node, const char *expected)
{
    char found[80];
    return slk_fail(r->err, SLK_E_FORMAT, "%s:%ld: %s: found %s, expected %s", r->plan->path, node->line, key,
                    slk_yaml_show(found, sizeof found, node), expected);
}

/* --- scalars ------------------------------------------------------------------------------------------------------ */

static void describe(char *out, size_t n, const slk_plan_key *key)
{
    static const char *const KINDS[] = {[SLK_PLAN_TEXT] = "a text",          [SLK_PLAN_CHOICE] = "",
                                        [SLK_PLAN_BOOL] = "true or false",   [SLK_PLAN_INT] = "a whole number",
                                        [SLK_PLAN_COUNT] = "a whole number", [SLK_PLAN_REAL] = "a number"};
    if (key->kind == SLK_PLAN_CHOICE)
        snprintf(out, n, "one of %s", key->choices);
    else if (key->max > 1e15)
        snprintf(out, n, "%s, %.15g or more", KINDS[key->kind], key->min);
    else if (key->min < key->max)
        snprintf(out, n, "%s from %.15g to %.15g%s", KINDS[key->kind], key->min, key->max,
                 key->kind == SLK_PLAN_COUNT ? ", or all" : "");
    else
        snprintf(out, n, "%s", KINDS[key->kind]);
}

static slk_status copy_text(const reader *r, char **out, const char *text)
{
    *out = slk_arena_strndup(&r->plan->arena, text, strlen(text));
    return *out ? SLK_OK : no_memory(r);
}

/* A value of the table into its place. */
static slk_status put_value(const reader *r, const slk_plan_key *key, const slk_yaml *node)
{
    void *into = (char *)r->plan + key->offset;
    char expected[160], name[64];
    bool is_scalar = node->kind == SLK_YAML_SCALAR, ok = false;
    switch (key->kind) {
    case SLK_PLAN_TEXT:
    case SLK_PLAN_CHOICE:
        ok = is_scalar && node->text[0] &&
             (key->kind == SLK_PLAN_TEXT || slk_scalar_is_choice(key->choices, node->text));
        if (ok) return copy_text(r, into, node->text);
        break;
    case SLK_PLAN_BOOL:
        ok = is_scalar && !node->quoted && slk_scalar_is_choice("true|false", node->text);
        if (ok) *(bool *)into = node->text[0] == 't';
        break;
    case SLK_PLAN_COUNT:
        ok = is_scalar && strcmp(node->text, "all") == 0;
        if (ok)
            *(int64_t *)into = SLK_PRETRAIN_ALL;
        else
            ok = slk_scalar_int(into, node, key->min, key->max);
        break;
    case SLK_PLAN_INT:
        ok = slk_scalar_int(into, node, key->min, key->max);
        break;
    case SLK_PLAN_REAL:
        ok = slk_scalar_real(into, node, key->min, key->max);
        break;
    }
    if (ok) return SLK_OK;
    describe(expected, sizeof expected, key);
    snprintf(name, sizeof name, "%s%s%s", key->section, key->section[0] ? "." : "", key->name);
    return wrong(r, name, node, expected);
}

static slk_status set_defaults(const reader *r)
{
    slk_status s = SLK_OK;
    for (size_t i = 0; i < slk_n_plan_keys && s == SLK_OK; i++) {
        const slk_yaml node = {.kind = SLK_YAML_SCALAR, .text = slk_plan_keys[i].init};
        s = put_value(r, &slk_plan_keys[i], &node);
    }
    return s;
}

/* --- kinds -------------------------------------------------------------------------------------------------------- */

/* [a, b], both whole numbers. */
static slk_status read_pair(const reader *r, const char *key, const slk_yaml *node, int64_t *a, int64_t *b)
{
    if (node->kind == SLK_YAML_LIST && node->n == 2 && slk_scalar_int(a, node->first, 0, MAX_MENTIONS) &&
        slk_scalar_int(b, node->first->next, 0, MAX_MENTIONS))
        return SLK_OK;
    return wrong(r, key, node, "a list of two whole numbers from 0 to 1000");
}

static slk_status read_kind(const reader *r, slk_pretrain_kind *kind, const slk_yaml *node)
{
    const slk_yaml *mentions = NULL, *places = NULL;
    slk_status s = SLK_OK;
    if (node->kind != SLK_YAML_MAP) return wrong(r, "kinds", node, "a mapping with name and share");
    kind->line = node->line;
    for (const slk_yaml *v = node->first; v && s == SLK_OK; v = v->next) {
        if (strcmp(v->key, "name") == 0) {
            if (v->kind != SLK_YAML_SCALAR || !v->text[0] || strpbrk(v->text, "\t\n\r"))
                return wrong(r, "kinds.name", v, "a name");
            s = copy_text(r, &kind->name, v->text);
        } else if (strcmp(v->key, "share") == 0) {
            if (!slk_scalar_real(&kind->share, v, 0, 100)) return wrong(r, "kinds.share", v, "a number from 0 to 100");
        } else if (strcmp(v->key, "mentions") == 0) {
            s = read_pair(r, "kinds.mentions", mentions = v, &kind->mentions_low, &kind->mentions_high);
            if (s == SLK_OK && (kind->mentions_low > kind->mentions_high || kind->mentions_low < 1))
                s = wrong(r, "kinds.mentions", v, "the lower number first, and at least 1");
        } else if (strcmp(v->key, "list") == 0) {
            s = read_pair(r, "kinds.list", places = v, &kind->list_right, &kind->list_wrong);
        } else if (strcmp(v->key, "text") == 0) {
            s = read_pair(r, "kinds.text", places = v, &kind->text_right, &kind->text_wrong);
        } else {
            return slk_fail(r->err, SLK_E_FORMAT,
                            "%s:%ld: kinds.%s: no such key, expected name, share, mentions, list or text",
                            r->plan->path, v->key_line, v->key);
        }
    }
    if (s != SLK_OK) return s;
    if (!kind->name) return wrong(r, "kinds.name", node, "a name");
    if (mentions && places) return wrong(r, "kinds.mentions", mentions, "either mentions, or list and text");
    return SLK_OK;
}

static slk_status read_kinds(const reader *r, const slk_yaml *node)
{
    slk_pretrain_plan *p = r->plan;
    double sum = 0;
    if (node->kind != SLK_YAML_LIST || node->n == 0) return wrong(r, "kinds", node, "a list of kinds");
    p->kinds = slk_arena_alloc(&p->arena, node->n, sizeof *p->kinds);
    if (!p->kinds) return no_memory(r);
    memset(p->kinds, 0, node->n * sizeof *p->kinds);
    for (const slk_yaml *v = node->first; v; v = v->next) {
        slk_pretrain_kind *kind = &p->kinds[p->n_kinds];
        slk_status s = read_kind(r, kind, v);
        if (s != SLK_OK) return s;
        if (strcmp(kind->name, "none") == 0)
            return wrong(r, "kinds.name", v, "another name than none, which is that of the facts left over");
        for (size_t i = 0; i < p->n_kinds; i++)
            if (strcmp(p->kinds[i].name, kind->name) == 0)
                return slk_fail(r->err, SLK_E_FORMAT, "%s:%ld: kinds.name: %s is there twice", p->path, v->line,
                                kind->name);
        sum += kind->share;
        if (sum > 100 + 1e-9)
            return slk_fail(r->err, SLK_E_FORMAT,
                            "%s:%ld: kinds.share: the shares up to here are %.6g%%, expected at most 100", p->path,
                            v->line, sum);
        p->n_kinds++;
    }
    return SLK_OK;
}

/* --- statements --------------------------------------------------------------------------------------------------- */

static slk_status read_statements(const reader *r, const slk_yaml *node)
{
    slk_pretrain_plan *p = r->plan;
    if (node->kind != SLK_YAML_MAP || node->n == 0)
        return wrong(r, "statements", node, "a mapping of relations to lists of statements");
    p->statements = slk_arena_alloc(&p->arena, node->n, sizeof *p->statements);
    if (!p->statements) return no_memory(r);
    for (const slk_yaml *v = node->first; v; v = v->next) {
        slk_pretrain_statements *s = &p->statements[p->n_statements++];
        char key[80];
        snprintf(key, sizeof key, "statements.%.60s", v->key);
        if (v->kind != SLK_YAML_LIST || v->n == 0) return wrong(r, key, v, "a list of statements");
        *s = (slk_pretrain_statements){.line = v->line};
        s->texts = slk_arena_alloc(&p->arena, v->n, sizeof *s->texts);
        if (!s->texts) return no_memory(r);
        slk_status status = copy_text(r, &s->relation, strcmp(v->key, "others") == 0 ? "" : v->key);
        for (const slk_yaml *t = v->first; t && status == SLK_OK; t = t->next) {
            const char *what = t->kind == SLK_YAML_SCALAR ? slk_fill_check(t->text) : "a text";
            if (what) return wrong(r, key, t, what);
            status = copy_text(r, &s->texts[s->n++], t->text);
        }
        if (status != SLK_OK) return status;
    }
    return SLK_OK;
}

const slk_pretrain_statements *slk_pretrain_plan_find_statements(const slk_pretrain_plan *plan, const char *relation)
{
    const slk_pretrain_statements *others = NULL;
    for (size_t i = 0; i < plan->n_statements; i++) {
        const slk_pretrain_statements *s = &plan->statements[i];
        if (!s->relation[0])
            others = s;
        else if (strcmp(s->relation, relation) == 0)
            return s;
    }
    return others;
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

static const slk_plan_key *find_key(const char *section, const char *name)
{
    for (size_t i = 0; i < slk_n_plan_keys; i++)
        if (strcmp(slk_plan_keys[i].section, section) == 0 && strcmp(slk_plan_keys[i].name, name) == 0)
            return &slk_plan_keys[i];
    return NULL;
}

static bool is_section(const char *name)
{
    for (size_t i = 0; i < slk_n_plan_keys; i++)
        if (name[0] && strcmp(slk_plan_keys[i].section, name) == 0) return true;
    return false;
}

/* The table's, and the two that it cannot say. */
static slk_key_name name_at(size_t i)
{
    static const char *const LISTS[] = {"kinds", "statements"};
    if (i >= slk_n_plan_keys) return (slk_key_name){"", LISTS[i - slk_n_plan_keys]};
    return (slk_key_name){slk_plan_keys[i].section, slk_plan_keys[i].name};
}

static slk_status no_such_key(const reader *r, const char *section, const slk_yaml *v)
{
    const slk_key_names names = {name_at, slk_n_plan_keys + 2, "slick pretrain --new"};
    return slk_key_unknown(r->err, r->plan->path, section, v, &names);
}

static slk_status read_section(const reader *r, const char *section, const slk_yaml *map)
{
    slk_status s = SLK_OK;
    for (const slk_yaml *v = map->first; v && s == SLK_OK; v = v->next) {
        const slk_plan_key *key = find_key(section, v->key);
        if (key) {
            s = put_value(r, key, v);
        } else if (section[0]) {
            return no_such_key(r, section, v);
        } else if (strcmp(v->key, "kinds") == 0) {
            s = read_kinds(r, v);
        } else if (strcmp(v->key, "statements") == 0) {
            s = read_statements(r, v);
        } else if (!is_section(v->key)) {
            return no_such_key(r, section, v);
        } else if (v->kind != SLK_YAML_MAP) {
            return wrong(r, v->key, v, "keys and values");
        } else {
            s = read_section(r, v->key, v);
        }
    }
    return s;
}

/* What is split needs two parts. */
static slk_status check_split(const reader *r)
{
    const slk_pretrain_plan *p = r->plan;
    for (size_t i = 0; i < p->n_statements; i++)
        if (p->corpus.split && p->statements[i].n < 2)
            return slk_fail(r->err, SLK_E_FORMAT,
                            "%s:%ld: statements.%s: found one statement, expected two or more, because of corpus.split",
                            p->path, p->statements[i].line,
                            p->statements[i].relation[0] ? p->statements[i].relation : "others");
    return SLK_OK;
}

static slk_status check_together(const reader *r, const slk_yaml *root)
{
    const slk_pretrain_plan *p = r->plan;
    const char *missing = p->n_kinds == 0 ? "kinds" : p->n_statements == 0 ? "statements" : NULL;
    if (missing) return slk_fail(r->err, SLK_E_FORMAT, "%s:%ld: %s: missing", p->path, root->line, missing);
    const slk_yaml *corpus = slk_yaml_get(root, "corpus");
    if (p->corpus.decoys == 1) /* it would have no wrong alternative itself */
        return slk_fail(r->err, SLK_E_FORMAT, "%s:%ld: corpus.decoys: found 1, expected 0 or at least 2", p->path,
                        corpus ? corpus->line : root->line);
    const slk_yaml *model = slk_yaml_get(root, "model");
    long line = model ? model->line : root->line;
    if (p->model.d_model % (2 * p->model.heads) != 0)
        return slk_fail(r->err, SLK_E_FORMAT,
                        "%s:%ld: model.heads: found %lld at a d_model of %lld, expected a d_model that is a multiple "
                        "of twice the heads",
                        p->path, line, (long long)p->model.heads, (long long)p->model.d_model);
    if (p->corpus.row_tokens >= p->model.context)
        return slk_fail(r->err, SLK_E_FORMAT,
                        "%s:%ld: model.context: found %lld, expected more than corpus.row_tokens (%lld)", p->path, line,
                        (long long)p->model.context, (long long)p->corpus.row_tokens);
    return SLK_OK;
}

/* The facts' file is seen from the plan's folder. */
static slk_status resolve_facts(const reader *r)
{
    slk_pretrain_plan *p = r->plan;
    const char *slash = strrchr(p->path, '/');
    if (strcmp(p->facts, "entityquestions") == 0 || p->facts[0] == '/' || !slash) return SLK_OK;
    size_t n_folder = (size_t)(slash - p->path) + 1, n = strlen(p->facts);
    char *path = slk_arena_alloc(&p->arena, n_folder + n + 1, 1);
    if (!path) return no_memory(r);
    memcpy(path, p->path, n_folder);
    memcpy(path + n_folder, p->facts, n + 1);
    p->facts = path;
    return SLK_OK;
}

static slk_status parse(const reader *r, const char *text, size_t n_bytes)
{
    slk_pretrain_plan *p = r->plan;
    slk_yaml *root;
    if (n_bytes > MAX_FILE_BYTES)
        return slk_fail(r->err, SLK_E_FORMAT, "%s: %zu bytes, expected a plan (at most 1 MiB)", p->path, n_bytes);
    slk_status s = slk_yaml_parse(&root, &p->arena, text, n_bytes, p->path, r->err);
    if (s != SLK_OK) return s;
    if (!root) return slk_fail(r->err, SLK_E_FORMAT, "%s:1: empty, expected a plan (slick pretrain --new)", p->path);
    if (root->kind != SLK_YAML_MAP) return wrong(r, "plan", root, "keys and values (slick pretrain --new)");
    s = set_defaults(r);
    if (s == SLK_OK) s = read_section(r, "", root);
    if (s == SLK_OK) s = check_together(r, root);
    if (s == SLK_OK) s = check_split(r);
    return s == SLK_OK ? resolve_facts(r) : s;
}

slk_status slk_pretrain_plan_parse(slk_pretrain_plan *out, const char *text, size_t n_bytes, const char *path,
                                   slk_err *err)
{
    const reader r = {.plan = out, .err = err};
    memset(out, 0, sizeof *out);
    out->path = slk_arena_strndup(&out->arena, path, strlen(path));
    if (!out->path) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
    slk_status s = parse(&r, text, n_bytes);
    if (s != SLK_OK) slk_pretrain_plan_release(out);
    return s;
}

slk_status slk_pretrain_plan_read(slk_pretrain_plan *out, const char *path, slk_err *err)
{
    char *text;
    size_t n_bytes;
    memset(out, 0, sizeof *out);
    slk_status s = slk_file_read(&text, &n_bytes, path, err);
    if (s != SLK_OK) return s;
    s = slk_pretrain_plan_parse(out, text, n_bytes, path, err);
    free(text);
    return s;
}

void slk_pretrain_plan_release(slk_pretrain_plan *plan)
{
    if (!plan) return;
    slk_arena_release(&plan->arena);
    memset(plan, 0, sizeof *plan);
}
