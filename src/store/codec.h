/* Labels as bytes: bits and draw lists as schema.c describes them. Not for other modules. */
#ifndef SLK_STORE_CODEC_H
#define SLK_STORE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/label.h"
#include "base/mem.h"

/* n flags (0 or 1; NULL: all 0) as bits, 8 a byte, the first lowest: (n + 7) / 8 bytes are added. */
void slk_codec_add_bits(slk_buf *out, const uint8_t *flags, size_t n);
/* Back; false when n_bytes is not (n + 7) / 8. */
bool slk_codec_get_bits(uint8_t *flags, size_t n, const void *data, size_t n_bytes);
/* n doubles, little-endian (NULL: zeros). */
void slk_codec_add_doubles(slk_buf *out, const double *values, size_t n);
bool slk_codec_get_doubles(double *values, size_t n, const void *data, size_t n_bytes);

/* One distinct text of a label, ready to be stored. */
typedef struct slk_coded_answer {
    const char *text; /* borrowed from the label */
    bool match;
    uint32_t n_greedy, n_sampled;
    uint32_t last; /* draw number added last */
    slk_buf draws;
} slk_coded_answer;

typedef struct slk_coded_answers {
    slk_coded_answer *items; /* [n] in the order of first occurrence */
    size_t n, cap;
} slk_coded_answers;

/* Group a label's answers by text. Returns NULL when all is well, else what is wrong with them ("" = out of memory).
 * Release *out in any case. */
const char *slk_codec_group_answers(slk_coded_answers *out, const slk_label *label);
void slk_coded_answers_release(slk_coded_answers *answers);

/* Append one stored text's draws to label->answers (each gets a copy of text); room for n_ex * (n_samples + 1) answers
 * must be there. false: damaged, or out of memory. */
bool slk_codec_get_draws(slk_label *label, const char *text, bool match, const void *data, size_t n_bytes);
/* Order label->answers by (prompt, draw). false: a draw is there twice. */
bool slk_codec_sort_answers(slk_label *label);

#endif
