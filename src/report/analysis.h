/* Everything that a report says, computed once from a dataset for one learning rate, as plain structs; figures, tables
 * and sentences only show it. Numbers are in % and points (percentage points) unless a name says otherwise.
 *
 * What interval is used where (DESIGN.md, STUDY.md section 3):
 *   a mean, a difference      t over seeds; differences within a seed first
 *   the linear model          t over the fits of single seeds from SLK_REPORT_MIN_SEEDS on; else a bootstrap that draws
 *                             whole runs, from SLK_REPORT_MIN_CLUSTERS runs on. The textbook's errors are kept beside
 *                             them to be shown as what they are: too small, since epochs of a run are not independent
 *   marks of Tables 2 and 7   the paper's paired t-test over parts of the test facts, which knows nothing of seeds */
#ifndef SLK_REPORT_ANALYSIS_H
#define SLK_REPORT_ANALYSIS_H

#include "report/dataset.h"
#include "report/finding.h"
#include "report/measure.h"

#define SLK_REPORT_MIN_SEEDS     3
#define SLK_REPORT_MIN_CLUSTERS  8
#define SLK_REPORT_MAX_DURATIONS 6

/* --- accuracy against % Unknown: Figures 3a and 7 --------------------------------------------------------------------
 */

typedef struct slk_curve_point {
    double unknown;     /* % of D */
    slk_estimate at;    /* of the runs that count */
    slk_estimate as_is; /* CONVERGENCE: of all runs at their last epoch, fitted or not; else as `at` */
    size_t n_short;     /* CONVERGENCE: runs that fitted less than 95% of D */
} slk_curve_point;

typedef struct slk_curve {
    slk_duration duration;
    slk_curve_point *points; /* [n] ascending; one for each share that was run */
    size_t n;
} slk_curve;

/* --- D against D_Known: Figure 3b -----------------------------------------------------------------------------------
 */

typedef struct slk_pair {
    double unknown;                                  /* % of D */
    slk_estimate with[2], without[2], difference[2]; /* D, D_Known, D - D_Known; [0] EARLY_STOP, [1] CONVERGENCE */
} slk_pair;

/* --- how training examples are fitted: Figures 1, 4, 6 ---------------------------------------------------------------
 */

typedef struct slk_fit_curve {
    double unknown;                                    /* % of D */
    int32_t *epochs;                                   /* [n] */
    slk_estimate *known, *unknown_fitted, *dev, *test; /* [n] at those epochs */
    size_t n;
    double early; /* mean EARLY_STOP epoch over runs */
    int32_t early_low, early_high;
    slk_estimate early_known, early_unknown, early_gap; /* fitted at EARLY_STOP, and Known less Unknown */
    double share_known;                                 /* % of D that is Known */
} slk_fit_curve;

/* --- the linear model: Table 1 ---------------------------------------------------------------------------------------
 */

enum { SLK_B0, SLK_B_KNOWN, SLK_B_UNKNOWN, SLK_N_B };

typedef struct slk_linear {
    bool is_fitted;
    char why[160]; /* of a model that is not */
    size_t n_rows, n_runs, n_seeds;
    double b[SLK_N_B], ols_low[SLK_N_B], ols_high[SLK_N_B], ols_se[SLK_N_B], r2; /* all epochs of all runs in one fit */
    double boot_low[SLK_N_B], boot_high[SLK_N_B]; /* runs drawn again; NAN: too few runs */
    slk_estimate by_seed[SLK_N_B];                /* fits of single seeds */
    slk_estimate claim[SLK_N_B];                  /* what claims are made of: one of the two above */
    const char *claim_by;                         /* "seeds" "runs"; "" : no interval */
    bool weighted; /* not every epoch was evaluated: one that was counts for those that it is the nearest to */
} slk_linear;

/* --- single categories: Tables 2 and 7 -------------------------------------------------------------------------------
 */

