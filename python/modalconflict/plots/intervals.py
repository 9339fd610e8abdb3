"""Estimates with intervals below one another: balance points of models, of indices, and differences between models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from modalconflict.analysis.result import Analysis, ModelAnalysis, describe_point
from modalconflict.errors import InvalidArgument
from modalconflict.plots.law import several
from modalconflict.plots.style import (
    FAINT,
    INK,
    NEUTRAL,
    WHISKER,
    delta_label,
    index_name,
    is_bound,
    need,
    new_axes,
    one_model,
    relative_symbol,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PARTS = {
    "distribution": "by where their cases lie",
    "curve": "by how they decide",
}


def balance_points(models: Analysis | Sequence[ModelAnalysis], ax: Axes | None = None) -> Axes:
    """The balance points of several models with their intervals, from the one that prefers the image most to the text.

    Parameters
    ----------
    models
        An analysis, or models of analyses with one index.
    ax
        Axes to draw on; new ones if None.

    Returns
    -------
    matplotlib.axes.Axes
        An interval that is not bounded ends in an arrow; a model without a balance point has its status in words.

    Examples
    --------
    >>> import modalconflict as mc
    >>> law = mc.synthetic.SyntheticLaw(balance_point=0.5)
    >>> records = [mc.synthetic.synthetic_records(groups=20), mc.synthetic.synthetic_records(law, groups=20, model="other")]
    >>> ax = mc.plots.balance_points(mc.analyze(records, replicates=100))
    """
    chosen = several(models)
    points = [(m.name, m.summary["balance_point"]["headline"]) for m in chosen]
    points.sort(key=lambda item: (item[1]["estimate"] is None, item[1]["estimate"] or 0.0))
    ax = new_axes(ax, 6.4, 1.3 + 0.36 * len(points))
    _points(ax, points)
    ax.set_xlabel("balance point, " + delta_label(chosen[0]).replace("text easier", "prefers image").replace(
        "image easier", "prefers text"
    ))  # fmt: skip
    return ax


def indices(model: ModelAnalysis | Analysis, ax: Axes | None = None) -> Axes:
    """The balance point under every uncertainty index, with its interval: does the finding depend on the index?

    Parameters
    ----------
    model
        The analysis of one model.
    ax
        Axes to draw on; new ones if None.

    Returns
    -------
    matplotlib.axes.Axes
        Each index on the axis of its own ΔU_rel.

    Examples
    --------
    >>> import modalconflict as mc
    >>> analysis = mc.analyze(mc.synthetic.synthetic_records(groups=20), replicates=100)
    >>> ax = mc.plots.indices(analysis)
    """
    model = one_model(model)
    rows = need(model.summary.get("indices") or None, "uncertainty indices")
    bounds = model.summary.get("bounds") is not None
    points = []
    for r in rows:
        bound = " (lower bound)" if bounds and r["uncertainty"] in ("entropy", "top_k_entropy") else ""
        points.append((index_name(r["uncertainty"]) + bound, r["balance_point"]))
    ax = new_axes(ax, 6.4, 1.3 + 0.36 * len(points))
    _points(ax, points)
    ax.set_xlabel(f"balance point, {relative_symbol('')} of the index   (← prefers image · prefers text →)")
    return ax


def comparisons(analysis: Analysis, what: str = "balance_point", ax: Axes | None = None) -> Axes:
    """Differences between every pair of models on the groups that they share, with intervals.

    Parameters
    ----------
    analysis
        Of several models.
    what
        "balance_point" (first minus second, with the p-value), or "following": the difference of the text-following rates
        and its two parts, from where the models' cases lie on ΔU_rel and from how they decide there.
    ax
        Axes to draw on; new ones if None.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidArgument
        If no two models share a group, or `what` is neither.

    References
    ----------
    Kitagawa (1955), Components of a Difference Between Two Rates.

    Examples
    --------
    >>> import modalconflict as mc
    >>> law = mc.synthetic.SyntheticLaw(balance_point=0.5)
    >>> records = [mc.synthetic.synthetic_records(groups=20), mc.synthetic.synthetic_records(law, groups=20, model="other")]
    >>> ax = mc.plots.comparisons(mc.analyze(records, replicates=100), "following")
    """
    if what not in ("balance_point", "following"):
        raise InvalidArgument(f"what is '{what}'; choose balance_point or following")
    if not analysis.comparisons:
        raise InvalidArgument("no two models of the analysis share a group, so there is nothing to compare")
    rows: list[tuple[str, dict[str, Any]]] = []
    for pair in analysis.comparisons:
        first, second = (analysis.models[pair[k]].name for k in ("first", "second"))
        title = f"{first} − {second}"
        if what == "balance_point":
            rows.append((title, {"status": "no_crossing", **pair["balance_point"]}))
        else:
            rows.append((title, pair["following"]["total"]))
            rows += [(words, pair["following"][part]) for part, words in _PARTS.items()]
    ax = new_axes(ax, 6.4, 1.2 + 0.36 * len(rows))
    _rows(ax, [name for name, _ in rows])
    ends = [abs(v[k]) for _, v in rows for k in ("estimate", "low", "high") if v.get(k) is not None]
    reach = 1.15 * max([*ends, 0.05])
    for y, (_, value) in enumerate(rows):
        _interval(ax, y, value, reach, hollow=what == "following" and y % 3 > 0)
        p = value.get("p_value")
        if p is not None:
            _note(ax, y, f"p = {p:.2g}" if p >= 0.001 else "p < 0.001")
        elif value["estimate"] is None:
            _note(ax, y, "a model has no balance point")
    symbol = delta_label(analysis.models[0]).split(",")[0]
    bound = ", of lower bounds" if is_bound(analysis.models[0]) else ""
    names = {
        "balance_point": f"difference of the balance points, {symbol}{bound}",
        "following": "difference of the text-following rates and its parts",
    }
    ax.set_xlabel(names[what])
    ax.set_xlim(-reach, reach)
    return ax


def _points(ax: Axes, points: list[tuple[str, dict[str, Any]]]) -> None:
    """One balance point a row on the axis of ΔU_rel."""
    _rows(ax, [name for name, _ in points])
    for y, (_, point) in enumerate(points):
        _interval(ax, y, point, 2.0)
        _note(ax, y, describe_point(point))
    ax.set_xlim(-2.05, 2.05)


def _rows(ax: Axes, names: list[str]) -> None:
    ax.axvline(0, color=FAINT, lw=1, zorder=0)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)


def _interval(ax: Axes, y: int, value: dict[str, Any], reach: float, hollow: bool = False) -> None:
    """A point with its interval; an end that is not bounded is an arrow to the border at ±reach."""
    if value["estimate"] is None:
        return
    ends = []
    for name, border, marker in (("low", -reach, "<"), ("high", reach, ">")):
        end = value.get(name)
        if end is None:
            ax.plot(border, y, marker=marker, color=WHISKER, ms=5, mew=0, clip_on=False)
        ends.append(border if end is None else end)
    ax.plot(ends, [y, y], color=WHISKER, lw=1.6, solid_capstyle="butt")
    ax.plot(value["estimate"], y, "o", ms=6, color=INK, mfc="white" if hollow else INK, mec=INK, zorder=5)


def _note(ax: Axes, y: int, text: str) -> None:
    """Numbers at the right of the axes, outside of them."""
    ax.text(1.02, y, text, transform=ax.get_yaxis_transform(), va="center", fontsize=8, color=NEUTRAL)
