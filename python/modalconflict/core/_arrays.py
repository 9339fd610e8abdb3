"""Conversions shared by the statistics: array-likes of a caller into the arrays that the compiled core takes."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from modalconflict.errors import InvalidArgument

Floats = npt.NDArray[np.float64]


def vector(name: str, values: npt.ArrayLike) -> Floats:
    """One axis of float64, or an InvalidArgument that names the argument."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"{name} cannot be read as numbers ({error}): give one number a case") from error
    if array.ndim != 1:
        raise InvalidArgument(f"{name} has {array.ndim} axes: give one axis, a number a case")
    return array


def optional_vector(name: str, values: npt.ArrayLike | None) -> Floats | None:
    """The same, where the argument may be left out; an empty one is an error, not an omission."""
    if values is None:
        return None
    array = vector(name, values)
    if array.size == 0:
        raise InvalidArgument(f"{name} is empty: give one entry an observation, or leave it out")
    return array


def group_codes(groups: npt.ArrayLike | Sequence[Any] | None, length: int) -> npt.NDArray[np.uint64] | None:
    """Labels of any kind as codes 0, 1, …; missing labels are an error."""
    if groups is None:
        return None
    array = np.asarray(groups)
    if array.ndim != 1 or len(array) != length:
        raise InvalidArgument(f"groups has shape {array.shape} for {length} cases: give one label a case")
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise InvalidArgument(f"groups[{int(np.isnan(array).argmax())}] is nan: every case needs its group")
    if array.dtype == object:
        for i, label in enumerate(array):
            if label is None:
                raise InvalidArgument(f"groups[{i}] is None: every case needs its group")
        array = np.array([str(label) for label in array])
    return np.unique(array, return_inverse=True)[1].astype(np.uint64)


def seed_of(random_state: int | None) -> int:
    """A seed for the counter-based generator; None draws one from the system."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
    if not isinstance(random_state, (int, np.integer)) or isinstance(random_state, bool) or random_state < 0:
        raise InvalidArgument(f"random_state is {random_state!r}: give a whole number, 0 or more, or None")
    return int(random_state)


def thread_count(threads: int | None) -> int:
    """Zero stands for every core in the compiled core."""
    if threads is None:
        return 0
    if not isinstance(threads, (int, np.integer)) or threads < 1:
        raise InvalidArgument(f"threads is {threads!r}: give a whole number, 1 or more, or None for every core")
    return int(threads)


def json_number(value: float) -> float | None:
    """A number for JSON, which knows neither NaN nor infinity."""
    return float(value) if np.isfinite(value) else None


def html_table(title: str, rows: list[tuple[str, str]]) -> str:
    """A small table for notebooks."""
    body = "".join(f"<tr><th style='text-align:left'>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in rows)
    return f"<table><caption>{escape(title)}</caption>{body}</table>"
