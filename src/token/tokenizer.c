#include "token/tokenizer.h"

#include <stdlib.h>
#include "base/mem.h"
#include "token/internal.h"

/* Symbols are counted in 32 bits, and a space takes three bytes in SentencePiece's spelling. */
#define MAX_TEXT_BYTES ((size_t)INT32_MAX / 4)

static bool in_range(const slk_tokenizer *tok, int32_t id)
{
    return id >= 0 && (size_t)id < tok->n_tokens;
}

/* --- encoding --- */

static slk_status encode_fragments(slk_merging *m, const char *text, const slk_fragment *fragments, size_t n,
                                   slk_err *err)
{
    const slk_tokenizer *tok = m->tok;
    /* SPM: text that begins the string or follows a verbatim token gets the space. */
    bool space_before = tok->add_space_prefix;
    for (size_t i = 0; i < n; i++) {
        slk_status status = SLK_OK;
        const slk_fragment *f = &fragments[i];
        if (f->id >= 0) {
            if (!slk_ids_push(m->out, f->id))
                status = slk_fail(err, SLK_E_MEMORY, "%s: out of memory for token ids", tok->name);
            space_before = tok->add_space_prefix;
        } else if (tok->kind == SLK_VOCAB_BPE) {
            status = slk_bpe_encode(m, text + f->at, f->n_bytes, err);
        } else {
            status = slk_spm_encode(m, text + f->at, f->n_bytes, space_before, err);
            space_before = false;
        }
        if (status != SLK_OK) return status;
    }
    return SLK_OK;
}

static slk_status encode_like_llama_cpp(slk_merging *m, const char *text, size_t n_bytes, bool special, slk_err *err)
{
    slk_fragment *fragments;
    size_t n;
    slk_status status = slk_special_cut(m->tok, text, n_bytes, special, &fragments, &n, err);
    if (status != SLK_OK) return status;
    status = encode_fragments(m, text, fragments, n, err);
    free(fragments);
    return status;
}

slk_status slk_tokenizer_encode(const slk_tokenizer *tok, const char *text, size_t n_bytes, unsigned flags,
                                slk_ids *out, slk_err *err)
{
    if (n_bytes > MAX_TEXT_BYTES) {
        return slk_fail(err, SLK_E_ARG, "%s: a text of %zu bytes is too long, the limit is %zu", tok->name, n_bytes,
                        MAX_TEXT_BYTES);
    }
    size_t n_before = out->n;
    bool add_bos = (flags & SLK_ENCODE_BOS) != 0 && tok->add_bos,
         add_eos = (flags & SLK_ENCODE_EOS) != 0 && tok->add_eos;
    slk_merging m = {.tok = tok, .out = out};
    slk_status status = SLK_OK;
    if (add_bos && !slk_ids_push(out, tok->bos)) status = slk_fail(err, SLK_E_MEMORY, "%s: out of memory", tok->name);
    if (status == SLK_OK) {
        bool special = (flags & SLK_ENCODE_SPECIAL) != 0;
        status = tok->rules != NULL ? slk_rules_encode(&m, text, n_bytes, special, err)
                                    : encode_like_llama_cpp(&m, text, n_bytes, special, err);
    }
    if (status == SLK_OK && add_eos && !slk_ids_push(out, tok->eos)) {
        status = slk_fail(err, SLK_E_MEMORY, "%s: out of memory", tok->name);
    }
    slk_merging_release(&m);
    if (status != SLK_OK) out->n = n_before;
    return status;
}

/* --- decoding --- */

slk_bytes slk_tokenizer_piece(const slk_tokenizer *tok, int32_t id)
{
    if (!in_range(tok, id)) return (slk_bytes){"", 0};
    return (slk_bytes){tok->piece + tok->piece_at[id], tok->piece_at[id + 1] - tok->piece_at[id]};
}

slk_bytes slk_tokenizer_raw(const slk_tokenizer *tok, int32_t id)
{
    return in_range(tok, id) ? slk_token_raw(tok, id) : (slk_bytes){"", 0};
}

void slk_tokenizer_decode(const slk_tokenizer *tok, const int32_t *ids, size_t n, bool special, bool at_start,
                          struct slk_buf *out)
{
    bool drop_space = at_start && tok->add_space_prefix;
    for (size_t i = 0; i < n; i++) {
        if (!in_range(tok, ids[i])) continue;
        unsigned flags = tok->flags[ids[i]];
        slk_bytes piece = slk_tokenizer_piece(tok, ids[i]);
        if (special && (flags & SLK_TOKEN_F_SPECIAL) != 0) piece = slk_token_raw(tok, ids[i]);
        if (drop_space && (flags & SLK_TOKEN_F_SILENT) == 0) {
            /* Before a user-defined token encode() puts no space: one there is its own. */
            bool ours = piece.len > 0 && piece.data[0] == ' ' && (flags & SLK_TOKEN_F_USER) == 0;
            piece.data += ours;
            piece.len -= ours;
            drop_space = false;
        }
        slk_buf_add(out, piece.data, piece.len);
    }
}

/* --- look-ups --- */

bool slk_tokenizer_is_control(const slk_tokenizer *tok, int32_t id)
{
    return !in_range(tok, id) || (tok->flags[id] & SLK_TOKEN_F_SILENT) != 0;
}

bool slk_tokenizer_is_end(const slk_tokenizer *tok, int32_t id)
{
    return in_range(tok, id) && (tok->flags[id] & SLK_TOKEN_F_END) != 0;
}

size_t slk_tokenizer_n_tokens(const slk_tokenizer *tok)
{
    return tok->n_tokens;
}

int32_t slk_tokenizer_bos(const slk_tokenizer *tok)
{
    return tok->bos;
}

int32_t slk_tokenizer_eos(const slk_tokenizer *tok)
{
    return tok->eos;
}

bool slk_tokenizer_adds_bos(const slk_tokenizer *tok)
{
    return tok->add_bos;
}

slk_vocab_kind slk_tokenizer_kind(const slk_tokenizer *tok)
{
    return tok->kind;
}
