"""Balance points: statuses, intervals, groups, threads."""

from __future__ import annotations

import json

import numpy as np
import pytest

import modalconflict as mc


def cases(groups, per_group, spread, seed, centre=-0.3):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), per_group)
    x = rng.uniform(-2, 2, len(g))
    shift = rng.normal(0, spread, groups)[g]
    y = (rng.random(len(g)) < 1 / (1 + np.exp((x - centre) / 0.4 - shift))).astype(float)
    return x, y, g


@pytest.mark.parametrize("method", ["cir", "logistic"])
def test_a_known_crossing_is_found(method):
    x, y, g = cases(150, 20, 0.5, 1)
    point = mc.balance_point(x, y, groups=g, method=method, replicates=300)
    assert point.status == "crossing"
    assert point.low < -0.3 < point.high
    assert point.low < point.estimate < point.high
    assert (point.n, point.groups, point.method) == (3000, 150, method)
    assert ("assumes_independence" in point.flags) == (method == "cir")


def test_labels_of_any_kind_name_groups():
    x, y, g = cases(20, 10, 0.5, 2)
    labels = [f"group {i}" for i in g]
    plain = mc.balance_point(x, y, groups=g, method="logistic", replicates=100)
    mixed = mc.balance_point(x, y, groups=np.array(labels, dtype=object), method="logistic", replicates=100)
    assert plain.groups == mixed.groups == 20
    assert plain.estimate == mixed.estimate


def test_threads_and_seeds():
    x, y, g = cases(30, 10, 0.5, 3)
    one = mc.balance_point(x, y, groups=g, method="logistic", replicates=150, threads=1)
    two = mc.balance_point(x, y, groups=g, method="logistic", replicates=150, threads=2)
    assert np.array_equal(one.replicate_estimates, two.replicate_estimates)
    other = mc.balance_point(x, y, groups=g, method="logistic", replicates=150, random_state=1)
    assert not np.array_equal(one.replicate_estimates, other.replicate_estimates)
    assert one.estimate == other.estimate
    drawn = mc.balance_point(x, y, groups=g, method="logistic", replicates=150, random_state=None)
    assert drawn.estimate == one.estimate


def test_replicates_scatter_as_an_independent_bootstrap_does():
    # The same bootstrap written with numpy and our own fit on resampled rows: the two standard errors agree.
    x, y, g = cases(60, 12, 1.0, 4)
    point = mc.balance_point(x, y, groups=g, method="logistic", replicates=1000)
    rng = np.random.default_rng(0)
    rows = x.reshape(60, 12), y.reshape(60, 12)
    estimates = []
    for _ in range(400):
        drawn = rng.integers(0, 60, 60)
        estimates.append(mc.logistic_fit(rows[0][drawn].ravel(), rows[1][drawn].ravel()).threshold(0.5))
    assert point.replicate_estimates.std() == pytest.approx(np.std(estimates), rel=0.15)
    low, high = np.quantile(point.replicate_estimates, [0.025, 0.975])
    assert (point.low, point.high) == pytest.approx((low, high))


@pytest.mark.parametrize("interval", ["percentile", "bca", "fieller"])
def test_every_interval_holds_its_estimate(interval):
    x, y, g = cases(80, 10, 0.5, 5)
    point = mc.balance_point(x, y, groups=g, method="logistic", interval=interval, replicates=500)
    assert point.low < point.estimate < point.high


@pytest.mark.parametrize("method", ["cir", "logistic"])
def test_one_answer_has_a_status_and_no_number(method):
    point = mc.balance_point([-1.0, 0.0, 1.0], [1, 1, 1], method=method)
    assert point.status == "always_text"
    assert np.isnan([point.estimate, point.low, point.high]).all()
    assert point.to_dict()["estimate"] is None
    assert str(point) == "balance point: none (always_text)"
    assert mc.balance_point([-1.0, 0.0], [0, 0], method=method).status == "always_vision"


def test_few_cases_leave_an_end_open():
    point = mc.balance_point([-3, -2.8, -2.6, -2.4, -2.2, -2, -1.8, 1], [1, 1, 1, 1, 1, 1, 1, 0])
    assert point.status == "one_sided"
    assert point.high == np.inf
    assert point.to_dict()["high"] is None


def test_results_show_themselves():
    x, y, _ = cases(20, 10, 0.0, 6)
    point = mc.balance_point(x, y)
    assert "crossing" in repr(point)
    assert "95%" in point._repr_html_()
    json.dumps(point.to_dict(), allow_nan=False)


X, Y = [-1.0, 0.0, 1.0, 2.0], [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mc.balance_point([], []), "delta_u_rel is empty"),
        (lambda: mc.balance_point([1.0], [1]), "delta_u_rel has one entry"),
        (lambda: mc.balance_point(X, Y[:3]), "follow_text has 3 entries"),
        (lambda: mc.balance_point([0.0, np.nan, 1, 2], Y), r"delta_u_rel\[1\] is nan"),
        (lambda: mc.balance_point(X, [0, 1, 2, 0]), r"follow_text\[2\] is 2"),
        (lambda: mc.balance_point(X, Y, groups=[1, 1, 1, 1]), "one group only"),
        (lambda: mc.balance_point(X, Y, groups=[1, 2]), "groups has shape"),
        (lambda: mc.balance_point(X, Y, groups=[1, 2, None, 3]), r"groups\[2\] is None"),
        (lambda: mc.balance_point(X, Y, groups=[1, 2, np.nan, 3]), r"groups\[2\] is nan"),
        (lambda: mc.balance_point(X, Y, level=0.0), "level is 0"),
        (lambda: mc.balance_point(X, Y, level=1.5), "level is 1.5"),
        (lambda: mc.balance_point(X, Y, method="spline"), "method 'spline' is unknown"),
        (lambda: mc.balance_point(X, Y, interval="wald"), "interval 'wald' is unknown"),
        (lambda: mc.balance_point(X, Y, method="logistic", replicates=5), "replicates is 5"),
        (lambda: mc.balance_point(X, Y, random_state=-1), "random_state is -1"),
        (lambda: mc.balance_point(X, Y, random_state=0.5), "random_state is 0.5"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(mc.InvalidArgument, match=message):
        call()
