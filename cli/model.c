#include "model.h"

#include <string.h>
#include "base/file.h"
#include "base/text.h"
#include "format/gguf.h"
#include "model/vocab.h"
#include "token/tokenizer_json.h"

slk_status slk_cli_open_tokenizer(slk_tokenizer **out, const char *path, slk_err *err)
{
    *out = NULL;
    slk_gguf *file;
    if (slk_dir_exists(path)) return slk_tokenizer_open_json(out, path, 0, err);
    slk_status status = slk_gguf_open(&file, path, err);
    if (status) return status;
    status = slk_model_load_tokenizer(out, file, err);
    slk_gguf_close(file);
    return status;
}

slk_status slk_cli_read_text(char **out, size_t *n_bytes, const char *argument, slk_err *err)
{
    if (strcmp(argument, "-") == 0) return slk_file_read(out, n_bytes, "-", err);
    *n_bytes = strlen(argument);
    *out = slk_strdup(argument);
    return *out ? SLK_OK : slk_fail(err, SLK_E_MEMORY, "out of memory");
}

void slk_cli_add_piece(slk_buf *out, const slk_tokenizer *tok, int32_t id)
{
    slk_bytes piece = slk_tokenizer_is_control(tok, id) ? slk_tokenizer_raw(tok, id) : slk_tokenizer_piece(tok, id);
    for (size_t i = 0; i < piece.len;) {
        size_t n = slk_utf8_valid(piece.data + i, piece.len - i);
        slk_buf_add(out, piece.data + i, n);
        i += n;
        if (i < piece.len) slk_buf_addf(out, "<0x%02X>", (unsigned)(unsigned char)piece.data[i++]);
    }
}

void slk_cli_add_quoted(slk_buf *out, const char *text, size_t n_bytes)
{
    slk_buf_add(out, "\"", 1);
    for (size_t i = 0; i < n_bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            slk_buf_addf(out, "\\%c", c);
        else if (c == '\n')
            slk_buf_add_str(out, "\\n");
        else if (c == '\t')
            slk_buf_add_str(out, "\\t");
        else if (c == '\r')
            slk_buf_add_str(out, "\\r");
        else if (c < 0x20 || c == 0x7F)
            slk_buf_addf(out, "\\x%02X", (unsigned)c);
        else
            slk_buf_add(out, &text[i], 1);
    }
    slk_buf_add(out, "\"", 1);
}
