"""Monotone curves through answers: isotonic, centred isotonic, and logistic with lapses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from modalconflict import _core
from modalconflict.core._arrays import (
    Floats,
    group_codes,
    html_table,
    json_number,
    optional_vector,
    seed_of,
    thread_count,
    vector,
)
from modalconflict.errors import InvalidArgument

__all__ = [
    "BetaBinomialFit",
    "CenteredIsotonicFit",
    "IsotonicBand",
    "IsotonicFit",
    "LogisticFit",
    "beta_binomial_fit",
    "centered_isotonic_fit",
    "isotonic_band",
    "isotonic_fit",
    "isotonic_regression",
    "logistic_fit",
]


def _evaluate(function: Any, x: npt.ArrayLike) -> Any:
    queries = np.asarray(x, dtype=np.float64)
    values = function(np.ascontiguousarray(queries.reshape(-1))).reshape(queries.shape)
    return values if queries.ndim else float(values)


class IsotonicFit:
    """A monotone, piecewise linear curve through knots, constant beyond the first and the last.

    Attributes
    ----------
    x, y, weight : numpy.ndarray, shape (knots,)
        Knots in ascending order, the curve's values there, and the weight that stands behind each.
    increasing : bool
    """

    _title = "Isotonic fit"

    def __init__(self, fit: _core.MonotoneFit) -> None:
        self._fit = fit
        self.x: Floats = fit.x
        self.y: Floats = fit.y
        self.weight: Floats = fit.weight
        self.increasing: bool = fit.increasing

    def predict(self, x: npt.ArrayLike) -> Any:
        """Values of the curve at x, of x's shape. A NaN raises InvalidArgument."""
        return _evaluate(self._fit.predict, x)

    def predict_smooth(self, x: npt.ArrayLike) -> Any:
        """Values of a smooth monotone curve (PCHIP) through the same knots, for drawing.

        References
        ----------
        Fritsch & Carlson (1980), Monotone piecewise cubic interpolation.
        """
        return _evaluate(self._fit.predict_smooth, x)

    def threshold(self, level: float = 0.5) -> float | None:
        """Where the curve crosses a level strictly between its ends; the middle of a flat stretch there; or None."""
        crossing: float | None = self._fit.threshold(level)
        return crossing

    def to_dict(self) -> dict[str, Any]:
        """Knots and direction, ready for JSON."""
        return {
            "x": self.x.tolist(),
            "y": self.y.tolist(),
            "weight": self.weight.tolist(),
            "increasing": self.increasing,
        }

    def _rows(self) -> list[tuple[str, str]]:
        return [
            ("direction", "increasing" if self.increasing else "decreasing"),
            ("knots", str(len(self.x))),
            ("x", f"{self.x[0]:.4g} to {self.x[-1]:.4g}"),
            ("y", f"{self.y[0]:.4g} to {self.y[-1]:.4g}"),
        ]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}: {v}' for k, v in self._rows())})"

    def _repr_html_(self) -> str:
        return html_table(self._title, self._rows())


class CenteredIsotonicFit(IsotonicFit):
    """A centred isotonic curve: flat stretches collapsed to their weighted centres, strictly monotone between knots."""

    _title = "Centred isotonic fit"


def isotonic_regression(y: npt.ArrayLike, weights: npt.ArrayLike | None = None, *, increasing: bool = False) -> Floats:
    """Weighted least squares over monotone sequences, by pooling adjacent violators in linear time.

    Parameters
    ----------
    y : array_like, shape (n,)
        In order.
    weights : array_like, shape (n,), optional
        Positive; one each when left out.
    increasing : bool
        Direction.

    Returns
    -------
    numpy.ndarray, shape (n,)

    Raises
    ------
    InvalidArgument
        Naming the argument and the index.

    References
    ----------
    Busing (2022), Monotone Regression: A Simple and Fast O(n) PAVA Implementation.

    Examples
    --------
    >>> import modalconflict as mc
    >>> mc.isotonic_regression([3.0, 1.0, 2.0])
    array([3. , 1.5, 1.5])
    """
    fitted: Floats = _core.isotonic_regression(vector("y", y), optional_vector("weights", weights), increasing)
    return fitted


