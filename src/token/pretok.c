#include "token/pretok.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"

/* Character sets, to be put between brackets. White space is the White_Space property: PCRE2's \s under UCP has U+180E
 * too, which Unicode took out of it in 6.3. PCRE2 10.42 knows Unicode 14 and vocabularies are used with 15.1, so what
 * was added since then is listed. */
#define S "\\x09-\\x0D\\x20\\x85\\xA0\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}"
#define L                                                                                                              \
    "\\p{L}\\x{1123F}\\x{11240}\\x{11F02}\\x{11F04}-\\x{11F10}\\x{11F12}-\\x{11F33}\\x{1342F}\\x{13441}-\\x{13446}"    \
    "\\x{1B132}\\x{1B155}\\x{1DF25}-\\x{1DF2A}\\x{1E030}-\\x{1E06D}\\x{1E4D0}-\\x{1E4EB}\\x{2B739}"                    \
    "\\x{2EBF0}-\\x{2EE5D}\\x{31350}-\\x{323AF}"
#define N "\\p{N}\\x{11F50}-\\x{11F59}\\x{1D2C0}-\\x{1D2D3}\\x{1E4F0}-\\x{1E4F9}"
#define P "\\p{P}\\x{11B00}-\\x{11B09}\\x{11F43}-\\x{11F4F}"

/* The patterns. Possessive wherever giving characters back could not lead to another match, so that long runs cost
 * linear time. */
#define SPACES_BEFORE_WORD "[" S "]+(?![^" S "])|[" S "]+"
#define GPT2               "'(?:[stmd]|re|ve|ll)| ?[" L "]++| ?[" N "]++| ?[^" S L N "]++|" SPACES_BEFORE_WORD
#define LLAMA3_WITH(s, digits)                                                                                         \
    "'(?:[" s "tTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])|[^\\r\\n" L N "]?+[" L "]++|" digits "| ?[^" S L N "]++[\\r\\n]*+|" \
    "[" S "]*[\\r\\n]+|" SPACES_BEFORE_WORD
#define LLAMA3(digits) LLAMA3_WITH("sS", digits)

static const slk_pretok_info GPT2_INFO = {.patterns = {GPT2}};
static const slk_pretok_info SMOLLM_INFO = {.patterns = {"[" N "]", GPT2}};
static const slk_pretok_info LLAMA3_INFO = {
    .patterns = {LLAMA3("[" N "]{1,3}+")}, .whole_words = true, .add_bos = true};
static const slk_pretok_info QWEN2_INFO = {.patterns = {LLAMA3("[" N "]")}};
static const slk_pretok_info DEFAULT_INFO = {.patterns = {"[" P "$+<=>^~|]+", GPT2, "[" N "]+", "[0-9][0-9][0-9]"}};

/* Names that llama.cpp treats alike share an entry. */
static const struct {
    const char *name;
    const slk_pretok_info *info;
} FAMILIES[] = {
    {"default", &DEFAULT_INFO},  {"gpt-2", &GPT2_INFO},       {"phi-2", &GPT2_INFO},
    {"mpt", &GPT2_INFO},         {"olmo", &GPT2_INFO},        {"smollm", &SMOLLM_INFO},
    {"starcoder", &SMOLLM_INFO}, {"refact", &SMOLLM_INFO},    {"command-r", &SMOLLM_INFO},
    {"codeshell", &SMOLLM_INFO}, {"llama-bpe", &LLAMA3_INFO}, {"llama3", &LLAMA3_INFO},
    {"llama-v3", &LLAMA3_INFO},  {"qwen2", &QWEN2_INFO},      {"deepseek-r1-qwen", &QWEN2_INFO},
    {"stablelm2", &QWEN2_INFO},
};

#define REGEX_LLAMA3(digits)                                                                                           \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits                                               \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/* Without regard to case an s is a long s, too: Hugging Face cuts there, llama.cpp does not. */
#define S_OF_ANY_CASE "sS\\x{17F}"

static const struct {
    const char *regex, *pattern, *family;
} REGEXES[] = {
    {SLK_PRETOK_REGEX_GPT2, GPT2, "gpt-2"},
    {REGEX_LLAMA3("\\p{N}{1,3}"), LLAMA3_WITH(S_OF_ANY_CASE, "[" N "]{1,3}+"), "llama-bpe"},
    {REGEX_LLAMA3("\\p{N}"), LLAMA3_WITH(S_OF_ANY_CASE, "[" N "]"), "qwen2"},
};

struct slk_pretok {
    pcre2_code *codes[SLK_PRETOK_MAX_PATTERNS];
    size_t n_codes;
};

/* One call of split(). */
typedef struct splitting {
    const slk_pretok *pretok;
    pcre2_match_data *match;
    slk_pretok_emit *emit;
    void *user;
    slk_err *err;
} splitting;

