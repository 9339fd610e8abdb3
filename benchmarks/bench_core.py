"""Speed of the statistics beside the libraries people use, both in one run on the same machine.

Prints one JSON line a comparison: name, ours and theirs in seconds (the best of a few rounds), ratio = theirs / ours.

    python benchmarks/bench_core.py            sizes that fit a laptop
    python benchmarks/bench_core.py --full     the largest: needs about 8 GB of memory
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

# The peers' matrix products are small: on a busy machine their threads wait for each other far longer than they work.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy.optimize import isotonic_regression, minimize
from scipy.special import logsumexp
from sklearn import config_context
from sklearn.isotonic import IsotonicRegression

import modalconflict as mc


def best(work: Callable[[], Any], rounds: int) -> float:
    """Seconds of the fastest round: the one that other programs disturbed least."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def report(name: str, ours: float, theirs: float, **more: Any) -> None:
    print(
        json.dumps({"name": name, "ours": ours, "theirs": theirs, "ratio": round(theirs / ours, 2), **more}), flush=True
    )


def pava(n: int, rounds: int) -> None:
    y = -np.arange(n) / n * 3 + np.random.default_rng(0).normal(size=n)
    ours = best(lambda: mc.isotonic_regression(y), rounds)
    report(f"pava_{n}", ours, best(lambda: isotonic_regression(y, increasing=False), rounds), peer="scipy")


def study(groups: int = 400, per_group: int = 42) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(groups), per_group)
    x = rng.uniform(-2, 2, len(g))
    p = 1 / (1 + np.exp((x + 0.3) / 0.4 - rng.normal(0, 1, groups)[g]))
    return x, (rng.random(len(g)) < p).astype(np.float64), g


def bands(replicates: int = 2000, measured: int = 20) -> None:
    x, y, g = study()
    at = np.linspace(-2, 2, 101)
    ours = best(lambda: mc.isotonic_band(x, y, g, at=at, replicates=replicates), 3)
    rng = np.random.default_rng(1)
    # The peer's best: sorted beforehand, and its checks of the input switched off.
    order = np.argsort(x)
    x, y, g = x[order], y[order], g[order]

    def loop() -> None:
        with config_context(assume_finite=True, skip_parameter_validation=True):
            for _ in range(measured):
                weight = np.bincount(rng.integers(0, 400, 400), minlength=400)[g].astype(np.float64)
                IsotonicRegression(increasing=False, out_of_bounds="clip").fit(x, y, sample_weight=weight).predict(at)

    theirs = best(loop, 3) * replicates / measured
    report("bootstrapped_pava_bands", ours, theirs, peer="scikit-learn", extrapolated_from=measured)


def balance(replicates: int = 2000, measured: int = 10) -> None:
    x, y, g = study()
    ours = best(lambda: mc.balance_point(x, y, groups=g, method="logistic", replicates=replicates), 3)
    rng = np.random.default_rng(1)

    def fit(x: Any, y: Any, weight: Any, start: Any) -> Any:
        def loss(t: Any) -> tuple[float, Any]:
            sigma = 1 / (1 + np.exp(-(t[0] + t[1] * x)))
            p = np.clip(t[2] + (1 - t[2] - t[3]) * sigma, 1e-12, 1 - 1e-12)
            first = weight * (y / p - (1 - y) / (1 - p))
            bell = (1 - t[2] - t[3]) * sigma * (1 - sigma)
            gradient = [first @ bell, first @ (bell * x), first @ (1 - sigma), -(first @ sigma)]
            return -(weight @ (y * np.log(p) + (1 - y) * np.log1p(-p))), -np.array(gradient)

        bounds = [(None, None), (None, 0), (0, 0.25), (0, 0.25)]
        return minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x

    # The peer's best: every replicate starts from the whole sample's fit and leaves out the groups that were not drawn.
    start = fit(x, y, np.ones(len(x)), np.array([-0.7, -2.2, 0.01, 0.01]))

    def loop() -> None:
        for _ in range(measured):
            weight = np.bincount(rng.integers(0, 400, 400), minlength=400)[g].astype(np.float64)
            drawn = weight > 0
            fit(x[drawn], y[drawn], weight[drawn], start)

    theirs = best(loop, 3) * replicates / measured
    report("clustered_logistic_balance_point", ours, theirs, peer="scipy.optimize", extrapolated_from=measured)


def entropies(rows: int, columns: int = 152_064) -> None:
    logits = np.random.default_rng(0).standard_normal((rows, columns), dtype=np.float32)
    logits *= 4

    def with_scipy() -> None:
        # Blocks of rows that stay in the cache: several times faster than the whole array at once.
        for block in np.array_split(logits, max(1, rows // 8)):
            log_p = block - logsumexp(block, axis=1, keepdims=True)
            -(np.exp(log_p) * log_p).sum(axis=1)

    ours = best(lambda: mc.entropy_from_logits(logits), 5)
    theirs = best(with_scipy, 1)
    # The memory's bandwidth: the same bytes read once by as many threads, which only keep the largest.
    threads = len(os.sched_getaffinity(0))
    parts = np.array_split(logits, threads)
    with ThreadPoolExecutor(threads) as pool:
        reading = best(lambda: list(pool.map(lambda part: part.max(), parts)), 5)
    report(
        f"entropy_from_logits_{rows}x{columns}",
        ours,
        theirs,
        peer="scipy",
        gigabytes_a_second=round(logits.nbytes / ours / 1e9, 2),
        memory_gigabytes_a_second=round(logits.nbytes / reading / 1e9, 2),
        share_of_memory_bandwidth=round(reading / ours, 2),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true")
    full = parser.parse_args().full
    for n, rounds in ((10**4, 50), (10**6, 5), *(((10**7, 3),) if full else ())):
        pava(n, rounds)
    bands()
    balance()
    entropies(4096 if full else 512)


if __name__ == "__main__":
    main()
