"""How the uncertainties of the two modalities compare: relative difference, log-ratio and their error."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from modalconflict import _core
from modalconflict.core._arrays import Floats, numbers
from modalconflict.core.indices import _index, _shaped
from modalconflict.errors import InvalidArgument

__all__ = ["log_uncertainty_ratio", "relative_uncertainty", "relative_uncertainty_error"]


def _pair(
    u_text: npt.ArrayLike, u_vision: npt.ArrayLike, index: str | None, zero_policy: str = "nan"
) -> tuple[Floats, Floats, tuple[int, ...]]:
    if not isinstance(zero_policy, str):
        raise InvalidArgument(f"zero_policy is {zero_policy!r}: use nan, zero or raise")
    if index is not None and not _index(index).relative_applies:
        raise InvalidArgument(
            f"index {index!r} has no relative difference: it is not non-negative; compare plain differences instead"
        )
    text, vision = numbers("u_text", u_text), numbers("u_vision", u_vision)
    if text.shape != vision.shape:
        raise InvalidArgument(f"u_text has shape {text.shape} and u_vision {vision.shape}: give one of each a case")
    return text.reshape(-1), vision.reshape(-1), text.shape


def relative_uncertainty(
    u_text: npt.ArrayLike, u_vision: npt.ArrayLike, *, zero_policy: str = "nan", index: str | None = None
) -> Any:
    """Relative uncertainty ΔU_rel = 2 (U_t - U_v) / (U_t + U_v); negative where the text is the easier one.

    Parameters
    ----------
    u_text, u_vision : array_like, same shape
        Uncertainty of the text-only and of the vision-only run: finite, non-negative.
    zero_policy : {"nan", "zero", "raise"}
        What 0/0 means: no value, equally easy, or an error.
    index : str, optional
        Name of the index that was measured; one without a meaningful zero (energy) is refused.

    Returns
    -------
    float or numpy.ndarray
        Within [-2, 2].

    Raises
    ------
    InvalidArgument
        Naming the argument and the index of a negative, NaN or infinite value.

    References
    ----------
    arXiv 2511.02243, "When Modalities Conflict".

    Examples
    --------
    >>> import modalconflict as mc
    >>> mc.relative_uncertainty([0.5, 1.0], [1.5, 1.0])
    array([-1.,  0.])
    """
    text, vision, shape = _pair(u_text, u_vision, index, zero_policy)
    return _shaped(_core.relative_uncertainty(text, vision, zero_policy), shape)


def log_uncertainty_ratio(
    u_text: npt.ArrayLike, u_vision: npt.ArrayLike, *, zero_policy: str = "nan", index: str | None = None
) -> Any:
    """log(U_t / U_v) = 2 atanh(ΔU_rel / 2): the order of `relative_uncertainty` without its saturation at ±2.

    Parameters and errors are those of `relative_uncertainty`; one zero gives ±inf.

    Examples
    --------
    >>> import modalconflict as mc
    >>> round(mc.log_uncertainty_ratio(0.5, 1.5), 4)
    -1.0986
    """
    text, vision, shape = _pair(u_text, u_vision, index, zero_policy)
    return _shaped(_core.log_uncertainty_ratio(text, vision, zero_policy), shape)


def relative_uncertainty_error(
    u_text: npt.ArrayLike, u_vision: npt.ArrayLike, error_text: npt.ArrayLike, error_vision: npt.ArrayLike
) -> Any:
    """Standard error of ΔU_rel by the delta method, from those of two independent uncertainties.

    Parameters
    ----------
    u_text, u_vision, error_text, error_vision : array_like, same shape
        Uncertainties and their standard errors, non-negative.

    Returns
    -------
    float or numpy.ndarray
        4 √(U_v² e_t² + U_t² e_v²) / (U_t + U_v)²; NaN where both uncertainties are zero.

    Examples
    --------
    >>> import modalconflict as mc
    >>> mc.relative_uncertainty_error(1.0, 1.0, 0.1, 0.0)
    0.1
    """
    text, vision, shape = _pair(u_text, u_vision, None)
    errors = [numbers("error_text", error_text), numbers("error_vision", error_vision)]
    for name, error in zip(("error_text", "error_vision"), errors, strict=True):
        if error.shape != shape:
            raise InvalidArgument(f"{name} has shape {error.shape} and u_text {shape}: give one error a value")
    values = _core.relative_uncertainty_error(text, vision, errors[0].reshape(-1), errors[1].reshape(-1))
    return _shaped(values, shape)
