"""Benchmark files of VLMEvalKit: one TSV with the pictures inside."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from modalconflict.datasets.dataset import Dataset
from modalconflict.datasets.importing.build import ImportOptions, Progress, build_dataset
from modalconflict.datasets.importing.cells import Place, is_missing
from modalconflict.datasets.importing.images import MAX_BYTES
from modalconflict.datasets.importing.rows import Table, open_table
from modalconflict.datasets.importing.seeking import RowsByKey
from modalconflict.datasets.importing.table import at, check_name, identity_of, resolve_columns
from modalconflict.errors import InvalidArgument

_DEFAULTS = {"text": "hint", "answer_vision": "answer"}
# VLMEvalKit's own bound: a shorter "image" is the index of the row that has the picture.
_REFERENCE = 64
_OPTIONS = "ABCDEFGHI"


def from_vlmevalkit(
    path: str | Path,
    columns: Mapping[str, str] | None = None,
    *,
    out: str | Path,
    images: str | Path | None = None,
    name: str = "vlmevalkit",
    command: str | None = None,
    link: bool = False,
    skip_bad_rows: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Import a VLMEvalKit benchmark file.

    Parameters
    ----------
    path : path
        TSV with ``index``, ``image`` (base64, or the index of the row that has the picture) or ``image_path``,
        ``question``, ``answer``, and the likes of ``hint``, ``A`` … ``D``, ``category``.
    columns : mapping, optional
        Field to column. Defaults: ``text`` from "hint", ``answer_vision`` from "answer", ``answer_text`` from "answer_text",
        which the benchmarks themselves lack.
    out : path
        Folder to make; absent or empty.
    images : path, optional
        Folder that ``image_path`` begins at; the file's own by default.
    name, command, link, skip_bad_rows, progress
        As in :func:`modalconflict.datasets.from_table`.

    Returns
    -------
    Dataset
        An answer that is an option's letter is replaced by the option; ``category`` becomes the attribute.

    Raises
    ------
    InvalidArgument
        Naming file, column and row of the first value that does not fit.
    IoError
        If the file is missing or unreadable, or the folder cannot be written.

    Examples
    --------
    >>> import modalconflict as mc
    >>> mc.datasets.from_vlmevalkit("Conflict.tsv", {"answer_text": "misleading"}, out="data")   # doctest: +SKIP
    """
    table = open_table(path)
    if table.path is None or table.path.suffix.lower() != ".tsv" or table.columns is None:
        raise InvalidArgument(f"'{table.label}' is no .tsv file; give a VLMEvalKit benchmark")
    chosen = {**_DEFAULTS, **(columns or {})}
    if "image" not in chosen and "image" not in table.columns and "image_path" in table.columns:
        chosen["image"] = "image_path"
    if "attribute" not in chosen and "category" in table.columns:
        chosen["attribute"] = "category"
    mapping = resolve_columns(table, chosen)
    encoded = mapping["image"] != "image_path"

    def rows() -> Iterator[tuple[int, dict[str, Any]]]:
        with closing(_References(table, mapping["image"])) as remembered:
            for row, record in table.rows():
                values = {field: at(record, column) for field, column in mapping.items()}
                if encoded:
                    place = Place(table.label, row, mapping["image"])
                    values["image"] = remembered.picture(values["image"], record, place)
                for side in ("answer_text", "answer_vision"):
                    values[side] = _option(values[side], record)
                yield row, values

    root = Path(images) if images is not None else table.path.parent
    options = ImportOptions(out, root, link, skip_bad_rows, command, progress)
    identity = {"format": "vlmevalkit", "columns": dict(mapping), **identity_of(table)}
    return build_dataset(rows(), mapping, table.label, check_name(name), options, identity)


class _References:
    """Pictures by the index of their row; looked up again in the file, so that none is kept in memory."""

    def __init__(self, table: Table, column: str) -> None:
        self._table = table
        self._column = column
        self._last: tuple[str, bytes] | None = None
        self._rows: RowsByKey | None = None  # made for the first reference; most files have none

    def close(self) -> None:
        if self._rows is not None:
            self._rows.close()

    def picture(self, value: Any, record: Mapping[str, Any], place: Place) -> bytes | None:
        if is_missing(value) or not str(value).strip():
            return None
        value = str(value).strip()
        if len(value) > _REFERENCE:
            content = _decoded(value, place)
            self._last = (str(record.get("index")), content)
            return content
        if self._last is not None and self._last[0] == value:
            return self._last[1]
        if self._rows is None and "index" in (self._table.columns or ()):
            self._rows = RowsByKey(self._table, "index")
        found = None if self._rows is None else self._rows.find(value)
        if found is None:
            raise place.error(f"'{value}' is neither base64 of an image nor the index of a row; repair it")
        row, other = found
        written = str(other.get(self._column) or "").strip()
        if len(written) <= _REFERENCE:
            raise place.error(f"it refers to index {value}, which has no picture of its own; repair the reference")
        content = _decoded(written, Place(place.source, row, place.column))
        self._last = (value, content)
        return content


def _decoded(text: str, place: Place) -> bytes:
    if text.startswith("["):
        raise place.error("the row has a list of images; give one image a row")
    if len(text) > MAX_BYTES * 4 // 3 + 4:
        raise place.error(f"the image has more than {MAX_BYTES} bytes; make it smaller")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise place.error("the image is no base64; encode the image file's bytes") from None


def _option(value: Any, record: Mapping[str, Any]) -> Any:
    """The option behind its letter; anything else as it stands."""
    letter = value.strip() if isinstance(value, str) else ""
    if len(letter) == 1 and letter in _OPTIONS and str(record.get(letter) or "").strip():
        return record[letter]
    return value
