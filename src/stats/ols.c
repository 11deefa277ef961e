#include "stats/ols.h"

#include <math.h>
#include <stdlib.h>
#include "base/mem.h"
#include "stats/student.h"

/* A column of which less than this share of its length is new beside the columns before it is a combination of them.
 * Double keeps 16 digits, so at worst 7 are left in a coefficient. */
#define COLLINEAR 1e-9
/* A column (or y) whose deviations from its mean are below this share of its size is constant: they are rounding. */
#define CONSTANT 1e-12

/* The columns, one after the other, being turned into R (above the diagonal) and reflectors (on it and below). */
typedef struct work {
    double *columns; /* [n_columns][n_rows] */
    double *y;       /* [n_rows] */
    double mean[SLK_OLS_MAX_TERMS], length[SLK_OLS_MAX_TERMS], y_mean;
    double r[SLK_OLS_MAX_TERMS][SLK_OLS_MAX_TERMS];
    const double *weights; /* [n_rows] of mean 1, or NULL: all 1 */
    size_t n_rows, n_columns;
} work;

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static double weight_of(const double *weights, size_t i)
{
    return weights ? weights[i] : 1;
}

/* The mean, once more with what rounding left in it. Weights have the mean 1, or are NULL. */
static double mean_of(const double *a, const double *weights, size_t n)
{
    double sum = 0, rest = 0;
    for (size_t i = 0; i < n; i++) sum += weight_of(weights, i) * a[i];
    double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) rest += weight_of(weights, i) * (a[i] - mean);
    return mean + rest / (double)n;
}

/* Rows of a weighted problem, centred, as those of one without weights. */
static void weigh(double *a, const double *weights, size_t n)
{
    for (size_t i = 0; weights && i < n; i++) a[i] *= sqrt(weights[i]);
}

static slk_status check(const double *y, const double *x, size_t n_rows, size_t n_columns, size_t n_terms, slk_err *err)
{
    if (n_terms == 0 || n_terms > SLK_OLS_MAX_TERMS)
        return slk_fail(err, SLK_E_ARG, "least squares with %zu coefficients, expected 1 to %d", n_terms,
                        SLK_OLS_MAX_TERMS);
    if (n_rows <= n_terms)
        return slk_fail(err, SLK_E_ARG, "least squares: %zu rows for %zu coefficients, expected more rows", n_rows,
                        n_terms);
    for (size_t i = 0; i < n_rows; i++) {
        if (!isfinite(y[i])) return slk_fail(err, SLK_E_ARG, "least squares: y of row %zu is not finite", i);
        for (size_t j = 0; j < n_columns; j++) {
            if (!isfinite(x[i * n_columns + j]))
                return slk_fail(err, SLK_E_ARG, "least squares: column %zu of row %zu is not finite", j, i);
        }
    }
    return SLK_OK;
}

/* Columns of mean 0 (with an intercept) and length 1. */
static slk_status scale_columns(work *w, const double *x, bool intercept, slk_err *err)
{
    for (size_t j = 0; j < w->n_columns; j++) {
        double *column = w->columns + j * w->n_rows;
        for (size_t i = 0; i < w->n_rows; i++) column[i] = x[i * w->n_columns + j];
        double size = sqrt(dot(column, column, w->n_rows));
        w->mean[j] = intercept ? mean_of(column, w->weights, w->n_rows) : 0;
        for (size_t i = 0; i < w->n_rows; i++) column[i] -= w->mean[j];
        weigh(column, w->weights, w->n_rows);
        w->length[j] = sqrt(dot(column, column, w->n_rows));
        if (!isfinite(size)) return slk_fail(err, SLK_E_ARG, "least squares: column %zu is too large", j);
        if (!(w->length[j] > CONSTANT * size))
            return slk_fail(err, SLK_E_ARG, "least squares: column %zu is %s, so its coefficient is not determined", j,
                            intercept ? "constant" : "zero");
        for (size_t i = 0; i < w->n_rows; i++) column[i] /= w->length[j];
    }
    return SLK_OK;
}

/* Reflect v (rows k on) by the reflector in column k: v -= u (u'v) * 2 / u'u, with u'u = 2 by construction. */
static void reflect(const work *w, size_t k, double *v)
{
    const double *u = w->columns + k * w->n_rows;
    double along = dot(u + k, v + k, w->n_rows - k);
    for (size_t i = k; i < w->n_rows; i++) v[i] -= along * u[i];
}

