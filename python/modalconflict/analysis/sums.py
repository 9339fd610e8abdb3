"""The law from sums: bins of ΔU_rel by blocks of groups are all that a study of any size leaves in memory."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from modalconflict.analysis.law import BAND_REPLICATES, CURVE_POINTS, bin_edges
from modalconflict.analysis.layers import bin_index
from modalconflict.analysis.statistics import Floats, _draws, wilson_interval

if TYPE_CHECKING:
    from modalconflict.analysis.analyze import AnalysisOptions

BINS = 2048
"""Bins of ΔU_rel over [−2, 2]; each is represented by the mean of its cases."""
BLOCKS = 1024
"""Groups are dealt out to so many blocks, which the bootstrap resamples; up to so many groups each is its own."""
BIN_WIDTH = 4.0 / BINS

_OCTAVES = (-24, 8)
_PER_OCTAVE = 128
QUANTILE_ERROR = 2 ** (1 / _PER_OCTAVE) - 1
"""Relative error of a quantile read from a histogram of a positive quantity."""


def size_bins() -> int:
    """Bins of a positive quantity: one for what is below 2^-24, then 128 an octave up to 2^8."""
    return (_OCTAVES[1] - _OCTAVES[0]) * _PER_OCTAVE + 1


def size_bin(values: Floats) -> npt.NDArray[np.int64]:
    """Bin of each value."""
    with np.errstate(divide="ignore"):
        place = np.floor((np.log2(values) - _OCTAVES[0]) * _PER_OCTAVE) + 1
    return np.asarray(np.clip(np.nan_to_num(place, neginf=0), 0, size_bins() - 1), dtype=np.int64)


def size_quantile(histogram: npt.NDArray[np.int64], share: float) -> float | None:
    """Quantile by a histogram of :func:`size_bin`: the geometric middle of its bin; 0 in the lowest."""
    total = int(histogram.sum())
    if not total:
        return None
    place = int(np.searchsorted(np.cumsum(histogram), share * (total - 1), side="right"))
    return 0.0 if place == 0 else float(2 ** (_OCTAVES[0] + (place - 0.5) / _PER_OCTAVE))


@dataclass
class LawSums:
    """Decided cases of one index.

    Attributes
    ----------
    count, text
        Cases and those that followed the text, shape (blocks, bins).
    delta
        Sum of ΔU_rel, shape (bins,).
    both_certain
        0/0 cases left out.
    """

    count: npt.NDArray[np.uint32] = field(default_factory=lambda: np.zeros((BLOCKS, BINS), dtype=np.uint32))
    text: npt.NDArray[np.uint32] = field(default_factory=lambda: np.zeros((BLOCKS, BINS), dtype=np.uint32))
    delta: Floats = field(default_factory=lambda: np.zeros(BINS))
    both_certain: int = 0

    def add(self, block: npt.NDArray[np.int64], x: Floats, y: npt.NDArray[np.bool_]) -> None:
        """Add decided cases, shape (n,) each."""
        index = np.minimum(((x + 2.0) / BIN_WIDTH).astype(np.int64), BINS - 1)
        cell = block * BINS + index
        for into, chosen in ((self.count, cell), (self.text, cell[y])):
            cells, n = np.unique(chosen, return_counts=True)
            into.reshape(-1)[cells] += n.astype(np.uint32)
        self.delta += np.bincount(index, weights=x, minlength=BINS)

    def pooled(self) -> tuple[Floats, Floats, Floats]:
        """Mean ΔU_rel, followers of the text and cases of each bin that has any."""
        count, text = self.count.sum(axis=0, dtype=np.float64), self.text.sum(axis=0, dtype=np.float64)
        here = count > 0
        return self.delta[here] / count[here], text[here], count[here]

    def replicates(self, number: int, seed: int) -> tuple[Floats, Floats]:
        """Cases and followers of each bin that has any, in each resample of the blocks: shape (number, bins)."""
        rows = np.flatnonzero(self.count.any(axis=1))
        here = self.count.any(axis=0)
        draws = _draws(len(rows), number, seed)
        count, text = (draws @ a[np.ix_(rows, here)].astype(np.float64) for a in (self.count, self.text))
        return count, text


def logistic_point(sums: LawSums, options: AnalysisOptions) -> dict[str, Any]:
    """The balance point of the lapse-logistic, its interval from resampled blocks of groups."""
    from modalconflict import logistic_fit

    x, k, n = sums.pooled()
    found: dict[str, Any] = {
        "status": "too_few_cases",
        "estimate": None,
        "low": None,
        "high": None,
        "method": "logistic",
        "n": int(n.sum()),
        "flags": [],
    }
    if len(x) < 2:
        return found
    fit = logistic_fit(x, k, n)
    estimate = fit.threshold()
    if estimate is None:
        above = float(np.asarray(fit.predict(np.array([0.0])))[0]) > 0.5
        return found | {"status": "always_text" if above else "always_vision", "level": options.level}
    counts, texts = sums.replicates(options.replicates, options.random_state)
    points = np.full(options.replicates, np.nan)
    for r in range(options.replicates):
        here = counts[r] > 0
        if here.sum() < 2:
            continue
        again = logistic_fit(x[here], texts[r][here], counts[r][here])
        crossing = again.threshold()
        side = float(np.asarray(again.predict(np.array([0.0])))[0]) > 0.5
        points[r] = crossing if crossing is not None else np.inf if side else -np.inf
    points = points[~np.isnan(points)]
    tails = [(1 - options.level) / 2, (1 + options.level) / 2]
    low, high = (
        np.quantile(points, tails, method="inverted_cdf") if np.isinf(points).any() else np.quantile(points, tails)
    )
    ends = [float(e) if math.isfinite(e) else None for e in (low, high)]
    status = ("unbounded", "one_sided", "crossing")[sum(e is not None for e in ends)]
    return found | {
        "status": status,
        "estimate": float(estimate),
        "low": ends[0],
        "high": ends[1],
        "level": options.level,
        "groups": int(sums.count.any(axis=1).sum()),
        "replicates": options.replicates,
        "replicates_without_crossing": int(np.isinf(points).sum()),
    }


def isotonic_point(x: Floats, k: Floats, n: Floats, options: AnalysisOptions) -> dict[str, Any]:
    """The balance point by centred isotonic regression, without an interval: its test wants the cases themselves."""
    from modalconflict import centered_isotonic_fit

    crossing = centered_isotonic_fit(x, k / n, n).threshold() if len(x) > 1 else None
    above = bool(k.sum() > n.sum() / 2)
    return {
        "status": "crossing" if crossing is not None else "always_text" if above else "always_vision",
        "estimate": None if crossing is None else float(crossing),
        "low": None,
        "high": None,
        "method": "cir",
        "level": options.level,
        "n": int(n.sum()),
        "flags": ["no_interval_when_streamed"],
    }


def binned_spearman(k: Floats, n: Floats) -> float | None:
    """Spearman's correlation of bins, in their order, with an outcome of 0 and 1: ties by average ranks."""
    total, ones = n.sum(), k.sum()
    if len(n) < 2 or ones in (0, total):
        return None
    rank = np.cumsum(n) - (n - 1) / 2
    centred = rank - (total + 1) / 2
    # ranks of y: zeros share one, ones the other; the correlation only wants their difference
    y = np.where([True, False], -ones, total - ones) / total  # centred 0 and 1
    products = (centred * (k * y[1] + (n - k) * y[0])).sum()
    scale = math.sqrt(float((n * centred**2).sum()) * float(ones * y[1] ** 2 + (total - ones) * y[0] ** 2))
    return float(products / scale) if scale else None


