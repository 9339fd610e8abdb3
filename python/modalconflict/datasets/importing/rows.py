"""Rows of an outside table, one at a time: Parquet, CSV, TSV, JSON, JSON Lines, Arrow, data frames."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ijson
import pyarrow as pa
import pyarrow.parquet as pq

from modalconflict.arrow_tables import as_arrow, is_table
from modalconflict.datasets.importing.cells import printable
from modalconflict.datasets.importing.images import MAX_BYTES
from modalconflict.errors import InvalidArgument, IoError
from modalconflict.pixels import first_line

# A picture in base64 and the texts beside it.
MAX_LINE = MAX_BYTES * 4 // 3 + (16 << 20)
_BATCH = 64
SUFFIXES = (".parquet", ".csv", ".tsv", ".jsonl", ".ndjson", ".json")

Row = tuple[int, dict[str, Any]]


@dataclass(frozen=True)
class Table:
    """An outside table.

    Attributes
    ----------
    label
        What messages call it.
    path
        Its file; None for one in memory.
    columns
        Its columns; None where every row has its own keys.
    """

    label: str
    path: Path | None
    columns: tuple[str, ...] | None
    _source: Any

    def rows(self, wanted: Sequence[str] | None = None) -> Iterator[Row]:
        """Yield (row, values) from 0 on, reading no other column than the wanted ones where the format allows it.

        Raises
        ------
        InvalidArgument
            Naming the row that cannot be read.
        """
        if isinstance(self._source, pa.Table):
            batches = iter(self._source.select(list(wanted or self._source.column_names)).to_batches(_BATCH))
            return _of_batches(batches, self.label)
        if hasattr(self._source, "iloc"):
            return _of_pandas(self._source, wanted)
        assert self.path is not None
        suffix = self.path.suffix.lower()
        if suffix == ".parquet":
            return _of_parquet(self.path, wanted)
        if suffix in (".csv", ".tsv"):
            return _of_csv(self.path, self.columns or ())
        return _of_json(self.path, "item") if suffix == ".json" else _of_json_lines(self.path)


def open_table(source: Any) -> Table:
    """Recognise a table: a path by its suffix, an Arrow table, a data frame, or anything with ``__arrow_c_stream__``.

    Raises
    ------
    InvalidArgument
        If it is none of these, or has two columns of one name.
    IoError
        If the file is missing or unreadable.
    """
    if isinstance(source, (str, Path)):
        path = Path(source)
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise InvalidArgument(f"'{path}' is no table that can be read; give one of {', '.join(SUFFIXES)}")
        if not os.path.isfile(path):
            raise IoError(f"the table '{path}' does not exist; name a {suffix} file")
        columns = _header(path) if suffix in (".parquet", ".csv", ".tsv") else None
        return Table(path.name, path, _once(columns, path.name), None)
    if isinstance(source, (pa.Table, pa.RecordBatch)):
        source = as_arrow(source)
        return Table("the Arrow table", None, _once(source.column_names, "the Arrow table"), source)
    if hasattr(source, "iloc") and hasattr(source, "columns"):
        names = list(source.columns)
        odd = next((name for name in names if not isinstance(name, str)), None)
        if odd is not None:
            raise InvalidArgument(f"the data frame's column {odd!r} has no name; name the columns by text")
        return Table("the data frame", None, _once(names, "the data frame"), source)
    if is_table(source):
        source = as_arrow(source)
        return Table("the table", None, _once(source.column_names, "the table"), source)
    raise InvalidArgument(
        f"a {type(source).__name__} is no table; give a path, an Arrow table, a data frame or anything with __arrow_c_stream__"
    )


def read_json_array(path: Path, prefix: str) -> Iterator[Row]:
    """Yield the elements of an array in a JSON file, one at a time: "item" is the file itself, "scenes.item" its key."""
    return _of_json(path, prefix)


def _once(columns: Sequence[str] | None, label: str) -> tuple[str, ...] | None:
    if columns is None:
        return None
    twice = next((name for name in columns if list(columns).count(name) > 1), None)
    if twice is not None:
        raise InvalidArgument(printable(f"'{label}' has the column '{twice[:100]}' twice; rename one"))
    return tuple(columns)


def _header(path: Path) -> list[str]:
    if path.suffix.lower() == ".parquet":
        with reading(path):
            return list(pq.read_schema(path).names)
    with reading(path), open(path, encoding="utf-8-sig", newline="") as handle:
        first = next(records_of_lines(handle, path), None)
    if first is None:
        raise InvalidArgument(f"'{path.name}' is empty; give a table with a header")
    return first


def _of_parquet(path: Path, wanted: Sequence[str] | None) -> Iterator[Row]:
    with reading(path), pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as table:
        yield from _of_batches(table.iter_batches(_BATCH, columns=list(wanted) if wanted else None), path.name)


def _of_batches(batches: Iterator[pa.RecordBatch], label: str) -> Iterator[Row]:
    row = 0
    for batch in batches:
        for values in _python_rows(batch, label, row):
            yield row, values
            row += 1


def _python_rows(batch: pa.RecordBatch, label: str, first: int) -> list[dict[str, Any]]:
    try:
        return batch.to_pylist()  # type: ignore[no-any-return]
    except (ValueError, OverflowError, pa.ArrowException):
        pass  # some value has no counterpart in Python, such as text that is not UTF-8: find it
    rows = []
    for offset in range(batch.num_rows):
        values = {}
        for name in batch.schema.names:
            try:
                values[name] = batch[name][offset].as_py()
            except (ValueError, OverflowError, pa.ArrowException) as error:
                raise InvalidArgument(
                    f"'{label}', column '{name}', row {first + offset}: the value cannot be read ({first_line(error)}); convert it"
                ) from None
        rows.append(values)
    return rows


def _of_pandas(frame: Any, wanted: Sequence[str] | None) -> Iterator[Row]:
    if wanted:
        frame = frame[list(wanted)]
    for first in range(0, len(frame), _BATCH):
        for offset, values in enumerate(frame.iloc[first : first + _BATCH].to_dict("records")):
            yield first + offset, values


def records_of_lines(lines: Iterable[str], path: Path) -> Iterator[list[str]]:
    """Records of a CSV or TSV file; fields may be as long as a picture in base64."""
    tabs = path.suffix.lower() == ".tsv"
    reader = csv.reader(lines, dialect="excel-tab" if tabs else "excel", strict=True)
    number = -1  # the header
    while True:
        # The limit is the module's, not the reader's: raised for the call alone.
        before = csv.field_size_limit(MAX_LINE)
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InvalidArgument(
                f"'{path.name}', row {number}: not readable as CSV ({error}); repair the quoting"
            ) from None
        except UnicodeDecodeError as error:
            raise InvalidArgument(
                f"'{path.name}', row {number} or soon after: byte 0x{error.object[error.start]:02x} is no UTF-8; save the file as UTF-8"
            ) from None
        finally:
            csv.field_size_limit(before)
        if record:  # a blank line is none
            yield record
            number += 1


def _of_csv(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    with reading(path), open(path, encoding="utf-8-sig", newline="") as handle:
        records = records_of_lines(handle, path)
        next(records, None)
        for row, record in enumerate(records):
            if len(record) != len(columns):
                raise InvalidArgument(
                    f"'{path.name}', row {row}: {len(record)} values where the header has {len(columns)} columns; repair the row"
                )
            yield row, dict(zip(columns, record, strict=True))


def _of_json_lines(path: Path) -> Iterator[Row]:
    with reading(path), open(path, "rb") as handle:
        row = 0
        while line := handle.readline(MAX_LINE + 1):
            if len(line) > MAX_LINE:
                raise InvalidArgument(f"'{path.name}', row {row}: a line of more than {MAX_LINE} bytes; split the file")
            if not line.strip():
                continue
            try:
                values = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InvalidArgument(
                    f"'{path.name}', row {row}: not readable as JSON ({first_line(error)}); repair it"
                ) from None
            if not isinstance(values, dict):
                raise InvalidArgument(f"'{path.name}', row {row}: no JSON object; give one object a line")
            yield row, values
            row += 1


def _of_json(path: Path, prefix: str) -> Iterator[Row]:
    row = 0
    with reading(path), open(path, "rb") as handle:
        try:
            for values in ijson.items(handle, prefix, use_float=True):
                if not isinstance(values, dict):
                    raise InvalidArgument(f"'{path.name}', row {row}: no JSON object; give a list of objects")
                yield row, values
                row += 1
        except (ijson.JSONError, UnicodeDecodeError, OverflowError, RecursionError) as error:
            raise InvalidArgument(
                f"'{path.name}', row {row}: not readable as JSON ({first_line(error)}); repair the file"
            ) from None
    if row == 0:
        where = "a list of objects" if prefix == "item" else f"a list under '{prefix.removesuffix('.item')}'"
        raise InvalidArgument(f"'{path.name}' holds no rows; it must be {where}")


class reading:
    """Turn what reading a file raises into one sentence."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, (InvalidArgument, IoError)):
            return
        if isinstance(error, OSError):
            raise IoError(
                f"'{self._path}' cannot be read ({error.strerror or first_line(error)}); check the file"
            ) from None
        if isinstance(error, pa.ArrowException):
            raise IoError(f"'{self._path}' cannot be read as Parquet ({first_line(error)}); check the file") from None
        if isinstance(error, UnicodeDecodeError):
            raise InvalidArgument(f"'{self._path.name}' is not written in UTF-8; save it so") from None
