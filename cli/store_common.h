/* What commands that use the store share. */
#ifndef SLK_CLI_STORE_COMMON_H
#define SLK_CLI_STORE_COMMON_H

#include "command.h"
#include "store/labels.h"
#include "store/store.h"

/* Open the store that --store names. A missing one is an error that says how to make one (unless mode is
 * SLK_STORE_CREATE). */
slk_status slk_cli_open_store(slk_store **out, const slk_cli *cli, slk_store_mode mode, slk_err *err);

/* The label set of --labels (id 0: the newest); a note on stderr says which it is. */
slk_status slk_cli_find_labels(slk_label_set_info *out, slk_store *store, const slk_cli *cli, int64_t id, slk_err *err);

/* "SmolLM2-135M in bf16, entityquestions, 10 prompts of 4 examples, 16 samples, em, seed 0". */
void slk_cli_describe_labels(char *out, size_t n_bytes, const slk_label_settings *settings);
/* {"id", "model": {"name","hash"}, ...all settings, "n_labels", "created", "version"}. NULL: out of memory. */
json_t *slk_cli_label_set_json(const slk_label_set_info *info);
json_t *slk_cli_model_json(const slk_label_settings *settings); /* {"name","hash"} and "adapter" where there is one */

/* A 64-bit identity as text: 16 hexadecimal digits. */
json_t *slk_cli_hash_json(uint64_t hash);

/* Path of the EntityQuestions archive that comes with slick: the installed one, else the one in the source tree. free()
 * it. Errors: SLK_E_NOT_FOUND. */
slk_status slk_cli_find_entityquestions(char **out, slk_err *err);

/* The table of what an import read, removed and kept, from the report as the store keeps it. */
slk_status slk_cli_print_import(const json_t *report, FILE *stream, slk_err *err);

#endif
