"""What the generators share: their common arguments, and the walk over blocks of groups."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modalconflict.datasets.building import DatasetBuilder, blocks_of
from modalconflict.errors import InvalidArgument

MAX_GROUPS = 10_000_000
MAX_THREADS = 1024
# A block is drawn in parallel and kept in memory; a killed call repeats at most one.
GROUPS_PER_BLOCK = 64


def check_common(groups: int, seed: int, threads: int | None) -> None:
    """Check the arguments that all generators have.

    Raises
    ------
    InvalidArgument
        Naming the argument.
    """
    for name, value in (("groups", groups), ("seed", seed), ("threads", threads)):
        if value is not None and (isinstance(value, bool) or not hasattr(value, "__index__")):
            raise InvalidArgument(f"{name} is {value!r}; give a whole number")
    if groups < 1:
        raise InvalidArgument(f"groups is {groups}; it must be at least 1")
    if groups > MAX_GROUPS:
        raise InvalidArgument(f"groups is {groups}; it must be at most {MAX_GROUPS}")
    if threads is not None and not 0 <= threads <= MAX_THREADS:
        raise InvalidArgument(f"threads is {threads}; give 1 to {MAX_THREADS}, or none for all cores")
    if not 0 <= seed < 2**63:
        raise InvalidArgument(f"seed is {seed}; it must lie within 0 and 2^63 - 1")


def output_folder(out: str | Path | None) -> Path:
    """Return ``out``, or a new temporary folder."""
    return Path(tempfile.mkdtemp(prefix="modalconflict-")) if out is None else Path(out)


def converted(kind: Any, fields: dict[str, Any], where: str) -> Any:
    """Hand settings to C++; what has the wrong type is named instead of the compiled module's list of signatures.

    Raises
    ------
    InvalidArgument
        Naming the settings, or what C++ says of a value.
    """
    try:
        return kind(**fields)
    except TypeError:
        shown = ", ".join(f"{name}={value!r}" for name, value in fields.items())
        raise InvalidArgument(
            f"{where}: a value has the wrong type or size in {shown[:300]}; see the settings in the documentation"
        ) from None


def text_templates(texts: Any) -> list[list[str]]:
    """Return text tiers as lists of templates.

    Raises
    ------
    InvalidArgument
        Where a tier or a template is not what it must be.
    """
    tiers: list[list[str]] = []
    for i, tier in enumerate(texts):
        if isinstance(tier, str):
            raise InvalidArgument(f"texts[{i}] is one string; give a list of at least two templates")
        try:
            tiers.append(list(tier))
        except TypeError:
            raise InvalidArgument(f"texts[{i}] is {tier!r}; give a list of at least two templates") from None
        for j, template in enumerate(tiers[-1]):
            if not isinstance(template, str):
                raise InvalidArgument(f"texts[{i}][{j}] is {template!r}; give a string")
    return tiers


def draw_blocks(
    builder: DatasetBuilder,
    groups: int,
    draw: Callable[[Callable[[int], bool], int, int], list[Any]],
    rows: Callable[[list[Any]], list[dict[str, Any]]],
    progress: Callable[[int], None] | None,
) -> None:
    """Draw block after block of a dataset and write its manifest rows, leaving out what an earlier call has made.

    Parameters
    ----------
    builder
        Of the folder; it is not finished here.
    groups
        Of the dataset.
    draw
        Called with (progress function, first group, number of groups); returns the pictures' rows.
    rows
        Makes manifest rows of them.
    progress
        Called with the number of groups done.
    """
    for block, first, count in blocks_of(groups, GROUPS_PER_BLOCK):
        if not builder.has(block):

            def step(done: int, before: int = first) -> bool:
                if progress is not None:
                    progress(before + done)
                return True

            builder.write(block, rows(draw(step, first, count)))
        elif progress is not None:
            progress(first + count)
