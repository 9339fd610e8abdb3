"""Models and indices beside one another, as rows of the page's static tables."""

from __future__ import annotations

from typing import Any

from modalconflict import plots
from modalconflict.analysis import Analysis, ModelAnalysis
from modalconflict.analysis.result import describe_point, signed
from modalconflict.plots.style import index_name
from modalconflict.reporting.figures import draw


def _interval(value: dict[str, Any]) -> str:
    """An estimate with its interval; unbounded ends as infinity."""
    if value["estimate"] is None:
        return "–"
    return describe_point({"status": "", **value})


def pair_rows(analyses: list[Analysis]) -> list[dict[str, Any]]:
    """One row a pair of models that share groups: names, the differences with intervals, and the p-value."""
    rows = []
    for analysis in analyses:
        for pair in analysis.comparisons:
            point, parts = pair["balance_point"], pair["following"]
            p = point["p_value"]
            rows.append(
                {
                    "first": analysis.models[pair["first"]].name,
                    "second": analysis.models[pair["second"]].name,
                    "groups": pair["shared_groups"],
                    "point": _interval(point),
                    "p": "–" if p is None else "< 0.001" if p < 0.001 else signed(p, 3),
                    **{name: _interval(parts[name]) for name in ("total", "distribution", "curve")},
                }
            )
    return rows


def pair_figures(analyses: list[Analysis]) -> list[dict[str, str]]:
    """Two figures an analysis of several models: differences of the balance points and of the text-following rates."""
    figures = []
    for analysis in analyses:
        pairs = len(analysis.comparisons)
        if 0 < pairs <= 10:  # more would be a figure longer than a page; the table holds them all
            point = draw(lambda ax, a=analysis: plots.comparisons(a, ax=ax), 7.2, 1.2 + 0.36 * pairs)  # type: ignore[misc]
            rates = draw(
                lambda ax, a=analysis: plots.comparisons(a, "following", ax=ax),  # type: ignore[misc]
                7.2,
                1.2 + 0.3 * 3 * pairs,
            )
            figures.append({"points": point, "rates": rates})
    return figures


def index_rows(model: ModelAnalysis) -> list[dict[str, Any]]:
    """One row an uncertainty index: the balance point by it, and how well its ΔU_rel orders the cases."""
    bounds = model.summary.get("bounds") is not None
    rows = []
    for r in model.summary.get("indices") or []:
        name, violation = r["uncertainty"], r["violation"]
        rows.append(
            {
                "name": index_name(name)
                + (" (lower bound)" if bounds and name in ("entropy", "top_k_entropy") else ""),
                "n": r["n"],
                "point": describe_point(r["balance_point"]),
                "spearman": signed(r["spearman"]),
                "violation": "–" if violation is None else signed(violation["p_value"]),
            }
        )
    return rows
