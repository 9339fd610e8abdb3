"""Monotone fits against scipy, scikit-learn, statsmodels and psignifit."""

from __future__ import annotations

import json
import warnings

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator
from scipy.optimize import isotonic_regression, minimize
from sklearn.isotonic import IsotonicRegression

import modalconflict as mc

values = hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(-100, 100, allow_nan=False))


@given(values, st.booleans(), st.randoms(use_true_random=False))
def test_pava_is_scipys(y, increasing, random):
    weights = np.array([random.uniform(0.1, 5) for _ in y])
    for w in (None, weights):
        expected = isotonic_regression(y, weights=w, increasing=increasing).x
        np.testing.assert_allclose(
            mc.isotonic_regression(y, w, increasing=increasing), expected, rtol=1e-12, atol=1e-12
        )


@given(st.integers(2, 60), st.integers(1, 12), st.booleans(), st.integers(0, 2**31))
def test_tied_weighted_fit_is_scikit_learns(n, distinct, increasing, seed):
    rng = np.random.default_rng(seed)
    x, y, w = rng.integers(0, distinct, n).astype(float), rng.integers(0, 3, n) / 2.0, rng.uniform(0.1, 3, n)
    ours = mc.isotonic_fit(x, y, w, increasing=increasing)
    theirs = IsotonicRegression(increasing=increasing, out_of_bounds="clip").fit(x, y, sample_weight=w)
    queries = np.linspace(-1, distinct + 1, 50)
    np.testing.assert_allclose(ours.predict(queries), theirs.predict(queries), rtol=0, atol=1e-12)


def test_constant_data_stay_constant():
    fit = mc.isotonic_fit([3, 1, 2], [0.3, 0.3, 0.3])
    assert fit.y.tolist() == [0.3, 0.3, 0.3]
    assert fit.threshold(0.3) is None


@given(st.integers(3, 80), st.integers(0, 2**31))
def test_centred_fit_keeps_weight_and_is_strictly_monotone(n, seed):
    rng = np.random.default_rng(seed)
    x, y, w = rng.normal(size=n), rng.random(n), rng.uniform(0.5, 2, n)
    plain, centred = mc.isotonic_fit(x, y, w), mc.centered_isotonic_fit(x, y, w)
    assert (np.diff(centred.y) < 0).all()
    assert (np.diff(centred.x) > 0).all()
    assert centred.weight.sum() == pytest.approx(w.sum())
    assert (centred.weight * centred.x).sum() == pytest.approx((w * x).sum())
    assert set(np.round(centred.y, 12)) == set(np.round(plain.y, 12))
    level = (centred.y[0] + centred.y[-1]) / 2
    if len(centred.y) > 1:
        assert centred.predict(centred.threshold(level)) == pytest.approx(level)


@given(st.integers(3, 30), st.integers(0, 2**31))
def test_smooth_curve_is_scipys_pchip(n, seed):
    rng = np.random.default_rng(seed)
    fit = mc.centered_isotonic_fit(rng.normal(size=n), rng.random(n))
    if len(fit.x) < 2:
        return
    at = rng.uniform(fit.x[0], fit.x[-1], 40)
    np.testing.assert_allclose(fit.predict_smooth(at), PchipInterpolator(fit.x, fit.y)(at), rtol=0, atol=1e-12)


def simulated(n, rng, centre=-0.3, width=0.4, low=0.0, high=0.0):
    x = rng.uniform(-2, 2, n)
    p = low + (1 - low - high) / (1 + np.exp((x - centre) / width))
    return x, (rng.random(n) < p).astype(float)


@given(st.integers(0, 2**31))
def test_logistic_without_lapses_is_statsmodels(seed):
    rng = np.random.default_rng(seed)
    x, y = simulated(300, rng)
    ours = mc.logistic_fit(x, y, lower_lapse=0.0, upper_lapse=0.0)
    theirs = sm.Logit(y, sm.add_constant(x)).fit(disp=0)
    np.testing.assert_allclose([ours.intercept, ours.slope], theirs.params, rtol=1e-6)
    np.testing.assert_allclose(ours.covariance[:2, :2], theirs.cov_params(), rtol=1e-5)
    assert ours.log_likelihood == pytest.approx(theirs.llf)
    assert ours.converged


def test_cluster_robust_covariance_is_statsmodels():
    rng = np.random.default_rng(4)
    x, y = simulated(600, rng)
    groups = rng.integers(0, 40, 600)
    ours = mc.logistic_fit(x, y, lower_lapse=0.0, upper_lapse=0.0, groups=groups)
    keywords = {"groups": groups, "use_correction": False}
    theirs = sm.Logit(y, sm.add_constant(x)).fit(disp=0, cov_type="cluster", cov_kwds=keywords)
    np.testing.assert_allclose(ours.covariance[:2, :2], theirs.cov_params() * 40 / 39, rtol=1e-5)


