"""Records: one row a run, kept in Parquet parts with a journal, validated with the row and the column named."""

from __future__ import annotations

from modalconflict.records.harness import from_lmms_eval
from modalconflict.records.journal import JournalEntry, finished_groups, read_journal
from modalconflict.records.lock import StudyLock
from modalconflict.records.reading import is_study, read_records, study_information
from modalconflict.records.schema import (
    CONDITIONS,
    FORMAT_VERSION,
    UNCERTAINTY_COLUMNS,
    lens_rows,
    record_schema,
    uncertainty_columns,
    validate_records,
)
from modalconflict.records.writing import RecordWriter, write_part

__all__ = [
    "CONDITIONS",
    "FORMAT_VERSION",
    "UNCERTAINTY_COLUMNS",
    "JournalEntry",
    "RecordWriter",
    "StudyLock",
    "finished_groups",
    "from_lmms_eval",
    "is_study",
    "lens_rows",
    "read_journal",
    "read_records",
    "record_schema",
    "study_information",
    "uncertainty_columns",
    "validate_records",
    "write_part",
]
