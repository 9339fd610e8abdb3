"""Reading records: a study folder, or a Parquet or CSV table of runs or of joined cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from modalconflict.errors import InvalidArgument, IoError
from modalconflict.records.schema import validate_records
from modalconflict.records.writing import read_journal

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
        information = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise IoError(
            f"{study} holds no study ({STUDY} is missing); name the folder that 'modalconflict run' wrote"
        ) from None
    except (OSError, ValueError) as error:
        raise IoError(f"{path} is unreadable ({error}); restore it or run the study anew") from error
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
        return pq.read_table(path) if path.suffix == ".parquet" else pa.csv.read_csv(path)
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0]
        raise IoError(f"{path} is unreadable ({reason}); it may be truncated: write it again") from error


def read_records(path: str | Path) -> pa.Table:
    """Validated records of a study folder or of one file of runs.

    Parameters
    ----------
    path
        A folder with study.json, or a .parquet or .csv file whose rows are runs.

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
    path = Path(path)
    if not path.is_dir():
        return validate_records(read_table(path), str(path))
    study_information(path)
    entries = read_journal(path)
    if not entries:
        raise IoError(f"{path} has no finished group yet; run 'modalconflict run' with --resume to go on")
    tables = [read_table(path / entry.part) for _, entry in sorted(entries.items())]
    try:
        table = pa.concat_tables(tables, promote_options="default").combine_chunks()
    except pa.ArrowInvalid as error:
        raise IoError(f"the parts of {path} have different columns ({error}); run the study anew") from error
    return validate_records(table, str(path))
