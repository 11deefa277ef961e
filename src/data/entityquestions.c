#include "data/entityquestions.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "data/filter.h"
#include "data/reader.h"

#define MAX_ENTRY_BYTES ((size_t)64 << 20) /* the real files have 1.2 MB: what is larger is no EntityQuestions file */

static const slk_eq_relation RELATIONS[SLK_EQ_N_RELATIONS] = {
    {"P131", "located in the administrative territorial entity", SLK_EQ_IN},
    {"P136", "genre", SLK_EQ_IN},
    {"P17", "country", SLK_EQ_IN},
    {"P19", "place of birth", SLK_EQ_IN},
    {"P26", "spouse", SLK_EQ_IN},
    {"P264", "record label", SLK_EQ_IN},
    {"P36", "capital", SLK_EQ_IN},
    {"P40", "child", SLK_EQ_IN},
    {"P495", "country of origin", SLK_EQ_IN},
    {"P69", "educated at", SLK_EQ_IN},
    {"P740", "location of formation", SLK_EQ_IN},
    {"P800", "notable work", SLK_EQ_IN},
    {"P127", "owned by", SLK_EQ_OOD},
    {"P50", "author", SLK_EQ_OOD},
    {"P407", "language of work or name", SLK_EQ_OOD},
    {"P176", "manufacturer", SLK_EQ_OOD},
    {"P170", "creator", SLK_EQ_OOD},
    {"P175", "performer", SLK_EQ_OOD},
    {"P112", "founded by", SLK_EQ_OOD},
    {"P276", "location", SLK_EQ_LEFT_OUT},
    {"P20", "place of death", SLK_EQ_LEFT_OUT},
    {"P106", "occupation", SLK_EQ_LEFT_OUT},
    {"P413", "position played on team", SLK_EQ_LEFT_OUT},
    {"P159", "headquarters location", SLK_EQ_LEFT_OUT},
};

const slk_eq_relation *slk_eq_relations(void)
{
    return RELATIONS;
}

const slk_eq_relation *slk_eq_find_relation(const char *id)
{
    for (int i = 0; i < SLK_EQ_N_RELATIONS; i++) {
        if (strcmp(RELATIONS[i].id, id) == 0) return &RELATIONS[i];
    }
    return NULL;
}

/* One file of the data set: one relation in one split. */
typedef struct part {
    slk_split split;
    char relation[16];
    char *name; /* path, or "ARCHIVE: path in it", for messages */
    char *text; /* NULL: read the file `name` */
    size_t n_bytes;
} part;

typedef struct part_list {
    part *items;
    size_t n, cap;
} part_list;

static void release_parts(part_list *parts)
{
    for (size_t i = 0; i < parts->n; i++) {
        free(parts->items[i].name);
        free(parts->items[i].text);
    }
    free(parts->items);
    memset(parts, 0, sizeof *parts);
}

/* Is the last component of path "P<digits>.<split>.json" in a folder named <split>? Then fill split and relation of
 * *out. */
static bool parse_path(part *out, const char *path)
{
    for (int s = 0; s < SLK_N_SPLITS; s++) {
        const char *split = slk_split_name((slk_split)s);
        const char *base = strrchr(path, '/');
        size_t n_split = strlen(split);
        if (!base || (size_t)(base - path) < n_split || memcmp(base - n_split, split, n_split) != 0) continue;
        if (base - path > (long)n_split && base[-(long)n_split - 1] != '/') continue;
        size_t n_digits = base[1] == 'P' ? strspn(base + 2, "0123456789") : 0;
        if (n_digits == 0 || n_digits + 2 > sizeof out->relation) return false;
        const char *rest = base + 2 + n_digits;
        if (rest[0] != '.' || strncmp(rest + 1, split, n_split) != 0 || strcmp(rest + 1 + n_split, ".json") != 0)
            return false;
        out->split = (slk_split)s;
        memcpy(out->relation, base + 1, n_digits + 1);
        out->relation[n_digits + 1] = 0;
        return true;
    }
    return false;
}

