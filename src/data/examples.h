/* Examples: facts to be trained on or asked, each with the SliCK category that its file or a label set gives it.
 * The input of `slick train` and `slick eval`.
 *
 * A data file has the records of reader.h (JSON lines, JSON, CSV, TSV; standard input: JSON lines) and one field more:
 *
 *     category   HighlyKnown, MaybeKnown, WeaklyKnown or Unknown; may be absent
 *
 * So the lines of `slick labels --jsonl` and `slick mix` are examples as they stand. Unlike an import, nothing is
 * filtered: questions with several answers stay (the first is trained on, any of them matches), and so do facts of
 * every split. Records of equal identity (fact.h: relation, question and answers) are one example, the first; a later
 * one may give it the category that it lacked, and is an error when it says another. */
#ifndef SLK_DATA_EXAMPLES_H
#define SLK_DATA_EXAMPLES_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/fact.h"
#include "base/label.h"
#include "data/reader.h"

typedef struct slk_examples {
    char *name;             /* of the file, for messages: "data.jsonl", "standard input" */
    slk_facts facts;        /* [n] each identity once, in the order of the file */
    const slk_fact **items; /* [n] pointers to them, as evaluation takes facts */
    int8_t *categories;     /* [n] slk_category, or -1: none */
    long *lines;            /* [n] where the record begins in the file; 0: from no file */
    size_t n;
    size_t n_duplicates;                    /* records that were dropped, their fact being there already */
    size_t n_several;                       /* examples with several true answers */
    size_t n_in_category[SLK_N_CATEGORIES]; /* examples of each category */
    size_t n_uncategorised;
    size_t cap_categories, cap_lines; /* while it is filled */
} slk_examples;

/* Read a file ("-": standard input). options NULL: as slk_read_options_init(). *out is released by the caller, and
 * empty after a failure. Errors: those of slk_data_read_file (an empty file, a record without question or answer,
 * ...); SLK_E_FORMAT ("FILE:LINE: ..."): another category, two categories for one fact. */
slk_status slk_examples_read_file(slk_examples *out, const char *path, const slk_read_options *options, slk_err *err);
/* The same from memory; name is for messages. */
slk_status slk_examples_read_text(slk_examples *out, const char *text, size_t n_bytes, const char *name,
                                  const slk_read_options *options, slk_err *err);
void slk_examples_release(slk_examples *examples);

/* Examples from elsewhere (a store): begin, add, finish. name is copied. Errors: SLK_E_MEMORY. */
slk_status slk_examples_begin(slk_examples *out, const char *name, slk_err *err);
/* Append by moving *fact (zeroed afterwards). category: slk_category or -1; line 0: none. Errors: SLK_E_MEMORY. */
slk_status slk_examples_add(slk_examples *examples, slk_fact *fact, int category, long line, slk_err *err);
/* Drop duplicates, count, and point `items` to the facts, which must not move any more. Errors: SLK_E_FORMAT (two
 * categories for one fact), SLK_E_MEMORY. */
slk_status slk_examples_finish(slk_examples *examples, slk_err *err);

/* Put "NAME:LINE: " of example i (or "NAME: " where it has no line) before err's message; returns code. */
slk_status slk_examples_fail_in(const slk_examples *examples, size_t i, slk_status code, slk_err *err);

#endif
