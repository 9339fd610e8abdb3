"""Small statistics that the analysis needs beside the core: intervals over groups, Wilson intervals, rank correlation."""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from modalconflict.errors import InvalidArgument

Floats = npt.NDArray[np.float64]


def check_level(level: float) -> None:
    """Refuse a coverage outside (0, 1)."""
    if not 0.0 < level < 1.0:
        raise InvalidArgument(f"level is {level}; give a coverage between 0 and 1, such as 0.95")


def wilson_interval(successes: Floats, trials: Floats, level: float) -> tuple[Floats, Floats]:
    """Wilson's score interval of shares; NaN where there is no trial.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference.
    """
    z = NormalDist().inv_cdf(0.5 + level / 2)
    n = np.where(trials > 0, trials, np.nan)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)


def spearman(x: Floats, y: Floats) -> float:
    """Spearman's rank correlation with average ranks for ties; NaN where one side is constant."""
    if len(x) < 2:
        return float("nan")
    rx, ry = _ranks(x), _ranks(y)
    rx, ry = rx - rx.mean(), ry - ry.mean()
    scale = np.sqrt((rx @ rx) * (ry @ ry))
    return float(rx @ ry / scale) if scale > 0 else float("nan")


def _ranks(x: Floats) -> Floats:
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=np.float64)


def group_bootstrap_weights(
    groups: npt.NDArray[np.int64], replicates: int, seed: int
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Group index of each observation, and how often each replicate drew each group: shape (replicates, G)."""
    _, index = np.unique(groups, return_inverse=True)
    return index, _draws(int(index.max()) + 1, replicates, seed)


@lru_cache(maxsize=2)  # every interval of a study resamples the same groups
def _draws(count: int, replicates: int, seed: int) -> Floats:
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1.0 / count), size=replicates)
    weights = drawn.astype(np.float64)
    weights.setflags(write=False)
    return weights


def ratio_interval(
    numerator: Floats, denominator: Floats, groups: npt.NDArray[np.int64], level: float, replicates: int, seed: int
) -> tuple[float, float, float]:
    """Σ numerator / Σ denominator with a percentile interval that resamples whole groups.

    Parameters
    ----------
    numerator, denominator
        Shape (n,), one entry a case; a case that does not count has denominator 0 and numerator 0.
    groups
        Shape (n,).
    level, replicates, seed
        Of the interval.

    Returns
    -------
    estimate, low, high
        NaN where the denominator is zero.

    References
    ----------
    Davison & Hinkley (1997), Bootstrap Methods and their Application, section 3.8.
    """
    total = denominator.sum()
    if len(numerator) == 0 or total == 0:
        return float("nan"), float("nan"), float("nan")
    index, draws = group_bootstrap_weights(groups, replicates, seed)
    top = draws @ np.bincount(index, weights=numerator)
    bottom = draws @ np.bincount(index, weights=denominator)
    ratios = top[bottom > 0] / bottom[bottom > 0]
    low, high = np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2])
    return float(numerator.sum() / total), float(low), float(high)


def mean_difference_interval(
    values: Floats,
    first: npt.NDArray[np.bool_],
    groups: npt.NDArray[np.int64],
    level: float,
    replicates: int,
    seed: int,
) -> tuple[float, float, float]:
    """Mean over `first` minus mean over the rest, with a percentile interval that resamples whole groups."""
    if first.all() or not first.any():
        return float("nan"), float("nan"), float("nan")
    index, draws = group_bootstrap_weights(groups, replicates, seed)

    def means(chosen: npt.NDArray[np.bool_]) -> tuple[float, Floats]:
        top = draws @ np.bincount(index, weights=values * chosen, minlength=draws.shape[1])
        bottom = draws @ np.bincount(index, weights=chosen.astype(np.float64), minlength=draws.shape[1])
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(values[chosen].mean()), top / bottom

    (a, a_draws), (b, b_draws) = means(first), means(~first)
    differences = (a_draws - b_draws)[np.isfinite(a_draws - b_draws)]
    low, high = np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])
    return a - b, float(low), float(high)
