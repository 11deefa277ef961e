#include "know/match.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "know/match_form.h"

/* A bag of words: the distinct words of a text, with how often each occurs. */
typedef struct bag_word {
    size_t at, len;
    size_t n;
} bag_word;

typedef struct bag {
    bag_word *words; /* [n_distinct], offsets into the text */
    size_t n_distinct, n_total;
} bag;

typedef struct gold {
    char *form; /* what an answer's form is compared with; strict: the trimmed text */
    size_t len;
    char *decomposed; /* form, each character decomposed; NULL under strict */
    size_t decomposed_len;
    bool plain;              /* compared without deletions, because they leave nothing of it */
    bag bag, decomposed_bag; /* F1 only */
} gold;

struct slk_golds {
    slk_match_rule rule;
    gold *items; /* [n] */
    size_t n;
    bool any_plain, any_deleting;
};

/* --- the rule ----------------------------------------------------------------------------------------------------- */

slk_status slk_match_parse(slk_match_rule *out, const char *text, slk_err *err)
{
    static const struct {
        const char *name;
        slk_match_kind kind;
    } names[] = {{"em", SLK_MATCH_EM}, {"strict", SLK_MATCH_STRICT}, {"contains", SLK_MATCH_CONTAINS}};

    *out = (slk_match_rule){SLK_MATCH_EM, 0};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!strcmp(text, names[i].name)) {
            out->kind = names[i].kind;
            return SLK_OK;
        }
    }
    /* Digits and a point only: strtod also takes "nan", "0x1" and leading spaces. */
    const char *number = text + 3;
    if (!strncmp(text, "f1:", 3) && *number && strspn(number, "0123456789.") == strlen(number)) {
        char *end;
        double threshold = strtod(number, &end);
        if (*end == '\0' && end != number && threshold > 0 && threshold <= 1) {
            *out = (slk_match_rule){SLK_MATCH_F1, threshold};
            return SLK_OK;
        }
    }
    return slk_fail(err, SLK_E_ARG, "match rule '%s': expected em, strict, contains, or f1:X with 0 < X <= 1", text);
}

/* --- bags of words ------------------------------------------------------------------------------------------------ */

/* The next word of words joined by single spaces, from *at on. */
static bool next_word(const char *text, size_t len, size_t *at, size_t *begin, size_t *n)
{
    if (*at >= len) return false;
    const char *space = memchr(text + *at, ' ', len - *at);
    *begin = *at;
    *n = space ? (size_t)(space - text) - *at : len - *at;
    *at += *n + 1;
    return true;
}

static size_t count_word(const char *text, size_t len, const char *word, size_t n_word)
{
    size_t at = 0, begin, n, count = 0;
    while (next_word(text, len, &at, &begin, &n)) count += n == n_word && !memcmp(text + begin, word, n);
    return count;
}

static bool bag_create(bag *out, const char *text, size_t len)
{
    size_t at = 0, begin, n;
    while (next_word(text, len, &at, &begin, &n)) out->n_total++;
    out->words = slk_alloc(out->n_total, sizeof *out->words);
    if (!out->words) return false;
    at = 0;
    while (next_word(text, len, &at, &begin, &n)) {
        if (count_word(text, begin, text + begin, n) > 0) continue;
        out->words[out->n_distinct++] = (bag_word){begin, n, count_word(text, len, text + begin, n)};
    }
    return true;
}

/* How many words the bag and the text share. *missing, when asked for: is there a word that begins with prefix and
 * occurs less often in the text than in the bag? */
static size_t bag_common(const bag *b, const char *bag_text, const char *text, size_t len, const char *prefix,
                         size_t n_prefix, bool *missing)
{
    size_t common = 0;
    for (size_t i = 0; i < b->n_distinct; i++) {
        const bag_word *w = &b->words[i];
        size_t n = count_word(text, len, bag_text + w->at, w->len);
        common += n < w->n ? n : w->n;
        if (missing && n < w->n && w->len >= n_prefix && !memcmp(bag_text + w->at, prefix, n_prefix)) *missing = true;
    }
    return common;
}

