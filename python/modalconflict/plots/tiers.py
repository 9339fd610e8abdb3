"""Uncertainty and accuracy by tier of difficulty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from modalconflict.analysis.result import ModelAnalysis
from modalconflict.errors import InvalidArgument
from modalconflict.plots.style import IMAGE, TEXT, need, new_axes, uncertainty_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIDES = {"vision": (IMAGE, r"image tier $d_v$"), "text": (TEXT, r"text tier $d_t$")}


def _rows(model: ModelAnalysis, side: str) -> list[dict[str, float]]:
    if side not in _SIDES:
        raise InvalidArgument(f"side '{side}' is neither vision nor text; choose one of them")
    tiers = need(model.summary.get("tiers"), "unimodal runs")
    return [r for r in tiers if r["side"] == side and r["n"] > 0]


def entropy_by_tier(
    model: ModelAnalysis, side: str = "vision", uncertainty: str = "entropy", ax: Axes | None = None
) -> Axes:
    """Uncertainty of the unimodal runs by tier: mean, median and quartiles.

    Parameters
    ----------
    model
        The analysis of one model.
    side
        "vision" (by d_v) or "text" (by d_t).
    uncertainty
        Name of the index, for the label.
    ax
        Axes to draw on; new ones if None.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(ax, 4.2, 3.2)
    color, label = _SIDES[side] if side in _SIDES else (IMAGE, "")
    rows = _rows(model, side)
    tiers = np.arange(len(rows))
    low, high = (np.array([r[k] for r in rows]) for k in ("lower_quartile", "upper_quartile"))
    ax.bar(tiers, high - low, bottom=low, width=0.55, color=color, alpha=0.22, lw=0, label="middle half")
    ax.hlines([r["median"] for r in rows], tiers - 0.275, tiers + 0.275, color=color, lw=2, label="median")
    ax.plot(tiers, [r["mean"] for r in rows], "o-", color="#111827", ms=4.5, lw=1, mec="white", mew=0.7, label="mean")
    ax.set_xticks(tiers, [str(r["tier"]) for r in rows])
    ax.set(xlabel=label, ylabel=uncertainty_label(uncertainty), xlim=(-0.6, len(rows) - 0.4))
    ax.set_ylim(bottom=0)
    ax.legend(loc="upper left", handlelength=1.4)
    return ax


def accuracy_by_tier(model: ModelAnalysis, side: str = "vision", ax: Axes | None = None) -> Axes:
    """Share of correct unimodal answers by tier, with Wilson intervals."""
    ax = new_axes(ax, 4.2, 3.2)
    rows = [r for r in _rows(model, side) if r["accuracy"] is not None]
    color, label = _SIDES[side]
    tiers = np.arange(len(rows))
    y = np.array([r["accuracy"] for r in rows])
    errors = np.abs(
        [[r["accuracy"] - r["accuracy_low"] for r in rows], [r["accuracy_high"] - r["accuracy"] for r in rows]]
    )
    ax.errorbar(tiers, y, yerr=errors, fmt="o-", color=color, ecolor="#9ca3af", ms=5, lw=1.4, mec="white", mew=0.8)
    ax.set_xticks(tiers, [str(r["tier"]) for r in rows])
    ax.set(xlabel=label, ylabel="correct alone", xlim=(-0.6, len(rows) - 0.4), ylim=(-0.03, 1.03))
    return ax
