#include "data/examples.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

void slk_examples_release(slk_examples *ex)
{
    if (!ex) return;
    slk_facts_release(&ex->facts);
    free(ex->name);
    free(ex->items);
    free(ex->categories);
    free(ex->lines);
    *ex = (slk_examples){0};
}

static slk_status out_of_memory(const slk_examples *ex, slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", ex->name ? ex->name : "examples");
}

slk_status slk_examples_begin(slk_examples *out, const char *name, slk_err *err)
{
    *out = (slk_examples){.name = slk_strdup(name)};
    return out->name ? SLK_OK : out_of_memory(out, err);
}

/* What stands beside fact number i. */
static slk_status add_beside(slk_examples *ex, size_t i, int category, long line, slk_err *err)
{
    if (!slk_grow(&ex->categories, &ex->cap_categories, i + 1, sizeof *ex->categories) ||
        !slk_grow(&ex->lines, &ex->cap_lines, i + 1, sizeof *ex->lines))
        return out_of_memory(ex, err);
    ex->categories[i] = (int8_t)category;
    ex->lines[i] = line;
    return SLK_OK;
}

slk_status slk_examples_add(slk_examples *ex, slk_fact *fact, int category, long line, slk_err *err)
{
    slk_status status = add_beside(ex, ex->facts.n, category, line, err);
    if (status == SLK_OK && !slk_facts_push(&ex->facts, fact)) status = out_of_memory(ex, err);
    return status;
}

slk_status slk_examples_fail_in(const slk_examples *ex, size_t i, slk_status code, slk_err *err)
{
    if (ex->lines[i] > 0) return slk_fail_in(err, code, "%s:%ld", ex->name, ex->lines[i]);
    return slk_fail_in(err, code, "%s: '%.80s'", ex->name, ex->facts.items[i].question);
}

/* --- duplicates --------------------------------------------------------------------------------------------------- */

typedef struct key {
    uint64_t id;
    size_t index;
} key;

static int compare_keys(const void *left, const void *right)
{
    const key *x = left, *y = right;
    if (x->id != y->id) return x->id < y->id ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

/* Example `second` is the fact of `first` once more. */
static slk_status join(slk_examples *ex, size_t first, size_t second, slk_err *err)
{
    int8_t *have = &ex->categories[first], more = ex->categories[second];
    if (*have >= 0 && more >= 0 && *have != more) {
        slk_fail(err, SLK_E_FORMAT, "category is '%s', expected %s as line %ld says of the same fact",
                 slk_category_name((slk_category)more), slk_category_name((slk_category)*have), ex->lines[first]);
        return slk_examples_fail_in(ex, second, SLK_E_FORMAT, err);
    }
    if (*have < 0) *have = more;
    slk_fact_release(&ex->facts.items[second]); /* its question is NULL from now on */
    ex->n_duplicates++;
    return SLK_OK;
}

static slk_status drop_duplicates(slk_examples *ex, slk_err *err)
{
    size_t n = ex->facts.n, kept = 0;
    key *keys = slk_alloc(n, sizeof *keys);
    if (!keys) return out_of_memory(ex, err);
    for (size_t i = 0; i < n; i++) keys[i] = (key){ex->facts.items[i].id, i};
    qsort(keys, n, sizeof *keys, compare_keys);
    slk_status status = SLK_OK;
    for (size_t i = 1, first = 0; i < n && status == SLK_OK; i++) {
        if (keys[i].id == keys[first].id)
            status = join(ex, keys[first].index, keys[i].index, err);
        else
            first = i;
    }
    free(keys);
    if (status != SLK_OK) return status;
    for (size_t i = 0; i < n; i++) {
        if (!ex->facts.items[i].question) continue;
        ex->facts.items[kept] = ex->facts.items[i];
        ex->categories[kept] = ex->categories[i];
        ex->lines[kept++] = ex->lines[i];
    }
    ex->facts.n = kept;
    return SLK_OK;
}

slk_status slk_examples_finish(slk_examples *ex, slk_err *err)
{
    slk_status status = drop_duplicates(ex, err);
    if (status != SLK_OK) return status;
    ex->n = ex->facts.n;
    ex->items = slk_alloc(ex->n, sizeof *ex->items);
    if (!ex->items) return out_of_memory(ex, err);
    for (size_t i = 0; i < ex->n; i++) {
        ex->items[i] = &ex->facts.items[i];
        ex->n_several += ex->items[i]->n_answers > 1;
        if (ex->categories[i] >= 0)
            ex->n_in_category[ex->categories[i]]++;
        else
            ex->n_uncategorised++;
    }
    return SLK_OK;
}

/* --- files -------------------------------------------------------------------------------------------------------- */

typedef struct reading {
    slk_examples *examples;
    size_t n;
} reading;

static slk_status take_record(void *user, const slk_record *record, slk_err *err)
{
    reading *r = user;
    int category;
    slk_status status = slk_record_category(&category, record, err);
    return status == SLK_OK ? add_beside(r->examples, r->n++, category, record->line, err) : status;
}

/* text NULL: read the file. */
static slk_status read_examples(slk_examples *out, const char *text, size_t n_bytes, const char *name,
                                const slk_read_options *options, slk_err *err)
{
    reading r = {.examples = out};
    slk_read_options exact;
    slk_read_options_init(&exact);
    if (options) exact = *options;
    exact.on_record = take_record;
    exact.user = &r;
    slk_status status = slk_examples_begin(out, strcmp(name, "-") == 0 ? "standard input" : name, err);
    if (status == SLK_OK && text)
        status = slk_data_read_text(&out->facts, text, n_bytes, name, &exact, err);
    else if (status == SLK_OK)
        status = slk_data_read_file(&out->facts, name, &exact, err);
    if (status == SLK_OK) status = slk_examples_finish(out, err);
    if (status != SLK_OK) slk_examples_release(out);
    return status;
}

slk_status slk_examples_read_file(slk_examples *out, const char *path, const slk_read_options *options, slk_err *err)
{
    return read_examples(out, NULL, 0, path, options, err);
}

slk_status slk_examples_read_text(slk_examples *out, const char *text, size_t n_bytes, const char *name,
                                  const slk_read_options *options, slk_err *err)
{
    return read_examples(out, text, n_bytes, name, options, err);
}
