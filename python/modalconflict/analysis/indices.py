"""The law under every uncertainty index that the records hold: does it depend on the one chosen?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from modalconflict.analysis.law import CURVE_POINTS, one_balance_point, violation
from modalconflict.analysis.statistics import Floats, spearman

if TYPE_CHECKING:
    from modalconflict.analysis.analyze import AnalysisOptions


def index_names(cases: pa.Table) -> list[str]:
    """Indices of which joined cases hold both unimodal values."""
    names = cases.column_names
    return [
        n.removesuffix(".text") for n in names if n.endswith(".text") and f"{n.removesuffix('.text')}.vision" in names
    ]


def relative_column(cases: pa.Table, index: str) -> Floats:
    """ΔU_rel of every case by one index, shape (n,): NaN where a run is missing or both sides are certain (0/0)."""
    from modalconflict import relative_uncertainty

    text, vision = (cases[f"{index}.{s}"].to_numpy(zero_copy_only=False).astype(np.float64) for s in ("text", "vision"))
    known = np.isfinite(text) & np.isfinite(vision)
    delta = np.full(cases.num_rows, np.nan)
    delta[known] = relative_uncertainty(text[known], vision[known], zero_policy="nan")
    return delta


def index_laws(
    cases: pa.Table, used: npt.NDArray[np.bool_], groups: npt.NDArray[np.int64], options: AnalysisOptions
) -> list[dict[str, Any]]:
    """One entry an index: how well its ΔU_rel orders the same cases.

    Parameters
    ----------
    cases
        From :func:`~modalconflict.analysis.cases.join_runs`.
    used
        Conflicts that count, shape (n,), before any index dropped its 0/0 cases.
    groups
        Shape (n,).
    options
        Of the analysis.

    Returns
    -------
    list of dict
        uncertainty, n (decided cases), both_certain (0/0 cases left out), balance_point (lapse-logistic, whole groups
        resampled), violation, spearman (between ΔU_rel and following the text), curve ("x", "y": the logistic fit) or None.
    """
    from modalconflict import logistic_fit

    outcome = np.array([o or "" for o in cases["outcome"].to_pylist()])
    decided = used & np.isin(outcome, ("text", "vision"))
    rows = []
    for name in index_names(cases):
        delta = relative_column(cases, name)
        here = decided & np.isfinite(delta)
        x, y, g = delta[here], (outcome[here] == "text").astype(np.float64), groups[here]
        curve = None
        if len(np.unique(x)) > 1:
            at = np.linspace(-2.0, 2.0, CURVE_POINTS)
            curve = {"x": at.tolist(), "y": np.asarray(logistic_fit(x, y).predict(at)).tolist()}
        rho = spearman(x, y)
        rows.append(
            {
                "uncertainty": name,
                "n": len(x),
                "both_certain": int((used & np.isnan(delta)).sum()),
                "balance_point": one_balance_point(x, y, g, "logistic", options),
                "violation": violation(x, y, g, options),
                "spearman": rho if math.isfinite(rho) else None,
                "curve": curve,
            }
        )
    return rows


def index_table(rows: list[dict[str, Any]]) -> pa.Table:
    """The entries of :func:`index_laws` as a flat table: one row an index, NaN and unbounded ends as null."""
    flat = [
        {
            "uncertainty": r["uncertainty"],
            "n": r["n"],
            "both_certain": r["both_certain"],
            "status": r["balance_point"]["status"],
            "balance_point": r["balance_point"]["estimate"],
            "low": r["balance_point"]["low"],
            "high": r["balance_point"]["high"],
            "violation_mass": None if r["violation"] is None else r["violation"]["mass"],
            "violation_p": None if r["violation"] is None else r["violation"]["p_value"],
            "spearman": r["spearman"],
        }
        for r in rows
    ]
    kinds = {"uncertainty": pa.string(), "n": pa.int64(), "both_certain": pa.int64(), "status": pa.string()}
    names = ("balance_point", "low", "high", "violation_mass", "violation_p", "spearman")
    return pa.Table.from_pylist(flat, schema=pa.schema([*kinds.items(), *((n, pa.float64()) for n in names)]))
