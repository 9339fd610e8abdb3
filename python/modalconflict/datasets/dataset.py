"""A dataset: a folder of pictures and its manifest."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from modalconflict.arrow_tables import stream_of
from modalconflict.datasets.manifest import MANIFEST_VERSION, READABLE_VERSIONS, validate_manifest
from modalconflict.errors import InvalidArgument, IoError
from modalconflict.pixels import first_line
from modalconflict.records.parquet import read_parquet

MANIFEST_FILE = "manifest.parquet"
VERSION_KEY = b"modalconflict.manifest_version"
OPTIONS_KEY = b"modalconflict.dataset"


class Dataset:
    """Cases with their pictures.

    The manifest is read when it is first needed; `cases` and the numbers below read it in pieces.

    Parameters
    ----------
    path : pathlib.Path
        The folder; image paths are relative to it.
    table : pyarrow.Table, optional
        The manifest where it has been read already.
    """

    def __init__(self, path: Path, table: pa.Table | None = None) -> None:
        self.path = path
        self._read = table

    @property
    def table(self) -> pa.Table:
        """The manifest, one row a case."""
        if self._read is None:
            self._read = read_manifest(self.path)
        return self._read

    @cached_property
    def _file(self) -> pq.FileMetaData:
        return pq.read_metadata(self.path / MANIFEST_FILE)

    @property
    def _schema(self) -> pa.Schema:
        return pq.read_schema(self.path / MANIFEST_FILE) if self._read is None else self._read.schema

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """Hand the manifest over as an Arrow stream: ``polars.DataFrame(data)``, ``pyarrow.table(data)``."""
        return stream_of(self.table, requested_schema)

    @property
    def column_names(self) -> list[str]:
        """The manifest's columns."""
        return list(self._schema.names)

    def __len__(self) -> int:
        """Return the number of cases."""
        return int(self._file.num_rows if self._read is None else self._read.num_rows)

    def __repr__(self) -> str:
        """Say what it is in one line."""
        return f"Dataset({self.name}: {len(self)} cases in {len(self.groups)} groups, '{self.path}')"

    def _repr_html_(self) -> str:
        """Show a contact sheet's worth of pictures in a notebook."""
        from modalconflict.datasets.card import small_html

        return small_html(self)

    @property
    def name(self) -> str:
        """The manifest's dataset name."""
        return str(next(self.batches(["dataset"]))["dataset"][0].as_py())

    @property
    def groups(self) -> list[int]:
        """The group numbers, ascending."""
        numbers: set[int] = set()
        for batch in self.batches(["group"]):
            numbers.update(batch["group"].to_pylist())
        return sorted(numbers)

    @property
    def options(self) -> dict[str, Any]:
        """What the dataset was made with; empty for one made elsewhere."""
        metadata = self._schema.metadata or {}
        if OPTIONS_KEY not in metadata:
            return {}
        try:
            return dict(json.loads(metadata[OPTIONS_KEY]))
        except (ValueError, TypeError, RecursionError):
            raise IoError(f"'{self.path / MANIFEST_FILE}' has options that are no JSON object; make it again") from None

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the manifest in pieces of at most 1024 rows, some columns or all.

        Parameters
        ----------
        columns : list of str, optional
            Names; all by default.

        Yields
        ------
        pyarrow.RecordBatch
        """
        if self._read is not None:
            table = self._read if columns is None else self._read.select(columns)
            yield from table.to_batches(max_chunksize=1024)
            return
        with pq.ParquetFile(self.path / MANIFEST_FILE) as manifest:
            yield from manifest.iter_batches(batch_size=1024, columns=columns)

    def cases(self) -> Iterator[dict[str, Any]]:
        """Yield the manifest's rows as dictionaries, ``image`` as an absolute path."""
        for batch in self.batches():
            for row in batch.to_pylist():
                row["image"] = str(self.path / row["image"])
                yield row

    def contact_sheet(self, groups: int = 6, out: str | Path | None = None) -> Any:
        """Show groups × image tiers in one picture; see :func:`modalconflict.datasets.contact_sheet`."""
        from modalconflict.datasets.sheet import contact_sheet

        return contact_sheet(self, groups, out)

    def card(self, out: str | Path = "card.html") -> Path:
        """Write a data card as HTML; see :func:`modalconflict.datasets.card`."""
        from modalconflict.datasets.card import card

        return card(self, out)

    def to_hf(self) -> Any:
        """Return a Hugging Face ``datasets.Dataset``; see :func:`modalconflict.datasets.to_hf`."""
        from modalconflict.datasets.hf import to_hf

        return to_hf(self)

    def to_imagefolder(self, out: str | Path) -> Path:
        """Write an ImageFolder with metadata.jsonl; see :func:`modalconflict.datasets.to_imagefolder`."""
        from modalconflict.datasets.imagefolder import to_imagefolder

        return to_imagefolder(self, out)


def read_manifest(folder: Path) -> pa.Table:
    """Read and check a folder's manifest, without looking at the pictures; errors as in :func:`load`."""
    manifest = folder / MANIFEST_FILE
    if not os.path.isfile(manifest):
        raise IoError(
            f"'{folder}' holds no {MANIFEST_FILE}; give a folder that 'modalconflict generate' or 'import' has finished"
        )
    try:
        # memory_map: column chunks are read where they lie
        table = read_parquet(manifest, memory_map=True)
    except IoError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise IoError(f"'{manifest}' cannot be read as Parquet ({first_line(error)}); make the dataset again") from None
    metadata = table.schema.metadata or {}
    version = metadata.get(VERSION_KEY, MANIFEST_VERSION.encode()).decode(errors="replace")
    if version not in READABLE_VERSIONS:
        raise InvalidArgument(
            f"'{manifest}' has manifest version {version}; this modalconflict reads versions {', '.join(READABLE_VERSIONS)}"
        )
    return validate_manifest(table, str(manifest))


def load(path: str | Path) -> Dataset:
    """Read a dataset's folder and check its manifest.

    Parameters
    ----------
    path : str or pathlib.Path
        A folder with ``manifest.parquet``.

    Returns
    -------
    Dataset

    Raises
    ------
    IoError
        If the folder or the manifest is missing or unreadable, or a picture it names is missing.
    InvalidArgument
        If a value does not fit the schema; the message names the column and the row.

    Examples
    --------
    >>> import tempfile, modalconflict as mc
    >>> folder = tempfile.mkdtemp() + "/colors"
    >>> made = mc.datasets.color_recognition(groups=1, seed=5, out=folder)
    >>> mc.datasets.load(folder).table.equals(made.table)
    True
    """
    folder = Path(path)
    table = read_manifest(folder)
    root = os.path.realpath(folder)
    checked: set[str] = set()
    for row, image in enumerate(table["image"].to_pylist()):
        if image in checked:
            continue
        checked.add(image)
        where = f"'{folder / MANIFEST_FILE}', column 'image', row {row}"
        if not os.path.isfile(folder / image):
            raise IoError(f"{where}: the image '{image}' is missing; make the dataset again")
        if not os.path.realpath(folder / image).startswith(root + os.sep):
            raise IoError(f"{where}: '{image}' is a link out of the dataset's folder; put the file itself there")
    return Dataset(folder, table)
