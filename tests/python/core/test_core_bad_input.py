"""What no statistic may answer with a number: every fault, in every function that can meet it, named with its place."""

from __future__ import annotations

import numpy as np
import pytest

import modalconflict as mc

N = 8
X = np.linspace(-1, 1, N)
Y = np.array([1, 1, 0, 1, 0, 1, 0, 0.0])
TOTAL = np.linspace(0.5, 2, N)[::-1] ** 2
GROUPS = np.arange(N) // 2
QUICK = {"replicates": 100}


def total(x):
    return TOTAL[: len(x)]


# Functions of places and outcomes; each takes (x, y) and keywords that some of them share.
OF_CASES = {
    "isotonic_fit": lambda x, y: mc.isotonic_fit(x, y),
    "centered_isotonic_fit": lambda x, y: mc.centered_isotonic_fit(x, y),
    "isotonic_surface": lambda x, y: mc.isotonic_surface(x, total(x), y),
    "isotonic_band": lambda x, y, **k: mc.isotonic_band(x, y, **QUICK, **k),
    "logistic_fit": lambda x, y, **k: mc.logistic_fit(x, y, **k),
    "balance_cir": lambda x, y, **k: mc.balance_point(x, y, **k),
    "balance_percentile": lambda x, y, **k: mc.balance_point(x, y, method="logistic", **QUICK, **k),
    "balance_bca": lambda x, y, **k: mc.balance_point(x, y, method="logistic", interval="bca", **QUICK, **k),
    "balance_fieller": lambda x, y, **k: mc.balance_point(x, y, method="logistic", interval="fieller", **k),
    "difference": lambda x, y, groups=None, **k: mc.balance_point_difference(
        x, y, GROUPS[: len(x)] if groups is None else groups, X, Y, GROUPS, **QUICK, **k
    ),
    "difference_second": lambda x, y, groups=None, **k: mc.balance_point_difference(
        X, Y, GROUPS, x, y, GROUPS[: len(x)] if groups is None else groups, **QUICK, **k
    ),
    "decompose": lambda x, y, groups=None, **k: mc.decompose_following(
        x, y, X, Y, groups_first=groups, groups_second=None if groups is None else GROUPS, **QUICK, **k
    ),
    "decompose_second": lambda x, y, groups=None, **k: mc.decompose_following(
        X, Y, x, y, groups_first=None if groups is None else GROUPS, groups_second=groups, **QUICK, **k
    ),
    "violation_test": lambda x, y, **k: mc.violation_test(x, y, **QUICK, **k),
    "trend_test": lambda x, y, **k: mc.trend_test(x, y, **QUICK, **k),
    "sufficiency_test": lambda x, y, **k: mc.sufficiency_test(x, y, total(x), **k),
    "median_split": lambda x, y, **k: mc.median_split(x, y, total(x), **QUICK, **k),
    "spearman": lambda x, y: mc.spearman(x, y),
    "beta_binomial_fit": lambda x, y: mc.beta_binomial_fit(x, np.asarray(y) * 3, np.full(len(x), 3.0)),
    "permutation_test": lambda x, y: mc.permutation_test(x, y, permutations=100),
}
FITS_ONE_PLACE = {"isotonic_fit", "centered_isotonic_fit", "isotonic_surface"}
ANY_OUTCOME = FITS_ONE_PLACE | {"isotonic_band", "violation_test", "trend_test", "spearman"}
WITH_GROUPS = [
    *("isotonic_band", "logistic_fit", "balance_cir", "balance_percentile", "balance_bca", "balance_fieller"),
    *("difference", "difference_second", "decompose", "decompose_second"),
    *("violation_test", "trend_test", "sufficiency_test", "median_split"),
]
WITH_LEVEL = [n for n in WITH_GROUPS if n not in ("logistic_fit", "violation_test", "trend_test", "sufficiency_test")]


def changed(values, place, value):
    out = values.copy()
    out[place] = value
    return out


