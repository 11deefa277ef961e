#include "know/instruction.h"

#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "know/pattern.h"

struct slk_instruction {
    slk_pattern pattern;
};

static const char builtin[] = "Answer the following question.\n{question}\n";

/* --- templates ---------------------------------------------------------------------------------------------------- */

/* Copy of text with CR LF as LF. NULL: out of memory. */
static char *unify_line_breaks(const char *text, size_t n_bytes, size_t *n_out)
{
    char *out = slk_alloc(n_bytes + 1, 1);
    size_t n = 0;
    for (size_t i = 0; out && i < n_bytes; i++) {
        if (text[i] == '\r' && i + 1 < n_bytes && text[i + 1] == '\n') continue;
        out[n++] = text[i];
    }
    if (out) out[n] = 0;
    *n_out = n;
    return out;
}

static slk_status fill(slk_instruction *ins, const char *text, size_t n_bytes, const char *name, slk_err *err)
{
    slk_status status = slk_pattern_check_text(text, n_bytes, name, err);
    if (status != SLK_OK) return status;
    if (n_bytes >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3)) text += 3, n_bytes -= 3;
    ins->pattern.source = unify_line_breaks(text, n_bytes, &ins->pattern.n_source);
    if (!ins->pattern.source) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", name);
    status = slk_pattern_parse(&ins->pattern, false, name, 1, err);
    if (status == SLK_OK && slk_pattern_count(&ins->pattern, SLK_HOLE_QUESTION) == 0)
        return slk_fail(err, SLK_E_FORMAT, "%s:1: a prompt without {question}, expected it where the question stands",
                        name);
    return status;
}

slk_status slk_instruction_parse(slk_instruction **out, const char *text, size_t n_bytes, const char *name,
                                 slk_err *err)
{
    *out = NULL;
    slk_instruction *ins = slk_alloc_zero(1, sizeof *ins);
    if (!ins) return slk_fail(err, SLK_E_MEMORY, "%s: out of memory", name);
    slk_status status = fill(ins, text, n_bytes, name, err);
    if (status != SLK_OK) {
        slk_instruction_free(ins);
        return status;
    }
    *out = ins;
    return SLK_OK;
}

slk_status slk_instruction_create(slk_instruction **out, slk_err *err)
{
    return slk_instruction_parse(out, builtin, sizeof builtin - 1, "built-in prompt", err);
}

slk_status slk_instruction_open(slk_instruction **out, const char *path, slk_err *err)
{
    char *text;
    size_t n_bytes;
    *out = NULL;
    slk_status status = slk_file_read(&text, &n_bytes, path, err);
    if (status != SLK_OK) return status;
    status = slk_instruction_parse(out, text, n_bytes, path, err);
    free(text);
    return status;
}

void slk_instruction_free(slk_instruction *ins)
{
    if (!ins) return;
    slk_pattern_release(&ins->pattern);
    free(ins);
}

const char *slk_instruction_text(const slk_instruction *ins)
{
    return ins->pattern.source;
}

uint64_t slk_instruction_hash(const slk_instruction *ins)
{
    return slk_hash_more(0, ins->pattern.source, ins->pattern.n_source);
}

void slk_instruction_render(const slk_instruction *ins, slk_buf *buf, const char *question)
{
    slk_pattern_render(&ins->pattern, buf, question, "");
}

/* --- tokens ------------------------------------------------------------------------------------------------------- */

static bool is_blank(const char *text)
{
    size_t begin, end;
    slk_text_trim(text, strlen(text), &begin, &end);
    return begin == end;
}

static slk_status push(slk_ids *ids, int32_t id, slk_err *err)
{
    if (!slk_grow(&ids->ids, &ids->cap, ids->n + 1, sizeof *ids->ids))
        return slk_fail(err, SLK_E_MEMORY, "out of memory");
    ids->ids[ids->n++] = id;
    return SLK_OK;
}

slk_status slk_instruction_encode_prompt(const slk_instruction *ins, const slk_tokenizer *tok, slk_ids *ids,
                                         const char *question, slk_err *err)
{
    slk_buf text;
    slk_buf_init(&text);
    ids->n = 0;
    slk_instruction_render(ins, &text, question);
    slk_status s = text.failed ? slk_fail(err, SLK_E_MEMORY, "out of memory") : SLK_OK;
    if (s == SLK_OK) s = slk_tokenizer_encode(tok, text.data, text.len, SLK_ENCODE_BOS, ids, err);
    slk_buf_release(&text);
    return s;
}

/* The token that ends an answer, or -1: a line break does. */
static int32_t end_token(const slk_tokenizer *tok)
{
    int32_t eos = slk_tokenizer_eos(tok);
    bool there = eos >= 0 && (size_t)eos < slk_tokenizer_n_tokens(tok);
    return there && slk_tokenizer_is_control(tok, eos) ? eos : -1;
}

/* Append the answer and its end. */
static slk_status encode_answer(const slk_tokenizer *tok, slk_ids *ids, const char *answer, slk_err *err)
{
    int32_t end = end_token(tok);
    if (end >= 0) {
        slk_status s = slk_tokenizer_encode(tok, answer, strlen(answer), 0, ids, err);
        return s == SLK_OK ? push(ids, end, err) : s;
    }
    slk_buf text;
    slk_buf_init(&text);
    slk_buf_addf(&text, "%s\n", answer);
    slk_status s = text.failed ? slk_fail(err, SLK_E_MEMORY, "out of memory")
                               : slk_tokenizer_encode(tok, text.data, text.len, 0, ids, err);
    slk_buf_release(&text);
    return s;
}

slk_status slk_instruction_encode(const slk_instruction *ins, const slk_tokenizer *tok, int32_t n_context,
                                  slk_ids *prompt, slk_ids *answer, const char *question, const char *answer_text,
                                  slk_err *err)
{
    prompt->n = answer->n = 0;
    if (is_blank(question)) return slk_fail(err, SLK_E_FORMAT, "the question is empty, expected text");
    if (is_blank(answer_text)) return slk_fail(err, SLK_E_FORMAT, "the answer is empty, expected text");
    slk_status s = slk_instruction_encode_prompt(ins, tok, prompt, question, err);
    if (s == SLK_OK) s = encode_answer(tok, answer, answer_text, err);
    if (s == SLK_OK && prompt->n + answer->n > (size_t)n_context)
        return slk_fail(err, SLK_E_ARG,
                        "prompt and answer have %zu and %zu tokens, expected at most %d together, the model's context",
                        prompt->n, answer->n, n_context);
    return s;
}

slk_status slk_instruction_can_match(bool *out, const slk_tokenizer *tok, const slk_fact *fact, slk_err *err)
{
    slk_ids ids = {0};
    slk_status s = SLK_OK;
    *out = false;
    for (size_t i = 0; i < fact->n_answers + fact->n_aliases && !*out && s == SLK_OK; i++) {
        const char *gold = i < fact->n_answers ? fact->answers[i] : fact->aliases[i - fact->n_answers];
        if (strchr(gold, '\n')) continue;
        ids.n = 0;
        s = encode_answer(tok, &ids, gold, err);
        *out = s == SLK_OK && ids.n <= SLK_ANSWER_MAX_TOKENS;
    }
    free(ids.ids);
    return s;
}
