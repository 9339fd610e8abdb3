"""A dataset: a folder of pictures and its manifest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from modalconflict.datasets.manifest import MANIFEST_VERSION, validate_manifest
from modalconflict.errors import InvalidArgument, IoError

MANIFEST_FILE = "manifest.parquet"
VERSION_KEY = b"modalconflict.manifest_version"
OPTIONS_KEY = b"modalconflict.dataset"


@dataclass(frozen=True)
class Dataset:
    """Cases with their pictures.

    Attributes
    ----------
    path : pathlib.Path
        The folder; image paths are relative to it.
    table : pyarrow.Table
        The manifest, one row a case.
    """

    path: Path
    table: pa.Table

    def __len__(self) -> int:
        """Return the number of cases."""
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        """Say what it is in one line."""
        return f"Dataset({self.name}: {len(self)} cases in {len(self.groups)} groups, '{self.path}')"

    @property
    def name(self) -> str:
        """Return the manifest's dataset name."""
        return str(self.table["dataset"][0].as_py())

    @property
    def groups(self) -> list[int]:
        """Return the group numbers, ascending."""
        return sorted(set(self.table["group"].to_pylist()))

    @property
    def options(self) -> dict[str, Any]:
        """Return what the dataset was made with; empty for one made elsewhere."""
        metadata = self.table.schema.metadata or {}
        return dict(json.loads(metadata[OPTIONS_KEY])) if OPTIONS_KEY in metadata else {}

    def cases(self) -> Iterator[dict[str, Any]]:
        """Yield the manifest's rows as dictionaries, ``image`` as an absolute path."""
        for batch in self.table.to_batches(max_chunksize=1024):
            for row in batch.to_pylist():
                row["image"] = str(self.path / row["image"])
                yield row


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
    manifest = folder / MANIFEST_FILE
    if not manifest.is_file():
        raise IoError(f"'{folder}' holds no {MANIFEST_FILE}; give the folder that 'modalconflict generate' made")
    try:
        table = pq.read_table(manifest)
    except (pa.ArrowInvalid, OSError) as error:
        raise IoError(f"'{manifest}' cannot be read as Parquet ({error}); generate the dataset again") from None
    metadata = table.schema.metadata or {}
    version = metadata.get(VERSION_KEY, MANIFEST_VERSION.encode()).decode()
    if version != MANIFEST_VERSION:
        raise InvalidArgument(
            f"'{manifest}' has manifest version {version}; this modalconflict reads version {MANIFEST_VERSION}"
        )
    table = validate_manifest(table, str(manifest))
    for row, image in enumerate(table["image"].to_pylist()):
        if not (folder / image).is_file():
            raise IoError(f"'{manifest}', row {row}: the image '{image}' is missing; generate the dataset again")
    return Dataset(folder, table)
