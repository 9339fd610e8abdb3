"""The law: text-following rate against relative uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from modalconflict.analysis.result import Analysis, ModelAnalysis, describe_point
from modalconflict.errors import InvalidArgument
from modalconflict.plots.style import (
    DASHES,
    FAINT,
    IMAGE,
    INK,
    NEUTRAL,
    TEXT,
    TIERS,
    WHISKER,
    delta_label,
    index_of,
    new_axes,
    one_model,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEW = 5
"""Bins with fewer cases are drawn hollow, and left out of the median split."""


def _rows(model: ModelAnalysis, half: str) -> list[dict[str, Any]]:
    return [r for r in model.tables["bins"].to_pylist() if r["half"] == half and r["n"] > 0]


def law(model: ModelAnalysis | Analysis, uncertainty: str | None = None, ax: Axes | None = None) -> Axes:
    """Text-following rate by ΔU_rel: bins with Wilson intervals, the logistic fit with its band, the isotonic fit, the balance point.

    Parameters
    ----------
    model
        The analysis of one model.
    uncertainty
        Name of the index, for the labels; the analysis' own if None.
    ax
        Axes to draw on; new ones if None.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import modalconflict as mc
    >>> analysis = mc.analyze(mc.synthetic.synthetic_records(groups=20), replicates=100)
    >>> ax = mc.plots.law(analysis)
    """
    model = one_model(model)
    ax = new_axes(ax, 6.8, 4.2)
    point = model.summary["balance_point"]["headline"]
    if point["estimate"] is not None:
        low, high = (-2.0 if point["low"] is None else point["low"]), (2.0 if point["high"] is None else point["high"])
        ax.axvspan(max(low, -2.1), min(high, 2.1), color=NEUTRAL, alpha=0.22, lw=0)
        ax.axvline(point["estimate"], color=INK, lw=1.2, ls=(0, (4, 2)), label=f"balance point {describe_point(point)}")
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
        ax.plot([r["mean_delta"] for r in few], [r["tfr"] for r in few], "o", ms=4, mfc="white", mec=WHISKER, zorder=5)
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
            color=INK,
            ecolor=WHISKER,
            elinewidth=1.1,
            mec="white",
            mew=0.8,
            label="cases, by bin",
            zorder=5,
        )
    ax.set(xlim=(-2.1, 2.1), ylim=(-0.24, 1.04), xlabel=delta_label(model, uncertainty), ylabel="text-following rate")
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


def median_split(model: ModelAnalysis | Analysis, uncertainty: str | None = None, ax: Axes | None = None) -> Axes:
    """The law in the halves of low and high total uncertainty U_t + U_v: if both fall, it is not the total that decides.

    Parameters
    ----------
    model
        The analysis of one model.
    uncertainty
        Name of the index, for the labels; the analysis' own if None.
    ax
        Axes to draw on; new ones if None.

    Returns
    -------
    matplotlib.axes.Axes
        Bins of five cases or more.

    Examples
    --------
    >>> import modalconflict as mc
    >>> analysis = mc.analyze(mc.synthetic.synthetic_records(groups=20), replicates=100)
    >>> ax = mc.plots.median_split(analysis)
    """
    model = one_model(model)
    ax = new_axes(ax)
    symbol = "H" if index_of(model, uncertainty) == "entropy" else "U"
    halves = model.summary["median_split"]["halves"]
    for half, color, sign, marker in (("low", IMAGE, "≤", "o"), ("high", TEXT, ">", "s")):
        rows = [r for r in _rows(model, half) if r["n"] >= FEW]
        ax.plot(
            [r["mean_delta"] for r in rows],
            [r["tfr"] for r in rows],
            marker=marker,
            color=color,
            ms=4.5,
            lw=1.6,
            label=rf"${symbol}_t + {symbol}_v$ {sign} median  (n = {halves[half]['n']})",
        )
    ax.axhline(0.5, color=FAINT, lw=1, zorder=0)
    ax.set(xlim=(-2.1, 2.1), ylim=(-0.04, 1.04), xlabel=delta_label(model, uncertainty), ylabel="text-following rate")
    ax.legend(loc="upper right")
    return ax


def following_by_delta(model: ModelAnalysis | Analysis, uncertainty: str | None = None, ax: Axes | None = None) -> Axes:
    """Text-following rate by bin of ΔU_rel as bars, with Wilson intervals and the number of cases.

    Parameters
    ----------
    model
        The analysis of one model.
    uncertainty
        Name of the index, for the labels; the analysis' own if None.
    ax
        Axes to draw on; new ones if None.

    Returns
    -------
    matplotlib.axes.Axes
        Bins of fewer than five cases are hatched and have no interval.

    Examples
    --------
    >>> import modalconflict as mc
    >>> analysis = mc.analyze(mc.synthetic.synthetic_records(groups=20), replicates=100)
    >>> ax = mc.plots.following_by_delta(analysis)
    """
    model = one_model(model)
    ax = new_axes(ax, 6.8, 3.6)
    for r in _rows(model, "all"):
        width, many = r["high_edge"] - r["low_edge"], r["n"] >= FEW
        centre = (r["low_edge"] + r["high_edge"]) / 2
        look: dict[str, Any] = {"color": TEXT, "alpha": 0.75, "lw": 0}
        if not many:
            look = {"fc": "none", "ec": WHISKER, "hatch": "////", "lw": 0.6}
        ax.bar(centre, r["tfr"], width=width * 0.86, **look)
        if many:
            error = [[max(r["tfr"] - r["tfr_low"], 0)], [max(r["tfr_high"] - r["tfr"], 0)]]
            ax.errorbar(centre, r["tfr"], yerr=error, color=INK, lw=1, capsize=2)
        if width >= 0.2:
            ax.text(centre, -0.035, f"{r['n']}", ha="center", va="top", fontsize=6.5, color=NEUTRAL)
    ax.axhline(0.5, color=FAINT, lw=1, zorder=0)
    ax.axhline(0, color=WHISKER, lw=0.8)
    ax.set(xlim=(-2.05, 2.05), ylim=(-0.11, 1.04), xlabel=delta_label(model, uncertainty), ylabel="text-following rate")
    ax.set_yticks([0, 0.25, 0.5, 0.75, 1])
    return ax


def laws(models: Analysis | Sequence[ModelAnalysis], ax: Axes | None = None) -> Axes:
    """The fitted curves of several models on one axis, with a mark at each balance point.

    Parameters
    ----------
    models
        An analysis, or models of analyses with one index.
    ax
        Axes to draw on; new ones if None.

    Returns
    -------
    matplotlib.axes.Axes
        A model without a fit has a name in the legend and no curve.

    Examples
    --------
    >>> import modalconflict as mc
    >>> law = mc.synthetic.SyntheticLaw(balance_point=0.5)
    >>> records = [mc.synthetic.synthetic_records(groups=20), mc.synthetic.synthetic_records(law, groups=20, model="other")]
    >>> ax = mc.plots.laws(mc.analyze(records, replicates=100))
    """
    chosen = several(models)
    ax = new_axes(ax, 6.8, 3.9)
    ax.axhline(0.5, color=FAINT, lw=1, zorder=0)
    for i, model in enumerate(chosen):
        color, dashes = TIERS[i % len(TIERS)], DASHES[(i // len(TIERS) + i) % len(DASHES)]
        curve, point = model.summary["curve"], model.summary["balance_point"]["headline"]
        x, y = (curve["x"], curve["logistic"]) if curve is not None else ([], [])
        ax.plot(x, y, color=color, ls=dashes, lw=2, label=model.name)
        if point["estimate"] is not None:
            ax.plot(point["estimate"], 0.5, "o", color=color, ms=6, mec="white", mew=1, zorder=5)
    ax.set(xlim=(-2.05, 2.05), ylim=(-0.03, 1.03), xlabel=delta_label(chosen[0]), ylabel="text-following rate")
    ax.legend(loc="upper right")
    return ax


def several(models: Analysis | Sequence[ModelAnalysis]) -> list[ModelAnalysis]:
    """The models to draw side by side, at least one and of one index."""
    chosen = list(models.models) if isinstance(models, Analysis) else list(models)
    if not chosen or not all(isinstance(m, ModelAnalysis) for m in chosen):
        raise InvalidArgument("there is no model to draw; give what mc.analyze returned, or a list of its .models")
    indices = sorted({index_of(m, None) for m in chosen})
    if len(indices) > 1:
        raise InvalidArgument(f"the models were analysed by {' and '.join(indices)}; analyse all by the same index")
    return chosen
