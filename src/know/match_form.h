/* The forms behind match.h: normalised text, its words, and what of an unfinished text can no longer change. Internal
 * to know/ (and its test).
 *
 * An unfinished text t is cut in two at a *boundary*: t = stable + open, such that for every continuation u
 *
 *     normal(t u) = normal(stable) normal(open u)                         (normal: step 2 of match.h)
 *
 * so what is said about normal(stable) is said about every answer that begins with t. A boundary lies
 *
 *   before a character that cannot join what stands left of it: neither a mark nor a Hangul vowel or final consonant,
 *   also in its compatibility forms (whatever reorders, or is the second of a canonical composition, is one of these);
 *
 *   behind a character that nothing joins from the right: ASCII but for letters and < = >, category P, white space.
 *
 * The open part is therefore mostly the last letter, with the marks after it. Of it `lead` is known: what its first
 * character decomposes to, as far as no later mark can come in between. Marks can turn "e" into e-acute, but its
 * decomposition still begins with "e". That is why unfinished texts are compared with golds in decomposed form: each
 * character of the *form* is replaced by its own canonical decomposition, without reordering, so that equal forms give
 * equal decomposed forms and a prefix stays a prefix.
 *
 * A cut character at the end (the first bytes of a longer UTF-8 character) belongs to the open part and says nothing:
 * it may become any mark, or U+FFFD. */
#ifndef SLK_KNOW_MATCH_FORM_H
#define SLK_KNOW_MATCH_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLK_FORM_LEAD  48  /* most bytes of a lead, below */
#define SLK_FORM_LOCAL 576 /* bytes a string keeps without the heap */

/* A string that lives in `local` while it is short; data is not NUL-terminated. Do not copy the struct. */
typedef struct slk_form_str {
    char *data;
    size_t len;
    char local[SLK_FORM_LOCAL];
} slk_form_str;

/* Free what does not fit `local`; the struct is the caller's. */
void slk_form_str_release(slk_form_str *s);

/* The words of a normalised text joined by one space. The last word is unfinished while no white space followed it:
 * it stands behind the finished ones (and one space), from open_at on; open_at == str.len: there is none. */
typedef struct slk_form {
    slk_form_str str;
    size_t closed_len; /* bytes of the finished words, without the space behind them */
    size_t open_at;
} slk_form;

/* Steps 1 and 2 of match.h for text [n_bytes]; the result is valid UTF-8. false: out of memory (never for ASCII that
 * fits `local`). Release with slk_form_str_release(), also after false. */
bool slk_form_fold(slk_form_str *out, const char *text, size_t n_bytes);
/* Steps 3 to 5 (without 3 and 4 when !deleting) of folded text x [n_bytes]. false: out of memory. Release as above. */
bool slk_form_words(slk_form *out, const char *x, size_t n_bytes, bool deleting);
/* The text ends here: the unfinished word is a word. */
void slk_form_finish(slk_form *form, bool deleting);
/* The same words with each character decomposed by itself. false: out of memory. Release as above. */
bool slk_form_decompose(slk_form *out, const slk_form *form);
bool slk_form_is_ascii(const slk_form *form); /* then it is its own decomposition */

/* Cut an unfinished text. */
typedef struct slk_form_cut {
    size_t n_stable;          /* bytes of the text that are stable */
    char lead[SLK_FORM_LEAD]; /* what the form surely goes on with (decomposed, no marks, punctuation or white space) */
    size_t n_lead;
} slk_form_cut;
/* text [n_bytes] is valid UTF-8 (repaired, and a cut character at its end left out). false: out of memory (never when
 * it ends in ASCII). */
bool slk_form_cut_find(slk_form_cut *out, const char *text, size_t n_bytes);
/* The unfinished word of form (decomposed) goes on with the cut's lead. Once per form; there is room for it. */
void slk_form_add_lead(slk_form *form, const slk_form_cut *cut);

#endif
