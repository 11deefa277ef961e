/* tokenizer.json and tokenizer_config.json from a vocabulary of a GGUF file. Written as a stream: a vocabulary of
 * 262,144 tokens has half a million merges. Whether every byte arrived is checked once, when the files are committed.
 */
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "token/internal.h"
#include "token/json_impl.h"

typedef struct writing {
    const slk_vocab *vocab;
    slk_tokenizer *tok; /* the vocabulary, checked and with its flags */
    const char *name;
    FILE *out;
    slk_bytes *spelled; /* [n_tokens] as tokenizer.json spells them; data NULL: left out */
    slk_arena strings;
    slk_err *err;
} writing;

static slk_status fail_memory(const writing *w)
{
    return slk_fail(w->err, SLK_E_MEMORY, "%s: out of memory for tokenizer.json", w->name);
}

/* --- JSON --- */

/* The inside of a string: quotes, backslashes and control characters escaped. */
static void print_chars(FILE *out, slk_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c == '"' || c == '\\') {
            putc('\\', out);
            putc(c, out);
        } else if (c < 0x20 || c == 0x7F) {
            fprintf(out, "\\u%04x", c);
        } else {
            putc(c, out);
        }
    }
}

static void print_string(FILE *out, slk_bytes text)
{
    putc('"', out);
    print_chars(out, text);
    putc('"', out);
}

/* --- spellings --- */

static bool is_padding(const slk_tokenizer *tok, int32_t id)
{
    slk_bytes raw = slk_token_raw(tok, id);
    char name[32];
    int n = snprintf(name, sizeof name, "[PAD%d]", (int)id);
    bool silent = (tok->flags[id] & (SLK_TOKEN_F_SILENT | SLK_TOKEN_F_SPECIAL)) == SLK_TOKEN_F_SILENT;
    return raw.len == 0 || (silent && raw.len == (size_t)n && memcmp(raw.data, name, raw.len) == 0);
}

/* A user-defined token of a SentencePiece vocabulary has spaces in GGUF, U+2581 in tokenizer.json, unless another token
 * is spelled so. false: out of memory. */
static bool mark_user_spaces(writing *w, int32_t id)
{
    slk_bytes raw = slk_token_raw(w->tok, id);
    slk_buf marked = {0};
    for (size_t i = 0; i < raw.len; i++) {
        bool space = raw.data[i] == ' ';
        slk_buf_add(&marked, space ? SLK_SPACE_MARK : raw.data + i, space ? SLK_SPACE_MARK_BYTES : 1);
    }
    if (!marked.failed && slk_token_find(w->tok, marked.data, marked.len, 0) < 0) {
        w->spelled[id] = (slk_bytes){slk_arena_strndup(&w->strings, marked.data, marked.len), marked.len};
    }
    bool fits = !marked.failed && w->spelled[id].data != NULL;
    slk_buf_release(&marked);
    return fits;
}

static slk_status spell_tokens(writing *w)
{
    w->spelled = slk_alloc_zero(w->tok->n_tokens, sizeof *w->spelled);
    if (w->spelled == NULL) return fail_memory(w);
    for (size_t i = 0; i < w->tok->n_tokens; i++) {
        int32_t id = (int32_t)i;
        slk_bytes raw = slk_token_raw(w->tok, id);
        if (is_padding(w->tok, id)) continue;
        if (slk_utf8_valid(raw.data, raw.len) != raw.len || memchr(raw.data, 0, raw.len) != NULL) {
            return slk_fail(w->err, SLK_E_FORMAT, "%s: token %zu is no UTF-8 text, so tokenizer.json cannot hold it",
                            w->name, i);
        }
        w->spelled[i] = raw;
        bool has_space = (w->tok->flags[i] & SLK_TOKEN_F_USER) != 0 && memchr(raw.data, ' ', raw.len) != NULL;
        if (w->tok->kind == SLK_VOCAB_SPM && has_space && !mark_user_spaces(w, id)) return fail_memory(w);
    }
    return SLK_OK;
}

static void print_added_tokens(const writing *w)
{
    const char *separator = "\n";
    fputs("  \"added_tokens\": [", w->out);
    for (size_t i = 0; i < w->tok->n_tokens; i++) {
        unsigned flags = w->tok->flags[i];
        if ((flags & (SLK_TOKEN_F_SPECIAL | SLK_TOKEN_F_USER)) == 0 || w->spelled[i].data == NULL) continue;
        fprintf(w->out, "%s    {\"id\": %zu, \"content\": ", separator, i);
        print_string(w->out, w->spelled[i]);
        fprintf(
            w->out,
            ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, \"special\": %s}",
            (flags & SLK_TOKEN_F_SPECIAL) != 0 ? "true" : "false");
        separator = ",\n";
    }
    fputs("\n  ],\n", w->out);
}

