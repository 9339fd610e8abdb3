"""Uncertainty indices that a study records beside the usual ones, by name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modalconflict.errors import InvalidArgument

PLAIN = ("normalized_entropy", "perplexity", "energy")
ORDERED = ("renyi", "tsallis")


@dataclass(frozen=True)
class FurtherIndices:
    """What `--index` asks for.

    Attributes
    ----------
    names
        As given: "perplexity", "renyi:2", …
    renyi, tsallis
        Orders, in the order given.
    """

    names: tuple[str, ...] = ()
    renyi: tuple[float, ...] = ()
    tsallis: tuple[float, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the records' columns: "renyi:2" becomes renyi_2."""
        return tuple(name.replace(":", "_") for name in self.names)

    def values(self, reads: Any, vocabulary: int) -> dict[str, npt.NDArray[np.float64]]:
        """Column values of a pass over n runs, each of shape (n,)."""
        entropy = np.asarray(reads.entropy)[:, -1]
        plain = {
            "normalized_entropy": entropy / math.log(max(vocabulary, 2)),
            "perplexity": np.exp(entropy),
        }
        found = {}
        for name, column in zip(self.names, self.columns, strict=True):
            kind, _, order = name.partition(":")
            if order:
                orders = self.renyi if kind == "renyi" else self.tsallis
                found[column] = np.asarray(getattr(reads, kind))[:, orders.index(float(order))]
            else:
                found[column] = -np.asarray(reads.log_normalizer) if kind == "energy" else plain[kind]
        return found


def further_indices(names: Sequence[str]) -> FurtherIndices:
    """Read names of indices.

    Parameters
    ----------
    names
        "normalized_entropy", "perplexity", "energy" (may be negative, so that no relative uncertainty is made of it),
        "renyi:ORDER" with an order of at least 0 or "inf", "tsallis:ORDER" with a finite one.

    Returns
    -------
    FurtherIndices

    Raises
    ------
    InvalidArgument
        If a name is unknown, is given twice, or lacks its order.

    Examples
    --------
    >>> further_indices(["renyi:2", "perplexity"]).columns
    ('renyi_2', 'perplexity')
    """
    orders: dict[str, list[float]] = {kind: [] for kind in ORDERED}
    kept: list[str] = []
    for name in names:
        kind, colon, text = str(name).partition(":")
        if kind in PLAIN and not colon:
            plain = kind
        elif kind in ORDERED and colon:
            try:
                order = float(text)
            except ValueError:
                order = math.nan
            if not order >= 0 or (math.isinf(order) and kind == "tsallis"):
                raise InvalidArgument(
                    f"index '{name}' has the order '{text}'; give a number of at least 0, as in {kind}:2"
                )
            orders[kind].append(order)
            plain = f"{kind}:{order:g}"
        else:
            raise InvalidArgument(
                f"index '{name}' is not one that records can add; use {', '.join(PLAIN)}, renyi:ORDER or tsallis:ORDER"
            )
        if plain in kept:
            raise InvalidArgument(f"index '{name}' is given twice; give it once")
        kept.append(plain)
    return FurtherIndices(tuple(kept), tuple(orders["renyi"]), tuple(orders["tsallis"]))
