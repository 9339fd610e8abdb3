"""Visual CounterFact: edited photographs that contradict what everybody knows."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modalconflict.datasets.dataset import Dataset
from modalconflict.datasets.importing.build import ImportOptions, Progress, build_dataset
from modalconflict.datasets.importing.cells import Place, text_of
from modalconflict.datasets.importing.rows import open_table
from modalconflict.datasets.importing.table import identity_of
from modalconflict.errors import InvalidArgument

_COLUMNS = ("correct_answer", "incorrect_answer", "object", "counterfact_image")
_LABELS = {
    "image": "counterfact_image",
    "answer_text": "correct_answer",
    "answer_vision": "incorrect_answer",
    "target": "object",
    "text": "correct_answer",
    "question": "object",
}


def from_visual_counterfact(
    path: str | Path,
    *,
    out: str | Path,
    task: str | None = None,
    link: bool = False,
    skip_bad_rows: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Import a split of Visual CounterFact.

    Its items set a picture against knowledge; here the knowledge is written out, so that the conflict is one between
    picture and text: the text says what is usual (``correct_answer``), the picture shows what is not
    (``incorrect_answer``).

    Parameters
    ----------
    path : path
        ``color-00000-of-00001.parquet`` or ``size-…``: columns ``correct_answer``, ``incorrect_answer``, ``object``,
        ``original_image`` and ``counterfact_image``, pictures as Hugging Face's {bytes, path}.
    out : path
        Folder to make; absent or empty.
    task : {"color", "size"}, optional
        Told by the file's name if not given.
    link, skip_bad_rows, progress
        As in :func:`modalconflict.datasets.from_table`.

    Returns
    -------
    Dataset
        One group an item.

    Raises
    ------
    InvalidArgument
        Naming file, column and row of the first value that does not fit.
    IoError
        If the file is missing or unreadable, or the folder cannot be written.

    References
    ----------
    "Pixels Versus Priors: Controlling Knowledge Priors in Vision-Language Models through Visual Counterfacts"
    (arXiv 2505.17127).

    Examples
    --------
    >>> import modalconflict as mc
    >>> mc.datasets.from_visual_counterfact("color-00000-of-00001.parquet", out="counterfact")   # doctest: +SKIP
    """
    table = open_table(path)
    if task is None:
        task = table.label.split("-")[0]
        if task not in ("color", "size"):
            raise InvalidArgument(
                f"the name of '{table.label}' begins with neither color- nor size-; say which by task="
            )
    elif task not in ("color", "size"):
        raise InvalidArgument(f"task '{task}' is neither color nor size; choose one")
    lacking = next((name for name in _COLUMNS if name not in (table.columns or ())), None)
    if lacking is not None:
        raise InvalidArgument(f"'{table.label}' has no column '{lacking}'; give a split of Visual CounterFact")
    make = _color if task == "color" else _size

    def rows() -> Iterator[tuple[int, dict[str, Any]]]:
        for row, item in table.rows(_COLUMNS):

            def word(column: str, row: int = row, item: dict[str, Any] = item) -> str | None:
                return _first(item.get(column), Place(table.label, row, column))

            usual, shown, thing = word("correct_answer"), word("incorrect_answer"), word("object")
            values = {
                "image": item.get("counterfact_image"),
                "answer_text": usual,
                "answer_vision": shown,
                "attribute": task,
            }
            # a missing word is named by the check of the answers
            yield row, values | (make(row, usual, shown, thing) if usual and shown and thing else {"target": thing})

    options = ImportOptions(out, Path(path).parent, link, skip_bad_rows, None, progress)
    identity = {"format": "visual-counterfact", "task": task, **identity_of(table)}
    return build_dataset(rows(), _LABELS, table.label, f"visual_counterfact_{task}", options, identity)


def _color(row: int, usual: str, shown: str, thing: str) -> dict[str, Any]:
    return {
        "text": f"Everybody knows the usual color of this kind of thing: the {thing} is {usual}.",
        "question": f"What color is the {thing}? Answer in one word.",
        "target": thing,
    }


def _size(row: int, usual: str, shown: str, thing: str) -> dict[str, Any]:
    # Either object stands first in every second row: no model can do well by naming the first.
    first, second = (usual, shown) if row % 2 == 0 else (shown, usual)
    return {
        "text": f"Everybody knows how large these two are: the {usual} is larger than the {shown}.",
        "question": f"Which is larger, the {first} or the {second}? Answer with its name.",
        "target": thing,
    }


def _first(value: Any, place: Place) -> str | None:
    """A word; the color split writes some as a list in text, "['red', 'green']", of which the first counts."""
    if not isinstance(value, str) or not value.strip().startswith("["):
        return value  # type: ignore[no-any-return]
    try:
        listed = ast.literal_eval(value.strip()[:1000])
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise place.error(f"'{value[:60]}' begins like a list and is none; repair it") from None
    if not isinstance(listed, list) or not listed:
        raise place.error("the list is empty; fill it")
    return text_of(listed[0], place)