/* All tokens, added ones too: so their ids are what the file says, whatever the order in which they are added. */
static void print_vocab(const writing *w)
{
    const char *separator = "\n";
    fputs("    \"vocab\": {", w->out);
    for (size_t i = 0; i < w->tok->n_tokens; i++) {
        if (w->spelled[i].data == NULL) continue;
        fprintf(w->out, "%s      ", separator);
        print_string(w->out, w->spelled[i]);
        fprintf(w->out, ": %zu", i);
        separator = ",\n";
    }
    fputs("\n    },\n", w->out);
}

/* --- merges --- */

static void print_merge(const writing *w, bool is_first, slk_bytes left, slk_bytes right)
{
    fprintf(w->out, "%s      \"", is_first ? "\n" : ",\n");
    print_chars(w->out, left);
    putc(' ', w->out);
    print_chars(w->out, right);
    putc('"', w->out);
}

/* Those that count: the first of equal ones, and none that has to do with control tokens. */
static void print_bpe_merges(const writing *w)
{
    const slk_merge_table *t = &w->tok->merges;
    bool is_first = true;
    for (size_t rank = 0; rank < t->n; rank++) {
        uint32_t order;
        int32_t result;
        bool counts = slk_bpe_find_merge(w->tok, t->left[rank], t->right[rank], &order, &result) && order == rank;
        if (!counts) continue;
        print_merge(w, is_first, slk_token_raw(w->tok, t->left[rank]), slk_token_raw(w->tok, t->right[rank]));
        is_first = false;
    }
}

/* One way to put a token together. */
typedef struct join {
    uint32_t order;
    int32_t id;
    uint32_t left_bytes, left_chars, right_chars;
} join;

static int compare_joins(const void *a, const void *b)
{
    const join *x = a, *y = b;
    if (x->order != y->order) return x->order < y->order ? -1 : 1;
    if (x->left_chars != y->left_chars) return x->left_chars > y->left_chars ? -1 : 1;
    if (x->right_chars != y->right_chars) return x->right_chars > y->right_chars ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Is there a token that is spelled so in tokenizer.json, and that merging can make? */
static bool is_piece(const writing *w, const char *text, size_t n_bytes, slk_buf *plain)
{
    if (slk_token_find(w->tok, text, n_bytes, SLK_TOKEN_F_TEXT) >= 0) return true;
    slk_buf_clear(plain);
    for (size_t at = 0; at < n_bytes;) {
        bool mark =
            n_bytes - at >= SLK_SPACE_MARK_BYTES && memcmp(text + at, SLK_SPACE_MARK, SLK_SPACE_MARK_BYTES) == 0;
        slk_buf_add(plain, mark ? " " : text + at, 1);
        at += mark ? SLK_SPACE_MARK_BYTES : 1;
    }
    return plain->len < n_bytes && slk_token_find(w->tok, plain->data, plain->len, SLK_TOKEN_F_USER) >= 0;
}

static uint32_t n_chars(const char *text, size_t n_bytes)
{
    uint32_t n = 0;
    for (size_t i = 0; i < n_bytes; i++) n += ((unsigned char)text[i] & 0xC0) != 0x80;
    return n;
}

static bool add_joins(const writing *w, int32_t id, join **joins, size_t *n, size_t *cap, slk_buf *plain)
{
    slk_bytes text = w->spelled[id];
    /* User-defined tokens were matched before any merging: they come first. */
    uint32_t order = (w->tok->flags[id] & SLK_TOKEN_F_USER) != 0 ? 0 : w->tok->order[id];
    for (size_t cut = 1; cut < text.len; cut++) {
        if (((unsigned char)text.data[cut] & 0xC0) == 0x80) continue;
        if (!is_piece(w, text.data, cut, plain) || !is_piece(w, text.data + cut, text.len - cut, plain)) continue;
        if (!slk_grow(joins, cap, *n + 1, sizeof **joins)) return false;
        (*joins)[(*n)++] =
            (join){order, id, (uint32_t)cut, n_chars(text.data, cut), n_chars(text.data + cut, text.len - cut)};
    }
    return !plain->failed;
}

static slk_status print_spm_merges(const writing *w)
{
    join *joins = NULL;
    size_t n = 0, cap = 0;
    slk_buf plain = {0};
    bool fits = true;
    for (size_t i = 0; i < w->tok->n_tokens && fits; i++) {
        slk_bytes text = w->spelled[i];
        /* With a space in it no text could ever give it: there spaces are marked. */
        bool possible =
            text.data != NULL && (w->tok->flags[i] & SLK_TOKEN_F_TEXT) != 0 && memchr(text.data, ' ', text.len) == NULL;
        fits = !possible || add_joins(w, (int32_t)i, &joins, &n, &cap, &plain);
    }
    if (fits && n > 1) qsort(joins, n, sizeof *joins, compare_joins);
    for (size_t i = 0; i < n && fits; i++) {
        slk_bytes text = w->spelled[joins[i].id];
        print_merge(w, i == 0, (slk_bytes){text.data, joins[i].left_bytes},
                    (slk_bytes){text.data + joins[i].left_bytes, text.len - joins[i].left_bytes});
    }
    slk_buf_release(&plain);
    free(joins);
    return fits ? SLK_OK : fail_memory(w);
}

/* --- the rest of tokenizer.json --- */

/* How texts become words; regex NULL: SentencePiece. */
static void print_splitting(const writing *w, const char *regex, bool digits_first, bool nfc)
{
    static const char replace[] =
        "{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"" SLK_SPACE_MARK "\"}";
    if (regex == NULL && w->tok->add_space_prefix) {
        fprintf(w->out,
                "  \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Prepend\", \"prepend\": "
                "\"%s\"}, "
                "%s]},\n",
                SLK_SPACE_MARK, replace);
    } else {
        fprintf(w->out, "  \"normalizer\": %s,\n", regex == NULL ? replace : nfc ? "{\"type\": \"NFC\"}" : "null");
    }
    if (regex == NULL) {
        fputs("  \"pre_tokenizer\": null,\n", w->out);
        return;
    }
    fputs("  \"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [\n", w->out);
    if (digits_first) fputs("    {\"type\": \"Digits\", \"individual_digits\": true},\n", w->out);
    fputs("    {\"type\": \"Split\", \"pattern\": {\"Regex\": ", w->out);
    print_string(w->out, (slk_bytes){regex, strlen(regex)});
    fputs(
        "}, \"behavior\": \"Isolated\", \"invert\": false},\n"
        "    {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": false}]},\n",
        w->out);
}

