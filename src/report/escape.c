#include "report/escape.h"

#include <string.h>
#include "base/text.h"

/* The next character of *text (its bytes at *at, *n of them); false at the end. What is no character, or a control
 * character but for \t and \n, comes as U+FFFD. */
static bool next(uint32_t *code, const char **at, size_t *n, const char **text)
{
    static const char replacement[] = "\xEF\xBF\xBD";
    size_t left = strnlen(*text, 4);
    if (left == 0) return false;
    int used = slk_utf8_decode(code, *text, left);
    *at = *text;
    *n = used > 0 ? (size_t)used : 1;
    *text += *n;
    bool bad = used <= 0 || (*code < 0x20 && *code != '\t' && *code != '\n') || (*code >= 0x7F && *code < 0xA0) ||
               *code == 0xFFFE || *code == 0xFFFF;
    if (bad) {
        *code = 0xFFFD;
        *at = replacement;
        *n = 3;
    }
    return true;
}

void slk_escape_xml(slk_buf *b, const char *text)
{
    uint32_t code;
    const char *at;
    size_t n;
    while (next(&code, &at, &n, &text)) {
        switch (code) {
        case '&':
            slk_buf_add_str(b, "&amp;");
            break;
        case '<':
            slk_buf_add_str(b, "&lt;");
            break;
        case '>':
            slk_buf_add_str(b, "&gt;");
            break;
        case '"':
            slk_buf_add_str(b, "&quot;");
            break;
        case '\'':
            slk_buf_add_str(b, "&#39;");
            break;
        default:
            slk_buf_add(b, at, n);
        }
    }
}

void slk_escape_csv(slk_buf *b, const char *text)
{
    const char *first = text + strspn(text, " \t\r\n");
    uint32_t code;
    const char *at;
    size_t n;
    slk_buf_add_str(b, "\"");
    /* The full-width forms are taken for formulas, too, by spreadsheets set to East Asian languages. */
    bool wide = !strncmp(first, "\xEF\xBC\x9D", 3) || !strncmp(first, "\xEF\xBC\x8B", 3) ||
                !strncmp(first, "\xEF\xBC\x8D", 3) || !strncmp(first, "\xEF\xBC\xA0", 3);
    if ((*first && strchr("=+-@", *first)) || wide) slk_buf_add_str(b, "'");
    while (next(&code, &at, &n, &text)) {
        if (code == '"')
            slk_buf_add_str(b, "\"\"");
        else if (code == '\t' || code == '\n' || code == 0x2028 || code == 0x2029)
            slk_buf_add_str(b, " ");
        else
            slk_buf_add(b, at, n);
    }
    slk_buf_add_str(b, "\"");
}

void slk_escape_markdown(slk_buf *b, const char *text)
{
    uint32_t code;
    const char *at;
    size_t n;
    while (next(&code, &at, &n, &text)) {
        if (code == '<')
            slk_buf_add_str(b, "&lt;");
        else if (code == '>')
            slk_buf_add_str(b, "&gt;");
        else if (code == '&')
            slk_buf_add_str(b, "&amp;");
        else if (code == '\t' || code == '\n')
            slk_buf_add_str(b, " ");
        else if (code < 0x80 && strchr("\\`*_{}[]()#+-.!|~$:@", (int)code))
            slk_buf_addf(b, "\\%c", (int)code);
        else
            slk_buf_add(b, at, n);
    }
}

void slk_escape_json(slk_buf *b, const char *text)
{
    uint32_t code;
    const char *at;
    size_t n;
    slk_buf_add_str(b, "\"");
    while (next(&code, &at, &n, &text)) {
        if (code == '"' || code == '\\')
            slk_buf_addf(b, "\\%c", (int)code);
        else if (code < 0x20 || code == '<' || code == '>' || code == '&' || code == 0x2028 || code == 0x2029)
            slk_buf_addf(b, "\\u%04x", (unsigned)code);
        else
            slk_buf_add(b, at, n);
    }
    slk_buf_add_str(b, "\"");
}
