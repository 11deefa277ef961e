#include "train/state.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "format/safetensors.h"

enum { FORMAT = 1, NAME_BYTES = 320 };
#define METADATA_KEY "slick.train"

/* The tensors of a parameter; the last only where something is kept. */
enum { MASTER, MOMENT_1, MOMENT_2, KEPT };
static const char *const KINDS[] = {"master", "m", "v", "best"};

static int n_kinds_of(const slk_optimizer *o)
{
    return o->kept ? KEPT + 1 : KEPT;
}

slk_status slk_train_state_add_step(slk_train_state *s, const slk_step_record *step, slk_err *err)
{
    if (!slk_grow(&s->steps, &s->cap_steps, s->n_steps + 1, sizeof *s->steps))
        return slk_fail(err, SLK_E_MEMORY, "out of memory");
    s->steps[s->n_steps++] = *step;
    return SLK_OK;
}

void slk_train_state_release(slk_train_state *s)
{
    if (!s) return;
    free(s->steps);
    *s = (slk_train_state){0};
}

size_t slk_train_state_bytes(int64_t n_trained, bool keeps)
{
    return (keeps ? 4 : 3) * sizeof(float) * (size_t)n_trained + ((size_t)1 << 20);
}

/* --- tensors -------------------------------------------------------------------------------------------------------
 */

static void tensor_name(char out[NAME_BYTES], int kind, const slk_param *p)
{
    int at = snprintf(out, NAME_BYTES, "%s:", KINDS[kind]);
    for (int i = 0; i < p->n_parts && at < NAME_BYTES; i++)
        at += snprintf(out + at, (size_t)(NAME_BYTES - at), "%s%s", i ? "+" : "", p->parts[i].name);
}

static float *tensor_values(const slk_optimizer *o, size_t i, int kind)
{
    float *const values[] = {o->params->items[i].master, o->m[i], o->v[i], o->kept ? o->kept[i] : NULL};
    return values[kind];
}

static size_t tensor_bytes(const slk_param *p)
{
    return (size_t)(p->n_rows * p->n_cols) * sizeof(float);
}

static size_t count_trained(const slk_params *params)
{
    size_t n = 0;
    for (size_t i = 0; i < params->n; i++) n += params->items[i].grad != NULL;
    return n;
}

static uint64_t hash_values(const slk_optimizer *o)
{
    uint64_t hash = 0;
    for (size_t i = 0; o && i < o->params->n; i++) {
        for (int kind = 0; o->params->items[i].grad && kind < n_kinds_of(o); kind++)
            hash = slk_hash_more(hash, tensor_values(o, i, kind), tensor_bytes(&o->params->items[i]));
    }
    return hash;
}

/* --- writing -------------------------------------------------------------------------------------------------------
 */

static json_t *describe(const slk_train_state *s, const json_t *settings, const slk_optimizer *o)
{
    char hash[17];
    json_t *steps = json_array();
    bool ok = steps != NULL;
    for (size_t i = 0; ok && i < s->n_steps; i++)
        ok = json_array_append_new(
                 steps, json_pack("[f, f, f]", s->steps[i].loss, s->steps[i].grad_norm, s->steps[i].lr)) == 0;
    snprintf(hash, sizeof hash, "%016" PRIx64, hash_values(o));
    json_t *all =
        ok ? json_pack("{s:i, s:O, s:i, s:I, s:i, s:f, s:i, s:b, s:O, s:I, s:f, s:s}", "format", (int)FORMAT,
                       "settings", settings, "epoch", s->epoch, "step", (json_int_t)s->step, "best_epoch",
                       s->best_epoch, "best_score", s->best_score, "n_no_better", s->n_no_better, "finished",
                       s->finished, "steps", steps, "n_tokens", (json_int_t)s->n_tokens, "ms", s->ms, "hash", hash)
           : NULL;
    json_decref(steps);
    return all;
}