static void print_template_token(const writing *w, int32_t id, int segment)
{
    fputs("{\"SpecialToken\": {\"id\": ", w->out);
    print_string(w->out, slk_token_raw(w->tok, id));
    fprintf(w->out, ", \"type_id\": %d}}", segment);
}

/* One text of a template with what stands around it. */
static void print_template_text(const writing *w, int segment)
{
    if (w->tok->add_bos) {
        print_template_token(w, w->tok->bos, segment);
        fputs(", ", w->out);
    }
    fprintf(w->out, "{\"Sequence\": {\"id\": \"%c\", \"type_id\": %d}}", 'A' + segment, segment);
    if (w->tok->add_eos) {
        fputs(", ", w->out);
        print_template_token(w, w->tok->eos, segment);
    }
}

static void print_template(const writing *w)
{
    fputs("{\"type\": \"TemplateProcessing\",\n    \"single\": [", w->out);
    print_template_text(w, 0);
    fputs("],\n    \"pair\": [", w->out);
    print_template_text(w, 0);
    fputs(", ", w->out);
    print_template_text(w, 1);
    fputs("],\n    \"special_tokens\": {", w->out);
    int32_t ids[2] = {w->tok->add_bos ? w->tok->bos : -1, w->tok->add_eos ? w->tok->eos : -1};
    if (ids[0] == ids[1]) ids[1] = -1;
    for (int i = 0; i < 2; i++) {
        if (ids[i] < 0) continue;
        slk_bytes token = slk_token_raw(w->tok, ids[i]);
        if (i > 0 && ids[0] >= 0) fputs(", ", w->out);
        print_string(w->out, token);
        fputs(": {\"id\": ", w->out);
        print_string(w->out, token);
        fprintf(w->out, ", \"ids\": [%d], \"tokens\": [", (int)ids[i]);
        print_string(w->out, token);
        fputs("]}", w->out);
    }
    fputs("}}", w->out);
}

static void print_around(const writing *w)
{
    bool bpe = w->tok->kind == SLK_VOCAB_BPE, template = w->tok->add_bos || w->tok->add_eos;
    static const char byte_level[] =
        "{\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": false, \"use_regex\": true}";
    fputs("  \"post_processor\": ", w->out);
    if (bpe && template) fprintf(w->out, "{\"type\": \"Sequence\", \"processors\": [%s,\n    ", byte_level);
    if (template) print_template(w);
    if (bpe && template) fputs("]}", w->out);
    if (!template) fputs(bpe ? byte_level : "null", w->out);
    fputs(",\n  \"decoder\": ", w->out);
    if (bpe) {
        fputs(byte_level, w->out);
    } else {
        fprintf(w->out,
                "{\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\", \"pattern\": {\"String\": \"%s\"}, "
                "\"content\": \" \"}, {\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}%s]}",
                SLK_SPACE_MARK,
                w->tok->add_space_prefix ? ", {\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}"
                                         : "");
    }
    fputs(",\n", w->out);
}

