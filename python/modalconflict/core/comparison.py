"""Two models side by side: how far their balance points lie apart, and where a difference in following comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modalconflict import _core
from modalconflict.core._arrays import html_table, json_number, number, seed_of, thread_count, vector, whole
from modalconflict.core.balance import BalancePoint, balance_options, from_core
from modalconflict.errors import InvalidArgument

__all__ = ["BalanceDifference", "Decomposition", "Part", "balance_point_difference", "decompose_following"]

Codes = npt.NDArray[np.uint64]


def _shared_codes(first: Any, second: Any, n_first: int, n_second: int) -> tuple[Codes, Codes]:
    """Codes of two label arrays in which equal labels get equal codes."""
    parts = []
    for name, labels, n in (("groups_first", first, n_first), ("groups_second", second, n_second)):
        array = np.asarray(labels)
        if array.shape != (n,):
            raise InvalidArgument(f"{name} has shape {array.shape} for {n} cases: give one label a case")
        missing = [i for i, label in enumerate(array.tolist()) if label is None or label != label]
        if missing:
            raise InvalidArgument(f"{name}[{missing[0]}] is missing: every case needs its group")
        parts.append(array)
    if (parts[0].dtype.kind in "iufb") != (parts[1].dtype.kind in "iufb"):
        raise InvalidArgument("groups_first and groups_second differ in type: label the same groups alike in both")
    if object in (parts[0].dtype, parts[1].dtype):
        parts = [np.array([str(label) for label in part]) for part in parts]
    codes = np.unique(np.concatenate(parts), return_inverse=True)[1].astype(np.uint64)
    return codes[:n_first], codes[n_first:]


@dataclass(frozen=True)
class BalanceDifference:
    """Difference of two models' balance points on the same cases.

    Attributes
    ----------
    estimate, low, high : float
        First minus second, with the percentile interval of the group bootstrap; NaN unless both have a crossing.
    p_value : float
        Two-sided, of no difference.
    level : float
    groups, replicates, replicates_undefined : int
        replicates_undefined had no crossing on the same side in both models and are left out.
    first, second : BalancePoint
        Each on its own.
    """

    estimate: float
    low: float
    high: float
    p_value: float
    level: float
    groups: int
    replicates: int
    replicates_undefined: int
    first: BalancePoint
    second: BalancePoint

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON; NaN and infinity become None."""
        numbers = {name: json_number(getattr(self, name)) for name in ("estimate", "low", "high", "p_value", "level")}
        counts = {name: getattr(self, name) for name in ("groups", "replicates", "replicates_undefined")}
        return numbers | counts | {"first": self.first.to_dict(), "second": self.second.to_dict()}

    def _repr_html_(self) -> str:
        rows = [
            ("difference", f"{self.estimate:.3f}"),
            (f"{self.level:.0%} interval", f"{self.low:.3f} to {self.high:.3f}"),
        ]
        rows += [("p", f"{self.p_value:.3g}"), ("first", str(self.first)), ("second", str(self.second))]
        return html_table("Difference of balance points", rows)


def balance_point_difference(
    x_first: npt.ArrayLike,
    follow_first: npt.ArrayLike,
    groups_first: Any,
    x_second: npt.ArrayLike,
    follow_second: npt.ArrayLike,
    groups_second: Any,
    *,
    level: float = 0.95,
    replicates: int = 2000,
    random_state: int | None = 0,
    threads: int | None = None,
    **lapses: Any,
) -> BalanceDifference:
    """How far the balance points of two models lie apart, on the same cases.

    Parameters
    ----------
    x_first, follow_first, groups_first : array_like, shape (n,)
        ΔU_rel, outcome and group label a case of the first model. The label of a case itself pairs by case.
    x_second, follow_second, groups_second : array_like, shape (m,)
        The same of the second; equal labels mean the same group. Groups are resampled in both models together.
    level, replicates, random_state, threads
        As for `balance_point`.
    **lapses
        lower_lapse, upper_lapse, max_lapse, see `logistic_fit`.

    Returns
    -------
    BalanceDifference

    Raises
    ------
    InvalidArgument
        As `balance_point` does, or if the two have no group in common.

    References
    ----------
    Davison & Hinkley (1997), Bootstrap Methods and their Application, section 3.8.
    """
    x, y = vector("x_first", x_first), vector("follow_first", follow_first)
    u, v = vector("x_second", x_second), vector("follow_second", follow_second)
    codes = _shared_codes(groups_first, groups_second, len(x), len(u))
    options = balance_options("logistic", level, random_state, "percentile", replicates, True, threads, **lapses)
    found = _core.balance_point_difference(x, y, codes[0], u, v, codes[1], options)
    estimate, low, high, p_value, groups, drawn, undefined, first, second = found
    return BalanceDifference(
        estimate, low, high, p_value, float(level), groups, drawn, undefined, from_core(first), from_core(second)
    )


