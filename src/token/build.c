/* From a description to a tokenizer: checks everything that a file could get wrong, and makes internal.h's tables. */
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "token/internal.h"

/* U+FF5C for '|' and U+2581 for spaces. */
#define DEEPSEEK_END "<\xEF\xBD\x9C\x65nd\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>"

/* Control tokens that files often mark as ordinary ones; llama.cpp makes them control tokens by their spelling, too.
 * Those with SLK_TOKEN_F_END end generation. Source: llama.cpp's llama-vocab.cpp. */
static const struct {
    const char *text;
    unsigned flags;
} WELL_KNOWN[] = {
    {"<|eot_id|>", SLK_TOKEN_F_END},
    {"<|eom_id|>", SLK_TOKEN_F_END},
    {"<|im_end|>", SLK_TOKEN_F_END},
    {"<|end|>", SLK_TOKEN_F_END},
    {"<|return|>", SLK_TOKEN_F_END},
    {"<|call|>", SLK_TOKEN_F_END},
    {"<|endoftext|>", SLK_TOKEN_F_END},
    {"<|end_of_text|>", SLK_TOKEN_F_END},
    {"<end_of_turn>", SLK_TOKEN_F_END},
    {"<end_of_utterance>", SLK_TOKEN_F_END},
    {"<EOT>", SLK_TOKEN_F_END},
    {"_<EOT>", SLK_TOKEN_F_END},
    {DEEPSEEK_END, SLK_TOKEN_F_END},
    {"<|fim_pad|>", SLK_TOKEN_F_END},
    {"<fim-pad>", SLK_TOKEN_F_END},
    {"<fim_pad>", SLK_TOKEN_F_END},
    {"<|fim_repo|>", SLK_TOKEN_F_END},
    {"<|repo_name|>", SLK_TOKEN_F_END},
    {"<fim-repo>", SLK_TOKEN_F_END},
    {"<reponame>", SLK_TOKEN_F_END},
    {"<|file_sep|>", SLK_TOKEN_F_END},
    {"<|fim_prefix|>", 0},
    {"<fim-prefix>", 0},
    {"<fim_prefix>", 0},
    {"<|fim_suffix|>", 0},
    {"<fim-suffix>", 0},
    {"<fim_suffix>", 0},
    {"<|fim_middle|>", 0},
    {"<fim-middle>", 0},
    {"<fim_middle>", 0},
};

/* These end generation where the vocabulary itself makes them control tokens. */
static const char *const USUAL_ENDS[] = {"</s>", "<eos>", "[EOS]", "[EOT]"};

int32_t *slk_token_make_slots(size_t n, size_t *mask)
{
    size_t n_slots = 16;
    while (n_slots < 2 * n) n_slots *= 2;
    int32_t *slots = slk_alloc(n_slots, sizeof *slots);
    if (slots == NULL) return NULL;
    memset(slots, 0xFF, n_slots * sizeof *slots);
    *mask = n_slots - 1;
    return slots;
}

/* The slot that holds the spelling, or the free one where it belongs. */
static size_t find_slot(const slk_tokenizer *tok, const char *text, size_t n_bytes)
{
    size_t slot = (size_t)slk_hash_bytes(text, n_bytes) & tok->slot_mask;
    for (; tok->slots[slot] >= 0; slot = (slot + 1) & tok->slot_mask) {
        slk_bytes raw = slk_token_raw(tok, tok->slots[slot]);
        if (raw.len == n_bytes && memcmp(raw.data, text, n_bytes) == 0) break;
    }
    return slot;
}

int32_t slk_token_find(const slk_tokenizer *tok, const char *text, size_t n_bytes, unsigned flags)
{
    if (n_bytes == 0) return -1;
    int32_t id = tok->slots[find_slot(tok, text, n_bytes)];
    if (id < 0 || flags == 0) return id;
    return (tok->flags[id] & flags) != 0 ? id : -1;
}

