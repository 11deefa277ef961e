#include "pretrain/corpus.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/groups.h"
#include "pretrain/draw.h"

/* A fact where kinds are given out: by relation and split, then drawn. */
typedef struct place_of {
    size_t relation, fact;
    slk_split split;
    uint64_t draw, id;
} place_of;

static int compare_places(const void *a, const void *b)
{
    const place_of *x = a, *y = b;
    if (x->relation != y->relation) return x->relation < y->relation ? -1 : 1;
    if (x->split != y->split) return x->split < y->split ? -1 : 1;
    if (x->draw != y->draw) return x->draw < y->draw ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static const slk_pretrain_kind *kind_at(const slk_pretrain_plan *plan, double percent)
{
    double sum = 0;
    for (size_t i = 0; i < plan->n_kinds; i++) {
        sum += plan->kinds[i].share;
        if (percent < sum) return &plan->kinds[i];
    }
    return NULL;
}

/* The n facts of a relation and split, in drawn order, are spread evenly over [0, 100): so each kind has its share up
 * to one fact. Where the first of them stands is drawn, so that small groups round either way. */
static void give_kinds(slk_corpus *c, const place_of *places, size_t n)
{
    uint64_t group = (uint64_t)places[0].relation << 2 | (uint64_t)places[0].split;
    double offset = (double)slk_draw_below(c->plan->seed, SLK_DRAW_OFFSET, group, 0, 1 << 20) / (1 << 20);
    for (size_t i = 0; i < n; i++)
        c->exposures[places[i].fact].kind = kind_at(c->plan, 100 * ((double)i + offset) / (double)n);
}

/* --- wrong alternatives ------------------------------------------------------------------------------------------- */

/* An answer of a relation, and one of the facts that have it. */
typedef struct counted_answer {
    const char *answer;
    size_t fact, n; /* n: facts of the relation that have it */
    uint64_t draw;
} counted_answer;

static int compare_answers(const void *a, const void *b)
{
    const counted_answer *x = a, *y = b;
    int order = strcmp(x->answer, y->answer);
    if (order != 0) return order;
    return (x->draw > y->draw) - (x->draw < y->draw);
}

static int compare_rarest(const void *a, const void *b)
{
    const counted_answer *x = a, *y = b;
    if (x->n != y->n) return x->n < y->n ? -1 : 1;
    if (x->draw != y->draw) return x->draw < y->draw ? -1 : 1;
    return strcmp(x->answer, y->answer);
}

/* The plan's number of answers that fewest facts of the relation have; facts [n], which change: one with each of them.
 * Returns how many. SIZE_MAX: out of memory. */
static size_t keep_decoys(const slk_corpus *c, size_t *facts, size_t n)
{
    size_t n_answers = 0, n_kept = 0;
    counted_answer *all = slk_alloc(n, sizeof *all);
    if (!all) return SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        const slk_fact *f = &c->facts->items[facts[i]];
        all[i] = (counted_answer){f->answers[0], facts[i], 1, slk_draw_u64(c->plan->seed, SLK_DRAW_WRONG, f->id, 1)};
    }
    qsort(all, n, sizeof *all, compare_answers);
    for (size_t i = 0; i < n; i++) {
        if (n_answers > 0 && strcmp(all[n_answers - 1].answer, all[i].answer) == 0)
            all[n_answers - 1].n++;
        else
            all[n_answers++] = all[i];
    }
    qsort(all, n_answers, sizeof *all, compare_rarest);
    while (n_kept < n_answers && (int64_t)n_kept < c->plan->corpus.decoys) {
        facts[n_kept] = all[n_kept].fact;
        n_kept++;
    }
    free(all);
    return n_kept;
}

/* The answer of another fact, one of others [n]. SIZE_MAX: all have the same answer. */
static size_t find_wrong(const slk_corpus *c, size_t fact, const size_t *others, size_t n)
{
    const slk_fact *f = &c->facts->items[fact];
    size_t from = (size_t)slk_draw_below(c->plan->seed, SLK_DRAW_WRONG, f->id, 0, n);
    for (size_t i = 0; i < n; i++) {
        size_t other = others[(from + i) % n];
        if (strcmp(c->facts->items[other].answers[0], f->answers[0]) != 0) return other;
    }
    return SIZE_MAX;
}

/* Wrong alternatives where mentions ask for one; others [n_others] have their answers. */
static slk_status give_wrong(slk_corpus *c, const place_of *places, size_t n, const size_t *others, size_t n_others,
                             slk_err *err)
{
    for (size_t i = 0; i < n; i++) {
        slk_exposure *e = &c->exposures[places[i].fact];
        if (e->list_wrong + e->text_wrong == 0) continue;
        e->wrong = find_wrong(c, places[i].fact, others, n_others);
        if (e->wrong == SIZE_MAX)
            return slk_fail(err, SLK_E_FORMAT,
                            "%s:%ld: kinds: a wrong alternative is asked for, but relation '%s' has one answer only",
                            c->plan->path, e->kind->line, c->facts->items[places[i].fact].relation);
    }
    return SLK_OK;
}