static slk_status put_metadata(slk_safetensors_writer *w, const slk_train_state *state, const json_t *settings,
                               const slk_optimizer *o, slk_err *err)
{
    json_t *all = describe(state, settings, o);
    char *text = all ? json_dumps(all, JSON_COMPACT) : NULL;
    json_decref(all);
    slk_status s = text ? slk_safetensors_put_metadata(w, METADATA_KEY, text, err)
                        : slk_fail(err, SLK_E_MEMORY, "out of memory for a checkpoint");
    free(text);
    return s;
}

slk_status slk_train_state_write(const char *path, const slk_train_state *state, const json_t *settings,
                                 const slk_optimizer *o, slk_err *err)
{
    slk_safetensors_writer *w;
    slk_status s = slk_safetensors_writer_create(&w, err);
    if (s == SLK_OK) s = put_metadata(w, state, settings, o, err);
    for (size_t i = 0; o && s == SLK_OK && i < o->params->n; i++) {
        const slk_param *p = &o->params->items[i];
        uint64_t shape[2] = {(uint64_t)p->n_rows, (uint64_t)p->n_cols};
        for (int kind = 0; p->grad && kind < n_kinds_of(o) && s == SLK_OK; kind++) {
            char name[NAME_BYTES];
            tensor_name(name, kind, p);
            s = slk_safetensors_put_tensor(w, name, SLK_DTYPE_F32, 2, shape, tensor_values(o, i, kind), err);
        }
    }
    if (s == SLK_OK) s = slk_safetensors_write(w, path, true, NULL, NULL, err);
    slk_safetensors_writer_free(w);
    return s;
}

/* --- reading -------------------------------------------------------------------------------------------------------
 */

struct slk_checkpoint {
    slk_safetensors *file;
    json_t *all;
    slk_train_state state;
    uint64_t hash;
};

static slk_status fail_format(const slk_checkpoint *c, const char *what, slk_err *err)
{
    return slk_fail(err, SLK_E_FORMAT, "%s: no checkpoint of slick train: %s", slk_safetensors_path(c->file), what);
}

static bool get_integer(const slk_checkpoint *c, const char *key, int64_t low, int64_t high, int64_t *out)
{
    const json_t *value = json_object_get(c->all, key);
    *out = (int64_t)json_integer_value(value);
    return json_is_integer(value) && *out >= low && *out <= high;
}

static bool get_real(const slk_checkpoint *c, const char *key, double *out)
{
    const json_t *value = json_object_get(c->all, key);
    *out = json_number_value(value);
    return json_is_number(value);
}

static slk_status read_steps(slk_checkpoint *c, slk_err *err)
{
    const json_t *steps = json_object_get(c->all, "steps"), *step;
    size_t i;
    if (!json_is_array(steps)) return fail_format(c, "\"steps\" is no list", err);
    json_array_foreach(steps, i, step)
    {
        double values[3];
        for (size_t k = 0; k < 3; k++) {
            const json_t *value = json_array_get(step, k);
            if (!json_is_number(value)) return fail_format(c, "\"steps\" has what is no three numbers", err);
            values[k] = json_number_value(value);
        }
        slk_status s = slk_train_state_add_step(&c->state, &(slk_step_record){values[0], values[1], values[2]}, err);
        if (s != SLK_OK) return s;
    }
    if ((int64_t)c->state.n_steps > c->state.step) return fail_format(c, "\"step\" is less than its \"steps\"", err);
    return SLK_OK;
}

