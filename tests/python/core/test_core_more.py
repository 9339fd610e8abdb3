"""Calibration, monotonicity tests, comparisons of models, surfaces, bands, estimators."""

from __future__ import annotations

import itertools
import json

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special, stats
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import modalconflict as mc
from modalconflict import _core


def cases(n, rng, centre=-0.3, groups=None, spread=0.0):
    x = rng.uniform(-2, 2, n)
    shift = 0.0 if groups is None else rng.normal(0, spread, groups.max() + 1)[groups]
    return x, (rng.random(n) < 1 / (1 + np.exp((x - centre) / 0.4 - shift))).astype(float)


class TestCalibration:
    def test_temperature_is_scipys_optimum(self):
        rng = np.random.default_rng(0)
        logits = rng.normal(0, 3, (400, 7))
        targets = np.array([rng.choice(7, p=p) for p in special.softmax(logits / 2.5, axis=1)])

        def nll(t):
            return -special.log_softmax(logits / t, axis=1)[np.arange(400), targets].mean()

        best = optimize.minimize_scalar(nll, bounds=(0.1, 20), method="bounded", options={"xatol": 1e-10})
        found = mc.fit_temperature(logits, targets)
        assert found.temperature == pytest.approx(best.x, rel=1e-5)
        assert found.nll_after == pytest.approx(best.fun, abs=1e-12)
        assert found.nll_before == pytest.approx(nll(1.0), abs=1e-12)
        assert found.ece_after < found.ece_before
        assert not found.at_bound
        single = mc.fit_temperature(logits.astype(np.float32), targets)
        assert single.temperature == pytest.approx(found.temperature, rel=1e-4)
        json.dumps(found.to_dict())

    def test_certain_and_right_has_no_finite_temperature(self):
        assert mc.fit_temperature([[2.0, 0.0], [0.0, 2.0]], [0, 1]).at_bound

    @given(st.integers(1, 200), st.integers(1, 20), st.integers(0, 2**31))
    def test_calibration_error_is_its_definition(self, n, bins, seed):
        rng = np.random.default_rng(seed)
        confidence, correct = rng.random(n), rng.integers(0, 2, n).astype(float)
        edges = np.linspace(0, 1, bins + 1)
        expected = 0.0
        for low, high in itertools.pairwise(edges):
            inside = (confidence > low) & (confidence <= high)
            if inside.any():
                expected += inside.mean() * abs(confidence[inside].mean() - correct[inside].mean())
        assert mc.expected_calibration_error(confidence, correct, bins=bins) == pytest.approx(expected)

    def test_semantic_entropy_sums_wordings(self):
        p = np.array([0.1, 0.3, 0.2, 0.15])
        expected = stats.entropy([0.4, 0.35])
        assert mc.semantic_entropy(np.log(p), ["a", "a", "b", "b"]) == pytest.approx(expected)
        assert mc.sequence_surprisal([-0.5, -1.0], normalize=False) == 1.5


