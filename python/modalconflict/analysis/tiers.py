"""Accuracy and uncertainty by tier of the unimodal runs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from modalconflict.analysis.statistics import wilson_interval


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
