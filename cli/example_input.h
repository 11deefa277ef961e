/* Reading DATA, for the commands that train on examples or ask them (data/examples.h). */
#ifndef SLK_CLI_EXAMPLE_INPUT_H
#define SLK_CLI_EXAMPLE_INPUT_H

#include "command.h"
#include "data/examples.h"
#include "know/instruction.h"

/* The options of such commands. */
#define SLK_CLI_OPT_MAP(into)                                                                                          \
    SLK_OPT_LIST("map", into, "FIELD=NAME,..",                                                                         \
                 "what the fields are called in the file: question=prompt,answer=completion")
#define SLK_CLI_OPT_FORMAT(into)                                                                                       \
    SLK_OPT_CHOICE("format", into, "auto|jsonl|json|csv|tsv", "auto", "of the file (auto: by its extension)")
#define SLK_CLI_OPT_INSTRUCTION(into)                                                                                  \
    SLK_OPT_STR("template", into, "FILE", NULL, "prompt (default: Answer the following question. ...)")

/* --map, all of them, as a field map. Release it also after a failure. Errors: SLK_E_ARG (usage), SLK_E_MEMORY. */
slk_status slk_cli_read_map(slk_field_map *map, slk_cli *cli, const slk_list *items, slk_err *err);

/* Read DATA ("-": standard input); notes say how many duplicates were dropped. format: the value of --format. *out is
 * empty after a failure. Errors: slk_examples_read_file's, SLK_E_ARG (usage: --map). */
slk_status slk_cli_read_examples(slk_examples *out, slk_cli *cli, const char *path, const slk_list *map,
                                 const char *format, slk_err *err);

/* The prompt of --template; path NULL: the built-in one. Errors: slk_instruction_open's. */
slk_status slk_cli_read_instruction(slk_instruction **out, const char *path, slk_err *err);

#endif