static slk_status factorise(work *w, slk_err *err)
{
    for (size_t k = 0; k < w->n_columns; k++) {
        double *u = w->columns + k * w->n_rows;
        for (size_t j = 0; j < k; j++) {
            reflect(w, j, u);
            w->r[j][k] = u[j];
        }
        double left = sqrt(dot(u + k, u + k, w->n_rows - k));
        if (!(left > COLLINEAR))
            return slk_fail(
                err, SLK_E_ARG,
                "least squares: column %zu is a combination of the columns before it, so their coefficients "
                "are not determined",
                k);
        w->r[k][k] = u[k] > 0 ? -left : left;
        u[k] -= w->r[k][k];
        double half = sqrt(dot(u + k, u + k, w->n_rows - k) / 2); /* u'u = 2 afterwards */
        for (size_t i = k; i < w->n_rows; i++) u[i] /= half;
        reflect(w, k, w->y);
    }
    return SLK_OK;
}

/* Coefficients of the scaled columns by back substitution; inverse: R^-1, whose product with its transpose is (X'X)^-1.
 */
static void solve(const work *w, double *b, double inverse[SLK_OLS_MAX_TERMS][SLK_OLS_MAX_TERMS])
{
    size_t n = w->n_columns;
    for (size_t k = n; k-- > 0;) {
        b[k] = w->y[k];
        for (size_t j = k + 1; j < n; j++) b[k] -= w->r[k][j] * b[j];
        b[k] /= w->r[k][k];
        for (size_t c = k; c < n; c++) {
            double sum = c == k ? 1 : 0;
            for (size_t j = k + 1; j <= c; j++) sum -= w->r[k][j] * inverse[j][c];
            inverse[k][c] = sum / w->r[k][k];
        }
    }
}

/* (X'X)^-1 of the columns as they were, and with the intercept in front. */
static void unscaled_inverse(const work *w, bool intercept, double inverse[SLK_OLS_MAX_TERMS][SLK_OLS_MAX_TERMS],
                             double out[SLK_OLS_MAX_TERMS][SLK_OLS_MAX_TERMS])
{
    size_t n = w->n_columns, first = intercept ? 1 : 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t c = i > j ? i : j; c < n; c++) sum += inverse[i][c] * inverse[j][c];
            out[first + i][first + j] = sum / (w->length[i] * w->length[j]);
        }
    }
    if (!intercept) return;
    out[0][0] = 1 / (double)w->n_rows;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t j = 0; j < n; j++) sum += out[1 + i][1 + j] * w->mean[j];
        out[0][1 + i] = out[1 + i][0] = -sum;
    }
    /* A sum of squares, which cannot come out below 0: |R^-T (mean / length)|^2 */
    for (size_t c = 0; c < n; c++) {
        double sum = 0;
        for (size_t i = 0; i <= c; i++) sum += inverse[i][c] * w->mean[i] / w->length[i];
        out[0][0] += sum * sum;
    }
}

static void fill(slk_ols *out, const work *w, const double *y, const double *scaled)
{
    double first = w->y_mean;
    for (size_t j = 0; j < w->n_columns; j++) {
        double b = scaled[j] / w->length[j];
        out->b[j + (out->intercept ? 1 : 0)] = b;
        first -= b * w->mean[j];
    }
    if (out->intercept) out->b[0] = first;
    /* What the reflections left of y: no difference of large numbers. */
    out->rss = dot(w->y + w->n_columns, w->y + w->n_columns, w->n_rows - w->n_columns);
    double size = 0;
    for (size_t i = 0; i < w->n_rows; i++) {
        double d = y[i] - w->y_mean;
        out->tss += weight_of(w->weights, i) * d * d;
        size += y[i] * y[i];
    }
    out->df = (double)out->n_rows - (double)out->n_terms;
    out->residual_variance = out->rss / out->df;
    out->r2 = out->tss > CONSTANT * CONSTANT * size ? 1 - out->rss / out->tss : NAN;
    for (size_t i = 0; i < out->n_terms; i++) {
        for (size_t j = 0; j < out->n_terms; j++) out->covariance[i][j] *= out->residual_variance;
        out->se[i] = sqrt(out->covariance[i][i]);
        out->t[i] = out->se[i] > 0 ? out->b[i] / out->se[i] : out->b[i] == 0 ? 0 : copysign(INFINITY, out->b[i]);
        out->p[i] = slk_stats_student_p(out->t[i], out->df);
    }
}

