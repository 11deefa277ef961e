/* Import: read, filter, report. What `slick import` does before the facts go into the store. */
#ifndef SLK_DATA_IMPORT_H
#define SLK_DATA_IMPORT_H

#include "data/entityquestions.h"
#include "data/filter.h"
#include "data/reader.h"

/* EntityQuestions out of a folder or archive (entityquestions.h) through the filters. options->left_out is replaced:
 * the study's 5 relations and any that are not among its 24. Text that only the options change: nothing else decides
 * the result. facts and report are the caller's to release; both empty on failure. Errors: those of slk_eq_read and
 * slk_facts_filter. */
slk_status slk_import_entityquestions(slk_facts *facts, slk_import_report *report, const char *path,
                                      const slk_filter_options *options, slk_err *err);

/* The facts of the built-in model (base/builtin.h), with EntityQuestions' relations in and out of distribution, and
 * with subjects as there. The same otherwise. Errors: SLK_E_NOT_FOUND (nothing is built in), those of
 * slk_data_read_text and slk_facts_filter. */
slk_status slk_import_builtin(slk_facts *facts, slk_import_report *report, const slk_filter_options *options,
                              slk_err *err);

/* Files of any format (reader.h), read in the given order as one set, through the filters. Subjects are those that the
 * files give. Errors: those of slk_data_read_file and slk_facts_filter. */
slk_status slk_import_files(slk_facts *facts, slk_import_report *report, const char *const *paths, size_t n_paths,
                            const slk_read_options *reading, const slk_filter_options *options, slk_err *err);

#endif
