/* One study as arrays in memory: everything the store has about it, read once. Nothing here is computed beyond counts.
 *
 *     facts     all labelled facts of the label set; everything else refers to them by place
 *     sets      dev, test, ood: places of facts, in the order of the outcome bits
 *     runs      one fine-tuning each, with its training set and its epochs; an epoch has the outcome bits and how many
 *               there are of each category
 *
 * Bits stay bits: 60 runs of 50 epochs over 36,000 facts are 30 MB. */
#ifndef SLK_REPORT_DATASET_H
#define SLK_REPORT_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/fact.h"
#include "base/label.h"
#include "base/mem.h"
#include "store/labels.h"
#include "store/runs.h"

#define SLK_REPORT_N_GROUPS (SLK_N_CATEGORIES + 1) /* the four categories, then facts without one */
#define SLK_REPORT_MAX_SEEN 6                      /* answers kept a fact: the most frequent ones */

/* An answer that the model gave before fine-tuning. */
typedef struct slk_report_seen {
    const char *text;
    bool match;
    uint16_t n_greedy, n_sampled;
} slk_report_seen;

typedef struct slk_exposure slk_exposure; /* exposure.h */

typedef struct slk_report_fact {
    uint64_t id;
    const char *relation, *question, *answer; /* answer: the canonical one */
    const char *aliases;                      /* other true answers and spellings, "; " between them; "" */
    slk_split split;
    bool ood, in_study; /* in dev, test, ood or the D of a run */
    int8_t category;    /* slk_category; -1: not labelled, or unlabelable */
    double p_greedy, p_sampled, p_gold;
    double p_true;                /* NAN: not measured */
    int8_t *category_by_n;        /* [n_ex] category had there been 1, 2, ... prompts */
    int8_t *category_by_samples;  /* [n_samples + 1] ... or 0, 1, ... samples of each prompt */
    const slk_exposure *exposure; /* NULL: not known */
    slk_report_seen *seen;        /* [n_seen] most frequent first */
    size_t n_seen, n_unseen;      /* kept, and how many different ones more there were */
} slk_report_fact;

/* Facts in the order of bits. */
typedef struct slk_report_set {
    size_t n;
    uint32_t *fact;   /* [n] place in facts */
    int8_t *category; /* [n] slk_category, or -1 */
    uint8_t *idk;     /* [n] 1: trained to be refused */
    uint32_t n_in[SLK_REPORT_N_GROUPS];
} slk_report_set;

typedef struct slk_report_epoch {
    int32_t epoch;
    double loss; /* NAN: epoch 0 */
    bool has[SLK_N_STUDY_SETS];
    uint8_t *right[SLK_N_STUDY_SETS], *refused[SLK_N_STUDY_SETS]; /* bits; NULL: none was kept */
    uint32_t n_right[SLK_N_STUDY_SETS][SLK_REPORT_N_GROUPS];
    uint32_t n_refused[SLK_N_STUDY_SETS][SLK_REPORT_N_GROUPS];
    uint32_t n_answered_right[SLK_N_STUDY_SETS]; /* right and not refused, over all groups */
} slk_report_epoch;

typedef struct slk_report_run {
    const slk_study_run *info; /* one of slk_dataset.infos */
    slk_report_set train;      /* n 0: not finished */
    slk_report_epoch *epochs;  /* [n_epochs] ascending; finished runs only */
    size_t n_epochs;
} slk_report_run;

typedef struct slk_dataset {
    slk_study_info study;
    slk_label_set_info labels;
    unsigned n_ex, n_samples;
    slk_report_fact *facts; /* [n_facts] in the order of the fact set */
    size_t n_facts;
    slk_report_set sets[SLK_N_STUDY_SETS]; /* the one of SLK_SET_TRAIN stays empty: each run has its own */
    slk_study_run *infos;
    slk_report_run *runs; /* [n_runs] in the order they were added */
    size_t n_runs;
    bool has_p_true;
    double *lrs; /* [n_lrs] learning rates, in the order of the runs */
    size_t n_lrs;
    slk_arena arena; /* texts and arrays of facts */
} slk_dataset;

/* Load study `id` (0: the newest). Errors: SLK_E_NOT_FOUND; SLK_E_FORMAT (a study that names facts which its label set
 * does not have, bits that do not fit their set); SLK_E_MEMORY, and the store's. slk_dataset_release() in any case. */
slk_status slk_dataset_load(slk_dataset *out, slk_store *store, int64_t id, slk_err *err);
void slk_dataset_release(slk_dataset *ds);

/* 0 .. SLK_REPORT_N_GROUPS - 1. */
static inline int slk_report_group(int8_t category)
{
    return category >= 0 && category < SLK_N_CATEGORIES ? category : SLK_N_CATEGORIES;
}

/* Bit i. */
static inline bool slk_report_bit(const uint8_t *bits, size_t i)
{
    return bits && (bits[i / 8] >> (i % 8) & 1);
}

/* The set that an epoch's bits of `set` are about: the run's own for SLK_SET_TRAIN. */
static inline const slk_report_set *slk_report_set_of(const slk_dataset *ds, const slk_report_run *run,
                                                      slk_study_set set)
{
    return set == SLK_SET_TRAIN ? &run->train : &ds->sets[set];
}

/* The evaluated epoch of this number; NULL: none. */
const slk_report_epoch *slk_report_find_epoch(const slk_report_run *run, int32_t epoch);

/* Share of facts answered rightly, in %, of those of one group, or -1: all. NAN: not evaluated, or there are none. */
double slk_report_accuracy(const slk_dataset *ds, const slk_report_run *run, const slk_report_epoch *epoch,
                           slk_study_set set, int group);
/* Share that is fitted of the Known (known true) or Unknown facts of D, in %. NAN: not evaluated, or there are none. */
double slk_report_fitted(const slk_report_run *run, const slk_report_epoch *epoch, bool known);
/* How many are fitted. */
uint32_t slk_report_n_fitted(const slk_report_epoch *epoch, bool known);

#endif
