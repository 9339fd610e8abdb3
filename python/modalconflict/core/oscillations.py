"""How often a model changes its mind between its layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modalconflict import _core
from modalconflict.core._arrays import group_codes, numbers, seed_of, thread_count, vector, whole
from modalconflict.errors import InvalidArgument

__all__ = ["PermutationTest", "commitment_layer", "count_oscillations", "permutation_test"]


def count_oscillations(labels: Sequence[str] | Sequence[Sequence[str]], *, by_third: bool = False) -> Any:
    """Concept oscillations: switches between vision and text along the layers, the irrelevant ones dropped.

    "vision → irrelevant → text" is one.

    Parameters
    ----------
    labels : sequence of str, shape (layers,) or (cases, layers)
        "vision", "text" or "irrelevant" a layer, in the order of depth.
    by_third : bool
        Split by the third of the depth (early, middle, late) in which a switch is completed: layer l of L belongs to
        third ⌊3 l / L⌋. The three sum to the plain count.

    Returns
    -------
    int, or numpy.ndarray of shape (cases,), (3,) or (cases, 3)

    Raises
    ------
    InvalidArgument
        Naming the case and the layer of an unknown label.

    References
    ----------
    arXiv 2511.02243, concept oscillation.

    Examples
    --------
    >>> import modalconflict as mc
    >>> mc.count_oscillations(["irrelevant", "vision", "irrelevant", "text", "text", "vision"])
    2
    >>> mc.count_oscillations(["vision", "text", "vision"], by_third=True)
    array([0, 1, 1])
    """
    if isinstance(labels, str):
        raise InvalidArgument("labels is one string: give one label a layer")
    try:
        rows = list(labels)
    except TypeError as error:
        raise InvalidArgument(f"labels is {labels!r}: give one label a layer, or one sequence a case") from error
    single = all(isinstance(row, str) for row in rows)
    if not single and any(isinstance(row, str) for row in rows):
        raise InvalidArgument("labels mixes words and sequences: give one label a layer, or one sequence a case")
    table: list[list[str]] = []
    for i, row in enumerate([rows] if single else rows):
        entries = list(row)
        for layer, label in enumerate(entries):
            if not isinstance(label, str):
                raise InvalidArgument(f"labels[{i}][{layer}] is {label!r}: use vision, text or irrelevant")
        table.append([str(label) for label in entries])
    thirds = _core.count_oscillations_by_third(table)
    if by_third:
        return thirds[0] if single else thirds
    totals = thirds.sum(axis=1, dtype=np.int64)
    return int(totals[0]) if single else totals


def commitment_layer(lead: npt.ArrayLike) -> Any:
    """First layer from which the winner stays ahead.

    Parameters
    ----------
    lead : array_like, shape (layers,) or (cases, layers)
        Logit of the text's answer minus that of the image's, in the order of depth.

    Returns
    -------
    int or numpy.ndarray of int, shape (cases,)
        Index of the layer; -1 where the last layer is undecided (a lead of zero) or there is no layer.

    Raises
    ------
    InvalidArgument
        Naming the case and the layer of a NaN.

    Examples
    --------
    >>> import modalconflict as mc
    >>> mc.commitment_layer([0.5, -0.2, 0.1, 0.9])
    2
    """
    array = numbers("lead", lead)
    if array.ndim not in (1, 2):
        raise InvalidArgument(f"lead has {array.ndim} axes: give one lead a layer, or one row a case")
    found = _core.commitment_layers(np.atleast_2d(array))
    return int(found[0]) if array.ndim == 1 else found


@dataclass(frozen=True)
class PermutationTest:
    """Difference of two kinds of cases, and how often shuffling the kinds gives as large a one.

    Attributes
    ----------
    difference : float
        Mean of the first kind minus mean of the second.
    p_value : float
        Two-sided; the observed labelling counts as one shuffle.
    first, second : int
        Cases of each kind.
    permutations : int
    """

    difference: float
    p_value: float
    first: int
    second: int
    permutations: int

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def permutation_test(
    values: npt.ArrayLike,
    is_first: npt.ArrayLike,
    groups: Any = None,
    *,
    permutations: int = 10000,
    random_state: int | None = 0,
    threads: int | None = None,
) -> PermutationTest:
    """Do ambiguous cases oscillate more than clear ones?

    Parameters
    ----------
    values : array_like, shape (n,)
        Oscillations (or anything else) a case.
    is_first : array_like of bool, shape (n,)
        True for the first kind (ambiguous), False for the second (clear).
    groups : array_like, shape (n,), optional
        Shuffle within groups only, so that what the cases of a group share stays where it is.
    permutations : int
        Shuffles, at least 100.
    random_state, threads
        As for `balance_point`.

    Returns
    -------
    PermutationTest

    Raises
    ------
    InvalidArgument
        Naming the argument and the index.

    References
    ----------
    Phipson & Smyth (2010), Permutation P-values Should Never Be Zero.

    Examples
    --------
    >>> import modalconflict as mc
    >>> mc.permutation_test([3, 2, 3, 2, 0, 1, 0, 1], [1, 1, 1, 1, 0, 0, 0, 0]).difference
    2.0
    """
    numbers, marks = vector("values", values), np.asarray(is_first)
    if marks.shape != numbers.shape:
        raise InvalidArgument(f"is_first has shape {marks.shape} for {len(numbers)} values: give one mark a case")
    wrong = [i for i, mark in enumerate(marks.tolist()) if mark not in (0, 1)]
    if wrong:
        raise InvalidArgument(f"is_first[{wrong[0]}] is {marks[wrong[0]]!r}: mark each case True or False")
    found = _core.permutation_test(
        numbers,
        marks.astype(bool).astype(np.uint8),
        group_codes(groups, len(numbers)),
        whole("permutations", permutations),
        seed_of(random_state),
        thread_count(threads),
    )
    return PermutationTest(*found)
