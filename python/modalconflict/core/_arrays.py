"""Conversions shared by the statistics: array-likes of a caller into the arrays that the compiled core takes."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from modalconflict.errors import InvalidArgument

Floats = npt.NDArray[np.float64]


def numbers(name: str, values: npt.ArrayLike) -> Floats:
    """Float64 of any shape, or an InvalidArgument that names the argument; a masked or complex entry is no number."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.getmaskarray(values).any():
        place = int(np.ma.getmaskarray(values).reshape(-1).argmax())
        raise InvalidArgument(f"{name}[{place}] is masked: leave out the cases that have no value")
    try:
        array = np.asarray(values)
        if array.dtype.kind == "c":
            raise InvalidArgument(f"{name} holds complex numbers: give real ones")
        return array.astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, InvalidArgument):
            raise
        raise InvalidArgument(f"{name} cannot be read as numbers ({error}): give one number a case") from error


def number(name: str, value: Any) -> float:
    """One real number; whether it is in range is checked where it is used."""
    if isinstance(value, (bool, str)) or not isinstance(value, (int, float, np.number)):
        raise InvalidArgument(f"{name} is {value!r}: give a number")
    try:
        return float(value)
    except OverflowError:
        raise InvalidArgument(f"{name} has more digits than a number of 64 bits holds: give a smaller one") from None


def whole(name: str, value: Any, least: int = 0, most: int = 100_000_000) -> int:
    """One whole number within bounds that memory allows."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value <= most:
        raise InvalidArgument(f"{name} is {value!r}: give a whole number, {least} to {most}")
    return int(value)


def flag(name: str, value: Any) -> bool:
    """True or False and nothing that merely counts as one."""
    if not isinstance(value, (bool, np.bool_)):
        raise InvalidArgument(f"{name} is {value!r}: give True or False")
    return bool(value)


def vector(name: str, values: npt.ArrayLike) -> Floats:
    """One axis of float64, or an InvalidArgument that names the argument."""
    array = numbers(name, values)
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


def evaluate(function: Any, x: npt.ArrayLike) -> Any:
    """A function of one axis, at places of any shape; a number for a number."""
    queries = numbers("x", x)
    values = function(np.ascontiguousarray(queries.reshape(-1))).reshape(queries.shape)
    return values if queries.ndim else float(values)


def group_codes(groups: npt.ArrayLike | Sequence[Any] | None, length: int) -> npt.NDArray[np.uint64] | None:
    """Labels of any kind as codes 0, 1, …; missing labels are an error."""
    if groups is None:
        return None
    try:
        array = np.asarray(groups)
    except ValueError as error:
        raise InvalidArgument(f"groups cannot be read as labels ({error}): give one label a case") from error
    if array.ndim != 1 or len(array) != length:
        raise InvalidArgument(f"groups has shape {array.shape} for {length} cases: give one label a case")
    if array.dtype.kind in "mM" and np.isnat(array).any():
        raise InvalidArgument(f"groups[{int(np.isnat(array).argmax())}] is missing: every case needs its group")
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
    if (
        isinstance(random_state, bool)
        or not isinstance(random_state, (int, np.integer))
        or not 0 <= random_state < 2**64
    ):
        raise InvalidArgument(
            f"random_state is {random_state!r}: give a whole number, 0 or more and below 2**64, or None"
        )
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
