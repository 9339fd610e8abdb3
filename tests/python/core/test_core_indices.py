"""Uncertainty indices against scipy."""

from __future__ import annotations

import subprocess
import sys

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

import modalconflict as mc
from modalconflict.core import indices

finite = st.floats(-60, 60, allow_nan=False)
rows = hnp.arrays(np.float64, hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=9), elements=finite)


@given(rows)
def test_entropy_is_scipys(logits):
    expected = stats.entropy(special.softmax(logits, axis=-1), axis=-1)
    np.testing.assert_allclose(mc.entropy_from_logits(logits), expected, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(mc.entropy(special.softmax(logits, axis=-1)), expected, rtol=1e-9, atol=1e-14)


@given(rows, st.floats(0.1, 5).filter(lambda a: abs(a - 1) > 1e-3))
def test_generalised_entropies_are_their_definitions(logits, order):
    p = special.softmax(logits, axis=-1)
    power = np.sum(p**order, axis=-1)
    np.testing.assert_allclose(mc.uncertainty(logits, "renyi", alpha=order), np.log(power) / (1 - order), atol=1e-9)
    np.testing.assert_allclose(mc.uncertainty(logits, "tsallis", q=order), (1 - power) / (order - 1), atol=1e-9)


@given(rows)
def test_rank_indices_are_their_definitions(logits):
    p = np.sort(special.softmax(logits, axis=-1), axis=-1)[..., ::-1]
    n = p.shape[-1]
    np.testing.assert_allclose(mc.uncertainty(logits, "max_prob"), 1 - p[..., 0], atol=1e-14)
    np.testing.assert_allclose(mc.uncertainty(logits, "gini"), 1 - (p**2).sum(axis=-1), atol=1e-14)
    if n > 1:
        np.testing.assert_allclose(mc.uncertainty(logits, "margin"), 1 - (p[..., 0] - p[..., 1]), atol=1e-14)
    head = p[..., :3]
    pieces = head if n <= 3 else np.concatenate([head, np.clip(1 - head.sum(-1, keepdims=True), 0, 1)], axis=-1)
    np.testing.assert_allclose(mc.uncertainty(logits, "top_k_entropy", k=3), special.entr(pieces).sum(-1), atol=1e-12)
    np.testing.assert_allclose(mc.uncertainty(logits, "energy"), -special.logsumexp(logits, axis=-1), rtol=1e-13)


@given(rows, st.floats(0.2, 5))
def test_calibration_is_a_temperature(logits, temperature):
    expected = stats.entropy(special.softmax(logits / temperature, axis=-1), axis=-1)
    found = mc.uncertainty(logits, "calibrated_entropy", temperature=temperature)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-13)


@given(rows)
def test_moments_of_the_surprisal(logits):
    log_p = special.log_softmax(logits, axis=-1)
    p = np.exp(log_p)
    mean = -(p * log_p).sum(-1, keepdims=True)
    expected = (p * (-log_p - mean) ** 2).sum(-1)
    np.testing.assert_allclose(mc.uncertainty(logits, "varentropy"), expected, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(mc.uncertainty(logits, "surprisal", target=0), -log_p[..., 0], rtol=1e-12, atol=1e-13)


def test_every_index_stays_in_its_declared_range():
    rng = np.random.default_rng(3)
    logits = rng.normal(0, rng.choice([0.01, 3, 40], (500, 1)), (500, 11))
    needed = {
        "surprisal": {"target": 4},
        "calibrated_entropy": {"temperature": 1.7},
        "candidate_entropy": {"candidates": [[0, 1], [5]]},
        "off_candidate_mass": {"candidates": [[0, 1], [5]]},
    }
    n, tops = 11, {"normalized_entropy": 1, "margin": 1, "off_candidate_mass": 1, "candidate_entropy": np.log(2)}
    for name in ("entropy", "renyi", "calibrated_entropy"):
        tops[name] = np.log(n)
    tops |= {"max_prob": 1 - 1 / n, "gini": 1 - 1 / n, "perplexity": n, "top_k_entropy": np.log(11)}
    for name, index in indices._BUILT_IN.items():
        values = mc.uncertainty(logits, name, **needed.get(name, {}))
        assert values.shape == (500,)
        assert (values >= index.lower_bound).all(), name
        assert (values <= tops.get(name, np.inf) + 1e-12).all(), name


def test_float32_is_read_as_it_is():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 6, (20, 32000)).astype(np.float32)
    expected = stats.entropy(special.softmax(logits.astype(np.float64), axis=1), axis=1)
    np.testing.assert_allclose(mc.entropy_from_logits(logits), expected, rtol=1e-6)
    np.testing.assert_allclose(mc.entropy_from_logits(logits.astype(np.float16)[:, :50]).shape, (20,))


def test_threads_do_not_change_a_bit():
    logits = np.random.default_rng(1).normal(0, 5, (33, 4097)).astype(np.float32)
    one = mc.entropy_from_logits(logits, threads=1)
    assert np.array_equal(one, mc.entropy_from_logits(logits, threads=4))


def test_shapes_follow_the_leading_axes():
    assert mc.entropy_from_logits(np.zeros((2, 3, 5))).shape == (2, 3)
    assert isinstance(mc.entropy_from_logits(np.zeros(5)), float)
    assert mc.entropy_from_logits(np.zeros((0, 5))).shape == (0,)
    assert mc.uncertainty(np.zeros((2, 3)), "surprisal", target=[0, 2]).shape == (2,)