static slk_status read_state(slk_checkpoint *c, slk_err *err)
{
    slk_train_state *s = &c->state;
    int64_t format, epoch, step, best, n_no_better, n_tokens;
    const char *hash = json_string_value(json_object_get(c->all, "hash"));
    char *end = NULL;
    if (!get_integer(c, "format", 0, INT32_MAX, &format)) return fail_format(c, "\"format\" is no number", err);
    if (format != FORMAT)
        return slk_fail(err, SLK_E_UNSUPPORTED, "%s: a checkpoint of format %d, expected %d (another version of slick)",
                        slk_safetensors_path(c->file), (int)format, FORMAT);
    if (!json_is_object(json_object_get(c->all, "settings"))) return fail_format(c, "\"settings\" is no object", err);
    if (!get_integer(c, "epoch", -1, INT32_MAX - 1, &epoch) || !get_integer(c, "step", 0, INT64_MAX / 2, &step) ||
        !get_integer(c, "best_epoch", -1, epoch, &best) || !get_real(c, "best_score", &s->best_score) ||
        !get_integer(c, "n_no_better", 0, INT32_MAX - 1, &n_no_better) ||
        !json_is_boolean(json_object_get(c->all, "finished")) ||
        !get_integer(c, "n_tokens", 0, INT64_MAX / 2, &n_tokens) || !get_real(c, "ms", &s->ms) || !(s->ms >= 0))
        return fail_format(c, "a value is missing or out of range", err);
    if (hash) c->hash = strtoull(hash, &end, 16);
    if (!hash || strlen(hash) != 16 || *end) return fail_format(c, "\"hash\" is no hash", err);
    s->epoch = (int32_t)epoch;
    s->step = step;
    s->best_epoch = (int32_t)best;
    s->n_no_better = (int32_t)n_no_better;
    s->n_tokens = n_tokens;
    s->finished = json_is_true(json_object_get(c->all, "finished"));
    return read_steps(c, err);
}

slk_status slk_checkpoint_open(slk_checkpoint **out, const char *path, slk_err *err)
{
    *out = NULL;
    slk_checkpoint *c = slk_alloc_zero(1, sizeof *c);
    if (!c) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    slk_status s = slk_safetensors_open(&c->file, path, err);
    if (s == SLK_OK) {
        const char *text = slk_safetensors_metadata(c->file, METADATA_KEY);
        s = text ? slk_json_parse(&c->all, text, strlen(text), path, 1, err)
                 : fail_format(c, "its metadata has no \"" METADATA_KEY "\"", err);
    }
    if (s == SLK_OK) s = json_is_object(c->all) ? read_state(c, err) : fail_format(c, "its description", err);
    if (s == SLK_OK)
        *out = c;
    else
        slk_checkpoint_close(c);
    return s;
}

void slk_checkpoint_close(slk_checkpoint *c)
{
    if (!c) return;
    slk_train_state_release(&c->state);
    json_decref(c->all);
    slk_safetensors_close(c->file);
    free(c);
}

const json_t *slk_checkpoint_settings(const slk_checkpoint *c)
{
    return json_object_get(c->all, "settings");
}

const slk_train_state *slk_checkpoint_state(const slk_checkpoint *c)
{
    return &c->state;
}

slk_status slk_checkpoint_copy_state(slk_train_state *out, const slk_checkpoint *c, slk_err *err)
{
    *out = c->state;
    out->steps = NULL;
    out->n_steps = out->cap_steps = 0;
    slk_status s = SLK_OK;
    for (size_t i = 0; i < c->state.n_steps && s == SLK_OK; i++)
        s = slk_train_state_add_step(out, &c->state.steps[i], err);
    if (s != SLK_OK) slk_train_state_release(out);
    return s;
}

static slk_status load_tensor(const slk_checkpoint *c, const slk_param *p, int kind, float *values, slk_err *err)
{
    char name[NAME_BYTES];
    tensor_name(name, kind, p);
    const slk_safetensor *t = slk_safetensors_find_tensor(c->file, name);
    const char *path = slk_safetensors_path(c->file);
    if (!t) return slk_fail(err, SLK_E_NOT_FOUND, "%s: tensor %s is missing", path, name);
    if (!t->is_float || t->dtype != SLK_DTYPE_F32 || t->n_dims != 2 || t->shape[0] != (uint64_t)p->n_rows ||
        t->shape[1] != (uint64_t)p->n_cols)
        return slk_fail(err, SLK_E_SHAPE,
                        "%s: tensor %s is %s of %u dimensions, %" PRIu64 " by %" PRIu64 ", expected F32, %lld by %lld",
                        path, name, t->type_name, t->n_dims, t->shape[0], t->shape[1], (long long)p->n_rows,
                        (long long)p->n_cols);
    memcpy(values, t->data, t->n_bytes);
    slk_safetensors_forget(c->file, t);
    return SLK_OK;
}

