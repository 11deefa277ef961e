/* Mentions as rows of tokens. */
#include <stdlib.h>
#include <string.h>

#include "data/groups.h"
#include "know/instruction.h"
#include "know/prompt.h"
#include "pretrain/corpus.h"
#include "pretrain/draw.h"
#include "pretrain/fill.h"

typedef struct packer {
    slk_corpus_rows *out;
    const slk_corpus *corpus;
    const slk_tokenizer *tokenizer;
    slk_template *list;
    slk_instruction *instruction;
    slk_buf text;
    slk_ids ids, more;
    size_t n_row; /* tokens of the open row behind its start; 0: none is open */
    slk_err *err;
} packer;

static slk_status no_memory(const packer *p)
{
    return slk_fail(p->err, SLK_E_MEMORY, "out of memory for the corpus");
}

static const char *answer_of(const slk_corpus *c, const slk_mention *m)
{
    size_t fact = m->is_wrong ? c->exposures[m->fact].wrong : m->fact;
    return c->facts->items[fact].answers[0];
}

/* --- one mention -------------------------------------------------------------------------------------------------- */

/* The tokens that text has behind a line break, rather than at the beginning of a text. */
static slk_status encode_behind_break(packer *p)
{
    slk_status s;
    p->more.n = p->ids.n = 0;
    s = slk_tokenizer_encode(p->tokenizer, "\n", 1, 0, &p->more, p->err);
    if (s == SLK_OK) s = slk_tokenizer_encode(p->tokenizer, p->text.data, p->text.len, 0, &p->ids, p->err);
    if (s != SLK_OK) return s;
    if (p->ids.n < p->more.n || memcmp(p->ids.ids, p->more.ids, p->more.n * sizeof *p->ids.ids) != 0)
        return slk_fail(p->err, SLK_E_FORMAT, "the vocabulary joins a line break with what follows");
    p->ids.n -= p->more.n;
    memmove(p->ids.ids, p->ids.ids + p->more.n, p->ids.n * sizeof *p->ids.ids);
    return SLK_OK;
}

/* As a few-shot prompt has it: at its beginning, or behind another one. */
static slk_status encode_list(packer *p, const slk_mention *m)
{
    const slk_fact *f = &p->corpus->facts->items[m->fact];
    slk_buf_clear(&p->text);
    if (p->n_row > 0) slk_buf_add_str(&p->text, "\n");
    slk_template_add_exemplar(p->list, &p->text, f->question, answer_of(p->corpus, m));
    if (p->text.failed) return no_memory(p);
    if (p->n_row > 0) return encode_behind_break(p);
    p->ids.n = 0;
    return slk_tokenizer_encode(p->tokenizer, p->text.data, p->text.len, 0, &p->ids, p->err);
}

/* Each statement is a text of its own, so that its first word is the same token as in the middle of one. */
static slk_status encode_text(packer *p, const slk_mention *m)
{
    const slk_fact *f = &p->corpus->facts->items[m->fact];
    const slk_pretrain_statements *s = slk_pretrain_plan_find_statements(p->corpus->plan, f->relation);
    slk_buf_clear(&p->text);
    slk_fill_add(&p->text, s->texts[m->statement], f->subject, f->question, answer_of(p->corpus, m));
    slk_buf_add_str(&p->text, "\n");
    if (p->text.failed) return no_memory(p);
    p->ids.n = 0;
    return slk_tokenizer_encode(p->tokenizer, p->text.data, p->text.len, 0, &p->ids, p->err);
}

/* Prompt, answer and end as fine-tuning has them, but the start token, which the row has. */
static slk_status encode_instruct(packer *p, const slk_mention *m)
{
    const slk_fact *f = &p->corpus->facts->items[m->fact];
    slk_status s = slk_instruction_encode(p->instruction, p->tokenizer, INT32_MAX, &p->ids, &p->more, f->question,
                                          answer_of(p->corpus, m), p->err);
    if (s != SLK_OK) return s;
    size_t skip = slk_tokenizer_adds_bos(p->tokenizer) ? 1 : 0, n = p->ids.n - skip;
    memmove(p->ids.ids, p->ids.ids + skip, n * sizeof *p->ids.ids);
    if (!slk_grow(&p->ids.ids, &p->ids.cap, n + p->more.n, sizeof *p->ids.ids)) return no_memory(p);
    memcpy(p->ids.ids + n, p->more.ids, p->more.n * sizeof *p->ids.ids);
    p->ids.n = n + p->more.n;
    return SLK_OK;
}

static slk_status encode(packer *p, const slk_mention *m)
{
    if (m->place == SLK_PLACE_LIST) return encode_list(p, m);
    return m->place == SLK_PLACE_TEXT ? encode_text(p, m) : encode_instruct(p, m);
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

static bool add_tokens(slk_corpus_rows *out, const int32_t *ids, size_t n)
{
    if (!slk_grow(&out->tokens, &out->cap_tokens, out->n_tokens + n, sizeof *out->tokens)) return false;
    memcpy(out->tokens + out->n_tokens, ids, n * sizeof *ids);
    out->n_tokens += n;
    out->sequences[out->n - 1].n_tokens += (int32_t)n;
    return true;
}

static slk_status open_row(packer *p)
{
    slk_corpus_rows *out = p->out;
    int32_t bos = slk_tokenizer_bos(p->tokenizer);
    if (!slk_grow(&out->sequences, &out->cap, out->n + 1, sizeof *out->sequences)) return no_memory(p);
    out->sequences[out->n] = (slk_sequence){.key = out->n + 1, .n_prompt = 1};
    out->n++;
    return add_tokens(out, &bos, 1) ? SLK_OK : no_memory(p);
}

static slk_status put_mention(packer *p, const slk_mention *m)
{
    size_t n_most = (size_t)p->corpus->plan->corpus.row_tokens;
    slk_status s = encode(p, m);
    if (s == SLK_OK && p->n_row > 0 && p->n_row + p->ids.n > n_most) {
        p->n_row = 0; /* and at the beginning of a row a list has other tokens */
        s = encode(p, m);
    }
    if (s != SLK_OK) return s;
    if (p->ids.n > n_most)
        return slk_fail(p->err, SLK_E_FORMAT, "%s: corpus.row_tokens: a row has %zu tokens, but '%.200s' takes %zu",
                        p->corpus->plan->path, n_most, p->corpus->facts->items[m->fact].question, p->ids.n);
    if (p->n_row == 0) s = open_row(p);
    if (s != SLK_OK) return s;
    p->n_row += p->ids.n;
    return add_tokens(p->out, p->ids.ids, p->ids.n) ? SLK_OK : no_memory(p);
}

/* Lists first, by relation; then all others. */
typedef struct placed {
    size_t group;
    uint64_t order;
    const slk_mention *mention;
} placed;

static int compare_placed(const void *a, const void *b)
{
    const placed *x = a, *y = b;
    if (x->group != y->group) return x->group < y->group ? -1 : 1;
    if (x->order != y->order) return x->order < y->order ? -1 : 1;
    return (x->mention > y->mention) - (x->mention < y->mention);
}

/* The order of a packing; the first has the mentions' own. */
static uint64_t order_in(const slk_corpus *c, const slk_mention *m, uint32_t packing)
{
    uint64_t id = c->facts->items[m->fact].id ^ m->order;
    return packing == 0 ? m->order : slk_draw_u64(c->plan->seed, SLK_DRAW_PACKING, id, packing);
}

static slk_status put_all(packer *p, placed *places, uint32_t packing)
{
    const slk_corpus *c = p->corpus;
    slk_groups groups;
    if (!slk_groups_create(&groups, c->facts)) return no_memory(p);
    for (size_t i = 0; i < c->n_mentions; i++) {
        const slk_mention *m = &c->mentions[i];
        places[i] = (placed){m->place == SLK_PLACE_LIST ? groups.of[m->fact] : groups.n, order_in(c, m, packing), m};
    }
    slk_groups_release(&groups);
    qsort(places, c->n_mentions, sizeof *places, compare_placed);
    slk_status s = SLK_OK;
    p->n_row = 0;
    for (size_t i = 0; i < c->n_mentions && s == SLK_OK; i++) {
        if (i > 0 && places[i].group != places[i - 1].group) p->n_row = 0;
        s = put_mention(p, places[i].mention);
    }
    return s;
}

/* Once there are no more to come: the tokens do not move again. */
static void point_at_tokens(slk_corpus_rows *rows)
{
    int32_t *tokens = rows->tokens;
    for (size_t i = 0; i < rows->n; tokens += rows->sequences[i++].n_tokens) rows->sequences[i].tokens = tokens;
}

slk_status slk_corpus_pack(slk_corpus_rows *out, const slk_corpus *corpus, const slk_tokenizer *tokenizer, slk_err *err)
{
    packer p = {.out = out, .corpus = corpus, .tokenizer = tokenizer, .err = err};
    memset(out, 0, sizeof *out);
    placed *places = slk_alloc(corpus->n_mentions, sizeof *places);
    slk_status s = places ? slk_template_create(&p.list, err) : no_memory(&p);
    if (s == SLK_OK) s = slk_instruction_create(&p.instruction, err);
    for (uint32_t i = 0; i < corpus->plan->corpus.packings && s == SLK_OK; i++) s = put_all(&p, places, i);
    if (s == SLK_OK) point_at_tokens(out);
    slk_template_free(p.list);
    slk_instruction_free(p.instruction);
    slk_buf_release(&p.text);
    free(p.ids.ids);
    free(p.more.ids);
    free(places);
    return s;
}

void slk_corpus_rows_release(slk_corpus_rows *rows)
{
    if (!rows) return;
    free(rows->sequences);
    free(rows->tokens);
    *rows = (slk_corpus_rows){0};
}

/* --- what a vocabulary is trained on ------------------------------------------------------------------------------ */

void slk_corpus_add_texts(slk_buf *out, const slk_corpus *c)
{
    slk_buf_add_str(out, "Answer the following question.\n");
    for (size_t i = 0; i < c->facts->n; i++) {
        const slk_fact *f = &c->facts->items[i];
        const slk_pretrain_statements *s = slk_pretrain_plan_find_statements(c->plan, f->relation);
        slk_buf_addf(out, "Q: %s\nA: %s\n", f->question, f->answers[0]);
        for (size_t k = 0; k < s->n; k++) {
            slk_fill_add(out, s->texts[k], f->subject, f->question, f->answers[0]);
            slk_buf_add_str(out, "\n");
        }
    }
}
