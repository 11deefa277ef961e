#include "infer/verify.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/text.h"
#include "infer/sample.h"
#include "model/model.h"

/* Draws that have the same tokens so far. */
typedef struct branch {
    slk_verification *v;
    struct branch *next, **link; /* among the verifier's open ones; link points to this one */
    slk_seg seg;                 /* ends with the branch's last token */
    int n_tokens;                /* of the answer so far */
    int n_gold;                  /* tokens of the gold path that it has followed, or -1 when it left it */
    bool dead;                   /* cannot match; decoded only to be recorded */
    double p;                    /* on the gold path: its probability so far */
    char *text;                  /* [text_bytes] of the answer so far */
    size_t text_bytes;
    int n_draws;
    uint16_t draws[]; /* 0 = greedy, i = sample i - 1 */
} branch;

struct slk_verifier {
    const slk_model *model;
    slk_tree *tree;
    slk_schedule *schedule;
    const slk_judge *judge;
    slk_draws draws;
    slk_distribution distribution; /* of the row being followed */
    int32_t *taken;                /* [n_samples + 1] token that each draw of the branch takes */
    uint16_t *group;               /* [n_samples + 1] draws that take the same one */
    slk_buf text;
    branch *open; /* branches whose logits are still to come, so that a probe which stops leaves nothing behind */
    slk_status (*finished)(void *user, slk_verification *v, slk_err *err);
    void *user;
};

static void open_branch(slk_verifier *vf, branch *b)
{
    b->next = vf->open;
    b->link = &vf->open;
    if (b->next) b->next->link = &b->next;
    vf->open = b;
}

static void close_branch(branch *b)
{
    *b->link = b->next;
    if (b->next) b->next->link = b->link;
    free(b->text);
    free(b);
}

slk_status slk_verifier_create(slk_verifier **out, const slk_model *model, slk_tree *tree, slk_schedule *schedule,
                               const slk_judge *judge, const slk_draws *draws, slk_err *err)
{
    *out = NULL;
    slk_verifier *vf = slk_alloc_zero(1, sizeof *vf);
    if (!vf) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    vf->model = model;
    vf->tree = tree;
    vf->schedule = schedule;
    vf->judge = judge;
    vf->draws = *draws;
    vf->taken = slk_alloc((size_t)draws->n_samples + 1, sizeof *vf->taken);
    vf->group = slk_alloc((size_t)draws->n_samples + 1, sizeof *vf->group);
    slk_buf_init(&vf->text);
    if (!vf->taken || !vf->group) {
        slk_verifier_free(vf);
        return slk_fail(err, SLK_E_MEMORY, "out of memory");
    }
    *out = vf;
    return SLK_OK;
}

void slk_verifier_free(slk_verifier *vf)
{
    if (!vf) return;
    for (branch *b = vf->open, *next; b; b = next) { /* of a run that was stopped */
        next = b->next;
        free(b->text);
        free(b);
    }
    free(vf->taken);
    free(vf->group);
    slk_buf_release(&vf->text);
    free(vf);
}

bool slk_answer_add_token(slk_buf *text, const slk_tokenizer *tokenizer, int32_t token, int n_tokens, int n_max_tokens)
{
    if (slk_tokenizer_is_control(tokenizer, token)) return true;
    slk_bytes piece = slk_tokenizer_piece(tokenizer, token);
    const char *line_break = memchr(piece.data, '\n', piece.len);
    slk_buf_add(text, piece.data, line_break ? (size_t)(line_break - piece.data) : piece.len);
    return line_break || n_tokens >= n_max_tokens;
}

char *slk_answer_text(const char *text, size_t n_bytes)
{
    size_t n, begin, end;
    char *repaired = slk_utf8_repair(text, n_bytes, &n);
    if (!repaired) return NULL;
    slk_text_trim(repaired, n, &begin, &end);
    slk_buf out;
    slk_buf_init(&out);
    for (const char *at = repaired + begin, *stop = repaired + end; at < stop;) {
        size_t n_run = strnlen(at, (size_t)(stop - at));
        slk_buf_add(&out, at, n_run);
        at += n_run;
        if (at == stop) break;
        slk_buf_add_str(&out, "\xEF\xBF\xBD");
        at++;
    }
    free(repaired);
    return slk_buf_take(&out);
}