def refused(name, pattern, x, y, **keywords):
    with pytest.raises(mc.InvalidArgument, match=pattern) as caught:
        OF_CASES[name](x, y, **keywords)
    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)


every = pytest.mark.parametrize("name", OF_CASES)


@every
def test_empty(name):
    refused(name, "empty", np.array([]), np.array([]))


@every
def test_unequal_lengths(name):
    refused(name, r"8|shape", X, Y[:5])


@every
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_place_that_is_no_number(name, value):
    refused(name, r"\[3\] is -?(nan|inf)", changed(X, 3, value), Y)


@every
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_outcome_that_is_no_number(name, value):
    refused(name, r"\[3\] is .*(nan|inf)", X, changed(Y, 3, value))


@pytest.mark.parametrize("name", [n for n in OF_CASES if n not in ANY_OUTCOME])
@pytest.mark.parametrize("value", [-0.5, 2.0])
def test_an_outcome_beyond_zero_and_one(name, value):
    refused(name, r"\[3\] is ", X, changed(Y, 3, value))


@pytest.mark.parametrize("name", [n for n in OF_CASES if n not in FITS_ONE_PLACE | {"spearman"}])
def test_one_case(name):
    refused(name, r"one|two|throughout|does not vary|both kinds", np.array([0.5]), np.array([1.0]))


@pytest.mark.parametrize("name", sorted(FITS_ONE_PLACE))
def test_one_case_is_a_curve_that_crosses_nowhere(name):
    fit = OF_CASES[name](np.array([0.5]), np.array([1.0]))
    if name != "isotonic_surface":
        assert fit.threshold(0.5) is None


@pytest.mark.parametrize("answer", [0.0, 1.0])
def test_one_answer_throughout_leaves_no_number_of_a_crossing(answer):
    y = np.full(N, answer)
    for name in ("balance_cir", "balance_percentile", "balance_bca", "balance_fieller"):
        point = OF_CASES[name](X, y)
        assert point.status == ("always_text" if answer else "always_vision")
        assert np.isnan([point.estimate, point.low, point.high]).all()
    for name in ("isotonic_fit", "centered_isotonic_fit", "logistic_fit", "beta_binomial_fit"):
        assert OF_CASES[name](X, y).threshold(0.5) is None
    difference = OF_CASES["difference"](X, y)
    assert np.isnan([difference.estimate, difference.low, difference.high, difference.p_value]).all()
    assert np.isnan(mc.spearman(X, y))
    assert OF_CASES["violation_test"](X, y).p_value == OF_CASES["trend_test"](X, y).p_value == 1.0
    refused("sufficiency_test", "throughout", X, y)
    refused("permutation_test", "both kinds", X, y)


@pytest.mark.parametrize("name", WITH_GROUPS)
def test_fewer_than_two_groups(name):
    refused(name, "one group only", X, Y, groups=np.zeros(N, dtype=int))


@pytest.mark.parametrize("name", WITH_GROUPS)
def test_groups_of_another_length(name):
    refused(name, r"groups\w* has shape \(3,\) for 8", X, Y, groups=GROUPS[:3])


@pytest.mark.parametrize("name", WITH_GROUPS)
def test_a_missing_group(name):
    labels = [*"aabbccd", None]
    refused(name, r"groups\w*\[7\] is (None|missing)", X, Y, groups=np.array(labels, dtype=object))


@pytest.mark.parametrize("name", WITH_LEVEL)
@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 1.5, np.nan])
def test_a_level_outside_zero_and_one(name, level):
    refused(name, "level is ", X, Y, level=level)


WEIGHTED = {
    "isotonic_fit": lambda w: mc.isotonic_fit(X, Y, w),
    "centered_isotonic_fit": lambda w: mc.centered_isotonic_fit(X, Y, w),
    "isotonic_regression": lambda w: mc.isotonic_regression(Y, w),
    "logistic_fit": lambda w: mc.logistic_fit(X, Y, weights=w),
    "isotonic_surface": lambda w: mc.isotonic_surface(X, TOTAL, Y, w),
}


