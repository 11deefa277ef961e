/* The corpus of a base model: from a plan and its facts to mentions, and from those to rows of tokens.
 *
 *   fact     -> a kind (exact shares in each relation and split), a wrong alternative, exact numbers of mentions
 *   mention  -> "Q: <question>\nA: <answer>\n"  in lists of one relation; or a statement; or the format of fine-tuning
 *   row      -> start token, whole mentions, at most row_tokens of them; read once in every pass
 *
 * Mentions are packed into rows `packings` times, each time in another order.
 *
 * Every count is that of one packing; in all a fact is mentioned `passes * packings` times as often. */
#ifndef SLK_PRETRAIN_CORPUS_H
#define SLK_PRETRAIN_CORPUS_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/fact.h"
#include "base/mem.h"
#include "pretrain/plan.h"
#include "token/tokenizer.h"
#include "train/batch.h"

/* What a packing says of one fact. */
typedef struct slk_exposure {
    const slk_pretrain_kind *kind; /* NULL: none, it is in no mention */
    uint32_t list_right, list_wrong, text_right, text_wrong;
    uint32_t instruct; /* of the text ones: so many are in the format of fine-tuning */
    size_t wrong;      /* number of the fact whose answer is the wrong alternative; SIZE_MAX: there is none */
} slk_exposure;

/* Where a mention stands. */
typedef enum slk_place { SLK_PLACE_LIST, SLK_PLACE_TEXT, SLK_PLACE_INSTRUCT } slk_place;

typedef struct slk_mention {
    uint32_t fact;
    uint32_t statement; /* number of its template; lists and the format of fine-tuning: 0 */
    slk_place place;
    bool is_wrong;
    uint64_t order; /* drawn */
} slk_mention;

typedef struct slk_corpus {
    const slk_pretrain_plan *plan; /* borrowed, as the facts are */
    const slk_facts *facts;
    slk_exposure *exposures; /* [facts->n] */
    slk_mention *mentions;   /* [n_mentions] */
    size_t n_mentions, cap_mentions;
    size_t n_instruct;
} slk_corpus;

/* Draw kinds and mentions. A relation in which all answers are the same has no wrong alternative: a fact that would
 * need one is an error. Release *out in any case. Errors: SLK_E_FORMAT, SLK_E_MEMORY. */
slk_status slk_corpus_create(slk_corpus *out, const slk_pretrain_plan *plan, const slk_facts *facts, slk_err *err);
void slk_corpus_release(slk_corpus *corpus);

/* Append every text that a vocabulary should be good at: all facts in all of their forms, one a line. */
void slk_corpus_add_texts(slk_buf *out, const slk_corpus *corpus);

/* Rows, as the trainer takes them. */
typedef struct slk_corpus_rows {
    slk_sequence *sequences; /* [n] */
    size_t n, cap;
    int32_t *tokens; /* of all rows */
    size_t n_tokens, cap_tokens;
} slk_corpus_rows;

/* Write all mentions down and pack them, as often as the plan says. Release *out in any case. Errors: SLK_E_FORMAT (a
 * mention that is longer than a row: names the question), SLK_E_MEMORY. */
slk_status slk_corpus_pack(slk_corpus_rows *out, const slk_corpus *corpus, const slk_tokenizer *tokenizer,
                           slk_err *err);
void slk_corpus_rows_release(slk_corpus_rows *rows);

/* Write the table of what each fact was exposed to, a line a fact behind a header, with tabs: question, answer,
 * relation, split, kind, list_right, list_wrong, text_right, text_wrong, instruct, wrong, ood. `slick import` reads it.
 * Errors: SLK_E_IO, SLK_E_STATE (exists and !overwrite), SLK_E_MEMORY. */
slk_status slk_corpus_write_table(const slk_corpus *corpus, const char *path, bool overwrite, slk_err *err);

#endif
