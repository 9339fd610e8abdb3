"""Sample logs of lmms-eval."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from modalconflict.datasets.dataset import Dataset
from modalconflict.datasets.importing.build import ImportOptions, Progress, build_dataset
from modalconflict.datasets.importing.cells import Place
from modalconflict.datasets.importing.images import SUFFIXES
from modalconflict.datasets.importing.rows import open_table
from modalconflict.datasets.importing.table import check_name, identity_of, pick, resolve_columns
from modalconflict.errors import InvalidArgument

_DEFAULTS = {"question": "input", "answer_vision": "target"}


def from_lmms_eval(
    path: str | Path,
    columns: Mapping[str, str],
    *,
    out: str | Path,
    images: str | Path,
    name: str = "lmms_eval",
    command: str | None = None,
    link: bool = False,
    skip_bad_rows: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Import an lmms-eval sample log (``…_samples_<task>.jsonl``, written by ``--log_samples``).

    Such a log holds the question (``input``), the true answer (``target``) and the document's number (``doc_id``), but no
    pictures and no misleading text: `columns` says where the text and its answer stand, in a metric's record or in the
    document where the log keeps it.

    Parameters
    ----------
    path : path
        JSON Lines: one object a sample with ``doc_id``, ``input``, ``target``, ``resps`` or ``filtered_resps``, ``doc_hash``, and one
        key a metric.
    columns : mapping
        Field to key, at least ``text`` and ``answer_text``; a dot leads into nested objects: {"text": "doc.context"}. Defaults:
        ``question`` from "input", ``answer_vision`` from "target", ``image`` by ``doc_id``.
    out : path
        Folder to make; absent or empty.
    images : path
        Folder with the pictures: ``<doc_id>.png``, ``.jpg`` and so on, or what ``columns["image"]`` names.
    name, command, link, skip_bad_rows, progress
        As in :func:`modalconflict.datasets.from_table`.

    Returns
    -------
    Dataset

    Raises
    ------
    InvalidArgument
        Naming file, key and line of the first value that does not fit.
    IoError
        If a file is missing or unreadable, or the folder cannot be written.

    Examples
    --------
    >>> import modalconflict as mc
    >>> where = {"text": "doc.context", "answer_text": "doc.answer_text"}
    >>> mc.datasets.from_lmms_eval("samples_mc2.jsonl", where, images="images", out="data")   # doctest: +SKIP
    """
    table = open_table(path)
    if table.columns is not None:
        raise InvalidArgument(f"'{table.label}' is no sample log; give the .jsonl that lmms-eval --log_samples wrote")
    for needed in ("text", "answer_text"):
        if needed not in columns:
            raise InvalidArgument(f"columns: name the key of '{needed}', which lmms-eval's log has no fixed place for")
    by_number = "image" not in columns
    mapping = resolve_columns(table, {**_DEFAULTS, **({"image": "doc_id"} if by_number else {}), **columns})
    folder = Path(images)

    def rows() -> Iterator[tuple[int, dict[str, Any]]]:
        for row, values in pick(table.rows(), mapping):
            if by_number:
                values["image"] = _numbered(folder, values["image"], Place(table.label, row, "doc_id"))
            yield row, values

    options = ImportOptions(out, images, link, skip_bad_rows, command, progress)
    identity = {"format": "lmms-eval", "columns": dict(mapping), **identity_of(table)}
    return build_dataset(rows(), mapping, table.label, check_name(name), options, identity)


def _numbered(folder: Path, doc_id: Any, place: Place) -> str | None:
    if isinstance(doc_id, bool) or not isinstance(doc_id, (int, str)):
        return None
    stem = str(doc_id)
    if not stem.replace("_", "").replace("-", "").isalnum():
        return stem
    endings = (*SUFFIXES.values(), ".jpeg")
    return next((stem + ending for ending in endings if os.path.isfile(folder / (stem + ending))), f"{stem}.png")
