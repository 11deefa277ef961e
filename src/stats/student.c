#include "stats/student.h"

#include <math.h>
#include <stdlib.h>
#include "base/mem.h"

#define PI 3.14159265358979323846

/* Beyond this many degrees of freedom t is turned into a normal deviate: the continued fraction would take long, and
 * gather the rounding errors of its many steps. */
#define LARGE_DF 1e5

/* Gamma(a + 1/2) / Gamma(a). A difference of lgamma() would lose the digits that both have in common; the series (in 1
 * / a, from Stirling's) is exact to double from 50 on. */
static double gamma_ratio(double a)
{
    if (a < 50) return tgamma(a + 0.5) / tgamma(a);
    static const double c[] = {1.0, -1.0 / 8, 1.0 / 128, 5.0 / 1024, -21.0 / 32768, -399.0 / 262144, 869.0 / 4194304};
    double sum = 0;
    for (int i = 6; i >= 0; i--) sum = sum / a + c[i];
    return sqrt(a) * sum;
}

/* The continued fraction of the incomplete beta function, by Lentz's method; converges fast for x < (a + 1) / (a + b +
 * 2), in about sqrt(max(a, b)) steps. */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double value = d;
    for (int m = 1; m < 100000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 + even * d;
        c = 1 + even / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        value *= d * c;
        d = 1 + odd * d;
        c = 1 + odd / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        value *= d * c;
        if (fabs(d * c - 1) < 4e-16) break;
    }
    return value;
}

/* x = df / (df + t^2) and 1 - x, without squaring what may overflow. */
static void split(double t, double df, double *x, double *rest)
{
    double r = t / sqrt(df), r2 = r * r;
    *x = 1 / (1 + r2);
    *rest = r > 1e150 ? 1 : r2 / (1 + r2);
}

/* The normal deviate with the same tail as t >= 0. Its error goes with df^-6: nothing beyond LARGE_DF.
 * Source: Hill 1970, "Algorithm 395: Student's t-distribution", Communications of the ACM 13, 617-619. */
static double normal_deviate(double t, double df)
{
    if (isinf(df)) return t;
    double a = df - 0.5, b = 48 * a * a, w2 = a * log1p(t / df * t), w = sqrt(w2);
    double second = (((4 * w2 + 33) * w2 + 240) * w2 + 855) / (10 * b * (b + 0.8 * w2 * w2 + 100));
    return w * (1 + (w2 + 3) / b - second);
}

/* For t >= 0: P(T >= t) and P(0 <= T <= t), each with its own relative accuracy; they add up to 1/2. */
static void halves(double t, double df, double *tail, double *central)
{
    if (df > LARGE_DF) {
        double z = normal_deviate(t, df) / sqrt(2.0);
        *tail = 0.5 * erfc(z);
        *central = 0.5 * erf(z);
        return;
    }
    double a = df / 2, x, rest;
    split(t, df, &x, &rest);
    /* x^a (1 - x)^(1/2) / B(a, 1/2); log x through log1p, which keeps small t. */
    double log_x = rest < 0.5 ? log1p(-rest) : -2 * log(t / sqrt(df)) + log1p(-x);
    double front = exp(a * log_x) * sqrt(rest) * gamma_ratio(a) / sqrt(PI);
    if (x < (a + 1) / (a + 2.5)) {
        *tail = 0.5 * front * beta_fraction(a, 0.5, x) / a;
        *central = 0.5 - *tail;
    } else {
        *central = front * beta_fraction(0.5, a, rest);
        *tail = 0.5 - *central;
    }
}

static double upper_tail(double t, double df)
{
    double tail, central;
    halves(t, df, &tail, &central);
    return tail;
}

double slk_stats_student_cdf(double t, double df)
{
    if (isnan(t) || !(df > 0)) return NAN;
    if (isinf(t)) return t > 0 ? 1 : 0;
    double tail = upper_tail(fabs(t), df);
    return t > 0 ? 1 - tail : tail;
}

double slk_stats_student_p(double t, double df)
{
    if (isnan(t) || !(df > 0)) return NAN;
    return isinf(t) ? 0 : 2 * upper_tail(fabs(t), df);
}

static double density(double t, double df)
{
    if (isinf(df)) return exp(-0.5 * t * t) / sqrt(2 * PI);
    return gamma_ratio(df / 2) / sqrt(df * PI) * exp(-0.5 * (df + 1) * log1p(t / df * t));
}

/* t >= 0 with P(T >= t) = q, 0 < q <= 0.5: Newton's method, kept inside a bracket that closes; on log P(T >= t), and
 * near the middle on P(0 <= T <= t). */
static double upper_quantile(double q, double df)
{
    double low = 0, high = 1;
    while (isfinite(high) && upper_tail(high, df) > q) low = high, high *= 2;
    double t = 0.5 * (low + fmin(high, 1e300));
    for (int i = 0; i < 200; i++) {
        double tail, central, next;
        halves(t, df, &tail, &central);
        double gap = q > 0.25 ? 0.5 - q - central : log(tail / q) * tail; /* 0.5 - q is exact */
        if (gap > 0)
            low = t;
        else
            high = t;
        next = t + gap / density(t, df);
        if (!(next >= low && next <= high)) next = 0.5 * (low + high);
        double step = fabs(next - t);
        t = next;
        if (step <= 1e-15 * t) break;
    }
    return t;
}

