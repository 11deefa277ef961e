/* The fine-tuning prompt: the built-in one, template files and their errors, and the token ids of training examples
 * over hand-made vocabularies of bytes. Real models are compared in tests/slow/smollm2.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/text.h"
#include "know/instruction.h"

/* --- templates ---------------------------------------------------------------------------------------------------- */

static slk_instruction *parse(const char *text)
{
    slk_instruction *ins;
    slk_err err = {0};
    if (slk_instruction_parse(&ins, text, strlen(text), "t.txt", &err) != SLK_OK) fail_msg("%s", err.msg);
    return ins;
}

static void assert_renders(const slk_instruction *ins, const char *expected)
{
    slk_buf buf;
    slk_buf_init(&buf);
    slk_instruction_render(ins, &buf, "Who? {question}");
    assert_string_equal(buf.data, expected);
    slk_buf_release(&buf);
}

static void test_templates(void **state)
{
    (void)state;
    slk_instruction *builtin, *file;
    assert_int_equal(slk_instruction_create(&builtin, NULL), SLK_OK);
    assert_renders(builtin, "Answer the following question.\nWho? {question}\n");
    /* a file of it, as Windows writes it, is the same */
    file = parse("\xEF\xBB\xBF"
                 "Answer the following question.\r\n{question}\r\n");
    assert_renders(file, "Answer the following question.\nWho? {question}\n");
    assert_string_equal(slk_instruction_text(file), "Answer the following question.\n{question}\n");
    assert_true(slk_instruction_hash(builtin) == slk_instruction_hash(file));
    slk_instruction_free(file);
    /* every byte counts, the last line break and comments too */
    file = parse("Answer the following question.\n{question}");
    assert_renders(file, "Answer the following question.\nWho? {question}");
    assert_true(slk_instruction_hash(builtin) != slk_instruction_hash(file));
    slk_instruction_free(file);
    file = parse("# {{{question}}} \r\n\n{question}{question}\r=");
    assert_renders(file, "# {Who? {question}} \n\nWho? {question}Who? {question}\r=");
    slk_instruction_free(file);
    slk_instruction_free(builtin);
    slk_instruction_free(NULL);
}

static void test_template_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "t.txt:1: a prompt without {question}, expected it where the question stands"},
        {"Answer: {{question}}\n", "t.txt:1: a prompt without {question}, expected it where the question stands"},
        {"{question}\n\n{question\n", "t.txt:3: stray '{', expected {question}, {{ or }}"},
        {"{question}\n}", "t.txt:2: stray '}', expected {question}, {{ or }}"},
        {"{Question}\n", "t.txt:1: stray '{', expected {question}, {{ or }}"},
        {"Q: {question}\nA: {answer}\n",
         "t.txt:2: {answer} in the prompt, expected {question} only: the answer follows the prompt"},
        {"{question}\n\n\xFF\n", "t.txt:3: byte 0xFF is no UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        slk_instruction *ins = (slk_instruction *)cases;
        slk_err err = {0};
        assert_int_equal(slk_instruction_parse(&ins, cases[i].text, strlen(cases[i].text), "t.txt", &err),
                         SLK_E_FORMAT);
        assert_null(ins);
        assert_string_equal(err.msg, cases[i].message);
    }
    slk_instruction *ins;
    slk_err err;
    assert_int_equal(slk_instruction_parse(&ins, "{question}\n\0", 12, "t.txt", &err), SLK_E_FORMAT);
    assert_string_equal(err.msg, "t.txt:2: a NUL byte, expected text");
}

static void test_template_files(void **state)
{
    (void)state;
    char path[] = "/tmp/slick-instruction-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    static const char text[] = "Q: {question}\nA:\n";
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    slk_instruction *ins;
    slk_err err;
    assert_int_equal(slk_instruction_open(&ins, path, &err), SLK_OK);
    assert_renders(ins, "Q: Who? {question}\nA:\n");
    slk_instruction_free(ins);
    unlink(path);
    assert_int_equal(slk_instruction_open(&ins, path, &err), SLK_E_IO);
    assert_null(ins);
}

