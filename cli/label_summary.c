#include "label_summary.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "data/entityquestions.h"
#include "stats/stats.h"
#include "table.h"
#include "terminal.h"

static const double CONFIDENCE = 0.95;

void slk_summary_release(slk_summary *summary)
{
    for (size_t i = 0; i < summary->n_rows; i++) free(summary->rows[i].name);
    free(summary->rows);
    memset(summary, 0, sizeof *summary);
}

bool slk_summary_add(slk_summary *s, const char *group, slk_category category)
{
    size_t i = s->n_rows;
    while (i > 0 && strcmp(s->rows[i - 1].name, group) != 0) i--; /* facts of a relation mostly stand together */
    if (i == 0) {
        if (!slk_grow(&s->rows, &s->cap_rows, s->n_rows + 1, sizeof *s->rows)) return false;
        slk_summary_row row = {.name = slk_strdup(group)};
        if (!row.name) return false;
        s->rows[s->n_rows++] = row;
        i = s->n_rows;
    }
    s->rows[i - 1].n[category]++;
    s->all.n[category]++;
    return true;
}

static size_t n_labelled(const slk_summary_row *row)
{
    size_t n = 0;
    for (int c = 0; c < SLK_N_CATEGORIES; c++) n += row->n[c];
    return n;
}

/* --- table ------------------------------------------------------------------------------------------------------ */

/* Decimals that the shares deserve: one where every interval is narrower than 10 points. */
static int choose_decimals(const slk_summary *s)
{
    for (size_t i = 0; i < s->n_rows; i++) {
        size_t n = n_labelled(&s->rows[i]);
        for (int c = 0; c < SLK_N_CATEGORIES && n > 0; c++) {
            slk_interval w = slk_stats_wilson(s->rows[i].n[c], n, CONFIDENCE);
            if (w.high - w.low >= 0.1) return 0;
        }
    }
    return 1;
}

void slk_describe_relation(char *out, size_t n_bytes, const char *relation)
{
    const slk_eq_relation *known = slk_eq_find_relation(relation);
    int len = snprintf(out, n_bytes, "%s", known ? known->name : "");
    if ((size_t)len >= n_bytes) memcpy(out + n_bytes - 4, "...", 4);
}

static void add_row(slk_table *t, const slk_summary *s, const slk_summary_row *row, const char *name, int decimals)
{
    char what[27] = "";
    size_t n = n_labelled(row);
    slk_table_cell(t, "%s", name);
    slk_table_cell(t, "%s", slk_show_count(n).text);
    for (int c = 0; c < SLK_N_CATEGORIES; c++) {
        if (n == 0) {
            slk_table_cell(t, "-");
            continue;
        }
        slk_interval w = slk_stats_wilson(row->n[c], n, CONFIDENCE);
        slk_table_cell(t, "%.*f (%.*f-%.*f)", decimals, 100.0 * (double)row->n[c] / (double)n, decimals, 100 * w.low,
                       decimals, 100 * w.high);
    }
    if (row != &s->all && strcmp(s->by, "relation") == 0) slk_describe_relation(what, sizeof what, row->name);
    slk_table_cell(t, "%s", what);
}

slk_status slk_summary_print(const slk_summary *s, FILE *stream, slk_err *err)
{
    slk_table t;
    int decimals = choose_decimals(s);
    slk_table_init(
        &t, "lrrrrrl",
        (const char *const[]){s->by, "n", "HighlyKnown %", "MaybeKnown %", "WeaklyKnown %", "Unknown %", ""});
    for (size_t i = 0; i < s->n_rows; i++)
        add_row(&t, s, &s->rows[i], s->rows[i].name[0] ? s->rows[i].name : "(none)", decimals);
    if (s->n_rows > 1) {
        slk_table_rule(&t);
        add_row(&t, s, &s->all, "all", decimals);
    }
    slk_status status = slk_table_print(&t, stream, err);
    slk_table_release(&t);
    if (status == SLK_OK && s->all.n[SLK_UNLABELABLE])
        fprintf(stream, "\n%s more cannot be labelled: the answer has a line break or more than 32 tokens.\n",
                slk_show_count(s->all.n[SLK_UNLABELABLE]).text);
    return status;
}

/* --- for programs ----------------------------------------------------------------------------------------------- */

static void print_csv_row(const slk_summary_row *row, const char *name, FILE *stream)
{
    size_t n = n_labelled(row);
    slk_csv_field(stream, name, ',');
    fprintf(stream, "%zu,%zu", n, row->n[SLK_UNLABELABLE]);
    for (int c = 0; c < SLK_N_CATEGORIES; c++) {
        slk_interval w = slk_stats_wilson(row->n[c], n, CONFIDENCE);
        fprintf(stream, ",%zu,%.17g,%.17g,%.17g", row->n[c], n ? (double)row->n[c] / (double)n : 0.0, w.low, w.high);
    }
    fputc('\n', stream);
}

void slk_summary_print_csv(const slk_summary *s, FILE *stream)
{
    fprintf(stream, "%s,n,unlabelable", s->by);
    for (int c = 0; c < SLK_N_CATEGORIES; c++) {
        const char *name = slk_category_name((slk_category)c);
        fprintf(stream, ",%s,%s_share,%s_low,%s_high", name, name, name, name);
    }
    fputc('\n', stream);
    for (size_t i = 0; i < s->n_rows; i++) print_csv_row(&s->rows[i], s->rows[i].name, stream);
}

static json_t *row_json(const slk_summary_row *row, const char *by)
{
    size_t n = n_labelled(row);
    json_t *categories = json_object();
    for (int c = 0; c < SLK_N_CATEGORIES; c++) {
        slk_interval w = slk_stats_wilson(row->n[c], n, CONFIDENCE);
        json_object_set_new(categories, slk_category_name((slk_category)c),
                            json_pack("{s:I, s:f, s:f, s:f}", "n", (json_int_t)row->n[c], "share",
                                      n ? (double)row->n[c] / (double)n : 0.0, "low", w.low, "high", w.high));
    }
    json_t *o = json_object();
    if (row->name) json_object_set_new(o, by, json_string(row->name));
    json_object_set_new(o, "n", json_integer((json_int_t)n));
    json_object_set_new(o, "unlabelable", json_integer((json_int_t)row->n[SLK_UNLABELABLE]));
    json_object_set_new(o, "categories", categories);
    return o;
}

void slk_summary_json(json_t *object, const slk_summary *s)
{
    json_t *groups = json_array();
    for (size_t i = 0; i < s->n_rows; i++) json_array_append_new(groups, row_json(&s->rows[i], s->by));
    json_object_set_new(object, "by", json_string(s->by));
    json_object_set_new(object, "groups", groups);
    json_object_set_new(object, "all", row_json(&s->all, s->by));
}
