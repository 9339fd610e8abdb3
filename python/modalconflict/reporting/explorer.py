"""What the page's explorer draws from: counts, fits and single cases of every model, as one JSON block."""

from __future__ import annotations

import json
from statistics import NormalDist
from typing import Any

from modalconflict.analysis.result import ModelAnalysis, finite
from modalconflict.reporting.counts import OUTCOMES, Axis, count_cube, layer_profile, tier_levels
from modalconflict.reporting.samples import MOST_A_MODEL, MOST_CASES, Samples, choose_rows
from modalconflict.reporting.words import preference

COLORS = 8
"""Colours, dashes and symbols that the style sheet and the charts know; a ninth model has the first's again."""


def explorer_data(models: list[ModelAnalysis], options: dict[str, Any]) -> dict[str, Any]:
    """Everything the explorer shows.

    Parameters
    ----------
    models
        Analyses with the same options.
    options
        Of the analysis.

    Returns
    -------
    dict
        Plain lists, dictionaries, numbers and strings. Its size does not grow with the number of cases beyond the counts' cells.
    """
    indices = _common_indices(models, options["uncertainty"])
    axis = Axis.of(models[0].summary["edges"], options["bin_width"])
    samples, entries = Samples(), []
    most = max(1, min(MOST_A_MODEL, MOST_CASES // len(models)))
    for model in models:
        levels = {c: tier_levels(model, c) for c in ("d_v", "d_t")}
        laws = {r["uncertainty"]: r for r in model.summary["indices"]}
        entries.append(
            {
                "name": model.name,
                "used": model.summary["counts"]["used"],
                "levels": levels,
                "laws": [_law(model, laws[i], i == options["uncertainty"]) for i in indices],
                "counts": [count_cube(model, i, options["cases"], axis, levels) for i in indices],
                "layers": [layer_profile(model, i, options["cases"], axis) for i in indices],
                "cases": samples.describe(model, choose_rows(model, options["cases"], axis, most), indices, levels),
            }
        )
    return {
        "indices": indices,
        "chosen": indices.index(options["uncertainty"]),
        "level": options["level"],
        "z": NormalDist().inv_cdf(0.5 + options["level"] / 2),
        "edges": axis.edges.tolist(),
        "parts": axis.parts,
        "outcomes": list(OUTCOMES),
        "models": entries,
        "texts": samples.texts.values,
        "tokens": samples.tokens.values,
        "pictures": samples.pictures.uris,
    }


def _common_indices(models: list[ModelAnalysis], chosen: str) -> list[str]:
    """Indices that every model's records hold, in the first one's order."""
    names = [[r["uncertainty"] for r in m.summary["indices"]] for m in models]
    common = [n for n in names[0] if all(n in other for other in names)]
    return common if chosen in common else [chosen]


def _law(model: ModelAnalysis, law: dict[str, Any], chosen: bool) -> dict[str, Any]:
    """Curve (with its band where the analysis drew one), balance point and tests under one index."""
    curve = law["curve"]
    band = model.summary["curve"] if chosen else None
    point = law["balance_point"]
    return {
        "n": law["n"],
        "point": {k: point[k] for k in ("status", "estimate", "low", "high")},
        "preference": preference(point),
        "spearman": law["spearman"],
        "violation": None if law["violation"] is None else law["violation"]["p_value"],
        "curve": None
        if curve is None
        else {
            "x": _rounded(curve["x"]),
            "y": _rounded(curve["y"]),
            "low": _rounded(band["low"]) if band else None,
            "high": _rounded(band["high"]) if band else None,
        },
    }


def _rounded(values: list[float]) -> list[float]:
    return [round(v, 4) for v in values]


def as_script_data(data: dict[str, Any]) -> str:
    """JSON that may stand inside a script element: nothing in it can end the element or open a comment."""
    text = json.dumps(finite(data), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return (
        text.replace("&", "\\u0026")
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )
