#include "pretrain/prepare.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "pretrain/keys.h"
#include "pretrain/select.h"

/* Of what this version of slick makes of a plan: another corpus from the same plan has another number. */
enum { FORMAT = 1 };

static slk_status train_vocabulary(slk_pretrain *p, slk_err *err)
{
    slk_buf text = {0};
    slk_corpus_add_texts(&text, &p->corpus);
    slk_status s =
        text.failed ? slk_fail(err, SLK_E_MEMORY, "out of memory for the corpus")
                    : slk_vocabulary_train(&p->vocabulary, text.data, text.len, (size_t)p->plan.model.vocabulary, err);
    slk_buf_release(&text);
    if (s != SLK_OK) return s;
    const slk_vocab vocab = slk_vocabulary_describe(&p->vocabulary);
    return slk_tokenizer_create(&p->tokenizer, &vocab, p->plan.path, err);
}

slk_status slk_pretrain_prepare(slk_pretrain *p, const char *archive, slk_err *err)
{
    slk_status s = slk_pretrain_select(&p->facts, &p->plan, archive, err);
    if (s == SLK_OK) s = slk_corpus_create(&p->corpus, &p->plan, &p->facts, err);
    if (s == SLK_OK) s = train_vocabulary(p, err);
    return s == SLK_OK ? slk_corpus_pack(&p->rows, &p->corpus, p->tokenizer, err) : s;
}

void slk_pretrain_release(slk_pretrain *p)
{
    if (!p) return;
    slk_corpus_rows_release(&p->rows);
    slk_tokenizer_free(p->tokenizer);
    slk_vocabulary_release(&p->vocabulary);
    slk_corpus_release(&p->corpus);
    slk_facts_release(&p->facts);
    slk_pretrain_plan_release(&p->plan);
    memset(p, 0, sizeof *p);
}

static uint64_t hash_content(const slk_pretrain *p)
{
    uint64_t hash = slk_hash_more(FORMAT, p->rows.tokens, p->rows.n_tokens * sizeof *p->rows.tokens);
    for (size_t i = 0; i < p->rows.n; i++)
        hash = slk_hash_more(hash, &p->rows.sequences[i].n_tokens, sizeof p->rows.sequences[i].n_tokens);
    for (size_t i = 0; i < p->vocabulary.n; i++)
        hash = slk_hash_more(hash, p->vocabulary.tokens[i].data, p->vocabulary.tokens[i].len);
    for (size_t i = 0; i < p->facts.n; i++) {
        const slk_exposure *e = &p->corpus.exposures[i];
        const uint32_t counts[] = {e->list_right, e->list_wrong, e->text_right, e->text_wrong, e->instruct};
        hash = slk_hash_more(hash, &p->facts.items[i].id, sizeof p->facts.items[i].id);
        hash = slk_hash_str(hash, e->kind ? e->kind->name : "");
        hash = slk_hash_more(hash, counts, sizeof counts);
    }
    return hash;
}

static json_t *value_json(const slk_pretrain_plan *plan, const slk_plan_key *key)
{
    const void *at = (const char *)plan + key->offset;
    switch (key->kind) {
    case SLK_PLAN_TEXT:
    case SLK_PLAN_CHOICE:
        return json_string(*(char *const *)at);
    case SLK_PLAN_BOOL:
        return json_boolean(*(const bool *)at);
    case SLK_PLAN_INT:
    case SLK_PLAN_COUNT:
        return json_integer((json_int_t) * (const int64_t *)at);
    case SLK_PLAN_REAL:
        return json_real(*(const double *)at);
    }
    return NULL;
}

/* Of a flag or a whole number. */
static bool is_default(const slk_pretrain_plan *plan, const slk_plan_key *key)
{
    const void *at = (const char *)plan + key->offset;
    return key->kind == SLK_PLAN_BOOL ? *(const bool *)at == (key->init[0] == 't')
                                      : *(const int64_t *)at == strtoll(key->init, NULL, 10);
}

json_t *slk_pretrain_made_of(const slk_pretrain *p)
{
    char hash[17];
    json_t *out = json_object();
    bool ok = out != NULL;
    for (size_t i = 0; i < slk_n_plan_keys && ok; i++) {
        const slk_plan_key *key = &slk_plan_keys[i];
        char name[64];
        /* Which facts there are is in the hash; where they lay does not matter. */
        if (strcmp(key->name, "facts") == 0) continue;
        if (key->is_later && is_default(&p->plan, key)) continue;
        snprintf(name, sizeof name, "%s%s%s", key->section, key->section[0] ? "." : "", key->name);
        ok = json_object_set_new(out, name, value_json(&p->plan, key)) == 0;
    }
    snprintf(hash, sizeof hash, "%016" PRIx64, hash_content(p));
    if (ok && json_object_set_new(out, "corpus", json_string(hash)) == 0) return out;
    json_decref(out);
    return NULL;
}

void slk_pretrain_trainer_options(slk_trainer_options *o, const slk_pretrain_plan *plan)
{
    slk_trainer_options_init(o, false);
    o->n_epochs = (int32_t)plan->training.passes;
    o->batch = plan->training.batch;
    o->decay = (slk_decay)slk_decay_parse(plan->training.schedule);
    o->lr = plan->training.lr;
    o->n_warmup = plan->training.warmup;
    o->optimizer = (slk_optimizer_options){.beta1 = plan->training.beta1,
                                           .beta2 = plan->training.beta2,
                                           .eps = plan->training.eps,
                                           .decay = plan->training.weight_decay,
                                           .clip = plan->training.clip,
                                           .decay_matrices_only = true};
    o->dropout = 0;
    o->seed = (uint64_t)plan->seed;
    o->share = false; /* rows have little but their first word in common */
}
