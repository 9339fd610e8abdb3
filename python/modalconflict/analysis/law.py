"""The law: P(follow the text) against ΔU_rel, and where it is one half."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from modalconflict.analysis.layers import bin_index
from modalconflict.analysis.statistics import Floats, group_bootstrap_weights, ratio_interval, spearman, wilson_interval

if TYPE_CHECKING:
    from modalconflict.analysis.analyze import AnalysisOptions

CURVE_POINTS = 161
BAND_REPLICATES = 200
OTHER_KINDS = ("abstention", "third_answer", "format_failure")
CROSSING = ("crossing", "one_sided", "unbounded")


def law_summary(
    delta: Floats,
    total: Floats,
    outcome: npt.NDArray[np.str_],
    used: npt.NDArray[np.bool_],
    groups: npt.NDArray[np.int64],
    other_kind: npt.NDArray[np.str_],
    options: AnalysisOptions,
) -> dict[str, Any]:
    """Rates, balance points, curves and bins of one model.

    Parameters
    ----------
    delta, total
        ΔU_rel and U_t + U_v, shape (n,).
    outcome
        "text", "vision", "other", …, shape (n,).
    used
        The cases the law is stated on, shape (n,).
    groups
        Shape (n,).
    other_kind
        Kind of an outcome `other`, else "".
    options
        Of the analysis.
    """
    level, replicates, seed = options.level, options.replicates, options.random_state
    text, vision, other = (used & (outcome == o) for o in ("text", "vision", "other"))
    decided = text | vision
    names = ("estimate", "low", "high")
    tfr = dict(
        zip(
            names,
            ratio_interval(text[used] * 1.0, decided[used] * 1.0, groups[used], level, replicates, seed),
            strict=True,
        )
    )
    rate = dict(
        zip(
            names,
            ratio_interval(other[used] * 1.0, np.ones(used.sum()), groups[used], level, replicates, seed),
            strict=True,
        )
    )
    x, y, g = delta[decided], text[decided].astype(np.float64), groups[decided]
    median = float(np.median(total[used]))
    halves = {"low": decided & (total <= median), "high": decided & (total > median)}
    edges = bin_edges(options.bin_width)
    rows = bin_rows(x, y, edges, level, "all")
    for name, mask in halves.items():
        rows += bin_rows(delta[mask], text[mask].astype(np.float64), edges, level, name)
    points = balance_points(x, y, g, options)
    return {
        "outcomes": {"text": int(text.sum()), "vision": int(vision.sum()), "other": int(other.sum())},
        "tfr": tfr,
        "vfr": {"estimate": 1 - tfr["estimate"], "low": 1 - tfr["high"], "high": 1 - tfr["low"]},
        "other": {**rate, "kinds": {k: int((other & (other_kind == k)).sum()) for k in OTHER_KINDS}},
        "balance_point": points,
        "spearman": spearman(x, y),
        "violation": violation(x, y, g, options),
        "sides": sides(delta[used], points["headline"]),
        "piled_up": {"low": float((delta[used] <= -1.9).mean()), "high": float((delta[used] >= 1.9).mean())},
        "curve": fitted_curve(x, y, g, options),
        "median_split": {
            "total_median": median,
            "halves": {
                k: half_summary(delta[m], text[m].astype(np.float64), groups[m], options) for k, m in halves.items()
            },
        },
        "edges": edges.tolist(),
        "bin_rows": rows,
    }


def bin_edges(width: float) -> Floats:
    """Edges of equal bins over [−2, 2]; the last is narrower where the width does not divide 4."""
    count = math.ceil(4 / width - 1e-9)
    return np.asarray(np.minimum(-2 + width * np.arange(count + 1), 2.0), dtype=np.float64)


def bin_rows(x: Floats, y: Floats, edges: Floats, level: float, half: str) -> list[dict[str, Any]]:
    """One row a bin of ΔU_rel: cases, share that followed the text, its Wilson interval, mean ΔU_rel."""
    index, bins = bin_index(x, edges), len(edges) - 1
    n = np.bincount(index, minlength=bins).astype(np.float64)
    k = np.bincount(index, weights=y, minlength=bins).astype(np.float64)
    sums = np.bincount(index, weights=x, minlength=bins)
    low, high = wilson_interval(k, n, level)
    return [
        {
            "half": half,
            "low_edge": float(edges[i]),
            "high_edge": float(edges[i + 1]),
            "n": int(n[i]),
            "text": int(k[i]),
            "mean_delta": _number(sums[i] / n[i] if n[i] else np.nan),
            "tfr": _number(k[i] / n[i] if n[i] else np.nan),
            "tfr_low": _number(low[i]),
            "tfr_high": _number(high[i]),
        }
        for i in range(bins)
    ]


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def balance_points(x: Floats, y: Floats, groups: npt.NDArray[np.int64], options: AnalysisOptions) -> dict[str, Any]:
    """The headline (logistic, groups resampled) and beside it CIR with its likelihood-ratio interval."""
    headline = one_balance_point(x, y, groups, "logistic", options)
    cir = one_balance_point(x, y, groups, "cir", options)
    return {"headline": headline, "cir": cir, "disagree": disagree(headline, cir)}


def one_balance_point(
    x: Floats, y: Floats, groups: npt.NDArray[np.int64], method: str, options: AnalysisOptions
) -> dict[str, Any]:
    """A balance point as a dictionary; status "too_few_cases" where there is nothing to fit."""
    from modalconflict import balance_point

    if len(x) < 2 or len(np.unique(x)) < 2:
        return {
            "status": "too_few_cases",
            "estimate": None,
            "low": None,
            "high": None,
            "method": method,
            "n": len(x),
            "flags": [],
        }
    several = len(np.unique(groups)) > 1
    extra: dict[str, Any] = {"replicates": options.replicates} if method == "logistic" else {}
    point = balance_point(
        x,
        y,
        groups=groups if several else None,
        method=method,
        level=options.level,
        random_state=options.random_state,
        **extra,
    )
    found: dict[str, Any] = point.to_dict()
    return found


def disagree(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two balance points contradict each other: one has a crossing and the other none, or their intervals are apart."""
    if "too_few_cases" in (a["status"], b["status"]):
        return False
    if (a["status"] in CROSSING) != (b["status"] in CROSSING):
        return True
    if a["status"] not in CROSSING:
        return bool(a["status"] != b["status"])
    ends = [
        (p["low"] if p["low"] is not None else -math.inf, p["high"] if p["high"] is not None else math.inf)
        for p in (a, b)
    ]
    return ends[0][1] < ends[1][0] or ends[1][1] < ends[0][0]