/* One division of exact integers, so that 4/5 is the double 0.8, and monotone in n_common. */
static bool f1_reached(const slk_match_rule *rule, size_t n_common, size_t n_answer, size_t n_gold)
{
    return n_common > 0 && 2.0 * (double)n_common / (double)(n_answer + n_gold) >= rule->threshold;
}

/* --- golds -------------------------------------------------------------------------------------------------------- */

static void gold_release(gold *g)
{
    free(g->form);
    free(g->decomposed);
    free(g->bag.words);
    free(g->decomposed_bag.words);
}

/* The trimmed text; an empty string where nothing is left. */
static char *strict_form(const char *text, size_t n_bytes, size_t *len)
{
    size_t n_valid, begin, end;
    char *valid = slk_utf8_repair(text, n_bytes, &n_valid);
    if (!valid) return NULL;
    slk_text_trim(valid, n_valid, &begin, &end);
    memmove(valid, valid + begin, end - begin);
    valid[end - begin] = '\0';
    *len = end - begin;
    return valid;
}

/* The finished form of a text; plain: without the deletions, also chosen (and *plain set) where they leave nothing.
 * Release out->str, also after false. */
static bool words_form(slk_form *out, bool *plain, const char *text, size_t n_bytes)
{
    slk_form_str x;
    *plain = false;
    out->str.data = NULL;
    bool ok = slk_form_fold(&x, text, n_bytes) && slk_form_words(out, x.data, x.len, true);
    if (ok) slk_form_finish(out, true);
    if (ok && out->str.len == 0) {
        slk_form_str_release(&out->str);
        ok = slk_form_words(out, x.data, x.len, false);
        if (ok) slk_form_finish(out, false);
        *plain = true;
    }
    slk_form_str_release(&x);
    return ok;
}

static bool gold_set_words(gold *out, const slk_match_rule *rule, const char *text)
{
    slk_form form, d;
    d.str.data = NULL;
    bool ok = words_form(&form, &out->plain, text, strlen(text)) && slk_form_decompose(&d, &form);
    if (ok) {
        out->len = form.str.len;
        out->decomposed_len = d.str.len;
        out->form = slk_strndup(form.str.data, form.str.len);
        out->decomposed = slk_strndup(d.str.data, d.str.len);
        ok = out->form && out->decomposed;
    }
    slk_form_str_release(&form.str);
    slk_form_str_release(&d.str);
    if (!ok || rule->kind != SLK_MATCH_F1) return ok;
    return bag_create(&out->bag, out->form, out->len) &&
           bag_create(&out->decomposed_bag, out->decomposed, out->decomposed_len);
}

static bool gold_create(gold *out, const slk_match_rule *rule, const char *text)
{
    *out = (gold){0};
    bool ok;
    if (rule->kind == SLK_MATCH_STRICT) {
        out->form = strict_form(text, strlen(text), &out->len);
        ok = out->form != NULL;
    } else {
        ok = gold_set_words(out, rule, text);
    }
    if (!ok) gold_release(out);
    return ok;
}

static bool golds_has(const slk_golds *golds, const gold *g)
{
    for (size_t i = 0; i < golds->n; i++) {
        const gold *other = &golds->items[i];
        if (other->plain == g->plain && other->len == g->len && !memcmp(other->form, g->form, g->len)) return true;
    }
    return false;
}