def summed_curve(sums: LawSums, options: AnalysisOptions) -> dict[str, Any] | None:
    """The logistic curve with a band and the centred isotonic curve, as `fitted_curve` of the cases."""
    from modalconflict import centered_isotonic_fit, logistic_fit

    x, k, n = sums.pooled()
    if len(x) < 2:
        return None
    at = np.linspace(-2.0, 2.0, CURVE_POINTS)
    fit = logistic_fit(x, k, n)
    counts, texts = sums.replicates(BAND_REPLICATES, options.random_state)
    curves = [
        logistic_fit(x[c > 0], t[c > 0], c[c > 0]).predict(at)
        for c, t in zip(counts, texts, strict=True)
        if (c > 0).sum() > 1
    ]
    low, high = np.quantile(np.array(curves), [(1 - options.level) / 2, (1 + options.level) / 2], axis=0)
    inside = (at >= x[0]) & (at <= x[-1])
    step = np.unique(np.concatenate([at[inside], x[[0, -1]]]))
    parameters = {p: getattr(fit, p) for p in ("location", "width", "lower_lapse", "upper_lapse")}
    return {
        "x": at.tolist(),
        "logistic": np.asarray(fit.predict(at)).tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
        "parameters": {p: float(v) if math.isfinite(v) else None for p, v in parameters.items()},
        "cir": {"x": step.tolist(), "y": np.asarray(centered_isotonic_fit(x, k / n, n).predict(step)).tolist()},
    }


