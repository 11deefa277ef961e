/* The labels of a study: which label set, and probing what it lacks.
 *
 * Labels are bit-identical on one kind of kernel only, and so label sets of other kernels stay apart; but a study needs
 * labels, not this machine's. So a set that has every label of the study is taken wherever it was made, and only
 * otherwise this machine's own is begun or completed. */
#ifndef SLK_STUDY_LABELS_H
#define SLK_STUDY_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/progress.h"
#include "know/probe.h"
#include "store/labels.h"
#include "study/config.h"
#include "study/material.h"

struct slk_model;

/* How the file asks: release with slk_study_asking_release. */
typedef struct slk_study_asking {
    slk_probe_options options;
    slk_template *template;
} slk_study_asking;
/* Errors: slk_template_open's, with the study file's line. */
slk_status slk_study_asking_init(slk_study_asking *out, const slk_study_config *config, slk_err *err);
void slk_study_asking_release(slk_study_asking *asking);

/* Find the label set for the material's facts. model: this one, or NULL where none is open: then only a complete set is
 * found. dtype: "f32" or "bf16" that it must have, or NULL. *id 0: there is none; *n_open (may be NULL): facts without
 * a label in it (all of them where there is none). */
slk_status slk_study_find_labels(int64_t *id, size_t *n_open, slk_store *store, const slk_study_config *config,
                                 const slk_study_material *material, const struct slk_model *model, const char *dtype,
                                 slk_err *err);

/* The label set that this machine makes of it, *id; begun if there is none. Errors: slk_study_asking_init's, the
 * store's. */
slk_status slk_study_begin_labels(int64_t *id, slk_store *store, const slk_study_config *config,
                                  const slk_study_material *material, const struct slk_model *model, slk_err *err);

/* Label part `shard` of `n_shards` (0 and 1: all) of the material's facts in this machine's label set, *id: what has a
 * label there is left. Also prompts and, where the file asks for it, P(True) of the test facts of the part. Progress
 * counts facts. Errors: slk_exemplars_create's, slk_labelling_run's, slk_p_true_fill's. */
slk_status slk_study_probe(int64_t *id, slk_store *store, const slk_study_config *config,
                           const slk_study_material *material, const struct slk_model *model, size_t shard,
                           size_t n_shards, const slk_progress *progress, slk_err *err);

/* P(True) of the test facts in label set `id`, where it is missing. *skipped: the label set is one of other kernels,
 * and nothing was computed. Errors: slk_p_true_fill's. */
slk_status slk_study_measure_p_true(slk_store *store, int64_t id, const slk_study_material *material,
                                    const struct slk_model *model, const slk_progress *progress, bool *skipped,
                                    slk_err *err);
/* How many test facts have none. */
slk_status slk_study_count_p_true(size_t *n_missing, slk_store *store, int64_t id, const slk_study_material *material,
                                  slk_err *err);

#endif
