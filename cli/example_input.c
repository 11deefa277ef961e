#include "example_input.h"

#include "base/mem.h"
#include "terminal.h"

slk_status slk_cli_read_map(slk_field_map *map, slk_cli *cli, const slk_list *items, slk_err *err)
{
    slk_err problem = {0};
    slk_buf text;
    slk_buf_init(&text);
    *map = (slk_field_map){0};
    for (size_t i = 0; i < items->n; i++) slk_buf_addf(&text, "%s%s", i ? "," : "", items->items[i]);
    slk_status status = text.failed ? slk_fail(err, SLK_E_MEMORY, "out of memory") : SLK_OK;
    if (status == SLK_OK) status = slk_field_map_init(map, text.data, &problem);
    slk_buf_release(&text);
    if (status == SLK_E_ARG) return slk_cli_usage(cli, err, "--map: %s", problem.msg);
    if (problem.code && err) *err = problem;
    return status;
}

slk_status slk_cli_read_examples(slk_examples *out, slk_cli *cli, const char *path, const slk_list *map,
                                 const char *format, slk_err *err)
{
    slk_field_map fields;
    slk_read_options options;
    *out = (slk_examples){0};
    slk_status status = slk_cli_read_map(&fields, cli, map, err);
    if (status == SLK_OK) {
        slk_read_options_init(&options);
        options.map = &fields;
        options.format = slk_data_format_parse(format);
        status = slk_examples_read_file(out, path, &options, err);
    }
    slk_field_map_release(&fields);
    if (status == SLK_OK && out->n_duplicates)
        slk_cli_note(cli, "%s: %s of %s records dropped: their fact is there already", out->name,
                     slk_show_count(out->n_duplicates).text, slk_show_count(out->n + out->n_duplicates).text);
    return status;
}

slk_status slk_cli_read_instruction(slk_instruction **out, const char *path, slk_err *err)
{
    return path ? slk_instruction_open(out, path, err) : slk_instruction_create(out, err);
}
