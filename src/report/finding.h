/* A finding: one of the paper's claims (STUDY.md section 4), what this study measures of it, and whether it holds.
 *
 * The verdict comes from where the 95% interval lies, and from nothing else:
 *     a claim of a sign          reproduced: all of it on the paper's side of 0; not: all on the other side
 *     a claim of no difference   reproduced: all of it within 2 points; not: all of it outside
 *     a claim of a bound         reproduced: all of it below; not: all above
 * and else, or without an interval, or where the runs it needs are missing or did not fit D: undecided. */
#ifndef SLK_REPORT_FINDING_H
#define SLK_REPORT_FINDING_H

#include "base/json.h"
#include "report/measure.h"

#define SLK_REPORT_SAME_POINTS 2.0 /* "no difference" */

typedef enum slk_verdict { SLK_REPRODUCED, SLK_NOT_REPRODUCED, SLK_UNDECIDED } slk_verdict;
/* "reproduced", "not", "undecided". */
const char *slk_verdict_name(slk_verdict verdict);

typedef enum slk_side { SLK_BELOW_ZERO, SLK_ABOVE_ZERO, SLK_NO_DIFFERENCE, SLK_BELOW_BOUND } slk_side;

typedef struct slk_finding {
    char id[64];       /* "unknown-hurts"; with "@lr1e-04" behind it where it is of a second learning rate */
    int item;          /* of STUDY.md section 4 */
    const char *title; /* the claim in a few words */
    const char *unit;  /* "points" "%" "epochs" */
    slk_side side;
    double bound;    /* SLK_BELOW_BOUND */
    slk_estimate at; /* n 0: not measured */
    double paper;    /* NAN: the paper gives no number */
    slk_verdict verdict;
    char *sentence; /* what this run shows; in the analysis' arena */
} slk_finding;

/* The verdict by the rules above. */
slk_verdict slk_finding_judge(slk_side side, double bound, const slk_estimate *at);

#endif
