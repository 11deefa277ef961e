#include "table.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "terminal.h"

static const char RULE = '\1';

static void add_cell(slk_table *t, char *text)
{
    /* U+0080..U+009F can only be reached through the lead byte 0xC2. */
    for (char *p = text; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7F) *p = '?';
        if ((unsigned char)p[0] == 0xC2 && (unsigned char)p[1] >= 0x80 && (unsigned char)p[1] < 0xA0) p[0] = p[1] = '?';
    }
    size_t len = strlen(text), width = slk_text_width(text, len), column = t->n_cells % t->n_columns;
    if (width > t->width[column]) t->width[column] = width;
    slk_buf_add(&t->text, text, len + 1);
    t->n_cells++;
}

void slk_table_init(slk_table *t, const char *align, const char *const *heads)
{
    memset(t, 0, sizeof *t);
    t->align = align;
    t->n_columns = strlen(align);
    assert(t->n_columns > 0 && t->n_columns <= SLK_TABLE_MAX_COLUMNS);
    for (size_t i = 0; i < t->n_columns; i++) slk_table_cell(t, "%s", heads[i]);
}

void slk_table_release(slk_table *t)
{
    slk_buf_release(&t->text);
}

void slk_table_cell(slk_table *t, const char *fmt, ...)
{
    char small[128]; /* nearly always enough */
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    char *large = n >= (int)sizeof small ? malloc((size_t)n + 1) : NULL;
    if (large) vsnprintf(large, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(ap);
    if (n < 0 || (n >= (int)sizeof small && !large))
        t->text.failed = true;
    else
        add_cell(t, large ? large : small);
    free(large);
}

void slk_table_rule(slk_table *t)
{
    slk_buf_add(&t->text, &RULE, 1);
    t->n_rules++;
}

static void print_rule(const slk_table *t, FILE *stream)
{
    for (size_t c = 0; c < t->n_columns && t->width[c] > 0; c++) {
        if (c > 0) fputs("  ", stream);
        for (size_t i = 0; i < t->width[c]; i++) fputc('-', stream);
    }
    fputc('\n', stream);
}

static const char *print_row(const slk_table *t, const char *text, FILE *stream)
{
    size_t n_spaces = 0; /* not yet written: a line does not end in them */
    for (size_t c = 0; c < t->n_columns; c++) {
        size_t len = strlen(text), pad = t->width[c] - slk_text_width(text, len);
        if (t->align[c] == 'r') n_spaces += pad;
        if (len > 0) {
            fprintf(stream, "%*s", (int)n_spaces, "");
            fwrite(text, 1, len, stream);
            n_spaces = 0;
        }
        if (t->align[c] == 'l') n_spaces += pad;
        n_spaces += 2;
        text += len + 1;
    }
    fputc('\n', stream);
    return text;
}

slk_status slk_table_print(slk_table *t, FILE *stream, slk_err *err)
{
    if (t->text.failed) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    assert(t->n_cells % t->n_columns == 0);
    bool bold = slk_terminal_has_colour(stream);
    const char *text = t->text.data, *end = text + t->text.len;
    if (bold) fputs("\033[1m", stream);
    text = print_row(t, text, stream);
    if (bold) fputs("\033[0m", stream);
    while (text < end && !ferror(stream)) {
        if (*text == RULE) {
            print_rule(t, stream);
            text++;
            continue;
        }
        text = print_row(t, text, stream);
    }
    if (ferror(stream)) return slk_fail(err, SLK_E_IO, "output: %s", strerror(errno));
    return SLK_OK;
}

void slk_csv_field(FILE *stream, const char *text, char next)
{
    if (!text) text = "";
    size_t len = strlen(text);
    bool quote = len > 0 && (strpbrk(text, ",\"\r\n") || text[0] == ' ' || text[len - 1] == ' ');
    if (!quote) {
        fwrite(text, 1, len, stream);
    } else {
        fputc('"', stream);
        for (const char *p = text; *p; p++) {
            if (*p == '"') fputc('"', stream);
            fputc(*p, stream);
        }
        fputc('"', stream);
    }
    fputc(next, stream);
}