static slk_status golds_add(slk_golds *golds, const slk_fact *fact, const char *kind, size_t i, const char *text,
                            slk_err *err)
{
    gold g;
    if (!gold_create(&g, &golds->rule, text)) return slk_fail(err, SLK_E_MEMORY, "golds: out of memory");
    if (g.len == 0) {
        gold_release(&g);
        return slk_fail(err, SLK_E_FORMAT, "fact '%s': %s %zu is empty, expected text", fact->question, kind, i + 1);
    }
    if (golds_has(golds, &g)) {
        gold_release(&g);
        return SLK_OK;
    }
    if (g.plain)
        golds->any_plain = true;
    else
        golds->any_deleting = true;
    golds->items[golds->n++] = g;
    return SLK_OK;
}

slk_status slk_golds_create(slk_golds **out, const slk_match_rule *rule, const slk_fact *fact, slk_err *err)
{
    *out = NULL;
    slk_golds *golds = slk_alloc_zero(1, sizeof *golds);
    if (golds) golds->items = slk_alloc(fact->n_answers + fact->n_aliases, sizeof *golds->items);
    if (!golds || !golds->items) {
        free(golds);
        return slk_fail(err, SLK_E_MEMORY, "golds: out of memory");
    }
    golds->rule = *rule;
    slk_status status = SLK_OK;
    for (size_t i = 0; status == SLK_OK && i < fact->n_answers; i++)
        status = golds_add(golds, fact, "answer", i, fact->answers[i], err);
    for (size_t i = 0; status == SLK_OK && i < fact->n_aliases; i++)
        status = golds_add(golds, fact, "alias", i, fact->aliases[i], err);
    if (status != SLK_OK) {
        slk_golds_free(golds);
        return status;
    }
    *out = golds;
    return SLK_OK;
}

void slk_golds_free(slk_golds *golds)
{
    if (!golds) return;
    for (size_t i = 0; i < golds->n; i++) gold_release(&golds->items[i]);
    free(golds->items);
    free(golds);
}

char *slk_match_normalize(const slk_match_rule *rule, const char *text, size_t n_bytes)
{
    size_t len;
    if (rule->kind == SLK_MATCH_STRICT) return strict_form(text, n_bytes, &len);
    slk_form form;
    bool plain;
    char *copy = NULL;
    if (words_form(&form, &plain, text, n_bytes)) copy = slk_strndup(form.str.data, form.str.len);
    slk_form_str_release(&form.str);
    return copy;
}

/* --- finished answers --------------------------------------------------------------------------------------------- */

static int strict_match(const slk_golds *golds, const char *text, size_t n_bytes)
{
    size_t begin, end, n_valid = n_bytes;
    char *repaired = NULL;
    if (slk_utf8_valid(text, n_bytes) != n_bytes) {
        repaired = slk_utf8_repair(text, n_bytes, &n_valid);
        if (!repaired) return -1;
        text = repaired;
    }
    slk_text_trim(text, n_valid, &begin, &end);
    int found = 0;
    for (size_t i = 0; i < golds->n && !found; i++) {
        const gold *g = &golds->items[i];
        found = g->len == end - begin && !memcmp(g->form, text + begin, g->len);
    }
    free(repaired);
    return found;
}

static bool contains_words(const char *text, size_t len, const char *words, size_t n)
{
    size_t at = 0, begin, n_word;
    while (next_word(text, len, &at, &begin, &n_word)) {
        if (n > len - begin) return false;
        if (!memcmp(text + begin, words, n) && (begin + n == len || text[begin + n] == ' ')) return true;
    }
    return false;
}

static bool form_matches(const slk_golds *golds, const gold *g, const char *text, size_t len, size_t n_words)
{
    switch (golds->rule.kind) {
    case SLK_MATCH_CONTAINS:
        return contains_words(text, len, g->form, g->len);
    case SLK_MATCH_F1:
        return f1_reached(&golds->rule, bag_common(&g->bag, g->form, text, len, NULL, 0, NULL), n_words,
                          g->bag.n_total);
    default:
        return g->len == len && !memcmp(g->form, text, len);
    }
}

static size_t count_words(const char *text, size_t len)
{
    size_t n = len > 0;
    for (size_t i = 0; i < len; i++) n += text[i] == ' ';
    return n;
}