@dataclass(frozen=True)
class Part:
    """A part of a difference with its interval."""

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.estimate:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


@dataclass(frozen=True)
class Decomposition:
    """Where a difference in text-following comes from.

    Attributes
    ----------
    total : Part
        TFR of the first model minus TFR of the second.
    distribution : Part
        What comes from where the models' cases lie on ΔU_rel.
    curve : Part
        What comes from what the models do at equal ΔU_rel. The two parts add up to the total exactly.
    first_outside, second_outside : float
        Share of a model's cases beyond the other's range of ΔU_rel, where the other's curve is carried on flat.
    level : float
    """

    total: Part
    distribution: Part
    curve: Part
    first_outside: float
    second_outside: float
    level: float

    def to_dict(self) -> dict[str, Any]:
        """The parts by name, ready for JSON."""
        parts = {name: vars(getattr(self, name)) for name in ("total", "distribution", "curve")}
        return parts | {n: getattr(self, n) for n in ("first_outside", "second_outside", "level")}

    def _repr_html_(self) -> str:
        rows = [(name, str(getattr(self, name))) for name in ("total", "distribution", "curve")]
        return html_table("Difference in text-following", rows)


def decompose_following(
    x_first: npt.ArrayLike,
    follow_first: npt.ArrayLike,
    x_second: npt.ArrayLike,
    follow_second: npt.ArrayLike,
    *,
    groups_first: Any = None,
    groups_second: Any = None,
    level: float = 0.95,
    replicates: int = 1000,
    random_state: int | None = 0,
    threads: int | None = None,
) -> Decomposition:
    """How much of a TFR difference comes from the models' ΔU_rel distributions, and how much from their curves.

    Each model's curve is its isotonic fit, which keeps the mean, so that nothing is left over.

    Parameters
    ----------
    x_first, follow_first, x_second, follow_second : array_like
        ΔU_rel and outcome of each model's cases.
    groups_first, groups_second : array_like, optional
        Labels, for both models or for neither; equal labels are resampled together.
    level, replicates, random_state, threads
        As for `balance_point`.

    Returns
    -------
    Decomposition

    Raises
    ------
    InvalidArgument
        Naming the argument and the index.

    References
    ----------
    Kitagawa (1955), Components of a Difference Between Two Rates.

    Examples
    --------
    >>> import numpy as np
    >>> import modalconflict as mc
    >>> x = np.linspace(-2, 2, 500)
    >>> y = (x < 0).astype(float)
    >>> found = mc.decompose_following(x, y, x, y, replicates=100)
    >>> found.total.estimate, found.curve.estimate
    (0.0, 0.0)
    """
    x, y = vector("x_first", x_first), vector("follow_first", follow_first)
    u, v = vector("x_second", x_second), vector("follow_second", follow_second)
    codes: tuple[Codes | None, Codes | None] = (None, None)
    if (groups_first is None) != (groups_second is None):
        raise InvalidArgument("groups are given for one model only: give them for both, or for neither")
    if groups_first is not None:
        codes = _shared_codes(groups_first, groups_second, len(x), len(u))
    confidence, drawn = number("level", level), whole("replicates", replicates)
    total, distribution, curve, outside_first, outside_second = _core.decompose_following(
        x, y, codes[0], u, v, codes[1], confidence, drawn, seed_of(random_state), thread_count(threads)
    )
    return Decomposition(Part(*total), Part(*distribution), Part(*curve), outside_first, outside_second, confidence)
