"""The law: text-following rate against relative uncertainty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modalconflict.analysis.result import ModelAnalysis, describe_point
from modalconflict.plots.style import FAINT, IMAGE, NEUTRAL, TEXT, delta_label, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEW = 5
"""Bins with fewer cases are drawn hollow, and left out of the median split."""


def _rows(model: ModelAnalysis, half: str) -> list[dict[str, Any]]:
    return [r for r in model.tables["bins"].to_pylist() if r["half"] == half and r["n"] > 0]


def law(model: ModelAnalysis, uncertainty: str = "entropy", ax: Axes | None = None) -> Axes:
    """Text-following rate by ΔU_rel: bins with Wilson intervals, the logistic fit with its band, the isotonic fit, the balance point.

    Parameters
    ----------
    model
        The analysis of one model.
    uncertainty
        Name of the index, for the labels.
    ax
        Axes to draw on; new ones if None.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = new_axes(ax, 6.8, 4.2)
    point = model.summary["balance_point"]["headline"]
    if point["estimate"] is not None:
        low, high = (-2.0 if point["low"] is None else point["low"]), (2.0 if point["high"] is None else point["high"])
        ax.axvspan(max(low, -2.1), min(high, 2.1), color=NEUTRAL, alpha=0.22, lw=0)
        ax.axvline(
            point["estimate"], color="#111827", lw=1.2, ls=(0, (4, 2)), label=f"balance point {describe_point(point)}"
        )
    ax.axhline(0.5, color=FAINT, lw=1, zorder=0)
    curve = model.summary["curve"]
    if curve is not None:
        ax.fill_between(curve["x"], curve["low"], curve["high"], color=TEXT, alpha=0.16, lw=0)
        ax.plot(curve["x"], curve["logistic"], color=TEXT, lw=2.2, label="logistic with lapses")
        ax.plot(curve["cir"]["x"], curve["cir"]["y"], color=IMAGE, lw=1.4, label="centred isotonic")
    rows = _rows(model, "all")
    if not rows:
        ax.text(0, 0.4, "no case followed the text or the image", ha="center", color=NEUTRAL)
    else:
        _histogram(ax, rows)
    few = [r for r in rows if r["n"] < FEW]
    if few:  # too few to speak of a rate: shown, without an interval that would fill the page
        ax.plot(
            [r["mean_delta"] for r in few], [r["tfr"] for r in few], "o", ms=4, mfc="white", mec="#9ca3af", zorder=5
        )
        rows = [r for r in rows if r["n"] >= FEW]
    x, y = np.array([r["mean_delta"] for r in rows]), np.array([r["tfr"] for r in rows])
    errors = np.abs(np.array([[r["tfr"] - r["tfr_low"], r["tfr_high"] - r["tfr"]] for r in rows]).reshape(-1, 2).T)
    if rows:
        ax.errorbar(
            x,
            y,
            yerr=errors,
            fmt="o",
            ms=5,
            color="#111827",
            ecolor="#9ca3af",
            elinewidth=1.1,
            mec="white",
            mew=0.8,
            label="cases, by bin",
            zorder=5,
        )
    ax.set(xlim=(-2.1, 2.1), ylim=(-0.24, 1.04), xlabel=delta_label(uncertainty), ylabel="text-following rate")
    ax.set_yticks([0, 0.25, 0.5, 0.75, 1])
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="upper right", handlelength=1.8, borderaxespad=0.2)
    return ax


def _histogram(ax: Axes, rows: list[dict[str, Any]]) -> None:
    """How many cases stand behind each bin, as bars below the curve with the count on the tallest."""
    most = max(r["n"] for r in rows)
    base, height = -0.22, 0.15
    for r in rows:
        width = r["high_edge"] - r["low_edge"]
        ax.bar(r["low_edge"], height * r["n"] / most, width=width * 0.92, bottom=base, align="edge", color=FAINT, lw=0)
        if width >= 0.2:
            centre = r["low_edge"] + width * 0.46
            ax.text(
                centre,
                base + height * r["n"] / most + 0.008,
                f"{r['n']:,}".replace(",", "\u202f"),
                ha="center",
                va="bottom",
                fontsize=6.5,
                color=NEUTRAL,
            )


def median_split(model: ModelAnalysis, uncertainty: str = "entropy", ax: Axes | None = None) -> Axes:
    """The law in the halves of low and high total uncertainty U_t + U_v: both should fall."""
    ax = new_axes(ax)
    symbol = "H" if uncertainty == "entropy" else "U"
    halves = model.summary["median_split"]["halves"]
    for half, color, sign in (("low", IMAGE, "≤"), ("high", TEXT, ">")):
        rows = [r for r in _rows(model, half) if r["n"] >= FEW]
        ax.plot(
            [r["mean_delta"] for r in rows],
            [r["tfr"] for r in rows],
            "o-",
            color=color,
            ms=4.5,
            lw=1.6,
            label=rf"${symbol}_t + {symbol}_v$ {sign} median  (n = {halves[half]['n']})",
        )
    ax.axhline(0.5, color=FAINT, lw=1, zorder=0)
    ax.set(xlim=(-2.1, 2.1), ylim=(-0.04, 1.04), xlabel=delta_label(uncertainty), ylabel="text-following rate")
    ax.legend(loc="upper right")
    return ax