/* Weights of mean 1. */
static slk_status scale_weights(double *out, const double *weights, size_t n, slk_err *err)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (!(weights[i] > 0) || !isfinite(weights[i]))
            return slk_fail(err, SLK_E_ARG, "least squares: the weight of row %zu is not above 0", i);
        sum += weights[i];
    }
    for (size_t i = 0; i < n; i++) out[i] = weights[i] / sum * (double)n;
    return SLK_OK;
}

slk_status slk_ols_fit_weighted(slk_ols *out, const double *y, const double *x, const double *weights, size_t n_rows,
                                size_t n_columns, bool intercept, slk_err *err)
{
    *out = (slk_ols){.n_rows = n_rows, .n_terms = n_columns + (intercept ? 1 : 0), .intercept = intercept};
    slk_status status = check(y, x, n_rows, n_columns, out->n_terms, err);
    if (status != SLK_OK) return status;
    work w = {.n_rows = n_rows, .n_columns = n_columns};
    w.columns = slk_alloc(n_rows * n_columns, sizeof *w.columns);
    w.y = slk_alloc(n_rows, sizeof *w.y);
    double *scaled_weights = weights ? slk_alloc(n_rows, sizeof *scaled_weights) : NULL;
    if (w.columns && w.y && (scaled_weights || !weights)) {
        if (weights) status = scale_weights(scaled_weights, weights, n_rows, err);
        w.weights = scaled_weights;
        w.y_mean = intercept ? mean_of(y, w.weights, n_rows) : 0;
        for (size_t i = 0; i < n_rows; i++) w.y[i] = y[i] - w.y_mean;
        weigh(w.y, w.weights, n_rows);
        if (status == SLK_OK) status = scale_columns(&w, x, intercept, err);
        if (status == SLK_OK) status = factorise(&w, err);
        if (status == SLK_OK) {
            double scaled[SLK_OLS_MAX_TERMS], inverse[SLK_OLS_MAX_TERMS][SLK_OLS_MAX_TERMS] = {{0}};
            solve(&w, scaled, inverse);
            unscaled_inverse(&w, intercept, inverse, out->covariance);
            fill(out, &w, y, scaled);
        }
    } else {
        status = slk_fail(err, SLK_E_MEMORY, "out of memory");
    }
    free(w.columns);
    free(w.y);
    free(scaled_weights);
    return status;
}

slk_status slk_ols_fit(slk_ols *out, const double *y, const double *x, size_t n_rows, size_t n_columns, bool intercept,
                       slk_err *err)
{
    return slk_ols_fit_weighted(out, y, x, NULL, n_rows, n_columns, intercept, err);
}

slk_interval slk_ols_interval(const slk_ols *fit, size_t term, double confidence)
{
    if (!(confidence > 0 && confidence < 1)) return (slk_interval){NAN, NAN};
    double half = -slk_stats_student_quantile(0.5 * (1 - confidence), fit->df) * fit->se[term];
    return (slk_interval){fit->b[term] - half, fit->b[term] + half};
}

double slk_ols_predict(const slk_ols *fit, const double *x)
{
    size_t first = fit->intercept ? 1 : 0;
    double sum = fit->intercept ? fit->b[0] : 0;
    for (size_t j = first; j < fit->n_terms; j++) sum += fit->b[j] * x[j - first];
    return sum;
}

double slk_ols_r2(const slk_ols *fit, const double *y, const double *x, size_t n_rows)
{
    if (n_rows == 0) return NAN;
    size_t n_columns = fit->n_terms - (fit->intercept ? 1 : 0);
    double mean = mean_of(y, NULL, n_rows), errors = 0, squares = 0, size = 0;
    for (size_t i = 0; i < n_rows; i++) {
        double e = y[i] - slk_ols_predict(fit, x + i * n_columns), d = y[i] - mean;
        errors += e * e;
        squares += d * d;
        size += y[i] * y[i];
    }
    return squares > CONSTANT * CONSTANT * size ? 1 - errors / squares : NAN;
}
