"""Writing records: a Parquet part a finished group, named only when whole, and a journal of what is finished."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from modalconflict.errors import InvalidArgument, IoError
from modalconflict.records.files import file_sha256, sync_folder

JOURNAL = "journal.jsonl"
PARTS = "records"


@dataclass(frozen=True)
class JournalEntry:
    """One finished group.

    Attributes
    ----------
    group
        The group's number.
    part
        Path of its part, relative to the study.
    rows
        Runs in the part.
    failed
        Runs of the part whose status is not ok.
    sha256
        Checksum of the part's bytes.
    seconds
        Wall-clock time the group took.
    """

    group: int
    part: str
    rows: int
    failed: int
    sha256: str
    seconds: float


def read_journal(study: Path) -> dict[int, JournalEntry]:
    """Finished groups of a study, by group number.

    A last line that was cut off by a crash is left out, as if its group had not been finished. The parts named
    in the journal must be there, unaltered.

    Raises
    ------
    IoError
        If a line other than the last is unreadable, or a part is missing or altered.
    """
    path = study / JOURNAL
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").split("\n")
    entries: dict[int, JournalEntry] = {}
    for number, line in enumerate(lines):
        if not line:
            continue
        try:
            entry = JournalEntry(**json.loads(line))
        except (ValueError, TypeError) as error:
            if number == len(lines) - 1:
                break
            raise IoError(
                f"{path}, line {number + 1} is not a journal entry; restore the file or run the study anew"
            ) from error
        part = study / entry.part
        if not part.is_file():
            raise IoError(
                f"{part} is missing though {path} lists it; remove line {number + 1} of the journal to run that group again"
            )
        if file_sha256(part) != entry.sha256:
            raise IoError(
                f"{part} was altered after it was written; remove line {number + 1} of {path} to run that group again"
            )
        entries[entry.group] = entry
    return entries


class RecordWriter:
    """Appends finished groups to a study.

    Parameters
    ----------
    study
        The study's folder; it exists already.

    Notes
    -----
    A part is written under a temporary name, synced, renamed, and only then entered in the journal: a crash at any
    moment leaves either a finished group or none of it.
    """

    def __init__(self, study: Path) -> None:
        self._study = study
        (study / PARTS).mkdir(exist_ok=True)
        self.finished = read_journal(study)
        journal = study / JOURNAL
        if journal.exists():  # what a crash left of a last line goes
            whole = "".join(json.dumps(asdict(e)) + "\n" for e in self.finished.values())
            _replace(journal, whole.encode())

    def write(self, group: int, table: pa.Table, seconds: float) -> JournalEntry:
        """Write one group's runs and enter it in the journal.

        Raises
        ------
        InvalidArgument
            If the group is finished already.
        IoError
            If the disk refuses.
        """
        if group in self.finished:
            raise InvalidArgument(f"group {group} is finished already in {self._study}; each group is written once")
        name = f"{PARTS}/part-{group:06d}.parquet"
        target = self._study / name
        partial = target.with_suffix(".parquet.part")
        try:
            pq.write_table(table, partial, compression="zstd")
            with open(partial, "rb") as handle:
                os.fsync(handle.fileno())
            os.replace(partial, target)
            sync_folder(target.parent)
            failed = sum(s != "ok" for s in table["status"].to_pylist())
            entry = JournalEntry(group, name, table.num_rows, failed, file_sha256(target), round(seconds, 3))
            with open(self._study / JOURNAL, "a", encoding="utf-8") as journal:
                journal.write(json.dumps(asdict(entry)) + "\n")
                journal.flush()
                os.fsync(journal.fileno())
        except OSError as error:
            raise IoError(
                f"cannot write {target}: {error.strerror or error}; free space or choose another folder"
            ) from error
        self.finished[group] = entry
        return entry


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(path.name + ".part")
    with open(partial, "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(partial, path)
    sync_folder(path.parent)


def write_json(path: Path, content: object) -> None:
    """Write JSON so that the file is whole or not there."""
    try:
        _replace(path, (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())
    except OSError as error:
        raise IoError(f"cannot write {path}: {error.strerror or error}; free space or choose another folder") from error
