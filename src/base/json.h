/* JSON: Jansson with errors that name file and line, and typed getters. Jansson's own types are used directly. */
#ifndef SLK_BASE_JSON_H
#define SLK_BASE_JSON_H

#include <jansson.h>
#include <stdio.h>
#include "base/error.h"

/* Parse text; `name` (a path) and first_line are for messages "NAME:LINE: ...". json_decref() the result. Duplicate
 * keys and anything after the value are errors; a byte order mark before line 1 is skipped. */
slk_status slk_json_parse(json_t **out, const char *text, size_t n_bytes, const char *name, long first_line,
                          slk_err *err);
slk_status slk_json_read(json_t **out, const char *path, slk_err *err);
/* Write one value compactly (numbers by the fewest digits that give them back, UTF-8 as is, keys in insertion order)
 * and a line break. Errors: SLK_E_IO. */
slk_status slk_json_print(FILE *stream, const json_t *value, slk_err *err);

#endif
