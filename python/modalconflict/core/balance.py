"""The balance point: the relative uncertainty at which a model follows text and image equally often."""

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
    number,
    seed_of,
    thread_count,
    vector,
    whole,
)
from modalconflict.core.logistic import logistic_options
from modalconflict.errors import InvalidArgument

__all__ = ["BalancePoint", "balance_point"]

_INTERVALS = {
    "percentile": _core.IntervalKind.percentile,
    "bca": _core.IntervalKind.bca,
    "fieller": _core.IntervalKind.fieller,
}


@dataclass(frozen=True)
class BalancePoint:
    """A balance point, its interval, and what a reader must know about them.

    Attributes
    ----------
    status : str
        "crossing": both ends of the interval are finite. "one_sided": one end is unbounded. "unbounded": both are, or
        the curve is flat at one half. "always_text", "always_vision": the curve stays on one side of one half over the
        observed range, and there is no number.
    estimate, low, high : float
        NaN without a crossing; low may be -inf and high inf.
    method, level
        As asked for.
    n, groups : int
        Cases, and groups among them (0 where none were given).
    flags : tuple of str
        assumes_independence, cluster_corrected, flat_fit, separated, lapse_at_bound, not_converged, few_groups,
        soft_outcomes, one_answer, extrapolated, estimate_outside_interval, no_crossing_in_replicates,
        misspecified.
    dispersion : float
        φ̂ by which the likelihood-ratio statistic was divided (method "cir").
    replicates, replicates_without_crossing : int
        Of the bootstrap (method "logistic").
    replicate_estimates : numpy.ndarray
        The bootstrap's estimates, ±inf where a replicate has no crossing.
    """

    status: str
    estimate: float
    low: float
    high: float
    method: str
    level: float
    n: int
    groups: int
    flags: tuple[str, ...]
    dispersion: float
    replicates: int
    replicates_without_crossing: int
    replicate_estimates: Floats = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the replicates, ready for JSON; a number that is NaN or infinite becomes None."""
        return {
            "status": self.status,
            "estimate": json_number(self.estimate),
            "low": json_number(self.low),
            "high": json_number(self.high),
            "method": self.method,
            "level": self.level,
            "n": self.n,
            "groups": self.groups,
            "flags": list(self.flags),
            "dispersion": self.dispersion,
            "replicates": self.replicates,
            "replicates_without_crossing": self.replicates_without_crossing,
        }

    def to_xarray(self) -> Any:
        """The bootstrap's estimates as an ``xarray.Dataset`` in ArviZ's layout; see `modalconflict.core.draws`.

        Returns
        -------
        xarray.Dataset
            ``balance_point`` over (chain, draw); the estimate, its interval and how they were made are its attributes.

        Raises
        ------
        InvalidArgument
            If there are no replicates: method "cir", interval "fieller", or an analysis that was read back.
        ModuleNotFoundError
            If xarray is not installed.
        """
        from modalconflict.core.draws import balance_draws

        return balance_draws(self)

    def __str__(self) -> str:
        if np.isnan(self.estimate):
            return f"balance point: none ({self.status})"
        return f"balance point {self.estimate:.3f} [{self.low:.3f}, {self.high:.3f}] ({self.status})"

    def _repr_html_(self) -> str:
        number = "none" if np.isnan(self.estimate) else f"{self.estimate:.3f}"
        between = "" if np.isnan(self.estimate) else f"{self.low:.3f} to {self.high:.3f}"
        rows = [("status", self.status), ("estimate", number), (f"{self.level:.0%} interval", between)]
        rows += [
            ("method", self.method),
            ("cases", str(self.n)),
            ("groups", str(self.groups) if self.groups else "none"),
        ]
        return html_table("Balance point", [*rows, ("flags", ", ".join(self.flags) or "none")])


def balance_point(
    delta_u_rel: npt.ArrayLike,
    follow_text: npt.ArrayLike,
    groups: Any = None,
    method: str = "cir",
    level: float = 0.95,
    random_state: int | None = 0,
    *,
    interval: str = "percentile",
    replicates: int = 2000,
    cluster_correction: bool = True,
    cross_check: bool = False,
    lower_lapse: float | None = None,
    upper_lapse: float | None = None,
    max_lapse: float = 0.25,
    threads: int | None = None,
) -> BalancePoint:
    """Where a decreasing P(follow text) crosses one half.

    Parameters
    ----------
    delta_u_rel : array_like, shape (n,)
        Relative uncertainty a case, see `relative_uncertainty`; finite.
    follow_text : array_like, shape (n,)
        1 where the model followed the text, 0 where it followed the image; probabilities are allowed.
    groups : array_like, shape (n,), optional
        Labels of any kind: cases of one group share images or texts and are not independent.
    method : {"cir", "logistic"}
        "cir": centred isotonic regression; interval by inverting the likelihood-ratio test, which assumes independent
        cases (flagged when groups are given; its statistic is then divided by the groups' variance ratio near the
        crossing). "logistic": a logistic curve with lapses; interval by resampling whole groups.
    level : float
        Coverage aimed at, within (0, 1).
    random_state : int, optional
        Seed of the bootstrap; None draws one. The result is the same for any number of threads.
    interval : {"percentile", "bca", "fieller"}
        For the logistic method; "fieller" uses the cluster-robust covariance instead of replicates.
    replicates : int
        Bootstrap replicates, at least 100.
    cluster_correction : bool
        For "cir" with groups: divide by the groups' variance ratio.
    cross_check : bool
        Run the other method too and flag the result as "misspecified" where each estimate lies outside the other's
        interval, or only one has a crossing: then the logistic curve does not fit.
    lower_lapse, upper_lapse, max_lapse
        For the logistic method, see `logistic_fit`.
    threads : int, optional
        Every core when left out.

    Returns
    -------
    BalancePoint

    Raises
    ------
    InvalidArgument
        Naming the argument and the index: empty input, one case, lengths that differ, NaN, outcomes outside [0, 1],
        one group only, a level outside (0, 1).

    References
    ----------
    Banerjee & Wellner (2001), Likelihood ratio tests for monotone functions. Oron & Flournoy (2017), Centered Isotonic
    Regression. Davison & Hinkley (1997), Bootstrap Methods and their Application, section 3.8.

    Examples
    --------
    >>> import numpy as np
    >>> import modalconflict as mc
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-2, 2, 2000)
    >>> y = rng.random(2000) < 1 / (1 + np.exp((x + 0.3) / 0.4))
    >>> point = mc.balance_point(x, y, method="logistic", replicates=200)
    >>> point.status, point.low < -0.3 < point.high
    ('crossing', True)
    """
    x, y = vector("delta_u_rel", delta_u_rel), vector("follow_text", follow_text)
    options = balance_options(
        method,
        level,
        random_state,
        interval,
        replicates,
        cluster_correction,
        threads,
        lower_lapse,
        upper_lapse,
        max_lapse,
    )
    codes = group_codes(groups, len(x))
    found = _core.balance_point(x, y, codes, options)
    if not cross_check:
        return from_core(found)
    options.method = "logistic" if method == "cir" else "cir"
    other = _core.balance_point(x, y, codes, options)
    return from_core(found, ("misspecified",) if _core.balance_points_disagree(found, other) else ())


def balance_options(
    method: str,
    level: float,
    random_state: int | None,
    interval: str,
    replicates: int,
    cluster_correction: bool,
    threads: int | None,
    lower_lapse: float | None = None,
    upper_lapse: float | None = None,
    max_lapse: float = 0.25,
) -> _core.BalanceOptions:
    """Options of the compiled core from Python's arguments."""
    if not isinstance(method, str):
        raise InvalidArgument(f"method is {method!r}: use cir or logistic")
    if not isinstance(interval, str) or interval not in _INTERVALS:
        raise InvalidArgument(f"interval {interval!r} is unknown: use percentile, bca or fieller")
    options = _core.BalanceOptions()
    options.method = method
    options.level = number("level", level)
    options.interval = _INTERVALS[interval]
    options.replicates = whole("replicates", replicates)
    options.seed = seed_of(random_state)
    options.cluster_correction = flag("cluster_correction", cluster_correction)
    options.threads = thread_count(threads)
    options.logistic = logistic_options(lower_lapse, upper_lapse, max_lapse, False)
    return options


def from_core(found: _core.BalancePoint, flags: tuple[str, ...] = ()) -> BalancePoint:
    """The compiled core's result as Python's, with further flags."""
    return BalancePoint(
        status=found.status,
        estimate=found.estimate,
        low=found.low,
        high=found.high,
        method=found.method,
        level=found.level,
        n=found.observations,
        groups=found.groups,
        flags=(*found.flags, *flags),
        dispersion=found.dispersion,
        replicates=found.replicates,
        replicates_without_crossing=found.replicates_without_crossing,
        replicate_estimates=found.replicate_estimates,
    )