enum { SLK_TABLE2_ROWS = SLK_N_CATEGORIES + 1 };    /* one a category, then D_Natural */
enum { SLK_TABLE2_COLUMNS = SLK_N_CATEGORIES + 1 }; /* the whole test set, then one a category */

typedef struct slk_cell {
    slk_estimate at;
    bool is_best;   /* of its column */
    double p_best;  /* of "as good as the best of the column"; NAN: no test */
    double p_early; /* CONVERGENCE: of "as good as at EARLY_STOP" */
} slk_cell;

typedef struct slk_table2_row {
    const char *name; /* "D_HighlyKnown" */
    bool is_there;
    size_t n_short; /* runs left out of CONVERGENCE */
    slk_cell cells[2][SLK_TABLE2_COLUMNS];
} slk_table2_row;

/* --- "I don't know": Table 8
 * ------------------------------------------------------------------------------------------ */

typedef struct slk_idk {
    bool is_there;
    double unknown;                              /* % of D */
    slk_estimate accuracy[2][2], answered[2][2]; /* [0] D, [1] D_IDK; then EARLY_STOP, CONVERGENCE */
    slk_estimate right[2][2];                    /* right answers, of all questions */
    slk_estimate gain[2];                        /* accuracy on answered questions, D_IDK less D */
    slk_estimate late[2];                        /* the same, CONVERGENCE less EARLY_STOP, D and D_IDK */
    size_t n_short;
} slk_idk;

/* --- SliCK against P(True): Figure 5
 * ----------------------------------------------------------------------------------- */

typedef struct slk_share_accuracy {
    double share, accuracy; /* share of test facts called Unknown, accuracy on them after fine-tuning */
} slk_share_accuracy;

typedef struct slk_threshold {
    bool is_there;
    size_t n_facts, n_runs;
    slk_share_accuracy *line; /* [n_line] P(True), by rising threshold; NULL: P(True) was not measured */
    size_t n_line;
    slk_share_accuracy *slick; /* [n_slick] by N_ex = 1, 2, ... */
    slk_estimate *slick_at;    /* [n_slick] the accuracy with its interval */
    size_t n_slick;
    slk_estimate below; /* SliCK's Unknown (all N_ex) less the line at the same share */
} slk_threshold;

/* --- how much of what there is: Tables 3 to 5
 * ------------------------------------------------------------------------- */

enum { SLK_COUNTS_TRAIN, SLK_COUNTS_TEST, SLK_COUNTS_OOD, SLK_N_COUNTS };

typedef struct slk_relation_row {
    const char *relation;
    uint32_t n[SLK_REPORT_N_GROUPS];
} slk_relation_row;

typedef struct slk_counts {
    slk_relation_row *rows; /* [n] in the order of the facts */
    size_t n;
    uint32_t all[SLK_REPORT_N_GROUPS];
} slk_counts;

/* --- labels against what the model was exposed to (exposure.h)
 * --------------------------------------------------------
 */

#define SLK_TRUTH_MAX_KINDS 12
#define SLK_TRUTH_MAX_SEEN  8 /* numbers of mentions that have a row: 0, 1, ... and the rest */
#define SLK_TRUTH_MAX_STEPS 16

typedef struct slk_truth_row {
    char name[32];
    uint32_t n[SLK_N_CATEGORIES];
} slk_truth_row;

/* What guessing is worth in a relation. The frequent answer is that of the dev facts, where exemplars come from. */
typedef struct slk_truth_relation {
    const char *relation, *frequent;
    uint32_t n_dev, n_dev_frequent;     /* dev facts; those with the frequent answer */
    uint32_t n_never, n_never_frequent; /* never exposed; those whose right answer is the frequent one */
    uint32_t n_never_known;             /* never exposed, and called Known */
    double never_greedy;                /* share of their greedy answers that are right, in %; NAN: there are none */
} slk_truth_relation;

/* Mistakes of labels from fewer prompts or samples, in %, with Wilson's interval over facts. */
typedef struct slk_truth_step {
    unsigned n;                             /* prompts, or samples of each prompt */
    slk_estimate never_known, seen_unknown; /* never exposed and called Known; exposed and called Unknown */
} slk_truth_step;