/* --- outcomes ------------------------------------------------------------------------------------------------------
 */

static slk_status record(slk_verification *v, int draw, bool match, const slk_buf *text, slk_err *err)
{
    if (draw == 0)
        v->greedy = match;
    else
        v->sampled[draw - 1] = match;
    if (!slk_grow(&v->answers, &v->cap_answers, v->n_answers + 1, sizeof *v->answers))
        return slk_fail(err, SLK_E_MEMORY, "out of memory");
    char *own = slk_answer_text(text->data ? text->data : "", text->len);
    if (!own) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    v->answers[v->n_answers++] =
        (slk_answer){.text = own, .prompt = v->prompt, .draw = (int16_t)(draw - 1), .match = match};
    return SLK_OK;
}

/* The answer in vf->text is complete: all its draws have their outcome. */
static slk_status finish_answer(slk_verifier *vf, slk_verification *v, const uint16_t *draws, int n_draws, bool dead,
                                slk_err *err)
{
    if (n_draws == 0) return SLK_OK;
    int match = vf->judge->match(v->golds, vf->text.data ? vf->text.data : "", vf->text.len);
    if (match < 0) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    if (match && dead)
        return slk_fail(err, SLK_E_STATE,
                        "the answer '%s' matches although its beginning was called dead; please report this",
                        vf->text.data);
    slk_status s = SLK_OK;
    for (int i = 0; i < n_draws && s == SLK_OK; i++) s = record(v, draws[i], match == 1, &vf->text, err);
    return s;
}

/* --- branches ------------------------------------------------------------------------------------------------------
 */

static slk_status continue_branch(slk_verifier *vf, const branch *from, int32_t token, const uint16_t *draws,
                                  int n_draws, bool on_gold, bool dead, double p, slk_err *err)
{
    branch *b = slk_alloc_zero(1, sizeof *b + (size_t)n_draws * sizeof *draws);
    if (!b) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    b->v = from->v;
    b->n_tokens = from->n_tokens + 1;
    b->n_gold = on_gold ? from->n_gold + 1 : -1;
    b->dead = dead;
    b->p = p;
    b->text = slk_strndup(vf->text.data ? vf->text.data : "", vf->text.len);
    b->text_bytes = vf->text.len;
    b->n_draws = n_draws;
    if (n_draws) memcpy(b->draws, draws, (size_t)n_draws * sizeof *draws);
    slk_status s = b->text ? slk_tree_append(vf->tree, from->seg, &token, 1, &b->seg, err)
                           : slk_fail(err, SLK_E_MEMORY, "out of memory");
    if (s == SLK_OK) s = slk_schedule_add(vf->schedule, b->seg, b, err);
    if (s == SLK_OK)
        b->v->n_open++, open_branch(vf, b);
    else
        free(b->text), free(b);
    return s;
}

/* Follow the draws (maybe none: the gold path alone) that take `token` after branch b. */
static slk_status follow(slk_verifier *vf, const branch *b, int32_t token, const uint16_t *draws, int n_draws,
                         bool on_gold, double p, slk_err *err)
{
    slk_verification *v = b->v;
    slk_buf_clear(&vf->text);
    slk_buf_add(&vf->text, b->text, b->text_bytes);
    bool over = slk_answer_add_token(&vf->text, vf->model->tokenizer, token, b->n_tokens + 1, vf->draws.n_max_tokens);
    if (vf->text.failed) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    if (over) return finish_answer(vf, v, draws, n_draws, b->dead, err);
    bool dead = b->dead || (!on_gold && !vf->judge->alive(v->golds, vf->text.data ? vf->text.data : "", vf->text.len));
    if (dead) {
        /* wrong whatever comes; go on only with those whose text is wanted (the greedy draw stands first) */
        bool has_greedy = n_draws > 0 && draws[0] == 0;
        if (vf->draws.decode == SLK_DECODE_NONE) return SLK_OK;
        if (vf->draws.decode == SLK_DECODE_GREEDY) n_draws = has_greedy ? 1 : 0;
        if (n_draws == 0) return SLK_OK;
    }
    return continue_branch(vf, b, token, draws, n_draws, on_gold && !dead, dead, p, err);
}

