/* Does an answer match the gold, and can an unfinished answer still come to match? (DESIGN.md, Matching and
 * Definitions.)
 *
 *   em        NFKC, full case folding, delete category P, delete the words a / an / the, collapse white space, in that
 * order; if nothing is left, compare without the two deletions strict    equal after trimming contains  the gold's
 * words, contiguous, among the answer's (both normalised as em) f1:X      bag of normalised words, F1 >= X
 *
 * What "in that order" means, to the bit:
 *   1. Bytes that are no UTF-8 become U+FFFD (slk_utf8_repair).
 *   2. SLK_NFKC_CASEFOLD: NFKC(fold(NFKC(text))).
 *   3. Characters of category P are deleted. Nothing is composed again over the gap: "a", ".", U+0303 stays two
 * characters.
 *   4. Words are the longest runs without white space (slk_char_is_space); a word that is now exactly a, an or the is
 *      deleted, so "t-he" is deleted, too.
 *   5. The words that are left are joined by one space.
 *   Where steps 3 and 4 leave nothing of a *gold* ("The The", "?!", "A"), that gold is compared with the answer both
 *   without steps 3 and 4. (For em it makes no difference whether the gold or each side by itself decides that: a form
 *   made of articles and punctuation only never equals one that has anything else.)
 * Golds of one fact with the same form are one gold. */
#ifndef SLK_KNOW_MATCH_H
#define SLK_KNOW_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"
#include "base/fact.h"

typedef enum slk_match_kind { SLK_MATCH_EM, SLK_MATCH_STRICT, SLK_MATCH_CONTAINS, SLK_MATCH_F1 } slk_match_kind;

typedef struct slk_match_rule {
    slk_match_kind kind;
    double threshold; /* F1 only: 0 < threshold <= 1 */
} slk_match_rule;

/* "em", "strict", "contains", "f1:0.8". Errors: SLK_E_ARG. */
slk_status slk_match_parse(slk_match_rule *out, const char *text, slk_err *err);

/* The golds of one fact, normalised once. Never changed after creation: any number of threads may ask it. */
typedef struct slk_golds slk_golds;
/* Answers and aliases of fact (copied). Errors: SLK_E_MEMORY, SLK_E_FORMAT (empty answer or alias). */
slk_status slk_golds_create(slk_golds **out, const slk_match_rule *rule, const slk_fact *fact, slk_err *err);
void slk_golds_free(slk_golds *golds);

/* Normalise one text as the rule does (for reports and tests): step 5's words, or where steps 3 and 4 leave nothing,
 * the words without them; for strict the trimmed text. Under em two texts match exactly if these are equal.
 * NUL-terminated; free() it; NULL: out of memory. */
char *slk_match_normalize(const slk_match_rule *rule, const char *text, size_t n_bytes);

/* A finished answer: text up to its end (line break excluded), untrimmed, any bytes (broken UTF-8 is repaired with
 * U+FFFD first). -1: out of memory (never for an ASCII text of at most 512 bytes). */
int slk_golds_match(const slk_golds *golds, const char *text, size_t n_bytes);

/* An unfinished answer: the bytes so far (no 0x0A among them; the last character may be cut). false only if no
 * continuation whatever can make slk_golds_match true: "dead" must be provable, everything else is alive. Deciding by
 * normalised text: later combining marks, cut characters, unfinished articles, punctuation inside words, white space at
 * the end all keep it alive. What is dead stays dead however it goes on. Out of memory says alive. See match_form.h for
 * why it is right. */
bool slk_golds_alive(const slk_golds *golds, const char *text, size_t n_bytes);

#endif
