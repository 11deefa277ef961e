/* What the facts of a study were exposed to when the model was pre-trained: ground truth that labels can be held
 * against.
 *
 * A table of tab-separated values with a header: question, answer, relation and split as slick import reads them, and
 *     kind                   how the fact was treated ("clean", "minority", ...), any word
 *     list_right list_wrong  mentions in one pass over the corpus of its right answer, and of a wrong one, in lists of
 *     text_right text_wrong  questions and answers, and in statements; all whole numbers
 *     instruct               mentions (right ones) in the format of fine-tuning
 * Other columns are for people. Facts are found by their identity; rows about other facts are fine. */
#ifndef SLK_REPORT_EXPOSURE_H
#define SLK_REPORT_EXPOSURE_H

#include "report/dataset.h"

struct slk_exposure {
    const char *kind;
    uint32_t right, wrong;           /* mentions of either kind in one pass */
    uint32_t list_right, list_wrong; /* of those: in lists of questions and answers */
};

/* A table in memory; name is for messages. */
typedef struct slk_exposure_table {
    const char *name, *text;
    size_t n_bytes;
} slk_exposure_table;

/* Set slk_report_fact.exposure of the facts of ds that the table has. Errors: SLK_E_FORMAT (NAME:LINE: COLUMN: what is
 * wrong), SLK_E_NOT_FOUND (a column is missing; none of the dataset's facts is there), SLK_E_MEMORY. */
slk_status slk_exposure_load(slk_dataset *ds, const slk_exposure_table *table, slk_err *err);

#endif