/* The logits behind branch b are there. */
static slk_status advance(slk_verifier *vf, branch *b, const slk_top *top, slk_err *err)
{
    slk_verification *v = b->v;
    const slk_draws *d = &vf->draws;
    slk_distribution_init(&vf->distribution, top, d->temperature, d->top_k);
    for (int i = 0; i < b->n_draws; i++) {
        if (b->draws[i] == 0)
            vf->taken[i] = slk_top_greedy(top);
        else {
            double u = slk_rng_uniform(d->seed, SLK_PURPOSE_SAMPLE, v->fact_id, v->prompt, (uint32_t)b->draws[i] - 1,
                                       (uint32_t)b->n_tokens);
            vf->taken[i] = slk_distribution_pick(&vf->distribution, u);
        }
    }
    int32_t gold = -1;
    double p = 0;
    if (b->n_gold >= 0 && b->n_gold < v->n_gold) {
        gold = v->gold[b->n_gold];
        p = b->p * slk_distribution_probability(&vf->distribution, gold);
        if (b->n_gold + 1 == v->n_gold) v->p_gold = p;
    }
    bool gold_taken = false;
    slk_status s = SLK_OK;
    for (int i = 0; i < b->n_draws && s == SLK_OK; i++) {
        int32_t token = vf->taken[i];
        if (token < 0) continue;
        int n = 0;
        for (int j = i; j < b->n_draws; j++) {
            if (vf->taken[j] != token) continue;
            vf->group[n++] = b->draws[j];
            vf->taken[j] = -1;
        }
        bool on_gold = token == gold;
        gold_taken |= on_gold;
        s = follow(vf, b, token, vf->group, n, on_gold, p, err);
    }
    /* nobody is on the gold path any more: only its probability is still wanted */
    if (s == SLK_OK && gold >= 0 && !gold_taken && p > 0 && b->n_gold + 1 < v->n_gold)
        s = follow(vf, b, gold, NULL, 0, true, p, err);
    return s;
}

static slk_status branch_done(void *user, void *request, const slk_top *top, slk_err *err)
{
    slk_verifier *vf = user;
    branch *b = request;
    slk_verification *v = b->v;
    slk_status s = advance(vf, b, top, err);
    slk_tree_release(vf->tree, b->seg);
    close_branch(b);
    v->n_open--;
    if (s == SLK_OK && v->n_open == 0) s = vf->finished(vf->user, v, err);
    return s;
}

slk_status slk_verifier_start(slk_verifier *vf, slk_verification *v, slk_seg prompt, slk_err *err)
{
    int n_draws = vf->draws.n_samples + 1;
    branch *b = slk_alloc_zero(1, sizeof *b + (size_t)n_draws * sizeof b->draws[0]);
    if (!b) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    b->v = v;
    b->seg = prompt;
    b->p = 1;
    b->n_gold = v->n_gold > 0 && v->n_gold <= vf->draws.n_max_tokens ? 0 : -1;
    b->n_draws = n_draws;
    for (int i = 0; i < n_draws; i++) b->draws[i] = (uint16_t)i;
    v->n_open = 1;
    slk_status s = slk_schedule_add(vf->schedule, prompt, b, err);
    if (s == SLK_OK)
        open_branch(vf, b);
    else
        free(b);
    return s;
}

slk_status slk_verifier_step(slk_verifier *vf, slk_status (*finished)(void *user, slk_verification *v, slk_err *err),
                             void *user, slk_err *err)
{
    vf->finished = finished;
    vf->user = user;
    return slk_schedule_run(vf->schedule, branch_done, vf, err);
}
