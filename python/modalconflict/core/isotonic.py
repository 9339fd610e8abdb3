"""Monotone curves without a formula: isotonic, centred isotonic, and the band around them."""

from __future__ import annotations

from dataclasses import dataclass, field
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
    number,
    optional_vector,
    seed_of,
    thread_count,
    vector,
    whole,
)

__all__ = [
    "CenteredIsotonicFit",
    "IsotonicBand",
    "IsotonicFit",
    "centered_isotonic_fit",
    "isotonic_band",
    "isotonic_fit",
    "isotonic_regression",
]


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
        return evaluate(self._fit.predict, x)

    def predict_smooth(self, x: npt.ArrayLike) -> Any:
        """Values of a smooth monotone curve (PCHIP) through the same knots, for drawing.

        References
        ----------
        Fritsch & Carlson (1980), Monotone piecewise cubic interpolation.
        """
        return evaluate(self._fit.predict_smooth, x)

    def threshold(self, level: float = 0.5) -> float | None:
        """Where the curve crosses a level strictly between its ends; the middle of a flat stretch there; or None."""
        crossing: float | None = self._fit.threshold(number("level", level))
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
    fitted: Floats = _core.isotonic_regression(
        vector("y", y), optional_vector("weights", weights), flag("increasing", increasing)
    )
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
        _core.isotonic_fit(
            vector("x", x), vector("y", y), optional_vector("weights", weights), flag("increasing", increasing)
        )
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
    fit = _core.centered_isotonic_fit(
        vector("x", x), vector("y", y), optional_vector("weights", weights), flag("increasing", increasing)
    )
    return CenteredIsotonicFit(fit)


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
    usable = len(places) > 0 and np.isfinite(places).all()  # else the compiled core says what is wrong
    queries = (
        vector("at", at)
        if at is not None
        else 2 * np.linspace(places.min() / 2, places.max() / 2, 101)
        if usable
        else np.zeros(1)
    )
    drawn, direction = whole("replicates", replicates), flag("increasing", increasing)
    codes = group_codes(groups, len(places))
    workers, seed = thread_count(threads), seed_of(random_state)
    found = _core.isotonic_band(
        places, vector("y", y), codes, queries, direction, number("level", level), drawn, seed, workers
    )
    return IsotonicBand(*found)