static slk_status fail_memory(const slk_tokenizer *tok, slk_err *err)
{
    return slk_fail(err, SLK_E_MEMORY, "%s: out of memory for a vocabulary of %zu tokens", tok->name, tok->n_tokens);
}

static slk_status copy_spellings(slk_tokenizer *tok, const slk_vocab *vocab, slk_err *err)
{
    size_t n_bytes = 0;
    for (size_t i = 0; i < tok->n_tokens; i++) {
        n_bytes += vocab->tokens[i].len;
        if (n_bytes > UINT32_MAX) {
            return slk_fail(err, SLK_E_FORMAT, "%s: token %zu: the spellings so far have more than 4 GiB", tok->name,
                            i);
        }
    }
    tok->raw = slk_alloc(n_bytes, 1);
    tok->raw_at = slk_alloc(tok->n_tokens + 1, sizeof *tok->raw_at);
    if (tok->raw == NULL || tok->raw_at == NULL) return fail_memory(tok, err);
    uint32_t at = 0;
    for (size_t i = 0; i < tok->n_tokens; i++) {
        tok->raw_at[i] = at;
        if (vocab->tokens[i].len > 0) memcpy(tok->raw + at, vocab->tokens[i].data, vocab->tokens[i].len);
        at += (uint32_t)vocab->tokens[i].len;
    }
    tok->raw_at[tok->n_tokens] = at;
    return SLK_OK;
}

/* Spellings are unique, but for empty ones: those are placeholders. */
static slk_status index_spellings(slk_tokenizer *tok, slk_err *err)
{
    tok->slots = slk_token_make_slots(tok->n_tokens, &tok->slot_mask);
    if (tok->slots == NULL) return fail_memory(tok, err);
    for (size_t i = 0; i < tok->n_tokens; i++) {
        slk_bytes raw = slk_token_raw(tok, (int32_t)i);
        if (raw.len == 0) continue;
        size_t slot = find_slot(tok, raw.data, raw.len);
        if (tok->slots[slot] >= 0) {
            return slk_fail(err, SLK_E_FORMAT, "%s: tokens %d and %zu are both '%.*s'", tok->name,
                            (int)tok->slots[slot], i, raw.len < 60 ? (int)raw.len : 60, raw.data);
        }
        tok->slots[slot] = (int32_t)i;
    }
    return SLK_OK;
}

/* Is the spelling in stand-ins the same as in plain text? */
static bool is_visible_ascii(slk_bytes raw)
{
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.data[i] < '!' || raw.data[i] > '~') return false;
    }
    return true;
}

static slk_status set_flags(slk_tokenizer *tok, const slk_vocab *vocab, slk_err *err)
{
    static const uint8_t of_type[] = {
        [SLK_TOKEN_NORMAL] = SLK_TOKEN_F_TEXT,
        [SLK_TOKEN_UNKNOWN] = SLK_TOKEN_F_SILENT | SLK_TOKEN_F_SPECIAL,
        [SLK_TOKEN_CONTROL] = SLK_TOKEN_F_SILENT | SLK_TOKEN_F_SPECIAL,
        [SLK_TOKEN_USER] = SLK_TOKEN_F_TEXT | SLK_TOKEN_F_USER,
        [SLK_TOKEN_UNUSED] = SLK_TOKEN_F_SILENT,
        [SLK_TOKEN_BYTE] = 0, /* given by falling back, never by the text "<0x0A>" */
    };
    tok->flags = slk_alloc(tok->n_tokens, 1);
    if (tok->flags == NULL) return fail_memory(tok, err);
    for (size_t i = 0; i < tok->n_tokens; i++) {
        int32_t type = vocab->types != NULL ? vocab->types[i] : SLK_TOKEN_NORMAL;
        if (type < SLK_TOKEN_NORMAL || type > SLK_TOKEN_BYTE) {
            slk_bytes raw = slk_token_raw(tok, (int32_t)i);
            return slk_fail(err, SLK_E_FORMAT, "%s: token %zu '%.*s' has type %d, expected 1 to 6", tok->name, i,
                            raw.len < 60 ? (int)raw.len : 60, raw.data, (int)type);
        }
        tok->flags[i] = of_type[type];
        if (tok->kind == SLK_VOCAB_SPM) continue;
        if (type == SLK_TOKEN_BYTE) tok->flags[i] = SLK_TOKEN_F_TEXT;
        /* Merging must not make a user-defined token out of stand-ins: it would stand for other bytes. */
        if (type == SLK_TOKEN_USER && !is_visible_ascii(slk_token_raw(tok, (int32_t)i)))
            tok->flags[i] = SLK_TOKEN_F_USER;
    }
    for (size_t i = 0; vocab->rules != NULL && i < tok->n_tokens; i++) {
        if ((vocab->rules->added[i] & SLK_ADDED_ONLY) != 0) tok->flags[i] &= (uint8_t)~SLK_TOKEN_F_TEXT;
    }
    return SLK_OK;
}

