#include "config/yaml.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

enum { MAX_DEPTH = 16, MAX_NODES = 10000 };

typedef struct reader {
    yaml_parser_t parser;
    slk_arena *arena;
    const char *name, *text;
    size_t n_bytes, n_nodes;
} reader;

static slk_status fail(const reader *r, long line, slk_err *err, const char *what)
{
    return slk_fail(err, SLK_E_FORMAT, "%s:%ld: %s", r->name, line, what);
}

static long line_of(const yaml_event_t *event)
{
    return (long)event->start_mark.line + 1;
}

/* libyaml's own complaint. */
static slk_status fail_parser(const reader *r, slk_err *err)
{
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", r->name);
    long line = (long)p->problem_mark.line + 1;
    if (p->error == YAML_READER_ERROR) { /* no UTF-8: it knows the byte only */
        line = 1;
        for (size_t i = 0; i < p->problem_offset && i < r->n_bytes; i++) line += r->text[i] == '\n';
    }
    const char *problem = p->problem ? p->problem : "no YAML";
    if (p->context)
        return slk_fail(err, SLK_E_FORMAT, "%s:%ld: %s %s (line %ld)", r->name, line, problem, p->context,
                        (long)p->context_mark.line + 1);
    return slk_fail(err, SLK_E_FORMAT, "%s:%ld: %s", r->name, line, problem);
}

static slk_status next_event(reader *r, yaml_event_t *event, slk_err *err)
{
    if (yaml_parser_parse(&r->parser, event)) return SLK_OK;
    return fail_parser(r, err);
}

static slk_status new_node(reader *r, slk_yaml **out, slk_yaml_kind kind, long line, slk_err *err)
{
    if (++r->n_nodes > MAX_NODES) return fail(r, line, err, "more than 10,000 values");
    *out = slk_arena_alloc(r->arena, 1, sizeof **out);
    if (!*out) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", r->name);
    **out = (slk_yaml){.kind = kind, .line = line};
    return SLK_OK;
}

static slk_status read_scalar(reader *r, slk_yaml **out, const yaml_event_t *event, slk_err *err)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t n = event->data.scalar.length;
    if (event->data.scalar.anchor) return fail(r, line_of(event), err, "an anchor (&), expected plain values");
    if (event->data.scalar.tag) return fail(r, line_of(event), err, "a tag (!), expected plain values");
    if (memchr(text, 0, n)) return fail(r, line_of(event), err, "a zero byte in a text");
    slk_status status = new_node(r, out, SLK_YAML_SCALAR, line_of(event), err);
    if (status != SLK_OK) return status;
    (*out)->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    (*out)->text = slk_arena_strndup(r->arena, text, n);
    return (*out)->text ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "%s: out of memory", r->name);
}

static slk_status read_node(reader *r, slk_yaml **out, const yaml_event_t *event, int depth, slk_err *err);

/* The members of a list or mapping up to its end. */
static slk_status read_members(reader *r, slk_yaml *parent, int depth, slk_err *err)
{
    bool is_map = parent->kind == SLK_YAML_MAP;
    slk_yaml **end = &parent->first;
    for (;;) {
        yaml_event_t event;
        slk_yaml *key = NULL, *value = NULL;
        slk_status status = next_event(r, &event, err);
        if (status != SLK_OK) return status;
        bool at_end = event.type == (is_map ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT);
        if (!at_end && is_map) {
            status = event.type == YAML_SCALAR_EVENT
                         ? read_scalar(r, &key, &event, err)
                         : fail(r, line_of(&event), err, "a key that is a list or mapping, expected a name");
            if (status == SLK_OK && slk_yaml_get(parent, key->text))
                status = slk_fail(err, SLK_E_FORMAT, "%s:%ld: %s: the key is there twice (first in line %ld)", r->name,
                                  key->line, key->text, slk_yaml_get(parent, key->text)->key_line);
            yaml_event_delete(&event);
            if (status == SLK_OK) status = next_event(r, &event, err);
            if (status != SLK_OK) return status;
        }
        if (!at_end) status = read_node(r, &value, &event, depth, err);
        yaml_event_delete(&event);
        if (status != SLK_OK || at_end) return status;
        if (key) {
            value->key = key->text;
            value->key_line = key->line;
        }
        *end = value;
        end = &value->next;
        parent->n++;
    }
}

static slk_status read_node(reader *r, slk_yaml **out, const yaml_event_t *event, int depth, slk_err *err)
{
    long line = line_of(event);
    const yaml_char_t *anchor, *tag;
    slk_yaml_kind kind;
    *out = NULL;
    if (event->type == YAML_SCALAR_EVENT) return read_scalar(r, out, event, err);
    if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
        kind = SLK_YAML_LIST;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
        kind = SLK_YAML_MAP;
    } else {
        return fail(r, line, err, "an alias (*), expected plain values");
    }
    if (anchor) return fail(r, line, err, "an anchor (&), expected plain values");
    if (tag) return fail(r, line, err, "a tag (!), expected plain values");
    if (depth >= MAX_DEPTH) return fail(r, line, err, "more than 16 levels");
    slk_status status = new_node(r, out, kind, line, err);
    return status == SLK_OK ? read_members(r, *out, depth + 1, err) : status;
}

/* Everything between the two ends of the stream. */
static slk_status read_stream(reader *r, slk_yaml **out, slk_err *err)
{
    bool had_document = false;
    for (;;) {
        yaml_event_t event;
        slk_status status = next_event(r, &event, err);
        if (status != SLK_OK) return status;
        yaml_event_type_t type = event.type;
        if (type == YAML_DOCUMENT_START_EVENT && had_document)
            status = fail(r, line_of(&event), err, "a second document, expected one");
        else if (type == YAML_SCALAR_EVENT || type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT ||
                 type == YAML_ALIAS_EVENT)
            status = read_node(r, out, &event, 0, err);
        had_document |= type == YAML_DOCUMENT_END_EVENT;
        yaml_event_delete(&event);
        if (status != SLK_OK || type == YAML_STREAM_END_EVENT) return status;
    }
}

slk_status slk_yaml_parse(slk_yaml **out, slk_arena *arena, const char *text, size_t n_bytes, const char *name,
                          slk_err *err)
{
    reader r = {.arena = arena, .name = name, .text = text, .n_bytes = n_bytes};
    *out = NULL;
    if (!yaml_parser_initialize(&r.parser)) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", name);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, n_bytes);
    slk_status status = read_stream(&r, out, err);
    yaml_parser_delete(&r.parser);
    if (status != SLK_OK) *out = NULL;
    return status;
}

const slk_yaml *slk_yaml_get(const slk_yaml *map, const char *key)
{
    for (const slk_yaml *v = map ? map->first : NULL; v; v = v->next) {
        if (v->key && strcmp(v->key, key) == 0) return v;
    }
    return NULL;
}

const char *slk_yaml_show(char *out, size_t n, const slk_yaml *node)
{
    if (node->kind == SLK_YAML_LIST) return node->n ? "a list" : "an empty list";
    if (node->kind == SLK_YAML_MAP) return "a mapping";
    if (!node->text[0] && !node->quoted) return "nothing";
    snprintf(out, n, node->quoted ? "the text \"%s\"" : "'%s'", node->text);
    return out;
}