double slk_stats_student_quantile(double p, double df)
{
    if (!(p >= 0 && p <= 1) || !(df > 0)) return NAN;
    if (p == 0) return -INFINITY;
    if (p == 1) return INFINITY;
    if (p == 0.5) return 0;
    if (isinf(df)) return slk_stats_normal_quantile(p);
    double q = p < 0.5 ? p : 1 - p; /* exact */
    double t = upper_quantile(q, df);
    return p < 0.5 ? -t : t;
}

/* --- means ----------------------------------------------------------------------------------------------------------
 */

static slk_mean no_mean(size_t n)
{
    return (slk_mean){n, NAN, NAN, NAN, {NAN, NAN}, NAN, NAN};
}

/* b NULL: of a alone. */
static double difference(const double *a, const double *b, size_t i)
{
    return b ? a[i] - b[i] : a[i];
}

static slk_mean mean_of(const double *a, const double *b, size_t n, double confidence)
{
    if (!(confidence > 0 && confidence < 1)) return no_mean(n);
    double sum = 0, rest = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += difference(a, b, i);
    if (!isfinite(sum)) return no_mean(n);
    slk_mean m = {.n = n, .mean = n > 0 ? sum / (double)n : NAN, .sd = NAN, .se = NAN, .t = NAN, .p = 1};
    m.interval = (slk_interval){-INFINITY, INFINITY};
    bool all_equal = true;
    for (size_t i = 0; i < n; i++) {
        rest += difference(a, b, i) - m.mean; /* what rounding left in the mean */
        all_equal = all_equal && difference(a, b, i) == difference(a, b, 0);
    }
    if (n > 0) m.mean = all_equal ? difference(a, b, 0) : m.mean + rest / (double)n;
    if (n < 2) return m;
    for (size_t i = 0; i < n; i++) {
        double d = difference(a, b, i) - m.mean;
        squares += d * d;
    }
    double df = (double)n - 1;
    m.sd = sqrt(squares / df);
    m.se = m.sd / sqrt((double)n);
    if (m.se > 0)
        m.t = m.mean / m.se, m.p = slk_stats_student_p(m.t, df);
    else
        m.t = m.mean == 0 ? 0 : copysign(INFINITY, m.mean), m.p = m.mean == 0;
    double half = -slk_stats_student_quantile(0.5 * (1 - confidence), df) * m.se;
    m.interval = (slk_interval){m.mean - half, m.mean + half};
    return m;
}

slk_mean slk_stats_mean(const double *x, size_t n, double confidence)
{
    return mean_of(x, NULL, n, confidence);
}

slk_mean slk_stats_paired(const double *a, const double *b, size_t n, double confidence)
{
    return mean_of(a, b, n, confidence);
}

typedef struct seeded {
    uint64_t seed;
    double value;
} seeded;

static int compare_seeds(const void *left, const void *right)
{
    const seeded *x = left, *y = right;
    return (x->seed > y->seed) - (x->seed < y->seed);
}

static slk_status sort_by_seed(seeded **out, const uint64_t *seeds, const double *values, size_t n, slk_err *err)
{
    *out = slk_alloc(n, sizeof **out);
    if (!*out) return slk_fail(err, SLK_E_MEMORY, "out of memory");
    for (size_t i = 0; i < n; i++) (*out)[i] = (seeded){seeds[i], values[i]};
    qsort(*out, n, sizeof **out, compare_seeds);
    for (size_t i = 1; i < n; i++) {
        if ((*out)[i].seed == (*out)[i - 1].seed)
            return slk_fail(err, SLK_E_ARG, "seed %llu: twice in one variant, expected one run a seed",
                            (unsigned long long)(*out)[i].seed);
    }
    return SLK_OK;
}

slk_status slk_stats_paired_by_seed(slk_mean *out, const uint64_t *seeds_a, const double *a, size_t n_a,
                                    const uint64_t *seeds_b, const double *b, size_t n_b, double confidence,
                                    slk_err *err)
{
    seeded *x = NULL, *y = NULL;
    *out = no_mean(0);
    slk_status status = sort_by_seed(&x, seeds_a, a, n_a, err);
    if (status == SLK_OK) status = sort_by_seed(&y, seeds_b, b, n_b, err);
    double *differences = slk_alloc(n_a, sizeof *differences);
    if (status == SLK_OK && !differences) status = slk_fail(err, SLK_E_MEMORY, "out of memory");
    if (status == SLK_OK) {
        size_t n = 0;
        for (size_t i = 0, j = 0; i < n_a && j < n_b;) {
            if (x[i].seed == y[j].seed)
                differences[n++] = x[i++].value - y[j++].value;
            else if (x[i].seed < y[j].seed)
                i++;
            else
                j++;
        }
        *out = slk_stats_mean(differences, n, confidence);
    }
    free(x), free(y), free(differences);
    return status;
}