/* Takes over p->name and p->text also on failure. */
static slk_status push_part(part_list *parts, part *p, const char *path, slk_err *err)
{
    if (p->name && slk_grow(&parts->items, &parts->cap, parts->n + 1, sizeof *parts->items)) {
        parts->items[parts->n++] = *p;
        return SLK_OK;
    }
    free(p->name);
    free(p->text);
    return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
}

/* --- a folder ----------------------------------------------------------------------------------------------------- */

static slk_status list_split(part_list *parts, const char *dir, slk_split split, slk_err *err)
{
    slk_buf path = {0};
    slk_buf_addf(&path, "%s/%s", dir, slk_split_name(split));
    if (path.failed) {
        slk_buf_release(&path);
        return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", dir);
    }
    DIR *stream = opendir(path.data);
    slk_status status = SLK_OK;
    if (!stream && errno != ENOENT) status = slk_fail(err, SLK_E_IO, "%s: %s", path.data, strerror(errno));
    for (struct dirent *entry; stream && status == SLK_OK && (entry = readdir(stream)) != NULL;) {
        slk_buf name = {0};
        part p = {0};
        slk_buf_addf(&name, "%s/%s", path.data, entry->d_name);
        if (name.failed || parse_path(&p, name.data)) {
            p.name = name.failed ? NULL : slk_strdup(name.data);
            status = push_part(parts, &p, dir, err);
        }
        slk_buf_release(&name);
    }
    if (stream) closedir(stream);
    slk_buf_release(&path);
    return status;
}

static slk_status list_folder(part_list *parts, const char *path, slk_err *err)
{
    slk_buf dir = {0};
    slk_buf_addf(&dir, "%s/dataset", path);
    slk_status status = dir.failed ? slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path) : SLK_OK;
    const char *root = status == SLK_OK && slk_dir_exists(dir.data) ? dir.data : path;
    for (int s = 0; s < SLK_N_SPLITS && status == SLK_OK; s++) status = list_split(parts, root, (slk_split)s, err);
    slk_buf_release(&dir);
    return status;
}

/* --- an archive --------------------------------------------------------------------------------------------------- */

static slk_status read_entry(struct archive *a, part *p, const char *path, slk_err *err)
{
    slk_buf text = {0};
    char block[1 << 14];
    for (;;) {
        la_ssize_t n = archive_read_data(a, block, sizeof block);
        if (n == 0) break;
        if (n > 0) slk_buf_add(&text, block, (size_t)n);
        if (n > 0 && text.len <= MAX_ENTRY_BYTES && !text.failed) continue;
        slk_status status = n < 0 ? slk_fail(err, SLK_E_FORMAT, "%s: %s: %s", path, p->name, archive_error_string(a))
                            : text.failed
                                ? slk_fail(err, SLK_E_MEMORY, "%s: %s: out of memory", path, p->name)
                                : slk_fail(err, SLK_E_FORMAT, "%s: more than %zu bytes", p->name, MAX_ENTRY_BYTES);
        slk_buf_release(&text);
        return status;
    }
    p->n_bytes = text.len;
    p->text = slk_buf_take(&text);
    return p->text ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
}

static slk_status read_entries(struct archive *a, part_list *parts, const char *path, slk_err *err)
{
    size_t n_bytes = 0;
    struct archive_entry *entry;
    int code;
    while ((code = archive_read_next_header(a, &entry)) == ARCHIVE_OK || code == ARCHIVE_WARN) {
        part p = {0};
        const char *inner = archive_entry_pathname(entry);
        if (!inner || archive_entry_filetype(entry) != AE_IFREG || !parse_path(&p, inner)) continue;
        slk_buf name = {0};
        slk_buf_addf(&name, "%s: %s", path, inner);
        p.name = slk_buf_take(&name);
        slk_status status =
            p.name ? read_entry(a, &p, path, err) : slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
        n_bytes += p.n_bytes;
        if (status == SLK_OK && n_bytes > SLK_DATA_MAX_BYTES)
            status = slk_fail(err, SLK_E_FORMAT, "%s: unpacks to more than %zu bytes", path, SLK_DATA_MAX_BYTES);
        if (status != SLK_OK) {
            free(p.name);
            free(p.text);
            return status;
        }
        if ((status = push_part(parts, &p, path, err)) != SLK_OK) return status;
    }
    if (code == ARCHIVE_EOF) return SLK_OK;
    return slk_fail(err, SLK_E_FORMAT, "%s: no readable archive: %s", path, archive_error_string(a));
}

