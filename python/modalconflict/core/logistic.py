"""The logistic curve with lapses, through single answers and through overdispersed blocks of trials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modalconflict import _core
from modalconflict.core._arrays import (
    Floats,
    evaluate,
    flag,
    group_codes,
    html_table,
    json_number,
    number,
    optional_vector,
    vector,
)
from modalconflict.errors import InvalidArgument

__all__ = ["BetaBinomialFit", "LogisticFit", "beta_binomial_fit", "logistic_fit"]


class LogisticFit:
    """A curve P(x) = γ + (1 - γ - λ) / (1 + exp(±(x - m) / w)), fitted by maximum likelihood.

    Attributes
    ----------
    location : float
        m, half way between floor and ceiling; NaN where the curve is flat. With lapses it is not where P is one half:
        that is ``threshold(0.5)``.
    width : float
        w > 0 in units of x; inf where the curve is flat.
    lower_lapse, upper_lapse : float
        γ, the floor, and λ, the ceiling's distance from one.
    intercept, slope : float
        What the logistic function sees: intercept + slope · x.
    increasing, converged, separated, lapse_at_bound : bool
        Direction asked for; whether the optimum was reached; whether the two answers do not overlap, so that the width
        has no finite estimate; whether a free lapse stopped at its bound.
    log_likelihood : float
    n : int
        Observations.
    covariance : numpy.ndarray, shape (4, 4)
        Of (intercept, slope, γ, λ); zero for parameters that are held or sit on a bound. Cluster-robust with groups.
    """

    def __init__(self, fit: _core.LogisticFit) -> None:
        self._fit = fit
        self.location: float = fit.location
        self.width: float = fit.width
        self.lower_lapse: float = fit.lower_lapse
        self.upper_lapse: float = fit.upper_lapse
        self.intercept: float = fit.intercept
        self.slope: float = fit.slope
        self.increasing: bool = fit.increasing
        self.converged: bool = fit.converged
        self.separated: bool = fit.separated
        self.lapse_at_bound: bool = fit.lapse_at_bound
        self.log_likelihood: float = fit.log_likelihood
        self.n: int = fit.observations
        self.covariance: Floats = fit.covariance

    def predict(self, x: npt.ArrayLike) -> Any:
        """Probabilities at x, of x's shape. A NaN raises InvalidArgument."""
        return evaluate(self._fit.predict, x)

    def threshold(self, level: float = 0.5) -> float | None:
        """Where P = level; None where level is not strictly between floor and ceiling, or the curve is flat."""
        crossing: float | None = self._fit.threshold(number("level", level))
        return crossing

    def to_dict(self) -> dict[str, Any]:
        """Parameters and diagnostics, ready for JSON."""
        numbers = ("location", "width", "lower_lapse", "upper_lapse", "intercept", "slope", "log_likelihood")
        flags = ("increasing", "converged", "separated", "lapse_at_bound")
        out: dict[str, Any] = {name: json_number(getattr(self, name)) for name in numbers}
        return out | {name: getattr(self, name) for name in flags} | {"n": self.n}

    def _rows(self) -> list[tuple[str, str]]:
        rows = [
            ("location", f"{self.location:.4g}"),
            ("width", f"{self.width:.4g}"),
            ("lower lapse", f"{self.lower_lapse:.3g}"),
            ("upper lapse", f"{self.upper_lapse:.3g}"),
            ("log likelihood", f"{self.log_likelihood:.6g}"),
            ("n", str(self.n)),
        ]
        notes = [name for name in ("separated", "lapse_at_bound") if getattr(self, name)]
        notes += [] if self.converged else ["not converged"]
        return rows + ([("notes", ", ".join(notes))] if notes else [])

    def __repr__(self) -> str:
        return f"LogisticFit({', '.join(f'{k}: {v}' for k, v in self._rows())})"

    def _repr_html_(self) -> str:
        return html_table("Logistic fit with lapses", self._rows())


def logistic_options(
    lower_lapse: float | None, upper_lapse: float | None, max_lapse: float, increasing: bool
) -> _core.LogisticOptions:
    """Options of the compiled core from Python's arguments."""
    options = _core.LogisticOptions()
    options.increasing = flag("increasing", increasing)
    options.lower_lapse = None if lower_lapse is None else number("lower_lapse", lower_lapse)
    options.upper_lapse = None if upper_lapse is None else number("upper_lapse", upper_lapse)
    options.max_lapse = number("max_lapse", max_lapse)
    return options