static void mark_well_known(slk_tokenizer *tok, int32_t eot)
{
    for (size_t i = 0; i < sizeof WELL_KNOWN / sizeof *WELL_KNOWN; i++) {
        int32_t id = slk_token_find(tok, WELL_KNOWN[i].text, strlen(WELL_KNOWN[i].text), 0);
        if (id < 0) continue;
        if (tok->rules == NULL) {
            tok->flags[id] = (uint8_t)(SLK_TOKEN_F_SILENT | SLK_TOKEN_F_SPECIAL | WELL_KNOWN[i].flags);
        } else if ((tok->flags[id] & (SLK_TOKEN_F_SPECIAL | SLK_TOKEN_F_USER)) != 0) {
            tok->flags[id] |= (uint8_t)WELL_KNOWN[i].flags; /* Hugging Face: what the file says, but for the end */
        }
    }
    for (size_t i = 0; i < sizeof USUAL_ENDS / sizeof *USUAL_ENDS; i++) {
        int32_t id = slk_token_find(tok, USUAL_ENDS[i], strlen(USUAL_ENDS[i]), SLK_TOKEN_F_SPECIAL);
        if (id >= 0) tok->flags[id] |= SLK_TOKEN_F_END;
    }
    if (tok->eos >= 0) tok->flags[tok->eos] |= SLK_TOKEN_F_END;
    if (eot >= 0) tok->flags[eot] |= SLK_TOKEN_F_END;
}

static slk_status make_pieces(slk_tokenizer *tok, const slk_vocab *vocab, slk_err *err)
{
    tok->piece = slk_alloc(tok->raw_at[tok->n_tokens], 1); /* a piece is never longer than its spelling */
    tok->piece_at = slk_alloc(tok->n_tokens + 1, sizeof *tok->piece_at);
    if (tok->piece == NULL || tok->piece_at == NULL) return fail_memory(tok, err);
    size_t at = 0;
    for (size_t i = 0; i < tok->n_tokens; i++) {
        slk_bytes raw = slk_token_raw(tok, (int32_t)i);
        tok->piece_at[i] = (uint32_t)at;
        if ((tok->flags[i] & SLK_TOKEN_F_SILENT) != 0 || raw.len == 0) continue;
        if (tok->kind == SLK_VOCAB_SPM) {
            at += slk_spm_decode_raw(tok->piece + at, raw, vocab->types != NULL && vocab->types[i] == SLK_TOKEN_BYTE);
        } else if ((tok->flags[i] & SLK_TOKEN_F_USER) != 0) {
            memcpy(tok->piece + at, raw.data, raw.len); /* user-defined tokens are plain text, not stand-ins */
            at += raw.len;
        } else {
            at += slk_bpe_decode_raw(tok->piece + at, raw);
        }
    }
    tok->piece_at[tok->n_tokens] = (uint32_t)at;
    return SLK_OK;
}