/* --- tokens ------------------------------------------------------------------------------------------------------- */

/* A byte-level vocabulary: ids 0-255 are the bytes in order, then the control tokens. */
enum { BOS = 256, EOS = 257, VISIBLE_EOS = 258, N_TOKENS = 259 };

static slk_tokenizer *new_tokenizer(int32_t eos, bool add_bos, bool add_eos)
{
    char spelled[256][8];
    slk_bytes tokens[N_TOKENS] = {[BOS] = {"<s>", 3}, [EOS] = {"</s>", 4}, [VISIBLE_EOS] = {"END", 3}};
    int32_t types[N_TOKENS] = {[BOS] = SLK_TOKEN_CONTROL, [EOS] = SLK_TOKEN_CONTROL, [VISIBLE_EOS] = SLK_TOKEN_NORMAL};
    uint32_t next = 256;
    for (uint32_t byte = 0; byte < 256; byte++) {
        bool visible = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
        int n = slk_utf8_encode(spelled[byte], visible ? byte : next++);
        tokens[byte] = (slk_bytes){spelled[byte], (size_t)n};
        types[byte] = SLK_TOKEN_NORMAL;
    }
    slk_vocab v = {.kind = SLK_VOCAB_BPE,
                   .pre = "gpt-2",
                   .n_tokens = N_TOKENS,
                   .tokens = tokens,
                   .types = types,
                   .bos = BOS,
                   .eos = eos,
                   .unk = -1,
                   .eot = -1,
                   .add_bos = add_bos,
                   .add_eos = add_eos};
    slk_tokenizer *tok;
    slk_err err;
    if (slk_tokenizer_create(&tok, &v, "test", &err) != SLK_OK) fail_msg("%s", err.msg);
    return tok;
}

/* ids are these bytes, behind `before` and before `behind` (-1: nothing). */
static void assert_ids(const slk_ids *ids, int32_t before, const char *text, int32_t behind)
{
    size_t n = strlen(text), i = 0;
    assert_int_equal(ids->n, n + (before >= 0) + (behind >= 0));
    if (before >= 0) assert_int_equal(ids->ids[i++], before);
    for (size_t k = 0; k < n; k++) assert_int_equal(ids->ids[i++], (unsigned char)text[k]);
    if (behind >= 0) assert_int_equal(ids->ids[i], behind);
}

static void encode(const slk_tokenizer *tok, slk_ids *prompt, slk_ids *answer, const char *question, const char *text)
{
    slk_instruction *ins;
    slk_err err;
    assert_int_equal(slk_instruction_create(&ins, NULL), SLK_OK);
    if (slk_instruction_encode(ins, tok, 1000, prompt, answer, question, text, &err) != SLK_OK) fail_msg("%s", err.msg);
    slk_instruction_free(ins);
}

#define PROMPT "Answer the following question.\nWho </s>?\n"

