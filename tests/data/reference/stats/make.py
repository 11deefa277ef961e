"""Reference values for tests/unit/test_stats_*.c, from implementations that are not slick's.

    python3 -m venv venv && venv/bin/pip install scipy==1.17.1 statsmodels==0.15.0 mpmath
    venv/bin/python make.py > reference.json

NIST's certified values (StRD: Norris, Longley, Wampler4; NumAcc) stand in the test itself.
"""
import json
import random
import sys

import mpmath
import numpy as np
import scipy
import scipy.stats
import statsmodels
import statsmodels.api as sm

mpmath.mp.dps = 60


def t_tail(t, df):
    """P(T >= t) for t > 0, to 60 digits."""
    t, df = mpmath.mpf(t), mpmath.mpf(df)
    return mpmath.betainc(df / 2, mpmath.mpf(1) / 2, 0, df / (df + t * t), regularized=True) / 2


def t_cdf(t, df):
    if t == 0:
        return mpmath.mpf(1) / 2
    if df > 1e5:  # betainc takes for ever
        return mpmath.mpf(float(scipy.stats.t.cdf(float(t), df)))
    return t_tail(-t, df) if t < 0 else 1 - t_tail(t, df)


def student():
    cdf, quantile = [], []
    for df in (0.5, 1, 2, 3, 4, 7.5, 9, 29, 99, 100, 101, 1000, 12345, 1e6, 1e8):
        for t in (-300, -37.5, -8, -3.25, -1.96, -1, -0.125, -1e-3, -1e-9, 0, 0.5, 2.6, 12):
            value = t_cdf(t, df)
            if value > mpmath.mpf("1e-290"):
                cdf.append([t, df, float(value)])
        for p in (1e-200, 1e-12, 1e-5, 0.005, 0.025, 0.05, 0.25, 0.49, 0.499999, 0.75, 0.975, 0.9995):
            # scipy's start, then Newton's method with 60 digits.
            with np.errstate(all="ignore"):
                t = float(scipy.stats.t.ppf(p, df))
            if not np.isfinite(t) or abs(t) > 1e100 or (p < 1e-100 and df < 3):
                continue
            t = mpmath.mpf(t)
            for _ in range(40 if df < 1e5 else 0):
                pdf = mpmath.gamma((mpmath.mpf(df) + 1) / 2) / mpmath.gamma(mpmath.mpf(df) / 2)
                pdf /= mpmath.sqrt(df * mpmath.pi) * (1 + t * t / df) ** ((mpmath.mpf(df) + 1) / 2)
                below = t_cdf(t, df)
                step = (below - p) / pdf if p > 1e-4 else mpmath.log(below / p) * below / pdf
                t -= step
                if abs(step) < abs(t) * mpmath.mpf("1e-40"):
                    break
            quantile.append([p, df, float(t)])
    return {"cdf": cdf, "quantile": quantile}


def paired():
    rng = np.random.default_rng(1)
    cases = []
    for n, shift in ((3, 0.02), (5, 0.0), (20, -0.03), (100, 0.01), (100, 0.2)):
        a = np.round(rng.uniform(0.2, 0.8, n), 4)
        b = np.round(a - shift + rng.normal(0, 0.05, n), 4)
        r = scipy.stats.ttest_rel(a, b)
        ci = r.confidence_interval(0.95)
        one = scipy.stats.ttest_1samp(a, 0)
        ci1 = one.confidence_interval(0.9)
        cases.append({"a": a.tolist(), "b": b.tolist(), "t": float(r.statistic), "p": float(r.pvalue),
                      "low95": float(ci.low), "high95": float(ci.high), "mean_a": float(a.mean()),
                      "sd_a": float(a.std(ddof=1)), "t_a": float(one.statistic), "p_a": float(one.pvalue),
                      "low90_a": float(ci1.low), "high90_a": float(ci1.high)})
    return cases


def r2(y, prediction):
    y, prediction = np.asarray(y), np.asarray(prediction)
    return float(1 - ((y - prediction) ** 2).sum() / ((y - y.mean()) ** 2).sum())


def ols():
    """Rows like the study's: accuracy against the shares of fitted Known and Unknown examples."""
    rng = np.random.default_rng(2)
    cases = []
    for n, intercept, columns in ((60, True, 2), (8, True, 2), (250, True, 5), (40, False, 3), (12, True, 0)):
        x = np.round(rng.uniform(0, 1, (n, columns)), 5)
        y = np.round(36.9 + (x @ rng.normal(0, 8, columns) if columns else 0) + rng.normal(0, 1, n), 4)
        design = np.column_stack([np.ones(n), x]) if intercept else x
        fit = sm.OLS(y, design).fit()
        new_x = np.round(rng.uniform(0, 1, (20, columns)), 5)
        new_y = np.round(36 + rng.normal(0, 3, 20), 4)
        new_design = np.column_stack([np.ones(20), new_x]) if intercept else new_x
        ci = fit.conf_int(0.05)
        cases.append({"x": x.tolist(), "y": y.tolist(), "intercept": intercept, "b": fit.params.tolist(),
                      "se": fit.bse.tolist(), "t": fit.tvalues.tolist(), "p": fit.pvalues.tolist(),
                      "low95": ci[:, 0].tolist(), "high95": ci[:, 1].tolist(), "cov": fit.cov_params().tolist(),
                      "rss": float(fit.ssr), "residual_variance": float(fit.mse_resid),
                      "r2": float(fit.rsquared) if columns else 0.0, "new_x": new_x.tolist(), "new_y": new_y.tolist(),
                      "new_r2": r2(new_y, fit.predict(new_design))})
    return cases


