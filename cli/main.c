/* slick: reads the command line, runs one command, turns its result into an exit code. See command.h. */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "progress.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_VERDICT = 3 };

static slk_cli cli;
static bool wants_help, wants_version;

const slk_option slk_global_options[] = {
    SLK_OPT_STR("store", &cli.store, "FILE", "slick.db", "the SQLite file that holds everything"),
    SLK_OPT_U64("seed", &cli.seed, "N", "0", "of everything random"),
    SLK_OPT_INT("threads", &cli.threads, "N", NULL, 1, 1024, "threads to compute with (default: physical cores)"),
    SLK_OPT_CHOICE("dtype", &cli.dtype, "f32|bf16", NULL, "to compute in (default: bf16 where the processor has it)"),
    SLK_OPT_FLAG("json", &cli.json, "results as one JSON value on stdout"),
    SLK_OPT_FLAG("quiet", &cli.quiet, "no progress, no notes"),
    SLK_OPT_FLAG("force", &cli.force, "overwrite existing output files"),
    SLK_OPT_END};

static const slk_option HELP_OPTIONS[] = {{"help", 'h', SLK_OPTION_FLAG, {.flag = &wants_help}, NULL, NULL, 0, 0, ""},
                                          SLK_OPT_FLAG("version", &wants_version, ""),
                                          SLK_OPT_END};

#define X(name) &slk_cmd_##name,
static const slk_command *const COMMANDS[] = {SLK_COMMANDS(X)};
#undef X

const slk_command *const *slk_cli_commands(size_t *n)
{
    *n = sizeof COMMANDS / sizeof *COMMANDS;
    return COMMANDS;
}

/* --- what commands call ----------------------------------------------------------------------------------------- */

static struct {
    const void *into[64];
    size_t n;
} given;

bool slk_cli_given(const void *into)
{
    for (size_t i = 0; i < given.n; i++) {
        if (given.into[i] == into) return true;
    }
    return false;
}

slk_status slk_cli_usage(slk_cli *c, slk_err *err, const char *fmt, ...)
{
    char text[768];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    c->is_usage = true;
    return slk_fail(err, SLK_E_ARG, "%s", text);
}

static int stdout_errno; /* of the first flush that failed */

static bool flush_stdout(void)
{
    errno = 0;
    if (fflush(stdout) == 0) return !ferror(stdout);
    if (!stdout_errno) stdout_errno = errno;
    return false;
}

/* A broken stderr is nobody's error: there is no place left to report it. */
static void print_line(const char *label, const char *fmt, va_list ap)
{
    slk_progress_clear();
    flush_stdout(); /* keeps the order where both streams are one terminal */
    fprintf(stderr, "slick: %s", label);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
}

void slk_cli_note(const slk_cli *c, const char *fmt, ...)
{
    if (c->quiet) return;
    va_list ap;
    va_start(ap, fmt);
    print_line("", fmt, ap);
    va_end(ap);
}

void slk_cli_warn(const slk_cli *c, const char *fmt, ...)
{
    (void)c;
    va_list ap;
    va_start(ap, fmt);
    print_line("warning: ", fmt, ap);
    va_end(ap);
}

const slk_progress *slk_cli_progress(const slk_cli *c)
{
    return slk_progress_display(c->quiet);
}

slk_status slk_cli_json(json_t *value, slk_err *err)
{
    if (!value) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    slk_status status = slk_json_print(stdout, value, err);
    json_decref(value);
    return status;
}

/* --- endings ---------------------------------------------------------------------------------------------------- */

static void print_error(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    print_line("", fmt, ap);
    va_end(ap);
}

static int usage_error(const slk_err *err)
{
    if (cli.command)
        print_error("%s: %s; see slick %s --help", cli.command->name, err->msg, cli.command->name);
    else
        print_error("%s; see slick help", err->msg);
    return EXIT_USAGE;
}

/* Did the reader of a pipe on stdout go away? Then it had what it wanted, and nothing failed. */
static bool reader_is_gone(void)
{
    struct pollfd fd = {STDOUT_FILENO, POLLOUT, 0};
    return poll(&fd, 1, 0) > 0 && (fd.revents & POLLERR);
}

/* Exit code of a run that ended in `code`: what was printed must have arrived. */
static int finish(int code)
{
    slk_progress_clear();
    if (flush_stdout() || reader_is_gone()) return code;
    if (code == EXIT_DONE || code == EXIT_VERDICT)
        print_error("standard output: %s", stdout_errno ? strerror(stdout_errno) : "an earlier write failed");
    return EXIT_FAILED;
}

static int run_command(void)
{
    slk_err err = {0};
    slk_status status = cli.command->run(&cli, &err);
    if (status == SLK_OK) return finish(cli.verdict ? EXIT_VERDICT : EXIT_DONE);
    if (cli.is_usage) return usage_error(&err);
    if (status == SLK_E_INTERRUPTED) {
        finish(EXIT_FAILED);
        print_error("stopped; what was finished is in %s, and the same command goes on from there",
                    cli.output ? cli.output : cli.store);
        return EXIT_FAILED;
    }
    if (ferror(stdout) && reader_is_gone()) return EXIT_DONE;
    print_error("%s", err.msg[0] ? err.msg : slk_status_name(status));
    return finish(EXIT_FAILED);
}

