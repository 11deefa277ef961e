#include "label_review.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/rng.h"
#include "table.h"

typedef struct row {
    uint64_t key; /* rows with the smallest keys are shown, in their order */
    slk_fact fact;
    char *text;
    unsigned n_greedy, n_sampled;
} row;

/* A heap of the n_wanted smallest keys so far, the largest on top. */
struct slk_review {
    row *rows;
    size_t n, n_wanted;
    uint64_t seed;
};

static void release_row(row *r)
{
    slk_fact_release(&r->fact);
    free(r->text);
}

slk_status slk_review_create(slk_review **out, size_t n_wanted, uint64_t seed, slk_err *err)
{
    slk_review *r = slk_alloc_zero(1, sizeof *r);
    *out = r;
    if (r) r->rows = slk_alloc_zero(n_wanted, sizeof *r->rows);
    if (!r || !r->rows) {
        free(r);
        *out = NULL;
        return slk_fail(err, SLK_E_MEMORY, "out of memory");
    }
    r->n_wanted = n_wanted;
    r->seed = seed;
    return SLK_OK;
}

void slk_review_free(slk_review *review)
{
    if (!review) return;
    for (size_t i = 0; i < review->n; i++) release_row(&review->rows[i]);
    free(review->rows);
    free(review);
}

static void swap_rows(row *a, row *b)
{
    row t = *a;
    *a = *b;
    *b = t;
}

static void sift_up(slk_review *r, size_t i)
{
    for (; i > 0 && r->rows[i].key > r->rows[(i - 1) / 2].key; i = (i - 1) / 2)
        swap_rows(&r->rows[i], &r->rows[(i - 1) / 2]);
}

static void sift_down(slk_review *r)
{
    for (size_t i = 0;;) {
        size_t largest = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < r->n; child++) {
            if (r->rows[child].key > r->rows[largest].key) largest = child;
        }
        if (largest == i) return;
        swap_rows(&r->rows[i], &r->rows[largest]);
        i = largest;
    }
}

static slk_status keep(slk_review *r, uint64_t key, const slk_fact *fact, const slk_seen *seen, slk_err *err)
{
    if (r->n == r->n_wanted && key >= r->rows[0].key) return SLK_OK;
    row new = {.key = key, .n_greedy = seen->n_greedy, .n_sampled = seen->n_sampled, .text = slk_strdup(seen->text)};
    if (!new.text || !slk_fact_copy(&new.fact, fact)) {
        release_row(&new);
        return slk_fail(err, SLK_E_MEMORY, "out of memory");
    }
    if (r->n < r->n_wanted) {
        r->rows[r->n] = new;
        sift_up(r, r->n++);
    } else {
        release_row(&r->rows[0]);
        r->rows[0] = new;
        sift_down(r);
    }
    return SLK_OK;
}

/* The smallest key of the draws that gave this text: so a text's chance grows with the number of its draws. */
static uint64_t key_of(const slk_review *r, const slk_label *label, const char *text)
{
    uint64_t smallest = UINT64_MAX;
    for (size_t i = 0; i < label->n_answers; i++) {
        const slk_answer *a = &label->answers[i];
        if (strcmp(a->text, text) != 0) continue;
        uint64_t key = slk_rng_u64(r->seed, SLK_PURPOSE_REVIEW, label->fact_id, a->prompt, (uint32_t)(a->draw + 1), 0);
        if (key < smallest) smallest = key;
    }
    return smallest;
}

slk_status slk_review_visit(void *review, const slk_fact *fact, slk_label *label, slk_err *err)
{
    slk_review *r = review;
    slk_seen *seen = slk_alloc(label->n_answers, sizeof *seen);
    if (!seen) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    size_t n = slk_cli_distinct_answers(seen, label, label->n_ex, label->n_samples);
    slk_status status = SLK_OK;
    for (size_t i = 0; i < n && status == SLK_OK; i++) {
        if (!seen[i].match) status = keep(r, key_of(r, label, seen[i].text), fact, &seen[i], err);
    }
    free(seen);
    return status;
}

static int compare_rows(const void *a, const void *b)
{
    const row *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

static void print_list(FILE *stream, char *const *items, size_t n)
{
    slk_buf text;
    slk_buf_init(&text);
    for (size_t i = 0; i < n; i++) slk_buf_addf(&text, "%s%s", i ? " | " : "", items[i]);
    slk_csv_field(stream, text.data, ',');
    slk_buf_release(&text);
}

size_t slk_review_print_csv(const slk_review *review, FILE *stream)
{
    qsort(review->rows, review->n, sizeof *review->rows, compare_rows);
    fputs("relation,question,answers,aliases,model_answer,n_greedy,n_sampled,verdict\n", stream);
    for (size_t i = 0; i < review->n; i++) {
        const row *r = &review->rows[i];
        slk_csv_field(stream, r->fact.relation, ',');
        slk_csv_field(stream, r->fact.question, ',');
        print_list(stream, r->fact.answers, r->fact.n_answers);
        print_list(stream, r->fact.aliases, r->fact.n_aliases);
        slk_csv_field(stream, r->text, ',');
        fprintf(stream, "%u,%u,\n", r->n_greedy, r->n_sampled);
    }
    return review->n;
}
