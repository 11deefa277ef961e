/* Opening safetensors files. Jansson checks the header's syntax; here every value is checked against the file. */
#include "format/safetensors.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"

#define MAX_HEADER_BYTES 100000000u /* the format's own limit */
#define METADATA         "__metadata__"

typedef struct part {
    char *path; /* for messages */
    slk_map map;
    bool is_mapped;
    const uint8_t *data;
    size_t n_bytes;
    size_t first_tensor; /* tensors[first_tensor ..] up to the next part's are this one's */
} part;

struct slk_safetensors {
    char *path;
    part *parts;
    size_t n_parts, cap_parts;
    slk_arena arena; /* names */
    slk_safetensor *tensors;
    size_t n_tensors, cap_tensors;
    const slk_safetensor **by_name; /* [n_tensors] sorted */
    json_t *metadata;               /* NULL or an object of strings */
    _Atomic uint64_t hash;          /* valid once hash_is_known */
    _Atomic bool hash_is_known;
};

typedef struct type_info {
    const char *name;
    uint32_t n_bytes;
    int dtype; /* -1: slick does not compute with it */
} type_info;

static const type_info types[] = {
    {"F32", 4, SLK_DTYPE_F32},
    {"F16", 2, SLK_DTYPE_F16},
    {"BF16", 2, SLK_DTYPE_BF16},
    {"F64", 8, -1},
    {"I64", 8, -1},
    {"I32", 4, -1},
    {"I16", 2, -1},
    {"I8", 1, -1},
    {"U64", 8, -1},
    {"U32", 4, -1},
    {"U16", 2, -1},
    {"U8", 1, -1},
    {"BOOL", 1, -1},
    {"F8_E4M3", 1, -1},
    {"F8_E5M2", 1, -1},
};

static const type_info *find_type(const char *name)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0) return &types[i];
    return NULL;
}

/* --- one tensor ------------------------------------------------------------------------------------------------- */

