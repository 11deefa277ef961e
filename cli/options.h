/* Options. A command declares its options once, in one table; parsing, range checks, defaults, help text and the guess
 * at a misspelt name all come from it:
 *
 *     static struct { int64_t n_ex; double temperature; const char *by; bool csv; slk_list relations; } opt;
 *
 *     static const slk_option OPTIONS[] = {
 *         SLK_OPT_INT("n-ex", &opt.n_ex, "N", "10", 1, 1000, "few-shot prompts a question is asked with"),
 *         SLK_OPT_REAL("temperature", &opt.temperature, "T", "0.5", 1e-3, 100, "of the sampled answers"),
 *         SLK_OPT_CHOICE("by", &opt.by, "relation|split", "relation", "rows of the table"),
 *         SLK_OPT_FLAG("csv", &opt.csv, "comma-separated values"),
 *         SLK_OPT_LIST("relations", &opt.relations, "A,B", "only these"),
 *         SLK_OPT_END};
 *
 * Defaults are text and go through the same parser as what people type, so the help screen cannot disagree with the
 * program. The default NULL means "not given": 0, NULL, false, an empty list. Values may be written --name VALUE or
 * --name=VALUE; the last one wins; lists are split at commas and a repeated --name adds to them. Numbers are read
 * strictly: all of the text, decimal, in range. */
#ifndef SLK_CLI_OPTIONS_H
#define SLK_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/guess.h"
#include "base/mem.h"

typedef enum slk_option_type {
    SLK_OPTION_END = 0,
    SLK_OPTION_FLAG,   /* no value */
    SLK_OPTION_INT,    /* whole number in [min, max] */
    SLK_OPTION_U64,    /* 0 .. 2^64 - 1 */
    SLK_OPTION_REAL,   /* finite number in [min, max] */
    SLK_OPTION_STR,    /* any text that is not empty */
    SLK_OPTION_CHOICE, /* one of the words of `value`, which are separated by '|' */
    SLK_OPTION_LIST,   /* comma-separated words */
} slk_option_type;

/* Words of a list option. The strings are owned by the list, which lives as long as the program. */
typedef struct slk_list {
    char **items;
    size_t n, cap;
} slk_list;

typedef struct slk_option {
    const char *name; /* without the dashes */
    char letter;      /* also -x, or 0 */
    slk_option_type type;
    union {
        bool *flag;
        int64_t *integer;
        uint64_t *u64;
        double *real;
        const char **str;
        slk_list *list;
    } into;
    const char *value; /* how the value is called in the help: "N", "FILE", "relation|split" */
    const char *init;  /* default as one would type it, or NULL */
    double min, max;
    const char *help; /* one phrase; says the default itself only where `init` cannot */
} slk_option;

/* clang-format off */
#define SLK_OPT_FLAG(name, into, help) {name, 0, SLK_OPTION_FLAG, {.flag = into}, NULL, NULL, 0, 0, help}
#define SLK_OPT_INT(name, into, value, init, min, max, help) \
    {name, 0, SLK_OPTION_INT, {.integer = into}, value, init, min, max, help}
#define SLK_OPT_U64(name, into, value, init, help) {name, 0, SLK_OPTION_U64, {.u64 = into}, value, init, 0, 0, help}
#define SLK_OPT_REAL(name, into, value, init, min, max, help) \
    {name, 0, SLK_OPTION_REAL, {.real = into}, value, init, min, max, help}
#define SLK_OPT_STR(name, into, value, init, help) {name, 0, SLK_OPTION_STR, {.str = into}, value, init, 0, 0, help}
#define SLK_OPT_CHOICE(name, into, value, init, help) \
    {name, 0, SLK_OPTION_CHOICE, {.str = into}, value, init, 0, 0, help}
#define SLK_OPT_LIST(name, into, value, help) {name, 0, SLK_OPTION_LIST, {.list = into}, value, NULL, 0, 0, help}
#define SLK_OPT_END {NULL, 0, SLK_OPTION_END, {NULL}, NULL, NULL, 0, 0, NULL}
/* clang-format on */

/* Set every variable of the table to its default. The defaults are part of the program: a wrong one is a bug, reported
 * as SLK_E_ARG by the test that runs every --help. */
slk_status slk_options_init(const slk_option *table, slk_err *err);

/* Read the option at argv[*i] (which begins with '-' and is not "-" or "--") by the first of the tables that has it,
 * and move *i behind it. tables: NULL-terminated array of tables. *used: the option that was read. Errors: SLK_E_ARG,
 * in words for the person who typed it. */
slk_status slk_options_parse(const slk_option *const *tables, int argc, char **argv, int *i, const slk_option **used,
                             slk_err *err);

/* Find NAME in the tables; NULL: none has it. */
const slk_option *slk_options_find(const slk_option *const *tables, const char *name);

/* Whole-text number parsers of the options, for values inside other values ("f1:0.8"). false: not such a number. */
bool slk_parse_i64(const char *text, int64_t *out);
bool slk_parse_u64(const char *text, uint64_t *out);
bool slk_parse_real(const char *text, double *out);

#endif
