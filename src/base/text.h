/* Unicode text: validation, decoding, normal forms. Thin over utf8proc; everything else in slick that looks at
 * characters goes through here. */
#ifndef SLK_BASE_TEXT_H
#define SLK_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

/* Length of the valid UTF-8 prefix of text; == n_bytes when all of it is valid (no surrogates, no overlong forms). */
size_t slk_utf8_valid(const char *text, size_t n_bytes);
/* Decode one character at text; returns bytes used (1..4), or 0 when the bytes there are not a character (or n_bytes =
 * 0). *code is the scalar value. */
int slk_utf8_decode(uint32_t *code, const char *text, size_t n_bytes);
/* Encode code into out; returns 1..4. What is no scalar value (a surrogate, above 0x10FFFF) becomes U+FFFD. */
int slk_utf8_encode(char out[4], uint32_t code);
/* Does text end in the beginning of a character that further bytes could complete? Gives that tail's length (0..3). */
size_t slk_utf8_open_tail(const char *text, size_t n_bytes);
/* A copy in which every byte that is no part of a valid character became U+FFFD (a run that could begin a character
 * becomes one, as Python's errors="replace" does). free() it; *n_out may be NULL. NULL: out of memory. */
char *slk_utf8_repair(const char *text, size_t n_bytes, size_t *n_out);

typedef enum slk_normal_form { SLK_NFC, SLK_NFKC, SLK_NFKC_CASEFOLD } slk_normal_form;
/* Normalise valid UTF-8. SLK_NFKC_CASEFOLD = full case folding of the NFKC form, and NFKC again. free() the result.
 * Errors: SLK_E_FORMAT (invalid UTF-8, with the byte's offset), SLK_E_MEMORY. U+0000 becomes U+FFFD. */
slk_status slk_text_normalize(char **out, slk_normal_form form, const char *text, size_t n_bytes, slk_err *err);

bool slk_char_is_punctuation(uint32_t code); /* category P* */
bool slk_char_is_space(uint32_t code);       /* White_Space property: 9-13, 32, 0x85, 0xA0, category Z* */
bool slk_char_is_mark(uint32_t code);        /* category M* */
/* Full canonical decomposition (NFD of one character); returns how many characters out holds (1..4). */
int slk_char_decompose(uint32_t out[4], uint32_t code);
/* [*begin, *end) of text without leading and trailing white space (slk_char_is_space). */
void slk_text_trim(const char *text, size_t n_bytes, size_t *begin, size_t *end);

#endif