/* --- the command line ------------------------------------------------------------------------------------------- */

static const slk_command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof COMMANDS / sizeof *COMMANDS; i++) {
        if (strcmp(COMMANDS[i]->name, name) == 0) return COMMANDS[i];
    }
    return NULL;
}

static slk_status unknown_command(const char *name, slk_err *err)
{
    const char *guess = slk_help_guess_command(name);
    if (guess) return slk_fail(err, SLK_E_ARG, "%s: no such command (did you mean %s?)", name, guess);
    return slk_fail(err, SLK_E_ARG, "%s: no such command", name);
}

static slk_status check_arguments(slk_err *err)
{
    const slk_command *c = cli.command;
    char wanted[256] = "none";
    size_t at = 0;
    for (const char *p = c->synopsis; *p && at + 8 < sizeof wanted; p++) { /* several forms: "A, or B" */
        bool is_break = *p == '\n';
        memcpy(wanted + at, is_break ? ", or " : p, is_break ? 5 : 1);
        at += is_break ? 5 : 1;
        wanted[at] = '\0';
    }
    if (cli.n_args < c->n_args_min) return slk_fail(err, SLK_E_ARG, "an argument is missing: expected %s", wanted);
    if (c->n_args_max >= 0 && cli.n_args > c->n_args_max)
        return slk_fail(err, SLK_E_ARG, "one argument too many: '%s' (expected %s)", cli.args[c->n_args_max], wanted);
    return SLK_OK;
}

/* Sort argv into the command, its arguments (moved to the front of argv) and options. */
static slk_status parse(int argc, char **argv, slk_err *err)
{
    const slk_option *tables[4] = {slk_global_options, HELP_OPTIONS, NULL, NULL};
    bool only_arguments = false;
    cli.args = argv;
    for (int i = 1; i < argc;) {
        char *word = argv[i];
        if (only_arguments || word[0] != '-' || word[1] == '\0') {
            i++;
            if (cli.command) {
                cli.args[cli.n_args++] = word;
                continue;
            }
            if (strcmp(word, "help") == 0) {
                wants_help = true;
                if (i < argc && argv[i][0] != '-' && !(cli.command = find_command(argv[i])))
                    return unknown_command(argv[i], err);
                return SLK_OK;
            }
            if (!(cli.command = find_command(word))) return unknown_command(word, err);
            if (cli.command->options) {
                /* first: convert has a --dtype of its own */
                memmove(tables + 1, tables, 2 * sizeof *tables);
                tables[0] = cli.command->options;
                slk_status status = slk_options_init(cli.command->options, err);
                if (status) return status;
            }
            continue;
        }
        if (strcmp(word, "--") == 0) {
            only_arguments = true;
            i++;
            continue;
        }
        const slk_option *used = NULL;
        slk_status status = slk_options_parse(tables, argc, argv, &i, &used, err);
        if (status) return status;
        if (wants_help || wants_version) return SLK_OK;
        if (given.n < sizeof given.into / sizeof *given.into) given.into[given.n++] = used->into.flag;
    }
    cli.args[cli.n_args] = NULL;
    return cli.command ? check_arguments(err) : SLK_OK;
}

/* A closed stdin, stdout or stderr would let the next opened file take its number, and printing would write into a
 * store. */
static void hold_standard_streams(void)
{
    for (int fd = 0; fd < 3; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY) != fd)
            _exit(1);
    }
}

/* Threads of the OpenMP runtime spin while they wait, for milliseconds unless told otherwise. Beside other work that is
 * time taken from the thread that they wait for: labelling with a small model took 13 times as long on a busy machine
 * (93 s instead of 7). The runtime looks at the environment before main() and never again, so the program starts itself
 * once more; spins of some ten microseconds are enough for what lies between two parallel regions. Somebody who has set
 * either variable is left alone, and a system without /proc has the runtime's own way. */
static void limit_spinning(char **argv)
{
    if (!getenv("OMP_WAIT_POLICY") && !getenv("GOMP_SPINCOUNT") && setenv("GOMP_SPINCOUNT", "1000", 1) == 0)
        execv("/proc/self/exe", argv);
    prctl(PR_SET_NAME, "slick"); /* it would be "exe" in lists of processes */
}

int main(int argc, char **argv)
{
    limit_spinning(argv);
    hold_standard_streams();
    /* Large blocks go back to the system when they are freed; glibc would raise this bound as it sees them come and go,
     * and loading a model would leave its holes behind. */
    mallopt(M_MMAP_THRESHOLD, 1 << 19);
    signal(SIGPIPE, SIG_IGN); /* writing to a pipe without a reader fails instead of killing; finish() judges */
    slk_err err = {0};
    if (slk_options_init(slk_global_options, &err) || parse(argc, argv, &err)) return usage_error(&err);
    if (wants_version) {
        printf("slick %s\n", SLICK_VERSION);
        return finish(EXIT_DONE);
    }
    if (wants_help) {
        if (cli.command)
            slk_help_command(stdout, cli.command);
        else
            slk_help_overview(stdout);
        return finish(EXIT_DONE);
    }
    if (!cli.command) {
        slk_help_overview(stderr);
        return EXIT_USAGE;
    }
    return run_command();
}