/* A whole number >= 0; anything else, 1.0 included, is refused. */
static bool whole_number(const json_t *value, uint64_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static slk_status read_shape(slk_safetensor *t, const json_t *shape, uint64_t *n_values, slk_err *err)
{
    size_t n_dims = json_array_size(shape);
    if (!json_is_array(shape) || n_dims > SLK_SAFETENSORS_MAX_DIMS)
        return slk_fail(err, SLK_E_FORMAT, "shape is no list of at most %d dimensions", SLK_SAFETENSORS_MAX_DIMS);
    *n_values = 1;
    bool is_empty = false;
    for (size_t d = 0; d < SLK_SAFETENSORS_MAX_DIMS; d++) t->shape[d] = 1;
    for (size_t d = 0; d < n_dims; d++) {
        if (!whole_number(json_array_get(shape, d), &t->shape[d]))
            return slk_fail(err, SLK_E_FORMAT, "dimension %zu is no whole number", d);
        /* The product must not overflow even where a dimension of 0 makes the tensor empty: consumers multiply, too. */
        if (t->shape[d] == 0)
            is_empty = true;
        else if (t->shape[d] > (uint64_t)INT64_MAX / *n_values)
            return slk_fail(err, SLK_E_FORMAT, "dimension %zu of %" PRIu64 ": more than 2^63 values", d, t->shape[d]);
        else
            *n_values *= t->shape[d];
    }
    if (is_empty) *n_values = 0;
    t->n_dims = (uint32_t)n_dims;
    return SLK_OK;
}

static slk_status read_type(slk_safetensor *t, const json_t *dtype, uint32_t *value_bytes, slk_err *err)
{
    if (!json_is_string(dtype)) return slk_fail(err, SLK_E_FORMAT, "dtype is no string");
    const type_info *info = find_type(json_string_value(dtype));
    if (!info)
        return slk_fail(err, SLK_E_UNSUPPORTED, "dtype %.40s is none that slick knows", json_string_value(dtype));
    t->type_name = info->name;
    t->is_float = info->dtype >= 0;
    t->dtype = t->is_float ? (slk_dtype)info->dtype : SLK_DTYPE_F32;
    *value_bytes = info->n_bytes;
    return SLK_OK;
}

/* data, n_bytes: the part's data section. */
static slk_status read_tensor(slk_safetensor *t, const json_t *entry, const uint8_t *data, size_t n_bytes, slk_err *err)
{
    const json_t *dtype = json_object_get(entry, "dtype"), *shape = json_object_get(entry, "shape");
    const json_t *offsets = json_object_get(entry, "data_offsets");
    if (!dtype || !shape || !offsets || json_object_size(entry) != 3)
        return slk_fail(err, SLK_E_FORMAT, "expected an object of dtype, shape and data_offsets");
    uint32_t value_bytes = 0;
    uint64_t n_values = 0, begin = 0, end = 0;
    slk_status status = read_type(t, dtype, &value_bytes, err);
    if (!status) status = read_shape(t, shape, &n_values, err);
    if (status) return status;
    if (!json_is_array(offsets) || json_array_size(offsets) != 2 || !whole_number(json_array_get(offsets, 0), &begin) ||
        !whole_number(json_array_get(offsets, 1), &end))
        return slk_fail(err, SLK_E_FORMAT, "data_offsets is no pair of whole numbers");
    if (begin > end || end > n_bytes)
        return slk_fail(err, SLK_E_FORMAT, "bytes %" PRIu64 " to %" PRIu64 " of a data section of %zu (truncated?)",
                        begin, end, n_bytes);
    if (n_values > (uint64_t)INT64_MAX / value_bytes || end - begin != n_values * value_bytes)
        return slk_fail(err, SLK_E_FORMAT, "%" PRIu64 " bytes of data for %" PRIu64 " values of type %s", end - begin,
                        n_values, t->type_name);
    t->data = data + begin;
    t->n_bytes = (size_t)(end - begin);
    return SLK_OK;
}

/* --- one file --------------------------------------------------------------------------------------------------- */

static slk_status keep_metadata(slk_safetensors *file, const part *p, json_t *metadata, slk_err *err)
{
    const char *key;
    json_t *value;
    if (!json_is_object(metadata)) return slk_fail(err, SLK_E_FORMAT, "%s: " METADATA " is no object", p->path);
    json_object_foreach(metadata, key, value) if (!json_is_string(value)) return slk_fail(
        err, SLK_E_FORMAT, "%s: " METADATA " key %.200s is no string", p->path, key);
    if (!file->metadata && p == file->parts) file->metadata = json_incref(metadata);
    return SLK_OK;
}

static slk_status add_tensor(slk_safetensors *file, const part *p, const char *name, const json_t *entry,
                             const uint8_t *data, size_t n_bytes, slk_err *err)
{
    if (name[0] == 0) return slk_fail(err, SLK_E_FORMAT, "%s: a tensor without a name", p->path);
    if (!slk_grow(&file->tensors, &file->cap_tensors, file->n_tensors + 1, sizeof *file->tensors))
        return slk_fail(err, SLK_E_MEMORY, "%s: out of memory for tensors", p->path);
    slk_safetensor t = {0};
    slk_status status = read_tensor(&t, entry, data, n_bytes, err);
    if (status) return slk_fail_in(err, status, "%s: tensor %.200s", p->path, name);
    t.name = slk_arena_strndup(&file->arena, name, strlen(name));
    if (!t.name) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory for names", p->path);
    file->tensors[file->n_tensors++] = t;
    return SLK_OK;
}

static int compare_places(const void *a, const void *b)
{
    const slk_safetensor *x = *(const slk_safetensor *const *)a, *y = *(const slk_safetensor *const *)b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return x->n_bytes < y->n_bytes ? -1 : x->n_bytes > y->n_bytes; /* empty ones first */
}

/* The tensors of one part, in the order of their bytes, must follow one another from begin to end. */
static slk_status check_cover(const slk_safetensors *file, const part *p, const uint8_t *begin, const uint8_t *end,
                              slk_err *err)
{
    size_t n = file->n_tensors - p->first_tensor;
    const slk_safetensor **sorted = slk_alloc(n, sizeof *sorted);
    if (!sorted) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory for %zu tensors", p->path, n);
    for (size_t i = 0; i < n; i++) sorted[i] = &file->tensors[p->first_tensor + i];
    qsort(sorted, n, sizeof *sorted, compare_places);
    slk_status status = SLK_OK;
    const uint8_t *at = begin;
    for (size_t i = 0; !status && i < n; i++) {
        if (sorted[i]->data < at)
            status = slk_fail(err, SLK_E_FORMAT, "%s: tensors %.200s and %.200s overlap", p->path, sorted[i - 1]->name,
                              sorted[i]->name);
        else if (sorted[i]->data > at)
            status = slk_fail(err, SLK_E_FORMAT, "%s: tensor %.200s: %zu bytes before it belong to no tensor", p->path,
                              sorted[i]->name, (size_t)(sorted[i]->data - at));
        at = sorted[i]->data + sorted[i]->n_bytes;
    }
    free(sorted);
    if (!status && at != end)
        status =
            slk_fail(err, SLK_E_FORMAT, "%s: %zu bytes at the end belong to no tensor", p->path, (size_t)(end - at));
    return status;
}

static slk_status read_entries(slk_safetensors *file, const part *p, json_t *header, size_t header_bytes, slk_err *err)
{
    const uint8_t *data = p->data + 8 + header_bytes;
    size_t n_bytes = p->n_bytes - 8 - header_bytes;
    const char *name;
    json_t *entry;
    if (!json_is_object(header)) return slk_fail(err, SLK_E_FORMAT, "%s: the header is no JSON object", p->path);
    json_object_foreach(header, name, entry)
    {
        slk_status status = strcmp(name, METADATA) == 0 ? keep_metadata(file, p, entry, err)
                                                        : add_tensor(file, p, name, entry, data, n_bytes, err);
        if (status) return status;
    }
    return check_cover(file, p, data, data + n_bytes, err);
}

static slk_status read_part(slk_safetensors *file, const part *p, slk_err *err)
{
    if (p->n_bytes < 8)
        return slk_fail(err, SLK_E_FORMAT, "%s: %zu bytes, expected a header length of 8 (truncated?)", p->path,
                        p->n_bytes);
    uint64_t header_bytes = 0;
    for (int i = 7; i >= 0; i--) header_bytes = header_bytes << 8 | p->data[i];
    if (header_bytes < 2 || header_bytes > MAX_HEADER_BYTES)
        return slk_fail(err, SLK_E_FORMAT, "%s: header length %" PRIu64 ", expected 2 to %u: no safetensors file?",
                        p->path, header_bytes, MAX_HEADER_BYTES);
    if (header_bytes > p->n_bytes - 8)
        return slk_fail(err, SLK_E_FORMAT, "%s: header of %" PRIu64 " bytes in a file of %zu (truncated?)", p->path,
                        header_bytes, p->n_bytes);
    if (p->data[8] != '{')
        return slk_fail(err, SLK_E_FORMAT, "%s: the header begins with byte %02x, expected '{'", p->path, p->data[8]);
    json_t *header = NULL;
    slk_status status = slk_json_parse(&header, (const char *)p->data + 8, (size_t)header_bytes, p->path, 1, err);
    if (status) return status;
    status = read_entries(file, p, header, (size_t)header_bytes, err);
    json_decref(header);
    return status;
}

/* The new part takes the map over, also on failure. path is copied. */
static slk_status add_part(slk_safetensors *file, const char *path, slk_map map, bool is_mapped, slk_err *err)
{
    part p = {.path = slk_strdup(path), .map = map, .is_mapped = is_mapped, .data = map.data, .n_bytes = map.n_bytes};
    p.first_tensor = file->n_tensors;
    if (!p.path || !slk_grow(&file->parts, &file->cap_parts, file->n_parts + 1, sizeof *file->parts)) {
        if (is_mapped) slk_map_close(&p.map);
        free(p.path);
        return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
    }
    file->parts[file->n_parts] = p;
    return read_part(file, &file->parts[file->n_parts++], err);
}

static slk_status add_mapped_part(slk_safetensors *file, const char *path, slk_err *err)
{
    slk_map map;
    slk_status status = slk_map_open(&map, path, err);
    return status ? status : add_part(file, path, map, true, err);
}

/* --- index by name ---------------------------------------------------------------------------------------------- */

static const part *part_of(const slk_safetensors *file, const slk_safetensor *t)
{
    size_t number = (size_t)(t - file->tensors), i = file->n_parts;
    while (i > 1 && file->parts[i - 1].first_tensor > number) i--;
    return &file->parts[i - 1];
}

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(const slk_safetensor *const *)a)->name, (*(const slk_safetensor *const *)b)->name);
}