def test_the_relative_difference():
    text, vision = [0.5, 1.0, 0.0], [1.5, 1.0, 2.0]
    np.testing.assert_allclose(mc.relative_uncertainty(text, vision), [-1, 0, -2])
    np.testing.assert_allclose(mc.log_uncertainty_ratio(text[:2], vision[:2]), np.log([1 / 3, 1]))
    assert np.isnan(mc.relative_uncertainty(0.0, 0.0))
    assert mc.relative_uncertainty(0.0, 0.0, zero_policy="zero") == 0.0
    assert mc.relative_uncertainty(np.ones((2, 2)), np.ones((2, 2))).shape == (2, 2)


@given(st.floats(1e-6, 1e3), st.floats(1e-6, 1e3))
def test_the_log_ratio_is_the_hyperbolic_twin(text, vision):
    delta = mc.relative_uncertainty(text, vision)
    assert -2 <= delta <= 2
    if abs(delta) < 1.999:
        assert mc.log_uncertainty_ratio(text, vision) == pytest.approx(2 * np.arctanh(delta / 2), abs=1e-9)


def test_delta_method_error_against_simulation():
    rng = np.random.default_rng(5)
    text, vision = rng.normal(1.0, 0.01, 200_000), rng.normal(1.6, 0.02, 200_000)
    simulated = mc.relative_uncertainty(text, vision).std()
    assert mc.relative_uncertainty_error(1.0, 1.6, 0.01, 0.02) == pytest.approx(simulated, rel=0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mc.entropy([]), "shape"),
        (lambda: mc.entropy([0.5, 0.4]), "row 0: probs sum to 0.9"),
        (lambda: mc.entropy([[1.0, 0.0], [1.5, -0.5]]), r"row 1: probs\[1\] is -0.5"),
        (lambda: mc.entropy_from_logits([0.0, np.nan]), r"row 0: logits\[1\] is nan"),
        (lambda: mc.entropy_from_logits([[0.0, 1.0], [np.inf, 0.0]]), r"row 1: logits\[0\] is inf"),
        (lambda: mc.entropy_from_logits(["a"]), "cannot be read as numbers"),
        (lambda: mc.entropy_from_logits(3.0), "last axis is the vocabulary"),
        (lambda: mc.uncertainty([0.0, 1.0], "entropie"), "'entropie' is unknown"),
        (lambda: mc.uncertainty([0.0, 1.0], "entropy", k=3), "has no parameter 'k'"),
        (lambda: mc.uncertainty([0.0, 1.0], "surprisal"), "needs the parameter 'target'"),
        (lambda: mc.uncertainty([0.0, 1.0], "surprisal", target=2), r"targets\[0\] is token 2"),
        (lambda: mc.uncertainty([0.0, 1.0], "surprisal", target=0.5), "target is 0.5"),
        (lambda: mc.uncertainty(np.zeros((3, 2)), "surprisal", target=[0, 1]), "target has 2 entries for 3 rows"),
        (lambda: mc.uncertainty([0.0, 1.0], "renyi", alpha="x"), "alpha is 'x'"),
        (lambda: mc.uncertainty([0.5, 0.5], "energy", from_probs=True), "energy is not determined"),
        (lambda: mc.entropy_from_logits([0.0], threads=0), "threads is 0"),
        (lambda: mc.relative_uncertainty([1.0], [-1.0]), r"u_vision\[0\] is -1"),
        (lambda: mc.relative_uncertainty([1.0], [1.0, 2.0]), "u_text has shape"),
        (lambda: mc.relative_uncertainty(0.0, 0.0, zero_policy="raise"), "both zero"),
        (lambda: mc.relative_uncertainty(0.0, 0.0, zero_policy="one"), "zero_policy 'one' is unknown"),
        (lambda: mc.relative_uncertainty(1.0, 1.0, index="energy"), "'energy' has no relative difference"),
        (lambda: mc.relative_uncertainty_error([1.0], [1.0], [0.1, 0.2], [0.1]), "error_text has shape"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(mc.InvalidArgument, match=message):
        call()


class TestRegistry:
    @pytest.fixture(autouse=True)
    def clean(self, monkeypatch):
        monkeypatch.setattr(indices, "_registered", {})

    def test_a_registered_index_works_like_a_built_in_one(self):
        mc.register_uncertainty_index("spread", lambda z, by=1.0: np.ptp(z, axis=1) / by, parameters=["by"])
        assert mc.uncertainty([[0.0, 3.0], [1.0, 2.0]], "spread", by=2.0).tolist() == [1.5, 0.5]
        assert mc.uncertainty([0.5, 0.5], "spread", from_probs=True) == 0.0
        assert mc.uncertainty_indices()["spread"].relative_applies

    def test_bad_registrations_are_refused(self):
        with pytest.raises(mc.InvalidArgument, match="built in"):
            mc.register_uncertainty_index("entropy", lambda z: z[:, 0])
        with pytest.raises(mc.InvalidArgument, match="identifier"):
            mc.register_uncertainty_index("my index", lambda z: z[:, 0])
        with pytest.raises(mc.InvalidArgument, match="may be negative"):
            mc.register_uncertainty_index("signed", lambda z: z[:, 0], lower_bound=-1.0)

    def test_bad_values_of_a_registered_index_are_refused(self):
        mc.register_uncertainty_index("shape", lambda z: z)
        with pytest.raises(mc.InvalidArgument, match="returned shape"):
            mc.uncertainty([0.0, 1.0], "shape")
        mc.register_uncertainty_index("negative", lambda z: -np.ones(len(z)))
        with pytest.raises(mc.InvalidArgument, match="outside its range"):
            mc.uncertainty([0.0, 1.0], "negative")


def test_statistics_load_neither_torch_nor_opencv():
    code = (
        "import sys, modalconflict as mc; mc.entropy([1.0]); mc.balance_point; mc.isotonic_fit; mc.count_oscillations;"
        "mc.classify_outcome; bad = {'torch', 'cv2', 'scipy', 'sklearn', 'pandas'} & set(sys.modules); sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