static slk_status print_tokenizer(const writing *w)
{
    bool bpe = w->tok->kind == SLK_VOCAB_BPE, digits_first = false;
    const char *pre = w->vocab->pre != NULL ? w->vocab->pre : "default", *regex = NULL;
    if (bpe) {
        regex = slk_pretok_regex(slk_pretok_find(pre, strlen(pre)), &digits_first);
        if (regex == NULL) {
            return slk_fail(w->err, SLK_E_UNSUPPORTED,
                            "%s: pre-tokeniser '%.60s' has no counterpart in tokenizer.json that slick knows", w->name,
                            pre);
        }
    }
    const char *family = "";
    if (bpe && !digits_first) (void)slk_pretok_find_regex(regex, &family);
    fputs("{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n", w->out);
    print_added_tokens(w);
    print_splitting(w, regex, digits_first, strcmp(family, "qwen2") == 0);
    print_around(w);
    fputs("  \"model\": {\n    \"type\": \"BPE\",\n    \"dropout\": null,\n    \"unk_token\": ", w->out);
    if (!bpe && w->vocab->unk >= 0 && w->spelled[w->vocab->unk].data != NULL) {
        print_string(w->out, w->spelled[w->vocab->unk]);
    } else {
        fputs("null", w->out);
    }
    fprintf(w->out,
            ",\n    \"continuing_subword_prefix\": null,\n    \"end_of_word_suffix\": null,\n    \"fuse_unk\": %s,\n"
            "    \"byte_fallback\": %s,\n    \"ignore_merges\": %s,\n",
            bpe ? "false" : "true", bpe ? "false" : "true", bpe && w->tok->whole_words ? "true" : "false");
    print_vocab(w);
    fputs("    \"merges\": [", w->out);
    slk_status status = SLK_OK;
    if (bpe) print_bpe_merges(w);
    if (!bpe) status = print_spm_merges(w);
    fputs("\n    ]\n  }\n}\n", w->out);
    return status;
}

/* --- tokenizer_config.json --- */

static void print_config(const writing *w)
{
    const struct {
        const char *key;
        int32_t id;
    } tokens[] = {{"bos_token", w->tok->bos}, {"eos_token", w->tok->eos}, {"unk_token", w->vocab->unk}};
    fprintf(w->out, "{\n  \"add_bos_token\": %s,\n  \"add_eos_token\": %s,\n", w->tok->add_bos ? "true" : "false",
            w->tok->add_eos ? "true" : "false");
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        fprintf(w->out, "  \"%s\": ", tokens[i].key);
        bool there = tokens[i].id >= 0 && w->spelled[tokens[i].id].data != NULL;
        if (there) print_string(w->out, w->spelled[tokens[i].id]);
        fputs(there ? ",\n" : "null,\n", w->out);
    }
    fputs("  \"clean_up_tokenization_spaces\": false,\n  \"tokenizer_class\": \"PreTrainedTokenizerFast\"\n}\n",
          w->out);
}

static slk_status open_in(slk_out **out, const char *dir, const char *file, bool overwrite, slk_err *err)
{
    slk_buf path = {0};
    *out = NULL;
    slk_buf_addf(&path, "%s/%s", dir, file);
    slk_status status = path.failed ? slk_fail(err, SLK_E_MEMORY, "%s: out of memory", dir)
                                    : slk_out_open(out, path.data, overwrite, err);
    slk_buf_release(&path);
    return status;
}

slk_status slk_vocab_write_json(const char *dir, const slk_vocab *vocab, const char *name, bool overwrite, slk_err *err)
{
    writing w = {.vocab = vocab, .name = name, .err = err};
    slk_out *json = NULL, *config = NULL;
    if (vocab->rules != NULL || vocab->pairs != NULL) {
        return slk_fail(err, SLK_E_UNSUPPORTED,
                        "%s: this vocabulary comes from a tokenizer.json, which is to be copied", name);
    }
    slk_status status = slk_tokenizer_create(&w.tok, vocab, name, err);
    if (status == SLK_OK) status = spell_tokens(&w);
    if (status == SLK_OK) status = open_in(&json, dir, "tokenizer.json", overwrite, err);
    if (status == SLK_OK) status = open_in(&config, dir, "tokenizer_config.json", overwrite, err);
    if (status == SLK_OK) {
        w.out = slk_out_stream(json);
        status = print_tokenizer(&w);
    }
    if (status == SLK_OK) {
        w.out = slk_out_stream(config);
        print_config(&w);
        status = slk_out_commit(json, err);
    }
    if (status == SLK_OK) status = slk_out_commit(config, err);
    slk_out_close(json);
    slk_out_close(config);
    slk_tokenizer_free(w.tok);
    slk_arena_release(&w.strings);
    free(w.spelled);
    return status;
}
