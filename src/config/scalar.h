/* Strict readings of YAML scalars: what `3x`, `0x1` or `yess` is, is decided here for every file of settings. */
#ifndef SLK_CONFIG_SCALAR_H
#define SLK_CONFIG_SCALAR_H

#include <stdbool.h>
#include <stdint.h>
#include "config/yaml.h"

/* Is the node a plain (unquoted) decimal whole number without a sign, in [min, max]? */
bool slk_scalar_int(int64_t *out, const slk_yaml *node, double min, double max);
/* Is it a plain decimal number, finite and in [min, max]? */
bool slk_scalar_real(double *out, const slk_yaml *node, double min, double max);
/* Is text one of "a|b|c"? */
bool slk_scalar_is_choice(const char *choices, const char *text);

#endif