@pytest.mark.parametrize("seed", range(12))
def test_free_lapses_reach_scipys_best(seed):
    rng = np.random.default_rng(seed)
    x, y = simulated(400, rng, low=0.1 * (seed % 3 == 1), high=0.08 * (seed % 2))

    def negative_log_likelihood(t):
        p = np.clip(t[2] + (1 - t[2] - t[3]) / (1 + np.exp(-np.clip(t[0] + t[1] * x, -500, 500))), 1e-12, 1 - 1e-12)
        return -np.sum(y * np.log(p) + (1 - y) * np.log1p(-p))

    bounds = [(-60, 60), (-60, 0), (0, 0.25), (0, 0.25)]
    starts = [(0, -2, 0.05, 0.05), (0, -5, 0.1, 0.01), (-1, -3, 0.01, 0.1), (-1, -10, 0.1, 0.1)]
    best = min(minimize(negative_log_likelihood, s, bounds=bounds, method="L-BFGS-B").fun for s in starts)
    ours = mc.logistic_fit(x, y)
    assert -ours.log_likelihood <= best + 1e-6
    again = negative_log_likelihood([ours.intercept, ours.slope, ours.lower_lapse, ours.upper_lapse])
    assert -ours.log_likelihood == pytest.approx(again, abs=1e-6)


def test_counts_are_trials():
    x, k, n = [-1.0, 0.0, 1.0], [9, 6, 1], [10, 12, 10]
    a = mc.logistic_fit(x, k, n=n, lower_lapse=0.0, upper_lapse=0.0)
    b = mc.logistic_fit(x, np.divide(k, n), weights=n, lower_lapse=0.0, upper_lapse=0.0)
    assert a.to_dict() == b.to_dict()


@pytest.mark.parametrize("seed", range(3))
def test_thresholds_agree_with_psignifit(seed):
    # psignifit is under the GPL: it is run here as a reference and nothing of it is in this package.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import psignifit as ps
    rng = np.random.default_rng(seed)
    x = np.linspace(-2, 2, 9)
    n = np.full(9, 120)
    p = 0.05 + 0.9 / (1 + np.exp(-(x - 0.2) / 0.4))
    k = rng.binomial(n, p)
    ours = mc.logistic_fit(x, k, n=n, increasing=True, lower_lapse=0.05, upper_lapse=0.05)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = ps.psignifit(
            np.column_stack([x, k, n]),
            sigmoid="logistic",
            experiment_type="yes/no",
            fixed_parameters={"lambda": 0.05, "gamma": 0.05, "eta": 0.0},
        )
        at = theirs.threshold(0.5, return_ci=False, unscaled=True)
    assert ours.threshold(0.5) == pytest.approx(float(at), abs=0.02)


def test_results_show_themselves():
    rng = np.random.default_rng(0)
    x, y = simulated(200, rng)
    for fit in (mc.isotonic_fit(x, y), mc.centered_isotonic_fit(x, y), mc.logistic_fit(x, y)):
        assert type(fit).__name__ in repr(fit)
        assert fit._repr_html_().startswith("<table>")
        json.dumps(fit.to_dict(), allow_nan=False)
        assert isinstance(fit.predict(0.0), float)
        assert fit.predict(np.zeros((2, 3))).shape == (2, 3)
    assert mc.logistic_fit([0.0, 1.0], [1, 1]).to_dict()["width"] is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mc.isotonic_fit([], []), "x is empty"),
        (lambda: mc.isotonic_fit([1, 2], [1]), "y has 1 entries"),
        (lambda: mc.isotonic_fit([[1, 2]], [1, 2]), "x has 2 axes"),
        (lambda: mc.isotonic_fit([1, np.nan], [1, 2]), r"x\[1\] is nan"),
        (lambda: mc.centered_isotonic_fit([1, 2], [1, np.inf]), r"y\[1\] is inf"),
        (lambda: mc.isotonic_fit([1, 2], [1, 2], [1, -1]), r"weights\[1\] is -1"),
        (lambda: mc.isotonic_fit([1, 2], [1, 2], []), "weights is empty"),
        (lambda: mc.isotonic_fit([1, 2], [1, 2]).predict(np.nan), "x is nan"),
        (lambda: mc.isotonic_fit(["a"], [1]), "x cannot be read as numbers"),
        (lambda: mc.isotonic_regression([1.0], [0.0]), r"weights\[0\] is 0"),
        (lambda: mc.logistic_fit([1, 1], [0, 1]), "one distinct value"),
        (lambda: mc.logistic_fit([1, 2], [0, 2]), r"y\[1\] is 2"),
        (lambda: mc.logistic_fit([1, 2], [3, 1], n=[2, 2]), r"k_or_y\[0\] is 3.0 of 2.0 trials"),
        (lambda: mc.logistic_fit([1, 2], [0, 0], n=[0, 2]), r"n\[0\] is 0"),
        (lambda: mc.logistic_fit([1, 2], [0, 1], max_lapse=0.6), "max_lapse is 0.6"),
        (lambda: mc.logistic_fit([1, 2], [0, 1], lower_lapse=-1), "lower_lapse is -1"),
        (lambda: mc.logistic_fit([1, 2], [0, 1], groups=[1]), "groups has shape"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(mc.InvalidArgument, match=message):
        call()
