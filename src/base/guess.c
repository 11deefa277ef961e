#include "base/guess.h"

#include <string.h>

enum { MAX_WORD = 63 };

unsigned slk_edit_distance(const char *a, const char *b)
{
    size_t n_a = strnlen(a, MAX_WORD), n_b = strnlen(b, MAX_WORD);
    unsigned char d[3][MAX_WORD + 1]; /* rows i - 2, i - 1, i, taken in turn */
    for (size_t j = 0; j <= n_b; j++) d[0][j] = (unsigned char)j;
    for (size_t i = 1; i <= n_a; i++) {
        unsigned char *row = d[i % 3], *up = d[(i + 2) % 3], *up2 = d[(i + 1) % 3];
        row[0] = (unsigned char)i;
        for (size_t j = 1; j <= n_b; j++) {
            unsigned best = up[j - 1] + (a[i - 1] != b[j - 1]);
            if (up[j] + 1u < best) best = up[j] + 1u;
            if (row[j - 1] + 1u < best) best = row[j - 1] + 1u;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && up2[j - 2] + 1u < best)
                best = up2[j - 2] + 1u;
            row[j] = (unsigned char)best;
        }
    }
    return d[n_a % 3][n_b];
}

bool slk_is_near(const char *typed, const char *word, unsigned *best)
{
    size_t n = strlen(typed);
    unsigned distance = slk_edit_distance(typed, word);
    /* The beginning of a word is a good guess at it, and a word inside a longer option ("relation" / "relations") too.
     */
    if (n >= 2 && strncmp(typed, word, n) == 0) distance = 1;
    unsigned limit = n <= 3 ? 1 : n <= 6 ? 2 : 3;
    if (distance > limit || distance >= *best) return false;
    *best = distance;
    return true;
}