def logistic_fit(
    x: npt.ArrayLike,
    k_or_y: npt.ArrayLike,
    n: npt.ArrayLike | None = None,
    *,
    weights: npt.ArrayLike | None = None,
    groups: Any = None,
    increasing: bool = False,
    lower_lapse: float | None = None,
    upper_lapse: float | None = None,
    max_lapse: float = 0.25,
) -> LogisticFit:
    """Logistic curve with lapses, by maximum likelihood.

    Parameters
    ----------
    x : array_like, shape (m,)
        At least two distinct values.
    k_or_y : array_like, shape (m,)
        Without n, outcomes within [0, 1]: 0 or 1, or probabilities (a quasi-likelihood). With n, successes.
    n : array_like, shape (m,), optional
        Trials behind each entry of k_or_y.
    weights : array_like, shape (m,), optional
        Non-negative weights; multiplied with n.
    groups : array_like, shape (m,), optional
        Labels; the covariance is then the cluster-robust sandwich.
    increasing : bool
        Direction; the other sign of the slope is never returned, the curve is flat instead.
    lower_lapse, upper_lapse : float, optional
        γ and λ held at a value within [0, 0.5); free within [0, max_lapse] when left out.
    max_lapse : float
        Bound of free lapses, within [0, 0.5).

    Returns
    -------
    LogisticFit

    Raises
    ------
    InvalidArgument
        Naming the argument and the index.

    References
    ----------
    Wichmann & Hill (2001), The psychometric function: I. Fitting, sampling, and goodness of fit.

    Examples
    --------
    >>> import modalconflict as mc
    >>> fit = mc.logistic_fit([-1, 0, 1], [9, 5, 1], n=[10, 10, 10], lower_lapse=0.0, upper_lapse=0.0)
    >>> round(fit.predict(-1.0), 3), abs(round(fit.threshold(0.5), 3))
    (0.9, 0.0)
    """
    at, y, trials = vector("x", x), vector("k_or_y", k_or_y), optional_vector("weights", weights)
    if n is not None:
        count = vector("n", n)
        if len(count) != len(y):
            raise InvalidArgument(f"n has {len(count)} entries but k_or_y has {len(y)}: give one entry for each")
        for i in range(len(count)):
            if not (np.isfinite(count[i]) and count[i] > 0):
                raise InvalidArgument(f"n[{i}] is {count[i]}: the number of trials is positive")
            if not 0 <= y[i] <= count[i]:
                raise InvalidArgument(f"k_or_y[{i}] is {y[i]} of {count[i]} trials: give successes within 0 and n")
        if trials is not None and len(trials) != len(count):
            raise InvalidArgument(f"weights has {len(trials)} entries but n has {len(count)}: give one entry for each")
        y, trials = y / count, count if trials is None else trials * count
    options = logistic_options(lower_lapse, upper_lapse, max_lapse, increasing)
    return LogisticFit(_core.logistic_fit(at, y, trials, options, group_codes(groups, len(at))))


@dataclass(frozen=True)
class BetaBinomialFit:
    """A logistic curve through blocks of trials that scatter more than independent trials would.

    Attributes
    ----------
    curve : LogisticFit
        Its covariance takes the overdispersion as known.
    overdispersion : float
        ρ, the correlation of two trials of a block; 0 is the binomial.
    likelihood_ratio, p_value : float
        Twice the gain over the binomial fit, and its p-value under ρ = 0 (a half chi-square).
    """

    curve: LogisticFit
    overdispersion: float
    likelihood_ratio: float
    p_value: float

    def predict(self, x: npt.ArrayLike) -> Any:
        """Probabilities at x, of x's shape."""
        return self.curve.predict(x)

    def threshold(self, level: float = 0.5) -> float | None:
        """Where P = level, see `LogisticFit.threshold`."""
        return self.curve.threshold(level)

    def to_dict(self) -> dict[str, Any]:
        """Curve and overdispersion, ready for JSON."""
        names = ("overdispersion", "likelihood_ratio", "p_value")
        return {"curve": self.curve.to_dict()} | {name: getattr(self, name) for name in names}


def beta_binomial_fit(
    x: npt.ArrayLike,
    successes: npt.ArrayLike,
    trials: npt.ArrayLike,
    *,
    increasing: bool = False,
    lower_lapse: float | None = None,
    upper_lapse: float | None = None,
    max_lapse: float = 0.25,
) -> BetaBinomialFit:
    """Logistic curve with lapses through overdispersed blocks, by maximum likelihood of a beta-binomial distribution.

    Parameters
    ----------
    x, successes, trials : array_like, shape (blocks,)
        Counts are whole numbers; single trials throughout are refused, since they cannot show overdispersion.
    increasing, lower_lapse, upper_lapse, max_lapse
        As for `logistic_fit`.

    Returns
    -------
    BetaBinomialFit

    Raises
    ------
    InvalidArgument
        Naming the argument and the index.

    References
    ----------
    Schütt, Harmeling, Macke & Wichmann (2016), Painfree and accurate Bayesian estimation of psychometric functions for
    (potentially) overdispersed data.

    Examples
    --------
    >>> import modalconflict as mc
    >>> fit = mc.beta_binomial_fit([-2, -1, 0, 1, 2], [20, 19, 6, 7, 0], [20] * 5, lower_lapse=0.0, upper_lapse=0.0)
    >>> fit.overdispersion > 0
    True
    """
    options = logistic_options(lower_lapse, upper_lapse, max_lapse, increasing)
    found = _core.beta_binomial_fit(vector("x", x), vector("successes", successes), vector("trials", trials), options)
    return BetaBinomialFit(LogisticFit(found[0]), *found[1:])