@pytest.mark.parametrize("name", WEIGHTED)
@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_a_weight_that_weighs_nothing_sensible(name, value):
    with pytest.raises(mc.InvalidArgument, match=r"weights\[3\] is -?(1|nan|inf)"):
        WEIGHTED[name](changed(np.ones(N), 3, value))


@pytest.mark.parametrize("name", WEIGHTED)
def test_weights_of_another_length_or_none_at_all(name):
    with pytest.raises(mc.InvalidArgument, match="weights has 3 entries"):
        WEIGHTED[name](np.ones(3))
    with pytest.raises(mc.InvalidArgument, match="weights is empty"):
        WEIGHTED[name]([])
    with pytest.raises(mc.InvalidArgument, match="weights"):
        WEIGHTED[name](np.zeros(N))


@pytest.mark.parametrize("index", [i for i in mc.uncertainty_indices() if i != "energy"])
class TestProbabilities:
    NEEDED = {  # noqa: RUF012
        "surprisal": {"target": 1},
        "calibrated_entropy": {"temperature": 1.7},
        "candidate_entropy": {"candidates": [[0], [1]]},
        "off_candidate_mass": {"candidates": [[0], [1]]},
    }

    def call(self, index, values, **keywords):
        return mc.uncertainty(values, index, **self.NEEDED.get(index, {}), **keywords)

    @pytest.mark.parametrize(
        ("row", "pattern"),
        [
            ([0.5, 0.4], "row 1: probs sum to 0.9"),
            ([1.5, -0.5], r"row 1: probs\[1\] is -0.5"),
            ([np.nan, 1.0], r"row 1: probs\[0\] is nan"),
            ([np.inf, 1.0], r"row 1: probs\[0\] is inf"),
        ],
    )
    def test_no_distribution(self, index, row, pattern):
        with pytest.raises(mc.InvalidArgument, match=pattern):
            self.call(index, [[0.5, 0.5], row], from_probs=True)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize(
        ("row", "pattern"),
        [
            ([0.0, np.nan], r"row 1: logits\[1\] is nan"),
            ([np.inf, 0.0], r"row 1: logits\[0\] is inf"),
            ([-np.inf, -np.inf], "row 1: logits are all -inf"),
        ],
    )
    def test_no_logits(self, index, dtype, row, pattern):
        with pytest.raises(mc.InvalidArgument, match=pattern):
            self.call(index, np.array([[0.0, 1.0], row], dtype=dtype))

    def test_nothing(self, index):
        for empty in ([], [[]], np.zeros((3, 0))):
            with pytest.raises(mc.InvalidArgument, match="shape"):
                self.call(index, empty)