static slk_status check_ids(slk_tokenizer *tok, const slk_vocab *vocab, slk_err *err)
{
    const struct {
        const char *name;
        int32_t id;
    } ids[] = {{"bos", vocab->bos}, {"eos", vocab->eos}, {"unknown", vocab->unk}, {"eot", vocab->eot}};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        if (ids[i].id >= -1 && (ids[i].id < 0 || (size_t)ids[i].id < tok->n_tokens)) continue;
        return slk_fail(err, SLK_E_FORMAT, "%s: %s token id %d is outside the vocabulary of %zu tokens", tok->name,
                        ids[i].name, (int)ids[i].id, tok->n_tokens);
    }
    if (vocab->add_bos && vocab->bos < 0) {
        return slk_fail(err, SLK_E_FORMAT, "%s: texts are to begin with a bos token, but there is none", tok->name);
    }
    if (vocab->add_eos && vocab->eos < 0) {
        return slk_fail(err, SLK_E_FORMAT, "%s: texts are to end with an eos token, but there is none", tok->name);
    }
    tok->bos = vocab->bos;
    tok->eos = vocab->eos;
    tok->add_bos = vocab->add_bos;
    tok->add_eos = vocab->add_eos;
    tok->add_space_prefix = vocab->kind == SLK_VOCAB_SPM && vocab->add_space_prefix; /* rules: for decoding alone */
    return SLK_OK;
}

static slk_status build(slk_tokenizer *tok, const slk_vocab *vocab, slk_err *err)
{
    slk_status status = check_ids(tok, vocab, err);
    if (status == SLK_OK) status = copy_spellings(tok, vocab, err);
    if (status == SLK_OK) status = index_spellings(tok, err);
    if (status == SLK_OK) status = set_flags(tok, vocab, err);
    if (status == SLK_OK && vocab->rules != NULL) status = slk_rules_create(&tok->rules, vocab, tok->name, err);
    if (status != SLK_OK) return status;
    mark_well_known(tok, vocab->eot);
    status = tok->kind == SLK_VOCAB_BPE ? slk_bpe_build(tok, vocab, err) : slk_spm_build(tok, vocab, err);
    if (status == SLK_OK) status = make_pieces(tok, vocab, err);
    if (status != SLK_OK) return status;
    return tok->rules != NULL ? slk_added_build(tok, vocab, err) : slk_special_build(tok, err);
}

slk_status slk_tokenizer_create(slk_tokenizer **out, const slk_vocab *vocab, const char *name, slk_err *err)
{
    *out = NULL;
    if (name == NULL) name = "vocabulary";
    if (vocab->n_tokens == 0 || vocab->tokens == NULL)
        return slk_fail(err, SLK_E_FORMAT, "%s: the vocabulary is empty", name);
    if (vocab->n_tokens > INT32_MAX / 4) {
        return slk_fail(err, SLK_E_FORMAT, "%s: %zu tokens are too many for a vocabulary", name, vocab->n_tokens);
    }
    slk_tokenizer *tok = slk_alloc_zero(1, sizeof *tok);
    if (tok != NULL) tok->name = slk_strdup(name);
    if (tok == NULL || tok->name == NULL) {
        free(tok);
        return slk_fail(err, SLK_E_MEMORY, "%s: out of memory for the tokenizer", name);
    }
    tok->kind = vocab->kind;
    tok->n_tokens = vocab->n_tokens;
    slk_status status = build(tok, vocab, err);
    if (status != SLK_OK) {
        slk_tokenizer_free(tok);
        return status;
    }
    *out = tok;
    return SLK_OK;
}

void slk_tokenizer_free(slk_tokenizer *tok)
{
    if (tok == NULL) return;
    free(tok->name);
    free(tok->raw);
    free(tok->raw_at);
    free(tok->piece);
    free(tok->piece_at);
    free(tok->flags);
    free(tok->slots);
    for (int set = 0; set < 2; set++) {
        free(tok->specials[set].pairs);
        free(tok->specials[set].lengths);
    }
    slk_pretok_free(tok->pretok);
    free(tok->merges.left);
    free(tok->merges.right);
    free(tok->merges.result);
    free(tok->merges.slots);
    free(tok->order);
    slk_rules_free(tok->rules);
    free(tok);
}
