/* Reading tests/data/reference/stats/reference.json, which make.py beside it wrote with scipy, statsmodels and mpmath.
 */
#ifndef SLK_TEST_STATS_REFERENCE_H
#define SLK_TEST_STATS_REFERENCE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"

#define N_OF(array) (sizeof(array) / sizeof(array)[0])

/* Equal to `relative` of the expected value, or to `absolute`. */
static inline void assert_close(const char *what, double value, double expected, double relative, double absolute)
{
    if (!(fabs(value - expected) <= relative * fabs(expected) + absolute))
        fail_msg("%s: %.17g, expected %.17g within %g", what, value, expected, relative);
}

static inline json_t *open_reference(const char *part)
{
    slk_err err;
    json_t *all;
    if (slk_json_read(&all, SLICK_TEST_DATA "/reference/stats/reference.json", &err) != SLK_OK) fail_msg("%s", err.msg);
    json_t *own = json_incref(json_object_get(all, part));
    assert_non_null(own);
    json_decref(all);
    return own;
}

static inline double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value)) fail_msg("reference.json has no number %s", key);
    return json_number_value(value);
}

/* All numbers of an array, of arrays row by row; free() it. */
static inline double *numbers(const json_t *object, const char *key, size_t *n)
{
    const json_t *list = json_object_get(object, key), *row, *cell;
    if (!json_is_array(list)) fail_msg("reference.json has no list %s", key);
    size_t n_cells = 0, i, j;
    json_array_foreach(list, i, row) n_cells += json_is_array(row) ? json_array_size(row) : 1;
    double *out = calloc(n_cells + 1, sizeof *out);
    assert_non_null(out);
    n_cells = 0;
    json_array_foreach(list, i, row)
    {
        if (json_is_array(row)) {
            json_array_foreach(row, j, cell) out[n_cells++] = json_number_value(cell);
        } else {
            out[n_cells++] = json_number_value(row);
        }
    }
    if (n) *n = n_cells;
    return out;
}

#endif