typedef struct slk_truth {
    bool is_there;
    slk_truth_row kinds[SLK_TRUTH_MAX_KINDS], seen[SLK_TRUTH_MAX_SEEN];
    size_t n_kinds, n_seen;
    uint32_t n_never, n_exposed, n_never_frequent;
    slk_truth_relation *relations; /* [n_relations] in the order of the facts */
    size_t n_relations;
    slk_truth_step *by_prompts, *by_samples; /* [n_by_prompts], [n_by_samples] ascending; the last has all */
    size_t n_by_prompts, n_by_samples;
    slk_estimate never_known, seen_unknown;
    slk_estimate undisputed_unknown, disputed_unknown; /* of the exposed: without, with wrong mentions */
    double never_greedy;                               /* share of right greedy answers of the never exposed, in % */
    char *sentence;                                    /* what all this says */
} slk_truth;

/* --- all of it
 * ---------------------------------------------------------------------------------------------------------- */

typedef struct slk_analysis {
    const slk_dataset *ds;
    double lr;
    slk_variant *variants;
    size_t n_variants;
    size_t n_runs, n_done, n_failed, n_short, n_seeds;
    int32_t last_epoch;                               /* the largest */
    double early_low, early_high;                     /* range of EARLY_STOP epochs; NAN: no run */
    slk_duration durations[SLK_REPORT_MAX_DURATIONS]; /* [n_durations] EARLY_STOP first, CONVERGENCE last */
    size_t n_durations;
    slk_curve test[SLK_REPORT_MAX_DURATIONS], ood[SLK_REPORT_MAX_DURATIONS];
    slk_pair *pairs;
    size_t n_pairs;
    slk_fit_curve *fits; /* [n_fits] by % Unknown */
    size_t n_fits;
    const slk_fit_curve *half;    /* the one nearest to 50% with both kinds; NULL: none */
    slk_estimate half_fitted_gap; /* epochs from half of Known fitted to half of Unknown fitted */
    bool half_fitted_at_least;    /* some run never fitted half of its Unknown: a lower bound */
    slk_linear linear[2];         /* in, out of distribution */
    slk_table2_row table2[SLK_TABLE2_ROWS];
    slk_idk idk;
    slk_threshold threshold;
    slk_counts counts[SLK_N_COUNTS];
    slk_truth truth;
    slk_finding *findings;
    size_t n_findings;
    slk_arena arena;
} slk_analysis;

/* Analyse the runs at `lr`. The dataset must outlive it. Errors: SLK_E_MEMORY. slk_analysis_release() in any case. */
slk_status slk_analysis_make(slk_analysis *out, const slk_dataset *ds, double lr, slk_err *err);
void slk_analysis_release(slk_analysis *a);

/* The parts, in this order; each is one file, and may use what came before. Errors: SLK_E_MEMORY. */
slk_status slk_analyse_accuracy(slk_analysis *a, slk_err *err);
slk_status slk_analyse_fits(slk_analysis *a, slk_err *err);
slk_status slk_analyse_linear(slk_analysis *a, slk_err *err);
slk_status slk_analyse_table2(slk_analysis *a, slk_err *err);
slk_status slk_analyse_idk(slk_analysis *a, slk_err *err);
slk_status slk_analyse_threshold(slk_analysis *a, slk_err *err);
slk_status slk_analyse_counts(slk_analysis *a, slk_err *err);
slk_status slk_analyse_truth(slk_analysis *a, slk_err *err);
slk_status slk_analyse_findings(slk_analysis *a, slk_err *err);

/* Shares (% of D, 0 .. 100) that kind "unknown" was run with, ascending; free(*shares). */
slk_status slk_analysis_shares(const slk_analysis *a, double **shares, size_t *n, slk_err *err);
/* The finished variant of kind "unknown" with that share of Unknown, in %. NULL: none. */
const slk_variant *slk_analysis_unknown(const slk_analysis *a, double percent);

#endif
