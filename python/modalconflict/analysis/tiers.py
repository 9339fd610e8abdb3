"""By tier: accuracy and uncertainty of the unimodal runs, and what the multimodal runs followed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from modalconflict.analysis.statistics import ratio_interval, wilson_interval

if TYPE_CHECKING:
    from modalconflict.analysis.analyze import AnalysisOptions


def tier_table(records: pa.Table, uncertainty: str, level: float) -> pa.Table:
    """One row a tier: d_v of the vision-only runs, d_t of the text-only runs.

    Parameters
    ----------
    records
        Validated records of one model.
    uncertainty
        Name of the index.
    level
        Coverage of the accuracy's interval (Wilson).

    Returns
    -------
    pyarrow.Table
        side ("vision" | "text"), tier, n, failed, accuracy, accuracy_low, accuracy_high, mean, median and quartiles of the
        uncertainty.
    """
    rows = []
    for side, condition, column in (("vision", "vision_only", "d_v"), ("text", "text_only", "d_t")):
        chosen = records.select(["condition", "status", "correct", column, uncertainty]).to_pylist()
        chosen = [r for r in chosen if r["condition"] == condition]
        for tier in sorted({r[column] for r in chosen}):
            runs = [r for r in chosen if r[column] == tier]
            ok = [r for r in runs if r["status"] == "ok"]
            judged = [r["correct"] for r in ok if r["correct"] is not None]
            values = np.array([r[uncertainty] for r in ok], dtype=np.float64)
            low, high = wilson_interval(np.array([float(sum(judged))]), np.array([float(len(judged))]), level)
            quartiles = np.quantile(values, [0.25, 0.5, 0.75]).tolist() if len(values) else [None] * 3
            rows.append(
                {
                    "side": side,
                    "tier": tier,
                    "n": len(ok),
                    "failed": len(runs) - len(ok),
                    "accuracy": sum(judged) / len(judged) if judged else None,
                    "accuracy_low": float(low[0]) if judged else None,
                    "accuracy_high": float(high[0]) if judged else None,
                    "mean": float(values.mean()) if len(values) else None,
                    "lower_quartile": quartiles[0],
                    "median": quartiles[1],
                    "upper_quartile": quartiles[2],
                }
            )
    numbers = ("accuracy", "accuracy_low", "accuracy_high", "mean", "lower_quartile", "median", "upper_quartile")
    fields = [("side", pa.string()), ("tier", pa.int32()), ("n", pa.int64()), ("failed", pa.int64())]
    return pa.Table.from_pylist(rows, schema=pa.schema([*fields, *((n, pa.float64()) for n in numbers)]))


def following_by_tier(
    cases: pa.Table, used: npt.NDArray[np.bool_], groups: npt.NDArray[np.int64], options: AnalysisOptions
) -> list[dict[str, Any]]:
    """Text-following rate of the cases that count, one row a tier of either side.

    Parameters
    ----------
    cases
        Joined cases; a table without tiers gives no rows.
    used
        The cases the law is stated on, shape (n,).
    groups
        Shape (n,).
    options
        Of the analysis: level, replicates and seed of the interval, which resamples whole groups.

    Returns
    -------
    list of dict
        side ("vision" | "text"), tier, n, decided, text, tfr, tfr_low, tfr_high (NaN where no case was decided).
    """
    outcome = np.array([o or "" for o in cases["outcome"].to_pylist()])
    text, decided = used & (outcome == "text"), used & np.isin(outcome, ("text", "vision"))
    rows: list[dict[str, Any]] = []
    for side, column in (("vision", "d_v"), ("text", "d_t")):
        tiers = np.array([-1 if t is None else t for t in cases[column].to_pylist()])
        for tier in np.unique(tiers[used & (tiers >= 0)]).tolist():
            here = used & (tiers == tier)
            rate, low, high = ratio_interval(
                text[here] * 1.0,
                decided[here] * 1.0,
                groups[here],
                options.level,
                options.replicates,
                options.random_state,
            )
            counts = {"n": int(here.sum()), "decided": int(decided[here].sum()), "text": int(text[here].sum())}
            rows.append({"side": side, "tier": tier, **counts, "tfr": rate, "tfr_low": low, "tfr_high": high})
    return rows
