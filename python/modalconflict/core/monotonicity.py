"""Does text-following fall monotonically with relative uncertainty, and is relative uncertainty enough?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from modalconflict import _core
from modalconflict.core._arrays import (
    Floats,
    flag,
    group_codes,
    html_table,
    json_number,
    seed_of,
    thread_count,
    vector,
    whole,
)
from modalconflict.core.balance import BalancePoint, balance_point
from modalconflict.errors import InvalidArgument

__all__ = [
    "MedianSplit",
    "SufficiencyTest",
    "TrendTest",
    "ViolationTest",
    "median_split",
    "spearman",
    "sufficiency_test",
    "trend_test",
    "violation_test",
]


def _options(bins: int, increasing: bool, replicates: int, random_state: int | None, threads: int | None) -> Any:
    options = _core.MonotonicityOptions()
    options.bins, options.replicates = whole("bins", bins), whole("replicates", replicates)
    options.increasing = flag("increasing", increasing)
    options.seed, options.threads = seed_of(random_state), thread_count(threads)
    return options


@dataclass(frozen=True)
class ViolationTest:
    """Violation of monotonicity between bins, and whether it is more than chance leaves.

    Attributes
    ----------
    mass : float
        Σ n_b (mean_b - fit_b)² / Σ n_b over the bins.
    p_value : float
        Share of samples regenerated under a monotone curve with at least this mass.
    centre, mean, fit, count : numpy.ndarray, shape (bins,)
    replicates : int
    """

    mass: float
    p_value: float
    centre: Floats = field(repr=False)
    mean: Floats = field(repr=False)
    fit: Floats = field(repr=False)
    count: Floats = field(repr=False)
    replicates: int

    def to_dict(self) -> dict[str, Any]:
        """The test and its bins, ready for JSON."""
        bins = {name: getattr(self, name).tolist() for name in ("centre", "mean", "fit", "count")}
        return {"mass": self.mass, "p_value": self.p_value, "replicates": self.replicates, **bins}

    def _repr_html_(self) -> str:
        return html_table("Violation of monotonicity", [("mass", f"{self.mass:.3g}"), ("p", f"{self.p_value:.3g}")])


def violation_test(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    groups: Any = None,
    *,
    bins: int = 10,
    increasing: bool = False,
    replicates: int = 2000,
    random_state: int | None = 0,
    threads: int | None = None,
) -> ViolationTest:
    """Test H₀: the curve is monotone, by the squared distance of binned means from their monotone fit.

    Outcomes are regenerated from the monotone fit, flattened where neighbouring bins do not differ beyond their noise,
    with residuals whose signs are drawn group by group (wild cluster bootstrap).

    Parameters
    ----------
    x, y : array_like, shape (n,)
    groups : array_like, shape (n,), optional
        Labels; every case is its own group when left out.
    bins : int
        Bins of about equal count; equal x stay together.
    increasing : bool
        Direction under test.
    replicates, random_state, threads
        As for `balance_point`.

    Returns
    -------
    ViolationTest

    Raises
    ------
    InvalidArgument
        Naming the argument and the index.

    References
    ----------
    Cameron, Gelbach & Miller (2008), Bootstrap-Based Improvements for Inference with Clustered Errors. Andrews & Soares
    (2010), Inference for Parameters Defined by Moment Inequalities Using Generalized Moment Selection.

    Examples
    --------
    >>> import numpy as np
    >>> import modalconflict as mc
    >>> x = np.linspace(-2, 2, 400)
    >>> mc.violation_test(x, (np.abs(x) < 1).astype(float)).p_value < 0.01
    True
    """
    at, answers = vector("x", x), vector("y", y)
    options = _options(bins, increasing, replicates, random_state, threads)
    return ViolationTest(*_core.violation_test(at, answers, group_codes(groups, len(at)), options))


@dataclass(frozen=True)
class TrendTest:
    """Flat against monotone: the chi-bar-square statistic, its p-value, the clusters' variance ratio that divided it, and
    the probability of each number of levels under a flat curve.
    """

    statistic: float
    p_value: float
    dispersion: float
    level_probabilities: Floats = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The test, ready for JSON."""
        return {"statistic": self.statistic, "p_value": self.p_value, "dispersion": self.dispersion}


def trend_test(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    groups: Any = None,
    *,
    bins: int = 10,
    increasing: bool = False,
    replicates: int = 10000,
    random_state: int | None = 0,
    threads: int | None = None,
) -> TrendTest:
    """Test H₀: the curve is flat, against a monotone one, by the chi-bar-square statistic.

    Parameters are those of `violation_test`; replicates here weigh the chi-squares of the mixture.

    References
    ----------
    Robertson, Wright & Dykstra (1988), Order Restricted Statistical Inference, chapter 2.

    Examples
    --------
    >>> import numpy as np
    >>> import modalconflict as mc
    >>> x = np.linspace(-2, 2, 200)
    >>> mc.trend_test(x, (x < 0).astype(float)).p_value < 1e-6
    True
    """
    at, answers = vector("x", x), vector("y", y)
    options = _options(bins, increasing, replicates, random_state, threads)
    return TrendTest(*_core.trend_test(at, answers, group_codes(groups, len(at)), options))


