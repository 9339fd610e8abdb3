"""Making a dataset's folder block by block, so that memory stays flat and a killed call can be gone on with."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from modalconflict.datasets.dataset import MANIFEST_FILE, OPTIONS_KEY, VERSION_KEY, Dataset
from modalconflict.datasets.manifest import MANIFEST_SCHEMA, MANIFEST_VERSION, OPTIONAL_SCHEMA
from modalconflict.errors import IoError
from modalconflict.folders import claim_folder
from modalconflict.records.files import sync_folder
from modalconflict.records.writing import write_json

WORK = ".building"
_MARK = "dataset.json"


class DatasetBuilder:
    """A dataset's folder while it is being made.

    Blocks of rows are written as they come, each whole or not at all, into a hidden folder; `finish` joins them to the
    manifest, a row group a block, and removes that folder. A folder with a manifest is therefore complete, and a
    call that was killed goes on after its last whole block.

    Parameters
    ----------
    folder : pathlib.Path
        Absent, empty, or holding the same dataset, finished or not.
    options : mapping
        What the dataset is made with: its identity, kept in the manifest. Strict JSON.
    optional : iterable of str
        The optional columns that its rows have.
    restarts : bool
        Begin again where an earlier call of the same kind did not finish, whatever its options were.

    Attributes
    ----------
    finished : bool
        The folder held this dataset, complete, already.

    Raises
    ------
    IoError
        If the folder holds anything else (the message names what differs), or cannot be made.
    """

    def __init__(
        self, folder: Path, options: Mapping[str, Any], optional: Iterable[str] = (), restarts: bool = False
    ) -> None:
        self.folder = folder
        self._made = not os.path.lexists(folder)
        self._work = folder / WORK
        self._described = json.dumps(options, sort_keys=True, allow_nan=False)
        self._schema = pa.schema(
            [*MANIFEST_SCHEMA, *(OPTIONAL_SCHEMA.field(name) for name in optional)],
            metadata={VERSION_KEY: MANIFEST_VERSION, OPTIONS_KEY: self._described},
        )
        self.finished = False
        with suppress(OSError):  # what the folder cannot do is said by the claim
            _drop_unmarked(folder)
        if claim_folder(folder, "dataset", _holds_dataset):
            there = _options_of(folder)
            unfinished = not (folder / MANIFEST_FILE).is_file()
            if restarts and unfinished and (there or {}).get("kind") == options.get("kind"):
                self._drop()  # nothing of it would be used
            elif there != json.loads(self._described):
                raise IoError(
                    f"'{folder}' holds another dataset ({_difference(there, json.loads(self._described))}); name another folder"
                )
            self.finished = (folder / MANIFEST_FILE).is_file()
        with _writing(folder):
            if self.finished:
                shutil.rmtree(self._work, ignore_errors=True)  # killed between the last two steps of finish
                return
            self._work.mkdir(exist_ok=True)
            if not (self._work / _MARK).is_file():
                write_json(self._work / _MARK, json.loads(self._described))

    def abandon(self) -> None:
        """Remove all that was made, and the folder itself if it was not there before."""
        self._drop()
        with suppress(OSError):
            if self._made:
                self.folder.rmdir()

    def _drop(self) -> None:
        for made in (self.folder / "images", self._work):
            shutil.rmtree(made, ignore_errors=True)

    def has(self, block: int) -> bool:
        """Whether the block was written by an earlier call."""
        return self._part(block).is_file()

    def write(self, block: int, rows: list[dict[str, Any]]) -> None:
        """Write a block's rows.

        Raises
        ------
        IoError
            If the disk refuses.
        """
        part = self._part(block)
        partial = part.with_suffix(".tmp")
        with _writing(part, partial):
            pq.write_table(pa.Table.from_pylist(rows, schema=self._schema), partial)
            _sync(partial)
            os.replace(partial, part)
            sync_folder(self._work)

    def finish(self) -> Dataset:
        """Join the blocks to the manifest and return the dataset.

        Raises
        ------
        IoError
            If the disk refuses; the blocks stay, so the call can be repeated.
        """
        manifest = self.folder / MANIFEST_FILE
        partial = self._work / f"{MANIFEST_FILE}.tmp"
        with _writing(manifest, partial):
            with pq.ParquetWriter(partial, self._schema) as writer:
                for part in sorted(self._work.glob("part-*.parquet")):
                    writer.write_table(pq.read_table(part, schema=self._schema))
            _sync(partial)
            os.replace(partial, manifest)
            sync_folder(self.folder)
            shutil.rmtree(self._work)
        return Dataset(self.folder)

    def _part(self, block: int) -> Path:
        return self._work / f"part-{block:08d}.parquet"


def blocks_of(count: int, size: int) -> Iterator[tuple[int, int, int]]:
    """Split 0 to `count` into blocks: yields (number, first, length)."""
    for number, first in enumerate(range(0, count, size)):
        yield number, first, min(size, count - first)


def _drop_unmarked(folder: Path) -> None:
    """Remove what a call killed before its mark was whole has left: a folder of ours with nothing in it."""
    work = folder / WORK
    if work.is_dir() and not work.is_symlink() and {p.name for p in folder.iterdir()} == {WORK}:
        if {p.name for p in work.iterdir()} <= {f"{_MARK}.part"}:
            shutil.rmtree(work, ignore_errors=True)


def _holds_dataset(folder: Path) -> bool:
    return _options_of(folder) is not None


def _options_of(folder: Path) -> dict[str, Any] | None:
    """What the dataset in a folder is made with, finished or not; None if there is none of ours."""
    try:
        manifest = folder / MANIFEST_FILE
        if manifest.is_file():
            metadata = pq.read_schema(manifest).metadata or {}
            found = json.loads(metadata[OPTIONS_KEY])
        else:
            found = json.loads((folder / WORK / _MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError):
        return None
    return found if isinstance(found, dict) else None


def _difference(there: Mapping[str, Any] | None, here: Mapping[str, Any]) -> str:
    old = there or {}
    names = [name for name in sorted({*old, *here}) if old.get(name) != here.get(name)]
    return ", ".join(f"{name} {old.get(name)} there, {here.get(name)} here" for name in names)[:300]


def _sync(path: Path) -> None:
    with open(path, "rb") as handle:
        os.fsync(handle.fileno())


@contextmanager
def _writing(path: Path, partial: Path | None = None) -> Iterator[None]:
    """Turn what the disk says into one sentence, and leave no half file."""
    try:
        yield
    except OSError as error:
        if partial is not None:
            partial.unlink(missing_ok=True)
        if isinstance(error, IoError):
            raise
        raise IoError(f"cannot write '{path}': {error.strerror or error}; check free space and permissions") from None