class TestMonotonicity:
    def test_violations_are_found_and_their_absence_too(self):
        rng = np.random.default_rng(1)
        x = rng.uniform(-2, 2, 2000)
        bump = (rng.random(2000) < np.where(np.abs(x) < 0.8, 0.8, 0.2)).astype(float)
        assert mc.violation_test(x, bump).p_value < 0.01
        x, y = cases(2000, rng)
        assert mc.violation_test(x, y).p_value > 0.1

    def test_mass_is_the_distance_from_scikit_learns_fit(self):
        rng = np.random.default_rng(2)
        x, y = cases(500, rng)
        found = mc.violation_test(x, rng.permutation(y), bins=8)
        fit = IsotonicRegression(increasing=False).fit_transform(found.centre, found.mean, sample_weight=found.count)
        np.testing.assert_allclose(found.fit, fit, atol=1e-12)
        assert found.mass == pytest.approx(np.average((found.mean - fit) ** 2, weights=found.count))
        assert found.count.sum() == 500

    def test_size_on_a_flat_curve_with_groups_is_near_nominal(self):
        rng = np.random.default_rng(3)
        groups = np.repeat(np.arange(60), 10)
        rejected = []
        for seed in range(200):
            x = rng.uniform(-2, 2, 600)
            y = (rng.random(600) < special.expit(rng.normal(0, 1, 60))[groups]).astype(float)
            rejected.append(mc.violation_test(x, y, groups, replicates=199, random_state=seed).p_value <= 0.05)
        assert 0.005 <= np.mean(rejected) <= 0.105  # 5 % within about three and a half standard errors

    @pytest.mark.soak
    @pytest.mark.parametrize("grouped", [True, False])
    def test_size_on_a_flat_curve_is_between_3_and_7_percent(self, grouped):
        rng = np.random.default_rng(7)
        groups = np.repeat(np.arange(60), 10)
        rejected = 0
        for seed in range(2000):
            x, shift = rng.uniform(-2, 2, 600), rng.normal(0, 1, 60)[groups] if grouped else 0.0
            y = (rng.random(600) < special.expit(shift)).astype(float)
            found = mc.violation_test(x, y, groups if grouped else None, replicates=399, random_state=seed)
            rejected += found.p_value <= 0.05
        assert 0.03 <= rejected / 2000 <= 0.07

    def test_trend_level_probabilities_are_the_published_ones(self):
        # Equal weights: |Stirling number of the first kind| / k! (Robertson, Wright & Dykstra 1988), here k = 4.
        x = np.repeat([0.0, 1.0, 2.0, 3.0], 50)
        y = np.random.default_rng(0).integers(0, 2, 200)
        found = mc.trend_test(x, y, bins=4, replicates=40000)
        np.testing.assert_allclose(found.level_probabilities, np.array([6, 11, 6, 1]) / 24, atol=0.01)

    def test_trend_p_values_are_uniform_under_a_flat_curve(self):
        rng = np.random.default_rng(4)
        p = [
            mc.trend_test(rng.uniform(size=300), rng.integers(0, 2, 300), bins=6, replicates=1000).p_value
            for _ in range(300)
        ]
        assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.09
        x, y = cases(300, rng)
        assert mc.trend_test(x, y).p_value < 1e-6

    def test_total_matters_or_does_not(self):
        rng = np.random.default_rng(5)
        x, y = cases(3000, rng)
        total = rng.uniform(0.2, 3, 3000)
        assert mc.sufficiency_test(x, y, total).p_value > 0.01
        groups = rng.integers(0, 100, 3000)
        moved = (rng.random(3000) < special.expit(-2 * x + np.log(total))).astype(float)
        found = mc.sufficiency_test(x, moved, total, groups)
        assert found.p_value < 1e-6
        assert found.coefficient == pytest.approx(1.0, abs=0.3)
        assert found.clusters == 100

    def test_sufficiency_is_statsmodels_likelihood_ratio(self):
        import statsmodels.api as sm

        rng = np.random.default_rng(6)
        x, y = cases(800, rng)
        total = rng.uniform(0.2, 3, 800)
        base = np.column_stack([np.ones(800), x, x**2, x**3])
        full = np.column_stack([base, np.log(total)])
        small, large = sm.Logit(y, base).fit(disp=0), sm.Logit(y, full).fit(disp=0, cov_type="HC0")
        found = mc.sufficiency_test(x, y, total)
        assert found.likelihood_ratio == pytest.approx(2 * (large.llf - small.llf), abs=1e-6)
        assert found.coefficient == pytest.approx(large.params[-1], rel=1e-5)
        assert found.error == pytest.approx(large.bse[-1] * np.sqrt(800 / 799), rel=1e-4)
        assert found.p_independent == pytest.approx(stats.chi2.sf(found.likelihood_ratio, 1))

    @given(hnp.arrays(np.float64, st.integers(2, 40), elements=st.integers(-5, 5).map(float)), st.integers(0, 2**31))
    def test_spearman_is_scipys(self, x, seed):
        y = np.random.default_rng(seed).integers(0, 4, len(x)).astype(float)
        ours = mc.spearman(x, y)
        if np.ptp(x) == 0 or np.ptp(y) == 0:
            assert np.isnan(ours)
        else:
            assert ours == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)

    @given(st.floats(0, 80), st.integers(1, 25))
    def test_chi_square_tail_is_scipys(self, value, degrees):
        assert _core.chi_square_survival(value, degrees) == pytest.approx(stats.chi2.sf(value, degrees), abs=1e-12)

    def test_median_split_keeps_every_case(self):
        rng = np.random.default_rng(7)
        x, y = cases(1200, rng)
        total = rng.uniform(0.2, 3, 1200)
        split = mc.median_split(x, y, total, rng.integers(0, 50, 1200), replicates=200)
        assert sum(split.n) == 1200
        assert [b.status for b in split.balance] == ["crossing", "crossing"]
        assert max(split.spearman) < 0
        json.dumps(split.to_dict(), allow_nan=False)