const slk_pretok_info *slk_pretok_find(const char *name, size_t n_bytes)
{
    for (size_t i = 0; i < sizeof FAMILIES / sizeof *FAMILIES; i++) {
        if (strlen(FAMILIES[i].name) == n_bytes && memcmp(FAMILIES[i].name, name, n_bytes) == 0)
            return FAMILIES[i].info;
    }
    return NULL;
}

const char *slk_pretok_find_regex(const char *regex, const char **family)
{
    for (size_t i = 0; i < sizeof REGEXES / sizeof *REGEXES; i++) {
        if (strcmp(REGEXES[i].regex, regex) != 0) continue;
        *family = REGEXES[i].family;
        return REGEXES[i].pattern;
    }
    return NULL;
}

const char *slk_pretok_regex(const slk_pretok_info *info, bool *digits_first)
{
    *digits_first = info == &SMOLLM_INFO;
    if (info == &GPT2_INFO || info == &SMOLLM_INFO) return REGEXES[0].regex;
    if (info == &LLAMA3_INFO) return REGEXES[1].regex;
    return info == &QWEN2_INFO ? REGEXES[2].regex : NULL;
}

const char *slk_pretok_digit(void)
{
    return "[" N "]";
}

const char *slk_pretok_digits(void)
{
    return "[" N "]++";
}

slk_status slk_pretok_create(slk_pretok **out, const slk_pretok_info *info, slk_err *err)
{
    *out = NULL;
    slk_pretok *pretok = slk_alloc_zero(1, sizeof *pretok);
    if (pretok == NULL) return slk_fail(err, SLK_E_MEMORY, "out of memory for the pre-tokeniser");
    for (size_t i = 0; i < SLK_PRETOK_MAX_PATTERNS && info->patterns[i] != NULL; i++) {
        int code;
        PCRE2_SIZE offset;
        pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)info->patterns[i], PCRE2_ZERO_TERMINATED,
                                             PCRE2_UTF | PCRE2_UCP, &code, &offset, NULL);
        if (compiled == NULL) {
            slk_pretok_free(pretok);
            return slk_fail(err, SLK_E_MEMORY, "pre-tokeniser pattern %zu does not compile: PCRE2 error %d at %zu", i,
                            code, (size_t)offset);
        }
        /* Where the system forbids executable memory the interpreter does the same, slower. */
        (void)pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);
        pretok->codes[pretok->n_codes++] = compiled;
    }
    *out = pretok;
    return SLK_OK;
}

void slk_pretok_free(slk_pretok *pretok)
{
    if (pretok == NULL) return;
    for (size_t i = 0; i < pretok->n_codes; i++) pcre2_code_free(pretok->codes[i]);
    free(pretok);
}

/* Patterns from `stage` on, over valid UTF-8. The part is PCRE2's whole subject: look-ahead must not see beyond it. */
static slk_status split_part(const splitting *s, size_t stage, const char *text, size_t n_bytes)
{
    if (n_bytes == 0) return SLK_OK;
    if (stage >= s->pretok->n_codes || stage >= sizeof s->pretok->codes / sizeof s->pretok->codes[0])
        return s->emit(s->user, text, n_bytes, s->err);
    size_t at = 0;
    while (at < n_bytes) {
        int rc =
            pcre2_match(s->pretok->codes[stage], (PCRE2_SPTR)text, n_bytes, at, PCRE2_NO_UTF_CHECK, s->match, NULL);
        size_t begin = n_bytes, end = n_bytes;
        if (rc >= 0) {
            const PCRE2_SIZE *range = pcre2_get_ovector_pointer(s->match);
            begin = range[0];
            end = range[1];
        } else if (rc != PCRE2_ERROR_NOMATCH) {
            return slk_fail(s->err, SLK_E_MEMORY, "pre-tokeniser: PCRE2 error %d in a text of %zu bytes", rc, n_bytes);
        }
        slk_status status = split_part(s, stage + 1, text + at, begin - at);
        if (status == SLK_OK) status = split_part(s, stage + 1, text + begin, end - begin);
        if (status != SLK_OK) return status;
        at = end;
    }
    return SLK_OK;
}

slk_status slk_pretok_split(const slk_pretok *pretok, const char *text, size_t n_bytes, slk_pretok_emit *emit,
                            void *user, slk_err *err)
{
    splitting s = {pretok, pcre2_match_data_create(1, NULL), emit, user, err};
    if (s.match == NULL) return slk_fail(err, SLK_E_MEMORY, "out of memory for the pre-tokeniser");
    slk_status status = SLK_OK;
    for (size_t at = 0; at < n_bytes && status == SLK_OK;) {
        size_t n_valid = slk_utf8_valid(text + at, n_bytes - at);
        if (n_valid > 0) {
            status = split_part(&s, 0, text + at, n_valid);
            at += n_valid;
        } else {
            status = emit(user, text + at, 1, err);
            at++;
        }
    }
    pcre2_match_data_free(s.match);
    return status;
}
