"""The same result, bit for bit, for any number of threads, in every function that has any."""

from __future__ import annotations

import inspect
import pickle

import numpy as np
import pytest

import modalconflict as mc

RNG = np.random.default_rng(0)
GROUPS = np.repeat(np.arange(40), 12)
X = RNG.uniform(-2, 2, len(GROUPS))
Y = (RNG.random(len(X)) < 1 / (1 + np.exp((X + 0.3) / 0.4 - RNG.normal(0, 1, 40)[GROUPS]))).astype(float)
LOGITS = RNG.normal(0, 4, (67, 5003)).astype(np.float32)

WITH_THREADS = {
    "entropy_from_logits": lambda t: mc.entropy_from_logits(LOGITS, threads=t),
    "uncertainty": lambda t: [
        mc.uncertainty(LOGITS, name, threads=t, **options)
        for name, options in {
            "renyi": {},
            "top_k_entropy": {"k": 7},
            "calibrated_entropy": {"temperature": 1.3},
            "candidate_entropy": {"candidates": [[1, 2], [5]]},
        }.items()
    ],
    "fit_temperature": lambda t: mc.fit_temperature(
        LOGITS, LOGITS.argmax(axis=1) - (np.arange(67) % 3 == 0), threads=t
    ),
    "balance_point": lambda t: [
        mc.balance_point(X, Y, GROUPS, "logistic", interval=kind, replicates=200, threads=t)
        for kind in ("percentile", "bca")
    ],
    "balance_point_difference": lambda t: mc.balance_point_difference(
        X, Y, GROUPS, X + 0.1, Y, GROUPS, replicates=200, threads=t
    ),
    "decompose_following": lambda t: mc.decompose_following(
        X, Y, X / 2, Y, groups_first=GROUPS, groups_second=GROUPS, replicates=200, threads=t
    ),
    "isotonic_band": lambda t: mc.isotonic_band(X, Y, GROUPS, replicates=200, threads=t),
    "violation_test": lambda t: mc.violation_test(X, Y, GROUPS, replicates=300, threads=t),
    "trend_test": lambda t: mc.trend_test(X, Y, GROUPS, replicates=300, threads=t),
    "permutation_test": lambda t: mc.permutation_test(X, Y > 0, GROUPS, permutations=300, threads=t),
}


@pytest.mark.parametrize("name", WITH_THREADS)
def test_threads_do_not_change_a_bit(name):
    one = pickle.dumps(WITH_THREADS[name](1))
    for threads in (2, 3, 7, 1000):
        assert pickle.dumps(WITH_THREADS[name](threads)) == one, threads


def test_no_function_with_threads_is_forgotten():
    functions = {name for name, module in mc._LAZY.items() if module.startswith("core.") and name[0].islower()}
    assert {f for f in functions if "threads" in inspect.signature(getattr(mc, f)).parameters} == set(WITH_THREADS)
