/* Looking things up in an open GGUF file. Everything was checked when it was opened; what can fail here is that a key
 * is absent or of another kind. */
#include "format/gguf_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include "base/text.h"

/* --- finding ---------------------------------------------------------------------------------------------------- */

const slk_gguf_kv *slk_gguf_find_kv(const slk_gguf *file, const char *key)
{
    size_t begin = 0, end = file->n_kvs;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        int order = strcmp(key, file->kvs_by_key[middle]->key);
        if (order == 0) return file->kvs_by_key[middle];
        if (order < 0)
            end = middle;
        else
            begin = middle + 1;
    }
    return NULL;
}

const slk_gguf_tensor *slk_gguf_find_tensor(const slk_gguf *file, const char *name)
{
    size_t begin = 0, end = file->n_tensors;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        int order = strcmp(name, file->tensors_by_name[middle]->name);
        if (order == 0) return file->tensors_by_name[middle];
        if (order < 0)
            end = middle;
        else
            begin = middle + 1;
    }
    return NULL;
}

size_t slk_gguf_n_tensors(const slk_gguf *file)
{
    return file->n_tensors;
}

const slk_gguf_tensor *slk_gguf_tensor_at(const slk_gguf *file, size_t i)
{
    return i < file->n_tensors ? &file->tensors[i] : NULL;
}

size_t slk_gguf_n_keys(const slk_gguf *file)
{
    return file->n_kvs;
}

/* --- numbers ---------------------------------------------------------------------------------------------------- */

/* A number of any stored type; whole numbers that are not negative are always UNSIGNED, so that ranges are tested once.
 */
typedef struct number {
    enum { NONE, UNSIGNED, NEGATIVE, REAL } kind;
    uint64_t u;
    int64_t i;
    double f;
} number;

static number whole(int64_t v)
{
    if (v < 0) return (number){.kind = NEGATIVE, .i = v};
    return (number){.kind = UNSIGNED, .u = (uint64_t)v};
}

static number load_number(slk_gguf_type type, const uint8_t *p)
{
    uint32_t u32 = slk_gguf_type_bytes(type) == 4 ? slk_gguf_load_u32(p) : 0;
    uint64_t u64 = slk_gguf_type_bytes(type) == 8 ? slk_gguf_load_u64(p) : 0;
    float f32;
    double f64;
    switch (type) {
    case SLK_GGUF_U8:
        return whole(p[0]);
    case SLK_GGUF_I8:
        return whole((int8_t)p[0]);
    case SLK_GGUF_U16:
        return whole(p[0] | p[1] << 8);
    case SLK_GGUF_I16:
        return whole((int16_t)(uint16_t)(p[0] | p[1] << 8));
    case SLK_GGUF_U32:
        return whole(u32);
    case SLK_GGUF_I32:
        return whole((int32_t)u32);
    case SLK_GGUF_U64:
        return (number){.kind = UNSIGNED, .u = u64};
    case SLK_GGUF_I64:
        return whole((int64_t)u64);
    case SLK_GGUF_F32:
        memcpy(&f32, &u32, sizeof f32);
        return (number){.kind = REAL, .f = (double)f32};
    case SLK_GGUF_F64:
        memcpy(&f64, &u64, sizeof f64);
        return (number){.kind = REAL, .f = f64};
    case SLK_GGUF_BOOL:
    case SLK_GGUF_STRING:
    case SLK_GGUF_ARRAY:
        break;
    }
    return (number){.kind = NONE};
}

static bool to_u64(number v, uint64_t *out)
{
    if (v.kind != UNSIGNED) return false;
    *out = v.u;
    return true;
}

static bool to_i64(number v, int64_t *out)
{
    if (v.kind == NEGATIVE)
        *out = v.i;
    else if (v.kind == UNSIGNED && v.u <= (uint64_t)INT64_MAX)
        *out = (int64_t)v.u;
    else
        return false;
    return true;
}

static bool to_f64(number v, double *out)
{
    if (v.kind == NONE) return false;
    *out = v.kind == REAL ? v.f : v.kind == NEGATIVE ? (double)v.i : (double)v.u;
    return true;
}

static number number_of_key(const slk_gguf *file, const char *key)
{
    const slk_gguf_kv *kv = slk_gguf_find_kv(file, key);
    return kv ? load_number(kv->type, kv->value) : (number){.kind = NONE};
}

bool slk_gguf_get_u64(const slk_gguf *file, const char *key, uint64_t *out)
{
    return to_u64(number_of_key(file, key), out);
}

bool slk_gguf_get_i64(const slk_gguf *file, const char *key, int64_t *out)
{
    return to_i64(number_of_key(file, key), out);
}

bool slk_gguf_get_f64(const slk_gguf *file, const char *key, double *out)
{
    return to_f64(number_of_key(file, key), out);
}

bool slk_gguf_get_bool(const slk_gguf *file, const char *key, bool *out)
{
    const slk_gguf_kv *kv = slk_gguf_find_kv(file, key);
    if (!kv || kv->type != SLK_GGUF_BOOL) return false;
    *out = kv->value[0] != 0;
    return true;
}