class TestComparison:
    def test_a_shift_is_found_and_pairing_sharpens_it(self):
        rng = np.random.default_rng(8)
        groups = np.repeat(np.arange(80), 15)
        x = rng.uniform(-2, 2, 1200)
        shift = rng.normal(0, 1.0, 80)[groups]
        u = rng.random(1200)
        first = (u < special.expit(-(x + 0.5) / 0.4 + shift)).astype(float)
        second = (u < special.expit(-(x - 0.1) / 0.4 + shift)).astype(float)
        paired = mc.balance_point_difference(x, first, groups, x, second, groups, replicates=500)
        assert paired.low < -0.6 < paired.high
        assert paired.p_value < 0.05
        apart = np.where(groups == 0, 0, groups + 1000)  # one shared label only: the two are resampled apart
        unpaired = mc.balance_point_difference(x, first, groups, x, second, apart, replicates=500)
        assert paired.high - paired.low < 0.8 * (unpaired.high - unpaired.low)
        json.dumps(paired.to_dict(), allow_nan=False)

    def test_no_difference_has_no_small_p(self):
        rng = np.random.default_rng(9)
        x, y = cases(600, rng)
        labels = [f"case {i}" for i in range(600)]
        same = mc.balance_point_difference(x, y, labels, x, y, labels, replicates=200)
        assert (same.estimate, same.low, same.high, same.p_value) == (0.0, 0.0, 0.0, 1.0)

    def test_without_a_crossing_there_is_no_number(self):
        rng = np.random.default_rng(10)
        x, y = cases(200, rng)
        found = mc.balance_point_difference(x, y, range(200), x, np.ones(200), range(200), replicates=100)
        assert np.isnan([found.estimate, found.p_value]).all()
        assert found.second.status == "always_text"

    def test_methods_that_contradict_are_flagged(self):
        # A curve that falls to 0.45, stays there, and falls again: the logistic curve puts its crossing elsewhere.
        rng = np.random.default_rng(11)
        x = rng.uniform(-2, 2, 60000)
        p = np.where(x < -1.5, 0.98, np.where(x < 1.2, 0.46, 0.44))
        y = (rng.random(len(x)) < p).astype(float)
        point = mc.balance_point(x, y, method="logistic", replicates=100, cross_check=True, max_lapse=0.0)
        assert "misspecified" in point.flags
        x, y = cases(3000, rng)
        assert "misspecified" not in mc.balance_point(x, y, method="cir", replicates=100, cross_check=True).flags

    def test_decomposition_adds_up_and_names_its_cause(self):
        rng = np.random.default_rng(12)
        x, y = cases(4000, rng)
        shifted = x - 0.5
        moved = (rng.random(4000) < special.expit(-(shifted + 0.3) / 0.4)).astype(float)
        found = mc.decompose_following(shifted, moved, x, y, replicates=200)
        assert found.total.estimate == pytest.approx(moved.mean() - y.mean())
        assert found.distribution.estimate + found.curve.estimate == pytest.approx(found.total.estimate)
        assert abs(found.curve.estimate) < 0.03 < found.distribution.estimate
        assert found.distribution.low <= found.distribution.estimate <= found.distribution.high
        assert found.first_outside == pytest.approx((shifted < x.min()).mean())
        other = (rng.random(4000) < special.expit(-(x - 0.3) / 0.4)).astype(float)
        by_curve = mc.decompose_following(x, other, x, y, replicates=100)
        assert by_curve.distribution.estimate == pytest.approx(0.0, abs=1e-12)
        assert by_curve.curve.estimate == pytest.approx(by_curve.total.estimate)
        json.dumps(found.to_dict())

    def test_decomposition_is_the_definition_with_scikit_learns_curves(self):
        rng = np.random.default_rng(13)
        (x, y), (u, v) = cases(300, rng), cases(250, rng, centre=0.4)
        a = IsotonicRegression(increasing=False, out_of_bounds="clip").fit(x, y)
        b = IsotonicRegression(increasing=False, out_of_bounds="clip").fit(u, v)
        mean = lambda z: (a.predict(z) + b.predict(z)) / 2  # noqa: E731
        gap = lambda z: a.predict(z) - b.predict(z)  # noqa: E731
        found = mc.decompose_following(x, y, u, v, replicates=100)
        assert found.distribution.estimate == pytest.approx(mean(x).mean() - mean(u).mean())
        assert found.curve.estimate == pytest.approx((gap(x).mean() + gap(u).mean()) / 2)


