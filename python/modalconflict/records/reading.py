"""Reading records: a study folder, or a Parquet or CSV table of runs or of joined cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from modalconflict.arrow_tables import as_arrow, is_table
from modalconflict.distributed.store import is_object_uri, open_object_folder
from modalconflict.errors import InvalidArgument, IoError
from modalconflict.records.files import read_json
from modalconflict.records.journal import JOURNAL, PART_KEY, finished_groups
from modalconflict.records.parquet import read_parquet
from modalconflict.records.schema import validate_records

STUDY = "study.json"


def is_study(path: Path) -> bool:
    """Whether the folder holds a study (its study.json)."""
    return (path / STUDY).is_file()


def study_information(study: Path) -> dict[str, Any]:
    """The study's own record: what was run, on what, with which options and versions.

    Raises
    ------
    IoError
        If study.json is missing or unreadable.
    """
    path = study / STUDY
    try:
        information = read_json(path, "restore it or run the study anew")
    except FileNotFoundError:
        raise IoError(
            f"{study} holds no study ({STUDY} is missing); name the folder that 'modalconflict run' wrote"
        ) from None
    if not isinstance(information, dict) or information.get("format") != "modalconflict-study":
        raise IoError(f"{path} is no study record; name the folder that 'modalconflict run' wrote")
    return information


def read_table(path: Path) -> pa.Table:
    """A Parquet (.parquet) or CSV (.csv) table as it stands.

    Raises
    ------
    IoError
        If the file is missing or unreadable.
    InvalidArgument
        If its name ends otherwise.
    """
    if not path.exists():
        raise IoError(f"{path} does not exist; name a study folder, a .parquet or a .csv file")
    if path.suffix not in (".parquet", ".csv"):
        raise InvalidArgument(
            f"{path} is neither a study folder nor a .parquet or .csv file; convert it to one of these"
        )
    try:
        return read_parquet(path) if path.suffix == ".parquet" else pa.csv.read_csv(path)
    except IoError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise IoError(f"{path} is unreadable ({reason}); it may be truncated: write it again") from error


def read_records(path: Any) -> pa.Table:
    """Validated records of a study folder, of one file of runs, or of a table of them.

    Parameters
    ----------
    path
        A folder with study.json, or such a place in an object store (s3://bucket/prefix); a .parquet or .csv file whose rows
        are runs; or a table of them in memory: Arrow, Polars, pandas, or anything else with ``__arrow_c_stream__``.

    Returns
    -------
    pyarrow.Table
        One row a run, columns as documented; see :func:`modalconflict.records.validate_records`.

    Raises
    ------
    IoError
        If the folder or the file is missing or unreadable, or a part was altered.
    InvalidArgument
        If a row breaks the documented format; the message names row and column.
    """
    if is_table(path):
        return validate_records(as_arrow(path), "the table")
    if is_object_uri(path):
        from modalconflict.distributed.objects import read_object_records

        return read_object_records(open_object_folder(path))
    path = Path(path)
    if not path.is_dir():
        return validate_records(read_table(path), str(path))
    study_information(path)
    entries = finished_groups(path)
    if not entries:
        raise IoError(f"{path} has no finished group yet; run 'modalconflict run' with --resume to go on")
    tables = []
    for entry in entries.values():
        part = read_table(path / entry.part)
        if part.num_rows != entry.rows:
            raise IoError(
                f"{path / entry.part} has {part.num_rows} rows where {path / JOURNAL} says {entry.rows}; "
                "the journal was altered: remove it, and the study's --resume rebuilds it from the parts"
            )
        own = {k: v for k, v in (part.schema.metadata or {}).items() if k != PART_KEY}
        tables.append(part.replace_schema_metadata(own))
    try:
        table = pa.concat_tables(tables, promote_options="default").combine_chunks()
    except pa.ArrowInvalid as error:
        raise IoError(f"the parts of {path} have different columns ({error}); run the study anew") from error
    return validate_records(table, str(path))
