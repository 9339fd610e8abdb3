"""Any table with a picture, a text, a question and two answers."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from modalconflict.datasets.dataset import Dataset
from modalconflict.datasets.importing.build import OPTIONAL, REQUIRED, ImportOptions, Progress, build_dataset
from modalconflict.datasets.importing.cells import printable
from modalconflict.datasets.importing.rows import Row, Table, open_table
from modalconflict.errors import InvalidArgument
from modalconflict.records.files import file_sha256


def from_table(
    table: Any,
    columns: Mapping[str, str] | None = None,
    *,
    out: str | Path,
    images: str | Path | None = None,
    name: str = "table",
    command: str | None = None,
    link: bool = False,
    skip_bad_rows: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Make a dataset of a table.

    Parameters
    ----------
    table : path, pyarrow.Table, pandas.DataFrame, or anything with ``__arrow_c_stream__`` (Polars, DuckDB …)
        Parquet, CSV, TSV, JSON (a list of objects) or JSON Lines by the path's suffix. Read row by row.
    columns : mapping, optional
        Field to column. Fields: ``image`` (a path below `images`, the file's bytes, or Hugging Face's {bytes, path}),
        ``text``, ``question``, ``answer_text``, ``answer_vision``; optional ``group``, ``d_v``, ``d_t``,
        ``text_paraphrase``, ``target``, ``attribute``, ``order``. A dot leads into a nested object: "doc.image_path".
        Columns named like their field need no mention.
    out : path
        Folder to make; absent or empty.
    images : path, optional
        Folder that relative paths begin at; a table file's own folder by default. No path may leave it.
    name : str
        The dataset's name, part of every case_id.
    command : str, optional
        Added to each question that does not end with it, such as "Answer in one word."
    link : bool
        Hard-link image files instead of copying them, where the file system can.
    skip_bad_rows : bool
        Leave out rows that do not fit and write their reasons to ``skipped.jsonl``; by default the first one stops.
    progress : callable, optional
        Called with the number of rows done.

    Returns
    -------
    Dataset
        One row a case. Rows with the same ``group`` share their pictures' and texts' runs; without that column each is
        a group of its own. Missing tiers are counted in the order in which a group's pictures and texts appear.

    Raises
    ------
    InvalidArgument
        Naming file, column and row (from 0, the header not counted) of the first value that does not fit.
    IoError
        If the table is missing or unreadable, or the folder holds something else or cannot be written.

    Examples
    --------
    >>> import io, tempfile, pyarrow as pa, modalconflict as mc
    >>> from PIL import Image
    >>> picture = io.BytesIO(); Image.new("RGB", (8, 8), "red").save(picture, "PNG")
    >>> table = pa.table({"png": [picture.getvalue()], "text": ["It is blue."], "question": ["What color is it?"],
    ...                   "answer_text": ["blue"], "answer_vision": ["red"]})
    >>> data = mc.datasets.from_table(table, {"image": "png"}, out=tempfile.mkdtemp() + "/data")
    >>> [(case["case_id"], case["image_width"]) for case in data.cases()]
    [('table/00000/v00/t0', 8)]
    """
    found = open_table(table)
    mapping = resolve_columns(found, columns)
    if images is None and found.path is not None:
        images = found.path.parent
    options = ImportOptions(out, images, link, skip_bad_rows, command, progress)
    wanted = sorted(
        {column.split(".")[0] if column not in (found.columns or ()) else column for column in mapping.values()}
    )
    rows = pick(found.rows(wanted), mapping)
    return build_dataset(
        rows, mapping, found.label, check_name(name), options, {"columns": dict(mapping), **identity_of(found)}
    )


def resolve_columns(table: Table, columns: Mapping[str, str] | None) -> dict[str, str]:
    """Field to column, complete: what is not mapped is looked for under its own name.

    Raises
    ------
    InvalidArgument
        If a field is unknown, or a column is not in the table.
    """
    fields = (*REQUIRED, *OPTIONAL)
    columns = dict(columns or {})
    for given, column in columns.items():
        if given not in fields:
            near = difflib.get_close_matches(str(given), fields, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"use {', '.join(fields)}"
            raise InvalidArgument(f"columns: '{given}' is no field; {hint}")
        if not isinstance(column, str) or not column:
            raise InvalidArgument(f"columns: the column of '{given}' is {column!r}; give its name")
    mapping = {}
    for wanted in fields:
        column = columns.get(wanted, wanted)
        if table.columns is None:  # every row has its own keys
            if wanted in columns or wanted in REQUIRED:
                mapping[wanted] = column
        elif column in table.columns or ("." in column and column.split(".")[0] in table.columns):
            mapping[wanted] = column
        elif wanted in columns or wanted in REQUIRED:
            near = difflib.get_close_matches(column, table.columns, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"it has {', '.join(table.columns)[:200]}"
            raise InvalidArgument(printable(f"'{table.label}' has no column '{column}' for {wanted}; {hint}"))
    return mapping


def pick(rows: Iterator[Row], mapping: Mapping[str, str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows by field instead of by column."""
    for row, values in rows:
        yield row, {name: at(values, column) for name, column in mapping.items()}


def at(values: Mapping[str, Any], column: str) -> Any:
    """The value of a column, or of a dotted way into nested objects; None where it ends early."""
    if column in values:
        return values[column]
    here: Any = values
    for step in column.split("."):
        here = here.get(step) if isinstance(here, Mapping) else None
    return here


def identity_of(table: Table) -> dict[str, Any]:
    """What tells one source from another."""
    if table.path is None:
        return {"source": table.label}
    return {"source": table.label, "source_sha256": file_sha256(table.path)}


def check_name(name: str) -> str:
    """The dataset's name, which stands in every case_id.

    Raises
    ------
    InvalidArgument
        If it is empty or holds anything but letters, digits, ``_``, ``-`` and ``.``.
    """
    if not name or len(name) > 100 or not all(c.isalnum() or c in "_-." for c in name):
        raise InvalidArgument(f"name '{name[:100]}' is no dataset name; use letters, digits, '_', '-' and '.'")
    return name
