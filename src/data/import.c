#include "data/import.h"

#include <stdlib.h>
#include <string.h>
#include "base/builtin.h"
#include "base/mem.h"
#include "data/groups.h"

/* Both empty unless everything went well. */
static slk_status filter_read(slk_facts *facts, slk_import_report *report, const slk_filter_options *options,
                              slk_status status, slk_err *err)
{
    memset(report, 0, sizeof *report);
    if (status == SLK_OK) status = slk_facts_filter(facts, report, options, err);
    if (status != SLK_OK) slk_facts_release(facts);
    return status;
}

/* Relations of the facts that the study does not use; [*n] borrowed from facts. NULL: out of memory. */
static const char **find_left_out(const slk_facts *facts, size_t *n)
{
    slk_groups groups;
    *n = 0;
    if (!slk_groups_create(&groups, facts)) return NULL;
    const char **names = slk_alloc(groups.n, sizeof *names);
    for (size_t g = 0; names && g < groups.n; g++) {
        const char *name = facts->items[groups.first[g]].relation;
        const slk_eq_relation *relation = slk_eq_find_relation(name);
        if (!relation || relation->role == SLK_EQ_LEFT_OUT) names[(*n)++] = name;
    }
    slk_groups_release(&groups);
    return names;
}

slk_status slk_import_entityquestions(slk_facts *facts, slk_import_report *report, const char *path,
                                      const slk_filter_options *options, slk_err *err)
{
    memset(facts, 0, sizeof *facts);
    slk_filter_options exact = *options;
    const char **left_out = NULL;
    slk_status status = slk_eq_read(facts, path, err);
    if (status == SLK_OK) {
        left_out = find_left_out(facts, &exact.n_left_out);
        exact.left_out = left_out;
        if (!left_out) status = slk_fail(err, SLK_E_MEMORY, "%s: out of memory", path);
    }
    status = filter_read(facts, report, &exact, status, err);
    free(left_out);
    return status;
}

slk_status slk_import_builtin(slk_facts *facts, slk_import_report *report, const slk_filter_options *options,
                              slk_err *err)
{
    memset(facts, 0, sizeof *facts);
    const char *ood[SLK_EQ_N_RELATIONS];
    slk_builtin_bytes bytes;
    slk_read_options reading;
    slk_read_options_init(&reading);
    reading.format = SLK_DATA_TSV;
    reading.defaults.ood = ood;
    for (size_t i = 0; i < SLK_EQ_N_RELATIONS; i++) {
        const slk_eq_relation *relation = &slk_eq_relations()[i];
        if (relation->role == SLK_EQ_OOD) ood[reading.defaults.n_ood++] = relation->id;
    }
    slk_status status = slk_builtin_facts(&bytes, err);
    if (status == SLK_OK)
        status = slk_data_read_text(facts, (const char *)bytes.data, bytes.n_bytes, SLK_BUILTIN, &reading, err);
    if (status == SLK_OK) status = slk_facts_derive_subjects(facts, err);
    return filter_read(facts, report, options, status, err);
}

slk_status slk_import_files(slk_facts *facts, slk_import_report *report, const char *const *paths, size_t n_paths,
                            const slk_read_options *reading, const slk_filter_options *options, slk_err *err)
{
    memset(facts, 0, sizeof *facts);
    slk_status status = SLK_OK;
    for (size_t i = 0; i < n_paths && status == SLK_OK; i++) status = slk_data_read_file(facts, paths[i], reading, err);
    return filter_read(facts, report, options, status, err);
}
