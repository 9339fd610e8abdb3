"""What a run that failed says of itself."""

from __future__ import annotations

from modalconflict.errors import ModalConflictError

LONGEST_STATUS = 500


def lacks_memory(error: Exception) -> bool:
    """Whether a run failed for want of memory, so that fewer runs at a time may do."""
    words = str(error).lower()
    return (
        isinstance(error, MemoryError)
        or "needs more memory than there is" in words
        or "out of memory" in words
        or "can't allocate memory" in words
    )


def one_line(error: Exception) -> str:
    r"""A failure as the status of its run: one line of at most 500 characters, an unforeseen one with its kind.

    Examples
    --------
    >>> one_line(ValueError("height and width must be > 0\nin resize"))
    'ValueError: height and width must be > 0'
    """
    first = " ".join((str(error).splitlines() or [""])[0].split())[:LONGEST_STATUS]
    if isinstance(error, ModalConflictError):
        return first or type(error).__name__
    if isinstance(error, MemoryError):
        return "this run alone needs more memory than there is; run it on a larger machine"
    return f"{type(error).__name__}: {first}"[:LONGEST_STATUS]
