"""How unsure one answer distribution is, by many indices under one call."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modalconflict import _core
from modalconflict.core._arrays import Floats, number, numbers, thread_count
from modalconflict.errors import InvalidArgument

__all__ = [
    "UncertaintyIndex",
    "entropy",
    "entropy_from_logits",
    "register_uncertainty_index",
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
    if not isinstance(name, str) or not name.isidentifier():
        raise InvalidArgument(f"index name {name!r} is not an identifier: use letters, digits and underscores")
    if name in _BUILT_IN:
        raise InvalidArgument(f"index {name!r} is built in: choose another name")
    if not callable(function):
        raise InvalidArgument(f"function of index {name!r} cannot be called: give a function of the logits")
    lower_bound = number("lower_bound", lower_bound)
    if relative_applies and lower_bound < 0:
        raise InvalidArgument(f"index {name!r} may be negative: relative_applies needs a lower_bound of 0 or more")
    index = UncertaintyIndex(
        name, range, float(lower_bound), shift_invariant, relative_applies, tuple(parameters), function
    )
    _registered[name] = index
    return index


def _index(name: str) -> UncertaintyIndex:
    known = uncertainty_indices()
    if not isinstance(name, str) or name not in known:
        raise InvalidArgument(f"index {name!r} is unknown: use one of {', '.join(known)}, or register it")
    return known[name]


def _rows(name: str, values: Any, *, keep_float32: bool) -> tuple[npt.NDArray[Any], tuple[int, ...]]:
    """Values as a matrix of float32 or float64, and the shape of the result."""
    try:
        if isinstance(values, np.ma.MaskedArray) or np.asarray(values).dtype.kind == "c":
            numbers(name, values)  # says what is wrong with a masked or complex entry
        array = np.asarray(values)
        if array.dtype == np.float16:
            array = array.astype(np.float32)
        if not (keep_float32 and array.dtype == np.float32):
            array = array.astype(np.float64)
    except InvalidArgument:
        raise
    except (TypeError, ValueError, OverflowError) as error:
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
                if isinstance(value, str):
                    raise TypeError("give one list of token ids an answer")
                options.candidates = [[operator.index(token) for token in answer] for answer in value]
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
    values = numbers(f"what index {index.name!r} returned", index.function(matrix.astype(np.float64), **parameters))
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