class TestOscillations:
    def test_commitment_layer(self):
        assert mc.commitment_layer([1.0, -1.0, 2.0, 3.0]) == 2
        assert mc.commitment_layer([1.0, 2.0]) == 0
        assert mc.commitment_layer([1.0, 0.0]) == -1
        assert mc.commitment_layer([[1.0, 0.0, 1.0], [-1.0, -1.0, -1.0]]).tolist() == [2, 0]

    def test_permutation_p_is_scipys_exact_one(self):
        values, first = np.array([3, 1, 4, 1, 5, 0, 2.0]), np.array([1, 1, 1, 0, 0, 0, 0])
        found = mc.permutation_test(values, first, permutations=40000)

        def statistic(a, b):
            return abs(a.mean() - b.mean())

        exact = stats.permutation_test(
            (values[first == 1], values[first == 0]), statistic, permutation_type="independent", alternative="greater"
        )
        assert found.p_value == pytest.approx(exact.pvalue, abs=0.01)
        assert found.difference == pytest.approx(values[:3].mean() - values[3:].mean())

    def test_shuffles_within_groups_leave_group_differences_alone(self):
        # The kinds differ between groups only: shuffling within groups sees nothing, shuffling all sees much.
        values = np.array([5.0] * 20 + [0.0] * 20)
        first = np.array([1] * 18 + [0] * 2 + [1] * 2 + [0] * 18)
        groups = np.repeat([0, 1], 20)
        assert mc.permutation_test(values, first).p_value < 0.01
        assert mc.permutation_test(values, first, groups).p_value == 1.0

    def test_threads_do_not_change_p(self):
        rng = np.random.default_rng(0)
        values, first = rng.integers(0, 4, 50), rng.integers(0, 2, 50)
        one, many = (mc.permutation_test(values, first, permutations=500, threads=t).p_value for t in (1, 3))
        assert one == many


