"""How unsure one answer distribution is, by many indices under one call, and how two modalities compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modalconflict import _core
from modalconflict.core._arrays import Floats, thread_count
from modalconflict.errors import InvalidArgument

__all__ = [
    "UncertaintyIndex",
    "entropy",
    "entropy_from_logits",
    "log_uncertainty_ratio",
    "register_uncertainty_index",
    "relative_uncertainty",
    "relative_uncertainty_error",
    "uncertainty",
    "uncertainty_indices",
]

IndexFunction = Callable[..., npt.ArrayLike]


@dataclass(frozen=True)
class UncertaintyIndex:
    """What an uncertainty index promises.

    Attributes
    ----------
    name : str
        What `uncertainty` calls it.
    range : str
        Range in words; n is the vocabulary's size.
    lower_bound : float
        Smallest value, -inf where there is none.
    shift_invariant : bool
        Whether adding a constant to every logit leaves it as it is.
    relative_applies : bool
        Whether `relative_uncertainty` makes sense of it: it is non-negative and has a meaningful zero.
    parameters : tuple of str
        Keyword arguments that `uncertainty` passes on.
    function : callable, optional
        Of a registered index: ``(logits of shape (rows, n), **parameters) -> (rows,)``.
    """

    name: str
    range: str
    lower_bound: float
    shift_invariant: bool
    relative_applies: bool
    parameters: tuple[str, ...] = ()
    function: IndexFunction | None = None


_PARAMETERS: dict[str, tuple[str, ...]] = {
    "surprisal": ("target",),
    "top_k_entropy": ("k",),
    "renyi": ("alpha",),
    "tsallis": ("q",),
    "candidate_entropy": ("candidates",),
    "off_candidate_mass": ("candidates",),
    "calibrated_entropy": ("temperature",),
}
_REQUIRED = frozenset({"target", "candidates", "temperature"})
_BUILT_IN: dict[str, UncertaintyIndex] = {
    name: UncertaintyIndex(name, described, low, shift, relative, _PARAMETERS.get(name, ()))
    for name, described, low, shift, relative in _core.uncertainty_indices()
}
_registered: dict[str, UncertaintyIndex] = {}


def uncertainty_indices() -> dict[str, UncertaintyIndex]:
    """All indices that `uncertainty` knows, the registered ones last.

    Examples
    --------
    >>> import modalconflict as mc
    >>> mc.uncertainty_indices()["energy"].relative_applies
    False
    """
    return {**_BUILT_IN, **_registered}


def register_uncertainty_index(
    name: str,
    function: IndexFunction,
    *,
    range: str = "[0, inf)",
    lower_bound: float = 0.0,
    shift_invariant: bool = True,
    relative_applies: bool = True,
    parameters: Sequence[str] = (),
) -> UncertaintyIndex:
    """Add an index of one's own, usable by name wherever an index is named.

    Parameters
    ----------
    name : str
        A new name; a built-in index is never replaced, a registered one is.
    function : callable
        Takes logits of shape (rows, n), float64, and the named parameters as keywords; returns shape (rows,).
    range, lower_bound, shift_invariant, relative_applies
        What the index promises, see `UncertaintyIndex`. Values below lower_bound are refused.
    parameters : sequence of str
        Keyword arguments that the function takes.

    Raises
    ------
    InvalidArgument
        If the name is a built-in index or not an identifier.

    Examples
    --------
    >>> import numpy as np
    >>> import modalconflict as mc
    >>> _ = mc.register_uncertainty_index("spread", lambda logits: np.ptp(logits, axis=1), shift_invariant=True)
    >>> mc.uncertainty([1.0, 4.0], index="spread")
    3.0
    """
    if not name.isidentifier():
        raise InvalidArgument(f"index name {name!r} is not an identifier: use letters, digits and underscores")
    if name in _BUILT_IN:
        raise InvalidArgument(f"index {name!r} is built in: choose another name")
    if not callable(function):
        raise InvalidArgument(f"function of index {name!r} cannot be called: give a function of the logits")
    if relative_applies and lower_bound < 0:
        raise InvalidArgument(f"index {name!r} may be negative: relative_applies needs a lower_bound of 0 or more")
    index = UncertaintyIndex(
        name, range, float(lower_bound), shift_invariant, relative_applies, tuple(parameters), function
    )
    _registered[name] = index
    return index


def _index(name: str) -> UncertaintyIndex:
    known = uncertainty_indices()
    if name not in known:
        raise InvalidArgument(f"index {name!r} is unknown: use one of {', '.join(known)}, or register it")
    return known[name]


def _rows(name: str, values: Any, *, keep_float32: bool) -> tuple[npt.NDArray[Any], tuple[int, ...]]:
    """Values as a matrix of float32 or float64, and the shape of the result."""
    try:
        array = np.asarray(values)
        if array.dtype == np.float16:
            array = array.astype(np.float32)
        if not (keep_float32 and array.dtype == np.float32):
            array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"{name} cannot be read as numbers ({error})") from error
    if array.ndim == 0 or array.shape[-1] == 0:
        raise InvalidArgument(
            f"{name} has shape {array.shape}: its last axis is the vocabulary, with one entry or more"
        )
    return np.ascontiguousarray(array.reshape(-1, array.shape[-1])), array.shape[:-1]


def _shaped(values: Floats, shape: tuple[int, ...]) -> Any:
    return values.reshape(shape) if shape else float(values[0])


def _options(parameters: dict[str, Any], rows: int) -> _core.UncertaintyOptions:
    options = _core.UncertaintyOptions()
    for name, value in parameters.items():
        try:
            if name == "target":
                targets = np.asarray(value)
                if targets.dtype.kind not in "iu":
                    raise TypeError("token ids are whole numbers")
                if targets.ndim > 0 and targets.size != rows:
                    raise InvalidArgument(
                        f"target has {targets.size} entries for {rows} rows: one a row, or one for all"
                    )
                options.targets = targets.reshape(-1).tolist()
            elif name == "candidates":
                options.candidates = [[int(token) for token in answer] for answer in value]
            else:
                setattr(options, name, value)
        except TypeError as error:
            raise InvalidArgument(f"{name} is {value!r}, which cannot be used: {str(error).splitlines()[0]}") from error
    return options


def uncertainty(
    logits: npt.ArrayLike,
    index: str = "entropy",
    *,
    from_probs: bool = False,
    threads: int | None = None,
    **parameters: Any,
) -> Any:
    """One uncertainty index of every distribution.

    Parameters
    ----------
    logits : array_like, shape (..., n)
        Logits over the vocabulary, the last axis; -inf is allowed. float32 stays float32, sums are float64.
        With from_probs, probabilities: each row non-negative and summing to 1 within 1e-6.
    index : str
        entropy, normalized_entropy, perplexity, max_prob, margin, surprisal, top_k_entropy, renyi, tsallis, gini,
        varentropy, energy, candidate_entropy, off_candidate_mass, calibrated_entropy, or a registered name; see
        `uncertainty_indices` for range and meaning.
    from_probs : bool
        The first argument holds probabilities.
    threads : int, optional
        Every core when left out; the result does not depend on it.
    **parameters
        target (surprisal): token id, or one a row. k (top_k_entropy, default 10). alpha (renyi, 2). q (tsallis, 2).
        temperature (calibrated_entropy). candidates (candidate_entropy, off_candidate_mass): one list of token ids
        an answer, its spellings, whose probabilities are summed.

    Returns
    -------
    float or numpy.ndarray, shape (...)
        Entropies in nats.

    Raises
    ------
    InvalidArgument
        Naming the row and the entry of a NaN, +inf or negative probability, or the parameter.

    References
    ----------
    Rényi (1961), On measures of entropy and information. Tsallis (1988), Possible generalization of Boltzmann-Gibbs
    statistics. Liu et al. (2020), Energy-based out-of-distribution detection.

    Examples
    --------
    >>> import modalconflict as mc
    >>> round(mc.uncertainty([0.0, 0.0], index="max_prob"), 3)
    0.5
    >>> round(mc.uncertainty([2.0, 0.0, 0.0], index="renyi", alpha=2.0), 4)
    0.4431
    """
    chosen = _index(index)
    unknown = set(parameters) - set(chosen.parameters)
    if unknown:
        takes = ", ".join(chosen.parameters) or "no parameters"
        raise InvalidArgument(f"index {index!r} has no parameter {sorted(unknown)[0]!r}: it takes {takes}")
    missing = [name for name in chosen.parameters if name in _REQUIRED and name not in parameters]
    if missing and chosen.function is None:
        raise InvalidArgument(f"index {index!r} needs the parameter {missing[0]!r}")
    workers = thread_count(threads)
    matrix, shape = _rows("probs" if from_probs else "logits", logits, keep_float32=not from_probs)
    if chosen.function is not None:
        return _shaped(_registered_values(chosen, matrix, from_probs, parameters), shape)
    options = _options(parameters, len(matrix))
    if from_probs:
        return _shaped(_core.uncertainty_from_probs(matrix, index, options, workers), shape)
    if matrix.dtype == np.float32:
        return _shaped(_core.uncertainty_from_logits_f32(matrix, index, options, workers), shape)
    return _shaped(_core.uncertainty_from_logits_f64(matrix, index, options, workers), shape)


def _registered_values(
    index: UncertaintyIndex, matrix: npt.NDArray[Any], from_probs: bool, parameters: dict[str, Any]
) -> Floats:
    assert index.function is not None
    if from_probs:
        _core.uncertainty_from_probs(matrix, "entropy", _core.UncertaintyOptions(), 0)  # the same checks
        with np.errstate(divide="ignore"):
            matrix = np.log(matrix)
    values = np.asarray(index.function(matrix.astype(np.float64), **parameters), dtype=np.float64)
    if values.shape != (len(matrix),):
        raise InvalidArgument(
            f"index {index.name!r} returned shape {values.shape} for {len(matrix)} rows: one value a row"
        )
    bad = np.flatnonzero(np.isnan(values) | (values < index.lower_bound))
    if len(bad):
        raise InvalidArgument(
            f"index {index.name!r} gave {values[bad[0]]} in row {bad[0]}, outside its range {index.range}: "
            "correct the function or its lower_bound"
        )
    return values


def entropy(probs: npt.ArrayLike) -> Any:
    """Shannon entropy of answer distributions.

    Parameters
    ----------
    probs : array_like, shape (..., n)
        Probabilities over the last axis: non-negative, summing to 1 within 1e-6.

    Returns
    -------
    float or numpy.ndarray, shape (...)
        Entropy in nats, within [0, log n].

    Raises
    ------
    InvalidArgument
        If a row is empty, negative, not finite or not normalised.

    References
    ----------
    Shannon (1948), A Mathematical Theory of Communication, section 6.

    Examples
    --------
    >>> import modalconflict as mc
    >>> round(mc.entropy([0.5, 0.5]), 6)
    0.693147
    """
    return uncertainty(probs, "entropy", from_probs=True)


def entropy_from_logits(logits: npt.ArrayLike, *, threads: int | None = None) -> Any:
    """Shannon entropy of softmax(logits), in one pass and without forming the probabilities.

    Parameters
    ----------
    logits : array_like, shape (..., n)
        -inf is allowed; float32 is read as it is, sums are float64.
    threads : int, optional
        Every core when left out; the result does not depend on it.

    Returns
    -------
    float or numpy.ndarray, shape (...)
        Entropy in nats, accurate near zero too.

    Raises
    ------
    InvalidArgument
        Naming the row and the entry of a NaN or +inf.

    Examples
    --------
    >>> import modalconflict as mc
    >>> mc.entropy_from_logits([[0.0, 0.0], [100.0, 0.0]]).round(6)
    array([0.693147, 0.      ])
    """
    return uncertainty(logits, "entropy", threads=threads)


def _pair(u_text: npt.ArrayLike, u_vision: npt.ArrayLike, index: str | None) -> tuple[Floats, Floats, tuple[int, ...]]:
    if index is not None and not _index(index).relative_applies:
        raise InvalidArgument(
            f"index {index!r} has no relative difference: it is not non-negative; compare plain differences instead"
        )
    try:
        text, vision = np.asarray(u_text, dtype=np.float64), np.asarray(u_vision, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"u_text and u_vision cannot be read as numbers ({error})") from error
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
    text, vision, shape = _pair(u_text, u_vision, index)
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
    text, vision, shape = _pair(u_text, u_vision, index)
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
    errors = [np.asarray(e, dtype=np.float64) for e in (error_text, error_vision)]
    for name, error in zip(("error_text", "error_vision"), errors, strict=True):
        if error.shape != shape:
            raise InvalidArgument(f"{name} has shape {error.shape} and u_text {shape}: give one error a value")
    values = _core.relative_uncertainty_error(text, vision, errors[0].reshape(-1), errors[1].reshape(-1))
    return _shaped(values, shape)
