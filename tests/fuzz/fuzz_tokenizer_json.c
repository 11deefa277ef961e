/* Any bytes as a tokenizer.json, in both forms. What opens must encode and decode without harm; what does not is an
 * error of one line that names the file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "fuzz.h"
#include "token/tokenizer_json.h"

#define N_ROWS 400

/* A file without a name, over and over. */
static const char *write_file(const uint8_t *data, size_t n_bytes)
{
    static char path[64];
    static FILE *file;
    if (file == NULL) {
        file = tmpfile();
        if (file == NULL) abort();
        snprintf(path, sizeof path, "/proc/self/fd/%d", fileno(file));
    }
    rewind(file);
    if (ftruncate(fileno(file), 0) != 0 || fwrite(data, 1, n_bytes, file) != n_bytes || fflush(file) != 0) abort();
    return path;
}

static void check_error(const slk_err *err, const char *path)
{
    if (strncmp(err->msg, path, strlen(path)) != 0 || strchr(err->msg, '\n') != NULL) abort();
}

static void try_texts(const slk_tokenizer *tok)
{
    static const char text[] =
        "The  capital of\tFrance 123's \xE2\x96\x81\n\n<s>a</s><|im_end|>u\xCC\x88\xFF\0\xE1\x86\xA7";
    for (unsigned flags = 0; flags < 4; flags++) {
        slk_ids ids = {0};
        slk_buf back = {0};
        if (slk_tokenizer_encode(tok, text, sizeof text - 1, flags, &ids, NULL) == SLK_OK)
            slk_tokenizer_decode(tok, ids.ids, ids.n, flags % 2 != 0, flags / 2 != 0, &back);
        for (size_t i = 0; i < ids.n; i++) {
            if (ids.ids[i] < 0 || (size_t)ids.ids[i] >= slk_tokenizer_n_tokens(tok)) abort();
        }
        slk_buf_release(&back);
        free(ids.ids);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = write_file(data, size);
    for (int form = SLK_VOCAB_AS_HF; form <= SLK_VOCAB_AS_GGUF; form++) {
        slk_json_vocab *vocab;
        slk_tokenizer *tok;
        slk_err err = {0};
        if (slk_json_vocab_open(&vocab, path, size % 2 == 0 ? N_ROWS : 0, (slk_vocab_form)form, &err) != SLK_OK) {
            if (vocab != NULL) abort();
            check_error(&err, path);
            continue;
        }
        if (slk_tokenizer_create(&tok, slk_json_vocab_get(vocab), path, &err) == SLK_OK) {
            try_texts(tok);
        } else {
            check_error(&err, path);
        }
        slk_tokenizer_free(tok);
        slk_json_vocab_close(vocab);
    }
    return 0;
}