static void test_tokens(void **state)
{
    (void)state;
    slk_ids prompt = {0}, answer = {0};
    slk_tokenizer *tok = new_tokenizer(EOS, false, false);
    encode(tok, &prompt, &answer, "Who </s>?", "Me");
    assert_ids(&prompt, -1, PROMPT, -1);
    assert_ids(&answer, -1, "Me", EOS);
    /* lists are replaced; text is never parsed for control tokens; a line break is trained on as it stands */
    encode(tok, &prompt, &answer, "Who </s>?", "</s>\nyou");
    assert_ids(&prompt, -1, PROMPT, -1);
    assert_ids(&answer, -1, "</s>\nyou", EOS);
    slk_tokenizer_free(tok);

    tok = new_tokenizer(EOS, true, false);
    encode(tok, &prompt, &answer, "Who </s>?", "Me");
    assert_ids(&prompt, BOS, PROMPT, -1);
    assert_ids(&answer, -1, "Me", EOS);
    slk_tokenizer_free(tok);

    /* a vocabulary that ends texts by itself: once, and not between prompt and answer */
    tok = new_tokenizer(EOS, true, true);
    encode(tok, &prompt, &answer, "Who </s>?", "Me");
    assert_ids(&prompt, BOS, PROMPT, -1);
    assert_ids(&answer, -1, "Me", EOS);
    slk_tokenizer_free(tok);

    /* no end-of-text token, or one that would add its text */
    const int32_t without[] = {-1, VISIBLE_EOS};
    for (int i = 0; i < 2; i++) {
        tok = new_tokenizer(without[i], false, false);
        encode(tok, &prompt, &answer, "Who </s>?", "Me");
        assert_ids(&prompt, -1, PROMPT, -1);
        assert_ids(&answer, -1, "Me\n", -1);
        slk_tokenizer_free(tok);
    }
    free(prompt.ids);
    free(answer.ids);
}

static void test_token_errors(void **state)
{
    (void)state;
    slk_ids prompt = {0}, answer = {0};
    slk_instruction *ins;
    slk_tokenizer *tok = new_tokenizer(EOS, false, false);
    slk_err err;
    assert_int_equal(slk_instruction_create(&ins, NULL), SLK_OK);
    assert_int_equal(slk_instruction_encode(ins, tok, 100, &prompt, &answer, "Who?", " \t", &err), SLK_E_FORMAT);
    assert_string_equal(err.msg, "the answer is empty, expected text");
    assert_int_equal(slk_instruction_encode(ins, tok, 100, &prompt, &answer, "", "Me", &err), SLK_E_FORMAT);
    assert_string_equal(err.msg, "the question is empty, expected text");
    /* 31 + 5 tokens, and 2 + 1 */
    assert_int_equal(slk_instruction_encode(ins, tok, 39, &prompt, &answer, "Who?", "Me", &err), SLK_OK);
    assert_int_equal(slk_instruction_encode(ins, tok, 38, &prompt, &answer, "Who?", "Me", &err), SLK_E_ARG);
    assert_string_equal(err.msg, "prompt and answer have 36 and 3 tokens, expected at most 38 together, the model's "
                                 "context");
    slk_instruction_free(ins);
    slk_tokenizer_free(tok);
    free(prompt.ids);
    free(answer.ids);
}

static bool can_match(const slk_tokenizer *tok, const char *answer, const char *alias)
{
    char *answers[] = {(char *)(uintptr_t)answer}, *aliases[] = {(char *)(uintptr_t)alias};
    slk_fact fact = {.answers = answers, .n_answers = 1, .aliases = aliases, .n_aliases = alias != NULL};
    bool out;
    assert_int_equal(slk_instruction_can_match(&out, tok, &fact, NULL), SLK_OK);
    return out;
}

static void test_can_match(void **state)
{
    (void)state;
    slk_tokenizer *tok = new_tokenizer(EOS, false, false);
    const char *long_text = "0123456789012345678901234567890"; /* 31 tokens and the end */
    assert_true(can_match(tok, "Paris", NULL));
    assert_false(can_match(tok, "Par\nis", NULL));
    assert_true(can_match(tok, "Par\nis", "Paris"));
    assert_true(can_match(tok, long_text, NULL));
    assert_false(can_match(tok, "01234567890123456789012345678901", NULL));
    slk_tokenizer_free(tok);
    tok = new_tokenizer(-1, false, false);
    assert_true(can_match(tok, long_text, NULL));
    assert_false(can_match(tok, "01234567890123456789012345678901", "a\nb"));
    slk_tokenizer_free(tok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_templates), cmocka_unit_test(test_template_errors), cmocka_unit_test(test_template_files),
        cmocka_unit_test(test_tokens),    cmocka_unit_test(test_token_errors),    cmocka_unit_test(test_can_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