def isotonic_fit(
    x: npt.ArrayLike, y: npt.ArrayLike, weights: npt.ArrayLike | None = None, *, increasing: bool = False
) -> IsotonicFit:
    """Isotonic regression of y on x; observations with equal x are pooled first.

    Parameters
    ----------
    x, y : array_like, shape (n,)
        Finite, x in any order.
    weights : array_like, shape (n,), optional
        Non-negative, at least one positive; a weight of zero leaves its observation out.
    increasing : bool
        Direction; decreasing is how text-following depends on the text's relative uncertainty.

    Returns
    -------
    IsotonicFit

    Raises
    ------
    InvalidArgument
        Naming the argument and the index.

    References
    ----------
    Busing (2022), Monotone Regression: A Simple and Fast O(n) PAVA Implementation.

    Examples
    --------
    >>> import modalconflict as mc
    >>> fit = mc.isotonic_fit([0, 1, 2, 3], [1, 0, 1, 0])
    >>> fit.y
    array([1. , 0.5, 0.5, 0. ])
    >>> fit.threshold(0.5)
    1.5
    """
    return IsotonicFit(
        _core.isotonic_fit(vector("x", x), vector("y", y), optional_vector("weights", weights), increasing)
    )


def centered_isotonic_fit(
    x: npt.ArrayLike, y: npt.ArrayLike, weights: npt.ArrayLike | None = None, *, increasing: bool = False
) -> CenteredIsotonicFit:
    """Centred isotonic regression: every flat stretch collapses to its weighted centre, linear in between.

    Parameters and errors are those of `isotonic_fit`.

    Returns
    -------
    CenteredIsotonicFit

    References
    ----------
    Oron & Flournoy (2017), Centered Isotonic Regression: Point and Interval Estimation for Dose-Response Studies.

    Examples
    --------
    >>> import modalconflict as mc
    >>> mc.centered_isotonic_fit([0, 1, 2, 3], [1, 0, 1, 0]).x
    array([0. , 1.5, 3. ])
    """
    fit = _core.centered_isotonic_fit(vector("x", x), vector("y", y), optional_vector("weights", weights), increasing)
    return CenteredIsotonicFit(fit)


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
        return _evaluate(self._fit.predict, x)

    def threshold(self, level: float = 0.5) -> float | None:
        """Where P = level; None where level is not strictly between floor and ceiling, or the curve is flat."""
        crossing: float | None = self._fit.threshold(level)
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
    options.increasing = bool(increasing)
    options.lower_lapse = None if lower_lapse is None else float(lower_lapse)
    options.upper_lapse = None if upper_lapse is None else float(upper_lapse)
    options.max_lapse = float(max_lapse)
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


@dataclass(frozen=True)
class IsotonicBand:
    """A pointwise band around an isotonic curve, for drawing; no interval of a crossing may be read off it.

    Attributes
    ----------
    x, fit, low, high : numpy.ndarray, shape (k,)
    """

    x: Floats = field(repr=False)
    fit: Floats = field(repr=False)
    low: Floats = field(repr=False)
    high: Floats = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The four curves as lists."""
        return {name: getattr(self, name).tolist() for name in ("x", "fit", "low", "high")}


def isotonic_band(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    groups: Any = None,
    *,
    at: npt.ArrayLike | None = None,
    increasing: bool = False,
    level: float = 0.95,
    replicates: int = 2000,
    random_state: int | None = 0,
    threads: int | None = None,
) -> IsotonicBand:
    """Percentiles of isotonic curves refitted to resampled groups.

    Parameters
    ----------
    x, y : array_like, shape (n,)
    groups : array_like, shape (n,), optional
        Labels; every case is resampled by itself when left out.
    at : array_like, shape (k,), optional
        Ascending places; 101 between the ends of x when left out.
    increasing, level, replicates, random_state, threads
        As for `isotonic_fit` and `balance_point`.

    Returns
    -------
    IsotonicBand

    Raises
    ------
    InvalidArgument
        Naming the argument and the index.

    References
    ----------
    Sen, Banerjee & Woodroofe (2010), Inconsistency of bootstrap: the Grenander estimator, on why the interval of a
    crossing must not be read off the band.

    Examples
    --------
    >>> import modalconflict as mc
    >>> band = mc.isotonic_band([0, 1, 2, 3], [1, 1, 0, 0], at=[0.0, 3.0], replicates=200)
    >>> band.fit
    array([1., 0.])
    """
    places = vector("x", x)
    if at is None and len(places) == 0:
        raise InvalidArgument("x is empty: give at least one value")
    queries = np.linspace(places.min(), places.max(), 101) if at is None else vector("at", at)
    if not isinstance(replicates, (int, np.integer)) or replicates < 0:
        raise InvalidArgument(f"replicates is {replicates!r}: give a whole number")
    codes = group_codes(groups, len(places))
    workers, seed = thread_count(threads), seed_of(random_state)
    found = _core.isotonic_band(
        places, vector("y", y), codes, queries, increasing, level, int(replicates), seed, workers
    )
    return IsotonicBand(*found)
