"""The curves as scikit-learn estimators: fit, predict, get_params, pipelines and cross-validation. Needs scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

try:
    from sklearn.base import BaseEstimator, RegressorMixin  # type: ignore[import-untyped]
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data  # type: ignore[import-untyped]
except ImportError as error:  # pragma: no cover - depends on the environment
    raise ImportError("modalconflict.core.estimators needs scikit-learn: pip install 'scikit-learn>=1.6'") from error

from modalconflict.core.isotonic import centered_isotonic_fit, isotonic_fit
from modalconflict.core.logistic import logistic_fit
from modalconflict.errors import InvalidArgument

__all__ = ["CenteredIsotonicRegressor", "IsotonicRegressor", "LapseLogisticRegressor"]


class _CurveRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """One feature in, one curve out; subclasses say which."""

    def _curve(self, x: Any, y: Any, weights: Any) -> Any:
        raise NotImplementedError

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> Any:
        """Fit the curve to one feature X of shape (n, 1) and answers y."""
        matrix, answers = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, matrix, dtype=np.float64)
        self.curve_ = self._curve(self._feature(matrix), answers.astype(np.float64), weights)
        return self

    def _feature(self, matrix: Any) -> Any:
        if matrix.shape[1] != 1:
            raise InvalidArgument(f"X has {matrix.shape[1]} features: a curve has exactly one")
        return matrix[:, 0]

    def predict(self, X: npt.ArrayLike) -> Any:
        """Values of the curve at X of shape (n, 1)."""
        check_is_fitted(self)
        return self.curve_.predict(self._feature(validate_data(self, X, dtype=np.float64, reset=False)))

    def threshold(self, level: float = 0.5) -> float | None:
        """Where the curve crosses a level, or None."""
        check_is_fitted(self)
        crossing: float | None = self.curve_.threshold(level)
        return crossing


class IsotonicRegressor(_CurveRegressor):
    """`isotonic_fit` as an estimator.

    Parameters
    ----------
    increasing : bool
        Direction.
    """

    def __init__(self, increasing: bool = False) -> None:
        self.increasing = increasing

    def _curve(self, x: Any, y: Any, weights: Any) -> Any:
        return isotonic_fit(x, y, weights, increasing=self.increasing)


class CenteredIsotonicRegressor(_CurveRegressor):
    """`centered_isotonic_fit` as an estimator.

    Parameters
    ----------
    increasing : bool
        Direction.
    """

    def __init__(self, increasing: bool = False) -> None:
        self.increasing = increasing

    def _curve(self, x: Any, y: Any, weights: Any) -> Any:
        return centered_isotonic_fit(x, y, weights, increasing=self.increasing)


class LapseLogisticRegressor(_CurveRegressor):
    """`logistic_fit` as an estimator of probabilities; answers within [0, 1].

    Parameters
    ----------
    increasing, lower_lapse, upper_lapse, max_lapse
        As for `logistic_fit`.
    """

    def __init__(
        self,
        increasing: bool = False,
        lower_lapse: float | None = None,
        upper_lapse: float | None = None,
        max_lapse: float = 0.25,
    ) -> None:
        self.increasing = increasing
        self.lower_lapse = lower_lapse
        self.upper_lapse = upper_lapse
        self.max_lapse = max_lapse

    def _curve(self, x: Any, y: Any, weights: Any) -> Any:
        if len(x) < 2:
            raise InvalidArgument(f"X has {len(x)} sample: a curve needs at least two")
        return logistic_fit(
            x,
            y,
            weights=weights,
            increasing=self.increasing,
            lower_lapse=self.lower_lapse,
            upper_lapse=self.upper_lapse,
            max_lapse=self.max_lapse,
        )