static slk_status index_names(slk_safetensors *file, slk_err *err)
{
    file->by_name = slk_alloc(file->n_tensors, sizeof *file->by_name);
    if (!file->by_name)
        return slk_fail(err, SLK_E_MEMORY, "%s: out of memory for %zu tensors", file->path, file->n_tensors);
    for (size_t i = 0; i < file->n_tensors; i++) file->by_name[i] = &file->tensors[i];
    qsort(file->by_name, file->n_tensors, sizeof *file->by_name, compare_names);
    /* Within one part the JSON parser refused duplicate keys already. */
    for (size_t i = 1; i < file->n_tensors; i++)
        if (strcmp(file->by_name[i - 1]->name, file->by_name[i]->name) == 0)
            return slk_fail(err, SLK_E_FORMAT, "%s: tensor %.200s occurs in both %.300s and %.300s", file->path,
                            file->by_name[i]->name, part_of(file, file->by_name[i - 1])->path,
                            part_of(file, file->by_name[i])->path);
    return SLK_OK;
}

const slk_safetensor *slk_safetensors_find_tensor(const slk_safetensors *file, const char *name)
{
    size_t begin = 0, end = file->n_tensors;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        int order = strcmp(name, file->by_name[middle]->name);
        if (order == 0) return file->by_name[middle];
        if (order < 0)
            end = middle;
        else
            begin = middle + 1;
    }
    return NULL;
}