# A NaN whose payload fills the low bits is still found, wherever it stands in a row longer than one tile.
@pytest.mark.parametrize("place", [0, 5, 4096, 9000])
def test_a_nan_of_any_payload(place):
    row = np.random.default_rng(0).normal(size=9001).astype(np.float32)
    bits = row.view(np.uint32)
    for payload in (0x7FC00000, 0x7F800001, 0xFFC00001, 0x7FFFFFFF):
        damaged = bits.copy()
        damaged[place] = payload
        with pytest.raises(mc.InvalidArgument, match=rf"logits\[{place}\] is -?nan"):
            mc.entropy_from_logits(damaged.view(np.float32))


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (lambda: mc.relative_uncertainty([0.1, np.nan], [0.1, 0.1]), r"u_text\[1\] is nan"),
        (lambda: mc.relative_uncertainty([0.1, 0.1], [0.1, np.inf]), r"u_vision\[1\] is inf"),
        (lambda: mc.log_uncertainty_ratio([0.1, -0.1], [0.1, 0.1]), r"u_text\[1\] is -0.1"),
        (lambda: mc.log_uncertainty_ratio([0.1], [0.1, 0.2]), "u_text has shape"),
        (lambda: mc.relative_uncertainty_error([1.0], [1.0], [-0.1], [0.1]), r"error_text\[0\] is -0.1"),
        (lambda: mc.relative_uncertainty_error([1.0], [1.0], [0.1], [np.nan]), r"error_vision\[0\] is nan"),
        (lambda: mc.fit_temperature(np.zeros((0, 3)), np.zeros(0, dtype=int)), "empty"),
        (lambda: mc.fit_temperature([[0.0, 1.0]], [0, 1]), "targets has shape"),
        (lambda: mc.fit_temperature(np.zeros((3, 2)), [0, 1, 0]), "equal within every row"),
        (lambda: mc.expected_calibration_error([], []), "confidence is empty"),
        (lambda: mc.expected_calibration_error([0.5], [0.5, 1]), "correct has 2 entries"),
        (lambda: mc.expected_calibration_error([0.5, np.nan], [1, 1]), r"confidence\[1\] is nan"),
        (lambda: mc.sequence_surprisal([]), "token_log_probs is empty"),
        (lambda: mc.sequence_surprisal([-1.0, np.nan]), r"token_log_probs\[1\] is nan"),
        (lambda: mc.semantic_entropy([], []), "empty"),
        (lambda: mc.semantic_entropy([-1.0, np.nan], ["a", "b"]), r"log_probs\[1\] is nan"),
        (lambda: mc.sufficiency_test(X, Y, changed(TOTAL, 2, np.nan)), r"total\[2\] is nan"),
        (lambda: mc.sufficiency_test(X, Y, changed(TOTAL, 2, -1.0)), r"total\[2\] is -1"),
        (lambda: mc.sufficiency_test(X, (X < 0).astype(float), TOTAL), "separated"),
        (lambda: mc.median_split(X, Y, changed(TOTAL, 2, np.nan)), r"total\[2\] is not finite"),
        (lambda: mc.median_split(X, Y, TOTAL[:3]), "8, 8 and 3 entries"),
        (lambda: mc.isotonic_surface(X, changed(TOTAL, 4, np.nan), Y), r"x2\[4\] is nan"),
        (lambda: mc.isotonic_regression([]), "y is empty"),
        (lambda: mc.isotonic_regression([1.0, np.nan]), r"y\[1\] is nan"),
        (lambda: mc.isotonic_band(X, Y, at=[]), "at is empty"),
        (lambda: mc.isotonic_band(X, Y, at=[0.0, np.nan]), r"at\[1\] is nan"),
        (lambda: mc.isotonic_fit(X, Y).threshold(np.nan), "level is nan"),
        (lambda: mc.logistic_fit(X, Y).threshold(np.nan), "level is nan"),
        (lambda: mc.logistic_fit(X, Y).predict([0.0, np.nan]), "x is nan"),
        (lambda: mc.isotonic_fit(X, Y).predict_smooth([0.0, np.nan]), r"x\[1\] is nan"),
        (lambda: mc.isotonic_surface(X, TOTAL, Y).predict(np.nan, 0.0), "x1 or x2 is nan"),
        (lambda: mc.beta_binomial_fit(X, np.ones(N), np.full(N, np.nan)), r"trials\[0\] is nan"),
        (lambda: mc.commitment_layer(np.zeros((2, 2, 2))), "3 axes"),
        (lambda: mc.permutation_test([1.0, np.nan], [1, 0]), r"values\[1\] is nan"),
        (lambda: mc.permutation_test([1.0, 2.0], [1, 0], permutations=5), "permutations is 5"),
    ],
)
def test_the_rest(call, pattern):
    with pytest.raises(mc.InvalidArgument, match=pattern):
        call()