/* --- kinds and counts --------------------------------------------------------------------------------------------- */

static void count_mentions(slk_corpus *c, size_t fact)
{
    slk_exposure *e = &c->exposures[fact];
    const slk_pretrain_kind *k = e->kind;
    uint64_t id = c->facts->items[fact].id;
    if (!k) return;
    if (k->mentions_high == 0) {
        e->list_right = (uint32_t)k->list_right, e->list_wrong = (uint32_t)k->list_wrong;
        e->text_right = (uint32_t)k->text_right, e->text_wrong = (uint32_t)k->text_wrong;
        return;
    }
    uint64_t span = (uint64_t)(k->mentions_high - k->mentions_low) + 1;
    uint32_t n = (uint32_t)(k->mentions_low + (int64_t)slk_draw_below(c->plan->seed, SLK_DRAW_COUNT, id, 0, span));
    uint32_t odd = n % 2 ? (uint32_t)slk_draw_below(c->plan->seed, SLK_DRAW_COUNT, id, 1, 2) : 0;
    e->list_right = n / 2 + odd;
    e->text_right = n - e->list_right;
}

static slk_status expose_relation(slk_corpus *c, const place_of *places, size_t n, slk_err *err)
{
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i; end < n && places[end].split == places[i].split;) end++;
        give_kinds(c, places + i, end - i);
    }
    for (size_t i = 0; i < n; i++) {
        c->exposures[places[i].fact].wrong = SIZE_MAX;
        count_mentions(c, places[i].fact);
    }
    size_t *others = slk_alloc(n, sizeof *others), n_others = n;
    for (size_t i = 0; others && i < n; i++) others[i] = places[i].fact;
    if (others && c->plan->corpus.decoys) n_others = keep_decoys(c, others, n);
    slk_status s = others && n_others != SIZE_MAX ? give_wrong(c, places, n, others, n_others, err)
                                                  : slk_fail(err, SLK_E_MEMORY, "out of memory for facts");
    free(others);
    return s;
}

static slk_status expose(slk_corpus *c, slk_err *err)
{
    slk_groups groups;
    size_t n = c->facts->n;
    if (!slk_groups_create(&groups, c->facts)) return slk_fail(err, SLK_E_MEMORY, "out of memory for facts");
    place_of *places = slk_alloc(n, sizeof *places);
    slk_status s = places ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory for facts");
    for (size_t i = 0; places && i < n; i++) {
        const slk_fact *f = &c->facts->items[i];
        places[i] = (place_of){groups.of[i], i, f->split, slk_draw_u64(c->plan->seed, SLK_DRAW_KIND, f->id, 0), f->id};
    }
    if (places) qsort(places, n, sizeof *places, compare_places);
    for (size_t i = 0, end; i < n && s == SLK_OK; i = end) {
        for (end = i; end < n && places[end].relation == places[i].relation;) end++;
        s = expose_relation(c, places + i, end - i, err);
    }
    free(places);
    slk_groups_release(&groups);
    return s;
}

/* --- mentions ----------------------------------------------------------------------------------------------------- */

static bool add_mentions(slk_corpus *c, size_t fact, uint32_t n, slk_place place, bool is_wrong, uint32_t *number)
{
    const slk_fact *f = &c->facts->items[fact];
    const slk_pretrain_statements *s = slk_pretrain_plan_find_statements(c->plan, f->relation);
    if (!slk_grow(&c->mentions, &c->cap_mentions, c->n_mentions + n, sizeof *c->mentions)) return false;
    size_t first = 0, n_texts = s->n;
    if (c->plan->corpus.split) {
        first = is_wrong ? s->n / 2 : 0;
        n_texts = is_wrong ? s->n - first : s->n / 2;
    }
    for (uint32_t i = 0; i < n; i++, ++*number) {
        uint32_t statement = 0;
        if (place != SLK_PLACE_LIST)
            statement = (uint32_t)(first + slk_draw_below(c->plan->seed, SLK_DRAW_TEMPLATE, f->id, *number, n_texts));
        c->mentions[c->n_mentions++] =
            (slk_mention){.fact = (uint32_t)fact,
                          .statement = statement,
                          .place = place,
                          .is_wrong = is_wrong,
                          .order = slk_draw_u64(c->plan->seed, SLK_DRAW_ORDER, f->id, *number)};
    }
    return true;
}

typedef struct keyed_mention {
    uint64_t draw;
    size_t mention;
} keyed_mention;

