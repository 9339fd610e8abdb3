"""How often a model changes its mind between its layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from modalconflict import _core
from modalconflict.errors import InvalidArgument

__all__ = ["count_oscillations"]


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
    rows = list(labels)
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
