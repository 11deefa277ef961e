/* A key that a file of settings does not have: what may have been meant. */
#ifndef SLK_CONFIG_KEY_UNKNOWN_H
#define SLK_CONFIG_KEY_UNKNOWN_H

#include <stddef.h>
#include "base/error.h"
#include "config/yaml.h"

/* A key as it stands in a file: section "" at the left margin. */
typedef struct slk_key_name {
    const char *section, *name;
} slk_key_name;

/* All keys there are. */
typedef struct slk_key_names {
    slk_key_name (*at)(size_t i); /* i < n */
    size_t n;
    const char *shown_by; /* the command that shows all */
} slk_key_names;

/* SLK_E_FORMAT, "PATH:LINE: SECTION.KEY: unknown key, did you mean ...?": the nearest of this section, else one of the
 * same name elsewhere; without a guess, which command shows all. node is the value that stands there. */
slk_status slk_key_unknown(slk_err *err, const char *path, const char *section, const slk_yaml *node,
                           const slk_key_names *names);

#endif
