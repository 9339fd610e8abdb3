"""A surface P(follow text | U_t, U_v) that falls with the text's uncertainty and rises with the image's."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from modalconflict import _core
from modalconflict.core._arrays import Floats, flag, html_table, numbers, optional_vector, vector, whole
from modalconflict.errors import InvalidArgument

__all__ = ["IsotonicSurface", "isotonic_surface"]


class IsotonicSurface:
    """A monotone surface over a grid of bins, bilinear between their centres, constant beyond.

    Attributes
    ----------
    x1, x2 : numpy.ndarray, shapes (rows,) and (columns,)
        Centres of the bins, ascending.
    values, weight : numpy.ndarray, shape (rows, columns)
        The fit, and the weight of the cases in each cell.
    """

    def __init__(self, x1: Floats, x2: Floats, values: Floats, weight: Floats) -> None:
        self.x1, self.x2, self.values, self.weight = x1, x2, values, weight

    @staticmethod
    def _place(centres: Floats, x: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Floats]:
        right = np.clip(np.searchsorted(centres, x), 0, len(centres) - 1)
        left = np.maximum(right - 1, 0)
        gap = centres[right] - centres[left]
        share = np.divide(np.clip(x, centres[0], centres[-1]) - centres[left], gap, out=np.zeros_like(x), where=gap > 0)
        return left, right, share

    def predict(self, x1: npt.ArrayLike, x2: npt.ArrayLike) -> Any:
        """Values at pairs (x1, x2), which are broadcast against each other."""
        first, second = numbers("x1", x1), numbers("x2", x2)
        try:
            a, b = np.broadcast_arrays(first, second)
        except ValueError as error:
            raise InvalidArgument(
                f"x1 has shape {first.shape} and x2 {second.shape}: they do not go together"
            ) from error
        if np.isnan(a).any() or np.isnan(b).any():
            raise InvalidArgument("x1 or x2 is nan: a prediction needs numbers")
        top, bottom, down = self._place(self.x1, a.reshape(-1))
        left, right, along = self._place(self.x2, b.reshape(-1))
        upper = self.values[top, left] * (1 - along) + self.values[top, right] * along
        lower = self.values[bottom, left] * (1 - along) + self.values[bottom, right] * along
        out = (upper * (1 - down) + lower * down).reshape(a.shape)
        return out if a.ndim else float(out)

    def to_dict(self) -> dict[str, Any]:
        """Grid, values and weights as lists."""
        return {name: getattr(self, name).tolist() for name in ("x1", "x2", "values", "weight")}

    def __repr__(self) -> str:
        return f"IsotonicSurface({len(self.x1)} x {len(self.x2)} cells, {self.values.min():.3g} to {self.values.max():.3g})"

    def _repr_html_(self) -> str:
        rows = [("cells", f"{len(self.x1)} x {len(self.x2)}"), ("empty", str(int((self.weight == 0).sum())))]
        return html_table(
            "Isotonic surface", [*rows, ("values", f"{self.values.min():.3g} to {self.values.max():.3g}")]
        )


def _bins(x: Floats, bins: int) -> tuple[npt.NDArray[np.intp], Floats]:
    """Bin of each value, and the bins' mean values; one bin a distinct value where there are few."""
    distinct, inverse = np.unique(x, return_inverse=True)
    if len(distinct) <= bins:
        return inverse.astype(np.intp), distinct
    edges = np.unique(np.quantile(x, np.linspace(0, 1, bins + 1)[1:-1]))
    index = np.unique(np.searchsorted(edges, x, side="right"), return_inverse=True)[1]
    return index.astype(np.intp), np.bincount(index, x) / np.bincount(index)


def isotonic_surface(
    x1: npt.ArrayLike,
    x2: npt.ArrayLike,
    y: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    bins: int = 12,
    increasing: tuple[bool, bool] = (False, True),
) -> IsotonicSurface:
    """Least squares over surfaces monotone along both axes.

    Parameters
    ----------
    x1, x2 : array_like, shape (n,)
        Uncertainty of the text-only and of the vision-only run.
    y : array_like, shape (n,)
        1 followed the text, 0 the image, or a probability.
    weights : array_like, shape (n,), optional
        Non-negative.
    bins : int
        Quantile bins an axis; an axis with no more distinct values keeps them.
    increasing : tuple of bool
        Direction along x1 and x2: following the text falls with its own uncertainty and rises with the image's.

    Returns
    -------
    IsotonicSurface

    Raises
    ------
    InvalidArgument
        Naming the argument and the index.

    References
    ----------
    Dykstra & Robertson (1982), An Algorithm for Isotonic Regression for Two or More Independent Variables.

    Examples
    --------
    >>> import modalconflict as mc
    >>> surface = mc.isotonic_surface([0, 0, 1, 1], [0, 1, 0, 1], [0.5, 1.0, 0.0, 0.5])
    >>> surface.predict(0.5, 0.5)
    0.5
    """
    a, b, answers, weight = vector("x1", x1), vector("x2", x2), vector("y", y), optional_vector("weights", weights)
    for name, array in (("x2", b), ("y", answers), ("weights", weight)):
        if array is not None and len(array) != len(a):
            raise InvalidArgument(f"{name} has {len(array)} entries but x1 has {len(a)}: give one entry for each")
    if len(a) == 0:
        raise InvalidArgument("x1 is empty: give at least one value")
    for name, array in (("x1", a), ("x2", b), ("y", answers)):
        if not np.isfinite(array).all():
            i = int((~np.isfinite(array)).argmax())
            raise InvalidArgument(f"{name}[{i}] is {array[i]}: give finite numbers")
    bins = whole("bins", bins, 1, 10_000)
    if not isinstance(increasing, (tuple, list)) or len(increasing) != 2:
        raise InvalidArgument(f"increasing is {increasing!r}: give True or False for each of the two axes")
    directions = [flag("increasing", direction) for direction in increasing]
    w = np.ones(len(a)) if weight is None else weight
    bad = np.flatnonzero(~(np.isfinite(w) & (w >= 0)))
    if len(bad):
        raise InvalidArgument(f"weights[{bad[0]}] is {w[bad[0]]}: weights are finite and not negative")
    if not w.any():
        raise InvalidArgument("weights are all zero: give at least one positive weight")
    row, x1_centres = _bins(a, bins)
    column, x2_centres = _bins(b, bins)
    shape = (len(x1_centres), len(x2_centres))
    cell = row * shape[1] + column
    total: Floats = np.bincount(cell, w, shape[0] * shape[1]).reshape(shape).astype(np.float64)
    summed = np.bincount(cell, w * answers, shape[0] * shape[1]).reshape(shape)
    mean = np.divide(summed, total, out=np.zeros(shape), where=total > 0)
    values = _core.isotonic_surface(mean, total, directions[0], directions[1])
    return IsotonicSurface(x1_centres, x2_centres, values, total)