/* The answer in one of its two forms against the golds that ask for that form. */
static int match_words(const slk_golds *golds, const slk_form_str *x, bool plain)
{
    slk_form form;
    int found = -1;
    if (slk_form_words(&form, x->data, x->len, !plain)) {
        slk_form_finish(&form, !plain);
        size_t n_words = golds->rule.kind == SLK_MATCH_F1 ? count_words(form.str.data, form.str.len) : 0;
        found = 0;
        for (size_t i = 0; i < golds->n && !found; i++) {
            const gold *g = &golds->items[i];
            found = g->plain == plain && form_matches(golds, g, form.str.data, form.str.len, n_words);
        }
    }
    slk_form_str_release(&form.str);
    return found;
}

int slk_golds_match(const slk_golds *golds, const char *text, size_t n_bytes)
{
    if (golds->rule.kind == SLK_MATCH_STRICT) return strict_match(golds, text, n_bytes);
    slk_form_str x;
    int found = slk_form_fold(&x, text, n_bytes) ? 0 : -1;
    if (found == 0 && golds->any_deleting) found = match_words(golds, &x, false);
    if (found == 0 && golds->any_plain) found = match_words(golds, &x, true);
    slk_form_str_release(&x);
    return found;
}

/* --- unfinished answers ------------------------------------------------------------------------------------------- */

static bool begins_with(const char *text, size_t len, const char *prefix, size_t n)
{
    return n <= len && !memcmp(text, prefix, n);
}

/* valid: the repaired text without its cut character, [n_valid]; tail: the cut character's bytes. */
static bool strict_alive_text(const slk_golds *golds, const char *valid, size_t n_valid, const char *tail,
                              size_t n_tail)
{
    size_t begin, end;
    slk_text_trim(valid, n_valid, &begin, &end);
    if (begin == end) return true; /* white space so far, perhaps a character begun: any gold may follow */
    const char *head = valid + begin;
    size_t n_head = n_valid - begin;
    for (size_t i = 0; i < golds->n; i++) {
        const gold *g = &golds->items[i];
        if (g->len == end - begin && !memcmp(g->form, head, g->len))
            return true; /* if white space follows to the end */
        if (!begins_with(g->form, g->len, head, n_head)) continue;
        const char *rest = g->form + n_head;
        size_t n_rest = g->len - n_head;
        if (begins_with(rest, n_rest, tail, n_tail) || begins_with(rest, n_rest, "\xEF\xBF\xBD", 3)) return true;
    }
    return false;
}

static bool strict_alive(const slk_golds *golds, const char *text, size_t n_bytes)
{
    size_t n_tail = slk_utf8_open_tail(text, n_bytes), n_head = n_bytes - n_tail;
    if (slk_utf8_valid(text, n_head) == n_head) return strict_alive_text(golds, text, n_head, text + n_head, n_tail);
    size_t n_valid;
    char *valid = slk_utf8_repair(text, n_head, &n_valid);
    if (!valid) return true;
    bool alive = strict_alive_text(golds, valid, n_valid, text + n_head, n_tail);
    free(valid);
    return alive;
}

static bool may_become_article(const char *word, size_t n)
{
    return begins_with("a", 1, word, n) || begins_with("an", 2, word, n) || begins_with("the", 3, word, n);
}

/* In the functions below `known` is what is known about the decomposed form of every answer that begins with the text:
 * its finished words, and the unfinished word as far as it is known. may_vanish: that word may still become an article,
 * which is deleted, or there is none. */

/* The gold must go on behind the finished words (with a space, or not at all), or agree with the unfinished word, too.
 */
