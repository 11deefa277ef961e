/* Help screens, made of the command and option tables. */
#include "command.h"

#include <string.h>
#include "terminal.h"

enum { INDENT = 2, MAX_OPTION_COLUMN = 34 };

static int help_width(FILE *stream)
{
    int width = slk_terminal_width(stream, 80);
    return width > 110 ? 110 : width < 40 ? 40 : width;
}

/* A space at which no line ends. */
#define GLUE '\v'

/* Print text, which may have line breaks, in lines of at most `width` columns that begin at column `indent`; the cursor
 * stands at `column`. */
static void print_wrapped(FILE *stream, const char *text, int column, int indent, int width)
{
    bool first = true; /* of its line: no space before it */
    while (*text) {
        if (*text == '\n') {
            fputc('\n', stream);
            column = 0;
            first = true;
            text++;
            continue;
        }
        int len = (int)strcspn(text, " \n");
        if (!first && column + 1 + len > width) {
            fputc('\n', stream);
            column = 0;
            first = true;
        }
        if (first && column < indent) column += fprintf(stream, "%*s", indent - column, "");
        if (!first) column += fprintf(stream, " ");
        for (const char *end = text + len; text < end; text++, column++) fputc(*text == GLUE ? ' ' : *text, stream);
        first = false;
        text += strspn(text, " ");
    }
    fputc('\n', stream);
}

static void format_option(char *out, size_t n_bytes, const slk_option *o)
{
    char letter[8] = "";
    if (o->letter) snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(out, n_bytes, "%s--%s%s%s", letter, o->name, o->value ? " " : "", o->value ? o->value : "");
}

static void print_options(FILE *stream, const slk_option *options, int width)
{
    char head[128];
    int column = 0;
    for (const slk_option *o = options; o->type != SLK_OPTION_END; o++) {
        format_option(head, sizeof head, o);
        int end = INDENT + (int)strlen(head) + 2;
        if (end > column && end <= MAX_OPTION_COLUMN) column = end;
    }
    if (column == 0) column = MAX_OPTION_COLUMN;
    for (const slk_option *o = options; o->type != SLK_OPTION_END; o++) {
        format_option(head, sizeof head, o);
        int at = fprintf(stream, "%*s%s", INDENT, "", head);
        if (at + 2 > column) fputc('\n', stream), at = 0;
        char help[512];
        if (o->init)
            snprintf(help, sizeof help, "%s (default\v%s)", o->help, o->init);
        else
            snprintf(help, sizeof help, "%s", o->help);
        print_wrapped(stream, help, at, column, width);
    }
}

static void print_usage(FILE *stream, const slk_command *command)
{
    const char *head = "usage:";
    const char *p = command->synopsis;
    do {
        int len = (int)strcspn(p, "\n");
        fprintf(stream, "%s slick %s [OPTIONS]%s%.*s\n", head, command->name, len ? " " : "", len, p);
        head = "      ";
        p += len;
    } while (*p++);
}

void slk_help_command(FILE *stream, const slk_command *command)
{
    int width = help_width(stream);
    fprintf(stream, "slick %s: %s\n\n", command->name, command->summary);
    print_usage(stream, command);
    fputc('\n', stream);
    print_wrapped(stream, command->about, 0, 0, width);
    if (command->options && command->options[0].type != SLK_OPTION_END) {
        fputs("\nOptions\n", stream);
        print_options(stream, command->options, width);
    }
    fputc('\n', stream);
    slk_buf globals = {0};
    slk_buf_add_str(&globals, "Global options (slick help):");
    char head[64];
    for (const slk_option *o = slk_global_options; o->type != SLK_OPTION_END; o++) {
        format_option(head, sizeof head, o);
        for (char *p = head; *p; p++) *p = *p == ' ' ? GLUE : *p;
        slk_buf_addf(&globals, " [%s]", head);
    }
    if (!globals.failed) print_wrapped(stream, globals.data, 0, 0, width);
    slk_buf_release(&globals);
    fputs("\nExamples\n", stream);
    for (size_t i = 0; i < sizeof command->examples / sizeof *command->examples && command->examples[i]; i++)
        fprintf(stream, "  %s\n", command->examples[i]);
}

void slk_help_overview(FILE *stream)
{
    static const char *const GROUPS[SLK_N_GROUPS] = {"Look at a model", "Facts and knowledge", "Fine-tuning",
                                                     "Measuring"};
    int width = help_width(stream);
    fputs("slick: what a language model already knows about your fine-tuning data\n\n"
          "usage: slick [GLOBAL OPTIONS] COMMAND [ARGUMENTS]\n",
          stream);
    size_t n;
    const slk_command *const *commands = slk_cli_commands(&n);
    for (int group = 0; group < SLK_N_GROUPS; group++) {
        bool is_empty = true;
        for (size_t i = 0; i < n; i++) {
            if ((int)commands[i]->group != group) continue;
            if (is_empty) fprintf(stream, "\n%s\n", GROUPS[group]);
            is_empty = false;
            int at = fprintf(stream, "  %-10s", commands[i]->name);
            print_wrapped(stream, commands[i]->summary, at, 14, width);
        }
    }
    fputs("\nGlobal options, before or after the command\n", stream);
    print_options(stream, slk_global_options, width);
    fputs("\n", stream);
    print_wrapped(
        stream,
        "`slick COMMAND --help` says more. Exit codes: 0 done, 1 failed, 2 usage, 3 a --fail-if condition held.", 0, 0,
        width);
}

const char *slk_help_guess_command(const char *typed)
{
    const char *guess = NULL;
    unsigned best = 99;
    size_t n;
    const slk_command *const *commands = slk_cli_commands(&n);
    for (size_t i = 0; i < n; i++) {
        if (slk_is_near(typed, commands[i]->name, &best)) guess = commands[i]->name;
    }
    return guess;
}
