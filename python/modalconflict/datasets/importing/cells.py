"""Values of an outside table, checked one by one: each error names the file, the column and the row."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Any

from modalconflict.errors import InvalidArgument

MAX_TEXT = 100_000  # characters; a description of a picture is a thousandth of it
_MAX_TIER = 2**31 - 1
_MAX_NUMBER = 10**18


@dataclass(frozen=True)
class Place:
    """Where a value stands.

    Attributes
    ----------
    source
        The file's name, or what stands for it.
    row
        Counted from 0, without a header.
    column
        As the file calls it.
    """

    source: str
    row: int
    column: str

    def error(self, why: str) -> InvalidArgument:
        """The error that names this place."""
        return InvalidArgument(printable(f"'{self.source}', column '{self.column}', row {self.row}: {why}"))


def printable(message: str) -> str:
    """A message in one line that any terminal can show, whatever the data put into it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in message)


def is_missing(value: Any) -> bool:
    """Whether the value is None, NaN, or pandas' NA or NaT."""
    return (
        value is None
        or (_is_number(value) and value != value)  # NaN; math.isnan overflows on long integers
        or type(value).__name__ in ("NAType", "NaTType")
    )


def text_of(value: Any, place: Place) -> str:
    """Return a text without the white space around it; whole numbers are written out.

    Raises
    ------
    InvalidArgument
        If it is missing, empty, longer than `MAX_TEXT` characters, not text, or not writable as UTF-8.
    """
    if is_missing(value):
        raise place.error("the value is missing; fill it")
    if _is_number(value):
        value = _number_text(value, place)
    if not isinstance(value, str):
        raise place.error(f"a {type(value).__name__} stands where text is needed; convert the column")
    if len(value) > MAX_TEXT:
        raise place.error(f"the text has {len(value)} characters, more than {MAX_TEXT}; shorten it")
    text = value.strip()
    if not text:
        raise place.error("the value is empty; fill it")
    if "\x00" in text:
        raise place.error("the text holds a NUL character; remove it")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise place.error("the text holds half a surrogate pair, which is no character; repair its encoding") from None
    return text


def optional_text(value: Any, place: Place) -> str | None:
    """Return a text as :func:`text_of` does, or None where it is missing or empty."""
    if is_missing(value) or (isinstance(value, str) and not value.strip()):
        return None
    return text_of(value, place)


def tier_of(value: Any, place: Place) -> int:
    """Return a tier: a whole number from 0 on, also written as text.

    Raises
    ------
    InvalidArgument
        If it is anything else.
    """
    if is_missing(value):
        raise place.error("the value is missing; fill it")
    whole: int | None = None
    if isinstance(value, str):
        written = value.strip()
        if len(written) <= 10 and written.isascii() and written.isdigit():
            whole = int(written)
    elif _is_number(value) and _is_finite(value) and value == int(value):
        whole = int(value)
    if whole is None or not 0 <= whole <= _MAX_TIER:
        raise place.error(f"{_shown(value)} is no tier; give a whole number from 0 to {_MAX_TIER}")
    return whole


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    return isinstance(value, numbers.Integral) or math.isfinite(value)  # which overflows on long integers


def _number_text(value: Any, place: Place) -> str:
    if not _is_finite(value) or abs(value) >= _MAX_NUMBER:
        raise place.error(f"{_shown(value)} is no usable number; write it as text")
    return str(int(value)) if value == int(value) else repr(float(value))


def _shown(value: Any) -> str:
    try:
        shown = repr(value)
    except ValueError:  # Python writes no integers of thousands of digits
        return "the number"
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