@dataclass
class BinRows:
    """The table of bins by which the law is drawn; exact.

    Attributes
    ----------
    width
        Of the bins.
    sums
        Cases, those that followed the text, and sum of ΔU_rel: shape (3, bins).
    """

    width: float
    sums: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.sums = np.zeros((3, len(bin_edges(self.width)) - 1))

    def add(self, x: Floats, y: npt.NDArray[np.bool_]) -> None:
        """Add decided cases."""
        index = bin_index(x, bin_edges(self.width))
        for row, weights in zip(self.sums, (None, y * 1.0, x), strict=True):
            row += np.bincount(index, weights=weights, minlength=len(row))

    def rows(self, level: float) -> list[dict[str, Any]]:
        """As `bin_rows` of the cases."""
        edges = bin_edges(self.width)
        n, k, sums = self.sums
        low, high = wilson_interval(k, n, level)
        return [
            {
                "half": "all",
                "low_edge": float(edges[i]),
                "high_edge": float(edges[i + 1]),
                "n": int(n[i]),
                "text": int(k[i]),
                "mean_delta": float(sums[i] / n[i]) if n[i] else None,
                "tfr": float(k[i] / n[i]) if n[i] else None,
                "tfr_low": float(low[i]) if n[i] else None,
                "tfr_high": float(high[i]) if n[i] else None,
            }
            for i in range(len(n))
        ]


HALF_BINS = 512


@dataclass
class TotalSums:
    """Decided cases by ΔU_rel and by U_t + U_v, for the split at the median of the latter.

    Attributes
    ----------
    count, text
        Cases and those that followed the text, shape (totals, bins).
    used
        Cases that count, decided or not, by total: shape (totals,).
    """

    count: npt.NDArray[np.uint32] = field(default_factory=lambda: np.zeros((size_bins(), HALF_BINS), dtype=np.uint32))
    text: npt.NDArray[np.uint32] = field(default_factory=lambda: np.zeros((size_bins(), HALF_BINS), dtype=np.uint32))
    used: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(size_bins(), dtype=np.int64))

    def add(self, x: Floats, total: Floats, decided: npt.NDArray[np.bool_], text: npt.NDArray[np.bool_]) -> None:
        """Add cases that count."""
        place = size_bin(total)
        self.used += np.bincount(place, minlength=len(self.used))
        cell = place * HALF_BINS + np.minimum(((x + 2.0) / 4.0 * HALF_BINS).astype(np.int64), HALF_BINS - 1)
        for into, chosen in ((self.count, cell[decided]), (self.text, cell[decided & text])):
            cells, n = np.unique(chosen, return_counts=True)
            into.reshape(-1)[cells] += n.astype(np.uint32)

    def split(self, width: float, level: float) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The two halves as `half_summary` gives them, without intervals of the balance points, and their rows of bins."""
        median = size_quantile(self.used, 0.5) or 0.0
        last = int(size_bin(np.array([median]))[0])
        x = -2.0 + (np.arange(HALF_BINS) + 0.5) * 4.0 / HALF_BINS
        halves, rows = {}, []
        for name, part in (("low", slice(0, last + 1)), ("high", slice(last + 1, None))):
            n, k = (a[part].sum(axis=0, dtype=np.float64) for a in (self.count, self.text))
            here = n > 0
            point = _half_point(x[here], k[here], n[here], level)
            cases = int(n.sum())
            halves[name] = {
                "n": cases,
                "tfr": float(k.sum() / cases) if cases else None,
                "spearman": binned_spearman(k[here], n[here]),
                "balance_point": point,
            }
            table = BinRows(width)
            index = bin_index(x, bin_edges(width))
            for row, weights in zip(table.sums, (n, k, n * x), strict=True):
                row += np.bincount(index, weights=weights, minlength=len(row))
            rows += [{**row, "half": name} for row in table.rows(level)]
        return {"total_median": median, "halves": halves}, rows


def _half_point(x: Floats, k: Floats, n: Floats, level: float) -> dict[str, Any]:
    from modalconflict import logistic_fit

    crossing = logistic_fit(x, k, n).threshold() if len(x) > 1 else None
    above = bool(k.sum() > n.sum() / 2)
    status = (
        "too_few_cases"
        if len(x) < 2
        else "crossing"
        if crossing is not None
        else "always_text"
        if above
        else "always_vision"
    )
    return {
        "status": status,
        "estimate": None if crossing is None else float(crossing),
        "low": None,
        "high": None,
        "method": "logistic",
        "level": level,
        "n": int(n.sum()),
        "flags": ["no_interval_when_streamed"],
    }