/* --- several files ---------------------------------------------------------------------------------------------- */

/* A part's name comes from the file, so it must not lead out of the folder. */
static bool is_plain_name(const char *name)
{
    return name[0] != 0 && name[0] != '.' && !strchr(name, '/') && strlen(name) <= 255;
}

static char *beside(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    slk_buf b;
    slk_buf_init(&b);
    if (slash) slk_buf_add(&b, path, (size_t)(slash - path) + 1);
    slk_buf_add_str(&b, name);
    return slk_buf_take(&b);
}

/* Opens the part on its first mention; *number is its place among the parts. */
static slk_status want_part(slk_safetensors *file, const char *name, size_t *number, slk_err *err)
{
    if (!is_plain_name(name))
        return slk_fail(err, SLK_E_FORMAT, "%s: weight_map: %.200s is no file name", file->path, name);
    char *path = beside(file->path, name);
    if (!path) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", file->path);
    /* Entries of one part mostly follow one another, so look from the end. */
    for (*number = file->n_parts; *number > 0; (*number)--)
        if (strcmp(file->parts[*number - 1].path, path) == 0) break;
    slk_status status = SLK_OK;
    if (*number == 0) {
        status = add_mapped_part(file, path, err);
        *number = file->n_parts;
    }
    (*number)--;
    free(path);
    return status;
}

/* Every tensor of the index lies where it says, and there are no others. */
static slk_status compare_with_index(const slk_safetensors *file, json_t *weight_map, slk_err *err)
{
    const char *name;
    json_t *where;
    json_object_foreach(weight_map, name, where)
    {
        const slk_safetensor *t = slk_safetensors_find_tensor(file, name);
        const char *path = t ? part_of(file, t)->path : "", *slash = strrchr(path, '/');
        if (!t || strcmp(slash ? slash + 1 : path, json_string_value(where)) != 0)
            return slk_fail(err, SLK_E_FORMAT, "%s: tensor %.200s is not in %.255s", file->path, name,
                            json_string_value(where));
    }
    for (size_t i = 0; i < file->n_tensors; i++)
        if (!json_object_get(weight_map, file->tensors[i].name))
            return slk_fail(err, SLK_E_FORMAT, "%s: tensor %.200s of %.300s is not in the weight_map", file->path,
                            file->tensors[i].name, part_of(file, &file->tensors[i])->path);
    return SLK_OK;
}

