"""The journal: one line a finished group, and its rebuilding from the parts where it was lost."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from modalconflict.errors import IoError
from modalconflict.records.files import file_sha256

JOURNAL = "journal.jsonl"
PARTS = "records"
PART_KEY = b"modalconflict.part"

_LONGEST_LINE = 1 << 16
_KINDS: dict[str, tuple[type, ...]] = {
    "group": (int,),
    "part": (str,),
    "rows": (int,),
    "failed": (int,),
    "sha256": (str,),
    "seconds": (int, float, type(None)),
}


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
        Wall-clock time the group took; None in an entry that was rebuilt from its part.
    """

    group: int
    part: str
    rows: int
    failed: int
    sha256: str
    seconds: float | None


def part_name(group: int) -> str:
    """Path of a group's part, relative to the study."""
    return f"{PARTS}/part-{group:06d}.parquet"


def read_journal(study: Path) -> dict[int, JournalEntry]:
    """Finished groups of a study, by group number.

    A last line that was cut off by a crash is left out, as if its group had not been entered. The parts named
    in the journal must be there, unaltered.

    Raises
    ------
    IoError
        If a line other than the last is unreadable, or a part is missing or altered.
    """
    entries, bad = _lines(study)
    if bad is not None:
        raise IoError(
            f"{study / JOURNAL}, line {bad} is not a journal entry; go on with the study by --resume, "
            "which rebuilds the journal from the parts"
        )
    for number, entry in entries.items():
        _check_part(study, entry, number)
    return {entry.group: entry for entry in entries.values()}


def finished_groups(study: Path, identity: str = "") -> dict[int, JournalEntry]:
    """Finished groups by the journal and, for what it lacks, by the parts themselves.

    Parameters
    ----------
    study
        The study's folder.
    identity
        Parts of another study are not taken; "" takes any.

    Returns
    -------
    dict of int to JournalEntry
        By group number, ascending.

    Raises
    ------
    IoError
        If a part that the journal lists is missing or altered.
    """
    lines, _ = _lines(study)
    for number, entry in lines.items():
        _check_part(study, entry, number)
    entries = {entry.group: entry for entry in lines.values()}
    for part in sorted((study / PARTS).glob("part-*.parquet")):
        match = re.fullmatch(r"part-(\d{6,18})\.parquet", part.name)
        if match and int(match[1]) not in entries and part.name == Path(part_name(int(match[1]))).name:
            recovered = _recover(part, int(match[1]), identity)
            if recovered is not None:
                entries[recovered.group] = recovered
    return dict(sorted(entries.items()))


def _lines(study: Path) -> tuple[dict[int, JournalEntry], int | None]:
    """Entries by line number (from 1), and the first line that is none; a last line cut off is no line."""
    entries: dict[int, JournalEntry] = {}
    bad: int | None = None
    path, number = study / JOURNAL, 0
    try:
        with open(path, "rb") as journal:
            while line := journal.readline(_LONGEST_LINE):
                number += 1
                entry = _entry(line)
                if entry is not None:
                    entries[number] = entry
                elif line.strip() and bad is None and line.endswith(b"\n"):
                    bad = number
    except FileNotFoundError:
        pass
    except OSError as error:
        raise IoError(f"cannot read {path}: {error.strerror or error}; restore it or make it readable") from None
    return entries, bad


def _entry(line: bytes) -> JournalEntry | None:
    try:
        values: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict) or values.keys() != _KINDS.keys():
        return None
    if any(isinstance(values[k], bool) or not isinstance(values[k], kinds) for k, kinds in _KINDS.items()):
        return None
    entry = JournalEntry(**values)
    # a name that is not the group's own could lead out of the folder
    sane = 0 <= entry.failed <= entry.rows < 2**63 and 0 <= entry.group < 2**63
    return entry if sane and entry.part == part_name(entry.group) else None


def _check_part(study: Path, entry: JournalEntry, line: int) -> None:
    part, journal = study / entry.part, study / JOURNAL
    if not part.is_file():
        raise IoError(
            f"{part} is missing though {journal} lists it; remove line {line} of the journal to run that group again"
        )
    if file_sha256(part) != entry.sha256:
        raise IoError(
            f"{part} was altered after it was written; remove it and line {line} of {journal} to run that group again"
        )


def _recover(part: Path, group: int, identity: str) -> JournalEntry | None:
    """The entry of a part that is whole and says that it is this group of this study."""
    try:
        with open(part, "rb") as handle, pq.ParquetFile(handle, page_checksum_verification=True) as file:
            own = json.loads((file.schema_arrow.metadata or {}).get(PART_KEY, b"null"))
            if not isinstance(own, dict) or own.get("group") != group:
                return None
            if identity and own.get("study") != identity:
                return None
            table = file.read()  # every page against its checksum
        if own.get("rows") != table.num_rows or set(table["group"].to_pylist()) != {group}:
            return None
        failed = sum(s != "ok" for s in table["status"].to_pylist())
        return JournalEntry(group, part_name(group), table.num_rows, failed, file_sha256(part), None)
    except (pa.ArrowException, OSError, ValueError, KeyError, RecursionError):
        return None  # half a part, or no part of ours: its group runs again
