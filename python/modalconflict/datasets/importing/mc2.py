"""MC²: real photographs with contexts that contradict them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modalconflict.datasets.dataset import Dataset
from modalconflict.datasets.importing.build import ImportOptions, Progress, build_dataset
from modalconflict.datasets.importing.cells import Place
from modalconflict.datasets.importing.rows import open_table
from modalconflict.datasets.importing.table import identity_of

# COCO 2014's names of one image, and where its archives put them.
_PLACES = (
    "COCO_val2014_{}.jpg",
    "val2014/COCO_val2014_{}.jpg",
    "COCO_train2014_{}.jpg",
    "train2014/COCO_train2014_{}.jpg",
    "{}.jpg",
)
_LABELS = {"image": "image_id", "text": "context", "attribute": "task"}


def from_mc2(
    path: str | Path,
    images: str | Path,
    *,
    out: str | Path,
    command: str | None = "Answer in one word or a short phrase.",
    link: bool = False,
    skip_bad_rows: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Import MC², the modality context conflict dataset.

    Parameters
    ----------
    path : path
        Its JSON file: a list of objects with ``image_id``, ``task``, ``question``, ``answer_vision``, ``answer_text`` and
        ``context``.
    images : path
        The COCO 2014 images: a folder with ``COCO_val2014_000000046962.jpg`` and so on, or with ``val2014/`` and
        ``train2014/``.
    out : path
        Folder to make; absent or empty.
    command, link, skip_bad_rows, progress
        As in :func:`modalconflict.datasets.from_table`.

    Returns
    -------
    Dataset
        One group an item; ``attribute`` is the item's task.

    Raises
    ------
    InvalidArgument
        Naming file, key and item of the first value that does not fit.
    IoError
        If a file is missing or unreadable, or the folder cannot be written.

    References
    ----------
    "Evaluating and Steering Modality Preferences in Multimodal Large Language Model" (arXiv 2505.20977).

    Examples
    --------
    >>> import modalconflict as mc
    >>> mc.datasets.from_mc2("evaluate.json", "coco", out="mc2")          # doctest: +SKIP
    """
    table = open_table(path)
    folder = Path(images)

    def rows() -> Iterator[tuple[int, dict[str, Any]]]:
        for row, item in table.rows():
            place = Place(table.label, row, "image_id")
            yield (
                row,
                {
                    "image": _file(folder, item.get("image_id"), place),
                    "text": item.get("context"),
                    "question": item.get("question"),
                    "answer_text": item.get("answer_text"),
                    "answer_vision": item.get("answer_vision"),
                    "attribute": item.get("task"),
                },
            )

    options = ImportOptions(out, images, link, skip_bad_rows, command, progress)
    return build_dataset(rows(), _LABELS, table.label, "mc2", options, {"format": "mc2", **identity_of(table)})


def _file(folder: Path, image_id: Any, place: Place) -> str | None:
    """The image's path below the folder; one that is nowhere is left to fail by its plain name."""
    if isinstance(image_id, int) and not isinstance(image_id, bool) and 0 <= image_id < 10**12:
        image_id = f"{image_id:012d}"
    if not isinstance(image_id, str) or not image_id.strip():
        return None
    stem = image_id.strip().removesuffix(".jpg")
    if not stem.isascii() or not stem.replace("_", "").isalnum():
        return stem  # no COCO name: refused as a path
    names = [pattern.format(stem) for pattern in _PLACES]
    return next((name for name in names if os.path.isfile(folder / name)), names[0])
