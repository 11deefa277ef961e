/* Ordinary least squares: y = b[0] + b[1] x[1] + ... + noise, with what the textbook says about the coefficients.
 *
 * The errors, intervals and p values below hold for independent rows with noise of one variance. Epochs of one run are
 * not independent, so for the study's linear model they are too small; report them as plain least-squares errors, and
 * take intervals from a bootstrap over runs (bootstrap.h). */
#ifndef SLK_STATS_OLS_H
#define SLK_STATS_OLS_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"
#include "stats/stats.h"

#define SLK_OLS_MAX_TERMS 16

typedef struct slk_ols {
    size_t n_rows, n_terms; /* coefficients, the intercept counted */
    bool intercept;         /* then b[0] is the intercept, and the others follow in the order of the columns */
    double b[SLK_OLS_MAX_TERMS];
    double covariance[SLK_OLS_MAX_TERMS][SLK_OLS_MAX_TERMS]; /* of the coefficients: residual variance * (X'X)^-1 */
    double se[SLK_OLS_MAX_TERMS];                            /* square roots of its diagonal */
    double t[SLK_OLS_MAX_TERMS], p[SLK_OLS_MAX_TERMS];       /* of "this coefficient is 0", two-sided */
    double df;                                               /* n_rows - n_terms */
    double residual_variance;                                /* rss / df */
    double rss, tss; /* sums of squares: of residuals; of y about its mean (without an intercept about 0) */
    double r2;       /* 1 - rss / tss; NAN where y does not vary */
} slk_ols;

/* Fit y [n_rows] to x [n_rows, n_columns] (row-major; no column of ones: `intercept` adds it). QR by Householder
 * reflections, of columns brought to mean 0 (where there is an intercept) and length 1, in double: columns of very
 * different size and with large means cost no digits. Errors: SLK_E_ARG: too many or no terms; not more rows than
 * terms; a number that is not finite (names row and column, from 0); a column that is constant beside an intercept, or
 * zero, or to nine digits a combination of those before it (names it): the coefficients are not determined then. */
slk_status slk_ols_fit(slk_ols *out, const double *y, const double *x, size_t n_rows, size_t n_columns, bool intercept,
                       slk_err *err);

/* The same with weights [n_rows], each above 0: the squared error of row i counts weights[i] times, and so do tss and
 * r2. Only their ratios matter; n_rows stays the number of observations. Errors: also SLK_E_ARG: a weight that is not
 * above 0 and finite (names the row). */
slk_status slk_ols_fit_weighted(slk_ols *out, const double *y, const double *x, const double *weights, size_t n_rows,
                                size_t n_columns, bool intercept, slk_err *err);

/* The t interval of coefficient `term` (0: the intercept, where there is one). */
slk_interval slk_ols_interval(const slk_ols *fit, size_t term, double confidence);

/* What the fit says for one row x [n_columns]. */
double slk_ols_predict(const slk_ols *fit, const double *x);

/* R2 of the fit on data it may not have seen, y [n_rows] and x [n_rows, n_columns]: 1 - (sum of squared errors of
 * prediction) / (sum of squares of y about its own mean there). On the data of the fit (with an intercept) it is
 * fit->r2; elsewhere it is below 0 when the mean of the new y is the better prediction. NAN where y does not vary. */
double slk_ols_r2(const slk_ols *fit, const double *y, const double *x, size_t n_rows);

#endif