static bool em_reachable(const gold *g, const slk_form *known, bool may_vanish)
{
    size_t n_closed = known->closed_len;
    if (!begins_with(g->decomposed, g->decomposed_len, known->str.data, n_closed)) return false;
    if (may_vanish && (n_closed == 0 || n_closed == g->decomposed_len || g->decomposed[n_closed] == ' ')) return true;
    return known->open_at < known->str.len &&
           begins_with(g->decomposed, g->decomposed_len, known->str.data, known->str.len);
}

/* The best F1 still possible: of the n finished words c are in the gold's bag; adding any missing gold word never
 * lowers 2 (c + j) / (n + j + n_gold), so the best answer goes on with all of them and nothing else. The unfinished
 * word costs one unless it may vanish or become one of those. */
static bool f1_reachable(const slk_match_rule *rule, const gold *g, const slk_form *known, bool may_vanish)
{
    const bag *b = &g->decomposed_bag;
    const char *text = known->str.data;
    bool missing = false;
    size_t n_words = count_words(text, known->closed_len);
    size_t common = bag_common(b, g->decomposed, text, known->closed_len, text + known->open_at,
                               known->str.len - known->open_at, &missing);
    if (!may_vanish && !missing) n_words++;
    return f1_reached(rule, b->n_total, n_words + (b->n_total - common), b->n_total);
}

/* Can an answer whose form begins as known reach a gold that asks for this kind of form? */
static bool any_reachable(const slk_golds *golds, const slk_form *known, bool plain)
{
    size_t n_open = known->str.len - known->open_at;
    bool may_vanish = n_open == 0 || (!plain && may_become_article(known->str.data + known->open_at, n_open));
    for (size_t i = 0; i < golds->n; i++) {
        const gold *g = &golds->items[i];
        if (g->plain != plain) continue;
        if (golds->rule.kind == SLK_MATCH_F1 ? f1_reachable(&golds->rule, g, known, may_vanish)
                                             : em_reachable(g, known, may_vanish))
            return true;
    }
    return false;
}

/* x: the folded stable part. Out of memory says alive. */
static bool words_alive(const slk_golds *golds, const slk_form_str *x, const slk_form_cut *cut, bool plain)
{
    slk_form form, decomposed;
    bool alive = true;
    if (slk_form_words(&form, x->data, x->len, !plain)) {
        if (slk_form_is_ascii(&form)) {
            slk_form_add_lead(&form, cut);
            alive = any_reachable(golds, &form, plain);
        } else {
            if (slk_form_decompose(&decomposed, &form)) {
                slk_form_add_lead(&decomposed, cut);
                alive = any_reachable(golds, &decomposed, plain);
            }
            slk_form_str_release(&decomposed.str);
        }
    }
    slk_form_str_release(&form.str);
    return alive;
}

/* text: valid, without a cut character. */
static bool text_alive(const slk_golds *golds, const char *text, size_t n_bytes)
{
    slk_form_cut cut;
    slk_form_str x;
    if (!slk_form_cut_find(&cut, text, n_bytes)) return true;
    bool alive = true;
    if (slk_form_fold(&x, text, cut.n_stable)) {
        alive = (golds->any_deleting && words_alive(golds, &x, &cut, false)) ||
                (golds->any_plain && words_alive(golds, &x, &cut, true));
    }
    slk_form_str_release(&x);
    return alive;
}

bool slk_golds_alive(const slk_golds *golds, const char *text, size_t n_bytes)
{
    if (golds->rule.kind == SLK_MATCH_STRICT) return strict_alive(golds, text, n_bytes);
    /* Whatever was said, the gold's words may still follow. */
    if (golds->rule.kind == SLK_MATCH_CONTAINS) return true;
    size_t n_head = n_bytes - slk_utf8_open_tail(text, n_bytes);
    if (slk_utf8_valid(text, n_head) == n_head) return text_alive(golds, text, n_head);
    size_t n_valid;
    char *valid = slk_utf8_repair(text, n_head, &n_valid);
    if (!valid) return true;
    bool alive = text_alive(golds, valid, n_valid);
    free(valid);
    return alive;
}