# --- Philox4x32-10 (Salmon et al. 2011) by itself, to draw the same samples ------------------------------------------

def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def u64(seed, purpose, fact, prompt, sample, step):
    w = philox([fact & 0xFFFFFFFF, fact >> 32, prompt << 16 | sample, step],
               [(seed ^ purpose * 0x9E3779B9) & 0xFFFFFFFF, seed >> 32])
    return w[1] << 32 | w[0]


BOOTSTRAP = 10


def draw_clusters(seed, replicate, strata):
    counts = [0] * len(strata)
    order = sorted(range(len(strata)), key=lambda i: (strata[i], i))
    for i, own in enumerate(order):
        mine = [j for j in order if strata[j] == strata[own]]
        counts[mine[(u64(seed, BOOTSTRAP, replicate, 0, 0, i) & 0xFFFFFFFF) * len(mine) >> 32]] += 1
    return counts


def draw_facts(seed, replicate, n):
    counts = [0] * n
    for i in range(n):
        bits = u64(seed, BOOTSTRAP, replicate, 1, 0, i // 2)
        bits = bits >> 32 if i % 2 else bits & 0xFFFFFFFF
        counts[bits * n >> 32] += 1
    return counts


def bootstrap():
    """right[run][fact]; statistics: mean accuracy, and accuracy of stratum 0 less that of stratum 1."""
    random.seed(3)
    strata = [0, 1, 0, 1, 0, 1, 1]
    n_runs, n_facts, n_replicates, seed = len(strata), 41, 300, 0x1234567890
    right = [[int(random.random() < 0.3 + 0.1 * strata[r] + 0.4 * (f % 2)) for f in range(n_facts)] for r in range(n_runs)]

    def statistics(runs, facts):
        weight, hits = [0, 0], [0, 0]
        for r in range(n_runs):
            for f in range(n_facts):
                weight[strata[r]] += runs[r] * facts[f]
                hits[strata[r]] += runs[r] * facts[f] * right[r][f]
        both = sum(hits) / sum(weight)
        return both, (hits[0] / weight[0] - hits[1] / weight[1]) if min(weight) else float("nan")

    cases = []
    for name, by_run, by_fact in (("clusters", True, False), ("facts", False, True), ("both", True, True)):
        values = [statistics(draw_clusters(seed, i, strata) if by_run else [1] * n_runs,
                             draw_facts(seed, i, n_facts) if by_fact else [1] * n_facts) for i in range(n_replicates)]
        values = np.array(values)
        cases.append({"name": name, "clusters": by_run, "facts": by_fact,
                      "low90": np.quantile(values, 0.05, axis=0).tolist(),
                      "high90": np.quantile(values, 0.95, axis=0).tolist(), "se": values.std(axis=0, ddof=1).tolist()})
    # Another program's generator: the same interval but for what 20,000 replicates leave to chance.
    sample = np.round(np.random.default_rng(4).normal(0.4, 0.1, 30), 4)
    other = scipy.stats.bootstrap((sample,), np.mean, n_resamples=200000, confidence_level=0.95, method="percentile",
                                  random_state=np.random.default_rng(5))
    return {"strata": strata, "right": right, "seed": seed, "n_replicates": n_replicates, "cases": cases,
            "sample": sample.tolist(), "sample_low95": float(other.confidence_interval.low),
            "sample_high95": float(other.confidence_interval.high), "sample_se": float(other.standard_error)}


def parts():
    """The paper's test: order by a keyed number, numpy.array_split, accuracies, scipy.stats.ttest_rel."""
    random.seed(6)
    cases = []
    for n, seed in ((20, 0), (99, 1), (137, 2), (733, 3)):
        ids = [random.getrandbits(64) for _ in range(n)]
        a = [int(random.random() < 0.5) for _ in range(n)]
        b = [int(random.random() < 0.45) if random.random() < 0.5 else a[i] for i in range(n)]
        n_parts = min(100, n // 5)
        order = sorted(range(n), key=lambda i: (u64(seed, BOOTSTRAP, ids[i], 2, 0, 0), ids[i]))
        cut = np.array_split(np.array(order), n_parts)
        mean_a = [float(np.mean([a[i] for i in part])) for part in cut]
        mean_b = [float(np.mean([b[i] for i in part])) for part in cut]
        r = scipy.stats.ttest_rel(mean_a, mean_b)
        part_of = [0] * n
        for p, part in enumerate(cut):
            for i in part:
                part_of[int(i)] = p
        cases.append({"ids": [f"{i:016x}" for i in ids], "a": a, "b": b, "seed": seed, "n_parts": n_parts,
                      "part": part_of, "t": float(r.statistic), "p": float(r.pvalue)})
    return cases


def main():
    out = {"versions": {"scipy": scipy.__version__, "statsmodels": statsmodels.__version__, "numpy": np.__version__,
                        "mpmath": mpmath.__version__, "python": sys.version.split()[0]},
           "student": student(), "paired": paired(), "ols": ols(), "bootstrap": bootstrap(), "parts": parts()}
    print("{")
    for i, (key, value) in enumerate(out.items()):
        print(f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}{',' if i + 1 < len(out) else ''}")
    print("}")


main()
