/* Guesses at misspelt names: "did you mean ...?". */
#ifndef SLK_BASE_GUESS_H
#define SLK_BASE_GUESS_H

#include <stdbool.h>

/* How far two words are apart: insertions, deletions, replacements, swaps of neighbours. Long words are cut at 63. */
unsigned slk_edit_distance(const char *a, const char *b);
/* Is `word` near enough to `typed` to be offered as a guess? A smaller *best is a better guess. */
bool slk_is_near(const char *typed, const char *word, unsigned *best);

#endif