static slk_status read_index(slk_safetensors *file, slk_err *err)
{
    json_t *root = NULL, *where;
    const char *name;
    slk_status status = slk_json_read(&root, file->path, err);
    if (status) return status;
    json_t *weight_map = json_object_get(root, "weight_map");
    if (!json_is_object(weight_map) || json_object_size(weight_map) == 0)
        status = slk_fail(err, SLK_E_FORMAT, "%s: expected an object with a weight_map of tensors", file->path);
    json_object_foreach(weight_map, name, where)
    {
        size_t number;
        if (status) break;
        if (json_is_string(where))
            status = want_part(file, json_string_value(where), &number, err);
        else
            status = slk_fail(err, SLK_E_FORMAT, "%s: weight_map: %.200s has no file name", file->path, name);
    }
    if (!status) status = index_names(file, err);
    if (!status) status = compare_with_index(file, weight_map, err);
    json_decref(root);
    return status;
}

/* --- open and close --------------------------------------------------------------------------------------------- */

static bool ends_in(const char *s, const char *end)
{
    size_t n = strlen(s), n_end = strlen(end);
    return n >= n_end && strcmp(s + n - n_end, end) == 0;
}

static slk_safetensors *new_file(const char *path, slk_err *err)
{
    slk_safetensors *file = slk_alloc_zero(1, sizeof *file);
    if (file) file->path = slk_strdup(path);
    if (file && file->path) return file;
    free(file);
    slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
    return NULL;
}

static slk_status finish_open(slk_safetensors **out, slk_safetensors *file, slk_status status)
{
    if (status)
        slk_safetensors_close(file);
    else
        *out = file;
    return status;
}

slk_status slk_safetensors_open(slk_safetensors **out, const char *path, slk_err *err)
{
    *out = NULL;
    slk_safetensors *file = new_file(path, err);
    if (!file) return SLK_E_MEMORY;
    if (ends_in(path, ".json")) return finish_open(out, file, read_index(file, err));
    slk_status status = add_mapped_part(file, path, err);
    return finish_open(out, file, status ? status : index_names(file, err));
}

slk_status slk_safetensors_open_memory(slk_safetensors **out, const void *data, size_t n_bytes, const char *name,
                                       slk_err *err)
{
    *out = NULL;
    slk_safetensors *file = new_file(name, err);
    if (!file) return SLK_E_MEMORY;
    slk_status status = add_part(file, name, (slk_map){data, n_bytes}, false, err);
    return finish_open(out, file, status ? status : index_names(file, err));
}

void slk_safetensors_close(slk_safetensors *file)
{
    if (!file) return;
    for (size_t i = 0; i < file->n_parts; i++) {
        if (file->parts[i].is_mapped) slk_map_close(&file->parts[i].map);
        free(file->parts[i].path);
    }
    free(file->parts);
    slk_arena_release(&file->arena);
    free(file->tensors);
    free(file->by_name);
    json_decref(file->metadata);
    free(file->path);
    free(file);
}

/* --- looking up ------------------------------------------------------------------------------------------------- */

const char *slk_safetensors_path(const slk_safetensors *file)
{
    return file->path;
}

uint64_t slk_safetensors_hash(const slk_safetensors *file)
{
    slk_safetensors *cache = (slk_safetensors *)file; /* threads that come at once compute the same value */
    if (!atomic_load(&cache->hash_is_known)) {
        uint64_t hash = 0;
        for (size_t i = 0; i < file->n_parts; i++) {
            const part *p = &file->parts[i];
            hash = file->n_parts == 1 ? slk_hash_bytes(p->data, p->n_bytes) : slk_hash_more(hash, p->data, p->n_bytes);
            /* Every page was just read; do not let the whole file count as this process's memory. */
            if (p->is_mapped) slk_map_forget(&p->map, p->data, p->n_bytes);
        }
        atomic_store(&cache->hash, hash);
        atomic_store(&cache->hash_is_known, true);
    }
    return atomic_load(&cache->hash);
}

size_t slk_safetensors_n_tensors(const slk_safetensors *file)
{
    return file->n_tensors;
}

const slk_safetensor *slk_safetensors_tensor_at(const slk_safetensors *file, size_t i)
{
    return i < file->n_tensors ? &file->tensors[i] : NULL;
}

const char *slk_safetensors_metadata(const slk_safetensors *file, const char *key)
{
    return json_string_value(json_object_get(file->metadata, key));
}

void slk_safetensors_forget(const slk_safetensors *file, const slk_safetensor *tensor)
{
    const part *p = part_of(file, tensor);
    if (p->is_mapped) slk_map_forget(&p->map, tensor->data, tensor->n_bytes);
}