class TestCurves:
    def test_band_is_the_loop_over_scikit_learn(self):
        rng = np.random.default_rng(14)
        groups = np.repeat(np.arange(30), 10)
        x, y = cases(300, rng, groups=groups, spread=1.0)
        at = np.linspace(-1.8, 1.8, 9)
        band = mc.isotonic_band(x, y, groups, at=at, replicates=2000)
        curves = []
        for _ in range(600):
            weight = np.bincount(rng.integers(0, 30, 30), minlength=30)[groups]
            model = IsotonicRegression(increasing=False, out_of_bounds="clip").fit(x, y, sample_weight=weight)
            curves.append(model.predict(at))
        low, high = np.quantile(curves, [0.025, 0.975], axis=0)
        np.testing.assert_allclose(band.low, low, atol=0.06)
        np.testing.assert_allclose(band.high, high, atol=0.06)
        np.testing.assert_allclose(band.fit, mc.isotonic_fit(x, y).predict(at), atol=1e-12)
        assert np.array_equal(band.low, mc.isotonic_band(x, y, groups, at=at, replicates=2000, threads=1).low)

    def test_beta_binomial_is_scipys_optimum(self):
        rng = np.random.default_rng(15)
        x, n = np.linspace(-2, 2, 15), np.full(15, 40)
        p = special.expit(-(x + 0.3) / 0.5)
        k = rng.binomial(n, rng.beta(p * 9, (1 - p) * 9))

        def nll(t):
            prob = np.clip(special.expit(t[0] + t[1] * x), 1e-9, 1 - 1e-9)
            scale = 1 / t[2] - 1
            return -stats.betabinom.logpmf(k, n, prob * scale, (1 - prob) * scale).sum()

        best = optimize.minimize(
            nll, [0, -2, 0.1], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 5000}
        )
        found = mc.beta_binomial_fit(x, k, n, lower_lapse=0.0, upper_lapse=0.0)
        assert found.overdispersion == pytest.approx(best.x[2], abs=1e-4)
        assert (found.curve.intercept, found.curve.slope) == pytest.approx(tuple(best.x[:2]), abs=1e-3)
        assert found.p_value < 0.001
        plain = mc.beta_binomial_fit(x, rng.binomial(n, p), n, lower_lapse=0.0, upper_lapse=0.0)
        assert plain.p_value > 0.01
        json.dumps(found.to_dict())

    @settings(max_examples=25)
    @given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**31))
    def test_surface_is_the_quadratic_programs_solution(self, rows, columns, seed):
        rng = np.random.default_rng(seed)
        values, weights = rng.random((rows, columns)), rng.uniform(0.5, 2, (rows, columns))
        found = _core.isotonic_surface(values, weights, False, True)
        index = np.arange(rows * columns).reshape(rows, columns)
        pairs = [(a, b) for a, b in zip(index[:-1].ravel(), index[1:].ravel(), strict=True)]
        pairs += [(b, a) for a, b in zip(index[:, :-1].ravel(), index[:, 1:].ravel(), strict=True)]
        assert all(found.ravel()[a] >= found.ravel()[b] - 1e-8 for a, b in pairs)
        if pairs:
            rows_of = np.zeros((len(pairs), rows * columns))
            for i, (a, b) in enumerate(pairs):
                rows_of[i, a], rows_of[i, b] = 1, -1
            # The projection onto a cone by non-negative least squares on its dual (Moreau).
            root = np.sqrt(weights.ravel())
            dual, _ = optimize.nnls((rows_of / root).T, -(values.ravel() * root))
            expected = values.ravel() + (rows_of.T @ dual) / weights.ravel()
            np.testing.assert_allclose(found.ravel(), expected, atol=1e-7)

    def test_surface_predicts_within_its_range_and_fills_empty_cells(self):
        rng = np.random.default_rng(16)
        a, b = rng.gamma(2, 0.5, 3000), rng.gamma(2, 0.5, 3000)
        y = (rng.random(3000) < special.expit(2 * np.log(b / a))).astype(float)
        surface = mc.isotonic_surface(a, b, y)
        grid = surface.predict(np.linspace(0.1, 3, 20)[:, None], np.linspace(0.1, 3, 20)[None, :])
        assert grid.shape == (20, 20)
        assert (np.diff(grid, axis=0) <= 1e-9).all()
        assert (np.diff(grid, axis=1) >= -1e-9).all()
        sparse = mc.isotonic_surface([0, 0, 1], [0, 1, 1], [0.2, 0.9, 0.4])
        assert sparse.weight[1, 0] == 0
        assert 0 <= sparse.values[1, 0] <= 0.2 + 1e-6
        json.dumps(sparse.to_dict())


