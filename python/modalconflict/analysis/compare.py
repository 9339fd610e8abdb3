"""Two models on the same cases: whose balance point lies further left, and where a difference in following comes from."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from modalconflict.analysis.result import ModelAnalysis, finite

Arrays = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.str_]]


def _decided(model: ModelAnalysis) -> Arrays:
    """ΔU_rel, whether the text was followed, and the group's label of every decided case that counts."""
    cases = model.included()
    outcome = np.array(cases["outcome"].to_pylist())
    decided = np.isin(outcome, ("text", "vision"))
    if cases["group"].null_count:  # a case is its own group
        labels = [str(c) for c in cases["case_id"].to_pylist()]
    else:
        labels = [f"{d} {g}" for d, g in zip(cases["dataset"].to_pylist(), cases["group"].to_pylist(), strict=True)]
    x = cases["delta"].to_numpy()[decided]
    return x, (outcome[decided] == "text").astype(np.float64), np.array(labels)[decided]


def compare_models(models: list[ModelAnalysis], options: dict[str, Any]) -> list[dict[str, Any]]:
    """Every pair of models that share groups, both resampled together so that what they share cancels.

    Parameters
    ----------
    models
        Analyses with one index and one level.
    options
        Of the analysis: level, replicates and seed.

    Returns
    -------
    list of dict
        first, second (numbers of the models), shared_groups, balance_point (estimate: first minus second, low, high,
        p_value; None where a model has no crossing) and following (total, distribution, curve: the TFR difference and its
        two parts, each with estimate, low and high). Pairs without a common group are left out.

    References
    ----------
    Davison & Hinkley (1997), section 3.8; Kitagawa (1955), Components of a Difference Between Two Rates.
    """
    from modalconflict import balance_point_difference, decompose_following

    decided = [_decided(m) for m in models]
    settings = {
        "level": options["level"],
        "replicates": options["replicates"],
        "random_state": options["random_state"],
    }
    found = []
    for i, j in combinations(range(len(models)), 2):
        (x, y, g), (u, v, h) = decided[i], decided[j]
        shared = len(set(g) & set(h))
        if shared == 0 or min(len(np.unique(x)), len(np.unique(u))) < 2:
            continue
        point = balance_point_difference(x, y, g, u, v, h, **settings)
        parts = decompose_following(x, y, u, v, groups_first=g, groups_second=h, **settings).to_dict()
        entry = {
            "first": i,
            "second": j,
            "shared_groups": shared,
            "balance_point": {k: getattr(point, k) for k in ("estimate", "low", "high", "p_value")},
            "following": {k: parts[k] for k in ("total", "distribution", "curve")},
        }
        found.append(finite(entry))
    return found
