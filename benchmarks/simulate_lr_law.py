"""Critical values of the likelihood ratio for a monotone function at a point, by simulation of its limit law.

The limit of 2 log λ is D = ∫ (S² − S₀²) dz, where S is the slope of the greatest convex minorant of W(z) + z² and S₀
the same under the constraint that it is not positive left of zero and not negative right of it (Banerjee & Wellner
2001, Likelihood ratio tests for monotone functions, Annals of Statistics 29). On a grid of step h the slopes are
isotonic regressions of 2z + N(0, 1/h); S₀ is one on each side, clipped at zero. Four grids are extrapolated to
h = 0 along √h, the order of the error that a grid makes in a Brownian path.

    python benchmarks/simulate_lr_law.py --replicates 1000000 > src/core/likelihood_ratio_table.inc
"""

from __future__ import annotations

import argparse
import multiprocessing

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.975, 0.99, 0.995, 0.999)
HALF_WIDTH = 2.5  # the two slopes agree beyond: an excursion longer than this has negligible probability


STEPS = (0.04, 0.02, 0.01, 0.005)


def statistic(y: NDArray[np.float64], step: float) -> float:
    """D of one path, given by its mean slope in every cell of the grid."""
    half = len(y) // 2
    free = isotonic_regression(y).x
    left = np.minimum(isotonic_regression(y[:half]).x, 0.0)
    right = np.maximum(isotonic_regression(y[half:]).x, 0.0)
    return float(step * (free @ free - left @ left - right @ right))


def draws(replicates: int, seed: int) -> NDArray[np.float64]:
    """Values of D, a row a path, a column a grid; the grids see the same path, so that their differences are sharp."""
    rng = np.random.default_rng(seed)
    finest = STEPS[-1]
    z = np.arange(-HALF_WIDTH + finest / 2, HALF_WIDTH, finest)
    values = np.empty((replicates, len(STEPS)))
    for r in range(replicates):
        y = 2 * z + rng.standard_normal(len(z)) / np.sqrt(finest)
        for column, step in enumerate(STEPS):
            values[r, column] = statistic(y.reshape(-1, round(step / finest)).mean(axis=1), step)
    return values


def one(job: tuple[int, int]) -> NDArray[np.float64]:
    return draws(*job)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicates", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    chunk = min(2000, options.replicates)
    jobs = [(chunk, options.seed * 1_000_003 + i) for i in range(options.replicates // chunk)]
    with multiprocessing.Pool(options.processes) as pool:
        values = np.concatenate(pool.map(one, jobs))
    table = np.quantile(values, LEVELS, axis=0).T
    design = np.column_stack([np.ones(len(STEPS)), np.sqrt(STEPS)])
    limit = np.linalg.lstsq(design, table, rcond=None)[0][0]
    print(f"// Written by benchmarks/simulate_lr_law.py --replicates {options.replicates} --seed {options.seed}.")
    print("constexpr Quantile kQuantiles[] = {")
    for level, value in zip(LEVELS, limit, strict=True):
        print(f"    {{{level}, {value:.4f}}},")
    print("};")
    for step, row in zip(STEPS, table, strict=True):
        print(f"// grid of step {step}: " + " ".join(f"{value:.4f}" for value in row))


if __name__ == "__main__":
    main()