class TestEstimators:
    def test_scikit_learn_conventions(self):
        from sklearn.base import clone

        from modalconflict.core.estimators import CenteredIsotonicRegressor, IsotonicRegressor, LapseLogisticRegressor

        rng = np.random.default_rng(17)
        x, y = cases(400, rng)
        for estimator in (IsotonicRegressor(), CenteredIsotonicRegressor(), LapseLogisticRegressor(max_lapse=0.1)):
            copy = clone(estimator)
            assert copy.get_params() == estimator.get_params()
            pipeline = make_pipeline(StandardScaler(), copy)
            assert cross_val_score(pipeline, x[:, None], y, cv=4).mean() > 0.2
            fitted = estimator.fit(x[:, None], y)
            assert fitted.n_features_in_ == 1
            assert fitted.threshold() == pytest.approx(-0.3, abs=0.4)
            with pytest.raises(ValueError, match="exactly one"):
                clone(estimator).fit(np.zeros((4, 2)), [0, 1, 0, 1])

    def test_applicable_estimator_checks_pass(self):
        from sklearn.utils import estimator_checks

        from modalconflict.core.estimators import CenteredIsotonicRegressor, IsotonicRegressor, LapseLogisticRegressor

        applicable = [
            estimator_checks.check_no_attributes_set_in_init,
            estimator_checks.check_parameters_default_constructible,
            estimator_checks.check_get_params_invariance,
            estimator_checks.check_set_params,
            estimator_checks.check_estimator_cloneable,
            estimator_checks.check_estimators_unfitted,
        ]
        for cls in (IsotonicRegressor, CenteredIsotonicRegressor, LapseLogisticRegressor):
            for check in applicable:
                check(cls.__name__, cls())


X, Y = [-1.0, 0.0, 1.0, 2.0], [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mc.fit_temperature([[1.0, 2.0]], [2]), r"targets\[0\] is token 2"),
        (lambda: mc.fit_temperature([[1.0, -np.inf]], [1]), "row 0: the target's logit is -inf"),
        (lambda: mc.fit_temperature([[1.0, 2.0]], [0.5]), "one token id a row"),
        (lambda: mc.fit_temperature([[1.0, np.nan]], [0]), "row 0"),
        (lambda: mc.expected_calibration_error([1.5], [1]), r"confidence\[0\] is 1.5"),
        (lambda: mc.sequence_surprisal([0.1]), r"token_log_probs\[0\] is 0.1"),
        (lambda: mc.semantic_entropy([-1.0], ["a", "b"]), "classes has shape"),
        (lambda: mc.violation_test([], []), "x is empty"),
        (lambda: mc.violation_test(X, Y, bins=1), "bins is 1"),
        (lambda: mc.violation_test(X, Y, [1, 1, 1, 1]), "one group only"),
        (lambda: mc.trend_test(X, Y, replicates=3), "replicates is 3"),
        (lambda: mc.trend_test([1, 1], [0, 1]), "one distinct value"),
        (lambda: mc.sufficiency_test(X, Y, [1, 1, 0, 1]), r"total\[2\] is 0"),
        (lambda: mc.sufficiency_test(X, Y, [1, 2, 1, 2]), "do not vary enough"),
        (lambda: mc.median_split(X, Y, [1, 1, 1, 1]), "does not vary"),
        (lambda: mc.spearman([1.0], [1.0, 2.0]), "y has 2 entries"),
        (lambda: mc.balance_point_difference(X, Y, range(4), X, Y, range(10, 14)), "no group in common"),
        (lambda: mc.balance_point_difference(X, Y, range(4), X, Y, range(3)), "groups_second has shape"),
        (lambda: mc.decompose_following(X, Y, X, Y, groups_first=[1, 2, 3, 4]), "one model only"),
        (lambda: mc.decompose_following(X, [0, 1, 2, 0], X, Y), r"y of the first model\[2\] is 2"),
        (lambda: mc.isotonic_band(X, Y, at=[1.0, 0.0]), r"at\[1\] is 0"),
        (lambda: mc.isotonic_surface(X, Y, [0, 1, np.nan, 1]), r"y\[2\] is nan"),
        (lambda: mc.isotonic_surface(X, Y[:3], Y), "x2 has 3 entries"),
        (lambda: mc.beta_binomial_fit([0, 1], [1, 0], [1, 1]), "trials are all one"),
        (lambda: mc.beta_binomial_fit([0, 1], [3, 0], [2, 2]), r"successes\[0\] is 3"),
        (lambda: mc.commitment_layer([[1.0, np.nan]]), r"case 0: lead\[1\] is nan"),
        (lambda: mc.permutation_test([1.0, 2.0], [1, 1]), "both kinds"),
        (lambda: mc.permutation_test([1.0, 2.0], [1]), "is_first has shape"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(mc.InvalidArgument, match=message):
        call()
