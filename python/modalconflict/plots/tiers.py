"""Uncertainty, accuracy and text-following by tier of difficulty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from modalconflict.analysis.result import Analysis, ModelAnalysis
from modalconflict.errors import InvalidArgument
from modalconflict.plots.style import FAINT, IMAGE, INK, TEXT, WHISKER, need, new_axes, one_model, uncertainty_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIDES = {"vision": (IMAGE, r"image tier $d_v$"), "text": (TEXT, r"text tier $d_t$")}


def _rows(model: ModelAnalysis, side: str, table: str, what: str) -> list[dict[str, float]]:
    """Rows of one side of a table by tier."""
    if side not in _SIDES:
        raise InvalidArgument(f"side '{side}' is neither vision nor text; choose one of them")
    tiers = need(model.summary.get(table) or None, what)
    return [r for r in tiers if r["side"] == side and r["n"] > 0]


def entropy_by_tier(
    model: ModelAnalysis | Analysis, side: str = "vision", uncertainty: str | None = None, ax: Axes | None = None
) -> Axes:
    """Uncertainty of the unimodal runs by tier: mean, median and quartiles.

    Parameters
    ----------
    model
        The analysis of one model.
    side
        "vision" (by d_v) or "text" (by d_t).
    uncertainty
        Name of the index, for the label; the analysis' own if None.
    ax
        Axes to draw on; new ones if None.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import modalconflict as mc
    >>> analysis = mc.analyze(mc.synthetic.synthetic_records(groups=20), replicates=100)
    >>> ax = mc.plots.entropy_by_tier(analysis, "text")
    """
    model = one_model(model)
    rows = _rows(model, side, "tiers", "unimodal runs")
    ax = new_axes(ax, 4.2, 3.2)
    color, label = _SIDES[side]
    tiers = np.arange(len(rows))
    low, high = (np.array([r[k] for r in rows]) for k in ("lower_quartile", "upper_quartile"))
    ax.bar(tiers, high - low, bottom=low, width=0.55, color=color, alpha=0.22, lw=0, label="middle half")
    ax.hlines([r["median"] for r in rows], tiers - 0.275, tiers + 0.275, color=color, lw=2, label="median")
    ax.plot(tiers, [r["mean"] for r in rows], "o-", color=INK, ms=4.5, lw=1, mec="white", mew=0.7, label="mean")
    ax.set_xticks(tiers, [str(r["tier"]) for r in rows])
    ax.set(xlabel=label, ylabel=uncertainty_label(model, uncertainty), xlim=(-0.6, len(rows) - 0.4))
    ax.set_ylim(bottom=0)
    ax.legend(loc="upper left", handlelength=1.4)
    return ax


def accuracy_by_tier(model: ModelAnalysis | Analysis, side: str = "vision", ax: Axes | None = None) -> Axes:
    """Share of correct unimodal answers by tier, with Wilson intervals.

    Parameters
    ----------
    model
        The analysis of one model.
    side
        "vision" (by d_v) or "text" (by d_t).
    ax
        Axes to draw on; new ones if None.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import modalconflict as mc
    >>> analysis = mc.analyze(mc.synthetic.synthetic_records(groups=20), replicates=100)
    >>> ax = mc.plots.accuracy_by_tier(analysis)
    """
    model = one_model(model)
    rows = [r for r in _rows(model, side, "tiers", "unimodal runs") if r["accuracy"] is not None]
    ax = new_axes(ax, 4.2, 3.2)
    _rates(ax, rows, side, "accuracy")
    ax.set_ylabel("correct alone")
    return ax


def following_by_tier(model: ModelAnalysis | Analysis, side: str = "vision", ax: Axes | None = None) -> Axes:
    """Text-following rate of the conflicts by tier, with intervals over whole groups.

    Parameters
    ----------
    model
        The analysis of one model.
    side
        "vision" (by d_v, the image's tier) or "text" (by d_t).
    ax
        Axes to draw on; new ones if None.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import modalconflict as mc
    >>> analysis = mc.analyze(mc.synthetic.synthetic_records(groups=20), replicates=100)
    >>> ax = mc.plots.following_by_tier(analysis, "text")
    """
    model = one_model(model)
    rows = [r for r in _rows(model, side, "following", "tiers") if r["tfr"] is not None]
    ax = new_axes(ax, 4.2, 3.2)
    ax.axhline(0.5, color=FAINT, lw=1, zorder=0)
    _rates(ax, rows, side, "tfr")
    ax.set_ylabel("text-following rate")
    return ax


def _rates(ax: Axes, rows: list[dict[str, float]], side: str, name: str) -> None:
    """A rate a tier with its interval."""
    color, label = _SIDES[side]
    tiers, y = np.arange(len(rows)), np.array([r[name] for r in rows])
    ends = np.array([[r[f"{name}_low"], r[f"{name}_high"]] for r in rows], dtype=np.float64).reshape(-1, 2).T
    errors = np.nan_to_num(np.maximum([y - ends[0], ends[1] - y], 0))
    ax.errorbar(tiers, y, yerr=errors, fmt="o-", color=color, ecolor=WHISKER, ms=5, lw=1.4, mec="white", mew=0.8)
    ax.set_xticks(tiers, [str(r["tier"]) for r in rows])
    ax.set(xlabel=label, xlim=(-0.6, len(rows) - 0.4), ylim=(-0.03, 1.03))