static int compare_keyed(const void *a, const void *b)
{
    const keyed_mention *x = a, *y = b;
    if (x->draw != y->draw) return x->draw < y->draw ? -1 : 1;
    return (x->mention > y->mention) - (x->mention < y->mention);
}

/* The plan's share of the statements, exactly, becomes the format of fine-tuning. */
static bool draw_formats(slk_corpus *c)
{
    size_t n = 0;
    keyed_mention *texts = slk_alloc(c->n_mentions, sizeof *texts);
    if (!texts) return false;
    for (size_t i = 0; i < c->n_mentions; i++) {
        const slk_mention *m = &c->mentions[i];
        if (m->place != SLK_PLACE_TEXT) continue;
        uint64_t id = c->facts->items[m->fact].id ^ m->order;
        texts[n++] = (keyed_mention){slk_draw_u64(c->plan->seed, SLK_DRAW_FORMAT, id, 0), i};
    }
    qsort(texts, n, sizeof *texts, compare_keyed);
    c->n_instruct = (size_t)llround((double)n * c->plan->corpus.instruction / 100);
    for (size_t i = 0; i < c->n_instruct; i++) {
        slk_mention *m = &c->mentions[texts[i].mention];
        m->place = SLK_PLACE_INSTRUCT;
        m->statement = 0;
        c->exposures[m->fact].instruct++;
    }
    free(texts);
    return true;
}

slk_status slk_corpus_create(slk_corpus *c, const slk_pretrain_plan *plan, const slk_facts *facts, slk_err *err)
{
    *c = (slk_corpus){.plan = plan, .facts = facts};
    if (facts->n > INT32_MAX) return slk_fail(err, SLK_E_ARG, "%zu facts are too many", facts->n);
    c->exposures = slk_alloc_zero(facts->n, sizeof *c->exposures);
    if (!c->exposures) return slk_fail(err, SLK_E_MEMORY, "out of memory for facts");
    slk_status s = expose(c, err);
    if (s != SLK_OK) return s;
    bool ok = true;
    for (size_t i = 0; i < facts->n && ok; i++) {
        const slk_exposure *e = &c->exposures[i];
        uint32_t number = 0;
        ok = add_mentions(c, i, e->list_right, SLK_PLACE_LIST, false, &number) &&
             add_mentions(c, i, e->list_wrong, SLK_PLACE_LIST, true, &number) &&
             add_mentions(c, i, e->text_right, SLK_PLACE_TEXT, false, &number) &&
             add_mentions(c, i, e->text_wrong, SLK_PLACE_TEXT, true, &number);
    }
    ok = ok && draw_formats(c);
    if (ok && c->n_mentions == 0)
        return slk_fail(err, SLK_E_FORMAT, "%s: kinds: no fact is mentioned at all", plan->path);
    return ok ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory for mentions");
}

void slk_corpus_release(slk_corpus *c)
{
    if (!c) return;
    free(c->exposures);
    free(c->mentions);
    *c = (slk_corpus){0};
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

/* A cell: what would end one becomes a space (facts with line breaks are not taken, tabs are). */
static void put_cell(FILE *stream, const char *text)
{
    bool quoted = text[0] == '"';
    if (quoted) fputc('"', stream);
    for (; *text; text++) {
        if (quoted && *text == '"') fputc('"', stream);
        fputc(*text == '\t' && !quoted ? ' ' : *text, stream);
    }
    if (quoted) fputc('"', stream);
}

slk_status slk_corpus_write_table(const slk_corpus *c, const char *path, bool overwrite, slk_err *err)
{
    slk_out *out;
    slk_status s = slk_out_open(&out, path, overwrite, err);
    if (s != SLK_OK) return s;
    FILE *stream = slk_out_stream(out);
    fputs("question\tanswer\trelation\tsplit\tkind\tlist_right\tlist_wrong\ttext_right\ttext_wrong\tinstruct\twrong\t"
          "ood\n",
          stream);
    for (size_t i = 0; i < c->facts->n; i++) {
        const slk_fact *f = &c->facts->items[i];
        const slk_exposure *e = &c->exposures[i];
        put_cell(stream, f->question);
        fputc('\t', stream);
        put_cell(stream, f->answers[0]);
        fputc('\t', stream);
        put_cell(stream, f->relation);
        fprintf(stream, "\t%s\t%s\t%u\t%u\t%u\t%u\t%u\t", slk_split_name(f->split), e->kind ? e->kind->name : "none",
                e->list_right, e->list_wrong, e->text_right, e->text_wrong, e->instruct);
        if (e->wrong != SIZE_MAX) put_cell(stream, c->facts->items[e->wrong].answers[0]);
        fprintf(stream, "\t%s\n", f->ood ? "true" : "false");
    }
    s = slk_out_commit(out, err);
    slk_out_close(out);
    return s;
}
