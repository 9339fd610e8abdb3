"""Counts behind the explorer: every case that counts, by tier, outcome and bin of ΔU_rel, whatever their number.

The page does not hold the cases but these counts: its size is bounded, a filter is a sum, and nothing is sampled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modalconflict.analysis.cases import included_cases
from modalconflict.analysis.indices import relative_column
from modalconflict.analysis.layers import bin_index, layer_bins, matrix
from modalconflict.analysis.result import ModelAnalysis

OUTCOMES = ("text", "vision", "other")
FINEST = 0.05
"""Width of ΔU_rel that a brush may resolve: the drawn bins are cut into parts of about that width."""
MOST_TIERS = 40
"""Tiers a side that can be filtered apart; the last entry holds all beyond."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Axis:
    """Bins of ΔU_rel: the drawn ones, and each cut into equal parts for the brush.

    Attributes
    ----------
    edges
        Of the drawn bins, shape (bins + 1,).
    parts
        Fine bins a drawn bin.
    """

    edges: npt.NDArray[np.float64]
    parts: int

    @classmethod
    def of(cls, edges: Any, width: float) -> Axis:
        """The axis of an analysis with these edges."""
        return cls(np.asarray(edges, dtype=np.float64), max(1, round(width / FINEST)))

    @property
    def fine(self) -> npt.NDArray[np.float64]:
        """Edges of the fine bins, shape (bins · parts + 1,)."""
        steps = np.arange(self.parts) / self.parts
        starts = (self.edges[:-1, None] + np.diff(self.edges)[:, None] * steps).reshape(-1)
        return np.append(starts, self.edges[-1])


def tier_levels(model: ModelAnalysis, column: str) -> list[int | None]:
    """Distinct tiers in ascending order (None where there are none), at most `MOST_TIERS` of them."""
    tiers = sorted({t for t in model.cases[column].to_pylist() if t is not None})
    return list(tiers[:MOST_TIERS]) if tiers else [None]


def level_index(model: ModelAnalysis, column: str, levels: list[int | None]) -> Ints:
    """Place of each case's tier in the levels, shape (n,); a tier beyond the last counts as the last."""
    places = {tier: i for i, tier in enumerate(levels)}
    return np.array([places.get(t, len(levels) - 1) for t in model.cases[column].to_pylist()], dtype=np.int64)


def count_cube(
    model: ModelAnalysis, index: str, keep: str, axis: Axis, levels: dict[str, list[int | None]]
) -> list[int]:
    """Cases by image tier, text tier, outcome and fine bin, flattened in that order and run-length coded.

    Parameters
    ----------
    model
        The analysis of one model.
    index
        Name of the uncertainty index.
    keep
        Which cases count, see :data:`~modalconflict.analysis.CASE_FILTERS`.
    axis
        Bins of ΔU_rel.
    levels
        Tiers by "d_v" and "d_t".

    Returns
    -------
    list of int
        Pairs (zeros to skip, count) up to the last count that is not zero.
    """
    delta = relative_column(model.cases, index)
    outcome = np.array([OUTCOMES.index(o) if o in OUTCOMES else -1 for o in model.cases["outcome"].to_pylist()])
    used = included_cases(model.cases, keep) & np.isfinite(delta) & (outcome >= 0)
    v, t = (level_index(model, c, levels[c])[used] for c in ("d_v", "d_t"))
    bins = len(axis.fine) - 1
    cell = ((v * len(levels["d_t"]) + t) * len(OUTCOMES) + outcome[used]) * bins + bin_index(delta[used], axis.fine)
    counts = np.bincount(cell, minlength=1)
    places = np.flatnonzero(counts)
    skips = np.diff(places, prepend=-1) - 1
    return [int(x) for pair in zip(skips, counts[places], strict=True) for x in pair]


def layer_profile(model: ModelAnalysis, index: str, keep: str, axis: Axis) -> dict[str, Any] | None:
    """Mean logit difference (text − image) by drawn bin and layer, and how many cases each bin holds; None without a lens.

    Returns
    -------
    dict
        "n": (bins,), "difference": (bins, layers), None where a bin is empty; the embeddings' row is left out.
    """
    if "logit_text" not in model.cases.column_names:
        return None
    delta = relative_column(model.cases, index)
    used = included_cases(model.cases, keep) & np.isfinite(delta)
    difference = (
        matrix(model.cases["logit_text"], np.float32) - matrix(model.cases["logit_vision"], np.float32)
    ).astype(np.float64)[used]
    mean, counts = layer_bins(delta[used], difference, axis.edges)
    rows = [[round(float(x), 3) for x in row[1:]] if n else None for row, n in zip(mean, counts, strict=True)]
    return {"n": counts.tolist(), "difference": rows}
