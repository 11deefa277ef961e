/* Any bytes through three small vocabularies and back: without control tokens the text must come back as it was; with
 * them, nothing may go wrong. The first input byte chooses. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "token/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BPE, SPM, SPM_PREFIXED, N_TOKENIZERS };

typedef struct builder {
    slk_bytes tokens[400];
    int32_t types[400];
    float scores[400];
    size_t n;
} builder;

static void add(builder *b, const char *text, int32_t type, float score)
{
    b->tokens[b->n] = (slk_bytes){text, strlen(text)};
    b->types[b->n] = type;
    b->scores[b->n++] = score;
}

static slk_tokenizer *create(builder *b, slk_vocab vocab)
{
    slk_tokenizer *tok;
    slk_err err;
    vocab.n_tokens = b->n;
    vocab.tokens = b->tokens;
    vocab.types = b->types;
    vocab.scores = b->scores;
    vocab.eos = vocab.unk = vocab.eot = -1;
    vocab.add_bos = true;
    if (slk_tokenizer_create(&tok, &vocab, "fuzz", &err) != SLK_OK) {
        fprintf(stderr, "%s\n", err.msg);
        abort();
    }
    return tok;
}

static slk_tokenizer *create_bpe(void)
{
    static char spelled[256][8];
    static const char *const merged[] = {"th", "the", "aa", "aaaa", "\xC4\xA0\xC4\xA0", "12", "123"};
    static const char *const merges[] = {"t h", "th e", "a a", "aa aa", "\xC4\xA0 \xC4\xA0", "1 2", "12 3"};
    slk_bytes merge_bytes[sizeof merges / sizeof *merges];
    builder b = {.n = 0};
    uint32_t next = 256;
    for (uint32_t byte = 0; byte < 256; byte++) {
        bool visible = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
        spelled[byte][slk_utf8_encode(spelled[byte], visible ? byte : next++)] = '\0';
        add(&b, spelled[byte], SLK_TOKEN_NORMAL, 0);
    }
    for (size_t i = 0; i < sizeof merges / sizeof *merges; i++) {
        add(&b, merged[i], SLK_TOKEN_NORMAL, 0);
        merge_bytes[i] = (slk_bytes){merges[i], strlen(merges[i])};
    }
    add(&b, "<|end|>", SLK_TOKEN_CONTROL, 0);
    add(&b, "   ", SLK_TOKEN_USER, 0);
    add(&b, "\n\n", SLK_TOKEN_USER, 0);
    return create(&b, (slk_vocab){.kind = SLK_VOCAB_BPE,
                                  .pre = "llama-bpe",
                                  .merges = merge_bytes,
                                  .n_merges = sizeof merges / sizeof *merges,
                                  .bos = (int32_t)b.n - 3});
}

static slk_tokenizer *create_spm(bool prefixed)
{
    static char bytes[256][8];
    static const char *const pieces[] = {"\xE2\x96\x81",
                                         "\xE2\x96\x81\xE2\x96\x81",
                                         "\xE2\x96\x81th",
                                         "th",
                                         "the",
                                         "a",
                                         "aa",
                                         "aaaa",
                                         "t",
                                         "h",
                                         "e",
                                         "\xC3\xA9",
                                         "1",
                                         "12",
                                         "<",
                                         "<0",
                                         "0x"};
    builder b = {.n = 0};
    add(&b, "<unk>", SLK_TOKEN_UNKNOWN, 0);
    add(&b, "<s>", SLK_TOKEN_CONTROL, 0);
    for (unsigned byte = 0; byte < 256; byte++) {
        snprintf(bytes[byte], sizeof bytes[byte], "<0x%02X>", byte);
        add(&b, bytes[byte], SLK_TOKEN_BYTE, 0);
    }
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        add(&b, pieces[i], SLK_TOKEN_NORMAL, -(float)((i * 7) % 5));
    /* With a space before texts, one would come after each user-defined token, too, and stay. */
    if (!prefixed) add(&b, "\n\n\n", SLK_TOKEN_USER, 0);
    return create(&b, (slk_vocab){.kind = SLK_VOCAB_SPM, .bos = 1, .add_space_prefix = prefixed});
}

static bool has_space_mark(const uint8_t *text, size_t n)
{
    for (size_t i = 0; i + 2 < n; i++) {
        if (memcmp(text + i, "\xE2\x96\x81", 3) == 0) return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static slk_tokenizer *toks[N_TOKENIZERS];
    if (toks[0] == NULL) {
        toks[BPE] = create_bpe();
        toks[SPM] = create_spm(false);
        toks[SPM_PREFIXED] = create_spm(true);
    }
    if (size == 0) return 0;
    unsigned which = data[0] % N_TOKENIZERS, flags = data[0] / N_TOKENIZERS % 4;
    const char *text = (const char *)data + 1;
    slk_ids ids = {0};
    slk_buf back;
    slk_err err;
    slk_buf_init(&back);
    if (slk_tokenizer_encode(toks[which], text, size - 1, flags, &ids, &err) != SLK_OK) abort();
    slk_tokenizer_decode(toks[which], ids.ids, ids.n, false, true, &back);
    if ((flags & SLK_ENCODE_SPECIAL) == 0 && (which == BPE || !has_space_mark(data + 1, size - 1))) {
        if (back.len != size - 1 || (back.len > 0 && memcmp(back.data, text, back.len) != 0)) abort();
    }
    slk_buf_release(&back);
    free(ids.ids);
    return 0;
}
