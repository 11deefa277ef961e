/* Probing into a store: which facts have no label yet, the prompts that are asked, and labels committed as they are
 * found, so that a process that is killed loses a second of work. */
#ifndef SLK_KNOW_LABELLING_H
#define SLK_KNOW_LABELLING_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/fact.h"
#include "base/label.h"
#include "base/progress.h"
#include "know/exemplars.h"
#include "know/probe.h"
#include "store/store.h"

struct slk_model;

/* What decides the labels that slk_probe_run() would find with these options. match: the rule as written; set: the fact
 * set's name; pool: the split of the exemplars. */
void slk_labelling_describe(slk_label_settings *out, const struct slk_model *model, const slk_probe_options *options,
                            const char *match, const char *set, slk_split pool);

/* The facts of `pool` of the relations that are asked about. Release *out. Errors: those of slk_store_load_facts. */
slk_status slk_labelling_load_pool(slk_store *store, slk_facts *out, const char *set, slk_split pool,
                                   const slk_fact *const *asked, size_t n_asked, slk_err *err);

/* Those of asked [n_asked] that have no label in the set yet, in their order; free(*open). */
slk_status slk_labelling_find_open(slk_store *store, int64_t label_set, const slk_fact *const *asked, size_t n_asked,
                                   const slk_fact ***open, size_t *n_open, slk_err *err);

/* Store the prompts of facts [n], probe them, and store their labels once a second and at the end, also after a
 * failure or an interruption. exemplars were created for these facts. stats may be NULL. Errors: those of
 * slk_probe_run, slk_store_put_prompts and slk_store_put_labels. */
slk_status slk_labelling_run(slk_store *store, int64_t label_set, const struct slk_model *model,
                             const slk_fact *const *facts, size_t n, const slk_exemplars *exemplars,
                             const slk_probe_options *options, const slk_progress *progress, slk_probe_stats *stats,
                             slk_err *err);

#endif