def sides(delta: Floats, point: dict[str, Any]) -> dict[str, float] | None:
    """Share of the cases left and right of the balance point; None without one."""
    if point["estimate"] is None:
        return None
    return {"left": float((delta < point["estimate"]).mean()), "right": float((delta > point["estimate"]).mean())}


def violation(x: Floats, y: Floats, groups: npt.NDArray[np.int64], options: AnalysisOptions) -> dict[str, Any] | None:
    """The test of a monotone curve: mass of the violations and its p-value; None where x has fewer than three values."""
    from modalconflict import violation_test

    if len(np.unique(x)) < 3:
        return None
    several = len(np.unique(groups)) > 1
    found = violation_test(
        x, y, groups if several else None, replicates=options.replicates, random_state=options.random_state
    )
    return {
        "mass": float(found.mass),
        "p_value": float(found.p_value),
        "bins": len(found.count),
        "replicates": found.replicates,
    }


def half_summary(x: Floats, y: Floats, groups: npt.NDArray[np.int64], options: AnalysisOptions) -> dict[str, Any]:
    """One half of the median split."""
    return {
        "n": len(x),
        "tfr": float(y.mean()) if len(y) else None,
        "spearman": _number(spearman(x, y)),
        "balance_point": one_balance_point(x, y, groups, "logistic", options),
    }


def fitted_curve(
    x: Floats, y: Floats, groups: npt.NDArray[np.int64], options: AnalysisOptions
) -> dict[str, Any] | None:
    """The logistic curve with a band (groups resampled) and the centred isotonic curve over [−2, 2]; None if there is nothing to fit."""
    from modalconflict import centered_isotonic_fit, logistic_fit

    if len(x) < 2 or len(np.unique(x)) < 2:
        return None
    at = np.linspace(-2.0, 2.0, CURVE_POINTS)
    fit = logistic_fit(x, y)
    index, draws = group_bootstrap_weights(groups, BAND_REPLICATES, options.random_state)
    curves = []
    for weights in draws:
        weight = weights[index]
        if len(np.unique(x[weight > 0])) > 1:
            curves.append(logistic_fit(x, y, weights=weight).predict(at))
    low, high = np.quantile(np.array(curves), [(1 - options.level) / 2, (1 + options.level) / 2], axis=0)
    isotonic = centered_isotonic_fit(x, y)
    inside = (at >= x.min()) & (at <= x.max())
    step = np.unique(np.concatenate([at[inside], x[[x.argmin(), x.argmax()]]]))
    return {
        "x": at.tolist(),
        "logistic": np.asarray(fit.predict(at)).tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
        "parameters": {k: _number(getattr(fit, k)) for k in ("location", "width", "lower_lapse", "upper_lapse")},
        "cir": {"x": step.tolist(), "y": np.asarray(isotonic.predict(step)).tolist()},
    }
