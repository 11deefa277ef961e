#include "config/key_doc.h"

#include <stdio.h>

void slk_key_doc_range(char *out, size_t n, double min, double max)
{
    if (!(min < max))
        snprintf(out, n, "%s", "");
    else if (max >= 1e9)
        snprintf(out, n, ", from %.15g", min);
    else
        snprintf(out, n, ", %.15g to %.15g", min, max);
}

void slk_key_doc_add_head(slk_buf *out)
{
    slk_buf_add_str(out, "| key | value | default | what it means |\n|---|---|---|---|\n");
}

void slk_key_doc_add_row(slk_buf *out, const char *section, const char *name, const char *type, const char *init,
                         bool required, const char *help)
{
    slk_buf_addf(out, "| `%s%s%s` | ", section, section[0] ? "." : "", name);
    for (const char *c = type; *c; c++) {
        if (*c == '|') slk_buf_add_str(out, "\\");
        slk_buf_add(out, c, 1);
    }
    slk_buf_add_str(out, " | ");
    if (required)
        slk_buf_add_str(out, "needed");
    else if (init)
        slk_buf_addf(out, "`%s`", init);
    slk_buf_addf(out, " | %s |\n", help);
}
