"""A study in an object store: its parts are its journal, for an object is there whole or not at all."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from modalconflict.distributed.store import ObjectFolder
from modalconflict.errors import InvalidArgument, IoError
from modalconflict.records.journal import JOURNAL, PART_KEY, JournalEntry, part_name
from modalconflict.records.schema import validate_records

STUDY = "study.json"
_PART = re.compile(r"records/part-(\d{6,18})\.parquet")
_GATHERED_EVERY = 256


def object_study_information(folder: ObjectFolder) -> dict[str, Any] | None:
    """What study.json says, None where there is none.

    Raises
    ------
    IoError
        If it is unreadable or no study's.
    """
    content = folder.read(STUDY)
    if content is None:
        return None
    try:
        found = json.loads(content)
    except ValueError as error:
        raise IoError(f"{folder}/{STUDY} is unreadable ({error}); restore it or run the study anew") from error
    if not isinstance(found, dict) or found.get("format") != "modalconflict-study":
        raise IoError(f"{folder}/{STUDY} is no study record; name the folder that 'modalconflict run' wrote")
    return found


def write_object_json(folder: ObjectFolder, name: str, content: object) -> None:
    """Write JSON as one object."""
    folder.write(name, (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def read_object_journal(folder: ObjectFolder, identity: str = "") -> dict[int, JournalEntry]:
    """Finished groups by number, ascending: those whose part is there.

    What journal.jsonl says of a part spares reading it; a part that it does not name yet is read.

    Parameters
    ----------
    folder
        The study.
    identity
        Parts of another study are refused; "" takes any.

    Raises
    ------
    IoError
        If a part is no whole part of this study, or the store refuses.
    """
    known: dict[int, JournalEntry] = {}
    for line in (folder.read(JOURNAL) or b"").splitlines():
        try:
            entry = JournalEntry(**json.loads(line))
        except (ValueError, TypeError):
            continue  # its part says the same
        known[entry.group] = entry
    entries: dict[int, JournalEntry] = {}
    for name in folder.names("records"):
        match = _PART.fullmatch(name)
        if match and name == part_name(group := int(match[1])):
            entries[group] = known.get(group) or _entry_of(folder, group, identity)
    return dict(sorted(entries.items()))


def _entry_of(folder: ObjectFolder, group: int, identity: str) -> JournalEntry:
    content, table = read_part(folder, group, identity)
    failed = sum(s != "ok" for s in table["status"].to_pylist())
    digest = hashlib.sha256(content).hexdigest()
    return JournalEntry(group, part_name(group), table.num_rows, failed, digest, None)


def read_part(folder: ObjectFolder, group: int, identity: str = "") -> tuple[bytes, pa.Table]:
    """A part's bytes and rows, every page held against its checksum.

    Raises
    ------
    IoError
        If it is missing, altered, or of another group or study.
    """
    name = part_name(group)
    content = folder.read(name)
    try:
        if content is None:
            raise ValueError("it is missing")
        with pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True) as file:
            table = file.read()
        own = json.loads((table.schema.metadata or {}).get(PART_KEY, b"null"))
        if not isinstance(own, dict) or own.get("group") != group or own.get("rows") != table.num_rows:
            raise ValueError("it does not say that it is this group")
        if identity and own.get("study") != identity:
            raise ValueError("it is of another study")
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise IoError(f"{folder}/{name} is no whole part ({reason}); remove it to run that group again") from error
    kept = {k: v for k, v in (table.schema.metadata or {}).items() if k != PART_KEY}
    return content, table.replace_schema_metadata(kept)


class ObjectRecordWriter:
    """Appends finished groups to a study in an object store.

    Parameters
    ----------
    folder
        The study.
    identity
        Which study it is; every part carries it.

    Attributes
    ----------
    finished
        Finished groups by number.

    Notes
    -----
    A group's rows are one object, put in one piece under the group's own name: after a stop it is there whole or not at
    all, and a group that two writers finish is there once.
    """

    def __init__(self, folder: ObjectFolder, identity: str = "") -> None:
        self._folder, self._identity = folder, identity
        self._ungathered = 0
        self.finished = read_object_journal(folder, identity)

    def write(self, group: int, table: pa.Table, seconds: float | None = None) -> JournalEntry:
        """Write one group's runs.

        Raises
        ------
        InvalidArgument
            If the group is finished already.
        IoError
            If the store refuses.
        """
        if group in self.finished:
            raise InvalidArgument(f"group {group} is finished already in {self._folder}; each group is written once")
        own = json.dumps({"group": group, "rows": table.num_rows, "study": self._identity}).encode()
        marked = table.replace_schema_metadata({**(table.schema.metadata or {}), PART_KEY: own})
        sink = pa.BufferOutputStream()
        pq.write_table(marked, sink, compression="zstd", write_page_checksum=True)
        content = sink.getvalue().to_pybytes()
        self._folder.write(part_name(group), content)
        failed = sum(s != "ok" for s in table["status"].to_pylist())
        digest = hashlib.sha256(content).hexdigest()
        self.finished[group] = JournalEntry(
            group, part_name(group), table.num_rows, failed, digest, None if seconds is None else round(seconds, 3)
        )
        self._ungathered += 1
        if self._ungathered >= _GATHERED_EVERY:
            self.gather()
        return self.finished[group]

    def gather(self) -> None:
        """Write journal.jsonl: the study, copied to a folder as it stands, is then one that every command reads."""
        lines = (json.dumps(asdict(e)) + "\n" for _, e in sorted(self.finished.items()))
        self._folder.write(JOURNAL, "".join(lines).encode())
        self._ungathered = 0


def read_object_records(folder: ObjectFolder) -> pa.Table:
    """Validated records of a study in an object store, as `read_records` gives those of a folder.

    Raises
    ------
    IoError
        If there is no study, no finished group, or a part is altered.
    InvalidArgument
        If a row breaks the documented format.
    """
    if object_study_information(folder) is None:
        raise IoError(f"{folder} holds no study ({STUDY} is missing); name the place that 'modalconflict run' wrote")
    groups = list(read_object_journal(folder))
    if not groups:
        raise IoError(f"{folder} has no finished group yet; run 'modalconflict run' with --resume to go on")
    tables = [read_part(folder, group)[1] for group in groups]
    try:
        table = pa.concat_tables(tables, promote_options="default").combine_chunks()
    except pa.ArrowInvalid as error:
        raise IoError(f"the parts of {folder} have different columns ({error}); run the study anew") from error
    return validate_records(table, str(folder))
