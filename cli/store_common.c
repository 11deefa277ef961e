#include "store_common.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "data/filter.h"
#include "table.h"
#include "terminal.h"

slk_status slk_cli_open_store(slk_store **out, const slk_cli *cli, slk_store_mode mode, slk_err *err)
{
    slk_status status = slk_store_open(out, cli->store, mode, err);
    if (status == SLK_E_NOT_FOUND)
        return slk_fail(err, status, "%s: no such store (slick import makes one; --store names another)", cli->store);
    return status;
}

/* --- label sets ------------------------------------------------------------------------------------------------- */

void slk_cli_describe_labels(char *out, size_t n_bytes, const slk_label_settings *s)
{
    snprintf(out, n_bytes, "%s in %s, facts of %s, %u prompts of %u examples, %u samples, match %s, seed %" PRIu64,
             s->model_name, s->dtype, s->set_name, s->n_ex, s->n_shots, s->n_samples, s->match, s->seed);
}

slk_status slk_cli_find_labels(slk_label_set_info *out, slk_store *store, const slk_cli *cli, int64_t id, slk_err *err)
{
    slk_status status = slk_store_find_label_set(store, out, id, err);
    if (status) return status;
    char text[512];
    slk_cli_describe_labels(text, sizeof text, &out->settings);
    slk_cli_note(cli, "label set %" PRId64 ": %s; %s facts", out->id, text, slk_show_count(out->n_labels).text);
    return SLK_OK;
}

json_t *slk_cli_hash_json(uint64_t hash)
{
    char text[20];
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    return json_string(text);
}

json_t *slk_cli_model_json(const slk_label_settings *s)
{
    json_t *o = json_pack("{s:s, s:o}", "name", s->model_name, "hash", slk_cli_hash_json(s->model_hash));
    if (o && s->adapter_hash) json_object_set_new(o, "adapter", slk_cli_hash_json(s->adapter_hash));
    return o;
}

json_t *slk_cli_label_set_json(const slk_label_set_info *info)
{
    const slk_label_settings *s = &info->settings;
    json_t *o = json_pack("{s:I, s:o, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:f}", "id", (json_int_t)info->id, "model",
                          slk_cli_model_json(s), "dtype", s->dtype, "kernels", s->kernels, "set", s->set_name, "n_ex",
                          (json_int_t)s->n_ex, "shots", (json_int_t)s->n_shots, "samples", (json_int_t)s->n_samples,
                          "top_k", (json_int_t)s->top_k, "temperature", s->temperature);
    if (!o) return NULL;
    json_object_set_new(o, "match", json_string(s->match));
    json_object_set_new(o, "decoded", json_string(s->decoded));
    json_object_set_new(o, "pool", json_string(s->pool));
    json_object_set_new(o, "seed", json_integer((json_int_t)s->seed));
    json_object_set_new(o, "template", slk_cli_hash_json(s->template_hash));
    json_object_set_new(o, "n_labels", json_integer((json_int_t)info->n_labels));
    json_object_set_new(o, "created", json_string(info->created));
    json_object_set_new(o, "version", json_string(info->version));
    return o;
}

/* --- imports ---------------------------------------------------------------------------------------------------- */

static void add_row(slk_table *table, const char *label, const json_t *counts)
{
    json_int_t all = 0;
    slk_table_cell(table, "%s", label);
    for (int s = 0; s < SLK_N_SPLITS; s++) {
        json_int_t n = json_integer_value(json_object_get(counts, slk_split_name((slk_split)s)));
        slk_table_cell(table, "%s", slk_show_count((uint64_t)n).text);
        all += n;
    }
    slk_table_cell(table, "%s", slk_show_count((uint64_t)all).text);
}

static const char *describe_filter(int filter, const char *overlap)
{
    switch ((slk_filter)filter) {
    case SLK_FILTER_RELATION:
        return "  relation not used";
    case SLK_FILTER_OOD_TRAIN:
        return "  training fact, but the relation is only tested";
    case SLK_FILTER_MULTI_ANSWER:
        return "  several true answers";
    case SLK_FILTER_DUPLICATE:
        return "  the same fact again";
    case SLK_FILTER_OVERLAP:
        break;
    }
    return strcmp(overlap, "subject") == 0 ? "  subject of a test question" : "  subject or object of a test question";
}

slk_status slk_cli_print_import(const json_t *report, FILE *stream, slk_err *err)
{
    const json_t *removed = json_object_get(report, "removed");
    const char *overlap = json_string_value(json_object_get(report, "overlap"));
    slk_table table;
    slk_table_init(&table, "lrrrr", (const char *const[]){"", "train", "dev", "test", "all"});
    add_row(&table, "read", json_object_get(report, "read"));
    for (int f = 0; f < SLK_N_FILTERS; f++) {
        const json_t *counts = json_object_get(removed, slk_filter_name((slk_filter)f));
        if (counts) add_row(&table, describe_filter(f, overlap ? overlap : ""), counts);
    }
    slk_table_rule(&table);
    add_row(&table, "kept", json_object_get(report, "kept"));
    slk_status status = slk_table_print(&table, stream, err);
    slk_table_release(&table);
    return status;
}

slk_status slk_cli_find_entityquestions(char **out, slk_err *err)
{
    static const char *const FOLDERS[] = {SLICK_DATA_DIR, SLICK_SOURCE_DIR "/data"};
    *out = NULL;
    for (size_t i = 0; i < sizeof FOLDERS / sizeof *FOLDERS; i++) {
        slk_buf path;
        slk_buf_init(&path);
        slk_buf_addf(&path, "%s/entityquestions.tar.xz", FOLDERS[i]);
        char *text = slk_buf_take(&path);
        if (!text) return slk_fail(err, SLK_E_MEMORY, "out of memory");
        if (slk_file_exists(text)) {
            *out = text;
            return SLK_OK;
        }
        free(text);
    }
    return slk_fail(err, SLK_E_NOT_FOUND,
                    "entityquestions.tar.xz: not in %s, nor in %s: give its folder (slick import entityquestions DIR)",
                    FOLDERS[0], FOLDERS[1]);
}
