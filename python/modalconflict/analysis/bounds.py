"""Records whose entropies are bounds: how far the truth may lie from what the analysis computes with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

if TYPE_CHECKING:
    from modalconflict.analysis.statistics import Floats

BOUNDED = frozenset({"entropy", "top_k_entropy"})
"""Indices that records of a server hold as lower bounds; the others of theirs are exact."""


def has_bounds(records: pa.Table) -> bool:
    """Whether some run's entropy is a lower bound: servers report the likeliest tokens alone."""
    return "entropy_kind" in records.column_names and "lower_bound" in records["entropy_kind"].unique().to_pylist()


def bounds_summary(
    records: pa.Table, cases: pa.Table, used: npt.NDArray[np.bool_], uncertainty: str, balance: float | None
) -> dict[str, Any] | None:
    """What it means for the analysis that entropies are bounds; None where they are exact.

    Parameters
    ----------
    records
        Runs of one model, with the columns `entropy_kind` and `entropy_upper` (nats) if a server reported them.
    cases
        Of :func:`~modalconflict.analysis.cases.join_runs`, with `upper.t` and `upper.v`.
    used
        The cases the law is stated on, shape (n,).
    uncertainty
        The index of the analysis.
    balance
        The balance point, if there is one.

    Returns
    -------
    dict or None
        applies (whether the analysed index is a bound), runs and lower_bounds (unimodal runs that went well, and those whose
        entropy is a lower bound), upper_known, gap (median and largest distance of the two bounds, nats), delta (over the
        cases whose upper bounds are known: n, median and largest width of the range in which ΔH_rel lies, and `clear`, the
        share whose range does not hold the balance point); gap and delta are None without upper bounds.
    """
    if not has_bounds(records):
        return None
    rows = records.select(["condition", "status", "entropy", "entropy_kind", "entropy_upper"]).to_pylist()
    alone = [r for r in rows if r["condition"] in ("text_only", "vision_only") and r["status"] == "ok"]
    gaps = [r["entropy_upper"] - r["entropy"] for r in alone if r["entropy_upper"] is not None]
    return {
        "applies": uncertainty in BOUNDED,
        "runs": len(alone),
        "lower_bounds": sum(r["entropy_kind"] == "lower_bound" for r in alone),
        "upper_known": len(gaps),
        "gap": {"median": float(np.median(gaps)), "largest": float(max(gaps))} if gaps else None,
        "delta": _delta_ranges(cases, used, balance) if uncertainty == "entropy" else None,
    }


def _delta_ranges(cases: pa.Table, used: npt.NDArray[np.bool_], balance: float | None) -> dict[str, Any] | None:
    """The range of ΔH_rel: it rises with the text's entropy and falls with the image's, so the bounds' corners bound it."""
    from modalconflict import relative_uncertainty

    lower, upper = (
        [cases[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in names]
        for names in (("u_text", "u_vision"), ("upper.t", "upper.v"))
    )
    known = used & np.isfinite(upper[0]) & np.isfinite(upper[1])
    if not known.any():
        return None

    def relative(text: Floats, vision: Floats) -> Floats:
        return np.asarray(relative_uncertainty(text[known], vision[known], zero_policy="nan"), dtype=np.float64)

    low, high = relative(lower[0], upper[1]), relative(upper[0], lower[1])
    low, high = np.where(np.isnan(low), -2.0, low), np.where(np.isnan(high), 2.0, high)  # 0/0: anything may be true
    width = high - low
    return {
        "n": int(known.sum()),
        "median": float(np.median(width)),
        "largest": float(width.max()),
        "clear": None if balance is None else float(((high < balance) | (low > balance)).mean()),
    }