/* --- strings and arrays ----------------------------------------------------------------------------------------- */

static slk_gguf_str load_string(const uint8_t *p)
{
    return (slk_gguf_str){(const char *)p + 8, (size_t)slk_gguf_load_u64(p)};
}

bool slk_gguf_get_str(const slk_gguf *file, const char *key, slk_gguf_str *out)
{
    const slk_gguf_kv *kv = slk_gguf_find_kv(file, key);
    if (!kv || kv->type != SLK_GGUF_STRING) return false;
    *out = load_string(kv->value);
    return true;
}

static const slk_gguf_kv *find_array(const slk_gguf *file, const char *key)
{
    const slk_gguf_kv *kv = slk_gguf_find_kv(file, key);
    return kv && kv->type == SLK_GGUF_ARRAY ? kv : NULL;
}

bool slk_gguf_get_array(const slk_gguf *file, const char *key, slk_gguf_type *item_type, size_t *n_items)
{
    const slk_gguf_kv *kv = find_array(file, key);
    if (!kv) return false;
    *item_type = kv->item_type;
    *n_items = kv->n_items;
    return true;
}

bool slk_gguf_array_str(const slk_gguf *file, const char *key, size_t index, slk_gguf_str *out)
{
    const slk_gguf_kv *kv = find_array(file, key);
    if (!kv || kv->item_type != SLK_GGUF_STRING || index >= kv->n_items) return false;
    *out = load_string(file->data + kv->string_at[index]);
    return true;
}

static number number_of_item(const slk_gguf *file, const char *key, size_t index)
{
    const slk_gguf_kv *kv = find_array(file, key);
    if (!kv || index >= kv->n_items) return (number){.kind = NONE};
    return load_number(kv->item_type, kv->items + index * slk_gguf_type_bytes(kv->item_type));
}

bool slk_gguf_array_f64(const slk_gguf *file, const char *key, size_t index, double *out)
{
    return to_f64(number_of_item(file, key, index), out);
}

bool slk_gguf_array_i64(const slk_gguf *file, const char *key, size_t index, int64_t *out)
{
    return to_i64(number_of_item(file, key, index), out);
}

/* --- printable values ------------------------------------------------------------------------------------------- */

static const char *type_name(slk_gguf_type type)
{
    static const char *const names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                        "bool", "string", "array", "u64", "i64", "f64"};
    return (size_t)type < sizeof names / sizeof *names ? names[type] : "?";
}

/* One line: control characters as \n, \t or '?', bytes that are no UTF-8 as '?'. What does not fit ends in "...". */
static void print_string(slk_gguf_str s, char *text, size_t text_bytes)
{
    size_t len = 0, cut = 0; /* cut: the longest prefix behind which "..." still fits */
    text[0] = 0;
    for (size_t i = 0; i < s.len;) {
        uint32_t code = 0;
        int used = slk_utf8_decode(&code, s.data + i, s.len - i);
        const char *piece = s.data + i;
        size_t n = used > 0 ? (size_t)used : 1;
        bool is_control = used > 0 && (code < 32 || (code >= 0x7F && code < 0xA0) || code == 0x2028 || code == 0x2029);
        size_t n_piece = n;
        if (used == 0 || is_control) {
            piece = used == 0 ? "?" : code == '\n' ? "\\n" : code == '\t' ? "\\t" : "?";
            n_piece = strlen(piece);
        }
        if (len + n_piece >= text_bytes) {
            if (cut + 3 < text_bytes) memcpy(text + cut, "...", 4);
            return;
        }
        memcpy(text + len, piece, n_piece);
        len += n_piece;
        text[len] = 0;
        if (len + 3 < text_bytes) cut = len;
        i += n;
    }
}

static void print_value(const slk_gguf_kv *kv, char *text, size_t text_bytes)
{
    number v = load_number(kv->type, kv->value);
    if (kv->type == SLK_GGUF_STRING)
        print_string(load_string(kv->value), text, text_bytes);
    else if (kv->type == SLK_GGUF_ARRAY)
        snprintf(text, text_bytes, "%s[%zu]", type_name(kv->item_type), kv->n_items);
    else if (kv->type == SLK_GGUF_BOOL)
        snprintf(text, text_bytes, "%s", kv->value[0] ? "true" : "false");
    else if (v.kind == REAL)
        snprintf(text, text_bytes, kv->type == SLK_GGUF_F32 ? "%.9g" : "%.17g", v.f);
    else if (v.kind == NEGATIVE)
        snprintf(text, text_bytes, "%" PRId64, v.i);
    else
        snprintf(text, text_bytes, "%" PRIu64, v.u);
}

const char *slk_gguf_key_at(const slk_gguf *file, size_t i, slk_gguf_type *type, char *text, size_t text_bytes)
{
    if (i >= file->n_kvs) return NULL;
    if (type) *type = file->kvs[i].type;
    if (text && text_bytes > 0) print_value(&file->kvs[i], text, text_bytes);
    return file->kvs[i].key;
}