HUGE, TINY = X * 1e308, X * 1e-320


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (lambda: mc.logistic_fit(HUGE, Y), "x spans"),
        (lambda: mc.logistic_fit(TINY, Y), "x spans"),
        (lambda: mc.logistic_fit(X, Y, weights=np.full(N, 1e308)), "weights are at most 1e\\+308"),
        (lambda: mc.isotonic_fit(X, Y * 1e308, np.full(N, 1e308)), "y spans"),
        (lambda: mc.isotonic_regression(np.full(N, 1e308)), "too large to be summed"),
        (lambda: mc.violation_test(X, Y * 1e308, replicates=100), "y is too large"),
        (lambda: mc.balance_point(np.ma.array(X, mask=Y > 0), Y), r"delta_u_rel\[0\] is masked"),
        (lambda: mc.balance_point(X, Y + 1j), "follow_text holds complex numbers"),
        (lambda: mc.entropy_from_logits(np.array([1 + 2j])), "logits holds complex numbers"),
        (lambda: mc.entropy(np.ma.array([0.5, 0.5], mask=[0, 1])), r"probs\[1\] is masked"),
        (lambda: mc.balance_point(X, Y, level="high"), "level is 'high'"),
        (lambda: mc.balance_point(X, Y, level=None), "level is None"),
        (lambda: mc.balance_point(X, Y, method=3), "method is 3"),
        (lambda: mc.balance_point(X, Y, interval=None), "interval None is unknown"),
        (lambda: mc.balance_point(X, Y, random_state=2**70), "random_state is 1180591620717411303424"),
        (lambda: mc.balance_point(X, Y, method="logistic", replicates=10**12), "replicates is 1000000000000"),
        (lambda: mc.balance_point(X, Y, method="logistic", max_lapse="a"), "max_lapse is 'a'"),
        (lambda: mc.isotonic_fit(X, Y, increasing="yes"), "increasing is 'yes'"),
        (lambda: mc.isotonic_fit(X, Y).threshold("half"), "level is 'half'"),
        (lambda: mc.isotonic_fit(X, Y).predict("a"), "x cannot be read as numbers"),
        (lambda: mc.isotonic_surface(X, TOTAL, Y, bins=2.5), "bins is 2.5"),
        (lambda: mc.isotonic_surface(X, TOTAL, Y, increasing=True), "increasing is True"),
        (lambda: mc.isotonic_surface(X, TOTAL, Y).predict([1, 2], [1, 2, 3]), "do not go together"),
        (lambda: mc.uncertainty([0.0, 1.0], "candidate_entropy", candidates=[[0], [1.5]]), "candidates is"),
        (lambda: mc.uncertainty([0.0, 1.0], ["entropy"]), r"index \['entropy'\] is unknown"),
        (lambda: mc.relative_uncertainty(1.0, 1.0, zero_policy=None), "zero_policy is None"),
        (lambda: mc.semantic_entropy([-1.0, -2.0], ["a", None]), r"classes\[1\] is missing"),
        (lambda: mc.permutation_test([1.0, 2.0], [1, np.nan]), r"is_first\[1\] is"),
        (lambda: mc.beta_binomial_fit(X, Y, np.full(N, 1e300)), r"trials\[0\] is 1e\+300"),
        (lambda: mc.count_oscillations(3), "labels is 3"),
        (lambda: mc.commitment_layer("a"), "lead cannot be read"),
        (lambda: mc.count_outcomes(3), "outcomes is 3"),
        (lambda: mc.normalize_answer(None), "answer is None"),
        (lambda: mc.register_uncertainty_index(3, lambda z: z), "index name 3"),
    ],
)
def test_numbers_beyond_reach_and_types_beyond_sense(call, pattern):
    with pytest.raises(mc.InvalidArgument, match=pattern):
        call()


def test_small_weights_are_no_small_evidence_of_their_place():
    whole, shares = mc.logistic_fit(X, Y), mc.logistic_fit(X, Y, weights=np.full(N, 1e-30))
    assert shares.threshold(0.5) == pytest.approx(whole.threshold(0.5), abs=1e-9)
    assert shares.width == pytest.approx(whole.width)
    assert shares.log_likelihood == pytest.approx(1e-30 * whole.log_likelihood)
    np.testing.assert_allclose(shares.covariance, 1e30 * whole.covariance, rtol=1e-6)
