/* What a table of keys says of itself, for every file of settings: ranges, and the table of the documentation. */
#ifndef SLK_CONFIG_KEY_DOC_H
#define SLK_CONFIG_KEY_DOC_H

#include <stdbool.h>
#include <stddef.h>
#include "base/mem.h"

/* out [n]: ", 0 to 1", ", from 1" where max is 1e9 or more, or "" where min is not below max: no bounds. */
void slk_key_doc_range(char *out, size_t n, double min, double max);

/* Begin the Markdown table. A failed allocation is the buffer's (slk_buf.failed), as below. */
void slk_key_doc_add_head(slk_buf *out);
/* A row: section "" for keys of the left margin; type as text, any | in it is escaped; init NULL: "needed" if required,
 * else nothing. */
void slk_key_doc_add_row(slk_buf *out, const char *section, const char *name, const char *type, const char *init,
                         bool required, const char *help);

#endif
