"""Coverage of the balance point's intervals, and the error of its estimates, by simulation.

Every scenario has its true crossing at -0.3. Prints one JSON line a scenario and estimator: the share of intervals
that hold the truth with its standard error, the root mean square error, how often there was no crossing or an open end.

    python benchmarks/coverage.py                      the table of the documentation, 1,000 replicates
    python benchmarks/coverage.py --replicates 60      a quick look
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

import modalconflict as mc

TRUTH = -0.3
WIDTH = 0.4
Floats = NDArray[np.float64]
Cases = tuple[Floats, Floats, NDArray[np.int64] | None]


def logistic(x: Floats, shift: Floats | float = 0.0) -> Floats:
    return 1 / (1 + np.exp((x - TRUTH) / WIDTH - shift))


def drawn(rng: np.random.Generator, p: Floats) -> Floats:
    return (rng.random(len(p)) < p).astype(np.float64)


def independent(rng: np.random.Generator) -> Cases:
    x = rng.uniform(-2, 2, 2000)
    return x, drawn(rng, logistic(x)), None


def lapses(rng: np.random.Generator) -> Cases:
    x = rng.uniform(-2, 2, 2000)
    return x, drawn(rng, 0.08 + 0.84 * logistic(x)), None


def grouped(rng: np.random.Generator) -> Cases:
    """400 groups of 42 with a common shift of standard deviation one."""
    g = np.repeat(np.arange(400), 42)
    x = rng.uniform(-2, 2, len(g))
    return x, drawn(rng, logistic(x, rng.normal(0, 1, 400)[g])), g


def lattice(rng: np.random.Generator) -> Cases:
    """The same groups with x from 3 texts x 14 images a group: cases share H_t and H_v, and the group's shift."""
    g = np.repeat(np.arange(400), 42)
    h_text = rng.gamma(4.0, 0.2, (400, 3))
    h_vision = np.linspace(0.3, 2.0, 14) * rng.lognormal(0, 0.3, (400, 14))
    x = mc.relative_uncertainty(np.repeat(h_text, 14, axis=1), np.tile(h_vision, (1, 3))).reshape(-1)
    return x, drawn(rng, logistic(x, rng.normal(0, 1, 400)[g])), g


def clustered(rng: np.random.Generator) -> Cases:
    """Groups that sit together on x: 200 of 10, each within a tenth of the axis."""
    g = np.repeat(np.arange(200), 10)
    x = rng.uniform(-1.9, 1.9, 200)[g] + rng.uniform(-0.1, 0.1, len(g))
    return x, drawn(rng, logistic(x, rng.normal(0, 1, 200)[g])), g


def soft(rng: np.random.Generator) -> Cases:
    """Probabilities instead of answers: they scatter around the curve by a normal shift of their logit."""
    x = rng.uniform(-2, 2, 2000)
    return x, logistic(x, rng.normal(0, 1, 2000)), None


def plateau(rng: np.random.Generator) -> Cases:
    """Flat near one half over a tenth of the axis on either side of the crossing, where it falls by a hundredth."""
    x = rng.uniform(-2, 2, 2000)
    d = x - TRUTH
    p = (
        0.5
        - 0.01 * np.clip(d, -0.2, 0.2) / 0.2
        - 0.49 * np.sign(d) * (1 - np.exp(-np.maximum(np.abs(d) - 0.2, 0) / 0.3))
    )
    return x, drawn(rng, p), None


SCENARIOS: dict[str, Callable[[np.random.Generator], Cases]] = {
    "independent": independent,
    "lapses": lapses,
    "grouped": grouped,
    "lattice": lattice,
    "clustered": clustered,
    "soft": soft,
    "plateau": plateau,
}
ESTIMATORS: dict[str, dict[str, object]] = {
    "cir": {"method": "cir"},
    "cir_uncorrected": {"method": "cir", "cluster_correction": False},
    "logistic_percentile": {"method": "logistic", "interval": "percentile", "replicates": 400},
    "logistic_bca": {"method": "logistic", "interval": "bca", "replicates": 400},
    "logistic_fieller": {"method": "logistic", "interval": "fieller"},
}


def one(job: tuple[str, int]) -> dict[str, tuple[str, float, float, float]]:
    """All estimators on one sample."""
    scenario, seed = job
    rng = np.random.default_rng([seed, sorted(SCENARIOS).index(scenario)])
    x, y, groups = SCENARIOS[scenario](rng)
    out = {}
    for name, options in ESTIMATORS.items():
        point = mc.balance_point(x, y, groups=groups, random_state=seed, threads=1, **options)  # type: ignore[arg-type]
        out[name] = (point.status, point.estimate, point.low, point.high)
    isotonic = mc.isotonic_fit(x, y).threshold(0.5)
    out["isotonic"] = ("crossing", np.nan if isotonic is None else isotonic, np.nan, np.nan)
    return out


def summary(scenario: str, name: str, rows: list[tuple[str, float, float, float]]) -> dict[str, object]:
    numbers = np.array([row[1:] for row in rows])
    held = (numbers[:, 1] <= TRUTH) & (TRUTH <= numbers[:, 2])
    statuses = [row[0] for row in rows]
    coverage = held.mean()
    return {
        "scenario": scenario,
        "estimator": name,
        "coverage": None if name == "isotonic" else round(float(coverage), 4),
        "coverage_error": None
        if name == "isotonic"
        else round(float(np.sqrt(coverage * (1 - coverage) / len(rows))), 4),
        "rmse": round(float(np.sqrt(np.nanmean((numbers[:, 0] - TRUTH) ** 2))), 4),
        "width": None if name == "isotonic" else round(float(np.median(numbers[:, 2] - numbers[:, 1])), 4),
        "no_crossing": sum(s.startswith("always") for s in statuses),
        "open": sum(s in ("one_sided", "unbounded") for s in statuses),
        "replicates": len(rows),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--scenarios", nargs="*", default=list(SCENARIOS), choices=list(SCENARIOS))
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    with multiprocessing.Pool(options.processes) as pool:
        for scenario in options.scenarios:
            found = pool.map(one, [(scenario, seed) for seed in range(options.replicates)], chunksize=4)
            for name in found[0]:
                print(json.dumps(summary(scenario, name, [row[name] for row in found])))
                sys.stdout.flush()


if __name__ == "__main__":
    main()
