/* Tokens that are matched verbatim, before anything else: user-defined ones in every text, control tokens on request.
 */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "token/internal.h"

#define PAIRS_BYTES (65536 / 8)

static unsigned flags_of_set(int set)
{
    return set == 0 ? SLK_TOKEN_F_USER : SLK_TOKEN_F_USER | SLK_TOKEN_F_SPECIAL;
}

static void set_pair(uint8_t *pairs, unsigned first, unsigned second)
{
    unsigned bit = first << 8 | second;
    pairs[bit >> 3] |= (uint8_t)(1u << (bit & 7));
}

bool slk_special_may_begin(const slk_special_set *set, const char *text, size_t at, size_t end)
{
    unsigned bit = (unsigned)(unsigned char)text[at] << 8 | (at + 1 < end ? (unsigned char)text[at + 1] : 0);
    return (set->pairs[bit >> 3] >> (bit & 7) & 1) != 0;
}

static int compare_lengths_down(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

bool slk_special_add(slk_special_set *set, size_t *lengths_cap, const char *text, size_t n_bytes)
{
    if (set->pairs == NULL) set->pairs = slk_alloc_zero(PAIRS_BYTES, 1);
    if (set->pairs == NULL) return false;
    for (unsigned second = 0; second < 256; second++) {
        if (n_bytes == 1 || second == (unsigned char)text[1]) set_pair(set->pairs, (unsigned char)text[0], second);
    }
    for (size_t i = 0; i < set->n_lengths; i++) {
        if (set->lengths[i] == n_bytes) return true;
    }
    if (!slk_grow(&set->lengths, lengths_cap, set->n_lengths + 1, sizeof *set->lengths)) return false;
    set->lengths[set->n_lengths++] = (uint32_t)n_bytes;
    return true;
}

void slk_special_sort(slk_special_set *set)
{
    if (set->n_lengths > 1) qsort(set->lengths, set->n_lengths, sizeof *set->lengths, compare_lengths_down);
}

static bool build_set(const slk_tokenizer *tok, slk_special_set *set, unsigned flags)
{
    size_t cap = 0;
    for (size_t i = 0; i < tok->n_tokens; i++) {
        slk_bytes raw = slk_token_raw(tok, (int32_t)i);
        if ((tok->flags[i] & flags) == 0 || raw.len == 0) continue;
        if (!slk_special_add(set, &cap, raw.data, raw.len)) return false;
    }
    slk_special_sort(set);
    return true;
}

slk_status slk_special_build(slk_tokenizer *tok, slk_err *err)
{
    for (int set = 0; set < 2; set++) {
        if (!build_set(tok, &tok->specials[set], flags_of_set(set))) {
            return slk_fail(err, SLK_E_MEMORY, "%s: out of memory for the control tokens", tok->name);
        }
    }
    return SLK_OK;
}

typedef struct fragments {
    slk_fragment *items;
    size_t n, cap;
} fragments;

static bool push_fragment(fragments *list, size_t at, size_t n_bytes, int32_t id)
{
    if (list->n == list->cap && !slk_grow(&list->items, &list->cap, list->n + 1, sizeof *list->items)) return false;
    list->items[list->n++] = (slk_fragment){at, n_bytes, id};
    return true;
}

/* Cut one part at the tokens that have `len` bytes. */
static bool cut_part(const slk_tokenizer *tok, int set, const char *text, slk_fragment part, size_t len, fragments *out)
{
    size_t end = part.at + part.n_bytes, begin = part.at;
    for (size_t at = part.at; at + len <= end;) {
        int32_t id = -1;
        if (slk_special_may_begin(&tok->specials[set], text, at, end))
            id = slk_token_find(tok, text + at, len, flags_of_set(set));
        if (id < 0) {
            at++;
            continue;
        }
        if (at > begin && !push_fragment(out, begin, at - begin, -1)) return false;
        if (!push_fragment(out, at, len, id)) return false;
        at += len;
        begin = at;
    }
    return begin == end || push_fragment(out, begin, end - begin, -1);
}

static bool any_may_begin(const slk_special_set *set, const char *text, size_t n_bytes)
{
    if (set->n_lengths == 0) return false;
    for (size_t at = 0; at < n_bytes; at++) {
        if (slk_special_may_begin(set, text, at, n_bytes)) return true;
    }
    return false;
}

slk_status slk_special_cut(const slk_tokenizer *tok, const char *text, size_t n_bytes, bool with_special,
                           slk_fragment **out, size_t *n, slk_err *err)
{
    int set = with_special ? 1 : 0;
    fragments now = {0}, next = {0};
    bool fits = n_bytes == 0 || push_fragment(&now, 0, n_bytes, -1);
    size_t n_lengths = any_may_begin(&tok->specials[set], text, n_bytes) ? tok->specials[set].n_lengths : 0;
    for (size_t k = 0; k < n_lengths && fits; k++) {
        next.n = 0;
        for (size_t i = 0; i < now.n && fits; i++) {
            slk_fragment part = now.items[i];
            fits = part.id >= 0 ? push_fragment(&next, part.at, part.n_bytes, part.id)
                                : cut_part(tok, set, text, part, tok->specials[set].lengths[k], &next);
        }
        fragments spare = now;
        now = next;
        next = spare;
    }
    free(next.items);
    if (!fits) {
        free(now.items);
        return slk_fail(err, SLK_E_MEMORY, "%s: out of memory for a text of %zu bytes", tok->name, n_bytes);
    }
    *out = now.items;
    *n = now.n;
    return SLK_OK;
}