static slk_status list_archive(part_list *parts, const char *path, slk_err *err)
{
    slk_map file; /* libarchive's own messages for a missing file do not name it */
    slk_status status = slk_map_open(&file, path, err);
    if (status != SLK_OK) return status;
    struct archive *a = archive_read_new();
    if (!a) {
        status = slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
    } else {
        archive_read_support_filter_xz(a);
        archive_read_support_filter_gzip(a);
        archive_read_support_filter_bzip2(a);
        archive_read_support_filter_zstd(a);
        archive_read_support_format_tar(a);
        archive_read_support_format_zip(a);
        if (archive_read_open_memory(a, file.data, file.n_bytes) != ARCHIVE_OK)
            status = slk_fail(err, SLK_E_FORMAT, "%s: no readable archive: %s", path, archive_error_string(a));
        else
            status = read_entries(a, parts, path, err);
        archive_read_free(a);
    }
    slk_map_close(&file);
    return status;
}

/* --- both --------------------------------------------------------------------------------------------------------- */

/* Place in the table; relations that are not in it come behind, by number. */
static long relation_rank(const char *id)
{
    const slk_eq_relation *relation = slk_eq_find_relation(id);
    return relation ? (long)(relation - RELATIONS) : SLK_EQ_N_RELATIONS + strtol(id + 1, NULL, 10);
}

static int compare_parts(const void *pa, const void *pb)
{
    const part *a = pa, *b = pb;
    if (a->split != b->split) return a->split < b->split ? -1 : 1;
    long ra = relation_rank(a->relation), rb = relation_rank(b->relation);
    return ra != rb ? (ra < rb ? -1 : 1) : strcmp(a->relation, b->relation);
}

static slk_status read_part(slk_facts *facts, const part *p, slk_err *err)
{
    slk_read_options options;
    slk_read_options_init(&options);
    options.format = SLK_DATA_JSON;
    options.defaults.split = p->split;
    options.defaults.relation = p->relation;
    size_t n_before = facts->n;
    slk_status status = p->text ? slk_data_read_text(facts, p->text, p->n_bytes, p->name, &options, err)
                                : slk_data_read_file(facts, p->name, &options, err);
    if (status != SLK_OK) return status;
    const slk_eq_relation *relation = slk_eq_find_relation(p->relation);
    for (size_t i = n_before; i < facts->n; i++) facts->items[i].ood = relation && relation->role == SLK_EQ_OOD;
    return SLK_OK;
}

static slk_status read_parts(slk_facts *facts, part_list *parts, const char *path, slk_err *err)
{
    if (parts->n == 0)
        return slk_fail(err, SLK_E_NOT_FOUND,
                        "%s: no EntityQuestions here, expected files like dataset/train/P17.train.json", path);
    qsort(parts->items, parts->n, sizeof *parts->items, compare_parts);
    for (size_t i = 0; i < parts->n; i++) {
        part *p = &parts->items[i];
        if (i > 0 && compare_parts(p - 1, p) == 0)
            return slk_fail(err, SLK_E_FORMAT, "%s: relation %s is there twice in %s: %s, %s", path, p->relation,
                            slk_split_name(p->split), p[-1].name, p->name);
        slk_status status = read_part(facts, p, err);
        if (status != SLK_OK) return status;
        free(p->text); /* 24 MB in all that nobody needs any more */
        p->text = NULL;
    }
    return slk_facts_derive_subjects(facts, err);
}

slk_status slk_eq_read(slk_facts *facts, const char *path, slk_err *err)
{
    part_list parts = {0};
    slk_facts read = {0};
    slk_status status = slk_dir_exists(path) ? list_folder(&parts, path, err) : list_archive(&parts, path, err);
    if (status == SLK_OK) status = read_parts(&read, &parts, path, err);
    if (status == SLK_OK && !slk_facts_append(facts, &read))
        status = slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
    slk_facts_release(&read);
    release_parts(&parts);
    return status;
}
