/* The frame that every command hangs in. To add `slick foo`:
 *
 *   1. Write cli/cmd_foo.c:
 *
 *        #include "command.h"
 *
 *        static struct { int64_t size; bool loud; } opt; // one variable an option; filled in before run()
 *
 *        static const slk_option OPTIONS[] = {SLK_OPT_INT("size", &opt.size, "N", "10", 1, 1000, "how many"),
 *                                             SLK_OPT_FLAG("loud", &opt.loud, "in capitals"), SLK_OPT_END};
 *
 *        static slk_status run(slk_cli *cli, slk_err *err)
 *        {
 *            if (opt.loud && cli->json) return slk_cli_usage(cli, err, "--loud and --json exclude each other");
 *            return slk_foo_do(cli->args[0], opt.size, slk_cli_progress(cli), err);
 *        }
 *
 *        const slk_command slk_cmd_foo = {
 *            .name = "foo", .group = SLK_GROUP_KNOW, .summary = "do foo to a model", .synopsis = "MODEL [FILE]",
 *            .about = "What it does, in a few lines that are wrapped to the terminal.\n",
 *            .examples = {"slick foo model.gguf", "slick foo --size 20 model.gguf facts.jsonl"},
 *            .n_args_min = 1, .n_args_max = 2, .options = OPTIONS, .run = run};
 *
 *   2. Put X(foo) into the table SLK_COMMANDS below. Help, completion of names, guesses and --help follow from it.
 *
 * What the frame does: reads the options (options.h), the global ones before and after the command alike; counts
 * arguments; calls run(); ends the progress bar; prints the error as one line and turns it into the exit code: 0 done,
 * 1 failed, 2 usage (slk_cli_usage), 3 cli->verdict. Standard output is flushed and checked at the end, so a full disk
 * is an error; a reader that went away (`slick labels | head`) is not.
 *
 * In a command: results go to stdout (printf, table.h, slk_cli_json), everything else through slk_cli_note and
 * slk_cli_warn. Long work takes slk_cli_progress(cli): on Ctrl-C its report() returns false, the library stops at the
 * next safe point with SLK_E_INTERRUPTED, which run() just returns. */
#ifndef SLK_CLI_COMMAND_H
#define SLK_CLI_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "base/error.h"
#include "base/json.h"
#include "base/progress.h"
#include "options.h"

#define SLK_COMMANDS(X)                                                                                                \
    X(inspect)                                                                                                         \
    X(tokenize)                                                                                                        \
    X(convert)                                                                                                         \
    X(logits)                                                                                                          \
    X(generate)                                                                                                        \
    X(score)                                                                                                           \
    X(import)                                                                                                          \
    X(facts)                                                                                                           \
    X(probe)                                                                                                           \
    X(ptrue)                                                                                                           \
    X(labels)                                                                                                          \
    X(relabel)                                                                                                         \
    X(merge)                                                                                                           \
    X(mix)                                                                                                             \
    X(train)                                                                                                           \
    X(eval)                                                                                                            \
    X(pretrain)                                                                                                        \
    X(study)                                                                                                           \
    X(demo)                                                                                                            \
    X(report)                                                                                                          \
    X(bench)

typedef enum slk_group { SLK_GROUP_MODEL, SLK_GROUP_KNOW, SLK_GROUP_TRAIN, SLK_GROUP_MEASURE, SLK_N_GROUPS } slk_group;

typedef struct slk_cli slk_cli;

typedef struct slk_command {
    const char *name;
    slk_group group;      /* under which heading `slick help` lists it */
    const char *summary;  /* one line, begins in lower case, no full stop */
    const char *synopsis; /* the arguments behind the options; several lines = several forms */
    const char *about;    /* paragraphs for --help */
    const char *examples[4];
    int n_args_min, n_args_max; /* without options; max -1: any number */
    const slk_option *options;
    slk_status (*run)(slk_cli *cli, slk_err *err);
} slk_command;

struct slk_cli {
    const slk_command *command;
    char **args; /* [n_args], then NULL */
    int n_args;
    /* global options */
    const char *store;
    uint64_t seed;
    int64_t threads;   /* 0: physical cores */
    const char *dtype; /* "f32", "bf16", or NULL: bf16 where the processor has it */
    bool json, quiet, force;
    /* what run() may set */
    const char *output; /* where what is finished lies, if not in the store: for the message after Ctrl-C */
    bool verdict;       /* a --fail-if condition holds: exit 3 */
    bool is_usage;      /* set by slk_cli_usage: exit 2 */
};

extern const slk_option slk_global_options[];
#define X(name) extern const slk_command slk_cmd_##name;
SLK_COMMANDS(X)
#undef X
/* All commands, in the order of SLK_COMMANDS; *n of them. */
const slk_command *const *slk_cli_commands(size_t *n);

/* A mistake in how the command was typed: fills err and makes the exit code 2. Returns SLK_E_ARG. */
slk_status slk_cli_usage(slk_cli *cli, slk_err *err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Was the option whose variable is `into` typed (rather than left at its default)? */
bool slk_cli_given(const void *into);

/* "slick: ..." on stderr, clear of the progress bar; a note is for people and silent with --quiet, a warning is not. */
void slk_cli_note(const slk_cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void slk_cli_warn(const slk_cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The progress display of this process (progress.h). From the first call on, Ctrl-C asks for a stop. */
const slk_progress *slk_cli_progress(const slk_cli *cli);

/* Print value on stdout as one line and drop the reference; value NULL = out of memory while it was built.
 * Errors: SLK_E_MEMORY, SLK_E_IO. */
slk_status slk_cli_json(json_t *value, slk_err *err);

/* Help screens, wrapped to the terminal (at most 110 columns, 80 when it is none). */
void slk_help_overview(FILE *stream);
void slk_help_command(FILE *stream, const slk_command *command);
const char *slk_help_guess_command(const char *typed); /* NULL: nothing near */

#endif
