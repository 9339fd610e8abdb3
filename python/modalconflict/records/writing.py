"""Writing records: a Parquet part a finished group, named only when whole, and a journal of what is finished."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from modalconflict.errors import InvalidArgument, IoError
from modalconflict.records.files import file_sha256, replace_file, sync_file, sync_folder, write_json
from modalconflict.records.journal import (
    JOURNAL,
    PART_KEY,
    PARTS,
    JournalEntry,
    finished_groups,
    part_name,
    read_journal,
)

__all__ = ["JournalEntry", "RecordWriter", "read_journal", "write_json", "write_part"]


def write_part(
    study: Path, group: int, table: pa.Table, seconds: float | None = None, identity: str = ""
) -> JournalEntry:
    """Write one group's part, whole or not at all, without entering it in the journal.

    The part carries its group, its number of rows and the study it belongs to, and a checksum a page, so that a lost
    journal is rebuilt from it.

    Parameters
    ----------
    study
        The study's folder, with its folder of parts.
    group
        The group's number.
    table
        Its runs.
    seconds
        Wall-clock time the group took.
    identity
        Which study it belongs to, see :func:`modalconflict.runner.identity.fingerprint`.

    Returns
    -------
    JournalEntry
        What :meth:`RecordWriter.enter` takes.

    Raises
    ------
    IoError
        If the disk refuses.
    """
    target = study / part_name(group)
    partial = target.with_suffix(".parquet.part")
    own = json.dumps({"group": group, "rows": table.num_rows, "study": identity}).encode()
    marked = table.replace_schema_metadata({**(table.schema.metadata or {}), PART_KEY: own})
    try:
        try:
            with open(partial, "wb") as handle:  # a handle, as Arrow takes no name that is not UTF-8
                pq.write_table(marked, handle, compression="zstd", write_page_checksum=True)
            sync_file(partial)
            os.replace(partial, target)
        except BaseException:
            partial.unlink(missing_ok=True)  # its bytes may be the ones that a full disk lacks
            raise
        sync_folder(target.parent)
        failed = sum(s != "ok" for s in table["status"].to_pylist())
        rounded = None if seconds is None else round(seconds, 3)
        return JournalEntry(group, part_name(group), table.num_rows, failed, file_sha256(target), rounded)
    except OSError as error:
        raise IoError(
            f"cannot write {target}: {error.strerror or error}; free space or choose another folder"
        ) from error


class RecordWriter:
    """Appends finished groups to a study.

    Parameters
    ----------
    study
        The study's folder; it exists already, and this process holds its lock.
    identity
        Which study it is: parts of another one are not taken for finished groups where the journal was lost.

    Attributes
    ----------
    finished
        Finished groups by number.

    Notes
    -----
    A part is written under a temporary name, synced, renamed, and only then entered in the journal: a crash at any
    moment leaves either a finished group or none of it. A part whose line is missing is entered again from its own
    metadata.

    Raises
    ------
    IoError
        If a part that the journal lists is missing or altered, or the disk refuses.
    """

    def __init__(self, study: Path, identity: str = "") -> None:
        self._study = study
        self._identity = identity
        try:
            (study / PARTS).mkdir(exist_ok=True)
            for remains in (study / PARTS).glob("*.parquet.part"):
                remains.unlink()
            self.finished = finished_groups(study, identity)
            whole = "".join(json.dumps(asdict(e)) + "\n" for e in self.finished.values()).encode()
            journal = study / JOURNAL
            # what a crash left of a last line goes, what it left unsaid is entered
            if whole != (journal.read_bytes() if journal.exists() else b""):
                replace_file(journal, whole)
        except IoError:
            raise
        except OSError as error:
            raise IoError(
                f"cannot write to {study}: {error.strerror or error}; free space or choose another folder"
            ) from error

    def write(self, group: int, table: pa.Table, seconds: float | None = None) -> JournalEntry:
        """Write one group's runs and enter it in the journal.

        Raises
        ------
        InvalidArgument
            If the group is finished already.
        IoError
            If the disk refuses.
        """
        self._require_new(group)
        return self.enter(write_part(self._study, group, table, seconds, self._identity))

    def enter(self, entry: JournalEntry) -> JournalEntry:
        """Enter a part that :func:`write_part` wrote.

        Raises
        ------
        InvalidArgument
            If the group is finished already.
        IoError
            If the disk refuses.
        """
        self._require_new(entry.group)
        path = self._study / JOURNAL
        before = path.stat().st_size if path.exists() else 0
        try:
            with open(path, "ab") as journal:
                journal.write((json.dumps(asdict(entry)) + "\n").encode())
                journal.flush()
                os.fsync(journal.fileno())
        except OSError as error:
            if path.exists():
                os.truncate(path, before)  # half a line would spoil the next one
            raise IoError(
                f"cannot write {path}: {error.strerror or error}; free space or choose another folder"
            ) from error
        self.finished[entry.group] = entry
        return entry

    def _require_new(self, group: int) -> None:
        if group in self.finished:
            raise InvalidArgument(f"group {group} is finished already in {self._study}; each group is written once")
