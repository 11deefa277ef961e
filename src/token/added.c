/* Added tokens by Hugging Face's rules: at each place the longest, and after a match the search goes on behind it. */
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/text.h"
#include "token/internal.h"

/* --- the sets --- */

static size_t find_slot(const slk_added_set *set, const char *text, size_t n_bytes)
{
    size_t slot = (size_t)slk_hash_bytes(text, n_bytes) & set->slot_mask;
    for (; set->slots[slot] >= 0; slot = (slot + 1) & set->slot_mask) {
        const slk_added_token *t = &set->tokens[set->slots[slot]];
        if (t->n_bytes == n_bytes && memcmp(set->texts.data + t->at, text, n_bytes) == 0) break;
    }
    return slot;
}

static bool add_token(slk_added_set *set, int32_t id, uint8_t flags, const char *text, size_t n_bytes)
{
    if (n_bytes == 0) return true;
    if (!slk_grow(&set->tokens, &set->cap, set->n_tokens + 1, sizeof *set->tokens)) return false;
    set->tokens[set->n_tokens++] = (slk_added_token){set->texts.len, n_bytes, id, flags};
    slk_buf_add(&set->texts, text, n_bytes);
    return !set->texts.failed;
}

/* Hash table and filter, once all tokens are there. Of two tokens that normalise to the same the first one counts. */
static bool index_set(slk_added_set *set)
{
    size_t cap = 0;
    set->slots = slk_token_make_slots(set->n_tokens, &set->slot_mask);
    if (set->slots == NULL) return false;
    for (size_t i = 0; i < set->n_tokens; i++) {
        const slk_added_token *t = &set->tokens[i];
        const char *text = set->texts.data + t->at;
        size_t slot = find_slot(set, text, t->n_bytes);
        if (set->slots[slot] >= 0) continue;
        set->slots[slot] = (int32_t)i;
        if (!slk_special_add(&set->filter, &cap, text, t->n_bytes)) return false;
    }
    slk_special_sort(&set->filter);
    return true;
}

slk_status slk_added_build(slk_tokenizer *tok, const slk_vocab *vocab, slk_err *err)
{
    slk_buf normal = {0};
    bool fits = true;
    for (size_t i = 0; i < tok->n_tokens && fits; i++) {
        uint8_t flags = vocab->rules->added[i];
        slk_bytes raw = slk_token_raw(tok, (int32_t)i);
        if ((flags & SLK_ADDED) == 0) continue;
        if ((flags & SLK_ADDED_NORMALIZED) != 0) {
            fits = slk_rules_normalize(tok->rules, raw.data, raw.len, &normal) &&
                   add_token(&tok->rules->added[1], (int32_t)i, flags, normal.data, normal.len);
        } else {
            fits = add_token(&tok->rules->added[0], (int32_t)i, flags, raw.data, raw.len);
        }
    }
    slk_buf_release(&normal);
    for (int set = 0; set < 2 && fits; set++) fits = index_set(&tok->rules->added[set]);
    return fits ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "%s: out of memory for the added tokens", tok->name);
}

void slk_added_release(slk_added_set *set)
{
    free(set->filter.pairs);
    free(set->filter.lengths);
    slk_buf_release(&set->texts);
    free(set->tokens);
    free(set->slots);
}

/* --- cutting --- */

/* The longest token that begins at text[at], or NULL. */
static const slk_added_token *find_token(const slk_added_set *set, const char *text, size_t at, size_t end)
{
    if (!slk_special_may_begin(&set->filter, text, at, end)) return NULL;
    for (size_t i = 0; i < set->filter.n_lengths; i++) {
        size_t len = set->filter.lengths[i];
        if (len > end - at) continue;
        int32_t index = set->slots[find_slot(set, text + at, len)];
        if (index >= 0) return &set->tokens[index];
    }
    return NULL;
}

/* Where the white space that ends at `at` begins. */
static size_t space_before(const char *text, size_t at)
{
    while (at > 0) {
        size_t begin = at - 1;
        while (begin > 0 && ((unsigned char)text[begin] & 0xC0) == 0x80) begin--;
        uint32_t code;
        int used = slk_utf8_decode(&code, text + begin, at - begin);
        if (used == 0 || (size_t)used != at - begin || !slk_char_is_space(code)) break;
        at = begin;
    }
    return at;
}

static size_t space_behind(const char *text, size_t at, size_t end)
{
    uint32_t code;
    for (int used; at < end; at += (size_t)used) {
        used = slk_utf8_decode(&code, text + at, end - at);
        if (used == 0 || !slk_char_is_space(code)) break;
    }
    return at;
}

typedef struct fragments {
    slk_fragment *items;
    size_t n, cap;
} fragments;

static bool push_fragment(fragments *list, size_t at, size_t end, int32_t id)
{
    if (end <= at) return true;
    if (!slk_grow(&list->items, &list->cap, list->n + 1, sizeof *list->items)) return false;
    list->items[list->n++] = (slk_fragment){at, end - at, id};
    return true;
}

bool slk_added_cut(const slk_tokenizer *tok, int set_index, const char *text, size_t n_bytes, bool with_special,
                   slk_fragment **out, size_t *n)
{
    const slk_added_set *set = &tok->rules->added[set_index];
    fragments list = {0};
    size_t done = 0; /* everything before it is in the list */
    bool fits = true;
    for (size_t at = 0; at < n_bytes && fits && set->n_tokens > 0;) {
        const slk_added_token *t = find_token(set, text, at, n_bytes);
        if (t == NULL) {
            at++;
            continue;
        }
        size_t begin = at, end = at + t->n_bytes;
        at = end;
        if (!with_special && (tok->flags[t->id] & SLK_TOKEN_F_SPECIAL) != 0) continue;
        if ((t->flags & SLK_ADDED_LSTRIP) != 0) {
            begin = space_before(text, begin);
            if (begin < done) begin = done;
        }
        if ((t->flags & SLK_ADDED_RSTRIP) != 0) end = space_behind(text, end, n_bytes);
        fits = push_fragment(&list, done, begin, -1);
        /* White space that the token before swallowed may be a token itself: gone if it strips to the left, else not.
         */
        if (begin < end) fits = fits && push_fragment(&list, begin, end, t->id);
        done = end;
    }
    fits = fits && push_fragment(&list, done, n_bytes, -1);
    if (!fits) {
        free(list.items);
        return false;
    }
    *out = list.items;
    *n = list.n;
    return true;
}