@dataclass(frozen=True)
class SufficiencyTest:
    """Whether the total uncertainty matters beside the relative one.

    Attributes
    ----------
    coefficient, error : float
        Of log(U_t + U_v) in the logit of following the text; cluster-robust standard error.
    p_value : float
        Wald, clustered.
    likelihood_ratio, p_independent : float
        Of adding the total, and its p-value as if cases were independent.
    clusters : int
    """

    coefficient: float
    error: float
    p_value: float
    likelihood_ratio: float
    p_independent: float
    clusters: int

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def sufficiency_test(
    delta_u_rel: npt.ArrayLike, follow_text: npt.ArrayLike, total: npt.ArrayLike, groups: Any = None
) -> SufficiencyTest:
    """Test H₀: given ΔU_rel, the total U_t + U_v does not matter.

    Adds log(total) to a logistic regression on a cubic in ΔU_rel, so that the curve's shape is not mistaken for it.

    Parameters
    ----------
    delta_u_rel, follow_text, total : array_like, shape (n,)
        total is U_t + U_v, positive.
    groups : array_like, shape (n,), optional
        Labels of cases that are not independent.

    Returns
    -------
    SufficiencyTest

    Raises
    ------
    InvalidArgument
        Naming the argument and the index, or if the outcomes are separated.

    Examples
    --------
    >>> import numpy as np
    >>> import modalconflict as mc
    >>> rng = np.random.default_rng(0)
    >>> x, total = rng.uniform(-2, 2, 3000), rng.uniform(0.2, 3, 3000)
    >>> y = rng.random(3000) < 1 / (1 + np.exp(2 * x - np.log(total)))
    >>> mc.sufficiency_test(x, y, total).p_value < 1e-6
    True
    """
    x = vector("delta_u_rel", delta_u_rel)
    found = _core.sufficiency_test(
        x, vector("follow_text", follow_text), vector("total", total), group_codes(groups, len(x))
    )
    return SufficiencyTest(*found)


def spearman(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Spearman's rank correlation, ties at their mean rank; NaN where one side is constant. No test of monotonicity.

    Examples
    --------
    >>> import modalconflict as mc
    >>> mc.spearman([1, 2, 3], [9, 4, 1])
    -1.0
    """
    return float(_core.spearman(vector("x", x), vector("y", y)))


@dataclass(frozen=True)
class MedianSplit:
    """The law in the two halves of total uncertainty: cases, balance point, violation test and rank correlation of each."""

    median: float
    n: tuple[int, int]
    balance: tuple[BalancePoint, BalancePoint]
    violation: tuple[ViolationTest, ViolationTest]
    spearman: tuple[float, float]

    def to_dict(self) -> dict[str, Any]:
        """Both halves by name, ready for JSON."""
        return {"median": self.median} | {
            name: {
                "n": self.n[i],
                "balance_point": self.balance[i].to_dict(),
                "violation": self.violation[i].to_dict(),
                "spearman": json_number(self.spearman[i]),
            }
            for i, name in enumerate(("low", "high"))
        }


def median_split(
    delta_u_rel: npt.ArrayLike,
    follow_text: npt.ArrayLike,
    total: npt.ArrayLike,
    groups: Any = None,
    *,
    method: str = "logistic",
    bins: int = 10,
    random_state: int | None = 0,
    **options: Any,
) -> MedianSplit:
    """Balance point and monotonicity apart for cases of low and of high total uncertainty, split at its median.

    Parameters
    ----------
    delta_u_rel, follow_text, total, groups
        As for `sufficiency_test`. Cases at the median belong to the low half.
    method, random_state, **options
        For `balance_point`.
    bins : int
        For `violation_test`.

    References
    ----------
    arXiv 2511.02243, robustness to the total entropy.
    """
    x, y, sums = vector("delta_u_rel", delta_u_rel), vector("follow_text", follow_text), vector("total", total)
    if not len(x) == len(y) == len(sums):
        raise InvalidArgument(
            f"delta_u_rel, follow_text and total have {len(x)}, {len(y)} and {len(sums)} entries: one each a case"
        )
    if not len(x):
        raise InvalidArgument("delta_u_rel is empty: give at least one value")
    if not np.isfinite(sums).all():
        raise InvalidArgument(f"total[{int((~np.isfinite(sums)).argmax())}] is not finite: give the summed uncertainty")
    codes = group_codes(groups, len(x))
    middle = float(np.median(sums))
    low = sums <= middle
    if low.all() or not low.any():
        raise InvalidArgument("total does not vary: there is nothing to split at its median")
    parts = []
    for half in (low, ~low):
        g = None if codes is None else codes[half]
        parts.append(
            (
                balance_point(x[half], y[half], groups=g, method=method, random_state=random_state, **options),
                violation_test(x[half], y[half], g, bins=bins, random_state=random_state),
                spearman(x[half], y[half]),
            )
        )
    first, second = parts
    counts = (int(low.sum()), int((~low).sum()))
    return MedianSplit(middle, counts, (first[0], second[0]), (first[1], second[1]), (first[2], second[2]))