slk_status slk_checkpoint_load(const slk_checkpoint *c, slk_optimizer *o, slk_err *err)
{
    size_t n = (size_t)n_kinds_of(o) * count_trained(o->params);
    if (slk_safetensors_n_tensors(c->file) != n)
        return slk_fail(err, SLK_E_SHAPE, "%s: %zu tensors, expected %zu", slk_safetensors_path(c->file),
                        slk_safetensors_n_tensors(c->file), n);
    for (size_t i = 0; i < o->params->n; i++) {
        const slk_param *p = &o->params->items[i];
        for (int kind = 0; p->grad && kind < n_kinds_of(o); kind++) {
            slk_status s = load_tensor(c, p, kind, tensor_values(o, i, kind), err);
            if (s != SLK_OK) return s;
        }
    }
    if (hash_values(o) != c->hash)
        return slk_fail(err, SLK_E_FORMAT, "%s: its values are not those that were written (hash)",
                        slk_safetensors_path(c->file));
    slk_params_publish(o->params, -1);
    return SLK_OK;
}

/* --- settings ------------------------------------------------------------------------------------------------------
 */

static void add_value(slk_buf *out, const json_t *value)
{
    char *text = NULL;
    size_t n = 0;
    FILE *stream = value ? open_memstream(&text, &n) : NULL;
    bool ok = stream && slk_json_print(stream, value, NULL) == SLK_OK;
    if (stream) fclose(stream);
    if (ok && n > 0) n--; /* the line break */
    slk_buf_addf(out, "%.*s", ok ? (int)(n < 100 ? n : 100) : 7, ok ? text : "nothing");
    free(text);
}

static void compare(slk_buf *out, const json_t *then, const json_t *now, const char *path);

static void compare_keys(slk_buf *out, const json_t *keys, const json_t *then, const json_t *now, const char *path,
                         bool only_new)
{
    json_t *o = (json_t *)(uintptr_t)keys; /* iterators want it writable and leave it alone */
    for (void *i = json_object_iter(o); i; i = json_object_iter_next(o, i)) {
        const char *key = json_object_iter_key(i);
        char longer[256];
        if (only_new && json_object_get(then, key)) continue;
        snprintf(longer, sizeof longer, "%s%s%s", path, *path ? "." : "", key);
        compare(out, json_object_get(then, key), json_object_get(now, key), longer);
    }
}

static void compare(slk_buf *out, const json_t *then, const json_t *now, const char *path)
{
    if (json_is_object(then) && json_is_object(now)) {
        compare_keys(out, then, then, now, path, false);
        compare_keys(out, now, then, now, path, true);
        return;
    }
    if (then && now && json_equal(then, now)) return;
    slk_buf_addf(out, "%s%s was ", out->len ? "; " : "", path);
    add_value(out, then);
    slk_buf_add_str(out, ", is ");
    add_value(out, now);
}

slk_status slk_settings_compare(const json_t *then, const json_t *now, const char *name, slk_err *err)
{
    slk_buf differences;
    slk_buf_init(&differences);
    compare(&differences, then, now, "");
    slk_status s = SLK_OK;
    if (differences.failed)
        s = slk_fail(err, SLK_E_MEMORY, "out of memory");
    else if (differences.len > 0)
        s = slk_fail(err, SLK_E_STATE, "%s: was begun otherwise: %s", name, differences.data);
    slk_buf_release(&differences);
    return s;
}
